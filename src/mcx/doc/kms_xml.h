/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_xml.h - inside the KMS documents: a table says which children an element has, one engine reads them (kms.md 7.9).
 *
 * The first fault stays, with the name and line of its element; after it every reader is a no-op. Known children may
 * stand in any order, each as often as its row allows; unknown ones of the interface's namespace are counted and
 * skipped; other namespaces are left alone.
 */
#ifndef MCX_DOC_KMS_XML_H
#define MCX_DOC_KMS_XML_H

#include "mcx/doc/kms_doc.h"
#include "mcx/doc/xml.h"

#define KMS_XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

struct kms_xml {
	struct kms_fault *f;
	unsigned flags; /* KMS_WRAPPED, KMS_REL13 */
	unsigned skipped;
};

/* Into the field at `at` (of `size` octets) of the struct that is being filled. */
typedef void kms_field_reader(struct kms_xml *x, const xmlNode *node, void *at, size_t size);

enum kms_card { KMS_ONE, KMS_OPTIONAL, KMS_MANY };

struct kms_field {
	const char *name;
	enum kms_card card;
	kms_field_reader *read;
	size_t at, size;
};

#define KMS_AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)

/* Bounded, UTF-8, no DTD, at most KMS_MAX_DEPTH deep; freed with xmlFreeDoc. NULL and the fault otherwise. */
xmlDoc *kms_xml_open(struct kms_xml *x, struct octets text, size_t max);
void kms_xml_fail(struct kms_xml *x, const xmlNode *node, enum mcsec_err code, const char *detail);
void kms_xml_children(struct kms_xml *x, const xmlNode *parent, const struct kms_field *fields, size_t n, void *into);
/* The same for elements of another namespace. */
void kms_xml_children_in(struct kms_xml *x, const char *ns, const xmlNode *parent, const struct kms_field *fields,
			 size_t n, void *into);

/* Simple values; surrounding white space is not part of them. */
kms_field_reader kms_read_text;    /* char[size]                                */
kms_field_reader kms_read_uri;     /* char[size]: not empty, no blanks          */
kms_field_reader kms_read_time;    /* int64_t                                   */
kms_field_reader kms_read_bool;    /* int                                       */
kms_field_reader kms_read_integer; /* int64_t                                   */
kms_field_reader kms_read_natural; /* uint64_t, 0..2^63-1                       */
kms_field_reader kms_read_hex;     /* uint8_t[size], exactly                    */
kms_field_reader kms_read_error;   /* struct kms_error                          */

/* Text of an attribute without namespace into out; 1 if it is there. */
int kms_attribute(struct kms_xml *x, const xmlNode *node, const char *name, char *out, size_t size);
/* Version, where it stands, is 1.x.y. */
void kms_check_version(struct kms_xml *x, const xmlNode *node);

/* xsd:dateTime with fraction, zone or none (then UTC) to Unix seconds, rounded down; MCSEC_E_VALUE. */
enum mcsec_err kms_time_read(const char *text, int64_t *out);
void kms_put_time(struct writer *w, const char *name, int64_t unix_s);
void kms_put_integer(struct writer *w, const char *name, int64_t v);
/* Hex digits in time that depends on the length only; the other within <name> and </name>. */
void kms_put_hex_text(struct writer *w, struct octets v);
void kms_put_hex(struct writer *w, const char *name, struct octets v);
/* Nothing for "". */
void kms_put_optional(struct writer *w, const char *name, const char *text);
/* ` name="value"` */
void kms_put_attribute(struct writer *w, const char *name, const char *value);
void kms_put_optional_attribute(struct writer *w, const char *name, const char *value);
void kms_put_error(struct writer *w, const char *name, const struct kms_error *e);

/* The parts, each with read and write in its own file. */
void kms_certificate_read(struct kms_xml *x, const xmlNode *node, struct kms_certificate *c);
void kms_certificate_put(struct writer *w, const struct kms_certificate *c, const char *attributes, int rel13);
void kms_key_set_read(struct kms_xml *x, const xmlNode *node, struct kms_key_set *s);
void kms_key_set_put(struct writer *w, const struct kms_key_set *s, const char *attributes);
void kms_key_set_wipe(struct kms_key_set *s);

/*
 * kms_enc_key.c: content of type EncKeyContentType. key_len: octets of the key inside, which tell the forms of
 * CipherValue apart (kms.md 10.2).
 */
void kms_enc_key_read(struct kms_xml *x, const xmlNode *node, size_t key_len, struct kms_enc_key *out);
void kms_enc_key_put(struct writer *w, const char *name, const struct kms_enc_key *k);
/* 1 if xsi:type stands there: *local is its local name when it is of the interface's namespace, "" else; *value to be
 * freed with xmlFree. */
int kms_type_of(const struct kms_xml *x, const xmlNode *node, xmlChar **value, const char **local);

/* krr.c: the children of a KRR, whatever element holds them, from their own namespace. NULL and the fault. */
struct krr *krr_children_read(struct kms_xml *x, const xmlNode *node, unsigned depth);
/* With the prefix of KRR_NS ("krr:" or ""); an embedded one brings its own namespaces. */
void krr_children_put(struct writer *w, const struct krr *k, const char *prefix);

/* kms_rel13.c: gives elements of the namespaces of Rel-13 writers ours. */
void kms_rel13_adopt(xmlDoc *doc);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_response.c - KmsResponse and its messages KmsInit, KmsKeyProv, KmsCertCache, KmsLookup, read and written
 * (TS 33.180 D.3; kms.md 7.1 to 7.5, 7.8).
 *
 * A message is a choice: exactly one known child of KmsMessage. A response holds a message or an error, or neither
 * (the answer to a redirect upload). An array is made as long as its parent has children, up to its limit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcx/doc/kms_xml.h"

/* ---- reading: the parts of a message ---- */

/* The place of one more element in an array that is made at its first one. NULL and a fault when there is none. */
static void *place(struct kms_xml *x, const xmlNode *node, void **array, size_t *n, size_t max, size_t size)
{
	if (*n == max) {
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "too many of these");
		return NULL;
	}
	if (!*array) {
		size_t children = xmlChildElementCount(node->parent);
		*array = calloc(children < max ? children : max, size);
	}
	if (!*array) {
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no memory");
		return NULL;
	}
	return (char *)*array + (*n)++ * size;
}

static void read_certificate(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_response *r = at;
	(void)size;
	void *array = r->certs;
	struct kms_certificate *c = place(x, node, &array, &r->n_certs, KMS_MAX_CERTS, sizeof *c);
	r->certs = array;
	if (c)
		kms_certificate_read(x, node, c);
}

/* Its signature is looked at where a key for it is configured; which key that is, no public text says. */
static void read_signed_certificate(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_response *r = at;
	(void)size;
	xmlNode *inner = xml_child(node, KMS_NS, "KmsCertificate", NULL);
	void *array = r->certs;
	struct kms_certificate *c = place(x, node, &array, &r->n_certs, KMS_MAX_CERTS, sizeof *c);
	r->certs = array;
	if (!inner)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "does not hold one KmsCertificate");
	else if (c)
		kms_certificate_read(x, inner, c);
}

static void read_key_set(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_response *r = at;
	(void)size;
	void *array = r->sets;
	struct kms_key_set *s = place(x, node, &array, &r->n_sets, KMS_MAX_SETS, sizeof *s);
	r->sets = array;
	if (s)
		kms_key_set_read(x, node, s);
}

static void read_lookup_uri(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_response *r = at;
	(void)size;
	void *array = r->lookup;
	char *uri = place(x, node, &array, &r->n_lookup, KMS_MAX_LOOKUP, KMS_URI_MAX);
	r->lookup = array;
	if (uri)
		kms_read_uri(x, node, uri, KMS_URI_MAX);
}

static void read_new_key(struct kms_xml *x, const xmlNode *node, struct kms_response *r, int is_ink)
{
	if (r->n_new_keys == KMS_MAX_NEW_KEYS) {
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "too many of these");
	} else if (!(x->flags & KMS_WRAPPED)) {
		x->skipped++; /* nothing that this reader could open */
	} else {
		struct kms_new_key *k = &r->new_keys[r->n_new_keys++];
		k->is_ink = is_ink;
		kms_enc_key_read(x, node, KMS_TRK_LEN, &k->key);
		if (!x->f->code && !k->key.carried[0])
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "the new key is not named");
	}
}

static void read_new_transport_key(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	(void)size;
	read_new_key(x, node, at, 0);
}

static void read_new_integrity_key(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	(void)size;
	read_new_key(x, node, at, 1);
}

static void read_suites(struct kms_xml *x, const xmlNode *parent, struct kms_response *r)
{
	unsigned count;
	xmlNode *node = xml_child(parent, KMS_EXT_NS, "AlgorithmSuites", &count);
	if (count > 1)
		kms_xml_fail(x, parent, MCSEC_E_MALFORMED, "AlgorithmSuites stands more than once");
	if (!node)
		return;
	kms_attribute(x, node, "list", r->suites, sizeof r->suites);
	kms_attribute(x, node, "minimum", r->suites_minimum, sizeof r->suites_minimum);
}

/* ---- reading: the messages ---- */

static void read_init(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {
	    {"KmsCertificate", KMS_OPTIONAL, read_certificate, 0, 0},
	    {"SignedKmsCertificate", KMS_OPTIONAL, read_signed_certificate, 0, 0},
	    {"NewTransportKey", KMS_MANY, read_new_transport_key, 0, 0},
	    {"NewIntegrityKey", KMS_MANY, read_new_integrity_key, 0, 0},
	};
	struct kms_response *r = at;
	(void)size;
	r->message = KMS_MSG_INIT;
	kms_xml_children(x, node, fields, 4, r);
	read_suites(x, node, r);
	if (r->n_certs != 1)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "does not hold one certificate");
}

static void read_keyprov(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {
	    {"KmsKeySet", KMS_MANY, read_key_set, 0, 0},
	    {"NewTransportKey", KMS_MANY, read_new_transport_key, 0, 0},
	    {"NewIntegrityKey", KMS_MANY, read_new_integrity_key, 0, 0},
	};
	struct kms_response *r = at;
	(void)size;
	r->message = KMS_MSG_KEYPROV;
	kms_check_version(x, node);
	kms_xml_children(x, node, fields, 3, r);
}

static void read_cert_cache(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {
	    {"SignedKmsCertificate", KMS_MANY, read_signed_certificate, 0, 0},
	    {"KmsCertificate", KMS_MANY, read_certificate, 0, 0},
	};
	struct kms_response *r = at;
	char num[24];
	(void)size;
	r->message = KMS_MSG_CERTCACHE;
	kms_check_version(x, node);
	if (kms_attribute(x, node, "CacheNum", num, sizeof num)) {
		char *end;
		r->cache_num = strtoll(num, &end, 10);
		if (*end || end == num || r->cache_num < 0)
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "CacheNum is no number");
	}
	kms_xml_children(x, node, fields, 2, r);
	read_suites(x, node, r);
}

static void read_lookup(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {
	    {"UserUri", KMS_OPTIONAL, kms_read_uri, KMS_AT(struct kms_response, lookup_uri)},
	    {"KmsUri", KMS_MANY, read_lookup_uri, 0, 0},
	};
	struct kms_response *r = at;
	(void)size;
	r->message = KMS_MSG_LOOKUP;
	kms_xml_children(x, node, fields, 2, r);
}

static void read_message(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field choice[] = {
	    {"KmsInit", KMS_OPTIONAL, read_init, 0, 0},
	    {"KmsKeyProv", KMS_OPTIONAL, read_keyprov, 0, 0},
	    {"KmsCertCache", KMS_OPTIONAL, read_cert_cache, 0, 0},
	    {"KmsLookup", KMS_OPTIONAL, read_lookup, 0, 0},
	};
	unsigned n = 0, one;
	(void)size;
	for (size_t i = 0; i < 4; i++) {
		xml_child(node, KMS_NS, choice[i].name, &one);
		n += one;
	}
	if (n > 1)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "holds more than one message");
	kms_xml_children(x, node, choice, 4, at);
}

/* ---- reading: the document ---- */

#define AT(member) KMS_AT(struct kms_response, member)
static const struct kms_field response_fields[] = {
    {"UserUri", KMS_ONE, kms_read_uri, AT(user_uri)},
    {"KmsUri", KMS_ONE, kms_read_uri, AT(kms_uri)},
    {"Time", KMS_ONE, kms_read_time, AT(time)},
    {"KmsId", KMS_OPTIONAL, kms_read_text, AT(kms_id)},
    {"ClientReqUrl", KMS_ONE, kms_read_uri, AT(client_req_url)},
    {"KmsMessage", KMS_OPTIONAL, read_message, 0, 0},
    {"KmsError", KMS_OPTIONAL, kms_read_error, AT(error)},
    {"TrK-ID", KMS_OPTIONAL, kms_read_text, AT(trk_id)},
    {"Signature-ID", KMS_OPTIONAL, kms_read_text, AT(signature_id)},
};

static void read_response(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_response *r = at;
	(void)size;
	kms_check_version(x, node);
	kms_attribute(x, node, "Id", r->id, sizeof r->id);
	kms_xml_children(x, node, response_fields, sizeof response_fields / sizeof *response_fields, r);
	if (r->message && r->error.code)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "holds a message and an error");
}

static void read_signed_response(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field inner[] = {{"KmsResponse", KMS_ONE, read_response, 0, 0}};
	(void)size;
	kms_xml_children(x, node, inner, 1, at);
}

static const struct {
	const char *name;
	unsigned root;
	kms_field_reader *read;
} roots_table[] = {
    {"KmsResponse", KMS_ROOT_RESPONSE, read_response},
    {"SignedKmsResponse", KMS_ROOT_RESPONSE, read_signed_response},
    {"KmsCertificate", KMS_ROOT_PART, read_certificate},
    {"SignedKmsCertificate", KMS_ROOT_PART, read_signed_certificate},
    {"KmsInit", KMS_ROOT_PART, read_init},
    {"KmsCertCache", KMS_ROOT_PART, read_cert_cache},
    {"KmsKeySet", KMS_ROOT_PART, read_key_set},
    {"KmsKeyProv", KMS_ROOT_PART, read_keyprov},
};

static void read_root(struct kms_xml *x, const xmlNode *root, unsigned roots, struct kms_response *r)
{
	for (size_t i = 0; i < sizeof roots_table / sizeof *roots_table; i++)
		if ((roots & roots_table[i].root) && xml_is(root, KMS_NS, roots_table[i].name)) {
			roots_table[i].read(x, root, r, 0);
			return;
		}
	kms_xml_fail(x, root, MCSEC_E_MALFORMED, "not a document that is expected here");
}

enum mcsec_err kms_response_of(struct kms_response *out, unsigned roots, struct _xmlDoc *doc, struct kms_fault *f)
{
	struct kms_xml x = {.f = f, .flags = roots & (KMS_WRAPPED | KMS_REL13)};
	*f = (struct kms_fault){.detail = ""};
	*out = (struct kms_response){.time = KMS_NO_TIME, .cache_num = -1};
	if (roots & KMS_REL13)
		kms_rel13_adopt(doc);
	read_root(&x, xmlDocGetRootElement(doc), roots, out);
	out->skipped = x.skipped;
	if (f->code)
		kms_response_free(out);
	return f->code;
}

enum mcsec_err kms_response_read(struct kms_response *out, unsigned roots, struct octets xml, struct kms_fault *f)
{
	*out = (struct kms_response){.time = KMS_NO_TIME, .cache_num = -1};
	xmlDoc *doc = kms_parse(xml, KMS_MAX_RESPONSE, f);
	if (!doc)
		return f->code;
	enum mcsec_err e = kms_response_of(out, roots, doc, f);
	kms_parsed_free(doc);
	return e;
}

void kms_response_free(struct kms_response *r)
{
	for (size_t i = 0; i < r->n_sets; i++)
		kms_key_set_wipe(&r->sets[i]);
	free(r->sets);
	free(r->certs);
	free(r->lookup);
	*r = (struct kms_response){0};
}

/* ---- writing ---- */

static void put_suites(struct writer *w, const struct kms_response *r)
{
	if (!r->suites[0])
		return;
	wr_text(w, "<ext:AlgorithmSuites xmlns:ext=\"" KMS_EXT_NS "\"");
	kms_put_attribute(w, "list", r->suites);
	kms_put_optional_attribute(w, "minimum", r->suites_minimum);
	wr_text(w, "/>");
}

static void put_new_keys(struct writer *w, const struct kms_response *r)
{
	for (int ink = 0; ink < 2; ink++) /* the order of the schema */
		for (size_t i = 0; i < r->n_new_keys; i++)
			if (r->new_keys[i].is_ink == ink)
				kms_enc_key_put(w, ink ? "NewIntegrityKey" : "NewTransportKey", &r->new_keys[i].key);
}

static void put_init(struct writer *w, const struct kms_response *r)
{
	wr_text(w, r->n_new_keys ? "<KmsInit Version=\"1.0.0\" xsi:type=\"KmsInitTkIkType\">"
				 : "<KmsInit Version=\"1.0.0\">");
	kms_certificate_put(w, &r->certs[0], "", r->rel13);
	put_suites(w, r);
	put_new_keys(w, r);
	wr_text(w, "</KmsInit>");
}

static void put_keyprov(struct writer *w, const struct kms_response *r)
{
	wr_text(w, r->n_new_keys ? "<KmsKeyProv Version=\"1.0.0\" xsi:type=\"KmsKeyProvTkIkType\">"
				 : "<KmsKeyProv Version=\"1.0.0\">");
	for (size_t i = 0; i < r->n_sets; i++)
		kms_key_set_put(w, &r->sets[i], "");
	put_new_keys(w, r);
	wr_text(w, "</KmsKeyProv>");
}

static void put_cert_cache(struct writer *w, const struct kms_response *r)
{
	char num[24];
	snprintf(num, sizeof num, "%lld", (long long)r->cache_num);
	wr_text(w, "<KmsCertCache Version=\"1.0.0\"");
	kms_put_optional_attribute(w, "CacheNum", r->cache_num < 0 ? "" : num);
	if (!r->n_certs && !r->suites[0]) {
		wr_text(w, "/>");
		return;
	}
	wr_text(w, ">");
	for (size_t i = 0; i < r->n_certs; i++)
		kms_certificate_put(w, &r->certs[i], "", r->rel13);
	put_suites(w, r);
	wr_text(w, "</KmsCertCache>");
}

static void put_lookup(struct writer *w, const struct kms_response *r)
{
	wr_text(w, "<KmsLookup Version=\"1.0.0\">");
	if (*r->lookup_uri)
		xml_put_element(w, "UserUri", r->lookup_uri);
	for (size_t i = 0; i < r->n_lookup; i++)
		xml_put_element(w, "KmsUri", r->lookup[i]);
	wr_text(w, "</KmsLookup>");
}

static void put_message(struct writer *w, const struct kms_response *r)
{
	static void (*const put[])(struct writer *, const struct kms_response *) = {
	    [KMS_MSG_INIT] = put_init,
	    [KMS_MSG_KEYPROV] = put_keyprov,
	    [KMS_MSG_CERTCACHE] = put_cert_cache,
	    [KMS_MSG_LOOKUP] = put_lookup,
	};
	if (r->message == KMS_MSG_NONE)
		return;
	wr_text(w, "<KmsMessage>");
	put[r->message](w, r);
	wr_text(w, "</KmsMessage>");
}

/* Rel-13 has KmsUri first, and ClientReqUrl after what is foreign (kms.md 14). */
static void put_response(struct writer *w, const struct kms_response *r, const char *attributes)
{
	wr_text(w, "<KmsResponse");
	wr_text(w, attributes);
	kms_put_optional_attribute(w, "Id", r->id);
	wr_text(w, " Version=\"1.0.0\">");
	if (r->rel13)
		xml_put_element(w, "KmsUri", r->kms_uri);
	xml_put_element(w, "UserUri", r->user_uri);
	if (!r->rel13)
		xml_put_element(w, "KmsUri", r->kms_uri);
	kms_put_time(w, "Time", r->time);
	kms_put_optional(w, "KmsId", r->kms_id);
	xml_put_element(w, "ClientReqUrl", r->client_req_url);
	put_message(w, r);
	kms_put_error(w, "KmsError", &r->error);
	kms_put_optional(w, "TrK-ID", r->trk_id);
	kms_put_optional(w, "Signature-ID", r->signature_id);
	wr_text(w, "</KmsResponse>");
}

void kms_response_put(struct writer *w, const struct kms_response *r)
{
	put_response(w, r, "");
}

static int has_wrapped(const struct kms_response *r)
{
	int any = r->n_new_keys > 0;
	for (size_t i = 0; i < r->n_sets; i++)
		any |= r->sets[i].wrapped != NULL;
	return any;
}

void kms_response_write(struct writer *w, const struct kms_response *r)
{
	char attributes[512];
	snprintf(attributes, sizeof attributes, " xmlns=\"%s\"%s xmlns:xsi=\"" XSI_NS "\"",
		 r->rel13 ? KMS_REL13_NS : KMS_NS,
		 has_wrapped(r) ? " xmlns:ds=\"" DS_NS "\" xmlns:xenc=\"" XENC_NS "\"" : "");
	wr_text(w, KMS_XML_DECLARATION);
	put_response(w, r, attributes);
	wr_text(w, "\n");
}

/* Escaping makes six octets of one at most. */
size_t kms_response_bound(const struct kms_response *r)
{
	return sizeof *r * 6 + 2048 + r->n_certs * KMS_CERTIFICATE_BOUND + r->n_sets * KMS_KEY_SET_BOUND +
	       r->n_lookup * (6 * KMS_URI_MAX + 32);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * krr.c - see krr.h. The names of all children stand in the table `fields`, in the order of the wire (interconnect.md
 * 5.2); they are ours, as the 3GPP schema is not public, and are exchanged here when it is.
 */
#include "mcx/doc/krr.h"

#include <stdlib.h>
#include <strings.h>

#include <libxml/c14n.h>

#include "mcx/doc/kms_xml.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

struct krr *krr_new(void)
{
	struct krr *k = calloc(1, sizeof *k);
	if (k)
		k->time = KMS_NO_TIME;
	return k;
}

void krr_free(struct krr *k)
{
	while (k) {
		struct krr *inner = k->embedded;
		free(k->raw);
		free(k);
		k = inner;
	}
}

/* ---- reading ---- */

static void read_list_uri(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct krr_list *l = at;
	(void)size;
	if (l->n == KRR_MAX_LIST)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "too many of these");
	else
		kms_read_uri(x, node, l->uri[l->n++], KMS_URI_MAX);
}

static void read_list(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {{"KmsUri", KMS_MANY, read_list_uri, 0, 0}};
	(void)size;
	((struct krr_list *)at)->present = 1;
	kms_xml_children_in(x, KRR_NS, node, fields, 1, at);
}

static void read_key_id(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char *id = at;
	kms_read_text(x, node, id, size);
	if (!x->f->code && (strlen(id) != 8 || id[strspn(id, "0123456789abcdefABCDEF")]))
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not 8 hex digits");
	for (; *id; id++)
		if (*id >= 'A' && *id <= 'F')
			*id = (char)(*id - 'A' + 'a');
}

#define AT(member) KMS_AT(struct krr, member)
static const struct kms_field fields[] = {
    {"InitiatorUri", KMS_ONE, kms_read_uri, AT(initiator_uri)},
    {"ReceiverUri", KMS_ONE, kms_read_uri, AT(receiver_uri)},
    {"RejectedInitiatorKmsUri", KMS_OPTIONAL, kms_read_uri, AT(rejected_initiator_kms)},
    {"RejectedReceiverKmsUri", KMS_OPTIONAL, kms_read_uri, AT(rejected_receiver_kms)},
    {"ProcessorUri", KMS_ONE, kms_read_uri, AT(processor_uri)},
    {"Time", KMS_ONE, kms_read_time, AT(time)},
    {"KeyId", KMS_ONE, read_key_id, AT(key_id)},
    {"InitiatorKmsUris", KMS_OPTIONAL, read_list, AT(initiator_kms)},
    {"ReceiverKmsUris", KMS_OPTIONAL, read_list, AT(receiver_kms)},
};

static int in_list(const struct krr_list *l, const char *uri)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->uri[i], uri) == 0)
			return 1;
	return 0;
}

/* An absent list inside allows any; one that is there is never widened, nor dropped. */
static int is_narrower(const struct krr_list *outer, const struct krr_list *inner)
{
	if (inner->present && !outer->present)
		return 0;
	for (size_t i = 0; inner->present && i < outer->n; i++)
		if (!in_list(inner, outer->uri[i]))
			return 0;
	return 1;
}

/* The element in canonical form, as of a document of its own. */
static void keep_raw(struct kms_xml *x, const xmlNode *node, struct krr *k)
{
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNode *copy = doc ? xmlDocCopyNode((xmlNode *)(uintptr_t)node, doc, 1) : NULL;
	xmlChar *text = NULL;
	int n = -1;
	if (copy) {
		xmlDocSetRootElement(doc, copy);
		n = xmlC14NDocDumpMemory(doc, NULL, XML_C14N_1_0, NULL, 0, &text);
	}
	k->raw = n > 0 ? malloc((size_t)n) : NULL;
	if (k->raw) {
		memcpy(k->raw, text, (size_t)n);
		k->raw_len = (size_t)n;
	} else {
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no memory");
	}
	xmlFree(text);
	xmlFreeDoc(doc);
}

/* NOLINTNEXTLINE(misc-no-recursion): at most KRR_MAX_DEPTH deep */
static void read_embedded(struct kms_xml *x, const xmlNode *node, struct krr *k, unsigned depth)
{
	unsigned count;
	const xmlNode *inner = xml_child(node, KRR_NS, "KmsRedirectResponse", &count);
	if (MCX_FAULT(krr.nesting, count > 1 || (inner && depth == KRR_MAX_DEPTH))) {
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "embedded too often or too deeply");
		return;
	}
	if (!inner)
		return;
	k->embedded = krr_children_read(x, inner, depth + 1);
	if (!k->embedded)
		return;
	keep_raw(x, inner, k->embedded);
	if (MCX_FAULT(krr.narrower, !is_narrower(&k->initiator_kms, &k->embedded->initiator_kms) ||
					!is_narrower(&k->receiver_kms, &k->embedded->receiver_kms)))
		kms_xml_fail(x, node, MCSEC_E_VALUE, "a list is wider than the one it replaces");
}

/* NOLINTNEXTLINE(misc-no-recursion): at most KRR_MAX_DEPTH deep */
struct krr *krr_children_read(struct kms_xml *x, const xmlNode *node, unsigned depth)
{
	struct krr *k = krr_new();
	unsigned signatures;
	if (!k) {
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no memory");
		return NULL;
	}
	kms_check_version(x, node);
	kms_attribute(x, node, "Id", k->id, sizeof k->id);
	kms_xml_children_in(x, KRR_NS, node, fields, sizeof fields / sizeof *fields, k);
	if (!x->f->code && !k->rejected_initiator_kms[0] && !k->rejected_receiver_kms[0])
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "does not say which KMS is refused");
	xml_child(node, DS_NS, "Signature", &signatures);
	k->is_signed = signatures > 0;
	if (!x->f->code)
		read_embedded(x, node, k, depth);
	if (x->f->code) {
		krr_free(k);
		return NULL;
	}
	return k;
}

enum mcsec_err krr_of(struct krr **out, struct _xmlDoc *doc, struct kms_fault *f)
{
	struct kms_xml x = {.f = f};
	const xmlNode *root = xmlDocGetRootElement(doc);
	*f = (struct kms_fault){.detail = ""};
	*out = NULL;
	if (!xml_is(root, KRR_NS, "KmsRedirectResponse"))
		kms_xml_fail(&x, root, MCSEC_E_MALFORMED, "root is not KmsRedirectResponse");
	else
		*out = krr_children_read(&x, root, 1);
	if (*out)
		keep_raw(&x, root, *out);
	if (f->code) {
		krr_free(*out);
		*out = NULL;
	}
	return f->code;
}

enum mcsec_err krr_read(struct krr **out, struct octets xml, struct kms_fault *f)
{
	*out = NULL;
	xmlDoc *doc = kms_parse(xml, KRR_MAX, f);
	if (!doc)
		return f->code;
	enum mcsec_err e = krr_of(out, doc, f);
	kms_parsed_free(doc);
	return e;
}

/* ---- writing ---- */

static void put(struct writer *w, const char *prefix, const char *name, const char *text)
{
	wr_text(w, "<");
	wr_text(w, prefix);
	wr_text(w, name);
	wr_text(w, ">");
	xml_put_text(w, text);
	wr_text(w, "</");
	wr_text(w, prefix);
	wr_text(w, name);
	wr_text(w, ">");
}

static void put_list(struct writer *w, const char *prefix, const char *name, const struct krr_list *l)
{
	if (!l->present)
		return;
	wr_text(w, "<");
	wr_text(w, prefix);
	wr_text(w, name);
	wr_text(w, ">");
	for (size_t i = 0; i < l->n; i++)
		put(w, prefix, "KmsUri", l->uri[i]);
	wr_text(w, "</");
	wr_text(w, prefix);
	wr_text(w, name);
	wr_text(w, ">");
}

static void put_time(struct writer *w, const char *prefix, int64_t time)
{
	char name[16];
	snprintf(name, sizeof name, "%sTime", prefix);
	kms_put_time(w, name, time);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as what was read or made, at most KRR_MAX_DEPTH */
void krr_children_put(struct writer *w, const struct krr *k, const char *prefix)
{
	put(w, prefix, "InitiatorUri", k->initiator_uri);
	put(w, prefix, "ReceiverUri", k->receiver_uri);
	if (k->rejected_initiator_kms[0])
		put(w, prefix, "RejectedInitiatorKmsUri", k->rejected_initiator_kms);
	if (k->rejected_receiver_kms[0])
		put(w, prefix, "RejectedReceiverKmsUri", k->rejected_receiver_kms);
	put(w, prefix, "ProcessorUri", k->processor_uri);
	put_time(w, prefix, k->time);
	put(w, prefix, "KeyId", k->key_id);
	put_list(w, prefix, "InitiatorKmsUris", &k->initiator_kms);
	put_list(w, prefix, "ReceiverKmsUris", &k->receiver_kms);
	if (k->embedded && k->embedded->raw)
		wr_octets(w, (struct octets){k->embedded->raw, k->embedded->raw_len});
	else if (k->embedded)
		krr_put(w, k->embedded, (struct octets){NULL, 0});
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as what was read or made, at most KRR_MAX_DEPTH */
void krr_put(struct writer *w, const struct krr *k, struct octets signature)
{
	wr_text(w, "<KmsRedirectResponse xmlns=\"" KRR_NS "\" xmlns:ds=\"" DS_NS "\"");
	kms_put_optional_attribute(w, "Id", k->id);
	wr_text(w, " Version=\"1.0.0\">");
	krr_children_put(w, k, "");
	wr_octets(w, signature);
	wr_text(w, "</KmsRedirectResponse>");
}

void krr_write(struct writer *w, const struct krr *k)
{
	wr_text(w, KMS_XML_DECLARATION);
	krr_put(w, k, (struct octets){NULL, 0});
	wr_text(w, "\n");
}

/* ---- what is done with them ---- */

static int same_list(const struct krr_list *a, const struct krr_list *b)
{
	if (a->present != b->present || a->n != b->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->uri[i], b->uri[i]) != 0)
			return 0;
	return 1;
}

int krr_same_matter(const struct krr *a, const struct krr *b)
{
	return !strcmp(a->initiator_uri, b->initiator_uri) && !strcmp(a->receiver_uri, b->receiver_uri) &&
	       !strcmp(a->rejected_initiator_kms, b->rejected_initiator_kms) &&
	       !strcmp(a->rejected_receiver_kms, b->rejected_receiver_kms) &&
	       !strcmp(a->processor_uri, b->processor_uri) && a->time == b->time && !strcmp(a->key_id, b->key_id) &&
	       same_list(&a->initiator_kms, &b->initiator_kms) && same_list(&a->receiver_kms, &b->receiver_kms);
}

static int narrow(struct krr_list *l, int (*permitted)(void *ctx, const char *kms_uri), void *ctx)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++)
		if (permitted(ctx, l->uri[i])) {
			if (kept != i)
				memcpy(l->uri[kept], l->uri[i], KMS_URI_MAX);
			kept++;
		}
	int less = kept < l->n;
	l->n = kept;
	return less;
}

int krr_narrow(struct krr *k, int (*permitted)(void *ctx, const char *kms_uri), void *ctx)
{
	int less = narrow(&k->initiator_kms, permitted, ctx);
	return narrow(&k->receiver_kms, permitted, ctx) | less;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_dsig.c - see kms_dsig.h.
 *
 * Inclusive canonical form of a part of a document repeats, on the part's first element, every namespace declaration
 * that is in scope there, used or not (kms.md 16.3). libxml2 does it when it is told which nodes are visible.
 */
#include "mcx/kmssec/kms_dsig.h"

#include <stdlib.h>

#include <libxml/c14n.h>

#include "mcsec/secret.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "sec/keys/hash.h"

#define DSIG_ENVELOPED DS_NS "enveloped-signature"

/* ---- canonical form ---- */

struct part {
	const xmlNode *apex, *hidden;
};

static int is_visible(void *ctx, xmlNode *node, xmlNode *parent)
{
	const struct part *p = ctx;
	int owned = node->type == XML_NAMESPACE_DECL || node->type == XML_ATTRIBUTE_NODE;
	for (const xmlNode *n = owned ? parent : node; n; n = n->parent) {
		if (n == p->hidden)
			return 0;
		if (n == p->apex)
			return 1;
	}
	return 0;
}

static uint8_t *canonical(const xmlNode *apex, const xmlNode *hidden, int with_comments, size_t *len)
{
	struct part p = {apex, hidden};
	xmlOutputBuffer *out = xmlAllocOutputBuffer(NULL);
	uint8_t *text = NULL;
	if (!out)
		return NULL;
	if (xmlC14NExecute(apex->doc, is_visible, &p, XML_C14N_1_0, NULL, with_comments, out) >= 0) {
		*len = xmlOutputBufferGetSize(out);
		text = (uint8_t *)xmlStrndup(xmlOutputBufferGetContent(out), (int)*len);
	}
	xmlOutputBufferClose(out);
	return text;
}

enum mcsec_err dsig_digest(const xmlNode *target, const xmlNode *hidden, uint8_t out[DSIG_HASH])
{
	size_t len = 0;
	uint8_t *text = canonical(target, hidden, 0, &len);
	if (!text)
		return MCSEC_E_MEMORY;
	struct octets piece = {text, len};
	enum mcsec_err e = sha256_of(&piece, 1, out);
	xmlFree(text);
	return e;
}

uint8_t *dsig_signed_info(const struct dsig *d, size_t *len)
{
	return canonical(d->signed_info, NULL, d->with_comments, len);
}

enum mcsec_err dsig_check_digest(const struct dsig *d)
{
	uint8_t have[DSIG_HASH];
	enum mcsec_err e = dsig_digest(d->target, d->enveloped ? d->signature : NULL, have);
	if (e)
		return e;
	return MCX_CHECK(kms.digest, mcsec_equal(have, d->digest, sizeof have)) ? MCSEC_OK : MCSEC_E_SIGNATURE;
}

/* ---- reading ---- */

/* The first fault stays; x->f->code tells. */
static void refuse(struct kms_xml *x, const xmlNode *node, const char *detail)
{
	kms_xml_fail(x, node, MCSEC_E_SIGNATURE, detail);
}

/* The one child {ds}name. */
static const xmlNode *part_of(struct kms_xml *x, const xmlNode *parent, const char *name)
{
	unsigned count = 0;
	const xmlNode *node = x->f->code ? NULL : xml_child(parent, DS_NS, name, &count);
	if (!node)
		refuse(x, parent, "a part of the signature is missing or stands twice");
	return node;
}

static void only_children(struct kms_xml *x, const xmlNode *parent, unsigned long n)
{
	if (!x->f->code && xmlChildElementCount((xmlNode *)(uintptr_t)parent) != n)
		refuse(x, parent, "holds what the profile does not allow");
}

/* Attribute Algorithm. */
static int algorithm_is(struct kms_xml *x, const xmlNode *node, const char *want)
{
	char have[128] = "";
	return node && kms_attribute(x, node, "Algorithm", have, sizeof have) && strcmp(have, want) == 0;
}

static int is_c14n(struct kms_xml *x, const xmlNode *node, int *with_comments)
{
	*with_comments = algorithm_is(x, node, DSIG_C14N "#WithComments");
	return *with_comments || algorithm_is(x, node, DSIG_C14N);
}

static void read_octets(struct kms_xml *x, const xmlNode *node, uint8_t *out, size_t size, size_t *len)
{
	char text[4 * DSIG_VALUE_MAX] = "";
	size_t n = 0;
	*len = 0;
	if (x->f->code)
		return;
	if (xml_text(node, text, sizeof text)) {
		refuse(x, node, "too long");
		return;
	}
	for (const char *c = text; *c; c++)
		if (!strchr(" \t\r\n", *c))
			text[n++] = *c;
	if (base64_decode(text, n, out, size, len))
		refuse(x, node, "not base64 of the right length");
}

static void read_method(struct kms_xml *x, struct dsig *d, const char *method)
{
	unsigned lengths = 0;
	const xmlNode *node = part_of(x, d->signed_info, "SignatureMethod");
	if (!node)
		return;
	if (MCX_FAULT(kms.algorithm, !algorithm_is(x, node, method)))
		refuse(x, node, "another algorithm than the profile's");
	d->hmac_bits = 256;
	const xmlNode *length = xml_child(node, DS_NS, "HMACOutputLength", &lengths);
	only_children(x, node, length ? 1 : 0);
	if (length) {
		char text[16] = "";
		if (xml_text(length, text, sizeof text) || strspn(text, "0123456789") != strlen(text) || !text[0] ||
		    strlen(text) > 4)
			refuse(x, length, "no length");
		d->hmac_bits = strtol(text, NULL, 10);
	}
}

/* None, or "enveloped" and perhaps canonicalisation after it. */
static void read_transforms(struct kms_xml *x, struct dsig *d, const xmlNode *reference)
{
	unsigned count = 0;
	int comments, n = 0;
	const xmlNode *list = xml_child(reference, DS_NS, "Transforms", &count);
	if (count > 1)
		refuse(x, reference, "Transforms twice");
	for (const xmlNode *t = list ? list->children : NULL; t && !x->f->code; t = t->next) {
		if (t->type != XML_ELEMENT_NODE)
			continue;
		int known = xml_is(t, DS_NS, "Transform") && !xmlChildElementCount((xmlNode *)(uintptr_t)t) &&
			    (n ? is_c14n(x, t, &comments) : algorithm_is(x, t, DSIG_ENVELOPED));
		if (!known || ++n > 2)
			refuse(x, t, "a transform that the profile does not allow");
	}
	d->enveloped = n > 0;
	only_children(x, reference, list ? 3 : 2);
}

static const xmlNode *next_element(const xmlNode *node, const xmlNode *root)
{
	if (node->type == XML_ELEMENT_NODE && node->children)
		return node->children;
	while (node != root && !node->next)
		node = node->parent;
	return node == root ? NULL : node->next;
}

unsigned dsig_carriers(const xmlNode *root, const char *id)
{
	unsigned n = 0;
	for (const xmlNode *node = root; node; node = next_element(node, root)) {
		for (const xmlAttr *a = node->type == XML_ELEMENT_NODE ? node->properties : NULL; a; a = a->next) {
			xmlChar *v = xmlNodeListGetString(node->doc, a->children, 1);
			n +=
			    xmlStrcasecmp(a->name, (const xmlChar *)"Id") == 0 && v && strcmp((const char *)v, id) == 0;
			xmlFree(v);
		}
	}
	return n;
}

static int has_id(struct kms_xml *x, const xmlNode *node, const char *id)
{
	char have[64] = "";
	return node && kms_attribute(x, node, "Id", have, sizeof have) && have[0] && strcmp(have, id) == 0;
}

static void find_target(struct kms_xml *x, struct dsig *d, const xmlNode *inner, const xmlNode *reference)
{
	char uri[80] = "";
	if (x->f->code)
		return;
	if (!kms_attribute(x, reference, "URI", uri, sizeof uri) || x->f->code)
		refuse(x, reference, "without URI");
	else if (!uri[0] && d->enveloped)
		/* NOLINTNEXTLINE(bugprone-branch-clone): one line for each form of reference */
		d->target = d->root;
	else if (uri[0] == '#' && d->enveloped && has_id(x, d->root, uri + 1))
		d->target = d->root;
	else if (uri[0] == '#' && !d->enveloped && has_id(x, inner, uri + 1))
		d->target = inner;
	if (!x->f->code && (!d->target || MCX_FAULT(kms.one_id, uri[0] && dsig_carriers(d->root, uri + 1) != 1)))
		refuse(x, reference, "does not cover what is read");
}

static void read_reference(struct kms_xml *x, struct dsig *d, const xmlNode *inner)
{
	size_t n = 0;
	const xmlNode *reference = part_of(x, d->signed_info, "Reference");
	if (!reference)
		return;
	read_transforms(x, d, reference);
	find_target(x, d, inner, reference);
	const xmlNode *method = part_of(x, reference, "DigestMethod");
	if (method && (!algorithm_is(x, method, DSIG_SHA256) || xmlChildElementCount((xmlNode *)(uintptr_t)method)))
		refuse(x, method, "another algorithm than the profile's");
	const xmlNode *value = part_of(x, reference, "DigestValue");
	if (value)
		read_octets(x, value, d->digest, sizeof d->digest, &n);
	if (n != DSIG_HASH)
		refuse(x, reference, "no digest of 32 octets");
}

enum mcsec_err dsig_read(struct dsig *d, const xmlNode *root, const xmlNode *inner, const char *method,
			 struct kms_fault *f)
{
	struct kms_xml x = {.f = f};
	*f = (struct kms_fault){.detail = ""};
	*d = (struct dsig){.root = root};
	d->signature = part_of(&x, root, "Signature");
	if (d->signature) {
		only_children(&x, d->signature, 3);
		d->signed_info = part_of(&x, d->signature, "SignedInfo");
		d->key_info = part_of(&x, d->signature, "KeyInfo");
	}
	if (d->signed_info && d->key_info) {
		only_children(&x, d->signed_info, 3);
		const xmlNode *c14n = part_of(&x, d->signed_info, "CanonicalizationMethod");
		if (c14n && (!is_c14n(&x, c14n, &d->with_comments) || xmlChildElementCount((xmlNode *)(uintptr_t)c14n)))
			refuse(&x, c14n, "another algorithm than the profile's");
		read_method(&x, d, method);
		read_reference(&x, d, inner);
		const xmlNode *value = part_of(&x, d->signature, "SignatureValue");
		if (value)
			read_octets(&x, value, d->value, sizeof d->value, &d->value_len);
	}
	return f->code;
}

/* ---- writing ---- */

void dsig_put_base64(struct writer *w, const char *name, struct octets v)
{
	char text[BASE64_SIZE(DSIG_VALUE_MAX)];
	base64_encode(v, text);
	xml_put_element(w, name, text);
}

/* The canonical form has no empty-element tags. */
static void put_algorithm(struct writer *w, int canonical_form, const char *name, const char *algorithm)
{
	wr_text(w, "<");
	wr_text(w, name);
	kms_put_attribute(w, "Algorithm", algorithm);
	if (canonical_form) {
		wr_text(w, "></");
		wr_text(w, name);
	}
	wr_text(w, canonical_form ? ">" : "/>");
}

void dsig_put_signed_info(struct writer *w, const char *namespaces, const char *method, const char *uri, int enveloped,
			  const uint8_t digest[DSIG_HASH])
{
	wr_text(w, "<ds:SignedInfo");
	wr_text(w, namespaces);
	wr_text(w, ">");
	put_algorithm(w, namespaces[0], "ds:CanonicalizationMethod", DSIG_C14N);
	put_algorithm(w, namespaces[0], "ds:SignatureMethod", method);
	wr_text(w, "<ds:Reference");
	kms_put_attribute(w, "URI", uri);
	wr_text(w, ">");
	if (enveloped) {
		wr_text(w, "<ds:Transforms>");
		put_algorithm(w, namespaces[0], "ds:Transform", DSIG_ENVELOPED);
		wr_text(w, "</ds:Transforms>");
	}
	put_algorithm(w, namespaces[0], "ds:DigestMethod", DSIG_SHA256);
	dsig_put_base64(w, "ds:DigestValue", (struct octets){digest, DSIG_HASH});
	wr_text(w, "</ds:Reference></ds:SignedInfo>");
}

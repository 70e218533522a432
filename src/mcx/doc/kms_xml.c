/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_xml.c - the engine that reads KMS documents by table, and the simple values in them.
 *
 * libxml2 copies what it parses into its own memory, keys too. So its allocator is exchanged, once, for one that
 * wipes what is given back; the underlying malloc stays the same, so memory of before the exchange may be freed after.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include <libxml/parser.h>

#include "mcsec/secret.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/text.h"

/* ---- libxml2's memory ---- */

static void wiping_free(void *p)
{
	if (p)
		mcsec_wipe(p, malloc_usable_size(p));
	free(p);
}

static void *wiping_realloc(void *p, size_t n)
{
	void *fresh = malloc(n);
	if (!fresh || !p)
		return fresh;
	size_t had = malloc_usable_size(p);
	memcpy(fresh, p, had < n ? had : n);
	wiping_free(p);
	return fresh;
}

static void exchange_allocator(void)
{
	xmlMemSetup(wiping_free, malloc, wiping_realloc, strdup);
	xmlInitParser();
}

/* ---- the document ---- */

void kms_xml_fail(struct kms_xml *x, const xmlNode *node, enum mcsec_err code, const char *detail)
{
	if (x->f->code)
		return;
	x->f->code = code;
	x->f->detail = detail;
	if (node) {
		snprintf(x->f->element, sizeof x->f->element, "%s", (const char *)node->name);
		x->f->line = (unsigned)xmlGetLineNo(node);
	}
}

/* UTF-16 and UTF-32 in every order, with a byte order mark or without (XML 1.0 appendix F). */
static int is_wide(struct octets t)
{
	if (t.len < 2)
		return 0;
	return (t.p[0] == 0xfe && t.p[1] == 0xff) || (t.p[0] == 0xff && t.p[1] == 0xfe) || !t.p[0] || !t.p[1];
}

/* Without recursion: the depth is the peer's choice. */
static int too_deep(const xmlDoc *doc)
{
	const xmlNode *root = xmlDocGetRootElement(doc), *node = root;
	for (int depth = 1; node;) {
		if (depth > KMS_MAX_DEPTH)
			return 1;
		if (node->type == XML_ELEMENT_NODE && node->children) {
			node = node->children;
			depth++;
			continue;
		}
		while (node != root && !node->next) {
			node = node->parent;
			depth--;
		}
		node = node == root ? NULL : node->next;
	}
	return 0;
}

static int is_utf8(const xmlDoc *doc)
{
	return !doc->encoding || xmlStrcasecmp(doc->encoding, (const xmlChar *)"UTF-8") == 0 ||
	       xmlStrcasecmp(doc->encoding, (const xmlChar *)"US-ASCII") == 0;
}

static xmlDoc *parse(struct kms_xml *x, struct octets text, size_t max)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, exchange_allocator);
	xmlDoc *doc = NULL;
	enum mcsec_err e = xml_read(text, max, NULL, NULL, &doc);
	if (e == MCSEC_E_LENGTH)
		kms_xml_fail(x, NULL, e, "document is empty or too long");
	else if (e)
		kms_xml_fail(x, NULL, MCSEC_E_MALFORMED, "not well-formed, or has a DOCTYPE");
	return doc;
}

xmlDoc *kms_xml_open(struct kms_xml *x, struct octets text, size_t max)
{
	if (text.len && text.len <= max && is_wide(text))
		kms_xml_fail(x, NULL, MCSEC_E_UNSUPPORTED, "not UTF-8");
	else if (text.len && text.len <= max && !utf8_valid(text))
		kms_xml_fail(x, NULL, MCSEC_E_ENCODING, "invalid UTF-8");
	if (x->f->code)
		return NULL;
	xmlDoc *doc = parse(x, text, max);
	if (doc && !is_utf8(doc))
		kms_xml_fail(x, NULL, MCSEC_E_UNSUPPORTED, "another encoding than UTF-8 is declared");
	else if (doc && too_deep(doc))
		kms_xml_fail(x, NULL, MCSEC_E_MALFORMED, "nested too deeply");
	if (x->f->code) {
		xmlFreeDoc(doc);
		return NULL;
	}
	return doc;
}

struct _xmlDoc *kms_parse(struct octets xml, size_t max, struct kms_fault *f)
{
	struct kms_xml x = {.f = f};
	*f = (struct kms_fault){.detail = ""};
	return kms_xml_open(&x, xml, max);
}

void kms_parsed_free(struct _xmlDoc *doc)
{
	xmlFreeDoc(doc);
}

/* ---- children by table ---- */

static const struct kms_field *field_of(const xmlNode *node, const char *ns, const struct kms_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (xml_is(node, ns, fields[i].name))
			return &fields[i];
	return NULL;
}

void kms_xml_children(struct kms_xml *x, const xmlNode *parent, const struct kms_field *fields, size_t n, void *into)
{
	kms_xml_children_in(x, KMS_NS, parent, fields, n, into);
}

void kms_xml_children_in(struct kms_xml *x, const char *ns, const xmlNode *parent, const struct kms_field *fields,
			 size_t n, void *into)
{
	uint32_t seen = 0; /* a bit a row */
	for (const xmlNode *node = parent->children; node && !x->f->code; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		const struct kms_field *field = field_of(node, ns, fields, n);
		if (!field) {
			x->skipped += node->ns && xmlStrcmp(node->ns->href, (const xmlChar *)ns) == 0;
			continue;
		}
		uint32_t bit = UINT32_C(1) << (field - fields);
		if (field->card != KMS_MANY && (seen & bit))
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "stands more than once");
		seen |= bit;
		if (!x->f->code)
			field->read(x, node, (char *)into + field->at, field->size);
	}
	for (size_t i = 0; i < n && !x->f->code; i++)
		if (fields[i].card == KMS_ONE && !(seen >> i & 1)) {
			kms_xml_fail(x, parent, MCSEC_E_MALFORMED, "a required element is missing");
			snprintf(x->f->element, sizeof x->f->element, "%s", fields[i].name);
		}
}

/* ---- simple values ---- */

void kms_read_text(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	enum mcsec_err e = xml_text(node, at, size);
	if (e == MCSEC_E_NO_SPACE)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "value is too long");
	else if (e)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "value has child elements");
}

void kms_read_uri(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char *uri = at;
	kms_read_text(x, node, at, size);
	if (x->f->code)
		return;
	if (!uri[0])
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "URI is empty");
	for (const char *c = uri; *c; c++)
		if ((uint8_t)*c <= 0x20 || *c == 0x7f)
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "URI has a blank or control octet");
}

/* A short value into text; "" after a fault. */
static void read_short(struct kms_xml *x, const xmlNode *node, char text[64])
{
	text[0] = 0;
	kms_read_text(x, node, text, 64);
}

void kms_read_time(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char text[64];
	(void)size;
	read_short(x, node, text);
	if (!x->f->code && kms_time_read(text, at))
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not a dateTime");
}

void kms_read_bool(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char text[64];
	(void)size;
	read_short(x, node, text);
	int yes = !strcmp(text, "true") || !strcmp(text, "1");
	if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not a boolean");
	*(int *)at = yes;
}

static int integer_of(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-' || *text == '+');
	if (!*digits || digits[strspn(digits, "0123456789")])
		return 0;
	errno = 0;
	*out = strtoll(text, NULL, 10);
	return errno == 0;
}

void kms_read_integer(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char text[64];
	(void)size;
	read_short(x, node, text);
	if (!integer_of(text, at))
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not an integer of 64 bits");
}

void kms_read_natural(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	int64_t v = 0;
	kms_read_integer(x, node, &v, size);
	if (v < 0)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "negative");
	*(uint64_t *)at = v < 0 ? 0 : (uint64_t)v;
}

/* Also used for secrets, therefore through secret memory. */
void kms_read_hex(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	const size_t text_size = 2 * size + 128; /* room for the white space around it */
	char *text = mcsec_secret_alloc(text_size);
	size_t n = 0;
	if (!text) {
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no secret memory");
		return;
	}
	kms_read_text(x, node, text, text_size);
	if (!x->f->code && (hex_decode(text, strlen(text), at, size, &n) || n != size))
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not hexBinary of the right length");
	mcsec_secret_free(text);
}

void kms_read_error(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {
	    {"ErrorCode", KMS_ONE, kms_read_integer, KMS_AT(struct kms_error, code)},
	    {"ErrorMsg", KMS_ONE, kms_read_text, KMS_AT(struct kms_error, msg)},
	};
	(void)size;
	kms_xml_children(x, node, fields, 2, at);
}

int kms_attribute(struct kms_xml *x, const xmlNode *node, const char *name, char *out, size_t size)
{
	xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
	if (!value)
		return 0;
	if ((size_t)xmlStrlen(value) < size)
		strcpy(out, (const char *)value);
	else
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "an attribute is too long");
	xmlFree(value);
	return 1;
}

void kms_check_version(struct kms_xml *x, const xmlNode *node)
{
	char v[32] = "";
	if (!kms_attribute(x, node, "Version", v, sizeof v) || x->f->code)
		return;
	size_t minor = v[0] == '1' && v[1] == '.' ? strspn(v + 2, "0123456789") : 0;
	const char *patch = v + 2 + minor;
	if (!minor || patch[0] != '.' || !patch[1] || patch[1 + strspn(patch + 1, "0123456789")])
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "Version is not 1.x.y");
}

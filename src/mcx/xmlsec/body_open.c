/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body_open.c - the receiving side of body_crypt.h.
 *
 * Everything that goes wrong with something encrypted is MCSEC_E_DECRYPT: an unknown key, a wrong tag, bad base64, a
 * plaintext that is no XML. The peer learns no more than that (xml-protection 8).
 */
#include "body_crypt.h"

#include <stdlib.h>

#include "element_crypt.h"
#include "mcsec/secret.h"
#include "mcx/doc/xml.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "sensitive.h"

enum { CONTEXT_MAX = 4096 }; /* namespace declarations around a plaintext */

struct opening {
	const struct xml_keys *keys;
	struct xml_seen *seen;
	char value[XML_VALUE_MAX];
	uint8_t plain[XML_VALUE_MAX];
	uint8_t wrapped[XML_VALUE_MAX + CONTEXT_MAX];
};

static void fault(struct xml_walk *walk)
{
	if (!walk->w->err)
		walk->w->err = MCSEC_E_DECRYPT;
}

/* One key protects a message (xml-protection 4); the IVs go to the replay check. */
static int note(struct xml_walk *walk, const uint8_t iv[XML_IV_LEN], uint32_t key_id)
{
	struct xml_seen *seen = ((struct opening *)walk->ctx)->seen;
	if (seen->n == XML_ITEMS_MAX || (seen->n && seen->key_id != key_id)) {
		fault(walk);
		return 0;
	}
	seen->key_id = key_id;
	memcpy(seen->iv[seen->n++], iv, XML_IV_LEN);
	return 1;
}

static int declared(const xmlNode *from, const xmlNode *to, const xmlChar *prefix)
{
	for (const xmlNode *at = from; at != to; at = at->parent)
		for (const xmlNs *ns = at->nsDef; ns; ns = ns->next)
			if (xmlStrEqual(ns->prefix, prefix))
				return 1;
	return 0;
}

/* <w> with the namespaces that are in scope at node, around the plaintext: peers may leave them to the context. */
static enum mcsec_err wrap(struct opening *o, const xmlNode *node, struct octets plain, struct octets *out)
{
	struct writer w = wr_init(o->wrapped, sizeof o->wrapped);
	wr_text(&w, "<w");
	for (const xmlNode *at = node; at && at->type == XML_ELEMENT_NODE; at = at->parent)
		for (const xmlNs *ns = at->nsDef; ns; ns = ns->next) {
			if (declared(node, at, ns->prefix))
				continue;
			wr_text(&w, ns->prefix ? " xmlns:" : " xmlns");
			wr_text(&w, ns->prefix ? (const char *)ns->prefix : "");
			wr_text(&w, "=\"");
			xml_put_text(&w, ns->href ? (const char *)ns->href : "");
			wr_u8(&w, '"');
		}
	wr_u8(&w, '>');
	wr_octets(&w, plain);
	wr_text(&w, "</w>");
	*out = wr_result(&w);
	if (w.err)
		mcsec_wipe(o->wrapped, sizeof o->wrapped);
	return w.err;
}

static int clean_text(struct octets text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < 0x20 || text.p[i] == 0x7f)
			return 0;
	return text.len > 0 && utf8_valid(text);
}

static void put_value(struct xml_walk *walk, struct octets text)
{
	memcpy(walk->value, text.p, text.len);
	walk->value[text.len] = 0;
	xml_walk_value(walk);
}

/* A plaintext without markup is the value: the child it stands for comes from the table. */
static void write_bare(struct xml_walk *walk, const xmlNode *node, struct octets plain)
{
	struct opening *o = walk->ctx;
	const struct sensitive *row = sensitive_find(xml_ns_of(node), (const char *)node->name, NULL);
	if (!row || !row->bare || !clean_text(plain)) {
		fault(walk);
		return;
	}
	put_value(walk, plain);
	wr_u8(walk->w, '<');
	wr_text(walk->w, row->bare);
	wr_text(walk->w, " xmlns=\"");
	xml_put_text(walk->w, xml_ns_of(node));
	wr_text(walk->w, "\">");
	xml_put_text(walk->w, o->value);
	wr_text(walk->w, "</");
	wr_text(walk->w, row->bare);
	wr_u8(walk->w, '>');
}

static void refuse_nested(struct xml_walk *walk)
{
	if (MCX_FAULT(xml.nested_uri, uri_is_encrypted(walk->value)))
		fault(walk);
}

static int refuse_nested_element(struct xml_walk *walk, const xmlNode *node)
{
	if (MCX_FAULT(xml.nested_element, element_is_encrypted_data(node)))
		fault(walk);
	return 0;
}

static void refuse_nested_text(struct xml_walk *walk, const xmlNode *node)
{
	(void)node;
	refuse_nested(walk);
}

static void refuse_nested_attribute(struct xml_walk *walk, const xmlNode *node, const xmlAttr *attribute)
{
	(void)node;
	(void)attribute;
	refuse_nested(walk);
}

/* The length of what stands at the front of text and of which every octet is in the class; ASCII alone. */
static size_t span(struct octets text, int (*is_in)(uint8_t c))
{
	size_t n = 0;
	while (n < text.len && is_in(text.p[n]))
		n++;
	return n;
}

static int name_character(uint8_t c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static int text_character(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '<' && c != '>' && c != '&';
}

static int begins(struct octets text, const char *with)
{
	size_t n = strlen(with);
	return text.len >= n && memcmp(text.p, with, n) == 0;
}

static struct octets behind(struct octets text, size_t n)
{
	return (struct octets){text.p + n, text.len - n};
}

/*
 * The plaintext that we and most peers send: <name>text</name> or <name xmlns="...">text</name>, in the namespace of
 * the element around it, of plain characters. It is its own canonical writing, and is read here without a parser.
 * 0: another shape; the parser reads it, or refuses.
 */
static int write_simple(struct xml_walk *walk, const xmlNode *node, struct octets plain)
{
	struct octets name = behind(plain, 1), rest, text;
	name.len = plain.p[0] == '<' ? span(name, name_character) : 0;
	if (name.len == 0 || !((name.p[0] | 32) >= 'a' && (name.p[0] | 32) <= 'z'))
		return 0;
	if (octets_equal(name, octets_of("EncryptedData")) || walk->depth == XML_DEPTH_MAX)
		return 0;
	rest = behind(plain, 1 + name.len);
	if (begins(rest, " xmlns=\"")) {
		const char *ns = xml_ns_of(node);
		size_t len = strlen(ns);
		rest = behind(rest, strlen(" xmlns=\""));
		if (len == 0 || strchr(ns, '"') || span(octets_of(ns), text_character) != len || !begins(rest, ns) ||
		    !begins(behind(rest, len), "\">"))
			return 0;
		rest = behind(rest, len + 1);
	}
	if (!begins(rest, ">"))
		return 0;
	text = behind(rest, 1);
	text.len = span(text, text_character);
	rest = behind(rest, 1 + text.len);
	if (text.len == 0 || rest.len != name.len + 3 || !begins(rest, "</") ||
	    memcmp(rest.p + 2, name.p, name.len) != 0 || rest.p[rest.len - 1] != '>')
		return 0;
	put_value(walk, text);
	refuse_nested(walk);
	wr_octets(walk->w, plain);
	return 1;
}

/* The plaintext must be one element; what it holds is data and is not decrypted again. */
static void write_plain(struct xml_walk *walk, const xmlNode *node, struct octets plain)
{
	struct opening *o = walk->ctx;
	if (plain.len == 0 || plain.len >= sizeof o->value)
		fault(walk);
	else if (!memchr(plain.p, '<', plain.len))
		write_bare(walk, node, plain);
	if (walk->w->err || !memchr(plain.p, '<', plain.len) || write_simple(walk, node, plain))
		return;
	struct octets wrapped = {0};
	xmlDoc *doc = NULL;
	if (wrap(o, node, plain, &wrapped) == MCSEC_OK)
		(void)xml_read(wrapped, sizeof o->wrapped, NULL, NULL, &doc);
	const xmlNode *child = doc ? xml_only_element(xmlDocGetRootElement(doc)) : NULL;
	if (child) {
		struct xml_walk inner = *walk;
		inner.element = refuse_nested_element;
		inner.text = refuse_nested_text;
		inner.attribute = refuse_nested_attribute;
		xml_walk_element(&inner, child);
		walk->value_used = inner.value_used;
	} else {
		fault(walk);
	}
	if (doc)
		xmlFreeDoc(doc);
	mcsec_wipe(o->wrapped, wrapped.len);
}

static int has_encrypted_data(const xmlNode *node)
{
	for (const xmlNode *c = node->children; c; c = c->next)
		if (element_is_encrypted_data(c))
			return 1;
	return 0;
}

static void count_clear(struct xml_walk *walk, const xmlNode *node, const char *attribute)
{
	struct opening *o = walk->ctx;
	o->seen->clear_sensitive += sensitive_find(xml_ns_of(node), (const char *)node->name, attribute) != NULL;
}

static int open_element(struct xml_walk *walk, const xmlNode *node)
{
	struct opening *o = walk->ctx;
	if (!has_encrypted_data(node)) {
		const xmlNode *child = xml_only_element(node);
		if (child)
			count_clear(walk, node, NULL);
		return 0;
	}
	const xmlNode *data = xml_only_element(node); /* EncryptedData beside anything else is not what anyone sends */
	uint8_t iv[XML_IV_LEN];
	uint32_t key_id = 0;
	size_t len = 0;
	if (!data || element_decrypt(data, o->keys, o->plain, &len, iv, &key_id) != MCSEC_OK) {
		fault(walk);
		return 1;
	}
	char type[16];
	enum mcsec_err e = xml_attribute(node, "type", type, sizeof type);
	if (!e && note(walk, iv, key_id)) {
		xml_walk_start(walk, node, type[0] ? "Normal" : NULL);
		wr_u8(walk->w, '>');
		write_plain(walk, node, (struct octets){o->plain, len});
		xml_walk_end(walk, node);
	}
	mcsec_wipe(o->plain, len);
	if (e)
		fault(walk);
	return 1;
}

/* 1 when value was an encrypted URI: it is the clear one now. */
static int open_value(struct xml_walk *walk)
{
	struct opening *o = walk->ctx;
	char clear[URI_CLEAR_MAX + 1];
	uint8_t iv[XML_IV_LEN];
	uint32_t key_id = 0;
	if (!uri_is_encrypted(walk->value))
		return 0;
	if (uri_decrypt(o->keys, walk->value, clear, iv, &key_id) != MCSEC_OK)
		fault(walk);
	else if (note(walk, iv, key_id))
		put_value(walk, octets_of(clear));
	mcsec_wipe(clear, strlen(clear));
	return 1;
}

static void open_text(struct xml_walk *walk, const xmlNode *node)
{
	const struct sensitive *row = sensitive_find(xml_ns_of(node), (const char *)node->name, NULL);
	if (!open_value(walk) && row && row->how == SENSITIVE_TEXT)
		count_clear(walk, node, NULL);
}

static void open_attribute(struct xml_walk *walk, const xmlNode *node, const xmlAttr *attribute)
{
	if (!open_value(walk) && !attribute->ns)
		count_clear(walk, node, (const char *)attribute->name);
}

enum mcsec_err xml_body_open(struct writer *w, const struct xml_keys *keys, struct octets body, struct xml_seen *seen)
{
	struct opening *o = malloc(sizeof *o);
	if (!o)
		return MCSEC_E_MEMORY;
	o->keys = keys;
	o->seen = seen;
	xmlDoc *doc;
	enum mcsec_err e = xml_read(body, XML_BODY_MAX, NULL, NULL, &doc);
	if (!e) {
		struct xml_walk walk = {.w = w,
					.ctx = o,
					.value = o->value,
					.element = open_element,
					.text = open_text,
					.attribute = open_attribute};
		xml_walk_document(&walk, doc);
		e = w->err;
		xmlFreeDoc(doc);
		mcsec_wipe(o->value, walk.value_used);
	}
	free(o);
	return e && e != MCSEC_E_NO_SPACE && e != MCSEC_E_MEMORY ? MCSEC_E_DECRYPT : e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* xml_walk.c - copying a document by hand (see xml_walk.h). Recursion is bounded by XML_DEPTH_MAX. */
#include "xml_walk.h"

#include "mcx/doc/xml.h"
#include "sec/base/check.h"

static int blank_text(const xmlNode *node)
{
	return node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

const char *xml_ns_of(const xmlNode *node)
{
	return node->ns && node->ns->href ? (const char *)node->ns->href : "";
}

const xmlNode *xml_only_element(const xmlNode *node)
{
	const xmlNode *only = NULL;
	for (const xmlNode *c = node->children; c; c = c->next) {
		if (blank_text(c))
			continue;
		if (c->type != XML_ELEMENT_NODE || only)
			return NULL;
		only = c;
	}
	return only;
}

/* Text nodes of a list, one behind the other. */
static enum mcsec_err join_text(const xmlNode *list, char *out, size_t size)
{
	struct writer w = wr_init((uint8_t *)out, size);
	for (const xmlNode *c = list; c; c = c->next) {
		if (c->type != XML_TEXT_NODE)
			w.err = MCSEC_E_VALUE;
		else if (c->content)
			wr_text(&w, (const char *)c->content);
	}
	wr_u8(&w, 0);
	if (w.err)
		out[0] = 0;
	return w.err;
}

enum mcsec_err xml_plain_text(const xmlNode *node, char *out, size_t size)
{
	return join_text(node->children, out, size);
}

enum mcsec_err xml_trimmed_text(const xmlNode *node, char *out, size_t size)
{
	for (const xmlNode *c = node->children; c; c = c->next)
		if (c->type != XML_TEXT_NODE) /* xml_text passes over comments */
			return MCSEC_E_VALUE;
	return xml_text(node, out, size);
}

enum mcsec_err xml_attribute(const xmlNode *node, const char *name, char *out, size_t size)
{
	out[0] = 0;
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (!a->ns && xmlStrEqual(a->name, (const xmlChar *)name))
			return join_text(a->children, out, size);
	return MCSEC_OK;
}

static void put_name(struct writer *w, const xmlNs *ns, const xmlChar *name)
{
	if (ns && ns->prefix) {
		wr_text(w, (const char *)ns->prefix);
		wr_u8(w, ':');
	}
	wr_text(w, (const char *)name);
}

/* What a parser would change or misread is written as a character reference. */
static void put_escaped(struct writer *w, const char *text, int attribute)
{
	const char *special = attribute ? "&<>\"\r\n\t" : "&<>\r";
	for (const char *c = text; !w->err; c++) {
		size_t n = strcspn(c, special);
		wr_octets(w, (struct octets){(const uint8_t *)c, n});
		c += n;
		if (!*c)
			return;
		if (*c == '&')
			wr_text(w, "&amp;");
		else if (*c == '<')
			wr_text(w, "&lt;");
		else if (*c == '>')
			wr_text(w, "&gt;");
		else if (*c == '"')
			wr_text(w, "&quot;");
		else
			wr_text(w, *c == '\r' ? "&#13;" : *c == '\n' ? "&#10;" : "&#9;");
	}
}

static void put_attribute(struct writer *w, const xmlNs *ns, const xmlChar *name, const char *value)
{
	wr_u8(w, ' ');
	put_name(w, ns, name);
	wr_text(w, "=\"");
	put_escaped(w, value, 1);
	wr_u8(w, '"');
}

static void put_namespaces(struct writer *w, const xmlNode *node)
{
	for (const xmlNs *ns = node->nsDef; ns; ns = ns->next) {
		wr_text(w, ns->prefix ? " xmlns:" : " xmlns");
		wr_text(w, ns->prefix ? (const char *)ns->prefix : "");
		wr_text(w, "=\"");
		put_escaped(w, ns->href ? (const char *)ns->href : "", 1);
		wr_u8(w, '"');
	}
}

void xml_walk_value(struct xml_walk *walk)
{
	size_t n = strlen(walk->value) + 1;
	walk->value_used = n > walk->value_used ? n : walk->value_used;
}

/* The text of a list into value. */
static enum mcsec_err take_value(struct xml_walk *walk, const xmlNode *list)
{
	enum mcsec_err e = join_text(list, walk->value, XML_VALUE_MAX);
	xml_walk_value(walk);
	return e;
}

void xml_walk_start(struct xml_walk *walk, const xmlNode *node, const char *type)
{
	struct writer *w = walk->w;
	unsigned n = 0;
	wr_u8(w, '<');
	put_name(w, node->ns, node->name);
	put_namespaces(w, node);
	for (const xmlAttr *a = node->properties; a && !w->err; a = a->next) {
		if (MCX_FAULT(xml.width, ++n > XML_ATTRIBUTES_MAX)) {
			w->err = MCSEC_E_LENGTH;
		} else if (type && !a->ns && xmlStrEqual(a->name, (const xmlChar *)"type")) {
			put_attribute(w, NULL, a->name, type);
			type = NULL;
		} else {
			enum mcsec_err e = take_value(walk, a->children);
			w->err = w->err ? w->err : e;
			if (!w->err && walk->attribute)
				walk->attribute(walk, node, a);
			put_attribute(w, a->ns, a->name, walk->value);
		}
	}
	if (type)
		put_attribute(w, NULL, (const xmlChar *)"type", type);
}

void xml_walk_end(struct xml_walk *walk, const xmlNode *node)
{
	wr_text(walk->w, "</");
	put_name(walk->w, node->ns, node->name);
	wr_u8(walk->w, '>');
}

/* An element that holds nothing but text: the hook may change it. */
static int write_leaf(struct xml_walk *walk, const xmlNode *node)
{
	for (const xmlNode *c = node->children; c; c = c->next)
		if (c->type != XML_TEXT_NODE)
			return 0;
	xml_walk_start(walk, node, NULL);
	enum mcsec_err e = take_value(walk, node->children);
	walk->w->err = walk->w->err ? walk->w->err : e;
	if (!walk->w->err && walk->text)
		walk->text(walk, node);
	wr_u8(walk->w, '>');
	put_escaped(walk->w, walk->value, 0);
	xml_walk_end(walk, node);
	return 1;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most XML_DEPTH_MAX deep */
static void write_children(struct xml_walk *walk, const xmlNode *node)
{
	for (const xmlNode *c = node->children; c && !walk->w->err; c = c->next) {
		if (c->type == XML_ELEMENT_NODE)
			xml_walk_element(walk, c);
		else if (c->type == XML_TEXT_NODE)
			put_escaped(walk->w, c->content ? (const char *)c->content : "", 0);
		else if (MCX_FAULT(xml.comments, 1))
			walk->w->err = MCSEC_E_VALUE; /* comment, processing instruction, entity reference */
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): at most XML_DEPTH_MAX deep */
void xml_walk_element(struct xml_walk *walk, const xmlNode *node)
{
	if (MCX_FAULT(xml.depth, walk->depth == XML_DEPTH_MAX && !walk->w->err))
		walk->w->err = MCSEC_E_LENGTH;
	if (xmlStrchr(node->name, ':') && !walk->w->err)
		walk->w->err = MCSEC_E_VALUE; /* a prefix that nothing declares */
	if (walk->w->err)
		return;
	walk->depth++;
	if (walk->element && walk->element(walk, node)) {
		; /* written by the hook */
	} else if (!node->children) {
		xml_walk_start(walk, node, NULL);
		wr_text(walk->w, "/>");
	} else if (!write_leaf(walk, node)) {
		xml_walk_start(walk, node, NULL);
		wr_u8(walk->w, '>');
		write_children(walk, node);
		xml_walk_end(walk, node);
	}
	walk->depth--;
}

void xml_walk_document(struct xml_walk *walk, const xmlDoc *doc)
{
	wr_text(walk->w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
	xml_walk_element(walk, xmlDocGetRootElement(doc));
}

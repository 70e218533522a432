/* SPDX-License-Identifier: Apache-2.0 */
/* c14n.c - canonicalisation (see c14n.h). */
#include "c14n.h"

#include <libxml/c14n.h>

#include "xml_walk.h"

int c14n_known(const char *algorithm)
{
	return strcmp(algorithm, ALG_C14N) == 0 || strcmp(algorithm, ALG_C14N_EXC) == 0;
}

static int inside(void *top, xmlNode *node, xmlNode *parent)
{
	const xmlNode *at = node && node->type != XML_NAMESPACE_DECL ? node : parent;
	while (at && at != top)
		at = at->parent;
	return at == top;
}

/* What a peer's document makes libxml2 say is nothing for our standard error; the callers log a fault of their own. */
static void ignore(void *ctx, xmlErrorPtr fault)
{
	(void)ctx;
	(void)fault;
}

enum mcsec_err c14n_write_any(struct writer *w, xmlDoc *doc, const xmlNode *node, const char *algorithm)
{
	if (!c14n_known(algorithm))
		return MCSEC_E_ARGUMENT;
	int mode = strcmp(algorithm, ALG_C14N) == 0 ? XML_C14N_1_0 : XML_C14N_EXCLUSIVE_1_0;
	xmlOutputBuffer *out = xmlAllocOutputBuffer(NULL);
	if (!out)
		return MCSEC_E_MEMORY;
	xmlStructuredErrorFunc said = xmlStructuredError;
	void *said_ctx = xmlStructuredErrorContext;
	xmlSetStructuredErrorFunc(NULL, ignore);
	int done = xmlC14NExecute(doc, node ? inside : NULL, (void *)(uintptr_t)node, mode, NULL, 0, out);
	xmlSetStructuredErrorFunc(said_ctx, said);
	if (done >= 0)
		wr_octets(w, (struct octets){xmlOutputBufferGetContent(out), xmlOutputBufferGetSize(out)});
	xmlOutputBufferClose(out);
	return done < 0 ? MCSEC_E_MALFORMED : w->err;
}

/* ---- the plain shape ------------------------------------------------------------------------------------------- */

/* Nothing but the default namespace, if that, is declared here; no attribute (xml:lang, say) is in a namespace. */
static int no_prefix(const xmlNode *node)
{
	for (const xmlNs *ns = node->nsDef; ns; ns = ns->next)
		if (ns->prefix)
			return 0;
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (a->ns)
			return 0;
	return 1;
}

static int text_alone(const xmlNode *list)
{
	for (; list; list = list->next)
		if (list->type != XML_TEXT_NODE)
			return 0;
	return 1;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most C14N_PLAIN_DEPTH deep */
static int plain_inside(const xmlNode *node, const xmlChar *ns, unsigned depth)
{
	const xmlAttr *a = node->properties;
	if (depth == 0 || !no_prefix(node) || !node->ns || !xmlStrEqual(node->ns->href, ns) ||
	    (node->nsDef && node->nsDef->next) || (a && (a->next || !text_alone(a->children))))
		return 0;
	for (const xmlNode *c = node->children; c; c = c->next)
		if (c->type != XML_TEXT_NODE && (c->type != XML_ELEMENT_NODE || !plain_inside(c, ns, depth - 1)))
			return 0;
	return 1;
}

/* Surely a URI, which libxml2 demands of a namespace: XML signatures, or a plain URN. */
static int known_namespace(const char *ns)
{
	if (!ns || strncmp(ns, "urn:", 4) != 0)
		return ns && strcmp(ns, NS_DSIG) == 0;
	size_t n = strspn(ns + 4, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:.-");
	return n > 0 && ns[4 + n] == 0;
}

int c14n_is_plain(const xmlNode *node)
{
	if (!node->ns || !known_namespace((const char *)node->ns->href))
		return 0;
	for (const xmlNode *at = node->parent; at && at->type == XML_ELEMENT_NODE; at = at->parent)
		if (!no_prefix(at))
			return 0;
	return plain_inside(node, node->ns->href, C14N_PLAIN_DEPTH);
}

/* Canonical XML 1.0, 2.3: what is escaped in text and what in attributes. */
static void put(struct writer *w, const xmlChar *text, int attribute)
{
	const char *at = (const char *)text, *special = attribute ? "&<\"\t\n\r" : "&<>\r";
	while (at && *at) {
		size_t n = strcspn(at, special);
		wr_octets(w, (struct octets){(const uint8_t *)at, n});
		at += n;
		switch (*at) {
		case '&':
			wr_text(w, "&amp;");
			break;
		case '<':
			wr_text(w, "&lt;");
			break;
		case '>':
			wr_text(w, "&gt;");
			break;
		case '"':
			wr_text(w, "&quot;");
			break;
		case '\t':
			wr_text(w, "&#x9;");
			break;
		case '\n':
			wr_text(w, "&#xA;");
			break;
		case '\r':
			wr_text(w, "&#xD;");
			break;
		default:
			return;
		}
		at++;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): at most C14N_PLAIN_DEPTH deep */
static void write_plain(struct writer *w, const xmlNode *node, const char *ns)
{
	wr_u8(w, '<');
	wr_text(w, (const char *)node->name);
	if (ns) {
		wr_text(w, " xmlns=\"");
		wr_text(w, ns);
		wr_u8(w, '"');
	}
	if (node->properties) {
		wr_u8(w, ' ');
		wr_text(w, (const char *)node->properties->name);
		wr_text(w, "=\"");
		for (const xmlNode *c = node->properties->children; c; c = c->next)
			put(w, c->content, 1);
		wr_u8(w, '"');
	}
	wr_u8(w, '>');
	for (const xmlNode *c = node->children; c; c = c->next) {
		if (c->type == XML_ELEMENT_NODE)
			write_plain(w, c, NULL);
		else
			put(w, c->content, 0);
	}
	wr_text(w, "</");
	wr_text(w, (const char *)node->name);
	wr_u8(w, '>');
}

enum mcsec_err c14n_write(struct writer *w, xmlDoc *doc, const xmlNode *node, const char *algorithm)
{
	if (!c14n_known(algorithm))
		return MCSEC_E_ARGUMENT;
	if (!node || !c14n_is_plain(node))
		return c14n_write_any(w, doc, node, algorithm);
	write_plain(w, node, (const char *)node->ns->href);
	return w->err;
}

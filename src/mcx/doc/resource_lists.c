/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_lists.c - the target list of a call (RFC 4826; see resource_lists.h).
 *
 * The walk goes through the tree without recursion: libxml2 bounds its depth, we bound the entries.
 */
#include "resource_lists.h"

#include "xml.h"

#define NS "urn:ietf:params:xml:ns:resource-lists"

static enum mcsec_err take(const xmlNode *node, struct resource_lists *out)
{
	int reference = xml_is(node, NS, "external") || xml_is(node, NS, "entry-ref");
	if (!reference && !xml_is(node, NS, "entry"))
		return MCSEC_OK;
	if (out->n == RESOURCE_LISTS_MAX_ENTRIES)
		return MCSEC_E_LENGTH;
	char *slot = out->uri[out->n++];
	if (reference)
		return MCSEC_OK;
	xmlChar *uri = xmlGetNoNsProp(node, (const xmlChar *)"uri");
	size_t len = uri ? strlen((const char *)uri) : 0;
	enum mcsec_err e = len == 0 ? MCSEC_E_VALUE : len >= RESOURCE_URI_MAX ? MCSEC_E_LENGTH : MCSEC_OK;
	if (!e)
		memcpy(slot, uri, len + 1);
	xmlFree(uri);
	return e;
}

static const xmlNode *next_in_tree(const xmlNode *node, const xmlNode *root)
{
	if (node->type == XML_ELEMENT_NODE && node->children)
		return node->children;
	while (node != root && !node->next)
		node = node->parent;
	return node == root ? NULL : node->next;
}

enum mcsec_err resource_lists_read(struct octets xml, struct resource_lists *out, size_t *at)
{
	xmlDoc *doc;
	memset(out, 0, sizeof *out);
	enum mcsec_err e = xml_read_at(xml, RESOURCE_LISTS_MAX, NS, "resource-lists", &doc, at);
	if (e)
		return e;
	const xmlNode *root = xmlDocGetRootElement(doc);
	for (const xmlNode *node = root; node && !e; node = next_in_tree(node, root)) {
		e = take(node, out);
		if (e && at)
			*at = xml_offset(xml, node);
	}
	xmlFreeDoc(doc);
	if (e)
		memset(out, 0, sizeof *out);
	return e;
}

enum mcsec_err resource_lists_write(struct writer *w, const char *const *uris, size_t n)
{
	wr_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists xmlns=\"" NS "\"><list>");
	for (size_t i = 0; i < n; i++) {
		wr_text(w, "<entry uri=\"");
		xml_put_text(w, uris[i]);
		wr_text(w, "\"/>");
	}
	wr_text(w, "</list></resource-lists>\r\n");
	return w->err;
}

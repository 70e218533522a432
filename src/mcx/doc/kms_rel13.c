/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_rel13.c - documents of Rel-13 clients and servers (TS 33.179 annex D; kms.md 14).
 *
 * The specification left the namespace open, so each implementation has its own; the known ones are in the table. The
 * order of elements differs too, which an order-free reader does not notice. Off unless configured (compat_rel13).
 */
#include "mcx/doc/kms_xml.h"

static const char *const namespaces[] = {KMS_REL13_NS, "http://www.kapsch.net/mcptt/xml/KmsInterface",
					 "http://www.kapsch.net/mcptt/xml/KmsInterfaceExt", "http://org.csc.kms"};

static void adopt(xmlNs *ns)
{
	for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
		if (ns->href && xmlStrcmp(ns->href, (const xmlChar *)namespaces[i]) == 0) {
			xmlFree((void *)(uintptr_t)ns->href);
			ns->href = xmlStrdup((const xmlChar *)KMS_NS);
			return;
		}
}

void kms_rel13_adopt(xmlDoc *doc)
{
	xmlNode *root = xmlDocGetRootElement(doc), *node = root;
	while (node) {
		if (node->type == XML_ELEMENT_NODE)
			for (xmlNs *ns = node->nsDef; ns; ns = ns->next)
				adopt(ns);
		if (node->type == XML_ELEMENT_NODE && node->children) {
			node = node->children;
			continue;
		}
		while (node != root && !node->next)
			node = node->parent;
		node = node == root ? NULL : node->next;
	}
}

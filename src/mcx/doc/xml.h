/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - the one way in which XML from the wire is read, and text written into it.
 *
 * Reading: libxml2, bounded size, no network, no DTD, no entity but the five of XML: a document with a DOCTYPE is
 * refused before anything is looked at. Writing: by hand, so that the octets are exactly ours; only text that XML 1.0
 * allows passes.
 */
#ifndef MCX_DOC_XML_H
#define MCX_DOC_XML_H

#include <libxml/tree.h>

#include "sec/base/bytes.h"

/*
 * The root element must be {ns}root (root NULL: any). *out is freed with xmlFreeDoc.
 * MCSEC_E_LENGTH larger than max or empty; MCSEC_E_MALFORMED anything else.
 */
enum mcsec_err xml_read(struct octets text, size_t max, const char *ns, const char *root, xmlDoc **out);
/* The same; *at (may be NULL) is the offset of what was refused: where the parser stopped, the DOCTYPE, the root. */
enum mcsec_err xml_read_at(struct octets text, size_t max, const char *ns, const char *root, xmlDoc **out, size_t *at);
/* The offset of the element's start tag in the text it was read from; 0 where its encoding hides the letters. */
size_t xml_offset(struct octets text, const xmlNode *element);

int xml_is(const xmlNode *node, const char *ns, const char *name);
/* The only child element {ns}name, or NULL; *count (may be NULL) receives how many there are. */
xmlNode *xml_child(const xmlNode *parent, const char *ns, const char *name, unsigned *count);
/*
 * Text of an element without child elements, surrounding white space removed, into out.
 * MCSEC_E_NO_SPACE too long; MCSEC_E_VALUE it has child elements.
 */
enum mcsec_err xml_text(const xmlNode *node, char *out, size_t out_size);

/* Escaped character data or attribute value; MCSEC_E_VALUE (sticks in the writer) for characters XML does not allow. */
void xml_put_text(struct writer *w, const char *text);
/* <name>text</name> */
void xml_put_element(struct writer *w, const char *name, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_walk.h - a parsed document written out again by our own hand, element by element, with what a caller replaces.
 *
 * Protecting and opening both copy a document and change only some values; so both are this walk with other hooks. The
 * octets written are ours alone: namespaces and attributes in the order of the document, values escaped, no comment,
 * no processing instruction. A document that is deeper or wider than the limits, or that has a comment, a processing
 * instruction, an entity reference or an undeclared prefix inside its root, is refused (xml-protection 8).
 */
#ifndef MCX_XMLSEC_XML_WALK_H
#define MCX_XMLSEC_XML_WALK_H

#include <libxml/tree.h>

#include "sec/base/bytes.h"

enum { XML_DEPTH_MAX = 32, XML_ATTRIBUTES_MAX = 64, XML_VALUE_MAX = 16 * 1024, XML_BODY_MAX = 256 * 1024 };

#define NS_DSIG "http://www.w3.org/2000/09/xmldsig#"
#define NS_XENC "http://www.w3.org/2001/04/xmlenc#"

struct xml_walk {
	struct writer *w;
	void *ctx;
	unsigned depth;
	char *value;       /* XML_VALUE_MAX octets of scratch, in which hooks get and leave values */
	size_t value_used; /* the most octets that ever were in it: what is to be wiped */
	/*
	 * Each may be NULL. element: 1 when it has written the whole element, 0 to let the walk write it. attribute and
	 * text: value holds what stands in the document and is changed in place. They report faults in w->err.
	 */
	int (*element)(struct xml_walk *walk, const xmlNode *node);
	void (*attribute)(struct xml_walk *walk, const xmlNode *node, const xmlAttr *attribute);
	void (*text)(struct xml_walk *walk, const xmlNode *node);
};

/* The whole document: declaration, CRLF, root element. Faults stick in walk->w->err. */
void xml_walk_document(struct xml_walk *walk, const xmlDoc *doc);
void xml_walk_element(struct xml_walk *walk, const xmlNode *node);
/* Start tag with all attributes; type not NULL: the value of the attribute `type`, added when it is not there. */
void xml_walk_start(struct xml_walk *walk, const xmlNode *node, const char *type);
void xml_walk_end(struct xml_walk *walk, const xmlNode *node);
/* Whoever puts something into value says so by this. */
void xml_walk_value(struct xml_walk *walk);

const char *xml_ns_of(const xmlNode *node); /* "" without a namespace */
/* The only child when there is just one element and nothing but white space beside it, else NULL. */
const xmlNode *xml_only_element(const xmlNode *node);
/*
 * Text of an element that has no child element, as it stands; MCSEC_E_VALUE: it has child elements, comments or entity
 * references. MCSEC_E_NO_SPACE.
 */
enum mcsec_err xml_plain_text(const xmlNode *node, char *out, size_t size);
/* The same without white space around it. */
enum mcsec_err xml_trimmed_text(const xmlNode *node, char *out, size_t size);
/* Value of an attribute without namespace; "" when it is not there. MCSEC_E_VALUE entity reference, MCSEC_E_NO_SPACE.
 */
enum mcsec_err xml_attribute(const xmlNode *node, const char *name, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c14n.h - Canonical XML of an element in its place in the document, without comments, by libxml2.
 *
 * Inclusive form: namespaces of ancestors come along, which is what a signature over SignedInfo means
 * (xml-protection 6, "C14N trap"). An element of the shape that nearly every message has is written by our own hand;
 * libxml2 writes all others, and costs several times as much.
 */
#ifndef MCX_XMLSEC_C14N_H
#define MCX_XMLSEC_C14N_H

#include <libxml/tree.h>

#include "sec/base/bytes.h"

#define ALG_C14N     "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
#define ALG_C14N_EXC "http://www.w3.org/2001/10/xml-exc-c14n#"

/* The two algorithms above are known. */
int c14n_known(const char *algorithm);
/* node NULL: the whole document. MCSEC_E_ARGUMENT unknown algorithm, MCSEC_E_MALFORMED, MCSEC_E_NO_SPACE (in w). */
enum mcsec_err c14n_write(struct writer *w, xmlDoc *doc, const xmlNode *node, const char *algorithm);
/* The same, always by libxml2: what c14n_write is held against in tests. */
enum mcsec_err c14n_write_any(struct writer *w, xmlDoc *doc, const xmlNode *node, const char *algorithm);
/*
 * Of the plain shape: the element and all inside it are in one namespace, that of XML signatures or a URN of plain
 * characters, which is declared without a prefix; no prefix is declared and no attribute stands in a namespace, in it
 * or around it; no element has two attributes; all else is text. There the two algorithms give the same octets. At most
 * C14N_PLAIN_DEPTH deep. (libxml2 also refuses such an element when another one of the document, which does not enter
 * its canonical form, is in a namespace that is a relative reference.)
 */
enum { C14N_PLAIN_DEPTH = 8 };
int c14n_is_plain(const xmlNode *node);

#endif

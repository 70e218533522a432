/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c14n.h - Canonical XML of an element in its place in the document, without comments, by libxml2.
 *
 * Inclusive form: namespaces of ancestors come along, which is what a signature over SignedInfo means
 * (xml-protection 6, "C14N trap").
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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensitive.h - what is confidential in the XML bodies (TS 33.180 9.3.2, TS 24.379 4.8; xml-protection 2).
 *
 * One table; adding an element or attribute is one line of sensitive.c. Senders encrypt what it names; receivers
 * decrypt whatever is encrypted and use the table to count what arrived in clear.
 */
#ifndef MCX_XMLSEC_SENSITIVE_H
#define MCX_XMLSEC_SENSITIVE_H

enum sensitive_how {
	SENSITIVE_CONTENT, /* a content element: its only child element is encrypted (xml-protection 4)     */
	SENSITIVE_TEXT,    /* an element whose text is a URI: encrypted as a URI (xml-protection 5)         */
	SENSITIVE_ATTRIBUTE
};

struct sensitive {
	const char *ns, *element;
	const char *attribute; /* of the element, no namespace; NULL unless SENSITIVE_ATTRIBUTE                */
	enum sensitive_how how;
	const char *bare; /* SENSITIVE_CONTENT: the child that a plaintext without markup stands for, or NULL */
};

/* attribute NULL: the row for the element itself. NULL: not sensitive. */
const struct sensitive *sensitive_find(const char *ns, const char *element, const char *attribute);

/* For tests: the rows in order; NULL behind the last. */
const struct sensitive *sensitive_row(unsigned i);

#endif

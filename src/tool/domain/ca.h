/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca.h - the certificate authorities of a local domain (admin.md "Layout"): P-256, one for the domain's servers and
 * devices, one for administrators, so that no device certificate ever opens an admin listener.
 */
#ifndef MCX_TOOL_CA_H
#define MCX_TOOL_CA_H

#include <stddef.h>

enum { CA_MAX_NAMES = 8 };

struct ca_subject {
	const char *common_name;
	const char *org_unit;          /* role of an administrator; NULL without */
	const char *dns[CA_MAX_NAMES]; /* subject alternative names; NULL ends the list */
	const char *uri[CA_MAX_NAMES];
	const char *address; /* numeric IP address as a further name, or NULL */
	int server, client;  /* extended key usage */
	int days;
};

/* A self-signed authority: DIR/NAME.pem and DIR/NAME.key (0600). Nothing is done if both are there. 0 or -1 and err. */
int ca_make(const char *dir, const char *name, const char *common_name, char *err, size_t err_size);
/*
 * A certificate with a fresh key, written to `out` (0600): certificate, then key, PEM. Nothing is done if `out` holds
 * a certificate of this authority that lives 30 days more. 0 or -1 and err.
 */
int ca_issue(const char *dir, const char *name, const struct ca_subject *s, const char *out, char *err,
	     size_t err_size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_lists.h - application/resource-lists+xml (RFC 4826; sip.md 6.1): the targets of a call.
 *
 * A private call has exactly one entry; more or none is 403 with 145 (sip.md 6.1). Entries are counted wherever they
 * stand, in nested lists too. References (external, entry-ref) are never followed; each counts as an entry without a
 * URI, so that a list with one cannot pass as a list of one.
 */
#ifndef MCX_DOC_RESOURCE_LISTS_H
#define MCX_DOC_RESOURCE_LISTS_H

#include "sec/base/bytes.h"

enum { RESOURCE_LISTS_MAX = 64 * 1024, RESOURCE_LISTS_MAX_ENTRIES = 64, RESOURCE_URI_MAX = 512 };

struct resource_lists {
	size_t n;                                               /* entries seen; at most RESOURCE_LISTS_MAX_ENTRIES */
	char uri[RESOURCE_LISTS_MAX_ENTRIES][RESOURCE_URI_MAX]; /* "" for a reference */
};

/* MCSEC_E_LENGTH too large, too many entries or a URI too long; MCSEC_E_MALFORMED not well-formed, DOCTYPE, other root;
 * MCSEC_E_VALUE an entry without uri. *at (may be NULL) is then the offset of the entry at fault. */
enum mcsec_err resource_lists_read(struct octets xml, struct resource_lists *out, size_t *at);
enum mcsec_err resource_lists_write(struct writer *w, const char *const *uris, size_t n);

#endif

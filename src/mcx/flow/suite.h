/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suite.h - negotiation of the algorithms that go with a CSK (TS 33.180 4.3.4.1, 5.4, 5.8.1; mikey.md 8), both sides'
 * decisions in one place, pure.
 *
 * The KMS says what the domain allows and what is too weak for it; the client uploads its list with one of it selected;
 * the server takes that one or forces another of the list by a key download. Every list here is ordered, most wanted
 * first. Invariants: nothing weaker than the domain's minimum is ever offered, taken or forced; nothing is forced that
 * the client did not list; an absent list means suite 0101 alone.
 */
#ifndef MCX_FLOW_SUITE_H
#define MCX_FLOW_SUITE_H

#include "mcsec/mikey.h"

#define SUITES_KNOWN "0102 0101" /* what this implementation can do; the default of every `suites` setting */

enum { SUITE_TEXT = 5 * MCSEC_SUITES_MAX };

struct suite_list {
	size_t n;
	uint16_t at[MCSEC_SUITES_MAX];
};

/* "0102 0101": four hexadecimal digits each, blanks between, none twice. MCSEC_E_VALUE. "" is the empty list. */
enum mcsec_err suite_list_read(const char *text, struct suite_list *out);
void suite_list_write(const struct suite_list *list, char out[SUITE_TEXT]);
/* Place in the list, list->n if it is not in it. */
size_t suite_place(const struct suite_list *list, uint16_t suite);
int suite_listed(const struct suite_list *list, uint16_t suite);

/* Octets of the signalling keys under this suite: 16 or 32; 0 for one that is not known here. */
size_t suite_key_len(uint16_t suite);

/*
 * What of `own` the domain allows, in the domain's order. domain and minimum are the KMS's words (kms.md 7.3), "" where
 * it says nothing: 0101 alone, no minimum. MCSEC_E_VALUE: they cannot be read; then nothing is allowed.
 */
enum mcsec_err suite_allowed(const char *domain, const char *minimum, const struct suite_list *own,
			     struct suite_list *out);

/* ---- the client ---- */

/* The list of an upload: everything allowed, the first selected; none at all (n 0) where 0101 is all there is. */
void suite_offer(const struct suite_list *allowed, struct mcsec_alg_list *out);
/* What a key download selects, if it is one of those we offered; else 0. */
uint16_t suite_taken(const struct mcsec_alg_list *download, const struct suite_list *offered);

/* ---- the server ---- */

/* What the client could do, as it said: its list, or 0101 alone; and what it selected. */
uint16_t suite_uploaded(const struct mcsec_alg_list *upload, struct suite_list *offered);
/* The suite to go on with: `wanted` where it is allowed, else the first of the client's list that is; 0: none. */
uint16_t suite_choose(uint16_t wanted, const struct suite_list *offered, const struct suite_list *allowed);

/* ---- both ---- */

/*
 * Under which suite the documents that come with an upload stand: nothing is agreed yet, so the mandatory one, unless
 * the client does not list it.
 */
uint16_t suite_of_upload(const struct mcsec_alg_list *upload);
/* `suite` stands behind the client's own choice in its own list, and is not a stronger one. */
int suite_downgrades(const struct suite_list *offered, uint16_t wanted, uint16_t suite);

#endif

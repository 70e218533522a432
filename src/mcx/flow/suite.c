/* SPDX-License-Identifier: Apache-2.0 */
/* suite.c - the decisions of the negotiation (see suite.h); numbers in comments are the steps of mikey.md 8. */
#include "mcx/flow/suite.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sec/base/check.h"

enum { TRANSPORT_SET_1 = 1, AES_128 = 1, AES_256 = 2, DIGITS = 4 };

size_t suite_key_len(uint16_t suite)
{
	if (suite >> 8 != TRANSPORT_SET_1)
		return 0;
	return (suite & 0xff) == AES_128 ? 16 : (suite & 0xff) == AES_256 ? 32 : 0;
}

/* The codes of either octet rise with what they give. */
static int weaker(uint16_t a, uint16_t b)
{
	return a >> 8 < b >> 8 || (a & 0xff) < (b & 0xff);
}

size_t suite_place(const struct suite_list *list, uint16_t suite)
{
	size_t i = 0;
	while (i < list->n && list->at[i] != suite)
		i++;
	return i;
}

int suite_listed(const struct suite_list *list, uint16_t suite)
{
	return suite_place(list, suite) < list->n;
}

/* ---- texts ---- */

static int read_one(const char *text, uint16_t *out)
{
	char digits[DIGITS + 1] = {0};
	for (size_t i = 0; i < DIGITS; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return 0;
		digits[i] = text[i];
	}
	*out = (uint16_t)strtoul(digits, NULL, 16);
	return text[DIGITS] == ' ' || text[DIGITS] == 0;
}

enum mcsec_err suite_list_read(const char *text, struct suite_list *out)
{
	*out = (struct suite_list){0};
	for (;;) {
		uint16_t suite;
		while (*text == ' ')
			text++;
		if (!*text)
			return MCSEC_OK;
		if (out->n == MCSEC_SUITES_MAX || !read_one(text, &suite) || suite_listed(out, suite))
			break;
		out->at[out->n++] = suite;
		text += DIGITS;
	}
	*out = (struct suite_list){0};
	return MCSEC_E_VALUE;
}

void suite_list_write(const struct suite_list *list, char out[SUITE_TEXT])
{
	out[0] = 0;
	for (size_t i = 0; i < list->n; i++)
		snprintf(out + 5 * i - (i > 0), 6, "%s%04x", i ? " " : "", list->at[i]);
}

/* ---- 1 and 2: what the domain allows ---- */

enum mcsec_err suite_allowed(const char *domain, const char *minimum, const struct suite_list *own,
			     struct suite_list *out)
{
	struct suite_list all, least;
	*out = (struct suite_list){0};
	if (suite_list_read(*domain ? domain : "0101", &all) != MCSEC_OK ||
	    suite_list_read(minimum, &least) != MCSEC_OK || least.n > 1)
		return MCSEC_E_VALUE;
	for (size_t i = 0; i < all.n; i++) {
		uint16_t suite = all.at[i];
		int weak = MCX_FAULT(alg.minimum, least.n && weaker(suite, least.at[0]));
		if (suite_key_len(suite) && suite_listed(own, suite) && !weak)
			out->at[out->n++] = suite;
	}
	return MCSEC_OK;
}

void suite_offer(const struct suite_list *allowed, struct mcsec_alg_list *out)
{
	*out = (struct mcsec_alg_list){0};
	if (allowed->n == 0 || (allowed->n == 1 && allowed->at[0] == MCSEC_SUITE_AES128))
		return;
	out->selected = allowed->at[0];
	out->n = allowed->n;
	memcpy(out->suites, allowed->at, allowed->n * sizeof *allowed->at);
}

/* ---- 3 and 4: the server's choice ---- */

uint16_t suite_uploaded(const struct mcsec_alg_list *upload, struct suite_list *offered)
{
	*offered = (struct suite_list){1, {MCSEC_SUITE_AES128}};
	if (upload->n == 0)
		return MCSEC_SUITE_AES128;
	offered->n = upload->n;
	memcpy(offered->at, upload->suites, upload->n * sizeof *upload->suites);
	return upload->selected;
}

uint16_t suite_choose(uint16_t wanted, const struct suite_list *offered, const struct suite_list *allowed)
{
	if (suite_listed(allowed, wanted))
		return wanted;
	for (size_t i = 0; i < offered->n; i++)
		if (suite_listed(allowed, offered->at[i]))
			return offered->at[i];
	return 0;
}

/* ---- 5: the client on a key download ---- */

uint16_t suite_taken(const struct mcsec_alg_list *download, const struct suite_list *offered)
{
	uint16_t suite = download->n ? download->selected : MCSEC_SUITE_AES128;
	return MCX_CHECK(alg.offered, suite_listed(offered, suite)) ? suite : 0;
}

/* ---- both ---- */

uint16_t suite_of_upload(const struct mcsec_alg_list *upload)
{
	struct suite_list offered;
	uint16_t selected = suite_uploaded(upload, &offered);
	return suite_listed(&offered, MCSEC_SUITE_AES128) ? MCSEC_SUITE_AES128 : selected;
}

int suite_downgrades(const struct suite_list *offered, uint16_t wanted, uint16_t suite)
{
	return suite_place(offered, suite) > suite_place(offered, wanted) && !weaker(wanted, suite);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * algs.c - the list of algorithms in an I_MESSAGE (TS 33.180 4.3.4.1, 5.4, 5.8), read and written side by side.
 *
 * The specification asks for the list and the selected one and defines no encoding; ours, inside GEN 241:
 *   octets 0-3   "MCXA"        octet 4  version = 1
 *   octets 5-6   the selected suite
 *   octet 7      count, 1 to 32, then the suites, most wanted first; the selected one is among them
 *
 * A suite's high octet is the key transport: it must be the one the message itself is built with. GEN 241 of somebody
 * else (another first four octets) is passed over like any unknown extension.
 */
#include "sec/mikey/wire/payloads.h"

#define CLAUSE "TS 33.180 4.3.4.1"

enum { MAGIC = 0x4d435841, VERSION = 1, HEAD = 8 };

static int selected_is_listed(const struct mcsec_alg_list *algs)
{
	for (size_t i = 0; i < algs->n; i++)
		if (algs->suites[i] == algs->selected)
			return 1;
	return 0;
}

int mikey_algs_valid(const struct mcsec_alg_list *algs)
{
	return algs->n >= 1 && algs->n <= MCSEC_SUITES_MAX && selected_is_listed(algs) &&
	       algs->selected >> 8 == MIKEY_SAKKE_SET_1;
}

void mikey_algs_read(struct mikey_in *in, struct mcsec_alg_list *algs)
{
	struct reader magic = in->r;
	if (rd_u32(&magic) != MAGIC || magic.err)
		return;
	mikey_enter(in, "algorithm list", CLAUSE);
	mikey_take(in, 4, "magic");
	mikey_support(in, mikey_u8(in, "list version") == VERSION, 1, "the algorithm list is not of version 1");
	algs->selected = mikey_u16(in, "selected suite");
	mikey_support(in, algs->selected >> 8 == MIKEY_SAKKE_SET_1, 2,
		      "the message is not built with the selected suite");
	uint8_t count = mikey_u8(in, "count of suites");
	mikey_require(in, count >= 1 && count <= MCSEC_SUITES_MAX, 1, "an algorithm list has 1 to 32 suites");
	for (algs->n = 0; algs->n < count && !in->r.err; algs->n++)
		algs->suites[algs->n] = mikey_u16(in, "suite");
	mikey_require(in, selected_is_listed(algs), 2u * count + 3, "the selected suite is not in the list");
}

void mikey_algs_write(struct mikey_out *out, const struct mcsec_alg_list *algs)
{
	uint8_t *length = mikey_gen_begin(out, MIKEY_GEN_ALGS);
	wr_u32(&out->w, MAGIC);
	wr_u8(&out->w, VERSION);
	wr_u16(&out->w, algs->selected);
	wr_u8(&out->w, (uint8_t)algs->n);
	for (size_t i = 0; i < algs->n; i++)
		wr_u16(&out->w, algs->suites[i]);
	mikey_gen_end(out, length);
}

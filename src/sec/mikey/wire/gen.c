/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen.c - MIKEY general extension payload (RFC 3830 6.15), read and written side by side.
 *
 *   octet 0      next payload
 *   octet 1      type: 6 SAKKE-to-self (TS 33.180 E.5), 7 key parameters (E.6), 241 algorithm list; others passed over
 *   octets 2-3   length, then the data
 */
#include "sec/mikey/wire/payloads.h"

uint8_t mikey_gen_read(struct mikey_in *in, struct mikey_gen *gen)
{
	mikey_enter(in, "GEN", "RFC 3830 6.15");
	uint8_t next = mikey_u8(in, "next payload");
	gen->type = mikey_u8(in, "extension type");
	uint16_t len = mikey_u16(in, "extension length");
	gen->data = mikey_within(in, len);
	gen->octets = rd_take(&in->r, len);
	return in->r.err ? MIKEY_LAST : next;
}

uint8_t *mikey_gen_begin(struct mikey_out *out, enum mikey_gen_type type)
{
	mikey_begin(out, MIKEY_GEN);
	wr_u8(&out->w, (uint8_t)type);
	return wr_reserve(&out->w, 2);
}

void mikey_gen_end(struct mikey_out *out, uint8_t *length)
{
	if (out->w.err)
		return;
	size_t n = (size_t)(out->w.at - length) - 2;
	length[0] = (uint8_t)(n >> 8);
	length[1] = (uint8_t)n;
}

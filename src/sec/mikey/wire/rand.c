/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rand.c - MIKEY RAND payload (RFC 3830 6.11), read and written side by side.
 *
 *   octet 0   next payload
 *   octet 1   length, at least 16
 *   then      the random octets: an input of every derivation from the carried key
 */
#include "sec/mikey/wire/payloads.h"

uint8_t mikey_rand_read(struct mikey_in *in, struct octets *rand)
{
	mikey_enter(in, "RAND", "RFC 3830 6.11");
	uint8_t next = mikey_u8(in, "next payload");
	uint8_t len = mikey_u8(in, "RAND length");
	mikey_require(in, len >= MCSEC_RAND_LEN, 1, "RAND has fewer than 16 octets");
	*rand = mikey_take(in, len, "RAND");
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_rand_write(struct mikey_out *out, struct octets rand)
{
	mikey_begin(out, MIKEY_RAND);
	wr_u8(&out->w, (uint8_t)rand.len);
	wr_octets(&out->w, rand);
}

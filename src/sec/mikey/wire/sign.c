/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.c - MIKEY signature payload (RFC 3830 6.5, RFC 6509, TS 33.180 E.1.2): the last, without a next-payload octet.
 *
 *   octets 0-1   S type = 2, ECCSI (4 bits), and signature length = 129 (12 bits): 20 81
 *   then         the signature over every octet of the message up to and with those two
 *
 * The clause writes a length of 32; an ECCSI signature has 129 octets, and that is what every peer sends.
 */
#include "sec/mikey/wire/payloads.h"

enum { S_TYPE_ECCSI = 2 };

void mikey_sign_read(struct mikey_in *in, struct mikey_sign *sign)
{
	mikey_enter(in, "SIGN", "TS 33.180 E.1.2");
	uint16_t head = mikey_u16(in, "S type, signature length");
	mikey_support(in, head >> 12 == S_TYPE_ECCSI, 2, "the signature is not ECCSI");
	mikey_require(in, (head & 0xfff) == MCSEC_SIG_LEN, 2, "an ECCSI signature has 129 octets");
	sign->signed_len = rd_at(&in->r);
	sign->sig = mikey_take(in, MCSEC_SIG_LEN, "signature");
	mikey_require(in, rd_left(&in->r) == 0, 0, "octets follow the signature");
}

uint8_t *mikey_sign_write(struct mikey_out *out)
{
	mikey_begin(out, MIKEY_SIGN);
	wr_u16(&out->w, S_TYPE_ECCSI << 12 | MCSEC_SIG_LEN);
	return wr_reserve(&out->w, MCSEC_SIG_LEN);
}

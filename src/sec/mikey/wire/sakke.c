/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sakke.c - MIKEY SAKKE payload (RFC 6509 4.2, TS 33.180 E.1.2), read and written side by side.
 *
 *   octet 0      next payload
 *   octet 1      SAKKE parameter set = 1
 *   octet 2      ID scheme: 2, the hashed UID of 3GPP; 1 is read for a switch of open.c to decide on
 *   octets 3-4   length = 273 (272 from peers that drop a leading zero octet of H), then the SED
 */
#include "sec/mikey/wire/payloads.h"

uint8_t mikey_sakke_read(struct mikey_in *in, struct mikey_sakke *sakke)
{
	*sakke = (struct mikey_sakke){0};
	mikey_enter(in, "SAKKE", "RFC 6509 4.2");
	uint8_t next = mikey_u8(in, "next payload");
	mikey_support(in, mikey_u8(in, "SAKKE params") == MIKEY_SAKKE_SET_1, 1, "the SAKKE parameter set is not 1");
	sakke->scheme_at = rd_at(&in->r);
	sakke->scheme = mikey_u8(in, "ID scheme");
	mikey_support(in, sakke->scheme == MIKEY_SCHEME_HASHED_UID || sakke->scheme == MIKEY_SCHEME_TEL_URI, 1,
		      "the ID scheme is not the hashed UID");
	uint16_t len = mikey_u16(in, "SAKKE data length");
	mikey_require(in, len == MCSEC_SED_LEN || len == MCSEC_SED_LEN - 1, 2, "encapsulated data have 273 octets");
	sakke->sed = mikey_take(in, len, "SAKKE data");
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_sakke_write(struct mikey_out *out, const uint8_t sed[MCSEC_SED_LEN])
{
	mikey_begin(out, MIKEY_SAKKE);
	wr_u8(&out->w, MIKEY_SAKKE_SET_1);
	wr_u8(&out->w, MIKEY_SCHEME_HASHED_UID);
	wr_u16(&out->w, MCSEC_SED_LEN);
	wr_octets(&out->w, (struct octets){sed, MCSEC_SED_LEN});
}

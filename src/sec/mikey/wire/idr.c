/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idr.c - MIKEY identity payload with role (RFC 6043 6.6, RFC 6509 4.4, TS 33.180 E.7), read and written side by side.
 *
 *   octet 0      next payload
 *   octet 1      role: 1 initiator, 2 responder, 6 and 7 their KMSs; 8 and 9 initiator and responder as UID
 *   octet 2      ID type: 1 URI; for a UID 2 (byte string) is sent, 1 accepted too
 *   octets 3-4   length, then the ID: URI without terminating NUL, or the 32 octets of the UID
 */
#include "sec/base/text.h"
#include "sec/mikey/wire/payloads.h"

static int is_uid(uint8_t role)
{
	return role == MIKEY_IDRUIDI || role == MIKEY_IDRUIDR;
}

static int is_uri(uint8_t role)
{
	return role == MIKEY_IDRI || role == MIKEY_IDRR || role == MIKEY_IDRKMSI || role == MIKEY_IDRKMSR;
}

uint8_t mikey_idr_read(struct mikey_in *in, struct mikey_idr *idr)
{
	*idr = (struct mikey_idr){0};
	mikey_enter(in, "IDR", "RFC 6043 6.6");
	uint8_t next = mikey_u8(in, "next payload");
	idr->role = mikey_u8(in, "ID role");
	uint8_t type = mikey_u8(in, "ID type");
	if (is_uri(idr->role))
		mikey_require(in, type == MIKEY_ID_URI, 1, "the ID of this role is not a URI");
	if (is_uid(idr->role))
		mikey_require(in, type == MIKEY_ID_URI || type == MIKEY_ID_BYTES, 1, "a UID is no byte string");
	uint16_t len = mikey_u16(in, "ID length");
	mikey_require(in, len > 0, 2, "an ID of no octets");
	if (is_uid(idr->role))
		mikey_require(in, len == MCSEC_UID_LEN, 2, "a UID has 32 octets");
	idr->id = mikey_take(in, len, "ID");
	if (is_uri(idr->role) && idr->id.len > 1 && idr->id.p[idr->id.len - 1] == 0) {
		idr->nul = 1;
		idr->id.len--;
	}
	if (is_uri(idr->role))
		mikey_require(in, utf8_valid(idr->id), len, "a URI that is not UTF-8 text");
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_idr_write(struct mikey_out *out, enum mikey_role role, struct octets id)
{
	mikey_begin(out, MIKEY_IDR);
	wr_u8(&out->w, (uint8_t)role);
	wr_u8(&out->w, is_uid((uint8_t)role) ? MIKEY_ID_BYTES : MIKEY_ID_URI);
	wr_u16(&out->w, (uint16_t)id.len);
	wr_octets(&out->w, id);
}

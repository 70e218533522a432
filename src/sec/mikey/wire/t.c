/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t.c - MIKEY timestamp payload (RFC 3830 6.6), read and written side by side.
 *
 *   octet 0      next payload
 *   octet 1      TS type: 0 = NTP-UTC; 1 (NTP local) and 2 (counter) are refused (TS 33.180 E.1.2)
 *   octets 2-9   NTP timestamp
 */
#include "sec/mikey/wire/payloads.h"

enum { TS_NTP_UTC = 0 };

uint8_t mikey_t_read(struct mikey_in *in, uint64_t *ntp)
{
	mikey_enter(in, "T", "RFC 3830 6.6");
	uint8_t next = mikey_u8(in, "next payload");
	mikey_support(in, mikey_u8(in, "TS type") == TS_NTP_UTC, 1, "the timestamp is not NTP-UTC");
	*ntp = mikey_u64(in, "TS value");
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_t_write(struct mikey_out *out, uint64_t ntp)
{
	mikey_begin(out, MIKEY_T);
	wr_u8(&out->w, TS_NTP_UTC);
	wr_u64(&out->w, ntp);
}

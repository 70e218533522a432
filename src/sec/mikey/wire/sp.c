/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp.c - MIKEY security policy payload (RFC 3830 6.10, RFC 4771 4, TS 33.180 E.2.2), read and written side by side.
 *
 *   octet 0      next payload
 *   octet 1      policy number      octet 2  prot type: 0 SRTP
 *   octets 3-4   length of the parameters, then for each: type(1) length(1) value
 *
 * What the parameters mean is decided in profile.c; types we do not know are passed over.
 */
#include "sec/mikey/wire/payloads.h"

/* Big-endian of any length; more than 32 bits saturate: no parameter we know is that large. */
static uint32_t value_of(struct octets o)
{
	uint32_t v = 0;
	for (size_t i = 0; i < o.len; i++)
		v = v >> 24 ? UINT32_MAX : v << 8 | o.p[i];
	return v;
}

static void parameter_read(struct mikey_in *in, struct mikey_sp *sp)
{
	uint8_t type = mikey_u8(in, "parameter type");
	uint32_t bit = type < MIKEY_SP_TYPES ? UINT32_C(1) << type : 0;
	mikey_require(in, !(sp->present & bit), 1, "a policy parameter twice");
	uint8_t len = mikey_u8(in, "parameter length");
	mikey_require(in, len > 0, 1, "a policy parameter of no octets");
	struct octets value = mikey_take(in, len, "parameter value");
	if (in->r.err || !bit)
		return;
	sp->present |= bit;
	sp->value[type] = value_of(value);
}

uint8_t mikey_sp_read(struct mikey_in *in, struct mikey_sp *sp)
{
	*sp = (struct mikey_sp){0};
	mikey_enter(in, "SP", "RFC 3830 6.10");
	uint8_t next = mikey_u8(in, "next payload");
	sp->at = rd_at(&in->r);
	sp->policy = mikey_u8(in, "policy number");
	sp->prot_type = mikey_u8(in, "prot type");
	uint16_t len = mikey_u16(in, "parameters length");
	struct mikey_in params = mikey_within(in, len);
	while (rd_left(&params.r))
		parameter_read(&params, sp);
	mikey_leave(in, &params);
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_sp_write(struct mikey_out *out, const struct mikey_sp *sp)
{
	struct writer *w = &out->w;
	mikey_begin(out, MIKEY_SP);
	wr_u8(w, sp->policy);
	wr_u8(w, sp->prot_type);
	uint8_t *length = wr_reserve(w, 2);
	size_t before = wr_len(w);
	for (unsigned type = 0; type < MIKEY_SP_TYPES; type++) {
		if (!(sp->present >> type & 1))
			continue;
		size_t n = sp->value[type] >> 8 ? 2 : 1;
		wr_u8(w, (uint8_t)type);
		wr_u8(w, (uint8_t)n);
		wr_be(w, sp->value[type], n);
	}
	if (length && !w->err) {
		size_t n = wr_len(w) - before;
		length[0] = (uint8_t)(n >> 8);
		length[1] = (uint8_t)n;
	}
}

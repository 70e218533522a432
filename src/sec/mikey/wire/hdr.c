/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hdr.c - MIKEY common header (RFC 3830 6.1, RFC 6043 6.1.1, TS 33.180 E.1.2), read and written side by side.
 *
 *   octet 0      version = 1             octet 1  data type = 26, SAKKE
 *   octet 2      next payload            octet 3  V (top bit, ignored) and PRF = 1
 *   octets 4-7   CSB ID: the key's identifier
 *   octet 8      #CS                     octet 9  map type; then #CS entries:
 *   SRTP-ID      policy(1) SSRC(4) ROC(4): skipped, the message counts as #CS 0
 *   GENERIC-ID   CS ID(1) prot type(1) S|#P(1) policies(#P) length(2) session data, SPI length(1) SPI
 */
#include "sec/mikey/wire/payloads.h"

#define CLAUSE     "RFC 3830 6.1"
#define CLAUSE_MAP "RFC 6043 6.1.1"

static void generic_id_read(struct mikey_in *in, struct mikey_cs *cs)
{
	mikey_enter(in, "crypto session", CLAUSE_MAP);
	cs->at = rd_at(&in->r);
	cs->cs_id = mikey_u8(in, "CS ID");
	mikey_support(in, mikey_u8(in, "prot type") == 0, 1, "the crypto session is not SRTP");
	uint8_t sp = mikey_u8(in, "S, #P");
	struct octets policies = mikey_take(in, sp & 0x7f, "policy numbers");
	cs->has_policy = policies.len > 0;
	cs->policy = cs->has_policy ? policies.p[0] : 0;
	uint16_t session = mikey_u16(in, "session data length");
	mikey_require(in, session % (sp & 0x80 ? 10 : 4) == 0, 2,
		      "session data of a length that holds no whole stream");
	mikey_take(in, session, "session data");
	uint8_t spi = mikey_u8(in, "SPI length");
	mikey_require(in, spi == 0 || spi == 4 || spi == 8, 1, "an SPI has 0, 4 or 8 octets");
	cs->spi = mikey_take(in, spi, "SPI");
}

static void map_read(struct mikey_in *in, struct mikey_hdr *hdr, uint8_t count)
{
	switch (hdr->map) {
	case MIKEY_MAP_EMPTY:
		mikey_require(in, count == 0, 2, "an empty map describes no crypto session");
		break;
	case MIKEY_MAP_SRTP_ID:
		for (uint8_t i = 0; i < count && !in->r.err; i++) {
			mikey_u8(in, "policy number");
			mikey_u32(in, "SSRC");
			mikey_u32(in, "ROC");
		}
		break;
	case MIKEY_MAP_GENERIC_ID:
		mikey_support(in, count <= MCSEC_CS_MAX, 2, "more crypto sessions than we carry");
		for (; hdr->n_cs < count && !in->r.err; hdr->n_cs++) {
			struct mikey_cs *cs = &hdr->cs[hdr->n_cs];
			generic_id_read(in, cs);
			for (uint8_t i = 0; i < hdr->n_cs; i++)
				mikey_require(in, hdr->cs[i].cs_id != cs->cs_id, rd_at(&in->r) - cs->at,
					      "the same CS ID twice");
		}
		break;
	default:
		mikey_support(in, 0, 1, "unknown CS ID map type");
	}
}

uint8_t mikey_hdr_read(struct mikey_in *in, struct mikey_hdr *hdr)
{
	*hdr = (struct mikey_hdr){0};
	mikey_enter(in, "HDR", CLAUSE);
	mikey_require(in, mikey_u8(in, "version") == MIKEY_VERSION, 1, "the version is not 1");
	uint8_t type = mikey_u8(in, "data type");
	mikey_require(in, type != MIKEY_DATA_ERROR, 1, "a MIKEY error message carries no key");
	mikey_require(in, type == MIKEY_DATA_SAKKE, 1, "the data type is not 26, SAKKE");
	uint8_t next = mikey_u8(in, "next payload");
	uint8_t v_prf = mikey_u8(in, "V, PRF func");
	mikey_support(in, (v_prf & 0x7f) == MIKEY_PRF_HMAC_SHA_256, 1, "the PRF is not HMAC-SHA-256");
	hdr->v = v_prf >> 7;
	hdr->csb_id = mikey_u32(in, "CSB ID");
	uint8_t count = mikey_u8(in, "#CS");
	hdr->map = mikey_u8(in, "CS ID map type");
	map_read(in, hdr, count);
	return in->r.err ? MIKEY_LAST : next;
}

void mikey_hdr_write(struct mikey_out *out, const struct mikey_hdr *hdr)
{
	struct writer *w = &out->w;
	wr_u8(w, MIKEY_VERSION);
	wr_u8(w, MIKEY_DATA_SAKKE);
	out->next = wr_reserve(w, 1);
	wr_u8(w, MIKEY_PRF_HMAC_SHA_256);
	wr_u32(w, hdr->csb_id);
	wr_u8(w, hdr->n_cs);
	wr_u8(w, hdr->n_cs ? MIKEY_MAP_GENERIC_ID : MIKEY_MAP_EMPTY);
	for (uint8_t i = 0; i < hdr->n_cs; i++) {
		const struct mikey_cs *cs = &hdr->cs[i];
		wr_u8(w, cs->cs_id);
		wr_u8(w, 0);
		wr_u8(w, 1);
		wr_u8(w, cs->policy);
		wr_u16(w, 0);
		wr_u8(w, (uint8_t)cs->spi.len);
		wr_octets(w, cs->spi);
	}
}

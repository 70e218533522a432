/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp.c - plain RTP packets, read and written side by side (RFC 3550 5.1).
 *
 *   octet 0     version 2 (2 bits), padding, extension, CSRC count (4)
 *   octet 1     marker, payload type (7)
 *   2-3 sequence number   4-7 timestamp   8-11 SSRC   then CSRCs, extension, payload, padding
 */
#include "mcx/media/rtp.h"

#include "mcx/media/srtp_crypt.h"

enum { PADDING = 0x20, MARKER = 0x80, TYPE = 0x7f };

void rtp_write(struct writer *w, const struct rtp_packet *p)
{
	wr_u8(w, 2 << 6);
	wr_u8(w, (uint8_t)((p->marker ? MARKER : 0) | (p->payload_type & TYPE)));
	wr_u16(w, p->seq);
	wr_u32(w, p->timestamp);
	wr_u32(w, p->ssrc);
	wr_octets(w, p->payload);
}

enum mcsec_err rtp_read(struct octets octets, struct rtp_packet *out)
{
	struct rtp_header h;
	enum mcsec_err e = rtp_header_read(octets, &h);
	if (e)
		return e;
	struct reader r = rd_init(octets);
	uint8_t first = rd_u8(&r), second = rd_u8(&r);
	rd_u16(&r);
	size_t len = octets.len - h.len, padding = 0;
	if (first & PADDING) {
		padding = len ? octets.p[octets.len - 1] : 0;
		if (padding == 0 || padding > len)
			return MCSEC_E_VALUE;
	}
	*out = (struct rtp_packet){.payload_type = second & TYPE,
				   .marker = second >> 7,
				   .seq = h.seq,
				   .timestamp = rd_u32(&r),
				   .ssrc = h.ssrc,
				   .payload = {octets.p + h.len, len - padding}};
	return r.err;
}

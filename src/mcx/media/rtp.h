/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp.h - plain RTP packets (RFC 3550 5.1): written without CSRC list, extension or padding, read with all of them.
 */
#ifndef MCX_MEDIA_RTP_H
#define MCX_MEDIA_RTP_H

#include "sec/base/bytes.h"

enum { RTP_HEADER = 12 };

struct rtp_packet {
	uint8_t payload_type; /* 0..127 */
	int marker;
	uint16_t seq;
	uint32_t timestamp;
	uint32_t ssrc;
	struct octets payload; /* without padding */
};

void rtp_write(struct writer *w, const struct rtp_packet *p);
/* MCSEC_E_TRUNCATED; MCSEC_E_VALUE version or padding. */
enum mcsec_err rtp_read(struct octets octets, struct rtp_packet *out);

#endif

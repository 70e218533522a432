/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264.h - H.264 video in RTP packets (RFC 6184, packetization-mode 1) and in files (ITU-T H.264 annex B).
 *
 * A NAL unit travels whole in one packet, or cut into fragments (FU-A); whole ones that came together (STAP-A) are
 * read too. Nothing here looks at pictures: what comes out of the joiner is, octet for octet, a NAL unit that went into
 * the cutter, or it does not come out at all. A loss is told, never patched.
 *
 * Pure: no socket, clock or file inside. An object belongs to one thread at a time.
 */
#ifndef MCX_MEDIA_H264_H
#define MCX_MEDIA_H264_H

#include "sec/base/bytes.h"

enum {
	H264_CLOCK = 90000,        /* RTP timestamp units a second */
	H264_PAYLOAD = 1200,       /* of a packet as we send it: fits every path together with SRTP's trailer */
	H264_MAX_NAL = 512 * 1024, /* longer ones are refused: the slices of level 4 stay below */
};
#define H264_RTPMAP "H264/90000"
#define H264_FMTP   "profile-level-id=42e01f;packetization-mode=1"

/* ---- a file ---------------------------------------------------------------------------------------------------- */

/*
 * The next NAL unit behind a start code, without trailing zeros; *stream goes on behind it. 1, or 0: there is none,
 * what is left stands in *stream.
 */
int h264_next_nal(struct octets *stream, struct octets *nal);
/*
 * The next access unit: the NAL units of one picture, with their start codes (clause 7.4.1.2.3, for streams whose
 * pictures begin with their first macroblock: no arbitrary slice order, no redundant pictures). 1 or 0.
 */
int h264_next_unit(struct octets *stream, struct octets *unit);
/*
 * How many access units; 0 if this is no byte stream: something else before the first start code, no picture in it, or
 * a NAL unit that cannot travel (of another type than 1 to 23, with the forbidden bit, longer than H264_MAX_NAL).
 */
size_t h264_units(struct octets stream);
/* Start code and NAL unit. */
void h264_put_nal(struct writer *w, struct octets nal);

/* ---- into packets ---------------------------------------------------------------------------------------------- */

struct h264_cut {
	struct octets nal;
	size_t at; /* 0 at first */
};
/* The payload of the next packet, at most `max` octets (at least 3); 0: everything was written. */
int h264_cut_next(struct h264_cut *c, size_t max, struct writer *w);

/* ---- out of packets -------------------------------------------------------------------------------------------- */

struct h264_joiner;

struct h264_counts {
	uint64_t nals;    /* given out */
	uint64_t broken;  /* NAL units of which a part is missing */
	uint64_t refused; /* payloads that are none of RFC 6184 in this mode */
};

/* NULL without memory. */
struct h264_joiner *h264_joiner_new(void);
void h264_joiner_free(struct h264_joiner *j);
/*
 * One payload, in the order of sequence numbers. `lost`: packets are missing before it. Each NAL unit that is whole now
 * goes to `out` in its order, valid during the call alone.
 */
void h264_join(struct h264_joiner *j, struct octets payload, uint32_t timestamp, int lost,
	       void (*out)(void *ctx, struct octets nal), void *ctx);
/* Nothing more comes: a NAL unit that is not complete counts as broken. */
void h264_join_end(struct h264_joiner *j);
struct h264_counts h264_joiner_counts(const struct h264_joiner *j);

#endif

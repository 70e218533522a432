/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h264.c - see h264.h.
 *
 *   NAL unit  octet 0: forbidden bit, nal_ref_idc (2), type (5); then its data
 *   single    the NAL unit is the payload (RFC 6184 5.6)
 *   STAP-A    octet 0 with type 24, then { length (2), NAL unit } to the end (5.7.1)
 *   FU-A      octet 0 with type 28, octet 1: start, end, reserved, type of the NAL unit; then a part of its data (5.8)
 */
#include "mcx/media/h264.h"

#include <stdlib.h>

#include "sec/base/check.h"

enum {
	FORBIDDEN = 0x80,
	REF_IDC = 0x60,
	TYPE = 0x1f,
	START = 0x80,
	END = 0x40,
	SLICE = 1,
	PARTITION_A = 2,
	IDR = 5,
	SEI = 6,
	DELIMITER = 9,
	PREFIX = 14,
	RESERVED_18 = 18,
	LAST_SINGLE = 23,
	STAP_A = 24,
	FU_A = 28,
	FU_HEADER = 2,
};

static unsigned type_of(struct octets nal)
{
	return nal.p[0] & TYPE;
}

/* ---- a file ---------------------------------------------------------------------------------------------------- */

/* Where the next 00 00 01 begins, at the end if there is none. */
static size_t start_code(struct octets s)
{
	for (size_t i = 0; i + 3 <= s.len; i++)
		if (s.p[i] == 0 && s.p[i + 1] == 0 && s.p[i + 2] == 1)
			return i;
	return s.len;
}

static struct octets behind(struct octets s, size_t n)
{
	return (struct octets){s.p + n, s.len - n};
}

int h264_next_nal(struct octets *stream, struct octets *nal)
{
	size_t at = start_code(*stream);
	if (at == stream->len)
		return 0;
	struct octets s = behind(*stream, at + 3);
	size_t n = start_code(s), len = n;
	while (len &&
	       s.p[len - 1] == 0) /* no NAL unit ends in a zero (7.4.1): it is the next start code's, or padding */
		len--;
	*nal = (struct octets){s.p, len};
	*stream = behind(s, n);
	return 1;
}

static int is_slice(unsigned type)
{
	return type >= SLICE && type <= IDR;
}

/* What can only stand before the slices of the next picture, or is its first slice (7.4.1.2.3). */
static int begins_unit(struct octets nal)
{
	unsigned type = nal.len ? type_of(nal) : 0;
	if ((type >= SEI && type <= DELIMITER) || (type >= PREFIX && type <= RESERVED_18))
		return 1;
	int first_macroblock = nal.len > 1 && nal.p[1] & 0x80; /* first_mb_in_slice, ue(v): 0 is the bit 1 */
	return (type == SLICE || type == PARTITION_A || type == IDR) && first_macroblock;
}

int h264_next_unit(struct octets *stream, struct octets *unit)
{
	struct octets from = behind(*stream, start_code(*stream)), rest = from, nal;
	int slices = 0;
	for (struct octets next = rest; h264_next_nal(&next, &nal); rest = next) {
		if (slices && begins_unit(nal))
			break;
		slices |= nal.len && is_slice(type_of(nal));
	}
	*unit = (struct octets){from.p, from.len - rest.len};
	*stream = rest;
	return unit->len != 0;
}

static int can_travel(struct octets nal)
{
	return nal.len && nal.len <= H264_MAX_NAL && !(nal.p[0] & FORBIDDEN) && type_of(nal) >= SLICE &&
	       type_of(nal) <= LAST_SINGLE;
}

size_t h264_units(struct octets stream)
{
	size_t n = 0, slices = 0;
	struct octets nal, rest = stream;
	for (size_t i = start_code(stream); i > 0; i--)
		if (stream.p[i - 1])
			return 0;
	while (h264_next_nal(&rest, &nal)) {
		if (!can_travel(nal))
			return 0;
		slices += (size_t)is_slice(type_of(nal));
	}
	while (h264_next_unit(&stream, &nal))
		n++;
	return slices ? n : 0;
}

void h264_put_nal(struct writer *w, struct octets nal)
{
	wr_u32(w, 1);
	wr_octets(w, nal);
}

/* ---- into packets ---------------------------------------------------------------------------------------------- */

int h264_cut_next(struct h264_cut *c, size_t max, struct writer *w)
{
	if (c->at >= c->nal.len)
		return 0;
	if (c->at == 0 && c->nal.len <= max) {
		wr_octets(w, c->nal);
		c->at = c->nal.len;
		return 1;
	}
	int first = c->at == 0;
	c->at += (size_t)first; /* the NAL unit's own first octet travels in the other two */
	size_t left = c->nal.len - c->at, n = left < max - FU_HEADER ? left : max - FU_HEADER;
	wr_u8(w, (uint8_t)((c->nal.p[0] & (FORBIDDEN | REF_IDC)) | FU_A));
	wr_u8(w, (uint8_t)((first ? START : 0) | (n == left ? END : 0) | type_of(c->nal)));
	wr_octets(w, (struct octets){c->nal.p + c->at, n});
	c->at += n;
	return 1;
}

/* ---- out of packets -------------------------------------------------------------------------------------------- */

struct h264_joiner {
	struct h264_counts counts;
	uint32_t timestamp; /* of the fragments that wait */
	size_t len;         /* of them; 0: none */
	int given_up;       /* the NAL unit whose fragments come has counted as broken */
	uint8_t nal[H264_MAX_NAL];
};

struct h264_joiner *h264_joiner_new(void)
{
	return calloc(1, sizeof(struct h264_joiner));
}

void h264_joiner_free(struct h264_joiner *j)
{
	free(j);
}

struct h264_counts h264_joiner_counts(const struct h264_joiner *j)
{
	return j->counts;
}

/* What waits cannot become whole; fragments that belong to it may still come. */
static void give_up(struct h264_joiner *j)
{
	j->counts.broken += j->len != 0;
	j->given_up |= j->len != 0;
	j->len = 0;
}

void h264_join_end(struct h264_joiner *j)
{
	give_up(j);
	j->given_up = 0;
}

struct sink {
	void (*out)(void *ctx, struct octets nal);
	void *ctx;
};

static void give(struct h264_joiner *j, const struct sink *to, struct octets nal)
{
	j->counts.nals++;
	to->out(to->ctx, nal);
}

/* { length, NAL unit } to the end, each one that may stand alone. With `to` they go out; else it is only looked. */
static int together(struct h264_joiner *j, struct octets payload, const struct sink *to)
{
	struct reader r = rd_init(behind(payload, 1));
	if (!rd_left(&r))
		return 0;
	while (rd_left(&r)) {
		struct octets nal = rd_take(&r, rd_u16(&r));
		if (r.err || !can_travel(nal))
			return 0;
		if (to)
			give(j, to, nal);
	}
	return 1;
}

static int append(struct h264_joiner *j, struct octets data)
{
	if (data.len > sizeof j->nal - j->len)
		return 0;
	if (data.len)
		memcpy(j->nal + j->len, data.p, data.len);
	j->len += data.len;
	return 1;
}

/* A fragment. 0: it is none of RFC 6184. */
static int fragment(struct h264_joiner *j, struct octets payload, uint32_t timestamp, const struct sink *to)
{
	if (payload.len < FU_HEADER)
		return 0;
	uint8_t flags = payload.p[1], header = (uint8_t)((payload.p[0] & REF_IDC) | (flags & TYPE));
	unsigned type = flags & TYPE;
	if (MCX_FAULT(h264.fragment, type < SLICE || type > LAST_SINGLE || (flags & START && flags & END)))
		return 0;
	if (flags & START) {
		h264_join_end(j); /* the one before it was not ended */
		j->timestamp = timestamp;
		j->nal[0] = header;
		j->len = 1;
	} else if (!j->len) { /* its beginning is missing */
		j->counts.broken += !j->given_up;
		j->given_up = 1;
	} else if (MCX_FAULT(h264.same_nal, j->timestamp != timestamp || j->nal[0] != header)) {
		give_up(j);
	}
	if (j->len && !append(j, behind(payload, FU_HEADER)))
		give_up(j);
	if (j->len && flags & END) {
		struct octets nal = {j->nal, j->len};
		j->len = 0;
		give(j, to, nal);
	}
	j->given_up &= !(flags & END);
	return 1;
}

void h264_join(struct h264_joiner *j, struct octets payload, uint32_t timestamp, int lost,
	       void (*out)(void *ctx, struct octets nal), void *ctx)
{
	const struct sink to = {out, ctx};
	unsigned type = payload.len ? type_of(payload) : 0;
	int known = payload.len && !MCX_FAULT(h264.forbidden, payload.p[0] & FORBIDDEN);
	if (type != FU_A)
		h264_join_end(j);
	else if (MCX_FAULT(h264.lost, lost))
		give_up(j);
	if (known && type == FU_A)
		known = fragment(j, payload, timestamp, &to);
	else if (known && type == STAP_A)
		known = together(j, payload, NULL) && together(j, payload, &to);
	else if (known && can_travel(payload))
		give(j, &to, payload);
	else
		known = 0;
	if (!known) { /* whatever it was, it may have been a part of what waits */
		give_up(j);
		j->counts.refused++;
	}
}

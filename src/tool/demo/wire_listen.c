/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_listen.c - what a stranger hears: RTP packets decoded as Opus without any key, compared with what was said.
 *
 * The stranger knows all but the key: the codec, where the RTP payload begins, and that a tag, an MKI or a rollover
 * counter may follow it; every such length is tried and the best result counts.
 */
#include <math.h>
#include <opus/opus.h>
#include <stdlib.h>
#include <string.h>

#include "tool/demo/wire_in.h"

enum { RATE = 48000, FRAME = RATE / 50, MAX_FRAME = RATE / 50 * 6, MAX_STREAMS = 16, MAX_DELAY_MS = 250 };

struct rtp {
	uint32_t ssrc;
	struct octets payload;
};

/* RFC 3550 5.1. RTCP (payload types 64 to 95 with the marker bit taken in) is none. 0 or -1. */
static int rtp_read(const struct wire_packet *p, struct rtp *out)
{
	struct reader r = rd_init((struct octets){p->data, p->len});
	uint8_t first = rd_u8(&r), second = rd_u8(&r);
	rd_take(&r, 6);
	out->ssrc = rd_u32(&r);
	rd_take(&r, 4u * (first & 15));
	if (first & 0x10) {
		rd_u16(&r);
		rd_take(&r, 4u * rd_u16(&r));
	}
	out->payload = rd_take(&r, rd_left(&r));
	return r.err || first >> 6 != 2 || (second >= 192 && second <= 223) || !out->payload.len ? -1 : 0;
}

static size_t find_streams(const struct wire *w, uint32_t *ssrcs)
{
	size_t n = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct rtp r;
		size_t k = 0;
		if (rtp_read(&w->packets[i], &r))
			continue;
		while (k < n && ssrcs[k] != r.ssrc)
			k++;
		if (k == n && n < MAX_STREAMS)
			ssrcs[n++] = r.ssrc;
	}
	return n;
}

/* All packets of a stream through one decoder; a packet it refuses is a gap of one frame. */
static struct sound decode(const struct wire *w, uint32_t ssrc, size_t trim)
{
	struct sound out = {.rate = RATE};
	int status;
	OpusDecoder *decoder = opus_decoder_create(RATE, 1, &status);
	out.samples = calloc(w->n * FRAME + MAX_FRAME, sizeof *out.samples);
	if (!decoder || !out.samples) {
		hear_free(&out);
		if (decoder)
			opus_decoder_destroy(decoder);
		return out;
	}
	float frame[MAX_FRAME];
	for (size_t i = 0; i < w->n; i++) {
		struct rtp r;
		if (rtp_read(&w->packets[i], &r) || r.ssrc != ssrc || r.payload.len <= trim)
			continue;
		int got =
		    opus_decode_float(decoder, r.payload.p, (opus_int32)(r.payload.len - trim), frame, MAX_FRAME, 0);
		/* Frames that claim another length than the one of the service are cut: time stays in step. */
		if (got > 0)
			memcpy(out.samples + out.n, frame, (size_t)(got < FRAME ? got : FRAME) * sizeof *frame);
		out.n += FRAME;
	}
	opus_decoder_destroy(decoder);
	return out;
}

static double entropy_of(const struct wire *w, size_t *packets)
{
	uint64_t count[256] = {0}, total = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct rtp r;
		if (rtp_read(&w->packets[i], &r))
			continue;
		++*packets;
		for (size_t k = 0; k < r.payload.len; k++)
			count[r.payload.p[k]]++;
		total += r.payload.len;
	}
	double bits = 0;
	for (size_t i = 0; i < 256; i++) {
		double p = total ? (double)count[i] / (double)total : 0;
		bits -= p > 0 ? p * log2(p) : 0;
	}
	return bits;
}

void wire_listen(struct wire *w, const struct sound *speech, struct wire_verdict *out)
{
	/* Nothing; the tag; tag and MKI of 4 or 8 octets; those with a rollover counter of 4. */
	static const size_t trims[] = {0, 16, 20, 24, 28, 10, 14, 18};
	uint32_t ssrcs[MAX_STREAMS];
	memset(out, 0, sizeof *out);
	out->entropy = entropy_of(w, &out->packets);
	out->streams = find_streams(w, ssrcs);
	for (size_t i = 0; i < out->streams; i++)
		for (size_t t = 0; t < sizeof trims / sizeof *trims; t++) {
			struct sound heard = decode(w, ssrcs[i], trims[t]);
			struct hear_verdict v;
			hear_compare(speech, &heard, MAX_DELAY_MS, &v);
			if (v.correlation > out->correlation)
				out->correlation = v.correlation;
			hear_free(&heard);
		}
}

struct wire *wire_encode(const struct sound *speech)
{
	int status;
	struct wire *w = speech->rate == RATE ? wire_new() : NULL;
	OpusEncoder *encoder = w ? opus_encoder_create(RATE, 1, OPUS_APPLICATION_VOIP, &status) : NULL;
	if (!encoder) {
		wire_free(w);
		return NULL;
	}
	opus_encoder_ctl(encoder, OPUS_SET_BITRATE(24000));
	for (size_t i = 0; (i + 1) * FRAME <= speech->n; i++) {
		uint8_t packet[WIRE_MAX_PACKET] = {0x80, 96};
		struct writer wr = wr_init(packet + 2, 10);
		wr_u16(&wr, (uint16_t)i);
		wr_u32(&wr, (uint32_t)(i * FRAME));
		wr_u32(&wr, 0x6d637831);
		int n = opus_encode_float(encoder, speech->samples + i * FRAME, FRAME, packet + 12, sizeof packet - 12);
		if (n > 0)
			wire_add(w, (struct octets){packet, 12 + (size_t)n});
	}
	opus_encoder_destroy(encoder);
	return w;
}

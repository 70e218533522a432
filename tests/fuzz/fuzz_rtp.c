/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rtp.c - one RTP datagram (RFC 3550) as the client takes it: header, playout buffer, Opus.
 *
 * Invariants: the payload lies inside the packet; what was read, written again without CSRC list, extension and
 * padding, reads back the same; a frame lasts 1 to CODEC_MAX_SAMPLES samples or is none; what comes out of the buffer
 * is what went in, each frame once, and the buffer ends when it is told that no more will come.
 */
#include "fuzz/fuzz.h"
#include "mcx/media/playout.h"
#include "mcx/media/rtp.h"
#include "ue/codec.h"

static void reads_back(const struct rtp_packet *a)
{
	uint8_t *text = malloc(RTP_HEADER + a->payload.len);
	struct writer w = wr_init(text, RTP_HEADER + a->payload.len);
	struct rtp_packet b;
	rtp_write(&w, a);
	HOLDS(!w.err && rtp_read(wr_result(&w), &b) == MCSEC_OK);
	HOLDS(a->payload_type == b.payload_type && a->marker == b.marker && a->seq == b.seq &&
	      a->timestamp == b.timestamp && a->ssrc == b.ssrc && octets_equal(a->payload, b.payload));
	free(text);
}

/* The frame and one 40 ms later: what is between them is recovered or concealed, all of it decodes or fails cleanly. */
static void plays(const struct rtp_packet *p, uint32_t duration)
{
	static struct codec_decoder *d;
	static int16_t pcm[CODEC_MAX_SAMPLES];
	const struct playout_options o = {CODEC_FRAME, 2 * CODEC_FRAME, 48000};
	struct playout *buffer = playout_new(&o);
	unsigned decoded = 0, steps = 0;
	if (!d)
		d = codec_decoder_new();
	HOLDS(buffer && d);
	enum playout_put put = playout_put(buffer, p->timestamp, duration, p->payload);
	HOLDS(put == PLAYOUT_KEPT || put == PLAYOUT_REFUSED);
	HOLDS(put == PLAYOUT_REFUSED || playout_put(buffer, p->timestamp, duration, p->payload) == PLAYOUT_DUPLICATE);
	enum playout_put second = playout_put(buffer, p->timestamp + 2 * duration, duration, p->payload);
	HOLDS(second == put);
	playout_finish(buffer);
	for (struct playout_step s; (s = playout_next(buffer)).action != PLAYOUT_END; steps++) {
		HOLDS(steps < 1000 && s.duration <= 3 * CODEC_MAX_SAMPLES);
		if (s.action == PLAYOUT_WAIT)
			playout_tick(buffer);
		if (s.action == PLAYOUT_DECODE) {
			HOLDS(octets_equal(s.frame, p->payload) && s.duration == duration);
			HOLDS(codec_decode(d, s.frame, pcm) <= CODEC_MAX_SAMPLES);
			decoded++;
		}
		if (s.action == PLAYOUT_RECOVER && s.duration <= CODEC_MAX_SAMPLES)
			HOLDS(codec_recover(d, s.frame, s.duration, pcm) <= s.duration);
	}
	HOLDS(decoded == (put == PLAYOUT_KEPT ? 2 : 0));
	playout_free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtp_packet p;
	struct octets in = {data, size};
	if (rtp_read(in, &p) != MCSEC_OK)
		return 0;
	HOLDS(size >= RTP_HEADER && inside(p.payload, data, size) && p.payload_type < 128);
	reads_back(&p);
	uint32_t duration = codec_duration(p.payload);
	HOLDS(duration <= CODEC_MAX_SAMPLES);
	if (duration)
		plays(&p, duration);
	return 0;
}

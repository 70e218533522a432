/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_h264.c - H.264 of a stranger: RTP payloads through the order of numbers and the joiner, and the same octets as a
 * file.
 *
 * The input is a row of packets: sequence number, timestamp, two octets of length, payload. Invariants: a NAL unit that
 * comes out may stand alone, and cut again into packets it joins to the same octets; each packet comes out of the order
 * once, and the numbers rise; of a file, the NAL units of its access units are those of the file, in their order.
 */
#include "fuzz/fuzz.h"
#include "mcx/media/h264.h"
#include "mcx/media/reorder.h"

enum { TIME_STEP = 7 };

struct seen {
	size_t nals, octets;
	struct octets want; /* the one NAL unit that must come, p NULL: any */
};

static void look(void *ctx, struct octets nal)
{
	struct seen *s = ctx;
	s->nals++;
	s->octets += nal.len;
	HOLDS(nal.len && nal.len <= H264_MAX_NAL && !(nal.p[0] & 0x80) && (nal.p[0] & 0x1f) >= 1 &&
	      (nal.p[0] & 0x1f) <= 23);
	if (s->want.p)
		HOLDS(octets_equal(nal, s->want));
}

static struct h264_joiner *joiner, *again;

/* Cut into packets of that length and joined, it is itself. */
static void cut_and_join(void *ctx, struct octets nal)
{
	static uint8_t payload[H264_PAYLOAD];
	struct seen back = {.want = nal};
	size_t max = 3 + nal.len % 50;
	struct h264_cut cut = {nal, 0};
	look(ctx, nal);
	for (;;) {
		struct writer w = wr_init(payload, sizeof payload);
		if (!h264_cut_next(&cut, max, &w))
			break;
		HOLDS(!w.err && wr_len(&w) && wr_len(&w) <= max);
		h264_join(again, wr_result(&w), 1, 0, look, &back);
	}
	HOLDS(back.nals == 1);
}

static void packets(const uint8_t *data, size_t size)
{
	struct reader r = rd_init((struct octets){data, size});
	struct reorder *order = reorder_new();
	struct seen seen = {0};
	size_t put = 0, took = 0, payloads = 0, lost_all = 0;
	int64_t now = 0;
	HOLDS(order != NULL);
	for (;;) {
		uint16_t seq = rd_u16(&r);
		uint32_t timestamp = rd_u8(&r);
		struct octets payload = rd_take(&r, rd_u16(&r) & 0x7ff), packet;
		unsigned lost;
		if (r.err)
			reorder_finish(order);
		else
			put += reorder_put(order, seq, payload, now) == REORDER_KEPT;
		payloads += payload.len;
		while (reorder_next(order, now, &packet, &lost)) {
			took++;
			lost_all += lost;
			h264_join(joiner, packet, timestamp, lost != 0, cut_and_join, &seen);
		}
		if (r.err)
			break;
		now += TIME_STEP;
	}
	h264_join_end(joiner);
	HOLDS(took == put && lost_all <= put * 0x10000 && seen.octets <= payloads);
	reorder_free(order);
}

static void file(struct octets stream)
{
	struct octets all = stream, units = stream, unit, nal, one;
	size_t n = h264_units(stream), found = 0;
	while (h264_next_unit(&units, &unit)) {
		HOLDS(inside(unit, stream.p, stream.len));
		for (; h264_next_nal(&unit, &nal); found++)
			HOLDS(h264_next_nal(&all, &one) && one.p == nal.p && one.len == nal.len);
	}
	HOLDS(!h264_next_nal(&all, &one));
	HOLDS(n <= found);
	struct seen seen = {0};
	for (all = stream; n && h264_next_nal(&all, &nal);)
		cut_and_join(&seen, nal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	if (!joiner) {
		joiner = h264_joiner_new();
		again = h264_joiner_new();
	}
	HOLDS(joiner && again);
	h264_join_end(again); /* what an input that broke off left */
	packets(size ? data : nothing, size);
	file((struct octets){size ? data : nothing, size});
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Playout: whatever the network does to the order, what comes out has exactly the length of what was sent. */
#include "unit/test.h"

#include "mcx/media/playout.h"
#include "mcx/media/rtp.h"

enum { FRAME = 960 };
static const struct playout_options options = {.tick = FRAME, .delay = 3 * FRAME, .max_gap = 500 * FRAME};

struct heard {
	uint32_t units;
	unsigned decoded, recovered, concealed;
	uint8_t last;
	int in_order;
	int ended;
};

/* Everything the buffer gives until it waits. */
static void listen(struct playout *p, struct heard *h)
{
	for (;;) {
		struct playout_step s = playout_next(p);
		if (s.action == PLAYOUT_WAIT)
			return;
		if (s.action == PLAYOUT_END) {
			h->ended = 1;
			return;
		}
		h->units += s.duration;
		h->decoded += s.action == PLAYOUT_DECODE;
		h->recovered += s.action == PLAYOUT_RECOVER;
		h->concealed += s.action == PLAYOUT_CONCEAL;
		if (s.action == PLAYOUT_DECODE) {
			h->in_order &= h->decoded == 1 || (uint8_t)(s.frame.p[0] - h->last) < 128;
			h->last = s.frame.p[0];
		}
	}
}

static enum playout_put put(struct playout *p, uint32_t start, unsigned number)
{
	uint8_t octet = (uint8_t)number;
	return playout_put(p, start + number * FRAME, FRAME, (struct octets){&octet, 1});
}

/* Sends `order` one a tick, then finishes. */
static struct heard play(const unsigned *order, size_t n, uint32_t start)
{
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (size_t i = 0; i < n; i++) {
		put(p, start, order[i]);
		playout_tick(p);
		listen(p, &h);
	}
	playout_finish(p);
	listen(p, &h);
	assert_true(h.ended);
	assert_true(h.in_order);
	playout_free(p);
	return h;
}

static void a_perfect_network_gives_every_frame_once(void **state)
{
	(void)state;
	unsigned order[100];
	for (unsigned i = 0; i < 100; i++)
		order[i] = i;
	struct heard h = play(order, 100, UINT32_MAX - 5 * FRAME); /* over the wrap of the timestamp */
	assert_int_equal(h.units, 100 * FRAME);
	assert_int_equal(h.decoded, 100);
}

static void output_begins_only_when_the_delay_is_buffered_and_then_follows_the_ticks(void **state)
{
	(void)state;
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (unsigned i = 0; i < 2; i++) {
		put(p, 0, i);
		playout_tick(p);
		listen(p, &h);
		assert_int_equal(h.units, 0);
	}
	put(p, 0, 2);
	listen(p, &h);
	assert_int_equal(h.units, FRAME);
	listen(p, &h);
	assert_int_equal(h.units, FRAME); /* no tick, no frame */
	playout_tick(p);
	listen(p, &h);
	assert_int_equal(h.units, 2 * FRAME);
	playout_free(p);
}

static void reordering_within_the_delay_loses_nothing(void **state)
{
	(void)state;
	static const unsigned order[] = {1, 0, 2, 4, 3, 5, 8, 7, 6, 9};
	struct heard h = play(order, 10, 7);
	assert_int_equal(h.decoded, 10);
	assert_int_equal(h.units, 10 * FRAME);
}

static void duplicates_are_heard_once(void **state)
{
	(void)state;
	static const unsigned order[] = {0, 0, 1, 1, 2, 3, 3, 3, 4, 0, 5};
	struct heard h = play(order, 11, 7);
	assert_int_equal(h.decoded, 6);
	assert_int_equal(h.units, 6 * FRAME);
}

static void one_lost_frame_is_recovered_from_the_next_and_the_length_stays(void **state)
{
	(void)state;
	static const unsigned order[] = {0, 1, 2, 4, 5, 6, 7};
	struct heard h = play(order, 7, 7);
	assert_int_equal(h.decoded, 7);
	assert_int_equal(h.recovered, 1);
	assert_int_equal(h.concealed, 0);
	assert_int_equal(h.units, 8 * FRAME);
}

static void a_burst_of_losses_is_concealed_but_for_its_last_frame(void **state)
{
	(void)state;
	static const unsigned order[] = {0, 1, 2, 3, 10, 11, 12};
	struct heard h = play(order, 7, 7);
	assert_int_equal(h.concealed, 5);
	assert_int_equal(h.recovered, 1);
	assert_int_equal(h.units, 13 * FRAME);
}

static void a_frame_behind_its_time_is_said_to_be_late(void **state)
{
	(void)state;
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (unsigned i = 0; i < 6; i++) {
		if (i != 2)
			put(p, 0, i);
		playout_tick(p);
		listen(p, &h);
	}
	playout_tick(p);
	listen(p, &h);
	assert_int_equal(put(p, 0, 2), PLAYOUT_LATE);
	assert_int_equal(put(p, 0, 5), PLAYOUT_DUPLICATE);
	playout_free(p);
}

static void a_pause_of_the_sender_is_waited_out_without_inventing_sound(void **state)
{
	(void)state;
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (unsigned i = 0; i < 5; i++)
		put(p, 0, i);
	for (int i = 0; i < 50; i++) {
		playout_tick(p);
		listen(p, &h);
	}
	assert_int_equal(h.units, 5 * FRAME);
	for (unsigned i = 5; i < 10; i++) { /* the same clock goes on: no gap */
		put(p, 0, i);
		playout_tick(p);
		listen(p, &h);
	}
	playout_finish(p);
	listen(p, &h);
	assert_int_equal(h.units, 10 * FRAME);
	assert_int_equal(h.concealed + h.recovered, 0);
	playout_free(p);
}

static void a_new_clock_starts_anew_instead_of_filling_hours(void **state)
{
	(void)state;
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (unsigned i = 0; i < 4; i++)
		put(p, 0, i);
	assert_int_equal(put(p, 0x70000000, 0), PLAYOUT_REFUSED); /* while the old one still waits */
	for (int i = 0; i < 10; i++) {
		playout_tick(p);
		listen(p, &h);
	}
	h.decoded = 0;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(put(p, 0x70000000, i), PLAYOUT_KEPT);
	playout_finish(p);
	listen(p, &h);
	assert_int_equal(h.units, 8 * FRAME);
	playout_free(p);
}

static void a_sender_ahead_of_our_clock_is_followed_and_never_overflows(void **state)
{
	(void)state;
	struct heard h = {.in_order = 1};
	struct playout *p = playout_new(&options);
	for (unsigned i = 0; i < 400; i++) { /* no tick at all */
		assert_int_equal(put(p, 0, i), PLAYOUT_KEPT);
		listen(p, &h);
	}
	playout_finish(p);
	listen(p, &h);
	assert_int_equal(h.units, 400 * FRAME);
	playout_free(p);
	p = playout_new(&options);
	unsigned kept = 0;
	for (unsigned i = 0; i < 400; i++)
		kept += put(p, 0, i) == PLAYOUT_KEPT;
	assert_int_equal(kept, PLAYOUT_FRAMES);
	playout_free(p);
}

static void frames_without_octets_duration_or_of_absurd_size_are_refused(void **state)
{
	(void)state;
	static uint8_t big[PLAYOUT_MAX_FRAME + 1];
	struct playout *p = playout_new(&options);
	assert_int_equal(playout_put(p, 0, FRAME, (struct octets){big, 0}), PLAYOUT_REFUSED);
	assert_int_equal(playout_put(p, 0, FRAME, OCTETS(big)), PLAYOUT_REFUSED);
	assert_int_equal(playout_put(p, 0, 0, (struct octets){big, 1}), PLAYOUT_REFUSED);
	assert_int_equal(playout_put(p, 0, UINT32_MAX, (struct octets){big, 1}), PLAYOUT_REFUSED);
	assert_int_equal(playout_next(p).action, PLAYOUT_WAIT);
	playout_free(p);
}

static void any_disorder_keeps_the_order_and_at_most_the_length(void **state)
{
	(void)state;
	uint32_t seed = 12345; /* a fixed sequence: the test replays bit for bit */
	for (int round = 0; round < 200; round++) {
		struct heard h = {.in_order = 1};
		struct playout *p = playout_new(&options);
		for (unsigned i = 0; i < 120; i++) {
			seed = seed * 1103515245 + 12345;
			unsigned r = seed >> 16;
			if (r % 10 != 0) /* one in ten is lost, others arrive up to three late */
				put(p, 0, i < 3 ? i : i - r / 10 % 4);
			playout_tick(p);
			listen(p, &h);
		}
		playout_finish(p);
		listen(p, &h);
		assert_true(h.ended && h.in_order);
		assert_true(h.units <= 120 * FRAME && h.units >= 100 * FRAME);
		playout_free(p);
	}
}

/* ---- RTP --------------------------------------------------------------------------------------------------------- */

static void an_rtp_packet_reads_back_and_its_padding_goes(void **state)
{
	(void)state;
	uint8_t buf[64];
	struct writer w = wr_init(buf, sizeof buf);
	struct rtp_packet p = {96, 1, 0xfffe, 0xdeadbeef, 0x01020304, octets_of("sound")}, q;
	rtp_write(&w, &p);
	assert_int_equal(wr_len(&w), RTP_HEADER + 5);
	assert_int_equal(rtp_read(wr_result(&w), &q), MCSEC_OK);
	assert_int_equal(q.payload_type, 96);
	assert_int_equal(q.marker, 1);
	assert_int_equal(q.seq, 0xfffe);
	assert_int_equal(q.timestamp, 0xdeadbeef);
	assert_int_equal(q.ssrc, 0x01020304);
	assert_true(octets_equal(q.payload, p.payload));
	buf[0] |= 0x20;
	buf[16] = 2;
	assert_int_equal(rtp_read(wr_result(&w), &q), MCSEC_OK);
	assert_int_equal(q.payload.len, 3);
	buf[16] = 0;
	assert_int_equal(rtp_read(wr_result(&w), &q), MCSEC_E_VALUE);
	buf[16] = 6;
	assert_int_equal(rtp_read(wr_result(&w), &q), MCSEC_E_VALUE);
}

static void rtp_headers_that_run_past_the_packet_are_refused(void **state)
{
	(void)state;
	uint8_t buf[32] = {0x8f, 96}; /* 15 CSRCs */
	struct rtp_packet q;
	assert_int_equal(rtp_read((struct octets){buf, sizeof buf}, &q), MCSEC_E_TRUNCATED);
	buf[0] = 0x90;
	buf[14] = buf[15] = 0xff; /* an extension of 65535 words */
	assert_int_equal(rtp_read((struct octets){buf, sizeof buf}, &q), MCSEC_E_TRUNCATED);
	buf[0] = 0x00;
	assert_int_equal(rtp_read((struct octets){buf, sizeof buf}, &q), MCSEC_E_VALUE);
	buf[0] = 0x80;
	assert_int_equal(rtp_read((struct octets){buf, 11}, &q), MCSEC_E_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_perfect_network_gives_every_frame_once),
	    cmocka_unit_test(output_begins_only_when_the_delay_is_buffered_and_then_follows_the_ticks),
	    cmocka_unit_test(reordering_within_the_delay_loses_nothing),
	    cmocka_unit_test(duplicates_are_heard_once),
	    cmocka_unit_test(one_lost_frame_is_recovered_from_the_next_and_the_length_stays),
	    cmocka_unit_test(a_burst_of_losses_is_concealed_but_for_its_last_frame),
	    cmocka_unit_test(a_frame_behind_its_time_is_said_to_be_late),
	    cmocka_unit_test(a_pause_of_the_sender_is_waited_out_without_inventing_sound),
	    cmocka_unit_test(a_new_clock_starts_anew_instead_of_filling_hours),
	    cmocka_unit_test(a_sender_ahead_of_our_clock_is_followed_and_never_overflows),
	    cmocka_unit_test(frames_without_octets_duration_or_of_absurd_size_are_refused),
	    cmocka_unit_test(any_disorder_keeps_the_order_and_at_most_the_length),
	    cmocka_unit_test(an_rtp_packet_reads_back_and_its_padding_goes),
	    cmocka_unit_test(rtp_headers_that_run_past_the_packet_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

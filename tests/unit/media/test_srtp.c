/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP and SRTCP rules of media.md 3 to 5: no (key, IV) twice, no state change before the tag, late entry. */
#include "unit/test.h"

#include "mcx/media/srtp.h"

static const struct srtp_policy group = {.key_len = 16, .mki_len = 8, .roc_rate = 1};
static const struct srtp_policy private = {.key_len = 16, .mki_len = 4};
static const struct srtp_master master = {
    .mki = {0x1a, 1, 2, 3, 4, 5, 6, 7}, .key = "sixteen octets!", .salt = "12 octets.."};
enum { SSRC = 0x8894cb05, PAYLOAD = 60 };

static unsigned finds;

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	const struct srtp_policy *p = ctx;
	finds++;
	if (memcmp(mki, master.mki, p->mki_len))
		return 0;
	*out = master;
	return 1;
}

static int own_is_7(void *ctx, const uint8_t *mki, uint32_t ssrc)
{
	(void)ctx;
	(void)mki;
	return ssrc == 7;
}

static struct srtp_receiver *receiver(const struct srtp_policy *p, int either, unsigned roc_tries)
{
	struct srtp_receiver *r = srtp_receiver_new(&(struct srtp_receiver_options){.policy = *p,
										    .find = find,
										    .is_own = own_is_7,
										    .ctx = (void *)(uintptr_t)p,
										    .max_streams = 3,
										    .either_layout = either,
										    .roc_tries = roc_tries});
	assert_non_null(r);
	return r;
}

struct packet {
	uint8_t octets[256];
	size_t len;
};

static struct octets view(const struct packet *p)
{
	return (struct octets){p->octets, p->len};
}

static struct packet plain_rtp(uint32_t ssrc, uint16_t seq, size_t payload)
{
	struct packet p = {{0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 9, (uint8_t)(ssrc >> 24),
			    (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc},
			   12 + payload};
	memset(p.octets + 12, (int)(seq & 0xff), payload);
	return p;
}

static enum srtp_verdict send_with(struct srtp_sender *s, uint32_t ssrc, uint16_t seq, struct packet *out)
{
	struct packet p = plain_rtp(ssrc, seq, PAYLOAD);
	return rtp_protect(s, view(&p), out->octets, sizeof out->octets, &out->len);
}

/* One packet of a fresh sender with a given ROC. */
static struct packet sealed(const struct srtp_policy *p, uint32_t ssrc, uint32_t roc, uint16_t seq)
{
	struct packet out;
	struct srtp_sender *s = srtp_sender_new(p, &master, ssrc, roc);
	assert_int_equal(send_with(s, ssrc, seq, &out), SRTP_OK);
	srtp_sender_free(s);
	return out;
}

static enum srtp_verdict receive(struct srtp_receiver *r, const struct packet *p)
{
	struct packet out;
	enum srtp_verdict v = rtp_unprotect(r, view(p), out.octets, sizeof out.octets, &out.len);
	if (v == SRTP_OK)
		assert_memory_equal(out.octets, p->octets, 12);
	else
		assert_int_equal(out.len, 0);
	return v;
}

static void overhead_is_28_octets_for_groups_and_20_for_private_calls(void **state)
{
	(void)state;
	assert_int_equal(sealed(&group, SSRC, 0, 1).len, 12 + PAYLOAD + 28);
	assert_int_equal(sealed(&private, SSRC, 0, 1).len, 12 + PAYLOAD + 20);
}

static void an_empty_payload_authenticates(void **state)
{
	(void)state;
	struct packet p = plain_rtp(SSRC, 5, 0), out, back;
	struct srtp_sender *s = srtp_sender_new(&private, &master, SSRC, 0);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	assert_int_equal(rtp_protect(s, view(&p), out.octets, sizeof out.octets, &out.len), SRTP_OK);
	assert_int_equal(out.len, 12 + 20);
	assert_int_equal(rtp_unprotect(r, view(&out), back.octets, sizeof back.octets, &back.len), SRTP_OK);
	assert_int_equal(back.len, 12);
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

static void csrc_list_and_extension_stay_clear_and_are_authenticated(void **state)
{
	(void)state;
	uint8_t plain[] = {0x92, 96, 0, 1, 0, 0,    0,    0, 0, 0, 0, 3, 1, 1,   1,
			   1,    2,  2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 'h', 'i'};
	struct packet out, back;
	struct srtp_sender *s = srtp_sender_new(&private, &master, 3, 0);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	assert_int_equal(rtp_protect(s, OCTETS(plain), out.octets, sizeof out.octets, &out.len), SRTP_OK);
	assert_memory_equal(out.octets, plain, 28);
	for (size_t i = 12; i < 28; i++) {
		if (i == 22 || i == 23)
			continue; /* the extension's length: another layout of the packet */
		out.octets[i] ^= 1;
		assert_int_equal(rtp_unprotect(r, view(&out), back.octets, sizeof back.octets, &back.len), SRTP_AUTH);
		out.octets[i] ^= 1;
	}
	assert_int_equal(rtp_unprotect(r, view(&out), back.octets, sizeof back.octets, &back.len), SRTP_OK);
	assert_memory_equal(back.octets, plain, sizeof plain);
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

static void a_changed_bit_in_any_octet_drops_the_packet_and_the_good_one_still_opens(void **state)
{
	(void)state;
	const struct srtp_policy *both[] = {&group, &private};
	for (int i = 0; i < 2; i++) {
		struct srtp_receiver *r = receiver(both[i], 0, 1);
		struct packet good = sealed(both[i], SSRC, 0, 10), first = sealed(both[i], SSRC, 0, 9);
		assert_int_equal(receive(r, &first), SRTP_OK);
		for (size_t at = 0; at < good.len; at++)
			for (int bit = 0; bit < 8; bit++) {
				struct packet bad = good;
				bad.octets[at] ^= (uint8_t)(1 << bit);
				if (receive(r, &bad) == SRTP_OK)
					fail_msg("octet %zu bit %d", at, bit);
			}
		assert_int_equal(receive(r, &good), SRTP_OK);
		srtp_receiver_free(r);
	}
}

static void every_truncation_is_dropped(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&group, 0, 1);
	struct packet good = sealed(&group, SSRC, 0, 10), out;
	for (size_t n = 0; n < good.len; n++) {
		uint8_t *copy = malloc(n + 1);
		memcpy(copy, good.octets, n);
		assert_int_not_equal(
		    rtp_unprotect(r, (struct octets){copy, n}, out.octets, sizeof out.octets, &out.len), SRTP_OK);
		free(copy);
	}
	srtp_receiver_free(r);
}

static void a_sender_refuses_an_index_it_has_used_or_passed(void **state)
{
	(void)state;
	struct packet out;
	struct srtp_sender *s = srtp_sender_new(&private, &master, SSRC, 0);
	assert_int_equal(send_with(s, SSRC, 100, &out), SRTP_OK);
	assert_int_equal(send_with(s, SSRC, 100, &out), SRTP_REUSE);
	assert_int_equal(out.len, 0);
	assert_int_equal(send_with(s, SSRC, 99, &out), SRTP_REUSE);
	assert_int_equal(send_with(s, SSRC, 101, &out), SRTP_OK);
	assert_int_equal(send_with(s, SSRC, 101 + 0x8001, &out), SRTP_REUSE); /* a receiver could not tell its ROC */
	assert_int_equal(send_with(s, SSRC + 1, 102, &out), SRTP_REUSE);      /* one context, one SSRC */
	assert_int_equal(srtp_sender_count(s), 2);
	srtp_sender_free(s);
}

static void mcx_sec_309_a_sender_stops_when_its_indices_are_used_up(void **state)
{
	(void)state;
	struct packet out;
	struct srtp_sender *s = srtp_sender_new(&private, &master, SSRC, UINT32_MAX);
	assert_int_equal(send_with(s, SSRC, 0xffff, &out), SRTP_OK);
	assert_int_equal(send_with(s, SSRC, 0, &out), SRTP_WORN_OUT);
	assert_int_equal(send_with(s, SSRC, 0xffff, &out), SRTP_WORN_OUT);
	srtp_sender_free(s);
}

static void the_roc_rises_with_the_wrap_at_both_ends(void **state)
{
	(void)state;
	struct packet out;
	struct srtp_sender *s = srtp_sender_new(&private, &master, SSRC, 0);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	uint16_t seq = 0x7ff0;
	for (int i = 0; i < 200000; i += 500, seq = (uint16_t)(seq + 500)) {
		assert_int_equal(send_with(s, SSRC, seq, &out), SRTP_OK);
		assert_int_equal(receive(r, &out), SRTP_OK);
	}
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

static void a_late_packet_of_the_old_roc_opens_once_after_the_wrap(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet a = sealed(&private, SSRC, 0, 0xfffd), late = sealed(&private, SSRC, 0, 0xffff),
		      b = sealed(&private, SSRC, 1, 1);
	assert_int_equal(receive(r, &a), SRTP_OK);
	assert_int_equal(receive(r, &b), SRTP_OK);
	assert_int_equal(receive(r, &late), SRTP_OK);
	assert_int_equal(receive(r, &late), SRTP_REPLAY);
	srtp_receiver_free(r);
}

static void each_index_opens_once_and_only_within_the_window_of_128(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&group, 0, 1);
	struct packet p[200];
	for (uint16_t i = 0; i < 200; i++)
		p[i] = sealed(&group, SSRC, 0, (uint16_t)(1000 + i));
	assert_int_equal(receive(r, &p[199]), SRTP_OK);
	for (int i = 198; i >= 0; i -= 2) /* backwards, every other one */
		assert_int_equal(receive(r, &p[i]), i >= 199 - 127 ? SRTP_OK : SRTP_OLD);
	for (int i = 199 - 127; i < 200; i++)
		assert_int_equal(receive(r, &p[i]), i % 2 == 0 || i == 199 ? SRTP_REPLAY : SRTP_OK);
	srtp_receiver_free(r);
}

static void a_jump_ahead_clears_the_window_exactly(void **state)
{
	(void)state;
	static const uint16_t jumps[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};
	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		struct srtp_receiver *r = receiver(&private, 0, 1);
		struct packet a = sealed(&private, SSRC, 0, 500),
			      b = sealed(&private, SSRC, 0, (uint16_t)(500 + jumps[i]));
		struct packet between = sealed(&private, SSRC, 0, (uint16_t)(500 + jumps[i] - 1));
		assert_int_equal(receive(r, &a), SRTP_OK);
		assert_int_equal(receive(r, &b), SRTP_OK);
		assert_int_equal(receive(r, &a), jumps[i] < 128 ? SRTP_REPLAY : SRTP_OLD);
		assert_int_equal(receive(r, &between), jumps[i] == 1 ? SRTP_REPLAY : SRTP_OK);
		srtp_receiver_free(r);
	}
}

static void mcx_sec_301_late_entry_opens_the_first_packet_seen_by_its_roc_tag(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&group, 0, 1);
	struct packet p = sealed(&group, SSRC, 3, 0x4711);
	assert_int_equal(receive(r, &p), SRTP_OK);
	srtp_receiver_free(r);
}

static void mcx_sec_302_a_forged_roc_tag_changes_nothing_and_the_next_good_packet_opens(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&group, 0, 1);
	struct packet forged = sealed(&group, SSRC, 3, 10), good = sealed(&group, SSRC, 3, 11);
	forged.octets[forged.len - 1] ^= 0x40;
	assert_int_equal(receive(r, &forged), SRTP_AUTH);
	assert_int_equal(receive(r, &good), SRTP_OK);
	assert_int_equal(receive(r, &forged), SRTP_AUTH);
	good = sealed(&group, SSRC, 3, 12);
	assert_int_equal(receive(r, &good), SRTP_OK);
	srtp_receiver_free(r);
}

static void the_roc_stands_in_every_rth_packet_alone(void **state)
{
	(void)state;
	struct srtp_policy every4 = group;
	every4.roc_rate = 4;
	struct srtp_receiver *r = receiver(&every4, 0, 1);
	struct srtp_sender *s = srtp_sender_new(&every4, &master, SSRC, 7);
	for (uint16_t seq = 16; seq < 32; seq++) {
		struct packet p;
		assert_int_equal(send_with(s, SSRC, seq, &p), SRTP_OK);
		assert_int_equal(p.len, 12 + PAYLOAD + (seq % 4 ? 24u : 28u));
		assert_int_equal(receive(r, &p), SRTP_OK);
	}
	srtp_sender_free(s);
	srtp_receiver_free(r);
}

static void without_roc_tag_a_stream_that_is_up_to_three_wraps_old_is_joined(void **state)
{
	(void)state;
	for (uint32_t roc = 0; roc < 5; roc++) {
		struct srtp_receiver *r = receiver(&private, 0, 4);
		struct packet p = sealed(&private, SSRC, roc, 77);
		assert_int_equal(receive(r, &p), roc < 4 ? SRTP_OK : SRTP_AUTH);
		srtp_receiver_free(r);
	}
}

static void a_private_peer_with_the_other_roc_layout_is_understood_and_remembered(void **state)
{
	(void)state;
	struct srtp_policy tagged = private;
	tagged.roc_rate = 1;
	const struct srtp_policy *layouts[] = {&private, &tagged};
	for (int i = 0; i < 2; i++) {
		struct srtp_receiver *r = receiver(layouts[i], 1, 1), *strict = receiver(layouts[i], 0, 1);
		struct packet a = sealed(layouts[!i], SSRC, 0, 8), b = sealed(layouts[!i], SSRC, 0, 9),
			      own = sealed(layouts[i], 99, 0, 9);
		finds = 0;
		assert_int_equal(receive(r, &a), SRTP_OK);
		assert_int_equal(finds, 2);
		assert_int_equal(receive(r, &b), SRTP_OK);
		assert_int_equal(finds, 2); /* no second look-up: the layout is known */
		assert_int_equal(receive(r, &own), SRTP_OK);
		assert_int_equal(receive(strict, &a), SRTP_UNKNOWN_MKI);
		srtp_receiver_free(r);
		srtp_receiver_free(strict);
	}
}

static void an_unknown_mki_is_told_apart_and_keeps_nothing(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet p = sealed(&private, SSRC, 0, 8), bad = p;
	bad.octets[bad.len - 1] ^= 1;
	assert_int_equal(receive(r, &bad), SRTP_UNKNOWN_MKI);
	assert_int_equal(receive(r, &p), SRTP_OK);
	assert_int_equal(srtp_receiver_counts(r)[SRTP_UNKNOWN_MKI], 1);
	assert_int_equal(srtp_receiver_counts(r)[SRTP_OK], 1);
	srtp_receiver_free(r);
}

static void plain_rtp_is_never_taken_for_srtp(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 1, 4);
	struct packet p = plain_rtp(SSRC, 3, 100);
	assert_int_equal(receive(r, &p), SRTP_UNKNOWN_MKI);
	p = plain_rtp(SSRC, 3, 10);
	assert_int_equal(receive(r, &p), SRTP_SHORT);
	p = plain_rtp(SSRC, 3, 100);
	p.octets[0] = 0x40;
	assert_int_equal(receive(r, &p), SRTP_NOT_RTP);
	srtp_receiver_free(r);
}

static void mcx_sec_305_our_own_packet_reflected_is_dropped(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet p = sealed(&private, 7, 0, 3);
	assert_int_equal(receive(r, &p), SRTP_REFLECTED);
	srtp_receiver_free(r);
}

static void forged_packets_take_no_place_from_a_true_stream(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet mine = sealed(&private, SSRC, 0, 3), next = sealed(&private, SSRC, 0, 4);
	assert_int_equal(receive(r, &mine), SRTP_OK);
	for (uint32_t ssrc = 100; ssrc < 200; ssrc++) {
		struct packet p = sealed(&private, ssrc, 0, 3);
		p.octets[20] ^= 1;
		assert_int_equal(receive(r, &p), SRTP_AUTH);
	}
	assert_int_equal(receive(r, &mine), SRTP_REPLAY);
	assert_int_equal(receive(r, &next), SRTP_OK);
	srtp_receiver_free(r);
}

static void a_new_stream_gets_the_place_of_the_longest_silent_and_nothing_is_taken_twice(void **state)
{
	(void)state;
	enum { STREAMS = 20 }; /* three places */
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet p[STREAMS];
	for (uint32_t i = 0; i < STREAMS; i++) {
		p[i] = sealed(&private, 100 + i, 0, 10);
		assert_int_equal(receive(r, &p[i]), SRTP_OK);
	}
	for (uint32_t i = 0; i < STREAMS; i++) /* with a place or put aside: known all the same */
		assert_int_equal(receive(r, &p[i]), SRTP_REPLAY);
	for (uint32_t i = 0; i < STREAMS; i++) {
		struct packet old = sealed(&private, 100 + i, 0, 9), next = sealed(&private, 100 + i, 0, 11);
		assert_int_equal(receive(r, &next), SRTP_OK);
		assert_int_equal(receive(r, &old), SRTP_OK); /* its window goes on, bit by bit */
		assert_int_equal(receive(r, &old), SRTP_REPLAY);
		assert_int_equal(receive(r, &p[i]), SRTP_REPLAY);
	}
	srtp_receiver_free(r);
}

/* Who is heard all the time keeps its place, however many others come: also the ROC it counted stays. */
static void a_stream_that_is_heard_keeps_its_place(void **state)
{
	(void)state;
	struct srtp_receiver *r = receiver(&private, 0, 1);
	uint64_t index = 65000;
	for (uint32_t ssrc = 100; ssrc < 1100; ssrc++, index++) {
		struct packet mine = sealed(&private, SSRC, (uint32_t)(index >> 16), (uint16_t)index),
			      other = sealed(&private, ssrc, 0, 1);
		assert_int_equal(receive(r, &mine), SRTP_OK);
		assert_int_equal(receive(r, &mine), SRTP_REPLAY);
		assert_int_equal(receive(r, &other), SRTP_OK);
	}
	srtp_receiver_free(r);
}

static int revoked;

static int find_unless_revoked(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	return !revoked && find(ctx, mki, out);
}

static void mcx_sec_308_no_packet_opens_after_its_key_was_revoked(void **state)
{
	(void)state;
	struct srtp_receiver *r = srtp_receiver_new(&(struct srtp_receiver_options){
	    .policy = private, .find = find_unless_revoked, .ctx = (void *)(uintptr_t) & private, .max_streams = 3});
	struct packet a = sealed(&private, SSRC, 0, 3), b = sealed(&private, SSRC, 0, 4);
	assert_int_equal(receive(r, &a), SRTP_OK);
	revoked = 1;
	srtp_receiver_drop(r, master.mki);
	assert_int_equal(receive(r, &b), SRTP_UNKNOWN_MKI);
	srtp_receiver_free(r);
}

/* ---- SRTCP ------------------------------------------------------------------------------------------------------ */

static uint32_t durable;
static int store_broken;

static int reserve(void *ctx, uint32_t upto)
{
	(void)ctx;
	if (store_broken)
		return -1;
	durable = upto;
	return 0;
}

static const uint8_t floor_request[] = {0x80, 0xcc, 0, 4, 0x4a, 0x36, 0x35, 0xe7, 'M',  'C',
					'P',  'T',  0, 2, 5,    0,    13,   2,    0x84, 0};

static struct packet rtcp(struct srtcp_sender *s)
{
	struct packet out;
	assert_int_equal(rtcp_protect(s, OCTETS(floor_request), out.octets, sizeof out.octets, &out.len), SRTP_OK);
	return out;
}

static enum srtp_verdict receive_rtcp(struct srtp_receiver *r, struct octets o)
{
	struct packet out;
	enum srtp_verdict v = rtcp_unprotect(r, o, out.octets, sizeof out.octets, &out.len);
	if (v == SRTP_OK) {
		assert_int_equal(out.len, sizeof floor_request);
		assert_memory_equal(out.octets, floor_request, out.len);
	}
	return v;
}

static void mcx_sec_304_an_rtcp_index_is_durable_before_it_is_used_and_never_comes_again(void **state)
{
	(void)state;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&private, &master, &c);
	durable = 0;
	uint32_t last = 0;
	for (int i = 0; i < 5000; i++) {
		struct packet p = rtcp(s);
		struct reader r = rd_init((struct octets){p.octets + p.len - 8, 4});
		uint32_t index = rd_u32(&r) & INT32_MAX;
		assert_true(index > last && index < durable);
		last = index;
	}
	struct srtcp_counter again = {.next = durable, .reserve = reserve}; /* kill -9: only what was durable is left */
	struct srtcp_sender *t = srtcp_sender_new(&private, &master, &again);
	struct packet p = rtcp(t);
	struct reader r = rd_init((struct octets){p.octets + p.len - 8, 4});
	assert_true((rd_u32(&r) & INT32_MAX) > last);
	srtcp_sender_free(s);
	srtcp_sender_free(t);
}

static void two_ssrcs_under_one_key_share_the_rtcp_counter(void **state)
{
	(void)state;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *a = srtcp_sender_new(&private, &master, &c), *b = srtcp_sender_new(&private, &master, &c);
	struct packet p = rtcp(a), q = rtcp(b);
	assert_int_not_equal(p.octets[p.len - 5], q.octets[q.len - 5]);
	srtcp_sender_free(a);
	srtcp_sender_free(b);
}

static void nothing_is_sent_when_the_index_cannot_be_made_durable_or_is_used_up(void **state)
{
	(void)state;
	struct packet out;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&private, &master, &c);
	store_broken = 1;
	assert_int_equal(rtcp_protect(s, OCTETS(floor_request), out.octets, sizeof out.octets, &out.len),
			 SRTP_NOT_DURABLE);
	assert_int_equal(out.len, 0);
	store_broken = 0;
	assert_int_equal(rtcp_protect(s, OCTETS(floor_request), out.octets, sizeof out.octets, &out.len), SRTP_OK);
	c.next = INT32_MAX;
	c.reserved = 0;
	assert_int_equal(rtcp_protect(s, OCTETS(floor_request), out.octets, sizeof out.octets, &out.len), SRTP_OK);
	assert_int_equal(rtcp_protect(s, OCTETS(floor_request), out.octets, sizeof out.octets, &out.len),
			 SRTP_WORN_OUT);
	srtcp_sender_free(s);
}

static void mcx_sec_306_an_rtcp_packet_without_e_bit_is_dropped(void **state)
{
	(void)state;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&private, &master, &c);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet p = rtcp(s), bad = p;
	bad.octets[bad.len - 8] &= 0x7f;
	assert_int_equal(receive_rtcp(r, view(&bad)), SRTP_CLEAR);
	assert_int_equal(receive_rtcp(r, view(&p)), SRTP_OK);
	assert_int_equal(receive_rtcp(r, view(&p)), SRTP_REPLAY);
	srtcp_sender_free(s);
	srtp_receiver_free(r);
}

static void a_changed_bit_in_any_octet_drops_the_rtcp_packet(void **state)
{
	(void)state;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&group, &master, &c);
	struct srtp_receiver *r = receiver(&group, 0, 1);
	struct packet good = rtcp(s);
	assert_int_equal(good.len, sizeof floor_request + 16 + 4 + 8);
	for (size_t at = 0; at < good.len; at++) {
		struct packet bad = good;
		bad.octets[at] ^= 0x10;
		assert_int_not_equal(receive_rtcp(r, view(&bad)), SRTP_OK);
	}
	assert_int_equal(receive_rtcp(r, view(&good)), SRTP_OK);
	srtcp_sender_free(s);
	srtp_receiver_free(r);
}

static void mcx_sec_313_of_two_rtcp_packets_in_a_datagram_a_good_first_is_served(void **state)
{
	(void)state;
	uint8_t datagram[512];
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&private, &master, &c);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet a = rtcp(s), b = rtcp(s);
	memcpy(datagram, a.octets, a.len);
	memcpy(datagram + a.len, b.octets, b.len);
	datagram[a.len + b.len - 9] ^= 1;
	struct octets rest = {datagram, a.len + b.len}, one;
	assert_true(srtcp_split(r, &rest, &one));
	assert_int_equal(receive_rtcp(r, one), SRTP_OK);
	assert_true(srtcp_split(r, &rest, &one));
	assert_int_equal(receive_rtcp(r, one), SRTP_AUTH);
	assert_false(srtcp_split(r, &rest, &one));
	rest =
	    (struct octets){datagram, a.len + b.len - 1}; /* a remainder that does not fit drops the remainder only */
	assert_true(srtcp_split(r, &rest, &one));
	assert_false(srtcp_split(r, &rest, &one));
	srtcp_sender_free(s);
	srtp_receiver_free(r);
}

static void rtp_and_rtcp_of_one_master_key_do_not_open_as_each_other(void **state)
{
	(void)state;
	struct srtcp_counter c = {.next = 1, .reserve = reserve};
	struct srtcp_sender *s = srtcp_sender_new(&private, &master, &c);
	struct srtp_receiver *r = receiver(&private, 0, 1);
	struct packet p = rtcp(s), q = sealed(&private, SSRC, 0, 3);
	assert_int_not_equal(receive(r, &p), SRTP_OK);
	q.octets[q.len - 8] |= 0x80;
	assert_int_not_equal(receive_rtcp(r, view(&q)), SRTP_OK);
	srtcp_sender_free(s);
	srtp_receiver_free(r);
}

static void policies_that_are_none_are_refused(void **state)
{
	(void)state;
	struct srtp_policy bad[] = {
	    {.key_len = 24, .mki_len = 4}, {.key_len = 16, .mki_len = 0}, {.key_len = 16, .mki_len = 5}};
	for (size_t i = 0; i < 3; i++) {
		assert_null(srtp_sender_new(&bad[i], &master, 1, 0));
		assert_null(srtp_receiver_new(
		    &(struct srtp_receiver_options){.policy = bad[i], .find = find, .max_streams = 1}));
	}
	uint8_t out[16];
	assert_int_equal(srtp_derive(master.key, 16, master.salt, 13, 0, out, 16), MCSEC_E_ARGUMENT);
	assert_int_equal(srtp_keystream(master.key, 17, out, out, 16), MCSEC_E_ARGUMENT);
}

static void aead_aes_256_gcm_works_with_the_same_code(void **state)
{
	(void)state;
	struct srtp_policy long_key = private;
	long_key.key_len = 32;
	struct srtp_receiver *r = receiver(&long_key, 0, 1), *other = receiver(&private, 0, 1);
	struct packet p = sealed(&long_key, SSRC, 0, 3);
	assert_int_equal(receive(r, &p), SRTP_OK);
	assert_int_equal(receive(other, &p), SRTP_AUTH);
	srtp_receiver_free(r);
	srtp_receiver_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(overhead_is_28_octets_for_groups_and_20_for_private_calls),
	    cmocka_unit_test(an_empty_payload_authenticates),
	    cmocka_unit_test(csrc_list_and_extension_stay_clear_and_are_authenticated),
	    cmocka_unit_test(a_changed_bit_in_any_octet_drops_the_packet_and_the_good_one_still_opens),
	    cmocka_unit_test(every_truncation_is_dropped),
	    cmocka_unit_test(a_sender_refuses_an_index_it_has_used_or_passed),
	    cmocka_unit_test(mcx_sec_309_a_sender_stops_when_its_indices_are_used_up),
	    cmocka_unit_test(the_roc_rises_with_the_wrap_at_both_ends),
	    cmocka_unit_test(a_late_packet_of_the_old_roc_opens_once_after_the_wrap),
	    cmocka_unit_test(each_index_opens_once_and_only_within_the_window_of_128),
	    cmocka_unit_test(a_jump_ahead_clears_the_window_exactly),
	    cmocka_unit_test(mcx_sec_301_late_entry_opens_the_first_packet_seen_by_its_roc_tag),
	    cmocka_unit_test(mcx_sec_302_a_forged_roc_tag_changes_nothing_and_the_next_good_packet_opens),
	    cmocka_unit_test(the_roc_stands_in_every_rth_packet_alone),
	    cmocka_unit_test(without_roc_tag_a_stream_that_is_up_to_three_wraps_old_is_joined),
	    cmocka_unit_test(a_private_peer_with_the_other_roc_layout_is_understood_and_remembered),
	    cmocka_unit_test(an_unknown_mki_is_told_apart_and_keeps_nothing),
	    cmocka_unit_test(plain_rtp_is_never_taken_for_srtp),
	    cmocka_unit_test(mcx_sec_305_our_own_packet_reflected_is_dropped),
	    cmocka_unit_test(forged_packets_take_no_place_from_a_true_stream),
	    cmocka_unit_test(a_new_stream_gets_the_place_of_the_longest_silent_and_nothing_is_taken_twice),
	    cmocka_unit_test(a_stream_that_is_heard_keeps_its_place),
	    cmocka_unit_test(mcx_sec_308_no_packet_opens_after_its_key_was_revoked),
	    cmocka_unit_test(mcx_sec_304_an_rtcp_index_is_durable_before_it_is_used_and_never_comes_again),
	    cmocka_unit_test(two_ssrcs_under_one_key_share_the_rtcp_counter),
	    cmocka_unit_test(nothing_is_sent_when_the_index_cannot_be_made_durable_or_is_used_up),
	    cmocka_unit_test(mcx_sec_306_an_rtcp_packet_without_e_bit_is_dropped),
	    cmocka_unit_test(a_changed_bit_in_any_octet_drops_the_rtcp_packet),
	    cmocka_unit_test(mcx_sec_313_of_two_rtcp_packets_in_a_datagram_a_good_first_is_served),
	    cmocka_unit_test(rtp_and_rtcp_of_one_master_key_do_not_open_as_each_other),
	    cmocka_unit_test(policies_that_are_none_are_refused),
	    cmocka_unit_test(aead_aes_256_gcm_works_with_the_same_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

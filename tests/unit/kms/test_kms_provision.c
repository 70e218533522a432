/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Provisioning of a client as a machine (kms.md 3.4, 8.1, 8.2): each rule by events, then years of users against a
 * stub KMS that counts, then random events against the invariants.
 */
#include "unit/test.h"

#include "mcx/flow/kms_provision.h"

enum { DAY = 86400, PERIOD = 30 * DAY };
#define EDGE (UINT64_C(1389) * PERIOD) /* start of period 1389 */
#define NOON (EDGE + 12 * 3600)

static struct kp_actions acts;
static const struct mcsec_periods periods = {PERIOD, 0};
static const struct kp_policy *const policy = &kp_policy_default;

static void step(struct kp *m, struct kp_event ev)
{
	kp_step(m, policy, &ev, &acts);
	assert_true(acts.n <= sizeof acts.do_ / sizeof *acts.do_);
}

/* 1 and the argument when the last step wanted this. */
static int did(enum kp_action_kind kind, uint64_t *arg)
{
	for (size_t i = 0; i < acts.n; i++)
		if (acts.do_[i].kind == kind) {
			if (arg)
				*arg = acts.do_[i].arg;
			return 1;
		}
	return 0;
}

static int asks(void)
{
	return did(KP_DO_NEW_TOKEN, NULL) + did(KP_DO_INIT, NULL) + did(KP_DO_KEYS, NULL) + did(KP_DO_KEYS_AT, NULL) +
	       did(KP_DO_CACHE, NULL);
}

static void give_failure(struct kp *m, uint64_t now, enum kp_why why, uint32_t retry_after)
{
	step(m, (struct kp_event){
		    .kind = KP_EV_FAILED, .now = now, .why = why, .retry_after_s = retry_after, .random = 0x80000000});
}

static void tick(struct kp *m, uint64_t now)
{
	step(m, (struct kp_event){.kind = KP_EV_TIMER, .now = now, .random = 0x80000000});
}

static void give_init(struct kp *m, uint64_t now)
{
	step(m, (struct kp_event){.kind = KP_EV_INIT_OK, .now = now, .periods = periods});
}

static void give_keys(struct kp *m, uint64_t now, uint64_t newest, uint32_t held)
{
	step(m, (struct kp_event){
		    .kind = KP_EV_KEYS_OK, .now = now, .newest = newest, .held = held, .random = 0x80000000});
}

static void give_cache(struct kp *m, uint64_t now, int64_t num)
{
	step(m, (struct kp_event){.kind = KP_EV_CACHE_OK, .now = now, .cache_num = num, .random = 0x80000000});
}

static struct kp started(uint64_t now)
{
	struct kp m = {0};
	step(&m, (struct kp_event){.kind = KP_EV_START, .now = now, .cache_num = -1});
	assert_true(did(KP_DO_INIT, NULL));
	return m;
}

/* READY(n) with the cache there. */
static struct kp ready(uint64_t now)
{
	struct kp m = started(now);
	give_init(&m, now);
	assert_true(did(KP_DO_KEYS, NULL));
	give_keys(&m, now, now / PERIOD, 1);
	assert_true(did(KP_DO_TELL_READY, NULL));
	assert_true(did(KP_DO_CACHE, NULL));
	give_cache(&m, now, 7);
	assert_int_equal(m.state, KP_READY);
	return m;
}

/* ---- the way through ---- */

static void a_client_without_anything_asks_for_certificate_keys_and_cache_in_this_order(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	assert_int_equal(asks(), 0);
	assert_int_equal(m.cache_num, 7);
	assert_true(kp_holds(&m, 1389) && !kp_holds(&m, 1390) && !kp_holds(&m, 1388));
}

static void what_the_store_holds_is_not_asked_for_again(void **state)
{
	(void)state;
	struct kp m = {0};
	uint64_t wake;
	step(&m, (struct kp_event){.kind = KP_EV_START,
				   .now = NOON,
				   .has_cert = 1,
				   .periods = periods,
				   .newest = 1390,
				   .held = 7,
				   .cache_num = 4});
	assert_int_equal(m.state, KP_READY_NEXT);
	assert_true(did(KP_DO_TELL_READY, NULL) && did(KP_DO_CACHE, &wake));
	assert_int_equal(wake, 4);
	assert_int_equal(asks(), 1);
}

static void the_next_set_is_fetched_between_w_and_a_tenth_of_w_before_the_end(void **state)
{
	(void)state;
	uint64_t lowest = UINT64_MAX, highest = 0;
	for (unsigned i = 0; i < 1000; i++) {
		struct kp m = started(NOON);
		give_init(&m, NOON);
		step(&m, (struct kp_event){.kind = KP_EV_KEYS_OK,
					   .now = NOON,
					   .newest = 1389,
					   .held = 1,
					   .random = (uint32_t)(i * 4294967u)});
		struct kp n = started(NOON); /* drawn when the period is first seen */
		step(&n,
		     (struct kp_event){
			 .kind = KP_EV_INIT_OK, .now = NOON, .periods = periods, .random = (uint32_t)(i * 4294967u)});
		assert_int_equal(n.fetch_for, 1390);
		lowest = n.fetch_at < lowest ? n.fetch_at : lowest;
		highest = n.fetch_at > highest ? n.fetch_at : highest;
	}
	assert_true(lowest >= EDGE + PERIOD - 7 * DAY && lowest < EDGE + PERIOD - 7 * DAY + 3600);
	assert_true(highest <= EDGE + PERIOD - 7 * DAY / 10 && highest > EDGE + PERIOD - 7 * DAY / 10 - 3600);
}

static void before_the_next_set_the_certificate_is_looked_at_once(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	m.init_done = 0;
	m.cache_at = m.fetch_at + DAY; /* out of the way */
	tick(&m, m.fetch_at);
	assert_true(did(KP_DO_INIT, NULL));
	give_init(&m, m.fetch_at);
	uint64_t period;
	assert_true(did(KP_DO_KEYS_AT, &period));
	assert_int_equal(period, 1390);
	give_keys(&m, m.fetch_at, 1390, 1);
	assert_int_equal(m.state, KP_READY_NEXT);
	assert_int_equal(asks(), 0);
}

static void at_the_edge_the_next_set_is_the_current_one_without_a_word_to_the_kms(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	give_keys(&m, NOON, 1390, 1);
	m.cache_at = EDGE + PERIOD + DAY;
	tick(&m, EDGE + PERIOD - 1);
	assert_int_equal(m.state, KP_READY_NEXT);
	tick(&m, EDGE + PERIOD);
	assert_int_equal(m.state, KP_READY);
	assert_int_equal(asks(), 0);
	assert_false(did(KP_DO_TELL_EXPIRED, NULL));
}

static void without_a_set_for_the_current_period_it_is_told_once_and_asked_for(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	tick(&m, EDGE + PERIOD);
	assert_int_equal(m.state, KP_CERT);
	assert_true(did(KP_DO_TELL_EXPIRED, NULL));
	assert_true(did(KP_DO_INIT, NULL));
	tick(&m, EDGE + PERIOD + 1);
	assert_false(did(KP_DO_TELL_EXPIRED, NULL));
	give_init(&m, EDGE + PERIOD + 1);
	assert_true(did(KP_DO_KEYS, NULL));
	give_keys(&m, EDGE + PERIOD + 2, 1390, 1);
	assert_true(did(KP_DO_TELL_READY, NULL));
}

static void sets_older_than_the_policy_are_dropped_after_new_ones_came(void **state)
{
	(void)state;
	struct kp m = {0};
	uint64_t below = 0;
	step(&m,
	     (struct kp_event){
		 .kind = KP_EV_START, .now = NOON, .has_cert = 1, .periods = periods, .newest = 1388, .held = 0xff});
	assert_false(did(KP_DO_DROP, NULL)); /* a clock that jumped alone wipes nothing */
	give_init(&m, NOON);
	give_keys(&m, NOON, 1390, 3);
	assert_true(did(KP_DO_DROP, &below));
	assert_int_equal(below, 1389 - 3);
	assert_true(kp_holds(&m, 1386) && !kp_holds(&m, 1385));
}

/* ---- failures, kms.md 8.2 ---- */

static void after_401_the_token_is_refreshed_once_and_the_request_repeated_once(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_failure(&m, NOON, KP_WHY_TOKEN, 0);
	assert_true(did(KP_DO_NEW_TOKEN, NULL));
	step(&m, (struct kp_event){.kind = KP_EV_TOKEN, .now = NOON});
	assert_true(did(KP_DO_INIT, NULL));
	give_failure(&m, NOON, KP_WHY_TOKEN, 0);
	assert_int_equal(asks(), 0);
	assert_true(did(KP_DO_TELL_REFUSED, NULL));
	tick(&m, NOON + DAY);
	assert_int_equal(asks(), 0);
	step(&m, (struct kp_event){.kind = KP_EV_TOKEN, .now = NOON + DAY});
	assert_true(did(KP_DO_INIT, NULL));
}

static void a_token_that_cannot_be_refreshed_stops_until_a_new_one_comes(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_failure(&m, NOON, KP_WHY_TOKEN, 0);
	give_failure(&m, NOON, KP_WHY_REFUSED, 0);
	assert_true(did(KP_DO_TELL_REFUSED, NULL));
	tick(&m, NOON + 40 * DAY);
	assert_int_equal(asks(), 0);
	step(&m, (struct kp_event){.kind = KP_EV_TOKEN, .now = NOON + 40 * DAY});
	assert_true(did(KP_DO_INIT, NULL));
}

static void an_identity_server_that_is_away_is_asked_again_with_back_off(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_failure(&m, NOON, KP_WHY_TOKEN, 0);
	give_failure(&m, NOON, KP_WHY_UNREACHABLE, 0);
	assert_int_equal(asks(), 0);
	tick(&m, NOON + 2);
	assert_true(did(KP_DO_NEW_TOKEN, NULL));
	step(&m, (struct kp_event){.kind = KP_EV_TOKEN, .now = NOON + 2});
	assert_true(did(KP_DO_INIT, NULL));
}

static void after_403_nothing_is_asked_before_a_new_token(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	m.cache_at = UINT64_C(1) << 40;
	tick(&m, EDGE + PERIOD);
	give_failure(&m, EDGE + PERIOD, KP_WHY_REFUSED, 0);
	assert_true(did(KP_DO_TELL_REFUSED, NULL));
	for (uint64_t t = EDGE + PERIOD; t < EDGE + 5 * (uint64_t)PERIOD; t += DAY) {
		tick(&m, t);
		assert_int_equal(asks(), 0);
	}
	step(&m, (struct kp_event){.kind = KP_EV_TOKEN, .now = EDGE + 5 * (uint64_t)PERIOD});
	assert_int_equal(asks(), 1);
}

static void unreachable_and_5xx_back_off_to_300_s_with_half_as_much_jitter(void **state)
{
	(void)state;
	static const uint64_t nominal[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
	struct kp low = started(NOON), high = low;
	for (size_t i = 0; i < sizeof nominal / sizeof *nominal; i++) {
		step(&low, (struct kp_event){.kind = KP_EV_FAILED, .now = NOON, .why = KP_WHY_UNREACHABLE});
		assert_true(did(KP_DO_NEXT_ADDRESS, NULL));
		step(&high,
		     (struct kp_event){.kind = KP_EV_FAILED, .now = NOON, .why = KP_WHY_LATER, .random = UINT32_MAX});
		assert_false(did(KP_DO_NEXT_ADDRESS, NULL));
		assert_in_range(low.not_before - NOON, (nominal[i] + 1) / 2, (nominal[i] + 1) / 2 + 1);
		assert_in_range(high.not_before - NOON, nominal[i] * 3 / 2, nominal[i] * 3 / 2 + 1);
		tick(&low, low.not_before - 1);
		assert_int_equal(asks(), 0);
		low.asking = high.asking = KP_ASK_INIT;
	}
}

static void a_retry_after_is_kept(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_failure(&m, NOON, KP_WHY_LATER, 120);
	assert_in_range(m.not_before, NOON + 120, NOON + 180);
	tick(&m, NOON + 119);
	assert_int_equal(asks(), 0);
	tick(&m, m.not_before);
	assert_true(did(KP_DO_INIT, NULL));
}

static void what_is_rejected_is_not_tried_again_for_a_day(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_failure(&m, NOON, KP_WHY_REJECTED, 0);
	assert_true(did(KP_DO_TELL_REFUSED, NULL));
	tick(&m, NOON + DAY - 1);
	assert_int_equal(asks(), 0);
	tick(&m, NOON + DAY + DAY / 8);
	assert_true(did(KP_DO_INIT, NULL));
}

static void a_cache_that_is_refused_does_not_hold_up_keys(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_init(&m, NOON);
	give_keys(&m, NOON, 1389, 1);
	assert_true(did(KP_DO_CACHE, NULL));
	give_failure(&m, NOON, KP_WHY_REJECTED, 0);
	assert_int_equal(m.not_before, 0);
	assert_in_range(m.cache_at, NOON + DAY / 2, NOON + 2 * DAY);
}

static void three_bad_answers_in_a_row_end_the_trying_for_a_day(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	uint64_t now = NOON;
	for (int i = 0; i < 2; i++) {
		give_failure(&m, now, KP_WHY_BAD_ANSWER, 0);
		now = m.not_before;
		tick(&m, now);
		assert_true(did(KP_DO_INIT, NULL));
	}
	give_failure(&m, now, KP_WHY_BAD_ANSWER, 0);
	assert_true(did(KP_DO_TELL_REFUSED, NULL));
	assert_true(m.not_before >= now + DAY);
}

static void an_answer_with_nothing_new_is_a_bad_one_and_never_a_loop(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	give_init(&m, NOON);
	give_keys(&m, NOON, 1380, 1);
	give_keys(&m, NOON, 1380, 1);
	assert_int_equal(asks(), 0);
	assert_true(m.not_before > NOON);
}

static void a_revoked_certificate_or_key_set_blocks_and_wipes_until_a_new_start(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	m.cache_at = 0;
	tick(&m, NOON + 1);
	give_failure(&m, NOON + 1, KP_WHY_REVOKED, 0);
	assert_int_equal(m.state, KP_BLOCKED);
	assert_true(did(KP_DO_WIPE, NULL));
	assert_false(kp_holds(&m, 1389));
	for (int kind = KP_EV_TIMER; kind < KP_EV_WIPED; kind++) {
		step(&m, (struct kp_event){.kind = (enum kp_event_kind)kind, .now = NOON + 2});
		assert_int_equal(acts.n, 0);
	}
	step(&m, (struct kp_event){.kind = KP_EV_START, .now = NOON + 3});
	assert_true(did(KP_DO_INIT, NULL));
}

static void a_wiped_device_asks_for_nothing(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	step(&m, (struct kp_event){.kind = KP_EV_WIPED, .now = NOON});
	assert_int_equal(m.state, KP_BLOCKED);
	assert_true(did(KP_DO_WIPE, NULL));
}

static void a_set_found_bad_in_the_store_is_asked_for_anew(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	step(&m, (struct kp_event){.kind = KP_EV_DROPPED, .now = NOON + 5, .newest = 1389});
	assert_int_equal(m.state, KP_CERT);
	assert_true(did(KP_DO_KEYS, NULL));
}

static void an_unknown_kms_makes_one_look_at_the_cache_in_ten_minutes(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	step(&m, (struct kp_event){.kind = KP_EV_UNKNOWN_KMS, .now = NOON + 599});
	assert_int_equal(asks(), 0);
	step(&m, (struct kp_event){.kind = KP_EV_UNKNOWN_KMS, .now = NOON + 600});
	assert_true(did(KP_DO_CACHE, NULL));
}

/* ---- the clock ---- */

static void a_clock_that_jumps_and_comes_back_costs_no_keys(void **state)
{
	(void)state;
	struct kp m = ready(NOON);
	give_keys(&m, NOON, 1390, 1);
	tick(&m, NOON + 400 * (uint64_t)DAY);
	assert_int_equal(m.state, KP_CERT);
	assert_true(did(KP_DO_TELL_EXPIRED, NULL));
	give_failure(&m, NOON + 400 * (uint64_t)DAY, KP_WHY_UNREACHABLE, 0);
	assert_true(m.not_before > NOON + 300 * (uint64_t)DAY);
	tick(&m, NOON + 60);
	assert_int_equal(m.state, KP_READY_NEXT);
	assert_true(did(KP_DO_TELL_READY, NULL));
	tick(&m, NOON + 3 * DAY);
	assert_true(did(KP_DO_CACHE, NULL)); /* nothing waits for the wrong time any more */
}

static void a_clock_before_the_first_period_holds_nothing_and_asks_for_nothing(void **state)
{
	(void)state;
	struct kp m = {0};
	struct mcsec_periods late = {PERIOD, PERIOD - 1};
	step(&m,
	     (struct kp_event){.kind = KP_EV_START, .now = 5, .has_cert = 1, .periods = late, .newest = 0, .held = 1});
	assert_int_equal(m.state, KP_CERT);
	assert_int_equal(asks(), 0);
}

static void a_difference_to_the_clock_of_the_kms_is_told_once(void **state)
{
	(void)state;
	struct kp m = started(NOON);
	uint64_t apart;
	step(&m, (struct kp_event){.kind = KP_EV_INIT_OK, .now = NOON, .periods = periods, .server_time = NOON - 11});
	assert_true(did(KP_DO_TELL_CLOCK, &apart));
	assert_int_equal(apart, 11);
	step(&m, (struct kp_event){
		     .kind = KP_EV_KEYS_OK, .now = NOON, .newest = 1389, .held = 1, .server_time = NOON - 11});
	assert_false(did(KP_DO_TELL_CLOCK, NULL));
}

static void mcx_sec_108_the_next_set_is_fetched_across_2036(void **state)
{
	(void)state;
	uint64_t wrap = UINT64_C(1) << 32, n = wrap / PERIOD;
	struct kp m = ready(wrap - 5);
	assert_true(kp_holds(&m, n));
	m.cache_at = UINT64_C(1) << 40;
	tick(&m, wrap + 5);
	assert_int_equal(m.state, KP_READY);
	tick(&m, (n + 1) * PERIOD - 3600);
	give_init(&m, (n + 1) * PERIOD - 3600);
	give_keys(&m, (n + 1) * PERIOD - 3600, n + 1, 1);
	tick(&m, (n + 1) * PERIOD);
	assert_int_equal(m.state, KP_READY);
}

/* ---- a user's years against a stub ---- */

static uint32_t lcg(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*x >> 32);
}

struct stub {
	unsigned inits, keys, caches, gaps;
	uint64_t last;
};

/* Answers what the machine asks; fails one request in `bad`. */
static void answer(struct kp *m, struct stub *k, uint64_t now, uint64_t *x, unsigned bad)
{
	struct kp_event ev = {.now = now, .random = lcg(x), .periods = periods};
	uint64_t arg = 0;
	assert_true(asks() <= 1);
	if (!asks())
		return;
	if (bad && lcg(x) % bad == 0) {
		ev.kind = KP_EV_FAILED;
		ev.why = lcg(x) % 2 ? KP_WHY_UNREACHABLE : KP_WHY_LATER;
	} else if (did(KP_DO_INIT, NULL)) {
		ev.kind = KP_EV_INIT_OK;
		k->inits++;
	} else if (did(KP_DO_KEYS, NULL) || did(KP_DO_KEYS_AT, &arg)) {
		ev.kind = KP_EV_KEYS_OK;
		ev.newest = arg ? arg : now / PERIOD;
		ev.held = 1;
		k->keys++;
	} else {
		ev.kind = KP_EV_CACHE_OK;
		k->caches++;
	}
	kp_step(m, policy, &ev, &acts);
	answer(m, k, now, x, bad);
}

static void a_year_of_a_thousand_users_has_no_gap_and_no_needless_request(void **state)
{
	(void)state;
	for (uint64_t user = 0; user < 1000; user++) {
		struct stub k = {0};
		struct kp m = {0};
		uint64_t x = user, now = NOON, end = NOON + 365 * (uint64_t)DAY;
		kp_step(&m, policy, &(struct kp_event){.kind = KP_EV_START, .now = now, .random = lcg(&x)}, &acts);
		answer(&m, &k, now, &x, 3);
		while (m.due < end) {
			assert_true(m.due > now);
			now = m.due;
			kp_step(&m, policy, &(struct kp_event){.kind = KP_EV_TIMER, .now = now, .random = lcg(&x)},
				&acts);
			k.gaps += (unsigned)did(KP_DO_TELL_EXPIRED, NULL);
			answer(&m, &k, now, &x, 3);
		}
		assert_int_equal(k.gaps, 0);
		assert_in_range(k.keys, 13, 14);
		assert_in_range(k.inits, 12, 13); /* the first serves the whole first period */
		assert_in_range(k.caches, 280, 490);
	}
}

static void random_events_never_break_an_invariant(void **state)
{
	(void)state;
	uint64_t x = 42;
	for (int run = 0; run < 200; run++) {
		struct kp m = {0};
		uint64_t now = NOON;
		for (int i = 0; i < 500; i++) {
			now += lcg(&x) % 4 ? lcg(&x) % 100000 : 0;
			if (lcg(&x) % 50 == 0)
				now -= lcg(&x) % 10000000;
			struct kp before = m;
			struct kp_event ev = {.kind = (enum kp_event_kind)(lcg(&x) % (KP_EVENTS - 1)),
					      .now = now,
					      .random = lcg(&x),
					      .newest = now / PERIOD + lcg(&x) % 3 - 1,
					      .held = lcg(&x),
					      .has_cert = (int)(lcg(&x) & 1),
					      .periods = periods,
					      .why = (enum kp_why)(lcg(&x) % KP_WHYS),
					      .retry_after_s = lcg(&x) % 1000,
					      .server_time = lcg(&x) % 2 ? now + lcg(&x) % 100 : 0};
			step(&m, ev);
			assert_true(asks() <= 1);
			assert_true(!asks() || ev.kind == KP_EV_START || !before.asking || !m.asking ||
				    m.asking != before.asking || ev.kind != KP_EV_TIMER);
			if (before.asking && ev.kind == KP_EV_TIMER)
				assert_int_equal(asks(), 0);
			if (m.need_token)
				assert_int_equal(asks(), 0);
			if (m.state == KP_READY || m.state == KP_READY_NEXT)
				assert_true(kp_holds(&m, now / PERIOD));
			if (did(KP_DO_KEYS_AT, NULL))
				assert_false(kp_holds(&m, now / PERIOD + 1));
			if (did(KP_DO_KEYS, NULL))
				assert_false(kp_holds(&m, now / PERIOD));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_without_anything_asks_for_certificate_keys_and_cache_in_this_order),
	    cmocka_unit_test(what_the_store_holds_is_not_asked_for_again),
	    cmocka_unit_test(the_next_set_is_fetched_between_w_and_a_tenth_of_w_before_the_end),
	    cmocka_unit_test(before_the_next_set_the_certificate_is_looked_at_once),
	    cmocka_unit_test(at_the_edge_the_next_set_is_the_current_one_without_a_word_to_the_kms),
	    cmocka_unit_test(without_a_set_for_the_current_period_it_is_told_once_and_asked_for),
	    cmocka_unit_test(sets_older_than_the_policy_are_dropped_after_new_ones_came),
	    cmocka_unit_test(after_401_the_token_is_refreshed_once_and_the_request_repeated_once),
	    cmocka_unit_test(a_token_that_cannot_be_refreshed_stops_until_a_new_one_comes),
	    cmocka_unit_test(an_identity_server_that_is_away_is_asked_again_with_back_off),
	    cmocka_unit_test(after_403_nothing_is_asked_before_a_new_token),
	    cmocka_unit_test(unreachable_and_5xx_back_off_to_300_s_with_half_as_much_jitter),
	    cmocka_unit_test(a_retry_after_is_kept),
	    cmocka_unit_test(what_is_rejected_is_not_tried_again_for_a_day),
	    cmocka_unit_test(a_cache_that_is_refused_does_not_hold_up_keys),
	    cmocka_unit_test(three_bad_answers_in_a_row_end_the_trying_for_a_day),
	    cmocka_unit_test(an_answer_with_nothing_new_is_a_bad_one_and_never_a_loop),
	    cmocka_unit_test(a_revoked_certificate_or_key_set_blocks_and_wipes_until_a_new_start),
	    cmocka_unit_test(a_wiped_device_asks_for_nothing),
	    cmocka_unit_test(a_set_found_bad_in_the_store_is_asked_for_anew),
	    cmocka_unit_test(an_unknown_kms_makes_one_look_at_the_cache_in_ten_minutes),
	    cmocka_unit_test(a_clock_that_jumps_and_comes_back_costs_no_keys),
	    cmocka_unit_test(a_clock_before_the_first_period_holds_nothing_and_asks_for_nothing),
	    cmocka_unit_test(a_difference_to_the_clock_of_the_kms_is_told_once),
	    cmocka_unit_test(mcx_sec_108_the_next_set_is_fetched_across_2036),
	    cmocka_unit_test(a_year_of_a_thousand_users_has_no_gap_and_no_needless_request),
	    cmocka_unit_test(random_events_never_break_an_invariant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Floor control at the server: the rows of floor 6 and 7, and two clients over a network that loses messages. */
#include "unit/test.h"

#include "mcx/floor/floor_arbiter.h"
#include "mcx/floor/floor_participant.h"

enum { ALICE, BOB };

static struct fa m;
static struct fa_out out;
static int64_t now;

static void begin(int queueing, int implicit)
{
	now = 1000;
	fa_init(&m, &fa_default);
	assert_int_equal(fa_join(&m, "sip:alice@x", 0xa11ce, 5, queueing), ALICE);
	assert_int_equal(fa_join(&m, "sip:bob@x", 0xb0b, 5, queueing), BOB);
	fa_start(&m, implicit, now, &out);
}

static const struct floor_message *to(int who, uint8_t type)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.send[i].to == who && out.send[i].message.type == type)
			return &out.send[i].message;
	fail_msg("no %s to %d", floor_type_name(type), who);
	return NULL;
}

static void hear_with(int from, uint8_t type, uint8_t priority)
{
	struct floor_message in = {.type = type,
				   .has = FLOOR_HAS(FLOOR_F_PRIORITY) | FLOOR_HAS(FLOOR_F_INDICATOR),
				   .priority = priority,
				   .indicator = FLOOR_EMERGENCY}; /* a bit alone raises nobody's class */
	fa_message(&m, from, &in, now, &out);
}

static void hear(int from, uint8_t type)
{
	hear_with(from, type, 0);
}

static void media(int from)
{
	fa_media(&m, from, now, &out);
}

static void timer_after(int64_t ms)
{
	assert_int_equal(fa_next(&m), now + ms);
	now += ms;
	assert_true(fa_time(&m, now, &out));
}

static void held_by(int who)
{
	assert_int_equal(m.holder, who);
	for (int i = 0; i < m.n; i++)
		assert_int_equal(fa_forwards(&m, i), i == who);
}

/* ---- */

static void an_idle_floor_is_granted_and_the_others_hear_whose_it_is(void **state)
{
	(void)state;
	begin(0, FA_NOBODY);
	assert_int_equal(m.state, FA_IDLE);
	assert_int_equal(to(ALICE, FLOOR_IDLE)->sequence, 1);
	assert_int_equal(to(BOB, FLOOR_IDLE)->sequence, 1);
	held_by(FA_NOBODY);
	hear_with(ALICE, FLOOR_REQUEST, 200);
	assert_int_equal(out.n, 2);
	const struct floor_message *g = to(ALICE, FLOOR_GRANTED), *t = to(BOB, FLOOR_TAKEN);
	assert_int_equal(g->duration, 30);
	assert_int_equal(g->priority, 5); /* not more than was negotiated */
	assert_int_equal(g->granted_ssrc, 0xa11ce);
	assert_true(octets_equal(t->granted_id, octets_of("sip:alice@x")));
	assert_int_equal(t->may_request, 1);
	assert_int_equal(t->sequence, 2);
	assert_int_equal(t->granted_ssrc, 0xa11ce);
	held_by(ALICE);
}

static void an_implicit_request_has_the_floor_from_the_start(void **state)
{
	(void)state;
	begin(0, ALICE);
	assert_int_equal(m.state, FA_TAKEN);
	to(ALICE, FLOOR_GRANTED);
	to(BOB, FLOOR_TAKEN);
	held_by(ALICE);
}

static void a_released_floor_is_idle_for_all(void **state)
{
	(void)state;
	begin(0, ALICE);
	hear(ALICE, FLOOR_RELEASE);
	held_by(FA_NOBODY);
	assert_int_equal(to(ALICE, FLOOR_IDLE)->sequence, 2);
	to(BOB, FLOOR_IDLE);
	hear(ALICE, FLOOR_RELEASE); /* again: the answer was lost */
	assert_int_equal(out.n, 1);
	assert_int_equal(to(ALICE, FLOOR_IDLE)->sequence, 2);
}

static void who_asks_again_while_speaking_hears_the_grant_again(void **state)
{
	(void)state;
	begin(0, ALICE);
	media(ALICE);
	now += 10000;
	hear(ALICE, FLOOR_REQUEST);
	assert_int_equal(out.n, 1);
	assert_int_equal(to(ALICE, FLOOR_GRANTED)->duration, 20);
	held_by(ALICE);
}

static void a_taken_floor_is_denied_without_a_queue(void **state)
{
	(void)state;
	begin(0, ALICE);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(out.n, 1);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_TAKEN);
	held_by(ALICE);
	hear(BOB, FLOOR_RELEASE);
	to(BOB, FLOOR_TAKEN);
	hear(BOB, FLOOR_QUEUE_POSITION_REQUEST);
	assert_int_equal(to(BOB, FLOOR_QUEUE_POSITION_INFO)->queue_position, FLOOR_NOT_QUEUED);
}

static void one_in_the_queue_is_granted_when_the_floor_is_released_and_asked_thrice_to_speak(void **state)
{
	(void)state;
	begin(1, ALICE);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(to(BOB, FLOOR_QUEUE_POSITION_INFO)->queue_position, 1);
	hear(BOB, FLOOR_QUEUE_POSITION_REQUEST);
	assert_int_equal(to(BOB, FLOOR_QUEUE_POSITION_INFO)->queue_position, 1);
	hear(ALICE, FLOOR_RELEASE);
	held_by(BOB);
	to(BOB, FLOOR_GRANTED);
	to(ALICE, FLOOR_TAKEN);
	for (int i = 1; i < fa_default.c20; i++) {
		timer_after(1000);
		to(BOB, FLOOR_GRANTED);
	}
	timer_after(1000); /* he is not there */
	held_by(FA_NOBODY);
	to(ALICE, FLOOR_IDLE);
}

static void one_in_the_queue_who_releases_leaves_it(void **state)
{
	(void)state;
	begin(1, ALICE);
	hear(BOB, FLOOR_REQUEST);
	hear(BOB, FLOOR_RELEASE);
	to(BOB, FLOOR_TAKEN);
	hear(ALICE, FLOOR_RELEASE);
	held_by(FA_NOBODY);
}

static void a_burst_ends_when_no_media_comes_for_t1(void **state)
{
	(void)state;
	begin(0, ALICE);
	now += 3000;
	media(ALICE);
	timer_after(4000);
	held_by(FA_NOBODY);
	to(ALICE, FLOOR_IDLE);
}

static void who_speaks_for_too_long_is_revoked_and_has_to_wait(void **state)
{
	(void)state;
	begin(0, ALICE);
	media(ALICE);
	for (int64_t end = now + 30000; now < end - 3000;) {
		now += 3000;
		media(ALICE);
	}
	timer_after(3000);
	assert_int_equal(m.state, FA_PENDING_REVOKE);
	assert_int_equal(to(ALICE, FLOOR_REVOKE)->cause, FLOOR_REVOKE_TOO_LONG);
	assert_true(fa_forwards(&m, ALICE)); /* until T3 */
	media(ALICE);
	timer_after(1000);
	assert_int_equal(to(ALICE, FLOOR_REVOKE)->cause, FLOOR_REVOKE_TOO_LONG);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_TAKEN);
	hear(ALICE, FLOOR_RELEASE);
	held_by(FA_NOBODY);
	hear(ALICE, FLOOR_REQUEST);
	assert_int_equal(to(ALICE, FLOOR_DENY)->cause, FLOOR_DENY_RETRY_AFTER);
	now += 5000;
	hear(ALICE, FLOOR_REQUEST);
	to(ALICE, FLOOR_GRANTED);
}

static void who_does_not_release_loses_the_floor_after_the_grace(void **state)
{
	(void)state;
	begin(0, ALICE);
	media(ALICE);
	m.t2 = now + 100;
	timer_after(100);
	for (int i = 0; i < 2; i++) {
		media(ALICE);
		timer_after(1000);
		to(ALICE, FLOOR_REVOKE);
	}
	media(ALICE);
	now += 1000;
	while (fa_time(&m, now, &out) && m.state == FA_PENDING_REVOKE)
		;
	held_by(FA_NOBODY);
}

static void a_higher_priority_takes_the_floor_over(void **state)
{
	(void)state;
	begin(0, FA_NOBODY);
	hear_with(ALICE, FLOOR_REQUEST, 2);
	hear_with(BOB, FLOOR_REQUEST, 2);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_TAKEN);
	hear_with(BOB, FLOOR_REQUEST, 3);
	assert_int_equal(to(ALICE, FLOOR_REVOKE)->cause, FLOOR_REVOKE_PREEMPTED);
	assert_int_equal(m.state, FA_PENDING_REVOKE);
	hear_with(BOB, FLOOR_REQUEST, 3); /* repeated: he waits */
	assert_int_equal(out.n, 0);
	hear(ALICE, FLOOR_RELEASE);
	held_by(BOB);
	hear_with(ALICE, FLOOR_REQUEST, 5); /* pre-empted, not punished */
	to(BOB, FLOOR_REVOKE);
}

static void within_a_class_a_policy_may_forbid_to_take_over_and_a_higher_class_always_may(void **state)
{
	(void)state;
	begin(0, ALICE);
	m.cfg.preempt = 0;
	hear_with(BOB, FLOOR_REQUEST, 5);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_TAKEN);
	m.p[BOB].class = 2;
	hear_with(BOB, FLOOR_REQUEST, 0);
	to(ALICE, FLOOR_REVOKE);
	begin(0, ALICE);
	m.p[ALICE].class = 2;
	hear_with(BOB, FLOOR_REQUEST, 5);
	to(BOB, FLOOR_DENY);
}

static void media_without_permission_is_not_forwarded_and_revoked_until_released(void **state)
{
	(void)state;
	begin(0, ALICE);
	media(BOB);
	assert_int_equal(to(BOB, FLOOR_REVOKE)->cause, FLOOR_REVOKE_NO_PERMISSION);
	held_by(ALICE);
	media(BOB);
	assert_int_equal(out.n, 0);
	timer_after(1000);
	assert_int_equal(to(BOB, FLOOR_REVOKE)->cause, FLOOR_REVOKE_NO_PERMISSION);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(out.n, 0);
	hear(BOB, FLOOR_RELEASE);
	to(BOB, FLOOR_TAKEN);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_RETRY_AFTER);
}

static void media_on_its_way_when_the_floor_was_released_is_no_intrusion(void **state)
{
	(void)state;
	begin(0, ALICE);
	hear(ALICE, FLOOR_RELEASE);
	media(ALICE);
	assert_int_equal(out.n, 0);
	now += 600;
	media(ALICE);
	to(ALICE, FLOOR_REVOKE);
}

static void who_may_only_listen_or_is_alone_is_denied(void **state)
{
	(void)state;
	begin(0, FA_NOBODY);
	m.p[BOB].receive_only = 1;
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(to(BOB, FLOOR_DENY)->cause, FLOOR_DENY_RECEIVE_ONLY);
	hear(ALICE, FLOOR_REQUEST);
	assert_int_equal(to(BOB, FLOOR_TAKEN)->may_request, 0);
	fa_init(&m, &fa_default);
	assert_int_equal(fa_join(&m, "sip:alice@x", 0, 5, 0), ALICE);
	fa_start(&m, FA_NOBODY, now, &out);
	hear(ALICE, FLOOR_REQUEST);
	assert_int_equal(to(ALICE, FLOOR_DENY)->cause, FLOOR_DENY_ALONE);
}

static void an_idle_floor_is_told_again_with_its_number_and_then_call_control_is_told(void **state)
{
	(void)state;
	begin(0, FA_NOBODY);
	for (int i = 1; i < fa_default.c7; i++) {
		timer_after(1000);
		assert_int_equal(to(BOB, FLOOR_IDLE)->sequence, 1);
	}
	now += 1000;
	assert_true(fa_time(&m, now, &out));
	assert_int_equal(out.n, 0);
	timer_after(20000);
	assert_true(out.inactive);
	assert_int_equal(fa_next(&m), INT64_MAX);
}

static void a_state_is_repeated_to_one_whose_messages_may_be_lost(void **state)
{
	(void)state;
	begin(1, ALICE);
	fa_repeat(&m, ALICE, now, &out);
	to(ALICE, FLOOR_GRANTED);
	hear(BOB, FLOOR_REQUEST);
	fa_repeat(&m, BOB, now, &out);
	assert_int_equal(to(BOB, FLOOR_TAKEN)->sequence, m.sequence);
	to(BOB, FLOOR_QUEUE_POSITION_INFO);
	m.t2 = now;
	assert_true(fa_time(&m, now, &out));
	fa_repeat(&m, ALICE, now, &out);
	to(ALICE, FLOOR_REVOKE);
}

static void after_the_end_nothing_is_said_or_forwarded(void **state)
{
	(void)state;
	begin(0, ALICE);
	media(BOB);
	fa_end(&m);
	held_by(FA_NOBODY);
	assert_int_equal(fa_next(&m), INT64_MAX);
	hear(BOB, FLOOR_REQUEST);
	assert_int_equal(out.n, 0);
	media(BOB);
	assert_int_equal(out.n, 0);
	fa_repeat(&m, BOB, now, &out);
	assert_int_equal(out.n, 0);
	hear(7, FLOOR_REQUEST);
	assert_int_equal(out.n, 0);
}

/* ---- two clients and a network ---- */

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static struct fp client[2];
static unsigned loss; /* of 100 */

static void run_client(int who, enum fp_event ev);

/* NOLINTNEXTLINE(misc-no-recursion): each answer leaves fewer that may follow */
static void deliver(const struct fa_out *o)
{
	struct fa_out copy = *o;
	for (size_t i = 0; i < copy.n; i++) {
		struct fp_out fo;
		int who = copy.send[i].to;
		if (draw(100) < loss)
			continue;
		fp_message(&client[who], &copy.send[i].message, now, &fo);
		if (fo.send && draw(100) >= loss) {
			fa_message(&m, who, &fo.message, now, &out);
			deliver(&out);
		}
	}
}

static void run_client(int who, enum fp_event ev)
{
	struct fp_out fo;
	fp_step(&client[who], ev, now, &fo);
	if (!fo.send || draw(100) < loss)
		return;
	fa_message(&m, who, &fo.message, now, &out);
	deliver(&out);
}

static void tick(void)
{
	enum fp_event ev;
	now += 20;
	for (int i = 0; i < 2; i++) {
		while (fp_due(&client[i], now, &ev))
			run_client(i, ev);
		if (fp_may_speak(&client[i])) {
			fa_media(&m, i, now, &out);
			deliver(&out);
		}
	}
	while (fa_time(&m, now, &out))
		deliver(&out);
	assert_false(fa_forwards(&m, 0) && fa_forwards(&m, 1));
	assert_int_equal(m.holder == FA_NOBODY, m.state == FA_IDLE);
}

static void two_clients_agree_with_the_server_whatever_was_lost_before(void **state)
{
	(void)state;
	for (seed = 1; seed < 60; seed++) {
		uint32_t kept = seed;
		begin((int)draw(2), draw(2) ? ALICE : FA_NOBODY);
		for (int i = 0; i < 2; i++) {
			struct fp_out fo;
			fp_init(&client[i], &fp_default);
			fp_step(&client[i], i == ALICE && m.holder == ALICE ? FP_EV_CALL_GRANTED : FP_EV_CALL, now,
				&fo);
		}
		loss = 10 + draw(40);
		for (int i = 0; i < 1500; i++) {
			if (draw(20) == 0)
				run_client((int)draw(2), draw(2) ? FP_EV_PRESS : FP_EV_LET_GO);
			tick();
		}
		loss = 0; /* all let go; the network is good again */
		for (int i = 0; i < 2; i++)
			run_client(i, FP_EV_LET_GO);
		for (int i = 0; i < 2000; i++)
			tick();
		assert_int_equal(client[ALICE].state, FP_NO_PERMISSION);
		assert_int_equal(client[BOB].state, FP_NO_PERMISSION);
		assert_int_equal(m.state, FA_IDLE);
		run_client(BOB, FP_EV_PRESS);
		assert_true(fp_may_speak(&client[BOB]));
		assert_true(fa_forwards(&m, BOB));
		seed = kept;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_idle_floor_is_granted_and_the_others_hear_whose_it_is),
	    cmocka_unit_test(an_implicit_request_has_the_floor_from_the_start),
	    cmocka_unit_test(a_released_floor_is_idle_for_all),
	    cmocka_unit_test(who_asks_again_while_speaking_hears_the_grant_again),
	    cmocka_unit_test(a_taken_floor_is_denied_without_a_queue),
	    cmocka_unit_test(one_in_the_queue_is_granted_when_the_floor_is_released_and_asked_thrice_to_speak),
	    cmocka_unit_test(one_in_the_queue_who_releases_leaves_it),
	    cmocka_unit_test(a_burst_ends_when_no_media_comes_for_t1),
	    cmocka_unit_test(who_speaks_for_too_long_is_revoked_and_has_to_wait),
	    cmocka_unit_test(who_does_not_release_loses_the_floor_after_the_grace),
	    cmocka_unit_test(a_higher_priority_takes_the_floor_over),
	    cmocka_unit_test(within_a_class_a_policy_may_forbid_to_take_over_and_a_higher_class_always_may),
	    cmocka_unit_test(media_without_permission_is_not_forwarded_and_revoked_until_released),
	    cmocka_unit_test(media_on_its_way_when_the_floor_was_released_is_no_intrusion),
	    cmocka_unit_test(who_may_only_listen_or_is_alone_is_denied),
	    cmocka_unit_test(an_idle_floor_is_told_again_with_its_number_and_then_call_control_is_told),
	    cmocka_unit_test(a_state_is_repeated_to_one_whose_messages_may_be_lost),
	    cmocka_unit_test(after_the_end_nothing_is_said_or_forwarded),
	    cmocka_unit_test(two_clients_agree_with_the_server_whatever_was_lost_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

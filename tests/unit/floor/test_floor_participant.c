/* SPDX-License-Identifier: Apache-2.0 */
/* Floor control at the client: every row of the table, and what is not in it. */
#include "unit/test.h"

#include "mcx/floor/floor_participant.h"

static struct fp m;
static struct fp_out out;
static int64_t now;
static unsigned long taken[128];

static void step(enum fp_event ev)
{
	int row = fp_step(&m, ev, now, &out);
	if (row >= 0)
		taken[row]++;
}

static void hear_with(uint8_t type, int ack, int sequence, uint16_t indicator)
{
	struct floor_message in = {.type = type, .ack = (uint8_t)ack, .indicator = indicator};
	if (sequence >= 0) {
		in.has = FLOOR_HAS(FLOOR_F_SEQUENCE);
		in.sequence = (uint16_t)sequence;
	}
	int row = fp_message(&m, &in, now, &out);
	if (row >= 0)
		taken[row]++;
}

static void hear(uint8_t type)
{
	hear_with(type, 0, -1, FLOOR_NORMAL);
}

/* The next timer fires: at the time it was set for. */
static void timer(enum fp_event want, int64_t after)
{
	enum fp_event ev;
	assert_int_equal(fp_next(&m), now + after);
	now = fp_next(&m);
	assert_false(fp_due(&m, now - 1, &ev));
	assert_true(fp_due(&m, now, &ev));
	assert_int_equal(ev, want);
	step(ev);
}

static void begin(enum fp_event ev)
{
	now = 1000;
	fp_init(&m, &fp_default);
	step(ev);
}

static void in_queue(void)
{
	begin(FP_EV_CALL);
	step(FP_EV_PRESS);
	hear(FLOOR_QUEUE_POSITION_INFO);
	assert_int_equal(m.state, FP_QUEUED);
	assert_int_equal(out.tell, FP_TELL_QUEUED);
}

static void sent(uint8_t type)
{
	assert_true(out.send);
	assert_int_equal(out.message.type, type);
}

static void now_in(enum fp_state s)
{
	assert_int_equal(m.state, s);
	assert_int_equal(fp_may_speak(&m), s == FP_HAS_PERMISSION);
}

/* ---- */

static void a_request_is_granted_and_let_go(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	now_in(FP_NO_PERMISSION);
	step(FP_EV_PRESS);
	sent(FLOOR_REQUEST);
	now_in(FP_PENDING_REQUEST);
	hear(FLOOR_GRANTED);
	now_in(FP_HAS_PERMISSION);
	assert_int_equal(out.tell, FP_TELL_GRANTED);
	assert_int_equal(fp_next(&m), INT64_MAX);
	hear(FLOOR_GRANTED);
	now_in(FP_HAS_PERMISSION);
	step(FP_EV_LET_GO);
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
	hear(FLOOR_IDLE);
	now_in(FP_NO_PERMISSION);
	assert_int_equal(fp_next(&m), INT64_MAX);
}

static void a_floor_asked_for_in_the_offer_is_there_with_the_answer_or_waited_for(void **state)
{
	(void)state;
	begin(FP_EV_CALL_GRANTED);
	now_in(FP_HAS_PERMISSION);
	assert_false(out.send);
	begin(FP_EV_CALL_IMPLICIT);
	now_in(FP_PENDING_REQUEST);
	assert_false(out.send);
	timer(FP_EV_T101, 1000);
	sent(FLOOR_REQUEST);
}

static void a_request_is_repeated_and_given_up(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	step(FP_EV_PRESS);
	for (int i = 1; i < fp_default.c101; i++) {
		timer(FP_EV_T101, 1000);
		sent(FLOOR_REQUEST);
		now_in(FP_PENDING_REQUEST);
	}
	timer(FP_EV_T101, 1000);
	assert_false(out.send);
	now_in(FP_NO_PERMISSION);
	assert_int_equal(out.tell, FP_TELL_NO_ANSWER);
}

static void a_release_is_repeated_and_given_up(void **state)
{
	(void)state;
	begin(FP_EV_CALL_GRANTED);
	step(FP_EV_LET_GO);
	for (int i = 1; i < fp_default.c100; i++) {
		timer(FP_EV_T100, 1000);
		sent(FLOOR_RELEASE);
	}
	timer(FP_EV_T100, 1000);
	assert_false(out.send);
	now_in(FP_NO_PERMISSION);
}

static void a_denied_request_ends_with_its_cause(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	step(FP_EV_PRESS);
	hear(FLOOR_DENY);
	now_in(FP_NO_PERMISSION);
	assert_int_equal(out.tell, FP_TELL_DENIED);
	step(FP_EV_PRESS);
	hear(FLOOR_TAKEN);
	now_in(FP_NO_PERMISSION);
	assert_int_equal(out.tell, FP_TELL_TAKEN);
	step(FP_EV_PRESS);
	step(FP_EV_LET_GO);
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
	hear(FLOOR_TAKEN);
	now_in(FP_NO_PERMISSION);
}

static void a_revoked_speaker_stops_and_releases(void **state)
{
	(void)state;
	begin(FP_EV_CALL_GRANTED);
	hear(FLOOR_REVOKE);
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
	assert_int_equal(out.tell, FP_TELL_REVOKED);
	hear(FLOOR_GRANTED); /* of before: it is given back */
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
	step(FP_EV_MEDIA);
	now_in(FP_NO_PERMISSION);
	hear(FLOOR_REVOKE); /* who was taken for a speaker says that he is none */
	sent(FLOOR_RELEASE);
}

static void a_speaker_whose_floor_is_idle_or_anothers_stops(void **state)
{
	(void)state;
	begin(FP_EV_CALL_GRANTED);
	hear(FLOOR_IDLE);
	now_in(FP_NO_PERMISSION);
	begin(FP_EV_CALL_GRANTED);
	hear(FLOOR_TAKEN);
	now_in(FP_NO_PERMISSION);
	begin(FP_EV_CALL_GRANTED);
	hear_with(FLOOR_TAKEN, 0, -1, FLOOR_DUAL);
	now_in(FP_HAS_PERMISSION);
}

static void media_of_another_is_told_to_be_over_after_t103(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	hear(FLOOR_TAKEN);
	assert_int_equal(out.tell, FP_TELL_TAKEN);
	now += 3000;
	step(FP_EV_MEDIA);
	timer(FP_EV_T103, 4000);
	assert_int_equal(out.tell, FP_TELL_MEDIA_OVER);
	hear(FLOOR_TAKEN);
	hear(FLOOR_IDLE);
	assert_int_equal(out.tell, FP_TELL_IDLE);
	assert_int_equal(fp_next(&m), INT64_MAX);
}

static void a_floor_nobody_asked_for_is_given_back(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	hear(FLOOR_GRANTED);
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
}

static void one_in_the_queue_who_presses_is_granted(void **state)
{
	(void)state;
	in_queue();
	step(FP_EV_ASK_POSITION);
	sent(FLOOR_QUEUE_POSITION_REQUEST);
	for (int i = 1; i < fp_default.c104; i++) {
		timer(FP_EV_T104, 1000);
		sent(FLOOR_QUEUE_POSITION_REQUEST);
	}
	timer(FP_EV_T104, 1000);
	assert_false(out.send);
	step(FP_EV_ASK_POSITION);
	hear(FLOOR_QUEUE_POSITION_INFO);
	assert_int_equal(fp_next(&m), INT64_MAX);
	hear(FLOOR_TAKEN);
	step(FP_EV_MEDIA);
	timer(FP_EV_T103, 4000);
	hear(FLOOR_IDLE);
	now_in(FP_QUEUED);
	hear(FLOOR_GRANTED);
	now_in(FP_HAS_PERMISSION);
}

static void one_in_the_queue_who_does_not_press_has_two_seconds(void **state)
{
	(void)state;
	for (int press = 0; press < 2; press++) {
		in_queue();
		m.pressed = 0;
		hear(FLOOR_GRANTED);
		now_in(FP_QUEUED);
		int64_t due = fp_next(&m);
		now += 500;
		hear(FLOOR_GRANTED); /* repeated: the two seconds go on */
		assert_int_equal(fp_next(&m), due);
		if (press) {
			step(FP_EV_PRESS);
			now_in(FP_HAS_PERMISSION);
			assert_int_equal(fp_next(&m), INT64_MAX);
		} else {
			timer(FP_EV_T132, 1500);
			sent(FLOOR_RELEASE);
			now_in(FP_PENDING_RELEASE);
		}
	}
}

static void one_in_the_queue_is_denied_or_gives_up(void **state)
{
	(void)state;
	in_queue();
	hear(FLOOR_DENY);
	now_in(FP_NO_PERMISSION);
	in_queue();
	step(FP_EV_LET_GO);
	sent(FLOOR_RELEASE);
	now_in(FP_PENDING_RELEASE);
}

static void what_asks_for_it_is_acknowledged_also_when_it_changes_nothing(void **state)
{
	(void)state;
	begin(FP_EV_CALL_GRANTED);
	hear_with(FLOOR_GRANTED, 1, -1, 0);
	assert_true(out.ack);
	hear_with(FLOOR_DENY, 1, -1, 0); /* no row */
	assert_true(out.ack);
	hear_with(FLOOR_GRANTED, 0, -1, 0);
	assert_false(out.ack);
	hear_with(FLOOR_ACK, 1, -1, 0);
	assert_false(out.ack);
}

static void old_and_repeated_numbers_say_nothing_new(void **state)
{
	(void)state;
	begin(FP_EV_CALL);
	hear_with(FLOOR_TAKEN, 1, 65535, 0);
	assert_int_equal(out.tell, FP_TELL_TAKEN);
	hear_with(FLOOR_TAKEN, 1, 65535, 0);
	assert_int_equal(out.tell, FP_TELL_NOTHING);
	assert_true(out.ack);
	hear_with(FLOOR_IDLE, 0, 0, 0); /* the number wraps */
	assert_int_equal(out.tell, FP_TELL_IDLE);
	hear_with(FLOOR_TAKEN, 0, 65535, 0);
	assert_int_equal(out.tell, FP_TELL_NOTHING);
	step(FP_EV_PRESS);
	hear_with(FLOOR_TAKEN, 0, 65535, 0);
	now_in(FP_PENDING_REQUEST);
	step(FP_EV_LET_GO);
	hear_with(FLOOR_IDLE, 0, 0, 0); /* the answer to the release repeats the number */
	now_in(FP_NO_PERMISSION);
}

static void the_end_of_the_call_stops_everything_from_every_state(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		in_queue();
		m.state = (enum fp_state[]){FP_NO_PERMISSION, FP_PENDING_REQUEST, FP_HAS_PERMISSION, FP_PENDING_RELEASE,
					    FP_QUEUED}[i];
		m.due[0] = 5000;
		step(FP_EV_ENDING);
		now_in(FP_RELEASING);
		assert_int_equal(fp_next(&m), INT64_MAX);
		hear_with(FLOOR_GRANTED, 1, -1, 0);
		now_in(FP_RELEASING);
		assert_false(out.ack || out.send);
		step(FP_EV_ENDED);
		now_in(FP_START);
	}
}

static void what_is_not_in_the_table_changes_nothing(void **state)
{
	(void)state;
	for (int s = 0; s < FP_STATES; s++)
		for (int e = 0; e < FP_EVENTS; e++) {
			begin(FP_EV_CALL);
			m.state = (enum fp_state)s;
			struct fp was = m;
			int row = fp_step(&m, (enum fp_event)e, now, &out);
			if (row >= 0)
				continue;
			was.pressed = m.pressed;
			assert_memory_equal(&was, &m, sizeof m);
			assert_false(out.send || out.ack || out.tell);
		}
}

static void every_row_of_the_table_was_taken(void **state)
{
	(void)state;
	for (int i = 0; i < fp_rows; i++)
		if (!taken[i])
			fail_msg("row %d was never taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_granted_and_let_go),
	    cmocka_unit_test(a_floor_asked_for_in_the_offer_is_there_with_the_answer_or_waited_for),
	    cmocka_unit_test(a_request_is_repeated_and_given_up),
	    cmocka_unit_test(a_release_is_repeated_and_given_up),
	    cmocka_unit_test(a_denied_request_ends_with_its_cause),
	    cmocka_unit_test(a_revoked_speaker_stops_and_releases),
	    cmocka_unit_test(a_speaker_whose_floor_is_idle_or_anothers_stops),
	    cmocka_unit_test(media_of_another_is_told_to_be_over_after_t103),
	    cmocka_unit_test(a_floor_nobody_asked_for_is_given_back),
	    cmocka_unit_test(one_in_the_queue_who_presses_is_granted),
	    cmocka_unit_test(one_in_the_queue_who_does_not_press_has_two_seconds),
	    cmocka_unit_test(one_in_the_queue_is_denied_or_gives_up),
	    cmocka_unit_test(what_asks_for_it_is_acknowledged_also_when_it_changes_nothing),
	    cmocka_unit_test(old_and_repeated_numbers_say_nothing_new),
	    cmocka_unit_test(the_end_of_the_call_stops_everything_from_every_state),
	    cmocka_unit_test(what_is_not_in_the_table_changes_nothing),
	    cmocka_unit_test(every_row_of_the_table_was_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

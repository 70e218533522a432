/* SPDX-License-Identifier: Apache-2.0 */
/* Transmission control at the client: every row of the table, and what is not in it. */
#include "unit/test.h"

#include "mcx/floor/transmission_participant.h"

static struct tp m;
static struct tp_out out;
static int64_t now;
static uint64_t taken;

static void step(enum tp_event ev)
{
	taken |= tp_step(&m, ev, now, &out);
}

static void hear_message(struct tx_message in)
{
	taken |= tp_message(&m, &in, now, &out);
}

static void hear(uint8_t type)
{
	hear_message((struct tx_message){.type = type, .cause = 1, .has = TX_HAS(TX_F_CAUSE)});
}

static void hear_idle(uint16_t sequence)
{
	hear_message((struct tx_message){.type = TX_IDLE, .has = TX_HAS(TX_F_SEQUENCE), .sequence = sequence});
}

static void hear_notification(uint16_t mode)
{
	hear_message((struct tx_message){.type = TX_NOTIFICATION,
					 .ack = 1,
					 .has = TX_HAS(TX_F_TRANSMITTING_ID) | TX_HAS(TX_F_AUDIO_SSRC) |
						TX_HAS(TX_F_VIDEO_SSRC) | TX_HAS(TX_F_RECEPTION_MODE),
					 .transmitting_id = octets_of("sip:alice@x"),
					 .audio_ssrc = 7,
					 .video_ssrc = 8,
					 .reception_mode = mode});
	assert_true(out.ack);
}

static void hear_response(uint16_t result)
{
	hear_message((struct tx_message){.type = TX_RECEIVE_RESPONSE, .has = TX_HAS(TX_F_RESULT), .result = result});
}

/* The next timer fires: at the time it was set for. */
static void timer(enum tp_event want)
{
	enum tp_event ev;
	assert_int_equal(tp_next(&m), now + 1000);
	now = tp_next(&m);
	assert_false(tp_due(&m, now - 1, &ev));
	assert_true(tp_due(&m, now, &ev));
	assert_int_equal(ev, want);
	step(ev);
}

static void begin(enum tp_event ev)
{
	now = 1000;
	struct tp_config cfg = tp_default;
	cfg.priority = 4;
	cfg.reception_priority = 9;
	tp_init(&m, &cfg);
	step(ev);
}

static const struct tx_message *sent(uint8_t type)
{
	assert_int_equal(out.n, 1);
	assert_int_equal(out.message[0].type, type);
	return &out.message[0];
}

static void nothing_is_said(void)
{
	assert_int_equal(out.n, 0);
}

static void transmission(enum tp_state s, enum tp_tell tell)
{
	assert_int_equal(m.at[0], s);
	assert_int_equal(out.tell[0], tell);
	assert_int_equal(tp_may_transmit(&m), s == TP_HAS_PERMISSION);
}

static void reception(enum tp_state s, enum tp_tell tell)
{
	assert_int_equal(m.at[1], s);
	assert_int_equal(out.tell[1], tell);
}

static void has_permission(void)
{
	begin(TP_EV_CALL_GRANTED);
	transmission(TP_HAS_PERMISSION, TP_TELL_GRANTED);
}

static void receives(void)
{
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_AUTOMATIC);
	hear_response(TX_ACCEPTED);
	reception(TP_RECEIVES, TP_TELL_RECEIVING);
}

/* ---- transmission ---- */

static void a_request_is_granted_and_ended(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	transmission(TP_NO_PERMISSION, TP_TELL_NOTHING);
	step(TP_EV_PRESS);
	assert_int_equal(sent(TX_REQUEST)->priority, 4);
	transmission(TP_PENDING_REQUEST, TP_TELL_NOTHING);
	hear(TX_GRANTED);
	transmission(TP_HAS_PERMISSION, TP_TELL_GRANTED);
	hear(TX_RECEPTION_NOTIFICATION);
	transmission(TP_HAS_PERMISSION, TP_TELL_RECEIVED);
	assert_int_equal(tp_next(&m), INT64_MAX);
	step(TP_EV_LET_GO);
	sent(TX_END_REQUEST);
	transmission(TP_PENDING_END, TP_TELL_NOTHING);
	hear(TX_END_RESPONSE);
	transmission(TP_NO_PERMISSION, TP_TELL_ENDED);
	assert_int_equal(tp_next(&m), INT64_MAX);
}

static void a_transmission_asked_for_in_the_offer_is_there_with_the_answer_or_waited_for(void **state)
{
	(void)state;
	has_permission();
	begin(TP_EV_CALL_IMPLICIT);
	nothing_is_said();
	transmission(TP_PENDING_REQUEST, TP_TELL_NOTHING);
	timer(TP_EV_T100);
	sent(TX_REQUEST);
	hear(TX_GRANTED);
	transmission(TP_HAS_PERMISSION, TP_TELL_GRANTED);
}

static void each_request_is_repeated_and_given_up(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	step(TP_EV_PRESS);
	for (int i = 0; i < 2; i++) {
		timer(TP_EV_T100);
		sent(TX_REQUEST);
	}
	timer(TP_EV_T100);
	transmission(TP_NO_PERMISSION, TP_TELL_NO_ANSWER);
	has_permission();
	step(TP_EV_LET_GO);
	for (int i = 0; i < 2; i++) {
		timer(TP_EV_T101);
		sent(TX_END_REQUEST);
	}
	timer(TP_EV_T101);
	transmission(TP_NO_PERMISSION, TP_TELL_NO_ANSWER);
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_AUTOMATIC);
	for (int i = 0; i < 2; i++) {
		timer(TP_EV_T103);
		sent(TX_RECEIVE_REQUEST);
	}
	timer(TP_EV_T103);
	reception(TP_NOTHING, TP_TELL_NO_ANSWER);
	receives();
	step(TP_EV_STOP);
	for (int i = 0; i < 2; i++) {
		timer(TP_EV_T104);
		sent(TX_RECEPTION_END_REQUEST);
	}
	timer(TP_EV_T104);
	reception(TP_NOTHING, TP_TELL_NO_ANSWER);
}

static void a_rejected_request_ends_with_its_cause(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	step(TP_EV_PRESS);
	hear(TX_REJECTED);
	transmission(TP_NO_PERMISSION, TP_TELL_REJECTED);
	assert_int_equal(tp_next(&m), INT64_MAX);
}

static void a_revoked_transmitter_stops_and_says_so(void **state)
{
	(void)state;
	has_permission();
	hear(TX_REVOKED);
	sent(TX_END_REQUEST);
	transmission(TP_PENDING_END, TP_TELL_REVOKED);
	hear(TX_REVOKED); /* repeated: nothing new */
	transmission(TP_PENDING_END, TP_TELL_NOTHING);
	hear_idle(7);
	transmission(TP_NO_PERMISSION, TP_TELL_IDLE);
	hear(TX_REVOKED); /* what we sent without permission */
	sent(TX_END_REQUEST);
	transmission(TP_PENDING_END, TP_TELL_REVOKED);
}

static void the_server_may_end_it_and_is_answered_each_time(void **state)
{
	(void)state;
	has_permission();
	hear(TX_END_REQUEST);
	sent(TX_END_RESPONSE);
	transmission(TP_NO_PERMISSION, TP_TELL_REVOKED);
	hear(TX_END_REQUEST);
	sent(TX_END_RESPONSE);
	transmission(TP_NO_PERMISSION, TP_TELL_NOTHING);
	has_permission();
	step(TP_EV_LET_GO);
	hear(TX_END_REQUEST);
	sent(TX_END_RESPONSE);
	transmission(TP_NO_PERMISSION, TP_TELL_ENDED);
	assert_int_equal(tp_next(&m), INT64_MAX);
}

static void a_grant_that_nobody_asked_for_is_given_back(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear(TX_GRANTED);
	sent(TX_END_REQUEST);
	transmission(TP_PENDING_END, TP_TELL_NOTHING);
	hear(TX_GRANTED);
	sent(TX_END_REQUEST);
	begin(TP_EV_CALL);
	step(TP_EV_PRESS);
	step(TP_EV_LET_GO);
	sent(TX_END_REQUEST);
	transmission(TP_PENDING_END, TP_TELL_NOTHING);
}

static void one_in_the_queue_asks_its_place_and_is_granted_rejected_or_leaves(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		begin(TP_EV_CALL);
		step(TP_EV_PRESS);
		hear(TX_QUEUE_POSITION_INFO);
		transmission(TP_QUEUED, TP_TELL_QUEUED);
		assert_int_equal(tp_next(&m), INT64_MAX);
		step(TP_EV_ASK_POSITION);
		sent(TX_QUEUE_POSITION_REQUEST);
		for (int i = 0; way && i < 2; i++) {
			timer(TP_EV_T102);
			sent(TX_QUEUE_POSITION_REQUEST);
		}
		if (way == 1) {
			timer(TP_EV_T102);
			nothing_is_said();
		} else {
			hear(TX_QUEUE_POSITION_INFO);
			transmission(TP_QUEUED, TP_TELL_QUEUED);
		}
		assert_int_equal(tp_next(&m), INT64_MAX);
		if (way == 0) {
			hear(TX_GRANTED);
			transmission(TP_HAS_PERMISSION, TP_TELL_GRANTED);
		} else if (way == 1) {
			hear(TX_REJECTED);
			transmission(TP_NO_PERMISSION, TP_TELL_REJECTED);
		} else {
			step(TP_EV_LET_GO);
			sent(TX_END_REQUEST);
			transmission(TP_PENDING_END, TP_TELL_NOTHING);
		}
	}
}

static void a_transmitter_stops_when_a_newer_idle_says_that_nobody_transmits(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear_idle(65535);
	transmission(TP_NO_PERMISSION, TP_TELL_IDLE);
	step(TP_EV_PRESS);
	hear(TX_GRANTED);
	hear_idle(65535); /* a repetition, and one before it */
	transmission(TP_HAS_PERMISSION, TP_TELL_NOTHING);
	hear_idle(65530);
	transmission(TP_HAS_PERMISSION, TP_TELL_NOTHING);
	hear_idle(0);
	transmission(TP_NO_PERMISSION, TP_TELL_IDLE);
}

/* ---- reception ---- */

static void who_is_notified_asks_for_it_by_name_and_receives_until_its_end(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_AUTOMATIC);
	const struct tx_message *r = sent(TX_RECEIVE_REQUEST);
	assert_true(octets_equal(r->transmitting_id, octets_of("sip:alice@x")));
	assert_int_equal(r->audio_ssrc * 16 + r->video_ssrc, 7 * 16 + 8);
	assert_int_equal(r->reception_priority, 9);
	reception(TP_PENDING_RECEPTION, TP_TELL_TRANSMITS);
	hear_response(TX_ACCEPTED);
	reception(TP_RECEIVES, TP_TELL_RECEIVING);
	assert_int_equal(tp_next(&m), INT64_MAX);
	hear_notification(TX_MODE_AUTOMATIC); /* another stream, or the same as if we had not answered */
	sent(TX_RECEIVE_REQUEST);
	hear_response(TX_ACCEPTED);
	hear(TX_END_NOTIFY);
	reception(TP_NOTHING, TP_TELL_OVER);
}

static void in_manual_mode_the_user_decides(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_MANUAL);
	nothing_is_said();
	reception(TP_OFFERED, TP_TELL_TRANSMITS);
	step(TP_EV_ACCEPT);
	sent(TX_RECEIVE_REQUEST);
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_MANUAL);
	hear(TX_END_NOTIFY);
	reception(TP_NOTHING, TP_TELL_OVER);
	hear_notification(TX_MODE_MANUAL);
	hear_idle(1);
	reception(TP_NOTHING, TP_TELL_OVER);
}

static void a_reception_is_refused_or_over_before_it_began(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_AUTOMATIC);
	hear_response(TX_REFUSED);
	reception(TP_NOTHING, TP_TELL_REFUSED);
	hear_notification(TX_MODE_AUTOMATIC);
	hear(TX_RECEIVE_RESPONSE); /* without a result: no permission */
	reception(TP_NOTHING, TP_TELL_REFUSED);
	hear_notification(TX_MODE_AUTOMATIC);
	hear(TX_END_NOTIFY);
	reception(TP_NOTHING, TP_TELL_OVER);
	hear_notification(TX_MODE_AUTOMATIC);
	hear_idle(1);
	reception(TP_NOTHING, TP_TELL_OVER);
	assert_int_equal(tp_next(&m), INT64_MAX);
}

static void a_receiver_stops_or_is_stopped(void **state)
{
	(void)state;
	receives();
	step(TP_EV_STOP);
	assert_true(octets_equal(sent(TX_RECEPTION_END_REQUEST)->transmitting_id, octets_of("sip:alice@x")));
	hear(TX_RECEPTION_END_RESPONSE);
	reception(TP_NOTHING, TP_TELL_OVER);
	receives();
	step(TP_EV_STOP);
	hear(TX_END_NOTIFY);
	reception(TP_NOTHING, TP_TELL_OVER);
	receives();
	step(TP_EV_STOP);
	hear_idle(1);
	reception(TP_NOTHING, TP_TELL_OVER);
	receives();
	hear_idle(1);
	reception(TP_NOTHING, TP_TELL_OVER);
	receives();
	hear(TX_RECEPTION_END_REQUEST);
	sent(TX_RECEPTION_END_RESPONSE);
	reception(TP_NOTHING, TP_TELL_OVER);
	hear(TX_RECEPTION_END_REQUEST);
	sent(TX_RECEPTION_END_RESPONSE);
	begin(TP_EV_CALL);
	hear_notification(TX_MODE_AUTOMATIC);
	step(TP_EV_STOP);
	sent(TX_RECEPTION_END_REQUEST);
	assert_int_equal(tp_next(&m), now + 1000);
}

static void both_directions_go_on_side_by_side(void **state)
{
	(void)state;
	has_permission();
	hear_notification(TX_MODE_AUTOMATIC);
	sent(TX_RECEIVE_REQUEST);
	transmission(TP_HAS_PERMISSION, TP_TELL_NOTHING);
	step(TP_EV_LET_GO);
	sent(TX_END_REQUEST);
	reception(TP_PENDING_RECEPTION, TP_TELL_NOTHING);
	hear_idle(1);
	transmission(TP_NO_PERMISSION, TP_TELL_IDLE);
	reception(TP_NOTHING, TP_TELL_OVER);
}

static void an_identity_too_long_to_be_kept_is_not_repeated_and_the_ssrcs_are(void **state)
{
	(void)state;
	static char longer[400];
	memset(longer, 'a', sizeof longer - 1);
	begin(TP_EV_CALL);
	hear_message((struct tx_message){.type = TX_NOTIFICATION,
					 .has = TX_HAS(TX_F_TRANSMITTING_ID) | TX_HAS(TX_F_VIDEO_SSRC),
					 .transmitting_id = octets_of(longer),
					 .video_ssrc = 8});
	const struct tx_message *r = sent(TX_RECEIVE_REQUEST);
	assert_int_equal(r->has & TX_HAS(TX_F_TRANSMITTING_ID), 0);
	assert_int_equal(r->has & TX_HAS(TX_F_AUDIO_SSRC), 0);
	assert_int_equal(r->video_ssrc, 8);
}

static void what_asks_for_it_is_acknowledged_also_when_it_changes_nothing(void **state)
{
	(void)state;
	begin(TP_EV_CALL);
	hear_message((struct tx_message){.type = TX_REMOTE_RESPONSE, .ack = 1});
	assert_true(out.ack);
	nothing_is_said();
	hear_message((struct tx_message){.type = TX_ACK, .ack = 1});
	assert_false(out.ack);
	hear(TX_GRANTED);
	assert_false(out.ack);
	step(TP_EV_ENDING);
	hear_message((struct tx_message){.type = TX_GRANTED, .ack = 1});
	assert_false(out.ack);
}

static void the_end_of_the_call_stops_everything_from_every_state(void **state)
{
	(void)state;
	static const enum tp_state states[] = {TP_NO_PERMISSION, TP_PENDING_REQUEST, TP_HAS_PERMISSION, TP_PENDING_END,
					       TP_QUEUED};
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		begin(TP_EV_CALL);
		hear_notification(TX_MODE_AUTOMATIC);
		m.at[0] = states[i];
		for (int t = 0; t < TP_TIMERS; t++)
			m.due[t] = now + 5;
		step(TP_EV_ENDING);
		transmission(TP_RELEASING, TP_TELL_NOTHING);
		reception(TP_NOTHING, TP_TELL_NOTHING);
		nothing_is_said();
		assert_int_equal(tp_next(&m), INT64_MAX);
		step(TP_EV_ENDED);
		transmission(TP_START, TP_TELL_NOTHING);
	}
}

static void what_is_not_in_the_table_changes_nothing(void **state)
{
	(void)state;
	size_t seen = 0;
	for (int s = 0; s < TP_NOTHING; s++)
		for (int r = TP_NOTHING; r < TP_STATES; r++)
			for (int e = 0; e < TP_EVENTS; e++) {
				begin(TP_EV_CALL);
				m.at[0] = (enum tp_state)s;
				m.at[1] = (enum tp_state)r;
				struct tp was = m;
				if (tp_step(&m, (enum tp_event)e, now, &out) || e == TP_EV_ENDING)
					continue;
				assert_memory_equal(&was, &m, sizeof m);
				assert_false(out.n || out.ack || out.tell[0] || out.tell[1]);
				assert_true(tp_state_name((enum tp_state)s) && tp_state_name((enum tp_state)r));
				seen++;
			}
	assert_true(seen > 500);
}

static void every_row_of_the_table_was_taken(void **state)
{
	(void)state;
	for (int i = 0; i < tp_rows; i++)
		if (!(taken >> i & 1))
			fail_msg("row %d was never taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_granted_and_ended),
	    cmocka_unit_test(a_transmission_asked_for_in_the_offer_is_there_with_the_answer_or_waited_for),
	    cmocka_unit_test(each_request_is_repeated_and_given_up),
	    cmocka_unit_test(a_rejected_request_ends_with_its_cause),
	    cmocka_unit_test(a_revoked_transmitter_stops_and_says_so),
	    cmocka_unit_test(the_server_may_end_it_and_is_answered_each_time),
	    cmocka_unit_test(a_grant_that_nobody_asked_for_is_given_back),
	    cmocka_unit_test(one_in_the_queue_asks_its_place_and_is_granted_rejected_or_leaves),
	    cmocka_unit_test(a_transmitter_stops_when_a_newer_idle_says_that_nobody_transmits),
	    cmocka_unit_test(who_is_notified_asks_for_it_by_name_and_receives_until_its_end),
	    cmocka_unit_test(in_manual_mode_the_user_decides),
	    cmocka_unit_test(a_reception_is_refused_or_over_before_it_began),
	    cmocka_unit_test(a_receiver_stops_or_is_stopped),
	    cmocka_unit_test(both_directions_go_on_side_by_side),
	    cmocka_unit_test(an_identity_too_long_to_be_kept_is_not_repeated_and_the_ssrcs_are),
	    cmocka_unit_test(what_asks_for_it_is_acknowledged_also_when_it_changes_nothing),
	    cmocka_unit_test(the_end_of_the_call_stops_everything_from_every_state),
	    cmocka_unit_test(what_is_not_in_the_table_changes_nothing),
	    cmocka_unit_test(every_row_of_the_table_was_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

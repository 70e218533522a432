/* SPDX-License-Identifier: Apache-2.0 */
/* Transmission control at the server, event by event, and two clients over a network that loses messages. */
#include "unit/test.h"

#include <stdio.h>

#include "mcx/floor/transmission_arbiter.h"
#include "mcx/floor/transmission_participant.h"

enum { ALICE, BOB };

static struct ta m;
static struct ta_out out;
static int64_t now;
static struct ta_config cfg;

static int join(const char *id, uint32_t ssrc, int queueing)
{
	struct ta_participant p = {.audio_ssrc = ssrc, .video_ssrc = ssrc + 1, .priority = 5, .queueing = queueing};
	snprintf(p.id, sizeof p.id, "%s", id);
	return ta_join(&m, &p);
}

static void prepare(int queueing)
{
	now = 1000;
	cfg = ta_default;
	ta_init(&m, &cfg);
	assert_int_equal(join("sip:alice@x", 0xa0, queueing), ALICE);
	assert_int_equal(join("sip:bob@x", 0xb0, queueing), BOB);
}

static void begin(int queueing, int implicit)
{
	prepare(queueing);
	ta_start(&m, implicit, now, &out);
}

static const struct tx_message *to(int who, uint8_t type)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.send[i].to == who && out.send[i].message.type == type)
			return &out.send[i].message;
	fail_msg("no %s to %d", tx_type_name(type), who);
	return NULL;
}

static void hear_with(int from, uint8_t type, uint8_t priority)
{
	struct tx_message in = {.type = type,
				.has = TX_HAS(TX_F_PRIORITY) | TX_HAS(TX_F_INDICATOR),
				.priority = priority,
				.indicator = TX_EMERGENCY}; /* a bit alone raises nobody's class */
	ta_message(&m, from, &in, now, &out);
}

static void hear(int from, uint8_t type)
{
	hear_with(from, type, 0);
}

static void hear_about(int from, uint8_t type, const char *id)
{
	struct tx_message in = {.type = type, .has = TX_HAS(TX_F_TRANSMITTING_ID), .transmitting_id = octets_of(id)};
	ta_message(&m, from, &in, now, &out);
}

static void acknowledge(int from, uint8_t type)
{
	struct tx_message of = {.type = type}, a = tx_ack(&of, 1, TX_BY_PARTICIPANT);
	ta_message(&m, from, &a, now, &out);
	assert_int_equal(out.n, 0);
}

static void media(int from)
{
	ta_media(&m, from, now, &out);
}

static void timer_after(int64_t ms)
{
	assert_int_equal(ta_next(&m), now + ms);
	now += ms;
	assert_true(ta_time(&m, now, &out));
}

static void forwarded(int who)
{
	for (int i = 0; i < m.n; i++)
		assert_int_equal(ta_forwards(&m, i), i == who);
}

/* Alice transmits, Bob receives her. */
static void alice_transmits(int queueing)
{
	begin(queueing, TA_NOBODY);
	hear(ALICE, TX_REQUEST);
	to(ALICE, TX_GRANTED);
	acknowledge(ALICE, TX_GRANTED);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	forwarded(ALICE);
}

/* ---- */

static void a_request_is_granted_and_the_others_are_notified_whose_media_comes(void **state)
{
	(void)state;
	begin(0, TA_NOBODY);
	assert_int_equal(m.state, TA_IDLE);
	assert_int_equal(to(ALICE, TX_IDLE)->sequence, 1);
	assert_int_equal(to(BOB, TX_IDLE)->sequence, 1);
	hear_with(ALICE, TX_REQUEST, 200);
	assert_int_equal(out.n, 2);
	const struct tx_message *g = to(ALICE, TX_GRANTED), *n = to(BOB, TX_NOTIFICATION);
	assert_int_equal(g->duration, 3600);
	assert_int_equal(g->priority, 5); /* not more than was negotiated */
	assert_int_equal(g->audio_ssrc, 0xa0);
	assert_int_equal(g->video_ssrc, 0xa1);
	assert_true(g->ack && n->ack);
	assert_true(octets_equal(n->transmitting_id, octets_of("sip:alice@x")));
	assert_int_equal(n->video_ssrc, 0xa1);
	assert_int_equal(n->may_request, 1);
	assert_int_equal(n->reception_mode, TX_MODE_AUTOMATIC);
}

static void media_is_forwarded_only_to_one_who_has_asked_to_receive_it(void **state)
{
	(void)state;
	begin(0, ALICE);
	to(ALICE, TX_GRANTED);
	forwarded(TA_NOBODY);
	media(ALICE);
	assert_int_equal(out.n, 0);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	const struct tx_message *r = to(BOB, TX_RECEIVE_RESPONSE), *n = to(ALICE, TX_RECEPTION_NOTIFICATION);
	assert_int_equal(r->result, TX_ACCEPTED);
	assert_int_equal(r->video_ssrc, 0xa1);
	assert_true(octets_equal(n->user_id, octets_of("sip:bob@x")));
	forwarded(ALICE);
	hear_about(BOB, TX_RECEPTION_END_REQUEST, "sip:alice@x");
	assert_true(octets_equal(to(BOB, TX_RECEPTION_END_RESPONSE)->transmitting_id, octets_of("sip:alice@x")));
	forwarded(TA_NOBODY);
}

static void a_stream_is_found_by_its_ssrc_where_no_identity_is_named(void **state)
{
	(void)state;
	begin(0, ALICE);
	struct tx_message in = {.type = TX_RECEIVE_REQUEST, .has = TX_HAS(TX_F_VIDEO_SSRC), .video_ssrc = 0xa1};
	ta_message(&m, BOB, &in, now, &out);
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->result, TX_ACCEPTED);
	in = (struct tx_message){.type = TX_RECEPTION_END_REQUEST, .has = TX_HAS(TX_F_AUDIO_SSRC), .audio_ssrc = 0xa0};
	ta_message(&m, BOB, &in, now, &out);
	forwarded(TA_NOBODY);
}

static void nobody_receives_what_nobody_transmits_or_what_is_its_own(void **state)
{
	(void)state;
	begin(0, TA_NOBODY);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->result, TX_REFUSED);
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->cause, TX_CAUSE_OTHER);
	hear(ALICE, TX_REQUEST);
	hear_about(ALICE, TX_RECEIVE_REQUEST, "sip:alice@x");
	assert_int_equal(to(ALICE, TX_RECEIVE_RESPONSE)->result, TX_REFUSED);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:carol@x");
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->result, TX_REFUSED);
	hear(BOB, TX_RECEPTION_END_REQUEST); /* of nobody: answered, and nothing else */
	assert_int_equal(out.n, 1);
	to(BOB, TX_RECEPTION_END_RESPONSE);
	forwarded(TA_NOBODY);
}

static void who_only_sends_or_has_streams_enough_may_not_receive(void **state)
{
	(void)state;
	begin(0, ALICE);
	m.p[BOB].send_only = 1;
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->cause, TX_RECEIVE_SEND_ONLY);
	m.p[BOB].send_only = 0;
	m.cfg.c7 = 0;
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	assert_int_equal(to(BOB, TX_RECEIVE_RESPONSE)->cause, TX_RECEIVE_STREAMS);
	forwarded(TA_NOBODY);
}

static void an_ended_transmission_is_told_to_who_received_it_and_then_it_is_idle(void **state)
{
	(void)state;
	alice_transmits(0);
	hear(ALICE, TX_END_REQUEST);
	assert_true(octets_equal(to(ALICE, TX_END_RESPONSE)->transmitting_id, octets_of("sip:alice@x")));
	assert_int_equal(to(BOB, TX_END_NOTIFY)->video_ssrc, 0xa1);
	assert_int_equal(to(ALICE, TX_IDLE)->sequence, 2);
	assert_int_equal(to(BOB, TX_IDLE)->sequence, 2);
	forwarded(TA_NOBODY);
	hear(ALICE, TX_END_REQUEST); /* its answer was lost */
	assert_int_equal(out.n, 1);
	to(ALICE, TX_END_RESPONSE);
	begin(0, ALICE);
	hear(ALICE, TX_RELEASE); /* the older message for it */
	to(ALICE, TX_END_RESPONSE);
	assert_int_equal(m.state, TA_IDLE);
}

static void a_second_transmitter_is_rejected_without_a_queue(void **state)
{
	(void)state;
	alice_transmits(0);
	hear(BOB, TX_REQUEST);
	assert_int_equal(out.n, 1);
	assert_int_equal(to(BOB, TX_REJECTED)->cause, TX_REJECT_LIMIT);
	forwarded(ALICE);
	hear(ALICE, TX_REQUEST); /* who asks again while transmitting hears the grant again */
	assert_int_equal(out.n, 1);
	to(ALICE, TX_GRANTED);
}

static void two_transmit_at_once_where_two_are_allowed(void **state)
{
	(void)state;
	prepare(0);
	m.cfg.transmitters = 2;
	ta_start(&m, ALICE, now, &out);
	hear(BOB, TX_REQUEST);
	to(BOB, TX_GRANTED);
	to(ALICE, TX_NOTIFICATION);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	hear_about(ALICE, TX_RECEIVE_REQUEST, "sip:bob@x");
	assert_true(ta_forwards(&m, ALICE) && ta_forwards(&m, BOB));
	hear(ALICE, TX_END_REQUEST);
	to(BOB, TX_END_NOTIFY);
	assert_int_equal(out.n, 2); /* no idle: Bob transmits */
	forwarded(BOB);
}

static void one_in_the_queue_is_granted_when_the_other_ends_and_asked_thrice_to_transmit(void **state)
{
	(void)state;
	alice_transmits(1);
	hear(BOB, TX_REQUEST);
	assert_int_equal(to(BOB, TX_QUEUE_POSITION_INFO)->queue_position, 1);
	hear(ALICE, TX_QUEUE_POSITION_REQUEST);
	assert_int_equal(to(ALICE, TX_QUEUE_POSITION_INFO)->queue_position, TX_NOT_QUEUED);
	hear(ALICE, TX_END_REQUEST);
	to(BOB, TX_GRANTED);
	to(ALICE, TX_NOTIFICATION);
	acknowledge(ALICE, TX_NOTIFICATION);
	for (int i = 0; i < 2; i++) {
		timer_after(1000);
		assert_int_equal(out.n, 1);
		to(BOB, TX_GRANTED);
	}
	timer_after(1000);
	to(ALICE, TX_END_NOTIFY);
	to(BOB, TX_IDLE);
	assert_int_equal(m.state, TA_IDLE);
}

static void one_in_the_queue_who_ends_leaves_it(void **state)
{
	(void)state;
	alice_transmits(1);
	hear(BOB, TX_REQUEST);
	hear(BOB, TX_END_REQUEST);
	to(BOB, TX_END_RESPONSE);
	assert_int_equal(m.p[BOB].place, 0);
	hear(ALICE, TX_END_REQUEST);
	assert_int_equal(m.state, TA_IDLE);
}

static void a_notification_is_repeated_until_it_is_acknowledged_or_asked_for(void **state)
{
	(void)state;
	begin(0, ALICE);
	acknowledge(ALICE, TX_GRANTED);
	for (int i = 0; i < 2; i++) {
		timer_after(1000);
		assert_int_equal(out.n, 1);
		to(BOB, TX_NOTIFICATION);
	}
	timer_after(1000);
	assert_int_equal(out.n, 0);
	begin(0, ALICE);
	acknowledge(ALICE, TX_GRANTED);
	acknowledge(BOB, TX_NOTIFICATION);
	assert_int_equal(ta_next(&m), now + 30000);
	begin(0, ALICE);
	acknowledge(ALICE, TX_GRANTED);
	acknowledge(BOB, TX_GRANTED); /* another message */
	assert_int_equal(ta_next(&m), now + 1000);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	assert_int_equal(ta_next(&m), now + 30000);
}

static void a_transmission_ends_when_no_media_comes_for_t1(void **state)
{
	(void)state;
	alice_transmits(0);
	now += 20000;
	media(ALICE);
	timer_after(30000);
	to(BOB, TX_END_NOTIFY);
	assert_int_equal(m.state, TA_IDLE);
}

static void who_transmits_for_too_long_is_revoked_and_has_to_wait(void **state)
{
	(void)state;
	prepare(0);
	m.cfg.limit = 20000;
	ta_start(&m, ALICE, now, &out);
	hear_about(BOB, TX_RECEIVE_REQUEST, "sip:alice@x");
	media(ALICE);
	timer_after(20000);
	assert_int_equal(to(ALICE, TX_REVOKED)->cause, TX_REVOKE_TOO_LONG);
	forwarded(ALICE); /* until it has ended */
	hear(ALICE, TX_REQUEST);
	assert_int_equal(out.n, 0);
	hear(ALICE, TX_END_REQUEST);
	to(ALICE, TX_END_RESPONSE);
	hear(ALICE, TX_REQUEST);
	assert_int_equal(to(ALICE, TX_REJECTED)->cause, TX_REJECT_RETRY_AFTER);
	now += 5000;
	hear(ALICE, TX_REQUEST);
	to(ALICE, TX_GRANTED);
}

static void who_does_not_end_when_revoked_is_told_thrice_and_loses_it(void **state)
{
	(void)state;
	prepare(0);
	m.cfg.limit = 20000;
	ta_start(&m, ALICE, now, &out);
	acknowledge(BOB, TX_NOTIFICATION);
	media(ALICE);
	timer_after(20000);
	for (int i = 0; i < 2; i++) {
		timer_after(1000);
		assert_int_equal(to(ALICE, TX_REVOKED)->cause, TX_REVOKE_TOO_LONG);
	}
	timer_after(1000);
	to(BOB, TX_END_NOTIFY);
	assert_int_equal(m.state, TA_IDLE);
}

static void a_higher_priority_takes_over_and_a_policy_may_forbid_it(void **state)
{
	(void)state;
	alice_transmits(1);
	m.p[BOB].priority = 9;
	m.cfg.preempt = 0;
	hear_with(BOB, TX_REQUEST, 9);
	assert_int_equal(out.n, 1);
	to(BOB, TX_QUEUE_POSITION_INFO);
	m.cfg.preempt = 1;
	hear_with(BOB, TX_REQUEST, 9);
	assert_int_equal(to(ALICE, TX_REVOKED)->cause, TX_REVOKE_PREEMPTED);
	hear(ALICE, TX_END_REQUEST);
	to(BOB, TX_GRANTED);
	/* a class is more than any priority */
	hear_with(ALICE, TX_REQUEST, 5);
	to(ALICE, TX_QUEUE_POSITION_INFO);
	m.p[ALICE].class = 2;
	m.cfg.preempt = 0;
	hear_with(ALICE, TX_REQUEST, 0);
	to(BOB, TX_REVOKED);
	hear(ALICE, TX_REQUEST); /* once is enough */
	to(ALICE, TX_QUEUE_POSITION_INFO);
	assert_int_equal(out.n, 1);
}

static void media_without_permission_is_not_forwarded_and_revoked_until_it_ends(void **state)
{
	(void)state;
	alice_transmits(0);
	media(BOB);
	assert_int_equal(to(BOB, TX_REVOKED)->cause, TX_REVOKE_NO_PERMISSION);
	forwarded(ALICE);
	media(BOB);
	assert_int_equal(out.n, 0);
	hear(BOB, TX_REQUEST);
	assert_int_equal(out.n, 0);
	timer_after(1000);
	to(BOB, TX_REVOKED);
	hear(BOB, TX_END_REQUEST);
	assert_int_equal(out.n, 1);
	to(BOB, TX_END_RESPONSE);
	hear(BOB, TX_REQUEST);
	assert_int_equal(to(BOB, TX_REJECTED)->cause, TX_REJECT_RETRY_AFTER);
	now += 600;
	media(BOB);
	to(BOB, TX_REVOKED);
	timer_after(1000);
	timer_after(1000);
	timer_after(1000); /* it is deaf: nothing more is said until it sends again */
	assert_int_equal(out.n, 0);
	forwarded(ALICE);
}

static void media_on_its_way_when_the_transmission_ended_is_no_intrusion(void **state)
{
	(void)state;
	alice_transmits(0);
	hear(ALICE, TX_END_REQUEST);
	now += 499;
	media(ALICE);
	assert_int_equal(out.n, 0);
	now++;
	media(ALICE);
	to(ALICE, TX_REVOKED);
}

static void who_may_only_receive_or_is_alone_is_rejected(void **state)
{
	(void)state;
	begin(1, TA_NOBODY);
	m.p[ALICE].receive_only = 1;
	hear(ALICE, TX_REQUEST);
	assert_int_equal(to(ALICE, TX_REJECTED)->cause, TX_REJECT_RECEIVE_ONLY);
	hear(BOB, TX_REQUEST);
	assert_int_equal(to(ALICE, TX_NOTIFICATION)->may_request, 0);
	ta_init(&m, &cfg);
	join("sip:alice@x", 1, 1);
	ta_start(&m, TA_NOBODY, now, &out);
	hear(ALICE, TX_REQUEST);
	assert_int_equal(to(ALICE, TX_REJECTED)->cause, TX_REJECT_ALONE);
}

static void idle_is_told_again_with_its_number_and_then_call_control_is_told(void **state)
{
	(void)state;
	begin(0, TA_NOBODY);
	for (int i = 0; i < 9; i++) {
		timer_after(1000);
		assert_int_equal(to(BOB, TX_IDLE)->sequence, 1);
	}
	timer_after(1000);
	assert_int_equal(out.n, 0);
	assert_false(out.inactive);
	timer_after(20000);
	assert_true(out.inactive);
	assert_int_equal(ta_next(&m), INT64_MAX);
}

static void a_state_is_repeated_to_one_whose_messages_may_be_lost(void **state)
{
	(void)state;
	begin(1, TA_NOBODY);
	ta_repeat(&m, BOB, now, &out);
	assert_int_equal(to(BOB, TX_IDLE)->sequence, 1);
	hear(ALICE, TX_REQUEST);
	ta_repeat(&m, ALICE, now, &out);
	to(ALICE, TX_GRANTED);
	assert_int_equal(out.n, 1);
	hear(BOB, TX_REQUEST);
	ta_repeat(&m, BOB, now, &out);
	to(BOB, TX_NOTIFICATION);
	to(BOB, TX_QUEUE_POSITION_INFO);
	m.p[BOB].priority = 9;
	hear_with(BOB, TX_REQUEST, 9);
	ta_repeat(&m, ALICE, now, &out);
	assert_int_equal(to(ALICE, TX_REVOKED)->cause, TX_REVOKE_PREEMPTED);
}

static void after_the_end_nothing_is_said_or_forwarded(void **state)
{
	(void)state;
	alice_transmits(1);
	ta_end(&m);
	assert_int_equal(ta_next(&m), INT64_MAX);
	hear(BOB, TX_REQUEST);
	assert_int_equal(out.n, 0);
	media(ALICE);
	assert_int_equal(out.n, 0);
	ta_repeat(&m, BOB, now, &out);
	assert_int_equal(out.n, 0);
	assert_false(ta_time(&m, now + 100000, &out));
	ta_start(&m, ALICE, now, &out);
	assert_int_equal(out.n, 0);
	forwarded(TA_NOBODY);
	assert_int_equal(join("sip:carol@x", 1, 1), -1);
}

static void a_call_has_room_for_so_many_and_strangers_change_nothing(void **state)
{
	(void)state;
	prepare(0);
	assert_int_equal(join("sip:carol@x", 1, 1), 2);
	assert_int_equal(join("sip:dave@x", 1, 1), 3);
	assert_int_equal(join("sip:eve@x", 1, 1), -1);
	ta_start(&m, TA_NOBODY, now, &out);
	hear(4, TX_REQUEST);
	assert_int_equal(out.n, 0);
	hear(-1, TX_REQUEST);
	assert_int_equal(out.n, 0);
	hear(ALICE, TX_GRANTED); /* what only a server says */
	assert_int_equal(out.n, 0);
	assert_int_equal(m.state, TA_IDLE);
}

/* ---- two clients ---- */

static struct tp client[2];
static unsigned loss; /* per cent */
static uint32_t seed;

static unsigned draw(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void run_client(int who, enum tp_event ev);

/* What the server says reaches the clients, and what they say to it the server, at once or never. */
static void deliver(const struct ta_out *o);

/* NOLINTNEXTLINE(misc-no-recursion): each answer leaves fewer that may follow */
static void carry_out(int who, const struct tx_message *in, const struct tp_out *o)
{
	struct tp_out said = *o; /* its views are into the client's own state */
	struct ta_out answer;
	if (said.ack && draw(100) >= loss) {
		struct tx_message a = tx_ack(in, 1, TX_BY_PARTICIPANT);
		ta_message(&m, who, &a, now, &answer);
		deliver(&answer);
	}
	for (size_t i = 0; i < said.n; i++) {
		if (draw(100) < loss)
			continue;
		ta_message(&m, who, &said.message[i], now, &answer);
		deliver(&answer);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): each answer leaves fewer that may follow */
static void deliver(const struct ta_out *o)
{
	struct ta_out said = *o;
	for (size_t i = 0; i < said.n; i++) {
		struct tp_out reply;
		if (draw(100) < loss)
			continue;
		tp_message(&client[said.send[i].to], &said.send[i].message, now, &reply);
		carry_out(said.send[i].to, &said.send[i].message, &reply);
	}
}

static void run_client(int who, enum tp_event ev)
{
	struct tp_out o;
	tp_step(&client[who], ev, now, &o);
	carry_out(who, NULL, &o);
}

static void tick(void)
{
	enum tp_event ev;
	struct ta_out o;
	now += 50;
	for (int i = 0; i < 2; i++)
		while (tp_due(&client[i], now, &ev))
			run_client(i, ev);
	while (ta_time(&m, now, &o))
		deliver(&o);
	for (int i = 0; i < 2; i++)
		if (tp_may_transmit(&client[i])) {
			ta_media(&m, i, now, &o);
			deliver(&o);
		}
	assert_false(ta_forwards(&m, ALICE) && ta_forwards(&m, BOB));
}

static void two_clients_agree_with_the_server_whatever_was_lost_before(void **state)
{
	(void)state;
	for (uint32_t run = 1; run < 60; run++) {
		seed = run;
		begin((int)draw(2), draw(2) ? ALICE : TA_NOBODY);
		for (int i = 0; i < 2; i++) {
			struct tp_out o;
			tp_init(&client[i], &tp_default);
			tp_step(&client[i], i == ALICE && m.state == TA_TAKEN ? TP_EV_CALL_GRANTED : TP_EV_CALL, now,
				&o);
		}
		loss = 10 + draw(40);
		for (int i = 0; i < 1500; i++) {
			if (draw(20) == 0)
				run_client((int)draw(2), draw(2) ? TP_EV_PRESS : TP_EV_LET_GO);
			tick();
		}
		loss = 0; /* all let go; the network is good again */
		for (int i = 0; i < 2; i++)
			run_client(i, TP_EV_LET_GO);
		for (int i = 0; i < 1000; i++)
			tick();
		for (int i = 0; i < 2; i++) {
			assert_int_equal(client[i].at[0], TP_NO_PERMISSION);
			assert_int_equal(client[i].at[1], TP_NOTHING);
		}
		assert_int_equal(m.state, TA_IDLE);
		run_client(BOB, TP_EV_PRESS);
		assert_true(tp_may_transmit(&client[BOB]));
		assert_int_equal(client[ALICE].at[1], TP_RECEIVES);
		assert_true(ta_forwards(&m, BOB));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_granted_and_the_others_are_notified_whose_media_comes),
	    cmocka_unit_test(media_is_forwarded_only_to_one_who_has_asked_to_receive_it),
	    cmocka_unit_test(a_stream_is_found_by_its_ssrc_where_no_identity_is_named),
	    cmocka_unit_test(nobody_receives_what_nobody_transmits_or_what_is_its_own),
	    cmocka_unit_test(who_only_sends_or_has_streams_enough_may_not_receive),
	    cmocka_unit_test(an_ended_transmission_is_told_to_who_received_it_and_then_it_is_idle),
	    cmocka_unit_test(a_second_transmitter_is_rejected_without_a_queue),
	    cmocka_unit_test(two_transmit_at_once_where_two_are_allowed),
	    cmocka_unit_test(one_in_the_queue_is_granted_when_the_other_ends_and_asked_thrice_to_transmit),
	    cmocka_unit_test(one_in_the_queue_who_ends_leaves_it),
	    cmocka_unit_test(a_notification_is_repeated_until_it_is_acknowledged_or_asked_for),
	    cmocka_unit_test(a_transmission_ends_when_no_media_comes_for_t1),
	    cmocka_unit_test(who_transmits_for_too_long_is_revoked_and_has_to_wait),
	    cmocka_unit_test(who_does_not_end_when_revoked_is_told_thrice_and_loses_it),
	    cmocka_unit_test(a_higher_priority_takes_over_and_a_policy_may_forbid_it),
	    cmocka_unit_test(media_without_permission_is_not_forwarded_and_revoked_until_it_ends),
	    cmocka_unit_test(media_on_its_way_when_the_transmission_ended_is_no_intrusion),
	    cmocka_unit_test(who_may_only_receive_or_is_alone_is_rejected),
	    cmocka_unit_test(idle_is_told_again_with_its_number_and_then_call_control_is_told),
	    cmocka_unit_test(a_state_is_repeated_to_one_whose_messages_may_be_lost),
	    cmocka_unit_test(after_the_end_nothing_is_said_or_forwarded),
	    cmocka_unit_test(a_call_has_room_for_so_many_and_strangers_change_nothing),
	    cmocka_unit_test(two_clients_agree_with_the_server_whatever_was_lost_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

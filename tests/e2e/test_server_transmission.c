/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transmission control at a whole server: MCVideo private calls between two user agents over real TLS and UDP, their
 * control under each one's CSK (seed 000 4.7.2), and every packet that the server must drop without a word
 * (transmission 6 to 8; floor 13; media 3.5).
 */
#include "server_video_lab.h"

#include "e2e/server_control_lab.h"
#include "mcx/floor/transmission_message.h"

enum { CONTROL_SSRC = 0x0a11ce00, LINE = 2, BOTH = PTT | VIDEO };

static struct end a = {.ua = &alice, .own = CONTROL_SSRC, .fd = -1, .service = MCX_MCVIDEO},
		  b = {.ua = &bob, .own = CONTROL_SSRC + 1, .fd = -1, .service = MCX_MCVIDEO};

static void open_end(struct end *e, int number, const char *parameters)
{
	open_socket(e);
	snprintf(e->line, sizeof e->line,
		 "m=application %u udp MCVideo\r\na=fmtp:MCVideo "
		 "%smc_audio_ssrc=%d;mc_video_ssrc=%d;mc_transmission_ssrc=%u\r\n",
		 e->port, parameters, 70 + number, 80 + number, e->own);
	describe(e->ua, number, 1, e->line);
	use_first_csk(e);
}

static void begin_call(const char *caller, const char *callee)
{
	struct sdp_control c;
	video_begin(BOTH, BOTH);
	open_end(&a, 0, caller);
	open_end(&b, 1, callee);
	assert_int_equal(CALL(0), 200);
	wait_until(&bob.acks, 1);
	take_line(&a, LINE, &c);
	take_line(&b, LINE, &c);
}

/* ---- messages ---- */

static struct octets made(struct end *e, struct tx_message m, uint8_t *out)
{
	uint8_t plain[ROOM];
	struct writer w = wr_init(plain, sizeof plain);
	m.ssrc = m.ssrc ? m.ssrc : e->own;
	assert_int_equal(tx_message_write(&w, &m), MCSEC_OK);
	return seal(e, wr_result(&w), out);
}

static struct octets say_message(struct end *e, struct tx_message m)
{
	static uint8_t raw[ROOM];
	struct octets p = made(e, m, raw);
	put(e, p);
	return p;
}

static void say(struct end *e, uint8_t type)
{
	say_message(e, (struct tx_message){.type = type});
}

static void say_about(struct end *e, uint8_t type, const struct ua *whom)
{
	say_message(e, (struct tx_message){.type = type,
					   .has = TX_HAS(TX_F_TRANSMITTING_ID),
					   .transmitting_id = octets_of(whom->mcptt_id)});
}

static struct tx_message hear(struct end *e, uint8_t *raw, size_t *len)
{
	struct tx_message m;
	assert_int_equal(tx_message_read(hear_packet(e, raw, len), &m, NULL), APP_READ_OK);
	return m;
}

/* What comes until a message of that type does. */
static struct tx_message hear_of(struct end *e, uint8_t type)
{
	uint8_t raw[ROOM];
	size_t len;
	struct tx_message m;
	do
		m = hear(e, raw, &len);
	while (m.type != type);
	return m;
}

/* Nobody transmits: a request of Bob's is granted at once. */
static void nobody_transmits(void)
{
	say(&b, TX_REQUEST);
	hear_of(&b, TX_GRANTED);
	say(&b, TX_END_REQUEST);
	hear_of(&b, TX_END_RESPONSE);
	hear_of(&b, TX_IDLE);
}

static const char *picture_of_alice_at_bob(const char *picture)
{
	return crosses(sockets[0], port_of(alice.sdp, "m=video "), sockets[1], picture);
}

/* ---- the call ---- */

static void a_video_call_is_under_transmission_control_and_a_second_sender_is_refused(void **state)
{
	(void)state;
	struct sdp_control c;
	begin_call("mc_queueing;mc_granted;mc_implicit_request;", "");
	take_line(&a, LINE, &c);
	assert_true(c.granted && c.queueing && c.has_ssrc && c.has_video_ssrc);
	assert_int_equal(c.ssrc * 100 + c.video_ssrc, 71 * 100 + 81); /* Bob's */
	assert_int_equal(c.floor_ssrc >> 31, 1);                      /* of the server's half */
	assert_int_not_equal(a.server_ssrc, b.server_ssrc);
	hear_of(&a, TX_GRANTED);
	struct tx_message n = hear_of(&b, TX_NOTIFICATION);
	assert_true(octets_equal(n.transmitting_id, octets_of(alice.mcptt_id)));
	assert_int_equal(n.audio_ssrc * 100 + n.video_ssrc, 70 * 100 + 80);
	say(&b, TX_REQUEST);
	assert_int_equal(hear_of(&b, TX_REJECTED).cause, TX_REJECT_LIMIT);
	say_about(&b, TX_RECEIVE_REQUEST, &alice);
	assert_int_equal(hear_of(&b, TX_RECEIVE_RESPONSE).result, TX_ACCEPTED);
	assert_true(octets_equal(hear_of(&a, TX_RECEPTION_NOTIFICATION).user_id, octets_of(bob.mcptt_id)));
	assert_string_equal(picture_of_alice_at_bob("a picture"), "a picture");
	say_about(&a, TX_END_REQUEST, &alice);
	hear_of(&a, TX_END_RESPONSE);
	assert_true(octets_equal(hear_of(&b, TX_END_NOTIFY).transmitting_id, octets_of(alice.mcptt_id)));
	hear_of(&b, TX_IDLE);
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
}

static void pictures_cross_only_with_permission_and_to_one_who_has_asked(void **state)
{
	(void)state;
	begin_call("", "");
	say(&a, TX_REQUEST);
	hear_of(&a, TX_GRANTED);
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port_of(alice.sdp, "m=video ")),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct relay_stats s, before;
	relay_stats(bed.server->relay, &before);
	assert_true(sendto(sockets[0], "too early", 9, 0, (struct sockaddr *)&at, sizeof at) > 0);
	do {
		pump(5);
		relay_stats(bed.server->relay, &s);
	} while (s.dropped_gate == before.dropped_gate);
	say_about(&b, TX_RECEIVE_REQUEST, &alice);
	hear_of(&b, TX_RECEIVE_RESPONSE);
	/* what came before was held back: the first to arrive is this one */
	assert_string_equal(picture_of_alice_at_bob("in time"), "in time");
	at.sin_port = htons(port_of(bob.sdp, "m=video "));
	assert_true(sendto(sockets[1], "not allowed", 11, 0, (struct sockaddr *)&at, sizeof at) > 0);
	assert_int_equal(hear_of(&b, TX_REVOKED).cause, TX_REVOKE_NO_PERMISSION);
	say(&b, TX_END_REQUEST);
	hear_of(&b, TX_END_RESPONSE);
	assert_int_equal(recv(sockets[0], (char[20]){0}, 20, MSG_DONTWAIT), -1);
	assert_string_equal(picture_of_alice_at_bob("and on"), "and on");
}

static void one_who_queues_waits_and_is_granted(void **state)
{
	(void)state;
	begin_call("mc_queueing;mc_implicit_request;", "mc_queueing;");
	hear_of(&a, TX_GRANTED);
	say(&b, TX_REQUEST);
	assert_int_equal(hear_of(&b, TX_QUEUE_POSITION_INFO).queue_position, 1);
	say(&a, TX_END_REQUEST);
	hear_of(&b, TX_GRANTED);
	struct tx_message n = hear_of(&a, TX_NOTIFICATION);
	assert_true(octets_equal(n.transmitting_id, octets_of(bob.mcptt_id)));
	/* it is repeated until it is acknowledged: Message Name and Type say what */
	struct tx_message ack = tx_ack(&n, 0, TX_BY_PARTICIPANT);
	int64_t taken = count(M_CONTROL_TAKEN);
	say_message(&a, ack);
	wait_taken(taken);
	/* and the server acknowledges what asks for it */
	say_message(&b, (struct tx_message){.type = TX_END_REQUEST, .ack = 1});
	struct tx_message got = hear_of(&b, TX_ACK);
	assert_true(tx_acknowledges(&got, TX_END_REQUEST));
	hear_of(&b, TX_END_RESPONSE);
}

static void the_capture_says_nothing_and_opens_under_the_csk_as_mcvideos(void **state)
{
	(void)state;
	uint8_t raw[ROOM], out[ROOM];
	size_t len;
	uint32_t id;
	begin_call("mc_implicit_request;", "");
	struct tx_message m = hear(&b, raw, &len);
	assert_int_equal(m.type, TX_NOTIFICATION); /* in clear only behind the key */
	struct reader r = rd_init((struct octets){raw + len - 4, 4});
	assert_int_equal(rd_u32(&r), bob.csk_id);
	assert_null(memmem(raw, len, "MCV", 3));
	assert_null(memmem(raw, len, "sip:", 4));
	/* the same key as MCPTT's is another (CS-ID 6, 8) */
	struct end mcptt = b;
	mcptt.service = MCX_MCPTT;
	mcptt.csk = NULL;
	use_first_csk(&mcptt);
	assert_int_equal(csk_control_unprotect(mcptt.csk, b.own, b.server_ssrc, (struct octets){raw, len}, out,
					       sizeof out, &len, &id),
			 SRTP_AUTH);
	csk_control_free(mcptt.csk);
}

/* ---- what is dropped ---- */

static void a_reflected_transmission_message_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	begin_call("", "");
	(void)hear(&a, raw, &len);
	is_dropped(&a, (struct octets){raw, len});
	nobody_transmits();
}

static void a_replayed_transmission_request_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin_call("", "");
	struct octets request = made(&a, (struct tx_message){.type = TX_REQUEST}, raw);
	put(&a, request);
	hear_of(&a, TX_GRANTED);
	say(&a, TX_END_REQUEST);
	hear_of(&a, TX_END_RESPONSE);
	is_dropped(&a, request);
	nobody_transmits();
}

static void a_transmission_request_under_a_foreign_key_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin_call("", "");
	const struct tx_message request = {.type = TX_REQUEST, .ssrc = a.own};
	is_dropped(&a, made(&b, request, raw)); /* Bob's, on Alice's leg */
	struct csk_control *own = a.csk;
	a.csk = forged_csk(&a);
	is_dropped(&a, made(&a, request, raw));
	csk_control_free(a.csk);
	a.csk = NULL;
	a.service = MCX_MCPTT; /* her own, as MCPTT's */
	use_first_csk(&a);
	is_dropped(&a, made(&a, request, raw));
	csk_control_free(a.csk);
	a.service = MCX_MCVIDEO;
	a.csk = own;
	nobody_transmits();
}

static void a_transmission_request_of_an_ssrc_that_was_not_announced_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin_call("", "");
	is_dropped(&a, made(&a, (struct tx_message){.type = TX_REQUEST, .ssrc = a.own + 5}, raw));
	nobody_transmits();
}

static void a_transmission_request_in_clear_is_dropped(void **state)
{
	(void)state;
	static const uint8_t clear[] = {0x80, 204, 0, 2, 0x0a, 0x11, 0xce, 0x00, 'M', 'C', 'V', '0'};
	uint8_t raw[ROOM];
	begin_call("", "");
	is_dropped(&a, OCTETS(clear));
	struct octets p = made(&a, (struct tx_message){.type = TX_REQUEST}, raw);
	is_dropped(&a, (struct octets){p.p, p.len - 1});
	raw[p.len - 8] &= 0x7f; /* E = 0 */
	is_dropped(&a, p);
	nobody_transmits();
}

static void a_transmission_request_in_the_name_of_somebody_else_changes_nothing(void **state)
{
	(void)state;
	begin_call("", "");
	int64_t taken = count(M_CONTROL_TAKEN);
	say_message(&a, (struct tx_message){
			    .type = TX_REQUEST, .has = TX_HAS(TX_F_USER_ID), .user_id = octets_of(bob.mcptt_id)});
	wait_taken(taken);
	nobody_transmits();
	say_message(&a, (struct tx_message){
			    .type = TX_REQUEST, .has = TX_HAS(TX_F_USER_ID), .user_id = octets_of(alice.mcptt_id)});
	hear_of(&a, TX_GRANTED);
	taken = count(M_CONTROL_TAKEN);
	say_about(&a, TX_END_REQUEST, &bob); /* nor does she end what is not hers */
	wait_taken(taken);
	say(&b, TX_REQUEST);
	assert_int_equal(hear_of(&b, TX_REJECTED).cause, TX_REJECT_LIMIT);
}

static void after_a_new_csk_the_server_sends_under_it_and_the_old_one_opens_for_the_grace(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	bed.cfg.csk_grace_s = 32;
	begin_call("", "");
	hear_of(&a, TX_IDLE);
	struct octets late = made(&a, (struct tx_message){.type = TX_REQUEST}, raw);
	authorise_with(&alice, BOTH, -3);
	use_csk(&a);
	put(&a, late);
	hear_of(&a, TX_GRANTED);
	say(&a, TX_END_REQUEST);
	struct tx_message m;
	do
		m = hear(&a, raw, &len);
	while (m.type != TX_END_RESPONSE);
	struct reader r = rd_init((struct octets){raw + len - 4, 4});
	assert_int_equal(rd_u32(&r), alice.csk_id);
}

/* ---- descriptions ---- */

static void a_line_of_mcvideo_without_an_ssrc_is_refused_and_the_call_goes_on(void **state)
{
	(void)state;
	struct sdp_control c;
	video_begin(BOTH, BOTH);
	open_end(&a, 0, "");
	open_end(&b, 1, "");
	describe(&alice, 0, 1, "m=application 6000 udp MCVideo\r\na=fmtp:MCVideo mc_queueing\r\n");
	assert_int_equal(CALL(0), 200);
	take_line(&b, LINE, &c);
	assert_int_equal(c.port, 0);
	assert_string_equal(picture_of_alice_at_bob("a picture"), "a picture");
}

static void a_callee_that_refuses_the_line_of_mcvideo_leaves_a_call_without_control(void **state)
{
	(void)state;
	struct sdp_control c;
	video_begin(BOTH, BOTH);
	open_end(&a, 0, "");
	describe(&bob, 1, 1, "m=application 0 udp MCVideo\r\n");
	assert_int_equal(CALL(0), 200);
	take_line(&a, LINE, &c);
	assert_int_equal(c.port, 0);
	assert_string_equal(picture_of_alice_at_bob("a picture"), "a picture");
}

static int set_up_transmission(void **state)
{
	int rc = set_up_video(state);
	bed.cfg.transmission_control = 1;
	return rc;
}

static int tear_down_transmission(void **state)
{
	close_end(&a);
	close_end(&b);
	return tear_down_video(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_video_call_is_under_transmission_control_and_a_second_sender_is_refused),
	    cmocka_unit_test(pictures_cross_only_with_permission_and_to_one_who_has_asked),
	    cmocka_unit_test(one_who_queues_waits_and_is_granted),
	    cmocka_unit_test(the_capture_says_nothing_and_opens_under_the_csk_as_mcvideos),
	    cmocka_unit_test(a_reflected_transmission_message_is_dropped),
	    cmocka_unit_test(a_replayed_transmission_request_is_dropped),
	    cmocka_unit_test(a_transmission_request_under_a_foreign_key_is_dropped),
	    cmocka_unit_test(a_transmission_request_of_an_ssrc_that_was_not_announced_is_dropped),
	    cmocka_unit_test(a_transmission_request_in_clear_is_dropped),
	    cmocka_unit_test(a_transmission_request_in_the_name_of_somebody_else_changes_nothing),
	    cmocka_unit_test(after_a_new_csk_the_server_sends_under_it_and_the_old_one_opens_for_the_grace),
	    cmocka_unit_test(a_line_of_mcvideo_without_an_ssrc_is_refused_and_the_call_goes_on),
	    cmocka_unit_test(a_callee_that_refuses_the_line_of_mcvideo_leaves_a_call_without_control),
	};
	return cmocka_run_group_tests_name("server_transmission", tests, set_up_transmission, tear_down_transmission);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control signalling at a whole server: floor control of a private call between two user agents over real TLS and UDP,
 * and every packet that the server must drop without a word (floor 13, media 3.5; testcases 21).
 */
#include "e2e/server_control_lab.h"

#include "mcx/floor/floor_message.h"

enum { CONTROL_SSRC = 0x0a11ce00, MEDIA_SSRC = 77 };

static struct ua alice, bob;
static struct end a = {.ua = &alice, .own = CONTROL_SSRC, .fd = -1},
		  b = {.ua = &bob, .own = CONTROL_SSRC + 1, .fd = -1};

static void open_end(struct end *e, const char *parameters)
{
	open_socket(e);
	snprintf(e->line, sizeof e->line,
		 "m=application %u udp MCPTT\r\na=fmtp:MCPTT %smc_ssrc=%u;mc_floor_ssrc=%u\r\n", e->port, parameters,
		 MEDIA_SSRC, e->own);
	e->ua->control_line = e->line;
}

static void registered(struct end *e)
{
	/* Older than the next one: of two with equal T the larger CSK-ID would win (flows 0.4). */
	assert_int_equal(ua_register(e->ua, &(struct reg){.expires = -1, .age = 10}), 200);
	use_first_csk(e);
}

static void begin(const char *caller, const char *callee)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	bed_start();
	alice.answer = bob.answer = 200;
	bob.acks = alice.byes = bob.byes = 0;
	open_end(&a, caller);
	open_end(&b, callee);
	registered(&a);
	registered(&b);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
}

static void call_is_up(void)
{
	struct sdp_control c;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	take_line(&a, 1, &c);
	take_line(&b, 1, &c);
}

/* ---- packets ---- */

static struct octets made(struct end *e, uint32_t ssrc, uint8_t type, const char *user, uint8_t *out)
{
	uint8_t plain[ROOM];
	struct floor_message m = {.type = type, .ssrc = ssrc, .ack = type == FLOOR_RELEASE};
	if (user) {
		m.has = FLOOR_HAS(FLOOR_F_USER_ID);
		m.user_id = octets_of(user);
	}
	struct writer w = wr_init(plain, sizeof plain);
	assert_int_equal(floor_message_write(&w, &m), MCSEC_OK);
	return seal(e, wr_result(&w), out);
}

static struct octets say(struct end *e, uint8_t type, uint8_t *out)
{
	struct octets p = made(e, e->own, type, NULL, out);
	put(e, p);
	return p;
}

/* The next message of the server's to that end; *raw receives its packet. */
static struct floor_message hear(struct end *e, uint8_t *raw, size_t *raw_len)
{
	struct floor_message m;
	assert_int_equal(floor_message_read(hear_packet(e, raw, raw_len), &m), APP_READ_OK);
	return m;
}

/* What comes until a message of that type does. */
static struct floor_message hear_of(struct end *e, uint8_t type)
{
	uint8_t raw[ROOM];
	size_t len;
	struct floor_message m;
	do
		m = hear(e, raw, &len);
	while (m.type != type);
	return m;
}

/* Nobody has the floor: a request of Bob's is granted at once. */
static void floor_is_idle(void)
{
	uint8_t raw[ROOM];
	say(&b, FLOOR_REQUEST, raw);
	hear_of(&b, FLOOR_GRANTED);
	say(&b, FLOOR_RELEASE, raw);
	assert_int_equal(hear_of(&b, FLOOR_ACK).acked, FLOOR_RELEASE);
	hear_of(&b, FLOOR_IDLE);
}

/* ---- */

static void a_call_with_the_control_line_has_a_floor_that_is_granted_taken_and_idle(void **state)
{
	(void)state;
	struct sdp_control c;
	uint8_t raw[ROOM];
	begin("mc_queueing;mc_granted;mc_implicit_request;", "mc_queueing;");
	call_is_up();
	take_line(&a, 1, &c);
	assert_true(c.granted && c.queueing && c.has_ssrc && c.ssrc == MEDIA_SSRC);
	assert_int_equal(c.floor_ssrc >> 31, 1); /* of the server's half */
	take_line(&b, 1, &c);
	assert_false(c.granted || c.implicit);
	assert_int_not_equal(a.server_ssrc, b.server_ssrc);
	hear_of(&a, FLOOR_GRANTED);
	struct floor_message taken = hear_of(&b, FLOOR_TAKEN);
	assert_true(octets_equal(taken.granted_id, octets_of(alice.mcptt_id)));
	assert_int_equal(taken.granted_ssrc, MEDIA_SSRC);
	say(&b, FLOOR_REQUEST, raw);
	assert_int_equal(hear_of(&b, FLOOR_QUEUE_POSITION_INFO).queue_position, 1);
	say(&a, FLOOR_RELEASE, raw);
	hear_of(&b, FLOOR_GRANTED);
	assert_true(octets_equal(hear_of(&a, FLOOR_TAKEN).granted_id, octets_of(bob.mcptt_id)));
	say(&b, FLOOR_RELEASE, raw);
	hear_of(&a, FLOOR_IDLE);
	assert_int_equal(ua_bye(&alice), 200);
}

static void control_packets_carry_the_csk_id_as_mki_and_nothing_in_clear(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	begin("", "");
	call_is_up();
	(void)hear(&b, raw, &len);
	struct reader r = rd_init((struct octets){raw + len - 4, 4});
	assert_int_equal(rd_u32(&r), bob.csk_id);
	assert_null(memmem(raw, len, "MCPT", 4));
	assert_null(memmem(raw, len, "sip:", 4));
}

static void mcx_sec_305_a_reflected_packet_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	begin("", "");
	call_is_up();
	(void)hear(&a, raw, &len);
	is_dropped(&a, (struct octets){raw, len});
	floor_is_idle();
}

static void a_replayed_packet_is_dropped(void **state)
{
	(void)state;
	uint8_t first[ROOM], raw[ROOM];
	begin("", "");
	call_is_up();
	struct octets request = say(&a, FLOOR_REQUEST, first);
	hear_of(&a, FLOOR_GRANTED);
	say(&a, FLOOR_RELEASE, raw);
	hear_of(&a, FLOOR_IDLE);
	is_dropped(&a, request);
	floor_is_idle();
}

static void a_packet_under_a_foreign_key_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin("", "");
	call_is_up();
	is_dropped(&a, made(&b, a.own, FLOOR_REQUEST, NULL, raw)); /* Bob's, on Alice's leg */
	struct csk_control *own = a.csk;
	a.csk = forged_csk(&a);
	is_dropped(&a, made(&a, a.own, FLOOR_REQUEST, NULL, raw));
	csk_control_free(a.csk);
	a.csk = own;
	floor_is_idle();
}

static void an_ssrc_that_was_not_announced_is_dropped(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin("", "");
	call_is_up();
	is_dropped(&a, made(&a, a.own + 5, FLOOR_REQUEST, NULL, raw));
	floor_is_idle();
}

static void clear_rtcp_and_short_packets_are_dropped(void **state)
{
	(void)state;
	static const uint8_t clear[] = {0x80, 204, 0, 2, 0x0a, 0x11, 0xce, 0x00, 'M', 'C', 'P', 'T'};
	uint8_t raw[ROOM];
	begin("", "");
	call_is_up();
	is_dropped(&a, OCTETS(clear));
	struct octets p = made(&a, a.own, FLOOR_REQUEST, NULL, raw);
	is_dropped(&a, (struct octets){p.p, p.len - 1});
	is_dropped(&a, (struct octets){p.p, 3});
	raw[p.len - 8] &= 0x7f; /* E = 0 */
	is_dropped(&a, p);
	floor_is_idle();
}

static void mcx_sec_311_a_request_in_the_name_of_somebody_else_changes_nothing(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	begin("", "");
	call_is_up();
	int64_t taken = count(M_CONTROL_TAKEN);
	put(&a, made(&a, a.own, FLOOR_REQUEST, bob.mcptt_id, raw));
	wait_taken(taken);
	floor_is_idle();
	put(&a, made(&a, a.own, FLOOR_REQUEST, alice.mcptt_id, raw));
	hear_of(&a, FLOOR_GRANTED);
}

/* Alice uploads another CSK in the call; the server then sends under it. */
static void alice_has_a_new_csk(void)
{
	struct csk_control *old = a.csk;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	use_csk(&a);
	csk_control_send_with(old, alice.csk_id);
}

static void the_old_csk_opens_for_the_grace_and_the_server_sends_under_the_new_one(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	bed.cfg.csk_grace_s = 32;
	begin("", "");
	call_is_up();
	hear_of(&a, FLOOR_IDLE);
	struct octets late = made(&a, a.own, FLOOR_REQUEST, NULL, raw);
	alice_has_a_new_csk();
	put(&a, late);
	hear_of(&a, FLOOR_GRANTED);
	say(&a, FLOOR_RELEASE, raw);
	struct floor_message m;
	do
		m = hear(&a, raw, &len);
	while (m.type != FLOOR_IDLE);
	struct reader r = rd_init((struct octets){raw + len - 4, 4});
	assert_int_equal(rd_u32(&r), alice.csk_id);
}

static void with_a_grace_of_0_the_old_csk_is_refused_at_once(void **state)
{
	(void)state;
	uint8_t raw[ROOM], again[ROOM];
	bed.cfg.csk_grace_s = 0;
	begin("", "");
	call_is_up();
	struct octets late = made(&a, a.own, FLOOR_REQUEST, NULL, raw);
	alice_has_a_new_csk();
	is_dropped(&a, late);
	bed.cfg.csk_grace_s = 32;
	say(&a, FLOOR_REQUEST, again);
	hear_of(&a, FLOOR_GRANTED);
}

static void a_control_line_without_an_ssrc_is_refused_and_the_call_goes_on(void **state)
{
	(void)state;
	struct sdp_control c;
	begin("", "");
	snprintf(a.line, sizeof a.line, "m=application %u udp MCPTT\r\na=fmtp:MCPTT mc_queueing\r\n", a.port);
	call_is_up();
	take_line(&b, 1, &c);
	assert_int_equal(c.port, 0);
}

static void a_callee_that_refuses_the_line_leaves_a_call_without_floor_control(void **state)
{
	(void)state;
	struct sdp_control c;
	begin("", "");
	snprintf(b.line, sizeof b.line, "m=application 0 udp MCPTT\r\n");
	call_is_up();
	take_line(&a, 1, &c);
	assert_int_equal(c.port, 0);
}

static void a_callee_that_answers_without_an_ssrc_ends_the_call(void **state)
{
	(void)state;
	begin("", "");
	snprintf(b.line, sizeof b.line, "m=application %u udp MCPTT\r\n", b.port);
	assert_int_not_equal(ua_invite(&alice, &(struct inv){0}), 200);
}

static void where_floor_control_is_off_the_line_is_refused(void **state)
{
	(void)state;
	struct sdp_control c;
	bed.cfg.floor_control = 0;
	begin("", "");
	call_is_up();
	bed.cfg.floor_control = 1;
	take_line(&b, 1, &c);
	assert_int_equal(c.port, 0);
}

static void mcx_sec_304_indices_under_a_csk_go_on_behind_those_of_a_server_that_is_no_more(void **state)
{
	(void)state;
	uint8_t raw[ROOM];
	size_t len;
	uint32_t last[2];
	begin("", "");
	for (int i = 0; i < 2; i++) {
		open_end(&a, "");
		open_end(&b, "");
		bob.acks = 0;
		call_is_up();
		(void)hear(&b, raw, &len);
		struct reader r = rd_init((struct octets){raw + len - 8, 4});
		last[i] = rd_u32(&r) & INT32_MAX;
		if (i)
			break;
		bed_stop();
		bed_start();
		ua_reconnect(&alice);
		ua_reconnect(&bob);
		assert_int_equal(ua_options(&alice), 200);
		assert_int_equal(ua_options(&bob), 200);
	}
	assert_true(last[1] > last[0] + DB_INDICES / 2);
}

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	bed.cfg.floor_control = 1;
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_end(&a);
	close_end(&b);
	if (bed.server)
		bed_stop();
	ua_close(&alice);
	ua_close(&bob);
	bed_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_with_the_control_line_has_a_floor_that_is_granted_taken_and_idle),
	    cmocka_unit_test(control_packets_carry_the_csk_id_as_mki_and_nothing_in_clear),
	    cmocka_unit_test(mcx_sec_305_a_reflected_packet_is_dropped),
	    cmocka_unit_test(a_replayed_packet_is_dropped),
	    cmocka_unit_test(a_packet_under_a_foreign_key_is_dropped),
	    cmocka_unit_test(an_ssrc_that_was_not_announced_is_dropped),
	    cmocka_unit_test(clear_rtcp_and_short_packets_are_dropped),
	    cmocka_unit_test(mcx_sec_311_a_request_in_the_name_of_somebody_else_changes_nothing),
	    cmocka_unit_test(the_old_csk_opens_for_the_grace_and_the_server_sends_under_the_new_one),
	    cmocka_unit_test(with_a_grace_of_0_the_old_csk_is_refused_at_once),
	    cmocka_unit_test(a_control_line_without_an_ssrc_is_refused_and_the_call_goes_on),
	    cmocka_unit_test(a_callee_that_refuses_the_line_leaves_a_call_without_floor_control),
	    cmocka_unit_test(a_callee_that_answers_without_an_ssrc_ends_the_call),
	    cmocka_unit_test(where_floor_control_is_off_the_line_is_refused),
	    cmocka_unit_test(mcx_sec_304_indices_under_a_csk_go_on_behind_those_of_a_server_that_is_no_more),
	};
	return cmocka_run_group_tests_name("server_control", tests, set_up, tear_down);
}

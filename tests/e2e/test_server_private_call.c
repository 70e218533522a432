/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_private_call.c - private calls through a whole server: what crosses it, and one test for each refusal
 * (flows 3.2, sip 5, 6).
 */
#include "server_call_lab.h"

static void refused(const struct inv *i, int status, int warning)
{
	assert_int_equal(ua_invite(&alice, i), status);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(bob.invites, 0);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
}

static uint16_t port_in(const char *sdp)
{
	const char *m = strstr(sdp, "m=audio ");
	assert_non_null(m);
	return (uint16_t)atoi(m + 8);
}

static void send_to(const struct ua *u, uint16_t port, const char *packet)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(sendto(u->media, packet, strlen(packet), 0, (struct sockaddr *)&a, sizeof a) > 0);
}

/* How long silence is waited for, and what must come on a machine under load. */
enum { SILENCE_MS = 300, PATIENCE_MS = 20000 };

static const char *received_within(const struct ua *u, int ms)
{
	static char buf[100];
	struct pollfd p = {u->media, POLLIN, 0};
	buf[0] = 0;
	if (poll(&p, 1, ms) == 1) {
		ssize_t n = recv(u->media, buf, sizeof buf - 1, 0);
		buf[n > 0 ? n : 0] = 0;
	}
	return buf;
}

static const char *received(const struct ua *u)
{
	return received_within(u, PATIENCE_MS);
}

/* ---- the call ---- */

static void the_key_line_and_unknown_lines_cross_octet_for_octet(void **state)
{
	(void)state;
	begin();
	call_is_up();
	char line[4300];
	snprintf(line, sizeof line, "\r\na=key-mgmt:mikey %s\r\na=x-unknown: kept  as it is \r\n", last_key_mgmt);
	assert_non_null(strstr(bob.sdp, line));
	assert_non_null(strstr(bob.sdp, "\r\na=x-media-level\r\n"));
	assert_non_null(strstr(alice.sdp, "\r\na=answered-by:bob\r\n"));
	assert_null(strstr(alice.sdp, "key-mgmt"));
	assert_non_null(strstr(bob.sdp, "RTP/SAVP 97"));
	assert_int_equal(ua_bye(&alice), 200);
}

static void who_calls_comes_from_the_binding_and_who_answered_reaches_the_caller(void **state)
{
	(void)state;
	begin();
	call_is_up();
	assert_string_equal(bob.calling_user, alice.mcptt_id);
	assert_string_equal(bob.called_party, bob.mcptt_id);
	assert_string_equal(bob.asserted, "<" PSI ">");
	assert_string_equal(bob.answer_mode, "Auto");
	assert_string_equal(alice.called_party, bob.mcptt_id);
	assert_int_equal(ua_bye(&alice), 200);
}

static void media_flows_through_the_relay_both_ways_and_stops_with_the_call(void **state)
{
	(void)state;
	begin();
	call_is_up();
	uint16_t a = port_in(alice.sdp), b = port_in(bob.sdp);
	assert_true(a != b && a != bob.media_port && b != alice.media_port);
	send_to(&alice, a, "from alice");
	assert_string_equal(received(&bob), "from alice");
	send_to(&bob, b, "from bob");
	assert_string_equal(received(&alice), "from bob");
	send_to(&eve, a, "from eve");
	assert_string_equal(received_within(&bob, SILENCE_MS), "");
	assert_int_equal(ua_bye(&alice), 200);
	wait_until(&bob.byes, 1);
	assert_int_equal(bob.byes, 1);
	send_to(&alice, a, "late");
	assert_string_equal(received_within(&bob, SILENCE_MS), "");
	calls_in_db(0);
}

static void the_callee_may_hang_up_too(void **state)
{
	(void)state;
	begin();
	call_is_up();
	assert_int_equal(ua_bye(&bob), 200);
	wait_until(&alice.byes, 1);
	assert_int_equal(alice.byes, 1);
	calls_in_db(0);
}

static void a_call_is_on_record_with_its_key_id_and_never_a_key(void **state)
{
	(void)state;
	begin();
	call_is_up();
	calls_in_db(1);
	uint8_t msg[MCSEC_IM_MAX];
	size_t len;
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	assert_int_equal(base64_decode(last_key_mgmt, strlen(last_key_mgmt), msg, sizeof msg, &len), MCSEC_OK);
	assert_int_equal(mcsec_im_peek(msg, len, &peek, &fault), MCSEC_OK);
	char sql[120];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM calls WHERE pck_id=%u", peek.csb_id);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
	bed_stop();
	char *text = bed_audit_text(), id[32];
	assert_non_null(strstr(text, "call.start"));
	assert_non_null(strstr(text, "call.end"));
	snprintf(id, sizeof id, "%08x", peek.csb_id);
	if (!strcasestr(text, id)) {
		snprintf(id, sizeof id, "%u", peek.csb_id);
		assert_non_null(strstr(text, id));
	}
	free(text);
	struct audit_finding f;
	assert_int_equal(audit_verify(bed.cfg.database, NULL, &f), 0);
}

static void a_reinvite_crosses_with_both_copies_rewritten(void **state)
{
	(void)state;
	begin();
	call_is_up();
	uint16_t a = port_in(alice.sdp), b = port_in(bob.sdp);
	char sdp[600];
	snprintf(sdp, sizeof sdp,
		 "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=key-mgmt:mikey AQID\r\n"
		 "m=audio %u RTP/SAVP 97\r\na=rtpmap:97 opus/48000/2\r\na=sendonly\r\n",
		 alice.media_port);
	struct sip_request rq = {.method = "INVITE", .with = {.content_type = TYPE_SDP, .body = octets_of(sdp)}};
	alice.status = 0;
	assert_non_null(sip_dialog_send(alice.dialog, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	assert_int_equal(alice.status, 200);
	assert_int_equal(bob.reinvites, 1);
	assert_non_null(strstr(bob.sdp, "a=sendonly"));
	assert_non_null(strstr(bob.sdp, "a=key-mgmt:mikey AQID\r\n"));
	assert_int_equal(port_in(bob.sdp), b); /* the same relay ports */
	assert_int_equal(port_in(alice.sdp), a);
	send_to(&alice, a, "still there");
	assert_string_equal(received(&bob), "still there");
	assert_int_equal(ua_bye(&alice), 200);
}

/* ---- refusals ---- */

static void an_unknown_callee_is_404_without_warning(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.target = "sip:nobody@" ZONE}, 404, 0);
}

static void an_unregistered_callee_is_404_without_warning(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
	refused(&(struct inv){0}, 404, 0);
	/* In a domain that is none of ours there is no controlling function. */
	refused(&(struct inv){.target = "sip:bob@elsewhere.test"}, 404, 142);
}

static void an_unregistered_caller_is_404_141(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
	refused(&(struct inv){0}, 404, 141);
}

static void a_registered_user_cannot_call_as_another(void **state)
{
	(void)state;
	begin();
	/* Bob is registered; Alice's connection proves Alice alone, whatever the headers say. */
	refused(&(struct inv){.from = bob.impu, .target = "sip:bob@mcptt." ZONE}, 404, 141);
	refused(&(struct inv){.preferred = bob.impu}, 404, 141);
	/* An asserted identity counts from trusted neighbours only: ignored, the call goes out as Alice. */
	assert_int_equal(ua_invite(&alice, &(struct inv){.asserted = bob.impu}), 200);
	assert_string_equal(bob.calling_user, alice.mcptt_id);
	assert_int_equal(ua_bye(&alice), 200);
}

static void somebody_with_a_certificate_but_no_binding_cannot_call(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_invite(&eve, &(struct inv){0}), 404);
	assert_int_equal(eve.warning, 141);
	assert_int_equal(bob.invites, 0);
}

static void an_asserted_identity_counts_from_a_trusted_neighbour_alone(void **state)
{
	(void)state;
	begin();
	/* Plain TCP proves nobody. */
	refused(&(struct inv){.plain = 1, .asserted = alice.impu}, 404, 141);
	bed.cfg.trusted.n = 1;
	strcpy(bed.cfg.trusted.item[0], "127.0.0.1");
	begin();
	assert_int_equal(
	    ua_invite(&alice, &(struct inv){.plain = 1, .from = "sip:anonymous@" ZONE, .asserted = alice.impu}), 200);
	assert_string_equal(bob.calling_user, alice.mcptt_id);
	wait_until(&bob.acks, 1);
	assert_int_equal(ua_bye(&alice), 200);
	bob.invites = 0;
	calls_in_db(0);
	refused(&(struct inv){.plain = 1}, 404, 141);
	refused(&(struct inv){.plain = 1, .asserted = "sip:nobody@" ZONE}, 404, 141);
	refused(&(struct inv){.plain = 1, .asserted = alice.impu, .assert_twice = 1}, 404, 141);
	bed.cfg.trusted.n = 0;
}

static void mcx_sec_158_the_client_id_of_another_device_is_403_140(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.client = "urn:uuid:tablet"}, 403, 140);
}

static void not_exactly_one_target_is_403_145(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.second_target = "sip:carol@mcptt." ZONE}, 403, 145);
	refused(&(struct inv){.no_lists = 1}, 403, 145);
}

static void an_offer_without_a_key_is_403_107_where_protection_is_required(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.no_key = 1}, 403, 107);
}

static void a_key_line_that_is_no_private_call_message_is_488_136(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.damaged_key = 1}, 488, 136);
	refused(&(struct inv){.wrong_tag = 1}, 488, 136);
}

static void a_user_without_permission_is_403_107_and_125(void **state)
{
	(void)state;
	begin();
	bed_user(alice.mcptt_id, "manual", 0, 1);
	refused(&(struct inv){0}, 403, 107);
	bed_user(alice.mcptt_id, "manual", 1, 0);
	refused(&(struct inv){.mode = "Auto"}, 403, 125);
	bed_user(bob.mcptt_id, "automatic", 0, 1);
	refused(&(struct inv){0}, 403, 127);
}

static void a_callee_without_known_answer_mode_is_480_146(void **state)
{
	(void)state;
	begin();
	bed_user(bob.mcptt_id, "", 1, 1);
	refused(&(struct inv){0}, 480, 146);
}

static void a_session_of_another_kind_is_403_100(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.session = "prearranged"}, 403, 100);
	assert_non_null(strstr(alice.warning_text, "\"100 function not allowed due to session type not supported\""));
}

static void media_at_another_address_than_the_callers_is_488(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.address = "127.9.9.9"}, 488, 0);
}

static void an_invite_without_session_description_is_400(void **state)
{
	(void)state;
	begin();
	refused(&(struct inv){.no_sdp = 1}, 400, 0);
}

static void one_call_too_many_is_486_124(void **state)
{
	(void)state;
	begin();
	bed_set(&bed.cfg.max_private_calls, 1);
	call_is_up();
	struct sip_dialog *first = alice.dialog;
	alice.dialog = NULL;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 486);
	assert_int_equal(alice.warning, 124);
	sip_dialog_free(alice.dialog);
	alice.dialog = first;
	assert_int_equal(ua_bye(&alice), 200);
	bed_set(&bed.cfg.max_private_calls, 10);
}

static void a_488_of_the_callee_reaches_the_caller_with_warning_and_body_unchanged(void **state)
{
	(void)state;
	begin();
	bob.answer = 488;
	bob.refuse_warning = "399 bob.ue \"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\"";
	bob.refuse_body = octets_of("<KmsRedirectResponse/>");
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 488);
	assert_int_equal(alice.warning, 136);
	assert_string_equal(alice.warning_text, bob.refuse_warning);
	assert_int_equal(alice.body.len, bob.refuse_body.len);
	assert_memory_equal(alice.body.p, bob.refuse_body.p, alice.body.len);
	calls_in_db(0);
}

static void a_decline_of_the_callee_reaches_the_caller(void **state)
{
	(void)state;
	begin();
	bob.answer = 480;
	bob.refuse_warning = "399 bob.ue \"110 user declined the call invitation\"";
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 480);
	assert_int_equal(alice.warning, 110);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_key_line_and_unknown_lines_cross_octet_for_octet),
	    cmocka_unit_test(who_calls_comes_from_the_binding_and_who_answered_reaches_the_caller),
	    cmocka_unit_test(media_flows_through_the_relay_both_ways_and_stops_with_the_call),
	    cmocka_unit_test(the_callee_may_hang_up_too),
	    cmocka_unit_test(a_call_is_on_record_with_its_key_id_and_never_a_key),
	    cmocka_unit_test(a_reinvite_crosses_with_both_copies_rewritten),
	    cmocka_unit_test(an_unknown_callee_is_404_without_warning),
	    cmocka_unit_test(an_unregistered_callee_is_404_without_warning),
	    cmocka_unit_test(an_unregistered_caller_is_404_141),
	    cmocka_unit_test(a_registered_user_cannot_call_as_another),
	    cmocka_unit_test(somebody_with_a_certificate_but_no_binding_cannot_call),
	    cmocka_unit_test(an_asserted_identity_counts_from_a_trusted_neighbour_alone),
	    cmocka_unit_test(mcx_sec_158_the_client_id_of_another_device_is_403_140),
	    cmocka_unit_test(not_exactly_one_target_is_403_145),
	    cmocka_unit_test(an_offer_without_a_key_is_403_107_where_protection_is_required),
	    cmocka_unit_test(a_key_line_that_is_no_private_call_message_is_488_136),
	    cmocka_unit_test(a_user_without_permission_is_403_107_and_125),
	    cmocka_unit_test(a_callee_without_known_answer_mode_is_480_146),
	    cmocka_unit_test(a_session_of_another_kind_is_403_100),
	    cmocka_unit_test(media_at_another_address_than_the_callers_is_488),
	    cmocka_unit_test(an_invite_without_session_description_is_400),
	    cmocka_unit_test(one_call_too_many_is_486_124),
	    cmocka_unit_test(a_488_of_the_callee_reaches_the_caller_with_warning_and_body_unchanged),
	    cmocka_unit_test(a_decline_of_the_callee_reaches_the_caller),
	};
	return cmocka_run_group_tests_name("server_private_call", tests, set_up, tear_down);
}

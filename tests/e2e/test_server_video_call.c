/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MCVideo private calls through a whole server (TS 24.281 11; seed 000 4.7.1; sip 1, 2.8, 5, 6): the same call as
 * MCPTT's under MCVideo's names, both streams relayed, the key untouched; and one test for each refusal that is
 * MCVideo's own.
 */
#include "server_video_lab.h"

static void refused(int got, int status, int warning)
{
	assert_int_equal(got, status);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(bob.invites, 0);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
}

/* ---- the call ---- */

static void an_mcvideo_call_goes_under_the_names_of_mcvideo_and_both_streams_cross(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	assert_int_equal(CALL(0), 200);
	wait_until(&bob.acks, 1);
	assert_int_equal(bob.service, MCX_MCVIDEO);
	assert_string_equal(bob.calling_user, alice.mcptt_id);
	assert_string_equal(bob.called_party, bob.mcptt_id);
	assert_string_equal(bob.asserted_service, ICSI_VIDEO);
	assert_non_null(strstr(bob.accept, "*;+g.3gpp.mcvideo;require;explicit"));
	assert_non_null(strstr(bob.accept, "icsi.mcvideo\";require;explicit"));
	assert_int_equal(alice.service, MCX_MCVIDEO);
	assert_string_equal(alice.called_party, bob.mcptt_id);
	/* the key and the video's own lines are as they were */
	char line[4300];
	snprintf(line, sizeof line, "\r\na=key-mgmt:mikey %s\r\n", last_key_mgmt);
	assert_non_null(strstr(bob.sdp, line));
	assert_non_null(strstr(bob.sdp, "a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\n"));
	assert_null(strstr(alice.sdp, "key-mgmt"));
	uint16_t a = port_of(alice.sdp, "m=video "), b = port_of(bob.sdp, "m=video ");
	assert_true(a != video_ports[1] && b != video_ports[0] && a != port_of(alice.sdp, "m=audio "));
	assert_string_equal(crosses(sockets[0], a, sockets[1], "pictures of alice"), "pictures of alice");
	assert_string_equal(crosses(sockets[1], b, sockets[0], "pictures of bob"), "pictures of bob");
	assert_string_equal(crosses(alice.media, port_of(alice.sdp, "m=audio "), bob.media, "sound"), "sound");
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls c JOIN bindings b ON b.id=c.callee_binding"
				    " WHERE b.service=1"),
			 1);
	assert_int_equal(ua_bye(&alice), 200);
	wait_until(&bob.byes, 1);
	calls_in_db(0);
}

static void the_control_line_of_mcvideo_is_refused_to_both_ends_and_the_call_goes_on(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, VIDEO);
	describe(&alice, 0, 1, "m=application 6000 udp MCVideo\r\na=fmtp:MCVideo mc_transmission_ssrc=7\r\n");
	describe(&bob, 1, 1, "m=application 6002 udp MCVideo\r\n");
	assert_int_equal(CALL(0), 200);
	assert_int_equal(port_of(bob.sdp, "m=application "), 0);
	assert_int_equal(port_of(alice.sdp, "m=application "), 0); /* although Bob took it up */
	assert_non_null(strstr(bob.sdp, " udp MCVideo\r\na=fmtp:MCVideo mc_transmission_ssrc=7\r\n"));
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
}

static void a_reinvite_that_holds_the_video_crosses(void **state)
{
	(void)state;
	video_begin(VIDEO, VIDEO);
	assert_int_equal(CALL(0), 200);
	wait_until(&bob.acks, 1);
	char sdp[600];
	snprintf(sdp, sizeof sdp,
		 "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/SAVP 97\r\n"
		 "m=video %u RTP/SAVP 98\r\na=inactive\r\n",
		 alice.media_port, video_ports[0]);
	struct sip_request rq = {.method = "INVITE", .with = {.content_type = TYPE_SDP, .body = octets_of(sdp)}};
	alice.status = 0;
	assert_non_null(sip_dialog_send(alice.dialog, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	assert_int_equal(alice.status, 200);
	assert_int_equal(bob.reinvites, 1);
	assert_non_null(strstr(bob.sdp, "RTP/SAVP 98\r\na=inactive\r\n"));
	assert_int_equal(ua_bye(&bob), 200);
	wait_until(&alice.byes, 1);
	calls_in_db(0);
}

static void an_mcvideo_call_counts_among_the_callers_private_calls(void **state)
{
	(void)state;
	bed.cfg.max_private_calls = 1;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	assert_int_equal(CALL(0), 200);
	struct sip_dialog *first = alice.dialog;
	alice.dialog = NULL;
	assert_int_equal(CALL(0), 486);
	assert_int_equal(alice.warning, 124);
	sip_dialog_free(alice.dialog);
	alice.dialog = first;
	assert_int_equal(ua_bye(&alice), 200);
	bed.cfg.max_private_calls = 10;
}

/* ---- refusals ---- */

static void a_caller_who_is_not_authorised_for_mcvideo_is_404_141(void **state)
{
	(void)state;
	video_begin(PTT, PTT | VIDEO);
	refused(CALL(0), 404, 141);
}

static void a_callee_who_is_not_authorised_for_mcvideo_is_404(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT);
	refused(CALL(0), 404, 0);
}

static void a_server_that_does_not_serve_mcvideo_has_no_controlling_function(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	bed_stop();
	bed.cfg.services.n = 1;
	bed_start();
	refused(CALL(0), 404, 142);
}

static void a_user_without_leave_for_video_is_403_107_and_a_callee_127(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	bed_user_video(alice.mcptt_id, 0);
	refused(CALL(0), 403, 107);
	bed_user_video(alice.mcptt_id, 1);
	bed_user_video(bob.mcptt_id, 0);
	refused(CALL(0), 403, 127);
	/* and MCPTT's leave is another */
	call_service = MCX_MCPTT;
	alice.control_line = bob.control_line = NULL;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
}

static void the_document_of_another_service_is_no_mcvideo_call(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	call_service = MCX_MCPTT;
	refused(CALL(0), 400, 0);
	call_service = MCX_MCVIDEO;
	refused(ua_invite(&alice, &(struct inv){0}), 400, 0);
}

static void a_call_of_mcvideo_without_video_and_one_of_mcptt_with_it_are_488(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	describe(&alice, 0, -1, "");
	refused(CALL(0), 488, 0);
	describe(&alice, 0, 0, "");
	refused(CALL(0), 488, 0);
	describe(&alice, 0, 1, "");
	call_service = MCX_MCPTT;
	refused(ua_invite(&alice, &(struct inv){0}), 488, 0);
}

static void a_video_under_another_key_than_the_audio_is_488_136(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	key_of_video = "a=key-mgmt:mikey AQID\r\n";
	describe(&alice, 0, 1, "");
	refused(CALL(0), 488, 136);
}

static void an_mcvideo_call_without_a_key_is_403_107_where_protection_is_required(void **state)
{
	(void)state;
	video_begin(PTT | VIDEO, PTT | VIDEO);
	refused(CALL(.no_key = 1), 403, 107);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_mcvideo_call_goes_under_the_names_of_mcvideo_and_both_streams_cross),
	    cmocka_unit_test(the_control_line_of_mcvideo_is_refused_to_both_ends_and_the_call_goes_on),
	    cmocka_unit_test(a_reinvite_that_holds_the_video_crosses),
	    cmocka_unit_test(an_mcvideo_call_counts_among_the_callers_private_calls),
	    cmocka_unit_test(a_caller_who_is_not_authorised_for_mcvideo_is_404_141),
	    cmocka_unit_test(a_callee_who_is_not_authorised_for_mcvideo_is_404),
	    cmocka_unit_test(a_server_that_does_not_serve_mcvideo_has_no_controlling_function),
	    cmocka_unit_test(a_user_without_leave_for_video_is_403_107_and_a_callee_127),
	    cmocka_unit_test(the_document_of_another_service_is_no_mcvideo_call),
	    cmocka_unit_test(a_call_of_mcvideo_without_video_and_one_of_mcptt_with_it_are_488),
	    cmocka_unit_test(a_video_under_another_key_than_the_audio_is_488_136),
	    cmocka_unit_test(an_mcvideo_call_without_a_key_is_403_107_where_protection_is_required),
	};
	return cmocka_run_group_tests_name("server_video_call", tests, set_up_video, tear_down_video);
}

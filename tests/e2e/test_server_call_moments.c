/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_call_moments.c - private calls at awkward moments: crossing requests, lost connections, restarts, a store
 * or a relay in trouble, revocation; and the admin listener, which shows calls.
 */
#include "server_call_lab.h"

/* ---- awkward moments ---- */

static void a_cancel_reaches_the_callee_and_ends_in_487(void **state)
{
	(void)state;
	begin();
	bob.answer = 0;
	ua_invite(&alice, &(struct inv){.dont_wait = 1});
	wait_until(&bob.invites, 1);
	wait_until(&alice.provisional, 180);
	sip_cancel(alice.tx);
	wait_until(&alice.status, 1);
	assert_int_equal(alice.status, 487);
	wait_until(&bob.cancels, 1);
	assert_int_equal(bob.cancels, 1);
	calls_in_db(0);
}

static void a_200_that_crosses_the_cancel_is_acknowledged_and_told_bye(void **state)
{
	(void)state;
	begin();
	bob.answer = 0;
	ua_invite(&alice, &(struct inv){.dont_wait = 1});
	wait_until(&bob.invites, 1);
	wait_until(&alice.provisional, 180);
	/* Both leave before the server sees either: the loop of the user agents does not run in between. */
	struct sip_server_tx *held = bob.held;
	sip_tx_on_cancel(held, NULL, NULL);
	bob.dialog = sip_dialog_accept(held, &ua_dialog_events, &bob);
	char sdp[300];
	snprintf(sdp, sizeof sdp,
		 "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/SAVP 97\r\n",
		 bob.media_port);
	sip_cancel(alice.tx);
	sip_reply(held, 200, NULL, &(struct sip_out){.content_type = TYPE_SDP, .body = octets_of(sdp)});
	wait_until(&alice.status, 1);
	/* Whichever the server took first: no call stays, and Bob is told BYE. */
	if (alice.status == 200)
		assert_int_equal(ua_bye(&alice), 200);
	else
		assert_int_equal(alice.status, 487);
	wait_until(&bob.acks, 1);
	wait_until(&bob.byes, 1);
	assert_int_equal(bob.acks, 1);
	assert_int_equal(bob.byes, 1);
	calls_in_db(0);
}

static void a_callee_that_never_answers_is_cancelled_after_t_ring(void **state)
{
	(void)state;
	bed.cfg.ring_s = 1;
	begin();
	bob.answer = 0;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 480);
	wait_until(&bob.cancels, 1);
	assert_int_equal(bob.cancels, 1);
	bed.cfg.ring_s = 60;
}

static void a_callee_whose_connection_is_gone_is_480(void **state)
{
	(void)state;
	begin();
	ua_reconnect(&bob); /* closes; the new one stays silent */
	pump(200);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 480);
	assert_int_equal(alice.warning, 0);
}

static void a_callee_that_came_back_on_a_new_connection_is_reached(void **state)
{
	(void)state;
	begin();
	ua_reconnect(&bob);
	assert_int_equal(ua_options(&bob), 200);
	call_is_up();
	assert_int_equal(ua_bye(&alice), 200);
}

static void bindings_and_calls_work_after_a_restart_without_a_new_register(void **state)
{
	(void)state;
	begin();
	bed_stop();
	bed_start();
	/* The connections are gone with the server; any request on a new one shows the way, none registers. */
	assert_int_equal(ua_options(&bob), 200);
	call_is_up();
	assert_int_equal(ua_bye(&alice), 200);
}

static void a_restart_in_a_call_says_bye_to_both_ends(void **state)
{
	(void)state;
	begin();
	call_is_up();
	calls_in_db(1);
	bed_stop();
	bed_start();
	calls_in_db(1);
	ua_options(&alice);
	ua_options(&bob);
	wait_until(&alice.byes, 1);
	wait_until(&bob.byes, 1);
	assert_int_equal(alice.byes, 1);
	assert_int_equal(bob.byes, 1);
	calls_in_db(0);
	bed_stop();
	char *text = bed_audit_text();
	assert_non_null(strstr(text, "restart"));
	free(text);
}

static void a_silent_call_is_ended_at_both_ends(void **state)
{
	(void)state;
	bed.cfg.silent_s = 1;
	begin();
	call_is_up();
	wait_until(&alice.byes, 1);
	wait_until(&bob.byes, 1);
	assert_int_equal(alice.byes, 1);
	assert_int_equal(bob.byes, 1);
	calls_in_db(0);
	bed.cfg.silent_s = 60;
}

static void revoke_bob(void *arg)
{
	*(int *)arg = register_revoke(bed.server, bindings_of_user(bed.server->bindings, bob.mcptt_id, NULL)->row.id);
}

static void a_revoked_client_loses_its_binding_and_its_call(void **state)
{
	(void)state;
	begin();
	call_is_up();
	int rc = -1;
	server_on_loop(bed.server, revoke_bob, &rc);
	assert_int_equal(rc, 0);
	wait_until(&alice.byes, 1);
	assert_int_equal(alice.byes, 1);
	calls_in_db(0);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 404);
}

static void a_store_that_is_locked_at_the_answer_is_503_and_the_callee_is_told_bye(void **state)
{
	(void)state;
	begin();
	sqlite3 *db;
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 503);
	assert_true(alice.retry_after > 0);
	wait_until(&bob.byes, 1);
	assert_int_equal(bob.byes, 1);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	bob.acks = 0;
	call_is_up();
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
}

static void without_relay_ports_a_call_is_503_and_works_when_there_are_some(void **state)
{
	(void)state;
	bed.cfg.rtp_min = 41000;
	bed.cfg.rtp_max = 41003; /* one call */
	begin();
	call_is_up();
	struct sip_dialog *first = alice.dialog;
	alice.dialog = NULL;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 503);
	sip_dialog_free(alice.dialog);
	alice.dialog = first;
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
	bob.acks = 0;
	call_is_up();
	assert_int_equal(ua_bye(&alice), 200);
	bed.cfg.rtp_min = 40000;
	bed.cfg.rtp_max = 40999;
}

/* ---- in a call ---- */

static int ask_in_call(struct ua *u, const char *method, const char *sdp)
{
	struct sip_request rq = {.method = method,
				 .with = {.content_type = sdp ? TYPE_SDP : NULL, .body = octets_of(sdp ? sdp : "")}};
	u->status = 0;
	assert_non_null(sip_dialog_send(u->dialog, &rq, ua_response, u));
	wait_until(&u->status, 1);
	return u->status;
}

#define SDP_HEAD  "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=key-mgmt:mikey AQID\r\n"
#define SDP_AUDIO "m=audio 9 RTP/SAVP 97\r\na=rtpmap:97 opus/48000/2\r\n"

static void a_reinvite_that_cannot_be_forwarded_is_refused_and_the_call_goes_on(void **state)
{
	(void)state;
	static const struct {
		const char *sdp, *control_line; /* the offer; a line of the answer's own */
		int reanswer, status, forwarded;
	} rows[] = {
	    {NULL, NULL, 0, 488, 0},
	    {"no description", NULL, 0, 488, 0},
	    {SDP_HEAD, NULL, 0, 488, 0},                                  /* a line less */
	    {SDP_HEAD SDP_AUDIO SDP_AUDIO, NULL, 0, 488, 0},              /* one more */
	    {SDP_HEAD SDP_AUDIO, "m=video 0 RTP/SAVP 98\r\n", 0, 488, 1}, /* one more in the answer */
	    {SDP_HEAD SDP_AUDIO, NULL, 486, 486, 1},
	    {SDP_HEAD SDP_AUDIO, NULL, 0, 200, 1},
	};
	begin();
	call_is_up();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int before = bob.reinvites;
		bob.control_line = rows[i].control_line;
		bob.reanswer = rows[i].reanswer;
		int status = ask_in_call(&alice, "INVITE", rows[i].sdp);
		if (status != rows[i].status || bob.reinvites - before != rows[i].forwarded)
			fail_msg("row %zu: %d, forwarded %d", i, status, bob.reinvites - before);
	}
	bob.control_line = NULL;
	assert_int_equal(alice.byes + bob.byes, 0);
	calls_in_db(1);
	assert_int_equal(ua_bye(&alice), 200);
	calls_in_db(0);
}

static void another_method_in_a_call_is_405_and_changes_nothing(void **state)
{
	(void)state;
	static const char *const methods[] = {"INFO", "UPDATE", "REFER", "MESSAGE"};
	begin();
	call_is_up();
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		assert_int_equal(ask_in_call(&bob, methods[i], NULL), 405);
	calls_in_db(1);
	assert_int_equal(ua_bye(&bob), 200);
	calls_in_db(0);
}

static void a_bye_of_somebody_who_knows_the_dialog_is_403_and_the_call_goes_on(void **state)
{
	(void)state;
	char saved[4096];
	begin();
	call_is_up();
	assert_int_equal(sip_dialog_save(alice.dialog, saved, sizeof saved), MCSEC_OK);
	eve.dialog = sip_dialog_restore(eve.port, saved, &ua_dialog_events, &eve);
	assert_non_null(eve.dialog);
	assert_int_equal(ua_bye(&eve), 403);
	assert_int_equal(ask_in_call(&eve, "INVITE", SDP_HEAD SDP_AUDIO), 403);
	assert_int_equal(bob.byes + bob.reinvites, 0);
	calls_in_db(1);
	assert_int_equal(ua_bye(&bob), 200); /* Alice's CSeq is behind that of who spoke in her name */
	calls_in_db(0);
}

static void a_caller_may_ask_that_the_callee_is_asked_first(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_invite(&alice, &(struct inv){.mode = "Manual"}), 200);
	assert_string_equal(bob.answer_mode, "Manual");
	assert_int_equal(ua_bye(&alice), 200);
}

/* ---- the admin listener ---- */

static int admin(const char *role_pem, const char *method, const char *path, const char *body, char *out, size_t size)
{
	char url[300], ca[300], resolve[100];
	snprintf(url, sizeof url, "https://sip." ZONE ":%u%s", http_server_port(bed.server->admin), path);
	snprintf(resolve, sizeof resolve, "sip." ZONE ":%u:127.0.0.1", http_server_port(bed.server->admin));
	snprintf(ca, sizeof ca, "%s", bed.cfg.ca);
	struct http_client_options o = {.ca_file = ca,
					.cert_file = role_pem,
					.key_file = role_pem,
					.resolve = resolve,
					.max_body = 65536,
					.timeout_ms = 20000};
	struct http_client *c = http_client_new(&o);
	struct http_call call = {.method = method,
				 .url = url,
				 .content_type = body ? "application/json" : NULL,
				 .body = body ? octets_of(body) : (struct octets){0}};
	struct http_answer a;
	http_client_do(c, &call, &a);
	int status = a.status;
	snprintf(out, size, "%s", a.body ? (const char *)a.body : a.error);
	http_answer_free(&a);
	http_client_free(c);
	return status;
}

static void an_officer_sets_users_and_sees_bindings_and_calls(void **state)
{
	(void)state;
	char pem[200], out[4096];
	begin();
	snprintf(pem, sizeof pem, "%s/officer/agent.pem", bed.admin_ca.dir);
	assert_int_equal(
	    admin(pem, "PUT", "/admin/v1/users/sip%3Acarol%40mcptt.a.test",
		  "{\"answer-mode\":\"manual\",\"private-call\":true,\"auto-answer\":false,\"kms-uri\":\"\"}", out,
		  sizeof out),
	    200);
	assert_int_equal(admin(pem, "GET", "/admin/v1/users/sip%3Acarol%40mcptt.a.test", NULL, out, sizeof out), 200);
	assert_non_null(strstr(out, "\"answer-mode\":\"manual\""));
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE mcptt_id='sip:carol@mcptt.a.test'"), 1);
	assert_int_equal(admin(pem, "PUT", "/admin/v1/users/sip%3Acarol%40mcptt.a.test", "{\"answer-mode\":\"never\"}",
			       out, sizeof out),
			 400);
	assert_int_equal(
	    admin(pem, "PUT", "/admin/v1/users/sip%3Acarol%40mcptt.a.test", "{\"colour\":1}", out, sizeof out), 400);
	assert_int_equal(admin(pem, "GET", "/admin/v1/bindings", NULL, out, sizeof out), 200);
	assert_non_null(strstr(out, alice.mcptt_id));
	assert_null(strstr(out, "csk\":"));
	call_is_up();
	assert_int_equal(admin(pem, "GET", "/admin/v1/calls", NULL, out, sizeof out), 200);
	assert_non_null(strstr(out, "\"state\":\"up\""));
	assert_int_equal(admin(pem, "GET", "/admin/v1/touches?id=sip%3Abob%40mcptt.a.test", NULL, out, sizeof out),
			 200);
	assert_non_null(strstr(out, "\"callee\":\"sip:bob@mcptt.a.test\""));
	assert_int_equal(ua_bye(&alice), 200);
	assert_int_equal(admin(pem, "GET", "/healthz", NULL, out, sizeof out), 200);
	assert_int_equal(admin(pem, "GET", "/readyz", NULL, out, sizeof out), 200);
	assert_int_equal(admin(pem, "GET", "/metrics", NULL, out, sizeof out), 200);
	assert_non_null(strstr(out, "mcx_server_bindings 2"));
	assert_int_equal(admin(pem, "DELETE", "/admin/v1/users/sip%3Acarol%40mcptt.a.test", NULL, out, sizeof out),
			 200);
	assert_int_equal(admin(pem, "GET", "/admin/v1/users/sip%3Acarol%40mcptt.a.test", NULL, out, sizeof out), 404);
	assert_int_equal(admin(pem, "DELETE", "/admin/v1/bindings/999999", NULL, out, sizeof out), 404);
}

static void an_officers_key_order_that_cannot_be_carried_out_says_why(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int status;
		const char *said;
	} rows[] = {
	    {"csk-renew", 400, "id=IDENTITY"},
	    {"csk-renew?id=sip%3Anobody%40mcptt.a.test", 404, "no client of that identity"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=boredom", 400, "operator, compromise or suite"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=longer+than+any+reason", 400,
	     "operator, compromise or suite"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=suite", 400, "four hexadecimal digits"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=suite&suite=zz", 400, "four hexadecimal digits"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=suite&suite=0101+0202", 400, "four hexadecimal digits"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test&reason=suite&suite=0505", 409, "not listed this suite"},
	    {"csk-renew?id=sip%3Abob%40mcptt.a.test", 409, "XML confidentiality is off"},
	    {"bindings/1", 404, "no such call"},
	};
	char pem[200], path[200], out[4096];
	begin();
	snprintf(pem, sizeof pem, "%s/officer/agent.pem", bed.admin_ca.dir);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(path, sizeof path, "/admin/v1/%s", rows[i].path);
		int status = admin(pem, "POST", path, "", out, sizeof out);
		if (status != rows[i].status || !strstr(out, rows[i].said))
			fail_msg("%s: %d %s", rows[i].path, status, out);
	}
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 0);
	/* Somebody without part in the call sees none of it. */
	call_is_up();
	assert_int_equal(admin(pem, "GET", "/admin/v1/touches?id=sip%3Aeve%40mcptt.a.test", NULL, out, sizeof out),
			 200);
	assert_non_null(strstr(out, "\"calls\":[]"));
	assert_int_equal(admin(pem, "GET", "/admin/v1/touches", NULL, out, sizeof out), 400);
	assert_int_equal(ua_bye(&alice), 200);
}

static void a_certificate_without_a_role_is_no_administrator(void **state)
{
	(void)state;
	char pem[300], out[1000];
	begin();
	snprintf(pem, sizeof pem, "%s/agent.pem", alice.tls); /* of the domain's authority */
	int status = admin(pem, "GET", "/admin/v1/bindings", NULL, out, sizeof out);
	assert_true(status == 403 || status == 0);
	assert_null(strstr(out, alice.mcptt_id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cancel_reaches_the_callee_and_ends_in_487),
	    cmocka_unit_test(a_200_that_crosses_the_cancel_is_acknowledged_and_told_bye),
	    cmocka_unit_test(a_callee_that_never_answers_is_cancelled_after_t_ring),
	    cmocka_unit_test(a_callee_whose_connection_is_gone_is_480),
	    cmocka_unit_test(a_callee_that_came_back_on_a_new_connection_is_reached),
	    cmocka_unit_test(bindings_and_calls_work_after_a_restart_without_a_new_register),
	    cmocka_unit_test(a_restart_in_a_call_says_bye_to_both_ends),
	    cmocka_unit_test(a_silent_call_is_ended_at_both_ends),
	    cmocka_unit_test(a_revoked_client_loses_its_binding_and_its_call),
	    cmocka_unit_test(a_store_that_is_locked_at_the_answer_is_503_and_the_callee_is_told_bye),
	    cmocka_unit_test(without_relay_ports_a_call_is_503_and_works_when_there_are_some),
	    cmocka_unit_test(a_reinvite_that_cannot_be_forwarded_is_refused_and_the_call_goes_on),
	    cmocka_unit_test(another_method_in_a_call_is_405_and_changes_nothing),
	    cmocka_unit_test(a_bye_of_somebody_who_knows_the_dialog_is_403_and_the_call_goes_on),
	    cmocka_unit_test(a_caller_may_ask_that_the_callee_is_asked_first),
	    cmocka_unit_test(an_officers_key_order_that_cannot_be_carried_out_says_why),
	    cmocka_unit_test(an_officer_sets_users_and_sees_bindings_and_calls),
	    cmocka_unit_test(a_certificate_without_a_role_is_no_administrator),
	};
	return cmocka_run_group_tests_name("server_call_moments", tests, set_up, tear_down);
}

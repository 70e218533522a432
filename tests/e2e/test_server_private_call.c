/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private calls through a whole server over real TLS and UDP (flows 3.2, sip 5, 6): what crosses unchanged, what is
 * refused with which code, and what happens at the awkward moments: CANCEL against 200, restart, silence.
 */
#include "e2e/server_bed.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>

static struct ua alice, bob, eve;

static void registered(struct ua *u)
{
	assert_int_equal(ua_register(u, &(struct reg){.expires = -1}), 200);
}

/* A fresh server on a fresh database, Alice and Bob registered and provisioned, nothing on record. */
static void begin(void)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	bed_start();
	struct ua *all[] = {&alice, &bob, &eve};
	for (int i = 0; i < 3; i++) {
		sip_dialog_free(all[i]->dialog);
		all[i]->dialog = NULL;
		all[i]->answer = 200;
		all[i]->refuse_warning = NULL;
		all[i]->refuse_body.len = 0;
		all[i]->invites = all[i]->byes = all[i]->cancels = all[i]->acks = all[i]->reinvites = 0;
		all[i]->held = NULL;
	}
	registered(&alice);
	registered(&bob);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
}

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

static const char *received(const struct ua *u)
{
	static char buf[100];
	struct pollfd p = {u->media, POLLIN, 0};
	buf[0] = 0;
	if (poll(&p, 1, 300) == 1) {
		ssize_t n = recv(u->media, buf, sizeof buf - 1, 0);
		buf[n > 0 ? n : 0] = 0;
	}
	return buf;
}

static void call_is_up(void)
{
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	assert_int_equal(bob.acks, 1);
}

static void calls_in_db(size_t n)
{
	for (int i = 0; i < 100 && rows_in_db("SELECT count(*) FROM calls") != n; i++)
		pump(20);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), n);
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
	assert_string_equal(received(&bob), "");
	assert_int_equal(ua_bye(&alice), 200);
	wait_until(&bob.byes, 1);
	assert_int_equal(bob.byes, 1);
	send_to(&alice, a, "late");
	assert_string_equal(received(&bob), "");
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
	char *text = NULL, reason[128], id[32];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_int_equal(audit_export(bed.cfg.database, 1, 0, out, reason, sizeof reason), 0);
	fclose(out);
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
	bed.cfg.max_private_calls = 1;
	begin();
	call_is_up();
	struct sip_dialog *first = alice.dialog;
	alice.dialog = NULL;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 486);
	assert_int_equal(alice.warning, 124);
	sip_dialog_free(alice.dialog);
	alice.dialog = first;
	assert_int_equal(ua_bye(&alice), 200);
	bed.cfg.max_private_calls = 10;
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
	char *text = NULL, reason[128];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_int_equal(audit_export(bed.cfg.database, 1, 0, out, reason, sizeof reason), 0);
	fclose(out);
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
					.timeout_ms = 5000};
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

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	ua_open(&eve, "eve", "eve", "eve");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (bed.server)
		bed_stop();
	ua_close(&alice);
	ua_close(&bob);
	ua_close(&eve);
	bed_end();
	return 0;
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
	    cmocka_unit_test(an_officer_sets_users_and_sees_bindings_and_calls),
	    cmocka_unit_test(a_certificate_without_a_role_is_no_administrator),
	};
	return cmocka_run_group_tests_name("server_private_call", tests, set_up, tear_down);
}

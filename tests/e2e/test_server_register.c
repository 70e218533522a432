/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_register.c - service authorisation with CSK upload by direct REGISTER, at a whole server over real TLS
 * (flows 1.2, sip 2): what is accepted, and for each bad input its exact answer with nothing registered.
 */
#include "server_register_lab.h"

static void refused(const struct reg *r, int status, int warning)
{
	assert_int_equal(ua_register(&alice, r), status);
	assert_int_equal(alice.warning, warning);
	nothing_registered();
}

/* ---- accepted ---- */

static void a_register_with_token_and_csk_is_bound_before_its_200(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_non_null(strstr(alice.contact, "sip:alice@127.0.0.1"));
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE mcptt_id='sip:alice@mcptt." ZONE
				    "' AND impu='sip:alice@" ZONE "' AND csk IS NOT NULL AND expires > 0"),
			 1);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u AND length(rand)=16", last_csk_id);
	assert_int_equal(rows_in_db(sql), 1);
	forget_all();
}

static void the_database_holds_no_csk_in_clear_and_its_owner_can_unseal_it(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	uint8_t *key = mcsec_secret_alloc(16);
	assert_int_equal(stored_csk(key), MCSEC_OK);
	assert_memory_equal(key, last_csk, 16);
	mcsec_secret_free(key);
	bed_stop(); /* checkpoints what the write-ahead log holds */
	const char *suffix[] = {"", "-wal"};
	for (int i = 0; i < 2; i++) {
		char path[300];
		snprintf(path, sizeof path, "%s%s", bed.cfg.database, suffix[i]);
		FILE *f = fopen(path, "rb");
		if (!f)
			continue;
		static uint8_t all[4 << 20];
		size_t n = fread(all, 1, sizeof all, f);
		fclose(f);
		assert_true(n < sizeof all);
		assert_null(memmem(all, n, last_csk, 16));
	}
	struct stat st;
	assert_int_equal(stat(bed.cfg.seal_key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	bed_fresh();
	bed_start();
}

static void mcx_sec_152_psi_and_mdsi_are_both_receivers_and_no_other(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 10, .responder = PSI}), 200);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .responder = MDSI}), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE server_id='" MDSI "'"), 1);
	forget_all();
	refused(&(struct reg){.expires = -1, .responder = "sip:other@" ZONE}, 488, 136);
}

static void mcx_sec_159_a_base64_body_is_read_with_and_without_its_label(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .base64 = 1}), 200);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .text = 1}), 200);
	assert_int_equal(bindings_in_db(), 1);
	forget_all();
}

static void mcx_sec_156_a_second_upload_replaces_the_first(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 10}), 200);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	char sql[100];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", last_csk_id);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(bindings_in_db(), 1);
	forget_all();
}

static void an_upload_older_than_the_csk_in_use_is_answered_200_and_not_installed(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	char sql[100];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", last_csk_id);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 60}), 200);
	assert_int_equal(rows_in_db(sql), 1);
	forget_all();
}

static void two_devices_of_a_user_have_a_binding_and_a_csk_each(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_int_equal(ua_register(&tablet, &(struct reg){.expires = -1}), 200);
	assert_int_equal(rows_in_db("SELECT count(DISTINCT csk_id) FROM bindings WHERE impu='sip:alice@" ZONE "'"), 2);
	forget_all();
}

/* ---- bad input, one named test each ---- */

static void a_register_without_the_mikey_part_is_403_140(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .no_mikey = 1}, 403, 140);
	assert_non_null(strstr(alice.warning_text, "399 sip." ZONE " \"140 unable to decrypt XML content\""));
}

static void a_register_with_a_broken_mikey_part_is_488_136(void **state)
{
	(void)state;
	/* in the header, in T or RAND, in the identities, in SAKKE, in the signature */
	static const int at[] = {1, 2, 5, 15, 30, 60, 90, 200, 400};
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		refused(&(struct reg){.expires = -1, .flip = at[i]}, 488, 136);
		assert_non_null(
		    strstr(alice.warning_text, "\"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\""));
	}
	refused(&(struct reg){.expires = -1, .mikey = octets_of("ARo, but no more of it")}, 488, 136);
}

static void mcx_sec_153_a_message_with_another_purpose_tag_is_488_136(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .kind = MCSEC_PCK}, 488, 136);
}

static void mcx_sec_146_a_message_ten_minutes_old_is_488_136(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .age = 600}, 488, 136);
	refused(&(struct reg){.expires = -1, .age = -600}, 488, 136);
}

static void mcx_sec_151_a_token_for_alice_with_the_message_of_bob_binds_nobody(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .initiator = bob.mcptt_id, .keys = bob.keys}, 488, 136);
}

static void a_message_signed_with_the_keys_of_another_user_is_488_136(void **state)
{
	(void)state;
	/* The message says Alice; the signature is made with Bob's keys under her name: none of ours verifies it. */
	struct reg r = {.expires = -1};
	assert_int_equal(ua_register(&alice, &r), 200);
	forget_all();
	uint8_t mixed[MCSEC_IM_MAX];
	size_t len = last_mikey_len;
	memcpy(mixed, last_mikey, len);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1}), 200);
	memcpy(mixed + len - MCSEC_SIG_LEN, last_mikey + last_mikey_len - MCSEC_SIG_LEN, MCSEC_SIG_LEN);
	forget_all();
	refused(&(struct reg){.expires = -1, .mikey = {mixed, len}}, 488, 136);
}

static void the_same_message_again_is_488_136_and_the_binding_stays(void **state)
{
	(void)state;
	uint8_t again[MCSEC_IM_MAX];
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	size_t len = last_mikey_len;
	memcpy(again, last_mikey, len);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .mikey = {again, len}}), 488);
	assert_int_equal(alice.warning, 136);
	assert_int_equal(bindings_in_db(), 1);
	forget_all();
}

static void mcx_sec_149_the_replay_memory_survives_a_restart(void **state)
{
	(void)state;
	uint8_t again[MCSEC_IM_MAX];
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	size_t len = last_mikey_len;
	memcpy(again, last_mikey, len);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
	bed_stop();
	bed_start();
	refused(&(struct reg){.expires = -1, .mikey = {again, len}}, 488, 136);
	forget_all();
}

static void bad_token(const char *token)
{
	refused(&(struct reg){.expires = -1, .token = token}, 403, 101);
	assert_non_null(strstr(alice.warning_text, "\"101 service authorisation failed\""));
}

static void made_token(const struct token_signer *s, const char *id, const char *audience, const char *scope,
		       int64_t exp)
{
	char *t = make_token(s, id, audience, scope, exp);
	bad_token(t);
	free(t);
}

static void a_register_without_a_token_is_403_101(void **state)
{
	(void)state;
	bad_token("");
}

static void a_malformed_or_unsigned_token_is_403_101(void **state)
{
	(void)state;
	bad_token("not.a.token");
	bad_token("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJ4In0.");
}

static void a_forged_token_is_403_101(void **state)
{
	(void)state;
	made_token(bed.stranger, alice.mcptt_id, bed.cfg.audience, SCOPE_PTT_SERVICE, 600);
}

static void an_expired_token_is_403_101(void **state)
{
	(void)state;
	made_token(bed.signer, alice.mcptt_id, bed.cfg.audience, SCOPE_PTT_SERVICE, -60);
}

static void a_token_for_another_audience_is_403_101(void **state)
{
	(void)state;
	made_token(bed.signer, alice.mcptt_id, "https://kms.elsewhere", SCOPE_PTT_SERVICE, 600);
}

static void a_token_without_the_service_scope_is_403_101(void **state)
{
	(void)state;
	made_token(bed.signer, alice.mcptt_id, bed.cfg.audience, "openid " SCOPE_PTT_KEYS, 600);
}

static void a_token_without_an_mcptt_id_is_403_101(void **state)
{
	(void)state;
	made_token(bed.signer, "", bed.cfg.audience, SCOPE_PTT_SERVICE, 600);
}

static void a_register_for_the_impu_of_another_is_403(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .impu = "sip:bob@" ZONE}, 403, 0);
	refused(&(struct reg){.expires = -1, .from = "sip:bob@" ZONE}, 403, 0);
}

static void a_register_over_tcp_is_403_unless_switched_on(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .transport = SIP_TCP}, 403, 0);
	bed_stop();
	bed.cfg.register_over.n = 1;
	strcpy(bed.cfg.register_over.item[0], "tcp");
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .transport = SIP_TCP}), 200);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 403); /* the list is exact */
	bed_stop();
	bed.cfg.register_over.n = 0;
	bed_fresh();
	bed_start();
}

static void an_encrypted_element_that_cannot_be_opened_is_403_140(void **state)
{
	(void)state;
#define INFO "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params>%s</mcptt-Params></mcpttinfo>"
	static char info[9000], params[8600];
	char *token = make_token(bed.signer, alice.mcptt_id, bed.cfg.audience, "openid " SCOPE_PTT_SERVICE, 600);
	snprintf(params, sizeof params,
		 "<mcptt-access-token type=\"Normal\"><mcpttString>%s</mcpttString></mcptt-access-token>"
		 "<mcptt-client-id type=\"Normal\"><mcpttString>%s</mcpttString></mcptt-client-id>"
		 "<mcptt-calling-user-id type=\"Encrypted\"><EncryptedData "
		 "xmlns=\"http://www.w3.org/2001/04/xmlenc#\"/></mcptt-calling-user-id>",
		 token, alice.client_id);
	snprintf(info, sizeof info, INFO, params);
	refused(&(struct reg){.expires = -1, .info = info}, 403, 140);
	free(token);
#undef INFO
}

static void mcx_sec_196_a_suite_the_server_does_not_speak_is_403_100(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .suite = 0x0102}, 403, 100);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .suite = MCSEC_SUITE_AES128}), 200);
	forget_all();
}

/* ---- whose binding a request may use (V-BIND) ---- */

static void a_body_with_two_parts_of_one_kind_is_refused(void **state)
{
	(void)state;
	static const char sdp[] = "v=0\r\n";
	static const char *const types[] = {TYPE_SDP, TYPE_MIKEY};
	for (size_t i = 0; i < 2; i++) {
		uint8_t text[1000];
		struct body_out parts[2] = {{.type = types[i], .body = octets_of(sdp)},
					    {.type = types[i], .body = octets_of(sdp)}};
		for (size_t n = 1; n <= 2; n++) {
			struct writer w = wr_init(text, sizeof text);
			struct body body;
			assert_int_equal(multipart_write(&w, "two", parts, n), MCSEC_OK);
			struct sip_message rq = {.content_type = "multipart/mixed;boundary=two", .body = wr_result(&w)};
			assert_int_equal(body_read(&rq, &body), n == 1 ? BODY_READ : BODY_BROKEN);
			body_free(&body);
		}
	}
}

static void a_broken_body_or_contact_is_400(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = -1, .junk_body = 1}, 400, 0);
	refused(&(struct reg){.expires = -1, .no_client = 1}, 400, 0);
	refused(&(struct reg){.expires = -1, .contact = "<tel:+123>"}, 400, 0);
	refused(&(struct reg){.expires = -1, .contact = "*"}, 400, 0);
	refused(&(struct reg){.expires = -1, .contact = "<sip:a@127.0.0.1>, <sip:b@127.0.0.1>"}, 400, 0);
}

static void too_brief_an_expiry_is_423(void **state)
{
	(void)state;
	refused(&(struct reg){.expires = 10}, 423, 0);
}

/* ---- methods and headers that are none of ours ---- */

static int send_raw(const char *method, const char *uri, const struct sip_header *h)
{
	struct sip_request rq = {.method = method,
				 .uri = uri,
				 .from = alice.impu,
				 .to = PSI,
				 .route = NULL,
				 .with = {.n_headers = h ? 1 : 0, .headers = h}};
	char route[128];
	snprintf(route, sizeof route, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	if (strncmp(uri, "sip:sip.", 8) != 0)
		rq.route = route;
	alice.status = 0;
	assert_non_null(sip_send(alice.port, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	return alice.status;
}

static void unknown_methods_schemes_and_extensions_are_refused_by_their_own_codes(void **state)
{
	(void)state;
	char uri[128];
	snprintf(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	assert_int_equal(send_raw("SUBSCRIBE", uri, NULL), 405);
	assert_int_equal(send_raw("OPTIONS", uri, &(struct sip_header){"Require", "nothingSupportsThis"}), 420);
	assert_int_equal(send_raw("OPTIONS", uri, NULL), 200);
}

/* sip 3 row 15, at the server: nothing is stored, whoever sends. */
static void a_message_of_no_known_kind_is_415_or_403_and_a_strangers_404_141(void **state)
{
	(void)state;
	static const struct {
		const char *type, *body;
		int status;
	} rows[] = {
	    {"text/plain", "hello", 415},
	    {"application/vnd.3gpp.mcptt-info+xml", "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"/>", 403},
	    {"multipart/mixed;boundary=b", "no boundary here", 400},
	};
	char uri[128];
	snprintf(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	struct sip_header h = {"P-Preferred-Service", ICSI_MCPTT};
	struct sip_request rq = {
	    .method = "MESSAGE",
	    .uri = uri,
	    .from = alice.impu,
	    .to = PSI,
	    .with = {.n_headers = 1, .headers = &h, .content_type = rows[0].type, .body = octets_of(rows[0].body)}};
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
	alice.status = 0;
	assert_non_null(sip_send(alice.port, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	assert_int_equal(alice.status, 404);
	assert_int_equal(alice.warning, 141);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		rq.with.content_type = rows[i].type;
		rq.with.body = octets_of(rows[i].body);
		alice.status = 0;
		assert_non_null(sip_send(alice.port, &rq, ua_response, &alice));
		wait_until(&alice.status, 1);
		assert_int_equal(alice.status, rows[i].status);
		assert_int_equal(alice.warning, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_register_with_token_and_csk_is_bound_before_its_200),
	    cmocka_unit_test(the_database_holds_no_csk_in_clear_and_its_owner_can_unseal_it),
	    cmocka_unit_test(mcx_sec_152_psi_and_mdsi_are_both_receivers_and_no_other),
	    cmocka_unit_test(mcx_sec_159_a_base64_body_is_read_with_and_without_its_label),
	    cmocka_unit_test(mcx_sec_156_a_second_upload_replaces_the_first),
	    cmocka_unit_test(an_upload_older_than_the_csk_in_use_is_answered_200_and_not_installed),
	    cmocka_unit_test(two_devices_of_a_user_have_a_binding_and_a_csk_each),
	    cmocka_unit_test(a_register_without_the_mikey_part_is_403_140),
	    cmocka_unit_test(a_register_with_a_broken_mikey_part_is_488_136),
	    cmocka_unit_test(mcx_sec_153_a_message_with_another_purpose_tag_is_488_136),
	    cmocka_unit_test(mcx_sec_146_a_message_ten_minutes_old_is_488_136),
	    cmocka_unit_test(mcx_sec_151_a_token_for_alice_with_the_message_of_bob_binds_nobody),
	    cmocka_unit_test(a_message_signed_with_the_keys_of_another_user_is_488_136),
	    cmocka_unit_test(the_same_message_again_is_488_136_and_the_binding_stays),
	    cmocka_unit_test(mcx_sec_149_the_replay_memory_survives_a_restart),
	    cmocka_unit_test(a_register_without_a_token_is_403_101),
	    cmocka_unit_test(a_malformed_or_unsigned_token_is_403_101),
	    cmocka_unit_test(a_forged_token_is_403_101),
	    cmocka_unit_test(an_expired_token_is_403_101),
	    cmocka_unit_test(a_token_for_another_audience_is_403_101),
	    cmocka_unit_test(a_token_without_the_service_scope_is_403_101),
	    cmocka_unit_test(a_token_without_an_mcptt_id_is_403_101),
	    cmocka_unit_test(a_register_for_the_impu_of_another_is_403),
	    cmocka_unit_test(a_register_over_tcp_is_403_unless_switched_on),
	    cmocka_unit_test(an_encrypted_element_that_cannot_be_opened_is_403_140),
	    cmocka_unit_test(mcx_sec_196_a_suite_the_server_does_not_speak_is_403_100),
	    cmocka_unit_test(a_body_with_two_parts_of_one_kind_is_refused),
	    cmocka_unit_test(a_broken_body_or_contact_is_400),
	    cmocka_unit_test(too_brief_an_expiry_is_423),
	    cmocka_unit_test(a_message_of_no_known_kind_is_415_or_403_and_a_strangers_404_141),
	    cmocka_unit_test(unknown_methods_schemes_and_extensions_are_refused_by_their_own_codes),
	};
	return cmocka_run_group_tests_name("server_register", tests, set_up, tear_down);
}

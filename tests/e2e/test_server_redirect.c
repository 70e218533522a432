/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CSK upload whose KMSs the server does not accept is answered by a signed KMS redirect (TS 33.180 5.4, 5.2.8; sip
 * 2.6, flows 9): who gets one, what stands in it, and that damage and forgery get none. Behind a core it is
 * test_server_redirect_core.c.
 */
#include "server_redirect_lab.h"

#include "mcx/doc/poc_settings.h"

static struct ua alice, bob;

/* Refused with a redirect and no warning; nothing is bound. */
static struct krr *redirected(const struct reg *r)
{
	size_t before = bindings_in_db();
	assert_int_equal(ua_register(&alice, r), 488);
	assert_int_equal(alice.warning, 0);
	assert_string_equal(alice.warning_text, "");
	assert_int_equal(bindings_in_db(), before);
	return redirect_of(alice.body_type, alice.body);
}

static void begin(void)
{
	bed_stop();
	bed_fresh();
	bed.cfg.initiator_kms.n = 0;
	bed_start();
}

static void mcx_sec_341_an_upload_for_another_kms_is_488_with_a_signed_redirect_and_no_136(void **state)
{
	(void)state;
	begin();
	struct krr *k = redirected(&(struct reg){.expires = -1, .responder = MDSI, .responder_kms = OTHER_KMS});
	assert_false(k->initiator_kms.present);
	expect_redirect(k, alice.mcptt_id, MDSI, OTHER_KMS, "");
	bed_wait_recorded("krr.sent", NULL, 1);
}

static void a_forged_or_damaged_upload_for_another_kms_is_488_136_and_no_redirect(void **state)
{
	(void)state;
	begin();
	krr_free(redirected(&(struct reg){.expires = -1, .responder_kms = OTHER_KMS}));
	uint8_t forged[MCSEC_IM_MAX];
	size_t len = last_mikey_len;
	memcpy(forged, last_mikey, len);
	forged[len - 1] ^= 1;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .mikey = {forged, len}}), 488);
	assert_int_equal(alice.warning, 136);
	assert_string_equal(alice.body_type, "");
	assert_int_equal(alice.body.len, 0);
	bed_wait_recorded("mikey.bad-signature", NULL, 1);
	bed_wait_recorded("krr.sent", NULL, 1);
}

static void an_upload_of_a_user_of_an_unknown_kms_is_redirected_without_a_signature_to_check(void **state)
{
	(void)state;
	begin();
	struct krr *k = redirected(&(struct reg){.expires = -1, .initiator_kms = OTHER_KMS});
	assert_true(k->initiator_kms.present);
	assert_int_equal(k->initiator_kms.n, 1);
	assert_string_equal(k->initiator_kms.uri[0], KMS_URI);
	expect_redirect(k, alice.mcptt_id, PSI, "", OTHER_KMS);
}

static void a_kms_that_the_policy_does_not_list_is_redirected_and_one_that_it_lists_is_not(void **state)
{
	(void)state;
	begin();
	bed_stop();
	bed.cfg.initiator_kms = (struct config_list){.n = 1, .item = {OTHER_KMS}};
	bed_start();
	struct krr *k = redirected(&(struct reg){.expires = -1});
	assert_true(k->initiator_kms.present); /* and empty: of what is allowed we hold no certificate */
	assert_int_equal(k->initiator_kms.n, 0);
	expect_redirect(k, alice.mcptt_id, PSI, "", KMS_URI);
	bed_stop();
	bed.cfg.initiator_kms = (struct config_list){.n = 2, .item = {OTHER_KMS, KMS_URI}};
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed.cfg.initiator_kms.n = 0;
}

static void a_redirect_leaves_a_binding_as_it_is(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 10}), 200);
	uint32_t id = last_csk_id;
	krr_free(redirected(&(struct reg){.expires = -1, .responder_kms = OTHER_KMS}));
	bed_wait_csk(id, 1);
}

static void hidden_identities_are_named_by_what_the_server_knows_itself(void **state)
{
	(void)state;
	begin();
	struct krr *k = redirected(&(struct reg){
	    .expires = -1, .responder = MDSI, .responder_kms = OTHER_KMS, .hide_initiator = 1, .hide_responder = 1});
	expect_redirect(k, alice.impu, MDSI, OTHER_KMS, "");
}

/* ---- by PUBLISH ---- */

static uint8_t settings[512];

static void add_settings(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	struct writer w = wr_init(settings, sizeof settings);
	(void)u;
	assert_true(*n < max);
	assert_int_equal(poc_settings_write(&w, "do1", POC_ANSWER_MANUAL), MCSEC_OK);
	parts[(*n)++] = (struct body_out){.type = TYPE_POC_SETTINGS, .body = wr_result(&w)};
}

static void mcx_sec_341_a_publish_for_another_kms_is_488_with_a_signed_redirect_and_no_136(void **state)
{
	(void)state;
	static uint8_t body[32768];
	char uri[128];
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .no_info = 1, .no_mikey = 1}), 200);
	bed_on_body = add_settings;
	size_t len =
	    ua_register_body(&alice, &(struct reg){.expires = -1, .responder_kms = OTHER_KMS}, body, sizeof body);
	bed_on_body = NULL;
	snprintf(uri, sizeof uri, "sip:mcptt@sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	struct sip_header h[] = {{"Event", "poc-settings"}, {"Expires", "600"}};
	struct sip_request rq = {
	    .method = "PUBLISH",
	    .uri = uri,
	    .from = alice.impu,
	    .to = PSI,
	    .with = {.n_headers = 2, .headers = h, .content_type = BED_REGISTER_TYPE, .body = {body, len}}};
	alice.status = alice.warning = 0;
	assert_non_null(sip_send(alice.port, &rq, ua_response, &alice));
	wait_until(&alice.status, 1);
	assert_int_equal(alice.status, 488);
	assert_int_equal(alice.warning, 0);
	expect_redirect(redirect_of(alice.body_type, alice.body), alice.mcptt_id, PSI, OTHER_KMS, "");
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE csk IS NOT NULL"), 0);
}

/* ---- the key ---- */

static void a_key_that_cannot_sign_is_refused_at_the_start(void **state)
{
	(void)state;
	char err[256] = "";
	struct server_config c = bed.cfg;
	strcpy(c.krr_key, c.ca); /* a certificate without its key */
	assert_null(server_start(&c, err, sizeof err));
	assert_non_null(strstr(err, c.krr_key));
}

static int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, NULL);
	bed_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_end_for(&alice, &bob, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_341_an_upload_for_another_kms_is_488_with_a_signed_redirect_and_no_136),
	    cmocka_unit_test(a_forged_or_damaged_upload_for_another_kms_is_488_136_and_no_redirect),
	    cmocka_unit_test(an_upload_of_a_user_of_an_unknown_kms_is_redirected_without_a_signature_to_check),
	    cmocka_unit_test(a_kms_that_the_policy_does_not_list_is_redirected_and_one_that_it_lists_is_not),
	    cmocka_unit_test(a_redirect_leaves_a_binding_as_it_is),
	    cmocka_unit_test(hidden_identities_are_named_by_what_the_server_knows_itself),
	    cmocka_unit_test(mcx_sec_341_a_publish_for_another_kms_is_488_with_a_signed_redirect_and_no_136),
	    cmocka_unit_test(a_key_that_cannot_sign_is_refused_at_the_start),
	};
	return cmocka_run_group_tests_name("server_redirect", tests, set_up, tear_down);
}

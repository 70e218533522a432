/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of another domain at a whole MC server (interconnect 4; sip 2.6; seed 002 5.4, 5.8.1): Dora's KMS is not the
 * server's, but one that the server's KMS lets in. She uploads a CSK signed under her own KMS, is sent keys encrypted
 * under it, is called under it; and what her KMS must not sign for, and who is not let in.
 */
#include "server_redirect_lab.h"

#include "server/download.h"

static struct ua alice, dora;

/* ---- key downloads ---- */

static struct {
	int n;
	uint32_t id;
	char initiator_kms[64], responder_kms[64];
} got;

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct mcsec_im *im = ua_open_im(u, rq->body);
	if (im) {
		snprintf(got.initiator_kms, sizeof got.initiator_kms, "%s", im->initiator_kms);
		snprintf(got.responder_kms, sizeof got.responder_kms, "%s", im->responder_kms);
		got.id = im->k_id;
		got.n++;
	}
	mcsec_im_free(im);
	(void)sip_reply(tx, im ? 200 : 488, NULL, NULL);
}

static const char *wrong; /* why there is no download; NULL: there is */

static int renew_one(void *ctx, struct binding *b)
{
	if (strcmp(b->row.mcptt_id, ctx) != 0)
		return 0;
	wrong = download_start(bed.server, b, KD_CSK, KD_OPERATOR);
	return 1;
}

static void renew_on_loop(void *who)
{
	wrong = "no binding";
	bindings_each(bed.server->bindings, renew_one, who);
}

/* The server replaces her CSK. */
static void download(struct ua *u)
{
	int before = got.n;
	server_on_loop(bed.server, renew_on_loop, u->mcptt_id);
	if (wrong)
		fail_msg("%s", wrong);
	wait_until(&got.n, before + 1);
	bed_wait_csk(got.id, 1);
}

/* ---- */

static void begin(int holds_other)
{
	bed_stop();
	bed_fresh();
	bed.cfg.initiator_kms.n = 0;
	bed_holds_other = holds_other;
	bed_start();
	memset(&got, 0, sizeof got);
}

static void registered(struct ua *u)
{
	assert_int_equal(ua_register(u, &(struct reg){.expires = -1, .age = 5}), 200);
}

static void seed_002_5_4_a_user_of_a_permitted_kms_uploads_a_csk_and_the_record_names_its_kms(void **state)
{
	(void)state;
	begin(1);
	registered(&dora);
	bed_wait_csk(last_csk_id, 1);
	bed_wait_recorded("csk.upload", BED_OTHER_KMS, 1);
	registered(&alice);
	bed_wait_recorded("csk.upload", KMS_URI, 1);
}

static void seed_002_5_8_1_a_key_download_goes_under_the_kms_of_its_user_after_a_restart_too(void **state)
{
	(void)state;
	begin(1);
	registered(&dora);
	registered(&alice);
	download(&dora);
	assert_string_equal(got.initiator_kms, KMS_URI);
	assert_string_equal(got.responder_kms, BED_OTHER_KMS);
	bed_wait_recorded("csk.download", BED_OTHER_KMS, 1);
	download(&alice);
	assert_string_equal(got.responder_kms, KMS_URI);
	bed_stop();
	bed_start();
	ua_reconnect(&dora);
	assert_int_equal(ua_options(&dora), 200);
	download(&dora);
	assert_string_equal(got.responder_kms, BED_OTHER_KMS);
}

static void hidden_identities_of_both_domains_are_found(void **state)
{
	(void)state;
	begin(1);
	bed_user(dora.mcptt_id, "automatic", 1, 1);
	assert_int_equal(ua_register(&dora, &(struct reg){.expires = -1, .hide_initiator = 1, .hide_responder = 1}),
			 200);
	bed_wait_recorded("csk.upload", BED_OTHER_KMS, 1);
}

static struct krr *redirected(struct ua *u, const struct reg *r)
{
	assert_int_equal(ua_register(u, r), 488);
	assert_int_equal(u->warning, 0);
	return redirect_of(u->body_type, u->body);
}

static void without_the_certificate_or_the_policys_leave_the_answer_is_a_redirect(void **state)
{
	(void)state;
	begin(0);
	struct krr *k = redirected(&dora, &(struct reg){.expires = -1});
	assert_int_equal(k->initiator_kms.n, 1);
	assert_string_equal(k->initiator_kms.uri[0], KMS_URI);
	expect_redirect(k, dora.mcptt_id, PSI, "", BED_OTHER_KMS);
	begin(1);
	bed_stop();
	bed.cfg.initiator_kms = (struct config_list){.n = 1, .item = {KMS_URI}};
	bed_start();
	k = redirected(&dora, &(struct reg){.expires = -1});
	assert_int_equal(k->initiator_kms.n, 1);
	expect_redirect(k, dora.mcptt_id, PSI, "", BED_OTHER_KMS);
	bed_wait_recorded("krr.sent", BED_OTHER_KMS, 1);
	bed.cfg.initiator_kms.n = 0;
}

static void what_the_redirect_lists_are_all_domains_that_may_come(void **state)
{
	(void)state;
	begin(1);
	struct krr *k = redirected(&alice, &(struct reg){.expires = -1, .initiator_kms = "kms.third.test"});
	assert_int_equal(k->initiator_kms.n, 2);
	assert_string_equal(k->initiator_kms.uri[0], KMS_URI);
	assert_string_equal(k->initiator_kms.uri[1], BED_OTHER_KMS);
	krr_free(k);
}

static void a_kms_that_was_let_in_cannot_sign_for_a_user_of_this_domain(void **state)
{
	(void)state;
	begin(1);
	struct mcsec_keyset *own = alice.keys, *theirs = bed_issue_elsewhere(alice.mcptt_id);
	alice.keys = theirs;
	alice.elsewhere = 1;
	int status = ua_register(&alice, &(struct reg){.expires = -1});
	alice.keys = own;
	alice.elsewhere = 0;
	mcsec_keyset_free(theirs);
	assert_int_equal(status, 488);
	assert_int_equal(alice.warning, 136);
	bed_wait_recorded("mikey.bad-identity", NULL, 1);
	registered(&alice); /* under her own */
}

static void users_of_both_domains_call_each_other_and_the_record_names_both_kmss(void **state)
{
	(void)state;
	begin(1);
	registered(&alice);
	registered(&dora);
	bed_user(alice.mcptt_id, "automatic", 1, 1);
	bed_user(dora.mcptt_id, "automatic", 1, 1);
	assert_int_equal(ua_invite(&alice, &(struct inv){.target = dora.mcptt_id, .responder_kms = BED_OTHER_KMS}),
			 200);
	assert_int_equal(ua_bye(&alice), 200);
	bed_wait_recorded("call.start", BED_OTHER_KMS, 1);
	assert_int_equal(ua_invite(&dora, &(struct inv){.target = alice.mcptt_id}), 200);
	assert_int_equal(ua_bye(&dora), 200);
	bed_wait_recorded("call.start", BED_OTHER_KMS, 2);
}

/* ---- on the path of a call ---- */

static void begin_calls(int on_path)
{
	bed.cfg.redirect_on_path = on_path;
	begin(1);
	registered(&alice);
	registered(&dora);
	bed_user(alice.mcptt_id, "automatic", 1, 1);
	bed_user(dora.mcptt_id, "automatic", 1, 1);
	dora.invites = 0;
}

/* Alice's call to Dora under this KMS does not reach her. */
static struct krr *stopped(const char *responder_kms)
{
	int before = dora.invites;
	assert_int_equal(ua_invite(&alice, &(struct inv){.target = dora.mcptt_id, .responder_kms = responder_kms}),
			 488);
	assert_int_equal(alice.warning, 0);
	assert_int_equal(dora.invites, before);
	struct krr *k = redirect_of(alice.body_type, alice.body);
	assert_string_equal(k->initiator_uri, alice.mcptt_id);
	assert_string_equal(k->receiver_uri, dora.mcptt_id);
	return k;
}

static void goes_through(const char *responder_kms)
{
	assert_int_equal(ua_invite(&alice, &(struct inv){.target = dora.mcptt_id, .responder_kms = responder_kms}),
			 200);
	assert_int_equal(ua_bye(&alice), 200);
}

static void seed_003_7_2_1_3_2_steps_2_3_a_call_for_the_wrong_domain_is_redirected_and_not_forwarded(void **state)
{
	(void)state;
	begin_calls(1);
	struct krr *k = stopped(NULL);
	assert_string_equal(k->rejected_receiver_kms, KMS_URI);
	assert_string_equal(k->rejected_initiator_kms, "");
	assert_int_equal(k->receiver_kms.n, 1);
	assert_string_equal(k->receiver_kms.uri[0], BED_OTHER_KMS);
	krr_free(k);
	bed_wait_recorded("krr.sent", "from " KMS_URI " for " KMS_URI, 1);
	goes_through(BED_OTHER_KMS); /* as the redirect says */
}

static void what_the_operator_says_of_a_user_comes_before_what_her_uploads_show(void **state)
{
	(void)state;
	begin_calls(1);
	bed_user_kms(dora.mcptt_id, KMS_URI " " BED_OTHER_KMS);
	goes_through(NULL);
	goes_through(BED_OTHER_KMS);
	bed_user_kms(dora.mcptt_id, "kms.third.test " BED_OTHER_KMS);
	struct krr *k = stopped(NULL);
	assert_int_equal(k->receiver_kms.n, 1); /* of the third we hold no certificate */
	assert_string_equal(k->receiver_kms.uri[0], BED_OTHER_KMS);
	krr_free(k);
	bed_user_kms(dora.mcptt_id, "kms.third.test");
	k = stopped(BED_OTHER_KMS);
	assert_true(k->receiver_kms.present);
	assert_int_equal(k->receiver_kms.n, 0);
	krr_free(k);
}

static void a_callers_kms_that_the_policy_does_not_list_is_redirected_on_the_path_too(void **state)
{
	(void)state;
	begin_calls(1);
	bed_stop();
	bed.cfg.initiator_kms = (struct config_list){.n = 1, .item = {BED_OTHER_KMS}};
	bed_start();
	ua_reconnect(&alice);
	struct krr *k = stopped(BED_OTHER_KMS);
	assert_string_equal(k->rejected_initiator_kms, KMS_URI);
	assert_string_equal(k->rejected_receiver_kms, "");
	assert_int_equal(k->initiator_kms.n, 1);
	assert_string_equal(k->initiator_kms.uri[0], BED_OTHER_KMS);
	krr_free(k);
	bed.cfg.initiator_kms.n = 0;
}

static void with_redirect_on_path_off_the_callee_alone_decides(void **state)
{
	(void)state;
	begin_calls(0);
	goes_through(NULL);
}

static int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &dora, NULL);
	ua_move(&dora);
	bed_on_message = on_message;
	bed_on_body = bed_protect;
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1; /* without which no keys are sent */
	bed.cfg.csk_grace_s = 32;
	bed.cfg.musik_life_s = 86400;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_on_message = NULL;
	bed_on_body = NULL;
	bed_end_for(&alice, &dora, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seed_002_5_4_a_user_of_a_permitted_kms_uploads_a_csk_and_the_record_names_its_kms),
	    cmocka_unit_test(seed_002_5_8_1_a_key_download_goes_under_the_kms_of_its_user_after_a_restart_too),
	    cmocka_unit_test(hidden_identities_of_both_domains_are_found),
	    cmocka_unit_test(without_the_certificate_or_the_policys_leave_the_answer_is_a_redirect),
	    cmocka_unit_test(what_the_redirect_lists_are_all_domains_that_may_come),
	    cmocka_unit_test(a_kms_that_was_let_in_cannot_sign_for_a_user_of_this_domain),
	    cmocka_unit_test(users_of_both_domains_call_each_other_and_the_record_names_both_kmss),
	    cmocka_unit_test(seed_003_7_2_1_3_2_steps_2_3_a_call_for_the_wrong_domain_is_redirected_and_not_forwarded),
	    cmocka_unit_test(what_the_operator_says_of_a_user_comes_before_what_her_uploads_show),
	    cmocka_unit_test(a_callers_kms_that_the_policy_does_not_list_is_redirected_on_the_path_too),
	    cmocka_unit_test(with_redirect_on_path_off_the_callee_alone_decides),
	};
	return cmocka_run_group_tests_name("server_domains", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity hiding and SAKKE-to-self at a whole server (TS 33.180 5.2.5, 5.2.6, E.5, E.7; sip.md 2.6, 4.2, 11): uploads
 * whose initiator is a UID, key downloads on and off, each with a peer that does the other, and what is refused.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>

#include "mcsec/secret.h"
#include "mcx/xmlsec/xmlsec.h"
#include "server/download.h"
#include "server/uids.h"

static struct ua alice, bob;

static struct got {
	int n;
	uint32_t id;
	uint8_t key[16];
	struct mcsec_im_peek peek;
	int clear; /* an MC ID or the server's URI stands in it */
	uint8_t message[MCSEC_IM_MAX];
	size_t len;
} got;

static int holds(struct octets text, const char *what)
{
	return memmem(text.p, text.len, what, strlen(what)) != NULL;
}

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct mcsec_fault fault;
	struct mcsec_im *im = ua_open_im(u, rq->body);
	assert_non_null(im);
	got.id = im->k_id;
	memcpy(got.key, im->key, sizeof got.key);
	assert_string_equal(im->initiator, PSI);
	mcsec_im_free(im);
	memcpy(got.message, rq->body.p, rq->body.len);
	got.len = rq->body.len;
	assert_int_equal(mcsec_im_peek(got.message, got.len, &got.peek, &fault), MCSEC_OK);
	got.clear = holds(rq->body, u->mcptt_id) || holds(rq->body, PSI);
	got.n++;
	(void)sip_reply(tx, 200, NULL, NULL);
}

static void begin_with(int hiding, int to_self)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	memset(&got, 0, sizeof got);
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.identity_hiding = hiding;
	bed.cfg.sakke_to_self = to_self;
	bed.cfg.csk_grace_s = 32;
	bed_start();
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
	bob.answer = 200;
}

#define UPLOAD(...) ua_register(&alice, &(struct reg){.expires = -1, .age = 5, __VA_ARGS__})

static int one_binding_of(const char *mcptt_id)
{
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE mcptt_id='%s' AND csk IS NOT NULL", mcptt_id);
	return rows_in_db(sql) == 1;
}

static void refused_as_bad_identity(const struct reg *r)
{
	size_t before = bed_recorded("mikey.bad-identity", NULL);
	assert_int_equal(ua_register(&alice, r), 488);
	assert_int_equal(alice.warning, 136);
	assert_int_equal(bindings_in_db(), 0);
	bed_wait_recorded("mikey.bad-identity", NULL, before + 1);
}

static int renew_one(void *ctx, struct binding *b)
{
	(void)b;
	return *(const char **)ctx = download_start(bed.server, b, KD_CSK, KD_OPERATOR), 1;
}

static void renew_on_loop(void *arg)
{
	bindings_each(bed.server->bindings, renew_one, arg);
}

static void renew(void)
{
	const char *why = "";
	server_on_loop(bed.server, renew_on_loop, &why);
	assert_null(why);
	wait_until(&got.n, 1);
	bed_wait_csk(got.id, 1);
}

static int call_works(void)
{
	int status = ua_invite(&alice, &(struct inv){0});
	if (status == 200)
		assert_int_equal(ua_bye(&alice), 200);
	return status == 200;
}

/* ---- uploads ---- */

static void seed_002_5_4_a_hidden_upload_is_bound_to_the_user_of_its_uid(void **state)
{
	(void)state;
	begin_with(1, 0);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .hide_initiator = 1, .hide_responder = 1}),
			 200);
	assert_int_equal(UPLOAD(.hide_initiator = 1, .hide_responder = 1), 200);
	assert_false(holds((struct octets){last_mikey, last_mikey_len}, alice.mcptt_id));
	assert_false(holds((struct octets){last_mikey, last_mikey_len}, PSI));
	assert_true(one_binding_of(alice.mcptt_id));
	assert_true(call_works());
}

static void each_end_may_be_hidden_alone_and_neither_need_be(void **state)
{
	(void)state;
	for (int hiding = 0; hiding < 2; hiding++) { /* whatever the server does itself */
		begin_with(hiding, 0);
		assert_int_equal(UPLOAD(.to_self = 0), 200);
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 4, .hide_initiator = 1}), 200);
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 3, .hide_responder = 1}), 200);
		assert_true(one_binding_of(alice.mcptt_id));
	}
}

static void a_hidden_upload_to_the_mdsi_is_bound_too(void **state)
{
	(void)state;
	begin_with(0, 0);
	assert_int_equal(UPLOAD(.hide_initiator = 1, .hide_responder = 1, .responder = MDSI), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE server_id='" MDSI "'"), 1);
}

static void a_hidden_initiator_who_is_no_user_of_ours_is_488_136(void **state)
{
	(void)state;
	begin_with(0, 0);
	struct ua stranger;
	ua_make(&stranger, "carol", "carol", "carol");
	refused_as_bad_identity(
	    &(struct reg){.expires = -1, .hide_initiator = 1, .initiator = stranger.mcptt_id, .keys = stranger.keys});
	mcsec_keyset_free(stranger.keys);
}

static void a_hidden_initiator_who_is_another_user_than_the_token_says_is_488_136(void **state)
{
	(void)state;
	begin_with(0, 0);
	bed_csk.name = bob.mcptt_id; /* whose key the documents then stand under */
	refused_as_bad_identity(
	    &(struct reg){.expires = -1, .hide_initiator = 1, .initiator = bob.mcptt_id, .keys = bob.keys});
	bed_csk.name = NULL;
}

static void a_user_who_is_added_later_is_known_by_the_uid_too(void **state)
{
	(void)state;
	begin_with(0, 0);
	struct ua carol;
	ua_open(&carol, "carol", "carol", "carol");
	const struct reg hidden = {.expires = -1, .hide_initiator = 1};
	assert_int_equal(ua_register(&carol, &hidden), 488);
	bed_user(carol.mcptt_id, "automatic", 1, 1);
	assert_int_equal(ua_register(&carol, &hidden), 200);
	assert_true(one_binding_of(carol.mcptt_id));
	ua_close(&carol);
}

static void a_uid_is_looked_up_in_the_key_period_of_the_message(void **state)
{
	(void)state;
	struct bindings *users = bindings_new();
	struct uids *uids = uids_new();
	struct db_user row = {.mcptt_id = "sip:alice@mc.example"};
	struct mcsec_im_kms kms = {.uri = "kms.mc.example", .periods = {1000, 0}};
	uint64_t at[] = {MCSEC_NTP_UNIX + 5000, MCSEC_NTP_UNIX + 6000, MCSEC_NTP_UNIX + 7000};
	uint8_t uid[3][MCSEC_UID_LEN];
	assert_int_equal(users_put(users, &row), 0);
	for (int i = 0; i < 3; i++) {
		uint64_t period;
		assert_int_equal(mcsec_period_number(&kms.periods, at[i], &period), MCSEC_OK);
		assert_int_equal(mcsec_uid(row.mcptt_id, kms.uri, &kms.periods, period, uid[i]), MCSEC_OK);
	}
	for (int i = 0; i < 9; i++)
		assert_string_equal(uids_find(uids, users, &kms, at[i / 3], uid[i % 3]),
				    i / 3 == i % 3 ? row.mcptt_id : "");
	struct mcsec_im_kms other = {.uri = "kms.other.example", .periods = {1000, 0}};
	assert_string_equal(uids_find(uids, users, &other, at[0], uid[0]), "");
	users_remove(users, row.mcptt_id);
	assert_string_equal(uids_find(uids, users, &kms, at[2], uid[2]), "");
	uids_free(uids);
	bindings_free(users);
}

/* ---- key downloads ---- */

static void seed_002_5_8_1_a_download_hides_both_identities_where_that_is_on(void **state)
{
	(void)state;
	begin_with(1, 0);
	assert_int_equal(UPLOAD(.hide_initiator = 1, .hide_responder = 1), 200);
	renew();
	assert_true(got.peek.initiator_hidden && got.peek.responder_hidden);
	assert_false(got.clear);
	assert_false(got.peek.to_self);
}

static void a_download_to_a_client_that_hides_nothing_is_hidden_all_the_same_and_the_other_way_round(void **state)
{
	(void)state;
	begin_with(1, 0);
	assert_int_equal(UPLOAD(.to_self = 0), 200);
	renew();
	assert_true(got.peek.initiator_hidden && got.peek.responder_hidden);
	begin_with(0, 0);
	assert_int_equal(UPLOAD(.hide_initiator = 1, .hide_responder = 1), 200);
	renew();
	assert_false(got.peek.initiator_hidden || got.peek.responder_hidden);
	assert_true(got.clear);
}

static void seed_002_5_8_1_a_download_carries_sakke_to_self_where_that_is_on(void **state)
{
	(void)state;
	begin_with(0, 1);
	assert_int_equal(UPLOAD(.to_self = 0), 200);
	renew();
	assert_true(got.peek.to_self);
}

static void an_upload_with_sakke_to_self_is_bound_and_hidden_too(void **state)
{
	(void)state;
	begin_with(0, 0);
	assert_int_equal(UPLOAD(.to_self = 1), 200);
	assert_int_equal(
	    ua_register(&alice, &(struct reg){.expires = -1, .to_self = 1, .hide_initiator = 1, .hide_responder = 1}),
	    200);
	assert_true(one_binding_of(alice.mcptt_id));
}

/* The server opens a message of its own by SAKKE-to-self; and who it is from is not who brings it. */
static void a_download_that_comes_back_as_an_upload_is_488_136(void **state)
{
	(void)state;
	for (int hiding = 0; hiding < 2; hiding++) {
		begin_with(hiding, 1);
		assert_int_equal(UPLOAD(.to_self = 0), 200);
		renew();
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
		bed_csk = (struct bed_csk){.key = got.key, .id = got.id, .name = PSI};
		refused_as_bad_identity(&(struct reg){.expires = -1, .mikey = {got.message, got.len}});
		bed_csk = (struct bed_csk){0};
	}
}

static int set_up(void **state)
{
	(void)state;
	bed_on_message = on_message;
	bed_on_body = bed_protect;
	bed_begin_for(&alice, &bob, NULL);
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
	    cmocka_unit_test(seed_002_5_4_a_hidden_upload_is_bound_to_the_user_of_its_uid),
	    cmocka_unit_test(each_end_may_be_hidden_alone_and_neither_need_be),
	    cmocka_unit_test(a_hidden_upload_to_the_mdsi_is_bound_too),
	    cmocka_unit_test(a_hidden_initiator_who_is_no_user_of_ours_is_488_136),
	    cmocka_unit_test(a_hidden_initiator_who_is_another_user_than_the_token_says_is_488_136),
	    cmocka_unit_test(a_user_who_is_added_later_is_known_by_the_uid_too),
	    cmocka_unit_test(a_uid_is_looked_up_in_the_key_period_of_the_message),
	    cmocka_unit_test(seed_002_5_8_1_a_download_hides_both_identities_where_that_is_on),
	    cmocka_unit_test(a_download_to_a_client_that_hides_nothing_is_hidden_all_the_same_and_the_other_way_round),
	    cmocka_unit_test(seed_002_5_8_1_a_download_carries_sakke_to_self_where_that_is_on),
	    cmocka_unit_test(an_upload_with_sakke_to_self_is_bound_and_hidden_too),
	    cmocka_unit_test(a_download_that_comes_back_as_an_upload_is_488_136),
	};
	return cmocka_run_group_tests_name("server_hiding", tests, set_up, tear_down);
}

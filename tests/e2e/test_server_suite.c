/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Algorithm negotiation at a whole server (TS 33.180 4.3.4.1, 5.4, 5.8.1; mikey.md 8): what an upload may select, what
 * the server forces by key download and when, what the uploaded CSK is good for until then, and what stays on record.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>

#include "mcsec/secret.h"
#include "mcx/xmlsec/xmlsec.h"
#include "server/download.h"

static struct ua alice, bob;

/* The last MESSAGE to Alice. */
static struct got {
	int n, answer; /* answer 0: 200; -1: none */
	uint32_t id;
	uint8_t key[16];
	struct mcsec_alg_list algs;
} got;

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct mcsec_im *im = ua_open_im(u, rq->body);
	assert_non_null(im);
	assert_ptr_equal(u, &alice);
	got.id = im->k_id;
	got.algs = im->algs;
	memcpy(got.key, im->key, sizeof got.key);
	mcsec_im_free(im);
	got.n++;
	if (got.answer >= 0)
		(void)sip_reply(tx, got.answer ? got.answer : 200, NULL, NULL);
}

/* ---- bodies under a CSK and a suite ---- */

/* Alice calls Bob under that key and suite: status and warning as one number. */
static int call_under(const uint8_t *key, uint32_t id, uint16_t suite)
{
	int status = ua_invite_under(&alice, &(struct bed_csk){.key = key, .id = id, .suite = suite});
	return status == 200 ? 200 : 1000 * alice.warning + status;
}

/* What comes with it stands under the mandatory suite if that is listed. */
static int upload(struct ua *u, const struct reg *r)
{
	bed_csk.suite = r->suite == MCSEC_SUITE_AES256 && r->second_suite != MCSEC_SUITE_AES128 ? r->suite : 0;
	int status = ua_register(u, r);
	bed_csk.suite = 0;
	return status;
}

#define UPLOAD(...) upload(&alice, &(struct reg){.expires = -1, .age = 5, __VA_ARGS__})
#define BOTH        .suite = MCSEC_SUITE_AES256, .second_suite = MCSEC_SUITE_AES128

static void refused(const struct reg *r, int status, int warning)
{
	assert_int_equal(upload(&alice, r), status);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE mcptt_id='sip:alice@mcptt.a.test'"), 0);
}

/* ---- the server ---- */

/* What the KMS says, its minimum, and the server's own setting. */
static void begin_with(const char *domain, const char *minimum, const char *own)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	memset(&got, 0, sizeof got);
	bed_suites = domain;
	bed_suites_minimum = minimum;
	strcpy(bed.cfg.suites, own);
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.csk_grace_s = 32;
	bed_start();
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
	bob.answer = 200;
}

static void bob_comes(void)
{
	bed_csk.suite = 0;
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .age = 5}), 200);
}

struct force {
	uint16_t suite;
	const char *why;
	int found;
};

static int force_one(void *ctx, struct binding *b)
{
	struct force *f = ctx;
	if (strcmp(b->row.mcptt_id, alice.mcptt_id) != 0)
		return 0;
	f->found = 1;
	f->why = download_force(bed.server, b, f->suite);
	return 1;
}

static void force_on_loop(void *arg)
{
	bindings_each(bed.server->bindings, force_one, arg);
}

static const char *force(uint16_t suite)
{
	struct force f = {suite, NULL, 0};
	server_on_loop(bed.server, force_on_loop, &f);
	assert_true(f.found);
	return f.why;
}

/* ---- an upload ---- */

static void seed_002_5_4_the_suite_that_the_client_selects_is_the_one_in_use(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	bob_comes();
	assert_int_equal(UPLOAD(BOTH), 200);
	bed_wait_recorded("csk.upload", "\"suite\":\"0102\"", 1);
	assert_int_equal(call_under(alice.csk, alice.csk_id, MCSEC_SUITE_AES256), 200);
	assert_int_equal(got.n, 0);
}

static void mcx_sec_199_keys_of_the_other_suite_are_refused(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	assert_int_equal(UPLOAD(BOTH), 200);
	assert_int_equal(call_under(alice.csk, alice.csk_id, MCSEC_SUITE_AES128), 139403);
	assert_int_equal(upload(&alice, &(struct reg){.expires = -1}), 200); /* no list: 0101 */
	assert_int_equal(call_under(alice.csk, alice.csk_id, MCSEC_SUITE_AES256), 139403);
}

static void mcx_sec_196_no_common_suite_is_403_100_and_no_key_is_kept(void **state)
{
	(void)state;
	begin_with("0102 0101", "", "0101");
	refused(&(struct reg){.expires = -1, .suite = MCSEC_SUITE_AES256}, 403, 100);
	assert_non_null(strstr(alice.warning_text, "\"100 function not allowed due to no common security algorithm\""));
	bed_wait_recorded("alg.refuse", NULL, 1);
	assert_int_equal(got.n, 0);
}

static void mcx_sec_196_a_suite_that_nobody_speaks_is_403_100_though_its_documents_do_not_open(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	refused(&(struct reg){.expires = -1, .suite = 0x0103}, 403, 100);
	assert_non_null(strstr(alice.warning_text, "\"100 function not allowed due to no common security algorithm\""));
	bed_wait_recorded("alg.refuse", NULL, 1);
}

static void a_suite_below_the_domains_minimum_is_403_100(void **state)
{
	(void)state;
	begin_with("0102 0101", "0102", SUITES_KNOWN);
	refused(&(struct reg){.expires = -1, .suite = MCSEC_SUITE_AES128}, 403, 100);
	refused(&(struct reg){.expires = -1}, 403, 100); /* silence means 0101 */
	bed_wait_recorded("alg.refuse", NULL, 2);
	assert_int_equal(UPLOAD(.suite = MCSEC_SUITE_AES256), 200);
}

static void a_selection_below_the_minimum_is_replaced_where_the_list_has_better(void **state)
{
	(void)state;
	begin_with("0102 0101", "0102", SUITES_KNOWN);
	bob.answer = 200;
	assert_int_equal(UPLOAD(.suite = MCSEC_SUITE_AES128, .second_suite = MCSEC_SUITE_AES256), 200);
	wait_until(&got.n, 1);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES256);
	bed_wait_csk(got.id, 1);
	bed_wait_recorded("alg.select", "\"suite\":\"0102\"", 1);
	assert_int_equal(bed_recorded("alg.downgrade", NULL), 0);
}

static void without_protection_nothing_can_be_forced_and_the_upload_is_403_100(void **state)
{
	(void)state;
	begin_with("0102 0101", "", "0101");
	bed_stop();
	bed.cfg.xml_confidentiality = 0;
	bed_start();
	refused(&(struct reg){.expires = -1, BOTH}, 403, 100);
}

/* The I_MESSAGE of a good upload, spoilt by a party that does not hold the client's key. */
static struct octets spoilt(int how)
{
	static uint8_t message[MCSEC_IM_MAX];
	static const uint8_t magic[] = {'M', 'C', 'X', 'A', 1};
	assert_int_equal(UPLOAD(BOTH), 200);
	memcpy(message, last_mikey, last_mikey_len);
	uint8_t *list = memmem(message, last_mikey_len, magic, sizeof magic);
	size_t len = last_mikey_len;
	assert_non_null(list);
	if (how == 0) { /* stripped: the payload before now names what followed it */
		uint8_t *gen = list - 4, *end = list + 8 + 2 * 2;
		uint8_t *sakke = memmem(message, len, "\x15\x01\x02\x01\x11", 5);
		assert_non_null(sakke); /* next payload GEN, set 1, scheme 2, 273 octets */
		sakke[0] = gen[0];
		memmove(gen, end, (size_t)(message + len - end));
		len -= (size_t)(end - gen);
	} else if (how == 1) { /* another selection */
		list[6] ^= 3;
	} else if (how == 2) { /* another order */
		list[9] ^= 3;
		list[11] ^= 3;
	} else { /* a transport that the message is not built with */
		list[5] = 2;
	}
	assert_int_equal(upload(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
	return (struct octets){message, len};
}

static void mcx_sec_195_a_list_that_was_taken_out_fails_the_signature(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	struct octets m = spoilt(0);
	refused(&(struct reg){.expires = -1, .mikey = m}, 488, 136);
	bed_wait_recorded("mikey.bad-signature", NULL, 1);
}

static void mcx_sec_195_a_list_that_was_changed_fails_the_signature(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	struct octets m = spoilt(1);
	refused(&(struct reg){.expires = -1, .mikey = m}, 488, 136);
	m = spoilt(2);
	refused(&(struct reg){.expires = -1, .mikey = m}, 488, 136);
	bed_wait_recorded("mikey.bad-signature", NULL, 2);
}

static void mcx_sec_197_a_message_that_is_not_built_with_its_selected_suite_is_488_136(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	struct octets m = spoilt(3);
	refused(&(struct reg){.expires = -1, .mikey = m}, 488, 136);
	bed_wait_recorded("mikey.malformed", NULL, 1);
}

/* ---- the server's choice ---- */

static void mcx_sec_192_a_suite_that_is_not_allowed_is_replaced_by_key_download(void **state)
{
	(void)state;
	begin_with("0102 0101", "", "0101");
	bob_comes();
	uint32_t uploaded;
	assert_int_equal(UPLOAD(BOTH), 200);
	uploaded = alice.csk_id;
	wait_until(&got.n, 1);
	assert_int_not_equal(got.id, uploaded);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES128);
	assert_int_equal(got.algs.n, 1); /* the server's own list */
	bed_wait_csk(got.id, 1);
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES128), 200);
	bed_wait_recorded("csk.download", "\"downgrade\":\"0102 to 0101\"", 1); /* MCX-SEC-198 */
	bed_wait_recorded("alg.downgrade", "\"suite\":\"0101\"", 1);
	/* What was uploaded has no grace: it never protected anything. */
	assert_int_equal(call_under(alice.csk, uploaded, MCSEC_SUITE_AES256), 139403);
}

static void mcx_sec_192_until_the_download_is_taken_the_uploaded_key_serves_nothing_else(void **state)
{
	(void)state;
	begin_with("0102 0101", "", "0101");
	bob_comes();
	int before = bob.invites;
	got.answer = -1;
	assert_int_equal(UPLOAD(BOTH), 200);
	wait_until(&got.n, 1);
	assert_int_equal(call_under(alice.csk, alice.csk_id, MCSEC_SUITE_AES256), 500);
	assert_true(alice.retry_after > 0);
	assert_int_equal(bob.invites, before);
	/* the key of the download is another matter: it tells that the client has it */
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES128), 200);
	bed_wait_csk(got.id, 1);
}

static void a_call_to_a_client_whose_key_is_held_does_not_reach_it(void **state)
{
	(void)state;
	begin_with("0102 0101", "", "0101");
	got.answer = -1;
	assert_int_equal(UPLOAD(BOTH), 200); /* Alice, whom Bob calls */
	wait_until(&got.n, 1);
	bed_user(alice.mcptt_id, "automatic", 1, 1);
	bob_comes();
	int before = alice.invites;
	int status = ua_invite(&bob, &(struct inv){.target = alice.mcptt_id});
	assert_true(status >= 480 && status <= 503);
	assert_int_equal(alice.invites, before);
}

static void seed_002_5_8_1_an_officer_forces_another_suite_of_the_clients_list(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	bob_comes();
	assert_int_equal(UPLOAD(BOTH), 200);
	assert_null(force(MCSEC_SUITE_AES128));
	wait_until(&got.n, 1);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES128);
	assert_int_equal(got.algs.n, 2);
	bed_wait_csk(got.id, 1);
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES128), 200);
	bed_wait_recorded("alg.downgrade", "\"downgrade\":\"0102 to 0101\"", 1);
	assert_null(force(MCSEC_SUITE_AES256)); /* and back */
	wait_until(&got.n, 2);
	bed_wait_csk(got.id, 1);
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES256), 200);
	bed_wait_recorded("alg.select", "\"suite\":\"0102\"", 1);
}

static void mcx_sec_193_what_the_client_has_not_listed_cannot_be_forced(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	assert_int_equal(UPLOAD(.suite = 0), 200);
	assert_string_equal(force(MCSEC_SUITE_AES256), "the client has not listed this suite");
	pump(100);
	assert_int_equal(got.n, 0);
}

static void what_the_domain_does_not_allow_cannot_be_forced(void **state)
{
	(void)state;
	begin_with("0102 0101", "0102", SUITES_KNOWN);
	assert_int_equal(UPLOAD(BOTH), 200);
	assert_non_null(force(MCSEC_SUITE_AES128));
	pump(100);
	assert_int_equal(got.n, 0);
}

static void a_suite_that_is_no_longer_allowed_is_replaced_after_a_restart(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	bob_comes();
	assert_int_equal(UPLOAD(BOTH), 200);
	bed_stop();
	strcpy(bed.cfg.suites, "0101");
	bed_start();
	assert_int_equal(ua_options(&bob), 200);
	assert_int_equal(ua_options(&alice), 200);
	wait_until(&got.n, 1);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES128);
	bed_wait_csk(got.id, 1);
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES128), 200);
}

static void where_nothing_is_common_any_more_the_binding_ends(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	assert_int_equal(UPLOAD(.suite = MCSEC_SUITE_AES256), 200);
	bed_stop();
	strcpy(bed.cfg.suites, "0101");
	bed_start();
	bed_wait_rows("SELECT count(*) FROM bindings WHERE mcptt_id='sip:alice@mcptt.a.test'", 0);
	assert_int_equal(got.n, 0);
}

static void a_client_without_a_list_is_sent_none(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	assert_int_equal(UPLOAD(.suite = 0), 200);
	assert_null(force(MCSEC_SUITE_AES128));
	wait_until(&got.n, 1);
	assert_int_equal(got.algs.n, 0);
}

static void a_pending_suite_survives_a_restart(void **state)
{
	(void)state;
	begin_with("0102 0101", "", SUITES_KNOWN);
	bob_comes();
	got.answer = -1;
	assert_int_equal(UPLOAD(BOTH), 200);
	assert_null(force(MCSEC_SUITE_AES128));
	wait_until(&got.n, 1);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES128);
	bed_stop();
	got.answer = 0;
	bed_start();
	assert_int_equal(ua_options(&bob), 200);
	assert_int_equal(ua_options(&alice), 200);
	wait_until(&got.n, 2);
	assert_int_equal(got.algs.selected, MCSEC_SUITE_AES128);
	bed_wait_csk(got.id, 1);
	assert_int_equal(call_under(got.key, got.id, MCSEC_SUITE_AES128), 200);
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
	    cmocka_unit_test(seed_002_5_4_the_suite_that_the_client_selects_is_the_one_in_use),
	    cmocka_unit_test(mcx_sec_199_keys_of_the_other_suite_are_refused),
	    cmocka_unit_test(mcx_sec_196_no_common_suite_is_403_100_and_no_key_is_kept),
	    cmocka_unit_test(mcx_sec_196_a_suite_that_nobody_speaks_is_403_100_though_its_documents_do_not_open),
	    cmocka_unit_test(a_suite_below_the_domains_minimum_is_403_100),
	    cmocka_unit_test(a_selection_below_the_minimum_is_replaced_where_the_list_has_better),
	    cmocka_unit_test(without_protection_nothing_can_be_forced_and_the_upload_is_403_100),
	    cmocka_unit_test(mcx_sec_195_a_list_that_was_taken_out_fails_the_signature),
	    cmocka_unit_test(mcx_sec_195_a_list_that_was_changed_fails_the_signature),
	    cmocka_unit_test(mcx_sec_197_a_message_that_is_not_built_with_its_selected_suite_is_488_136),
	    cmocka_unit_test(mcx_sec_192_a_suite_that_is_not_allowed_is_replaced_by_key_download),
	    cmocka_unit_test(mcx_sec_192_until_the_download_is_taken_the_uploaded_key_serves_nothing_else),
	    cmocka_unit_test(a_call_to_a_client_whose_key_is_held_does_not_reach_it),
	    cmocka_unit_test(seed_002_5_8_1_an_officer_forces_another_suite_of_the_clients_list),
	    cmocka_unit_test(mcx_sec_193_what_the_client_has_not_listed_cannot_be_forced),
	    cmocka_unit_test(what_the_domain_does_not_allow_cannot_be_forced),
	    cmocka_unit_test(a_suite_that_is_no_longer_allowed_is_replaced_after_a_restart),
	    cmocka_unit_test(where_nothing_is_common_any_more_the_binding_ends),
	    cmocka_unit_test(a_client_without_a_list_is_sent_none),
	    cmocka_unit_test(a_pending_suite_survives_a_restart),
	};
	return cmocka_run_group_tests_name("server_suite", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_transport.c - the security extension of the KMS interface against the real daemon (kms.md 6.4, 10, 12.1;
 * MCX-SEC-120 to 122): keys wrapped, requests and answers signed, keys renewed, and what is refused.
 */
#include "kms_keys_lab.h"

/* ---- keys by hand ---- */

/* State of a key by the officer's list; "" when it is not there. */
static void state_of(const char *id, char out[16])
{
	struct http_answer a =
	    kl_admin(&k, k.auditor, "GET", "/admin/v1/transportkeys/sip%3Aalice%40example.org", NULL);
	assert_int_equal(a.status, 200);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL), *one;
	size_t i;
	out[0] = 0;
	json_array_foreach(json_object_get(j, "keys"), i, one)
	{
		assert_null(json_object_get(one, "key")); /* never again in clear */
		if (strcmp(json_string_value(json_object_get(one, "id")), id) == 0)
			snprintf(out, 16, "%s", json_string_value(json_object_get(one, "state")));
	}
	json_decref(j);
	http_answer_free(&a);
}

static void expect_state(const char *id, const char *want)
{
	char have[16];
	state_of(id, have);
	assert_string_equal(have, want);
}

/* ---- requests by hand ---- */

static void expect_refusal(struct by_hand h, int status, int64_t code, const char *word)
{
	uint8_t body[8192];
	size_t n = write_signed(h, body, sizeof body);
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, status);
	assert_int_equal(kl_error_code(&a), code);
	assert_non_null(memmem(a.body, a.body_len, word, strlen(word)));
	http_answer_free(&a);
}

/* ---- the way through ---- */

static void mcx_sec_121_keys_travel_wrapped_and_answers_signed(void **state)
{
	(void)state;
	uint8_t body[8192];
	anew();
	expect_provision(keys);
	size_t n = write_signed((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key, .id = "req-x"}, body,
				sizeof body);
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "<SignedKmsResponse ", 19));
	assert_non_null(memmem(a.body, a.body_len, "xsi:type=\"EncKeyContentType\"", 28));
	assert_null(memmem(a.body, a.body_len, "xsi:type=\"KeyContentType\"", 25));
	assert_null(memmem(a.body, a.body_len, "<TrK-ID>", 8)); /* only if the request named one */
	http_answer_free(&a);
}

static void an_unsigned_request_of_a_user_with_keys_is_answered_wrapped_too(void **state)
{
	(void)state;
	anew();
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	assert_int_equal(a.status, 200);
	assert_null(memmem(a.body, a.body_len, "xsi:type=\"KeyContentType\"", 25));
	http_answer_free(&a);
	char *bob = kl_token(&k, (struct kl_claims){.mcptt = BOB});
	a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = bob});
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "xsi:type=\"KeyContentType\"", 25)); /* bob has none */
	http_answer_free(&a);
	free(bob);
}

static void mcx_sec_122_a_new_transport_key_is_pending_until_named_and_the_old_one_stays_good(void **state)
{
	(void)state;
	static struct kms_transport before;
	anew();
	expect_provision(keys);
	before = *keys;
	stored = 0;
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/roll", NULL),
	    200);
	expect_provision(keys);
	assert_true(stored >= 1);
	assert_string_not_equal(keys->trk.id, before.trk.id);
	assert_string_not_equal(keys->ink.id, before.ink.id);
	expect_state(keys->trk.id, "active"); /* keyprov named what init brought */
	expect_state(before.trk.id, "old");
	struct kms_transport *old = mcsec_secret_alloc(sizeof *old);
	*old = before;
	expect_provision(old);
	mcsec_secret_free(old);
	mcsec_wipe(&before, sizeof before);
}

static void mcx_sec_122_a_lost_response_repeats_the_same_pending_key_also_after_kill_9(void **state)
{
	(void)state;
	anew();
	expect_provision(keys);
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/roll", NULL),
	    200);
	struct kms_transport *seen = mcsec_secret_alloc(2 * sizeof *seen);
	struct kms_result r;
	struct kms_domain home;
	for (int i = 0; i < 2; i++) {
		seen[i] = *keys; /* a client that heard nothing asks with what it has */
		struct kms_client *c = client_with(&seen[i]);
		assert_int_equal(kms_client_init(c, token, ALICE, time(NULL), &home, &r), 1);
		kms_domain_free(&home);
		kms_client_free(c);
		expect_state(seen[i].trk.id, "pending");
		kl_stop(&k, SIGKILL);
		kl_start(&k);
	}
	assert_string_equal(seen[0].trk.id, seen[1].trk.id);
	assert_memory_equal(seen[0].trk.key, seen[1].trk.key, 32);
	expect_state(seen[0].trk.id, "pending");
	expect_provision(&seen[1]);
	expect_state(seen[1].trk.id, "active");
	mcsec_secret_free(seen);
}

static void a_client_that_cannot_keep_new_keys_uses_nothing_of_the_answer(void **state)
{
	(void)state;
	struct kms_result r;
	anew();
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/roll", NULL),
	    200);
	struct kms_transport *before = mcsec_secret_alloc(sizeof *before);
	*before = *keys;
	store_fails = 1;
	assert_int_equal(provision(keys, &r), KMS_BAD_ANSWER);
	assert_memory_equal(keys, before, sizeof *before); /* or disk and memory would part */
	store_fails = 0;
	expect_provision(keys);
	assert_string_not_equal(keys->trk.id, before->trk.id);
	mcsec_secret_free(before);
}

static void a_user_with_a_transport_key_alone_gets_an_integrity_key(void **state)
{
	(void)state;
	restart_with(LAB_UNLIMITED "protect = \"trk\"\n");
	anew();
	assert_string_equal(keys->ink.id, "");
	expect_provision(keys); /* signed with the TrK */
	restart_with(ON);
	expect_provision(keys);
	assert_string_not_equal(keys->ink.id, "");
	expect_state(keys->ink.id, "active"); /* keyprov was signed with it */
}

/* As a client of Rel-13, which has no element for its name. */
static void what_a_transport_key_signs_is_answered_wrapped_and_signed_under_it(void **state)
{
	(void)state;
	uint8_t body[8192];
	anew();
	size_t n = write_signed((struct by_hand){.key_name = keys->trk.id, .key = keys->trk.key}, body, sizeof body);
	struct http_answer a = send_octets(body, n);
	char name[384];
	snprintf(name, sizeof name, "<ds:KeyName>%s</ds:KeyName></ds:KeyInfo></ds:Signature>", keys->trk.id);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, name, strlen(name)));
	snprintf(name, sizeof name, "<ds:KeyName>%s</ds:KeyName></ds:KeyInfo><xenc:CipherData>", keys->trk.id);
	assert_non_null(memmem(a.body, a.body_len, name, strlen(name)));
	http_answer_free(&a);
}

/* ---- refusals ---- */

static void mcx_sec_120_a_signature_that_does_not_hold_is_401_bad_signature(void **state)
{
	(void)state;
	uint8_t body[8192];
	struct kms_transport *bobs = mcsec_secret_alloc(sizeof *bobs);
	anew();
	hand_out("sip%3Abob%40example.org", bobs);
	expect_refusal((struct by_hand){.key_name = keys->ink.id, .key = keys->trk.key}, 401, 40103, "bad_signature");
	expect_refusal((struct by_hand){.key_name = "ink.99.nobody", .key = keys->ink.key}, 401, 40103,
		       "bad_signature");
	expect_refusal((struct by_hand){.key_name = bobs->ink.id, .key = bobs->ink.key}, 401, 40103, "bad_signature");
	expect_refusal((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key, .signature_id = keys->trk.id},
		       401, 40103, "bad_signature");
	expect_refusal(
	    (struct by_hand){
		.key_name = keys->ink.id, .key = keys->ink.key, .trk_id = keys->trk.id, .signature_id = keys->trk.id},
	    401, 40103, "bad_signature");
	size_t n = write_signed((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key}, body, sizeof body);
	uint8_t *at = memmem(body, n, "sip:alice", 9);
	at[4] = 'b';
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, 401);
	http_answer_free(&a);
	mcsec_secret_free(bobs);
}

static void mcx_sec_120_a_repeated_signed_request_is_401_replay_also_after_a_restart(void **state)
{
	(void)state;
	uint8_t body[8192];
	anew();
	size_t n = write_signed((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key, .id = "req-r"}, body,
				sizeof body);
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	for (int i = 0; i < 2; i++) {
		a = send_octets(body, n);
		assert_int_equal(a.status, 401);
		assert_int_equal(kl_error_code(&a), 40103);
		assert_non_null(memmem(a.body, a.body_len, "replay", 6));
		http_answer_free(&a);
		if (i == 0) {
			kl_stop(&k, SIGKILL);
			kl_start(&k);
		}
	}
}

static void a_signed_request_of_another_time_is_400_stale_time(void **state)
{
	(void)state;
	anew();
	expect_refusal((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key, .late = 120}, 400, 40004,
		       "stale_time");
	expect_refusal((struct by_hand){.key_name = keys->ink.id, .key = keys->ink.key, .late = -120}, 400, 40004,
		       "stale_time");
}

static void a_key_the_kms_does_not_have_is_409_and_no_key_set(void **state)
{
	(void)state;
	anew();
	expect_refusal((struct by_hand){.trk_id = "tk.99.alice@example.org"}, 409, 40901, "unknown_trk");
	expect_refusal((struct by_hand){.trk_id = keys->ink.id}, 409, 40901, "unknown_trk"); /* no TrK */
	expect_refusal((struct by_hand){.signature_id = "ink.99.alice@example.org"}, 409, 40901, "unknown_ink");
}

static void policy_refuses_unsigned_requests_and_users_without_a_transport_key(void **state)
{
	(void)state;
	restart_with(ON "require_signed_request = true\nwrap_keys = \"always\"\n");
	anew();
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	assert_int_equal(a.status, 401);
	assert_int_equal(kl_error_code(&a), 40103);
	assert_non_null(memmem(a.body, a.body_len, "signature_required", 18));
	http_answer_free(&a);
	expect_refusal((struct by_hand){.trk_id = keys->trk.id}, 401, 40103, "signature_required");
	expect_provision(keys);
	restart_with(ON "wrap_keys = \"always\"\n");
	char *carol = kl_token(&k, (struct kl_claims){.mcptt = "sip:carol@example.org"});
	a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = carol});
	assert_int_equal(a.status, 403);
	assert_int_equal(kl_error_code(&a), 40305);
	http_answer_free(&a);
	free(carol);
	restart_with(ON);
}

static void a_withdrawn_user_is_refused_under_the_old_keys(void **state)
{
	(void)state;
	struct kms_result r;
	anew();
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/withdraw", NULL),
	    200);
	assert_int_equal(provision(keys, &r), KMS_TOKEN);
	assert_int_equal(r.error_code, 40103);
}

static void a_client_with_keys_accepts_no_unsigned_answer(void **state)
{
	(void)state;
	struct kms_result r;
	anew();
	restart_with(ON "sign_responses = \"never\"\n");
	assert_int_equal(provision(keys, &r), KMS_BAD_ANSWER);
	restart_with(ON);
}

static void no_transport_key_stands_in_the_database_or_the_log(void **state)
{
	(void)state;
	static char text[4 << 20];
	static const char *const files[] = {"db", "db-wal", "log"};
	anew();
	expect_provision(keys);
	char hex[HEX_SIZE(32)];
	hex_encode(OCTETS(keys->trk.key), hex);
	for (size_t i = 0; i < 3; i++) {
		FILE *f = fopen(kl_path(&k, files[i]), "r");
		size_t n = f ? fread(text, 1, sizeof text, f) : 0;
		if (f)
			fclose(f);
		assert_null(memmem(text, n, keys->trk.key, 32));
		assert_null(memmem(text, n, hex, 64));
	}
	struct stat st;
	assert_int_equal(stat(kl_path(&k, "db.transport-key"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

/* 200 kills are in the long form; each finds a client that can go on with the keys it holds. */
static void mcx_sec_122_kill_9_during_rollover_never_parts_client_and_kms(void **state)
{
	(void)state;
	int rounds = getenv("MCX_LONG") ? 200 : 6;
	anew();
	expect_provision(keys);
	for (int i = 0; i < rounds; i++) {
		struct kms_result r;
		kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/roll", NULL);
		pid_t killer = fork();
		if (killer == 0) {
			usleep((useconds_t)(rand() % 30000));
			kill(k.pid, SIGKILL);
			_exit(0);
		}
		provision(keys, &r);
		waitpid(killer, NULL, 0);
		kl_stop(&k, SIGKILL);
		kl_start(&k);
		expect_provision(keys);
		expect_state(keys->trk.id, "active");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_121_keys_travel_wrapped_and_answers_signed),
	    cmocka_unit_test(an_unsigned_request_of_a_user_with_keys_is_answered_wrapped_too),
	    cmocka_unit_test(mcx_sec_122_a_new_transport_key_is_pending_until_named_and_the_old_one_stays_good),
	    cmocka_unit_test(mcx_sec_122_a_lost_response_repeats_the_same_pending_key_also_after_kill_9),
	    cmocka_unit_test(a_client_that_cannot_keep_new_keys_uses_nothing_of_the_answer),
	    cmocka_unit_test(a_user_with_a_transport_key_alone_gets_an_integrity_key),
	    cmocka_unit_test(what_a_transport_key_signs_is_answered_wrapped_and_signed_under_it),
	    cmocka_unit_test(mcx_sec_120_a_signature_that_does_not_hold_is_401_bad_signature),
	    cmocka_unit_test(mcx_sec_120_a_repeated_signed_request_is_401_replay_also_after_a_restart),
	    cmocka_unit_test(a_signed_request_of_another_time_is_400_stale_time),
	    cmocka_unit_test(a_key_the_kms_does_not_have_is_409_and_no_key_set),
	    cmocka_unit_test(policy_refuses_unsigned_requests_and_users_without_a_transport_key),
	    cmocka_unit_test(a_withdrawn_user_is_refused_under_the_old_keys),
	    cmocka_unit_test(a_client_with_keys_accepts_no_unsigned_answer),
	    cmocka_unit_test(no_transport_key_stands_in_the_database_or_the_log),
	    cmocka_unit_test(mcx_sec_122_kill_9_during_rollover_never_parts_client_and_kms),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

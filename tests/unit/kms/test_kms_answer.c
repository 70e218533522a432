/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_answer.c - what a client with transport keys takes of a KMS's answers (kms.md 10.2, 10.3), and the lists of
 * other domains (kms.md 8.4): another's signature, another's answer, an old one, keys that do not open, a disk that is
 * full. Each failure leaves the keys that were, tells its reason, and its code goes to the KMS with the next request.
 */
#include "mcx/kmssec/kms_wrap.h"
#include "unit/kms/kms_client_lab.h"

#define TRK "tk.12.user@example.org"
#define INK "ink.1.user@example.org"

static uint8_t trk[KMS_TRK_LEN], ink[KMS_TRK_LEN], other[KMS_TRK_LEN], fresh[KMS_TRK_LEN];
static struct kms_transport *transport;
static struct kms_client *plain, *guarded;
static int stored, store_fails;

static int store(void *ctx, const struct kms_transport *t)
{
	(void)ctx;
	assert_ptr_equal(t, transport);
	stored++;
	return store_fails;
}

static void fill(uint8_t key[KMS_TRK_LEN], uint8_t from)
{
	for (int i = 0; i < KMS_TRK_LEN; i++)
		key[i] = (uint8_t)(from + i);
}

static int answers_set_up(void **state)
{
	set_up(state);
	fill(trk, 0);
	fill(ink, 0x40);
	fill(other, 0x80);
	fill(fresh, 0xc0);
	transport = mcsec_secret_alloc(sizeof *transport);
	options.transport = transport;
	options.store = store;
	plain = client;
	guarded = kms_client_new(&options);
	assert_non_null(guarded);
	return 0;
}

static int answers_tear_down(void **state)
{
	client = plain;
	kms_client_free(guarded);
	mcsec_secret_free(transport);
	return tear_down(state);
}

/* Back to the first keys, and the client that has told what it had to tell. */
static void keys_of_the_start(void)
{
	*transport = (struct kms_transport){.trk = {.id = TRK}, .ink = {.id = INK}};
	memcpy(transport->trk.key, trk, sizeof trk);
	memcpy(transport->ink.key, ink, sizeof ink);
	client = guarded;
	stored = store_fails = 0;
}

static void set_url(const char *path)
{
	snprintf(answer.r.client_req_url, sizeof answer.r.client_req_url, "%s" KMS_ROOT "/%s", base, path);
}

/* The truth as this KMS signs it. */
static void truth(enum kms_message message)
{
	honest(message);
	strcpy(answer.r.id, "rsp-1");
	set_url(message == KMS_MSG_KEYPROV ? "keyprov" : "init");
	answer.key = ink;
	answer.key_name = INK;
}

static int init_once(void)
{
	int ok = init();
	if (ok)
		kms_domain_free(&home);
	return ok;
}

static struct kms_new_key *new_key(int is_ink, const uint8_t *under, const char *under_name, const char *name)
{
	struct kms_new_key *k = &answer.r.new_keys[answer.r.n_new_keys++];
	*k = (struct kms_new_key){.is_ink = is_ink};
	assert_int_equal(kms_wrap(under, 0, OCTETS(fresh), &k->key), MCSEC_OK);
	strcpy(k->key.key_name, under_name);
	strcpy(k->key.carried, name);
	return k;
}

static void keys_are_those_of_the_start(void)
{
	assert_string_equal(transport->trk.id, TRK);
	assert_memory_equal(transport->trk.key, trk, sizeof trk);
	assert_string_equal(transport->ink.id, INK);
	assert_memory_equal(transport->ink.key, ink, sizeof ink);
	assert_string_equal(transport->prev_trk.id, "");
	assert_string_equal(transport->prev_ink.id, "");
}

/* The code of this failure is in the next request, which goes well. */
static void is_told(int code)
{
	char want[80];
	truth(KMS_MSG_INIT);
	assert_true(init_once());
	snprintf(want, sizeof want, "<ClientError><ErrorCode>%d</ErrorCode>", code);
	if (!strstr(asked_body, want))
		fail_msg("no %s in %s", want, asked_body);
}

#define IS_REFUSED(change, detail, code)                                                                               \
	do {                                                                                                           \
		keys_of_the_start();                                                                                   \
		truth(KMS_MSG_INIT);                                                                                   \
		size_t secrets = mcsec_secret_in_use();                                                                \
		change;                                                                                                \
		fails(init(), KMS_BAD_ANSWER, detail);                                                                 \
		assert_int_equal(mcsec_secret_in_use(), secrets);                                                      \
		keys_are_those_of_the_start();                                                                         \
		is_told(code);                                                                                         \
	} while (0)

enum { UNWRAP_FAILED = 4, BAD_SIGNATURE, STALE_TIME, STORAGE_FAILED, UNKNOWN_MESSAGE };

static void requests_are_signed_and_signed_answers_taken(void **state)
{
	(void)state;
	keys_of_the_start();
	truth(KMS_MSG_INIT);
	assert_true(init_once());
	assert_non_null(strstr(asked_body, "<SignedKmsRequest"));
	assert_non_null(strstr(asked_body, "<ds:KeyName>" INK "</ds:KeyName>"));
	memset(&transport->ink, 0, sizeof transport->ink); /* without InK the TrK signs */
	answer.key = trk;
	answer.key_name = TRK;
	assert_true(init_once());
	assert_non_null(strstr(asked_body, "<ds:KeyName>" TRK "</ds:KeyName>"));
	assert_int_equal(stored, 0);
}

static void an_answer_that_is_not_signed_by_this_kms_is_refused(void **state)
{
	(void)state;
	IS_REFUSED(answer.key = NULL, "signature", BAD_SIGNATURE);
	IS_REFUSED(answer.key = other, "does not verify", BAD_SIGNATURE);
	IS_REFUSED(answer.key_name = "ink.9.user@example.org", "does not verify", BAD_SIGNATURE);
	IS_REFUSED(answer.key = trk, "does not verify", BAD_SIGNATURE); /* under the other key's name */
}

static void a_signed_answer_to_another_request_is_refused(void **state)
{
	(void)state;
	IS_REFUSED(strcpy(answer.r.user_uri, "sip:bob@example.org"), "another request", BAD_SIGNATURE);
	IS_REFUSED(set_url("keyprov"), "another request", BAD_SIGNATURE);
	char *old = kms_vector_text("kms_signed_response.xml");
	IS_REFUSED(answer.raw = old, "another request", BAD_SIGNATURE);
	free(old);
	IS_REFUSED(answer.r.time = VECTOR_NOW - 301, "not now", STALE_TIME);
	IS_REFUSED(answer.r.time = VECTOR_NOW + 301, "not now", STALE_TIME);
	keys_of_the_start();
	for (int apart = -300; apart <= 300; apart += 600) {
		truth(KMS_MSG_INIT);
		answer.r.time = VECTOR_NOW + apart;
		assert_true(init_once());
	}
}

/* ---- new transport keys ---- */

static void new_keys_take_the_place_of_the_old_ones_which_still_open_what_was_lost(void **state)
{
	(void)state;
	keys_of_the_start();
	truth(KMS_MSG_INIT);
	new_key(0, trk, TRK, "tk.13");
	new_key(1, trk, TRK, "ink.2");
	for (int i = 0; i < 2; i++) { /* sent again: a lost answer changes nothing more */
		assert_true(init_once());
		assert_int_equal(stored, i + 1);
		assert_string_equal(transport->trk.id, "tk.13");
		assert_string_equal(transport->ink.id, "ink.2");
		assert_memory_equal(transport->trk.key, fresh, sizeof fresh);
		assert_memory_equal(transport->ink.key, fresh, sizeof fresh);
		assert_string_equal(transport->prev_trk.id, TRK);
		assert_string_equal(transport->prev_ink.id, INK);
	}
	assert_non_null(strstr(asked_body, "<ds:KeyName>ink.2</ds:KeyName>"));
}

static void a_new_key_that_does_not_open_changes_none(void **state)
{
	(void)state;
	IS_REFUSED(new_key(0, trk, "tk.99", "tk.13"), "unwrap_failed", UNWRAP_FAILED);
	IS_REFUSED(new_key(0, other, TRK, "tk.13"), "unwrap_failed", UNWRAP_FAILED);
	IS_REFUSED(new_key(1, ink, INK, "ink.2"), "unwrap_failed", UNWRAP_FAILED); /* an InK wraps nothing */
	IS_REFUSED((new_key(0, trk, TRK, "tk.13"), new_key(1, other, TRK, "ink.2")), "unwrap_failed", UNWRAP_FAILED);
	IS_REFUSED(new_key(0, trk, TRK, "tk.13")->key.octets[7] ^= 1, "unwrap_failed", UNWRAP_FAILED);
	IS_REFUSED(new_key(0, trk, TRK, ""), "the new key is not named", UNKNOWN_MESSAGE);
	IS_REFUSED(new_key(0, trk, "", "tk.13"), "the transport key is not named", UNKNOWN_MESSAGE);
}

static void new_keys_that_cannot_be_kept_are_not_used(void **state)
{
	(void)state;
	IS_REFUSED((new_key(0, trk, TRK, "tk.13"), store_fails = -1), "could not be kept", STORAGE_FAILED);
	assert_int_equal(stored, 1);
	assert_non_null(strstr(asked_body, "<ds:KeyName>" INK "</ds:KeyName>"));
}

/* ---- wrapped key sets ---- */

static int keyprov_wrapped(const uint8_t *under, const char *name, size_t flip)
{
	keys_of_the_start();
	truth(KMS_MSG_KEYPROV);
	assert_int_equal(kms_key_set_wrap(&sets[0], under, name, 0), MCSEC_OK);
	sets[0].wrapped[KMS_SET_SSK].octets[flip / 8] ^= (uint8_t)(flip ? 1 << flip % 8 : 0);
	int ok = keyprov(NULL, KMS_NO_TIME);
	free(sets[0].wrapped);
	return ok;
}

static void wrapped_keys_open_under_the_transport_key_alone(void **state)
{
	(void)state;
	assert_true(keyprov_wrapped(trk, TRK, 0));
	fails(keyprov_wrapped(trk, "tk.99", 0), KMS_BAD_ANSWER, "unwrap_failed");
	fails(keyprov_wrapped(other, TRK, 0), KMS_BAD_ANSWER, "unwrap_failed");
	fails(keyprov_wrapped(ink, INK, 0), KMS_BAD_ANSWER, "unwrap_failed");
	for (size_t bit = 1; bit < 320; bit += 53)
		fails(keyprov_wrapped(trk, TRK, bit), KMS_BAD_ANSWER, "unwrap_failed");
	is_told(UNWRAP_FAILED);
}

/* ---- the other domains ---- */

enum { ROOM = 3 };
static struct kms_certificate certs[ROOM + 1];
static struct kms_domain found[ROOM];
static int64_t number;

/* What the KMS serves: its number, then as many certificates of partners. */
static void serves(int64_t num, size_t n)
{
	client = plain;
	honest(KMS_MSG_CERTCACHE);
	answer.r.cache_num = num;
	answer.r.n_certs = n;
	answer.r.certs = certs;
	for (size_t i = 0; i <= ROOM; i++) {
		certs[i] = vector.cert;
		certs[i].role = KMS_ROLE_EXTERNAL;
		snprintf(certs[i].kms_uri, sizeof certs[i].kms_uri, "kms.partner%zu.example", i);
	}
}

static int certcache(int64_t known, size_t *n)
{
	*n = ROOM;
	number = -7;
	int ok = kms_client_certcache(client, "token", VECTOR_USER, known, VECTOR_NOW, found, n, &number, &result);
	for (size_t i = 0; i < *n; i++)
		if (!found[i].cert.revoked)
			assert_non_null(found[i].kms);
	return ok;
}

static void forget(size_t n)
{
	for (size_t i = 0; i < n; i++)
		kms_domain_free(&found[i]);
}

static void the_cache_is_asked_for_with_the_number_that_is_held_and_taken_whole(void **state)
{
	(void)state;
	size_t n;
	serves(8, 2);
	assert_true(certcache(-1, &n));
	assert_string_equal(asked_path, KMS_ROOT "/certcache");
	assert_int_equal(n, 2);
	assert_int_equal(number, 8);
	assert_string_equal(found[1].cert.kms_uri, "kms.partner1.example");
	forget(n);
	serves(8, 0);
	assert_true(certcache(8, &n));
	assert_string_equal(asked_path, KMS_ROOT "/certcache/8");
	assert_int_equal(n, 0);
}

static void a_bad_certificate_is_left_out_and_told_and_a_revoked_one_comes_as_such(void **state)
{
	(void)state;
	size_t n;
	serves(9, 3);
	certs[0].pub_enc_key[200] ^= 1;
	certs[1].revoked = 1;
	assert_true(certcache(8, &n));
	assert_int_equal(result.outcome, KMS_DONE);
	assert_int_equal(n, 2);
	assert_string_equal(found[0].cert.kms_uri, "kms.partner1.example");
	assert_null(found[0].kms);
	assert_string_equal(found[1].cert.kms_uri, "kms.partner2.example");
	forget(n);
	serves(9, 0);
	assert_true(certcache(9, &n));
	assert_non_null(strstr(asked_body, "<ErrorCode>1</ErrorCode>"));
	assert_non_null(strstr(asked_body, "kms.partner0.example"));
}

static void a_cache_without_a_number_or_larger_than_the_room_is_no_answer(void **state)
{
	(void)state;
	size_t n;
	serves(-1, 1);
	fails(certcache(8, &n), KMS_BAD_ANSWER, "without a number");
	assert_int_equal(n, 0);
	assert_int_equal(number, -7);
	serves(9, ROOM + 1);
	fails(certcache(8, &n), KMS_BAD_ANSWER, "too many");
	assert_int_equal(n, 0);
	assert_int_equal(number, -7);
}

static void a_certificate_asked_for_by_name_comes_alone(void **state)
{
	(void)state;
	struct kms_domain external;
	for (size_t n = 0; n <= 2; n += 2) {
		serves(-1, n);
		fails(kms_client_cert(client, "token", VECTOR_USER, "kms.partner0.example", VECTOR_NOW, &external,
				      &result),
		      KMS_BAD_ANSWER, "not one certificate");
	}
}

/* ---- lookup, and what cannot be asked ---- */

static void lookup_hands_out_the_kmss_of_the_target_that_was_asked_for(void **state)
{
	(void)state;
	static char served[][KMS_URI_MAX] = {"kms.one.example", "kms.two.example", "kms.three.example"};
	char out[2][KMS_URI_MAX];
	size_t n = 2;
	client = plain;
	honest(KMS_MSG_LOOKUP);
	answer.r.lookup = served;
	answer.r.n_lookup = 3;
	strcpy(answer.r.lookup_uri, "sip:bob@example.net");
	assert_true(
	    kms_client_lookup(client, "token", VECTOR_USER, "sip:bob@example.net", VECTOR_NOW, out, &n, &result));
	assert_string_equal(asked_path, KMS_ROOT "/lookup/sip%3Abob%40example.net");
	assert_int_equal(n, 2); /* the preferred ones, as many as there is room for */
	assert_string_equal(out[0], "kms.one.example");
	assert_string_equal(out[1], "kms.two.example");
	fails(kms_client_lookup(client, "token", VECTOR_USER, "sip:eve@example.net", VECTOR_NOW, out, &n, &result),
	      KMS_BAD_ANSWER, "another target");
	assert_int_equal(n, 0);
}

static void what_no_kms_could_know_is_not_asked(void **state)
{
	(void)state;
	char longest[KMS_URI_MAX + 1], out[1][KMS_URI_MAX];
	struct kms_domain d = {.cert = vector.cert};
	const char *const mine[] = {VECTOR_USER};
	struct kms_keys keys[1];
	size_t n = 1;
	memset(longest, 'a', KMS_URI_MAX);
	longest[KMS_URI_MAX] = 0;
	client = plain;
	honest(KMS_MSG_NONE);
	asked_path[0] = 0;
	fails(kms_client_lookup(client, "token", VECTOR_USER, longest, VECTOR_NOW, out, &n, &result), KMS_REJECTED,
	      "no such target");
	fails(kms_client_cert(client, "token", VECTOR_USER, longest, VECTOR_NOW, &d, &result), KMS_REJECTED,
	      "no such KMS URI");
	n = 1;
	fails(kms_client_keyprov(client, "token", VECTOR_USER, longest, KMS_NO_TIME, VECTOR_NOW, &d, mine, 1, keys, &n,
				 &result),
	      KMS_REJECTED, "no such identity");
	n = 1;
	d.cert.periods.period = 0;
	fails(kms_client_keyprov(client, "token", VECTOR_USER, VECTOR_USER, KMS_NO_TIME, VECTOR_NOW, &d, mine, 1, keys,
				 &n, &result),
	      KMS_REJECTED, "no such identity or time");
	assert_int_equal(n, 0);
	assert_int_equal(result.kms_time, KMS_NO_TIME);
	static uint8_t received[KMS_MAX_REQUEST];
	memset(received, 'x', sizeof received);
	fails(kms_client_redirect(client, "token", VECTOR_USER, NULL, OCTETS(received), NULL, VECTOR_NOW, &result),
	      KMS_REJECTED, "cannot be written");
	assert_string_equal(asked_path, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_signed_and_signed_answers_taken),
	    cmocka_unit_test(an_answer_that_is_not_signed_by_this_kms_is_refused),
	    cmocka_unit_test(a_signed_answer_to_another_request_is_refused),
	    cmocka_unit_test(new_keys_take_the_place_of_the_old_ones_which_still_open_what_was_lost),
	    cmocka_unit_test(a_new_key_that_does_not_open_changes_none),
	    cmocka_unit_test(new_keys_that_cannot_be_kept_are_not_used),
	    cmocka_unit_test(wrapped_keys_open_under_the_transport_key_alone),
	    cmocka_unit_test(the_cache_is_asked_for_with_the_number_that_is_held_and_taken_whole),
	    cmocka_unit_test(a_bad_certificate_is_left_out_and_told_and_a_revoked_one_comes_as_such),
	    cmocka_unit_test(a_cache_without_a_number_or_larger_than_the_room_is_no_answer),
	    cmocka_unit_test(a_certificate_asked_for_by_name_comes_alone),
	    cmocka_unit_test(lookup_hands_out_the_kmss_of_the_target_that_was_asked_for),
	    cmocka_unit_test(what_no_kms_could_know_is_not_asked),
	};
	return cmocka_run_group_tests_name("kms_answer", tests, answers_set_up, answers_tear_down);
}

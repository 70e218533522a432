/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_transport.c - the security extension of a real mcx-kms and its client: TrK and InK made, used, rolled over
 * and lost on the way, every refusal, and reports of redirect responses (kms.md 6.4, 10, 11.5, 12.1; MCX-SEC-120 to
 * 122).
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "e2e/kms_lab.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_krr.h"
#include "mcx/kmssec/kms_sign.h"
#include "sec/base/text.h"

#define ON      LAB_UNLIMITED "protect = \"trk+ink\"\n"
#define PARTNER "kms.partner.example"

static struct kms_lab k;
static char *token;
static struct kms_transport *keys; /* of alice's client */
static int stored, store_fails;

static int keep(void *ctx, const struct kms_transport *t)
{
	(void)ctx;
	(void)t;
	stored++;
	return store_fails;
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	keys = mcsec_secret_alloc(sizeof *keys);
	kl_make(&k, ON);
	kl_start(&k);
	token = kl_token(&k, (struct kl_claims){0});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(token);
	kl_remove(&k);
	mcsec_secret_free(keys);
	return 0;
}

static void restart_with(const char *more)
{
	kl_stop(&k, SIGTERM);
	kl_configure(&k, more);
	kl_start(&k);
}

/* ---- keys by hand ---- */

static void take_key(const json_t *j, const char *name, struct kms_transport_key *out)
{
	const json_t *one = json_object_get(j, name);
	size_t n = 0;
	*out = (struct kms_transport_key){0};
	if (!one)
		return;
	snprintf(out->id, sizeof out->id, "%s", json_string_value(json_object_get(one, "id")));
	const char *hex = json_string_value(json_object_get(one, "key"));
	assert_int_equal(hex_decode(hex, strlen(hex), out->key, 32, &n), MCSEC_OK);
}

static void hand_out(const char *user, struct kms_transport *t)
{
	char path[256];
	snprintf(path, sizeof path, "/admin/v1/transportkeys/%s", user);
	assert_int_equal(kl_admin_status(&k, k.auditor, "POST", path, NULL), 403);
	struct http_answer a = kl_admin(&k, k.officer, "POST", path, NULL);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	memset(t, 0, sizeof *t);
	take_key(j, "trk", &t->trk);
	take_key(j, "ink", &t->ink);
	json_decref(j);
	http_answer_free(&a);
}

static void anew(void)
{
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/withdraw", NULL),
	    200);
	hand_out("sip%3Aalice%40example.org", keys);
}

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

static struct kms_client *client_with(struct kms_transport *t)
{
	struct kms_client_options o = {.base_url = k.base,
				       .kms_uri = LAB_KMS,
				       .ca_file = kl_path(&k, "ca.pem"),
				       .resolve = k.resolve,
				       .transport = t,
				       .store = keep};
	struct kms_client *c = kms_client_new(&o);
	assert_non_null(c);
	return c;
}

/* init and keyprov under the keys; the outcome of the last one. */
static enum kms_outcome provision(struct kms_transport *t, struct kms_result *r)
{
	struct kms_client *c = client_with(t);
	const char *mine = ALICE;
	struct kms_domain home = {0};
	struct kms_keys set[4];
	size_t n = 4;
	int64_t now = time(NULL);
	if (kms_client_init(c, token, ALICE, now, &home, r)) {
		if (kms_client_keyprov(c, token, ALICE, NULL, KMS_NO_TIME, now, &home, &mine, 1, set, &n, r)) {
			assert_in_range(n, 1, 2); /* in the last week of a period the next set comes too */
			kms_keys_free(set, n);
		}
		kms_domain_free(&home);
	}
	kms_client_free(c);
	return r->outcome;
}

static void expect_provision(struct kms_transport *t)
{
	struct kms_result r;
	if (provision(t, &r) != KMS_DONE)
		fail_msg("%s %d %s", kms_outcome_name(r.outcome), r.status, r.detail);
}

/* ---- requests by hand ---- */

struct by_hand {
	const char *key_name, *trk_id, *signature_id, *id;
	const uint8_t *key;
	int64_t late;
	const char *path;
};

static size_t write_signed(struct by_hand h, uint8_t *out, size_t size)
{
	struct kms_request *q = calloc(1, sizeof *q);
	const char *path = h.path ? h.path : "keyprov";
	snprintf(q->id, sizeof q->id, "%s", h.id ? h.id : "req-1");
	strcpy(q->user_uri, ALICE);
	strcpy(q->kms_uri, LAB_KMS);
	q->time = time(NULL) - h.late;
	snprintf(q->client_req_url, sizeof q->client_req_url, "%s" KMS_ROOT "/%s", k.base, path);
	if (h.trk_id)
		strcpy(q->trk_id, h.trk_id);
	if (h.signature_id)
		strcpy(q->signature_id, h.signature_id);
	struct writer w = wr_init(out, size);
	if (h.key)
		kms_request_sign(&w, q, h.key_name, h.key);
	else
		kms_request_write(&w, q);
	assert_int_equal(w.err, MCSEC_OK);
	free(q);
	return wr_len(&w);
}

static struct http_answer send_octets(const uint8_t *body, size_t n)
{
	return kl_send(&k, k.plain,
		       (struct kl_post){.path = "keyprov", .token = token, .body = (const char *)body, .body_len = n});
}

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

/* ---- redirect ---- */

static struct krr *a_krr(const char *kms)
{
	struct krr *r = krr_new();
	strcpy(r->id, "krr-1");
	strcpy(r->initiator_uri, ALICE);
	strcpy(r->receiver_uri, "sip:bob@partner.example");
	strcpy(r->rejected_receiver_kms, "kms.old.partner.example");
	strcpy(r->processor_uri, "sip:controlling@partner.example");
	strcpy(r->key_id, "1a2b3c4d");
	r->time = time(NULL);
	r->receiver_kms.present = 1;
	r->receiver_kms.n = 1;
	strcpy(r->receiver_kms.uri[0], kms);
	return r;
}

static size_t read_lab_file(const char *name, uint8_t *out, size_t size)
{
	FILE *f = fopen(kl_path(&k, name), "r");
	assert_non_null(f);
	size_t n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

/* The processor is the MC server: its certificate is of the lab's authority. NULL: unsigned. */
static struct octets write_krr(const struct krr *r, const char *who, uint8_t *out, size_t size)
{
	static uint8_t cert[16384], key[16384];
	char pem[32], key_name[32];
	struct writer w = wr_init(out, size);
	if (!who) {
		krr_write(&w, r);
		return wr_result(&w);
	}
	snprintf(pem, sizeof pem, "%s.pem", who);
	snprintf(key_name, sizeof key_name, "%s.key", who);
	size_t n = read_lab_file(pem, cert, sizeof cert), m = read_lab_file(key_name, key, sizeof key);
	struct krr_signer *s = krr_signer_new((struct octets){cert, n}, (struct octets){key, m});
	assert_non_null(s);
	krr_sign(&w, r, s);
	assert_int_equal(w.err, MCSEC_OK);
	krr_signer_free(s);
	return wr_result(&w);
}

static void report(struct krr *r, struct octets received)
{
	struct kms_result out;
	struct kms_client *c = kl_kms_client(&k, NULL);
	if (!kms_client_redirect(c, token, ALICE, r, received, NULL, time(NULL), &out))
		fail_msg("%s %d %s", kms_outcome_name(out.outcome), out.status, out.detail);
	kms_client_free(c);
}

/* The newest report as the auditor sees it. */
static void expect_newest(const char *signature, const char *alerts, size_t n_all)
{
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_int_equal(a.status, 200);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL), *list = json_object_get(j, "krrs");
	assert_int_equal(json_array_size(list), n_all);
	json_t *first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "reporter")), ALICE);
	assert_string_equal(json_string_value(json_object_get(first, "target")), "sip:bob@partner.example");
	assert_string_equal(json_string_value(json_object_get(first, "signature")), signature);
	assert_string_equal(json_string_value(json_object_get(first, "alerts")), alerts);
	assert_non_null(strstr(json_string_value(json_object_get(first, "krr")), "1a2b3c4d"));
	json_decref(j);
	http_answer_free(&a);
}

static int alarm_is_raised(const char *name)
{
	char quoted[64];
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/alarms", NULL);
	assert_int_equal(a.status, 200);
	snprintf(quoted, sizeof quoted, "\"%s\"", name);
	int raised = memmem(a.body, a.body_len, quoted, strlen(quoted)) != NULL;
	http_answer_free(&a);
	return raised;
}

static void a_reported_redirect_is_verified_kept_recorded_and_answered_empty(void **state)
{
	(void)state;
	static uint8_t text[KRR_BOUND];
	restart_with(LAB_UNLIMITED "krr_ca = \"ca.pem\"\ndirectory = { \"*@partner.example=" PARTNER "\" }\n");
	assert_false(alarm_is_raised("krr-anomaly"));
	struct krr *r = a_krr(PARTNER);
	struct octets doc = write_krr(r, "sip", text, sizeof text);
	report(r, doc);
	expect_newest("verified", "not-permitted", 1);
	assert_true(alarm_is_raised("krr-anomaly"));
	report(r, doc); /* again, as after a lost answer */
	expect_newest("verified", "not-permitted", 1);
	krr_free(r);
	r = a_krr("kms.evil.example");
	doc = write_krr(r, NULL, text, sizeof text);
	report(r, doc);
	expect_newest("unsigned", "two-kms not-permitted served-elsewhere", 2);
	krr_free(r);
	r = a_krr(PARTNER);
	strcpy(r->processor_uri, "sip:someone@else.example");
	doc = write_krr(r, "sip", text, sizeof text);
	r->time--;
	report(r, doc);
	krr_free(r);
	expect_newest("mismatch", "two-kms not-permitted", 3);
	r = a_krr(PARTNER);
	doc = write_krr(r, "sip", text, sizeof text);
	uint8_t *at = memmem(text, doc.len, "1a2b3c4d", 8);
	memcpy(at, "1a2b3c4e", 8);
	strcpy(r->key_id, "1a2b3c4e");
	report(r, doc);
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_non_null(memmem(a.body, a.body_len, "\"forged\"", 8));
	http_answer_free(&a);
	krr_free(r);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_non_null(memmem(a.body, a.body_len, "\"forged\"", 8));
	http_answer_free(&a);
	assert_true(kl_audited(&k, "domain.external-use") >= 4);
}

static void a_redirect_upload_without_a_report_is_400(void **state)
{
	(void)state;
	uint8_t body[8192];
	size_t n = write_signed((struct by_hand){.path = "redirect"}, body, sizeof body);
	struct http_answer a =
	    kl_send(&k, k.plain,
		    (struct kl_post){.path = "redirect", .token = token, .body = (const char *)body, .body_len = n});
	assert_int_equal(a.status, 400);
	assert_int_equal(kl_error_code(&a), 40001);
	http_answer_free(&a);
	a = kl_send(&k, k.plain, (struct kl_post){.path = "redirect", .token = token});
	assert_int_equal(a.status, 400);
	http_answer_free(&a);
	a = kl_send(&k, k.plain, (struct kl_post){.path = "redirect/x", .token = token});
	assert_int_equal(a.status, 404);
	http_answer_free(&a);
}

static void too_many_reports_in_a_day_are_429(void **state)
{
	(void)state;
	static uint8_t text[KRR_BOUND];
	restart_with(LAB_UNLIMITED "krr_day = 1\n");
	struct krr *r = a_krr(PARTNER);
	r->time -= 7;
	struct kms_result out;
	struct kms_client *c = kl_kms_client(&k, NULL);
	struct octets doc = write_krr(r, NULL, text, sizeof text);
	assert_int_equal(kms_client_redirect(c, token, ALICE, r, doc, "unsigned", time(NULL), &out), 0);
	assert_int_equal(out.outcome, KMS_LATER);
	assert_int_equal(out.status, 429);
	kms_client_free(c);
	krr_free(r);
	restart_with(ON);
}

/* ---- Rel-13 ---- */

#define REL13 LAB_UNLIMITED "compat_rel13 = true\nschema = \"rel13\"\nresponse_media_type = \"text/xml\"\n"

/* Canonical XML has no form for the relative namespace name of Rel-13: what is signed stands in the one of today. */
static void rel_13_signed_has_the_order_of_then_and_the_namespace_of_today(void **state)
{
	(void)state;
	uint8_t body[8192];
	restart_with(REL13 "protect = \"trk\"\n");
	anew();
	expect_provision(keys);
	size_t n = write_signed((struct by_hand){.key_name = keys->trk.id, .key = keys->trk.key}, body, sizeof body);
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "Version=\"1.0.0\"><KmsUri>", 24));
	assert_non_null(memmem(a.body, a.body_len, "xmlns=\"" KMS_NS "\"", sizeof KMS_NS + 7));
	http_answer_free(&a);
}

static void rel_13_is_spoken_where_it_is_configured(void **state)
{
	(void)state;
	static const char body[] =
	    "<KmsRequest xmlns=\"TOBEDEFINED\" Version=\"1.0.0\"><KmsUri>" LAB_KMS "</KmsUri><UserUri>" ALICE
	    "</UserUri><Time>2016-01-01T00:00:00</Time><ClientReqUrl>%s" KMS_ROOT
	    "/keyprov</ClientReqUrl></KmsRequest>";
	char text[1024];
	snprintf(text, sizeof text, body, k.base);
	restart_with(LAB_UNLIMITED);
	snprintf(text, sizeof text, body, k.base);
	struct kl_post p = {.path = "keyprov", .token = token, .body = text};
	struct http_answer a = kl_send(&k, k.plain, p);
	assert_int_equal(a.status, 400);
	http_answer_free(&a);
	restart_with(REL13);
	snprintf(text, sizeof text, body, k.base);
	a = kl_send(&k, k.plain, p);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "xmlns=\"TOBEDEFINED\"", 19));
	struct kms_response r;
	struct kms_fault f;
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE | KMS_REL13, (struct octets){a.body, a.body_len}, &f),
			 MCSEC_OK);
	assert_in_range(r.n_sets, 1, 2);
	kms_response_free(&r);
	http_answer_free(&a);
	restart_with(ON);
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
	    cmocka_unit_test(a_reported_redirect_is_verified_kept_recorded_and_answered_empty),
	    cmocka_unit_test(a_redirect_upload_without_a_report_is_400),
	    cmocka_unit_test(too_many_reports_in_a_day_are_429),
	    cmocka_unit_test(rel_13_signed_has_the_order_of_then_and_the_namespace_of_today),
	    cmocka_unit_test(rel_13_is_spoken_where_it_is_configured),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

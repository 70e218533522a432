/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_nodes.c - two mcx-kms over one store: any of them answers any request, and what one was told the other knows
 * (kms.md 15A row 15, 18 item 12; MCX-SEC-122). One host: SQLite is the store.
 */
#include <jansson.h>

#include "e2e/kms_lab.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_sign.h"
#include "sec/base/text.h"

#define ON LAB_UNLIMITED "protect = \"trk+ink\"\n"

static struct kms_lab first, second;
static struct kms_transport *keys; /* of alice's client */
static char *token;

static struct kms_lab *node(int i)
{
	return i ? &second : &first;
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	keys = mcsec_secret_alloc(sizeof *keys);
	kl_make(node(0), ON);
	kl_start(node(0));
	second = first;
	node(1)->pid = 0;
	kl_configure(node(1), ON "audit_checkpoints = \"second.checkpoints\"\n");
	kl_start(node(1));
	token = kl_token(node(0), (struct kl_claims){0});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(token);
	kl_stop(node(1), SIGKILL);
	kl_remove(node(0));
	mcsec_secret_free(keys);
	return 0;
}

static void take_key(const json_t *j, const char *name, struct kms_transport_key *out)
{
	const json_t *one = json_object_get(j, name);
	size_t n = 0;
	snprintf(out->id, sizeof out->id, "%s", json_string_value(json_object_get(one, "id")));
	const char *hex = json_string_value(json_object_get(one, "key"));
	assert_int_equal(hex_decode(hex, strlen(hex), out->key, 32, &n), MCSEC_OK);
}

#define TRANSPORT "/admin/v1/transportkeys/sip%3Aalice%40example.org"

static void hand_out_at(struct kms_lab *k)
{
	memset(keys, 0, sizeof *keys);
	assert_int_equal(kl_admin_status(k, k->officer, "POST", TRANSPORT "/withdraw", NULL), 200);
	struct http_answer a = kl_admin(k, k->officer, "POST", TRANSPORT, NULL);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	take_key(j, "trk", &keys->trk);
	take_key(j, "ink", &keys->ink);
	json_decref(j);
	http_answer_free(&a);
}

static struct kms_client *client_of(struct kms_lab *k, struct kms_transport *t)
{
	struct kms_client *c = kms_client_new(&(struct kms_client_options){.base_url = k->base,
									   .kms_uri = LAB_KMS,
									   .ca_file = kl_path(k, "ca.pem"),
									   .resolve = k->resolve,
									   .transport = t});
	assert_non_null(c);
	return c;
}

static void init_at(struct kms_lab *k, struct kms_transport *t)
{
	struct kms_domain home;
	struct kms_result r;
	struct kms_client *c = client_of(k, t);
	if (!kms_client_init(c, token, ALICE, time(NULL), &home, &r))
		fail_msg("%s %d %s", kms_outcome_name(r.outcome), r.status, r.detail);
	kms_domain_free(&home);
	kms_client_free(c);
}

static void expect_state_at(struct kms_lab *k, const char *id, const char *want)
{
	struct http_answer a = kl_admin(k, k->auditor, "GET", TRANSPORT, NULL);
	assert_int_equal(a.status, 200);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL), *one;
	const char *have = "";
	size_t i;
	json_array_foreach(json_object_get(j, "keys"), i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "id")), id) == 0)
			have = json_string_value(json_object_get(one, "state"));
	}
	assert_string_equal(have, want);
	json_decref(j);
	http_answer_free(&a);
}

/* ---- tests ---- */

static void both_give_one_certificate_one_rsk_and_never_one_pvt_twice(void **state)
{
	(void)state;
	enum { ROUNDS = 6 };
	static struct kl_keys got[2 * ROUNDS];
	for (int i = 0; i < 2 * ROUNDS; i++)
		kl_fetch(node(i % 2), BOB, &got[i]);
	for (int i = 1; i < 2 * ROUNDS; i++) {
		assert_memory_equal(&got[i].home.cert, &got[0].home.cert, sizeof got[0].home.cert);
		assert_memory_equal(got[i].set[0].set.secret->rsk, got[0].set[0].set.secret->rsk, MCSEC_RSK_LEN);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(got[i].set[0].set.pvt, got[j].set[0].set.pvt, MCSEC_PVT_LEN);
	}
	for (int i = 0; i < 2 * ROUNDS; i++)
		kl_keys_free(&got[i]);
}

static void mcx_sec_122_a_transport_key_rolls_over_with_a_lost_response_between_two_nodes(void **state)
{
	(void)state;
	struct kms_transport *seen = mcsec_secret_alloc(2 * sizeof *seen);
	hand_out_at(node(0));
	init_at(node(1), keys);
	assert_int_equal(kl_admin_status(node(1), node(1)->officer, "POST", TRANSPORT "/roll", NULL), 200);
	seen[0] = seen[1] = *keys;
	init_at(node(0), &seen[0]); /* this answer is lost */
	init_at(node(1), &seen[1]);
	assert_string_equal(seen[0].trk.id, seen[1].trk.id);
	assert_memory_equal(seen[0].trk.key, seen[1].trk.key, 32);
	assert_string_not_equal(seen[1].trk.id, keys->trk.id);
	expect_state_at(node(0), seen[1].trk.id, "pending");
	init_at(node(0), &seen[1]);
	expect_state_at(node(1), seen[1].trk.id, "active");
	expect_state_at(node(1), keys->trk.id, "old");
	init_at(node(1), keys); /* for a day */
	mcsec_secret_free(seen);
}

static void mcx_sec_120_a_signed_request_that_one_node_saw_is_a_replay_at_the_other(void **state)
{
	(void)state;
	uint8_t body[8192];
	struct kms_request q = {.id = "req-1", .user_uri = ALICE, .kms_uri = LAB_KMS, .time = time(NULL)};
	hand_out_at(node(0));
	/* one body for both: the name in it is the same, only the port is not, which a proxy before them hides */
	snprintf(q.client_req_url, sizeof q.client_req_url, "%s" KMS_ROOT "/keyprov", node(0)->base);
	struct writer w = wr_init(body, sizeof body);
	kms_request_sign(&w, &q, keys->ink.id, keys->ink.key);
	assert_int_equal(w.err, MCSEC_OK);
	struct kl_post p = {.path = "keyprov", .token = token, .body = (const char *)body, .body_len = wr_len(&w)};
	struct http_answer a = kl_send(node(0), node(0)->plain, p);
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	a = kl_send(node(1), node(1)->plain, p);
	assert_int_equal(a.status, 401);
	assert_non_null(memmem(a.body, a.body_len, "replay", 6));
	http_answer_free(&a);
}

static void a_user_suspended_at_one_node_gets_nothing_at_the_other(void **state)
{
	(void)state;
	static const char path[] = "/admin/v1/users/sip%3Acarol%40example.org";
	char *carol = kl_token(node(0), (struct kl_claims){.mcptt = "sip:carol@example.org"});
	struct kl_post p = {.path = "keyprov", .token = carol};
	static const struct {
		const char *body;
		int status;
	} steps[] = {
	    {"{\"state\":\"active\"}", 200}, {"{\"state\":\"suspended\"}", 403}, {"{\"state\":\"active\"}", 200}};
	for (int i = 0; i < 3; i++) {
		int status = kl_admin_status(node(i % 2), node(i % 2)->officer, "PUT", path, steps[i].body);
		assert_true(status == 200 || status == 201);
		struct http_answer a = kl_send(node(1 - i % 2), node(1 - i % 2)->plain, p);
		assert_int_equal(a.status, steps[i].status);
		http_answer_free(&a);
	}
	free(carol);
}

static void limits_of_an_identity_count_over_both(void **state)
{
	(void)state;
	char *dave = kl_token(node(0), (struct kl_claims){.mcptt = "sip:dave@example.org"});
	struct kl_post p = {.path = "keyprov", .token = dave};
	static const char limited[] = "jwks_file = \"jwks.json\"\nlimit_hour = 3\nlimit_period = 0\nlimit_source = 0\n"
				      "protect = \"trk+ink\"\n";
	char other[512];
	snprintf(other, sizeof other, "%saudit_checkpoints = \"second.checkpoints\"\n", limited);
	for (int i = 0; i < 2; i++) {
		kl_stop(node(i), SIGTERM);
		kl_configure(node(i), i ? other : limited);
		kl_start(node(i));
	}
	for (int i = 0; i < 4; i++) {
		struct http_answer a = kl_send(node(i % 2), node(i % 2)->plain, p);
		assert_int_equal(a.status, i < 3 ? 200 : 429);
		http_answer_free(&a);
	}
	free(dave);
}

static void when_one_is_killed_the_other_goes_on_and_the_record_stays_one_chain(void **state)
{
	(void)state;
	struct kl_keys before, after;
	kl_fetch(node(0), "sip:erin@example.org", &before);
	int recorded = kl_audited(node(1), "kms.provision");
	kl_stop(node(0), SIGKILL);
	kl_fetch(node(1), "sip:erin@example.org", &after);
	assert_memory_equal(before.set[0].set.secret->rsk, after.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	assert_true(kl_audited(node(1), "kms.provision") > recorded); /* verifies the chain too */
	kl_keys_free(&before);
	kl_keys_free(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_give_one_certificate_one_rsk_and_never_one_pvt_twice),
	    cmocka_unit_test(mcx_sec_122_a_transport_key_rolls_over_with_a_lost_response_between_two_nodes),
	    cmocka_unit_test(mcx_sec_120_a_signed_request_that_one_node_saw_is_a_replay_at_the_other),
	    cmocka_unit_test(a_user_suspended_at_one_node_gets_nothing_at_the_other),
	    cmocka_unit_test(limits_of_an_identity_count_over_both),
	    cmocka_unit_test(when_one_is_killed_the_other_goes_on_and_the_record_stays_one_chain),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

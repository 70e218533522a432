/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_callers.c - who may ask mcx-kms besides users with tokens and servers for themselves: an HTTP proxy that has
 * authenticated its users, a gateway that provisions others (kms.md 4.2, 5; MCX-SEC-111).
 */
#include "e2e/kms_lab.h"

#define ON                                                                                                             \
	LAB_UNLIMITED "proxies = { \"other.example.org\" }\n"                                                          \
		      "provisioners = { \"sip.example.org=*@gateway.example.org\", \"sip.example.org=" BOB "\" }\n"

static struct kms_lab k;
static struct http_client *proxy;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, ON);
	kl_start(&k);
	proxy = kl_client(&k, "other");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_client_free(proxy);
	kl_remove(&k);
	return 0;
}

/* Key sets of an answer 200; the identities they are for, joined by blanks. */
static void expect_users(struct http_client *c, struct kl_post p, const char *users)
{
	struct kms_response r;
	struct kms_fault f;
	char have[1024] = "";
	struct http_answer a = kl_send(&k, c, p);
	assert_int_equal(a.status, 200);
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a.body, a.body_len}, &f), MCSEC_OK);
	for (size_t i = 0; i < r.n_sets; i++)
		if (i == 0 || strcmp(r.sets[i - 1].user_uri, r.sets[i].user_uri) !=
				  0) { /* in the last week of a period the next set comes too */
			strcat(have, have[0] ? " " : "");
			strcat(have, r.sets[i].user_uri);
		}
	assert_string_equal(have, users);
	kms_response_free(&r);
	http_answer_free(&a);
}

static void expect_status(struct http_client *c, struct kl_post p, int status, int64_t code)
{
	struct http_answer a = kl_send(&k, c, p);
	assert_int_equal(a.status, status);
	assert_int_equal(kl_error_code(&a), code);
	http_answer_free(&a);
}

static void an_identity_that_a_trusted_proxy_asserts_gets_its_keys(void **state)
{
	(void)state;
	expect_users(proxy, (struct kl_post){.path = "keyprov", .asserted = "\"" ALICE "\""}, ALICE);
	expect_users(proxy, (struct kl_post){.path = "keyprov", .asserted = ALICE}, ALICE);
	expect_users(proxy, (struct kl_post){.path = "keyprov", .asserted = "\"" ALICE "\", \"" BOB "\""},
		     ALICE " " BOB);
	expect_status(proxy, (struct kl_post){.path = "init", .asserted = ALICE}, 200, 0);
}

static void mcx_sec_111_an_asserted_identity_gets_no_keys_of_others(void **state)
{
	(void)state;
	expect_status(proxy, (struct kl_post){.path = "keyprov/sip%3Abob%40example.org", .asserted = ALICE}, 403,
		      40302);
}

static void an_assertion_of_anyone_else_is_no_credential(void **state)
{
	(void)state;
	struct kl_post p = {.path = "keyprov", .asserted = ALICE};
	expect_status(k.plain, p, 403, 0);     /* no certificate */
	expect_users(k.mtls, p, PSI " " MDSI); /* a server stays who it is */
	p.asserted = NULL;
	expect_status(proxy, p, 403, 0); /* the proxy has no keys of its own */
}

static void a_token_counts_more_than_an_assertion(void **state)
{
	(void)state;
	char *token = kl_token(&k, (struct kl_claims){.mcptt = BOB});
	expect_users(proxy, (struct kl_post){.path = "keyprov", .asserted = ALICE, .token = token}, BOB);
	expect_status(proxy, (struct kl_post){.path = "keyprov", .asserted = ALICE, .token = "none"}, 401, 0);
	free(token);
}

static void a_malformed_assertion_is_400(void **state)
{
	(void)state;
	static const char *const bad[] = {"\"\"",
					  "\"" ALICE,
					  "alice",
					  "\"" ALICE "\" x",
					  "\"" ALICE "\",,\"" BOB "\"",
					  "<" ALICE ">",
					  "a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8,i:9"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect_status(proxy, (struct kl_post){.path = "keyprov", .asserted = bad[i]}, 400, 0);
}

static void a_gateway_gets_keys_of_the_identities_it_may_provision_and_is_recorded_as_such(void **state)
{
	(void)state;
	expect_users(k.mtls, (struct kl_post){.path = "keyprov/sip%3Ax%40gateway.example.org"},
		     "sip:x@gateway.example.org");
	expect_users(k.mtls, (struct kl_post){.path = "keyprov/sip%3Abob%40example.org"}, BOB);
	assert_true(kl_audited(&k, "\"role\":\"provisioner\"") >= 2);
}

static void mcx_sec_111_a_gateway_gets_no_keys_beyond_its_list_and_nobody_shares_it(void **state)
{
	(void)state;
	static const char *const paths[] = {"keyprov/sip%3Aalice%40example.org",
					    "keyprov/sip%3Ax%40gateway.example.org.evil.example",
					    "keyprov/sip%3Ax%40gateway.example.orgx"};
	for (size_t i = 0; i < 3; i++)
		expect_status(k.mtls, (struct kl_post){.path = paths[i]}, 403, 40302);
	char *token = kl_token(&k, (struct kl_claims){0});
	struct kl_post p = {.path = "keyprov/sip%3Ax%40gateway.example.org", .token = token};
	expect_status(k.mtls, p, 403, 40302); /* a user's token over the gateway's connection */
	expect_status(k.plain, p, 403, 40302);
	p = (struct kl_post){.path = p.path, .asserted = ALICE};
	expect_status(proxy, p, 403, 40302);
	expect_users(k.mtls, (struct kl_post){.path = "keyprov"}, PSI " " MDSI); /* plain: its own only */
	free(token);
}

static void a_revoked_user_is_told_so_by_the_set_that_was_asked_for(void **state)
{
	(void)state;
	enum { PERIOD = 2592000 };
	struct kms_response r;
	struct kms_fault f;
	char path[128], *token = kl_token(&k, (struct kl_claims){.mcptt = "sip:frank@example.org"});
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", "/admin/v1/users/sip%3Afrank%40example.org",
					 "{\"state\":\"revoked\"}"),
			 201);
	uint64_t now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
	for (unsigned ahead = 0; ahead < 2; ahead++) {
		snprintf(path, sizeof path, "keyprov/sip%%3Afrank%%40example.org/%08llX00000000",
			 (unsigned long long)(now + ahead * PERIOD));
		struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = path, .token = token});
		assert_int_equal(a.status, 200);
		struct octets doc = {a.body, a.body_len};
		assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, doc, &f), MCSEC_OK);
		assert_int_equal(r.n_sets, 1);
		assert_true(r.sets[0].revoked);
		assert_int_equal(r.sets[0].period_no, now / PERIOD + ahead);
		kms_response_free(&r);
		http_answer_free(&a);
	}
	free(token);
}

/* ---- the configuration read anew (kms.md 15A row 22) ---- */

static int status_of(struct http_client *c, struct kl_post p)
{
	struct http_answer a = kl_send(&k, c, p);
	http_answer_free(&a);
	return a.status;
}

static int alarm_is_raised(const char *name)
{
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/alarms", NULL);
	int raised = memmem(a.body, a.body_len, name, strlen(name)) != NULL;
	http_answer_free(&a);
	return raised;
}

static void reload(const char *more, int status)
{
	kl_configure(&k, more);
	assert_int_equal(kl_admin_status(&k, k.auditor, "POST", "/admin/v1/reload", NULL), 403);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/reload", NULL), status);
	assert_int_equal(alarm_is_raised("\"configuration\""), status != 200);
}

static void a_configuration_read_anew_changes_who_may_ask_and_a_bad_one_changes_nothing(void **state)
{
	(void)state;
	struct kl_post p = {.path = "init", .asserted = ALICE};
	assert_int_equal(status_of(proxy, p), 200);
	reload(LAB_UNLIMITED, 200);
	assert_int_equal(status_of(proxy, p), 403);
	assert_true(kl_audited(&k, "config.change") >= 1);
	reload(ON "period = 7\n", 409); /* of the domain: not without a restart, and the rest with it */
	assert_int_equal(status_of(proxy, p), 403);
	reload(ON "no_such_key = 1\n", 409);
	assert_int_equal(status_of(proxy, p), 403);
	reload(ON, 200);
	assert_int_equal(status_of(proxy, p), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_identity_that_a_trusted_proxy_asserts_gets_its_keys),
	    cmocka_unit_test(mcx_sec_111_an_asserted_identity_gets_no_keys_of_others),
	    cmocka_unit_test(an_assertion_of_anyone_else_is_no_credential),
	    cmocka_unit_test(a_token_counts_more_than_an_assertion),
	    cmocka_unit_test(a_malformed_assertion_is_400),
	    cmocka_unit_test(a_gateway_gets_keys_of_the_identities_it_may_provision_and_is_recorded_as_such),
	    cmocka_unit_test(mcx_sec_111_a_gateway_gets_no_keys_beyond_its_list_and_nobody_shares_it),
	    cmocka_unit_test(a_revoked_user_is_told_so_by_the_set_that_was_asked_for),
	    cmocka_unit_test(a_configuration_read_anew_changes_who_may_ask_and_a_bad_one_changes_nothing),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resource server with bearer.h and jwks_cache.h in front of a key set server: each line of identity.md 10.1
 * (checklist lines G1 to G7, G9, G10) and the refetch rule (F4), with the issuer there, gone, and with new keys.
 */
#include <stdatomic.h>

#include "lab.h"
#include "net/bearer.h"

#define ISSUER   "https://idms.a.example"
#define AUDIENCE "https://mc.a.example"

static struct lab lab;
static struct http_server *issuer, *resource;
static struct token_signer *first, *second;
static struct bearer bearer;
static _Atomic int64_t now = 1767225700;
static atomic_uint fetches;
static _Atomic int with_second, issuer_down, revoked;
static char jwks_url[64];

static void serve_keys(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	const struct token_signer *both[] = {first, second};
	(void)ctx, (void)rq;
	fetches++;
	if (issuer_down) {
		rs->status = 503;
		return;
	}
	char *text = token_jwks(both, with_second ? 2 : 1);
	http_response_text(rs, 200, "application/json", text);
	free(text);
}

static int is_revoked(void *ctx, const struct token_claims *c)
{
	(void)ctx, (void)c;
	return revoked;
}

static void serve_resource(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	static const char *const scopes[] = {SCOPE_PTT_KEYS, SCOPE_DATA_KEYS};
	struct token_claims c;
	(void)ctx;
	if (!bearer_check(&bearer, rq, scopes, 2, now, &c, rs))
		return;
	if (strcmp(rq->path, "/theirs") == 0) {
		bearer_refuse(&bearer, BEARER_OBJECT, NULL, NULL, rs);
		return;
	}
	http_response_text(rs, 200, "text/plain", c.mcptt_id);
}

static struct jwks_cache *new_cache(void)
{
	return jwks_cache_new(
	    &(struct jwks_cache_options){.url = jwks_url, .http = {.ca_file = lab_path(&lab, "ca.pem")}});
}

static int set_up(void **state)
{
	char err[256];
	(void)state;
	lab_open(&lab);
	lab_cert(&lab, &(struct lab_cert){.name = "server", .cn = "s", .san = "IP:127.0.0.1"});
	first = token_signer_generate(TOKEN_ES256);
	second = token_signer_generate(TOKEN_ES256);
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = lab_path(&lab, "server.pem"),
					.key_file = lab_path(&lab, "server.key"),
					.max_body = 100,
					.threads = 2,
					.handler = serve_keys};
	issuer = http_server_start(&o, err, sizeof err);
	o.handler = serve_resource;
	resource = http_server_start(&o, err, sizeof err);
	if (!issuer || !resource)
		return -1;
	snprintf(jwks_url, sizeof jwks_url, "https://127.0.0.1:%u/jwks", http_server_port(issuer));
	bearer = (struct bearer){.keys = new_cache(),
				 .issuer = ISSUER,
				 .audience = AUDIENCE,
				 .realm = "a.example",
				 .accept_r13_scopes = 1,
				 .revoked = is_revoked};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_stop(resource);
	http_server_stop(issuer);
	jwks_cache_free(bearer.keys);
	token_signer_free(first);
	token_signer_free(second);
	lab_close(&lab);
	return 0;
}

static const char *token(const struct token_signer *s, const char *aud, const char *iss, const char *scope)
{
	static char out[2000];
	char payload[700];
	snprintf(payload, sizeof payload,
		 "{\"iss\":\"%s\",\"sub\":\"u\",\"aud\":[\"%s\"],\"client_id\":\"ue\",\"iat\":1767225600,"
		 "\"exp\":1767229200,\"scope\":\"%s\",\"mcptt_id\":\"sip:alice@a.example\"}",
		 iss, aud, scope);
	char *t = token_sign(s, "at+jwt", payload);
	snprintf(out, sizeof out, "%s", t);
	free(t);
	return out;
}

static const char *good(const struct token_signer *s)
{
	return token(s, AUDIENCE, ISSUER, "openid " SCOPE_PTT_KEYS);
}

struct seen {
	int status;
	char challenge[512], body[64];
};

static struct seen ask(const char *path, const char *authorization, const struct http_call *how)
{
	char url[400];
	struct seen s = {0};
	struct http_answer a;
	struct http_call call = how ? *how : (struct http_call){.method = "GET"};
	snprintf(url, sizeof url, "https://127.0.0.1:%u%s", http_server_port(resource), path);
	call.url = url;
	call.authorization = authorization;
	struct http_client *c = http_client_new(&(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem")});
	http_client_do(c, &call, &a);
	s.status = a.status;
	snprintf(s.challenge, sizeof s.challenge, "%s", a.www_authenticate);
	snprintf(s.body, sizeof s.body, "%s", a.body ? (char *)a.body : "");
	http_answer_free(&a);
	http_client_free(c);
	return s;
}

static struct seen ask_bearer(const char *path, const char *t)
{
	char value[2100];
	snprintf(value, sizeof value, "Bearer %s", t);
	return ask(path, value, NULL);
}

static void a_good_token_lets_its_user_in(void **state)
{
	(void)state;
	struct seen s = ask_bearer("/", good(first));
	assert_int_equal(s.status, 200);
	assert_string_equal(s.body, "sip:alice@a.example");
	s = ask_bearer("/", token(first, AUDIENCE, ISSUER, SCOPE_DATA_KEYS)); /* any one of the scopes */
	assert_int_equal(s.status, 200);
}

static void g1_no_token_is_403_with_a_bare_challenge_or_401_by_setting(void **state)
{
	(void)state;
	struct seen s = ask("/", NULL, NULL);
	assert_int_equal(s.status, 403);
	assert_string_equal(s.challenge, "Bearer realm=\"a.example\"");
	s = ask("/", "Basic YTpi", NULL);
	assert_int_equal(s.status, 403);
	bearer.no_token_status = 401;
	s = ask("/", NULL, NULL);
	bearer.no_token_status = 0;
	assert_int_equal(s.status, 401);
}

static void g2_a_token_that_is_not_valid_is_401_invalid_token(void **state)
{
	struct token_signer *forger = token_signer_generate(TOKEN_ES256);
	(void)state;
	struct {
		const char *t, *why;
	} cases[] = {{"abc", "malformed"}, {"a.b.c", "malformed"}};
	for (size_t i = 0; i < 2; i++) {
		struct seen s = ask_bearer("/", cases[i].t);
		assert_int_equal(s.status, 401);
		assert_non_null(strstr(s.challenge, "error=\"invalid_token\""));
		assert_non_null(strstr(s.challenge, cases[i].why));
	}
	assert_non_null(strstr(ask_bearer("/", token(first, "https://x", ISSUER, "s")).challenge, "wrong audience"));
	assert_non_null(strstr(ask_bearer("/", token(first, AUDIENCE, "https://x", "s")).challenge, "wrong issuer"));
	assert_non_null(strstr(ask_bearer("/", good(forger)).challenge, "unknown key"));
	now += 3600;
	struct seen s = ask_bearer("/", good(first));
	assert_int_equal(s.status, 401);
	assert_string_equal(s.challenge,
			    "Bearer realm=\"a.example\", error=\"invalid_token\", error_description=\"expired\"");
	now -= 3600;
	token_signer_free(forger);
}

static void g3_a_token_without_the_scope_is_403_insufficient_scope(void **state)
{
	(void)state;
	struct seen s = ask_bearer("/", token(first, AUDIENCE, ISSUER, "openid 3gpp:mc:ptt_service"));
	assert_int_equal(s.status, 403);
	assert_string_equal(s.challenge,
			    "Bearer realm=\"a.example\", error=\"insufficient_scope\", scope=\"" SCOPE_PTT_KEYS "\"");
}

static void g4_a_malformed_header_is_400_invalid_request(void **state)
{
	static const char *const bad[] = {"Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer ="};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct seen s = ask("/", bad[i], NULL);
		assert_int_equal(s.status, 400);
		assert_non_null(strstr(s.challenge, "error=\"invalid_request\""));
	}
	/* two tokens */
	struct seen s = ask("/", "Bearer a", &(struct http_call){.method = "GET", .bearer = "b"});
	assert_int_equal(s.status, 400);
}

static void g5_a_good_token_for_another_users_thing_is_403_without_challenge(void **state)
{
	(void)state;
	struct seen s = ask_bearer("/theirs", good(first));
	assert_int_equal(s.status, 403);
	assert_string_equal(s.challenge, "");
}

static void g6_a_revoked_token_is_401(void **state)
{
	(void)state;
	revoked = 1;
	struct seen s = ask_bearer("/", good(first));
	revoked = 0;
	assert_int_equal(s.status, 401);
	assert_non_null(strstr(s.challenge, "revoked"));
}

static void g7_a_token_in_query_or_body_counts_as_none(void **state)
{
	char path[2100], body[2100];
	(void)state;
	snprintf(path, sizeof path, "/?access_token=abc");
	assert_int_equal(ask(path, NULL, NULL).status, 403);
	snprintf(body, sizeof body, "access_token=abc");
	struct http_call post = {
	    .method = "POST", .content_type = "application/x-www-form-urlencoded", .body = octets_of(body)};
	assert_int_equal(ask("/", NULL, &post).status, 403);
}

static void g9_a_rel_13_scope_counts_when_the_setting_says_so(void **state)
{
	(void)state;
	const char *t = token(first, AUDIENCE, ISSUER, "3gpp:mcptt:key_management_server");
	assert_int_equal(ask_bearer("/", t).status, 200);
	bearer.accept_r13_scopes = 0;
	assert_int_equal(ask_bearer("/", t).status, 403);
	bearer.accept_r13_scopes = 1;
	assert_int_equal(ask_bearer("/", token(first, AUDIENCE, ISSUER, "3gpp:mcptt:ptt_server")).status, 403);
}

static void f4_an_unknown_kid_causes_one_refetch_in_60_seconds(void **state)
{
	(void)state;
	struct token_signer *unknown = token_signer_generate(TOKEN_ES256);
	now += 100;
	unsigned before = fetches;
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask_bearer("/", good(unknown)).status, 401);
	assert_int_equal(fetches - before, 1);
	with_second = 1;
	now += 59;
	assert_int_equal(ask_bearer("/", good(second)).status, 401); /* not asked again yet */
	now += 1;
	assert_int_equal(ask_bearer("/", good(second)).status, 200);
	assert_int_equal(fetches - before, 2);
	token_signer_free(unknown);
}

static void g10_when_the_issuer_is_down_the_known_keys_go_on_serving(void **state)
{
	(void)state;
	issuer_down = 1;
	now += 3000;
	assert_int_equal(ask_bearer("/", good(first)).status, 200);
	unsigned before = fetches;
	jwks_cache_expire(bearer.keys);
	assert_int_equal(ask_bearer("/", good(first)).status, 200);
	assert_int_equal(fetches, before + 1);
	now += 60; /* still expired, and never fetched since: asked again, at the pace of unknown keys */
	assert_int_equal(ask_bearer("/", good(first)).status, 200);
	assert_int_equal(fetches, before + 2);
	issuer_down = 0;
}

static void without_any_key_set_the_answer_is_503_and_service_comes_by_itself(void **state)
{
	(void)state;
	struct jwks_cache *old = bearer.keys;
	bearer.keys = new_cache();
	issuer_down = 1;
	assert_int_equal(ask_bearer("/", good(first)).status, 503);
	issuer_down = 0;
	now += 2;
	assert_int_equal(ask_bearer("/", good(first)).status, 200);
	jwks_cache_free(bearer.keys);
	bearer.keys = old;
}

static void i3_a_key_taken_from_the_set_is_refused_when_the_set_has_aged(void **state)
{
	(void)state;
	struct jwks_cache *old = bearer.keys;
	bearer.keys = new_cache();
	with_second = 1;
	now = 1767225600;
	assert_int_equal(ask_bearer("/", good(second)).status, 200);
	with_second = 0;
	now = 1767225600 + 3599;
	assert_int_equal(ask_bearer("/", good(second)).status, 200);
	now = 1767225600 + 3600;
	assert_int_equal(ask_bearer("/", good(second)).status, 401);
	jwks_cache_free(bearer.keys);
	bearer.keys = old;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_token_lets_its_user_in),
	    cmocka_unit_test(g1_no_token_is_403_with_a_bare_challenge_or_401_by_setting),
	    cmocka_unit_test(g2_a_token_that_is_not_valid_is_401_invalid_token),
	    cmocka_unit_test(g3_a_token_without_the_scope_is_403_insufficient_scope),
	    cmocka_unit_test(g4_a_malformed_header_is_400_invalid_request),
	    cmocka_unit_test(g5_a_good_token_for_another_users_thing_is_403_without_challenge),
	    cmocka_unit_test(g6_a_revoked_token_is_401),
	    cmocka_unit_test(g7_a_token_in_query_or_body_counts_as_none),
	    cmocka_unit_test(g9_a_rel_13_scope_counts_when_the_setting_says_so),
	    cmocka_unit_test(f4_an_unknown_kid_causes_one_refetch_in_60_seconds),
	    cmocka_unit_test(g10_when_the_issuer_is_down_the_known_keys_go_on_serving),
	    cmocka_unit_test(without_any_key_set_the_answer_is_503_and_service_comes_by_itself),
	    cmocka_unit_test(i3_a_key_taken_from_the_set_is_refused_when_the_set_has_aged),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

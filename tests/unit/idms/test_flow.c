/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes, tokens and refresh: lines B1 to B19 and C1 to C8 of identity.md 18, against a server in this process.
 */
#include <pthread.h>

#include "idms/routes.h"
#include "lab_idms.h"

#define BOB "bob@a.example"

static int set_up(void **state)
{
	(void)state;
	lab_idms_open();
	make_user(BOB, "{\"ptt\":\"sip:bob@mcptt.a.example\",\"data\":\"sip:bob@mcdata.a.example\"}");
	admin("PUT", "/admin/v1/clients/other", "{\"redirect_uris\":[\"" REDIRECT "\"],\"headless_login\":true}");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_idms_close();
	return 0;
}

static void expect_refusal(const struct reply *r, int status, const char *error)
{
	if (r->status != status || strcmp(member(r, "error"), error) != 0)
		fail_msg("%d %s, not %d %s", r->status, r->body, status, error);
}

/* Redeem with one parameter replaced ("name=value") or removed ("name="). */
static struct reply redeem_with(const char *code, const char *change)
{
	char all[1200], form[1400] = "";
	size_t name = strcspn(change, "=") + 1;
	snprintf(all, sizeof all,
		 "grant_type=authorization_code&code=%s&client_id=mcx-ue&redirect_uri=com.example.mcx%%3A%%2Fcb"
		 "&code_verifier=" VERIFIER,
		 code);
	for (const char *at = all; *at;) {
		size_t n = strcspn(at, "&");
		if (strncmp(at, change, name) != 0)
			sprintf(form + strlen(form), "%.*s&", (int)n, at);
		at += n + (at[n] == '&');
	}
	strcat(form, change[name] ? change : "");
	return post("/token", form);
}

static const char *claim(const char *token, const char *name)
{
	static char out[4][1100];
	static unsigned next;
	char *o = out[next++ % 4];
	json_t *j = payload_of(token), *v = json_object_get(j, name);
	o[0] = 0;
	if (json_is_string(v))
		snprintf(o, sizeof out[0], "%s", json_string_value(v));
	else if (v)
		snprintf(o, sizeof out[0], "%lld", (long long)json_integer_value(v));
	json_decref(j);
	return o;
}

/* ---- B ---- */

static void b1_the_flow_ends_in_tokens_that_verify_with_the_published_keys(void **state)
{
	(void)state;
	struct token_claims access, id;
	struct reply r = redeem(new_code());
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "token_type"), "Bearer");
	assert_string_equal(member(&r, "scope"), PTT_SCOPE_TEXT);
	assert_int_equal(check_token(member(&r, "access_token"), AUDIENCE, "at+jwt", &access), TOKEN_OK);
	assert_int_equal(check_token(member(&r, "id_token"), "mcx-ue", "JWT", &id), TOKEN_OK);
	assert_string_equal(access.mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(id.mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(id.subject, access.subject);
	assert_int_equal(strlen(member(&r, "refresh_token")), 43);
}

static void b2_a_code_used_twice_is_refused_and_takes_its_tokens_with_it(void **state)
{
	(void)state;
	for (int later = 0; later < 2; later++) {
		const char *code = new_code();
		struct reply first = redeem(code);
		char access[3000], refresh_token[60];
		strcpy(access, member(&first, "access_token"));
		strcpy(refresh_token, member(&first, "refresh_token"));
		assert_int_equal(userinfo(access).status, 200);
		pass_s(later * 31);
		struct reply again = redeem(code);
		expect_refusal(&again, 400, "invalid_grant");
		assert_int_equal(userinfo(access).status, 401);
		again = refresh(refresh_token);
		expect_refusal(&again, 400, "invalid_grant");
	}
}

static void b2_a_code_stays_used_across_restarts(void **state)
{
	(void)state;
	char used[50], unused[50];
	strcpy(used, new_code());
	strcpy(unused, new_code());
	assert_int_equal(redeem(used).status, 200);
	restart_idms();
	struct reply r = redeem(used);
	expect_refusal(&r, 400, "invalid_grant");
	assert_int_equal(redeem(unused).status, 200);
}

static void b3_a_code_expires_after_a_minute(void **state)
{
	(void)state;
	const char *code = new_code();
	pass_s(59);
	assert_int_equal(redeem(code).status, 200);
	code = new_code();
	pass_s(60);
	struct reply r = redeem(code);
	expect_refusal(&r, 400, "invalid_grant");
}

static void b4_a_code_of_another_client_is_refused_and_used_up(void **state)
{
	(void)state;
	const char *code = new_code();
	struct reply r = redeem_with(code, "client_id=other");
	expect_refusal(&r, 400, "invalid_grant");
	r = redeem(code);
	expect_refusal(&r, 400, "invalid_grant");
}

static void b5_a_redirect_uri_that_is_missing_or_different_is_refused(void **state)
{
	(void)state;
	const char *code = new_code();
	struct reply r = redeem_with(code, "redirect_uri=");
	expect_refusal(&r, 400, "invalid_request");
	r = redeem_with(code, "redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1");
	expect_refusal(&r, 400, "invalid_grant");
}

static void b6_rfc7636_4_6_a_verifier_that_is_wrong_short_or_long_is_refused(void **state)
{
	char longest[160] = "code_verifier=", wrong[160] = "code_verifier=" VERIFIER;
	(void)state;
	memset(longest + 14, 'a', 129);
	wrong[20] ^= 1;
	const char *const bad[] = {wrong, longest, "code_verifier=kZ3uXc0m1nA7vQe5bT9sLh2RyW8dPgJf4oUi6xMtNq",
				   "code_verifier=" CHALLENGE};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct reply r = redeem_with(new_code(), bad[i]);
		expect_refusal(&r, 400, "invalid_grant");
	}
	struct reply r = redeem_with(new_code(), "code_verifier=");
	expect_refusal(&r, 400, "invalid_request");
}

static void b7_an_unknown_grant_type_is_unsupported(void **state)
{
	static const char *const types[] = {"password", "client_credentials", "implicit",
					    "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char form[200];
		snprintf(form, sizeof form, "grant_type=%s&client_id=mcx-ue&username=a&password=b", types[i]);
		struct reply r = post("/token", form);
		expect_refusal(&r, 400, "unsupported_grant_type");
	}
	struct reply r = post("/token", "client_id=mcx-ue");
	expect_refusal(&r, 400, "invalid_request");
}

static void b8_get_is_not_allowed_at_the_token_endpoint(void **state)
{
	(void)state;
	assert_int_equal(get("/token?grant_type=authorization_code").status, 405);
	assert_int_equal(get("/login").status, 405);
	assert_int_equal(get("/nothing").status, 404);
}

static void b9_a_json_body_is_refused(void **state)
{
	(void)state;
	struct reply r = ask_as(NULL, issuer,
				&(struct http_call){.method = "POST",
						    .content_type = "application/json",
						    .body = octets_of("{\"grant_type\":\"refresh_token\"}")},
				"/token");
	expect_refusal(&r, 400, "invalid_request");
	r = post("/token", "grant_type=refresh_token&grant_type=refresh_token");
	expect_refusal(&r, 400, "invalid_request");
}

/* A confidential client; returns its secret. */
static const char *confidential(const char *id, const char *method)
{
	static char secret[60];
	char target[200], body[400], encoded[100];
	http_percent_encode(id, encoded, sizeof encoded);
	snprintf(target, sizeof target, "/admin/v1/clients/%s", encoded);
	snprintf(body, sizeof body,
		 "{\"redirect_uris\":[\"" REDIRECT "\"],\"headless_login\":true,\"token_endpoint_auth_method\":\"%s\"}",
		 method);
	assert_true(admin("PUT", target, body).status <= 201);
	strcat(target, "/secret");
	struct reply r = admin("POST", target, NULL);
	snprintf(secret, sizeof secret, "%s", member(&r, "client_secret"));
	assert_int_equal(strlen(secret), 43);
	return secret;
}

static const char *basic(const char *id, const char *secret)
{
	static char out[600];
	char i[200], s[200], pair[420];
	http_percent_encode(id, i, sizeof i);
	http_percent_encode(secret, s, sizeof s);
	snprintf(pair, sizeof pair, "%s:%s", i, s);
	strcpy(out, "Basic ");
	base64_encode(octets_of(pair), out + 6);
	return out;
}

static const char *code_for_client(const char *id)
{
	char target[1000], encoded[100];
	http_percent_encode(id, encoded, sizeof encoded);
	snprintf(target, sizeof target, "/authorize?response_type=code&client_id=%s%s", encoded, AUTHORIZE_REST);
	struct reply r = log_in_at(target, ALICE, PASSWORD);
	return param(r.location, "code");
}

static const char *code_form(const char *code)
{
	static char form[400];
	snprintf(form, sizeof form,
		 "grant_type=authorization_code&code=%s&redirect_uri=com.example.mcx%%3A%%2Fcb&code_verifier=" VERIFIER,
		 code);
	return form;
}

static void b10_client_secret_basic_works_with_reserved_characters_in_the_id(void **state)
{
	(void)state;
	const char *secret = confidential("kms-b.a:1", "client_secret_basic");
	struct reply r = post_with("/token", code_form(code_for_client("kms-b.a:1")), NULL, basic("kms-b.a:1", secret));
	assert_int_equal(r.status, 200);
	/* the vector of identity.md 8.2 */
	assert_string_equal(basic("kms-b.a:1", "p@ss"), "Basic a21zLWIuYSUzQTE6cCU0MHNz");
	secret = confidential("post-client", "client_secret_post");
	char form[600];
	snprintf(form, sizeof form, "%s&client_id=post-client&client_secret=%s",
		 code_form(code_for_client("post-client")), secret);
	assert_int_equal(post("/token", form).status, 200);
}

static void b11_two_ways_of_client_authentication_are_an_invalid_request(void **state)
{
	(void)state;
	const char *secret = confidential("two", "client_secret_basic");
	char form[600];
	snprintf(form, sizeof form, "%s&client_id=two&client_secret=%s", code_form("x"), secret);
	struct reply r = post_with("/token", form, NULL, basic("two", secret));
	expect_refusal(&r, 400, "invalid_request");
	snprintf(form, sizeof form, "%s&client_id=mcx-ue", code_form("x"));
	r = post_with("/token", form, NULL, basic("two", secret));
	expect_refusal(&r, 400, "invalid_request");
}

static void b12_a_client_that_is_not_proven_is_invalid(void **state)
{
	(void)state;
	const char *secret = confidential("three", "client_secret_basic");
	struct reply r = post_with("/token", code_form("x"), NULL, basic("three", "wrong"));
	expect_refusal(&r, 401, "invalid_client");
	assert_string_equal(r.www, "Basic realm=\"idms\"");
	r = post_with("/token", code_form("x"), NULL, "Basic !!!");
	expect_refusal(&r, 401, "invalid_client");
	char form[500];
	snprintf(form, sizeof form, "%s&client_id=three&client_secret=%s", code_form("x"), secret);
	r = post("/token", form); /* right secret, not the registered method */
	expect_refusal(&r, 400, "invalid_client");
	snprintf(form, sizeof form, "%s&client_id=three", code_form("x"));
	r = post("/token", form);
	expect_refusal(&r, 400, "invalid_client");
	snprintf(form, sizeof form, "%s&client_id=nobody", code_form("x"));
	r = post("/token", form);
	expect_refusal(&r, 400, "invalid_client");
	r = post_with("/token", code_form("x"), NULL, basic("mcx-ue", "")); /* public, and not flagged legacy_basic */
	expect_refusal(&r, 401, "invalid_client");
}

static void b13_no_token_answer_may_be_kept(void **state)
{
	/* Answers go through one function; its headers are looked at on the wire. */
	struct http_response rs = {0};
	(void)state;
	answer_json(&rs, 200, strdup("{}"));
	assert_string_equal(rs.headers[0].name, "Cache-Control");
	assert_string_equal(rs.headers[0].value, "no-store");
	assert_string_equal(rs.headers[1].name, "Pragma");
	assert_string_equal(rs.headers[1].value, "no-cache");
	http_response_clear(&rs);
	answer_oauth_error(&rs, 400, "invalid_grant", NULL);
	assert_string_equal(rs.headers[0].value, "no-store");
	http_response_clear(&rs);
}

static void b14_of_a_hundred_parallel_redemptions_exactly_one_succeeds(void **state)
{
	enum { N = 50, ROUNDS = 2 };
	pthread_t threads[N];
	struct lone_form form = {.target = "/token"};
	int successes = 0;
	(void)state;
	snprintf(form.text, sizeof form.text,
		 "grant_type=authorization_code&code=%s&redirect_uri=com.example.mcx%%3A%%2Fcb&client_id=mcx-ue"
		 "&code_verifier=" VERIFIER,
		 new_code());
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, post_alone, &form), 0);
		for (int i = 0; i < N; i++) {
			void *status;
			pthread_join(threads[i], &status);
			successes += (intptr_t)status == 200;
			assert_true((intptr_t)status == 200 || (intptr_t)status == 400 || (intptr_t)status == 429);
		}
	}
	assert_int_equal(successes, 1);
	pass_s(120); /* the refusals' limit */
}

static void b15_a_nonce_comes_back_when_there_was_one(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	assert_string_equal(claim(member(&r, "id_token"), "nonce"), "Zp41s");
	char target[1000];
	snprintf(target, sizeof target, "%s", AUTHORIZE);
	char *at = strstr(target, "&nonce=Zp41s");
	memmove(at, at + 12, strlen(at + 12) + 1);
	r = log_in_at(target, ALICE, PASSWORD);
	r = redeem(param(r.location, "code"));
	assert_string_equal(claim(member(&r, "id_token"), "nonce"), "");
}

static void b16_at_hash_binds_the_id_token_to_the_access_token(void **state)
{
	char at_hash[TOKEN_AT_HASH];
	(void)state;
	struct reply r = redeem(new_code());
	token_at_hash(member(&r, "access_token"), at_hash);
	assert_string_equal(claim(member(&r, "id_token"), "at_hash"), at_hash);
}

static void b17_an_id_token_holds_the_required_claims_and_mc_ids_only_as_granted(void **state)
{
	(void)state;
	struct reply r = redeem(new_code_for(BOB)); /* has PTT and data, asked for PTT only */
	const char *id = member(&r, "id_token"), *access = member(&r, "access_token");
	static const char *const wanted[] = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "at_hash", "sid"};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_true(claim(id, wanted[i])[0]);
	assert_true(strlen(claim(id, "sub")) <= 255);
	assert_string_equal(claim(id, "iss"), issuer);
	assert_string_equal(claim(id, "aud"), "mcx-ue");
	assert_string_equal(claim(id, "mcptt_id"), "sip:bob@mcptt.a.example");
	assert_string_equal(claim(id, "mcdata_id"), "");
	assert_string_equal(claim(access, "mcdata_id"), "");
	r = log_in_at("/authorize?response_type=code&client_id=mcx-ue&scope=openid%203gpp%3Amc%3Adata_service"
		      "&redirect_uri=com.example.mcx%3A%2Fcb&state=9tKx0b7m&acr_values=3gpp%3Aacr%3Apassword"
		      "&code_challenge=" CHALLENGE "&code_challenge_method=S256",
		      BOB, PASSWORD);
	r = redeem(param(r.location, "code"));
	assert_string_equal(claim(member(&r, "access_token"), "mcdata_id"), "sip:bob@mcdata.a.example");
	assert_string_equal(claim(member(&r, "access_token"), "mcptt_id"), "");
}

static void b18_sub_is_stable_and_differs_between_users(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char first[300];
	strcpy(first, claim(member(&r, "id_token"), "sub"));
	admin("PUT", "/admin/v1/users/ALICE%40a.example",
	      "{\"display\":\"Alice Renamed\",\"services\":{\"ptt\":\"sip:alice@mcptt.a.example\"}}");
	r = redeem(new_code());
	assert_string_equal(claim(member(&r, "id_token"), "sub"), first);
	r = redeem(new_code_for(BOB));
	assert_string_not_equal(claim(member(&r, "id_token"), "sub"), first);
	assert_null(strstr(first, "alice"));
}

static void b19_an_access_token_holds_every_claim_and_stays_below_1_kib(void **state)
{
	static const char *const wanted[] = {"iss", "sub",   "client_id", "iat",       "nbf", "exp",
					     "jti", "scope", "mcptt_id",  "auth_time", "acr", "sid"};
	char *header, *payload;
	(void)state;
	struct reply r = redeem(new_code());
	const char *t = member(&r, "access_token");
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_true(claim(t, wanted[i])[0]);
	json_t *j = payload_of(t);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "aud"), 0)), AUDIENCE);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "amr"), 0)), "pwd");
	json_decref(j);
	assert_true(strlen(t) < 1024);
	token_decode(t, strlen(t), &header, &payload);
	assert_non_null(strstr(header, "\"typ\":\"at+jwt\""));
	assert_non_null(strstr(header, "\"alg\":\"ES256\""));
	free(header);
	free(payload);
	r = redeem(new_code());
	token_decode(member(&r, "id_token"), strlen(member(&r, "id_token")), &header, &payload);
	assert_non_null(strstr(header, "\"alg\":\"RS256\"")); /* OIDC Core 15.1 */
	free(header);
	free(payload);
}

/* ---- C ---- */

static void c1_each_refresh_gives_a_new_refresh_token(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char first[60], sub[300], auth_time[60];
	strcpy(first, member(&r, "refresh_token"));
	strcpy(sub, claim(member(&r, "id_token"), "sub"));
	strcpy(auth_time, claim(member(&r, "id_token"), "auth_time"));
	pass_s(100);
	r = refresh(first);
	assert_int_equal(r.status, 200);
	assert_string_not_equal(member(&r, "refresh_token"), first);
	assert_string_equal(claim(member(&r, "id_token"), "sub"), sub);
	assert_string_equal(claim(member(&r, "id_token"), "auth_time"), auth_time);
	assert_string_equal(claim(member(&r, "id_token"), "nonce"), "");
	assert_int_equal(refresh(member(&r, "refresh_token")).status, 200);
}

static void c2_rfc9700_4_13_a_refresh_token_shown_again_ends_the_whole_family(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char first[60], second[60], access[3000];
	strcpy(first, member(&r, "refresh_token"));
	r = refresh(first);
	strcpy(second, member(&r, "refresh_token"));
	strcpy(access, member(&r, "access_token"));
	pass_s(10);
	r = refresh(first);
	expect_refusal(&r, 400, "invalid_grant");
	r = refresh(second);
	expect_refusal(&r, 400, "invalid_grant");
	assert_int_equal(userinfo(access).status, 401);
}

static void c3_a_lost_answer_is_given_once_more_within_ten_seconds(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char first[60], second[60];
	strcpy(first, member(&r, "refresh_token"));
	r = refresh(first);
	strcpy(second, member(&r, "refresh_token"));
	pass_s(9);
	r = refresh(first);
	assert_int_equal(r.status, 200);
	assert_string_equal(member(&r, "refresh_token"), second);
	r = refresh(first); /* once, not twice */
	expect_refusal(&r, 400, "invalid_grant");
	r = refresh(second);
	expect_refusal(&r, 400, "invalid_grant");
}

static void c3_a_successor_already_used_ends_the_grace(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char first[60];
	strcpy(first, member(&r, "refresh_token"));
	r = refresh(first);
	assert_int_equal(refresh(member(&r, "refresh_token")).status, 200);
	r = refresh(first);
	expect_refusal(&r, 400, "invalid_grant");
}

static void c4_scope_may_be_narrowed_and_never_widened(void **state)
{
	char form[400];
	(void)state;
	struct reply r = redeem(new_code());
	snprintf(form, sizeof form,
		 "grant_type=refresh_token&client_id=mcx-ue&refresh_token=%s&scope=openid%%203gpp%%3Amc%%3Aptt_service",
		 member(&r, "refresh_token"));
	r = post("/token", form);
	assert_string_equal(member(&r, "scope"), "openid 3gpp:mc:ptt_service");
	char next[60];
	strcpy(next, member(&r, "refresh_token"));
	snprintf(
	    form, sizeof form,
	    "grant_type=refresh_token&client_id=mcx-ue&refresh_token=%s&scope=openid%%203gpp%%3Amc%%3Adata_service",
	    next);
	r = post("/token", form);
	expect_refusal(&r, 400, "invalid_scope");
	r = refresh(next); /* the refresh token kept the original grant */
	assert_string_equal(member(&r, "scope"), PTT_SCOPE_TEXT);
}

static void c5_another_clients_refresh_token_is_refused_and_stays_good(void **state)
{
	char form[300];
	(void)state;
	struct reply r = redeem(new_code());
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	snprintf(form, sizeof form, "grant_type=refresh_token&client_id=other&refresh_token=%s", token);
	r = post("/token", form);
	expect_refusal(&r, 400, "invalid_grant");
	assert_int_equal(refresh(token).status, 200);
}

static void c6_a_disabled_account_or_a_new_password_ends_refreshing(void **state)
{
	(void)state;
	struct reply r = redeem(new_code_for(BOB));
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	assert_int_equal(
	    admin("POST", "/admin/v1/users/bob%40a.example/password", "{\"password\":\"" PASSWORD "\"}").status, 204);
	r = refresh(token);
	expect_refusal(&r, 400, "invalid_grant");
	r = redeem(new_code_for(BOB));
	strcpy(token, member(&r, "refresh_token"));
	admin("PUT", "/admin/v1/users/bob%40a.example",
	      "{\"enabled\":false,\"services\":{\"ptt\":\"sip:bob@mcptt.a.example\",\"data\":\"sip:bob@mcdata.a."
	      "example\"}}");
	r = refresh(token);
	expect_refusal(&r, 400, "invalid_grant");
	admin("PUT", "/admin/v1/users/bob%40a.example",
	      "{\"services\":{\"ptt\":\"sip:bob@mcptt.a.example\",\"data\":\"sip:bob@mcdata.a.example\"}}");
}

static void c7_a_refresh_token_ends_when_idle_and_at_its_absolute_end(void **state)
{
	(void)state;
	struct reply r = redeem(new_code());
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	pass_s(43200);
	r = refresh(token);
	expect_refusal(&r, 400, "invalid_grant");
	r = redeem(new_code());
	for (int i = 0; i < 2; i++) {
		strcpy(token, member(&r, "refresh_token"));
		pass_s(43199);
		r = refresh(token);
		assert_int_equal(r.status, 200);
	}
	strcpy(token, member(&r, "refresh_token"));
	pass_s(2);
	r = refresh(token);
	expect_refusal(&r, 400, "invalid_grant");
}

static void c8_two_refreshes_at_once_get_one_successor(void **state)
{
	pthread_t t[2];
	void *status[2];
	struct lone_form form = {.target = "/token"};
	(void)state;
	struct reply r = redeem(new_code());
	snprintf(form.text, sizeof form.text, "grant_type=refresh_token&client_id=mcx-ue&refresh_token=%s",
		 member(&r, "refresh_token"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, post_alone, &form), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &status[i]);
		assert_int_equal((intptr_t)status[i], 200);
	}
}

static void a_scope_that_was_taken_from_the_account_shrinks_the_next_token(void **state)
{
	(void)state;
	make_user("carol@a.example", "{\"ptt\":\"sip:carol@mcptt.a.example\"}");
	struct reply r = redeem(new_code_for("carol@a.example"));
	char token[60];
	strcpy(token, member(&r, "refresh_token"));
	/* a scope less cuts the tokens at once (identity.md 11); a new sign-in gets what is left */
	admin("PUT", "/admin/v1/users/carol%40a.example",
	      "{\"services\":{\"ptt\":\"sip:carol@mcptt.a.example\"},\"scopes\":[\"3gpp:mc:ptt_service\"]}");
	r = refresh(token);
	expect_refusal(&r, 400, "invalid_grant");
	r = redeem(new_code_for("carol@a.example"));
	assert_string_equal(member(&r, "scope"), "openid 3gpp:mc:ptt_service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(b1_the_flow_ends_in_tokens_that_verify_with_the_published_keys),
	    cmocka_unit_test(b2_a_code_used_twice_is_refused_and_takes_its_tokens_with_it),
	    cmocka_unit_test(b2_a_code_stays_used_across_restarts),
	    cmocka_unit_test(b3_a_code_expires_after_a_minute),
	    cmocka_unit_test(b4_a_code_of_another_client_is_refused_and_used_up),
	    cmocka_unit_test(b5_a_redirect_uri_that_is_missing_or_different_is_refused),
	    cmocka_unit_test(b6_rfc7636_4_6_a_verifier_that_is_wrong_short_or_long_is_refused),
	    cmocka_unit_test(b7_an_unknown_grant_type_is_unsupported),
	    cmocka_unit_test(b8_get_is_not_allowed_at_the_token_endpoint),
	    cmocka_unit_test(b9_a_json_body_is_refused),
	    cmocka_unit_test(b10_client_secret_basic_works_with_reserved_characters_in_the_id),
	    cmocka_unit_test(b11_two_ways_of_client_authentication_are_an_invalid_request),
	    cmocka_unit_test(b12_a_client_that_is_not_proven_is_invalid),
	    cmocka_unit_test(b13_no_token_answer_may_be_kept),
	    cmocka_unit_test(b14_of_a_hundred_parallel_redemptions_exactly_one_succeeds),
	    cmocka_unit_test(b15_a_nonce_comes_back_when_there_was_one),
	    cmocka_unit_test(b16_at_hash_binds_the_id_token_to_the_access_token),
	    cmocka_unit_test(b17_an_id_token_holds_the_required_claims_and_mc_ids_only_as_granted),
	    cmocka_unit_test(b18_sub_is_stable_and_differs_between_users),
	    cmocka_unit_test(b19_an_access_token_holds_every_claim_and_stays_below_1_kib),
	    cmocka_unit_test(c1_each_refresh_gives_a_new_refresh_token),
	    cmocka_unit_test(c2_rfc9700_4_13_a_refresh_token_shown_again_ends_the_whole_family),
	    cmocka_unit_test(c3_a_lost_answer_is_given_once_more_within_ten_seconds),
	    cmocka_unit_test(c3_a_successor_already_used_ends_the_grace),
	    cmocka_unit_test(c4_scope_may_be_narrowed_and_never_widened),
	    cmocka_unit_test(c5_another_clients_refresh_token_is_refused_and_stays_good),
	    cmocka_unit_test(c6_a_disabled_account_or_a_new_password_ends_refreshing),
	    cmocka_unit_test(c7_a_refresh_token_ends_when_idle_and_at_its_absolute_end),
	    cmocka_unit_test(c8_two_refreshes_at_once_get_one_successor),
	    cmocka_unit_test(a_scope_that_was_taken_from_the_account_shrinks_the_next_token),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

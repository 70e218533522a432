/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token_claims.c - what a good signature does not excuse: issuer, audience, times, claims and kind of a token
 * (checklist lines F7 and F8; TS 33.180 B.2).
 */
#include "token_lab.h"

/* ---- claims ---- */

static void a_token_of_another_issuer_or_audience_is_refused(void **state)
{
	struct token_policy p = policy();
	char *t = token_sign(es, "at+jwt", CLAIMS);
	(void)state;
	p.issuer = ISSUER "/";
	assert_int_equal(check(t, &p), TOKEN_ISSUER);
	p = policy();
	p.audience = "https://mc.a.example/";
	assert_int_equal(check(t, &p), TOKEN_AUDIENCE);
	p.audience = "https://MC.a.example";
	assert_int_equal(check(t, &p), TOKEN_AUDIENCE);
	free(t);
	assert_int_equal(check_payload("{\"aud\":\"" AUDIENCE "\",\"exp\":1767229200}"), TOKEN_ISSUER);
}

static void f8_an_audience_may_be_a_string_or_an_array(void **state)
{
	(void)state;
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200,\"aud\":\"" AUDIENCE "\"}")), TOKEN_OK);
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200,\"aud\":[\"x\",\"" AUDIENCE "\"]}")), TOKEN_OK);
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200,\"aud\":[]}")), TOKEN_AUDIENCE);
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200,\"aud\":[7]}")), TOKEN_AUDIENCE);
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200,\"aud\":{\"" AUDIENCE "\":1}}")), TOKEN_AUDIENCE);
	assert_int_equal(check_payload(CLAIMS_BUT("\"exp\":1767229200}")), TOKEN_AUDIENCE);
}

static enum token_verdict check_time(const char *name, const char *value)
{
	char payload[600];
	snprintf(payload, sizeof payload, CLAIMS_BUT("\"aud\":\"" AUDIENCE "\",%s\"%s\":%s}"),
		 strcmp(name, "exp") ? "\"exp\":1767229200," : "", name, value);
	return check_payload(payload);
}

static void f7_thirty_seconds_of_leeway_are_granted_and_not_one_more(void **state)
{
	(void)state;
	assert_int_equal(check_time("exp", "1767225671"), TOKEN_OK);      /* NOW - 29 */
	assert_int_equal(check_time("exp", "1767225670"), TOKEN_EXPIRED); /* NOW - 30 */
	assert_int_equal(check_time("exp", "1"), TOKEN_EXPIRED);
	assert_int_equal(check_time("nbf", "1767225730"), TOKEN_OK); /* NOW + 30 */
	assert_int_equal(check_time("nbf", "1767225731"), TOKEN_NOT_YET);
	assert_int_equal(check_time("iat", "1767225730"), TOKEN_OK);
	assert_int_equal(check_time("iat", "1767225731"), TOKEN_NOT_YET);
}

static void a_fractional_numeric_date_counts_by_its_whole_seconds(void **state)
{
	(void)state;
	assert_int_equal(check_time("exp", "1767225671.999"), TOKEN_OK);
	assert_int_equal(check_time("exp", "1767225670.999"), TOKEN_EXPIRED);
	assert_int_equal(check_time("nbf", "1767225730.5"), TOKEN_OK);
	assert_int_equal(check_time("exp", "1.767229200e9"), TOKEN_OK);
}

static void a_time_or_text_of_the_wrong_type_is_refused(void **state)
{
	static const char *const values[] = {"\"1767229200\"", "true", "null", "-1", "0", "1e300", "[]"};
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		assert_int_equal(check_time("exp", values[i]), TOKEN_CLAIMS);
	assert_int_equal(check_payload(CLAIMS_BUT("\"aud\":\"" AUDIENCE "\"}")), TOKEN_CLAIMS); /* no exp */
	assert_int_equal(check_payload(CLAIMS_BUT("\"aud\":\"" AUDIENCE "\",\"exp\":1767229200,\"mcptt_id\":[\"a\"]}")),
			 TOKEN_CLAIMS);
	assert_int_equal(
	    check_payload(CLAIMS_BUT("\"aud\":\"" AUDIENCE "\",\"exp\":1767229200,\"mcptt_id\":\"a\\r\\nb\"}")),
	    TOKEN_CLAIMS);
	assert_int_equal(check_payload("{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
				       "\",\"exp\":1767229200,\"client_id\":\"c\",\"scope\":[\"openid\"]}"),
			 TOKEN_CLAIMS);
	assert_int_equal(
	    check_payload("{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"exp\":1767229200,\"scope\":\"openid\"}"),
	    TOKEN_CLAIMS); /* no client_id */
}

static void a_token_of_another_kind_is_refused(void **state)
{
	struct token_policy p = policy();
	(void)state;
	static const struct {
		const char *typ;
		enum token_verdict access, foreign, id;
	} cases[] = {
	    {"\"typ\":\"at+jwt\",", TOKEN_OK, TOKEN_OK, TOKEN_TYPE},
	    {"\"typ\":\"application/at+jwt\",", TOKEN_OK, TOKEN_OK, TOKEN_TYPE},
	    {"\"typ\":\"AT+JWT\",", TOKEN_OK, TOKEN_OK, TOKEN_TYPE},
	    {"\"typ\":\"JWT\",", TOKEN_TYPE, TOKEN_OK, TOKEN_CLAIMS},
	    {"", TOKEN_TYPE, TOKEN_OK, TOKEN_CLAIMS},
	    {"\"typ\":\"secevent+jwt\",", TOKEN_TYPE, TOKEN_TYPE, TOKEN_TYPE},
	    {"\"typ\":1,", TOKEN_MALFORMED, TOKEN_MALFORMED, TOKEN_MALFORMED},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char header[300];
		snprintf(header, sizeof header, "{%s\"alg\":\"ES256\",\"kid\":\"%s\"}", cases[i].typ,
			 token_signer_kid(es));
		/* no iat: enough for an access token, not for an ID token */
		char *t =
		    forge(es_key, TOKEN_ES256, header, CLAIMS_BUT("\"aud\":\"" AUDIENCE "\",\"exp\":1767229200}"));
		p = policy();
		assert_int_equal(check(t, &p), cases[i].access);
		p.accept_typ_jwt = 1;
		assert_int_equal(check(t, &p), cases[i].foreign);
		p = policy();
		p.typ = "JWT";
		assert_int_equal(check(t, &p), cases[i].id);
	}
}

static void a_refused_token_leaves_no_claims_behind(void **state)
{
	struct token_policy p = policy();
	struct token_claims c, zero = {0};
	(void)state;
	p.now = 1767229231;
	char *t = token_sign(es, "at+jwt", CLAIMS);
	assert_int_equal(token_check(t, strlen(t), &p, &c), TOKEN_EXPIRED);
	assert_memory_equal(&c, &zero, sizeof c);
	free(t);
}

static void a_token_can_be_shown_without_being_believed(void **state)
{
	struct token_claims c;
	char *header, *payload;
	(void)state;
	assert_int_equal(token_peek(access_token_a, strlen(access_token_a), &c), TOKEN_OK);
	assert_string_equal(c.issuer, ISSUER);
	assert_int_equal(token_decode(access_token_a, strlen(access_token_a), &header, &payload), TOKEN_OK);
	assert_string_equal(header, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":"
				    "\"Skx_fI1H1moIVeK-WVkV6ej-byQyIsHjdRoc3E8dxj8\"}");
	free(header);
	free(payload);
	assert_int_equal(token_decode("a.b", 3, &header, &payload), TOKEN_MALFORMED);
	assert_int_equal(token_peek("e30.W10.AA", 10, &c), TOKEN_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token_of_another_issuer_or_audience_is_refused),
	    cmocka_unit_test(f8_an_audience_may_be_a_string_or_an_array),
	    cmocka_unit_test(f7_thirty_seconds_of_leeway_are_granted_and_not_one_more),
	    cmocka_unit_test(a_fractional_numeric_date_counts_by_its_whole_seconds),
	    cmocka_unit_test(a_time_or_text_of_the_wrong_type_is_refused),
	    cmocka_unit_test(a_token_of_another_kind_is_refused),
	    cmocka_unit_test(a_refused_token_leaves_no_claims_behind),
	    cmocka_unit_test(a_token_can_be_shown_without_being_believed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

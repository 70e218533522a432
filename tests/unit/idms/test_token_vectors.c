/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token_vectors.c - the vectors of RFC 7515, RFC 7636, RFC 7638 and of the identity page (checklist line F1).
 */
#include "token_lab.h"

static const char idms_a_jwks[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\",\"use\":\"sig\",\"alg\":\"ES256\","
    "\"kid\":\"Skx_fI1H1moIVeK-WVkV6ej-byQyIsHjdRoc3E8dxj8\"}]}";

static const char security_token_a[] =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IlNreF9mSTFIMW1vSVZlSy1XVmtWNmVqLWJ5UXlJc0hqZFJvYzNFOGR4ajgifQ."
    "eyJpc3MiOiJodHRwczovL2lkbXMuYS5leGFtcGxlIiwic3ViIjoidS03ZjNjOWQyZTRiIiwiYXVkIjpbIm1jeC11ZSIsImh0dHBzOi8vaWRtcy"
    "5iLmV4YW1wbGUvdG9rZW4iXSwiaWF0IjoxNzY3MjI1NjYwLCJleHAiOjE3NjcyMjU5NjAsImp0aSI6InN0LTAxSjBRQiJ9"
    ".ijVfr3PcqmOFEGU_bvT1-fLqj7otCV1DvvdrN26VsGG7PY4BhLcfFeK6ygQPerovvZvPsAaNt0v0iUj-5yrlaw";

/* ---- vectors ---- */

static void f1_the_vectors_of_the_identity_page_verify(void **state)
{
	(void)state;
	struct token_keys *a = token_keys_parse(octets_of(idms_a_jwks));
	struct token_policy p = {a, ISSUER, AUDIENCE, NOW, "at+jwt", 0, 0};
	struct token_claims c;
	assert_int_equal(token_check(access_token_a, strlen(access_token_a), &p, &c), TOKEN_OK);
	assert_string_equal(c.issuer, ISSUER);
	assert_string_equal(c.subject, "u-7f3c9d2e4b");
	assert_string_equal(c.client_id, "mcx-ue");
	assert_string_equal(c.mcptt_id, "sip:alice@mcptt.a.example");
	assert_string_equal(c.mcdata_id, "");
	assert_string_equal(c.jti, "at-01J0Q4");
	assert_string_equal(c.sid, "s-51c2");
	assert_int_equal(c.exp, 1767229200);
	assert_int_equal(c.auth_time, 1767225595);
	assert_true(token_has_scope(&c, SCOPE_PTT_KEYS));
	assert_false(token_has_scope(&c, SCOPE_DATA_KEYS));
	assert_false(token_has_scope(&c, "3gpp:mc:ptt"));
	assert_false(token_has_scope(&c, ""));

	struct token_policy s = {a, ISSUER, "https://idms.b.example/token", NOW, "JWT", 0, 0};
	assert_int_equal(check(security_token_a, &s), TOKEN_OK);
	s.audience = "mcx-ue";
	assert_int_equal(check(security_token_a, &s), TOKEN_OK);
	s.now = 1767225960 + 30;
	assert_int_equal(check(security_token_a, &s), TOKEN_EXPIRED);
	token_keys_free(a);

	char at_hash[TOKEN_AT_HASH];
	token_at_hash(access_token_a, at_hash);
	assert_string_equal(at_hash, "MDEaZM5wpfN7fSbTCIKYRg");
}

/* RFC 7515 A.2.1, A.3.1: they have no audience, so a signature that holds ends at that refusal. */
static void f1_the_vectors_of_rfc_7515_verify(void **state)
{
	static const char rsa[] =
	    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
	    "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaS"
	    "HSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXF"
	    "vUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}";
	static const char ec[] =
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
	static const char a2[] =
	    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb29"
	    "0Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
	    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar"
	    "ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
	    "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
	static const char a3[] =
	    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb29"
	    "0Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
	const struct {
		const char *jwks, *token;
	} cases[] = {{rsa, a2}, {ec, a3}};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct token_keys *k = token_keys_parse(octets_of(cases[i].jwks));
		assert_non_null(k);
		struct token_policy p = {k, "joe", "anyone", 1300819379, "JWT", 0, 0};
		assert_int_equal(check(cases[i].token, &p), TOKEN_AUDIENCE);
		char bent[800];
		strcpy(bent, cases[i].token);
		bent[strlen(bent) - 10] ^= 1;
		assert_int_equal(check(bent, &p), TOKEN_SIGNATURE);
		token_keys_free(k);
	}
}

static void a_kid_is_the_thumbprint_of_rfc_7638(void **state)
{
	(void)state;
	/* RFC 7638 3.1 */
	static const char rsa[] =
	    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7"
	    "aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
	    "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4"
	    "lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\"}]}";
	char kid[TOKEN_KID];
	struct token_keys *k = token_keys_parse(octets_of(rsa)), *a = token_keys_parse(octets_of(idms_a_jwks));
	json_decref(jws_jwk(k->key[0].pkey, TOKEN_RS256, kid));
	assert_string_equal(kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	json_decref(jws_jwk(a->key[0].pkey, TOKEN_ES256, kid));
	assert_string_equal(kid, "Skx_fI1H1moIVeK-WVkV6ej-byQyIsHjdRoc3E8dxj8");
	token_keys_free(k);
	token_keys_free(a);
}

static void pkce_s256_gives_the_vectors(void **state)
{
	static const char *const v[][2] = {
	    {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	    {"kZ3uXc0m1nA7vQe5bT9sLh2RyW8dPgJf4oUi6xMtNqE", "ws4aZz5u8DDZ9xI_UoNTe_PznxBwZTB9SRt0KFVPEtA"},
	};
	char c[PKCE_CHALLENGE], long_one[130];
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(pkce_verifier_ok(v[i][0]));
		pkce_challenge(v[i][0], c);
		assert_string_equal(c, v[i][1]);
		assert_true(pkce_challenge_ok(c));
	}
	memset(long_one, 'a', sizeof long_one);
	long_one[129] = 0;
	assert_false(pkce_verifier_ok(long_one));
	long_one[128] = 0;
	assert_true(pkce_verifier_ok(long_one));
	long_one[42] = 0;
	assert_false(pkce_verifier_ok(long_one));
	assert_false(pkce_verifier_ok("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX+"));
	assert_false(pkce_challenge_ok("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c"));
	assert_false(pkce_challenge_ok("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(f1_the_vectors_of_the_identity_page_verify),
	    cmocka_unit_test(f1_the_vectors_of_rfc_7515_verify),
	    cmocka_unit_test(a_kid_is_the_thumbprint_of_rfc_7638),
	    cmocka_unit_test(pkce_s256_gives_the_vectors),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens made and checked: the vectors of RFC 7515 and of the identity page, and one refusal for each rule
 * (checklist lines F1 to F8; the times and the audience of TS 33.180 B.2).
 */
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "mcx/token/jws.h"
#include "sec/base/text.h"
#include "unit/test.h"

#define NOW      1767225700
#define ISSUER   "https://idms.a.example"
#define AUDIENCE "https://mc.a.example"

static const char idms_a_jwks[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\",\"use\":\"sig\",\"alg\":\"ES256\","
    "\"kid\":\"Skx_fI1H1moIVeK-WVkV6ej-byQyIsHjdRoc3E8dxj8\"}]}";

static const char access_token_a[] =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IlNreF9mSTFIMW1vSVZlSy1XVmtWNmVqLWJ5UXlJc0hqZFJvYzNFOGR4ajgif"
    "Q.eyJpc3MiOiJodHRwczovL2lkbXMuYS5leGFtcGxlIiwic3ViIjoidS03ZjNjOWQyZTRiIiwiYXVkIjpbImh0dHBzOi8vbWMuYS5leGFtcGxl"
    "Il0sImNsaWVudF9pZCI6Im1jeC11ZSIsImlhdCI6MTc2NzIyNTYwMCwibmJmIjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjkyMDAsImp0aSI6Im"
    "F0LTAxSjBRNCIsInNjb3BlIjoib3BlbmlkIDNncHA6bWM6cHR0X3NlcnZpY2UgM2dwcDptYzpwdHRfa2V5X21hbmFnZW1lbnRfc2VydmljZSIs"
    "Im1jcHR0X2lkIjoic2lwOmFsaWNlQG1jcHR0LmEuZXhhbXBsZSIsImF1dGhfdGltZSI6MTc2NzIyNTU5NSwiYWNyIjoiM2dwcDphY3I6cGFzc3"
    "dvcmQiLCJzaWQiOiJzLTUxYzIifQ"
    ".nU_pv-p3s-p_29NfcjOKGD2gmu6FTiAJOvYh9OUAA61wBF_gLum9VyRPOogQzNyxHQKZYo8tjObHKJC7fjKH7A";

static const char security_token_a[] =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IlNreF9mSTFIMW1vSVZlSy1XVmtWNmVqLWJ5UXlJc0hqZFJvYzNFOGR4ajgifQ."
    "eyJpc3MiOiJodHRwczovL2lkbXMuYS5leGFtcGxlIiwic3ViIjoidS03ZjNjOWQyZTRiIiwiYXVkIjpbIm1jeC11ZSIsImh0dHBzOi8vaWRtcy"
    "5iLmV4YW1wbGUvdG9rZW4iXSwiaWF0IjoxNzY3MjI1NjYwLCJleHAiOjE3NjcyMjU5NjAsImp0aSI6InN0LTAxSjBRQiJ9"
    ".ijVfr3PcqmOFEGU_bvT1-fLqj7otCV1DvvdrN26VsGG7PY4BhLcfFeK6ygQPerovvZvPsAaNt0v0iUj-5yrlaw";

/* The page's key of IdMS A with its private half (public test value). */
static const char idms_a_d[] = "QzRIj-eDcGZ4oWNZk26a33fmSOh9HoQTWgOE7MfbWtw";

static struct token_signer *es, *rs;
static EVP_PKEY *es_key, *rs_key;
static struct token_keys *keys;
static char *jwks;

static EVP_PKEY *key_of(const struct token_signer *s)
{
	char *pem = token_signer_pem(s);
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	free(pem);
	return k;
}

static int set_up(void **state)
{
	(void)state;
	es = token_signer_generate(TOKEN_ES256);
	rs = token_signer_generate(TOKEN_RS256);
	const struct token_signer *both[] = {es, rs};
	jwks = token_jwks(both, 2);
	keys = token_keys_parse(octets_of(jwks));
	es_key = key_of(es);
	rs_key = key_of(rs);
	return keys ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	token_signer_free(es);
	token_signer_free(rs);
	EVP_PKEY_free(es_key);
	EVP_PKEY_free(rs_key);
	token_keys_free(keys);
	free(jwks);
	return 0;
}

static struct token_policy policy(void)
{
	return (struct token_policy){keys, ISSUER, AUDIENCE, NOW, "at+jwt", 0, 0};
}

static enum token_verdict check(const char *token, const struct token_policy *p)
{
	struct token_claims c;
	return token_check(token, strlen(token), p, &c);
}

static char *join(const char *header, const char *payload, const uint8_t *sig, size_t sig_len)
{
	static char out[3][16000];
	static unsigned next;
	char *o = out[next++ % 3];
	size_t n = base64url_encode(octets_of(header), o);
	o[n++] = '.';
	n += base64url_encode(octets_of(payload), o + n);
	o[n++] = '.';
	base64url_encode((struct octets){sig, sig_len}, o + n);
	return o;
}

/* A correctly signed token with any header and payload. */
static char *forge(EVP_PKEY *k, enum token_alg alg, const char *header, const char *payload)
{
	size_t len = 0;
	char *unsigned_ = join(header, payload, (const uint8_t *)"", 0);
	struct octets text = {(const uint8_t *)unsigned_, strlen(unsigned_) - 1};
	uint8_t *sig = jws_sign(k, alg, text, &len);
	char *token = join(header, payload, sig, len);
	free(sig);
	return token;
}

#define CLAIMS_BUT(extra)                                                                                              \
	"{\"iss\":\"" ISSUER                                                                                           \
	"\",\"sub\":\"u-1\",\"client_id\":\"mcx-ue\",\"scope\":\"openid 3gpp:mc:ptt_service\"," extra
#define CLAIMS CLAIMS_BUT("\"aud\":[\"" AUDIENCE "\"],\"exp\":1767229200,\"iat\":1767225600}")

static const char *es_header(const char *extra)
{
	static char h[400];
	snprintf(h, sizeof h, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"%s}", token_signer_kid(es), extra);
	return h;
}

static enum token_verdict check_payload(const char *payload)
{
	struct token_policy p = policy();
	return check(forge(es_key, TOKEN_ES256, es_header(""), payload), &p);
}

static enum token_verdict check_header_text(const char *header)
{
	struct token_policy p = policy();
	return check(forge(es_key, TOKEN_ES256, header, CLAIMS), &p);
}

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

/* ---- made and read back ---- */

static void what_is_signed_with_either_algorithm_verifies(void **state)
{
	const struct token_signer *const both[] = {es, rs};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct token_policy p = policy();
		char *t = token_sign(both[i], "at+jwt", CLAIMS);
		assert_int_equal(check(t, &p), TOKEN_OK);
		p.algs = 1u << (i ? TOKEN_ES256 : TOKEN_RS256);
		assert_int_equal(check(t, &p), TOKEN_ALGORITHM); /* not allowed for this issuer */
		free(t);
	}
}

static void a_private_key_reads_back_from_pem_as_the_same_key(void **state)
{
	const struct token_signer *const both[] = {es, rs};
	(void)state;
	for (int i = 0; i < 2; i++) {
		char *pem = token_signer_pem(both[i]);
		struct token_signer *again = token_signer_load(octets_of(pem));
		assert_string_equal(token_signer_kid(again), token_signer_kid(both[i]));
		assert_int_equal(token_signer_alg(again), token_signer_alg(both[i]));
		token_signer_free(again);
		free(pem);
	}
	assert_null(token_signer_load(octets_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")));
}

static void i2_a_published_key_set_holds_no_private_member(void **state)
{
	static const char *const private_members[] = {"\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"k\""};
	(void)state;
	for (size_t i = 0; i < sizeof private_members / sizeof *private_members; i++)
		assert_null(strstr(jwks, private_members[i]));
	assert_non_null(strstr(jwks, "\"use\":\"sig\""));
	assert_null(strstr(jwks, idms_a_d));
}

/* ---- structure ---- */

static void f2_a_token_that_is_malformed_is_refused(void **state)
{
	struct token_policy p = policy();
	char *good = token_sign(es, "at+jwt", CLAIMS), t[4000];
	(void)state;
	assert_int_equal(check(good, &p), TOKEN_OK);
	const char *const patterns[] = {" %s", "%s ", "%s=", "%s\n", ".%s", "%s.", "%s.e30", "%s.e30.e30", "=%s"};
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(t, sizeof t, patterns[i], good);
#pragma GCC diagnostic pop
		assert_int_equal(check(t, &p), TOKEN_MALFORMED);
	}
	static const char *const texts[] = {"", ".", "..", "...", "a", "a.b", "e30.e30", "e30..e30", "\xff.\xff.\xff"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(check(texts[i], &p), TOKEN_MALFORMED);
	/* a final character with bits that carry nothing: two spellings of one signature must not both pass */
	strcpy(t, good);
	char *last = t + strlen(t) - 1;
	*last = (char)(*last == 'A' || *last == 'Q' || *last == 'g' || *last == 'w' ? *last + 1 : 'B');
	assert_int_equal(check(t, &p), TOKEN_MALFORMED);
	free(good);
}

static void f2_every_truncation_is_refused(void **state)
{
	struct token_policy p = policy();
	struct token_claims c;
	char *good = token_sign(es, "at+jwt", CLAIMS);
	(void)state;
	for (size_t n = 0; n < strlen(good); n++)
		assert_int_not_equal(token_check(good, n, &p, &c), TOKEN_OK);
	free(good);
}

static void f2_a_token_longer_than_8_kib_is_refused_unread(void **state)
{
	static char claims[9000];
	struct token_policy p = policy();
	(void)state;
	/* It would be good but for its length: ours, signed, with a claim that says nothing. */
	size_t n = (size_t)snprintf(claims, sizeof claims, "%.*s,\"pad\":\"", (int)strlen(CLAIMS) - 1, CLAIMS);
	memset(claims + n, 'a', 8000);
	strcpy(claims + n + 8000, "\"}");
	char *big = token_sign(es, "at+jwt", claims);
	assert_true(strlen(big) > TOKEN_MAX);
	assert_int_equal(check(big, &p), TOKEN_MALFORMED);
	free(big);
	strcpy(claims + n + 100, "\"}");
	big = token_sign(es, "at+jwt", claims);
	assert_int_equal(check(big, &p), TOKEN_OK);
	free(big);
}

static void f2_duplicate_members_are_refused_in_header_and_payload(void **state)
{
	(void)state;
	assert_int_equal(check_header_text(es_header(",\"alg\":\"none\"")), TOKEN_MALFORMED);
	assert_int_equal(check_payload(CLAIMS_BUT("\"aud\":\"" AUDIENCE "\",\"exp\":1767229200,\"sub\":\"u-2\"}")),
			 TOKEN_MALFORMED);
}

static void f2_json_that_is_no_bounded_object_is_refused(void **state)
{
	static const char *const payloads[] = {
	    "[]",
	    "\"a\"",
	    "{} {}",
	    "{\"a\":1}x",
	    "{\"iss\":\"\xff\"}",
	    "{\"iss\":\"a\\u0000b\"}",
	    "{\"exp\":1e999}",
	    "{\"exp\":99999999999999999999999999}",
	    "{\"a\":[[[[[[[[1]]]]]]]]}",
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
	    "{",
	    "{\"a\":}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		assert_int_equal(check_payload(payloads[i]), TOKEN_MALFORMED);
	assert_int_equal(check_header_text("[\"ES256\"]"), TOKEN_MALFORMED);
}

static void f5_any_critical_header_parameter_is_refused(void **state)
{
	(void)state;
	assert_int_equal(check_header_text(es_header(",\"crit\":[\"exp\"],\"exp\":1")), TOKEN_MALFORMED);
	assert_int_equal(check_header_text(es_header(",\"crit\":[\"b64\"],\"b64\":false")), TOKEN_MALFORMED);
	assert_int_equal(check_header_text(es_header(",\"b64\":false")), TOKEN_MALFORMED);
	assert_int_equal(check_header_text(es_header(",\"crit\":[]")), TOKEN_MALFORMED);
	assert_int_equal(check_header_text(es_header(",\"unknown\":7")), TOKEN_OK);
}

/* ---- algorithm and key ---- */

static void alg_none_is_refused(void **state)
{
	struct token_policy p = policy();
	static const char *const spellings[] = {"none", "None", "NONE", "nOnE"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char h[64];
		snprintf(h, sizeof h, "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}", spellings[i]);
		assert_int_equal(check(join(h, CLAIMS, (const uint8_t *)"", 0), &p), TOKEN_ALGORITHM);
		assert_int_equal(check(join(h, CLAIMS, (const uint8_t *)"x", 1), &p), TOKEN_ALGORITHM);
	}
	/* a real algorithm without a signature */
	assert_int_equal(check(join(es_header(""), CLAIMS, (const uint8_t *)"", 0), &p), TOKEN_MALFORMED);
	assert_int_equal(check_header_text("{\"typ\":\"at+jwt\"}"), TOKEN_MALFORMED);
	assert_int_equal(check_header_text("{\"alg\":7,\"typ\":\"at+jwt\"}"), TOKEN_MALFORMED);
}

static void hs256_with_the_public_key_as_secret_is_refused(void **state)
{
	struct token_policy p = policy();
	char header[200], *pem = NULL;
	uint8_t mac[32];
	unsigned mac_len = 0;
	(void)state;
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PUBKEY(bio, rs_key);
	long pem_len = BIO_get_mem_data(bio, &pem);
	snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", token_signer_kid(rs));
	char *t = join(header, CLAIMS, (const uint8_t *)"", 0);
	HMAC(EVP_sha256(), pem, (int)pem_len, (const uint8_t *)t, strlen(t) - 1, mac, &mac_len);
	assert_int_equal(check(join(header, CLAIMS, mac, mac_len), &p), TOKEN_ALGORITHM);
	BIO_free(bio);
}

static void an_algorithm_that_does_not_fit_the_key_of_the_kid_is_refused(void **state)
{
	struct token_policy p = policy();
	char header[200];
	(void)state;
	snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", token_signer_kid(es));
	assert_int_equal(check(forge(rs_key, TOKEN_RS256, header, CLAIMS), &p), TOKEN_ALGORITHM);
	snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", token_signer_kid(rs));
	assert_int_equal(check(forge(es_key, TOKEN_ES256, header, CLAIMS), &p), TOKEN_ALGORITHM);
}

static void f4_an_unknown_kid_asks_for_the_key_set_again(void **state)
{
	struct token_policy p = policy();
	(void)state;
	assert_int_equal(check_header_text("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"x\"}"), TOKEN_UNKNOWN_KEY);
	/* without kid: only where the issuer has exactly one key */
	char *t = forge(es_key, TOKEN_ES256, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", CLAIMS);
	assert_int_equal(check(t, &p), TOKEN_UNKNOWN_KEY);
	const struct token_signer *one[] = {es};
	char *set = token_jwks(one, 1);
	struct token_keys *single = token_keys_parse(octets_of(set));
	p.keys = single;
	assert_int_equal(check(t, &p), TOKEN_OK);
	p.keys = NULL;
	assert_int_equal(check(t, &p), TOKEN_UNKNOWN_KEY);
	token_keys_free(single);
	free(set);
}

static void f6_a_key_in_the_header_is_never_used(void **state)
{
	struct token_signer *mallory = token_signer_generate(TOKEN_ES256);
	EVP_PKEY *k = key_of(mallory);
	char kid[TOKEN_KID], header[900];
	struct token_policy p = policy();
	json_t *jwk = jws_jwk(k, TOKEN_ES256, kid);
	char *text = json_dumps(jwk, JSON_COMPACT);
	(void)state;
	snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"jwk\":%s}", kid, text);
	assert_int_equal(check(forge(k, TOKEN_ES256, header, CLAIMS), &p), TOKEN_UNKNOWN_KEY);
	snprintf(header, sizeof header,
		 "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"jwk\":%s,\"jku\":\"https://m.example/\"}",
		 token_signer_kid(es), text);
	assert_int_equal(check(forge(k, TOKEN_ES256, header, CLAIMS), &p), TOKEN_SIGNATURE);
	free(text);
	json_decref(jwk);
	EVP_PKEY_free(k);
	token_signer_free(mallory);
}

static void a_forged_token_is_refused_for_every_changed_octet(void **state)
{
	struct token_policy p = policy();
	char *t = token_sign(es, "at+jwt", CLAIMS);
	(void)state;
	for (size_t i = 0; i < strlen(t); i++) {
		char was = t[i];
		t[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(check(t, &p), TOKEN_OK);
		t[i] = was;
	}
	assert_int_equal(check(t, &p), TOKEN_OK);
	free(t);
}

static void f3_an_es256_signature_has_one_form_only(void **state)
{
	static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
					  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
	struct token_policy p = policy();
	char *t = join(es_header(""), CLAIMS, (const uint8_t *)"", 0);
	struct octets text = {(const uint8_t *)t, strlen(t) - 1};
	uint8_t sig[66] = {0}, der[80];
	size_t len = 0, der_len = sizeof der;
	(void)state;
	uint8_t *good = jws_sign(es_key, TOKEN_ES256, text, &len);
	memcpy(sig, good, 64);
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 64), &p), TOKEN_OK);
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 63), &p), TOKEN_SIGNATURE);
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 65), &p), TOKEN_SIGNATURE);
	memset(sig, 0, 32); /* r = 0 */
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 64), &p), TOKEN_SIGNATURE);
	memset(sig, 0, 64);
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 64), &p), TOKEN_SIGNATURE);
	memcpy(sig, good, 64);
	memcpy(sig + 32, order, 32); /* s = n */
	assert_int_equal(check(join(es_header(""), CLAIMS, sig, 64), &p), TOKEN_SIGNATURE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, es_key);
	EVP_DigestSign(ctx, der, &der_len, text.p, text.len);
	assert_int_equal(check(join(es_header(""), CLAIMS, der, der_len), &p), TOKEN_SIGNATURE);
	EVP_MD_CTX_free(ctx);
	free(good);
}

static void keys_we_must_not_use_are_skipped(void **state)
{
	static const char weak_rsa[] = /* 1024 bits */
	    "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"v0Qyx7pJ0m0bq6T3eZ8yq3bXr6m9u3b7wQmJp3S8q4mQ6k1fN2c6v0"
	    "Qyx7pJ0m0bq6T3eZ8yq3bXr6m9u3b7wQmJp3S8q4mQ6k1fN2c6v0Qyx7pJ0m0bq6T3eZ8yq3bXr6m9u3b7wQmJp3S8q4mQ6k1fN2c\"}]"
	    "}";
	static const char *const none[] = {
	    weak_rsa,
	    "{\"keys\":[]}",
	    "{}",
	    "[]",
	    "",
	    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
	    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\"}]}",
	    /* not on the curve */
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
	    "\"y\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\"}]}",
	    /* for encryption; for another algorithm; for signing only */
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
	    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\",\"use\":\"enc\"}]}",
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
	    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\",\"alg\":\"ECDH-ES\"}]}",
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"3_AfjD0TEnKnglid74OS8r48J5BMSU29jlZnc3973K4\","
	    "\"y\":\"gmpkg3prizWoODZXK1Dc3jZS59fmUPMsf1RLm1MdqqI\",\"key_ops\":[\"sign\"]}]}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_null(token_keys_parse(octets_of(none[i])));
	EVP_PKEY *small = EVP_RSA_gen(1024);
	char kid[TOKEN_KID];
	json_t *doc = json_pack("{s:[o]}", "keys", jws_jwk(small, TOKEN_RS256, kid));
	char *text = json_dumps(doc, 0);
	assert_null(token_keys_parse(octets_of(text)));
	free(text);
	json_decref(doc);
	EVP_PKEY_free(small);
}

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
	    cmocka_unit_test(f1_the_vectors_of_the_identity_page_verify),
	    cmocka_unit_test(f1_the_vectors_of_rfc_7515_verify),
	    cmocka_unit_test(a_kid_is_the_thumbprint_of_rfc_7638),
	    cmocka_unit_test(pkce_s256_gives_the_vectors),
	    cmocka_unit_test(what_is_signed_with_either_algorithm_verifies),
	    cmocka_unit_test(a_private_key_reads_back_from_pem_as_the_same_key),
	    cmocka_unit_test(i2_a_published_key_set_holds_no_private_member),
	    cmocka_unit_test(f2_a_token_that_is_malformed_is_refused),
	    cmocka_unit_test(f2_every_truncation_is_refused),
	    cmocka_unit_test(f2_a_token_longer_than_8_kib_is_refused_unread),
	    cmocka_unit_test(f2_duplicate_members_are_refused_in_header_and_payload),
	    cmocka_unit_test(f2_json_that_is_no_bounded_object_is_refused),
	    cmocka_unit_test(f5_any_critical_header_parameter_is_refused),
	    cmocka_unit_test(alg_none_is_refused),
	    cmocka_unit_test(hs256_with_the_public_key_as_secret_is_refused),
	    cmocka_unit_test(an_algorithm_that_does_not_fit_the_key_of_the_kid_is_refused),
	    cmocka_unit_test(f4_an_unknown_kid_asks_for_the_key_set_again),
	    cmocka_unit_test(f6_a_key_in_the_header_is_never_used),
	    cmocka_unit_test(a_forged_token_is_refused_for_every_changed_octet),
	    cmocka_unit_test(f3_an_es256_signature_has_one_form_only),
	    cmocka_unit_test(keys_we_must_not_use_are_skipped),
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

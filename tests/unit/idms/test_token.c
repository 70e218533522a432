/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token.c - tokens made and read back, and one refusal for each rule of structure, algorithm and key (checklist
 * lines F2 to F6).
 */
#include "token_lab.h"

/* The page's key of IdMS A with its private half (public test value). */
static const char idms_a_d[] = "QzRIj-eDcGZ4oWNZk26a33fmSOh9HoQTWgOE7MfbWtw";

static enum token_verdict check_header_text(const char *header)
{
	struct token_policy p = policy();
	return check(forge(es_key, TOKEN_ES256, header, CLAIMS), &p);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

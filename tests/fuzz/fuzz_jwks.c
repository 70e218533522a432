/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_jwks.c - the key set of an issuer (RFC 7517), which comes over the network and decides who is believed.
 *
 * Invariants: keys from a hostile document verify no token of a key that is not in it; the document joined to a good
 * set (as one array) never makes the good key verify somebody else's token; the same octets give the same verdict.
 */
#include "fuzz/fuzz.h"
#include "mcx/token/token.h"

static char *ours, *theirs;

static enum token_verdict verdict(const struct token_keys *keys, const char *token)
{
	static struct token_claims c;
	const struct token_policy p = {.keys = keys,
				       .issuer = "https://idms.a.example",
				       .audience = "https://mc.a.example",
				       .now = 1767225700,
				       .typ = "at+jwt"};
	return token_check(token, strlen(token), &p, &c);
}

static char *token_of(const struct token_signer *s)
{
	return token_sign(
	    s, "at+jwt",
	    "{\"iss\":\"https://idms.a.example\",\"aud\":[\"https://mc.a.example\"],\"sub\":\"u\","
	    "\"client_id\":\"c\",\"iat\":1767225600,\"exp\":1767229200,\"jti\":\"1\",\"scope\":\"openid\"}");
}

static void prepare(void)
{
	struct token_signer *a = token_signer_generate(TOKEN_ES256), *b = token_signer_generate(TOKEN_ES256);
	HOLDS(a && b);
	ours = token_of(a);
	theirs = token_of(b);
	char *jwks = token_jwks((const struct token_signer *const[]){a}, 1);
	struct token_keys *keys = token_keys_parse(octets_of(jwks));
	HOLDS(ours && theirs && keys);
	HOLDS(verdict(keys, ours) == TOKEN_OK && verdict(keys, theirs) == TOKEN_UNKNOWN_KEY);
	token_keys_free(keys);
	free(jwks);
	token_signer_free(a);
	token_signer_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!ours)
		prepare();
	struct octets in = {data, size};
	struct token_keys *keys = token_keys_parse(in), *again = token_keys_parse(in);
	HOLDS(!keys == !again);
	if (keys) {
		enum token_verdict v = verdict(keys, ours);
		HOLDS(v != TOKEN_OK && v == verdict(again, ours));
		HOLDS(verdict(keys, theirs) != TOKEN_OK);
	}
	token_keys_free(keys);
	token_keys_free(again);
	return 0;
}

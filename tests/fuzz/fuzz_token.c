/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_token.c - tokens. An input is a token as a stranger sends it, a key set, or, if it begins with '{', a header in
 * its first line and a payload behind, which the issuer signs: so that what only an issuer's signature opens is read.
 * Its key set has an ES256 and an RS256 key, "es" and "rs"; the header's letters choose which one signs.
 *
 * Invariants: nothing an attacker writes passes under a key he does not have; what passes says the issuer, the audience
 * and the times that were asked for, and what its kind of token has to say; a signature with one bit changed never
 * passes; what is refused leaves no claim behind.
 */
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "fuzz/fuzz.h"
#include "mcx/token/jws.h"
#include "sec/base/text.h"

static const char issuer[] = "https://idms.a.example", audience[] = "https://mc.a.example";
enum { NOW = 1767225700 };

static EVP_PKEY *private_key[2];
static struct token_keys *keys;

static void prepare(void)
{
	static const char *const kid[] = {"es", "rs"};
	json_t *doc = json_pack("{s:[]}", "keys");
	private_key[TOKEN_ES256] = EVP_EC_gen("P-256");
	private_key[TOKEN_RS256] = EVP_RSA_gen(2048);
	for (int i = TOKEN_ES256; i <= TOKEN_RS256; i++) {
		char thumbprint[TOKEN_KID];
		json_t *jwk = jws_jwk(private_key[i], (enum token_alg)i, thumbprint);
		HOLDS(jwk && !json_object_set_new(jwk, "kid", json_string(kid[i])));
		json_array_append_new(json_object_get(doc, "keys"), jwk);
	}
	char *text = json_dumps(doc, JSON_COMPACT);
	keys = token_keys_parse(octets_of(text));
	HOLDS(keys && keys->n == 2);
	free(text);
	json_decref(doc);
}

static struct token_policy policy(const char *typ)
{
	return (struct token_policy){.keys = keys,
				     .issuer = issuer,
				     .audience = audience,
				     .now = NOW,
				     .typ = typ,
				     .accept_typ_jwt = *typ == 'a'};
}

static void says_nothing(const struct token_claims *c)
{
	static const struct token_claims none;
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): padding must be zero too */
	HOLDS(!memcmp(c, &none, sizeof none));
}

static void of_a_stranger(const char *text, size_t size)
{
	static struct token_claims c;
	const struct token_policy access = policy("at+jwt"), id = policy("JWT");
	HOLDS(token_check(text, size, &access, &c) != TOKEN_OK);
	says_nothing(&c);
	HOLDS(token_check(text, size, &id, &c) != TOKEN_OK);
	says_nothing(&c);
	if (token_peek(text, size, &c) != TOKEN_OK)
		says_nothing(&c);
	char *header = NULL, *payload = NULL;
	if (token_decode(text, size, &header, &payload) == TOKEN_OK)
		HOLDS(strlen(header) + strlen(payload) <= size);
	free(header);
	free(payload);
}

static void is_what_was_asked_for(const struct token_claims *c, int access)
{
	HOLDS(!strcmp(c->issuer, issuer) && c->n_aud > 0);
	HOLDS(c->exp > NOW - 30 && c->nbf <= NOW + 30 && c->iat <= NOW + 30);
	HOLDS(access ? c->scope[0] && c->client_id[0] : c->subject[0] && c->iat);
	HOLDS(!token_has_scope(c, "") && memchr(c->scope, 0, sizeof c->scope) &&
	      memchr(c->mcptt_id, 0, sizeof c->mcptt_id));
}

static void check_signed(char *text, size_t n, const char *typ)
{
	static struct token_claims c, seen;
	const struct token_policy p = policy(typ);
	if (token_check(text, n, &p, &c) != TOKEN_OK) {
		says_nothing(&c);
		return;
	}
	is_what_was_asked_for(&c, *typ == 'a');
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): both are filled from zero */
	HOLDS(token_peek(text, n, &seen) == TOKEN_OK && !memcmp(&c, &seen, sizeof c));
	char *last = text + n - 8, was = *last; /* its bits all count: nothing is decoded from the last octets' rest */
	*last = was == 'A' ? 'B' : 'A';
	HOLDS(token_check(text, n, &p, &c) == TOKEN_SIGNATURE);
	*last = was;
}

/* Header and payload of the input under the issuer's own signature. */
static void of_the_issuer(const uint8_t *data, size_t size)
{
	static char text[2 * TOKEN_MAX];
	const uint8_t *line = memchr(data, '\n', size);
	size_t head = line ? (size_t)(line - data) : size, sig_len = 0;
	if (!line || size > TOKEN_MAX / 2)
		return;
	enum token_alg alg = memmem(data, head, "RS256", 5) ? TOKEN_RS256 : TOKEN_ES256;
	size_t n = base64url_encode((struct octets){data, head}, text);
	text[n++] = '.';
	n += base64url_encode((struct octets){line + 1, size - head - 1}, text + n);
	uint8_t *sig = jws_sign(private_key[alg], alg, (struct octets){(const uint8_t *)text, n}, &sig_len);
	HOLDS(sig);
	text[n++] = '.';
	n += base64url_encode((struct octets){sig, sig_len}, text + n);
	free(sig);
	check_signed(text, n, "at+jwt");
	check_signed(text, n, "JWT");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!keys)
		prepare();
	of_a_stranger((const char *)data, size);
	token_keys_free(token_keys_parse((struct octets){data, size}));
	if (size && data[0] == '{')
		of_the_issuer(data, size);
	return 0;
}

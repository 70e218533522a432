/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.c - tokens made: private keys with their identifiers, compact JWS (RFC 7515 7.1), the published key set, and
 * the two hashes of the code flow (at_hash, PKCE S256).
 */
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/token/jws.h"
#include "sec/base/text.h"

enum { NEW_RSA_BITS = 3072, MIN_RSA_BITS = 2048 };

struct token_signer {
	EVP_PKEY *pkey;
	enum token_alg alg;
	char kid[TOKEN_KID];
	json_t *jwk; /* public half */
};

static struct token_signer *signer_of(EVP_PKEY *pkey)
{
	struct token_signer *s = pkey ? calloc(1, sizeof *s) : NULL;
	char group[32] = "";
	if (!s) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	s->pkey = pkey;
	EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL);
	if (EVP_PKEY_is_a(pkey, "EC") && strcmp(group, "prime256v1") == 0) {
		s->alg = TOKEN_ES256;
	} else if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= MIN_RSA_BITS) {
		s->alg = TOKEN_RS256;
	} else {
		token_signer_free(s);
		return NULL;
	}
	if (!(s->jwk = jws_jwk(pkey, s->alg, s->kid))) {
		token_signer_free(s);
		return NULL;
	}
	return s;
}

struct token_signer *token_signer_generate(enum token_alg alg)
{
	return signer_of(alg == TOKEN_ES256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(NEW_RSA_BITS));
}

/* A passphrase is never asked for: an encrypted key is one that cannot be used here. */
static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return -1;
}

struct token_signer *token_signer_load(struct octets pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	BIO_free(bio);
	return signer_of(pkey);
}

char *token_signer_pem(const struct token_signer *s)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *at = NULL, *out = NULL;
	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, s->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		long len = BIO_get_mem_data(bio, &at);
		out = len > 0 ? malloc((size_t)len + 1) : NULL;
		if (out) {
			memcpy(out, at, (size_t)len);
			out[len] = 0;
		}
	}
	BIO_free(bio);
	return out;
}

void token_signer_free(struct token_signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->pkey);
	json_decref(s->jwk);
	free(s);
}

const char *token_signer_kid(const struct token_signer *s)
{
	return s->kid;
}

enum token_alg token_signer_alg(const struct token_signer *s)
{
	return s->alg;
}

char *token_jwks(const struct token_signer *const *signers, size_t n)
{
	json_t *doc = json_object(), *keys = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append(keys, signers[i]->jwk);
	json_object_set_new(doc, "keys", keys);
	char *text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

char *token_sign(const struct token_signer *s, const char *typ, const char *payload)
{
	char header[160];
	int header_len = snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}",
				  jws_alg_name(s->alg), typ, s->kid);
	size_t payload_len = strlen(payload), sig_len = 0;
	if (header_len < 0 || (size_t)header_len >= sizeof header)
		return NULL;
	char *out = malloc(BASE64_SIZE((size_t)header_len) + BASE64_SIZE(payload_len) +
			   BASE64_SIZE((size_t)EVP_PKEY_get_size(s->pkey) + JWS_ES256_LEN));
	if (!out)
		return NULL;
	size_t at = base64url_encode((struct octets){(const uint8_t *)header, (size_t)header_len}, out);
	out[at++] = '.';
	at += base64url_encode((struct octets){(const uint8_t *)payload, payload_len}, out + at);
	uint8_t *sig = jws_sign(s->pkey, s->alg, (struct octets){(const uint8_t *)out, at}, &sig_len);
	if (!sig) {
		free(out);
		return NULL;
	}
	out[at++] = '.';
	base64url_encode((struct octets){sig, sig_len}, out + at);
	free(sig);
	return out;
}

void token_at_hash(const char *access_token, char out[TOKEN_AT_HASH])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char text[BASE64_SIZE(16)];
	SHA256((const uint8_t *)access_token, strlen(access_token), hash);
	base64url_encode((struct octets){hash, 16}, text);
	memcpy(out, text, TOKEN_AT_HASH);
}

static int all_of(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == 0;
}

#define BASE64URL_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

int pkce_verifier_ok(const char *verifier)
{
	size_t n = strlen(verifier);
	return n >= 43 && n <= 128 && all_of(verifier, BASE64URL_CHARS ".~");
}

int pkce_challenge_ok(const char *challenge)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t n = 0;
	return strlen(challenge) == PKCE_CHALLENGE - 1 &&
	       base64url_decode(challenge, PKCE_CHALLENGE - 1, hash, sizeof hash, &n) == MCSEC_OK && n == sizeof hash;
}

void pkce_challenge(const char *verifier, char out[PKCE_CHALLENGE])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char text[BASE64_SIZE(SHA256_DIGEST_LENGTH)];
	SHA256((const uint8_t *)verifier, strlen(verifier), hash);
	base64url_encode(OCTETS(hash), text);
	memcpy(out, text, PKCE_CHALLENGE);
	mcsec_wipe(hash, sizeof hash);
}

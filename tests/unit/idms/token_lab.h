/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_lab.h - for the tests of tokens: two signers, the key set of both, and what an attacker can write and sign.
 */
#ifndef TEST_TOKEN_LAB_H
#define TEST_TOKEN_LAB_H

#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "mcx/token/jws.h"
#include "sec/base/text.h"
#include "unit/test.h"

#define NOW      1767225700
#define ISSUER   "https://idms.a.example"
#define AUDIENCE "https://mc.a.example"

static const char access_token_a[] =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IlNreF9mSTFIMW1vSVZlSy1XVmtWNmVqLWJ5UXlJc0hqZFJvYzNFOGR4ajgif"
    "Q.eyJpc3MiOiJodHRwczovL2lkbXMuYS5leGFtcGxlIiwic3ViIjoidS03ZjNjOWQyZTRiIiwiYXVkIjpbImh0dHBzOi8vbWMuYS5leGFtcGxl"
    "Il0sImNsaWVudF9pZCI6Im1jeC11ZSIsImlhdCI6MTc2NzIyNTYwMCwibmJmIjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjkyMDAsImp0aSI6Im"
    "F0LTAxSjBRNCIsInNjb3BlIjoib3BlbmlkIDNncHA6bWM6cHR0X3NlcnZpY2UgM2dwcDptYzpwdHRfa2V5X21hbmFnZW1lbnRfc2VydmljZSIs"
    "Im1jcHR0X2lkIjoic2lwOmFsaWNlQG1jcHR0LmEuZXhhbXBsZSIsImF1dGhfdGltZSI6MTc2NzIyNTU5NSwiYWNyIjoiM2dwcDphY3I6cGFzc3"
    "dvcmQiLCJzaWQiOiJzLTUxYzIifQ"
    ".nU_pv-p3s-p_29NfcjOKGD2gmu6FTiAJOvYh9OUAA61wBF_gLum9VyRPOogQzNyxHQKZYo8tjObHKJC7fjKH7A";

static struct token_signer *es, *rs;
static EVP_PKEY *es_key, *rs_key;
static struct token_keys *keys;
static char *jwks;

static inline EVP_PKEY *key_of(const struct token_signer *s)
{
	char *pem = token_signer_pem(s);
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	free(pem);
	return k;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline struct token_policy policy(void)
{
	return (struct token_policy){keys, ISSUER, AUDIENCE, NOW, "at+jwt", 0, 0};
}

static inline enum token_verdict check(const char *token, const struct token_policy *p)
{
	struct token_claims c;
	return token_check(token, strlen(token), p, &c);
}

static inline char *join(const char *header, const char *payload, const uint8_t *sig, size_t sig_len)
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
static inline char *forge(EVP_PKEY *k, enum token_alg alg, const char *header, const char *payload)
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

static inline const char *es_header(const char *extra)
{
	static char h[400];
	snprintf(h, sizeof h, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"%s}", token_signer_kid(es), extra);
	return h;
}

static inline enum token_verdict check_payload(const char *payload)
{
	struct token_policy p = policy();
	return check(forge(es_key, TOKEN_ES256, es_header(""), payload), &p);
}

#endif

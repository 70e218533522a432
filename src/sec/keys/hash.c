/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - SHA-256, HMAC-SHA-256 and the string S (TS 33.220 B.2) over libcrypto.
 *
 * Implementations are looked up once in a process, the digest inside HMAC too: a look-up costs more than the MAC of a
 * short string. What is kept has no key in it, and is never changed.
 */
#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "sec/base/text.h"
#include "sec/keys/hash.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac; /* copied for each use */

static void look_up(void)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				     OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (ctx && EVP_MAC_CTX_set_params(ctx, params))
		hmac = ctx;
	else
		EVP_MAC_CTX_free(ctx);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

enum mcsec_err sha256_of(const struct octets *pieces, size_t n, uint8_t out[HASH_LEN])
{
	pthread_once(&once, look_up);
	EVP_MD_CTX *ctx = sha256 ? EVP_MD_CTX_new() : NULL;
	int ok = ctx && EVP_DigestInit_ex(ctx, sha256, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].len);
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err hmac_sha256_of(struct octets key, const struct octets *pieces, size_t n, uint8_t out[HASH_LEN])
{
	size_t len;
	pthread_once(&once, look_up);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_dup(hmac) : NULL;
	int ok = ctx && EVP_MAC_init(ctx, key.p, key.len, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_MAC_update(ctx, pieces[i].p, pieces[i].len);
	ok = ok && EVP_MAC_final(ctx, out, &len, HASH_LEN);
	EVP_MAC_CTX_free(ctx);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

void s_begin(struct s_string *s, uint8_t fc)
{
	s->fc = fc;
	s->params = 0;
	s->err = MCSEC_OK;
	s->pieces[0] = (struct octets){&s->fc, 1};
}

void s_octets(struct s_string *s, struct octets p)
{
	if (s->params == S_PARAMS || p.len > UINT16_MAX) {
		s->err = s->err ? s->err : MCSEC_E_LENGTH;
		return;
	}
	uint8_t *l = s->lengths[s->params];
	l[0] = (uint8_t)(p.len >> 8);
	l[1] = (uint8_t)p.len;
	s->pieces[1 + 2 * s->params] = p;
	s->pieces[2 + 2 * s->params] = (struct octets){l, 2};
	s->params++;
}

void s_text(struct s_string *s, const char *text)
{
	struct octets p = octets_of(text);
	if (p.len == 0)
		s->err = s->err ? s->err : MCSEC_E_LENGTH;
	else if (p.len <= UINT16_MAX && !utf8_valid(p))
		s->err = s->err ? s->err : MCSEC_E_VALUE;
	s_octets(s, p);
}

void s_integer(struct s_string *s, uint64_t v)
{
	if (s->params == S_PARAMS) {
		s->err = s->err ? s->err : MCSEC_E_LENGTH;
		return;
	}
	uint8_t *b = s->integers[s->params];
	size_t len = 1;
	while (len < 8 && v >> 8 * len)
		len++;
	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> 8 * (len - 1 - i));
	s_octets(s, (struct octets){b, len});
}

enum mcsec_err s_sha256(const struct s_string *s, uint8_t out[HASH_LEN])
{
	return s->err ? s->err : sha256_of(s->pieces, 1 + 2 * s->params, out);
}

enum mcsec_err s_hmac(const struct s_string *s, struct octets key, uint8_t out[HASH_LEN])
{
	return s->err ? s->err : hmac_sha256_of(key, s->pieces, 1 + 2 * s->params, out);
}

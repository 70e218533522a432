/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - SHA-256, HMAC-SHA-256 (RFC 2104) and the string S (TS 33.220 B.2) over libcrypto.
 *
 * SHA-256 is looked up once in a process: a look-up costs more than hashing a short string. HMAC is its two hashes:
 * libcrypto's own MAC objects cost several times as much as a short string's MAC.
 */
#include <pthread.h>

#include <openssl/evp.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "sec/keys/hash.h"

enum { BLOCK_LEN = 64 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void look_up(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* What ctx is freed with, it wipes. NULL without memory. */
static EVP_MD_CTX *begin(void)
{
	pthread_once(&once, look_up);
	return sha256 ? EVP_MD_CTX_new() : NULL;
}

/* SHA-256 of first and then the pieces; first may be empty. */
static int hash(EVP_MD_CTX *ctx, struct octets first, const struct octets *pieces, size_t n, uint8_t out[HASH_LEN])
{
	int ok = ctx && EVP_DigestInit_ex(ctx, sha256, NULL) && EVP_DigestUpdate(ctx, first.p, first.len);
	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].len);
	return ok && EVP_DigestFinal_ex(ctx, out, NULL);
}

enum mcsec_err sha256_of(const struct octets *pieces, size_t n, uint8_t out[HASH_LEN])
{
	EVP_MD_CTX *ctx = begin();
	int ok = hash(ctx, (struct octets){0}, pieces, n, out);
	EVP_MD_CTX_free(ctx);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

/* H(K xor opad, H(K xor ipad, text)); a key longer than a block is hashed first. */
enum mcsec_err hmac_sha256_of(struct octets key, const struct octets *pieces, size_t n, uint8_t out[HASH_LEN])
{
	uint8_t pad[BLOCK_LEN] = {0}, inner[HASH_LEN];
	EVP_MD_CTX *ctx = begin();
	int ok = key.len <= sizeof pad || hash(ctx, key, NULL, 0, pad);
	if (key.len && key.len <= sizeof pad)
		memcpy(pad, key.p, key.len);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36;
	ok = ok && hash(ctx, OCTETS(pad), pieces, n, inner);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	ok = ok && hash(ctx, OCTETS(pad), &OCTETS(inner), 1, out);
	EVP_MD_CTX_free(ctx);
	mcsec_wipe(pad, sizeof pad);
	mcsec_wipe(inner, sizeof inner);
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

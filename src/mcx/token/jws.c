/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.c - JSON under limits, and the signatures ES256 (RFC 7518 3.4) and RS256 (3.3) over libcrypto.
 *
 * An ES256 signature is R | S, each 32 octets big-endian, both in [1, n-1]; libcrypto speaks DER, so it is turned
 * around here. RS256 is RSASSA-PKCS1-v1_5 with SHA-256, as long as the modulus.
 */
#include "mcx/token/jws.h"

#include <openssl/ecdsa.h>
#include <stdlib.h>

/* Order of P-256 (FIPS 186-4 D.1.2.3). */
static const uint8_t p256_n[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
				   0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
				   0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

const char *jws_alg_name(enum token_alg alg)
{
	return alg == TOKEN_ES256 ? "ES256" : "RS256";
}

/* Counts brackets outside of strings; what is no JSON is found out by the parser. */
static int depth_ok(struct octets text)
{
	int depth = 0, in_string = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = 0;
		} else if (c == '"') {
			in_string = 1;
		} else if (c == '{' || c == '[') {
			if (++depth > JWS_MAX_DEPTH)
				return 0;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return 1;
}

json_t *jws_json(struct octets text)
{
	if (!depth_ok(text))
		return NULL;
	json_t *j = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (j && !json_is_object(j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int scalar_in_range(const uint8_t s[32])
{
	static const uint8_t zero[32];
	return memcmp(s, zero, 32) != 0 && memcmp(s, p256_n, 32) < 0;
}

/* R | S to the DER form libcrypto wants; malloc'ed by libcrypto, *len <= 0 on failure. */
static uint8_t *der_of(struct octets raw, int *len)
{
	uint8_t *der = NULL;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw.p, 32, NULL), *s = BN_bin2bn(raw.p + 32, 32, NULL);
	*len = 0;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		*len = i2d_ECDSA_SIG(sig, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return der;
}

static int verify_with(EVP_PKEY *pkey, struct octets text, const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		 EVP_DigestVerify(ctx, sig, sig_len, text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

int jws_verify(const struct jws_key *key, struct octets text, struct octets sig)
{
	if (key->alg == TOKEN_RS256)
		return verify_with(key->pkey, text, sig.p, sig.len);
	if (sig.len != JWS_ES256_LEN || !scalar_in_range(sig.p) || !scalar_in_range(sig.p + 32))
		return 0;
	int len;
	uint8_t *der = der_of(sig, &len);
	int ok = len > 0 && verify_with(key->pkey, text, der, (size_t)len);
	OPENSSL_free(der);
	return ok;
}

/* DER to R | S. */
static int raw_of(const uint8_t *der, size_t der_len, uint8_t raw[JWS_ES256_LEN])
{
	const uint8_t *at = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	int ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32 &&
		 BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	return ok;
}

uint8_t *jws_sign(EVP_PKEY *pkey, enum token_alg alg, struct octets text, size_t *len)
{
	size_t size = (size_t)EVP_PKEY_get_size(pkey);
	uint8_t *sig = malloc(size > JWS_ES256_LEN ? size : JWS_ES256_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = sig && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		 EVP_DigestSign(ctx, sig, &size, text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (ok && alg == TOKEN_ES256) {
		uint8_t raw[JWS_ES256_LEN];
		ok = raw_of(sig, size, raw);
		memcpy(sig, raw, sizeof raw);
		size = sizeof raw;
	}
	if (!ok) {
		free(sig);
		return NULL;
	}
	*len = size;
	return sig;
}

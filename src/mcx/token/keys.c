/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - JSON Web Keys: public keys read from a JWKS (RFC 7517, RFC 7518 6) and written into one.
 *
 * The key identifier we give is the RFC 7638 thumbprint: SHA-256 over the required members in lexicographic order
 * without blanks. A member of a foreign set that we cannot or must not use is skipped, never an error of the whole.
 */
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "mcx/token/jws.h"
#include "sec/base/text.h"

enum { EC_LEN = 32, RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192, RSA_MIN_E = 65537, JWKS_MAX = 256 * 1024 };

/* ---- reading ---- */

/* Octets of a base64url member; 0 on success. */
static int member_octets(const json_t *jwk, const char *name, uint8_t *out, size_t size, size_t *len)
{
	const json_t *v = json_object_get(jwk, name);
	if (!json_is_string(v))
		return -1;
	return base64url_decode(json_string_value(v), json_string_length(v), out, size, len) ? -1 : 0;
}

static int member_is(const json_t *jwk, const char *name, const char *value)
{
	const char *v = json_string_value(json_object_get(jwk, name));
	return v && strcmp(v, value) == 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *read_ec(const json_t *jwk)
{
	uint8_t point[1 + 2 * EC_LEN] = {4};
	size_t nx, ny;
	if (!member_is(jwk, "crv", "P-256") || member_octets(jwk, "x", point + 1, EC_LEN, &nx) ||
	    member_octets(jwk, "y", point + 1 + EC_LEN, EC_LEN, &ny) || nx != EC_LEN || ny != EC_LEN)
		return NULL;
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
		pkey = from_params("EC", b); /* refuses a point that is not on the curve */
	OSSL_PARAM_BLD_free(b);
	return pkey;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
	uint8_t n[RSA_MAX_BITS / 8], e[8];
	size_t n_len, e_len;
	if (member_octets(jwk, "n", n, sizeof n, &n_len) || member_octets(jwk, "e", e, sizeof e, &e_len))
		return NULL;
	BIGNUM *bn_n = BN_bin2bn(n, (int)n_len, NULL), *bn_e = BN_bin2bn(e, (int)e_len, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	if (bn_n && bn_e && b && BN_num_bits(bn_n) >= RSA_MIN_BITS && BN_is_odd(bn_n) && BN_is_odd(bn_e) &&
	    BN_get_word(bn_e) >= RSA_MIN_E && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, bn_e))
		pkey = from_params("RSA", b);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn_n);
	BN_free(bn_e);
	return pkey;
}

/* Is the key meant for verifying signatures with this algorithm, as far as it says? */
static int meant_for(const json_t *jwk, enum token_alg alg)
{
	const json_t *ops = json_object_get(jwk, "key_ops"), *op;
	size_t i;
	int verify = ops == NULL;
	json_array_foreach(ops, i, op) verify |= json_is_string(op) && strcmp(json_string_value(op), "verify") == 0;
	return verify && (!json_object_get(jwk, "use") || member_is(jwk, "use", "sig")) &&
	       (!json_object_get(jwk, "alg") || member_is(jwk, "alg", jws_alg_name(alg)));
}

static int read_key(const json_t *jwk, struct jws_key *out)
{
	const json_t *kid = json_object_get(jwk, "kid");
	*out = (struct jws_key){.alg = member_is(jwk, "kty", "EC") ? TOKEN_ES256 : TOKEN_RS256};
	if (out->alg == TOKEN_RS256 && !member_is(jwk, "kty", "RSA"))
		return -1;
	if (kid && (!json_is_string(kid) || json_string_length(kid) >= sizeof out->kid))
		return -1;
	if (!meant_for(jwk, out->alg))
		return -1;
	out->pkey = out->alg == TOKEN_ES256 ? read_ec(jwk) : read_rsa(jwk);
	if (kid)
		strcpy(out->kid, json_string_value(kid));
	return out->pkey ? 0 : -1;
}

struct token_keys *token_keys_parse(struct octets jwks)
{
	json_t *doc = jwks.len <= JWKS_MAX ? jws_json(jwks) : NULL;
	const json_t *list = json_object_get(doc, "keys"), *jwk;
	struct token_keys *k = calloc(1, sizeof *k);
	size_t i;
	if (k)
		json_array_foreach(list, i, jwk) if (k->n < JWS_MAX_KEYS && read_key(jwk, &k->key[k->n]) == 0) k->n++;
	json_decref(doc);
	if (k && k->n == 0) {
		free(k);
		return NULL;
	}
	return k;
}

void token_keys_free(struct token_keys *k)
{
	for (size_t i = 0; k && i < k->n; i++)
		EVP_PKEY_free(k->key[i].pkey);
	free(k);
}

/* ---- writing ---- */

static int set_base64url(json_t *jwk, const char *name, struct octets value)
{
	char text[BASE64_SIZE(RSA_MAX_BITS / 8)];
	if (value.len > RSA_MAX_BITS / 8)
		return -1;
	base64url_encode(value, text);
	return json_object_set_new(jwk, name, json_string(text));
}

static int set_bn(json_t *jwk, const char *name, const EVP_PKEY *pkey, const char *param, int width)
{
	BIGNUM *bn = NULL;
	uint8_t buf[RSA_MAX_BITS / 8];
	int rc = -1;
	if (EVP_PKEY_get_bn_param(pkey, param, &bn) == 1 && BN_num_bytes(bn) <= (int)sizeof buf) {
		int len = width ? BN_bn2binpad(bn, buf, width) : BN_bn2bin(bn, buf);
		rc = len > 0 ? set_base64url(jwk, name, (struct octets){buf, (size_t)len}) : -1;
	}
	BN_free(bn);
	return rc;
}

json_t *jws_jwk(EVP_PKEY *pkey, enum token_alg alg, char *kid_out)
{
	json_t *jwk = json_object();
	uint8_t hash[SHA256_DIGEST_LENGTH];
	int rc;
	/* The required members alone, in lexicographic order: what the thumbprint is made of. */
	if (alg == TOKEN_ES256) {
		rc = json_object_set_new(jwk, "crv", json_string("P-256"));
		rc |= json_object_set_new(jwk, "kty", json_string("EC"));
		rc |= set_bn(jwk, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, EC_LEN);
		rc |= set_bn(jwk, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, EC_LEN);
	} else {
		rc = set_bn(jwk, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0);
		rc |= json_object_set_new(jwk, "kty", json_string("RSA"));
		rc |= set_bn(jwk, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0);
	}
	char *text = rc ? NULL : json_dumps(jwk, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text) {
		json_decref(jwk);
		return NULL;
	}
	SHA256((const uint8_t *)text, strlen(text), hash);
	free(text);
	base64url_encode(OCTETS(hash), kid_out);
	json_object_set_new(jwk, "use", json_string("sig"));
	json_object_set_new(jwk, "alg", json_string(jws_alg_name(alg)));
	json_object_set_new(jwk, "kid", json_string(kid_out));
	return jwk;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.h - what the files of this room share: a public key with its algorithm, JSON read under our limits, and the two
 * signature forms of RFC 7518 3.3 and 3.4.
 */
#ifndef MCX_TOKEN_JWS_H
#define MCX_TOKEN_JWS_H

#include <jansson.h>
#include <openssl/evp.h>

#include "mcx/token/token.h"

enum { JWS_MAX_DEPTH = 8, JWS_MAX_KEYS = 16, JWS_MAX_KID = 256, JWS_ES256_LEN = 64 };

struct jws_key {
	char kid[JWS_MAX_KID]; /* "" if it has none */
	enum token_alg alg;
	EVP_PKEY *pkey;
};

struct token_keys {
	size_t n;
	struct jws_key key[JWS_MAX_KEYS];
};

const char *jws_alg_name(enum token_alg alg);
/* One JSON object: UTF-8, no duplicate member, depth at most JWS_MAX_DEPTH, nothing behind it. NULL otherwise. */
json_t *jws_json(struct octets text);
/* JWK of a public key with kid, use and alg; *kid_out (TOKEN_KID octets) gets the RFC 7638 thumbprint. */
json_t *jws_jwk(EVP_PKEY *pkey, enum token_alg alg, char *kid_out);
/* 1 if the signature is good. */
int jws_verify(const struct jws_key *key, struct octets signed_part, struct octets signature);
/* Signature over the text; malloc'ed octets, NULL on failure. */
uint8_t *jws_sign(EVP_PKEY *pkey, enum token_alg alg, struct octets text, size_t *len);

#endif

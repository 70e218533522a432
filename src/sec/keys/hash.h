/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - SHA-256 and HMAC-SHA-256 over a list of pieces, and the string S of TS 33.220 annex B.
 *
 * S = FC | P0 | L0 | P1 | L1 ...: each parameter is followed by its length in two octets. The pieces point at what
 * the caller holds; nothing is copied together, so parameters of any allowed length need no buffer.
 */
#ifndef SEC_KEYS_HASH_H
#define SEC_KEYS_HASH_H

#include "sec/base/bytes.h"

#define HASH_LEN 32
#define S_PARAMS 6

/* MCSEC_OK or MCSEC_E_CRYPTO. */
enum mcsec_err sha256_of(const struct octets *pieces, size_t n, uint8_t out[HASH_LEN]);
enum mcsec_err hmac_sha256_of(struct octets key, const struct octets *pieces, size_t n, uint8_t out[HASH_LEN]);

struct s_string {
	uint8_t fc;
	uint8_t lengths[S_PARAMS][2];
	uint8_t integers[S_PARAMS][8];
	struct octets pieces[1 + 2 * S_PARAMS];
	size_t params;
	enum mcsec_err err; /* the first; MCSEC_E_LENGTH for a parameter over 65535 octets */
};

/* The pieces point into *s: it stays where it is while in use. */
void s_begin(struct s_string *s, uint8_t fc);
void s_octets(struct s_string *s, struct octets p);
/* UTF-8 text, not empty: MCSEC_E_LENGTH, MCSEC_E_VALUE. */
void s_text(struct s_string *s, const char *text);
/* Fewest octets; the value 0 is one octet 00. */
void s_integer(struct s_string *s, uint64_t v);

enum mcsec_err s_sha256(const struct s_string *s, uint8_t out[HASH_LEN]);
enum mcsec_err s_hmac(const struct s_string *s, struct octets key, uint8_t out[HASH_LEN]);

#endif

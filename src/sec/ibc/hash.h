/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - the hashes of RFC 6507 and RFC 6508: SHA-256, HashToIntegerRange, and the hedge that makes nonces.
 * SHA-256 and SHA-512 are libcrypto's low-level functions: they cannot fail, allocate nothing and take no lock.
 */
#ifndef MCSEC_IBC_HASH_H
#define MCSEC_IBC_HASH_H

#include "sec/base/bytes.h"
#include "sec/ibc/field/mont.h"

/* SHA-256 over n parts. */
void hash_parts(uint8_t out[32], const struct octets *parts, size_t n);
/* HMAC-SHA-512 over n parts. key_len at most 128. */
void hmac512_parts(uint8_t out[64], struct octets key, const struct octets *parts, size_t n);

/* RFC 6508 5.1 HashToIntegerRange(s1 | s2, q): a plain integer below q. */
void hash_to_range_q(struct num *r, struct octets s1, struct octets s2);
/* RFC 6508 5.1 HashToIntegerRange(s, 2^128) as 16 octets. */
void hash_to_range_128(uint8_t out[16], struct octets s);
/*
 * The same of the 128 octets w without their leading zero octets (at most 8 of them: more never occur), as peers do
 * that hash the shortest integer. Constant time: nothing tells how many there were.
 */
void hash_to_range_128_stripped(uint8_t out[16], const uint8_t w[NUM_OCTETS]);

#endif

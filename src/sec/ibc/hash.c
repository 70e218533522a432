/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - see hash.h. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "mcsec/secret.h"
#include "sec/ibc/hash.h"

void hash_parts(uint8_t out[32], const struct octets *parts, size_t n)
{
	SHA256_CTX c;
	SHA256_Init(&c);
	for (size_t i = 0; i < n; i++)
		SHA256_Update(&c, parts[i].p, parts[i].len);
	SHA256_Final(out, &c);
	mcsec_wipe(&c, sizeof c);
}

void hmac512_parts(uint8_t out[64], struct octets key, const struct octets *parts, size_t n)
{
	uint8_t pad[SHA512_CBLOCK] = {0};
	SHA512_CTX c;
	memcpy(pad, key.p, key.len);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36;
	SHA512_Init(&c);
	SHA512_Update(&c, pad, sizeof pad);
	for (size_t i = 0; i < n; i++)
		SHA512_Update(&c, parts[i].p, parts[i].len);
	SHA512_Final(out, &c);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA512_Init(&c);
	SHA512_Update(&c, pad, sizeof pad);
	SHA512_Update(&c, out, 64);
	SHA512_Final(out, &c);
	mcsec_wipe(&c, sizeof c);
	mcsec_wipe(pad, sizeof pad);
}

/*
 * RFC 6508 5.1, hashlen 256, given A = hash(s): `blocks` is ceil(lg(m) / 256), out = v_1 | v_2 | ...
 * h_0 = 0, h_i = hash(h_(i-1)), v_i = hash(h_i | A).
 */
static void range_blocks(uint8_t *out, unsigned blocks, const uint8_t a[32])
{
	uint8_t ha[64] = {0}; /* h_i | A */
	memcpy(ha + 32, a, 32);
	for (unsigned i = 0; i < blocks; i++) {
		hash_parts(ha, &(struct octets){ha, 32}, 1);
		hash_parts(out + 32 * i, &OCTETS(ha), 1);
	}
	mcsec_wipe(ha, sizeof ha);
}

void hash_to_range_q(struct num *r, struct octets s1, struct octets s2)
{
	uint8_t a[32], v[NUM_OCTETS];
	struct num multiple;
	hash_parts(a, (struct octets[]){s1, s2}, 2);
	range_blocks(v, NUM_OCTETS / 32, a);
	num_load(r, v);
	/* v mod q by v < 2^1024 < 8q: take away 4q, 2q and q where they fit */
	for (int shift = 2; shift >= 0; shift--) {
		for (int i = 0; i < NUM_LIMBS; i++)
			multiple.v[i] = FQ.m.v[i] << shift | (shift && i ? FQ.m.v[i - 1] >> (64 - shift) : 0);
		num_reduce_once(r, &multiple);
	}
	mcsec_wipe(a, sizeof a);
	mcsec_wipe(v, sizeof v);
}

void hash_to_range_128(uint8_t out[16], struct octets s)
{
	uint8_t a[32], v[32];
	hash_parts(a, &s, 1);
	range_blocks(v, 1, a);
	memcpy(out, v + 16, 16); /* mod 2^128 */
	mcsec_wipe(a, sizeof a);
	mcsec_wipe(v, sizeof v);
}

void hash_to_range_128_stripped(uint8_t out[16], const uint8_t w[NUM_OCTETS])
{
	/* 120 to 128 octets fill three blocks of SHA-256 with their padding, whichever number it is */
	uint8_t m[3 * SHA256_CBLOCK] = {0}, a[32], v[32];
	unsigned len = NUM_OCTETS;
	memcpy(m, w, NUM_OCTETS);
	for (int round = 0; round < 8; round++) {
		mask_t zero = mask_equal(m[0], 0);
		for (size_t i = 0; i < NUM_OCTETS; i++)
			m[i] ^= (uint8_t)((m[i] ^ m[i + 1]) & zero);
		len -= (unsigned)(zero & 1);
	}
	for (unsigned i = NUM_OCTETS - 8; i <= NUM_OCTETS; i++)
		m[i] |= (uint8_t)(0x80 & mask_equal(i, len));
	m[sizeof m - 2] = (uint8_t)(len * 8 >> 8);
	m[sizeof m - 1] = (uint8_t)(len * 8);
	SHA256_CTX c;
	SHA256_Init(&c);
	for (size_t i = 0; i < sizeof m; i += SHA256_CBLOCK)
		SHA256_Transform(&c, m + i);
	for (unsigned i = 0; i < sizeof a; i++)
		a[i] = (uint8_t)(c.h[i / 4] >> (24 - 8 * (i % 4)));
	range_blocks(v, 1, a);
	memcpy(out, v + 16, 16);
	mcsec_wipe(&c, sizeof c);
	mcsec_wipe(m, sizeof m);
	mcsec_wipe(a, sizeof a);
	mcsec_wipe(v, sizeof v);
}

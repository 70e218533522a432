/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_field.h - arithmetic modulo p and n of P-256, inlined into p256.c and p256_point.c.
 * Montgomery form with R = 2^256, always reduced, no branch on a value.
 */
#ifndef MCSEC_IBC_P256_FIELD_H
#define MCSEC_IBC_P256_FIELD_H

#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/modinv.h"
#include "sec/ibc/p256/p256.h"

typedef unsigned __int128 u128;

struct field {
	struct n256 m, one, rr;
	uint64_t n0;
	void (*mul)(struct n256 *r, const struct n256 *a, const struct n256 *b);
};

static inline void mul_p(struct n256 *r, const struct n256 *a, const struct n256 *b);
static inline void mul_n(struct n256 *r, const struct n256 *a, const struct n256 *b);

static const struct field F = {
    .m = {{0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001}},
    .one = {{0x0000000000000001, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe}},
    .rr = {{0x0000000000000003, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd}},
    .n0 = 1,
    .mul = mul_p,
};

static const struct field N = {
    .m = {{0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}},
    .one = {{0x0c46353d039cdaaf, 0x4319055258e8617b, 0x0000000000000000, 0x00000000ffffffff}},
    .rr = {{0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59, 0x66e12d94f3d95620}},
    .n0 = 0xccd1c8aaee00bc4f,
    .mul = mul_n,
};

/* ---- Arithmetic modulo a 256-bit number ---- */

static inline uint64_t adc(uint64_t a, uint64_t b, uint64_t *carry)
{
	u128 t = (u128)a + b + *carry;
	*carry = (uint64_t)(t >> 64);
	return (uint64_t)t;
}

static inline uint64_t sbb(uint64_t a, uint64_t b, uint64_t *borrow)
{
	u128 t = (u128)a - b - *borrow;
	*borrow = (uint64_t)(t >> 64) & 1;
	return (uint64_t)t;
}

/* low word of a b + t + carry; the high word becomes the carry */
static inline uint64_t mac(uint64_t a, uint64_t b, uint64_t t, uint64_t *carry)
{
	u128 x = (u128)a * b + t + *carry;
	*carry = (uint64_t)(x >> 64);
	return (uint64_t)x;
}

/* r = (top, t3 .. t0) - m if that is not negative, else t. */
static inline void subtract_if_above(struct n256 *r, uint64_t t0, uint64_t t1, uint64_t t2, uint64_t t3, uint64_t top,
				     const struct n256 *m)
{
	uint64_t b = 0;
	uint64_t d0 = sbb(t0, m->v[0], &b), d1 = sbb(t1, m->v[1], &b), d2 = sbb(t2, m->v[2], &b),
		 d3 = sbb(t3, m->v[3], &b);
	(void)sbb(top, 0, &b);
	mask_t keep = mask_of_bit(b);
	r->v[0] = (t0 & keep) | (d0 & ~keep);
	r->v[1] = (t1 & keep) | (d1 & ~keep);
	r->v[2] = (t2 & keep) | (d2 & ~keep);
	r->v[3] = (t3 & keep) | (d3 & ~keep);
}

static inline void add_mod(struct n256 *r, const struct n256 *a, const struct n256 *b, const struct n256 *m)
{
	uint64_t c = 0;
	uint64_t s0 = adc(a->v[0], b->v[0], &c), s1 = adc(a->v[1], b->v[1], &c), s2 = adc(a->v[2], b->v[2], &c),
		 s3 = adc(a->v[3], b->v[3], &c);
	subtract_if_above(r, s0, s1, s2, s3, c, m);
}

static inline void sub_mod(struct n256 *r, const struct n256 *a, const struct n256 *b, const struct n256 *m)
{
	uint64_t c = 0;
	uint64_t d0 = sbb(a->v[0], b->v[0], &c), d1 = sbb(a->v[1], b->v[1], &c), d2 = sbb(a->v[2], b->v[2], &c),
		 d3 = sbb(a->v[3], b->v[3], &c);
	mask_t back = mask_of_bit(c);
	c = 0;
	r->v[0] = adc(d0, m->v[0] & back, &c);
	r->v[1] = adc(d1, m->v[1] & back, &c);
	r->v[2] = adc(d2, m->v[2] & back, &c);
	r->v[3] = adc(d3, m->v[3] & back, &c);
}

/* Montgomery: rows of a b, each followed by the multiple of n that clears the lowest limb. */
static inline void mul_n(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	uint64_t t[6] = {0};
	for (int i = 0; i < 4; i++) {
		uint64_t c = 0, k = 0;
		for (int j = 0; j < 4; j++)
			t[j] = mac(a->v[j], b->v[i], t[j], &c);
		t[4] = adc(t[4], c, &k);
		t[5] = k;
		uint64_t w = t[0] * N.n0;
		c = 0;
		(void)mac(w, N.m.v[0], t[0], &c);
		for (int j = 1; j < 4; j++)
			t[j - 1] = mac(w, N.m.v[j], t[j], &c);
		k = 0;
		t[3] = adc(t[4], c, &k);
		t[4] = t[5] + k;
	}
	subtract_if_above(r, t[0], t[1], t[2], t[3], t[4], &N.m);
}

/*
 * The same modulo p, where -1/p mod 2^64 = 1 and p + 1 = 2^96 + 2^192 (2^64 - 2^32 + 1): adding w p to a sum whose
 * lowest limb is w leaves, one limb down, w 2^32 + w 2^128 (2^64 - 2^32 + 1).
 */
#define ROW(i)                                                                                                         \
	do {                                                                                                           \
		uint64_t c = 0, k = 0, w;                                                                              \
		t0 = mac(a->v[0], b->v[i], t0, &c);                                                                    \
		t1 = mac(a->v[1], b->v[i], t1, &c);                                                                    \
		t2 = mac(a->v[2], b->v[i], t2, &c);                                                                    \
		t3 = mac(a->v[3], b->v[i], t3, &c);                                                                    \
		t4 = adc(t4, c, &k);                                                                                   \
		t5 = k;                                                                                                \
		w = t0;                                                                                                \
		u128 h = (u128)w * 0xffffffff00000001;                                                                 \
		k = 0;                                                                                                 \
		t0 = adc(t1, w << 32, &k);                                                                             \
		t1 = adc(t2, w >> 32, &k);                                                                             \
		t2 = adc(t3, (uint64_t)h, &k);                                                                         \
		t3 = adc(t4, (uint64_t)(h >> 64), &k);                                                                 \
		t4 = t5 + k;                                                                                           \
	} while (0)

static inline void portable_mul_p(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	uint64_t t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0, t5;
	ROW(0);
	ROW(1);
	ROW(2);
	ROW(3);
	subtract_if_above(r, t0, t1, t2, t3, t4, &F.m);
}

static inline mask_t is_zero(const struct n256 *a)
{
	return mask_equal(a->v[0] | a->v[1] | a->v[2] | a->v[3], 0);
}

static inline mask_t equal(const struct n256 *a, const struct n256 *b)
{
	return mask_equal((a->v[0] ^ b->v[0]) | (a->v[1] ^ b->v[1]) | (a->v[2] ^ b->v[2]) | (a->v[3] ^ b->v[3]), 0);
}

static inline void cmov(struct n256 *r, const struct n256 *a, mask_t yes)
{
	for (int i = 0; i < 4; i++)
		r->v[i] ^= (r->v[i] ^ a->v[i]) & yes;
}

static inline void load_plain(struct n256 *r, const uint8_t in[32])
{
	for (int i = 0; i < 4; i++) {
		uint64_t x = 0;
		for (int k = 0; k < 8; k++)
			x = x << 8 | in[24 - 8 * i + k];
		r->v[i] = x;
	}
}

static inline void store_plain(uint8_t out[32], const struct n256 *a)
{
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 8; k++)
			out[31 - 8 * i - k] = (uint8_t)(a->v[i] >> 8 * k);
}

/* Octets to Montgomery form; the mask tells whether they were below the modulus. */
static inline mask_t load_mod(struct n256 *r, const uint8_t in[32], const struct field *f)
{
	struct n256 x, reduced;
	load_plain(&x, in);
	subtract_if_above(&reduced, x.v[0], x.v[1], x.v[2], x.v[3], 0, &f->m); /* 2^256 < 2m */
	mask_t below = equal(&reduced, &x);
	f->mul(r, &reduced, &f->rr);
	mcsec_wipe(&x, sizeof x);
	mcsec_wipe(&reduced, sizeof reduced);
	return below;
}

static inline void leave(struct n256 *r, const struct n256 *a, const struct field *f)
{
	static const struct n256 unit = {{1}};
	f->mul(r, a, &unit);
}

static inline void store_mod(uint8_t out[32], const struct n256 *a, const struct field *f)
{
	struct n256 x;
	leave(&x, a, f);
	store_plain(out, &x);
	mcsec_wipe(&x, sizeof x);
}

#undef ROW

static inline void mul_p(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
#if defined(__x86_64__)
	if (mont->p256_mul) {
		mont->p256_mul(r->v, a->v, b->v);
		return;
	}
#endif
	portable_mul_p(r, a, b);
}

#endif

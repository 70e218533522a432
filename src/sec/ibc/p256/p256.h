/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256.h - NIST P-256 for ECCSI (RFC 6507): the field, the scalars, [k]G for secret k, and sums for verification.
 *
 * Field elements and scalars are in Montgomery form with R = 2^256, 4 limbs of 64 bits, always reduced.
 * Points are Jacobian (x/z^2, y/z^3; infinity is z = 0). p256_add is complete: it has no exceptional case.
 */
#ifndef MCSEC_IBC_P256_H
#define MCSEC_IBC_P256_H

#include "mcsec/err.h"
#include "sec/ibc/field/mont.h"

enum { P256_POINT_OCTETS = 65 };

struct n256 {
	uint64_t v[4];
};

/* ---- Scalars modulo the order n ---- */

void scalar_add(struct n256 *r, const struct n256 *a, const struct n256 *b);
void scalar_sub(struct n256 *r, const struct n256 *a, const struct n256 *b);
void scalar_mul(struct n256 *r, const struct n256 *a, const struct n256 *b);
void scalar_inv(struct n256 *r, const struct n256 *a);
mask_t scalar_is_zero(const struct n256 *a);
/* 32 octets modulo n; the mask tells whether they were in [1, n - 1] as they stood. */
mask_t scalar_load(struct n256 *r, const uint8_t in[32]);
void scalar_store(uint8_t out[32], const struct n256 *a);
/* The integer itself. */
void scalar_plain(struct n256 *r, const struct n256 *a);
/* 1 + (512-bit integer mod (n - 1)): uniform in [1, n - 1] up to 2^-256. */
void scalar_from_hash(struct n256 *r, const uint8_t hash[64]);

/* ---- Points ---- */

struct p256_point {
	struct n256 x, y, z;
};

struct p256_affine {
	struct n256 x, y;
};

/* 04 | x | y; coordinates below p, on the curve. MCSEC_E_POINT. */
enum mcsec_err p256_load(struct p256_affine *r, const uint8_t in[P256_POINT_OCTETS]);
void p256_store(uint8_t out[P256_POINT_OCTETS], const struct p256_affine *a);
void p256_from(struct p256_point *r, const struct p256_affine *a);
void p256_add(struct p256_point *r, const struct p256_point *a, const struct p256_point *b);
/* No if a is infinity. Constant time. */
mask_t p256_to_affine(struct p256_affine *r, const struct p256_point *a);
/* Whether two points are the same. */
mask_t p256_equal(const struct p256_point *a, const struct p256_point *b);
/* Octets of x: 32, big-endian. */
void p256_store_x(uint8_t out[32], const struct p256_affine *a);

mask_t p256_is_infinity(const struct p256_point *a);
/* Infinity comes out as z = 0. */
void p256_double(struct p256_point *r, const struct p256_point *a);
/* r = a + b for finite a and b with different x. */
void p256_add_mixed(struct p256_point *r, const struct p256_point *a, const struct p256_affine *b);
void p256_negate_if(struct p256_affine *p, mask_t yes);
/* n finite points to affine with one inversion; before holds n. */
void p256_to_affine_many(struct p256_affine *r, const struct p256_point *a, struct n256 *before, size_t n);
/* r += b, any points. Public data only. */
void p256_add_public(struct p256_point *r, const struct p256_affine *b);

/* ---- Multiples ---- */

enum { P256_COMB_W = 6, P256_COMB_WINDOWS = 43, P256_COMB_ENTRIES = 32 }; /* 43 * 6 = 258 > 256 */

/* entry[j][i] = (2i + 1) * 2^(6j) * base */
struct p256_comb {
	struct p256_affine entry[P256_COMB_WINDOWS][P256_COMB_ENTRIES];
};

enum mcsec_err p256_comb_new(struct p256_comb *c, const struct p256_affine *base);
/* Makes the table of G; before any of the following. MCSEC_E_MEMORY. */
enum mcsec_err p256_ready(void);
/* [k]G, constant time in k. */
void p256_mul_g(struct p256_point *r, const struct n256 *k);

/* Public data only: variable time. c = NULL: the comb of G. */
void p256_add_comb_public(struct p256_point *r, const struct p256_comb *c, const struct n256 *k); /* r += [k]base */
void p256_mul_public(struct p256_point *r, const struct n256 *k, const struct p256_affine *a);    /* r = [k]a */

/* For a that comes again: odd[i][k] = (2k + 1) 2^(64 i) a. */
enum { P256_SPLIT_PARTS = 4, P256_SPLIT_ODD = 8 };
struct p256_split {
	struct p256_affine odd[P256_SPLIT_PARTS][P256_SPLIT_ODD];
};
void p256_split_new(struct p256_split *s, const struct p256_affine *a);
void p256_mul_split_public(struct p256_point *r, const struct p256_split *s, const struct n256 *k); /* r = [k]a */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp.h - the field F_p of SAKKE parameter set 1 (RFC 6509 App. A), its quadratic extension F_p[i], i^2 = -1, and the
 * group PF_p (RFC 6508 2.1): the non-zero elements of F_p[i], those that differ by a factor of F_p counted as one.
 * All values are in Montgomery form (mont.h).
 */
#ifndef MCSEC_IBC_FP_H
#define MCSEC_IBC_FP_H

#include "sec/ibc/field/mont.h"

static inline void fp_mul(struct num *r, const struct num *a, const struct num *b)
{
	mont->mul(r, a, b, &FP);
}

static inline void fp_sqr(struct num *r, const struct num *a)
{
	mont->sqr(r, a, &FP);
}

static inline void fp_add(struct num *r, const struct num *a, const struct num *b)
{
	num_add(r, a, b, &FP);
}

static inline void fp_sub(struct num *r, const struct num *a, const struct num *b)
{
	num_sub(r, a, b, &FP);
}

static inline void fp_neg(struct num *r, const struct num *a)
{
	num_neg(r, a, &FP);
}

static inline void fp_inv(struct num *r, const struct num *a)
{
	num_inv(r, a, &FP);
}

/* From 128 octets; the mask tells whether they were below p. */
mask_t fp_load(struct num *r, const uint8_t in[NUM_OCTETS]);
void fp_store(uint8_t out[NUM_OCTETS], const struct num *a);

static inline mask_t fp_inv_many(struct num *a, struct num *scratch, size_t n)
{
	return num_inv_many(a, scratch, n, &FP);
}

/* The sum of n products x[k] y[k], reduced once. */
void fp_dot(struct num *r, const struct num *x, const struct num *y, size_t n);

/* a + b i */
struct fp2 {
	struct num a, b;
};

void fp2_mul(struct fp2 *r, const struct fp2 *x, const struct fp2 *y);
void fp2_sqr(struct fp2 *r, const struct fp2 *x);
/* r = x * (1 + t i) */
void fp2_mul_t(struct fp2 *r, const struct fp2 *x, const struct num *t);

#endif

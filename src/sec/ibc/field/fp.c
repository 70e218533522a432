/* SPDX-License-Identifier: Apache-2.0 */
/* fp.c - F_p, F_p[i] and PF_p; see fp.h. Sums of two products are reduced once. */
#include "sec/ibc/field/fp.h"
#include "mcsec/secret.h"

mask_t fp_load(struct num *r, const uint8_t in[NUM_OCTETS])
{
	num_load(r, in);
	mask_t ok = num_below(r, &FP.m);
	num_enter(r, r, &FP);
	return ok;
}

void fp_store(uint8_t out[NUM_OCTETS], const struct num *a)
{
	struct num x;
	num_leave(&x, a, &FP);
	num_store(out, &x);
	mcsec_wipe(&x, sizeof x);
}

void fp_dot(struct num *r, const struct num *x, const struct num *y, size_t n)
{
	struct wide sum, product;
	mont->mul_wide(&sum, &x[0], &y[0]);
	for (size_t k = 1; k < n; k++) {
		mont->mul_wide(&product, &x[k], &y[k]);
		mont->wide_add(&sum, &sum, &product, &FP);
	}
	mont->redc(r, &sum, &FP);
}

/* Karatsuba: three products, two reductions. */
void fp2_mul(struct fp2 *r, const struct fp2 *x, const struct fp2 *y)
{
	struct num s, t;
	struct wide ac, bd, all;
	mont->mul_wide(&ac, &x->a, &y->a);
	mont->mul_wide(&bd, &x->b, &y->b);
	fp_add(&s, &x->a, &x->b);
	fp_add(&t, &y->a, &y->b);
	mont->mul_wide(&all, &s, &t);
	mont->wide_sub(&all, &all, &ac, &FP);
	mont->wide_sub(&all, &all, &bd, &FP);
	mont->wide_sub(&ac, &ac, &bd, &FP);
	mont->redc(&r->a, &ac, &FP);
	mont->redc(&r->b, &all, &FP);
}

void fp2_sqr(struct fp2 *r, const struct fp2 *x)
{
	struct num s, d, ab;
	fp_add(&s, &x->a, &x->b);
	fp_sub(&d, &x->a, &x->b);
	fp_mul(&ab, &x->a, &x->b);
	fp_mul(&r->a, &s, &d);
	fp_add(&r->b, &ab, &ab);
}

void fp2_mul_t(struct fp2 *r, const struct fp2 *x, const struct num *t)
{
	struct num at, bt;
	fp_mul(&at, &x->a, t);
	fp_mul(&bt, &x->b, t);
	fp_sub(&r->a, &x->a, &bt);
	fp_add(&r->b, &x->b, &at);
}

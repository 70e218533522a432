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

void fp2_mul(struct fp2 *r, const struct fp2 *x, const struct fp2 *y)
{
	struct num ac, bd, s, t;
	fp_mul(&ac, &x->a, &y->a);
	fp_mul(&bd, &x->b, &y->b);
	fp_add(&s, &x->a, &x->b);
	fp_add(&t, &y->a, &y->b);
	fp_mul(&s, &s, &t);
	fp_sub(&r->a, &ac, &bd);
	fp_sub(&s, &s, &ac);
	fp_sub(&r->b, &s, &bd);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row.h - one element of F_p[i] with all its limbs side by side: for chains of squarings and multiplications where
 * each waits for the one before, so that there is nothing to put into eight lanes. Two products of F_p run together.
 *
 * Values are as in lanes.h (20 limbs of 52 bits, R' = 2^1040) but only below 34 p. Needs lanes_on. Constant time.
 */
#ifndef MCSEC_IBC_ROW_H
#define MCSEC_IBC_ROW_H

#include "sec/ibc/lanes/lanes.h"

enum { ROW = 24 }; /* 20 limbs and 4 zeros: three vectors */

struct row {
	_Alignas(64) uint64_t v[ROW];
};

struct row_fp2 {
	struct row a, b;
};

/* Lane l of a. */
void row_of_lane(struct row *r, const struct lanes *a, int l);
void row_one(struct row_fp2 *r); /* 1 + 0 i */
/* To x*R mod p, reduced. */
void row_leave(struct fp2 *r, const struct row_fp2 *a);
/*
 * v = v^2. A product of x and y comes out below x y / R' + p, and p / R' is 2^-16.7: of factors below 34 p below 1.02 p.
 * So a and b of v, below 26 p and 6 p on the way in, are below 1.02 p and 2.04 p after; a + b and a - b + 8 p are
 * between 0 and 34 p.
 */
void row_square(struct row_fp2 *v);
/* v = v (1 + t i), t nearly reduced: a grows by 8 p, b by 1.02 p. Up to three between two squarings. */
void row_mul_t(struct row_fp2 *v, const struct row *t);

#endif

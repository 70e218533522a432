/* SPDX-License-Identifier: Apache-2.0 */
/* points.h - points of E that no honest peer sends: of order 4, and sums with them. */
#ifndef TEST_IBC_POINTS_H
#define TEST_IBC_POINTS_H

#include "unit/test.h"

#include "sec/ibc/curve/curve.h"

static inline void add_points(struct point *r, const struct point *a, const struct point *b)
{
	struct jacobian x, y;
	struct num scratch[2];
	jacobian_from(&x, a);
	jacobian_from(&y, b);
	jacobian_add(&x, &x, &y);
	assert_false(num_is_zero(&x.z));
	jacobian_normalise(r, &x, scratch, 1);
}

/* (p + 1) / 4 = q: the square root of a square is its q-th power. */
static inline int square_root(struct num *r, const struct num *a)
{
	struct num x = FP.one, check;
	for (int i = SCALAR_BITS - 1; i >= 0; i--) {
		fp_sqr(&x, &x);
		if (FQ.m.v[i / 64] >> (i % 64) & 1)
			fp_mul(&x, &x, a);
	}
	fp_sqr(&check, &x);
	*r = x;
	return num_equal(&check, a) != 0;
}

/* x^2 = -3 makes the tangent pass through (0, 0). */
static inline void point_of_order_4(struct point *t)
{
	struct num three, y2;
	fp_add(&three, &FP.one, &FP.one);
	fp_add(&three, &three, &FP.one);
	fp_neg(&y2, &three);
	assert_true(square_root(&t->x, &y2));
	for (int i = 0; i < 2; i++) {
		fp_sqr(&y2, &t->x);
		fp_sub(&y2, &y2, &three);
		fp_mul(&y2, &y2, &t->x);
		if (square_root(&t->y, &y2))
			break;
		fp_neg(&t->x, &t->x);
	}
	assert_true(point_on_curve(t));
	struct jacobian j;
	jacobian_from(&j, t);
	jacobian_double(&j, &j);
	assert_false(num_is_zero(&j.z));
	assert_true(num_is_zero(&j.x));
	jacobian_double(&j, &j);
	assert_true(num_is_zero(&j.z));
}

#endif

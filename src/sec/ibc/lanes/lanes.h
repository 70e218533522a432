/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lanes.h - eight numbers modulo p side by side, for what has eight independent things to do: the terms of one sum, or
 * eight receivers. It needs AVX-512 with IFMA (multiplication of 52-bit limbs); where that is missing nothing here is
 * called.
 *
 * A number has 20 limbs of 52 bits and stands as x*R' mod p with R' = 2^1040. It is nearly reduced: at least 0 and at
 * most p + p/256. The sixteen bits between p and R' leave room for sums of a few numbers as operands of a product.
 * Constant time like mont.h.
 */
#ifndef MCSEC_IBC_LANES_H
#define MCSEC_IBC_LANES_H

#include "sec/ibc/curve/curve.h"

enum { LANES = 8, LIMBS52 = 20 };

struct lanes {
	_Alignas(64) uint64_t v[LIMBS52][LANES];
};

struct lanes_point {
	struct lanes x, y;
};

/* a + b i */
struct lanes_fp2 {
	struct lanes a, b;
};

/* Whether this processor has them: set before main, changed only by tests. */
extern int lanes_on;
/* Whether they could be on. */
int lanes_exist(void);
/* Test only. 0 if asked for what this build does not have. */
int lanes_force(int on);

/* x*R to x*R' and back. */
void lanes_enter(struct lanes *r, const struct num in[LANES]);
void lanes_leave(struct num out[LANES], const struct lanes *a);
/* x*R to x*R' for one number, packed as 16 limbs of 64 bits: the form of tables that lanes read. And back. */
void lanes_scale(struct num *r, const struct num *a);
void lanes_unscale(struct num *r, const struct num *a);

/* The entry of one window of a comb for each lane; negative digits are carried out. */
struct lanes_pick {
	const struct comb *comb;
	unsigned window;
	const struct digits *digits;
};
void lanes_pick_points(struct lanes_point *r, const struct lanes_pick pick[LANES]);
void lanes_pick_t(struct lanes *r, const struct lanes_pick pick[LANES]);

/*
 * Sum n points lane by lane, in place: the sums come to pts[0]. prefix holds n/2. Yes if it met no exception of affine
 * addition (equal x in some lane); else pts is spoilt.
 */
mask_t lanes_sum(struct lanes_point *pts, size_t n, struct lanes *prefix);

/* Eight lines slope x + at, one a lane. */
struct lanes_line {
	_Alignas(64) uint64_t slope[NUM_LIMBS][LANES], at[NUM_LIMBS][LANES];
};
void lanes_line_set(struct lanes_line *r, int lane, const struct num *slope, const struct num *at);
/* t = slope x + at y */
void lanes_line_at(struct lanes *t, const struct lanes_line *l, const struct lanes *x, const struct lanes *y);

/* r = x * (1 + t i) in PF_p. */
void lanes_mul_t(struct lanes_fp2 *r, const struct lanes_fp2 *x, const struct lanes *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lanes_none.c - lanes.h on an architecture without them: lanes_on stays 0, so nothing else here is ever called.
 */
#include <string.h>

#include "sec/ibc/lanes/lanes.h"

#if !defined(__x86_64__) && !defined(V8_PLAIN)

int lanes_on;

int lanes_exist(void)
{
	return 0;
}

int lanes_force(int on)
{
	return !on;
}

void lanes_enter(struct lanes *r, const struct num in[LANES])
{
	(void)in;
	memset(r, 0, sizeof *r);
}

void lanes_leave(struct num out[LANES], const struct lanes *a)
{
	(void)a;
	memset(out, 0, LANES * sizeof *out);
}

void lanes_scale(struct num *r, const struct num *a)
{
	*r = *a;
}

void lanes_unscale(struct num *r, const struct num *a)
{
	*r = *a;
}

void lanes_pick_points(struct lanes_point *r, const struct lanes_pick pick[LANES])
{
	(void)pick;
	memset(r, 0, sizeof *r);
}

void lanes_pick_t(struct lanes *r, const struct lanes_pick pick[LANES])
{
	(void)pick;
	memset(r, 0, sizeof *r);
}

mask_t lanes_sum(struct lanes_point *pts, size_t n, struct lanes *prefix)
{
	(void)pts;
	(void)n;
	(void)prefix;
	return 0;
}

void lanes_line_set(struct lanes_line *r, int lane, const struct num *slope, const struct num *at)
{
	(void)r;
	(void)lane;
	(void)slope;
	(void)at;
}

void lanes_line_at(struct lanes *t, const struct lanes_line *l, const struct lanes *x, const struct lanes *y)
{
	(void)l;
	(void)x;
	(void)y;
	memset(t, 0, sizeof *t);
}

void lanes_mul_t(struct lanes_fp2 *r, const struct lanes_fp2 *x, const struct lanes *t)
{
	(void)x;
	(void)t;
	memset(r, 0, sizeof *r);
}

#endif

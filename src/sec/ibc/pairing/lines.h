/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - what is stored of a point A, the first argument of the pairing: functions whose values at B are multiplied
 * up. All of it is as secret as A.
 *
 * Without lanes one function a step (steps.h), of the form a(x) + y b(x), where the lines through multiples of A are
 * multiplied and the verticals divided out:
 *   one doubling    divisor 2(C) + (-2C) - 3(O)              a of degree 1, b = 1
 *   two doublings           4(C) + (-4C) - 5(O)              a of degree 2, b = x + b0
 *   and an addition         4(C) + (A) + (-4C - A) - 6(O)    a of degree 3, b = x + b0
 * At the image (-x, i y) of B, divided by y: a(-x)/y + i b(-x), a sum of two to four products with powers of x over y.
 * Coefficients stand with the sign of x already turned: a0, a1, a2, a3, b0.
 *
 * With lanes (lanes.h) each line by itself: see pairing.c.
 */
#ifndef MCSEC_IBC_LINES_H
#define MCSEC_IBC_LINES_H

#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/pairing/pairing.h"
#include "sec/ibc/pairing/steps.h"

struct lines {
	struct num *functions;    /* without lanes: step_size() of each step, one after the other */
	struct lanes_line *eight; /* with lanes: line k is lane k % 8 of eight[k / 8] */
};

static inline size_t step_size(const struct step *s)
{
	return s->doublings == 1 ? 2 : s->add ? 5 : 4;
}

#endif

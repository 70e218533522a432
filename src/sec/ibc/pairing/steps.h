/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.h - the sequence of steps of the pairing's loop. It follows from q alone, so it is public and the same always.
 *
 * The loop of RFC 6508 3.2 runs over the bits of q - 1; here over its non-adjacent form, whose digits are -1, 0, 1: the
 * value changes by factors of F_p only (vertical lines), which are nothing in PF_p. A step is one or two doublings,
 * or two doublings and the addition of A or -A: in that form the digits leave no other case. After it comes the power
 * `unit` of the value that tells classes of points apart (torsion.h), so that all of them together, with the squarings
 * that are still to come, make its q-th power.
 */
#ifndef MCSEC_IBC_STEPS_H
#define MCSEC_IBC_STEPS_H

#include "sec/ibc/curve/curve.h"

enum { UNIT_MAX = 8, LAST_SQUARINGS = 2 };

struct step {
	uint8_t doublings; /* 1 or 2 */
	int8_t add;        /* -1, 0, 1 */
	int8_t unit;       /* -UNIT_MAX .. UNIT_MAX */
};

struct steps {
	size_t n;
	struct step step[SCALAR_BITS];
	int8_t last[LAST_SQUARINGS]; /* units after each of the squarings that follow: the exponent (p + 1) / q = 4 */
	size_t lines;                /* one a doubling, one an addition */
	size_t additions;
};

const struct steps *steps_of_q(void);

#endif

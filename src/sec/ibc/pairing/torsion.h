/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torsion.h - telling the points of order q from the others on E.
 *
 * E(F_p) is cyclic of order 4q (3 is no square modulo p), so the points of order q are those of the form [4]c. Let T be
 * a point of order 4 over F_p[i] and f the function with divisor 4(T) - 4(O). The reduced Tate pairing of order 4,
 * f(b)^((p^2 - 1) / 4), is 1 for b = [4]c. T is chosen such that for a point of order 4 (the distortion map applied, as
 * in the pairing) it is a primitive fourth root of unity; so it is 1 for no other b. In PF_p the exponent is q:
 * (p^2 - 1) / 4 = (p - 1) q, and p - 1 takes away what PF_p does not count.
 *
 * Doubling T gives (e, 0) with e^2 = 3, so f is the square of the tangent at T divided by x - e, and has no zero and no
 * pole at a finite b of E(F_p).
 */
#ifndef MCSEC_IBC_TORSION_H
#define MCSEC_IBC_TORSION_H

#include "sec/ibc/curve/curve.h"

/* f(b) for b on the curve, up to a factor of F_p. f(b)^q is 1 in PF_p if b has order q, else of order 2 or 4. */
void torsion_value(struct fp2 *r, const struct point *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairing.h - the Tate-Lichtenbaum pairing <A, B> of RFC 6508 3.2 with the second point moved by the distortion map
 * to (-x, i y). The result is an element of PF_p given as t = b/a (RFC 6508 2.1).
 *
 * The first point belongs to the key holder and has order q. So no multiple of it on the way meets infinity or a
 * vertical line, whatever B a stranger chose. Its lines are computed once and stored: they are as secret as it is.
 */
#ifndef MCSEC_IBC_PAIRING_H
#define MCSEC_IBC_PAIRING_H

#include "sec/ibc/curve.h"

/* The line through (the negatives of) two multiples of A: value at B is (slope * x_B + at) + i y_B. */
struct line {
	struct num slope, at;
};

/* Steps of the loop: how many lines there are. */
size_t pairing_lines(void);
/*
 * lines[pairing_lines()] of the point a of order q. scratch: secret memory of pairing_scratch_octets().
 * MCSEC_E_POINT if a is not of order q.
 */
size_t pairing_scratch_octets(void);
enum mcsec_err pairing_prepare(struct line *lines, const struct point *a, void *scratch);
/* t = <A, b>; b on the curve. No if the result is no element 1 + t i, which never happens for b of order q. */
mask_t pairing(struct num *t, const struct line *lines, const struct point *b);

#endif

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

#include "sec/ibc/curve/curve.h"

/* The stored lines of a point; secret memory. */
struct lines;

/* For the point a of order q. MCSEC_E_POINT if it is not, MCSEC_E_MEMORY. *out is NULL on error. */
enum mcsec_err lines_new(struct lines **out, const struct point *a);
void lines_free(struct lines *lines); /* wipes */
/* Octets that one point's lines take. */
size_t lines_octets(void);
/* t = <A, b>; b on the curve. No if the result is no element 1 + t i, which never happens for b of order q. */
mask_t pairing(struct num *t, const struct lines *lines, const struct point *b);

#endif

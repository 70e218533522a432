/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairing.h - the Tate-Lichtenbaum pairing <A, B> of RFC 6508 3.2 with the second point moved by the distortion map
 * to (-x, i y). The result is an element of PF_p given as t = b/a (RFC 6508 2.1).
 *
 * The first point belongs to the key holder and has order q. So no multiple of it on the way meets infinity or a
 * vertical line, whatever B a stranger chose. What is stored of it (lines.h) is as secret as it is.
 */
#ifndef MCSEC_IBC_PAIRING_H
#define MCSEC_IBC_PAIRING_H

#include "sec/ibc/curve/curve.h"

/* What is stored of the first point; secret memory. */
struct lines;

/* For the point a of order q. MCSEC_E_POINT if it is not, MCSEC_E_MEMORY. *out is NULL on error. */
enum mcsec_err lines_new(struct lines **out, const struct point *a);
void lines_free(struct lines *lines); /* wipes */
/* Octets that one point's lines take. */
size_t lines_octets(void);
/*
 * For b on the curve: t = <A, b> if b has order q. Else t = <A, b> times an element of PF_p of order 2 or 4, so that t
 * is no power of g (torsion.h): the RFC's pairing alone does not see by how much a point misses order q.
 * No for the point of order 2, and for made-up points whose value is no element 1 + t i.
 */
mask_t pairing(struct num *t, const struct lines *lines, const struct point *b);

#endif

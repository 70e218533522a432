/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curve.h - the curve E: y^2 = x^3 - 3x over F_p of SAKKE parameter set 1; #E(F_p) = p + 1 = 4q, q prime.
 *
 * The fast path for secret scalars: a scalar becomes odd signed digits, none of them zero; each digit picks one stored
 * multiple of a fixed point by a masked scan (comb); the picked points are summed as a binary tree of affine additions
 * whose divisions share one inversion a level. Affine addition has exceptions (equal x). A tree that meets one is
 * noticed at the shared inversion and summed once more by complete formulas: it happens for made-up inputs only.
 */
#ifndef MCSEC_IBC_CURVE_H
#define MCSEC_IBC_CURVE_H

#include "mcsec/err.h"
#include "sec/ibc/field/fp.h"

enum { POINT_OCTETS = 257, SCALAR_BITS = 1022 };

/* A finite point. */
struct point {
	struct num x, y;
};

/* Jacobian: x/z^2, y/z^3; infinity is z = 0. */
struct jacobian {
	struct num x, y, z;
};

/* The generator P and g = <P, P> as t of PF_p (RFC 6509 App. A). */
extern const struct point GENERATOR;
extern const struct num PAIRING_OF_GENERATOR;

/* 04 | x | y, coordinates below p, on the curve (RFC 5480 2.2). Public data. MCSEC_E_POINT. */
enum mcsec_err point_load(struct point *r, const uint8_t in[POINT_OCTETS]);
void point_store(uint8_t out[POINT_OCTETS], const struct point *a);
mask_t point_on_curve(const struct point *a);
mask_t point_equal(const struct point *a, const struct point *b);
/* [q]a = infinity. Public point: variable time. */
int point_has_order_q(const struct point *a);

void jacobian_double(struct jacobian *r, const struct jacobian *a);
/* r = a + b for all cases, infinity and equal points too. Constant time. */
void jacobian_add(struct jacobian *r, const struct jacobian *a, const struct jacobian *b);
/* a += b unless a is infinity or the x are equal: then 0, and a stays. */
int jacobian_add_mixed(struct jacobian *a, const struct point *b);
void jacobian_from(struct jacobian *r, const struct point *a);
/* Affine points of n finite Jacobian ones; scratch holds 2n elements. */
void jacobian_normalise(struct point *r, const struct jacobian *a, struct num *scratch, size_t n);

/* r = [k]a for a of order q and a plain scalar k below q, constant time. No on an exception of the addition. */
mask_t point_mul(struct point *r, const struct num *k, const struct point *a);
/*
 * r = sum of [k[i]]a[i] for n points of order q and plain scalars, all below q. Variable time in the scalars, which are
 * public; constant in the points. memory: point_sum_public_octets(n) of secret memory. The sum may be infinity.
 */
size_t point_sum_public_octets(size_t n);
void point_sum_public(struct jacobian *r, const struct num *k, const struct point *a, size_t n, void *memory);

/* ---- Fixed points ------------------------------------------------------------------------------------------ */

/*
 * digits windows of w bits; window j holds (2i + 1) * 2^(wj) * B for i < 2^(w-1).
 * The same shape serves the points of E and, as t values, the group PF_p.
 */
struct comb {
	unsigned w, windows;
	int scaled;           /* entries are in the form that lanes read (lanes_scale) */
	struct point *points; /* of E, or NULL */
	struct num *t;        /* of PF_p, or NULL */
};

static inline unsigned comb_windows(unsigned w)
{
	return (SCALAR_BITS + w - 1) / w;
}

/* A scalar as comb digits: window values of an odd representative and one sign for all. Secret. */
struct digits {
	uint64_t bits[NUM_LIMBS + 1];
	mask_t negate;
};

/* k: a plain integer below q. */
void digits_of(struct digits *d, const struct num *k, unsigned w);

enum mcsec_err comb_of_point(struct comb *c, const struct point *base, unsigned w);
enum mcsec_err comb_of_g(struct comb *c, unsigned w);
void comb_free(struct comb *c);
/* What a comb of a point of E with digits of w bits takes. */
size_t comb_octets(unsigned w);

/* Which entry of window j the digit is, and whether its negative is meant. */
uint64_t comb_entry(const struct digits *d, unsigned w, unsigned j, mask_t *negative);
/* The digit d of window j as a point / as t. Reads every entry of the window. */
void comb_pick_point(struct point *r, const struct comb *c, unsigned j, const struct digits *d);
/* The digit of window j from a table of 2^(w-1) odd multiples that serves all windows. */
void comb_pick_shared(struct point *r, const struct point *table, const struct digits *d, unsigned w, unsigned j);
void comb_pick_t(struct num *r, const struct comb *c, unsigned j, const struct digits *d);

/* ---- Sums ---------------------------------------------------------------------------------------------------- */

/*
 * Sum `lists` lists of n points each, pts[list * n ...], in place: the sum of list l comes to pts[l * n].
 * scratch holds lists * n elements (for n > 1). Yes if it met no exception; else pts is spoilt.
 */
mask_t point_sum(struct point *pts, size_t n, size_t lists, struct num *scratch);
/* The sum of one list in Jacobian form with one inversion: for few points. No on an exception. Does not change pts. */
mask_t point_sum_few(struct point *r, const struct point *pts, size_t n);
/* The same sum for one list by complete formulas; no if the sum is infinity. Does not change pts. */
mask_t point_sum_complete(struct point *r, const struct point *pts, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixed.h - multiples of the fixed points P and Z and powers of the fixed g, for secret scalars, n at once.
 *
 * R = [r]([b]P + Z) is computed as [r b mod q]P + [r]Z: P is fixed for ever and Z for a KMS, so both come from combs
 * and no doubling is left.
 */
#ifndef MCSEC_IBC_FIXED_H
#define MCSEC_IBC_FIXED_H

#include "sec/ibc/curve/curve.h"

/* Digits of the combs of P and g; the width of a KMS's comb is chosen by who loads it. */
enum { COMB_WIDTH = 6, COMB_WIDTH_MIN = 3, COMB_WIDTH_MAX = 10 };

/* [k[i]]P for each of n plain scalars below q. MCSEC_E_VALUE if one is infinity. */
enum mcsec_err fixed_mul_p(struct point *r, const struct num *k, size_t n);
/* [k[i]]([b[i]]P + Z) for each of n plain scalars below q; z: the comb of Z; b in Montgomery form mod q. */
enum mcsec_err fixed_mul_receiver(struct point *r, const struct comb *z, const struct num *const *b,
				  const struct num *k, size_t n);
/* t of g^k[i] for each of n plain scalars below q. */
enum mcsec_err fixed_pow_g(struct num *t, const struct num *k, size_t n);
/* Whether t is that of g^k, for a plain scalar k below q. */
enum mcsec_err fixed_pow_g_is(mask_t *same, const struct num *t, const struct num *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* modinv.h - inverses modulo an odd number in constant time (Bernstein and Yang, "Fast constant-time gcd", 2019). */
#ifndef MCSEC_IBC_MODINV_H
#define MCSEC_IBC_MODINV_H

#include <stdint.h>

/*
 * r = scale / a mod m, and 0 for a = 0. All of `limbs` (4 or 16) limbs of 64 bits; m odd and prime to a; a, scale < m.
 * Time depends on limbs only.
 */
void modinv(uint64_t *r, const uint64_t *a, const uint64_t *m, const uint64_t *scale, int limbs);

#endif

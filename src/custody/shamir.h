/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shamir.h - Shamir's secret sharing over GF(256), octet by octet (kms.md 15A row 6): n shares, any k of them give the
 * secret, fewer say nothing about it. The field is that of AES (x^8 + x^4 + x^3 + x + 1). Time depends on lengths and
 * on the shares' numbers, never on their values. Pure.
 */
#ifndef MCX_CUSTODY_SHAMIR_H
#define MCX_CUSTODY_SHAMIR_H

#include "mcsec/rng.h"
#include "sec/base/bytes.h"

enum { SHAMIR_MAX = 16, SHAMIR_LEN = 32 };

/* Share number i + 1 stands in shares[i]; 2 <= k <= n <= SHAMIR_MAX. All of it is secret memory. */
enum mcsec_err shamir_split(const uint8_t secret[SHAMIR_LEN], unsigned k, unsigned n, const struct mcsec_rng *rng,
			    uint8_t (*shares)[SHAMIR_LEN]);
/* number[i]: of shares[i]; all different and not 0. */
enum mcsec_err shamir_combine(const uint8_t *number, const uint8_t (*shares)[SHAMIR_LEN], unsigned k,
			      uint8_t secret[SHAMIR_LEN]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_lanes.h - [k]G of P-256 with eight parts of one sum, or eight sums, side by side: AVX-512 with IFMA, or under
 * test the plain form of v8.h. Nothing here is called unless lanes_on. Constant time.
 */
#ifndef MCSEC_IBC_P256_LANES_H
#define MCSEC_IBC_P256_LANES_H

#include "sec/ibc/p256/p256.h"

/*
 * k is cut into windows of W bits, each an odd signed digit; window 8r + l belongs to lane l in round r. 52 windows
 * have 260 bits, the last four places of the last round stay empty.
 */
enum { P256_LANES = 8, P256_LANES_W = 5, P256_LANES_WINDOWS = 52, P256_LANES_ROUNDS = 7, P256_LANES_ENTRIES = 16 };

/* word[r][e][i][l]: x (i < 4) and y of (2e + 1) 2^(5 (8r + l)) G, times 2^260 mod p */
struct p256_lanes_table {
	_Alignas(64) uint64_t word[P256_LANES_ROUNDS][P256_LANES_ENTRIES][8][P256_LANES];
};

/* Digits of eight windows: the table's entry, and whether it is to be taken away. */
struct p256_lanes_digits {
	_Alignas(64) uint64_t entry[P256_LANES];
	uint8_t negative; /* one bit a lane */
};

/* One point into its place. */
void p256_lanes_put(struct p256_lanes_table *t, unsigned window, unsigned entry, const struct p256_affine *p);
/*
 * The sum of all windows' points, but in two halves of four lanes each: the last addition may meet its exception and
 * is the caller's.
 */
void p256_lanes_sum(struct p256_point half[2], const struct p256_lanes_table *t,
		    const struct p256_lanes_digits digits[P256_LANES_ROUNDS]);

#endif

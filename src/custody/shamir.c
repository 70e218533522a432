/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shamir.c - see shamir.h. For each octet a polynomial of degree k - 1 whose constant term is the secret; a share is
 * its value at the share's number. Combining is Lagrange's interpolation at 0.
 */
#include "custody/shamir.h"
#include "mcsec/secret.h"

/* No table, no branch: eight conditional additions by mask. */
static uint8_t gf_mul(uint8_t a, uint8_t b)
{
	unsigned product = 0, x = a;
	for (int bit = 0; bit < 8; bit++) {
		product ^= x & (0u - ((unsigned)(b >> bit) & 1u));
		x = (x << 1) ^ (0x11bu & (0u - (x >> 7)));
	}
	return (uint8_t)product;
}

/* a^254 = 1/a, and 0 for 0. */
static uint8_t gf_inverse(uint8_t a)
{
	uint8_t power = a, result = 1;
	for (int bit = 1; bit < 8; bit++) {
		power = gf_mul(power, power);
		result = gf_mul(result, power);
	}
	return result;
}

enum mcsec_err shamir_split(const uint8_t secret[SHAMIR_LEN], unsigned k, unsigned n, const struct mcsec_rng *rng,
			    uint8_t (*shares)[SHAMIR_LEN])
{
	if (k < 2 || k > n || n > SHAMIR_MAX)
		return MCSEC_E_ARGUMENT;
	size_t size = (size_t)(k - 1) * SHAMIR_LEN;
	uint8_t(*coefficient)[SHAMIR_LEN] = mcsec_secret_alloc(size);
	if (!coefficient)
		return MCSEC_E_MEMORY;
	enum mcsec_err e = rng->fill(rng->ctx, coefficient[0], size);
	for (unsigned i = 0; i < n && !e; i++)
		for (size_t at = 0; at < SHAMIR_LEN; at++) {
			uint8_t y = 0; /* Horner, highest coefficient first */
			for (unsigned j = k - 1; j-- > 0;)
				y = gf_mul(y ^ coefficient[j][at], (uint8_t)(i + 1));
			shares[i][at] = y ^ secret[at];
		}
	mcsec_secret_free(coefficient);
	return e;
}

enum mcsec_err shamir_combine(const uint8_t *number, const uint8_t (*shares)[SHAMIR_LEN], unsigned k,
			      uint8_t secret[SHAMIR_LEN])
{
	if (k < 2 || k > SHAMIR_MAX)
		return MCSEC_E_ARGUMENT;
	memset(secret, 0, SHAMIR_LEN);
	for (unsigned i = 0; i < k; i++) {
		uint8_t weight = 1; /* product of x_j / (x_j - x_i) */
		for (unsigned j = 0; j < k; j++)
			if (j != i)
				weight = gf_mul(weight, gf_mul(number[j], gf_inverse(number[j] ^ number[i])));
		if (!weight) {
			mcsec_wipe(secret, SHAMIR_LEN);
			return MCSEC_E_VALUE; /* a number twice, or 0 */
		}
		for (size_t at = 0; at < SHAMIR_LEN; at++)
			secret[at] ^= gf_mul(shares[i][at], weight);
	}
	return MCSEC_OK;
}

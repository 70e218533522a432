/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.h - randomness is injected: every function that draws takes one of these.
 */
#ifndef MCSEC_RNG_H
#define MCSEC_RNG_H

#include "err.h"

struct mcsec_rng {
	/* Fill out[0..n) with random octets. Must fill all or fail. */
	enum mcsec_err (*fill)(void *ctx, uint8_t *out, size_t n);
	void *ctx;
};

/* The operating system's generator through libcrypto's private DRBG. Thread-safe. */
MCSEC_API extern const struct mcsec_rng mcsec_rng_system;

#endif

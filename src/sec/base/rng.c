/* SPDX-License-Identifier: Apache-2.0 */
/* rng.c - the system's random source, behind the injected interface. */
#include <limits.h>

#include <openssl/rand.h>

#include "mcsec/rng.h"

static enum mcsec_err system_fill(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	if (n > INT_MAX || RAND_priv_bytes(out, (int)n) != 1)
		return MCSEC_E_RANDOM;
	return MCSEC_OK;
}

const struct mcsec_rng mcsec_rng_system = { system_fill, NULL };

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * period.h - which key periods a keyprov request is answered with (kms.md 3.1, 3.4). Pure; 64-bit TIME throughout.
 */
#ifndef MCX_KMS_PERIOD_H
#define MCX_KMS_PERIOD_H

#include "mcsec/uid.h"

struct period_policy {
	struct mcsec_periods periods;
	uint64_t preprovision; /* seconds before the period's end in which the next set is given too; 0: never */
	uint64_t max_past, max_future; /* periods around the current one that may be asked for */
};

/*
 * Periods for a plain request at `now` (TIME seconds): the current one, and in the window also the next, in this order.
 * Returns how many (0: the clock stands before the first period).
 */
size_t period_plain(const struct period_policy *p, uint64_t now, uint64_t out[2]);
/* The period of `at` when the policy allows it: MCSEC_OK, else MCSEC_E_VALUE. */
enum mcsec_err period_at(const struct period_policy *p, uint64_t now, uint64_t at, uint64_t *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * period.c - see period.h.
 */
#include "kms/period.h"

size_t period_plain(const struct period_policy *p, uint64_t now, uint64_t out[2])
{
	if (mcsec_period_number(&p->periods, now, &out[0]))
		return 0;
	out[1] = out[0] + 1;
	uint64_t left = mcsec_period_start(&p->periods, out[1]) - now; /* at least 1: the end is exclusive */
	return left <= p->preprovision && p->max_future > 0 ? 2 : 1;
}

enum mcsec_err period_at(const struct period_policy *p, uint64_t now, uint64_t at, uint64_t *out)
{
	uint64_t current;
	if (mcsec_period_number(&p->periods, now, &current) || mcsec_period_number(&p->periods, at, out))
		return MCSEC_E_VALUE;
	int allowed = *out <= current ? current - *out <= p->max_past : *out - current <= p->max_future;
	return allowed ? MCSEC_OK : MCSEC_E_VALUE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* admit.c - see admit.h. */
#include "kms/admit.h"

#include "sec/base/check.h"

enum { HOUR_S = 3600 };

static void settle(struct kms_user *u, int64_t now, uint64_t current)
{
	int64_t hour = now - now % HOUR_S;
	if (u->hour != hour)
		u->hour = hour, u->hour_count = 0;
	if (u->in_period != (int64_t)current)
		u->in_period = (int64_t)current, u->period_count = 0;
}

enum kms_admission kms_admit(struct kms_user *u, const struct kms_admit_rules *r, int64_t now, uint64_t current)
{
	settle(u, now, current);
	if (MCX_FAULT(kms.suspended, u->state == KMS_USER_SUSPENDED))
		return KMS_ADMIT_SUSPENDED;
	if (MCX_FAULT(kms.revoked, u->state == KMS_USER_REVOKED))
		return KMS_ADMIT_REVOKED;
	if (MCX_FAULT(kms.not_enrolled, u->state == KMS_USER_UNKNOWN && r->listed))
		return KMS_ADMIT_NOT_ENROLLED;
	int within = (!r->limit_hour || u->hour_count < r->limit_hour) &&
		     (!r->limit_period || u->period_count < r->limit_period);
	return MCX_CHECK(size.key_sets, within) ? KMS_ADMIT_OK : KMS_ADMIT_TOO_OFTEN;
}

void kms_admitted(struct kms_user *u, int64_t now, uint64_t highest)
{
	if (u->state == KMS_USER_UNKNOWN)
		u->created = now;
	u->state = KMS_USER_ACTIVE;
	u->last_seen = now;
	u->last_period = (int64_t)highest > u->last_period ? (int64_t)highest : u->last_period;
	u->hour_count++;
	u->period_count++;
}

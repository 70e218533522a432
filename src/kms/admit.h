/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.h - may this identity have keys now (kms.md 4.2, 15A rows 14, 16)? Pure: the user's row, the operator's rules
 * and the time in, a verdict and the counted row out.
 */
#ifndef MCX_KMS_ADMIT_H
#define MCX_KMS_ADMIT_H

#include "kms/db.h"

struct kms_admit_rules {
	int listed;                       /* only identities that an administrator enrolled */
	int64_t limit_hour, limit_period; /* requests of an identity; 0: no limit */
};

enum kms_admission {
	KMS_ADMIT_OK,
	KMS_ADMIT_SUSPENDED,
	KMS_ADMIT_REVOKED, /* it is told so with a revoked key set */
	KMS_ADMIT_NOT_ENROLLED,
	KMS_ADMIT_TOO_OFTEN,
};

/* now: Unix seconds; current: the key period of now. Counts of another hour or period begin anew in *u. */
enum kms_admission kms_admit(struct kms_user *u, const struct kms_admit_rules *r, int64_t now, uint64_t current);
/* Keys up to this period were issued: what the row says from then on. */
void kms_admitted(struct kms_user *u, int64_t now, uint64_t highest);

#endif

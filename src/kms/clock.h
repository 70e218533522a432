/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - may keys be issued by what the clock says (kms.md 15A row 21)? Pure: both clocks come in.
 *
 * A wall clock that is set lets us hand out keys of a wrong period. The guard compares it with a clock that nobody sets
 * (CLOCK_BOOTTIME): their difference changes only when the wall clock is stepped. A step within one key period is taken
 * and reported; one that crosses a period's edge holds the issue until the clock is back on its side of the edge or
 * an officer says that the new time is right. Over a restart the last record's time takes the place of the other clock.
 */
#ifndef MCX_KMS_CLOCK_H
#define MCX_KMS_CLOCK_H

#include "mcsec/uid.h"

#define KMS_CLOCK_TOLERANCE_NS INT64_C(1000000000) /* a leap second is no step */

enum kms_clock_verdict { KMS_CLOCK_STEADY, KMS_CLOCK_STEPPED, KMS_CLOCK_HELD };

struct kms_clock_guard {
	int64_t offset_ns; /* wall minus boot clock, as accepted */
	int held;
	int64_t step_ns; /* the last step, and when (boot clock; 0: none yet) */
	int64_t step_at_ns;
};

/* recorded_ns: Unix time of the newest record, 0 without. All times in nanoseconds; wall is Unix time. */
void kms_clock_start(struct kms_clock_guard *g, const struct mcsec_periods *p, int64_t wall_ns, int64_t boot_ns,
		     int64_t recorded_ns);
/* HELD: nothing may be issued. STEPPED is said once a step, STEADY and HELD each time. */
enum kms_clock_verdict kms_clock_see(struct kms_clock_guard *g, const struct mcsec_periods *p, int64_t wall_ns,
				     int64_t boot_ns);
/* An officer: the wall clock is right as it is. */
void kms_clock_accept(struct kms_clock_guard *g, int64_t wall_ns, int64_t boot_ns);

#endif

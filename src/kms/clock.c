/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - see clock.h. */
#include "kms/clock.h"

/* Before the first period there is none: as if it were another one. */
static int same_period(const struct mcsec_periods *p, int64_t a_ns, int64_t b_ns)
{
	uint64_t a, b;
	int64_t s = 1000000000;
	return a_ns >= 0 && b_ns >= 0 && !mcsec_period_number(p, (uint64_t)(a_ns / s) + MCSEC_NTP_UNIX, &a) &&
	       !mcsec_period_number(p, (uint64_t)(b_ns / s) + MCSEC_NTP_UNIX, &b) && a == b;
}

static int is_step(int64_t ns)
{
	return ns > KMS_CLOCK_TOLERANCE_NS || ns < -KMS_CLOCK_TOLERANCE_NS;
}

static void note_step(struct kms_clock_guard *g, int64_t step_ns, int64_t boot_ns)
{
	g->step_ns = step_ns;
	g->step_at_ns = boot_ns ? boot_ns : 1;
}

void kms_clock_start(struct kms_clock_guard *g, const struct mcsec_periods *p, int64_t wall_ns, int64_t boot_ns,
		     int64_t recorded_ns)
{
	*g = (struct kms_clock_guard){.offset_ns = wall_ns - boot_ns};
	if (!is_step(wall_ns - recorded_ns) || wall_ns > recorded_ns)
		return;
	note_step(g, wall_ns - recorded_ns, boot_ns);
	if (!same_period(p, wall_ns, recorded_ns)) {
		g->offset_ns = recorded_ns - boot_ns;
		g->held = 1;
	}
}

enum kms_clock_verdict kms_clock_see(struct kms_clock_guard *g, const struct mcsec_periods *p, int64_t wall_ns,
				     int64_t boot_ns)
{
	int64_t expected = boot_ns + g->offset_ns, step = wall_ns - expected;
	if (!is_step(step)) {
		g->held = 0;
		return KMS_CLOCK_STEADY;
	}
	if (same_period(p, wall_ns, expected)) {
		note_step(g, step, boot_ns);
		g->offset_ns = wall_ns - boot_ns;
		g->held = 0;
		return KMS_CLOCK_STEPPED;
	}
	if (!g->held)
		note_step(g, step, boot_ns);
	g->held = 1;
	return KMS_CLOCK_HELD;
}

void kms_clock_accept(struct kms_clock_guard *g, int64_t wall_ns, int64_t boot_ns)
{
	g->offset_ns = wall_ns - boot_ns;
	g->held = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_kms_watch.c - the rules of the clock and of the alarms, without a clock (kms.md 15A rows 20, 21). */
#include "unit/test.h"

#include "kms/alarm.h"
#include "kms/clock.h"

#define S    INT64_C(1000000000)
#define DAY  (86400 * S)
#define EDGE ((INT64_C(1388) * 2592000 - 2208988800) * S) /* first second of period 1388, Unix nanoseconds */

static const struct mcsec_periods periods = {2592000, 0};

static struct kms_clock_guard guard_at(int64_t wall)
{
	struct kms_clock_guard g;
	kms_clock_start(&g, &periods, wall, 5 * S, wall - 10 * S);
	return g;
}

static enum kms_clock_verdict see(struct kms_clock_guard *g, int64_t wall, int64_t boot)
{
	return kms_clock_see(g, &periods, wall, boot);
}

static void time_that_runs_passes_an_edge_without_a_hold(void **state)
{
	(void)state;
	struct kms_clock_guard g = guard_at(EDGE - 3 * S);
	for (int64_t t = -3; t < 400 * 86400; t += t < 10 ? 1 : 3600)
		assert_int_equal(see(&g, EDGE + t * S, 8 * S + t * S), KMS_CLOCK_STEADY);
}

static void a_step_over_an_edge_holds_in_both_directions(void **state)
{
	(void)state;
	static const int64_t steps[] = {-2 * DAY, 31 * DAY, -31 * DAY, 400 * DAY};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct kms_clock_guard g = guard_at(EDGE + DAY);
		assert_int_equal(see(&g, EDGE + DAY + steps[i], 5 * S), KMS_CLOCK_HELD);
		assert_int_equal(see(&g, EDGE + DAY + steps[i] + 3600 * S, 5 * S + 3600 * S), KMS_CLOCK_HELD);
		assert_int_equal(g.step_ns, steps[i]);
	}
}

static void a_clock_that_comes_back_is_let_go(void **state)
{
	(void)state;
	struct kms_clock_guard g = guard_at(EDGE + DAY);
	assert_int_equal(see(&g, EDGE + 40 * DAY, 5 * S), KMS_CLOCK_HELD);
	assert_int_equal(see(&g, EDGE + DAY + 60 * S, 65 * S), KMS_CLOCK_STEADY);
	assert_int_equal(see(&g, EDGE + 40 * DAY, 65 * S), KMS_CLOCK_HELD);
	assert_int_equal(see(&g, EDGE + 2 * DAY, 65 * S), KMS_CLOCK_STEPPED); /* another time, but its own period */
	assert_int_equal(see(&g, EDGE + 2 * DAY + S, 66 * S), KMS_CLOCK_STEADY);
}

static void an_officer_lets_it_go(void **state)
{
	(void)state;
	struct kms_clock_guard g = guard_at(EDGE + DAY);
	assert_int_equal(see(&g, EDGE + 40 * DAY, 5 * S), KMS_CLOCK_HELD);
	kms_clock_accept(&g, EDGE + 40 * DAY, 5 * S);
	assert_int_equal(see(&g, EDGE + 40 * DAY + 7 * S, 12 * S), KMS_CLOCK_STEADY);
}

static void a_step_within_a_period_is_taken_and_said_once(void **state)
{
	(void)state;
	struct kms_clock_guard g = guard_at(EDGE + DAY);
	assert_int_equal(see(&g, EDGE + 2 * DAY, 5 * S), KMS_CLOCK_STEPPED);
	assert_int_equal(see(&g, EDGE + 2 * DAY, 5 * S), KMS_CLOCK_STEADY);
	assert_int_equal(see(&g, EDGE + 2 * DAY - 90 * S, 5 * S), KMS_CLOCK_STEPPED);
	assert_int_equal(g.step_ns, -90 * S);
}

static void a_leap_second_is_no_step_and_small_steps_add_up(void **state)
{
	(void)state;
	struct kms_clock_guard g = guard_at(EDGE - 2 * S);
	assert_int_equal(see(&g, EDGE - 2 * S + S, 5 * S), KMS_CLOCK_STEADY);
	assert_int_equal(see(&g, EDGE + S / 2, 5 * S + 3 * S / 2),
			 KMS_CLOCK_STEADY);                             /* one second ahead, over the edge */
	assert_int_equal(see(&g, EDGE + S / 2, 5 * S), KMS_CLOCK_HELD); /* two and a half are a step */
}

static void a_start_before_the_last_mark_holds_when_an_edge_lies_between(void **state)
{
	(void)state;
	struct kms_clock_guard g;
	kms_clock_start(&g, &periods, EDGE - DAY, 5 * S, EDGE + DAY);
	assert_int_equal(see(&g, EDGE - DAY + S, 6 * S), KMS_CLOCK_HELD);
	assert_int_equal(see(&g, EDGE + DAY + 5 * S, 7 * S), KMS_CLOCK_STEPPED); /* set right */
	kms_clock_start(&g, &periods, EDGE + DAY, 5 * S, EDGE + 2 * DAY);        /* the same period: only said */
	assert_int_equal(see(&g, EDGE + DAY, 5 * S), KMS_CLOCK_STEADY);
	assert_int_equal(g.step_ns, -DAY);
	kms_clock_start(&g, &periods, EDGE + 90 * DAY, 5 * S, EDGE); /* it was off for a while */
	assert_int_equal(see(&g, EDGE + 90 * DAY, 5 * S), KMS_CLOCK_STEADY);
	kms_clock_start(&g, &periods, EDGE, 5 * S, 0); /* never ran before */
	assert_int_equal(see(&g, EDGE, 5 * S), KMS_CLOCK_STEADY);
}

static void the_32_bit_seconds_wrap_is_no_step(void **state)
{
	(void)state;
	int64_t wrap = (INT64_C(4294967296) - 2208988800) * S;
	struct kms_clock_guard g = guard_at(wrap - 2 * S);
	assert_int_equal(see(&g, wrap - S, 6 * S), KMS_CLOCK_STEADY);
	assert_int_equal(see(&g, wrap, 7 * S), KMS_CLOCK_STEADY);
	assert_int_equal(see(&g, wrap + S, 8 * S), KMS_CLOCK_STEADY);
	/* 136 years back is what a 32-bit reader would make of it */
	assert_int_equal(see(&g, wrap - (INT64_C(4294967296) * S), 8 * S), KMS_CLOCK_HELD);
}

/* ---- alarms ---- */

static struct kms_facts all_well(void)
{
	return (struct kms_facts){.now = 1000000000,
				  .cert_ends = 1100000000,
				  .tls_ends = 1100000000,
				  .since_step_s = -1,
				  .to_period_end = 604800,
				  .window = 604800,
				  .since_failure_s = -1,
				  .since_anomaly_s = -1,
				  .running_s = 10000};
}

static void all_well_raises_nothing(void **state)
{
	(void)state;
	struct kms_facts f = all_well();
	assert_int_equal(kms_alarms(&f), 0);
	f.without_next = 5; /* the window has just begun */
	assert_int_equal(kms_alarms(&f), 0);
	f.revocation_age = INT64_MIN; /* none is configured */
	assert_int_equal(kms_alarms(&f), 0);
	f.revocation_age = -1;
	f.running_s = 5; /* just started */
	assert_int_equal(kms_alarms(&f), 0);
}

static void each_fact_raises_its_alarm_and_no_other(void **state)
{
	(void)state;
	struct kms_facts cases[KMS_ALARMS];
	for (size_t i = 0; i < KMS_ALARMS; i++)
		cases[i] = all_well();
	cases[KMS_ALARM_SEALED].sealed = 1;
	cases[KMS_ALARM_CERTIFICATE].cert_ends = 1000000000 + 29 * 86400;
	cases[KMS_ALARM_TLS].tls_ends = 1000000000 + 29 * 86400;
	cases[KMS_ALARM_CLOCK].clock_error_us = 1000001;
	cases[KMS_ALARM_CLOCK_EDGE].clock_held = 1;
	cases[KMS_ALARM_NOT_RENEWED].to_period_end = 302400;
	cases[KMS_ALARM_NOT_RENEWED].without_next = 1;
	cases[KMS_ALARM_ISSUE].since_failure_s = 0;
	cases[KMS_ALARM_KRR].since_anomaly_s = 86399;
	cases[KMS_ALARM_AUDIT].audit_bad = 1;
	cases[KMS_ALARM_REVOCATION_LIST].revocation_age = 61;
	cases[KMS_ALARM_CONFIGURATION].config_refused = 1;
	for (size_t i = 0; i < KMS_ALARMS; i++)
		assert_int_equal(kms_alarms(&cases[i]), 1u << i);
	struct kms_facts f = all_well();
	f.tls_refused = 1;
	assert_int_equal(kms_alarms(&f), 1u << KMS_ALARM_TLS);
	f = all_well();
	f.since_step_s = 3599;
	assert_int_equal(kms_alarms(&f), 1u << KMS_ALARM_CLOCK);
	f = all_well();
	f.revocation_age = -1; /* never read, long after the start */
	assert_int_equal(kms_alarms(&f), 1u << KMS_ALARM_REVOCATION_LIST);
}

static void the_names_of_the_alarms_are_stable(void **state)
{
	(void)state;
	static const char *const names[KMS_ALARMS] = {"sealed",          "certificate-expiry", "tls-certificate",
						      "clock",           "clock-edge",         "users-not-renewed",
						      "issue-failures",  "krr-anomaly",        "audit",
						      "revocation-list", "configuration"};
	for (unsigned i = 0; i < KMS_ALARMS; i++)
		assert_string_equal(kms_alarm_name((enum kms_alarm)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_that_runs_passes_an_edge_without_a_hold),
	    cmocka_unit_test(a_step_over_an_edge_holds_in_both_directions),
	    cmocka_unit_test(a_clock_that_comes_back_is_let_go),
	    cmocka_unit_test(an_officer_lets_it_go),
	    cmocka_unit_test(a_step_within_a_period_is_taken_and_said_once),
	    cmocka_unit_test(a_leap_second_is_no_step_and_small_steps_add_up),
	    cmocka_unit_test(a_start_before_the_last_mark_holds_when_an_edge_lies_between),
	    cmocka_unit_test(the_32_bit_seconds_wrap_is_no_step),
	    cmocka_unit_test(all_well_raises_nothing),
	    cmocka_unit_test(each_fact_raises_its_alarm_and_no_other),
	    cmocka_unit_test(the_names_of_the_alarms_are_stable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

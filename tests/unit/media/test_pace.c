/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After: whoever is refused gets a turn of their own, and a storm of clients is over as soon as the server can
 * be. */
#include "mcx/flow/pace.h"
#include "unit/test.h"

enum { SECOND = 1000000, CLIENTS = 20000, QUEUE = 256 };

static void turns_follow_each_other_as_fast_as_the_server_serves(void **state)
{
	(void)state;
	struct pace p;
	unsigned last = 0, per_second[60] = {0};
	pace_init(&p, 2);
	for (int i = 0; i < 1000; i++)
		pace_served(&p, 4000); /* two threads: 500 a second */
	for (int i = 0; i < 5000; i++) {
		unsigned after = pace_turn(&p, 7 * SECOND);
		assert_true(after >= PACE_FIRST_S && after >= last && after < 60);
		per_second[after]++;
		last = after;
	}
	for (unsigned s = PACE_FIRST_S + 1; s < last; s++)
		assert_in_range(per_second[s], 390, 410);
}

static void nobody_comes_sooner_than_a_second_or_later_than_two_minutes(void **state)
{
	(void)state;
	struct pace p;
	pace_init(&p, 1);
	for (int i = 0; i < 1000; i++)
		pace_served(&p, 900000);
	for (int i = 0; i < 1000; i++)
		assert_in_range(pace_turn(&p, 0), PACE_FIRST_S, PACE_LAST_S);
}

static void turns_that_nobody_took_are_not_kept(void **state)
{
	(void)state;
	struct pace p;
	pace_init(&p, 1);
	for (int i = 0; i < 10000; i++)
		(void)pace_turn(&p, 0);
	assert_int_equal(pace_turn(&p, 1000 * (int64_t)SECOND), PACE_FIRST_S);
}

static void one_job_that_waited_for_a_disk_changes_little(void **state)
{
	(void)state;
	struct pace p;
	pace_init(&p, 1);
	for (int i = 0; i < 1000; i++)
		pace_served(&p, 2000);
	pace_served(&p, 3600 * (int64_t)SECOND);
	assert_in_range(p.cost_us, 2000, 2000 + SECOND / 32);
}

/* A server that serves one in 2 ms and keeps QUEUE waiting; every client comes within the second it was told. */
static void a_storm_of_twenty_thousand_is_over_within_one_and_a_half_times_what_the_work_takes(void **state)
{
	(void)state;
	static int64_t due_ms[CLIENTS];
	struct pace p;
	pace_init(&p, 1);
	size_t left = CLIENTS, waiting = 0, refused = 0;
	int64_t ms = 0;
	for (; left; ms++) {
		for (size_t i = 0; i < CLIENTS; i++) {
			if (due_ms[i] < 0 || due_ms[i] > ms)
				continue;
			if (waiting < QUEUE) {
				due_ms[i] = -1;
				waiting++;
				continue;
			}
			due_ms[i] = ms + 1000 * (int64_t)pace_turn(&p, ms * 1000) + (int64_t)(i * 389 % 1000);
			refused++;
		}
		if (ms % 2 && waiting) {
			pace_served(&p, 2000);
			waiting--;
			left--;
		}
		assert_true(ms < 100 * 2 * CLIENTS);
	}
	assert_true(2 * ms <= 3 * 2 * CLIENTS);
	assert_true(refused < 2 * CLIENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(turns_follow_each_other_as_fast_as_the_server_serves),
	    cmocka_unit_test(nobody_comes_sooner_than_a_second_or_later_than_two_minutes),
	    cmocka_unit_test(turns_that_nobody_took_are_not_kept),
	    cmocka_unit_test(one_job_that_waited_for_a_disk_changes_little),
	    cmocka_unit_test(a_storm_of_twenty_thousand_is_over_within_one_and_a_half_times_what_the_work_takes),
	};
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A roll of all CSKs by key download at a whole server, with calls up, some 200s lost and somebody off: counts and
 * invariants. The same with 1,000 clients and times is bench_roll of `make bench`.
 */
#include "e2e/server_crowd.h"

enum { CLIENTS = 40, CALLS = 4, LOST = 5, OFF = 1 };

static struct roll roll = {.calls = CALLS, .lost = LOST, .off = OFF, .prove = 1};

static void every_client_and_the_server_end_with_one_csk(void **state)
{
	(void)state;
	assert_int_equal(roll.agreed, CLIENTS);
	assert_int_equal(roll.replaced, CLIENTS - OFF); /* who was off uploaded anew */
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 0);
}

static void no_call_is_dropped_and_its_control_signalling_goes_on_under_the_new_keys(void **state)
{
	(void)state;
	assert_int_equal(roll.dropped, 0);
	for (size_t i = 0; i < 2 * CALLS; i++) {
		assert_int_equal(crowd[i].replaced, 1);
		assert_true(crowd[i].answers_new > 0);
	}
}

static void a_lost_200_is_made_good_by_what_the_client_sends_next_and_nothing_is_sent_twice(void **state)
{
	(void)state;
	size_t silent = 0;
	for (size_t i = 0; i < CLIENTS; i++) {
		silent += crowd[i].silent != 0;
		if (crowd[i].silent)
			assert_int_equal(crowd[i].messages, 1);
	}
	assert_int_equal(silent, LOST);
}

static int set_up(void **state)
{
	(void)state;
	crowd_begin(CLIENTS, MCSEC_RSK_TABLES);
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.csk_grace_s = 32;
	bed_on_body = bed_protect;
	bed_start();
	crowd_register(0, CLIENTS, 10);
	for (size_t i = 0; i < 2 * CALLS; i++)
		bed_user(crowd[i].ua.mcptt_id, i % 2 ? "automatic" : "manual", 1, 1);
	for (size_t i = 0; i < 2 * CALLS; i += 2)
		crowd_call(&crowd[i], &crowd[i + 1]);
	crowd_roll(&roll);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_stop();
	crowd_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_client_and_the_server_end_with_one_csk),
	    cmocka_unit_test(no_call_is_dropped_and_its_control_signalling_goes_on_under_the_new_keys),
	    cmocka_unit_test(a_lost_200_is_made_good_by_what_the_client_sends_next_and_nothing_is_sent_twice),
	};
	return cmocka_run_group_tests_name("server_roll", tests, set_up, tear_down);
}

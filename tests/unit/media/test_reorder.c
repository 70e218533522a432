/* SPDX-License-Identifier: Apache-2.0 */
/* Packets back in the order of their sequence numbers: waited for, given up in time, never twice. */
#include "unit/test.h"

#include "mcx/media/reorder.h"

static struct reorder *r;
static char came[256];

/* Everything that may come out at that time: letters, and a number for what is missing before one. */
static const char *taken(int64_t now)
{
	struct octets p;
	unsigned lost;
	size_t n = 0;
	came[0] = 0;
	while (reorder_next(r, now, &p, &lost)) {
		if (lost)
			n += (size_t)snprintf(came + n, sizeof came - n, "%u", lost);
		n += (size_t)snprintf(came + n, sizeof came - n, "%.*s", (int)p.len, (const char *)p.p);
	}
	return came;
}

static enum reorder_put put(int seq, const char *text, int64_t now)
{
	return reorder_put(r, (uint16_t)seq, octets_of(text), now);
}

static int begin(void **state)
{
	(void)state;
	r = reorder_new();
	return r ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	reorder_free(r);
	return 0;
}

static void packets_in_order_come_out_at_once_over_the_end_of_the_numbers(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		const char text[] = {(char)('a' + i), 0};
		assert_int_equal(put(0xfffd + i, text, 0), REORDER_KEPT);
		assert_string_equal(taken(0), text);
	}
}

static void a_packet_that_comes_late_takes_its_place(void **state)
{
	(void)state;
	put(10, "a", 0);
	assert_string_equal(taken(0), "a");
	put(13, "d", 0);
	put(12, "c", 1);
	assert_string_equal(taken(REORDER_WAIT_MS - 1), "");
	put(11, "b", 2);
	assert_string_equal(taken(2), "bcd");
}

static void a_packet_that_does_not_come_is_told_as_lost_in_time(void **state)
{
	(void)state;
	put(10, "a", 0);
	assert_string_equal(taken(0), "a");
	put(13, "d", 5);
	assert_string_equal(taken(5 + REORDER_WAIT_MS - 1), "");
	assert_string_equal(taken(5 + REORDER_WAIT_MS), "2d");
	assert_int_equal(put(11, "b", 300), REORDER_LATE);
	put(15, "f", 300);
	reorder_finish(r);
	assert_string_equal(taken(300), "1f");
}

static void more_than_can_wait_gives_the_missing_one_up(void **state)
{
	(void)state;
	put(0, "a", 0);
	assert_string_equal(taken(0), "a");
	for (int i = 0; i < REORDER_DEPTH; i++) {
		put(2 + i, "x", 0);
		assert_string_equal(taken(0), "");
	}
	assert_int_equal(put(100, "y", 0), REORDER_KEPT);
	assert_int_equal(put(101, "z", 0), REORDER_FULL);
	assert_int_equal(taken(0)[0], '1');
	assert_int_equal(strlen(came), 1 + REORDER_DEPTH); /* y waits for what is missing before it */
	assert_string_equal(taken(REORDER_WAIT_MS), "66y");
}

/* A dead way of minutes: the stream has gone on. */
static void after_more_than_half_of_all_numbers_the_order_begins_anew(void **state)
{
	(void)state;
	put(100, "a", 0);
	assert_string_equal(taken(0), "a");
	assert_int_equal(put(101 + 40000, "b", 90000), REORDER_KEPT);
	assert_string_equal(taken(90000), "40000b");
	put(102 + 40000, "c", 90001);
	assert_string_equal(taken(90001), "c");
	assert_int_equal(put(40000, "x", 90001), REORDER_LATE); /* by a little is late, as ever */
	put(105 + 40000, "f", 90001);
	assert_int_equal(put(20000, "y", 90001), REORDER_LATE); /* while one waits, its turn is first */
}

static void a_packet_twice_comes_out_once(void **state)
{
	(void)state;
	put(7, "a", 0);
	assert_string_equal(taken(0), "a");
	assert_int_equal(put(7, "a", 0), REORDER_LATE);
	put(9, "c", 0);
	assert_int_equal(put(9, "c", 0), REORDER_DUPLICATE);
	put(8, "b", 0);
	assert_string_equal(taken(0), "bc");
}

static void a_packet_of_no_octets_or_too_many_is_refused(void **state)
{
	(void)state;
	static uint8_t big[REORDER_MAX_PACKET + 1];
	assert_int_equal(put(1, "", 0), REORDER_REFUSED);
	assert_int_equal(reorder_put(r, 1, OCTETS(big), 0), REORDER_REFUSED);
	assert_int_equal(reorder_put(r, 1, (struct octets){big, REORDER_MAX_PACKET}, 0), REORDER_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(packets_in_order_come_out_at_once_over_the_end_of_the_numbers, begin, end),
	    cmocka_unit_test_setup_teardown(a_packet_that_comes_late_takes_its_place, begin, end),
	    cmocka_unit_test_setup_teardown(a_packet_that_does_not_come_is_told_as_lost_in_time, begin, end),
	    cmocka_unit_test_setup_teardown(more_than_can_wait_gives_the_missing_one_up, begin, end),
	    cmocka_unit_test_setup_teardown(after_more_than_half_of_all_numbers_the_order_begins_anew, begin, end),
	    cmocka_unit_test_setup_teardown(a_packet_twice_comes_out_once, begin, end),
	    cmocka_unit_test_setup_teardown(a_packet_of_no_octets_or_too_many_is_refused, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

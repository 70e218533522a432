/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms: each is said once with its stable name, and cleared once; what makes a step of the clock. */
#include <fcntl.h>
#include <unistd.h>

#include "app/alarm.h"
#include "app/log.h"
#include "unit/test.h"

/* What went to standard error while fn ran. */
static char *said(void (*fn)(void))
{
	static char text[8192];
	char path[] = "/tmp/mcx-alarm-XXXXXX";
	int file = mkstemp(path), real = dup(2);
	assert_true(file >= 0 && real >= 0);
	dup2(file, 2);
	fn();
	dup2(real, 2);
	ssize_t n = pread(file, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = 0;
	close(file);
	close(real);
	unlink(path);
	return text;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;
	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void raise_thrice_and_clear_twice(void)
{
	for (int i = 0; i < 3; i++)
		alarm_raise(ALARM_DATABASE, "full: database or disk is full");
	for (int i = 0; i < 2; i++)
		alarm_clear(ALARM_DATABASE);
}

static void an_alarm_is_said_once_and_cleared_once(void **state)
{
	(void)state;
	log_open("test", LOG_LEVEL_INFO);
	const char *text = said(raise_thrice_and_clear_twice);
	assert_int_equal(count(text, "\"name\":\"database\""), 2);
	assert_int_equal(
	    count(text,
		  "\"event\":\"alarm.raised\",\"name\":\"database\",\"detail\":\"full: database or disk is full\""),
	    1);
	assert_int_equal(count(text, "\"event\":\"alarm.cleared\""), 1);
	assert_false(alarm_is_raised(ALARM_DATABASE));
	text = said(raise_thrice_and_clear_twice); /* and the next time anew */
	assert_int_equal(count(text, "\"event\":\"alarm.raised\""), 1);
}

static void the_names_are_the_documented_ones(void **state)
{
	(void)state;
	assert_string_equal(alarm_name(ALARM_CLOCK), "clock");
	assert_string_equal(alarm_name(ALARM_DATABASE), "database");
	assert_string_equal(alarm_name(ALARM_DESCRIPTORS), "descriptors");
	assert_string_equal(alarm_name(ALARM_AUDIT), "audit");
}

static void a_clock_that_both_go_on_with_has_not_stepped(void **state)
{
	(void)state;
	struct alarm_clock a = {1000000, 500}, slow = {1090000, 90500}, ahead = {4600000 + 1000, 1500},
			   back = {1000000 - 7200000 + 1000, 1500};
	assert_int_equal(alarm_clock_step(&a, &slow), 0); /* we were not scheduled for 90 s */
	assert_int_equal(alarm_clock_step(&a, &ahead), 3600000);
	assert_int_equal(alarm_clock_step(&a, &back), -7200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_alarm_is_said_once_and_cleared_once),
	    cmocka_unit_test(the_names_are_the_documented_ones),
	    cmocka_unit_test(a_clock_that_both_go_on_with_has_not_stepped),
	};
	return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}

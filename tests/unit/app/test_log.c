/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: valid JSON whatever the fields hold, bounded, one line each. */
#include "unit/test.h"

#include <jansson.h>

#include "app/log.h"

static char line[LOG_LINE_MAX];

static json_t *format(const struct log_field *fields, size_t n)
{
	size_t len = log_format(line, sizeof line, "mcx-kms", LOG_LEVEL_WARN, 1767225600123, "kms.refuse", fields, n);
	assert_int_equal(len, strlen(line));
	assert_null(strchr(line, '\n'));
	json_t *root = json_loads(line, 0, NULL);
	if (!root)
		fail_msg("not JSON: %s", line);
	return root;
}

static const char *text_of(json_t *root, const char *key)
{
	const char *v = json_string_value(json_object_get(root, key));
	return v ? v : "(none)";
}

static void a_line_carries_time_level_who_event_and_fields(void **state)
{
	(void)state;
	struct log_field f[] = {log_text("peer", "127.0.0.1"), log_int("status", 403)};
	json_t *root = format(f, 2);
	assert_string_equal(text_of(root, "time"), "2026-01-01T00:00:00.123Z");
	assert_string_equal(text_of(root, "level"), "warn");
	assert_string_equal(text_of(root, "who"), "mcx-kms");
	assert_string_equal(text_of(root, "event"), "kms.refuse");
	assert_string_equal(text_of(root, "peer"), "127.0.0.1");
	assert_int_equal(json_integer_value(json_object_get(root, "status")), 403);
	json_decref(root);
}

static void hostile_text_cannot_break_or_forge_a_line(void **state)
{
	(void)state;
	struct log_field f[] = {log_text("a", "x\"}\n{\"level\":\"info"), log_text("b", "\xff\xfe\x01"),
				log_text("c", "\xc3\xa4")};
	json_t *root = format(f, 3);
	assert_string_equal(text_of(root, "a"), "x\"}\n{\"level\":\"info");
	assert_string_equal(text_of(root, "b"), "??\x01");
	assert_string_equal(text_of(root, "c"), "\xc3\xa4");
	json_decref(root);
}

static void a_long_value_of_three_octet_characters_is_cut_at_one(void **state)
{
	(void)state;
	char value[LOG_VALUE_MAX + 2] = "";
	for (size_t i = 0; i + 3 < sizeof value; i += 3)
		memcpy(value + i, "\xe2\x82\xac", 4); /* the last one lies across the limit */
	struct log_field f = log_text("v", value);
	json_t *root = format(&f, 1);
	assert_int_equal(strlen(text_of(root, "v")), LOG_VALUE_MAX / 3 * 3);
	assert_null(strchr(text_of(root, "v"), '?'));
	json_decref(root);
}

static void a_long_value_is_cut_at_a_character(void **state)
{
	(void)state;
	char value[2 * LOG_VALUE_MAX + 1] = "x";
	for (size_t i = 1; i + 1 < sizeof value; i += 2)
		memcpy(value + i, "\xc3\xa4", 2);
	value[sizeof value - 2] = '\0';
	json_t *root = format(&(struct log_field){.key = "v", .text = value}, 1);
	assert_int_equal(strlen(text_of(root, "v")), LOG_VALUE_MAX - 1);
	json_decref(root);
}

static void too_many_fields_leave_valid_json_that_says_cut(void **state)
{
	(void)state;
	char value[LOG_VALUE_MAX + 1];
	memset(value, '\n', LOG_VALUE_MAX);
	value[LOG_VALUE_MAX] = '\0';
	struct log_field f[4];
	for (size_t i = 0; i < 4; i++)
		f[i] = log_text("v", value);
	json_t *root = format(f, 4);
	assert_true(json_is_true(json_object_get(root, "cut")));
	json_decref(root);
}

static void only_known_level_names_are_taken(void **state)
{
	(void)state;
	assert_int_equal(log_level_of("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_of("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_of("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_carries_time_level_who_event_and_fields),
	    cmocka_unit_test(hostile_text_cannot_break_or_forge_a_line),
	    cmocka_unit_test(a_long_value_of_three_octet_characters_is_cut_at_one),
	    cmocka_unit_test(a_long_value_is_cut_at_a_character),
	    cmocka_unit_test(too_many_fields_leave_valid_json_that_says_cut),
	    cmocka_unit_test(only_known_level_names_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

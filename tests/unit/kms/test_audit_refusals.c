/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit_refusals.c - a flood of refusals costs few records, and every refusal is in one of them. */
#include "audit/record.h"
#include "audit/refusals.h"
#include "sec/base/text.h"
#include "unit/kms/scratch.h"

static struct scratch scratch;
static struct store *store;
static struct audit *audit;
static struct audit_refusals *refusals;
static int64_t now;

static int set_up(void **state)
{
	(void)state;
	const char *const migrations[] = {audit_migration};
	char err[256];
	scratch_make(&scratch);
	struct store_options o = {
	    .path = scratch_path(&scratch, "db"), .migrations = migrations, .n_migrations = 1, .busy_timeout_ms = 50};
	assert_int_equal(store_open(&store, &o, err, sizeof err), STORE_OK);
	assert_int_equal(audit_open(&audit, store, "test"), STORE_OK);
	refusals = audit_refusals_new();
	assert_non_null(refusals);
	now = 1000000;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	audit_refusals_free(refusals);
	audit_close(audit);
	store_close(store);
	scratch_remove(&scratch);
	return 0;
}

/* How many of n refusals are to be written one by one. */
static unsigned flood(const char *type, const char *source, unsigned n)
{
	unsigned written = 0;
	for (unsigned i = 0; i < n; i++)
		written += (unsigned)audit_refusals_note(refusals, 'X', type, source, now);
	return written;
}

static enum store_err write_due(int all)
{
	return audit_refusals_write(refusals, audit, store, now, INT64_C(1790000000000000000), all);
}

/* The whole record as text, a line each. */
static char *exported(void)
{
	static char text[200000];
	char reason[128];
	text[0] = 0;
	FILE *f = fmemopen(text, sizeof text - 1, "w");
	assert_int_equal(audit_export(scratch_path(&scratch, "db"), 1, 0, f, reason, sizeof reason), 0);
	fclose(f);
	return text;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* The sum of all "count" details. */
static unsigned long sum_of_counts(const char *text)
{
	unsigned long sum = 0;
	for (const char *at = text; (at = strstr(at, "\"count\":\"")); at++)
		sum += strtoul(at + 9, NULL, 10);
	return sum;
}

static void the_first_refusals_of_a_source_are_written_and_the_rest_is_one_record_with_a_count(void **state)
{
	(void)state;
	assert_int_equal(flood("token.refuse", "192.0.2.7", 1000), AUDIT_REFUSALS_EACH);
	assert_false(audit_refusals_due(refusals, now, 0));
	now += AUDIT_REFUSALS_WINDOW_MS;
	assert_true(audit_refusals_due(refusals, now, 0));
	assert_int_equal(write_due(0), STORE_OK);
	const char *text = exported();
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "\"type\":\"token.refuse\""));
	assert_non_null(strstr(text, "\"outcome\":\"refused\""));
	assert_non_null(strstr(text, "\"count\":\"995\""));
	assert_non_null(strstr(text, "\"seconds\":\"10\""));
	assert_non_null(strstr(text, "\"source\":\"192.0.2.7\""));
	assert_false(audit_refusals_due(refusals, now, 1));
}

static void sources_and_types_do_not_use_up_each_others_records(void **state)
{
	(void)state;
	assert_int_equal(flood("token.refuse", "192.0.2.7", 50), AUDIT_REFUSALS_EACH);
	assert_int_equal(flood("token.refuse", "192.0.2.8", 1), 1);
	assert_int_equal(flood("auth.fail", "192.0.2.7", 1), 1);
}

static void a_source_that_was_quiet_for_a_window_is_written_one_by_one_again(void **state)
{
	(void)state;
	assert_int_equal(flood("auth.fail", "192.0.2.7", AUDIT_REFUSALS_EACH), AUDIT_REFUSALS_EACH);
	now += AUDIT_REFUSALS_WINDOW_MS - 1;
	assert_int_equal(flood("auth.fail", "192.0.2.7", 1), 0);
	now += AUDIT_REFUSALS_WINDOW_MS;
	assert_int_equal(write_due(0), STORE_OK);
	now += AUDIT_REFUSALS_WINDOW_MS;
	assert_int_equal(flood("auth.fail", "192.0.2.7", 2), 2);
}

static void many_sources_cost_a_bounded_number_of_records_and_no_refusal_is_missing(void **state)
{
	(void)state;
	enum { SOURCES = 5000, EACH = 3 };
	unsigned long written = 0;
	for (unsigned i = 0; i < SOURCES; i++) {
		char source[32];
		snprintf(source, sizeof source, "10.0.%u.%u", i / 250, i % 250);
		written += flood("token.refuse", source, EACH);
	}
	assert_int_equal(written, AUDIT_REFUSALS_ALL);
	now += AUDIT_REFUSALS_WINDOW_MS;
	assert_int_equal(write_due(0), STORE_OK);
	const char *text = exported();
	assert_in_range(lines(text), 1, AUDIT_REFUSALS_PLACES + 1);
	assert_non_null(strstr(text, "\"source\":\"others\""));
	assert_int_equal(written + sum_of_counts(text), SOURCES * EACH);
}

static void what_cannot_be_written_stays_counted(void **state)
{
	(void)state;
	unsigned written = flood("token.refuse", "192.0.2.7", 40);
	now += AUDIT_REFUSALS_WINDOW_MS;
	assert_int_equal(store_run(store, "PRAGMA query_only=1"), STORE_OK);
	assert_int_not_equal(write_due(0), STORE_OK);
	assert_true(audit_refusals_due(refusals, now, 1));
	audit_refusals_count(refusals, 'X', "token.refuse", "192.0.2.7", now); /* one whose own record failed */
	assert_int_equal(store_run(store, "PRAGMA query_only=0"), STORE_OK);
	assert_int_equal(write_due(1), STORE_OK);
	assert_int_equal(written + sum_of_counts(exported()), 41);
}

static void at_the_end_everything_counted_is_written(void **state)
{
	(void)state;
	flood("token.refuse", "192.0.2.7", 6);
	flood("auth.fail", "192.0.2.8", 7);
	assert_int_equal(write_due(0), STORE_OK);
	assert_int_equal(sum_of_counts(exported()), 0);
	assert_int_equal(write_due(1), STORE_OK);
	assert_int_equal(sum_of_counts(exported()), 1 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_first_refusals_of_a_source_are_written_and_the_rest_is_one_record_with_a_count, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(sources_and_types_do_not_use_up_each_others_records, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_source_that_was_quiet_for_a_window_is_written_one_by_one_again, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(many_sources_cost_a_bounded_number_of_records_and_no_refusal_is_missing,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_written_stays_counted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(at_the_end_everything_counted_is_written, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("audit_refusals", tests, NULL, NULL);
}

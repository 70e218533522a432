/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text a table of metrics gives. */
#include "unit/test.h"

#include "app/metrics.h"

static void rows_of_one_name_share_help_and_type(void **state)
{
	(void)state;
	struct metric table[] = {
	    {"mcx_kms_issued_total", "Key sets issued", NULL, METRIC_COUNTER, 0},
	    {"mcx_kms_refused_total", "Requests refused", "reason=\"token\"", METRIC_COUNTER, 0},
	    {"mcx_kms_refused_total", "Requests refused", "reason=\"body\"", METRIC_COUNTER, 0},
	    {"mcx_kms_period_ends_seconds", "Until the key period ends", NULL, METRIC_GAUGE, 0},
	};
	metric_add(&table[0], 2);
	metric_add(&table[2], 1);
	metric_set(&table[3], -5);
	char *text = metrics_render(table, 4, NULL, 0);
	assert_non_null(text);
	assert_string_equal(text, "# HELP mcx_kms_issued_total Key sets issued\n"
				  "# TYPE mcx_kms_issued_total counter\n"
				  "mcx_kms_issued_total 2\n"
				  "# HELP mcx_kms_refused_total Requests refused\n"
				  "# TYPE mcx_kms_refused_total counter\n"
				  "mcx_kms_refused_total{reason=\"token\"} 0\n"
				  "mcx_kms_refused_total{reason=\"body\"} 1\n"
				  "# HELP mcx_kms_period_ends_seconds Until the key period ends\n"
				  "# TYPE mcx_kms_period_ends_seconds gauge\n"
				  "mcx_kms_period_ends_seconds -5\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_one_name_share_help_and_type)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_http_failing.c - an HTTPS server and client on a machine that has no memory for one thing: what is configured to
 * be checked is checked, or there is no server. Each call for memory or a thread fails once, alone.
 */
#include "fuzz/failing.h"
#include "unit/net/http_bed.h"

enum { RUNS_MAX = 2000 };

/* A file that is not there stops every server that looks at it. */
static unsigned never_starts(const struct http_server_options *o, const char *file)
{
	unsigned runs = 0;
	int failed = 1;
	failing_forget();
	while (failed) {
		char err[256] = "";
		assert_in_range(++runs, 1, RUNS_MAX);
		failing_begin();
		struct http_server *s = http_server_start(o, err, sizeof err);
		failed = failing_end() != FAILING_NONE;
		if (s)
			fail_msg("run %u: a server that never looked at %s", runs, file);
		assert_int_not_equal(err[0], 0);
	}
	return runs;
}

static void no_failure_makes_a_server_that_checks_less_than_it_is_told_to(void **state)
{
	(void)state;
	static const char missing[] = "/nonexistent/list.pem";
	struct http_server_options o = options();
	o.client_ca_file = missing;
	assert_true(never_starts(&o, "its authority") > 5);
	o = options();
	o.client_crl_file = missing;
	assert_true(never_starts(&o, "the revocation list") > 5);
}

/* With each failure the client is whole, or there is none; what it then asks shows its certificate. */
static void no_failure_makes_a_client_without_its_certificate(void **state)
{
	(void)state;
	char ca[256], cert[256], key[256], resolve[64];
	unsigned runs = 0, clients = 0;
	int failed = 1;
	snprintf(ca, sizeof ca, "%s", lab_path(&lab, "ca.pem"));
	snprintf(cert, sizeof cert, "%s", lab_path(&lab, "nobody.pem"));
	snprintf(key, sizeof key, "%s", lab_path(&lab, "nobody.key"));
	snprintf(resolve, sizeof resolve, "kms.test:%u:127.0.0.1", http_server_port(server));
	const struct http_client_options o = {.ca_file = ca, .cert_file = cert, .key_file = key, .resolve = resolve};
	failing_forget();
	while (failed) {
		assert_in_range(++runs, 1, RUNS_MAX);
		failing_begin();
		struct http_client *c = http_client_new(&o);
		failed = failing_end() != FAILING_NONE;
		if (!c)
			continue;
		char url[100];
		struct http_answer a;
		snprintf(url, sizeof url, "https://kms.test:%u/", http_server_port(server));
		http_client_do(c, &(struct http_call){.method = "GET", .url = url}, &a);
		assert_int_equal(a.status,
				 0); /* its certificate is a file that is not there: it goes nowhere without */
		http_answer_free(&a);
		http_client_free(c);
		clients++;
	}
	assert_int_equal(clients, 1); /* the one for which nothing failed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_failure_makes_a_server_that_checks_less_than_it_is_told_to),
	    cmocka_unit_test(no_failure_makes_a_client_without_its_certificate),
	};
	return cmocka_run_group_tests_name("http_failing", tests, bed_set_up, bed_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: what is accepted, and that each refusal names file and line. */
#include "unit/test.h"

#include <unistd.h>

#include "app/config.h"

struct sample {
	char name[16];
	char key_file[64];
	int64_t port;
	int strict;
	struct config_list services;
};

static const struct config_option options[] = {
    {"name", CONFIG_TEXT, CONFIG_FIELD(struct sample, name), NULL, 0, 0},
    {"key_file", CONFIG_PATH, CONFIG_FIELD(struct sample, key_file), "tls.pem", 0, 0},
    {"port", CONFIG_INT, CONFIG_FIELD(struct sample, port), "8443", 0, 65535},
    {"strict", CONFIG_BOOL, CONFIG_FIELD(struct sample, strict), "true", 0, 0},
    {"services", CONFIG_LIST, CONFIG_FIELD(struct sample, services), NULL, 0, 0},
};

static char err[512];

static int load(const char *text, struct sample *out)
{
	char path[] = "/tmp/mcx-config-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	memset(out, 0, sizeof *out);
	int rc = config_load(path, options, sizeof options / sizeof *options, out, err, sizeof err);
	unlink(path);
	return rc;
}

static void values_and_defaults_are_filled_in(void **state)
{
	(void)state;
	struct sample s;
	assert_int_equal(load("name = \"kms\"\nservices = { \"ptt\", \"data\" }\n", &s), 0);
	assert_string_equal(s.name, "kms");
	assert_int_equal(s.port, 8443);
	assert_int_equal(s.strict, 1);
	assert_int_equal(s.services.n, 2);
	assert_string_equal(s.services.item[1], "data");
	assert_int_equal(load("name = kms\nport = 1 # comment\nstrict = false\n", &s), 0);
	assert_int_equal(s.port, 1);
	assert_int_equal(s.strict, 0);
	assert_int_equal(s.services.n, 0);
}

static void a_relative_path_is_taken_from_the_folder_of_the_file(void **state)
{
	(void)state;
	struct sample s;
	assert_int_equal(load("name = kms\n", &s), 0);
	assert_string_equal(s.key_file, "/tmp/tls.pem");
	assert_int_equal(load("name = kms\nkey_file = \"/etc/mcx/tls.pem\"\n", &s), 0);
	assert_string_equal(s.key_file, "/etc/mcx/tls.pem");
}

static void each_fault_is_refused_with_file_and_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *where, *why;
	} faults[] = {
	    {"name = kms\ncolour = red\n", ":2:", "colour"},
	    {"name = kms\nname = idms\n", ":2:", "twice"},
	    {"name = kms\n\nport = many\n", ":3:", "port"},
	    {"name = kms\nport = 65536\n", ":2:", "between 0 and 65535"},
	    {"name = kms\nport = -1\n", ":2:", "between 0 and 65535"},
	    {"name = kms\nstrict = perhaps\n", ":2:", "strict"},
	    {"name = \"0123456789abcdef\"\n", ":1:", "longer than 15"},
	    {"name = {\n", ":1:", ""},
	    {"port = 1\n", "/tmp/mcx-config-", "'name' is missing"},
	};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct sample s;
		assert_int_equal(load(faults[i].text, &s), -1);
		assert_non_null(strstr(err, "/tmp/mcx-config-"));
		if (!strstr(err, faults[i].where) || !strstr(err, faults[i].why))
			fail_msg("fault %zu said: %s", i, err);
	}
}

static void a_refusal_is_one_line_whatever_the_file_holds(void **state)
{
	(void)state;
	struct sample s;
	assert_int_equal(load("name = pem\"\nkey_file = \"a\nb\n", &s), -1);
	assert_null(strpbrk(err, "\r\n\t"));
	static const char nul[] = "\0\0\0\t";
	char path[] = "/tmp/mcx-config-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, nul, sizeof nul - 1), (ssize_t)sizeof nul - 1);
	close(fd);
	assert_int_equal(config_load(path, options, sizeof options / sizeof *options, &s, err, sizeof err), -1);
	assert_non_null(strstr(err, ":1: "));
	unlink(path);
}

static void a_missing_file_is_refused_by_name(void **state)
{
	(void)state;
	struct sample s;
	assert_int_equal(config_load("/nonexistent/kms.conf", options, 5, &s, err, sizeof err), -1);
	assert_non_null(strstr(err, "/nonexistent/kms.conf"));
}

static void a_reload_names_the_first_key_that_may_not_change(void **state)
{
	(void)state;
	static const char *const may[] = {"port"};
	struct sample was, same, port, name;
	assert_int_equal(load("name = a\nport = 1\nservices = { \"x\" }\n", &was), 0);
	assert_int_equal(load("name = a\nport = 1\nservices = { \"x\" }\n", &same), 0);
	assert_int_equal(load("name = a\nport = 2\nservices = { \"x\" }\n", &port), 0);
	assert_int_equal(load("name = b\nport = 2\nservices = { \"y\" }\n", &name), 0);
	assert_null(config_fixed_change(options, 5, &was, &same, NULL, 0));
	assert_null(config_fixed_change(options, 5, &was, &port, may, 1));
	assert_string_equal(config_fixed_change(options, 5, &was, &port, NULL, 0), "port");
	assert_string_equal(config_fixed_change(options, 5, &was, &name, may, 1), "name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_and_defaults_are_filled_in),
	    cmocka_unit_test(a_relative_path_is_taken_from_the_folder_of_the_file),
	    cmocka_unit_test(each_fault_is_refused_with_file_and_line),
	    cmocka_unit_test(a_refusal_is_one_line_whatever_the_file_holds),
	    cmocka_unit_test(a_missing_file_is_refused_by_name),
	    cmocka_unit_test(a_reload_names_the_first_key_that_may_not_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

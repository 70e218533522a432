/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_start.c - a server that cannot start as it is configured says in a sentence why, leaves no secret, no
 * thread and no port behind, and starts as soon as what was wrong is right.
 */
#include "e2e/server_bed.h"
#include "fuzz/failing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "mcsec/secret.h"

static struct server_config good;
static int taken_fd = -1;
static int64_t taken;
static char empty[300], other_key[300], passphrase[300];

static void no_suite(void)
{
	bed.cfg.suites[0] = 0;
}

static void no_list(void)
{
	strcpy(bed.cfg.suites, "0101 and more");
}

static void unknown_protection(void)
{
	strcpy(bed.cfg.protection, "maybe");
}

static void core_without_route(void)
{
	bed.cfg.core.n = 1;
	strcpy(bed.cfg.core.item[0], "core." ZONE);
}

static void list_without_certificate(void)
{
	strcpy(bed.cfg.revocations, "https://idms." ZONE "/revocations");
}

static void admin_port_taken(void)
{
	bed.cfg.admin_port = taken;
}

static void sips_port_taken(void)
{
	bed.cfg.sips_port = taken;
}

static void folder_without_certificate(void)
{
	strcpy(bed.cfg.tls_dir, empty);
}

static void admin_authority_missing(void)
{
	strcpy(bed.cfg.admin_ca, "/nonexistent/ca.pem");
}

static void database_in_no_folder(void)
{
	strcpy(bed.cfg.database, "/nonexistent/folder/db");
}

static void seal_key_lost(void) /* the database is there */
{
	strcpy(bed.cfg.seal_key, "/nonexistent/seal.key");
}

static void passphrase_missing(void)
{
	strcpy(bed.cfg.passphrase, "/nonexistent/passphrase");
}

static void seal_key_of_no_length(void)
{
	strcpy(bed.cfg.seal_key, other_key);
}

static void passphrase_for_a_bare_key(void)
{
	strcpy(bed.cfg.passphrase, passphrase);
}

static void no_redirect_key(void)
{
	strcpy(bed.cfg.krr_key, "/nonexistent/krr.pem");
}

static const struct row {
	void (*spoil)(void);
	const char *said; /* in the sentence */
} rows[] = {
    {no_suite, "suites is a list"},
    {no_list, "suites is a list"},
    {unknown_protection, "required, allowed or forbidden, not 'maybe'"},
    {core_without_route, "core_route"},
    {list_without_certificate, "revocations_cert"},
    {admin_port_taken, ""},
    {sips_port_taken, ""},
    {folder_without_certificate, "agent.pem"},
    {admin_authority_missing, "/nonexistent/ca.pem"},
    {database_in_no_folder, "/nonexistent/folder/db"},
    {seal_key_lost, "without it no stored key opens"},
    {passphrase_missing, "/nonexistent/passphrase"},
    {seal_key_of_no_length, "other.key"},
    {passphrase_for_a_bare_key, "seal.key"},
    {no_redirect_key, "/nonexistent/krr.pem"},
};

static size_t threads(void)
{
	char line[100];
	size_t n = 0;
	FILE *f = fopen("/proc/self/status", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "Threads:", 8) == 0)
			n = strtoul(line + 8, NULL, 10);
	fclose(f);
	return n;
}

/* The system counts one that was joined a moment longer. */
static void threads_are(size_t n)
{
	for (int i = 0; i < 30000 && threads() != n; i++)
		usleep(1000);
	assert_int_equal(threads(), n);
}

static size_t descriptors(void)
{
	struct stat st;
	char path[40];
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n += lstat(path, &st) == 0;
	}
	return n;
}

/* Of a first start, that what every start makes once is there. */
static void works(void)
{
	bed.cfg = good;
	bed_start();
	assert_true(bed.server->sips_number > 0);
	bed_stop();
}

static void what_is_wrong_is_said_and_nothing_is_left_behind(void **state)
{
	(void)state;
	works();
	size_t secrets = mcsec_secret_in_use(), fds = descriptors(), running = threads();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char err[512] = "";
		bed.cfg = good;
		rows[i].spoil();
		struct server *s = server_start(&bed.cfg, err, sizeof err);
		if (s)
			fail_msg("row %zu starts", i);
		if (!err[0] || !strstr(err, rows[i].said))
			fail_msg("row %zu: '%s' in '%s'", i, rows[i].said, err);
		print_message("# %s\n", err);
		assert_int_equal(mcsec_secret_in_use(), secrets);
		assert_int_equal(descriptors(), fds);
		threads_are(running);
	}
	works();
}

enum { RUNS_MAX = 2000 };

/* The bed issues the server's keys in the place of a KMS: that never fails. */
struct server_keys *__real_server_keys_start(const struct server_config *cfg);
struct server_keys *__wrap_server_keys_start(const struct server_config *cfg);
struct server_keys *__wrap_server_keys_start(const struct server_config *cfg)
{
	failing_spare(1);
	struct server_keys *k = __real_server_keys_start(cfg);
	failing_spare(0);
	return k;
}

/* Each call that may fail does so once, alone: memory, secret memory, a thread, the database. */
static void a_machine_that_fails_meanwhile_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	unsigned refused = 0, failed = 1;
	works();
	size_t secrets = mcsec_secret_in_use(), fds = descriptors(), running = threads();
	for (unsigned i = 0; failed; i++) {
		char err[512] = "";
		assert_in_range(i, 0, RUNS_MAX);
		failing_begin();
		struct server *s = server_start(&bed.cfg, err, sizeof err);
		failed = failing_end() != FAILING_NONE;
		if (s)
			server_stop(s);
		else if (!failed || !err[0])
			fail_msg("no start: '%s'", err);
		refused += !s;
		assert_int_equal(mcsec_secret_in_use(), secrets);
		assert_int_equal(descriptors(), fds);
		threads_are(running);
	}
	print_message("# %u calls failed, %u of them the start\n", failing_count(), refused);
	assert_true(refused > 20);
	works();
}

static void put(char *path, size_t size, const char *name, const char *text)
{
	snprintf(path, size, "%s/%s", bed.ca.dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static int set_up(void **state)
{
	(void)state;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	bed_begin();
	good = bed.cfg;
	taken_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(taken_fd, (struct sockaddr *)&a, sizeof a) | listen(taken_fd, 1), 0);
	getsockname(taken_fd, (struct sockaddr *)&a, &len);
	taken = ntohs(a.sin_port);
	snprintf(empty, sizeof empty, "%s/empty", bed.ca.dir);
	assert_int_equal(mkdir(empty, 0700), 0);
	put(other_key, sizeof other_key, "other.key", "short");
	put(passphrase, sizeof passphrase, "passphrase", "correct horse battery staple\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(taken_fd);
	bed_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wrong_is_said_and_nothing_is_left_behind),
	    cmocka_unit_test(a_machine_that_fails_meanwhile_is_told_and_leaves_nothing),
	};
	return cmocka_run_group_tests_name("server_start", tests, set_up, tear_down);
}

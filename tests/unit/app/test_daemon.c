/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a daemon: readiness, orderly end, refusals with their exit codes, hardening. */
#include "unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/daemon.h"

struct sample {
	int64_t port;
};

static const struct config_option options[] = {{"port", CONFIG_INT, CONFIG_FIELD(struct sample, port), "1", 0, 9}};

static int start_fails, reloads, told[2]; /* told: one octet after each reload */
static int64_t configured;

static int sample_start(void **ctx, const void *config, char *ready, size_t ready_size, char *err, size_t err_size)
{
	const struct sample *s = config;
	struct rlimit core;
	if (start_fails || prctl(PR_GET_DUMPABLE) != 0 || getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0 ||
	    umask(077) != 077) {
		snprintf(err, err_size, "not hardened, or told to fail");
		return -1;
	}
	snprintf(ready, ready_size, "\"port\":%lld", (long long)s->port);
	*ctx = &reloads;
	return 0;
}

static void sample_stop(void *ctx)
{
	/* seen by the parent: stop was called, after so many reloads, with the last configuration that was taken */
	_exit(*(int *)ctx == 1 ? 42 : *(int *)ctx == 4 && configured == 5 ? 45 : 43);
}

static void sample_reload(void *ctx)
{
	++*(int *)ctx;
	if (write(told[1], "", 1) != 1)
		_exit(99);
}

/* Port 8 is refused. */
static int sample_reconfigure(void *ctx, void *config, char *err, size_t err_size)
{
	const struct sample *s = config;
	(void)ctx;
	if (!s || s->port == 8) {
		if (s)
			snprintf(err, err_size, "port 8 is taken");
		return -1;
	}
	configured = s->port;
	return 0;
}

static const struct daemon_spec spec = {.name = "mcx-sample",
					.purpose = "A sample.",
					.options = options,
					.n_options = 1,
					.config_size = sizeof(struct sample),
					.start = sample_start,
					.stop = sample_stop,
					.reload = sample_reload,
					.reconfigure = sample_reconfigure};

static void write_config(char *path, const char *text)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* daemon_main in a child of its own, quiet; ready_fd takes what it says. */
static pid_t begin(const char *config, const char *extra, int *ready)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char number[16];
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1), dup2(null, 2);
		snprintf(number, sizeof number, "%d", fds[1]);
		char *argv[] = {(char *)"mcx-sample",
				(char *)"--config",
				(char *)config,
				(char *)"--ready-fd",
				number,
				(char *)extra,
				NULL};
		close(fds[0]);
		_exit(daemon_main(extra ? 6 : 5, argv, &spec));
	}
	close(fds[1]);
	*ready = fds[0];
	return pid;
}

static int exit_code(pid_t pid)
{
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void it_says_ready_reloads_on_hup_and_stops_on_term(void **state)
{
	(void)state;
	char path[] = "/tmp/mcx-daemon-XXXXXX", line[256] = "", wanted[128];
	int fd;
	write_config(path, "port = 7\n");
	pid_t pid = begin(path, NULL, &fd);
	assert_true(read(fd, line, sizeof line - 1) > 0);
	snprintf(wanted, sizeof wanted, "{\"name\":\"mcx-sample\",\"pid\":%ld,\"port\":7}\n", (long)pid);
	assert_string_equal(line, wanted);
	kill(pid, SIGHUP);
	assert_int_equal(read(told[0], wanted, 1), 1);
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 42);
	close(fd);
	unlink(path);
}

static void hang_up(pid_t pid, const char *path, const char *text)
{
	char octet;
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	kill(pid, SIGHUP);
	assert_int_equal(read(told[0], &octet, 1), 1);
}

static void a_changed_file_is_taken_up_and_a_bad_one_leaves_the_old(void **state)
{
	(void)state;
	char path[] = "/tmp/mcx-daemon-XXXXXX", line[256];
	int fd;
	write_config(path, "port = 7\n");
	pid_t pid = begin(path, NULL, &fd);
	assert_true(read(fd, line, sizeof line - 1) > 0);
	hang_up(pid, path, "port = 4\n");
	hang_up(pid, path, "port = 5\n");
	hang_up(pid, path, "prot = 6\n");
	hang_up(pid, path, "port = 8\n");
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 45);
	close(fd);
	unlink(path);
}

static void the_process_writes_no_core_and_is_not_dumpable(void **state)
{
	(void)state;
	/* sample_start refuses to start otherwise. */
	char path[] = "/tmp/mcx-daemon-XXXXXX", line[8];
	int fd;
	write_config(path, "");
	pid_t pid = begin(path, NULL, &fd);
	assert_true(read(fd, line, sizeof line) > 0);
	kill(pid, SIGKILL);
	exit_code(pid);
	close(fd);
	unlink(path);
}

static void each_refusal_has_its_exit_code_and_says_nothing_of_ready(void **state)
{
	(void)state;
	static const struct {
		const char *text, *extra;
		int fails, code;
	} rows[] = {{"prot = 7\n", NULL, 0, DAEMON_CONFIG},      {"port = 10\n", NULL, 0, DAEMON_CONFIG},
		    {"port = 7\n", NULL, 1, DAEMON_FAILED},      {"port = 7\n", "--nonsense", 0, DAEMON_USAGE},
		    {"port = 7\n", "operand", 0, DAEMON_USAGE},  {"port = 7\n", "--check", 1, DAEMON_OK},
		    {"port = x\n", "--check", 0, DAEMON_CONFIG}, {"port = 7\n", "--version", 1, DAEMON_OK},
		    {"port = 7\n", "--ready-fd=x", 0, DAEMON_USAGE}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char path[] = "/tmp/mcx-daemon-XXXXXX", line[8];
		int fd;
		write_config(path, rows[i].text);
		start_fails = rows[i].fails;
		pid_t pid = begin(path, rows[i].extra, &fd);
		start_fails = 0;
		assert_int_equal(read(fd, line, sizeof line), 0);
		assert_int_equal(exit_code(pid), rows[i].code);
		close(fd);
		unlink(path);
	}
}

int main(void)
{
	if (pipe(told) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_says_ready_reloads_on_hup_and_stops_on_term),
	    cmocka_unit_test(a_changed_file_is_taken_up_and_a_bad_one_leaves_the_old),
	    cmocka_unit_test(the_process_writes_no_core_and_is_not_dumpable),
	    cmocka_unit_test(each_refusal_has_its_exit_code_and_says_nothing_of_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

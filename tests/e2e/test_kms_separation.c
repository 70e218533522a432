/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_separation.c - mcx-kms as its processes: who holds the secrets, what each may still do, and what is left
 * when one of them is killed (kms.md 15A rows 2, 7, 8, 9, 23).
 */
#include <sys/resource.h>

#include "custody/custody.h"
#include "e2e/kms_processes.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

static struct kms_lab k;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, LAB_UNLIMITED "preprovision = 0\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kl_remove(&k);
	return 0;
}

static int keyprov_status(const char *user)
{
	struct http_answer a = kl_keyprov(&k, user);
	int status = a.status;
	if (status == 503)
		assert_true(a.retry_after_s > 0);
	http_answer_free(&a);
	return status;
}

static int page_says(const char *path, const char *text)
{
	struct http_answer a = kl_admin(&k, k.officer, "GET", path, NULL);
	int found = a.body_len && strstr((char *)a.body, text) != NULL;
	http_answer_free(&a);
	return found;
}

static int log_says(const char *text)
{
	char *all = calloc(1, 1 << 20);
	FILE *f = fopen(kl_path(&k, "log"), "r");
	size_t n = fread(all, 1, (1 << 20) - 1, f);
	fclose(f);
	int found = n && strstr(all, text) != NULL;
	free(all);
	return found;
}

/* ---- what each process may ---- */

static int sanitized(void)
{
	return log_says("\"filtered\":0");
}

static void front_end_and_issuer_are_filtered_and_can_gain_no_rights(void **state)
{
	(void)state;
	kl_start(&k);
	pid_t all[] = {k.pid, kp_keeper(&k), kp_issuer(&k)};
	for (size_t i = 0; i < 3; i++) {
		assert_true(all[i] > 0);
		assert_int_equal(kp_status(all[i], "NoNewPrivs"), 1);
	}
	if (sanitized())
		return;
	assert_int_equal(kp_status(all[0], "Seccomp"), 2);
	assert_int_equal(kp_status(all[2], "Seccomp"), 2);
	assert_int_equal(keyprov_status(ALICE), 200); /* and it works in there */
}

static void started_by_root_the_issuer_has_a_user_that_nobody_else_has(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	kl_start(&k);
	assert_int_equal(kp_status(k.pid, "Uid"), 0);
	long uid = kp_status(kp_issuer(&k), "Uid");
	assert_true(uid >= 61184 && uid <= 65519);
	assert_true(log_says("\"own_user\":1"));
	assert_true(log_says("kms.front-end-is-root"));
}

static void a_user_that_does_not_exist_ends_the_start(void **state)
{
	(void)state;
	kl_configure(&k, LAB_UNLIMITED "user = \"nobody-of-that-name\"\n");
	assert_int_equal(kl_start_raw(&k), 1);
	assert_true(log_says("there is no user 'nobody-of-that-name'"));
	kl_configure(&k, LAB_UNLIMITED "issuer_user = \"nobody-of-that-name\"\n");
	assert_int_equal(kl_start_raw(&k), 1);
}

static void no_process_dumps_a_core_or_inherits_the_environment(void **state)
{
	(void)state;
	char path[64], text[8192];
	setenv("MCX_TEST_PASSWORD", "a secret in the environment", 1);
	kl_start(&k);
	unsetenv("MCX_TEST_PASSWORD");
	pid_t all[] = {k.pid, kp_keeper(&k), kp_issuer(&k)};
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "/proc/%d/limits", (int)all[i]);
		FILE *f = fopen(path, "r");
		size_t n = fread(text, 1, sizeof text - 1, f);
		text[n] = 0;
		fclose(f);
		assert_non_null(strstr(text, "Max core file size        0                    0"));
		/* PR_SET_DUMPABLE 0 gives the process's files to root, whoever runs it */
		struct stat st;
		snprintf(path, sizeof path, "/proc/%d/mem", (int)all[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, 0);
	}
	snprintf(path, sizeof path, "/proc/%d/environ", (int)all[2]);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	assert_true(n >= 0);
	assert_null(memmem(text, (size_t)n, "MCX_TEST_PASSWORD", 17));
}

/* Root locks without limit: so the daemon is started by somebody else, with a small one. Its exit code, 100 if it ran.
 */
static int start_with_little_lockable_memory(void)
{
	char give[200];
	int status;
	snprintf(give, sizeof give, "chown -R 65534:65534 '%s'", k.lab.dir);
	assert_int_equal(system(give), 0);
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){4096, 4096});
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(9);
		int code = kl_start_raw(&k);
		_exit(code < 0 ? (kl_stop(&k, SIGTERM) == 0 ? 100 : 101) : code);
	}
	waitpid(pid, &status, 0);
	snprintf(give, sizeof give, "chown -R 0:0 '%s'", k.lab.dir);
	assert_int_equal(system(give), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void memory_that_cannot_be_locked_is_a_warning_or_ends_the_start(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(start_with_little_lockable_memory(), 100);
	if (sanitized())
		skip(); /* a sanitizer's mlock does nothing, and succeeds */
	assert_true(log_says("issuer.memory-not-locked"));
	kl_configure(&k, LAB_UNLIMITED "memory_lock = \"required\"\n");
	assert_int_equal(start_with_little_lockable_memory(), 1);
	kl_start(&k); /* as root it can */
	assert_true(log_says("\"memory_locked\":1"));
}

/* ---- where secrets are ---- */

static void open_master(uint8_t *secrets, const char *file)
{
	char err[256];
	struct store *s;
	struct custody_passphrase *p;
	const struct store_options o = {.path = kl_path(&k, "db"), .read_only = 1};
	assert_int_equal(store_open(&s, &o, err, sizeof err), STORE_OK);
	struct store_stmt *st = store_sql(s, "SELECT sealed FROM domain");
	assert_int_equal(store_step(st), STORE_ROW);
	assert_int_equal(custody_passphrase_read(kl_path(&k, file), &p), CUSTODY_OK);
	assert_int_equal(custody_open(p, LAB_KMS, "master", store_blob(st, 0), secrets, MCSEC_KSAK_LEN + MCSEC_ZT_LEN),
			 CUSTODY_OK);
	custody_passphrase_free(p);
	store_close(s);
}

static void the_front_ends_memory_holds_no_master_secret_and_the_issuers_does(void **state)
{
	(void)state;
	uint8_t *s = mcsec_secret_alloc(MCSEC_KSAK_LEN + MCSEC_ZT_LEN);
	kl_start(&k);
	for (int i = 0; i < 20; i++)
		assert_int_equal(keyprov_status(ALICE), 200);
	open_master(s, "passphrase");
	/* as sealed, and byte-reversed as arithmetic with little-endian limbs keeps numbers */
	uint8_t reversed[2][24], straight[2][24];
	for (size_t i = 0; i < 24; i++) {
		straight[0][i] = s[i];
		straight[1][i] = s[MCSEC_KSAK_LEN + MCSEC_ZT_LEN - 24 + i];
		reversed[0][i] = s[MCSEC_KSAK_LEN - 1 - i];
		reversed[1][i] = s[MCSEC_KSAK_LEN + MCSEC_ZT_LEN - 1 - i];
	}
	pid_t issuer = kp_issuer(&k), keeper = kp_keeper(&k);
	if (kp_memory_holds(k.pid, "mcx-kms", 7) < 0)
		skip(); /* no right to read it */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(kp_memory_holds(k.pid, straight[i], 24), 0);
		assert_int_equal(kp_memory_holds(k.pid, reversed[i], 24), 0);
		assert_int_equal(kp_memory_holds(keeper, straight[i], 24), 0);
		assert_int_equal(kp_memory_holds(keeper, reversed[i], 24), 0);
		assert_true(kp_memory_holds(issuer, straight[i], 24) + kp_memory_holds(issuer, reversed[i], 24) > 0);
	}
	assert_int_equal(kp_memory_holds(k.pid, "correct horse battery", 21), 0);
	/* and sealed, the issuer forgets */
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/seal", NULL), 200);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(kp_memory_holds(issuer, straight[i], 24), 0);
		assert_int_equal(kp_memory_holds(issuer, reversed[i], 24), 0);
	}
	memset(straight, 0, sizeof straight);
	memset(reversed, 0, sizeof reversed);
	mcsec_secret_free(s);
}

static void a_key_set_is_not_kept_once_it_was_answered(void **state)
{
	(void)state;
	struct kl_keys a;
	char ssk[HEX_SIZE(MCSEC_SSK_LEN)], rsk[HEX_SIZE(MCSEC_RSK_LEN)];
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	const struct kms_key_secret *s = a.set[0].set.secret;
	hex_encode_upper(OCTETS(s->ssk), ssk);
	hex_encode_upper(OCTETS(s->rsk), rsk);
	if (kp_memory_holds(getpid(), s->ssk, 32) < 1)
		skip(); /* the search finds what is there, or cannot be made */
	/* the connection's buffers go with it */
	kp_until(kp_memory_holds(k.pid, s->ssk, 32) == 0 && kp_memory_holds(k.pid, s->rsk + 1, 64) == 0);
	assert_int_equal(kp_memory_holds(kp_issuer(&k), s->ssk, 32), 0);
	assert_int_equal(kp_memory_holds(kp_issuer(&k), s->rsk + 1, 64), 0);
	kp_until(kp_memory_holds(k.pid, ssk, 64) == 0 && kp_memory_holds(k.pid, rsk + 2, 128) == 0);
	memset(ssk, 0, sizeof ssk);
	memset(rsk, 0, sizeof rsk);
	kl_keys_free(&a);
}

/* ---- deaths ---- */

static void when_the_issuer_is_killed_requests_are_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	kl_start(&k);
	assert_int_equal(keyprov_status(ALICE), 200);
	pid_t first = kp_issuer(&k);
	kp_kill(first);
	kp_until(kp_issuer(&k) != first && kp_issuer(&k) != 0);
	int status = 503;
	kp_until((status = keyprov_status(ALICE)) == 200 || status != 503);
	assert_int_equal(status, 200);
	assert_true(log_says("kms.issuer-died"));
	assert_true(log_says("kms.issuer-restarted"));
	assert_true(page_says("/metrics", "mcx_kms_issuer_deaths_total 1"));
	assert_true(page_says("/metrics", "mcx_kms_issuer_up 1"));
}

static void an_issuer_that_is_not_to_be_restarted_stays_down_until_unsealed(void **state)
{
	(void)state;
	kl_configure(&k, LAB_UNLIMITED "issuer_restart = false\n");
	kl_start(&k);
	kp_kill(kp_issuer(&k));
	kp_until(page_says("/readyz", "issuer-down"));
	assert_int_equal(keyprov_status(ALICE), 503);
	assert_true(page_says("/metrics", "mcx_kms_issuer_up 0"));
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 200);
	assert_int_equal(keyprov_status(ALICE), 200);
}

static void an_issuer_that_an_officer_sealed_is_not_opened_by_its_death(void **state)
{
	(void)state;
	kl_start(&k);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/seal", NULL), 200);
	kp_kill(kp_issuer(&k));
	kp_until(log_says("kms.issuer-died"));
	assert_true(page_says("/readyz", "sealed"));
	assert_int_equal(keyprov_status(ALICE), 503);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 200);
	assert_int_equal(keyprov_status(ALICE), 200);
}

static void with_the_front_end_the_other_processes_end(void **state)
{
	(void)state;
	static const int signals[] = {SIGKILL, SIGTERM};
	for (size_t i = 0; i < 2; i++) {
		kl_start(&k);
		pid_t keeper = kp_keeper(&k), issuer = kp_issuer(&k);
		kl_stop(&k, signals[i]);
		kp_until(kp_status(keeper, "Uid") < 0 && kp_status(issuer, "Uid") < 0);
	}
}

static void without_its_keeper_the_front_end_ends_in_order(void **state)
{
	(void)state;
	int status;
	kl_start(&k);
	pid_t issuer = kp_issuer(&k);
	kp_kill(kp_keeper(&k));
	assert_int_equal(waitpid(k.pid, &status, 0), k.pid);
	k.pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	kp_until(kp_status(issuer, "Uid") < 0);
	assert_true(log_says("kms.keeper-died"));
	kl_disconnect(&k);
}

/* A child asks without end and notes what was acknowledged: one user each. */
static void ask_for_ever(int fd)
{
	for (int i = 0;; i++) {
		char user[64];
		snprintf(user, sizeof user, "sip:u%d@example.org", i);
		if (keyprov_status(user) == 200 && write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void issuers_killed_at_any_moment_lose_no_record_of_what_was_answered(void **state)
{
	(void)state;
	enum { KILLS = 8 };
	int fd[2], last = -1, n = 0;
	static int acknowledged[20000];
	kl_start(&k);
	assert_int_equal(pipe(fd), 0);
	pid_t child = fork();
	if (child == 0)
		ask_for_ever(fd[1]);
	close(fd[1]);
	unsigned seed = 12345;
	for (int kills = 0; kills < KILLS;) {
		assert_int_equal(read(fd[0], &last, sizeof last), sizeof last);
		acknowledged[n++] = last;
		seed = seed * 1103515245 + 12345;
		if (seed >> 28 < 4) {
			usleep(seed >> 8 & 0x3fff);
			pid_t issuer = kp_issuer(&k);
			kills += issuer && kill(issuer, SIGKILL) == 0;
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (read(fd[0], &last, sizeof last) == sizeof last)
		acknowledged[n++] = last;
	close(fd[0]);
	for (int i = 0; i < n; i++) {
		char target[96];
		snprintf(target, sizeof target, "\"target\":\"sip:u%d@example.org\"", acknowledged[i]);
		assert_true(kl_audited(&k, target) >= 1);
	}
	kp_until(keyprov_status(ALICE) == 200);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(front_end_and_issuer_are_filtered_and_can_gain_no_rights),
	    T(started_by_root_the_issuer_has_a_user_that_nobody_else_has),
	    T(a_user_that_does_not_exist_ends_the_start),
	    T(no_process_dumps_a_core_or_inherits_the_environment),
	    T(memory_that_cannot_be_locked_is_a_warning_or_ends_the_start),
	    T(the_front_ends_memory_holds_no_master_secret_and_the_issuers_does),
	    T(a_key_set_is_not_kept_once_it_was_answered),
	    T(when_the_issuer_is_killed_requests_are_503_and_service_returns_by_itself),
	    T(an_issuer_that_is_not_to_be_restarted_stays_down_until_unsealed),
	    T(an_issuer_that_an_officer_sealed_is_not_opened_by_its_death),
	    T(with_the_front_end_the_other_processes_end),
	    T(without_its_keeper_the_front_end_ends_in_order),
	    T(issuers_killed_at_any_moment_lose_no_record_of_what_was_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

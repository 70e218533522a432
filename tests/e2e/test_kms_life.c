/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_life.c - what mcx-kms keeps, refuses and survives over its life: restarts, kill -9, a locked and a full
 * database, the seal, suspended users, limits, the admin listener (kms.md 2.1, 3.4, 15A, 18; issue "Bad input").
 * Each test has a daemon of its own.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "custody/custody.h"
#include "e2e/kms_lab.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

/* One key set an answer, whatever the date. */
#define LAB_ONE_SET LAB_UNLIMITED "preprovision = 0\n"

static struct kms_lab k;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, LAB_ONE_SET);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kl_remove(&k);
	return 0;
}

static void expect_keyprov(const char *user, int status, int64_t code)
{
	struct http_answer a = kl_keyprov(&k, user);
	assert_int_equal(a.status, status);
	assert_int_equal(kl_error_code(&a), code);
	if (status == 503 || status == 429)
		assert_true(a.retry_after_s > 0);
	http_answer_free(&a);
}

/* ---- what is issued
 * -------------------------------------------------------------------------------------------------------- */

static void mcx_sec_113_two_answers_share_the_rsk_and_nothing_else(void **state)
{
	(void)state;
	struct kl_keys a, b;
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	kl_fetch(&k, ALICE, &b);
	assert_memory_equal(a.set[0].set.secret->rsk, b.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	assert_memory_not_equal(a.set[0].set.secret->ssk, b.set[0].set.secret->ssk, MCSEC_SSK_LEN);
	assert_memory_not_equal(a.set[0].set.pvt, b.set[0].set.pvt, MCSEC_PVT_LEN);
	kl_keys_free(&b);
	kl_fetch(&k, BOB, &b);
	assert_memory_not_equal(a.set[0].set.secret->rsk, b.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	kl_keys_free(&a);
	kl_keys_free(&b);
}

static void after_a_restart_certificate_and_rsk_are_the_same_octets_and_all_sets_verify(void **state)
{
	(void)state;
	struct kl_keys before, after;
	kl_start(&k);
	kl_fetch(&k, ALICE, &before);
	assert_int_equal(kl_stop(&k, SIGTERM), 0);
	kl_start(&k);
	kl_fetch(&k, ALICE, &after); /* verifies every set it takes */
	assert_memory_equal(&before.home.cert, &after.home.cert, sizeof before.home.cert);
	assert_memory_equal(before.set[0].set.secret->rsk, after.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	assert_memory_not_equal(before.set[0].set.secret->ssk, after.set[0].set.secret->ssk, MCSEC_SSK_LEN);
	assert_memory_not_equal(before.set[0].set.pvt, after.set[0].set.pvt, MCSEC_PVT_LEN);
	/* the set of before the restart verifies under the certificate of after it */
	struct mcsec_keyset *again;
	struct kms_fault f;
	assert_int_equal(kms_key_set_check(&before.set[0].set, &after.home.cert, after.home.kms, ALICE, &again, &f),
			 MCSEC_OK);
	mcsec_keyset_free(again);
	kl_keys_free(&before);
	kl_keys_free(&after);
}

static void an_old_and_a_new_key_set_open_what_is_sent_to_the_identity(void **state)
{
	(void)state;
	struct kl_keys before, after;
	uint8_t ssv[MCSEC_SSV_LEN] = "sixteen octets!", got[MCSEC_SSV_LEN], sed[MCSEC_SED_LEN], sig[MCSEC_SIG_LEN];
	struct mcsec_identity *alice;
	kl_start(&k);
	kl_fetch(&k, ALICE, &before);
	kl_fetch(&k, ALICE, &after);
	assert_int_equal(mcsec_identity_new(&alice, after.home.kms, before.set[0].set.uid, MCSEC_UID_LEN), MCSEC_OK);
	assert_int_equal(mcsec_sakke_encapsulate(alice, ssv, sed), MCSEC_OK);
	struct kl_keys *both[] = {&before, &after};
	for (size_t i = 0; i < 2; i++) {
		struct mcsec_keyset *keys = both[i]->set[0].keyset;
		assert_int_equal(mcsec_sakke_decapsulate(keys, sed, sizeof sed, got), MCSEC_OK);
		assert_memory_equal(got, ssv, sizeof ssv);
		assert_int_equal(mcsec_eccsi_sign(keys, &mcsec_rng_system, ssv, sizeof ssv, sig), MCSEC_OK);
		assert_int_equal(mcsec_eccsi_verify(alice, ssv, sizeof ssv, sig), MCSEC_OK);
	}
	mcsec_identity_free(alice);
	kl_keys_free(&before);
	kl_keys_free(&after);
}

static void mcx_sec_112_in_the_window_the_next_set_follows_the_current_one(void **state)
{
	(void)state;
	struct kl_keys a;
	kl_configure(&k, LAB_UNLIMITED "preprovision = 2592000\n"); /* open all the time */
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.set[1].set.period_no, a.set[0].set.period_no + 1);
	assert_int_equal(a.set[1].set.valid_from, a.set[0].set.valid_to);
	assert_true(a.set[0].set.valid_from <= time(NULL) && time(NULL) < a.set[0].set.valid_to);
	kl_keys_free(&a);
	kl_stop(&k, SIGTERM);
	kl_configure(&k, LAB_UNLIMITED "preprovision = 0\n"); /* never */
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	assert_int_equal(a.n, 1);
	kl_keys_free(&a);
}

static void the_period_of_a_domain_cannot_be_changed_by_configuration(void **state)
{
	(void)state;
	kl_start(&k);
	kl_stop(&k, SIGTERM);
	kl_configure(&k, LAB_UNLIMITED "period = 86400\n");
	assert_int_equal(kl_start_raw(&k), 1);
	kl_configure(&k, LAB_UNLIMITED "offset = 5\n");
	assert_int_equal(kl_start_raw(&k), 1);
	kl_configure(&k, LAB_UNLIMITED);
	kl_start(&k);
}

/* ---- durability
 * -------------------------------------------------------------------------------------------------------------- */

/* A child asks for keys without end and notes each one that was acknowledged. */
static void ask_until_killed(int round, int fd)
{
	for (int i = 0;; i++) {
		char user[64];
		snprintf(user, sizeof user, "sip:user%d.%d@example.org", round, i);
		struct http_answer a = kl_keyprov(&k, user);
		if (a.status != 200)
			_exit(0);
		http_answer_free(&a);
		if (write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void kill_9_loses_no_audit_record_of_an_acknowledged_issue(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		int fd[2], last = -1;
		kl_start(&k);
		assert_int_equal(pipe(fd), 0);
		pid_t child = fork();
		if (child == 0)
			ask_until_killed(round, fd[1]);
		close(fd[1]);
		for (int i = 0; i < 10 + 13 * round; i++)
			assert_int_equal(read(fd[0], &last, sizeof last), sizeof last);
		assert_int_equal(kl_stop(&k, SIGKILL), 128 + SIGKILL);
		while (read(fd[0], &last, sizeof last) == sizeof last)
			;
		close(fd[0]);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		for (int i = 0; i <= last; i++) {
			char target[96];
			snprintf(target, sizeof target, "\"target\":\"sip:user%d.%d@example.org\"", round, i);
			assert_int_equal(kl_audited(&k, target), 1);
		}
	}
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
}

static void no_value_v_is_used_twice_across_kill_9(void **state)
{
	(void)state;
	enum { N = 24 };
	uint8_t pvt[N][MCSEC_PVT_LEN];
	for (int i = 0; i < N; i++) {
		struct kl_keys a;
		if (i % 6 == 0) {
			kl_stop(&k, SIGKILL);
			kl_start(&k);
		}
		kl_fetch(&k, ALICE, &a);
		memcpy(pvt[i], a.set[0].set.pvt, MCSEC_PVT_LEN);
		kl_keys_free(&a);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(pvt[i], pvt[j], MCSEC_PVT_LEN);
	}
}

static size_t migrations_run(void)
{
	struct store *s;
	char err[256];
	struct store_options o = {.path = kl_path(&k, "db"), .read_only = 1};
	assert_int_equal(store_open(&s, &o, err, sizeof err), STORE_OK);
	struct store_stmt *st = store_sql(s, "PRAGMA user_version");
	assert_int_equal(store_step(st), STORE_ROW);
	size_t n = (size_t)store_int(st, 0);
	store_close(s);
	return n;
}

static void a_locked_database_is_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	kl_configure(&k, LAB_ONE_SET "busy_ms = 100\n");
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	int before = kl_audited(&k, "\"kms.provision\"");
	char err[256];
	struct store *other;
	const char *known[32]; /* as many migrations as the daemon has run */
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		known[i] = "";
	struct store_options o = {.path = kl_path(&k, "db"), .migrations = known, .n_migrations = migrations_run()};
	assert_int_equal(store_open(&other, &o, err, sizeof err), STORE_OK);
	assert_int_equal(store_begin(other), STORE_OK);
	expect_keyprov(ALICE, 503, 50302);
	struct http_answer a = kl_admin(&k, k.officer, "GET", "/readyz", NULL);
	assert_int_equal(a.status, 503);
	assert_non_null(strstr((char *)a.body, "database"));
	http_answer_free(&a);
	store_rollback(other);
	expect_keyprov(ALICE, 200, 0);
	assert_int_equal(kl_admin_status(&k, k.officer, "GET", "/readyz", NULL), 200);
	store_close(other);
	assert_int_equal(kl_audited(&k, "\"kms.provision\""), before + 1);
}

/* The disk is made full for the daemon alone, by the size its files may have. */
static void a_full_database_is_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	struct rlimit old, tiny;
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	assert_int_equal(prlimit(k.pid, RLIMIT_FSIZE, NULL, &old), 0);
	tiny = (struct rlimit){4096, old.rlim_max};
	assert_int_equal(prlimit(k.pid, RLIMIT_FSIZE, &tiny, NULL), 0);
	expect_keyprov(ALICE, 503, 50302);
	expect_keyprov(BOB, 503, 50302);
	assert_int_equal(prlimit(k.pid, RLIMIT_FSIZE, &old, NULL), 0);
	expect_keyprov(ALICE, 200, 0);
	assert_int_equal(kl_audited(&k, "\"kms.provision\""), 2);
	assert_int_equal(kl_audited(&k, "\"target\":\"" BOB), 0);
}

/* ---- custody
 * ---------------------------------------------------------------------------------------------------------------------
 */

static int file_holds(const char *path, const void *what, size_t n)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	size_t len = (size_t)ftell(f);
	char *text = malloc(len + 1);
	rewind(f);
	assert_int_equal(fread(text, 1, len, f), len);
	fclose(f);
	int found = memmem(text, len, what, n) != NULL;
	free(text);
	return found;
}

/* Octets, hex in both cases; in any file of the daemon's folder. */
static int folder_holds(const uint8_t *secret, size_t n)
{
	char lower[HEX_SIZE(64)], upper[HEX_SIZE(64)];
	int found = 0;
	hex_encode((struct octets){secret, n}, lower);
	hex_encode_upper((struct octets){secret, n}, upper);
	DIR *d = opendir(k.lab.dir);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		char path[400];
		snprintf(path, sizeof path, "%s/%s", k.lab.dir, e->d_name);
		if (e->d_type == DT_REG)
			found += file_holds(path, secret, n) + file_holds(path, lower, 2 * n) +
				 file_holds(path, upper, 2 * n);
	}
	closedir(d);
	return found;
}

static void open_master(uint8_t secrets[MCSEC_KSAK_LEN + MCSEC_ZT_LEN])
{
	char err[256];
	struct store *s;
	struct custody_passphrase *p;
	assert_int_equal(
	    store_open(&s, &(struct store_options){.path = kl_path(&k, "db"), .read_only = 1}, err, sizeof err),
	    STORE_OK);
	struct store_stmt *st = store_sql(s, "SELECT sealed FROM domain");
	assert_int_equal(store_step(st), STORE_ROW);
	assert_int_equal(custody_passphrase_read(kl_path(&k, "passphrase"), &p), CUSTODY_OK);
	assert_int_equal(custody_open(p, LAB_KMS, "master", store_blob(st, 0), secrets, MCSEC_KSAK_LEN + MCSEC_ZT_LEN),
			 CUSTODY_OK);
	custody_passphrase_free(p);
	store_close(s);
}

static void no_master_secret_and_no_issued_key_is_in_any_file(void **state)
{
	(void)state;
	uint8_t *secrets = mcsec_secret_alloc(MCSEC_KSAK_LEN + MCSEC_ZT_LEN);
	struct kl_keys a;
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	open_master(secrets);
	/* these are the secrets: they give the certificate's public keys */
	struct mcsec_master *m;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	assert_int_equal(mcsec_master_load(&m, secrets, secrets + MCSEC_KSAK_LEN), MCSEC_OK);
	mcsec_master_public(m, kpak, z_pub);
	mcsec_master_free(m);
	assert_memory_equal(kpak, a.home.cert.pub_auth_key, sizeof kpak);
	assert_memory_equal(z_pub, a.home.cert.pub_enc_key, sizeof z_pub);
	assert_int_equal(folder_holds(secrets, 16), 0);
	assert_int_equal(folder_holds(secrets + MCSEC_KSAK_LEN + 64, 16), 0);
	assert_int_equal(folder_holds(a.set[0].set.secret->ssk, 16), 0);
	assert_int_equal(folder_holds(a.set[0].set.secret->rsk + 1, 16), 0);
	assert_true(folder_holds(kpak + 1, 16) > 0); /* the search finds what is there */
	mcsec_secret_free(secrets);
	kl_keys_free(&a);
}

static void no_key_and_no_token_is_logged(void **state)
{
	(void)state;
	struct kl_keys a;
	char ssk[HEX_SIZE(MCSEC_SSK_LEN)];
	kl_start(&k);
	kl_fetch(&k, ALICE, &a);
	char *token = kl_token(&k, (struct kl_claims){.audience = "https://other"});
	struct http_answer bad = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	http_answer_free(&bad);
	hex_encode_upper(OCTETS(a.set[0].set.secret->ssk), ssk);
	assert_true(file_holds(kl_path(&k, "log"), "kms.token-refused", 17));
	assert_false(file_holds(kl_path(&k, "log"), ssk, 16));
	assert_false(file_holds(kl_path(&k, "log"), token, 20));
	assert_false(file_holds(kl_path(&k, "log"), strrchr(token, '.') + 1, 20));
	assert_false(file_holds(kl_path(&k, "log"), "correct horse", 13));
	free(token);
	kl_keys_free(&a);
}

static void the_process_dumps_no_core_and_is_not_traceable(void **state)
{
	(void)state;
	char path[64], line[256];
	int core = 0;
	struct stat st;
	kl_start(&k);
	snprintf(path, sizeof path, "/proc/%d/limits", (int)k.pid);
	FILE *f = fopen(path, "r");
	while (fgets(line, sizeof line, f)) {
		unsigned long soft = 1, hard = 1;
		if (sscanf(line, "Max core file size %lu %lu", &soft, &hard) == 2)
			core = soft == 0 && hard == 0;
	}
	fclose(f);
	assert_true(core);
	/* PR_SET_DUMPABLE 0 gives the process's files to root */
	snprintf(path, sizeof path, "/proc/%d/mem", (int)k.pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void mcx_sec_114_without_its_passphrase_file_it_is_sealed_until_unsealed(void **state)
{
	(void)state;
	struct kl_keys before, after;
	kl_start(&k);
	kl_fetch(&k, ALICE, &before);
	kl_stop(&k, SIGTERM);
	assert_int_equal(unlink(kl_path(&k, "passphrase")), 0);
	kl_start(&k);
	struct http_answer a = kl_keyprov(&k, ALICE);
	assert_int_equal(a.status, 503);
	assert_int_equal(a.retry_after_s, 30);
	assert_int_equal(a.body_len, 0);
	http_answer_free(&a);
	a = kl_admin(&k, k.officer, "GET", "/readyz", NULL);
	assert_int_equal(a.status, 503);
	assert_non_null(strstr((char *)a.body, "sealed"));
	http_answer_free(&a);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 409);
	kl_write(&k, "passphrase", "wrong horse\n", 0600);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 409);
	expect_keyprov(ALICE, 503, 0);
	kl_write(&k, "passphrase", "correct horse battery staple\n", 0600);
	assert_int_equal(kl_admin_status(&k, k.auditor, "POST", "/admin/v1/unseal", NULL), 403);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 200);
	kl_fetch(&k, ALICE, &after);
	assert_memory_equal(before.set[0].set.secret->rsk, after.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/seal", NULL), 200);
	expect_keyprov(ALICE, 503, 0);
	assert_true(kl_audited(&k, "\"kms.unseal\"") == 3 && kl_audited(&k, "\"kms.seal\"") == 1);
	kl_keys_free(&before);
	kl_keys_free(&after);
}

static void a_wrong_or_readable_passphrase_file_ends_the_start(void **state)
{
	(void)state;
	kl_start(&k);
	kl_stop(&k, SIGTERM);
	kl_write(&k, "passphrase", "wrong horse\n", 0600);
	assert_int_equal(kl_start_raw(&k), 1);
	kl_write(&k, "passphrase", "correct horse battery staple\n", 0644);
	assert_int_equal(kl_start_raw(&k), 1);
	kl_write(&k, "passphrase", "correct horse battery staple", 0600);
	kl_start(&k);
}

static void an_unknown_configuration_key_ends_the_start_with_its_line(void **state)
{
	(void)state;
	kl_configure(&k, LAB_UNLIMITED "colour = \"red\"\n");
	assert_int_equal(kl_start_raw(&k), 5);
	assert_true(file_holds(kl_path(&k, "log"), "colour", 6));
	kl_configure(&k, LAB_UNLIMITED "enrolment = \"maybe\"\n");
	assert_int_equal(kl_start_raw(&k), 1);
}

/* ---- users
 * --------------------------------------------------------------------------------------------------------------------------
 */

#define ALICE_PATH "/admin/v1/users/sip%3Aalice%40example.org"

/* One set of this period that says Revoked and holds no key. */
static void expect_revoked(const char *user)
{
	struct http_answer a = kl_keyprov(&k, user);
	struct kms_response r;
	struct kms_fault f;
	uint8_t zero[MCSEC_RSK_LEN] = {0};
	assert_int_equal(a.status, 200);
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE, (struct octets){a.body, a.body_len}, &f), MCSEC_OK);
	assert_int_equal(r.n_sets, 1);
	assert_true(r.sets[0].revoked);
	assert_string_equal(r.sets[0].user_uri, user);
	assert_memory_equal(r.sets[0].secret->rsk, zero, MCSEC_RSK_LEN);
	assert_memory_equal(r.sets[0].secret->ssk, zero, MCSEC_SSK_LEN);
	assert_memory_equal(r.sets[0].pvt, zero, MCSEC_PVT_LEN);
	kms_response_free(&r);
	http_answer_free(&a);
}

static void mcx_sec_115_a_suspended_user_gets_no_keys_until_resumed(void **state)
{
	(void)state;
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"suspended\"}"), 200);
	expect_keyprov(ALICE, 403, 40304);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	expect_keyprov(ALICE, 403, 40304);
	expect_keyprov(BOB, 200, 0);
	char *token = kl_token(&k, (struct kl_claims){0});
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "init", .token = token});
	assert_int_equal(a.status, 200); /* the certificate is public */
	http_answer_free(&a);
	free(token);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"active\"}"), 200);
	expect_keyprov(ALICE, 200, 0);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"revoked\"}"), 200);
	expect_revoked(ALICE);
	assert_int_equal(kl_audited(&k, "\"kms.user.block\""), 2);
	assert_int_equal(kl_audited(&k, "\"user_suspended\""), 2);
	assert_int_equal(kl_audited(&k, "\"reason\":\"revoked\""), 1);
}

static void with_listed_enrolment_only_listed_identities_get_keys(void **state)
{
	(void)state;
	kl_configure(&k, LAB_UNLIMITED "enrolment = \"listed\"\n");
	kl_start(&k);
	expect_keyprov(ALICE, 403, 40307);
	assert_int_equal(kl_admin_status(&k, k.officer, "GET", ALICE_PATH, NULL), 404);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"active\"}"), 201);
	expect_keyprov(ALICE, 200, 0);
	expect_keyprov(BOB, 403, 40307);
}

static void an_identity_that_asks_too_often_is_429_and_others_are_not(void **state)
{
	(void)state;
	kl_configure(&k, "jwks_file = \"jwks.json\"\nlimit_hour = 3\nlimit_source = 0\n");
	kl_start(&k);
	for (int i = 0; i < 3; i++)
		expect_keyprov(ALICE, 200, 0);
	expect_keyprov(ALICE, 429, 42901);
	expect_keyprov(BOB, 200, 0);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	expect_keyprov(ALICE, 429, 42901);
	kl_stop(&k, SIGTERM);
	kl_configure(&k, "jwks_file = \"jwks.json\"\nlimit_hour = 0\nlimit_period = 4\nlimit_source = 0\n");
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	expect_keyprov(ALICE, 429, 42901);
}

static void a_source_that_asks_too_often_is_429(void **state)
{
	(void)state;
	kl_configure(&k, "jwks_file = \"jwks.json\"\nlimit_hour = 0\nlimit_source = 2\n");
	kl_start(&k);
	int limited = 0;
	for (int i = 0; i < 12; i++) {
		struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "init"});
		limited += a.status == 429 && a.retry_after_s == 1;
		http_answer_free(&a);
	}
	assert_true(limited > 0);
	sleep(1);
	expect_keyprov(ALICE, 200, 0);
}

static void a_stale_request_is_refused_only_when_that_is_configured(void **state)
{
	(void)state;
	struct kms_client *c;
	struct kms_domain home;
	struct kms_result r;
	kl_configure(&k, LAB_UNLIMITED "enforce_time = true\ntime_tolerance = 30\n");
	kl_start(&k);
	char *token = kl_token(&k, (struct kl_claims){0});
	c = kl_kms_client(&k, NULL);
	assert_false(kms_client_init(c, token, ALICE, time(NULL) - 32, &home, &r));
	assert_int_equal(r.status, 400);
	assert_int_equal(r.error_code, 40004);
	assert_false(kms_client_init(c, token, ALICE, time(NULL) + 35, &home, &r));
	assert_true(kms_client_init(c, token, ALICE, time(NULL), &home, &r));
	kms_domain_free(&home);
	kms_client_free(c);
	kl_stop(&k, SIGTERM);
	kl_configure(&k, LAB_UNLIMITED);
	kl_start(&k);
	c = kl_kms_client(&k, NULL);
	assert_true(kms_client_init(c, token, ALICE, time(NULL) + 3600, &home, &r));
	kms_domain_free(&home);
	kms_client_free(c);
	free(token);
}

/* ---- the admin listener
 * ---------------------------------------------------------------------------------------------------------------- */

static void the_admin_listener_wants_a_certificate_and_the_right_role(void **state)
{
	(void)state;
	kl_start(&k);
	int bare = kl_admin_status(&k, k.plain, "GET", "/admin/v1/domain", NULL);
	assert_true(bare == 0 || bare == 403);
	assert_int_equal(kl_admin_status(&k, k.mtls, "GET", "/admin/v1/domain", NULL), 403); /* no role */
	assert_int_equal(kl_admin_status(&k, k.auditor, "GET", "/admin/v1/domain", NULL), 200);
	assert_int_equal(kl_admin_status(&k, k.auditor, "PUT", ALICE_PATH, "{\"state\":\"active\"}"), 403);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"happy\"}"), 400);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"active\",\"x\":1}"), 400);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "not json"), 400);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", "/admin/v1/users/", "{\"state\":\"active\"}"), 400);
	assert_int_equal(kl_admin_status(&k, k.officer, "DELETE", ALICE_PATH, NULL), 405);
	assert_int_equal(kl_admin_status(&k, k.officer, "GET", "/admin/v1/nothing", NULL), 404);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"active\"}"), 201);
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", ALICE_PATH, "{\"state\":\"active\"}"), 200);
	assert_int_equal(kl_audited(&k, "\"kms.user.add\""), 2);
	assert_true(kl_audited(&k, "\"admin.fail\"") >= 2);
}

static void the_admin_listener_shows_the_domain_its_users_and_its_numbers(void **state)
{
	(void)state;
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	static const struct {
		const char *path, *has[4];
	} cases[] = {
	    {"/admin/v1/domain", {"\"uri\":\"kms.example.org\"", "\"state\":\"unsealed\"", "\"seq\":", "\"chain\":"}},
	    {ALICE_PATH, {"\"state\":\"active\"", "\"uri\":\"sip:alice@example.org\"", "\"last_period\":", ""}},
	    {"/admin/v1/touches?id=sip%3Aalice%40example.org", {"\"users\":[{", "\"keys\":[{\"kms\":", "", ""}},
	    {"/admin/v1/touches?id=sip%3Anobody", {"\"users\":[]", "\"keys\":[]", "", ""}},
	    {"/metrics", {"# TYPE mcx_kms_issued_total counter", "mcx_kms_requests_total 1", "mcx_kms_sealed 0", ""}},
	    {"/healthz", {"ok", "", "", ""}},
	    {"/readyz", {"ok", "", "", ""}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_answer a = kl_admin(&k, k.auditor, "GET", cases[i].path, NULL);
		assert_int_equal(a.status, 200);
		for (size_t j = 0; j < 4; j++)
			assert_non_null(strstr((char *)a.body, cases[i].has[j]));
		http_answer_free(&a);
	}
}

/* ---- the identity server's keys
 * ----------------------------------------------------------------------------------------------------------- */

static char *served_jwks;

static void serve_jwks(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	(void)ctx;
	(void)rq;
	http_response_text(rs, 200, "application/json", served_jwks);
}

static void the_identity_servers_keys_are_fetched_and_their_absence_is_503(void **state)
{
	(void)state;
	char more[512], err[256];
	const struct token_signer *one = k.signer;
	served_jwks = token_jwks(&one, 1);
	lab_cert(&k.lab, &(struct lab_cert){.name = "idms", .cn = "idms", .san = "DNS:idms.test"});
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = kl_path(&k, "idms.pem"),
					.key_file = kl_path(&k, "idms.key"),
					.max_body = 1024,
					.threads = 1,
					.handler = serve_jwks};
	struct http_server *s = http_server_start(&o, err, sizeof err);
	assert_non_null(s);
	snprintf(more, sizeof more, "jwks = \"https://idms.test:%u/jwks\"\nresolve = \"idms.test:%u:127.0.0.1\"\n",
		 http_server_port(s), http_server_port(s));
	kl_configure(&k, more);
	kl_start(&k);
	expect_keyprov(ALICE, 200, 0);
	http_server_stop(s);
	expect_keyprov(ALICE, 200, 0); /* from the keys it has */
	kl_stop(&k, SIGTERM);
	kl_start(&k);
	expect_keyprov(ALICE, 503, 0);
	free(served_jwks);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(mcx_sec_113_two_answers_share_the_rsk_and_nothing_else),
	    T(after_a_restart_certificate_and_rsk_are_the_same_octets_and_all_sets_verify),
	    T(an_old_and_a_new_key_set_open_what_is_sent_to_the_identity),
	    T(mcx_sec_112_in_the_window_the_next_set_follows_the_current_one),
	    T(the_period_of_a_domain_cannot_be_changed_by_configuration),
	    T(kill_9_loses_no_audit_record_of_an_acknowledged_issue),
	    T(no_value_v_is_used_twice_across_kill_9),
	    T(a_locked_database_is_503_and_service_returns_by_itself),
	    T(a_full_database_is_503_and_service_returns_by_itself),
	    T(no_master_secret_and_no_issued_key_is_in_any_file),
	    T(no_key_and_no_token_is_logged),
	    T(the_process_dumps_no_core_and_is_not_traceable),
	    T(mcx_sec_114_without_its_passphrase_file_it_is_sealed_until_unsealed),
	    T(a_wrong_or_readable_passphrase_file_ends_the_start),
	    T(an_unknown_configuration_key_ends_the_start_with_its_line),
	    T(mcx_sec_115_a_suspended_user_gets_no_keys_until_resumed),
	    T(with_listed_enrolment_only_listed_identities_get_keys),
	    T(an_identity_that_asks_too_often_is_429_and_others_are_not),
	    T(a_source_that_asks_too_often_is_429),
	    T(a_stale_request_is_refused_only_when_that_is_configured),
	    T(the_admin_listener_wants_a_certificate_and_the_right_role),
	    T(the_admin_listener_shows_the_domain_its_users_and_its_numbers),
	    T(the_identity_servers_keys_are_fetched_and_their_absence_is_503),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

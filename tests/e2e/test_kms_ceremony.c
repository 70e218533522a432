/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_ceremony.c - the procedures of docs/operations.md on the master secrets, as an operator does them: ceremony,
 * backup and restore, an officer is lost, custody is changed (kms.md 15A rows 2, 6, 7, 8a, 9, 10, 11). MCX names the
 * tool; the KMS is a real one.
 */
#include "custody/officers.h"
#include "custody/parcel.h"
#include "e2e/kms_lab.h"
#include "sec/base/text.h"

static struct kms_lab k;
static char said[8192]; /* by the last run of the tool, both streams */

#define OFFICERS LAB_UNLIMITED "preprovision = 0\ncustody = \"officers\"\n"
#define BY_FILE  LAB_UNLIMITED "preprovision = 0\n"

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, OFFICERS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kl_remove(&k);
	return 0;
}

/* ---- the tool ---- */

/* Runs `mcx kms ...`, words separated by blanks, in the laboratory's folder; its exit code. kill_us: SIGKILL after
 * that. */
static int tool_for(int kill_us, const char *words)
{
	char line[2000], *argv[40] = {getenv("MCX"), "kms"}, *save = NULL;
	int n = 2, fd[2], status;
	size_t len = 0;
	ssize_t got;
	snprintf(line, sizeof line, "%s", words);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	assert_int_equal(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);
		dup2(null, 0);
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		if (chdir(k.lab.dir))
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fd[1]);
	if (kill_us >= 0) {
		usleep((useconds_t)kill_us);
		kill(pid, SIGKILL);
	}
	while (len < sizeof said - 1 && (got = read(fd[0], said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)got;
	said[len] = 0;
	close(fd[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect_tool(int code, const char *says, const char *words)
{
	int got = tool_for(-1, words);
	if (got != code || !strstr(said, says))
		fail_msg("mcx kms %s: code %d, not %d with '%s': %s", words, got, code, says, said);
}

/* One share as an officer sends it: in a parcel for the key that the issuer made. */
static struct http_answer post_share(const char *file)
{
	char text[256] = "", hex[HEX_SIZE(SHARE_OCTETS + PARCEL_OVERHEAD)], body[512], key_hex[65];
	uint8_t key[PARCEL_KEY], octets[SHARE_OCTETS], parcel[SHARE_OCTETS + PARCEL_OVERHEAD];
	struct share s;
	size_t n;
	struct http_answer a = kl_admin(&k, k.officer, "GET", "/admin/v1/seal", NULL);
	char *at = strstr((char *)a.body, "\"transport_key\":\"");
	assert_non_null(at);
	snprintf(key_hex, sizeof key_hex, "%.64s", at + 17);
	http_answer_free(&a);
	assert_int_equal(hex_decode(key_hex, 64, key, sizeof key, &n), MCSEC_OK);
	FILE *f = fopen(kl_path(&k, file), "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_int_equal(share_from_text(&s, text), MCSEC_OK);
	share_write(&s, octets);
	assert_true(parcel_seal(key, OCTETS(octets), parcel));
	hex_encode(OCTETS(parcel), hex);
	snprintf(body, sizeof body, "{\"parcel\":\"%s\"}", hex);
	return kl_admin(&k, k.officer, "POST", "/admin/v1/shares", body);
}

static int share_status(const char *file)
{
	struct http_answer a = post_share(file);
	int status = a.status;
	snprintf(said, sizeof said, "%.*s", (int)a.body_len, a.body ? (char *)a.body : "");
	http_answer_free(&a);
	return status;
}

/* ---- the KMS ---- */

static int keyprov_status(void)
{
	char *token = kl_token(&k, (struct kl_claims){0});
	struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = "keyprov", .token = token});
	int status = a.status;
	http_answer_free(&a);
	free(token);
	return status;
}

static int ready_says(const char *word)
{
	struct http_answer a = kl_admin(&k, k.officer, "GET", "/readyz", NULL);
	int says = a.body_len && strstr((char *)a.body, word);
	http_answer_free(&a);
	return says;
}

/* The RSK of ALICE, by which one KMS knows itself again. */
static void rsk_of(uint8_t rsk[MCSEC_RSK_LEN])
{
	struct kl_keys a;
	kl_fetch(&k, ALICE, &a);
	memcpy(rsk, a.set[0].set.secret->rsk, MCSEC_RSK_LEN);
	kl_keys_free(&a);
}

static void expect_rsk(const uint8_t want[MCSEC_RSK_LEN])
{
	uint8_t rsk[MCSEC_RSK_LEN];
	rsk_of(rsk);
	assert_memory_equal(rsk, want, MCSEC_RSK_LEN);
}

static void open_with_shares(const char *step, int a, int b, int c)
{
	const int number[] = {a, b, c};
	char file[64];
	for (int i = 0; i < 3; i++) {
		snprintf(file, sizeof file, "share-%s-%d", step, number[i]);
		assert_int_equal(share_status(file), 200);
	}
}

static void expect_mode(const char *file, mode_t mode)
{
	struct stat st;
	assert_int_equal(stat(kl_path(&k, file), &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

/* ---- procedure: ceremony ---- */

static void procedure_ceremony_makes_a_domain_that_three_of_five_officers_open(void **state)
{
	(void)state;
	kl_start(&k);
	assert_true(ready_says("uninitialised"));
	assert_int_equal(keyprov_status(), 503);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 409);
	expect_tool(0, "\"custody\":\"officers\"", "ceremony init --config conf --out . --batch --json");
	for (int i = 1; i <= 5; i++) {
		char file[32];
		snprintf(file, sizeof file, "share-init-%d", i);
		expect_mode(file, 0600);
	}
	/* the running KMS finds the domain, and waits for its officers */
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 409);
	assert_true(ready_says("sealed"));
	assert_int_equal(share_status("share-init-5"), 200);
	assert_non_null(strstr(said, "\"needed\":3,\"given\":1"));
	assert_int_equal(share_status("share-init-5"), 409);
	assert_non_null(strstr(said, "twice"));
	assert_int_equal(share_status("share-init-2"), 200);
	assert_int_equal(keyprov_status(), 503);
	assert_int_equal(share_status("share-init-3"), 200);
	assert_non_null(strstr(said, "unsealed"));
	assert_int_equal(keyprov_status(), 200);
	/* a restart is sealed again: officers are never there by themselves */
	uint8_t rsk[MCSEC_RSK_LEN];
	rsk_of(rsk);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	assert_true(ready_says("sealed"));
	open_with_shares("init", 1, 2, 4);
	expect_rsk(rsk);
	assert_int_equal(kl_audited(&k, "\"kms.ceremony\""), 1 + 4 + 3);
	assert_int_equal(kl_audited(&k, "\"step\":\"init\""), 1);
	assert_int_equal(kl_audited(&k, "\"kms.unseal\""), 2 + 2);
}

static void a_second_domain_is_never_made_over_the_first(void **state)
{
	(void)state;
	expect_tool(0, "done", "ceremony init --config conf --out . --batch");
	mkdir(kl_path(&k, "again"), 0700);
	expect_tool(3, "has a domain already", "ceremony init --config conf --out again --batch");
	kl_write(&k, "backup-pass", "for the safe", 0600);
	expect_tool(0, "done",
		    "ceremony backup --config conf --file b --passphrase-file backup-pass --batch --with "
		    "share-init-1,share-init-2,share-init-3");
	expect_tool(3, "has a domain already", "ceremony restore --config conf --file b --passphrase-file backup-pass");
	expect_tool(1, "File exists",
		    "ceremony backup --config conf --file b --passphrase-file backup-pass --batch --with "
		    "share-init-1,share-init-2,share-init-3");
	assert_true(kl_audited(&k, "\"outcome\":\"refused\"") >= 2);
	rmdir(kl_path(&k, "again"));
}

static void shares_that_cannot_be_handed_out_leave_no_domain(void **state)
{
	(void)state;
	kl_write(&k, "share-init-4", "somebody's file", 0600);
	expect_tool(1, "share-init-4", "ceremony init --config conf --out . --batch");
	for (int i = 1; i <= 3; i++) {
		char file[32];
		snprintf(file, sizeof file, "share-init-%d", i);
		unlink(kl_path(&k, file));
	}
	unlink(kl_path(&k, "share-init-4"));
	expect_tool(2, "--out DIR", "ceremony init --config conf --batch");
	expect_tool(0, "done", "ceremony init --config conf --out . --batch");
}

/* ---- procedure: lose an officer ---- */

static void procedure_lose_an_officer_makes_new_shares_and_the_old_ones_open_nothing(void **state)
{
	(void)state;
	uint8_t rsk[MCSEC_RSK_LEN];
	expect_tool(0, "done", "ceremony init --config conf --out . --batch");
	kl_start(&k);
	open_with_shares("init", 1, 2, 3);
	rsk_of(rsk);
	kl_stop(&k, SIGTERM);
	/* officer 5 is gone; three others meet */
	expect_tool(0, "done",
		    "ceremony change --config conf --custody officers --batch --out . --with "
		    "share-init-1,share-init-2,share-init-4");
	kl_start(&k);
	assert_int_equal(share_status("share-init-5"), 409);
	assert_non_null(strstr(said, "foreign"));
	open_with_shares("change", 5, 1, 3);
	expect_rsk(rsk);
	kl_stop(&k, SIGTERM);
	expect_tool(3, "share 2 belongs to another set",
		    "ceremony verify --config conf --batch --with "
		    "share-change-1,share-init-2,share-change-3");
	expect_tool(3, "3 shares are needed",
		    "ceremony verify --config conf --batch --with "
		    "share-change-1,share-change-3");
	expect_tool(2, "3 of 5 officers' shares are needed", "ceremony verify --config conf --batch");
}

static void a_share_that_is_damaged_mistyped_or_readable_by_others_is_named(void **state)
{
	(void)state;
	char text[256] = "";
	expect_tool(0, "done", "ceremony init --config conf --out . --batch");
	FILE *f = fopen(kl_path(&k, "share-init-2"), "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	text[60] = text[60] == '0' ? '1' : '0';
	kl_write(&k, "slip", text, 0600);
	expect_tool(3, "slip: mistyped", "ceremony verify --config conf --batch --with share-init-1,slip,share-init-3");
	struct share s;
	text[60] = text[60] == '0' ? '1' : '0';
	f = fopen(kl_path(&k, "share-init-2"), "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_int_equal(share_from_text(&s, text), MCSEC_OK);
	s.value[0] ^= 1;
	share_to_text(&s, text);
	kl_write(&k, "forged", text, 0600);
	expect_tool(3, "share 2 is wrong",
		    "ceremony verify --config conf --batch --with share-init-1,forged,share-init-3");
	assert_int_equal(chmod(kl_path(&k, "share-init-3"), 0640), 0);
	expect_tool(3, "mode 0600",
		    "ceremony verify --config conf --batch --with share-init-1,share-init-2,share-init-3");
	assert_int_equal(chmod(kl_path(&k, "share-init-3"), 0600), 0);
	expect_tool(0, "done", "ceremony verify --config conf --batch --with share-init-1,share-init-2,share-init-3");
}

/* ---- procedure: backup and restore ---- */

static void procedure_backup_and_restore_gives_the_same_keys_on_an_empty_host(void **state)
{
	(void)state;
	uint8_t rsk[MCSEC_RSK_LEN];
	struct kl_keys before, after;
	kl_configure(&k, BY_FILE);
	kl_start(&k); /* makes its domain with the passphrase file */
	rsk_of(rsk);
	kl_fetch(&k, ALICE, &before);
	kl_write(&k, "backup-pass", "for the safe", 0600);
	expect_tool(0, "\"step\":\"backup\"",
		    "ceremony backup --config conf --file kms.backup --passphrase-file backup-pass --batch --json");
	expect_mode("kms.backup", 0600);
	kl_stop(&k, SIGTERM);
	expect_tool(0, "done", "ceremony verify --config conf --file kms.backup --passphrase-file backup-pass");
	/* the host is lost: database and passphrase */
	static const char *const lost[] = {"db", "db-wal", "db-shm"};
	for (size_t i = 0; i < 3; i++)
		unlink(kl_path(&k, lost[i]));
	kl_write(&k, "passphrase", "a new host has a new passphrase\n", 0600);
	expect_tool(0, "done",
		    "ceremony restore --config conf --file kms.backup --passphrase-file backup-pass --batch");
	kl_start(&k);
	expect_rsk(rsk);
	kl_fetch(&k, ALICE, &after);
	assert_memory_equal(&before.home.cert, &after.home.cert, sizeof before.home.cert);
	assert_memory_not_equal(before.set[0].set.pvt, after.set[0].set.pvt, MCSEC_PVT_LEN);
	assert_int_equal(kl_audited(&k, "\"step\":\"restore\""), 1);
	kl_keys_free(&before);
	kl_keys_free(&after);
}

static void flip(const char *file, long at)
{
	FILE *f = fopen(kl_path(&k, file), "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
	int c = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(c ^ 1, f);
	fclose(f);
}

static void a_backup_with_any_part_changed_or_a_wrong_passphrase_restores_nothing(void **state)
{
	(void)state;
	static const char verify[] = "ceremony verify --config conf --file b --passphrase-file backup-pass";
	expect_tool(0, "done", "ceremony init --config conf --custody passphrase --batch");
	kl_write(&k, "backup-pass", "for the safe", 0600);
	expect_tool(0, "done", "ceremony backup --config conf --file b --passphrase-file backup-pass --batch");
	/* time, number, control UID, hash, certificate, blob, tag */
	static const long places[] = {10, 18, 30, 60, 300, -100, -1};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		flip("b", places[i]);
		assert_int_equal(tool_for(-1, verify), 3);
		flip("b", places[i]);
	}
	kl_write(&k, "backup-pass", "for the saf", 0600);
	expect_tool(3, "does not open", verify);
	kl_write(&k, "backup-pass", "for the safe", 0600);
	assert_int_equal(chmod(kl_path(&k, "b"), 0644), 0);
	expect_tool(3, "may be read by others", verify);
	assert_int_equal(chmod(kl_path(&k, "b"), 0600), 0);
	expect_tool(0, "done", verify);
	kl_configure(&k, OFFICERS "offset = 7\n");
	expect_tool(3, "for ever", verify);
}

/* ---- procedure: change custody ---- */

static int have_softhsm(void)
{
	return access("/usr/lib/softhsm/libsofthsm2.so", R_OK) == 0;
}

static void make_token(void)
{
	char text[400], command[600];
	mkdir(kl_path(&k, "tokens"), 0700);
	snprintf(text, sizeof text, "directories.tokendir = %s\nlog.level = ERROR\n", kl_path(&k, "tokens"));
	kl_write(&k, "softhsm2.conf", text, 0600);
	setenv("SOFTHSM2_CONF", kl_path(&k, "softhsm2.conf"), 1);
	snprintf(command, sizeof command,
		 "softhsm2-util --init-token --free --label mcx --pin 4711 --so-pin 0815 >/dev/null 2>&1");
	assert_int_equal(system(command), 0);
	kl_write(&k, "pin", "4711\n", 0600);
}

static void remove_token(void)
{
	char command[400];
	snprintf(command, sizeof command, "rm -rf '%s'", kl_path(&k, "tokens"));
	assert_int_equal(system(command), 0);
	unsetenv("SOFTHSM2_CONF");
}

static void restart_and_expect(const uint8_t rsk[MCSEC_RSK_LEN])
{
	kl_stop(&k, SIGTERM);
	kl_start(&k);
	expect_rsk(rsk);
}

static void procedure_change_custody_passphrase_token_credential_officers_keeps_the_keys(void **state)
{
	(void)state;
	uint8_t rsk[MCSEC_RSK_LEN];
	if (!have_softhsm())
		skip();
	make_token();
	setenv("CREDENTIALS_DIRECTORY", k.lab.dir, 1);
	kl_write(&k, "kms-master", "what systemd hands over", 0400);
	/* SoftHSM keeps its objects in files: the issuer's user must be theirs */
	kl_configure(&k, BY_FILE "credential = \"kms-master\"\nissuer_user = \"0\"\n"
				 "pkcs11_module = \"/usr/lib/softhsm/libsofthsm2.so\"\npkcs11_token = \"mcx\"\n"
				 "pkcs11_pin = \"pin\"\n");
	if (geteuid() != 0)
		skip();
	kl_start(&k);
	rsk_of(rsk);
	expect_tool(3, "is not there", "ceremony change --config conf --custody pkcs11"); /* no key in the token yet */
	expect_tool(0, "done", "ceremony change --config conf --custody pkcs11 --make-key");
	expect_rsk(rsk); /* the running KMS was not disturbed */
	unlink(kl_path(&k, "passphrase"));
	restart_and_expect(rsk); /* opens by itself, with the token */
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/seal", NULL), 200);
	assert_int_equal(kl_admin_status(&k, k.officer, "POST", "/admin/v1/unseal", NULL), 200);
	expect_rsk(rsk);
	expect_tool(0, "done", "ceremony change --config conf --custody credential");
	remove_token();
	restart_and_expect(rsk);
	expect_tool(0, "done", "ceremony change --config conf --custody officers --out . --batch");
	unlink(kl_path(&k, "kms-master"));
	kl_stop(&k, SIGTERM);
	kl_start(&k);
	assert_true(ready_says("sealed"));
	open_with_shares("change", 2, 3, 4);
	expect_rsk(rsk);
	assert_int_equal(kl_audited(&k, "\"step\":\"change\""), 3 + 1);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_change_killed_at_any_moment_leaves_one_custody_that_opens(void **state)
{
	(void)state;
	enum { ROUNDS = 10 };
	uint8_t rsk[MCSEC_RSK_LEN];
	setenv("CREDENTIALS_DIRECTORY", k.lab.dir, 1);
	kl_write(&k, "kms-master", "what systemd hands over", 0400);
	kl_configure(&k, BY_FILE "credential = \"kms-master\"\n");
	kl_start(&k);
	rsk_of(rsk);
	kl_stop(&k, SIGTERM);
	unsigned done = 0, seed = 99;
	for (int i = 0; i < ROUNDS; i++) {
		seed = seed * 1103515245 + 12345;
		int after_us = (int)(seed >> 8 & 0xfffff) * 2; /* up to two seconds */
		done += tool_for(after_us, i % 2 ? "ceremony change --config conf --custody passphrase"
						 : "ceremony change --config conf --custody credential") == 0;
		expect_tool(0, "done", "ceremony verify --config conf");
	}
	kl_start(&k);
	expect_rsk(rsk);
	assert_int_equal(kl_audited(&k, "\"step\":\"change\"") >= (int)done, 1);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- the tool's manners ---- */

static void a_mistake_on_the_command_line_changes_nothing_and_says_what_is_wanted(void **state)
{
	(void)state;
	expect_tool(2, "there is no step 'dance'", "ceremony dance --config conf");
	expect_tool(2, "there is no custody 'cloud'", "ceremony init --config conf --custody cloud");
	expect_tool(2, "--threshold", "ceremony init --config conf --threshold 6 --batch");
	expect_tool(2, "--threshold", "ceremony init --config conf --threshold 1 --batch");
	expect_tool(2, "--threshold", "ceremony init --config conf --shares 17 --batch");
	expect_tool(2, "--file", "ceremony backup --config conf --batch");
	expect_tool(5, "nothing.conf", "ceremony verify --config nothing.conf");
	expect_tool(3, "no domain", "ceremony verify --config conf");
	expect_tool(0, "Usage: mcx kms", "--help");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(procedure_ceremony_makes_a_domain_that_three_of_five_officers_open),
	    T(a_second_domain_is_never_made_over_the_first),
	    T(shares_that_cannot_be_handed_out_leave_no_domain),
	    T(procedure_lose_an_officer_makes_new_shares_and_the_old_ones_open_nothing),
	    T(a_share_that_is_damaged_mistyped_or_readable_by_others_is_named),
	    T(procedure_backup_and_restore_gives_the_same_keys_on_an_empty_host),
	    T(a_backup_with_any_part_changed_or_a_wrong_passphrase_restores_nothing),
	    T(procedure_change_custody_passphrase_token_credential_officers_keeps_the_keys),
	    T(a_change_killed_at_any_moment_leaves_one_custody_that_opens),
	    T(a_mistake_on_the_command_line_changes_nothing_and_says_what_is_wanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

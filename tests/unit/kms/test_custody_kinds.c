/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_custody_kinds.c - custody by systemd credential, by PKCS#11 token (SoftHSM) and by k of n officers (kms.md 15A
 * rows 6, 7, 8a, 10).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "custody/place.h"
#include "mcsec/secret.h"
#include "unit/kms/scratch.h"

static uint8_t secret[160];

struct fixture {
	struct scratch scratch;
	uint8_t blob[CUSTODY_BLOB_MAX], *opened;
	size_t len;
	struct custody *c;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	scratch_make(&f->scratch);
	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = (uint8_t)(i * 11 + 3);
	f->opened = mcsec_secret_alloc(sizeof secret);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	custody_detach(f->c);
	mcsec_secret_free(f->opened);
	char command[500];
	snprintf(command, sizeof command, "rm -rf '%s'", scratch_path(&f->scratch, "tokens"));
	assert_int_equal(system(command), 0);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static char *put_file(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char *path = strdup(scratch_path(&f->scratch, name));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static enum custody_err seal(struct fixture *f)
{
	return custody_put(f->c, "kms.example.org", "master", OCTETS(secret), &mcsec_rng_system, f->blob, &f->len);
}

static enum custody_err reopen(struct fixture *f, const char *owner, const char *name)
{
	return custody_get(f->c, owner, name, (struct octets){f->blob, f->len}, f->opened, sizeof secret);
}

/* Every changed octet is found, and nothing is left of the secret. */
static void expect_tamper_proof(struct fixture *f)
{
	static const uint8_t zero[sizeof secret];
	for (size_t i = 0; i < f->len; i++) {
		f->blob[i] ^= 0x40;
		assert_int_not_equal(reopen(f, "kms.example.org", "master"), CUSTODY_OK);
		assert_memory_equal(f->opened, zero, sizeof zero);
		f->blob[i] ^= 0x40;
	}
	assert_int_equal(reopen(f, "kms.other.org", "master"), CUSTODY_WRONG);
	assert_int_equal(reopen(f, "kms.example.org", "other"), CUSTODY_WRONG);
	assert_int_equal(reopen(f, "kms.example.org", "master"), CUSTODY_OK);
	assert_memory_equal(f->opened, secret, sizeof secret);
}

/* ---- systemd credential ---- */

static void a_credential_opens_what_it_sealed_and_nothing_that_a_passphrase_file_sealed(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = {.passphrase = "", .credential = "kms-master"};
	char *path = put_file(f, "kms-master", "from systemd", 0440);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(custody_attach(CUSTODY_BY_CREDENTIAL, &p, &f->c), CUSTODY_ABSENT);
	setenv("CREDENTIALS_DIRECTORY", f->scratch.dir, 1);
	assert_int_equal(custody_attach(CUSTODY_BY_CREDENTIAL, &p, &f->c), CUSTODY_OK);
	assert_int_equal(seal(f), CUSTODY_OK);
	assert_int_equal(custody_kind_of_blob((struct octets){f->blob, f->len}), CUSTODY_BY_CREDENTIAL);
	assert_int_equal(reopen(f, "kms.example.org", "master"), CUSTODY_OK);
	memcpy(f->blob, "mcxs", 4);
	assert_int_equal(reopen(f, "kms.example.org", "master"), CUSTODY_MALFORMED);
	free(path);
}

static void a_credential_that_others_may_read_or_a_path_for_a_name_is_refused(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = {.passphrase = "", .credential = "kms-master"};
	setenv("CREDENTIALS_DIRECTORY", f->scratch.dir, 1);
	static const mode_t wide[] = {0444, 0404, 0460, 0620};
	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
		free(put_file(f, "kms-master", "x", wide[i]));
		assert_int_equal(custody_attach(CUSTODY_BY_CREDENTIAL, &p, &f->c), CUSTODY_MODE);
	}
	p.credential = "../kms-master";
	assert_int_equal(custody_attach(CUSTODY_BY_CREDENTIAL, &p, &f->c), CUSTODY_ABSENT);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- officers ---- */

/* The field: 0x57 * 0x83 = 0xc1 is FIPS 197's example; checked through a polynomial with known points. */
static void shares_are_values_of_a_polynomial_over_the_field_of_aes(void **state)
{
	(void)state;
	/* f(x) = 0x2a + 0x83 x: f(1) = 0x2a ^ 0x83, f(0x57) would add 0xc1; from (1, f(1)) and (2, f(2)) comes 0x2a */
	uint8_t shares[2][SHAMIR_LEN], out[SHAMIR_LEN];
	const uint8_t number[2] = {1, 0x57};
	memset(shares[0], 0x2a ^ 0x83, SHAMIR_LEN);
	memset(shares[1], 0x2a ^ 0xc1, SHAMIR_LEN);
	assert_int_equal(shamir_combine(number, (const uint8_t(*)[SHAMIR_LEN])shares, 2, out), MCSEC_OK);
	for (size_t i = 0; i < SHAMIR_LEN; i++)
		assert_int_equal(out[i], 0x2a);
}

static void any_k_of_n_shares_give_the_secret_and_k_minus_one_do_not(void **state)
{
	(void)state;
	uint8_t key[SHAMIR_LEN], shares[5][SHAMIR_LEN], some[3][SHAMIR_LEN], out[SHAMIR_LEN];
	assert_int_equal(mcsec_rng_system.fill(NULL, key, sizeof key), MCSEC_OK);
	assert_int_equal(shamir_split(key, 3, 5, &mcsec_rng_system, shares), MCSEC_OK);
	for (uint8_t a = 0; a < 5; a++)
		for (uint8_t b = 0; b < 5; b++)
			for (uint8_t c = 0; c < 5; c++) {
				const uint8_t number[3] = {a + 1, b + 1, c + 1};
				memcpy(some[0], shares[a], 32), memcpy(some[1], shares[b], 32),
				    memcpy(some[2], shares[c], 32);
				enum mcsec_err e = shamir_combine(number, (const uint8_t(*)[SHAMIR_LEN])some, 3, out);
				int different = a != b && b != c && a != c;
				assert_int_equal(e, different ? MCSEC_OK : MCSEC_E_VALUE);
				if (different)
					assert_memory_equal(out, key, sizeof key);
				assert_int_equal(shamir_combine(number, (const uint8_t(*)[SHAMIR_LEN])some, 2, out),
						 a != b ? MCSEC_OK : MCSEC_E_VALUE);
				assert_memory_not_equal(out, key, sizeof key);
			}
	assert_int_equal(shamir_split(key, 1, 5, &mcsec_rng_system, shares), MCSEC_E_ARGUMENT);
	assert_int_equal(shamir_split(key, 3, 2, &mcsec_rng_system, shares), MCSEC_E_ARGUMENT);
	assert_int_equal(shamir_split(key, 3, SHAMIR_MAX + 1, &mcsec_rng_system, shares), MCSEC_E_ARGUMENT);
}

/* A fresh custody with the last k of these shares in it. */
static void gather(struct fixture *f, const struct share *shares)
{
	custody_detach(f->c);
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &(struct custody_place){.k = 3, .n = 5}, &f->c),
			 CUSTODY_OK);
	for (int i = 4; i > 1; i--) {
		assert_int_equal(reopen(f, "kms.example.org", "master"), CUSTODY_ABSENT);
		assert_int_equal(custody_add_share(f->c, (struct octets){f->blob, f->len}, &shares[i]), CUSTODY_OK);
	}
}

static void officers_open_with_three_of_five_and_no_octet_of_the_blob_may_change(void **state)
{
	struct fixture *f = *state;
	struct share shares[5];
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &(struct custody_place){.k = 3, .n = 5}, &f->c),
			 CUSTODY_OK);
	assert_null(custody_shares(f->c));
	assert_int_equal(seal(f), CUSTODY_OK);
	assert_int_equal(f->len, sizeof secret + OFFICERS_OVERHEAD + 5 * 32);
	memcpy(shares, custody_shares(f->c), sizeof shares);
	gather(f, shares);
	expect_tamper_proof(f);
}

static void wrong_foreign_and_repeated_shares_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct share first[5], second[5];
	struct custody *other;
	uint8_t blob[CUSTODY_BLOB_MAX];
	size_t len;
	const struct custody_place p = {.k = 3, .n = 5};
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &p, &other), CUSTODY_OK);
	assert_int_equal(custody_put(other, "kms.example.org", "master", OCTETS(secret), &mcsec_rng_system, blob, &len),
			 CUSTODY_OK);
	memcpy(second, custody_shares(other), sizeof second);
	custody_detach(other);
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &p, &f->c), CUSTODY_OK);
	assert_int_equal(seal(f), CUSTODY_OK);
	memcpy(first, custody_shares(f->c), sizeof first);
	custody_forget_shares(f->c);
	struct octets b = {f->blob, f->len};
	assert_int_equal(custody_add_share(f->c, b, &second[0]), CUSTODY_FOREIGN);
	for (size_t i = 0; i < SHAMIR_LEN; i++) {
		struct share bad = first[0];
		bad.value[i] ^= 0x80;
		assert_int_equal(custody_add_share(f->c, b, &bad), CUSTODY_WRONG);
	}
	struct share renamed = first[0];
	renamed.number = 2;
	assert_int_equal(custody_add_share(f->c, b, &renamed), CUSTODY_WRONG);
	assert_int_equal(custody_add_share(f->c, b, &first[0]), CUSTODY_OK);
	assert_int_equal(custody_add_share(f->c, b, &first[0]), CUSTODY_TWICE);
	assert_int_equal(custody_given(f->c), 1);
}

static void a_share_on_paper_survives_only_unchanged(void **state)
{
	(void)state;
	struct share s = {
	    .number = 2, .k = 3, .n = 5, .set = "sixteen octets..", .value = "thirty-two octets of a share...."};
	struct share back;
	char text[SHARE_TEXT_SIZE], padded[SHARE_TEXT_SIZE + 8];
	share_to_text(&s, text);
	assert_int_equal(strlen(text), SHARE_TEXT_SIZE - 1);
	snprintf(padded, sizeof padded, "  %s \r\n", text);
	assert_int_equal(share_from_text(&back, padded), MCSEC_OK);
	assert_memory_equal(&back, &s, sizeof s);
	for (size_t i = 0; i < sizeof text - 1; i++) {
		char was = text[i];
		text[i] = was == '1' ? '2' : '1';
		assert_int_not_equal(share_from_text(&back, text), MCSEC_OK);
		text[i] = was;
	}
	text[40] = 0;
	assert_int_equal(share_from_text(&back, text), MCSEC_E_ENCODING);
}

/* ---- token ---- */

static const char module[] = "/usr/lib/softhsm/libsofthsm2.so";

static int run(const char *const *argv)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A token "mcx" of its own with the PIN in a file. */
static struct custody_place make_token(struct fixture *f)
{
	char text[500];
	snprintf(text, sizeof text, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
		 scratch_path(&f->scratch, "tokens"));
	mkdir(scratch_path(&f->scratch, "tokens"), 0700);
	char *conf = put_file(f, "softhsm2.conf", text, 0600);
	setenv("SOFTHSM2_CONF", conf, 1);
	free(conf);
	const char *const init[] = {"softhsm2-util", "--init-token", "--free",   "--label", "mcx",
				    "--pin",         "4711",         "--so-pin", "0815",    NULL};
	if (access(module, R_OK) || run(init) != 0)
		skip();
	static char pin[400];
	char *path = put_file(f, "pin", "4711\n", 0600);
	snprintf(pin, sizeof pin, "%s", path);
	free(path);
	return (struct custody_place){.passphrase = "",
				      .credential = "",
				      .make = 1,
				      .token = {.module = module, .token = "mcx", .key = "kms-kek", .pin_file = pin}};
}

static void a_tokens_key_seals_and_no_octet_of_the_blob_may_change(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = make_token(f);
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_OK);
	assert_int_equal(seal(f), CUSTODY_OK);
	custody_detach(f->c); /* another process, later: the key is in the token */
	p.make = 0;
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_OK);
	expect_tamper_proof(f);
}

static void a_wrong_pin_token_key_or_module_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct custody_place good = make_token(f), p = good;
	p.make = 0;
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_ABSENT); /* no key yet */
	p.token.token = "other";
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_ABSENT);
	p = good;
	p.token.module = "/nonexistent.so";
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_TOKEN);
	p.token.module = "";
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_ABSENT);
	p = good;
	char *wrong = put_file(f, "wrong-pin", "1234", 0600), *wide = put_file(f, "wide-pin", "4711", 0640);
	p.token.pin_file = wrong;
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_WRONG);
	p.token.pin_file = wide;
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_MODE);
	free(wrong);
	free(wide);
}

/* A key of the right name that somebody made, with these two attributes. */
static void make_foreign_key(unsigned char sensitive, unsigned char extractable)
{
	struct ck_function_list *f;
	ck_rv_t (*get)(struct ck_function_list **);
	void *m = dlopen(module, RTLD_NOW);
	*(void **)&get = dlsym(m, "C_GetFunctionList");
	assert_int_equal(get(&f), CKR_OK);
	assert_int_equal(f->C_Initialize(NULL), CKR_OK);
	ck_slot_id_t slot[8];
	unsigned long n = 8, len = 32;
	ck_session_handle_t s;
	ck_object_handle_t key;
	unsigned char yes = 1;
	char label[] = "kms-kek", pin[] = "4711";
	assert_int_equal(f->C_GetSlotList(1, slot, &n), CKR_OK);
	assert_int_equal(f->C_OpenSession(slot[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s), CKR_OK);
	assert_int_equal(f->C_Login(s, CKU_USER, (unsigned char *)pin, 4), CKR_OK);
	struct ck_mechanism gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct ck_attribute a[] = {
	    {CKA_TOKEN, &yes, 1},   {CKA_SENSITIVE, &sensitive, 1}, {CKA_EXTRACTABLE, &extractable, 1},
	    {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1},         {CKA_VALUE_LEN, &len, sizeof len},
	    {CKA_LABEL, label, 7}};
	assert_int_equal(f->C_GenerateKey(s, &gen, a, 7, &key), CKR_OK);
	f->C_Finalize(NULL);
	dlclose(m);
}

static void a_key_that_could_leave_the_token_is_refused(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = make_token(f);
	make_foreign_key(1, 1);
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_EXTRACTABLE);
}

static void a_key_that_is_not_sensitive_is_refused(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = make_token(f);
	make_foreign_key(0, 0);
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_EXTRACTABLE);
}

static void two_keys_of_one_name_are_refused(void **state)
{
	struct fixture *f = *state;
	struct custody_place p = make_token(f);
	make_foreign_key(1, 0);
	make_foreign_key(1, 0);
	assert_int_equal(custody_attach(CUSTODY_BY_TOKEN, &p, &f->c), CUSTODY_TOKEN);
}

#define F(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    F(a_credential_opens_what_it_sealed_and_nothing_that_a_passphrase_file_sealed),
	    F(a_credential_that_others_may_read_or_a_path_for_a_name_is_refused),
	    cmocka_unit_test(shares_are_values_of_a_polynomial_over_the_field_of_aes),
	    cmocka_unit_test(any_k_of_n_shares_give_the_secret_and_k_minus_one_do_not),
	    F(officers_open_with_three_of_five_and_no_octet_of_the_blob_may_change),
	    F(wrong_foreign_and_repeated_shares_are_told_apart),
	    cmocka_unit_test(a_share_on_paper_survives_only_unchanged),
	    F(a_tokens_key_seals_and_no_octet_of_the_blob_may_change),
	    F(a_wrong_pin_token_key_or_module_is_told_apart),
	    F(a_key_that_could_leave_the_token_is_refused),
	    F(a_key_that_is_not_sensitive_is_refused),
	    F(two_keys_of_one_name_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

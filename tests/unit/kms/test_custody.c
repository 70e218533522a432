/* SPDX-License-Identifier: Apache-2.0 */
/* test_custody.c - secrets sealed under a passphrase file (kms.md 15A rows 8a and 10). */
#include <fcntl.h>

#include <argon2.h>
#include <openssl/evp.h>

#include "unit/kms/scratch.h"
#include "custody/custody.h"
#include "mcsec/secret.h"

static const struct custody_cost cheap = {64, 1, 1};

struct fixture {
	struct scratch scratch;
	struct custody_passphrase *p;
	uint8_t *opened;
	uint8_t blob[160 + CUSTODY_OVERHEAD];
};

static const char *put_file(struct fixture *f, const char *name, const char *content, size_t n, int mode)
{
	const char *path = scratch_path(&f->scratch, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, content, n), n);
	close(fd);
	assert_int_equal(chmod(path, (mode_t)mode), 0);
	return path;
}

static uint8_t secret[160];

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	scratch_make(&f->scratch);
	assert_int_equal(custody_passphrase_read(put_file(f, "pass", "correct horse\n", 14, 0600), &f->p), CUSTODY_OK);
	f->opened = mcsec_secret_alloc(sizeof secret);
	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = (uint8_t)(i * 7 + 1);
	assert_int_equal(
	    custody_seal(f->p, &cheap, "kms.example.org", "master", OCTETS(secret), &mcsec_rng_system, f->blob),
	    CUSTODY_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	custody_passphrase_free(f->p);
	mcsec_secret_free(f->opened);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static enum custody_err reopen(struct fixture *f)
{
	return custody_open(f->p, "kms.example.org", "master", OCTETS(f->blob), f->opened, sizeof secret);
}

static int is_zero(const uint8_t *p, size_t n)
{
	uint8_t all = 0;
	for (size_t i = 0; i < n; i++)
		all |= p[i];
	return all == 0;
}

static void what_was_sealed_opens(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(reopen(f), CUSTODY_OK);
	assert_memory_equal(f->opened, secret, sizeof secret);
}

static void the_blob_holds_nothing_of_the_secret_and_is_new_each_time(void **state)
{
	struct fixture *f = *state;
	uint8_t again[sizeof f->blob];
	assert_null(memmem(f->blob, sizeof f->blob, secret, 8));
	assert_int_equal(
	    custody_seal(f->p, &cheap, "kms.example.org", "master", OCTETS(secret), &mcsec_rng_system, again),
	    CUSTODY_OK);
	assert_memory_not_equal(again + 17, f->blob + 17, 28); /* salt, nonce */
	assert_memory_not_equal(again + 45, f->blob + 45, sizeof secret);
}

/* The format by hand, with the libraries alone. */
static void the_blob_is_what_the_page_says(void **state)
{
	struct fixture *f = *state;
	const uint8_t *b = f->blob;
	assert_memory_equal(b,
			    "mcxs\1"
			    "\0\0\0\x40"
			    "\0\0\0\1"
			    "\0\0\0\1",
			    17);
	uint8_t kek[32], out[160];
	assert_int_equal(argon2id_hash_raw(1, 64, 1, "correct horse", 13, b + 17, 16, kek, 32), ARGON2_OK);
	static const char aad[] = "\1\0\x0fkms.example.org\0\6master";
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;
	assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, kek, b + 33), 1);
	assert_int_equal(EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)aad, sizeof aad - 1), 1);
	assert_int_equal(EVP_DecryptUpdate(c, out, &n, b + 45, 160), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(uintptr_t)(b + 205)), 1);
	assert_int_equal(EVP_DecryptFinal_ex(c, out, &n), 1);
	assert_memory_equal(out, secret, sizeof secret);
	EVP_CIPHER_CTX_free(c);
}

static void the_default_cost_is_64_mib_3_passes_1_lane(void **state)
{
	(void)state;
	assert_int_equal(custody_cost_default.m_kib, 65536);
	assert_int_equal(custody_cost_default.t, 3);
	assert_int_equal(custody_cost_default.p, 1);
}

static void a_wrong_passphrase_owner_or_name_opens_nothing(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(custody_open(f->p, "kms.example.org", "mistress", OCTETS(f->blob), f->opened, 160),
			 CUSTODY_WRONG);
	assert_int_equal(custody_open(f->p, "kms.example.or", "gmaster", OCTETS(f->blob), f->opened, 160),
			 CUSTODY_WRONG);
	f->p->octets[0] ^= 1;
	assert_int_equal(reopen(f), CUSTODY_WRONG);
	assert_true(is_zero(f->opened, 160));
}

static void a_flipped_bit_anywhere_opens_nothing(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof f->blob; i++) {
		if (i >= 5 && i < 17)
			continue; /* the cost: refused below, or only slow */
		f->blob[i] ^= 0x10;
		enum custody_err e = reopen(f);
		assert_int_equal(e, i < 5 ? CUSTODY_MALFORMED : CUSTODY_WRONG);
		assert_true(is_zero(f->opened, 160));
		f->blob[i] ^= 0x10;
	}
	f->blob[16] = 2; /* two lanes instead of one */
	assert_int_equal(reopen(f), CUSTODY_WRONG);
}

static void a_blob_cannot_ask_for_a_cost_that_stops_the_machine(void **state)
{
	struct fixture *f = *state;
	f->blob[5] = 0x7f; /* 2 TiB */
	assert_int_equal(reopen(f), CUSTODY_MALFORMED);
	f->blob[5] = 0;
	f->blob[9] = 1; /* 16 million passes */
	assert_int_equal(reopen(f), CUSTODY_MALFORMED);
}

static void every_other_length_is_malformed(void **state)
{
	struct fixture *f = *state;
	for (size_t n = 0; n < sizeof f->blob; n++)
		assert_int_equal(
		    custody_open(f->p, "kms.example.org", "master", (struct octets){f->blob, n}, f->opened, 160),
		    CUSTODY_MALFORMED);
	assert_int_equal(custody_open(f->p, "kms.example.org", "master", OCTETS(f->blob), f->opened, 159),
			 CUSTODY_MALFORMED);
}

static enum custody_err read_file(struct fixture *f, const char *content, size_t n, int mode)
{
	struct custody_passphrase *p = NULL;
	enum custody_err e = custody_passphrase_read(put_file(f, "other", content, n, mode), &p);
	assert_true(e ? !p : !!p);
	custody_passphrase_free(p);
	return e;
}

static void one_trailing_newline_is_no_part_of_the_passphrase(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(f->p->len, 13);
	struct custody_passphrase *p;
	assert_int_equal(custody_passphrase_read(put_file(f, "other", "a\n\n", 3, 0400), &p), CUSTODY_OK);
	assert_int_equal(p->len, 2);
	custody_passphrase_free(p);
}

static void a_passphrase_file_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_file(f, "x", 1, 0600), CUSTODY_OK);
	assert_int_equal(read_file(f, "x", 1, 0640), CUSTODY_MODE);
	assert_int_equal(read_file(f, "x", 1, 0604), CUSTODY_MODE);
	assert_int_equal(read_file(f, "", 0, 0600), CUSTODY_MODE);
	assert_int_equal(read_file(f, "\n", 1, 0600), CUSTODY_MODE);
	char *big = calloc(1, CUSTODY_PASSPHRASE_MAX + 1);
	memset(big, 'x', CUSTODY_PASSPHRASE_MAX + 1);
	assert_int_equal(read_file(f, big, CUSTODY_PASSPHRASE_MAX, 0600), CUSTODY_OK);
	assert_int_equal(read_file(f, big, CUSTODY_PASSPHRASE_MAX + 1, 0600), CUSTODY_MODE);
	free(big);
}

static void a_missing_file_a_link_and_a_folder_are_refused(void **state)
{
	struct fixture *f = *state;
	struct custody_passphrase *p;
	char link[400];
	assert_int_equal(custody_passphrase_read(scratch_path(&f->scratch, "absent"), &p), CUSTODY_ABSENT);
	strcpy(link, scratch_path(&f->scratch, "link"));
	assert_int_equal(symlink(scratch_path(&f->scratch, "pass"), link), 0);
	assert_int_equal(custody_passphrase_read(link, &p), CUSTODY_MODE);
	assert_int_equal(custody_passphrase_read(f->scratch.dir, &p), CUSTODY_MODE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_was_sealed_opens),
	    T(the_blob_holds_nothing_of_the_secret_and_is_new_each_time),
	    T(the_blob_is_what_the_page_says),
	    T(the_default_cost_is_64_mib_3_passes_1_lane),
	    T(a_wrong_passphrase_owner_or_name_opens_nothing),
	    T(a_flipped_bit_anywhere_opens_nothing),
	    T(a_blob_cannot_ask_for_a_cost_that_stops_the_machine),
	    T(every_other_length_is_malformed),
	    T(one_trailing_newline_is_no_part_of_the_passphrase),
	    T(a_passphrase_file_that_others_may_read_is_refused),
	    T(a_missing_file_a_link_and_a_folder_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

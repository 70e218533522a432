/* SPDX-License-Identifier: Apache-2.0 */
/* test_kms_period.c - which periods are given, and what the issuer makes of them (kms.md 2.1, 3.1, 3.4, 16.1). */
#include "unit/kms/kms_vector.h"
#include "unit/kms/scratch.h"
#include "kms/issuer/vault.h"
#include "kms/limit.h"
#include "kms/period.h"

enum { P3 = 2592000, W = 604800 };

static struct period_policy policy(uint64_t offset)
{
	return (struct period_policy){.periods = {P3, offset}, .preprovision = W, .max_past = 1, .max_future = 1};
}

static void mcx_sec_103_the_period_changes_at_its_first_second(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < P3; offset += P3 / 3 + 1) {
		struct period_policy p = policy(offset);
		uint64_t start = mcsec_period_start(&p.periods, 1389), out[2];
		assert_int_equal(start, UINT64_C(1389) * P3 + offset);
		assert_int_equal(period_plain(&p, start, out), 1);
		assert_int_equal(out[0], 1389);
		assert_int_equal(period_plain(&p, start - 1, out), 2);
		assert_int_equal(out[0], 1388);
		assert_int_equal(out[1], 1389);
	}
}

static void the_window_opens_w_seconds_before_the_end_and_zero_keeps_it_shut(void **state)
{
	(void)state;
	struct period_policy p = policy(0);
	uint64_t end = mcsec_period_start(&p.periods, 1390), out[2];
	assert_int_equal(period_plain(&p, end - W - 1, out), 1);
	assert_int_equal(period_plain(&p, end - W, out), 2);
	assert_int_equal(period_plain(&p, end - 1, out), 2);
	p.preprovision = 0;
	assert_int_equal(period_plain(&p, end - 1, out), 1);
	p.preprovision = W;
	p.max_future = 0;
	assert_int_equal(period_plain(&p, end - 1, out), 1);
}

static void periods_beyond_the_limits_are_refused_on_both_sides(void **state)
{
	(void)state;
	struct period_policy p = policy(17);
	uint64_t now = mcsec_period_start(&p.periods, 1389) + 5, out;
	static const struct {
		int64_t from_start;
		int ok;
		uint64_t period;
	} cases[] = {{-P3 - 1, 0, 0},
		     {-P3, 1, 1388},
		     {-1, 1, 1388},
		     {0, 1, 1389},
		     {P3 - 1, 1, 1389},
		     {P3, 1, 1390},
		     {2 * (int64_t)P3 - 1, 1, 1390},
		     {2 * (int64_t)P3, 0, 0}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t at = mcsec_period_start(&p.periods, 1389) + (uint64_t)cases[i].from_start;
		assert_int_equal(period_at(&p, now, at, &out), cases[i].ok ? MCSEC_OK : MCSEC_E_VALUE);
		if (cases[i].ok)
			assert_int_equal(out, cases[i].period);
	}
	p.max_past = 0;
	assert_int_equal(period_at(&p, now, now - P3, &out), MCSEC_E_VALUE);
	assert_int_equal(period_at(&p, now, 3, &out), MCSEC_E_VALUE); /* before the first period */
}

static void mcx_sec_108_periods_go_on_when_the_32_bit_seconds_wrap_in_2036(void **state)
{
	(void)state;
	struct period_policy p = policy(0);
	uint64_t wrap = UINT64_C(1) << 32, out[2], at;
	assert_int_equal(period_plain(&p, wrap - 1, out), 1);
	assert_int_equal(out[0], 1657);
	assert_int_equal(period_plain(&p, wrap, out), 1);
	assert_int_equal(out[0], 1657);
	uint64_t next = mcsec_period_start(&p.periods, 1658);
	assert_true(next > wrap);
	assert_int_equal(period_plain(&p, next - 1, out), 2);
	assert_int_equal(out[1], 1658);
	/* asked for across the wrap, as the timestamp of the path arrives */
	uint64_t ntp = mcsec_ntp_unfold(mcsec_ntp_fold(next, 0), wrap - 10);
	assert_int_equal(ntp, next);
	assert_int_equal(period_at(&p, wrap - 10, ntp, &at), MCSEC_OK);
	assert_int_equal(at, 1658);
}

/* ---- the issuer
 * --------------------------------------------------------------------------------------------------------- */

struct fixture {
	struct kms_vector vector;
	struct scratch scratch;
	char passphrase[400];
	struct custody *custody;
	struct vault *vault;
	struct issuer_domain domain;
	uint8_t sealed[VAULT_SECRET_LEN + CUSTODY_OVERHEAD];
};

static int open_issuer(void **state)
{
	static const struct custody_cost cheap = {64, 1, 1};
	struct fixture *f = calloc(1, sizeof *f);
	struct custody_passphrase *p;
	kms_vector_open(&f->vector);
	scratch_make(&f->scratch);
	strcpy(f->passphrase, scratch_path(&f->scratch, "passphrase"));
	umask(077);
	FILE *out = fopen(f->passphrase, "w");
	fputs("correct horse", out);
	fclose(out);
	uint8_t *secrets = mcsec_secret_alloc(MCSEC_KSAK_LEN + MCSEC_ZT_LEN);
	mcsec_master_export(f->vector.master, secrets, secrets + MCSEC_KSAK_LEN);
	assert_int_equal(custody_passphrase_read(f->passphrase, &p), CUSTODY_OK);
	assert_int_equal(custody_seal(p, &cheap, VECTOR_KMS, "master",
				      (struct octets){secrets, MCSEC_KSAK_LEN + MCSEC_ZT_LEN}, &mcsec_rng_system,
				      f->sealed),
			 CUSTODY_OK);
	custody_passphrase_free(p);
	mcsec_secret_free(secrets);
	assert_int_equal(
	    custody_attach(CUSTODY_BY_PASSPHRASE, &(struct custody_place){.passphrase = f->passphrase}, &f->custody),
	    CUSTODY_OK);
	f->vault = vault_new(&vault_software);
	f->domain = (struct issuer_domain){.periods = f->vector.cert.periods, .sealed = OCTETS(f->sealed)};
	memcpy(f->domain.kpak, f->vector.cert.pub_auth_key, MCSEC_KPAK_LEN);
	memcpy(f->domain.z_pub, f->vector.cert.pub_enc_key, MCSEC_ZPUB_LEN);
	*state = f;
	return 0;
}

static int close_issuer(void **state)
{
	struct fixture *f = *state;
	vault_free(f->vault);
	custody_detach(f->custody);
	kms_vector_close(&f->vector);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static enum issuer_status issue(struct fixture *f, uint64_t period, const uint8_t *uid, struct mcsec_issued *out)
{
	return vault_issue(f->vault, &mcsec_rng_system, VECTOR_USER, period, period, uid, out);
}

static void the_key_issue_vector_is_reproduced(void **state)
{
	struct fixture *f = *state;
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	struct kms_key_set s = {.secret = mcsec_secret_alloc(sizeof(struct kms_key_secret))};
	struct kms_fault fault;
	struct mcsec_kms *kms;
	struct mcsec_keyset *keys;
	const uint8_t *uid_1388 = f->vector.set.uid;
	assert_true(vault_is_sealed(f->vault));
	assert_int_equal(issue(f, 1388, uid_1388, k), ISSUER_SEALED);
	assert_int_equal(vault_open(f->vault, f->custody, VECTOR_KMS, &f->domain), CUSTODY_OK);
	assert_int_equal(issue(f, 1388, uid_1388, k), ISSUER_OK);
	assert_memory_equal(k->rsk, f->vector.set.secret->rsk, MCSEC_RSK_LEN);
	struct kms_key_secret *secret = s.secret;
	s = f->vector.set;
	s.secret = secret;
	memcpy(s.secret->rsk, k->rsk, MCSEC_RSK_LEN);
	memcpy(s.secret->ssk, k->ssk, MCSEC_SSK_LEN);
	memcpy(s.pvt, k->pvt, MCSEC_PVT_LEN);
	assert_int_equal(mcsec_kms_new(&kms, f->vector.cert.pub_auth_key, f->vector.cert.pub_enc_key), MCSEC_OK);
	assert_int_equal(kms_key_set_check(&s, &f->vector.cert, kms, VECTOR_USER, &keys, &fault), MCSEC_OK);
	mcsec_keyset_free(keys);
	mcsec_kms_free(kms);
	struct vector_file v;
	uint8_t uid[32], rsk[20];
	vector_open(&v, "kms.json");
	vector_get(&v, "UID_1389", uid, 32);
	vector_get(&v, "RSK_1389_begin", rsk, sizeof rsk);
	assert_int_equal(issue(f, 1389, uid, k), ISSUER_OK);
	assert_memory_equal(k->rsk, rsk, sizeof rsk);
	vault_seal(f->vault);
	assert_int_equal(issue(f, 1388, uid_1388, k), ISSUER_SEALED);
	mcsec_secret_free(s.secret);
	mcsec_secret_free(k);
}

static void a_uid_that_is_not_that_of_identity_and_period_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	assert_int_equal(vault_open(f->vault, f->custody, VECTOR_KMS, &f->domain), CUSTODY_OK);
	assert_int_equal(issue(f, 1389, f->vector.set.uid, k), ISSUER_UID_MISMATCH);
	assert_int_equal(
	    vault_issue(f->vault, &mcsec_rng_system, "sip:other@example.org", 1388, 1, f->vector.set.uid, k),
	    ISSUER_UID_MISMATCH);
	assert_int_equal(vault_issue(f->vault, &mcsec_rng_system, "", 1388, 1, f->vector.set.uid, k),
			 ISSUER_UID_MISMATCH);
	mcsec_secret_free(k);
}

static enum mcsec_err stuck(void *ctx, uint8_t *out, size_t n)
{
	memset(out, *(const int *)ctx, n);
	return MCSEC_OK;
}

static enum mcsec_err broken(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	(void)out;
	(void)n;
	return MCSEC_E_RANDOM;
}

static void the_self_test_holds_and_a_dead_random_source_fails_it(void **state)
{
	(void)state;
	int zero = 0, ones = 255;
	size_t before = mcsec_secret_in_use();
	assert_int_equal(issuer_self_test(&mcsec_rng_system), MCSEC_OK);
	assert_int_equal(issuer_self_test(&(struct mcsec_rng){stuck, &zero}), MCSEC_E_SELF_TEST);
	assert_int_equal(issuer_self_test(&(struct mcsec_rng){stuck, &ones}), MCSEC_E_SELF_TEST);
	assert_int_equal(issuer_self_test(&(struct mcsec_rng){broken, NULL}), MCSEC_E_SELF_TEST);
	assert_int_equal(mcsec_secret_in_use(), before);
}

static void secrets_of_another_certificate_do_not_unseal(void **state)
{
	struct fixture *f = *state;
	struct issuer_domain other = f->domain;
	other.kpak[10] ^= 1;
	assert_int_equal(vault_open(f->vault, f->custody, VECTOR_KMS, &other), CUSTODY_WRONG);
	assert_true(vault_is_sealed(f->vault));
	assert_int_equal(vault_open(f->vault, f->custody, "kms.other.example", &f->domain), CUSTODY_WRONG);
	assert_int_equal(vault_open(f->vault, NULL, VECTOR_KMS, &f->domain), CUSTODY_ABSENT);
	assert_true(vault_is_sealed(f->vault));
}

static void fresh_secrets_are_new_each_time_and_unseal_again(void **state)
{
	struct fixture *f = *state;
	struct issuer_domain a = f->domain, b = f->domain, mixed;
	uint8_t sealed_a[CUSTODY_BLOB_MAX], sealed_b[CUSTODY_BLOB_MAX];
	size_t before = mcsec_secret_in_use();
	assert_int_equal(vault_create(f->vault, f->custody, VECTOR_KMS, &a, sealed_a), CUSTODY_OK);
	assert_int_equal(vault_create(f->vault, f->custody, VECTOR_KMS, &b, sealed_b), CUSTODY_OK);
	assert_memory_not_equal(a.kpak, b.kpak, MCSEC_KPAK_LEN);
	assert_memory_not_equal(a.z_pub, b.z_pub, MCSEC_ZPUB_LEN);
	mixed = a;
	mixed.sealed = b.sealed;
	assert_int_equal(vault_open(f->vault, f->custody, VECTOR_KMS, &mixed), CUSTODY_WRONG);
	assert_int_equal(vault_open(f->vault, f->custody, VECTOR_KMS, &a), CUSTODY_OK);
	vault_seal(f->vault);
	assert_int_equal(mcsec_secret_in_use(), before);
}

/* ---- limits
 * ----------------------------------------------------------------------------------------------------------------- */

static void a_limit_counts_by_name_and_second(void **state)
{
	(void)state;
	struct limit *l = limit_new(2), *none = limit_new(0);
	assert_true(limit_allows(l, "10.0.0.1", 100));
	assert_true(limit_allows(l, "10.0.0.1", 100));
	assert_false(limit_allows(l, "10.0.0.1", 100));
	assert_true(limit_allows(l, "10.0.0.2", 100));
	assert_false(limit_allows(l, "10.0.0.1", 100));
	assert_true(limit_allows(l, "10.0.0.1", 101));
	for (int i = 0; i < 100; i++)
		assert_true(limit_allows(none, "10.0.0.1", 100));
	limit_free(l);
	limit_free(none);
}

#define T(name) cmocka_unit_test(name)
#define I(name) cmocka_unit_test_setup_teardown(name, open_issuer, close_issuer)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(mcx_sec_103_the_period_changes_at_its_first_second),
	    T(the_window_opens_w_seconds_before_the_end_and_zero_keeps_it_shut),
	    T(periods_beyond_the_limits_are_refused_on_both_sides),
	    T(mcx_sec_108_periods_go_on_when_the_32_bit_seconds_wrap_in_2036),
	    I(the_key_issue_vector_is_reproduced),
	    I(a_uid_that_is_not_that_of_identity_and_period_is_refused),
	    T(the_self_test_holds_and_a_dead_random_source_fails_it),
	    I(secrets_of_another_certificate_do_not_unseal),
	    I(fresh_secrets_are_new_each_time_and_unseal_again),
	    T(a_limit_counts_by_name_and_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

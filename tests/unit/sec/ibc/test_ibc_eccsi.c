/* SPDX-License-Identifier: Apache-2.0 */
/* ECCSI (RFC 6507): what verifies, and everything that must not. */
#include "domain.h"

#include "sec/ibc/hash.h"

static struct domain d;
static const uint8_t msg[] = "the message that is signed";
static uint8_t sig[MCSEC_SIG_LEN];

static int setup(void **state)
{
	(void)state;
	domain_new(&d);
	assert_int_equal(mcsec_eccsi_sign(d.keys, &d.rng, msg, sizeof msg, sig), MCSEC_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_free(&d);
	return 0;
}

static void refused(const uint8_t bad[MCSEC_SIG_LEN])
{
	assert_int_equal(mcsec_eccsi_verify(d.peer, msg, sizeof msg, bad), MCSEC_E_SIGNATURE);
}

static void a_signature_verifies_and_each_is_new(void **state)
{
	(void)state;
	uint8_t other[MCSEC_SIG_LEN];
	assert_int_equal(mcsec_eccsi_verify(d.peer, msg, sizeof msg, sig), MCSEC_OK);
	assert_int_equal(mcsec_eccsi_sign(d.keys, &d.rng, msg, sizeof msg, other), MCSEC_OK);
	assert_memory_not_equal(sig, other, 32);
	assert_int_equal(mcsec_eccsi_verify(d.peer, msg, sizeof msg, other), MCSEC_OK);
	assert_int_equal(mcsec_eccsi_sign(d.keys, &d.rng, msg, 0, other), MCSEC_OK);
	assert_int_equal(mcsec_eccsi_verify(d.peer, msg, 0, other), MCSEC_OK);
}

static enum mcsec_err same_fill(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	memset(out, 0x5a, n);
	return MCSEC_OK;
}

static enum mcsec_err failing_fill(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	memset(out, 0, n);
	return MCSEC_E_RANDOM;
}

static void a_broken_random_source_does_not_repeat_j_for_another_message(void **state)
{
	(void)state;
	const struct mcsec_rng broken = {same_fill, NULL};
	uint8_t a[MCSEC_SIG_LEN], b[MCSEC_SIG_LEN];
	assert_int_equal(mcsec_eccsi_sign(d.keys, &broken, msg, sizeof msg, a), MCSEC_OK);
	assert_int_equal(mcsec_eccsi_sign(d.keys, &broken, msg, sizeof msg - 1, b), MCSEC_OK);
	assert_memory_not_equal(a, b, 32);
}

static void a_failing_random_source_signs_nothing(void **state)
{
	(void)state;
	const struct mcsec_rng failing = {failing_fill, NULL};
	static const uint8_t zero[MCSEC_SIG_LEN];
	uint8_t out[MCSEC_SIG_LEN];
	assert_int_equal(mcsec_eccsi_sign(d.keys, &failing, msg, sizeof msg, out), MCSEC_E_RANDOM);
	assert_memory_equal(out, zero, sizeof zero);
}

static void a_changed_octet_anywhere_in_the_signature_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SIG_LEN];
	for (size_t i = 0; i < sizeof bad; i++) {
		memcpy(bad, sig, sizeof bad);
		bad[i] ^= (uint8_t)(1u << i % 8);
		refused(bad);
	}
}

static void a_changed_message_is_refused(void **state)
{
	(void)state;
	uint8_t other[sizeof msg];
	for (size_t i = 0; i < sizeof msg; i++) {
		memcpy(other, msg, sizeof msg);
		other[i] ^= 1;
		assert_int_equal(mcsec_eccsi_verify(d.peer, other, sizeof other, sig), MCSEC_E_SIGNATURE);
	}
	assert_int_equal(mcsec_eccsi_verify(d.peer, msg, sizeof msg - 1, sig), MCSEC_E_SIGNATURE);
}

static void a_signature_under_another_identity_is_refused(void **state)
{
	(void)state;
	struct mcsec_identity *other;
	uint8_t id[26];
	memcpy(id, d.id, sizeof id);
	id[3] ^= 1;
	assert_int_equal(mcsec_identity_new(&other, d.kms, id, sizeof id), MCSEC_OK);
	assert_int_equal(mcsec_eccsi_verify(other, msg, sizeof msg, sig), MCSEC_E_SIGNATURE);
	mcsec_identity_free(other);
}

/* p and n of P-256. */
static const char *const P_HEX = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
static const char *const N_HEX = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

static void r_and_s_out_of_range_are_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SIG_LEN];
	static const char *const zero = "0000000000000000000000000000000000000000000000000000000000000000";
	const char *const r_bad[] = {zero, P_HEX, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
	const char *const s_bad[] = {zero, N_HEX, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
	for (int i = 0; i < 3; i++) {
		memcpy(bad, sig, sizeof bad);
		unhex(r_bad[i], bad, 32);
		refused(bad);
		memcpy(bad, sig, sizeof bad);
		unhex(s_bad[i], bad + 32, 32);
		refused(bad);
	}
}

static struct n256 small(uint8_t value)
{
	struct n256 k;
	uint8_t octets[32] = {0};
	octets[31] = value;
	scalar_load(&k, octets);
	return k;
}

static void multiple_of_g(struct p256_affine *r, const struct n256 *k)
{
	struct p256_point p;
	p256_mul_g(&p, k);
	assert_true(p256_to_affine(r, &p));
}

/*
 * Only an s below 2^256 - n, about 2^224, has a second encoding s + n, and no honest signature will have one. So make
 * one for s = 1: choose HS = 1, PVT = G, J = [5]G and KPAK = [(5 - HE) / r - 1]G.
 */
static void s_plus_n_as_a_second_encoding_is_refused(void **state)
{
	(void)state;
	uint8_t made[MCSEC_SIG_LEN], hs[32] = {0}, he_octets[32], n[32];
	struct n256 one = small(1), five = small(5), r, he, y;
	struct p256_affine a, kpak;
	static struct p256_comb kpak_comb;
	hs[31] = 1;
	multiple_of_g(&a, &one);
	p256_store(made + 64, &a);
	multiple_of_g(&a, &five);
	p256_store_x(made, &a);
	memset(made + 32, 0, 32);
	made[63] = 1;
	hash_parts(he_octets, (struct octets[]){OCTETS(hs), {made, 32}, OCTETS(msg)}, 3);
	(void)scalar_load(&he, he_octets);
	(void)scalar_load(&r, made);
	scalar_inv(&r, &r);
	scalar_sub(&y, &five, &he);
	scalar_mul(&y, &y, &r);
	scalar_sub(&y, &y, &one);
	multiple_of_g(&kpak, &y);
	assert_int_equal(p256_comb_new(&kpak_comb, &kpak), MCSEC_OK);
	assert_int_equal(eccsi_verify_with(&kpak_comb, hs, OCTETS(msg), made), MCSEC_OK);
	unhex(N_HEX, n, sizeof n);
	n[31]++;
	memcpy(made + 32, n, 32);
	assert_int_equal(eccsi_verify_with(&kpak_comb, hs, OCTETS(msg), made), MCSEC_E_SIGNATURE);
}

static void a_pvt_off_the_curve_or_in_another_form_is_refused(void **state)
{
	(void)state;
	uint8_t bad[MCSEC_SIG_LEN];
	for (int form = 0; form < 256; form++) {
		if (form == 4)
			continue;
		memcpy(bad, sig, sizeof bad);
		bad[64] = (uint8_t)form;
		refused(bad);
	}
	memcpy(bad, sig, sizeof bad);
	memset(bad + 65, 0, 64);
	refused(bad); /* (0, 0) is not on P-256 */
	unhex(P_HEX, bad + 65, 32);
	refused(bad);
	memcpy(bad, sig, sizeof bad);
	unhex(P_HEX, bad + 97, 32);
	refused(bad);
}

/*
 * With HS = 1 and PVT = -KPAK, Y = [HS]PVT + KPAK is infinity, and s = j / HE makes J = [s][HE]G = [j]G for any j: a
 * forgery without a key. HS hashes both points, so only an injected HS gets here.
 */
static void y_at_infinity_is_refused(void **state)
{
	(void)state;
	uint8_t forged[MCSEC_SIG_LEN], hs[32] = {0}, he_octets[32], x[32];
	struct n256 j = small(5), he, s, minus, zero = {{0}};
	struct p256_affine a;
	hs[31] = 1;
	scalar_sub(&minus, &zero, &d.master->ksak);
	multiple_of_g(&a, &minus);
	p256_store(forged + 64, &a); /* -KPAK */
	multiple_of_g(&a, &j);
	p256_store_x(forged, &a);
	hash_parts(he_octets, (struct octets[]){OCTETS(hs), {forged, 32}, OCTETS(msg)}, 3);
	(void)scalar_load(&he, he_octets);
	scalar_inv(&s, &he);
	scalar_mul(&s, &s, &j);
	scalar_store(forged + 32, &s);
	scalar_mul(&s, &s, &he);
	multiple_of_g(&a, &s);
	p256_store_x(x, &a);
	assert_memory_equal(x, forged, 32); /* the equation of step 4 is met */
	assert_int_equal(eccsi_verify_with(&d.kms->kpak_comb, hs, OCTETS(msg), forged), MCSEC_E_SIGNATURE);
}

static void scalars_out_of_range_are_told(void **state)
{
	(void)state;
	uint8_t in[32] = {0};
	struct n256 k;
	assert_false(scalar_load(&k, in));
	in[31] = 1;
	assert_true(scalar_load(&k, in));
	unhex(N_HEX, in, sizeof in);
	assert_false(scalar_load(&k, in));
	in[31]--;
	assert_true(scalar_load(&k, in)); /* n - 1 */
	memset(in, 0xff, sizeof in);
	assert_false(scalar_load(&k, in));
}

static void a_hash_becomes_a_scalar_from_1_to_n_minus_1(void **state)
{
	(void)state;
	uint8_t hash[64] = {0}, got[32], want[32] = {0};
	struct n256 k;
	want[31] = 1;
	scalar_from_hash(&k, hash);
	scalar_store(got, &k);
	assert_memory_equal(got, want, 32); /* 0 -> 1 */
	unhex(N_HEX, hash + 32, 32);
	hash[63]--;
	scalar_from_hash(&k, hash);
	scalar_store(got, &k);
	assert_memory_equal(got, want, 32); /* n - 1 -> 1 */
	hash[63]--;
	scalar_from_hash(&k, hash);
	scalar_store(got, &k);
	unhex(N_HEX, want, 32);
	want[31]--;
	assert_memory_equal(got, want, 32); /* n - 2 -> n - 1 */
	memset(hash, 0xff, sizeof hash);
	scalar_from_hash(&k, hash);
	scalar_store(got, &k);
	/* 1 + (2^512 - 1 mod n - 1) */
	unhex("66e12d96f3d9561f2845b2382b6bec58cccb844181c03d42909a7f58b0f66550", want, 32);
	assert_memory_equal(got, want, 32);
}

static void small_and_large_multiples_of_g_agree_with_repeated_addition(void **state)
{
	(void)state;
	struct p256_point by_comb, by_sum = {0}, g;
	struct n256 k, one;
	uint8_t octets[32] = {0};
	octets[31] = 1;
	assert_true(scalar_load(&one, octets));
	p256_mul_g(&g, &one);
	memset(octets, 0, sizeof octets);
	scalar_load(&k, octets);
	p256_mul_g(&by_sum, &k); /* infinity */
	struct p256_affine a;
	assert_false(p256_to_affine(&a, &by_sum));
	for (unsigned i = 1; i < 300; i++) {
		scalar_add(&k, &k, &one);
		p256_mul_g(&by_comb, &k);
		p256_add(&by_sum, &by_sum, &g);
		assert_true(p256_equal(&by_comb, &by_sum));
	}
	unhex(N_HEX, octets, 32);
	octets[31]--;
	assert_true(scalar_load(&k, octets));
	p256_mul_g(&by_comb, &k); /* -G */
	p256_add(&by_comb, &by_comb, &g);
	assert_false(p256_to_affine(&a, &by_comb));
}

static void a_key_set_that_does_not_belong_together_is_refused(void **state)
{
	(void)state;
	struct mcsec_keyset *k;
	struct mcsec_issued x;
	uint8_t n[32], other_id[26];
	memcpy(other_id, d.id, sizeof other_id);
	other_id[0] ^= 0x80;
#define REFUSED(id, i)                                                                                                 \
	assert_int_equal(mcsec_keyset_new(&k, d.kms, id, sizeof id, (i).ssk, (i).pvt, (i).rsk), MCSEC_E_KEY_SET);      \
	assert_null(k)
	REFUSED(other_id, d.issued);
	x = d.issued;
	x.ssk[31] ^= 1;
	REFUSED(d.id, x);
	memset(x.ssk, 0, 32);
	REFUSED(d.id, x);
	unhex(N_HEX, n, 32);
	memcpy(x.ssk, n, 32);
	REFUSED(d.id, x);
	memset(x.ssk, 0xff, 32);
	REFUSED(d.id, x);
	x = d.issued;
	x.pvt[64] ^= 1;
	REFUSED(d.id, x);
	x.pvt[0] = 2;
	REFUSED(d.id, x);
	assert_int_equal(mcsec_master_issue(d.master, &d.rng, 2, d.id, sizeof d.id, &x), MCSEC_OK);
	assert_memory_equal(x.rsk, d.issued.rsk, sizeof x.rsk);
	assert_memory_not_equal(x.ssk, d.issued.ssk, sizeof x.ssk);
	memcpy(x.pvt, d.issued.pvt, sizeof x.pvt); /* SSK and PVT of different issues */
	REFUSED(d.id, x);
#undef REFUSED
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_signature_verifies_and_each_is_new),
	    cmocka_unit_test(a_broken_random_source_does_not_repeat_j_for_another_message),
	    cmocka_unit_test(a_failing_random_source_signs_nothing),
	    cmocka_unit_test(a_changed_octet_anywhere_in_the_signature_is_refused),
	    cmocka_unit_test(a_changed_message_is_refused),
	    cmocka_unit_test(a_signature_under_another_identity_is_refused),
	    cmocka_unit_test(r_and_s_out_of_range_are_refused),
	    cmocka_unit_test(s_plus_n_as_a_second_encoding_is_refused),
	    cmocka_unit_test(a_pvt_off_the_curve_or_in_another_form_is_refused),
	    cmocka_unit_test(y_at_infinity_is_refused),
	    cmocka_unit_test(scalars_out_of_range_are_told),
	    cmocka_unit_test(a_hash_becomes_a_scalar_from_1_to_n_minus_1),
	    cmocka_unit_test(small_and_large_multiples_of_g_agree_with_repeated_addition),
	    cmocka_unit_test(a_key_set_that_does_not_belong_together_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

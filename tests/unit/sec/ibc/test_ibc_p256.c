/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [k]G of P-256 by every code path (portable, MULX, lanes) against libcrypto's and each other, on scalars at the edges,
 * on those that meet the exceptions of incomplete addition, and at random. MCX_LONG=1 makes a hundred times as many.
 * Built twice: ibc_p256 with what the processor has, ibc_p256_plain with the lanes in plain C.
 */
#include "vector.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "sec/ibc/field/mont.h"
#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/p256/p256.h"

static uint64_t seed = 20261122;

static size_t rounds(size_t n)
{
#if defined(V8_PLAIN)
	n = (n + 7) / 8; /* slow */
#endif
	return getenv("MCX_LONG") ? n * 100 : n;
}

/* ---- The code paths ---- */

static const struct path {
	const char *mont;
	int lanes;
} paths[] = {{"portable", 0}, {"mulx", 0}, {"portable", 1}, {"ifma", 1}};

static const char *at_start; /* the back end that the processor calls for */

enum { PATHS = sizeof paths / sizeof *paths };

/* No if this machine has no such path. */
static int take(const struct path *p)
{
	int known = strcmp(p->mont, "mulx") != 0 || strcmp(at_start, "portable") != 0;
	return known && mont_force(p->mont) && lanes_force(p->lanes);
}

/* ---- The oracle ---- */

static EC_GROUP *group;
static BN_CTX *ctx;

static int setup(void **state)
{
	(void)state;
	at_start = mont->name;
	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	ctx = BN_CTX_new();
	return group && ctx && !p256_ready() ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	EC_GROUP_free(group);
	BN_CTX_free(ctx);
	return 0;
}

/* [k]G as octets, 0 if infinite. */
static int libcrypto_mul_g(uint8_t out[65], const uint8_t k[32])
{
	BIGNUM *b = BN_bin2bn(k, 32, NULL);
	EC_POINT *p = EC_POINT_new(group);
	assert_true(EC_POINT_mul(group, p, b, NULL, NULL, ctx));
	size_t n = EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, out, 65, ctx);
	EC_POINT_free(p);
	BN_free(b);
	return n == 65;
}

static int ours_mul_g(uint8_t out[65], const struct n256 *k)
{
	struct p256_point p;
	struct p256_affine a;
	p256_mul_g(&p, k);
	if (!p256_to_affine(&a, &p))
		return 0;
	p256_store(out, &a);
	return 1;
}

static void all_paths_agree_on(const uint8_t octets[32])
{
	uint8_t want[65] = {0}, got[65];
	struct n256 k;
	int finite = libcrypto_mul_g(want, octets);
	for (int i = 0; i < PATHS; i++) {
		if (!take(&paths[i]))
			continue;
		(void)scalar_load(&k, octets);
		memset(got, 0, sizeof got);
		assert_int_equal(ours_mul_g(got, &k), finite);
		assert_memory_equal(got, want, sizeof want);
	}
}

/* n + add as octets; |add| small. */
static void around_n(uint8_t out[32], int add)
{
	unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", out, 32);
	for (int i = 31, c = add; i >= 0; i--) {
		c += out[i];
		out[i] = (uint8_t)c;
		c >>= 8;
	}
}

static void power_of_two(uint8_t out[32], unsigned i)
{
	memset(out, 0, 32);
	out[31 - i / 8] = (uint8_t)(1u << i % 8);
}

static void multiples_of_edge_scalars_are_those_of_libcrypto(void **state)
{
	(void)state;
	uint8_t k[32];
	for (int i = -20; i <= 20; i++) {
		around_n(k, i); /* also n and above: reduced on loading */
		all_paths_agree_on(k);
	}
	memset(k, 0, sizeof k);
	for (unsigned i = 0; i < 70; i++) { /* 0 and small: all windows but the lowest are those of zero */
		k[31] = (uint8_t)i;
		all_paths_agree_on(k);
	}
	memset(k, 0xff, sizeof k);
	all_paths_agree_on(k);
	for (unsigned i = 0; i < 256; i++) {
		power_of_two(k, i);
		all_paths_agree_on(k);
		for (unsigned j = 32 - i / 8; j < 32; j++) /* 2^i - 1 by octets: high windows zero, low ones full */
			k[j] = 0xff;
		all_paths_agree_on(k);
	}
}

/* n - 2 (the part of n that the even lanes hold): there the two halves of the lanes' sum are the same point. */
static void the_scalar_whose_two_halves_are_equal_is_served(void **state)
{
	(void)state;
	uint8_t k[32];
	unhex("07c1f07ce0f83e0f7c1f07c1f07c1f0782e9794d5f2991071341f4cd7f83dd6f", k, sizeof k);
	all_paths_agree_on(k);
	unhex("f83e0f821f07c1f183e0f83e0f83e0f839fd816047ee0d7de077d5f57cdf47e2", k, sizeof k);
	all_paths_agree_on(k);
	/* 30 * 2^252 - n: the same for the sum by windows of six bits */
	unhex("e0000000ffffffff00000000000000004319055258e8617b0c46353d039cdaaf", k, sizeof k);
	all_paths_agree_on(k);
}

static void multiples_of_random_scalars_are_those_of_libcrypto(void **state)
{
	(void)state;
	uint8_t k[32];
	for (size_t i = 0; i < rounds(1500); i++) {
		assert_int_equal(test_fill(&seed, k, sizeof k), MCSEC_OK);
		if (i % 8 == 0) /* a run of equal bits, of which carries are made */
			memset(k + i / 8 % 24, i % 16 ? 0xff : 0, 8);
		all_paths_agree_on(k);
	}
}

/* Multiples by the table of four parts, and by the plain way, of G and of another point. */
static void a_remembered_points_multiples_are_those_of_the_point(void **state)
{
	(void)state;
	uint8_t k[32];
	struct n256 scalar, one;
	struct p256_point p, q;
	struct p256_affine a;
	struct p256_split table;
	for (int point = 0; point < 2; point++) {
		memset(k, 0, sizeof k);
		k[31] = point ? 77 : 1;
		(void)scalar_load(&one, k);
		p256_mul_g(&p, &one);
		assert_true(p256_to_affine(&a, &p));
		p256_split_new(&table, &a);
		for (size_t i = 0; i < 600 + rounds(600); i++) {
			if (i < 256)
				power_of_two(k, (unsigned)i);
			else if (i < 300)
				around_n(k, (int)i - 278);
			else if (i < 310)
				memset(k, i == 300 ? 0 : 0xff, i < 302 ? 32 : i - 300);
			else
				assert_int_equal(test_fill(&seed, k, sizeof k), MCSEC_OK);
			(void)scalar_load(&scalar, k);
			p256_mul_split_public(&p, &table, &scalar);
			p256_mul_public(&q, &scalar, &a);
			assert_true(p256_equal(&p, &q));
		}
	}
}

static void the_paths_asked_for_are_the_ones_in_use(void **state)
{
	(void)state;
	int seen = 0;
	for (int i = 0; i < PATHS; i++) {
		if (!take(&paths[i]))
			continue;
		assert_string_equal(mont->name, paths[i].mont);
		assert_int_equal(lanes_on, paths[i].lanes);
		seen++;
	}
	assert_true(seen >= 1);
#if defined(V8_PLAIN)
	assert_true(lanes_exist());
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_paths_asked_for_are_the_ones_in_use),
	    cmocka_unit_test(multiples_of_edge_scalars_are_those_of_libcrypto),
	    cmocka_unit_test(the_scalar_whose_two_halves_are_equal_is_served),
	    cmocka_unit_test(multiples_of_random_scalars_are_those_of_libcrypto),
	    cmocka_unit_test(a_remembered_points_multiples_are_those_of_the_point),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

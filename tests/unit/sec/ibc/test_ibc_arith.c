/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic below the algorithms: each back end against the portable one, on limbs at the edges and at random, and
 * both against libcrypto's integers. MCX_LONG=1 makes millions of random cases.
 */
#include "vector.h"

#include <openssl/bn.h>

#include "mcsec/secret.h"
#include "sec/ibc/curve/curve.h"
#include "sec/ibc/curve/fixed.h"
#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/field/modinv.h"
#include "sec/ibc/p256/p256.h"
#include "sec/ibc/lanes/row.h"

static uint64_t seed = 20261121;

static size_t rounds(size_t n)
{
#if defined(V8_PLAIN)
	n = (n + 7) / 8; /* slow */
#endif
	return getenv("MCX_LONG") ? n * 100 : n;
}

static void random_octets(void *out, size_t n)
{
	assert_int_equal(test_fill(&seed, out, n), MCSEC_OK);
}

/* 0, 1, m - 1, m - 2, all ones as far as they fit, single bits, runs of ones across limbs; below m. */
static size_t edges(struct num *out, const struct modulus *m)
{
	size_t n = 0;
	struct num one = {{1}}, x;
	out[n++] = (struct num){{0}};
	out[n++] = one;
	num_sub(&out[n++], &m->m, &one, m);
	x = out[n - 1];
	num_sub(&out[n++], &x, &one, m);
	out[n++] = m->one;
	out[n++] = m->rr;
	for (int i = 0; i < NUM_LIMBS; i++) {
		memset(&x, 0, sizeof x);
		x.v[i] = i == NUM_LIMBS - 1 ? 1 : ~UINT64_C(0);
		out[n++] = x;
		for (int k = 0; k < i; k++)
			x.v[k] = ~UINT64_C(0);
		if (num_below(&x, &m->m))
			out[n++] = x;
		memset(&x, 0, sizeof x);
		x.v[i] = i == NUM_LIMBS - 1 ? 1 : UINT64_C(1) << 63;
		out[n++] = x;
	}
	return n;
}

static void random_below(struct num *r, const struct modulus *m)
{
	do {
		random_octets(r->v, sizeof r->v);
		r->v[NUM_LIMBS - 1] >>= m == &FQ ? 2 : 0;
	} while (!num_below(r, &m->m));
}

static BIGNUM *bn_of(const struct num *a)
{
	uint8_t octets[NUM_OCTETS];
	num_store(octets, a);
	return BN_bin2bn(octets, sizeof octets, NULL);
}

static void equals_bn(const struct num *a, const BIGNUM *b)
{
	uint8_t got[NUM_OCTETS], want[NUM_OCTETS];
	num_store(got, a);
	assert_int_equal(BN_bn2binpad(b, want, sizeof want), sizeof want);
	assert_memory_equal(got, want, sizeof want);
}

static void portable_products_are_those_of_libcrypto(void **state)
{
	(void)state;
	static const struct modulus *const moduli[] = {&FP, &FQ};
	assert_true(mont_force("portable"));
	BN_CTX *ctx = BN_CTX_new();
	for (int k = 0; k < 2; k++) {
		const struct modulus *m = moduli[k];
		BIGNUM *p = bn_of(&m->m), *r = BN_new(), *t = BN_new();
		BN_set_bit(r, 1024);
		assert_non_null(BN_mod_inverse(r, r, p, ctx)); /* 1/R */
		struct num x[80], got;
		size_t n = edges(x, m);
		for (size_t i = 0; i < 16; i++)
			random_below(&x[n++], m);
		for (size_t i = 0; i < n; i++) {
			BIGNUM *a = bn_of(&x[i]);
			for (size_t j = 0; j < n; j++) {
				BIGNUM *b = bn_of(&x[j]);
				BN_mod_mul(t, a, b, p, ctx);
				BN_mod_mul(t, t, r, p, ctx);
				num_mul(&got, &x[i], &x[j], m);
				equals_bn(&got, t);
				num_add(&got, &x[i], &x[j], m);
				BN_mod_add(t, a, b, p, ctx);
				equals_bn(&got, t);
				num_sub(&got, &x[i], &x[j], m);
				BN_mod_sub(t, a, b, p, ctx);
				equals_bn(&got, t);
				BN_free(b);
			}
			num_inv(&got, &x[i], m);
			if (BN_is_zero(a)) {
				assert_true(num_is_zero(&got));
			} else {
				struct num one;
				num_mul(&one, &got, &x[i], m);
				assert_true(num_equal(&one, &m->one));
			}
			BN_free(a);
		}
		BN_free(p);
		BN_free(r);
		BN_free(t);
	}
	BN_CTX_free(ctx);
}

struct results {
	struct num mul, sqr, add, sub, redc;
	struct wide wide, sum, difference;
};

static void compute(struct results *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	mont->mul(&r->mul, a, b, m);
	mont->sqr(&r->sqr, a, m);
	mont->add(&r->add, a, b, m);
	mont->sub(&r->sub, a, b, m);
	mont->mul_wide(&r->wide, a, b);
	mont->redc(&r->redc, &r->wide, m);
	struct wide square;
	mont->mul_wide(&square, b, b);
	mont->wide_add(&r->sum, &r->wide, &square, m);
	mont->wide_sub(&r->difference, &r->wide, &square, m);
}

/* Sums and differences of products reduce like those of the reduced, also at both ends of their range. */
static void wide_sums_reduce_like_sums(const struct num *a, const struct num *b, const struct modulus *m)
{
	struct wide x = {{0}}, y = {{0}}, z;
	struct num s, t, want, got;
	for (int ones = 0; ones < 4; ones++) { /* upper halves a and b, lower halves all zeros or all ones */
		memset(x.v, ones & 1 ? 0xff : 0, sizeof x.v / 2);
		memset(y.v, ones & 2 ? 0xff : 0, sizeof y.v / 2);
		memcpy(x.v + NUM_LIMBS, a->v, sizeof a->v);
		memcpy(y.v + NUM_LIMBS, b->v, sizeof b->v);
		mont->redc(&s, &x, m);
		mont->redc(&t, &y, m);
		mont->wide_add(&z, &x, &y, m);
		mont->redc(&got, &z, m);
		num_add(&want, &s, &t, m);
		assert_true(num_equal(&got, &want));
		mont->wide_sub(&x, &x, &y, m); /* in place */
		mont->redc(&got, &x, m);
		num_sub(&want, &s, &t, m);
		assert_true(num_equal(&got, &want));
	}
}

/* The back ends of this processor besides the portable one. */
static const char *const fast[] = {"mulx", "ifma"};
static int fast_usable[2];

static int find_fast(void **state)
{
	(void)state;
	const char *at_start = mont->name;
	/* mont_force takes MULX even where it is hidden: what was chosen at the start tells */
	fast_usable[0] = strcmp(at_start, "portable") != 0;
	fast_usable[1] = fast_usable[0] && mont_force("ifma");
	return mont_force(at_start) ? 0 : -1;
}

static void same_on_all(const struct num *a, const struct num *b, const struct modulus *m)
{
	struct results x, y;
	struct num in_place;
	assert_true(mont_force("portable"));
	compute(&x, a, b, m);
	assert_true(num_equal(&x.mul, &x.redc));
	wide_sums_reduce_like_sums(a, b, m);
	for (int i = 0; i < 2; i++) {
		if (!fast_usable[i])
			continue;
		assert_true(mont_force(fast[i]));
		assert_string_equal(mont->name, fast[i]);
		compute(&y, a, b, m);
		assert_memory_equal(&x, &y, sizeof x);
		wide_sums_reduce_like_sums(a, b, m);
		in_place = *a;
		mont->mul(&in_place, &in_place, b, m);
		assert_true(num_equal(&in_place, &x.mul));
		in_place = *a;
		mont->sqr(&in_place, &in_place, m);
		assert_true(num_equal(&in_place, &x.sqr));
		in_place = *b;
		mont->sub(&in_place, a, &in_place, m);
		assert_true(num_equal(&in_place, &x.sub));
		in_place = *b;
		mont->add(&in_place, a, &in_place, m);
		assert_true(num_equal(&in_place, &x.add));
	}
}

static void assembler_equals_portable_on_edge_limbs(void **state)
{
	(void)state;
	if (!fast_usable[0])
		skip();
	static const struct modulus *const moduli[] = {&FP, &FQ};
	for (int k = 0; k < 2; k++) {
		struct num x[80];
		size_t n = edges(x, moduli[k]);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				same_on_all(&x[i], &x[j], moduli[k]);
	}
}

/* Integers up to 2^1024 - 1 are allowed as one factor: that is how octets enter Montgomery form. */
static void assembler_equals_portable_for_factors_above_the_modulus(void **state)
{
	(void)state;
	if (!fast_usable[0])
		skip();
	struct num top, b, x, y;
	for (size_t i = 0; i < rounds(2000); i++) {
		random_octets(&top, sizeof top);
		if (i % 2 == 0)
			memset(&top, 0xff, sizeof top);
		random_below(&b, &FQ);
		assert_true(mont_force("portable"));
		num_mul(&x, &top, &b, &FQ);
		assert_true(num_below(&x, &FQ.m));
		for (int k = 0; k < 2; k++) {
			if (!fast_usable[k])
				continue;
			assert_true(mont_force(fast[k]));
			num_mul(&y, &top, &b, &FQ);
			assert_true(num_equal(&x, &y));
		}
	}
}

static void assembler_equals_portable_at_random(void **state)
{
	(void)state;
	if (!fast_usable[0])
		skip();
	struct num a, b;
	for (size_t i = 0; i < rounds(30000); i++) {
		const struct modulus *m = i % 2 ? &FQ : &FP;
		random_below(&a, m);
		random_below(&b, m);
		if (i % 5 == 0) /* long carries */
			for (int k = (int)(i % NUM_LIMBS); k < NUM_LIMBS - 1; k++)
				a.v[k] = i % 3 ? ~UINT64_C(0) : 0;
		if (num_below(&a, &m->m))
			same_on_all(&a, &b, m);
	}
}

/* ---- Lanes and rows ---- */

static void eight_lanes_equal_eight_single_computations(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	struct num edge[80], in[LANES], out[LANES], want;
	size_t n = edges(edge, &FP);
	for (size_t i = 0; i < rounds(3000); i++) {
		struct lanes a, b;
		struct lanes_fp2 v;
		struct num x[LANES], y[LANES];
		for (int l = 0; l < LANES; l++) {
			random_below(&x[l], &FP);
			random_below(&y[l], &FP);
			if ((i + (size_t)l) % 3 == 0)
				x[l] = edge[(i / 3 + (size_t)l) % n];
			if ((i + (size_t)l) % 5 == 0)
				y[l] = edge[(i / 5 + 3 * (size_t)l) % n];
			in[l] = x[l];
		}
		lanes_enter(&a, x);
		lanes_leave(out, &a);
		assert_memory_equal(out, in, sizeof in);
		/* (x + y i)(1 + x i) */
		lanes_enter(&b, y);
		v.a = a;
		v.b = b;
		lanes_mul_t(&v, &v, &a);
		lanes_leave(in, &v.a);
		lanes_leave(out, &v.b);
		for (int l = 0; l < LANES; l++) {
			struct fp2 f = {x[l], y[l]};
			fp2_mul_t(&f, &f, &x[l]);
			assert_true(num_equal(&f.a, &in[l]));
			assert_true(num_equal(&f.b, &out[l]));
		}
		/* a line */
		struct lanes_line line;
		for (int l = 0; l < LANES; l++)
			lanes_line_set(&line, l, &x[l], &y[l]);
		lanes_line_at(&a, &line, &b, &v.a);
		lanes_leave(out, &a);
		for (int l = 0; l < LANES; l++) {
			struct num t;
			fp_mul(&want, &x[l], &y[l]);
			fp_mul(&t, &y[l], &in[l]);
			fp_add(&want, &want, &t);
			assert_true(num_equal(&want, &out[l]));
		}
	}
}

/* In chains as long as the pairing's, so that a value that grows would be found. */
static void a_row_equals_the_plain_extension_field_over_long_chains(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	struct num edge[80];
	size_t n = edges(edge, &FP);
	for (size_t i = 0; i < rounds(30); i++) {
		struct row_fp2 r;
		struct fp2 f = {.a = FP.one}, got;
		row_one(&r);
		for (int s = 0; s < 300; s++) {
			struct num t[LANES];
			struct lanes lanes;
			struct row one;
			for (int l = 0; l < LANES; l++)
				random_below(&t[l], &FP);
			if (s % 4 == 0)
				t[s % LANES] = edge[(size_t)s * 7 % n];
			lanes_enter(&lanes, t);
			row_of_lane(&one, &lanes, s % LANES);
			row_square(&r);
			row_mul_t(&r, &one);
			fp2_sqr(&f, &f);
			fp2_mul_t(&f, &f, &t[s % LANES]);
			for (int more = 0; more < s % 3; more++) { /* up to three between two squarings */
				row_mul_t(&r, &one);
				fp2_mul_t(&f, &f, &t[s % LANES]);
			}
		}
		row_leave(&got, &r);
		assert_memory_equal(&got, &f, sizeof f);
	}
}

/* ---- P-256 ---- */

static void p256_multiples_agree_between_back_ends_and_ways(void **state)
{
	(void)state;
	uint8_t octets[32], a[65], b[65];
	assert_int_equal(p256_ready(), MCSEC_OK);
	for (size_t i = 0; i < rounds(60); i++) {
		struct n256 k, l;
		struct p256_point p, q;
		struct p256_affine g, x;
		do
			random_octets(octets, sizeof octets);
		while (!scalar_load(&k, octets));
		memset(octets, 0, sizeof octets);
		octets[31] = 1;
		scalar_load(&l, octets);
		p256_mul_g(&p, &l);
		assert_true(p256_to_affine(&g, &p));
		assert_true(mont_force("portable"));
		p256_mul_g(&p, &k);
		assert_true(p256_to_affine(&x, &p));
		p256_store(a, &x);
		if (fast_usable[0])
			assert_true(mont_force("mulx"));
		p256_mul_g(&p, &k);
		assert_true(p256_to_affine(&x, &p));
		p256_store(b, &x);
		assert_memory_equal(a, b, sizeof a);
		p256_mul_public(&q, &k, &g);
		assert_true(p256_equal(&p, &q));
		memset(&q, 0, sizeof q);
		p256_add_comb_public(&q, NULL, &k);
		assert_true(p256_equal(&p, &q));
		assert_int_equal(p256_load(&x, a), MCSEC_OK);
	}
}

/* The one scalar besides 0 where the last mixed addition would meet its own sum: 30 * 2^252 - n. */
static void p256_comb_serves_the_scalar_that_meets_its_exception(void **state)
{
	(void)state;
	uint8_t octets[32];
	struct n256 k;
	struct p256_point p, q = {0};
	assert_int_equal(p256_ready(), MCSEC_OK);
	unhex("e0000000ffffffff00000000000000004319055258e8617b0c46353d039cdaaf", octets, sizeof octets);
	assert_true(scalar_load(&k, octets));
	p256_mul_g(&p, &k);
	p256_add_comb_public(&q, NULL, &k);
	assert_true(p256_equal(&p, &q));
	struct n256 zero = {{0}}, minus;
	scalar_sub(&minus, &zero, &k);
	p256_mul_g(&q, &minus);
	p256_add(&p, &p, &q);
	assert_true(p256_is_infinity(&p));
}

static void inverses_modulo_the_order_of_p256_are_right(void **state)
{
	(void)state;
	uint8_t octets[32];
	struct n256 k, inv, one, want;
	memset(octets, 0, sizeof octets);
	octets[31] = 1;
	scalar_load(&want, octets);
	for (size_t i = 0; i < rounds(500); i++) {
		random_octets(octets, sizeof octets);
		if (i < 64) {
			memset(octets, 0, sizeof octets);
			octets[31 - i / 2] = i % 2 ? 0xff : 1;
		}
		if (!scalar_load(&k, octets))
			continue;
		scalar_inv(&inv, &k);
		scalar_mul(&one, &inv, &k);
		assert_memory_equal(&one, &want, sizeof one);
	}
}

/* ---- Sums of points ---- */

static void sums_are_the_same_with_and_without_lanes(void **state)
{
	(void)state;
	struct num k[11], c[11];
	struct point a[11], b[11];
	const struct num *p[11];
	struct comb z;
	assert_int_equal(comb_of_point(&z, &GENERATOR, COMB_WIDTH), MCSEC_OK);
	for (size_t i = 0; i < 11; i++) {
		random_below(&k[i], &FQ);
		random_below(&c[i], &FQ);
		p[i] = &c[i];
	}
	int had = lanes_on;
	for (size_t n = 1; n <= 11; n++) {
		assert_int_equal(fixed_mul_receiver(a, &z, p, k, n), MCSEC_OK);
		assert_true(lanes_force(0));
		assert_int_equal(fixed_mul_receiver(b, &z, p, k, n), MCSEC_OK);
		assert_memory_equal(a, b, n * sizeof *a);
		if (had)
			assert_true(lanes_force(1));
		for (size_t i = 0; i < n; i++) {
			/* [k c + k]P by another way */
			struct num s;
			num_mul(&s, &k[i], &c[i], &FQ);
			num_add(&s, &s, &k[i], &FQ);
			assert_true(point_mul(&b[i], &s, &GENERATOR));
			if (n == 3)
				assert_true(point_equal(&a[i], &b[i]));
		}
	}
	comb_free(&z);
}

static void powers_are_the_same_with_and_without_lanes(void **state)
{
	(void)state;
	struct num k[11], a[11], b[11];
	for (size_t i = 0; i < 11; i++)
		random_below(&k[i], &FQ);
	int had = lanes_on;
	for (size_t n = 1; n <= 11; n++) {
		assert_int_equal(fixed_pow_g(a, k, n), MCSEC_OK);
		assert_true(lanes_force(0));
		assert_int_equal(fixed_pow_g(b, k, n), MCSEC_OK);
		if (had)
			assert_true(lanes_force(1));
		assert_memory_equal(a, b, n * sizeof *a);
	}
}

/* Small scalars make partial sums that meet each other: 0, 1, 2 ... and their negatives. */
static void made_up_scalars_go_through_the_exceptions(void **state)
{
	(void)state;
	struct point sum, r, plain;
	struct jacobian j, g;
	struct num k = {{0}}, scratch[2], minus;
	int had = lanes_on;
	assert_int_equal(fixed_mul_p(&r, &k, 1), MCSEC_E_VALUE); /* infinity */
	jacobian_from(&g, &GENERATOR);
	j = g;
	for (uint64_t i = 1; i < 40; i++) {
		k.v[0] = i;
		assert_int_equal(fixed_mul_p(&r, &k, 1), MCSEC_OK);
		jacobian_normalise(&sum, &j, scratch, 1);
		assert_true(point_equal(&r, &sum));
		assert_true(lanes_force(0));
		assert_int_equal(fixed_mul_p(&plain, &k, 1), MCSEC_OK);
		if (had)
			assert_true(lanes_force(1));
		assert_true(point_equal(&plain, &sum));
		num_sub(&minus, &FQ.m, &k, &FQ);
		assert_int_equal(fixed_mul_p(&r, &minus, 1), MCSEC_OK);
		fp_neg(&r.y, &r.y);
		assert_true(point_equal(&r, &sum));
		jacobian_add(&j, &j, &g);
	}
	/* [5]P + [5]P, [5]P - [5]P: terms of two combs that are equal or opposite */
	struct comb z;
	struct num one = FQ.one;
	const struct num *b = &one;
	assert_int_equal(comb_of_point(&z, &GENERATOR, COMB_WIDTH), MCSEC_OK);
	random_below(&k, &FQ);
	assert_int_equal(fixed_mul_receiver(&r, &z, &b, &k, 1), MCSEC_OK);
	num_add(&k, &k, &k, &FQ);
	assert_int_equal(fixed_mul_p(&sum, &k, 1), MCSEC_OK);
	assert_true(point_equal(&r, &sum));
	num_sub(&one, &(struct num){{0}}, &FQ.one, &FQ);
	assert_int_equal(fixed_mul_receiver(&r, &z, &b, &k, 1), MCSEC_E_VALUE);
	comb_free(&z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(assembler_equals_portable_on_edge_limbs),
	    cmocka_unit_test(assembler_equals_portable_for_factors_above_the_modulus),
	    cmocka_unit_test(assembler_equals_portable_at_random),
	    cmocka_unit_test(p256_multiples_agree_between_back_ends_and_ways),
	    cmocka_unit_test(p256_comb_serves_the_scalar_that_meets_its_exception),
	    cmocka_unit_test(inverses_modulo_the_order_of_p256_are_right),
	    cmocka_unit_test(eight_lanes_equal_eight_single_computations),
	    cmocka_unit_test(a_row_equals_the_plain_extension_field_over_long_chains),
	    cmocka_unit_test(sums_are_the_same_with_and_without_lanes),
	    cmocka_unit_test(powers_are_the_same_with_and_without_lanes),
	    cmocka_unit_test(made_up_scalars_go_through_the_exceptions),
	    cmocka_unit_test(portable_products_are_those_of_libcrypto),
	};
	return cmocka_run_group_tests(tests, find_fast, NULL);
}

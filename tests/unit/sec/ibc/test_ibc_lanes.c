/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes and rows at the edges that their comments claim: limbs of all ones, values as large as an operation may be
 * given, runs through which one carry travels. Each result is compared with libcrypto's integers, and its limbs and its
 * size with the bounds that the next operation relies on. MCX_LONG=1 makes a hundred times as many cases.
 */
#include "vector.h"

#include <openssl/bn.h>

#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/lanes/row.h"

#define LIMB_MAX ((UINT64_C(1) << 52) - 1)

static uint64_t seed = 52;
static BN_CTX *ctx;
static BIGNUM *p, *r_inverse; /* 1/R' mod p, R' = 2^1040 */

static int setup(void **state)
{
	(void)state;
	uint8_t octets[NUM_OCTETS];
	ctx = BN_CTX_new();
	num_store(octets, &FP.m);
	p = BN_bin2bn(octets, sizeof octets, NULL);
	r_inverse = BN_new();
	BN_set_bit(r_inverse, 1040);
	assert_non_null(BN_mod_inverse(r_inverse, r_inverse, p, ctx));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	BN_free(p);
	BN_free(r_inverse);
	BN_CTX_free(ctx);
	return 0;
}

static size_t rounds(size_t n)
{
	return getenv("MCX_LONG") ? n * 100 : n;
}

static uint64_t random_word(void)
{
	uint64_t x;
	assert_int_equal(test_fill(&seed, (uint8_t *)&x, sizeof x), MCSEC_OK);
	return x;
}

static BIGNUM *integer(const uint64_t limbs[LIMBS52])
{
	BIGNUM *r = BN_new();
	for (int i = LIMBS52; i-- > 0;) {
		BN_lshift(r, r, 52);
		BN_add_word(r, limbs[i]);
	}
	return r;
}

/* Limbs of a value below thousandths p / 1000: ones, zeros, brinks and random ones; often the largest value there is.
 */
static void edge_limbs(uint64_t limbs[LIMBS52], unsigned thousandths)
{
	static const uint64_t edges[] = {0, 1, LIMB_MAX, LIMB_MAX - 1, UINT64_C(1) << 51, LIMB_MAX ^ 1};
	uint64_t kind = random_word();
	BIGNUM *bound = BN_dup(p), *top = BN_new();
	BN_mul_word(bound, thousandths);
	BN_div_word(bound, 1000);
	BN_rshift(top, bound, 988);
	uint64_t top_limb = BN_get_word(top); /* below it, all lower limbs are free */
	for (int i = 0; i < LIMBS52 - 1; i++) {
		uint64_t x = random_word();
		limbs[i] = kind % 4 == 0 ? LIMB_MAX : kind % 4 == 1 ? edges[x % 6] : x & LIMB_MAX;
	}
	limbs[LIMBS52 - 1] = kind & 16 ? top_limb - 1 : kind & 32 ? 0 : random_word() % top_limb;
	if (kind % 11 == 0)
		memset(limbs, 0, (LIMBS52 - 1) * sizeof *limbs);
	BN_free(bound);
	BN_free(top);
}

/* got = want mod p, limbs below 2^52, and got below thousandths p / 1000. */
static void check(const uint64_t got[LIMBS52], const BIGNUM *want, unsigned thousandths)
{
	for (int i = 0; i < LIMBS52; i++)
		assert_true(got[i] <= LIMB_MAX);
	BIGNUM *g = integer(got), *bound = BN_dup(p), *w = BN_new();
	BN_mul_word(bound, thousandths);
	BN_div_word(bound, 1000);
	assert_true(BN_cmp(g, bound) < 0);
	BN_nnmod(g, g, p, ctx);
	BN_nnmod(w, want, p, ctx);
	assert_int_equal(BN_cmp(g, w), 0);
	BN_free(g);
	BN_free(w);
	BN_free(bound);
}

static void lane(uint64_t out[LIMBS52], const struct lanes *a, int l)
{
	for (int i = 0; i < LIMBS52; i++)
		out[i] = a->v[i][l];
}

/* add + sign * x y / R' */
static BIGNUM *formula(const BIGNUM *x, const BIGNUM *y, int sign, const BIGNUM *add)
{
	BIGNUM *r = BN_new();
	BN_mod_mul(r, x, y, p, ctx);
	BN_mod_mul(r, r, r_inverse, p, ctx);
	if (sign < 0)
		BN_sub(r, add, r);
	else
		BN_add(r, add, r);
	return r;
}

enum { NEARLY_REDUCED = 1003 }; /* p + p/256 is above 1.0039 p */

static void lanes_keep_their_bounds_at_the_edges(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	for (size_t n = 0; n < rounds(300); n++) {
		struct lanes_fp2 x, r;
		struct lanes t;
		uint64_t a[LANES][LIMBS52], b[LANES][LIMBS52], c[LANES][LIMBS52], got[LIMBS52];
		for (int l = 0; l < LANES; l++) {
			edge_limbs(a[l], NEARLY_REDUCED);
			edge_limbs(b[l], NEARLY_REDUCED);
			edge_limbs(c[l], NEARLY_REDUCED);
			for (int i = 0; i < LIMBS52; i++) {
				x.a.v[i][l] = a[l][i];
				x.b.v[i][l] = b[l][i];
				t.v[i][l] = c[l][i];
			}
		}
		lanes_mul_t(&r, &x, &t);
		for (int l = 0; l < LANES; l++) {
			BIGNUM *xa = integer(a[l]), *xb = integer(b[l]), *xt = integer(c[l]);
			BIGNUM *want_a = formula(xb, xt, -1, xa), *want_b = formula(xa, xt, 1, xb);
			lane(got, &r.a, l);
			check(got, want_a, NEARLY_REDUCED + 1);
			lane(got, &r.b, l);
			check(got, want_b, 1009);
			BN_free(xa);
			BN_free(xb);
			BN_free(xt);
			BN_free(want_a);
			BN_free(want_b);
		}
	}
}

/* What nearly reduced operands make is nearly reduced again, however long the chain: the largest are fed back. */
static void a_chain_in_lanes_does_not_grow(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	struct lanes_fp2 x;
	struct lanes t;
	uint64_t limbs[LIMBS52];
	for (int l = 0; l < LANES; l++) {
		for (int i = 0; i < LIMBS52; i++) {
			x.a.v[i][l] = x.b.v[i][l] = i < LIMBS52 - 1 ? LIMB_MAX : UINT64_C(0x997abb1ef);
			t.v[i][l] = x.a.v[i][l];
		}
	}
	BIGNUM *bound = BN_dup(p);
	BN_mul_word(bound, 257);
	BN_div_word(bound, 256);
	for (int n = 0; n < 2000; n++) {
		lanes_mul_t(&x, &x, &t);
		for (int l = 0; l < LANES; l += 7) {
			lane(limbs, &x.a, l);
			BIGNUM *a = integer(limbs);
			lane(limbs, &x.b, l);
			BIGNUM *b = integer(limbs);
			assert_true(BN_cmp(a, bound) <= 0);
			assert_true(BN_cmp(b, bound) <= 0);
			BN_free(a);
			BN_free(b);
		}
	}
	BN_free(bound);
}

static void a_line_in_lanes_is_right_for_tables_of_all_ones(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	for (size_t n = 0; n < rounds(100); n++) {
		struct lanes_line line;
		struct lanes x, y, t;
		uint64_t a[LANES][LIMBS52], b[LANES][LIMBS52], got[LIMBS52];
		for (int i = 0; i < NUM_LIMBS; i++)
			for (int l = 0; l < LANES; l++) {
				line.slope[i][l] = (n + (size_t)l) % 3 ? ~UINT64_C(0) : random_word();
				line.at[i][l] = (n + (size_t)l) % 2 ? ~UINT64_C(0) : random_word();
			}
		for (int l = 0; l < LANES; l++) {
			edge_limbs(a[l], NEARLY_REDUCED);
			edge_limbs(b[l], NEARLY_REDUCED);
			for (int i = 0; i < LIMBS52; i++) {
				x.v[i][l] = a[l][i];
				y.v[i][l] = b[l][i];
			}
		}
		lanes_line_at(&t, &line, &x, &y);
		for (int l = 0; l < LANES; l++) {
			struct num slope, at;
			uint8_t octets[NUM_OCTETS];
			for (int i = 0; i < NUM_LIMBS; i++) {
				slope.v[i] = line.slope[i][l];
				at.v[i] = line.at[i][l];
			}
			num_store(octets, &slope);
			BIGNUM *s = BN_bin2bn(octets, sizeof octets, NULL);
			num_store(octets, &at);
			BIGNUM *c = BN_bin2bn(octets, sizeof octets, NULL), *zero = BN_new();
			BIGNUM *xa = integer(a[l]), *xb = integer(b[l]);
			BIGNUM *first = formula(s, xa, 1, zero), *want = formula(c, xb, 1, first);
			lane(got, &t, l);
			check(got, want, NEARLY_REDUCED);
			BN_free(s);
			BN_free(c);
			BN_free(zero);
			BN_free(xa);
			BN_free(xb);
			BN_free(first);
			BN_free(want);
		}
	}
}

static void row_edge(struct row *r, unsigned thousandths)
{
	memset(r, 0, sizeof *r);
	edge_limbs(r->v, thousandths);
}

static void upper_limbs_are_zero(const struct row *r)
{
	for (int i = LIMBS52; i < ROW; i++)
		assert_int_equal(r->v[i], 0);
}

static void rows_keep_their_bounds_at_the_edges(void **state)
{
	(void)state;
	if (!lanes_on)
		skip();
	for (size_t n = 0; n < rounds(2000); n++) {
		struct row_fp2 v, r;
		struct row t;
		/* the largest a squaring may be given: row.h */
		row_edge(&v.a, 26000);
		row_edge(&v.b, 6000);
		r = v;
		row_square(&r);
		BIGNUM *a = integer(v.a.v), *b = integer(v.b.v), *zero = BN_new();
		BIGNUM *aa = formula(a, a, 1, zero), *want = formula(b, b, -1, aa), *ab = formula(a, b, 1, zero);
		BN_lshift1(ab, ab);
		check(r.a.v, want, 1020);
		check(r.b.v, ab, 2040);
		upper_limbs_are_zero(&r.a);
		upper_limbs_are_zero(&r.b);
		BN_free(want);
		BN_free(aa);
		BN_free(ab);
		BN_free(a);
		BN_free(b);
		/* the largest the last of three products may be given */
		row_edge(&v.a, 18000);
		row_edge(&v.b, 4900);
		row_edge(&t, NEARLY_REDUCED);
		r = v;
		row_mul_t(&r, &t);
		a = integer(v.a.v);
		b = integer(v.b.v);
		BIGNUM *x = integer(t.v);
		want = formula(b, x, -1, a);
		check(r.a.v, want, 26000);
		BN_free(want);
		want = formula(a, x, 1, b);
		check(r.b.v, want, 6000);
		upper_limbs_are_zero(&r.a);
		upper_limbs_are_zero(&r.b);
		BN_free(want);
		BN_free(a);
		BN_free(b);
		BN_free(x);
		BN_free(zero);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lanes_keep_their_bounds_at_the_edges),
	    cmocka_unit_test(a_chain_in_lanes_does_not_grow),
	    cmocka_unit_test(a_line_in_lanes_is_right_for_tables_of_all_ones),
	    cmocka_unit_test(rows_keep_their_bounds_at_the_edges),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

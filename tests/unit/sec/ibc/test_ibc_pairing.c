/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pairing with stored functions, the same on every code path, and TEST of RFC 6508 6.2.2 in the form g^r = w: for
 * every class of points it decides as the RFC's form does.
 */
#include "domain.h"
#include "points.h"

#include "mcsec/secret.h"
#include "sec/ibc/curve/fixed.h"
#include "sec/ibc/hash.h"
#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/pairing/steps.h"
#include "sec/ibc/pairing/torsion.h"

static uint64_t seed = 6508;

static size_t rounds(size_t n)
{
	return getenv("MCX_LONG") ? n * 100 : n;
}

static void random_scalar(struct num *k)
{
	do {
		assert_int_equal(test_fill(&seed, (uint8_t *)k->v, sizeof k->v), MCSEC_OK);
		k->v[NUM_LIMBS - 1] >>= 2;
	} while (!num_below(k, &FQ.m));
}

/* Every way to compute that this machine has. */
enum { WAYS = 3 };

static int use_way(int way)
{
	static const char *const names[WAYS] = {"portable", "mulx", "ifma"};
	static const char *at_start;
	static int lanes_at_start;
	if (!at_start) {
		at_start = mont->name;
		lanes_at_start = lanes_on;
	}
	if (way == WAYS)
		return mont_force(at_start) && lanes_force(lanes_at_start);
	if (way > 0 && strcmp(at_start, "portable") == 0)
		return 0;
	return way < 2 ? mont_force(names[way]) && lanes_force(0)
		       : lanes_at_start && mont_force(names[way]) && lanes_force(1);
}

/* The four points whose order divides 4; class 0 is infinity. */
static void shift_by_class(struct point *r, const struct point *a, int class)
{
	struct point t = {{{0}}, {{0}}};
	*r = *a;
	if (class % 2)
		point_of_order_4(&t);
	if (class == 3)
		fp_neg(&t.y, &t.y);
	if (class)
		add_points(r, a, &t);
}

static void the_steps_make_q_times_the_unit_and_q_minus_1_times_the_point(void **state)
{
	(void)state;
	const struct steps *q = steps_of_q();
	int64_t unit[SCALAR_BITS + 3] = {0}, point[SCALAR_BITS + 3] = {0};
	size_t after = LAST_SQUARINGS;
	for (size_t i = q->n; i-- > 0;) {
		assert_true(q->step[i].doublings == 2 || (q->step[i].doublings == 1 && !q->step[i].add));
		assert_in_range(q->step[i].unit + UNIT_MAX, 0, 2 * UNIT_MAX);
		unit[after] += q->step[i].unit;
		point[after - LAST_SQUARINGS] += q->step[i].add;
		after += q->step[i].doublings;
	}
	point[after - LAST_SQUARINGS] += 1;
	for (int i = 0; i < LAST_SQUARINGS; i++)
		unit[LAST_SQUARINGS - 1 - i] += q->last[i];
	assert_int_equal(after - LAST_SQUARINGS, SCALAR_BITS - 1);
	int64_t carry_unit = 0, carry_point = 0;
	for (unsigned i = 0; i < SCALAR_BITS; i++) {
		uint64_t bit = FQ.m.v[i / 64] >> (i % 64) & 1;
		carry_unit += unit[i];
		carry_point += point[i] + (i == 0); /* q - 1, and 1 */
		assert_int_equal((uint64_t)carry_unit & 1, bit);
		assert_int_equal((uint64_t)carry_point & 1, bit);
		carry_unit >>= 1;
		carry_point >>= 1;
	}
	assert_int_equal(carry_unit, 0);
	assert_int_equal(carry_point, 0);
}

static void all_ways_to_compute_the_pairing_agree_for_all_points_of_the_curve(void **state)
{
	(void)state;
	struct num k, t[WAYS];
	struct point a, b, shifted;
	for (size_t i = 0; i < rounds(10); i++) {
		random_scalar(&k);
		assert_int_equal(fixed_mul_p(&a, &k, 1), MCSEC_OK);
		random_scalar(&k);
		assert_int_equal(fixed_mul_p(&b, &k, 1), MCSEC_OK);
		struct lines *lines[WAYS] = {NULL};
		for (int way = 0; way < WAYS; way++)
			if (use_way(way))
				assert_int_equal(lines_new(&lines[way], &a), MCSEC_OK);
		for (int class = 0; class < 4; class ++) {
			shift_by_class(&shifted, &b, class);
			for (int way = 0; way < WAYS; way++) {
				if (!use_way(way))
					continue;
				assert_true(pairing(&t[way], lines[way], &shifted));
				assert_true(num_equal(&t[way], &t[0]));
			}
		}
		for (int way = 0; way < WAYS; way++)
			if (use_way(way))
				lines_free(lines[way]);
		use_way(WAYS);
	}
}

static void power_of_q(struct fp2 *r, const struct fp2 *x)
{
	struct fp2 v = {.a = FP.one};
	for (int i = SCALAR_BITS - 1; i >= 0; i--) {
		fp2_sqr(&v, &v);
		if (FQ.m.v[i / 64] >> (i % 64) & 1)
			fp2_mul(&v, &v, x);
	}
	*r = v;
}

/* PF_p has one element of order 2, i, and two of order 4, 1 + i and 1 - i. */
static void the_torsion_value_tells_the_four_classes_of_points_apart(void **state)
{
	(void)state;
	struct num k, sum;
	struct point b, shifted;
	struct fp2 v;
	for (size_t i = 0; i < rounds(5); i++) {
		random_scalar(&k);
		assert_int_equal(fixed_mul_p(&b, &k, 1), MCSEC_OK);
		for (int class = 0; class < 4; class ++) {
			shift_by_class(&shifted, &b, class);
			torsion_value(&v, &shifted);
			power_of_q(&v, &v);
			fp_add(&sum, &v.a, &v.b);
			assert_int_equal(num_is_zero(&v.b) != 0, class == 0);
			assert_int_equal(num_is_zero(&v.a) != 0, class == 2);
			assert_int_equal(num_equal(&v.a, &v.b) || num_is_zero(&sum), class % 2);
		}
	}
	/* the points of order 2 and 4 by themselves */
	struct point two = {{{0}}, {{0}}}, four;
	point_of_order_4(&four);
	torsion_value(&v, &two);
	power_of_q(&v, &v);
	assert_true(num_is_zero(&v.a));
	torsion_value(&v, &four);
	power_of_q(&v, &v);
	assert_false(num_is_zero(&v.a) | num_is_zero(&v.b));
}

/* TEST as RFC 6508 6.2.2 step 5 writes it: R = [r]([b]P + Z). */
static int test_of_the_rfc(const struct domain *d, const struct point *R, const uint8_t ssv[MCSEC_SSV_LEN])
{
	struct num r;
	struct point want;
	const struct num *b = &d->peer->id.b;
	hash_to_range_q(&r, (struct octets){ssv, MCSEC_SSV_LEN}, OCTETS(d->id));
	assert_int_equal(fixed_mul_receiver(&want, &d->kms->z_comb, &b, &r, 1), MCSEC_OK);
	return point_equal(&want, R) != 0;
}

/* What an attacker can do who knows the SSV: move R by a small point and mask H with the value that gives. */
static void test_decides_as_the_rfc_does_for_points_moved_by_small_ones(void **state)
{
	(void)state;
	struct domain d;
	for (int way = 0; way < WAYS; way++) {
		if (!use_way(way))
			continue;
		domain_new(&d);
		for (size_t i = 0; i < rounds(4); i++) {
			uint8_t ssv[MCSEC_SSV_LEN], sed[MCSEC_SED_LEN], out[MCSEC_SSV_LEN], w[NUM_OCTETS], mask[16];
			struct point R, moved;
			struct num t;
			assert_int_equal(mcsec_sakke_encapsulate_fresh(d.peer, &d.rng, 0, ssv, sed), MCSEC_OK);
			assert_int_equal(point_load(&R, sed), MCSEC_OK);
			for (int class = 0; class < 4; class ++) {
				shift_by_class(&moved, &R, class);
				assert_true(pairing(&t, d.keys->lines, &moved));
				fp_store(w, &t);
				hash_to_range_128(mask, OCTETS(w));
				point_store(sed, &moved);
				for (size_t k = 0; k < MCSEC_SSV_LEN; k++)
					sed[POINT_OCTETS + k] = ssv[k] ^ mask[k];
				/* the SSV comes out of H as it was: only TEST stands between */
				enum mcsec_err err = mcsec_sakke_decapsulate(d.keys, sed, sizeof sed, out);
				assert_int_equal(err == MCSEC_OK, test_of_the_rfc(&d, &moved, ssv));
				assert_int_equal(err == MCSEC_OK, class == 0);
			}
			/* another multiple of S, masked with its own pairing: the wrong r */
			add_points(&moved, &R, &GENERATOR);
			assert_true(pairing(&t, d.keys->lines, &moved));
			fp_store(w, &t);
			hash_to_range_128(mask, OCTETS(w));
			point_store(sed, &moved);
			for (size_t k = 0; k < MCSEC_SSV_LEN; k++)
				sed[POINT_OCTETS + k] = ssv[k] ^ mask[k];
			assert_int_equal(mcsec_sakke_decapsulate(d.keys, sed, sizeof sed, out), MCSEC_E_DECRYPT);
		}
		domain_free(&d);
	}
	use_way(WAYS);
}

static void the_value_at_the_point_of_order_2_is_no_result(void **state)
{
	(void)state;
	struct lines *lines;
	struct num t;
	struct point two = {{{0}}, {{0}}};
	for (int way = 0; way < WAYS; way++) {
		if (!use_way(way))
			continue;
		assert_int_equal(lines_new(&lines, &GENERATOR), MCSEC_OK);
		assert_false(pairing(&t, lines, &two));
		lines_free(lines);
	}
	use_way(WAYS);
}

static void a_power_of_g_is_recognised_and_nothing_else(void **state)
{
	(void)state;
	struct num k, t;
	mask_t same;
	for (int way = 0; way < WAYS; way++) {
		if (!use_way(way))
			continue;
		for (size_t i = 0; i < rounds(10); i++) {
			random_scalar(&k);
			assert_int_equal(fixed_pow_g(&t, &k, 1), MCSEC_OK);
			assert_int_equal(fixed_pow_g_is(&same, &t, &k), MCSEC_OK);
			assert_true(same);
			fp_neg(&t, &t); /* g^-k */
			assert_int_equal(fixed_pow_g_is(&same, &t, &k), MCSEC_OK);
			assert_false(same);
		}
		memset(&k, 0, sizeof k);
		memset(&t, 0, sizeof t);
		assert_int_equal(fixed_pow_g_is(&same, &t, &k), MCSEC_OK); /* g^0 = 1 */
		assert_true(same);
	}
	use_way(WAYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_steps_make_q_times_the_unit_and_q_minus_1_times_the_point),
	    cmocka_unit_test(all_ways_to_compute_the_pairing_agree_for_all_points_of_the_curve),
	    cmocka_unit_test(the_torsion_value_tells_the_four_classes_of_points_apart),
	    cmocka_unit_test(test_decides_as_the_rfc_does_for_points_moved_by_small_ones),
	    cmocka_unit_test(the_value_at_the_point_of_order_2_is_no_result),
	    cmocka_unit_test(a_power_of_g_is_recognised_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

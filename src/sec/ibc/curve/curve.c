/* SPDX-License-Identifier: Apache-2.0 */
/* curve.c - points of E: octets, Jacobian arithmetic, sums; see curve.h. */
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/curve/curve.h"

const struct point GENERATOR = {
    .x = {{
	0xbf9c7ec6e0162bc2,
	0xddecc6e310a89289,
	0x5d599df09e499d81,
	0x9a96ea286d358218,
	0x01aec7d370c5f8db,
	0xe72e49958cf5d066,
	0xc2e7297d3e91d7f8,
	0x8621db92da9f2f5a,
	0x4b26c8675a5679ed,
	0x233385df2c56aac1,
	0xb88e74d4c6a13f99,
	0x1214b173ffa8ec11,
	0xa0386a271f3f9fef,
	0xbd9b1b4ec0e7b44e,
	0xafe528dceecd3496,
	0x8dfff96a1c49f80b,
    }},
    .y = {{
	0xb4a4753ac03c0c83,
	0x68e69d18abcdcd75,
	0xe3839b88f775b649,
	0x803f949abf58f352,
	0x5f702679bd0bc15c,
	0x85bf5d168ff298c2,
	0x3f6ebd98c6c7976e,
	0x20618af445e3e1b4,
	0x67d5598e54e64093,
	0xb047283b504fed9e,
	0x450cabfd70d87517,
	0x47d628bf3f5addbe,
	0x0037ef3078cb4cca,
	0x4e148d3c6b1c4908,
	0xe256d3294fcfd837,
	0x2aa1207bde3c01f3,
    }},
};

const struct num PAIRING_OF_GENERATOR = {{
    0x170a46d2335c1685,
    0xeac9e971e1007a58,
    0x40e8f3df43ca4a73,
    0x2646f81582642475,
    0x3af49bb4b36576d1,
    0xd89e2d1472bf1afb,
    0x27be882c2fd151e6,
    0xaddedc858f88717c,
    0xd6d859bf16ac6c6f,
    0x0e741a1b2d8eae58,
    0x6faf7a0061c1f30d,
    0x66dbd09a9b67e096,
    0x21f11c067d3b4f7d,
    0x6152ba02c727c98e,
    0xafd58891e86cb221,
    0x59e93c6a6bd3baf4,
}};

/* y^2 - (x^3 - 3x) = 0 */
mask_t point_on_curve(const struct point *a)
{
	struct num l, r, t;
	fp_sqr(&l, &a->y);
	fp_sqr(&r, &a->x);
	fp_add(&t, &FP.one, &FP.one);
	fp_add(&t, &t, &FP.one);
	fp_sub(&r, &r, &t);
	fp_mul(&r, &r, &a->x);
	return num_equal(&l, &r);
}

enum mcsec_err point_load(struct point *r, const uint8_t in[POINT_OCTETS])
{
	mask_t ok = mask_equal(in[0], 4);
	ok &= fp_load(&r->x, in + 1);
	ok &= fp_load(&r->y, in + 1 + NUM_OCTETS);
	ok &= point_on_curve(r);
	ct_public(&ok, sizeof ok); /* the verdict on an RSK */
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

void point_store(uint8_t out[POINT_OCTETS], const struct point *a)
{
	out[0] = 4;
	fp_store(out + 1, &a->x);
	fp_store(out + 1 + NUM_OCTETS, &a->y);
}

mask_t point_equal(const struct point *a, const struct point *b)
{
	return num_equal(&a->x, &b->x) & num_equal(&a->y, &b->y);
}

int point_has_order_q(const struct point *a)
{
	struct jacobian r, base;
	jacobian_from(&base, a);
	r = base;
	for (int i = SCALAR_BITS - 2; i >= 0; i--) {
		jacobian_double(&r, &r);
		if (FQ.m.v[i / 64] >> (i % 64) & 1)
			jacobian_add(&r, &r, &base);
	}
	return num_is_zero(&r.z) != 0;
}

void jacobian_from(struct jacobian *r, const struct point *a)
{
	r->x = a->x;
	r->y = a->y;
	r->z = FP.one;
}

/* a = -3: 3x^2 - 3z^4 = 3(x - z^2)(x + z^2). Infinity and points with y = 0 come out as z = 0. */
void jacobian_double(struct jacobian *r, const struct jacobian *a)
{
	struct num zz, yy, s, m, t;
	fp_sqr(&zz, &a->z);
	fp_sqr(&yy, &a->y);
	fp_sub(&s, &a->x, &zz);
	fp_add(&t, &a->x, &zz);
	fp_mul(&s, &s, &t);
	fp_add(&m, &s, &s);
	fp_add(&m, &m, &s);
	fp_mul(&r->z, &a->y, &a->z);
	fp_add(&r->z, &r->z, &r->z);
	fp_mul(&s, &a->x, &yy);
	fp_add(&s, &s, &s);
	fp_add(&s, &s, &s); /* 4 x y^2 */
	fp_sqr(&t, &m);
	fp_sub(&t, &t, &s);
	fp_sub(&r->x, &t, &s);
	fp_sqr(&yy, &yy);
	fp_add(&yy, &yy, &yy);
	fp_add(&yy, &yy, &yy);
	fp_add(&yy, &yy, &yy); /* 8 y^4 */
	fp_sub(&s, &s, &r->x);
	fp_mul(&s, &s, &m);
	fp_sub(&r->y, &s, &yy);
}

static void jacobian_cmov(struct jacobian *r, const struct jacobian *a, mask_t yes)
{
	num_cmov(&r->x, &a->x, yes);
	num_cmov(&r->y, &a->y, yes);
	num_cmov(&r->z, &a->z, yes);
}

void jacobian_add(struct jacobian *r, const struct jacobian *a, const struct jacobian *b)
{
	struct num z1, z2, u1, u2, s1, s2, h, e, hh, t;
	struct jacobian sum, twice;
	fp_sqr(&z1, &a->z);
	fp_sqr(&z2, &b->z);
	fp_mul(&u1, &a->x, &z2);
	fp_mul(&u2, &b->x, &z1);
	fp_mul(&s1, &a->y, &z2);
	fp_mul(&s1, &s1, &b->z);
	fp_mul(&s2, &b->y, &z1);
	fp_mul(&s2, &s2, &a->z);
	fp_sub(&h, &u2, &u1);
	fp_sub(&e, &s2, &s1);
	mask_t same = num_is_zero(&h) & num_is_zero(&e);
	fp_mul(&sum.z, &a->z, &b->z);
	fp_mul(&sum.z, &sum.z, &h);
	fp_sqr(&hh, &h);
	fp_mul(&u1, &u1, &hh);
	fp_mul(&hh, &hh, &h);
	fp_sqr(&t, &e);
	fp_sub(&t, &t, &hh);
	fp_sub(&t, &t, &u1);
	fp_sub(&sum.x, &t, &u1);
	fp_sub(&t, &u1, &sum.x);
	fp_mul(&t, &t, &e);
	fp_mul(&hh, &hh, &s1);
	fp_sub(&sum.y, &t, &hh);

	jacobian_double(&twice, a);
	mask_t a_inf = num_is_zero(&a->z), b_inf = num_is_zero(&b->z);
	jacobian_cmov(&sum, &twice, same);
	jacobian_cmov(&sum, b, a_inf);
	jacobian_cmov(&sum, a, b_inf);
	*r = sum;
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&twice, sizeof twice);
}

void jacobian_normalise(struct point *r, const struct jacobian *a, struct num *scratch, size_t n)
{
	struct num *z = scratch, zz;
	for (size_t i = 0; i < n; i++)
		z[i] = a[i].z;
	fp_inv_many(z, scratch + n, n);
	for (size_t i = 0; i < n; i++) {
		fp_sqr(&zz, &z[i]);
		fp_mul(&r[i].x, &a[i].x, &zz);
		fp_mul(&zz, &zz, &z[i]);
		fp_mul(&r[i].y, &a[i].y, &zz);
	}
	mcsec_wipe(&zz, sizeof zz);
}

/* a + b into a, given 1/(x_b - x_a). */
static void add_affine(struct point *a, const struct point *b, const struct num *inv)
{
	struct num l, x, t;
	fp_sub(&l, &b->y, &a->y);
	fp_mul(&l, &l, inv);
	fp_sqr(&x, &l);
	fp_sub(&x, &x, &a->x);
	fp_sub(&x, &x, &b->x);
	fp_sub(&t, &a->x, &x);
	fp_mul(&t, &t, &l);
	fp_sub(&a->y, &t, &a->y);
	a->x = x;
}

/* One level: in each list, point i takes in point i + half; the inversions of all lists are one. */
static mask_t halve(struct point *pts, size_t stride, size_t n, size_t lists, struct num *prefix)
{
	size_t half = n - n / 2, pairs = n / 2, k = 0;
	struct num inv, d, t;
	for (size_t l = 0; l < lists; l++) {
		for (size_t i = 0; i < pairs; i++, k++) {
			const struct point *a = &pts[l * stride + i], *b = a + half;
			fp_sub(&d, &b->x, &a->x);
			if (k)
				fp_mul(&prefix[k], &prefix[k - 1], &d);
			else
				prefix[0] = d;
		}
	}
	fp_inv(&inv, &prefix[k - 1]);
	mask_t ok = ~num_is_zero(&prefix[k - 1]);
	for (size_t l = lists; l-- > 0;) {
		for (size_t i = pairs; i-- > 0;) {
			struct point *a = &pts[l * stride + i];
			const struct point *b = a + half;
			if (--k) {
				fp_mul(&t, &inv, &prefix[k - 1]);
				fp_sub(&d, &b->x, &a->x);
				fp_mul(&inv, &inv, &d);
				add_affine(a, b, &t);
			} else {
				add_affine(a, b, &inv);
			}
		}
	}
	return ok;
}

mask_t point_sum(struct point *pts, size_t n, size_t lists, struct num *scratch)
{
	mask_t ok = ~(mask_t)0;
	for (size_t left = n; left > 1; left -= left / 2)
		ok &= halve(pts, n, left, lists, scratch);
	return ok;
}

/* a + b into r for finite b; equal x and infinite a end in z = 0. */
static void add_mixed(struct jacobian *r, const struct jacobian *a, const struct point *b)
{
	struct num zz, h, hh, e, v, t;
	fp_sqr(&zz, &a->z);
	fp_mul(&h, &b->x, &zz);
	fp_sub(&h, &h, &a->x);
	fp_mul(&e, &b->y, &zz);
	fp_mul(&e, &e, &a->z);
	fp_sub(&e, &e, &a->y);
	fp_mul(&r->z, &a->z, &h);
	fp_sqr(&hh, &h);
	fp_mul(&v, &a->x, &hh);
	fp_mul(&hh, &hh, &h);
	fp_sqr(&t, &e);
	fp_sub(&t, &t, &hh);
	fp_sub(&t, &t, &v);
	fp_sub(&r->x, &t, &v);
	fp_sub(&t, &v, &r->x);
	fp_mul(&t, &t, &e);
	fp_mul(&hh, &hh, &a->y);
	fp_sub(&r->y, &t, &hh);
}

int jacobian_add_mixed(struct jacobian *a, const struct point *b)
{
	struct jacobian sum;
	add_mixed(&sum, a, b);
	int ok = !num_is_zero(&sum.z);
	ct_public(&ok, sizeof ok); /* public sums start at infinity; else of negligible probability */
	if (ok)
		*a = sum;
	return ok;
}

mask_t point_sum_few(struct point *r, const struct point *pts, size_t n)
{
	struct jacobian sum;
	struct num scratch[2];
	jacobian_from(&sum, &pts[0]);
	for (size_t i = 1; i < n; i++)
		add_mixed(&sum, &sum, &pts[i]);
	jacobian_normalise(r, &sum, scratch, 1);
	mask_t ok = ~num_is_zero(&sum.z);
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(scratch, sizeof scratch);
	return ok;
}

mask_t point_sum_complete(struct point *r, const struct point *pts, size_t n)
{
	struct jacobian sum = {.x = FP.one, .y = FP.one}, p;
	struct num scratch[2];
	for (size_t i = 0; i < n; i++) {
		jacobian_from(&p, &pts[i]);
		jacobian_add(&sum, &sum, &p);
	}
	jacobian_normalise(r, &sum, scratch, 1);
	mask_t ok = ~num_is_zero(&sum.z);
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&p, sizeof p);
	mcsec_wipe(scratch, sizeof scratch);
	return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_point.c - points of P-256; see p256.h.
 *
 * [k]G for secret k: odd signed digits as in comb.c (k replaced by n - k when even), masked lookups, mixed Jacobian
 * additions from the lowest window up. These have no exception below the last window: the sum so far is an odd
 * multiple below 2^(6j), the digit's point an odd multiple of 2^(6j), both below n/2, so they are neither equal nor
 * opposite. In the last window, where k = 0 and one more k meet, the addition is complete.
 */
#include <pthread.h>
#include <stdlib.h>

#include "sec/ibc/p256/p256_field.h"

static const struct n256 CURVE_B = {{0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6, 0xdc30061d04874834}};
static const struct p256_affine BASE = {
    .x = {{0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6}},
    .y = {{0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85}},
};

#define MUL(r, a, b) mul_p(&(r), &(a), &(b))
#define SQR(r, a)    mul_p(&(r), &(a), &(a))
#define ADD(r, a, b) add_mod(&(r), &(a), &(b), &F.m)
#define SUB(r, a, b) sub_mod(&(r), &(a), &(b), &F.m)

enum mcsec_err p256_load(struct p256_affine *r, const uint8_t in[P256_POINT_OCTETS])
{
	struct n256 l, t;
	mask_t ok = mask_equal(in[0], 4);
	ok &= load_mod(&r->x, in + 1, &F);
	ok &= load_mod(&r->y, in + 33, &F);
	/* y^2 = x^3 - 3x + b */
	SQR(l, r->y);
	SQR(t, r->x);
	SUB(t, t, F.one);
	SUB(t, t, F.one);
	SUB(t, t, F.one);
	MUL(t, t, r->x);
	ADD(t, t, CURVE_B);
	ok &= equal(&l, &t);
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

void p256_store_x(uint8_t out[32], const struct p256_affine *a)
{
	store_mod(out, &a->x, &F);
}

void p256_store(uint8_t out[P256_POINT_OCTETS], const struct p256_affine *a)
{
	out[0] = 4;
	store_mod(out + 1, &a->x, &F);
	store_mod(out + 33, &a->y, &F);
}

void p256_from(struct p256_point *r, const struct p256_affine *a)
{
	r->x = a->x;
	r->y = a->y;
	r->z = F.one;
}

mask_t p256_is_infinity(const struct p256_point *a)
{
	return is_zero(&a->z);
}

/* Infinity comes out as z = 0; no point of P-256 has y = 0. */
static void point_double(struct p256_point *r, const struct p256_point *a)
{
	struct n256 zz, yy, s, m, t;
	SQR(zz, a->z);
	SQR(yy, a->y);
	SUB(s, a->x, zz);
	ADD(t, a->x, zz);
	MUL(s, s, t);
	ADD(m, s, s);
	ADD(m, m, s);
	MUL(r->z, a->y, a->z);
	ADD(r->z, r->z, r->z);
	MUL(s, a->x, yy);
	ADD(s, s, s);
	ADD(s, s, s);
	SQR(t, m);
	SUB(t, t, s);
	SUB(r->x, t, s);
	ADD(yy, yy, yy);
	SQR(yy, yy);
	ADD(yy, yy, yy); /* 8 y^4 */
	SUB(s, s, r->x);
	MUL(s, s, m);
	SUB(r->y, s, yy);
}

/* r = a + b for finite a and b with different x. */
static void add_mixed(struct p256_point *r, const struct p256_point *a, const struct p256_affine *b)
{
	struct n256 zz, h, hh, e, v, t;
	SQR(zz, a->z);
	MUL(h, b->x, zz);
	SUB(h, h, a->x);
	MUL(e, b->y, zz);
	MUL(e, e, a->z);
	SUB(e, e, a->y);
	MUL(r->z, a->z, h);
	SQR(hh, h);
	MUL(v, a->x, hh);
	MUL(hh, hh, h);
	SQR(t, e);
	SUB(t, t, hh);
	SUB(t, t, v);
	SUB(r->x, t, v);
	SUB(t, v, r->x);
	MUL(t, t, e);
	MUL(hh, hh, a->y);
	SUB(r->y, t, hh);
}

static void point_cmov(struct p256_point *r, const struct p256_point *a, mask_t yes)
{
	cmov(&r->x, &a->x, yes);
	cmov(&r->y, &a->y, yes);
	cmov(&r->z, &a->z, yes);
}

void p256_add(struct p256_point *r, const struct p256_point *a, const struct p256_point *b)
{
	struct n256 z1, z2, u1, u2, s1, s2, h, e, hh, t;
	struct p256_point sum, twice;
	SQR(z1, a->z);
	SQR(z2, b->z);
	MUL(u1, a->x, z2);
	MUL(u2, b->x, z1);
	MUL(s1, a->y, z2);
	MUL(s1, s1, b->z);
	MUL(s2, b->y, z1);
	MUL(s2, s2, a->z);
	SUB(h, u2, u1);
	SUB(e, s2, s1);
	mask_t same = is_zero(&h) & is_zero(&e);
	MUL(sum.z, a->z, b->z);
	MUL(sum.z, sum.z, h);
	SQR(hh, h);
	MUL(u1, u1, hh);
	MUL(hh, hh, h);
	SQR(t, e);
	SUB(t, t, hh);
	SUB(t, t, u1);
	SUB(sum.x, t, u1);
	SUB(t, u1, sum.x);
	MUL(t, t, e);
	MUL(hh, hh, s1);
	SUB(sum.y, t, hh);

	point_double(&twice, a);
	mask_t a_inf = is_zero(&a->z), b_inf = is_zero(&b->z);
	point_cmov(&sum, &twice, same);
	point_cmov(&sum, b, a_inf);
	point_cmov(&sum, a, b_inf);
	*r = sum;
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&twice, sizeof twice);
}

mask_t p256_to_affine(struct p256_affine *r, const struct p256_point *a)
{
	struct n256 inv, square;
	mask_t finite = ~is_zero(&a->z);
	modinv(inv.v, a->z.v, F.m.v, F.rr.v, 4);
	SQR(square, inv);
	MUL(r->x, a->x, square);
	MUL(square, square, inv);
	MUL(r->y, a->y, square);
	mcsec_wipe(&inv, sizeof inv);
	mcsec_wipe(&square, sizeof square);
	return finite;
}

mask_t p256_equal(const struct p256_point *a, const struct p256_point *b)
{
	struct n256 z1, z2, l, r;
	mask_t a_inf = is_zero(&a->z), b_inf = is_zero(&b->z), same;
	SQR(z1, a->z);
	SQR(z2, b->z);
	MUL(l, a->x, z2);
	MUL(r, b->x, z1);
	same = equal(&l, &r);
	MUL(z1, z1, a->z);
	MUL(z2, z2, b->z);
	MUL(l, a->y, z2);
	MUL(r, b->y, z1);
	same &= equal(&l, &r);
	return (same & ~a_inf & ~b_inf) | (a_inf & b_inf);
}

/* ---- Fixed points ------------------------------------------------------------------------------------------------ */

/* n finite points to affine with one inversion; before holds n. Public points. */
static void to_affine_many(struct p256_affine *r, const struct p256_point *a, struct n256 *before, size_t n)
{
	struct n256 inv, z, square;
	z = F.one;
	for (size_t i = 0; i < n; i++) {
		before[i] = z;
		MUL(z, z, a[i].z);
	}
	modinv(inv.v, z.v, F.m.v, F.rr.v, 4);
	for (size_t i = n; i-- > 0;) {
		MUL(z, inv, before[i]);
		MUL(inv, inv, a[i].z);
		SQR(square, z);
		MUL(r[i].x, a[i].x, square);
		MUL(square, square, z);
		MUL(r[i].y, a[i].y, square);
	}
}

enum mcsec_err p256_comb_new(struct p256_comb *c, const struct p256_affine *base)
{
	enum { ALL = P256_COMB_WINDOWS * P256_COMB_ENTRIES };
	struct p256_point *all = malloc(ALL * sizeof *all), b, twice;
	struct n256 *before = malloc(ALL * sizeof *before);
	if (!all || !before) {
		free(all);
		free(before);
		return MCSEC_E_MEMORY;
	}
	p256_from(&b, base);
	for (size_t j = 0; j < P256_COMB_WINDOWS; j++) {
		struct p256_point *at = all + j * P256_COMB_ENTRIES;
		point_double(&twice, &b);
		at[0] = b;
		for (size_t i = 1; i < P256_COMB_ENTRIES; i++)
			p256_add(&at[i], &at[i - 1], &twice);
		b = twice;
		for (int k = 1; k < P256_COMB_W; k++)
			point_double(&b, &b);
	}
	to_affine_many(&c->entry[0][0], all, before, ALL);
	free(all);
	free(before);
	return MCSEC_OK;
}

/* k as comb digits: the windows of (odd k - 1)/2 + 2^(6 * 43 - 1); the mask: all signs turn. */
static mask_t comb_digits(uint64_t bits[5], const struct n256 *k)
{
	struct n256 odd, other, zero = {{0}};
	leave(&odd, k, &N);
	mask_t even = mask_of_bit(~odd.v[0] & 1);
	sub_mod(&other, &zero, k, &N.m);
	leave(&other, &other, &N);
	cmov(&other, &N.m, is_zero(k)); /* n - 0 = n */
	cmov(&odd, &other, even);
	for (int i = 0; i < 4; i++)
		bits[i] = odd.v[i] >> 1 | (i < 3 ? odd.v[i + 1] << 63 : 0);
	const unsigned top = P256_COMB_W * P256_COMB_WINDOWS - 1;
	bits[4] = UINT64_C(1) << (top - 256);
	mcsec_wipe(&odd, sizeof odd);
	mcsec_wipe(&other, sizeof other);
	return even;
}

static uint64_t comb_entry_of(const uint64_t bits[5], unsigned j, mask_t *negative)
{
	unsigned at = P256_COMB_W * j / 64, by = P256_COMB_W * j % 64;
	uint64_t x = bits[at] >> by;
	if (by + P256_COMB_W > 64)
		x |= bits[at + 1] << (64 - by);
	x &= (1u << P256_COMB_W) - 1;
	mask_t low = mask_of_bit((x >> (P256_COMB_W - 1)) ^ 1);
	*negative ^= low;
	return (x ^ low) & (P256_COMB_ENTRIES - 1);
}

static void negate_if(struct p256_affine *p, mask_t yes)
{
	struct n256 zero = {{0}}, minus;
	SUB(minus, zero, p->y);
	cmov(&p->y, &minus, yes);
}

/* Reads every entry of the window. */
static void comb_pick(struct p256_affine *p, const struct p256_comb *c, unsigned j, const uint64_t bits[5],
		      mask_t negative)
{
	uint64_t want = comb_entry_of(bits, j, &negative), r[8] = {0};
	const struct p256_affine *window = c->entry[j];
	for (uint64_t e = 0; e < P256_COMB_ENTRIES; e++) {
		mask_t yes = mask_equal(e, want);
		const uint64_t *x = window[e].x.v, *y = window[e].y.v;
		for (int i = 0; i < 4; i++) {
			r[i] |= x[i] & yes;
			r[4 + i] |= y[i] & yes;
		}
	}
	memcpy(p->x.v, r, sizeof p->x);
	memcpy(p->y.v, r + 4, sizeof p->y);
	negate_if(p, negative);
}

static struct p256_comb comb_g;
static enum mcsec_err comb_g_err;
static pthread_once_t comb_once = PTHREAD_ONCE_INIT;

static void comb_init(void)
{
	comb_g_err = p256_comb_new(&comb_g, &BASE);
}

enum mcsec_err p256_ready(void)
{
	pthread_once(&comb_once, comb_init);
	return comb_g_err;
}

void p256_mul_g(struct p256_point *r, const struct n256 *k)
{
	uint64_t bits[5];
	struct p256_point sum, last;
	struct p256_affine p;
	mask_t even = comb_digits(bits, k);
	comb_pick(&p, &comb_g, 0, bits, even);
	p256_from(&sum, &p);
	for (unsigned j = 1; j < P256_COMB_WINDOWS - 1; j++) {
		comb_pick(&p, &comb_g, j, bits, even);
		add_mixed(&sum, &sum, &p);
	}
	comb_pick(&p, &comb_g, P256_COMB_WINDOWS - 1, bits, even);
	p256_from(&last, &p);
	p256_add(r, &sum, &last);
	mcsec_wipe(bits, sizeof bits);
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&last, sizeof last);
	mcsec_wipe(&p, sizeof p);
}

/* ---- Public scalars and points: variable time -------------------------------------------------------------------- */

static void add_public(struct p256_point *r, const struct p256_affine *b)
{
	struct p256_point full, sum;
	add_mixed(&sum, r, b);
	/* r infinite, or equal x: the rare cases go the complete way */
	if (is_zero(&sum.z)) {
		p256_from(&full, b);
		p256_add(&sum, r, &full);
	}
	*r = sum;
}

void p256_add_comb_public(struct p256_point *r, const struct p256_comb *c, const struct n256 *k)
{
	uint64_t bits[5];
	if (!c)
		c = &comb_g;
	mask_t even = comb_digits(bits, k);
	for (unsigned j = 0; j < P256_COMB_WINDOWS; j++) {
		mask_t negative = even;
		struct p256_affine p = c->entry[j][comb_entry_of(bits, j, &negative)];
		negate_if(&p, negative);
		add_public(r, &p);
	}
}

/* Width-5 non-adjacent form over eight odd multiples. */
void p256_mul_public(struct p256_point *r, const struct n256 *k, const struct p256_affine *a)
{
	enum { W = 5, ODD = 1 << (W - 2) };
	int8_t digit[258];
	int len = 0;
	struct n256 n;
	struct p256_point jac[ODD], twice, sum = {.y = F.one};
	struct p256_affine odd[ODD];
	struct n256 before[ODD];
	leave(&n, k, &N);
	for (uint64_t top = 0; !is_zero(&n) || top; len++) {
		int d = 0;
		if (n.v[0] & 1) {
			d = (int)(n.v[0] & ((1 << W) - 1));
			uint64_t c = 0;
			if (d >= 1 << (W - 1)) {
				d -= 1 << W;
				n.v[0] = adc(n.v[0], (uint64_t)-d, &c);
				for (int i = 1; i < 4; i++)
					n.v[i] = adc(n.v[i], 0, &c);
				top = c;
			} else {
				n.v[0] -= (uint64_t)d;
			}
		}
		digit[len] = (int8_t)d;
		for (int i = 0; i < 3; i++)
			n.v[i] = n.v[i] >> 1 | n.v[i + 1] << 63;
		n.v[3] = n.v[3] >> 1 | top << 63;
		top = 0;
	}
	p256_from(&jac[0], a);
	point_double(&twice, &jac[0]);
	for (int i = 1; i < ODD; i++)
		p256_add(&jac[i], &jac[i - 1], &twice);
	to_affine_many(odd, jac, before, ODD); /* an odd multiple below n of a finite point is finite */
	for (int i = len - 1; i >= 0; i--) {
		point_double(&sum, &sum);
		if (digit[i]) {
			struct p256_affine p = odd[(digit[i] < 0 ? -digit[i] : digit[i]) / 2];
			negate_if(&p, digit[i] < 0 ? ~(mask_t)0 : 0);
			add_public(&sum, &p);
		}
	}
	*r = sum;
}

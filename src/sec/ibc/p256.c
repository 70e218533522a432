/* SPDX-License-Identifier: Apache-2.0 */
/* p256.c - see p256.h. Points by Renes-Costello-Batina; [k]G by a comb of odd signed digits, masked lookups. */
#include <pthread.h>
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/modinv.h"
#include "sec/ibc/p256.h"

typedef unsigned __int128 u128;

struct field {
	struct n256 m, one, rr;
	uint64_t n0;
};

static const struct field F = {
    .m = {{0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001}},
    .one = {{0x0000000000000001, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe}},
    .rr = {{0x0000000000000003, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd}},
    .n0 = 1,
};

static const struct field N = {
    .m = {{0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}},
    .one = {{0x0c46353d039cdaaf, 0x4319055258e8617b, 0x0000000000000000, 0x00000000ffffffff}},
    .rr = {{0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59, 0x66e12d94f3d95620}},
    .n0 = 0xccd1c8aaee00bc4f,
};

static const struct n256 CURVE_B = {{0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6, 0xdc30061d04874834}};
static const struct p256_affine BASE = {
    .x = {{0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6}},
    .y = {{0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85}},
};

/* ---- Arithmetic modulo a 256-bit number ---- */

/* r = (carry, t) - m if that is not negative, else t. */
static inline void subtract_if_above(struct n256 *r, const uint64_t t[4], uint64_t carry, const struct n256 *m)
{
	uint64_t d[4], borrow = 0;
	for (int i = 0; i < 4; i++) {
		u128 x = (u128)t[i] - m->v[i] - borrow;
		d[i] = (uint64_t)x;
		borrow = (uint64_t)(x >> 64) & 1;
	}
	mask_t keep = mask_of_bit(borrow & (carry ^ 1));
	for (int i = 0; i < 4; i++)
		r->v[i] = (t[i] & keep) | (d[i] & ~keep);
}

static inline void add_mod(struct n256 *r, const struct n256 *a, const struct n256 *b, const struct field *f)
{
	uint64_t t[4];
	u128 c = 0;
	for (int i = 0; i < 4; i++) {
		c += (u128)a->v[i] + b->v[i];
		t[i] = (uint64_t)c;
		c >>= 64;
	}
	subtract_if_above(r, t, (uint64_t)c, &f->m);
}

static inline void sub_mod(struct n256 *r, const struct n256 *a, const struct n256 *b, const struct field *f)
{
	uint64_t t[4], borrow = 0;
	for (int i = 0; i < 4; i++) {
		u128 x = (u128)a->v[i] - b->v[i] - borrow;
		t[i] = (uint64_t)x;
		borrow = (uint64_t)(x >> 64) & 1;
	}
	mask_t back = mask_of_bit(borrow);
	u128 c = 0;
	for (int i = 0; i < 4; i++) {
		c += (u128)t[i] + (f->m.v[i] & back);
		r->v[i] = (uint64_t)c;
		c >>= 64;
	}
}

static inline void mul_mod(struct n256 *r, const struct n256 *a, const struct n256 *b, const struct field *f)
{
	uint64_t t[6] = {0};
	for (int i = 0; i < 4; i++) {
		u128 c = 0;
		for (int j = 0; j < 4; j++) {
			c += (u128)a->v[j] * b->v[i] + t[j];
			t[j] = (uint64_t)c;
			c >>= 64;
		}
		c += t[4];
		t[4] = (uint64_t)c;
		t[5] = (uint64_t)(c >> 64);
		uint64_t w = t[0] * f->n0;
		c = ((u128)w * f->m.v[0] + t[0]) >> 64;
		for (int j = 1; j < 4; j++) {
			c += (u128)w * f->m.v[j] + t[j];
			t[j - 1] = (uint64_t)c;
			c >>= 64;
		}
		c += t[4];
		t[3] = (uint64_t)c;
		t[4] = t[5] + (uint64_t)(c >> 64);
	}
	subtract_if_above(r, t, t[4], &f->m);
}

static mask_t is_zero(const struct n256 *a)
{
	return mask_equal(a->v[0] | a->v[1] | a->v[2] | a->v[3], 0);
}

static mask_t equal(const struct n256 *a, const struct n256 *b)
{
	return mask_equal((a->v[0] ^ b->v[0]) | (a->v[1] ^ b->v[1]) | (a->v[2] ^ b->v[2]) | (a->v[3] ^ b->v[3]), 0);
}

static void cmov(struct n256 *r, const struct n256 *a, mask_t yes)
{
	for (int i = 0; i < 4; i++)
		r->v[i] ^= (r->v[i] ^ a->v[i]) & yes;
}

static void load_plain(struct n256 *r, const uint8_t in[32])
{
	for (int i = 0; i < 4; i++) {
		uint64_t x = 0;
		for (int k = 0; k < 8; k++)
			x = x << 8 | in[24 - 8 * i + k];
		r->v[i] = x;
	}
}

static void store_plain(uint8_t out[32], const struct n256 *a)
{
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 8; k++)
			out[31 - 8 * i - k] = (uint8_t)(a->v[i] >> 8 * k);
}

/* Octets to Montgomery form; the mask tells whether they were below the modulus. */
static mask_t load_mod(struct n256 *r, const uint8_t in[32], const struct field *f)
{
	struct n256 x, reduced;
	load_plain(&x, in);
	subtract_if_above(&reduced, x.v, 0, &f->m); /* 2^256 < 2m */
	mask_t below = equal(&reduced, &x);
	mul_mod(r, &reduced, &f->rr, f);
	mcsec_wipe(&x, sizeof x);
	mcsec_wipe(&reduced, sizeof reduced);
	return below;
}

static void leave(struct n256 *r, const struct n256 *a, const struct field *f)
{
	static const struct n256 unit = {{1}};
	mul_mod(r, a, &unit, f);
}

static void store_mod(uint8_t out[32], const struct n256 *a, const struct field *f)
{
	struct n256 x;
	leave(&x, a, f);
	store_plain(out, &x);
	mcsec_wipe(&x, sizeof x);
}

/* ---- Scalars ---- */

void scalar_add(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	add_mod(r, a, b, &N);
}

void scalar_sub(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	sub_mod(r, a, b, &N);
}

void scalar_mul(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	mul_mod(r, a, b, &N);
}

void scalar_inv(struct n256 *r, const struct n256 *a)
{
	modinv(r->v, a->v, N.m.v, N.rr.v, 4);
}

mask_t scalar_is_zero(const struct n256 *a)
{
	return is_zero(a);
}

mask_t scalar_load(struct n256 *r, const uint8_t in[32])
{
	mask_t below = load_mod(r, in, &N);
	return below & ~is_zero(r);
}

void scalar_store(uint8_t out[32], const struct n256 *a)
{
	store_mod(out, a, &N);
}

/*
 * x mod (n - 1) by 512 steps of doubling and masked subtraction: n - 1 is even, so Montgomery does not serve.
 * The accumulator stays below n - 1, its double below 2^257.
 */
void scalar_from_hash(struct n256 *r, const uint8_t hash[64])
{
	struct n256 m = N.m, acc = {{0}};
	m.v[0]--;
	for (int i = 0; i < 512; i++) {
		uint64_t bit = (unsigned)hash[i / 8] >> (7 - i % 8) & 1u, t[4], carry = acc.v[3] >> 63;
		for (int k = 3; k > 0; k--)
			t[k] = acc.v[k] << 1 | acc.v[k - 1] >> 63;
		t[0] = acc.v[0] << 1 | bit;
		subtract_if_above(&acc, t, carry, &m);
	}
	mul_mod(r, &acc, &N.rr, &N);
	add_mod(r, r, &N.one, &N);
	mcsec_wipe(&acc, sizeof acc);
}

/* ---- Points ---- */

#define MUL(r, a, b) mul_mod(&(r), &(a), &(b), &F)
#define ADD(r, a, b) add_mod(&(r), &(a), &(b), &F)
#define SUB(r, a, b) sub_mod(&(r), &(a), &(b), &F)

enum mcsec_err p256_load(struct p256_affine *r, const uint8_t in[P256_POINT_OCTETS])
{
	struct n256 l, t;
	mask_t ok = mask_equal(in[0], 4);
	ok &= load_mod(&r->x, in + 1, &F);
	ok &= load_mod(&r->y, in + 33, &F);
	/* y^2 = x^3 - 3x + b */
	MUL(l, r->y, r->y);
	MUL(t, r->x, r->x);
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

/* Renes, Costello, Batina, algorithm 4; the numbers are its steps. */
void p256_add(struct p256_point *r, const struct p256_point *a, const struct p256_point *b)
{
	struct n256 t0, t1, t2, t3, t4, x3, y3, z3;
	MUL(t0, a->x, b->x); /* 1 */
	MUL(t1, a->y, b->y);
	MUL(t2, a->z, b->z);
	ADD(t3, a->x, a->y); /* 4 */
	ADD(t4, b->x, b->y);
	MUL(t3, t3, t4);
	ADD(t4, t0, t1);
	SUB(t3, t3, t4);
	ADD(t4, a->y, a->z); /* 9 */
	ADD(x3, b->y, b->z);
	MUL(t4, t4, x3);
	ADD(x3, t1, t2);
	SUB(t4, t4, x3);
	ADD(x3, a->x, a->z); /* 14 */
	ADD(y3, b->x, b->z);
	MUL(x3, x3, y3);
	ADD(y3, t0, t2);
	SUB(y3, x3, y3);
	MUL(z3, CURVE_B, t2); /* 19 */
	SUB(x3, y3, z3);
	ADD(z3, x3, x3);
	ADD(x3, x3, z3);
	SUB(z3, t1, x3);
	ADD(x3, t1, x3); /* 24 */
	MUL(y3, CURVE_B, y3);
	ADD(t1, t2, t2);
	ADD(t2, t1, t2);
	SUB(y3, y3, t2);
	SUB(y3, y3, t0); /* 29 */
	ADD(t1, y3, y3);
	ADD(y3, t1, y3);
	ADD(t1, t0, t0);
	ADD(t0, t1, t0);
	SUB(t0, t0, t2); /* 34 */
	MUL(t1, t4, y3);
	MUL(t2, t0, y3);
	MUL(y3, x3, z3);
	ADD(y3, y3, t2);
	MUL(x3, t3, x3); /* 39 */
	SUB(x3, x3, t1);
	MUL(z3, t4, z3);
	MUL(t1, t3, t0);
	ADD(z3, z3, t1);
	r->x = x3;
	r->y = y3;
	r->z = z3;
}

mask_t p256_to_affine(struct p256_affine *r, const struct p256_point *a)
{
	struct n256 inv;
	modinv(inv.v, a->z.v, F.m.v, F.rr.v, 4);
	MUL(r->x, a->x, inv);
	MUL(r->y, a->y, inv);
	mcsec_wipe(&inv, sizeof inv);
	return ~is_zero(&a->z);
}

mask_t p256_equal(const struct p256_point *a, const struct p256_point *b)
{
	struct n256 l, r;
	mask_t a_inf = is_zero(&a->z), b_inf = is_zero(&b->z), same;
	MUL(l, a->x, b->z);
	MUL(r, b->x, a->z);
	same = equal(&l, &r);
	MUL(l, a->y, b->z);
	MUL(r, b->y, a->z);
	same &= equal(&l, &r);
	return (same & ~a_inf & ~b_inf) | (a_inf & b_inf);
}

/* ---- [k]G: odd signed digits as in comb.c, with k replaced by n - k when it is even ---- */

enum { COMB_W = 6, COMB_WINDOWS = 43, COMB_ENTRIES = 32 }; /* 43 * 6 = 258 > 256 */

static struct p256_affine comb[COMB_WINDOWS][COMB_ENTRIES];
static pthread_once_t comb_once = PTHREAD_ONCE_INIT;

static void comb_init(void)
{
	struct p256_point b, twice, p;
	p256_from(&b, &BASE);
	for (int j = 0; j < COMB_WINDOWS; j++) {
		p256_add(&twice, &b, &b);
		p = b;
		for (int i = 0; i < COMB_ENTRIES; i++) {
			p256_to_affine(&comb[j][i], &p);
			p256_add(&p, &p, &twice);
		}
		for (int k = 0; k < COMB_W; k++)
			p256_add(&b, &b, &b);
	}
}

static void comb_pick(struct p256_point *r, unsigned j, const uint64_t bits[5], mask_t negate)
{
	unsigned at = COMB_W * j / 64, by = COMB_W * j % 64;
	uint64_t x = bits[at] >> by;
	if (by + COMB_W > 64)
		x |= bits[at + 1] << (64 - by);
	x &= (1u << COMB_W) - 1;
	mask_t low = mask_of_bit((x >> (COMB_W - 1)) ^ 1);
	uint64_t want = (x ^ low) & (COMB_ENTRIES - 1);
	struct p256_affine p = {0};
	for (uint64_t e = 0; e < COMB_ENTRIES; e++) {
		mask_t yes = mask_equal(e, want);
		for (int i = 0; i < 4; i++) {
			p.x.v[i] |= comb[j][e].x.v[i] & yes;
			p.y.v[i] |= comb[j][e].y.v[i] & yes;
		}
	}
	struct n256 zero = {{0}}, minus;
	SUB(minus, zero, p.y);
	cmov(&p.y, &minus, low ^ negate);
	p256_from(r, &p);
	mcsec_wipe(&p, sizeof p);
}

void p256_mul_g(struct p256_point *r, const struct n256 *k)
{
	pthread_once(&comb_once, comb_init);
	struct n256 odd, other, zero = {{0}};
	uint64_t bits[5] = {0};
	struct p256_point p, sum = {.y = F.one};
	leave(&odd, k, &N);
	mask_t even = mask_of_bit(~odd.v[0] & 1);
	sub_mod(&other, &zero, k, &N);
	leave(&other, &other, &N); /* n - k, and 0 for 0: [0]G comes out as the even digit sum of n below */
	cmov(&other, &N.m, is_zero(k));
	cmov(&odd, &other, even);
	for (int i = 0; i < 4; i++)
		bits[i] = odd.v[i] >> 1 | (i < 3 ? odd.v[i + 1] << 63 : 0);
	unsigned top = COMB_W * COMB_WINDOWS - 1;
	bits[top / 64] |= UINT64_C(1) << (top % 64);
	for (unsigned j = 0; j < COMB_WINDOWS; j++) {
		comb_pick(&p, j, bits, even);
		p256_add(&sum, &sum, &p);
	}
	*r = sum;
	mcsec_wipe(&odd, sizeof odd);
	mcsec_wipe(&other, sizeof other);
	mcsec_wipe(bits, sizeof bits);
	mcsec_wipe(&p, sizeof p);
	mcsec_wipe(&sum, sizeof sum);
}

void p256_mul_public(struct p256_point *r, const struct n256 *k, const struct p256_point *a)
{
	struct n256 plain;
	struct p256_point sum = {.y = F.one};
	leave(&plain, k, &N);
	for (int i = 255; i >= 0; i--) {
		p256_add(&sum, &sum, &sum);
		if (plain.v[i / 64] >> (i % 64) & 1)
			p256_add(&sum, &sum, a);
	}
	*r = sum;
}

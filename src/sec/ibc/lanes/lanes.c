/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lanes.c - see lanes.h.
 *
 * Multiplication is Montgomery's, limb by limb of b: in step i the sum takes in the upper halves of a * b[i-1], the
 * lower halves of a * b[i], and the same of p * q, where q makes the lowest limb vanish; then it moves down a limb.
 * A limb of the sum grows by less than 2^52 a term, of which there are at most 8 a step (three pairs and p q, lower and
 * upper halves), and moves down one place a step: after 20 steps it is below 160 * 2^52 + 2^12 < 2^60, so carries wait
 * until the end. The multiplier takes the lower 52 bits of a word, so operands are carried numbers, not negative.
 *
 * The result is below (sum of a b) / R' + p, where p / R' < 2^-16.7: with three pairs of factors below 8 p it is at
 * most p + 3 * 64 * 2^-16.7 p, which is nearly reduced (lanes.h).
 */
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/lanes/v8.h"

#if defined(__x86_64__) || defined(V8_PLAIN)

static const uint64_t P52[LIMBS52] = {
    /* p */
    0xd807afea85feb, 0x10ac7ace87666, 0x9857db080c5df, 0x1f1ffce3e8238, 0xa9f94d6af5697,
    0xcf3c521c3c09a, 0x4a831852a82a7, 0x65681ce1b6aff, 0xb4cd4512ac5cd, 0xd0e26c6487326,
    0x56d27f4a666a6, 0xb39ff7c88a193, 0x531a59cb0e791, 0xfc0f1b228730d, 0xa2ef40aab27e2,
    0xbe9ae358b3e01, 0xc0ce19cb48261, 0x98dad0657a416, 0xa563fda65c611, 0x0000997abb1f0,
};
static const uint64_t R52[LIMBS52] = {
    /* R mod p, R = 2^1024 */
    0x27f850157a015, 0xef53853178999, 0x67a824f7f3a20, 0xe0e0031c17dc7, 0x5606b2950a968,
    0x30c3ade3c3f65, 0xb57ce7ad57d58, 0x9a97e31e49500, 0x4b32baed53a32, 0x2f1d939b78cd9,
    0xa92d80b599959, 0x4c60083775e6c, 0xace5a634f186e, 0x03f0e4dd78cf2, 0x5d10bf554d81d,
    0x41651ca74c1fe, 0x3f31e634b7d9e, 0x67252f9a85be9, 0x5a9c0259a39ee, 0x0000668544e0f,
};
static const uint64_t ENTER52[LIMBS52] = {
    /* R'^2 / R mod p */
    0xcf1de7422dc16, 0x9b612e47b16df, 0x77db650ee3620, 0xf38bf9e30bac2, 0xa615fb20410a1,
    0xbbcc6cb8a36be, 0x191186c441dd4, 0xef31117aac3cd, 0x709a73275c05b, 0xf19459b8e218b,
    0xbd08e8df75270, 0x24dc96f75f948, 0x8555b0749171d, 0x1acf6314fc812, 0xde43d93f515a9,
    0x773a866b72174, 0x3659848b71c8a, 0x95f5a67578ed4, 0x6ad3adb3a99b2, 0x00001620e802c,
};
#define P_INV52 UINT64_C(0x420077c8f2f3d) /* -1/p mod 2^52 */
static const struct num SCALE = /* 2^16 * R */ {{
    0x5ab2d93d28030700,
    0xf4ef304f29842827,
    0xdbccb99e575a9935,
    0xbde98a91ef15a52f,
    0x56630ae7dbe067d2,
    0x82eb7566e2181219,
    0xa81267db57d38448,
    0x34527ee706d9dc9d,
    0xee5aee72c7c19655,
    0xf9642db481a7f3e2,
    0x818c6630c3a4edbf,
    0x3484786592cdbd68,
    0xa6cb0bf93453aef2,
    0xc683af9eea86f713,
    0xa0a60b0666bd14e0,
    0x49e339c2237eb83e,
}};
static const struct num UNSCALE = /* R / 2^16 */ {{
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0000000000000000,
    0x0001000000000000,
}};

/* NOLINTNEXTLINE(bugprone-macro-parentheses): i is the name that is declared */
#define EACH_LIMB(i) _Pragma("GCC unroll 20") for (int i = 0; i < LIMBS52; i++)

V8_OP v8 limb(const struct lanes *a, int i)
{
	return v8_load(a->v[i]);
}

/* Carries moved up, signed; the top limb keeps the sign. */
V8_OP void carry(v8 t[LIMBS52])
{
	v8 c = v8_set(0);
	EACH_LIMB(i)
	{
		t[i] = v8_add(t[i], c);
		if (i < LIMBS52 - 1) {
			c = v8_sar(t[i], 52);
			t[i] = v8_and(t[i], v8_set(M52));
		}
	}
}

V8_OP void put(struct lanes *r, const v8 t[LIMBS52])
{
	EACH_LIMB(i)
	v8_store(r->v[i], t[i]);
}

/* r = sum of a[k] * b[k] / R' for n <= 3 pairs, each factor below 8 p. */
V8_OP void dot(struct lanes *r, const struct lanes *const *a, const struct lanes *const *b, int n)
{
	v8 t[LIMBS52], q = v8_set(0), last[3], now[3];
	EACH_LIMB(j)
	t[j] = v8_set(0);
	for (int k = 0; k < n; k++)
		last[k] = v8_set(0);
	for (int i = 0; i < LIMBS52; i++) {
		v8 q_last = q;
		for (int k = 0; k < n; k++) {
			now[k] = limb(b[k], i);
			EACH_LIMB(j)
			{
				v8 x = limb(a[k], j);
				t[j] = v8_hi(t[j], x, last[k]);
				t[j] = v8_lo(t[j], x, now[k]);
			}
			last[k] = now[k];
		}
		t[0] = v8_hi(t[0], v8_set(P52[0]), q_last);
		q = v8_lo(v8_set(0), t[0], v8_set(P_INV52));
		t[0] = v8_lo(t[0], v8_set(P52[0]), q);
		EACH_LIMB(j)
		if (j > 0) {
			v8 x = v8_set(P52[j]);
			t[j] = v8_hi(t[j], x, q_last);
			t[j] = v8_lo(t[j], x, q);
		}
		t[1] = v8_add(t[1], v8_shr(t[0], 52));
		EACH_LIMB(j)
		if (j > 0)
			t[j - 1] = t[j];
		t[LIMBS52 - 1] = v8_set(0);
	}
	EACH_LIMB(j)
	{
		for (int k = 0; k < n; k++)
			t[j] = v8_hi(t[j], limb(a[k], j), last[k]);
		t[j] = v8_hi(t[j], v8_set(P52[j]), q);
	}
	carry(t);
	put(r, t);
}

V8_CODE static void mul(struct lanes *r, const struct lanes *a, const struct lanes *b)
{
	dot(r, &a, &b, 1);
}

/* An operand a - b + 2p, below 4p. */
V8_OP void minus(struct lanes *r, const struct lanes *a, const struct lanes *b)
{
	v8 t[LIMBS52];
	EACH_LIMB(i)
	t[i] = v8_add(v8_sub(limb(a, i), limb(b, i)), v8_set(2 * P52[i]));
	carry(t);
	put(r, t);
}

/*
 * Nearly reduce t in (-3p, p + p/256): add p as often as the top limb x asks for. With p' = top 2^988, which is p up to
 * 2^988: t < 0 exactly if x < 0; below -p' and below -2p' likewise. So what is added to leaves t in [0, p + 2^989).
 */
V8_OP void reduce(struct lanes *r, v8 t[LIMBS52])
{
	carry(t);
	const uint64_t top = P52[LIMBS52 - 1];
	v8 x = t[LIMBS52 - 1];
	v8 once = v8_less(x, v8_set(0)), twice = v8_less(x, v8_set(0 - top)), thrice = v8_less(x, v8_set(0 - 2 * top));
	EACH_LIMB(i)
	{
		v8 p = v8_set(P52[i]);
		t[i] = v8_add(v8_add(t[i], v8_and(once, p)), v8_add(v8_and(twice, p), v8_and(thrice, p)));
	}
	carry(t);
	put(r, t);
}

/* ---- Choice ---- */

#if defined(V8_PLAIN)
int lanes_on = 1;

int lanes_exist(void)
{
	return 1;
}

int lanes_force(int on)
{
	lanes_on = on;
	return 1;
}
#else
int lanes_on;

/* gcc's answer for AVX-512 also asks the system (XGETBV): it is no where the system does not save those registers. */
int lanes_exist(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512ifma");
}

__attribute__((constructor)) static void choose(void)
{
	__builtin_cpu_init();
	lanes_on = lanes_exist();
}

int lanes_force(int on)
{
	if (on && !lanes_exist())
		return 0;
	lanes_on = on;
	return 1;
}
#endif

/* ---- In and out ---- */

/* 16 limbs of 64 bits, one vector each, to 20 limbs of 52. */
V8_OP void widen(v8 t[LIMBS52], const uint64_t (*in)[LANES])
{
	EACH_LIMB(i)
	{
		const int at = 52 * i / 64, by = 52 * i % 64;
		v8 x = v8_shr(v8_load(in[at]), (unsigned)by);
		if (by > 12 && at + 1 < NUM_LIMBS)
			x = v8_or(x, v8_shl(v8_load(in[at + 1]), (unsigned)(64 - by)));
		t[i] = v8_and(x, v8_set(M52));
	}
}

static void transpose(uint64_t (*out)[LANES], const uint64_t *const *rows, int words)
{
	for (int l = 0; l < LANES; l++)
		for (int w = 0; w < words; w++)
			out[w][l] = rows[l][w];
}

V8_CODE static void load_lanes(struct lanes *r, const uint64_t *const *rows)
{
	_Alignas(64) uint64_t w[NUM_LIMBS][LANES];
	v8 t[LIMBS52];
	transpose(w, rows, NUM_LIMBS);
	widen(t, (const uint64_t(*)[LANES])w);
	put(r, t);
}

V8_CODE static void constant(struct lanes *r, const uint64_t x[LIMBS52])
{
	EACH_LIMB(i)
	v8_store(r->v[i], v8_set(x[i]));
}

V8_CODE void lanes_enter(struct lanes *r, const struct num in[LANES])
{
	const uint64_t *rows[LANES];
	struct lanes c;
	for (int l = 0; l < LANES; l++)
		rows[l] = in[l].v;
	load_lanes(r, rows);
	constant(&c, ENTER52);
	mul(r, r, &c);
}

V8_CODE void lanes_leave(struct num out[LANES], const struct lanes *a)
{
	struct lanes c;
	constant(&c, R52);
	mul(&c, a, &c);
	for (int l = 0; l < LANES; l++) {
		uint64_t *w = out[l].v;
		memset(w, 0, NUM_OCTETS);
		for (int i = 0; i < LIMBS52; i++) {
			const int at = 52 * i / 64, by = 52 * i % 64;
			w[at] |= c.v[i][l] << by;
			if (by > 12 && at + 1 < NUM_LIMBS)
				w[at + 1] |= c.v[i][l] >> (64 - by);
		}
		num_reduce_once(&out[l], &FP.m);
	}
	mcsec_wipe(&c, sizeof c);
}

void lanes_scale(struct num *r, const struct num *a)
{
	fp_mul(r, a, &SCALE);
}

void lanes_unscale(struct num *r, const struct num *a)
{
	fp_mul(r, a, &UNSCALE);
}

/* ---- Picking ---- */

/* out = table[want], every entry read; words is 16 or 32. */
V8_OP void scan(uint64_t *out, const uint64_t *table, int words, uint64_t entries, uint64_t want)
{
	v8 r[4] = {v8_set(0), v8_set(0), v8_set(0), v8_set(0)};
	for (uint64_t e = 0; e < entries; e++) {
		lane_mask yes = (lane_mask)mask_equal(e, want);
		for (int k = 0; k < words / 8; k++)
			r[k] = v8_select(yes, v8_load(table + e * (uint64_t)words + 8 * k), r[k]);
	}
	for (int k = 0; k < words / 8; k++)
		v8_store(out + 8 * k, r[k]);
}

/* y = p - y where asked. */
V8_OP void negate(v8 y[LIMBS52], lane_mask negative)
{
	EACH_LIMB(i)
	y[i] = v8_select(negative, v8_sub(v8_set(P52[i]), y[i]), y[i]);
	carry(y);
}

V8_CODE void lanes_pick_points(struct lanes_point *r, const struct lanes_pick pick[LANES])
{
	_Alignas(64) uint64_t row[LANES][2 * NUM_LIMBS], w[2 * NUM_LIMBS][LANES];
	const uint64_t *rows[LANES];
	v8 t[LIMBS52];
	lane_mask negative = 0;
	for (int l = 0; l < LANES; l++) {
		const struct comb *c = pick[l].comb;
		uint64_t entries = UINT64_C(1) << (c->w - 1);
		mask_t minus_digit;
		uint64_t want = comb_entry(pick[l].digits, c->w, pick[l].window, &minus_digit);
		scan(row[l], c->points[pick[l].window * entries].x.v, 2 * NUM_LIMBS, entries, want);
		negative |= (lane_mask)((minus_digit & 1) << l);
		rows[l] = row[l];
	}
	transpose(w, rows, 2 * NUM_LIMBS);
	widen(t, (const uint64_t(*)[LANES])w);
	put(&r->x, t);
	widen(t, (const uint64_t(*)[LANES])w + NUM_LIMBS);
	negate(t, negative);
	put(&r->y, t);
}

V8_CODE void lanes_pick_t(struct lanes *r, const struct lanes_pick pick[LANES])
{
	_Alignas(64) uint64_t row[LANES][NUM_LIMBS], w[NUM_LIMBS][LANES];
	const uint64_t *rows[LANES];
	v8 t[LIMBS52];
	lane_mask negative = 0;
	for (int l = 0; l < LANES; l++) {
		const struct comb *c = pick[l].comb;
		uint64_t entries = UINT64_C(1) << (c->w - 1);
		mask_t minus_digit;
		uint64_t want = comb_entry(pick[l].digits, c->w, pick[l].window, &minus_digit);
		scan(row[l], c->t[pick[l].window * entries].v, NUM_LIMBS, entries, want);
		negative |= (lane_mask)((minus_digit & 1) << l);
		rows[l] = row[l];
	}
	transpose(w, rows, NUM_LIMBS);
	widen(t, (const uint64_t(*)[LANES])w);
	negate(t, negative);
	put(r, t);
}

/* ---- Sums of points ---- */

V8_CODE static void rotate(struct lanes *r, const struct lanes *a, unsigned n)
{
	EACH_LIMB(i)
	v8_store(r->v[i], v8_rotate(limb(a, i), n));
}

/* 1/a in every lane by one inversion: products over 2, 4, 8 lanes, and back. No if a lane is zero. */
V8_CODE static mask_t invert(struct lanes *a)
{
	struct lanes product[4], other[3];
	struct num all[LANES];
	product[0] = *a;
	for (unsigned k = 0; k < 3; k++) {
		rotate(&other[k], &product[k], 4u >> k);
		mul(&product[k + 1], &product[k], &other[k]);
	}
	lanes_leave(all, &product[3]);
	mask_t ok = ~num_is_zero(&all[0]);
	fp_inv(&all[0], &all[0]);
	for (int l = 1; l < LANES; l++)
		all[l] = all[0];
	lanes_enter(a, all);
	for (unsigned k = 3; k-- > 0;)
		mul(a, a, &other[k]);
	mcsec_wipe(product, sizeof product);
	mcsec_wipe(other, sizeof other);
	mcsec_wipe(all, sizeof all);
	return ok;
}

/* a + b into a, given 1/(x_b - x_a). */
V8_CODE static void add_affine(struct lanes_point *a, const struct lanes_point *b, const struct lanes *inv)
{
	struct lanes l, s;
	v8 t[LIMBS52];
	minus(&l, &b->y, &a->y);
	mul(&l, &l, inv);
	mul(&s, &l, &l);
	EACH_LIMB(i)
	t[i] = v8_sub(v8_sub(limb(&s, i), limb(&a->x, i)), limb(&b->x, i));
	reduce(&s, t);
	minus(&a->x, &a->x, &s);
	mul(&l, &l, &a->x);
	a->x = s;
	EACH_LIMB(i)
	t[i] = v8_sub(limb(&l, i), limb(&a->y, i));
	reduce(&a->y, t);
}

V8_CODE mask_t lanes_sum(struct lanes_point *pts, size_t n, struct lanes *prefix)
{
	mask_t ok = ~(mask_t)0;
	struct lanes inv, d, t;
	for (size_t left = n; left > 1; left -= left / 2) {
		size_t pairs = left / 2, half = left - pairs;
		for (size_t i = 0; i < pairs; i++) {
			minus(&d, &pts[i + half].x, &pts[i].x);
			if (i)
				mul(&prefix[i], &prefix[i - 1], &d);
			else
				prefix[0] = d;
		}
		inv = prefix[pairs - 1];
		ok &= invert(&inv);
		for (size_t i = pairs; i-- > 0;) {
			if (i) {
				mul(&t, &inv, &prefix[i - 1]);
				minus(&d, &pts[i + half].x, &pts[i].x);
				mul(&inv, &inv, &d);
			} else {
				t = inv;
			}
			add_affine(&pts[i], &pts[i + half], &t);
		}
	}
	return ok;
}

/* ---- PF_p ---- */

V8_CODE void lanes_mul_t(struct lanes_fp2 *r, const struct lanes_fp2 *x, const struct lanes *t)
{
	struct lanes at, bt;
	v8 s[LIMBS52];
	mul(&at, &x->a, t);
	mul(&bt, &x->b, t);
	EACH_LIMB(i)
	s[i] = v8_sub(limb(&x->a, i), limb(&bt, i));
	reduce(&r->a, s);
	EACH_LIMB(i)
	s[i] = v8_sub(v8_add(limb(&x->b, i), limb(&at, i)), v8_set(2 * P52[i])); /* in (-2p, p/128) */
	reduce(&r->b, s);
}

void lanes_line_set(struct lanes_line *r, int lane, const struct num *slope, const struct num *at)
{
	struct num s;
	lanes_scale(&s, slope);
	for (int i = 0; i < NUM_LIMBS; i++)
		r->slope[i][lane] = s.v[i];
	lanes_scale(&s, at);
	for (int i = 0; i < NUM_LIMBS; i++)
		r->at[i][lane] = s.v[i];
	mcsec_wipe(&s, sizeof s);
}

V8_CODE void lanes_line_at(struct lanes *t, const struct lanes_line *l, const struct lanes *x, const struct lanes *y)
{
	struct lanes slope, at;
	const struct lanes *a[2] = {&slope, &at}, *b[2] = {x, y};
	v8 w[LIMBS52];
	widen(w, l->slope);
	put(&slope, w);
	widen(w, l->at);
	put(&at, w);
	dot(t, a, b, 2);
}

#endif

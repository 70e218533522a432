/* SPDX-License-Identifier: Apache-2.0 */
/* row.c - see row.h. The Montgomery steps are those of lanes.c; here a limb of b meets all limbs of a at once. */
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/lanes/row.h"
#include "sec/ibc/lanes/v8.h"

#if defined(__x86_64__) || defined(V8_PLAIN)

static const uint64_t P_ROW[ROW] = {
    /* p */
    0x000d807afea85feb, 0x00010ac7ace87666, 0x0009857db080c5df, 0x0001f1ffce3e8238, 0x000a9f94d6af5697,
    0x000cf3c521c3c09a, 0x0004a831852a82a7, 0x00065681ce1b6aff, 0x000b4cd4512ac5cd, 0x000d0e26c6487326,
    0x00056d27f4a666a6, 0x000b39ff7c88a193, 0x000531a59cb0e791, 0x000fc0f1b228730d, 0x000a2ef40aab27e2,
    0x000be9ae358b3e01, 0x000c0ce19cb48261, 0x00098dad0657a416, 0x000a563fda65c611, 0x0000000997abb1f0,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
};
static const uint64_t ONE_ROW[ROW] = {
    /* R' mod p */
    0x0002d93d28030700, 0x0004f298428275ab, 0x00075a9935f4ef30, 0x000a52fdbccb99e5, 0x0002bde98a91ef15,
    0x000630ae7dbe067d, 0x000566e218121956, 0x00057d3844882eb7, 0x0009dc9da81267db, 0x0005534527ee706d,
    0x000e5aee72c7c196, 0x0002db481a7f3e2e, 0x0000c3a4edbff964, 0x000cdbd68818c663, 0x000ef23484786592,
    0x000a6cb0bf93453a, 0x0003af9eea86f713, 0x0000666bd14e0c68, 0x00037eb83ea0a60b, 0x000000049e339c22,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
};
static const uint64_t EIGHT_P[ROW] = {
    /* 8p, with limbs so large that a limb below 2^60 can be taken from any */
    0x200c03d7f542ff58, 0x2008563d6743b136, 0x200c2bed84062cf8, 0x200f8ffe71f40fc4, 0x2004fca6b57ab2b8,
    0x20079e290e1e02d5, 0x2005418c2954133e, 0x2002b40e70db55fa, 0x200a66a289562c6b, 0x2008713632439735,
    0x200b693fa5333336, 0x2009cffbe4450a9a, 0x20098d2ce5873a8d, 0x200e078d9143966a, 0x200177a055593d17,
    0x200f4d71ac59ee0d, 0x2000670ce5a4110d, 0x200c6d6832bd1eb6, 0x2002b1fed32e2e8c, 0x0000004cbd5d8d85,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
};
#define P_INV52 UINT64_C(0x420077c8f2f3d) /* -1/p mod 2^52 */

typedef struct {
	v8 x, y, z; /* limbs 0-7, 8-15, 16-23 */
} wide_row;

V8_OP wide_row load(const uint64_t v[ROW])
{
	return (wide_row){v8_load(v), v8_load(v + 8), v8_load(v + 16)};
}

V8_OP wide_row add(wide_row a, wide_row b)
{
	return (wide_row){v8_add(a.x, b.x), v8_add(a.y, b.y), v8_add(a.z, b.z)};
}

/* a - b + 8p */
V8_OP wide_row sub(wide_row a, wide_row b)
{
	wide_row p = load(EIGHT_P);
	return (wide_row){v8_sub(v8_add(a.x, p.x), b.x), v8_sub(v8_add(a.y, p.y), b.y), v8_sub(v8_add(a.z, p.z), b.z)};
}

/*
 * Limbs below 2^63 to limbs below 2^52. First each gives its excess to the next. Then a limb may be a little above, or
 * at the brink: which ones receive a carry is what the addition of two bit masks works out.
 */
V8_OP void normalise(struct row *r, wide_row t)
{
	const v8 low = v8_set(M52), zero = v8_set(0);
	v8 cx = v8_shr(t.x, 52), cy = v8_shr(t.y, 52), cz = v8_shr(t.z, 52);
	t.x = v8_add(v8_and(t.x, low), v8_align(cx, zero, 7));
	t.y = v8_add(v8_and(t.y, low), v8_align(cy, cx, 7));
	t.z = v8_add(v8_and(t.z, low), v8_align(cz, cy, 7));
	uint32_t above =
	    (uint32_t)v8_above(t.x, low) | (uint32_t)v8_above(t.y, low) << 8 | (uint32_t)v8_above(t.z, low) << 16;
	uint32_t brink =
	    (uint32_t)v8_equal(t.x, low) | (uint32_t)v8_equal(t.y, low) << 8 | (uint32_t)v8_equal(t.z, low) << 16;
	uint32_t in = (brink + (above << 1)) ^ brink;
	const v8 one = v8_set(1);
	v8_store(r->v, v8_and(v8_select((lane_mask)in, v8_add(t.x, one), t.x), low));
	v8_store(r->v + 8, v8_and(v8_select((lane_mask)(in >> 8), v8_add(t.y, one), t.y), low));
	v8_store(r->v + 16, v8_and(v8_select((lane_mask)(in >> 16), v8_add(t.z, one), t.z), low));
}

V8_OP void lower(wide_row *t, wide_row a, v8 b)
{
	t->x = v8_lo(t->x, a.x, b);
	t->y = v8_lo(t->y, a.y, b);
	t->z = v8_lo(t->z, a.z, b);
}

V8_OP void upper(wide_row *t, wide_row a, v8 b)
{
	t->x = v8_hi(t->x, a.x, b);
	t->y = v8_hi(t->y, a.y, b);
	t->z = v8_hi(t->z, a.z, b);
}

/* The lowest limb of t is a multiple of 2^52: carry it and move down a limb. */
V8_OP void down(wide_row *t)
{
	const v8 zero = v8_set(0);
	v8 carry = v8_select(1, v8_shr(t->x, 52), zero);
	t->x = v8_add(v8_align(t->y, t->x, 1), carry);
	t->y = v8_align(t->z, t->y, 1);
	t->z = v8_align(zero, t->z, 1);
}

/*
 * Two products at once, limbs not yet normalised. A limb takes in four terms below 2^52 a step and moves down one
 * place, so after 20 steps it is below 80 * 2^52 + 2^12 < 2^59; twice it, or it and a limb of EIGHT_P, is below 2^63.
 * All limbs are positive and the value is below 2 p, so limb 19 is below that of 2 p and the limbs above are zero:
 * there EIGHT_P, whose limb 19 is only that of 8 p, has enough to take it from.
 */
V8_OP void mul_two(wide_row *r, const struct row *a, const struct row *b, wide_row *s, const struct row *c,
		   const struct row *d)
{
	const wide_row p = load(P_ROW), av = load(a->v), cv = load(c->v);
	const v8 zero = v8_set(0), inv = v8_set(P_INV52);
	wide_row t = {zero, zero, zero}, u = t;
	for (int i = 0; i < LIMBS52; i++) {
		v8 bi = v8_set(b->v[i]), di = v8_set(d->v[i]);
		lower(&t, av, bi);
		lower(&u, cv, di);
		v8 q = v8_first(v8_lo(zero, t.x, inv)), w = v8_first(v8_lo(zero, u.x, inv));
		lower(&t, p, q);
		lower(&u, p, w);
		down(&t);
		down(&u);
		upper(&t, av, bi);
		upper(&u, cv, di);
		upper(&t, p, q);
		upper(&u, p, w);
	}
	*r = t;
	*s = u;
}

void row_of_lane(struct row *r, const struct lanes *a, int l)
{
	memset(r, 0, sizeof *r);
	for (int i = 0; i < LIMBS52; i++)
		r->v[i] = a->v[i][l];
}

void row_one(struct row_fp2 *r)
{
	memset(r, 0, sizeof *r);
	memcpy(r->a.v, ONE_ROW, sizeof ONE_ROW);
}

void row_leave(struct fp2 *r, const struct row_fp2 *a)
{
	struct num out[LANES];
	struct lanes l = {0};
	for (int i = 0; i < LIMBS52; i++) {
		l.v[i][0] = a->a.v[i];
		l.v[i][1] = a->b.v[i];
	}
	lanes_leave(out, &l);
	*r = (struct fp2){out[0], out[1]};
	mcsec_wipe(out, sizeof out);
	mcsec_wipe(&l, sizeof l);
}

V8_CODE void row_square(struct row_fp2 *v)
{
	struct row sum, difference;
	wide_row a = load(v->a.v), b = load(v->b.v), ab;
	normalise(&sum, add(a, b));
	normalise(&difference, sub(a, b));
	mul_two(&a, &sum, &difference, &ab, &v->a, &v->b);
	normalise(&v->a, a);
	normalise(&v->b, add(ab, ab));
}

V8_CODE void row_mul_t(struct row_fp2 *v, const struct row *t)
{
	wide_row at, bt;
	mul_two(&at, &v->a, t, &bt, &v->b, t);
	normalise(&v->a, sub(load(v->a.v), bt));
	normalise(&v->b, add(load(v->b.v), at));
}

#else

void row_of_lane(struct row *r, const struct lanes *a, int l)
{
	(void)a;
	(void)l;
	memset(r, 0, sizeof *r);
}

void row_one(struct row_fp2 *r)
{
	memset(r, 0, sizeof *r);
}

void row_leave(struct fp2 *r, const struct row_fp2 *a)
{
	(void)a;
	memset(r, 0, sizeof *r);
}

void row_square(struct row_fp2 *v)
{
	(void)v;
}

void row_mul_t(struct row_fp2 *v, const struct row *t)
{
	(void)v;
	(void)t;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mont_ifma.c - one multiplication of mont.h with all limbs of a number side by side: AVX-512 with IFMA.
 *
 * a has 20 limbs of 52 bits; b is taken as b 2^16, so that division by R' = 2^1040 gives a b / 2^1024. Step i adds
 * a b[i] to the running sum and takes its lowest limb away. Montgomery adds q m for that, where q = limb * (-1/m); with
 * m' = m (-1/m mod 2^52) in place of m, q is the limb itself, and the sum less its lowest limb, down a limb, takes in
 * q (m' + 1) / 2^52: no multiplication is waited for to find q. Nineteen steps do so; the last, with m itself, brings
 * the sum below a b / 2^1024 + 2m, hence below 3m for a b < m 2^1024. No branch or address depends on a value.
 */
#include <string.h>

#include "sec/ibc/field/mont.h"
#include "sec/ibc/lanes/v8.h"

#if defined(__x86_64__) || defined(V8_PLAIN)

enum { LIMBS = 20, ROW = 24 }; /* three vectors */

struct rows {
	_Alignas(64) uint64_t m[ROW], next[ROW]; /* the modulus; (m' + 1) / 2^52 */
	uint64_t less[ROW], less2[ROW];          /* 2^1040 - m, 2^1040 - 2m */
	uint64_t inv;                            /* -1/m mod 2^52 */
};

static const struct rows P_ROWS = {
    .m =
	{
	    0xd807afea85feb, 0x10ac7ace87666, 0x9857db080c5df, 0x1f1ffce3e8238, 0xa9f94d6af5697, 0xcf3c521c3c09a,
	    0x4a831852a82a7, 0x65681ce1b6aff, 0xb4cd4512ac5cd, 0xd0e26c6487326, 0x56d27f4a666a6, 0xb39ff7c88a193,
	    0x531a59cb0e791, 0xfc0f1b228730d, 0xa2ef40aab27e2, 0xbe9ae358b3e01, 0xc0ce19cb48261, 0x98dad0657a416,
	    0xa563fda65c611, 0x0000997abb1f0, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .next =
	{
	    0x7e1767314b5d0, 0x8680235fc4037, 0xe20c6581d42db, 0xff249b73749e3, 0x8362e81e55010, 0x4eeb74a96a1ed,
	    0x8db415fca1c77, 0x1031d6957c676, 0x427c14d23e20b, 0x48751b22b1584, 0x7a97f0e6863c9, 0x1cd26858ac036,
	    0xd91c991931be6, 0xf41fc6555768c, 0x2774e1fb0df38, 0xd386ec7e99f56, 0x5dcc5b8250c9c, 0x1921bad1a1781,
	    0x7300b9b279309, 0x00002791ec0e8, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .less =
	{
	    0x27f850157a015, 0xef53853178999, 0x67a824f7f3a20, 0xe0e0031c17dc7, 0x5606b2950a968, 0x30c3ade3c3f65,
	    0xb57ce7ad57d58, 0x9a97e31e49500, 0x4b32baed53a32, 0x2f1d939b78cd9, 0xa92d80b599959, 0x4c60083775e6c,
	    0xace5a634f186e, 0x03f0e4dd78cf2, 0x5d10bf554d81d, 0x41651ca74c1fe, 0x3f31e634b7d9e, 0x67252f9a85be9,
	    0x5a9c0259a39ee, 0xffff668544e0f, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .less2 =
	{
	    0x4ff0a02af402a, 0xdea70a62f1332, 0xcf5049efe7441, 0xc1c006382fb8e, 0xac0d652a152d1, 0x61875bc787eca,
	    0x6af9cf5aafab0, 0x352fc63c92a01, 0x966575daa7465, 0x5e3b2736f19b2, 0x525b016b332b2, 0x98c0106eebcd9,
	    0x59cb4c69e30dc, 0x07e1c9baf19e5, 0xba217eaa9b03a, 0x82ca394e983fc, 0x7e63cc696fb3c, 0xce4a5f350b7d2,
	    0xb53804b3473dc, 0xfffecd0a89c1e, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .inv = 0x420077c8f2f3d,
};
static const struct rows Q_ROWS = {
    .m =
	{
	    0xb601ebfaa17fb, 0xc42b1eb3a1d99, 0x2615f6c203177, 0xc7c7ff38fa08e, 0xaa7e535abd5a5, 0xf3cf14870f026,
	    0xd2a0c614aa0a9, 0x595a07386dabf, 0xad335144ab173, 0xb4389b1921cc9, 0xd5b49fd2999a9, 0x6ce7fdf222864,
	    0x54c69672c39e4, 0xbf03c6c8a1cc3, 0x68bbd02aac9f8, 0x6fa6b8d62cf80, 0xb0338672d2098, 0x6636b4195e905,
	    0x2958ff6997184, 0x0000265eaec7c, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .next =
	{
	    0x2f2090b5789b2, 0x5706f4867b715, 0x32a442b275820, 0x0c63f80dfb352, 0x4f7162755fbb2, 0xb173a3c195b64,
	    0x351d32e5acc9d, 0x545ebff6f4ea3, 0x5f0860ad302e2, 0x590b10e835c2a, 0xf75057e553f4b, 0x04b1be59f7d1e,
	    0xde86434fde0bf, 0x390d24eab3638, 0x33fb295e3abe8, 0x429a95c07aeca, 0xd607abc1399df, 0x546de026920e7,
	    0x3f05711ce8d1c, 0x0000045c4c255, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .less =
	{
	    0x49fe14055e805, 0x3bd4e14c5e266, 0xd9ea093dfce88, 0x383800c705f71, 0x5581aca542a5a, 0x0c30eb78f0fd9,
	    0x2d5f39eb55f56, 0xa6a5f8c792540, 0x52ccaebb54e8c, 0x4bc764e6de336, 0x2a4b602d66656, 0x9318020ddd79b,
	    0xab39698d3c61b, 0x40fc39375e33c, 0x97442fd553607, 0x90594729d307f, 0x4fcc798d2df67, 0x99c94be6a16fa,
	    0xd6a7009668e7b, 0xffffd9a151383, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .less2 =
	{
	    0x93fc280abd00a, 0x77a9c298bc4cc, 0xb3d4127bf9d10, 0x7070018e0bee3, 0xab03594a854b4, 0x1861d6f1e1fb2,
	    0x5abe73d6abeac, 0x4d4bf18f24a80, 0xa5995d76a9d19, 0x978ec9cdbc66c, 0x5496c05acccac, 0x2630041bbaf36,
	    0x5672d31a78c37, 0x81f8726ebc679, 0x2e885faaa6c0e, 0x20b28e53a60ff, 0x9f98f31a5becf, 0x339297cd42df4,
	    0xad4e012cd1cf7, 0xffffb342a2707, 0x0000000000000, 0x0000000000000, 0x0000000000000, 0x0000000000000,
	},
    .inv = 0x1d17d46eaa4cd,
};

typedef struct {
	v8 x, y, z; /* limbs 0-7, 8-15, 16-23 */
} row;

V8_OP row load_row(const uint64_t v[ROW])
{
	return (row){v8_load(v), v8_load(v + 8), v8_load(v + 16)};
}

V8_OP row add_row(row a, row b)
{
	return (row){v8_add(a.x, b.x), v8_add(a.y, b.y), v8_add(a.z, b.z)};
}

V8_OP row lower(row t, row a, v8 b)
{
	return (row){v8_lo(t.x, a.x, b), v8_lo(t.y, a.y, b), v8_lo(t.z, a.z, b)};
}

V8_OP row upper(row t, row a, v8 b)
{
	return (row){v8_hi(t.x, a.x, b), v8_hi(t.y, a.y, b), v8_hi(t.z, a.z, b)};
}

/* The lowest limb leaves; what it has above 52 bits goes to the next. */
V8_OP row down(row t)
{
	const v8 zero = v8_set(0);
	v8 excess = v8_select(1, v8_shr(t.x, 52), zero);
	return (row){v8_add(v8_align(t.y, t.x, 1), excess), v8_align(t.z, t.y, 1), v8_align(zero, t.z, 1)};
}

/*
 * Limbs below 2^63 to limbs below 2^52: each gives its excess to the next; then which of them receive one more carry
 * is what the addition of two bit masks works out.
 */
V8_OP row normal(row t)
{
	const v8 low = v8_set(M52), zero = v8_set(0), one = v8_set(1);
	v8 cx = v8_shr(t.x, 52), cy = v8_shr(t.y, 52), cz = v8_shr(t.z, 52);
	t.x = v8_add(v8_and(t.x, low), v8_align(cx, zero, 7));
	t.y = v8_add(v8_and(t.y, low), v8_align(cy, cx, 7));
	t.z = v8_add(v8_and(t.z, low), v8_align(cz, cy, 7));
	uint32_t above =
	    (uint32_t)v8_above(t.x, low) | (uint32_t)v8_above(t.y, low) << 8 | (uint32_t)v8_above(t.z, low) << 16;
	uint32_t brink =
	    (uint32_t)v8_equal(t.x, low) | (uint32_t)v8_equal(t.y, low) << 8 | (uint32_t)v8_equal(t.z, low) << 16;
	uint32_t in = (brink + (above << 1)) ^ brink;
	t.x = v8_and(v8_select((lane_mask)in, v8_add(t.x, one), t.x), low);
	t.y = v8_and(v8_select((lane_mask)(in >> 8), v8_add(t.y, one), t.y), low);
	t.z = v8_and(v8_select((lane_mask)(in >> 16), v8_add(t.z, one), t.z), low);
	return t;
}

/* Words of two vectors by number, each shifted; a shift by 64 leaves nothing. */
struct piece {
	uint64_t from[8], by[8];
};

V8_OP v8 right(v8 lo, v8 hi, const struct piece *p)
{
	return v8_shr_each(v8_pick(lo, hi, v8_load(p->from)), v8_load(p->by));
}

V8_OP v8 left(v8 lo, v8 hi, const struct piece *p)
{
	return v8_shl_each(v8_pick(lo, hi, v8_load(p->from)), v8_load(p->by));
}

/* Limb i of 52 bits begins at bit 52 i: the upper part of one word, the lower part of the next. */
struct cut {
	struct piece first, second;
};
static const struct cut CUT[3] = {
    {{{0, 0, 1, 2, 3, 4, 4, 5}, {0, 52, 40, 28, 16, 4, 56, 44}},
     {{0, 1, 2, 3, 4, 0, 5, 6}, {64, 12, 24, 36, 48, 64, 8, 20}}},
    {{{6, 7, 8, 8, 9, 10, 11, 12}, {32, 20, 8, 60, 48, 36, 24, 12}},
     {{7, 8, 0, 9, 10, 11, 12, 0}, {32, 44, 64, 4, 16, 28, 40, 64}}},
    {{{13, 13, 14, 15, 0, 0, 0, 0}, {0, 52, 40, 28, 64, 64, 64, 64}},
     {{0, 14, 15, 0, 0, 0, 0, 0}, {64, 12, 24, 64, 64, 64, 64, 64}}},
};
/* The same for the integer times 2^16. */
static const struct cut CUT_UP[3] = {
    {{{0, 0, 1, 2, 3, 3, 4, 5}, {64, 36, 24, 12, 0, 52, 40, 28}},
     {{0, 1, 2, 0, 0, 4, 5, 6}, {16, 28, 40, 64, 64, 12, 24, 36}}},
    {{{6, 7, 7, 8, 9, 10, 11, 11}, {16, 4, 56, 44, 32, 20, 8, 60}},
     {{7, 0, 8, 9, 10, 11, 0, 12}, {48, 64, 8, 20, 32, 44, 64, 4}}},
    {{{12, 13, 14, 15, 0, 0, 0, 0}, {48, 36, 24, 12, 64, 64, 64, 64}},
     {{13, 14, 15, 0, 0, 0, 0, 0}, {16, 28, 40, 64, 64, 64, 64, 64}}},
};
/* Word j of 64 bits begins at bit 64 j: parts of two or three limbs. */
static const struct join {
	struct piece first, second, third;
} JOIN[2] = {
    {{{0, 1, 2, 3, 4, 6, 7, 8}, {0, 12, 24, 36, 48, 8, 20, 32}},
     {{1, 2, 3, 4, 5, 7, 8, 9}, {52, 40, 28, 16, 4, 44, 32, 20}},
     {{0, 0, 0, 0, 6, 0, 0, 0}, {64, 64, 64, 64, 56, 64, 64, 64}}},
    {{{1, 3, 4, 5, 6, 8, 9, 10}, {44, 4, 16, 28, 40, 0, 12, 24}},
     {{2, 4, 5, 6, 7, 9, 10, 11}, {8, 48, 36, 24, 12, 52, 40, 28}},
     {{3, 0, 0, 0, 0, 0, 0, 0}, {60, 64, 64, 64, 64, 64, 64, 64}}},
};

V8_OP row limbs_of(const struct num *a, const struct cut cut[3])
{
	const v8 lo = v8_load(a->v), hi = v8_load(a->v + 8), low = v8_set(M52);
	return (row){v8_and(v8_or(right(lo, hi, &cut[0].first), left(lo, hi, &cut[0].second)), low),
		     v8_and(v8_or(right(lo, hi, &cut[1].first), left(lo, hi, &cut[1].second)), low),
		     v8_and(v8_or(right(lo, hi, &cut[2].first), left(lo, hi, &cut[2].second)), low)};
}

V8_OP v8 words_of(v8 lo, v8 hi, const struct join *j)
{
	return v8_or(v8_or(right(lo, hi, &j->first), left(lo, hi, &j->second)), left(lo, hi, &j->third));
}

/* a below 3m, limbs below 2^63, to below m: of a, a - m and a - 2m the last that is not negative (limb 20 tells). */
V8_OP void finish(struct num *r, row a, const struct rows *k)
{
	const v8 one = v8_set(1);
	row once = normal(add_row(a, load_row(k->less))), twice = normal(add_row(a, load_row(k->less2)));
	a = normal(a);
	lane_mask ge1 = (lane_mask)(0 - (v8_equal(once.z, one) >> 4 & 1)),
		  ge2 = (lane_mask)(0 - (v8_equal(twice.z, one) >> 4 & 1));
	a.x = v8_select(ge2, twice.x, v8_select(ge1, once.x, a.x));
	a.y = v8_select(ge2, twice.y, v8_select(ge1, once.y, a.y));
	a.z = v8_select(ge2, twice.z, v8_select(ge1, once.z, a.z));
	v8_store(r->v, words_of(a.x, a.y, &JOIN[0]));
	v8_store(r->v + 8, words_of(a.y, a.z, &JOIN[1]));
}

V8_CODE void ifma_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	const struct rows *k = m == &FP ? &P_ROWS : &Q_ROWS;
	const row av = limbs_of(a, CUT), bv = limbs_of(b, CUT_UP), next = load_row(k->next);
	const v8 zero = v8_set(0);
	_Alignas(64) uint64_t limb[ROW];
	v8_store(limb, bv.x);
	v8_store(limb + 8, bv.y);
	v8_store(limb + 16, bv.z);
	const row nothing = {zero, zero, zero};
	v8 now = v8_set(limb[0]), q = zero;
	row t = lower(nothing, av, now);
#pragma GCC unroll 20
	for (int i = 1; i < LIMBS; i++) {
		v8 before = now, q_before = q;
		now = v8_set(limb[i]);
		/* what does not wait for this step's q: the upper half of the last step's products, the lower of a b[i]
		 */
		row c = upper(lower(upper(nothing, av, before), av, now), next, q_before);
		q = v8_first(t.x);
		t = lower(add_row(down(t), c), next, q);
	}
	v8 last = v8_first(v8_lo(zero, t.x, v8_set(k->inv)));
	t = down(lower(t, load_row(k->m), last));
	t = upper(upper(upper(t, av, now), next, q), load_row(k->m), last);
	finish(r, t, k);
}

V8_CODE void ifma_sqr(struct num *r, const struct num *a, const struct modulus *m)
{
	ifma_mul(r, a, a, m);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_comb.c - multiples of fixed points of P-256; see p256.h.
 *
 * [k]G for secret k: odd signed digits as in comb.c (k replaced by n - k when even), masked lookups, mixed Jacobian
 * additions from the lowest window up. These have no exception below the last window: the sum so far is an odd
 * multiple below 2^(6j), the digit's point an odd multiple of 2^(6j), both below n/2, so they are neither equal nor
 * opposite. In the last window, where k = 0 and one more k meet, the addition is complete.
 * Where lanes are on, p256_lanes.c does all but the last addition.
 */
#include <pthread.h>
#include <stdlib.h>

#include "sec/ibc/lanes/lanes.h"
#include "sec/ibc/p256/p256_field.h"
#include "sec/ibc/p256/p256_lanes.h"

static const struct p256_affine BASE = {
    .x = {{0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6}},
    .y = {{0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85}},
};

/* to[windows][2^(w-1)]: (2i + 1) 2^(w j) base */
static enum mcsec_err odd_multiples(struct p256_affine *to, const struct p256_affine *base, unsigned w,
				    unsigned windows)
{
	const size_t entries = (size_t)1 << (w - 1), n = windows * entries;
	struct p256_point *all = malloc(n * sizeof *all), b, twice;
	struct n256 *before = malloc(n * sizeof *before);
	if (!all || !before) {
		free(all);
		free(before);
		return MCSEC_E_MEMORY;
	}
	p256_from(&b, base);
	for (size_t j = 0; j < windows; j++) {
		struct p256_point *at = all + j * entries;
		p256_double(&twice, &b);
		at[0] = b;
		for (size_t i = 1; i < entries; i++)
			p256_add(&at[i], &at[i - 1], &twice);
		b = twice;
		for (unsigned k = 1; k < w; k++)
			p256_double(&b, &b);
	}
	p256_to_affine_many(to, all, before, n);
	free(all);
	free(before);
	return MCSEC_OK;
}

enum mcsec_err p256_comb_new(struct p256_comb *c, const struct p256_affine *base)
{
	return odd_multiples(&c->entry[0][0], base, P256_COMB_W, P256_COMB_WINDOWS);
}

/* ---- Digits ---- */

/* The windows of (odd k - 1)/2 + 2^(bits - 1), bits = windows * w > 256 or = 256; `even`: all signs turn. */
struct scalar_digits {
	uint64_t v[5];
	mask_t even;
};

static void comb_digits(struct scalar_digits *d, const struct n256 *k, unsigned bits)
{
	struct n256 odd, other, zero = {{0}};
	scalar_plain(&odd, k);
	d->even = mask_of_bit(~odd.v[0] & 1);
	scalar_sub(&other, &zero, k);
	scalar_plain(&other, &other);
	cmov(&other, &N.m, is_zero(k)); /* n - 0 = n */
	cmov(&odd, &other, d->even);
	for (int i = 0; i < 4; i++)
		d->v[i] = odd.v[i] >> 1 | (i < 3 ? odd.v[i + 1] << 63 : 0);
	d->v[4] = UINT64_C(1) << (bits - 1 - 256);
	mcsec_wipe(&odd, sizeof odd);
	mcsec_wipe(&other, sizeof other);
}

/* Digit j of width w: its entry among the odd multiples, and whether that is to be taken away. */
static uint64_t digit(const struct scalar_digits *d, unsigned j, unsigned w, mask_t *negative)
{
	unsigned at = w * j / 64, by = w * j % 64;
	uint64_t x = d->v[at] >> by;
	if (by + w > 64 && at < 4)
		x |= d->v[at + 1] << (64 - by);
	x &= (UINT64_C(1) << w) - 1;
	mask_t low = mask_of_bit((x >> (w - 1)) ^ 1);
	*negative = d->even ^ low;
	return (x ^ low) & ((UINT64_C(1) << (w - 1)) - 1);
}

/* ---- The table's entry, every entry read ---- */

static void scan(struct p256_affine *p, const struct p256_affine *window, uint64_t want)
{
	uint64_t r[8] = {0};
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
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The same with vectors of four words; the processors that have MULX and ADX have AVX2. */
__attribute__((target("avx2"))) static void scan_avx2(struct p256_affine *p, const struct p256_affine *window,
						      uint64_t want)
{
	const __m256i one = _mm256_set1_epi64x(1), w = _mm256_set1_epi64x((long long)want);
	__m256i e = _mm256_setzero_si256(), x = e, y = e;
	for (int i = 0; i < P256_COMB_ENTRIES; i++) {
		__m256i yes = _mm256_cmpeq_epi64(e, w);
		x = _mm256_or_si256(x, _mm256_and_si256(yes, _mm256_loadu_si256((const __m256i *)window[i].x.v)));
		y = _mm256_or_si256(y, _mm256_and_si256(yes, _mm256_loadu_si256((const __m256i *)window[i].y.v)));
		e = _mm256_add_epi64(e, one);
	}
	_mm256_storeu_si256((__m256i *)p->x.v, x);
	_mm256_storeu_si256((__m256i *)p->y.v, y);
}
#endif

static void comb_pick(struct p256_affine *p, const struct p256_comb *c, unsigned j, const struct scalar_digits *d)
{
	mask_t negative;
	uint64_t want = digit(d, j, P256_COMB_W, &negative);
#if defined(__x86_64__)
	if (mont->p256_mul)
		scan_avx2(p, c->entry[j], want);
	else
#endif
		scan(p, c->entry[j], want);
	p256_negate_if(p, negative);
}

/* ---- Multiples of G ---- */

static struct p256_comb comb_g;
static struct p256_lanes_table *lanes_g; /* NULL: no lanes when the tables were made */
static enum mcsec_err comb_g_err;
static pthread_once_t comb_once = PTHREAD_ONCE_INIT;

static enum mcsec_err lanes_table_new(void)
{
	enum { ALL = P256_LANES_WINDOWS * P256_LANES_ENTRIES };
	struct p256_affine *flat = malloc(ALL * sizeof *flat);
	struct p256_lanes_table *t = aligned_alloc(64, sizeof *t);
	enum mcsec_err err = flat && t ? odd_multiples(flat, &BASE, P256_LANES_W, P256_LANES_WINDOWS) : MCSEC_E_MEMORY;
	if (!err) {
		memset(t, 0, sizeof *t);
		for (unsigned i = 0; i < ALL; i++)
			p256_lanes_put(t, i / P256_LANES_ENTRIES, i % P256_LANES_ENTRIES, &flat[i]);
		lanes_g = t;
	} else {
		free(t);
	}
	free(flat);
	return err;
}

static void comb_init(void)
{
	comb_g_err = p256_comb_new(&comb_g, &BASE);
	if (!comb_g_err && lanes_exist())
		comb_g_err = lanes_table_new();
}

enum mcsec_err p256_ready(void)
{
	pthread_once(&comb_once, comb_init);
	return comb_g_err;
}

static void mul_g_plain(struct p256_point half[2], const struct n256 *k)
{
	struct scalar_digits d;
	struct p256_affine p;
	comb_digits(&d, k, P256_COMB_W * P256_COMB_WINDOWS);
	comb_pick(&p, &comb_g, 0, &d);
	p256_from(&half[0], &p);
	for (unsigned j = 1; j < P256_COMB_WINDOWS - 1; j++) {
		comb_pick(&p, &comb_g, j, &d);
		p256_add_mixed(&half[0], &half[0], &p);
	}
	comb_pick(&p, &comb_g, P256_COMB_WINDOWS - 1, &d);
	p256_from(&half[1], &p);
	mcsec_wipe(&d, sizeof d);
	mcsec_wipe(&p, sizeof p);
}

static void mul_g_lanes(struct p256_point half[2], const struct n256 *k)
{
	struct scalar_digits d;
	struct p256_lanes_digits at[P256_LANES_ROUNDS] = {0};
	comb_digits(&d, k, P256_LANES_W * P256_LANES_WINDOWS);
	for (unsigned j = 0; j < P256_LANES_WINDOWS; j++) {
		mask_t negative;
		struct p256_lanes_digits *r = &at[j / P256_LANES];
		r->entry[j % P256_LANES] = digit(&d, j, P256_LANES_W, &negative);
		r->negative |= (uint8_t)((negative & 1) << j % P256_LANES);
	}
	p256_lanes_sum(half, lanes_g, at);
	mcsec_wipe(&d, sizeof d);
	mcsec_wipe(at, sizeof at);
}

void p256_mul_g(struct p256_point *r, const struct n256 *k)
{
	struct p256_point half[2];
	if (lanes_on && lanes_g)
		mul_g_lanes(half, k);
	else
		mul_g_plain(half, k);
	p256_add(r, &half[0], &half[1]);
	mcsec_wipe(half, sizeof half);
}

/* ---- Public scalars: variable time ---- */

void p256_add_comb_public(struct p256_point *r, const struct p256_comb *c, const struct n256 *k)
{
	struct scalar_digits d;
	if (!c)
		c = &comb_g;
	comb_digits(&d, k, P256_COMB_W * P256_COMB_WINDOWS);
	for (unsigned j = 0; j < P256_COMB_WINDOWS; j++) {
		mask_t negative;
		struct p256_affine p = c->entry[j][digit(&d, j, P256_COMB_W, &negative)];
		p256_negate_if(&p, negative);
		p256_add_public(r, &p);
	}
}

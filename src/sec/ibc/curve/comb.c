/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comb.c - stored multiples of fixed points, and scalars as digits; see curve.h.
 *
 * An odd k below 2^(wn) is a sum of odd digits: with K = (k - 1)/2 + 2^(wn - 1), whose windows are W_j,
 *     k = sum of (2 W_j - 2^w + 1) * 2^(wj).
 * An even k is replaced by q - k, which is odd, and all signs turn. So no digit is ever zero.
 */
#include <stdlib.h>
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/curve/curve.h"
#include "sec/ibc/lanes/lanes.h"

void digits_of(struct digits *d, const struct num *k, unsigned w)
{
	struct num odd, other;
	unsigned top = w * comb_windows(w) - 1;
	d->negate = mask_of_bit(~k->v[0] & 1);
	odd = *k;
	num_sub(&other, &FQ.m, k, &FQ); /* no borrow: q - k as a plain integer */
	num_cmov(&odd, &other, d->negate);
	for (int i = 0; i < NUM_LIMBS - 1; i++)
		d->bits[i] = odd.v[i] >> 1 | odd.v[i + 1] << 63;
	d->bits[NUM_LIMBS - 1] = odd.v[NUM_LIMBS - 1] >> 1;
	d->bits[NUM_LIMBS] = 0;
	d->bits[top / 64] |= UINT64_C(1) << (top % 64);
	mcsec_wipe(&odd, sizeof odd);
	mcsec_wipe(&other, sizeof other);
}

uint64_t comb_entry(const struct digits *d, unsigned w, unsigned j, mask_t *negative)
{
	unsigned at = w * j / 64, by = w * j % 64;
	uint64_t x = d->bits[at] >> by, full = (UINT64_C(1) << w) - 1, half = full >> 1;
	if (by + w > 64)
		x |= d->bits[at + 1] << (64 - by);
	x &= full;
	mask_t low = mask_of_bit((x >> (w - 1)) ^ 1); /* 2x - full < 0 */
	*negative = low ^ d->negate;
	return (x ^ low) & half;
}

static void scan(uint64_t *r, const uint64_t *table, size_t limbs, size_t entries, uint64_t want)
{
	memset(r, 0, limbs * sizeof *r);
	for (size_t e = 0; e < entries; e++) {
		mask_t yes = mask_equal(e, want);
		for (size_t i = 0; i < limbs; i++)
			r[i] |= table[e * limbs + i] & yes;
	}
}

void comb_pick_point(struct point *r, const struct comb *c, unsigned j, const struct digits *d)
{
	size_t entries = (size_t)1 << (c->w - 1);
	mask_t negative;
	struct num minus;
	uint64_t e = comb_entry(d, c->w, j, &negative);
	scan(r->x.v, c->points[j * entries].x.v, 2 * NUM_LIMBS, entries, e);
	if (c->scaled) {
		lanes_unscale(&r->x, &r->x);
		lanes_unscale(&r->y, &r->y);
	}
	fp_neg(&minus, &r->y);
	num_cmov(&r->y, &minus, negative);
}

void comb_pick_shared(struct point *r, const struct point *table, const struct digits *d, unsigned w, unsigned j)
{
	mask_t negative;
	struct num minus;
	uint64_t e = comb_entry(d, w, j, &negative);
	scan(r->x.v, table[0].x.v, 2 * NUM_LIMBS, (size_t)1 << (w - 1), e);
	fp_neg(&minus, &r->y);
	num_cmov(&r->y, &minus, negative);
}

void comb_pick_t(struct num *r, const struct comb *c, unsigned j, const struct digits *d)
{
	size_t entries = (size_t)1 << (c->w - 1);
	mask_t negative;
	struct num minus;
	uint64_t e = comb_entry(d, c->w, j, &negative);
	scan(r->v, c->t[j * entries].v, NUM_LIMBS, entries, e);
	if (c->scaled)
		lanes_unscale(r, r);
	fp_neg(&minus, r);
	num_cmov(r, &minus, negative);
}

static void *table_alloc(size_t n)
{
	return aligned_alloc(64, n); /* every table is a multiple of 128 octets */
}

/* For all windows at once, so that each step is one shared inversion: entry i = entry i - 1 + 2 * entry 0. */
static mask_t fill_points(struct comb *c, struct point *twice, struct point *pair, struct num *scratch)
{
	size_t entries = (size_t)1 << (c->w - 1), n = c->windows;
	mask_t ok = ~(mask_t)0;
	for (size_t i = 1; i < entries; i++) {
		for (size_t j = 0; j < n; j++) {
			pair[2 * j] = c->points[j * entries + i - 1];
			pair[2 * j + 1] = twice[j];
		}
		ok &= point_sum(pair, 2, n, scratch);
		for (size_t j = 0; j < n; j++)
			c->points[j * entries + i] = pair[2 * j];
	}
	return ok;
}

/* Into the form that lanes read, where there are lanes. */
static void scale_for_lanes(struct comb *c)
{
	size_t all = (size_t)c->windows << (c->w - 1);
	c->scaled = lanes_on;
	for (size_t i = 0; c->scaled && i < all; i++) {
		if (c->points) {
			lanes_scale(&c->points[i].x, &c->points[i].x);
			lanes_scale(&c->points[i].y, &c->points[i].y);
		} else {
			lanes_scale(&c->t[i], &c->t[i]);
		}
	}
}

enum mcsec_err comb_of_point(struct comb *c, const struct point *base, unsigned w)
{
	size_t entries = (size_t)1 << (w - 1), n = comb_windows(w);
	*c = (struct comb){.w = w, .windows = (unsigned)n, .points = table_alloc(n * entries * sizeof *c->points)};
	struct jacobian *chain = table_alloc(2 * n * sizeof *chain), b;
	struct point *affine = table_alloc(4 * n * sizeof *affine);
	struct num *scratch = table_alloc(4 * n * sizeof *scratch);
	mask_t ok = 0;
	if (c->points && chain && affine && scratch) {
		jacobian_from(&b, base);
		for (size_t j = 0; j < n; j++) {
			chain[j] = b;
			jacobian_double(&b, &b);
			chain[n + j] = b;
			for (unsigned k = 1; k < w; k++)
				jacobian_double(&b, &b);
		}
		jacobian_normalise(affine, chain, scratch, 2 * n);
		for (size_t j = 0; j < n; j++)
			c->points[j * entries] = affine[j];
		ok = fill_points(c, affine + n, affine + 2 * n, scratch);
	}
	free(chain);
	free(affine);
	free(scratch);
	if (ok) {
		scale_for_lanes(c);
		return MCSEC_OK;
	}
	enum mcsec_err err = c->points && chain && affine && scratch ? MCSEC_E_POINT : MCSEC_E_MEMORY;
	comb_free(c);
	return err;
}

enum mcsec_err comb_of_g(struct comb *c, unsigned w)
{
	size_t entries = (size_t)1 << (w - 1), n = comb_windows(w), all = n * entries;
	*c = (struct comb){.w = w, .windows = (unsigned)n, .t = table_alloc(all * sizeof *c->t)};
	struct fp2 *power = table_alloc(all * sizeof *power), b = {FP.one, PAIRING_OF_GENERATOR}, twice;
	struct num *inv = table_alloc(2 * all * sizeof *inv);
	mask_t ok = 0;
	if (c->t && power && inv) {
		for (size_t j = 0; j < n; j++) {
			fp2_sqr(&twice, &b);
			power[j * entries] = b;
			for (size_t i = 1; i < entries; i++)
				fp2_mul(&power[j * entries + i], &power[j * entries + i - 1], &twice);
			b = twice;
			for (unsigned k = 1; k < w; k++)
				fp2_sqr(&b, &b);
		}
		for (size_t i = 0; i < all; i++)
			inv[i] = power[i].a;
		ok = fp_inv_many(inv, inv + all, all);
		for (size_t i = 0; i < all; i++)
			fp_mul(&c->t[i], &power[i].b, &inv[i]);
	}
	free(power);
	free(inv);
	if (ok) {
		scale_for_lanes(c);
		return MCSEC_OK;
	}
	comb_free(c);
	return MCSEC_E_MEMORY;
}

size_t comb_octets(unsigned w)
{
	return ((size_t)comb_windows(w) << (w - 1)) * sizeof(struct point);
}

void comb_free(struct comb *c)
{
	free(c->points);
	free(c->t);
	*c = (struct comb){0};
}

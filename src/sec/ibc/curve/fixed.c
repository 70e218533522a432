/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixed.c - see fixed.h. A scalar becomes comb digits; the picked entries are summed in affine form, or multiplied up
 * in PF_p. Where there are lanes, eight scalars go side by side, or eight parts of one.
 *
 * An exception of the fast sum (two equal x) occurs for made-up scalars only, such as the identity 0. It is noticed,
 * and the sum is made once more by complete formulas.
 */
#include <pthread.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/curve/fixed.h"
#include "sec/ibc/lanes/lanes.h"

/* ---- Tables of P and g, made at first use and kept ---- */

static struct comb comb_p, comb_g;
static enum mcsec_err tables_err;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_init(void)
{
	tables_err = comb_of_point(&comb_p, &GENERATOR, COMB_WIDTH);
	if (!tables_err)
		tables_err = comb_of_g(&comb_g, COMB_WIDTH);
}

static enum mcsec_err tables(void)
{
	pthread_once(&tables_once, tables_init);
	return tables_err;
}

/* ---- Sums ---- */

/* One fixed point with one scalar for each of the n results. */
struct term {
	const struct comb *comb;
	const struct num *k;
};

enum { MAX_TERMS = 2 };

struct sum {
	const struct term *terms;
	size_t n_terms, each; /* each: digits of all terms together */
	int lanes;            /* on, and all tables in their form */
	struct digits digits[LANES][MAX_TERMS];
};

static void set_digits(struct sum *s, size_t lane, size_t result)
{
	for (size_t t = 0; t < s->n_terms; t++)
		digits_of(&s->digits[lane][t], &s->terms[t].k[result], s->terms[t].comb->w);
}

/* The digit that stands at place `at` of a result's list: the windows of the first term, then of the second. */
static struct lanes_pick pick_at(const struct sum *s, size_t lane, size_t at)
{
	size_t t = 0;
	for (; at >= s->terms[t].comb->windows; t++)
		at -= s->terms[t].comb->windows;
	return (struct lanes_pick){s->terms[t].comb, (unsigned)at, &s->digits[lane][t]};
}

static void pick_all(struct point *pts, const struct sum *s)
{
	for (size_t at = 0; at < s->each; at++) {
		struct lanes_pick p = pick_at(s, 0, at);
		comb_pick_point(&pts[at], p.comb, p.window, p.digits);
	}
}

/* n results by scalar code: one shared inversion a level for all of them. */
static mask_t sum_plain(struct point *r, struct sum *s, size_t first, size_t n, void *memory)
{
	struct point *pts = memory;
	struct num *scratch = (struct num *)(pts + n * s->each);
	for (size_t i = 0; i < n; i++) {
		set_digits(s, 0, first + i);
		pick_all(pts + i * s->each, s);
	}
	mask_t ok = point_sum(pts, s->each, n, scratch);
	for (size_t i = 0; i < n; i++)
		r[first + i] = pts[i * s->each];
	return ok;
}

static void leave_points(struct point r[LANES], const struct lanes_point *a)
{
	struct num x[LANES], y[LANES];
	lanes_leave(x, &a->x);
	lanes_leave(y, &a->y);
	for (int l = 0; l < LANES; l++)
		r[l] = (struct point){x[l], y[l]};
}

/* n <= 8 results, one a lane; lanes left over repeat the last. */
static mask_t sum_side_by_side(struct point *r, struct sum *s, size_t first, size_t n, void *memory)
{
	struct lanes_point *pts = memory;
	struct lanes *prefix = (struct lanes *)(pts + s->each);
	struct lanes_pick pick[LANES];
	struct point out[LANES];
	for (size_t l = 0; l < LANES; l++)
		set_digits(s, l, first + (l < n ? l : n - 1));
	for (size_t at = 0; at < s->each; at++) {
		for (size_t l = 0; l < LANES; l++)
			pick[l] = pick_at(s, l, at);
		lanes_pick_points(&pts[at], pick);
	}
	mask_t ok = lanes_sum(pts, s->each, prefix);
	leave_points(out, &pts[0]);
	for (size_t l = 0; l < n; l++)
		r[first + l] = out[l];
	return ok;
}

/* One result: every eighth digit in the same lane, then the eight sums and the digits left over. */
static mask_t sum_split(struct point *r, struct sum *s, size_t at, void *memory)
{
	struct lanes_point *pts = memory;
	size_t blocks = s->each / LANES, rest = s->each % LANES;
	struct lanes *prefix = (struct lanes *)(pts + blocks + 1);
	struct lanes_pick pick[LANES];
	struct point few[2 * LANES];
	set_digits(s, 0, at);
	for (size_t k = 0; k < blocks + (rest != 0); k++) {
		for (size_t l = 0; l < LANES; l++)
			pick[l] = pick_at(s, 0, k * LANES + l < s->each ? k * LANES + l : 0);
		lanes_pick_points(&pts[k], pick);
	}
	mask_t ok = lanes_sum(pts, blocks, prefix);
	leave_points(few, &pts[0]);
	leave_points(few + LANES, &pts[blocks]);
	ok &= point_sum_few(&r[at], few, LANES + rest);
	mcsec_wipe(few, sizeof few);
	return ok;
}

static mask_t sum_fast(struct point *r, struct sum *s, size_t n, void *memory)
{
	enum { WORTH_A_BLOCK = 4 };
	mask_t ok = ~(mask_t)0;
	if (!s->lanes)
		return sum_plain(r, s, 0, n, memory);
	for (size_t i = 0; i < n;) {
		size_t now = n - i < LANES ? n - i : LANES;
		if (now < WORTH_A_BLOCK) {
			ok &= sum_split(r, s, i++, memory);
		} else {
			ok &= sum_side_by_side(r, s, i, now, memory);
			i += now;
		}
	}
	return ok;
}

static enum mcsec_err combine(struct point *r, const struct term *terms, size_t n_terms, size_t n)
{
	size_t each = 0;
	int side_by_side = lanes_on;
	for (size_t t = 0; t < n_terms; t++) {
		each += terms[t].comb->windows;
		side_by_side &= terms[t].comb->scaled;
	}
	size_t plain = n * each * (sizeof(struct point) + sizeof(struct num));
	size_t lanes = (each + 1) * (sizeof(struct lanes_point) + sizeof(struct lanes));
	struct sum *s = mcsec_secret_alloc(sizeof *s);
	struct point *memory = mcsec_secret_alloc(side_by_side ? lanes : plain);
	enum mcsec_err err = s && memory ? MCSEC_OK : MCSEC_E_MEMORY;
	if (!err) {
		s->terms = terms;
		s->n_terms = n_terms;
		s->each = each;
		s->lanes = side_by_side;
		mask_t ok = sum_fast(r, s, n, memory);
		ct_public(&ok, sizeof ok); /* an exception occurs for made-up scalars only */
		if (!ok) {
			for (size_t i = 0; i < n; i++) {
				set_digits(s, 0, i);
				pick_all(memory, s);
				ok = point_sum_complete(&r[i], memory, each);
				ct_public(&ok, sizeof ok); /* infinity likewise */
				if (!ok)
					err = MCSEC_E_VALUE;
			}
		}
	}
	mcsec_secret_free(memory);
	mcsec_secret_free(s);
	return err;
}

enum mcsec_err fixed_mul_p(struct point *r, const struct num *k, size_t n)
{
	enum mcsec_err err = tables();
	return err ? err : combine(r, &(struct term){&comb_p, k}, 1, n);
}

enum mcsec_err fixed_mul_receiver(struct point *r, const struct comb *z, const struct num *const *b,
				  const struct num *k, size_t n)
{
	enum mcsec_err err = tables();
	if (err)
		return err;
	struct num *kb = mcsec_secret_alloc(n * sizeof *kb);
	if (!kb)
		return MCSEC_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		num_mul(&kb[i], &k[i], b[i], &FQ); /* plain times Montgomery is plain */
	const struct term terms[] = {{&comb_p, kb}, {z, k}};
	err = combine(r, terms, 2, n);
	mcsec_secret_free(kb);
	return err;
}

/* ---- Powers of g in PF_p ---- */

struct power {
	struct digits digits[LANES];
	struct lanes_fp2 v;
	struct lanes t;
	struct num a[LANES], b[LANES];
};

static void pow_plain(struct num *a, struct num *b, const struct num *k, struct power *w)
{
	struct fp2 v = {.a = FP.one};
	digits_of(&w->digits[0], k, comb_g.w);
	comb_pick_t(&v.b, &comb_g, 0, &w->digits[0]);
	for (unsigned j = 1; j < comb_g.windows; j++) {
		comb_pick_t(&w->a[0], &comb_g, j, &w->digits[0]);
		fp2_mul_t(&v, &v, &w->a[0]);
	}
	*a = v.a;
	*b = v.b;
	mcsec_wipe(&v, sizeof v);
}

/* lanes_fp2 from the t picked, as 1 + t i */
static void pow_start(struct power *w, const struct lanes_pick pick[LANES])
{
	struct num one[LANES];
	for (int l = 0; l < LANES; l++)
		one[l] = FP.one;
	lanes_enter(&w->v.a, one);
	lanes_pick_t(&w->v.b, pick);
}

static void pow_side_by_side(struct num *a, struct num *b, const struct num *k, size_t n, struct power *w)
{
	struct lanes_pick pick[LANES];
	for (size_t l = 0; l < LANES; l++)
		digits_of(&w->digits[l], &k[l < n ? l : n - 1], comb_g.w);
	for (unsigned j = 0; j < comb_g.windows; j++) {
		for (size_t l = 0; l < LANES; l++)
			pick[l] = (struct lanes_pick){&comb_g, j, &w->digits[l]};
		if (j == 0) {
			pow_start(w, pick);
		} else {
			lanes_pick_t(&w->t, pick);
			lanes_mul_t(&w->v, &w->v, &w->t);
		}
	}
	lanes_leave(w->a, &w->v.a);
	lanes_leave(w->b, &w->v.b);
	for (size_t l = 0; l < n; l++) {
		a[l] = w->a[l];
		b[l] = w->b[l];
	}
}

/* Every eighth window in the same lane, then the eight products and the windows left over. */
static void pow_split(struct num *a, struct num *b, const struct num *k, struct power *w)
{
	struct lanes_pick pick[LANES];
	struct fp2 v, x;
	size_t windows = comb_g.windows, blocks = windows / LANES, rest = windows % LANES;
	digits_of(&w->digits[0], k, comb_g.w);
	for (size_t j = 0; j < blocks; j++) {
		for (size_t l = 0; l < LANES; l++)
			pick[l] = (struct lanes_pick){&comb_g, (unsigned)(j * LANES + l), &w->digits[0]};
		if (j == 0) {
			pow_start(w, pick);
		} else {
			lanes_pick_t(&w->t, pick);
			lanes_mul_t(&w->v, &w->v, &w->t);
		}
	}
	lanes_leave(w->a, &w->v.a);
	lanes_leave(w->b, &w->v.b);
	v = (struct fp2){w->a[0], w->b[0]};
	for (size_t l = 1; l < LANES; l++) {
		x = (struct fp2){w->a[l], w->b[l]};
		fp2_mul(&v, &v, &x);
	}
	for (size_t j = windows - rest; j < windows; j++) {
		comb_pick_t(&x.b, &comb_g, (unsigned)j, &w->digits[0]);
		fp2_mul_t(&v, &v, &x.b);
	}
	*a = v.a;
	*b = v.b;
	mcsec_wipe(&v, sizeof v);
	mcsec_wipe(&x, sizeof x);
}

/* a + b i of g^k[i] for each of n plain scalars. */
static void powers(struct num *a, struct num *b, const struct num *k, size_t n, struct power *w)
{
	enum { WORTH_A_BLOCK = 3 };
	const int lanes = lanes_on && comb_g.scaled;
	for (size_t i = 0; i < n;) {
		size_t now = n - i < LANES ? n - i : LANES;
		if (lanes && now >= WORTH_A_BLOCK) {
			pow_side_by_side(a + i, b + i, k + i, now, w);
			i += now;
		} else if (lanes) {
			pow_split(a + i, b + i, k + i, w);
			i++;
		} else {
			pow_plain(a + i, b + i, k + i, w);
			i++;
		}
	}
}

enum mcsec_err fixed_pow_g(struct num *t, const struct num *k, size_t n)
{
	enum mcsec_err err = tables();
	if (err)
		return err;
	struct power *w = mcsec_secret_alloc(sizeof *w);
	struct num *a = mcsec_secret_alloc(2 * n * sizeof *a);
	if (w && a) {
		powers(a, t, k, n, w);
		/* a = 0 would be the class of i, of order 2, which no power of g reaches */
		mask_t ok = fp_inv_many(a, a + n, n);
		ct_public(&ok, sizeof ok);
		if (!ok)
			err = MCSEC_E_CRYPTO;
		for (size_t i = 0; i < n; i++)
			fp_mul(&t[i], &t[i], &a[i]);
	} else {
		err = MCSEC_E_MEMORY;
	}
	mcsec_secret_free(a);
	mcsec_secret_free(w);
	return err;
}

enum mcsec_err fixed_pow_g_is(mask_t *same, const struct num *t, const struct num *k)
{
	enum mcsec_err err = tables();
	struct power *w = err ? NULL : mcsec_secret_alloc(sizeof *w);
	*same = 0;
	if (!w)
		return err ? err : MCSEC_E_MEMORY;
	powers(&w->a[0], &w->b[0], k, 1, w);
	fp_mul(&w->a[0], &w->a[0], t);
	*same = num_equal(&w->a[0], &w->b[0]); /* b/a = t; a is never 0 */
	mcsec_secret_free(w);
	return MCSEC_OK;
}

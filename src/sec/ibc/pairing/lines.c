/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.c - see lines.h. First all multiples of A in Jacobian form, then one shared inversion for the points and one
 * for the slopes; then lines are multiplied to the functions of the steps, with one more inversion for all of them.
 */
#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/pairing/lines.h"

/* The line y - slope x + at through (the negatives of) two multiples of A. */
struct line {
	struct num slope, at;
};

struct workspace {
	struct jacobian *multiple; /* C before each line, then C at the end */
	struct point *affine;
	struct num *inverse; /* denominators; and room for the shared inversion */
	struct line *line;
};

static size_t scratch_octets(size_t n)
{
	return n * (sizeof(struct jacobian) + sizeof(struct point) + 2 * sizeof(struct num) + sizeof(struct line));
}

static struct workspace lay_out(void *scratch, size_t n)
{
	struct workspace w = {.multiple = scratch};
	w.affine = (struct point *)(w.multiple + n);
	w.inverse = (struct num *)(w.affine + n);
	w.line = (struct line *)(w.inverse + 2 * n);
	return w;
}

/* Line k of a step: 0 for a tangent, the sign of A for a chord. */
static int8_t line_is(const struct step *s, unsigned k)
{
	return k < s->doublings ? 0 : s->add;
}

static unsigned lines_of(const struct step *s)
{
	return (unsigned)(s->doublings + (s->add != 0));
}

static void draw_multiples(struct workspace *w, const struct steps *q, const struct point *a, const struct point *minus)
{
	struct jacobian plus_j, minus_j;
	size_t k = 0;
	jacobian_from(&plus_j, a);
	jacobian_from(&minus_j, minus);
	w->multiple[0] = plus_j;
	for (size_t i = 0; i < q->n; i++) {
		for (unsigned j = 0; j < lines_of(&q->step[i]); j++, k++) {
			int8_t add = line_is(&q->step[i], j);
			if (add)
				jacobian_add(&w->multiple[k + 1], &w->multiple[k], add > 0 ? &plus_j : &minus_j);
			else
				jacobian_double(&w->multiple[k + 1], &w->multiple[k]);
		}
	}
	jacobian_normalise(w->affine, w->multiple, w->inverse, k + 1);
	mcsec_wipe(&plus_j, sizeof plus_j);
	mcsec_wipe(&minus_j, sizeof minus_j);
}

/* All lines in the order of the loop. MCSEC_E_POINT. */
static enum mcsec_err draw_lines(struct workspace *w, const struct steps *q, const struct point *a)
{
	struct point minus = *a;
	struct num s, t;
	size_t k = 0;
	fp_neg(&minus.y, &a->y);
	draw_multiples(w, q, a, &minus);
	/* denominators: 2 y of a tangent, x_C - x_A of a chord */
	for (size_t i = 0; i < q->n; i++) {
		for (unsigned j = 0; j < lines_of(&q->step[i]); j++, k++) {
			if (line_is(&q->step[i], j))
				fp_sub(&w->inverse[k], &w->affine[k].x, &a->x);
			else
				fp_add(&w->inverse[k], &w->affine[k].y, &w->affine[k].y);
		}
	}
	mask_t ok = fp_inv_many(w->inverse, w->inverse + k, k);
	/* (q - 1)A = -A is what makes A a point of order q, together with A on the curve */
	ok &= point_equal(&w->affine[k], &minus);

	k = 0;
	for (size_t i = 0; i < q->n; i++) {
		for (unsigned j = 0; j < lines_of(&q->step[i]); j++, k++) {
			const struct point *c = &w->affine[k];
			int8_t add = line_is(&q->step[i], j);
			if (add) {
				fp_sub(&s, &c->y, add > 0 ? &a->y : &minus.y); /* (C_y - A_y) / (C_x - A_x) */
			} else {
				fp_sqr(&s, &c->x); /* 3(x^2 - 1) / 2y */
				fp_sub(&s, &s, &FP.one);
				fp_add(&t, &s, &s);
				fp_add(&s, &t, &s);
			}
			fp_mul(&w->line[k].slope, &s, &w->inverse[k]);
			fp_mul(&w->line[k].at, &w->line[k].slope, &c->x); /* slope C_x - C_y */
			fp_sub(&w->line[k].at, &w->line[k].at, &c->y);
		}
	}
	mcsec_wipe(&minus, sizeof minus);
	mcsec_wipe(&s, sizeof s);
	ct_public(&ok, sizeof ok); /* the verdict on an RSK */
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

/* ---- Functions of steps ---- */

/*
 * Two tangents, l[0] at C and l[1] at 2C, x2 = x of 2C: l[0]^2 l[1] / (x - x2)^2 = a2 x^2 + a1 x + a0 + y (x + b0).
 * Both polynomials of the product are divided from the top; what is below follows, for the division leaves nothing.
 */
struct doubled {
	struct num a[3], b0;
};

static void double_twice(struct doubled *r, const struct line l[2], const struct num *x1, const struct num *x2)
{
	const struct num *l1 = &l[0].slope, *l2 = &l[1].slope, *m1 = &l[0].at, *m2 = &l[1].at;
	struct num s, t, ll;
	fp_sqr(&ll, l1);
	/* a2 = -l2 - 2 l1 */
	fp_add(&s, l1, l1);
	fp_add(&s, &s, l2);
	fp_neg(&r->a[2], &s);
	/* a1 = m2 + 2 m1 - l2 l1^2 + 2 x2 a2 */
	fp_mul(&s, l2, &ll);
	fp_sub(&s, m2, &s);
	fp_add(&s, &s, m1);
	fp_add(&s, &s, m1);
	fp_mul(&t, x2, &r->a[2]);
	fp_add(&s, &s, &t);
	fp_add(&r->a[1], &s, &t);
	/* a0 = m2 l1^2 + l2 (2 l1 m1 + 3) + 6 l1 + x2 (2 a1 - x2 a2) */
	fp_sub(&s, &r->a[1], &t);
	fp_add(&s, &s, &r->a[1]);
	fp_mul(&r->a[0], &s, x2);
	fp_mul(&s, m2, &ll);
	fp_add(&r->a[0], &r->a[0], &s);
	fp_mul(&s, l1, m1);
	fp_add(&s, &s, &s);
	fp_add(&t, &FP.one, &FP.one);
	fp_add(&t, &t, &FP.one);
	fp_add(&s, &s, &t);
	fp_mul(&s, &s, l2);
	fp_add(&r->a[0], &r->a[0], &s);
	fp_add(&t, l1, l1);
	fp_add(&s, &t, &t);
	fp_add(&s, &s, &t);
	fp_add(&r->a[0], &r->a[0], &s);
	/* b0 = 3 x2 + 2 x1 + 2 l1 l2 */
	fp_mul(&s, l1, l2);
	fp_add(&s, &s, x1);
	fp_add(&s, &s, x2);
	fp_add(&s, &s, &s);
	fp_add(&r->b0, &s, x2);
	mcsec_wipe(&s, sizeof s);
	mcsec_wipe(&t, sizeof t);
	mcsec_wipe(&ll, sizeof ll);
}

/*
 * That function f times the chord y - l x + m through 4C and A, divided by x - x4:
 * x^3 + a2 x^2 + a1 x + a0 + y (b1 x + b0). out: a0, -a1, a2, b1, b0.
 */
static void and_add(struct num out[5], const struct doubled *f, const struct line *chord, const struct num *x4)
{
	const struct num *l = &chord->slope, *m = &chord->at;
	struct num s, t, three;
	fp_add(&three, &FP.one, &FP.one);
	fp_add(&three, &three, &FP.one);
	/* a2 = f.b0 - l f.a2 + x4 */
	fp_mul(&s, l, &f->a[2]);
	fp_sub(&s, &f->b0, &s);
	fp_add(&out[2], &s, x4);
	/* a1 = m f.a2 - l f.a1 - 3 + x4 a2 */
	fp_mul(&s, m, &f->a[2]);
	fp_mul(&t, l, &f->a[1]);
	fp_sub(&s, &s, &t);
	fp_sub(&s, &s, &three);
	fp_mul(&t, x4, &out[2]);
	fp_add(&out[1], &s, &t);
	/* a0 = m f.a1 - l f.a0 - 3 f.b0 + x4 a1 */
	fp_mul(&s, m, &f->a[1]);
	fp_mul(&t, l, &f->a[0]);
	fp_sub(&s, &s, &t);
	fp_mul(&t, &three, &f->b0);
	fp_sub(&s, &s, &t);
	fp_mul(&t, x4, &out[1]);
	fp_add(&out[0], &s, &t);
	fp_neg(&out[1], &out[1]);
	/* b1 = f.a2 - l, b0 = f.a1 - l f.b0 + m + x4 b1 */
	fp_sub(&out[3], &f->a[2], l);
	fp_mul(&s, l, &f->b0);
	fp_sub(&s, &f->a[1], &s);
	fp_add(&s, &s, m);
	fp_mul(&t, x4, &out[3]);
	fp_add(&out[4], &s, &t);
	mcsec_wipe(&s, sizeof s);
	mcsec_wipe(&t, sizeof t);
}

/* Divide by b1: what stands for a3 is then -1 / b1. No if some b1 is zero, which happens for made-up points only. */
static mask_t make_monic(struct num *out, const struct steps *q, struct num *scratch)
{
	struct num *inv = scratch;
	size_t k = 0, at = 0;
	for (size_t i = 0; i < q->n; at += step_size(&q->step[i++]))
		if (q->step[i].add)
			inv[k++] = out[at + 3];
	mask_t ok = fp_inv_many(inv, inv + k, k);
	k = at = 0;
	for (size_t i = 0; i < q->n; at += step_size(&q->step[i++])) {
		if (!q->step[i].add)
			continue;
		for (size_t c = 0; c < 5; c++)
			if (c != 3)
				fp_mul(&out[at + c], &out[at + c], &inv[k]);
		fp_neg(&out[at + 3], &inv[k++]);
	}
	return ok;
}

static enum mcsec_err merge_lines(struct num *out, const struct steps *q, const struct workspace *w)
{
	struct num *at = out;
	struct doubled f;
	size_t k = 0;
	for (size_t i = 0; i < q->n; i++) {
		const struct step *s = &q->step[i];
		const struct line *l = &w->line[k];
		const struct point *c = &w->affine[k];
		if (s->doublings == 1) {
			at[0] = l->at;
			at[1] = l->slope;
		} else {
			double_twice(&f, l, &c[0].x, &c[1].x);
			if (s->add) {
				and_add(at, &f, &l[2], &c[2].x);
			} else {
				at[0] = f.a[0];
				fp_neg(&at[1], &f.a[1]);
				at[2] = f.a[2];
				at[3] = f.b0;
			}
		}
		at += step_size(s);
		k += lines_of(s);
	}
	mcsec_wipe(&f, sizeof f);
	mask_t ok = make_monic(out, q, w->inverse);
	ct_public(&ok, sizeof ok); /* of negligible probability */
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

/* ---- */

static size_t stored_octets(const struct steps *q)
{
	size_t all = 0;
	if (lanes_on)
		return (q->lines + LANES - 1) / LANES * sizeof(struct lanes_line);
	for (size_t i = 0; i < q->n; i++)
		all += step_size(&q->step[i]);
	return all * sizeof(struct num);
}

size_t lines_octets(void)
{
	return stored_octets(steps_of_q());
}

enum mcsec_err lines_new(struct lines **out, const struct point *a)
{
	const struct steps *q = steps_of_q();
	*out = NULL;
	struct lines *l = mcsec_secret_alloc(sizeof *l);
	void *scratch = mcsec_secret_alloc(scratch_octets(q->lines + 1)),
	     *stored = mcsec_secret_alloc(stored_octets(q));
	enum mcsec_err err = MCSEC_E_MEMORY;
	if (l && scratch && stored) {
		struct workspace w = lay_out(scratch, q->lines + 1);
		err = draw_lines(&w, q, a);
		if (!err && lanes_on) {
			l->eight = stored;
			for (size_t k = 0; k < q->lines; k++)
				lanes_line_set(&l->eight[k / LANES], (int)(k % LANES), &w.line[k].slope, &w.line[k].at);
		} else if (!err) {
			l->functions = stored;
			err = merge_lines(stored, q, &w);
		}
	}
	mcsec_secret_free(scratch);
	if (!err) {
		*out = l;
		return MCSEC_OK;
	}
	mcsec_secret_free(stored);
	mcsec_secret_free(l);
	return err;
}

void lines_free(struct lines *lines)
{
	if (!lines)
		return;
	mcsec_secret_free(lines->functions);
	mcsec_secret_free(lines->eight);
	mcsec_secret_free(lines);
}

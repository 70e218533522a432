/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairing.c - RFC 6508 3.2 with stored functions; see pairing.h, lines.h and steps.h.
 *
 * Factors of F_p are nothing in PF_p, so every value of a function may be divided by y_B, and units (torsion.h) by
 * their real part.
 */
#include "mcsec/secret.h"
#include "sec/ibc/lanes/row.h"
#include "sec/ibc/pairing/lines.h"
#include "sec/ibc/pairing/torsion.h"

/* What is computed of B before the loop. */
struct second {
	struct num over_y[4]; /* 1, x, x^2, x^3 over y */
	struct num x;
	struct num unit[UNIT_MAX]; /* t of the powers 1 .. UNIT_MAX */
};

static mask_t prepare(struct second *s, const struct point *b)
{
	struct num inv[UNIT_MAX + 1], scratch[UNIT_MAX + 1];
	struct fp2 f[UNIT_MAX];
	torsion_value(&f[0], b);
	for (int i = 1; i < UNIT_MAX; i++)
		fp2_mul(&f[i], &f[i - 1], &f[0]);
	for (int i = 0; i < UNIT_MAX; i++)
		inv[i] = f[i].a;
	inv[UNIT_MAX] = b->y;
	mask_t ok = fp_inv_many(inv, scratch, UNIT_MAX + 1);
	for (int i = 0; i < UNIT_MAX; i++)
		fp_mul(&s->unit[i], &f[i].b, &inv[i]);
	s->x = b->x;
	s->over_y[0] = inv[UNIT_MAX];
	for (int i = 1; i < 4; i++)
		fp_mul(&s->over_y[i], &s->over_y[i - 1], &b->x);
	return ok;
}

/* ---- One number after the other ---- */

static void mul_unit(struct fp2 *v, const struct second *s, int power)
{
	struct num minus;
	if (power > 0) {
		fp2_mul_t(v, v, &s->unit[power - 1]);
	} else if (power < 0) {
		fp_neg(&minus, &s->unit[-power - 1]);
		fp2_mul_t(v, v, &minus);
	}
}

/* The function of one step at B: a(-x)/y + i b(-x). */
static void mul_function(struct fp2 *v, const struct num *f, const struct step *step, const struct second *s)
{
	struct fp2 value;
	if (step->doublings == 1) { /* v (a + i) */
		struct num a, t;
		fp_dot(&a, f, s->over_y, 2);
		fp_mul(&t, &v->b, &a);
		fp_mul(&a, &v->a, &a);
		fp_sub(&a, &a, &v->b);
		fp_add(&v->b, &v->a, &t);
		v->a = a;
		return;
	}
	size_t terms = step_size(step) - 1;
	fp_dot(&value.a, f, s->over_y, terms);
	fp_sub(&value.b, &f[terms], &s->x);
	fp2_mul(v, v, &value);
}

static void loop_plain(struct fp2 *v, const struct num *f, const struct second *s)
{
	const struct steps *q = steps_of_q();
	*v = (struct fp2){.a = FP.one};
	for (size_t i = 0; i < q->n; i++) {
		const struct step *step = &q->step[i];
		for (unsigned k = 0; k < step->doublings; k++)
			fp2_sqr(v, v);
		mul_function(v, f, step, s);
		mul_unit(v, s, step->unit);
		f += step_size(step);
	}
	for (int i = 0; i < LAST_SQUARINGS; i++) {
		fp2_sqr(v, v);
		mul_unit(v, s, q->last[i]);
	}
}

/* ---- With lanes ---- */

/*
 * A line is divided by i y_B, and the factors i die in the last two squarings: what is multiplied in is 1 + t i with
 * t = -(slope x_B + at) / y_B. Eight t are computed at once, the loop over them is one chain (row.h).
 */
struct values {
	const struct lanes_line *eight;
	struct lanes x, y, t;         /* -x_B / y_B and -1 / y_B in every lane */
	struct row unit[2][UNIT_MAX]; /* and their inverses */
	size_t k;
};

static void everywhere(struct lanes *r, const struct num *a)
{
	struct num all[LANES];
	for (int l = 0; l < LANES; l++)
		fp_neg(&all[l], a);
	lanes_enter(r, all);
}

static void set_values(struct values *v, const struct lanes_line *eight, const struct second *s)
{
	struct num minus[LANES];
	struct lanes units[2];
	_Static_assert((int)UNIT_MAX == (int)LANES, "as many powers as lanes");
	v->eight = eight;
	v->k = 0;
	everywhere(&v->y, &s->over_y[0]);
	everywhere(&v->x, &s->over_y[1]);
	for (int l = 0; l < LANES; l++)
		fp_neg(&minus[l], &s->unit[l]);
	lanes_enter(&units[0], s->unit);
	lanes_enter(&units[1], minus);
	for (int l = 0; l < LANES; l++)
		for (int k = 0; k < 2; k++)
			row_of_lane(&v->unit[k][l], &units[k], l);
}

static void next_line(struct row_fp2 *f, struct values *v)
{
	struct row t;
	if (v->k % LANES == 0)
		lanes_line_at(&v->t, &v->eight[v->k / LANES], &v->x, &v->y);
	row_of_lane(&t, &v->t, (int)(v->k++ % LANES));
	row_mul_t(f, &t);
	mcsec_wipe(&t, sizeof t);
}

static void row_unit(struct row_fp2 *f, const struct values *v, int power)
{
	if (power)
		row_mul_t(f, &v->unit[power < 0][(power < 0 ? -power : power) - 1]);
}

/* At most three products stand between two squarings, as row.h allows: a tangent, a chord and a unit. */
static void loop_lanes(struct fp2 *r, const struct lanes_line *eight, const struct second *s)
{
	const struct steps *q = steps_of_q();
	struct values v;
	struct row_fp2 f;
	set_values(&v, eight, s);
	row_one(&f);
	for (size_t i = 0; i < q->n; i++) {
		const struct step *step = &q->step[i];
		for (unsigned k = 0; k < step->doublings; k++) {
			row_square(&f);
			next_line(&f, &v);
		}
		if (step->add)
			next_line(&f, &v);
		row_unit(&f, &v, step->unit);
	}
	for (int i = 0; i < LAST_SQUARINGS; i++) {
		row_square(&f);
		row_unit(&f, &v, q->last[i]);
	}
	row_leave(r, &f);
	mcsec_wipe(&f, sizeof f);
	mcsec_wipe(&v, sizeof v);
}

mask_t pairing(struct num *t, const struct lines *lines, const struct point *b)
{
	struct fp2 v;
	struct second s;
	mask_t ok = prepare(&s, b);
	if (lines->eight)
		loop_lanes(&v, lines->eight, &s);
	else
		loop_plain(&v, lines->functions, &s);
	fp_inv(t, &v.a);
	ok &= ~num_is_zero(&v.a);
	fp_mul(t, t, &v.b);
	mcsec_wipe(&v, sizeof v);
	return ok;
}

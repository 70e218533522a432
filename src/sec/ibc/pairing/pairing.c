/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairing.c - RFC 6508 3.2 with stored lines; see pairing.h.
 *
 * The loop of the RFC runs over the bits of q - 1; here over its non-adjacent form, whose digits are -1, 0, 1: the
 * value changes by factors of F_p only (vertical lines), which are nothing in PF_p. The sequence of steps is fixed by
 * the public q. Lines are affine: first all multiples of A in Jacobian form, then one shared inversion for the
 * points, one for the slopes.
 */
#include <pthread.h>
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/pairing/pairing.h"
#include "sec/ibc/lanes/row.h"

enum { NAF_MAX = SCALAR_BITS + 1 };

static int8_t naf[NAF_MAX]; /* of q - 1, least significant first */
static int naf_len;
static size_t line_count;
static pthread_once_t naf_once = PTHREAD_ONCE_INIT;

static void naf_init(void)
{
	struct num k = FQ.m;
	k.v[0]--; /* q is odd */
	while (!num_is_zero(&k)) {
		int d = k.v[0] & 1 ? 2 - (int)(k.v[0] & 3) : 0;
		naf[naf_len++] = (int8_t)d;
		/* k = (k - d) / 2; k - d is even, and a carry of -d = 1 cannot leave 1024 bits */
		k.v[0] -= d == 1;
		if (d == -1)
			for (int i = 0; i < NUM_LIMBS && ++k.v[i] == 0; i++)
				;
		for (int i = 0; i < NUM_LIMBS; i++)
			k.v[i] = k.v[i] >> 1 | (i + 1 < NUM_LIMBS ? k.v[i + 1] << 63 : 0);
	}
	for (int i = naf_len - 2; i >= 0; i--)
		line_count += naf[i] ? 2 : 1;
}

/* The line through (the negatives of) two multiples of A: its value at B is (slope * x_B + at) + i y_B. */
struct line {
	struct num slope, at;
};

/*
 * With lanes: F_p factors are nothing, so a line is divided by i y_B, and the factors i die in the last two squarings:
 * what is multiplied in is 1 + t i with t = -(slope x_B + at) / y_B. Eight t are computed at once, the loop over them
 * is one chain (row.h).
 */
struct lines {
	struct line *plain;       /* without lanes */
	struct lanes_line *eight; /* with lanes: line k is lane k % 8 of eight[k / 8] */
};

static size_t eights(void)
{
	return (line_count + LANES - 1) / LANES;
}

struct workspace {
	struct jacobian *multiple; /* C before each step, then C at the end */
	struct point *affine;
	struct num *inverse; /* denominators of slopes; and room for the shared inversion */
};

static size_t scratch_octets(void)
{
	return (line_count + 1) * (sizeof(struct jacobian) + sizeof(struct point) + 2 * sizeof(struct num));
}

/* All lines in the order of the loop. MCSEC_E_POINT. */
static enum mcsec_err draw_lines(struct line *lines, const struct point *a, void *scratch)
{
	size_t n = line_count + 1, k = 0;
	struct workspace w = {.multiple = scratch};
	w.affine = (struct point *)(w.multiple + n);
	w.inverse = (struct num *)(w.affine + n);
	struct point minus = *a;
	fp_neg(&minus.y, &a->y);
	struct jacobian plus_j, minus_j;
	jacobian_from(&plus_j, a);
	jacobian_from(&minus_j, &minus);

	w.multiple[0] = plus_j;
	for (int i = naf_len - 2; i >= 0; i--) {
		jacobian_double(&w.multiple[k + 1], &w.multiple[k]);
		k++;
		if (naf[i]) {
			jacobian_add(&w.multiple[k + 1], &w.multiple[k], naf[i] > 0 ? &plus_j : &minus_j);
			k++;
		}
	}
	jacobian_normalise(w.affine, w.multiple, w.inverse, n);

	/* denominators: 2 y of a tangent, x_C - x_A of a chord */
	k = 0;
	for (int i = naf_len - 2; i >= 0; i--) {
		fp_add(&w.inverse[k], &w.affine[k].y, &w.affine[k].y);
		k++;
		if (naf[i]) {
			fp_sub(&w.inverse[k], &w.affine[k].x, &a->x);
			k++;
		}
	}
	mask_t ok = fp_inv_many(w.inverse, w.inverse + n, k);
	/* (q - 1)A = -A is what makes A a point of order q, together with A on the curve */
	ok &= point_equal(&w.affine[k], &minus);

	k = 0;
	for (int i = naf_len - 2; i >= 0; i--) {
		struct num s, t;
		const struct point *c = &w.affine[k];
		fp_sqr(&s, &c->x);
		fp_sub(&s, &s, &FP.one);
		fp_add(&t, &s, &s);
		fp_add(&s, &t, &s);
		fp_mul(&lines[k].slope, &s, &w.inverse[k]); /* l = 3(x^2 - 1) / 2y */
		k++;
		if (naf[i]) {
			c = &w.affine[k];
			fp_sub(&s, &c->y, naf[i] > 0 ? &a->y : &minus.y);
			fp_mul(&lines[k].slope, &s, &w.inverse[k]); /* l = (C_y - A_y) / (C_x - A_x) */
			k++;
		}
	}
	for (size_t i = 0; i < k; i++) {
		fp_mul(&lines[i].at, &lines[i].slope, &w.affine[i].x);
		fp_sub(&lines[i].at, &lines[i].at, &w.affine[i].y); /* l C_x - C_y */
	}
	mcsec_wipe(&minus, sizeof minus);
	mcsec_wipe(&plus_j, sizeof plus_j);
	mcsec_wipe(&minus_j, sizeof minus_j);
	ct_public(&ok, sizeof ok); /* the verdict on an RSK */
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

size_t lines_octets(void)
{
	pthread_once(&naf_once, naf_init);
	return lanes_on ? eights() * sizeof(struct lanes_line) : line_count * sizeof(struct line);
}

enum mcsec_err lines_new(struct lines **out, const struct point *a)
{
	*out = NULL;
	pthread_once(&naf_once, naf_init);
	struct lines *l = mcsec_secret_alloc(sizeof *l);
	void *scratch = mcsec_secret_alloc(scratch_octets());
	struct line *plain = mcsec_secret_alloc(line_count * sizeof *plain);
	enum mcsec_err err = l && scratch && plain ? draw_lines(plain, a, scratch) : MCSEC_E_MEMORY;
	mcsec_secret_free(scratch);
	if (!err && lanes_on) {
		l->eight = mcsec_secret_alloc(eights() * sizeof *l->eight);
		if (!l->eight)
			err = MCSEC_E_MEMORY;
		for (size_t k = 0; !err && k < line_count; k++)
			lanes_line_set(&l->eight[k / LANES], (int)(k % LANES), &plain[k].slope, &plain[k].at);
	} else if (!err) {
		l->plain = plain;
		plain = NULL;
	}
	mcsec_secret_free(plain);
	if (err)
		lines_free(l);
	else
		*out = l;
	return err;
}

void lines_free(struct lines *lines)
{
	if (!lines)
		return;
	mcsec_secret_free(lines->plain);
	mcsec_secret_free(lines->eight);
	mcsec_secret_free(lines);
}

static void step(struct fp2 *v, const struct line *l, const struct point *b)
{
	struct fp2 value = {.b = b->y};
	fp_mul(&value.a, &l->slope, &b->x);
	fp_add(&value.a, &value.a, &l->at);
	fp2_mul(v, v, &value);
}

static void miller_plain(struct fp2 *v, const struct line *lines, const struct point *b)
{
	size_t k = 0;
	*v = (struct fp2){.a = FP.one};
	for (int i = naf_len - 2; i >= 0; i--) {
		fp2_sqr(v, v);
		step(v, &lines[k++], b);
		if (naf[i])
			step(v, &lines[k++], b);
	}
}

/* The t of line k, computed eight at a time as the loop comes by. */
struct values {
	const struct lanes_line *eight;
	struct lanes x, y, t; /* -x_B / y_B and -1 / y_B in every lane */
	size_t k;
};

static void next_value(struct row *r, struct values *s)
{
	if (s->k % LANES == 0)
		lanes_line_at(&s->t, &s->eight[s->k / LANES], &s->x, &s->y);
	row_of_lane(r, &s->t, (int)(s->k++ % LANES));
}

static void miller_lanes(struct fp2 *v, const struct lanes_line *eight, const struct point *b)
{
	struct num x[LANES], y[LANES];
	struct values s = {.eight = eight};
	struct row_fp2 f;
	struct row t;
	fp_inv(&y[0], &b->y); /* y = 0, the point of order 2, gives nonsense that TEST refuses */
	fp_neg(&y[0], &y[0]);
	fp_mul(&x[0], &y[0], &b->x);
	for (int l = 1; l < LANES; l++) {
		x[l] = x[0];
		y[l] = y[0];
	}
	lanes_enter(&s.x, x);
	lanes_enter(&s.y, y);
	row_one(&f);
	for (int i = naf_len - 2; i >= 0; i--) {
		row_square(&f);
		next_value(&t, &s);
		row_mul_t(&f, &t);
		if (naf[i]) {
			next_value(&t, &s);
			row_mul_t(&f, &t);
		}
	}
	row_leave(v, &f);
	mcsec_wipe(&f, sizeof f);
	mcsec_wipe(&s, sizeof s);
	mcsec_wipe(&t, sizeof t);
}

mask_t pairing(struct num *t, const struct lines *lines, const struct point *b)
{
	struct fp2 v;
	if (lines->eight)
		miller_lanes(&v, lines->eight, b);
	else
		miller_plain(&v, lines->plain, b);
	/* t = v^4: the exponent (p + 1) / q */
	fp2_sqr(&v, &v);
	fp2_sqr(&v, &v);
	fp_inv(t, &v.a);
	mask_t ok = ~num_is_zero(&v.a);
	fp_mul(t, t, &v.b);
	mcsec_wipe(&v, sizeof v);
	return ok;
}

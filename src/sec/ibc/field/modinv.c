/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modinv.c - inversion by division steps.
 *
 * State: f, g with gcd(f, g) unchanged, and d, e with f = d*a/scale, g = e*a/scale (mod m). One step halves g, after
 * an exchange when delta > 0 and g is odd. Sixty-two steps look at the low 64 bits of f and g alone; what they did is
 * a matrix with entries of at most 2^62, applied to the long numbers once. After the proven number of steps
 * (theorem 11.2: floor((49 n + 57) / 17) for n >= 46 bits) g = 0 and f = +-1, hence 1/a * scale = +-d.
 *
 * Long numbers have signed limbs of 62 bits: limbs 0.. are in [0, 2^62), the top one carries the sign.
 * d and e are kept in (-2m, m).
 */
#include <string.h>

#include "sec/ibc/field/modinv.h"

typedef __int128 i128;

enum { MAX_LIMBS = 17 };
#define M62 (UINT64_MAX >> 2)

struct long62 {
	int64_t v[MAX_LIMBS + 1];
};

struct matrix {
	int64_t u, v, q, r; /* f' = (u f + v g) / 2^62, g' = (q f + r g) / 2^62 */
};

static void split(struct long62 *r, const uint64_t *a, int limbs, int n)
{
	memset(r, 0, sizeof *r);
	for (int i = 0; i < n; i++) {
		int bit = 62 * i, at = bit / 64, by = bit % 64;
		uint64_t x = a[at] >> by;
		if (by > 2 && at + 1 < limbs)
			x |= a[at + 1] << (64 - by);
		r->v[i] = (int64_t)(x & M62);
	}
}

static void join(uint64_t *r, const struct long62 *a, int limbs, int n)
{
	memset(r, 0, (size_t)limbs * sizeof *r);
	for (int i = 0; i < n; i++) {
		int bit = 62 * i, at = bit / 64, by = bit % 64;
		r[at] |= (uint64_t)a->v[i] << by;
		if (by > 2 && at + 1 < limbs)
			r[at + 1] |= (uint64_t)a->v[i] >> (64 - by);
	}
}

static int64_t steps(int64_t delta, uint64_t f, uint64_t g, struct matrix *t)
{
	uint64_t u = 1, v = 0, q = 0, r = 1;
	for (int i = 0; i < 62; i++) {
		uint64_t odd = 0 - (g & 1);
		uint64_t swap = (uint64_t)(-delta >> 63) & odd; /* delta > 0 and g odd */
		/* g += odd ? (swap ? -f : f) : 0, and the matrix likewise */
		g += ((f ^ swap) - swap) & odd;
		q += ((u ^ swap) - swap) & odd;
		r += ((v ^ swap) - swap) & odd;
		/* f = swap ? the old g : f */
		f += g & swap;
		u += q & swap;
		v += r & swap;
		delta = (delta ^ (int64_t)swap) - (int64_t)swap + 1;
		g >>= 1;
		u <<= 1;
		v <<= 1;
	}
	*t = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
	return delta;
}

static void update_fg(struct long62 *f, struct long62 *g, const struct matrix *t, int n)
{
	i128 cf = (i128)t->u * f->v[0] + (i128)t->v * g->v[0];
	i128 cg = (i128)t->q * f->v[0] + (i128)t->r * g->v[0];
	cf >>= 62;
	cg >>= 62;
	for (int i = 1; i < n; i++) {
		cf += (i128)t->u * f->v[i] + (i128)t->v * g->v[i];
		cg += (i128)t->q * f->v[i] + (i128)t->r * g->v[i];
		f->v[i - 1] = (int64_t)((uint64_t)cf & M62);
		g->v[i - 1] = (int64_t)((uint64_t)cg & M62);
		cf >>= 62;
		cg >>= 62;
	}
	f->v[n - 1] = (int64_t)cf;
	g->v[n - 1] = (int64_t)cg;
}

/* The same for d, e modulo m: multiples of m make the sums divisible by 2^62 and keep them in (-2m, m). */
static void update_de(struct long62 *d, struct long62 *e, const struct matrix *t, const struct long62 *m,
		      uint64_t m_inv, int n)
{
	int64_t sd = d->v[n - 1] >> 63, se = e->v[n - 1] >> 63;
	int64_t md = (t->u & sd) + (t->v & se), me = (t->q & sd) + (t->r & se);
	i128 cd = (i128)t->u * d->v[0] + (i128)t->v * e->v[0];
	i128 ce = (i128)t->q * d->v[0] + (i128)t->r * e->v[0];
	md -= (int64_t)((m_inv * (uint64_t)cd + (uint64_t)md) & M62);
	me -= (int64_t)((m_inv * (uint64_t)ce + (uint64_t)me) & M62);
	cd = (cd + (i128)m->v[0] * md) >> 62;
	ce = (ce + (i128)m->v[0] * me) >> 62;
	for (int i = 1; i < n; i++) {
		cd += (i128)t->u * d->v[i] + (i128)t->v * e->v[i] + (i128)m->v[i] * md;
		ce += (i128)t->q * d->v[i] + (i128)t->r * e->v[i] + (i128)m->v[i] * me;
		d->v[i - 1] = (int64_t)((uint64_t)cd & M62);
		e->v[i - 1] = (int64_t)((uint64_t)ce & M62);
		cd >>= 62;
		ce >>= 62;
	}
	d->v[n - 1] = (int64_t)cd;
	e->v[n - 1] = (int64_t)ce;
}

/* a += m & add, then a = -a if neg, limbs carried. */
static void fix(struct long62 *a, const struct long62 *m, int64_t add, int64_t neg, int n)
{
	int64_t c = 0;
	for (int i = 0; i < n; i++) {
		c += ((a->v[i] + (m->v[i] & add)) ^ neg) - neg;
		a->v[i] = i < n - 1 ? (int64_t)((uint64_t)c & M62) : c;
		c >>= 62;
	}
}

void modinv(uint64_t *r, const uint64_t *a, const uint64_t *m, const uint64_t *scale, int limbs)
{
	int bits = 64 * limbs, n = (bits + 2) / 62 + 1;
	struct long62 f, g, d = {{0}}, e, mm;
	split(&f, m, limbs, n);
	split(&g, a, limbs, n);
	split(&e, scale, limbs, n);
	mm = f;
	uint64_t m_inv = 1; /* 1/m mod 2^64 by Newton's iteration */
	for (int i = 0; i < 6; i++)
		m_inv *= 2 - m[0] * m_inv;
	int64_t delta = 1;
	for (int done = 0; done < (49 * bits + 57) / 17; done += 62) {
		struct matrix t;
		uint64_t f0 = (uint64_t)f.v[0] | (uint64_t)f.v[1] << 62, g0 = (uint64_t)g.v[0] | (uint64_t)g.v[1] << 62;
		delta = steps(delta, f0, g0, &t);
		update_de(&d, &e, &t, &mm, m_inv, n);
		update_fg(&f, &g, &t, n);
	}
	int64_t negative = f.v[n - 1] >> 63; /* f = -1 */
	fix(&d, &mm, d.v[n - 1] >> 63, negative, n);
	fix(&d, &mm, d.v[n - 1] >> 63, 0, n);
	join(r, &d, limbs, n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modinv.c - inversion by division steps.
 *
 * State: f, g with gcd(f, g) unchanged, and d, e with f = d*a/scale, g = e*a/scale (mod m). One step halves g, after
 * an exchange when delta > 0 and g is odd; delta begins at 1/2. Sixty steps look at the low bits of f and g alone; what
 * they did is a matrix with entries of at most 2^60, applied to the long numbers once. After the number of steps of
 * STEPS g = 0 and f = +-1, hence 1/a * scale = +-d.
 *
 * Long numbers have signed limbs of 60 bits: limbs 0.. are in [0, 2^60), the top one carries the sign.
 * d and e are kept in (-2m, m).
 */
#include <string.h>

#include "sec/ibc/field/modinv.h"

typedef __int128 i128;

enum { MAX_LIMBS = 18, BITS = 60, TWENTY = 20 };
#define M60 (UINT64_MAX >> 4)

struct long60 {
	int64_t v[MAX_LIMBS + 1];
};

struct matrix {
	int64_t u, v, q, r; /* f' = (u f + v g) / 2^k, g' = (q f + r g) / 2^k */
};

/* Inlined with a constant number of limbs: 5 or 18. */
#define INLINE static inline __attribute__((always_inline))

static void split(struct long60 *r, const uint64_t *a, int limbs, int n)
{
	memset(r, 0, sizeof *r);
	for (int i = 0; i < n; i++) {
		int bit = BITS * i, at = bit / 64, by = bit % 64;
		if (at >= limbs)
			break;
		uint64_t x = a[at] >> by;
		if (by > 64 - BITS && at + 1 < limbs)
			x |= a[at + 1] << (64 - by);
		r->v[i] = (int64_t)(x & M60);
	}
}

static void join(uint64_t *r, const struct long60 *a, int limbs, int n)
{
	memset(r, 0, (size_t)limbs * sizeof *r);
	for (int i = 0; i < n; i++) {
		int bit = BITS * i, at = bit / 64, by = bit % 64;
		if (at >= limbs)
			break;
		r[at] |= (uint64_t)a->v[i] << by;
		if (by > 64 - BITS && at + 1 < limbs)
			r[at + 1] |= (uint64_t)a->v[i] >> (64 - by);
	}
}

/* bit 0 of `bit` ? a : b */
INLINE uint64_t if_odd(uint64_t bit, uint64_t a, uint64_t b)
{
#if defined(__x86_64__)
	__asm__("testb $1, %b1\n\tcmovnzq %2, %0" : "+r"(b) : "q"(bit), "r"(a) : "cc");
	return b;
#else
	return b ^ ((a ^ b) & (0 - (bit & 1)));
#endif
}

/* z < 0 ? a : b */
INLINE uint64_t if_negative(int64_t z, uint64_t a, uint64_t b)
{
#if defined(__x86_64__)
	__asm__("testq %1, %1\n\tcmovsq %2, %0" : "+r"(b) : "r"(z), "r"(a) : "cc");
	return b;
#else
	return b ^ ((a ^ b) & (uint64_t)(z >> 63));
#endif
}

/*
 * Twenty steps on two words. A word holds the low bits of f (or g) and its row of the matrix, 2^20 times and negated:
 * f - 2^21 u - 2^42 v. Each part stays within 2^20, so that one addition and one shift do a step for all three.
 * zeta = -(delta + 1/2).
 */
INLINE int64_t twenty_steps(int64_t zeta, uint64_t f, uint64_t g, struct matrix *t)
{
	const uint64_t low = (UINT64_C(1) << TWENTY) - 1;
	uint64_t fuv = (f & low) - (UINT64_C(1) << 41), gqr = (g & low) - (UINT64_C(1) << 62);
#pragma GCC unroll 20
	for (int i = 0; i < TWENTY; i++) {
		/* delta > 0: exchange and subtract if g is odd; else add if g is odd */
		uint64_t sum = gqr + if_negative(zeta, 0 - fuv, fuv);
		uint64_t f_if_odd = if_negative(zeta, gqr, fuv);
		uint64_t zeta_if_odd = if_negative(zeta, (uint64_t)(-2 - zeta), (uint64_t)(zeta - 1));
		fuv = if_odd(gqr, f_if_odd, fuv);
		zeta = (int64_t)if_odd(gqr, zeta_if_odd, (uint64_t)(zeta - 1));
		gqr = if_odd(gqr, (uint64_t)((int64_t)sum >> 1), (uint64_t)((int64_t)gqr >> 1));
	}
	/* the low part is within +-(2^20 - 1), u and v in [-2^20, 2^20) */
	int64_t uv = (int64_t)(fuv + (UINT64_C(1) << 20)) >> 21, qr = (int64_t)(gqr + (UINT64_C(1) << 20)) >> 21;
	int64_t v = (uv + (INT64_C(1) << 20)) >> 21, r = (qr + (INT64_C(1) << 20)) >> 21;
	*t = (struct matrix){v * (INT64_C(1) << 21) - uv, -v, r * (INT64_C(1) << 21) - qr, -r};
	return zeta;
}

INLINE void after(uint64_t *f, uint64_t *g, const struct matrix *t)
{
	uint64_t x = (uint64_t)t->u * *f + (uint64_t)t->v * *g, y = (uint64_t)t->q * *f + (uint64_t)t->r * *g;
	*f = (uint64_t)((int64_t)x >> TWENTY);
	*g = (uint64_t)((int64_t)y >> TWENTY);
}

INLINE void compose(struct matrix *t, const struct matrix *by)
{
	*t = (struct matrix){by->u * t->u + by->v * t->q, by->u * t->v + by->v * t->r, by->q * t->u + by->r * t->q,
			     by->q * t->v + by->r * t->r};
}

/* Sixty steps from the low 64 bits. */
static int64_t steps(int64_t zeta, uint64_t f, uint64_t g, struct matrix *t)
{
	struct matrix next;
	zeta = twenty_steps(zeta, f, g, t);
	after(&f, &g, t);
	zeta = twenty_steps(zeta, f, g, &next);
	after(&f, &g, &next);
	compose(t, &next);
	zeta = twenty_steps(zeta, f, g, &next);
	compose(t, &next);
	return zeta;
}

INLINE void update_fg(struct long60 *f, struct long60 *g, const struct matrix *t, int n)
{
	i128 cf = (i128)t->u * f->v[0] + (i128)t->v * g->v[0];
	i128 cg = (i128)t->q * f->v[0] + (i128)t->r * g->v[0];
	cf >>= BITS;
	cg >>= BITS;
	for (int i = 1; i < n; i++) {
		cf += (i128)t->u * f->v[i] + (i128)t->v * g->v[i];
		cg += (i128)t->q * f->v[i] + (i128)t->r * g->v[i];
		f->v[i - 1] = (int64_t)((uint64_t)cf & M60);
		g->v[i - 1] = (int64_t)((uint64_t)cg & M60);
		cf >>= BITS;
		cg >>= BITS;
	}
	f->v[n - 1] = (int64_t)cf;
	g->v[n - 1] = (int64_t)cg;
}

/* The same for d, e modulo m: multiples of m make the sums divisible by 2^60 and keep them in (-2m, m). */
INLINE void update_de(struct long60 *d, struct long60 *e, const struct matrix *t, const struct long60 *m,
		      uint64_t m_inv, int n)
{
	int64_t sd = d->v[n - 1] >> 63, se = e->v[n - 1] >> 63;
	int64_t md = (t->u & sd) + (t->v & se), me = (t->q & sd) + (t->r & se);
	i128 cd = (i128)t->u * d->v[0] + (i128)t->v * e->v[0];
	i128 ce = (i128)t->q * d->v[0] + (i128)t->r * e->v[0];
	md -= (int64_t)((m_inv * (uint64_t)cd + (uint64_t)md) & M60);
	me -= (int64_t)((m_inv * (uint64_t)ce + (uint64_t)me) & M60);
	cd = (cd + (i128)m->v[0] * md) >> BITS;
	ce = (ce + (i128)m->v[0] * me) >> BITS;
	for (int i = 1; i < n; i++) {
		cd += (i128)t->u * d->v[i] + (i128)t->v * e->v[i] + (i128)m->v[i] * md;
		ce += (i128)t->q * d->v[i] + (i128)t->r * e->v[i] + (i128)m->v[i] * me;
		d->v[i - 1] = (int64_t)((uint64_t)cd & M60);
		e->v[i - 1] = (int64_t)((uint64_t)ce & M60);
		cd >>= BITS;
		ce >>= BITS;
	}
	d->v[n - 1] = (int64_t)cd;
	e->v[n - 1] = (int64_t)ce;
}

/* a += m & add, then a = -a if neg, limbs carried. */
static void fix(struct long60 *a, const struct long60 *m, int64_t add, int64_t neg, int n)
{
	int64_t c = 0;
	for (int i = 0; i < n; i++) {
		c += ((a->v[i] + (m->v[i] & add)) ^ neg) - neg;
		a->v[i] = i < n - 1 ? (int64_t)((uint64_t)c & M60) : c;
		c >>= BITS;
	}
}

INLINE void invert(uint64_t *r, const uint64_t *a, const uint64_t *m, const uint64_t *scale, int limbs, int n,
		   int rounds)
{
	struct long60 f, g, d = {{0}}, e, mm;
	split(&f, m, limbs, n);
	split(&g, a, limbs, n);
	split(&e, scale, limbs, n);
	mm = f;
	uint64_t m_inv = 1; /* 1/m mod 2^64 by Newton's iteration */
	for (int i = 0; i < 6; i++)
		m_inv *= 2 - m[0] * m_inv;
	int64_t zeta = -1;
	for (int i = 0; i < rounds; i++) {
		struct matrix t;
		uint64_t f0 = (uint64_t)f.v[0] | (uint64_t)f.v[1] << BITS;
		uint64_t g0 = (uint64_t)g.v[0] | (uint64_t)g.v[1] << BITS;
		zeta = steps(zeta, f0, g0, &t);
		update_de(&d, &e, &t, &mm, m_inv, n);
		update_fg(&f, &g, &t, n);
	}
	int64_t negative = f.v[n - 1] >> 63; /* f = -1 */
	fix(&d, &mm, d.v[n - 1] >> 63, negative, n);
	fix(&d, &mm, d.v[n - 1] >> 63, 0, n);
	join(r, &d, limbs, n);
}

/*
 * (45907 bits + 26313) / 19929 steps suffice when delta begins at 1/2: the bound of Wuille, "Bounds on divsteps iterations
 * in safegcd" (590 for 256 bits by its exact form, 2,360 for 1024). Whole words of steps are done: 600 and 2,400.
 */
#define ROUNDS(bits) (((45907 * (bits) + 26313) / 19929 + BITS - 1) / BITS)

void modinv(uint64_t *r, const uint64_t *a, const uint64_t *m, const uint64_t *scale, int limbs)
{
	if (limbs == 4)
		invert(r, a, m, scale, 4, 5, ROUNDS(256));
	else
		invert(r, a, m, scale, 16, 18, ROUNDS(1024));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_lanes.c - see p256_lanes.h.
 *
 * A number has five limbs of 52 bits and stands as x 2^260 mod p. Operands of a product are below 16 p with limbs below
 * 2^52; a product of a and b is below (a/p)(b/p)/16 p + p. Bounds, in p, are at the right margin. Montgomery's steps
 * use -1/p = 1 mod 2^52 and p + 1 = 2^96 + 2^192 + (2^48 - 2^16) 2^208.
 */
#include "mcsec/secret.h"
#include "sec/ibc/p256/p256_field.h"
#include "sec/ibc/p256/p256_lanes.h"
#include "sec/ibc/lanes/v8.h"

#if defined(__x86_64__) || defined(V8_PLAIN)

enum { N52 = 5 };

typedef struct {
	v8 l[N52];
} fe;

typedef struct {
	fe x, y, z; /* below 1.01 p, 2.1 p, 1.3 p */
} lanes_jacobian;

#define P0 UINT64_C(0xfffffffffffff)
#define P1 UINT64_C(0x00fffffffffff)
#define P3 UINT64_C(0x0001000000000)
#define P4 UINT64_C(0x0ffffffff0000)

static const uint64_t ONE[N52] = {0x0000000000010, 0xf000000000000, 0xfffffffffffff, 0xffeffffffffff, 0x00000000fffff};
/* R^(256/260): 2^256 mod p */
static const uint64_t SCALE[N52] = {0x0000000000001, 0xff00000000000, 0xfffffffffffff, 0xfffefffffffff,
				    0x000000000ffff};

/* NOLINTNEXTLINE(bugprone-macro-parentheses): i is the name that is declared */
#define EACH(i, n) _Pragma("GCC unroll 10") for (int i = 0; i < (n); i++)

V8_OP fe constant(const uint64_t c[N52])
{
	fe r;
	EACH(i, N52) r.l[i] = v8_set(c[i]);
	return r;
}

/* Limbs to [0, 2^52), carries moved up as signed numbers. */
V8_OP fe carried(fe a)
{
	const v8 low = v8_set(M52);
	EACH(i, N52 - 1)
	{
		a.l[i + 1] = v8_add(a.l[i + 1], v8_sar(a.l[i], 52));
		a.l[i] = v8_and(a.l[i], low);
	}
	return a;
}

/* a - b + k p, limbs not yet carried */
V8_OP fe minus(fe a, fe b, uint64_t k)
{
	a.l[0] = v8_add(v8_sub(a.l[0], b.l[0]), v8_set(k * P0));
	a.l[1] = v8_add(v8_sub(a.l[1], b.l[1]), v8_set(k * P1));
	a.l[2] = v8_sub(a.l[2], b.l[2]);
	a.l[3] = v8_add(v8_sub(a.l[3], b.l[3]), v8_set(k * P3));
	a.l[4] = v8_add(v8_sub(a.l[4], b.l[4]), v8_set(k * P4));
	return a;
}

V8_OP fe sub(fe a, fe b, uint64_t k)
{
	return carried(minus(a, b, k));
}

typedef struct {
	v8 t[2 * N52];
} wide;

V8_OP wide nothing(void)
{
	wide w;
	EACH(i, 2 * N52) w.t[i] = v8_set(0);
	return w;
}

/* w += a b */
V8_OP void product(wide *w, const fe *a, const fe *b)
{
	EACH(i, N52)
	{
		EACH(j, N52)
		{
			w->t[i + j] = v8_lo(w->t[i + j], a->l[i], b->l[j]);
			w->t[i + j + 1] = v8_hi(w->t[i + j + 1], a->l[i], b->l[j]);
		}
	}
}

/* w / 2^260 mod p */
V8_OP fe reduced(wide *w)
{
	const v8 c1 = v8_set(UINT64_C(1) << 44), c3 = v8_set(P3), c4 = v8_set(P4);
	v8 *t = w->t;
	fe r;
	EACH(i, N52)
	{
		v8 q = t[i]; /* products take its low 52 bits */
		t[i + 1] = v8_add(t[i + 1], v8_shr(q, 52));
		t[i + 1] = v8_lo(t[i + 1], q, c1);
		t[i + 2] = v8_hi(t[i + 2], q, c1);
		t[i + 3] = v8_lo(t[i + 3], q, c3);
		t[i + 4] = v8_hi(t[i + 4], q, c3);
		t[i + 4] = v8_lo(t[i + 4], q, c4);
		t[i + 5] = v8_hi(t[i + 5], q, c4);
	}
	EACH(i, N52) r.l[i] = t[N52 + i];
	return carried(r);
}

V8_OP fe mul(fe a, fe b)
{
	wide w = nothing();
	product(&w, &a, &b);
	return reduced(&w);
}

V8_OP fe sqr(fe a)
{
	wide w = nothing();
	EACH(i, N52)
	{
		EACH(j, N52)
		if (j > i) {
			w.t[i + j] = v8_lo(w.t[i + j], a.l[i], a.l[j]);
			w.t[i + j + 1] = v8_hi(w.t[i + j + 1], a.l[i], a.l[j]);
		}
	}
	EACH(i, 2 * N52) w.t[i] = v8_add(w.t[i], w.t[i]);
	EACH(i, N52)
	{
		w.t[2 * i] = v8_lo(w.t[2 * i], a.l[i], a.l[i]);
		w.t[2 * i + 1] = v8_hi(w.t[2 * i + 1], a.l[i], a.l[i]);
	}
	return reduced(&w);
}

/* a b + c d */
V8_OP fe mul_sum(fe a, fe b, fe c, fe d)
{
	wide w = nothing();
	product(&w, &a, &b);
	product(&w, &c, &d);
	return reduced(&w);
}

/*
 * e^2 - c - 2v + 4p (above 0, below 9 p) brought down to 1.01 p: 2^256 is taken away q times, and q (2^256 - p) added.
 * The limbs that come in are made positive, so that q is not too large.
 */
V8_OP fe next_x(fe ee, fe c, fe v)
{
	const uint64_t up = 4 * (M52 + 1);
	fe t = minus(ee, c, 4);
	t.l[0] = v8_add(t.l[0], v8_set(up));
	EACH(i, 3) t.l[i + 1] = v8_add(t.l[i + 1], v8_set(up - 4));
	t.l[4] = v8_sub(t.l[4], v8_set(4));
	EACH(i, N52) t.l[i] = v8_sub(t.l[i], v8_add(v.l[i], v.l[i]));
	v8 q = v8_shr(v8_add(t.l[4], v8_shr(t.l[3], 52)), 48);
	t.l[0] = v8_add(t.l[0], q);
	t.l[1] = v8_sub(t.l[1], v8_shl(q, 44));
	t.l[3] = v8_sub(t.l[3], v8_shl(q, 36));
	t.l[4] = v8_sub(t.l[4], v8_sub(v8_shl(q, 48), v8_shl(q, 16)));
	return carried(t);
}

/* a + (x, y) for finite points with different x; x below p, y at most p. */
V8_OP lanes_jacobian add_mixed(const lanes_jacobian *a, fe x, fe y)
{
	lanes_jacobian r;
	fe zz = sqr(a->z);                          /* 1.2 */
	fe h = sub(mul(x, zz), a->x, 2);            /* 3.1 */
	fe e = sub(mul(mul(zz, a->z), y), a->y, 3); /* 4.2 */
	r.z = mul(a->z, h);                         /* 1.3 */
	fe hh = sqr(h);                             /* 1.7 */
	fe v = mul(a->x, hh), hhh = mul(hh, h);     /* 1.2, 1.4 */
	r.x = next_x(sqr(e), hhh, v);               /* 1.01; e^2 is below 2.2 */
	const fe none = {{v8_set(0), v8_set(0), v8_set(0), v8_set(0), v8_set(0)}};
	r.y = mul_sum(e, sub(v, r.x, 2), hhh, sub(none, a->y, 3)); /* 2.1 */
	return r;
}

/* a + b for finite points with different x. */
V8_OP lanes_jacobian add_full(const lanes_jacobian *a, const lanes_jacobian *b)
{
	lanes_jacobian r;
	fe az = sqr(a->z), bz = sqr(b->z);                  /* 1.2 */
	fe u = mul(a->x, bz), s = mul(mul(bz, b->z), a->y); /* 1.1, 1.2 */
	fe h = sub(mul(b->x, az), u, 2);                    /* 3.1 */
	fe e = sub(mul(mul(az, a->z), b->y), s, 2);         /* 3.2 */
	r.z = mul(mul(a->z, b->z), h);                      /* 1.3 */
	fe hh = sqr(h);                                     /* 1.7 */
	fe v = mul(u, hh), hhh = mul(hh, h);                /* 1.2, 1.4 */
	r.x = next_x(sqr(e), hhh, v);
	const fe none = {{v8_set(0), v8_set(0), v8_set(0), v8_set(0), v8_set(0)}};
	r.y = mul_sum(e, sub(v, r.x, 2), hhh, sub(none, s, 2));
	return r;
}

/* ---- The table ---- */

V8_OP fe unpacked(const v8 w[4])
{
	const v8 low = v8_set(M52);
	return (fe){{v8_and(w[0], low), v8_and(v8_or(v8_shr(w[0], 52), v8_shl(w[1], 12)), low),
		     v8_and(v8_or(v8_shr(w[1], 40), v8_shl(w[2], 24)), low),
		     v8_and(v8_or(v8_shr(w[2], 28), v8_shl(w[3], 36)), low), v8_shr(w[3], 16)}};
}

/* Reads every entry of the round. */
V8_OP void pick(fe *x, fe *y, const uint64_t entry[][8][P256_LANES], const struct p256_lanes_digits *d)
{
	v8 want = v8_load(d->entry), w[8];
	EACH(i, 8) w[i] = v8_load(entry[0][i]);
	for (unsigned e = 1; e < P256_LANES_ENTRIES; e++) {
		lane_mask yes = v8_equal(want, v8_set(e));
		EACH(i, 8) w[i] = v8_select(yes, v8_load(entry[e][i]), w[i]);
	}
	*x = unpacked(w);
	*y = unpacked(w + 4);
	const fe none = {{v8_set(0), v8_set(0), v8_set(0), v8_set(0), v8_set(0)}};
	fe other = minus(none, *y, 1);
	EACH(i, N52) y->l[i] = v8_select(d->negative, other.l[i], y->l[i]);
	*y = carried(*y);
}

V8_OP fe choose(lane_mask m, fe a, fe b)
{
	EACH(i, N52) b.l[i] = v8_select(m, a.l[i], b.l[i]);
	return b;
}

/* Lane l takes what lane l + n holds. */
V8_OP lanes_jacobian rotated(const lanes_jacobian *a, unsigned n)
{
	lanes_jacobian r;
	EACH(i, N52)
	{
		r.x.l[i] = v8_rotate(a->x.l[i], n);
		r.y.l[i] = v8_rotate(a->y.l[i], n);
		r.z.l[i] = v8_rotate(a->z.l[i], n);
	}
	return r;
}

void p256_lanes_put(struct p256_lanes_table *t, unsigned window, unsigned entry, const struct p256_affine *p)
{
	struct p256_affine scaled = *p;
	for (int i = 0; i < 4; i++) { /* 2^256 to 2^260 */
		add_mod(&scaled.x, &scaled.x, &scaled.x, &F.m);
		add_mod(&scaled.y, &scaled.y, &scaled.y, &F.m);
	}
	for (int i = 0; i < 4; i++) {
		t->word[window / P256_LANES][entry][i][window % P256_LANES] = scaled.x.v[i];
		t->word[window / P256_LANES][entry][4 + i][window % P256_LANES] = scaled.y.v[i];
	}
}

/* To x 2^256, below p + 2^222 < 2^256, limbs packed. */
V8_OP void scaled_out(uint64_t out[4][P256_LANES], fe a)
{
	fe r = mul(a, constant(SCALE));
	v8_store(out[0], v8_or(r.l[0], v8_shl(r.l[1], 52)));
	v8_store(out[1], v8_or(v8_shr(r.l[1], 12), v8_shl(r.l[2], 40)));
	v8_store(out[2], v8_or(v8_shr(r.l[2], 24), v8_shl(r.l[3], 28)));
	v8_store(out[3], v8_or(v8_shr(r.l[3], 36), v8_shl(r.l[4], 16)));
}

static void lane_out(struct n256 *r, uint64_t out[4][P256_LANES], int l)
{
	subtract_if_above(r, out[0][l], out[1][l], out[2][l], out[3][l], 0, &F.m);
}

V8_CODE void p256_lanes_sum(struct p256_point half[2], const struct p256_lanes_table *t,
			    const struct p256_lanes_digits digits[P256_LANES_ROUNDS])
{
	lanes_jacobian sum, more;
	fe x, y;
	_Alignas(64) uint64_t out[3][4][P256_LANES];
	pick(&sum.x, &sum.y, t->word[0], &digits[0]);
	sum.z = constant(ONE);
	for (int r = 1; r < P256_LANES_ROUNDS - 1; r++) {
		pick(&x, &y, t->word[r], &digits[r]);
		sum = add_mixed(&sum, x, y);
	}
	const int last = P256_LANES_ROUNDS - 1;
	const lane_mask full = (1 << (P256_LANES_WINDOWS - last * P256_LANES)) - 1;
	pick(&x, &y, t->word[last], &digits[last]);
	more = add_mixed(&sum, x, y);
	sum.x = choose(full, more.x, sum.x);
	sum.y = choose(full, more.y, sum.y);
	sum.z = choose(full, more.z, sum.z);
	for (unsigned n = P256_LANES / 2; n > 1; n /= 2) {
		more = rotated(&sum, n);
		sum = add_full(&sum, &more);
	}
	scaled_out(out[0], sum.x);
	scaled_out(out[1], sum.y);
	scaled_out(out[2], sum.z);
	for (int l = 0; l < 2; l++) {
		lane_out(&half[l].x, out[0], l);
		lane_out(&half[l].y, out[1], l);
		lane_out(&half[l].z, out[2], l);
	}
	mcsec_wipe(out, sizeof out);
}

#else

void p256_lanes_put(struct p256_lanes_table *t, unsigned window, unsigned entry, const struct p256_affine *p)
{
	(void)t;
	(void)window;
	(void)entry;
	(void)p;
}

void p256_lanes_sum(struct p256_point half[2], const struct p256_lanes_table *t,
		    const struct p256_lanes_digits digits[P256_LANES_ROUNDS])
{
	(void)t;
	(void)digits;
	memset(half, 0, 2 * sizeof *half);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* p256_point.c - points of P-256; see p256.h. */
#include "sec/ibc/p256/p256_field.h"

static const struct n256 CURVE_B = {{0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6, 0xdc30061d04874834}};
#define MUL(r, a, b) mul_p(&(r), &(a), &(b))
#define SQR(r, a)    mul_p(&(r), &(a), &(a))
#define ADD(r, a, b) add_mod(&(r), &(a), &(b), &F.m)
#define SUB(r, a, b) sub_mod(&(r), &(a), &(b), &F.m)

enum mcsec_err p256_load(struct p256_affine *r, const uint8_t in[P256_POINT_OCTETS])
{
	struct n256 l, t;
	mask_t ok = mask_equal(in[0], 4);
	ok &= load_mod(&r->x, in + 1, &F);
	ok &= load_mod(&r->y, in + 33, &F);
	/* y^2 = x^3 - 3x + b */
	SQR(l, r->y);
	SQR(t, r->x);
	SUB(t, t, F.one);
	SUB(t, t, F.one);
	SUB(t, t, F.one);
	MUL(t, t, r->x);
	ADD(t, t, CURVE_B);
	ok &= equal(&l, &t);
	return ok ? MCSEC_OK : MCSEC_E_POINT;
}

void p256_store_x(uint8_t out[32], const struct p256_affine *a)
{
	store_mod(out, &a->x, &F);
}

void p256_store(uint8_t out[P256_POINT_OCTETS], const struct p256_affine *a)
{
	out[0] = 4;
	store_mod(out + 1, &a->x, &F);
	store_mod(out + 33, &a->y, &F);
}

void p256_from(struct p256_point *r, const struct p256_affine *a)
{
	r->x = a->x;
	r->y = a->y;
	r->z = F.one;
}

mask_t p256_is_infinity(const struct p256_point *a)
{
	return is_zero(&a->z);
}

/* No point of P-256 has y = 0. */
void p256_double(struct p256_point *r, const struct p256_point *a)
{
	struct n256 zz, yy, s, m, t;
	SQR(zz, a->z);
	SQR(yy, a->y);
	SUB(s, a->x, zz);
	ADD(t, a->x, zz);
	MUL(s, s, t);
	ADD(m, s, s);
	ADD(m, m, s);
	MUL(r->z, a->y, a->z);
	ADD(r->z, r->z, r->z);
	MUL(s, a->x, yy);
	ADD(s, s, s);
	ADD(s, s, s);
	SQR(t, m);
	SUB(t, t, s);
	SUB(r->x, t, s);
	ADD(yy, yy, yy);
	SQR(yy, yy);
	ADD(yy, yy, yy); /* 8 y^4 */
	SUB(s, s, r->x);
	MUL(s, s, m);
	SUB(r->y, s, yy);
}

void p256_add_mixed(struct p256_point *r, const struct p256_point *a, const struct p256_affine *b)
{
	struct n256 zz, h, hh, e, v, t;
	SQR(zz, a->z);
	MUL(h, b->x, zz);
	SUB(h, h, a->x);
	MUL(e, b->y, zz);
	MUL(e, e, a->z);
	SUB(e, e, a->y);
	MUL(r->z, a->z, h);
	SQR(hh, h);
	MUL(v, a->x, hh);
	MUL(hh, hh, h);
	SQR(t, e);
	SUB(t, t, hh);
	SUB(t, t, v);
	SUB(r->x, t, v);
	SUB(t, v, r->x);
	MUL(t, t, e);
	MUL(hh, hh, a->y);
	SUB(r->y, t, hh);
}

static void point_cmov(struct p256_point *r, const struct p256_point *a, mask_t yes)
{
	cmov(&r->x, &a->x, yes);
	cmov(&r->y, &a->y, yes);
	cmov(&r->z, &a->z, yes);
}

void p256_add(struct p256_point *r, const struct p256_point *a, const struct p256_point *b)
{
	struct n256 z1, z2, u1, u2, s1, s2, h, e, hh, t;
	struct p256_point sum, twice;
	SQR(z1, a->z);
	SQR(z2, b->z);
	MUL(u1, a->x, z2);
	MUL(u2, b->x, z1);
	MUL(s1, a->y, z2);
	MUL(s1, s1, b->z);
	MUL(s2, b->y, z1);
	MUL(s2, s2, a->z);
	SUB(h, u2, u1);
	SUB(e, s2, s1);
	mask_t same = is_zero(&h) & is_zero(&e);
	MUL(sum.z, a->z, b->z);
	MUL(sum.z, sum.z, h);
	SQR(hh, h);
	MUL(u1, u1, hh);
	MUL(hh, hh, h);
	SQR(t, e);
	SUB(t, t, hh);
	SUB(t, t, u1);
	SUB(sum.x, t, u1);
	SUB(t, u1, sum.x);
	MUL(t, t, e);
	MUL(hh, hh, s1);
	SUB(sum.y, t, hh);

	p256_double(&twice, a);
	mask_t a_inf = is_zero(&a->z), b_inf = is_zero(&b->z);
	point_cmov(&sum, &twice, same);
	point_cmov(&sum, b, a_inf);
	point_cmov(&sum, a, b_inf);
	*r = sum;
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&twice, sizeof twice);
}

mask_t p256_to_affine(struct p256_affine *r, const struct p256_point *a)
{
	struct n256 inv, square;
	mask_t finite = ~is_zero(&a->z);
	modinv(inv.v, a->z.v, F.m.v, F.rr.v, 4);
	SQR(square, inv);
	MUL(r->x, a->x, square);
	MUL(square, square, inv);
	MUL(r->y, a->y, square);
	mcsec_wipe(&inv, sizeof inv);
	mcsec_wipe(&square, sizeof square);
	return finite;
}

mask_t p256_equal(const struct p256_point *a, const struct p256_point *b)
{
	struct n256 z1, z2, l, r;
	mask_t a_inf = is_zero(&a->z), b_inf = is_zero(&b->z), same;
	SQR(z1, a->z);
	SQR(z2, b->z);
	MUL(l, a->x, z2);
	MUL(r, b->x, z1);
	same = equal(&l, &r);
	MUL(z1, z1, a->z);
	MUL(z2, z2, b->z);
	MUL(l, a->y, z2);
	MUL(r, b->y, z1);
	same &= equal(&l, &r);
	return (same & ~a_inf & ~b_inf) | (a_inf & b_inf);
}

void p256_to_affine_many(struct p256_affine *r, const struct p256_point *a, struct n256 *before, size_t n)
{
	struct n256 inv, z, square;
	z = F.one;
	for (size_t i = 0; i < n; i++) {
		before[i] = z;
		MUL(z, z, a[i].z);
	}
	modinv(inv.v, z.v, F.m.v, F.rr.v, 4);
	for (size_t i = n; i-- > 0;) {
		MUL(z, inv, before[i]);
		MUL(inv, inv, a[i].z);
		SQR(square, z);
		MUL(r[i].x, a[i].x, square);
		MUL(square, square, z);
		MUL(r[i].y, a[i].y, square);
	}
}

void p256_negate_if(struct p256_affine *p, mask_t yes)
{
	struct n256 zero = {{0}}, minus;
	SUB(minus, zero, p->y);
	cmov(&p->y, &minus, yes);
}

/* ---- Public scalars and points: variable time -------------------------------------------------------------------- */

void p256_add_public(struct p256_point *r, const struct p256_affine *b)
{
	struct p256_point full, sum;
	p256_add_mixed(&sum, r, b);
	/* r infinite, or equal x: the rare cases go the complete way */
	if (is_zero(&sum.z)) {
		p256_from(&full, b);
		p256_add(&sum, r, &full);
	}
	*r = sum;
}

/* Width-5 non-adjacent form over eight odd multiples. */
void p256_mul_public(struct p256_point *r, const struct n256 *k, const struct p256_affine *a)
{
	enum { W = 5, ODD = 1 << (W - 2) };
	int8_t digit[258];
	int len = 0;
	struct n256 n;
	struct p256_point jac[ODD], twice, sum = {.y = F.one};
	struct p256_affine odd[ODD];
	struct n256 before[ODD];
	leave(&n, k, &N);
	for (uint64_t top = 0; !is_zero(&n) || top; len++) {
		int d = 0;
		if (n.v[0] & 1) {
			d = (int)(n.v[0] & ((1 << W) - 1));
			uint64_t c = 0;
			if (d >= 1 << (W - 1)) {
				d -= 1 << W;
				n.v[0] = adc(n.v[0], (uint64_t)-d, &c);
				for (int i = 1; i < 4; i++)
					n.v[i] = adc(n.v[i], 0, &c);
				top = c;
			} else {
				n.v[0] -= (uint64_t)d;
			}
		}
		digit[len] = (int8_t)d;
		for (int i = 0; i < 3; i++)
			n.v[i] = n.v[i] >> 1 | n.v[i + 1] << 63;
		n.v[3] = n.v[3] >> 1 | top << 63;
		top = 0;
	}
	p256_from(&jac[0], a);
	p256_double(&twice, &jac[0]);
	for (int i = 1; i < ODD; i++)
		p256_add(&jac[i], &jac[i - 1], &twice);
	p256_to_affine_many(odd, jac, before, ODD); /* an odd multiple below n of a finite point is finite */
	for (int i = len - 1; i >= 0; i--) {
		p256_double(&sum, &sum);
		if (digit[i]) {
			struct p256_affine p = odd[(digit[i] < 0 ? -digit[i] : digit[i]) / 2];
			p256_negate_if(&p, digit[i] < 0 ? ~(mask_t)0 : 0);
			p256_add_public(&sum, &p);
		}
	}
	*r = sum;
}

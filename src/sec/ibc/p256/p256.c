/* SPDX-License-Identifier: Apache-2.0 */
/* p256.c - scalars modulo the order n of P-256; see p256.h. */
#include "sec/ibc/p256/p256_field.h"

/* ---- Scalars ---- */

void scalar_add(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	add_mod(r, a, b, &N.m);
}

void scalar_sub(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	sub_mod(r, a, b, &N.m);
}

void scalar_mul(struct n256 *r, const struct n256 *a, const struct n256 *b)
{
	mul_n(r, a, b);
}

void scalar_inv(struct n256 *r, const struct n256 *a)
{
	modinv(r->v, a->v, N.m.v, N.rr.v, 4);
}

mask_t scalar_is_zero(const struct n256 *a)
{
	return is_zero(a);
}

mask_t scalar_load(struct n256 *r, const uint8_t in[32])
{
	mask_t below = load_mod(r, in, &N);
	return below & ~is_zero(r);
}

void scalar_store(uint8_t out[32], const struct n256 *a)
{
	store_mod(out, a, &N);
}

void scalar_plain(struct n256 *r, const struct n256 *a)
{
	leave(r, a, &N);
}

/* Barrett: x mod m for m = n - 1, with MU = floor(2^512 / m); the quotient's estimate is at most 2 too small. */
void scalar_from_hash(struct n256 *r, const uint8_t hash[64])
{
	static const uint64_t MU[5] = {0x012ffd85eedf9bff, 0x43190552df1a6c21, 0xfffffffeffffffff, 0x00000000ffffffff,
				       0x0000000000000001};
	struct n256 m = N.m, lo, hi;
	uint64_t x[8], q[10] = {0}, qm[9] = {0}, d[5], borrow = 0;
	m.v[0]--;
	load_plain(&hi, hash);
	load_plain(&lo, hash + 32);
	memcpy(x, lo.v, sizeof lo);
	memcpy(x + 4, hi.v, sizeof hi);
	/* q = floor(x / 2^192) MU; its limbs 5.. are the estimate */
	for (int i = 0; i < 5; i++) {
		uint64_t c = 0;
		for (int j = 0; j < 5; j++)
			q[i + j] = mac(x[3 + i], MU[j], q[i + j], &c);
		q[i + 5] = c;
	}
	for (int i = 0; i < 5; i++) {
		uint64_t c = 0;
		for (int j = 0; j < 4; j++)
			qm[i + j] = mac(q[5 + i], m.v[j], qm[i + j], &c);
		qm[i + 4] = c;
	}
	for (int i = 0; i < 5; i++)
		d[i] = sbb(x[i], qm[i], &borrow); /* modulo 2^320, below 3m */
	for (int i = 0; i < 2; i++) {
		uint64_t t[5];
		borrow = 0;
		for (int k = 0; k < 5; k++)
			t[k] = sbb(d[k], k < 4 ? m.v[k] : 0, &borrow);
		mask_t keep = mask_of_bit(borrow);
		for (int k = 0; k < 5; k++)
			d[k] = (d[k] & keep) | (t[k] & ~keep);
	}
	memcpy(lo.v, d, sizeof lo);
	mul_n(r, &lo, &N.rr);
	add_mod(r, r, &N.one, &N.m);
	mcsec_wipe(x, sizeof x);
	mcsec_wipe(q, sizeof q);
	mcsec_wipe(qm, sizeof qm);
	mcsec_wipe(d, sizeof d);
	mcsec_wipe(&lo, sizeof lo);
	mcsec_wipe(&hi, sizeof hi);
}

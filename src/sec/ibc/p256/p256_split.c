/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_split.c - multiples of a public point that comes again and again: a small table, made for less than one
 * multiplication costs, saves three doublings of four. Variable time: public scalars and points only.
 *
 * k = k0 + 2^64 k1 + 2^128 k2 + 2^192 k3; each k_i in width-5 non-adjacent form over the odd multiples of 2^(64 i) a;
 * the four go through one chain of 64 doublings.
 */
#include "sec/ibc/p256/p256_field.h"

enum { PARTS = P256_SPLIT_PARTS, ODD = P256_SPLIT_ODD, WIDTH = 5, DIGITS = 66 };

void p256_split_new(struct p256_split *s, const struct p256_affine *a)
{
	struct p256_point all[PARTS * ODD], base, twice;
	struct n256 before[PARTS * ODD];
	p256_from(&base, a);
	for (int i = 0; i < PARTS; i++) {
		struct p256_point *at = all + i * ODD;
		at[0] = base;
		p256_double(&twice, &base);
		for (int k = 1; k < ODD; k++)
			p256_add(&at[k], &at[k - 1], &twice);
		base = twice;
		for (int k = 1; k < 64; k++)
			p256_double(&base, &base);
	}
	p256_to_affine_many(&s->odd[0][0], all, before, PARTS * ODD); /* finite: the order is prime */
}

/* x = sum digit[i] 2^i, each digit 0 or odd and below 2^4 in size. */
static void recode(int8_t digit[DIGITS], uint64_t x)
{
	unsigned __int128 left = x;
	for (int i = 0; i < DIGITS; i++) {
		int d = left & 1 ? (int)(left & ((1 << WIDTH) - 1)) : 0;
		if (d >= 1 << (WIDTH - 1))
			d -= 1 << WIDTH;
		digit[i] = (int8_t)d;
		left = (left - (unsigned __int128)(__int128)d) >> 1;
	}
}

void p256_mul_split_public(struct p256_point *r, const struct p256_split *s, const struct n256 *k)
{
	int8_t digit[PARTS][DIGITS];
	struct n256 plain;
	struct p256_point sum = {.y = F.one};
	scalar_plain(&plain, k);
	for (int i = 0; i < PARTS; i++)
		recode(digit[i], plain.v[i]);
	for (int j = DIGITS - 1; j >= 0; j--) {
		p256_double(&sum, &sum);
		for (int i = 0; i < PARTS; i++) {
			/* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): a signed digit, no character */
			int d = digit[i][j];
			if (!d)
				continue;
			struct p256_affine p = s->odd[i][(d < 0 ? -d : d) / 2];
			p256_negate_if(&p, d < 0 ? ~(mask_t)0 : 0);
			p256_add_public(&sum, &p);
		}
	}
	*r = sum;
}

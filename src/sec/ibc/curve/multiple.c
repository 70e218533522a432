/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multiple.c - multiples of points that are not fixed (curve.h): one with a secret scalar, and public sums. A KMS
 * checks with them what it has issued.
 */
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/curve/curve.h"

enum { W = 5, ODD = 1 << (W - 1) };

/* odd[i] = (2i + 1)a for i < n, in Jacobian form. */
static void odd_multiples(struct jacobian *odd, const struct point *a, size_t n)
{
	struct jacobian twice;
	jacobian_from(&odd[0], a);
	jacobian_double(&twice, &odd[0]);
	for (size_t i = 1; i < n; i++)
		jacobian_add(&odd[i], &odd[i - 1], &twice);
	mcsec_wipe(&twice, sizeof twice);
}

/* Odd signed digits (comb.c) from the top; every entry of the table is read for each. */
mask_t point_mul(struct point *r, const struct num *k, const struct point *a)
{
	struct {
		struct jacobian odd[ODD], sum, p;
		struct point table[ODD], pick;
		struct num scratch[2 * ODD];
		struct digits d;
	} *w = mcsec_secret_alloc(sizeof *w);
	if (!w)
		return 0;
	const unsigned windows = comb_windows(W);
	odd_multiples(w->odd, a, ODD);
	jacobian_normalise(w->table, w->odd, w->scratch, ODD);
	digits_of(&w->d, k, W);
	for (unsigned j = windows; j-- > 0;) {
		for (int i = 0; i < W && j + 1 < windows; i++)
			jacobian_double(&w->sum, &w->sum);
		/* the one table serves every window */
		comb_pick_shared(&w->pick, w->table, &w->d, W, j);
		jacobian_from(&w->p, &w->pick);
		if (j + 1 == windows)
			w->sum = w->p;
		else
			jacobian_add(&w->sum, &w->sum, &w->p);
	}
	jacobian_normalise(r, &w->sum, w->scratch, 1);
	mask_t ok = ~num_is_zero(&w->sum.z);
	mcsec_secret_free(w);
	return ok;
}

/* ---- Public scalars: width-6 non-adjacent forms with shared doublings ---- */

enum { NAF_W = 6, NAF_ODD = 1 << (NAF_W - 2), NAF_MAX = 1025 };

size_t point_sum_public_octets(size_t n)
{
	return n * (NAF_ODD * (sizeof(struct jacobian) + sizeof(struct point) + 2 * sizeof(struct num)) + NAF_MAX);
}

static void naf_digits(int8_t digit[NAF_MAX], struct num k)
{
	memset(digit, 0, NAF_MAX);
	for (int at = 0; !num_is_zero(&k); at++) {
		if (k.v[0] & 1) {
			int d = (int)(k.v[0] & ((1 << NAF_W) - 1));
			if (d >= 1 << (NAF_W - 1)) {
				d -= 1 << NAF_W;
				uint64_t c = (uint64_t)-d; /* k is below 2^1023: no carry leaves the top */
				for (int i = 0; i < NUM_LIMBS && c; i++) {
					k.v[i] += c;
					c = k.v[i] < c;
				}
			} else {
				k.v[0] -= (uint64_t)d;
			}
			digit[at] = (int8_t)d;
		}
		for (int i = 0; i < NUM_LIMBS; i++)
			k.v[i] = k.v[i] >> 1 | (i + 1 < NUM_LIMBS ? k.v[i + 1] << 63 : 0);
	}
}

void point_sum_public(struct jacobian *r, const struct num *k, const struct point *a, size_t n, void *memory)
{
	struct jacobian *odd = memory;
	struct point *table = (struct point *)(odd + n * NAF_ODD);
	struct num *scratch = (struct num *)(table + n * NAF_ODD);
	int8_t(*digit)[NAF_MAX] = (int8_t(*)[NAF_MAX])(scratch + 2 * n * NAF_ODD);
	for (size_t i = 0; i < n; i++) {
		odd_multiples(&odd[i * NAF_ODD], &a[i], NAF_ODD);
		naf_digits(digit[i], k[i]);
	}
	jacobian_normalise(table, odd, scratch, n * NAF_ODD);
	struct jacobian sum = {.x = FP.one, .y = FP.one}, p;
	for (int at = NAF_MAX - 1; at >= 0; at--) {
		jacobian_double(&sum, &sum);
		for (size_t i = 0; i < n; i++) {
			/* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): a signed digit, no character */
			int d = digit[i][at];
			if (!d)
				continue;
			struct point q = table[i * NAF_ODD + (size_t)((d < 0 ? -d : d) / 2)];
			if (d < 0)
				fp_neg(&q.y, &q.y);
			if (!jacobian_add_mixed(&sum, &q)) { /* infinity before the first, or an exception */
				jacobian_from(&p, &q);
				jacobian_add(&sum, &sum, &p);
			}
		}
	}
	*r = sum;
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&p, sizeof p);
}

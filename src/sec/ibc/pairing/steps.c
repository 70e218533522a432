/* SPDX-License-Identifier: Apache-2.0 */
/* steps.c - see steps.h. */
#include <pthread.h>

#include "sec/ibc/pairing/steps.h"

static struct steps steps;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void shift_right(struct num *k, unsigned n)
{
	for (int i = 0; i < NUM_LIMBS; i++)
		k->v[i] = k->v[i] >> n | (i + 1 < NUM_LIMBS ? k->v[i + 1] << (64 - n) : 0);
}

/* k -= d for a small d that the lowest bits of k are, or are with 2^n added; k stays below 2^1023. */
static void take(struct num *k, int d)
{
	uint64_t before = k->v[0];
	k->v[0] -= (uint64_t)(int64_t)d;
	if (d < 0 && k->v[0] < before)
		for (int i = 1; i < NUM_LIMBS && ++k->v[i] == 0; i++)
			;
}

static void emit(unsigned doublings, int add)
{
	steps.step[steps.n++] = (struct step){.doublings = (uint8_t)doublings, .add = (int8_t)add};
	steps.lines += doublings + (add != 0);
	steps.additions += add != 0;
}

/* A run of doublings and the addition that ends it: an odd one out first, then two by two. */
static void emit_run(unsigned doublings, int add)
{
	if (doublings % 2)
		emit(1, 0);
	for (; doublings > 3; doublings -= 2)
		emit(2, 0);
	if (doublings > 1)
		emit(2, add);
}

static void follow_q(void)
{
	int8_t naf[SCALAR_BITS + 1];
	int len = 0;
	struct num k = FQ.m;
	take(&k, 1); /* q is odd */
	for (; !num_is_zero(&k); len++) {
		naf[len] = (int8_t)(k.v[0] & 1 ? 2 - (int)(k.v[0] & 3) : 0);
		take(&k, naf[len]);
		shift_right(&k, 1);
	}
	unsigned run = 0;
	for (int i = len - 2; i >= 0; i--) {
		run++;
		if (naf[i] || i == 0) {
			emit_run(run, naf[i]);
			run = 0;
		}
	}
}

/*
 * Digits of q at the places where the loop stops, from the last to the first. A digit clears the four lowest bits; it
 * is only set where the way to the next place would lose a bit.
 */
static int8_t unit_before(struct num *k, unsigned doublings)
{
	int d = 0;
	if (k->v[0] & ((1u << doublings) - 1)) {
		d = (int)(k->v[0] & (2 * UNIT_MAX - 1));
		if (d > UNIT_MAX)
			d -= 2 * UNIT_MAX;
		take(k, d);
	}
	shift_right(k, doublings);
	return (int8_t)d;
}

static void place_units(void)
{
	struct num k = FQ.m;
	for (int i = LAST_SQUARINGS; i-- > 0;)
		steps.last[i] = unit_before(&k, 1);
	for (size_t i = steps.n; i-- > 1;)
		steps.step[i].unit = unit_before(&k, steps.step[i].doublings);
	steps.step[0].unit = (int8_t)k.v[0]; /* what is left is 1 or 2: q has 1022 bits, and after step 0 come 1021 */
}

static void init(void)
{
	follow_q();
	place_units();
}

const struct steps *steps_of_q(void)
{
	pthread_once(&once, init);
	return &steps;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ct_ifma.c - the field multiplication of mont_ifma.c, in the plain form of v8.h, with secret factors under valgrind:
 * no branch and no address depends on them. On its own because that form is slow; ct_ibc.c has all that calls it.
 * The products are compared with the portable ones. Prints TAP.
 */
#include <stdio.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include "sec/ibc/field/mont.h"

static int number, failed;

static void tap(int ok, const char *name)
{
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++number, name);
	failed += !ok;
}

static void products(const struct modulus *m, const char *name)
{
	struct num a = m->rr, b = m->one, want, got, square;
	int same = 1;
	unsigned before = (unsigned)VALGRIND_COUNT_ERRORS;
	for (int i = 0; i < 200; i++) {
		mont_portable.mul(&want, &a, &b, m);
		(void)VALGRIND_MAKE_MEM_UNDEFINED(&a, sizeof a);
		(void)VALGRIND_MAKE_MEM_UNDEFINED(&b, sizeof b);
		ifma_mul(&got, &a, &b, m);
		ifma_sqr(&square, &a, m);
		(void)VALGRIND_MAKE_MEM_DEFINED(&got, sizeof got);
		(void)VALGRIND_MAKE_MEM_DEFINED(&square, sizeof square);
		(void)VALGRIND_MAKE_MEM_DEFINED(&a, sizeof a);
		same &= memcmp(&got, &want, sizeof got) == 0;
		mont_portable.sqr(&want, &a, m);
		same &= memcmp(&square, &want, sizeof want) == 0;
		b = a;
		a = got;
	}
	tap(same && (unsigned)VALGRIND_COUNT_ERRORS == before, name);
}

int main(void)
{
	if (!RUNNING_ON_VALGRIND) {
		fprintf(stderr, "run under valgrind\n");
		return 2;
	}
	/* a leak would be seen */
	struct num secret = FP.one;
	volatile int leaks = 0;
	unsigned before = (unsigned)VALGRIND_COUNT_ERRORS;
	(void)VALGRIND_MAKE_MEM_UNDEFINED(&secret, sizeof secret);
	if (secret.v[0] == 1)
		leaks = 1;
	tap((unsigned)VALGRIND_COUNT_ERRORS > before, "a branch on a secret is reported");
	(void)leaks;
	products(&FP, "a product modulo p");
	products(&FQ, "a product modulo q");
	printf("1..%d\n", number);
	return failed != 0;
}

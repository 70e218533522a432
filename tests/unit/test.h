/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test.h - what every unit test includes first: cmocka with the headers it wants before it, hex for vectors, and the
 * choice of single tests: MCX_TESTS=NAME,NAME in the environment runs these of the program alone, in their order.
 */
#ifndef MCX_TEST_H
#define MCX_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sec/base/text.h"

/* Octets from a hex literal into buf (its size must fit); returns how many. Fails the test on bad hex. */
static inline size_t unhex(const char *hex, uint8_t *buf, size_t size)
{
	size_t n = 0;
	assert_int_equal(hex_decode(hex, strlen(hex), buf, size, &n), MCSEC_OK);
	return n;
}

static inline int tests_names(const char *list, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
		if (strcspn(at, ",") == n && memcmp(at, name, n) == 0)
			return 1;
	return 0;
}

/* As cmocka's own, but for MCX_TESTS: its filter takes one pattern. */
static inline int tests_run(const char *group, const struct CMUnitTest *all, size_t n, CMFixtureFunction set_up,
			    CMFixtureFunction tear_down)
{
	const char *list = getenv("MCX_TESTS");
	struct CMUnitTest *some = list ? calloc(n, sizeof *some) : NULL;
	size_t n_some = 0;
	for (size_t i = 0; some && i < n; i++)
		if (tests_names(list, all[i].name))
			some[n_some++] = all[i];
	int rc = _cmocka_run_group_tests(group, some ? some : all, some ? n_some : n, set_up, tear_down);
	free(some);
	return rc;
}
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name that its macros use */
#define _cmocka_run_group_tests tests_run

#endif

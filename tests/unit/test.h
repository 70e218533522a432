/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - what every unit test includes first: cmocka with the headers it wants before it, and hex for vectors. */
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

#endif

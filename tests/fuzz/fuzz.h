/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the targets share. A target takes hostile octets, calls one parser, and ends the process when the
 * parser breaks its word: what it accepted lies inside the input and reads back the same after writing; what it
 * refused names an offset inside the input. Memory errors are the sanitizers' business.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "sec/base/bytes.h"

#define HOLDS(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                             \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline int inside(struct octets part, const uint8_t *p, size_t len)
{
	return part.len == 0 || (part.p >= p && part.len <= len && part.p - p <= (ptrdiff_t)(len - part.len));
}

#endif

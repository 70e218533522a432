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
#include <string.h>

#include "sec/base/bytes.h"

#ifdef FUZZ_REPLAY /* replay.c: what the target itself asks for never fails */
_Noreturn void fuzz_broken(const char *file, int line, const char *what);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *s);
void *__real_mcsec_secret_alloc(size_t n);
#define malloc             __real_malloc
#define calloc             __real_calloc
#define strdup             __real_strdup
#define mcsec_secret_alloc __real_mcsec_secret_alloc
#else
static inline _Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}
#endif

#define HOLDS(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			fuzz_broken(__FILE__, __LINE__, #what);                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline int inside(struct octets part, const uint8_t *p, size_t len)
{
	return part.len == 0 || (part.p >= p && part.len <= len && part.p - p <= (ptrdiff_t)(len - part.len));
}

#endif

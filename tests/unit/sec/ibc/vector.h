/* SPDX-License-Identifier: Apache-2.0 */
/* vector.h - one string member of a flat JSON vector file, as octets; and fixed randomness for tests. */
#ifndef TEST_IBC_VECTOR_H
#define TEST_IBC_VECTOR_H

#include <pthread.h>

#include "unit/test.h"

#include "mcsec/rng.h"

struct vector_file {
	char text[16384];
};

static inline void vector_open(struct vector_file *f, const char *name)
{
	char path[512];
	const char *dir = getenv("MCX_VECTORS");
	assert_non_null(dir);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	size_t n = fread(f->text, 1, sizeof f->text - 1, in);
	fclose(in);
	f->text[n] = '\0';
}

/* The member's octets, left-padded to exactly `size`; an odd number of digits gets a zero in front. */
static inline void vector_get(const struct vector_file *f, const char *key, uint8_t *out, size_t size)
{
	char quoted[64], digits[2048];
	snprintf(quoted, sizeof quoted, "\"%s\": \"", key);
	const char *at = strstr(f->text, quoted);
	assert_non_null(at);
	at += strlen(quoted);
	size_t n = strcspn(at, "\""), len;
	assert_true(n + 2 < sizeof digits);
	snprintf(digits, sizeof digits, "%s%.*s", n % 2 ? "0" : "", (int)n, at);
	len = (n + 1) / 2;
	assert_true(len <= size);
	memset(out, 0, size);
	unhex(digits, out + size - len, len);
}

static inline size_t vector_len(const struct vector_file *f, const char *key)
{
	char quoted[64];
	snprintf(quoted, sizeof quoted, "\"%s\": \"", key);
	const char *at = strstr(f->text, quoted);
	assert_non_null(at);
	return (strcspn(at + strlen(quoted), "\"") + 1) / 2;
}

/* A reproducible source: xorshift64*. Batches draw from it on several threads. */
static inline enum mcsec_err test_fill(void *ctx, uint8_t *out, size_t n)
{
	static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;
	uint64_t *s = ctx;
	pthread_mutex_lock(&drawing);
	for (size_t i = 0; i < n; i++) {
		*s ^= *s >> 12;
		*s ^= *s << 25;
		*s ^= *s >> 27;
		out[i] = (uint8_t)(*s * UINT64_C(0x2545F4914F6CDD1D) >> 56);
	}
	pthread_mutex_unlock(&drawing);
	return MCSEC_OK;
}

#endif

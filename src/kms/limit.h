/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.h - how often something may happen in a second, counted by name in a table of fixed size. Thread-safe.
 * Names that share a place push each other out: a flood of names gets more through, never less.
 */
#ifndef MCX_KMS_LIMIT_H
#define MCX_KMS_LIMIT_H

#include <stdint.h>

struct limit;

/* per_second 0: no limit. */
struct limit *limit_new(unsigned per_second);
void limit_free(struct limit *l);
/* 1 if one more is within the limit in the second `now`. */
int limit_allows(struct limit *l, const char *name, int64_t now);

#endif

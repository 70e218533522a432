/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_limit.h - how often each source may do one thing: a bucket of tokens a numeric address, refilled with time.
 *
 * The table has a fixed size and a secret hash: a flood from many addresses costs no memory, and nobody can choose
 * addresses that share a place with another's. A source that shares a place by chance begins with a full bucket.
 * Thread-safe.
 */
#ifndef MCX_NET_SOURCE_LIMIT_H
#define MCX_NET_SOURCE_LIMIT_H

#include <stdint.h>

struct source_limit;

/* per_second 0: no limit. burst 0: twice per_second. NULL without memory. */
struct source_limit *source_limit_new(unsigned per_second, unsigned burst);
void source_limit_free(struct source_limit *l);
/* 1: it may, and one token is gone; 0: not now. now_ms: any clock that does not go back. */
int source_limit_take(struct source_limit *l, const char *source, int64_t now_ms);

#endif

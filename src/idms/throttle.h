/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle.h - limits on guessing and on load (identity.md 14), as a bounded table in memory. Time is injected.
 *
 * Two rules share one slot kind: a token bucket (so many a second, so many at once), and a ladder (the fifth failure
 * in a row costs 1 s, the next 2 s, 4 s ... up to 300 s). A full table forgets what was quiet longest, so an attacker
 * who makes entries can at most forget his own. Thread-safe.
 */
#ifndef MCX_IDMS_THROTTLE_H
#define MCX_IDMS_THROTTLE_H

#include <stdint.h>

struct throttle;

struct throttle_rule {
	char kind;    /* one letter: keeps the keys of different rules apart */
	double per_s; /* refill */
	double burst; /* at once */
};

struct throttle *throttle_new(unsigned slots);
void throttle_free(struct throttle *t);

/* Takes one; 0, or the seconds until there is one again (nothing taken). */
unsigned throttle_take(struct throttle *t, const struct throttle_rule *r, const char *key, int64_t now_ms);
/* As above without taking. */
unsigned throttle_look(struct throttle *t, const struct throttle_rule *r, const char *key, int64_t now_ms);

enum { LADDER_FREE = 5, LADDER_MAX_S = 300 };

/* Seconds to wait before the next attempt counts; 0: now. */
unsigned throttle_ladder_wait(struct throttle *t, const char *key, int64_t now_ms);
void throttle_ladder_fail(struct throttle *t, const char *key, int64_t now_ms);
void throttle_ladder_clear(struct throttle *t, const char *key);

#endif

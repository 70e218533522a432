/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - when those who hear 503 shall come again: Retry-After of a server whose queue is full (RFC 3261 21.5.4,
 * 20.33; flows 0.3).
 *
 * After a restart all clients come at once. If each heard the same Retry-After, they would all come at once again, and
 * be refused again. So each refusal hands out the next free turn: as far behind the one before as the server takes for
 * one request. Nothing is kept of anybody. Pure: time and measurements come in.
 */
#ifndef MCX_FLOW_PACE_H
#define MCX_FLOW_PACE_H

#include <stdint.h>

enum {
	PACE_FIRST_S = 1,    /* nobody shall come earlier than that                               */
	PACE_LAST_S = 120,   /* nor later: then turns are handed out a second time, from the start */
	PACE_GUESS_US = 2000 /* what one request is taken to cost before one was measured         */
};

struct pace {
	unsigned side_by_side; /* so many are served at the same time, a processor each */
	int64_t cost_us;       /* of one request: processor time of its jobs, moving mean */
	int64_t next_us;       /* the first turn that is free */
};

void pace_init(struct pace *p, unsigned side_by_side);
/* One request was served, and its jobs took so long a processor. */
void pace_served(struct pace *p, int64_t busy_us);
/* Retry-After for one who is refused now, in seconds. now: any clock that never goes back. */
unsigned pace_turn(struct pace *p, int64_t now_us);

#endif

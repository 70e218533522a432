/* SPDX-License-Identifier: Apache-2.0 */
/*
 * playout.h - the playout buffer: packets in any order in, frames in time order out, gaps of exactly their length.
 *
 * Pure: time is told by playout_tick. Output begins when `delay` worth of samples is there (or finish was called); from
 * then on each tick allows one tick's worth. A frame that is missing while later ones wait is recovered from the next
 * frame's forward error correction where that is next to it, else concealed. With nothing later there the buffer waits
 * and says nothing, so that what comes out has exactly the length of what was sent from its first to its last packet.
 */
#ifndef MCX_MEDIA_PLAYOUT_H
#define MCX_MEDIA_PLAYOUT_H

#include "sec/base/bytes.h"

enum { PLAYOUT_FRAMES = 64, PLAYOUT_MAX_FRAME = 1500 };

struct playout;

struct playout_options {
	uint32_t tick;    /* timestamp units a tick, e.g. 960 for 20 ms at 48 kHz */
	uint32_t delay;   /* units buffered before output begins, and grace of a missing frame */
	uint32_t max_gap; /* a larger step of the timestamp starts anew instead of being filled */
};

/* NULL without memory. */
struct playout *playout_new(const struct playout_options *o);
void playout_free(struct playout *p);

enum playout_put {
	PLAYOUT_KEPT = 0,
	PLAYOUT_DUPLICATE, /* this timestamp is here already */
	PLAYOUT_LATE,      /* its time has passed */
	PLAYOUT_FULL,      /* take frames out first */
	PLAYOUT_REFUSED,   /* no octets, too many, or no duration */
};
/* duration: timestamp units this frame lasts. The octets are copied. */
enum playout_put playout_put(struct playout *p, uint32_t timestamp, uint32_t duration, struct octets frame);

enum playout_do {
	PLAYOUT_WAIT = 0, /* nothing to do before the next tick or packet */
	PLAYOUT_DECODE,   /* decode `frame`: `duration` units */
	PLAYOUT_RECOVER,  /* `duration` units are missing; `frame` follows them and may carry them as FEC (it stays) */
	PLAYOUT_CONCEAL,  /* `duration` units are missing */
	PLAYOUT_END,      /* finished and empty */
};

struct playout_step {
	enum playout_do action;
	uint32_t duration;
	struct octets frame; /* valid until the next call */
};

/* One tick of time has passed. */
void playout_tick(struct playout *p);
/* What to do now; call until it says WAIT or END. */
struct playout_step playout_next(struct playout *p);
/* No more packets will come: what is left comes out without waiting. */
void playout_finish(struct playout *p);

#endif

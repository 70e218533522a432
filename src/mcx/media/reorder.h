/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reorder.h - packets of one RTP stream, in any order in, in the order of their sequence numbers out (RFC 3550 5.1).
 *
 * A packet that is missing is waited for until REORDER_WAIT_MS have passed since the first one behind it came, or more
 * than REORDER_DEPTH wait; then it counts as lost. After a silence in which more than half of all numbers went by, the
 * order begins anew with what comes (RFC 3550 A.1). Pure: time is told.
 */
#ifndef MCX_MEDIA_REORDER_H
#define MCX_MEDIA_REORDER_H

#include "sec/base/bytes.h"

enum { REORDER_DEPTH = 32, REORDER_WAIT_MS = 200, REORDER_MAX_PACKET = 2048 };

struct reorder;

/* NULL without memory. */
struct reorder *reorder_new(void);
void reorder_free(struct reorder *r); /* wipes what waits */

enum reorder_put {
	REORDER_KEPT = 0,
	REORDER_DUPLICATE, /* it is here already */
	REORDER_LATE,      /* it came out, or was given up */
	REORDER_FULL,      /* take packets out first */
	REORDER_REFUSED,   /* no octets, or too many */
};
/* The octets are copied. The first packet begins the order. */
enum reorder_put reorder_put(struct reorder *r, uint16_t seq, struct octets packet, int64_t now_ms);
/*
 * The next packet, valid until the next call; *lost: how many are missing before it. 1, or 0: nothing may come out yet.
 * Call until it says 0 after each packet that was put, and as time passes.
 */
int reorder_next(struct reorder *r, int64_t now_ms, struct octets *packet, unsigned *lost);
/* No more packets will come: what is left comes out without waiting. */
void reorder_finish(struct reorder *r);

#endif

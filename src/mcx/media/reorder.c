/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reorder.c - see reorder.h. Packets wait in an array ordered by sequence number (differences modulo 2^16); behind them
 * stand the free slots.
 */
#include "mcx/media/reorder.h"

#include <stdlib.h>

#include "mcsec/secret.h"

enum {
	SLOTS = REORDER_DEPTH + 1,
	FAR_BEHIND = 4096, /* no packet is late by so many: the numbers have gone more than half round without us */
};

struct slot {
	uint16_t seq;
	int64_t came_ms;
	size_t len;
	uint8_t octets[REORDER_MAX_PACKET];
};

struct reorder {
	int started, finished;
	uint16_t next;
	unsigned skipped; /* before `next`, and not told yet */
	size_t n;
	struct slot *waiting[SLOTS];
	struct slot slots[SLOTS];
};

struct reorder *reorder_new(void)
{
	struct reorder *r = calloc(1, sizeof *r);
	for (size_t i = 0; r && i < SLOTS; i++)
		r->waiting[i] = &r->slots[i];
	return r;
}

void reorder_free(struct reorder *r)
{
	if (r)
		mcsec_wipe(r, sizeof *r);
	free(r);
}

static int distance(uint16_t from, uint16_t to)
{
	return (int16_t)(uint16_t)(to - from);
}

enum reorder_put reorder_put(struct reorder *r, uint16_t seq, struct octets packet, int64_t now_ms)
{
	if (packet.len == 0 || packet.len > REORDER_MAX_PACKET)
		return REORDER_REFUSED;
	if (!r->started)
		r->next = seq;
	r->started = 1;
	if (distance(r->next, seq) < -FAR_BEHIND && r->n == 0) {
		r->skipped += (uint16_t)(seq - r->next);
		r->next = seq;
	}
	if (distance(r->next, seq) < 0)
		return REORDER_LATE;
	size_t at = r->n;
	while (at > 0 && distance(r->waiting[at - 1]->seq, seq) < 0)
		at--;
	if (at > 0 && r->waiting[at - 1]->seq == seq)
		return REORDER_DUPLICATE;
	if (r->n == SLOTS)
		return REORDER_FULL;
	struct slot *slot = r->waiting[r->n];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the queue holds pointers to its slots */
	memmove(&r->waiting[at + 1], &r->waiting[at], (r->n - at) * sizeof slot);
	r->waiting[at] = slot;
	r->n++;
	slot->seq = seq;
	slot->came_ms = now_ms;
	slot->len = packet.len;
	memcpy(slot->octets, packet.p, packet.len);
	return REORDER_KEPT;
}

/* Has the missing packet had its time? The oldest that waits for it says so. */
static int waited_enough(const struct reorder *r, int64_t now_ms)
{
	for (size_t i = 0; i < r->n; i++)
		if (now_ms - r->waiting[i]->came_ms >= REORDER_WAIT_MS)
			return 1;
	return r->finished || r->n > REORDER_DEPTH;
}

int reorder_next(struct reorder *r, int64_t now_ms, struct octets *packet, unsigned *lost)
{
	if (r->n == 0)
		return 0;
	struct slot *first = r->waiting[0];
	int missing = distance(r->next, first->seq);
	if (missing && !waited_enough(r, now_ms))
		return 0;
	*packet = (struct octets){first->octets, first->len};
	*lost = (unsigned)missing + r->skipped;
	r->skipped = 0;
	r->next = (uint16_t)(first->seq + 1);
	r->n--;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the queue holds pointers to its slots */
	memmove(&r->waiting[0], &r->waiting[1], r->n * sizeof first);
	r->waiting[r->n] = first; /* free, and whole until the next packet is put */
	return 1;
}

void reorder_finish(struct reorder *r)
{
	r->finished = 1;
}

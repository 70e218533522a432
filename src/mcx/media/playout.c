/* SPDX-License-Identifier: Apache-2.0 */
/*
 * playout.c - the playout buffer (see playout.h).
 *
 * Frames wait in an array ordered by timestamp (differences are taken modulo 2^32). `next` is the timestamp of the next
 * unit to come out; `credit` is what the ticks so far allow. When more than half of the array waits, the sender is
 * ahead of our clock and output follows it without credit.
 */
#include "mcx/media/playout.h"

#include <stdlib.h>

struct frame {
	uint32_t timestamp, duration;
	size_t len;
	uint8_t octets[PLAYOUT_MAX_FRAME];
};

struct playout {
	struct playout_options o;
	int started; /* a first packet came: `next` means something */
	int running; /* output has begun */
	int finished;
	uint32_t next, credit;
	size_t n;
	struct frame *waiting[PLAYOUT_FRAMES]; /* in order; behind them the free ones */
	struct frame frames[PLAYOUT_FRAMES];
	struct frame out; /* what the last DECODE handed out */
};

struct playout *playout_new(const struct playout_options *o)
{
	struct playout *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->o = *o;
	for (size_t i = 0; i < PLAYOUT_FRAMES; i++)
		p->waiting[i] = &p->frames[i];
	return p;
}

void playout_free(struct playout *p)
{
	free(p);
}

static int32_t distance(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

/* Far from everything we wait for: another talk spurt with a clock of its own. */
static int jumps(const struct playout *p, uint32_t timestamp)
{
	int64_t d = distance(p->next, timestamp);
	return d > (int64_t)p->o.max_gap || d < -(int64_t)p->o.max_gap;
}

/* Where in the order this timestamp belongs. */
static size_t place(const struct playout *p, uint32_t timestamp)
{
	size_t i = p->n;
	while (i > 0 && distance(p->waiting[i - 1]->timestamp, timestamp) < 0)
		i--;
	return i;
}

enum playout_put playout_put(struct playout *p, uint32_t timestamp, uint32_t duration, struct octets frame)
{
	if (frame.len == 0 || frame.len > PLAYOUT_MAX_FRAME || duration == 0 || duration > p->o.max_gap)
		return PLAYOUT_REFUSED;
	if (p->started && p->n == 0 && jumps(p, timestamp))
		p->started = 0;
	if (!p->started) {
		p->started = 1;
		p->next = timestamp;
		p->running = 0;
		p->credit = 0;
	}
	if (jumps(p, timestamp))
		return PLAYOUT_REFUSED; /* what waits comes out first */
	if (distance(p->next, timestamp) < 0) {
		if (p->running)
			return PLAYOUT_LATE;
		p->next = timestamp; /* reordered at the very beginning */
	}
	size_t at = place(p, timestamp);
	if (at > 0 && p->waiting[at - 1]->timestamp == timestamp)
		return PLAYOUT_DUPLICATE;
	if (p->n == PLAYOUT_FRAMES)
		return PLAYOUT_FULL;
	struct frame *slot = p->waiting[p->n];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the queue holds pointers to its frames */
	memmove(&p->waiting[at + 1], &p->waiting[at], (p->n - at) * sizeof slot);
	p->waiting[at] = slot;
	p->n++;
	slot->timestamp = timestamp;
	slot->duration = duration;
	slot->len = frame.len;
	memcpy(slot->octets, frame.p, frame.len);
	return PLAYOUT_KEPT;
}

void playout_tick(struct playout *p)
{
	if (p->running)
		p->credit = p->credit > p->o.max_gap ? p->credit : p->credit + p->o.tick;
}

void playout_finish(struct playout *p)
{
	p->finished = 1;
}

/* Units from `next` to the end of what waits. */
static uint32_t buffered(const struct playout *p)
{
	if (p->n == 0)
		return 0;
	const struct frame *last = p->waiting[p->n - 1];
	return last->timestamp + last->duration - p->next;
}

static void take_first(struct playout *p)
{
	struct frame *first = p->waiting[0];
	p->out = *first;
	p->n--;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the queue holds pointers to its frames */
	memmove(&p->waiting[0], &p->waiting[1], p->n * sizeof first);
	p->waiting[p->n] = first;
}

static void spend(struct playout *p, uint32_t duration)
{
	p->next += duration;
	p->credit -= duration < p->credit ? duration : p->credit;
}

static int may_run(struct playout *p)
{
	if (!p->running && (p->finished || buffered(p) >= p->o.delay)) {
		p->running = 1;
		p->credit = p->o.tick;
	}
	return p->running && (p->finished || p->credit || p->n > PLAYOUT_FRAMES / 2);
}

struct playout_step playout_next(struct playout *p)
{
	if (p->n == 0) {
		p->credit = 0; /* nothing there: time that passes now is not made up for later */
		return (struct playout_step){.action = p->finished ? PLAYOUT_END : PLAYOUT_WAIT};
	}
	if (!may_run(p))
		return (struct playout_step){.action = PLAYOUT_WAIT};
	const struct frame *first = p->waiting[0];
	int32_t gap = distance(p->next, first->timestamp);
	if (gap <= 0) { /* below 0: frames that overlap, the later one wins its own length */
		take_first(p);
		p->next = p->out.timestamp;
		spend(p, p->out.duration);
		return (struct playout_step){PLAYOUT_DECODE, p->out.duration, {p->out.octets, p->out.len}};
	}
	/* A gap: while less than the delay waits, the missing frame may still come. */
	if (!p->finished && buffered(p) < p->o.delay)
		return (struct playout_step){.action = PLAYOUT_WAIT};
	if ((uint32_t)gap <= first->duration) {
		spend(p, (uint32_t)gap);
		return (struct playout_step){PLAYOUT_RECOVER, (uint32_t)gap, {first->octets, first->len}};
	}
	/* Leave the last stretch of the gap to recovery. */
	uint32_t rest = (uint32_t)gap - first->duration, step = rest < p->o.tick ? rest : p->o.tick;
	spend(p, step);
	return (struct playout_step){.action = PLAYOUT_CONCEAL, .duration = step};
}

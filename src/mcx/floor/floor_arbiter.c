/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_arbiter.c - see floor_arbiter.h; the rows of floor 6 and 7, one function for each event.
 *
 * Sequence numbers count new states of the floor; a repetition has the number of what it repeats (F-D4). Priority is
 * the smaller of what was asked and what was negotiated, and an indicator bit raises nobody's class (F-D7).
 */
#include "mcx/floor/floor_arbiter.h"

#include <stdio.h>

#include "sec/base/check.h"

const struct fa_config fa_default = {.t1 = 4000,
				     .t2 = 30000,
				     .t3 = 3000,
				     .t4 = 30000,
				     .t7 = 1000,
				     .t8 = 1000,
				     .t9 = 5000,
				     .t20 = 1000,
				     .tail = 500,
				     .c7 = 10,
				     .c20 = 3,
				     .preempt = 1};

const char *fa_state_name(enum fa_state s)
{
	static const char *const names[FA_STATES] = {
	    [FA_START] = "start-stop",    [FA_IDLE] = "floor idle",
	    [FA_TAKEN] = "floor taken",   [FA_PENDING_REVOKE] = "pending floor revoke",
	    [FA_RELEASING] = "releasing",
	};
	return names[s];
}

void fa_init(struct fa *m, const struct fa_config *cfg)
{
	*m = (struct fa){.cfg = *cfg, .holder = FA_NOBODY};
}

int fa_join(struct fa *m, const char *id, uint32_t media_ssrc, uint8_t priority, int queueing)
{
	if (m->n == FA_MAX || m->state != FA_START)
		return -1;
	struct fa_participant *p = &m->p[m->n];
	*p = (struct fa_participant){.media_ssrc = media_ssrc, .priority = priority, .queueing = queueing};
	int len = snprintf(p->id, sizeof p->id, "%s", id);
	return len < 0 || (size_t)len >= sizeof p->id ? -1 : m->n++;
}

int fa_forwards(const struct fa *m, int from)
{
	return (m->state == FA_TAKEN || m->state == FA_PENDING_REVOKE) && from == m->holder;
}

/* ---- messages out ---- */

static struct floor_message *put(struct fa_out *out, int to, enum floor_type type, uint32_t has)
{
	struct floor_message *m = &out->send[out->n].message;
	out->send[out->n++].to = to; /* FA_OUT is more than one event makes */
	*m = (struct floor_message){
	    .type = (uint8_t)type, .has = has | FLOOR_HAS(FLOOR_F_INDICATOR), .indicator = FLOOR_NORMAL};
	return m;
}

static void say_idle(const struct fa *m, int to, struct fa_out *out)
{
	put(out, to, FLOOR_IDLE, FLOOR_HAS(FLOOR_F_SEQUENCE))->sequence = m->sequence;
}

static void say_taken(const struct fa *m, int to, struct fa_out *out)
{
	const struct fa_participant *h = &m->p[m->holder];
	struct floor_message *f =
	    put(out, to, FLOOR_TAKEN,
		FLOOR_HAS(FLOOR_F_GRANTED_ID) | FLOOR_HAS(FLOOR_F_MAY_REQUEST) | FLOOR_HAS(FLOOR_F_SEQUENCE));
	f->granted_id = octets_of(h->id);
	f->may_request = !m->p[to].receive_only;
	f->sequence = m->sequence;
	if (h->media_ssrc) {
		f->has |= FLOOR_HAS(FLOOR_F_SSRC);
		f->granted_ssrc = h->media_ssrc;
	}
}

static void say_granted(const struct fa *m, int64_t now, struct fa_out *out)
{
	const struct fa_participant *h = &m->p[m->holder];
	struct floor_message *f =
	    put(out, m->holder, FLOOR_GRANTED, FLOOR_HAS(FLOOR_F_DURATION) | FLOOR_HAS(FLOOR_F_PRIORITY));
	int64_t left = m->t2 ? m->t2 - now : m->cfg.t2;
	f->duration = (uint16_t)(left > 0 ? left / 1000 : 0);
	f->priority = h->asked;
	if (h->media_ssrc) {
		f->has |= FLOOR_HAS(FLOOR_F_SSRC);
		f->granted_ssrc = h->media_ssrc;
	}
}

static void say_cause(int to, enum floor_type type, uint16_t cause, struct fa_out *out)
{
	put(out, to, type, FLOOR_HAS(FLOOR_F_CAUSE))->cause = cause;
}

/* Does a stand before b in the queue? */
static int before(const struct fa_participant *a, const struct fa_participant *b)
{
	if (a->class != b->class)
		return a->class > b->class;
	return a->asked != b->asked ? a->asked > b->asked : a->place < b->place;
}

static uint8_t position(const struct fa *m, int who)
{
	uint8_t at = 1;
	if (!m->p[who].place)
		return FLOOR_NOT_QUEUED;
	for (int i = 0; i < m->n; i++)
		at = (uint8_t)(at + (i != who && m->p[i].place && before(&m->p[i], &m->p[who])));
	return at;
}

static void say_position(const struct fa *m, int to, struct fa_out *out)
{
	struct floor_message *f = put(out, to, FLOOR_QUEUE_POSITION_INFO, FLOOR_HAS(FLOOR_F_QUEUE_INFO));
	f->queue_position = position(m, to);
	f->queue_priority = m->p[to].asked;
}

static void say_state(const struct fa *m, int to, struct fa_out *out)
{
	if (m->holder == FA_NOBODY)
		say_idle(m, to, out);
	else
		say_taken(m, to, out);
}

/* ---- states ---- */

static void stop_timers(struct fa *m)
{
	m->t1 = m->t2 = m->t3 = m->t4 = m->t7 = m->t8 = m->t20 = 0;
}

static void enter_idle(struct fa *m, int64_t now, struct fa_out *out)
{
	stop_timers(m);
	m->state = FA_IDLE;
	m->holder = FA_NOBODY;
	m->sequence++;
	for (int i = 0; i < m->n; i++)
		say_idle(m, i, out);
	m->c7 = 1;
	m->t7 = m->cfg.t7 ? now + m->cfg.t7 : 0;
	m->t4 = now + m->cfg.t4;
}

static void enter_taken(struct fa *m, int who, int from_queue, int64_t now, struct fa_out *out)
{
	stop_timers(m);
	m->state = FA_TAKEN;
	m->holder = who;
	m->p[who].place = 0;
	m->p[who].intruding = 0;
	m->p[who].t8 = m->p[who].tail = 0;
	m->sequence++;
	say_granted(m, now, out);
	for (int i = 0; i < m->n; i++)
		if (i != who)
			say_taken(m, i, out);
	m->t1 = now + m->cfg.t1;
	m->c20 = 1;
	m->t20 = from_queue ? now + m->cfg.t20 : 0;
}

static void enter_pending_revoke(struct fa *m, uint16_t cause, int64_t now, struct fa_out *out)
{
	m->state = FA_PENDING_REVOKE;
	m->cause = cause;
	m->t2 = m->t20 = 0;
	say_cause(m->holder, FLOOR_REVOKE, cause, out);
	m->t8 = now + m->cfg.t8;
	m->t3 = now + m->cfg.t3;
}

/* The floor is given back or taken away: whoever waits longest and most urgently has it next. */
static void next_holder(struct fa *m, int64_t now, struct fa_out *out)
{
	int next = FA_NOBODY;
	m->p[m->holder].tail = now + m->cfg.tail;
	if (m->state == FA_PENDING_REVOKE &&
	    (m->cause == FLOOR_REVOKE_TOO_LONG || m->cause == FLOOR_REVOKE_NO_PERMISSION))
		m->p[m->holder].t9 = now + m->cfg.t9;
	for (int i = 0; i < m->n; i++)
		if (m->p[i].place && (next == FA_NOBODY || before(&m->p[i], &m->p[next])))
			next = i;
	if (next == FA_NOBODY)
		enter_idle(m, now, out);
	else
		enter_taken(m, next, 1, now, out);
}

/* ---- events ---- */

void fa_start(struct fa *m, int implicit, int64_t now, struct fa_out *out)
{
	*out = (struct fa_out){0};
	if (m->state != FA_START)
		return;
	if (implicit >= 0 && implicit < m->n)
		enter_taken(m, implicit, 0, now, out);
	else
		enter_idle(m, now, out);
}

static int preempts(const struct fa *m, const struct fa_participant *p)
{
	const struct fa_participant *h = &m->p[m->holder];
	return p->class != h->class ? p->class > h->class : m->cfg.preempt && p->asked > h->asked;
}

/* 0: the request may be looked at. */
static uint16_t denied(const struct fa *m, const struct fa_participant *p, int64_t now)
{
	if (MCX_FAULT(floor.retry_after, p->t9 > now))
		return FLOOR_DENY_RETRY_AFTER;
	if (MCX_FAULT(floor.receive_only, p->receive_only))
		return FLOOR_DENY_RECEIVE_ONLY;
	return MCX_FAULT(floor.alone, m->n < 2) ? FLOOR_DENY_ALONE : 0;
}

static void on_request(struct fa *m, int from, const struct floor_message *in, int64_t now, struct fa_out *out)
{
	struct fa_participant *p = &m->p[from];
	uint8_t wanted = in->has & FLOOR_HAS(FLOOR_F_PRIORITY) ? in->priority : 0;
	if (from == m->holder) {
		if (m->state == FA_TAKEN)
			say_granted(m, now, out);
		return;
	}
	if (p->intruding)
		return; /* it has to release first */
	uint16_t cause = denied(m, p, now);
	if (cause) {
		say_cause(from, FLOOR_DENY, cause, out);
		return;
	}
	p->asked = wanted < p->priority ? wanted : p->priority;
	if (m->state == FA_IDLE) {
		enter_taken(m, from, 0, now, out);
		return;
	}
	int first = m->state == FA_TAKEN && preempts(m, p);
	if (!first && !p->queueing && !p->place) { /* one that pre-empts waits without having asked for a queue */
		say_cause(from, FLOOR_DENY, FLOOR_DENY_TAKEN, out);
		return;
	}
	if (!p->place)
		p->place = ++m->arrivals;
	if (first)
		enter_pending_revoke(m, FLOOR_REVOKE_PREEMPTED, now, out);
	if (p->queueing)
		say_position(m, from, out);
}

static void on_release(struct fa *m, int from, int64_t now, struct fa_out *out)
{
	struct fa_participant *p = &m->p[from];
	if (from == m->holder) {
		next_holder(m, now, out);
		return;
	}
	if (p->intruding) {
		p->intruding = 0;
		p->t8 = 0;
		p->t9 = now + m->cfg.t9;
	}
	p->tail = now + m->cfg.tail;
	p->place = 0;
	say_state(m, from, out);
}

static int in_call(const struct fa *m, int who)
{
	return m->state != FA_START && m->state != FA_RELEASING && who >= 0 && who < m->n;
}

void fa_message(struct fa *m, int from, const struct floor_message *in, int64_t now, struct fa_out *out)
{
	*out = (struct fa_out){0};
	if (!in_call(m, from))
		return;
	switch (in->type) {
	case FLOOR_REQUEST:
		on_request(m, from, in, now, out);
		break;
	case FLOOR_RELEASE:
		on_release(m, from, now, out);
		break;
	case FLOOR_QUEUE_POSITION_REQUEST:
		say_position(m, from, out);
		break;
	default: /* Floor Ack; and what only a server sends */
		break;
	}
}

void fa_media(struct fa *m, int from, int64_t now, struct fa_out *out)
{
	*out = (struct fa_out){0};
	if (!in_call(m, from))
		return;
	struct fa_participant *p = &m->p[from];
	if (from == m->holder) {
		m->t1 = now + m->cfg.t1;
		m->t20 = 0;
		if (m->state == FA_TAKEN && !m->t2)
			m->t2 = now + m->cfg.t2;
	} else if (!p->intruding && p->tail <= now) {
		p->intruding = 1;
		p->t8 = now + m->cfg.t8;
		say_cause(from, FLOOR_REVOKE, FLOOR_REVOKE_NO_PERMISSION, out);
	}
}

void fa_repeat(struct fa *m, int to, int64_t now, struct fa_out *out)
{
	*out = (struct fa_out){0};
	if (!in_call(m, to))
		return;
	if (to != m->holder)
		say_state(m, to, out);
	else if (m->state == FA_TAKEN)
		say_granted(m, now, out);
	else
		say_cause(to, FLOOR_REVOKE, m->cause, out);
	if (m->p[to].place)
		say_position(m, to, out);
}

void fa_end(struct fa *m)
{
	stop_timers(m);
	for (int i = 0; i < m->n; i++)
		m->p[i].t8 = 0;
	m->state = FA_RELEASING;
	m->holder = FA_NOBODY;
}

/* ---- time ---- */

static void on_t1(struct fa *m, int64_t now, struct fa_out *out)
{
	next_holder(m, now, out); /* the burst has ended by itself: no Revoke */
}

static void on_t2(struct fa *m, int64_t now, struct fa_out *out)
{
	enter_pending_revoke(m, FLOOR_REVOKE_TOO_LONG, now, out);
}

static void on_t4(struct fa *m, int64_t now, struct fa_out *out)
{
	(void)m;
	(void)now;
	out->inactive = 1;
}

static void on_t7(struct fa *m, int64_t now, struct fa_out *out)
{
	if (m->c7 >= m->cfg.c7)
		return;
	m->c7++;
	m->t7 = now + m->cfg.t7;
	for (int i = 0; i < m->n; i++)
		say_idle(m, i, out);
}

static void on_t8(struct fa *m, int64_t now, struct fa_out *out)
{
	say_cause(m->holder, FLOOR_REVOKE, m->cause, out);
	m->t8 = now + m->cfg.t8;
}

static void on_t20(struct fa *m, int64_t now, struct fa_out *out)
{
	if (m->c20 >= m->cfg.c20) {
		next_holder(m, now, out);
		return;
	}
	m->c20++;
	m->t20 = now + m->cfg.t20;
	say_granted(m, now, out);
}

static const struct {
	size_t at;
	void (*fn)(struct fa *m, int64_t now, struct fa_out *out);
} timers[] = {
    {offsetof(struct fa, t1), on_t1},   {offsetof(struct fa, t2), on_t2}, {offsetof(struct fa, t3), on_t1},
    {offsetof(struct fa, t4), on_t4},   {offsetof(struct fa, t7), on_t7}, {offsetof(struct fa, t8), on_t8},
    {offsetof(struct fa, t20), on_t20},
};
enum { N_TIMERS = sizeof timers / sizeof *timers };

static int64_t *timer(const struct fa *m, size_t i)
{
	return (int64_t *)(void *)((uint8_t *)(uintptr_t)m + timers[i].at);
}

int64_t fa_next(const struct fa *m)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < N_TIMERS; i++)
		if (*timer(m, i) && *timer(m, i) < next)
			next = *timer(m, i);
	for (int i = 0; i < m->n; i++)
		if (m->p[i].t8 && m->p[i].t8 < next)
			next = m->p[i].t8;
	return next;
}

int fa_time(struct fa *m, int64_t now, struct fa_out *out)
{
	*out = (struct fa_out){0};
	int64_t next = fa_next(m);
	if (next > now)
		return 0;
	for (size_t i = 0; i < N_TIMERS; i++) {
		if (*timer(m, i) != next)
			continue;
		*timer(m, i) = 0;
		timers[i].fn(m, now, out);
		return 1;
	}
	for (int i = 0; i < m->n; i++) {
		if (m->p[i].t8 != next)
			continue;
		m->p[i].t8 = now + m->cfg.t8;
		say_cause(i, FLOOR_REVOKE, FLOOR_REVOKE_NO_PERMISSION, out);
		return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_arbiter.c - see transmission_arbiter.h; one function for each event.
 *
 * Transmission Idle counts new idle states; a repetition has the number of what it repeats. Priority is the smaller of
 * what was asked and what was negotiated, and an indicator bit raises nobody's class (as floor 6.1, F-D7).
 */
#include "mcx/floor/transmission_say.h"
#include "sec/base/check.h"

const struct ta_config ta_default = {.t1 = 30000,
				     .t2 = 1000,
				     .t3 = 1000,
				     .t4 = 1000,
				     .t6 = 1000,
				     .limit = 3600000,
				     .retry = 5000,
				     .tail = 500,
				     .c2 = 10,
				     .c3 = 3,
				     .c4 = 3,
				     .c6 = 3,
				     .c7 = 2,
				     .transmitters = 1,
				     .preempt = 1};

void ta_init(struct ta *m, const struct ta_config *cfg)
{
	*m = (struct ta){.cfg = *cfg};
}

int ta_join(struct ta *m, const struct ta_participant *who)
{
	if (m->n == TA_MAX || m->state != TA_START)
		return -1;
	m->p[m->n] = *who;
	return m->n++;
}

static int transmits(const struct ta_participant *p)
{
	return p->permission == TA_PERMITTED || p->permission == TA_PENDING_REVOKE;
}

static int transmitters(const struct ta *m)
{
	int n = 0;
	for (int i = 0; i < m->n; i++)
		n += transmits(&m->p[i]);
	return n;
}

static int in_call(const struct ta *m, int who)
{
	return (m->state == TA_IDLE || m->state == TA_TAKEN) && who >= 0 && who < m->n;
}

int ta_forwards(const struct ta *m, int from)
{
	if (!in_call(m, from) || !transmits(&m->p[from]))
		return 0;
	for (int i = 0; i < m->n; i++)
		if (m->p[i].of[from].state == TA_RECEIVES)
			return 1;
	return 0;
}

/* ---- states ---- */

static void enter_idle(struct ta *m, int64_t now, struct ta_out *out)
{
	m->state = TA_IDLE;
	m->sequence++;
	for (int i = 0; i < m->n; i++)
		ta_say_idle(m, i, out);
	m->c2 = 1;
	m->t2 = now + m->cfg.t2;
	m->t1 = now + m->cfg.t1;
}

static void grant(struct ta *m, int who, int from_queue, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[who];
	m->state = TA_TAKEN;
	m->t1 = m->t2 = 0;
	p->permission = TA_PERMITTED;
	p->place = 0;
	p->tail = p->limit = p->t3 = 0;
	p->from_queue = from_queue;
	ta_say_granted(m, who, now, out);
	p->t1 = now + m->cfg.t1;
	p->c4 = 1;
	p->t4 = now + m->cfg.t4;
	for (int i = 0; i < m->n; i++) {
		if (i == who)
			continue;
		ta_say_notification(m, i, who, out);
		m->p[i].of[who].state = TA_TOLD;
		m->p[i].of[who].c6 = 1;
		m->p[i].of[who].t6 = now + m->cfg.t6;
	}
}

static void revoke(struct ta *m, int who, uint16_t cause, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[who];
	p->permission = transmits(p) ? TA_PENDING_REVOKE : TA_INTRUDING;
	p->cause = cause;
	p->limit = p->t4 = 0;
	ta_say_cause(who, TX_REVOKED, cause, out);
	p->c3 = 1;
	p->t3 = now + m->cfg.t3;
}

/* Who waits longest and most urgently is next; nobody: it is idle. */
static void next_transmitter(struct ta *m, int64_t now, struct ta_out *out)
{
	int next = TA_NOBODY;
	for (int i = 0; i < m->n; i++)
		if (m->p[i].place && (next == TA_NOBODY || ta_before(&m->p[i], &m->p[next])))
			next = i;
	if (next != TA_NOBODY && transmitters(m) < m->cfg.transmitters)
		grant(m, next, 1, now, out);
	else if (transmitters(m) == 0)
		enter_idle(m, now, out);
}

/* Its transmission, or its intrusion, is over. */
static void end_transmission(struct ta *m, int who, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[who];
	int did = transmits(p);
	if (p->permission != TA_PERMITTED && (p->cause == TX_REVOKE_TOO_LONG || p->cause == TX_REVOKE_NO_PERMISSION))
		p->retry = now + m->cfg.retry;
	p->permission = TA_NOT_PERMITTED;
	p->cause = 0;
	p->t1 = p->t3 = p->t4 = p->limit = 0;
	p->tail = now + m->cfg.tail;
	for (int i = 0; did && i < m->n; i++) {
		if (m->p[i].of[who].state != TA_NOT_TOLD)
			ta_put_of(m, who, ta_put(out, i, TX_END_NOTIFY, 0));
		m->p[i].of[who].state = TA_NOT_TOLD;
		m->p[i].of[who].t6 = 0;
	}
	if (did)
		next_transmitter(m, now, out);
}

/* ---- messages in ---- */

void ta_start(struct ta *m, int implicit, int64_t now, struct ta_out *out)
{
	*out = (struct ta_out){0};
	if (m->state != TA_START)
		return;
	if (implicit >= 0 && implicit < m->n)
		grant(m, implicit, 0, now, out);
	else
		enter_idle(m, now, out);
}

/* 0: the request may be looked at. */
static uint16_t rejected(const struct ta *m, const struct ta_participant *p, int64_t now)
{
	if (MCX_FAULT(tx.retry_after, p->retry > now))
		return TX_REJECT_RETRY_AFTER;
	if (MCX_FAULT(tx.receive_only, p->receive_only))
		return TX_REJECT_RECEIVE_ONLY;
	return MCX_FAULT(tx.alone, m->n < 2) ? TX_REJECT_ALONE : 0;
}

/* Whose transmission this request takes over, TA_NOBODY: nobody's. */
static int victim_of(const struct ta *m, const struct ta_participant *p)
{
	int victim = TA_NOBODY;
	for (int i = 0; i < m->n; i++) {
		const struct ta_participant *q = &m->p[i];
		int less = q->class != p->class ? q->class < p->class : m->cfg.preempt && q->asked < p->asked;
		if (q->permission == TA_PERMITTED && less && (victim == TA_NOBODY || ta_before(&m->p[victim], q)))
			victim = i;
	}
	return victim;
}

static void on_request(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[from];
	uint8_t wanted = in->has & TX_HAS(TX_F_PRIORITY) ? in->priority : 0;
	if (p->permission == TA_PERMITTED)
		ta_say_granted(m, from, now, out);
	if (p->permission != TA_NOT_PERMITTED)
		return; /* it has to end first */
	uint16_t cause = rejected(m, p, now);
	if (cause) {
		ta_say_cause(from, TX_REJECTED, cause, out);
		return;
	}
	p->asked = wanted < p->priority ? wanted : p->priority;
	if (!MCX_FAULT(tx.limit, transmitters(m) >= m->cfg.transmitters)) {
		grant(m, from, 0, now, out);
		return;
	}
	int victim = victim_of(m, p);
	if (victim == TA_NOBODY && !p->queueing && !p->place) {
		ta_say_cause(from, TX_REJECTED, TX_REJECT_LIMIT, out);
		return;
	}
	if (!p->place)
		p->place = ++m->arrivals;
	if (victim != TA_NOBODY)
		revoke(m, victim, TX_REVOKE_PREEMPTED, now, out);
	if (p->queueing)
		ta_say_position(m, from, out);
}

static void on_end_request(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	(void)in;
	ta_put_of(m, from, ta_put(out, from, TX_END_RESPONSE, 0));
	m->p[from].place = 0;
	end_transmission(m, from, now, out);
}

static void on_position_request(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	(void)in;
	(void)now;
	ta_say_position(m, from, out);
}

/* Whom the message is about: by its identity, else by a stream's SSRC. */
static int transmitter_in(const struct ta *m, int from, const struct tx_message *in)
{
	for (int i = 0; i < m->n; i++) {
		const struct ta_participant *p = &m->p[i];
		int it = in->has & TX_HAS(TX_F_TRANSMITTING_ID)
			     ? octets_equal(in->transmitting_id, octets_of(p->id))
			     : (in->has & TX_HAS(TX_F_VIDEO_SSRC) && in->video_ssrc == p->video_ssrc) ||
				   (in->has & TX_HAS(TX_F_AUDIO_SSRC) && in->audio_ssrc == p->audio_ssrc);
		if (i != from && it && transmits(p))
			return i;
	}
	return TA_NOBODY;
}

static int streams_of(const struct ta *m, int receiver)
{
	int n = 0;
	for (int i = 0; i < m->n; i++)
		n += m->p[receiver].of[i].state == TA_RECEIVES;
	return n;
}

static void on_receive_request(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[from];
	int who = transmitter_in(m, from, in);
	uint16_t cause = 0;
	(void)now;
	if (MCX_FAULT(tx.send_only, p->send_only))
		cause = TX_RECEIVE_SEND_ONLY;
	else if (who == TA_NOBODY)
		cause = TX_CAUSE_OTHER;
	else if (p->of[who].state != TA_RECEIVES && MCX_FAULT(tx.streams, streams_of(m, from) >= m->cfg.c7))
		cause = TX_RECEIVE_STREAMS;
	struct tx_message *t = ta_put(out, from, TX_RECEIVE_RESPONSE, TX_HAS(TX_F_RESULT));
	t->result = cause ? TX_REFUSED : TX_ACCEPTED;
	if (cause) {
		t->has |= TX_HAS(TX_F_CAUSE);
		t->cause = cause;
	}
	if (who == TA_NOBODY)
		return;
	ta_put_of(m, who, t);
	p->of[who].t6 = 0;
	if (cause)
		return;
	p->of[who].state = TA_RECEIVES;
	t = ta_put(out, who, TX_RECEPTION_NOTIFICATION, TX_HAS(TX_F_USER_ID)); /* again too: it may have been lost */
	t->user_id = octets_of(p->id);
}

static void on_reception_end_request(struct ta *m, int from, const struct tx_message *in, int64_t now,
				     struct ta_out *out)
{
	int who = transmitter_in(m, from, in);
	struct tx_message *t = ta_put(out, from, TX_RECEPTION_END_RESPONSE, 0);
	(void)now;
	if (who == TA_NOBODY)
		return;
	ta_put_of(m, who, t);
	m->p[from].of[who].state = TA_KNOWS;
	m->p[from].of[who].t6 = 0;
}

static void on_ack(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[from];
	(void)now;
	(void)out;
	if (tx_acknowledges(in, TX_GRANTED))
		p->t4 = 0;
	for (int i = 0; tx_acknowledges(in, TX_NOTIFICATION) && i < m->n; i++)
		if (p->of[i].state == TA_TOLD) {
			p->of[i].state = TA_KNOWS;
			p->of[i].t6 = 0;
		}
}

void ta_message(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out)
{
	static const struct {
		uint8_t type;
		void (*fn)(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out);
	} on[] = {{TX_REQUEST, on_request},
		  {TX_END_REQUEST, on_end_request},
		  {TX_RELEASE, on_end_request},
		  {TX_QUEUE_POSITION_REQUEST, on_position_request},
		  {TX_RECEIVE_REQUEST, on_receive_request},
		  {TX_RECEPTION_END_REQUEST, on_reception_end_request},
		  {TX_ACK, on_ack}};
	*out = (struct ta_out){0};
	for (size_t i = 0; in_call(m, from) && i < sizeof on / sizeof *on; i++)
		if (on[i].type == in->type)
			on[i].fn(m, from, in, now, out);
}

void ta_media(struct ta *m, int from, int64_t now, struct ta_out *out)
{
	*out = (struct ta_out){0};
	if (!in_call(m, from))
		return;
	struct ta_participant *p = &m->p[from];
	if (transmits(p)) {
		p->t1 = now + m->cfg.t1;
		p->t4 = 0;
		if (p->permission == TA_PERMITTED && !p->limit)
			p->limit = now + m->cfg.limit;
	} else if (p->permission == TA_NOT_PERMITTED && p->tail <= now) {
		revoke(m, from, TX_REVOKE_NO_PERMISSION, now, out);
	}
}

void ta_repeat(struct ta *m, int to, int64_t now, struct ta_out *out)
{
	*out = (struct ta_out){0};
	if (!in_call(m, to))
		return;
	struct ta_participant *p = &m->p[to];
	if (p->permission == TA_PERMITTED)
		ta_say_granted(m, to, now, out);
	else if (p->permission != TA_NOT_PERMITTED)
		ta_say_cause(to, TX_REVOKED, p->cause, out);
	if (m->state == TA_IDLE)
		ta_say_idle(m, to, out);
	for (int i = 0; i < m->n; i++)
		if (i != to && transmits(&m->p[i]))
			ta_say_notification(m, to, i, out);
	if (p->place)
		ta_say_position(m, to, out);
}

void ta_end(struct ta *m)
{
	m->state = TA_RELEASING;
	m->t1 = m->t2 = 0;
	for (int i = 0; i < m->n; i++) {
		struct ta_participant *p = &m->p[i];
		p->permission = TA_NOT_PERMITTED;
		p->t1 = p->t3 = p->t4 = p->limit = 0;
		for (int j = 0; j < TA_MAX; j++)
			p->of[j].t6 = 0;
	}
}

/* ---- time ---- */

static void on_idle_t1(struct ta *m, int64_t now, struct ta_out *out)
{
	(void)now;
	m->t1 = 0;
	out->inactive = 1;
}

static void on_idle_t2(struct ta *m, int64_t now, struct ta_out *out)
{
	m->t2 = 0;
	if (m->c2 >= m->cfg.c2)
		return;
	m->c2++;
	m->t2 = now + m->cfg.t2;
	for (int i = 0; i < m->n; i++)
		ta_say_idle(m, i, out);
}

static void on_limit(struct ta *m, int who, int64_t now, struct ta_out *out)
{
	revoke(m, who, TX_REVOKE_TOO_LONG, now, out);
}

static void on_t3(struct ta *m, int who, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[who];
	p->t3 = 0;
	if (p->c3 >= m->cfg.c3) {
		end_transmission(m, who, now, out);
		return;
	}
	p->c3++;
	p->t3 = now + m->cfg.t3;
	ta_say_cause(who, TX_REVOKED, p->cause, out);
}

static void on_t4(struct ta *m, int who, int64_t now, struct ta_out *out)
{
	struct ta_participant *p = &m->p[who];
	p->t4 = 0;
	if (p->c4 < m->cfg.c4) {
		p->c4++;
		p->t4 = now + m->cfg.t4;
		ta_say_granted(m, who, now, out);
	} else if (p->from_queue) {
		end_transmission(m, who, now, out); /* it asked long ago and is there no more */
	}
}

static void on_t6(struct ta *m, int receiver, int who, int64_t now, struct ta_out *out)
{
	m->p[receiver].of[who].t6 = 0;
	if (m->p[receiver].of[who].c6 >= m->cfg.c6)
		return;
	m->p[receiver].of[who].c6++;
	m->p[receiver].of[who].t6 = now + m->cfg.t6;
	ta_say_notification(m, receiver, who, out);
}

static int64_t sooner(int64_t next, int64_t due)
{
	return due && due < next ? due : next;
}

int64_t ta_next(const struct ta *m)
{
	int64_t next = sooner(sooner(INT64_MAX, m->t1), m->t2);
	for (int i = 0; i < m->n; i++) {
		const struct ta_participant *p = &m->p[i];
		next = sooner(sooner(sooner(sooner(next, p->t1), p->t3), p->t4), p->limit);
		for (int j = 0; j < m->n; j++)
			next = sooner(next, p->of[j].t6);
	}
	return next;
}

static void on_t1(struct ta *m, int who, int64_t now, struct ta_out *out)
{
	end_transmission(m, who, now, out); /* it has ended by itself: nothing to revoke */
}

static const struct {
	size_t at;
	void (*fn)(struct ta *m, int who, int64_t now, struct ta_out *out);
} timers[] = {{offsetof(struct ta_participant, t1), on_t1},
	      {offsetof(struct ta_participant, limit), on_limit},
	      {offsetof(struct ta_participant, t3), on_t3},
	      {offsetof(struct ta_participant, t4), on_t4}};

/* 1 if a timer of that participant is the one that is due next. */
static int participant_time(struct ta *m, int who, int64_t next, int64_t now, struct ta_out *out)
{
	const struct ta_participant *p = &m->p[who];
	for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
		if (*(const int64_t *)(const void *)((const uint8_t *)p + timers[i].at) == next) {
			timers[i].fn(m, who, now, out);
			return 1;
		}
	for (int i = 0; i < m->n; i++)
		if (p->of[i].t6 == next) {
			on_t6(m, who, i, now, out);
			return 1;
		}
	return 0;
}

int ta_time(struct ta *m, int64_t now, struct ta_out *out)
{
	*out = (struct ta_out){0};
	int64_t next = ta_next(m);
	if (next > now)
		return 0;
	if (m->t1 == next)
		on_idle_t1(m, now, out);
	else if (m->t2 == next)
		on_idle_t2(m, now, out);
	else
		for (int i = 0; i < m->n && !participant_time(m, i, next, now, out); i++)
			;
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_participant.c - the table of floor control at the client (TS 24.380 6.2.4; floor 5). First match wins.
 *
 * Whatever asks for it is acknowledged while the call is up, also what changes nothing. Floor Idle and Floor Taken
 * carry a sequence number: what is behind the last one is old; the same one again counts where it may be the answer to
 * our Floor Release (F-D4).
 */
#include "mcx/floor/floor_participant.h"

const struct fp_config fp_default = {
    .t100 = 1000, .t101 = 1000, .t103 = 4000, .t104 = 1000, .t132 = 2000, .c100 = 3, .c101 = 3, .c104 = 3};

const char *fp_state_name(enum fp_state s)
{
	static const char *const names[FP_STATES] = {
	    [FP_START] = "start-stop",
	    [FP_NO_PERMISSION] = "has no permission",
	    [FP_PENDING_REQUEST] = "pending request",
	    [FP_HAS_PERMISSION] = "has permission",
	    [FP_PENDING_RELEASE] = "pending release",
	    [FP_QUEUED] = "queued",
	    [FP_RELEASING] = "releasing",
	};
	return names[s];
}

enum timer { T100, T101, T103, T104, T132 };

enum {
	REQUEST = 1 << 1, /* Floor Request; starts T101 */
	RELEASE = 1 << 2, /* Floor Release; starts T100 */
	ASK = 1 << 3,     /* Floor Queue Position Request; starts T104 */
	FIRST = 1 << 4,   /* the counter begins at 1 */
	WAIT_101 = 1 << 5,
	START_103 = 1 << 6,
	START_132 = 1 << 7,
	STOP_100 = 1 << 8,
	STOP_101 = 1 << 9,
	STOP_103 = 1 << 10,
	STOP_104 = 1 << 11,
	STOP_132 = 1 << 12,
	STOP_ALL = 1 << 13,
};

typedef int guard(const struct fp *m);

static int again_100(const struct fp *m)
{
	return m->count[T100] < m->cfg.c100;
}

static int again_101(const struct fp *m)
{
	return m->count[T101] < m->cfg.c101;
}

static int again_104(const struct fp *m)
{
	return m->count[T104] < m->cfg.c104;
}

static int pressed(const struct fp *m)
{
	return m->pressed;
}

static int offered(const struct fp *m) /* granted from the queue while the user did not press */
{
	return m->due[T132] != 0;
}

/* clang-format off */
static const struct row {
	enum fp_state in;
	enum fp_event on;
	guard *when;
	enum fp_state next;
	unsigned acts;
	enum fp_tell tell;
} rows[] = {
	/* in                on                   when       next                actions                        told */
	{ FP_START,           FP_EV_CALL_IMPLICIT, 0,         FP_PENDING_REQUEST, WAIT_101,                      0 },
	{ FP_START,           FP_EV_CALL_GRANTED,  0,         FP_HAS_PERMISSION,  0,                             FP_TELL_GRANTED },
	{ FP_START,           FP_EV_CALL,          0,         FP_NO_PERMISSION,   0,                             0 },

	{ FP_NO_PERMISSION,   FP_EV_PRESS,         0,         FP_PENDING_REQUEST, REQUEST | FIRST,               0 },
	{ FP_NO_PERMISSION,   FP_EV_IDLE,          0,         FP_NO_PERMISSION,   STOP_103,                      FP_TELL_IDLE },
	{ FP_NO_PERMISSION,   FP_EV_TAKEN,         0,         FP_NO_PERMISSION,   START_103,                     FP_TELL_TAKEN },
	{ FP_NO_PERMISSION,   FP_EV_MEDIA,         0,         FP_NO_PERMISSION,   START_103,                     0 },
	{ FP_NO_PERMISSION,   FP_EV_T103,          0,         FP_NO_PERMISSION,   0,                             FP_TELL_MEDIA_OVER },
	{ FP_NO_PERMISSION,   FP_EV_GRANTED,       0,         FP_PENDING_RELEASE, RELEASE | FIRST,               0 },
	{ FP_NO_PERMISSION,   FP_EV_REVOKE,        0,         FP_PENDING_RELEASE, RELEASE | FIRST,               FP_TELL_REVOKED },

	{ FP_PENDING_REQUEST, FP_EV_GRANTED,       0,         FP_HAS_PERMISSION,  STOP_101 | STOP_103,           FP_TELL_GRANTED },
	{ FP_PENDING_REQUEST, FP_EV_DENY,          0,         FP_NO_PERMISSION,   STOP_101,                      FP_TELL_DENIED },
	{ FP_PENDING_REQUEST, FP_EV_TAKEN,         0,         FP_NO_PERMISSION,   STOP_101 | START_103,          FP_TELL_TAKEN },
	{ FP_PENDING_REQUEST, FP_EV_QUEUE_INFO,    0,         FP_QUEUED,          STOP_101,                      FP_TELL_QUEUED },
	{ FP_PENDING_REQUEST, FP_EV_T101,          again_101, FP_PENDING_REQUEST, REQUEST,                       0 },
	{ FP_PENDING_REQUEST, FP_EV_T101,          0,         FP_NO_PERMISSION,   0,                             FP_TELL_NO_ANSWER },
	{ FP_PENDING_REQUEST, FP_EV_LET_GO,        0,         FP_PENDING_RELEASE, STOP_101 | RELEASE | FIRST,    0 },

	{ FP_HAS_PERMISSION,  FP_EV_LET_GO,        0,         FP_PENDING_RELEASE, RELEASE | FIRST,               0 },
	{ FP_HAS_PERMISSION,  FP_EV_GRANTED,       0,         FP_HAS_PERMISSION,  0,                             0 },
	{ FP_HAS_PERMISSION,  FP_EV_REVOKE,        0,         FP_PENDING_RELEASE, RELEASE | FIRST,               FP_TELL_REVOKED },
	{ FP_HAS_PERMISSION,  FP_EV_IDLE,          0,         FP_NO_PERMISSION,   0,                             FP_TELL_IDLE },
	{ FP_HAS_PERMISSION,  FP_EV_TAKEN,         0,         FP_NO_PERMISSION,   START_103,                     FP_TELL_TAKEN },

	{ FP_PENDING_RELEASE, FP_EV_T100,          again_100, FP_PENDING_RELEASE, RELEASE,                       0 },
	{ FP_PENDING_RELEASE, FP_EV_T100,          0,         FP_NO_PERMISSION,   0,                             FP_TELL_NO_ANSWER },
	{ FP_PENDING_RELEASE, FP_EV_IDLE,          0,         FP_NO_PERMISSION,   STOP_100,                      FP_TELL_IDLE },
	{ FP_PENDING_RELEASE, FP_EV_TAKEN,         0,         FP_NO_PERMISSION,   STOP_100 | START_103,          FP_TELL_TAKEN },
	{ FP_PENDING_RELEASE, FP_EV_MEDIA,         0,         FP_NO_PERMISSION,   STOP_100 | START_103,          0 },
	{ FP_PENDING_RELEASE, FP_EV_GRANTED,       0,         FP_PENDING_RELEASE, RELEASE,                       0 },

	{ FP_QUEUED,          FP_EV_QUEUE_INFO,    0,         FP_QUEUED,          STOP_104,                      FP_TELL_QUEUED },
	{ FP_QUEUED,          FP_EV_ASK_POSITION,  0,         FP_QUEUED,          ASK | FIRST,                   0 },
	{ FP_QUEUED,          FP_EV_T104,          again_104, FP_QUEUED,          ASK,                           0 },
	{ FP_QUEUED,          FP_EV_T104,          0,         FP_QUEUED,          0,                             0 },
	{ FP_QUEUED,          FP_EV_GRANTED,       pressed,   FP_HAS_PERMISSION,  STOP_104 | STOP_132,           FP_TELL_GRANTED },
	{ FP_QUEUED,          FP_EV_GRANTED,       offered,   FP_QUEUED,          0,                             0 },
	{ FP_QUEUED,          FP_EV_GRANTED,       0,         FP_QUEUED,          STOP_104 | START_132,          0 },
	{ FP_QUEUED,          FP_EV_PRESS,         offered,   FP_HAS_PERMISSION,  STOP_132,                      FP_TELL_GRANTED },
	{ FP_QUEUED,          FP_EV_T132,          0,         FP_PENDING_RELEASE, RELEASE | FIRST,               0 },
	{ FP_QUEUED,          FP_EV_DENY,          0,         FP_NO_PERMISSION,   STOP_104 | STOP_132,           FP_TELL_DENIED },
	{ FP_QUEUED,          FP_EV_LET_GO,        0,         FP_PENDING_RELEASE, STOP_104 | STOP_132 | RELEASE | FIRST, 0 },
	{ FP_QUEUED,          FP_EV_TAKEN,         0,         FP_QUEUED,          START_103,                     FP_TELL_TAKEN },
	{ FP_QUEUED,          FP_EV_IDLE,          0,         FP_QUEUED,          STOP_103,                      0 },
	{ FP_QUEUED,          FP_EV_MEDIA,         0,         FP_QUEUED,          START_103,                     0 },
	{ FP_QUEUED,          FP_EV_T103,          0,         FP_QUEUED,          0,                             0 },

	{ FP_NO_PERMISSION,   FP_EV_ENDING,        0,         FP_RELEASING,       STOP_ALL,                      0 },
	{ FP_PENDING_REQUEST, FP_EV_ENDING,        0,         FP_RELEASING,       STOP_ALL,                      0 },
	{ FP_HAS_PERMISSION,  FP_EV_ENDING,        0,         FP_RELEASING,       STOP_ALL,                      0 },
	{ FP_PENDING_RELEASE, FP_EV_ENDING,        0,         FP_RELEASING,       STOP_ALL,                      0 },
	{ FP_QUEUED,          FP_EV_ENDING,        0,         FP_RELEASING,       STOP_ALL,                      0 },
	{ FP_RELEASING,       FP_EV_ENDED,         0,         FP_START,           STOP_ALL,                      0 },
};
/* clang-format on */

const int fp_rows = sizeof rows / sizeof *rows;

void fp_init(struct fp *m, const struct fp_config *cfg)
{
	*m = (struct fp){.cfg = *cfg, .sequence = -1};
}

static void start(struct fp *m, enum timer t, unsigned ms, int64_t now)
{
	m->due[t] = now + ms;
}

static void count(struct fp *m, enum timer t, int first)
{
	m->count[t] = (uint8_t)(first ? 1 : m->count[t] + 1);
}

static void act(struct fp *m, const struct row *r, int64_t now, struct fp_out *out)
{
	static const struct {
		unsigned bit;
		enum timer t;
	} stops[] = {{STOP_100, T100}, {STOP_101, T101}, {STOP_103, T103}, {STOP_104, T104}, {STOP_132, T132}};
	int first = (r->acts & FIRST) != 0;
	for (size_t i = 0; i < FP_TIMERS; i++)
		if (r->acts & (stops[i].bit | STOP_ALL))
			m->due[stops[i].t] = 0;
	out->send = (r->acts & (REQUEST | RELEASE | ASK)) != 0;
	if (r->acts & REQUEST) {
		out->message = (struct floor_message){.type = FLOOR_REQUEST,
						      .has = FLOOR_HAS(FLOOR_F_PRIORITY) | FLOOR_HAS(FLOOR_F_INDICATOR),
						      .priority = m->cfg.priority,
						      .indicator = FLOOR_NORMAL};
		count(m, T101, first);
		start(m, T101, m->cfg.t101, now);
	}
	if (r->acts & RELEASE) {
		out->message = (struct floor_message){
		    .type = FLOOR_RELEASE, .has = FLOOR_HAS(FLOOR_F_INDICATOR), .indicator = FLOOR_NORMAL};
		count(m, T100, first);
		start(m, T100, m->cfg.t100, now);
	}
	if (r->acts & ASK) {
		out->message = (struct floor_message){.type = FLOOR_QUEUE_POSITION_REQUEST};
		count(m, T104, first);
		start(m, T104, m->cfg.t104, now);
	}
	if (r->acts & WAIT_101) {
		count(m, T101, 1);
		start(m, T101, m->cfg.t101, now);
	}
	if (r->acts & START_103)
		start(m, T103, m->cfg.t103, now);
	if (r->acts & START_132)
		start(m, T132, m->cfg.t132, now);
}

int fp_step(struct fp *m, enum fp_event ev, int64_t now, struct fp_out *out)
{
	*out = (struct fp_out){0};
	if (ev == FP_EV_PRESS || ev == FP_EV_CALL_IMPLICIT || ev == FP_EV_CALL_GRANTED)
		m->pressed = 1;
	if (ev == FP_EV_LET_GO)
		m->pressed = 0;
	for (int i = 0; i < fp_rows; i++) {
		const struct row *r = &rows[i];
		if (r->in != m->state || r->on != ev || (r->when && !r->when(m)))
			continue;
		act(m, r, now, out);
		m->state = r->next;
		out->tell = r->tell;
		return i;
	}
	return -1;
}

/* ---- messages ---- */

/* Is a Floor Idle or Taken old, or one that says nothing new? (F-D4) */
static int is_stale(struct fp *m, const struct floor_message *in)
{
	if (!(in->has & FLOOR_HAS(FLOOR_F_SEQUENCE)))
		return 0;
	int last = m->sequence;
	uint16_t ahead = (uint16_t)(in->sequence - last);
	if (last < 0 || (ahead != 0 && ahead < 0x8000)) {
		m->sequence = in->sequence;
		return 0;
	}
	return ahead != 0 || m->state != FP_PENDING_RELEASE;
}

int fp_message(struct fp *m, const struct floor_message *in, int64_t now, struct fp_out *out)
{
	static const struct {
		uint8_t type;
		enum fp_event ev;
	} events[] = {{FLOOR_GRANTED, FP_EV_GRANTED}, {FLOOR_DENY, FP_EV_DENY},
		      {FLOOR_TAKEN, FP_EV_TAKEN},     {FLOOR_IDLE, FP_EV_IDLE},
		      {FLOOR_REVOKE, FP_EV_REVOKE},   {FLOOR_QUEUE_POSITION_INFO, FP_EV_QUEUE_INFO}};
	int row = -1;
	int numbered = in->type == FLOOR_IDLE || in->type == FLOOR_TAKEN;
	int stale = numbered && is_stale(m, in);
	/* A second talker beside us takes nothing away (dual floor, multi-talker). */
	int beside = in->type == FLOOR_TAKEN && in->indicator & (FLOOR_DUAL | FLOOR_MULTI) && fp_may_speak(m);
	*out = (struct fp_out){0};
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (events[i].type == in->type && !stale && !beside)
			row = fp_step(m, events[i].ev, now, out);
	out->ack = in->ack && m->state != FP_START && m->state != FP_RELEASING && in->type != FLOOR_ACK;
	return row;
}

/* ---- time ---- */

int64_t fp_next(const struct fp *m)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < FP_TIMERS; i++)
		if (m->due[i] && m->due[i] < next)
			next = m->due[i];
	return next;
}

int fp_due(struct fp *m, int64_t now, enum fp_event *ev)
{
	static const enum fp_event events[FP_TIMERS] = {
	    [T100] = FP_EV_T100, [T101] = FP_EV_T101, [T103] = FP_EV_T103, [T104] = FP_EV_T104, [T132] = FP_EV_T132};
	int64_t next = fp_next(m);
	for (size_t i = 0; i < FP_TIMERS; i++) {
		if (next > now || m->due[i] != next)
			continue;
		m->due[i] = 0;
		*ev = events[i];
		return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_participant.c - the table of transmission control at the client (TS 24.581 6.2; transmission 5, 6). Each
 * part of the machine takes the first row that matches.
 *
 * Whatever asks for it is acknowledged while the call is up, also what changes nothing. Transmission Idle carries a
 * sequence number: one that is not newer than the last says nothing.
 */
#include "mcx/floor/transmission_participant.h"

#include <stdio.h>

const struct tp_config tp_default = {.t = {1000, 1000, 1000, 1000, 1000}, .c = {3, 3, 3, 3, 3}};

const char *tp_state_name(enum tp_state s)
{
	static const char *const names[TP_STATES] = {
	    [TP_START] = "start-stop",
	    [TP_NO_PERMISSION] = "has no permission to transmit",
	    [TP_PENDING_REQUEST] = "pending request to transmit",
	    [TP_HAS_PERMISSION] = "has permission to transmit",
	    [TP_PENDING_END] = "pending end of transmission",
	    [TP_QUEUED] = "queued transmission",
	    [TP_RELEASING] = "releasing",
	    [TP_NOTHING] = "reception controller",
	    [TP_OFFERED] = "offered media",
	    [TP_PENDING_RECEPTION] = "pending request to receive",
	    [TP_RECEIVES] = "has permission to receive",
	    [TP_PENDING_RECEPTION_END] = "pending reception release",
	};
	return names[s];
}

enum timer { T100, T101, T102, T103, T104 };

/* What is sent, and the timer that repeats it; FIRST: the counter begins at 1. */
enum {
	REQUEST = 1 << 1, /* Transmission Request, T100     */
	END = 1 << 2,     /* Transmission End Request, T101 */
	ASK = 1 << 3,     /* Queue Position Request, T102   */
	RECEIVE = 1 << 4, /* Receive Media Request, T103    */
	STOP = 1 << 5,    /* Media Reception End Request, T104 */
	ENDED = 1 << 6,   /* Transmission End Response      */
	STOPPED = 1 << 7, /* Media Reception End Response   */
	FIRST = 1 << 8,
	WAIT_100 = 1 << 9,  /* as if REQUEST had been sent    */
	STOP_100 = 1 << 10, /* timers that stop               */
	STOP_101 = 1 << 11,
	STOP_102 = 1 << 12,
	STOP_103 = 1 << 13,
	STOP_104 = 1 << 14,
	STOP_ALL = STOP_100 | STOP_101 | STOP_102 | STOP_103 | STOP_104
};

typedef int guard(const struct tp *m);

#define AGAIN(n)                                                                                                       \
	static int again_##n(const struct tp *m)                                                                       \
	{                                                                                                              \
		return m->count[T##n] < m->cfg.c[T##n];                                                                \
	}
AGAIN(100)
AGAIN(101)
AGAIN(102)
AGAIN(103)
AGAIN(104)

/* clang-format off */
static const struct row {
	enum tp_state in;
	enum tp_event on;
	guard *when;
	enum tp_state next;
	unsigned acts;
	enum tp_tell tell;
} rows[] = {
	/* in                      on                            when       next                      actions                     told */
	{ TP_START,                 TP_EV_CALL_IMPLICIT,          0,         TP_PENDING_REQUEST,       WAIT_100,                   0 },
	{ TP_START,                 TP_EV_CALL_GRANTED,           0,         TP_HAS_PERMISSION,        0,                          TP_TELL_GRANTED },
	{ TP_START,                 TP_EV_CALL,                   0,         TP_NO_PERMISSION,         0,                          0 },

	{ TP_NO_PERMISSION,         TP_EV_PRESS,                  0,         TP_PENDING_REQUEST,       REQUEST | FIRST,            0 },
	{ TP_NO_PERMISSION,         TP_EV_GRANTED,                0,         TP_PENDING_END,           END | FIRST,                0 },
	{ TP_NO_PERMISSION,         TP_EV_REVOKED,                0,         TP_PENDING_END,           END | FIRST,                TP_TELL_REVOKED },
	{ TP_NO_PERMISSION,         TP_EV_IDLE,                   0,         TP_NO_PERMISSION,         0,                          TP_TELL_IDLE },
	{ TP_NO_PERMISSION,         TP_EV_END_REQUEST,            0,         TP_NO_PERMISSION,         ENDED,                      0 },

	{ TP_PENDING_REQUEST,       TP_EV_GRANTED,                0,         TP_HAS_PERMISSION,        STOP_100,                   TP_TELL_GRANTED },
	{ TP_PENDING_REQUEST,       TP_EV_REJECTED,               0,         TP_NO_PERMISSION,         STOP_100,                   TP_TELL_REJECTED },
	{ TP_PENDING_REQUEST,       TP_EV_QUEUE_INFO,             0,         TP_QUEUED,                STOP_100,                   TP_TELL_QUEUED },
	{ TP_PENDING_REQUEST,       TP_EV_T100,                   again_100, TP_PENDING_REQUEST,       REQUEST,                    0 },
	{ TP_PENDING_REQUEST,       TP_EV_T100,                   0,         TP_NO_PERMISSION,         0,                          TP_TELL_NO_ANSWER },
	{ TP_PENDING_REQUEST,       TP_EV_LET_GO,                 0,         TP_PENDING_END,           STOP_100 | END | FIRST,     0 },

	{ TP_HAS_PERMISSION,        TP_EV_LET_GO,                 0,         TP_PENDING_END,           END | FIRST,                0 },
	{ TP_HAS_PERMISSION,        TP_EV_RECEPTION,              0,         TP_HAS_PERMISSION,        0,                          TP_TELL_RECEIVED },
	{ TP_HAS_PERMISSION,        TP_EV_REVOKED,                0,         TP_PENDING_END,           END | FIRST,                TP_TELL_REVOKED },
	{ TP_HAS_PERMISSION,        TP_EV_END_REQUEST,            0,         TP_NO_PERMISSION,         ENDED,                      TP_TELL_REVOKED },
	{ TP_HAS_PERMISSION,        TP_EV_IDLE,                   0,         TP_NO_PERMISSION,         0,                          TP_TELL_IDLE },

	{ TP_PENDING_END,           TP_EV_END_RESPONSE,           0,         TP_NO_PERMISSION,         STOP_101,                   TP_TELL_ENDED },
	{ TP_PENDING_END,           TP_EV_IDLE,                   0,         TP_NO_PERMISSION,         STOP_101,                   TP_TELL_IDLE },
	{ TP_PENDING_END,           TP_EV_GRANTED,                0,         TP_PENDING_END,           END,                        0 },
	{ TP_PENDING_END,           TP_EV_END_REQUEST,            0,         TP_NO_PERMISSION,         STOP_101 | ENDED,           TP_TELL_ENDED },
	{ TP_PENDING_END,           TP_EV_T101,                   again_101, TP_PENDING_END,           END,                        0 },
	{ TP_PENDING_END,           TP_EV_T101,                   0,         TP_NO_PERMISSION,         0,                          TP_TELL_NO_ANSWER },

	{ TP_QUEUED,                TP_EV_QUEUE_INFO,             0,         TP_QUEUED,                STOP_102,                   TP_TELL_QUEUED },
	{ TP_QUEUED,                TP_EV_ASK_POSITION,           0,         TP_QUEUED,                ASK | FIRST,                0 },
	{ TP_QUEUED,                TP_EV_T102,                   again_102, TP_QUEUED,                ASK,                        0 },
	{ TP_QUEUED,                TP_EV_T102,                   0,         TP_QUEUED,                0,                          0 },
	{ TP_QUEUED,                TP_EV_GRANTED,                0,         TP_HAS_PERMISSION,        STOP_102,                   TP_TELL_GRANTED },
	{ TP_QUEUED,                TP_EV_REJECTED,               0,         TP_NO_PERMISSION,         STOP_102,                   TP_TELL_REJECTED },
	{ TP_QUEUED,                TP_EV_LET_GO,                 0,         TP_PENDING_END,           STOP_102 | END | FIRST,     0 },

	{ TP_NOTHING,               TP_EV_NOTIFIED,               0,         TP_PENDING_RECEPTION,     RECEIVE | FIRST,            TP_TELL_TRANSMITS },
	{ TP_NOTHING,               TP_EV_NOTIFIED_ASKS,          0,         TP_OFFERED,               0,                          TP_TELL_TRANSMITS },
	{ TP_NOTHING,               TP_EV_RECEPTION_END_REQUEST,  0,         TP_NOTHING,               STOPPED,                    0 },

	{ TP_OFFERED,               TP_EV_ACCEPT,                 0,         TP_PENDING_RECEPTION,     RECEIVE | FIRST,            0 },
	{ TP_OFFERED,               TP_EV_END_NOTIFY,             0,         TP_NOTHING,               0,                          TP_TELL_OVER },
	{ TP_OFFERED,               TP_EV_IDLE,                   0,         TP_NOTHING,               0,                          TP_TELL_OVER },

	{ TP_PENDING_RECEPTION,     TP_EV_RECEIVE_YES,            0,         TP_RECEIVES,              STOP_103,                   TP_TELL_RECEIVING },
	{ TP_PENDING_RECEPTION,     TP_EV_RECEIVE_NO,             0,         TP_NOTHING,               STOP_103,                   TP_TELL_REFUSED },
	{ TP_PENDING_RECEPTION,     TP_EV_T103,                   again_103, TP_PENDING_RECEPTION,     RECEIVE,                    0 },
	{ TP_PENDING_RECEPTION,     TP_EV_T103,                   0,         TP_NOTHING,               0,                          TP_TELL_NO_ANSWER },
	{ TP_PENDING_RECEPTION,     TP_EV_STOP,                   0,         TP_PENDING_RECEPTION_END, STOP_103 | STOP | FIRST,    0 },
	{ TP_PENDING_RECEPTION,     TP_EV_END_NOTIFY,             0,         TP_NOTHING,               STOP_103,                   TP_TELL_OVER },
	{ TP_PENDING_RECEPTION,     TP_EV_IDLE,                   0,         TP_NOTHING,               STOP_103,                   TP_TELL_OVER },

	{ TP_RECEIVES,              TP_EV_STOP,                   0,         TP_PENDING_RECEPTION_END, STOP | FIRST,               0 },
	{ TP_RECEIVES,              TP_EV_NOTIFIED,               0,         TP_PENDING_RECEPTION,     RECEIVE | FIRST,            0 },
	{ TP_RECEIVES,              TP_EV_END_NOTIFY,             0,         TP_NOTHING,               0,                          TP_TELL_OVER },
	{ TP_RECEIVES,              TP_EV_IDLE,                   0,         TP_NOTHING,               0,                          TP_TELL_OVER },
	{ TP_RECEIVES,              TP_EV_RECEPTION_END_REQUEST,  0,         TP_NOTHING,               STOPPED,                    TP_TELL_OVER },

	{ TP_PENDING_RECEPTION_END, TP_EV_RECEPTION_END_RESPONSE, 0,         TP_NOTHING,               STOP_104,                   TP_TELL_OVER },
	{ TP_PENDING_RECEPTION_END, TP_EV_END_NOTIFY,             0,         TP_NOTHING,               STOP_104,                   TP_TELL_OVER },
	{ TP_PENDING_RECEPTION_END, TP_EV_IDLE,                   0,         TP_NOTHING,               STOP_104,                   TP_TELL_OVER },
	{ TP_PENDING_RECEPTION_END, TP_EV_T104,                   again_104, TP_PENDING_RECEPTION_END, STOP,                       0 },
	{ TP_PENDING_RECEPTION_END, TP_EV_T104,                   0,         TP_NOTHING,               0,                          TP_TELL_NO_ANSWER },

	{ TP_NO_PERMISSION,         TP_EV_ENDING,                 0,         TP_RELEASING,             STOP_ALL,                   0 },
	{ TP_PENDING_REQUEST,       TP_EV_ENDING,                 0,         TP_RELEASING,             STOP_ALL,                   0 },
	{ TP_HAS_PERMISSION,        TP_EV_ENDING,                 0,         TP_RELEASING,             STOP_ALL,                   0 },
	{ TP_PENDING_END,           TP_EV_ENDING,                 0,         TP_RELEASING,             STOP_ALL,                   0 },
	{ TP_QUEUED,                TP_EV_ENDING,                 0,         TP_RELEASING,             STOP_ALL,                   0 },
	{ TP_RELEASING,             TP_EV_ENDED,                  0,         TP_START,                 STOP_ALL,                   0 },
};
/* clang-format on */

const int tp_rows = sizeof rows / sizeof *rows;
_Static_assert(sizeof rows / sizeof *rows <= 64, "tp_step answers with one bit a row");

void tp_init(struct tp *m, const struct tp_config *cfg)
{
	*m = (struct tp){.cfg = *cfg, .at = {TP_START, TP_NOTHING}, .sequence = -1};
}

/* ---- actions ---- */

/* Of whom we receive, as the server named it. */
static struct tx_message about_other(const struct tp *m, enum tx_type type)
{
	return (struct tx_message){.type = (uint8_t)type,
				   .has = m->known | TX_HAS(TX_F_INDICATOR),
				   .transmitting_id = octets_of(m->who),
				   .audio_ssrc = m->audio_ssrc,
				   .video_ssrc = m->video_ssrc,
				   .indicator = TX_NORMAL};
}

static void repeat(struct tp *m, enum timer t, int first, int64_t now)
{
	m->count[t] = (uint8_t)(first ? 1 : m->count[t] + 1);
	m->due[t] = now + m->cfg.t[t];
}

static const struct {
	unsigned act;
	enum tx_type type;
	int timer; /* -1: none */
} sends[] = {{REQUEST, TX_REQUEST, T100},
	     {END, TX_END_REQUEST, T101},
	     {ASK, TX_QUEUE_POSITION_REQUEST, T102},
	     {RECEIVE, TX_RECEIVE_REQUEST, T103},
	     {STOP, TX_RECEPTION_END_REQUEST, T104},
	     {ENDED, TX_END_RESPONSE, -1},
	     {STOPPED, TX_RECEPTION_END_RESPONSE, -1}};

static void send(struct tp *m, enum tx_type type, struct tp_out *out)
{
	struct tx_message *t = &out->message[out->n++];
	*t = (struct tx_message){.type = (uint8_t)type, .has = TX_HAS(TX_F_INDICATOR), .indicator = TX_NORMAL};
	if (type == TX_REQUEST) {
		t->has |= TX_HAS(TX_F_PRIORITY);
		t->priority = m->cfg.priority;
	} else if (type == TX_RECEIVE_REQUEST) {
		*t = about_other(m, type);
		t->has |= TX_HAS(TX_F_RECEPTION_PRIORITY);
		t->reception_priority = m->cfg.reception_priority;
	} else if (type == TX_RECEPTION_END_REQUEST || type == TX_RECEPTION_END_RESPONSE) {
		*t = about_other(m, type);
	}
}

static void act(struct tp *m, const struct row *r, int64_t now, struct tp_out *out)
{
	static const unsigned stops[TP_TIMERS] = {STOP_100, STOP_101, STOP_102, STOP_103, STOP_104};
	int first = (r->acts & FIRST) != 0;
	for (size_t i = 0; i < TP_TIMERS; i++)
		if (r->acts & stops[i])
			m->due[i] = 0;
	for (size_t i = 0; i < sizeof sends / sizeof *sends; i++) {
		if (!(r->acts & sends[i].act))
			continue;
		send(m, sends[i].type, out);
		if (sends[i].timer >= 0)
			repeat(m, (enum timer)sends[i].timer, first, now);
	}
	if (r->acts & WAIT_100)
		repeat(m, T100, 1, now);
}

uint64_t tp_step(struct tp *m, enum tp_event ev, int64_t now, struct tp_out *out)
{
	uint64_t taken = 0;
	*out = (struct tp_out){0};
	for (int part = 0; part < TP_PARTS; part++)
		for (int i = 0; i < tp_rows; i++) {
			const struct row *r = &rows[i];
			if (r->in != m->at[part] || r->on != ev || (r->when && !r->when(m)))
				continue;
			act(m, r, now, out);
			m->at[part] = r->next;
			out->tell[part] = r->tell;
			taken |= (uint64_t)1 << i;
			break;
		}
	if (ev == TP_EV_ENDING)
		m->at[1] = TP_NOTHING;
	return taken;
}

/* ---- messages ---- */

/* Is a Transmission Idle old, or one that says nothing new? */
static int is_stale(struct tp *m, const struct tx_message *in)
{
	if (in->type != TX_IDLE || !(in->has & TX_HAS(TX_F_SEQUENCE)))
		return 0;
	uint16_t ahead = (uint16_t)(in->sequence - m->sequence);
	if (m->sequence >= 0 && (ahead == 0 || ahead >= 0x8000))
		return 1;
	m->sequence = in->sequence;
	return 0;
}

/* Who transmits, for what we say about it later. */
static void keep_other(struct tp *m, const struct tx_message *in)
{
	int named = in->has & TX_HAS(TX_F_TRANSMITTING_ID) && in->transmitting_id.len < sizeof m->who;
	snprintf(m->who, sizeof m->who, "%.*s", named ? (int)in->transmitting_id.len : 0,
		 (const char *)in->transmitting_id.p);
	m->audio_ssrc = in->audio_ssrc;
	m->video_ssrc = in->video_ssrc;
	m->known = in->has & (TX_HAS(TX_F_AUDIO_SSRC) | TX_HAS(TX_F_VIDEO_SSRC));
	m->known |= named ? TX_HAS(TX_F_TRANSMITTING_ID) : 0;
}

static enum tp_event event_of(const struct tx_message *in)
{
	static const struct {
		uint8_t type;
		enum tp_event ev;
	} events[] = {{TX_GRANTED, TP_EV_GRANTED},
		      {TX_REJECTED, TP_EV_REJECTED},
		      {TX_REVOKED, TP_EV_REVOKED},
		      {TX_END_REQUEST, TP_EV_END_REQUEST},
		      {TX_END_RESPONSE, TP_EV_END_RESPONSE},
		      {TX_QUEUE_POSITION_INFO, TP_EV_QUEUE_INFO},
		      {TX_RECEPTION_NOTIFICATION, TP_EV_RECEPTION},
		      {TX_RECEPTION_END_REQUEST, TP_EV_RECEPTION_END_REQUEST},
		      {TX_RECEPTION_END_RESPONSE, TP_EV_RECEPTION_END_RESPONSE},
		      {TX_END_NOTIFY, TP_EV_END_NOTIFY},
		      {TX_IDLE, TP_EV_IDLE}};
	if (in->type == TX_NOTIFICATION)
		return in->reception_mode == TX_MODE_MANUAL ? TP_EV_NOTIFIED_ASKS : TP_EV_NOTIFIED;
	if (in->type == TX_RECEIVE_RESPONSE)
		return in->has & TX_HAS(TX_F_RESULT) && in->result == TX_ACCEPTED ? TP_EV_RECEIVE_YES
										  : TP_EV_RECEIVE_NO;
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (events[i].type == in->type)
			return events[i].ev;
	return TP_EVENTS;
}

uint64_t tp_message(struct tp *m, const struct tx_message *in, int64_t now, struct tp_out *out)
{
	enum tp_event ev = event_of(in);
	int up = m->at[0] != TP_START && m->at[0] != TP_RELEASING;
	uint64_t taken = 0;
	*out = (struct tp_out){0};
	if (!up)
		return 0;
	if (in->type == TX_NOTIFICATION)
		keep_other(m, in);
	if (ev != TP_EVENTS && !is_stale(m, in))
		taken = tp_step(m, ev, now, out);
	out->ack = in->ack && in->type != TX_ACK;
	return taken;
}

/* ---- time ---- */

int64_t tp_next(const struct tp *m)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < TP_TIMERS; i++)
		if (m->due[i] && m->due[i] < next)
			next = m->due[i];
	return next;
}

int tp_due(struct tp *m, int64_t now, enum tp_event *ev)
{
	int64_t next = tp_next(m);
	for (size_t i = 0; i < TP_TIMERS; i++) {
		if (next > now || m->due[i] != next)
			continue;
		m->due[i] = 0;
		*ev = (enum tp_event)(TP_EV_T100 + i);
		return 1;
	}
	return 0;
}

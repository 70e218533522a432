/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_participant.h - transmission control at the client: one machine a call (TS 24.581 6.2; transmission 5,
 * 6).
 *
 * Two parts, each with its state: what we transmit, and what we receive of the other end (a private call has one).
 * Events in, messages and what the user is told out; the time comes with each event and timers are absolute instants in
 * the state, so the machine repeats bit for bit. The client may send media in TP_HAS_PERMISSION and in no other state.
 * A pair of state and event without a row changes nothing.
 */
#ifndef MCX_FLOOR_TRANSMISSION_PARTICIPANT_H
#define MCX_FLOOR_TRANSMISSION_PARTICIPANT_H

#include "mcx/floor/transmission_message.h"

enum tp_state {
	TP_START,
	TP_NO_PERMISSION,
	TP_PENDING_REQUEST,
	TP_HAS_PERMISSION,
	TP_PENDING_END,
	TP_QUEUED,
	TP_RELEASING,
	TP_NOTHING, /* reception: nobody transmits to us  */
	TP_OFFERED, /* manual mode: the user has to accept */
	TP_PENDING_RECEPTION,
	TP_RECEIVES,
	TP_PENDING_RECEPTION_END,
	TP_STATES
};
const char *tp_state_name(enum tp_state s);

enum tp_event {
	TP_EV_CALL_IMPLICIT, /* the call is up, its offer asked to transmit (mc_implicit_request)   */
	TP_EV_CALL_GRANTED,  /* and its answer allowed it (mc_granted)                              */
	TP_EV_CALL,          /* the call is up                                                      */
	TP_EV_PRESS,         /* the user wants to transmit                                          */
	TP_EV_LET_GO,
	TP_EV_ASK_POSITION,
	TP_EV_ACCEPT, /* the user wants to see what the other end transmits                  */
	TP_EV_STOP,   /* and no more                                                         */
	TP_EV_GRANTED,
	TP_EV_REJECTED,
	TP_EV_REVOKED,
	TP_EV_END_REQUEST, /* the server's */
	TP_EV_END_RESPONSE,
	TP_EV_QUEUE_INFO,
	TP_EV_RECEPTION,     /* Media Reception Notification: somebody receives us                  */
	TP_EV_NOTIFIED,      /* Media Transmission Notification                                     */
	TP_EV_NOTIFIED_ASKS, /* the same, in manual mode                                            */
	TP_EV_RECEIVE_YES,   /* Receive Media Response                                              */
	TP_EV_RECEIVE_NO,
	TP_EV_RECEPTION_END_REQUEST, /* the server's */
	TP_EV_RECEPTION_END_RESPONSE,
	TP_EV_END_NOTIFY,
	TP_EV_IDLE,
	TP_EV_T100, /* timers */
	TP_EV_T101,
	TP_EV_T102,
	TP_EV_T103,
	TP_EV_T104,
	TP_EV_ENDING, /* call release, part 1: nothing is said any more                      */
	TP_EV_ENDED,  /* part 2                                                              */
	TP_EVENTS
};

enum { TP_TIMERS = 5, TP_PARTS = 2, TP_ID = 256 };

/* Milliseconds and counts (transmission 5), T100 to T104. */
struct tp_config {
	unsigned t[TP_TIMERS];
	uint8_t c[TP_TIMERS];
	uint8_t priority, reception_priority; /* asked for */
};
extern const struct tp_config tp_default;

struct tp {
	struct tp_config cfg;
	enum tp_state at[TP_PARTS]; /* transmission, reception */
	int64_t due[TP_TIMERS];     /* 0: not running */
	uint8_t count[TP_TIMERS];
	int sequence; /* of the last Transmission Idle; -1: none yet */
	/* of whom we receive */
	char who[TP_ID];
	uint32_t audio_ssrc, video_ssrc;
	uint32_t known; /* TX_HAS of the three */
};

enum tp_tell {
	TP_TELL_NOTHING,
	TP_TELL_IDLE,
	TP_TELL_GRANTED,
	TP_TELL_REJECTED,
	TP_TELL_REVOKED,
	TP_TELL_QUEUED,
	TP_TELL_ENDED,    /* what we transmitted has ended */
	TP_TELL_RECEIVED, /* somebody receives us */
	TP_TELL_TRANSMITS,
	TP_TELL_RECEIVING,
	TP_TELL_REFUSED, /* we may not receive */
	TP_TELL_OVER,    /* the other's transmission */
	TP_TELL_NO_ANSWER
};

struct tp_out {
	int ack; /* answer the message at hand with Transmission Control Ack first */
	size_t n;
	struct tx_message message[TP_PARTS]; /* without SSRC; views point into struct tp */
	enum tp_tell tell[TP_PARTS];
};

void tp_init(struct tp *m, const struct tp_config *cfg);
/* One event at `now` (milliseconds that never jump): a bit for each row that was taken; 0: nothing changed. */
uint64_t tp_step(struct tp *m, enum tp_event ev, int64_t now, struct tp_out *out);
extern const int tp_rows;
/* A message of the server's, opened and read. */
uint64_t tp_message(struct tp *m, const struct tx_message *in, int64_t now, struct tp_out *out);
/* When the next timer is due; INT64_MAX: none runs. */
int64_t tp_next(const struct tp *m);
/* The timer that is due at `now`, as its event: 1 and *ev, else 0. */
int tp_due(struct tp *m, int64_t now, enum tp_event *ev);
static inline int tp_may_transmit(const struct tp *m)
{
	return m->at[0] == TP_HAS_PERMISSION;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_participant.h - floor control at the client: one machine a call (TS 24.380 6.2.4; floor 5).
 *
 * Events in, messages and what the user is told out; the time comes with each event and timers are absolute instants in
 * the state, so the machine repeats bit for bit. The client may speak in FP_HAS_PERMISSION and in no other state. A
 * pair of state and event without a row changes nothing.
 */
#ifndef MCX_FLOOR_PARTICIPANT_H
#define MCX_FLOOR_PARTICIPANT_H

#include "mcx/floor/floor_message.h"

enum fp_state {
	FP_START,
	FP_NO_PERMISSION,
	FP_PENDING_REQUEST,
	FP_HAS_PERMISSION,
	FP_PENDING_RELEASE,
	FP_QUEUED,
	FP_RELEASING,
	FP_STATES
};
const char *fp_state_name(enum fp_state s);

enum fp_event {
	FP_EV_CALL_IMPLICIT, /* the call is up, its offer asked for the floor (mc_implicit_request) */
	FP_EV_CALL_GRANTED,  /* and its answer gave it (mc_granted)                                 */
	FP_EV_CALL,          /* the call is up                                                      */
	FP_EV_PRESS,
	FP_EV_LET_GO,
	FP_EV_ASK_POSITION,
	FP_EV_MEDIA, /* of another                                                          */
	FP_EV_GRANTED,
	FP_EV_DENY,
	FP_EV_TAKEN,
	FP_EV_IDLE,
	FP_EV_REVOKE,
	FP_EV_QUEUE_INFO,
	FP_EV_T100, /* timers */
	FP_EV_T101,
	FP_EV_T103,
	FP_EV_T104,
	FP_EV_T132,
	FP_EV_ENDING, /* call release, part 1: nothing is said any more                      */
	FP_EV_ENDED,  /* part 2                                                              */
	FP_EVENTS
};

enum { FP_TIMERS = 5 };

/* Milliseconds and counts (floor 10). */
struct fp_config {
	unsigned t100, t101, t103, t104, t132;
	uint8_t c100, c101, c104;
	uint8_t priority; /* asked for */
};
extern const struct fp_config fp_default;

struct fp {
	struct fp_config cfg;
	enum fp_state state;
	int pressed;
	int64_t due[FP_TIMERS]; /* 0: not running */
	uint8_t count[FP_TIMERS];
	int sequence; /* of the last Floor Idle or Taken; -1: none yet */
};

enum fp_tell {
	FP_TELL_NOTHING,
	FP_TELL_IDLE,
	FP_TELL_TAKEN,
	FP_TELL_GRANTED,
	FP_TELL_DENIED,
	FP_TELL_REVOKED,
	FP_TELL_QUEUED,
	FP_TELL_MEDIA_OVER,
	FP_TELL_NO_ANSWER /* the server said nothing to a request */
};

struct fp_out {
	int ack;                      /* answer the message at hand with Floor Ack first */
	int send;                     /* then `message` */
	struct floor_message message; /* without SSRC */
	enum fp_tell tell;
};

void fp_init(struct fp *m, const struct fp_config *cfg);
/* One event at `now` (milliseconds that never jump). The row that was taken, -1: none, nothing changed. */
int fp_step(struct fp *m, enum fp_event ev, int64_t now, struct fp_out *out);
extern const int fp_rows;
/* A message of the server's, opened and read. */
int fp_message(struct fp *m, const struct floor_message *in, int64_t now, struct fp_out *out);
/* When the next timer is due; INT64_MAX: none runs. */
int64_t fp_next(const struct fp *m);
/* The timer that is due at `now`, as its event: 1 and *ev, else 0. */
int fp_due(struct fp *m, int64_t now, enum fp_event *ev);
static inline int fp_may_speak(const struct fp *m)
{
	return m->state == FP_HAS_PERMISSION;
}

#endif

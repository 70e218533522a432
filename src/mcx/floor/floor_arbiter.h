/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_arbiter.h - floor control at the server: who may speak in a call, one machine a call (TS 24.380 6.3.4, 6.3.5;
 * floor 6, 7).
 *
 * The basic arbitration and the participants' own states in one pure machine: events and a time in, messages to
 * participants out. Never two holders; media of a participant that has no permission is not to be forwarded
 * (fa_forwards). Timers are absolute instants in the state.
 *
 * To the depth of a private call: no dual floor, no multi-talker, no audio cut-in, no broadcast.
 */
#ifndef MCX_FLOOR_ARBITER_H
#define MCX_FLOOR_ARBITER_H

#include "mcx/floor/floor_message.h"

enum { FA_MAX = 8, FA_OUT = FA_MAX + 2, FA_NOBODY = -1 };

/* Milliseconds and counts (floor 10). */
struct fa_config {
	unsigned t1, t2, t3, t4, t7, t8, t9, t20;
	unsigned tail; /* media of one who has just released is on its way: no reason to revoke */
	uint8_t c7, c20;
	int preempt; /* a higher priority within a class pre-empts (F-D8) */
};
extern const struct fa_config fa_default;

enum fa_state { FA_START, FA_IDLE, FA_TAKEN, FA_PENDING_REVOKE, FA_RELEASING, FA_STATES };
const char *fa_state_name(enum fa_state s);

/* Of a participant, beside the call's state: permitted is who holds the floor. */
struct fa_participant {
	/* from the call */
	char id[256];        /* MC service ID */
	uint32_t media_ssrc; /* 0: not known */
	uint8_t priority;    /* negotiated mc_priority: nobody has more (F-D7) */
	uint8_t class;       /* what call control has said of call and user: 0 normal, 1 imminent peril, 2 emergency */
	int queueing;        /* mc_queueing negotiated */
	int receive_only;

	/* the machine's own */
	uint8_t asked;  /* effective priority of its request */
	unsigned place; /* in the queue, by arrival; 0: not queued */
	int intruding;  /* sends media without permission */
	int64_t t8;     /* of the revocation of an intruder */
	int64_t t9, tail;
};

struct fa {
	struct fa_config cfg;
	enum fa_state state;
	int n, holder;
	struct fa_participant p[FA_MAX];
	uint16_t sequence;
	unsigned arrivals;
	int64_t t1, t2, t3, t4, t7, t8, t20; /* due; 0: not running */
	uint8_t c7, c20;
	uint16_t cause; /* of the revocation under way */
};

struct fa_out {
	size_t n;
	struct {
		int to;
		struct floor_message message; /* without SSRC; views point into struct fa */
	} send[FA_OUT];
	int inactive; /* T4: nobody wanted the floor for long; call control decides (6.3.4.3.5) */
};

void fa_init(struct fa *m, const struct fa_config *cfg);
/* Before the start. Its number, or -1: full. */
int fa_join(struct fa *m, const char *id, uint32_t media_ssrc, uint8_t priority, int queueing);
/* The call is up; implicit: the participant whose implicit request is granted, or FA_NOBODY. */
void fa_start(struct fa *m, int implicit, int64_t now, struct fa_out *out);
/* A message that was opened under the key of that participant. */
void fa_message(struct fa *m, int from, const struct floor_message *in, int64_t now, struct fa_out *out);
/* There was media of it. */
void fa_media(struct fa *m, int from, int64_t now, struct fa_out *out);
/* What a participant has to know of the present state, once more: messages to it may have been lost. */
void fa_repeat(struct fa *m, int to, int64_t now, struct fa_out *out);
/* Call release part 1: nothing is said any more. */
void fa_end(struct fa *m);
int fa_forwards(const struct fa *m, int from);
/* When the next timer is due; INT64_MAX: none runs. */
int64_t fa_next(const struct fa *m);
/* Everything that is due at `now`, one timer a call: 1 if there was one. */
int fa_time(struct fa *m, int64_t now, struct fa_out *out);

#endif

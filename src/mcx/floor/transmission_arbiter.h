/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transmission_arbiter.h - transmission control at the server: who may transmit in a call and who receives it, one
 * machine a call (TS 24.581 6.3; transmission 5, 6).
 *
 * Arbitration, the participants' own states and their receptions in one pure machine: events and a time in, messages to
 * participants out. Never more transmitters than the configuration allows; media of one who has no permission, or whom
 * nobody has accepted to receive, is not to be forwarded (ta_forwards). Timers are absolute instants in the state.
 *
 * To the depth of a private call: no broadcast, no remote transmission, no reception override.
 */
#ifndef MCX_FLOOR_TRANSMISSION_ARBITER_H
#define MCX_FLOOR_TRANSMISSION_ARBITER_H

#include "mcx/floor/transmission_message.h"

enum { TA_MAX = 4, TA_OUT = 4 * TA_MAX, TA_NOBODY = -1 };

/* Milliseconds and counts (transmission 5). */
struct ta_config {
	unsigned t1, t2, t3, t4, t6;
	unsigned limit; /* of one transmission: its Duration */
	unsigned retry; /* after a revocation for too long or for no permission: not before */
	unsigned tail;  /* media of one who has just ended is on its way: no reason to revoke */
	uint8_t c2, c3, c4, c6, c7;
	uint8_t transmitters; /* at once */
	int preempt;          /* a higher priority within a class pre-empts */
};
extern const struct ta_config ta_default;

enum ta_state { TA_START, TA_IDLE, TA_TAKEN, TA_RELEASING };
/* Of a participant towards the others. */
enum ta_permission {
	TA_NOT_PERMITTED,
	TA_PERMITTED,
	TA_PENDING_REVOKE,
	TA_INTRUDING /* sends media without permission */
};
/* Of a participant towards one who transmits. */
enum ta_receiving {
	TA_NOT_TOLD,
	TA_TOLD, /* until that is acknowledged, or asked for */
	TA_KNOWS,
	TA_RECEIVES
};

struct ta_participant {
	/* from the call */
	char id[256];                    /* MC service ID */
	uint32_t audio_ssrc, video_ssrc; /* 0: not known */
	uint8_t priority;                /* negotiated mc_priority: nobody has more */
	uint8_t class;                   /* what call control has said: 0 normal, 1 imminent peril, 2 emergency */
	int queueing;                    /* mc_queueing negotiated */
	int receive_only, send_only;

	/* the machine's own */
	enum ta_permission permission;
	uint8_t asked;             /* effective priority of its request */
	unsigned place;            /* in the queue, by arrival; 0: not queued */
	uint16_t cause;            /* of the revocation under way */
	int from_queue;            /* its grant came when it may have gone */
	int64_t t1, t3, t4, limit; /* due; 0: not running */
	uint8_t c3, c4;
	int64_t retry, tail;
	struct {
		enum ta_receiving state;
		int64_t t6;
		uint8_t c6;
	} of[TA_MAX]; /* by the transmitter's number */
};

struct ta {
	struct ta_config cfg;
	enum ta_state state;
	int n;
	struct ta_participant p[TA_MAX];
	uint16_t sequence;
	unsigned arrivals;
	int64_t t1, t2; /* nobody transmits */
	uint8_t c2;
};

struct ta_out {
	size_t n;
	struct {
		int to;
		struct tx_message message; /* without SSRC; views point into struct ta */
	} send[TA_OUT];
	int inactive; /* T1: nobody wanted to transmit for long; call control decides */
};

void ta_init(struct ta *m, const struct ta_config *cfg);
/* Before the start. `who` is filled in with what is from the call. Its number, or -1: full. */
int ta_join(struct ta *m, const struct ta_participant *who);
/* The call is up; implicit: the participant whose implicit request is granted, or TA_NOBODY. */
void ta_start(struct ta *m, int implicit, int64_t now, struct ta_out *out);
/* A message that was opened under the key of that participant. */
void ta_message(struct ta *m, int from, const struct tx_message *in, int64_t now, struct ta_out *out);
/* There was media of it. */
void ta_media(struct ta *m, int from, int64_t now, struct ta_out *out);
/* What a participant has to know of the present state, once more: messages to it may have been lost. */
void ta_repeat(struct ta *m, int to, int64_t now, struct ta_out *out);
/* Call release part 1: nothing is said any more. */
void ta_end(struct ta *m);
int ta_forwards(const struct ta *m, int from);
/* When the next timer is due; INT64_MAX: none runs. */
int64_t ta_next(const struct ta *m);
/* Everything that is due at `now`, one timer a call: 1 if there was one. */
int ta_time(struct ta *m, int64_t now, struct ta_out *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_control.h - the client's end of a call's media control line, shared by ue_control.c (keys, packets, the user's
 * button) and the rules of the two services: ue_floor.c (floor control) and ue_transmission.c (transmission control).
 *
 * The rules own the machine: they turn packets into events, and what the machine wants into messages (ue_line_send),
 * media that may or may not leave, and words for the user. All on the loop.
 */
#ifndef MCX_UE_CONTROL_H
#define MCX_UE_CONTROL_H

#include "mcx/floor/floor_participant.h"
#include "mcx/floor/transmission_participant.h"
#include "ue/engine.h"

enum { LINE_MESSAGE = FLOOR_MAX };
_Static_assert((int)LINE_MESSAGE >= (int)TX_MAX, "a message of either service fits");

struct ue_line_rules {
	enum mcx_service service;
	void (*init)(struct ue_line *l);
	void (*begin)(struct ue *u);                        /* the call is up */
	void (*message)(struct ue *u, struct octets plain); /* of the server's, opened */
	void (*time)(struct ue *u, int64_t now);            /* whatever is due; every TICK_MS */
	void (*press)(struct ue *u);                        /* the user wants to send media */
	void (*let_go)(struct ue *u);
	int (*resting)(const struct ue_line *l); /* 1 when neither permission nor a request is ours */
};
extern const struct ue_line_rules ue_floor_rules, ue_transmission_rules;

struct ue_line {
	const struct ue_line_rules *rules;
	struct rtp_socket *socket;
	struct sip_watch *watch;
	struct sip_timer *timer;
	union {
		struct fp floor;
		struct tp transmission;
	} machine;
	uint32_t own, peer; /* SSRCs of the control itself */
	int usable, running, implicit, granted, queueing;
	int said_all;
	int64_t idle_since; /* 0: somebody sends, or we do not know */
	int64_t ask_at;     /* not before */
	uint64_t heard;     /* packets of media */
	int64_t show_at;    /* granted: media leaves when somebody receives it, at the latest then; 0: no permission */
	int received;       /* somebody does */
};

enum { LINE_ASK_AGAIN_MS = 2000 /* after a refusal */ };

/* A message written with the line's own SSRC; without octets nothing is sent. */
void ue_line_send(struct ue *u, struct octets plain);
/* The CSK-ID that stands beside what the user is told, 0: none. */
uint32_t ue_line_key(const struct ue *u);
/* Whether our media may leave, of every stream. */
void ue_line_allow(struct ue *u, int may);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_rules.h - what differs between floor control and transmission control at the server: the machine of the call,
 * and how its messages are read and written. control.c has the rest: descriptions, keys, packets and the clock.
 *
 * A rule says messages by control_say, which seals and sends them; before it says anything it lets control_gates open
 * and shut the relay as the machine now allows.
 */
#ifndef MCX_SERVER_CONTROL_RULES_H
#define MCX_SERVER_CONTROL_RULES_H

#include "mcx/doc/sdp.h"
#include "mcx/floor/floor_arbiter.h"
#include "mcx/floor/transmission_arbiter.h"

enum { CONTROL_ENDS = 2, CONTROL_MESSAGE = FLOOR_MAX };
_Static_assert((int)CONTROL_MESSAGE >= (int)TX_MAX, "a message of either service fits");

/* One of them, by the call's service. */
union control_machine {
	struct fa floor;
	struct ta transmission;
};

struct call_control;
/* The machine moved at `now`. */
struct control_turn {
	struct call_control *cc;
	union control_machine *m;
	int64_t now;
};

struct control_rules {
	enum mcx_service service;
	/* Before the call: both ends by their MC service IDs and what their descriptions said. */
	void (*join)(union control_machine *m, const char *const ids[CONTROL_ENDS],
		     const struct sdp_control *const said[CONTROL_ENDS]);
	/* The call is up; implicit: the end whose implicit request is granted, -1: none. */
	void (*start)(struct control_turn *t, int implicit);
	/* A packet that was opened under the key of that end. */
	void (*message)(struct control_turn *t, int from, struct octets plain);
	void (*media)(struct control_turn *t, int from);
	void (*repeat)(struct control_turn *t, int to);
	int (*time)(struct control_turn *t); /* 1 if a timer was due */
	/* Another description of that end. */
	void (*moved)(union control_machine *m, int end, const struct sdp_control *said);
	int64_t (*next)(const union control_machine *m);
	int (*forwards)(const union control_machine *m, int from);
};
extern const struct control_rules control_floor, control_transmission;

/* ---- for the rules ---- */

/* Who may be heard from here on. */
void control_gates(struct call_control *cc);
/* The SSRC that stands in messages to that end. */
uint32_t control_own(const struct call_control *cc, int to);
/* A message of that name, written with it. */
void control_say(struct call_control *cc, int to, struct octets plain, const char *name);
/* Nobody wanted anything for long: call control decides. */
void control_inactive(const struct call_control *cc);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_crowd.h - many clients of one server behind one SIP core, in this process: what the core hands on for each,
 * key downloads taken, refused, or taken with the 200 lost, and calls with floor control whose round trips are timed.
 *
 * The core is one TLS port. Each member has keys, client id and CSK of its own; its control signalling is SRTCP over a
 * socket of its own. One thread.
 */
#ifndef TEST_SERVER_CROWD_H
#define TEST_SERVER_CROWD_H

#include "e2e/server_bed.h"
#include "mcx/media/csk_control.h"

#define CROWD_CORE "core." ZONE

struct member {
	struct ua ua; /* its port is the core's */
	/* key downloads */
	int off;      /* not there: the core answers 480 */
	int lose;     /* the next 200 of its is lost */
	int silent;   /* it was */
	int messages; /* that reached it, or found it off */
	int replaced; /* CSKs it took */
	int renewed;  /* its CSK came since this was last set to 0 */
	/* control signalling of its call; csk NULL: it is in none */
	struct csk_control *control;
	int fd;
	uint16_t server_port;
	uint32_t own, server_ssrc;
	char line[200];
	double asked_s, heard_s, longest_s; /* last question, last answer, longest time between two answers */
	size_t answers, answers_new;        /* answers_new: since the last CSK came */
};

/* The bed behind a core, with n members whose keys have tables of so many octets. The server is not started. */
void crowd_begin(size_t n, size_t tables);
void crowd_end(void);
/* Where the core's certificate is. */
const char *crowd_core_tls(void);
extern struct member *crowd;
extern size_t crowd_size;

/* The REGISTER of that client's own with this body, as the core got it. Returns its length. */
size_t crowd_message(const struct ua *u, const uint8_t *body, size_t len, char *out, size_t size);
/* Members from ... to-1 are authorised, with CSKs made so many seconds ago; the server answers 200 to each. */
void crowd_register(size_t from, size_t to, int64_t age);
/* A call with floor control; both are known users by then (bed_user). */
void crowd_call(struct member *caller, struct member *callee);
void crowd_hang_up(struct member *caller);

/* Asks something of the floor that is answered and changes nothing. */
void crowd_ask(struct member *m);
/* Takes what came; 1 if an answer was among it. */
int crowd_hear(struct member *m);
/* For a while the core is served, and each member in a call asks every `every_ms` and hears. */
void crowd_serve(unsigned ms, unsigned every_ms);

double crowd_now(void);
/* How many renewed members hold the very CSK that the server uses for them, with nothing pending. Server in this
 * process. */
size_t crowd_agreed(void);

/*
 * All CSKs rolled by key download (server_crowd_roll.c): they are older than allowed from one moment on. Of the members
 * the first 2 * calls are in calls; so many have their 200 lost, in calls and not; so many are off, and come back when
 * the others are done. prove: a 200 that was lost is made good by the client's next request instead of by the server's
 * next attempt, which comes after 40 s.
 */
struct roll {
	size_t calls, lost, off;
	int prove;
	/* out */
	size_t dropped;  /* calls that are not there at the end */
	size_t replaced; /* members that took a new CSK from the server */
	size_t retried;  /* MESSAGEs beyond the first of each member */
	size_t agreed;   /* crowd_agreed at the end */
	double gap_s;    /* the longest time between two answers on the control line, of any end */
	double most_s;   /* until all agreed that are there and whose lost 200 something of theirs made good */
	double took_s;   /* until all that are there did */
};
void crowd_roll(struct roll *r);

#endif

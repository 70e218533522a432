/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_gate.h - which connections the SIP port takes, and how long one may stay without asking for anything.
 *
 * The SIP library accepts whatever comes, never looks at the clock, and when accept() fails for want of a descriptor it
 * asks again at once, for ever. The gate stands in its accept() call: at most so many connections altogether, so many
 * from one source, so many new ones a second from one source; without a descriptor see spare.h. Once a second
 * gate_sweep cuts who has sent no whole request in time (silent connections, handshakes never finished, headers or
 * bodies that trickle) and who has been idle for long and whom nobody needs. When all places are taken, a connection
 * that never asked for anything, or that is idle and not needed, makes room.
 *
 * A gate belongs to the thread that made it: the loop's.
 */
#ifndef MCX_NET_SIP_GATE_H
#define MCX_NET_SIP_GATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct sip_gate;

struct sip_gate_options {
	unsigned max_connections, max_per_source, new_per_second; /* the last two a source; 0: no limit */
	int64_t first_request_ms, idle_ms;
	/* 1: a neighbour (proxy, core) to whom the limits a source do not apply. May be NULL. */
	int (*trusted)(void *ctx, const char *address);
	void *ctx;
};

struct sip_gate *sip_gate_new(const struct sip_gate_options *o);
void sip_gate_free(struct sip_gate *g); /* NULL is allowed; connections stay as they are */
/* Connections to this local port pass the gate from now on. */
void sip_gate_guard(struct sip_gate *g, uint16_t port);

/* A whole request came over the connection of this peer. */
void sip_gate_active(struct sip_gate *g, const struct sockaddr *peer, int64_t now_ms);
/* The connection of this peer is needed: idle time does not count against it at the next sweep. */
void sip_gate_hold(struct sip_gate *g, const struct sockaddr *peer);
/* Ends the connection of this peer. */
void sip_gate_cut(struct sip_gate *g, const struct sockaddr *peer);
/*
 * Nothing more will be read from this peer, of whichever gate of this thread: it reads the end of the stream behind
 * what was said to it, and is cut a second later should it not go by itself.
 */
void sip_gate_end(const struct sockaddr *peer);
/* Cuts what has to be cut; what the library closed meanwhile is forgotten. */
void sip_gate_sweep(struct sip_gate *g, int64_t now_ms);

struct sip_gate_counts {
	size_t open;                     /* connections now */
	uint64_t accepted, refused, cut; /* since the start */
};
void sip_gate_counts(const struct sip_gate *g, struct sip_gate_counts *out);

#endif

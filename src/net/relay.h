/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - RTP and RTCP between the two ends of a call, unchanged (media 7): no key, no codec, no rewriting.
 *
 * A session has one pair of ports (RTP even, RTCP next) for each end and media line. A packet that arrives at end A's
 * port leaves from end B's port to B's address, only if its source is what A's SDP said; nothing is learnt from
 * packets, so a stranger cannot redirect a stream. A stream may end at the server instead (control signalling): its
 * packets are handed over, under the same rule. One thread serves all sessions; all functions are thread-safe.
 */
#ifndef MCX_NET_RELAY_H
#define MCX_NET_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "mcsec/err.h"

struct relay;
struct relay_session;

enum { RELAY_MAX_STREAMS = 4, RELAY_MAX_PACKET = 2048 };

enum { RELAY_HEARD_MS = 200, RELAY_TAKEN_PER_S = 50 };

/* What a server that controls the floor wants to know; called on the relay's thread, which must not be kept. */
struct relay_events {
	/* A packet of a stream that ends here; of one end at most RELAY_TAKEN_PER_S a second, the others are dropped.
	 */
	void (*taken)(void *ctx, int end, const uint8_t *packet, size_t len);
	/* Media of that end, forwarded or held back; at most every RELAY_HEARD_MS. */
	void (*heard)(void *ctx, int end);
	void *ctx;
};

struct relay_options {
	const char *address; /* local numeric address of all sockets */
	uint16_t port_min, port_max;
};

struct relay *relay_new(const struct relay_options *o);
void relay_free(struct relay *r);

/* n streams, two ends each. NULL: no ports left. */
struct relay_session *relay_open(struct relay *r, size_t n_streams);
void relay_close(struct relay_session *s);
/* The local RTP port that end `end` (0 caller, 1 callee) sends to, for the stream. */
uint16_t relay_port(const struct relay_session *s, size_t stream, int end);
/*
 * The remote RTP address of that end, from its SDP; RTCP is port + 1. Until both are set nothing is forwarded.
 * MCSEC_E_ENCODING no address; MCSEC_E_VALUE a port of this relay: media would run in a circle.
 */
enum mcsec_err relay_set_remote(struct relay_session *s, size_t stream, int end, const char *address, uint16_t port);
/* This stream ends here: nothing of it is forwarded. The other streams' media is told of. Before any remote is set. */
void relay_end_here(struct relay_session *s, size_t stream, const struct relay_events *events);
/* From the stream's port of that end to its remote; 0, or -1. */
int relay_send(struct relay_session *s, size_t stream, int end, const uint8_t *packet, size_t len);
/* Media from that end is forwarded or dropped, in all streams; forwarded at first. */
void relay_gate(struct relay_session *s, int end, int open);
/* A sign of life that the relay cannot judge itself. */
void relay_alive(struct relay_session *s);
/* How many milliseconds ago a packet of either end was last forwarded; since the opening, if never. */
int64_t relay_silent_ms(const struct relay_session *s);

struct relay_stats {
	uint64_t forwarded, dropped_source, dropped_unready, dropped_send;
	uint64_t taken, dropped_gate, dropped_rate;
	uint64_t rounds; /* how often the thread woke: once for what came together */
	uint64_t sessions;
};
void relay_stats(struct relay *r, struct relay_stats *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csk_control.h - control signalling between a client and its server: SRTCP under the client-server key (TS 33.180 7.4,
 * E.4; media 2.3, 3.4, 3.5, 4; floor 13).
 *
 * One object is one end's keys towards one peer; the calls of that peer share it. Each CSK has its own master key
 * (CS-ID 6, of MCVideo 8), MKI (the CSK-ID), windows and index counter. Both ends of a CSK share the master key, so:
 *  - an end sends with SSRCs of its half of the number space (csk_control_ssrc), and takes from a call only the one
 * SSRC that the peer's session description named: a packet of our own that comes back is never taken for the peer's;
 *  - an index is used only after the store has given it away for ever (csk_control_grant), so that a crash skips
 *    indices and repeats none (M-D14).
 * Pure: store, clock and sockets are the caller's. One thread at a time.
 */
#ifndef MCX_MEDIA_CSK_CONTROL_H
#define MCX_MEDIA_CSK_CONTROL_H

#include "mcsec/kdf.h"
#include "mcx/media/srtp.h"

enum { CSK_CONTROL_KEYS = 4, CSK_CONTROL_GROWTH = SRTP_TAG + 4 + 4 };

/* The end that an SSRC belongs to: its most significant bit. */
enum csk_end { CSK_CLIENT = 0, CSK_SERVER = 1 };
/* An SSRC of that end out of 32 random bits; never 0, never `peer`. */
uint32_t csk_control_ssrc(enum csk_end end, uint32_t random, uint32_t peer);

struct csk_control;

struct csk_control_key {
	uint32_t id;        /* CSK-ID */
	const uint8_t *key; /* MCSEC_KEY_LEN octets */
	struct octets rand; /* of the I_MESSAGE that brought it */
	uint8_t key_len;    /* of the master key: 16, or 32 under suite 0x0102 */
	int video;          /* MCVideo's: all keys of one object are of one service */
};

/* used: called with each triple that leaves, before it does; may be NULL. NULL without memory. */
struct csk_control *csk_control_new(void (*used)(void *ctx, uint32_t csk_id, uint32_t ssrc, uint32_t index), void *ctx);
void csk_control_free(struct csk_control *c);

/* Open what comes under this key from here on; one that is held already stays as it is. 0 or -1. */
int csk_control_hold(struct csk_control *c, const struct csk_control_key *k);
/* Send with it from here on; it must be held. 0: nothing is sent. */
void csk_control_send_with(struct csk_control *c, uint32_t csk_id);
uint32_t csk_control_sends_with(const struct csk_control *c);
int csk_control_holds(const struct csk_control *c, uint32_t csk_id);
/* Wipes every key but these. */
void csk_control_keep_only(struct csk_control *c, const uint32_t *csk_ids, size_t n);
/* The store gave away the indices first ... end-1 of that key. */
void csk_control_grant(struct csk_control *c, uint32_t csk_id, uint32_t first, uint32_t end);
/* Indices granted and not yet used. */
uint32_t csk_control_left(const struct csk_control *c, uint32_t csk_id);

/* One RTCP packet under the sending key. SRTP_UNKNOWN_MKI: there is none; SRTP_NOT_DURABLE: no index is granted. */
enum srtp_verdict csk_control_protect(struct csk_control *c, struct octets plain, uint8_t *out, size_t size,
				      size_t *out_len);
/* Cuts the first packet off a datagram by its clear length field (M-D11): 1, or 0 when the rest does not fit. */
int csk_control_split(struct octets *datagram, struct octets *packet);
/* One SRTCP packet of a call: from the peer's SSRC, not from ours. *csk_id: under which key. */
enum srtp_verdict csk_control_unprotect(struct csk_control *c, uint32_t own, uint32_t peer, struct octets packet,
					uint8_t *out, size_t size, size_t *out_len, uint32_t *csk_id);

#endif

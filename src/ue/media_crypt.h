/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media_crypt.h - the keys of one RTP stream of a call, both directions: what is sent is protected, what came is opened
 * and counted, and a rekey moves from one key to the next (media.md 3; flows.md 3.1 "rekey").
 *
 * One of these for each stream. Streams of one call share master keys and differ in their SSRCs, which the caller has
 * made durable before (media.md M-D13). Thread-safe.
 */
#ifndef MCX_UE_MEDIA_CRYPT_H
#define MCX_UE_MEDIA_CRYPT_H

#include "mcx/media/srtp.h"
#include "ue/ue.h"

struct media_crypt;

/* Keys of both directions of one PCK: index 0 sent, 1 received. */
struct media_keys {
	struct srtp_policy policy;
	struct srtp_master send, receive;
};

/* NULL without memory, or with a policy that is not allowed. The keys are copied. */
struct media_crypt *media_crypt_new(const struct media_keys *keys, uint32_t ssrc);
void media_crypt_free(struct media_crypt *c); /* wipes; NULL is allowed */
/* New keys from a re-INVITE: received with both for 5 s, sent with from the peer's first packet under them. 0 or -1. */
int media_crypt_rekey(struct media_crypt *c, const struct media_keys *keys);

/* A plain RTP packet in, the protected one out. */
enum srtp_verdict media_crypt_protect(struct media_crypt *c, struct octets plain, uint8_t *wire, size_t size,
				      size_t *len);
/* A datagram in, the plain RTP packet out. */
enum srtp_verdict media_crypt_open(struct media_crypt *c, struct octets wire, uint8_t *plain, size_t size, size_t *len,
				   int64_t now_ms);
/* A key whose time is over goes. */
void media_crypt_tick(struct media_crypt *c, int64_t now_ms);
/* Adds what was dropped, and to *sent and *received the packets. */
void media_crypt_count(struct media_crypt *c, struct ue_media_stats *out, uint64_t *sent, uint64_t *received);

#endif

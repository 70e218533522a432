/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtp.h - protection of RTP and RTCP with AEAD_AES_GCM (RFC 3711, RFC 7714, RFC 4771 mode 3; TS 33.180 7.5; media 3).
 *
 *   RTP   header+CSRC+extension (clear, authenticated) | ciphertext | tag 16 | MKI | ROC 4 (if RCCm3 and SEQ mod R = 0)
 *   RTCP  first 8 octets (clear, authenticated) | ciphertext | tag 16 | E=1, index 31 | MKI
 *
 * No (key, IV) pair is ever used twice (media 4): a sender takes one SSRC and strictly rising packet indices; the RTCP
 * index comes from a counter made durable ahead of its use; both stop at their limits. A receiver changes no state, and
 * hands out nothing, before the tag of a packet has verified.
 *
 * Pure: no socket, clock or store inside. An object belongs to one thread at a time.
 */
#ifndef MCX_MEDIA_SRTP_H
#define MCX_MEDIA_SRTP_H

#include "sec/base/bytes.h"

enum {
	SRTP_SALT = 12,
	SRTP_TAG = 16,
	SRTP_ROC_TAG = 4,
	SRTP_MAX_MKI = 8,
	SRTP_MAX_KEY = 32,
	SRTP_MAX_PACKET = 2048, /* of what we protect or open */
	SRTP_MAX_TRAILER =
	    SRTP_TAG + SRTP_MAX_MKI + SRTP_ROC_TAG, /* longest growth of an RTP packet; 4 + 16 + MKI: RTCP */
	SRTP_WINDOW = 128                           /* packet indices remembered a stream (media 3.5-4) */
};

/* How the packets of one stream look; all streams of one receiver look alike. */
struct srtp_policy {
	uint8_t key_len;   /* 16 AEAD_AES_128_GCM, 32 AEAD_AES_256_GCM */
	uint8_t mki_len;   /* 4, or 8 for group media (media 2.3) */
	uint16_t roc_rate; /* R of RFC 4771: the ROC in every R-th packet; 0: no ROC tag */
};

/* Master key and salt of one crypto session, from mcsec_srtp_master. Lives in secret memory. */
struct srtp_master {
	uint8_t mki[SRTP_MAX_MKI];
	uint8_t key[SRTP_MAX_KEY];
	uint8_t salt[SRTP_SALT];
};

enum srtp_verdict {
	SRTP_OK = 0,
	SRTP_SHORT,       /* shorter than header, tag and trailer, or longer than SRTP_MAX_PACKET */
	SRTP_NOT_RTP,     /* version, CSRC count or extension do not fit the packet */
	SRTP_UNKNOWN_MKI, /* no key with this identifier: one request to the key layer (media 3.5-2) */
	SRTP_REPLAY,      /* this index was received already */
	SRTP_OLD,         /* index below the window */
	SRTP_REFLECTED,   /* our own SSRC under our own sending key */
	SRTP_FOREIGN,     /* an SSRC that the peer of this call did not announce */
	SRTP_AUTH,        /* the tag does not verify */
	SRTP_CLEAR,       /* SRTCP with E = 0: a downgrade needs no key otherwise (M-D10) */
	SRTP_REUSE,       /* sending: index not above the last one, or not our SSRC */
	SRTP_WORN_OUT,    /* sending: the key's packets are used up; a new key is needed */
	SRTP_NOT_DURABLE, /* sending: the index could not be made durable */
	SRTP_FAILED,      /* libcrypto or memory */
	SRTP_VERDICTS
};
const char *srtp_verdict_name(enum srtp_verdict v);

/* ---- derivation (RFC 3711 4.3) --------------------------------------------------------------------------------- */

/* AES counter mode keystream from a 16-octet IV; key_len 16 or 32. */
enum mcsec_err srtp_keystream(const uint8_t *key, size_t key_len, const uint8_t iv[16], uint8_t *out, size_t len);
/* One session value: label 0 and 2 RTP key and salt, 3 and 5 RTCP key and salt; derivation rate 0. salt_len 12 or 14.
 */
enum mcsec_err srtp_derive(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, uint8_t label,
			   uint8_t *out, size_t len);

/* ---- sending RTP ----------------------------------------------------------------------------------------------- */

struct srtp_sender;

/* roc: of the first packet, 0 for a new stream. NULL without memory or with a policy that is not allowed. */
struct srtp_sender *srtp_sender_new(const struct srtp_policy *policy, const struct srtp_master *master, uint32_t ssrc,
				    uint32_t roc);
void srtp_sender_free(struct srtp_sender *s);
/*
 * A whole plain RTP packet in, the protected one out (room for SRTP_MAX_TRAILER more). SEQ must rise, by less than
 * 2^15. SRTP_OK, SRTP_SHORT, SRTP_NOT_RTP, SRTP_REUSE, SRTP_WORN_OUT, SRTP_FAILED; on failure *out_len is 0.
 */
enum srtp_verdict rtp_protect(struct srtp_sender *s, struct octets plain, uint8_t *out, size_t out_size,
			      size_t *out_len);
/* Packets sent so far with this key and SSRC: warn at 2^47 (M-D12). */
uint64_t srtp_sender_count(const struct srtp_sender *s);

/* ---- sending RTCP ---------------------------------------------------------------------------------------------- */

enum { SRTCP_STEP = 4096 }; /* indices made durable at a time (M-D14) */

/*
 * The one counter of a master key, shared by all its SSRCs. `next` starts at what the store holds (1 for a new key).
 * reserve() makes `upto` durable, then returns 0: after a crash sending goes on from there, so indices are skipped,
 * never repeated.
 */
struct srtcp_counter {
	uint32_t next, reserved;
	int (*reserve)(void *ctx, uint32_t upto);
	void *ctx;
};

struct srtcp_sender;

struct srtcp_sender *srtcp_sender_new(const struct srtp_policy *policy, const struct srtp_master *master,
				      struct srtcp_counter *counter);
void srtcp_sender_free(struct srtcp_sender *s);
/* One whole RTCP packet. SRTP_OK, SRTP_SHORT, SRTP_NOT_RTP, SRTP_WORN_OUT, SRTP_NOT_DURABLE, SRTP_FAILED. */
enum srtp_verdict rtcp_protect(struct srtcp_sender *s, struct octets plain, uint8_t *out, size_t out_size,
			       size_t *out_len);

/* ---- receiving ------------------------------------------------------------------------------------------------- */

/* The key for an MKI: 1 and *out filled, or 0. */
typedef int srtp_find_key(void *ctx, const uint8_t *mki, struct srtp_master *out);

struct srtp_receiver_options {
	struct srtp_policy policy;
	srtp_find_key *find;
	/* 1 if we send with this SSRC under the very same master key; NULL: no key is used both ways. */
	int (*is_own)(void *ctx, const uint8_t *mki, uint32_t ssrc);
	void *ctx;
	size_t max_streams; /* contexts kept, each for one (MKI, SSRC) whose first packet verified; the longest silent
			       one makes room for a new one */
	/*
	 * Private calls only (M-D9): where the MKI is not found at its place, look once as if the ROC tag were there
	 * (or were not). Never for groups.
	 */
	int either_layout;
	unsigned
	    roc_tries; /* without ROC tag, a stream's first packet is tried with ROC 0..roc_tries-1 (M-D16); 0: 1 */
};

struct srtp_receiver;

struct srtp_receiver *srtp_receiver_new(const struct srtp_receiver_options *o);
void srtp_receiver_free(struct srtp_receiver *r);

/* out needs room for packet.len octets. The plain RTP packet, or *out_len 0 and nothing of it in out. */
enum srtp_verdict rtp_unprotect(struct srtp_receiver *r, struct octets packet, uint8_t *out, size_t out_size,
				size_t *out_len);
enum srtp_verdict rtcp_unprotect(struct srtp_receiver *r, struct octets packet, uint8_t *out, size_t out_size,
				 size_t *out_len);
/* Cuts the first SRTCP packet off a datagram by its clear length field (M-D11): 1, or 0 when the rest does not fit. */
int srtcp_split(const struct srtp_receiver *r, struct octets *datagram, struct octets *packet);
/* Forget all contexts of this MKI: the key was revoked or replaced. */
void srtp_receiver_drop(struct srtp_receiver *r, const uint8_t *mki);
/* How often each verdict was given. */
const uint64_t *srtp_receiver_counts(const struct srtp_receiver *r);

#endif

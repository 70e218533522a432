/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtp_crypt.h - what sending and receiving share below srtp.h: session keys in a cipher context, IVs, the RTP header.
 */
#ifndef MCX_MEDIA_SRTP_CRYPT_H
#define MCX_MEDIA_SRTP_CRYPT_H

#include <openssl/evp.h>

#include "mcx/media/srtp.h"

enum { SRTP_LABEL_RTP = 0, SRTP_LABEL_RTCP = 3 }; /* of the key; the salt's label is 2 higher */

/* One direction of one master key, for RTP or RTCP. */
struct srtp_crypt {
	EVP_CIPHER_CTX *cipher; /* holds the session key */
	uint8_t salt[SRTP_SALT];
};

int srtp_policy_allowed(const struct srtp_policy *p);
/* 0, or -1 with nothing to clear. */
int srtp_crypt_open(struct srtp_crypt *c, const struct srtp_policy *p, const struct srtp_master *m, uint8_t label,
		    int encrypt);
void srtp_crypt_close(struct srtp_crypt *c);

/* (00 00 | SSRC | ROC | SEQ) xor salt (RFC 7714 8.1); index is ROC << 16 | SEQ. */
void srtp_iv(const struct srtp_crypt *c, uint32_t ssrc, uint64_t index, uint8_t iv[12]);
/* (00 00 | SSRC | 00 00 | index) xor salt (RFC 7714 9.1). */
void srtcp_iv(const struct srtp_crypt *c, uint32_t ssrc, uint32_t index, uint8_t iv[12]);

/* aad2 may be empty. out receives text.len octets; the tag goes to, or is checked against, tag. 0 or -1. */
int srtp_seal(struct srtp_crypt *c, const uint8_t iv[12], struct octets aad, struct octets aad2, struct octets text,
	      uint8_t *out, uint8_t tag[SRTP_TAG]);
int srtp_open(struct srtp_crypt *c, const uint8_t iv[12], struct octets aad, struct octets aad2, struct octets text,
	      uint8_t *out, const uint8_t tag[SRTP_TAG]);

struct rtp_header {
	size_t len; /* with CSRC list and extension */
	uint16_t seq;
	uint32_t ssrc;
};

/* The header of an RTP packet of which `packet.len` octets are there. MCSEC_E_TRUNCATED, MCSEC_E_VALUE (version). */
enum mcsec_err rtp_header_read(struct octets packet, struct rtp_header *h);

/* ---- replay window: a bit for each of the last SRTP_WINDOW indices (RFC 3711 3.3.2) ---- */

struct srtp_window {
	uint64_t top; /* highest index received */
	uint64_t bits[SRTP_WINDOW / 64];
	int started;
};

enum srtp_verdict srtp_window_check(const struct srtp_window *w, uint64_t index);
void srtp_window_add(struct srtp_window *w, uint64_t index);
/* RFC 3711 3.3.1, from the highest index received; a ROC below 0 is never guessed. */
uint64_t srtp_guess_index(uint64_t top, uint16_t seq);

#endif

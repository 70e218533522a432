/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kdf.h - mission critical keys, their identifiers, and what is derived from them (TS 33.180 5.2.3, E.1.3, annex F.1;
 * RFC 3830 4.1; RFC 3394 and RFC 5649).
 *
 * A key identifier (K-ID) is 32 bits: the purpose tag in the four most significant, 28 random bits below.
 * Every function is pure. Keys in and out belong in secret memory; temporaries are wiped here. Identities are hashed
 * octet for octet, as in uid.h.
 */
#ifndef MCSEC_KDF_H
#define MCSEC_KDF_H

#include "err.h"
#include "rng.h"

#define MCSEC_KEY_LEN 16 /* GMK, PCK, CSK ...: what SAKKE parameter set 1 can carry */

/* Purpose tags (TS 33.180 annex G); also the key type of the key parameters (E.6.11). */
enum mcsec_key_kind {
	MCSEC_GMK = 0,   /* group master key                                     */
	MCSEC_PCK = 1,   /* private call key                                     */
	MCSEC_CSK = 2,   /* client-server key                                    */
	MCSEC_SPK = 3,   /* signalling protection key, between servers           */
	MCSEC_MKFC = 4,  /* multicast floor control key (Rel-13)                 */
	MCSEC_MSCCK = 5, /* MBMS subchannel control key (Rel-13)                 */
	MCSEC_MUSIK = 6, /* multicast signalling key                             */
	MCSEC_KEY_KINDS
};

/* The tag of a K-ID: 0..15. MCSEC_KEY_KINDS and above are not defined and refused everywhere. */
static inline unsigned mcsec_kid_tag(uint32_t k_id)
{
	return k_id >> 28;
}
/* "GMK", "PCK" ...; NULL for a tag that is not defined. */
MCSEC_API const char *mcsec_key_kind_name(unsigned tag);

/* 1 if this K-ID is live and must not be drawn again. */
typedef int mcsec_kid_in_use(void *ctx, uint32_t k_id);
/* A fresh K-ID; draws again while `in_use` (may be NULL) says so. MCSEC_E_ARGUMENT, MCSEC_E_RANDOM. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_kid_new(enum mcsec_key_kind kind, const struct mcsec_rng *rng,
							mcsec_kid_in_use *in_use, void *ctx, uint32_t *k_id);

/* ---- TS 33.180 annex F.1: KDF(key; FC, P0, P1 ...) = HMAC-SHA-256 ------------------------------------------- */

enum mcsec_fc {
	MCSEC_FC_USER_SALT = 0x50,       /* F.1.3: end-point diversity              */
	MCSEC_FC_CONFIDENTIALITY = 0x51, /* F.1.4: application signalling, encryption */
	MCSEC_FC_INTEGRITY = 0x52,       /* F.1.4: application signalling, integrity  */
	MCSEC_FC_DPCK = 0x53,            /* F.1.5: MCData payload cipher key          */
};

/* The last 28 bits of FC 0x50; uri = MC service user ID. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_user_salt(const uint8_t *key, size_t key_len, const char *uri,
							  uint32_t *salt);
/*
 * GMK-ID -> GUK-ID of `uri`, and the same operation takes a GUK-ID back to its GMK-ID (5.2.3). The tag stays.
 * Tag 0 alone is diversified: other tags give MCSEC_E_ARGUMENT.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_guk_id(const uint8_t *gmk, size_t gmk_len, uint32_t id, const char *uri,
						       uint32_t *out);
/*
 * Keys that protect XML in SIP: fc is MCSEC_FC_CONFIDENTIALITY or MCSEC_FC_INTEGRITY, xpk is a CSK, SPK ..., uri the MC
 * service user ID of the client on both sides. out_len 16, or 32 for suite 0x0102 or a 32-octet XPK: the last octets
 * of the HMAC. MCSEC_E_ARGUMENT for other FC numbers and lengths.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_signalling_key(enum mcsec_fc fc, const uint8_t *xpk, size_t xpk_len,
							       const char *uri, uint32_t xpk_id, uint8_t *out,
							       size_t out_len);
/* DPCK from DPPK: as long as the DPPK, 16 or 32. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_dpck(const uint8_t *dppk, size_t dppk_len, uint32_t dppk_id,
						     uint8_t *out);

/* ---- SRTP master key and salt from a MIKEY TGK (RFC 3830 4.1.3, PRF-HMAC-SHA-256 of RFC 6043) ----------------- */

#define MCSEC_RAND_LEN  16  /* what we send                          */
#define MCSEC_RAND_MAX  255 /* what a MIKEY RAND payload can hold    */
#define MCSEC_SRTP_SALT 12  /* master salt for AES-GCM; 14 for AES-CM */

/* Crypto sessions (table E.1.3-1). */
enum mcsec_cs_id {
	MCSEC_CS_MCPTT_PRIVATE_INITIATOR = 0, /* streams sent by the sender of the I_MESSAGE   */
	MCSEC_CS_MCPTT_PRIVATE_RECEIVER = 1,  /* streams sent by its receiver                  */
	MCSEC_CS_MCVIDEO_PRIVATE_INITIATOR = 2,
	MCSEC_CS_MCVIDEO_PRIVATE_RECEIVER = 3,
	MCSEC_CS_MCPTT_GROUP = 4,
	MCSEC_CS_MCVIDEO_GROUP = 5,
	MCSEC_CS_MCPTT_UNICAST_SRTCP = 6,   /* CSK, SPK                                        */
	MCSEC_CS_MCPTT_MULTICAST_SRTCP = 7, /* MuSiK, MKFC, MSCCK                              */
	MCSEC_CS_MCVIDEO_UNICAST_SRTCP = 8,
	MCSEC_CS_MCVIDEO_MULTICAST_SRTCP = 9,
	MCSEC_CS_SUBCHANNEL_MKFC = 10, /* subchannel control under an MKFC                 */
};

/*
 * The crypto session of a stream protected with a key of this kind. `video`: MCVideo, else MCPTT. `from_receiver`
 * counts for a PCK alone: the stream is sent by the receiver of the I_MESSAGE. MCSEC_E_ARGUMENT for an unknown kind.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_cs_id_of(enum mcsec_key_kind kind, int video, int from_receiver,
							 uint8_t *cs_id);

/* MIKEY-PRF (RFC 3830 4.1.2) of any key length; label at most 512 octets. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_mikey_prf(const uint8_t *key, size_t key_len, const uint8_t *label,
							  size_t label_len, uint8_t *out, size_t out_len);
/*
 * csb_id: GUK-ID of the member that SENDS the stream (GMK); the key's K-ID for every other kind. rand: the RAND of the
 * I_MESSAGE that carried the key. key_len 16 or 32 and salt_len 12 or 14 follow the profile.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_srtp_master(const uint8_t *tgk, size_t tgk_len, uint8_t cs_id,
							    uint32_t csb_id, const uint8_t *rand, size_t rand_len,
							    uint8_t *key, size_t key_len, uint8_t *salt,
							    size_t salt_len);

/* ---- AES key wrap. kek_len 16, 24 or 32 ------------------------------------------------------------------------ */

/* RFC 3394: in_len a multiple of 8, at least 16; out receives in_len + 8. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_key_wrap(const uint8_t *kek, size_t kek_len, const uint8_t *in,
							 size_t in_len, uint8_t *out);
/* out receives in_len - 8. MCSEC_E_DECRYPT (out wiped) when the integrity check fails, MCSEC_E_LENGTH. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_key_unwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in,
							   size_t in_len, uint8_t *out);

#define MCSEC_WRAP_PAD_LEN(n) ((((size_t)(n) + 7) / 8) * 8 + 8)

/* RFC 5649: in_len from 1; out receives MCSEC_WRAP_PAD_LEN(in_len). */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_key_wrap_pad(const uint8_t *kek, size_t kek_len, const uint8_t *in,
							     size_t in_len, uint8_t *out);
/* out has room for in_len - 8; *out_len is the length before padding. Errors as mcsec_key_unwrap. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_key_unwrap_pad(const uint8_t *kek, size_t kek_len, const uint8_t *in,
							       size_t in_len, uint8_t *out, size_t *out_len);

#endif

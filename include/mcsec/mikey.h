/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey.h - MIKEY-SAKKE I_MESSAGEs of TS 33.180 annex E (RFC 3830, 6043, 6509): made, looked at, opened.
 *
 * Pure: octets, time, keys and randomness come in; octets, a key or a fault go out. The order of checks when opening
 * is fixed (cheap before costly, signature before decapsulation) and cannot be shortened by the caller.
 *
 * Times called `now` and `time` are TIME seconds (uid.h: since 1900, 64 bits, not wrapped). URIs are octet strings
 * compared octet for octet, given as C strings. A KMS URI is the octets of KmsUri in its certificate.
 */
#ifndef MCSEC_MIKEY_H
#define MCSEC_MIKEY_H

#include "err.h"
#include "ibc.h"
#include "kdf.h"
#include "rng.h"
#include "uid.h"

#define MCSEC_IM_MAX 8192 /* the longest message that is accepted or made, octets */

/* ---- What we hold: KMSs and our own key sets --------------------------------------------------------------------- */

/* Deviations of known peers; all off unless switched on for the domain of a KMS. Each use is counted in im->notes. */
enum mcsec_im_compat {
	MCSEC_COMPAT_SHORT_SIGN = 1,    /* signed range without the two octets 20 81, tried second           */
	MCSEC_COMPAT_ID_SCHEME_1 = 2,   /* SAKKE ID scheme 1 with a hashed UID inside (Rel-13)               */
	MCSEC_COMPAT_LEGACY_PARAMS = 4, /* key parameters that are no protected payload are skipped        */
	MCSEC_COMPAT_NUL_URI = 8,       /* a NUL behind a URI is taken off                                     */
};

/* A KMS whose certificate we hold. */
struct mcsec_im_kms {
	const char *uri;
	struct mcsec_kms *kms;
	struct mcsec_periods periods;
	uint64_t valid_from, valid_to; /* TIME seconds, both inclusive; 0: no bound                        */
	/* KmsDomainList. None: it serves whom no other certificate of the book names. A domain that two name belongs to
	 * the KMS that we hold keys of, else to the one that names it more exactly. */
	const char *const *domains;
	size_t n_domains;
	unsigned compat; /* enum mcsec_im_compat, for messages of initiators under this KMS                */
};

/* One of our identities in one key period. Its KMS must be in the table of KMSs too. */
struct mcsec_im_own {
	const char *uri;
	const char *kms_uri;
	uint64_t period;
	const struct mcsec_keyset *keys;
};

/* Tables of the caller. All they point at must live as long as any job begun with them. */
struct mcsec_im_book {
	const struct mcsec_im_kms *kms;
	size_t n_kms;
	const struct mcsec_im_own *own;
	size_t n_own;
	struct mcsec_signers *signers; /* initiators remembered between messages; NULL: none */
};

/* ---- Parts of a message --------------------------------------------------------------------------------------------
 */

/* SRTP policy, SP parameters by type (TS 33.180 E.2.2, E.3.2, E.4.2). */
struct mcsec_profile {
	uint8_t encryption;     /*  0: 6 AES-GCM                                                              */
	uint8_t key_len;        /*  1: session encryption key, 16 or 32 octets                                */
	uint8_t authentication; /*  2: 4 RCCm3 (tag carries the ROC), 0 none                                  */
	uint8_t salt_len;       /*  4: 12                                                                     */
	uint8_t prf;            /*  5: 0 AES-CM                                                               */
	uint8_t kdr;            /*  6: key derivation rate, 0                                                 */
	uint16_t roc_rate;      /* 13: the ROC in each n-th packet; 0 when authentication is not RCCm3        */
	uint8_t srtp_tag_len;   /* 18: 4 with RCCm3, else 0                                                   */
	uint8_t srtcp_tag_len;  /* 19: 0                                                                      */
	uint8_t aead_tag_len;   /* 20: 16                                                                     */
};

/* The profile that holds when the message carries none. MCSEC_E_ARGUMENT for an unknown kind. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_profile_default(enum mcsec_key_kind kind, struct mcsec_profile *out);

#define MCSEC_CS_MAX 16 /* crypto sessions kept of one message */

struct mcsec_cs {
	uint8_t cs_id;
	struct mcsec_profile profile;
};

enum mcsec_key_status {
	MCSEC_STATUS_NOT_REVOKED = 1,
	MCSEC_STATUS_GATEWAY = 2, /* the key is shared with a security gateway */
};

/* Key parameters (E.6, GEN type 7). Times are Unix seconds as on the wire. */
struct mcsec_key_params {
	uint32_t status;           /* enum mcsec_key_status                                                         */
	uint64_t activation;       /* 0: the message's time                                                         */
	uint64_t expiry;           /* 0: never                                                                      */
	const char *text;          /* name of the key, UTF-8; NULL: none                                            */
	const char *const *groups; /* group IDs: GMK, MKFC and MuSiK only, at most 255                        */
	size_t n_groups;
};

#define MCSEC_SUITES_MAX   32
#define MCSEC_SUITE_AES128 0x0101 /* mandatory, and meant when nothing is said */
#define MCSEC_SUITE_AES256 0x0102

/* The client's list of algorithms and the selected one (TS 33.180 4.3.4.1, 5.4, 5.8). */
struct mcsec_alg_list {
	uint16_t selected;
	uint16_t suites[MCSEC_SUITES_MAX]; /* most wanted first; contains the selected one */
	size_t n;                          /* 0: the message carries no list               */
};

/* ---- Making ------------------------------------------------------------------------------------------------------ */

struct mcsec_im_make {
	enum mcsec_key_kind kind;
	uint32_t k_id;       /* its tag is the kind's; a GMK-ID is diversified to the responder here            */
	const uint8_t *key;  /* MCSEC_KEY_LEN octets                                                            */
	const uint8_t *rand; /* MCSEC_RAND_LEN octets, or NULL to draw. One GMK has one RAND for all members    */
	uint64_t time;       /* goes into T and chooses both key periods                                       */
	uint32_t fraction;   /* of a second, in 2^-32                                                          */
	const char *initiator, *initiator_kms; /* one of book->own, and its KMS                                */
	const char *responder, *responder_kms; /* a KMS of book->kms                                           */
	int hide_initiator, hide_responder;    /* UIDs in place of URIs (E.7, roles 8 and 9)                   */
	int to_self;                           /* SAKKE-to-self for the initiator's other devices (E.5)        */
	const uint8_t *cs; /* CS IDs for a GENERIC-ID map; none: #CS 0, empty map                              */
	size_t n_cs;       /* at most MCSEC_CS_MAX                                                             */
	const struct mcsec_profile *profile;   /* send an SP payload; NULL: only if n_cs, then the default       */
	const struct mcsec_key_params *params; /* NULL: none                                                   */
	const struct mcsec_alg_list *algs;     /* NULL: none                                                   */
};

/*
 * Writes the I_MESSAGE to out (room for MCSEC_IM_MAX is always enough). What is sent for each kind by custom: CSK and
 * PCK with no map and no SP; GMK with CS ID 4 and/or 5. MCSEC_E_NO_KEYS: no own key set for the initiator in the
 * period of `time`; MCSEC_E_KMS_REFUSED: a KMS is not in the book, or the responder's certificate expired then;
 * MCSEC_E_ARGUMENT, MCSEC_E_RANDOM, MCSEC_E_NO_SPACE.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_im_make(const struct mcsec_im_book *book,
							const struct mcsec_im_make *what, const struct mcsec_rng *rng,
							uint8_t *out, size_t out_size, size_t *out_len);

/* ---- Looking at a message without keys -----------------------------------------------------------------------------
 */

struct mcsec_slice { /* octets inside the message; a URI or 32 octets of UID */
	const uint8_t *p;
	size_t len;
};

struct mcsec_im_peek {
	uint32_t csb_id;
	unsigned tag;  /* purpose tag, 0..15: not checked */
	uint64_t ntp;  /* T as on the wire */
	uint64_t time; /* TIME seconds; the era is the one of 1968 to 2104 */
	struct mcsec_slice initiator, responder, initiator_kms, responder_kms;
	int initiator_hidden, responder_hidden; /* the slice is a UID */
	int to_self;                            /* carries SAKKE-to-self */
	struct mcsec_alg_list algs;             /* n = 0: none */
};

/* Full syntax check, no cryptography: proves nothing about who sent it. MCSEC_E_MALFORMED or MCSEC_E_UNSUPPORTED. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_im_peek(const uint8_t *msg, size_t len, struct mcsec_im_peek *out,
							struct mcsec_fault *fault);

/* ---- Replay memory
 * --------------------------------------------------------------------------------------------------- */

#define MCSEC_REPLAY_HASH 32

/* One remembered message: SHA-256 of its signed octets (which hold initiator, T and CSB ID; a second form of the same
 * signature does not make it another message), and until when. */
struct mcsec_replay_entry {
	uint8_t hash[MCSEC_REPLAY_HASH];
	uint64_t until; /* TIME seconds */
};

/* Bounded; not thread-safe: one owner. */
struct mcsec_replay;
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_replay_new(struct mcsec_replay **out, size_t capacity);
MCSEC_API void mcsec_replay_free(struct mcsec_replay *cache);
/* 1 if the message is remembered at `now`. */
MCSEC_API int mcsec_replay_seen(const struct mcsec_replay *cache, const uint8_t hash[MCSEC_REPLAY_HASH], uint64_t now);
/* Remember; also for reading back what a store kept. MCSEC_E_REPLAY if remembered already, MCSEC_E_NO_SPACE if full
 * of entries that have not run out: nothing is forgotten early. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_replay_add(struct mcsec_replay *cache,
							   const struct mcsec_replay_entry *entry, uint64_t now);
MCSEC_API size_t mcsec_replay_count(const struct mcsec_replay *cache);
/* Calls `each` for every entry that has not run out; stops when it returns non-zero. */
MCSEC_API void mcsec_replay_export(const struct mcsec_replay *cache, uint64_t now,
				   int (*each)(void *ctx, const struct mcsec_replay_entry *entry), void *ctx);

/* ---- Opening
 * --------------------------------------------------------------------------------------------------------- */

#define MCSEC_TAG_BIT(kind) (1u << (kind))

/* What this context expects. Zero means the default everywhere. */
struct mcsec_im_expect {
	uint64_t now;
	unsigned tags;                 /* MCSEC_TAG_BIT of every kind allowed here; 0: every defined one       */
	const char *const *initiators; /* URIs of the peers this may come from                                 */
	size_t n_initiators;           /* 0: any; then check im->initiator, or mcsec_im_is_from for a UID      */
	const char *const *selves;     /* which of book->own is meant here; n_selves 0: any of them            */
	size_t n_selves;
	uint64_t past, future;  /* seconds T may lie behind and ahead of now. 0: 300, and for GMK and MKFC no
				 * limit to the past                                                            */
	uint64_t not_before;    /* T of the current key of this group: an older message is refused. 0: none     */
	const uint8_t *current; /* the message this dialog already uses: the same octets again are no replay   */
	size_t current_len;
	struct mcsec_replay *replay; /* NULL: the caller has another protection against replay                 */
};

/* What was unusual but allowed; for counters and the log. */
enum mcsec_im_note {
	MCSEC_NOTE_SHORT_SIGN = 1, /* these four: a switch of enum mcsec_im_compat was needed */
	MCSEC_NOTE_ID_SCHEME_1 = 2,
	MCSEC_NOTE_LEGACY_PARAMS = 4,
	MCSEC_NOTE_NUL_URI = 512,
	MCSEC_NOTE_SED_272 = 8,
	MCSEC_NOTE_V_BIT = 16,
	MCSEC_NOTE_SRTP_ID_MAP = 32,
	MCSEC_NOTE_TO_SELF = 64, /* our own message, opened by SAKKE-to-self         */
	MCSEC_NOTE_AGAIN = 128,  /* a GMK message seen before: nothing new in it      */
	MCSEC_NOTE_SPI = 256,    /* an SPI is not the MKI that this key calls for     */
};

/* An opened message. The caller owns it and gives it back with mcsec_im_free. */
struct mcsec_im {
	enum mcsec_key_kind kind;
	uint32_t k_id;      /* for a GMK the GMK-ID                                                             */
	uint32_t csb_id;    /* as in the message: for a GMK our GUK-ID, else the K-ID                           */
	const uint8_t *key; /* MCSEC_KEY_LEN octets of secret memory; NULL when the key is revoked              */
	const uint8_t *rand;
	size_t rand_len;
	uint64_t ntp;  /* T as on the wire                                                                      */
	uint64_t time; /* T, TIME seconds                                                                       */
	const char *initiator; /* URI; NULL if hidden and none was expected                                     */
	const char *responder; /* our own URI; NULL in a hidden message of ours opened by SAKKE-to-self         */
	const char *initiator_kms, *responder_kms;
	uint8_t initiator_uid[MCSEC_UID_LEN], responder_uid[MCSEC_UID_LEN];
	struct mcsec_profile profile; /* of the first crypto session, or the default of the kind                */
	struct mcsec_cs cs[MCSEC_CS_MAX];
	size_t n_cs; /* 0: the default set of the kind                                                          */
	int has_params;
	struct mcsec_key_params params; /* activation and expiry as sent: an activation ahead of now is pending */
	struct mcsec_alg_list algs;
	unsigned notes; /* enum mcsec_im_note                                                                   */
	int remember;   /* entry is to be made durable together with the key                                    */
	struct mcsec_replay_entry entry;
};

MCSEC_API void mcsec_im_free(struct mcsec_im *im); /* wipes */

/* For a hidden initiator that was not expected by name: 1 if `uri` under the message's KMS and period has its UID. */
MCSEC_API int mcsec_im_is_from(const struct mcsec_im *im, const struct mcsec_im_book *book, const char *uri);

/*
 * Opening in three steps, so that the costly one can run on another thread:
 *   begin  checks 1 to 7 (syntax, tag, responder, time, replay, initiator, KMS): microseconds. Copies the message.
 *   work   checks 8 to 10 (signature, then decapsulation, then key parameters): milliseconds, any thread.
 *   finish check 5 again and K-ID (11), on the owner's thread; hands out *im. Consumes the job, whatever it returns.
 * A refusal is told by the code returned and in *fault: MCSEC_E_MALFORMED, _UNSUPPORTED, _WRONG_TAG, _NOT_FOR_US,
 * _NO_KEYS, _BAD_TIME, _REPLAY, _BAD_IDENTITY, _KMS_REFUSED, _BAD_SIGNATURE, _UNDECRYPTABLE, _BAD_PARAMS, _REVOKED,
 * or one of the environment. MCSEC_E_REVOKED hands out *im too, without a key: delete the key it names and answer
 * success. MCSEC_E_KMS_REFUSED comes from finish (after the signature) unless we cannot verify at all.
 */
struct mcsec_im_job;
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_im_begin(struct mcsec_im_job **job, const struct mcsec_im_book *book,
							 const struct mcsec_im_expect *expect, const uint8_t *msg,
							 size_t len, struct mcsec_fault *fault);
MCSEC_API void mcsec_im_work(struct mcsec_im_job *job);
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_im_finish(struct mcsec_im_job *job, struct mcsec_replay *replay,
							  uint64_t now, struct mcsec_im **im,
							  struct mcsec_fault *fault);
/* Instead of finish: wipes. The job must not be in work. NULL is allowed. */
MCSEC_API void mcsec_im_cancel(struct mcsec_im_job *job);

/* The three at once. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_im_open(const struct mcsec_im_book *book,
							const struct mcsec_im_expect *expect, const uint8_t *msg,
							size_t len, struct mcsec_im **im, struct mcsec_fault *fault);

/*
 * The refusal as the procedures know it: "malformed", "wrong-tag", "not-for-us", "kms-refused", "bad-time", "replay",
 * "bad-identity", "bad-signature", "undecryptable", "bad-params", "revoked" or "busy" (our own trouble). Several codes
 * may share one: a peer learns no more than that.
 */
MCSEC_API const char *mcsec_im_refusal(enum mcsec_err code);

#endif

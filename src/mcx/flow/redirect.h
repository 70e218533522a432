/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect.h - KMS redirect responses in the procedures (TS 33.180 5.2.8; flows 9, interconnect.md 5.3): whoever
 * refuses the KMSs of an I_MESSAGE writes one, whoever sent that message judges it and chooses another KMS. Pure.
 *
 * Invariants: what a list does not name is never tried, nor a KMS whose certificate the home KMS did not provision, nor
 * the same KMS twice, and after three rounds it is over. The new attempt is a new I_MESSAGE with a new key: nothing of
 * the refused one is used again.
 */
#ifndef MCX_FLOW_REDIRECT_H
#define MCX_FLOW_REDIRECT_H

#include "mcsec/rng.h"
#include "mcx/kmssec/kms_krr.h"

enum {
	REDIRECT_ROUNDS = 3, /* krr.max_rounds */
	REDIRECT_FETCHES = 3 /* certificates asked for in one round */
};

/* ---- maker ------------------------------------------------------------------------------------------------------- */

struct redirect_kmss {
	const char *const *uri; /* preferred first */
	size_t n;
};

/* An I_MESSAGE whose KMSs are not acceptable, and what is. */
struct redirect_refusal {
	struct octets message;
	const char *initiator, *receiver; /* who they are where the message hides them */
	const char *processor;            /* ourselves */
	struct redirect_kmss receivers;   /* KMSs of the receiver */
	struct redirect_kmss initiators;  /* of those we take messages from */
	int64_t now;                      /* Unix seconds */
};
/* Freed with krr_free. NULL: the message does not read, an identity in it is too long, or there is no memory. */
struct krr *redirect_make(const struct redirect_refusal *r);
/* The document with an Id of its own, signed; s NULL: unsigned. */
enum mcsec_err redirect_write(struct writer *w, struct krr *k, const struct krr_signer *s, const struct mcsec_rng *rng);

/* ---- initiator --------------------------------------------------------------------------------------------------- */

/* An I_MESSAGE of ours that awaits its answer. */
struct redirect_sent {
	uint32_t key_id;         /* its CSB-ID */
	const char *receiver[2]; /* to whom; the second, or NULL, where the first may be known by another name too */
};

enum redirect_verdict {
	REDIRECT_OURS,
	REDIRECT_UNSOLICITED, /* of no message of ours: ignored and counted */
	REDIRECT_UNTRUSTED,   /* not signed by whom we trust: not followed */
};
enum redirect_verdict redirect_judge(const struct krr *k, enum krr_verdict signature, int accept_unsigned,
				     const struct redirect_sent *sent);

/* One matter over all its rounds; zero is the beginning. */
struct redirect {
	unsigned round; /* redirects followed */
	size_t n_tried;
	char tried[REDIRECT_ROUNDS + 1][KMS_URI_MAX]; /* KMSs of the receiver: the first, and those chosen */
	size_t fetches;                               /* in this round */
	char fetched[REDIRECT_FETCHES][KMS_URI_MAX];
};

/* What we hold. */
struct redirect_held {
	int (*certificate)(void *ctx, const char *kms_uri); /* 1 there and usable, 0 none, -1 there and revoked */
	const char *own;                                    /* the KMS of our signing keys */
	void *ctx;
};

enum redirect_choice {
	REDIRECT_TRY,   /* with the receiver's KMS in out: counted as a round */
	REDIRECT_FETCH, /* ask the home KMS for the certificate of the one in out, then choose again */
	REDIRECT_END,   /* *why: a clause that tells the user */
};
/* first: the KMS that the refused message was made for. */
enum redirect_choice redirect_choose(struct redirect *r, const struct krr *k, const char *first,
				     const struct redirect_held *held, char out[KMS_URI_MAX], const char **why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logins.h - two small tables that live in memory only: authorization requests whose form is out (identity.md 7.5), and
 * for ten seconds the successor of a rotated refresh token, for a client that lost the answer (8.5).
 *
 * Both are bounded. A full table of requests forgets the oldest of the source that has most of them, so that a flood of
 * sign-ins drives out its own; the other forgets its oldest. Nothing in them was ever acknowledged to anybody: after a
 * restart the user begins again.
 */
#ifndef MCX_IDMS_LOGINS_H
#define MCX_IDMS_LOGINS_H

#include "idms/grant.h"

enum { LOGIN_LIFE_S = 600, ACR_VALUES_MAX = 512 };

/* An authorization request that has been found good, but for the user. */
struct login_request {
	char client_id[CLIENT_ID_MAX], redirect_uri[REDIRECT_MAX], state[STATE_MAX], nonce[NONCE_MAX];
	char scope[SCOPE_MAX_REQUEST + 1], challenge[PKCE_CHALLENGE], acr_values[ACR_VALUES_MAX], login_hint[256];
	uint8_t pre_hash[HASH_LEN]; /* of the pre-session cookie */
};

struct logins;

struct logins *logins_new(unsigned max);
void logins_free(struct logins *l);
/* Keeps a copy; source: the address it came from; tx receives its handle. 0 or -1. */
int logins_put(struct logins *l, const struct login_request *r, const char *source, int64_t now, char tx[RANDOM_TEXT]);
/* Frees what is too old. */
void logins_purge(struct logins *l, int64_t now);
/* A copy of what stands behind the handle; 0, or -1 if there is none (any more). It stays until dropped or too old. */
int logins_get(struct logins *l, const char *tx, int64_t now, struct login_request *out);
/* 0 for the one who drops it, -1 if it was gone: two forms sent at once yield one code. */
int logins_drop(struct logins *l, const char *tx);

enum { GRACE_MS = 10000 };

struct grace;
struct grace *grace_new(void);
void grace_free(struct grace *g);
void grace_put(struct grace *g, const char *old_token, const char *successor, int64_t now_ms);
/* 0 and the successor, once; -1 if there is none. */
int grace_take(struct grace *g, const char *old_token, int64_t now_ms, char successor[RANDOM_TEXT]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing.h - the keys that sign tokens, one ES256 and one RS256 in use, through their states (identity.md 4.5):
 *
 *	next     published, does not sign yet: those who cache the key set get to know it first
 *	active   signs
 *	retired  published until every token it signed has expired
 *	deleted  gone, with its file
 *
 * Private keys are PKCS#8 files of mode 0600 in a folder of mode 0700; the database holds states and times.
 */
#ifndef MCX_IDMS_SIGNING_H
#define MCX_IDMS_SIGNING_H

#include "idms/context.h"
#include "mcx/token/token.h"

enum { SIGNING_WARM_UP_S = 24 * 3600, SIGNING_MAX = 16 };

/* Loads the keys, and makes the first ones. NULL and a sentence in err. */
struct signing *signing_open(struct idms *s, char *err, size_t err_size);
void signing_close(struct signing *g);

/* malloc'ed compact JWS; NULL on failure. Thread-safe, as all that follows. */
char *signing_sign(struct signing *g, enum token_alg alg, const char *typ, const char *payload);
/* malloc'ed JWKS text. */
char *signing_jwks(struct signing *g);
/* token_check with our own keys. */
enum token_verdict signing_check(struct signing *g, const char *token, size_t len, struct token_policy *policy,
				 struct token_claims *out);
enum signing_rotation { ROTATED, ROTATION_TOO_EARLY, ROTATION_FAILED };
/* next -> active -> retired, a new next. An emergency does not wait for the warm-up and deletes the old key at once. */
enum signing_rotation signing_rotate(struct idms *s, int emergency, const char *actor, const char *source);
/* Scheduled: rotates when the active key is older than rotate_days, deletes retired keys whose time is over. */
void signing_keep(struct idms *s);
/* malloc'ed JSON list of keys and states, for the admin interface. */
char *signing_list(struct signing *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant.h - what a sign-in leads to, durable: sessions, authorization codes, refresh families, issued tokens, and what
 * takes them back (identity.md 7.6, 8.5, 11, 14.1; RFC 6749 4.1.2, RFC 9700 4.14).
 *
 * All functions run inside a transaction of the caller, who answers only after its commit. Secrets come as text and are
 * stored as SHA-256. A family is everything that came from one code: its refresh tokens and its access tokens.
 */
#ifndef MCX_IDMS_GRANT_H
#define MCX_IDMS_GRANT_H

#include "idms/client.h"

enum { STATE_MAX = 2049, NONCE_MAX = 513, ACR_MAX = 64 };

/* The facts a code or refresh token carries. */
struct grant {
	char family[OPAQUE_ID], client_id[CLIENT_ID_MAX], sub[OPAQUE_ID], sid[OPAQUE_ID];
	char scope[SCOPE_MAX_TEXT], acr[ACR_MAX];
	int64_t auth_time;
	/* of a code only */
	char redirect_uri[REDIRECT_MAX], challenge[PKCE_CHALLENGE], nonce[NONCE_MAX];
	/* of a refresh token only */
	int64_t abs_exp;
};

/* ---- sessions ---- */

struct session {
	char sid[OPAQUE_ID], sub[OPAQUE_ID], acr[ACR_MAX];
	int64_t auth_time;
};
/* A new session; the cookie's text is drawn here. */
enum store_err session_create(struct idms *s, const char *sub, const char *acr, const char *source,
			      char cookie[RANDOM_TEXT], struct session *out);
/* STORE_ROW: a live one, not idle and not too old. */
enum store_err session_find(struct idms *s, const char *cookie, struct session *out);

/* A browser that signed this user in before: counted apart from strangers when passwords are guessed. */
enum store_err device_remember(struct idms *s, const char *cookie, const char *sub);
enum store_err device_known(struct idms *s, const char *cookie, const char *sub);

/* ---- codes ---- */

enum store_err code_store(struct idms *s, const char *code, const struct grant *g);

enum take { TAKE_OK, TAKE_UNKNOWN, TAKE_EXPIRED, TAKE_AGAIN };
/* Takes the code, for ever; *out is filled in for TAKE_OK and TAKE_AGAIN. */
enum store_err code_take(struct idms *s, const char *code, enum take *how, struct grant *out);

/* ---- refresh tokens ---- */

enum store_err refresh_store(struct idms *s, const char *token, const struct grant *g, int64_t idle_ttl);

enum refresh_state { REFRESH_UNKNOWN, REFRESH_LIVE, REFRESH_ROTATED, REFRESH_REVOKED, REFRESH_EXPIRED };
/* *rotated: when it was, in milliseconds. */
enum store_err refresh_look(struct idms *s, const char *token, enum refresh_state *state, int64_t *rotated_ms,
			    struct grant *out);
enum store_err refresh_rotate(struct idms *s, const char *token);

/* ---- issued and taken back ---- */

enum store_err issued_store(struct idms *s, const struct grant *g, const char *jti, const char *scope, int64_t iat,
			    int64_t exp);
enum store_err revoke_family(struct idms *s, const char *family);
enum store_err revoke_jti(struct idms *s, const char *jti, int64_t exp);
struct cut {
	int64_t sessions, families, tokens; /* ended; of families their refresh tokens */
};
/* Sessions, codes, refresh families and access tokens of an account, or of one session. */
enum store_err cut_user(struct idms *s, const char *sub, struct cut *out);
enum store_err cut_session(struct idms *s, const char *sid);
/* STORE_ROW if the token was taken back, STORE_OK if not. */
enum store_err token_is_revoked(struct idms *s, const struct token_claims *c);
/* Drops what no answer can depend on any more. */
enum store_err grant_purge(struct idms *s);

#endif

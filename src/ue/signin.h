/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signin.h - the client's side of the identity service: OpenID Connect code flow with PKCE, as TS 33.180 B.4 and
 * TS 24.482 6.2 describe it for an IdM client that shows the form itself ("headless"), refresh, and revocation.
 *
 * Blocking; one caller at a time for one http_client. A code redemption is never repeated: when its answer is lost the
 * user signs in again (RFC 6749 4.1.2). The ID token is checked in full, although it came over TLS (OIDC Core 3.1.3.7).
 */
#ifndef MCX_UE_SIGNIN_H
#define MCX_UE_SIGNIN_H

#include "mcsec/rng.h"
#include "mcx/token/token.h"
#include "net/http.h"

#define SIGNIN_CLIENT_ID    "mcx-ue"
#define SIGNIN_REDIRECT_URI "mcx.ue:/callback"
#define SIGNIN_ACR          "3gpp:acr:password"
#define SIGNIN_SCOPES       "openid " SCOPE_PTT_SERVICE " " SCOPE_PTT_KEYS

enum signin_status {
	SIGNIN_OK = 0,
	SIGNIN_CREDENTIALS, /* user name or password is wrong */
	SIGNIN_THROTTLED,   /* too many attempts: wait retry_after_s */
	SIGNIN_REFUSED,     /* the server named an OAuth error; see `error` */
	SIGNIN_EXPIRED,     /* invalid_grant: the refresh token or code is no longer good, sign in anew */
	SIGNIN_BUSY,        /* 503: wait retry_after_s */
	SIGNIN_UNREACHABLE, /* no answer, or TLS failed */
	SIGNIN_PROTOCOL,    /* an answer the specification does not allow; wrong state or issuer */
	SIGNIN_TOKEN,       /* the ID token does not pass; see `verdict` */
	SIGNIN_INTERNAL,    /* memory, random source */
};
const char *signin_status_name(enum signin_status s);

struct signin_config {
	const char *issuer;       /* "https://idms.a.example:7443", no slash at the end */
	const char *client_id;    /* NULL: SIGNIN_CLIENT_ID */
	const char *redirect_uri; /* NULL: SIGNIN_REDIRECT_URI */
	const char *scopes;       /* NULL: SIGNIN_SCOPES */
	const char *acr_values;   /* NULL: SIGNIN_ACR */
	struct http_client *http;
	const struct mcsec_rng *rng; /* NULL: the system's */
	int64_t (*now)(void);        /* Unix seconds; NULL: the system's clock */
};

/* What the client keeps. Secret: lives in mcsec_secret_alloc memory (signin_tokens_new). */
struct signin_tokens {
	char access[4096];  /* "" when there is none */
	char refresh[512];  /* "" when the server gave none */
	char id[TOKEN_MAX]; /* as received */
	char scope[1024];   /* granted */
	char subject[256], sid[64], acr[64];
	char mcptt_id[256], mcvideo_id[256], mcdata_id[256]; /* of the checked ID token; "" when not granted */
	int64_t expires_at;                                  /* of the access token, by our clock */
	int64_t refresh_at; /* when to refresh: at 80 % of the life or 5 minutes before its end, whichever is later */
	int64_t auth_time;
	int64_t skew_s; /* server's clock minus ours by its Date header; 0 when within 30 s */
};

struct signin_report {
	enum signin_status status;
	enum token_verdict verdict;
	unsigned retry_after_s;
	char error[64]; /* OAuth error code, "" if none */
	char text[256]; /* one clear sentence, no secret in it */
};

/* NULL without memory. signin_tokens_free wipes. */
struct signin_tokens *signin_tokens_new(void);
void signin_tokens_free(struct signin_tokens *t);

/* Discovery, form, credentials, code, tokens, ID token checked. On failure *t is all zero. */
enum signin_status signin_password(const struct signin_config *c, const char *user, const char *password,
				   struct signin_tokens *t, struct signin_report *r);
/* New tokens for t->refresh. Unless SIGNIN_OK *t is as before; on SIGNIN_EXPIRED the refresh token is wiped. */
enum signin_status signin_refresh(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r);
/* Sign out: revokes the refresh token with its access tokens, then wipes *t whatever the answer. */
enum signin_status signin_revoke(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bearer.h - the access token of an HTTP request at a resource server, and the answer when it does not suffice
 * (RFC 6750, TS 24.482 A.2.3, TS 33.180 B.10, B.11.2).
 *
 *	if (!bearer_check(&bearer, rq, scopes, n, now, &claims, rs))
 *		return;	 // rs is filled in
 *	if (strcmp(claims.mcptt_id, user_uri) != 0) {
 *		bearer_refuse(&bearer, BEARER_OBJECT, NULL, NULL, rs);
 *		...
 *
 * The token stands in the Authorization header only; one in a query or a body counts as none (RFC 9700 4.3.2).
 */
#ifndef MCX_NET_BEARER_H
#define MCX_NET_BEARER_H

#include "net/http.h"
#include "net/jwks_cache.h"

struct bearer {
	struct jwks_cache *keys;
	const char *issuer, *audience;
	const char *realm;     /* in WWW-Authenticate: the domain */
	int no_token_status;   /* 0: 403 as TS 24.482 A.2.3; RFC 6750 says 401 */
	int accept_r13_scopes; /* 3gpp:mcptt:... counts as its 3gpp:mc:ptt_... name */
	/* 1 if the token was revoked before its time (TS 33.180 B.12); NULL: not asked. Called after all other checks.
	 */
	int (*revoked)(void *ctx, const struct token_claims *claims);
	void *revoked_ctx;
};

enum bearer_fault {
	BEARER_NO_TOKEN,    /* 403 (or 401), challenge without error */
	BEARER_BAD_HEADER,  /* 400 invalid_request */
	BEARER_BAD_TOKEN,   /* 401 invalid_token; detail says why in one word */
	BEARER_SCOPE,       /* 403 insufficient_scope; scope names what is needed */
	BEARER_OBJECT,      /* 403 without challenge: the token is fine, the thing is not this user's */
	BEARER_UNAVAILABLE, /* 503: the key set cannot be had, so nobody can be told apart */
};

/* Finds and checks the token: any one of the scopes must be in it. 1: *out holds its claims; 0: rs is filled in. */
int bearer_check(const struct bearer *b, const struct http_request *rq, const char *const *scopes, size_t n_scopes,
		 int64_t now, struct token_claims *out, struct http_response *rs);
/* Fills in status, WWW-Authenticate and Cache-Control for one fault; detail and scope may be NULL. */
void bearer_refuse(const struct bearer *b, enum bearer_fault fault, const char *detail, const char *scope,
		   struct http_response *rs);
/* token_has_scope, and the Rel-13 spelling of a PTT scope when accepted. */
int bearer_has_scope(const struct bearer *b, const struct token_claims *c, const char *scope);
/*
 * The b64token of the only Authorization header. 0 found, 1 none (absent, or another scheme), -1 malformed or repeated.
 * Points into the request.
 */
int bearer_token(const struct http_request *rq, const char **token, size_t *len);

#endif

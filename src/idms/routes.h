/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes.h - the public and the admin interface as tables of handlers, and what the handlers share.
 */
#ifndef MCX_IDMS_ROUTES_H
#define MCX_IDMS_ROUTES_H

#include "idms/client.h"
#include "idms/grant.h"
#include "idms/logins.h"
#include "idms/user.h"

typedef void idms_handler(struct idms *s, const struct http_request *rq, struct http_response *rs);

/* For http_server_options; ctx is a struct idms. */
void public_route(void *ctx, const struct http_request *rq, struct http_response *rs);
void admin_route(void *ctx, const struct http_request *rq, struct http_response *rs);

idms_handler handle_authorize, handle_login;                    /* handle_authorize.c, handle_login.c */
idms_handler handle_token;                                      /* handle_token.c */
idms_handler handle_userinfo, handle_introspect, handle_revoke; /* handle_resource.c */
idms_handler handle_discovery, handle_jwks;                     /* handle_meta.c */

/* ---- answers ---- */

/* JSON that must not be kept; takes over the malloc'ed text, NULL becomes 503. */
void answer_json(struct http_response *rs, int status, char *text);
/* {"error":..,"error_description":..} with the headers of RFC 6749 5.2; description is plain ASCII or NULL. */
void answer_oauth_error(struct http_response *rs, int status, const char *error, const char *description);
/* 503 and Retry-After: the database or the signer is not there. */
void answer_unavailable(struct idms *s, struct http_response *rs);
void answer_too_many(struct http_response *rs, unsigned wait_s);
/* 1 if the body is said to be a form. */
int is_form(const struct http_request *rq);
/* The form of the body, checked: 0, or -1 with a 400 filled in (wrong type, malformed, a repeated name). */
int take_form(const struct http_request *rq, struct form *f, struct http_response *rs);
/* For client_authenticate: fills in what its verdict means; 0 only for CLIENT_OK. */
int refuse_client(struct idms *s, enum client_verdict v, int used_basic, struct http_response *rs);

/* ---- authorization ---- */

/* redirect_uri + code, state, iss (RFC 9207). */
void answer_code(struct idms *s, const struct login_request *r, const char *code, struct http_response *rs);
void answer_authorization_error(struct idms *s, const struct login_request *r, const char *error,
				const char *description, struct http_response *rs);
/* The form for a request whose handle is tx. */
void show_login(struct idms *s, const struct login_request *r, const struct client *c, const char *tx,
		const char *username, const char *problem, int status, struct http_response *rs);

enum code_result { CODE_MADE, CODE_NO_SCOPE, CODE_DENIED };
/* A code for a user who is signed in; inside a transaction. */
enum store_err make_code(struct idms *s, const struct login_request *r, const struct client *c, const struct user *u,
			 const struct session *session, const char *source, enum code_result *how,
			 char code[RANDOM_TEXT]);

#define COOKIE_PRE     "__Host-mcxpre"
#define COOKIE_SESSION "__Host-mcxsid"
#define COOKIE_DEVICE  "__Host-mcxdev"
#define ACR_PASSWORD   "3gpp:acr:password"

#endif

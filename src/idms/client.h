/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - client registrations (TS 33.180 B.3; identity.md 6) and who a request to /token comes from (8.2).
 */
#ifndef MCX_IDMS_CLIENT_H
#define MCX_IDMS_CLIENT_H

#include "idms/context.h"
#include "idms/form.h"
#include "idms/redirect.h"
#include "mcx/token/token.h"

enum { CLIENT_ID_MAX = 129, CLIENT_REDIRECTS = 16 };

enum client_type { CLIENT_NATIVE, CLIENT_RESOURCE_SERVER };
enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_BASIC, CLIENT_AUTH_POST, CLIENT_AUTH_TLS };

struct client {
	char id[CLIENT_ID_MAX], name[128];
	enum client_type type;
	enum client_auth auth;
	size_t n_redirects;
	char redirects[CLIENT_REDIRECTS][REDIRECT_MAX];
	int code_grant, refresh_grant;
	char scopes[SCOPE_MAX_TEXT]; /* "" : no further limit */
	int require_state, require_acr_values, require_nonce, require_pkce, allow_no_openid;
	int headless_login, shared_device, legacy_basic, enabled;
	int64_t access_ttl, refresh_abs_ttl, refresh_idle_ttl; /* 0: the server's */
	enum token_alg id_token_alg;
	char tls_name[256]; /* subject alternative name (URI or DNS) of its certificate, for tls_client_auth */
	char audience[256]; /* resource server: what its tokens are for; "" : the server's audience */
	int has_secret;
	uint8_t secret[HASH_LEN]; /* SHA-256 of a secret of 256 random bits */
};

/* From the body of PUT clients/{id}. 0, or -1 and a sentence in why. */
int client_parse(struct client *c, const char *id, struct octets json, char *why, size_t why_size);
/* The record without its secret; malloc'ed JSON. */
char *client_json(const struct client *c);
/* Inside the lock. STORE_ROW: there, STORE_OK: not there. */
enum store_err client_load(struct idms *s, const char *id, struct client *c);
enum store_err client_store(struct idms *s, const struct client *c);

/* A redirection URI that is registered for the client, compared as redirect.h says. */
int client_redirects_to(const struct client *c, const char *uri);

enum client_verdict {
	CLIENT_OK,
	CLIENT_UNKNOWN,         /* invalid_client; `used_basic` decides between 401 and 400 */
	CLIENT_SEVERAL_METHODS, /* invalid_request */
	CLIENT_UNAVAILABLE,     /* 503 */
};
/* Who asks, by Basic header, form or TLS certificate; takes the lock. *used_basic: a Basic header was there. */
enum client_verdict client_authenticate(struct idms *s, const struct http_request *rq, const struct form *f,
					struct client *out, int *used_basic);

#endif

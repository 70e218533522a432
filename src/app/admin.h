/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.h - the admin listener's shared part (admin.md): roles from the client certificate's OU, errors in one JSON
 * form, and the three pages every daemon answers: /healthz (alive), /readyz (able to serve), /metrics.
 */
#ifndef MCX_APP_ADMIN_H
#define MCX_APP_ADMIN_H

#include "app/metrics.h"
#include "net/http.h"

enum admin_role {
	ADMIN_OFFICER = 1,
	ADMIN_USER_ADMIN = 2,
	ADMIN_AUDITOR = 4,
	ADMIN_BACKUP = 8,
	ADMIN_ANY = 15,
	ADMIN_RESOURCE_SERVER = 16, /* a daemon that checks tokens: it may read the revocation list and nothing else */
};

/* The role the verified certificate gives, 0 if none. */
unsigned admin_role_of(const struct http_client_cert *cert);
/* 1 if the request's certificate has one of the roles; else fills in a 403 and returns 0. */
int admin_allow(const struct http_request *rq, unsigned roles, struct http_response *rs);
/* {"error":"token","detail":"..."} */
void admin_error(struct http_response *rs, int status, const char *token, const char *detail);

struct admin_health {
	/* NULL when the daemon can serve; else the one word that says why not ("sealed", "database"). */
	const char *(*not_ready)(void *ctx);
	void *ctx;
	const struct metric *metrics;
	size_t n_metrics;
	const struct metric *more; /* shown after them; NULL without */
	size_t n_more;
};

/* Answers /healthz, /readyz and /metrics and returns 1; 0 for any other path. Any role may read them. */
int admin_health(const struct admin_health *h, const struct http_request *rq, struct http_response *rs);

#endif

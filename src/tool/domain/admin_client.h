/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_client.h - calls to the admin listeners of a local domain's daemons (admin.md), over mutual TLS with the
 * certificate of one role, JSON both ways.
 */
#ifndef MCX_TOOL_ADMIN_CLIENT_H
#define MCX_TOOL_ADMIN_CLIENT_H

#include <jansson.h>

#include "tool/domain/domain.h"

enum admin_at { ADMIN_AT_IDMS, ADMIN_AT_KMS, ADMIN_AT_SERVER };

struct admin_client;

/* role: "officer", "user-admin", "auditor", "backup". NULL and a sentence in err on failure. */
struct admin_client *admin_client_new(const struct domain *d, const char *role, char *err, size_t err_size);
void admin_client_free(struct admin_client *c);

struct admin_answer {
	int status;      /* 0: no answer */
	json_t *body;    /* NULL if there is none or it is not JSON; freed by admin_answer_free */
	char error[800]; /* one sentence when status is not 2xx */
};

/*
 * path: format of the part after /admin/v1/, "%s" arguments already percent-encoded (admin_segment). body may be NULL;
 * it is taken over. Returns out->status.
 */
int admin_call(struct admin_client *c, enum admin_at at, const char *method, json_t *body, struct admin_answer *out,
	       const char *path, ...) __attribute__((format(printf, 6, 7)));
void admin_answer_free(struct admin_answer *a);
/* One path segment of an identity; out has 3 * DOMAIN_TEXT octets. */
const char *admin_segment(const char *id, char *out);
/* A page outside /admin/v1: "/metrics", "/readyz". malloc'ed text or NULL. */
char *admin_page(struct admin_client *c, enum admin_at at, const char *path);

#endif

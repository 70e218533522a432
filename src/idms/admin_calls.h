/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_calls.h - the calls of the admin interface. Each checks its body, changes the database with its audit record in
 * one transaction, and answers after the commit. `name` is the decoded path segment after the kind.
 */
#ifndef MCX_IDMS_ADMIN_CALLS_H
#define MCX_IDMS_ADMIN_CALLS_H

#include <jansson.h>

#include "idms/routes.h"

typedef void admin_call(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs);

/* handle_users.c */
admin_call admin_users_list, admin_user_get, admin_user_put, admin_user_delete, admin_user_password, admin_user_cut,
    admin_user_unlock;
/* handle_admin.c */
admin_call admin_clients_list, admin_client_get, admin_client_put, admin_client_delete, admin_client_secret,
    admin_keys_list, admin_keys_rotate, admin_revoked, admin_touches;

/* admin.c */
/* What a failed transaction means to an administrator: 409 or 503. */
void admin_store_error(struct idms *s, enum store_err e, struct http_response *rs);
/* After a look-up: 0 if the row is there, else -1 with 404 (`what` is the sentence) or 503 filled in. */
int admin_found(struct idms *s, enum store_err e, const char *what, struct http_response *rs);
/* The rows of a statement without parameters, each as its line: 200, or 503. Takes the lock. */
void admin_list(struct idms *s, const char *sql, json_t *(*line)(struct store_stmt *st), struct http_response *rs);
enum store_err admin_audit(struct idms *s, const struct http_request *rq, const char *type, const char *target,
			   const char *reason);

#endif

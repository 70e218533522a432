/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_call.h - one call on the admin listener, as its handlers see it (admin.c routes, the others carry out).
 */
#ifndef MCX_KMS_ADMIN_CALL_H
#define MCX_KMS_ADMIN_CALL_H

#include <jansson.h>

#include "app/admin.h"
#include "kms/context.h"

struct call {
	struct kms *kms;
	const struct http_request *rq;
	struct http_response *rs;
	char arg[KMS_URI_MAX]; /* the segment after the resource */
	char action[16];       /* the one after that */
	json_t *body;          /* of calls that take JSON; NULL when it is none */
	struct kms_db *db;
};

/* Takes over j. */
void admin_json(struct call *c, int status, json_t *j);
void admin_store_failed(struct call *c, enum store_err e);
/* The audit record of the call, with one detail of its own (key NULL: none), in the open transaction if there is one.
 */
enum store_err admin_record(struct call *c, const char *type, const char *key, const char *value);

/* admin_extcert.c: certificates of other domains. */
void admin_list_extcerts(struct call *c);
void admin_import_extcert(struct call *c);
void admin_change_extcert(struct call *c);
/* admin_watch.c: the running daemon. */
void admin_list_alarms(struct call *c);
void admin_accept_clock(struct call *c);
void admin_make_checkpoint(struct call *c);
void admin_reload(struct call *c);

/* admin_transport.c: TrK and InK of a user; reports of redirect responses. */
void admin_list_transport(struct call *c);
void admin_make_transport(struct call *c);
void admin_change_transport(struct call *c);
void admin_list_krrs(struct call *c);

#endif

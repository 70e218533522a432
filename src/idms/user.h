/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user.h - accounts: who may sign in, and which MC service IDs and scopes are theirs (identity.md 2, 14.1).
 *
 * All functions run inside the database lock. `sub` is random, never reassigned, and survives a rename.
 */
#ifndef MCX_IDMS_USER_H
#define MCX_IDMS_USER_H

#include "idms/context.h"

enum { MC_ID_MAX = 256 };

struct user {
	char sub[OPAQUE_ID], mc_id[MC_ID_MAX], display[128];
	int enabled;
	char scopes[SCOPE_MAX_TEXT]; /* what the account is cut down to; "" : no cut */
	char password[PASSWORD_PHC]; /* "" : none set */
	int64_t fail_count, fail_since;
	char service_id[SERVICES][MC_ID_MAX]; /* "" : not provisioned */
};

/* STORE_ROW: there, STORE_OK: not there. */
enum store_err user_by_name(struct idms *s, const char *mc_id, struct user *u);
enum store_err user_by_sub(struct idms *s, const char *sub, struct user *u);
/* Makes or changes the account of u->mc_id; u->sub is filled in. STORE_CONFLICT: an MC service ID is taken. */
enum store_err user_store(struct idms *s, struct user *u, int *created);
enum store_err user_set_password(struct idms *s, const char *sub, const char *phc);
/* A wrong password; a right one sets the count back to 0 (only then is a row written). */
enum store_err user_count_failure(struct idms *s, const char *sub);
enum store_err user_clear_failures(struct idms *s, const char *sub);
enum store_err user_remove(struct idms *s, const char *sub);

/* The name under which accounts are compared: ASCII letters in lower case. out has MC_ID_MAX octets. */
void user_fold(const char *mc_id, char *out);
/* NULL if the text may be an MC service ID, else why not. */
const char *user_service_id_refusal(const char *uri);
/* What the account may be granted, for scope_grant. */
struct scope_limits user_limits(const struct user *u, const char *client_scopes);

#endif

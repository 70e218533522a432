/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.h - the life of a user of a local domain, across its three daemons (admin.md "User life"): the account at
 * mcx-idms, the identity at mcx-kms, the profile at mcx-server, the device's certificate in DIR/ue/NAME.
 *
 * Every step is idempotent and steps are made in an order in which a half-finished one grants nothing: an account comes
 * last, and goes first. So a failure half-way is repaired by running the same again.
 */
#ifndef MCX_TOOL_USERS_H
#define MCX_TOOL_USERS_H

#include <jansson.h>

#include "tool/domain/admin_client.h"

struct user {
	char name[40];           /* of the folder: letters, digits, '.', '_', '-' */
	char mc_id[DOMAIN_TEXT]; /* the name at the identity server */
	char impu[DOMAIN_TEXT];  /* SIP public identity; it stands in clear in SIP */
	char mcptt[DOMAIN_TEXT], mcvideo[DOMAIN_TEXT], mcdata[DOMAIN_TEXT]; /* MC service IDs; "" without */
	char state[16];                                                     /* active, suspended, lost */
	char password[128]; /* only between making and sending; wiped by its user */
};

enum user_err {
	USER_OK = 0,
	USER_BAD,         /* not a name, not an identity, no such user */
	USER_REFUSED,     /* a daemon said no */
	USER_UNREACHABLE, /* a daemon did not answer */
	USER_FILE,        /* the domain's folder */
};

/*
 * Fills in what is empty: IDs of the form sip:NAME@ZONE for the services named ("ptt,video,data"). The SIP identity is
 * the MCPTT ID; where the domain hides identities it is one drawn at random instead, which tells nobody who it is.
 */
enum user_err user_fill_in(const struct domain *d, struct user *u, const char *services, char *err, size_t err_size);
/*
 * Without a password the one in DIR/ue/NAME/password is taken, or made (128 random bits) and written there.
 */
enum user_err user_add(struct domain *d, struct user *u, char *err, size_t err_size);
/* The record kept in DIR/ue/NAME/user.json. */
enum user_err user_load(const struct domain *d, const char *name, struct user *u, char *err, size_t err_size);
enum user_err user_suspend(struct domain *d, struct user *u, char *err, size_t err_size);
enum user_err user_resume(struct domain *d, struct user *u, char *err, size_t err_size);
/*
 * The device is lost: at the identity server the account is closed and every token taken back, at the KMS each MC
 * service identity is revoked and its transport keys go, at the MC server its registrations end. One daemon a call, so
 * that one that is down holds up no other.
 */
enum user_err user_lost_at(struct domain *d, struct user *u, enum admin_at at, char *err, size_t err_size);
/* The record in the user's folder says "lost"; user_resume undoes it all. */
enum user_err user_mark_lost(struct domain *d, struct user *u, char *err, size_t err_size);
/* The identity is revoked, the account deleted, the client's folder emptied. */
enum user_err user_remove(struct domain *d, struct user *u, char *err, size_t err_size);
/* Password of a local user; malloc'ed, the caller wipes and frees. NULL without. */
char *user_password(const struct domain *d, const char *name);
json_t *user_json(const struct user *u);
/* The distinct MC service IDs, MCPTT first; how many. */
enum { USER_IDENTITIES = 3 };
size_t user_identities(const struct user *u, const char *out[USER_IDENTITIES]);

#endif

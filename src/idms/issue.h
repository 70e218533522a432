/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issue.h - the tokens of one sign-in as TS 33.180 B.2.1 and B.2.2 want them (identity.md 4.1, 4.2), and the answer
 * that carries them. Signing runs outside of any transaction: what is promised here has been committed before.
 */
#ifndef MCX_IDMS_ISSUE_H
#define MCX_IDMS_ISSUE_H

#include "idms/grant.h"
#include "idms/user.h"

struct issue {
	const struct client *client;
	const struct user *user;
	const struct grant *grant;
	char scope[SCOPE_MAX_TEXT]; /* of this access token */
	char jti[OPAQUE_ID];
	int64_t now;
	const char *nonce;         /* "" after a refresh */
	const char *refresh_token; /* NULL: none */
};

int64_t issue_access_ttl(const struct idms *s, const struct client *c);
/* The body of a 200 answer; malloc'ed, secret. NULL when signing failed. */
char *issue_response(struct idms *s, const struct issue *i);

#endif

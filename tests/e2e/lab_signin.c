/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab_signin.c - an identity server that gives what a test says, in the place of ue/signin.c. Clients of the lab are
 * signed in already; where the test says nothing it cannot be reached.
 */
#include "e2e/ue_lab.h"
#include "ue/signin.h"

#include <stdio.h>

#include "mcsec/secret.h"

struct signin_tokens *signin_tokens_new(void)
{
	return mcsec_secret_alloc(sizeof(struct signin_tokens));
}

void signin_tokens_free(struct signin_tokens *t)
{
	mcsec_secret_free(t);
}

const char *signin_status_name(enum signin_status s)
{
	return s == SIGNIN_OK ? "ok" : "unreachable";
}

static enum signin_status unreachable(struct signin_report *r)
{
	*r = (struct signin_report){.status = SIGNIN_UNREACHABLE};
	snprintf(r->text, sizeof r->text, "the lab has no identity server");
	return r->status;
}

const struct signin_tokens *lab_tokens;

static enum signin_status give(struct signin_tokens *t, struct signin_report *r)
{
	if (!lab_tokens)
		return unreachable(r);
	*t = *lab_tokens;
	*r = (struct signin_report){.status = SIGNIN_OK};
	return SIGNIN_OK;
}

enum signin_status signin_password(const struct signin_config *c, const char *user, const char *password,
				   struct signin_tokens *t, struct signin_report *r)
{
	(void)c;
	(void)user;
	(void)password;
	mcsec_wipe(t, sizeof *t);
	return give(t, r);
}

enum signin_status signin_refresh(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r)
{
	(void)c;
	return give(t, r);
}

enum signin_status signin_revoke(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r)
{
	(void)c;
	mcsec_wipe(t, sizeof *t);
	return unreachable(r);
}

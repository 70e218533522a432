/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signin_form.h - the sign-in form as a headless client reads it (TS 24.482 6.2: the client shows the form itself), and
 * the redirect that answers it. Pure; bounded; what comes from the server is not trusted to be well-formed.
 */
#ifndef MCX_UE_SIGNIN_FORM_H
#define MCX_UE_SIGNIN_FORM_H

#include "sec/base/bytes.h"

enum { SIGNIN_FORM_FIELDS = 16, SIGNIN_FORM_VALUE = 1024 };

struct signin_form {
	char action[1024];
	size_t n; /* hidden fields */
	struct {
		char name[64], value[SIGNIN_FORM_VALUE];
	} hidden[SIGNIN_FORM_FIELDS];
	int has_username, has_password;
};

/* The first form with a field named "password". 0, or -1 if there is none that can be used. */
int signin_form_parse(struct octets html, struct signin_form *f);

struct signin_callback {
	char code[512], error[64], error_description[256];
};
enum signin_callback_verdict {
	CALLBACK_CODE,
	CALLBACK_ERROR,   /* the server named an error for this very request */
	CALLBACK_FOREIGN, /* not our redirect URI, another state, another issuer: to be dropped (B.4.2.3, RFC 9207) */
};
/* Takes a Location apart; state and issuer have to be the ones expected. */
enum signin_callback_verdict signin_callback_read(const char *location, const char *redirect_uri, const char *state,
						  const char *issuer, struct signin_callback *out);

#endif

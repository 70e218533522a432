/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_token.c - a token (RFC 7515 compact form) member by member.
 *
 * The offset of a part is that of its base64url text. What can be said without the issuer's keys is said: structure,
 * algorithm, times. The signature is not checked here, and the note says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/err.h"
#include "mcx/token/token.h"
#include "tool/look/explain.h"
#include "tool/look/mikey_files.h"

enum { LEEWAY = 30 };

static int is_time(const char *name)
{
	return strcmp(name, "exp") == 0 || strcmp(name, "iat") == 0 || strcmp(name, "nbf") == 0 ||
	       strcmp(name, "auth_time") == 0;
}

static void tell_part(struct explanation *e, size_t at, size_t len, const char *part, const char *json)
{
	json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, NULL), *v;
	const char *name;
	explain_field(e, at, len, part, "(base64url)", NULL);
	json_object_foreach(o, name, v)
	{
		char date[TOOL_TIME_LEN], text[128];
		char *value = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		if (is_time(name) && json_is_integer(v)) {
			snprintf(text, sizeof text, "%s (%s)", value, tool_time_text(json_integer_value(v), date));
			explain_field(e, at, len, part, name, text);
		} else {
			explain_field(e, at, len, part, name, value);
		}
		free(value);
	}
	json_decref(o);
}

static void judge(struct explanation *e, const struct token_claims *claims, const char *header)
{
	json_t *h = json_loads(header, 0, NULL);
	const char *alg = json_string_value(json_object_get(h, "alg"));
	if (!alg || (strcmp(alg, "ES256") != 0 && strcmp(alg, "RS256") != 0))
		explain_wrong(e, "algorithm", 0, "RFC 7515 4.1.1", "the algorithm is neither ES256 nor RS256");
	else if (claims->exp && e->now > claims->exp + LEEWAY)
		explain_wrong(e, "expired", MCSEC_NO_OFFSET, "RFC 7519 4.1.4", "the token has expired");
	else if (claims->nbf && e->now < claims->nbf - LEEWAY)
		explain_wrong(e, "not-yet", MCSEC_NO_OFFSET, "RFC 7519 4.1.5", "the token is not valid yet");
	json_decref(h);
}

void explain_token(struct explanation *e, struct octets text)
{
	const char *compact = (const char *)text.p;
	struct token_claims claims;
	char *header = NULL, *payload = NULL;
	e->type = "token";
	enum token_verdict v = token_decode(compact, text.len, &header, &payload);
	if (v == TOKEN_OK) {
		const char *dot = memchr(compact, '.', text.len);
		size_t first = dot ? (size_t)(dot - compact) : text.len;
		const char *dot2 = dot ? memchr(dot + 1, '.', text.len - first - 1) : NULL;
		size_t second = dot2 ? (size_t)(dot2 - compact) : text.len;
		tell_part(e, 0, first, "header", header);
		tell_part(e, first + 1, second - first - 1, "payload", payload);
		if (dot2)
			explain_field(e, second + 1, text.len - second - 1, "signature", "(base64url)", NULL);
		snprintf(e->note, sizeof e->note, "the signature was not checked: that takes the issuer's keys");
		v = token_peek(compact, text.len, &claims);
		if (v == TOKEN_OK)
			judge(e, &claims, header);
	}
	if (v != TOKEN_OK)
		explain_wrong(e, token_verdict_name(v), MCSEC_NO_OFFSET, "RFC 7515 7.1",
			      "not a token that can be read");
	free(header);
	free(payload);
}

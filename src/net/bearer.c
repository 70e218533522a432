/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bearer.c - see bearer.h; the statuses are those of identity.md 10.1.
 */
#include "net/bearer.h"

#include <stdio.h>
#include <strings.h>

#include "sec/base/check.h"

static int b64token_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._~+/", c);
}

/* b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 2.1) */
static int is_b64token(const char *s)
{
	size_t n = 0;
	while (s[n] && b64token_char(s[n]))
		n++;
	return n > 0 && s[n + strspn(s + n, "=")] == 0;
}

int bearer_token(const struct http_request *rq, const char **token, size_t *len)
{
	unsigned count = 0;
	const char *h = http_request_header(rq, "Authorization", &count);
	if (MCX_FAULT(tok.one_header, count > 1))
		return -1;
	if (!h || strncasecmp(h, "Bearer", 6) != 0 || (h[6] != ' ' && h[6] != 0))
		return 1;
	h += 6 + strspn(h + 6, " ");
	if (!MCX_CHECK(tok.header_text, is_b64token(h)))
		return -1;
	*token = h;
	*len = strlen(h);
	return 0;
}

static const struct {
	const char *rel13, *name;
} rel13_scopes[] = {
    {"3gpp:mcptt:ptt_server", "3gpp:mc:ptt_service"},
    {"3gpp:mcptt:key_management_server", "3gpp:mc:ptt_key_management_service"},
    {"3gpp:mcptt:config_management_server", "3gpp:mc:ptt_config_management_service"},
    {"3gpp:mcptt:group_management_server", "3gpp:mc:ptt_group_management_service"},
};

int bearer_has_scope(const struct bearer *b, const struct token_claims *c, const char *scope)
{
	if (token_has_scope(c, scope))
		return 1;
	for (size_t i = 0; b->accept_r13_scopes && i < sizeof rel13_scopes / sizeof *rel13_scopes; i++)
		if (strcmp(rel13_scopes[i].name, scope) == 0)
			return token_has_scope(c, rel13_scopes[i].rel13);
	return 0;
}

void bearer_refuse(const struct bearer *b, enum bearer_fault fault, const char *detail, const char *scope,
		   struct http_response *rs)
{
	const char *realm = b->realm;
	rs->status = fault == BEARER_NO_TOKEN      ? (b->no_token_status ? b->no_token_status : 403)
		     : fault == BEARER_BAD_HEADER  ? 400
		     : fault == BEARER_BAD_TOKEN   ? 401
		     : fault == BEARER_UNAVAILABLE ? 503
						   : 403;
	http_response_header(rs, "Cache-Control", "no-store");
	if (fault == BEARER_NO_TOKEN)
		http_response_header(rs, "WWW-Authenticate", "Bearer realm=\"%s\"", realm);
	else if (fault == BEARER_BAD_HEADER)
		http_response_header(rs, "WWW-Authenticate", "Bearer realm=\"%s\", error=\"invalid_request\"", realm);
	else if (fault == BEARER_BAD_TOKEN)
		http_response_header(rs, "WWW-Authenticate",
				     "Bearer realm=\"%s\", error=\"invalid_token\", error_description=\"%s\"", realm,
				     detail ? detail : "not valid");
	else if (fault == BEARER_SCOPE)
		http_response_header(rs, "WWW-Authenticate",
				     "Bearer realm=\"%s\", error=\"insufficient_scope\", scope=\"%s\"", realm,
				     scope ? scope : "");
	else if (fault == BEARER_UNAVAILABLE)
		http_response_header(rs, "Retry-After", "5");
}

static int scope_suffices(const struct bearer *b, const struct token_claims *c, const char *const *scopes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bearer_has_scope(b, c, scopes[i]))
			return 1;
	return n == 0;
}

int bearer_check(const struct bearer *b, const struct http_request *rq, const char *const *scopes, size_t n_scopes,
		 int64_t now, struct token_claims *out, struct http_response *rs)
{
	const char *token;
	size_t len;
	int found = bearer_token(rq, &token, &len);
	struct token_policy policy = {.issuer = b->issuer, .audience = b->audience, .now = now, .typ = "at+jwt"};
	if (found) {
		bearer_refuse(b, found > 0 ? BEARER_NO_TOKEN : BEARER_BAD_HEADER, NULL, NULL, rs);
		return 0;
	}
	enum token_verdict v = jwks_cache_check(b->keys, token, len, &policy, out);
	if (v == TOKEN_UNKNOWN_KEY && !jwks_cache_ready(b->keys)) {
		bearer_refuse(b, BEARER_UNAVAILABLE, NULL, NULL, rs);
		return 0;
	}
	if (v || MCX_FAULT(tok.revoked, b->revoked && b->revoked(b->revoked_ctx, out))) {
		bearer_refuse(b, BEARER_BAD_TOKEN, v ? token_verdict_name(v) : "revoked", NULL, rs);
		return 0;
	}
	if (!MCX_CHECK(tok.scope, scope_suffices(b, out, scopes, n_scopes))) {
		bearer_refuse(b, BEARER_SCOPE, NULL, scopes[0], rs);
		return 0;
	}
	return 1;
}

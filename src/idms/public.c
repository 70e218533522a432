/* SPDX-License-Identifier: Apache-2.0 */
/*
 * public.c - the public interface as a table (identity.md 3), and the answers its handlers share. A method that is not
 * in the row is 405 with Allow, a path that is not in the table 404.
 */
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "idms/page.h"
#include "idms/routes.h"

static void handle_style(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	(void)s, (void)rq;
	page_style(rs);
}

static const struct {
	const char *path, *methods;
	idms_handler *handler;
} routes[] = {
    {"/.well-known/openid-configuration", "GET", handle_discovery},
    {"/.well-known/oauth-authorization-server", "GET", handle_discovery},
    {"/jwks", "GET", handle_jwks},
    {"/authorize", "GET, POST", handle_authorize},
    {"/login", "POST", handle_login},
    {"/token", "POST", handle_token},
    {"/userinfo", "GET, POST", handle_userinfo},
    {"/introspect", "POST", handle_introspect},
    {"/revoke", "POST", handle_revoke},
    {"/style.css", "GET", handle_style},
};

static int allows(const char *methods, const char *method)
{
	size_t n = strlen(method);
	for (const char *at = methods; (at = strstr(at, method)); at += n)
		if ((at == methods || at[-1] == ' ') && (at[n] == 0 || at[n] == ','))
			return 1;
	return 0;
}

void public_route(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (strcmp(routes[i].path, rq->path) != 0)
			continue;
		if (!allows(routes[i].methods, rq->method)) {
			rs->status = 405;
			http_response_header(rs, "Allow", "%s", routes[i].methods);
			return;
		}
		routes[i].handler(ctx, rq, rs);
		return;
	}
	rs->status = 404;
}

/* ---- answers ---- */

static void no_store(struct http_response *rs)
{
	http_response_header(rs, "Cache-Control", "no-store");
	http_response_header(rs, "Pragma", "no-cache");
}

void answer_json(struct http_response *rs, int status, char *text)
{
	no_store(rs);
	if (!text) {
		http_response_header(rs, "Retry-After", "2");
		http_response_text(rs, 503, "application/json", "{\"error\":\"temporarily_unavailable\"}");
		return;
	}
	http_response_take(rs, status, "application/json", (uint8_t *)text, strlen(text));
	rs->secret = 1;
}

void answer_oauth_error(struct http_response *rs, int status, const char *error, const char *description)
{
	json_t *j = json_pack("{s:s, s:s*}", "error", error, "error_description", description);
	answer_json(rs, status, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

void answer_unavailable(struct idms *s, struct http_response *rs)
{
	idms_count(s, M_DB_UNAVAILABLE);
	http_response_header(rs, "Retry-After", "2");
	answer_oauth_error(rs, 503, "temporarily_unavailable", NULL);
}

void answer_too_many(struct http_response *rs, unsigned wait_s)
{
	http_response_header(rs, "Retry-After", "%u", wait_s);
	answer_oauth_error(rs, 429, "temporarily_unavailable", "too many requests");
}

int is_form(const struct http_request *rq)
{
	static const char form[] = "application/x-www-form-urlencoded";
	unsigned count = 0;
	const char *type = http_request_header(rq, "Content-Type", &count);
	size_t n = sizeof form - 1;
	return count == 1 && strncasecmp(type, form, n) == 0 && (type[n] == 0 || type[n] == ';' || type[n] == ' ');
}

int take_form(const struct http_request *rq, struct form *f, struct http_response *rs)
{
	if (!is_form(rq)) {
		*f = (struct form){0};
		answer_oauth_error(rs, 400, "invalid_request", "the body has to be application/x-www-form-urlencoded");
		return -1;
	}
	if (form_parse(f, (const char *)rq->body.p, rq->body.len)) {
		answer_oauth_error(rs, 400, "invalid_request", "the form is malformed or too large");
		return -1;
	}
	if (form_repeated(f)) {
		form_free(f);
		answer_oauth_error(rs, 400, "invalid_request", "a parameter is repeated");
		return -1;
	}
	return 0;
}

int refuse_client(struct idms *s, enum client_verdict v, int used_basic, struct http_response *rs)
{
	if (v == CLIENT_OK)
		return 0;
	if (v == CLIENT_UNAVAILABLE) {
		answer_unavailable(s, rs);
	} else if (v == CLIENT_SEVERAL_METHODS) {
		answer_oauth_error(rs, 400, "invalid_request", "more than one way of client authentication");
	} else {
		if (used_basic)
			http_response_header(rs, "WWW-Authenticate", "Basic realm=\"idms\"");
		answer_oauth_error(rs, used_basic ? 401 : 400, "invalid_client", NULL);
	}
	return -1;
}

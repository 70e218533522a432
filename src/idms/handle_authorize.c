/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_authorize.c - the authorization endpoint (TS 33.180 B.4.2.2, TS 24.482 6.2; identity.md 7).
 *
 * Order: parse; client and redirect URI, whose faults are shown here and never redirected; then the rest, whose faults
 * go to the client; then a session that is good enough, or the form.
 */
#include <stdio.h>
#include <stdlib.h>

#include "idms/page.h"
#include "idms/routes.h"
#include "sec/base/text.h"

/* What came with the request besides what has to be remembered. */
struct asked {
	int none, login; /* prompt */
	int64_t max_age; /* -1: not given */
	const char *error, *description;
};

/* ---- answers that redirect ---- */

static void append_param(char *out, size_t size, const char *name, const char *value)
{
	size_t at = strlen(out);
	if (!value[0])
		return;
	snprintf(out + at, size - at, "%s%s=", strchr(out, '?') ? "&" : "?", name);
	at = strlen(out);
	if (http_percent_encode(value, out + at, size - at))
		out[0] = 0;
}

enum { LOCATION_MAX = REDIRECT_MAX + 3 * (STATE_MAX + 2 * 256 + 64) };

static void redirect(struct idms *s, const struct login_request *r, char *location, struct http_response *rs)
{
	append_param(location, LOCATION_MAX, "state", r->state);
	append_param(location, LOCATION_MAX, "iss", s->cfg.issuer);
	rs->status = s->cfg.redirect_303 ? 303 : 302;
	http_response_header(rs, "Location", "%s", location);
	http_response_header(rs, "Cache-Control", "no-store");
	http_response_header(rs, "Pragma", "no-cache");
	http_response_header(rs, "Referrer-Policy", "no-referrer");
}

void answer_code(struct idms *s, const struct login_request *r, const char *code, struct http_response *rs)
{
	char location[LOCATION_MAX];
	snprintf(location, sizeof location, "%s", r->redirect_uri);
	append_param(location, sizeof location, "code", code);
	redirect(s, r, location, rs);
}

void answer_authorization_error(struct idms *s, const struct login_request *r, const char *error,
				const char *description, struct http_response *rs)
{
	char location[LOCATION_MAX];
	snprintf(location, sizeof location, "%s", r->redirect_uri);
	append_param(location, sizeof location, "error", error);
	append_param(location, sizeof location, "error_description", description ? description : "");
	redirect(s, r, location, rs);
}

void show_login(struct idms *s, const struct login_request *r, const struct client *c, const char *tx,
		const char *username, const char *problem, int status, struct http_response *rs)
{
	char action[300], source[REDIRECT_MAX];
	const char *host = strstr(s->cfg.issuer, "://");
	snprintf(action, sizeof action, "%s/login", s->cfg.issuer);
	redirect_form_source(r->redirect_uri, source, sizeof source);
	rs->status = status;
	page_login(&(struct page_login){.action = action,
					.tx = tx,
					.username = username,
					.client_name = c->name,
					.domain = s->cfg.name[0] ? s->cfg.name
						  : host         ? host + 3
								 : s->cfg.issuer,
					.problem = problem,
					.form_source = source},
		   rs);
}

/* ---- checks ---- */

/* Copies a parameter; one that does not fit is the client's fault. */
static int take(const struct form *f, const char *name, char *out, size_t size)
{
	const char *v = form_text(f, name);
	if (strlen(v) >= size)
		return -1;
	strcpy(out, v);
	return 0;
}

static int read_max_age(const char *text, int64_t *out)
{
	size_t n = strlen(text);
	*out = n ? strtoll(text, NULL, 10) : -1;
	return n > 9 || strspn(text, "0123456789") != n ? -1 : 0;
}

static int read_prompt(const char *text, struct asked *a)
{
	a->none = scope_holds(text, "none");
	a->login = scope_holds(text, "login") || scope_holds(text, "select_account");
	return a->none && strchr(text, ' ') ? -1 : 0;
}

static void fault(struct asked *a, const char *error, const char *description)
{
	if (!a->error) {
		a->error = error;
		a->description = description;
	}
}

static void require(struct asked *a, int holds, const char *description)
{
	if (!holds)
		fault(a, "invalid_request", description);
}

/* identity.md 7.1 row by row; the first fault counts. */
static void check(const struct idms *s, const struct client *c, const struct form *f, struct login_request *r,
		  struct asked *a)
{
	const char *resource = form_get(f, "resource"), *method = form_text(f, "code_challenge_method");
	require(a, !take(f, "state", r->state, sizeof r->state), "state is too long");
	require(a, !form_repeated(f), "a parameter is repeated");
	if (form_get(f, "request"))
		fault(a, "request_not_supported", NULL);
	if (form_get(f, "request_uri"))
		fault(a, "request_uri_not_supported", NULL);
	if (form_get(f, "registration"))
		fault(a, "registration_not_supported", NULL);
	require(a, form_get(f, "response_type") != NULL, "response_type required");
	if (strcmp(form_text(f, "response_type"), "code") != 0)
		fault(a, "unsupported_response_type", NULL);
	if (!c->code_grant)
		fault(a, "unauthorized_client", NULL);
	require(a, !c->require_state || r->state[0], "state required");
	require(a, !take(f, "nonce", r->nonce, sizeof r->nonce), "nonce is too long");
	require(a, !c->require_nonce || r->nonce[0], "nonce required");
	require(a, form_get(f, "scope") && !take(f, "scope", r->scope, sizeof r->scope), "scope required");
	if (!a->error && (!scope_well_formed(r->scope) || (!c->allow_no_openid && !scope_holds(r->scope, "openid"))))
		fault(a, "invalid_scope", "openid required");
	require(a, !take(f, "acr_values", r->acr_values, sizeof r->acr_values), "acr_values is too long");
	require(a, !c->require_acr_values || r->acr_values[0], "acr_values required");
	require(a, !c->require_pkce || form_get(f, "code_challenge"), "code_challenge required");
	if (form_get(f, "code_challenge")) {
		require(a, strcmp(method, "S256") == 0, "code_challenge_method has to be S256");
		require(
		    a, !take(f, "code_challenge", r->challenge, sizeof r->challenge) && pkce_challenge_ok(r->challenge),
		    "code_challenge is no SHA-256");
	}
	require(a, !read_prompt(form_text(f, "prompt"), a), "prompt=none stands alone");
	require(a, !read_max_age(form_text(f, "max_age"), &a->max_age), "max_age is a number of seconds");
	if (resource && strcmp(resource, s->cfg.audience) != 0)
		fault(a, "invalid_target", NULL);
	if (take(f, "login_hint", r->login_hint, sizeof r->login_hint))
		r->login_hint[0] = 0;
}

/* ---- a session that is good enough ---- */

enum store_err make_code(struct idms *s, const struct login_request *r, const struct client *c, const struct user *u,
			 const struct session *session, const char *source, enum code_result *how,
			 char code[RANDOM_TEXT])
{
	struct grant g = {.auth_time = session->auth_time};
	struct scope_limits limits = user_limits(u, c->scopes);
	*how = CODE_DENIED;
	if (!u->enabled)
		return STORE_OK;
	*how = CODE_NO_SCOPE;
	if (scope_grant(&s->scopes, r->scope, &limits, g.scope) == 0)
		return STORE_OK;
	if (idms_random(code) || idms_opaque_id("f-", g.family))
		return STORE_BROKEN;
	strcpy(g.client_id, r->client_id);
	strcpy(g.sub, u->sub);
	strcpy(g.sid, session->sid);
	strcpy(g.acr, session->acr);
	strcpy(g.redirect_uri, r->redirect_uri);
	strcpy(g.challenge, r->challenge);
	strcpy(g.nonce, r->nonce);
	enum store_err e = code_store(s, code, &g);
	if (!e)
		e = idms_audit(s, &(struct idms_event){'X', "code.issue", AUDIT_OK, .actor = u->mc_id, .client = c->id,
						       .sid = g.sid, .source = source, .scope = g.scope});
	*how = CODE_MADE;
	return e;
}

static int good_enough(const struct idms *s, const struct session *session, const struct client *c,
		       const struct asked *a)
{
	return !a->login && !c->shared_device && (a->max_age < 0 || idms_now(s) - session->auth_time <= a->max_age);
}

/* 1 if the request was answered by the session of the cookie (or by 503). */
static int try_session(struct idms *s, const struct http_request *rq, const struct login_request *r,
		       const struct client *c, const struct asked *a, struct http_response *rs)
{
	char cookie[RANDOM_TEXT], code[RANDOM_TEXT], source[64];
	struct session session;
	struct user u;
	enum code_result how = CODE_MADE;
	idms_cookie(rq, COOKIE_SESSION, cookie);
	if (!cookie[0])
		return 0;
	idms_source(rq, source);
	enum store_err e = idms_begin(s);
	if (!e) {
		e = session_find(s, cookie, &session);
		int usable = e == STORE_ROW && good_enough(s, &session, c, a);
		if (usable)
			e = user_by_sub(s, session.sub, &u);
		if ((e == STORE_ROW || e == STORE_OK) && !(usable && e == STORE_ROW)) {
			idms_commit(s);
			return 0;
		}
		if (e == STORE_ROW)
			e = make_code(s, r, c, &u, &session, source, &how, code);
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	if (e)
		answer_unavailable(s, rs);
	else if (how == CODE_DENIED)
		answer_authorization_error(s, r, "access_denied", NULL, rs);
	else if (how == CODE_NO_SCOPE)
		answer_authorization_error(s, r, "invalid_scope", "nothing of it is granted", rs);
	else
		answer_code(s, r, code, rs);
	if (!e && how == CODE_MADE)
		idms_count(s, M_CODES);
	return 1;
}

/* ---- the form ---- */

static void begin_login(struct idms *s, const struct http_request *rq, struct login_request *r, const struct client *c,
			struct http_response *rs)
{
	static const char title[] = "Sign-in is not possible now";
	struct throttle_rule pages = {'P', (double)s->cfg.login_pages_per_s, (double)s->cfg.login_pages_per_s * 2};
	char source[64], pre[RANDOM_TEXT], tx[RANDOM_TEXT];
	idms_source(rq, source);
	unsigned wait = throttle_take(s->throttle, &pages, source, s->now_ms());
	if (wait) {
		page_error(429, title, "There were too many requests from your address. Wait a moment.", rs);
		http_response_header(rs, "Retry-After", "%u", wait);
		return;
	}
	/* Several tabs of one browser share the pre-session cookie: each form stays good. */
	idms_cookie(rq, COOKIE_PRE, pre);
	int fresh = !pre[0];
	if ((fresh && idms_random(pre)) ||
	    (idms_hash(pre, r->pre_hash), logins_put(s->logins, r, source, idms_now(s), tx))) {
		page_error(503, title, "The server is out of resources.", rs);
		return;
	}
	show_login(s, r, c, tx, r->login_hint, NULL, 200, rs);
	if (fresh)
		http_response_header(rs, "Set-Cookie", COOKIE_PRE "=%s; Path=/; Secure; HttpOnly; SameSite=Lax", pre);
}

/* ---- the endpoint ---- */

static const char bad_request[] = "This request cannot be answered";

/* Client and redirect URI: their faults are told to the person, because nobody else can be trusted with them. */
static int know_client(struct idms *s, const struct form *f, struct client *c, struct login_request *r,
		       struct http_response *rs)
{
	const char *id = form_text(f, "client_id"), *uri = form_text(f, "redirect_uri");
	const char *twice = form_repeated(f);
	int ambiguous = twice && (strcmp(twice, "client_id") == 0 || strcmp(twice, "redirect_uri") == 0);
	enum store_err e = STORE_OK;
	if (id[0] && !ambiguous && strlen(id) < CLIENT_ID_MAX) {
		pthread_mutex_lock(&s->db_lock);
		e = client_load(s, id, c);
		pthread_mutex_unlock(&s->db_lock);
	}
	if (e != STORE_OK && e != STORE_ROW) {
		page_error(503, "Sign-in is not possible now", "The server cannot reach its database.", rs);
		http_response_header(rs, "Retry-After", "2");
		idms_count(s, M_DB_UNAVAILABLE);
		return -1;
	}
	if (e != STORE_ROW || !c->enabled || c->type != CLIENT_NATIVE) {
		page_error(400, bad_request, "The application that sent you here is not known to this server.", rs);
		return -1;
	}
	if (!uri[0] || !client_redirects_to(c, uri)) {
		page_error(400, bad_request,
			   "The application asked to be answered at an address that is not registered for it.", rs);
		return -1;
	}
	strcpy(r->client_id, id);
	strcpy(r->redirect_uri, uri);
	return 0;
}

static int parse(const struct http_request *rq, struct form *f)
{
	if (strcmp(rq->method, "GET") == 0)
		return form_parse(f, rq->query, strlen(rq->query));
	return is_form(rq) ? form_parse(f, (const char *)rq->body.p, rq->body.len) : -1;
}

void handle_authorize(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	struct login_request *r = calloc(1, sizeof *r);
	struct client *c = calloc(1, sizeof *c);
	struct asked a = {.max_age = -1};
	struct form f = {0};
	if (!r || !c) {
		answer_unavailable(s, rs);
	} else if (parse(rq, &f)) {
		page_error(400, bad_request, "The request is malformed or too large.", rs);
	} else if (!know_client(s, &f, c, r, rs)) {
		check(s, c, &f, r, &a);
		if (a.error)
			answer_authorization_error(s, r, a.error, a.description, rs);
		else if (try_session(s, rq, r, c, &a, rs))
			;
		else if (a.none)
			answer_authorization_error(s, r, "login_required", NULL, rs);
		else
			begin_login(s, rq, r, c, rs);
	}
	form_free(&f);
	free(c);
	free(r);
}

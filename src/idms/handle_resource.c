/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_resource.c - what can be asked about a token and done to it: userinfo (OIDC Core 5.3), introspection
 * (RFC 7662) and revocation (RFC 7009; TS 33.180 B.12); identity.md 11.
 */
#include <jansson.h>
#include <stdlib.h>

#include "idms/routes.h"
#include "idms/signing.h"
#include "net/bearer.h"

/* An access token of ours, its signature and times good. */
static enum token_verdict check_ours(struct idms *s, const char *token, const char *audience, struct token_claims *c)
{
	struct token_policy p = {.issuer = s->cfg.issuer, .audience = audience, .now = idms_now(s), .typ = "at+jwt"};
	return signing_check(s->signing, token, strlen(token), &p, c);
}

/* STORE_ROW: not revoked, and the account may still be used. STORE_OK: no longer good. */
static enum store_err still_good(struct idms *s, const struct token_claims *c, struct user *u)
{
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = token_is_revoked(s, c);
	if (e == STORE_OK) {
		e = user_by_sub(s, c->subject, u);
		if (e == STORE_ROW && !u->enabled)
			e = STORE_OK;
	} else if (e == STORE_ROW) {
		e = STORE_OK;
	}
	pthread_mutex_unlock(&s->db_lock);
	return e;
}

static void set_text(json_t *j, const char *name, const char *value)
{
	if (value[0])
		json_object_set_new(j, name, json_string(value));
}

static void set_ids(json_t *j, const struct token_claims *c)
{
	set_text(j, "mcptt_id", c->mcptt_id);
	set_text(j, "mcvideo_id", c->mcvideo_id);
	set_text(j, "mcdata_id", c->mcdata_id);
}

static void answer_object(struct http_response *rs, json_t *j)
{
	answer_json(rs, 200, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

/* ---- userinfo ---- */

/* The token of the header or, here only, of the form (OpenID conformance asks for it). 0, 1 none, -1 malformed. */
static int userinfo_token(const struct http_request *rq, struct form *f, char *out, size_t size)
{
	const char *token = NULL, *in_form = NULL;
	size_t len = 0;
	int rc = bearer_token(rq, &token, &len);
	if (strcmp(rq->method, "POST") == 0 && is_form(rq)) {
		if (form_parse(f, (const char *)rq->body.p, rq->body.len) || form_repeated(f))
			return -1;
		in_form = form_get(f, "access_token");
	}
	if (rc < 0 || (rc == 0 && in_form))
		return -1;
	if (rc > 0 && !in_form)
		return 1;
	snprintf(out, size, "%s", in_form ? in_form : token);
	return 0;
}

void handle_userinfo(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	const struct bearer b = {.realm = s->cfg.issuer, .no_token_status = 401};
	char token[TOKEN_MAX + 2];
	struct form f = {0};
	struct token_claims c;
	struct user u;
	int found = userinfo_token(rq, &f, token, sizeof token);
	form_free(&f);
	if (found) {
		bearer_refuse(&b, found > 0 ? BEARER_NO_TOKEN : BEARER_BAD_HEADER, NULL, NULL, rs);
		return;
	}
	enum token_verdict v = check_ours(s, token, s->cfg.audience, &c);
	enum store_err e = v ? STORE_OK : still_good(s, &c, &u);
	if (e == STORE_OK) {
		bearer_refuse(&b, BEARER_BAD_TOKEN, v ? token_verdict_name(v) : "revoked", NULL, rs);
	} else if (e != STORE_ROW) {
		answer_unavailable(s, rs);
	} else if (!token_has_scope(&c, "openid")) {
		bearer_refuse(&b, BEARER_SCOPE, NULL, "openid", rs);
	} else {
		json_t *j = json_object();
		set_text(j, "sub", c.subject);
		set_ids(j, &c);
		answer_object(rs, j);
	}
}

/* ---- questions of clients about a token ---- */

/* Who asks. */
struct asked {
	struct client client;
	enum client_verdict verdict;
	int used_basic;
};

/* 0 for who may ask; else -1 with the answer filled in. */
typedef int asked_refused(struct idms *s, const struct http_request *rq, const struct asked *a,
			  struct http_response *rs);
typedef void token_work(struct idms *s, const struct http_request *rq, const struct client *c, const char *token,
			struct http_response *rs);

static void about_token(struct idms *s, const struct http_request *rq, asked_refused *refused, token_work *work,
			struct http_response *rs)
{
	struct form f;
	struct asked *a = calloc(1, sizeof *a);
	if (!a) {
		answer_unavailable(s, rs);
		return;
	}
	if (!take_form(rq, &f, rs)) {
		a->verdict = client_authenticate(s, rq, &f, &a->client, &a->used_basic);
		if (!refused(s, rq, a, rs)) {
			if (form_get(&f, "token"))
				work(s, rq, &a->client, form_get(&f, "token"), rs);
			else
				answer_oauth_error(rs, 400, "invalid_request", "token required");
		}
		form_free(&f);
	}
	free(a);
}

/* ---- introspection ---- */

static json_t *active(const struct token_claims *c, const char *audience)
{
	json_t *j = json_pack("{s:b}", "active", 1);
	set_text(j, "scope", c->scope);
	set_text(j, "client_id", c->client_id);
	set_text(j, "token_type", "Bearer");
	json_object_set_new(j, "exp", json_integer(c->exp));
	json_object_set_new(j, "iat", json_integer(c->iat));
	json_object_set_new(j, "nbf", json_integer(c->nbf));
	set_text(j, "sub", c->subject);
	json_object_set_new(j, "aud", json_pack("[s]", audience));
	set_text(j, "iss", c->issuer);
	set_text(j, "jti", c->jti);
	set_ids(j, c);
	set_text(j, "acr", c->acr);
	json_object_set_new(j, "auth_time", json_integer(c->auth_time));
	set_text(j, "sid", c->sid);
	return j;
}

static void introspect(struct idms *s, const struct http_request *rq, const struct client *rs_client, const char *token,
		       struct http_response *rs)
{
	(void)rq;
	const char *audience = rs_client->audience[0] ? rs_client->audience : s->cfg.audience;
	struct token_claims c;
	struct user u;
	enum token_verdict v = check_ours(s, token, audience, &c);
	enum store_err e = v ? STORE_OK : still_good(s, &c, &u);
	if (e == STORE_OK)
		answer_json(rs, 200, strdup("{\"active\":false}"));
	else if (e != STORE_ROW)
		answer_unavailable(s, rs);
	else
		answer_object(rs, active(&c, audience));
}

static int introspection_refused(struct idms *s, const struct http_request *rq, const struct asked *a,
				 struct http_response *rs)
{
	char source[64];
	if (a->verdict == CLIENT_UNAVAILABLE || a->verdict == CLIENT_SEVERAL_METHODS)
		return refuse_client(s, a->verdict, a->used_basic, rs);
	if (a->verdict == CLIENT_OK && a->client.type == CLIENT_RESOURCE_SERVER)
		return 0;
	idms_source(rq, source);
	idms_audit_alone(s, &(struct idms_event){'X', "introspect.denied", AUDIT_REFUSED, .source = source});
	http_response_header(rs, "WWW-Authenticate", "Basic realm=\"idms\"");
	answer_oauth_error(rs, 401, "invalid_client", NULL);
	return -1;
}

void handle_introspect(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	about_token(s, rq, introspection_refused, introspect, rs);
}

/* ---- revocation ---- */

enum outcome { DONE, NOT_YOURS, NOTHING };

/* Refresh token: its family. Access token: itself. Anything else: nothing to do, and that is fine (RFC 7009 2.2). */
static enum store_err take_back(struct idms *s, const struct client *c, const char *token, enum outcome *how)
{
	enum refresh_state state;
	struct grant g;
	struct token_claims claims;
	int64_t ignored;
	enum store_err e = refresh_look(s, token, &state, &ignored, &g);
	*how = DONE;
	if (e)
		return e;
	if (state != REFRESH_UNKNOWN) {
		*how = strcmp(g.client_id, c->id) == 0 ? DONE : NOT_YOURS;
		return *how == DONE ? revoke_family(s, g.family) : STORE_OK;
	}
	if (check_ours(s, token, s->cfg.audience, &claims)) {
		*how = NOTHING;
		return STORE_OK;
	}
	*how = strcmp(claims.client_id, c->id) == 0 ? DONE : NOT_YOURS;
	return *how == DONE ? revoke_jti(s, claims.jti, claims.exp) : STORE_OK;
}

static const char *const revoke_reasons[] = {
    [DONE] = NULL, [NOT_YOURS] = "another client's", [NOTHING] = "no token of ours"};

static void revoke(struct idms *s, const struct http_request *rq, const struct client *c, const char *token,
		   struct http_response *rs)
{
	enum outcome how = DONE;
	char source[64];
	idms_source(rq, source);
	enum store_err e = idms_begin(s);
	if (!e) {
		e = take_back(s, c, token, &how);
		if (!e)
			e = idms_audit(s, &(struct idms_event){'X', "token.revoke",
							       how == DONE ? AUDIT_OK : AUDIT_REFUSED, .client = c->id,
							       .source = source, .reason = revoke_reasons[how]});
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	if (e) {
		answer_unavailable(s, rs);
	} else if (how == NOT_YOURS) {
		answer_oauth_error(rs, 400, "unauthorized_client", NULL);
	} else {
		rs->status = 200;
		http_response_header(rs, "Cache-Control", "no-store");
	}
}

static int revocation_refused(struct idms *s, const struct http_request *rq, const struct asked *a,
			      struct http_response *rs)
{
	(void)rq;
	return refuse_client(s, a->verdict, a->used_basic, rs);
}

void handle_revoke(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	about_token(s, rq, revocation_refused, revoke, rs);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_token.c - the token endpoint: code and refresh grants (TS 33.180 B.4.2.4, B.4.2.5, B.5; identity.md 8).
 *
 * One transaction decides: it takes the code or rotates the refresh token, records what is issued, and is committed
 * before anything is signed or answered. A code is used up by the first try, also by one that fails.
 */
#include <stdio.h>
#include <stdlib.h>

#include "idms/issue.h"
#include "idms/routes.h"
#include "mcsec/secret.h"

struct exchange {
	struct client client;
	struct user user;
	struct grant grant;
	struct issue issue;
	char refresh[RANDOM_TEXT];
	char source[64];
	const char *error, *description; /* OAuth error; the transaction is committed all the same */
};

static void refuse(struct exchange *x, const char *error, const char *description)
{
	x->error = error;
	x->description = description;
}

static enum store_err audit(struct idms *s, const struct exchange *x, const char *type, enum audit_outcome outcome,
			    const char *reason)
{
	return idms_audit(s, &(struct idms_event){'X', type, outcome, .actor = x->user.mc_id, .client = x->client.id,
						  .sid = x->grant.sid, .jti = outcome ? NULL : x->issue.jti,
						  .source = x->source, .scope = outcome ? NULL : x->issue.scope,
						  .reason = reason});
}

/* ---- what both grants end in ---- */

/* The account, as it is now, decides what of the scope is still granted (B.5.3). */
static enum store_err recheck(struct idms *s, struct exchange *x, const char *wanted)
{
	enum store_err e = user_by_sub(s, x->grant.sub, &x->user);
	struct scope_limits limits = user_limits(&x->user, x->client.scopes);
	if (e != STORE_ROW && e != STORE_OK)
		return e;
	if (e == STORE_OK || !x->user.enabled) {
		refuse(x, "invalid_grant", NULL);
		return revoke_family(s, x->grant.family);
	}
	if (scope_grant(&s->scopes, wanted, &limits, x->issue.scope) == 0)
		refuse(x, "invalid_scope", NULL);
	return STORE_OK;
}

static enum store_err record_issue(struct idms *s, struct exchange *x, const char *type)
{
	struct issue *i = &x->issue;
	i->client = &x->client;
	i->user = &x->user;
	i->grant = &x->grant;
	i->now = idms_now(s);
	if (idms_opaque_id("t-", i->jti))
		return STORE_BROKEN;
	enum store_err e =
	    issued_store(s, &x->grant, i->jti, i->scope, i->now, i->now + issue_access_ttl(s, &x->client));
	return e ? e : audit(s, x, type, AUDIT_OK, NULL);
}

/* ---- code ---- */

static enum store_err replayed(struct idms *s, struct exchange *x)
{
	idms_count(s, M_CODE_REPLAY);
	refuse(x, "invalid_grant", NULL);
	enum store_err e = revoke_family(s, x->grant.family);
	return e ? e : audit(s, x, "code.replay", AUDIT_REFUSED, "tokens of this code are revoked");
}

static int pkce_holds(const struct grant *g, const char *verifier)
{
	char challenge[PKCE_CHALLENGE] = "";
	/* A verifier for a code that had no challenge is a downgrade (RFC 9700 4.8.2). */
	if (!g->challenge[0])
		return verifier[0] == 0;
	if (!pkce_verifier_ok(verifier))
		return 0;
	pkce_challenge(verifier, challenge);
	return mcsec_equal(challenge, g->challenge, sizeof challenge);
}

static enum store_err code_grant(struct idms *s, const struct form *f, struct exchange *x)
{
	const struct client *c = &x->client;
	enum take how;
	enum store_err e = code_take(s, form_text(f, "code"), &how, &x->grant);
	if (e)
		return e;
	if (how == TAKE_AGAIN)
		return replayed(s, x);
	if (how != TAKE_OK || strcmp(x->grant.client_id, c->id) != 0 ||
	    strcmp(x->grant.redirect_uri, form_text(f, "redirect_uri")) != 0 ||
	    !pkce_holds(&x->grant, form_text(f, "code_verifier"))) {
		refuse(x, "invalid_grant", NULL);
		return audit(s, x, "token.refuse", AUDIT_REFUSED,
			     how == TAKE_OK ? "code does not fit" : "no such code");
	}
	if ((e = recheck(s, x, x->grant.scope)) || x->error)
		return e;
	x->issue.nonce = x->grant.nonce;
	if ((e = record_issue(s, x, "token.issue")))
		return e;
	if (!c->refresh_grant)
		return STORE_OK;
	if (idms_random(x->refresh))
		return STORE_BROKEN;
	x->grant.abs_exp = x->issue.now + (c->refresh_abs_ttl ? c->refresh_abs_ttl : s->cfg.refresh_abs_ttl);
	x->issue.refresh_token = x->refresh;
	return refresh_store(s, x->refresh, &x->grant,
			     c->refresh_idle_ttl ? c->refresh_idle_ttl : s->cfg.refresh_idle_ttl);
}

/* ---- refresh ---- */

/* Shown a second time: within ten seconds the answer was lost on the radio link; else somebody copied it. */
static enum store_err rotated_already(struct idms *s, struct exchange *x, const char *token, int64_t rotated_ms)
{
	enum refresh_state state = REFRESH_UNKNOWN;
	struct grant successor;
	int64_t ignored;
	if (s->now_ms() - rotated_ms < GRACE_MS && grace_take(s->grace, token, s->now_ms(), x->refresh) == 0) {
		enum store_err e = refresh_look(s, x->refresh, &state, &ignored, &successor);
		if (e)
			return e;
	}
	if (state == REFRESH_LIVE)
		return STORE_OK;
	idms_count(s, M_REFRESH_REUSE);
	refuse(x, "invalid_grant", NULL);
	enum store_err e = revoke_family(s, x->grant.family);
	return e ? e : audit(s, x, "refresh.reuse", AUDIT_REFUSED, "the whole family is revoked");
}

static enum store_err rotate(struct idms *s, struct exchange *x, const char *token)
{
	const struct client *c = &x->client;
	if (idms_random(x->refresh))
		return STORE_BROKEN;
	enum store_err e = refresh_rotate(s, token);
	if (!e)
		e = refresh_store(s, x->refresh, &x->grant,
				  c->refresh_idle_ttl ? c->refresh_idle_ttl : s->cfg.refresh_idle_ttl);
	if (!e)
		grace_put(s->grace, token, x->refresh, s->now_ms());
	return e;
}

static enum store_err refresh_grant(struct idms *s, const struct form *f, struct exchange *x)
{
	const char *token = form_text(f, "refresh_token"), *narrow = form_get(f, "scope");
	enum refresh_state state;
	int64_t rotated_ms = 0;
	enum store_err e = refresh_look(s, token, &state, &rotated_ms, &x->grant);
	if (e)
		return e;
	if ((state != REFRESH_LIVE && state != REFRESH_ROTATED) || strcmp(x->grant.client_id, x->client.id) != 0) {
		refuse(x, "invalid_grant", NULL);
		return audit(s, x, "token.refuse", AUDIT_REFUSED, "refresh token is not good");
	}
	if (narrow && (!scope_well_formed(narrow) || !scope_within(narrow, x->grant.scope))) {
		refuse(x, "invalid_scope", NULL);
		return STORE_OK;
	}
	if ((e = recheck(s, x, narrow ? narrow : x->grant.scope)) || x->error)
		return e;
	e = state == REFRESH_LIVE ? rotate(s, x, token) : rotated_already(s, x, token, rotated_ms);
	if (e || x->error)
		return e;
	x->issue.nonce = "";
	x->issue.refresh_token = x->refresh;
	return record_issue(s, x, "token.refresh");
}

/* ---- the endpoint ---- */

static const struct {
	const char *name;
	enum store_err (*run)(struct idms *s, const struct form *f, struct exchange *x);
	const char *needs[3]; /* parameters */
	size_t allowed;       /* the client's flag */
	enum idms_metric metric;
} grants[] = {
    {"authorization_code", code_grant, {"code", "redirect_uri"}, offsetof(struct client, code_grant), M_TOKENS_CODE},
    {"refresh_token", refresh_grant, {"refresh_token"}, offsetof(struct client, refresh_grant), M_TOKENS_REFRESH},
};

enum { N_GRANTS = sizeof grants / sizeof *grants };

static int find_grant(const char *name)
{
	for (int i = 0; i < N_GRANTS; i++)
		if (strcmp(grants[i].name, name) == 0)
			return i;
	return -1;
}

static const char *missing_parameter(const struct form *f, const struct client *c, int grant)
{
	for (size_t i = 0; i < 3 && grants[grant].needs[i]; i++)
		if (!form_get(f, grants[grant].needs[i]))
			return grants[grant].needs[i];
	return grants[grant].run == code_grant && c->require_pkce && !form_get(f, "code_verifier") ? "code_verifier"
												   : NULL;
}

/* 30 refusals a minute for one client at one address; then nothing is looked up any more. */
static const struct throttle_rule refusals = {'R', 0.5, 30};

static int limited(struct idms *s, const struct form *f, const char *source, struct http_response *rs)
{
	struct throttle_rule requests = {'T', (double)s->cfg.token_rate, 2 * (double)s->cfg.token_rate};
	char key[CLIENT_ID_MAX + 80];
	snprintf(key, sizeof key, "%.128s %s", form_text(f, "client_id"), source);
	unsigned wait = throttle_take(s->throttle, &requests, key, s->now_ms());
	unsigned refused = throttle_look(s->throttle, &refusals, source, s->now_ms());
	if (wait || refused)
		answer_too_many(rs, wait > refused ? wait : refused);
	return wait || refused;
}

static void answer_exchange(struct idms *s, struct exchange *x, enum store_err e, int grant, struct http_response *rs)
{
	if (e) {
		answer_unavailable(s, rs);
	} else if (x->error) {
		idms_count(s, M_TOKEN_REFUSED);
		if (strcmp(x->error, "invalid_grant") == 0)
			throttle_take(s->throttle, &refusals, x->source, s->now_ms());
		answer_oauth_error(rs, 400, x->error, x->description);
	} else {
		idms_count(s, grants[grant].metric);
		answer_json(rs, 200, issue_response(s, &x->issue));
	}
}

static void run_grant(struct idms *s, const struct form *f, struct exchange *x, int grant, struct http_response *rs)
{
	const char *missing = missing_parameter(f, &x->client, grant);
	char text[64];
	if (missing) {
		snprintf(text, sizeof text, "%s required", missing);
		answer_oauth_error(rs, 400, "invalid_request", text);
		return;
	}
	enum store_err e = idms_begin(s);
	if (!e) {
		e = grants[grant].run(s, f, x);
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	answer_exchange(s, x, e, grant, rs);
}

void handle_token(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	struct form f;
	struct exchange *x = calloc(1, sizeof *x);
	int used_basic = 0;
	if (!x) {
		answer_unavailable(s, rs);
		return;
	}
	if (take_form(rq, &f, rs)) {
		free(x);
		return;
	}
	idms_source(rq, x->source);
	int grant = find_grant(form_text(&f, "grant_type"));
	if (!limited(s, &f, x->source, rs)) {
		enum client_verdict v = client_authenticate(s, rq, &f, &x->client, &used_basic);
		if (v == CLIENT_UNKNOWN)
			throttle_take(s->throttle, &refusals, x->source, s->now_ms());
		if (refuse_client(s, v, used_basic, rs))
			;
		else if (!form_get(&f, "grant_type"))
			answer_oauth_error(rs, 400, "invalid_request", "grant_type required");
		else if (grant < 0)
			answer_oauth_error(rs, 400, "unsupported_grant_type", NULL);
		else if (!*(const int *)(const void *)((const char *)&x->client + grants[grant].allowed))
			answer_oauth_error(rs, 400, "unauthorized_client", NULL);
		else
			run_grant(s, &f, x, grant, rs);
	}
	form_free(&f);
	mcsec_wipe(x, sizeof *x);
	free(x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_login.c - the credential form comes back (identity.md 7.5, 13, 14).
 *
 * The worker thread looks up who it may be and hands the password to the Argon2 pool; the pool's thread finishes the
 * answer. A user that does not exist costs the same hash and gets the same page. What an attempt does to limits, audit
 * and database is done before its answer leaves. Failed attempts never touch sessions or tokens of the account.
 */
#include <stdio.h>
#include <stdlib.h>

#include "idms/page.h"
#include "idms/routes.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { HARD_STOP = 100 };

static const char wrong[] = "MC ID or password is wrong.";

/* One attempt on its way through the pool. */
struct attempt {
	struct idms *s;
	struct http_deferred *deferred;
	struct login_request request;
	struct client client;
	struct user user; /* all zero: unknown */
	char tx[RANDOM_TEXT], username[MC_ID_MAX], source[64], device[RANDOM_TEXT];
	char ladder[MC_ID_MAX + 80]; /* whose delay a failure makes longer */
	int known_device, stopped;
};

static void answer_form(struct attempt *a, const char *problem, int status, struct http_response *rs)
{
	show_login(a->s, &a->request, &a->client, a->tx, a->username, problem, status, rs);
}

/* The database does not answer: the same form once more, and 503. */
static void answer_busy(struct attempt *a, struct http_response *rs)
{
	idms_count(a->s, M_DB_UNAVAILABLE);
	answer_form(a, "The server cannot take sign-ins at this moment. Try again.", 503, rs);
	http_response_header(rs, "Retry-After", "2");
}

/* ---- after the hash ---- */

static struct throttle_rule source_rule(const struct idms *s)
{
	return (struct throttle_rule){'S', (double)s->cfg.source_failures / 300.0, (double)s->cfg.source_failures};
}

static void fail(struct attempt *a, struct http_response *rs)
{
	struct idms *s = a->s;
	struct throttle_rule rule = source_rule(s);
	throttle_ladder_fail(s->throttle, a->ladder, s->now_ms());
	if (!a->known_device)
		throttle_take(s->throttle, &rule, a->source, s->now_ms());
	enum store_err e = idms_begin(s);
	if (!e) {
		/* What was typed as a name may be a password: only a name that exists is written down. */
		if (a->user.sub[0] && !a->known_device)
			e = user_count_failure(s, a->user.sub);
		if (!e)
			e = idms_audit(s, &(struct idms_event){'X', "auth.fail", AUDIT_REFUSED, .actor = a->user.mc_id,
							       .client = a->client.id, .source = a->source,
							       .reason = a->stopped ? "locked" : "credentials"});
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	idms_count(s, M_LOGIN_WRONG);
	if (e)
		answer_busy(a, rs);
	else
		answer_form(a, wrong, 200, rs);
}

struct signed_in {
	struct session session;
	char cookie[RANDOM_TEXT], code[RANDOM_TEXT];
	enum code_result how;
};

/* The account as it is now: it may have been disabled, or have got another password, while the hash was made. */
static enum store_err reread(struct attempt *a)
{
	struct user now;
	enum store_err e = user_by_sub(a->s, a->user.sub, &now);
	if (e == STORE_ROW && strcmp(now.password, a->user.password) == 0) {
		a->user = now;
		return STORE_OK;
	}
	a->user.enabled = 0;
	return e == STORE_ROW ? STORE_OK : e;
}

static enum store_err sign_in(struct attempt *a, const struct password_job *job, struct signed_in *in)
{
	struct idms *s = a->s;
	enum store_err e = reread(a);
	if (!e && job->outdated && a->user.enabled)
		e = user_set_password(s, a->user.sub, job->phc);
	if (!e && a->user.enabled)
		e = user_clear_failures(s, a->user.sub);
	if (!e && a->user.enabled)
		e = session_create(s, a->user.sub, ACR_PASSWORD, a->source, in->cookie, &in->session);
	if (!e && a->user.enabled)
		e = device_remember(s, a->device, a->user.sub);
	if (!e)
		e = idms_audit(s,
			       &(struct idms_event){'X', a->user.enabled ? "auth.ok" : "auth.fail",
						    a->user.enabled ? AUDIT_OK : AUDIT_REFUSED, .actor = a->user.mc_id,
						    .client = a->client.id, .sid = in->session.sid, .source = a->source,
						    .reason = a->user.enabled ? NULL : "disabled"});
	if (!e)
		e = make_code(s, &a->request, &a->client, &a->user, &in->session, a->source, &in->how, in->code);
	return e;
}

static void set_cookies(const struct attempt *a, const struct signed_in *in, struct http_response *rs)
{
	http_response_header(rs, "Set-Cookie", COOKIE_SESSION "=%s; Path=/; Secure; HttpOnly; SameSite=Lax",
			     in->cookie);
	http_response_header(rs, "Set-Cookie",
			     COOKIE_DEVICE "=%s; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=15552000", a->device);
}

static void succeed(struct attempt *a, const struct password_job *job, struct http_response *rs)
{
	struct idms *s = a->s;
	struct signed_in in = {0};
	if (!a->device[0] && idms_random(a->device)) {
		answer_busy(a, rs);
		return;
	}
	if (logins_drop(s->logins, a->tx)) {
		page_error(400, "This sign-in is over", "The form was sent twice, or it is too old.", rs);
		return;
	}
	enum store_err e = idms_begin(s);
	if (!e) {
		e = sign_in(a, job, &in);
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	if (e) {
		/* Nothing happened: the request gets a new handle, and the person another try. */
		if (logins_put(s->logins, &a->request, a->source, idms_now(s), a->tx))
			a->tx[0] = 0;
		answer_busy(a, rs);
		return;
	}
	throttle_ladder_clear(s->throttle, a->ladder);
	if (in.how == CODE_DENIED) {
		answer_authorization_error(s, &a->request, "access_denied", NULL, rs);
	} else if (in.how == CODE_NO_SCOPE) {
		answer_authorization_error(s, &a->request, "invalid_scope", "nothing of it is granted", rs);
		set_cookies(a, &in, rs);
	} else {
		idms_count(s, M_LOGIN_OK);
		idms_count(s, M_CODES);
		answer_code(s, &a->request, in.code, rs);
		set_cookies(a, &in, rs);
	}
	mcsec_wipe(&in, sizeof in);
}

static void hashed(struct password_job *job)
{
	struct attempt *a = job->ctx;
	struct http_response rs = {0};
	if (job->result == PASSWORD_FAILED)
		answer_busy(a, &rs);
	else if (job->result == PASSWORD_RIGHT && !a->stopped)
		succeed(a, job, &rs);
	else
		fail(a, &rs);
	http_finish(a->deferred, &rs);
	password_job_free(job);
	free(a);
}

/* ---- before the hash ---- */

/* Locked for everybody but a device that has signed this user in before. */
static int is_stopped(const struct attempt *a)
{
	const struct idms *s = a->s;
	const struct user *u = &a->user;
	if (a->known_device || !u->sub[0])
		return 0;
	if (u->fail_count >= HARD_STOP)
		return 1;
	return s->cfg.lockout_failures && u->fail_count >= s->cfg.lockout_failures &&
	       idms_now(s) < u->fail_since + 60 * s->cfg.lockout_minutes;
}

static enum store_err look_up(struct attempt *a)
{
	struct idms *s = a->s;
	char folded[MC_ID_MAX];
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = client_load(s, a->request.client_id, &a->client);
	if (e == STORE_OK)
		e = STORE_BROKEN; /* removed while the form was out */
	if (e == STORE_ROW)
		e = user_by_name(s, a->username, &a->user);
	if (e == STORE_ROW) {
		enum store_err d = device_known(s, a->device, a->user.sub);
		a->known_device = d == STORE_ROW;
		e = d == STORE_ROW || d == STORE_OK ? STORE_ROW : d;
	}
	pthread_mutex_unlock(&s->db_lock);
	if (e == STORE_OK)
		a->user = (struct user){0};
	user_fold(a->username, folded);
	snprintf(a->ladder, sizeof a->ladder, "%s %s", folded, a->known_device ? a->device : a->source);
	a->stopped = is_stopped(a);
	return e == STORE_ROW || e == STORE_OK ? STORE_OK : e;
}

static unsigned must_wait(struct attempt *a)
{
	struct throttle_rule rule = source_rule(a->s);
	unsigned ladder = throttle_ladder_wait(a->s->throttle, a->ladder, a->s->now_ms());
	unsigned source = a->known_device ? 0 : throttle_look(a->s->throttle, &rule, a->source, a->s->now_ms());
	return ladder > source ? ladder : source;
}

/* A browser has to bring the cookie of the page its form came from; a headless client has none to abuse. */
static int same_browser(const struct attempt *a, const struct http_request *rq)
{
	char pre[RANDOM_TEXT];
	uint8_t hash[HASH_LEN];
	idms_cookie(rq, COOKIE_PRE, pre);
	idms_hash(pre, hash);
	return a->client.headless_login || (pre[0] && mcsec_equal(hash, a->request.pre_hash, sizeof hash));
}

/* 1 if the attempt went on its way to the pool (and belongs to it), 0 if rs holds the answer. */
static int attempt(struct attempt *a, const struct http_request *rq, const char *password, struct http_response *rs)
{
	struct idms *s = a->s;
	if (look_up(a)) {
		answer_unavailable(s, rs);
		return 0;
	}
	if (!same_browser(a, rq)) {
		page_error(400, "This sign-in is over", "The form was not opened by this browser, or cookies are off.",
			   rs);
		return 0;
	}
	unsigned wait = must_wait(a);
	if (wait) {
		idms_count(s, M_LOGIN_THROTTLED);
		answer_form(a, "There were too many failed attempts. Wait a moment, then try again.", 429, rs);
		http_response_header(rs, "Retry-After", "%u", wait);
		return 0;
	}
	struct password_job *job = password_job_new();
	if (!job) {
		answer_busy(a, rs);
		return 0;
	}
	if (password_prepare(password, 0, job->password))
		strcpy(job->password, "-"); /* cannot be anybody's: costs a hash like any other */
	snprintf(job->phc, sizeof job->phc, "%s", a->user.password);
	job->done = hashed;
	job->ctx = a;
	a->deferred = http_defer(rq);
	if (password_pool_put(s->passwords, job)) {
		struct http_response late = {0};
		idms_count(s, M_LOGIN_BUSY);
		answer_form(a, "Many people are signing in at this moment. Try again.", 503, &late);
		http_response_header(&late, "Retry-After", "2");
		password_job_free(job);
		http_finish(a->deferred, &late);
		free(a);
	}
	return 1;
}

void handle_login(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	struct form f;
	struct attempt *a = calloc(1, sizeof *a);
	int given_away = 0;
	if (!a) {
		answer_unavailable(s, rs);
		return;
	}
	if (take_form(rq, &f, rs)) {
		free(a);
		return;
	}
	const char *username = form_text(&f, "username"), *password = form_text(&f, "password");
	a->s = s;
	idms_source(rq, a->source);
	idms_cookie(rq, COOKIE_DEVICE, a->device);
	snprintf(a->username, sizeof a->username, "%s", strlen(username) < sizeof a->username ? username : "");
	snprintf(a->tx, sizeof a->tx, "%s", form_text(&f, "tx"));
	if (logins_get(s->logins, a->tx, idms_now(s), &a->request))
		page_error(400, "This sign-in is over", "The form is too old, or it did not come from this server.",
			   rs);
	else
		given_away = attempt(a, rq, password, rs);
	form_free(&f);
	if (!given_away)
		free(a);
}

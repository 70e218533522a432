/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_users.c - accounts in the admin interface (admin.md; identity.md 14).
 *
 *	PUT users/{mc-id}  {"display":"Alice","enabled":true,"services":{"ptt":"sip:alice@a"},"scopes":["..."]}
 *
 * What takes rights away (disabled, an ID or a scope less, another password) cuts sessions, refresh families and tokens
 * in the same transaction. Repeating a PUT changes nothing.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/admin.h"
#include "idms/admin_calls.h"
#include "mcsec/secret.h"

/* ---- reading ---- */

static const char *read_services(struct user *u, json_t *services)
{
	const char *key;
	json_t *v;
	if (services && !json_is_object(services))
		return "services is an object";
	json_object_foreach(services, key, v)
	{
		int i = 0;
		while (i < SERVICES && strcmp(key, service_name((enum service)i)) != 0)
			i++;
		if (i == SERVICES)
			return "services: ptt, video or data";
		const char *refusal =
		    json_is_string(v) ? user_service_id_refusal(json_string_value(v)) : "an MC service ID is text";
		if (refusal)
			return refusal;
		strcpy(u->service_id[i], json_string_value(v));
	}
	return NULL;
}

static const char *read_scopes(struct user *u, const json_t *list)
{
	const json_t *v;
	size_t i;
	if (list && !json_is_array(list))
		return "scopes is a list";
	json_array_foreach(list, i, v)
	{
		const char *name = json_is_string(v) ? json_string_value(v) : "";
		if (!scope_well_formed(name) || strchr(name, ' ') ||
		    strlen(u->scopes) + strlen(name) + 2 > sizeof u->scopes)
			return "scopes: not a scope";
		if (u->scopes[0])
			strcat(u->scopes, " ");
		strcat(u->scopes, name);
	}
	return NULL;
}

static const char *read_user(struct user *u, json_t *j)
{
	static const char *const members[] = {"display", "enabled", "services", "scopes", "mc_id", "sub"};
	const json_t *display = json_object_get(j, "display"), *enabled = json_object_get(j, "enabled");
	const char *key;
	json_t *v;
	if (!json_is_object(j))
		return "the body is no JSON object";
	json_object_foreach(j, key, v)
	{
		size_t i = 0;
		while (i < sizeof members / sizeof *members && strcmp(members[i], key) != 0)
			i++;
		if (i == sizeof members / sizeof *members)
			return "unknown member";
	}
	if (display && (!json_is_string(display) || json_string_length(display) >= sizeof u->display))
		return "display is text of at most 127 octets";
	if (enabled && !json_is_boolean(enabled))
		return "enabled is true or false";
	snprintf(u->display, sizeof u->display, "%.127s", display ? json_string_value(display) : u->mc_id);
	u->enabled = enabled ? json_is_true(enabled) : 1;
	const char *bad = read_services(u, json_object_get(j, "services"));
	return bad ? bad : read_scopes(u, json_object_get(j, "scopes"));
}

static json_t *user_json(const struct user *u)
{
	json_t *services = json_object();
	for (int i = 0; i < SERVICES; i++)
		if (u->service_id[i][0])
			json_object_set_new(services, service_name((enum service)i), json_string(u->service_id[i]));
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I}", "mc_id", u->mc_id, "sub", u->sub, "display",
			 u->display, "enabled", u->enabled, "has_password", u->password[0] != 0, "services", services,
			 "scopes", scope_words(u->scopes), "failed_logins", (json_int_t)u->fail_count);
}

static void answer_object(struct http_response *rs, int status, json_t *j)
{
	answer_json(rs, status, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

/* Finds the account outside of a transaction; 0, or -1 with 404 or 503 filled in. */
static int find(struct idms *s, const char *name, struct user *u, struct http_response *rs)
{
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = user_by_name(s, name, u);
	pthread_mutex_unlock(&s->db_lock);
	return admin_found(s, e, "there is no such user", rs);
}

void admin_user_get(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	struct user u;
	(void)rq;
	if (!find(s, name, &u, rs))
		answer_object(rs, 200, user_json(&u));
}

static json_t *user_line(struct store_stmt *st)
{
	return json_pack("{s:s, s:s, s:b}", "mc_id", store_text(st, 0), "display", store_text(st, 1), "enabled",
			 store_int(st, 2) != 0);
}

void admin_users_list(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	(void)rq, (void)name;
	admin_list(s, "SELECT mc_id, display, enabled FROM user ORDER BY folded", user_line, rs);
}

/* ---- changing ---- */

static int lost_rights(const struct user *was, const struct user *is)
{
	int lost = was->enabled && !is->enabled;
	for (int i = 0; i < SERVICES; i++)
		lost |= was->service_id[i][0] && strcmp(was->service_id[i], is->service_id[i]) != 0;
	return lost || (is->scopes[0] && (!was->scopes[0] || !scope_within(was->scopes, is->scopes)));
}

static enum store_err put_user(struct idms *s, const struct http_request *rq, struct user *u, int *created)
{
	struct user was;
	struct cut cut;
	enum store_err e = user_by_name(s, u->mc_id, &was);
	if (e != STORE_ROW && e != STORE_OK)
		return e;
	int cuts = e == STORE_ROW && lost_rights(&was, u);
	e = user_store(s, u, created);
	if (!e && cuts)
		e = cut_user(s, u->sub, &cut);
	return e ? e : admin_audit(s, rq, "user.change", u->mc_id, *created ? "made" : cuts ? "rights taken" : NULL);
}

static enum store_err end_transaction(struct idms *s, enum store_err e)
{
	if (!e)
		return idms_commit(s);
	idms_rollback(s);
	return e;
}

void admin_user_put(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	struct user u = {0};
	int created = 0;
	json_t *j = json_loadb((const char *)rq->body.p, rq->body.len, JSON_REJECT_DUPLICATES, NULL);
	snprintf(u.mc_id, sizeof u.mc_id, "%s", name);
	const char *bad = j ? read_user(&u, j) : "the body is no JSON";
	json_decref(j);
	if (bad) {
		admin_error(rs, 400, "bad-value", bad);
		return;
	}
	enum store_err e = idms_begin(s);
	if (!e)
		e = end_transaction(s, put_user(s, rq, &u, &created));
	if (e) {
		admin_store_error(s, e, rs);
		return;
	}
	pthread_mutex_lock(&s->db_lock);
	user_by_name(s, name, &u);
	pthread_mutex_unlock(&s->db_lock);
	answer_object(rs, created ? 201 : 200, user_json(&u));
}

/* What the call does to an account that is there; *cut says what it ended. */
typedef enum store_err account_change(struct idms *s, const struct http_request *rq, const struct user *u,
				      struct cut *cut);

static void change_account(struct idms *s, const struct http_request *rq, const char *name, account_change *change,
			   struct http_response *rs)
{
	struct user u;
	struct cut cut = {0};
	if (find(s, name, &u, rs))
		return;
	enum store_err e = idms_begin(s);
	if (!e)
		e = end_transaction(s, change(s, rq, &u, &cut));
	if (e)
		admin_store_error(s, e, rs);
	else
		answer_object(rs, 200,
			      json_pack("{s:I, s:I, s:I}", "sessions", (json_int_t)cut.sessions, "families",
					(json_int_t)cut.families, "tokens", (json_int_t)cut.tokens));
}

static enum store_err cut_account(struct idms *s, const struct http_request *rq, const struct user *u, struct cut *cut)
{
	enum store_err e = cut_user(s, u->sub, cut);
	return e ? e : admin_audit(s, rq, "token.revoke", u->mc_id, "cut");
}

static enum store_err delete_account(struct idms *s, const struct http_request *rq, const struct user *u,
				     struct cut *cut)
{
	enum store_err e = cut_user(s, u->sub, cut);
	if (!e)
		e = user_remove(s, u->sub);
	return e ? e : admin_audit(s, rq, "user.delete", u->mc_id, NULL);
}

static enum store_err unlock_account(struct idms *s, const struct http_request *rq, const struct user *u,
				     struct cut *cut)
{
	(void)cut;
	enum store_err e = user_clear_failures(s, u->sub);
	return e ? e : admin_audit(s, rq, "auth.unlock", u->mc_id, NULL);
}

void admin_user_cut(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	change_account(s, rq, name, cut_account, rs);
}

void admin_user_delete(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	change_account(s, rq, name, delete_account, rs);
}

void admin_user_unlock(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	change_account(s, rq, name, unlock_account, rs);
}

/* ---- passwords ---- */

struct new_password {
	struct idms *s;
	struct http_deferred *deferred;
	const struct http_request *rq; /* lives until http_finish */
	struct user user;
};

static enum store_err store_password(struct new_password *n, const struct password_job *job)
{
	struct cut cut;
	enum store_err e = idms_begin(n->s);
	if (e)
		return e;
	e = user_set_password(n->s, n->user.sub, job->phc);
	if (!e && n->user.password[0])
		e = cut_user(n->s, n->user.sub, &cut);
	if (!e)
		e = admin_audit(n->s, n->rq, "user.password", n->user.mc_id, NULL);
	return end_transaction(n->s, e);
}

static void password_hashed(struct password_job *job)
{
	struct new_password *n = job->ctx;
	struct http_response rs = {0};
	enum store_err e = job->result == PASSWORD_RIGHT ? store_password(n, job) : STORE_FULL;
	if (e)
		admin_store_error(n->s, e, &rs);
	else
		rs.status = 204;
	http_finish(n->deferred, &rs);
	password_job_free(job);
	free(n);
}

/* One password a line; NULL file: none. The file is small and read when needed: an operator may change it. */
static int is_blocked(const struct idms *s, const char *password)
{
	char line[PASSWORD_MAX];
	int blocked = 0;
	FILE *f = s->cfg.password_blocklist[0] ? fopen(s->cfg.password_blocklist, "re") : NULL;
	while (f && !blocked && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\r\n")] = 0;
		blocked = line[0] && strcasecmp(line, password) == 0;
	}
	if (f)
		fclose(f);
	return blocked;
}

/* "" if good; else what is wrong. The prepared password goes to job. */
static const char *take_password(const struct idms *s, const struct http_request *rq, struct password_job *job)
{
	json_t *j = json_loadb((const char *)rq->body.p, rq->body.len, JSON_REJECT_DUPLICATES, NULL);
	const char *typed = json_string_value(json_object_get(j, "password"));
	const char *bad = !typed || json_object_size(j) != 1 ? "the body is {\"password\":\"...\"}"
			  : password_prepare(typed, 1, job->password)
			      ? "a password has 8 to 128 characters and no control characters"
			  : is_blocked(s, job->password) ? "this password is on the list of forbidden ones"
							 : NULL;
	if (typed)
		mcsec_wipe((char *)typed, strlen(typed));
	json_decref(j);
	return bad;
}

void admin_user_password(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	struct new_password *n = calloc(1, sizeof *n);
	struct password_job *job = password_job_new();
	const char *bad = n && job ? take_password(s, rq, job) : NULL;
	if (!n || !job) {
		admin_store_error(s, STORE_FULL, rs);
	} else if (bad) {
		admin_error(rs, 400, "bad-password", bad);
	} else if (!find(s, name, &n->user, rs)) {
		n->s = s;
		n->rq = rq;
		job->hash_only = 1;
		job->done = password_hashed;
		job->ctx = n;
		n->deferred = http_defer(rq);
		if (password_pool_put(s->passwords, job) == 0)
			return;
		struct http_response late = {0};
		admin_error(&late, 503, "busy", "too many passwords are being checked; try again");
		http_response_header(&late, "Retry-After", "2");
		http_finish(n->deferred, &late);
	}
	password_job_free(job);
	free(n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c - the admin listener (admin.md): users, bindings, calls, what an identity touches.
 *
 * Roles come from the certificate. Reads are answered on the loop, where the tables live; writes go to the database
 * first, with the officer's name in the record, and only then into the tables. Writes are idempotent (PUT).
 */
#include "server/server.h"

#include <stdlib.h>

#include <jansson.h>

#include "app/admin.h"
#include "app/log.h"

#define ROOT "/admin/v1/"

static const char *not_ready(void *ctx)
{
	struct server *s = ctx;
	struct server_book *b = server_keys_book(s->keys);
	server_book_release(b);
	if (!b)
		return "keys";
	return atomic_load(&s->store_ok) ? NULL : "database";
}

static void reply_json(struct http_response *rs, int status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text)
		http_response_text(rs, status, "application/json", text);
	else
		admin_error(rs, 503, "memory", "no memory");
	free(text);
	json_decref(j);
}

static void reply_store(struct http_response *rs, enum store_err e)
{
	if (e == STORE_OK)
		reply_json(rs, 200, json_object());
	else
		admin_error(rs, 503, "database", store_err_name(e));
}

/* ---- users ---- */

struct user_visit {
	struct server *s;
	struct db_user row;
	int found, remove;
};

static void visit_user(void *arg)
{
	struct user_visit *v = arg;
	const struct db_user *u = users_find(v->s->bindings, v->row.mcptt_id);
	v->found = u != NULL;
	if (u)
		v->row = *u;
}

static void visit_put(void *arg)
{
	struct user_visit *v = arg;
	if (v->remove)
		users_remove(v->s->bindings, v->row.mcptt_id);
	else
		(void)users_put(v->s->bindings, &v->row);
}

static json_t *user_json(const struct db_user *u)
{
	return json_pack("{s:s,s:s,s:b,s:b,s:b,s:s}", "mcptt_id", u->mcptt_id, "answer-mode", u->answer_mode,
			 "private-call", u->private_call, "private-video", u->private_video, "auto-answer",
			 u->auto_answer, "kms-uri", u->kms_uri);
}

/* All members are optional; absent ones have the default of a user who may use private calls, of MCVideo as of MCPTT.
 */
static const char *read_user(struct octets body, struct db_user *u)
{
	json_error_t e;
	const char *mode = "automatic", *kms = "";
	int call = 1, video = -1, automatic = 1;
	json_t *j = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &e);
	int ok = j && json_unpack_ex(j, &e, JSON_STRICT, "{s?s,s?b,s?b,s?b,s?s,s?s}", "answer-mode", &mode,
				     "private-call", &call, "private-video", &video, "auto-answer", &automatic,
				     "kms-uri", &kms, "mcptt_id", &(const char *){NULL}) == 0;
	const char *wrong = NULL;
	if (!ok)
		wrong = "an object of answer-mode, private-call, private-video, auto-answer, kms-uri";
	else if (strcmp(mode, "automatic") != 0 && strcmp(mode, "manual") != 0)
		wrong = "answer-mode is automatic or manual";
	else if (strlen(kms) >= sizeof u->kms_uri)
		wrong = "kms-uri is too long";
	else {
		db_copy(u->answer_mode, sizeof u->answer_mode, mode);
		db_copy(u->kms_uri, sizeof u->kms_uri, kms);
		u->private_call = call;
		u->private_video = video < 0 ? call : video;
		u->auto_answer = automatic;
	}
	json_decref(j);
	return wrong;
}

static void handle_user(struct server *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	struct user_visit v = {.s = s, .remove = strcmp(rq->method, "DELETE") == 0};
	if (!admin_allow(rq,
			 strcmp(rq->method, "GET") == 0 ? ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR
							: ADMIN_OFFICER | ADMIN_USER_ADMIN,
			 rs))
		return;
	if (http_percent_decode(id, strlen(id), 0, v.row.mcptt_id, sizeof v.row.mcptt_id) != MCSEC_OK ||
	    !*v.row.mcptt_id) {
		admin_error(rs, 400, "id", "the MCPTT ID is one percent-encoded segment");
		return;
	}
	if (strcmp(rq->method, "GET") == 0) {
		server_on_loop(s, visit_user, &v);
		if (v.found)
			reply_json(rs, 200, user_json(&v.row));
		else
			admin_error(rs, 404, "unknown", "no such user");
		return;
	}
	const char *wrong = v.remove ? NULL : read_user(rq->body, &v.row);
	if (wrong) {
		admin_error(rs, 400, "body", wrong);
		return;
	}
	pthread_mutex_lock(&s->admin_lock);
	enum store_err e = v.remove ? db_delete_user(s->admin_db, v.row.mcptt_id, rq->cert->subject)
				    : db_put_user(s->admin_db, &v.row, rq->cert->subject);
	pthread_mutex_unlock(&s->admin_lock);
	if (e == STORE_OK)
		server_on_loop(s, visit_put, &v);
	reply_store(rs, e);
}

/* ---- bindings, calls, touches ---- */

struct list_visit {
	struct server *s;
	json_t *list;
	const char *id; /* only what involves this identity; NULL: all */
	int64_t revoke;
	int result;
};

static int add_binding(void *ctx, struct binding *b)
{
	struct list_visit *v = ctx;
	const struct db_binding *r = &b->row;
	if (v->id && strcmp(v->id, r->mcptt_id) != 0 && strcmp(v->id, r->impu) != 0)
		return 0;
	char csk_id[9];
	snprintf(csk_id, sizeof csk_id, "%08x", r->csk_id);
	char pending[9] = "", musik[9] = "", suite[8], next[8] = "", offered[SUITE_TEXT];
	snprintf(suite, sizeof suite, "%04x", r->suite);
	suite_list_write(&r->offered, offered);
	if (b->pending) {
		snprintf(pending, sizeof pending, "%08x", b->pending->csk_id);
		snprintf(next, sizeof next, "%04x", b->pending->suite);
	}
	if (b->musik_id)
		snprintf(musik, sizeof musik, "%08x", b->musik_id);
	json_array_append_new(
	    v->list,
	    json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:b,s:s,s:s,s:s,s:s,s:s}", "id", (json_int_t)r->id, "service",
		      mcx_services[r->service].name, "mcptt_id", r->mcptt_id, "impu", r->impu, "client", r->client_id,
		      "contact", r->contact, "csk_id", r->has_csk ? csk_id : "", "expires", (json_int_t)r->expires,
		      "connected", sip_flow_alive(b->flow), "pending_csk_id", pending, "musik_id", musik, "suite",
		      r->has_csk ? suite : "", "pending_suite", next, "suites", r->has_csk ? offered : ""));
	return 0;
}

static void add_call(void *ctx, const struct db_call *c, enum sc_state state)
{
	static const char *const names[SC_STATES] = {"new", "calling", "cancelling", "storing",
						     "up",  "refresh", "ending",     "done"};
	struct list_visit *v = ctx;
	if (v->id && strcmp(v->id, c->caller) != 0 && strcmp(v->id, c->callee) != 0)
		return;
	char pck_id[9];
	snprintf(pck_id, sizeof pck_id, "%08x", c->pck_id);
	json_array_append_new(v->list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "call_id", c->id, "caller", c->caller,
						 "callee", c->callee, "state", names[state], "pck_id",
						 c->pck_id ? pck_id : "", "started", (json_int_t)c->started));
}

static void visit_bindings(void *arg)
{
	struct list_visit *v = arg;
	bindings_each(v->s->bindings, add_binding, v);
}

static void visit_calls(void *arg)
{
	struct list_visit *v = arg;
	call_each(v->s, add_call, v);
}

static void visit_revoke(void *arg)
{
	struct list_visit *v = arg;
	v->result = !bindings_by_id(v->s->bindings, v->revoke) ? 404
		    : register_revoke(v->s, v->revoke) == 0    ? 202
							       : 409;
}

static void handle_list(struct server *s, const struct http_request *rq, void (*fn)(void *), const char *name,
			struct http_response *rs)
{
	struct list_visit v = {.s = s, .list = json_array()};
	if (!admin_allow(rq, ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR, rs)) {
		json_decref(v.list);
		return;
	}
	server_on_loop(s, fn, &v);
	reply_json(rs, 200, json_pack("{s:o}", name, v.list));
}

static void handle_revoke(struct server *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	char *end;
	struct list_visit v = {.s = s, .revoke = strtoll(id, &end, 10)};
	if (!admin_allow(rq, ADMIN_OFFICER | ADMIN_USER_ADMIN, rs))
		return;
	if (!*id || *end) {
		admin_error(rs, 400, "id", "a binding is named by its number");
		return;
	}
	server_on_loop(s, visit_revoke, &v);
	log_info("admin.revoke-binding", log_text("officer", rq->cert->subject), log_int("binding", v.revoke));
	if (v.result == 202)
		reply_json(rs, 202, json_object());
	else
		admin_error(rs, v.result, v.result == 404 ? "unknown" : "busy",
			    "no such binding, or it is changing right now");
}

static void handle_touches(struct server *s, const struct http_request *rq, struct http_response *rs)
{
	char id[DB_URI];
	if (!admin_allow(rq, ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR, rs))
		return;
	if (http_form_value(rq->query, strlen(rq->query), "id", id, sizeof id) != 0) {
		admin_error(rs, 400, "id", "touches?id=IDENTITY");
		return;
	}
	struct list_visit b = {.s = s, .list = json_array(), .id = id}, c = {.s = s, .list = json_array(), .id = id};
	server_on_loop(s, visit_bindings, &b);
	server_on_loop(s, visit_calls, &c);
	reply_json(rs, 200, json_pack("{s:s,s:o,s:o}", "id", id, "bindings", b.list, "calls", c.list));
}

static const char *after(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(path, prefix, n) == 0 && !strchr(path + n, '/') ? path + n : NULL;
}

static void handle(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	struct server *s = ctx;
	struct admin_health health = {not_ready, s, s->metrics, M_METRICS, NULL, 0};
	const char *id;
	int get = strcmp(rq->method, "GET") == 0;
	if (admin_health(&health, rq, rs) || admin_keys(s, rq, rs))
		return;
	if ((id = after(rq->path, ROOT "users/")) &&
	    (get || strcmp(rq->method, "PUT") == 0 || strcmp(rq->method, "DELETE") == 0))
		handle_user(s, rq, id, rs);
	else if (get && strcmp(rq->path, ROOT "bindings") == 0)
		handle_list(s, rq, visit_bindings, "bindings", rs);
	else if (get && strcmp(rq->path, ROOT "calls") == 0)
		handle_list(s, rq, visit_calls, "calls", rs);
	else if ((id = after(rq->path, ROOT "bindings/")) && strcmp(rq->method, "DELETE") == 0)
		handle_revoke(s, rq, id, rs);
	else if (get && strcmp(rq->path, ROOT "touches") == 0)
		handle_touches(s, rq, rs);
	else
		admin_error(rs, 404, "path", "no such call");
}

int admin_start(struct server *s, char *err, size_t err_size)
{
	const struct server_config *cfg = s->cfg;
	struct http_server_options o = {.address = cfg->address,
					.port = (uint16_t)cfg->admin_port,
					.cert_file = cfg->tls,
					.key_file = cfg->tls,
					.client_ca_file = cfg->admin_ca,
					.max_body = 8192,
					.threads = 2,
					.max_connections = 64,
					.max_per_peer = 32,
					.idle_timeout_s = 30,
					.handler = handle,
					.ctx = s};
	s->admin = http_server_start(&o, err, err_size);
	return s->admin ? 0 : -1;
}

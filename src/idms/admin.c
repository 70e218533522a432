/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c - the admin interface (admin.md): routes and roles as a table over the client certificate's OU. Segment 2 of
 * /admin/v1/users/... chooses the row; the handlers read the rest of the path.
 */
#include <stdlib.h>

#include "app/admin.h"
#include "idms/admin_calls.h"

static const char *not_ready(void *ctx)
{
	struct idms *s = ctx;
	pthread_mutex_lock(&s->db_lock);
	struct store_stmt *st = store_sql(s->store, "SELECT 1");
	enum store_err e = store_step(st);
	store_reset(st);
	pthread_mutex_unlock(&s->db_lock);
	return e == STORE_ROW ? NULL : "database";
}

static const struct {
	const char *method, *what; /* segment after /admin/v1 */
	const char *verb;          /* segment after the name; "" : none. NULL: the row has no name either */
	unsigned roles;
	admin_call *call;
} calls[] = {
    {"GET", "users", NULL, ADMIN_ANY, admin_users_list},
    {"GET", "users", "", ADMIN_ANY, admin_user_get},
    {"PUT", "users", "", ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_user_put},
    {"DELETE", "users", "", ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_user_delete},
    {"POST", "users", "password", ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_user_password},
    {"POST", "users", "cut", ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_user_cut},
    {"POST", "users", "unlock", ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_user_unlock},
    {"GET", "clients", NULL, ADMIN_ANY, admin_clients_list},
    {"GET", "clients", "", ADMIN_ANY, admin_client_get},
    {"PUT", "clients", "", ADMIN_OFFICER, admin_client_put},
    {"DELETE", "clients", "", ADMIN_OFFICER, admin_client_delete},
    {"POST", "clients", "secret", ADMIN_OFFICER, admin_client_secret},
    {"GET", "keys", NULL, ADMIN_ANY, admin_keys_list},
    {"POST", "keys", "", ADMIN_OFFICER, admin_keys_rotate},
    {"GET", "revoked", NULL, ADMIN_ANY | ADMIN_RESOURCE_SERVER, admin_revoked},
    {"GET", "touches", NULL, ADMIN_ANY, admin_touches},
};

struct path {
	char what[16], name[MC_ID_MAX], verb[16];
	int has_name, has_verb;
};

static int read_path(const char *path, struct path *p)
{
	char a[16], v[16], more[8];
	*p = (struct path){0};
	if (http_path_segment(path, 0, a, sizeof a) || http_path_segment(path, 1, v, sizeof v) ||
	    strcmp(a, "admin") != 0 || strcmp(v, "v1") != 0 || http_path_segment(path, 2, p->what, sizeof p->what))
		return -1;
	int name = http_path_segment(path, 3, p->name, sizeof p->name);
	int verb = http_path_segment(path, 4, p->verb, sizeof p->verb);
	p->has_name = name == 0;
	p->has_verb = verb == 0;
	return name < 0 || verb < 0 || http_path_segment(path, 5, more, sizeof more) != 1 ? -1 : 0;
}

static int row_fits(size_t i, const struct path *p)
{
	const char *verb = calls[i].verb;
	if (strcmp(calls[i].what, p->what) != 0)
		return 0;
	if (!verb)
		return !p->has_name;
	return p->has_name && p->name[0] && (verb[0] ? p->has_verb && strcmp(verb, p->verb) == 0 : !p->has_verb);
}

/* ---- what the calls share ---- */

void admin_store_error(struct idms *s, enum store_err e, struct http_response *rs)
{
	if (e == STORE_CONFLICT) {
		admin_error(rs, 409, "conflict", "an MC service ID of this account belongs to another one");
		return;
	}
	idms_count(s, M_DB_UNAVAILABLE);
	admin_error(rs, 503, "database", store_err_name(e));
	http_response_header(rs, "Retry-After", "2");
}

enum store_err admin_audit(struct idms *s, const struct http_request *rq, const char *type, const char *target,
			   const char *reason)
{
	return idms_audit(s, &(struct idms_event){'M', type, AUDIT_OK, .actor = rq->cert->subject, .target = target,
						  .reason = reason, .source = rq->peer});
}

int admin_found(struct idms *s, enum store_err e, const char *what, struct http_response *rs)
{
	if (e == STORE_ROW)
		return 0;
	if (e == STORE_OK)
		admin_error(rs, 404, "not-found", what);
	else
		admin_store_error(s, e, rs);
	return -1;
}

void admin_list(struct idms *s, const char *sql, json_t *(*line)(struct store_stmt *st), struct http_response *rs)
{
	json_t *list = json_array();
	pthread_mutex_lock(&s->db_lock);
	struct store_stmt *st = store_sql(s->store, sql);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW)
		json_array_append_new(list, line(st));
	store_reset(st);
	pthread_mutex_unlock(&s->db_lock);
	if (e)
		admin_store_error(s, e, rs);
	else
		answer_json(rs, 200, json_dumps(list, JSON_COMPACT));
	json_decref(list);
}

/* ---- the way in ---- */

void admin_route(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	struct idms *s = ctx;
	struct path p;
	struct admin_health health = {not_ready, s, s->metrics, M_COUNT, NULL, 0};
	int known = 0;
	if (admin_health(&health, rq, rs))
		return;
	if (!admin_allow(rq, ADMIN_ANY | ADMIN_RESOURCE_SERVER, rs))
		return;
	if (!read_path(rq->path, &p))
		for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
			if (!row_fits(i, &p))
				continue;
			known = 1;
			if (strcmp(calls[i].method, rq->method) != 0)
				continue;
			if (admin_allow(rq, calls[i].roles, rs))
				calls[i].call(s, rq, p.name, rs);
			return;
		}
	admin_error(rs, known ? 405 : 404, known ? "method" : "not-found", "there is no such call");
}

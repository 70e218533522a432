/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_admin.c - clients, signing keys, the revocation list and "what do you know of this identity" (admin.md).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/admin.h"
#include "idms/admin_calls.h"
#include "idms/signing.h"

static enum store_err end_transaction(struct idms *s, enum store_err e)
{
	if (!e)
		return idms_commit(s);
	idms_rollback(s);
	return e;
}

/* ---- clients ---- */

static int find(struct idms *s, const char *id, struct client *c, struct http_response *rs)
{
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = client_load(s, id, c);
	pthread_mutex_unlock(&s->db_lock);
	return admin_found(s, e, "there is no such client", rs);
}

void admin_client_get(struct idms *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	struct client c;
	(void)rq;
	if (!find(s, id, &c, rs))
		answer_json(rs, 200, client_json(&c));
}

static json_t *client_line(struct store_stmt *st)
{
	return json_string(store_text(st, 0));
}

void admin_clients_list(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	(void)rq, (void)name;
	admin_list(s, "SELECT client_id FROM client ORDER BY client_id", client_line, rs);
}

static enum store_err put_client(struct idms *s, const struct http_request *rq, struct client *c, int *created)
{
	struct client was;
	enum store_err e = client_load(s, c->id, &was);
	if (e != STORE_ROW && e != STORE_OK)
		return e;
	*created = e == STORE_OK;
	if (!*created && was.has_secret && was.auth == c->auth) {
		c->has_secret = 1;
		memcpy(c->secret, was.secret, sizeof c->secret);
	}
	e = client_store(s, c);
	return e ? e : admin_audit(s, rq, "client.change", c->id, *created ? "made" : NULL);
}

void admin_client_put(struct idms *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	struct client c;
	char why[128];
	int created = 0;
	if (client_parse(&c, id, rq->body, why, sizeof why)) {
		admin_error(rs, 400, "bad-value", why);
		return;
	}
	enum store_err e = idms_begin(s);
	if (!e)
		e = end_transaction(s, put_client(s, rq, &c, &created));
	if (e)
		admin_store_error(s, e, rs);
	else
		answer_json(rs, created ? 201 : 200, client_json(&c));
}

/* A client's refresh families go with it; its access tokens are listed as revoked. */
static enum store_err remove_client(struct idms *s, const struct http_request *rq, const char *id)
{
	static const char *const statements[] = {
	    "INSERT INTO revoked (kind, value, at, until) SELECT 'jti', jti, ?2, exp + 60 FROM issued"
	    " WHERE client_id = ?1 AND exp > ?2 ON CONFLICT DO NOTHING",
	    "DELETE FROM refresh WHERE client_id = ?1 AND ?2 > 0",
	    "DELETE FROM code WHERE client_id = ?1 AND ?2 > 0",
	    "DELETE FROM client WHERE client_id = ?1 AND ?2 > 0",
	};
	enum store_err e = STORE_OK;
	for (size_t i = 0; i < sizeof statements / sizeof *statements && !e; i++) {
		struct store_stmt *st = store_sql(s->store, statements[i]);
		store_bind_text(st, 1, id);
		store_bind_int(st, 2, idms_now(s));
		e = store_step(st);
		store_reset(st);
	}
	return e ? e : admin_audit(s, rq, "client.delete", id, NULL);
}

void admin_client_delete(struct idms *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	struct client c;
	if (find(s, id, &c, rs))
		return;
	enum store_err e = idms_begin(s);
	if (!e)
		e = end_transaction(s, remove_client(s, rq, id));
	if (e)
		admin_store_error(s, e, rs);
	else
		rs->status = 204;
}

/* A new secret of 256 random bits, shown this once. */
void admin_client_secret(struct idms *s, const struct http_request *rq, const char *id, struct http_response *rs)
{
	struct client c;
	char secret[RANDOM_TEXT];
	if (find(s, id, &c, rs))
		return;
	if (c.auth != CLIENT_AUTH_BASIC && c.auth != CLIENT_AUTH_POST) {
		admin_error(rs, 409, "no-secret", "this client does not prove itself by a secret");
		return;
	}
	enum store_err e = idms_random(secret) ? STORE_BROKEN : idms_begin(s);
	if (!e) {
		idms_hash(secret, c.secret);
		c.has_secret = 1;
		e = client_store(s, &c);
		if (!e)
			e = admin_audit(s, rq, "client.secret", id, NULL);
		e = end_transaction(s, e);
	}
	if (e) {
		admin_store_error(s, e, rs);
		return;
	}
	json_t *j = json_pack("{s:s, s:s}", "client_id", id, "client_secret", secret);
	answer_json(rs, 200, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

/* ---- keys ---- */

void admin_keys_list(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	(void)rq, (void)name;
	answer_json(rs, 200, signing_list(s->signing));
}

void admin_keys_rotate(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	json_t *j = rq->body.len ? json_loadb((const char *)rq->body.p, rq->body.len, JSON_REJECT_DUPLICATES, NULL)
				 : json_object();
	const json_t *emergency = json_object_get(j, "emergency");
	int known = strcmp(name, "rotate") == 0;
	int good = json_is_object(j) && (!emergency || json_is_boolean(emergency)) &&
		   json_object_size(j) == (emergency ? 1u : 0u);
	int now = json_is_true(emergency);
	json_decref(j);
	if (!known || !good) {
		admin_error(rs, known ? 400 : 404, known ? "bad-value" : "not-found",
			    known ? "the body is {\"emergency\":true|false} or empty" : "there is no such call");
		return;
	}
	switch (signing_rotate(s, now, rq->cert->subject, rq->peer)) {
	case ROTATED:
		answer_json(rs, 200, signing_list(s->signing));
		break;
	case ROTATION_TOO_EARLY:
		admin_error(rs, 409, "too-early",
			    "the next key is not published for 24 hours yet; an emergency does not wait");
		break;
	case ROTATION_FAILED:
		admin_error(rs, 503, "rotation", "the keys could not be changed");
		break;
	}
}

/* ---- revocation list ---- */

/* GET revoked?since=SEQ: what was taken back after that entry; "next" is what to ask for then (identity.md 11). */
void admin_revoked(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	char since[24] = "";
	json_t *list = json_array();
	int64_t next = 0;
	(void)name;
	int rc = http_form_value(rq->query, strlen(rq->query), "since", since, sizeof since);
	if (rc < 0 || strspn(since, "0123456789") != strlen(since) || strlen(since) > 18) {
		admin_error(rs, 400, "bad-value", "since is a number");
		json_decref(list);
		return;
	}
	next = strtoll(since[0] ? since : "0", NULL, 10);
	pthread_mutex_lock(&s->db_lock);
	struct store_stmt *st = store_sql(s->store, "SELECT seq, kind, value, at, until FROM revoked"
						    " WHERE seq > ?1 AND until > ?2 ORDER BY seq LIMIT 1000");
	enum store_err e;
	store_bind_int(st, 1, next);
	store_bind_int(st, 2, idms_now(s));
	while ((e = store_step(st)) == STORE_ROW) {
		next = store_int(st, 0);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "kind", store_text(st, 1), "value",
						      store_text(st, 2), "at", (json_int_t)store_int(st, 3), "until",
						      (json_int_t)store_int(st, 4)));
	}
	store_reset(st);
	pthread_mutex_unlock(&s->db_lock);
	json_t *j = json_pack("{s:I, s:o}", "next", (json_int_t)next, "revoked", list);
	if (e)
		admin_store_error(s, e, rs);
	else
		answer_json(rs, 200, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

/* ---- touches ---- */

/* The account behind an MC ID or an MC service ID, in any of the three services. */
static enum store_err find_account(struct idms *s, const char *id, struct user *u)
{
	char sub[OPAQUE_ID] = "";
	enum store_err e = user_by_name(s, id, u);
	if (e != STORE_OK)
		return e;
	struct store_stmt *st = store_sql(s->store, "SELECT sub FROM user_service WHERE mc_service_id = ?");
	store_bind_text(st, 1, id);
	if ((e = store_step(st)) == STORE_ROW)
		snprintf(sub, sizeof sub, "%s", store_text(st, 0));
	store_reset(st);
	return e == STORE_ROW ? user_by_sub(s, sub, u) : e;
}

static enum store_err count(struct idms *s, const char *sql, const char *sub, int64_t *out)
{
	struct store_stmt *st = store_sql(s->store, sql);
	store_bind_text(st, 1, sub);
	store_bind_int(st, 2, idms_now(s));
	enum store_err e = store_step(st);
	*out = e == STORE_ROW ? store_int(st, 0) : 0;
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e;
}

void admin_touches(struct idms *s, const struct http_request *rq, const char *name, struct http_response *rs)
{
	char id[MC_ID_MAX];
	struct user u;
	int64_t sessions = 0, families = 0, tokens = 0;
	(void)name;
	if (http_form_value(rq->query, strlen(rq->query), "id", id, sizeof id)) {
		admin_error(rs, 400, "bad-value", "id is needed");
		return;
	}
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = find_account(s, id, &u);
	if (e == STORE_ROW) {
		e = count(s, "SELECT count(*) FROM session WHERE sub = ?1 AND ?2 > 0", u.sub, &sessions);
		if (!e)
			e = count(s,
				  "SELECT count(DISTINCT family) FROM refresh WHERE sub = ?1 AND state = 'live' AND"
				  " idle_exp > ?2",
				  u.sub, &families);
		if (!e)
			e = count(s, "SELECT count(*) FROM issued WHERE sub = ?1 AND exp > ?2", u.sub, &tokens);
		e = e ? e : STORE_ROW;
	}
	pthread_mutex_unlock(&s->db_lock);
	if (e != STORE_ROW && e != STORE_OK) {
		admin_store_error(s, e, rs);
		return;
	}
	json_t *j = e == STORE_OK ? json_pack("{s:s, s:b}", "id", id, "known", 0)
				  : json_pack("{s:s, s:b, s:s, s:b, s:I, s:I, s:I}", "id", id, "known", 1, "mc_id",
					      u.mc_id, "enabled", u.enabled, "sessions", (json_int_t)sessions,
					      "families", (json_int_t)families, "tokens", (json_int_t)tokens);
	answer_json(rs, 200, json_dumps(j, JSON_COMPACT));
	json_decref(j);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c - the admin listener of mcx-kms (admin.md): users, the domain, the seal, and what the record says.
 *
 * TLS has verified the certificate against the admin CA; its OU is the role. A table says which role may make which
 * call. A change and its record are one transaction; calls that only look are recorded too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/log.h"
#include "kms/admin_call.h"
#include "kms/watch.h"
#include "sec/base/text.h"

enum { SEG_WHAT = 2, SEG_ARG, SEG_ACTION };

void admin_json(struct call *c, int status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	if (text)
		http_response_take(c->rs, status, "application/json", (uint8_t *)text, strlen(text));
	else
		admin_error(c->rs, 503, "memory", "no memory");
}

enum store_err admin_record(struct call *c, const char *type, const char *key, const char *value)
{
	struct audit_record r = {.class_ = 'M',
				 .type = type,
				 .clock = kms_clock(),
				 .actor = c->rq->cert->subject,
				 .target = c->arg,
				 .kms_responder = c->kms->config->uri};
	audit_detail(&r, "role", c->rq->cert->org_unit);
	audit_detail(&r, "method", c->rq->method);
	audit_detail(&r, "path", c->rq->path);
	audit_detail(&r, "source", c->rq->peer);
	if (key)
		audit_detail(&r, key, value);
	return audit_append(c->db->audit, &r, kms_now_ns());
}

void admin_store_failed(struct call *c, enum store_err e)
{
	log_error("kms.store", log_text("verdict", store_err_name(e)),
		  log_text("error", store_error_text(c->db->store)));
	admin_error(c->rs, 503, "database", store_err_name(e));
	http_response_header(c->rs, "Retry-After", "5");
}

/* ---- users
 * ------------------------------------------------------------------------------------------------------------------ */

static json_t *user_json(const char *uri, const struct kms_user *u)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "uri", uri, "state", kms_user_state_name(u->state), "created",
			 (json_int_t)u->created, "last_seen", (json_int_t)u->last_seen, "last_period",
			 (json_int_t)u->last_period);
}

static void get_user(struct call *c)
{
	struct kms_user u;
	enum store_err e = kms_db_user(c->db, c->arg, &u);
	if (!e && u.state != KMS_USER_UNKNOWN)
		e = admin_record(c, "admin.read", NULL, NULL);
	if (e)
		admin_store_failed(c, e);
	else if (u.state == KMS_USER_UNKNOWN)
		admin_error(c->rs, 404, "unknown", "no such identity");
	else
		admin_json(c, 200, user_json(c->arg, &u));
}

static void put_user(struct call *c)
{
	const char *name = json_string_value(json_object_get(c->body, "state"));
	enum kms_user_state state = name ? kms_user_state_of(name) : KMS_USER_UNKNOWN;
	struct kms_user u;
	if (state == KMS_USER_UNKNOWN || json_object_size(c->body) != 1) {
		admin_error(c->rs, 400, "body", "the body is {\"state\": \"active\" | \"suspended\" | \"revoked\"}");
		return;
	}
	enum store_err e = store_begin(c->db->store);
	if (!e)
		e = kms_db_user(c->db, c->arg, &u);
	int known = !e && u.state != KMS_USER_UNKNOWN;
	if (!known)
		u.created = c->kms->now();
	u.state = state;
	if (!e)
		e = kms_db_user_put(c->db, c->arg, &u);
	if (!e)
		e = admin_record(c, state == KMS_USER_ACTIVE ? "kms.user.add" : "kms.user.block", "state", name);
	if (!e)
		e = store_commit(c->db->store);
	if (e)
		admin_store_failed(c, e);
	else
		admin_json(c, known ? 200 : 201, user_json(c->arg, &u));
}

/* ---- the domain
 * ---------------------------------------------------------------------------------------------------------------- */

static void get_domain(struct call *c)
{
	const struct kms_certificate *cert = &c->kms->domain->cert;
	uint64_t now = (uint64_t)c->kms->now() + MCSEC_NTP_UNIX, period = 0;
	struct audit_anchor head;
	char chain[HEX_SIZE(AUDIT_HASH)];
	enum store_err e = admin_record(c, "admin.read", NULL, NULL);
	if (!e)
		e = audit_head(c->db->audit, &head);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	if (mcsec_period_number(&cert->periods, now, &period))
		period = 0;
	hex_encode(OCTETS(head.chain), chain);
	admin_json(c, 200,
		   json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:s}}", "uri", cert->kms_uri,
			     "cert_uri", cert->cert_uri, "state", issuer_life_name(issuer_life(c->kms->issuer)),
			     "valid_from", (json_int_t)cert->valid_from, "valid_to", (json_int_t)cert->valid_to,
			     "user_key_period", (json_int_t)cert->periods.period, "user_key_offset",
			     (json_int_t)cert->periods.offset, "period", (json_int_t)period, "period_ends",
			     (json_int_t)(mcsec_period_start(&cert->periods, period + 1) - MCSEC_NTP_UNIX), "audit",
			     "seq", (json_int_t)head.seq, "chain", chain));
}

static void post_seal(struct call *c)
{
	enum store_err e = admin_record(c, "kms.seal", NULL, NULL);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	issuer_seal(c->kms->issuer);
	admin_json(c, 200, json_pack("{s:s}", "state", "sealed"));
}

static void post_unseal(struct call *c)
{
	enum custody_err custody = kms_unseal(c->kms, c->db);
	enum store_err e = admin_record(c, "kms.unseal", "result", custody_err_name(custody));
	if (e)
		admin_store_failed(c, e);
	else if (custody)
		admin_error(c->rs, 409, "custody", custody_err_name(custody));
	else
		admin_json(c, 200, json_pack("{s:s}", "state", "unsealed"));
}

static json_t *seal_json(struct call *c, const struct issuer_state *s)
{
	char key[HEX_SIZE(sizeof s->transport_key)] = "";
	if (s->needed)
		hex_encode(OCTETS(s->transport_key), key);
	return json_pack("{s:s, s:i, s:i, s:s, s:b}", "state", issuer_life_name(issuer_life(c->kms->issuer)), "needed",
			 s->needed, "given", s->given, "transport_key", key, "memory_locked", s->locked);
}

/* State of the issuer; while it waits for officers, how many are wanted and the key their shares are wrapped for. */
static void get_seal(struct call *c)
{
	struct issuer_state s;
	enum store_err e = admin_record(c, "admin.read", NULL, NULL);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	(void)issuer_ask_state(c->kms->issuer, &s); /* all zero when no issuer is there */
	admin_json(c, 200, seal_json(c, &s));
}

/* One officer's share, in a parcel that only the issuer opens: {"parcel": hex}. */
static void post_share(struct call *c)
{
	const char *hex = json_string_value(json_object_get(c->body, "parcel"));
	uint8_t parcel[256];
	size_t n = 0;
	char said[32];
	struct issuer_verdict v;
	if (!hex || json_object_size(c->body) != 1 || hex_decode(hex, strlen(hex), parcel, sizeof parcel, &n)) {
		admin_error(c->rs, 400, "body", "the body is {\"parcel\": hex}");
		return;
	}
	if (issuer_give_share(c->kms->issuer, (struct octets){parcel, n}, &v)) {
		admin_error(c->rs, 409, "share", "no issuer waits for shares");
		return;
	}
	const char *verdict = custody_err_name((enum custody_err)v.err);
	snprintf(said, sizeof said, "%u %s", v.number, verdict);
	enum store_err e = admin_record(c, "kms.ceremony", "share", said);
	if (!e && !v.state.sealed)
		e = admin_record(c, "kms.unseal", "result", verdict);
	if (e)
		admin_store_failed(c, e);
	else if (v.err)
		admin_json(c, 409,
			   json_pack("{s:s, s:s, s:i}", "error", "share", "detail", verdict, "number", (int)v.number));
	else
		admin_json(c, 200, seal_json(c, &v.state));
}

/* What we know that involves an identity: `mcx lost USER` asks every daemon. */
static void get_touches(struct call *c)
{
	struct kms_user u = {.state = KMS_USER_UNKNOWN};
	if (http_form_value(c->rq->query, strlen(c->rq->query), "id", c->arg, sizeof c->arg)) {
		admin_error(c->rs, 400, "query", "touches?id=URI");
		return;
	}
	enum store_err e = kms_db_user(c->db, c->arg, &u);
	if (!e)
		e = admin_record(c, "admin.read", NULL, NULL);
	if (e) {
		admin_store_failed(c, e);
		return;
	}
	json_t *keys = json_array();
	if (u.last_period >= 0)
		json_array_append_new(keys, json_pack("{s:s, s:I}", "kms", c->kms->config->uri, "last_period",
						      (json_int_t)u.last_period));
	json_t *users = json_array();
	if (u.state != KMS_USER_UNKNOWN)
		json_array_append_new(users, user_json(c->arg, &u));
	admin_json(c, 200, json_pack("{s:s, s:o, s:o}", "id", c->arg, "users", users, "keys", keys));
}

/* ---- routes
 * ----------------------------------------------------------------------------------------------------------------------
 */

static const struct {
	const char *method, *what;
	unsigned n_args;
	int has_json;
	unsigned roles;
	void (*handle)(struct call *c);
} calls[] = {
    {"GET", "users", 1, 0, ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR, get_user},
    {"PUT", "users", 1, 1, ADMIN_OFFICER | ADMIN_USER_ADMIN, put_user},
    {"GET", "domain", 0, 0, ADMIN_ANY, get_domain},
    {"POST", "seal", 0, 0, ADMIN_OFFICER, post_seal},
    {"GET", "seal", 0, 0, ADMIN_ANY, get_seal},
    {"POST", "unseal", 0, 0, ADMIN_OFFICER, post_unseal},
    {"POST", "shares", 0, 1, ADMIN_OFFICER, post_share},
    {"GET", "touches", 0, 0, ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR, get_touches},
    {"GET", "alarms", 0, 0, ADMIN_ANY, admin_list_alarms},
    {"POST", "clock", 0, 0, ADMIN_OFFICER, admin_accept_clock},
    {"POST", "checkpoint", 0, 0, ADMIN_OFFICER | ADMIN_AUDITOR, admin_make_checkpoint},
    {"POST", "reload", 0, 0, ADMIN_OFFICER, admin_reload},
    {"GET", "extcerts", 0, 0, ADMIN_OFFICER | ADMIN_AUDITOR, admin_list_extcerts},
    {"POST", "extcerts", 0, 0, ADMIN_OFFICER, admin_import_extcert},
    {"POST", "extcerts", 2, 0, ADMIN_OFFICER, admin_change_extcert},
    {"GET", "transportkeys", 1, 0, ADMIN_OFFICER | ADMIN_USER_ADMIN | ADMIN_AUDITOR, admin_list_transport},
    {"POST", "transportkeys", 1, 0, ADMIN_OFFICER, admin_make_transport},
    {"POST", "transportkeys", 2, 0, ADMIN_OFFICER | ADMIN_USER_ADMIN, admin_change_transport},
    {"GET", "krrs", 0, 0, ADMIN_OFFICER | ADMIN_AUDITOR, admin_list_krrs},
};
enum { CALLS = sizeof calls / sizeof *calls };

static const char *not_ready(void *kms)
{
	struct kms *k = kms;
	enum store_err e;
	if (issuer_is_sealed(k->issuer))
		return issuer_life_name(issuer_life(k->issuer));
	struct kms_db *db = kms_pool_take(k->pool, &e);
	if (!db)
		return "database";
	e = store_begin(db->store);
	kms_pool_give(k->pool, db, e);
	return e ? "database" : NULL;
}

static unsigned count_args(const char *path)
{
	unsigned slashes = 0;
	for (const char *c = path; *c; c++)
		slashes += *c == '/';
	return slashes > SEG_ARG ? slashes - SEG_ARG : 0;
}

static int read_arguments(struct call *c, unsigned n)
{
	if (n > 0 && (http_path_segment(c->rq->path, SEG_ARG, c->arg, sizeof c->arg) || !c->arg[0] ||
		      !utf8_valid(octets_of(c->arg))))
		return 0;
	return n < 2 || (!http_path_segment(c->rq->path, SEG_ACTION, c->action, sizeof c->action) && c->action[0]);
}

static void refused_role(struct call *c)
{
	enum store_err e;
	c->db = kms_pool_take(c->kms->pool, &e);
	if (!c->db)
		return;
	struct audit_record r = {.class_ = 'M',
				 .type = "admin.fail",
				 .outcome = AUDIT_REFUSED,
				 .clock = kms_clock(),
				 .actor = c->rq->cert ? c->rq->cert->subject : ""};
	audit_detail(&r, "method", c->rq->method);
	audit_detail(&r, "path", c->rq->path);
	audit_detail(&r, "source", c->rq->peer);
	e = audit_append(c->db->audit, &r, kms_now_ns());
	kms_pool_give(c->kms->pool, c->db, e);
}

static void run(struct call *c, size_t i)
{
	enum store_err e;
	if (!admin_allow(c->rq, calls[i].roles, c->rs)) {
		refused_role(c);
		return;
	}
	if (!read_arguments(c, calls[i].n_args)) {
		admin_error(c->rs, 400, "path", "a segment of the path is missing or malformed");
		return;
	}
	c->body = calls[i].has_json
		      ? json_loadb((const char *)c->rq->body.p, c->rq->body.len, JSON_REJECT_DUPLICATES, NULL)
		      : NULL;
	c->db = kms_pool_take(c->kms->pool, &e);
	if (!c->db) {
		admin_error(c->rs, 503, "database", store_err_name(e));
	} else {
		calls[i].handle(c);
		kms_pool_give(c->kms->pool, c->db, STORE_OK);
	}
	json_decref(c->body);
}

void kms_admin_answer(void *kms, const struct http_request *rq, struct http_response *rs)
{
	struct call c = {.kms = kms, .rq = rq, .rs = rs};
	struct admin_health health = {not_ready, kms, kms_metrics, KMS_METRICS, NULL, 0};
	health.more = kms_watch_metrics(c.kms->watch, &health.n_more);
	char what[32];
	int known = 0;
	http_response_header(rs, "Cache-Control", "no-store");
	if (admin_health(&health, rq, rs))
		return;
	if (strncmp(rq->path, "/admin/v1/", 10) == 0 && !http_path_segment(rq->path, SEG_WHAT, what, sizeof what))
		for (size_t i = 0; i < CALLS; i++) {
			if (strcmp(calls[i].what, what) != 0)
				continue;
			known = 1;
			if (strcmp(calls[i].method, rq->method) == 0 && calls[i].n_args == count_args(rq->path)) {
				run(&c, i);
				return;
			}
		}
	if (known)
		admin_error(rs, 405, "method", "another method is wanted here");
	else
		admin_error(rs, 404, "unknown", "no such call");
}

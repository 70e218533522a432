/* SPDX-License-Identifier: Apache-2.0 */
/* db_calls.c - calls in progress, refusals, and the users' service settings, each with its audit record. */
#include "server/db.h"

/* ---- calls ---- */

static struct audit_record call_record(const struct db_call *c, const char *type, const char *reason)
{
	return (struct audit_record){.class_ = 'B',
				     .type = type,
				     .actor = c->caller,
				     .target = c->callee,
				     .call_id = c->id,
				     .n_key_ids = c->pck_id != 0,
				     .key_ids = {c->pck_id},
				     .kms_initiator = c->kms_initiator,
				     .kms_responder = c->kms_responder,
				     .reason = reason};
}

enum store_err db_call_start(struct db *d, const struct db_call *c)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	struct store_stmt *st =
	    store_sql(d->store, "INSERT INTO calls(id, caller, callee, caller_binding, callee_binding, started, pck_id,"
				" kms_initiator, kms_responder, a, b) VALUES(?,?,?,?,?,?,?,?,?,?,?)");
	store_bind_text(st, 1, c->id);
	store_bind_text(st, 2, c->caller);
	store_bind_text(st, 3, c->callee);
	store_bind_int(st, 4, c->caller_binding);
	store_bind_int(st, 5, c->callee_binding);
	store_bind_int(st, 6, c->started);
	store_bind_int(st, 7, c->pck_id);
	store_bind_text(st, 8, c->kms_initiator);
	store_bind_text(st, 9, c->kms_responder);
	store_bind_text(st, 10, c->a);
	store_bind_text(st, 11, c->b);
	e = store_step(st);
	store_reset(st);
	struct audit_record r = call_record(c, "call.start", NULL);
	if (e == STORE_OK)
		e = db_record(d, &r);
	return db_finish(d, e);
}

enum store_err db_call_end(struct db *d, const struct db_call *c, const char *reason)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	struct store_stmt *st = store_sql(d->store, "DELETE FROM calls WHERE id=? AND caller_binding=? RETURNING id");
	store_bind_text(st, 1, c->id);
	store_bind_int(st, 2, c->caller_binding);
	int there = 0;
	while ((e = store_step(st)) == STORE_ROW)
		there = 1;
	store_reset(st);
	struct audit_record r = call_record(c, "call.end", reason);
	if (e == STORE_OK && there)
		e = db_record(d, &r);
	return db_finish(d, e);
}

enum store_err db_each_call(struct db *d, int (*each)(void *, const struct db_call *), void *ctx)
{
	struct store_stmt *st =
	    store_sql(d->store, "SELECT id, caller, callee, caller_binding, callee_binding, started, pck_id,"
				" kms_initiator, kms_responder, a, b FROM calls");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct db_call c = {.caller_binding = store_int(st, 3),
				    .callee_binding = store_int(st, 4),
				    .started = store_int(st, 5),
				    .pck_id = (uint32_t)store_int(st, 6)};
		db_copy(c.id, sizeof c.id, store_text(st, 0));
		db_copy(c.caller, sizeof c.caller, store_text(st, 1));
		db_copy(c.callee, sizeof c.callee, store_text(st, 2));
		db_copy(c.kms_initiator, sizeof c.kms_initiator, store_text(st, 7));
		db_copy(c.kms_responder, sizeof c.kms_responder, store_text(st, 8));
		db_copy(c.a, sizeof c.a, store_text(st, 9));
		db_copy(c.b, sizeof c.b, store_text(st, 10));
		if (each(ctx, &c)) {
			e = STORE_BROKEN;
			break;
		}
	}
	store_reset(st);
	return e;
}

enum store_err db_refused(struct db *d, char class_, const char *type, const char *actor, const char *target,
			  const char *call_id, const char *reason)
{
	struct audit_record r = {.class_ = class_,
				 .type = type,
				 .outcome = AUDIT_REFUSED,
				 .actor = actor,
				 .target = target,
				 .call_id = call_id,
				 .reason = reason};
	return db_record(d, &r);
}

/* ---- users ---- */

static enum store_err user_record(struct db *d, const char *what, const char *mcptt_id, const char *officer)
{
	struct audit_record r = {
	    .class_ = 'M', .type = "config.change", .actor = officer, .target = mcptt_id, .reason = what};
	return db_record(d, &r);
}

enum store_err db_put_user(struct db *d, const struct db_user *u, const char *officer)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	struct store_stmt *st = store_sql(
	    d->store, "INSERT INTO users(mcptt_id, answer_mode, private_call, auto_answer, kms_uri, private_video)"
		      " VALUES(?,?,?,?,?,?)"
		      " ON CONFLICT(mcptt_id) DO UPDATE SET answer_mode=excluded.answer_mode,"
		      " private_call=excluded.private_call, auto_answer=excluded.auto_answer,"
		      " kms_uri=excluded.kms_uri, private_video=excluded.private_video");
	store_bind_text(st, 1, u->mcptt_id);
	store_bind_text(st, 2, u->answer_mode);
	store_bind_int(st, 3, u->private_call);
	store_bind_int(st, 4, u->auto_answer);
	store_bind_text(st, 5, u->kms_uri);
	store_bind_int(st, 6, u->private_video);
	e = store_step(st);
	store_reset(st);
	if (e == STORE_OK)
		e = user_record(d, "user settings", u->mcptt_id, officer);
	return db_finish(d, e);
}

enum store_err db_delete_user(struct db *d, const char *mcptt_id, const char *officer)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	struct store_stmt *st = store_sql(d->store, "DELETE FROM users WHERE mcptt_id=?");
	store_bind_text(st, 1, mcptt_id);
	e = store_step(st);
	store_reset(st);
	if (e == STORE_OK)
		e = user_record(d, "user removed", mcptt_id, officer);
	return db_finish(d, e);
}

enum store_err db_each_user(struct db *d, int (*each)(void *, const struct db_user *), void *ctx)
{
	struct store_stmt *st = store_sql(
	    d->store, "SELECT mcptt_id, answer_mode, private_call, auto_answer, kms_uri, private_video FROM users");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct db_user u = {.private_call = (int)store_int(st, 2),
				    .auto_answer = (int)store_int(st, 3),
				    .private_video = (int)store_int(st, 5)};
		db_copy(u.mcptt_id, sizeof u.mcptt_id, store_text(st, 0));
		db_copy(u.answer_mode, sizeof u.answer_mode, store_text(st, 1));
		db_copy(u.kms_uri, sizeof u.kms_uri, store_text(st, 4));
		if (each(ctx, &u)) {
			e = STORE_BROKEN;
			break;
		}
	}
	store_reset(st);
	return e;
}

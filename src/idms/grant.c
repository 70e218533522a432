/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant.c - codes, refresh families and issued tokens; see grant.h.
 *
 * A code's row outlives the code: it must still be there when somebody shows it a second time, so that the tokens made
 * from it can be taken back.
 */
#include "idms/grant.h"

#include <stdio.h>

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static enum store_err finish(struct store_stmt *st)
{
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

/* What a code and a refresh token both have; a row begins with it. */
#define GRANT_COLUMNS "family, client_id, sub, sid, scope, auth_time, acr"

static void grant_read(struct grant *g, struct store_stmt *st)
{
	copy(g->family, sizeof g->family, store_text(st, 0));
	copy(g->client_id, sizeof g->client_id, store_text(st, 1));
	copy(g->sub, sizeof g->sub, store_text(st, 2));
	copy(g->sid, sizeof g->sid, store_text(st, 3));
	copy(g->scope, sizeof g->scope, store_text(st, 4));
	g->auth_time = store_int(st, 5);
	copy(g->acr, sizeof g->acr, store_text(st, 6));
}

/* ---- codes ---- */

enum store_err code_store(struct idms *s, const char *code, const struct grant *g)
{
	uint8_t hash[HASH_LEN];
	int64_t now = idms_now(s);
	idms_hash(code, hash);
	struct store_stmt *st = store_sql(
	    s->store, "INSERT INTO code (hash, family, client_id, redirect_uri, challenge, scope, nonce, sub, sid,"
		      " auth_time, acr, expires, keep_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_text(st, 2, g->family);
	store_bind_text(st, 3, g->client_id);
	store_bind_text(st, 4, g->redirect_uri);
	store_bind_text(st, 5, g->challenge);
	store_bind_text(st, 6, g->scope);
	store_bind_text(st, 7, g->nonce);
	store_bind_text(st, 8, g->sub);
	store_bind_text(st, 9, g->sid);
	store_bind_int(st, 10, g->auth_time);
	store_bind_text(st, 11, g->acr);
	store_bind_int(st, 12, now + s->cfg.code_ttl);
	store_bind_int(st, 13, now + s->cfg.refresh_abs_ttl + s->cfg.access_ttl);
	return finish(st);
}

enum store_err code_take(struct idms *s, const char *code, enum take *how, struct grant *g)
{
	uint8_t hash[HASH_LEN];
	int64_t now = idms_now(s);
	*how = TAKE_UNKNOWN;
	*g = (struct grant){0};
	idms_hash(code, hash);
	struct store_stmt *st =
	    store_sql(s->store, "SELECT " GRANT_COLUMNS
				", redirect_uri, challenge, nonce, expires, taken FROM code WHERE hash = ?");
	store_bind_blob(st, 1, OCTETS(hash));
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		grant_read(g, st);
		copy(g->redirect_uri, sizeof g->redirect_uri, store_text(st, 7));
		copy(g->challenge, sizeof g->challenge, store_text(st, 8));
		copy(g->nonce, sizeof g->nonce, store_text(st, 9));
		*how = !store_is_null(st, 11) ? TAKE_AGAIN : now >= store_int(st, 10) ? TAKE_EXPIRED : TAKE_OK;
	}
	store_reset(st);
	if (e != STORE_ROW || *how == TAKE_AGAIN)
		return e == STORE_ROW ? STORE_OK : e;
	st = store_sql(s->store, "UPDATE code SET taken = ?2 WHERE hash = ?1");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_int(st, 2, now);
	return finish(st);
}

/* ---- refresh tokens ---- */

enum store_err refresh_store(struct idms *s, const char *token, const struct grant *g, int64_t idle_ttl)
{
	uint8_t hash[HASH_LEN];
	int64_t now = idms_now(s);
	idms_hash(token, hash);
	struct store_stmt *st =
	    store_sql(s->store, "INSERT INTO refresh (hash, family, client_id, sub, sid, scope, auth_time, acr,"
				" created, idle_exp, abs_exp, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
				" 'live')");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_text(st, 2, g->family);
	store_bind_text(st, 3, g->client_id);
	store_bind_text(st, 4, g->sub);
	store_bind_text(st, 5, g->sid);
	store_bind_text(st, 6, g->scope);
	store_bind_int(st, 7, g->auth_time);
	store_bind_text(st, 8, g->acr);
	store_bind_int(st, 9, now);
	store_bind_int(st, 10, now + idle_ttl < g->abs_exp ? now + idle_ttl : g->abs_exp);
	store_bind_int(st, 11, g->abs_exp);
	return finish(st);
}

static enum refresh_state state_of(const char *text, int64_t idle_exp, int64_t now)
{
	if (strcmp(text, "revoked") == 0)
		return REFRESH_REVOKED;
	if (strcmp(text, "rotated") == 0)
		return REFRESH_ROTATED;
	return now >= idle_exp ? REFRESH_EXPIRED : REFRESH_LIVE;
}

enum store_err refresh_look(struct idms *s, const char *token, enum refresh_state *state, int64_t *rotated_ms,
			    struct grant *g)
{
	uint8_t hash[HASH_LEN];
	*g = (struct grant){0};
	*state = REFRESH_UNKNOWN;
	idms_hash(token, hash);
	struct store_stmt *st = store_sql(s->store, "SELECT " GRANT_COLUMNS
						    ", idle_exp, abs_exp, state, rotated FROM refresh WHERE hash = ?");
	store_bind_blob(st, 1, OCTETS(hash));
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		grant_read(g, st);
		g->abs_exp = store_int(st, 8);
		*state = state_of(store_text(st, 9), store_int(st, 7), idms_now(s));
		*rotated_ms = store_int(st, 10);
	}
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e;
}

enum store_err refresh_rotate(struct idms *s, const char *token)
{
	uint8_t hash[HASH_LEN];
	idms_hash(token, hash);
	struct store_stmt *st = store_sql(s->store, "UPDATE refresh SET state = 'rotated', rotated = ?2"
						    " WHERE hash = ?1 AND state = 'live'");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_int(st, 2, s->now_ms());
	return finish(st);
}

/* ---- issued and taken back ---- */

enum store_err issued_store(struct idms *s, const struct grant *g, const char *jti, const char *scope, int64_t iat,
			    int64_t exp)
{
	struct store_stmt *st =
	    store_sql(s->store, "INSERT INTO issued (jti, family, sub, client_id, sid, scope, iat, exp)"
				" VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	store_bind_text(st, 1, jti);
	store_bind_text(st, 2, g->family);
	store_bind_text(st, 3, g->sub);
	store_bind_text(st, 4, g->client_id);
	store_bind_text(st, 5, g->sid);
	store_bind_text(st, 6, scope);
	store_bind_int(st, 7, iat);
	store_bind_int(st, 8, exp);
	return finish(st);
}

/* A statement whose first parameter is one text and second, where used, the time. */
static enum store_err run_with(struct idms *s, const char *sql, const char *value, int64_t now)
{
	struct store_stmt *st = store_sql(s->store, sql);
	store_bind_text(st, 1, value);
	store_bind_int(st, 2, now);
	return finish(st);
}

#define EXP_LEEWAY "exp + 60"

enum store_err revoke_family(struct idms *s, const char *family)
{
	int64_t now = idms_now(s);
	enum store_err e =
	    run_with(s, "UPDATE refresh SET state = 'revoked' WHERE family = ?1 AND ?2 > 0", family, now);
	if (!e)
		e = run_with(s,
			     "INSERT INTO revoked (kind, value, at, until) SELECT 'jti', jti, ?2, " EXP_LEEWAY
			     " FROM issued WHERE family = ?1 AND exp > ?2 ON CONFLICT DO NOTHING",
			     family, now);
	return e;
}

enum store_err revoke_jti(struct idms *s, const char *jti, int64_t exp)
{
	struct store_stmt *st = store_sql(s->store, "INSERT INTO revoked (kind, value, at, until) VALUES"
						    " ('jti', ?1, ?2, ?3) ON CONFLICT DO NOTHING");
	store_bind_text(st, 1, jti);
	store_bind_int(st, 2, idms_now(s));
	store_bind_int(st, 3, exp + 60);
	return finish(st);
}

/* Every access token is known (issued), so each is taken back by its own identifier. */
static const struct {
	const char *sql[2]; /* of an account, of a session */
	size_t counts;      /* of struct cut */
} cuts[] = {
    {{"DELETE FROM session WHERE sub = ?1 AND ?2 > 0", "DELETE FROM session WHERE sid = ?1 AND ?2 > 0"},
     offsetof(struct cut, sessions)},
    {{"UPDATE code SET taken = ?2 WHERE sub = ?1 AND taken IS NULL",
      "UPDATE code SET taken = ?2 WHERE sid = ?1 AND taken IS NULL"},
     0},
    {{"UPDATE refresh SET state = 'revoked' WHERE sub = ?1 AND state <> 'revoked' AND ?2 > 0",
      "UPDATE refresh SET state = 'revoked' WHERE sid = ?1 AND state <> 'revoked' AND ?2 > 0"},
     offsetof(struct cut, families)},
    {{"INSERT INTO revoked (kind, value, at, until) SELECT 'jti', jti, ?2, " EXP_LEEWAY
      " FROM issued WHERE sub = ?1 AND exp > ?2 ON CONFLICT DO NOTHING",
      "INSERT INTO revoked (kind, value, at, until) SELECT 'jti', jti, ?2, " EXP_LEEWAY
      " FROM issued WHERE sid = ?1 AND exp > ?2 ON CONFLICT DO NOTHING"},
     offsetof(struct cut, tokens)},
};

static enum store_err cut(struct idms *s, int which, const char *value, struct cut *out)
{
	enum store_err e = STORE_OK;
	*out = (struct cut){0};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts && !e; i++) {
		e = run_with(s, cuts[i].sql[which], value, idms_now(s));
		if (i != 1)
			*(int64_t *)(void *)((char *)out + cuts[i].counts) = store_changes(s->store);
	}
	return e;
}

enum store_err cut_user(struct idms *s, const char *sub, struct cut *out)
{
	return cut(s, 0, sub, out);
}

enum store_err cut_session(struct idms *s, const char *sid)
{
	struct cut ignored;
	return cut(s, 1, sid, &ignored);
}

enum store_err token_is_revoked(struct idms *s, const struct token_claims *c)
{
	struct store_stmt *st = store_sql(s->store, "SELECT 1 FROM revoked WHERE kind = 'jti' AND value = ?1");
	store_bind_text(st, 1, c->jti);
	return finish(st);
}

enum store_err grant_purge(struct idms *s)
{
	static const char *const statements[] = {
	    "DELETE FROM code WHERE keep_until < ?1",
	    "DELETE FROM refresh WHERE abs_exp < ?1",
	    "DELETE FROM issued WHERE exp + 120 < ?1",
	    "DELETE FROM revoked WHERE until < ?1",
	    "DELETE FROM session WHERE created < ?1 - 31 * 86400",
	    "DELETE FROM device WHERE last_seen < ?1 - 180 * 86400",
	};
	enum store_err e = STORE_OK;
	for (size_t i = 0; i < sizeof statements / sizeof *statements && !e; i++) {
		struct store_stmt *st = store_sql(s->store, statements[i]);
		store_bind_int(st, 1, idms_now(s));
		e = finish(st);
	}
	return e;
}

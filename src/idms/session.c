/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - browser sessions and known devices (identity.md 14): random cookies, stored as SHA-256. A session ends
 * when idle too long or too old; how often it was seen is written at most once a minute.
 */
#include <stdio.h>

#include "idms/grant.h"

enum { SEEN_STEP_S = 60 };

static enum store_err finish(struct store_stmt *st)
{
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

enum store_err session_create(struct idms *s, const char *sub, const char *acr, const char *source,
			      char cookie[RANDOM_TEXT], struct session *out)
{
	uint8_t hash[HASH_LEN];
	*out = (struct session){.auth_time = idms_now(s)};
	if (idms_random(cookie) || idms_opaque_id("s-", out->sid))
		return STORE_BROKEN;
	snprintf(out->sub, sizeof out->sub, "%s", sub);
	snprintf(out->acr, sizeof out->acr, "%s", acr);
	idms_hash(cookie, hash);
	struct store_stmt *st =
	    store_sql(s->store, "INSERT INTO session (hash, sid, sub, created, last_seen, auth_time,"
				" acr, source) VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?5, ?6)");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_text(st, 2, out->sid);
	store_bind_text(st, 3, sub);
	store_bind_int(st, 4, out->auth_time);
	store_bind_text(st, 5, acr);
	store_bind_text(st, 6, source);
	return finish(st);
}

enum store_err session_find(struct idms *s, const char *cookie, struct session *out)
{
	uint8_t hash[HASH_LEN];
	int64_t now = idms_now(s), last_seen = 0;
	if (!cookie[0])
		return STORE_OK;
	idms_hash(cookie, hash);
	struct store_stmt *st = store_sql(s->store, "SELECT sid, sub, acr, auth_time, last_seen FROM session"
						    " WHERE hash = ?1 AND last_seen > ?2 AND created > ?3");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_int(st, 2, now - s->cfg.session_idle_ttl);
	store_bind_int(st, 3, now - s->cfg.session_abs_ttl);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		*out = (struct session){.auth_time = store_int(st, 3)};
		snprintf(out->sid, sizeof out->sid, "%s", store_text(st, 0));
		snprintf(out->sub, sizeof out->sub, "%s", store_text(st, 1));
		snprintf(out->acr, sizeof out->acr, "%s", store_text(st, 2));
		last_seen = store_int(st, 4);
	}
	store_reset(st);
	if (e != STORE_ROW || now - last_seen < SEEN_STEP_S)
		return e;
	st = store_sql(s->store, "UPDATE session SET last_seen = ?2 WHERE hash = ?1");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_int(st, 2, now);
	enum store_err seen = finish(st);
	return seen ? seen : STORE_ROW;
}

enum store_err device_remember(struct idms *s, const char *cookie, const char *sub)
{
	uint8_t hash[HASH_LEN];
	idms_hash(cookie, hash);
	struct store_stmt *st = store_sql(s->store, "INSERT INTO device (hash, sub, last_seen) VALUES (?1, ?2, ?3)"
						    " ON CONFLICT (hash) DO UPDATE SET sub = excluded.sub,"
						    " last_seen = excluded.last_seen");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_text(st, 2, sub);
	store_bind_int(st, 3, idms_now(s));
	return finish(st);
}

enum store_err device_known(struct idms *s, const char *cookie, const char *sub)
{
	uint8_t hash[HASH_LEN];
	if (!cookie[0])
		return STORE_OK;
	idms_hash(cookie, hash);
	struct store_stmt *st = store_sql(s->store, "SELECT 1 FROM device WHERE hash = ? AND sub = ?");
	store_bind_blob(st, 1, OCTETS(hash));
	store_bind_text(st, 2, sub);
	return finish(st);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - see table.h. IDs are kind, running number of the user, user (kms.md 10.1); nothing is read out of them.
 */
#include "kms/protect/table.h"

#include <stdio.h>

#include "mcsec/rng.h"

const char tkey_migration[] =
    "CREATE TABLE transport_key(id TEXT PRIMARY KEY, user TEXT NOT NULL, kind TEXT NOT NULL CHECK(kind IN "
    "('tk','ink')), number INTEGER NOT NULL, state TEXT NOT NULL CHECK(state IN ('pending','active','old')),"
    " created INTEGER NOT NULL, changed INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;"
    "CREATE INDEX transport_key_user ON transport_key(user, kind);"
    "CREATE UNIQUE INDEX transport_key_one ON transport_key(user, kind, state) WHERE state<>'old';"
    "CREATE TABLE transport_number(user TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY(user, kind)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE replay(hash BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX replay_until ON replay(until);";

static const char *const kinds[] = {"tk", "ink"};
static const char *const states[] = {"pending", "active", "old"};

const char *tkey_kind_name(enum tkey_kind k)
{
	return kinds[k];
}

const char *tkey_state_name(enum tkey_state s)
{
	return states[s];
}

#define COLUMNS "id, user, kind, state, created, changed, sealed"

static enum store_err read_row(struct store_stmt *st, struct tkey *out)
{
	struct octets sealed = store_blob(st, 6);
	size_t state = 0;
	while (state < 3 && strcmp(states[state], store_text(st, 3)) != 0)
		state++;
	if (state == 3 || sealed.len != sizeof out->sealed)
		return STORE_BROKEN;
	snprintf(out->id, sizeof out->id, "%s", store_text(st, 0));
	snprintf(out->user, sizeof out->user, "%s", store_text(st, 1));
	out->kind = strcmp(store_text(st, 2), kinds[TKEY_INK]) == 0 ? TKEY_INK : TKEY_TRK;
	out->state = (enum tkey_state)state;
	out->created = store_int(st, 4);
	out->changed = store_int(st, 5);
	memcpy(out->sealed, sealed.p, sealed.len);
	return STORE_ROW;
}

static enum store_err one(struct store_stmt *st, int64_t now, struct tkey *out)
{
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		e = read_row(st, out);
	store_reset(st);
	if (e == STORE_ROW && out->state == TKEY_OLD && now - out->changed >= TKEY_OLD_S)
		e = STORE_OK;
	if (e != STORE_ROW)
		out->id[0] = 0;
	return e;
}

enum store_err tkey_by_id(struct kms_db *db, const char *id, int64_t now, struct tkey *out)
{
	struct store_stmt *st = store_sql(db->store, "SELECT " COLUMNS " FROM transport_key WHERE id=?");
	store_bind_text(st, 1, id);
	return one(st, now, out);
}

enum store_err tkey_of_user(struct kms_db *db, const char *user, enum tkey_kind kind, enum tkey_state state,
			    int64_t now, struct tkey *out)
{
	struct store_stmt *st =
	    store_sql(db->store, "SELECT " COLUMNS " FROM transport_key WHERE user=? AND kind=? AND "
				 "state=? ORDER BY number DESC LIMIT 1");
	store_bind_text(st, 1, user);
	store_bind_text(st, 2, kinds[kind]);
	store_bind_text(st, 3, states[state]);
	return one(st, now, out);
}

enum store_err tkey_each(struct kms_db *db, const char *user, void (*each)(void *ctx, const struct tkey *k), void *ctx)
{
	struct tkey k;
	struct store_stmt *st =
	    store_sql(db->store, "SELECT " COLUMNS " FROM transport_key WHERE user=? ORDER BY kind DESC, number");
	store_bind_text(st, 1, user);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW && (e = read_row(st, &k)) == STORE_ROW)
		each(ctx, &k);
	store_reset(st);
	return e;
}

/* ---- new keys ---- */

static enum store_err next_number(struct kms_db *db, const char *user, enum tkey_kind kind, int64_t *out)
{
	struct store_stmt *st =
	    store_sql(db->store, "INSERT INTO transport_number VALUES(?,?,1) ON CONFLICT(user, kind) "
				 "DO UPDATE SET number=number+1 RETURNING number");
	store_bind_text(st, 1, user);
	store_bind_text(st, 2, kinds[kind]);
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		*out = store_int(st, 0);
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e ? e : STORE_BROKEN;
}

static enum store_err insert(struct kms_db *db, const struct tkey *k, int64_t number)
{
	struct store_stmt *st =
	    store_sql(db->store, "INSERT INTO transport_key(id, user, kind, number, state, created, "
				 "changed, sealed) VALUES(?,?,?,?,?,?,?,?)");
	store_bind_text(st, 1, k->id);
	store_bind_text(st, 2, k->user);
	store_bind_text(st, 3, kinds[k->kind]);
	store_bind_int(st, 4, number);
	store_bind_text(st, 5, states[k->state]);
	store_bind_int(st, 6, k->created);
	store_bind_int(st, 7, k->changed);
	store_bind_blob(st, 8, OCTETS(k->sealed));
	return store_step(st);
}

static const char *without_scheme(const char *uri)
{
	const char *colon = strchr(uri, ':');
	return colon ? colon + 1 : uri;
}

enum store_err tkey_make(struct kms_db *db, const struct transport_seal *seal, const char *user, enum tkey_kind kind,
			 int by_hand, int64_t now, struct tkey *out, uint8_t key[KMS_TRK_LEN])
{
	int64_t number = 0;
	enum store_err e = tkey_of_user(db, user, kind, TKEY_PENDING, now, out);
	if (e == STORE_ROW)
		return transport_seal_unseal(seal, out->id, user, OCTETS(out->sealed), key) ? STORE_BROKEN : STORE_OK;
	if (!e)
		e = tkey_of_user(db, user, kind, TKEY_ACTIVE, now, out);
	int first = e == STORE_OK;
	if (e == STORE_ROW || first)
		e = next_number(db, user, kind, &number);
	if (e)
		return e;
	*out = (struct tkey){
	    .kind = kind, .state = first && by_hand ? TKEY_ACTIVE : TKEY_PENDING, .created = now, .changed = now};
	snprintf(out->user, sizeof out->user, "%s", user);
	snprintf(out->id, sizeof out->id, "%s.%lld.%.220s", kinds[kind], (long long)number, without_scheme(user));
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, key, KMS_TRK_LEN) ||
	    transport_seal_close(seal, out->id, user, key, out->sealed))
		return STORE_BROKEN;
	return insert(db, out, number);
}

/* ---- changes ---- */

static enum store_err set_state(struct kms_db *db, const struct tkey *k, const char *sql, int64_t now)
{
	struct store_stmt *st = store_sql(db->store, sql);
	store_bind_int(st, 1, now);
	store_bind_text(st, 2, k->user);
	store_bind_text(st, 3, kinds[k->kind]);
	store_bind_text(st, 4, k->id);
	return store_step(st);
}

enum store_err tkey_activate(struct kms_db *db, const struct tkey *k, int64_t now)
{
	enum store_err e = set_state(
	    db, k,
	    "UPDATE transport_key SET state='old', changed=?1 WHERE user=?2 AND kind=?3 AND state='active' AND id<>?4",
	    now);
	if (!e)
		e = set_state(db, k,
			      "UPDATE transport_key SET state='active', changed=?1 WHERE user=?2 AND kind=?3 AND id=?4",
			      now);
	return e;
}

enum store_err tkey_sweep(struct kms_db *db, int64_t now)
{
	struct store_stmt *st = store_sql(db->store, "DELETE FROM transport_key WHERE state='old' AND changed<=?");
	store_bind_int(st, 1, now - TKEY_OLD_S);
	return store_step(st);
}

enum store_err tkey_withdraw(struct kms_db *db, const char *user)
{
	struct store_stmt *st = store_sql(db->store, "DELETE FROM transport_key WHERE user=?");
	store_bind_text(st, 1, user);
	return store_step(st);
}

enum store_err tkey_replay(struct kms_db *db, const uint8_t hash[32], int64_t now, int64_t until)
{
	struct store_stmt *st = store_sql(db->store, "DELETE FROM replay WHERE until<?");
	store_bind_int(st, 1, now);
	enum store_err e = store_step(st);
	if (e)
		return e;
	st = store_sql(db->store, "INSERT INTO replay(hash, until) VALUES(?,?)");
	store_bind_blob(st, 1, (struct octets){hash, 32});
	store_bind_int(st, 2, until);
	return store_step(st);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* db.c - schema, opening, and bindings with their CSKs; users and calls are db_calls.c. */
#include "server/db_download.h"

#include <stdlib.h>
#include <time.h>

#include "mcsec/secret.h"

static const char schema[] =
    "CREATE TABLE users(mcptt_id TEXT PRIMARY KEY, answer_mode TEXT NOT NULL, private_call INTEGER NOT NULL,"
    " auto_answer INTEGER NOT NULL, kms_uri TEXT NOT NULL) STRICT;"
    "CREATE TABLE bindings(id INTEGER PRIMARY KEY, impu TEXT NOT NULL, client_id TEXT NOT NULL, mcptt_id TEXT NOT NULL,"
    " contact TEXT NOT NULL, peer TEXT NOT NULL, server_id TEXT NOT NULL, csk BLOB, csk_id INTEGER NOT NULL, rand BLOB,"
    " t INTEGER NOT NULL, suite INTEGER NOT NULL, authorised_at INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " sid TEXT NOT NULL, jti TEXT NOT NULL, UNIQUE(impu, client_id)) STRICT;"
    "CREATE TABLE replay(hash BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX replay_until ON replay(until);"
    "CREATE TABLE calls(id TEXT NOT NULL, caller TEXT NOT NULL, callee TEXT NOT NULL, caller_binding INTEGER NOT NULL,"
    " callee_binding INTEGER NOT NULL, started INTEGER NOT NULL, pck_id INTEGER NOT NULL, kms_initiator TEXT NOT NULL,"
    " kms_responder TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, PRIMARY KEY(id, caller_binding)) STRICT;";

/* One binding a service: what there was is of MCPTT. Its keys open as before (db_csk_purpose). */
static const char service_schema[] =
    "CREATE TABLE bindings_by_service(id INTEGER PRIMARY KEY, impu TEXT NOT NULL, client_id TEXT NOT NULL,"
    " service INTEGER NOT NULL, mcptt_id TEXT NOT NULL, contact TEXT NOT NULL, peer TEXT NOT NULL,"
    " server_id TEXT NOT NULL, csk BLOB, csk_id INTEGER NOT NULL, rand BLOB, t INTEGER NOT NULL,"
    " suite INTEGER NOT NULL, authorised_at INTEGER NOT NULL, expires INTEGER NOT NULL, sid TEXT NOT NULL,"
    " jti TEXT NOT NULL, wanted INTEGER NOT NULL, offered TEXT NOT NULL, UNIQUE(impu, client_id, service)) STRICT;"
    "INSERT INTO bindings_by_service SELECT id, impu, client_id, 0, mcptt_id, contact, peer, server_id, csk, csk_id,"
    " rand, t, suite, authorised_at, expires, sid, jti, wanted, offered FROM bindings;"
    "DROP TABLE bindings;"
    "ALTER TABLE bindings_by_service RENAME TO bindings;";

/* Leave for MCVideo private calls: who could call so far may call so too. */
static const char video_schema[] = "ALTER TABLE users ADD COLUMN private_video INTEGER NOT NULL DEFAULT 0;"
				   "UPDATE users SET private_video = private_call;";

/* The KMS that a binding's client signed its CSK under. */
static const char kms_schema[] = "ALTER TABLE bindings ADD COLUMN kms_uri TEXT NOT NULL DEFAULT '';";

int64_t db_now(void)
{
	return (int64_t)time(NULL);
}

void db_copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

struct db *db_open(const struct db_options *o, char *err, size_t err_size)
{
	const char *migrations[] = {audit_migration,   schema,         db_download_schema,
				    db_suites_schema,  service_schema, db_download_triggers,
				    db_control_schema, video_schema,   kms_schema};
	struct store_options so = {.path = o->path,
				   .migrations = migrations,
				   .n_migrations = sizeof migrations / sizeof *migrations,
				   .busy_timeout_ms = o->busy_ms};
	struct db *d = calloc(1, sizeof *d);
	if (!d) {
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	d->seal = o->seal;
	if (store_open(&d->store, &so, err, err_size) != STORE_OK) {
		free(d);
		return NULL;
	}
	enum store_err e = audit_open(&d->audit, d->store, o->node);
	if (e != STORE_OK) {
		snprintf(err, err_size, "audit record: %s", store_err_name(e));
		db_close(d);
		return NULL;
	}
	return d;
}

void db_close(struct db *d)
{
	if (!d)
		return;
	if (d->audit)
		audit_close(d->audit);
	store_close(d->store);
	free(d);
}

enum store_err db_record(struct db *d, const struct audit_record *r)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return audit_append(d->audit, r, (int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

enum store_err db_finish(struct db *d, enum store_err e)
{
	if (e == STORE_OK)
		e = store_commit(d->store);
	if (e != STORE_OK)
		store_rollback(d->store);
	return e;
}

static enum sa_stored verdict(enum store_err e)
{
	return e == STORE_OK ? SA_STORED_OK : SA_STORED_FAILED;
}

/* ---- bindings ---- */

static struct octets purpose_of(const char *buf, int n, size_t size)
{
	return (struct octets){(const uint8_t *)buf, n > 0 && (size_t)n < size ? (size_t)n : 0};
}

struct octets db_csk_purpose(const struct db_binding *b, uint32_t csk_id, char *buf, size_t size)
{
	int ptt = b->service == MCX_MCPTT; /* whose keys were sealed before there were others */
	return purpose_of(buf,
			  snprintf(buf, size, "csk|%08x|%s|%s%s%s", csk_id, b->impu, b->client_id, ptt ? "" : "|",
				   ptt ? "" : mcx_services[b->service].name),
			  size);
}

struct octets db_musik_purpose(uint32_t musik_id, char *buf, size_t size)
{
	return purpose_of(buf, snprintf(buf, size, "musik|%08x", musik_id), size);
}

static enum store_err remember(struct db *d, const struct mcsec_replay_entry *r)
{
	struct store_stmt *st = store_sql(d->store, "DELETE FROM replay WHERE until < ?");
	store_bind_int(st, 1, db_now() + (int64_t)MCSEC_NTP_UNIX);
	enum store_err e = store_step(st);
	store_reset(st);
	if (e != STORE_OK)
		return e;
	st = store_sql(d->store, "INSERT INTO replay(hash, until) VALUES(?, ?)");
	store_bind_blob(st, 1, OCTETS(r->hash));
	store_bind_int(st, 2, (int64_t)r->until);
	e = store_step(st);
	store_reset(st);
	return e;
}

/* *id: the row's. What it had before is left alone: a change whose commit fails is carried out once more, as it was. */
static enum store_err upsert(struct db *d, const struct db_binding *b, struct octets sealed, struct octets rand,
			     int64_t *id)
{
	char offered[SUITE_TEXT];
	struct store_stmt *st = store_sql(
	    d->store,
	    "INSERT INTO bindings(impu, client_id, mcptt_id, contact, peer, server_id, csk, csk_id, rand, t, suite,"
	    " authorised_at, expires, sid, jti, wanted, offered, service, kms_uri)"
	    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	    " ON CONFLICT(impu, client_id, service) DO UPDATE SET mcptt_id=excluded.mcptt_id, contact=excluded.contact,"
	    " peer=excluded.peer, server_id=excluded.server_id, csk=excluded.csk, csk_id=excluded.csk_id,"
	    " rand=excluded.rand, t=excluded.t, suite=excluded.suite, authorised_at=excluded.authorised_at,"
	    " expires=excluded.expires, sid=excluded.sid, jti=excluded.jti, wanted=excluded.wanted,"
	    " offered=excluded.offered, kms_uri=excluded.kms_uri RETURNING id");
	store_bind_text(st, 1, b->impu);
	store_bind_text(st, 2, b->client_id);
	store_bind_text(st, 3, b->mcptt_id);
	store_bind_text(st, 4, b->contact);
	store_bind_text(st, 5, b->peer);
	store_bind_text(st, 6, b->server_id);
	if (sealed.len) {
		store_bind_blob(st, 7, sealed);
		store_bind_blob(st, 9, rand);
	} else {
		store_bind_null(st, 7);
		store_bind_null(st, 9);
	}
	store_bind_int(st, 8, b->csk_id);
	store_bind_int(st, 10, (int64_t)b->t);
	store_bind_int(st, 11, b->suite);
	store_bind_int(st, 12, b->authorised_at);
	store_bind_int(st, 13, b->expires);
	store_bind_text(st, 14, b->sid);
	store_bind_text(st, 15, b->jti);
	suite_list_write(&b->offered, offered);
	store_bind_int(st, 16, b->wanted);
	store_bind_text(st, 17, offered);
	store_bind_int(st, 18, b->service);
	store_bind_text(st, 19, b->kms_uri);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		*id = store_int(st, 0);
		e = store_step(st);
	}
	store_reset(st);
	return e;
}

/* Whose binding the row was before, "" if it is new. */
static enum store_err previous_owner(struct db *d, const struct db_binding *b, char *out, size_t size)
{
	struct store_stmt *st =
	    store_sql(d->store, "SELECT mcptt_id FROM bindings WHERE impu=? AND client_id=? AND service=?");
	store_bind_text(st, 1, b->impu);
	store_bind_text(st, 2, b->client_id);
	store_bind_int(st, 3, b->service);
	enum store_err e = store_step(st);
	db_copy(out, size, e == STORE_ROW ? store_text(st, 0) : "");
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e;
}

/* The registration without authorisation that this client had. */
static enum store_err drop_bare(struct db *d, const struct db_binding *b)
{
	struct store_stmt *st = store_sql(d->store, "DELETE FROM bindings WHERE impu=? AND client_id='' AND contact=?");
	store_bind_text(st, 1, b->impu);
	store_bind_text(st, 2, b->contact);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

/* With the records of both: csk.upload and svc.auth. The CSK is sealed in the row already. */
static enum store_err authorise(struct db *d, struct db_binding *b, struct octets rand, int64_t *id)
{
	if (rand.len > sizeof b->rand)
		return STORE_BROKEN;
	memcpy(b->rand, rand.p, rand.len);
	b->rand_len = (uint8_t)rand.len;
	char before[DB_URI];
	enum store_err e = previous_owner(d, b, before, sizeof before);
	if (e == STORE_OK)
		e = upsert(d, b, OCTETS(b->csk), rand, id);
	if (e == STORE_OK && *b->client_id)
		e = drop_bare(d, b);
	struct audit_record upload = {.class_ = 'K',
				      .type = "csk.upload",
				      .actor = b->mcptt_id,
				      .target = b->server_id,
				      .kms_initiator = b->kms_uri,
				      .n_key_ids = 1,
				      .key_ids = {b->csk_id}};
	char suite[8];
	snprintf(suite, sizeof suite, "%04x", b->suite);
	audit_detail(&upload, "suite", suite);
	struct audit_record auth = {.class_ = 'B', .type = "svc.auth", .actor = b->mcptt_id, .target = b->server_id};
	audit_detail(&auth, "impu", b->impu);
	audit_detail(&auth, "client", b->client_id);
	audit_detail(&auth, "service", mcx_services[b->service].name);
	if (e == STORE_OK && *before && strcmp(before, b->mcptt_id) != 0)
		audit_detail(&auth, "replaces", before);
	if (e == STORE_OK)
		e = db_record(d, &upload);
	return e == STORE_OK ? db_record(d, &auth) : e;
}

static enum store_err move_contact(struct db *d, const struct db_binding *b)
{
	struct store_stmt *st = store_sql(d->store, "UPDATE bindings SET contact=?, peer=?, expires=? WHERE id=?");
	store_bind_text(st, 1, b->contact);
	store_bind_text(st, 2, b->peer);
	store_bind_int(st, 3, b->expires);
	store_bind_int(st, 4, b->id);
	enum store_err e = store_step(st);
	int there = e == STORE_OK && store_changes(d->store) == 1;
	store_reset(st);
	return e != STORE_OK || there ? e : STORE_CONFLICT; /* nothing was stored: nobody may be told so */
}

static enum store_err remove_one(struct db *d, int64_t id, const char *reason)
{
	char user[DB_URI] = "";
	uint32_t csk_id = 0;
	struct store_stmt *st = store_sql(d->store, "DELETE FROM bindings WHERE id=? RETURNING mcptt_id, csk_id");
	store_bind_int(st, 1, id);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		db_copy(user, sizeof user, store_text(st, 0));
		csk_id = (uint32_t)store_int(st, 1);
		e = store_step(st);
	}
	store_reset(st);
	if (e != STORE_OK || !*user)
		return e;
	struct audit_record r = {
	    .class_ = 'B', .type = "svc.deauth", .actor = user, .reason = reason, .n_key_ids = 1, .key_ids = {csk_id}};
	return db_record(d, &r);
}

static int seal_csks(const struct db *d, struct db_change *c, const uint8_t *key)
{
	char what[2 * DB_URI + 32];
	for (size_t i = 0; i < c->n; i++) {
		struct db_binding *b = &c->rows[i];
		struct octets p = db_csk_purpose(b, b->csk_id, what, sizeof what);
		if (c->fresh >> i & 1 &&
		    (p.len == 0 || seal_put(d->seal, p, (struct octets){key, MCSEC_KEY_LEN}, b->csk)))
			return -1;
	}
	return 0;
}

enum sa_stored db_store_change(struct db *d, struct db_change *c, const uint8_t key[MCSEC_KEY_LEN], struct octets rand,
			       const struct mcsec_replay_entry *replay)
{
	enum store_err e = seal_csks(d, c, key) ? STORE_BROKEN : store_begin(d->store);
	if (e != STORE_OK)
		return SA_STORED_FAILED;
	e = replay ? remember(d, replay) : STORE_OK;
	if (e == STORE_CONFLICT) {
		store_rollback(d->store);
		return SA_STORED_REPLAY;
	}
	for (size_t i = 0; i < c->n && e == STORE_OK; i++) {
		struct db_binding *b = &c->rows[i];
		c->ids[i] = b->id;
		e = c->fresh >> i & 1 ? authorise(d, b, rand, &c->ids[i])
		    : b->id           ? move_contact(d, b)
				      : upsert(d, b, (struct octets){0}, (struct octets){0}, &c->ids[i]);
	}
	for (size_t i = 0; i < c->n_gone && e == STORE_OK; i++)
		e = remove_one(d, c->gone[i], c->reason);
	return verdict(db_finish(d, e));
}

enum sa_stored db_remove_bindings(struct db *d, const int64_t *ids, size_t n, const char *reason)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return SA_STORED_FAILED;
	for (size_t i = 0; i < n && e == STORE_OK; i++)
		e = remove_one(d, ids[i], reason);
	return verdict(db_finish(d, e));
}

enum mcsec_err db_open_csk(const struct seal *seal, const struct db_binding *b, uint8_t *key)
{
	char what[2 * DB_URI + 32];
	return b->has_csk ? seal_get(seal, db_csk_purpose(b, b->csk_id, what, sizeof what), OCTETS(b->csk), key)
			  : MCSEC_E_NO_KEYS;
}

enum store_err db_each_binding(struct db *d, int (*each)(void *, const struct db_binding *), void *ctx)
{
	struct store_stmt *st = store_sql(
	    d->store,
	    "SELECT id, impu, client_id, mcptt_id, contact, peer, server_id, csk, csk_id, t,"
	    " suite, authorised_at, expires, sid, jti, wanted, offered, service, rand, kms_uri FROM bindings");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct octets sealed = store_blob(st, 7);
		struct db_binding b = {.id = store_int(st, 0),
				       .has_csk = sealed.len == sizeof b.csk,
				       .csk_id = (uint32_t)store_int(st, 8),
				       .t = (uint64_t)store_int(st, 9),
				       .suite = (uint16_t)store_int(st, 10),
				       .authorised_at = store_int(st, 11),
				       .expires = store_int(st, 12),
				       .wanted = (uint16_t)store_int(st, 15),
				       .service = (enum mcx_service)store_int(st, 17)};
		if (store_int(st, 17) < 0 || store_int(st, 17) >= MCX_SERVICES)
			continue;
		if (b.has_csk)
			memcpy(b.csk, sealed.p, sizeof b.csk);
		struct octets rand = store_blob(st, 18);
		if (rand.len && rand.len <= sizeof b.rand) {
			memcpy(b.rand, rand.p, rand.len);
			b.rand_len = (uint8_t)rand.len;
		}
		db_copy(b.impu, sizeof b.impu, store_text(st, 1));
		db_copy(b.client_id, sizeof b.client_id, store_text(st, 2));
		db_copy(b.mcptt_id, sizeof b.mcptt_id, store_text(st, 3));
		db_copy(b.contact, sizeof b.contact, store_text(st, 4));
		db_copy(b.peer, sizeof b.peer, store_text(st, 5));
		db_copy(b.server_id, sizeof b.server_id, store_text(st, 6));
		db_copy(b.sid, sizeof b.sid, store_text(st, 13));
		db_copy(b.jti, sizeof b.jti, store_text(st, 14));
		db_copy(b.kms_uri, sizeof b.kms_uri, store_text(st, 19));
		if (suite_list_read(store_text(st, 16), &b.offered) != MCSEC_OK || each(ctx, &b)) {
			e = STORE_BROKEN;
			break;
		}
	}
	store_reset(st);
	return e;
}

enum store_err db_each_replay(struct db *d, int (*each)(void *, const struct mcsec_replay_entry *), void *ctx)
{
	struct store_stmt *st = store_sql(d->store, "SELECT hash, until FROM replay");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct mcsec_replay_entry r = {.until = (uint64_t)store_int(st, 1)};
		struct octets hash = store_blob(st, 0);
		if (hash.len != sizeof r.hash)
			continue;
		memcpy(r.hash, hash.p, sizeof r.hash);
		if (each(ctx, &r)) {
			e = STORE_BROKEN;
			break;
		}
	}
	store_reset(st);
	return e;
}

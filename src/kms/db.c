/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.c - the tables of mcx-kms and the statements over them. Times are Unix seconds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kms/db_watch.h"
#include "kms/protect/table.h"

static const char tables[] =
    /* certificate: the document as it is served; sealed: the master secrets under the passphrase file */
    "CREATE TABLE domain(id INTEGER PRIMARY KEY CHECK(id=1), kms_uri TEXT NOT NULL, certificate BLOB NOT NULL,"
    " sealed BLOB NOT NULL) STRICT;"
    "CREATE TABLE issue(id INTEGER PRIMARY KEY CHECK(id=1), next INTEGER NOT NULL) STRICT;"
    "INSERT INTO issue(id, next) VALUES(1, 1);"
    "CREATE TABLE user(uri TEXT PRIMARY KEY, state TEXT NOT NULL CHECK(state IN ('active','suspended','revoked')),"
    " created INTEGER NOT NULL, last_seen INTEGER NOT NULL, last_period INTEGER NOT NULL, hour INTEGER NOT NULL,"
    " hour_count INTEGER NOT NULL, in_period INTEGER NOT NULL, period_count INTEGER NOT NULL) STRICT;"
    "CREATE TABLE ext_cert(cert_uri TEXT PRIMARY KEY, kms_uri TEXT NOT NULL, certificate BLOB NOT NULL,"
    " fingerprint BLOB NOT NULL UNIQUE, state TEXT NOT NULL CHECK(state IN "
    "('proposed','permitted','suspended','revoked')),"
    " imported INTEGER NOT NULL, imported_by TEXT NOT NULL, approved_by TEXT NOT NULL) STRICT;"
    "CREATE INDEX ext_cert_kms ON ext_cert(kms_uri);";

/* Nothing could be written to the first ext_cert. One row a certificate; what is served has a number that grows. */
static const char external_certificates[] =
    "DROP TABLE ext_cert;"
    "CREATE TABLE ext_cert(fingerprint BLOB PRIMARY KEY, kms_uri TEXT NOT NULL, cert_uri TEXT NOT NULL,"
    " certificate BLOB NOT NULL, state TEXT NOT NULL CHECK(state IN ('proposed','permitted','suspended','revoked')),"
    " imported INTEGER NOT NULL, imported_by TEXT NOT NULL, approved_by TEXT NOT NULL) STRICT;"
    "CREATE INDEX ext_cert_kms ON ext_cert(kms_uri);"
    "CREATE TABLE cache(id INTEGER PRIMARY KEY CHECK(id=1), num INTEGER NOT NULL) STRICT;"
    "INSERT INTO cache(id, num) VALUES(1, 1);";

struct kms_pool {
	struct store_options options;
	const char *migrations[6];
	char *path, *node;
	pthread_mutex_t lock;
	struct kms_db *idle;
};

/* ---- connections ---- */

static void db_close(struct kms_db *db)
{
	audit_close(db->audit);
	store_close(db->store);
	free(db);
}

static struct kms_db *db_open(struct kms_pool *p, enum store_err *e, char *err, size_t err_size)
{
	struct kms_db *db = calloc(1, sizeof *db);
	if (!db) {
		*e = STORE_FULL;
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	*e = store_open(&db->store, &p->options, err, err_size);
	if (!*e) {
		*e = audit_open(&db->audit, db->store, p->node);
		if (*e)
			snprintf(err, err_size, "audit record: %s",
				 *e == STORE_CONFLICT ? "begun under another node name" : store_error_text(db->store));
	}
	if (*e) {
		db_close(db);
		return NULL;
	}
	return db;
}

struct kms_pool *kms_pool_new(const char *path, const char *node, unsigned busy_ms, char *err, size_t err_size)
{
	struct kms_pool *p = calloc(1, sizeof *p);
	if (p)
		p->path = strdup(path), p->node = strdup(node);
	if (!p || !p->path || !p->node) {
		snprintf(err, err_size, "no memory");
		kms_pool_free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	p->migrations[0] = audit_migration;
	p->migrations[1] = tables;
	p->migrations[2] = external_certificates;
	p->migrations[3] = kms_db_watch_tables;
	p->migrations[4] = tkey_migration;
	p->migrations[5] = kms_krr_migration;
	p->options = (struct store_options){.path = p->path,
					    .migrations = p->migrations,
					    .n_migrations = sizeof p->migrations / sizeof *p->migrations,
					    .busy_timeout_ms = busy_ms};
	enum store_err e;
	p->idle = db_open(p, &e, err, err_size);
	if (!p->idle) {
		kms_pool_free(p);
		return NULL;
	}
	return p;
}

void kms_pool_free(struct kms_pool *p)
{
	if (!p)
		return;
	while (p->idle) {
		struct kms_db *db = p->idle;
		p->idle = db->next;
		db_close(db);
	}
	free(p->path);
	free(p->node);
	free(p);
}

struct kms_db *kms_pool_take(struct kms_pool *p, enum store_err *e)
{
	char err[256];
	pthread_mutex_lock(&p->lock);
	struct kms_db *db = p->idle;
	if (db)
		p->idle = db->next;
	pthread_mutex_unlock(&p->lock);
	*e = STORE_OK;
	return db ? db : db_open(p, e, err, sizeof err);
}

void kms_pool_give(struct kms_pool *p, struct kms_db *db, enum store_err e)
{
	store_rollback(db->store);
	if (e == STORE_BROKEN) {
		db_close(db);
		return;
	}
	pthread_mutex_lock(&p->lock);
	db->next = p->idle;
	p->idle = db;
	pthread_mutex_unlock(&p->lock);
}

/* ---- certificates as documents
 * ---------------------------------------------------------------------------------------- */

enum store_err kms_db_certificate(struct octets xml, struct kms_certificate *out)
{
	struct kms_response r;
	struct kms_fault f;
	if (kms_response_read(&r, KMS_ROOT_PART, xml, &f))
		return STORE_BROKEN;
	enum store_err e = r.n_certs == 1 ? STORE_ROW : STORE_BROKEN;
	if (e == STORE_ROW)
		*out = r.certs[0];
	kms_response_free(&r);
	return e;
}

enum store_err kms_db_domain(struct kms_db *db, struct kms_domain_row *out)
{
	struct store_stmt *st = store_sql(db->store, "SELECT certificate, sealed FROM domain WHERE id=1");
	enum store_err e = store_step(st);
	if (e != STORE_ROW)
		return e;
	struct octets sealed = store_blob(st, 1);
	e = sealed.len <= sizeof out->sealed ? kms_db_certificate(store_blob(st, 0), &out->cert) : STORE_BROKEN;
	if (e == STORE_ROW) {
		memcpy(out->sealed, sealed.p, sealed.len);
		out->sealed_len = sealed.len;
	}
	store_reset(st);
	return e;
}

enum store_err kms_db_domain_create(struct kms_db *db, const struct kms_domain_row *row)
{
	uint8_t *xml = malloc(KMS_CERTIFICATE_BOUND);
	if (!xml)
		return STORE_FULL;
	struct writer w = wr_init(xml, KMS_CERTIFICATE_BOUND);
	kms_certificate_write(&w, &row->cert);
	struct store_stmt *st =
	    store_sql(db->store, "INSERT INTO domain(id, kms_uri, certificate, sealed) VALUES(1,?,?,?)");
	store_bind_text(st, 1, row->cert.kms_uri);
	store_bind_blob(st, 2, wr_result(&w));
	store_bind_blob(st, 3, (struct octets){row->sealed, row->sealed_len});
	enum store_err e = w.err ? STORE_BROKEN : store_step(st);
	free(xml);
	return e;
}

enum store_err kms_db_domain_reseal(struct kms_db *db, struct octets sealed)
{
	struct store_stmt *st = store_sql(db->store, "UPDATE domain SET sealed=? WHERE id=1");
	store_bind_blob(st, 1, sealed);
	return store_step(st);
}

/* ---- issue numbers
 * ------------------------------------------------------------------------------------------------------ */

enum store_err kms_db_take_numbers(struct kms_db *db, uint64_t n, uint64_t *first)
{
	struct store_stmt *st = store_sql(db->store, "UPDATE issue SET next=next+? WHERE id=1 RETURNING next");
	store_bind_int(st, 1, (int64_t)n);
	enum store_err e = store_step(st);
	if (e != STORE_ROW)
		return e ? e : STORE_BROKEN;
	*first = (uint64_t)store_int(st, 0) - n;
	e = store_step(st); /* to its end: this is where it commits */
	return e;
}

/* ---- users
 * --------------------------------------------------------------------------------------------------------------- */

static const char *const state_names[] = {"unknown", "active", "suspended", "revoked"};

const char *kms_user_state_name(enum kms_user_state s)
{
	return state_names[s];
}

enum kms_user_state kms_user_state_of(const char *name)
{
	for (unsigned i = KMS_USER_ACTIVE; i <= KMS_USER_REVOKED; i++)
		if (strcmp(name, state_names[i]) == 0)
			return (enum kms_user_state)i;
	return KMS_USER_UNKNOWN;
}

enum store_err kms_db_user(struct kms_db *db, const char *uri, struct kms_user *out)
{
	*out = (struct kms_user){.last_period = -1};
	struct store_stmt *st = store_sql(db->store, "SELECT state, created, last_seen, last_period, hour, hour_count,"
						     " in_period, period_count FROM user WHERE uri=?");
	store_bind_text(st, 1, uri);
	enum store_err e = store_step(st);
	if (e != STORE_ROW)
		return e;
	*out = (struct kms_user){
	    .state = kms_user_state_of(store_text(st, 0)),
	    .created = store_int(st, 1),
	    .last_seen = store_int(st, 2),
	    .last_period = store_int(st, 3),
	    .hour = store_int(st, 4),
	    .hour_count = store_int(st, 5),
	    .in_period = store_int(st, 6),
	    .period_count = store_int(st, 7),
	};
	store_reset(st);
	return STORE_OK;
}

enum store_err kms_db_user_put(struct kms_db *db, const char *uri, const struct kms_user *u)
{
	struct store_stmt *st = store_sql(
	    db->store, "INSERT INTO user(uri, state, created, last_seen, last_period, hour, hour_count, in_period,"
		       " period_count) VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(uri) DO UPDATE SET state=excluded.state,"
		       " last_seen=excluded.last_seen, last_period=excluded.last_period, hour=excluded.hour,"
		       " hour_count=excluded.hour_count, in_period=excluded.in_period,"
		       " period_count=excluded.period_count");
	const int64_t numbers[] = {u->created,    u->last_seen, u->last_period, u->hour,
				   u->hour_count, u->in_period, u->period_count};
	store_bind_text(st, 1, uri);
	store_bind_text(st, 2, kms_user_state_name(u->state));
	for (int i = 0; i < 7; i++)
		store_bind_int(st, 3 + i, numbers[i]);
	return store_step(st);
}

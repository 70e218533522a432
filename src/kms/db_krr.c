/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_krr.c - reports of redirect responses that users met (kms.md 11.5, 15B): kept as received, each once.
 */
#include <stdio.h>

#include <openssl/evp.h>

#include "kms/db.h"

const char kms_krr_migration[] =
    "CREATE TABLE krr(id INTEGER PRIMARY KEY AUTOINCREMENT, reporter TEXT NOT NULL, received INTEGER NOT NULL,"
    " receiver TEXT NOT NULL, kms TEXT NOT NULL, verdict TEXT NOT NULL, alerts TEXT NOT NULL, hash BLOB NOT NULL,"
    " body BLOB NOT NULL, UNIQUE(reporter, hash)) STRICT;"
    "CREATE INDEX krr_reporter ON krr(reporter, received);"
    "CREATE INDEX krr_receiver ON krr(receiver, received);";

enum store_err kms_db_krr_put(struct kms_db *db, const struct kms_krr_row *row)
{
	uint8_t hash[32];
	unsigned n = sizeof hash;
	if (EVP_Digest(row->body.p, row->body.len, hash, &n, EVP_sha256(), NULL) != 1)
		return STORE_BROKEN;
	struct store_stmt *st =
	    store_sql(db->store, "INSERT INTO krr(reporter, received, receiver, kms, verdict, alerts, "
				 "hash, body) VALUES(?,?,?,?,?,?,?,?)");
	store_bind_text(st, 1, row->reporter);
	store_bind_int(st, 2, row->received);
	store_bind_text(st, 3, row->receiver);
	store_bind_text(st, 4, row->kms);
	store_bind_text(st, 5, row->verdict);
	store_bind_text(st, 6, row->alerts);
	store_bind_blob(st, 7, OCTETS(hash));
	store_bind_blob(st, 8, row->body);
	return store_step(st);
}

static enum store_err count(struct store_stmt *st, int64_t *out)
{
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		*out = store_int(st, 0);
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e ? e : STORE_BROKEN;
}

enum store_err kms_db_krr_counts(struct kms_db *db, const struct kms_krr_row *row, int64_t from, int64_t *reports,
				 int64_t *others)
{
	struct store_stmt *st = store_sql(db->store, "SELECT count(*) FROM krr WHERE reporter=? AND received>?");
	store_bind_text(st, 1, row->reporter);
	store_bind_int(st, 2, from);
	enum store_err e = count(st, reports);
	if (e)
		return e;
	st = store_sql(db->store,
		       "SELECT count(*) FROM krr WHERE receiver=? AND received>? AND kms<>? AND kms<>'' AND ?3<>''");
	store_bind_text(st, 1, row->receiver);
	store_bind_int(st, 2, from);
	store_bind_text(st, 3, row->kms);
	return count(st, others);
}

enum store_err kms_db_krr_each(struct kms_db *db, int64_t limit, void (*each)(void *ctx, const struct kms_krr_row *r),
			       void *ctx)
{
	struct kms_krr_row r;
	struct store_stmt *st =
	    store_sql(db->store, "SELECT id, received, reporter, receiver, kms, verdict, alerts, body "
				 "FROM krr ORDER BY id DESC LIMIT ?");
	store_bind_int(st, 1, limit);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		r.id = store_int(st, 0);
		r.received = store_int(st, 1);
		snprintf(r.reporter, sizeof r.reporter, "%s", store_text(st, 2));
		snprintf(r.receiver, sizeof r.receiver, "%s", store_text(st, 3));
		snprintf(r.kms, sizeof r.kms, "%s", store_text(st, 4));
		snprintf(r.verdict, sizeof r.verdict, "%s", store_text(st, 5));
		snprintf(r.alerts, sizeof r.alerts, "%s", store_text(st, 6));
		r.body = store_blob(st, 7);
		each(ctx, &r);
	}
	store_reset(st);
	return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* db_watch.c - see db_watch.h. The mark goes back only when an officer accepted an earlier time: the guard decides. */
#include "kms/db_watch.h"

const char kms_db_watch_tables[] =
    "CREATE TABLE clock(id INTEGER PRIMARY KEY CHECK(id=1), seen_ns INTEGER NOT NULL) STRICT;";

static enum store_err read_one(struct store_stmt *st, int64_t *out)
{
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		*out = store_int(st, 0);
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e;
}

enum store_err kms_db_clock(struct kms_db *db, int64_t *seen_ns)
{
	*seen_ns = 0;
	return read_one(store_sql(db->store, "SELECT seen_ns FROM clock WHERE id=1"), seen_ns);
}

enum store_err kms_db_clock_put(struct kms_db *db, int64_t seen_ns)
{
	struct store_stmt *st = store_sql(db->store, "INSERT INTO clock(id, seen_ns) VALUES(1, ?) "
						     "ON CONFLICT(id) DO UPDATE SET seen_ns=excluded.seen_ns");
	store_bind_int(st, 1, seen_ns);
	return store_step(st);
}

enum store_err kms_db_without_next(struct kms_db *db, int64_t period, int64_t *n)
{
	struct store_stmt *st =
	    store_sql(db->store, "SELECT count(*) FROM user WHERE state='active' AND last_period=?");
	store_bind_int(st, 1, period);
	return read_one(st, n);
}

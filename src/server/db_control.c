/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_control.c - SRTCP indices that are given away (media 4, M-D14).
 *
 * One row a CSK-ID, never reset and never made smaller: whoever takes a block has it alone, before and after a crash. A
 * row outlives its CSK by a month, in case the same key is uploaded once more.
 */
#include "server/db.h"

const char db_control_schema[] =
    "CREATE TABLE control(csk_id INTEGER PRIMARY KEY, next INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX control_at ON control(at);";

enum { KEPT_S = 30 * 86400 };

static enum store_err forget_old(struct db *d)
{
	struct store_stmt *st =
	    store_sql(d->store, "DELETE FROM control WHERE at < ? AND csk_id NOT IN (SELECT csk_id FROM bindings)");
	store_bind_int(st, 1, db_now() - KEPT_S);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

enum store_err db_take_indices(struct db *d, uint32_t csk_id, uint32_t *first, uint32_t *end)
{
	enum { LIMIT = INT32_MAX };
	*first = *end = 0;
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	e = forget_old(d);
	struct store_stmt *st =
	    store_sql(d->store, "INSERT INTO control(csk_id, next, at) VALUES(?1, 1 + ?2, ?3) ON CONFLICT(csk_id)"
				" DO UPDATE SET next = next + ?2, at = ?3 WHERE next <= ?4 RETURNING next");
	store_bind_int(st, 1, csk_id);
	store_bind_int(st, 2, DB_INDICES);
	store_bind_int(st, 3, db_now());
	store_bind_int(st, 4, LIMIT - DB_INDICES);
	int64_t next = 0;
	enum store_err step = e == STORE_OK ? store_step(st) : e;
	if (step == STORE_ROW) {
		next = store_int(st, 0);
		step = store_step(st);
	}
	store_reset(st);
	e = db_finish(d, step);
	if (e == STORE_OK && next > DB_INDICES) {
		*first = (uint32_t)(next - DB_INDICES);
		*end = (uint32_t)next;
	}
	return e;
}

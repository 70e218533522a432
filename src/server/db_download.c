/* SPDX-License-Identifier: Apache-2.0 */
/* db_download.c - pending key downloads, MuSiKs and their holders (see db_download.h). */
#include "server/db_download.h"

/* Of the bindings; a table that takes their place needs them again. */
#define DB_DOWNLOAD_TRIGGERS                                                                                           \
	"CREATE TRIGGER binding_gone AFTER DELETE ON bindings BEGIN"                                                   \
	" DELETE FROM downloads WHERE binding=OLD.id; DELETE FROM musik_holders WHERE binding=OLD.id; END;"            \
	"CREATE TRIGGER csk_replaced AFTER UPDATE OF csk_id ON bindings WHEN OLD.csk_id <> NEW.csk_id BEGIN"           \
	" DELETE FROM downloads WHERE binding=NEW.id AND kind=0; END;"

const char db_download_schema[] =
    "CREATE TABLE downloads(binding INTEGER NOT NULL, kind INTEGER NOT NULL, k_id INTEGER NOT NULL, key BLOB NOT NULL,"
    " rand BLOB NOT NULL, t INTEGER NOT NULL, follows INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, PRIMARY KEY(binding, kind)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE musiks(k_id INTEGER PRIMARY KEY, key BLOB NOT NULL, rand BLOB NOT NULL, made INTEGER NOT NULL,"
    " expires INTEGER NOT NULL) STRICT;"
    "CREATE TABLE musik_holders(k_id INTEGER NOT NULL, binding INTEGER NOT NULL, PRIMARY KEY(k_id, binding)) STRICT,"
    " WITHOUT ROWID;" DB_DOWNLOAD_TRIGGERS;

const char db_download_triggers[] = DB_DOWNLOAD_TRIGGERS;

/* TS 33.180 4.3.4.1: what each client can do, and what a pending CSK is for; without a word it is 0101. */
const char db_suites_schema[] = "ALTER TABLE bindings ADD COLUMN wanted INTEGER NOT NULL DEFAULT 257;"
				"ALTER TABLE bindings ADD COLUMN offered TEXT NOT NULL DEFAULT '0101';"
				"ALTER TABLE downloads ADD COLUMN suite INTEGER NOT NULL DEFAULT 257;";

enum db_changed db_download_save(struct db *d, const struct db_download *row)
{
	struct store_stmt *st = store_sql(
	    d->store,
	    "INSERT OR REPLACE INTO downloads(binding, kind, k_id, key, rand, t, follows, reason, attempt,"
	    " suite) SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM bindings WHERE id=?1 AND csk IS NOT NULL"
	    " AND (?2<>0 OR csk_id=?7)");
	store_bind_int(st, 1, row->binding);
	store_bind_int(st, 2, row->kind);
	store_bind_int(st, 3, row->k_id);
	store_bind_blob(st, 4, OCTETS(row->key));
	store_bind_blob(st, 5, OCTETS(row->rand));
	store_bind_int(st, 6, (int64_t)row->t);
	store_bind_int(st, 7, row->follows);
	store_bind_int(st, 8, row->reason);
	store_bind_int(st, 9, row->attempt);
	store_bind_int(st, 10, row->suite);
	enum store_err e = store_step(st);
	int changed = e == STORE_OK && store_changes(d->store) == 1;
	store_reset(st);
	return e != STORE_OK ? DB_FAILED : changed ? DB_CHANGED : DB_OVERTAKEN;
}

/* UPDATE or INSERT of one row with its condition, inside a transaction; *changed tells whether it held. */
static enum store_err settle_csk(struct db *d, const struct db_download *row, int *changed)
{
	struct store_stmt *st =
	    store_sql(d->store, "UPDATE bindings SET csk=?3, csk_id=?2, rand=?4, t=?5, suite=?6 WHERE id=?1 AND EXISTS"
				"(SELECT 1 FROM downloads WHERE binding=?1 AND kind=0 AND k_id=?2)");
	store_bind_int(st, 1, row->binding);
	store_bind_int(st, 2, row->k_id);
	store_bind_blob(st, 3, OCTETS(row->key));
	store_bind_blob(st, 4, OCTETS(row->rand));
	store_bind_int(st, 5, (int64_t)row->t);
	store_bind_int(st, 6, row->suite);
	enum store_err e = store_step(st);
	*changed = e == STORE_OK && store_changes(d->store) == 1;
	store_reset(st);
	return e;
}

static enum store_err settle_musik(struct db *d, const struct db_download *row, int *changed)
{
	struct store_stmt *st =
	    store_sql(d->store, "INSERT OR REPLACE INTO musik_holders(k_id, binding) SELECT k_id, ?2 FROM musiks"
				" WHERE k_id=?1 AND EXISTS(SELECT 1 FROM bindings WHERE id=?2)");
	store_bind_int(st, 1, row->k_id);
	store_bind_int(st, 2, row->binding);
	enum store_err e = store_step(st);
	*changed = e == STORE_OK && store_changes(d->store) == 1;
	store_reset(st);
	if (e != STORE_OK || !*changed)
		return e;
	st = store_sql(d->store, "DELETE FROM downloads WHERE binding=? AND kind=1");
	store_bind_int(st, 1, row->binding);
	e = store_step(st);
	store_reset(st);
	return e;
}

/* What the change of a CSK says of its algorithms: which, and whether the client had wanted another more (mikey.md 8).
 */
struct about_suite {
	char suite[8], downgrade[24];
	const char *type; /* of a record of its own; NULL: the suite stays */
};

static void look_at_suite(const struct db_download *row, const struct db_binding *b, struct about_suite *out)
{
	*out = (struct about_suite){0};
	snprintf(out->suite, sizeof out->suite, "%04x", row->suite);
	int down = suite_downgrades(&b->offered, b->wanted, row->suite);
	if (down)
		snprintf(out->downgrade, sizeof out->downgrade, "%04x to %04x", b->wanted, row->suite);
	if (row->kind == KD_CSK && row->suite != b->suite)
		out->type = down ? "alg.downgrade" : "alg.select";
}

static enum store_err record_suite(struct db *d, const struct db_download *row, const struct db_binding *b,
				   const struct about_suite *about)
{
	struct audit_record r = {.class_ = 'K',
				 .type = about->type,
				 .actor = b->server_id,
				 .target = b->mcptt_id,
				 .reason = kd_reason_name(row->reason),
				 .n_key_ids = 1,
				 .key_ids = {row->k_id}};
	audit_detail(&r, "client", b->client_id);
	audit_detail(&r, "suite", about->suite);
	if (*about->downgrade)
		audit_detail(&r, "downgrade", about->downgrade);
	return about->type ? db_record(d, &r) : STORE_OK;
}

enum db_changed db_download_settle(struct db *d, const struct db_download *row, const struct db_binding *b)
{
	int changed = 0;
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return DB_FAILED;
	e = row->kind == KD_CSK ? settle_csk(d, row, &changed) : settle_musik(d, row, &changed);
	if (e == STORE_OK && !changed) {
		store_rollback(d->store);
		return DB_OVERTAKEN;
	}
	struct audit_record r = {.class_ = 'K',
				 .type = row->kind == KD_CSK ? "csk.download" : "musik.download",
				 .actor = b->server_id,
				 .target = b->mcptt_id,
				 .kms_responder = b->kms_uri,
				 .reason = kd_reason_name(row->reason),
				 .n_key_ids = 1,
				 .key_ids = {row->k_id}};
	struct about_suite about;
	look_at_suite(row, b, &about);
	audit_detail(&r, "client", b->client_id);
	if (row->kind == KD_CSK)
		audit_detail(&r, "suite", about.suite);
	if (row->kind == KD_CSK && *about.downgrade)
		audit_detail(&r, "downgrade", about.downgrade);
	if (e == STORE_OK)
		e = record_suite(d, row, b, &about);
	if (e == STORE_OK)
		e = db_record(d, &r);
	return db_finish(d, e) == STORE_OK ? DB_CHANGED : DB_FAILED;
}

enum store_err db_download_erase(struct db *d, const struct db_download *row)
{
	struct store_stmt *st = store_sql(d->store, "DELETE FROM downloads WHERE binding=? AND kind=? AND k_id=?");
	store_bind_int(st, 1, row->binding);
	store_bind_int(st, 2, row->kind);
	store_bind_int(st, 3, row->k_id);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

static int copy_blob(void *to, size_t size, struct octets from)
{
	if (from.len != size)
		return -1;
	memcpy(to, from.p, size);
	return 0;
}

enum store_err db_each_download(struct db *d, int (*each)(void *, const struct db_download *), void *ctx)
{
	struct store_stmt *st =
	    store_sql(d->store, "SELECT binding, kind, k_id, key, rand, t, follows, reason, attempt, suite"
				" FROM downloads");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct db_download row = {.binding = store_int(st, 0),
					  .kind = (enum kd_kind)store_int(st, 1),
					  .k_id = (uint32_t)store_int(st, 2),
					  .t = (uint64_t)store_int(st, 5),
					  .follows = (uint32_t)store_int(st, 6),
					  .reason = (enum kd_reason)store_int(st, 7),
					  .attempt = (uint8_t)store_int(st, 8),
					  .suite = (uint16_t)store_int(st, 9)};
		if (copy_blob(row.key, sizeof row.key, store_blob(st, 3)) ||
		    copy_blob(row.rand, sizeof row.rand, store_blob(st, 4)) || row.kind > KD_MUSIK ||
		    row.reason >= KD_REASONS || each(ctx, &row)) {
			e = STORE_BROKEN;
			break;
		}
	}
	store_reset(st);
	return e;
}

/* ---- MuSiK ---- */

static enum store_err insert_musik(struct db *d, const struct db_musik *m)
{
	struct store_stmt *st =
	    store_sql(d->store, "INSERT INTO musiks(k_id, key, rand, made, expires) VALUES(?,?,?,?,?)");
	store_bind_int(st, 1, m->k_id);
	store_bind_blob(st, 2, OCTETS(m->key));
	store_bind_blob(st, 3, OCTETS(m->rand));
	store_bind_int(st, 4, m->made);
	store_bind_int(st, 5, m->expires);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

enum store_err db_musik_put(struct db *d, const struct db_musik *m, const char *officer)
{
	enum store_err e = store_begin(d->store);
	if (e != STORE_OK)
		return e;
	e = store_run(d->store, "DELETE FROM musiks; DELETE FROM musik_holders; DELETE FROM downloads WHERE kind=1");
	if (e == STORE_OK)
		e = insert_musik(d, m);
	struct audit_record r = {
	    .class_ = 'K', .type = "musik.make", .actor = officer, .n_key_ids = 1, .key_ids = {m->k_id}};
	if (e == STORE_OK)
		e = db_record(d, &r);
	return db_finish(d, e);
}

enum store_err db_musik_get(struct db *d, struct db_musik *m)
{
	struct store_stmt *st =
	    store_sql(d->store, "SELECT k_id, key, rand, made, expires FROM musiks ORDER BY made DESC LIMIT 1");
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		m->k_id = (uint32_t)store_int(st, 0);
		m->made = store_int(st, 3);
		m->expires = store_int(st, 4);
		if (copy_blob(m->key, sizeof m->key, store_blob(st, 1)) ||
		    copy_blob(m->rand, sizeof m->rand, store_blob(st, 2)))
			e = STORE_BROKEN;
	}
	store_reset(st);
	return e;
}

enum store_err db_each_holder(struct db *d, uint32_t k_id, int (*each)(void *, int64_t), void *ctx)
{
	struct store_stmt *st = store_sql(d->store, "SELECT binding FROM musik_holders WHERE k_id=?");
	store_bind_int(st, 1, k_id);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW)
		if (each(ctx, store_int(st, 0))) {
			e = STORE_BROKEN;
			break;
		}
	store_reset(st);
	return e;
}

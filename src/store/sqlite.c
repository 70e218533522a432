/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.c - the SQLite driver of store.h.
 *
 * A database is ours when its application_id is ours; user_version counts the migrations it has run. Each migration
 * runs in its own immediate transaction that reads the count again first, so processes and threads may open the same
 * fresh file at once. The file is never opened and closed beside SQLite: closing any descriptor of it would drop the
 * POSIX locks of the other connections of this process.
 * Durability: WAL with synchronous=FULL syncs the log at each commit, so a commit that returned survives kill -9 and
 * loss of power.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/store.h"

enum { APPLICATION_ID = 0x6d637873 /* "mcxs" */, BUSY_TIMEOUT_MS = 2000 };

struct store_stmt {
	struct store_stmt *next;
	struct store *store;
	sqlite3_stmt *stmt;     /* NULL when it could not be prepared */
	enum store_err pending; /* a failure before the first step */
	char *sql;
};

struct store {
	sqlite3 *db;
	struct store_stmt *statements;
	struct store_stmt no_memory; /* what store_sql gives out when there is none */
	int open;                    /* what happens from here on the observer hears of */
	int group, inside;           /* between group_begin and group_commit; between begin and its end there */
	char error[256];
};

const char *store_err_name(enum store_err e)
{
	static const char *const names[] = {"ok", "row", "busy", "full", "readonly", "conflict", "broken"};
	return (unsigned)e < sizeof names / sizeof *names ? names[e] : "unknown";
}

/* A full disk shows as SQLITE_FULL or as an I/O error with one of the errno values that mean it. */
static enum store_err io_verdict(sqlite3 *db)
{
	switch (db ? sqlite3_system_errno(db) : errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return STORE_FULL;
	case EROFS:
	case EACCES:
	case EPERM:
		return STORE_READONLY;
	default:
		return STORE_BROKEN;
	}
}

static enum store_err verdict(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return STORE_OK;
	case SQLITE_ROW:
		return STORE_ROW;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return STORE_BUSY;
	case SQLITE_FULL:
	case SQLITE_NOMEM:
		return STORE_FULL;
	case SQLITE_READONLY:
		return STORE_READONLY;
	case SQLITE_CONSTRAINT:
		return STORE_CONFLICT;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return io_verdict(db);
	default:
		return STORE_BROKEN;
	}
}

static void (*observer)(enum store_err e, const char *text);

void store_observe(void (*fn)(enum store_err e, const char *text))
{
	observer = fn;
}

static void observe(enum store_err e, const char *text)
{
	if (observer)
		observer(e, text);
}

static enum store_err failed(struct store *s, int rc)
{
	enum store_err e = verdict(s->db, rc);
	if (e == STORE_OK || e == STORE_ROW)
		return e;
	snprintf(s->error, sizeof s->error, "%s: %s", store_err_name(e), sqlite3_errmsg(s->db));
	if (s->open && e != STORE_CONFLICT)
		observe(e, s->error);
	return e;
}

const char *store_error_text(const struct store *s)
{
	return s->error;
}

/* ---- the file ---- */

/* One at a time: see the opening comment for why the descriptor must be closed before anybody else opens the file. */
static pthread_mutex_t create_lock = PTHREAD_MUTEX_INITIALIZER;

static enum store_err create_file(const char *path)
{
	pthread_mutex_lock(&create_lock);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&create_lock);
	errno = saved;
	return fd >= 0 || saved == EEXIST ? STORE_OK : io_verdict(NULL);
}

static enum store_err check_file(const char *path, char *err, size_t err_size)
{
	struct stat st;
	if (lstat(path, &st)) {
		snprintf(err, err_size, "%s: cannot be opened (errno %d)", path, errno);
		return io_verdict(NULL);
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077)) {
		snprintf(err, err_size, "%s: must be a regular file with mode 0600, it is %04o", path,
			 st.st_mode & 07777);
		return STORE_BROKEN;
	}
	return STORE_OK;
}

/* ---- migrations ---- */

static enum store_err read_int(struct store *s, const char *sql, int64_t *out)
{
	struct store_stmt *st = store_sql(s, sql);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		*out = store_int(st, 0);
		e = STORE_OK;
	} else if (e == STORE_OK) {
		e = STORE_BROKEN;
	}
	store_reset(st);
	return e;
}

/* Inside a transaction: a file without tables becomes ours. */
static enum store_err adopt(struct store *s)
{
	int64_t id = 0, tables = 0;
	enum store_err e = read_int(s, "PRAGMA application_id", &id);
	if (e || id == APPLICATION_ID)
		return e;
	e = read_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
	if (e)
		return e;
	if (id != 0 || tables != 0) {
		snprintf(s->error, sizeof s->error, "broken: a database of another program");
		return STORE_BROKEN;
	}
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA application_id=%d", APPLICATION_ID);
	return store_run(s, sql);
}

static enum store_err run_migration(struct store *s, const char *script, size_t number)
{
	enum store_err e = store_run(s, script);
	if (e)
		return e;
	int64_t lax = 0;
	e = read_int(s,
		     "SELECT count(*) FROM pragma_table_list WHERE schema='main' AND type='table' AND strict=0 "
		     "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
		     &lax);
	if (e)
		return e;
	if (lax) {
		snprintf(s->error, sizeof s->error, "broken: migration %zu makes a table that is not STRICT", number);
		return STORE_BROKEN;
	}
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA user_version=%zu", number);
	return store_run(s, sql);
}

static enum store_err migrate_next(struct store *s, const struct store_options *o, int *done)
{
	enum store_err e = store_begin(s);
	if (e)
		return e;
	int64_t version = 0;
	e = adopt(s);
	if (!e)
		e = read_int(s, "PRAGMA user_version", &version);
	if (!e && (version < 0 || (uint64_t)version > o->n_migrations)) {
		snprintf(s->error, sizeof s->error, "broken: made by a newer version (%lld migrations, we know %zu)",
			 (long long)version, o->n_migrations);
		e = STORE_BROKEN;
	}
	if (!e && (uint64_t)version < o->n_migrations)
		e = run_migration(s, o->migrations[version], (size_t)version + 1);
	else
		*done = 1;
	if (!e)
		return store_commit(s);
	store_rollback(s);
	return e;
}

static enum store_err migrate(struct store *s, const struct store_options *o)
{
	int done = 0;
	enum store_err e = STORE_OK;
	while (!e && !done)
		e = migrate_next(s, o, &done);
	return e;
}

static enum store_err check_ours(struct store *s)
{
	int64_t id = 0;
	enum store_err e = read_int(s, "PRAGMA application_id", &id);
	if (!e && id != APPLICATION_ID) {
		snprintf(s->error, sizeof s->error, "broken: a database of another program");
		e = STORE_BROKEN;
	}
	return e;
}

/* ---- open and close ---- */

/* The change of a fresh file to WAL meets BUSY at once, without SQLite's own waiting, when another one is at it. */
static enum store_err use_wal(struct store *s, unsigned timeout_ms)
{
	enum { STEP_MS = 5 };
	enum store_err e = store_run(s, "PRAGMA journal_mode=WAL");
	for (unsigned waited = 0; e == STORE_BUSY && waited < timeout_ms; waited += STEP_MS) {
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
		e = store_run(s, "PRAGMA journal_mode=WAL");
	}
	return e;
}

static enum store_err set_up(struct store *s, const struct store_options *o)
{
	static const char *const always =
	    "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;";
	static const char *const writing = "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;";
	unsigned timeout_ms = o->busy_timeout_ms ? o->busy_timeout_ms : BUSY_TIMEOUT_MS;
	sqlite3_busy_timeout(s->db, (int)timeout_ms);
	enum store_err e = store_run(s, always);
	if (e)
		return e;
	if (o->read_only)
		return check_ours(s);
	e = use_wal(s, timeout_ms);
	if (!e)
		e = store_run(s, writing);
	return e ? e : migrate(s, o);
}

enum store_err store_open(struct store **out, const struct store_options *o, char *err, size_t err_size)
{
	*out = NULL;
	enum store_err e = o->read_only ? STORE_OK : create_file(o->path);
	if (e == STORE_OK)
		e = check_file(o->path, err, err_size);
	else
		snprintf(err, err_size, "%s: cannot be created (errno %d)", o->path, errno);
	if (e)
		return e;
	struct store *s = calloc(1, sizeof *s);
	if (!s) {
		snprintf(err, err_size, "no memory");
		return STORE_FULL;
	}
	s->no_memory = (struct store_stmt){.store = s, .pending = STORE_FULL};
	int mode = o->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int rc = sqlite3_open_v2(o->path, &s->db, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	e = rc == SQLITE_OK ? set_up(s, o) : failed(s, rc);
	if (e) {
		snprintf(err, err_size, "%s: %s", o->path, s->error);
		observe(e, err);
		store_close(s);
		return e;
	}
	s->open = 1;
	*out = s;
	return STORE_OK;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	while (s->statements) {
		struct store_stmt *st = s->statements;
		s->statements = st->next;
		sqlite3_finalize(st->stmt);
		free(st->sql);
		free(st);
	}
	sqlite3_close(s->db);
	free(s);
}

/* ---- transactions ---- */

enum store_err store_run(struct store *s, const char *sql)
{
	return failed(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

/* After a full disk or an I/O error SQLite itself has rolled all of it back. */
static int group_is_lost(const struct store *s)
{
	return s->group && sqlite3_get_autocommit(s->db);
}

static enum store_err step_alone(struct store *s, const char *sql)
{
	return group_is_lost(s) ? STORE_FULL : store_step(store_sql(s, sql));
}

enum store_err store_begin(struct store *s)
{
	if (!s->group)
		return store_run(s, "BEGIN IMMEDIATE");
	enum store_err e = step_alone(s, "SAVEPOINT one");
	s->inside = e == STORE_OK;
	return e;
}

enum store_err store_commit(struct store *s)
{
	if (s->group) {
		enum store_err kept = step_alone(s, "RELEASE one");
		if (kept)
			store_rollback(s);
		s->inside = 0;
		return kept;
	}
	enum store_err e = store_run(s, "COMMIT");
	if (e)
		store_rollback(s);
	else if (s->open)
		observe(STORE_OK, "");
	return e;
}

void store_rollback(struct store *s)
{
	for (struct store_stmt *st = s->statements; st; st = st->next)
		sqlite3_reset(st->stmt);
	if (store_in_transaction(s))
		sqlite3_exec(s->db, s->group ? "ROLLBACK TO one; RELEASE one" : "ROLLBACK", NULL, NULL, NULL);
	s->inside = 0;
}

int store_in_transaction(const struct store *s)
{
	return !sqlite3_get_autocommit(s->db) && (!s->group || s->inside);
}

enum store_err store_group_begin(struct store *s)
{
	enum store_err e = store_begin(s);
	s->group = e == STORE_OK;
	return e;
}

enum store_err store_group_commit(struct store *s)
{
	int lost = group_is_lost(s);
	s->group = s->inside = 0;
	return lost ? STORE_FULL : store_commit(s);
}

int64_t store_changes(const struct store *s)
{
	return sqlite3_changes64(s->db);
}

/* ---- statements ---- */

static struct store_stmt *statement_new(struct store *s, const char *sql)
{
	struct store_stmt *st = calloc(1, sizeof *st);
	char *copy = strdup(sql);
	if (!st || !copy) {
		free(st);
		free(copy);
		return NULL;
	}
	*st = (struct store_stmt){.next = s->statements, .store = s, .sql = copy};
	s->statements = st;
	return st;
}

struct store_stmt *store_sql(struct store *s, const char *sql)
{
	struct store_stmt *st = s->statements;
	while (st && strcmp(st->sql, sql) != 0)
		st = st->next;
	if (!st)
		st = statement_new(s, sql);
	if (!st) {
		snprintf(s->error, sizeof s->error, "full: no memory");
		return &s->no_memory;
	}
	st->pending = STORE_OK;
	if (!st->stmt) { /* new, or the last try met a locked or damaged schema */
		int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt, NULL);
		st->pending = rc == SQLITE_OK && !st->stmt ? STORE_BROKEN : failed(s, rc);
		return st;
	}
	sqlite3_reset(st->stmt);
	sqlite3_clear_bindings(st->stmt);
	return st;
}

static void bound(struct store_stmt *st, int rc)
{
	if (rc != SQLITE_OK && !st->pending)
		st->pending = failed(st->store, rc);
}

void store_bind_int(struct store_stmt *st, int at, int64_t v)
{
	if (st->stmt)
		bound(st, sqlite3_bind_int64(st->stmt, at, v));
}

void store_bind_text(struct store_stmt *st, int at, const char *v)
{
	if (st->stmt)
		bound(st, sqlite3_bind_text(st->stmt, at, v, -1, SQLITE_STATIC));
}

void store_bind_blob(struct store_stmt *st, int at, struct octets v)
{
	if (st->stmt)
		bound(st, sqlite3_bind_blob64(st->stmt, at, v.len ? (const void *)v.p : "", v.len, SQLITE_STATIC));
}

void store_bind_null(struct store_stmt *st, int at)
{
	if (st->stmt)
		bound(st, sqlite3_bind_null(st->stmt, at));
}

enum store_err store_step(struct store_stmt *st)
{
	if (st->pending)
		return st->pending;
	enum store_err e = failed(st->store, sqlite3_step(st->stmt));
	if (e != STORE_ROW)
		sqlite3_reset(st->stmt);
	return e;
}

int64_t store_int(struct store_stmt *st, int col)
{
	return sqlite3_column_int64(st->stmt, col);
}

const char *store_text(struct store_stmt *st, int col)
{
	const char *t = (const char *)sqlite3_column_text(st->stmt, col);
	return t ? t : "";
}

struct octets store_blob(struct store_stmt *st, int col)
{
	const uint8_t *p = sqlite3_column_blob(st->stmt, col);
	return (struct octets){p, (size_t)sqlite3_column_bytes(st->stmt, col)};
}

int store_is_null(struct store_stmt *st, int col)
{
	return sqlite3_column_type(st->stmt, col) == SQLITE_NULL;
}

void store_reset(struct store_stmt *st)
{
	if (st->stmt)
		sqlite3_reset(st->stmt);
}

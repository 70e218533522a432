/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the one small interface to a daemon's database; SQLite behind it (WAL, synchronous=FULL, STRICT tables).
 *
 * A store is one connection: each thread has its own, or the caller serialises. Migrations are an ordered list of SQL
 * scripts; the database remembers how many it has run. A statement is prepared once, bound, stepped and reset.
 * Every failure is one of few verdicts, because the caller's answer depends on them: busy and full become 503.
 * Secret columns hold ciphertext only: nothing here encrypts.
 */
#ifndef MCX_STORE_H
#define MCX_STORE_H

#include "sec/base/bytes.h"

enum store_err {
	STORE_OK = 0,
	STORE_ROW,      /* step: a row is there                         */
	STORE_BUSY,     /* locked longer than the timeout               */
	STORE_FULL,     /* disk, quota, file size limit or memory       */
	STORE_READONLY, /* file or file system is read-only             */
	STORE_CONFLICT, /* a constraint refused the change              */
	STORE_BROKEN,   /* damaged, not a database of ours, or bad SQL  */
};
const char *store_err_name(enum store_err e);

/*
 * Told of every failure an operator should know of (busy, full, read-only, broken; never a conflict) with its sentence,
 * and of every commit (STORE_OK, ""); for the whole process, from any thread. Set before the first store is opened.
 */
void store_observe(void (*fn)(enum store_err e, const char *text));

struct store;
struct store_stmt;

struct store_options {
	const char *path; /* created with mode 0600; refused when wider */
	const char *const *migrations;
	size_t n_migrations;
	unsigned busy_timeout_ms;
	int read_only; /* look only: the file must exist, no migration runs */
};

/* *out is NULL unless STORE_OK; err receives a sentence for the log. */
enum store_err store_open(struct store **out, const struct store_options *o, char *err, size_t err_size);
void store_close(struct store *s); /* NULL is allowed; an open transaction is rolled back */
/* What the last failure of this connection was, for the log; never NULL. No bound value is in it. */
const char *store_error_text(const struct store *s);

/*
 * BEGIN IMMEDIATE; COMMIT is durable when it returns STORE_OK, and has rolled back when it does not. Rollback never
 * fails and may be called without a transaction.
 */
enum store_err store_begin(struct store *s);
enum store_err store_commit(struct store *s);
void store_rollback(struct store *s);
int store_in_transaction(const struct store *s);
/*
 * Transactions of several callers under one commit. Between the two, begin opens a savepoint, which commit keeps and
 * rollback undoes; durable is all of it when group_commit returns STORE_OK, and none of it when it does not.
 */
enum store_err store_group_begin(struct store *s);
enum store_err store_group_commit(struct store *s);

/*
 * Prepared once per SQL text and kept by the store; reset and unbound when given out. Never NULL: a statement that
 * cannot be prepared or bound says so at its first step.
 */
struct store_stmt *store_sql(struct store *s, const char *sql);
/* Parameters are numbered from 1. Octets and text must live until the next store_sql of the same statement. */
void store_bind_int(struct store_stmt *st, int at, int64_t v);
void store_bind_text(struct store_stmt *st, int at, const char *v); /* NULL binds NULL */
void store_bind_blob(struct store_stmt *st, int at, struct octets v);
void store_bind_null(struct store_stmt *st, int at);
/* STORE_ROW while rows come, STORE_OK at the end, else the verdict. After either of these it is reset by itself. */
enum store_err store_step(struct store_stmt *st);
/* Columns are numbered from 0 and live until the next step or reset. */
int64_t store_int(struct store_stmt *st, int col);
const char *store_text(struct store_stmt *st, int col); /* "" for NULL */
struct octets store_blob(struct store_stmt *st, int col);
int store_is_null(struct store_stmt *st, int col);
/* Needed when a statement is left before its last row, so that it does not hold its read lock. */
void store_reset(struct store_stmt *st);
/* SQL without parameters or rows; several statements may stand in it. */
enum store_err store_run(struct store *s, const char *sql);
/* Rows changed by the last INSERT, UPDATE or DELETE. */
int64_t store_changes(const struct store *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c - the SQLite driver: verdicts, migrations, file modes, durability (DESIGN.md 5, issue "Bad input"). */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit/kms/scratch.h"
#include "store/store.h"

static const char *const two[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB) STRICT;",
    "ALTER TABLE t ADD COLUMN more INTEGER; CREATE UNIQUE INDEX t_name ON t(name);",
};

struct fixture {
	struct scratch scratch;
	char path[400];
	char err[256];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	scratch_make(&f->scratch);
	strcpy(f->path, scratch_path(&f->scratch, "db"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static enum store_err open_with(struct fixture *f, const char *const *migrations, size_t n, struct store **out)
{
	struct store_options o = {.path = f->path, .migrations = migrations, .n_migrations = n, .busy_timeout_ms = 50};
	return store_open(out, &o, f->err, sizeof f->err);
}

static struct store *open_two(struct fixture *f)
{
	struct store *s;
	assert_int_equal(open_with(f, two, 2, &s), STORE_OK);
	return s;
}

static enum store_err insert(struct store *s, const char *name, size_t data_len)
{
	static const uint8_t data[4096];
	struct store_stmt *st = store_sql(s, "INSERT INTO t(name, data) VALUES(?,?)");
	store_bind_text(st, 1, name);
	store_bind_blob(st, 2, (struct octets){data, data_len});
	return store_step(st);
}

static int64_t count(struct store *s)
{
	struct store_stmt *st = store_sql(s, "SELECT count(*) FROM t");
	assert_int_equal(store_step(st), STORE_ROW);
	int64_t n = store_int(st, 0);
	store_reset(st);
	return n;
}

static void what_is_written_reads_back_with_its_type(void **state)
{
	struct store *s = open_two(*state);
	struct store_stmt *st = store_sql(s, "INSERT INTO t(id, name, data, more) VALUES(?,?,?,?)");
	store_bind_int(st, 1, 7);
	store_bind_text(st, 2, "J\xc3\xbcrgen");
	store_bind_blob(st, 3, (struct octets){NULL, 0});
	store_bind_null(st, 4);
	assert_int_equal(store_step(st), STORE_OK);
	assert_int_equal(store_changes(s), 1);
	st = store_sql(s, "SELECT id, name, data, more FROM t WHERE id=?");
	store_bind_int(st, 1, 7);
	assert_int_equal(store_step(st), STORE_ROW);
	assert_int_equal(store_int(st, 0), 7);
	assert_string_equal(store_text(st, 1), "J\xc3\xbcrgen");
	assert_int_equal(store_blob(st, 2).len, 0);
	assert_false(store_is_null(st, 2));
	assert_true(store_is_null(st, 3));
	assert_string_equal(store_text(st, 3), "");
	assert_int_equal(store_step(st), STORE_OK);
	store_close(s);
}

static void a_type_that_does_not_fit_is_a_conflict_because_tables_are_strict(void **state)
{
	struct store *s = open_two(*state);
	struct store_stmt *st = store_sql(s, "INSERT INTO t(more) VALUES(?)");
	store_bind_text(st, 1, "not a number");
	assert_int_equal(store_step(st), STORE_CONFLICT);
	assert_int_equal(count(s), 0);
	store_close(s);
}

static void a_constraint_is_a_conflict_and_changes_nothing(void **state)
{
	struct store *s = open_two(*state);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	assert_int_equal(insert(s, "a", 1), STORE_CONFLICT);
	assert_int_equal(count(s), 1);
	store_close(s);
}

static void bad_sql_is_broken_at_its_step_and_names_itself(void **state)
{
	struct store *s = open_two(*state);
	struct store_stmt *st = store_sql(s, "SELECT nonsense FROM t");
	store_bind_int(st, 1, 1);
	assert_int_equal(store_step(st), STORE_BROKEN);
	assert_non_null(strstr(store_error_text(s), "nonsense"));
	store_reset(st);
	struct store_stmt *range = store_sql(s, "SELECT id FROM t WHERE id=?");
	store_bind_int(range, 2, 1);
	assert_int_equal(store_step(range), STORE_BROKEN);
	store_close(s);
}

static void rollback_undoes_and_may_be_called_without_a_transaction(void **state)
{
	struct store *s = open_two(*state);
	store_rollback(s);
	assert_int_equal(store_begin(s), STORE_OK);
	assert_true(store_in_transaction(s));
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	store_rollback(s);
	assert_false(store_in_transaction(s));
	assert_int_equal(count(s), 0);
	store_close(s);
}

static void the_file_and_its_log_are_0600(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0);
	struct store *s = open_two(f);
	umask(old);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	static const char *const names[] = {"db", "db-wal", "db-shm"};
	for (size_t i = 0; i < 3; i++) {
		struct stat st;
		assert_int_equal(stat(scratch_path(&f->scratch, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	store_close(s);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	store_close(open_two(f));
	assert_int_equal(chmod(f->path, 0640), 0);
	struct store *s;
	assert_int_equal(open_with(f, two, 2, &s), STORE_BROKEN);
	assert_null(s);
	assert_non_null(strstr(f->err, "0600"));
}

static void a_symbolic_link_in_place_of_the_file_is_refused(void **state)
{
	struct fixture *f = *state;
	store_close(open_two(f));
	assert_int_equal(symlink(f->path, scratch_path(&f->scratch, "link")), 0);
	strcpy(f->path, scratch_path(&f->scratch, "link"));
	struct store *s;
	assert_int_equal(open_with(f, two, 2, &s), STORE_BROKEN);
}

static void migrations_run_once_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	assert_int_equal(open_with(f, two, 1, &s), STORE_OK);
	struct store_stmt *st = store_sql(s, "INSERT INTO t(name) VALUES('kept')");
	assert_int_equal(store_step(st), STORE_OK);
	store_close(s);
	s = open_two(f);
	assert_int_equal(count(s), 1);
	store_close(s);
	s = open_two(f);
	assert_int_equal(count(s), 1);
	store_close(s);
}

static void a_migration_that_fails_leaves_the_database_as_it_was(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"CREATE TABLE a(x INTEGER) STRICT;",
					  "CREATE TABLE b(x INTEGER) STRICT; INSERT INTO nowhere VALUES(1);"};
	struct store *s;
	assert_int_equal(open_with(f, bad, 2, &s), STORE_BROKEN);
	assert_non_null(strstr(f->err, "nowhere"));
	assert_int_equal(open_with(f, bad, 1, &s), STORE_OK);
	assert_int_equal(store_step(store_sql(s, "SELECT x FROM b")), STORE_BROKEN);
	store_close(s);
}

static void a_table_that_is_not_strict_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const lax[] = {"CREATE TABLE a(x INTEGER);"};
	struct store *s;
	assert_int_equal(open_with(f, lax, 1, &s), STORE_BROKEN);
	assert_non_null(strstr(f->err, "STRICT"));
}

static void a_newer_database_is_refused(void **state)
{
	struct fixture *f = *state;
	store_close(open_two(f));
	struct store *s;
	assert_int_equal(open_with(f, two, 1, &s), STORE_BROKEN);
	assert_non_null(strstr(f->err, "newer"));
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "this is a letter, not a database, and long enough to be read as a header", 72), 72);
	close(fd);
	struct store *s;
	assert_int_equal(open_with(f, two, 2, &s), STORE_BROKEN);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, 72);
}

static void read_only_sees_the_rows_and_refuses_to_write(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_two(f);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	struct store_options o = {.path = f->path, .read_only = 1};
	struct store *look;
	assert_int_equal(store_open(&look, &o, f->err, sizeof f->err), STORE_OK);
	assert_int_equal(count(look), 1);
	assert_int_equal(insert(look, "b", 1), STORE_READONLY);
	store_close(look);
	store_close(s);
	o.path = scratch_path(&f->scratch, "absent");
	assert_int_not_equal(store_open(&look, &o, f->err, sizeof f->err), STORE_OK);
	assert_int_equal(access(o.path, F_OK), -1);
}

static void a_lock_of_another_connection_is_busy_and_passes(void **state)
{
	struct fixture *f = *state;
	struct store *a = open_two(f), *b = open_two(f);
	assert_int_equal(store_begin(a), STORE_OK);
	assert_int_equal(insert(a, "a", 1), STORE_OK);
	assert_int_equal(store_begin(b), STORE_BUSY);
	assert_int_equal(insert(b, "b", 1), STORE_BUSY);
	assert_int_equal(count(b), 0); /* readers are never blocked and see what was committed */
	assert_int_equal(store_commit(a), STORE_OK);
	assert_int_equal(insert(b, "b", 1), STORE_OK);
	assert_int_equal(count(a), 2);
	store_close(a);
	store_close(b);
}

static void a_group_is_there_for_others_with_its_commit_and_not_before(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_two(f), *other = open_two(f);
	assert_int_equal(store_group_begin(s), STORE_OK);
	assert_false(store_in_transaction(s)); /* of no caller yet */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_begin(s), STORE_OK);
		assert_true(store_in_transaction(s));
		assert_int_equal(insert(s, i ? "b" : "a", 1), STORE_OK);
		assert_int_equal(store_commit(s), STORE_OK);
	}
	assert_int_equal(count(other), 0);
	assert_int_equal(store_group_commit(s), STORE_OK);
	assert_int_equal(count(other), 2);
	assert_int_equal(insert(s, "c", 1), STORE_OK); /* on its own again */
	assert_int_equal(count(other), 3);
	store_close(s);
	store_close(other);
}

static void one_of_a_group_that_is_undone_takes_nothing_of_the_others_with_it(void **state)
{
	struct store *s = open_two(*state);
	assert_int_equal(store_group_begin(s), STORE_OK);
	assert_int_equal(store_begin(s), STORE_OK);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	assert_int_equal(store_commit(s), STORE_OK);
	assert_int_equal(store_begin(s), STORE_OK);
	assert_int_equal(insert(s, "b", 1), STORE_OK);
	assert_int_equal(insert(s, "a", 1), STORE_CONFLICT);
	store_rollback(s);
	store_rollback(s); /* without a transaction of its own it undoes nothing */
	assert_int_equal(store_begin(s), STORE_OK);
	assert_int_equal(insert(s, "c", 1), STORE_OK);
	assert_int_equal(store_commit(s), STORE_OK);
	assert_int_equal(store_group_commit(s), STORE_OK);
	assert_int_equal(count(s), 2);
	store_close(s);
}

static void a_group_that_is_lost_says_so_at_its_commit_and_leaves_nothing(void **state)
{
	struct store *s = open_two(*state);
	assert_int_equal(store_group_begin(s), STORE_OK);
	assert_int_equal(store_begin(s), STORE_OK);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	assert_int_equal(store_commit(s), STORE_OK);
	assert_int_equal(store_run(s, "ROLLBACK"), STORE_OK); /* as SQLite does by itself when a disk is full */
	assert_int_equal(store_begin(s), STORE_FULL);
	store_rollback(s);
	assert_int_equal(store_group_commit(s), STORE_FULL);
	assert_int_equal(count(s), 0);
	assert_int_equal(insert(s, "a", 1), STORE_OK);
	store_close(s);
}

static void a_full_database_says_full_loses_nothing_and_recovers(void **state)
{
	struct store *s = open_two(*state);
	assert_int_equal(insert(s, "first", 10), STORE_OK);
	assert_int_equal(store_run(s, "PRAGMA max_page_count=8"), STORE_OK);
	enum store_err e = STORE_OK;
	char name[16];
	int stored = 1;
	for (int i = 0; i < 20 && !e; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(store_begin(s), STORE_OK);
		e = insert(s, name, 4096);
		if (!e)
			e = store_commit(s);
		else
			store_rollback(s);
		stored += e == STORE_OK;
	}
	assert_int_equal(e, STORE_FULL);
	assert_int_equal(count(s), stored);
	assert_int_equal(store_run(s, "PRAGMA max_page_count=1000"), STORE_OK);
	assert_int_equal(insert(s, "again", 4096), STORE_OK);
	assert_int_equal(count(s), stored + 1);
	store_close(s);
}

static void *open_in_thread(void *path)
{
	struct store_options o = {.path = path, .migrations = two, .n_migrations = 2, .busy_timeout_ms = 5000};
	struct store *s;
	char err[256];
	intptr_t e = store_open(&s, &o, err, sizeof err);
	if (!e) {
		e = insert(s, NULL, 1);
		store_close(s);
	}
	return (void *)e;
}

static void many_threads_may_open_a_fresh_file_at_once(void **state)
{
	struct fixture *f = *state;
	pthread_t t[6];
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, open_in_thread, f->path), 0);
	for (size_t i = 0; i < 6; i++) {
		void *e;
		pthread_join(t[i], &e);
		assert_int_equal((intptr_t)e, STORE_OK);
	}
	struct store *s = open_two(f);
	assert_int_equal(count(s), 6);
	store_close(s);
}

/* A child commits rows and tells each committed one; it is killed in the midst of it. */
static void commit_until_killed(struct fixture *f, int fd)
{
	struct store *s = open_two(f);
	for (int32_t i = 0;; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		if (store_begin(s) || insert(s, name, 500) || store_commit(s))
			_exit(1);
		if (write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void every_acknowledged_commit_survives_kill_9(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 5; round++) {
		unlink(f->path);
		int fd[2];
		assert_int_equal(pipe(fd), 0);
		pid_t child = fork();
		if (child == 0)
			commit_until_killed(f, fd[1]);
		close(fd[1]);
		int32_t last = -1;
		for (int i = 0; i < 3 + round * 7; i++)
			assert_int_equal(read(fd[0], &last, sizeof last), sizeof last);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(fd[0], &last, sizeof last) == sizeof last)
			;
		close(fd[0]);
		struct store *s = open_two(f);
		assert_true(count(s) >= last + 1);
		assert_true(count(s) <= last + 2);
		assert_int_equal(store_run(s, "PRAGMA integrity_check"), STORE_OK);
		store_close(s);
		unlink(scratch_path(&f->scratch, "db-wal"));
		unlink(scratch_path(&f->scratch, "db-shm"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_is_written_reads_back_with_its_type),
	    T(a_type_that_does_not_fit_is_a_conflict_because_tables_are_strict),
	    T(a_constraint_is_a_conflict_and_changes_nothing),
	    T(bad_sql_is_broken_at_its_step_and_names_itself),
	    T(rollback_undoes_and_may_be_called_without_a_transaction),
	    T(the_file_and_its_log_are_0600),
	    T(a_file_that_others_may_read_is_refused),
	    T(a_symbolic_link_in_place_of_the_file_is_refused),
	    T(migrations_run_once_and_in_order),
	    T(a_migration_that_fails_leaves_the_database_as_it_was),
	    T(a_table_that_is_not_strict_is_refused),
	    T(a_newer_database_is_refused),
	    T(a_file_that_is_no_database_is_refused_and_left_alone),
	    T(read_only_sees_the_rows_and_refuses_to_write),
	    T(a_lock_of_another_connection_is_busy_and_passes),
	    T(a_group_is_there_for_others_with_its_commit_and_not_before),
	    T(one_of_a_group_that_is_undone_takes_nothing_of_the_others_with_it),
	    T(a_group_that_is_lost_says_so_at_its_commit_and_leaves_nothing),
	    T(a_full_database_says_full_loses_nothing_and_recovers),
	    T(many_threads_may_open_a_fresh_file_at_once),
	    T(every_acknowledged_commit_survives_kill_9),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

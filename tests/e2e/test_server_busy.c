/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with more work than it can do, or a store that does not take it: one user's requests, floods of refused
 * ones, a full queue, a locked and a full database. The answer is 503 with Retry-After, nothing is half done, and
 * service returns by itself (flows 0.2).
 */
#include "e2e/server_bed.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct ua alice, bob;

static void nothing_registered(void)
{
	assert_int_equal(bindings_in_db(), 0);
}

static void forget_all(void)
{
	bed_stop();
	bed_fresh();
	bed_start();
}

/* ---- too much to do ---- */

static void a_user_may_send_so_many_invites_a_second_and_another_is_still_served(void **state)
{
	(void)state;
	bed_stop();
	bed.cfg.invites_per_user = 1;
	bed_start();
	int status = 0;
	for (int i = 0; i < 500 && status != 503; i++)
		status = ua_invite(&alice, &(struct inv){0});
	assert_int_equal(status, 503);
	assert_true(alice.retry_after > 0);
	status = ua_invite(&bob, &(struct inv){0});
	assert_in_range(status, 400, 499); /* he is not registered: refused, but heard */
	bed_stop();
	bed.cfg.invites_per_user = 0;
	bed_fresh();
	bed_start();
}

static int answers;
static void count_answer(struct ua *u, const struct sip_message *rs)
{
	(void)u;
	(void)rs;
	answers++;
}

static void one_users_requests_do_not_fill_the_queue(void **state)
{
	(void)state;
	enum { ALL = CLIENTS_MAX + 4 };
	sqlite3 *db;
	int64_t busy_ms = bed.cfg.busy_ms;
	char own[64];
	snprintf(own, sizeof own, "%s", alice.client_id);
	bed_stop();
	bed.cfg.busy_ms = 60000;
	bed_start();
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	const struct metric *refused = &bed.server->metrics[M_BUSY], *bound = &bed.server->metrics[M_REGISTER_OK];
	answers = 0;
	bed_on_answer = count_answer;
	for (int i = 0; i < ALL; i++) { /* each as a client of its own; none can be stored now */
		char contact[80];
		snprintf(alice.client_id, sizeof alice.client_id, "urn:uuid:client-%d", i);
		snprintf(contact, sizeof contact, "<sip:alice@127.0.0.1:%d;transport=tls>;+g.3gpp.mcptt", 7000 + i);
		ua_send_register(&alice, &(struct reg){.expires = -1, .contact = contact});
		pump(5);
	}
	for (int i = 0; i < 1000 && atomic_load(&refused->value) < ALL - CLIENTS_MAX; i++)
		pump(10);
	long n_refused = (long)atomic_load(&refused->value);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* whatever came of it */
	sqlite3_close(db);
	assert_int_equal(n_refused, ALL - CLIENTS_MAX);
	for (int i = 0; i < 3000 && atomic_load(&bound->value) < CLIENTS_MAX; i++)
		pump(10);
	assert_int_equal(atomic_load(&bound->value), CLIENTS_MAX);
	assert_int_equal(bindings_in_db(), CLIENTS_MAX);
	wait_until(&answers, ALL); /* or the last ones would be taken for those to what follows */
	bed_on_answer = NULL;
	bed_stop();
	bed.cfg.busy_ms = busy_ms;
	snprintf(alice.client_id, sizeof alice.client_id, "%s", own);
	bed_fresh();
	bed_start();
}

static void a_flood_of_refused_requests_is_a_few_records_and_none_is_missing(void **state)
{
	(void)state;
	enum { FLOOD = 25 };
	unsigned long records = 0, refusals = 0;
	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .flip = 200}), 488);
	bed_stop(); /* which writes what is only counted */
	char *text = bed_audit_text();
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *count = strstr(line, "\"count\":\"");
		if (!strstr(line, "\"type\":\"mikey."))
			continue;
		records++;
		refusals += count ? strtoul(count + 9, NULL, 10) : 1;
	}
	free(text);
	assert_in_range(records, 2, FLOOD / 2);
	assert_int_equal(refusals, FLOOD);
	bed_fresh();
	bed_start();
}

/* ---- a store that does not take it ---- */

static void a_locked_database_is_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	sqlite3 *db;
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 503);
	assert_true(alice.retry_after > 0);
	uint8_t same[MCSEC_IM_MAX];
	size_t len = last_mikey_len;
	memcpy(same, last_mikey, len);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	nothing_registered();
	/* The very same upload is no replay: nothing of it was kept. */
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .mikey = {same, len}}), 200);
	assert_int_equal(bindings_in_db(), 1);
	forget_all();
}

static void a_full_database_is_503_and_service_returns_by_itself(void **state)
{
	(void)state;
	/* A quota stands in for the disk: writes beyond the present size end in "disk full" (EFBIG) for every
	 * connection. */
	struct rlimit old, tight;
	struct stat st;
	char wal[300];
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1}), 200);
	snprintf(wal, sizeof wal, "%s-wal", bed.cfg.database);
	assert_int_equal(stat(wal, &st), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	tight = old;
	tight.rlim_cur = (rlim_t)st.st_size;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int status = ua_register(&alice, &(struct reg){.expires = -1});
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(status, 503);
	assert_true(alice.retry_after > 0);
	assert_int_equal(bindings_in_db(), 1);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	forget_all();
}

/* A change of this test's: the settings of a user. */
struct change {
	struct work work;
	char user[64];
	int spoils;     /* when it first runs, all that is not durable is lost */
	int fails;      /* it undoes what it did */
	int runs;
	_Atomic int told; /* 1 and, if the row was there for everybody, 2 */
	enum store_err result;
};

static void change_run(struct work *w, struct db *d)
{
	struct change *c = (struct change *)w;
	struct db_user u = {.private_call = 1};
	db_copy(u.mcptt_id, sizeof u.mcptt_id, c->user);
	c->result = d ? STORE_OK : STORE_BUSY;
	if (d && c->spoils && c->runs == 0)
		(void)store_run(d->store, "ROLLBACK");
	if (d && c->fails && (c->result = store_begin(d->store)) == STORE_OK) {
		(void)store_run(d->store, "DELETE FROM users");
		store_rollback(d->store);
		c->result = STORE_BROKEN;
	} else if (d) {
		c->result = db_put_user(d, &u, "CN=test");
	}
	c->runs++;
}

static void change_done(struct work *w)
{
	struct change *c = (struct change *)w;
	char sql[160];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM users WHERE mcptt_id='%s'", c->user);
	c->told = 1 + (int)rows_in_db(sql);
}

/* All of them wait while the database is locked, and are then made at once. */
static void changes_at_once(struct change *c, size_t n)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < n; i++) {
		snprintf(c[i].user, sizeof c[i].user, "sip:user-%zu@mcptt." ZONE, i);
		c[i].work = (struct work){.s = bed.server, .run = change_run, .done = change_done};
		assert_int_equal(server_change(&c[i].work), 0);
	}
	usleep(100000); /* the first is taken alone, or all together: the test holds for both */
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	for (size_t i = 0; i < n; i++)
		for (int t = 0; t < 3000 && !c[i].told; t++)
			pump(10);
}

static void record_is_whole(void)
{
	struct audit_finding f;
	bed_stop();
	assert_int_equal(audit_verify(bed.cfg.database, NULL, &f), 0);
	bed_start();
}

static void changes_made_together_are_told_when_all_are_durable_and_one_that_fails_fails_alone(void **state)
{
	(void)state;
	enum { ALL = 7 };
	struct change c[ALL] = {[3] = {.fails = 1}};
	bed_stop();
	int64_t busy_ms = bed.cfg.busy_ms;
	bed.cfg.busy_ms = 60000;
	bed_fresh();
	bed_start();
	changes_at_once(c, ALL);
	for (int i = 0; i < ALL; i++) {
		assert_int_equal(c[i].result, i == 3 ? STORE_BROKEN : STORE_OK);
		assert_int_equal(c[i].told, i == 3 ? 1 : 2);
		assert_int_equal(c[i].runs, 1);
	}
	record_is_whole();
	bed.cfg.busy_ms = busy_ms;
	forget_all();
}

static void where_the_common_commit_fails_each_change_is_made_alone_and_none_is_lost(void **state)
{
	(void)state;
	enum { ALL = 7 };
	struct change c[ALL] = {[4] = {.spoils = 1}};
	bed_stop();
	int64_t busy_ms = bed.cfg.busy_ms;
	bed.cfg.busy_ms = 60000;
	bed_fresh();
	bed_start();
	changes_at_once(c, ALL);
	for (int i = 0; i < ALL; i++) {
		assert_int_equal(c[i].result, STORE_OK);
		assert_int_equal(c[i].told, 2);
	}
	assert_int_equal(c[4].runs, 2);
	record_is_whole();
	bed.cfg.busy_ms = busy_ms;
	forget_all();
}

static void gate_run(struct work *w, struct db *d)
{
	(void)w, (void)d;
	usleep(400000);
}

static void gate_done(struct work *w)
{
	free(w);
}

static void a_full_job_queue_is_503_with_retry_after(void **state)
{
	(void)state;
	bed_stop();
	bed.cfg.workers = 1;
	bed.cfg.queue = 1;
	bed_start();
	for (int i = 0; i < 2; i++) { /* one runs, one waits */
		struct work *w = calloc(1, sizeof *w);
		*w = (struct work){.s = bed.server, .run = gate_run, .done = gate_done};
		assert_int_equal(server_submit(w), 0);
		usleep(50000);
	}
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 503);
	assert_true(alice.retry_after > 0);
	usleep(900000);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed.cfg.workers = 2;
	bed.cfg.queue = 64;
	forget_all();
}

static int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, NULL);
	bed_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_end_for(&alice, &bob, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_user_may_send_so_many_invites_a_second_and_another_is_still_served),
	    cmocka_unit_test(one_users_requests_do_not_fill_the_queue),
	    cmocka_unit_test(a_flood_of_refused_requests_is_a_few_records_and_none_is_missing),
	    cmocka_unit_test(a_locked_database_is_503_and_service_returns_by_itself),
	    cmocka_unit_test(a_full_database_is_503_and_service_returns_by_itself),
	    cmocka_unit_test(a_full_job_queue_is_503_with_retry_after),
	    cmocka_unit_test(changes_made_together_are_told_when_all_are_durable_and_one_that_fails_fails_alone),
	    cmocka_unit_test(where_the_common_commit_fails_each_change_is_made_alone_and_none_is_lost),
	};
	return cmocka_run_group_tests_name("server_busy", tests, set_up, tear_down);
}

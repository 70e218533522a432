/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that is killed: it runs in a process of its own and gets SIGKILL at chosen and at random moments. Whatever
 * it acknowledged is there afterwards, nothing is half there, and the record is whole.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>

static struct ua alice, bob;

static int csk_in_db(uint32_t csk_id)
{
	char sql[120];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk IS NOT NULL AND csk_id=%u", csk_id);
	return (int)rows_in_db(sql);
}

static void record_is_whole(void)
{
	struct audit_finding f;
	int rc = audit_verify(bed.cfg.database, NULL, &f);
	if (rc != 0)
		fail_msg("record: %s", f.reason);
	assert_int_equal(rows_in_db("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check='ok'"), 1);
}

static void provision(const char *mcptt_id)
{
	sqlite3 *db;
	char sql[300];
	snprintf(sql, sizeof sql, "INSERT INTO users VALUES('%s','automatic',1,1,'')", mcptt_id);
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A fresh database with both users' settings, and a server on it. */
static void begin(void)
{
	bed_fresh();
	bed_spawn();
	bed_kill();
	provision(alice.mcptt_id);
	provision(bob.mcptt_id);
	bed_spawn();
}

static void what_was_answered_200_is_bound_after_a_kill_and_can_be_called(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1}), 200);
	bed_kill();
	assert_int_equal(csk_in_db(last_csk_id), 1);
	assert_int_equal(bindings_in_db(), 2);
	bed_spawn();
	assert_int_equal(ua_options(&bob), 200);
	bob.acks = 0;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	assert_int_equal(ua_bye(&alice), 200);
	bed_kill();
	record_is_whole();
}

static void a_kill_in_a_call_ends_it_at_both_ends(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1}), 200);
	bob.acks = alice.byes = bob.byes = 0;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	bed_kill();
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 1);
	bed_spawn();
	assert_int_equal(ua_options(&alice), 200);
	assert_int_equal(ua_options(&bob), 200);
	wait_until(&alice.byes, 1);
	wait_until(&bob.byes, 1);
	assert_int_equal(alice.byes, 1);
	assert_int_equal(bob.byes, 1);
	for (int i = 0; i < 100 && rows_in_db("SELECT count(*) FROM calls"); i++)
		pump(20);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
	bed_kill();
	record_is_whole();
}

static void killed_at_any_moment_of_a_register_nothing_acknowledged_is_lost(void **state)
{
	(void)state;
	begin();
	int answered = 0, cut = 0;
	for (int i = 0; i < 24; i++) {
		ua_send_register(&alice, &(struct reg){.expires = -1, .age = 30 - i});
		uint32_t mine = last_csk_id;
		/* 0 to 23 ms: before, in and after the work, on a machine as busy as it is; each eighth after the
		 * answer. */
		int64_t until = sip_loop_now_ms(bed.loop) + (i % 8 == 7 ? 20000 : i);
		while (!alice.status && sip_loop_now_ms(bed.loop) < until)
			pump(1);
		bed_kill();
		int was = alice.status;
		if (was == 200)
			assert_int_equal(csk_in_db(mine), 1);
		answered += was == 200;
		cut += was == 0;
		assert_true(bindings_in_db() <= 1);
		ua_reconnect(&alice); /* forgets the request that nobody will answer */
		bed_spawn();
	}
	assert_true(answered > 0);
	assert_true(cut > 0);
	bed_kill();
	record_is_whole();
}

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(bed.server);
	bed.server = NULL;
	ua_close(&alice);
	ua_close(&bob);
	bed_end();
	return 0;
}

int main(int argc, char **argv)
{
	bed_serve_if_asked(argc, argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_answered_200_is_bound_after_a_kill_and_can_be_called),
	    cmocka_unit_test(a_kill_in_a_call_ends_it_at_both_ends),
	    cmocka_unit_test(killed_at_any_moment_of_a_register_nothing_acknowledged_is_lost),
	};
	return cmocka_run_group_tests_name("server_kill", tests, set_up, tear_down);
}

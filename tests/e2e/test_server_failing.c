/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_failing.c - a whole MC server whose database fails in the middle of what two users do, whose queues are
 * full, which cannot send (flows 0.2): each such call fails once, alone. The answer is then the one it always gives, or
 * a refusal; what was refused can be had by asking again, what was acknowledged is stored, and no call is left over.
 */
#include "fuzz/failing.h"
#include "server/db.h"
#include "server/seal.h"
#include "server_call_lab.h"

enum { RUNS_MAX = 200 };

static const struct reg bare_end = {.expires = 0, .no_mikey = 1, .no_info = 1};

static void nothing(void)
{
}

static void nobody_there(void)
{
	assert_int_equal(ua_register(&alice, &bare_end), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE mcptt_id='sip:alice@mcptt." ZONE "'"), 0);
}

static void there(void)
{
	nobody_there();
	registered(&alice);
}

static int sign_on(void)
{
	return ua_register(&alice, &(struct reg){.expires = -1});
}

static int refresh(void)
{
	return ua_register(&alice, &(struct reg){.expires = -1, .no_mikey = 1, .no_info = 1});
}

static int log_off(void)
{
	return ua_register(&alice, &bare_end);
}

static int call(void)
{
	int status = ua_invite(&alice, &(struct inv){0});
	return status == 200 ? ua_bye(&alice) : status;
}

/* The CSK of the last upload is the one that is stored. */
static void csk_is_stored(void)
{
	char sql[120];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u AND csk IS NOT NULL", last_csk_id);
	assert_int_equal(rows_in_db(sql), 1);
}

static void binding_is_gone(void)
{
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE mcptt_id='sip:alice@mcptt." ZONE "'"), 0);
}

static const struct deed {
	const char *name;
	void (*prepare)(void);
	int (*act)(void);
	void (*holds)(void); /* after a 200 */
} deeds[] = {
    {"a REGISTER with CSK", nobody_there, sign_on, csk_is_stored},
    {"a refresh", there, refresh, csk_is_stored},
    {"a call", nothing, call, nothing},
    {"a log-off", there, log_off, binding_is_gone},
};

/* Until nothing is left to fail; how many calls failed. */
static unsigned try_all(const struct deed *d)
{
	failing_forget();
	for (unsigned n = 0; n < RUNS_MAX; n++) {
		d->prepare();
		failing_begin();
		int status = d->act();
		int failed = failing_end() != FAILING_NONE;
		if (status == 200)
			d->holds();
		else if (!failed || status < 400)
			fail_msg("%s: %d", d->name, status);
		if (!failed)
			return n;
		if (status != 200) {
			status = d->act();
			if (status != 200)
				fail_msg("%s: %d again, after a refusal", d->name, status);
			d->holds();
		}
	}
	fail_msg("%s never came to an end", d->name);
	return 0;
}

static void each_call_that_fails_is_a_refusal_and_nothing_is_half_done(void **state)
{
	unsigned all = 0;
	(void)state;
	failing_spare(1); /* the user agents live on this thread */
	begin();
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		unsigned n = try_all(&deeds[i]);
		print_message("# %s: %u calls failed\n", deeds[i].name, n);
		all += n;
	}
	assert_true(all > 10);
}

static void after_all_of_it_no_call_is_left_and_the_record_is_whole(void **state)
{
	struct audit_finding found;
	(void)state;
	bed_stop(); /* a row whose removal failed goes with the next start, which tells both ends BYE */
	bed_start();
	registered(&alice);
	registered(&bob);
	for (int i = 0; i < 3000 && rows_in_db("SELECT count(*) FROM calls") != 0; i++)
		pump(20);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
	assert_int_equal(call(), 200);
	bed_stop();
	assert_int_equal(audit_verify(bed.cfg.database, NULL, &found), 0);
	assert_true(found.records > 20);
}

/* As work does that was done together with others, when the disk is full at their commit (commits.h). */
static void a_change_whose_commit_failed_is_stored_when_it_is_carried_out_again(void **state)
{
	char err[512];
	struct db_change c = {.n = 1};
	struct db_binding *b = &c.rows[0];
	(void)state;
	bed_fresh();
	struct seal *seal = seal_open(bed.cfg.seal_key, bed.cfg.passphrase, 0, err, sizeof err);
	struct db *d = db_open(&(struct db_options){bed.cfg.database, bed.cfg.host, 5000, seal}, err, sizeof err);
	if (!seal || !d)
		fail_msg("%s", err);
	strcpy(b->impu, alice.impu);
	strcpy(b->contact, "sip:alice@127.0.0.1:9");
	b->expires = db_now() + 600;
	assert_int_equal(store_group_begin(d->store), STORE_OK);
	assert_int_equal(db_store_change(d, &c, NULL, (struct octets){0}, NULL), SA_STORED_OK);
	assert_int_equal(store_run(d->store, "ROLLBACK"), STORE_OK); /* SQLite itself, at a full disk */
	assert_int_equal(store_group_commit(d->store), STORE_FULL);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings"), 0);
	assert_int_equal(db_store_change(d, &c, NULL, (struct octets){0}, NULL), SA_STORED_OK);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings"), 1);
	b->id = c.ids[0] + 1; /* one that is not there */
	assert_int_equal(db_store_change(d, &c, NULL, (struct octets){0}, NULL), SA_STORED_FAILED);
	b->id = c.ids[0] - 1;
	assert_int_equal(db_store_change(d, &c, NULL, (struct octets){0}, NULL), SA_STORED_OK);
	db_close(d);
	seal_close(seal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_that_fails_is_a_refusal_and_nothing_is_half_done),
	    cmocka_unit_test(after_all_of_it_no_call_is_left_and_the_record_is_whole),
	    cmocka_unit_test(a_change_whose_commit_failed_is_stored_when_it_is_carried_out_again),
	};
	return cmocka_run_group_tests_name("server_failing", tests, set_up, tear_down);
}

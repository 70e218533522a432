/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second REGISTER of a client while a job of the first one runs (flows 0.2): four wait, in the order they came; the
 * next is told to come later; so are those that wait when the server stops, or longer than their sender does. What
 * keeps the first one here is a database that somebody else holds.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>

#include "server/register.h"
#include "server/waiting.h"

static struct ua alice, bob, tablet;
static sqlite3 *holder;

static struct answer {
	char call_id[16];
	int status, retry_after;
} answers[32];
static _Atomic size_t n_answers;

static void note_answer(struct ua *u, const struct sip_message *rs)
{
	const char *after = sip_header_at(rs, "Retry-After", 0);
	(void)u;
	assert_true(n_answers < sizeof answers / sizeof *answers);
	struct answer *a = &answers[n_answers];
	snprintf(a->call_id, sizeof a->call_id, "%.15s", rs->call_id);
	a->status = rs->status;
	a->retry_after = after ? atoi(after) : 0;
	n_answers++;
}

static void wait_answers(size_t n)
{
	for (int i = 0; i < 6000 && n_answers < n; i++)
		pump(10);
	assert_int_equal(n_answers, n);
}

static void expect(size_t i, const char *call_id, int status)
{
	assert_string_equal(answers[i].call_id, call_id);
	assert_int_equal(answers[i].status, status);
}

static int64_t waiting(void)
{
	return atomic_load(&bed.server->metrics[M_WAITING].value);
}

static void wait_waiting(int64_t n)
{
	for (int i = 0; i < 6000 && waiting() != n; i++)
		pump(10);
	assert_int_equal(waiting(), n);
}

static void hold_database(void)
{
	assert_int_equal(sqlite3_open(bed.cfg.database, &holder), SQLITE_OK);
	assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}

static void let_go(void)
{
	if (!holder)
		return;
	sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(holder);
	holder = NULL;
}

/* A server that waits for its database as long as it takes; nobody is registered. */
static void begin(void)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	bed.cfg.busy_ms = 60000;
	bed.cfg.workers = 1; /* whose connection is open before the database is held */
	bed_start();
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
	assert_int_equal(bindings_in_db(), 0);
	hold_database();
	n_answers = 0;
}

static void end(void)
{
	bed_set(&bed.cfg.waiting, 256);
	bed_set(&bed.cfg.waiting_s, 30);
}

/* An upload, each later than the one before it. */
static uint32_t upload(struct ua *u, const char *call_id, int64_t age)
{
	ua_send_register(u, &(struct reg){.expires = -1, .call_id = call_id, .age = age});
	return last_csk_id;
}

static void look_at_first(void *arg)
{
	const struct attempt *a = bed.server->attempts;
	*(int *)arg = a && a->machine.state == SA_STORING;
}

static void wait_storing(void)
{
	int storing = 0;
	for (int i = 0; i < 6000 && !storing; i++) {
		pump(10);
		server_on_loop(bed.server, look_at_first, &storing);
	}
	assert_true(storing);
}

/* The first one waits for the database, and so many more for it. */
static uint32_t uploads(size_t more)
{
	static const char *const names[] = {"first", "second", "third", "fourth", "fifth"};
	uint32_t id = 0;
	for (size_t i = 0; i <= more; i++) {
		id = upload(&alice, names[i], 100 - 10 * (int64_t)i);
		if (i == 0)
			wait_storing();
		else
			wait_waiting((int64_t)i);
	}
	return id;
}

static void four_wait_and_are_served_in_the_order_they_came(void **state)
{
	(void)state;
	begin();
	uint32_t last = uploads(WAITING_EACH);
	assert_int_equal(n_answers, 0);
	let_go();
	wait_answers(5);
	expect(0, "first", 200);
	expect(1, "second", 200);
	expect(2, "third", 200);
	expect(3, "fourth", 200);
	expect(4, "fifth", 200);
	assert_int_equal(bindings_in_db(), 1);
	bed_wait_csk(last, 1);
	assert_int_equal(waiting(), 0);
	end();
}

static void the_fifth_that_would_wait_is_500_at_once_with_retry_after(void **state)
{
	(void)state;
	begin();
	uint32_t last = uploads(WAITING_EACH);
	uint32_t refused = upload(&alice, "sixth", 10);
	for (int i = 0; i < 6000 && !n_answers && waiting() == WAITING_EACH; i++)
		pump(10);
	assert_int_equal(waiting(), WAITING_EACH);
	wait_answers(1);
	expect(0, "sixth", 500);
	assert_true(answers[0].retry_after > 0);
	assert_int_equal(waiting(), WAITING_EACH);
	let_go();
	wait_answers(6);
	for (size_t i = 1; i < 6; i++)
		assert_int_equal(answers[i].status, 200);
	bed_wait_csk(last, 1);
	bed_wait_csk(refused, 0);
	end();
}

static void a_log_off_that_waited_ends_what_was_authorised_before_it(void **state)
{
	(void)state;
	begin();
	uploads(1);
	ua_send_register(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1, .call_id = "leave"});
	wait_waiting(2);
	let_go();
	wait_answers(3);
	expect(0, "first", 200);
	expect(1, "second", 200);
	expect(2, "leave", 200);
	assert_int_equal(bindings_in_db(), 0);
	end();
}

static void what_waited_is_judged_as_if_it_came_then(void **state)
{
	(void)state;
	begin();
	uploads(0);
	uint8_t same[MCSEC_IM_MAX];
	size_t len = last_mikey_len;
	memcpy(same, last_mikey, len);
	ua_send_register(&alice, &(struct reg){.expires = -1, .mikey = {same, len}, .call_id = "again"});
	wait_waiting(1);
	ua_send_register(&alice, &(struct reg){.expires = -1, .no_mikey = 1, .call_id = "bare"});
	wait_waiting(2);
	uint32_t id = upload(&alice, "later", 10);
	wait_waiting(3);
	let_go();
	wait_answers(4);
	expect(0, "first", 200);
	expect(1, "again", 488); /* a replay now; it was none when it came */
	expect(2, "bare", 403);
	expect(3, "later", 200);
	bed_wait_csk(id, 1);
	end();
}

static void another_client_waits_for_nobody_but_itself_and_all_together_are_bounded(void **state)
{
	(void)state;
	bed_set(&bed.cfg.waiting, 3);
	begin();
	uploads(2);
	upload(&tablet, "tablet", 50); /* hers too, but another device: it goes to work */
	upload(&tablet, "tablet-2", 40);
	wait_waiting(3);
	upload(&tablet, "tablet-3", 30);
	for (int i = 0; i < 6000 && !n_answers && waiting() == 3; i++)
		pump(10);
	assert_int_equal(waiting(), 3);
	wait_answers(1);
	expect(0, "tablet-3", 500);
	let_go();
	wait_answers(6);
	for (size_t i = 1; i < 6; i++)
		assert_int_equal(answers[i].status, 200);
	assert_int_equal(bindings_in_db(), 2);
	end();
}

static void who_waits_longer_than_its_sender_does_is_503(void **state)
{
	(void)state;
	bed_set(&bed.cfg.waiting_s, 1);
	begin();
	uploads(1);
	wait_answers(1);
	expect(0, "second", 503);
	assert_int_equal(waiting(), 0);
	let_go();
	wait_answers(2);
	expect(1, "first", 200);
	end();
}

/* Alice's phone as another client of hers: the same certificate. */
static void as_another_client(int yes)
{
	strcpy(alice.client_id, yes ? "urn:uuid:another" : "urn:uuid:alice");
}

static const struct reg bare = {.expires = -1, .no_mikey = 1, .no_info = 1, .call_id = "refresh"};

/* Bound already, before the database is held. */
static void begin_bound(void)
{
	begin();
	let_go();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 200}), 200);
	n_answers = 0;
}

static void a_log_off_of_all_clients_waits_for_the_work_of_each(void **state)
{
	(void)state;
	begin_bound();
	hold_database();
	as_another_client(1);
	ua_send_register(&alice, &(struct reg){.expires = -1,
					       .call_id = "another",
					       .contact = "<sip:another@127.0.0.1:9;transport=tls>;+g.3gpp.mcptt"});
	wait_storing();
	struct reg all = {.expires = 0, .no_mikey = 1, .no_info = 1, .contact = "*", .call_id = "all"};
	ua_send_register(&alice, &all);
	wait_waiting(1);
	as_another_client(0);
	upload(&alice, "later", 10); /* and what comes after it, for it */
	wait_waiting(2);
	let_go();
	wait_answers(3);
	expect(0, "another", 200);
	expect(1, "all", 200);
	expect(2, "later", 200);
	assert_int_equal(bindings_in_db(), 1);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE client_id='urn:uuid:alice'"), 1);
	end();
}

/* Whom the first one is about is encrypted: by its contact it could be the client that is bound there. */
static void who_waited_for_a_client_that_proves_to_be_another_is_served_when_that_one_is_done(void **state)
{
	(void)state;
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed_on_body = bed_protect;
	begin_bound();
	for (size_t i = 0; i < 4; i++) { /* whether the second one comes in time to wait is for the machine to say */
		n_answers = 0;
		as_another_client(i % 2 == 0);
		upload(&alice, "first", 100 - 10 * (int64_t)i);
		ua_send_register(&alice, &bare);
		wait_answers(2);
		assert_int_equal(answers[0].status, 200);
		assert_int_equal(answers[1].status, 200);
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
		assert_int_equal(bindings_in_db(), 0);
		as_another_client(i % 2 != 0);
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 95 - 10 * (int64_t)i}), 200);
	}
	as_another_client(0);
	bed_on_body = NULL;
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 0;
	end();
}

static void *stop_server(void *arg)
{
	(void)arg;
	bed_stop();
	return NULL;
}

static void a_server_that_stops_tells_those_that_wait_to_come_later_and_nothing_is_lost(void **state)
{
	(void)state;
	pthread_t stopper;
	begin();
	uint32_t first = uploads(0);
	upload(&alice, "second", 60);
	wait_waiting(1);
	uint32_t second = upload(&alice, "third", 50);
	wait_waiting(2);
	assert_int_equal(pthread_create(&stopper, NULL, stop_server, NULL), 0);
	wait_answers(2); /* at once: the first one is still at work */
	expect(0, "second", 503);
	expect(1, "third", 503);
	assert_true(answers[0].retry_after > 0 && answers[1].retry_after > 0);
	let_go();
	assert_int_equal(pthread_join(stopper, NULL), 0);
	wait_answers(3);
	expect(2, "first", 200);
	bed_start();
	bed_wait_csk(first, 1); /* what was acknowledged is there, and no more */
	bed_wait_csk(second, 0);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed_wait_csk(last_csk_id, 1);
	end();
}

static int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, &tablet);
	as_another_client(0);
	bed_on_answer = note_answer;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	let_go(); /* where a test failed */
	bed_end_for(&alice, &bob, &tablet);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(four_wait_and_are_served_in_the_order_they_came),
	    cmocka_unit_test(the_fifth_that_would_wait_is_500_at_once_with_retry_after),
	    cmocka_unit_test(a_log_off_that_waited_ends_what_was_authorised_before_it),
	    cmocka_unit_test(what_waited_is_judged_as_if_it_came_then),
	    cmocka_unit_test(another_client_waits_for_nobody_but_itself_and_all_together_are_bounded),
	    cmocka_unit_test(a_log_off_of_all_clients_waits_for_the_work_of_each),
	    cmocka_unit_test(who_waited_for_a_client_that_proves_to_be_another_is_served_when_that_one_is_done),
	    cmocka_unit_test(who_waits_longer_than_its_sender_does_is_503),
	    cmocka_unit_test(a_server_that_stops_tells_those_that_wait_to_come_later_and_nothing_is_lost),
	};
	return cmocka_run_group_tests_name("server_queue", tests, set_up, tear_down);
}

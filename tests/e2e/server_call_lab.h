/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_call_lab.h - for the tests of private calls: three users, and what media and database show of a call.
 */
#ifndef TEST_SERVER_CALL_LAB_H
#define TEST_SERVER_CALL_LAB_H

#include "e2e/server_bed.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>

static struct ua alice, bob, eve;

static inline void registered(struct ua *u)
{
	assert_int_equal(ua_register(u, &(struct reg){.expires = -1}), 200);
}

/* A fresh server on a fresh database, Alice and Bob registered and provisioned, nothing on record. */
static inline void begin(void)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	bed_start();
	struct ua *all[] = {&alice, &bob, &eve};
	for (int i = 0; i < 3; i++) {
		sip_dialog_free(all[i]->dialog);
		all[i]->dialog = NULL;
		all[i]->answer = 200;
		all[i]->refuse_warning = NULL;
		all[i]->refuse_body.len = 0;
		all[i]->invites = all[i]->byes = all[i]->cancels = all[i]->acks = all[i]->reinvites = 0;
		all[i]->held = NULL;
	}
	registered(&alice);
	registered(&bob);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
}

static inline void call_is_up(void)
{
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	wait_until(&bob.acks, 1);
	assert_int_equal(bob.acks, 1);
}

static inline void calls_in_db(size_t n)
{
	for (int i = 0; i < 100 && rows_in_db("SELECT count(*) FROM calls") != n; i++)
		pump(20);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), n);
}

static inline int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, NULL);
	ua_open(&eve, "eve", "eve", "eve");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	if (bed.server)
		bed_stop();
	ua_close(&alice);
	ua_close(&bob);
	ua_close(&eve);
	bed_end();
	return 0;
}

#endif

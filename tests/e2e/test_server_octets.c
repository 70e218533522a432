/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile peer at a whole server, without a row for each: what was accepted once and comes again or too late, lengths
 * that lie, floods of headers (wire_rows.h), bodies of a mebibyte. As in test_server_hostile.c nothing comes of it.
 */
#include "e2e/server_hostile_lab.h"
#include "e2e/wire_rows.h"

/* ---- what was accepted once ---- */

static void csk_in_use_is(uint32_t id)
{
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE mcptt_id='%s' AND csk_id=%u", alice.mcptt_id,
		 id);
	assert_int_equal(rows_in_db(sql), 1);
}

static uint32_t csb_id(const struct im_octets *m)
{
	return (uint32_t)(im_u16(m->p + 4) << 16 | im_u16(m->p + 6));
}

static void an_upload_that_was_accepted_comes_again_in(enum im_way way)
{
	struct im_octets m = fresh_key(IM_REGISTER);
	assert_int_equal(say_key(IM_REGISTER, &m), 200);
	csk_in_use_is(csb_id(&m));
	remember();
	assert_int_equal(say_key(way, &m), 488);
	warned(136);
	nothing_came_of_it();
}

static void replay_of_an_accepted_upload_in_a_register_is_488_136(void **state)
{
	(void)state;
	an_upload_that_was_accepted_comes_again_in(IM_REGISTER);
}

static void replay_of_an_accepted_upload_in_a_publish_is_488_136(void **state)
{
	(void)state;
	an_upload_that_was_accepted_comes_again_in(IM_PUBLISH);
}

/* Bob's own, which his device uploaded, from Alice's connection: her name around his key. */
static void replay_of_anothers_upload_is_488_136(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .age = 1}), 200);
	struct im_octets m = {.len = last_mikey_len};
	memcpy(m.p, last_mikey, last_mikey_len);
	remember();
	for (enum im_way way = IM_REGISTER; way <= IM_PUBLISH; way++) {
		assert_int_equal(say_key(way, &m), 488);
		warned(136);
		nothing_came_of_it();
	}
}

/* Held back on its way until a later one was there: success, and the later one stays (flows 0.4). Once. */
static void a_delayed_upload_is_200_and_replaces_nothing_and_again_488_136(void **state)
{
	(void)state;
	struct im_octets held = fresh_key(IM_REGISTER), later = fresh_key(IM_REGISTER);
	assert_int_equal(say_key(IM_REGISTER, &later), 200);
	assert_int_equal(say_key(IM_REGISTER, &held), 200);
	csk_in_use_is(csb_id(&later));
	for (int left = 0; left < 2; left++) {
		remember();
		for (enum im_way way = IM_REGISTER; way <= IM_PUBLISH - (left ? 1 : 0); way++) {
			assert_int_equal(say_key(way, &held), 488);
			warned(136);
			nothing_came_of_it();
		}
		/* what it lost to goes, and it still is no news */
		if (!left)
			assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}),
					 200);
	}
	struct im_octets back = fresh_key(IM_REGISTER);
	assert_int_equal(say_key(IM_REGISTER, &back), 200);
	remember();
}

/* ---- lengths that lie, floods (wire_rows.h), over TCP and TLS ---- */

static void octets_are_answered(void **state)
{
	const struct wire_row *row = *state;
	const char *const tls[] = {NULL, alice.tls};
	for (size_t i = 0; i < 2; i++) {
		struct im_octets m = fresh_key(IM_REGISTER);
		struct said s = request_of(IM_REGISTER);
		struct peer p;
		good.mikey = (struct octets){m.p, m.len};
		uint8_t *body = body_filled(rightly[IM_REGISTER], &good, &s.body.len);
		s.body.p = body;
		s.type = MIXED;
		peer_open(&p, tls[i] ? bed.server->sips_number : bed.server->sip_number, tls[i]);
		int status = wire_say(&p, &s, row);
		peer_close(&p);
		free(body);
		assert_int_equal(status, row->answer);
		if (status == 200)
			remember();
		nothing_came_of_it();
	}
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The server is in this process: its memory is ours. */
static void sixty_bodies_of_a_mebibyte_are_413_each_and_no_memory_is_kept(void **state)
{
	(void)state;
	const char *const tls[] = {NULL, alice.tls};
	long begin = 0;
	for (int i = 0; i < 70; i++) {
		struct said s = request_of(IM_REGISTER);
		struct peer p;
		uint8_t *body = body_filled("$B", &good, &s.body.len);
		s.body.p = body;
		s.type = TYPE_MIKEY;
		peer_open(&p, tls[i % 2] ? bed.server->sips_number : bed.server->sip_number, tls[i % 2]);
		assert_int_equal(peer_ask(&p, &s), 413);
		peer_close(&p);
		free(body);
		if (i == 9)
			begin = resident_kib();
	}
	nothing_came_of_it();
	if (WITH_SANITIZER) /* which keeps what is freed */
		return;
	assert_in_range(resident_kib(), 0, begin + 8192);
}

/* ---- the end ---- */

static void the_call_that_stood_all_the_while_ends_by_its_bye(void **state)
{
	(void)state;
	nothing_came_of_it();
	assert_int_equal(ua_bye(&alice), 200);
	wait_until(&bob.byes, 1);
	assert_int_equal(bob.byes, 1);
	bed_wait_rows("SELECT count(*) FROM calls", 0);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = -2}), 200);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(ua_bye(&alice), 200);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
	    cmocka_unit_test(replay_of_an_accepted_upload_in_a_register_is_488_136),
	    cmocka_unit_test(replay_of_an_accepted_upload_in_a_publish_is_488_136),
	    cmocka_unit_test(replay_of_anothers_upload_is_488_136),
	    cmocka_unit_test(a_delayed_upload_is_200_and_replaces_nothing_and_again_488_136),
	    cmocka_unit_test(sixty_bodies_of_a_mebibyte_are_413_each_and_no_memory_is_kept),
	    cmocka_unit_test(the_call_that_stood_all_the_while_ends_by_its_bye),
	};
	enum { OTHERS = sizeof others / sizeof *others };
	static char names[WIRE_ROWS][160];
	struct CMUnitTest tests[WIRE_ROWS + OTHERS];
	for (size_t i = 0; i < WIRE_ROWS; i++)
		tests[i] = (struct CMUnitTest){.name = wire_name(&wire_rows[i], "_register", names[i], sizeof names[i]),
					       .test_func = octets_are_answered,
					       .initial_state = (void *)(uintptr_t)&wire_rows[i]};
	memcpy(tests + WIRE_ROWS, others, sizeof others);
	return cmocka_run_group_tests_name("server_octets", tests, set_up, tear_down);
}

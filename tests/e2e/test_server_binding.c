/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_binding.c - what becomes of a binding: who may use it, renewal, leaving, restart, and the sealing key
 * that its CSK rests under.
 */
#include "server_register_lab.h"

/* ---- whose binding a request may use (V-BIND) ---- */

/* A request as if it came over a TLS connection whose certificate bears these names. */
static struct sip_message from_names(const char *one, const char *two)
{
	return (struct sip_message){
	    .method = "INVITE",
	    .from = alice.impu,
	    .source = {.transport = SIP_TLS, .verified = 1, .n_subjects = two ? 2 : 1, .subjects = {one, two}}};
}

static struct binding *whose(const struct sip_message *rq)
{
	struct binding *all[CLIENTS_MAX];
	int same;
	return identity_binding(all, identity_bindings(bed.server, rq, all, CLIENTS_MAX), "", &same);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void a_binding_serves_only_the_peer_that_made_it_and_only_until_it_expires(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	server_on_loop(bed.server, nothing, NULL); /* what it did is done */
	struct binding *b = bindings_of_impu(bed.server->bindings, alice.impu, NULL);
	assert_non_null(b);
	struct sip_message own = {
	    .method = "INVITE", .from = alice.impu, .source = {.transport = SIP_TLS, .verified = 1}};
	/* The names of her certificate, as the binding remembers them. */
	static char names[DB_PEER];
	strcpy(names, b->row.peer);
	assert_memory_equal(names, "certificate ", 12);
	for (char *at = strtok(names + 12, " "); at; at = strtok(NULL, " "))
		own.source.subjects[own.source.n_subjects++] = at;
	assert_ptr_equal(whose(&own), b);
	assert_true(identity_is(bed.server, &own, &b->row));
	/* Another certificate may bear her name too (a second device): it is another peer. */
	struct sip_message other = from_names(alice.impu, "sip:second@" ZONE);
	assert_null(whose(&other));
	assert_false(identity_is(bed.server, &other, &b->row));
	struct sip_message bobs = from_names(bob.impu, NULL);
	assert_null(whose(&bobs));
	assert_false(identity_is(bed.server, &bobs, &b->row));
	b->row.expires = db_now();
	assert_null(whose(&own));
	forget_all();
}

/* ---- renewal, leaving, restart ---- */

static void a_failed_renewal_leaves_the_binding_untouched(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 10}), 200);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", last_csk_id);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .flip = 200}), 488);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .token = "x.y.z"}), 403);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .no_mikey = 1}), 403);
	assert_int_equal(rows_in_db(sql), 1);
	forget_all();
}

static void a_register_without_mc_bodies_registers_and_refreshes_without_authorisation(void **state)
{
	(void)state;
	struct reg bare = {.expires = -1, .no_mikey = 1, .no_info = 1};
	assert_int_equal(ua_register(&alice, &bare), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE mcptt_id='' AND csk IS NULL"), 1);
	forget_all();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 100}), 200);
	bare.expires = 3000;
	assert_int_equal(ua_register(&alice, &bare), 200);
	assert_int_equal(
	    rows_in_db("SELECT count(*) FROM bindings WHERE csk IS NOT NULL AND expires > unixepoch() + 2000"), 1);
	forget_all();
}

static void leaving_erases_binding_and_csk(void **state)
{
	(void)state;
	struct reg leave[] = {
	    {.expires = 0, .no_mikey = 1, .no_info = 1},
	    {.expires = 0, .no_mikey = 1, .no_info = 1, .contact = "*"},
	    {.expires = -1, .no_mikey = 1, .no_info = 1, .no_tags = 1}, /* the contact without the service's tags */
	    {.expires = 0},
	};
	for (size_t i = 0; i < sizeof leave / sizeof *leave; i++) {
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
		assert_int_equal(ua_register(&alice, &leave[i]), 200);
		nothing_registered();
		assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE csk IS NOT NULL"), 0);
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_mikey = 1, .no_info = 1}), 200);
	}
	forget_all();
}

static void a_binding_ends_when_it_expires(void **state)
{
	(void)state;
	bed_stop();
	bed.cfg.expires_min = 1;
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 1}), 200);
	assert_int_equal(bindings_in_db(), 1);
	for (int i = 0; i < 50 && bindings_in_db(); i++)
		pump(100);
	nothing_registered();
	bed.cfg.expires_min = 60;
	forget_all();
}

static void an_old_csk_record_moved_to_another_client_does_not_open(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed_stop();
	sqlite3 *db;
	assert_int_equal(sqlite3_open(bed.cfg.database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE bindings SET client_id='urn:uuid:other'", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	bed_start();
	uint8_t *key = mcsec_secret_alloc(16);
	assert_int_equal(stored_csk(key), MCSEC_E_DECRYPT);
	mcsec_secret_free(key);
	forget_all();
}

static void every_success_and_refusal_is_in_the_record(void **state)
{
	(void)state;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .flip = 200}), 488);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .token = "a.b.c"}), 403);
	bed_stop();
	struct audit_finding f;
	assert_int_equal(audit_verify(bed.cfg.database, NULL, &f), 0);
	char *text = bed_audit_text();
	const char *want[] = {"csk.upload", "svc.auth", "mikey.", "token.refuse"};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		if (!strstr(text, want[i]))
			fail_msg("%s is not recorded", want[i]);
	free(text);
	bed_fresh();
	bed_start();
}

/* ---- trouble of our own ---- */

static void the_sealing_key_is_refused_when_others_can_read_it_or_it_is_lost(void **state)
{
	(void)state;
	char err[256], moved[300];
	bed_stop();
	assert_int_equal(chmod(bed.cfg.seal_key, 0644), 0);
	assert_null(server_start(&bed.cfg, err, sizeof err));
	assert_non_null(strstr(err, "0600"));
	assert_int_equal(chmod(bed.cfg.seal_key, 0600), 0);
	snprintf(moved, sizeof moved, "%s.away", bed.cfg.seal_key);
	assert_int_equal(rename(bed.cfg.seal_key, moved), 0);
	assert_null(server_start(&bed.cfg, err, sizeof err));
	assert_int_equal(rename(moved, bed.cfg.seal_key), 0);
	bed_start();
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static void with_a_passphrase_the_sealing_key_itself_rests_sealed(void **state)
{
	(void)state;
	char err[256], plain[256];
	struct stat st;
	bed_stop();
	bed_fresh();
	strcpy(plain, bed.cfg.seal_key);
	snprintf(bed.cfg.seal_key, sizeof bed.cfg.seal_key, "%s/sealed.key", bed.ca.dir);
	snprintf(bed.cfg.passphrase, sizeof bed.cfg.passphrase, "%s/passphrase", bed.ca.dir);
	write_text(bed.cfg.passphrase, "correct horse battery staple\n");
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed_stop();
	assert_int_equal(stat(bed.cfg.seal_key, &st), 0);
	assert_true(st.st_size > SEAL_KEY);
	write_text(bed.cfg.passphrase, "wrong\n");
	assert_null(server_start(&bed.cfg, err, sizeof err));
	write_text(bed.cfg.passphrase, "correct horse battery staple\n");
	bed_start();
	uint8_t *key = mcsec_secret_alloc(16);
	assert_int_equal(stored_csk(key), MCSEC_OK);
	assert_memory_equal(key, last_csk, 16);
	mcsec_secret_free(key);
	bed.cfg.passphrase[0] = 0;
	bed_stop();
	assert_null(server_start(&bed.cfg, err, sizeof err)); /* a key of another kind */
	strcpy(bed.cfg.seal_key, plain);
	bed_fresh();
	bed_start();
}

static void a_configuration_with_an_unknown_rule_is_refused(void **state)
{
	(void)state;
	char err[256];
	strcpy(bed.cfg.protection, "perhaps");
	assert_null(server_start(&bed.cfg, err, sizeof err));
	assert_non_null(strstr(err, "perhaps"));
	strcpy(bed.cfg.protection, "required");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_binding_serves_only_the_peer_that_made_it_and_only_until_it_expires),
	    cmocka_unit_test(a_failed_renewal_leaves_the_binding_untouched),
	    cmocka_unit_test(a_register_without_mc_bodies_registers_and_refreshes_without_authorisation),
	    cmocka_unit_test(leaving_erases_binding_and_csk),
	    cmocka_unit_test(a_binding_ends_when_it_expires),
	    cmocka_unit_test(an_old_csk_record_moved_to_another_client_does_not_open),
	    cmocka_unit_test(every_success_and_refusal_is_in_the_record),
	    cmocka_unit_test(the_sealing_key_is_refused_when_others_can_read_it_or_it_is_lost),
	    cmocka_unit_test(with_a_passphrase_the_sealing_key_itself_rests_sealed),
	    cmocka_unit_test(a_configuration_with_an_unknown_rule_is_refused),
	};
	return cmocka_run_group_tests_name("server_binding", tests, set_up, tear_down);
}

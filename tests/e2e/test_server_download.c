/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key download at a whole server (TS 24.379 7.3.7; flows 2.1; sip 4): the MESSAGE with all its headers, which CSK opens
 * and which protects before and after the client's word, refusals, lost answers, kills, and the MuSiK.
 */
#include "e2e/server_bed.h"

#include <sqlite3.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "mcx/xmlsec/xmlsec.h"
#include "server/download.h"

static struct ua alice, bob, tablet;

/* What the last MESSAGE held, by user agent: 0 alice, 1 bob, 2 the tablet. */
static struct got {
	int n, csks, musiks, answer; /* answer 0: 200; -1: none */
	char uri[128], asserted[128], service[128], accept[200], type[64], initiator[128];
	uint32_t id;
	uint64_t t;
	uint8_t key[16], rand[16];
	uint64_t expiry;
} got[3];

static struct got *got_of(const struct ua *u)
{
	return &got[u == &alice ? 0 : u == &bob ? 1 : 2];
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct got *g = got_of(u);
	struct mcsec_im *im = ua_open_im(u, rq->body);
	assert_non_null(im);
	copy(g->uri, sizeof g->uri, rq->uri);
	copy(g->asserted, sizeof g->asserted, sip_header_at(rq, "P-Asserted-Identity", 0));
	copy(g->service, sizeof g->service, sip_header_at(rq, "P-Asserted-Service", 0));
	copy(g->accept, sizeof g->accept, sip_header_at(rq, "Accept-Contact", 0));
	copy(g->type, sizeof g->type, rq->content_type);
	copy(g->initiator, sizeof g->initiator, im->initiator);
	g->id = im->k_id;
	g->t = im->ntp;
	g->expiry = im->has_params ? im->params.expiry : 0;
	memcpy(g->key, im->key, sizeof g->key);
	memcpy(g->rand, im->rand, sizeof g->rand);
	g->csks += im->kind == MCSEC_CSK;
	g->musiks += im->kind == MCSEC_MUSIK;
	mcsec_im_free(im);
	g->n++;
	if (g->answer >= 0)
		(void)sip_reply(tx, g->answer ? g->answer : 200, NULL, NULL);
}

/* ---- bodies under a CSK ---- */

/* Calls under that CSK: 0 if it opened, else the warning. */
static int call_under(const uint8_t *key, uint32_t id)
{
	return ua_invite_under(&alice, &(struct bed_csk){.key = key, .id = id}) == 200 ? 0 : alice.warning;
}

/* Which CSK an INVITE to bob is protected under is told by its own KeyName. */
static int protects_under(uint32_t id)
{
	uint8_t wire[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
	char name[BASE64_SIZE(4)];
	base64_encode(OCTETS(wire), name);
	return memmem(bob.body.p, bob.body.len, name, strlen(name)) != NULL;
}

/* ---- the server ---- */

struct start {
	const char *mcptt_id;
	enum kd_kind kind;
	enum kd_reason reason;
	const char *why;
	int found;
};

static int start_one(void *ctx, struct binding *b)
{
	struct start *s = ctx;
	if (strcmp(b->row.client_id, s->mcptt_id) != 0)
		return 0;
	s->found = 1;
	s->why = download_start(bed.server, b, s->kind, s->reason);
	return 1;
}

static void start_on_loop(void *arg)
{
	bindings_each(bed.server->bindings, start_one, arg);
}

static const char *renew(const struct ua *u, enum kd_reason reason)
{
	struct start s = {u->client_id, KD_CSK, reason, NULL, 0};
	server_on_loop(bed.server, start_on_loop, &s);
	assert_true(s.found);
	return s.why;
}

static void musik_on_loop(void *arg)
{
	download_musik(bed.server, arg);
}

#define IN_USE  "SELECT count(*) FROM bindings WHERE csk_id=#"
#define PENDING "SELECT count(*) FROM downloads WHERE k_id=#"

struct count {
	char sql[300];
};

/* `what` counts rows of a key; # stands for its id. */
static struct count of_key(const char *what, uint32_t id)
{
	struct count c;
	const char *at = strchr(what, '#');
	snprintf(c.sql, sizeof c.sql, "%.*s%u%s", (int)(at - what), what, id, at + 1);
	return c;
}

static size_t in_db(const char *what, uint32_t id)
{
	return rows_in_db(of_key(what, id).sql);
}

static void wait_for(const char *what, uint32_t id, size_t n)
{
	bed_wait_rows(of_key(what, id).sql, n);
}

static void begin_with(int grace)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	memset(got, 0, sizeof got);
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.csk_grace_s = grace;
	bed.cfg.musik_life_s = 86400;
	bed_start();
	/* made a moment ago, so that what follows within the same second is later */
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 5}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .age = 5}), 200);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
	bob.answer = 200;
	sip_dialog_free(alice.dialog);
	sip_dialog_free(bob.dialog);
	alice.dialog = bob.dialog = NULL;
}

static void seed_7_3_7_the_message_has_its_request_uri_headers_and_body(void **state)
{
	(void)state;
	begin_with(32);
	uint32_t old = alice.csk_id;
	assert_null(renew(&alice, KD_OPERATOR));
	wait_until(&got[0].n, 1);
	wait_for(IN_USE, got[0].id, 1);
	assert_string_equal(got[0].uri, alice.impu);                                  /* step 2 */
	assert_string_equal(got[0].accept, "*;" ICSI_REF_TAG ";require;explicit");    /* step 3 */
	assert_string_equal(got[0].service, "urn:urn-7:3gpp-service.ims.icsi.mcptt"); /* step 4 */
	assert_string_equal(got[0].type, "application/mikey");                        /* step 5 */
	assert_string_equal(got[0].asserted, "<" PSI ">");
	assert_string_equal(got[0].initiator, PSI); /* the identity the client uploaded to */
	assert_int_equal(got[0].id >> 28, MCSEC_CSK);
	assert_int_not_equal(got[0].id, old);
	assert_int_equal(in_db(IN_USE, old), 0);
	assert_int_equal(in_db(PENDING, got[0].id), 0);
	assert_int_equal(got[1].n, 0);
	bed_wait_recorded("csk.download", NULL, 1);
}

static void mcx_sec_176_after_the_200_the_new_csk_opens_and_the_old_one_for_the_grace(void **state)
{
	(void)state;
	begin_with(32);
	renew(&alice, KD_OPERATOR);
	wait_until(&got[0].n, 1);
	wait_for(IN_USE, got[0].id, 1);
	assert_int_equal(call_under(got[0].key, got[0].id), 0);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 0); /* what was on its way */
}

static void with_a_grace_of_0_the_old_csk_is_refused_at_once(void **state)
{
	(void)state;
	begin_with(0);
	renew(&alice, KD_OPERATOR);
	wait_until(&got[0].n, 1);
	wait_for(IN_USE, got[0].id, 1);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 139);
	assert_int_equal(call_under(got[0].key, got[0].id), 0);
}

static void until_the_200_the_server_protects_with_the_old_csk_and_opens_both(void **state)
{
	(void)state;
	begin_with(32);
	got[1].answer = -1; /* bob is silent */
	renew(&bob, KD_OPERATOR);
	wait_until(&got[1].n, 1);
	wait_for(PENDING, got[1].id, 1);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 0);
	assert_true(protects_under(bob.csk_id));
	assert_false(protects_under(got[1].id));
	assert_int_equal(in_db(IN_USE, bob.csk_id), 1);
}

/* Alice has the new CSK, and her 200 is lost. */
static void begin_pending(int grace, enum kd_reason reason)
{
	begin_with(grace);
	got[0].answer = -1;
	renew(&alice, reason);
	wait_until(&got[0].n, 1);
	wait_for(PENDING, got[0].id, 1);
}

static void mcx_sec_177_a_lost_200_is_made_good_by_the_next_request_under_the_new_csk(void **state)
{
	(void)state;
	begin_pending(0, KD_OPERATOR);
	assert_int_equal(call_under(got[0].key, got[0].id), 0);
	wait_for(IN_USE, got[0].id, 1);
	assert_int_equal(in_db(PENDING, got[0].id), 0);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 139);
}

static void mcx_sec_177_a_retry_has_the_same_key_in_a_new_message_even_after_a_restart(void **state)
{
	(void)state;
	begin_pending(32, KD_COMPROMISE);
	struct got first = got[0];
	bed_stop();
	got[0].answer = 0;
	bed_start();
	assert_int_equal(ua_options(&alice), 200); /* the client is there again */
	wait_until(&got[0].n, 2);
	wait_for(IN_USE, first.id, 1);
	assert_int_equal(got[0].id, first.id);
	assert_memory_equal(got[0].key, first.key, 16);
	assert_true(got[0].t > first.t);
}

static void mcx_sec_180_a_refusal_keeps_the_old_csk_and_what_is_pending(void **state)
{
	(void)state;
	begin_with(32);
	got[0].answer = 488;
	renew(&alice, KD_OPERATOR);
	wait_until(&got[0].n, 1);
	bed_wait_recorded("csk.download", NULL, 1);
	assert_int_equal(in_db(IN_USE, alice.csk_id), 1);
	assert_int_equal(in_db(PENDING, got[0].id), 1);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 0);
}

/* One attempt is left, after a restart; what the client says then. */
static void begin_last_attempt(enum kd_reason reason, int answer)
{
	begin_pending(32, reason);
	bed_stop();
	assert_int_equal(rows_in_db("UPDATE downloads SET attempt=3 RETURNING 1"), 1);
	got[0].answer = answer;
	bed_start();
	assert_int_equal(ua_options(&alice), 200); /* one that does not reach her is one that failed, too */
	bed_wait_rows("SELECT count(*) FROM downloads", 0);
}

static void a_csk_that_the_client_never_takes_is_erased_and_the_old_one_stays(void **state)
{
	(void)state;
	static const int answers[] = {488, 480};
	for (size_t i = 0; i < 2; i++) {
		begin_last_attempt(KD_OPERATOR, answers[i]);
		assert_int_equal(in_db(IN_USE, alice.csk_id), 1);
		assert_int_equal(call_under(got[0].key, got[0].id), 139);
		assert_int_equal(call_under(alice.csk, alice.csk_id), 0);
	}
}

static void a_compromised_csk_does_not_outlive_the_last_attempt(void **state)
{
	(void)state;
	static const int answers[] = {488, 480};
	for (size_t i = 0; i < 2; i++) {
		begin_last_attempt(KD_COMPROMISE, answers[i]);
		bed_wait_rows("SELECT count(*) FROM bindings", 1); /* Bob's */
		assert_int_equal(in_db(IN_USE, alice.csk_id), 0);
		assert_int_equal(call_under(alice.csk, alice.csk_id), 141);
	}
}

static void a_client_that_is_busy_is_sent_the_same_key_again_when_it_asked(void **state)
{
	(void)state;
	begin_with(32);
	got[0].answer = 500;
	renew(&alice, KD_OPERATOR);
	wait_until(&got[0].n, 1);
	uint32_t id = got[0].id;
	got[0].answer = 0;
	wait_until(&got[0].n, 2);
	assert_int_equal(got[0].id, id);
	wait_for(IN_USE, id, 1);
}

static void an_upload_that_crosses_and_wins_supersedes_the_download(void **state)
{
	(void)state;
	begin_pending(32, KD_OPERATOR);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = -2}), 200);
	assert_int_equal(in_db(IN_USE, last_csk_id), 1);
	assert_int_equal(in_db(PENDING, got[0].id), 0);
	assert_int_equal(call_under(got[0].key, got[0].id), 139);
	assert_int_equal(call_under(alice.csk, alice.csk_id), 0);
}

static void an_upload_that_crosses_and_loses_is_followed_by_the_download_at_once(void **state)
{
	(void)state;
	begin_pending(32, KD_OPERATOR);
	got[0].answer = 0;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 3}), 200);
	wait_until(&got[0].n, 2);
	wait_for(IN_USE, got[0].id, 1);
	assert_int_equal(in_db(IN_USE, last_csk_id), 0);
}

static void mcx_sec_179_a_download_is_of_one_client_alone(void **state)
{
	(void)state;
	begin_with(32);
	assert_int_equal(ua_register(&tablet, &(struct reg){.expires = -1, .age = 5}), 200);
	renew(&tablet, KD_OPERATOR);
	wait_until(&got[2].n, 1);
	wait_for(IN_USE, got[2].id, 1);
	assert_int_equal(got[0].n, 0);
	assert_int_equal(in_db(IN_USE, alice.csk_id), 1);
	assert_int_equal(ua_register(&tablet, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
}

static void mcx_sec_181_without_protection_or_csk_nothing_is_sent(void **state)
{
	(void)state;
	begin_with(32);
	bed_stop();
	bed.cfg.xml_confidentiality = 0;
	bed_start();
	assert_non_null(renew(&alice, KD_OPERATOR));
	bed.cfg.xml_confidentiality = 1;
	pump(50);
	assert_int_equal(got[0].n, 0);
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 0);
}

static void a_csk_that_is_too_old_is_replaced_by_itself(void **state)
{
	(void)state;
	begin_with(32);
	bed_stop();
	bed.cfg.csk_max_age_s = 4; /* they were made 5 s ago */
	bed_start();
	assert_int_equal(ua_options(&alice), 200);
	assert_int_equal(ua_options(&bob), 200);
	wait_until(&got[0].n, 1);
	wait_until(&got[1].n, 1);
	wait_for(IN_USE, got[0].id, 1);
	wait_for(IN_USE, got[1].id, 1);
	bed.cfg.csk_max_age_s = 0;
}

static void leaving_ends_what_is_pending(void **state)
{
	(void)state;
	begin_pending(32, KD_OPERATOR);
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM downloads"), 0);
}

/* ---- MuSiK ---- */

#define HOLDERS "SELECT count(*) FROM musik_holders WHERE k_id=#"

static void roll_musik(void)
{
	struct musik_order o = {.anew = 1, .officer = "CN=officer"};
	server_on_loop(bed.server, musik_on_loop, &o);
	assert_null(o.wrong);
	assert_int_equal(o.clients, 2);
}

static void mcx_sec_201_all_clients_get_the_same_musik_and_rand_and_keep_their_csks(void **state)
{
	(void)state;
	begin_with(32);
	roll_musik();
	wait_until(&got[0].musiks, 1);
	wait_until(&got[1].musiks, 1);
	wait_for(HOLDERS, got[0].id, 2);
	assert_int_equal(got[0].id >> 28, MCSEC_MUSIK);
	assert_int_equal(got[0].id, got[1].id);
	assert_memory_equal(got[0].key, got[1].key, 16);
	assert_memory_equal(got[0].rand, got[1].rand, 16);
	assert_true(got[0].expiry > 0);
	assert_string_equal(got[0].service, "urn:urn-7:3gpp-service.ims.icsi.mcptt");
	assert_int_equal(in_db(IN_USE, alice.csk_id), 1);
	bed_wait_recorded("musik.download", NULL, 2);
}

static void who_registers_later_gets_the_musik_in_force(void **state)
{
	(void)state;
	begin_with(32);
	roll_musik();
	wait_until(&got[0].musiks, 1);
	wait_for(HOLDERS, got[0].id, 2);
	assert_int_equal(ua_register(&tablet, &(struct reg){.expires = -1}), 200);
	wait_until(&got[2].musiks, 1);
	assert_int_equal(got[2].id, got[0].id);
	assert_int_equal(ua_register(&tablet, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
}

static void mcx_sec_203_a_client_that_leaves_makes_a_new_musik_for_the_rest(void **state)
{
	(void)state;
	begin_with(32);
	roll_musik();
	wait_until(&got[0].musiks, 1);
	wait_until(&got[1].musiks, 1);
	uint32_t first = got[0].id;
	wait_for(HOLDERS, first, 2);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = 0, .no_info = 1, .no_mikey = 1}), 200);
	wait_until(&got[0].musiks, 2);
	assert_int_not_equal(got[0].id, first);
	wait_for(HOLDERS, got[0].id, 1);
	assert_int_equal(got[1].musiks, 1);
}

static void the_musik_and_its_holders_survive_a_restart(void **state)
{
	(void)state;
	begin_with(32);
	got[1].answer = -1;
	roll_musik();
	wait_until(&got[0].musiks, 1);
	wait_until(&got[1].musiks, 1);
	wait_for(HOLDERS, got[0].id, 1);
	uint32_t id = got[0].id;
	bed_stop();
	got[1].answer = 0;
	bed_start();
	assert_int_equal(ua_options(&bob), 200);
	wait_until(&got[1].musiks, 2);
	wait_for(HOLDERS, id, 2);
	assert_int_equal(got[0].musiks, 1); /* alice holds it */
}

static int set_up(void **state)
{
	(void)state;
	bed_on_message = on_message;
	bed_on_body = bed_protect;
	bed_begin_for(&alice, &bob, &tablet);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_end_for(&alice, &bob, &tablet);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seed_7_3_7_the_message_has_its_request_uri_headers_and_body),
	    cmocka_unit_test(mcx_sec_176_after_the_200_the_new_csk_opens_and_the_old_one_for_the_grace),
	    cmocka_unit_test(with_a_grace_of_0_the_old_csk_is_refused_at_once),
	    cmocka_unit_test(until_the_200_the_server_protects_with_the_old_csk_and_opens_both),
	    cmocka_unit_test(mcx_sec_177_a_lost_200_is_made_good_by_the_next_request_under_the_new_csk),
	    cmocka_unit_test(mcx_sec_177_a_retry_has_the_same_key_in_a_new_message_even_after_a_restart),
	    cmocka_unit_test(mcx_sec_180_a_refusal_keeps_the_old_csk_and_what_is_pending),
	    cmocka_unit_test(a_csk_that_the_client_never_takes_is_erased_and_the_old_one_stays),
	    cmocka_unit_test(a_compromised_csk_does_not_outlive_the_last_attempt),
	    cmocka_unit_test(a_client_that_is_busy_is_sent_the_same_key_again_when_it_asked),
	    cmocka_unit_test(an_upload_that_crosses_and_wins_supersedes_the_download),
	    cmocka_unit_test(an_upload_that_crosses_and_loses_is_followed_by_the_download_at_once),
	    cmocka_unit_test(mcx_sec_179_a_download_is_of_one_client_alone),
	    cmocka_unit_test(mcx_sec_181_without_protection_or_csk_nothing_is_sent),
	    cmocka_unit_test(a_csk_that_is_too_old_is_replaced_by_itself),
	    cmocka_unit_test(leaving_ends_what_is_pending),
	    cmocka_unit_test(mcx_sec_201_all_clients_get_the_same_musik_and_rand_and_keep_their_csks),
	    cmocka_unit_test(who_registers_later_gets_the_musik_in_force),
	    cmocka_unit_test(mcx_sec_203_a_client_that_leaves_makes_a_new_musik_for_the_rest),
	    cmocka_unit_test(the_musik_and_its_holders_survive_a_restart),
	};
	return cmocka_run_group_tests_name("server_download", tests, set_up, tear_down);
}

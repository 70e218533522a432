/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service authorisation, settings and log-off by SIP PUBLISH at a whole server (24.379 7.3.3 to 7.3.5; sip 2.7): the
 * CSK comes in the PUBLISH, after a REGISTER that brought nothing but a contact.
 */
#include "e2e/server_bed.h"

#include "mcx/doc/poc_settings.h"
#include "mcx/xmlsec/xmlsec.h"

static struct ua alice, bob;

/* How the next PUBLISH is made. */
static struct {
	enum poc_answer answer;
	int without_settings, in_clear;
	const char *event, *if_match, *impu;
	int64_t expires;
} how;

static uint8_t memory[XML_ARENA_MIN], settings[1024];
static char etag[64], expires_granted[32];

/* The settings join the parts; then all of it is protected under the CSK it brings, or the one in use. */
static void on_body(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	struct writer arena = wr_init(memory, sizeof memory), w = wr_init(settings, sizeof settings);
	struct xml_key key;
	if (!how.without_settings && how.answer != POC_ANSWER_NONE) {
		assert_int_equal(poc_settings_write(&w, "do1", how.answer), MCSEC_OK);
		parts[(*n)++] = (struct body_out){.type = TYPE_POC_SETTINGS, .body = wr_result(&w)};
	}
	if (how.in_clear)
		return;
	assert_int_equal(xml_key_derive(&key, u->csk, u->csk_id, u->mcptt_id), MCSEC_OK);
	assert_int_equal(xml_protect(&xml_policy_default, &key, &mcsec_rng_system, "ua.test", parts, n, max, &arena),
			 MCSEC_OK);
}

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	const char *tag = sip_header_at(rs, "SIP-ETag", 0), *expires = sip_header_at(rs, "Expires", 0);
	snprintf(etag, sizeof etag, "%s", tag ? tag : "");
	snprintf(expires_granted, sizeof expires_granted, "%s", expires ? expires : "");
	ua_response(ctx, tx, rs);
}

static int publish(struct ua *u, const struct reg *r)
{
	static uint8_t body[32768];
	char uri[128], expires[24];
	size_t len = r ? ua_register_body(u, r, body, sizeof body) : 0;
	snprintf(uri, sizeof uri, "sip:mcptt@sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	snprintf(expires, sizeof expires, "%lld", (long long)(how.expires < 0 ? INT64_C(4294967295) : how.expires));
	struct sip_header h[3] = {
	    {"Event", how.event ? how.event : "poc-settings"}, {"Expires", expires}, {"SIP-If-Match", how.if_match}};
	struct sip_request rq = {.method = "PUBLISH",
				 .uri = uri,
				 .from = how.impu ? how.impu : u->impu,
				 .to = PSI,
				 .with = {.n_headers = how.if_match ? 3 : 2,
					  .headers = h,
					  .content_type = len ? BED_REGISTER_TYPE : NULL,
					  .body = {body, len}}};
	u->status = u->warning = 0;
	assert_non_null(sip_send(u->port, &rq, on_answer, u));
	wait_until(&u->status, 1);
	return u->status;
}

static size_t authorised(void)
{
	return rows_in_db("SELECT count(*) FROM bindings WHERE csk IS NOT NULL");
}

/* A fresh server; alice is registered without any authorisation. */
static void begin(void)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	memset(&how, 0, sizeof how);
	how.expires = -1;
	how.answer = POC_ANSWER_AUTOMATIC;
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed_on_body = NULL;
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .no_info = 1, .no_mikey = 1}), 200);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_on_body = on_body;
}

static void begin_authorised(void)
{
	begin();
	assert_int_equal(publish(&alice, &(struct reg){.expires = -1, .age = 5}), 200);
	assert_int_equal(authorised(), 1);
}

static void refused(const struct reg *r, int status, int warning)
{
	size_t before = authorised();
	assert_int_equal(publish(&alice, r), status);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(authorised(), before);
}

static void a_publish_with_token_and_csk_is_authorised_before_its_200(void **state)
{
	(void)state;
	begin_authorised();
	char sql[300];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u AND mcptt_id='%s' AND client_id='%s'",
		 alice.csk_id, alice.mcptt_id, alice.client_id);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(bindings_in_db(), 1); /* the bare registration has become it */
	assert_true(*etag != 0);
	assert_true(atoi(expires_granted) > 0);
}

static void the_published_answer_mode_is_in_force_and_durable(void **state)
{
	(void)state;
	begin_authorised();
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE answer_mode='automatic'"), 1);
	/* 7.3.4: settings alone, under the CSK in use */
	how.answer = POC_ANSWER_MANUAL;
	struct reg only = {.expires = -1, .no_mikey = 1, .token = ""};
	assert_int_equal(publish(&alice, &only), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE answer_mode='manual'"), 1);
}

static void settings_without_a_binding_are_404_141(void **state)
{
	(void)state;
	begin();
	refused(&(struct reg){.expires = -1, .no_mikey = 1, .token = ""}, 404, 141);
}

static void settings_that_are_not_under_the_csk_are_403_139(void **state)
{
	(void)state;
	begin_authorised();
	how.answer = POC_ANSWER_MANUAL;
	how.in_clear = 1;
	refused(&(struct reg){.expires = -1, .no_mikey = 1, .token = ""}, 403, 139);
	assert_int_equal(rows_in_db("SELECT count(*) FROM users WHERE answer_mode='automatic'"), 1);
}

static void mcx_sec_151_a_publish_with_a_token_of_another_is_refused(void **state)
{
	(void)state;
	begin();
	char *token = make_token(bed.signer, bob.mcptt_id, bed.cfg.audience, "openid " SCOPE_PTT_SERVICE, 600);
	refused(&(struct reg){.expires = -1, .token = token}, 488, 136);
	free(token);
}

static void mcx_sec_153_a_publish_with_another_purpose_tag_is_488_136(void **state)
{
	(void)state;
	begin();
	refused(&(struct reg){.expires = -1, .kind = MCSEC_PCK}, 488, 136);
}

static void a_publish_without_the_csk_or_with_a_bad_token_is_refused_as_a_register_is(void **state)
{
	(void)state;
	begin();
	refused(&(struct reg){.expires = -1, .no_mikey = 1}, 403, 140);
	refused(&(struct reg){.expires = -1, .token = "a.b.c"}, 403, 101);
}

static void a_publish_without_the_settings_is_400(void **state)
{
	(void)state;
	begin();
	how.without_settings = 1;
	refused(&(struct reg){.expires = -1}, 400, 0);
}

static void a_publish_by_somebody_who_is_not_registered_is_404_141(void **state)
{
	(void)state;
	begin();
	assert_int_equal(publish(&bob, &(struct reg){.expires = -1}), 404);
	assert_int_equal(bob.warning, 141);
}

static void a_publish_for_the_identity_of_another_is_403(void **state)
{
	(void)state;
	begin();
	how.impu = bob.impu;
	refused(&(struct reg){.expires = -1}, 403, 0);
}

static void another_event_is_489_and_an_unknown_etag_412(void **state)
{
	(void)state;
	begin();
	how.event = "presence";
	refused(&(struct reg){.expires = -1}, 489, 0);
	how.event = NULL;
	how.if_match = "nobody-knows";
	refused(&(struct reg){.expires = -1}, 412, 0);
}

static void mcx_sec_157_expires_0_erases_binding_and_csk(void **state)
{
	(void)state;
	begin_authorised();
	char tag[64];
	snprintf(tag, sizeof tag, "%s", etag);
	how.if_match = tag;
	how.expires = 0;
	assert_int_equal(publish(&alice, NULL), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, NULL);
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
	    cmocka_unit_test(a_publish_with_token_and_csk_is_authorised_before_its_200),
	    cmocka_unit_test(the_published_answer_mode_is_in_force_and_durable),
	    cmocka_unit_test(settings_without_a_binding_are_404_141),
	    cmocka_unit_test(settings_that_are_not_under_the_csk_are_403_139),
	    cmocka_unit_test(mcx_sec_151_a_publish_with_a_token_of_another_is_refused),
	    cmocka_unit_test(mcx_sec_153_a_publish_with_another_purpose_tag_is_488_136),
	    cmocka_unit_test(a_publish_without_the_csk_or_with_a_bad_token_is_refused_as_a_register_is),
	    cmocka_unit_test(a_publish_without_the_settings_is_400),
	    cmocka_unit_test(a_publish_by_somebody_who_is_not_registered_is_404_141),
	    cmocka_unit_test(a_publish_for_the_identity_of_another_is_403),
	    cmocka_unit_test(another_event_is_489_and_an_unknown_etag_412),
	    cmocka_unit_test(mcx_sec_157_expires_0_erases_binding_and_csk),
	};
	return cmocka_run_group_tests_name("server_publish", tests, set_up, tear_down);
}

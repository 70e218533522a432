/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole server behind a SIP core: service authorisation by third-party REGISTER (sip 2.5; flows 1.2 first row), what
 * only the core may say, and each way in which a client's message inside the core's is not believed. The core here is
 * the test itself, with the core's certificate; Kamailio in its place is test_core_job.py.
 */
#include "server_core_lab.h"

static char both_services[1000]; /* claims */

static size_t records(void)
{
	return rows_in_db("SELECT count(*) FROM audit");
}

/* Not believed: 200 all the same, nothing bound, and it stands in the record. */
static void not_believed(const struct third *t)
{
	size_t before = records();
	assert_int_equal(third_party(&core, &alice, t), 200);
	assert_int_equal(bindings_in_db(), 0);
	for (int i = 0; i < 2000 && records() == before; i++)
		pump(5);
	assert_true(records() > before);
}

/* ---- what a core says ---- */

static void a_third_party_register_binds_the_impu_of_its_to_with_the_csk_of_the_message_inside(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE impu='sip:alice@" ZONE
				    "' AND mcptt_id='sip:alice@mcptt." ZONE "' AND csk IS NOT NULL"),
			 1);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", alice.csk_id);
	assert_int_equal(rows_in_db(sql), 1);
}

/* The same client's mcvideo-info beside its mcptt-info, under the same CSK. */
static void add_video(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	static uint8_t xml[16384];
	static struct mcptt_info info;
	char *t = token_sign(bed.signer, "at+jwt", both_services);
	assert_true(*n < max);
	memset(&info, 0, sizeof info);
	info.access_token.form = info.client_id.form = MCPTT_PLAIN;
	snprintf(info.access_token.value, sizeof info.access_token.value, "%s", t);
	snprintf(info.client_id.value, sizeof info.client_id.value, "%s", u->client_id);
	free(t);
	struct writer w = wr_init(xml, sizeof xml);
	assert_int_equal(mcx_info_write(&w, MCX_MCVIDEO, &info), MCSEC_OK);
	parts[(*n)++] = (struct body_out){.type = mcx_services[MCX_MCVIDEO].info_type, .body = wr_result(&w)};
}

static void a_third_party_register_authorises_several_services(void **state)
{
	(void)state;
	int64_t now = (int64_t)time(NULL);
	bed.cfg.services = (struct config_list){.n = 2, .item = {"mcptt", "mcvideo"}};
	begin_core();
	snprintf(both_services, sizeof both_services,
		 "{\"iss\":\"%s\",\"sub\":\"u-1\",\"aud\":\"%s\",\"client_id\":\"mcx-ue\",\"iat\":%lld,\"exp\":%lld,"
		 "\"jti\":\"t-v\",\"scope\":\"" SCOPE_VIDEO_SERVICE "\",\"mcvideo_id\":\"%s\",\"sid\":\"s-1\"}",
		 bed.cfg.issuer, bed.cfg.audience, (long long)now - 5, (long long)now + 600, alice.mcptt_id);
	bed_on_body = add_video;
	struct third t = {.reg = {.expires = -1, .responder = MDSI},
			  .contact =
			      "<sip:alice@192.0.2.7>;+g.3gpp.mcptt;+g.3gpp.mcvideo;+sip.instance=\"<urn:uuid:1>\""};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE csk IS NOT NULL"), 2);
	bed_on_body = NULL;
	t.bare = 1;
	t.contact = "<sip:alice@192.0.2.7>;+g.3gpp.mcvideo;+sip.instance=\"<urn:uuid:1>\"";
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE service=1"), 1);
	assert_int_equal(bindings_in_db(), 1);
	bed.cfg.services.n = 0;
}

static void the_200_to_the_client_may_stand_beside_its_register(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.with_answer = 1;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 1);
}

static void a_renewal_replaces_the_csk_and_one_without_bodies_moves_the_expiry_alone(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.reg.age = 20;
	t.expires_out = "100";
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(third_party(&core, &alice, &good), 200);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u AND expires > unixepoch() + 300",
		 alice.csk_id);
	assert_int_equal(rows_in_db(sql), 1);
	t = (struct third){.bare = 1, .expires_out = "3000", .reg = {.expires = -1}};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u AND expires > unixepoch() + 2000",
		 alice.csk_id);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(bindings_in_db(), 1);
}

static void several_contacts_of_a_user_are_bindings_of_their_own_and_leave_one_by_one(void **state)
{
	(void)state;
	begin_core();
	struct third t = {.bare = 1, .reg = {.expires = 0}};
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(third_party(&core, &tablet, &good), 200);
	assert_int_equal(rows_in_db("SELECT count(DISTINCT contact) FROM bindings WHERE impu='sip:alice@" ZONE "'"), 2);
	/* The tablet's client says 0; the user stays registered at the core. */
	assert_int_equal(third_party(&core, &tablet, &t), 200);
	assert_int_equal(bindings_in_db(), 1);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", alice.csk_id);
	assert_int_equal(rows_in_db(sql), 1);
	assert_int_equal(third_party(&core, &tablet, &good), 200);
	t.contact = "*";
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_contact_without_instance_is_a_binding_too(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.no_instance = 1;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE contact LIKE 'sip:alice@192.0.2.7:%'"), 1);
	t.bare = 1;
	t.reg.expires = 0;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static void deregistration_by_the_core_alone_ends_every_binding_of_the_user(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(third_party(&core, &tablet, &good), 200);
	assert_int_equal(third_party(&core, &bob, &good), 200);
	struct third t = {.alone = 1, .expires_out = "0"};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(rows_in_db("SELECT count(*) FROM bindings WHERE impu='sip:bob@" ZONE "'"), 1);
	assert_int_equal(bindings_in_db(), 1);
}

static void a_contact_that_offers_the_service_no_more_leaves(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&core, &alice, &good), 200);
	struct third t = {.bare = 1, .no_tags = 1, .reg = {.expires = -1}};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_binding_ends_when_the_cores_expiry_is_over(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.expires_out = "1";
	assert_int_equal(third_party(&core, &alice, &t), 200);
	for (int i = 0; i < 4000 && bindings_in_db(); i++)
		pump(5);
	assert_int_equal(bindings_in_db(), 0);
}

static void the_core_alone_or_a_message_without_bodies_authorises_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = {.alone = 1};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	t = (struct third){.bare = 1, .reg = {.expires = -1}};
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 0);
}

/* ---- not believed ---- */

static void a_third_party_register_from_somebody_else_is_403(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&stranger, &alice, &good), 403);
	assert_int_equal(third_party(&alice, &alice, &good), 403);
	assert_int_equal(bindings_in_db(), 0);
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(third_party(&alice, &alice, &(struct third){.alone = 1, .expires_out = "0"}), 403);
	assert_int_equal(bindings_in_db(), 1);
}

static void a_client_that_registers_past_the_core_is_403(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 403);
	assert_int_equal(bindings_in_db(), 0);
}

static void a_message_inside_that_disagrees_with_the_outer_request_binds_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.client_to = bob.impu;
	not_believed(&t);
	t = good;
	t.to = bob.impu;
	not_believed(&t);
}

static void a_message_inside_that_is_no_register_binds_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.method = "PUBLISH";
	not_believed(&t);
}

static void two_requests_inside_bind_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.twice = 1;
	not_believed(&t);
}

static void a_message_nested_in_the_message_binds_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.nested = 1;
	not_believed(&t);
}

static void a_message_inside_that_is_cut_short_binds_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.cut = 1;
	not_believed(&t);
}

static void an_oversized_third_party_register_is_refused_and_binds_nobody(void **state)
{
	(void)state;
	begin_core();
	struct third t = good;
	t.padding = IMMENSE;
	assert_int_not_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(bindings_in_db(), 0);
	ua_reconnect(&core);
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(bindings_in_db(), 1);
}

static void what_a_client_does_wrong_is_200_to_the_core_and_leaves_a_binding_as_it_is(void **state)
{
	(void)state;
	begin_core();
	struct third bad = good;
	bad.reg.flip = 200;
	not_believed(&bad);
	bad = good;
	bad.reg.token = "";
	not_believed(&bad);
	bad = good;
	bad.reg.initiator = bob.mcptt_id;
	bad.reg.keys = bob.keys;
	not_believed(&bad);
	bad = good;
	bad.reg.no_mikey = 1;
	not_believed(&bad);
	struct third t = good;
	t.reg.age = 20;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	char sql[100];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", alice.csk_id);
	bad.reg = (struct reg){.expires = -1, .flip = 200};
	assert_int_equal(third_party(&core, &alice, &bad), 200);
	assert_int_equal(rows_in_db(sql), 1);
}

/* ---- calls through the core ---- */

static void a_call_goes_by_the_core_to_the_device_that_registered(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(third_party(&core, &bob, &good), 200);
	memcpy(core.client_id, alice.client_id, sizeof core.client_id);
	memcpy(core.mcptt_id, alice.mcptt_id, sizeof core.mcptt_id);
	struct mcsec_keyset *own = core.keys;
	core.keys = alice.keys;
	assert_int_equal(ua_invite(&core, &(struct inv){.from = alice.impu, .asserted = "SIP:alice@A.test"}), 200);
	core.keys = own;
	char want[300];
	snprintf(want, sizeof want, "sip:bob@" ZONE ";gr=%s", bob.client_id);
	assert_string_equal(far.target, want);
	snprintf(want, sizeof want, "<%s>", bed.cfg.core_route);
	assert_string_equal(far.route, want);
	assert_string_equal(far.asserted, "<" PSI ">");
	assert_string_equal(far.calling_user, alice.mcptt_id);
	core.byes = far.byes = 0;
	bed_stop(); /* both ends hear BYE, through the core and at once */
	bed_start();
	wait_until(&core.byes, 1);
	wait_until(&far.byes, 1);
}

static void an_asserted_identity_past_the_core_is_403(void **state)
{
	(void)state;
	begin_core();
	assert_int_equal(third_party(&core, &alice, &good), 200);
	assert_int_equal(third_party(&core, &bob, &good), 200);
	far.invites = 0;
	assert_int_equal(ua_invite(&stranger, &(struct inv){.asserted = alice.impu}), 403);
	assert_int_equal(ua_invite(&alice, &(struct inv){.asserted = alice.impu}), 403);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 403);
	assert_int_equal(far.invites, 0);
}

static void a_core_without_a_route_is_refused_at_the_start(void **state)
{
	(void)state;
	char err[256] = "";
	struct server_config c = bed.cfg;
	c.core_route[0] = 0;
	assert_null(server_start(&c, err, sizeof err));
	assert_non_null(strstr(err, "core_route"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_third_party_register_binds_the_impu_of_its_to_with_the_csk_of_the_message_inside),
	    cmocka_unit_test(a_third_party_register_authorises_several_services),
	    cmocka_unit_test(the_200_to_the_client_may_stand_beside_its_register),
	    cmocka_unit_test(a_renewal_replaces_the_csk_and_one_without_bodies_moves_the_expiry_alone),
	    cmocka_unit_test(several_contacts_of_a_user_are_bindings_of_their_own_and_leave_one_by_one),
	    cmocka_unit_test(a_contact_without_instance_is_a_binding_too),
	    cmocka_unit_test(deregistration_by_the_core_alone_ends_every_binding_of_the_user),
	    cmocka_unit_test(a_contact_that_offers_the_service_no_more_leaves),
	    cmocka_unit_test(a_binding_ends_when_the_cores_expiry_is_over),
	    cmocka_unit_test(the_core_alone_or_a_message_without_bodies_authorises_nobody),
	    cmocka_unit_test(a_third_party_register_from_somebody_else_is_403),
	    cmocka_unit_test(a_client_that_registers_past_the_core_is_403),
	    cmocka_unit_test(a_message_inside_that_disagrees_with_the_outer_request_binds_nobody),
	    cmocka_unit_test(a_message_inside_that_is_no_register_binds_nobody),
	    cmocka_unit_test(two_requests_inside_bind_nobody),
	    cmocka_unit_test(a_message_nested_in_the_message_binds_nobody),
	    cmocka_unit_test(a_message_inside_that_is_cut_short_binds_nobody),
	    cmocka_unit_test(an_oversized_third_party_register_is_refused_and_binds_nobody),
	    cmocka_unit_test(what_a_client_does_wrong_is_200_to_the_core_and_leaves_a_binding_as_it_is),
	    cmocka_unit_test(a_call_goes_by_the_core_to_the_device_that_registered),
	    cmocka_unit_test(an_asserted_identity_past_the_core_is_403),
	    cmocka_unit_test(a_core_without_a_route_is_refused_at_the_start),
	};
	return cmocka_run_group_tests_name("server_core", tests, open_agents, close_agents);
}

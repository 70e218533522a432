/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KMS redirect of an upload that came in a third-party REGISTER: 200 to the core, and the redirect as a SIP MESSAGE
 * to the client, one a minute (sip 2.6, flows 9).
 */
#include "server_core_lab.h"
#include "server_redirect_lab.h"

/* What the core was given for a client. */
static struct {
	int n;
	char uri[200], to[128], service[100], asserted[128], accept[200], route[300], type[100];
	struct octets body;
	uint8_t copy[16384];
} got;

static void keep(char *out, size_t size, const struct sip_message *rq, const char *name)
{
	const char *value = sip_header_at(rq, name, 0);
	snprintf(out, size, "%s", value ? value : "");
}

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	(void)u;
	got.n++;
	snprintf(got.uri, sizeof got.uri, "%s", rq->uri);
	snprintf(got.to, sizeof got.to, "%s", rq->to);
	keep(got.service, sizeof got.service, rq, "P-Asserted-Service");
	keep(got.asserted, sizeof got.asserted, rq, "P-Asserted-Identity");
	keep(got.accept, sizeof got.accept, rq, "Accept-Contact");
	keep(got.route, sizeof got.route, rq, "Route");
	snprintf(got.type, sizeof got.type, "%s", rq->content_type ? rq->content_type : "");
	assert_true(rq->body.len <= sizeof got.copy);
	memcpy(got.copy, rq->body.p, rq->body.len);
	got.body = (struct octets){got.copy, rq->body.len};
	(void)sip_reply(tx, 200, NULL, NULL);
}

static void begin(void)
{
	begin_core();
	memset(&got, 0, sizeof got);
	bed_on_message = on_message;
}

static const struct third for_another = {.reg = {.expires = -1, .responder_kms = OTHER_KMS}};

static void the_core_hears_200_and_the_client_gets_the_redirect_as_a_message(void **state)
{
	(void)state;
	begin();
	assert_int_equal(third_party(&core, &alice, &for_another), 200);
	wait_until(&got.n, 1);
	char gruu[200];
	snprintf(gruu, sizeof gruu, "%s;gr=%s", alice.impu, alice.client_id);
	assert_string_equal(got.uri, gruu);
	assert_string_equal(got.to, alice.impu);
	assert_string_equal(got.service, ICSI_MCPTT);
	assert_string_equal(got.asserted, "<" PSI ">");
	assert_string_equal(got.accept, "*;" ICSI_REF_TAG ";require;explicit");
	assert_non_null(strstr(got.route, CORE_HOST));
	expect_redirect(redirect_of(got.type, got.body), alice.mcptt_id, PSI, OTHER_KMS, "");
	assert_int_equal(bindings_in_db(), 0);
	bed_wait_recorded("krr.sent", NULL, 1);
}

static void a_client_is_told_once_a_minute_and_another_one_all_the_same(void **state)
{
	(void)state;
	begin();
	assert_int_equal(third_party(&core, &alice, &for_another), 200);
	wait_until(&got.n, 1);
	assert_int_equal(third_party(&core, &alice, &for_another), 200);
	assert_int_equal(third_party(&core, &bob, &for_another), 200);
	wait_until(&got.n, 2); /* what is sent in order comes in order: hers would stand before his */
	assert_string_equal(got.to, bob.impu);
	assert_int_equal(got.n, 2);
	bed_wait_recorded("krr.sent", NULL, 3);
}

static void damage_behind_a_core_is_200_and_no_message(void **state)
{
	(void)state;
	begin();
	struct third t = for_another;
	t.reg.flip = 60;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	assert_int_equal(third_party(&core, &bob, &for_another), 200);
	wait_until(&got.n, 1);
	assert_string_equal(got.to, bob.impu);
	assert_int_equal(got.n, 1);
}

static void a_key_download_through_the_core_names_its_route(void **state)
{
	(void)state;
	begin();
	bed_stop();
	bed.cfg.xml_confidentiality = 1;
	bed.cfg.csk_max_age_s = 1; /* the next tick finds it old */
	bed_start();
	struct third t = {.reg = {.expires = -1, .age = 20}};
	bed_on_body = bed_protect;
	assert_int_equal(third_party(&core, &alice, &t), 200);
	bed_on_body = NULL;
	wait_until(&got.n, 1);
	assert_string_equal(got.type, TYPE_MIKEY);
	char route[300];
	snprintf(route, sizeof route, "<%s>", bed.cfg.core_route);
	assert_string_equal(got.route, route);
	bed.cfg.csk_max_age_s = 0;
	bed.cfg.xml_confidentiality = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_core_hears_200_and_the_client_gets_the_redirect_as_a_message),
	    cmocka_unit_test(a_client_is_told_once_a_minute_and_another_one_all_the_same),
	    cmocka_unit_test(damage_behind_a_core_is_200_and_no_message),
	    cmocka_unit_test(a_key_download_through_the_core_names_its_route),
	};
	return cmocka_run_group_tests_name("server_redirect_core", tests, open_agents, close_agents);
}

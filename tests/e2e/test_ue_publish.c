/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service authorisation by PUBLISH at the client engine, whole (TS 24.379 7.2.2; sip.md 2.3), and the repair of an
 * authorisation that the server has lost: by PUBLISH behind a SIP core, by REGISTER where the server is the registrar
 * (flows 1.1). The server of the lab is core and MC server in one; that a client has a user at a core makes it think
 * so.
 */
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/test.h"

static const char unknown[] = "399 lab \"141 user unknown to the participating function\"";
static const char unreadable[] = "399 lab \"140 unable to decrypt XML content\"";

static void begin(const struct ue_config *c)
{
	struct ue_report r;
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, c);
	ue_answer(lab_alice, &(struct ue_audio_files){0});
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
}

static const struct ue_config behind_core = {.sip_user = "alice", .sip_password = "unasked"};

/* A call of hers that is answered so; she has heard it when this returns. */
static void a_call_refused(int status, const char *warning)
{
	struct ue_report r;
	lab_refuse(lab, "INVITE", 1, status, warning);
	assert_int_equal(ue_call(lab_alice, &(struct ue_call){.target = LAB_BOB}, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, status);
}

/* Until what she uploaded last is what she uses. */
static void repaired(uint32_t before)
{
	for (int i = 0;
	     i < 3000 && (ue_csk_id(lab_alice) == before || ue_csk_id(lab_alice) != lab_last_register(lab).csk_id); i++)
		usleep(10000);
	assert_int_not_equal(ue_csk_id(lab_alice), before);
	assert_int_equal(ue_csk_id(lab_alice), lab_last_register(lab).csk_id);
}

static void a_publish_brings_csk_token_client_id_and_answer_mode_after_a_register_with_the_contact_alone(void **state)
{
	(void)state;
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	begin(&(struct ue_config){.publish = 1});
	struct lab_register l = lab_last_register(lab);
	assert_int_equal(lab_registers(lab), registers + 1);
	assert_int_equal(lab_publishes(lab), publishes + 1);
	assert_true(l.csk_opened);
	assert_int_equal(l.csk_id, ue_csk_id(lab_alice));
	assert_string_equal(l.token, "token-of-the-lab");
	assert_memory_equal(l.client_id, "urn:uuid:", 9);
	assert_int_equal(l.answer, POC_ANSWER_AUTOMATIC);
	assert_string_equal(l.event, "poc-settings");
	assert_string_equal(l.expires, "4294967295");
	assert_string_equal(l.service, "urn:urn-7:3gpp-service.ims.icsi.mcptt");
	assert_string_equal(l.accept, "*;+g.3gpp.mcptt;require;explicit");
}

static void a_publish_that_is_refused_is_a_registration_that_failed(void **state)
{
	(void)state;
	struct ue_report r;
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, &(struct ue_config){.publish = 1});
	lab_refuse(lab, "PUBLISH", 1, 403, "399 lab \"100 function not allowed due to no common security algorithm\"");
	assert_int_equal(ue_register(lab_alice, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 403);
	assert_int_equal(r.warning, 100);
	assert_int_equal(ue_csk_id(lab_alice), 0);
}

static void behind_a_core_a_404_141_is_repaired_by_publish(void **state)
{
	(void)state;
	begin(&behind_core);
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(lab_alice);
	a_call_refused(404, unknown);
	repaired(before);
	assert_int_equal(lab_registers(lab), registers);
	assert_int_equal(lab_publishes(lab), publishes + 1);
}

static void behind_a_core_a_403_140_is_repaired_by_publish(void **state)
{
	(void)state;
	begin(&behind_core);
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(lab_alice);
	a_call_refused(403, unreadable);
	repaired(before);
	assert_int_equal(lab_registers(lab), registers);
	assert_int_equal(lab_publishes(lab), publishes + 1);
}

static void where_the_core_has_lost_it_too_a_register_follows_the_refused_publish(void **state)
{
	(void)state;
	begin(&behind_core);
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(lab_alice);
	lab_refuse(lab, "PUBLISH", 1, 403, NULL);
	a_call_refused(404, unknown);
	for (int i = 0; i < 3000 && lab_registers(lab) == registers; i++)
		usleep(10000);
	repaired(before);
	assert_int_equal(lab_registers(lab), registers + 1);
	assert_int_equal(lab_publishes(lab), publishes + 1);
}

static void without_a_core_a_404_141_is_repaired_by_register(void **state)
{
	(void)state;
	begin(NULL);
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(lab_alice);
	a_call_refused(404, unknown);
	repaired(before);
	assert_int_equal(lab_registers(lab), registers + 1);
	assert_int_equal(lab_publishes(lab), publishes);
}

static void another_refusal_of_a_call_repairs_nothing(void **state)
{
	(void)state;
	begin(&behind_core);
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	a_call_refused(404, NULL);
	a_call_refused(403, "399 lab \"107 user not authorised to make private calls\"");
	struct ue_report r;
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK); /* whatever was on its way has left before it */
	assert_int_equal(lab_registers(lab), registers + 1);
	assert_int_equal(lab_publishes(lab), publishes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		a_publish_brings_csk_token_client_id_and_answer_mode_after_a_register_with_the_contact_alone),
	    cmocka_unit_test(a_publish_that_is_refused_is_a_registration_that_failed),
	    cmocka_unit_test(behind_a_core_a_404_141_is_repaired_by_publish),
	    cmocka_unit_test(behind_a_core_a_403_140_is_repaired_by_publish),
	    cmocka_unit_test(where_the_core_has_lost_it_too_a_register_follows_the_refused_publish),
	    cmocka_unit_test(without_a_core_a_404_141_is_repaired_by_register),
	    cmocka_unit_test(another_refusal_of_a_call_repairs_nothing),
	};
	return cmocka_run_group_tests_name("ue_publish", tests, lab_set_up, lab_tear_down);
}

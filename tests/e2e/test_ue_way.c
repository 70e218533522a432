/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a client that is registered (RFC 5626 4.5): when the connection is lost the client opens another, so that
 * it can be called, and be sent keys, long before its registration is renewed.
 */
#include <time.h>
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/test.h"

static void begin(const struct ue_config *c)
{
	struct ue_report r;
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, c);
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
}

static void until(unsigned (*count)(struct lab *l), unsigned at_least)
{
	for (int i = 0; i < 6000 && count(lab) < at_least; i++)
		usleep(10000);
	assert_true(count(lab) >= at_least);
}

/* A key download, which goes over the connection that the server knows. */
static void she_is_reached(int64_t ahead)
{
	struct lab_message m = {.kind = MCSEC_CSK, .ahead = ahead};
	assert_int_equal(lab_message(lab, LAB_ALICE, &m).status, 200);
	assert_int_equal(ue_csk_id(lab_alice), m.k_id);
}

static void a_lost_connection_is_opened_again_and_leads_to_the_client(void **state)
{
	(void)state;
	begin(NULL);
	unsigned registers = lab_registers(lab), options = lab_options(lab);
	for (unsigned i = 1; i <= 2; i++) {
		lab_go(lab);
		lab_come_back(lab);
		until(lab_options, options + i);
		she_is_reached(10 * i);
	}
	assert_int_equal(lab_registers(lab), registers);
}

static void a_server_that_stays_away_is_tried_until_it_is_there(void **state)
{
	(void)state;
	begin(NULL);
	unsigned options = lab_options(lab);
	lab_go(lab);
	sleep(6); /* longer than the longest first wait */
	lab_come_back(lab);
	until(lab_options, options + 1);
	she_is_reached(40);
}

static void a_server_that_is_busy_is_asked_again(void **state)
{
	(void)state;
	begin(NULL);
	unsigned options = lab_options(lab);
	lab_refuse(lab, "OPTIONS", 1, 503, NULL);
	lab_go(lab);
	lab_come_back(lab);
	until(lab_options, options + 2);
	she_is_reached(60);
}

static void a_server_that_knows_the_user_no_more_gets_a_new_upload(void **state)
{
	(void)state;
	begin(NULL);
	unsigned registers = lab_registers(lab);
	lab_refuse(lab, "OPTIONS", 1, 404, "399 lab \"141 user unknown to the participating function\"");
	lab_go(lab);
	lab_come_back(lab);
	until(lab_registers, registers + 1);
}

static void behind_a_core_a_lost_connection_is_followed_by_a_register(void **state)
{
	(void)state;
	begin(&(struct ue_config){.sip_user = "alice", .sip_password = "unasked"});
	unsigned registers = lab_registers(lab), options = lab_options(lab);
	lab_go(lab);
	lab_come_back(lab);
	until(lab_registers, registers + 1);
	assert_int_equal(lab_options(lab), options);
}

static void who_has_logged_off_opens_nothing(void **state)
{
	(void)state;
	struct ue_report r;
	begin(NULL);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	unsigned registers = lab_registers(lab), options = lab_options(lab);
	lab_go(lab);
	lab_come_back(lab);
	sleep(5); /* longer than the longest first wait */
	assert_int_equal(lab_registers(lab), registers);
	assert_int_equal(lab_options(lab), options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lost_connection_is_opened_again_and_leads_to_the_client),
	    cmocka_unit_test(a_server_that_stays_away_is_tried_until_it_is_there),
	    cmocka_unit_test(a_server_that_is_busy_is_asked_again),
	    cmocka_unit_test(a_server_that_knows_the_user_no_more_gets_a_new_upload),
	    cmocka_unit_test(behind_a_core_a_lost_connection_is_followed_by_a_register),
	    cmocka_unit_test(who_has_logged_off_opens_nothing),
	};
	return cmocka_run_group_tests_name("ue_way", tests, lab_set_up, lab_tear_down);
}

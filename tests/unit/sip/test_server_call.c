/* SPDX-License-Identifier: Apache-2.0 */
/* The private call at the server, row by row (flows 3.2), each refusal with its exact answer (sip 6.3, 10). */
#include "unit/test.h"

#include "mcx/flow/server_call.h"

static int covered[96];

static int step(struct sc *m, const struct sc_event *ev, struct sc_actions *a)
{
	int row = sc_step(m, ev, a);
	if (row >= 0)
		covered[row] = 1;
	return row;
}

static int on(struct sc *m, enum sc_event_kind kind, struct sc_actions *a)
{
	return step(m, &(struct sc_event){.kind = kind}, a);
}

static struct sc_event good_invite(void)
{
	return (struct sc_event){.kind = SC_EV_INVITE,
				 .bound = 1,
				 .readable = 1,
				 .same_client = 1,
				 .private_call = 1,
				 .n_targets = 1,
				 .may_call = 1,
				 .may_automatic = 1,
				 .may_manual = 1,
				 .key_mgmt = 1,
				 .im_ok = 1,
				 .controlling = 1,
				 .below_max = 1,
				 .callee_known = 1,
				 .callee_callable = 1,
				 .callee_settings = 1,
				 .media_ok = 1};
}

static int does(const struct sc_actions *a, enum sc_action what)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->do_[i] == what)
			return 1;
	return 0;
}

static void refused(struct sc_event ev, int status, int warning)
{
	struct sc m = {SC_NEW};
	struct sc_actions a;
	assert_true(step(&m, &ev, &a) >= 0);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
	assert_int_equal(a.do_[0], SC_DO_REPLY);
	assert_int_equal(a.do_[a.n - 1], SC_DO_FREE);
	assert_false(does(&a, SC_DO_INVITE_B));
	assert_false(does(&a, SC_DO_RELAY));
	assert_int_equal(m.state, SC_DONE);
}

static struct sc machine_at(enum sc_state s)
{
	return (struct sc){s};
}

static void a_good_invite_goes_to_the_callee_with_relay_ports(void **state)
{
	(void)state;
	struct sc m = {SC_NEW};
	struct sc_actions a;
	struct sc_event ev = good_invite();
	step(&m, &ev, &a);
	assert_int_equal(m.state, SC_CALLING);
	assert_int_equal(a.do_[0], SC_DO_RELAY);
	assert_int_equal(a.do_[1], SC_DO_INVITE_B);
	assert_int_equal(a.do_[2], SC_DO_RING_TIMER);
}

#define REFUSED(name, change, status, warning)                                                                         \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		struct sc_event ev = good_invite();                                                                    \
		change;                                                                                                \
		refused(ev, status, warning);                                                                          \
	}

REFUSED(seed_003_7_2_1_3_2_a_call_for_a_domain_that_the_callee_is_not_of_is_488_without_136, ev.kms_refused = 1, 488, 0)
REFUSED(who_may_not_call_does_not_learn_the_callees_domain, (ev.kms_refused = 1, ev.callee_callable = 0), 403, 127)
REFUSED(a_caller_without_a_binding_is_404_141, ev.bound = 0, 404, 141)
REFUSED(a_body_that_is_not_signed_by_the_csk_is_403_139, ev.xml = SC_XML_FORGED, 403, 139)
REFUSED(a_body_that_does_not_open_is_403_140, ev.xml = SC_XML_UNDECRYPTABLE, 403, 140)
REFUSED(a_protected_body_sent_again_is_403_140, ev.xml = SC_XML_REPLAY, 403, 140)
REFUSED(a_request_under_a_key_that_waits_for_another_is_500, ev.held = 1, 500, 0)
REFUSED(an_unreadable_body_is_400, ev.readable = 0, 400, 0)
REFUSED(mcx_sec_158_the_client_id_of_another_device_is_403_140, ev.same_client = 0, 403, 140)
REFUSED(a_session_that_is_not_private_is_403_100, ev.private_call = 0, 403, 100)
REFUSED(no_target_is_403_145, ev.n_targets = 0, 403, 145)
REFUSED(two_targets_are_403_145, ev.n_targets = 2, 403, 145)
REFUSED(a_user_who_may_not_make_private_calls_is_403_107, ev.may_call = 0, 403, 107)
REFUSED(automatic_commencement_not_permitted_is_403_125, (ev.may_automatic = 0, ev.mode = SC_MODE_AUTOMATIC), 403, 125)
REFUSED(manual_commencement_not_permitted_is_403_126, (ev.may_manual = 0, ev.mode = SC_MODE_MANUAL), 403, 126)
REFUSED(an_offer_without_key_where_protection_is_required_is_403_107, ev.key_mgmt = 0, 403, 107)
REFUSED(an_offer_with_key_where_protection_is_forbidden_is_403_107, ev.protection = SC_PROTECTION_FORBIDDEN, 403, 107)
REFUSED(an_i_message_that_does_not_parse_is_488_136, ev.im_ok = 0, 488, 136)
REFUSED(no_controlling_function_is_404_142, ev.controlling = 0, 404, 142)
REFUSED(one_call_too_many_is_486_124, ev.below_max = 0, 486, 124)
REFUSED(an_unknown_or_unregistered_callee_is_404_without_warning, ev.callee_known = 0, 404, 0)
REFUSED(a_callee_who_may_not_be_called_is_403_127, ev.callee_callable = 0, 403, 127)
REFUSED(a_callee_without_answer_mode_is_480_146, ev.callee_settings = 0, 480, 146)
REFUSED(media_of_another_address_is_488_without_warning, ev.media_ok = 0, 488, 0)

static void an_offer_without_key_passes_where_protection_is_only_allowed(void **state)
{
	(void)state;
	struct sc m = {SC_NEW};
	struct sc_actions a;
	struct sc_event ev = good_invite();
	ev.key_mgmt = ev.im_ok = 0;
	ev.protection = SC_PROTECTION_ALLOWED;
	step(&m, &ev, &a);
	assert_int_equal(m.state, SC_CALLING);
}

static void ringing_is_passed_on(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_CALLING);
	struct sc_actions a;
	on(&m, SC_EV_RINGING, &a);
	assert_int_equal(a.do_[0], SC_DO_FORWARD_RINGING);
	assert_int_equal(m.state, SC_CALLING);
}

static void an_answer_is_durable_before_the_caller_hears_it(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_CALLING);
	struct sc_actions a;
	on(&m, SC_EV_ANSWER, &a);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], SC_DO_STORE);
	on(&m, SC_EV_STORED, &a);
	assert_int_equal(a.do_[0], SC_DO_ANSWER_A);
	assert_int_equal(m.state, SC_UP);
}

static void a_store_that_fails_ends_the_call_with_503_and_bye_to_the_callee(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_STORING);
	struct sc_actions a;
	on(&m, SC_EV_STORE_FAILED, &a);
	assert_int_equal(a.status, 503);
	assert_true(does(&a, SC_DO_BYE_B) && does(&a, SC_DO_CLOSE_RELAY));
}

static void a_refusal_of_the_callee_is_forwarded_as_it_is(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_CALLING);
	struct sc_actions a;
	on(&m, SC_EV_REFUSED, &a);
	assert_int_equal(a.do_[0], SC_DO_FORWARD_FINAL);
	assert_false(does(&a, SC_DO_REPLY));
	assert_true(does(&a, SC_DO_CLOSE_RELAY));
	assert_int_equal(m.state, SC_DONE);
}

static void a_callee_that_cannot_be_reached_is_480(void **state)
{
	(void)state;
	enum sc_event_kind how[] = {SC_EV_UNREACHABLE, SC_EV_UNSENT};
	for (int i = 0; i < 2; i++) {
		struct sc m = machine_at(SC_CALLING);
		struct sc_actions a;
		on(&m, how[i], &a);
		assert_int_equal(a.status, 480);
		assert_true(does(&a, SC_DO_CLOSE_RELAY));
		assert_int_equal(m.state, SC_DONE);
	}
}

static void no_relay_ports_is_503(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_CALLING);
	struct sc_actions a;
	on(&m, SC_EV_NO_PORTS, &a);
	assert_int_equal(a.status, 503);
	assert_int_equal(m.state, SC_DONE);
}

static void an_answer_that_cannot_be_relayed_is_never_passed_on(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_CALLING);
	struct sc_actions a;
	on(&m, SC_EV_BAD_ANSWER, &a);
	assert_int_equal(a.status, 488);
	assert_true(does(&a, SC_DO_BYE_B));
}

static void cancel_t_ring_and_revocation_cancel_the_callee(void **state)
{
	(void)state;
	static const struct {
		enum sc_event_kind kind;
		int status;
	} how[] = {{SC_EV_CANCEL, 487}, {SC_EV_RING_TIME, 480}, {SC_EV_REVOKED, 480}};
	for (int i = 0; i < 3; i++) {
		struct sc m = machine_at(SC_CALLING);
		struct sc_actions a;
		on(&m, how[i].kind, &a);
		assert_int_equal(a.status, how[i].status);
		assert_int_equal(a.do_[1], SC_DO_CANCEL_B);
		assert_int_equal(m.state, SC_CANCELLING);
	}
}

static void a_200_that_crosses_the_cancel_is_told_bye(void **state)
{
	(void)state;
	enum sc_event_kind how[] = {SC_EV_ANSWER, SC_EV_BAD_ANSWER};
	for (int i = 0; i < 2; i++) {
		struct sc m = machine_at(SC_CANCELLING);
		struct sc_actions a;
		on(&m, how[i], &a);
		assert_int_equal(a.do_[0], SC_DO_BYE_B);
		assert_int_equal(m.state, SC_ENDING);
	}
}

static void a_cancelled_callee_that_refuses_or_vanishes_ends_the_machine(void **state)
{
	(void)state;
	enum sc_event_kind how[] = {SC_EV_REFUSED, SC_EV_UNREACHABLE};
	for (int i = 0; i < 2; i++) {
		struct sc m = machine_at(SC_CANCELLING);
		struct sc_actions a;
		on(&m, how[i], &a);
		assert_true(does(&a, SC_DO_CLOSE_RELAY) && does(&a, SC_DO_FREE));
		assert_false(does(&a, SC_DO_REPLY));
	}
}

static void what_happens_while_the_answer_is_being_stored_still_ends_it(void **state)
{
	(void)state;
	enum sc_event_kind how[] = {SC_EV_CANCEL, SC_EV_REVOKED, SC_EV_BYE_B};
	for (int i = 0; i < 3; i++) {
		struct sc m = machine_at(SC_STORING);
		struct sc_actions a;
		on(&m, how[i], &a);
		assert_true(does(&a, SC_DO_REPLY) && does(&a, SC_DO_ERASE) && does(&a, SC_DO_CLOSE_RELAY));
		assert_int_equal(does(&a, SC_DO_BYE_B), how[i] != SC_EV_BYE_B);
		assert_int_equal(m.state, SC_ENDING);
		assert_int_equal(on(&m, SC_EV_STORED, &a), -1); /* the late word of the store opens nothing */
	}
}

static void a_bye_of_one_end_is_answered_and_told_to_the_other(void **state)
{
	(void)state;
	enum sc_state at[] = {SC_UP, SC_REFRESH};
	for (int i = 0; i < 2; i++) {
		struct sc m = machine_at(at[i]);
		struct sc_actions a;
		on(&m, SC_EV_BYE_A, &a);
		assert_true(does(&a, SC_DO_REPLY_BYE) && does(&a, SC_DO_BYE_B) && does(&a, SC_DO_CLOSE_RELAY) &&
			    does(&a, SC_DO_ERASE));
		assert_string_equal(a.reason, "caller");
		m = machine_at(at[i]);
		on(&m, SC_EV_BYE_B, &a);
		assert_true(does(&a, SC_DO_REPLY_BYE) && does(&a, SC_DO_BYE_A));
		assert_string_equal(a.reason, "callee");
	}
}

static void silence_revocation_a_lost_ack_and_a_restart_end_both_sides(void **state)
{
	(void)state;
	enum sc_event_kind how[] = {SC_EV_SILENT, SC_EV_REVOKED, SC_EV_UNACKED, SC_EV_RESTART};
	for (int i = 0; i < 4; i++) {
		struct sc m = machine_at(SC_UP);
		struct sc_actions a;
		on(&m, how[i], &a);
		assert_true(does(&a, SC_DO_BYE_A) && does(&a, SC_DO_BYE_B) && does(&a, SC_DO_ERASE));
		assert_int_equal(m.state, SC_ENDING);
	}
}

static void a_reinvite_crosses_to_the_other_end_and_a_second_one_waits(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_UP);
	struct sc_actions a;
	on(&m, SC_EV_REINVITE, &a);
	assert_int_equal(a.do_[0], SC_DO_FORWARD_REINVITE);
	on(&m, SC_EV_REINVITE, &a);
	assert_int_equal(a.status, 491);
	on(&m, SC_EV_REFRESHED, &a);
	assert_int_equal(a.do_[0], SC_DO_FORWARD_REFRESH);
	assert_int_equal(m.state, SC_UP);
	on(&m, SC_EV_REINVITE, &a);
	on(&m, SC_EV_REFRESH_REFUSED, &a);
	assert_int_equal(a.do_[0], SC_DO_FORWARD_REFRESH);
	assert_int_equal(m.state, SC_UP);
}

static void an_ending_call_answers_what_still_comes_and_is_freed_when_nothing_is_out(void **state)
{
	(void)state;
	struct sc m = machine_at(SC_ENDING);
	struct sc_actions a;
	on(&m, SC_EV_BYE_A, &a);
	assert_int_equal(a.do_[0], SC_DO_REPLY_BYE);
	on(&m, SC_EV_BYE_B, &a);
	assert_int_equal(a.do_[0], SC_DO_REPLY_BYE);
	on(&m, SC_EV_REINVITE, &a);
	assert_int_equal(a.status, 481);
	on(&m, SC_EV_ENDED, &a);
	assert_int_equal(a.do_[0], SC_DO_FREE);
	assert_int_equal(m.state, SC_DONE);
}

static void no_call_is_up_without_the_store_and_no_relay_outlives_its_call(void **state)
{
	(void)state;
	/* Random walks: ANSWER_A only directly after STORED; each RELAY that was opened is closed before FREE. */
	uint32_t seed = 1;
	for (int walk = 0; walk < 2000; walk++) {
		struct sc m = {SC_NEW};
		struct sc_actions a;
		struct sc_event ev = good_invite();
		int relay = 0, up = 0;
		sc_step(&m, &ev, &a);
		relay = does(&a, SC_DO_RELAY);
		for (int i = 0; i < 40 && m.state != SC_DONE; i++) {
			seed = seed * 1664525u + 1013904223u;
			ev = (struct sc_event){.kind = (enum sc_event_kind)((seed >> 16) % SC_EVENTS)};
			if (ev.kind == SC_EV_NO_PORTS || ev.kind == SC_EV_RESTART)
				continue; /* only right after RELAY, only for a call read back */
			if (sc_step(&m, &ev, &a) < 0)
				continue;
			if (does(&a, SC_DO_ANSWER_A)) {
				assert_int_equal(ev.kind, SC_EV_STORED);
				up = 1;
			}
			if (does(&a, SC_DO_CLOSE_RELAY)) {
				assert_true(relay);
				relay = 0;
			}
			if (up && m.state == SC_ENDING)
				assert_false(relay);
			if (does(&a, SC_DO_FREE))
				assert_false(relay);
		}
	}
}

static void what_is_not_in_the_table_changes_nothing(void **state)
{
	(void)state;
	for (int s = 0; s < SC_STATES; s++)
		for (int k = 0; k < SC_EVENTS; k++) {
			struct sc m = machine_at((enum sc_state)s);
			struct sc_actions a;
			if (sc_step(&m, &(struct sc_event){.kind = (enum sc_event_kind)k}, &a) >= 0)
				continue;
			assert_int_equal(m.state, s);
			assert_int_equal(a.n, 0);
		}
}

static void every_row_of_the_table_was_exercised(void **state)
{
	(void)state;
	for (int i = 0; i < sc_rows; i++)
		if (!covered[i])
			fail_msg("row %d of server_call.c was never taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_invite_goes_to_the_callee_with_relay_ports),
	    cmocka_unit_test(seed_003_7_2_1_3_2_a_call_for_a_domain_that_the_callee_is_not_of_is_488_without_136),
	    cmocka_unit_test(who_may_not_call_does_not_learn_the_callees_domain),
	    cmocka_unit_test(a_caller_without_a_binding_is_404_141),
	    cmocka_unit_test(a_body_that_is_not_signed_by_the_csk_is_403_139),
	    cmocka_unit_test(a_body_that_does_not_open_is_403_140),
	    cmocka_unit_test(a_protected_body_sent_again_is_403_140),
	    cmocka_unit_test(a_request_under_a_key_that_waits_for_another_is_500),
	    cmocka_unit_test(an_unreadable_body_is_400),
	    cmocka_unit_test(mcx_sec_158_the_client_id_of_another_device_is_403_140),
	    cmocka_unit_test(a_session_that_is_not_private_is_403_100),
	    cmocka_unit_test(no_target_is_403_145),
	    cmocka_unit_test(two_targets_are_403_145),
	    cmocka_unit_test(a_user_who_may_not_make_private_calls_is_403_107),
	    cmocka_unit_test(automatic_commencement_not_permitted_is_403_125),
	    cmocka_unit_test(manual_commencement_not_permitted_is_403_126),
	    cmocka_unit_test(an_offer_without_key_where_protection_is_required_is_403_107),
	    cmocka_unit_test(an_offer_with_key_where_protection_is_forbidden_is_403_107),
	    cmocka_unit_test(an_i_message_that_does_not_parse_is_488_136),
	    cmocka_unit_test(no_controlling_function_is_404_142),
	    cmocka_unit_test(one_call_too_many_is_486_124),
	    cmocka_unit_test(an_unknown_or_unregistered_callee_is_404_without_warning),
	    cmocka_unit_test(a_callee_who_may_not_be_called_is_403_127),
	    cmocka_unit_test(a_callee_without_answer_mode_is_480_146),
	    cmocka_unit_test(media_of_another_address_is_488_without_warning),
	    cmocka_unit_test(an_offer_without_key_passes_where_protection_is_only_allowed),
	    cmocka_unit_test(ringing_is_passed_on),
	    cmocka_unit_test(an_answer_is_durable_before_the_caller_hears_it),
	    cmocka_unit_test(a_store_that_fails_ends_the_call_with_503_and_bye_to_the_callee),
	    cmocka_unit_test(a_refusal_of_the_callee_is_forwarded_as_it_is),
	    cmocka_unit_test(a_callee_that_cannot_be_reached_is_480),
	    cmocka_unit_test(no_relay_ports_is_503),
	    cmocka_unit_test(an_answer_that_cannot_be_relayed_is_never_passed_on),
	    cmocka_unit_test(cancel_t_ring_and_revocation_cancel_the_callee),
	    cmocka_unit_test(a_200_that_crosses_the_cancel_is_told_bye),
	    cmocka_unit_test(a_cancelled_callee_that_refuses_or_vanishes_ends_the_machine),
	    cmocka_unit_test(what_happens_while_the_answer_is_being_stored_still_ends_it),
	    cmocka_unit_test(a_bye_of_one_end_is_answered_and_told_to_the_other),
	    cmocka_unit_test(silence_revocation_a_lost_ack_and_a_restart_end_both_sides),
	    cmocka_unit_test(a_reinvite_crosses_to_the_other_end_and_a_second_one_waits),
	    cmocka_unit_test(an_ending_call_answers_what_still_comes_and_is_freed_when_nothing_is_out),
	    cmocka_unit_test(no_call_is_up_without_the_store_and_no_relay_outlives_its_call),
	    cmocka_unit_test(what_is_not_in_the_table_changes_nothing),
	    cmocka_unit_test(every_row_of_the_table_was_exercised),
	};
	return cmocka_run_group_tests_name("server_call", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Service authorisation at the server, row by row (flows 1.2), each refusal with its exact answer (sip 10). */
#include "unit/test.h"

#include "mcx/flow/server_auth.h"
#include "mcx/flow/warning.h"

static int covered[64];

static int step(struct sa *m, const struct sa_event *ev, struct sa_actions *a)
{
	int row = sa_step(m, ev, a);
	if (row >= 0)
		covered[row] = 1;
	return row;
}

/* A REGISTER with everything right, and the verdict of a worker that found everything right. */
static struct sa_event good_register(void)
{
	return (struct sa_event){.kind = SA_EV_REGISTER,
				 .allowed = 1,
				 .proven = 1,
				 .contact = 1,
				 .tags = 1,
				 .expires = 600,
				 .min_expires = 60,
				 .body = SA_BODY_MC,
				 .mikey = 1,
				 .token = 1};
}

static struct sa_event good_check(void)
{
	return (struct sa_event){.kind = SA_EV_CHECKED, .token_ok = 1, .same_id = 1, .suite_ok = 1, .csk_wins = 1};
}

static void expect(const struct sa_actions *a, int status, int warning)
{
	assert_int_equal(a->do_[0], SA_DO_REPLY);
	assert_int_equal(a->status, status);
	assert_int_equal(a->warning, warning);
}

/* The event is refused with this answer, without and with a binding, and changes nothing. */
static void refused(enum sa_state from, struct sa_event ev, int status, int warning)
{
	enum sa_state befores[] = {SA_NONE, SA_BOUND};
	for (int i = 0; i < 2; i++) {
		struct sa m = {.state = from == SA_NONE ? befores[i] : from, .before = befores[i]};
		struct sa_actions a;
		assert_true(step(&m, &ev, &a) >= 0);
		expect(&a, status, warning);
		assert_int_equal(m.state, befores[i]);
		for (size_t k = 0; k < a.n; k++)
			assert_true(a.do_[k] == SA_DO_REPLY || a.do_[k] == SA_DO_AUDIT);
	}
}

static void a_good_register_is_checked_then_stored_then_answered(void **state)
{
	(void)state;
	struct sa m = {0};
	struct sa_actions a;
	struct sa_event ev = good_register();
	step(&m, &ev, &a);
	assert_int_equal(m.state, SA_CHECKING);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], SA_DO_CHECK);
	ev = good_check();
	step(&m, &ev, &a);
	assert_int_equal(m.state, SA_STORING);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], SA_DO_STORE);
	step(&m, &(struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_OK}, &a);
	assert_int_equal(m.state, SA_BOUND);
	assert_int_equal(a.do_[0], SA_DO_INSTALL);
	assert_int_equal(a.do_[1], SA_DO_REPLY);
	assert_int_equal(a.status, 200);
}

static void a_listener_that_takes_no_register_answers_403(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.allowed = 0;
	refused(SA_NONE, ev, 403, 0);
}

static void a_peer_that_does_not_own_the_impu_is_refused(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.proven = 0;
	refused(SA_NONE, ev, 403, 0);
}

static void a_broken_body_or_contact_is_400(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.body = SA_BODY_BROKEN;
	refused(SA_NONE, ev, 400, 0);
	ev = good_register();
	ev.contact = 0;
	refused(SA_NONE, ev, 400, 0);
}

static void an_expiry_below_the_minimum_is_423(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.expires = 59;
	refused(SA_NONE, ev, 423, 0);
}

static void a_register_without_the_mikey_part_is_403_140(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.mikey = 0;
	refused(SA_NONE, ev, 403, 140);
}

static void a_register_without_a_token_is_403_101(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.token = 0;
	refused(SA_NONE, ev, 403, 101);
}

static void a_broken_i_message_is_488_136_whatever_broke(void **state)
{
	(void)state;
	enum mcsec_err e[] = {MCSEC_E_MALFORMED,  MCSEC_E_WRONG_TAG,    MCSEC_E_NOT_FOR_US,    MCSEC_E_BAD_TIME,
			      MCSEC_E_REPLAY,     MCSEC_E_BAD_IDENTITY, MCSEC_E_BAD_SIGNATURE, MCSEC_E_UNDECRYPTABLE,
			      MCSEC_E_BAD_PARAMS, MCSEC_E_UNSUPPORTED};
	for (size_t i = 0; i < sizeof e / sizeof *e; i++) {
		struct sa_event ev = good_check();
		ev.im = e[i];
		refused(SA_CHECKING, ev, 488, 136);
	}
}

static void an_unacceptable_kms_is_488_without_136(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.im = MCSEC_E_KMS_REFUSED;
	refused(SA_CHECKING, ev, 488, 0);
}

static void trouble_of_our_own_is_503(void **state)
{
	(void)state;
	enum mcsec_err e[] = {MCSEC_E_NO_KEYS, MCSEC_E_MEMORY, MCSEC_E_RANDOM, MCSEC_E_CRYPTO};
	for (size_t i = 0; i < sizeof e / sizeof *e; i++) {
		struct sa_event ev = good_check();
		ev.im = e[i];
		refused(SA_CHECKING, ev, 503, 0);
	}
}

static void the_i_message_is_judged_before_the_token(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.im = MCSEC_E_BAD_SIGNATURE;
	ev.token_ok = ev.same_id = ev.suite_ok = 0;
	refused(SA_CHECKING, ev, 488, 136);
}

static void xml_that_is_not_signed_by_the_csk_is_403_139(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.xml_forged = 1;
	ev.token_ok = 0;
	refused(SA_CHECKING, ev, 403, 139);
}

static void xml_that_does_not_open_is_403_140(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.xml_bad = 1;
	ev.token_ok = 0; /* nothing is acted on before it passes */
	refused(SA_CHECKING, ev, 403, 140);
}

static void a_bad_token_is_403_101(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.token_ok = 0;
	refused(SA_CHECKING, ev, 403, 101);
}

static void mcx_sec_151_an_i_message_of_another_user_than_the_tokens_makes_no_binding(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.same_id = 0;
	refused(SA_CHECKING, ev, 488, 136);
}

static void a_suite_that_is_not_allowed_is_forced_after_the_200(void **state)
{
	(void)state;
	struct sa m = {SA_STORING, SA_NONE};
	struct sa_actions a;
	step(&m, &(struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_OK, .force = 1}, &a);
	assert_int_equal(m.state, SA_BOUND);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, 3);
	assert_int_equal(a.do_[1], SA_DO_REPLY);
	assert_int_equal(a.do_[2], SA_DO_FORCE);
	m = (struct sa){SA_STORING, SA_NONE};
	step(&m, &(struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_FAILED, .force = 1}, &a);
	assert_int_equal(a.status, 503); /* nothing was stored: nothing is forced */
	assert_int_equal(a.n, 1);
}

static void no_common_suite_is_403_100(void **state)
{
	(void)state;
	struct sa_event ev = good_check();
	ev.suite_ok = 0;
	refused(SA_CHECKING, ev, 403, 100);
}

static void a_full_job_queue_is_503(void **state)
{
	(void)state;
	refused(SA_CHECKING, (struct sa_event){.kind = SA_EV_BUSY}, 503, 0);
	refused(SA_STORING, (struct sa_event){.kind = SA_EV_BUSY}, 503, 0);
}

static void a_store_that_fails_is_503_and_one_that_knows_the_message_488(void **state)
{
	(void)state;
	refused(SA_STORING, (struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_FAILED}, 503, 0);
	refused(SA_STORING, (struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_REPLAY}, 488, 136);
}

static void a_second_register_during_the_first_is_refused_and_leaves_it_alone(void **state)
{
	(void)state;
	enum sa_state at[] = {SA_CHECKING, SA_STORING, SA_REMOVING};
	for (size_t i = 0; i < 3; i++) {
		struct sa m = {.state = at[i]};
		struct sa_actions a;
		struct sa_event ev = good_register();
		step(&m, &ev, &a);
		expect(&a, 500, 0);
		assert_int_equal(m.state, at[i]);
	}
}

static void a_csk_that_loses_is_answered_200_but_not_installed(void **state)
{
	(void)state;
	struct sa m = {.state = SA_CHECKING, .before = SA_BOUND};
	struct sa_actions a;
	struct sa_event ev = good_check();
	ev.csk_wins = 0;
	step(&m, &ev, &a);
	assert_int_equal(a.do_[0], SA_DO_REFRESH);
	assert_int_equal(m.state, SA_STORING);
}

static void of_two_csks_the_later_t_wins_then_the_larger_id(void **state)
{
	(void)state;
	assert_true(sa_csk_wins(1, 0x20000000, 0, 0, 0));
	assert_true(sa_csk_wins(11, 0x20000000, 1, 10, 0x2fffffff));
	assert_false(sa_csk_wins(10, 0x2fffffff, 1, 11, 0x20000000));
	assert_true(sa_csk_wins(10, 0x20000002, 1, 10, 0x20000001));
	assert_false(sa_csk_wins(10, 0x20000001, 1, 10, 0x20000002));
	assert_false(sa_csk_wins(10, 0x20000001, 1, 10, 0x20000001));
}

static void a_register_without_mc_bodies_registers_without_authorisation(void **state)
{
	(void)state;
	struct sa m = {0};
	struct sa_actions a;
	struct sa_event ev = good_register();
	ev.body = SA_BODY_NONE;
	step(&m, &ev, &a);
	assert_int_equal(a.do_[0], SA_DO_CONTACT);
	m = (struct sa){.state = SA_BOUND};
	ev.authorised = 1;
	step(&m, &ev, &a);
	assert_int_equal(a.do_[0], SA_DO_REFRESH);
}

static void leaving_is_durable_before_its_200(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		struct sa m = {.state = SA_BOUND};
		struct sa_actions a;
		struct sa_event ev = good_register();
		ev.authorised = 1;
		ev.body = SA_BODY_NONE;
		if (how)
			ev.tags = 0; /* the contact stays without the service's tags */
		else
			ev.expires = 0;
		step(&m, &ev, &a);
		assert_int_equal(a.n, 1);
		assert_int_equal(a.do_[0], SA_DO_REMOVE);
		step(&m, &(struct sa_event){.kind = SA_EV_STORED}, &a);
		assert_int_equal(m.state, SA_NONE);
		assert_int_equal(a.do_[0], SA_DO_FORGET);
		assert_int_equal(a.do_[1], SA_DO_REPLY);
		assert_int_equal(a.status, 200);
	}
}

static void leaving_without_a_binding_is_200_at_once(void **state)
{
	(void)state;
	struct sa m = {0};
	struct sa_actions a;
	struct sa_event ev = good_register();
	ev.expires = 0;
	step(&m, &ev, &a);
	expect(&a, 200, 0);
	assert_int_equal(m.state, SA_NONE);
}

static void a_removal_that_cannot_be_stored_keeps_the_binding(void **state)
{
	(void)state;
	enum sa_event_kind why[] = {SA_EV_EXPIRED, SA_EV_REVOKED};
	for (int i = 0; i < 2; i++) {
		struct sa m = {.state = SA_BOUND};
		struct sa_actions a;
		step(&m, &(struct sa_event){.kind = why[i]}, &a);
		assert_int_equal(a.do_[0], SA_DO_REMOVE);
		step(&m, &(struct sa_event){.kind = SA_EV_STORED, .stored = SA_STORED_FAILED}, &a);
		assert_int_equal(m.state, SA_BOUND);
		expect(&a, 503, 0);
	}
}

static void what_is_not_in_the_table_changes_nothing(void **state)
{
	(void)state;
	for (int s = 0; s < SA_STATES; s++)
		for (int k = 0; k < SA_EVENTS; k++) {
			struct sa m = {.state = (enum sa_state)s}, before = m;
			struct sa_actions a;
			if (sa_step(&m, &(struct sa_event){.kind = (enum sa_event_kind)k}, &a) >= 0)
				continue;
			assert_int_equal(m.state, before.state);
			assert_int_equal(a.n, 0);
		}
}

static void no_200_leaves_before_the_store_said_yes(void **state)
{
	(void)state;
	/* Over every state, event and combination of facts: 200 only from a STORED event, or to leave with nothing
	 * there. */
	for (int s = 0; s < SA_STATES; s++)
		for (int k = 0; k < SA_EVENTS; k++)
			for (unsigned bits = 0; bits < 1u << 10; bits++) {
				struct sa m = {.state = (enum sa_state)s};
				struct sa_event ev = {
				    .kind = (enum sa_event_kind)k,
				    .allowed = bits & 1,
				    .proven = bits >> 1 & 1,
				    .contact = bits >> 2 & 1,
				    .tags = bits >> 3 & 1,
				    .expires = (bits >> 4 & 1) * 600,
				    .min_expires = 60,
				    .body = (bits >> 5 & 1) ? SA_BODY_MC : SA_BODY_NONE,
				    .mikey = bits >> 6 & 1,
				    .token = bits >> 7 & 1,
				    .token_ok = bits >> 8 & 1,
				    .same_id = 1,
				    .suite_ok = 1,
				    .csk_wins = bits >> 9 & 1,
				};
				struct sa_actions a;
				if (sa_step(&m, &ev, &a) < 0 || a.status != 200)
					continue;
				assert_true(k == SA_EV_STORED || (s == SA_NONE && ev.expires == 0));
			}
}

static void warning_136_has_exactly_the_text_of_the_specification(void **state)
{
	(void)state;
	char v[128];
	assert_int_equal(mcx_warning_value(136, "mc.example.org", NULL, v, sizeof v), 0);
	assert_string_equal(v, "399 mc.example.org \"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\"");
	assert_int_equal(mcx_warning_value(100, "h", "no common security algorithm", v, sizeof v), 0);
	assert_string_equal(v, "399 h \"100 function not allowed due to no common security algorithm\"");
	assert_int_equal(mcx_warning_value(150, "h", NULL, v, sizeof v), -1);
	assert_int_equal(mcx_warning_value(136, "h", NULL, v, 20), -1);
	assert_null(mcx_warning_text(0));
}

static void what_a_core_hands_on_without_bodies_authorises_nobody_and_is_200(void **state)
{
	(void)state;
	struct sa m = {0};
	struct sa_actions a;
	struct sa_event ev = good_register();
	ev.by_core = 1;
	ev.body = SA_BODY_NONE;
	step(&m, &ev, &a);
	assert_int_equal(a.n, 1);
	expect(&a, 200, WARN_NONE);
	assert_int_equal(m.state, SA_NONE);
	m.state = SA_BOUND;
	step(&m, &ev, &a);
	assert_int_equal(a.do_[0], SA_DO_REFRESH);
}

static void what_a_core_hands_on_broken_stands_in_the_record(void **state)
{
	(void)state;
	struct sa_event ev = good_register();
	ev.by_core = 1;
	ev.contact = 0;
	refused(SA_NONE, ev, 400, WARN_NONE);
	struct sa m = {0};
	struct sa_actions a;
	step(&m, &ev, &a);
	assert_string_equal(a.audit, "svc.refuse");
	assert_int_equal(a.do_[1], SA_DO_AUDIT);
}

static void every_row_of_the_table_was_exercised(void **state)
{
	(void)state;
	for (int i = 0; i < sa_rows; i++)
		if (!covered[i])
			fail_msg("row %d of server_auth.c was never taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_register_is_checked_then_stored_then_answered),
	    cmocka_unit_test(a_listener_that_takes_no_register_answers_403),
	    cmocka_unit_test(a_peer_that_does_not_own_the_impu_is_refused),
	    cmocka_unit_test(a_broken_body_or_contact_is_400),
	    cmocka_unit_test(an_expiry_below_the_minimum_is_423),
	    cmocka_unit_test(a_register_without_the_mikey_part_is_403_140),
	    cmocka_unit_test(a_register_without_a_token_is_403_101),
	    cmocka_unit_test(a_broken_i_message_is_488_136_whatever_broke),
	    cmocka_unit_test(an_unacceptable_kms_is_488_without_136),
	    cmocka_unit_test(trouble_of_our_own_is_503),
	    cmocka_unit_test(the_i_message_is_judged_before_the_token),
	    cmocka_unit_test(xml_that_is_not_signed_by_the_csk_is_403_139),
	    cmocka_unit_test(xml_that_does_not_open_is_403_140),
	    cmocka_unit_test(a_bad_token_is_403_101),
	    cmocka_unit_test(mcx_sec_151_an_i_message_of_another_user_than_the_tokens_makes_no_binding),
	    cmocka_unit_test(no_common_suite_is_403_100),
	    cmocka_unit_test(a_suite_that_is_not_allowed_is_forced_after_the_200),
	    cmocka_unit_test(a_full_job_queue_is_503),
	    cmocka_unit_test(a_store_that_fails_is_503_and_one_that_knows_the_message_488),
	    cmocka_unit_test(a_second_register_during_the_first_is_refused_and_leaves_it_alone),
	    cmocka_unit_test(a_csk_that_loses_is_answered_200_but_not_installed),
	    cmocka_unit_test(of_two_csks_the_later_t_wins_then_the_larger_id),
	    cmocka_unit_test(a_register_without_mc_bodies_registers_without_authorisation),
	    cmocka_unit_test(leaving_is_durable_before_its_200),
	    cmocka_unit_test(leaving_without_a_binding_is_200_at_once),
	    cmocka_unit_test(a_removal_that_cannot_be_stored_keeps_the_binding),
	    cmocka_unit_test(what_is_not_in_the_table_changes_nothing),
	    cmocka_unit_test(no_200_leaves_before_the_store_said_yes),
	    cmocka_unit_test(warning_136_has_exactly_the_text_of_the_specification),
	    cmocka_unit_test(what_a_core_hands_on_without_bodies_authorises_nobody_and_is_200),
	    cmocka_unit_test(what_a_core_hands_on_broken_stands_in_the_record),
	    cmocka_unit_test(every_row_of_the_table_was_exercised),
	};
	return cmocka_run_group_tests_name("server_auth", tests, NULL, NULL);
}

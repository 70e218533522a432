/* SPDX-License-Identifier: Apache-2.0 */
/* Service authorisation at the client (flows 1.1), row by row: every row of the table is taken by some test here. */
#include "rows.h"

#include "mcx/flow/client_auth.h"

static struct ca_actions acts;

static int step(struct ca *m, struct ca_event ev)
{
	return took(ca_step(m, &ev, &acts));
}

static int on(struct ca *m, enum ca_event_kind kind)
{
	return step(m, (struct ca_event){.kind = kind, .now_ms = 1000, .expires_s = 3600, .token_s = 900});
}

/* A machine that is in this state, having gone there by events. */
static struct ca in(enum ca_state state)
{
	struct ca m = {0};
	if (state == CA_OFF)
		return m;
	on(&m, CA_EV_START);
	if (state == CA_KEYS)
		return m;
	on(&m, CA_EV_READY);
	if (state == CA_UPLOAD)
		return m;
	on(&m, state == CA_UNSURE ? CA_EV_REGISTERED : CA_EV_ACCEPTED);
	if (state == CA_RENEWING)
		step(&m, (struct ca_event){.kind = CA_EV_TIMER, .now_ms = m.due_ms});
	assert_int_equal(m.state, state);
	return m;
}

static void an_upload_follows_token_and_keys_and_an_accepted_one_is_installed(void **state)
{
	(void)state;
	struct ca m = {0};
	on(&m, CA_EV_START);
	expect(&m, CA_KEYS, 1, CA_DO_FETCH);
	on(&m, CA_EV_READY);
	expect(&m, CA_UPLOAD, 2, CA_DO_MAKE, CA_DO_SEND);
	on(&m, CA_EV_ACCEPTED);
	expect(&m, CA_AUTHORISED, 2, CA_DO_INSTALL, CA_DO_TIMER);
}

static void without_token_or_keys_the_user_is_told(void **state)
{
	(void)state;
	struct ca m = in(CA_KEYS);
	on(&m, CA_EV_NOT_READY);
	expect(&m, CA_OFF, 1, CA_DO_TELL);
}

static void renewal_is_due_at_half_the_registration_or_a_minute_before_the_token_ends(void **state)
{
	(void)state;
	struct ca m = in(CA_UPLOAD);
	step(&m, (struct ca_event){.kind = CA_EV_ACCEPTED, .now_ms = 5000, .expires_s = 600, .token_s = 3600});
	assert_int_equal(m.due_ms, 5000 + 300 * 1000);
	m = in(CA_UPLOAD);
	step(&m, (struct ca_event){.kind = CA_EV_ACCEPTED, .now_ms = 5000, .expires_s = 600, .token_s = 100});
	assert_int_equal(m.due_ms, 5000 + 40 * 1000);
	m = in(CA_UPLOAD);
	step(&m, (struct ca_event){.kind = CA_EV_ACCEPTED, .now_ms = 5000, .expires_s = 600, .token_s = 30});
	assert_int_equal(m.due_ms, 5000);
}

static void a_renewal_keeps_the_old_key_until_the_new_one_is_accepted(void **state)
{
	(void)state;
	struct ca m = in(CA_AUTHORISED);
	assert_true(step(&m, (struct ca_event){.kind = CA_EV_TIMER, .now_ms = m.due_ms - 1}) < 0);
	step(&m, (struct ca_event){.kind = CA_EV_TIMER, .now_ms = m.due_ms});
	expect(&m, CA_RENEWING, 2, CA_DO_MAKE, CA_DO_SEND);
	on(&m, CA_EV_ACCEPTED);
	expect(&m, CA_AUTHORISED, 2, CA_DO_INSTALL, CA_DO_TIMER);
	on(&m, CA_EV_SIP_LOST);
	expect(&m, CA_RENEWING, 2, CA_DO_MAKE, CA_DO_SEND);
}

static void a_200_of_a_sip_core_proves_nothing_until_a_protected_request_is_answered(void **state)
{
	(void)state;
	struct ca m = in(CA_UPLOAD);
	on(&m, CA_EV_REGISTERED);
	expect(&m, CA_UNSURE, 2, CA_DO_INSTALL, CA_DO_TIMER);
	on(&m, CA_EV_PROVED);
	expect(&m, CA_AUTHORISED, 0);
	m = in(CA_RENEWING);
	on(&m, CA_EV_REGISTERED);
	expect(&m, CA_UNSURE, 2, CA_DO_INSTALL, CA_DO_TIMER);
}

static void what_was_never_proved_is_renewed_and_repaired_all_the_same(void **state)
{
	(void)state;
	struct ca m = in(CA_UPLOAD);
	step(&m, (struct ca_event){.kind = CA_EV_REGISTERED, .now_ms = 5000, .expires_s = 600, .token_s = 3600});
	assert_int_equal(m.due_ms, 5000 + 300 * 1000);
	step(&m, (struct ca_event){.kind = CA_EV_PROVED, .now_ms = 100000});
	assert_int_equal(m.due_ms, 5000 + 300 * 1000); /* a proof moves nothing */
	m = in(CA_UNSURE);
	step(&m, (struct ca_event){.kind = CA_EV_TIMER, .now_ms = m.due_ms});
	expect(&m, CA_RENEWING, 2, CA_DO_MAKE, CA_DO_SEND);
	m = in(CA_UNSURE);
	on(&m, CA_EV_SIP_LOST);
	expect(&m, CA_RENEWING, 2, CA_DO_MAKE, CA_DO_SEND);
	m = in(CA_UNSURE);
	for (int i = 0; i < 3; i++) {
		on(&m, CA_EV_UNREADABLE);
		assert_int_equal(m.state, CA_UPLOAD);
		assert_int_equal(acts.do_[acts.n - 1], CA_DO_SEND);
		on(&m, CA_EV_REGISTERED);
	}
	on(&m, CA_EV_UNREADABLE);
	expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
}

static void an_unknown_user_uploads_a_new_key_at_most_three_times_in_ten_minutes(void **state)
{
	(void)state;
	const enum ca_state states[] = {CA_UPLOAD, CA_UNSURE, CA_AUTHORISED};
	for (size_t s = 0; s < 3; s++) {
		struct ca m = in(states[s]);
		on(&m, CA_EV_UNKNOWN_USER);
		assert_int_equal(m.state, CA_UPLOAD);
		assert_int_equal(acts.do_[acts.n - 1], CA_DO_SEND);
		on(&m, CA_EV_UNKNOWN_USER);
		on(&m, CA_EV_UNKNOWN_USER);
		expect(&m, CA_UPLOAD, 3, CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND);
		if (states[s] == CA_UNSURE)
			on(&m, CA_EV_REGISTERED);
		if (states[s] == CA_AUTHORISED)
			on(&m, CA_EV_ACCEPTED);
		on(&m, CA_EV_UNKNOWN_USER);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
	}
	struct ca m = in(CA_UPLOAD);
	for (int i = 0; i < 20; i++) /* slowly it may go on for ever */
		step(&m, (struct ca_event){.kind = CA_EV_UNKNOWN_USER, .now_ms = (int64_t)i * 300000});
	assert_int_equal(m.state, CA_UPLOAD);
}

static void a_refused_token_is_renewed_once(void **state)
{
	(void)state;
	const enum ca_state states[] = {CA_UPLOAD, CA_RENEWING};
	for (size_t s = 0; s < 2; s++) {
		struct ca m = in(states[s]);
		on(&m, CA_EV_UNAUTHORISED);
		expect(&m, CA_KEYS, 2, CA_DO_WIPE, CA_DO_NEW_TOKEN);
		on(&m, CA_EV_READY);
		on(&m, CA_EV_UNAUTHORISED);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
	}
	struct ca m = in(CA_RENEWING);
	m.token_renewed = 1;
	on(&m, CA_EV_UNAUTHORISED);
	expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
}

static void a_refused_i_message_refreshes_keys_once(void **state)
{
	(void)state;
	const enum ca_state states[] = {CA_UPLOAD, CA_RENEWING};
	for (size_t s = 0; s < 2; s++) {
		struct ca m = in(states[s]);
		on(&m, CA_EV_MIKEY);
		expect(&m, CA_KEYS, 2, CA_DO_WIPE, CA_DO_REFRESH_KEYS);
		on(&m, CA_EV_READY);
		on(&m, CA_EV_MIKEY);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
	}
	struct ca m = in(CA_RENEWING);
	m.keys_refreshed = 1;
	on(&m, CA_EV_MIKEY);
	expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
}

static void an_accepted_upload_forgets_earlier_repairs_of_token_and_keys(void **state)
{
	(void)state;
	struct ca m = in(CA_UPLOAD);
	on(&m, CA_EV_MIKEY);
	on(&m, CA_EV_READY);
	on(&m, CA_EV_ACCEPTED);
	assert_int_equal(m.keys_refreshed, 0);
}

static void xml_the_server_cannot_read_is_sent_again_under_a_new_key_and_bounded(void **state)
{
	(void)state;
	const enum ca_state states[] = {CA_UPLOAD, CA_AUTHORISED, CA_RENEWING};
	for (size_t s = 0; s < 3; s++) {
		struct ca m = in(states[s]);
		for (int i = 0; i < 3; i++) {
			on(&m, CA_EV_UNREADABLE);
			assert_int_equal(acts.do_[acts.n - 1], CA_DO_SEND);
			if (states[s] == CA_AUTHORISED)
				on(&m, CA_EV_ACCEPTED);
		}
		on(&m, CA_EV_UNREADABLE);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
	}
}

static void a_repair_by_publish_that_is_refused_is_followed_by_a_register_once(void **state)
{
	(void)state;
	static const enum ca_state from[] = {CA_UPLOAD, CA_RENEWING};
	for (size_t i = 0; i < 2; i++) {
		struct ca m = in(from[i]);
		struct ca_event refused = {.kind = CA_EV_REFUSED, .now_ms = 1000, .alone = 1};
		on(&m, CA_EV_UNREADABLE);
		assert_true(m.repairing);
		step(&m, refused);
		expect(&m, from[i], 3, CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND);
		assert_false(m.repairing);
		step(&m, refused);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
	}
	struct ca m = in(CA_UPLOAD);
	on(&m, CA_EV_UNKNOWN_USER);
	on(&m, CA_EV_ACCEPTED);
	assert_false(m.repairing);
	m = in(CA_UPLOAD); /* a REGISTER that repairs and is refused ends it */
	on(&m, CA_EV_UNKNOWN_USER);
	on(&m, CA_EV_REFUSED);
	expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
}

static void no_common_suite_and_other_refusals_end_it(void **state)
{
	(void)state;
	const enum ca_state states[] = {CA_UPLOAD, CA_RENEWING};
	const enum ca_event_kind kinds[] = {CA_EV_NO_SUITE, CA_EV_REFUSED};
	for (size_t s = 0; s < 2; s++)
		for (size_t k = 0; k < 2; k++) {
			struct ca m = in(states[s]);
			on(&m, kinds[k]);
			expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
		}
}

static void no_verdict_is_retried_with_doubling_waits_and_a_longer_retry_after_wins(void **state)
{
	(void)state;
	static const int waits_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
	const enum ca_state states[] = {CA_UPLOAD, CA_RENEWING};
	for (size_t s = 0; s < 2; s++) {
		struct ca m = in(states[s]);
		for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
			step(&m, (struct ca_event){.kind = CA_EV_LATER, .now_ms = 1000});
			expect(&m, states[s], 1, CA_DO_TIMER);
			assert_int_equal(m.due_ms, 1000 + waits_s[i] * 1000);
			step(&m, (struct ca_event){.kind = CA_EV_TIMER, .now_ms = m.due_ms});
			expect(&m, states[s], 3, CA_DO_WIPE_NEW, CA_DO_MAKE, CA_DO_SEND);
		}
		step(&m, (struct ca_event){.kind = CA_EV_LATER, .now_ms = 0, .jitter = 255});
		assert_true(m.due_ms >= 30000 && m.due_ms < 30200);
		step(&m, (struct ca_event){.kind = CA_EV_LATER, .now_ms = 0, .retry_after_s = 100});
		assert_int_equal(m.due_ms, 100000);
		/* who were told the same do not come as one, and nobody comes before the time */
		step(&m, (struct ca_event){.kind = CA_EV_LATER, .now_ms = 0, .retry_after_s = 100, .jitter = 128});
		assert_int_equal(m.due_ms, 100500);
	}
}

static void a_redirected_upload_is_made_anew_under_another_kms_or_ends(void **state)
{
	(void)state;
	const enum ca_state at[] = {CA_UPLOAD, CA_RENEWING};
	for (size_t i = 0; i < 2; i++) {
		struct ca m = in(at[i]);
		on(&m, CA_EV_REDIRECTED);
		expect(&m, at[i], 1, CA_DO_WIPE_NEW); /* what is in use stays */
		on(&m, CA_EV_CHOSEN);
		expect(&m, at[i], 2, CA_DO_MAKE, CA_DO_SEND);
		on(&m, CA_EV_REDIRECTED);
		on(&m, CA_EV_EXHAUSTED);
		expect(&m, CA_OFF, 2, CA_DO_WIPE, CA_DO_TELL);
		on(&m, CA_EV_CHOSEN); /* too late */
		assert_int_equal(m.state, CA_OFF);
	}
}

static void after_a_redirect_that_a_core_did_not_tell_of_the_upload_goes_by_publish(void **state)
{
	(void)state;
	struct ca m = in(CA_UNSURE);
	on(&m, CA_EV_REDIRECTED);
	expect(&m, CA_UPLOAD, 0);
	assert_true(m.repairing);
	on(&m, CA_EV_CHOSEN);
	expect(&m, CA_UPLOAD, 2, CA_DO_MAKE, CA_DO_SEND);
	assert_true(m.repairing);
	m = in(CA_AUTHORISED); /* the server has said yes to this key */
	on(&m, CA_EV_REDIRECTED);
	assert_int_equal(m.state, CA_AUTHORISED);
}

static void log_off_wipes_in_every_state_and_is_said_where_something_was_sent(void **state)
{
	(void)state;
	for (int s = CA_KEYS; s < CA_STATES; s++) {
		struct ca m = in((enum ca_state)s);
		on(&m, CA_EV_LOG_OFF);
		assert_int_equal(m.state, CA_OFF);
		assert_int_equal(acts.do_[acts.n - 1], CA_DO_WIPE);
		assert_int_equal(acts.n, s == CA_KEYS ? 1 : 2);
	}
}

static void what_is_not_in_the_table_changes_nothing(void **state)
{
	(void)state;
	for (int s = 0; s < CA_STATES; s++)
		for (int k = 0; k < CA_EVENTS; k++) {
			struct ca m = in((enum ca_state)s), before = m;
			struct ca_event ev = {.kind = (enum ca_event_kind)k};
			if (ca_step(&m, &ev, &acts) < 0) {
				assert_memory_equal(&m, &before, sizeof m);
				assert_int_equal(acts.n, 0);
			}
		}
}

static void every_row_of_the_authorisation_table_was_taken(void **state)
{
	(void)state;
	every_row_was_taken("client_auth.c", ca_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_upload_follows_token_and_keys_and_an_accepted_one_is_installed),
	    cmocka_unit_test(without_token_or_keys_the_user_is_told),
	    cmocka_unit_test(renewal_is_due_at_half_the_registration_or_a_minute_before_the_token_ends),
	    cmocka_unit_test(a_renewal_keeps_the_old_key_until_the_new_one_is_accepted),
	    cmocka_unit_test(what_was_never_proved_is_renewed_and_repaired_all_the_same),
	    cmocka_unit_test(a_200_of_a_sip_core_proves_nothing_until_a_protected_request_is_answered),
	    cmocka_unit_test(an_unknown_user_uploads_a_new_key_at_most_three_times_in_ten_minutes),
	    cmocka_unit_test(a_refused_token_is_renewed_once),
	    cmocka_unit_test(a_refused_i_message_refreshes_keys_once),
	    cmocka_unit_test(an_accepted_upload_forgets_earlier_repairs_of_token_and_keys),
	    cmocka_unit_test(xml_the_server_cannot_read_is_sent_again_under_a_new_key_and_bounded),
	    cmocka_unit_test(a_repair_by_publish_that_is_refused_is_followed_by_a_register_once),
	    cmocka_unit_test(no_common_suite_and_other_refusals_end_it),
	    cmocka_unit_test(no_verdict_is_retried_with_doubling_waits_and_a_longer_retry_after_wins),
	    cmocka_unit_test(a_redirected_upload_is_made_anew_under_another_kms_or_ends),
	    cmocka_unit_test(after_a_redirect_that_a_core_did_not_tell_of_the_upload_goes_by_publish),
	    cmocka_unit_test(log_off_wipes_in_every_state_and_is_said_where_something_was_sent),
	    cmocka_unit_test(what_is_not_in_the_table_changes_nothing),
	    cmocka_unit_test(every_row_of_the_authorisation_table_was_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

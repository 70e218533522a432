/* SPDX-License-Identifier: Apache-2.0 */
/* The private call at the client (flows 3.1, 3.3), row by row: every row of the table is taken by some test here. */
#include "rows.h"

#include "mcx/flow/client_call.h"

static struct cc_actions acts;

static int step(struct cc *m, struct cc_event ev)
{
	return took(cc_step(m, &ev, &acts));
}

#define ON(m, ...) step(m, (struct cc_event){.kind = __VA_ARGS__})

static int did(enum cc_action a)
{
	for (size_t i = 0; i < acts.n; i++)
		if (acts.do_[i] == a)
			return 1;
	return 0;
}

static struct cc in(enum cc_state state)
{
	struct cc m = {CC_IDLE};
	switch (state) {
	case CC_IDLE:
		break;
	case CC_MAKING:
	case CC_CALLING:
	case CC_CHOOSING:
	case CC_CANCELLING:
	case CC_UP:
	case CC_REKEYING:
		ON(&m, CC_EV_CALL, .certificate = 1);
		if (state == CC_MAKING)
			break;
		ON(&m, CC_EV_MADE);
		ON(&m, CC_EV_RECORDED);
		if (state == CC_CALLING)
			break;
		if (state == CC_CHOOSING) {
			ON(&m, CC_EV_REDIRECTED);
			break;
		}
		if (state == CC_CANCELLING) {
			ON(&m, CC_EV_HANG_UP);
			break;
		}
		ON(&m, CC_EV_ANSWER, .secure = 1);
		if (state == CC_REKEYING)
			ON(&m, CC_EV_REINVITE, .has_key = 1);
		break;
	default:
		ON(&m, CC_EV_INVITE, .has_key = 1, .known_peer = 1, .required = 1);
		if (state == CC_RINGING) {
			ON(&m, CC_EV_OPENED);
			ON(&m, CC_EV_RECORDED);
		}
	}
	assert_int_equal(m.state, state);
	return m;
}

static void a_caller_records_its_ssrc_before_the_invite_and_starts_media_after_a_secure_answer(void **state)
{
	(void)state;
	struct cc m = {CC_IDLE};
	ON(&m, CC_EV_CALL, .certificate = 1);
	expect(&m, CC_MAKING, 1, CC_DO_MAKE);
	ON(&m, CC_EV_MADE);
	expect(&m, CC_MAKING, 1, CC_DO_RECORD);
	ON(&m, CC_EV_RECORDED);
	expect(&m, CC_CALLING, 2, CC_DO_INVITE, CC_DO_RING_TIMER);
	ON(&m, CC_EV_RINGING);
	expect(&m, CC_CALLING, 1, CC_DO_TELL);
	ON(&m, CC_EV_ANSWER, .secure = 1);
	expect(&m, CC_UP, 1, CC_DO_MEDIA);
}

static void a_callee_whose_kms_certificate_is_not_held_is_not_called(void **state)
{
	(void)state;
	struct cc m = {CC_IDLE};
	ON(&m, CC_EV_CALL, .certificate = 0);
	expect(&m, CC_IDLE, 1, CC_DO_TELL);
}

static void an_insecure_answer_is_hung_up_and_no_media_starts(void **state)
{
	(void)state;
	struct cc m = in(CC_CALLING);
	ON(&m, CC_EV_ANSWER, .secure = 0);
	expect(&m, CC_IDLE, 3, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL);
	assert_non_null(strstr(acts.reason, "downgrade"));
}

static void a_refusal_wipes_the_key_and_is_told_by_its_code_without_a_retry(void **state)
{
	(void)state;
	static const struct {
		int status, warning;
		const char *text;
	} cases[] = {
	    {488, 136, "could not authenticate"},
	    {404, 0, "not registered"},
	    {404, 141, "register again"},
	    {480, 146, "cannot be reached"},
	    {480, 110, "declined"},
	    {480, 0, "does not answer"},
	    {486, 0, "busy"},
	    {403, 107, "private calls"},
	    {403, 127, "may not be called"},
	    {403, 0, "not allowed"},
	    {488, 0, "does not accept"},
	    {503, 0, "not available"},
	    {408, 0, "in time"},
	    {487, 0, "cancelled"},
	    {600, 0, "refused"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cc m = in(CC_CALLING);
		ON(&m, CC_EV_REFUSED, .status = cases[i].status, .warning = cases[i].warning);
		expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
		assert_non_null(strstr(acts.reason, cases[i].text));
	}
}

static void a_call_that_cannot_be_prepared_stored_or_sent_leaves_no_key(void **state)
{
	(void)state;
	struct cc m = in(CC_MAKING);
	ON(&m, CC_EV_FAILED);
	expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
	m = in(CC_MAKING);
	ON(&m, CC_EV_NOT_RECORDED);
	expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
	m = in(CC_MAKING);
	ON(&m, CC_EV_HANG_UP);
	expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
	m = in(CC_CALLING);
	ON(&m, CC_EV_FAILED);
	expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
	m = in(CC_CALLING);
	ON(&m, CC_EV_SILENT);
	expect(&m, CC_IDLE, 2, CC_DO_WIPE, CC_DO_TELL);
}

static void a_caller_who_gives_up_cancels_and_a_crossing_answer_gets_a_bye(void **state)
{
	(void)state;
	const enum cc_event_kind ways[] = {CC_EV_HANG_UP, CC_EV_RING_TIME};
	for (size_t i = 0; i < 2; i++) {
		struct cc m = in(CC_CALLING);
		ON(&m, ways[i]);
		expect(&m, CC_CANCELLING, 2, CC_DO_CANCEL, CC_DO_WIPE);
		ON(&m, CC_EV_ANSWER, .secure = 1);
		expect(&m, CC_IDLE, 2, CC_DO_BYE, CC_DO_TELL);
	}
	struct cc m = in(CC_CANCELLING);
	ON(&m, CC_EV_REFUSED, .status = 487);
	expect(&m, CC_IDLE, 1, CC_DO_TELL);
}

static void a_redirected_call_wipes_its_key_and_is_made_anew_or_ends(void **state)
{
	(void)state;
	struct cc m = in(CC_CALLING);
	ON(&m, CC_EV_REDIRECTED);
	expect(&m, CC_CHOOSING, 1, CC_DO_WIPE);
	ON(&m, CC_EV_CHOSEN);
	expect(&m, CC_MAKING, 1, CC_DO_MAKE); /* never the key of before */
	const enum cc_event_kind ends[] = {CC_EV_EXHAUSTED, CC_EV_HANG_UP, CC_EV_RING_TIME};
	for (size_t i = 0; i < 3; i++) {
		m = in(CC_CHOOSING);
		ON(&m, ends[i]);
		expect(&m, CC_IDLE, 1, CC_DO_TELL);
		ON(&m, CC_EV_CHOSEN); /* too late */
		assert_int_equal(m.state, CC_IDLE);
	}
}

static void a_callee_opens_the_key_before_it_rings_or_answers(void **state)
{
	(void)state;
	struct cc m = {CC_IDLE};
	ON(&m, CC_EV_INVITE, .has_key = 1, .known_peer = 1, .required = 1);
	expect(&m, CC_CHECKING, 1, CC_DO_OPEN);
	ON(&m, CC_EV_OPENED);
	expect(&m, CC_CHECKING, 1, CC_DO_RECORD);
	ON(&m, CC_EV_RECORDED, .automatic = 1);
	expect(&m, CC_UP, 2, CC_DO_ANSWER, CC_DO_MEDIA);
	m = in(CC_CHECKING);
	ON(&m, CC_EV_OPENED);
	ON(&m, CC_EV_RECORDED, .automatic = 0);
	expect(&m, CC_RINGING, 2, CC_DO_RING, CC_DO_RING_TIMER);
	ON(&m, CC_EV_ACCEPT);
	expect(&m, CC_UP, 2, CC_DO_ANSWER, CC_DO_MEDIA);
}

static void every_refused_i_message_is_488_with_136_and_never_rings_or_starts_media(void **state)
{
	(void)state;
	for (int e = MCSEC_OK; e < MCSEC_ERR_COUNT; e++) {
		struct cc m = in(CC_CHECKING);
		ON(&m, CC_EV_UNOPENED, .im = (enum mcsec_err)e);
		expect(&m, CC_IDLE, 3, CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL);
		int trouble =
		    e == MCSEC_E_MEMORY || e == MCSEC_E_RANDOM || e == MCSEC_E_CRYPTO || e == MCSEC_E_NO_SPACE;
		assert_int_equal(acts.status, trouble ? 503 : 488);
		assert_int_equal(acts.warning, trouble || e == MCSEC_E_KMS_REFUSED ? 0 : 136);
	}
}

static void mcx_sec_242_an_offer_without_key_is_488_without_136_where_policy_requires_one(void **state)
{
	(void)state;
	struct cc m = {CC_IDLE};
	ON(&m, CC_EV_INVITE, .known_peer = 1, .required = 1);
	expect(&m, CC_IDLE, 2, CC_DO_REPLY, CC_DO_TELL);
	assert_int_equal(acts.status, 488);
	assert_int_equal(acts.warning, 0);
	assert_non_null(strstr(acts.reason, "unprotected"));
	ON(&m, CC_EV_INVITE, .known_peer = 1, .required = 0);
	assert_int_equal(acts.status, 488);
	ON(&m, CC_EV_INVITE, .has_key = 1, .known_peer = 0);
	assert_int_equal(acts.status, 400);
}

static void an_invite_that_is_not_our_servers_is_403_139_or_140_and_does_not_ring(void **state)
{
	(void)state;
	static const int warnings[] = {0, 139, 140};
	for (int xml = CC_XML_FORGED; xml <= CC_XML_UNDECRYPTABLE; xml++) {
		struct cc m = {CC_IDLE};
		ON(&m, CC_EV_INVITE, .xml = (enum cc_xml)xml, .has_key = 1);
		expect(&m, CC_IDLE, 2, CC_DO_REPLY, CC_DO_TELL);
		assert_int_equal(acts.status, 403);
		assert_int_equal(acts.warning, warnings[xml]);
	}
}

static void a_callee_can_decline_let_ring_out_or_be_cancelled(void **state)
{
	(void)state;
	static const struct {
		enum cc_state state;
		enum cc_event_kind kind;
		int status, warning;
	} cases[] = {
	    {CC_RINGING, CC_EV_DECLINE, 480, 110},     {CC_RINGING, CC_EV_HANG_UP, 480, 110},
	    {CC_RINGING, CC_EV_RING_TIME, 480, 0},     {CC_RINGING, CC_EV_CANCEL, 487, 0},
	    {CC_CHECKING, CC_EV_CANCEL, 487, 0},       {CC_CHECKING, CC_EV_HANG_UP, 480, 110},
	    {CC_CHECKING, CC_EV_NOT_RECORDED, 503, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cc m = in(cases[i].state);
		step(&m, (struct cc_event){.kind = cases[i].kind});
		expect(&m, CC_IDLE, 3, CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL);
		assert_int_equal(acts.status, cases[i].status);
		assert_int_equal(acts.warning, cases[i].warning);
	}
}

static void a_key_that_is_opened_after_the_call_ended_starts_nothing(void **state)
{
	(void)state;
	struct cc m = in(CC_CHECKING);
	ON(&m, CC_EV_CANCEL);
	assert_true(ON(&m, CC_EV_OPENED) < 0);
	assert_true(ON(&m, CC_EV_RECORDED, .automatic = 1) < 0);
	assert_int_equal(m.state, CC_IDLE);
}

static void whatever_ends_a_call_stops_media_and_wipes_the_key(void **state)
{
	(void)state;
	const enum cc_event_kind ends[] = {CC_EV_HANG_UP, CC_EV_BYE, CC_EV_SILENT, CC_EV_FAILED};
	const enum cc_state states[] = {CC_UP, CC_REKEYING};
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < 4; i++) {
			struct cc m = in(states[s]);
			step(&m, (struct cc_event){.kind = ends[i]});
			assert_int_equal(m.state, CC_IDLE);
			assert_true(did(CC_DO_STOP) && did(CC_DO_WIPE) && did(CC_DO_TELL));
			assert_int_equal(did(CC_DO_BYE), ends[i] != CC_EV_BYE);
			assert_int_equal(did(CC_DO_REPLY), ends[i] == CC_EV_BYE);
		}
}

static void a_reinvite_with_the_same_key_changes_nothing_and_with_another_is_checked_in_full(void **state)
{
	(void)state;
	struct cc m = in(CC_UP);
	ON(&m, CC_EV_REINVITE, .has_key = 1, .same_key = 1);
	expect(&m, CC_UP, 1, CC_DO_REANSWER);
	ON(&m, CC_EV_REINVITE, .has_key = 1);
	expect(&m, CC_REKEYING, 1, CC_DO_OPEN);
	ON(&m, CC_EV_REINVITE, .has_key = 1);
	expect(&m, CC_REKEYING, 1, CC_DO_REPLY);
	assert_int_equal(acts.status, 491);
	ON(&m, CC_EV_UNOPENED, .im = MCSEC_E_BAD_SIGNATURE);
	expect(&m, CC_UP, 1, CC_DO_REPLY);
	assert_int_equal(acts.status, 488);
	assert_int_equal(acts.warning, 136);
	ON(&m, CC_EV_REINVITE, .has_key = 1);
	ON(&m, CC_EV_OPENED);
	expect(&m, CC_REKEYING, 1, CC_DO_RECORD);
	ON(&m, CC_EV_RECORDED);
	expect(&m, CC_UP, 2, CC_DO_REKEY, CC_DO_REANSWER);
	m = in(CC_REKEYING);
	ON(&m, CC_EV_NOT_RECORDED);
	expect(&m, CC_UP, 1, CC_DO_REPLY);
	assert_int_equal(acts.status, 503);
}

static void a_reinvite_without_key_is_refused_and_the_call_goes_on(void **state)
{
	(void)state;
	struct cc m = in(CC_UP);
	ON(&m, CC_EV_REINVITE);
	expect(&m, CC_UP, 1, CC_DO_REPLY);
	assert_int_equal(acts.status, 488);
}

static void a_second_call_meets_busy_and_disturbs_nothing(void **state)
{
	(void)state;
	for (int s = CC_MAKING; s < CC_STATES; s++) {
		struct cc m = in((enum cc_state)s);
		ON(&m, CC_EV_INVITE, .has_key = 1, .known_peer = 1);
		expect(&m, (enum cc_state)s, 1, CC_DO_REPLY);
		assert_int_equal(acts.status, 486);
	}
}

static void no_event_starts_media_before_the_key_is_sure(void **state)
{
	(void)state;
	for (int s = 0; s < CC_STATES; s++)
		for (int k = 0; k < CC_EVENTS; k++) {
			struct cc m = in((enum cc_state)s);
			cc_step(&m,
				&(struct cc_event){
				    .kind = (enum cc_event_kind)k, .automatic = 1, .has_key = 1, .known_peer = 1},
				&acts);
			if (!did(CC_DO_MEDIA))
				continue;
			assert_true((s == CC_CHECKING && k == CC_EV_RECORDED) ||
				    (s == CC_RINGING && k == CC_EV_ACCEPT));
		}
}

static void every_row_of_the_call_table_was_taken(void **state)
{
	(void)state;
	every_row_was_taken("client_call.c", cc_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_caller_records_its_ssrc_before_the_invite_and_starts_media_after_a_secure_answer),
	    cmocka_unit_test(a_callee_whose_kms_certificate_is_not_held_is_not_called),
	    cmocka_unit_test(an_insecure_answer_is_hung_up_and_no_media_starts),
	    cmocka_unit_test(a_refusal_wipes_the_key_and_is_told_by_its_code_without_a_retry),
	    cmocka_unit_test(a_call_that_cannot_be_prepared_stored_or_sent_leaves_no_key),
	    cmocka_unit_test(a_caller_who_gives_up_cancels_and_a_crossing_answer_gets_a_bye),
	    cmocka_unit_test(a_redirected_call_wipes_its_key_and_is_made_anew_or_ends),
	    cmocka_unit_test(a_callee_opens_the_key_before_it_rings_or_answers),
	    cmocka_unit_test(every_refused_i_message_is_488_with_136_and_never_rings_or_starts_media),
	    cmocka_unit_test(mcx_sec_242_an_offer_without_key_is_488_without_136_where_policy_requires_one),
	    cmocka_unit_test(an_invite_that_is_not_our_servers_is_403_139_or_140_and_does_not_ring),
	    cmocka_unit_test(a_callee_can_decline_let_ring_out_or_be_cancelled),
	    cmocka_unit_test(a_key_that_is_opened_after_the_call_ended_starts_nothing),
	    cmocka_unit_test(whatever_ends_a_call_stops_media_and_wipes_the_key),
	    cmocka_unit_test(a_reinvite_with_the_same_key_changes_nothing_and_with_another_is_checked_in_full),
	    cmocka_unit_test(a_reinvite_without_key_is_refused_and_the_call_goes_on),
	    cmocka_unit_test(a_second_call_meets_busy_and_disturbs_nothing),
	    cmocka_unit_test(no_event_starts_media_before_the_key_is_sure),
	    cmocka_unit_test(every_row_of_the_call_table_was_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

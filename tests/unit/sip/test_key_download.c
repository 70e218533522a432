/* SPDX-License-Identifier: Apache-2.0 */
/* Key download row by row, both sides (flows 2.1, 2.2; seed 001 7.2.5, 7.3.7), each refusal with its exact answer. */
#include "unit/test.h"

#include "mcx/flow/key_download.h"
#include "mcx/flow/key_receive.h"
#include "mcx/flow/warning.h"

static int kd_covered[64], kr_covered[64];

static struct kd_actions kd(struct kd *m, struct kd_event ev)
{
	struct kd_actions out;
	int row = kd_step(m, &ev, &out);
	if (row >= 0)
		kd_covered[row] = 1;
	return out;
}

static void does(const struct kd_actions *a, size_t n, const enum kd_action *want)
{
	assert_int_equal(a->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(a->do_[i], want[i]);
}

#define DOES(a, ...)                                                                                                   \
	does(&(a), sizeof((enum kd_action[]){__VA_ARGS__}) / sizeof(enum kd_action), (enum kd_action[]){__VA_ARGS__})
#define KD(m, ...) kd(m, (struct kd_event){__VA_ARGS__})

static struct kd started(enum kd_kind what, enum kd_reason why)
{
	struct kd m = {0};
	KD(&m, .kind = KD_EV_START, .what = what, .reason = why, .protected = 1, .has_csk = 1);
	assert_int_equal(m.state, KD_SAVING);
	return m;
}

static struct kd sent(enum kd_kind what, enum kd_reason why)
{
	struct kd m = started(what, why);
	struct kd_actions a = KD(&m, .kind = KD_EV_SAVED);
	DOES(a, KD_DO_SEND);
	assert_int_equal(m.state, KD_OUT);
	return m;
}

/* ---- the server ---- */

static void a_new_csk_is_saved_then_sent_then_settled_then_in_use(void **state)
{
	(void)state;
	struct kd m = {0};
	struct kd_actions a = KD(&m, .kind = KD_EV_START, .protected = 1, .has_csk = 1);
	DOES(a, KD_DO_MAKE);
	a = KD(&m, .kind = KD_EV_SAVED);
	DOES(a, KD_DO_SEND);
	a = KD(&m, .kind = KD_EV_TAKEN);
	DOES(a, KD_DO_SETTLE);
	a = KD(&m, .kind = KD_EV_SETTLED);
	DOES(a, KD_DO_SWITCH, KD_DO_FORGET);
	assert_int_equal(m.state, KD_IDLE);
}

static void mcx_sec_181_no_download_without_an_uploaded_csk(void **state)
{
	(void)state;
	struct kd m = {0};
	struct kd_actions a = KD(&m, .kind = KD_EV_START, .protected = 1);
	assert_int_equal(a.n, 0);
	assert_int_equal(m.state, KD_IDLE);
	assert_string_equal(a.why, "the client has uploaded no CSK");
}

static void no_csk_download_where_confidentiality_protection_is_off(void **state)
{
	(void)state;
	struct kd m = {0};
	struct kd_actions a = KD(&m, .kind = KD_EV_START, .has_csk = 1);
	assert_int_equal(a.n, 0);
	assert_int_equal(m.state, KD_IDLE);
	assert_non_null(a.why);
}

static void nothing_is_sent_that_is_not_saved(void **state)
{
	(void)state;
	struct kd m = started(KD_CSK, KD_AGE);
	struct kd_actions a = KD(&m, .kind = KD_EV_SAVE_FAILED, .now_ms = 1000);
	DOES(a, KD_DO_TIMER);
	a = KD(&m, .kind = KD_EV_TIMER, .now_ms = 2999);
	assert_int_equal(a.n, 0);
	a = KD(&m, .kind = KD_EV_TIMER, .now_ms = 3000);
	DOES(a, KD_DO_REMAKE);
}

static void nothing_is_in_use_that_is_not_settled(void **state)
{
	(void)state;
	struct kd m = sent(KD_CSK, KD_AGE);
	KD(&m, .kind = KD_EV_TAKEN);
	struct kd_actions a = KD(&m, .kind = KD_EV_SETTLE_FAILED);
	DOES(a, KD_DO_TIMER);
	assert_int_equal(m.state, KD_WAIT);
}

static void anything_under_the_new_csk_counts_as_the_200(void **state)
{
	(void)state;
	struct kd m = sent(KD_CSK, KD_AGE);
	struct kd_actions a = KD(&m, .kind = KD_EV_PROVED);
	DOES(a, KD_DO_RECALL, KD_DO_SETTLE);
	m = sent(KD_CSK, KD_AGE);
	KD(&m, .kind = KD_EV_LATER);
	a = KD(&m, .kind = KD_EV_PROVED);
	DOES(a, KD_DO_SETTLE);
	m.state = KD_SAVING; /* while the retry is being saved */
	a = KD(&m, .kind = KD_EV_PROVED);
	assert_int_equal(a.n, 0);
	a = KD(&m, .kind = KD_EV_SAVED);
	DOES(a, KD_DO_SETTLE);
}

/* The waits: 10, 60, 600 s, 20 % to either side. */
static void mcx_sec_180_a_refusal_is_tried_again_after_10_60_and_600_s(void **state)
{
	(void)state;
	static const int64_t middle[] = {10000, 60000, 600000};
	for (int jitter = 0; jitter < 256; jitter += 255) {
		struct kd m = sent(KD_CSK, KD_AGE);
		for (int i = 0; i < 3; i++) {
			struct kd_actions a = KD(&m, .kind = KD_EV_REFUSED, .jitter = (uint8_t)jitter);
			DOES(a, KD_DO_AUDIT, KD_DO_TIMER);
			assert_int_equal(m.due_ms, middle[i] * (jitter ? 12 : 8) / 10);
			a = KD(&m, .kind = KD_EV_TIMER, .now_ms = m.due_ms);
			DOES(a, KD_DO_REMAKE);
			KD(&m, .kind = KD_EV_SAVED);
		}
		struct kd_actions a = KD(&m, .kind = KD_EV_REFUSED);
		DOES(a, KD_DO_AUDIT, KD_DO_ALARM, KD_DO_ERASE);
		a = KD(&m, .kind = KD_EV_ENDED);
		DOES(a, KD_DO_FORGET);
	}
}

static void mcx_sec_180_a_csk_that_must_not_stay_in_use_ends_with_the_binding(void **state)
{
	(void)state;
	static const enum kd_reason hard[] = {KD_COMPROMISE, KD_SUITE, KD_CROSSED};
	for (size_t r = 0; r < 3; r++)
		for (int refused = 0; refused < 2; refused++) {
			struct kd m = sent(KD_CSK, hard[r]);
			m.attempt = 3;
			struct kd_actions a = KD(&m, .kind = refused ? KD_EV_REFUSED : KD_EV_LATER);
			if (refused)
				DOES(a, KD_DO_AUDIT, KD_DO_DROP, KD_DO_ERASE);
			else
				DOES(a, KD_DO_DROP, KD_DO_ERASE);
		}
}

static void a_client_that_is_away_is_tried_again_and_at_last_told_to_the_operator(void **state)
{
	(void)state;
	struct kd m = sent(KD_CSK, KD_OPERATOR);
	struct kd_actions a = KD(&m, .kind = KD_EV_LATER, .retry_after_s = 100, .jitter = 128);
	DOES(a, KD_DO_TIMER);
	assert_int_equal(m.due_ms, 100000);
	a = KD(&m, .kind = KD_EV_SEEN); /* it is back */
	DOES(a, KD_DO_REMAKE);
	KD(&m, .kind = KD_EV_SAVED);
	m.attempt = 3;
	a = KD(&m, .kind = KD_EV_LATER);
	DOES(a, KD_DO_ALARM, KD_DO_ERASE);
}

static void a_500_waits_for_the_clients_upload_and_counts_as_no_attempt(void **state)
{
	(void)state;
	struct kd m = sent(KD_CSK, KD_AGE);
	static const int64_t waits[] = {2, 2, 4, 8, 16, 32, 60, 60};
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		struct kd_actions a = KD(&m, .kind = KD_EV_BUSY, .retry_after_s = 2);
		DOES(a, KD_DO_TIMER);
		assert_int_equal(m.due_ms, waits[i] * 1000);
		assert_int_equal(m.attempt, 0);
		KD(&m, .kind = KD_EV_TIMER, .now_ms = m.due_ms);
		KD(&m, .kind = KD_EV_SAVED);
	}
}

static void an_upload_that_wins_ends_the_download_wherever_it_is(void **state)
{
	(void)state;
	for (int s = KD_SAVING; s < KD_STATES; s++) {
		struct kd m = {.state = (enum kd_state)s};
		struct kd_actions a = KD(&m, .kind = KD_EV_SUPERSEDED);
		if (s == KD_OUT)
			DOES(a, KD_DO_RECALL, KD_DO_FORGET);
		else
			DOES(a, KD_DO_FORGET);
		assert_int_equal(m.state, KD_IDLE);
	}
}

static void after_an_upload_that_loses_the_client_hears_of_our_key_at_once(void **state)
{
	(void)state;
	struct kd m = sent(KD_CSK, KD_AGE);
	struct kd_actions a = KD(&m, .kind = KD_EV_UPLOAD_LOST);
	DOES(a, KD_DO_RECALL, KD_DO_REMAKE);
	assert_int_equal(m.reason, KD_CROSSED);
	KD(&m, .kind = KD_EV_SAVED);
	KD(&m, .kind = KD_EV_BUSY);
	a = KD(&m, .kind = KD_EV_UPLOAD_LOST);
	DOES(a, KD_DO_REMAKE);
	a = KD(&m, .kind = KD_EV_UPLOAD_LOST); /* while it is saved */
	assert_int_equal(a.n, 0);
	a = KD(&m, .kind = KD_EV_SAVED);
	DOES(a, KD_DO_REMAKE);
	a = KD(&m, .kind = KD_EV_SAVED);
	DOES(a, KD_DO_SEND);
	KD(&m, .kind = KD_EV_TAKEN);
	KD(&m, .kind = KD_EV_UPLOAD_LOST); /* while it is settled: the client may hold its own now */
	a = KD(&m, .kind = KD_EV_SETTLED);
	DOES(a, KD_DO_SWITCH, KD_DO_MAKE);
	assert_int_equal(m.reason, KD_CROSSED);
}

static void what_was_pending_goes_on_after_a_restart(void **state)
{
	(void)state;
	struct kd m = {0};
	struct kd_actions a =
	    KD(&m, .kind = KD_EV_RESTART, .what = KD_CSK, .reason = KD_COMPROMISE, .attempt = 2, .has_csk = 1);
	DOES(a, KD_DO_REMAKE);
	assert_int_equal(m.attempt, 2);
	assert_int_equal(m.reason, KD_COMPROMISE);
}

static void a_musik_makes_its_client_a_holder_and_replaces_nothing(void **state)
{
	(void)state;
	struct kd m = {0};
	/* it needs no confidentiality of XML */
	struct kd_actions a = KD(&m, .kind = KD_EV_START, .what = KD_MUSIK, .reason = KD_BEARER, .has_csk = 1);
	DOES(a, KD_DO_MAKE);
	KD(&m, .kind = KD_EV_SAVED);
	a = KD(&m, .kind = KD_EV_PROVED);
	assert_int_equal(a.n, 0);
	a = KD(&m, .kind = KD_EV_UPLOAD_LOST);
	assert_int_equal(a.n, 0);
	KD(&m, .kind = KD_EV_TAKEN);
	a = KD(&m, .kind = KD_EV_SETTLED);
	DOES(a, KD_DO_FORGET);
}

static void answers_are_what_the_table_of_flows_says(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum kd_event_kind kind;
	} rows[] = {{200, KD_EV_TAKEN},   {202, KD_EV_TAKEN},   {500, KD_EV_BUSY},    {404, KD_EV_LATER},
		    {480, KD_EV_LATER},   {408, KD_EV_LATER},   {503, KD_EV_LATER},   {504, KD_EV_LATER},
		    {488, KD_EV_REFUSED}, {403, KD_EV_REFUSED}, {415, KD_EV_REFUSED}, {301, KD_EV_REFUSED}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(kd_answer(rows[i].status), rows[i].kind);
}

static void t_is_later_than_that_of_the_csk_in_use_whatever_the_clock_says(void **state)
{
	(void)state;
	assert_int_equal(kd_time(1000, 900), 1000);
	assert_int_equal(kd_time(1000, 1000), 1001);
	assert_int_equal(kd_time(1000, 1200), 1201);
	assert_string_equal(kd_reason_name(KD_CROSSED), "crossed");
}

/* ---- the client ---- */

static struct kr_actions kr(struct kr *m, struct kr_event ev)
{
	struct kr_actions out;
	int row = kr_step(m, &ev, &out);
	assert_true(row >= 0);
	kr_covered[row] = 1;
	return out;
}

#define KR(m, ...) kr(m, (struct kr_event){__VA_ARGS__})

static int has(const struct kr_actions *a, enum kr_action what)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->do_[i] == what)
			return (int)i + 1;
	return 0;
}

static struct kr_event good(void)
{
	return (struct kr_event){.kind = KR_EV_CHECKED, .suite_ok = 1, .wins = 1};
}

/* The verdict of the checks gets this answer, and nothing of what the client holds changes. */
static void refused(struct kr_event ev, int status, int warning, int retry_after)
{
	struct kr m = {.state = KR_CHECKING};
	struct kr_actions a = kr(&m, ev);
	assert_int_equal(m.state, KR_DONE);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
	assert_int_equal(a.retry_after_s, retry_after);
	assert_true(has(&a, KR_DO_REPLY));
	assert_false(has(&a, KR_DO_STORE) || has(&a, KR_DO_DISCARD) || has(&a, KR_DO_INSTALL) || has(&a, KR_DO_RENEW));
}

static void the_old_csk_is_discarded_before_the_200_and_the_new_one_durable_before_that(void **state)
{
	(void)state;
	struct kr m = {0};
	struct kr_actions a = KR(&m, .kind = KR_EV_MESSAGE, .from_server = 1);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], KR_DO_CHECK);
	a = kr(&m, good());
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], KR_DO_STORE);
	a = KR(&m, .kind = KR_EV_STORED);
	assert_int_equal(a.status, 200);
	assert_true(has(&a, KR_DO_DISCARD) && has(&a, KR_DO_DISCARD) < has(&a, KR_DO_INSTALL));
	assert_true(has(&a, KR_DO_INSTALL) < has(&a, KR_DO_REPLY));
	assert_string_equal(a.audit, "csk.replace");
}

static void seed_7_2_5_every_failure_of_the_i_message_is_488_136_and_no_more_is_said(void **state)
{
	(void)state;
	/* a-i and b-i: identity; d: signature; e: decryption; and what comes before them (flows 0.2) */
	static const enum mcsec_err all[] = {MCSEC_E_BAD_IDENTITY, MCSEC_E_BAD_SIGNATURE, MCSEC_E_UNDECRYPTABLE,
					     MCSEC_E_MALFORMED,    MCSEC_E_NOT_FOR_US,    MCSEC_E_BAD_TIME,
					     MCSEC_E_REPLAY,       MCSEC_E_BAD_PARAMS,    MCSEC_E_WRONG_TAG};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct kr_event ev = good();
		ev.im = all[i];
		refused(ev, 488, WARN_MIKEY, 0);
	}
}

static void a_kms_that_is_not_accepted_is_488_without_136(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.im = MCSEC_E_KMS_REFUSED;
	refused(ev, 488, 0, 0);
}

static void trouble_of_our_own_is_503_with_retry_after(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.im = MCSEC_E_MEMORY;
	refused(ev, 503, 0, 2);
	struct kr m = {.state = KR_STORING};
	struct kr_actions a = KR(&m, .kind = KR_EV_STORE_FAILED);
	assert_int_equal(a.status, 503);
	assert_false(has(&a, KR_DO_INSTALL) || has(&a, KR_DO_DISCARD));
}

static void a_download_while_an_upload_is_on_its_way_is_500_and_changes_nothing(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.uploading = 1;
	refused(ev, 500, 0, 2);
	ev.same_id = ev.same_key = 1; /* the one in use, again */
	refused(ev, 500, 0, 2);
}

static void mcx_sec_182_the_same_k_id_with_another_key_is_488_136(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.same_id = 1;
	refused(ev, 488, WARN_MIKEY, 0);
	ev.musik = 1;
	refused(ev, 488, WARN_MIKEY, 0);
}

static void mcx_sec_193_a_suite_that_was_not_listed_is_488_without_136(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.suite_ok = 0;
	refused(ev, 488, 0, 0);
}

static void mcx_sec_183_a_download_that_loses_is_answered_200_and_not_installed(void **state)
{
	(void)state;
	struct kr_event ev = good();
	ev.wins = 0;
	refused(ev, 200, 0, 0);
}

static void mcx_sec_177_the_same_key_again_is_200_without_change(void **state)
{
	(void)state;
	struct kr m = {.state = KR_CHECKING};
	struct kr_event ev = good();
	ev.same_id = ev.same_key = 1;
	kr(&m, ev); /* its T is kept */
	struct kr_actions a = KR(&m, .kind = KR_EV_STORED);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.do_[0], KR_DO_REPLY);
}

static void mcx_sec_201_a_musik_is_added_and_the_csk_untouched(void **state)
{
	(void)state;
	struct kr m = {.state = KR_CHECKING};
	struct kr_event ev = {.kind = KR_EV_CHECKED, .musik = 1, .uploading = 1}; /* suite and T of CSKs do not count */
	kr(&m, ev);
	struct kr_actions a = KR(&m, .kind = KR_EV_STORED);
	assert_int_equal(a.status, 200);
	assert_true(has(&a, KR_DO_INSTALL));
	assert_false(has(&a, KR_DO_DISCARD));
}

static void a_key_that_is_revoked_is_gone_and_a_new_csk_is_uploaded(void **state)
{
	(void)state;
	struct kr m = {.state = KR_CHECKING};
	struct kr_actions a = KR(&m, .kind = KR_EV_CHECKED, .im = MCSEC_E_REVOKED, .same_id = 1);
	assert_int_equal(a.status, 200);
	assert_true(has(&a, KR_DO_DISCARD) && has(&a, KR_DO_DISCARD) < has(&a, KR_DO_REPLY));
	assert_true(has(&a, KR_DO_RENEW));
	m = (struct kr){.state = KR_CHECKING};
	a = KR(&m, .kind = KR_EV_CHECKED, .im = MCSEC_E_REVOKED); /* one we do not hold */
	assert_int_equal(a.status, 200);
	assert_false(has(&a, KR_DO_DISCARD) || has(&a, KR_DO_RENEW));
}

static void a_message_that_another_than_the_serving_function_asserts_is_403(void **state)
{
	(void)state;
	struct kr m = {0};
	struct kr_actions a = KR(&m, .kind = KR_EV_MESSAGE);
	assert_int_equal(a.status, 403);
	assert_int_equal(a.warning, 0);
	assert_int_equal(m.state, KR_DONE);
	assert_false(has(&a, KR_DO_CHECK));
}

static void every_row_of_both_tables_was_met(void **state)
{
	(void)state;
	for (int i = 0; i < kd_rows; i++)
		if (!kd_covered[i])
			fail_msg("row %d of key_download.c was not met", i);
	for (int i = 0; i < kr_rows; i++)
		if (!kr_covered[i])
			fail_msg("row %d of key_receive.c was not met", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_new_csk_is_saved_then_sent_then_settled_then_in_use),
	    cmocka_unit_test(mcx_sec_181_no_download_without_an_uploaded_csk),
	    cmocka_unit_test(no_csk_download_where_confidentiality_protection_is_off),
	    cmocka_unit_test(nothing_is_sent_that_is_not_saved),
	    cmocka_unit_test(nothing_is_in_use_that_is_not_settled),
	    cmocka_unit_test(anything_under_the_new_csk_counts_as_the_200),
	    cmocka_unit_test(mcx_sec_180_a_refusal_is_tried_again_after_10_60_and_600_s),
	    cmocka_unit_test(mcx_sec_180_a_csk_that_must_not_stay_in_use_ends_with_the_binding),
	    cmocka_unit_test(a_client_that_is_away_is_tried_again_and_at_last_told_to_the_operator),
	    cmocka_unit_test(a_500_waits_for_the_clients_upload_and_counts_as_no_attempt),
	    cmocka_unit_test(an_upload_that_wins_ends_the_download_wherever_it_is),
	    cmocka_unit_test(after_an_upload_that_loses_the_client_hears_of_our_key_at_once),
	    cmocka_unit_test(what_was_pending_goes_on_after_a_restart),
	    cmocka_unit_test(a_musik_makes_its_client_a_holder_and_replaces_nothing),
	    cmocka_unit_test(answers_are_what_the_table_of_flows_says),
	    cmocka_unit_test(t_is_later_than_that_of_the_csk_in_use_whatever_the_clock_says),
	    cmocka_unit_test(the_old_csk_is_discarded_before_the_200_and_the_new_one_durable_before_that),
	    cmocka_unit_test(seed_7_2_5_every_failure_of_the_i_message_is_488_136_and_no_more_is_said),
	    cmocka_unit_test(a_kms_that_is_not_accepted_is_488_without_136),
	    cmocka_unit_test(trouble_of_our_own_is_503_with_retry_after),
	    cmocka_unit_test(a_download_while_an_upload_is_on_its_way_is_500_and_changes_nothing),
	    cmocka_unit_test(mcx_sec_182_the_same_k_id_with_another_key_is_488_136),
	    cmocka_unit_test(mcx_sec_193_a_suite_that_was_not_listed_is_488_without_136),
	    cmocka_unit_test(mcx_sec_183_a_download_that_loses_is_answered_200_and_not_installed),
	    cmocka_unit_test(mcx_sec_177_the_same_key_again_is_200_without_change),
	    cmocka_unit_test(mcx_sec_201_a_musik_is_added_and_the_csk_untouched),
	    cmocka_unit_test(a_key_that_is_revoked_is_gone_and_a_new_csk_is_uploaded),
	    cmocka_unit_test(a_message_that_another_than_the_serving_function_asserts_is_403),
	    cmocka_unit_test(every_row_of_both_tables_was_met),
	};
	return cmocka_run_group_tests_name("key_download", tests, NULL, NULL);
}

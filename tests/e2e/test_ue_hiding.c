/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity hiding and SAKKE-to-self at the client engine, whole (TS 33.180 5.2.5, 5.2.6, E.5, E.7; sip.md 4.2, 6.2):
 * uploads, offers and downloads, on and off, each end with another setting, and messages of its own that come back.
 */
#include <pthread.h>

#include <time.h>
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/test.h"

#include "mcsec/mikey.h"
#include "mcsec/uid.h"
#include "sec/base/text.h"

static struct ue *alice, *bob;

static struct ue *client(const char *who, int hide, int to_self)
{
	struct ue_config c = {.hide_identities = hide, .sakke_to_self = to_self};
	struct ue_report r;
	struct ue *u = lab_client(lab, who, &c);
	if (ue_register(u, &r))
		fail_msg("register: %s", r.text);
	return u;
}

static void fresh(struct ue **u, const char *who, int hide, int to_self)
{
	ue_free(*u);
	*u = client(who, hide, to_self);
}

static void an_upload_names_both_ends_by_uri_or_by_uid_as_the_setting_says(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		fresh(&alice, LAB_ALICE, on, 0);
		struct lab_register r = lab_last_register(lab);
		assert_true(r.csk_opened);
		assert_int_equal(r.initiator_hidden, on);
		assert_int_equal(r.responder_hidden, on);
		assert_false(r.to_self);
	}
}

static void an_upload_carries_sakke_to_self_as_the_setting_says(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		fresh(&alice, LAB_ALICE, 0, on);
		assert_true(lab_last_register(lab).csk_opened);
		assert_int_equal(lab_last_register(lab).to_self, on);
	}
}

/* ---- private calls ---- */

static pthread_mutex_t offer_lock = PTHREAD_MUTEX_INITIALIZER; /* the lab's loop tells */
static struct mcsec_im_peek offered;
static char offer_text[4096];

static void keep_offer(void *ctx, char *sdp, size_t *len, size_t size)
{
	static uint8_t message[MCSEC_IM_MAX];
	struct mcsec_fault fault;
	size_t n = 0;
	(void)ctx, (void)size;
	pthread_mutex_lock(&offer_lock);
	snprintf(offer_text, sizeof offer_text, "%.*s", (int)*len, sdp);
	char *at = strstr(offer_text, "a=key-mgmt:mikey ");
	if (at && !base64_decode(at + 17, strcspn(at + 17, "\r\n"), message, sizeof message, &n))
		(void)!mcsec_im_peek(message, n, &offered, &fault);
	pthread_mutex_unlock(&offer_lock);
}

static void call(int caller_hides, int caller_to_self, int callee_hides)
{
	struct ue_report r;
	const struct ue_call c = {.target = LAB_BOB, .max_ms = 600, .stay = 1};
	const struct ue_audio_files nothing = {0};
	fresh(&alice, LAB_ALICE, caller_hides, caller_to_self);
	fresh(&bob, LAB_BOB, callee_hides, 0);
	ue_answer(bob, &nothing);
	pthread_mutex_lock(&offer_lock);
	memset(&offered, 0, sizeof offered);
	pthread_mutex_unlock(&offer_lock);
	if (ue_call(alice, &c, &r))
		fail_msg("call: %s", r.text);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	pthread_mutex_lock(&offer_lock);
	const struct mcsec_im_peek was = offered;
	pthread_mutex_unlock(&offer_lock);
	assert_int_equal(was.initiator_hidden, caller_hides);
	assert_int_equal(was.responder_hidden, caller_hides);
	assert_int_equal(was.to_self, caller_to_self);
}

static void a_private_call_with_hidden_identities_is_answered_whatever_the_callee_does_itself(void **state)
{
	(void)state;
	call(1, 0, 1);
	call(1, 0, 0);
	call(0, 0, 1);
}

static void a_private_call_with_sakke_to_self_is_answered_hidden_or_not(void **state)
{
	(void)state;
	call(0, 1, 0);
	call(1, 1, 0);
}

static uint64_t now(void)
{
	return (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
}

static size_t message_of(const char *from, const char *to, int hide, int to_self, uint8_t out[MCSEC_IM_MAX])
{
	uint8_t key[MCSEC_KEY_LEN];
	size_t n = 0;
	struct mcsec_im_make what = {.kind = MCSEC_PCK,
				     .key = key,
				     .time = now(),
				     .initiator = from,
				     .initiator_kms = LAB_KMS,
				     .responder = to,
				     .responder_kms = LAB_KMS,
				     .hide_initiator = hide,
				     .hide_responder = hide,
				     .to_self = to_self};
	mcsec_rng_system.fill(NULL, key, sizeof key);
	assert_int_equal(mcsec_kid_new(MCSEC_PCK, &mcsec_rng_system, NULL, NULL, &what.k_id), MCSEC_OK);
	assert_int_equal(mcsec_im_make(lab_book(lab), &what, &mcsec_rng_system, out, MCSEC_IM_MAX, &n), MCSEC_OK);
	return n;
}

static void invited(const char *from, const char *to, int hide, int to_self, const char *calling, int status,
		    int warning)
{
	static uint8_t message[MCSEC_IM_MAX];
	static char offer[2 * MCSEC_IM_MAX];
	size_t n = message_of(from, to, hide, to_self, message);
	lab_offer(message, n, offer, sizeof offer);
	struct lab_answer a = lab_invite(lab, LAB_BOB, calling, offer);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
}

static void sip_6_2_a_hidden_caller_whose_uid_is_not_that_of_the_calling_user_is_488_136(void **state)
{
	(void)state;
	const struct ue_audio_files nothing = {0};
	fresh(&bob, LAB_BOB, 0, 0);
	ue_answer(bob, &nothing);
	invited(LAB_MALLORY, LAB_BOB, 1, 0, LAB_ALICE, 488, 136);
	invited(LAB_ALICE, LAB_BOB, 1, 0, LAB_ALICE, 200, 0);
}

static void a_hidden_message_for_another_callee_is_488_136(void **state)
{
	(void)state;
	const struct ue_audio_files nothing = {0};
	fresh(&bob, LAB_BOB, 0, 0);
	ue_answer(bob, &nothing);
	invited(LAB_ALICE, LAB_MALLORY, 1, 0, LAB_ALICE, 488, 136);
}

/* Bob could open it: he made it. He must not be called with it. */
static void an_offer_of_ones_own_with_sakke_to_self_that_comes_back_is_488_136(void **state)
{
	(void)state;
	const struct ue_audio_files nothing = {0};
	fresh(&bob, LAB_BOB, 0, 0);
	ue_answer(bob, &nothing);
	invited(LAB_BOB, LAB_ALICE, 0, 1, LAB_BOB, 488, 136);
	invited(LAB_BOB, LAB_ALICE, 1, 1, LAB_BOB, 488, 136);
}

/* ---- key downloads ---- */

static void downloaded(struct lab_message m, int status, int warning)
{
	m.kind = MCSEC_CSK;
	struct lab_answer a = lab_message(lab, LAB_ALICE, &m);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
	if (status == 200)
		assert_int_equal(ue_csk_id(alice), m.k_id);
	else
		assert_int_not_equal(ue_csk_id(alice), m.k_id);
}

static void a_hidden_download_is_taken_whatever_the_client_does_itself_and_an_open_one_too(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		fresh(&alice, LAB_ALICE, on, 0);
		downloaded((struct lab_message){.ahead = 30 + 20 * on, .hide = 1}, 200, 0);
		downloaded((struct lab_message){.ahead = 40 + 20 * on}, 200, 0);
	}
}

static void a_download_with_sakke_to_self_is_taken(void **state)
{
	(void)state;
	fresh(&alice, LAB_ALICE, 0, 0);
	downloaded((struct lab_message){.ahead = 80, .to_self = 1}, 200, 0);
}

static void an_upload_of_ones_own_with_sakke_to_self_that_comes_back_is_488_136(void **state)
{
	(void)state;
	fresh(&alice, LAB_ALICE, 0, 1);
	downloaded((struct lab_message){.ahead = 110, .from = LAB_ALICE, .to = LAB_PSI, .to_self = 1}, 488, 136);
	downloaded((struct lab_message){.ahead = 110, .from = LAB_ALICE, .to = LAB_PSI, .to_self = 1, .hide = 1}, 488,
		   136);
}

static int set_up(void **state)
{
	(void)state;
	lab = lab_new();
	const struct lab_hooks hooks = {.offer = keep_offer};
	lab_set_hooks(lab, &hooks);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ue_free(alice);
	ue_free(bob);
	lab_free(lab);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_upload_names_both_ends_by_uri_or_by_uid_as_the_setting_says),
	    cmocka_unit_test(an_upload_carries_sakke_to_self_as_the_setting_says),
	    cmocka_unit_test(a_private_call_with_hidden_identities_is_answered_whatever_the_callee_does_itself),
	    cmocka_unit_test(a_private_call_with_sakke_to_self_is_answered_hidden_or_not),
	    cmocka_unit_test(sip_6_2_a_hidden_caller_whose_uid_is_not_that_of_the_calling_user_is_488_136),
	    cmocka_unit_test(a_hidden_message_for_another_callee_is_488_136),
	    cmocka_unit_test(an_offer_of_ones_own_with_sakke_to_self_that_comes_back_is_488_136),
	    cmocka_unit_test(a_hidden_download_is_taken_whatever_the_client_does_itself_and_an_open_one_too),
	    cmocka_unit_test(a_download_with_sakke_to_self_is_taken),
	    cmocka_unit_test(an_upload_of_ones_own_with_sakke_to_self_that_comes_back_is_488_136),
	};
	return cmocka_run_group_tests_name("ue_hiding", tests, set_up, tear_down);
}

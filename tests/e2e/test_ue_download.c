/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key download at the client engine, whole (TS 24.379 7.2.5; flows 2.2): what it takes, and for each thing that it
 * shall reject the exact answer, with the CSK in use untouched. The server of the lab sends; it can sign as anybody.
 */
#include <pthread.h>
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/test.h"

#include "mcsec/mikey.h"
#include "mcsec/uid.h"

static struct ue *registered(void)
{
	struct ue_report r;
	struct ue *u = lab_client(lab, LAB_ALICE, NULL);
	if (ue_register(u, &r))
		fail_msg("register: %s", r.text);
	return u;
}

static void begin(void)
{
	ue_free(lab_alice);
	lab_alice = registered();
}

static struct lab_message sent; /* the last one: what it was made of */

static struct lab_answer send_to_alice(struct lab_message m)
{
	sent = m;
	if (!sent.kind)
		sent.kind = MCSEC_CSK;
	return lab_message(lab, LAB_ALICE, &sent);
}

/* Of kind 0: a CSK. */
#define SEND(...) send_to_alice((struct lab_message){__VA_ARGS__})

/* The answer, and the CSK stays what it is. */
static void refused(struct lab_message m, int status, int warning)
{
	uint32_t before = ue_csk_id(lab_alice);
	struct lab_answer a = send_to_alice(m);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
	assert_int_equal(ue_csk_id(lab_alice), before);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), 0);
}

#define REFUSED(status, warning, ...) refused((struct lab_message){__VA_ARGS__}, status, warning)

static void mcx_sec_176_a_download_replaces_the_csk_before_the_200(void **state)
{
	(void)state;
	begin();
	uint32_t before = ue_csk_id(lab_alice);
	struct lab_answer a = SEND(.ahead = 1);
	assert_int_equal(a.status, 200);
	assert_int_equal(ue_csk_id(lab_alice), sent.k_id);
	assert_int_not_equal(sent.k_id, before);
}

static void mcx_sec_171_seed_7_2_5_a_i_another_initiator_than_the_serving_function_is_488_136(void **state)
{
	(void)state;
	REFUSED(488, 136, .ahead = 2, .from = LAB_MALLORY);
}

static void mcx_sec_172_seed_7_2_5_b_i_a_hidden_initiator_is_compared_by_its_uid(void **state)
{
	(void)state;
	struct lab_answer a = SEND(.ahead = 3, .hide = 1);
	assert_int_equal(a.status, 200);
	assert_int_equal(ue_csk_id(lab_alice), sent.k_id);
	REFUSED(488, 136, .ahead = 4, .hide = 1, .from = LAB_MALLORY);
}

static void mcx_sec_173_seed_7_2_5_d_a_flipped_octet_anywhere_is_488_136(void **state)
{
	(void)state;
	static const int at[] = {9,  40,  200, 400,
				 -1, -40, -100}; /* header, identities, SAKKE; signature from the end */
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		REFUSED(488, 136, .ahead = 5, .flip = at[i]);
}

static void a_message_for_another_user_is_488_136(void **state)
{
	(void)state;
	REFUSED(488, 136, .ahead = 5, .to = LAB_BOB);
}

static void a_message_ten_minutes_old_or_ahead_is_488_136(void **state)
{
	(void)state;
	REFUSED(488, 136, .ahead = -600);
	REFUSED(488, 136, .ahead = 600);
}

static void mcx_sec_174_another_service_or_none_is_403_and_no_key_download(void **state)
{
	(void)state;
	REFUSED(403, 0, .ahead = 5, .icsi = "urn:urn-7:3gpp-service.ims.icsi.mcvideo");
	REFUSED(403, 0, .ahead = 5, .icsi = "");
}

static void a_download_of_mcvideo_replaces_the_csk_of_mcvideo_alone(void **state)
{
	(void)state;
	struct ue_report r;
	struct ue *bob = lab_client(lab, LAB_BOB, &(struct ue_config){.services = 1 << MCX_MCPTT | 1 << MCX_MCVIDEO});
	struct lab_message m = {.kind = MCSEC_CSK, .ahead = 2, .icsi = mcx_services[MCX_MCVIDEO].icsi};
	if (ue_register(bob, &r))
		fail_msg("register: %s", r.text);
	uint32_t uploaded = ue_csk_id(bob);
	assert_int_equal(uploaded, lab_last_register(lab).csk_id);
	assert_int_equal(ue_csk_id_of(bob, MCX_MCVIDEO), uploaded); /* one upload is for both */
	assert_int_equal(ue_csk_id_of(bob, MCX_MCDATA), 0);
	assert_int_equal(lab_message(lab, LAB_BOB, &m).status, 200);
	uint32_t video = m.k_id;
	assert_int_equal(ue_csk_id_of(bob, MCX_MCVIDEO), video);
	assert_int_equal(ue_csk_id(bob), uploaded);
	m = (struct lab_message){.kind = MCSEC_CSK, .ahead = 3};
	assert_int_equal(lab_message(lab, LAB_BOB, &m).status, 200);
	assert_int_equal(ue_csk_id(bob), m.k_id);
	m = (struct lab_message){.kind = MCSEC_CSK, .ahead = 5, .icsi = mcx_services[MCX_MCDATA].icsi};
	assert_int_equal(lab_message(lab, LAB_BOB, &m).status, 403); /* he is no client of it */
	m = (struct lab_message){
	    .kind = MCSEC_CSK, .ahead = 5, .icsi = mcx_services[MCX_MCVIDEO].icsi, .from = LAB_MALLORY};
	struct lab_answer a = lab_message(lab, LAB_BOB, &m);
	assert_int_equal(a.status, 488);
	assert_int_equal(a.warning, 136);
	assert_int_equal(ue_csk_id_of(bob, MCX_MCVIDEO), video);
	assert_int_equal(ue_log_off(bob, &r), UE_OK);
	assert_int_equal(ue_csk_id_of(bob, MCX_MCVIDEO), 0);
	ue_free(bob);
}

static void another_asserted_identity_than_the_serving_function_is_403(void **state)
{
	(void)state;
	REFUSED(403, 0, .ahead = 5, .asserted = "<" LAB_MALLORY ">");
}

static void mcx_sec_175_another_purpose_tag_replaces_nothing(void **state)
{
	(void)state;
	static const enum mcsec_key_kind kinds[] = {MCSEC_PCK, MCSEC_SPK, MCSEC_MSCCK};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		REFUSED(403, 0, .ahead = 5, .kind = kinds[i]);
}

static void mcx_sec_182_the_same_csk_id_with_another_key_is_488_136(void **state)
{
	(void)state;
	REFUSED(488, 136, .ahead = 6, .k_id = ue_csk_id(lab_alice));
}

static void mcx_sec_177_the_same_csk_in_a_new_message_is_200_and_nothing_changes(void **state)
{
	(void)state;
	assert_int_equal(SEND(.ahead = 7).status, 200);
	struct lab_message same = sent;
	same.again = 1; /* the key too */
	same.ahead = 8;
	assert_int_equal(send_to_alice(same).status, 200);
	assert_int_equal(ue_csk_id(lab_alice), same.k_id);
}

static void the_very_same_message_again_is_488_136(void **state)
{
	(void)state;
	struct lab_message m = {.kind = MCSEC_CSK, .ahead = 9};
	assert_int_equal(send_to_alice(m).status, 200);
	struct lab_message again = sent;
	again.octets = 1; /* as they were */
	refused(again, 488, 136);
}

static void mcx_sec_183_a_download_older_than_the_csk_in_use_is_200_and_not_installed(void **state)
{
	(void)state;
	REFUSED(200, 0, .ahead = -60);
}

static void mcx_sec_193_a_suite_that_the_client_never_listed_is_488_without_136(void **state)
{
	(void)state;
	REFUSED(488, 0, .ahead = 10, .suite = MCSEC_SUITE_AES256);
	assert_int_equal(SEND(.ahead = 11, .suite = MCSEC_SUITE_AES128).status, 200);
}

static void the_next_upload_is_later_than_a_downloaded_csk_even_after_a_restart(void **state)
{
	(void)state;
	assert_int_equal(SEND(.ahead = 60).status, 200);
	uint64_t t = sent.time;
	begin(); /* another process, the same folder */
	assert_true(lab_last_register(lab).time > t);
	assert_int_equal(ue_csk_id(lab_alice), lab_last_register(lab).csk_id);
}

static void *register_again(void *arg)
{
	struct ue_report r;
	(void)ue_register(lab_alice, &r);
	return arg;
}

static void while_an_upload_is_on_its_way_a_download_is_500_with_retry_after(void **state)
{
	(void)state;
	pthread_t thread;
	unsigned before = lab_registers(lab);
	lab_refuse_registers(lab, 1, 503, NULL); /* it comes again, after a second */
	assert_int_equal(pthread_create(&thread, NULL, register_again, NULL), 0);
	while (lab_registers(lab) == before)
		usleep(1000);
	struct lab_answer a = SEND(.ahead = 65);
	uint32_t then = ue_csk_id(lab_alice);
	pthread_join(thread, NULL); /* whatever came of it: a test that fails leaves no thread behind */
	assert_int_equal(a.status, 500);
	assert_int_equal(a.retry_after_s, 2);
	assert_int_not_equal(then, sent.k_id);
	assert_int_equal(ue_csk_id(lab_alice), lab_last_register(lab).csk_id);
}

static void mcx_sec_201_musiks_are_added_outlive_a_restart_and_end_with_the_log_off(void **state)
{
	(void)state;
	uint32_t csk = ue_csk_id(lab_alice), first, ids[2];
	assert_int_equal(SEND(.ahead = 1, .kind = MCSEC_MUSIK).status, 200);
	first = sent.k_id;
	assert_int_equal(SEND(.ahead = 1, .kind = MCSEC_MUSIK).status, 200);
	assert_int_equal(ue_musik_ids(lab_alice, ids, 2), 2);
	assert_true((ids[0] == first && ids[1] == sent.k_id) || (ids[1] == first && ids[0] == sent.k_id));
	assert_int_equal(ue_csk_id(lab_alice), csk);
	begin();
	assert_int_equal(ue_musik_ids(lab_alice, ids, 2), 2);
	struct ue_report r;
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), 0);
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, NULL);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), 0);
}

static void a_client_that_has_logged_off_takes_no_key(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	struct lab_answer a = SEND(.ahead = 70);
	assert_int_equal(a.status, 403);
	assert_int_equal(ue_csk_id(lab_alice), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_176_a_download_replaces_the_csk_before_the_200),
	    cmocka_unit_test(mcx_sec_171_seed_7_2_5_a_i_another_initiator_than_the_serving_function_is_488_136),
	    cmocka_unit_test(mcx_sec_172_seed_7_2_5_b_i_a_hidden_initiator_is_compared_by_its_uid),
	    cmocka_unit_test(mcx_sec_173_seed_7_2_5_d_a_flipped_octet_anywhere_is_488_136),
	    cmocka_unit_test(a_message_for_another_user_is_488_136),
	    cmocka_unit_test(a_message_ten_minutes_old_or_ahead_is_488_136),
	    cmocka_unit_test(mcx_sec_174_another_service_or_none_is_403_and_no_key_download),
	    cmocka_unit_test(a_download_of_mcvideo_replaces_the_csk_of_mcvideo_alone),
	    cmocka_unit_test(another_asserted_identity_than_the_serving_function_is_403),
	    cmocka_unit_test(mcx_sec_175_another_purpose_tag_replaces_nothing),
	    cmocka_unit_test(mcx_sec_182_the_same_csk_id_with_another_key_is_488_136),
	    cmocka_unit_test(mcx_sec_177_the_same_csk_in_a_new_message_is_200_and_nothing_changes),
	    cmocka_unit_test(the_very_same_message_again_is_488_136),
	    cmocka_unit_test(mcx_sec_183_a_download_older_than_the_csk_in_use_is_200_and_not_installed),
	    cmocka_unit_test(mcx_sec_193_a_suite_that_the_client_never_listed_is_488_without_136),
	    cmocka_unit_test(the_next_upload_is_later_than_a_downloaded_csk_even_after_a_restart),
	    cmocka_unit_test(while_an_upload_is_on_its_way_a_download_is_500_with_retry_after),
	    cmocka_unit_test(mcx_sec_201_musiks_are_added_outlive_a_restart_and_end_with_the_log_off),
	    cmocka_unit_test(a_client_that_has_logged_off_takes_no_key),
	};
	return cmocka_run_group_tests_name("ue_download", tests, lab_set_up, lab_tear_down);
}

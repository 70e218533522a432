/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Algorithm negotiation at the client engine, whole (TS 33.180 4.3.4.1, 5.4, 5.8.1; mikey.md 8): what it offers as the
 * KMS and its own setting allow, and what it takes when the server names another suite.
 */
#include <pthread.h>
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/test.h"

#include "mcsec/mikey.h"

static struct ue_report report;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char replaced[256], alarm_text[256];

static void on_event(void *ctx, const struct ue_event *ev)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	if (ev->kind == UE_EV_CSK_REPLACED)
		snprintf(replaced, sizeof replaced, "%s", ev->text);
	if (ev->kind == UE_EV_ALARM)
		snprintf(alarm_text, sizeof alarm_text, "%s", ev->text);
	pthread_mutex_unlock(&lock);
}

static int said(const char *where, const char *what)
{
	pthread_mutex_lock(&lock);
	int found = strstr(where, what) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

/* A client of its own suites in a domain with these. */
static enum ue_status begin(const char *domain, const char *minimum, const char *own)
{
	struct ue_config c = {.on_event = on_event, .suites = own};
	ue_free(lab_alice);
	pthread_mutex_lock(&lock);
	replaced[0] = alarm_text[0] = 0;
	pthread_mutex_unlock(&lock);
	lab_set_suites(lab, domain, minimum);
	lab_alice = lab_client(lab, LAB_ALICE, &c);
	return ue_register(lab_alice, &report);
}

static struct lab_message sent;

static struct lab_answer download(struct lab_message m)
{
	sent = m;
	sent.kind = MCSEC_CSK;
	return lab_message(lab, LAB_ALICE, &sent);
}

#define DOWNLOAD(...) download((struct lab_message){__VA_ARGS__})

static void refused(struct lab_message m, int status, int warning)
{
	uint32_t before = ue_csk_id(lab_alice);
	struct lab_answer a = download(m);
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
	assert_int_equal(ue_csk_id(lab_alice), before);
}

static void expect_offer(const char *suites, uint16_t selected)
{
	struct lab_register r = lab_last_register(lab);
	char text[5 * MCSEC_SUITES_MAX] = "";
	assert_true(r.csk_opened);
	for (size_t i = 0; i < r.algs.n; i++)
		snprintf(text + strlen(text), 6, "%s%04x", i ? " " : "", r.algs.suites[i]);
	assert_string_equal(text, suites);
	assert_int_equal(r.algs.selected, selected);
}

static void seed_002_5_4_a_client_of_several_suites_sends_the_list_and_its_choice(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", NULL), UE_OK);
	expect_offer("0102 0101", 0x0102);
	assert_int_equal(begin("0101 0102", "", NULL), UE_OK); /* the domain's order */
	expect_offer("0101 0102", 0x0101);
}

static void a_client_of_one_suite_sends_no_list(void **state)
{
	(void)state;
	assert_int_equal(begin(NULL, NULL, NULL), UE_OK); /* the KMS says nothing */
	expect_offer("", 0);
	assert_int_equal(begin("0102 0101", "", "0101"), UE_OK);
	expect_offer("", 0);
}

static void nothing_below_the_domains_minimum_is_offered(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "0102", NULL), UE_OK);
	expect_offer("0102", 0x0102);
}

static void without_a_common_suite_nothing_is_uploaded_and_the_user_is_told(void **state)
{
	(void)state;
	unsigned before = lab_registers(lab);
	assert_int_not_equal(begin("0102", "0102", "0101"), UE_OK);
	assert_int_equal(lab_registers(lab), before);
	assert_int_equal(ue_csk_id(lab_alice), 0);
}

static void suites_that_cannot_be_read_are_no_suites(void **state)
{
	(void)state;
	unsigned before = lab_registers(lab);
	assert_int_not_equal(begin("aes", "", NULL), UE_OK);
	assert_int_equal(lab_registers(lab), before);
}

static void flows_1_1_403_100_ends_the_upload_without_another(void **state)
{
	(void)state;
	ue_free(lab_alice);
	lab_alice = NULL;
	unsigned before = lab_registers(lab);
	lab_refuse(lab, "REGISTER", 1, 403, "399 lab \"100 function not allowed due to no common security algorithm\"");
	assert_int_equal(begin("0102 0101", "", NULL), UE_REFUSED);
	assert_int_equal(report.sip_status, 403);
	assert_int_equal(report.warning, 100);
	usleep(1500000); /* longer than the first wait of any retry */
	assert_int_equal(lab_registers(lab), before + 1);
}

/* `ahead` grows: each run of this client uploads a CSK that is later than the one before. */
static void seed_002_5_8_1_a_forced_suite_of_the_list_is_taken_and_a_downgrade_told(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", NULL), UE_OK);
	assert_int_equal(DOWNLOAD(.ahead = 40, .suite = MCSEC_SUITE_AES128).status, 200);
	assert_int_equal(ue_csk_id(lab_alice), sent.k_id);
	assert_true(said(replaced, "algorithm suite 0101"));
	assert_true(said(alarm_text, "downgrade"));
	assert_int_equal(DOWNLOAD(.ahead = 50, .suite = MCSEC_SUITE_AES256).status, 200);
	assert_true(said(replaced, "algorithm suite 0102"));
}

static void a_download_without_a_list_means_0101(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", NULL), UE_OK);
	assert_int_equal(DOWNLOAD(.ahead = 80).status, 200);
	assert_true(said(replaced, "algorithm suite 0101"));
	assert_int_equal(begin("0102 0101", "0102", NULL), UE_OK); /* and that is not ours */
	refused((struct lab_message){.ahead = 110}, 488, 0);
}

static void mcx_sec_193_a_suite_that_was_not_offered_is_488_and_the_old_csk_stays(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", "0101"), UE_OK);
	refused((struct lab_message){.ahead = 140, .suite = MCSEC_SUITE_AES256}, 488, 0);
	assert_int_equal(begin("0102 0101", "0102", NULL), UE_OK);
	refused((struct lab_message){.ahead = 140, .suite = MCSEC_SUITE_AES128}, 488, 0);
}

static void mcx_sec_195_a_download_whose_list_was_changed_is_488_136(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", NULL), UE_OK);
	/* behind the list come SIGN's two octets and the 129 of the signature: the last suite's last octet */
	refused((struct lab_message){.ahead = 140, .suite = MCSEC_SUITE_AES128, .flip = -(129 + 2 + 1)}, 488, 136);
}

static void the_next_upload_offers_anew_after_a_forced_suite(void **state)
{
	(void)state;
	assert_int_equal(begin("0102 0101", "", NULL), UE_OK);
	assert_int_equal(DOWNLOAD(.ahead = 170, .suite = MCSEC_SUITE_AES128).status, 200);
	assert_int_equal(ue_register(lab_alice, &report), UE_OK);
	expect_offer("0102 0101", 0x0102);
}

static void a_setting_that_is_no_list_makes_no_client(void **state)
{
	(void)state;
	char err[256], dir[] = "/tmp/mcx-suite-XXXXXX";
	struct ue_config c = {.user = "u",
			      .idms_url = "https://i",
			      .kms_url = "https://k",
			      .kms_uri = "k",
			      .ca_file = "/x",
			      .sip_psi = "sip:p@x",
			      .sip_route = "sip:x",
			      .sip_address = "127.0.0.1",
			      .suites = "aes"};
	c.dir = mkdtemp(dir);
	assert_null(ue_new(&c, err, sizeof err));
	assert_non_null(strstr(err, "suites"));
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seed_002_5_4_a_client_of_several_suites_sends_the_list_and_its_choice),
	    cmocka_unit_test(a_client_of_one_suite_sends_no_list),
	    cmocka_unit_test(nothing_below_the_domains_minimum_is_offered),
	    cmocka_unit_test(without_a_common_suite_nothing_is_uploaded_and_the_user_is_told),
	    cmocka_unit_test(suites_that_cannot_be_read_are_no_suites),
	    cmocka_unit_test(flows_1_1_403_100_ends_the_upload_without_another),
	    cmocka_unit_test(seed_002_5_8_1_a_forced_suite_of_the_list_is_taken_and_a_downgrade_told),
	    cmocka_unit_test(a_download_without_a_list_means_0101),
	    cmocka_unit_test(mcx_sec_193_a_suite_that_was_not_offered_is_488_and_the_old_csk_stays),
	    cmocka_unit_test(mcx_sec_195_a_download_whose_list_was_changed_is_488_136),
	    cmocka_unit_test(the_next_upload_offers_anew_after_a_forced_suite),
	    cmocka_unit_test(a_setting_that_is_no_list_makes_no_client),
	};
	return cmocka_run_group_tests_name("ue_suite", tests, lab_set_up, lab_tear_down);
}

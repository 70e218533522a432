/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The negotiation of a CSK's algorithms as decisions alone (TS 33.180 4.3.4.1, 5.4, 5.8.1; mikey.md 8): what is offered,
 * what is taken, what is forced, and what is too weak.
 */
#include "unit/test.h"

#include "mcx/flow/suite.h"

static struct suite_list list(const char *text)
{
	struct suite_list l;
	assert_int_equal(suite_list_read(text, &l), MCSEC_OK);
	return l;
}

static struct suite_list allowed(const char *domain, const char *minimum, const char *own)
{
	struct suite_list mine = list(own), out;
	assert_int_equal(suite_allowed(domain, minimum, &mine, &out), MCSEC_OK);
	return out;
}

static void expect_list(struct suite_list l, const char *text)
{
	char have[SUITE_TEXT];
	suite_list_write(&l, have);
	assert_string_equal(have, text);
}

static struct mcsec_alg_list upload(const char *text, uint16_t selected)
{
	struct suite_list l = list(text);
	struct mcsec_alg_list a = {.selected = selected, .n = l.n};
	memcpy(a.suites, l.at, sizeof l.at);
	return a;
}

static uint16_t server_takes(const struct mcsec_alg_list *up, const char *policy)
{
	struct suite_list offered, may = list(policy);
	uint16_t wanted = suite_uploaded(up, &offered);
	return suite_choose(wanted, &offered, &may);
}

static void a_list_is_read_and_written_as_it_stands(void **state)
{
	(void)state;
	expect_list(list("0102 0101"), "0102 0101");
	expect_list(list("  0101  "), "0101");
	expect_list(list(""), "");
	char long_text[5 * 33 + 1] = "", back[SUITE_TEXT];
	for (unsigned i = 0; i < 32; i++)
		snprintf(long_text + 5 * i, 6, "%04x ", 0x0100 + i);
	long_text[5 * 32 - 1] = 0;
	struct suite_list most = list(long_text);
	suite_list_write(&most, back);
	assert_string_equal(back, long_text);
}

static void what_is_no_list_is_refused_whole(void **state)
{
	(void)state;
	static const char *const bad[] = {"1", "01020", "0x01", "0102,0101", "0102 0102", "0102 01", "zzzz", "0102\t0101"};
	struct suite_list l;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(suite_list_read(bad[i], &l), MCSEC_E_VALUE);
		assert_int_equal(l.n, 0);
	}
	char many[5 * 33 + 1] = "";
	for (unsigned i = 0; i < 33; i++)
		snprintf(many + 5 * i, 6, "%04x ", 0x0100 + i);
	assert_int_equal(suite_list_read(many, &l), MCSEC_E_VALUE);
}

static void what_is_allowed_is_both_sides_in_the_domains_order(void **state)
{
	(void)state;
	expect_list(allowed("0102 0101", "", "0101 0102"), "0102 0101");
	expect_list(allowed("0101 0102", "", "0102 0101"), "0101 0102");
	expect_list(allowed("0102 0101", "", "0101"), "0101");
	expect_list(allowed("0102", "", "0101"), "");
	expect_list(allowed("0103 0201 0101", "", "0103 0201 0101"), "0101"); /* of no suite that is known here */
}

static void a_domain_that_says_nothing_means_0101(void **state)
{
	(void)state;
	expect_list(allowed("", "", SUITES_KNOWN), "0101");
	expect_list(allowed("", "0102", SUITES_KNOWN), "");
}

static void nothing_below_the_domains_minimum_is_allowed(void **state)
{
	(void)state;
	expect_list(allowed("0101 0102", "0102", SUITES_KNOWN), "0102");
	expect_list(allowed("0101", "0102", SUITES_KNOWN), "");
	expect_list(allowed("0102 0101", "0101", SUITES_KNOWN), "0102 0101");
}

static void a_kms_that_cannot_be_understood_allows_nothing(void **state)
{
	(void)state;
	struct suite_list own = list(SUITES_KNOWN), out;
	assert_int_equal(suite_allowed("nonsense", "", &own, &out), MCSEC_E_VALUE);
	assert_int_equal(out.n, 0);
	assert_int_equal(suite_allowed("0101", "0101 0102", &own, &out), MCSEC_E_VALUE);
	assert_int_equal(out.n, 0);
}

static void seed_002_a_client_of_several_suites_lists_them_and_selects_the_first(void **state)
{
	(void)state;
	struct suite_list two = list("0102 0101"), strong = list("0102");
	struct mcsec_alg_list a;
	suite_offer(&two, &a);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.selected, 0x0102);
	assert_int_equal(a.suites[1], 0x0101);
	suite_offer(&strong, &a); /* not the one that silence means */
	assert_int_equal(a.n, 1);
	assert_int_equal(a.selected, 0x0102);
}

static void a_client_of_the_mandatory_suite_alone_sends_no_list(void **state)
{
	(void)state;
	struct suite_list one = list("0101");
	struct mcsec_alg_list a;
	suite_offer(&one, &a);
	assert_int_equal(a.n, 0);
}

static void mcx_sec_191_no_list_means_0101(void **state)
{
	(void)state;
	struct mcsec_alg_list none = {0};
	assert_int_equal(server_takes(&none, "0102 0101"), 0x0101);
	assert_int_equal(server_takes(&none, "0102"), 0);
}

static void mcx_sec_192_a_suite_that_is_not_allowed_is_replaced_by_the_clients_next(void **state)
{
	(void)state;
	struct mcsec_alg_list two = upload("0102 0101", 0x0102), three = upload("0107 0101 0102", 0x0107);
	assert_int_equal(server_takes(&two, "0101 0102"), 0x0102);
	assert_int_equal(server_takes(&two, "0101"), 0x0101);
	assert_int_equal(server_takes(&three, "0102 0101"), 0x0101); /* the client's order, not the server's */
}

static void mcx_sec_196_no_common_suite_is_none(void **state)
{
	(void)state;
	struct mcsec_alg_list one = upload("0102", 0x0102);
	assert_int_equal(server_takes(&one, "0101"), 0);
	assert_int_equal(server_takes(&one, ""), 0);
}

static void mcx_sec_193_a_download_is_taken_only_if_we_listed_its_suite(void **state)
{
	(void)state;
	struct suite_list two = list("0102 0101"), one = list("0101"), strong = list("0102");
	struct mcsec_alg_list none = {0}, to_0102 = upload("0101 0102", 0x0102), to_0101 = upload("0101", 0x0101);
	assert_int_equal(suite_taken(&to_0102, &two), 0x0102);
	assert_int_equal(suite_taken(&to_0101, &two), 0x0101);
	assert_int_equal(suite_taken(&to_0102, &one), 0);
	assert_int_equal(suite_taken(&none, &one), 0x0101);
	assert_int_equal(suite_taken(&none, &strong), 0); /* silence means 0101 */
}

static void a_downgrade_is_a_place_behind_the_clients_own_choice(void **state)
{
	(void)state;
	struct suite_list l = list("0102 0101");
	assert_true(suite_downgrades(&l, 0x0102, 0x0101));
	assert_false(suite_downgrades(&l, 0x0102, 0x0102));
	assert_false(suite_downgrades(&l, 0x0101, 0x0102));
	struct suite_list weak_first = list("0101 0102");
	assert_false(suite_downgrades(&weak_first, 0x0101, 0x0102)); /* less wanted, and better */
}

static void what_comes_with_an_upload_stands_under_0101_if_the_client_lists_it(void **state)
{
	(void)state;
	struct mcsec_alg_list none = {0}, two = upload("0102 0101", 0x0102), strong = upload("0102", 0x0102);
	assert_int_equal(suite_of_upload(&none), 0x0101);
	assert_int_equal(suite_of_upload(&two), 0x0101);
	assert_int_equal(suite_of_upload(&strong), 0x0102);
}

static void mcx_sec_199_a_suite_has_keys_of_its_length(void **state)
{
	(void)state;
	assert_int_equal(suite_key_len(0x0101), 16);
	assert_int_equal(suite_key_len(0x0102), 32);
	assert_int_equal(suite_key_len(0x0103), 0);
	assert_int_equal(suite_key_len(0x0201), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_is_read_and_written_as_it_stands),
	    cmocka_unit_test(what_is_no_list_is_refused_whole),
	    cmocka_unit_test(what_is_allowed_is_both_sides_in_the_domains_order),
	    cmocka_unit_test(a_domain_that_says_nothing_means_0101),
	    cmocka_unit_test(nothing_below_the_domains_minimum_is_allowed),
	    cmocka_unit_test(a_kms_that_cannot_be_understood_allows_nothing),
	    cmocka_unit_test(seed_002_a_client_of_several_suites_lists_them_and_selects_the_first),
	    cmocka_unit_test(a_client_of_the_mandatory_suite_alone_sends_no_list),
	    cmocka_unit_test(mcx_sec_191_no_list_means_0101),
	    cmocka_unit_test(mcx_sec_192_a_suite_that_is_not_allowed_is_replaced_by_the_clients_next),
	    cmocka_unit_test(mcx_sec_196_no_common_suite_is_none),
	    cmocka_unit_test(mcx_sec_193_a_download_is_taken_only_if_we_listed_its_suite),
	    cmocka_unit_test(a_downgrade_is_a_place_behind_the_clients_own_choice),
	    cmocka_unit_test(what_comes_with_an_upload_stands_under_0101_if_the_client_lists_it),
	    cmocka_unit_test(mcx_sec_199_a_suite_has_keys_of_its_length),
	};
	return cmocka_run_group_tests_name("suite", tests, NULL, NULL);
}

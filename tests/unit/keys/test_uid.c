/* SPDX-License-Identifier: Apache-2.0 */
/* Key periods, the UID of TS 33.180 F.2.1, and eras of NTP time. */
#include "unit/test.h"

#include "mcsec/uid.h"
#include "sec/keys/hash.h"

static const struct mcsec_periods thirty_days = {.period = 2592000, .offset = 0};

static void uid_is(const char *uri, const char *kms, const struct mcsec_periods *p, uint64_t number, const char *want)
{
	uint8_t uid[MCSEC_UID_LEN];
	char hex[HEX_SIZE(MCSEC_UID_LEN)];
	assert_int_equal(mcsec_uid(uri, kms, p, number, uid), MCSEC_OK);
	hex_encode(OCTETS(uid), hex);
	assert_string_equal(hex, want);
}

/* SHA-256 of S written out by hand. */
static void uid_is_hash_of(const char *uri, const char *kms, const struct mcsec_periods *p, uint64_t number,
			   const char *s_hex)
{
	uint8_t s[256], hash[HASH_LEN];
	char hex[HEX_SIZE(HASH_LEN)];
	struct octets piece = {s, unhex(s_hex, s, sizeof s)};
	assert_int_equal(sha256_of(&piece, 1, hash), MCSEC_OK);
	hex_encode(OCTETS(hash), hex);
	uid_is(uri, kms, p, number, hex);
}

static void mcx_sec_101_the_worked_uid_example_is_met(void **state)
{
	(void)state;
	uid_is("sip:alice@mc.example", "kms.mc.example", &thirty_days, 1531,
	       "f87b67ea9ae8a6cdb74f46e7ab70a2d0b5200180d1ef0e2f7f1d6386c13b3820");
	uid_is("mdsi.mc.example", "kms.mc.example", &thirty_days, 1531,
	       "25a5526e79f477f7f3177bea16ca1b4c67bc014d788078c0f7b1ccca82cca409");
}

static void mcx_sec_101_identities_of_one_and_nine_octets_have_their_lengths_in_s(void **state)
{
	(void)state;
	uid_is_hash_of("a", "k", &thirty_days, 1531,
		       "004d494b45592d53414b4b452d554944000f"
		       "610001"
		       "6b0001"
		       "278d000003"
		       "000001"
		       "05fb0002");
	uid_is_hash_of("sip:a@b.c", "k", &thirty_days, 1531,
		       "004d494b45592d53414b4b452d554944000f"
		       "7369703a6140622e630009"
		       "6b0001"
		       "278d000003"
		       "000001"
		       "05fb0002");
}

static void mcx_sec_102_zero_offset_and_zero_number_are_one_octet(void **state)
{
	(void)state;
	uid_is_hash_of("a", "k", &thirty_days, 0,
		       "004d494b45592d53414b4b452d554944000f"
		       "610001"
		       "6b0001"
		       "278d000003"
		       "000001"
		       "000001");
}

static void a_period_of_64_bits_and_an_offset_longer_than_a_period_are_encoded(void **state)
{
	(void)state;
	struct mcsec_periods p = {.period = UINT64_C(0x0102030405060708), .offset = UINT64_MAX};
	uid_is_hash_of("a", "k", &p, UINT64_C(0x100),
		       "004d494b45592d53414b4b452d554944000f"
		       "610001"
		       "6b0001"
		       "01020304050607080008"
		       "ffffffffffffffff0008"
		       "01000002");
}

static void mcx_sec_103_a_period_begins_with_its_first_second(void **state)
{
	(void)state;
	struct mcsec_periods p = {.period = 2419200, .offset = 1000};
	uint64_t n;
	for (uint64_t k = 1; k < 2000; k += 37) {
		uint64_t start = mcsec_period_start(&p, k);
		assert_int_equal(mcsec_period_number(&p, start, &n), MCSEC_OK);
		assert_int_equal(n, k);
		assert_int_equal(mcsec_period_number(&p, start - 1, &n), MCSEC_OK);
		assert_int_equal(n, k - 1);
	}
	assert_int_equal(mcsec_period_start(&thirty_days, 1531), 3968352000);
}

static void the_check_values_of_the_kms_page_hold(void **state)
{
	(void)state;
	uint64_t n, t = mcsec_ntp_unfold(UINT64_C(0xD6B4323200000000), UINT64_C(3968352000));
	assert_int_equal(t, 1393144754 + MCSEC_NTP_UNIX); /* 2014-02-23 08:39:14 UTC */
	assert_int_equal(mcsec_period_number(&thirty_days, t, &n), MCSEC_OK);
	assert_int_equal(n, 1389);
	assert_int_equal(mcsec_period_start(&thirty_days, 1388), 1388707200 + MCSEC_NTP_UNIX);
	assert_int_equal(mcsec_period_start(&thirty_days, 1389), 1391299200 + MCSEC_NTP_UNIX);
}

static void a_time_before_the_offset_or_a_period_of_zero_has_no_number(void **state)
{
	(void)state;
	struct mcsec_periods late = {.period = 10, .offset = 100}, none = {.period = 0, .offset = 0};
	uint64_t n;
	assert_int_equal(mcsec_period_number(&late, 99, &n), MCSEC_E_VALUE);
	assert_int_equal(mcsec_period_number(&late, 100, &n), MCSEC_OK);
	assert_int_equal(n, 0);
	assert_int_equal(mcsec_period_number(&none, 100, &n), MCSEC_E_VALUE);
}

static void mcx_sec_107_identities_that_differ_in_one_octet_are_different_users(void **state)
{
	(void)state;
	static const char *const uris[] = {"sip:alice@mc.example", "sip:Alice@mc.example", "sip:alice%40mc.example",
					   "sip:alice@mc.example.", "sip:alice@mc.example:5060"};
	uint8_t uid[5][MCSEC_UID_LEN];
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(mcsec_uid(uris[i], "kms.mc.example", &thirty_days, 1531, uid[i]), MCSEC_OK);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(uid[i], uid[k], MCSEC_UID_LEN);
	}
}

static void an_empty_identity_bad_utf8_and_one_too_long_are_refused(void **state)
{
	(void)state;
	uint8_t uid[MCSEC_UID_LEN];
	static char big[65537];
	memset(big, 'a', sizeof big - 1);
	assert_int_equal(mcsec_uid("", "k", &thirty_days, 1, uid), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_uid("a", "", &thirty_days, 1, uid), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_uid("\xff", "k", &thirty_days, 1, uid), MCSEC_E_VALUE);
	assert_int_equal(mcsec_uid(big, "k", &thirty_days, 1, uid), MCSEC_E_LENGTH);
	big[65535] = '\0';
	assert_int_equal(mcsec_uid(big, "k", &thirty_days, 1, uid), MCSEC_OK);
}

static void mcx_sec_108_the_era_changes_in_2036_and_period_numbers_go_on(void **state)
{
	(void)state;
	const uint64_t wrap = UINT64_C(1) << 32; /* 2036-02-07 06:28:16 UTC */
	uint64_t before, after;
	assert_int_equal(mcsec_ntp_unfold(0, wrap - 10), wrap);
	assert_int_equal(mcsec_ntp_unfold(mcsec_ntp_fold(wrap - 1, 0), wrap + 10), wrap - 1);
	assert_int_equal(mcsec_ntp_unfold(mcsec_ntp_fold(wrap + 5, 7), wrap + 10), wrap + 5);
	assert_int_equal(mcsec_period_number(&thirty_days, wrap - 1, &before), MCSEC_OK);
	assert_int_equal(mcsec_period_number(&thirty_days, wrap, &after), MCSEC_OK);
	assert_int_equal(before, 1657);
	assert_int_equal(after, 1657);
	assert_int_equal(mcsec_period_number(&thirty_days, mcsec_period_start(&thirty_days, 1658), &after), MCSEC_OK);
	assert_int_equal(after, 1658);
}

static void every_time_within_half_an_era_of_now_unfolds_to_itself(void **state)
{
	(void)state;
	for (uint64_t now = UINT64_C(3968352000); now < UINT64_C(9000000000); now += UINT64_C(777777777))
		for (uint64_t d = 0; d < UINT64_C(2147483648); d += UINT64_C(99999989)) {
			assert_int_equal(mcsec_ntp_unfold(mcsec_ntp_fold(now + d, 1), now), now + d);
			assert_int_equal(mcsec_ntp_unfold(mcsec_ntp_fold(now - d, 1), now), now - d);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_101_the_worked_uid_example_is_met),
	    cmocka_unit_test(mcx_sec_101_identities_of_one_and_nine_octets_have_their_lengths_in_s),
	    cmocka_unit_test(mcx_sec_102_zero_offset_and_zero_number_are_one_octet),
	    cmocka_unit_test(a_period_of_64_bits_and_an_offset_longer_than_a_period_are_encoded),
	    cmocka_unit_test(mcx_sec_103_a_period_begins_with_its_first_second),
	    cmocka_unit_test(the_check_values_of_the_kms_page_hold),
	    cmocka_unit_test(a_time_before_the_offset_or_a_period_of_zero_has_no_number),
	    cmocka_unit_test(mcx_sec_107_identities_that_differ_in_one_octet_are_different_users),
	    cmocka_unit_test(an_empty_identity_bad_utf8_and_one_too_long_are_refused),
	    cmocka_unit_test(mcx_sec_108_the_era_changes_in_2036_and_period_numbers_go_on),
	    cmocka_unit_test(every_time_within_half_an_era_of_now_unfolds_to_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

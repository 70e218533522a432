/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_admit.c - who may have a key set now: state of the user, enrolment, counts by hour and period (kms.md 4.2,
 * 15A).
 */
#include "unit/test.h"

#include "kms/admit.h"

enum { NOW = 1800000000, PERIOD = 700 };

static const struct kms_admit_rules open_to_all = {.listed = 0, .limit_hour = 0, .limit_period = 0};

static void a_suspended_user_gets_nothing_until_resumed(void **state)
{
	(void)state;
	struct kms_user u = {.state = KMS_USER_SUSPENDED};
	assert_int_equal(kms_admit(&u, &open_to_all, NOW, PERIOD), KMS_ADMIT_SUSPENDED);
	u.state = KMS_USER_ACTIVE;
	assert_int_equal(kms_admit(&u, &open_to_all, NOW, PERIOD), KMS_ADMIT_OK);
}

static void a_revoked_user_gets_nothing(void **state)
{
	(void)state;
	struct kms_user u = {.state = KMS_USER_REVOKED};
	assert_int_equal(kms_admit(&u, &open_to_all, NOW, PERIOD), KMS_ADMIT_REVOKED);
}

static void where_users_are_listed_a_stranger_gets_nothing(void **state)
{
	(void)state;
	const struct kms_admit_rules listed = {.listed = 1};
	struct kms_user u = {.state = KMS_USER_UNKNOWN};
	assert_int_equal(kms_admit(&u, &listed, NOW, PERIOD), KMS_ADMIT_NOT_ENROLLED);
	assert_int_equal(kms_admit(&u, &open_to_all, NOW, PERIOD), KMS_ADMIT_OK);
	kms_admitted(&u, NOW, PERIOD);
	assert_int_equal(u.created, NOW);
	assert_int_equal(kms_admit(&u, &listed, NOW, PERIOD), KMS_ADMIT_OK);
}

static void a_user_gets_so_many_sets_an_hour(void **state)
{
	(void)state;
	const struct kms_admit_rules two = {.limit_hour = 2};
	struct kms_user u = {.state = KMS_USER_ACTIVE};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kms_admit(&u, &two, NOW, PERIOD), KMS_ADMIT_OK);
		kms_admitted(&u, NOW, PERIOD);
	}
	assert_int_equal(kms_admit(&u, &two, NOW, PERIOD), KMS_ADMIT_TOO_OFTEN);
	assert_int_equal(kms_admit(&u, &two, NOW + 3599 - NOW % 3600, PERIOD), KMS_ADMIT_TOO_OFTEN);
	assert_int_equal(kms_admit(&u, &two, NOW + 3600 - NOW % 3600, PERIOD), KMS_ADMIT_OK);
}

static void a_user_gets_so_many_sets_a_period(void **state)
{
	(void)state;
	const struct kms_admit_rules one = {.limit_period = 1};
	struct kms_user u = {.state = KMS_USER_ACTIVE};
	assert_int_equal(kms_admit(&u, &one, NOW, PERIOD), KMS_ADMIT_OK);
	kms_admitted(&u, NOW, PERIOD + 1);
	assert_int_equal(u.last_period, PERIOD + 1);
	assert_int_equal(kms_admit(&u, &one, NOW + 86400, PERIOD), KMS_ADMIT_TOO_OFTEN);
	assert_int_equal(kms_admit(&u, &one, NOW + 86400, PERIOD + 1), KMS_ADMIT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_suspended_user_gets_nothing_until_resumed),
	    cmocka_unit_test(a_revoked_user_gets_nothing),
	    cmocka_unit_test(where_users_are_listed_a_stranger_gets_nothing),
	    cmocka_unit_test(a_user_gets_so_many_sets_an_hour),
	    cmocka_unit_test(a_user_gets_so_many_sets_a_period),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

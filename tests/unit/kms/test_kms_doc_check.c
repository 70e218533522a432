/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client checks before it uses a certificate or a key set (kms.md 8.4, 8.5).
 */
#include "unit/kms/kms_vector.h"

static struct kms_fault fault;

static enum mcsec_err check_cert(const struct kms_certificate *c)
{
	return kms_certificate_check(c, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, NULL, &fault);
}

static void the_certificate_of_the_home_kms_passes(void **state)
{
	struct kms_vector *v = *state;
	struct mcsec_kms *kms = NULL;
	assert_int_equal(
	    kms_certificate_check(&v->cert, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, &kms, &fault), MCSEC_OK);
	mcsec_kms_free(kms);
	v->cert.role = KMS_ROLE_EXTERNAL;
	assert_int_equal(
	    kms_certificate_check(&v->cert, KMS_ROLE_EXTERNAL, VECTOR_KMS, "kms.home", VECTOR_NOW, NULL, &fault),
	    MCSEC_OK);
	assert_int_equal(
	    kms_certificate_check(&v->cert, KMS_ROLE_EXTERNAL, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, NULL, &fault),
	    MCSEC_E_VALUE);
}

static void each_rule_of_the_certificate_is_checked(void **state)
{
	struct kms_vector *v = *state;
	struct kms_certificate c;
#define BREAKS(change, code, name)                                                                                     \
	do {                                                                                                           \
		c = v->cert;                                                                                           \
		change;                                                                                                \
		assert_int_equal(check_cert(&c), code);                                                                \
		assert_string_equal(fault.element, name);                                                              \
	} while (0)
	BREAKS(c.parameter_set = 2, MCSEC_E_UNSUPPORTED, "ParameterSet");
	BREAKS(strcpy(c.user_id_format, "1"), MCSEC_E_UNSUPPORTED, "UserIdFormat");
	BREAKS(c.periods.period = 0, MCSEC_E_VALUE, "UserKeyPeriod");
	BREAKS(c.periods.offset = 2592000, MCSEC_E_VALUE, "UserKeyOffset");
	BREAKS(c.role = KMS_ROLE_EXTERNAL, MCSEC_E_VALUE, "Role");
	BREAKS(c.role = KMS_ROLE_NONE, MCSEC_E_VALUE, "Role");
	BREAKS(strcpy(c.kms_uri, "KMS.example.org"), MCSEC_E_VALUE, "KmsUri");
	BREAKS(c.revoked = 1, MCSEC_E_REVOKED, "Revoked");
	BREAKS(c.valid_from = VECTOR_NOW + 1, MCSEC_E_BAD_TIME, "ValidFrom");
	BREAKS(c.valid_to = VECTOR_NOW, MCSEC_E_BAD_TIME, "ValidTo");
	BREAKS(c.pub_auth_key[64] ^= 1, MCSEC_E_POINT, "PubEncKey");
	c = v->cert;
	c.valid_from = c.valid_to = KMS_NO_TIME;
	assert_int_equal(check_cert(&c), MCSEC_OK);
}

static void mcx_sec_118_a_certificate_with_a_bad_public_key_is_refused(void **state)
{
	struct kms_vector *v = *state;
	struct kms_certificate c = v->cert;
	c.pub_enc_key[256] ^= 1; /* off the curve */
	assert_int_equal(check_cert(&c), MCSEC_E_POINT);
	memset(c.pub_enc_key + 1, 0, 256); /* (0, 0): of order 2 on y^2 = x^3 - 3x */
	assert_int_equal(check_cert(&c), MCSEC_E_POINT);
	memset(c.pub_enc_key, 0, 257); /* infinity */
	assert_int_equal(check_cert(&c), MCSEC_E_POINT);
	memset(c.pub_enc_key, 0xff, 257);
	c.pub_enc_key[0] = 4; /* coordinates beyond p */
	assert_int_equal(check_cert(&c), MCSEC_E_POINT);
}

static enum mcsec_err check_set(struct kms_vector *v, const struct kms_key_set *s)
{
	struct mcsec_kms *kms = NULL;
	struct mcsec_keyset *keys = NULL;
	assert_int_equal(mcsec_kms_new(&kms, v->cert.pub_auth_key, v->cert.pub_enc_key), MCSEC_OK);
	enum mcsec_err e = kms_key_set_check(s, &v->cert, kms, VECTOR_USER, &keys, &fault);
	assert_true(e ? !keys : !!keys);
	mcsec_keyset_free(keys);
	mcsec_kms_free(kms);
	return e;
}

static void the_key_set_of_the_vector_passes_every_check(void **state)
{
	struct kms_vector *v = *state;
	assert_int_equal(check_set(v, &v->set), MCSEC_OK);
}

static void mcx_sec_109_a_wrong_user_id_is_refused_as_uid_mismatch(void **state)
{
	struct kms_vector *v = *state;
	v->set.uid[31] ^= 1;
	assert_int_equal(check_set(v, &v->set), MCSEC_E_KEY_SET);
	assert_non_null(strstr(fault.detail, "uid_mismatch"));
	v->set.uid[31] ^= 1;
	v->set.period_no++;
	assert_int_equal(check_set(v, &v->set), MCSEC_E_KEY_SET);
	assert_non_null(strstr(fault.detail, "uid_mismatch"));
}

static void mcx_sec_116_ssk_of_one_answer_with_pvt_of_another_is_refused(void **state)
{
	struct kms_vector *v = *state;
	struct mcsec_issued *other = mcsec_secret_alloc(sizeof *other);
	assert_int_equal(mcsec_master_issue(v->master, &mcsec_rng_system, 1, v->set.uid, 32, other), MCSEC_OK);
	assert_memory_equal(other->rsk, v->set.secret->rsk, MCSEC_RSK_LEN);
	memcpy(v->set.pvt, other->pvt, MCSEC_PVT_LEN);
	assert_int_equal(check_set(v, &v->set), MCSEC_E_KEY_SET);
	memcpy(v->set.secret->ssk, other->ssk, MCSEC_SSK_LEN);
	assert_int_equal(check_set(v, &v->set), MCSEC_OK);
	mcsec_secret_free(other);
}

static void mcx_sec_117_a_key_set_of_another_kms_user_or_certificate_is_refused(void **state)
{
	struct kms_vector *v = *state;
	struct kms_key_set s;
#define SET_BREAKS(change, code, name)                                                                                 \
	do {                                                                                                           \
		s = v->set;                                                                                            \
		change;                                                                                                \
		assert_int_equal(check_set(v, &s), code);                                                              \
		assert_string_equal(fault.element, name);                                                              \
	} while (0)
	SET_BREAKS(strcpy(s.kms_uri, "kms.other.example"), MCSEC_E_KEY_SET, "KmsUri");
	SET_BREAKS(strcpy(s.user_uri, "sip:bob@example.org"), MCSEC_E_KEY_SET, "UserUri");
	SET_BREAKS(strcpy(s.cert_uri, "cert2.kms.example.org"), MCSEC_E_KEY_SET, "CertUri");
	SET_BREAKS(s.revoked = 1, MCSEC_E_REVOKED, "Revoked");
	s = v->set;
	s.cert_uri[0] = 0;
	assert_int_equal(check_set(v, &s), MCSEC_OK);
	v->set.secret->rsk[100] ^= 1;
	assert_int_not_equal(check_set(v, &v->set), MCSEC_OK);
}

#define V(name) cmocka_unit_test_setup_teardown(name, kms_vector_setup, kms_vector_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    V(the_certificate_of_the_home_kms_passes),
	    V(each_rule_of_the_certificate_is_checked),
	    V(mcx_sec_118_a_certificate_with_a_bad_public_key_is_refused),
	    V(the_key_set_of_the_vector_passes_every_check),
	    V(mcx_sec_109_a_wrong_user_id_is_refused_as_uid_mismatch),
	    V(mcx_sec_116_ssk_of_one_answer_with_pvt_of_another_is_refused),
	    V(mcx_sec_117_a_key_set_of_another_kms_user_or_certificate_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

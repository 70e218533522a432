/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_client.c - the KMS client against a server that tells it every lie (kms.md 8.2 to 8.5): nothing that fails a
 * check is handed out, the outcome says what to do, and the KMS learns of it with the next request.
 */
#include "unit/kms/kms_client_lab.h"

/* ---- what is asked
 * ------------------------------------------------------------------------------------------------------ */

static void init_asks_as_the_page_says_and_hands_out_the_checked_certificate(void **state)
{
	(void)state;
	char want[2048];
	honest(KMS_MSG_INIT);
	assert_true(init());
	assert_int_equal(result.outcome, KMS_DONE);
	assert_memory_equal(&home.cert, &vector.cert, sizeof cert);
	assert_non_null(home.kms);
	assert_string_equal(home.suites, "");
	kms_domain_free(&home);
	honest(KMS_MSG_INIT);
	strcpy(answer.r.suites, "0102 0101");
	strcpy(answer.r.suites_minimum, "0101");
	assert_true(init());
	assert_string_equal(home.suites, "0102 0101");
	assert_string_equal(home.suites_minimum, "0101");
	kms_domain_free(&home);
	assert_string_equal(asked_path, KMS_ROOT "/init");
	assert_string_equal(asked_auth, "Bearer token");
	snprintf(want, sizeof want,
		 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<KmsRequest xmlns=\"" KMS_NS "\" "
		 "Version=\"1.1.0\"><UserUri>sip:user@example.org</UserUri><KmsUri>kms.example.org</KmsUri>"
		 "<Time>2014-01-26T10:05:50Z</Time><ClientId>mcx-client-7</ClientId><ClientReqUrl>%s" KMS_ROOT
		 "/init</ClientReqUrl></KmsRequest>\n",
		 base);
	assert_string_equal(asked_body, want);
}

static void keyprov_asks_for_all_for_one_and_for_one_time(void **state)
{
	(void)state;
	honest(KMS_MSG_KEYPROV);
	assert_true(keyprov(NULL, KMS_NO_TIME));
	assert_string_equal(asked_path, KMS_ROOT "/keyprov");
	assert_true(keyprov(VECTOR_USER, KMS_NO_TIME));
	assert_string_equal(asked_path, KMS_ROOT "/keyprov/sip%3Auser%40example.org");
	/* 2014-02-23 08:39:14 UTC, the example of the page: period 1389 */
	assert_false(keyprov(VECTOR_USER, 1393144754));
	assert_string_equal(asked_path, KMS_ROOT "/keyprov/sip%3Auser%40example.org/D6B4323200000000");
	fails(0, KMS_BAD_ANSWER, "nobody asked for");
	fails(keyprov(NULL, VECTOR_NOW), KMS_REJECTED, "no such");
}

/* ---- outcomes
 * --------------------------------------------------------------------------------------------------------------- */

static void each_status_has_its_outcome_and_error_code(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum kms_outcome outcome;
	} cases[] = {{400, KMS_REJECTED}, {401, KMS_TOKEN},    {403, KMS_REFUSED}, {404, KMS_NOT_THERE},
		     {409, KMS_REJECTED}, {413, KMS_REJECTED}, {429, KMS_LATER},   {500, KMS_LATER},
		     {503, KMS_LATER},    {302, KMS_REJECTED}, {204, KMS_REJECTED}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		honest(KMS_MSG_NONE);
		answer.status = cases[i].status;
		answer.r.error = (struct kms_error){40302, "identity_not_permitted"};
		answer.retry_after = cases[i].status == 503 ? 7 : 0;
		assert_false(init());
		assert_int_equal(result.outcome, cases[i].outcome);
		assert_int_equal(result.status, cases[i].status);
		assert_int_equal(result.retry_after_s, answer.retry_after);
		if (cases[i].status != 204)
			assert_int_equal(result.error_code, 40302);
	}
}

static void an_error_without_a_document_is_still_its_outcome(void **state)
{
	(void)state;
	honest(KMS_MSG_NONE);
	answer.status = 403;
	answer.raw = "<html>no";
	assert_false(init());
	assert_int_equal(result.outcome, KMS_REFUSED);
	assert_int_equal(result.error_code, 0);
}

static void nobody_there_is_unreachable(void **state)
{
	(void)state;
	struct kms_client_options o = {.base_url = "https://kms.test:1",
				       .kms_uri = VECTOR_KMS,
				       .ca_file = lab_path(&lab, "ca.pem"),
				       .resolve = "kms.test:1:127.0.0.1"};
	struct kms_client *c = kms_client_new(&o);
	assert_false(kms_client_init(c, "token", VECTOR_USER, VECTOR_NOW, &home, &result));
	assert_int_equal(result.outcome, KMS_UNREACHABLE);
	assert_int_equal(result.status, 0);
	kms_client_free(c);
	o.base_url = "http://kms.test:1"; /* never in the clear */
	assert_null(kms_client_new(&o));
}

/* ---- lies
 * ----------------------------------------------------------------------------------------------------------------------
 */

#define LIE_IS(change, outcome, detail)                                                                                \
	do {                                                                                                           \
		honest(KMS_MSG_INIT);                                                                                  \
		change;                                                                                                \
		fails(init(), outcome, detail);                                                                        \
	} while (0)
#define LIE(change, detail) LIE_IS(change, KMS_BAD_ANSWER, detail)

static void a_certificate_that_fails_a_check_is_not_handed_out(void **state)
{
	(void)state;
	LIE(strcpy(cert.kms_uri, "kms.evil.example"), "KmsUri");
	LIE(strcpy(answer.r.kms_uri, "kms.evil.example"), "another KMS");
	LIE(cert.role = KMS_ROLE_EXTERNAL, "Role");
	LIE_IS(cert.revoked = 1, KMS_REVOKED, "Revoked");
	LIE((strcpy(cert.kms_uri, "kms.evil.example"), cert.revoked = 1), "KmsUri"); /* another's revokes nothing */
	LIE(cert.valid_to = VECTOR_NOW - 1, "ValidTo");
	LIE(cert.parameter_set = 2, "ParameterSet");
	LIE(cert.pub_enc_key[200] ^= 1, "public key");
	LIE(answer.r.message = KMS_MSG_NONE, "message");
	LIE(answer.r.message = KMS_MSG_KEYPROV, "message");
	LIE(answer.raw = "", "response");
	LIE(answer.raw = "<a/>", "response");
	LIE(answer.raw = "<!DOCTYPE a><a/>", "response");
}

#define KEY_LIE_IS(change, outcome, detail)                                                                            \
	do {                                                                                                           \
		honest(KMS_MSG_KEYPROV);                                                                               \
		change;                                                                                                \
		fails(keyprov(NULL, KMS_NO_TIME), outcome, detail);                                                    \
	} while (0)
#define KEY_LIE(change, detail) KEY_LIE_IS(change, KMS_BAD_ANSWER, detail)

static void a_key_set_that_fails_a_check_is_not_handed_out(void **state)
{
	(void)state;
	struct kms_key_secret *other = mcsec_secret_alloc(sizeof *other);
	*other = *vector.set.secret;
	other->ssk[31] ^= 1;
	KEY_LIE(strcpy(sets[0].user_uri, "sip:bob@example.org"), "nobody asked for");
	KEY_LIE(strcpy(sets[0].kms_uri, "kms.evil.example"), "KmsUri");
	KEY_LIE(strcpy(sets[0].cert_uri, "cert9.kms.example.org"), "CertUri");
	KEY_LIE(sets[0].period_no = 1387, "nobody asked for");
	KEY_LIE(sets[0].period_no = 1390, "nobody asked for");
	KEY_LIE(sets[0].period_no = 1389, "uid_mismatch");
	KEY_LIE(sets[0].uid[0] ^= 1, "uid_mismatch");
	KEY_LIE(sets[0].pvt[64] ^= 1, "not what this KMS issued");
	KEY_LIE(sets[0].secret = other, "not what this KMS issued");
	KEY_LIE_IS(sets[0].revoked = 1, KMS_REVOKED, "revoked");
	KEY_LIE((sets[0].revoked = 1, sets[0].kms_uri[0] ^= 1), "KmsUri"); /* another KMS revokes nothing */
	honest(KMS_MSG_KEYPROV); /* who asks for the next keys hears of it too, by the set of now */
	sets[0].revoked = 1;
	fails(keyprov(VECTOR_USER, VECTOR_NOW + 2592000), KMS_REVOKED, "revoked");
	KEY_LIE(answer.r.n_sets = 0, "not the number");
	KEY_LIE(answer.r.n_sets = 2, "not the number");
	mcsec_secret_free(other);
}

static void wrapped_keys_are_refused_without_a_transport_key(void **state)
{
	(void)state;
	char *signed_wrapped = kms_vector_text("kms_signed_response.xml");
	KEY_LIE(answer.raw = signed_wrapped, "UserDecryptKey");
	free(signed_wrapped);
}

static void a_failure_on_our_side_is_reported_with_the_next_request_once(void **state)
{
	(void)state;
	KEY_LIE(sets[0].uid[0] ^= 1, "uid_mismatch");
	honest(KMS_MSG_KEYPROV);
	assert_true(keyprov(NULL, KMS_NO_TIME));
	assert_non_null(strstr(asked_body, "<ClientError><ErrorCode>3</ErrorCode><ErrorMsg>"));
	assert_true(keyprov(NULL, KMS_NO_TIME));
	assert_null(strstr(asked_body, "ClientError"));
	KEY_LIE(sets[0].pvt[64] ^= 1, "");
	LIE_IS(cert.revoked = 1, KMS_REVOKED, "");
	assert_non_null(strstr(asked_body, "<ErrorCode>2</ErrorCode>"));
	honest(KMS_MSG_INIT);
	assert_true(init());
	assert_non_null(strstr(asked_body, "<ErrorCode>1</ErrorCode>"));
	kms_domain_free(&home);
}

static void an_external_certificate_is_the_one_asked_for_and_never_home(void **state)
{
	(void)state;
	struct kms_domain external;
	honest(KMS_MSG_CERTCACHE);
	cert.role = KMS_ROLE_EXTERNAL;
	strcpy(cert.kms_uri, "kms.partner.example");
	assert_true(
	    kms_client_cert(client, "token", VECTOR_USER, "kms.partner.example", VECTOR_NOW, &external, &result));
	assert_string_equal(asked_path, KMS_ROOT "/cert/kms.partner.example");
	kms_domain_free(&external);
	fails(kms_client_cert(client, "token", VECTOR_USER, "kms.third.example", VECTOR_NOW, &external, &result),
	      KMS_BAD_ANSWER, "KmsUri");
	strcpy(cert.kms_uri, VECTOR_KMS);
	fails(kms_client_cert(client, "token", VECTOR_USER, VECTOR_KMS, VECTOR_NOW, &external, &result), KMS_BAD_ANSWER,
	      "home");
	cert.role = KMS_ROLE_ROOT;
	strcpy(cert.kms_uri, "kms.partner.example");
	fails(kms_client_cert(client, "token", VECTOR_USER, "kms.partner.example", VECTOR_NOW, &external, &result),
	      KMS_BAD_ANSWER, "Role");
}

/* ---- the checks themselves, without a document that a reader could refuse first ---- */

static enum mcsec_err check(const struct kms_certificate *c, struct kms_fault *f)
{
	return kms_certificate_check(c, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, NULL, f);
}

#define FORM(change, code_, element_)                                                                                  \
	do {                                                                                                           \
		struct kms_certificate c = vector.cert;                                                                \
		assert_int_equal(check(&c, &f), MCSEC_OK);                                                             \
		change;                                                                                                \
		assert_int_equal(check(&c, &f), code_);                                                                \
		assert_string_equal(f.element, element_);                                                              \
	} while (0)

static void a_certificate_of_another_form_or_time_is_refused_with_its_element(void **state)
{
	(void)state;
	struct kms_fault f;
	FORM(strcpy(c.user_id_format, "1"), MCSEC_E_UNSUPPORTED, "UserIdFormat");
	FORM(c.periods.period = 0, MCSEC_E_VALUE, "UserKeyPeriod");
	FORM(c.periods.offset = c.periods.period, MCSEC_E_VALUE, "UserKeyOffset");
	FORM(c.valid_from = VECTOR_NOW + 1, MCSEC_E_BAD_TIME, "ValidFrom");
	FORM(c.valid_to = VECTOR_NOW, MCSEC_E_BAD_TIME, "ValidTo");
}

static void a_key_set_of_another_user_is_refused(void **state)
{
	(void)state;
	struct kms_fault f;
	struct mcsec_kms *kms = NULL;
	struct mcsec_keyset *keys = NULL;
	assert_int_equal(
	    kms_certificate_check(&vector.cert, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, &kms, &f), MCSEC_OK);
	assert_int_equal(kms_key_set_check(&vector.set, &vector.cert, kms, "sip:bob@example.org", &keys, &f),
			 MCSEC_E_KEY_SET);
	assert_string_equal(f.element, "UserUri");
	assert_null(keys);
	assert_int_equal(kms_key_set_check(&vector.set, &vector.cert, kms, VECTOR_USER, &keys, &f), MCSEC_OK);
	mcsec_keyset_free(keys);
	mcsec_kms_free(kms);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(init_asks_as_the_page_says_and_hands_out_the_checked_certificate),
	    T(keyprov_asks_for_all_for_one_and_for_one_time),
	    T(each_status_has_its_outcome_and_error_code),
	    T(an_error_without_a_document_is_still_its_outcome),
	    T(nobody_there_is_unreachable),
	    T(a_certificate_that_fails_a_check_is_not_handed_out),
	    T(a_key_set_that_fails_a_check_is_not_handed_out),
	    T(wrapped_keys_are_refused_without_a_transport_key),
	    T(a_failure_on_our_side_is_reported_with_the_next_request_once),
	    T(an_external_certificate_is_the_one_asked_for_and_never_home),
	    T(a_certificate_of_another_form_or_time_is_refused_with_its_element),
	    T(a_key_set_of_another_user_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_reports.c - redirect responses that clients report to the real daemon (kms.md 11.5), and the forms of
 * Rel-13.
 */
#include "kms_keys_lab.h"

/* ---- redirect ---- */

static struct krr *a_krr(const char *kms)
{
	struct krr *r = krr_new();
	strcpy(r->id, "krr-1");
	strcpy(r->initiator_uri, ALICE);
	strcpy(r->receiver_uri, "sip:bob@partner.example");
	strcpy(r->rejected_receiver_kms, "kms.old.partner.example");
	strcpy(r->processor_uri, "sip:controlling@partner.example");
	strcpy(r->key_id, "1a2b3c4d");
	r->time = time(NULL);
	r->receiver_kms.present = 1;
	r->receiver_kms.n = 1;
	strcpy(r->receiver_kms.uri[0], kms);
	return r;
}

static size_t read_lab_file(const char *name, uint8_t *out, size_t size)
{
	FILE *f = fopen(kl_path(&k, name), "r");
	assert_non_null(f);
	size_t n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

/* The processor is the MC server: its certificate is of the lab's authority. NULL: unsigned. */
static struct octets write_krr(const struct krr *r, const char *who, uint8_t *out, size_t size)
{
	static uint8_t cert[16384], key[16384];
	char pem[32], key_name[32];
	struct writer w = wr_init(out, size);
	if (!who) {
		krr_write(&w, r);
		return wr_result(&w);
	}
	snprintf(pem, sizeof pem, "%s.pem", who);
	snprintf(key_name, sizeof key_name, "%s.key", who);
	size_t n = read_lab_file(pem, cert, sizeof cert), m = read_lab_file(key_name, key, sizeof key);
	struct krr_signer *s = krr_signer_new((struct octets){cert, n}, (struct octets){key, m});
	assert_non_null(s);
	krr_sign(&w, r, s);
	assert_int_equal(w.err, MCSEC_OK);
	krr_signer_free(s);
	return wr_result(&w);
}

static void report(struct krr *r, struct octets received)
{
	struct kms_result out;
	struct kms_client *c = kl_kms_client(&k, NULL);
	if (!kms_client_redirect(c, token, ALICE, r, received, NULL, time(NULL), &out))
		fail_msg("%s %d %s", kms_outcome_name(out.outcome), out.status, out.detail);
	kms_client_free(c);
}

/* The newest report as the auditor sees it. */
static void expect_newest(const char *signature, const char *alerts, size_t n_all)
{
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_int_equal(a.status, 200);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL), *list = json_object_get(j, "krrs");
	assert_int_equal(json_array_size(list), n_all);
	json_t *first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "reporter")), ALICE);
	assert_string_equal(json_string_value(json_object_get(first, "target")), "sip:bob@partner.example");
	assert_string_equal(json_string_value(json_object_get(first, "signature")), signature);
	assert_string_equal(json_string_value(json_object_get(first, "alerts")), alerts);
	assert_non_null(strstr(json_string_value(json_object_get(first, "krr")), "1a2b3c4d"));
	json_decref(j);
	http_answer_free(&a);
}

static int alarm_is_raised(const char *name)
{
	char quoted[64];
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/alarms", NULL);
	assert_int_equal(a.status, 200);
	snprintf(quoted, sizeof quoted, "\"%s\"", name);
	int raised = memmem(a.body, a.body_len, quoted, strlen(quoted)) != NULL;
	http_answer_free(&a);
	return raised;
}

static void a_reported_redirect_is_verified_kept_recorded_and_answered_empty(void **state)
{
	(void)state;
	static uint8_t text[KRR_BOUND];
	restart_with(LAB_UNLIMITED "krr_ca = \"ca.pem\"\ndirectory = { \"*@partner.example=" PARTNER "\" }\n");
	assert_false(alarm_is_raised("krr-anomaly"));
	struct krr *r = a_krr(PARTNER);
	struct octets doc = write_krr(r, "sip", text, sizeof text);
	report(r, doc);
	expect_newest("verified", "not-permitted", 1);
	assert_true(alarm_is_raised("krr-anomaly"));
	report(r, doc); /* again, as after a lost answer */
	expect_newest("verified", "not-permitted", 1);
	krr_free(r);
	r = a_krr("kms.evil.example");
	doc = write_krr(r, NULL, text, sizeof text);
	report(r, doc);
	expect_newest("unsigned", "two-kms not-permitted served-elsewhere", 2);
	krr_free(r);
	r = a_krr(PARTNER);
	strcpy(r->processor_uri, "sip:someone@else.example");
	doc = write_krr(r, "sip", text, sizeof text);
	r->time--;
	report(r, doc);
	krr_free(r);
	expect_newest("mismatch", "two-kms not-permitted", 3);
	r = a_krr(PARTNER);
	doc = write_krr(r, "sip", text, sizeof text);
	uint8_t *at = memmem(text, doc.len, "1a2b3c4d", 8);
	memcpy(at, "1a2b3c4e", 8);
	strcpy(r->key_id, "1a2b3c4e");
	report(r, doc);
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_non_null(memmem(a.body, a.body_len, "\"forged\"", 8));
	http_answer_free(&a);
	krr_free(r);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	a = kl_admin(&k, k.auditor, "GET", "/admin/v1/krrs", NULL);
	assert_non_null(memmem(a.body, a.body_len, "\"forged\"", 8));
	http_answer_free(&a);
	assert_true(kl_audited(&k, "domain.external-use") >= 4);
}

static void a_redirect_upload_without_a_report_is_400(void **state)
{
	(void)state;
	uint8_t body[8192];
	size_t n = write_signed((struct by_hand){.path = "redirect"}, body, sizeof body);
	struct http_answer a =
	    kl_send(&k, k.plain,
		    (struct kl_post){.path = "redirect", .token = token, .body = (const char *)body, .body_len = n});
	assert_int_equal(a.status, 400);
	assert_int_equal(kl_error_code(&a), 40001);
	http_answer_free(&a);
	a = kl_send(&k, k.plain, (struct kl_post){.path = "redirect", .token = token});
	assert_int_equal(a.status, 400);
	http_answer_free(&a);
	a = kl_send(&k, k.plain, (struct kl_post){.path = "redirect/x", .token = token});
	assert_int_equal(a.status, 404);
	http_answer_free(&a);
}

static void too_many_reports_in_a_day_are_429(void **state)
{
	(void)state;
	static uint8_t text[KRR_BOUND];
	restart_with(LAB_UNLIMITED "krr_day = 1\n");
	struct krr *r = a_krr(PARTNER);
	r->time -= 7;
	struct kms_result out;
	struct kms_client *c = kl_kms_client(&k, NULL);
	struct octets doc = write_krr(r, NULL, text, sizeof text);
	assert_int_equal(kms_client_redirect(c, token, ALICE, r, doc, "unsigned", time(NULL), &out), 0);
	assert_int_equal(out.outcome, KMS_LATER);
	assert_int_equal(out.status, 429);
	kms_client_free(c);
	krr_free(r);
	restart_with(ON);
}

/* ---- Rel-13 ---- */

#define REL13 LAB_UNLIMITED "compat_rel13 = true\nschema = \"rel13\"\nresponse_media_type = \"text/xml\"\n"

/* Canonical XML has no form for the relative namespace name of Rel-13: what is signed stands in the one of today. */
static void rel_13_signed_has_the_order_of_then_and_the_namespace_of_today(void **state)
{
	(void)state;
	uint8_t body[8192];
	restart_with(REL13 "protect = \"trk\"\n");
	anew();
	expect_provision(keys);
	size_t n = write_signed((struct by_hand){.key_name = keys->trk.id, .key = keys->trk.key}, body, sizeof body);
	struct http_answer a = send_octets(body, n);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "Version=\"1.0.0\"><KmsUri>", 24));
	assert_non_null(memmem(a.body, a.body_len, "xmlns=\"" KMS_NS "\"", sizeof KMS_NS + 7));
	http_answer_free(&a);
}

static void rel_13_is_spoken_where_it_is_configured(void **state)
{
	(void)state;
	static const char body[] =
	    "<KmsRequest xmlns=\"TOBEDEFINED\" Version=\"1.0.0\"><KmsUri>" LAB_KMS "</KmsUri><UserUri>" ALICE
	    "</UserUri><Time>2016-01-01T00:00:00</Time><ClientReqUrl>%s" KMS_ROOT
	    "/keyprov</ClientReqUrl></KmsRequest>";
	char text[1024];
	snprintf(text, sizeof text, body, k.base);
	restart_with(LAB_UNLIMITED);
	snprintf(text, sizeof text, body, k.base);
	struct kl_post p = {.path = "keyprov", .token = token, .body = text};
	struct http_answer a = kl_send(&k, k.plain, p);
	assert_int_equal(a.status, 400);
	http_answer_free(&a);
	restart_with(REL13);
	snprintf(text, sizeof text, body, k.base);
	a = kl_send(&k, k.plain, p);
	assert_int_equal(a.status, 200);
	assert_non_null(memmem(a.body, a.body_len, "xmlns=\"TOBEDEFINED\"", 19));
	struct kms_response r;
	struct kms_fault f;
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE | KMS_REL13, (struct octets){a.body, a.body_len}, &f),
			 MCSEC_OK);
	assert_in_range(r.n_sets, 1, 2);
	kms_response_free(&r);
	http_answer_free(&a);
	restart_with(ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reported_redirect_is_verified_kept_recorded_and_answered_empty),
	    cmocka_unit_test(a_redirect_upload_without_a_report_is_400),
	    cmocka_unit_test(too_many_reports_in_a_day_are_429),
	    cmocka_unit_test(rel_13_signed_has_the_order_of_then_and_the_namespace_of_today),
	    cmocka_unit_test(rel_13_is_spoken_where_it_is_configured),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

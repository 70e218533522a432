/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_extcert.c - certificates of other domains: imported by one officer, permitted by another, served with a
 * number that grows, withdrawn (kms.md 7.5, 13.5, 13.6, 15.1; testcases MCX-SEC-123, 125).
 */
#include <openssl/evp.h>

#include "e2e/kms_lab.h"
#include "sec/base/text.h"

#define PARTNER "kms.partner.example"
#define THIRD   "kms.third.example"

static struct kms_lab k;
static struct kms_client *client;
static char *token;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, LAB_UNLIMITED);
	kl_start(&k);
	client = kl_kms_client(&k, NULL);
	token = kl_token(&k, (struct kl_claims){0});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kms_client_free(client);
	free(token);
	kl_remove(&k);
	return 0;
}

struct partner {
	struct kms_certificate cert;
	char xml[KMS_CERTIFICATE_BOUND];
	char fingerprint[HEX_SIZE(32)];
};

static void write_partner(struct partner *p)
{
	struct writer w = wr_init((uint8_t *)p->xml, sizeof p->xml - 1);
	kms_certificate_write(&w, &p->cert);
	assert_int_equal(w.err, MCSEC_OK);
	p->xml[wr_len(&w)] = 0;
}

/* A domain of its own, with the certificate its own KMS would show. */
static void make_partner(struct partner *p, const char *kms_uri)
{
	struct mcsec_master *m;
	uint8_t text[MCSEC_ZPUB_LEN + MCSEC_KPAK_LEN + 64], digest[32];
	p->cert = (struct kms_certificate){.role = KMS_ROLE_ROOT,
					   .valid_from = time(NULL) - 60,
					   .valid_to = time(NULL) + 86400,
					   .user_id_format = "2",
					   .periods = {2592000, 0},
					   .parameter_set = 1};
	strcpy(p->cert.kms_uri, kms_uri);
	snprintf(p->cert.cert_uri, sizeof p->cert.cert_uri, "cert1.%s", kms_uri);
	assert_int_equal(mcsec_master_generate(&m, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(m, p->cert.pub_auth_key, p->cert.pub_enc_key);
	mcsec_master_free(m);
	write_partner(p);
	/* the fingerprint by hand: PubEncKey, PubAuthKey, KmsUri */
	struct writer w = wr_init(text, sizeof text);
	wr_octets(&w, OCTETS(p->cert.pub_enc_key));
	wr_octets(&w, OCTETS(p->cert.pub_auth_key));
	wr_text(&w, kms_uri);
	assert_int_equal(EVP_Digest(text, wr_len(&w), digest, NULL, EVP_sha256(), NULL), 1);
	hex_encode(OCTETS(digest), p->fingerprint);
}

static int import(struct http_client *who, const struct partner *p)
{
	struct http_answer a = kl_admin(&k, who, "POST", "/admin/v1/extcerts", p->xml);
	if (a.status == 201)
		assert_non_null(strstr((char *)a.body, p->fingerprint));
	http_answer_free(&a);
	return a.status;
}

static int change(struct http_client *who, const struct partner *p, const char *action)
{
	char path[256];
	snprintf(path, sizeof path, "/admin/v1/extcerts/%s/%s", p->fingerprint, action);
	return kl_admin_status(&k, who, "POST", path, NULL);
}

static void permit(const struct partner *p)
{
	assert_int_equal(import(k.officer, p), 201);
	assert_int_equal(change(k.officer2, p, "permit"), 200);
}

enum { ROOM = 8 };
static struct kms_domain got[ROOM];
static struct kms_result result;
static size_t n;

/* The number the KMS answers with; got[0..n) is the set. */
static int64_t certcache(int64_t known)
{
	int64_t num = -1;
	for (size_t i = 0; i < ROOM; i++)
		kms_domain_free(&got[i]);
	n = ROOM;
	if (!kms_client_certcache(client, token, ALICE, known, time(NULL), got, &n, &num, &result))
		fail_msg("%s %d %s", kms_outcome_name(result.outcome), result.status, result.detail);
	return num;
}

static void an_external_certificate_needs_two_officers(void **state)
{
	(void)state;
	struct partner p;
	struct kms_domain d;
	make_partner(&p, PARTNER);
	int64_t num = certcache(-1);
	assert_int_equal(n, 0);
	assert_int_equal(import(k.auditor, &p), 403);
	assert_int_equal(import(k.officer, &p), 201);
	assert_int_equal(import(k.officer, &p), 200);
	assert_int_equal(certcache(-1), num);
	assert_int_equal(n, 0);
	assert_false(kms_client_cert(client, token, ALICE, PARTNER, time(NULL), &d, &result));
	assert_int_equal(result.outcome, KMS_NOT_THERE);
	assert_int_equal(change(k.officer, &p, "permit"), 403);
	assert_int_equal(change(k.auditor, &p, "permit"), 403);
	assert_int_equal(change(k.officer2, &p, "permit"), 200);
	assert_int_equal(certcache(-1), num + 1);
	assert_int_equal(n, 1);
	assert_string_equal(got[0].cert.kms_uri, PARTNER);
	assert_non_null(got[0].kms);
	assert_true(kms_client_cert(client, token, ALICE, PARTNER, time(NULL), &d, &result));
	assert_memory_equal(d.cert.pub_enc_key, p.cert.pub_enc_key, MCSEC_ZPUB_LEN);
	assert_int_equal(d.cert.role, KMS_ROLE_EXTERNAL);
	kms_domain_free(&d);
	assert_int_equal(kl_audited(&k, "\"kms.domain.add\""), 1);
	assert_int_equal(kl_audited(&k, "\"kms.domain.propose\""), 2);
	assert_true(kl_audited(&k, "\"kms.cert-cache\"") >= 3);
}

static void mcx_sec_123_the_current_number_is_answered_alone_and_an_exchange_is_seen(void **state)
{
	(void)state;
	struct partner p, newer;
	make_partner(&p, PARTNER);
	make_partner(&newer, PARTNER);
	permit(&p);
	int64_t num = certcache(-1);
	assert_int_equal(certcache(num), num);
	assert_int_equal(n, 0);
	assert_int_equal(certcache(num - 1), num);
	assert_int_equal(n, 1);
	permit(&newer); /* takes the place of the first: one certificate as before, another number */
	assert_int_equal(certcache(num), num + 1);
	assert_int_equal(n, 1);
	assert_memory_equal(got[0].cert.pub_enc_key, newer.cert.pub_enc_key, MCSEC_ZPUB_LEN);
	kl_stop(&k, SIGKILL);
	kl_start(&k);
	kms_client_free(client);
	client = kl_kms_client(&k, NULL);
	assert_int_equal(certcache(num + 1), num + 1);
	assert_int_equal(n, 0);
}

static void a_number_that_is_none_is_400(void **state)
{
	(void)state;
	static const char *const paths[] = {"certcache/x", "certcache/-1", "certcache/1x",
					    "certcache/99999999999999999999", "certcache/"};
	for (size_t i = 0; i < 5; i++) {
		struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = paths[i], .token = token});
		assert_int_equal(a.status, 400);
		assert_int_equal(kl_error_code(&a), 40005);
		http_answer_free(&a);
	}
}

static void mcx_sec_125_a_suspended_certificate_is_gone_and_may_come_back(void **state)
{
	(void)state;
	struct partner p, q;
	struct kms_domain d;
	make_partner(&p, PARTNER);
	make_partner(&q, THIRD);
	permit(&p);
	permit(&q);
	int64_t num = certcache(-1);
	assert_int_equal(n, 2);
	assert_int_equal(change(k.officer, &p, "suspend"), 200);
	assert_int_equal(change(k.officer, &p, "suspend"), 200); /* again: nothing changes */
	assert_int_equal(certcache(num), num + 1);
	assert_int_equal(n, 1);
	assert_string_equal(got[0].cert.kms_uri, THIRD);
	assert_false(kms_client_cert(client, token, ALICE, PARTNER, time(NULL), &d, &result));
	assert_int_equal(result.outcome, KMS_NOT_THERE);
	assert_int_equal(change(k.officer2, &p, "permit"), 200);
	assert_int_equal(certcache(-1), num + 2);
	assert_int_equal(n, 2);
}

static void a_revoked_certificate_is_served_as_revoked_and_never_comes_back(void **state)
{
	(void)state;
	struct partner p;
	struct kms_domain d;
	make_partner(&p, PARTNER);
	permit(&p);
	int64_t num = certcache(-1);
	assert_int_equal(change(k.officer, &p, "revoke"), 200);
	assert_int_equal(certcache(num), num + 1);
	assert_int_equal(n, 1);
	assert_true(got[0].cert.revoked);
	assert_null(got[0].kms);
	assert_false(kms_client_cert(client, token, ALICE, PARTNER, time(NULL), &d, &result));
	assert_int_equal(result.outcome, KMS_BAD_ANSWER);
	assert_int_equal(change(k.officer2, &p, "permit"), 409);
	assert_int_equal(change(k.officer2, &p, "suspend"), 409);
	assert_int_equal(kl_audited(&k, "\"kms.domain.remove\""), 1);
}

static void a_certificate_that_cannot_be_used_is_not_imported(void **state)
{
	(void)state;
	struct partner p;
	struct kms_certificate good;
	make_partner(&p, PARTNER);
	good = p.cert;
#define BAD(what)                                                                                                      \
	do {                                                                                                           \
		p.cert = good;                                                                                         \
		what;                                                                                                  \
		write_partner(&p);                                                                                     \
		assert_int_equal(import(k.officer, &p), 400);                                                          \
	} while (0)
	BAD(strcpy(p.cert.kms_uri, LAB_KMS)); /* our own */
	BAD(p.cert.pub_enc_key[200] ^= 1);
	BAD(p.cert.pub_auth_key[20] ^= 1);
	BAD(p.cert.valid_to = time(NULL) - 1);
	BAD(p.cert.revoked = 1);
	BAD(p.cert.parameter_set = 2);
	BAD(p.cert.periods.period = 0);
	strcpy(p.xml, "<KmsCertificate/>");
	assert_int_equal(import(k.officer, &p), 400);
	strcpy(p.xml, "not xml");
	assert_int_equal(import(k.officer, &p), 400);
	assert_int_equal(change(k.officer2, &p, "permit"), 404);
	assert_int_equal(change(k.officer2, &p, "bless"), 404);
	strcpy(p.fingerprint, "12");
	assert_int_equal(change(k.officer2, &p, "permit"), 400);
	certcache(-1);
	assert_int_equal(n, 0);
}

static void the_officers_see_every_certificate_and_who_did_what(void **state)
{
	(void)state;
	struct partner p, q;
	make_partner(&p, PARTNER);
	make_partner(&q, THIRD);
	permit(&p);
	assert_int_equal(import(k.officer2, &q), 201);
	struct http_answer a = kl_admin(&k, k.auditor, "GET", "/admin/v1/extcerts", NULL);
	assert_int_equal(a.status, 200);
	static const char *const has[] = {
	    "\"cache_num\":2", "\"state\":\"permitted\"", "\"state\":\"proposed\"", PARTNER, THIRD, "olga", "oskar"};
	for (size_t i = 0; i < sizeof has / sizeof *has; i++)
		assert_non_null(strstr((char *)a.body, has[i]));
	assert_non_null(strstr((char *)a.body, p.fingerprint));
	http_answer_free(&a);
}

/* ---- lookup ---- */

#define DIRECTORY                                                                                                      \
	LAB_UNLIMITED "domains = { \"example.org\" }\ndirectory = { \"*@partner.example=" THIRD " " PARTNER "\", "     \
		      "\"sip:bob@partner.example=" PARTNER "\", \"*@forbidden.example=kms.forbidden.example\", "       \
		      "\"*@branch.example=" LAB_KMS "\" }\n"

static char served_by[ROOM][KMS_URI_MAX];

static size_t lookup(const char *target)
{
	n = ROOM;
	if (!kms_client_lookup(client, token, ALICE, target, time(NULL), served_by, &n, &result))
		fail_msg("%s %d %s", kms_outcome_name(result.outcome), result.status, result.detail);
	return n;
}

static void a_lookup_names_only_what_may_be_used_in_the_operators_order(void **state)
{
	(void)state;
	struct partner p, q;
	kl_stop(&k, SIGTERM);
	kms_client_free(client);
	kl_remove(&k);
	kl_make(&k, DIRECTORY);
	kl_start(&k);
	client = kl_kms_client(&k, NULL);
	free(token);
	token = kl_token(&k, (struct kl_claims){0});
	make_partner(&p, PARTNER);
	make_partner(&q, THIRD);
	assert_int_equal(lookup("sip:eve@partner.example"), 0);
	permit(&p);
	assert_int_equal(lookup("sip:eve@partner.example"), 1);
	assert_string_equal(served_by[0], PARTNER);
	permit(&q);
	assert_int_equal(lookup("sip:eve@Partner.Example"), 2);
	assert_string_equal(served_by[0], THIRD);
	assert_string_equal(served_by[1], PARTNER);
	assert_int_equal(lookup("sip:carol@example.org"), 1);
	assert_string_equal(served_by[0], LAB_KMS);
	assert_int_equal(lookup("sip:eve@xpartner.example"), 0);
	assert_int_equal(lookup("sip:dan@branch.example"), 1);
	assert_string_equal(served_by[0], LAB_KMS);
	assert_int_equal(lookup("sip:bob@partner.example"), 2); /* two entries, each KMS once */
	assert_int_equal(change(k.officer, &q, "revoke"), 200);
	assert_int_equal(lookup("sip:eve@partner.example"), 1);
	assert_true(kl_audited(&k, "\"kms.lookup\"") >= 5);
}

static void mcx_sec_124_an_unknown_and_a_forbidden_target_get_the_same_answer(void **state)
{
	(void)state;
	kl_remove(&k);
	kl_make(&k, DIRECTORY);
	kl_start(&k);
	free(token);
	token = kl_token(&k, (struct kl_claims){0});
	static const char *const paths[] = {"lookup/sip:zoe@forbidden.example", "lookup/sip:zoe@forgotten.example"};
	char *text[2];
	for (size_t i = 0; i < 2; i++) {
		struct http_answer a = kl_send(&k, k.plain, (struct kl_post){.path = paths[i], .token = token});
		assert_int_equal(a.status, 200);
		char *at = strstr((char *)a.body, "<KmsMessage>");
		assert_non_null(at);
		text[i] = strdup(at);
		http_answer_free(&a);
	}
	assert_string_equal(text[0],
			    "<KmsMessage><KmsLookup Version=\"1.0.0\"><UserUri>sip:zoe@forbidden.example</UserUri>"
			    "</KmsLookup></KmsMessage></KmsResponse>\n");
	assert_string_equal(strstr(text[0], "</UserUri>"), strstr(text[1], "</UserUri>"));
	free(text[0]);
	free(text[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(an_external_certificate_needs_two_officers),
	    T(mcx_sec_123_the_current_number_is_answered_alone_and_an_exchange_is_seen),
	    T(a_number_that_is_none_is_400),
	    T(mcx_sec_125_a_suspended_certificate_is_gone_and_may_come_back),
	    T(a_revoked_certificate_is_served_as_revoked_and_never_comes_back),
	    T(a_certificate_that_cannot_be_used_is_not_imported),
	    T(the_officers_see_every_certificate_and_who_did_what),
	    T(a_lookup_names_only_what_may_be_used_in_the_operators_order),
	    T(mcx_sec_124_an_unknown_and_a_forbidden_target_get_the_same_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

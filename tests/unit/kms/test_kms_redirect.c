/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_redirect.c - redirect responses: signed and verified, narrowed and bounded, and how a report carries them
 * (kms.md 11).
 */
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "mcx/kmssec/kms_krr.h"
#include "unit/kms/kms_protected.h"

static uint8_t buf[256 * 1024];

static EVP_PKEY *ca_key, *leaf_key;
static X509 *ca, *leaf;

static X509 *certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, long days)
{
	X509 *c = X509_new();
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), issuer ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c), days * 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
	X509_set_pubkey(c, key);
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer ? issuer : c, c, NULL, NULL, 0);
	X509_EXTENSION *e =
	    X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(c, issuer_key, EVP_sha256());
	return c;
}

static size_t pem_of(X509 *c, EVP_PKEY *key, uint8_t *out, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	if (c)
		PEM_write_bio_X509(b, c);
	else
		PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	int n = BIO_read(b, out, (int)size);
	BIO_free(b);
	assert_true(n > 0);
	return (size_t)n;
}

static struct krr_signer *signer;
static struct krr_trust *trust;

static int krr_set_up(void **state)
{
	uint8_t a[4096], b[4096];
	(void)state;
	ca_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	ca = certificate(ca_key, "KRR CA", NULL, ca_key, 30);
	leaf = certificate(leaf_key, "processor", ca, ca_key, 10);
	size_t n = pem_of(leaf, NULL, a, sizeof a), m = pem_of(NULL, leaf_key, b, sizeof b);
	signer = krr_signer_new((struct octets){a, n}, (struct octets){b, m});
	n = pem_of(ca, NULL, a, sizeof a);
	trust = krr_trust_new((struct octets){a, n});
	assert_true(signer && trust);
	return set_up(state);
}

static int krr_tear_down(void **state)
{
	krr_signer_free(signer);
	krr_trust_free(trust);
	X509_free(ca);
	X509_free(leaf);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(leaf_key);
	return tear_down(state);
}

static struct krr *a_krr(void)
{
	struct krr *k = krr_new();
	strcpy(k->id, "krr-1");
	strcpy(k->initiator_uri, "sip:user@example.org");
	strcpy(k->receiver_uri, "sip:bob@partner.example");
	strcpy(k->rejected_receiver_kms, "kms.old.partner.example");
	strcpy(k->processor_uri, "sip:controlling@partner.example");
	strcpy(k->key_id, "1a2b3c4d");
	k->time = 1390733998;
	k->receiver_kms.present = 1;
	k->receiver_kms.n = 2;
	strcpy(k->receiver_kms.uri[0], "kms.partner.example");
	strcpy(k->receiver_kms.uri[1], "kms2.partner.example");
	return k;
}

static char *signed_krr(const struct krr *k)
{
	struct writer w = wr_init(buf, sizeof buf - 1);
	krr_sign(&w, k, signer);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	return strdup((char *)buf);
}

static enum krr_verdict judge_at(const char *text, const struct krr_trust *t, int64_t now)
{
	struct krr *k;
	enum krr_verdict verdict = KRR_FORGED;
	assert_int_equal(krr_open(&k, &verdict, octets_of(text), t, now, &fault), MCSEC_OK);
	krr_free(k);
	return verdict;
}

static enum krr_verdict judge(const char *text)
{
	return judge_at(text, trust, (int64_t)time(NULL));
}

static void a_signed_redirect_response_verifies_and_reads_back(void **state)
{
	(void)state;
	struct krr *k = a_krr(), *back;
	char *text = signed_krr(k);
	enum krr_verdict verdict;
	assert_int_equal(krr_open(&back, &verdict, octets_of(text), trust, (int64_t)time(NULL), &fault), MCSEC_OK);
	assert_int_equal(verdict, KRR_VERIFIED);
	assert_true(krr_same_matter(k, back));
	assert_string_equal(back->id, "krr-1");
	krr_free(back);
	krr_free(k);
	free(text);
}

static void a_changed_foreign_or_expired_signature_is_forged_and_none_is_unsigned(void **state)
{
	(void)state;
	struct krr *k = a_krr();
	char *text = signed_krr(k), *bad;
	bad = edited(text, "kms2.partner", "kms3.partner");
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	bad = edited(text, "xmldsig-more#ecdsa-sha256", "xmldsig-more#hmac-sha256");
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	bad = strdup(text); /* what is signed is untouched, the value of the signature is not */
	char *value = strstr(bad, "<ds:SignatureValue>") + 25;
	*value = *value == 'A' ? 'B' : 'A';
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	bad = edited(text, "<ds:X509Certificate>", "<ds:X509Certificate>AAAA");
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	bad = edited(text, "<ds:SignatureValue>", "<ds:SignatureValue>\n");
	char *octet = strstr(bad, "<ds:SignatureValue>") + strlen("<ds:SignatureValue>\n") + 10;
	assert_int_equal(judge(bad), KRR_VERIFIED); /* a line end is no part of it */
	*octet = *octet == 'A' ? 'B' : 'A';
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	assert_int_equal(judge_at(text, NULL, (int64_t)time(NULL)), KRR_FORGED);
	assert_int_equal(judge_at(text, trust, (int64_t)time(NULL) + 20 * 86400), KRR_FORGED);
	struct krr_signer *own = signer; /* a certificate nobody trusts */
	uint8_t a[4096], b[4096];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *self = certificate(key, "KRR CA", NULL, key, 10);
	size_t n = pem_of(self, NULL, a, sizeof a), m = pem_of(NULL, key, b, sizeof b);
	signer = krr_signer_new((struct octets){a, n}, (struct octets){b, m});
	bad = signed_krr(k);
	assert_int_equal(judge(bad), KRR_FORGED);
	free(bad);
	krr_signer_free(signer);
	signer = own;
	X509_free(self);
	EVP_PKEY_free(key);
	struct writer w = wr_init(buf, sizeof buf - 1);
	krr_write(&w, k);
	buf[wr_len(&w)] = 0;
	assert_int_equal(judge((char *)buf), KRR_UNSIGNED);
	krr_free(k);
	free(text);
}

static int first_only(void *ctx, const char *uri)
{
	(void)ctx;
	return strcmp(uri, "kms.partner.example") == 0;
}

static void a_narrowed_redirect_response_embeds_the_old_one_and_a_wider_one_is_refused(void **state)
{
	(void)state;
	struct krr *k = a_krr(), *inner, *outer = a_krr(), *back;
	char *text = signed_krr(k);
	enum krr_verdict verdict;
	assert_int_equal(krr_open(&inner, &verdict, octets_of(text), trust, (int64_t)time(NULL), &fault), MCSEC_OK);
	free(text);
	strcpy(outer->id, "krr-2");
	strcpy(outer->processor_uri, "sip:proxy@example.org");
	assert_true(krr_narrow(outer, first_only, NULL));
	outer->embedded = inner;
	text = signed_krr(outer);
	assert_int_equal(krr_open(&back, &verdict, octets_of(text), trust, (int64_t)time(NULL), &fault), MCSEC_OK);
	assert_int_equal(verdict, KRR_VERIFIED);
	assert_int_equal(back->receiver_kms.n, 1);
	assert_non_null(back->embedded);
	assert_true(krr_same_matter(back->embedded, k));
	/* what was embedded still verifies alone */
	char *alone = calloc(1, back->embedded->raw_len + 1);
	memcpy(alone, back->embedded->raw, back->embedded->raw_len);
	assert_int_equal(judge(alone), KRR_VERIFIED);
	free(alone);
	krr_free(back);
	free(text);
	outer->receiver_kms.n = 2;
	strcpy(outer->receiver_kms.uri[1], "kms.evil.example");
	text = signed_krr(outer);
	assert_int_equal(krr_open(&back, &verdict, octets_of(text), trust, (int64_t)time(NULL), &fault), MCSEC_E_VALUE);
	free(text);
	outer->receiver_kms.present = 0;
	text = signed_krr(outer);
	assert_int_equal(krr_open(&back, &verdict, octets_of(text), trust, (int64_t)time(NULL), &fault), MCSEC_E_VALUE);
	free(text);
	krr_free(outer);
	krr_free(k);
}

static void a_redirect_response_that_embeds_its_own_id_is_not_signed(void **state)
{
	(void)state;
	struct krr *outer = a_krr();
	outer->embedded = a_krr();
	struct writer w = wr_init(buf, sizeof buf);
	krr_sign(&w, outer, signer);
	assert_int_equal(w.err, MCSEC_E_VALUE);
	strcpy(outer->id, "krr-2");
	char *text = signed_krr(outer);
	assert_int_equal(judge(text), KRR_VERIFIED);
	free(text);
	krr_free(outer);
}

static void nesting_and_lists_of_redirect_responses_are_bounded(void **state)
{
	(void)state;
	struct krr *k = a_krr(), *back;
	for (int depth = 2; depth <= KRR_MAX_DEPTH; depth++) {
		struct krr *outer = a_krr();
		outer->embedded = k;
		k = outer;
	}
	struct writer w = wr_init(buf, sizeof buf);
	krr_write(&w, k);
	assert_int_equal(krr_read(&back, wr_result(&w), &fault), MCSEC_OK);
	krr_free(back);
	struct krr *outer = a_krr();
	outer->embedded = k;
	w = wr_init(buf, sizeof buf);
	krr_write(&w, outer);
	assert_int_equal(krr_read(&back, wr_result(&w), &fault), MCSEC_E_MALFORMED);
	krr_free(outer);
	k = a_krr();
	w = wr_init(buf, sizeof buf - 1);
	krr_write(&w, k);
	buf[wr_len(&w)] = 0;
	char *text = strdup((char *)buf);
	char *many = calloc(1, 16384);
	for (int i = 0; i < KRR_MAX_LIST; i++)
		strcat(many, "<KmsUri>x</KmsUri>");
	strcat(many, "</ReceiverKmsUris>");
	char *bad = edited(text, "</ReceiverKmsUris>", many);
	assert_int_equal(krr_read(&back, octets_of(bad), &fault), MCSEC_E_MALFORMED);
	free(bad);
	static const char *const edits[][2] = {
	    {"1a2b3c4d", "1a2b3c4"},
	    {"1a2b3c4d", "1a2b3c4g"},
	    {"<RejectedReceiverKmsUri>kms.old.partner.example</RejectedReceiverKmsUri>", ""},
	    {"<KeyId>1a2b3c4d</KeyId>", ""},
	    {"<ProcessorUri>", "<ProcessorUri> x "},
	    {"KmsRedirectResponse xmlns=\"urn:3gpp:ns:mcsecKMSKRR:1.0\"", "KmsRedirectResponse xmlns=\"urn:x\""},
	};
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		bad = edited(text, edits[i][0], edits[i][1]);
		assert_int_equal(krr_read(&back, octets_of(bad), &fault), MCSEC_E_MALFORMED);
		free(bad);
	}
	free(many);
	free(text);
	krr_free(k);
}

static void a_report_carries_the_redirect_response_and_what_was_received(void **state)
{
	(void)state;
	struct kms_request r = vector_request(), back;
	struct krr *k = a_krr();
	char *text = signed_krr(k);
	r.id[0] = 0;
	r.n_krrs = 1;
	r.krrs[0] = k;
	r.received = (uint8_t *)text;
	r.received_len = strlen(text);
	uint8_t *out = malloc(KMS_MAX_REQUEST);
	struct writer w = wr_init(out, KMS_MAX_REQUEST);
	kms_request_write(&w, &r);
	assert_int_equal(kms_request_read(&back, wr_result(&w), &fault), MCSEC_OK);
	assert_int_equal(back.n_krrs, 1);
	assert_true(krr_same_matter(back.krrs[0], k));
	assert_int_equal(back.received_len, strlen(text));
	assert_memory_equal(back.received, text, strlen(text));
	kms_request_free(&back);
	free(out);
	free(text);
	krr_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_signed_redirect_response_verifies_and_reads_back),
	    cmocka_unit_test(a_changed_foreign_or_expired_signature_is_forged_and_none_is_unsigned),
	    cmocka_unit_test(a_narrowed_redirect_response_embeds_the_old_one_and_a_wider_one_is_refused),
	    cmocka_unit_test(a_redirect_response_that_embeds_its_own_id_is_not_signed),
	    cmocka_unit_test(nesting_and_lists_of_redirect_responses_are_bounded),
	    cmocka_unit_test(a_report_carries_the_redirect_response_and_what_was_received),
	};
	return cmocka_run_group_tests(tests, krr_set_up, krr_tear_down);
}

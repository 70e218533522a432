/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_signature.c - every way in which a signature of a KMS document must not be accepted, and the forms of others
 * that must (kms.md 10.3; MCX-SEC-120).
 */
#include <openssl/evp.h>

#include "mcx/doc/kms_xml.h"
#include "unit/kms/kms_protected.h"

static void expect_refused(const char *text, const char *from, const char *to)
{
	char *bad = edited(text, from, to);
	assert_int_not_equal(verify(bad), MCSEC_OK);
	free(bad);
}

static void mcx_sec_120_a_changed_octet_or_another_key_does_not_verify(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	assert_int_equal(verify_flags(text, trk, 0), MCSEC_E_SIGNATURE);
	expect_refused(text, "sip:user@", "sip:usex@");
	expect_refused(text, "XJ5/RC24", "XJ5/RC25");
	expect_refused(text, "p1cGah5N", "p1cGah5M");
	expect_refused(text, "mcx-client-7</ClientId>", "mcx-client-7</ClientId><ClientId/>");
	expect_refused(text, "<KmsUri>kms", "<KmsUri> kms");
	free(text);
}

static void mcx_sec_120_a_truncated_mac_does_not_verify(void **state)
{
	(void)state;
	static const char *const lengths[] = {"0", "8", "128", "255", "257", "", "-1", "99999", "256 8"};
	char *text = kms_vector_text("kms_signed_request.xml");
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		char method[256];
		snprintf(method, sizeof method,
			 "#hmac-sha256\"><ds:HMACOutputLength>%s</ds:HMACOutputLength>"
			 "</ds:SignatureMethod>",
			 lengths[i]);
		expect_refused(text, "#hmac-sha256\"/>", method);
	}
	expect_refused(text, "XJ5/RC24Tul8QseunhhTFFPHW0F1IFU+p90bSSv3BgA=", "XJ5/RC24Tul8QseunhhTFA==");
	expect_refused(text, "XJ5/RC24Tul8QseunhhTFFPHW0F1IFU+p90bSSv3BgA=", "");
	free(text);
}

static void other_algorithms_and_transforms_are_refused(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	expect_refused(text, "xmldsig-more#hmac-sha256", "xmldsig-more#ecdsa-sha256");
	expect_refused(text, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", DS_NS "hmac-sha1");
	expect_refused(text, "xmlenc#sha256", "xmlenc#sha512");
	expect_refused(text, "REC-xml-c14n-20010315\"/>", "REC-xml-c14n-20010316\"/>");
	static const char *const transforms[] = {
	    "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>",
	    "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>self::x</ds:XPath>"
	    "</ds:Transform>",
	    "<ds:Transform Algorithm=\"" DS_NS "enveloped-signature\"/>",
	    "<ds:Transform Algorithm=\"" DS_NS "base64\"/>",
	};
	for (size_t i = 0; i < 4; i++) {
		char all[512];
		snprintf(all, sizeof all, "#req-0001\"><ds:Transforms>%s</ds:Transforms>", transforms[i]);
		expect_refused(text, "#req-0001\">", all);
	}
	free(text);
}

static void mcx_sec_120_a_second_signature_reference_or_message_is_refused(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	const char *sig = strstr(text, "<ds:Signature>"), *root_end = strstr(text, "</SignedKmsRequest>");
	char *twice = calloc(1, 2 * strlen(text));
	sprintf(twice, "%.*s%.*s%s", (int)(root_end - text), text, (int)(root_end - sig), sig, root_end);
	assert_int_not_equal(verify(twice), MCSEC_OK);
	free(twice);
	expect_refused(
	    text, "</ds:SignedInfo>",
	    "<ds:Reference URI=\"#x\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>"
	    "<ds:DigestValue>p1cGah5N8pcHnEZtmZbjKVym/S6kBYFZiZdroNFE2K4=</ds:DigestValue></ds:Reference>"
	    "</ds:SignedInfo>");
	expect_refused(text, "</KmsRequest>", "</KmsRequest><KmsRequest Id=\"x\"/>");
	expect_refused(text, "</ds:Signature>", "<ds:Object/></ds:Signature>");
	free(text);
}

/* The classic: the signed element is moved aside, and another one stands where it is read. */
static void mcx_sec_120_a_moved_message_is_refused_wherever_it_goes(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	const char *from = strstr(text, "<KmsRequest"), *to = strstr(text, "<ds:Signature>");
	char moved[2048], evil[4096];
	snprintf(moved, sizeof moved, "%.*s", (int)(to - from), from);
	static const char *const forms[] = {
	    /* beside the false one, below a new element, inside the signature, inside the false one */
	    "<KmsRequest Id=\"evil\" Version=\"1.1.0\"><UserUri>sip:evil@example.org</UserUri></KmsRequest>%s",
	    "<KmsRequest Id=\"evil\" Version=\"1.1.0\"><UserUri>sip:evil@example.org</UserUri></KmsRequest><w>%s</w>",
	    "<KmsRequest Id=\"evil\" Version=\"1.1.0\"><UserUri>sip:evil@example.org</UserUri>%s</KmsRequest>",
	    "<KmsRequest Id=\"req-0001\" Version=\"1.1.0\"><UserUri>sip:evil@example.org</UserUri>%s</KmsRequest>",
	    "<KmsRequest Version=\"1.1.0\"><UserUri>sip:evil@example.org</UserUri>%s</KmsRequest>",
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		int n = snprintf(evil, sizeof evil, "%.*s", (int)(from - text), text);
		char part[4096];
		const char *hole = strstr(forms[i], "%s");
		snprintf(part, sizeof part, "%.*s%s%s", (int)(hole - forms[i]), forms[i], moved, hole + 2);
		snprintf(evil + n, sizeof evil - (size_t)n, "%.2500s%s", part, to);
		assert_int_not_equal(verify(evil), MCSEC_OK);
	}
	/* inside the signature */
	int n = snprintf(evil, sizeof evil,
			 "%.*s<KmsRequest Id=\"evil\"><UserUri>sip:evil@example.org</UserUri></KmsRequest>"
			 "<ds:Signature><ds:Object>%.1500s</ds:Object>",
			 (int)(from - text), text, moved);
	snprintf(evil + n, sizeof evil - (size_t)n, "%s", to + strlen("<ds:Signature>"));
	assert_int_not_equal(verify(evil), MCSEC_OK);
	free(text);
}

static void mcx_sec_120_an_id_that_two_elements_carry_is_refused(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	expect_refused(text, "<SignedKmsRequest ", "<SignedKmsRequest Id=\"req-0001\" ");
	expect_refused(text, "<ds:KeyName>", "<ds:KeyName Id=\"req-0001\">");
	expect_refused(text, "<ds:KeyInfo>", "<ds:KeyInfo ID=\"req-0001\">");
	expect_refused(text, "#req-0001", "#req-0002");
	expect_refused(text, "#req-0001", "http://127.0.0.1/x");
	expect_refused(text, "#req-0001", "#xpointer(/)");
	expect_refused(text, " URI=\"#req-0001\"", "");
	free(text);
}

static void mcx_sec_120_a_comment_in_a_value_changes_nothing_that_is_read(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	char *with = edited(text, "sip:user@example.org", "sip:user@exam<!-- .evil.org -->ple.org");
	assert_int_equal(verify(with), MCSEC_OK); /* canonical form has no comments: the same message */
	struct kms_request r;
	assert_int_equal(kms_request_read(&r, octets_of(with), &fault), MCSEC_OK);
	assert_string_equal(r.user_uri, VECTOR_USER);
	free(with);
	free(text);
}

static void a_signature_without_a_key_name_or_without_a_message_is_refused(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	expect_refused(text, "<ds:KeyName>ink.1.user@example.org</ds:KeyName>", "");
	expect_refused(text, "<ds:KeyName>ink.1.user@example.org</ds:KeyName>", "<ds:KeyName></ds:KeyName>");
	expect_refused(text, "<ds:KeyName>", "<ds:KeyName>a</ds:KeyName><ds:KeyName>");
	expect_refused(text, "SignedKmsRequest xmlns=", "SignedKmsResponse xmlns=");
	free(text);
	assert_int_not_equal(verify("<KmsRequest xmlns=\"" KMS_NS "\"/>"), MCSEC_OK);
}

/* A MAC of our own making over whatever SignedInfo says: to test forms that others write. */
static char *signed_with(const char *root_attributes, const char *message, const char *info_form, const char *digest_of,
			 size_t mac_len)
{
	char *out = calloc(1, 16384), info[2048], value[64], digest64[64], canon[4096];
	uint8_t digest[32], mac[32];
	unsigned n = 32;
	EVP_Digest(digest_of, strlen(digest_of), digest, &n, EVP_sha256(), NULL);
	base64_encode(OCTETS(digest), digest64);
	const char *hole = strstr(info_form, "DIGEST");
	snprintf(info, sizeof info, "%.*s%s%s", (int)(hole - info_form), info_form, digest64, hole + 6);
	snprintf(canon, sizeof canon, "<ds:SignedInfo xmlns=\"" KMS_NS "\" xmlns:ds=\"" DS_NS "\">%s</ds:SignedInfo>",
		 info);
	size_t mac_n = 0;
	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, ink, 32, (const uint8_t *)canon, strlen(canon),
				  mac, sizeof mac, &mac_n));
	base64_encode((struct octets){mac, mac_len}, value);
	sprintf(out,
		"<SignedKmsRequest xmlns=\"" KMS_NS "\" xmlns:ds=\"" DS_NS "\"%s>%s<ds:Signature>"
		"<ds:SignedInfo>%s</ds:SignedInfo><ds:SignatureValue>%s</ds:SignatureValue><ds:KeyInfo><ds:KeyName>"
		"ink.1</ds:KeyName></ds:KeyInfo></ds:Signature></SignedKmsRequest>",
		root_attributes, message, info, value);
	return out;
}

#define INFO_TOP(c14n, method)                                                                                         \
	"<ds:CanonicalizationMethod Algorithm=\"" DSIG_C14N c14n "\"></ds:CanonicalizationMethod>"                     \
	"<ds:SignatureMethod Algorithm=\"" DSIG_HMAC "\">" method "</ds:SignatureMethod>"
#define INFO_DIGEST                                                                                                    \
	"<ds:DigestMethod Algorithm=\"" DSIG_SHA256 "\"></ds:DigestMethod><ds:DigestValue>DIGEST</ds:DigestValue>"     \
	"</ds:Reference>"
#define ENVELOPED "<ds:Transform Algorithm=\"" DS_NS "enveloped-signature\"></ds:Transform>"
#define MESSAGE   "<KmsRequest Version=\"1.1.0\"><UserUri>sip:a@b</UserUri></KmsRequest>"
#define WHOLE(id) "<SignedKmsRequest xmlns=\"" KMS_NS "\" xmlns:ds=\"" DS_NS "\"" id ">" MESSAGE "</SignedKmsRequest>"

static void the_enveloped_forms_of_the_field_verify(void **state)
{
	(void)state;
	static const char *const infos[] = {
	    INFO_TOP("", "") "<ds:Reference URI=\"\"><ds:Transforms>" ENVELOPED "</ds:Transforms>" INFO_DIGEST,
	    INFO_TOP("#WithComments", "") "<ds:Reference URI=\"#o\"><ds:Transforms>" ENVELOPED
					  "<ds:Transform Algorithm=\"" DSIG_C14N
					  "#WithComments\"></ds:Transform></ds:Transforms>" INFO_DIGEST,
	};
	char *text = signed_with("", MESSAGE, infos[0], WHOLE(""), 32);
	assert_int_equal(verify(text), MCSEC_OK);
	free(text);
	text = signed_with(" Id=\"o\"", MESSAGE, infos[1], WHOLE(" Id=\"o\""), 32);
	assert_int_equal(verify(text), MCSEC_OK);
	expect_refused(text, "sip:a@b", "sip:c@b");
	expect_refused(text, "</KmsRequest>", "</KmsRequest><x/>");
	free(text);
}

static void a_mac_of_128_bits_passes_only_where_rel_13_is_configured(void **state)
{
	(void)state;
	const char *info =
	    INFO_TOP("", "<ds:HMACOutputLength>128</ds:HMACOutputLength>") "<ds:Reference URI=\"\">"
									   "<ds:Transforms>" ENVELOPED "</ds:"
									   "Transforms>" INFO_DIGEST;
	char *text = signed_with("", MESSAGE, info, WHOLE(""), 16);
	assert_int_not_equal(verify(text), MCSEC_OK);
	assert_int_equal(verify_flags(text, ink, KMS_SIGN_HMAC128), MCSEC_OK);
	assert_int_equal(verify_flags(text, trk, KMS_SIGN_HMAC128), MCSEC_E_SIGNATURE);
	free(text);
	const char *full =
	    INFO_TOP("", "<ds:HMACOutputLength>256</ds:HMACOutputLength>") "<ds:Reference URI=\"\">"
									   "<ds:Transforms>" ENVELOPED "</ds:"
									   "Transforms>" INFO_DIGEST;
	text = signed_with("", MESSAGE, full, WHOLE(""), 32);
	assert_int_equal(verify(text), MCSEC_OK);
	free(text);
}

static void every_truncation_of_a_signed_document_is_refused(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	size_t n = strlen(text) - 2;
	for (; n > 0; n--) {
		text[n] = 0;
		assert_int_not_equal(verify(text), MCSEC_OK);
	}
	free(text);
}

static void an_id_that_is_no_name_is_not_signed(void **state)
{
	(void)state;
	static const char *const ids[] = {"r-->q", "a b", "a\"b", "a&b", "", "req:1"};
	static uint8_t out[KMS_MAX_REQUEST], key[KMS_TRK_LEN];
	struct kms_request *r = calloc(1, sizeof *r);
	assert_non_null(r);
	strcpy(r->user_uri, "sip:user@example.org");
	strcpy(r->kms_uri, "kms.example.org");
	strcpy(r->id, "req-1");
	struct writer w = wr_init(out, sizeof out);
	kms_request_sign(&w, r, "ink.1", key);
	assert_int_equal(w.err, MCSEC_OK);
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		strcpy(r->id, ids[i]);
		w = wr_init(out, sizeof out);
		kms_request_sign(&w, r, "ink.1", key);
		assert_int_equal(w.err, MCSEC_E_VALUE);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_120_a_changed_octet_or_another_key_does_not_verify),
	    cmocka_unit_test(mcx_sec_120_a_truncated_mac_does_not_verify),
	    cmocka_unit_test(other_algorithms_and_transforms_are_refused),
	    cmocka_unit_test(mcx_sec_120_a_second_signature_reference_or_message_is_refused),
	    cmocka_unit_test(mcx_sec_120_a_moved_message_is_refused_wherever_it_goes),
	    cmocka_unit_test(mcx_sec_120_an_id_that_two_elements_carry_is_refused),
	    cmocka_unit_test(mcx_sec_120_a_comment_in_a_value_changes_nothing_that_is_read),
	    cmocka_unit_test(a_signature_without_a_key_name_or_without_a_message_is_refused),
	    cmocka_unit_test(the_enveloped_forms_of_the_field_verify),
	    cmocka_unit_test(a_mac_of_128_bits_passes_only_where_rel_13_is_configured),
	    cmocka_unit_test(every_truncation_of_a_signed_document_is_refused),
	    cmocka_unit_test(an_id_that_is_no_name_is_not_signed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

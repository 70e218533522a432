/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KmsRequest: exact octets out, tolerance and refusals in; the bounds of any document; dates (kms.md 6, 13).
 */
#include "unit/kms/kms_text.h"

#define REQUEST(attributes, children) XML "<KmsRequest xmlns=\"" KMS_NS "\"" attributes ">" children "</KmsRequest>"
#define TIME                          "<Time>2014-01-26T10:05:50Z</Time>"
#define FOUR                          USER KMS TIME URL

static struct kms_request request;
static struct kms_fault fault;

static enum mcsec_err read_request(const char *xml)
{
	return kms_request_read(&request, octets_of(xml), &fault);
}

static void put_request(struct writer *w, const void *r)
{
	kms_request_write(w, r);
}

/* ---- requests ---- */

static void the_request_of_the_vector_reads_and_writes_octet_for_octet(void **state)
{
	(void)state;
	char *vector = kms_vector_text("kms_signed_request.xml");
	assert_int_equal(read_request(vector), MCSEC_OK);
	assert_true(request.is_signed);
	assert_string_equal(request.id, "req-0001");
	assert_string_equal(request.user_uri, "sip:user@example.org");
	assert_string_equal(request.kms_uri, "kms.example.org");
	assert_int_equal(request.time, VECTOR_NOW + 2);
	assert_string_equal(request.client_id, "mcx-client-7");
	assert_string_equal(request.device_id, "urn:uuid:00000000-0000-1000-8000-aabbccddeeff");
	assert_string_equal(request.client_req_url, "https://kms.example.org/keymanagement/identity/v1/keyprov");
	char *children = strstr(vector, "<UserUri>"), *end = strstr(vector, "</KmsRequest>");
	char want[2048];
	snprintf(want, sizeof want, XML "<KmsRequest xmlns=\"" KMS_NS "\" Id=\"req-0001\" Version=\"1.1.0\">%.*s\n",
		 (int)(end - children) + 13, children);
	assert_string_equal(written(put_request, &request), want);
	free(vector);
}

static void children_stand_in_any_order_and_unknown_ones_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(
	    read_request(REQUEST(" Version=\"1.0.0\" xmlns:o=\"urn:other\"",
				 "<TrK-ID>tk.1</TrK-ID>" URL "<o:UserUri>x</o:UserUri>" TIME "<!-- note --><New/>" KMS
				 "<Signature-ID>ink.1</Signature-ID><New/>" USER)),
	    MCSEC_OK);
	assert_string_equal(request.user_uri, "sip:user@example.org");
	assert_string_equal(request.trk_id, "tk.1");
	assert_string_equal(request.signature_id, "ink.1");
	assert_int_equal(request.skipped, 2);
}

static void any_prefix_serves_and_white_space_is_trimmed(void **state)
{
	(void)state;
	assert_int_equal(read_request("<k:KmsRequest xmlns:k=\"" KMS_NS "\"><k:UserUri>\n sip:a@x\t</k:UserUri>"
				      "<k:KmsUri><![CDATA[kms]]></k:KmsUri><k:Time> 2014-01-26T10:05:50 </k:Time>"
				      "<k:ClientReqUrl>u</k:ClientReqUrl></k:KmsRequest>"),
			 MCSEC_OK);
	assert_string_equal(request.user_uri, "sip:a@x");
	assert_string_equal(request.kms_uri, "kms");
	assert_int_equal(request.time, VECTOR_NOW);
}

static void a_client_error_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_request(REQUEST("", FOUR "<ClientError><ErrorMsg>uid_mismatch: period 1389</ErrorMsg>"
						       "<ErrorCode>3</ErrorCode></ClientError>")),
			 MCSEC_OK);
	assert_int_equal(request.client_error.code, 3);
	assert_string_equal(request.client_error.msg, "uid_mismatch: period 1389");
}

static void each_fault_in_a_request_is_refused_with_its_element(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *element;
	} cases[] = {
	    {REQUEST("", USER KMS TIME), "ClientReqUrl"},
	    {REQUEST("", KMS TIME URL), "UserUri"},
	    {REQUEST("", FOUR USER), "UserUri"},
	    {REQUEST("", FOUR "<TrK-ID>a</TrK-ID><TrK-ID>a</TrK-ID>"), "TrK-ID"},
	    {REQUEST("", "<UserUri/>" KMS TIME URL), "UserUri"},
	    {REQUEST("", "<UserUri>sip:a b</UserUri>" KMS TIME URL), "UserUri"},
	    {REQUEST("", "<UserUri>sip:a<b/></UserUri>" KMS TIME URL), "UserUri"},
	    {REQUEST("", USER KMS "<Time>yesterday</Time>" URL), "Time"},
	    {REQUEST("", FOUR "<ClientError><ErrorCode>3</ErrorCode></ClientError>"), "ErrorMsg"},
	    {REQUEST("", FOUR "<ClientError><ErrorCode>9223372036854775808</ErrorCode><ErrorMsg/></ClientError>"),
	     "ErrorCode"},
	    {REQUEST(" xmlns:e=\"" KMS_EXT_NS "\"",
		     FOUR "<e:ReceivedKrr>QUJD</e:ReceivedKrr><e:ReceivedKrr>QUJD</e:ReceivedKrr>"),
	     "KmsRequest"},
	    {REQUEST(" xmlns:e=\"" KMS_EXT_NS "\"", FOUR "<e:ReceivedKrr>QUJ*</e:ReceivedKrr>"), "ReceivedKrr"},
	    {REQUEST(" Version=\"2.0.0\"", FOUR), "KmsRequest"},
	    {REQUEST(" Version=\"1.0\"", FOUR), "KmsRequest"},
	    {XML "<KmsRequest xmlns=\"urn:wrong\">" FOUR "</KmsRequest>", "KmsRequest"},
	    {XML "<KmsRequest>" FOUR "</KmsRequest>", "KmsRequest"},
	    {XML "<KmsResponse xmlns=\"" KMS_NS "\"/>", "KmsResponse"},
	    {XML "<SignedKmsRequest xmlns=\"" KMS_NS "\"/>", "KmsRequest"},
	    {XML "<SignedKmsRequest xmlns=\"" KMS_NS "\"><KmsRequest>" FOUR "</KmsRequest><KmsRequest>" FOUR
		 "</KmsRequest></SignedKmsRequest>",
	     "KmsRequest"},
	    {"<KmsRequest", ""},
	    {REQUEST("", FOUR) "x", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_request(cases[i].xml), MCSEC_E_MALFORMED);
		assert_string_equal(fault.element, cases[i].element);
		assert_true(strlen(fault.detail) > 0);
	}
}

static void values_that_are_too_long_are_refused(void **state)
{
	(void)state;
	char xml[2048], uri[400];
	memset(uri, 'a', sizeof uri);
	uri[sizeof uri - 1] = 0;
	snprintf(xml, sizeof xml, REQUEST("", "<UserUri>sip:%s</UserUri>" KMS TIME URL), uri);
	assert_int_equal(read_request(xml), MCSEC_E_MALFORMED);
	uri[KMS_URI_MAX - 1] = 0;
	snprintf(xml, sizeof xml, REQUEST("", "<UserUri>%s</UserUri>" KMS TIME URL), uri);
	assert_int_equal(read_request(xml), MCSEC_OK);
	snprintf(xml, sizeof xml, REQUEST(" Id=\"%s\"", FOUR), uri);
	assert_int_equal(read_request(xml), MCSEC_E_MALFORMED);
}

/* ---- hostile documents ---- */

static void mcx_sec_126_a_doctype_or_an_entity_is_refused(void **state)
{
	(void)state;
	assert_int_equal(read_request(XML "<!DOCTYPE KmsRequest SYSTEM \"file:///etc/passwd\">"
					  "<KmsRequest xmlns=\"" KMS_NS "\">" FOUR "</KmsRequest>"),
			 MCSEC_E_MALFORMED);
	assert_int_equal(read_request(XML "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">"
					  "<!ENTITY c \"&b;&b;&b;&b;&b;\">]><KmsRequest xmlns=\"" KMS_NS "\">"
					  "<UserUri>&c;</UserUri>" KMS TIME URL "</KmsRequest>"),
			 MCSEC_E_MALFORMED);
	assert_int_equal(read_request(REQUEST("", "<UserUri>&undeclared;</UserUri>" KMS TIME URL)), MCSEC_E_MALFORMED);
	assert_int_equal(read_request(REQUEST("", "<UserUri>sip:a&amp;b@x</UserUri>" KMS TIME URL)), MCSEC_OK);
	assert_string_equal(request.user_uri, "sip:a&b@x");
}

static void nest(int depth)
{
	strcpy(text, XML "<KmsRequest xmlns=\"" KMS_NS "\">" FOUR);
	for (int i = 1; i < depth; i++)
		strcat(text, "<x>");
	for (int i = 1; i < depth; i++)
		strcat(text, "</x>");
	strcat(text, "</KmsRequest>");
}

static void mcx_sec_126_depth_33_is_refused_and_32_is_read(void **state)
{
	(void)state;
	nest(KMS_MAX_DEPTH);
	assert_int_equal(read_request(text), MCSEC_OK);
	nest(KMS_MAX_DEPTH + 1);
	assert_int_equal(read_request(text), MCSEC_E_MALFORMED);
	nest(5000);
	assert_int_equal(read_request(text), MCSEC_E_MALFORMED);
}

static void mcx_sec_126_a_body_of_64_kib_and_1_is_refused(void **state)
{
	(void)state;
	size_t n = (size_t)snprintf(text, sizeof text, "%s", REQUEST("", FOUR));
	memset(text + n, '\n', sizeof text - n);
	assert_int_equal(kms_request_read(&request, (struct octets){(uint8_t *)text, KMS_MAX_REQUEST}, &fault),
			 MCSEC_OK);
	assert_int_equal(kms_request_read(&request, (struct octets){(uint8_t *)text, KMS_MAX_REQUEST + 1}, &fault),
			 MCSEC_E_LENGTH);
	assert_int_equal(kms_request_read(&request, (struct octets){NULL, 0}, &fault), MCSEC_E_LENGTH);
}

static void mcx_sec_126_other_encodings_than_utf8_are_named_as_such(void **state)
{
	(void)state;
	char wide[512];
	const char *narrow = "<KmsRequest/>";
	for (size_t i = 0; i <= strlen(narrow); i++)
		wide[2 * i] = narrow[i], wide[2 * i + 1] = 0;
	struct octets le = {(uint8_t *)wide, 2 * strlen(narrow)}, be = {(uint8_t *)wide + 1, le.len};
	assert_int_equal(kms_request_read(&request, le, &fault), MCSEC_E_UNSUPPORTED);
	assert_int_equal(kms_request_read(&request, be, &fault), MCSEC_E_UNSUPPORTED);
	assert_int_equal(read_request("\xff\xfe<"), MCSEC_E_UNSUPPORTED);
	assert_int_equal(read_request("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><KmsRequest xmlns=\"" KMS_NS
				      "\">" FOUR "</KmsRequest>"),
			 MCSEC_E_UNSUPPORTED);
	assert_int_equal(read_request(REQUEST("", "<UserUri>sip:\xff@x</UserUri>" KMS TIME URL)), MCSEC_E_ENCODING);
}

static void every_truncation_of_a_document_is_refused(void **state)
{
	(void)state;
	const char *xml = REQUEST(" Id=\"a\"", FOUR);
	for (size_t n = 0; n < strlen(xml); n++)
		assert_int_not_equal(kms_request_read(&request, (struct octets){(const uint8_t *)xml, n}, &fault),
				     MCSEC_OK);
}

/* ---- dateTime ---- */

static enum mcsec_err read_time(const char *value)
{
	char xml[1024];
	snprintf(xml, sizeof xml, REQUEST("", USER KMS "<Time>%s</Time>" URL), value);
	return read_request(xml);
}

static void a_date_time_has_fraction_and_zone_or_none(void **state)
{
	(void)state;
	static const char *const same[] = {"2014-01-26T10:05:50Z", "2014-01-26T10:05:50", "2014-01-26T10:05:50.999Z",
					   "2014-01-26T12:05:50+02:00", "2014-01-26T03:35:50.0-06:30"};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		assert_int_equal(read_time(same[i]), MCSEC_OK);
		assert_int_equal(request.time, VECTOR_NOW);
	}
	assert_int_equal(read_time("2036-02-29T23:59:59Z"), MCSEC_OK);
	assert_int_equal(read_time("9999-12-31T23:59:59-14:00"), MCSEC_OK);
	static const char *const bad[] = {"",
					  "2014-02-29T00:00:00Z",
					  "2014-13-01T00:00:00Z",
					  "2014-00-01T00:00:00Z",
					  "2014-01-01",
					  "2014-01-01T24:00:00Z",
					  "2014-01-01T00:60:00Z",
					  "2014-01-01T00:00:60Z",
					  "2014-01-01T00:00:00.Z",
					  "2014-01-01T00:00:00+15:00",
					  "2014-01-01T00:00:00+1:00",
					  "2014-01-01T00:00:00Zx",
					  "0000-01-01T00:00:00Z",
					  "-2014-01-01T00:00:00Z",
					  "12014-01-01T00:00:00Z",
					  "2014-1-01T00:00:00Z"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_time(bad[i]), MCSEC_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_request_of_the_vector_reads_and_writes_octet_for_octet),
	    cmocka_unit_test(children_stand_in_any_order_and_unknown_ones_are_skipped),
	    cmocka_unit_test(any_prefix_serves_and_white_space_is_trimmed),
	    cmocka_unit_test(a_client_error_is_read),
	    cmocka_unit_test(each_fault_in_a_request_is_refused_with_its_element),
	    cmocka_unit_test(values_that_are_too_long_are_refused),
	    cmocka_unit_test(mcx_sec_126_a_doctype_or_an_entity_is_refused),
	    cmocka_unit_test(mcx_sec_126_depth_33_is_refused_and_32_is_read),
	    cmocka_unit_test(mcx_sec_126_a_body_of_64_kib_and_1_is_refused),
	    cmocka_unit_test(mcx_sec_126_other_encodings_than_utf8_are_named_as_such),
	    cmocka_unit_test(every_truncation_of_a_document_is_refused),
	    cmocka_unit_test(a_date_time_has_fraction_and_zone_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

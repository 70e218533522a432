/* SPDX-License-Identifier: Apache-2.0 */
/* test_kms_doc.c - the KMS documents: exact octets out, tolerance and refusals in (kms.md 6, 7, 13). */
#include "unit/kms/kms_vector.h"

#define XML                           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define REQUEST(attributes, children) XML "<KmsRequest xmlns=\"" KMS_NS "\"" attributes ">" children "</KmsRequest>"
#define USER                          "<UserUri>sip:user@example.org</UserUri>"
#define KMS                           "<KmsUri>kms.example.org</KmsUri>"
#define TIME                          "<Time>2014-01-26T10:05:50Z</Time>"
#define URL                           "<ClientReqUrl>https://kms.example.org/keymanagement/identity/v1/init</ClientReqUrl>"
#define FOUR                          USER KMS TIME URL

static struct kms_request request;
static struct kms_response response;
static struct kms_fault fault;
static char text[65536 * 2];

static enum mcsec_err read_request(const char *xml)
{
	return kms_request_read(&request, octets_of(xml), &fault);
}

static enum mcsec_err read_response(const char *xml)
{
	return kms_response_read(&response, KMS_ROOT_RESPONSE | KMS_ROOT_PART, octets_of(xml), &fault);
}

static const char *written(void (*write)(struct writer *, const void *), const void *what)
{
	struct writer w = wr_init((uint8_t *)text, sizeof text - 1);
	write(&w, what);
	assert_int_equal(w.err, MCSEC_OK);
	text[wr_len(&w)] = 0;
	return text;
}

static void put_request(struct writer *w, const void *r)
{
	kms_request_write(w, r);
}

static void put_response(struct writer *w, const void *r)
{
	kms_response_write(w, r);
}

static void put_key_set(struct writer *w, const void *s)
{
	kms_key_set_write(w, s);
}

static int open_vector(void **state)
{
	struct kms_vector *v = calloc(1, sizeof *v);
	kms_vector_open(v);
	*state = v;
	return 0;
}

static int close_vector(void **state)
{
	kms_vector_close(*state);
	free(*state);
	return 0;
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

/* ---- responses ---- */

#define RESPONSE(message)                                                                                              \
	XML "<KmsResponse xmlns=\"" KMS_NS "\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "               \
	    "Version=\"1.0.0\">" USER KMS "<Time>2014-01-26T10:05:51Z</Time><KmsId>kms-a-01</KmsId>" URL message       \
	    "</KmsResponse>\n"

static struct kms_response sample(enum kms_message message)
{
	return (struct kms_response){.user_uri = VECTOR_USER,
				     .kms_uri = VECTOR_KMS,
				     .time = VECTOR_NOW + 1,
				     .kms_id = "kms-a-01",
				     .message = message,
				     .cache_num = -1,
				     .client_req_url = "https://kms.example.org/keymanagement/identity/v1/init"};
}

static void the_init_response_is_the_one_of_the_page(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_INIT);
	r.n_certs = 1;
	r.certs = &v->cert;
	char z[HEX_SIZE(MCSEC_ZPUB_LEN)], kpak[HEX_SIZE(MCSEC_KPAK_LEN)], want[4096];
	hex_encode_upper(OCTETS(v->cert.pub_enc_key), z);
	hex_encode_upper(OCTETS(v->cert.pub_auth_key), kpak);
	assert_int_equal(strncmp(z, "045958EF1B", 10), 0);
	assert_int_equal(strncmp(kpak, "0450D4670B", 10), 0);
	snprintf(
	    want, sizeof want,
	    RESPONSE("<KmsMessage><KmsInit Version=\"1.0.0\"><KmsCertificate Version=\"1.1.0\" "
		     "Role=\"Root\"><CertUri>cert1.kms.example.org</CertUri><KmsUri>kms.example.org</KmsUri>"
		     "<Issuer>Example Operator</Issuer><ValidFrom>2014-01-01T00:00:00Z</ValidFrom>"
		     "<ValidTo>2017-01-01T00:00:00Z</ValidTo><Revoked>false</Revoked><UserIdFormat>2</UserIdFormat>"
		     "<UserKeyPeriod>2592000</UserKeyPeriod><UserKeyOffset>0</UserKeyOffset><PubEncKey>%s</PubEncKey>"
		     "<PubAuthKey>%s</PubAuthKey><ParameterSet>1</ParameterSet><KmsDomainList><KmsDomain>example.org"
		     "</KmsDomain></KmsDomainList></KmsCertificate></KmsInit></KmsMessage>"),
	    z, kpak);
	assert_string_equal(written(put_response, &r), want);
	assert_true(strlen(text) < kms_response_bound(&r));
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.message, KMS_MSG_INIT);
	assert_memory_equal(&response.certs[0], &v->cert, sizeof v->cert);
	kms_response_free(&response);
}

static void the_keyprov_response_is_the_one_of_the_page(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_KEYPROV);
	r.n_sets = 1;
	r.sets = &v->set;
	char rsk[HEX_SIZE(MCSEC_RSK_LEN)], ssk[HEX_SIZE(MCSEC_SSK_LEN)], pvt[HEX_SIZE(MCSEC_PVT_LEN)], want[4096];
	hex_encode_upper(OCTETS(v->set.secret->rsk), rsk);
	hex_encode_upper(OCTETS(v->set.secret->ssk), ssk);
	hex_encode_upper(OCTETS(v->set.pvt), pvt);
	snprintf(
	    want, sizeof want,
	    RESPONSE("<KmsMessage><KmsKeyProv Version=\"1.0.0\"><KmsKeySet Version=\"1.1.0\">"
		     "<KmsUri>kms.example.org</KmsUri><CertUri>cert1.kms.example.org</CertUri>" USER
		     "<UserID>OoH7FMOx0P5DycV3EE1VptgXiL/S8JdDxFV3RqWgNTs=</UserID><ValidFrom>2014-01-03T00:00:00Z</"
		     "ValidFrom>"
		     "<ValidTo>2014-02-02T00:00:00Z</ValidTo><KeyPeriodNo>1388</KeyPeriodNo><Revoked>false</Revoked>"
		     "<UserDecryptKey xsi:type=\"KeyContentType\">%s</UserDecryptKey>"
		     "<UserSigningKeySSK xsi:type=\"KeyContentType\">%s</UserSigningKeySSK>"
		     "<UserPubTokenPVT "
		     "xsi:type=\"KeyContentType\">%s</UserPubTokenPVT></KmsKeySet></KmsKeyProv></KmsMessage>"),
	    rsk, ssk, pvt);
	assert_string_equal(written(put_response, &r), want);
	size_t before = mcsec_secret_in_use();
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.n_sets, 1);
	assert_true(mcsec_secret_in_use() > before);
	assert_memory_equal(response.sets[0].secret, v->set.secret, sizeof *v->set.secret);
	assert_memory_equal(response.sets[0].pvt, v->set.pvt, MCSEC_PVT_LEN);
	assert_memory_equal(response.sets[0].uid, v->set.uid, 32);
	assert_int_equal(response.sets[0].valid_to, v->set.valid_to);
	kms_response_free(&response);
	assert_int_equal(mcsec_secret_in_use(), before);
}

static void the_error_response_is_the_one_of_the_page(void **state)
{
	(void)state;
	struct kms_response r = sample(KMS_MSG_NONE);
	r.error = (struct kms_error){40402, "no_certificate: kms.unknown.example"};
	assert_string_equal(written(put_response, &r),
			    RESPONSE("<KmsError><ErrorCode>40402</ErrorCode>"
				     "<ErrorMsg>no_certificate: kms.unknown.example</ErrorMsg></KmsError>"));
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.error.code, 40402);
	kms_response_free(&response);
}

static void the_cert_cache_carries_its_number_and_nothing_else_when_current(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_CERTCACHE);
	r.cache_num = 8;
	assert_non_null(strstr(written(put_response, &r),
			       "<KmsMessage><KmsCertCache Version=\"1.0.0\" CacheNum=\"8\"/></KmsMessage>"));
	struct kms_certificate two[2] = {v->cert, v->cert};
	two[1].role = KMS_ROLE_EXTERNAL;
	r.n_certs = 2;
	r.certs = two;
	written(put_response, &r);
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.cache_num, 8);
	assert_int_equal(response.n_certs, 2);
	assert_int_equal(response.certs[1].role, KMS_ROLE_EXTERNAL);
	kms_response_free(&response);
}

static void the_algorithm_suites_travel_in_a_namespace_of_their_own(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_INIT);
	r.n_certs = 1;
	r.certs = &v->cert;
	strcpy(r.suites, "0102 0101");
	strcpy(r.suites_minimum, "0101");
	assert_non_null(strstr(written(put_response, &r),
			       "</KmsCertificate><ext:AlgorithmSuites xmlns:ext=\"urn:x-mcxsec:kms-ext:1\" "
			       "list=\"0102 0101\" minimum=\"0101\"/></KmsInit>"));
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_string_equal(response.suites, "0102 0101");
	kms_response_free(&response);
}

static void a_lookup_lists_each_kms_in_order(void **state)
{
	(void)state;
	struct kms_response r = sample(KMS_MSG_LOOKUP);
	char list[2][KMS_URI_MAX] = {"kms.partner.example", "kms.other.example"};
	strcpy(r.lookup_uri, "sip:bob@partner.example");
	r.n_lookup = 2;
	r.lookup = list;
	written(put_response, &r);
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.n_lookup, 2);
	assert_string_equal(response.lookup[1], "kms.other.example");
	kms_response_free(&response);
}

static void a_lookup_without_a_user_reads_back_as_it_was(void **state)
{
	(void)state;
	static char list[1][KMS_URI_MAX] = {"kms.partner.example"};
	struct kms_response r = sample(KMS_MSG_LOOKUP);
	r.n_lookup = 1;
	r.lookup = list;
	written(put_response, &r);
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_string_equal(response.lookup_uri, "");
	assert_int_equal(response.n_lookup, 1);
	kms_response_free(&response);
}

static void two_messages_or_a_message_with_an_error_are_refused(void **state)
{
	(void)state;
	assert_int_equal(read_response(RESPONSE("<KmsMessage><KmsKeyProv/><KmsLookup/></KmsMessage>")),
			 MCSEC_E_MALFORMED);
	assert_int_equal(read_response(RESPONSE("<KmsMessage><KmsKeyProv/></KmsMessage><KmsError><ErrorCode>1"
						"</ErrorCode><ErrorMsg/></KmsError>")),
			 MCSEC_E_MALFORMED);
	assert_int_equal(read_response(RESPONSE("<KmsMessage><KmsInit/></KmsMessage>")), MCSEC_E_MALFORMED);
	assert_int_equal(read_response(RESPONSE("")), MCSEC_OK);
	kms_response_free(&response);
}

static void a_part_is_read_only_where_parts_are_expected(void **state)
{
	struct kms_vector *v = *state;
	written(put_key_set, &v->set);
	assert_int_equal(kms_response_read(&response, KMS_ROOT_RESPONSE, octets_of(text), &fault), MCSEC_E_MALFORMED);
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_int_equal(response.n_sets, 1);
	kms_response_free(&response);
}

static void wrapped_keys_without_a_transport_key_are_refused_by_name(void **state)
{
	(void)state;
	char *vector = kms_vector_text("kms_signed_response.xml");
	size_t before = mcsec_secret_in_use();
	assert_int_equal(read_response(vector), MCSEC_E_UNSUPPORTED);
	assert_string_equal(fault.element, "UserDecryptKey");
	assert_int_equal(mcsec_secret_in_use(), before);
	free(vector);
}

/* ---- key content
 * ----------------------------------------------------------------------------------------------------- */

/* The vector's key set with one replacement in its text. */
static enum mcsec_err read_set_with(struct kms_vector *v, const char *from, const char *to)
{
	static char changed[sizeof text];
	written(put_key_set, &v->set);
	char *at = strstr(text, from);
	assert_non_null(at);
	snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	enum mcsec_err e = read_response(changed);
	if (!e) {
		assert_memory_equal(response.sets[0].secret, v->set.secret, sizeof *v->set.secret);
		assert_memory_equal(response.sets[0].uid, v->set.uid, 32);
		kms_response_free(&response);
	}
	return e;
}

static void key_content_types_are_resolved_as_qualified_names(void **state)
{
	struct kms_vector *v = *state;
	const char *typed = "UserDecryptKey xsi:type=\"KeyContentType\"";
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey"), MCSEC_OK);
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey xmlns:p=\"" KMS_NS "\" xsi:type=\"p:KeyContentType\""),
			 MCSEC_OK);
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey xsi:type=\"p:KeyContentType\""), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey xmlns:p=\"urn:x\" xsi:type=\"p:KeyContentType\""),
			 MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey xsi:type=\"string\""), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, typed, "UserDecryptKey xsi:type=\"EncKeyContentType\""), MCSEC_E_UNSUPPORTED);
}

static void hex_keys_come_in_either_case_with_blanks_around_and_exact_length(void **state)
{
	struct kms_vector *v = *state;
	const char *upper = ">4B2940C176", *key = "4B2940C176FB1FEE8F1879E55CEBA6EAFD7A43BF530ACC21049E70FC4F4D341D";
	assert_int_equal(read_set_with(v, upper, ">4b2940c176"), MCSEC_OK);
	assert_int_equal(read_set_with(v, upper, ">\n\t 4B2940C176"), MCSEC_OK);
	assert_int_equal(read_set_with(v, upper, ">4B 2940C176"), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, upper, ">2940C176"), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, upper, ">004B2940C176"), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, upper, ">XX2940C176"), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, key, "SylAwXb7H+6PGHnlXOum6v16Q79TCswhBJ5w/E9NNB0="), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, key, ""), MCSEC_E_MALFORMED);
}

static void mcx_sec_109_user_id_is_read_in_base64_and_in_hex(void **state)
{
	struct kms_vector *v = *state;
	const char *base64 = "OoH7FMOx0P5DycV3EE1VptgXiL/S8JdDxFV3RqWgNTs=";
	assert_int_equal(read_set_with(v, base64, "3a81fb14c3b1d0fe43c9c577104d55a6d81788bfd2f09743c4557746a5a0353b"),
			 MCSEC_OK);
	assert_int_equal(read_set_with(v, base64, "3A81FB14C3B1D0FE43C9C577104D55A6D81788BFD2F09743C4557746A5A0353B"),
			 MCSEC_OK);
	assert_int_equal(read_set_with(v, base64, "OoH7FMOx0P5DycV3EE1VptgXiL/S8JdDxFV3RqWg"), MCSEC_E_MALFORMED);
	assert_int_equal(read_set_with(v, base64, "OoH7FMOx0P5DycV3EE1VptgXiL/S8JdDxFV3RqWgNTs"), MCSEC_E_MALFORMED);
}

/* Static, so that it is not on the heap itself. */
static char needle[] = "4B2940C176FB1FEE8F1879E55CEBA6EAFD7A43BF530ACC21049E70FC4F4D341D";

static int heap_holds(const char *what, size_t n)
{
	char line[512];
	unsigned long from = 0, to = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, maps))
		if (strstr(line, "[heap]"))
			sscanf(line, "%lx-%lx", &from, &to);
	fclose(maps);
	return to > from && memmem((void *)from, to - from, what, n) != NULL;
}

static void no_key_stays_on_the_heap_after_reading(void **state)
{
	struct kms_vector *v = *state;
	written(put_key_set, &v->set);
	assert_non_null(strstr(text, needle));
	assert_int_equal(read_response(text), MCSEC_OK);
	assert_false(heap_holds((char *)v->set.secret->ssk, 32));
	kms_response_free(&response);
	assert_false(heap_holds(needle, 64));
	assert_false(heap_holds(needle, 20));
}

/* ---- checks before use
 * ----------------------------------------------------------------------------------------------- */

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

#define T(name) cmocka_unit_test(name)
#define V(name) cmocka_unit_test_setup_teardown(name, open_vector, close_vector)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_request_of_the_vector_reads_and_writes_octet_for_octet),
	    T(children_stand_in_any_order_and_unknown_ones_are_skipped),
	    T(any_prefix_serves_and_white_space_is_trimmed),
	    T(a_client_error_is_read),
	    T(each_fault_in_a_request_is_refused_with_its_element),
	    T(values_that_are_too_long_are_refused),
	    T(mcx_sec_126_a_doctype_or_an_entity_is_refused),
	    T(mcx_sec_126_depth_33_is_refused_and_32_is_read),
	    T(mcx_sec_126_a_body_of_64_kib_and_1_is_refused),
	    T(mcx_sec_126_other_encodings_than_utf8_are_named_as_such),
	    T(every_truncation_of_a_document_is_refused),
	    T(a_date_time_has_fraction_and_zone_or_none),
	    V(the_init_response_is_the_one_of_the_page),
	    V(the_keyprov_response_is_the_one_of_the_page),
	    T(the_error_response_is_the_one_of_the_page),
	    V(the_cert_cache_carries_its_number_and_nothing_else_when_current),
	    V(the_algorithm_suites_travel_in_a_namespace_of_their_own),
	    T(a_lookup_lists_each_kms_in_order),
	    T(a_lookup_without_a_user_reads_back_as_it_was),
	    T(two_messages_or_a_message_with_an_error_are_refused),
	    V(a_part_is_read_only_where_parts_are_expected),
	    T(wrapped_keys_without_a_transport_key_are_refused_by_name),
	    V(key_content_types_are_resolved_as_qualified_names),
	    V(hex_keys_come_in_either_case_with_blanks_around_and_exact_length),
	    V(mcx_sec_109_user_id_is_read_in_base64_and_in_hex),
	    V(no_key_stays_on_the_heap_after_reading),
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

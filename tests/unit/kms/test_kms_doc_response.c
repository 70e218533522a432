/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KmsResponse and its parts: exact octets out, tolerance and refusals in, and what becomes of keys (kms.md 7, 13).
 */
#include "unit/kms/kms_text.h"

static struct kms_response response;
static struct kms_fault fault;

static enum mcsec_err read_response(const char *xml)
{
	return kms_response_read(&response, KMS_ROOT_RESPONSE | KMS_ROOT_PART, octets_of(xml), &fault);
}

static void put_response(struct writer *w, const void *r)
{
	kms_response_write(w, r);
}

static void put_key_set(struct writer *w, const void *s)
{
	kms_key_set_write(w, s);
}

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

#define SUITES "<e:AlgorithmSuites xmlns:e=\"" KMS_EXT_NS "\" list=\"0101\" minimum=\"0101\"/>"

/* Which of two lists would count? Neither does, and nothing of the message. */
static void two_lists_of_suites_are_refused(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_INIT);
	char twice[sizeof text];
	r.n_certs = 1;
	r.certs = &v->cert;
	const char *end = strstr(written(put_response, &r), "</KmsInit>");
	for (int n = 1; n <= 2; n++) {
		snprintf(twice, sizeof twice, "%.*s" SUITES "%s%s", (int)(end - text), text, n == 2 ? SUITES : "", end);
		assert_int_equal(read_response(twice), n == 1 ? MCSEC_OK : MCSEC_E_MALFORMED);
		if (n == 1)
			kms_response_free(&response);
	}
	assert_string_equal(fault.element, "KmsInit");
	assert_non_null(strstr(fault.detail, "more than once"));
}

#define NEW_KEY                                                                                                        \
	"<NewTransportKey xsi:type=\"EncKeyContentType\"><xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/"   \
	"xmlenc#\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptionMethod Algorithm=\"http://www.w3."  \
	"org/2001/04/xmlenc#kw-aes256\"/><ds:KeyInfo><ds:KeyName>tk.1</ds:KeyName></ds:KeyInfo><xenc:CipherData>"      \
	"<xenc:CipherValue>BPijw8MC07C36UsU3Pha0dppzXQFbteQfTy0n7J3maQQTbBY8pAa2w==</xenc:CipherValue>"                \
	"</xenc:CipherData><xenc:CarriedKeyName>tk.2</xenc:CarriedKeyName></xenc:EncryptedKey></NewTransportKey>"

static void more_new_transport_keys_than_there_is_room_for_are_refused(void **state)
{
	struct kms_vector *v = *state;
	struct kms_response r = sample(KMS_MSG_INIT);
	char many[sizeof text];
	r.n_certs = 1;
	r.certs = &v->cert;
	const char *end = strstr(written(put_response, &r), "</KmsInit>");
	for (int extra = 0; extra <= 1; extra++) {
		int n = snprintf(many, sizeof many, "%.*s", (int)(end - text), text);
		for (int i = 0; i < KMS_MAX_NEW_KEYS + extra; i++)
			n += snprintf(many + n, sizeof many - (size_t)n, "%s", NEW_KEY);
		snprintf(many + n, sizeof many - (size_t)n, "%s", end);
		assert_int_equal(kms_response_read(&response, KMS_ROOT_RESPONSE | KMS_WRAPPED, octets_of(many), &fault),
				 extra ? MCSEC_E_MALFORMED : MCSEC_OK);
		if (!extra)
			kms_response_free(&response);
	}
	assert_string_equal(fault.element, "NewTransportKey");
	assert_string_equal(fault.detail, "too many of these");
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

#define T(name) cmocka_unit_test(name)
#define V(name) cmocka_unit_test_setup_teardown(name, kms_vector_setup, kms_vector_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    V(the_init_response_is_the_one_of_the_page),
	    V(the_keyprov_response_is_the_one_of_the_page),
	    T(the_error_response_is_the_one_of_the_page),
	    V(the_cert_cache_carries_its_number_and_nothing_else_when_current),
	    V(the_algorithm_suites_travel_in_a_namespace_of_their_own),
	    V(two_lists_of_suites_are_refused),
	    V(more_new_transport_keys_than_there_is_room_for_are_refused),
	    T(a_lookup_lists_each_kms_in_order),
	    T(a_lookup_without_a_user_reads_back_as_it_was),
	    T(two_messages_or_a_message_with_an_error_are_refused),
	    V(a_part_is_read_only_where_parts_are_expected),
	    T(wrapped_keys_without_a_transport_key_are_refused_by_name),
	    V(key_content_types_are_resolved_as_qualified_names),
	    V(hex_keys_come_in_either_case_with_blanks_around_and_exact_length),
	    V(mcx_sec_109_user_id_is_read_in_base64_and_in_hex),
	    V(no_key_stays_on_the_heap_after_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

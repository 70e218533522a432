/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protection of KMS documents (kms.md 10, 16.2 to 16.4): the vectors octet for octet in both directions, every way in
 * which a signature or a wrapped key must not be accepted, and signed redirect responses (11.2, 11.3).
 */
#include "unit/test.h"

#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "mcx/xmlsec/kms_krr.h"
#include "mcx/xmlsec/kms_sign.h"
#include "mcx/xmlsec/kms_wrap.h"
#include "unit/kms/kms_vector.h"

enum { BIG = 256 * 1024 };
static uint8_t buf[BIG];
static struct kms_fault fault;
static struct kms_vector v;
static uint8_t trk[32], ink[32], new_trk[32];

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < 32; i++) {
		trk[i] = (uint8_t)i;
		new_trk[i] = (uint8_t)(0x20 + i);
		ink[i] = (uint8_t)(0x40 + i);
	}
	kms_vector_open(&v);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kms_vector_close(&v);
	assert_int_equal(mcsec_secret_in_use(), 0);
	return 0;
}

/* ---- wrapping, 16.2 and 10.2 ---- */

static void the_wrap_vectors_are_made_octet_for_octet(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		unsigned flags;
	} want[] = {
	    {"b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44e410a5c77b4c5e7c", 0},
	    {"bb4e2f78cf9e1aef2ec18d94f33fe9f7bdd99ab1ba7c558c7252575a26c0c0261f02d43e9bc8ff65", KMS_WRAP_PADDED},
	    {"842a5d6e6477b7b61e43be11ae4b86b4e6be573b40cc6e9bec06220e5989d2be"
	     "d4d63841e805e03590949d4c8f97ef6d8bac313859075e4d896219161caaaf44"
	     "05023c20a81f95dd9fb73f94eddb4dc3",
	     0},
	    {"04f8a3c3c302d3b0b7e94b14dcf85ad1da69cd74056ed7907d3cb49fb27799a4104db058f2901adb", 0},
	    {"bd2a276ae8c7464c7e8b396674ac6e0e9558c84c6009b3fa413cf06a67a200823e4d720df2419fa9", 0},
	};
	const struct octets keys[] = {OCTETS(v.set.secret->ssk), OCTETS(v.set.secret->ssk), OCTETS(v.set.pvt),
				      OCTETS(new_trk), OCTETS(ink)};
	for (size_t i = 0; i < 5; i++) {
		struct kms_enc_key k = {0};
		uint8_t octets[KMS_ENC_MAX], back[128];
		size_t n = unhex(want[i].hex, octets, sizeof octets);
		assert_int_equal(kms_wrap(trk, want[i].flags, keys[i], &k), MCSEC_OK);
		assert_int_equal(k.len, n);
		assert_memory_equal(k.octets, octets, n);
		assert_int_equal(kms_unwrap(trk, &k, back, keys[i].len), MCSEC_OK);
		assert_memory_equal(back, keys[i].p, keys[i].len);
	}
}

static void mcx_sec_121_a_flipped_bit_anywhere_or_another_length_or_key_opens_nothing(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags <= KMS_WRAP_PADDED; flags += KMS_WRAP_PADDED) {
		struct kms_enc_key k = {0};
		uint8_t out[64];
		assert_int_equal(kms_wrap(trk, flags, OCTETS(v.set.secret->ssk), &k), MCSEC_OK);
		for (size_t bit = 0; bit < 8 * k.len; bit++) {
			k.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(kms_unwrap(trk, &k, out, 32), MCSEC_E_DECRYPT);
			k.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(kms_unwrap(trk, &k, out, 31), MCSEC_E_DECRYPT);
		assert_int_equal(kms_unwrap(trk, &k, out, 33), MCSEC_E_DECRYPT);
		assert_int_equal(kms_unwrap(ink, &k, out, 32), MCSEC_E_DECRYPT);
		k.len -= 8;
		assert_int_equal(kms_unwrap(trk, &k, out, 32), MCSEC_E_DECRYPT);
	}
}

/* ---- documents, 16.3 and 16.4 ---- */

static const struct kms_request vector_request = {
    .id = "req-0001",
    .user_uri = VECTOR_USER,
    .kms_uri = VECTOR_KMS,
    .time = INT64_C(1390730752),
    .client_id = "mcx-client-7",
    .device_id = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff",
    .client_req_url = "https://kms.example.org/keymanagement/identity/v1/keyprov",
};

static struct kms_response vector_response(void)
{
	struct kms_response r = {.id = "rsp-0001",
				 .user_uri = VECTOR_USER,
				 .kms_uri = VECTOR_KMS,
				 .time = INT64_C(1390730753),
				 .kms_id = "kms-a-01",
				 .client_req_url = "https://kms.example.org/keymanagement/identity/v1/keyprov",
				 .message = KMS_MSG_KEYPROV,
				 .cache_num = -1,
				 .n_sets = 1,
				 .sets = &v.set,
				 .n_new_keys = 1};
	if (!v.set.wrapped)
		assert_int_equal(kms_key_set_wrap(&v.set, trk, "tk.12.user@example.org", 0), MCSEC_OK);
	assert_int_equal(kms_wrap(trk, 0, OCTETS(new_trk), &r.new_keys[0].key), MCSEC_OK);
	strcpy(r.new_keys[0].key.key_name, "tk.12.user@example.org");
	strcpy(r.new_keys[0].key.carried, "tk.13.user@example.org");
	return r;
}

static void response_done(void)
{
	free(v.set.wrapped);
	v.set.wrapped = NULL;
}

static void the_signed_request_of_the_vector_is_made_octet_for_octet(void **state)
{
	(void)state;
	char *want = kms_vector_text("kms_signed_request.xml");
	struct writer w = wr_init(buf, sizeof buf);
	kms_request_sign(&w, &vector_request, "ink.1.user@example.org", ink);
	assert_int_equal(w.err, MCSEC_OK);
	assert_int_equal(wr_len(&w), strlen(want));
	assert_memory_equal(buf, want, strlen(want));
	free(want);
}

static void the_signed_wrapped_response_of_the_vector_is_made_octet_for_octet(void **state)
{
	(void)state;
	char *want = kms_vector_text("kms_signed_response.xml");
	struct kms_response r = vector_response();
	struct writer w = wr_init(buf, sizeof buf);
	kms_response_sign(&w, &r, "ink.1.user@example.org", ink);
	assert_int_equal(w.err, MCSEC_OK);
	assert_int_equal(wr_len(&w), strlen(want));
	assert_memory_equal(buf, want, strlen(want));
	response_done();
	free(want);
}

/* MCSEC_OK when form and MAC hold. */
static enum mcsec_err verify_flags(const char *text, const uint8_t *key, unsigned flags)
{
	struct kms_signature s;
	struct _xmlDoc *doc = kms_parse(octets_of(text), KMS_MAX_RESPONSE, &fault);
	if (!doc)
		return fault.code;
	enum mcsec_err e = kms_signature_of(&s, doc, flags, &fault);
	if (!e)
		e = kms_signature_verify(&s, key);
	kms_parsed_free(doc);
	return e;
}

static enum mcsec_err verify(const char *text)
{
	return verify_flags(text, ink, 0);
}

static const uint8_t *find_trk(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "tk.12.user@example.org") == 0 ? trk : NULL;
}

static void the_vectors_verify_unwrap_and_give_the_keys(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	assert_int_equal(verify(text), MCSEC_OK);
	free(text);
	text = kms_vector_text("kms_signed_response.xml");
	assert_int_equal(verify(text), MCSEC_OK);
	struct kms_response r;
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE | KMS_WRAPPED, octets_of(text), &fault), MCSEC_OK);
	assert_int_equal(r.n_sets, 1);
	assert_non_null(r.sets[0].wrapped);
	assert_int_equal(kms_key_set_unwrap(&r.sets[0], find_trk, NULL), MCSEC_OK);
	assert_memory_equal(r.sets[0].secret->rsk, v.set.secret->rsk, MCSEC_RSK_LEN);
	assert_memory_equal(r.sets[0].secret->ssk, v.set.secret->ssk, MCSEC_SSK_LEN);
	assert_memory_equal(r.sets[0].pvt, v.set.pvt, MCSEC_PVT_LEN);
	uint8_t key[32];
	assert_int_equal(r.n_new_keys, 1);
	assert_false(r.new_keys[0].is_ink);
	assert_string_equal(r.new_keys[0].key.carried, "tk.13.user@example.org");
	assert_int_equal(kms_unwrap(trk, &r.new_keys[0].key, key, 32), MCSEC_OK);
	assert_memory_equal(key, new_trk, 32);
	kms_response_free(&r);
	free(text);
}

static void a_wrapped_set_without_its_transport_key_stays_shut(void **state)
{
	(void)state;
	struct kms_key_set s = v.set;
	s.secret = mcsec_secret_alloc(sizeof *s.secret);
	s.wrapped = NULL;
	memcpy(s.secret, v.set.secret, sizeof *s.secret);
	assert_int_equal(kms_key_set_wrap(&s, trk, "tk.99.user@example.org", 0), MCSEC_OK);
	assert_int_equal(kms_key_set_unwrap(&s, find_trk, NULL), MCSEC_E_NO_KEYS);
	struct mcsec_kms *kms = NULL;
	struct mcsec_keyset *keys = NULL;
	assert_int_equal(
	    kms_certificate_check(&v.cert, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, &kms, &fault), MCSEC_OK);
	assert_int_equal(kms_key_set_check(&s, &v.cert, kms, VECTOR_USER, &keys, &fault), MCSEC_E_UNSUPPORTED);
	mcsec_kms_free(kms);
	free(s.wrapped);
	mcsec_secret_free(s.secret);
}

/* ---- signatures that must not pass ---- */

static char *edited(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	assert_non_null(at);
	char *out = malloc(strlen(text) + strlen(to) + 1);
	sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return out;
}

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

/* ---- forms of wrapped keys ---- */

static enum mcsec_err read_response(const char *text, struct kms_response *r, unsigned more)
{
	return kms_response_read(r, KMS_ROOT_RESPONSE | KMS_WRAPPED | more, octets_of(text), &fault);
}

static void mcx_sec_121_a_wrapped_key_is_read_in_base64_and_in_hex_and_under_either_identifier(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml");
	char *hex = edited(text, "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA==",
			   " b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44\ne410a5c77b4c5e7c ");
	char *other =
	    edited(hex, "http://www.w3.org/2001/04/xmlenc#kw-aes256", "http://www.w3.org/2009/xmlenc11#kw-aes-256-pad");
	assert_int_equal(read_response(other, &r, 0), MCSEC_OK);
	assert_int_equal(kms_key_set_unwrap(&r.sets[0], find_trk, NULL), MCSEC_OK);
	assert_memory_equal(r.sets[0].secret->ssk, v.set.secret->ssk, 32);
	kms_response_free(&r);
	free(other);
	free(hex);
	free(text);
}

static void a_wrapped_key_of_another_length_is_refused(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml");
	static const char *const values[] = {
	    "", "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xe",
	    "b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44e410a5c77b4c5e",
	    "!!+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA=="};
	for (size_t i = 0; i < 4; i++) {
		char *bad = edited(text, "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA==", values[i]);
		assert_int_equal(read_response(bad, &r, 0), MCSEC_E_MALFORMED);
		free(bad);
	}
	char *unnamed = edited(text, "<xenc:CarriedKeyName>tk.13.user@example.org</xenc:CarriedKeyName>", "");
	assert_int_equal(read_response(unnamed, &r, 0), MCSEC_E_MALFORMED);
	free(unnamed);
	free(text);
}

static void the_strict_identifier_names_the_padded_wrap(void **state)
{
	(void)state;
	struct kms_response r = {.user_uri = "u",
				 .kms_uri = "k",
				 .client_req_url = "x",
				 .message = KMS_MSG_KEYPROV,
				 .n_sets = 1,
				 .sets = &v.set};
	assert_int_equal(kms_key_set_wrap(&v.set, trk, "t", KMS_WRAP_STRICT), MCSEC_OK);
	struct writer w = wr_init(buf, sizeof buf - 1);
	kms_response_write(&w, &r);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	const char *first = strstr((char *)buf, "#kw-aes-256-pad"), *ssk = strstr((char *)buf, "SigningKey");
	assert_true(first && first < ssk);
	assert_true(strstr(ssk, "#kw-aes256") < strstr(ssk, "PubToken"));
	assert_int_equal(read_response((char *)buf, &r, 0), MCSEC_OK);
	kms_response_free(&r);
	response_done();
}

/* ---- Rel-13, kms.md 14 ---- */

static void rel_13_documents_are_read_only_where_configured(void **state)
{
	(void)state;
	struct kms_response r = {.user_uri = VECTOR_USER,
				 .kms_uri = VECTOR_KMS,
				 .client_req_url = "https://x/",
				 .time = 5,
				 .message = KMS_MSG_KEYPROV,
				 .n_sets = 1,
				 .sets = &v.set,
				 .rel13 = 1};
	struct kms_response back;
	struct writer w = wr_init(buf, sizeof buf - 1);
	kms_response_write(&w, &r);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	assert_non_null(strstr((char *)buf, "xmlns=\"TOBEDEFINED\""));
	assert_true(strstr((char *)buf, "<KmsUri>") < strstr((char *)buf, "<UserUri>"));
	assert_int_not_equal(read_response((char *)buf, &back, 0), MCSEC_OK);
	assert_int_equal(read_response((char *)buf, &back, KMS_REL13), MCSEC_OK);
	assert_memory_equal(back.sets[0].secret->rsk, v.set.secret->rsk, MCSEC_RSK_LEN);
	kms_response_free(&back);
	struct kms_request q;
	const char *kapsch =
	    "<k:KmsRequest xmlns:k=\"http://www.kapsch.net/mcptt/xml/KmsInterface\" Version=\"1.0.0\">"
	    "<k:KmsUri>kms</k:KmsUri><k:UserUri>sip:a@b</k:UserUri><k:Time>2016-01-01T00:00:00</k:Time>"
	    "<k:ClientReqUrl>http://x/</k:ClientReqUrl></k:KmsRequest>";
	struct _xmlDoc *doc = kms_parse(octets_of(kapsch), KMS_MAX_REQUEST, &fault);
	assert_int_equal(kms_request_of(&q, KMS_REL13, doc, &fault), MCSEC_OK);
	assert_string_equal(q.user_uri, "sip:a@b");
	kms_parsed_free(doc);
	assert_int_equal(kms_request_read(&q, octets_of(kapsch), &fault), MCSEC_E_MALFORMED);
}

static void an_encrypted_data_element_is_read_only_where_rel_13_is_configured(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml"), *at;
	char *copy = calloc(1, 2 * strlen(text)), *to = copy;
	for (const char *from = text; *from;) {
		if (strncmp(from, "xenc:EncryptedKey", 17) == 0) {
			to += sprintf(to, "xenc:EncryptedData");
			from += 17;
		} else {
			*to++ = *from++;
		}
	}
	at = copy;
	assert_int_equal(read_response(at, &r, 0), MCSEC_E_MALFORMED);
	assert_int_equal(read_response(at, &r, KMS_REL13), MCSEC_OK);
	kms_response_free(&r);
	free(copy);
	free(text);
}

/* ---- redirect responses, kms.md 11 ---- */

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

static int krr_setup(void **state)
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
	return setup(state);
}

static int krr_teardown(void **state)
{
	krr_signer_free(signer);
	krr_trust_free(trust);
	X509_free(ca);
	X509_free(leaf);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(leaf_key);
	return teardown(state);
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
	bad = edited(text, "<ds:X509Certificate>", "<ds:X509Certificate>AAAA");
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
	struct kms_request r = vector_request, back;
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
	    cmocka_unit_test(the_wrap_vectors_are_made_octet_for_octet),
	    cmocka_unit_test(mcx_sec_121_a_flipped_bit_anywhere_or_another_length_or_key_opens_nothing),
	    cmocka_unit_test(the_signed_request_of_the_vector_is_made_octet_for_octet),
	    cmocka_unit_test(the_signed_wrapped_response_of_the_vector_is_made_octet_for_octet),
	    cmocka_unit_test(the_vectors_verify_unwrap_and_give_the_keys),
	    cmocka_unit_test(a_wrapped_set_without_its_transport_key_stays_shut),
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
	    cmocka_unit_test(mcx_sec_121_a_wrapped_key_is_read_in_base64_and_in_hex_and_under_either_identifier),
	    cmocka_unit_test(a_wrapped_key_of_another_length_is_refused),
	    cmocka_unit_test(the_strict_identifier_names_the_padded_wrap),
	    cmocka_unit_test(rel_13_documents_are_read_only_where_configured),
	    cmocka_unit_test(an_encrypted_data_element_is_read_only_where_rel_13_is_configured),
	    cmocka_unit_test(a_signed_redirect_response_verifies_and_reads_back),
	    cmocka_unit_test(a_changed_foreign_or_expired_signature_is_forged_and_none_is_unsigned),
	    cmocka_unit_test(a_narrowed_redirect_response_embeds_the_old_one_and_a_wider_one_is_refused),
	    cmocka_unit_test(nesting_and_lists_of_redirect_responses_are_bounded),
	    cmocka_unit_test(a_report_carries_the_redirect_response_and_what_was_received),
	};
	return cmocka_run_group_tests(tests, krr_setup, krr_teardown);
}

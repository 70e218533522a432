/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_xmlsec.c - the independent eye on protected KMS documents: xmlsec1 verifies what we sign, we verify what it
 * signs, and the published schema accepts both (kms.md 10.3, 11.2, 16.3, 16.4). The schema is found by MCX_SCHEMAS.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcx/kmssec/kms_krr.h"
#include "mcx/kmssec/kms_sign.h"
#include "mcx/kmssec/kms_wrap.h"
#include "unit/kms/kms_vector.h"
#include "unit/net/lab.h"

static struct lab l;
static uint8_t trk[32], ink[32];
static uint8_t buf[256 * 1024];
static struct kms_fault fault;

static const char *path(const char *name)
{
	return lab_path(&l, name);
}

static void put(const char *name, const void *p, size_t n)
{
	FILE *f = fopen(path(name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static size_t get(const char *name, uint8_t *out, size_t size)
{
	FILE *f = fopen(path(name), "r");
	assert_non_null(f);
	size_t n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

/* Exit code of a command in the lab's folder. */
static int run(const char *format, ...)
{
	char line[2048], all[3072];
	va_list list;
	va_start(list, format);
	vsnprintf(line, sizeof line, format, list);
	va_end(list);
	snprintf(all, sizeof all, "cd %s && %s >out 2>&1", path("."), line);
	int status = system(all);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int set_up(void **state)
{
	(void)state;
	lab_open(&l);
	for (int i = 0; i < 32; i++) {
		trk[i] = (uint8_t)i;
		ink[i] = (uint8_t)(0x40 + i);
	}
	put("ink", ink, 32);
	put("trk", trk, 32);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_close(&l);
	return 0;
}

#define HMAC_BY "--hmackey:ink.1 ink --id-attr:Id " KMS_NS ":KmsRequest --id-attr:Id " KMS_NS ":KmsResponse"

static void xmlsec_verifies_our_requests(void **state)
{
	(void)state;
	const struct kms_request r = {.id = "req-7",
				      .user_uri = "sip:o'neill&<co>\"@example.org",
				      .kms_uri = "kms.example.org",
				      .time = 1390730752,
				      .client_id = "a > b & \"c\" \xc3\xa9",
				      .client_req_url = "https://kms.example.org/keymanagement/identity/v1/init",
				      .client_error = {3, "uid_mismatch: <period> 1389"}};
	struct writer w = wr_init(buf, sizeof buf);
	kms_request_sign(&w, &r, "ink.1", ink);
	assert_int_equal(w.err, MCSEC_OK);
	put("q.xml", buf, wr_len(&w));
	assert_int_equal(run("xmlsec1 --verify " HMAC_BY " q.xml"), 0);
	assert_int_not_equal(run("xmlsec1 --verify --hmackey:ink.1 trk --id-attr:Id " KMS_NS ":KmsRequest q.xml"), 0);
	assert_int_not_equal(run("sed s/period/perjod/ q.xml >bad.xml; xmlsec1 --verify " HMAC_BY " bad.xml"), 0);
}

static void xmlsec_verifies_our_wrapped_responses(void **state)
{
	(void)state;
	struct kms_vector v;
	kms_vector_open(&v);
	struct kms_response r = {.id = "rsp-7",
				 .user_uri = VECTOR_USER,
				 .kms_uri = VECTOR_KMS,
				 .time = 1390730753,
				 .client_req_url = "https://kms.example.org/keymanagement/identity/v1/keyprov",
				 .message = KMS_MSG_KEYPROV,
				 .n_sets = 1,
				 .sets = &v.set,
				 .n_new_keys = 1};
	assert_int_equal(kms_key_set_wrap(&v.set, trk, "tk.12", 0), MCSEC_OK);
	r.new_keys[0].is_ink = 1;
	strcpy(r.new_keys[0].key.key_name, "tk.12");
	strcpy(r.new_keys[0].key.carried, "ink.2");
	assert_int_equal(kms_wrap(trk, 0, OCTETS(ink), &r.new_keys[0].key), MCSEC_OK);
	struct writer w = wr_init(buf, sizeof buf);
	kms_response_sign(&w, &r, "ink.1", ink);
	assert_int_equal(w.err, MCSEC_OK);
	put("s.xml", buf, wr_len(&w));
	assert_int_equal(run("xmlsec1 --verify " HMAC_BY " s.xml"), 0);
	r.message = KMS_MSG_INIT;
	r.n_certs = 1;
	r.certs = &v.cert;
	w = wr_init(buf, sizeof buf);
	kms_response_sign(&w, &r, "ink.1", ink);
	assert_int_equal(w.err, MCSEC_OK);
	put("i.xml", buf, wr_len(&w));
	assert_int_equal(run("xmlsec1 --verify " HMAC_BY " i.xml"), 0);
	free(v.set.wrapped);
	kms_vector_close(&v);
}

/* Of the documents that the tests before left. */
static void the_published_schema_accepts_protected_documents(void **state)
{
	(void)state;
	static const char *const names[] = {"q.xml", "s.xml", "i.xml"};
	const char *schemas = getenv("MCX_SCHEMAS");
	if (!schemas)
		skip();
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(run("xmllint --nonet --noout --schema %s/kms-interface.xsd %s", schemas, names[i]), 0);
}

/* A template of the kind, with other prefixes, line ends and blanks than ours. */
static void put_template(const char *name, const char *root_id, const char *inner_id, const char *uri,
			 const char *transforms)
{
	char text[4096];
	int n = snprintf(
	    text, sizeof text,
	    "<?xml version=\"1.0\"?>\n<k:SignedKmsRequest xmlns:k=\"" KMS_NS
	    "\" xmlns:x=\"urn:x\"%s>\n  <k:KmsRequest%s "
	    "Version=\"1.1.0\">\n    <k:UserUri>sip:user@example.org</k:UserUri>\n    <!-- a note -->\n"
	    "    <k:KmsUri>kms.example.org</k:KmsUri>\n    <k:Time>2014-01-26T10:05:52Z</k:Time>\n"
	    "    <k:ClientReqUrl>https://kms.example.org/</k:ClientReqUrl>\n  </k:KmsRequest>\n"
	    "<Signature xmlns=\"" DS_NS "\"><SignedInfo>\n<CanonicalizationMethod Algorithm=\"" DSIG_C14N "\"/>"
	    "<SignatureMethod Algorithm=\"" DSIG_HMAC
	    "\"/><Reference URI=\"%s\">%s<DigestMethod Algorithm=\"" DSIG_SHA256
	    "\"/><DigestValue/></Reference></SignedInfo><SignatureValue/><KeyInfo><KeyName>ink.1</KeyName></KeyInfo>"
	    "</Signature></k:SignedKmsRequest>\n",
	    root_id, inner_id, uri, transforms);
	put(name, text, (size_t)n);
}

static void we_verify_what_xmlsec_signs(void **state)
{
	(void)state;
	static const char enveloped[] =
	    "<Transforms><Transform Algorithm=\"" DS_NS "enveloped-signature\"/></Transforms>";
	static const struct {
		const char *root_id, *inner_id, *uri, *transforms;
	} forms[] = {{"", " Id=\"in\"", "#in", ""}, {"", "", "", enveloped}, {" Id=\"out\"", "", "#out", enveloped}};
	for (size_t i = 0; i < 3; i++) {
		put_template("t.xml", forms[i].root_id, forms[i].inner_id, forms[i].uri, forms[i].transforms);
		assert_int_equal(
		    run("xmlsec1 --sign " HMAC_BY " --id-attr:Id " KMS_NS ":SignedKmsRequest --output t2.xml t.xml"),
		    0);
		size_t n = get("t2.xml", buf, sizeof buf);
		struct kms_signature s;
		struct kms_request r;
		struct _xmlDoc *doc = kms_parse((struct octets){buf, n}, KMS_MAX_REQUEST, &fault);
		assert_non_null(doc);
		assert_int_equal(kms_signature_of(&s, doc, 0, &fault), MCSEC_OK);
		assert_string_equal(s.key_name, "ink.1");
		assert_int_equal(kms_signature_verify(&s, ink), MCSEC_OK);
		assert_int_equal(kms_signature_verify(&s, trk), MCSEC_E_SIGNATURE);
		assert_int_equal(kms_request_of(&r, 0, doc, &fault), MCSEC_OK);
		assert_string_equal(r.user_uri, "sip:user@example.org");
		kms_parsed_free(doc);
	}
}

static void xmlsec_verifies_our_redirect_responses(void **state)
{
	(void)state;
	static uint8_t cert[16384], key[16384];
	lab_cert(&l, &(struct lab_cert){.name = "proc", .cn = "processor", .san = "DNS:proc.test"});
	size_t n = get("proc.pem", cert, sizeof cert), m = get("proc.key", key, sizeof key);
	struct krr_signer *s = krr_signer_new((struct octets){cert, n}, (struct octets){key, m});
	assert_non_null(s);
	struct krr *k = krr_new();
	strcpy(k->id, "krr-1");
	strcpy(k->initiator_uri, "sip:a@example.org");
	strcpy(k->receiver_uri, "sip:b@partner.example");
	strcpy(k->rejected_receiver_kms, "kms.old.partner.example");
	strcpy(k->processor_uri, "sip:c@partner.example");
	strcpy(k->key_id, "1a2b3c4d");
	k->time = 1390733998;
	struct writer w = wr_init(buf, sizeof buf);
	krr_sign(&w, k, s);
	assert_int_equal(w.err, MCSEC_OK);
	put("k.xml", buf, wr_len(&w));
	static const char verify[] =
	    "xmlsec1 --verify --trusted-pem ca.pem --id-attr:Id " KRR_NS ":KmsRedirectResponse %s";
	assert_int_equal(run(verify, "k.xml"), 0);
	assert_int_equal(run("sed s/1a2b3c4d/1a2b3c4e/ k.xml >bad.xml"), 0);
	assert_int_not_equal(run(verify, "bad.xml"), 0);
	krr_free(k);
	krr_signer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(xmlsec_verifies_our_requests),
	    cmocka_unit_test(xmlsec_verifies_our_wrapped_responses),
	    cmocka_unit_test(the_published_schema_accepts_protected_documents),
	    cmocka_unit_test(we_verify_what_xmlsec_signs),
	    cmocka_unit_test(xmlsec_verifies_our_redirect_responses),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

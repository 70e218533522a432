/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_xml_refuse.c - what the XML protection refuses (xml-protection 6 to 8). Each case changes one thing of a message
 * that passes; the verdict decides the answer: XML_BAD_INTEGRITY 403 with 139, XML_UNDECRYPTABLE 403 with 140. A
 * refused message is left as it was.
 */
#include "lab.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "mcx/xmlsec/element_crypt.h"

static struct lab *sent(void)
{
	struct lab *l = lab_new();
	lab_protect(l);
	lab_send(l);
	return l;
}

static void expect(struct lab *l, enum xml_verdict verdict)
{
	const uint8_t *before = l->m.parts[0].body.p;
	assert_int_equal(lab_open(l), verdict);
	assert_ptr_equal(l->m.parts[0].body.p, before);
	assert_true(l->opened.why[0] != 0);
	lab_free(l);
}

/* The signatures part with one text changed. */
static void expect_signature_refused(const char *from, const char *to)
{
	struct lab *l = sent();
	l->m.parts[2].body = lab_replace(l, l->m.parts[2].body, from, to);
	expect(l, XML_BAD_INTEGRITY);
}

/* Body 0 with one text changed, and signed again by the right key. */
static void expect_undecryptable(size_t part, const char *from, const char *to)
{
	struct lab *l = lab_new();
	lab_protect(l);
	l->parts[part].body = lab_replace(l, l->parts[part].body, from, to);
	lab_sign_again(l);
	lab_send(l);
	expect(l, XML_UNDECRYPTABLE);
}

/* A body with this text inside mcptt-client-id, signed. */
static struct lab *with_content(const char *inside)
{
	struct lab *l = lab_new();
	uint8_t *start = l->arena.at;
	wr_text(&l->arena, DECL "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-client-id>");
	wr_text(&l->arena, inside);
	wr_text(&l->arena, "</mcptt-client-id></mcptt-Params></mcpttinfo>");
	l->parts[0].body = (struct octets){start, (size_t)(l->arena.at - start)};
	lab_sign_again(l);
	lab_send(l);
	return l;
}

/* The same with an EncryptedData of this plaintext. */
static struct lab *with_plaintext(const char *plain)
{
	struct lab *l = lab_new();
	uint8_t text[4096], iv[XML_IV_LEN] = {3};
	struct writer w = wr_init(text, sizeof text - 1);
	assert_int_equal(element_encrypt(&w, &l->key, iv, octets_of(plain)), MCSEC_OK);
	*w.at = 0;
	lab_free(l);
	return with_content((char *)text);
}

static void no_signature_where_one_is_wanted(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->m.n = 2;
	expect(l, XML_BAD_INTEGRITY);
}

static void a_part_that_no_signature_names(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->m.parts[3] = l->m.parts[1];
	strcpy(l->m.parts[3].id, "stranger@x");
	l->m.n = 4;
	expect(l, XML_BAD_INTEGRITY);
}

static void a_changed_body(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->m.parts[1].body = lab_replace(l, l->m.parts[1].body, "<list>", "<list >");
	expect(l, XML_BAD_INTEGRITY);
}

static void two_parts_with_one_content_id(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->m.parts[3] = l->m.parts[0];
	l->m.n = 4;
	expect(l, XML_BAD_INTEGRITY);
}

static void two_signatures_parts(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->m.parts[3] = l->m.parts[2];
	l->m.n = 4;
	expect(l, XML_BAD_INTEGRITY);
}

static void the_bodies_exchanged_behind_their_signatures(void **state)
{
	(void)state;
	struct lab *l = sent();
	struct octets first = l->m.parts[0].body;
	l->m.parts[0].body = l->m.parts[1].body;
	l->m.parts[1].body = first;
	expect(l, XML_BAD_INTEGRITY);
}

static void a_signature_wrapped_around_another_reference(void **state)
{
	(void)state;
	/* the signed SignedInfo hidden in an Object, another one in its place */
	struct lab *l = sent();
	struct octets doc = l->m.parts[2].body;
	doc = lab_replace(l, doc, "<SignedInfo>", "<Object><SignedInfo>");
	doc = lab_replace(l, doc, "</SignedInfo>",
			  "</SignedInfo></Object><SignedInfo><CanonicalizationMethod "
			  "Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/><SignatureMethod "
			  "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"/></SignedInfo>");
	l->m.parts[2].body = doc;
	expect(l, XML_BAD_INTEGRITY);
}

static void one_part_named_by_two_references(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	struct signed_part twice[3] = {{"info1@mc.example.org", l->parts[0].body},
				       {"rl1@mc.example.org", l->parts[1].body},
				       {"info1@mc.example.org", l->parts[0].body}};
	uint8_t *start = l->arena.at;
	assert_int_equal(signatures_write(&l->arena, &l->key, twice, 3), MCSEC_OK);
	l->parts[2] = (struct body_out){.type = TYPE_SIGNED, .body = {start, (size_t)(l->arena.at - start)}};
	l->n = 3;
	lab_send(l);
	expect(l, XML_BAD_INTEGRITY);
}

static void a_reference_to_a_part_that_is_not_there(void **state)
{
	(void)state;
	struct lab *l = sent();
	strcpy(l->m.parts[1].id, "elsewhere@x");
	expect(l, XML_BAD_INTEGRITY);
}

static void references_that_are_no_cid(void **state)
{
	(void)state;
	expect_signature_refused("cid:info1@mc.example.org", "http://mc.example.org/info1");
	expect_signature_refused("cid:info1@mc.example.org", "file:///etc/passwd");
	expect_signature_refused("cid:info1@mc.example.org", "#info1");
	expect_signature_refused("cid:info1@mc.example.org", "");
}

static void a_foreign_key_name(void **state)
{
	(void)state;
	expect_signature_refused("<KeyName>LD1OXw==", "<KeyName>IREREQ==");
	expect_signature_refused("<KeyName>LD1OXw==", "<KeyName>LD1OXwA=");
	expect_signature_refused("<KeyName>LD1OXw==</KeyName>", "");
	expect_undecryptable(0, "<ds:KeyName>LD1OXw==", "<ds:KeyName>IREREQ==");
	expect_undecryptable(0, "<ds:KeyName>LD1OXw==</ds:KeyName>",
			     "<ds:KeyName>LD1OXw==</ds:KeyName><ds:KeyName>x</ds:KeyName>");
	expect_undecryptable(1, "key-id=LD1OXw==", "key-id=IREREQ==");
}

static void signed_under_one_bound_key_and_encrypted_under_another(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	struct xml_policy hide = {.confidentiality = 1}, sign = {.integrity = 1};
	assert_int_equal(xml_protect(&hide, &l->other, &l->rng, "h", l->parts, &l->n, 8, &l->arena), MCSEC_OK);
	assert_int_equal(xml_protect(&sign, &l->key, &l->rng, "h", l->parts, &l->n, 8, &l->arena), MCSEC_OK);
	l->list[1] = &l->other;
	l->keys.n = 2;
	lab_send(l);
	expect(l, XML_UNDECRYPTABLE);
}

static void other_algorithms(void **state)
{
	(void)state;
	expect_signature_refused("xmldsig-more#hmac-sha256", "xmldsig-more#hmac-sha384");
	expect_signature_refused("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1");
	expect_signature_refused("REC-xml-c14n-20010315", "REC-xml-c14n-20010315#WithComments");
	expect_undecryptable(0, "xmlenc11#aes128-gcm", "xmlenc11#aes256-gcm");
	expect_undecryptable(0, "2009/xmlenc11#aes128-gcm", "2001/04/xmlenc#aes128-cbc");
	expect_undecryptable(1, "alg=128-aes-gcm", "alg=128-aes-cbc");
}

/* Both ends hold the CSK, and disagree about the suite: the keys differ in both directions. */
static void mcx_sec_199_the_other_suites_keys_fail_closed(void **state)
{
	(void)state;
	static const struct {
		int integrity, confidentiality;
		enum xml_verdict verdict;
	} policies[] = {{1, 1, XML_BAD_INTEGRITY}, {1, 0, XML_BAD_INTEGRITY}, {0, 1, XML_UNDECRYPTABLE}};
	for (size_t i = 0; i < 6; i++) {
		struct lab *l = lab_new();
		struct xml_key shorter = l->key, longer;
		uint8_t csk[16];
		unhex("5b2d9c41e07f3a68b1c4d2e95f607183", csk, sizeof csk);
		assert_int_equal(xml_key_derive_long(&longer, csk, CSK_ID, ALICE, XML_KEY_MAX), MCSEC_OK);
		l->policy.integrity = policies[i / 2].integrity;
		l->policy.confidentiality = policies[i / 2].confidentiality;
		l->key = i % 2 ? longer : shorter;
		lab_protect(l);
		l->key = i % 2 ? shorter : longer;
		lab_send(l);
		expect(l, policies[i / 2].verdict);
	}
}

/* A signatures part of one reference whose MAC has eight bits, and is the right one. */
static void eight_bits_of_the_right_mac(struct lab *l)
{
	static const char info[] =
	    "<CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\">"
	    "</CanonicalizationMethod><SignatureMethod "
	    "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"><HMACOutputLength>8"
	    "</HMACOutputLength></SignatureMethod><Reference URI=\"cid:info1@mc.example.org\">"
	    "<DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></DigestMethod>"
	    "<DigestValue>%s</DigestValue></Reference></SignedInfo>";
	uint8_t octets[32];
	char digest[BASE64_SIZE(32)], value[BASE64_SIZE(1)], text[2048], canonical[2048];
	assert_non_null(SHA256(l->m.parts[0].body.p, l->m.parts[0].body.len, octets));
	base64_encode(OCTETS(octets), digest);
	snprintf(text, sizeof text, info, digest);
	int n =
	    snprintf(canonical, sizeof canonical, "<SignedInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\">%s", text);
	assert_non_null(HMAC(EVP_sha256(), l->key.integrity, 16, (uint8_t *)canonical, (size_t)n, octets, NULL));
	base64_encode((struct octets){octets, 1}, value);
	uint8_t *start = l->arena.at;
	wr_text(&l->arena, "<signatures xmlns=\"urn:3gpp:ns:mcpttSignedDoc:1.0\"><Signature "
			   "xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>");
	wr_text(&l->arena, text);
	wr_text(&l->arena, "<SignatureValue>");
	wr_text(&l->arena, value);
	wr_text(&l->arena, "</SignatureValue><KeyInfo><KeyName>LD1OXw==</KeyName></KeyInfo></Signature></signatures>");
	l->m.parts[1] = l->m.parts[2];
	l->m.parts[1].body = (struct octets){start, (size_t)(l->arena.at - start)};
	l->m.n = 2;
}

static void a_truncated_mac(void **state)
{
	(void)state;
	struct lab *l = sent();
	eight_bits_of_the_right_mac(l);
	expect(l, XML_BAD_INTEGRITY);
	static const char method[] =
	    "<SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"/>";
	static const char with[] = "<SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\">"
				   "<HMACOutputLength>8</HMACOutputLength></SignatureMethod>";
	expect_signature_refused(method, with);
	expect_signature_refused("s2yRQ6Wy2U0YKIPGx+LO7ehbuqvyLcGAS9rfK5eoo84=", "s2yRQ6Wy2U0YKIPGx+LO7Q==");
	expect_signature_refused("s2yRQ6Wy2U0YKIPGx+LO7ehbuqvyLcGAS9rfK5eoo84=", "");
}

static void transforms_that_select(void **state)
{
	(void)state;
	static const char digest[] = "<DigestMethod";
	expect_signature_refused(digest, "<Transforms><Transform Algorithm=\"http://www.w3.org/TR/1999/"
					 "REC-xpath-19991116\"><XPath>1</XPath></Transform></Transforms><DigestMethod");
}

static void comments_and_entities_in_odd_places(void **state)
{
	(void)state;
	expect_signature_refused("<SignedInfo>", "<SignedInfo><!-- -->");
	expect_signature_refused("<KeyName>LD1", "<KeyName>LD<!-- -->1");
	expect_signature_refused("<SignatureValue>", "<SignatureValue><?pi?>");
	expect_signature_refused("\r\n<signatures", "<!DOCTYPE signatures [<!ENTITY x 'y'>]>\r\n<signatures");
	expect_undecryptable(0, "<xenc:CipherValue>", "<xenc:CipherValue><!-- -->");
	expect_undecryptable(0, "<xenc:EncryptedData", "<!-- --><xenc:EncryptedData");
	expect_undecryptable(0, "</xenc:EncryptedData>", "</xenc:EncryptedData>text");
	expect_undecryptable(0, "\r\n<mcpttinfo", "<!DOCTYPE mcpttinfo>\r\n<mcpttinfo");
	expect_undecryptable(0, "<request-type>private", "<request-type>private<!-- -->");
	expect_undecryptable(0, "<request-type>", "<request-type>&undeclared;");
}

static void ciphertexts_that_do_not_open(void **state)
{
	(void)state;
	expect_undecryptable(0, "UWtg==</xenc", "UWtA==</xenc");
	expect_undecryptable(0, "oKGio6Slpqeo", "oKGio6Slpqep");
	expect_undecryptable(0, "<xenc:CipherValue>oKGi", "<xenc:CipherValue>*KGi");
	expect_undecryptable(1, "e6nsf5C", "e6nsf5D");
	expect_undecryptable(1, "iv=sLGys7S1tre4ubq7", "iv=sLGys7S1tre4ubo=");
	expect_undecryptable(1, ";iv=sLGys7S1tre4ubq7", "");
}

static void an_encrypted_element_beside_a_clear_one(void **state)
{
	(void)state;
	expect_undecryptable(0, "<xenc:EncryptedData", "<mcpttString>mallory</mcpttString><xenc:EncryptedData");
}

static void plaintexts_that_are_not_one_element(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "<mcpttString>a</mcpttString><mcpttString>b</mcpttString>",
	    "<mcpttString>a</mcpttString>tail",
	    "<mcpttString>a",
	    "</w><w><mcpttString>a</mcpttString>",
	    "<!-- c --><mcpttString>a</mcpttString>",
	    "<!DOCTYPE w><mcpttString>a</mcpttString>",
	    "<unbound:mcpttString>a</unbound:mcpttString>",
	    "a\nb",
	    "\x01",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect(with_plaintext(bad[i]), XML_UNDECRYPTABLE);
}

static void something_encrypted_inside_a_plaintext(void **state)
{
	(void)state;
	expect(with_plaintext("<x xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:EncryptedData/></x>"),
	       XML_UNDECRYPTABLE);
	expect(with_plaintext("<mcpttURI>sip:AAAA;iv=sLGys7S1tre4ubq7;key-id=LD1OXw==;alg=128-aes-gcm@"
			      "mc1-encrypted.3gppnetwork.org</mcpttURI>"),
	       XML_UNDECRYPTABLE);
}

static void documents_that_are_too_deep_or_too_wide(void **state)
{
	(void)state;
	char deep[2048] = "", wide[4096] = "<x ";
	for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
		strcat(deep, "<d>");
	for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
		strcat(deep, "</d>");
	for (int i = 0; i < XML_ATTRIBUTES_MAX + 1; i++)
		sprintf(wide + strlen(wide), "a%d=\"\" ", i);
	strcat(wide, "/>");
	expect(with_content(deep), XML_UNDECRYPTABLE);
	expect(with_content(wide), XML_UNDECRYPTABLE);
}

static void more_encrypted_items_than_the_limit(void **state)
{
	(void)state;
	static const char entry[] = "<entry uri=\"sip:bob@mc.example.org\"/>";
	struct lab *l = lab_new();
	uint8_t *start = l->arena.at;
	wr_text(&l->arena, DECL "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>");
	for (int i = 0; i < XML_ITEMS_MAX + 1; i++)
		wr_text(&l->arena, entry);
	wr_text(&l->arena, "</list></resource-lists>");
	l->parts[1].body = (struct octets){start, (size_t)(l->arena.at - start)};
	lab_protect(l);
	lab_send(l);
	expect(l, XML_UNDECRYPTABLE);
}

static void a_body_larger_than_the_limit_before_it_is_parsed(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	uint8_t *large = calloc(1, XML_BODY_MAX + 1);
	l->policy.integrity = 0;
	lab_send(l);
	l->m.parts[0].body = (struct octets){large, XML_BODY_MAX + 1};
	expect(l, XML_UNDECRYPTABLE);
	free(large);
}

static void a_protected_message_when_no_key_is_bound(void **state)
{
	(void)state;
	struct lab *l = sent();
	l->keys.n = 0;
	expect(l, XML_UNDECRYPTABLE);
}

static void a_clear_value_where_confidentiality_is_required(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	lab_sign_again(l);
	lab_send(l);
	l->policy.require_confidentiality = 1;
	expect(l, XML_UNDECRYPTABLE);
}

static void a_sender_refuses_a_target_that_is_no_uri(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	l->parts[1].body = lab_replace(l, l->parts[1].body, "sip:bob@mc.example.org", "bob");
	assert_int_equal(xml_protect(&l->policy, &l->key, &l->rng, "h", l->parts, &l->n, 8, &l->arena), MCSEC_E_VALUE);
	lab_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_signature_where_one_is_wanted),
	    cmocka_unit_test(a_part_that_no_signature_names),
	    cmocka_unit_test(a_changed_body),
	    cmocka_unit_test(two_parts_with_one_content_id),
	    cmocka_unit_test(two_signatures_parts),
	    cmocka_unit_test(the_bodies_exchanged_behind_their_signatures),
	    cmocka_unit_test(a_signature_wrapped_around_another_reference),
	    cmocka_unit_test(one_part_named_by_two_references),
	    cmocka_unit_test(a_reference_to_a_part_that_is_not_there),
	    cmocka_unit_test(references_that_are_no_cid),
	    cmocka_unit_test(a_foreign_key_name),
	    cmocka_unit_test(signed_under_one_bound_key_and_encrypted_under_another),
	    cmocka_unit_test(other_algorithms),
	    cmocka_unit_test(mcx_sec_199_the_other_suites_keys_fail_closed),
	    cmocka_unit_test(a_truncated_mac),
	    cmocka_unit_test(transforms_that_select),
	    cmocka_unit_test(comments_and_entities_in_odd_places),
	    cmocka_unit_test(ciphertexts_that_do_not_open),
	    cmocka_unit_test(an_encrypted_element_beside_a_clear_one),
	    cmocka_unit_test(plaintexts_that_are_not_one_element),
	    cmocka_unit_test(something_encrypted_inside_a_plaintext),
	    cmocka_unit_test(documents_that_are_too_deep_or_too_wide),
	    cmocka_unit_test(more_encrypted_items_than_the_limit),
	    cmocka_unit_test(a_body_larger_than_the_limit_before_it_is_parsed),
	    cmocka_unit_test(a_protected_message_when_no_key_is_bound),
	    cmocka_unit_test(a_clear_value_where_confidentiality_is_required),
	    cmocka_unit_test(a_sender_refuses_a_target_that_is_no_uri),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

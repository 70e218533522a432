/* SPDX-License-Identifier: Apache-2.0 */
/* test_xml_example.c - the worked example of xml-protection 10 octet for octet, in both directions. */
#include "lab.h"

#define INFO_PROTECTED                                                                                                 \
	DECL "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-client-id type=\"Encrypted\">"       \
	     "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" "                                   \
	     "Type=\"http://www.w3.org/2001/04/xmlenc#Content\"><xenc:EncryptionMethod "                               \
	     "Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/><ds:KeyInfo "                                  \
	     "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:KeyName>LD1OXw==</ds:KeyName></ds:KeyInfo>"          \
	     "<xenc:CipherData><xenc:CipherValue>"                                                                     \
	     "oKGio6Slpqeoqaqr/M3INAxEdWIpwfDcQEsGkjcKJF+0/JRoqj4/c03odjD6LZAeZs6QjNMcBpPfb9wdPjWgc9KFdi/MINTSOxkdX3j" \
	     "QF3g9uIvaLaHC5Rh9fgY0Guq1jjUWtg==</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"             \
	     "</mcptt-client-id><anyExt><request-type>private-call-call-back-request</request-type></anyExt>"          \
	     "</mcptt-Params></mcpttinfo>"
#define LISTS_PROTECTED                                                                                                \
	DECL "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry "                           \
	     "uri=\"sip:e6nsf5CjuzxvxBLO1asH1eJC7QXadcaiilvI3i9t05BkEAgFVOM=;iv=sLGys7S1tre4ubq7;key-id=LD1OXw==;"     \
	     "alg=128-aes-gcm@mc1-encrypted.3gppnetwork.org\"/></list></resource-lists>"
#define SIGNATURE(cid, digest, value)                                                                                  \
	"<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo><CanonicalizationMethod "                 \
	"Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/><SignatureMethod "                             \
	"Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"/><Reference URI=\"cid:" cid                  \
	"\"><DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue>" digest                 \
	"</DigestValue></Reference></SignedInfo><SignatureValue>" value                                                \
	"</SignatureValue><KeyInfo><KeyName>LD1OXw==</KeyName></KeyInfo></Signature>"
#define SIGNATURES                                                                                                     \
	DECL "<signatures xmlns=\"urn:3gpp:ns:mcpttSignedDoc:1.0\">" SIGNATURE(                                        \
	    "info1@mc.example.org",                                                                                    \
	    "YNP0E5/e6TsTk9Tel3ub8dxgKPTwjIYt2FegQG43wtQ=", "2G1tYuCLCUXZxNuCoxw48bA/DixpEsp/MUwYewtQw1U=")            \
	    SIGNATURE("rl1@mc.example.org", "MhSetYsIcPuW2NyQhh7oFnS3rWLbYYz5S7w7skRjBBQ=",                            \
		      "s2yRQ6Wy2U0YKIPGx+LO7ehbuqvyLcGAS9rfK5eoo84=") "</signatures>"

static void the_keys_of_the_example_come_from_its_csk(void **state)
{
	(void)state;
	struct xml_key key = lab_key();
	uint8_t want[16];
	unhex("d9fe707bb39b43274ec5aa6539d1608d", want, sizeof want);
	assert_memory_equal(key.confidentiality, want, sizeof want);
	unhex("05b070e1c3d5e8fbe83c7f73dff66403", want, sizeof want);
	assert_memory_equal(key.integrity, want, sizeof want);
}

static void the_bodies_of_the_example_come_out_octet_for_octet(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	lab_protect(l);
	assert_int_equal(l->n, 3);
	assert_text(l->parts[0].body, INFO_PROTECTED);
	assert_int_equal(l->parts[0].body.len, 781);
	assert_text(l->parts[1].body, LISTS_PROTECTED);
	assert_int_equal(l->parts[1].body.len, 285);
	assert_string_equal(l->parts[2].type, TYPE_SIGNED);
	assert_text(l->parts[2].body, SIGNATURES);
	lab_free(l);
}

static void the_example_opens_to_what_it_was_made_of(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	lab_protect(l);
	lab_send(l);
	assert_int_equal(lab_open(l), XML_PASSED);
	assert_true(l->opened.protected);
	assert_int_equal(l->opened.key_id, CSK_ID);
	assert_int_equal(l->opened.seen.n, 2);
	assert_int_equal(l->opened.seen.clear_sensitive, 0);
	/* the decrypted child keeps the namespace declaration of its plaintext */
	struct octets want =
	    lab_replace(l, octets_of(INFO_CLEAR), "<mcpttString>", "<mcpttString xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">");
	assert_int_equal(l->m.parts[0].body.len, want.len);
	assert_memory_equal(l->m.parts[0].body.p, want.p, want.len);
	assert_text(l->m.parts[1].body, LISTS_CLEAR);
	lab_free(l);
}

static void one_octet_changed_anywhere_fails(void **state)
{
	(void)state;
	struct lab *l = lab_new();
	size_t passed = 0;
	lab_protect(l);
	for (size_t part = 0; part < 3; part++)
		for (size_t at = 0; at < l->parts[part].body.len; at += 7) {
			struct writer before = l->arena;
			lab_send(l);
			uint8_t *copy = l->arena.at;
			wr_octets(&l->arena, l->parts[part].body);
			copy[at] ^= 1;
			l->m.parts[part].body.p = copy;
			if (part < 2)
				assert_int_equal(lab_open(l), XML_BAD_INTEGRITY);
			else
				passed += lab_open(l) == XML_PASSED;
			l->arena = before;
		}
	/* In the signatures part only the declaration and the namespace of its root are not covered by anything. */
	assert_in_range(passed, 0, 12);
	lab_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_keys_of_the_example_come_from_its_csk),
	    cmocka_unit_test(the_bodies_of_the_example_come_out_octet_for_octet),
	    cmocka_unit_test(the_example_opens_to_what_it_was_made_of),
	    cmocka_unit_test(one_octet_changed_anywhere_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two short cuts of the XML protection, each held against the long way: canonical forms of plain shapes against
 * libxml2's, plaintexts read without a parser against the parser's reading (a line end behind a plaintext makes it go
 * that way, and changes nothing else).
 */
#include "lab.h"

#include <unistd.h>

#include "mcx/doc/xml.h"
#include "mcx/xmlsec/c14n.h"
#include "mcx/xmlsec/element_crypt.h"

enum { ROOM = 8192 };

static const char *const algorithms[] = {ALG_C14N, ALG_C14N_EXC};

/* The element named "at" of a document. */
/* NOLINTNEXTLINE(misc-no-recursion): the documents are the tests' own */
static const xmlNode *find_at(const xmlNode *node)
{
	for (; node; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		if (xmlStrEqual(node->name, (const xmlChar *)"at"))
			return node;
		const xmlNode *below = find_at(node->children);
		if (below)
			return below;
	}
	return NULL;
}

/* Both ways and both algorithms give the same octets; the shape is what the caller says. */
static void canonical(const char *text, int plain)
{
	static uint8_t room[2][ROOM];
	xmlDoc *doc = NULL;
	assert_int_equal(xml_read(octets_of(text), ROOM, NULL, NULL, &doc), MCSEC_OK);
	const xmlNode *at = find_at(xmlDocGetRootElement(doc));
	assert_non_null(at);
	if (c14n_is_plain(at) != plain)
		fail_msg("%s is%s of the plain shape", text, plain ? " not" : "");
	for (size_t i = 0; i < 2; i++) {
		struct writer ours = wr_init(room[0], ROOM), theirs = wr_init(room[1], ROOM);
		enum mcsec_err e = c14n_write_any(&theirs, doc, at, algorithms[i]);
		assert_int_equal(c14n_write(&ours, doc, at, algorithms[i]), e);
		if (!octets_equal(wr_result(&ours), wr_result(&theirs)))
			fail_msg("%s: %.*s", text, (int)wr_len(&ours), room[0]);
	}
	xmlFreeDoc(doc);
}

static void plain_shapes_are_written_as_libxml2_writes_them(void **state)
{
	(void)state;
	static const char *const documents[] = {
	    "<at xmlns='urn:a'/>",
	    "<at xmlns='urn:a'>text</at>",
	    "<r xmlns='urn:r'><at xmlns='urn:a'>text</at></r>",
	    "<r xmlns='urn:a'><s><at>text<b/>more</at></s></r>",
	    "<r xmlns='urn:a' lang='x'><at><b c='d'>e</b><f xmlns='urn:a'/></at></r>",
	    "<at xmlns='http://www.w3.org/2000/09/xmldsig#'>x</at>",
	    "<at xmlns='urn:a'>&amp; &lt; &gt; \" ' &#13; &#10;\n\t &#x20ac; <![CDATA[<in> & out]]></at>",
	    "<at xmlns='urn:a'><b c=\"&amp; &lt; > &quot; ' &#9; &#10; &#13; \xc3\xa4\"/></at>",
	    "<at xmlns='urn:a'><b c=''></b>\r\n</at>",
	    "<at xmlns='urn:a'><b><c><d><e><f><g>seven</g></f></e></d></c></b></at>",
	};
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
		canonical(documents[i], 1);
}

static void other_shapes_are_left_to_libxml2(void **state)
{
	(void)state;
	static const char *const documents[] = {
	    "<at>no namespace</at>",
	    "<at xmlns='urn:a' xmlns:p='urn:p'>a prefix declared</at>",
	    "<r xmlns='urn:a' xmlns:p='urn:p'><at>a prefix declared around it</at></r>",
	    "<p:at xmlns:p='urn:p'>prefixed</p:at>",
	    "<at xmlns='urn:a'><b xmlns:p='urn:p'/></at>",
	    "<at xmlns='urn:a'><b xmlns='urn:b'/></at>",
	    "<at xmlns='urn:a'><b xmlns=''/></at>",
	    "<at xmlns='urn:a' z='1' y='2'>to be sorted</at>",
	    "<at xmlns='urn:a' xml:lang='en'/>",
	    "<r xmlns='urn:a' xml:lang='en' xml:space='preserve'><at>inherits</at></r>",
	    "<at xmlns='urn:a'>a<!-- comment -->b</at>",
	    "<at xmlns='urn:a'>a<?pi?>b</at>",
	    "<at xmlns='urn:a'><b><c><d><e><f><g><h><i>nine</i></h></g></f></e></d></c></b></at>",
	    "<at xmlns='http://example.org/a'>x</at>",
	    "<at xmlns='urn:a b'>x</at>",
	    "<at xmlns='relative'>x</at>",
	};
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
		canonical(documents[i], 0);
}

/* The opened body, or the error, in w. */
static enum mcsec_err opened(struct writer *w, const char *root, const char *plain, struct xml_seen *seen)
{
	static uint8_t text[ROOM];
	const uint8_t iv[XML_IV_LEN] = {5};
	struct xml_key key = lab_key();
	const struct xml_key *list[] = {&key};
	const struct xml_keys keys = {list, 1};
	struct writer body = wr_init(text, sizeof text);
	wr_text(&body, DECL);
	wr_text(&body, root);
	wr_text(&body, "<mcptt-Params><mcptt-client-id type=\"Encrypted\">");
	assert_int_equal(element_encrypt(&body, &key, iv, octets_of(plain)), MCSEC_OK);
	wr_text(&body, "</mcptt-client-id></mcptt-Params></mcpttinfo>");
	memset(seen, 0, sizeof *seen);
	return xml_body_open(w, &keys, wr_result(&body), seen);
}

static void plaintexts_read_without_a_parser_are_read_as_it_reads_them(void **state)
{
	(void)state;
	static const char *const roots[] = {"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">", "<mcpttinfo>"};
	static const char *const plaintexts[] = {
	    "<mcpttString xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">client-1</mcpttString>",
	    "<mcpttString>client-1</mcpttString>",
	    "<mcpttURI> sip:a@b;x=\"y\" </mcpttURI>",
	    "<a>b</a>",
	    "<a></a>",
	    "<a/>",
	    "<a >b</a >",
	    "<1>b</1>",
	    "<a.b>b</a.b>",
	    "<:a>b</:a>",
	    "<a:b>b</a:b>",
	    "<a>b</b>",
	    "<a>b</ab>",
	    "<ab>b</a>",
	    "<a>b</a",
	    "<a>b<",
	    "<a>",
	    "<a",
	    "<",
	    "<a>b</a>c",
	    "<a>b</a><a>b</a>",
	    "<a>b</a></w><w>",
	    "<a>b&amp;c</a>",
	    "<a>b&c</a>",
	    "<a>b>c</a>",
	    "<a>b\tc</a>",
	    "<a>b\x01</a>",
	    "<a>b\x7f</a>",
	    "<a>\xc3\xa4</a>",
	    "<a>\xc3</a>",
	    "<a b=\"c\">d</a>",
	    "<a xmlns=\"\">b</a>",
	    "<a xmlns=\"urn:other\">b</a>",
	    "<a xmlns='urn:3gpp:ns:mcpttInfo:1.0'>b</a>",
	    "<a xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\" >b</a>",
	    "<a xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"/>",
	    "<a xmlns=\"urn:3gpp:ns:mcpttInfo:1.0>b</a>",
	    "<EncryptedData>b</EncryptedData>",
	    "<EncryptedData xmlns=\"http://www.w3.org/2001/04/xmlenc#\">b</EncryptedData>",
	    "<a>sip:eA==;iv=AAAA;key-id=LD1OXw==;alg=128-aes-gcm@mc1-encrypted.3gppnetwork.org</a>",
	};
	static uint8_t room[2][ROOM];
	for (size_t i = 0; i < sizeof plaintexts / sizeof *plaintexts; i++)
		for (size_t r = 0; r < sizeof roots / sizeof *roots; r++) {
			char longer[256];
			struct xml_seen seen[2];
			struct writer w[2] = {wr_init(room[0], ROOM), wr_init(room[1], ROOM)};
			snprintf(longer, sizeof longer, "%s\n", plaintexts[i]);
			enum mcsec_err e = opened(&w[0], roots[r], plaintexts[i], &seen[0]);
			if (e != opened(&w[1], roots[r], longer, &seen[1]) ||
			    (!e && !octets_equal(wr_result(&w[0]), wr_result(&w[1]))))
				fail_msg("%s: %d, %.*s", plaintexts[i], e, (int)wr_len(&w[0]), room[0]);
			assert_int_equal(seen[0].n, seen[1].n);
		}
}

static void what_a_document_makes_the_parser_say_is_not_on_standard_error(void **state)
{
	(void)state;
	static const uint8_t lone_surrogate[] = {0xff, 0xfe, '<', 0, 'a', 0, '>', 0, 0,   0xd8,
						 'x',  0,    '<', 0, '/', 0, 'a', 0, '>', 0};
	static const uint8_t four_octets[] = {0, 0, 0, '<', 0, 0, 0, 'a', 0, 0, 0, '>', 0xff, 0xff, 0xff, 0xff, 0, 0};
	const struct octets documents[] = {OCTETS(lone_surrogate), OCTETS(four_octets),
					   octets_of("<?xml version='1.0' encoding='ascii'?><a>\xc3\xa4</a>"),
					   octets_of("<a xmlns='b'><a></b>")};
	FILE *said = tmpfile();
	int before = dup(2);
	assert_true(said && before >= 0 && dup2(fileno(said), 2) == 2);
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
		xmlDoc *doc = NULL;
		(void)!xml_read(documents[i], ROOM, NULL, NULL, &doc);
		xmlFreeDoc(doc);
	}
	canonical("<at xmlns='relative'>x</at>", 0);
	fflush(stderr);
	dup2(before, 2);
	close(before);
	assert_int_equal(lseek(fileno(said), 0, SEEK_END), 0);
	fclose(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_shapes_are_written_as_libxml2_writes_them),
	    cmocka_unit_test(other_shapes_are_left_to_libxml2),
	    cmocka_unit_test(what_a_document_makes_the_parser_say_is_not_on_standard_error),
	    cmocka_unit_test(plaintexts_read_without_a_parser_are_read_as_it_reads_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

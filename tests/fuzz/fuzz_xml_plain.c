/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_xml_plain.c - the short cuts of the XML protection. The input is tried as a document whose elements are
 * canonicalised, and as the plaintext of an encrypted element.
 *
 * Invariants: an element of the plain shape is written as libxml2 writes it, if it does (c14n.h); a plaintext that is
 * read without a parser reads as the parser reads it (a line end behind it changes nothing else).
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/xml.h"
#include "mcx/xmlsec/body_crypt.h"
#include "mcx/xmlsec/c14n.h"
#include "mcx/xmlsec/element_crypt.h"

enum { MAX = 4096, ROOM = 16 * MAX, ELEMENTS = 16 };

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than the reader lets a document be */
static void canonical(xmlDoc *doc, const xmlNode *node, unsigned *left)
{
	static uint8_t room[2][ROOM];
	for (; node && *left; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		--*left;
		if (c14n_is_plain(node)) {
			struct writer ours = wr_init(room[0], ROOM), theirs = wr_init(room[1], ROOM);
			HOLDS(c14n_write(&ours, doc, node, ALG_C14N) == MCSEC_OK);
			HOLDS(c14n_write_any(&theirs, doc, node, ALG_C14N) != MCSEC_OK ||
			      octets_equal(wr_result(&ours), wr_result(&theirs)));
			theirs = wr_init(room[1], ROOM);
			HOLDS(c14n_write_any(&theirs, doc, node, ALG_C14N_EXC) != MCSEC_OK ||
			      octets_equal(wr_result(&ours), wr_result(&theirs)));
		}
		canonical(doc, node->children, left);
	}
}

static enum mcsec_err opened(struct writer *w, struct octets plain)
{
	static const uint8_t xpk[16] = "nobody guesses!", iv[XML_IV_LEN] = {1};
	static uint8_t text[ROOM];
	static struct xml_key key;
	static struct xml_seen seen;
	const struct xml_key *list[] = {&key};
	const struct xml_keys keys = {list, 1};
	struct writer body = wr_init(text, sizeof text);
	if (!key.id)
		HOLDS(xml_key_derive(&key, xpk, 0x20000001, "sip:alice@run.mcx.test") == MCSEC_OK);
	seen.n = 0;
	wr_text(&body, "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-client-id>");
	HOLDS(element_encrypt(&body, &key, iv, plain) == MCSEC_OK);
	wr_text(&body, "</mcptt-client-id></mcptt-Params></mcpttinfo>");
	return xml_body_open(w, &keys, wr_result(&body), &seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[2][ROOM], longer[MAX + 1];
	xmlDoc *doc = NULL;
	if (size >= MAX)
		return 0;
	if (xml_read((struct octets){data, size}, MAX, NULL, NULL, &doc) == MCSEC_OK) {
		unsigned left = ELEMENTS;
		canonical(doc, xmlDocGetRootElement(doc), &left);
		xmlFreeDoc(doc);
	}
	if (!memchr(data, '<', size)) /* bare text, another rule */
		return 0;
	struct writer w[2] = {wr_init(room[0], ROOM), wr_init(room[1], ROOM)};
	memcpy(longer, data, size);
	longer[size] = '\n';
	enum mcsec_err e = opened(&w[0], (struct octets){data, size});
	HOLDS(opened(&w[1], (struct octets){longer, size + 1}) == e);
	HOLDS(e || octets_equal(wr_result(&w[0]), wr_result(&w[1])));
	return 0;
}

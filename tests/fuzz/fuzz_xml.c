/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_xml.c - the one way in which XML from the wire is read, and text written into it.
 *
 * Invariants: what is read has a root and no DTD; a document larger than its bound is refused; a text, of an
 * element or of anybody, is refused by the writer or written so that it reads back the same but for blanks around it.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/xml.h"

enum { MAX = 4096 };

static void written_reads_back(const char *text)
{
	static uint8_t out[8 * MAX];
	char again[MAX];
	xmlDoc *doc = NULL;
	struct writer w = wr_init(out, sizeof out);
	xml_put_element(&w, "a", text);
	if (w.err)
		return;
	HOLDS(xml_read(wr_result(&w), sizeof out, "", "a", &doc) == MCSEC_OK);
	HOLDS(xml_text(xmlDocGetRootElement(doc), again, sizeof again) == MCSEC_OK);
	const char *begin = text + strspn(text, " ");
	HOLDS(!strncmp(again, begin, strlen(again)) && !begin[strlen(again) + strspn(begin + strlen(again), " ")]);
	xmlFreeDoc(doc);
}

static void walk(const xmlNode *n, unsigned depth)
{
	char text[MAX];
	HOLDS(depth < 1000);
	for (; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE)
			continue;
		unsigned count;
		xmlNode *child = xml_child(n, "", "a", &count);
		HOLDS(child ? count == 1 : count != 1);
		if (xml_text(n, text, sizeof text) == MCSEC_OK)
			written_reads_back(text);
		walk(n->children, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmlDoc *doc = NULL;
	struct octets in = {data, size};
	char text[MAX];
	if (size < sizeof text && !memchr(data, 0, size)) {
		memcpy(text, data, size);
		text[size] = 0;
		written_reads_back(text);
	}
	if (xml_read(in, MAX, NULL, NULL, &doc) == MCSEC_OK) {
		HOLDS(size && size <= MAX && doc && !doc->intSubset && !doc->extSubset && xmlDocGetRootElement(doc));
		walk(xmlDocGetRootElement(doc), 0);
		xmlFreeDoc(doc);
		HOLDS(xml_read(in, size - 1, NULL, NULL, &doc) == MCSEC_E_LENGTH);
	}
	return 0;
}

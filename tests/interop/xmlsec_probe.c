/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xmlsec_probe.c - our XML protection as a command, for test_xmlsec1.py.
 *
 *     xmlsec_probe protect DIR    writes info.xml, lists.xml, signed.xml and the two keys into DIR
 *     xmlsec_probe open DIR       opens what stands in DIR; prints the verdict, then the clear info.xml
 *     xmlsec_probe protect DIR TYPE   DIR/info.xml, a body of this type, in its place; signed.xml and the keys too
 *     xmlsec_probe open DIR TYPE      opens info.xml and signed.xml
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcx/xmlsec/xmlsec.h"

#define DECL "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
#define INFO                                                                                                           \
	DECL "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><session-type>private</session-type>"       \
	     "<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:bob@mc.example.org</mcpttURI></mcptt-request-uri>"      \
	     "<emergency-ind type=\"Normal\"><mcpttBoolean>true</mcpttBoolean></emergency-ind>"                        \
	     "<mcptt-client-id type=\"Normal\"><mcpttString>urn:uuid:1</mcpttString></mcptt-client-id>"                \
	     "</mcptt-Params></mcpttinfo>"
#define LISTS                                                                                                          \
	DECL "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>"                                  \
	     "<entry uri=\"sip:bob@mc.example.org\"/></list></resource-lists>"

static const uint8_t csk[16] = {0x5b, 0x2d, 0x9c, 0x41, 0xe0, 0x7f, 0x3a, 0x68,
				0xb1, 0xc4, 0xd2, 0xe9, 0x5f, 0x60, 0x71, 0x83};
static const char *const names[] = {"info.xml", "lists.xml", "signed.xml"};

static int in_folder(const char *dir, const char *name, const char *mode, uint8_t *p, size_t *len)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, mode);
	if (!f)
		return 0;
	size_t n = *mode == 'r' ? fread(p, 1, *len, f) : fwrite(p, 1, *len, f);
	int ok = *mode == 'r' || n == *len;
	*len = n;
	return fclose(f) == 0 && ok;
}

static int keys_out(const char *dir, struct xml_key *key)
{
	size_t len = key->len;
	return in_folder(dir, "integrity.key", "w", key->integrity, &len) &&
	       in_folder(dir, "confidentiality.key", "w", key->confidentiality, &len);
}

/* The one body that stands in info.xml. */
static int protect_one(const char *dir, const char *type, struct xml_key *key, struct writer *arena)
{
	static uint8_t text[65536];
	size_t n = 1, len = sizeof text;
	if (!in_folder(dir, names[0], "r", text, &len))
		return 0;
	struct body_out parts[2] = {{type, "info1@mc.example.org", {text, len}, 0}};
	return xml_protect(&xml_policy_default, key, &mcsec_rng_system, "h", parts, &n, 2, arena) == MCSEC_OK &&
	       in_folder(dir, names[0], "w", (uint8_t *)(uintptr_t)parts[0].body.p, &parts[0].body.len) &&
	       in_folder(dir, names[2], "w", (uint8_t *)(uintptr_t)parts[1].body.p, &parts[1].body.len) &&
	       keys_out(dir, key);
}

static int protect(const char *dir, struct xml_key *key, struct writer *arena)
{
	struct body_out parts[3] = {{TYPE_MCPTT_INFO, "info1@mc.example.org", octets_of(INFO), 0},
				    {TYPE_RESOURCE_LIST, "rl1@mc.example.org", octets_of(LISTS), 0}};
	size_t n = 2;
	if (xml_protect(&xml_policy_default, key, &mcsec_rng_system, "h", parts, &n, 3, arena) != MCSEC_OK)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!in_folder(dir, names[i], "w", (uint8_t *)(uintptr_t)parts[i].body.p, &parts[i].body.len))
			return 0;
	return keys_out(dir, key);
}

/* type NULL: the two bodies of protect. */
static int open_all(const char *dir, const char *type, const struct xml_key *key, struct writer *arena)
{
	static uint8_t text[3][65536];
	struct multipart m = {.n = 3};
	struct xml_opened opened;
	for (size_t i = 0; i < 3; i++) {
		if (type && i == 1)
			continue;
		size_t len = sizeof text[i];
		if (!in_folder(dir, names[i], "r", text[i], &len))
			return 0;
		m.parts[i].body = (struct octets){text[i], len};
	}
	snprintf(m.parts[0].type, sizeof m.parts[0].type, "%s", type ? type : TYPE_MCPTT_INFO);
	strcpy(m.parts[0].id, "info1@mc.example.org");
	strcpy(m.parts[1].type, TYPE_RESOURCE_LIST);
	strcpy(m.parts[1].id, "rl1@mc.example.org");
	strcpy(m.parts[2].type, TYPE_SIGNED);
	if (type) {
		m.parts[1] = m.parts[2];
		m.n = 2;
	}
	struct xml_keys keys = {&key, 1};
	if (xml_open(&xml_policy_default, &keys, &m, &opened, arena) != MCSEC_OK)
		return 0;
	static const char *const verdicts[] = {"passed", "139", "140"};
	printf("%s %s\n", verdicts[opened.verdict], opened.why);
	if (opened.verdict == XML_PASSED)
		fwrite(m.parts[0].body.p, 1, m.parts[0].body.len, stdout);
	return 1;
}

int main(int argc, char **argv)
{
	struct xml_key key;
	uint8_t *memory = malloc(XML_ARENA_MIN);
	if (argc < 3 || argc > 4 || !memory || xml_key_derive(&key, csk, 0x2c3d4e5f, "sip:alice@mc.example.org") != MCSEC_OK)
		return 2;
	struct writer arena = wr_init(memory, XML_ARENA_MIN);
	int ok = strcmp(argv[1], "protect") != 0 ? open_all(argv[2], argc == 4 ? argv[3] : NULL, &key, &arena)
		 : argc == 4			 ? protect_one(argv[2], argv[3], &key, &arena)
						 : protect(argv[2], &key, &arena);
	xml_key_wipe(&key);
	free(memory);
	return ok ? 0 : 1;
}

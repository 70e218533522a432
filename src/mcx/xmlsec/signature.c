/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.c - detached signatures written and verified (see signature.h).
 *
 * SignedInfo is written twice from one function: as it is sent, and canonical (empty elements as start and end tag, the
 * namespace on SignedInfo itself), which is what the HMAC is taken over.
 */
#include "signature.h"

#include <stdlib.h>

#include "c14n.h"
#include "mcsec/secret.h"
#include "mcx/doc/xml.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "sec/keys/hash.h"
#include "xml_walk.h"

#define NS_SIGNED  "urn:3gpp:ns:mcpttSignedDoc:1.0"
#define ALG_HMAC   "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
#define ALG_SHA256 "http://www.w3.org/2001/04/xmlenc#sha256"

enum { SIGNED_INFO_MAX = 8192, CID_MAX = 128 };

static enum mcsec_err mac_of(const struct xml_key *key, struct octets text, uint8_t out[XML_MAC_LEN])
{
	return hmac_sha256_of((struct octets){key->integrity, key->len}, &text, 1, out);
}

static enum mcsec_err digest_of(struct octets text, uint8_t out[XML_MAC_LEN])
{
	return sha256_of(&text, 1, out);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void put_empty(struct writer *w, const char *name, const char *algorithm, int canonical)
{
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, " Algorithm=\"");
	wr_text(w, algorithm);
	wr_text(w, canonical ? "\"></" : "\"/>");
	if (canonical) {
		wr_text(w, name);
		wr_text(w, ">");
	}
}

/* RFC 2392: what is not unreserved in a URL is percent-encoded. */
static void put_cid(struct writer *w, const char *id)
{
	static const char safe[] = "-._~@!$*'(),;:=+";
	char hex[HEX_SIZE(1)];
	wr_text(w, "cid:");
	for (const char *c = id; *c; c++) {
		int plain = (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') || strchr(safe, *c);
		if (plain) {
			wr_u8(w, (uint8_t)*c);
			continue;
		}
		hex_encode_upper((struct octets){(const uint8_t *)c, 1}, hex);
		wr_u8(w, '%');
		wr_text(w, hex);
	}
}

static void put_signed_info(struct writer *w, const char *id, const char *digest, int canonical)
{
	wr_text(w, canonical ? "<SignedInfo xmlns=\"" NS_DSIG "\">" : "<SignedInfo>");
	put_empty(w, "CanonicalizationMethod", ALG_C14N, canonical);
	put_empty(w, "SignatureMethod", ALG_HMAC, canonical);
	wr_text(w, "<Reference URI=\"");
	put_cid(w, id);
	wr_text(w, "\">");
	put_empty(w, "DigestMethod", ALG_SHA256, canonical);
	wr_text(w, "<DigestValue>");
	wr_text(w, digest);
	wr_text(w, "</DigestValue></Reference></SignedInfo>");
}

static enum mcsec_err put_signature(struct writer *w, const struct xml_key *key, const struct signed_part *part)
{
	uint8_t octets[XML_MAC_LEN], canonical[1024];
	char text[BASE64_SIZE(XML_MAC_LEN)], name[XML_KEY_NAME_SIZE];
	enum mcsec_err e = digest_of(part->body, octets);
	base64_encode(OCTETS(octets), text);
	struct writer c = wr_init(canonical, sizeof canonical);
	put_signed_info(&c, part->id, text, 1);
	wr_text(w, "<Signature xmlns=\"" NS_DSIG "\">");
	put_signed_info(w, part->id, text, 0);
	if (!e)
		e = c.err ? c.err : mac_of(key, wr_result(&c), octets);
	base64_encode(OCTETS(octets), text);
	xml_key_name(key->id, name);
	wr_text(w, "<SignatureValue>");
	wr_text(w, text);
	wr_text(w, "</SignatureValue><KeyInfo><KeyName>");
	wr_text(w, name);
	wr_text(w, "</KeyName></KeyInfo></Signature>");
	return e ? e : w->err;
}

enum mcsec_err signatures_write(struct writer *w, const struct xml_key *key, const struct signed_part *parts, size_t n)
{
	enum mcsec_err e = n > XML_SIGNATURES_MAX ? MCSEC_E_LENGTH : MCSEC_OK;
	wr_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<signatures xmlns=\"" NS_SIGNED "\">");
	for (size_t i = 0; i < n && !e; i++)
		e = put_signature(w, key, &parts[i]);
	wr_text(w, "</signatures>");
	return e ? e : w->err;
}

/* ---- verifying ------------------------------------------------------------------------------------------------- */

/*
 * Child elements of a node in the order of the names; "?" behind a name: may be missing. Anything else, a comment too,
 * fails. NULL ends names.
 */
static int children_are(const xmlNode *node, const char *const *names, const xmlNode **found)
{
	const xmlNode *at = node->children;
	for (size_t i = 0; names[i]; i++) {
		size_t len = strlen(names[i]);
		int optional = names[i][len - 1] == '?';
		char name[32] = {0};
		memcpy(name, names[i], len - (size_t)optional);
		while (at && at->type == XML_TEXT_NODE && xmlIsBlankNode(at))
			at = at->next;
		found[i] = at && xml_is(at, NS_DSIG, name) ? at : NULL;
		if (!found[i] && !optional)
			return 0;
		at = found[i] ? at->next : at;
	}
	while (at && at->type == XML_TEXT_NODE && xmlIsBlankNode(at))
		at = at->next;
	return at == NULL;
}

static int algorithm_is(const xmlNode *node, const char *wanted)
{
	char text[128];
	return xml_attribute(node, "Algorithm", text, sizeof text) == MCSEC_OK && strcmp(text, wanted) == 0;
}

static int octets_in(const xmlNode *node, uint8_t *out, size_t size, size_t *len)
{
	char text[128];
	return xml_trimmed_text(node, text, sizeof text) == MCSEC_OK &&
	       base64_decode(text, strlen(text), out, size, len) == MCSEC_OK;
}

/* cid: and the percent-decoded Content-ID; any other scheme fails: nothing is ever fetched. */
static int cid_of(const xmlNode *reference, char out[CID_MAX])
{
	char uri[3 * CID_MAX];
	size_t n = 0;
	if (xml_attribute(reference, "URI", uri, sizeof uri) != MCSEC_OK || strncasecmp(uri, "cid:", 4) != 0)
		return 0;
	for (const char *c = uri + 4; *c; c++) {
		uint8_t octet = (uint8_t)*c;
		size_t one = 0;
		if (*c == '%') {
			if (hex_decode(c + 1, strnlen(c + 1, 2), &octet, 1, &one) != MCSEC_OK || one != 1)
				return 0;
			c += 2;
		}
		if (octet == 0 || n == CID_MAX - 1)
			return 0;
		out[n++] = (char)octet;
	}
	out[n] = 0;
	return n > 0;
}

/* The part with this Content-ID, if there is exactly one. */
static int part_of(const struct multipart *m, const char *id, size_t *index)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->parts[i].id, id) == 0) {
			*index = i;
			n++;
		}
	return n > 0 && MCX_CHECK(xml.named_part, n == 1);
}

/* No transform: the octets of the part. One transform: canonicalisation of it as a document (xml-protection 6). */
static int digest_part(const xmlNode *transforms, struct octets body, uint8_t out[XML_MAC_LEN])
{
	static const char *const one[] = {"Transform", NULL};
	const xmlNode *transform[1];
	char algorithm[128];
	if (!transforms)
		return digest_of(body, out) == MCSEC_OK;
	if (!children_are(transforms, one, transform) || transform[0]->children ||
	    xml_attribute(transform[0], "Algorithm", algorithm, sizeof algorithm) != MCSEC_OK || !c14n_known(algorithm))
		return 0;
	xmlDoc *doc;
	if (xml_read(body, XML_BODY_MAX, NULL, NULL, &doc) != MCSEC_OK)
		return 0;
	size_t size = 2 * body.len + 1024;
	uint8_t *canonical = malloc(size);
	struct writer w = wr_init(canonical, canonical ? size : 0);
	int ok =
	    canonical && c14n_write(&w, doc, NULL, algorithm) == MCSEC_OK && digest_of(wr_result(&w), out) == MCSEC_OK;
	free(canonical);
	xmlFreeDoc(doc);
	return ok;
}

static int verify_reference(const xmlNode *reference, const struct multipart *m, uint32_t *covered)
{
	static const char *const names[] = {"Transforms?", "DigestMethod", "DigestValue", NULL};
	const xmlNode *child[3];
	char id[CID_MAX];
	uint8_t named[XML_MAC_LEN], have[XML_MAC_LEN];
	size_t index = 0, len = 0;
	if (!children_are(reference, names, child) || child[1]->children || !algorithm_is(child[1], ALG_SHA256) ||
	    !octets_in(child[2], named, sizeof named, &len) || len != XML_MAC_LEN || !cid_of(reference, id) ||
	    !part_of(m, id, &index) || MCX_FAULT(xml.signed_once, *covered >> index & 1))
		return 0;
	*covered |= (uint32_t)1 << index;
	return digest_part(child[0], m->parts[index].body, have) &&
	       MCX_CHECK(xml.digest, mcsec_equal(have, named, sizeof have));
}

/* 16 or 32 octets; a shorter MAC is a forgery made easy (XML Signature 1.1, 6.3.1). */
static int mac_length(const xmlNode *method, size_t *len)
{
	static const char *const names[] = {"HMACOutputLength?", NULL};
	const xmlNode *child[1];
	char text[8];
	*len = XML_MAC_LEN;
	if (!algorithm_is(method, ALG_HMAC) || !children_are(method, names, child))
		return 0;
	if (!child[0])
		return 1;
	if (xml_trimmed_text(child[0], text, sizeof text) != MCSEC_OK || strspn(text, "0123456789") != strlen(text))
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): digits only, at most seven, by the line above */
	*len = (size_t)atoi(text) / 8;
	return MCX_CHECK(xml.mac_length, strcmp(text, "128") == 0 || strcmp(text, "256") == 0);
}

static const struct xml_key *named_key(const xmlNode *key_info, const struct xml_keys *keys)
{
	static const char *const names[] = {"KeyName", NULL};
	const xmlNode *child[1];
	char text[16];
	uint32_t id = 0;
	if (!children_are(key_info, names, child) || xml_trimmed_text(child[0], text, sizeof text) != MCSEC_OK ||
	    !xml_key_name_read(text, strlen(text), &id))
		return NULL;
	return xml_keys_find(keys, id);
}

static int verify_mac(const xmlNode *signature, const xmlNode *const part[3], const struct xml_key *key)
{
	static const char *const names[] = {"CanonicalizationMethod", "SignatureMethod", NULL};
	const xmlNode *child[2] = {0};
	char algorithm[128];
	uint8_t canonical[SIGNED_INFO_MAX], have[XML_MAC_LEN], named[XML_MAC_LEN];
	size_t len = 0, named_len = 0;
	const xmlNode *at = part[0]->children;
	for (size_t i = 0; names[i]; i++, at = at->next) {
		while (at && at->type == XML_TEXT_NODE && xmlIsBlankNode(at))
			at = at->next;
		if (!at || !xml_is(at, NS_DSIG, names[i]))
			return 0;
		child[i] = at;
	}
	if (child[0]->children || xml_attribute(child[0], "Algorithm", algorithm, sizeof algorithm) != MCSEC_OK ||
	    !mac_length(child[1], &len) || !octets_in(part[1], named, sizeof named, &named_len) || named_len != len)
		return 0;
	struct writer w = wr_init(canonical, sizeof canonical);
	return c14n_write(&w, signature->doc, part[0], algorithm) == MCSEC_OK &&
	       mac_of(key, wr_result(&w), have) == MCSEC_OK && MCX_CHECK(xml.mac, mcsec_equal(have, named, len));
}

/* The children of SignedInfo behind the two methods: one Reference or more, nothing else. */
static int verify_references(const xmlNode *signed_info, const struct multipart *m, uint32_t *covered)
{
	unsigned element = 0, references = 0;
	for (const xmlNode *c = signed_info->children; c; c = c->next) {
		if (c->type == XML_TEXT_NODE && xmlIsBlankNode(c))
			continue;
		if (element++ < 2)
			continue;
		if (!xml_is(c, NS_DSIG, "Reference") || ++references > XML_SIGNATURES_MAX ||
		    !verify_reference(c, m, covered))
			return 0;
	}
	return references > 0;
}

/* MAC first: nothing a stranger wrote makes us digest parts. */
static int verify_signature(const xmlNode *signature, const struct xml_keys *keys, const struct multipart *m,
			    uint32_t *covered, uint32_t *key_id)
{
	static const char *const names[] = {"SignedInfo", "SignatureValue", "KeyInfo", NULL};
	const xmlNode *part[3];
	const struct xml_key *key = children_are(signature, names, part) ? named_key(part[2], keys) : NULL;
	if (!key || (*covered && key->id != *key_id))
		return 0;
	*key_id = key->id;
	return verify_mac(signature, part, key) && verify_references(part[0], m, covered);
}

enum mcsec_err signatures_verify(struct octets document, const struct xml_keys *keys, const struct multipart *m,
				 uint32_t *covered, uint32_t *key_id)
{
	_Static_assert(MULTIPART_MAX_PARTS <= 32, "a bit for each part");
	xmlDoc *doc;
	unsigned n = 0;
	*covered = 0;
	if (xml_read(document, XML_SIGNATURES_SIZE, NULL, NULL, &doc) != MCSEC_OK)
		return MCSEC_E_BAD_SIGNATURE;
	const xmlNode *root = xmlDocGetRootElement(doc);
	int ok = xmlStrEqual(root->name, (const xmlChar *)"signatures");
	for (const xmlNode *c = root->children; c && ok; c = c->next) {
		if (xml_is(c, NS_DSIG, "Signature"))
			ok = ++n <= XML_SIGNATURES_MAX && verify_signature(c, keys, m, covered, key_id);
		else
			ok = c->type == XML_ELEMENT_NODE || (c->type == XML_TEXT_NODE && xmlIsBlankNode(c));
	}
	xmlFreeDoc(doc);
	return ok && n ? MCSEC_OK : MCSEC_E_BAD_SIGNATURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* element_crypt.c - EncryptedData written and read (see element_crypt.h). */
#include "element_crypt.h"

#include "mcsec/secret.h"
#include "mcx/doc/xml.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

#define ALG_GCM_128  "http://www.w3.org/2009/xmlenc11#aes128-gcm"
#define ALG_GCM_256  "http://www.w3.org/2009/xmlenc11#aes256-gcm"
#define TYPE_CONTENT NS_XENC "Content"
#define TYPE_ELEMENT NS_XENC "Element"

enum { SEALED_MAX = XML_IV_LEN + XML_VALUE_MAX + XML_TAG_LEN };

static const char *algorithm_of(const struct xml_key *key)
{
	return key->len == XML_KEY_MAX ? ALG_GCM_256 : ALG_GCM_128;
}

int element_is_encrypted_data(const xmlNode *node)
{
	return xml_is(node, NS_XENC, "EncryptedData");
}

enum mcsec_err element_encrypt(struct writer *w, const struct xml_key *key, const uint8_t iv[XML_IV_LEN],
			       struct octets plain)
{
	uint8_t sealed[SEALED_MAX];
	char name[XML_KEY_NAME_SIZE];
	if (plain.len > XML_VALUE_MAX)
		return MCSEC_E_LENGTH;
	size_t len = XML_IV_LEN + plain.len + XML_TAG_LEN;
	memcpy(sealed, iv, XML_IV_LEN);
	enum mcsec_err e = xml_seal(key, iv, plain, sealed + XML_IV_LEN);
	xml_key_name(key->id, name);
	wr_text(w, "<xenc:EncryptedData xmlns:xenc=\"" NS_XENC "\" Type=\"" TYPE_CONTENT "\">"
		   "<xenc:EncryptionMethod Algorithm=\"");
	wr_text(w, algorithm_of(key));
	wr_text(w, "\"/><ds:KeyInfo xmlns:ds=\"" NS_DSIG "\"><ds:KeyName>");
	wr_text(w, name);
	wr_text(w, "</ds:KeyName></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>");
	char *text = e ? NULL : (char *)wr_reserve(w, BASE64_SIZE(len));
	if (text) {
		base64_encode((struct octets){sealed, len}, text);
		w->at--; /* the NUL */
	}
	wr_text(w, "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>");
	return e ? e : w->err;
}

/* The one child element {ns}name of a node that has no other kind of child element. */
static const xmlNode *lone(const xmlNode *parent, const char *ns, const char *name)
{
	const xmlNode *only = parent ? xml_only_element(parent) : NULL;
	return only && xml_is(only, ns, name) ? only : NULL;
}

static int known_shape(const xmlNode *data, const struct xml_keys *keys, const xmlNode **cipher_value,
		       const struct xml_key **key, uint32_t *key_id)
{
	static const char *const children[] = {"EncryptionMethod", "KeyInfo", "CipherData"};
	const xmlNode *found[3] = {0};
	char text[128];
	size_t i = 0;
	for (const xmlNode *c = data->children; c; c = c->next) {
		if (c->type == XML_TEXT_NODE && xmlIsBlankNode(c))
			continue;
		if (i == 3 || !xml_is(c, i == 1 ? NS_DSIG : NS_XENC, children[i]))
			return 0;
		found[i++] = c;
	}
	if (i != 3 || xml_attribute(data, "Type", text, sizeof text) != MCSEC_OK ||
	    (text[0] && strcmp(text, TYPE_CONTENT) != 0 && strcmp(text, TYPE_ELEMENT) != 0))
		return 0;
	const xmlNode *name = lone(found[1], NS_DSIG, "KeyName");
	*cipher_value = lone(found[2], NS_XENC, "CipherValue");
	if (!name || !*cipher_value || xml_trimmed_text(name, text, sizeof text) != MCSEC_OK ||
	    !xml_key_name_read(text, strlen(text), key_id))
		return 0;
	*key = xml_keys_find(keys, *key_id);
	return *key && !found[0]->children && xml_attribute(found[0], "Algorithm", text, sizeof text) == MCSEC_OK &&
	       MCX_CHECK(xml.algorithm, strcmp(text, algorithm_of(*key)) == 0);
}

/* base64 may be wrapped (xmlsec does so at 64 characters): white space is taken out in place. */
static size_t squeeze(char *text)
{
	static const char blanks[] = " \n\r\t";
	size_t n = strcspn(text, blanks);
	for (const char *c = text + n; *c; c++)
		if (!strchr(blanks, *c))
			text[n++] = *c;
	text[n] = 0;
	return n;
}

enum mcsec_err element_decrypt(const xmlNode *data, const struct xml_keys *keys, uint8_t *plain, size_t *len,
			       uint8_t iv[XML_IV_LEN], uint32_t *key_id)
{
	char text[2 * SEALED_MAX]; /* with line ends; decoded in its place */
	uint8_t *octets = (uint8_t *)text;
	const xmlNode *value = NULL;
	const struct xml_key *key = NULL;
	size_t n = 0;
	if (!known_shape(data, keys, &value, &key, key_id) || xml_plain_text(value, text, sizeof text) != MCSEC_OK ||
	    base64_decode(text, squeeze(text), octets, SEALED_MAX, &n) != MCSEC_OK || n < XML_IV_LEN + XML_TAG_LEN)
		return MCSEC_E_DECRYPT;
	memcpy(iv, octets, XML_IV_LEN);
	struct octets sealed = {octets + XML_IV_LEN, n - XML_IV_LEN};
	if (xml_unseal(key, iv, sealed, plain) != MCSEC_OK)
		return MCSEC_E_DECRYPT;
	*len = sealed.len - XML_TAG_LEN;
	return MCSEC_OK;
}

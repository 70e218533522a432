/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_enc_key.c - a wrapped key in a KMS document: xenc:EncryptedKey, read and written (kms.md 10.2).
 *
 * The value is base64 by the schema, and hex in one implementation of the field. Hex digits are also base64 digits, so
 * nothing is tried in turn: the length of the wrapped key is known for each element, and the length of the text tells
 * which of the two it is. Which identifier stands in EncryptionMethod is not looked at: the wrap itself says what it
 * is.
 */
#include <libxml/xmlmemory.h>

#include "mcsec/kdf.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/text.h"

#define KW_AES256     XENC_NS "kw-aes256"
#define KW_AES256_PAD "http://www.w3.org/2009/xmlenc11#kw-aes-256-pad"

enum { TEXT_MAX = 4 * KMS_ENC_MAX };

int kms_type_of(const struct kms_xml *x, const xmlNode *node, xmlChar **value, const char **local)
{
	*value = xmlGetNsProp(node, (const xmlChar *)"type", (const xmlChar *)XSI_NS);
	if (!*value)
		return 0;
	char *colon = strchr((char *)*value, ':');
	const char *prefix = NULL;
	*local = (const char *)*value;
	if (colon) {
		*colon = 0;
		prefix = *local;
		*local = colon + 1;
	}
	xmlNs *ns = xmlSearchNs(node->doc, (xmlNode *)(uintptr_t)node, (const xmlChar *)prefix);
	int lost = !ns && prefix && (x->flags & KMS_REL13); /* its prefix may be unbound in the field */
	if (!lost && (!ns || xmlStrcmp(ns->href, (const xmlChar *)KMS_NS)))
		*local = "";
	return 1;
}

/* ---- reading ---- */

static size_t squeeze(char *text)
{
	size_t n = 0;
	for (const char *c = text; *c; c++)
		if (!strchr(" \t\r\n", *c))
			text[n++] = *c;
	text[n] = 0;
	return n;
}

static void read_value(struct kms_xml *x, const xmlNode *node, size_t wrapped_len, struct kms_enc_key *out)
{
	char text[TEXT_MAX];
	text[0] = 0;
	kms_read_text(x, node, text, sizeof text);
	size_t n = squeeze(text), got = 0;
	enum mcsec_err e = MCSEC_E_LENGTH;
	if (n == 2 * wrapped_len)
		e = hex_decode(text, n, out->octets, sizeof out->octets, &got);
	else if (n == BASE64_SIZE(wrapped_len) - 1)
		e = base64_decode(text, n, out->octets, sizeof out->octets, &got);
	if (e || got != wrapped_len)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not base64 or hex of a wrapped key of this kind");
	out->len = got;
}

static xmlNode *only(struct kms_xml *x, const xmlNode *parent, const char *ns, const char *name, int needed)
{
	unsigned count;
	xmlNode *node = xml_child(parent, ns, name, &count);
	if (count > 1 || (needed && !node))
		kms_xml_fail(x, parent, MCSEC_E_MALFORMED, "an EncryptedKey is not as it should be");
	return node;
}

static void read_name(struct kms_xml *x, const xmlNode *node, char out[KMS_KEY_ID_MAX])
{
	if (node && !x->f->code)
		kms_read_text(x, node, out, KMS_KEY_ID_MAX);
}

static const xmlNode *encrypted_key(struct kms_xml *x, const xmlNode *node)
{
	const xmlNode *k = NULL;
	if (x->flags & KMS_REL13)
		k = xml_child(node, XENC_NS, "EncryptedData", NULL);
	return k ? k : only(x, node, XENC_NS, "EncryptedKey", 1);
}

void kms_enc_key_read(struct kms_xml *x, const xmlNode *node, size_t key_len, struct kms_enc_key *out)
{
	*out = (struct kms_enc_key){0};
	const xmlNode *k = encrypted_key(x, node);
	const xmlNode *info = x->f->code ? NULL : only(x, k, DS_NS, "KeyInfo", 1);
	const xmlNode *data = x->f->code ? NULL : only(x, k, XENC_NS, "CipherData", 1);
	const xmlNode *value = x->f->code ? NULL : only(x, data, XENC_NS, "CipherValue", 1);
	if (x->f->code)
		return;
	read_name(x, only(x, info, DS_NS, "KeyName", 1), out->key_name);
	read_name(x, only(x, k, XENC_NS, "CarriedKeyName", 0), out->carried);
	if (!x->f->code)
		read_value(x, value, MCSEC_WRAP_PAD_LEN(key_len), out);
	if (!x->f->code && !out->key_name[0])
		kms_xml_fail(x, info, MCSEC_E_MALFORMED, "the transport key is not named");
}

/* ---- writing ---- */

void kms_enc_key_put(struct writer *w, const char *name, const struct kms_enc_key *k)
{
	char text[BASE64_SIZE(KMS_ENC_MAX)];
	base64_encode((struct octets){k->octets, k->len}, text);
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, " xsi:type=\"EncKeyContentType\"><xenc:EncryptedKey><xenc:EncryptionMethod");
	kms_put_attribute(w, "Algorithm", k->pad_uri ? KW_AES256_PAD : KW_AES256);
	wr_text(w, "/><ds:KeyInfo>");
	xml_put_element(w, "ds:KeyName", k->key_name);
	wr_text(w, "</ds:KeyInfo><xenc:CipherData>");
	xml_put_element(w, "xenc:CipherValue", text);
	wr_text(w, "</xenc:CipherData>");
	kms_put_optional(w, "xenc:CarriedKeyName", k->carried);
	wr_text(w, "</xenc:EncryptedKey></");
	wr_text(w, name);
	wr_text(w, ">");
}

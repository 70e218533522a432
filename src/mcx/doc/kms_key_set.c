/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_key_set.c - KmsKeySet, read and written (TS 33.180 D.3.3; kms.md 3.3 and 7.7).
 *
 * Each key is hexBinary under xsi:type KeyContentType; the type may be missing (seen in the field). Base64 of a key is
 * not guessed at. EncKeyContentType is a key wrapped under a transport key: without one it is refused by name.
 * UserID is written in base64 and read in base64 or hex.
 */
#include <libxml/xmlmemory.h>

#include "mcsec/secret.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/text.h"

static void read_user_id(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	char text[2 * MCSEC_UID_LEN + 16] = "";
	size_t n = 0;
	kms_read_text(x, node, text, sizeof text);
	enum mcsec_err e = strlen(text) == 2 * MCSEC_UID_LEN ? hex_decode(text, strlen(text), at, size, &n)
							     : base64_decode(text, strlen(text), at, size, &n);
	if (e || n != MCSEC_UID_LEN)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "not base64 or hex of 32 octets");
}

/* The type's local name in *local if it is of the interface's namespace (xsi:type is a QName). */
static int type_of(const xmlNode *node, xmlChar **value, const char **local)
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
	if (!ns || xmlStrcmp(ns->href, (const xmlChar *)KMS_NS))
		*local = "";
	return 1;
}

static void read_key(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	xmlChar *value;
	const char *local;
	if (type_of(node, &value, &local)) {
		if (!strcmp(local, "EncKeyContentType"))
			kms_xml_fail(x, node, MCSEC_E_UNSUPPORTED, "the key is wrapped and we hold no transport key");
		else if (strcmp(local, "KeyContentType"))
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "unknown xsi:type");
		xmlFree(value);
	}
	if (!x->f->code)
		kms_read_hex(x, node, at, size);
}

static void read_rsk(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_key_set *s = at;
	(void)size;
	read_key(x, node, s->secret->rsk, sizeof s->secret->rsk);
}

static void read_ssk(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_key_set *s = at;
	(void)size;
	read_key(x, node, s->secret->ssk, sizeof s->secret->ssk);
}

#define AT(member) KMS_AT(struct kms_key_set, member)
static const struct kms_field fields[] = {
    {"KmsUri", KMS_ONE, kms_read_uri, AT(kms_uri)},
    {"CertUri", KMS_OPTIONAL, kms_read_uri, AT(cert_uri)},
    {"Issuer", KMS_OPTIONAL, kms_read_text, AT(issuer)},
    {"UserUri", KMS_ONE, kms_read_uri, AT(user_uri)},
    {"UserID", KMS_ONE, read_user_id, AT(uid)},
    {"ValidFrom", KMS_OPTIONAL, kms_read_time, AT(valid_from)},
    {"ValidTo", KMS_OPTIONAL, kms_read_time, AT(valid_to)},
    {"KeyPeriodNo", KMS_ONE, kms_read_natural, AT(period_no)},
    {"Revoked", KMS_OPTIONAL, kms_read_bool, AT(revoked)},
    {"UserDecryptKey", KMS_ONE, read_rsk, 0, 0},
    {"UserSigningKeySSK", KMS_ONE, read_ssk, 0, 0},
    {"UserPubTokenPVT", KMS_ONE, read_key, AT(pvt)},
};

void kms_key_set_read(struct kms_xml *x, const xmlNode *node, struct kms_key_set *s)
{
	*s = (struct kms_key_set){.valid_from = KMS_NO_TIME, .valid_to = KMS_NO_TIME};
	s->secret = mcsec_secret_alloc(sizeof *s->secret);
	if (!s->secret) {
		kms_xml_fail(x, node, MCSEC_E_MEMORY, "no secret memory");
		return;
	}
	kms_check_version(x, node);
	kms_xml_children(x, node, fields, sizeof fields / sizeof *fields, s);
}

void kms_key_set_wipe(struct kms_key_set *s)
{
	mcsec_secret_free(s->secret);
	mcsec_wipe(s, sizeof *s);
}

static void put_key(struct writer *w, const char *name, struct octets key)
{
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, " xsi:type=\"KeyContentType\">");
	kms_put_hex_text(w, key);
	wr_text(w, "</");
	wr_text(w, name);
	wr_text(w, ">");
}

void kms_key_set_put(struct writer *w, const struct kms_key_set *s, const char *attributes)
{
	char uid[BASE64_SIZE(MCSEC_UID_LEN)];
	base64_encode(OCTETS(s->uid), uid);
	wr_text(w, "<KmsKeySet");
	wr_text(w, attributes);
	kms_put_attribute(w, "Version", "1.1.0");
	wr_text(w, ">");
	xml_put_element(w, "KmsUri", s->kms_uri);
	kms_put_optional(w, "CertUri", s->cert_uri);
	kms_put_optional(w, "Issuer", s->issuer);
	xml_put_element(w, "UserUri", s->user_uri);
	xml_put_element(w, "UserID", uid);
	kms_put_time(w, "ValidFrom", s->valid_from);
	kms_put_time(w, "ValidTo", s->valid_to);
	kms_put_integer(w, "KeyPeriodNo", (int64_t)s->period_no);
	xml_put_element(w, "Revoked", s->revoked ? "true" : "false");
	put_key(w, "UserDecryptKey", OCTETS(s->secret->rsk));
	put_key(w, "UserSigningKeySSK", OCTETS(s->secret->ssk));
	put_key(w, "UserPubTokenPVT", OCTETS(s->pvt));
	wr_text(w, "</KmsKeySet>");
}

void kms_key_set_write(struct writer *w, const struct kms_key_set *s)
{
	wr_text(w, KMS_XML_DECLARATION);
	kms_key_set_put(w, s, " xmlns=\"" KMS_NS "\" xmlns:xsi=\"" XSI_NS "\"");
	wr_text(w, "\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_key_set.c - KmsKeySet, read and written (TS 33.180 D.3.3; kms.md 3.3 and 7.7).
 *
 * Each key is hexBinary under xsi:type KeyContentType; the type may be missing (seen in the field). Base64 of a key is
 * not guessed at. EncKeyContentType is a key wrapped under a transport key (kms_enc_key.c): kept as it is for a reader
 * that said it can unwrap, refused by name for others. A set that is written has no secret when all its keys are
 * wrapped. UserID is written in base64 and read in base64 or hex.
 */
#include <stdlib.h>

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

/* Key `which` of the set; its clear octets go to `at`. */
static void read_key(struct kms_xml *x, const xmlNode *node, struct kms_key_set *s, unsigned which, uint8_t *at,
		     size_t size)
{
	xmlChar *value;
	const char *local;
	int wrapped = 0;
	if (kms_type_of(x, node, &value, &local)) {
		wrapped = !strcmp(local, "EncKeyContentType");
		if (wrapped && !(x->flags & KMS_WRAPPED))
			kms_xml_fail(x, node, MCSEC_E_UNSUPPORTED, "the key is wrapped and we hold no transport key");
		else if (!wrapped && strcmp(local, "KeyContentType") != 0)
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "unknown xsi:type");
		xmlFree(value);
	}
	if (wrapped && !x->f->code && !s->wrapped) {
		s->wrapped = calloc(KMS_SET_KEYS, sizeof *s->wrapped);
		if (!s->wrapped)
			kms_xml_fail(x, node, MCSEC_E_MEMORY, "no memory");
	}
	if (x->f->code)
		return;
	if (wrapped)
		kms_enc_key_read(x, node, size, &s->wrapped[which]);
	else
		kms_read_hex(x, node, at, size);
}

static void read_rsk(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_key_set *s = at;
	(void)size;
	read_key(x, node, s, KMS_SET_RSK, s->secret->rsk, sizeof s->secret->rsk);
}

static void read_ssk(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_key_set *s = at;
	(void)size;
	read_key(x, node, s, KMS_SET_SSK, s->secret->ssk, sizeof s->secret->ssk);
}

static void read_pvt(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_key_set *s = at;
	(void)size;
	read_key(x, node, s, KMS_SET_PVT, s->pvt, sizeof s->pvt);
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
    {"UserPubTokenPVT", KMS_ONE, read_pvt, 0, 0},
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
	free(s->wrapped);
	mcsec_wipe(s, sizeof *s);
}

static void put_key(struct writer *w, const char *name, const struct kms_enc_key *wrapped, struct octets key)
{
	if (wrapped && wrapped->len) {
		kms_enc_key_put(w, name, wrapped);
		return;
	}
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
	const struct kms_key_secret none = {{0}, {0}}, *secret = s->secret ? s->secret : &none;
	if (!s->secret && !(s->wrapped && s->wrapped[KMS_SET_RSK].len && s->wrapped[KMS_SET_SSK].len))
		w->err = w->err ? w->err : MCSEC_E_ARGUMENT;
	put_key(w, "UserDecryptKey", s->wrapped ? &s->wrapped[KMS_SET_RSK] : NULL, OCTETS(secret->rsk));
	put_key(w, "UserSigningKeySSK", s->wrapped ? &s->wrapped[KMS_SET_SSK] : NULL, OCTETS(secret->ssk));
	put_key(w, "UserPubTokenPVT", s->wrapped ? &s->wrapped[KMS_SET_PVT] : NULL, OCTETS(s->pvt));
	wr_text(w, "</KmsKeySet>");
}

void kms_key_set_write(struct writer *w, const struct kms_key_set *s)
{
	wr_text(w, KMS_XML_DECLARATION);
	if (s->wrapped) /* the namespaces of a wrapped key are not declared here: keys are stored unwrapped */
		w->err = w->err ? w->err : MCSEC_E_ARGUMENT;
	kms_key_set_put(w, s, " xmlns=\"" KMS_NS "\" xmlns:xsi=\"" XSI_NS "\"");
	wr_text(w, "\n");
}

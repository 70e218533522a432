/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_sign.c - see kms_sign.h. Writing: the document without its signature is made in place and parsed, so that its
 * canonical form comes from the same code that a verifier uses; then the signature takes the place of the end tag.
 */
#include "mcx/kmssec/kms_sign.h"

#include "mcsec/secret.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/check.h"
#include "sec/keys/hash.h"

/* In canonical order, as they stand on the root. */
#define REQUEST_NAMESPACES  " xmlns=\"" KMS_NS "\" xmlns:ds=\"" DS_NS "\""
#define RESPONSE_NAMESPACES REQUEST_NAMESPACES " xmlns:xenc=\"" XENC_NS "\" xmlns:xsi=\"" XSI_NS "\""

/* ---- reading ---- */

static enum mcsec_err refuse(struct kms_fault *f, const char *detail)
{
	if (!f->code)
		*f = (struct kms_fault){.code = MCSEC_E_SIGNATURE, .element = "Signature", .detail = detail};
	return f->code;
}

/* The only other child of the root. */
static const xmlNode *signed_child(const xmlNode *root)
{
	static const char *const roots[][2] = {{"SignedKmsRequest", "KmsRequest"},
					       {"SignedKmsResponse", "KmsResponse"}};
	for (size_t i = 0; i < 2; i++)
		if (xmlStrcmp(root->name, (const xmlChar *)roots[i][0]) == 0 && root->ns &&
		    xmlChildElementCount((xmlNode *)(uintptr_t)root) == 2)
			return xml_child(root, (const char *)root->ns->href, roots[i][1], NULL);
	return NULL;
}

enum mcsec_err kms_signature_of(struct kms_signature *s, struct _xmlDoc *doc, unsigned flags, struct kms_fault *f)
{
	const xmlNode *root = xmlDocGetRootElement(doc), *inner = signed_child(root);
	*s = (struct kms_signature){0};
	*f = (struct kms_fault){.detail = ""};
	if (!inner)
		return refuse(f, "the root does not hold one message and one signature");
	if (dsig_read(&s->dsig, root, inner, DSIG_HMAC, f))
		return f->code;
	long bits = s->dsig.hmac_bits;
	if (MCX_FAULT(kms.mac_bits, bits != 256 && !(bits == 128 && (flags & KMS_SIGN_HMAC128))))
		return refuse(f, "HMACOutputLength is not 256");
	if (s->dsig.value_len != (size_t)bits / 8)
		return refuse(f, "the MAC has another length");
	const xmlNode *name = xml_child(s->dsig.key_info, DS_NS, "KeyName", NULL);
	if (!name || xml_text(name, s->key_name, sizeof s->key_name) || !s->key_name[0])
		return refuse(f, "the key is not named");
	return MCSEC_OK;
}

enum mcsec_err kms_signature_verify(const struct kms_signature *s, const uint8_t key[KMS_TRK_LEN])
{
	size_t len = 0;
	uint8_t mac[HASH_LEN];
	uint8_t *info = dsig_signed_info(&s->dsig, &len);
	if (!info)
		return MCSEC_E_MEMORY;
	struct octets piece = {info, len};
	enum mcsec_err e = hmac_sha256_of((struct octets){key, KMS_TRK_LEN}, &piece, 1, mac);
	xmlFree(info);
	if (!e && MCX_FAULT(kms.mac, !mcsec_equal(mac, s->dsig.value, s->dsig.value_len)))
		e = MCSEC_E_SIGNATURE;
	mcsec_wipe(mac, sizeof mac);
	return e ? e : dsig_check_digest(&s->dsig);
}

/* ---- writing ---- */

struct signing {
	const char *root, *namespaces, *id, *key_name;
	const uint8_t *key;
	size_t start; /* of the document in the writer */
};

/* What stands so far, closed for the time being. */
static enum mcsec_err digest_of(struct writer *w, const struct signing *s, uint8_t out[DSIG_HASH])
{
	struct kms_fault f;
	uint8_t *mark = w->at;
	wr_text(w, "</");
	wr_text(w, s->root);
	wr_text(w, ">");
	if (w->err)
		return w->err;
	struct octets so_far = {w->start + s->start, (size_t)(w->at - w->start) - s->start};
	xmlDoc *doc = kms_parse(so_far, KMS_MAX_RESPONSE, &f);
	w->at = mark;
	if (!doc)
		return f.code;
	enum mcsec_err e = dsig_digest(xmlFirstElementChild(xmlDocGetRootElement(doc)), NULL, out);
	kms_parsed_free(doc);
	return e;
}

static enum mcsec_err mac_of(const struct signing *s, const char *uri, const uint8_t digest[DSIG_HASH],
			     uint8_t mac[HASH_LEN])
{
	uint8_t text[2048];
	struct writer info = wr_init(text, sizeof text);
	dsig_put_signed_info(&info, s->namespaces, DSIG_HMAC, uri, 0, digest);
	struct octets piece = wr_result(&info);
	return info.err ? info.err : hmac_sha256_of((struct octets){s->key, KMS_TRK_LEN}, &piece, 1, mac);
}

static void put_signature(struct writer *w, const struct signing *s)
{
	char uri[80];
	uint8_t digest[DSIG_HASH], mac[HASH_LEN];
	enum mcsec_err e = s->id[0] ? digest_of(w, s, digest) : MCSEC_E_ARGUMENT;
	snprintf(uri, sizeof uri, "#%s", s->id);
	if (!e)
		e = mac_of(s, uri, digest, mac);
	if (e) {
		w->err = w->err ? w->err : e;
		return;
	}
	wr_text(w, "<ds:Signature>");
	dsig_put_signed_info(w, "", DSIG_HMAC, uri, 0, digest);
	dsig_put_base64(w, "ds:SignatureValue", OCTETS(mac));
	wr_text(w, "<ds:KeyInfo>");
	xml_put_element(w, "ds:KeyName", s->key_name);
	wr_text(w, "</ds:KeyInfo></ds:Signature>");
}

/* What an xs:ID may have in ASCII: others would be escaped in one way here and in another in the canonical form. */
static int is_id(const char *id)
{
	static const char safe[] = "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (const char *c = id; *c; c++)
		if (!((unsigned char)*c >= 0x80 || strchr(safe, *c)))
			return 0;
	return *id != 0;
}

static void put_start(struct writer *w, struct signing *s)
{
	if (!is_id(s->id) && !w->err)
		w->err = MCSEC_E_VALUE;
	s->start = wr_len(w);
	wr_text(w, KMS_XML_DECLARATION "<");
	wr_text(w, s->root);
	wr_text(w, s->namespaces);
	wr_text(w, ">");
}

static void put_end(struct writer *w, const struct signing *s)
{
	put_signature(w, s);
	wr_text(w, "</");
	wr_text(w, s->root);
	wr_text(w, ">\n");
}

void kms_request_sign(struct writer *w, const struct kms_request *r, const char *key_name,
		      const uint8_t key[KMS_TRK_LEN])
{
	struct signing s = {"SignedKmsRequest", REQUEST_NAMESPACES, r->id, key_name, key, 0};
	put_start(w, &s);
	kms_request_put(w, r);
	put_end(w, &s);
}

void kms_response_sign(struct writer *w, const struct kms_response *r, const char *key_name,
		       const uint8_t key[KMS_TRK_LEN])
{
	struct signing s = {"SignedKmsResponse", RESPONSE_NAMESPACES, r->id, key_name, key, 0};
	put_start(w, &s);
	kms_response_put(w, r);
	put_end(w, &s);
}

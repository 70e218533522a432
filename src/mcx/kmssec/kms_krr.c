/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_krr.c - see kms_krr.h. The outer signature is what counts (interconnect.md 5.3 item 2): what an intermediate
 * embeds is its evidence, and lists only ever get shorter.
 */
#include "mcx/kmssec/kms_krr.h"

#include <stdlib.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "mcx/doc/kms_xml.h"
#include "mcx/kmssec/kms_dsig.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

enum { RS = 32, DER_MAX = 80, CERT_MAX = 4096 };
#define NAMESPACES " xmlns=\"" KRR_NS "\" xmlns:ds=\"" DS_NS "\""

struct krr_signer {
	X509 *cert;
	EVP_PKEY *key;
};

struct krr_trust {
	X509_STORE *store;
};

/* ---- keys and anchors ---- */

static int is_p256(const EVP_PKEY *key)
{
	char curve[32] = "";
	return key && EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 && strcmp(curve, "prime256v1") == 0;
}

static BIO *bio_of(struct octets pem)
{
	return pem.len && pem.len < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
}

struct krr_signer *krr_signer_new(struct octets cert_pem, struct octets key_pem)
{
	struct krr_signer *s = calloc(1, sizeof *s);
	BIO *cert = bio_of(cert_pem), *key = bio_of(key_pem);
	if (s && cert && key) {
		s->cert = PEM_read_bio_X509(cert, NULL, NULL, NULL);
		s->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	}
	BIO_free(cert);
	BIO_free(key);
	if (s && s->cert && is_p256(s->key) && X509_check_private_key(s->cert, s->key) == 1)
		return s;
	krr_signer_free(s);
	return NULL;
}

void krr_signer_free(struct krr_signer *s)
{
	if (!s)
		return;
	X509_free(s->cert);
	EVP_PKEY_free(s->key);
	free(s);
}

struct krr_trust *krr_trust_new(struct octets ca_pem)
{
	struct krr_trust *t = calloc(1, sizeof *t);
	BIO *bio = bio_of(ca_pem);
	int n = 0;
	if (t)
		t->store = X509_STORE_new();
	for (X509 *ca; t && t->store && bio && (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(ca))
		n += X509_STORE_add_cert(t->store, ca) == 1;
	BIO_free(bio);
	if (n)
		return t;
	krr_trust_free(t);
	return NULL;
}

void krr_trust_free(struct krr_trust *t)
{
	if (t)
		X509_STORE_free(t->store);
	free(t);
}

/* ---- writing ---- */

static enum mcsec_err ecdsa(const struct krr_signer *s, struct octets text, uint8_t rs[2 * RS])
{
	uint8_t der[DER_MAX];
	size_t n = sizeof der;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) == 1 &&
		 EVP_DigestSign(ctx, der, &n, text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	const uint8_t *at = der;
	ECDSA_SIG *sig = ok ? d2i_ECDSA_SIG(NULL, &at, (long)n) : NULL;
	ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, RS) == RS &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + RS, RS) == RS;
	ECDSA_SIG_free(sig);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

static enum mcsec_err digest_of(const struct krr *k, uint8_t out[DSIG_HASH])
{
	struct kms_fault f;
	uint8_t *text = malloc(KRR_BOUND);
	struct writer w = wr_init(text, text ? KRR_BOUND : 0);
	krr_write(&w, k);
	xmlDoc *doc = w.err ? NULL : kms_parse(wr_result(&w), KRR_BOUND, &f);
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	/* One that is embedded may bear the same Id: nobody could verify the signature. */
	enum mcsec_err e = root && MCX_CHECK(krr.own_id, dsig_carriers(root, k->id) == 1) ? dsig_digest(root, NULL, out)
											  : MCSEC_E_VALUE;
	kms_parsed_free(doc);
	free(text);
	return e;
}

static void put_certificate(struct writer *w, const struct krr_signer *s)
{
	uint8_t *der = NULL;
	int n = i2d_X509(s->cert, &der);
	char *text = n > 0 ? malloc(BASE64_SIZE((size_t)n)) : NULL;
	if (text) {
		base64_encode((struct octets){der, (size_t)n}, text);
		wr_text(w, "<ds:KeyInfo><ds:X509Data>");
		xml_put_element(w, "ds:X509Certificate", text);
		wr_text(w, "</ds:X509Data></ds:KeyInfo>");
	} else {
		w->err = w->err ? w->err : MCSEC_E_MEMORY;
	}
	free(text);
	OPENSSL_free(der);
}

void krr_sign(struct writer *w, const struct krr *k, const struct krr_signer *s)
{
	char uri[80];
	uint8_t digest[DSIG_HASH], rs[2 * RS], info_text[2048], signature[2 * CERT_MAX];
	struct writer info = wr_init(info_text, sizeof info_text), sig = wr_init(signature, sizeof signature);
	snprintf(uri, sizeof uri, "#%s", k->id);
	enum mcsec_err e = k->id[0] ? digest_of(k, digest) : MCSEC_E_ARGUMENT;
	if (!e) {
		dsig_put_signed_info(&info, NAMESPACES, DSIG_ECDSA, uri, 1, digest);
		e = info.err ? info.err : ecdsa(s, wr_result(&info), rs);
	}
	if (!e) {
		wr_text(&sig, "<ds:Signature>");
		dsig_put_signed_info(&sig, "", DSIG_ECDSA, uri, 1, digest);
		dsig_put_base64(&sig, "ds:SignatureValue", OCTETS(rs));
		put_certificate(&sig, s);
		wr_text(&sig, "</ds:Signature>");
		e = sig.err;
	}
	if (e) {
		w->err = w->err ? w->err : e;
		return;
	}
	wr_text(w, KMS_XML_DECLARATION);
	krr_put(w, k, wr_result(&sig));
	wr_text(w, "\n");
}

/* ---- reading ---- */

const char *krr_verdict_name(enum krr_verdict v)
{
	static const char *const names[] = {"unsigned", "verified", "forged"};
	return (unsigned)v < 3 ? names[v] : "unknown";
}

/* The one certificate in KeyInfo/X509Data; NULL. */
static X509 *certificate_of(const xmlNode *key_info)
{
	char *text = malloc(2 * CERT_MAX);
	uint8_t der[CERT_MAX];
	size_t n = 0, m = 0;
	const xmlNode *data = xml_child(key_info, DS_NS, "X509Data", NULL);
	const xmlNode *cert = data ? xml_child(data, DS_NS, "X509Certificate", NULL) : NULL;
	X509 *out = NULL;
	if (text && cert && !xml_text(cert, text, 2 * CERT_MAX)) {
		for (const char *c = text; *c; c++)
			if (!strchr(" \t\r\n", *c))
				text[n++] = *c;
		const uint8_t *at = der;
		if (!base64_decode(text, n, der, sizeof der, &m))
			out = d2i_X509(NULL, &at, (long)m);
		if (out && at != der + m) {
			X509_free(out);
			out = NULL;
		}
	}
	free(text);
	return out;
}

static int is_trusted(const struct krr_trust *t, X509 *cert, int64_t now)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok = ctx && X509_STORE_CTX_init(ctx, t->store, cert, NULL) == 1;
	if (ok) {
		X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
		ok = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	return ok;
}

static int ecdsa_holds(EVP_PKEY *key, const struct dsig *d)
{
	size_t len = 0;
	uint8_t *info = dsig_signed_info(d, &len), *der = NULL;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(d->value, RS, NULL), *s = BN_bin2bn(d->value + RS, RS, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = info && sig && r && s && ctx && ECDSA_SIG_set0(sig, r, s) == 1;
	if (!ok) {
		BN_free(r);
		BN_free(s);
	}
	int n = ok ? i2d_ECDSA_SIG(sig, &der) : 0;
	ok = n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, der, (size_t)n, info, len) == 1;
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG_free(sig);
	OPENSSL_free(der);
	xmlFree(info);
	return ok;
}

static const char *forged(xmlDoc *doc, const struct krr_trust *trust, int64_t now, struct kms_fault *f)
{
	struct dsig d;
	const xmlNode *root = xmlDocGetRootElement(doc);
	if (dsig_read(&d, root, NULL, DSIG_ECDSA, f))
		return f->detail;
	if (d.value_len != 2 * RS || d.hmac_bits != 256)
		return "the signature is not r and s";
	X509 *cert = certificate_of(d.key_info);
	EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;
	const char *why = NULL;
	if (!is_p256(key))
		why = "no certificate with a key on P-256";
	else if (!trust || MCX_FAULT(krr.trusted, !is_trusted(trust, cert, now)))
		why = "the processor's certificate is not trusted";
	else if (MCX_FAULT(krr.signature, !ecdsa_holds(key, &d)) || dsig_check_digest(&d))
		why = "the signature does not verify";
	X509_free(cert);
	return why;
}

enum mcsec_err krr_open(struct krr **out, enum krr_verdict *v, struct octets xml, const struct krr_trust *trust,
			int64_t now, struct kms_fault *f)
{
	*out = NULL;
	*v = KRR_UNSIGNED;
	xmlDoc *doc = kms_parse(xml, KRR_MAX, f);
	if (!doc)
		return f->code;
	enum mcsec_err e = krr_of(out, doc, f);
	if (!e && (*out)->is_signed) {
		const char *why = forged(doc, trust, now, f);
		*v = why ? KRR_FORGED : KRR_VERIFIED;
		*f = (struct kms_fault){.element = "Signature", .detail = why ? why : ""};
	}
	kms_parsed_free(doc);
	return e;
}

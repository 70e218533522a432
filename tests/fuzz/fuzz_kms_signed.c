/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_signed.c - signatures of KMS documents (kms.md 10.3, 11.2): HMAC over requests and responses, and redirect
 * responses.
 *
 * Invariants: no signature of a stranger verifies; a signature that is read refers to the root or its one child; a
 * redirect response of a stranger is never verified; one that was read, and can be written, is written so that it reads
 * back as the same matter with the same lists, signed by a trusted processor it verifies, and with an octet changed it
 * does not, or says the same; a request that was read and is signed by us verifies and reads back the same.
 */
#include "fuzz/fuzz.h"
#include "krr_pki.h"
#include "mcx/doc/xml.h"
#include "mcx/kmssec/kms_krr.h"
#include "mcx/kmssec/kms_sign.h"

static const uint8_t key[KMS_TRK_LEN] = "nobody guesses this one, really";

/* What is signed by the key holder alone: 1 it verifies. */
static int verifies(struct octets text, size_t max)
{
	xmlDoc *doc = NULL;
	struct kms_signature s;
	struct kms_fault f;
	int good = 0;
	if (xml_read(text, max, NULL, NULL, &doc) == MCSEC_OK) {
		if (kms_signature_of(&s, doc, KMS_SIGN_HMAC128, &f) == MCSEC_OK) {
			HOLDS(memchr(s.key_name, 0, sizeof s.key_name) && s.dsig.target &&
			      s.dsig.value_len <= DSIG_VALUE_MAX);
			HOLDS(s.dsig.target == s.dsig.root || s.dsig.target->parent == s.dsig.root);
			good = kms_signature_verify(&s, key) == MCSEC_OK;
		} else {
			HOLDS(f.detail && f.detail[0]);
		}
		xmlFreeDoc(doc);
	}
	return good;
}

static void request(struct octets text)
{
	static struct kms_request a, b;
	static uint8_t out[2 * KMS_MAX_REQUEST];
	struct writer w = wr_init(out, sizeof out);
	struct kms_fault f;
	if (kms_request_read(&a, text, &f) != MCSEC_OK || !a.id[0])
		return;
	kms_request_sign(&w, &a, "key-1", key);
	if (w.err || wr_len(&w) > KMS_MAX_REQUEST)
		return;
	HOLDS(verifies(wr_result(&w), KMS_MAX_REQUEST));
	HOLDS(kms_request_read(&b, wr_result(&w), &f) == MCSEC_OK && b.is_signed);
	HOLDS(!strcmp(a.user_uri, b.user_uri) && !strcmp(a.kms_uri, b.kms_uri) && a.time == b.time);
}

static const int64_t now = 1800000000;
static struct krr_trust *trust;

static enum krr_verdict open_krr(struct krr **k, struct octets text, const struct krr_trust *by)
{
	enum krr_verdict v;
	struct kms_fault f;
	enum mcsec_err e = krr_open(k, &v, text, by, now, &f);
	HOLDS(e ? !*k && f.detail : *k && (v == KRR_UNSIGNED) == !(*k)->is_signed);
	HOLDS(!*k || krr_same_matter(*k, *k));
	return *k ? v : KRR_UNSIGNED;
}

static void same(const struct krr *a, const struct krr *b)
{
	HOLDS(b && krr_same_matter(a, b) && !a->embedded == !b->embedded);
	HOLDS(a->receiver_kms.n == b->receiver_kms.n && a->initiator_kms.n == b->initiator_kms.n);
}

static void sign_again(const struct krr *a, size_t at)
{
	static uint8_t out[KRR_BOUND];
	static struct krr_signer *signer;
	struct krr *b = NULL;
	if (!signer)
		signer = krr_signer_new(octets_of(krr_cert), octets_of(krr_key));
	HOLDS(signer);
	struct writer w = wr_init(out, sizeof out);
	krr_sign(&w, a, signer);
	if (w.err || wr_len(&w) > KRR_MAX)
		return;
	HOLDS(open_krr(&b, wr_result(&w), trust) == KRR_VERIFIED);
	same(a, b);
	krr_free(b);
	HOLDS(open_krr(&b, wr_result(&w), NULL) == KRR_FORGED);
	krr_free(b);
	out[at % wr_len(&w)] ^= 1;
	HOLDS(open_krr(&b, wr_result(&w), trust) != KRR_VERIFIED || krr_same_matter(a, b));
	krr_free(b);
}

static void redirect(struct octets text)
{
	static uint8_t out[KRR_BOUND];
	struct krr *a = NULL, *b = NULL;
	struct kms_fault f;
	if (!trust)
		trust = krr_trust_new(octets_of(krr_ca));
	HOLDS(trust && open_krr(&a, text, trust) != KRR_VERIFIED);
	if (!a)
		return;
	struct writer w = wr_init(out, sizeof out);
	if (!a->is_signed && (krr_write(&w, a), !w.err) && wr_len(&w) <= KRR_MAX) {
		HOLDS(krr_read(&b, wr_result(&w), &f) == MCSEC_OK);
		same(a, b);
		krr_free(b);
		if (a->id[0])
			sign_again(a, text.len * 31);
	}
	krr_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets text = {data, size};
	HOLDS(!verifies(text, KMS_MAX_REQUEST));
	request(text);
	redirect(text);
	return 0;
}

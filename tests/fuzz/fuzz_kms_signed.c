/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_signed.c - signatures of KMS documents (kms.md 10.3, 11.2): HMAC over requests and responses, and redirect
 * responses.
 *
 * Invariants: no signature of a stranger verifies; a signature that is read refers to the root or its one child; a
 * redirect response nobody is trusted for is never verified; one that was read, and can be written, is written so that
 * it reads back as the same matter with the same lists; a request that was read and is signed by us verifies and reads
 * back the same.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/xml.h"
#include "mcx/xmlsec/kms_krr.h"
#include "mcx/xmlsec/kms_sign.h"

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

static void redirect(struct octets text)
{
	static uint8_t out[KRR_BOUND];
	struct krr *a = NULL, *b = NULL;
	struct kms_fault f;
	enum krr_verdict v;
	if (krr_open(&a, &v, text, NULL, 1795263600, &f) != MCSEC_OK) {
		HOLDS(!a && f.detail);
		return;
	}
	HOLDS(v != KRR_VERIFIED && krr_same_matter(a, a));
	struct writer w = wr_init(out, sizeof out);
	if (a->is_signed || (krr_write(&w, a), w.err) || wr_len(&w) > KRR_MAX) {
		krr_free(a);
		return;
	}
	HOLDS(krr_read(&b, wr_result(&w), &f) == MCSEC_OK && krr_same_matter(a, b));
	HOLDS(a->receiver_kms.n == b->receiver_kms.n && a->initiator_kms.n == b->initiator_kms.n);
	krr_free(a);
	krr_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets text = {data, size};
	HOLDS(!verifies(text, KMS_MAX_REQUEST));
	request(text);
	redirect(text);
	return 0;
}

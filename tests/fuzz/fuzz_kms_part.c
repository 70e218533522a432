/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_part.c - KMS documents as files hold them (a certificate, a cache, a key set, KmsInit, KmsKeyProv), and the
 * checks before keys are used (kms.md 8.4, 8.5).
 *
 * Invariants: a refusal names an element and says why; certificates and key sets written as documents of their own
 * read back and are written the same; only the home KMS's own certificate passes as root; a key set that passes is one
 * that the certificate's KMS issued, and a KMS or keyset comes out only with success.
 */
#include "fuzz/fuzz.h"
#include "mcx/doc/kms_doc.h"
#include "mcsec/secret.h"

static const char home[] = "kms.run.mcx.test";

static void told(const struct kms_fault *f)
{
	HOLDS(f->detail && f->detail[0] && memchr(f->element, 0, sizeof f->element));
}

static void certificate(const struct kms_certificate *c)
{
	static uint8_t first[KMS_CERTIFICATE_BOUND], second[sizeof first];
	struct writer w = wr_init(first, sizeof first), v = wr_init(second, sizeof second);
	struct kms_response again;
	struct kms_fault f;
	struct mcsec_kms *kms = NULL;
	kms_certificate_write(&w, c);
	HOLDS(w.err != MCSEC_E_NO_SPACE);
	if (!w.err) {
		HOLDS(!kms_response_read(&again, KMS_ROOT_PART, wr_result(&w), &f) && again.n_certs == 1);
		kms_certificate_write(&v, &again.certs[0]);
		HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
		kms_response_free(&again);
	}
	enum mcsec_err e = kms_certificate_check(c, KMS_ROLE_ROOT, home, home, 1795263600, &kms, &f);
	HOLDS((kms != NULL) == (e == MCSEC_OK));
	if (e)
		told(&f);
	else
		HOLDS(!strcmp(c->kms_uri, home) && c->role == KMS_ROLE_ROOT);
	mcsec_kms_free(kms);
}

static void key_set(struct kms_key_set *s, const struct kms_certificate *c)
{
	static uint8_t first[KMS_KEY_SET_BOUND], second[sizeof first];
	struct writer w = wr_init(first, sizeof first), v = wr_init(second, sizeof second);
	struct kms_response again;
	struct kms_fault f;
	struct mcsec_keyset *keys = NULL;
	struct mcsec_kms *kms = NULL;
	HOLDS(s->secret);
	kms_key_set_write(&w, s);
	HOLDS(w.err != MCSEC_E_NO_SPACE);
	if (!w.err) {
		HOLDS(!kms_response_read(&again, KMS_ROOT_PART, wr_result(&w), &f) && again.n_sets == 1);
		kms_key_set_write(&v, &again.sets[0]);
		HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
		kms_response_free(&again);
	}
	if (!c || mcsec_kms_new(&kms, c->pub_auth_key, c->pub_enc_key))
		return;
	enum mcsec_err e = kms_key_set_check(s, c, kms, s->user_uri, &keys, &f);
	HOLDS((keys != NULL) == (e == MCSEC_OK));
	if (e)
		told(&f);
	mcsec_keyset_free(keys);
	mcsec_kms_free(kms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kms_response r;
	struct kms_fault f;
	size_t secret = mcsec_secret_in_use();
	if (kms_response_read(&r, KMS_ROOT_RESPONSE | KMS_ROOT_PART, (struct octets){data, size}, &f)) {
		told(&f);
	} else {
		HOLDS(r.n_certs <= KMS_MAX_CERTS && r.n_sets <= KMS_MAX_SETS && r.n_lookup <= KMS_MAX_LOOKUP);
		for (size_t i = 0; i < r.n_certs && i < 2; i++)
			certificate(&r.certs[i]);
		for (size_t i = 0; i < r.n_sets && i < 2; i++)
			key_set(&r.sets[i], r.n_certs ? &r.certs[0] : NULL);
		kms_response_free(&r);
	}
	HOLDS(mcsec_secret_in_use() == secret);
	return 0;
}

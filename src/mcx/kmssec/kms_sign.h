/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_sign.h - SignedKmsRequest and SignedKmsResponse: HMAC-SHA-256 under InK or TrK (TS 33.180 D.1 to D.3; kms.md
 * 10.3), made and verified.
 *
 * Reading has three steps on one parsed document, so that what was verified is what is read: kms_signature_of looks at
 * the form and names the key; kms_signature_verify decides; kms_request_of or kms_response_of then reads the same tree.
 */
#ifndef MCX_KMSSEC_KMS_SIGN_H
#define MCX_KMSSEC_KMS_SIGN_H

#include "mcx/kmssec/kms_dsig.h"

enum kms_sign_flags {
	KMS_SIGN_HMAC128 = 1, /* HMACOutputLength 128 as in Rel-13 examples is accepted; shorter never */
};

struct kms_signature {
	struct dsig dsig;
	char key_name[KMS_KEY_ID_MAX];
};

/* MCSEC_E_SIGNATURE and the fault when the form is not the profile's. doc's root is a Signed element. */
MCSEC_MUST_CHECK enum mcsec_err kms_signature_of(struct kms_signature *s, struct _xmlDoc *doc, unsigned flags,
						 struct kms_fault *f);
/* MCSEC_OK or MCSEC_E_SIGNATURE; the same time for a right and a wrong MAC. */
MCSEC_MUST_CHECK enum mcsec_err kms_signature_verify(const struct kms_signature *s, const uint8_t key[KMS_TRK_LEN]);

/* r->id is the Id that the signature refers to: not empty. With line ends as in kms.md 16.3. */
void kms_request_sign(struct writer *w, const struct kms_request *r, const char *key_name,
		      const uint8_t key[KMS_TRK_LEN]);
void kms_response_sign(struct writer *w, const struct kms_response *r, const char *key_name,
		       const uint8_t key[KMS_TRK_LEN]);
enum { KMS_SIGNATURE_BOUND = 4096 }; /* octets that signing adds at most */

#endif

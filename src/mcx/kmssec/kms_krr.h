/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_krr.h - signed KMS Redirect Responses: ECDSA P-256 with SHA-256, enveloped, the certificate in KeyInfo
 * (TS 33.180 D.4.2; kms.md 11.2). The trust anchors for processors are configured; SignatureValue is r|s.
 */
#ifndef MCX_KMSSEC_KMS_KRR_H
#define MCX_KMSSEC_KMS_KRR_H

#include "mcx/doc/krr.h"

struct krr_signer; /* certificate and private key of a processor */
struct krr_trust;  /* trust anchors */

/* PEM. NULL when it is none, or not an EC key on P-256 that belongs to the certificate. */
struct krr_signer *krr_signer_new(struct octets cert_pem, struct octets key_pem);
void krr_signer_free(struct krr_signer *s);
struct krr_trust *krr_trust_new(struct octets ca_pem);
void krr_trust_free(struct krr_trust *t);

/* The whole document, signed; k->id is not empty, and nothing embedded has it too (MCSEC_E_VALUE). */
void krr_sign(struct writer *w, const struct krr *k, const struct krr_signer *s);

enum krr_verdict { KRR_UNSIGNED, KRR_VERIFIED, KRR_FORGED };
const char *krr_verdict_name(enum krr_verdict v);

/*
 * Reads a document and looks at its outer signature at Unix time `now`; trust NULL: nobody is trusted. MCSEC_OK and
 * *out (krr_free) also for an unsigned or forged one: *v is the answer, f says why.
 */
MCSEC_MUST_CHECK enum mcsec_err krr_open(struct krr **out, enum krr_verdict *v, struct octets xml,
					 const struct krr_trust *trust, int64_t now, struct kms_fault *f);

#endif

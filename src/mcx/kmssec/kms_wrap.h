/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_wrap.h - keys of KMS documents under a transport key (TS 33.180 D.1, D.3; kms.md 10.2).
 *
 * Written: RFC 3394 for lengths of whole 64-bit blocks, else RFC 5649. Read: either, under either identifier; the
 * integrity value that comes out says which it was, and the length must be the one of the element. One error for
 * whatever does not open.
 */
#ifndef MCX_KMSSEC_KMS_WRAP_H
#define MCX_KMSSEC_KMS_WRAP_H

#include "mcx/doc/kms_doc.h"

enum kms_wrap_flags {
	KMS_WRAP_STRICT = 1, /* RFC 5649 under its own identifier; default: kw-aes256 for all, as 3GPP names no other */
	KMS_WRAP_PADDED = 2, /* RFC 5649 for all */
};

/* A key to find: NULL if this name is not known. 32 octets. */
typedef const uint8_t *kms_key_finder(void *ctx, const char *key_name);

MCSEC_MUST_CHECK enum mcsec_err kms_wrap(const uint8_t trk[KMS_TRK_LEN], unsigned flags, struct octets key,
					 struct kms_enc_key *out);
/* out receives exactly len octets; MCSEC_E_DECRYPT (out wiped) otherwise. */
MCSEC_MUST_CHECK enum mcsec_err kms_unwrap(const uint8_t trk[KMS_TRK_LEN], const struct kms_enc_key *k, uint8_t *out,
					   size_t len);

/* Fills in set->wrapped from its keys; secret stays. */
MCSEC_MUST_CHECK enum mcsec_err kms_key_set_wrap(struct kms_key_set *set, const uint8_t trk[KMS_TRK_LEN],
						 const char *trk_id, unsigned flags);
/* Fills in secret and pvt, frees wrapped. A set without wrapped keys passes. MCSEC_E_NO_KEYS: TrK not known. */
MCSEC_MUST_CHECK enum mcsec_err kms_key_set_unwrap(struct kms_key_set *set, kms_key_finder *find, void *ctx);

#endif

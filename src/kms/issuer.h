/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer.h - the only part of mcx-kms that holds the master secrets (kms.md 2.1, 15A rows 6 to 9).
 *
 * Identity and period in, one checked key set out; nothing else leaves it. The rest of the daemon sees no KSAK and no
 * z_T, so that this part can move into a process of its own behind the same header. Thread-safe.
 */
#ifndef MCX_KMS_ISSUER_H
#define MCX_KMS_ISSUER_H

#include "custody/custody.h"
#include "mcx/doc/kms_doc.h"

struct issuer;

struct issuer *issuer_new(void);
void issuer_free(struct issuer *i); /* wipes */

enum { ISSUER_SEALED_LEN = MCSEC_KSAK_LEN + MCSEC_ZT_LEN + CUSTODY_OVERHEAD };

/* New master secrets, sealed under the passphrase file; the issuer is unsealed with them. */
enum custody_err issuer_create(struct issuer *i, const char *passphrase_file, const char *kms_uri,
			       uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN],
			       uint8_t sealed[ISSUER_SEALED_LEN]);
/* CUSTODY_WRONG also when the secrets are not those of this certificate. */
enum custody_err issuer_unseal(struct issuer *i, const char *passphrase_file, const struct kms_certificate *cert,
			       struct octets sealed);
void issuer_seal(struct issuer *i); /* forgets the secrets */
int issuer_is_sealed(struct issuer *i);

/*
 * One key set for this identity and period under `cert`, checked before release. number: never the same twice.
 * out->secret is secret memory of the caller. MCSEC_E_NO_KEYS: sealed.
 */
enum mcsec_err issuer_issue(struct issuer *i, const struct kms_certificate *cert, uint64_t number, const char *identity,
			    uint64_t period_no, struct kms_key_set *out);
/* Known answers, before anything is issued (self_test.c). MCSEC_OK or MCSEC_E_SELF_TEST. Takes some 10 ms. */
enum mcsec_err issuer_self_test(const struct mcsec_rng *rng);

#endif

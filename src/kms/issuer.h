/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer.h - the front end's view of the process that holds the master secrets (kms.md 15A rows 6 to 9, 15B).
 *
 * Identity and period in, one checked key set out; nothing else leaves that process. It is started through the keeper,
 * asked over channels, and when it dies an alarm is raised, requests are refused, and (issuer_restart) it is started
 * again. Nothing is lost with it: what it made and was not recorded was never answered. Thread-safe.
 */
#ifndef MCX_KMS_ISSUER_H
#define MCX_KMS_ISSUER_H

#include "kms/config.h"
#include "kms/issuer/wire.h"
#include "mcx/doc/kms_doc.h"

struct issuer;

enum issuer_life {
	ISSUER_LIFE_UNINITIALISED, /* no domain yet */
	ISSUER_LIFE_DOWN,          /* the process died and is not back */
	ISSUER_LIFE_SEALED,
	ISSUER_LIFE_UNSEALED,
};
const char *issuer_life_name(enum issuer_life l);

struct issuer_options {
	const struct kms_config *config;
	const char *config_path;
	void (*changed)(void *ctx, enum issuer_life now, int died); /* from any thread; may be NULL */
	void *ctx;
};

/* Starts the keeper: before the process has threads. NULL and a sentence in err. */
struct issuer *issuer_new(const struct issuer_options *o, char *err, size_t err_size);
/* From here on its death is noticed; makes a thread. 0 or -1. */
int issuer_watch(struct issuer *i);
void issuer_free(struct issuer *i); /* ends the other processes */

/* New master secrets in the custody of the configuration; the issuer is unsealed with them. */
enum custody_err issuer_create(struct issuer *i, const char *kms_uri, const struct mcsec_periods *periods,
			       uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN],
			       uint8_t sealed[ISSUER_SEALED_MAX], size_t *sealed_len);
/*
 * Starts an issuer for this domain. CUSTODY_OK: unsealed. CUSTODY_ABSENT: it runs, sealed. CUSTODY_WRONG also when the
 * secrets are not those of this certificate.
 */
enum custody_err issuer_unseal(struct issuer *i, const struct kms_certificate *cert, struct octets sealed);
void issuer_seal(struct issuer *i); /* it forgets the secrets */
enum issuer_life issuer_life(struct issuer *i);
int issuer_is_sealed(struct issuer *i); /* in any state but unsealed */
/* MCSEC_OK, or MCSEC_E_NO_KEYS: it is not there. */
enum mcsec_err issuer_ask_state(struct issuer *i, struct issuer_state *out);
/*
 * One officer's share in a parcel. MCSEC_OK: *out says what became of it. MCSEC_E_NO_KEYS: no issuer is there.
 * MCSEC_E_UNSUPPORTED: it waits for no shares.
 */
enum mcsec_err issuer_give_share(struct issuer *i, struct octets parcel, struct issuer_verdict *out);

/*
 * One key set for this identity and period under `cert`, checked before release. number: never the same twice.
 * out->secret is secret memory of the caller. MCSEC_E_NO_KEYS: sealed, or the issuer died.
 */
enum mcsec_err issuer_issue(struct issuer *i, const struct kms_certificate *cert, uint64_t number, const char *identity,
			    uint64_t period_no, struct kms_key_set *out);

#endif

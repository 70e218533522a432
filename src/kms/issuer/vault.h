/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.h - the master secrets of one domain while they are in use (kms.md 2.1, 15A rows 6 to 9), and what may be done
 * with them: issue, say the public keys, forget. Lives in the issuer's process alone. Thread-safe.
 *
 * Issuing reads the master under a shared lock, sealing takes it exclusively: a set that is being issued while an
 * officer seals is finished, the next one is refused.
 */
#ifndef MCX_KMS_ISSUER_VAULT_H
#define MCX_KMS_ISSUER_VAULT_H

#include "custody/place.h"
#include "kms/issuer/wire.h"

/* As sealed: KSAK, then z_T. */
enum { VAULT_SECRET_LEN = MCSEC_KSAK_LEN + MCSEC_ZT_LEN };
#define VAULT_SECRET_NAME "master"

/*
 * Who does the arithmetic with the master secrets (kms.md 15A row 7). libmcsec does it in this process; a module that
 * does it inside itself puts its own functions here, and what rests in custody is then its handle to them.
 * The functions but open are called by many threads at once.
 */
struct vault_provider {
	/* Keys of these VAULT_SECRET_LEN octets; NULL: there are none. */
	void *(*open)(const uint8_t *secrets);
	/* New ones, and the octets to be sealed; NULL: none could be made. */
	void *(*create)(uint8_t *secrets);
	void (*get_public)(void *keys, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN]);
	/* RSK, SSK and PVT of a UID; number: never the same twice (kms.md 2.1 item 3). MCSEC_OK or why not. */
	enum mcsec_err (*issue)(void *keys, const struct mcsec_rng *rng, uint64_t number,
				const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out);
	void (*close)(void *keys); /* forgets; NULL is allowed */
};
extern const struct vault_provider vault_software;

struct vault;

struct vault *vault_new(const struct vault_provider *provider);
void vault_free(struct vault *v); /* wipes */

/* New master secrets, sealed in this custody; the vault is open with them. d->periods is given, the rest filled in. */
enum custody_err vault_create(struct vault *v, struct custody *c, const char *kms_uri, struct issuer_domain *d,
			      uint8_t sealed[CUSTODY_BLOB_MAX]);
/*
 * Which domain this vault is for, once; it can then be opened. CUSTODY_WRONG also when the secrets are not those of
 * these public keys.
 */
enum custody_err vault_open(struct vault *v, struct custody *c, const char *kms_uri, const struct issuer_domain *d);
void vault_seal(struct vault *v);
int vault_is_sealed(struct vault *v);

/* ISSUER_OK, and *out is filled in (secret memory). uid must be that of identity and period. */
enum issuer_status vault_issue(struct vault *v, const struct mcsec_rng *rng, const char *identity, uint64_t period,
			       uint64_t number, const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out);
enum issuer_status vault_public(struct vault *v, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN]);

/* The secrets of a blob of libmcsec's as they are sealed, if they belong to these public keys. *out: to be freed. */
enum custody_err vault_secrets(struct custody *c, const char *kms_uri, const struct issuer_domain *d, uint8_t **out);

/* Known answers, before anything is issued (self_test.c). MCSEC_OK or MCSEC_E_SELF_TEST. Takes some 10 ms. */
enum mcsec_err issuer_self_test(const struct mcsec_rng *rng);

#endif

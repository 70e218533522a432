/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.c - see vault.h.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kms/issuer/vault.h"
#include "mcsec/secret.h"

struct vault {
	pthread_rwlock_t lock;
	struct mcsec_master *master; /* NULL: sealed */
	char kms_uri[ISSUER_IDENTITY_MAX];
	struct mcsec_periods periods;
};

struct vault *vault_new(void)
{
	struct vault *v = calloc(1, sizeof *v);
	if (v)
		pthread_rwlock_init(&v->lock, NULL);
	return v;
}

static void install(struct vault *v, struct mcsec_master *master)
{
	pthread_rwlock_wrlock(&v->lock);
	struct mcsec_master *old = v->master;
	v->master = master;
	pthread_rwlock_unlock(&v->lock);
	mcsec_master_free(old);
}

void vault_seal(struct vault *v)
{
	install(v, NULL);
}

void vault_free(struct vault *v)
{
	if (!v)
		return;
	vault_seal(v);
	pthread_rwlock_destroy(&v->lock);
	free(v);
}

int vault_is_sealed(struct vault *v)
{
	pthread_rwlock_rdlock(&v->lock);
	int sealed = !v->master;
	pthread_rwlock_unlock(&v->lock);
	return sealed;
}

/* ---- custody ---- */

/* Before any other thread knows the vault. */
static void name_domain(struct vault *v, const char *kms_uri, const struct issuer_domain *d)
{
	snprintf(v->kms_uri, sizeof v->kms_uri, "%s", kms_uri);
	v->periods = d->periods;
}

static enum custody_err seal_master(const struct mcsec_master *master, struct custody *c, const char *kms_uri,
				    uint8_t *sealed, size_t *sealed_len)
{
	uint8_t *s = mcsec_secret_alloc(VAULT_SECRET_LEN);
	if (!s)
		return CUSTODY_RESOURCES;
	mcsec_master_export(master, s, s + MCSEC_KSAK_LEN);
	enum custody_err e = custody_put(c, kms_uri, VAULT_SECRET_NAME, (struct octets){s, VAULT_SECRET_LEN},
					 &mcsec_rng_system, sealed, sealed_len);
	mcsec_secret_free(s);
	return e;
}

enum custody_err vault_create(struct vault *v, struct custody *c, const char *kms_uri, struct issuer_domain *d,
			      uint8_t sealed[CUSTODY_BLOB_MAX])
{
	struct mcsec_master *master = NULL;
	size_t len = 0;
	enum custody_err e = mcsec_master_generate(&master, &mcsec_rng_system) ? CUSTODY_RESOURCES : CUSTODY_OK;
	if (!e)
		e = seal_master(master, c, kms_uri, sealed, &len);
	if (e) {
		mcsec_master_free(master);
		return e;
	}
	mcsec_master_public(master, d->kpak, d->z_pub);
	d->sealed = (struct octets){sealed, len};
	name_domain(v, kms_uri, d);
	install(v, master);
	return CUSTODY_OK;
}

static enum custody_err load(const uint8_t *secrets, const struct issuer_domain *d, struct mcsec_master **out)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	if (mcsec_master_load(out, secrets, secrets + MCSEC_KSAK_LEN))
		return CUSTODY_WRONG;
	mcsec_master_public(*out, kpak, z_pub);
	if (memcmp(kpak, d->kpak, sizeof kpak) == 0 && memcmp(z_pub, d->z_pub, sizeof z_pub) == 0)
		return CUSTODY_OK;
	mcsec_master_free(*out);
	*out = NULL;
	return CUSTODY_WRONG;
}

enum custody_err vault_secrets(struct custody *c, const char *kms_uri, const struct issuer_domain *d, uint8_t **out)
{
	struct mcsec_master *master = NULL;
	uint8_t *s = mcsec_secret_alloc(VAULT_SECRET_LEN);
	enum custody_err e = CUSTODY_RESOURCES;
	if (s)
		e = custody_get(c, kms_uri, VAULT_SECRET_NAME, d->sealed, s, VAULT_SECRET_LEN);
	if (!e)
		e = load(s, d, &master);
	mcsec_master_free(master);
	if (e)
		mcsec_secret_free(s);
	*out = e ? NULL : s;
	return e;
}

enum custody_err vault_open(struct vault *v, struct custody *c, const char *kms_uri, const struct issuer_domain *d)
{
	struct mcsec_master *master = NULL;
	uint8_t *s = NULL;
	name_domain(v, kms_uri, d);
	if (!c)
		return CUSTODY_ABSENT;
	enum custody_err e = vault_secrets(c, kms_uri, d, &s);
	if (!e)
		e = load(s, d, &master);
	mcsec_secret_free(s);
	if (!e)
		install(v, master);
	return e;
}

/* ---- use ---- */

enum issuer_status vault_issue(struct vault *v, const struct mcsec_rng *rng, const char *identity, uint64_t period,
			       uint64_t number, const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out)
{
	uint8_t own[MCSEC_UID_LEN];
	enum issuer_status s = ISSUER_SEALED;
	pthread_rwlock_rdlock(&v->lock);
	if (v->master) {
		int same = identity[0] && !mcsec_uid(identity, v->kms_uri, &v->periods, period, own) &&
			   memcmp(own, uid, sizeof own) == 0;
		s = !same                                                              ? ISSUER_UID_MISMATCH
		    : mcsec_master_issue(v->master, rng, number, own, sizeof own, out) ? ISSUER_FAILED
										       : ISSUER_OK;
	}
	pthread_rwlock_unlock(&v->lock);
	return s;
}

enum issuer_status vault_public(struct vault *v, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	pthread_rwlock_rdlock(&v->lock);
	int sealed = !v->master;
	if (!sealed)
		mcsec_master_public(v->master, kpak, z_pub);
	pthread_rwlock_unlock(&v->lock);
	return sealed ? ISSUER_SEALED : ISSUER_OK;
}

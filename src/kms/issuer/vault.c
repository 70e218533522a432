/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.c - see vault.h.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kms/issuer/vault.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"

struct vault {
	const struct vault_provider *provider;
	pthread_rwlock_t lock;
	void *keys; /* the provider's; NULL: sealed */
	char kms_uri[ISSUER_IDENTITY_MAX];
	struct mcsec_periods periods;
};

/* ---- libmcsec as provider ---- */

static void *software_open(const uint8_t *secrets)
{
	struct mcsec_master *m = NULL;
	return mcsec_master_load(&m, secrets, secrets + MCSEC_KSAK_LEN) ? NULL : m;
}

static void *software_create(uint8_t *secrets)
{
	struct mcsec_master *m = NULL;
	if (mcsec_master_generate(&m, &mcsec_rng_system))
		return NULL;
	mcsec_master_export(m, secrets, secrets + MCSEC_KSAK_LEN);
	return m;
}

static void software_public(void *keys, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	mcsec_master_public(keys, kpak, z_pub);
}

static enum mcsec_err software_issue(void *keys, const struct mcsec_rng *rng, uint64_t number,
				     const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out)
{
	return mcsec_master_issue(keys, rng, number, uid, MCSEC_UID_LEN, out);
}

static void software_close(void *keys)
{
	mcsec_master_free(keys);
}

const struct vault_provider vault_software = {software_open, software_create, software_public, software_issue,
					      software_close};

/* ---- the vault ---- */

struct vault *vault_new(const struct vault_provider *provider)
{
	struct vault *v = calloc(1, sizeof *v);
	if (v) {
		v->provider = provider;
		pthread_rwlock_init(&v->lock, NULL);
	}
	return v;
}

static void install(struct vault *v, void *keys)
{
	pthread_rwlock_wrlock(&v->lock);
	void *old = v->keys;
	v->keys = keys;
	pthread_rwlock_unlock(&v->lock);
	v->provider->close(old);
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
	int sealed = !v->keys;
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

enum custody_err vault_create(struct vault *v, struct custody *c, const char *kms_uri, struct issuer_domain *d,
			      uint8_t sealed[CUSTODY_BLOB_MAX])
{
	size_t len = 0;
	uint8_t *s = mcsec_secret_alloc(VAULT_SECRET_LEN);
	void *keys = s ? v->provider->create(s) : NULL;
	enum custody_err e = CUSTODY_RESOURCES;
	if (keys)
		e = custody_put(c, kms_uri, VAULT_SECRET_NAME, (struct octets){s, VAULT_SECRET_LEN}, &mcsec_rng_system,
				sealed, &len);
	mcsec_secret_free(s);
	if (e) {
		v->provider->close(keys);
		return e;
	}
	v->provider->get_public(keys, d->kpak, d->z_pub);
	d->sealed = (struct octets){sealed, len};
	name_domain(v, kms_uri, d);
	install(v, keys);
	return CUSTODY_OK;
}

/* Keys of these secrets, if they belong to these public keys. */
static enum custody_err load(const struct vault_provider *p, const uint8_t *secrets, const struct issuer_domain *d,
			     void **out)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	*out = p->open(secrets);
	if (!*out)
		return CUSTODY_WRONG;
	p->get_public(*out, kpak, z_pub);
	if (memcmp(kpak, d->kpak, sizeof kpak) == 0 && memcmp(z_pub, d->z_pub, sizeof z_pub) == 0)
		return CUSTODY_OK;
	p->close(*out);
	*out = NULL;
	return CUSTODY_WRONG;
}

/* *s: VAULT_SECRET_LEN octets, *keys: what the provider makes of them; both only when CUSTODY_OK. */
static enum custody_err take_out(const struct vault_provider *p, struct custody *c, const char *kms_uri,
				 const struct issuer_domain *d, uint8_t **s, void **keys)
{
	enum custody_err e = CUSTODY_RESOURCES;
	*keys = NULL;
	*s = mcsec_secret_alloc(VAULT_SECRET_LEN);
	if (*s)
		e = custody_get(c, kms_uri, VAULT_SECRET_NAME, d->sealed, *s, VAULT_SECRET_LEN);
	if (!e)
		e = load(p, *s, d, keys);
	if (e) {
		mcsec_secret_free(*s);
		*s = NULL;
	}
	return e;
}

enum custody_err vault_secrets(struct custody *c, const char *kms_uri, const struct issuer_domain *d, uint8_t **out)
{
	void *keys;
	enum custody_err e = take_out(&vault_software, c, kms_uri, d, out, &keys);
	vault_software.close(keys);
	return e;
}

enum custody_err vault_open(struct vault *v, struct custody *c, const char *kms_uri, const struct issuer_domain *d)
{
	void *keys;
	uint8_t *s = NULL;
	name_domain(v, kms_uri, d);
	if (!c)
		return CUSTODY_ABSENT;
	enum custody_err e = take_out(v->provider, c, kms_uri, d, &s, &keys);
	mcsec_secret_free(s);
	if (!e)
		install(v, keys);
	return e;
}

/* ---- use ---- */

enum issuer_status vault_issue(struct vault *v, const struct mcsec_rng *rng, const char *identity, uint64_t period,
			       uint64_t number, const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out)
{
	uint8_t own[MCSEC_UID_LEN];
	enum issuer_status s = ISSUER_SEALED;
	pthread_rwlock_rdlock(&v->lock);
	if (v->keys) {
		int same =
		    MCX_CHECK(kms.uid, identity[0] && !mcsec_uid(identity, v->kms_uri, &v->periods, period, own) &&
					   memcmp(own, uid, sizeof own) == 0);
		s = !same                                                ? ISSUER_UID_MISMATCH
		    : v->provider->issue(v->keys, rng, number, own, out) ? ISSUER_FAILED
									 : ISSUER_OK;
	}
	pthread_rwlock_unlock(&v->lock);
	return s;
}

enum issuer_status vault_public(struct vault *v, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	pthread_rwlock_rdlock(&v->lock);
	int sealed = !v->keys;
	if (!sealed)
		v->provider->get_public(v->keys, kpak, z_pub);
	pthread_rwlock_unlock(&v->lock);
	return sealed ? ISSUER_SEALED : ISSUER_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer.c - see issuer.h. Issuing reads the master under a shared lock, sealing takes it exclusively: a set that is
 * being issued while an officer seals is finished, the next one is refused.
 */
#include <pthread.h>
#include <stdlib.h>

#include "kms/issuer.h"
#include "mcsec/secret.h"

struct issuer {
	pthread_rwlock_t lock;
	struct mcsec_master *master; /* NULL: sealed */
};

struct secrets { /* as sealed */
	uint8_t ksak[MCSEC_KSAK_LEN];
	uint8_t z_t[MCSEC_ZT_LEN];
};
_Static_assert(sizeof(struct secrets) + CUSTODY_OVERHEAD == ISSUER_SEALED_LEN, "no padding between the secrets");

static const char sealed_name[] = "master";

struct issuer *issuer_new(void)
{
	struct issuer *i = calloc(1, sizeof *i);
	if (i)
		pthread_rwlock_init(&i->lock, NULL);
	return i;
}

static void install(struct issuer *i, struct mcsec_master *master)
{
	pthread_rwlock_wrlock(&i->lock);
	struct mcsec_master *old = i->master;
	i->master = master;
	pthread_rwlock_unlock(&i->lock);
	mcsec_master_free(old);
}

void issuer_seal(struct issuer *i)
{
	install(i, NULL);
}

void issuer_free(struct issuer *i)
{
	if (!i)
		return;
	issuer_seal(i);
	pthread_rwlock_destroy(&i->lock);
	free(i);
}

int issuer_is_sealed(struct issuer *i)
{
	pthread_rwlock_rdlock(&i->lock);
	int sealed = !i->master;
	pthread_rwlock_unlock(&i->lock);
	return sealed;
}

/* ---- custody ---- */

static enum custody_err seal_master(const struct mcsec_master *master, const struct custody_passphrase *p,
				    const char *kms_uri, uint8_t sealed[ISSUER_SEALED_LEN])
{
	struct secrets *s = mcsec_secret_alloc(sizeof *s);
	if (!s)
		return CUSTODY_RESOURCES;
	mcsec_master_export(master, s->ksak, s->z_t);
	enum custody_err e = custody_seal(p, &custody_cost_default, kms_uri, sealed_name,
					  (struct octets){(uint8_t *)s, sizeof *s}, &mcsec_rng_system, sealed);
	mcsec_secret_free(s);
	return e;
}

enum custody_err issuer_create(struct issuer *i, const char *passphrase_file, const char *kms_uri,
			       uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN],
			       uint8_t sealed[ISSUER_SEALED_LEN])
{
	struct custody_passphrase *p = NULL;
	struct mcsec_master *master = NULL;
	enum custody_err e = custody_passphrase_read(passphrase_file, &p);
	if (!e && mcsec_master_generate(&master, &mcsec_rng_system))
		e = CUSTODY_RESOURCES;
	if (!e)
		e = seal_master(master, p, kms_uri, sealed);
	custody_passphrase_free(p);
	if (e) {
		mcsec_master_free(master);
		return e;
	}
	mcsec_master_public(master, kpak, z_pub);
	install(i, master);
	return CUSTODY_OK;
}

static enum custody_err load(const struct secrets *s, const struct kms_certificate *cert, struct mcsec_master **out)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	if (mcsec_master_load(out, s->ksak, s->z_t))
		return CUSTODY_WRONG;
	mcsec_master_public(*out, kpak, z_pub);
	if (memcmp(kpak, cert->pub_auth_key, sizeof kpak) == 0 && memcmp(z_pub, cert->pub_enc_key, sizeof z_pub) == 0)
		return CUSTODY_OK;
	mcsec_master_free(*out);
	*out = NULL;
	return CUSTODY_WRONG;
}

enum custody_err issuer_unseal(struct issuer *i, const char *passphrase_file, const struct kms_certificate *cert,
			       struct octets sealed)
{
	struct custody_passphrase *p = NULL;
	struct mcsec_master *master = NULL;
	struct secrets *s = mcsec_secret_alloc(sizeof *s);
	enum custody_err e = s ? custody_passphrase_read(passphrase_file, &p) : CUSTODY_RESOURCES;
	if (!e)
		e = custody_open(p, cert->kms_uri, sealed_name, sealed, (uint8_t *)s, sizeof *s);
	if (!e)
		e = load(s, cert, &master);
	custody_passphrase_free(p);
	mcsec_secret_free(s);
	if (!e)
		install(i, master);
	return e;
}

/* ---- issuing
 * --------------------------------------------------------------------------------------------------------- */

static enum mcsec_err issue(const struct mcsec_master *master, uint64_t number, struct kms_key_set *out)
{
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	if (!k)
		return MCSEC_E_MEMORY;
	enum mcsec_err e = mcsec_master_issue(master, &mcsec_rng_system, number, out->uid, sizeof out->uid, k);
	if (!e) {
		memcpy(out->secret->rsk, k->rsk, sizeof k->rsk);
		memcpy(out->secret->ssk, k->ssk, sizeof k->ssk);
		memcpy(out->pvt, k->pvt, sizeof k->pvt);
	}
	mcsec_secret_free(k);
	return e;
}

enum mcsec_err issuer_issue(struct issuer *i, const struct kms_certificate *cert, uint64_t number, const char *identity,
			    uint64_t period_no, struct kms_key_set *out)
{
	uint64_t start = mcsec_period_start(&cert->periods, period_no);
	if (strlen(identity) >= sizeof out->user_uri)
		return MCSEC_E_LENGTH;
	memcpy(out->kms_uri, cert->kms_uri, sizeof out->kms_uri);
	memcpy(out->cert_uri, cert->cert_uri, sizeof out->cert_uri);
	strcpy(out->user_uri, identity);
	out->issuer[0] = 0;
	out->revoked = 0;
	out->period_no = period_no;
	out->valid_from = (int64_t)(start - MCSEC_NTP_UNIX);
	out->valid_to = (int64_t)(start + cert->periods.period - MCSEC_NTP_UNIX);
	enum mcsec_err e = mcsec_uid(identity, cert->kms_uri, &cert->periods, period_no, out->uid);
	if (e)
		return e;
	pthread_rwlock_rdlock(&i->lock);
	e = i->master ? issue(i->master, number, out) : MCSEC_E_NO_KEYS;
	pthread_rwlock_unlock(&i->lock);
	return e;
}

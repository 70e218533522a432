/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcsec_peer.c - libmcsec behind peer_api.h, so that any runner can check and time it.
 *
 * What libmcsec does not offer apart is made of the steps it has: a pair alone (SSK and PVT without RSK, unchecked as
 * with other implementations), an RSK alone, a key set whose other half is not looked at.
 */
#include <stdlib.h>

#include "mcsec/ibc.h"
#include "mcsec/secret.h"
#include "peer_api.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/lanes/lanes.h"

struct handle {
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_keyset *signer, *receiver;
	struct mcsec_identity *prepared;
};

static void m_close(void *h)
{
	struct handle *c = h;
	mcsec_keyset_free(c->signer);
	mcsec_keyset_free(c->receiver);
	mcsec_identity_free(c->prepared);
	mcsec_kms_free(c->kms);
	mcsec_master_free(c->master);
	free(c);
}

/* MCSEC_KMS_OCTETS in the environment: tables of another size. */
static size_t kms_tables(void)
{
	const char *wanted = getenv("MCSEC_KMS_OCTETS");
	return wanted ? strtoul(wanted, NULL, 10) : MCSEC_KMS_TABLES;
}

static void *m_open(struct peer_setup *s)
{
	static const uint8_t none[MCSEC_ZPUB_LEN];
	struct handle *c = calloc(1, sizeof *c);
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	int ok = c != NULL;
	if (ok && s->is_kms) {
		ok = !mcsec_master_load(&c->master, s->ksak, s->z);
		if (ok) {
			mcsec_master_public(c->master, kpak, z_pub);
			if (memcmp(s->z_pub, none, sizeof none) == 0)
				memcpy(s->z_pub, z_pub, sizeof z_pub);
			ok = !memcmp(s->z_pub, z_pub, sizeof z_pub) && !memcmp(s->kpak, kpak, sizeof kpak);
		}
	}
	if (ok && !mcsec_kms_new_sized(&c->kms, s->kpak, s->z_pub, kms_tables()))
		return c;
	if (c)
		m_close(c);
	return NULL;
}

static int m_eccsi_issue(void *h, const uint8_t *id, size_t idlen, uint8_t *ssk, uint8_t *pvt)
{
	struct handle *c = h;
	struct mcsec_issued out;
	struct ident ident;
	if (ident_set(&ident, id, idlen) || eccsi_make_pair(c->master, &mcsec_rng_system, 1, &ident, &out))
		return -1;
	memcpy(ssk, out.ssk, sizeof out.ssk);
	memcpy(pvt, out.pvt, sizeof out.pvt);
	mcsec_wipe(&out, sizeof out);
	return 0;
}

static int m_sakke_issue(void *h, const uint8_t *id, size_t idlen, uint8_t *rsk)
{
	struct handle *c = h;
	struct ident ident;
	const struct ident *one = &ident;
	struct point k;
	if (ident_set(&ident, id, idlen) || sakke_issue_rsk(c->master, &one, &k, 1))
		return -1;
	point_store(rsk, &k);
	mcsec_wipe(&k, sizeof k);
	return 0;
}

static struct mcsec_keyset *half_set(struct mcsec_kms *kms, const uint8_t *id, size_t idlen)
{
	struct mcsec_keyset *k = mcsec_secret_alloc(sizeof *k);
	if (!k)
		return NULL;
	k->kms = mcsec_kms_ref(kms);
	k->tables = MCSEC_RSK_TABLES;
	if (!ident_set(&k->id, id, idlen))
		return k;
	mcsec_keyset_free(k);
	return NULL;
}

static int replace(struct mcsec_keyset **at, struct mcsec_keyset *by, enum mcsec_err err)
{
	if (err) {
		mcsec_keyset_free(by);
		return -1;
	}
	mcsec_keyset_free(*at);
	*at = by;
	return 0;
}

static int m_eccsi_load(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt)
{
	struct handle *c = h;
	struct mcsec_keyset *k = half_set(c->kms, id, idlen);
	return k ? replace(&c->signer, k, keyset_take_pair(k, ssk, pvt)) : -1;
}

static int m_eccsi_validate(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt)
{
	struct handle *c = h;
	struct mcsec_keyset *k = half_set(c->kms, id, idlen);
	enum mcsec_err err = k ? keyset_take_pair(k, ssk, pvt) : MCSEC_E_MEMORY;
	mcsec_keyset_free(k);
	return err != MCSEC_OK;
}

static int m_eccsi_sign(void *h, const uint8_t *m, size_t mlen, uint8_t *sig)
{
	struct handle *c = h;
	return mcsec_eccsi_sign(c->signer, &mcsec_rng_system, m, mlen, sig) != MCSEC_OK;
}

static int m_eccsi_verify(void *h, const uint8_t *id, size_t idlen, const uint8_t *m, size_t mlen, const uint8_t *sig)
{
	struct handle *c = h;
	struct mcsec_identity *i;
	int bad = mcsec_identity_new(&i, c->kms, id, idlen) || mcsec_eccsi_verify(i, m, mlen, sig);
	mcsec_identity_free(i);
	return bad;
}

static int m_sakke_encap(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssv, uint8_t *enc)
{
	struct handle *c = h;
	struct mcsec_identity *i;
	int bad = mcsec_identity_new(&i, c->kms, id, idlen) || mcsec_sakke_encapsulate(i, ssv, enc);
	mcsec_identity_free(i);
	return bad;
}

static int m_sakke_encap_batch(void *h, size_t n, const uint8_t *const *id, const size_t *idlen, const uint8_t *ssv,
			       uint8_t *const *enc)
{
	struct handle *c = h;
	struct mcsec_encap_job *jobs = calloc(n, sizeof *jobs);
	if (!jobs)
		return -1;
	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct mcsec_encap_job){.id = id[i], .id_len = idlen[i], .ssv = ssv, .sed = enc[i]};
	enum mcsec_err err = mcsec_sakke_encapsulate_batch(c->kms, jobs, n, 1);
	free(jobs);
	return err != MCSEC_OK;
}

static int m_sakke_prepare(void *h, const uint8_t *id, size_t idlen)
{
	struct handle *c = h;
	mcsec_identity_free(c->prepared);
	return mcsec_identity_new(&c->prepared, c->kms, id, idlen) != MCSEC_OK;
}

static int m_sakke_encap_prepared(void *h, const uint8_t *ssv, uint8_t *enc)
{
	struct handle *c = h;
	return mcsec_sakke_encapsulate(c->prepared, ssv, enc) != MCSEC_OK;
}

static int m_sakke_rsk_load(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk, int level)
{
	struct handle *c = h;
	(void)level; /* there is one way to hold an RSK, and it is always validated */
	struct mcsec_keyset *k = half_set(c->kms, id, idlen);
	return k ? replace(&c->receiver, k, keyset_take_rsk(k, rsk)) : -1;
}

static int m_sakke_rsk_validate(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk)
{
	struct handle *c = h;
	struct mcsec_keyset *k = half_set(c->kms, id, idlen);
	enum mcsec_err err = k ? keyset_take_rsk(k, rsk) : MCSEC_E_MEMORY;
	mcsec_keyset_free(k);
	return err != MCSEC_OK;
}

static int m_sakke_decap(void *h, const uint8_t *enc, uint8_t *ssv)
{
	struct handle *c = h;
	return mcsec_sakke_decapsulate(c->receiver, enc, PEER_ENC, ssv) != MCSEC_OK;
}

static size_t m_table_octets(void *h)
{
	(void)h;
	return lines_octets();
}

static const struct peer_impl impl = {
    .name = "mcsec",
    .version = "0.1.0",
    .remark = "constant time in secrets",
    .open = m_open,
    .close = m_close,
    .eccsi_issue = m_eccsi_issue,
    .sakke_issue = m_sakke_issue,
    .eccsi_validate = m_eccsi_validate,
    .eccsi_load = m_eccsi_load,
    .eccsi_sign = m_eccsi_sign,
    .eccsi_verify = m_eccsi_verify,
    .sakke_encap = m_sakke_encap,
    .sakke_encap_batch = m_sakke_encap_batch,
    .sakke_prepare = m_sakke_prepare,
    .sakke_encap_prepared = m_sakke_encap_prepared,
    .sakke_rsk_validate = m_sakke_rsk_validate,
    .sakke_rsk_load = m_sakke_rsk_load,
    .sakke_decap = m_sakke_decap,
    .table_octets = m_table_octets,
};

/* MCSEC_ARITHMETIC=portable|mulx in the environment: without what the processor has beyond it. */
__attribute__((visibility("default"))) const struct peer_impl *peer_get(void)
{
	const char *wanted = getenv("MCSEC_ARITHMETIC");
	if (wanted && (!mont_force(wanted) || !lanes_force(0)))
		return NULL;
	return &impl;
}

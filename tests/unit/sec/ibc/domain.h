/* SPDX-License-Identifier: Apache-2.0 */
/* domain.h - a KMS from the RFCs' published master secrets, a member of it with its key set, and its peer's view. */
#ifndef TEST_IBC_DOMAIN_H
#define TEST_IBC_DOMAIN_H

#include "vector.h"

#include "mcsec/ibc.h"
#include "sec/ibc/engine.h"

struct domain {
	uint64_t random;
	struct mcsec_rng rng;
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_keyset *keys;
	struct mcsec_identity *peer;
	struct mcsec_issued issued;
	uint8_t id[26], kpak[65], z_pub[257];
};

static inline void domain_new(struct domain *d)
{
	struct vector_file e, s;
	uint8_t ksak[32], z[128];
	*d = (struct domain){.random = 42, .rng = {test_fill, &d->random}};
	vector_open(&e, "rfc6507.json");
	vector_open(&s, "rfc6508.json");
	vector_get(&e, "ksak", ksak, sizeof ksak);
	vector_get(&e, "id", d->id, sizeof d->id);
	vector_get(&s, "z", z, sizeof z);
	assert_int_equal(mcsec_master_load(&d->master, ksak, z), MCSEC_OK);
	mcsec_master_public(d->master, d->kpak, d->z_pub);
	assert_int_equal(mcsec_kms_new(&d->kms, d->kpak, d->z_pub), MCSEC_OK);
	assert_int_equal(mcsec_identity_new(&d->peer, d->kms, d->id, sizeof d->id), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(d->master, &d->rng, 1, d->id, sizeof d->id, &d->issued), MCSEC_OK);
	assert_int_equal(
	    mcsec_keyset_new(&d->keys, d->kms, d->id, sizeof d->id, d->issued.ssk, d->issued.pvt, d->issued.rsk),
	    MCSEC_OK);
}

static inline void domain_free(struct domain *d)
{
	mcsec_identity_free(d->peer);
	mcsec_keyset_free(d->keys);
	mcsec_kms_free(d->kms);
	mcsec_master_free(d->master);
}

#endif

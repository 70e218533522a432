/* SPDX-License-Identifier: Apache-2.0 */
/*
 * master.c - the KMS side: master secrets KSAK and z_T, and key sets issued from them.
 *
 *   RSK = [1/(b + z_T) mod q]P                             RFC 6508 6.1.1
 *   PVT = [v]G, SSK = KSAK + HS v mod n                    RFC 6507 5.1.1
 *
 * A v that serves two HS gives KSAK away. So v is a keyed hash of identity, a counter that never repeats, and fresh
 * random octets: a broken random source alone cannot repeat it. Every key set is checked before it is handed out,
 * against faults of the machine.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/hash.h"

/* HKDF-SHA-256 (RFC 5869) with no salt, one block. */
static enum mcsec_err derive_hedge_key(uint8_t out[32], const uint8_t ksak[MCSEC_KSAK_LEN])
{
	static const uint8_t no_salt[32], info[] = "mcx-kms-v-hedge\x01"; /* info | 01, the counter of the block */
	uint8_t prk[32];
	int ok = HMAC(EVP_sha256(), no_salt, sizeof no_salt, ksak, MCSEC_KSAK_LEN, prk, NULL) != NULL;
	ok = ok && HMAC(EVP_sha256(), prk, sizeof prk, info, sizeof info - 1, out, NULL) != NULL;
	mcsec_wipe(prk, sizeof prk);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

static enum mcsec_err compute_public(struct mcsec_master *m)
{
	struct p256_affine kpak;
	struct point z_pub;
	struct num z;
	p256_mul_g(&m->kpak_point, &m->ksak);
	(void)p256_to_affine(&kpak, &m->kpak_point);
	p256_store(m->kpak, &kpak);
	p256_from(&m->kpak_point, &kpak);
	num_leave(&z, &m->z, &FQ);
	enum mcsec_err err = fixed_mul_p(&z_pub, &z, 1);
	if (!err)
		point_store(m->z_pub, &z_pub);
	mcsec_wipe(&z, sizeof z);
	return err;
}

enum mcsec_err mcsec_master_load(struct mcsec_master **out, const uint8_t ksak[MCSEC_KSAK_LEN],
				 const uint8_t z_t[MCSEC_ZT_LEN])
{
	*out = NULL;
	struct mcsec_master *m = mcsec_secret_alloc(sizeof *m);
	if (!m)
		return MCSEC_E_MEMORY;
	memcpy(m->ksak_octets, ksak, MCSEC_KSAK_LEN);
	memcpy(m->z_octets, z_t, MCSEC_ZT_LEN);
	mask_t ok = scalar_load(&m->ksak, ksak);
	num_load(&m->z, z_t);
	ok &= num_below(&m->z, &FQ.m) & ~num_is_zero(&m->z);
	num_enter(&m->z, &m->z, &FQ);
	enum mcsec_err err = ok ? p256_ready() : MCSEC_E_SCALAR;
	if (!err)
		err = derive_hedge_key(m->hedge_key, ksak);
	if (!err)
		err = compute_public(m);
	if (err)
		mcsec_master_free(m);
	else
		*out = m;
	burn_stack();
	return err;
}

/* Draws until in range: about one KSAK in 2^32 and three z_T in eight are thrown away after z_T is cut to 1022 bits. */
enum mcsec_err mcsec_master_generate(struct mcsec_master **out, const struct mcsec_rng *rng)
{
	*out = NULL;
	uint8_t *secret = mcsec_secret_alloc(MCSEC_KSAK_LEN + MCSEC_ZT_LEN);
	if (!secret)
		return MCSEC_E_MEMORY;
	uint8_t *ksak = secret, *z_t = secret + MCSEC_KSAK_LEN;
	static const struct num one = {{1}};
	struct n256 k;
	struct num z;
	enum mcsec_err err;
	mask_t ok;
	do {
		err = rng->fill(rng->ctx, ksak, MCSEC_KSAK_LEN);
		ok = scalar_load(&k, ksak);
	} while (!err && !ok);
	do {
		if (!err)
			err = rng->fill(rng->ctx, z_t, MCSEC_ZT_LEN);
		z_t[0] &= 0x3f;
		num_load(&z, z_t);
		ok = num_below(&z, &FQ.m) & ~num_is_zero(&z) & ~num_equal(&z, &one); /* [2, q - 1] */
	} while (!err && !ok);
	if (!err)
		err = mcsec_master_load(out, ksak, z_t);
	mcsec_wipe(&k, sizeof k);
	mcsec_wipe(&z, sizeof z);
	mcsec_secret_free(secret);
	return err;
}

void mcsec_master_free(struct mcsec_master *master)
{
	mcsec_secret_free(master);
}

void mcsec_master_export(const struct mcsec_master *master, uint8_t ksak[MCSEC_KSAK_LEN], uint8_t z_t[MCSEC_ZT_LEN])
{
	memcpy(ksak, master->ksak_octets, MCSEC_KSAK_LEN);
	memcpy(z_t, master->z_octets, MCSEC_ZT_LEN);
}

void mcsec_master_public(const struct mcsec_master *master, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	memcpy(kpak, master->kpak, MCSEC_KPAK_LEN);
	memcpy(z_pub, master->z_pub, MCSEC_ZPUB_LEN);
}

/* ---- Issuing ---- */

enum mcsec_err eccsi_make_pair(const struct mcsec_master *m, const struct mcsec_rng *rng, uint64_t counter,
			       const struct ident *id, struct mcsec_issued *out)
{
	uint8_t fresh[32], hash[64], count[8];
	struct octets id_octets = {id->octets, id->len};
	struct n256 v;
	enum mcsec_err err;
	for (int i = 0; i < 8; i++)
		count[i] = (uint8_t)(counter >> (56 - 8 * i));
	do {
		err = rng->fill(rng->ctx, fresh, sizeof fresh);
		if (err)
			break;
		const struct octets parts[] = {id_octets, OCTETS(count), OCTETS(fresh)};
		hmac512_parts(hash, OCTETS(m->hedge_key), parts, 3);
		scalar_from_hash(&v, hash);
		err = eccsi_pair_with(m, &v, id_octets, out);
	} while (err == MCSEC_E_SCALAR);
	mcsec_wipe(fresh, sizeof fresh);
	mcsec_wipe(hash, sizeof hash);
	mcsec_wipe(&v, sizeof v);
	return err;
}

/* The SSK equation over the octets that leave. */
static enum mcsec_err check_pair(const struct mcsec_master *m, const struct mcsec_issued *out)
{
	struct n256 ssk;
	mask_t ok = scalar_load(&ssk, out->ssk);
	if (ok)
		ok = eccsi_check_pair(&m->kpak_point, &ssk, out->pvt, out->hs) ? 0 : ok;
	mcsec_wipe(&ssk, sizeof ssk);
	return ok ? MCSEC_OK : MCSEC_E_SELF_TEST;
}

struct rsk_work {
	struct num sum, k, product, scratch; /* b + z, its inverse k, k (b + z) */
	struct point rsk;
};

enum mcsec_err sakke_issue_rsk(const struct mcsec_master *m, const struct ident *id, uint8_t rsk[MCSEC_RSK_LEN])
{
	struct rsk_work *w = mcsec_secret_alloc(sizeof *w);
	if (!w)
		return MCSEC_E_MEMORY;
	num_add(&w->sum, &id->b, &m->z, &FQ);
	num_inv(&w->k, &w->sum, &FQ);
	/* b + z = 0 mod q has no RSK; k (b + z) = 1 otherwise */
	num_mul(&w->product, &w->k, &w->sum, &FQ);
	enum mcsec_err err = num_equal(&w->product, &FQ.one) ? MCSEC_OK : MCSEC_E_SELF_TEST;
	num_leave(&w->k, &w->k, &FQ);
	if (!err)
		err = fixed_mul_p(&w->rsk, &w->k, 1);
	if (!err && !point_on_curve(&w->rsk))
		err = MCSEC_E_SELF_TEST;
	if (!err)
		point_store(rsk, &w->rsk);
	mcsec_secret_free(w);
	return err;
}

enum mcsec_err mcsec_master_issue(const struct mcsec_master *master, const struct mcsec_rng *rng,
				  uint64_t issue_counter, const uint8_t *id, size_t id_len, struct mcsec_issued *out)
{
	struct ident ident;
	enum mcsec_err err = ident_set(&ident, id, id_len);
	if (!err)
		err = eccsi_make_pair(master, rng, issue_counter, &ident, out);
	if (!err)
		err = check_pair(master, out);
	if (!err)
		err = sakke_issue_rsk(master, &ident, out->rsk);
	if (err)
		mcsec_wipe(out, sizeof *out);
	burn_stack();
	return err;
}

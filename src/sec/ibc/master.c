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
#include "sec/ibc/field/ct.h"
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
	ct_public(&ok, sizeof ok); /* the verdict */
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
		ct_public(&ok, sizeof ok); /* what is out of range is thrown away */
	} while (!err && !ok);
	do {
		if (!err)
			err = rng->fill(rng->ctx, z_t, MCSEC_ZT_LEN);
		z_t[0] &= 0x3f;
		num_load(&z, z_t);
		ok = num_below(&z, &FQ.m) & ~num_is_zero(&z) & ~num_equal(&z, &one); /* [2, q - 1] */
		ct_public(&ok, sizeof ok);
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
	ct_public(&ok, sizeof ok);
	if (ok)
		ok = eccsi_check_pair(&m->kpak_point, &ssk, out->pvt, out->hs) ? 0 : ok;
	mcsec_wipe(&ssk, sizeof ssk);
	return ok ? MCSEC_OK : MCSEC_E_SELF_TEST;
}

struct rsk_work {
	struct num sum[SAKKE_BLOCK], k[SAKKE_BLOCK], product,
	    scratch[SAKKE_BLOCK]; /* b + z, its inverse k, k (b + z) */
};

enum mcsec_err sakke_issue_rsk(const struct mcsec_master *m, const struct ident *const *id, struct point *rsk, size_t n)
{
	struct rsk_work *w = mcsec_secret_alloc(sizeof *w);
	if (!w)
		return MCSEC_E_MEMORY;
	for (size_t i = 0; i < n; i++) {
		num_add(&w->sum[i], &id[i]->b, &m->z, &FQ);
		w->k[i] = w->sum[i];
	}
	/* b + z = 0 mod q has no RSK; k (b + z) = 1 otherwise */
	mask_t ok = num_inv_many(w->k, w->scratch, n, &FQ);
	for (size_t i = 0; i < n; i++) {
		num_mul(&w->product, &w->k[i], &w->sum[i], &FQ);
		ok &= num_equal(&w->product, &FQ.one);
		num_leave(&w->k[i], &w->k[i], &FQ);
	}
	ct_public(&ok, sizeof ok); /* the verdicts of fault checks, here and below */
	enum mcsec_err err = ok ? fixed_mul_p(rsk, w->k, n) : MCSEC_E_SELF_TEST;
	for (size_t i = 0; !err && i < n; i++) {
		ok = point_on_curve(&rsk[i]);
		ct_public(&ok, sizeof ok);
		if (!ok)
			err = MCSEC_E_SELF_TEST;
	}
	mcsec_secret_free(w);
	return err;
}

int master_rsk_holds(const struct mcsec_master *m, const struct ident *id, const struct point *rsk)
{
	struct num k;
	struct point p;
	num_add(&k, &id->b, &m->z, &FQ);
	num_leave(&k, &k, &FQ);
	mask_t ok = point_mul(&p, &k, rsk) & point_equal(&p, &GENERATOR);
	ct_public(&ok, sizeof ok);
	mcsec_wipe(&k, sizeof k);
	return ok != 0;
}

enum mcsec_err master_finish(const struct mcsec_master *m, const struct mcsec_rng *rng, uint64_t counter,
			     const struct ident *id, const struct point *rsk, struct mcsec_issued *out)
{
	uint8_t lot;
	enum mcsec_err err = eccsi_make_pair(m, rng, counter, id, out);
	if (!err)
		err = check_pair(m, out);
	if (!err)
		err = rng->fill(rng->ctx, &lot, 1);
	ct_public(&lot, 1);
	if (!err && (m->check_every_rsk || lot % 64 == 0) && !master_rsk_holds(m, id, rsk))
		err = MCSEC_E_SELF_TEST;
	if (!err)
		point_store(out->rsk, rsk);
	else
		mcsec_wipe(out, sizeof *out);
	return err;
}

void mcsec_master_check_every_rsk(struct mcsec_master *master, int on)
{
	master->check_every_rsk = on;
}

enum mcsec_err mcsec_master_issue(const struct mcsec_master *master, const struct mcsec_rng *rng,
				  uint64_t issue_counter, const uint8_t *id, size_t id_len, struct mcsec_issued *out)
{
	struct ident ident;
	const struct ident *one = &ident;
	memset(out, 0, sizeof *out);
	struct point *rsk = mcsec_secret_alloc(sizeof *rsk);
	enum mcsec_err err = rsk ? ident_set(&ident, id, id_len) : MCSEC_E_MEMORY;
	if (!err)
		err = sakke_issue_rsk(master, &one, rsk, 1);
	if (!err)
		err = master_finish(master, rng, issue_counter, &ident, rsk, out);
	mcsec_secret_free(rsk);
	burn_stack();
	return err;
}

/*
 * A wrong K_i passes with probability 2^-64. The factors are 64 random bits with the lowest set; rho_i a_i and rho_i
 * are public, the K_i secret but no branch depends on them; z meets constant-time code only.
 */
enum mcsec_err master_batch_holds(const struct mcsec_master *m, const struct mcsec_rng *rng,
				  const struct mcsec_issue_job *jobs, size_t n)
{
	struct jacobian left, part;
	struct point *k = mcsec_secret_alloc(n * sizeof *k), sum;
	struct num *rho_a = mcsec_secret_alloc(n * sizeof *rho_a), *rho = mcsec_secret_alloc(n * sizeof *rho);
	void *memory = mcsec_secret_alloc(point_sum_public_octets(n));
	struct num total = {{0}}, z, scratch[2];
	enum mcsec_err err = k && rho_a && rho && memory ? MCSEC_OK : MCSEC_E_MEMORY;
	for (size_t i = 0; !err && i < n; i++) {
		struct ident id;
		uint8_t random[8];
		err = rng->fill(rng->ctx, random, sizeof random);
		ct_public(random, sizeof random);
		if (!err)
			err = ident_set(&id, jobs[i].id, jobs[i].id_len);
		if (!err)
			err = point_load(&k[i], jobs[i].out->rsk) ? MCSEC_E_SELF_TEST : MCSEC_OK;
		memset(&rho[i], 0, sizeof rho[i]);
		for (int o = 0; o < 8; o++)
			rho[i].v[0] |= (uint64_t)random[o] << 8 * o;
		rho[i].v[0] |= 1;
		num_mul(&rho_a[i], &rho[i], &id.b, &FQ);
		num_add(&total, &total, &rho[i], &FQ);
	}
	if (!err) {
		/* sum rho_i a_i K_i + z (sum rho_i K_i) - (sum rho_i) P = infinity */
		point_sum_public(&left, rho_a, k, n, memory);
		point_sum_public(&part, rho, k, n, memory);
		jacobian_normalise(&sum, &part, scratch, 1);
		num_leave(&z, &m->z, &FQ);
		mask_t ok = ~num_is_zero(&part.z) & point_mul(&sum, &z, &sum);
		jacobian_from(&part, &sum);
		jacobian_add(&left, &left, &part);
		err = fixed_mul_p(&sum, &total, 1);
		fp_neg(&sum.y, &sum.y);
		jacobian_from(&part, &sum);
		jacobian_add(&left, &left, &part);
		ok &= num_is_zero(&left.z);
		ct_public(&ok, sizeof ok);
		if (!err && !ok)
			err = MCSEC_E_SELF_TEST;
	}
	mcsec_wipe(&z, sizeof z);
	mcsec_wipe(&sum, sizeof sum);
	mcsec_wipe(&left, sizeof left);
	mcsec_wipe(&part, sizeof part);
	mcsec_secret_free(memory);
	mcsec_secret_free(rho);
	mcsec_secret_free(rho_a);
	mcsec_secret_free(k);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - the objects of mcsec/ibc.h that hold keys: a KMS as its certificate shows it, a peer's identity, and our
 * own key set, each checked when it is made (RFC 6507 5.1.2, RFC 6508 6.1.2; RFC 6507 and 6508 security sections).
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/engine.h"

__attribute__((noinline)) void burn_stack(void)
{
	uint8_t below[16384];
	mcsec_wipe(below, sizeof below);
}

/* b = the identity's octets as an integer, mod q: Horner's rule with 128 octets a step. Public. */
enum mcsec_err ident_set(struct ident *id, const uint8_t *octets, size_t len)
{
	uint8_t chunk[NUM_OCTETS];
	struct num x;
	if (len < 1 || len > MCSEC_ID_MAX)
		return MCSEC_E_LENGTH;
	*id = (struct ident){.len = len};
	memcpy(id->octets, octets, len);
	size_t first = (len - 1) % NUM_OCTETS + 1;
	for (size_t at = 0, n = first; at < len; at += n, n = NUM_OCTETS) {
		memset(chunk, 0, sizeof chunk);
		memcpy(chunk + NUM_OCTETS - n, octets + at, n);
		num_load(&x, chunk);
		num_enter(&x, &x, &FQ);               /* takes any 1024-bit integer */
		num_mul(&id->b, &id->b, &FQ.rr, &FQ); /* b * R */
		num_add(&id->b, &id->b, &x, &FQ);
	}
	return MCSEC_OK;
}

/* ---- KMS ---- */

/* The widest comb of Z that fits beside that of KPAK. Wider than the default's is no faster: see docs/performance.md.
 */
static unsigned width_for(size_t octets)
{
	unsigned w = COMB_WIDTH_MIN;
	while (w < COMB_WIDTH_MAX && sizeof(struct p256_comb) + comb_octets(w + 1) <= octets)
		w++;
	return w;
}

enum mcsec_err mcsec_kms_new_sized(struct mcsec_kms **out, const uint8_t kpak[MCSEC_KPAK_LEN],
				   const uint8_t z_pub[MCSEC_ZPUB_LEN], size_t octets)
{
	*out = NULL;
	struct mcsec_kms *k = aligned_alloc(64, (sizeof *k + 63) / 64 * 64);
	if (!k)
		return MCSEC_E_MEMORY;
	memset(k, 0, sizeof *k);
	atomic_init(&k->refs, 1);
	memcpy(k->kpak, kpak, MCSEC_KPAK_LEN);
	memcpy(k->z_pub, z_pub, MCSEC_ZPUB_LEN);
	enum mcsec_err err = MCSEC_E_POINT;
	if (!p256_load(&k->kpak_point, kpak) && !point_load(&k->z, z_pub) && point_has_order_q(&k->z))
		err = p256_ready();
	if (!err)
		err = p256_comb_new(&k->kpak_comb, &k->kpak_point);
	if (!err)
		err = comb_of_point(&k->z_comb, &k->z, width_for(octets));
	if (err)
		mcsec_kms_free(k);
	else
		*out = k;
	return err;
}

enum mcsec_err mcsec_kms_new(struct mcsec_kms **out, const uint8_t kpak[MCSEC_KPAK_LEN],
			     const uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	return mcsec_kms_new_sized(out, kpak, z_pub, MCSEC_KMS_TABLES);
}

size_t mcsec_kms_table_octets(const struct mcsec_kms *kms)
{
	return sizeof kms->kpak_comb + comb_octets(kms->z_comb.w);
}

struct mcsec_kms *mcsec_kms_ref(struct mcsec_kms *kms)
{
	atomic_fetch_add_explicit(&kms->refs, 1, memory_order_relaxed);
	return kms;
}

void mcsec_kms_free(struct mcsec_kms *kms)
{
	if (!kms || atomic_fetch_sub_explicit(&kms->refs, 1, memory_order_acq_rel) != 1)
		return;
	comb_free(&kms->z_comb);
	free(kms);
}

/* ---- Identity ---- */

enum mcsec_err mcsec_identity_new(struct mcsec_identity **out, struct mcsec_kms *kms, const uint8_t *id, size_t id_len)
{
	*out = NULL;
	struct mcsec_identity *i = aligned_alloc(64, (sizeof *i + 63) / 64 * 64);
	if (!i)
		return MCSEC_E_MEMORY;
	enum mcsec_err err = ident_set(&i->id, id, id_len);
	if (err) {
		free(i);
		return err;
	}
	i->kms = mcsec_kms_ref(kms);
	*out = i;
	return MCSEC_OK;
}

void mcsec_identity_free(struct mcsec_identity *identity)
{
	if (!identity)
		return;
	mcsec_kms_free(identity->kms);
	free(identity);
}

/* ---- Key set ---- */

enum mcsec_err keyset_take_pair(struct mcsec_keyset *keys, const uint8_t ssk[MCSEC_SSK_LEN],
				const uint8_t pvt[MCSEC_PVT_LEN])
{
	struct p256_point kpak;
	memcpy(keys->ssk_octets, ssk, MCSEC_SSK_LEN);
	memcpy(keys->pvt, pvt, MCSEC_PVT_LEN);
	eccsi_hs(keys->hs, keys->kms->kpak, (struct octets){keys->id.octets, keys->id.len}, pvt);
	mask_t in_range = scalar_load(&keys->ssk, ssk);
	ct_public(&in_range, sizeof in_range); /* the verdict */
	if (!in_range)
		return MCSEC_E_KEY_SET;
	p256_from(&kpak, &keys->kms->kpak_point);
	return eccsi_check_pair(&kpak, &keys->ssk, pvt, keys->hs);
}

enum mcsec_err keyset_take_rsk(struct mcsec_keyset *keys, const uint8_t rsk[MCSEC_RSK_LEN])
{
	struct {
		struct point s;
		struct num t;
	} *w = mcsec_secret_alloc(sizeof *w);
	const struct num *b = &keys->id.b;
	struct num one = {{1}};
	if (!w)
		return MCSEC_E_MEMORY;
	enum mcsec_err err = point_load(&keys->rsk, rsk) ? MCSEC_E_KEY_SET : lines_new(&keys->lines, &keys->rsk);
	if (!err)
		err = fixed_mul_receiver(&w->s, &keys->kms->z_comb, &b, &one, 1);
	if (!err) {
		mask_t ok = pairing(&w->t, keys->lines, &w->s) & num_equal(&w->t, &PAIRING_OF_GENERATOR);
		ct_public(&ok, sizeof ok); /* the verdict */
		if (!ok)
			err = MCSEC_E_KEY_SET;
	}
	mcsec_secret_free(w);
	if (lines_octets() > keys->tables) {
		lines_free(keys->lines);
		keys->lines = NULL;
	}
	return err == MCSEC_E_POINT ? MCSEC_E_KEY_SET : err;
}

enum mcsec_err mcsec_keyset_new_sized(struct mcsec_keyset **out, struct mcsec_kms *kms, const uint8_t *id,
				      size_t id_len, const uint8_t ssk[MCSEC_SSK_LEN], const uint8_t pvt[MCSEC_PVT_LEN],
				      const uint8_t rsk[MCSEC_RSK_LEN], size_t octets)
{
	*out = NULL;
	struct mcsec_keyset *k = mcsec_secret_alloc(sizeof *k);
	if (!k)
		return MCSEC_E_MEMORY;
	k->kms = mcsec_kms_ref(kms);
	k->tables = octets;
	enum mcsec_err err = ident_set(&k->id, id, id_len);
	if (!err)
		err = keyset_take_pair(k, ssk, pvt);
	if (!err)
		err = keyset_take_rsk(k, rsk);
	if (err)
		mcsec_keyset_free(k);
	else
		*out = k;
	burn_stack();
	return err;
}

enum mcsec_err mcsec_keyset_new(struct mcsec_keyset **out, struct mcsec_kms *kms, const uint8_t *id, size_t id_len,
				const uint8_t ssk[MCSEC_SSK_LEN], const uint8_t pvt[MCSEC_PVT_LEN],
				const uint8_t rsk[MCSEC_RSK_LEN])
{
	return mcsec_keyset_new_sized(out, kms, id, id_len, ssk, pvt, rsk, MCSEC_RSK_TABLES);
}

size_t mcsec_keyset_table_octets(const struct mcsec_keyset *keys)
{
	return keys->lines ? lines_octets() : 0;
}

void mcsec_keyset_free(struct mcsec_keyset *keys)
{
	if (!keys)
		return;
	mcsec_kms_free(keys->kms);
	lines_free(keys->lines);
	mcsec_secret_free(keys);
}

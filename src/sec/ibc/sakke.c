/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sakke.c - SAKKE (RFC 6508) with parameter set 1: encapsulation, decapsulation, the check of an RSK.
 *
 * What costs time is in curve/fixed.c (R and g^r) and pairing/pairing.c (w).
 */
#include <stdatomic.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/hash.h"

static atomic_uint_fast64_t count_short_h, count_stripped;

void mcsec_sakke_peers_seen(struct mcsec_sakke_peers *out)
{
	out->short_h = atomic_load(&count_short_h);
	out->stripped_w = atomic_load(&count_stripped);
}

/* ---- Encapsulation (6.2.1) -------------------------------------------------------------------------------------- */

struct secrets {
	struct num r[SAKKE_BLOCK], gr[SAKKE_BLOCK];
	struct point R[SAKKE_BLOCK];
	uint8_t octets[NUM_OCTETS], mask[MCSEC_SSV_LEN];
};

enum mcsec_err sakke_encapsulate_block(const struct mcsec_kms *kms, const struct encapsulation *jobs, size_t n,
				       int *short_gr)
{
	struct secrets *s = mcsec_secret_alloc(sizeof *s);
	const struct num *b[SAKKE_BLOCK];
	if (!s)
		return MCSEC_E_MEMORY;
	/* 1, 2: r = HashToIntegerRange(SSV | b, q) */
	for (size_t i = 0; i < n; i++) {
		const struct ident *to = jobs[i].to;
		b[i] = &to->b;
		hash_to_range_q(&s->r[i], (struct octets){jobs[i].ssv, MCSEC_SSV_LEN},
				(struct octets){to->octets, to->len});
	}
	/* 3: R = [r]([b]P + Z) */
	enum mcsec_err err = fixed_mul_receiver(s->R, &kms->z_comb, b, s->r, n);
	/* 4: H = SSV xor HashToIntegerRange(g^r, 2^n) */
	if (!err)
		err = fixed_pow_g(s->gr, s->r, n);
	for (size_t i = 0; !err && i < n; i++) {
		fp_store(s->octets, &s->gr[i]);
		*short_gr = s->octets[0] == 0;
		ct_public(short_gr,
			  sizeof *short_gr); /* looked at with avoid_short_gr only, for a key then thrown away */
		hash_to_range_128(s->mask, OCTETS(s->octets));
		/* 5: SED = R | H */
		point_store(jobs[i].sed, &s->R[i]);
		for (size_t k = 0; k < MCSEC_SSV_LEN; k++)
			jobs[i].sed[POINT_OCTETS + k] = jobs[i].ssv[k] ^ s->mask[k];
	}
	mcsec_secret_free(s);
	burn_stack();
	return err;
}

enum mcsec_err mcsec_sakke_encapsulate(const struct mcsec_identity *receiver, const uint8_t ssv[MCSEC_SSV_LEN],
				       uint8_t sed[MCSEC_SED_LEN])
{
	int short_gr;
	return sakke_encapsulate_block(receiver->kms, &(struct encapsulation){&receiver->id, ssv, sed}, 1, &short_gr);
}

enum mcsec_err mcsec_sakke_encapsulate_fresh(const struct mcsec_identity *receiver, const struct mcsec_rng *rng,
					     int avoid_short_gr, uint8_t ssv[MCSEC_SSV_LEN], uint8_t sed[MCSEC_SED_LEN])
{
	enum mcsec_err err;
	int short_gr = 0;
	do {
		err = rng->fill(rng->ctx, ssv, MCSEC_SSV_LEN);
		if (!err)
			err = sakke_encapsulate_block(receiver->kms, &(struct encapsulation){&receiver->id, ssv, sed},
						      1, &short_gr);
	} while (!err && avoid_short_gr && short_gr);
	if (err)
		mcsec_wipe(ssv, MCSEC_SSV_LEN);
	return err;
}

/* ---- Decapsulation (6.2.2) -------------------------------------------------------------------------------------- */

struct opening {
	struct point R;
	struct num w, r;
	uint8_t w_octets[NUM_OCTETS], h[MCSEC_SSV_LEN], mask[MCSEC_SSV_LEN];
	mask_t paired;
};

/*
 * Steps 3 to 5 for the mask in o: SSV, r, TEST.
 *
 * TEST asks whether R = [r]S, S = [b]P + Z. Here: whether the value w of the pairing is g^r. That is the same question:
 * import has checked <S, K> = g, so S has order q and the points of order q are the multiples of S.
 *   If R = [r]S, then w = <S, K>^r = g^r.
 *   If w = g^r, then R has order q, for otherwise w is no power of g (pairing.h). So R = [s]S with some s,
 *   w = g^s = g^r, and s = r mod q because g has order q.
 */
static enum mcsec_err try_mask(struct opening *o, const struct mcsec_keyset *keys, uint8_t ssv[MCSEC_SSV_LEN])
{
	for (size_t i = 0; i < MCSEC_SSV_LEN; i++)
		ssv[i] = o->h[i] ^ o->mask[i];
	hash_to_range_q(&o->r, (struct octets){ssv, MCSEC_SSV_LEN}, (struct octets){keys->id.octets, keys->id.len});
	mask_t same;
	enum mcsec_err err = fixed_pow_g_is(&same, &o->w, &o->r);
	if (err)
		return err;
	same &= o->paired;
	ct_public(&same, sizeof same); /* the verdict */
	return same ? MCSEC_OK : MCSEC_E_DECRYPT;
}

enum mcsec_err mcsec_sakke_decapsulate(const struct mcsec_keyset *keys, const uint8_t *sed, size_t sed_len,
				       uint8_t ssv[MCSEC_SSV_LEN])
{
	memset(ssv, 0, MCSEC_SSV_LEN);
	/* 1: length, R on the curve with coordinates below p; its order is proven by TEST */
	if (sed_len != MCSEC_SED_LEN && sed_len != MCSEC_SED_LEN - 1)
		return MCSEC_E_DECRYPT;
	struct opening *o = mcsec_secret_alloc(sizeof *o);
	if (!o)
		return MCSEC_E_MEMORY;
	struct lines *drawn = NULL;
	enum mcsec_err err = MCSEC_E_DECRYPT;
	if (point_load(&o->R, sed))
		goto out;
	/* a peer that strips a leading zero octet of H sends 272 octets */
	size_t h_len = sed_len - POINT_OCTETS;
	memcpy(o->h + MCSEC_SSV_LEN - h_len, sed + POINT_OCTETS, h_len);
	/* 2: w = <R, K>, as <K, R> */
	if (!keys->lines && (err = lines_new(&drawn, &keys->rsk)))
		goto out;
	o->paired = pairing(&o->w, keys->lines ? keys->lines : drawn, &o->R);
	fp_store(o->w_octets, &o->w);
	/* 3 to 6 */
	hash_to_range_128(o->mask, OCTETS(o->w_octets));
	err = try_mask(o, keys, ssv);
	if (err == MCSEC_E_DECRYPT) {
		/* on every failure, or the time would tell whether w begins with zeros */
		hash_to_range_128_stripped(o->mask, o->w_octets);
		err = try_mask(o, keys, ssv);
		if (!err)
			atomic_fetch_add(&count_stripped, 1);
	}
	if (!err && h_len < MCSEC_SSV_LEN)
		atomic_fetch_add(&count_short_h, 1);
out:
	if (err)
		mcsec_wipe(ssv, MCSEC_SSV_LEN);
	lines_free(drawn);
	mcsec_secret_free(o);
	burn_stack();
	return err;
}

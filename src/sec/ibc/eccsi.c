/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eccsi.c - ECCSI signatures (RFC 6507) on P-256 with SHA-256; hashlen and N are 32 octets.
 * Secret scalars (SSK, j, KSAK, v) meet constant-time code only; verification handles public data.
 */
#include "mcsec/secret.h"
#include "sec/ibc/field/ct.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/hash.h"

/* enc(G) */
static const uint8_t BASE_OCTETS[P256_POINT_OCTETS] = {
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
    0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
    0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

void eccsi_hs(uint8_t hs[MCSEC_HS_LEN], const uint8_t kpak[MCSEC_KPAK_LEN], struct octets id,
	      const uint8_t pvt[MCSEC_PVT_LEN])
{
	const struct octets parts[] = {OCTETS(BASE_OCTETS), {kpak, MCSEC_KPAK_LEN}, id, {pvt, MCSEC_PVT_LEN}};
	hash_parts(hs, parts, 4);
}

enum mcsec_err eccsi_pair_with(const struct mcsec_master *master, const struct n256 *v, struct octets id,
			       struct mcsec_issued *out)
{
	struct p256_point p;
	struct p256_affine pvt;
	struct n256 hs, ssk;
	/* 5.1.1: PVT = [v]G; HS; SSK = (KSAK + HS * v) mod q */
	p256_mul_g(&p, v);
	(void)p256_to_affine(&pvt, &p); /* v is not 0 */
	p256_store(out->pvt, &pvt);
	ct_public(out->pvt, sizeof out->pvt);
	eccsi_hs(out->hs, master->kpak, id, out->pvt);
	(void)scalar_load(&hs, out->hs);
	scalar_mul(&ssk, &hs, v);
	scalar_add(&ssk, &ssk, &master->ksak);
	scalar_store(out->ssk, &ssk);
	mask_t bad = scalar_is_zero(&hs) | scalar_is_zero(&ssk);
	ct_public(&bad, sizeof bad); /* of probability 2^-255 */
	mcsec_wipe(&p, sizeof p);
	mcsec_wipe(&ssk, sizeof ssk);
	return bad ? MCSEC_E_SCALAR : MCSEC_OK;
}

enum mcsec_err eccsi_check_pair(const struct p256_point *kpak, const struct n256 *ssk, const uint8_t pvt[MCSEC_PVT_LEN],
				const uint8_t hs[MCSEC_HS_LEN])
{
	struct p256_affine t;
	struct p256_point left, right;
	struct n256 h;
	if (p256_load(&t, pvt))
		return MCSEC_E_KEY_SET;
	(void)scalar_load(&h, hs);
	p256_mul_public(&right, &h, &t);
	p256_add(&right, &right, kpak);
	p256_mul_g(&left, ssk);
	mask_t same = p256_equal(&left, &right);
	ct_public(&same, sizeof same); /* the verdict */
	mcsec_wipe(&left, sizeof left);
	return same ? MCSEC_OK : MCSEC_E_KEY_SET;
}

enum mcsec_err eccsi_sign_with(const struct mcsec_keyset *keys, const struct n256 *j, struct octets msg,
			       uint8_t sig[MCSEC_SIG_LEN])
{
	struct p256_point p;
	struct p256_affine J;
	struct n256 r, he, d, s;
	uint8_t he_octets[32];
	/* 1, 2: J = [j]G, r = J_x as 32 octets */
	p256_mul_g(&p, j);
	(void)p256_to_affine(&J, &p); /* j is not 0 */
	p256_store_x(sig, &J);
	(void)scalar_load(&r, sig);
	/* 3: HE = hash(HS | r | M) */
	const struct octets parts[] = {OCTETS(keys->hs), {sig, 32}, msg};
	hash_parts(he_octets, parts, 3);
	(void)scalar_load(&he, he_octets);
	/* 4: d = HE + r SSK; neither d nor r may be 0 */
	scalar_mul(&d, &r, &keys->ssk);
	scalar_add(&d, &d, &he);
	mask_t bad = scalar_is_zero(&d) | scalar_is_zero(&r);
	ct_public(&bad, sizeof bad); /* of probability 2^-255 */
	/* 5: s = j / d */
	scalar_inv(&s, &d);
	scalar_mul(&s, &s, j);
	scalar_store(sig + 32, &s);
	/* 6: r | s | PVT */
	memcpy(sig + 64, keys->pvt, MCSEC_PVT_LEN);
	mcsec_wipe(&p, sizeof p);
	mcsec_wipe(&J, sizeof J);
	mcsec_wipe(&d, sizeof d);
	mcsec_wipe(&s, sizeof s);
	return bad ? MCSEC_E_SCALAR : MCSEC_OK;
}

/* j in [1, n - 1] from SSK, fresh octets, HS and message: a weak random source alone does not give SSK away. */
enum mcsec_err mcsec_eccsi_sign(const struct mcsec_keyset *keys, const struct mcsec_rng *rng, const uint8_t *msg,
				size_t msg_len, uint8_t sig[MCSEC_SIG_LEN])
{
	uint8_t fresh[32], hash[64];
	struct n256 j;
	enum mcsec_err err;
	do {
		err = rng->fill(rng->ctx, fresh, sizeof fresh);
		if (err)
			break;
		const struct octets parts[] = {OCTETS(fresh), OCTETS(keys->hs), {msg, msg_len}};
		hmac512_parts(hash, OCTETS(keys->ssk_octets), parts, 3);
		scalar_from_hash(&j, hash);
		err = eccsi_sign_with(keys, &j, (struct octets){msg, msg_len}, sig);
	} while (err == MCSEC_E_SCALAR);
	if (err)
		memset(sig, 0, MCSEC_SIG_LEN);
	mcsec_wipe(fresh, sizeof fresh);
	mcsec_wipe(hash, sizeof hash);
	mcsec_wipe(&j, sizeof j);
	burn_stack();
	return err;
}

/* The scalars of J = [s HE]G + [s r]Y. */
struct to_verify {
	struct n256 s_he, s_r;
};

static enum mcsec_err verify_begin(struct to_verify *v, const uint8_t hs[MCSEC_HS_LEN], struct octets msg,
				   const uint8_t sig[MCSEC_SIG_LEN])
{
	struct n256 r, s, he;
	uint8_t he_octets[32];
	/* 1: s in [1, n - 1]; r below p follows from the comparison in 4, r not 0 likewise */
	if (!scalar_load(&s, sig + 32))
		return MCSEC_E_SIGNATURE;
	(void)scalar_load(&r, sig);
	/* 2: HE = hash(HS | r | M) */
	const struct octets parts[] = {{hs, MCSEC_HS_LEN}, {sig, 32}, msg};
	hash_parts(he_octets, parts, 3);
	(void)scalar_load(&he, he_octets);
	scalar_mul(&v->s_r, &r, &s);
	scalar_mul(&v->s_he, &he, &s);
	return MCSEC_OK;
}

/* p = [s r]Y */
static enum mcsec_err verify_end(struct p256_point *p, const struct to_verify *v, const uint8_t sig[MCSEC_SIG_LEN])
{
	struct p256_affine J;
	uint8_t x[32];
	if (p256_is_infinity(p)) /* Y is infinity, or r = 0 mod n, which no signer sends */
		return MCSEC_E_SIGNATURE;
	p256_add_comb_public(p, NULL, &v->s_he);
	/* 4: J is finite, J_x = r as octets (hence r < p), and not 0 */
	if (!p256_to_affine(&J, p))
		return MCSEC_E_SIGNATURE;
	p256_store_x(x, &J);
	static const uint8_t zero[32];
	return memcmp(x, sig, 32) == 0 && memcmp(x, zero, 32) != 0 ? MCSEC_OK : MCSEC_E_SIGNATURE;
}

enum mcsec_err eccsi_verify_with(const struct p256_comb *kpak, const uint8_t hs[MCSEC_HS_LEN], struct octets msg,
				 const uint8_t sig[MCSEC_SIG_LEN])
{
	struct p256_affine pvt;
	struct p256_point p;
	struct to_verify v;
	struct n256 h;
	/* 1: PVT on the curve */
	if (p256_load(&pvt, sig + 64) || verify_begin(&v, hs, msg, sig))
		return MCSEC_E_SIGNATURE;
	/* 3: Y = [HS]PVT + KPAK; J = [s]([HE]G + [r]Y) as [s r HS]PVT + [s r]KPAK + [s HE]G */
	(void)scalar_load(&h, hs);
	scalar_mul(&h, &h, &v.s_r);
	p256_mul_public(&p, &h, &pvt);
	p256_add_comb_public(&p, kpak, &v.s_r);
	return verify_end(&p, &v, sig);
}

enum mcsec_err eccsi_verify_known(const struct p256_split *y, const uint8_t hs[MCSEC_HS_LEN], struct octets msg,
				  const uint8_t sig[MCSEC_SIG_LEN])
{
	struct p256_point p;
	struct to_verify v;
	if (verify_begin(&v, hs, msg, sig))
		return MCSEC_E_SIGNATURE;
	/* 3: J = [s r]Y + [s HE]G */
	p256_mul_split_public(&p, y, &v.s_r);
	return verify_end(&p, &v, sig);
}

void eccsi_know(struct p256_split *y, const struct mcsec_kms *kms, const uint8_t hs[MCSEC_HS_LEN],
		const uint8_t pvt[MCSEC_PVT_LEN])
{
	struct p256_affine a;
	struct p256_point p, kpak;
	struct n256 h;
	(void)p256_load(&a, pvt);
	(void)scalar_load(&h, hs);
	p256_mul_public(&p, &h, &a);
	p256_from(&kpak, &kms->kpak_point);
	p256_add(&p, &p, &kpak);
	(void)p256_to_affine(&a, &p); /* a signature verified: Y is finite */
	p256_split_new(y, &a);
}

enum mcsec_err mcsec_eccsi_verify(const struct mcsec_identity *signer, const uint8_t *msg, size_t msg_len,
				  const uint8_t sig[MCSEC_SIG_LEN])
{
	uint8_t hs[MCSEC_HS_LEN];
	eccsi_hs(hs, signer->kms->kpak, (struct octets){signer->id.octets, signer->id.len}, sig + 64);
	return eccsi_verify_with(&signer->kms->kpak_comb, hs, (struct octets){msg, msg_len}, sig);
}

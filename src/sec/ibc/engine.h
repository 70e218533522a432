/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - the objects behind mcsec/ibc.h and the steps they are made of, for this folder and its tests.
 *
 *   field/    integers modulo p and q in C and MULX code, inversion, F_p[i] and PF_p
 *   lanes/    the same modulo p with AVX-512: eight numbers side by side, or one number with its limbs side by side
 *   curve/    points of E, combs of fixed points, multiples for secret scalars
 *   pairing/  the lines of an RSK and the pairing
 *   p256/     the curve of ECCSI
 *   here      RFC 6507 and 6508 step by step: eccsi.c, sakke.c; who holds keys: keys.c, master.c, batch.c
 * Each uses those above it; lanes/ and curve/ each other. scripts/check_includes.py holds the walls.
 *
 * Tests inject the nonces j and v and the hash HS here; the public interface has no such door.
 */
#ifndef MCSEC_IBC_ENGINE_H
#define MCSEC_IBC_ENGINE_H

#include <stdatomic.h>

#include "mcsec/ibc.h"
#include "sec/base/bytes.h"
#include "sec/ibc/curve/fixed.h"
#include "sec/ibc/p256/p256.h"
#include "sec/ibc/pairing/pairing.h"

/* An identity as the algorithms use it: its octets, and as an integer mod q (RFC 6508's b), in Montgomery form. */
struct ident {
	uint8_t octets[MCSEC_ID_MAX];
	size_t len;
	struct num b;
};

struct mcsec_kms {
	atomic_uint refs;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct p256_affine kpak_point;
	struct point z;
	struct comb z_comb;
	struct p256_comb kpak_comb;
};

struct mcsec_identity {
	struct mcsec_kms *kms;
	struct ident id;
};

/* Secret memory. */
struct mcsec_keyset {
	struct mcsec_kms *kms;
	struct ident id;
	struct n256 ssk;
	uint8_t ssk_octets[MCSEC_SSK_LEN], pvt[MCSEC_PVT_LEN], hs[MCSEC_HS_LEN];
	struct lines *lines; /* of the RSK; NULL: drawn at each decapsulation */
	struct point rsk;
	size_t tables; /* octets that lines may take */
};

/* Secret memory. */
struct mcsec_master {
	struct n256 ksak;
	struct num z; /* Montgomery form mod q */
	uint8_t ksak_octets[MCSEC_KSAK_LEN], z_octets[MCSEC_ZT_LEN], hedge_key[32];
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct p256_point kpak_point;
	int check_every_rsk;
};

enum mcsec_err ident_set(struct ident *id, const uint8_t *octets, size_t len);
/* The halves of mcsec_keyset_new, for keys with kms and id set. MCSEC_E_KEY_SET. */
enum mcsec_err keyset_take_pair(struct mcsec_keyset *keys, const uint8_t ssk[MCSEC_SSK_LEN],
				const uint8_t pvt[MCSEC_PVT_LEN]);
/* RFC 6508 6.1.2: K of order q, and <S, K> = g with S = [b]P + Z. Leaves the stored lines of K in keys. */
enum mcsec_err keyset_take_rsk(struct mcsec_keyset *keys, const uint8_t rsk[MCSEC_RSK_LEN]);
/* Overwrite the part of the stack that the arithmetic below the caller has used. */
void burn_stack(void);

/* ---- ECCSI (RFC 6507) ---- */

/* HS = hash(G | KPAK | ID | PVT). */
void eccsi_hs(uint8_t hs[MCSEC_HS_LEN], const uint8_t kpak[MCSEC_KPAK_LEN], struct octets id,
	      const uint8_t pvt[MCSEC_PVT_LEN]);
/* 5.1.2 for an SSK in [1, n - 1]; the equation [SSK]G = KPAK + [HS]PVT. MCSEC_E_KEY_SET. */
enum mcsec_err eccsi_check_pair(const struct p256_point *kpak, const struct n256 *ssk, const uint8_t pvt[MCSEC_PVT_LEN],
				const uint8_t hs[MCSEC_HS_LEN]);
/* 5.2.1 with the given j in [1, n - 1]. MCSEC_E_SCALAR: d or r is zero, take another j. */
enum mcsec_err eccsi_sign_with(const struct mcsec_keyset *keys, const struct n256 *j, struct octets msg,
			       uint8_t sig[MCSEC_SIG_LEN]);
/* 5.2.2 with the given HS. */
enum mcsec_err eccsi_verify_with(const struct p256_comb *kpak, const uint8_t hs[MCSEC_HS_LEN], struct octets msg,
				 const uint8_t sig[MCSEC_SIG_LEN]);
/* The same with Y of a signer remembered from a signature that verified. */
enum mcsec_err eccsi_verify_known(const struct p256_split *y, const uint8_t hs[MCSEC_HS_LEN], struct octets msg,
				  const uint8_t sig[MCSEC_SIG_LEN]);
/* Y = [HS]PVT + KPAK, where that is known to be finite, as a table. */
void eccsi_know(struct p256_split *y, const struct mcsec_kms *kms, const uint8_t hs[MCSEC_HS_LEN],
		const uint8_t pvt[MCSEC_PVT_LEN]);
/* mcsec_signers_new and _free in memory of the caller, aligned to 64; NULL if there is not room for one signer. */
struct mcsec_signers *signers_place(void *memory, size_t bytes);
void signers_end(struct mcsec_signers *signers);
/* 5.1.1 with the given v in [1, n - 1]: ssk, pvt and hs of *out. MCSEC_E_SCALAR: take another v. */
enum mcsec_err eccsi_pair_with(const struct mcsec_master *master, const struct n256 *v, struct octets id,
			       struct mcsec_issued *out);

/* The same with a hedged v (master.c), not yet checked. */
enum mcsec_err eccsi_make_pair(const struct mcsec_master *master, const struct mcsec_rng *rng, uint64_t counter,
			       const struct ident *id, struct mcsec_issued *out);

/* ---- SAKKE (RFC 6508) ---- */

enum { SAKKE_BLOCK = 8 }; /* done together: as many as there are lanes */

struct encapsulation {
	const struct ident *to;
	const uint8_t *ssv; /* MCSEC_SSV_LEN */
	uint8_t *sed;       /* MCSEC_SED_LEN, out */
};
/* 6.2.1 for n <= SAKKE_BLOCK receivers. *short_gr: whether the last one's g^r begins with a zero octet. */
enum mcsec_err sakke_encapsulate_block(const struct mcsec_kms *kms, const struct encapsulation *jobs, size_t n,
				       int *short_gr);

/* 6.1.1 for n <= SAKKE_BLOCK identities, with the checks of k and of the curve. MCSEC_E_SELF_TEST. */
enum mcsec_err sakke_issue_rsk(const struct mcsec_master *master, const struct ident *const *id, struct point *rsk,
			       size_t n);
/* One key set, all checks of kms.md 2.1 item 4 but those of a batch; rsk is given. */
enum mcsec_err master_finish(const struct mcsec_master *master, const struct mcsec_rng *rng, uint64_t counter,
			     const struct ident *id, const struct point *rsk, struct mcsec_issued *out);
/* (a + z) K = P. */
int master_rsk_holds(const struct mcsec_master *master, const struct ident *id, const struct point *rsk);
/* The same for n sets by one equation with random factors: sum rho_i (a_i + z) K_i = (sum rho_i) P. */
enum mcsec_err master_batch_holds(const struct mcsec_master *master, const struct mcsec_rng *rng,
				  const struct mcsec_issue_job *jobs, size_t n);

#endif

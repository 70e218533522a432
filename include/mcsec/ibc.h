/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ibc.h - identity-based cryptography: ECCSI signatures (RFC 6507) and SAKKE key encapsulation (RFC 6508) with
 * parameter set 1 (RFC 6509 App. A), as TS 33.180 uses them.
 *
 * Objects are opaque, immutable once made, and may be shared between threads without locks. Each has one owner who
 * frees it; an object that needs another (a key set needs its KMS) keeps its own reference to it.
 * An identity is an octet string: for 3GPP the 32 octets of the UID (see uid.h).
 *
 * The engine behind this header may be exchanged: an identity context holds whatever it likes to remember about one
 * peer, and the batch forms let it share work between recipients.
 */
#ifndef MCSEC_IBC_H
#define MCSEC_IBC_H

#include "err.h"
#include "rng.h"

#define MCSEC_KSAK_LEN 32  /* KMS secret authentication key, a scalar of P-256           */
#define MCSEC_ZT_LEN   128 /* z_T, KMS master secret, left-padded                        */
#define MCSEC_KPAK_LEN 65  /* KMS public authentication key, 04|x|y on P-256             */
#define MCSEC_PVT_LEN  65  /* public validation token, 04|x|y on P-256                   */
#define MCSEC_SSK_LEN  32  /* secret signing key                                         */
#define MCSEC_ZPUB_LEN 257 /* Z_T, KMS public key, 04|x|y over F_p                       */
#define MCSEC_RSK_LEN  257 /* receiver secret key, 04|x|y over F_p                       */
#define MCSEC_SSV_LEN  16  /* shared secret value: the key that is carried               */
#define MCSEC_SED_LEN  273 /* SAKKE encapsulated data: R (257) | H (16)                  */
#define MCSEC_SIG_LEN  129 /* ECCSI signature: r | s | PVT                               */
#define MCSEC_HS_LEN   32
#define MCSEC_ID_MAX   256 /* longest identity the engine accepts, octets                */

/* Checks the constants of the curves, one pairing, one signature. MCSEC_E_SELF_TEST if any fails. Takes a few ms. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_ibc_self_test(void);

/* ---- A KMS as its certificate shows it: KPAK and Z_T (public) --------------------------------------------- */

struct mcsec_kms;

/*
 * Checks both keys (crypto.md 4: on the curve, Z_T of order q, neither at infinity) and builds what the engine needs.
 * MCSEC_E_POINT, MCSEC_E_MEMORY. *out is NULL on error.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_kms_new(struct mcsec_kms **out, const uint8_t kpak[MCSEC_KPAK_LEN],
							const uint8_t z_pub[MCSEC_ZPUB_LEN]);
/*
 * The same with tables of at most `octets`, as wide as they fit (at least about 0.5 MB, at most 15 MB are taken).
 * Results are the same at every size; more memory means fewer additions, but longer scans of the tables in constant
 * time. docs/performance.md has the effect measured. mcsec_kms_new takes MCSEC_KMS_TABLES.
 */
#define MCSEC_KMS_TABLES 1600000
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_kms_new_sized(struct mcsec_kms **out,
							      const uint8_t kpak[MCSEC_KPAK_LEN],
							      const uint8_t z_pub[MCSEC_ZPUB_LEN], size_t octets);
/* What they took. */
MCSEC_API size_t mcsec_kms_table_octets(const struct mcsec_kms *kms);
/* Another reference to the same object; give it back with mcsec_kms_free. */
MCSEC_API struct mcsec_kms *mcsec_kms_ref(struct mcsec_kms *kms);
MCSEC_API void mcsec_kms_free(struct mcsec_kms *kms);

/* ---- One peer's identity under a KMS (public): may be kept and used again --------------------------------- */

struct mcsec_identity;

/* id_len 1..MCSEC_ID_MAX, else MCSEC_E_LENGTH. Keeps a reference to kms. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_identity_new(struct mcsec_identity **out, struct mcsec_kms *kms,
							     const uint8_t *id, size_t id_len);
MCSEC_API void mcsec_identity_free(struct mcsec_identity *identity);

/* RFC 6507 5.2.2. MCSEC_OK or MCSEC_E_SIGNATURE. Public data only: the time may vary. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_eccsi_verify(const struct mcsec_identity *signer, const uint8_t *msg,
							     size_t msg_len, const uint8_t sig[MCSEC_SIG_LEN]);

/*
 * Signers remembered between verifications: a signer's later signatures cost about a third. Of receivers there is
 * nothing to remember: encapsulation multiplies points of the KMS alone.
 *
 * All memory is taken at once, `bytes` of it (about 2.6 KB a signer); the signer unused for longest leaves for a new
 * one. Only who signed validly is remembered, under KPAK, identity and PVT together, so that forgeries change nothing
 * and meet nothing. What leaves is wiped. May be shared between threads (one short lock inside); it outlives changes
 * of KMS and keys. MCSEC_E_MEMORY; MCSEC_E_NO_SPACE: no room for a single signer.
 */
struct mcsec_signers;
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_signers_new(struct mcsec_signers **out, size_t bytes);
/* Another reference to the same memory, or NULL for NULL; each is given back, the last one wipes. */
MCSEC_API struct mcsec_signers *mcsec_signers_ref(struct mcsec_signers *signers);
MCSEC_API void mcsec_signers_free(struct mcsec_signers *signers);
MCSEC_API void mcsec_signers_forget(struct mcsec_signers *signers); /* all of them; wipes */

struct mcsec_signers_state {
	size_t bytes;           /* as given to mcsec_signers_new, rounded down        */
	size_t places, signers; /* how many can be and are remembered                 */
	uint64_t hits, misses;  /* verifications with and without a table             */
	uint64_t evicted;       /* signers that left for others                       */
};
MCSEC_API void mcsec_signers_look(struct mcsec_signers *signers, struct mcsec_signers_state *out);

/*
 * mcsec_eccsi_verify for the signer `id` under kms, with the same verdict. signers = NULL: nothing is remembered.
 * MCSEC_E_LENGTH: id_len not 1..MCSEC_ID_MAX.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_signers_verify(struct mcsec_signers *signers, struct mcsec_kms *kms,
							       const uint8_t *id, size_t id_len, const uint8_t *msg,
							       size_t msg_len, const uint8_t sig[MCSEC_SIG_LEN]);

/* RFC 6508 6.2.1. Deterministic. The SSV is secret: constant time in it. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_sakke_encapsulate(const struct mcsec_identity *receiver,
								  const uint8_t ssv[MCSEC_SSV_LEN],
								  uint8_t sed[MCSEC_SED_LEN]);

/*
 * Draw a fresh SSV (PCK, CSK ...) and encapsulate it. With avoid_short_gr it is drawn again while g^r begins with a
 * zero octet (1 in 154): some peers cannot read those. On error ssv is wiped.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_sakke_encapsulate_fresh(const struct mcsec_identity *receiver,
									const struct mcsec_rng *rng, int avoid_short_gr,
									uint8_t ssv[MCSEC_SSV_LEN],
									uint8_t sed[MCSEC_SED_LEN]);

struct mcsec_encap_job {
	const uint8_t *id; /* receiver's identity */
	size_t id_len;
	const uint8_t *ssv; /* MCSEC_SSV_LEN octets; the same pointer may stand in many jobs */
	uint8_t *sed;       /* MCSEC_SED_LEN octets out */
	enum mcsec_err err; /* out, per job */
};

/*
 * Many receivers of one KMS at once, on up to `threads` threads (0 and 1: the caller's only).
 * MCSEC_OK if every job succeeded, else the first error; each job's own `err` is always set.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err
mcsec_sakke_encapsulate_batch(struct mcsec_kms *kms, struct mcsec_encap_job *jobs, size_t n, unsigned threads);

/* ---- Our own key set for one identity (secret) ------------------------------------------------------------- */

struct mcsec_keyset;

/*
 * Import with every check of crypto.md 4 (RFC 6507 5.1.2, RFC 6508 6.1.2). MCSEC_E_KEY_SET if the set is not the one
 * this KMS issued to this identity. The caller wipes its own copies of ssk and rsk.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err
mcsec_keyset_new(struct mcsec_keyset **out, struct mcsec_kms *kms, const uint8_t *id, size_t id_len,
		 const uint8_t ssk[MCSEC_SSK_LEN], const uint8_t pvt[MCSEC_PVT_LEN], const uint8_t rsk[MCSEC_RSK_LEN]);
/*
 * The same with tables of the RSK of at most `octets` of secret memory. They take about 0.35 MB or, with less allowed,
 * nothing: then each decapsulation makes them anew and costs some ten times as much (for holders of very many key
 * sets). mcsec_keyset_new takes MCSEC_RSK_TABLES.
 */
#define MCSEC_RSK_TABLES 1000000
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_keyset_new_sized(struct mcsec_keyset **out, struct mcsec_kms *kms,
								 const uint8_t *id, size_t id_len,
								 const uint8_t ssk[MCSEC_SSK_LEN],
								 const uint8_t pvt[MCSEC_PVT_LEN],
								 const uint8_t rsk[MCSEC_RSK_LEN], size_t octets);
/* What they took: 0 if they are made anew each time. */
MCSEC_API size_t mcsec_keyset_table_octets(const struct mcsec_keyset *keys);
MCSEC_API void mcsec_keyset_free(struct mcsec_keyset *keys); /* wipes */

/* RFC 6507 5.2.1. The nonce j is derived from SSK, message and fresh random octets. Constant time in SSK and j. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_eccsi_sign(const struct mcsec_keyset *keys, const struct mcsec_rng *rng,
							   const uint8_t *msg, size_t msg_len,
							   uint8_t sig[MCSEC_SIG_LEN]);

/*
 * RFC 6508 6.2.2 with the check of R first and TEST in constant time. sed_len 273, or 272 from peers that strip a
 * leading zero octet of H. One error code for every defect: MCSEC_E_DECRYPT; ssv is then all zero.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_sakke_decapsulate(const struct mcsec_keyset *keys, const uint8_t *sed,
								  size_t sed_len, uint8_t ssv[MCSEC_SSV_LEN]);

/* Deviations of peers that opened all the same (crypto.md 3.6), counted since the process began. */
struct mcsec_sakke_peers {
	uint64_t short_h;    /* 272 octets: H had lost its leading zero octet            */
	uint64_t stripped_w; /* the mask was hashed from w without its leading zero octets */
};
MCSEC_API void mcsec_sakke_peers_seen(struct mcsec_sakke_peers *out);

/* ---- The KMS side: master secrets and issuing ---------------------------------------------------------------- */

struct mcsec_master;

/* Fresh KSAK in [1, n-1] and z_T in [2, q-1]. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_master_generate(struct mcsec_master **out, const struct mcsec_rng *rng);
/* From octets at rest. MCSEC_E_SCALAR when out of range. The caller wipes its copies. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err
mcsec_master_load(struct mcsec_master **out, const uint8_t ksak[MCSEC_KSAK_LEN], const uint8_t z_t[MCSEC_ZT_LEN]);
MCSEC_API void mcsec_master_free(struct mcsec_master *master); /* wipes */

/* The secrets, for sealing at rest only. Both buffers must be secret memory. */
MCSEC_API void mcsec_master_export(const struct mcsec_master *master, uint8_t ksak[MCSEC_KSAK_LEN],
				   uint8_t z_t[MCSEC_ZT_LEN]);
MCSEC_API void mcsec_master_public(const struct mcsec_master *master, uint8_t kpak[MCSEC_KPAK_LEN],
				   uint8_t z_pub[MCSEC_ZPUB_LEN]);

/*
 * Check the full equation (a + z_T) RSK = P of every RSK issued singly (kms.md 2.1 item 4; costs several times the
 * issue). Off: of 1 in 64 at random. Set it before the master is shared between threads.
 */
MCSEC_API void mcsec_master_check_every_rsk(struct mcsec_master *master, int on);

struct mcsec_issued {
	uint8_t rsk[MCSEC_RSK_LEN]; /* the same octets for the same identity, always */
	uint8_t ssk[MCSEC_SSK_LEN]; /* new with each issue, together with pvt        */
	uint8_t pvt[MCSEC_PVT_LEN];
	uint8_t hs[MCSEC_HS_LEN];
};

/*
 * One key set for id, checked before release (kms.md 2.1 item 4). `issue_counter` must never repeat for one master:
 * with the hedge key and fresh random octets it keeps v from repeating even with a broken random source.
 * `out` is secret: the caller keeps it in secret memory and wipes it. MCSEC_E_SELF_TEST: hand nothing out.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_master_issue(const struct mcsec_master *master,
							     const struct mcsec_rng *rng, uint64_t issue_counter,
							     const uint8_t *id, size_t id_len,
							     struct mcsec_issued *out);

struct mcsec_issue_job {
	const uint8_t *id;
	size_t id_len;
	uint64_t issue_counter;
	struct mcsec_issued *out;
	enum mcsec_err err; /* out, per job */
};

/*
 * Many identities at once, on up to `threads` threads; as mcsec_master_issue for each, with shared work. Of 16 or more
 * the RSKs are checked by the full equation, together. rng must be safe to call from several threads.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_master_issue_batch(const struct mcsec_master *master,
								   const struct mcsec_rng *rng,
								   struct mcsec_issue_job *jobs, size_t n,
								   unsigned threads);

#endif

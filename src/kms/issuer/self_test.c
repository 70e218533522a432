/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_test.c - before anything is issued: this machine computes what the published vectors say (kms.md 15A row 24).
 *
 * Beside the self-test of the curves (mcsec_ibc_self_test) a whole issue: the master secrets of the RFC examples give
 * the RFCs' public keys and the RSK of kms.md 16.1, the published SSK and PVT pass the check of a receiver, a set
 * issued here passes it too, and the random source neither stands still nor is silent. The secrets are published: they
 * protect nothing.
 */
#include <openssl/evp.h>

#include "kms/issuer/vault.h"
#include "mcsec/secret.h"

static const uint8_t z_t_tail[20] = {
    /* RFC 6508 appendix A */
    0xaf, 0xf4, 0x29, 0xd3, 0x5f, 0x84, 0xb1, 0x10, 0xd0, 0x94,
    0x80, 0x3b, 0x35, 0x95, 0xa6, 0xe2, 0x99, 0x8b, 0xc9, 0x9f,
};
static const uint8_t ksak_tail[3] = {0x01, 0x23, 0x45}; /* RFC 6507 appendix A */
static const uint8_t uid_1388[MCSEC_UID_LEN] = {
    0x3a, 0x81, 0xfb, 0x14, 0xc3, 0xb1, 0xd0, 0xfe, 0x43, 0xc9, 0xc5, 0x77, 0x10, 0x4d, 0x55, 0xa6,
    0xd8, 0x17, 0x88, 0xbf, 0xd2, 0xf0, 0x97, 0x43, 0xc4, 0x55, 0x77, 0x46, 0xa5, 0xa0, 0x35, 0x3b,
};
static const uint8_t ssk_1388[MCSEC_SSK_LEN] = {
    0x4b, 0x29, 0x40, 0xc1, 0x76, 0xfb, 0x1f, 0xee, 0x8f, 0x18, 0x79, 0xe5, 0x5c, 0xeb, 0xa6, 0xea,
    0xfd, 0x7a, 0x43, 0xbf, 0x53, 0x0a, 0xcc, 0x21, 0x04, 0x9e, 0x70, 0xfc, 0x4f, 0x4d, 0x34, 0x1d,
};
static const uint8_t pvt_1388[MCSEC_PVT_LEN] = {
    0x04, 0x75, 0x8a, 0x14, 0x27, 0x79, 0xbe, 0x89, 0xe8, 0x29, 0xe7, 0x19, 0x84, 0xcb, 0x40, 0xef, 0x75,
    0x8c, 0xc4, 0xad, 0x77, 0x5f, 0xc5, 0xb9, 0xa3, 0xe1, 0xc8, 0xed, 0x52, 0xf6, 0xfa, 0x36, 0xd9, 0xa7,
    0x9d, 0x24, 0x76, 0x92, 0xf4, 0xed, 0xa3, 0xa6, 0xbd, 0xab, 0x77, 0xd6, 0xaa, 0x64, 0x74, 0xa4, 0x64,
    0xae, 0x49, 0x34, 0x66, 0x3c, 0x52, 0x65, 0xba, 0x70, 0x18, 0xba, 0x09, 0x1f, 0x79,
};
/* SHA-256 over Z_T and KPAK, and over the RSK */
static const uint8_t public_digest[32] = {
    0x8b, 0xa3, 0x23, 0xc4, 0xd0, 0x6c, 0xcd, 0xd6, 0xfb, 0xaf, 0x64, 0x08, 0x5b, 0x8e, 0xb0, 0xb7,
    0x79, 0x8c, 0x2e, 0xa3, 0xe4, 0x61, 0x29, 0x5d, 0xf2, 0x56, 0xea, 0x41, 0x71, 0xd9, 0xfa, 0x66,
};
static const uint8_t rsk_digest[32] = {
    0xe1, 0x50, 0x70, 0x2c, 0x7c, 0x8f, 0x6b, 0x24, 0x94, 0x36, 0x0a, 0xa9, 0x09, 0x41, 0x54, 0x46,
    0xc2, 0x92, 0xfd, 0x10, 0x4a, 0xd0, 0x23, 0xe2, 0x3d, 0xf6, 0x80, 0x27, 0x38, 0xe5, 0x25, 0x40,
};

static int has_digest(struct octets what, const uint8_t want[32])
{
	uint8_t digest[32];
	return EVP_Digest(what.p, what.len, digest, NULL, EVP_sha256(), NULL) == 1 && memcmp(digest, want, 32) == 0;
}

static int random_lives(const struct mcsec_rng *rng)
{
	uint8_t a[32], b[32], all = 0;
	if (rng->fill(rng->ctx, a, sizeof a) || rng->fill(rng->ctx, b, sizeof b))
		return 0;
	for (size_t i = 0; i < sizeof a; i++)
		all |= a[i];
	int lives = all && memcmp(a, b, sizeof a) != 0;
	mcsec_wipe(a, sizeof a);
	mcsec_wipe(b, sizeof b);
	return lives;
}

static int uid_is_known(void)
{
	const struct mcsec_periods p = {2592000, 0};
	uint8_t uid[MCSEC_UID_LEN];
	return !mcsec_uid("sip:user@example.org", "kms.example.org", &p, 1388, uid) &&
	       memcmp(uid, uid_1388, sizeof uid) == 0;
}

static int accepts(struct mcsec_kms *kms, const uint8_t *ssk, const uint8_t *pvt, const uint8_t *rsk)
{
	struct mcsec_keyset *keys = NULL;
	enum mcsec_err e = mcsec_keyset_new(&keys, kms, uid_1388, sizeof uid_1388, ssk, pvt, rsk);
	mcsec_keyset_free(keys);
	return !e;
}

static int issues_as_published(const struct mcsec_master *master, const struct mcsec_rng *rng, struct mcsec_issued *k)
{
	uint8_t public[MCSEC_ZPUB_LEN + MCSEC_KPAK_LEN], *kpak = public + MCSEC_ZPUB_LEN;
	struct mcsec_kms *kms = NULL;
	mcsec_master_public(master, kpak, public);
	if (!has_digest(OCTETS(public), public_digest) || mcsec_kms_new(&kms, kpak, public))
		return 0;
	int ok = !mcsec_master_issue(master, rng, 1, uid_1388, sizeof uid_1388, k) &&
		 has_digest(OCTETS(k->rsk), rsk_digest) && accepts(kms, k->ssk, k->pvt, k->rsk) &&
		 accepts(kms, ssk_1388, pvt_1388, k->rsk) && !accepts(kms, k->ssk, pvt_1388, k->rsk);
	mcsec_kms_free(kms);
	return ok;
}

enum mcsec_err issuer_self_test(const struct mcsec_rng *rng)
{
	uint8_t ksak[MCSEC_KSAK_LEN] = {0}, z_t[MCSEC_ZT_LEN] = {0};
	struct mcsec_master *master = NULL;
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	memcpy(ksak + sizeof ksak - sizeof ksak_tail, ksak_tail, sizeof ksak_tail);
	memcpy(z_t + sizeof z_t - sizeof z_t_tail, z_t_tail, sizeof z_t_tail);
	int ok = k && !mcsec_ibc_self_test() && random_lives(rng) && uid_is_known() &&
		 !mcsec_master_load(&master, ksak, z_t) && issues_as_published(master, rng, k);
	mcsec_master_free(master);
	mcsec_secret_free(k);
	return ok ? MCSEC_OK : MCSEC_E_SELF_TEST;
}

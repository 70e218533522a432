/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wolf_peer.c - wolfSSL's ECCSI and SAKKE behind peer_api.h, through its public interface only. Built against Debian's
 * libwolfssl; built against another wolfSSL it is a peer for PEER=.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/eccsi.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sakke.h>

#include "peer_api.h"

#ifndef WOLF_NAME
#define WOLF_NAME "wolfssl"
#endif

#if defined(WOLFSSL_SP_X86_64_ASM) && defined(WOLFSSL_SP_1024)
#define REMARK "sp_asm"
#else
#define REMARK "generic multi-precision"
#endif

#define H WC_HASH_TYPE_SHA256

struct ctx {
	WC_RNG rng;
	EccsiKey kms;  /* KSAK + KPAK                              */
	EccsiKey sgn;  /* KPAK + own SSK/PVT                       */
	EccsiKey vrf;  /* KPAK only                                */
	SakkeKey skms; /* z + Z                                    */
	SakkeKey enc;  /* Z, sender to ever changing identities    */
	SakkeKey pre;  /* Z, sender to one remembered identity     */
	SakkeKey dec;  /* Z + RSK                                  */
	ecc_point *pvt;
	ecc_point *vpvt;
	ecc_point *rsk;
	ecc_point *drsk;
	mp_int ssk;
	uint8_t *ptab; /* table for the remembered point I         */
	word32 ptab_len;
	uint8_t *dtab; /* table for the receiver's own point I     */
	word32 dtab_len;
	uint8_t *rtab; /* table for the RSK                        */
	word32 rtab_len;
	uint8_t pid[SAKKE_ID_MAX_SIZE];
	size_t pid_len;
	unsigned dummy;
};

#define TRY(x)                                                                                                         \
	do {                                                                                                           \
		int e_ = (x);                                                                                          \
		if (e_ != 0) {                                                                                         \
			if (getenv("PEER_DEBUG"))                                                                      \
				fprintf(stderr, "%s:%d %s = %d\n", __FILE__, __LINE__, #x, e_);                        \
			return e_;                                                                                     \
		}                                                                                                      \
	} while (0)

static int setup(struct ctx *c, struct peer_setup *s)
{
	word32 sz;
	uint8_t both[96];

	TRY(wc_InitRng(&c->rng));
	TRY(mp_init(&c->ssk));
	TRY(wc_InitEccsiKey(&c->kms, NULL, INVALID_DEVID));
	TRY(wc_InitEccsiKey(&c->sgn, NULL, INVALID_DEVID));
	TRY(wc_InitEccsiKey(&c->vrf, NULL, INVALID_DEVID));
	if (s->is_kms) {
		/* wolfSSL's order for the whole key is d|x|y */
		memcpy(both, s->ksak, 32);
		memcpy(both + 32, s->kpak + 1, 64);
		TRY(wc_ImportEccsiKey(&c->kms, both, sizeof both));
	}
	TRY(wc_ImportEccsiPublicKey(&c->sgn, s->kpak + 1, 64, 1));
	TRY(wc_ImportEccsiPublicKey(&c->vrf, s->kpak + 1, 64, 1));

	TRY(wc_InitSakkeKey(&c->skms, NULL, INVALID_DEVID));
	TRY(wc_InitSakkeKey(&c->enc, NULL, INVALID_DEVID));
	TRY(wc_InitSakkeKey(&c->pre, NULL, INVALID_DEVID));
	TRY(wc_InitSakkeKey(&c->dec, NULL, INVALID_DEVID));
	c->pvt = wc_ecc_new_point();
	c->vpvt = wc_ecc_new_point();
	c->rsk = wc_ecc_new_point();
	c->drsk = wc_ecc_new_point();
	if (!c->pvt || !c->vpvt || !c->rsk || !c->drsk)
		return -1;
	if (s->is_kms) {
		ecc_point *zp = wc_ecc_new_point();
		uint8_t raw[256];
		uint8_t zero[257] = {0};

		TRY(wc_ImportSakkePrivateKey(&c->skms, s->z, sizeof s->z));
		TRY(wc_MakeSakkePublicKey(&c->skms, zp));
		sz = sizeof raw;
		TRY(wc_EncodeSakkeRsk(&c->skms, zp, raw, &sz, 1));
		wc_ecc_del_point(zp);
		if (memcmp(s->z_pub, zero, sizeof zero) == 0) {
			s->z_pub[0] = 4;
			memcpy(s->z_pub + 1, raw, 256);
		} else if (memcmp(s->z_pub + 1, raw, 256) != 0) {
			return -1;
		}
		TRY(wc_ImportSakkePublicKey(&c->skms, s->z_pub + 1, 256, 1));
	}
	TRY(wc_ImportSakkePublicKey(&c->enc, s->z_pub + 1, 256, 1));
	TRY(wc_ImportSakkePublicKey(&c->pre, s->z_pub + 1, 256, 1));
	TRY(wc_ImportSakkePublicKey(&c->dec, s->z_pub + 1, 256, 1));
	return 0;
}

static void *w_open(struct peer_setup *s)
{
	struct ctx *c = calloc(1, sizeof *c);

	if (c && setup(c, s) != 0) {
		free(c);
		c = NULL;
	}
	return c;
}

static void w_close(void *h)
{
	struct ctx *c = h;

	free(c->ptab);
	free(c->dtab);
	free(c->rtab);
	free(c);
}

static int w_eccsi_issue(void *h, const uint8_t *id, size_t idlen, uint8_t *ssk, uint8_t *pvt)
{
	struct ctx *c = h;
	word32 sz = 32;

	TRY(wc_MakeEccsiPair(&c->kms, &c->rng, H, id, (word32)idlen, &c->ssk, c->pvt));
	TRY(wc_EncodeEccsiSsk(&c->kms, &c->ssk, ssk, &sz));
	sz = 64;
	pvt[0] = 4;
	TRY(wc_EncodeEccsiPvt(&c->kms, c->pvt, pvt + 1, &sz, 1));
	return 0;
}

static int w_sakke_issue(void *h, const uint8_t *id, size_t idlen, uint8_t *rsk)
{
	struct ctx *c = h;
	word32 sz = 256;

	TRY(wc_MakeSakkeRsk(&c->skms, id, (word16)idlen, c->rsk));
	rsk[0] = 4;
	TRY(wc_EncodeSakkeRsk(&c->skms, c->rsk, rsk + 1, &sz, 1));
	return 0;
}

static int w_eccsi_validate(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt)
{
	struct ctx *c = h;
	int valid = 0;

	TRY(wc_DecodeEccsiSsk(&c->vrf, ssk, 32, &c->ssk));
	TRY(wc_DecodeEccsiPvt(&c->vrf, pvt + 1, 64, c->vpvt));
	TRY(wc_ValidateEccsiPair(&c->vrf, H, id, (word32)idlen, &c->ssk, c->vpvt, &valid));
	return valid ? 0 : -1;
}

static int w_eccsi_load(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssk, const uint8_t *pvt)
{
	struct ctx *c = h;
	uint8_t hs[WC_MAX_DIGEST_SIZE];
	uint8_t hl = 0;

	TRY(wc_DecodeEccsiSsk(&c->sgn, ssk, 32, &c->ssk));
	TRY(wc_DecodeEccsiPvt(&c->sgn, pvt + 1, 64, c->vpvt));
	TRY(wc_HashEccsiId(&c->sgn, H, id, (word32)idlen, c->vpvt, hs, &hl));
	TRY(wc_SetEccsiHash(&c->sgn, hs, hl));
	TRY(wc_SetEccsiPair(&c->sgn, &c->ssk, c->vpvt));
	return 0;
}

static int w_eccsi_sign(void *h, const uint8_t *m, size_t mlen, uint8_t *sig)
{
	struct ctx *c = h;
	word32 sz = PEER_SIG;

	TRY(wc_SignEccsiHash(&c->sgn, &c->rng, H, m, (word32)mlen, sig, &sz));
	return sz == PEER_SIG ? 0 : -1;
}

static int w_eccsi_verify(void *h, const uint8_t *id, size_t idlen, const uint8_t *m, size_t mlen, const uint8_t *sig)
{
	struct ctx *c = h;
	uint8_t hs[WC_MAX_DIGEST_SIZE];
	uint8_t hl = 0;
	int ok = 0;

	TRY(wc_DecodeEccsiPvtFromSig(&c->vrf, sig, PEER_SIG, c->vpvt));
	TRY(wc_HashEccsiId(&c->vrf, H, id, (word32)idlen, c->vpvt, hs, &hl));
	TRY(wc_SetEccsiHash(&c->vrf, hs, hl));
	TRY(wc_VerifyEccsiHash(&c->vrf, H, m, (word32)mlen, sig, PEER_SIG, &ok));
	return ok ? 0 : -1;
}

static int encap(SakkeKey *k, const uint8_t *ssv, uint8_t *enc)
{
	uint8_t s[PEER_SSV];
	word16 n = PEER_PT_1024;

	memcpy(s, ssv, sizeof s);
	TRY(wc_MakeSakkeEncapsulatedSSV(k, H, s, sizeof s, enc, &n));
	memcpy(enc + PEER_PT_1024, s, sizeof s);
	return 0;
}

static int w_sakke_encap(void *h, const uint8_t *id, size_t idlen, const uint8_t *ssv, uint8_t *enc)
{
	struct ctx *c = h;

	/* point I is recomputed because the identity differs from the last;
	 * forget it even if the caller repeats an identity */
	c->enc.i.idSz = 0;
	TRY(wc_SetSakkeIdentity(&c->enc, id, (word16)idlen));
	return encap(&c->enc, ssv, enc);
}

static int make_i_table(SakkeKey *k, const uint8_t *id, size_t idlen, uint8_t **tab, word32 *len)
{
	int e;

	TRY(wc_SetSakkeIdentity(k, id, (word16)idlen));
	TRY(wc_MakeSakkePointI(k, id, (word16)idlen));
	*len = 0;
	e = wc_GenerateSakkePointITable(k, NULL, len);
	if (e == LENGTH_ONLY_E && *len > 0) {
		free(*tab);
		*tab = aligned_alloc(64, (*len + 63u) & ~63u);
		TRY(wc_GenerateSakkePointITable(k, *tab, len));
		TRY(wc_SetSakkePointITable(k, *tab, *len));
	}
	return 0;
}

static int w_sakke_prepare(void *h, const uint8_t *id, size_t idlen)
{
	struct ctx *c = h;

	memcpy(c->pid, id, idlen);
	c->pid_len = idlen;
	return make_i_table(&c->pre, id, idlen, &c->ptab, &c->ptab_len);
}

static int w_sakke_encap_prepared(void *h, const uint8_t *ssv, uint8_t *enc)
{
	struct ctx *c = h;

	return encap(&c->pre, ssv, enc);
}

static int w_sakke_rsk_validate(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk)
{
	struct ctx *c = h;
	int valid = 0;

	TRY(wc_DecodeSakkeRsk(&c->enc, rsk + 1, 256, c->rsk));
	TRY(wc_ValidateSakkeRsk(&c->enc, id, (word16)idlen, c->rsk, &valid));
	return valid ? 0 : -1;
}

static int w_sakke_rsk_load(void *h, const uint8_t *id, size_t idlen, const uint8_t *rsk, int level)
{
	struct ctx *c = h;
	int e;

	TRY(wc_DecodeSakkeRsk(&c->dec, rsk + 1, 256, c->drsk));
	TRY(wc_SetSakkeIdentity(&c->dec, id, (word16)idlen));
	TRY(wc_MakeSakkePointI(&c->dec, id, (word16)idlen));
	TRY(wc_ClearSakkePointITable(&c->dec));
	TRY(wc_SetSakkeRsk(&c->dec, c->drsk, NULL, 0));
	c->dtab_len = c->rtab_len = 0;
	if (level == 0)
		return 0;
	TRY(make_i_table(&c->dec, id, idlen, &c->dtab, &c->dtab_len));
	e = wc_GenerateSakkeRskTable(&c->dec, c->drsk, NULL, &c->rtab_len);
	if (e == LENGTH_ONLY_E && c->rtab_len > 0) {
		free(c->rtab);
		c->rtab = aligned_alloc(64, (c->rtab_len + 63u) & ~63u);
		TRY(wc_GenerateSakkeRskTable(&c->dec, c->drsk, c->rtab, &c->rtab_len));
		TRY(wc_SetSakkeRsk(&c->dec, c->drsk, c->rtab, c->rtab_len));
	}
	return 0;
}

static int w_sakke_decap(void *h, const uint8_t *enc, uint8_t *ssv)
{
	struct ctx *c = h;

	memcpy(ssv, enc + PEER_PT_1024, PEER_SSV);
	TRY(wc_DeriveSakkeSSV(&c->dec, H, ssv, PEER_SSV, enc, PEER_PT_1024));
	return 0;
}

static size_t w_table_octets(void *h)
{
	struct ctx *c = h;

	return (size_t)c->ptab_len + c->dtab_len + c->rtab_len;
}

static const struct peer_impl impl = {
    .name = WOLF_NAME,
    .version = LIBWOLFSSL_VERSION_STRING,
    .remark = REMARK,
    .open = w_open,
    .close = w_close,
    .eccsi_issue = w_eccsi_issue,
    .sakke_issue = w_sakke_issue,
    .eccsi_validate = w_eccsi_validate,
    .eccsi_load = w_eccsi_load,
    .eccsi_sign = w_eccsi_sign,
    .eccsi_verify = w_eccsi_verify,
    .sakke_encap = w_sakke_encap,
    .sakke_prepare = w_sakke_prepare,
    .sakke_encap_prepared = w_sakke_encap_prepared,
    .sakke_rsk_validate = w_sakke_rsk_validate,
    .sakke_rsk_load = w_sakke_rsk_load,
    .sakke_decap = w_sakke_decap,
    .table_octets = w_table_octets,
};

__attribute__((visibility("default"))) const struct peer_impl *peer_get(void)
{
	return &impl;
}

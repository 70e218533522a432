/* SPDX-License-Identifier: Apache-2.0 */
/* selftest.c - the constants and the arithmetic, checked before keys are trusted to them. */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

/* p + 1 = 4q; P on E, of order q; <P, P> = g. */
static int sakke_holds(void)
{
	struct num p1 = FP.m;
	p1.v[0]++; /* p = 3 mod 4 */
	for (int i = 0; i < NUM_LIMBS; i++)
		if (p1.v[i] != (FQ.m.v[i] << 2 | (i ? FQ.m.v[i - 1] >> 62 : 0)))
			return 0;
	if (!point_on_curve(&GENERATOR) || !point_has_order_q(&GENERATOR))
		return 0;
	struct lines *lines;
	struct num t;
	int ok =
	    !lines_new(&lines, &GENERATOR) && pairing(&t, lines, &GENERATOR) && num_equal(&t, &PAIRING_OF_GENERATOR);
	lines_free(lines);
	return ok;
}

static enum mcsec_err fixed_fill(void *ctx, uint8_t *out, size_t n)
{
	uint8_t *next = ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = (*next)++;
	return MCSEC_OK;
}

/* One whole round: issue, import with its checks, sign, verify, encapsulate, decapsulate. */
static int round_holds(void)
{
	static const uint8_t id[32] = "self-test", ssv[MCSEC_SSV_LEN] = "key to carry", msg[] = "message";
	uint8_t next = 1, sig[MCSEC_SIG_LEN], sed[MCSEC_SED_LEN], back[MCSEC_SSV_LEN];
	const struct mcsec_rng rng = {fixed_fill, &next};
	struct mcsec_master *master = NULL;
	struct mcsec_kms *kms = NULL;
	struct mcsec_identity *peer = NULL;
	struct mcsec_keyset *keys = NULL;
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct mcsec_issued issued;
	int ok = !mcsec_master_generate(&master, &rng);
	if (ok)
		mcsec_master_public(master, kpak, z_pub);
	ok = ok && !mcsec_kms_new(&kms, kpak, z_pub) && !mcsec_identity_new(&peer, kms, id, sizeof id) &&
	     !mcsec_master_issue(master, &rng, 1, id, sizeof id, &issued) &&
	     !mcsec_keyset_new(&keys, kms, id, sizeof id, issued.ssk, issued.pvt, issued.rsk) &&
	     !mcsec_eccsi_sign(keys, &rng, msg, sizeof msg, sig) && !mcsec_eccsi_verify(peer, msg, sizeof msg, sig) &&
	     !mcsec_sakke_encapsulate(peer, ssv, sed) && !mcsec_sakke_decapsulate(keys, sed, sizeof sed, back) &&
	     memcmp(back, ssv, sizeof back) == 0;
	if (ok) {
		sig[40] ^= 1;
		sed[MCSEC_SED_LEN - 1] ^= 1;
		ok = mcsec_eccsi_verify(peer, msg, sizeof msg, sig) == MCSEC_E_SIGNATURE &&
		     mcsec_sakke_decapsulate(keys, sed, sizeof sed, back) == MCSEC_E_DECRYPT;
	}
	mcsec_keyset_free(keys);
	mcsec_identity_free(peer);
	mcsec_kms_free(kms);
	mcsec_master_free(master);
	return ok;
}

enum mcsec_err mcsec_ibc_self_test(void)
{
	return sakke_holds() && round_holds() ? MCSEC_OK : MCSEC_E_SELF_TEST;
}

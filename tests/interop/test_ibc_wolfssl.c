/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmcsec and Debian's libwolfssl as each other's oracle: the same RSK, the same encapsulation octet for octet, key
 * pairs and signatures accepted both ways, each opening what the other made. Every identity, key and message is random.
 * Over 2,700 comparisons; MCX_LONG=1 makes fifty times as many.
 */
#include "unit/test.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/eccsi.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sakke.h>

#include "mcsec/ibc.h"

static const enum wc_HashType HASH = WC_HASH_TYPE_SHA256;

struct side {
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	uint8_t kpak[65], z_pub[257];
	WC_RNG rng;
	EccsiKey kms_eccsi, eccsi, verifier; /* a verification spoils what its key has set for signing */
	SakkeKey kms_sakke, sakke;
	ecc_point *point;
	mp_int ssk;
};

static struct side s;

static void random_octets(void *out, size_t n)
{
	assert_int_equal(mcsec_rng_system.fill(mcsec_rng_system.ctx, out, n), MCSEC_OK);
}

static size_t rounds(size_t n)
{
	return getenv("MCX_LONG") ? 50 * n : n;
}

struct id {
	uint8_t octets[64];
	size_t len;
};

/* Mostly UIDs of 32 octets, else any length up to 64. */
static struct id random_id(void)
{
	struct id id;
	uint8_t b;
	random_octets(id.octets, sizeof id.octets);
	random_octets(&b, 1);
	id.len = b < 192 ? 32 : 1 + b % 64;
	return id;
}

static int setup(void **state)
{
	(void)state;
	uint8_t both[96], ksak[32], z[128];
	assert_int_equal(mcsec_master_generate(&s.master, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_export(s.master, ksak, z);
	mcsec_master_public(s.master, s.kpak, s.z_pub);
	assert_int_equal(mcsec_kms_new(&s.kms, s.kpak, s.z_pub), MCSEC_OK);
	assert_int_equal(wc_InitRng(&s.rng), 0);
	assert_int_equal(mp_init(&s.ssk), 0);
	s.point = wc_ecc_new_point();
	assert_non_null(s.point);
	assert_int_equal(wc_InitEccsiKey(&s.kms_eccsi, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_InitEccsiKey(&s.eccsi, NULL, INVALID_DEVID), 0);
	memcpy(both, ksak, 32);
	memcpy(both + 32, s.kpak + 1, 64);
	assert_int_equal(wc_ImportEccsiKey(&s.kms_eccsi, both, sizeof both), 0);
	assert_int_equal(wc_ImportEccsiPublicKey(&s.eccsi, s.kpak + 1, 64, 1), 0);
	assert_int_equal(wc_InitEccsiKey(&s.verifier, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_ImportEccsiPublicKey(&s.verifier, s.kpak + 1, 64, 1), 0);
	assert_int_equal(wc_InitSakkeKey(&s.kms_sakke, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_InitSakkeKey(&s.sakke, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_ImportSakkePrivateKey(&s.kms_sakke, z, sizeof z), 0);
	assert_int_equal(wc_ImportSakkePublicKey(&s.kms_sakke, s.z_pub + 1, 256, 1), 0);
	assert_int_equal(wc_ImportSakkePublicKey(&s.sakke, s.z_pub + 1, 256, 1), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wc_FreeSakkeKey(&s.sakke);
	wc_FreeSakkeKey(&s.kms_sakke);
	wc_FreeEccsiKey(&s.verifier);
	wc_FreeEccsiKey(&s.eccsi);
	wc_FreeEccsiKey(&s.kms_eccsi);
	wc_ecc_del_point(s.point);
	wc_FreeRng(&s.rng);
	mcsec_kms_free(s.kms);
	mcsec_master_free(s.master);
	return 0;
}

static void the_public_keys_are_equal(void **state)
{
	(void)state;
	uint8_t raw[256];
	word32 n = sizeof raw;
	ecc_point *z = wc_ecc_new_point();
	assert_int_equal(wc_MakeSakkePublicKey(&s.kms_sakke, z), 0);
	assert_int_equal(wc_EncodeSakkeRsk(&s.kms_sakke, z, raw, &n, 1), 0);
	assert_memory_equal(raw, s.z_pub + 1, 256);
	wc_ecc_del_point(z);
}

static void rsks_are_equal(void **state)
{
	(void)state;
	enum { N = 512 };
	static struct mcsec_issued sets[N];
	static struct id ids[N];
	static struct mcsec_issue_job jobs[N];
	for (size_t done = 0; done < rounds(N); done += N) {
		for (size_t i = 0; i < N; i++) {
			ids[i] = random_id();
			jobs[i] = (struct mcsec_issue_job){ids[i].octets, ids[i].len, done + i, &sets[i], MCSEC_OK};
		}
		assert_int_equal(mcsec_master_issue_batch(s.master, &mcsec_rng_system, jobs, N, 1), MCSEC_OK);
		for (size_t i = 0; i < N; i++) {
			uint8_t raw[256];
			word32 n = sizeof raw;
			assert_int_equal(wc_MakeSakkeRsk(&s.kms_sakke, ids[i].octets, (word16)ids[i].len, s.point), 0);
			assert_int_equal(wc_EncodeSakkeRsk(&s.kms_sakke, s.point, raw, &n, 1), 0);
			assert_memory_equal(raw, sets[i].rsk + 1, 256);
		}
	}
}

static void wolf_encapsulates(const struct id *id, const uint8_t ssv[16], uint8_t sed[MCSEC_SED_LEN])
{
	uint8_t h[16];
	word16 n = 257;
	memcpy(h, ssv, 16);
	assert_int_equal(wc_SetSakkeIdentity(&s.sakke, id->octets, (word16)id->len), 0);
	assert_int_equal(wc_MakeSakkePointI(&s.sakke, id->octets, (word16)id->len), 0);
	assert_int_equal(wc_MakeSakkeEncapsulatedSSV(&s.sakke, HASH, h, 16, sed, &n), 0);
	assert_int_equal(n, 257);
	memcpy(sed + 257, h, 16);
}

static void encapsulations_are_equal_octet_for_octet(void **state)
{
	(void)state;
	enum { N = 24 };
	static uint8_t seds[N][MCSEC_SED_LEN], ssvs[N][16];
	struct id ids[N];
	struct mcsec_encap_job jobs[N];
	for (size_t done = 0; done < rounds(264); done += N) {
		/* in turn the batch form, and the single form of each */
		for (size_t i = 0; i < N; i++) {
			ids[i] = random_id();
			random_octets(ssvs[i], 16);
			jobs[i] = (struct mcsec_encap_job){ids[i].octets, ids[i].len, ssvs[i], seds[i], MCSEC_OK};
		}
		if (done / N % 2)
			assert_int_equal(mcsec_sakke_encapsulate_batch(s.kms, jobs, N, 1), MCSEC_OK);
		for (size_t i = 0; i < N; i++) {
			uint8_t theirs[MCSEC_SED_LEN];
			struct mcsec_identity *peer;
			assert_int_equal(mcsec_identity_new(&peer, s.kms, ids[i].octets, ids[i].len), MCSEC_OK);
			if (done / N % 2 == 0)
				assert_int_equal(mcsec_sakke_encapsulate(peer, ssvs[i], seds[i]), MCSEC_OK);
			wolf_encapsulates(&ids[i], ssvs[i], theirs);
			assert_memory_equal(theirs, seds[i], sizeof theirs);
			mcsec_identity_free(peer);
		}
	}
}

/* A member's key set, for us and for them. */
static void member(struct id *id, struct mcsec_keyset **keys, struct mcsec_issued *set)
{
	uint8_t hs[WC_MAX_DIGEST_SIZE];
	byte hs_len = 0;
	*id = random_id();
	assert_int_equal(mcsec_master_issue(s.master, &mcsec_rng_system, 1, id->octets, id->len, set), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new(keys, s.kms, id->octets, id->len, set->ssk, set->pvt, set->rsk), MCSEC_OK);
	assert_int_equal(wc_DecodeEccsiSsk(&s.eccsi, set->ssk, 32, &s.ssk), 0);
	assert_int_equal(wc_DecodeEccsiPvt(&s.eccsi, set->pvt + 1, 64, s.point), 0);
	int valid = 0;
	assert_int_equal(wc_ValidateEccsiPair(&s.eccsi, HASH, id->octets, (word32)id->len, &s.ssk, s.point, &valid), 0);
	assert_true(valid);
	assert_int_equal(wc_HashEccsiId(&s.eccsi, HASH, id->octets, (word32)id->len, s.point, hs, &hs_len), 0);
	assert_memory_equal(hs, set->hs, 32);
	assert_int_equal(wc_SetEccsiHash(&s.eccsi, hs, hs_len), 0);
	assert_int_equal(wc_SetEccsiHash(&s.verifier, hs, hs_len), 0);
	assert_int_equal(wc_SetEccsiPair(&s.eccsi, &s.ssk, s.point), 0);
}

static void signatures_are_accepted_both_ways(void **state)
{
	(void)state;
	enum { EACH = 31 };
	for (size_t m = 0; m < rounds(20); m++) {
		struct id id;
		struct mcsec_keyset *keys;
		struct mcsec_issued set;
		struct mcsec_identity *signer;
		member(&id, &keys, &set);
		assert_int_equal(mcsec_identity_new(&signer, s.kms, id.octets, id.len), MCSEC_OK);
		for (int i = 0; i < EACH; i++) {
			uint8_t msg[700], sig[MCSEC_SIG_LEN];
			word32 n = sizeof sig;
			int ok = 0;
			size_t len = 1 + (m * EACH + (size_t)i) * 13 % sizeof msg;
			random_octets(msg, len);
			assert_int_equal(mcsec_eccsi_sign(keys, &mcsec_rng_system, msg, len, sig), MCSEC_OK);
			assert_int_equal(wc_VerifyEccsiHash(&s.verifier, HASH, msg, (word32)len, sig, sizeof sig, &ok),
					 0);
			assert_true(ok);
			sig[i % 64] ^= 1;
			ok = 0;
			(void)wc_VerifyEccsiHash(&s.verifier, HASH, msg, (word32)len, sig, sizeof sig, &ok);
			assert_false(ok);
			assert_int_equal(mcsec_eccsi_verify(signer, msg, len, sig), MCSEC_E_SIGNATURE);
			assert_int_equal(wc_SignEccsiHash(&s.eccsi, &s.rng, HASH, msg, (word32)len, sig, &n), 0);
			assert_int_equal(n, MCSEC_SIG_LEN);
			assert_int_equal(mcsec_eccsi_verify(signer, msg, len, sig), MCSEC_OK);
		}
		mcsec_identity_free(signer);
		mcsec_keyset_free(keys);
	}
}

static void pairs_they_issue_import_here(void **state)
{
	(void)state;
	for (size_t i = 0; i < rounds(32); i++) {
		struct id id = random_id();
		struct mcsec_issued set;
		struct mcsec_keyset *keys;
		word32 n = 32;
		assert_int_equal(mcsec_master_issue(s.master, &mcsec_rng_system, i, id.octets, id.len, &set), MCSEC_OK);
		assert_int_equal(
		    wc_MakeEccsiPair(&s.kms_eccsi, &s.rng, HASH, id.octets, (word32)id.len, &s.ssk, s.point), 0);
		assert_int_equal(wc_EncodeEccsiSsk(&s.kms_eccsi, &s.ssk, set.ssk, &n), 0);
		n = 64;
		assert_int_equal(wc_EncodeEccsiPvt(&s.kms_eccsi, s.point, set.pvt + 1, &n, 1), 0);
		assert_int_equal(mcsec_keyset_new(&keys, s.kms, id.octets, id.len, set.ssk, set.pvt, set.rsk),
				 MCSEC_OK);
		mcsec_keyset_free(keys);
	}
}

static void each_opens_what_the_other_encapsulated(void **state)
{
	(void)state;
	for (size_t m = 0; m < rounds(16); m++) {
		struct id id;
		struct mcsec_keyset *keys;
		struct mcsec_issued set;
		struct mcsec_identity *peer;
		member(&id, &keys, &set);
		assert_int_equal(mcsec_identity_new(&peer, s.kms, id.octets, id.len), MCSEC_OK);
		assert_int_equal(wc_DecodeSakkeRsk(&s.sakke, set.rsk + 1, 256, s.point), 0);
		for (int i = 0; i < 2; i++) {
			uint8_t ssv[16], out[16], sed[MCSEC_SED_LEN];
			random_octets(ssv, sizeof ssv);
			wolf_encapsulates(&id, ssv, sed);
			assert_int_equal(mcsec_sakke_decapsulate(keys, sed, sizeof sed, out), MCSEC_OK);
			assert_memory_equal(out, ssv, sizeof out);
			random_octets(ssv, sizeof ssv);
			assert_int_equal(mcsec_sakke_encapsulate(peer, ssv, sed), MCSEC_OK);
			assert_int_equal(wc_SetSakkeRsk(&s.sakke, s.point, NULL, 0), 0);
			memcpy(out, sed + 257, 16);
			assert_int_equal(wc_DeriveSakkeSSV(&s.sakke, HASH, out, 16, sed, 257), 0);
			assert_memory_equal(out, ssv, sizeof out);
		}
		mcsec_identity_free(peer);
		mcsec_keyset_free(keys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_public_keys_are_equal),
	    cmocka_unit_test(rsks_are_equal),
	    cmocka_unit_test(encapsulations_are_equal_octet_for_octet),
	    cmocka_unit_test(signatures_are_accepted_both_ways),
	    cmocka_unit_test(pairs_they_issue_import_here),
	    cmocka_unit_test(each_opens_what_the_other_encapsulated),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

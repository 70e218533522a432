/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ibc.c - hostile encapsulations and signatures against decapsulate and verify. libFuzzer's entry point; with
 * -DFUZZ_STANDALONE a program that runs the files it is given, then MCX_FUZZ_RUNS (2000) changed ones of its own.
 *
 * The first octet chooses: encapsulation or signature, and how the rest is laid over a good one: as it is, or XORed in,
 * so that the fuzzer reaches the far side of the first checks. Nothing that was changed may be accepted.
 */
#include "fuzz/fuzz.h"
#include "mcsec/ibc.h"
#include "sec/ibc/engine.h"

static const uint8_t id[32] = "fuzzed member", msg[] = "message", ssv[MCSEC_SSV_LEN] = "fifteen octets.";
static struct mcsec_keyset *keys;
static struct mcsec_identity *peer;
static uint8_t good_sed[MCSEC_SED_LEN], good_sig[MCSEC_SIG_LEN];

static void prepare(void)
{
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_issued set;
	uint8_t kpak[MCSEC_KPAK_LEN], z[MCSEC_ZPUB_LEN];
	HOLDS(!mcsec_master_generate(&master, &mcsec_rng_system));
	mcsec_master_public(master, kpak, z);
	HOLDS(!mcsec_kms_new(&kms, kpak, z) && !mcsec_identity_new(&peer, kms, id, sizeof id));
	HOLDS(!mcsec_master_issue(master, &mcsec_rng_system, 1, id, sizeof id, &set));
	HOLDS(!mcsec_keyset_new(&keys, kms, id, sizeof id, set.ssk, set.pvt, set.rsk));
	HOLDS(!mcsec_sakke_encapsulate(peer, ssv, good_sed));
	HOLDS(!mcsec_eccsi_sign(keys, &mcsec_rng_system, msg, sizeof msg, good_sig));
	mcsec_kms_free(kms);
	mcsec_master_free(master);
}

/* The input as it is, or the good octets with the input XORed in. Returns the length. */
static size_t lay(uint8_t *out, size_t room, const uint8_t *good, size_t good_len, const uint8_t *data, size_t size,
		  int over)
{
	size_t n = size < room ? size : room;
	memset(out, 0, room);
	if (!over) {
		memcpy(out, data, n);
		return n;
	}
	memcpy(out, good, good_len);
	for (size_t i = 0; i < n && i < good_len; i++)
		out[i] ^= data[i];
	return good_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t in[MCSEC_SED_LEN + 8], out[MCSEC_SSV_LEN];
	if (!keys)
		prepare();
	if (size < 1)
		return 0;
	int over = data[0] & 1, signature = data[0] & 2;
	if (signature) {
		(void)lay(in, MCSEC_SIG_LEN, good_sig, MCSEC_SIG_LEN, data + 1, size - 1, over);
		enum mcsec_err err = mcsec_eccsi_verify(peer, msg, sizeof msg, in);
		HOLDS(err == (memcmp(in, good_sig, MCSEC_SIG_LEN) ? MCSEC_E_SIGNATURE : MCSEC_OK));
		return 0;
	}
	size_t n = lay(in, sizeof in, good_sed, MCSEC_SED_LEN, data + 1, size - 1, over);
	enum mcsec_err err = mcsec_sakke_decapsulate(keys, in, n, out);
	static const uint8_t zero[MCSEC_SSV_LEN];
	if (n == MCSEC_SED_LEN && !memcmp(in, good_sed, n))
		HOLDS(!err && !memcmp(out, ssv, sizeof out));
	else /* whoever knows the public keys can make other good ones; a fuzzer does not */
		HOLDS(err == MCSEC_E_DECRYPT && !memcmp(out, zero, sizeof out));
	return 0;
}

#if defined(FUZZ_STANDALONE)
int main(int argc, char **argv)
{
	uint8_t buf[512];
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		HOLDS(f != NULL);
		size_t n = fread(buf, 1, sizeof buf, f);
		fclose(f);
		LLVMFuzzerTestOneInput(buf, n);
	}
	const char *runs = getenv("MCX_FUZZ_RUNS");
	long left = runs ? atol(runs) : 2000;
	for (long i = 0; i < left; i++) {
		uint8_t r[8];
		HOLDS(!mcsec_rng_system.fill(NULL, r, sizeof r));
		size_t n = 1 + (r[0] | (size_t)r[1] << 8) % 300;
		if (r[2] & 1) {
			HOLDS(!mcsec_rng_system.fill(NULL, buf, n));
		} else { /* a change of few bits in a good one */
			memset(buf, 0, sizeof buf);
			buf[1 + (r[3] | (size_t)r[4] << 8) % 280] = (uint8_t)(1u << (r[5] & 7));
		}
		buf[0] = r[6];
		LLVMFuzzerTestOneInput(buf, n);
	}
	mcsec_keyset_free(keys);
	mcsec_identity_free(peer);
	printf("ok 1 - %ld changed encapsulations and signatures are refused\n1..1\n", left);
	return 0;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ct_ibc.c - no branch and no address depends on a secret, seen by valgrind: secrets are marked undefined, and memcheck
 * reports every conditional jump and every address that depends on them.
 *
 *     valgrind ct_ibc portable|mulx
 *
 * The library's sources are compiled into this program with MCSEC_CT_CHECK, so that the few values made public on
 * purpose are known (grep ct_public: verdicts of checks, and events of negligible probability). Valgrind hides ADX from
 * CPUID but executes it; so the assembler is forced, and the program fails if that took no effect. AVX-512 it does not
 * execute: ct_ibc_lanes is built with the plain form of the same source (v8.h).
 * Prints TAP. The first test proves that a leak would be seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include "mcsec/ibc.h"
#include "mcsec/secret.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/lanes/lanes.h"

#define SECRET(p, n) ((void)VALGRIND_MAKE_MEM_UNDEFINED(p, n))
#define PUBLIC(p, n) ((void)VALGRIND_MAKE_MEM_DEFINED(p, n))

static int number, failed;

static void tap(int ok, const char *name)
{
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++number, name);
	failed += !ok;
}

static unsigned seen;

/* No report since the last call, and the operation did what it should. */
static void clean(int did, const char *name)
{
	unsigned now = (unsigned)VALGRIND_COUNT_ERRORS;
	PUBLIC(&did, sizeof did);
	tap(did && now == seen, name);
	seen = now;
}

/* Random octets that are secret. */
static enum mcsec_err secret_fill(void *ctx, uint8_t *out, size_t n)
{
	uint64_t *s = ctx;
	for (size_t i = 0; i < n; i++) {
		*s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		out[i] = (uint8_t)(*s >> 56);
	}
	SECRET(out, n);
	return MCSEC_OK;
}

static void a_leak_is_seen(void)
{
	volatile int leaks = 0;
	uint8_t secret = 1;
	SECRET(&secret, 1);
	if (secret == 1)
		leaks = 1;
	unsigned now = (unsigned)VALGRIND_COUNT_ERRORS;
	tap(leaks && now > seen, "a branch on a secret is reported");
	seen = now;
	static const uint8_t table[256] = {7};
	secret = 3;
	SECRET(&secret, 1);
	leaks = table[secret];
	now = (unsigned)VALGRIND_COUNT_ERRORS;
	tap(now > seen, "an address made from a secret is reported");
	seen = now;
}

int main(int argc, char **argv)
{
	if (argc != 2 || !RUNNING_ON_VALGRIND) {
		fprintf(stderr, "run under valgrind: ct_ibc portable|mulx\n");
		return 2;
	}
	if (!mont_force(argv[1])) {
		printf("1..0 # SKIP no %s on this architecture\n", argv[1]);
		return 0;
	}
	tap(strcmp(mont->name, argv[1]) == 0, "the back end asked for is in use");
#if defined(V8_PLAIN)
	tap(lanes_on != 0, "lanes are in use");
#else
	tap(lanes_on == 0, "lanes are not in use");
#endif
	a_leak_is_seen();

	uint64_t seed = 1;
	const struct mcsec_rng rng = {secret_fill, &seed};
	uint8_t ksak[32], z_t[128], kpak[65], z_pub[257], ssv[16], back[16], sed[MCSEC_SED_LEN], sig[MCSEC_SIG_LEN];
	static const uint8_t msg[] = "message";
	enum { N = 17 };
	static uint8_t ids[N][32];
	static struct mcsec_issued sets[N];
	struct mcsec_master *master, *again;
	struct mcsec_kms *kms;
	struct mcsec_identity *peer;
	struct mcsec_keyset *keys;

	enum mcsec_err err = mcsec_master_generate(&master, &rng);
	clean(!err, "generating master secrets");
	mcsec_master_export(master, ksak, z_t);
	err = mcsec_master_load(&again, ksak, z_t);
	clean(!err, "loading master secrets and computing the public keys");
	mcsec_master_free(again);
	mcsec_master_public(master, kpak, z_pub);
	PUBLIC(kpak, sizeof kpak);
	PUBLIC(z_pub, sizeof z_pub);
	PUBLIC(master->kpak, sizeof master->kpak);
	PUBLIC(&master->kpak_point, sizeof master->kpak_point);
	clean(!mcsec_kms_new(&kms, kpak, z_pub), "(the KMS's public side)");
	clean(!mcsec_identity_new(&peer, kms, ids[0], 32), "(the peer)");

	mcsec_master_check_every_rsk(master, 1);
	err = mcsec_master_issue(master, &rng, 1, ids[0], 32, &sets[0]);
	clean(!err, "issuing one key set with every check");
	mcsec_master_check_every_rsk(master, 0);
	struct mcsec_issue_job issue[N];
	struct mcsec_issued first = sets[0];
	for (int i = 0; i < N; i++) {
		ids[i][0] = (uint8_t)i;
		issue[i] = (struct mcsec_issue_job){ids[i], 32, (uint64_t)i + 2, &sets[i], MCSEC_OK};
	}
	err = mcsec_master_issue_batch(master, &rng, issue, N, 1);
	clean(!err, "issuing a batch with its random equation");

	PUBLIC(first.pvt, sizeof first.pvt);
	SECRET(first.ssk, sizeof first.ssk);
	SECRET(first.rsk, sizeof first.rsk);
	err = mcsec_keyset_new(&keys, kms, ids[0], 32, first.ssk, first.pvt, first.rsk);
	clean(!err, "importing a key set");
	err = mcsec_eccsi_sign(keys, &rng, msg, sizeof msg, sig);
	clean(!err, "signing");
	PUBLIC(sig, sizeof sig);
	clean(!mcsec_eccsi_verify(peer, msg, sizeof msg, sig), "(the signature verifies)");

	err = mcsec_sakke_encapsulate_fresh(peer, &rng, 0, ssv, sed);
	clean(!err, "encapsulating a fresh key");
	static uint8_t seds[N][MCSEC_SED_LEN];
	struct mcsec_encap_job encap[N];
	for (int i = 0; i < N; i++)
		encap[i] = (struct mcsec_encap_job){ids[i], 32, ssv, seds[i], MCSEC_OK};
	err = mcsec_sakke_encapsulate_batch(kms, encap, N, 1);
	clean(!err, "encapsulating for a batch");

	PUBLIC(sed, sizeof sed);
	err = mcsec_sakke_decapsulate(keys, sed, sizeof sed, back);
	clean(!err, "decapsulating");
	PUBLIC(back, sizeof back);
	PUBLIC(ssv, sizeof ssv);
	clean(memcmp(back, ssv, sizeof back) == 0, "(the key comes out)");
	sed[MCSEC_SED_LEN - 1] ^= 1;
	err = mcsec_sakke_decapsulate(keys, sed, sizeof sed, back);
	clean(err == MCSEC_E_DECRYPT, "refusing a changed H, with the second try");

	mcsec_keyset_free(keys);
	mcsec_identity_free(peer);
	mcsec_kms_free(kms);
	mcsec_master_free(master);
	clean(1, "giving everything back");
	printf("1..%d\n", number);
	return failed != 0;
}

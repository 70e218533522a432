/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mikey_open.c - the opening of I_MESSAGEs under mutated messages.
 *
 * Invariants: a refusal names a sentence, and an octet of the message or none; what peek refuses does not open; a key
 * comes out only with success; nothing is left in secret memory.
 *
 * With clang's libFuzzer it is a target with a mutator of its own (mikey_mutate.h); with -DFUZZ_MAIN it is a program
 * that runs a bounded number of cases over a corpus and prints TAP. Of those at least a third must reach the signature.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "mcsec/secret.h"
#include "mikey_mutate.h"

#define NOW UINT64_C(3968438400)
#define KMS "kms.mc.example"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static struct mcsec_im_kms kms = {.uri = KMS, .periods = {2592000, 0}, .compat = 15};
static struct mcsec_im_own own[3];
static struct mcsec_im_book book = {.kms = &kms, .n_kms = 1, .own = own, .n_own = 3};
static size_t secret_before;
static struct {
	unsigned long cases, parsed, reached, opened;
} count;

#define MUST(holds)                                                                                                    \
	do {                                                                                                           \
		if (!(holds)) {                                                                                        \
			fprintf(stderr, "fuzz_mikey_open: violated: %s\n", #holds);                                    \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static enum mcsec_err fill(void *ctx, uint8_t *out, size_t n)
{
	uint8_t *next = ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = (*next)++;
	return MCSEC_OK;
}

/* Fixed keys, so that a case that fails once fails again. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const uris[] = {"sip:alice@mc.example", "sip:bob@mc.example", "mdsi.mc.example"};
	uint8_t counter = 1, ksak[MCSEC_KSAK_LEN] = {[31] = 5}, z[MCSEC_ZT_LEN] = {[127] = 77};
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN], uid[MCSEC_UID_LEN];
	struct mcsec_rng rng = {fill, &counter};
	struct mcsec_master *master;
	struct mcsec_issued set;
	struct mcsec_keyset *keys;
	(void)argc, (void)argv;
	MUST(mcsec_master_load(&master, ksak, z) == MCSEC_OK);
	mcsec_master_public(master, kpak, z_pub);
	MUST(mcsec_kms_new(&kms.kms, kpak, z_pub) == MCSEC_OK);
	for (size_t i = 0; i < 3; i++) {
		MUST(mcsec_uid(uris[i], KMS, &kms.periods, 1531, uid) == MCSEC_OK);
		MUST(mcsec_master_issue(master, &rng, i, uid, sizeof uid, &set) == MCSEC_OK);
		MUST(mcsec_keyset_new(&keys, kms.kms, uid, sizeof uid, set.ssk, set.pvt, set.rsk) == MCSEC_OK);
		own[i] = (struct mcsec_im_own){uris[i], KMS, 1531, keys};
	}
	mcsec_master_free(master);
	secret_before = mcsec_secret_in_use();
	return 0;
}

static void refusal_is_well_told(const struct mcsec_fault *fault, size_t size)
{
	MUST(fault->code != MCSEC_OK && fault->clause && fault->detail && fault->detail[0]);
	MUST(fault->offset <= size || fault->offset == MCSEC_NO_OFFSET);
	MUST(mcsec_im_refusal(fault->code)[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcsec_im_expect expect = {.now = NOW};
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	struct mcsec_im_job *job;
	struct mcsec_im *im;
	count.cases++;
	int parses = mcsec_im_peek(data, size, &peek, &fault) == MCSEC_OK;
	if (parses)
		count.parsed++;
	else
		refusal_is_well_told(&fault, size);
	if (mcsec_im_begin(&job, &book, &expect, data, size, &fault)) {
		refusal_is_well_told(&fault, size);
		MUST(job == NULL);
	} else {
		MUST(parses);
		count.reached++;
		mcsec_im_work(job);
		enum mcsec_err err = mcsec_im_finish(job, NULL, NOW, &im, &fault);
		if (err)
			refusal_is_well_told(&fault, size);
		MUST((im != NULL) == (err == MCSEC_OK || err == MCSEC_E_REVOKED));
		MUST(!im || (im->key != NULL) == (err == MCSEC_OK));
		count.opened += err == MCSEC_OK;
		mcsec_im_free(im);
	}
	MUST(mcsec_secret_in_use() == secret_before);
	return 0;
}

/* A third of the mutants are signed again, by Alice: they go on to the decapsulation and the key parameters. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint8_t counter = (uint8_t)seed;
	struct mcsec_rng rng = {fill, &counter};
	size_t n = mikey_mutate(data, size, max_size, seed);
	if (seed % 3 == 0 && n > MCSEC_SIG_LEN) {
		size_t body = n - MCSEC_SIG_LEN;
		MUST(mcsec_eccsi_sign(own[0].keys, &rng, data, body, data + body) == MCSEC_OK);
	}
	return n;
}

#ifdef FUZZ_MAIN
enum { SEEDS = 64 };

static struct {
	uint8_t octets[MCSEC_IM_MAX];
	size_t len;
} seeds[SEEDS];
static size_t n_seeds;

static void read_corpus(const char *dir)
{
	DIR *d = opendir(dir);
	MUST(d != NULL);
	for (struct dirent *e; (e = readdir(d)) != NULL && n_seeds < SEEDS;) {
		char path[1024];
		if (e->d_name[0] == '.' || strncmp(e->d_name, "grown-", 6) == 0)
			continue; /* what the fuzzer grew reaches lines; it need not open */
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		FILE *f = fopen(path, "rb");
		MUST(f != NULL);
		seeds[n_seeds].len = fread(seeds[n_seeds].octets, 1, MCSEC_IM_MAX, f);
		n_seeds += seeds[n_seeds].len > 0;
		fclose(f);
	}
	closedir(d);
}

static int say(int number, int ok, const char *name)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", number, name);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	unsigned long cases = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	static uint8_t buf[MCSEC_IM_MAX];
	int bad = 0;
	if (argc != 3)
		return 2;
	puts("1..3");
	fflush(stdout);
	LLVMFuzzerInitialize(&argc, &argv);
	read_corpus(argv[1]);
	for (size_t i = 0; i < n_seeds; i++)
		LLVMFuzzerTestOneInput(seeds[i].octets, seeds[i].len);
	bad += say(1, n_seeds >= 8 && count.opened == n_seeds, "every_message_of_the_corpus_opens");
	memset(&count, 0, sizeof count);
	for (unsigned long n = 0; n < cases; n++) {
		size_t i = n % n_seeds;
		memcpy(buf, seeds[i].octets, seeds[i].len);
		LLVMFuzzerTestOneInput(buf, LLVMFuzzerCustomMutator(buf, seeds[i].len, sizeof buf, (unsigned)n));
	}
	bad += say(2, count.cases == cases, "no_mutated_message_breaks_an_invariant");
	bad += say(3, 3 * count.reached >= count.cases, "at_least_a_third_of_the_mutants_reach_the_signature_check");
	printf("# %lu cases: %lu parsed, %lu reached the signature, %lu opened\n", count.cases, count.parsed,
	       count.reached, count.opened);
	return bad != 0;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timing_ibc.c - `make timing`: does the time of an operation tell its secrets? (after "dude, is my code constant
 * time", Reparaz, Balasch, Verbauwhede, 2017)
 *
 * Each operation runs many times on inputs of two classes in random order: one secret always, or a new one each time.
 * All inputs are made before the clock runs and lie side by side, whatever their class. Welch's t of the two means is
 * computed over all times and over the fastest half and nine tenths (interrupts lengthen some). |t| above 10 counts as
 * a leak. Two controls show that the statistic sees what there is: a multiplication that is meant for public scalars
 * must be found out, and the same operation on two classes that do not differ must not be.
 *
 *     timing_ibc [SAMPLES]     (4000)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcsec/ibc.h"
#include "mcsec/secret.h"
#include "sec/ibc/engine.h"
#include "sec/ibc/lanes/lanes.h"

enum { INPUTS = 256 };

static struct {
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_identity *peer;
	struct mcsec_keyset *keys;
	uint8_t id[32];
	struct p256_affine point;
} w;

/* One input; what it is depends on the operation. */
struct input {
	int other;           /* class */
	uint8_t secret[128]; /* SSV, random octets, identity or scalar */
	uint8_t sed[MCSEC_SED_LEN];
	struct mcsec_master *master;
};

static struct input input[INPUTS];

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "timing_ibc: %s\n", what);
		exit(2);
	}
}

static void random_octets(void *out, size_t n)
{
	must(!mcsec_rng_system.fill(mcsec_rng_system.ctx, out, n), "no random octets");
}

/* What an operation draws comes from its input. */
static enum mcsec_err input_fill(void *ctx, uint8_t *out, size_t n)
{
	const struct input *in = ctx;
	for (size_t i = 0; i < n; i++)
		out[i] = in->secret[i % 32];
	if (n == 1)
		out[0] = 1; /* the lot that calls for the costly check of one RSK in 64: never */
	return MCSEC_OK;
}

/* ---- Operations ---- */

static int encapsulate(struct input *in)
{
	uint8_t sed[MCSEC_SED_LEN];
	return mcsec_sakke_encapsulate(w.peer, in->secret, sed);
}

static int decapsulate(struct input *in)
{
	uint8_t ssv[MCSEC_SSV_LEN];
	return mcsec_sakke_decapsulate(w.keys, in->sed, sizeof in->sed, ssv);
}

static int sign(struct input *in)
{
	static const uint8_t msg[600];
	const struct mcsec_rng rng = {input_fill, in};
	uint8_t sig[MCSEC_SIG_LEN];
	return mcsec_eccsi_sign(w.keys, &rng, msg, sizeof msg, sig);
}

static int issue(struct input *in)
{
	const struct mcsec_rng rng = {input_fill, in};
	struct mcsec_issued out;
	return mcsec_master_issue(in->master, &rng, 1, in->secret + 32, 32, &out);
}

/* The control: for public scalars. */
static int leaky(struct input *in)
{
	struct n256 k;
	struct p256_point p;
	(void)scalar_load(&k, in->secret);
	p256_mul_public(&p, &k, &w.point);
	return 0;
}

/* ---- Classes ---- */

static void two_classes(void)
{
	uint8_t fixed[128];
	random_octets(fixed, sizeof fixed);
	for (size_t i = 0; i < INPUTS; i++) {
		uint8_t lot;
		random_octets(&lot, 1);
		input[i].other = lot & 1;
		memcpy(input[i].secret, fixed, sizeof fixed);
		if (input[i].other)
			random_octets(input[i].secret, sizeof fixed);
		must(!mcsec_sakke_encapsulate(w.peer, input[i].secret, input[i].sed), "encapsulate");
	}
}

static void free_masters(void)
{
	for (size_t i = 0; i < INPUTS; i++) {
		mcsec_master_free(input[i].master);
		input[i].master = NULL;
	}
}

/*
 * Of a KMS's secrets, KSAK and z: the same or others. Identity and v are new each time in both classes, for the check
 * of what was issued computes with PVT and HS, which are public, in a time that depends on them.
 */
static void one_master_or_many(void)
{
	uint8_t ksak[MCSEC_KSAK_LEN], z[MCSEC_ZT_LEN];
	free_masters();
	two_classes();
	mcsec_master_export(w.master, ksak, z);
	for (size_t i = 0; i < INPUTS; i++) {
		random_octets(input[i].secret, sizeof input[i].secret);
		must(!(input[i].other ? mcsec_master_generate(&input[i].master, &mcsec_rng_system)
				      : mcsec_master_load(&input[i].master, ksak, z)),
		     "master");
	}
	mcsec_wipe(ksak, sizeof ksak);
	mcsec_wipe(z, sizeof z);
}

static void one_class(void)
{
	two_classes();
	for (size_t i = 0; i < INPUTS; i++)
		random_octets(input[i].secret, sizeof input[i].secret);
}

/* For the control: the fixed scalar has one bit. */
static void short_and_long(void)
{
	two_classes();
	for (size_t i = 0; i < INPUTS; i++) {
		if (input[i].other)
			continue;
		memset(input[i].secret, 0, sizeof input[i].secret);
		input[i].secret[31] = 1;
	}
}

/* ---- Statistic ---- */

struct sample {
	double ns;
	int other;
};

static int by_time(const void *a, const void *b)
{
	double x = ((const struct sample *)a)->ns, y = ((const struct sample *)b)->ns;
	return (x > y) - (x < y);
}

/* Welch's t over the n fastest. */
static double welch(const struct sample *s, size_t n)
{
	double count[2] = {0}, mean[2] = {0}, square[2] = {0};
	for (size_t i = 0; i < n; i++) {
		int c = s[i].other;
		double d = s[i].ns - mean[c];
		count[c]++;
		mean[c] += d / count[c];
		square[c] += d * (s[i].ns - mean[c]);
	}
	if (count[0] < 2 || count[1] < 2)
		return 0;
	double error = square[0] / (count[0] - 1) / count[0] + square[1] / (count[1] - 1) / count[1];
	return error > 0 ? (mean[0] - mean[1]) / sqrt(error) : mean[0] == mean[1] ? 0 : 1e9;
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int failures;

static void examine(const char *name, int (*op)(struct input *), void (*classes)(void), size_t samples,
		    int leak_expected)
{
	struct sample *s = calloc(samples, sizeof *s);
	must(s != NULL, "memory");
	double worst = 0;
	for (size_t i = 0; i < samples; i++) {
		if (i % INPUTS == 0)
			classes();
		struct input *in = &input[i % INPUTS];
		double begin = now_ns();
		int bad = op(in);
		s[i] = (struct sample){now_ns() - begin, in->other};
		must(!bad, name);
	}
	qsort(s, samples, sizeof *s, by_time);
	for (size_t n = samples / 2; n <= samples; n = n == samples / 2 ? samples * 9 / 10
						       : n == samples   ? n + 1
									: samples) {
		double t = fabs(welch(s, n));
		worst = t > worst ? t : worst;
	}
	int leak = worst > 10, good = leak == leak_expected;
	printf("%-6s %-44s |t| = %8.2f   median %9.1f us   %s\n", good ? "ok" : "NOT OK", name, worst,
	       s[samples / 2].ns / 1000, leak ? "the classes differ" : "no difference seen");
	fflush(stdout);
	failures += !good;
	free(s);
}

static void set_up(void)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z[MCSEC_ZPUB_LEN];
	struct mcsec_issued set;
	must(!mcsec_master_generate(&w.master, &mcsec_rng_system), "master");
	mcsec_master_public(w.master, kpak, z);
	must(!mcsec_kms_new(&w.kms, kpak, z) && !mcsec_identity_new(&w.peer, w.kms, w.id, sizeof w.id), "KMS");
	must(!mcsec_master_issue(w.master, &mcsec_rng_system, 1, w.id, sizeof w.id, &set) &&
		 !mcsec_keyset_new(&w.keys, w.kms, w.id, sizeof w.id, set.ssk, set.pvt, set.rsk),
	     "key set");
	must(!p256_load(&w.point, set.pvt), "point");
	mcsec_wipe(&set, sizeof set);
}

int main(int argc, char **argv)
{
	size_t samples = argc > 1 ? strtoul(argv[1], NULL, 10) : 4000;
	static const char *const ways[] = {"with lanes", "mulx", "portable"};
	const int lanes = lanes_on;
	must(samples >= 100, "SAMPLES of at least 100");
	for (int way = 0; way < 3; way++) {
		if (way == 0 ? !lanes : !mont_force(ways[way]))
			continue;
		must(lanes_force(way == 0), "lanes");
		set_up();
		printf("-- %s, %zu samples\n", ways[way], samples);
		examine("control: a scalar meant to be public", leaky, short_and_long, samples, 1);
		examine("control: two classes of the same kind", encapsulate, one_class, samples, 0);
		examine("encapsulate: one SSV or many", encapsulate, two_classes, samples, 0);
		examine("decapsulate: one SSV or many", decapsulate, two_classes, samples, 0);
		examine("sign: one nonce or many", sign, two_classes, samples, 0);
		examine("issue: one KSAK and z or many", issue, one_master_or_many, samples, 0);
		free_masters();
		mcsec_keyset_free(w.keys);
		mcsec_identity_free(w.peer);
		mcsec_kms_free(w.kms);
		mcsec_master_free(w.master);
	}
	return failures != 0;
}

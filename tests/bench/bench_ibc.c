/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_ibc.c - libmcsec against other implementations of ECCSI and SAKKE, interleaved in one process on one core.
 *
 *     bench_ibc mcsec_peer.so other.so ...        and PEER=more.so in the environment
 *
 * First all must agree (RSK, encapsulation octet for octet, each other's signatures). Then, operation by operation and
 * round by round, each in turn; the median of the rounds is printed, one JSON object a line:
 *   {"op","impl","peer","sp_asm","consttime","n","median_us","per_s_core","ratio"}, ratio = peer time / our time.
 * Identities are new in every call. Only ratios against a peer with "sp_asm" true count for the targets.
 */
#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bn.h>

#include "peer_api.h"
#include "sec/ibc/field/fp.h"

enum { PEERS = 8, ROUNDS = 9, BATCH = 64, MSG = 600 };

struct side {
	const struct peer_impl *im;
	void *h;
	int sp_asm;
};

static struct side side[PEERS];
static int sides;
static uint8_t msg[MSG], ssk[32], pvt[65], rsk[257], sed[PEER_ENC], sig[BATCH][PEER_SIG], ids[BATCH][32];
static uint8_t own[32] = "the member that is measured", ssv[PEER_SSV] = "a group key";
static uint64_t fresh;

static void must(int ok, const char *who, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_ibc: %s: %s\n", who, what);
		exit(1);
	}
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void new_id(uint8_t id[32])
{
	fresh++;
	for (int i = 0; i < 32; i++)
		id[i] = (uint8_t)(fresh * UINT64_C(0x9e3779b97f4a7c15) >> (i % 8 * 8)) ^ (uint8_t)(i * 29);
	memcpy(id, &fresh, sizeof fresh);
}

/* ---- Operations: one call each, 0 on success ---- */

static int op_encap(struct side *s)
{
	uint8_t id[32], out[PEER_ENC];
	new_id(id);
	return s->im->sakke_encap(s->h, id, 32, ssv, out);
}

static int op_encap_batch(struct side *s)
{
	static uint8_t out[BATCH][PEER_ENC], id[BATCH][32];
	const uint8_t *idp[BATCH];
	uint8_t *outp[BATCH];
	size_t len[BATCH];
	for (int i = 0; i < BATCH; i++) {
		new_id(id[i]);
		idp[i] = id[i];
		outp[i] = out[i];
		len[i] = 32;
	}
	if (s->im->sakke_encap_batch)
		return s->im->sakke_encap_batch(s->h, BATCH, idp, len, ssv, outp);
	for (int i = 0; i < BATCH; i++)
		if (s->im->sakke_encap(s->h, id[i], 32, ssv, out[i]))
			return -1;
	return 0;
}

static int op_decap(struct side *s)
{
	uint8_t out[PEER_SSV];
	return s->im->sakke_decap(s->h, sed, out);
}

static int op_load(struct side *s)
{
	/* their import does not validate: they get it in the same call */
	return s->im->sakke_rsk_load(s->h, own, 32, rsk, 1) ||
	       (s != side && s->im->sakke_rsk_validate(s->h, own, 32, rsk));
}

static int op_issue_rsk(struct side *s)
{
	uint8_t id[32], out[257];
	new_id(id);
	return s->im->sakke_issue(s->h, id, 32, out);
}

static int op_issue_pair(struct side *s)
{
	uint8_t id[32], k[32], t[65];
	new_id(id);
	return s->im->eccsi_issue(s->h, id, 32, k, t);
}

/* Ours with the check of the SSK equation; the others check nothing. */
static int op_issue_set(struct side *s)
{
	uint8_t id[32], out[257], k[32], t[65];
	new_id(id);
	return s->im->sakke_issue(s->h, id, 32, out) || s->im->eccsi_issue(s->h, id, 32, k, t) ||
	       (s == side && s->im->eccsi_validate(s->h, id, 32, k, t));
}

static int op_sign(struct side *s)
{
	uint8_t out[PEER_SIG];
	return s->im->eccsi_sign(s->h, msg, MSG, out);
}

static int op_verify(struct side *s)
{
	uint64_t i = fresh++ % BATCH;
	return s->im->eccsi_verify(s->h, ids[i], 32, msg, MSG, sig[i]);
}

static const struct op {
	const char *name;
	int (*run)(struct side *s);
	int n, consttime; /* results a call; whether ours is constant time in secrets (verify has none) */
} ops[] = {
    {"sakke_encapsulate", op_encap, 1, 1},   {"sakke_encapsulate_batch", op_encap_batch, BATCH, 1},
    {"sakke_decapsulate", op_decap, 1, 1},   {"sakke_load_rsk", op_load, 1, 1},
    {"sakke_issue_rsk", op_issue_rsk, 1, 1}, {"kms_issue_set", op_issue_set, 1, 1},
    {"eccsi_sign", op_sign, 1, 1},           {"eccsi_issue", op_issue_pair, 1, 1},
    {"eccsi_verify", op_verify, 1, 0},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *t, int n)
{
	qsort(t, (size_t)n, sizeof *t, by_value);
	return t[n / 2];
}

static void print(const char *op, const char *impl, const char *peer, int sp_asm, int consttime, int n, double us,
		  double ratio)
{
	printf("{\"op\":\"%s\",\"impl\":\"%s\",\"peer\":\"%s\",\"sp_asm\":%s,\"consttime\":%s,\"n\":%d,"
	       "\"median_us\":%.3f,\"per_s_core\":%.1f,\"ratio\":%.3f}\n",
	       op, impl, peer, sp_asm ? "true" : "false", consttime ? "true" : "false", n, us, 1e6 / us, ratio);
	fflush(stdout);
}

static void measure(const struct op *o)
{
	double t[PEERS][ROUNDS];
	for (int r = 0; r < ROUNDS; r++) {
		for (int k = 0; k < sides; k++) {
			double begin = now_us(), took;
			int calls = 0;
			do {
				must(!o->run(&side[k]), side[k].im->name, o->name);
				calls++;
				took = now_us() - begin;
			} while (took < 10000);
			t[k][r] = took / calls / o->n;
		}
	}
	double us[PEERS];
	for (int k = 0; k < sides; k++)
		us[k] = median(t[k], ROUNDS);
	for (int k = 1; k < sides; k++) {
		print(o->name, side[0].im->name, side[k].im->name, side[k].sp_asm, o->consttime, o->n, us[0],
		      us[k] / us[0]);
		print(o->name, side[k].im->name, side[0].im->name, side[k].sp_asm, 0, o->n, us[k], 1);
	}
}

/* One multiplication modulo p against BN_mod_mul_montgomery. */
static void field_mul(void)
{
	enum { CALLS = 20000 };
	double t[2][ROUNDS];
	uint8_t octets[NUM_OCTETS];
	BN_CTX *ctx = BN_CTX_new();
	BN_MONT_CTX *m = BN_MONT_CTX_new();
	num_store(octets, &FP.m);
	BIGNUM *p = BN_bin2bn(octets, sizeof octets, NULL), *a = BN_dup(p), *b = BN_dup(p);
	must(BN_sub_word(a, 12345) && BN_rshift1(b, b) && BN_MONT_CTX_set(m, p, ctx), "libcrypto", "field_mul");
	struct num x = FP.rr, y = FP.one;
	for (int r = 0; r < ROUNDS; r++) {
		double begin = now_us();
		for (int i = 0; i < CALLS; i++)
			fp_mul(&x, &x, &y);
		t[0][r] = (now_us() - begin) / CALLS;
		begin = now_us();
		for (int i = 0; i < CALLS; i++)
			must(BN_mod_mul_montgomery(a, a, b, m, ctx), "libcrypto", "field_mul");
		t[1][r] = (now_us() - begin) / CALLS;
	}
	double ours = median(t[0], ROUNDS), theirs = median(t[1], ROUNDS);
	print("field_mul", mont->name, "BN_mod_mul_montgomery", 0, 1, 1, ours, theirs / ours);
	BN_free(p);
	BN_free(a);
	BN_free(b);
	BN_MONT_CTX_free(m);
	BN_CTX_free(ctx);
}

static struct peer_setup base;

static void load(const char *path)
{
	void *d = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	must(d && sides < PEERS, path, d ? "too many" : dlerror());
	const struct peer_impl *(*get)(void);
	*(void **)&get = dlsym(d, "peer_get");
	must(get != NULL, path, "no peer_get");
	struct side *s = &side[sides++];
	s->im = get();
	must(s->im != NULL, path, "peer_get: nothing for this machine");
	double begin = now_us();
	s->h = s->im->open(&base);
	must(s->h != NULL, s->im->name, "open");
	s->sp_asm = strstr(s->im->remark, "sp_asm") != NULL || strstr(s->im->name, "sp_asm") != NULL;
	if (sides == 1)
		print("sakke_load_kms", s->im->name, "", 0, 1, 1, now_us() - begin, 0);
}

/* Everyone agrees with everyone on one member, and holds its keys afterwards. */
static void agree(void)
{
	uint8_t out[257], enc[PEER_ENC], back[PEER_SSV];
	struct side *us = &side[0];
	must(!us->im->sakke_issue(us->h, own, 32, rsk) && !us->im->eccsi_issue(us->h, own, 32, ssk, pvt) &&
		 !us->im->sakke_encap(us->h, own, 32, ssv, sed),
	     us->im->name, "issue");
	for (int i = 0; i < BATCH; i++) {
		uint8_t k[32], t[65];
		new_id(ids[i]);
		must(!us->im->eccsi_issue(us->h, ids[i], 32, k, t) && !us->im->eccsi_load(us->h, ids[i], 32, k, t) &&
			 !us->im->eccsi_sign(us->h, msg, MSG, sig[i]),
		     us->im->name, "sign");
	}
	for (int k = 0; k < sides; k++) {
		struct side *s = &side[k];
		must(!s->im->sakke_issue(s->h, own, 32, out) && !memcmp(out, rsk, sizeof rsk), s->im->name,
		     "RSK differs");
		must(!s->im->sakke_encap(s->h, own, 32, ssv, enc) && !memcmp(enc, sed, sizeof sed), s->im->name,
		     "encapsulation differs");
		must(!s->im->sakke_rsk_load(s->h, own, 32, rsk, 1) && !s->im->sakke_decap(s->h, sed, back) &&
			 !memcmp(back, ssv, sizeof ssv),
		     s->im->name, "decapsulation differs");
		for (int i = 0; i < BATCH; i++)
			must(!s->im->eccsi_verify(s->h, ids[i], 32, msg, MSG, sig[i]), s->im->name,
			     "refuses a signature");
		must(!s->im->eccsi_load(s->h, own, 32, ssk, pvt), s->im->name, "refuses a pair");
	}
}

int main(int argc, char **argv)
{
	cpu_set_t core;
	CPU_ZERO(&core);
	CPU_SET(0, &core);
	sched_setaffinity(0, sizeof core, &core);
	/* KSAK = 1: KPAK is the base point of P-256 and needs no arithmetic here */
	static const uint8_t base_point[65] = {
	    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
	    0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
	    0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
	};
	base.ksak[31] = 1;
	memcpy(base.kpak, base_point, sizeof base_point);
	for (int i = 0; i < 128; i++)
		base.z[i] = (uint8_t)(i * 37 + 11);
	base.is_kms = 1;
	for (int i = 1; i < argc; i++)
		load(argv[i]);
	if (getenv("PEER"))
		load(getenv("PEER"));
	must(sides > 1, "usage", "bench_ibc mcsec_peer.so other.so ...");
	agree();
	field_mul();
	int anchored = 0;
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		measure(&ops[i]);
	for (int k = 1; k < sides; k++)
		anchored |= side[k].sp_asm;
	if (!anchored)
		fprintf(stderr, "bench_ibc: no peer with sp_asm: the targets were not measured, only Debian's build\n");
	for (int k = 0; k < sides; k++)
		side[k].im->close(side[k].h);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_ibc.c - libmcsec against other implementations of ECCSI and SAKKE, interleaved in one process on one core.
 *
 *     bench_ibc [--quick] [--op PART] mcsec_peer.so other.so ...        and PEER=more.so in the environment
 *
 * First all must agree (RSK, encapsulation octet for octet, each other's signatures). Then, operation by operation and
 * round by round, each in turn; the median of the rounds is printed, one JSON object a line:
 *   {"op","impl","peer","sp_asm","consttime","n","median_us","per_s_core","ratio"}, ratio = peer time / our time.
 * Identities are new in every call. Only ratios against a peer with "sp_asm" true count for the targets. --quick makes
 * every comparison and every row with one call each: its times mean nothing. Progress goes to standard error.
 */
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { BATCH = 64, MSG = 600 };

static struct bench bench = {.rounds = ROUNDS_MAX, .window_us = 10000};
static uint8_t msg[MSG], ssk[32], pvt[65], rsk[257], sed[PEER_ENC], sig[BATCH][PEER_SIG], ids[BATCH][32];
static uint8_t own[32] = "the member that is measured", ssv[PEER_SSV] = "a group key";
static uint64_t fresh;

void must(int ok, const char *who, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_ibc: %s: %s\n", who, what);
		exit(1);
	}
}

double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

double timed(const struct bench *b, bench_op *op, void *ctx, const char *who, const char *what)
{
	double begin = now_us(), took;
	int calls = 0;
	do {
		must(!op(ctx), who, what);
		calls++;
		took = now_us() - begin;
	} while (took < b->window_us);
	return took / calls;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(double *t, int n)
{
	qsort(t, (size_t)n, sizeof *t, by_value);
	return t[n / 2];
}

int wanted(const struct bench *b, const char *op)
{
	int yes = !b->only || strstr(op, b->only);
	if (yes)
		fprintf(stderr, "bench_ibc: %s\n", op);
	return yes;
}

void row(const char *op, const char *impl, const char *peer, int sp_asm, int consttime, int n, double us, double ratio)
{
	printf("{\"op\":\"%s\",\"impl\":\"%s\",\"peer\":\"%s\",\"sp_asm\":%s,\"consttime\":%s,\"n\":%d,"
	       "\"median_us\":%.3f,\"per_s_core\":%.1f,\"ratio\":%.3f}\n",
	       op, impl, peer, sp_asm ? "true" : "false", consttime ? "true" : "false", n, us, 1e6 / us, ratio);
	fflush(stdout);
}

static void new_id(uint8_t id[32])
{
	fresh++;
	for (int i = 0; i < 32; i++)
		id[i] = (uint8_t)(fresh * UINT64_C(0x9e3779b97f4a7c15) >> (i % 8 * 8)) ^ (uint8_t)(i * 29);
	memcpy(id, &fresh, sizeof fresh);
}

/* ---- Operations: one call each, 0 on success ---- */

static int op_encap(void *ctx)
{
	struct side *s = ctx;
	uint8_t id[32], out[PEER_ENC];
	new_id(id);
	return s->im->sakke_encap(s->h, id, 32, ssv, out);
}

static int op_encap_batch(void *ctx)
{
	struct side *s = ctx;
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

static int op_decap(void *ctx)
{
	struct side *s = ctx;
	uint8_t out[PEER_SSV];
	return s->im->sakke_decap(s->h, sed, out);
}

static int op_load(void *ctx)
{
	struct side *s = ctx;
	/* their import does not validate: they get it in the same call */
	return s->im->sakke_rsk_load(s->h, own, 32, rsk, 1) ||
	       (s != bench.side && s->im->sakke_rsk_validate(s->h, own, 32, rsk));
}

static int op_issue_rsk(void *ctx)
{
	struct side *s = ctx;
	uint8_t id[32], out[257];
	new_id(id);
	return s->im->sakke_issue(s->h, id, 32, out);
}

static int op_issue_pair(void *ctx)
{
	struct side *s = ctx;
	uint8_t id[32], k[32], t[65];
	new_id(id);
	return s->im->eccsi_issue(s->h, id, 32, k, t);
}

/* Ours with the check of the SSK equation; the others check nothing. */
static int op_issue_set(void *ctx)
{
	struct side *s = ctx;
	uint8_t id[32], out[257], k[32], t[65];
	new_id(id);
	return s->im->sakke_issue(s->h, id, 32, out) || s->im->eccsi_issue(s->h, id, 32, k, t) ||
	       (s == bench.side && s->im->eccsi_validate(s->h, id, 32, k, t));
}

static int op_sign(void *ctx)
{
	struct side *s = ctx;
	uint8_t out[PEER_SIG];
	return s->im->eccsi_sign(s->h, msg, MSG, out);
}

static int op_verify(void *ctx)
{
	struct side *s = ctx;
	uint64_t i = fresh++ % BATCH;
	return s->im->eccsi_verify(s->h, ids[i], 32, msg, MSG, sig[i]);
}

/* A KMS's public keys with whatever an implementation prepares for them. */
static int op_load_kms(void *ctx)
{
	struct side *s = ctx;
	struct peer_setup client = bench.base;
	client.is_kms = 0;
	void *h = s->im->open(&client);
	if (!h)
		return -1;
	s->im->close(h);
	return 0;
}

/* The operations that a message is made of. */
static int op_encap_and_sign(void *ctx)
{
	return op_encap(ctx) || op_sign(ctx);
}

static int op_verify_and_decap(void *ctx)
{
	return op_verify(ctx) || op_decap(ctx);
}

static int op_issue_many(void *ctx)
{
	for (int i = 0; i < BATCH; i++)
		if (op_issue_set(ctx))
			return -1;
	return 0;
}

static struct own whole;

static const struct op {
	const char *name;
	bench_op *run;
	int n, consttime;  /* results a call; whether ours is constant time in secrets (verify has none) */
	bench_op **ours;   /* of `whole`: ours is a whole, a peer's time the sum of its parts */
	const char *parts; /* said in the row */
} ops[] = {
    {"sakke_load_kms", op_load_kms, 1, 1, NULL, ""},
    {"sakke_encapsulate", op_encap, 1, 1, NULL, ""},
    {"sakke_encapsulate_batch", op_encap_batch, BATCH, 1, NULL, ""},
    {"sakke_decapsulate", op_decap, 1, 1, NULL, ""},
    {"sakke_load_rsk", op_load, 1, 1, NULL, ""},
    {"sakke_issue_rsk", op_issue_rsk, 1, 1, NULL, ""},
    {"kms_issue_set", op_issue_set, 1, 1, NULL, ""},
    {"kms_issue_batch", op_issue_many, BATCH, 1, &whole.issue_batch, ", RSK and pair one by one, unchecked"},
    {"eccsi_sign", op_sign, 1, 1, NULL, ""},
    {"eccsi_issue", op_issue_pair, 1, 1, NULL, ""},
    {"eccsi_verify", op_verify, 1, 0, NULL, ""},
    {"imessage_create", op_encap_and_sign, 1, 1, &whole.create, ", sum of encapsulate and sign"},
    {"imessage_open", op_verify_and_decap, 1, 1, &whole.open, ", sum of verify and decapsulate"},
};

static void measure(const struct op *o)
{
	double t[PEERS][ROUNDS_MAX], us[PEERS];
	char peer[160];
	struct side *side = bench.side;
	for (int r = 0; r < bench.rounds; r++) {
		for (int k = 0; k < bench.sides; k++) {
			bench_op *run = o->ours && !k ? *o->ours : o->run;
			void *ctx = o->ours && !k ? whole.ctx : &side[k];
			t[k][r] = timed(&bench, run, ctx, side[k].im->name, o->name) / o->n;
		}
	}
	for (int k = 0; k < bench.sides; k++)
		us[k] = median(t[k], bench.rounds);
	for (int k = 1; k < bench.sides; k++) {
		snprintf(peer, sizeof peer, "%s%s", side[k].im->name, o->parts);
		row(o->name, side[0].im->name, peer, side[k].sp_asm, o->consttime, o->n, us[0], us[k] / us[0]);
		row(o->name, peer, side[0].im->name, side[k].sp_asm, 0, o->n, us[k], 1);
	}
}

static void load(const char *path)
{
	void *d = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	must(d && bench.sides < PEERS, path, d ? "too many" : dlerror());
	const struct peer_impl *(*get)(void);
	*(void **)&get = dlsym(d, "peer_get");
	must(get != NULL, path, "no peer_get");
	struct side *s = &bench.side[bench.sides++];
	s->im = get();
	must(s->im != NULL, path, "peer_get: nothing for this machine");
	s->h = s->im->open(&bench.base);
	must(s->h != NULL, s->im->name, "open");
	s->sp_asm = strstr(s->im->remark, "sp_asm") != NULL || strstr(s->im->name, "sp_asm") != NULL;
}

/* Everyone agrees with everyone on one member, and holds its keys afterwards. */
static void agree(void)
{
	uint8_t out[257], enc[PEER_ENC], back[PEER_SSV];
	struct side *us = &bench.side[0];
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
	for (int k = 0; k < bench.sides; k++) {
		struct side *s = &bench.side[k];
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

/* KSAK = 1: KPAK is the base point of P-256 and needs no arithmetic here. */
static void set_base(struct peer_setup *base)
{
	static const uint8_t base_point[65] = {
	    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
	    0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
	    0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
	};
	base->ksak[31] = 1;
	memcpy(base->kpak, base_point, sizeof base_point);
	for (int i = 0; i < 128; i++)
		base->z[i] = (uint8_t)(i * 37 + 11);
	base->is_kms = 1;
}

int main(int argc, char **argv)
{
	cpu_set_t core, allowed;
	sched_getaffinity(0, sizeof allowed, &allowed);
	CPU_ZERO(&core);
	CPU_SET(0, &core);
	sched_setaffinity(0, sizeof core, &core);
	set_base(&bench.base);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			bench.rounds = 1;
			bench.window_us = 0;
		} else if (!strcmp(argv[i], "--op") && i + 1 < argc) {
			bench.only = argv[++i];
		} else {
			load(argv[i]);
		}
	}
	const char *peer = getenv("PEER");
	if (peer && *peer)
		load(peer);
	must(bench.sides > 1, "usage", "bench_ibc [--quick] [--op PART] mcsec_peer.so other.so ...");
	fprintf(stderr, "bench_ibc: everyone against everyone\n");
	agree();
	whole = own_new(&bench);
	bench_field_mul(&bench);
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (wanted(&bench, ops[i].name))
			measure(&ops[i]);
	bench_threads(&bench, &allowed, &whole);
	int anchored = 0;
	for (int k = 1; k < bench.sides; k++)
		anchored |= bench.side[k].sp_asm;
	if (!anchored)
		fprintf(stderr, "bench_ibc: no peer with sp_asm (PEER=...): the targets were not measured, only %s\n",
			bench.side[1].im->name);
	own_free(&whole);
	for (int k = 0; k < bench.sides; k++)
		bench.side[k].im->close(bench.side[k].h);
	return 0;
}

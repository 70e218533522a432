/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_own.c - rows for which peer_api.h has no function: the field multiplication, whole MIKEY-SAKKE messages,
 * batches of key sets with their random equation, and two threads against one.
 *
 * A peer has no messages: its time is the sum of the operations that a message is made of (encapsulate and sign; verify
 * and decapsulate), and the row says so. That is the least a peer could take. Likewise a batch of key sets: RSK and
 * pair.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>

#include "bench.h"
#include "mcsec/mikey.h"
#include "mcsec/secret.h"
#include "sec/ibc/field/fp.h"

enum { SENDERS = 64, MANY = 256, BATCH = 64 };
#define AT      UINT64_C(3968438400)
#define THE_KMS "kms.bench.example"

/* ---- One multiplication modulo p ---- */

void bench_field_mul(const struct bench *b)
{
	enum { CALLS = 20000 };
	double t[2][ROUNDS_MAX];
	uint8_t octets[NUM_OCTETS];
	if (!wanted(b, "field_mul"))
		return;
	BN_CTX *ctx = BN_CTX_new();
	BN_MONT_CTX *m = BN_MONT_CTX_new();
	num_store(octets, &FP.m);
	BIGNUM *p = BN_bin2bn(octets, sizeof octets, NULL), *x = BN_dup(p), *y = BN_dup(p);
	must(BN_sub_word(x, 12345) && BN_rshift1(y, y) && BN_MONT_CTX_set(m, p, ctx), "libcrypto", "field_mul");
	struct num a = FP.rr, c = FP.one;
	for (int r = 0; r < b->rounds; r++) {
		double begin = now_us();
		for (int i = 0; i < CALLS; i++)
			fp_mul(&a, &a, &c);
		t[0][r] = (now_us() - begin) / CALLS;
		begin = now_us();
		for (int i = 0; i < CALLS; i++)
			must(BN_mod_mul_montgomery(x, x, y, m, ctx), "libcrypto", "field_mul");
		t[1][r] = (now_us() - begin) / CALLS;
	}
	double ours = median(t[0], b->rounds), theirs = median(t[1], b->rounds);
	row("field_mul", mont->name, "BN_mod_mul_montgomery", 0, 1, 1, ours, theirs / ours);
	BN_free(p);
	BN_free(x);
	BN_free(y);
	BN_MONT_CTX_free(m);
	BN_CTX_free(ctx);
}

/* ---- A KMS of our own, and messages ---- */

struct world {
	struct mcsec_master *master;
	struct mcsec_kms *kms;
	struct mcsec_im_kms im_kms;
	struct mcsec_im_own own[SENDERS], receiver;
	char uri[SENDERS][40], to[40];
	uint8_t message[SENDERS][MCSEC_IM_MAX];
	size_t len[SENDERS], senders, next;
	unsigned threads;
	size_t sets; /* of one batch of key sets: BATCH against a peer, MANY with threads */
	uint64_t fresh;
};

static const char *const domains[] = {"bench.example"};
static const uint8_t the_key[MCSEC_KEY_LEN] = "carried in here";

static void join(struct world *w, struct mcsec_im_own *own, const char *uri)
{
	uint8_t uid[MCSEC_UID_LEN];
	uint64_t period;
	struct mcsec_issued set;
	struct mcsec_keyset *keys;
	must(!mcsec_period_number(&w->im_kms.periods, AT, &period) &&
		 !mcsec_uid(uri, THE_KMS, &w->im_kms.periods, period, uid) &&
		 !mcsec_master_issue(w->master, &mcsec_rng_system, w->fresh++, uid, sizeof uid, &set) &&
		 !mcsec_keyset_new(&keys, w->kms, uid, sizeof uid, set.ssk, set.pvt, set.rsk),
	     "mcsec", "a member joins");
	*own = (struct mcsec_im_own){uri, THE_KMS, period, keys};
}

static struct world *world_new(const struct bench *b)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z[MCSEC_ZPUB_LEN];
	struct world *w = calloc(1, sizeof *w);
	must(w && !mcsec_master_load(&w->master, b->base.ksak, b->base.z), "mcsec", "master");
	mcsec_master_public(w->master, kpak, z);
	must(!mcsec_kms_new(&w->kms, kpak, z), "mcsec", "KMS");
	w->im_kms = (struct mcsec_im_kms){
	    .uri = THE_KMS, .kms = w->kms, .periods = {2592000, 0}, .domains = domains, .n_domains = 1};
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < w->senders; i++)
		mcsec_keyset_free((struct mcsec_keyset *)w->own[i].keys);
	mcsec_keyset_free((struct mcsec_keyset *)w->receiver.keys);
	mcsec_kms_free(w->kms);
	mcsec_master_free(w->master);
	free(w);
}

static enum mcsec_err make(struct world *w, size_t sender, const char *to, uint8_t *out, size_t *len)
{
	const struct mcsec_im_book book = {&w->im_kms, 1, &w->own[sender], 1, NULL};
	const struct mcsec_im_make what = {.kind = MCSEC_PCK,
					   .k_id = UINT32_C(0x1a1b2c3d),
					   .key = the_key,
					   .time = AT,
					   .initiator = w->uri[sender],
					   .initiator_kms = THE_KMS,
					   .responder = to,
					   .responder_kms = THE_KMS};
	return mcsec_im_make(&book, &what, &mcsec_rng_system, out, MCSEC_IM_MAX, len);
}

/* To someone new each time. */
static int op_create(void *ctx)
{
	struct world *w = ctx;
	static uint8_t out[MCSEC_IM_MAX];
	char to[40];
	size_t len;
	snprintf(to, sizeof to, "sip:new%llu@bench.example", (unsigned long long)w->fresh++);
	return make(w, 0, to, out, &len) != MCSEC_OK;
}

/* From another sender each time. */
static int op_open(void *ctx)
{
	struct world *w = ctx;
	const struct mcsec_im_book book = {&w->im_kms, 1, &w->receiver, 1, NULL};
	const struct mcsec_im_expect expect = {.now = AT};
	size_t i = w->next++ % w->senders;
	struct mcsec_im *im;
	struct mcsec_fault fault;
	if (mcsec_im_open(&book, &expect, w->message[i], w->len[i], &im, &fault))
		return -1;
	int bad = memcmp(im->key, the_key, sizeof the_key) != 0;
	mcsec_im_free(im);
	return bad;
}

static void prepare_messages(struct world *w, size_t senders)
{
	snprintf(w->to, sizeof w->to, "sip:receiver@bench.example");
	join(w, &w->receiver, w->to);
	for (; w->senders < senders; w->senders++) {
		size_t i = w->senders;
		snprintf(w->uri[i], sizeof w->uri[i], "sip:sender%zu@bench.example", i);
		join(w, &w->own[i], w->uri[i]);
		must(!make(w, i, w->to, w->message[i], &w->len[i]), "mcsec", "a message");
	}
}

/* ---- Batches ---- */

static int op_issue_batch(void *ctx)
{
	static struct mcsec_issued set[MANY];
	static uint8_t id[MANY][32];
	struct world *w = ctx;
	struct mcsec_issue_job job[MANY];
	for (size_t i = 0; i < w->sets; i++) {
		w->fresh++;
		memcpy(id[i], &w->fresh, sizeof w->fresh);
		job[i] = (struct mcsec_issue_job){id[i], 32, w->fresh, &set[i], MCSEC_OK};
	}
	enum mcsec_err err = mcsec_master_issue_batch(w->master, &mcsec_rng_system, job, w->sets, w->threads);
	mcsec_wipe(set, sizeof set);
	return err != MCSEC_OK;
}

static int op_encap_batch(void *ctx)
{
	static uint8_t id[MANY][32], sed[MANY][MCSEC_SED_LEN];
	struct world *w = ctx;
	struct mcsec_encap_job job[MANY];
	for (size_t i = 0; i < MANY; i++) {
		w->fresh++;
		memcpy(id[i], &w->fresh, sizeof w->fresh);
		job[i] = (struct mcsec_encap_job){id[i], 32, the_key, sed[i], MCSEC_OK};
	}
	return mcsec_sakke_encapsulate_batch(w->kms, job, MANY, w->threads) != MCSEC_OK;
}

/* ---- What bench_ibc.c runs ---- */

struct own own_new(const struct bench *b)
{
	struct world *w = world_new(b);
	prepare_messages(w, b->window_us > 0 ? SENDERS : 2);
	w->threads = 1;
	w->sets = BATCH;
	return (struct own){w, op_create, op_open, op_issue_batch};
}

void own_free(struct own *own)
{
	world_free(own->ctx);
}

/* ---- Two threads against one ---- */

static int topology(size_t cpu, const char *what, char *out, size_t size)
{
	char path[96];
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/%s", cpu, what);
	FILE *f = fopen(path, "r");
	int ok = f && fgets(out, (int)size, f);
	if (f)
		fclose(f);
	if (ok)
		out[strcspn(out, "\n")] = 0;
	return ok;
}

/* Two processors on different physical cores, as far as the machine says; prints the lists of siblings. */
static int two_cores(cpu_set_t *set, const cpu_set_t *allowed)
{
	char first[64] = "", siblings[64];
	int found = 0;
	CPU_ZERO(set);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed) || !topology(cpu, "thread_siblings_list", siblings, sizeof siblings))
			continue;
		fprintf(stderr, "bench_ibc: processor %zu: siblings %s\n", cpu, siblings);
		if (found < 2 && strcmp(siblings, first) != 0) {
			CPU_SET(cpu, set);
			strcpy(first, siblings);
			found++;
		}
	}
	return found == 2;
}

void bench_threads(const struct bench *b, const cpu_set_t *allowed, struct own *own)
{
	static const struct {
		const char *op;
		bench_op *run;
		int n;
	} ops[] = {{"sakke_encapsulate_batch", op_encap_batch, MANY}, {"kms_issue_batch", op_issue_batch, MANY}};
	struct world *w = own->ctx;
	cpu_set_t cores, one;
	if (!wanted(b, "sakke_encapsulate_batch kms_issue_batch, two threads"))
		return;
	if (!two_cores(&cores, allowed)) {
		fprintf(stderr, "bench_ibc: no two physical cores: two threads were not measured\n");
		return;
	}
	sched_getaffinity(0, sizeof one, &one);
	sched_setaffinity(0, sizeof cores, &cores);
	w->sets = MANY;
	for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
		double t[2][ROUNDS_MAX];
		for (int r = 0; r < b->rounds; r++)
			for (unsigned threads = 1; threads <= 2; threads++) {
				w->threads = threads;
				t[threads - 1][r] = timed(b, ops[o].run, w, "mcsec", ops[o].op) / ops[o].n;
			}
		double alone = median(t[0], b->rounds), both = median(t[1], b->rounds);
		row(ops[o].op, "mcsec, 2 threads", "mcsec, 1 thread", 0, 1, ops[o].n, both, alone / both);
	}
	w->threads = 1;
	w->sets = BATCH;
	sched_setaffinity(0, sizeof one, &one);
}

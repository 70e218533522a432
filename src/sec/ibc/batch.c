/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - many receivers or many identities at once; see mcsec/ibc.h.
 *
 * Jobs go in blocks of eight: as many as share their inversions and fill the lanes. Threads take blocks from a common
 * counter; there is no other state between them. A job that fails does not hinder the others.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

enum { MAX_THREADS = 64, CHECK_TOGETHER = 64 };

struct crew {
	atomic_size_t next;
	size_t blocks;
	void (*work)(void *ctx, size_t block);
	void *ctx;
};

static void *crew_member(void *arg)
{
	struct crew *c = arg;
	size_t block;
	while ((block = atomic_fetch_add(&c->next, 1)) < c->blocks)
		c->work(c->ctx, block);
	burn_stack();
	return NULL;
}

/* Fewer threads than asked for are no error: the caller's own does what is left. */
static void run(void (*work)(void *ctx, size_t block), void *ctx, size_t blocks, unsigned threads)
{
	struct crew c = {.blocks = blocks, .work = work, .ctx = ctx};
	pthread_t others[MAX_THREADS];
	unsigned started = 0;
	atomic_init(&c.next, 0);
	while (started + 1 < threads && started < MAX_THREADS && started + 1 < blocks) {
		if (pthread_create(&others[started], NULL, crew_member, &c))
			break;
		started++;
	}
	crew_member(&c);
	while (started)
		pthread_join(others[--started], NULL);
}

static size_t blocks_of(size_t n)
{
	return (n + SAKKE_BLOCK - 1) / SAKKE_BLOCK;
}

/* ---- Encapsulation ---- */

struct encap_batch {
	struct mcsec_kms *kms;
	struct mcsec_encap_job *jobs;
	size_t n;
};

static void encap_block(void *ctx, size_t block)
{
	struct encap_batch *b = ctx;
	struct ident ids[SAKKE_BLOCK];
	struct encapsulation todo[SAKKE_BLOCK];
	struct mcsec_encap_job *at = b->jobs + block * SAKKE_BLOCK;
	size_t here = b->n - block * SAKKE_BLOCK < SAKKE_BLOCK ? b->n - block * SAKKE_BLOCK : SAKKE_BLOCK, n = 0;
	int short_gr;
	for (size_t i = 0; i < here; i++) {
		at[i].err = ident_set(&ids[i], at[i].id, at[i].id_len);
		if (!at[i].err)
			todo[n++] = (struct encapsulation){&ids[i], at[i].ssv, at[i].sed};
	}
	if (!n)
		return;
	enum mcsec_err err = sakke_encapsulate_block(b->kms, todo, n, &short_gr);
	/* one receiver without an RSK (b = -z) spoils its block: then one by one, to tell which */
	for (size_t i = 0, k = 0; err && i < here; i++)
		if (!at[i].err)
			at[i].err = sakke_encapsulate_block(b->kms, &todo[k++], 1, &short_gr);
}

enum mcsec_err mcsec_sakke_encapsulate_batch(struct mcsec_kms *kms, struct mcsec_encap_job *jobs, size_t n,
					     unsigned threads)
{
	struct encap_batch b = {kms, jobs, n};
	run(encap_block, &b, blocks_of(n), threads);
	for (size_t i = 0; i < n; i++)
		if (jobs[i].err)
			return jobs[i].err;
	return MCSEC_OK;
}

/* ---- Issuing ---- */

struct issue_batch {
	const struct mcsec_master *master;
	const struct mcsec_rng *rng;
	struct mcsec_issue_job *jobs;
	size_t n, together; /* how many stand under one equation */
};

static void issue_block(void *ctx, size_t block)
{
	struct issue_batch *b = ctx;
	struct ident ids[SAKKE_BLOCK];
	const struct ident *todo[SAKKE_BLOCK];
	struct mcsec_issue_job *at = b->jobs + block * SAKKE_BLOCK, *of[SAKKE_BLOCK];
	size_t here = b->n - block * SAKKE_BLOCK < SAKKE_BLOCK ? b->n - block * SAKKE_BLOCK : SAKKE_BLOCK, n = 0;
	struct point *rsk = mcsec_secret_alloc(SAKKE_BLOCK * sizeof *rsk);
	for (size_t i = 0; i < here; i++) {
		memset(at[i].out, 0, sizeof *at[i].out);
		at[i].err = rsk ? ident_set(&ids[i], at[i].id, at[i].id_len) : MCSEC_E_MEMORY;
		if (!at[i].err) {
			of[n] = &at[i];
			todo[n++] = &ids[i];
		}
	}
	enum mcsec_err err = n ? sakke_issue_rsk(b->master, todo, rsk, n) : MCSEC_OK;
	for (size_t i = 0; i < n; i++) {
		of[i]->err = err ? sakke_issue_rsk(b->master, &todo[i], &rsk[i], 1) : MCSEC_OK;
		if (!of[i]->err)
			of[i]->err =
			    master_finish(b->master, b->rng, of[i]->issue_counter, todo[i], &rsk[i], of[i]->out);
	}
	mcsec_secret_free(rsk);
}

/* So many sets under one equation; where it fails, each by its own. */
static void check_block(void *ctx, size_t block)
{
	struct issue_batch *b = ctx;
	struct mcsec_issue_job *at = b->jobs + block * b->together, good[CHECK_TOGETHER];
	size_t left = b->n - block * b->together, here = left < b->together ? left : b->together, n = 0;
	for (size_t i = 0; i < here; i++)
		if (!at[i].err)
			good[n++] = at[i];
	enum mcsec_err err = n ? master_batch_holds(b->master, b->rng, good, n) : MCSEC_OK;
	for (size_t i = 0; err && i < here; i++) {
		struct ident id;
		struct point rsk;
		if (at[i].err)
			continue;
		if (err != MCSEC_E_SELF_TEST)
			at[i].err = err; /* no memory, no random octets: not checked is not handed out */
		else if (ident_set(&id, at[i].id, at[i].id_len) || point_load(&rsk, at[i].out->rsk) ||
			 !master_rsk_holds(b->master, &id, &rsk))
			at[i].err = MCSEC_E_SELF_TEST;
		if (at[i].err)
			mcsec_wipe(at[i].out, sizeof *at[i].out);
	}
	burn_stack();
}

enum mcsec_err mcsec_master_issue_batch(const struct mcsec_master *master, const struct mcsec_rng *rng,
					struct mcsec_issue_job *jobs, size_t n, unsigned threads)
{
	enum { WORTH_ONE_EQUATION = 16 };
	struct issue_batch b = {master, rng, jobs, n, CHECK_TOGETHER};
	run(issue_block, &b, blocks_of(n), threads);
	/* a small batch is shared out, so that no thread stands by while one works on the only equation */
	if (threads > 1 && n < threads * (size_t)CHECK_TOGETHER)
		b.together = (n + threads - 1) / threads;
	if (b.together < WORTH_ONE_EQUATION)
		b.together = WORTH_ONE_EQUATION;
	if (n >= WORTH_ONE_EQUATION && !master->check_every_rsk)
		run(check_block, &b, (n + b.together - 1) / b.together, threads);
	for (size_t i = 0; i < n; i++)
		if (jobs[i].err)
			return jobs[i].err;
	return MCSEC_OK;
}

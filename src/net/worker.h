/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - a bounded pool of threads for costly work (pairings, signatures, database writes), so that a loop never
 * waits for it.
 *
 * A job runs on any thread and then, through `post`, its result is delivered on the caller's own loop. A full queue
 * refuses at once: the caller answers 503 with Retry-After, and keeps no state.
 */
#ifndef MCX_NET_WORKER_H
#define MCX_NET_WORKER_H

#include <stddef.h>

struct worker_pool;

/* How a result gets home; sip_loop_post has this shape. 0, or -1 when it could not be queued. */
typedef int worker_post(void *loop, void (*fn)(void *arg), void *arg);

struct worker_job {
	void (*run)(void *arg, void *thread_state); /* on a pool thread */
	void (*done)(void *arg);                    /* on the caller's loop */
	void *arg;
};

struct worker_options {
	unsigned threads;
	size_t max_queue; /* jobs waiting, not counting those that run */
	worker_post *post;
	void *loop;
	/* One state a thread, such as a database connection; may be NULL. */
	void *(*thread_begin)(void *ctx);
	void (*thread_end)(void *state);
	void *ctx;
};

struct worker_pool *worker_pool_new(const struct worker_options *o);
/* 0, or -1: the queue is full (or the pool is stopping); nothing of the job will run. Thread-safe. */
int worker_submit(struct worker_pool *w, const struct worker_job *job);
size_t worker_queued(struct worker_pool *w);
/* Queued jobs still run and their results are posted; returns when all threads have ended. */
void worker_pool_free(struct worker_pool *w);

#endif

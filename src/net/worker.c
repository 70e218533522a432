/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the bounded pool: a ring of jobs under one mutex, a condition, and threads that take from it in order.
 *
 * Invariants: at most max_queue jobs wait; a job accepted is run and its result posted, also while the pool stops; when
 * the post fails for want of memory it is tried again until it succeeds, because a lost result would hold a transaction
 * for ever.
 */
#include "net/worker.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/crew.h"

struct worker_pool {
	struct worker_options o;
	struct crew crew;
	struct worker_job *ring;
	size_t first, n;
};

static int take(struct worker_pool *w, struct worker_job *job)
{
	pthread_mutex_lock(&w->crew.lock);
	while (w->n == 0 && !w->crew.stopping)
		pthread_cond_wait(&w->crew.more, &w->crew.lock);
	int got = w->n > 0;
	if (got) {
		*job = w->ring[w->first];
		w->first = (w->first + 1) % w->o.max_queue;
		w->n--;
	}
	pthread_mutex_unlock(&w->crew.lock);
	return got;
}

static void *thread_main(void *arg)
{
	struct worker_pool *w = arg;
	void *state = w->o.thread_begin ? w->o.thread_begin(w->o.ctx) : NULL;
	struct worker_job job;
	while (take(w, &job)) {
		job.run(job.arg, state);
		while (w->o.post(w->o.loop, job.done, job.arg) != 0)
			usleep(1000);
		sched_yield(); /* the loop before the next job, also where priorities would let us go on */
	}
	if (w->o.thread_end)
		w->o.thread_end(state);
	return NULL;
}

struct worker_pool *worker_pool_new(const struct worker_options *o)
{
	if (o->threads == 0 || o->max_queue == 0 || !o->post)
		return NULL;
	struct worker_pool *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->o = *o;
	w->ring = calloc(o->max_queue, sizeof *w->ring);
	if (!w->ring) {
		free(w);
		return NULL;
	}
	/* Signals are for the main thread. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = crew_start(&w->crew, o->threads, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		worker_pool_free(w);
		return NULL;
	}
	return w;
}

int worker_submit(struct worker_pool *w, const struct worker_job *job)
{
	pthread_mutex_lock(&w->crew.lock);
	int ok = !w->crew.stopping && w->n < w->o.max_queue;
	if (ok) {
		w->ring[(w->first + w->n) % w->o.max_queue] = *job;
		w->n++;
		pthread_cond_signal(&w->crew.more);
	}
	pthread_mutex_unlock(&w->crew.lock);
	return ok ? 0 : -1;
}

size_t worker_queued(struct worker_pool *w)
{
	pthread_mutex_lock(&w->crew.lock);
	size_t n = w->n;
	pthread_mutex_unlock(&w->crew.lock);
	return n;
}

void worker_pool_free(struct worker_pool *w)
{
	if (!w)
		return;
	crew_stop(&w->crew);
	free(w->ring);
	free(w);
}

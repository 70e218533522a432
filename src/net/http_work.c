/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_work.c - a first-in first-out queue and the threads that empty it; see http_work.h.
 */
#include "net/http_work.h"

#include <pthread.h>
#include <stdlib.h>

struct http_work {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct http_job *first, **last;
	int stopping;
	unsigned n_threads;
	pthread_t threads[];
};

static void *work(void *arg)
{
	struct http_work *w = arg;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->first && !w->stopping)
			pthread_cond_wait(&w->more, &w->lock);
		struct http_job *job = w->first;
		if (!job)
			break;
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct http_work *http_work_start(unsigned threads)
{
	threads = threads ? threads : 1;
	struct http_work *w = calloc(1, sizeof *w + threads * sizeof w->threads[0]);
	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	w->last = &w->first;
	for (; w->n_threads < threads; w->n_threads++)
		if (pthread_create(&w->threads[w->n_threads], NULL, work, w)) {
			http_work_stop(w);
			return NULL;
		}
	return w;
}

void http_work_put(struct http_work *w, struct http_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->last = job;
	w->last = &job->next;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void http_work_stop(struct http_work *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = 1;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

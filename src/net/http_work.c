/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_work.c - a first-in first-out queue and the threads that empty it; see http_work.h.
 */
#include "net/http_work.h"

#include <stdlib.h>

#include "net/crew.h"

struct http_work {
	struct crew crew;
	struct http_job *first, **last;
};

static void *work(void *arg)
{
	struct http_work *w = arg;
	pthread_mutex_lock(&w->crew.lock);
	for (;;) {
		while (!w->first && !w->crew.stopping)
			pthread_cond_wait(&w->crew.more, &w->crew.lock);
		struct http_job *job = w->first;
		if (!job)
			break;
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
		pthread_mutex_unlock(&w->crew.lock);
		job->run(job);
		pthread_mutex_lock(&w->crew.lock);
	}
	pthread_mutex_unlock(&w->crew.lock);
	return NULL;
}

struct http_work *http_work_start(unsigned threads)
{
	struct http_work *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->last = &w->first;
	if (crew_start(&w->crew, threads ? threads : 1, work, w)) {
		http_work_stop(w);
		return NULL;
	}
	return w;
}

void http_work_put(struct http_work *w, struct http_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&w->crew.lock);
	*w->last = job;
	w->last = &job->next;
	pthread_cond_signal(&w->crew.more);
	pthread_mutex_unlock(&w->crew.lock);
}

void http_work_stop(struct http_work *w)
{
	if (!w)
		return;
	crew_stop(&w->crew);
	free(w);
}

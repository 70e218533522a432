/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commits.c - see commits.h. A list under a mutex, and a thread that takes what is there; what comes while it commits
 * is the next group, so that groups grow with the load and one change alone waits for nobody.
 */
#include "server/commits.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/log.h"

enum { TOGETHER = 256 }; /* at most: as many as are paid with one sync of a slow disk */

struct commits {
	struct server *s;
	struct db *db; /* its thread's; opened again when the last attempt failed */
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t more;
	struct work *first, **last;
	size_t n, max;
	int stopping;
};

/* What is carried out next. 0: all is done, and the end. */
static size_t take(struct commits *c, struct work *out[TOGETHER])
{
	size_t n = 0;
	pthread_mutex_lock(&c->lock);
	while (!c->first && !c->stopping)
		pthread_cond_wait(&c->more, &c->lock);
	while (c->first && n < TOGETHER && !(n && (out[0]->once || c->first->once))) {
		out[n++] = c->first;
		c->first = c->first->next;
	}
	if (!c->first)
		c->last = &c->first;
	c->n -= n;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* 1: each has its result; 0: nothing of them happened. */
static int together(struct db *d, struct work *const *w, size_t n)
{
	enum store_err e = store_group_begin(d->store);
	for (size_t i = 0; i < n; i++) /* who held the database so long need not be waited for by each */
		work_run(w[i], e == STORE_OK ? d : NULL);
	return e != STORE_OK || store_group_commit(d->store) == STORE_OK;
}

static void carry_out(struct commits *c, struct work *const *w, size_t n)
{
	char err[256];
	if (!c->db && !(c->db = work_db(c->s, err, sizeof err)))
		log_error("server.database", log_text("error", err));
	if (c->db && n > 1 && together(c->db, w, n))
		return;
	for (size_t i = 0; i < n; i++)
		work_run(w[i], c->db);
}

static void *thread_main(void *arg)
{
	struct commits *c = arg;
	struct work *w[TOGETHER];
	size_t n;
	while ((n = take(c, w))) {
		carry_out(c, w, n);
		for (size_t i = 0; i < n; i++)
			while (sip_loop_post(c->s->loop, work_done, w[i]) !=
			       0) /* a lost result would hold a request for ever */
				usleep(1000);
	}
	db_close(c->db);
	return NULL;
}

struct commits *commits_new(struct server *s, size_t max)
{
	struct commits *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct commits){.s = s, .max = max, .last = &c->first};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	/* Signals are for the main thread. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&c->thread, NULL, thread_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		free(c);
		return NULL;
	}
	return c;
}

int commits_add(struct commits *c, struct work *w)
{
	w->next = NULL;
	pthread_mutex_lock(&c->lock);
	int ok = c->n < c->max;
	if (ok) {
		*c->last = w;
		c->last = &w->next;
		c->n++;
		pthread_cond_signal(&c->more);
	}
	pthread_mutex_unlock(&c->lock);
	return ok ? 0 : -1;
}

size_t commits_waiting(struct commits *c)
{
	pthread_mutex_lock(&c->lock);
	size_t n = c->n;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void commits_free(struct commits *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = 1;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->more);
	free(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c - work for the pool, whose threads have one connection to the database each; and what is answered when there
 * is too much of it.
 */
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "app/log.h"
#include "mcx/flow/warning.h"

enum { RETRY_AFTER_S = 2 };

static int post(void *loop, void (*fn)(void *), void *arg)
{
	return sip_loop_post(loop, fn, arg);
}

struct db *work_db(const struct server *s, char *err, size_t err_size)
{
	struct db_options o = {s->cfg->database, s->cfg->host, (unsigned)s->cfg->busy_ms, s->seal};
	return db_open(&o, err, err_size);
}

/* One connection a thread; opened again when the last attempt failed. */
struct thread_db {
	const struct server *s;
	struct db *db;
};

static void *thread_begin(void *ctx)
{
	struct thread_db *t = calloc(1, sizeof *t);
	if (t)
		t->s = ctx;
	return t;
}

static void thread_end(void *state)
{
	struct thread_db *t = state;
	if (t)
		db_close(t->db);
	free(t);
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void run_work(void *arg, void *state)
{
	struct work *w = arg;
	struct thread_db *t = state;
	char err[256];
	if (t && !t->db && !(t->db = work_db(t->s, err, sizeof err)))
		log_error("server.database", log_text("error", err));
	int64_t begun = now_us();
	w->run(w, t ? t->db : NULL);
	w->busy_us += now_us() - begun;
}

static void done_work(void *arg)
{
	struct work *w = arg;
	w->done(w);
}

int server_submit(struct work *w)
{
	int rc = worker_submit(w->s->pool, &(struct worker_job){run_work, done_work, w});
	if (rc != 0)
		metric_add(&w->s->metrics[M_BUSY], 1);
	return rc;
}

struct worker_pool *work_pool_new(struct server *s)
{
	const struct server_config *cfg = s->cfg;
	pace_init(&s->pace, (unsigned)cfg->workers);
	struct worker_options w = {.threads = (unsigned)cfg->workers,
				   .max_queue = (size_t)cfg->queue,
				   .post = post,
				   .loop = s->loop,
				   .thread_begin = thread_begin,
				   .thread_end = thread_end,
				   .ctx = s};
	return worker_pool_new(&w);
}

/* ---- the loop from other threads ---- */

struct visit {
	void (*fn)(void *);
	void *arg;
	sem_t done;
};

static void visit(void *arg)
{
	struct visit *v = arg;
	v->fn(v->arg);
	sem_post(&v->done);
}

void server_on_loop(struct server *s, void (*fn)(void *), void *arg)
{
	struct visit v = {.fn = fn, .arg = arg};
	sem_init(&v.done, 0, 0);
	while (sip_loop_post(s->loop, visit, &v) != 0)
		usleep(1000);
	while (sem_wait(&v.done) != 0 && errno == EINTR)
		;
	sem_destroy(&v.done);
}

/* ---- answers ---- */

void server_refuse(struct server *s, struct sip_server_tx *tx, int status, int warning, const char *reason)
{
	char value[400], retry[16];
	struct sip_header h[2];
	struct sip_out with = {.headers = h};
	if (warning && mcx_warning_value(warning, s->cfg->host, reason, value, sizeof value) == 0)
		h[with.n_headers++] = (struct sip_header){"Warning", value};
	if (status == 503 || status == 500) {
		snprintf(retry, sizeof retry, "%u", status == 503 ? pace_turn(&s->pace, now_us()) : RETRY_AFTER_S);
		h[with.n_headers++] = (struct sip_header){"Retry-After", retry};
	}
	(void)sip_reply(tx, status, NULL, &with);
}

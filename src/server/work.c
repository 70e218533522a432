/* SPDX-License-Identifier: Apache-2.0 */
/* work.c - work off the loop: for the pool, for the database; and what is answered when there is too much of it. */
#include "server/commits.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

static int64_t clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t work_processor_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

void work_run(struct work *w, struct db *d)
{
	int64_t begun = work_processor_us();
	w->run(w, d);
	w->busy_us += work_processor_us() - begun;
}

void work_done(void *work)
{
	struct work *w = work;
	w->done(w);
}

static void run_in_pool(void *arg, void *state)
{
	(void)state;
	work_run(arg, NULL);
}

static int taken(struct server *s, int rc)
{
	if (rc != 0)
		metric_add(&s->metrics[M_BUSY], 1);
	return rc;
}

int server_submit(struct work *w)
{
	struct worker_job job = {run_in_pool, work_done, w};
	return taken(w->s, w->s->pool ? worker_submit(w->s->pool, &job) : -1);
}

int server_change(struct work *w)
{
	return taken(w->s, w->s->commits ? commits_add(w->s->commits, w) : -1);
}

int server_full(const struct server *s)
{
	size_t most = (size_t)s->cfg->queue;
	return !s->pool || worker_queued(s->pool) >= most || !s->commits || commits_waiting(s->commits) >= most;
}

/* Threads that share a processor serve no more than one. */
static unsigned side_by_side(unsigned threads)
{
	cpu_set_t set;
	unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : threads;
	return n < threads ? n : threads;
}

struct worker_pool *work_pool_new(struct server *s)
{
	const struct server_config *cfg = s->cfg;
	pace_init(&s->pace, side_by_side((unsigned)cfg->workers));
	struct worker_options w = {
	    .threads = (unsigned)cfg->workers, .max_queue = (size_t)cfg->queue, .post = post, .loop = s->loop};
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
		snprintf(retry, sizeof retry, "%u",
			 status == 503 ? pace_turn(&s->pace, clock_us(CLOCK_MONOTONIC)) : RETRY_AFTER_S);
		h[with.n_headers++] = (struct sip_header){"Retry-After", retry};
	}
	(void)sip_reply(tx, status, NULL, &with);
}

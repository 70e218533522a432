/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_loop.c - the loop over sofia-sip's su_root.
 *
 * Posting does not use su_msg (which drops work without memory and whose cloning rules are its own): a list under a
 * mutex and an eventfd is all it takes, and a signal handler may write to the eventfd too.
 */
#include "net/sip_loop_in.h"
#include "net/sip_tls_free.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct posted {
	struct posted *next;
	void (*fn)(void *);
	void *arg;
};

struct sip_watch {
	su_root_t *root;
	int index;
	void (*fn)(void *);
	void *arg;
};

struct sip_timer {
	su_timer_t *t;
	void (*fn)(void *);
	void *arg;
};

struct sip_loop {
	su_root_t *root;
	int wake;
	struct sip_watch *wake_watch;
	atomic_int stop; /* set by other threads and by signal handlers */
	int running;
	pthread_mutex_t lock; /* the list only */
	struct posted *first, **last;
};

su_root_t *sip_loop_root(struct sip_loop *l)
{
	return l->root;
}

int64_t sip_loop_now_ms(const struct sip_loop *l)
{
	(void)l;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void run_posted(struct sip_loop *l)
{
	pthread_mutex_lock(&l->lock);
	struct posted *p = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	while (p) {
		struct posted *next = p->next;
		p->fn(p->arg);
		free(p);
		p = next;
	}
}

static void woken(void *arg)
{
	struct sip_loop *l = arg;
	uint64_t n;
	(void)!read(l->wake, &n, sizeof n);
	run_posted(l);
	if (l->stop && l->running)
		su_root_break(l->root);
}

/*
 * The library reckons its timers by the wall clock: set back by an hour, all would stand still for an hour; set forward,
 * all would fire at once. Its hooks (made for its own tests) give it the time of our start, carried on by the clock
 * that nobody sets. Nothing the library writes into a message shows the time.
 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): sofia-sip's name for it */
extern void (*_su_time)(su_time_t *tv);
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): sofia-sip's name for it */
extern su_time64_t (*_su_nanotime)(su_time64_t *out);
static int64_t wall_ahead_ns;

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static su_time64_t steady_nanotime(su_time64_t *out)
{
	*out = (su_time64_t)(clock_ns(CLOCK_MONOTONIC) + wall_ahead_ns);
	return *out;
}

static void steady_time(su_time_t *tv)
{
	su_time64_t ns;
	steady_nanotime(&ns);
	tv->tv_sec = (unsigned long)(ns / 1000000000);
	tv->tv_usec = (unsigned long)(ns % 1000000000 / 1000);
}

static void use_steady_clock(void)
{
	const int64_t ntp_epoch = 2208988800; /* seconds from 1900 to 1970 */
	wall_ahead_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC) + ntp_epoch * 1000000000;
	_su_nanotime = steady_nanotime;
	_su_time = steady_time;
}

struct sip_loop *sip_loop_new(void)
{
	static pthread_once_t clock_set = PTHREAD_ONCE_INIT;
	pthread_once(&clock_set, use_steady_clock);
	struct sip_loop *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	l->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN); /* TLS writes to a connection the peer closed */
	su_init();
	l->root = su_root_create(NULL);
	l->wake_watch = l->root && l->wake >= 0 ? sip_watch_start(l, l->wake, woken, l) : NULL;
	if (!l->wake_watch) {
		sip_loop_free(l);
		return NULL;
	}
	return l;
}

void sip_loop_free(struct sip_loop *l)
{
	if (!l)
		return;
	run_posted(l);
	sip_watch_stop(l->wake_watch);
	if (l->root)
		su_root_destroy(l->root);
	sip_tls_free_rest();
	su_deinit();
	if (l->wake >= 0)
		close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void sip_loop_run(struct sip_loop *l)
{
	l->running = 1;
	if (!l->stop)
		su_root_run(l->root);
	l->running = 0;
	l->stop = 0;
}

void sip_loop_step(struct sip_loop *l, unsigned ms)
{
	int64_t end = sip_loop_now_ms(l) + ms;
	run_posted(l); /* whatever else is ready, and however little the time */
	do {
		int64_t left = end - sip_loop_now_ms(l);
		su_root_step(l->root, left > 0 ? (su_duration_t)left : 0);
	} while (sip_loop_now_ms(l) < end);
}

static void wake(struct sip_loop *l)
{
	int saved = errno;
	(void)!write(l->wake, &(uint64_t){1}, sizeof(uint64_t));
	errno = saved;
}

void sip_loop_stop(struct sip_loop *l)
{
	l->stop = 1;
	wake(l);
}

int sip_loop_post(struct sip_loop *l, void (*fn)(void *), void *arg)
{
	struct posted *p = malloc(sizeof *p);
	if (!p)
		return -1;
	*p = (struct posted){NULL, fn, arg};
	pthread_mutex_lock(&l->lock);
	*l->last = p;
	l->last = &p->next;
	pthread_mutex_unlock(&l->lock);
	wake(l);
	return 0;
}

static void timer_fired(su_root_magic_t *magic, su_timer_t *su, su_timer_arg_t *arg)
{
	(void)magic;
	struct sip_timer *t = (struct sip_timer *)arg;
	void (*fn)(void *) = t->fn;
	void *a = t->arg;
	su_timer_destroy(su);
	free(t);
	fn(a);
}

struct sip_timer *sip_timer_start(struct sip_loop *l, unsigned ms, void (*fn)(void *), void *arg)
{
	struct sip_timer *t = malloc(sizeof *t);
	if (!t)
		return NULL;
	*t = (struct sip_timer){su_timer_create(su_root_task(l->root), 0), fn, arg};
	if (!t->t || su_timer_set_interval(t->t, timer_fired, (su_timer_arg_t *)t, ms ? ms : 1) != 0) {
		if (t->t)
			su_timer_destroy(t->t);
		free(t);
		return NULL;
	}
	return t;
}

void sip_timer_stop(struct sip_timer *t)
{
	if (!t)
		return;
	su_timer_destroy(t->t);
	free(t);
}

static int watch_ready(su_root_magic_t *magic, su_wait_t *wait, su_wakeup_arg_t *arg)
{
	(void)magic, (void)wait;
	struct sip_watch *w = (struct sip_watch *)arg;
	w->fn(w->arg);
	return 0;
}

struct sip_watch *sip_watch_start(struct sip_loop *l, int fd, void (*fn)(void *), void *arg)
{
	struct sip_watch *w = malloc(sizeof *w);
	if (!w)
		return NULL;
	su_wait_t wait[1] = {SU_WAIT_INIT};
	*w = (struct sip_watch){l->root, -1, fn, arg};
	if (su_wait_create(wait, fd, SU_WAIT_IN) == 0)
		w->index = su_root_register(l->root, wait, watch_ready, (su_wakeup_arg_t *)w, 0);
	if (w->index <= 0) {
		free(w);
		return NULL;
	}
	return w;
}

void sip_watch_stop(struct sip_watch *w)
{
	if (!w)
		return;
	su_root_deregister(w->root, w->index);
	free(w);
}

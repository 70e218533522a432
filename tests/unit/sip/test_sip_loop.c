/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a SIP port: work posted from other threads, timers. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/test.h"

#include "net/sip_loop.h"

static struct sip_loop *loop;

static void count(void *arg)
{
	++*(int *)arg;
}

static void *poster(void *arg)
{
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sip_loop_post(loop, count, arg), 0);
	return NULL;
}

static void work_posted_from_other_threads_runs_on_the_loop_and_none_is_lost(void **state)
{
	(void)state;
	int n = 0;
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, poster, &n);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 3000 && n < 3000; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(n, 3000);
}

static void a_timer_fires_once_and_a_stopped_one_never(void **state)
{
	(void)state;
	int fired = 0, stopped = 0;
	assert_non_null(sip_timer_start(loop, 20, count, &fired));
	struct sip_timer *t = sip_timer_start(loop, 10, count, &stopped);
	sip_timer_stop(t);
	sip_loop_step(loop, 120);
	assert_int_equal(fired, 1);
	assert_int_equal(stopped, 0);
}

static void busy(void *arg)
{
	(void)arg; /* it stays readable */
}

static void what_is_posted_is_done_by_the_next_step_whatever_else_is_ready(void **state)
{
	(void)state;
	enum { N = 200 };
	struct sip_watch *w[N];
	int fd[N], n = 0;
	for (int i = 0; i < N; i++) {
		fd[i] = eventfd(1, 0);
		w[i] = sip_watch_start(loop, fd[i], busy, NULL);
		assert_non_null(w[i]);
	}
	for (int i = 0; i < 10; i++) {
		assert_int_equal(sip_loop_post(loop, count, &n), 0);
		sip_loop_step(loop, 0);
		assert_int_equal(n, i + 1);
	}
	for (int i = 0; i < N; i++) {
		sip_watch_stop(w[i]);
		close(fd[i]);
	}
}

static int set_up(void **state)
{
	(void)state;
	loop = sip_loop_new();
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sip_loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(work_posted_from_other_threads_runs_on_the_loop_and_none_is_lost),
	    cmocka_unit_test(what_is_posted_is_done_by_the_next_step_whatever_else_is_ready),
	    cmocka_unit_test(a_timer_fires_once_and_a_stopped_one_never),
	};
	return cmocka_run_group_tests_name("sip_loop", tests, set_up, tear_down);
}

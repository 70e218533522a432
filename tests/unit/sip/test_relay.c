/* SPDX-License-Identifier: Apache-2.0 */
/* The RTP relay over loopback: what crosses, what a stranger cannot do, what closing means; and the worker pool. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/test.h"

#include "net/relay.h"
#include "net/sip_loop.h"
#include "net/worker.h"

struct sock {
	int fd;
	uint16_t port;
};

static struct sock sock_open(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	struct sock s = {socket(AF_INET, SOCK_DGRAM, 0), 0};
	assert_int_equal(bind(s.fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(s.fd, (struct sockaddr *)&a, &len);
	s.port = ntohs(a.sin_port);
	return s;
}

static void sock_send(struct sock s, uint16_t port, const char *text)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(sendto(s.fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof a), strlen(text));
}

/* How long silence is waited for, and what must come on a machine under load. */
enum { SILENCE_MS = 300, PATIENCE_MS = 20000 };

/* What arrives within ms, "" if nothing does; from which port. */
static const char *sock_get_within(struct sock s, uint16_t *from, int ms)
{
	static char buf[64];
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	buf[0] = 0;
	struct pollfd p = {s.fd, POLLIN, 0};
	if (poll(&p, 1, ms) == 1) {
		ssize_t n = recvfrom(s.fd, buf, sizeof buf - 1, 0, (struct sockaddr *)&a, &len);
		buf[n > 0 ? n : 0] = 0;
		if (from)
			*from = ntohs(a.sin_port);
	}
	return buf;
}

static const char *sock_get(struct sock s, uint16_t *from)
{
	return sock_get_within(s, from, PATIENCE_MS);
}

static void assert_nothing_comes(struct sock s)
{
	assert_string_equal(sock_get_within(s, NULL, SILENCE_MS), "");
}

static struct relay *relay;
static struct sock alice, bob, eve;

static int set_up(void **state)
{
	(void)state;
	relay = relay_new(&(struct relay_options){"127.0.0.1", 34000, 34999});
	assert_non_null(relay);
	alice = sock_open();
	bob = sock_open();
	eve = sock_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	relay_free(relay);
	close(alice.fd);
	close(bob.fd);
	close(eve.fd);
	return 0;
}

static void packets_cross_unchanged_both_ways_from_the_port_the_end_was_told(void **state)
{
	(void)state;
	struct relay_session *s = relay_open(relay, 1);
	assert_non_null(s);
	uint16_t pa = relay_port(s, 0, 0), pb = relay_port(s, 0, 1), from = 0;
	assert_true(pa != pb && pa % 2 == 0 && pb % 2 == 0);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", alice.port), MCSEC_OK);
	assert_int_equal(relay_set_remote(s, 0, 1, "127.0.0.1", bob.port), MCSEC_OK);
	sock_send(alice, pa, "speech");
	assert_string_equal(sock_get(bob, &from), "speech");
	assert_int_equal(from, pb);
	sock_send(bob, pb, "answer");
	assert_string_equal(sock_get(alice, &from), "answer");
	assert_int_equal(from, pa);
	assert_true(relay_silent_ms(s) < 1000);
	relay_close(s);
}

static void packets_cross_over_ipv6_and_a_strangers_do_not(void **state)
{
	(void)state;
	struct sockaddr_in6 at[3] = {0};
	struct relay *r = relay_new(&(struct relay_options){"::1", 34000, 34999});
	struct relay_session *s = r ? relay_open(r, 1) : NULL;
	int fd[3];
	char got[16];
	if (!s) {
		relay_free(r);
		skip(); /* a machine without IPv6 */
		return;
	}
	for (int i = 0; i < 3; i++) {
		socklen_t len = sizeof *at;
		at[i] = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		fd[i] = socket(AF_INET6, SOCK_DGRAM, 0);
		assert_int_equal(bind(fd[i], (struct sockaddr *)&at[i], len), 0);
		getsockname(fd[i], (struct sockaddr *)&at[i], &len);
	}
	assert_int_equal(relay_set_remote(s, 0, 0, "::1", ntohs(at[0].sin6_port)), MCSEC_OK);
	assert_int_equal(relay_set_remote(s, 0, 1, "::1", ntohs(at[1].sin6_port)), MCSEC_OK);
	assert_int_equal(relay_set_remote(s, 0, 1, "::1", relay_port(s, 0, 0)), MCSEC_E_VALUE);
	struct sockaddr_in6 door = at[0];
	door.sin6_port = htons(relay_port(s, 0, 0));
	assert_int_equal(sendto(fd[2], "stranger", 8, 0, (struct sockaddr *)&door, sizeof door), 8);
	assert_int_equal(sendto(fd[0], "speech", 6, 0, (struct sockaddr *)&door, sizeof door), 6);
	assert_int_equal(recv(fd[1], got, sizeof got, 0), 6);
	assert_memory_equal(got, "speech", 6);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	relay_free(r);
}

static void nothing_is_forwarded_before_both_ends_are_known(void **state)
{
	(void)state;
	struct relay_session *s = relay_open(relay, 1);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", alice.port), MCSEC_OK);
	sock_send(alice, relay_port(s, 0, 0), "early");
	assert_nothing_comes(bob);
	struct relay_stats st;
	relay_stats(relay, &st);
	assert_true(st.dropped_unready >= 1);
	relay_close(s);
}

static void a_stranger_neither_gets_in_nor_redirects_the_stream(void **state)
{
	(void)state;
	struct relay_session *s = relay_open(relay, 1);
	relay_set_remote(s, 0, 0, "127.0.0.1", alice.port);
	relay_set_remote(s, 0, 1, "127.0.0.1", bob.port);
	sock_send(eve, relay_port(s, 0, 0), "forged");
	assert_nothing_comes(bob);
	sock_send(bob, relay_port(s, 0, 1), "for alice");
	assert_nothing_comes(eve);
	assert_string_equal(sock_get(alice, NULL), "for alice");
	/* Not even an end may speak at the other end's port. */
	sock_send(bob, relay_port(s, 0, 0), "wrong side");
	assert_nothing_comes(bob);
	assert_nothing_comes(alice);
	relay_close(s);
}

/* Two ends that both name the relay's own ports would make one packet run in a circle for ever. */
static void a_port_of_the_relay_is_nobodys_remote_address(void **state)
{
	(void)state;
	struct relay_session *s = relay_open(relay, 2), *other = relay_open(relay, 1);
	uint16_t own = relay_port(s, 1, 0), twin = relay_port(s, 0, 1), foreign = relay_port(other, 0, 0);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", own), MCSEC_E_VALUE);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", twin), MCSEC_E_VALUE);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", foreign), MCSEC_E_VALUE);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", (uint16_t)(foreign + 1)), MCSEC_E_VALUE);
	/* One below: RTP may go there, RTCP would be ours again and goes nowhere. */
	struct relay_stats before, after;
	relay_stats(relay, &before);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", (uint16_t)(relay_port(s, 0, 0) - 1)), MCSEC_OK);
	assert_int_equal(relay_set_remote(s, 0, 1, "127.0.0.1", bob.port), MCSEC_OK);
	sock_send(eve, (uint16_t)(twin + 1), "rtcp");
	usleep(50000);
	relay_stats(relay, &after);
	assert_int_equal(after.dropped_unready, before.dropped_unready + 1);
	relay_close(other);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", foreign), MCSEC_OK);
	relay_close(s);
}

static void a_closed_session_forwards_nothing_and_its_ports_come_back(void **state)
{
	(void)state;
	struct relay *tiny = relay_new(&(struct relay_options){"127.0.0.1", 35000, 35003});
	struct relay_session *s = relay_open(tiny, 1);
	assert_non_null(s);
	assert_null(relay_open(tiny, 1));
	uint16_t pa = relay_port(s, 0, 0);
	relay_set_remote(s, 0, 0, "127.0.0.1", alice.port);
	relay_set_remote(s, 0, 1, "127.0.0.1", bob.port);
	relay_close(s);
	sock_send(alice, pa, "late");
	assert_nothing_comes(bob);
	s = relay_open(tiny, 1);
	assert_non_null(s);
	struct relay_stats st;
	relay_stats(tiny, &st);
	assert_int_equal(st.sessions, 1);
	relay_free(tiny); /* closes what is open */
}

static void after_a_session_was_closed_the_thread_sleeps(void **state)
{
	(void)state;
	struct relay_stats before, after;
	relay_close(relay_open(relay, 1));
	do { /* until it has seen that */
		relay_stats(relay, &before);
		usleep(1000);
	} while (before.rounds == 0);
	usleep(100000);
	relay_stats(relay, &after);
	assert_in_range(after.rounds - before.rounds, 0, 4);
}

static void a_remote_that_is_no_numeric_address_is_refused(void **state)
{
	(void)state;
	struct relay_session *s = relay_open(relay, 1);
	assert_int_equal(relay_set_remote(s, 0, 0, "bob.example", 4000), MCSEC_E_ENCODING);
	assert_int_equal(relay_set_remote(s, 0, 0, "127.0.0.1", 0), MCSEC_E_ARGUMENT);
	assert_int_equal(relay_set_remote(s, 1, 0, "127.0.0.1", 4000), MCSEC_E_ARGUMENT);
	relay_close(s);
	assert_null(relay_new(&(struct relay_options){"localhost", 34000, 34100}));
	assert_null(relay_open(relay, 0));
	assert_null(relay_open(relay, RELAY_MAX_STREAMS + 1));
}

/* ---- worker pool ---- */

struct job {
	_Atomic int *ran;
	int *done;
	int block_fd;
};

static void run(void *arg, void *state)
{
	struct job *j = arg;
	char c;
	(void)state;
	if (j->block_fd)
		(void)!read(j->block_fd, &c, 1);
	++*j->ran;
}

static void done(void *arg)
{
	++*((struct job *)arg)->done;
}

static int post(void *loop, void (*fn)(void *), void *arg)
{
	return sip_loop_post(loop, fn, arg);
}

static void a_full_queue_refuses_at_once_and_accepted_jobs_all_come_home(void **state)
{
	(void)state;
	struct sip_loop *loop = sip_loop_new();
	int pipefd[2], finished = 0;
	_Atomic int ran = 0;
	assert_int_equal(pipe(pipefd), 0);
	struct worker_pool *w =
	    worker_pool_new(&(struct worker_options){.threads = 1, .max_queue = 3, .post = post, .loop = loop});
	struct job blocking = {&ran, &finished, pipefd[0]}, quick = {&ran, &finished, 0};
	assert_int_equal(worker_submit(w, &(struct worker_job){run, done, &blocking}), 0);
	while (worker_queued(w) > 0)
		usleep(1000); /* the thread has taken it and blocks */
	for (int i = 0; i < 3; i++)
		assert_int_equal(worker_submit(w, &(struct worker_job){run, done, &quick}), 0);
	assert_int_equal(worker_submit(w, &(struct worker_job){run, done, &quick}), -1);
	assert_int_equal(write(pipefd[1], "x", 1), 1);
	worker_pool_free(w); /* waits for all */
	assert_int_equal(ran, 4);
	for (int i = 0; i < 50 && finished < 4; i++)
		sip_loop_step(loop, 5);
	assert_int_equal(finished, 4);
	sip_loop_free(loop);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void *begin(void *ctx)
{
	++*(_Atomic int *)ctx;
	return ctx;
}

static void end(void *state)
{
	--*(_Atomic int *)state;
}

static void each_thread_has_a_state_of_its_own_begun_and_ended(void **state)
{
	(void)state;
	struct sip_loop *loop = sip_loop_new();
	_Atomic int n = 0;
	struct worker_pool *w = worker_pool_new(&(struct worker_options){.threads = 3,
									 .max_queue = 1,
									 .post = post,
									 .loop = loop,
									 .thread_begin = begin,
									 .thread_end = end,
									 .ctx = &n});
	for (int i = 0; i < 20000 && n < 3; i++)
		usleep(1000);
	assert_int_equal(n, 3);
	worker_pool_free(w);
	assert_int_equal(n, 0);
	assert_null(
	    worker_pool_new(&(struct worker_options){.threads = 0, .max_queue = 1, .post = post, .loop = loop}));
	sip_loop_free(loop);
}

/* ---- a stream that ends at the server ---- */

static _Atomic int taken_by[2], heard_of[2];

static void on_taken(void *ctx, int end, const uint8_t *packet, size_t len)
{
	(void)packet;
	taken_by[end] += ctx == &relay && len == 5;
}

static void on_heard(void *ctx, int end)
{
	heard_of[end] += ctx == &relay;
}

static const struct relay_events events = {on_taken, on_heard, &relay};

/* Two streams, the second of which ends here. */
static struct relay_session *controlled(void)
{
	struct relay_session *s = relay_open(relay, 2);
	assert_non_null(s);
	taken_by[0] = taken_by[1] = heard_of[0] = heard_of[1] = 0;
	relay_end_here(s, 1, &events);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(relay_set_remote(s, i, 0, "127.0.0.1", alice.port), MCSEC_OK);
		assert_int_equal(relay_set_remote(s, i, 1, "127.0.0.1", bob.port), MCSEC_OK);
	}
	return s;
}

static void until(_Atomic int *what, int n)
{
	for (int i = 0; i < 1000 && *what < n; i++)
		usleep(10000);
	assert_int_equal(*what, n);
}

static void a_stream_that_ends_here_is_taken_from_its_end_alone_and_never_crosses(void **state)
{
	(void)state;
	struct relay_session *s = controlled();
	uint16_t from;
	sock_send(eve, relay_port(s, 1, 0), "evil!");
	sock_send(alice, relay_port(s, 1, 0), "floor");
	until(&taken_by[0], 1);
	sock_send(bob, relay_port(s, 1, 1), "floor");
	until(&taken_by[1], 1);
	assert_nothing_comes(bob);
	assert_int_equal(taken_by[0], 1);
	assert_int_equal(relay_send(s, 1, 1, (const uint8_t *)"taken", 5), 0);
	assert_string_equal(sock_get(bob, &from), "taken");
	assert_int_equal(from, relay_port(s, 1, 1));
	assert_int_equal(relay_send(s, 2, 1, (const uint8_t *)"taken", 5), -1);
	relay_close(s);
}

static void mcx_sec_314_packets_above_the_rate_are_dropped_before_anybody_looks_at_them(void **state)
{
	(void)state;
	enum { MANY = 4 * RELAY_TAKEN_PER_S };
	struct relay_session *s = controlled();
	struct relay_stats before, after;
	relay_stats(relay, &before);
	for (int i = 0; i < MANY; i++) {
		sock_send(alice, relay_port(s, 1, 0), "floor");
		relay_stats(relay, &after);
	}
	for (int i = 0; i < 500 && after.taken + after.dropped_rate - before.taken - before.dropped_rate < MANY; i++) {
		usleep(10000);
		relay_stats(relay, &after);
	}
	assert_int_equal(after.taken - before.taken, taken_by[0]);
	assert_true(taken_by[0] >= RELAY_TAKEN_PER_S);
	assert_true(after.dropped_rate > before.dropped_rate);
	relay_close(s);
}

static void media_of_an_end_without_permission_is_held_back_and_told_of(void **state)
{
	(void)state;
	struct relay_session *s = controlled();
	relay_gate(s, 0, 0);
	sock_send(alice, relay_port(s, 0, 0), "early");
	until(&heard_of[0], 1);
	assert_nothing_comes(bob);
	sock_send(bob, relay_port(s, 0, 1), "other");
	assert_string_equal(sock_get(alice, NULL), "other");
	until(&heard_of[1], 1);
	relay_gate(s, 0, 1);
	sock_send(alice, relay_port(s, 0, 0), "spoken");
	assert_string_equal(sock_get(bob, NULL), "spoken");
	relay_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packets_cross_unchanged_both_ways_from_the_port_the_end_was_told),
	    cmocka_unit_test(packets_cross_over_ipv6_and_a_strangers_do_not),
	    cmocka_unit_test(nothing_is_forwarded_before_both_ends_are_known),
	    cmocka_unit_test(a_stranger_neither_gets_in_nor_redirects_the_stream),
	    cmocka_unit_test(a_port_of_the_relay_is_nobodys_remote_address),
	    cmocka_unit_test(a_closed_session_forwards_nothing_and_its_ports_come_back),
	    cmocka_unit_test(after_a_session_was_closed_the_thread_sleeps),
	    cmocka_unit_test(a_remote_that_is_no_numeric_address_is_refused),
	    cmocka_unit_test(a_stream_that_ends_here_is_taken_from_its_end_alone_and_never_crosses),
	    cmocka_unit_test(mcx_sec_314_packets_above_the_rate_are_dropped_before_anybody_looks_at_them),
	    cmocka_unit_test(media_of_an_end_without_permission_is_held_back_and_told_of),
	    cmocka_unit_test(a_full_queue_refuses_at_once_and_accepted_jobs_all_come_home),
	    cmocka_unit_test(each_thread_has_a_state_of_its_own_begun_and_ended),
	};
	return cmocka_run_group_tests_name("relay", tests, set_up, tear_down);
}

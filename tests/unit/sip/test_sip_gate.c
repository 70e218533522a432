/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may hold a connection to the SIP port: silent, half-open and trickling ones are cut, needed ones stay, one source
 * cannot take all places, and without a descriptor the port neither spins nor stays deaf. And what a stranger's request
 * leaves behind: nothing. Limits are set small here, waiting is for conditions.
 */
#include "unit/sip/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>
#include <sys/resource.h>

#include "net/sip_port.h"
#include "net/source_limit.h"
#include "net/spare.h"

static struct sip_loop *loop;
static struct pki ca;
static char tls_dir[128];

static struct server {
	struct sip_port *port;
	int requests, all_stateless;
	int keep_flow;
	struct sip_flow *flow;
	struct sip_server_tx *held;
	int hold;
	int invites_left; /* -1: as many as they like */
	struct sip_dialog *dialog;
} s;

static const struct sip_dialog_events dialog_events;

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	(void)ctx;
	s.requests++;
	if (s.keep_flow && !s.flow)
		s.flow = sip_flow_of(tx);
	if (s.invites_left >= 0 && strcmp(rq->method, "INVITE") == 0)
		s.dialog = sip_dialog_accept(tx, &dialog_events, NULL);
	if (s.hold)
		s.held = tx;
	else
		assert_int_equal(sip_reply(tx, 200, NULL, NULL), MCSEC_OK);
}

static int stateless(void *ctx, const struct sip_source *from)
{
	(void)ctx;
	return s.all_stateless && from->transport != SIP_TLS;
}

static int may_invite(void *ctx, const struct sip_source *from)
{
	(void)ctx, (void)from;
	return s.invites_left < 0 || s.invites_left-- > 0;
}

static void server_open(const struct sip_port_options *limits)
{
	char err[256] = "";
	struct sip_port_options o = *limits;
	memset(&s, 0, sizeof s);
	s.invites_left = -1;
	o.n_listen = 3;
	o.listen[0] = (struct sip_listen){SIP_TCP, "127.0.0.1", 0};
	o.listen[1] = (struct sip_listen){SIP_TLS, "127.0.0.1", 0};
	o.listen[2] = (struct sip_listen){SIP_UDP, "127.0.0.1", 0};
	o.tls_dir = tls_dir;
	o.on_request = on_request;
	o.stateless = stateless;
	o.may_invite = may_invite;
	s.port = sip_port_new(loop, &o, err, sizeof err);
	if (!s.port)
		fail_msg("%s", err);
}

static void server_close(void)
{
	sip_flow_unref(s.flow);
	sip_port_free(s.port);
}

static int dial_from(size_t listener, const char *source)
{
	struct sockaddr_in a = {.sin_family = AF_INET}, own = {.sin_family = AF_INET};
	int fd = socket(AF_INET, listener == 2 ? SOCK_DGRAM : SOCK_STREAM, 0);
	assert_true(fd >= 0);
	inet_pton(AF_INET, source, &own.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	a.sin_port = htons(sip_port_number(s.port, listener));
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int dial(size_t listener)
{
	return dial_from(listener, "127.0.0.1");
}

/* 1 as soon as the server has closed it, 0 when it did not within the time. */
static int closed_within(int fd, int ms)
{
	char octets[1000]; /* what is said before the end does not matter */
	for (int64_t end = sip_loop_now_ms(loop) + ms; sip_loop_now_ms(loop) < end;) {
		sip_loop_step(loop, 10);
		ssize_t n = recv(fd, octets, sizeof octets, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
			return 1;
	}
	return 0;
}

static int answer(int fd, char *text, size_t size)
{
	for (int i = 0; i < 1000; i++) {
		ssize_t n = recv(fd, text, size - 1, 0);
		if (n > 0) {
			text[n] = 0;
			return atoi(text + 8);
		}
		sip_loop_step(loop, 10);
	}
	return 0;
}

static void say(int fd, const char *method, const char *transport, int n)
{
	char text[600];
	int len = snprintf(text, sizeof text,
			   "%s sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;rport;branch=z9hG4bK-gate-%d\r\n"
			   "From: <sip:x@y.test>;tag=f%d\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: gate-%d\r\nCSeq: 1 %s\r\n"
			   "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			   method, transport, n, n, n, method);
	assert_int_equal(send(fd, text, (size_t)len, 0), len);
}

static size_t open_now(void)
{
	struct sip_port_counts c;
	sip_port_counts(s.port, &c);
	return c.open;
}

static void wait_for_open(size_t n)
{
	for (int i = 0; i < 1000 && open_now() != n; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(open_now(), n);
}

/* ---- time ---- */

static void a_connection_that_says_nothing_is_cut_over_tcp_and_over_tls(void **state)
{
	(void)state;
	server_open(&(struct sip_port_options){.first_request_ms = 300});
	int tcp = dial(0), tls = dial(1);
	wait_for_open(2);
	assert_true(closed_within(tcp, 10000));
	assert_true(closed_within(tls, 10000));
	wait_for_open(0);
	close(tcp);
	close(tls);
	server_close();
}

static void a_handshake_never_finished_and_a_request_that_trickles_are_cut(void **state)
{
	(void)state;
	server_open(&(struct sip_port_options){.first_request_ms = 500});
	int tcp = dial(0), tls = dial(1);
	/* The beginning of a ClientHello; and header after header, never the last. */
	assert_int_equal(send(tls, "\x16\x03\x01\x01\x00\x01\x00", 7, 0), 7);
	assert_true(send(tcp, "OPTIONS sip:a@b SIP/2.0\r\n", 25, 0) > 0);
	wait_for_open(2);
	int cut = 0;
	for (int i = 0; i < 1000 && !cut; i++) {
		char octet;
		sip_loop_step(loop, 10);
		if (i % 10 == 0)
			(void)!send(tcp, "X-A: b\r\n", 8, MSG_NOSIGNAL);
		cut = recv(tcp, &octet, 1, 0) == 0;
	}
	assert_true(cut);
	assert_true(closed_within(tls, 10000));
	wait_for_open(0);
	close(tcp);
	close(tls);
	server_close();
}

static void who_asked_once_is_cut_when_idle_but_stays_while_its_flow_is_needed(void **state)
{
	(void)state;
	char text[1000];
	server_open(&(struct sip_port_options){.first_request_ms = 5000, .idle_ms = 300});
	s.keep_flow = 1; /* the first one's, as a binding keeps it */
	int needed = dial(0);
	say(needed, "OPTIONS", "TCP", 1);
	assert_int_equal(answer(needed, text, sizeof text), 200);
	int idle = dial(0);
	say(idle, "OPTIONS", "TCP", 2);
	assert_int_equal(answer(idle, text, sizeof text), 200);
	assert_true(closed_within(idle, 10000));
	assert_false(closed_within(needed, 2500));
	say(needed, "OPTIONS", "TCP", 3);
	assert_int_equal(answer(needed, text, sizeof text), 200);
	sip_flow_unref(s.flow);
	s.flow = NULL;
	assert_true(closed_within(needed, 10000));
	close(idle);
	close(needed);
	server_close();
}

/* ---- places ---- */

static void one_source_gets_its_share_and_another_is_still_served(void **state)
{
	(void)state;
	enum { SHARE = 4 };
	int fd[SHARE + 2];
	char text[1000];
	server_open(&(struct sip_port_options){.max_per_source = SHARE, .new_per_second = 1000});
	for (int i = 0; i < SHARE; i++)
		fd[i] = dial(0);
	wait_for_open(SHARE);
	fd[SHARE] = dial(0);
	assert_true(closed_within(fd[SHARE], 10000));
	fd[SHARE + 1] = dial_from(0, "127.0.0.2");
	say(fd[SHARE + 1], "OPTIONS", "TCP", 1);
	assert_int_equal(answer(fd[SHARE + 1], text, sizeof text), 200);
	close(fd[0]); /* a place given back is a place */
	wait_for_open(SHARE);
	fd[0] = dial(0);
	say(fd[0], "OPTIONS", "TCP", 2);
	assert_int_equal(answer(fd[0], text, sizeof text), 200);
	for (int i = 0; i < SHARE + 2; i++)
		close(fd[i]);
	server_close();
}

static void one_source_gets_so_many_new_connections_a_second(void **state)
{
	(void)state;
	enum { TRIES = 40 };
	struct sip_port_counts c;
	server_open(&(struct sip_port_options){.new_per_second = 2});
	for (int i = 0; i < TRIES; i++) {
		int fd = dial(0);
		sip_loop_step(loop, 1);
		close(fd);
	}
	for (int i = 0; i < 100; i++) {
		sip_loop_step(loop, 5);
		sip_port_counts(s.port, &c);
		if (c.accepted + c.refused == TRIES)
			break;
	}
	assert_int_equal(c.accepted + c.refused, TRIES);
	assert_true(c.refused > 0);
	assert_true(c.accepted >= 4);
	server_close();
}

static void when_all_places_are_taken_one_that_never_asked_makes_room(void **state)
{
	(void)state;
	enum { PLACES = 5 };
	int fd[PLACES + 1];
	char text[1000];
	server_open(&(struct sip_port_options){.max_connections = PLACES});
	fd[0] = dial(0);
	say(fd[0], "OPTIONS", "TCP", 1);
	assert_int_equal(answer(fd[0], text, sizeof text), 200);
	for (int i = 1; i < PLACES; i++) {
		fd[i] = dial(0);
		wait_for_open((size_t)i + 1);
	}
	fd[PLACES] = dial(0);
	say(fd[PLACES], "OPTIONS", "TCP", 2);
	assert_int_equal(answer(fd[PLACES], text, sizeof text), 200);
	assert_true(closed_within(fd[1], 5000)); /* the oldest of the silent */
	say(fd[0], "OPTIONS", "TCP", 3);
	assert_int_equal(answer(fd[0], text, sizeof text), 200);
	for (int i = 0; i <= PLACES; i++)
		close(fd[i]);
	server_close();
}

/* ---- descriptors ---- */

static int told;

static void on_starved(void)
{
	told++;
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void without_a_descriptor_the_port_does_not_spin_says_so_and_recovers_by_itself(void **state)
{
	(void)state;
	enum { EATEN = 4096 };
	static int eaten[EATEN];
	int fd[6], n = 0;
	char text[1000];
	struct rlimit before, small;
	server_open(&(struct sip_port_options){.first_request_ms = 60000});
	told = 0;
	spare_observe(on_starved);
	int there = dial(0);
	say(there, "OPTIONS", "TCP", 1);
	assert_int_equal(answer(there, text, sizeof text), 200);
	getrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < 6; i++) /* the peers' own sockets are of this process too */
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
	small = (struct rlimit){(rlim_t)fd[5] + 20, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	while (n < EATEN && (eaten[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(sip_port_number(s.port, 0))};
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(connect(fd[i], (struct sockaddr *)&a, sizeof a), 0);
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	}
	double cpu = cpu_s();
	sip_loop_step(loop, 2000);
	cpu = cpu_s() - cpu;
	print_message("# two seconds without a descriptor cost %.3f s of processor time\n", cpu);
	assert_true(cpu < 0.5);
	assert_int_equal(told, 6);       /* once a connection: none waits, and none makes it spin */
	say(there, "OPTIONS", "TCP", 2); /* who is there is served */
	assert_int_equal(answer(there, text, sizeof text), 200);
	for (int i = 0; i < 6; i++)
		assert_true(closed_within(fd[i], 5000));
	while (n > 0)
		close(eaten[--n]);
	setrlimit(RLIMIT_NOFILE, &before);
	int late = dial(0);
	say(late, "OPTIONS", "TCP", 3);
	assert_int_equal(answer(late, text, sizeof text), 200);
	assert_int_equal(told, 6);
	spare_observe(NULL);
	for (int i = 0; i < 6; i++)
		close(fd[i]);
	close(late);
	close(there);
	server_close();
}

/* ---- what a stranger leaves behind ---- */

static const char *tag_in(char *text)
{
	char *to = strstr(text, "\nTo:"), *tag = to ? strstr(to, "tag=") : NULL;
	if (tag)
		tag[strcspn(tag, "\r\n;>")] = 0;
	return tag ? tag : "";
}

static void a_strangers_request_is_answered_without_a_transaction_and_each_copy_alike(void **state)
{
	(void)state;
	char one[1000], two[1000], other[1000], tag[64];
	struct sip_port_counts c;
	server_open(&(struct sip_port_options){0});
	s.all_stateless = 1;
	int fd = dial(2);
	say(fd, "INVITE", "UDP", 1);
	assert_int_equal(answer(fd, one, sizeof one), 200);
	say(fd, "INVITE", "UDP", 1);
	assert_int_equal(answer(fd, two, sizeof two), 200);
	say(fd, "INVITE", "UDP", 2);
	assert_int_equal(answer(fd, other, sizeof other), 200);
	snprintf(tag, sizeof tag, "%s", tag_in(one));
	assert_true(strlen(tag) > 8);
	assert_string_equal(tag, tag_in(two));
	assert_string_not_equal(tag, tag_in(other));
	/* No transaction: the copy was a request of its own, and nothing waits for an ACK or a time-out. */
	assert_int_equal(s.requests, 3);
	sip_port_counts(s.port, &c);
	assert_int_equal(c.requests, 0);
	close(fd);
	server_close();
}

static void with_a_transaction_a_copy_is_no_second_request(void **state)
{
	(void)state;
	char text[1000];
	server_open(&(struct sip_port_options){0});
	int fd = dial(2);
	for (int i = 0; i < 2; i++) {
		say(fd, "OPTIONS", "UDP", 1);
		assert_int_equal(answer(fd, text, sizeof text), 200);
	}
	assert_int_equal(s.requests, 1);
	close(fd);
	server_close();
}

static void beyond_the_bound_of_requests_the_answer_is_503_with_retry_after(void **state)
{
	(void)state;
	char text[1000];
	server_open(&(struct sip_port_options){.max_requests = 1});
	s.hold = 1;
	int fd = dial(2), second = dial(2);
	say(fd, "OPTIONS", "UDP", 1);
	for (int i = 0; i < 3000 && !s.held; i++)
		sip_loop_step(loop, 10);
	assert_non_null(s.held);
	say(second, "OPTIONS", "UDP", 2);
	assert_int_equal(answer(second, text, sizeof text), 503);
	assert_non_null(strstr(text, "Retry-After: "));
	assert_int_equal(sip_reply(s.held, 200, NULL, NULL), MCSEC_OK);
	assert_int_equal(answer(fd, text, sizeof text), 200);
	close(fd);
	close(second);
	server_close();
}

static void an_invite_beyond_its_sources_share_is_503_without_a_transaction(void **state)
{
	(void)state;
	char text[1000];
	struct sip_port_counts c;
	server_open(&(struct sip_port_options){0});
	s.invites_left = 0;
	int fd = dial(0);
	for (int i = 0; i < 3; i++) { /* the same one again is a request of its own: nothing remembers the first */
		say(fd, "INVITE", "TCP", 1);
		assert_int_equal(answer(fd, text, sizeof text), 503);
		assert_non_null(strstr(text, "Retry-After: "));
		s.invites_left = 0;
	}
	assert_int_equal(s.requests, 0);
	sip_port_counts(s.port, &c);
	assert_int_equal(c.requests, 0);
	say(fd, "OPTIONS", "TCP", 2);
	assert_int_equal(answer(fd, text, sizeof text), 200);
	s.invites_left = -1;
	say(fd, "INVITE", "TCP", 3);
	assert_int_equal(answer(fd, text, sizeof text), 200);
	close(fd);
	server_close();
}

static void who_sends_too_many_invites_in_a_dialog_loses_the_connection(void **state)
{
	(void)state;
	char text[1000], tag[64], again[800];
	server_open(&(struct sip_port_options){0});
	s.invites_left = 1;
	int fd = dial(0);
	say(fd, "INVITE", "TCP", 1);
	assert_int_equal(answer(fd, text, sizeof text), 200);
	assert_non_null(s.dialog);
	snprintf(tag, sizeof tag, "%s", tag_in(text));
	int len = snprintf(again, sizeof again,
			   "INVITE sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;rport;branch=z9hG4bK-again\r\n"
			   "From: <sip:x@y.test>;tag=f1\r\nTo: <sip:a@127.0.0.1>;%s\r\nCall-ID: gate-1\r\n"
			   "CSeq: 2 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			   tag);
	assert_int_equal(send(fd, again, (size_t)len, 0), len);
	assert_true(closed_within(fd, 20000));
	int other = dial(0);
	say(other, "OPTIONS", "TCP", 2);
	assert_int_equal(answer(other, text, sizeof text), 200);
	close(fd);
	close(other);
	sip_dialog_free(s.dialog);
	server_close();
}

static void a_source_has_a_burst_and_then_its_rate(void **state)
{
	(void)state;
	struct source_limit *l = source_limit_new(10, 20);
	int got = 0;
	for (int i = 0; i < 100; i++)
		got += source_limit_take(l, "192.0.2.1", 1000);
	assert_int_equal(got, 20);
	assert_int_equal(source_limit_take(l, "192.0.2.2", 1000), 1);
	got = 0;
	for (int i = 0; i < 100; i++)
		got += source_limit_take(l, "192.0.2.1", 1500);
	assert_int_equal(got, 5);
	for (int64_t t = 1501; t < 1600; t++) /* many small steps fill it as one large one does */
		assert_int_equal(source_limit_take(l, "192.0.2.1", t), 0);
	assert_int_equal(source_limit_take(l, "192.0.2.1", 1600), 1);
	got = 0;
	for (int i = 0; i < 100; i++)
		got += source_limit_take(l, "192.0.2.1", INT64_MAX / 2); /* never more than the burst */
	assert_int_equal(got, 20);
	source_limit_free(l);
	l = source_limit_new(0, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(source_limit_take(l, "192.0.2.1", 0), 1);
	source_limit_free(l);
}

static int set_up(void **state)
{
	(void)state;
	pki_init(&ca, "Domain CA");
	pki_agent(&ca, &ca, "server", "DNS:sip.a.test", tls_dir, sizeof tls_dir);
	loop = sip_loop_new();
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sip_loop_free(loop);
	pki_end(&ca);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_source_has_a_burst_and_then_its_rate),
	    cmocka_unit_test(a_connection_that_says_nothing_is_cut_over_tcp_and_over_tls),
	    cmocka_unit_test(a_handshake_never_finished_and_a_request_that_trickles_are_cut),
	    cmocka_unit_test(who_asked_once_is_cut_when_idle_but_stays_while_its_flow_is_needed),
	    cmocka_unit_test(one_source_gets_its_share_and_another_is_still_served),
	    cmocka_unit_test(one_source_gets_so_many_new_connections_a_second),
	    cmocka_unit_test(when_all_places_are_taken_one_that_never_asked_makes_room),
	    cmocka_unit_test(without_a_descriptor_the_port_does_not_spin_says_so_and_recovers_by_itself),
	    cmocka_unit_test(a_strangers_request_is_answered_without_a_transaction_and_each_copy_alike),
	    cmocka_unit_test(with_a_transaction_a_copy_is_no_second_request),
	    cmocka_unit_test(beyond_the_bound_of_requests_the_answer_is_503_with_retry_after),
	    cmocka_unit_test(an_invite_beyond_its_sources_share_is_503_without_a_transaction),
	    cmocka_unit_test(who_sends_too_many_invites_in_a_dialog_loses_the_connection),
	};
	return cmocka_run_group_tests_name("sip_gate", tests, set_up, tear_down);
}

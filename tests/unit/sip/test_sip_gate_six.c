/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sip_gate_six.c - the gate before a SIP port that listens on IPv6: the share of one address, what is silent, and
 * who asked, are told apart as for IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "net/sip_port.h"
#include "unit/test.h"

static struct sip_loop *loop;
static struct sip_port *port;
static int requests;

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	(void)ctx, (void)rq;
	requests++;
	assert_int_equal(sip_reply(tx, 200, NULL, NULL), MCSEC_OK);
}

static int dial(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	a.sin6_port = htons(sip_port_number(port, 0));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Not every machine has it. */
static int has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), has = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
	if (fd >= 0)
		close(fd);
	return has;
}

static struct sip_port_counts counts(void)
{
	struct sip_port_counts c;
	sip_port_counts(port, &c);
	return c;
}

static int closed_within(int fd, int ms)
{
	char octets[1000];
	for (int64_t end = sip_loop_now_ms(loop) + ms; sip_loop_now_ms(loop) < end;) {
		sip_loop_step(loop, 10);
		ssize_t n = recv(fd, octets, sizeof octets, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
			return 1;
	}
	return 0;
}

static void ask(int fd)
{
	static const char text[] = "OPTIONS sip:a@[::1] SIP/2.0\r\nVia: SIP/2.0/TCP [::1];rport;branch=z9hG4bK-six\r\n"
				   "From: <sip:x@y.test>;tag=f\r\nTo: <sip:a@[::1]>\r\nCall-ID: six\r\n"
				   "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(send(fd, text, sizeof text - 1, 0), sizeof text - 1);
	for (int i = 0; i < 1000 && !requests; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(requests, 1);
}

static void the_share_of_an_address_and_silence_count_over_ipv6(void **state)
{
	char err[256] = "";
	(void)state;
	if (!has_ipv6())
		skip();
	struct sip_port_options o = {.n_listen = 1,
				     .listen = {{SIP_TCP, "::1", 0}},
				     .on_request = on_request,
				     .first_request_ms = 300,
				     .idle_ms = 60000,
				     .max_per_source = 2};
	port = sip_port_new(loop, &o, err, sizeof err);
	if (!port)
		fail_msg("%s", err);
	int asks = dial(), silent = dial();
	for (int i = 0; i < 1000 && counts().open < 2; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(counts().open, 2);
	int third = dial();
	assert_true(closed_within(third, 10000)); /* more than its share */
	assert_int_equal(counts().refused, 1);
	ask(asks);
	assert_true(closed_within(silent, 10000));
	assert_false(closed_within(asks, 100)); /* who asked stays */
	assert_int_equal(counts().cut, 1);
	close(asks);
	close(silent);
	close(third);
	sip_port_free(port);
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
	    cmocka_unit_test(the_share_of_an_address_and_silence_count_over_ipv6),
	};
	return cmocka_run_group_tests_name("sip_gate_six", tests, set_up, tear_down);
}

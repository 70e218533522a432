/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SIP port will not read, over TCP and over TLS alike: a body too long is refused and passed over; what cannot
 * be read ends the connection it came on, because nobody knows where the next message would begin (RFC 3261 18.3). The
 * peer speaks in octets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "unit/sip/port_bed.h"

static const enum sip_transport both[] = {SIP_TCP, SIP_TLS};

/* A server, and a connection to it. */
struct line {
	struct end server;
	enum sip_transport t;
	int fd;
	SSL_CTX *ctx; /* NULL over TCP */
	SSL *ssl;
};

static void shake_hands(struct line *l)
{
	char agent[160];
	int rc = 0;
	snprintf(agent, sizeof agent, "%s/agent.pem", dir_alice);
	l->ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate_file(l->ctx, agent, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(l->ctx, agent, SSL_FILETYPE_PEM), 1);
	l->ssl = SSL_new(l->ctx);
	SSL_set_fd(l->ssl, l->fd);
	for (int i = 0; i < 1000 && (rc = SSL_connect(l->ssl)) != 1; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(rc, 1);
}

static void connect_to(struct line *l)
{
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(sip_port_number(l->server.port, 0)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(l->fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
	if (l->t == SIP_TLS)
		shake_hands(l);
}

static void hang_up(struct line *l)
{
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	close(l->fd);
}

static void line_open(struct line *l, enum sip_transport t)
{
	*l = (struct line){.t = t};
	end_open(&l->server, t, NULL, t == SIP_TLS ? dir_server : NULL);
	connect_to(l);
}

static void line_close(struct line *l)
{
	hang_up(l);
	end_close(&l->server);
}

/* All of it, unless the server takes no more. */
static void say(struct line *l, const char *text, size_t len)
{
	for (size_t at = 0, i = 0; at < len && i < 2000; i++) {
		ssize_t n = l->ssl ? SSL_write(l->ssl, text + at, (int)(len - at))
				   : send(l->fd, text + at, len - at, MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
		sip_loop_step(loop, n > 0 ? 0 : 2);
	}
}

/* What arrives at once; 0: nothing now, -1: the stream has ended. */
static ssize_t hear_now(struct line *l, char *text, size_t size)
{
	ssize_t n = l->ssl ? SSL_read(l->ssl, text, (int)size) : recv(l->fd, text, size, 0);
	if (n > 0)
		return n;
	if (l->ssl)
		return SSL_get_error(l->ssl, (int)n) == SSL_ERROR_WANT_READ ? 0 : -1;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}

/* What is heard until `end` is in it or, end NULL, until the stream ends. */
static const char *hear(struct line *l, const char *end)
{
	static char text[8000];
	size_t at = 0;
	text[0] = 0;
	for (int i = 0; i < 1000; i++) {
		ssize_t n = hear_now(l, text + at, sizeof text - 1 - at);
		at += n > 0 ? (size_t)n : 0;
		text[at] = 0;
		if (end ? strstr(text, end) != NULL : n < 0)
			return text;
		sip_loop_step(loop, 10);
	}
	fail_msg("%s: not %s, but: %s", sip_transport_name(l->t), end ? end : "the end", text);
	return text;
}

/* A request that is answered 200: from now on the connection may be idle for minutes. */
static void ask_well(struct line *l)
{
	static unsigned n;
	char text[600];
	int len = snprintf(text, sizeof text,
			   "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK-well%u\r\n"
			   "From: <sip:x@y.test>;tag=w\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: well%u\r\n"
			   "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			   l->t == SIP_TLS ? "TLS" : "TCP", n, n);
	n++;
	say(l, text, (size_t)len);
	hear(l, "SIP/2.0 200 ");
}

static void a_first_line_that_does_not_parse_ends_its_connection(void **state)
{
	(void)state;
	static const char *const bad[] = {"OPTIONS sip:a@127.0.0.1\r\nCall-ID: x\r\n\r\n", "no request at all\r\n\r\n",
					  "SIP/2.0 two hundred\r\n\r\n"};
	for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
		struct line l;
		line_open(&l, both[i % 2]);
		ask_well(&l);
		say(&l, bad[i / 2], strlen(bad[i / 2]));
		hear(&l, NULL);
		assert_int_equal(l.server.requests, 1);
		line_close(&l);
	}
}

static void who_does_not_go_after_the_end_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		struct sip_port_counts c;
		line_open(&l, both[i]);
		ask_well(&l);
		say(&l, "x y\r\n\r\n", 7);
		for (int n = 0; n < 1000; n++) {
			sip_loop_step(loop, 10);
			sip_port_counts(l.server.port, &c);
			if (c.open == 0)
				break;
		}
		assert_int_equal(c.open, 0);
		line_close(&l);
	}
}

/* The head of a request with a body of so many octets, and `here` of these. */
static void say_head(struct line *l, const char *method, const char *id, unsigned body, size_t here)
{
	static char text[600 + 100000];
	int len =
	    snprintf(text, sizeof text,
		     "%s sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK-%s\r\n"
		     "From: <sip:x@y.test>;tag=l\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: %s\r\n"
		     "CSeq: 1 %s\r\nContact: <sip:x@127.0.0.1:9>\r\nMax-Forwards: 70\r\nContent-Length: %u\r\n\r\n",
		     method, l->t == SIP_TLS ? "TLS" : "TCP", id, id, method, body);
	memset(text + len, 'O', here);
	say(l, text, (size_t)len + here);
}

static void say_octets(struct line *l, size_t n)
{
	static char text[100000];
	memset(text, 'O', sizeof text); /* as a request might begin */
	for (size_t at = 0; at < n; at += sizeof text)
		say(l, text, n - at < sizeof text ? n - at : sizeof text);
}

/* As from a SIP core after a pause of ours: more than one message may have, and no message too long. */
static void requests_that_come_all_at_once_are_answered_each(void **state)
{
	(void)state;
	enum { N = 400 };
	static char text[N * 400];
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		size_t len = 0;
		line_open(&l, both[i]);
		for (int n = 0; n < N; n++)
			len += (size_t)snprintf(
			    text + len, sizeof text - len,
			    "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK-once%d\r\n"
			    "From: <sip:x@y.test>;tag=w\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: once%d\r\n"
			    "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			    l.t == SIP_TLS ? "TLS" : "TCP", n, n);
		assert_true(len > SIP_MAX_MESSAGE);
		size_t said = 0;
		char heard[8000];
		for (int n = 0; n < 6000 && l.server.requests < N; n++) {
			ssize_t out = said == len ? 0
				      : l.ssl     ? SSL_write(l.ssl, text + said, (int)(len - said))
						  : send(l.fd, text + said, len - said, MSG_NOSIGNAL);
			said += out > 0 ? (size_t)out : 0;
			if (said == len)
				sip_loop_step(loop, 2);
			while (hear_now(&l, heard, sizeof heard) > 0)
				;
		}
		assert_int_equal(l.server.requests, N);
		line_close(&l);
	}
}

/* The connection may be a SIP core's: what others wait for over it must come (RFC 3261 21.4.11). */
static void a_body_too_long_is_413_and_everything_else_of_its_connection_goes_on(void **state)
{
	(void)state;
	static const unsigned bodies[] = {SIP_MAX_MESSAGE, SIP_MAX_MESSAGE + 1000, 1 << 20, 5000000};
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		line_open(&l, both[i]);
		l.server.hold = 1;
		say_head(&l, "INVITE", "waits", 0, 0);
		hear(&l, "SIP/2.0 180 ");
		for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
			char id[16];
			snprintf(id, sizeof id, "long%zu", k);
			size_t here = k % 2 ? 60000 : k ? 1 : 0; /* in one piece with its head */
			say_head(&l, "MESSAGE", id, bodies[k], here);
			say_octets(&l, bodies[k] - here);
			const char *said = hear(&l, "\r\n\r\n");
			if (!strstr(said, "SIP/2.0 413 ") || !strstr(said, id))
				fail_msg("%s: %s", sip_transport_name(l.t), said);
			ask_well(&l);
		}
		assert_int_equal(l.server.requests, 1 + sizeof bodies / sizeof *bodies);
		assert_non_null(l.server.held);
		sip_reply(l.server.held, 486, NULL, NULL);
		hear(&l, "SIP/2.0 486 ");
		line_close(&l);
	}
}

static void a_connection_that_ends_within_a_body_too_long_leaves_nothing_for_the_next(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		line_open(&l, both[i]);
		for (int k = 0; k < 70; k++) { /* more than may be passed over at once */
			struct line other = {.server = l.server, .t = l.t};
			connect_to(&other);
			say_head(&other, "MESSAGE", "cut", 1 << 20, 10);
			hear(&other, "SIP/2.0 413 ");
			hang_up(&other);
		}
		hang_up(&l); /* on a slow machine it has been silent for too long by now */
		connect_to(&l);
		ask_well(&l);
		assert_int_equal(l.server.requests, 1);
		line_close(&l);
	}
}

static void a_body_beyond_what_is_passed_over_is_413_and_ends_its_connection(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		line_open(&l, both[i]);
		say_head(&l, "MESSAGE", "endless", (16 << 20) + 1, 10);
		const char *said = hear(&l, NULL);
		if (!strstr(said, "SIP/2.0 413 "))
			fail_msg("%s: %s", sip_transport_name(l.t), said);
		assert_int_equal(l.server.requests, 0);
		line_close(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_first_line_that_does_not_parse_ends_its_connection),
	    cmocka_unit_test(who_does_not_go_after_the_end_is_cut),
	    cmocka_unit_test(requests_that_come_all_at_once_are_answered_each),
	    cmocka_unit_test(a_body_too_long_is_413_and_everything_else_of_its_connection_goes_on),
	    cmocka_unit_test(a_connection_that_ends_within_a_body_too_long_leaves_nothing_for_the_next),
	    cmocka_unit_test(a_body_beyond_what_is_passed_over_is_413_and_ends_its_connection),
	};
	return cmocka_run_group_tests_name("sip_unread", tests, bed_set_up, bed_tear_down);
}

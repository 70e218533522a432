/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SIP port cannot read ends the connection it came on, over TCP and over TLS alike: nobody knows where the
 * next message would begin (RFC 3261 18.3). The peer speaks in octets.
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

static void line_open(struct line *l, enum sip_transport t)
{
	*l = (struct line){.t = t, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	end_open(&l->server, t, NULL, t == SIP_TLS ? dir_server : NULL);
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(sip_port_number(l->server.port, 0)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(l->fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
	if (t == SIP_TLS)
		shake_hands(l);
}

static void line_close(struct line *l)
{
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	close(l->fd);
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
	char text[600];
	int len = snprintf(text, sizeof text,
			   "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK-well\r\n"
			   "From: <sip:x@y.test>;tag=w\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: well\r\n"
			   "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			   l->t == SIP_TLS ? "TLS" : "TCP");
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

static void a_message_too_long_is_answered_before_its_connection_ends(void **state)
{
	(void)state;
	static char text[SIP_MAX_MESSAGE + 4000];
	for (size_t i = 0; i < 2; i++) {
		struct line l;
		line_open(&l, both[i]);
		int len =
		    snprintf(text, sizeof text,
			     "MESSAGE sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK-long\r\n"
			     "From: <sip:x@y.test>;tag=l\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: long\r\n"
			     "CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: %u\r\n\r\n",
			     i ? "TLS" : "TCP", (unsigned)SIP_MAX_MESSAGE + 1000);
		memset(text + len, 'x', SIP_MAX_MESSAGE + 1000);
		say(&l, text, (size_t)len + SIP_MAX_MESSAGE + 1000);
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
	    cmocka_unit_test(a_message_too_long_is_answered_before_its_connection_ends),
	};
	return cmocka_run_group_tests_name("sip_unread", tests, bed_set_up, bed_tear_down);
}

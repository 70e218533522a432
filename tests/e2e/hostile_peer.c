/* SPDX-License-Identifier: Apache-2.0 */
/* hostile_peer.c - see hostile_peer.h. */
#include "e2e/hostile_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sec/base/text.h"
#include "unit/test.h"

enum { MIB = 1 << 20, PIECE = 16384 };

void peer_open(struct peer *p, uint16_t port, const char *tls_dir)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int on = 1;
	memset(p, 0, sizeof *p);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	getsockname(p->fd, (struct sockaddr *)&a, &len);
	p->port = ntohs(a.sin_port);
	if (tls_dir) {
		char pem[300];
		snprintf(pem, sizeof pem, "%s/agent.pem", tls_dir);
		p->ctx = SSL_CTX_new(TLS_client_method());
		assert_int_equal(SSL_CTX_use_certificate_file(p->ctx, pem, SSL_FILETYPE_PEM), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(p->ctx, pem, SSL_FILETYPE_PEM), 1);
		p->tls = SSL_new(p->ctx);
		SSL_set_mode(p->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_set_fd(p->tls, p->fd);
		assert_int_equal(SSL_connect(p->tls), 1);
	}
	assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
}

void peer_close(struct peer *p)
{
	SSL_free(p->tls);
	SSL_CTX_free(p->ctx);
	close(p->fd);
	memset(p, 0, sizeof *p);
}

/* Of a read or write that gave n: 1 if it did something, 0 if it would have to wait, -1 at the end. */
static int went(const struct peer *p, ssize_t n)
{
	if (n > 0)
		return 1;
	int why = p->tls ? SSL_get_error(p->tls, (int)n) : 0;
	int waits = p->tls ? why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE : n < 0 && errno == EAGAIN;
	return waits ? 0 : -1;
}

/* Some more of what comes: 1; 0 when nothing does in that time, -1 at the end. */
static int hear_more(struct peer *p, unsigned ms)
{
	struct pollfd f = {p->fd, POLLIN, 0};
	for (;;) {
		size_t room = sizeof p->heard - p->n;
		assert_true(room > 0);
		ERR_clear_error();
		ssize_t n =
		    p->tls ? SSL_read(p->tls, p->heard + p->n, (int)room) : recv(p->fd, p->heard + p->n, room, 0);
		p->n += n > 0 ? (size_t)n : 0;
		int how = went(p, n);
		if (how || poll(&f, 1, (int)ms) != 1)
			return how;
	}
}

/* Who is answered before the end says no more: the other side may not read it. */
int peer_say(struct peer *p, const void *octets, size_t n)
{
	const uint8_t *at = octets;
	struct pollfd f = {p->fd, POLLIN | POLLOUT, 0};
	while (n) {
		ERR_clear_error();
		ssize_t sent = p->tls ? SSL_write(p->tls, at, n > PIECE ? PIECE : (int)n)
				      : send(p->fd, at, n > PIECE ? PIECE : n, MSG_NOSIGNAL);
		int how = went(p, sent);
		if (how < 0 || (how == 0 && poll(&f, 1, 20000) != 1))
			return -1;
		at += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
		if (n && (hear_more(p, 0) < 0 || memmem(p->heard, p->n, "\r\n\r\n", 4)))
			return -1;
	}
	return 0;
}

/* A whole message at the front of what was heard is taken into `head`; its status, 0 if there is none. */
static int take_one(struct peer *p)
{
	char *end = memmem(p->heard, p->n, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t len = (size_t)(end - p->heard) + 2;
	assert_true(len < sizeof p->head);
	memcpy(p->head, p->heard, len);
	p->head[len] = 0;
	size_t whole = len + 2 + strtoul(peer_header(p, "Content-Length"), NULL, 10);
	if (p->n < whole)
		return 0;
	memmove(p->heard, p->heard + whole, p->n - whole);
	p->n -= whole;
	p->status = strncmp(p->head, "SIP/2.0 ", 8) == 0 ? atoi(p->head + 8) : 100;
	return p->status;
}

int peer_hear(struct peer *p, unsigned ms)
{
	for (;;) {
		int status = take_one(p);
		if (status >= 200)
			return status;
		int more = status ? 1 : hear_more(p, ms);
		if (more <= 0)
			return more;
	}
}

const char *peer_header(const struct peer *p, const char *name)
{
	static char value[1024];
	size_t n = strlen(name);
	for (const char *line = strstr(p->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
			continue;
		const char *at = line + 3 + n + strspn(line + 3 + n, " \t");
		snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
		return value;
	}
	return "";
}

uint8_t *peer_request(const struct peer *p, const struct said *s, size_t *len)
{
	static unsigned count;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	count++;
	fprintf(f,
		"%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;rport;branch=z9hG4bKhostile%d-%u\r\nMax-Forwards: 70\r\n"
		"From: <%s>;tag=h%u\r\nTo: <%s>%s%s\r\nCall-ID: hostile-%d-%u\r\nCSeq: 1 %s\r\n",
		s->method, s->uri, p->tls ? "TLS" : "TCP", p->port, (int)getpid(), count, s->from, count, s->to,
		s->to_tag ? ";tag=" : "", s->to_tag ? s->to_tag : "", (int)getpid(), count, s->method);
	if (s->contact)
		fprintf(f, "Contact: %s\r\n", s->contact);
	if (s->headers)
		fputs(s->headers, f);
	if (s->type)
		fprintf(f, "Content-Type: %s\r\n", s->type);
	if (s->length)
		fprintf(f, "Content-Length: %s\r\n\r\n", s->length);
	else
		fprintf(f, "Content-Length: %zu\r\n\r\n", s->body.len);
	fwrite(s->body.p ? s->body.p : (const uint8_t *)"", 1, s->body.len, f);
	fclose(f);
	*len = size;
	return (uint8_t *)text;
}

int peer_ask(struct peer *p, const struct said *s)
{
	size_t len;
	uint8_t *octets = peer_request(p, s, &len);
	int rc = peer_say(p, octets, len);
	free(octets);
	int status = peer_hear(p, 20000);
	return status == 0 && rc ? -1 : status;
}

/* ---- bodies ---- */

static void put(FILE *f, struct octets o)
{
	fwrite(o.p ? o.p : (const uint8_t *)"", 1, o.len, f);
}

static void put_base64(FILE *f, struct octets o, char how)
{
	char *text = malloc(BASE64_SIZE(o.len));
	size_t n = base64_encode(o, text);
	if (how == '*')
		text[n / 2] = '*';
	fwrite(text, 1, n - (how == '-'), f);
	free(text);
}

static void put_mark(FILE *f, char mark, const struct parts *p)
{
	struct octets m = p->mikey;
	static char big[MIB];
	memset(big, 'x', sizeof big);
	switch (mark) {
	case 'M':
		put(f, m);
		break;
	case '1':
		put(f, (struct octets){m.p, m.len / 2});
		break;
	case '2':
		put(f, (struct octets){m.p + m.len / 2, m.len - m.len / 2});
		break;
	case '6':
	case '*':
	case '-':
		put_base64(f, m, mark);
		break;
	case 'i':
		put(f, p->info);
		break;
	case 'l':
		put(f, p->lists);
		break;
	case 'p':
		put(f, p->settings);
		break;
	case 'B':
		fwrite(big, 1, sizeof big, f);
		break;
	default:
		fail_msg("no mark $%c", mark);
	}
}

uint8_t *body_filled(const char *text, const struct parts *parts, size_t *len)
{
	char *out = NULL;
	FILE *f = open_memstream(&out, len);
	for (; *text; text++) {
		if (*text == '$')
			put_mark(f, *++text, parts);
		else
			fputc(*text, f);
	}
	fclose(f);
	return (uint8_t *)out;
}

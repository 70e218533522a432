/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flood.c - a hostile crowd for the flood tests: so many connections at once to one port of 127.0.0.0/8, from several
 * addresses of this machine, each opened again as soon as it ends.
 *
 *	flood --port N --mode half|slow|ask|push --connections N --sources N --seconds N
 *	      [--tls NAME] [--cert PEM] [--ahead N] [--each N] [--text FILE]
 *
 * half: connects, sends the first octets of a TLS record and nothing more. slow: (after the TLS handshake, with --tls)
 * one octet of the text every half second. ask: the text again and again, at most --ahead of them unanswered, --each a
 * connection. push: likewise, and no answer is waited for. In the text each "@@@@@@@@" becomes a number of its own.
 * At the end one line of JSON: what was tried, and the answers by the first digit of their status.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 32768, SLOW_MS = 500, AGAIN_MS = 20, FIRST_NET = 78, PER_NET = 250 };
enum mode { HALF, SLOW, ASK, PUSH, MODES };
static const char *const modes[MODES] = {"half", "slow", "ask", "push"};

static struct {
	enum mode mode;
	unsigned port, connections, sources, seconds, ahead, each;
	const char *tls, *cert;
	char text[TEXT_MAX];
	size_t text_len;
} o = {.connections = 100, .sources = 1, .seconds = 5, .ahead = 1, .each = 1000000};

static struct {
	unsigned long tried, connected, handshakes, requests, ended;
	unsigned long answers[10];
} told;

struct peer {
	int fd;
	SSL *ssl;
	int connected, ready;
	unsigned asked, answered;
	size_t sent;   /* of the text at hand */
	int64_t at_ms; /* when it goes on by itself; 0: when the socket says so */
	char text[TEXT_MAX];
};

static SSL_CTX *tls;
static int poller;
static uint32_t number;

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void end(struct peer *p, int64_t again_ms)
{
	if (p->ssl)
		SSL_free(p->ssl);
	if (p->fd >= 0)
		close(p->fd);
	told.ended++;
	*p = (struct peer){.fd = -1, .at_ms = again_ms};
}

/* A fresh copy of the text, with numbers of its own. */
static void renew(struct peer *p)
{
	memcpy(p->text, o.text, o.text_len + 1);
	for (char *at = p->text; (at = strstr(at, "@@@@@@@@"));) {
		char digits[9];
		snprintf(digits, sizeof digits, "%08x", number);
		memcpy(at, digits, 8);
	}
	number++;
	p->sent = 0;
}

static void begin(struct peer *p, unsigned i)
{
	struct sockaddr_in own = {.sin_family = AF_INET},
			   to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
	unsigned source = i % o.sources;
	own.sin_addr.s_addr = htonl(127u << 24 | FIRST_NET << 16 | source / PER_NET << 8 | (source % PER_NET + 1));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	told.tried++;
	p->at_ms = 0;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct linger reset = {1, 0}; /* no TIME_WAIT: the ports are needed again */
	int one = 1;
	if (p->fd < 0 || setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) ||
	    setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) ||
	    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
	    bind(p->fd, (struct sockaddr *)&own, sizeof own) ||
	    (connect(p->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
		end(p, now_ms() + AGAIN_MS);
		return;
	}
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};
	epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &e);
}

/* ---- octets, with or without TLS: how many; 0: not now; -1: over ---- */

static long verdict(const struct peer *p, long n)
{
	if (n > 0)
		return n;
	if (!p->ssl)
		return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
	int e = SSL_get_error(p->ssl, (int)n);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static long put(struct peer *p, const char *text, size_t len)
{
	return verdict(p, p->ssl ? SSL_write(p->ssl, text, (int)len) : send(p->fd, text, len, MSG_NOSIGNAL));
}

static long get(struct peer *p, char *text, size_t size)
{
	return verdict(p, p->ssl ? SSL_read(p->ssl, text, (int)size) : recv(p->fd, text, size, 0));
}

/* ---- one peer ---- */

static void count_answers(struct peer *p, char *text, size_t len)
{
	text[len] = 0;
	for (const char *at = text; (at = strstr(at, "/")); at++) {
		const char *digit = strncmp(at, "/1.1 ", 5) == 0 ? at + 5 : strncmp(at, "/2.0 ", 5) == 0 ? at + 5 : "";
		if (*digit < '2' || *digit > '6')
			continue;
		told.answers[*digit - '0']++;
		p->answered++;
	}
}

static int handshake(struct peer *p)
{
	if (!p->ssl) {
		p->ssl = SSL_new(tls);
		if (!p->ssl || !SSL_set_fd(p->ssl, p->fd) || !SSL_set_tlsext_host_name(p->ssl, o.tls))
			return -1;
	}
	int rc = SSL_connect(p->ssl);
	if (rc == 1) {
		told.handshakes++;
		p->ready = 1;
		return 1;
	}
	return verdict(p, rc) < 0 ? -1 : 0;
}

/* 0, or -1: over. */
static int talk(struct peer *p)
{
	size_t most = o.mode == SLOW ? 1 : TEXT_MAX;
	while (o.mode == PUSH || p->asked - p->answered < o.ahead) {
		size_t left = o.text_len - p->sent;
		long n = put(p, p->text + p->sent, left < most ? left : most);
		if (n <= 0)
			return (int)n;
		p->sent += (size_t)n;
		if (p->sent == o.text_len) {
			told.requests++;
			if (++p->asked >= o.each && o.mode == PUSH)
				return -1;
			renew(p);
		}
		if (o.mode == SLOW) {
			p->at_ms = now_ms() + SLOW_MS;
			return 0;
		}
		if (p->asked >= o.each)
			return 0;
	}
	return 0;
}

static int go_on(struct peer *p)
{
	static const char record[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	static char in[65536];
	long n = 0;
	if (!p->connected) {
		int error = 0;
		socklen_t len = sizeof error;
		if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
			return -1;
		p->connected = 1;
		told.connected++;
		renew(p);
		if (o.mode == HALF)
			return put(p, record, sizeof record - 1) < 0 ? -1 : 0;
		p->ready = !o.tls;
	}
	if (!p->ready && o.mode != HALF) {
		int rc = handshake(p);
		if (rc <= 0)
			return rc;
	}
	while ((n = get(p, in, sizeof in - 1)) > 0)
		count_answers(p, in, (size_t)n);
	if (n < 0 || (p->asked >= o.each && p->answered >= p->asked))
		return -1;
	return o.mode == HALF || p->asked >= o.each ? 0 : talk(p);
}

static void run(struct peer *peers)
{
	struct epoll_event events[256];
	int64_t until = now_ms() + 1000 * (int64_t)o.seconds;
	for (unsigned i = 0; i < o.connections; i++)
		peers[i] = (struct peer){.fd = -1, .at_ms = now_ms() + i % 1000};
	while (now_ms() < until) {
		int n = epoll_wait(poller, events, 256, 5);
		int64_t now = now_ms();
		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;
			/* A slow one speaks when its time has come, and only then. */
			int waits = p->at_ms > now && p->ready && !(events[i].events & (EPOLLIN | EPOLLHUP));
			if (p->fd >= 0 && !waits && go_on(p))
				end(p, now + AGAIN_MS);
		}
		for (unsigned i = 0; i < o.connections; i++) {
			struct peer *p = &peers[i];
			if (!p->at_ms || p->at_ms > now)
				continue;
			p->at_ms = 0;
			if (p->fd < 0)
				begin(p, i);
			else if (go_on(p))
				end(p, now + AGAIN_MS);
		}
	}
}

/* ---- arguments ---- */

static int read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	o.text_len = f ? fread(o.text, 1, sizeof o.text - 1, f) : 0;
	if (f)
		fclose(f);
	return o.text_len ? 0 : -1;
}

static int read_arguments(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"port", 1, 0, 'p'},
	    {"mode", 1, 0, 'm'},
	    {"connections", 1, 0, 'n'},
	    {"sources", 1, 0, 's'},
	    {"seconds", 1, 0, 't'},
	    {"tls", 1, 0, 'T'},
	    {"cert", 1, 0, 'c'},
	    {"ahead", 1, 0, 'a'},
	    {"each", 1, 0, 'e'},
	    {"text", 1, 0, 'x'},
	    {0},
	};
	int c, bad = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		unsigned value = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
		unsigned *number_of = c == 'p'   ? &o.port
				      : c == 'n' ? &o.connections
				      : c == 's' ? &o.sources
				      : c == 't' ? &o.seconds
				      : c == 'a' ? &o.ahead
				      : c == 'e' ? &o.each
						 : NULL;
		if (number_of)
			bad |= (*number_of = value) == 0;
		else if (c == 'T')
			o.tls = optarg;
		else if (c == 'c')
			o.cert = optarg;
		else if (c == 'x')
			bad |= read_text(optarg) != 0;
		else if (c == 'm')
			while (o.mode < MODES && strcmp(modes[o.mode], optarg) != 0)
				o.mode++;
		else
			bad = 1;
	}
	return bad || o.mode >= MODES || !o.port || (o.mode != HALF && !o.text_len) ? -1 : 0;
}

static int make_tls(void)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls)
		return -1;
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	return !o.cert || (SSL_CTX_use_certificate_chain_file(tls, o.cert) == 1 &&
			   SSL_CTX_use_PrivateKey_file(tls, o.cert, SSL_FILETYPE_PEM) == 1)
		   ? 0
		   : -1;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (read_arguments(argc, argv) || (o.tls && make_tls())) {
		fprintf(stderr, "flood: bad arguments; its source says which there are\n");
		return 2;
	}
	struct peer *peers = calloc(o.connections, sizeof *peers);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!peers || poller < 0)
		return 2;
	number = (uint32_t)getpid() << 16;
	run(peers);
	printf("{\"tried\":%lu,\"connected\":%lu,\"handshakes\":%lu,\"requests\":%lu,\"ended\":%lu,\"2xx\":%lu,\"3xx\":"
	       "%lu,"
	       "\"4xx\":%lu,\"5xx\":%lu}\n",
	       told.tried, told.connected, told.handshakes, told.requests, told.ended, told.answers[2], told.answers[3],
	       told.answers[4], told.answers[5]);
	return 0;
}

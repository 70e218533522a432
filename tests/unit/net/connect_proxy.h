/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect_proxy.h - a small HTTP proxy on loopback for tests: it tunnels CONNECT to 127.0.0.1 and the named port, or
 * answers what a test wants, and keeps every octet that passes it, as a curious one would.
 *
 * A name is never looked up: the proxy is the resolver of what is asked for. Names must end in ".test" or be 127.0.0.1.
 */
#ifndef MCX_TEST_CONNECT_PROXY_H
#define MCX_TEST_CONNECT_PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/test.h"

enum { PROXY_SEEN_MAX = 1 << 20, PROXY_HEAD_MAX = 4096, PROXY_CONNECTIONS = 64 };

struct connect_proxy {
	int fd;
	uint16_t port;
	char url[64];       /* http://127.0.0.1:port */
	const char *answer; /* sent to whoever connects, then the end; NULL: CONNECT is carried out */
	pthread_t thread, serving[PROXY_CONNECTIONS];
	atomic_uint connections;
	pthread_mutex_t lock; /* guards what follows */
	size_t n_seen;
	uint8_t seen[PROXY_SEEN_MAX];
};

struct proxied {
	struct connect_proxy *p;
	int fd;
};

static inline void proxy_note(struct connect_proxy *p, const uint8_t *octets, size_t n)
{
	pthread_mutex_lock(&p->lock);
	assert_true(n <= sizeof p->seen - p->n_seen);
	memcpy(p->seen + p->n_seen, octets, n);
	p->n_seen += n;
	pthread_mutex_unlock(&p->lock);
}

static inline int proxy_saw(struct connect_proxy *p, const char *text)
{
	pthread_mutex_lock(&p->lock);
	int found = memmem(p->seen, p->n_seen, text, strlen(text)) != NULL;
	pthread_mutex_unlock(&p->lock);
	return found;
}

static inline void proxy_send(int fd, const void *octets, size_t n)
{
	for (const uint8_t *at = octets; n;) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += sent;
		n -= (size_t)sent;
	}
}

/* The request up to its empty line; 0 when the peer went away. */
static inline int proxy_head(struct proxied *c, char head[PROXY_HEAD_MAX])
{
	size_t n = 0;
	head[0] = 0;
	while (!strstr(head, "\r\n\r\n")) {
		ssize_t got = n < PROXY_HEAD_MAX - 1 ? recv(c->fd, head + n, 1, 0) : 0;
		if (got <= 0)
			return 0;
		n += (size_t)got;
		head[n] = 0;
	}
	proxy_note(c->p, (const uint8_t *)head, n);
	return 1;
}

/* The other end of "CONNECT name:port HTTP/1.1", or -1. */
static inline int proxy_reach(const char *head)
{
	char name[256];
	unsigned port = 0;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (sscanf(head, "CONNECT %255[^: ]:%u HTTP/1.1\r\n", name, &port) != 2 || port == 0 || port > 65535)
		return -1;
	size_t len = strlen(name);
	if (strcmp(name, "127.0.0.1") != 0 && (len < 5 || strcmp(name + len - 5, ".test") != 0))
		return -1;
	to.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static inline void proxy_relay(struct proxied *c, int other)
{
	uint8_t octets[8192];
	struct pollfd ends[2] = {{c->fd, POLLIN, 0}, {other, POLLIN, 0}};
	while (poll(ends, 2, 30000) > 0)
		for (int i = 0; i < 2; i++) {
			if (!ends[i].revents)
				continue;
			ssize_t n = recv(ends[i].fd, octets, sizeof octets, 0);
			if (n <= 0)
				return;
			proxy_note(c->p, octets, (size_t)n);
			proxy_send(ends[1 - i].fd, octets, (size_t)n);
		}
}

static inline void *proxy_serve(void *arg)
{
	/* what a proxy says of itself must not be taken for the server's */
	static const char established[] = "HTTP/1.1 200 Connection established\r\nSet-Cookie: of=the-proxy\r\n"
					  "Location: https://elsewhere.test/\r\n\r\n";
	struct proxied c = *(struct proxied *)arg;
	char head[PROXY_HEAD_MAX];
	free(arg);
	if (proxy_head(&c, head)) {
		int other = c.p->answer ? -1 : proxy_reach(head);
		if (c.p->answer)
			proxy_send(c.fd, c.p->answer, strlen(c.p->answer));
		else if (other < 0)
			proxy_send(c.fd, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", 47);
		else
			proxy_send(c.fd, established, strlen(established));
		if (other >= 0) {
			proxy_relay(&c, other);
			close(other);
		}
	}
	close(c.fd);
	return NULL;
}

static inline void *proxy_accept(void *arg)
{
	struct connect_proxy *p = arg;
	for (;;) {
		int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		struct proxied *c = malloc(sizeof *c);
		unsigned n = atomic_load(&p->connections);
		assert_non_null(c);
		assert_true(n < PROXY_CONNECTIONS);
		*c = (struct proxied){p, fd};
		assert_int_equal(pthread_create(&p->serving[n], NULL, proxy_serve, c), 0);
		atomic_store(&p->connections, n + 1);
	}
}

static inline struct connect_proxy *proxy_new(const char *answer)
{
	struct connect_proxy *p = calloc(1, sizeof *p);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	assert_non_null(p);
	p->answer = answer;
	pthread_mutex_init(&p->lock, NULL);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(p->fd, 16), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &len), 0);
	p->port = ntohs(at.sin_port);
	snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", p->port);
	assert_int_equal(pthread_create(&p->thread, NULL, proxy_accept, p), 0);
	return p;
}

/* After its clients are gone. */
static inline void proxy_free(struct connect_proxy *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	for (unsigned i = 0; i < p->connections; i++)
		pthread_join(p->serving[i], NULL);
	close(p->fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

#endif

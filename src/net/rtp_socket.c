/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp_socket.c - see rtp_socket.h. The port is drawn by the kernel until it is even (RFC 3550 11).
 */
#include "net/rtp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_TRIES = 64, RECEIVE_BUFFER = 1 << 20 };

struct rtp_socket {
	int fd;
	atomic_int connected; /* again by the loop, while the media thread sends and receives */
	uint16_t port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t parse(const char *text, uint16_t port, union address *a)
{
	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof a->v4;
	}
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof a->v6;
	}
	return 0;
}

static int bind_any(union address *a, socklen_t len, uint16_t *port)
{
	int fd = socket(a->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = RECEIVE_BUFFER;
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* a picture's packets come in one burst */
	union address bound = {0};
	socklen_t bound_len = sizeof bound;
	if (bind(fd, &a->any, len) || getsockname(fd, &bound.any, &bound_len)) {
		close(fd);
		return -1;
	}
	*port = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
	return fd;
}

struct rtp_socket *rtp_socket_open(const char *address)
{
	union address a;
	socklen_t len = parse(address, 0, &a);
	struct rtp_socket *s = len ? calloc(1, sizeof *s) : NULL;
	if (!s)
		return NULL;
	for (int i = 0; i < PORT_TRIES; i++) {
		s->fd = bind_any(&a, len, &s->port);
		if (s->fd >= 0 && s->port % 2 == 0)
			return s;
		if (s->fd >= 0)
			close(s->fd);
	}
	free(s);
	return NULL;
}

void rtp_socket_close(struct rtp_socket *s)
{
	if (s)
		close(s->fd);
	free(s);
}

int rtp_socket_fd(const struct rtp_socket *s)
{
	return s->fd;
}

uint16_t rtp_socket_port(const struct rtp_socket *s)
{
	return s->port;
}

int rtp_socket_connect(struct rtp_socket *s, const char *address, uint16_t port)
{
	union address a;
	socklen_t len = parse(address, port, &a);
	if (!len || !port || connect(s->fd, &a.any, len))
		return -1;
	s->connected = 1;
	return 0;
}

int rtp_socket_send(struct rtp_socket *s, struct octets packet)
{
	if (send(s->fd, packet.p, packet.len, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == ECONNREFUSED || errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? 0 : -1;
}

size_t rtp_socket_receive(struct rtp_socket *s, uint8_t *buf, size_t size, int wait_ms)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	if (poll(&p, 1, wait_ms < 0 ? 0 : wait_ms) <= 0)
		return 0;
	ssize_t n = recv(s->fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);
	return n > 0 && (size_t)n <= size && s->connected ? (size_t)n : 0;
}

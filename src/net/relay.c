/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.c - the relay's sockets and its thread (epoll).
 *
 * One leg is one socket: (stream, end, RTP or RTCP). Its twin is the same at the other end: what a leg receives from
 * its own remote address leaves through the twin's socket to the twin's remote address. Sessions change under the
 * mutex; the thread holds it for one packet at a time, so a closed session's sockets are never used again.
 */
#include "net/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sec/base/check.h"

enum { ENDS = 2, KINDS = 2, BATCH = 64, RECEIVE_BUFFER = 1 << 20 };

struct leg {
	struct relay_session *session;
	struct leg *twin;
	int fd;
	struct sockaddr_storage remote;
	socklen_t remote_len; /* 0: not known yet */
	uint8_t stream, end, kind;
	int64_t second; /* the one that `taken` counts in */
	unsigned taken;
};

struct relay_session {
	struct relay_session *next, **back;
	struct relay *relay;
	size_t n;
	uint16_t port[RELAY_MAX_STREAMS][ENDS];
	struct leg legs[RELAY_MAX_STREAMS][ENDS][KINDS];
	int64_t last_ms;
	int closed;
	struct relay_events events;
	size_t ends_here;    /* the stream of the events; SIZE_MAX: none */
	int shut[ENDS];      /* media of that end is dropped */
	int64_t heard[ENDS]; /* when it was last told of */
};

struct relay {
	char address[48];
	uint16_t port_min, port_max, next_port;
	int epoll, wake;
	int stopping;
	pthread_t thread;
	pthread_mutex_t lock;
	struct relay_session *sessions;
	struct relay_session *dead; /* closed while a batch may still name them: freed by the thread between batches */
	struct relay_stats stats;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof *v6;
	}
	return 0;
}

static int same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): recvfrom and address_of filled them */
	if (a->ss_family != b->ss_family)
		return 0;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
	return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

/* ---- the thread ---- */

/* The stream ends here: within its rate the packet is handed over. */
static void take(struct relay *r, struct leg *l, const uint8_t *packet, size_t n)
{
	int64_t second = now_ms() / 1000;
	if (l->second != second)
		l->taken = 0;
	l->second = second;
	if (l->kind != 0 || n > RELAY_MAX_PACKET || MCX_FAULT(floor.rate, l->taken >= RELAY_TAKEN_PER_S)) {
		r->stats.dropped_rate++;
		return;
	}
	l->taken++;
	r->stats.taken++;
	l->session->events.taken(l->session->events.ctx, l->end, packet, n);
}

/* Whoever controls the floor hears of the media; 1 if it may pass. */
static int may_pass(struct relay *r, struct leg *l)
{
	struct relay_session *s = l->session;
	if (s->ends_here == SIZE_MAX)
		return 1;
	int64_t now = now_ms();
	if (l->kind == 0 && now - s->heard[l->end] >= RELAY_HEARD_MS) {
		s->heard[l->end] = now;
		s->events.heard(s->events.ctx, l->end);
	}
	if (!s->shut[l->end])
		return 1;
	r->stats.dropped_gate++;
	return 0;
}

static void forward(struct relay *r, struct leg *l)
{
	uint8_t packet[RELAY_MAX_PACKET];
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof from;
		ssize_t n = recvfrom(l->fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);
		if (n < 0)
			return;
		int here = l->stream == l->session->ends_here;
		if (l->remote_len == 0 || (!here && l->twin->remote_len == 0))
			r->stats.dropped_unready++;
		else if (!same_address(&from, &l->remote))
			r->stats.dropped_source++;
		else if (here)
			take(r, l, packet, (size_t)n);
		else if (!may_pass(r, l))
			continue;
		else if (n > RELAY_MAX_PACKET || sendto(l->twin->fd, packet, (size_t)n, MSG_DONTWAIT,
							(struct sockaddr *)&l->twin->remote, l->twin->remote_len) < 0)
			r->stats.dropped_send++;
		else {
			r->stats.forwarded++;
			l->session->last_ms = now_ms();
		}
	}
}

static void bury(struct relay *r)
{
	while (r->dead) {
		struct relay_session *s = r->dead;
		r->dead = s->next;
		free(s);
	}
}

static void *thread_main(void *arg)
{
	struct relay *r = arg;
	struct epoll_event ev[BATCH];
	for (;;) {
		int n = epoll_wait(r->epoll, ev, BATCH, -1);
		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			pthread_mutex_lock(&r->lock);
			struct leg *l = ev[i].data.ptr;
			uint64_t woken;
			if (!l)
				(void)!read(r->wake, &woken, sizeof woken); /* or it would wake us for ever */
			else if (!l->session->closed)
				forward(r, l);
			pthread_mutex_unlock(&r->lock);
		}
		pthread_mutex_lock(&r->lock);
		bury(r);
		r->stats.rounds++;
		int stop = r->stopping;
		pthread_mutex_unlock(&r->lock);
		if (stop)
			return NULL;
	}
}

struct relay *relay_new(const struct relay_options *o)
{
	struct sockaddr_storage probe;
	struct relay *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->port_min = (uint16_t)(o->port_min + (o->port_min & 1));
	r->port_max = o->port_max;
	r->next_port = r->port_min;
	pthread_mutex_init(&r->lock, NULL);
	struct epoll_event ev = {.events = EPOLLIN};
	sigset_t all, before;
	sigfillset(&all);
	int ok = strlen(o->address) < sizeof r->address && address_of(o->address, 0, &probe) && r->epoll >= 0 &&
		 r->wake >= 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake, &ev) == 0;
	if (ok) {
		strcpy(r->address, o->address);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		ok = pthread_create(&r->thread, NULL, thread_main, r) == 0;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (!ok) {
		close(r->epoll);
		close(r->wake);
		free(r);
		return NULL;
	}
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	while (r->sessions)
		relay_close(r->sessions);
	pthread_mutex_lock(&r->lock);
	r->stopping = 1;
	(void)!write(r->wake, &(uint64_t){1}, sizeof(uint64_t));
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	bury(r);
	close(r->epoll);
	close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- sessions ---- */

static int bind_one(const struct relay *r, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = address_of(r->address, port, &a);
	int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), room = RECEIVE_BUFFER;
	if (fd >= 0) /* a picture's packets come in one burst */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* An even port and the next one, both bound. 0, or -1 when the whole range was tried. */
static int bind_pair(struct relay *r, uint16_t *port, int fd[KINDS])
{
	unsigned range = ((unsigned)r->port_max - r->port_min + 1) / 2;
	for (unsigned i = 0; i < range; i++) {
		uint16_t p = r->next_port;
		r->next_port = (uint16_t)(p + 3 > r->port_max ? r->port_min : p + 2);
		fd[0] = bind_one(r, p);
		if (fd[0] < 0)
			continue;
		fd[1] = bind_one(r, (uint16_t)(p + 1));
		if (fd[1] >= 0) {
			*port = p;
			return 0;
		}
		close(fd[0]);
	}
	return -1;
}

static int open_stream(struct relay_session *s, size_t stream)
{
	struct relay *r = s->relay;
	for (int end = 0; end < ENDS; end++) {
		int fd[KINDS];
		if (bind_pair(r, &s->port[stream][end], fd) != 0)
			return -1;
		for (int kind = 0; kind < KINDS; kind++) {
			struct leg *l = &s->legs[stream][end][kind];
			*l = (struct leg){.session = s,
					  .twin = &s->legs[stream][!end][kind],
					  .fd = fd[kind],
					  .stream = (uint8_t)stream,
					  .end = (uint8_t)end,
					  .kind = (uint8_t)kind};
			struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
			if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, l->fd, &ev) != 0)
				return -1;
		}
	}
	return 0;
}

static void close_locked(struct relay_session *s)
{
	*s->back = s->next;
	if (s->next)
		s->next->back = s->back;
	for (size_t i = 0; i < s->n; i++)
		for (int end = 0; end < ENDS; end++)
			for (int kind = 0; kind < KINDS; kind++)
				if (s->legs[i][end][kind].fd >= 0)
					close(s->legs[i][end][kind].fd); /* leaves the epoll set too */
	s->closed = 1;
	s->relay->stats.sessions--;
	s->next = s->relay->dead;
	s->relay->dead = s;
	(void)!write(s->relay->wake, &(uint64_t){1}, sizeof(uint64_t));
}

struct relay_session *relay_open(struct relay *r, size_t n_streams)
{
	if (n_streams == 0 || n_streams > RELAY_MAX_STREAMS)
		return NULL;
	struct relay_session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->relay = r;
	s->n = n_streams;
	s->ends_here = SIZE_MAX;
	s->last_ms = now_ms();
	for (size_t i = 0; i < n_streams; i++)
		for (int end = 0; end < ENDS; end++)
			s->legs[i][end][0].fd = s->legs[i][end][1].fd = -1;
	pthread_mutex_lock(&r->lock);
	s->next = r->sessions;
	s->back = &r->sessions;
	if (s->next)
		s->next->back = &s->next;
	r->sessions = s;
	r->stats.sessions++;
	size_t i = 0;
	while (i < n_streams && open_stream(s, i) == 0)
		i++;
	if (i < n_streams) {
		close_locked(s);
		s = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	return s;
}

void relay_close(struct relay_session *s)
{
	if (!s)
		return;
	struct relay *r = s->relay;
	pthread_mutex_lock(&r->lock);
	close_locked(s);
	pthread_mutex_unlock(&r->lock);
}

uint16_t relay_port(const struct relay_session *s, size_t stream, int end)
{
	return stream < s->n ? s->port[stream][end != 0] : 0;
}

/* Is this one of our own sockets? Media sent there would come back to us. Lock held. */
static int is_own(const struct relay *r, const struct sockaddr_storage *a)
{
	struct sockaddr_storage own;
	for (const struct relay_session *s = r->sessions; s; s = s->next)
		for (size_t i = 0; i < s->n * ENDS * KINDS; i++) {
			uint16_t port = s->port[i / (ENDS * KINDS)][i / KINDS % ENDS];
			address_of(r->address, (uint16_t)(port + i % KINDS), &own);
			if (same_address(&own, a))
				return 1;
		}
	return 0;
}

enum mcsec_err relay_set_remote(struct relay_session *s, size_t stream, int end, const char *address, uint16_t port)
{
	struct sockaddr_storage rtp, rtcp;
	socklen_t len = address_of(address, port, &rtp);
	if (stream >= s->n || port == 0 || port == UINT16_MAX)
		return MCSEC_E_ARGUMENT;
	if (!len)
		return MCSEC_E_ENCODING;
	address_of(address, (uint16_t)(port + 1), &rtcp);
	pthread_mutex_lock(&s->relay->lock);
	int own = is_own(s->relay, &rtp);
	struct leg *l = s->legs[stream][end != 0];
	if (!own) {
		l[0].remote = rtp;
		l[1].remote = rtcp;
		l[0].remote_len = len;
		l[1].remote_len = is_own(s->relay, &rtcp) ? 0 : len; /* a neighbour of ours has no RTCP port */
	}
	pthread_mutex_unlock(&s->relay->lock);
	return own ? MCSEC_E_VALUE : MCSEC_OK;
}

void relay_end_here(struct relay_session *s, size_t stream, const struct relay_events *events)
{
	pthread_mutex_lock(&s->relay->lock);
	s->ends_here = stream;
	s->events = *events;
	pthread_mutex_unlock(&s->relay->lock);
}

int relay_send(struct relay_session *s, size_t stream, int end, const uint8_t *packet, size_t len)
{
	if (stream >= s->n)
		return -1;
	pthread_mutex_lock(&s->relay->lock);
	const struct leg *l = &s->legs[stream][end != 0][0];
	ssize_t n = l->remote_len ? sendto(l->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL,
					   (const struct sockaddr *)&l->remote, l->remote_len)
				  : -1;
	pthread_mutex_unlock(&s->relay->lock);
	return n < 0 ? -1 : 0;
}

void relay_gate(struct relay_session *s, int end, int open)
{
	pthread_mutex_lock(&s->relay->lock);
	s->shut[end != 0] = !open;
	pthread_mutex_unlock(&s->relay->lock);
}

void relay_alive(struct relay_session *s)
{
	pthread_mutex_lock(&s->relay->lock);
	s->last_ms = now_ms();
	pthread_mutex_unlock(&s->relay->lock);
}

int64_t relay_silent_ms(const struct relay_session *s)
{
	pthread_mutex_lock(&s->relay->lock);
	int64_t ms = now_ms() - s->last_ms;
	pthread_mutex_unlock(&s->relay->lock);
	return ms;
}

void relay_stats(struct relay *r, struct relay_stats *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->stats;
	pthread_mutex_unlock(&r->lock);
}

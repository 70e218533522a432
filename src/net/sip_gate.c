/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_gate.c - see sip_gate.h.
 *
 * The way in is as in sip_tls_free.c: a symbol of the program goes before that of a shared object, so the library's
 * accept() comes here. A connection is known by its descriptor and the kernel's socket cookie: the library closes
 * descriptors without telling, and a number may come back as something else; the cookie never does.
 */
#include "net/sip_gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/source_limit.h"
#include "net/spare.h"
#include "sec/base/check.h"

enum { MAX_PORTS = 8, BUCKETS = 1024, IDLE_MS = 5000, LINGER_MS = 1000 };

struct address {
	uint8_t host[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
};

struct guest {
	struct guest *next, *chain; /* all, newest first; and those of one bucket */
	struct address peer;
	int fd;
	uint64_t cookie;
	int64_t since_ms, last_ms; /* came; last whole request, 0: none yet */
	int64_t ended_ms;          /* its reading ended; 0: it did not */
	int held, needed, cut;     /* told since the last sweep; at the last sweep; on its way out */
};

struct sip_gate {
	struct sip_gate *next;
	struct sip_gate_options o;
	uint16_t port[MAX_PORTS];
	size_t n_ports;
	struct guest *guests, *bucket[BUCKETS];
	struct source_limit *newcomers;
	struct sip_gate_counts counts;
};

static _Thread_local struct sip_gate *gates;

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct sip_gate *sip_gate_new(const struct sip_gate_options *o)
{
	struct sip_gate *g = calloc(1, sizeof *g);
	if (!g || !(g->newcomers = source_limit_new(o->new_per_second, 0))) {
		free(g);
		return NULL;
	}
	g->o = *o;
	spare_keep();
	g->next = gates;
	gates = g;
	return g;
}

void sip_gate_free(struct sip_gate *g)
{
	if (!g)
		return;
	for (struct sip_gate **at = &gates; *at; at = &(*at)->next)
		if (*at == g) {
			*at = g->next;
			break;
		}
	while (g->guests) {
		struct guest *c = g->guests;
		g->guests = c->next;
		free(c);
	}
	source_limit_free(g->newcomers);
	free(g);
}

void sip_gate_guard(struct sip_gate *g, uint16_t port)
{
	if (g->n_ports < MAX_PORTS)
		g->port[g->n_ports++] = port;
}

void sip_gate_counts(const struct sip_gate *g, struct sip_gate_counts *out)
{
	*out = g->counts;
}

/* ---- addresses ---- */

static int address_read(const struct sockaddr *a, struct address *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	memset(out, 0, sizeof *out);
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
		memcpy(out->host, mapped, sizeof mapped);
		memcpy(out->host + sizeof mapped, &v4->sin_addr, 4);
		out->port = ntohs(v4->sin_port);
		return 0;
	}
	if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
		memcpy(out->host, &v6->sin6_addr, 16);
		out->port = ntohs(v6->sin6_port);
		return 0;
	}
	return -1;
}

static void address_text(const struct address *a, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a->host))
		inet_ntop(AF_INET, a->host + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a->host, text, INET6_ADDRSTRLEN);
}

static struct guest **bucket_of(struct sip_gate *g, const struct address *a)
{
	return &g->bucket[(a->port ^ a->host[15] * 31u) % BUCKETS];
}

/* ---- guests ---- */

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t len = sizeof *cookie;
	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len);
}

static int is_there(const struct guest *c)
{
	uint64_t cookie;
	return cookie_of(c->fd, &cookie) == 0 && cookie == c->cookie;
}

static void guest_add(struct sip_gate *g, int fd, const struct address *peer, int64_t at)
{
	struct guest *c = calloc(1, sizeof *c);
	if (!c || cookie_of(fd, &c->cookie)) {
		free(c); /* it is served, but nobody will count its time: better than turning it away */
		return;
	}
	struct guest **b = bucket_of(g, peer);
	c->peer = *peer;
	c->fd = fd;
	c->since_ms = at;
	c->next = g->guests;
	c->chain = *b;
	g->guests = *b = c;
	g->counts.open++;
}

static void guest_drop(struct sip_gate *g, struct guest **at)
{
	struct guest *c = *at, **b = bucket_of(g, &c->peer);
	while (*b != c)
		b = &(*b)->chain;
	*b = c->chain;
	*at = c->next;
	g->counts.open--;
	free(c);
}

static void forget_closed(struct sip_gate *g)
{
	for (struct guest **at = &g->guests; *at;) {
		if (is_there(*at))
			at = &(*at)->next;
		else
			guest_drop(g, at);
	}
}

/* The library sees the end of the stream and closes. */
static void cut(struct sip_gate *g, struct guest *c)
{
	if (c->cut || !is_there(c))
		return;
	c->cut = 1;
	g->counts.cut += !c->ended_ms;
	shutdown(c->fd, SHUT_RDWR);
}

static size_t from_source(const struct sip_gate *g, const struct address *peer)
{
	size_t n = 0;
	for (const struct guest *c = g->guests; c; c = c->next)
		n += !c->cut && memcmp(c->peer.host, peer->host, sizeof peer->host) == 0;
	return n;
}

/* Who makes room: the one that has been quiet for longest, of those that never asked for anything; else of the idle. */
static struct guest *dispensable(const struct sip_gate *g, int64_t at)
{
	struct guest *silent = NULL, *idle = NULL;
	for (struct guest *c = g->guests; c; c = c->next) { /* begins with the newest */
		if (c->cut || c->needed || c->held)
			continue;
		if (!c->last_ms)
			silent = c;
		else if (at - c->last_ms > IDLE_MS && (!idle || c->last_ms < idle->last_ms))
			idle = c;
	}
	return silent ? silent : idle;
}

static int full(struct sip_gate *g)
{
	if (g->counts.open >= g->o.max_connections)
		forget_closed(g);
	return g->counts.open >= g->o.max_connections;
}

static int over_share(struct sip_gate *g, const struct address *peer)
{
	if (!g->o.max_per_source || from_source(g, peer) < g->o.max_per_source)
		return 0;
	forget_closed(g);
	return MCX_FAULT(size.per_source, from_source(g, peer) >= g->o.max_per_source);
}

static int welcome(struct sip_gate *g, const struct address *peer, int64_t at)
{
	char text[INET6_ADDRSTRLEN] = "";
	address_text(peer, text);
	if (!(g->o.trusted && g->o.trusted(g->o.ctx, text)) &&
	    (!source_limit_take(g->newcomers, text, at) || over_share(g, peer)))
		return 0;
	if (!full(g))
		return 1;
	struct guest *c = dispensable(g, at);
	if (!c)
		return 0;
	cut(g, c);
	return 1;
}

/* ---- the library's way in ---- */

static struct sip_gate *gate_of(int listener)
{
	struct sockaddr_storage own = {0};
	struct address a;
	socklen_t len = sizeof own;
	if (!gates || getsockname(listener, (struct sockaddr *)&own, &len) ||
	    address_read((const struct sockaddr *)&own, &a))
		return NULL;
	for (struct sip_gate *g = gates; g; g = g->next)
		for (size_t i = 0; i < g->n_ports; i++)
			if (g->port[i] == a.port)
				return g;
	return NULL;
}

static int let_in(struct sip_gate *g, int listener, struct sockaddr *from, socklen_t *len)
{
	struct address peer;
	int fd = spare_accept(listener, from, len, SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	int64_t at = now();
	if (address_read(from, &peer) || !welcome(g, &peer, at)) {
		close(fd);
		g->counts.refused++;
		errno = ECONNABORTED;
		return -1;
	}
	g->counts.accepted++;
	guest_add(g, fd, &peer, at);
	return fd;
}

__attribute__((visibility("default"))) int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	struct sip_gate *g = addr.__sockaddr__ && len ? gate_of(fd) : NULL;
	return g ? let_in(g, fd, addr.__sockaddr__, len) : spare_accept(fd, addr.__sockaddr__, len, 0);
}

/* ---- what the port tells, and the sweep ---- */

static struct guest *guest_of(struct sip_gate *g, const struct sockaddr *peer)
{
	struct address a;
	if (address_read(peer, &a))
		return NULL;
	for (struct guest *c = *bucket_of(g, &a); c; c = c->chain)
		if (!c->cut && memcmp(&c->peer, &a, sizeof a) == 0)
			return c;
	return NULL;
}

void sip_gate_active(struct sip_gate *g, const struct sockaddr *peer, int64_t now_ms)
{
	struct guest *c = guest_of(g, peer);
	if (c)
		c->last_ms = now_ms ? now_ms : 1;
}

void sip_gate_hold(struct sip_gate *g, const struct sockaddr *peer)
{
	struct guest *c = guest_of(g, peer);
	if (c)
		c->held = 1;
}

void sip_gate_cut(struct sip_gate *g, const struct sockaddr *peer)
{
	struct guest *c = guest_of(g, peer);
	if (c)
		cut(g, c);
}

/* With octets of the peer unread, closing at once could take back the answer it has not read yet. */
void sip_gate_end(const struct sockaddr *peer)
{
	for (struct sip_gate *g = gates; g; g = g->next) {
		struct guest *c = guest_of(g, peer);
		if (!c || c->ended_ms || !is_there(c))
			continue;
		c->ended_ms = now();
		g->counts.cut++;
		shutdown(c->fd, SHUT_WR);
	}
}

void sip_gate_sweep(struct sip_gate *g, int64_t now_ms)
{
	forget_closed(g);
	for (struct guest *c = g->guests; c; c = c->next) {
		int silent = !c->last_ms && now_ms - c->since_ms > g->o.first_request_ms;
		int idle = c->last_ms && !c->held && now_ms - c->last_ms > g->o.idle_ms;
		int ended = c->ended_ms && now_ms - c->ended_ms > LINGER_MS;
		if (silent || idle || ended)
			cut(g, c);
		c->needed = c->held;
		c->held = 0;
	}
	spare_keep();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.c - the HTTPS server over libmicrohttpd: its connections, its start and its end (see http.h).
 *
 * libmicrohttpd's epoll threads own the sockets. Every wait for a peer is bounded: idle by libmicrohttpd, a whole
 * request (trickled octet by octet) by the watch thread here, size by max_body and the connection's memory.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_exchange.h"
#include "net/http_file.h"
#include "net/spare.h"

enum { CONN_MEMORY = 128 * 1024, STOP_PATIENCE_S = 10 };

time_t http_monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec ? t.tv_sec : 1;
}

/* ---- connections ---- */

static void write_peer(const struct sockaddr *a, char *out, size_t size)
{
	out[0] = 0;
	if (a && a->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, out, (socklen_t)size);
	else if (a && a->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, out, (socklen_t)size);
}

/* Before a handshake costs anything: may this address come again so soon? */
static enum MHD_Result newcomer(void *cls, const struct sockaddr *from, socklen_t len)
{
	struct http_server *s = cls;
	char peer[INET6_ADDRSTRLEN];
	struct timespec t;
	(void)len;
	clock_gettime(CLOCK_MONOTONIC, &t);
	write_peer(from, peer, sizeof peer);
	return source_limit_take(s->newcomers, peer, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000) ? MHD_YES : MHD_NO;
}

static void cut(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR); /* it is closed, and forgotten here, by its owner */
	c->fd = -1;
}

/*
 * Few places are left: the peer that has kept us waiting for longest loses its own, those that never had an answer
 * before those that are idle between two. Whose request is with us is never cut.
 */
static void make_room(struct http_server *s)
{
	struct conn *found = NULL;
	if (s->n_conns <= s->max_connections - s->max_connections / 10)
		return;
	for (struct conn *c = s->conns; c; c = c->next)
		if (c->waiting_since && c->fd >= 0 &&
		    (!found || !c->answered > !found->answered ||
		     (!c->answered == !found->answered && c->waiting_since <= found->waiting_since)))
			found = c;
	if (found)
		cut(found);
}

static void conn_started(struct http_server *s, struct MHD_Connection *mhd, void **ctx)
{
	struct conn *c = calloc(1, sizeof *c);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *tls = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	*ctx = c;
	if (tls && tls->tls_session)
		http_tls_attach(s->tls, tls->tls_session);
	if (!c)
		return;
	c->fd = fd ? fd->connect_fd : -1;
	c->waiting_since = http_monotonic();
	const union MHD_ConnectionInfo *peer = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (peer && peer->client_addr)
		write_peer(peer->client_addr, c->peer, sizeof c->peer);
	pthread_mutex_lock(&s->lock);
	s->n_conns++;
	make_room(s);
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
	pthread_mutex_unlock(&s->lock);
}

static void conn_changed(void *cls, struct MHD_Connection *mhd, void **ctx, enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = cls;
	struct conn *c = *ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_started(s, mhd, ctx);
		return;
	}
	if (!c)
		return;
	pthread_mutex_lock(&s->lock);
	s->n_conns--;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&s->lock);
	free(c);
	*ctx = NULL;
}

static void take_up_certificates(struct http_server *s)
{
	char err[256];
	int rc = http_tls_reload(s->tls, err, sizeof err);
	if (rc && s->tls_said)
		s->tls_said(s->ctx, rc < 0 ? err : NULL);
}

/* Once a second: cut connections whose request takes too long, take up renewed certificates. */
static void *watch(void *arg)
{
	struct http_server *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
		time_t now = http_monotonic();
		for (struct conn *c = s->conns; c; c = c->next)
			if (c->waiting_since && now - c->waiting_since > s->request_timeout && c->fd >= 0)
				cut(c);
		pthread_mutex_unlock(&s->lock);
		spare_keep();
		take_up_certificates(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- life ---- */

static size_t keep_encoded(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return 0;
	}
	return -1;
}

static unsigned loop_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores < 4 ? 1 : cores > 16 ? 8 : (unsigned)cores / 2;
}

static struct MHD_Daemon *start_mhd(struct http_server *s, const struct http_server_options *o,
				    const struct sockaddr_storage *address)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME;
	unsigned loops = loop_threads();
	struct MHD_OptionItem more[] = {
	    {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};
	size_t n = 0;
	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	if (loops > 1)
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)loops, NULL};
	/* The trust option is what makes libmicrohttpd ask for a certificate; http_tls.c verifies it. */
	if (s->client_ca)
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, s->client_ca};
	return MHD_start_daemon(
	    flags, o->port, newcomer, s, http_access_handler, s, MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address,
	    MHD_OPTION_HTTPS_PRIORITIES, http_tls_priorities, MHD_OPTION_HTTPS_CERT_CALLBACK, http_tls_retrieve,
	    MHD_OPTION_CONNECTION_LIMIT, s->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    o->max_per_peer ? o->max_per_peer : 256u, MHD_OPTION_CONNECTION_TIMEOUT,
	    o->idle_timeout_s ? o->idle_timeout_s : 15u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
	    MHD_OPTION_URI_LOG_CALLBACK, http_request_line_read, s, MHD_OPTION_NOTIFY_CONNECTION, conn_changed, s,
	    MHD_OPTION_NOTIFY_COMPLETED, http_completed, s, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

static void server_free(struct http_server *s)
{
	http_work_stop(s->work);
	http_tls_free(s->tls);
	free(s->client_ca);
	source_limit_free(s->newcomers);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int server_open(struct http_server *s, const struct http_server_options *o, char *err, size_t err_size)
{
	struct sockaddr_storage address;
	if (parse_address(o->address, o->port, &address)) {
		snprintf(err, err_size, "%s: not a numeric address", o->address);
		return -1;
	}
	if (!(s->tls = http_tls_new(o, err, err_size)))
		return -1;
	size_t ca_len;
	if (o->client_ca_file && !(s->client_ca = http_file_read(o->client_ca_file, &ca_len, err, err_size)))
		return -1;
	s->newcomers = source_limit_new(o->new_per_peer ? o->new_per_peer : 100, 0);
	if (!s->newcomers || !(s->work = http_work_start(o->threads))) {
		snprintf(err, err_size, "no memory or no threads");
		return -1;
	}
	if (!(s->mhd = start_mhd(s, o, &address))) {
		snprintf(err, err_size, "%s port %u: cannot listen there", o->address, o->port);
		return -1;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info ? info->port : o->port;
	if (pthread_create(&s->watch, NULL, watch, s)) {
		MHD_stop_daemon(s->mhd);
		snprintf(err, err_size, "no threads");
		return -1;
	}
	return 0;
}

struct http_server *http_server_start(const struct http_server_options *o, char *err, size_t err_size)
{
	struct http_server *s = calloc(1, sizeof *s);
	if (!s) {
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	pthread_condattr_t steady; /* a wall clock set back must not stop the watch */
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, &steady);
	pthread_condattr_destroy(&steady);
	s->max_connections = o->max_connections ? o->max_connections : 1000;
	s->handler = o->handler;
	s->ctx = o->ctx;
	s->tls_said = o->tls_said;
	s->max_body = o->max_body;
	s->request_timeout = o->request_timeout_s ? o->request_timeout_s : 30;
	spare_keep();
	if (server_open(s, o, err, err_size)) {
		server_free(s);
		return NULL;
	}
	return s;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

int64_t http_server_cert_ends(const struct http_server *s)
{
	return http_tls_ends(s->tls);
}

/* Our own work is waited for, however long it takes; peers that do not read their answer are not. */
static void wait_for_running(struct http_server *s)
{
	struct timespec until;
	pthread_mutex_lock(&s->lock);
	while (s->unanswered)
		pthread_cond_wait(&s->changed, &s->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_PATIENCE_S;
	while (s->active && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	s->stopping = 1;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void http_server_stop(struct http_server *s)
{
	if (!s)
		return;
	MHD_socket listening = MHD_quiesce_daemon(s->mhd);
	wait_for_running(s);
	pthread_join(s->watch, NULL);
	http_work_stop(s->work);
	s->work = NULL;
	MHD_stop_daemon(s->mhd);
	if (listening != MHD_INVALID_SOCKET)
		close(listening);
	server_free(s);
}

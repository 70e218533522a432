/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.c - the HTTPS server over libmicrohttpd (see http.h).
 *
 * libmicrohttpd's epoll threads own the sockets. An exchange (one request and its answer) is born when its request line
 * is there, collects its body, is then suspended in the loop and handed to a worker; the worker (or whoever finishes a
 * deferred exchange) makes the answer and resumes the connection; it dies when libmicrohttpd says it is completed.
 *
 * Every wait for a peer is bounded: idle by libmicrohttpd, a whole request (trickled octet by octet) by the watch
 * thread here, size by max_body and the connection's memory. Bodies may hold passwords and keys: always wiped.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "net/http.h"
#include "net/http_tls.h"
#include "net/http_work.h"

enum { CONN_MEMORY = 64 * 1024, MAX_URI = 20 * 1024, STOP_PATIENCE_S = 10 };

struct conn {
	struct conn *next, **prev;
	int fd;
	time_t waiting_since; /* monotonic; 0 while the request is with us and not with the peer */
	int cert_read;
	struct http_client_cert cert;
	char peer[INET6_ADDRSTRLEN];
};

struct http_server {
	struct MHD_Daemon *mhd;
	struct http_tls *tls;
	char *client_ca; /* PEM text; libmicrohttpd keeps the pointer */
	struct http_work *work;
	http_handler *handler;
	void *ctx;
	size_t max_body;
	time_t request_timeout;
	uint16_t port;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct conn *conns;
	unsigned active; /* exchanges given to workers and not yet completed */
	int stopping;
	pthread_t watch;
};

struct http_deferred {
	struct http_job job; /* first: the worker gets this pointer back */
	struct http_server *server;
	struct conn *conn;
	struct MHD_Connection *mhd;
	struct http_request rq;
	char *uri;
	char method[24];
	uint8_t *body;
	size_t body_len, body_size;
	enum { NEW, READING, WITH_HANDLER } phase;
	size_t excess; /* octets beyond max_body, read and dropped so that the 413 arrives */
	int *deferred; /* the worker's note that the handler answers later */
	struct MHD_Response *answer;
	int status;
};

static time_t monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec ? t.tv_sec : 1;
}

/* ---- answers ---- */

static void wipe_and_free(void *p)
{
	struct octets *o = p;
	mcsec_wipe((uint8_t *)(uintptr_t)o->p, o->len);
	free((void *)(uintptr_t)o->p);
	free(o);
}

static struct MHD_Response *body_response(const struct http_response *rs)
{
	if (!rs->secret)
		return MHD_create_response_from_buffer(rs->body_len, rs->body, MHD_RESPMEM_MUST_FREE);
	struct octets *o = malloc(sizeof *o);
	if (!o) {
		mcsec_wipe(rs->body, rs->body_len);
		free(rs->body);
		return NULL;
	}
	*o = (struct octets){rs->body, rs->body_len};
	return MHD_create_response_from_buffer_with_free_callback_cls(rs->body_len, rs->body, wipe_and_free, o);
}

static struct MHD_Response *empty_response(void)
{
	return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
}

/* Takes over rs->body. */
static struct MHD_Response *make_answer(const struct http_response *rs, int *status)
{
	struct MHD_Response *r = rs->body ? body_response(rs) : empty_response();
	*status = rs->status < 200 || rs->status > 599 || rs->overflow ? 500 : rs->status;
	if (r && rs->overflow) {
		MHD_destroy_response(r);
		r = empty_response();
	} else if (r) {
		if (rs->content_type && rs->body)
			MHD_add_response_header(r, "Content-Type", rs->content_type);
		for (size_t i = 0; i < rs->n_headers; i++)
			MHD_add_response_header(r, rs->headers[i].name, rs->headers[i].value);
	}
	if (r)
		MHD_add_response_header(r, "Strict-Transport-Security", "max-age=31536000");
	return r;
}

void http_finish(struct http_deferred *d, const struct http_response *rs)
{
	d->answer = make_answer(rs, &d->status);
	MHD_resume_connection(d->mhd); /* from here on d belongs to the loop again */
}

struct http_deferred *http_defer(const struct http_request *rq)
{
	struct http_deferred *d = rq->conn;
	*d->deferred = 1;
	return d;
}

static void run_handler(struct http_job *job)
{
	struct http_deferred *d = (struct http_deferred *)job;
	struct http_response rs = {0};
	int deferred = 0;
	d->deferred = &deferred;
	d->server->handler(d->server->ctx, &d->rq, &rs);
	if (!deferred)
		http_finish(d, &rs);
}

static enum MHD_Result answer_now(struct MHD_Connection *c, int status)
{
	struct MHD_Response *r = empty_response();
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Connection", "close");
	enum MHD_Result rc = MHD_queue_response(c, (unsigned)status, r);
	MHD_destroy_response(r);
	return rc;
}

/* ---- requests ---- */

struct header_search {
	const char *name, *value;
	unsigned count;
};

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct header_search *s = cls;
	(void)kind;
	if (strcasecmp(key, s->name) == 0 && s->count++ == 0)
		s->value = value ? value : "";
	return MHD_YES;
}

static struct header_search find_header(struct MHD_Connection *c, const char *name)
{
	struct header_search s = {.name = name};
	MHD_get_connection_values(c, MHD_HEADER_KIND, look_at_header, &s);
	return s;
}

const char *http_request_header(const struct http_request *rq, const char *name, unsigned *count)
{
	const struct http_deferred *d = rq->conn;
	struct header_search s = find_header(d->mhd, name);
	if (count)
		*count = s.count;
	return s.value;
}

static void *request_line_read(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct http_server *s = cls;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_deferred *d = calloc(1, sizeof *d);
	if (!d || !info || !info->socket_context) {
		free(d);
		return NULL;
	}
	d->job.run = run_handler;
	d->server = s;
	d->conn = info->socket_context;
	d->mhd = mhd;
	d->uri = strlen(uri) <= MAX_URI ? strdup(uri) : NULL;
	pthread_mutex_lock(&s->lock);
	d->conn->waiting_since = monotonic();
	pthread_mutex_unlock(&s->lock);
	return d;
}

/* Two lengths are how requests are smuggled past a proxy (RFC 9112 6.3): refused before a body octet is read. */
static int framing_is_clear(struct MHD_Connection *c)
{
	struct header_search length = find_header(c, "Content-Length");
	struct header_search coding = find_header(c, "Transfer-Encoding");
	return length.count + coding.count <= 1 && find_header(c, "Host").count <= 1;
}

static enum MHD_Result begin(struct http_deferred *d, const char *method)
{
	const char *length = find_header(d->mhd, "Content-Length").value;
	d->phase = READING;
	if (!d->uri)
		return answer_now(d->mhd, MHD_HTTP_URI_TOO_LONG);
	if (strlen(method) >= sizeof d->method)
		return answer_now(d->mhd, MHD_HTTP_NOT_IMPLEMENTED);
	if (!framing_is_clear(d->mhd))
		return answer_now(d->mhd, MHD_HTTP_BAD_REQUEST);
	if (length && strtoull(length, NULL, 10) > d->server->max_body)
		return answer_now(d->mhd, MHD_HTTP_CONTENT_TOO_LARGE);
	strcpy(d->method, method);
	return MHD_YES;
}

/* Room for one more NUL stays behind the body. What is outgrown is wiped. */
static int body_append(struct http_deferred *d, const char *data, size_t n)
{
	if (d->excess || n > d->server->max_body - d->body_len) {
		d->excess += n;
		return d->excess > 8 * d->server->max_body ? -1 : 0;
	}
	if (d->body_len + n + 1 > d->body_size) {
		size_t size = (d->body_len + n + 1) * 2;
		uint8_t *grown = malloc(size);
		if (!grown)
			return -1;
		if (d->body_len)
			memcpy(grown, d->body, d->body_len);
		if (d->body)
			mcsec_wipe(d->body, d->body_size);
		free(d->body);
		d->body = grown;
		d->body_size = size;
	}
	memcpy(d->body + d->body_len, data, n);
	d->body_len += n;
	d->body[d->body_len] = 0;
	return 0;
}

static void read_cert_once(struct http_server *s, struct http_deferred *d)
{
	if (d->conn->cert_read)
		return;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(d->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info && info->tls_session)
		http_tls_client(s->tls, info->tls_session, &d->conn->cert);
	d->conn->cert_read = 1;
}

/* "https://host/path" is allowed in a request line (RFC 9112 3.2.2); what counts is the path. NULL if there is none. */
static char *origin_form(char *uri)
{
	if (strncasecmp(uri, "https://", 8) == 0)
		return strchr(uri + 8, '/');
	return *uri == '/' ? uri : NULL;
}

static enum MHD_Result hand_over(struct http_server *s, struct http_deferred *d)
{
	char *path = origin_form(d->uri), *query = path ? strchr(path, '?') : NULL;
	if (d->excess)
		return answer_now(d->mhd, MHD_HTTP_CONTENT_TOO_LARGE);
	if (!path)
		return answer_now(d->mhd, MHD_HTTP_BAD_REQUEST);
	if (query)
		*query++ = 0;
	read_cert_once(s, d);
	d->rq = (struct http_request){.method = d->method,
				      .path = path,
				      .query = query ? query : "",
				      .body = {d->body, d->body_len},
				      .peer = d->conn->peer,
				      .cert = &d->conn->cert,
				      .conn = d};
	d->phase = WITH_HANDLER;
	pthread_mutex_lock(&s->lock);
	d->conn->waiting_since = 0;
	s->active++;
	pthread_mutex_unlock(&s->lock);
	MHD_suspend_connection(d->mhd);
	http_work_put(s->work, &d->job);
	return MHD_YES;
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				      const char *version, const char *data, size_t *size, void **state)
{
	struct http_server *s = cls;
	struct http_deferred *d = *state;
	(void)mhd, (void)url, (void)version;
	if (!d)
		return MHD_NO;
	if (d->phase == NEW)
		return begin(d, method);
	if (d->phase == READING && *size) {
		int broken = body_append(d, data, *size);
		*size = 0;
		return broken ? MHD_NO : MHD_YES;
	}
	if (d->phase == READING)
		return hand_over(s, d);
	return d->answer ? MHD_queue_response(d->mhd, (unsigned)d->status, d->answer) : MHD_NO;
}

static void completed(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
	struct http_server *s = cls;
	struct http_deferred *d = *state;
	(void)mhd, (void)why;
	if (!d)
		return;
	pthread_mutex_lock(&s->lock);
	d->conn->waiting_since = monotonic();
	if (d->phase == WITH_HANDLER)
		s->active--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (d->answer)
		MHD_destroy_response(d->answer);
	if (d->body)
		mcsec_wipe(d->body, d->body_size);
	free(d->body);
	if (d->uri)
		mcsec_wipe(d->uri, strlen(d->uri));
	free(d->uri);
	free(d);
	*state = NULL;
}

/* ---- connections ---- */

static void write_peer(struct MHD_Connection *mhd, char *out, size_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = info ? info->client_addr : NULL;
	out[0] = 0;
	if (a && a->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, out, (socklen_t)size);
	else if (a && a->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, out, (socklen_t)size);
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
	c->waiting_since = monotonic();
	write_peer(mhd, c->peer, sizeof c->peer);
	pthread_mutex_lock(&s->lock);
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
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&s->lock);
	free(c);
	*ctx = NULL;
}

/* Once a second: cut connections whose request takes too long, take up renewed certificates. */
static void *watch(void *arg)
{
	struct http_server *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
		time_t now = monotonic();
		for (struct conn *c = s->conns; c; c = c->next)
			if (c->waiting_since && now - c->waiting_since > s->request_timeout && c->fd >= 0) {
				shutdown(c->fd, SHUT_RDWR); /* it is closed, and forgotten here, by its owner */
				c->fd = -1;
			}
		pthread_mutex_unlock(&s->lock);
		http_tls_reload(s->tls);
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
	    flags, o->port, NULL, NULL, access_handler, s, MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address,
	    MHD_OPTION_HTTPS_PRIORITIES, http_tls_priorities, MHD_OPTION_HTTPS_CERT_CALLBACK, http_tls_retrieve,
	    MHD_OPTION_CONNECTION_LIMIT, o->max_connections ? o->max_connections : 1000u,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->max_per_peer ? o->max_per_peer : 64u, MHD_OPTION_CONNECTION_TIMEOUT,
	    o->idle_timeout_s ? o->idle_timeout_s : 15u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
	    MHD_OPTION_URI_LOG_CALLBACK, request_line_read, s, MHD_OPTION_NOTIFY_CONNECTION, conn_changed, s,
	    MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

/* Whole file as text, NULL if it cannot be read or is larger than any list of CAs should be. */
static char *read_text(const char *file)
{
	FILE *f = fopen(file, "re");
	size_t size = 1 << 20, n = 0;
	char *text = f ? malloc(size) : NULL;
	if (text)
		n = fread(text, 1, size - 1, f);
	int bad = !text || ferror(f) || !feof(f);
	if (f)
		fclose(f);
	if (bad) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

static void server_free(struct http_server *s)
{
	http_work_stop(s->work);
	http_tls_free(s->tls);
	free(s->client_ca);
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
	if (o->client_ca_file && !(s->client_ca = read_text(o->client_ca_file))) {
		snprintf(err, err_size, "%s: cannot be read", o->client_ca_file);
		return -1;
	}
	if (!(s->work = http_work_start(o->threads))) {
		snprintf(err, err_size, "no threads");
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
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->handler = o->handler;
	s->ctx = o->ctx;
	s->max_body = o->max_body;
	s->request_timeout = o->request_timeout_s ? o->request_timeout_s : 30;
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

static void wait_for_running(struct http_server *s)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_PATIENCE_S;
	pthread_mutex_lock(&s->lock);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange.c - one request and its answer on the server's side (see http_exchange.h).
 *
 * Bodies and request lines may hold passwords, codes and keys: wiped when done with. The body is bounded before a
 * handler sees it; two lengths in one request are refused (request smuggling).
 */
#include "net/http_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"

enum { MAX_URI = 20 * 1024 };

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

/* Takes over rs->body and the headers. */
static struct MHD_Response *make_answer(struct http_response *rs, int *status)
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
	rs->body = NULL; /* the response's now */
	http_response_clear(rs);
	if (r)
		MHD_add_response_header(r, "Strict-Transport-Security", "max-age=31536000");
	return r;
}

void http_finish(struct http_deferred *d, struct http_response *rs)
{
	struct http_server *s = d->server;
	d->answer = make_answer(rs, &d->status);
	MHD_resume_connection(d->mhd); /* from here on d belongs to the loop again */
	pthread_mutex_lock(&s->lock);
	s->unanswered--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
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
	else
		http_response_clear(&rs);
}

static enum MHD_Result answer_now(struct MHD_Connection *c, int status)
{
	struct MHD_Response *r = empty_response();
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Connection", "close");
	MHD_add_response_header(r, "Cache-Control", "no-store");
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

void *http_request_line_read(void *cls, const char *uri, struct MHD_Connection *mhd)
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
	d->conn->waiting_since = http_monotonic();
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
	if (MCX_FAULT(size.announced, length && strtoull(length, NULL, 10) > d->server->max_body))
		return answer_now(d->mhd, MHD_HTTP_CONTENT_TOO_LARGE);
	strcpy(d->method, method);
	return MHD_YES;
}

/* Room for one more NUL stays behind the body. What is outgrown is wiped. */
static int body_append(struct http_deferred *d, const char *data, size_t n)
{
	if (MCX_FAULT(size.body, d->excess || n > d->server->max_body - d->body_len)) {
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

/* Once a connection, and again when the trusted or the revoked certificates changed: a connection outlives no
 * revocation. */
static void read_cert(struct http_server *s, struct http_deferred *d)
{
	unsigned generation = http_tls_generation(s->tls);
	if (d->conn->cert_read == generation)
		return;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(d->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info && info->tls_session)
		http_tls_client(s->tls, info->tls_session, &d->conn->cert);
	d->conn->cert_read = generation;
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
	read_cert(s, d);
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
	s->unanswered++;
	pthread_mutex_unlock(&s->lock);
	MHD_suspend_connection(d->mhd);
	http_work_put(s->work, &d->job);
	return MHD_YES;
}

enum MHD_Result http_access_handler(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
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

void http_completed(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
	struct http_server *s = cls;
	struct http_deferred *d = *state;
	(void)mhd, (void)why;
	if (!d)
		return;
	pthread_mutex_lock(&s->lock);
	d->conn->waiting_since = http_monotonic();
	if (d->phase == WITH_HANDLER) {
		s->active--;
		d->conn->answered++;
	}
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

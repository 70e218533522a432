/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange.h - what http_server.c (connections, life) and http_exchange.c (one request and its answer) share.
 *
 * An exchange is born when its request line is there, collects its body, is then suspended in the loop and handed to a
 * worker; the worker (or whoever finishes a deferred exchange) makes the answer and resumes the connection; it dies
 * when libmicrohttpd says it is completed.
 */
#ifndef MCX_NET_HTTP_EXCHANGE_H
#define MCX_NET_HTTP_EXCHANGE_H

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <time.h>

#include "net/http_tls.h"
#include "net/http_work.h"
#include "net/source_limit.h"

struct conn {
	struct conn *next, **prev;
	int fd;
	time_t waiting_since; /* monotonic; 0 while the request is with us and not with the peer */
	unsigned answered;    /* requests */
	unsigned cert_read;   /* the generation of trust it was read with (http_tls.h); 0: not yet */
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
	void (*tls_said)(void *ctx, const char *error);
	size_t max_body;
	time_t request_timeout;
	unsigned max_connections;
	struct source_limit *newcomers;
	uint16_t port;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct conn *conns;
	unsigned n_conns;
	unsigned active;     /* exchanges given to workers and not yet completed */
	unsigned unanswered; /* of these, the ones whose handler, or who deferred them, is not done */
	int stopping;
	pthread_t watch;
};

time_t http_monotonic(void);

/* Callbacks of libmicrohttpd. */
void *http_request_line_read(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_access_handler(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				    const char *version, const char *data, size_t *size, void **state);
void http_completed(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why);

#endif

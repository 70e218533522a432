/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTPS, server and client, as thin edges (libmicrohttpd; libcurl with OpenSSL).
 *
 * The server hands a whole, bounded request to one handler and sends what it fills in; no routing, no policy. Sockets
 * and TLS are served by an epoll loop, handlers run on worker threads of their own: a slow peer holds no worker, and a
 * slow handler holds no socket loop. A handler must be thread-safe. One that would wait for something long defers its
 * answer (http_defer) and gives the worker back. Path and query stay percent-encoded: who routes decodes each segment
 * once (http_percent_decode).
 */
#ifndef MCX_NET_HTTP_H
#define MCX_NET_HTTP_H

#include "sec/base/bytes.h"

enum { HTTP_MAX_SANS = 8, HTTP_MAX_HEADERS = 12 };

/* What the verified client certificate says; present == 0 if the client showed none (or none that verifies). */
struct http_client_cert {
	int present;
	char subject[256]; /* RFC 4514 text, for the audit record */
	char common_name[128];
	char org_unit[64]; /* role of an admin certificate */
	size_t n_sans;
	struct {
		int is_uri; /* else a DNS name */
		char name[256];
	} sans[HTTP_MAX_SANS];
};

struct http_request {
	const char *method;
	const char *path;  /* still encoded, begins with '/' */
	const char *query; /* after '?', still encoded; "" if none */
	struct octets body;
	const char *peer; /* numeric address, for logs and limits */
	const struct http_client_cert *cert;
	void *conn; /* for http_request_header and http_defer */
};

/* The header's value or NULL; name compared without case. *count (may be NULL) receives how often it stands there. */
const char *http_request_header(const struct http_request *rq, const char *name, unsigned *count);

struct http_response {
	int status;
	const char *content_type; /* static; NULL without body */
	uint8_t *body;            /* malloc'ed; the server frees it, after wiping when `secret` */
	size_t body_len;
	int secret;
	int overflow; /* a header did not fit or was no header: the answer becomes 500 */
	size_t n_headers;
	struct {
		char name[32];
		char *value; /* malloc'ed */
	} headers[HTTP_MAX_HEADERS];
};

/* Wipes and frees what it holds: for who makes responses without a server. */
void http_response_clear(struct http_response *rs);

/* Add a header; too many, too long (16 KiB), or a value with CR or LF ends in a 500. */
void http_response_header(struct http_response *rs, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Copy text into the body. */
void http_response_text(struct http_response *rs, int status, const char *content_type, const char *text);
/* Take over a malloc'ed body. */
void http_response_take(struct http_response *rs, int status, const char *content_type, uint8_t *body, size_t len);

typedef void http_handler(void *ctx, const struct http_request *rq, struct http_response *rs);

/*
 * Called by a handler that answers later: what it leaves in `rs` is ignored, the request (all its octets) lives until
 * http_finish. Each deferred answer must be finished exactly once, from any thread, before http_server_stop returns.
 */
struct http_deferred;
struct http_deferred *http_defer(const struct http_request *rq);
/* Takes over what the response holds. */
void http_finish(struct http_deferred *d, struct http_response *rs);

struct http_server_options {
	const char *address;              /* numeric, e.g. "127.0.0.1" */
	uint16_t port;                    /* 0: any free one */
	const char *cert_file, *key_file; /* PEM; read again when the files change. There is no plain HTTP */
	const char *client_ca_file;       /* NULL: client certificates are not asked for */
	const char *client_crl_file;      /* PEM, or NULL */
	size_t max_body;                  /* larger: 413 without calling the handler */
	unsigned threads;                 /* workers that run handlers */
	/*
	 * 0: the default. Connections 1000, of one peer address 256, new ones a second of one peer address 100 (with a
	 * burst of twice that), idle 15 s, one whole request 30 s. When nine tenths of the places are taken, each new
	 * connection costs the one its place that has kept us waiting for longest.
	 */
	unsigned max_connections, max_per_peer, new_per_peer, idle_timeout_s, request_timeout_s;
	http_handler *handler;
	void *ctx;
	/* Changed certificate files were taken up (error NULL), or do not load and the old ones stay; may be NULL. */
	void (*tls_said)(void *ctx, const char *error);
};

struct http_server;

/* NULL and a sentence in err on failure. */
struct http_server *http_server_start(const struct http_server_options *o, char *err, size_t err_size);
uint16_t http_server_port(const struct http_server *s);
/* When the certificate in use ends, Unix seconds. */
int64_t http_server_cert_ends(const struct http_server *s);
/* Stops accepting, lets running requests finish (at most 10 s for peers that do not read), then frees. */
void http_server_stop(struct http_server *s);

/*
 * The idx-th segment of a path, decoded: segment 0 of "/a/b%2Fc" is "a", 1 is "b/c". 0 found, 1 absent, -1 malformed or
 * too long.
 */
int http_path_segment(const char *path, unsigned idx, char *out, size_t out_size);
/* Decode one path segment or form value; plus_is_space for forms. MCSEC_E_ENCODING on bad %, NUL or control octets. */
enum mcsec_err http_percent_decode(const char *in, size_t len, int plus_is_space, char *out, size_t out_size);
/* Percent-encode everything but RFC 3986 unreserved characters. out_size >= 3 * strlen(in) + 1. */
enum mcsec_err http_percent_encode(const char *in, char *out, size_t out_size);
/* Value of the only `name` in a query or form body, decoded. 0 found, 1 absent, -1 repeated, malformed or too long. */
int http_form_value(const char *form, size_t form_len, const char *name, char *out, size_t out_size);

/* ---- client ------------------------------------------------------------------------------------------------ */

struct http_client_options {
	const char *ca_file;              /* trust anchors; the server's name is always checked */
	const char *cert_file, *key_file; /* mutual TLS; NULL without */
	const char *resolve; /* "host:port:address" pairs separated by ',', or NULL for the system's resolver */
	/*
	 * "http://host:port" of an HTTP proxy, NULL or "" without: each connection is a tunnel through it (CONNECT),
	 * TLS is with the server as ever, and the proxy looks the name up. Never taken from the environment.
	 */
	const char *proxy;
	size_t max_body;
	unsigned timeout_ms;
};

struct http_call {
	const char *method, *url;
	const char *content_type; /* of the body; NULL without */
	struct octets body;
	const char *bearer;        /* access token or NULL */
	const char *authorization; /* whole value of another scheme, or NULL */
	const char *asserted; /* X-3GPP-Asserted-Identity, as a proxy that has authenticated its user; NULL without */
	const char *cookie;   /* NULL without */
	const char *accept;   /* NULL: anything */
};

struct http_answer {
	int status; /* 0: no answer; `error` says why */
	char content_type[128];
	char location[4096];
	char set_cookie[1024]; /* each Set-Cookie, one a line */
	char date[64];
	char www_authenticate[512];
	unsigned retry_after_s;
	uint8_t *body; /* NULL or NUL-terminated beyond body_len; freed (and wiped) by http_answer_free */
	size_t body_len;
	char error[640];
};

struct http_client;

struct http_client *http_client_new(const struct http_client_options *o);
void http_client_free(struct http_client *c);
/* What proxy may hold; nothing that is secret belongs there. */
int http_proxy_valid(const char *proxy);
/* One request; redirects are never followed. Not thread-safe: one client object a thread. */
void http_client_do(struct http_client *c, const struct http_call *call, struct http_answer *out);
void http_answer_free(struct http_answer *a);

#endif

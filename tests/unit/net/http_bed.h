/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_bed.h - one HTTPS server that says what it was asked, with an authority and clients, for the tests of the HTTPS
 * port. bed_set_up and bed_tear_down are a group's.
 */
#ifndef TEST_HTTP_BED_H
#define TEST_HTTP_BED_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/http.h"
#include "unit/net/lab.h"

extern struct lab lab;
extern struct http_server *server;
extern atomic_uint handled; /* requests that reached the handler */
extern const struct http_call get;

int bed_set_up(void **state);
int bed_tear_down(void **state);
/* Of `server`, for another one. */
struct http_server_options options(void);
/* One request to `host` with the client certificate `who` (NULL without); the whole answer to out. */
void ask_port(unsigned port, const char *host, const char *who, const struct http_call *rest, const char *target,
	      struct http_answer *out);
void ask(struct http_server *s, const char *host, const char *who, const struct http_call *rest, const char *target,
	 struct http_answer *out);
/* A request to `server` is answered 200 with this text. */
void expect_text(const char *who, const struct http_call *call, const char *target, const char *text);
/* Raw TLS connection with OpenSSL as the peer; NULL if the handshake fails. */
SSL *raw_connect(SSL_CTX *ctx, struct http_server *s);
void raw_close(SSL *ssl);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_tls.h - the server's side of TLS for http_server.c: our certificate, and what a client's certificate says.
 *
 * libmicrohttpd asks for a client certificate but neither demands nor verifies it: http_tls_client does, against its
 * own trust list, with chain, time, revocation list and key purpose.
 */
#ifndef MCX_NET_HTTP_TLS_H
#define MCX_NET_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "net/http.h"

/* TLS 1.2 and 1.3, ECDHE, AEAD; no ticket, no renegotiation, no compression, no early data (TS 33.310 Annex E). */
extern const char http_tls_priorities[];

struct http_tls;

struct http_tls *http_tls_new(const struct http_server_options *o, char *err, size_t err_size);
void http_tls_free(struct http_tls *t);
/*
 * Takes up changed certificate, key and revocation list files; what does not load leaves the old ones in use. 0 nothing
 * to do, 1 taken up, -1 and a sentence: refused. The same files are refused once.
 */
int http_tls_reload(struct http_tls *t, char *err, size_t err_size);
/* notAfter of the certificate in use, Unix seconds. */
int64_t http_tls_ends(struct http_tls *t);
/* Grows with each reload, beginning with 1: what http_tls_client said under another one has to be asked again. */
unsigned http_tls_generation(const struct http_tls *t);
/* The certificate for one handshake; valid until http_tls_free. The last one made current is `http_tls_current`. */
int http_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *req_ca_dn, int nreqs,
		      const gnutls_pk_algorithm_t *pk_algos, int pk_algos_length, gnutls_pcert_st **pcert,
		      unsigned int *pcert_length, gnutls_privkey_t *privkey);
/* Ties a session to its server's material: called when the connection starts, before its handshake. */
void http_tls_attach(struct http_tls *t, gnutls_session_t session);
/* Verify the peer's certificate and read it. out->present is 0 if there is none that verifies. */
void http_tls_client(struct http_tls *t, gnutls_session_t session, struct http_client_cert *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler.h - a daemon's HTTP handlers without sockets: an HTTP request as text goes to the handler that the daemon
 * gave to http_server_start, as src/net/http_*.c would have given it.
 *
 * The linker puts the functions of handler.c in the place of http_server_start, http_server_stop, http_server_port,
 * http_request_header, http_defer and http_finish (--wrap). The first server started is 0, the second 1.
 */
#ifndef FUZZ_HANDLER_H
#define FUZZ_HANDLER_H

#include "fuzz/fuzz.h"
#include "net/http.h"

/* Every `Authorization: Bearer T` carries this token instead of T. */
void handler_token(const char *token);

/*
 * Runs one request. Fails the process when the answer breaks what an answer is: a status from 200 to 599, headers
 * without line ends, a body with its type. Returns the status; 0: the text is no request.
 */
int handler_run(unsigned server, const struct http_client_cert *cert, const uint8_t *text, size_t size);
/* The body of the last answer, ended by NUL. */
const char *handler_body(void);
/* The officer of an admin listener. */
extern const struct http_client_cert handler_officer;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.h - the server's own identity keys: fetched from mcx-kms over mutual TLS for its receiver identities (PSI and
 * MDSI), kept in memory, renewed before their period ends.
 *
 * What jobs use is an immutable book: taken with a reference, so that a renewal never pulls keys from under a job. A
 * thread of its own talks to the KMS; when the KMS cannot be reached the keys we have go on serving for their period.
 */
#ifndef MCX_SERVER_KEYS_H
#define MCX_SERVER_KEYS_H

#include "mcsec/mikey.h"
#include "mcx/flow/suite.h"
#include "server/config.h"

struct server_keys;
struct server_book;

struct server_keys *server_keys_start(const struct server_config *cfg);
void server_keys_stop(struct server_keys *k);
/* NULL until the first set came. Thread-safe. */
struct server_book *server_keys_book(struct server_keys *k);
const struct mcsec_im_book *server_book_tables(const struct server_book *b);
/* What the KMS allows of the suites that the configuration does (TS 33.180 4.3.4.1). */
const struct suite_list *server_book_suites(const struct server_book *b);
void server_book_release(struct server_book *b); /* NULL is allowed */
/* Ask again now (an operator's SIGHUP). */
void server_keys_renew(struct server_keys *k);

#endif

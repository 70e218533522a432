/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocations.h - tokens that the identity server took back before their time (TS 33.180 B.12; identity.md 11).
 *
 * A resource server checks tokens by itself; this is the rest: the list of the issuer's admin interface,
 * GET revoked?since=N, asked for every few seconds over mutual TLS on a thread of its own. While the issuer cannot be
 * reached the entries we have go on counting; revocations_age says how old the knowledge is.
 */
#ifndef MCX_NET_REVOCATIONS_H
#define MCX_NET_REVOCATIONS_H

#include "mcx/token/token.h"
#include "net/http.h"

/* ---- the list, pure ---- */

struct revoked_list;

struct revoked_list *revoked_list_new(void);
void revoked_list_free(struct revoked_list *l);
/*
 * One page of the issuer's answer ({"next":N,"revoked":[{"kind","value","at","until"}]}) taken in. Returns how many
 * entries it had, -1 if it is no such page (then nothing was taken). *next receives what to ask for then.
 */
int revoked_list_take(struct revoked_list *l, struct octets json, int64_t now, int64_t *next);
/* 1 if the token, its session or its account was taken back after it was issued. */
int revoked_list_has(const struct revoked_list *l, const struct token_claims *c, int64_t now);
size_t revoked_list_count(const struct revoked_list *l);

/* ---- the one that asks ---- */

struct revocations;

struct revocations_options {
	const char *url;                 /* https://.../admin/v1/revoked */
	struct http_client_options http; /* with a certificate the issuer's admin listener takes; strings are copied */
	unsigned every_s;                /* 0: 10 */
	/* Once when asking fails (error says why) and once when it goes again (NULL); may be NULL. */
	void (*said)(void *ctx, const char *error);
	void *ctx;
};

struct revocations *revocations_start(const struct revocations_options *o);
void revocations_stop(struct revocations *r); /* NULL is allowed */
/* Thread-safe. r NULL: nothing is revoked. */
int revocations_has(struct revocations *r, const struct token_claims *c);
/* Seconds since the list was last read whole; -1 never. */
int64_t revocations_age(struct revocations *r);

#endif

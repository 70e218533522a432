/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwks_cache.h - the key set of one issuer, fetched over HTTPS and kept, for those who check its tokens.
 *
 * Fetched when first needed, again after max_age_s, and again when a token names a key that is not in it, but then at
 * most once in 60 s (identity.md 4.5): nobody makes us flood the issuer with invented key identifiers. When the issuer
 * cannot be reached the keys we have go on serving. Thread-safe; one thread fetches, those who need the result wait.
 */
#ifndef MCX_NET_JWKS_CACHE_H
#define MCX_NET_JWKS_CACHE_H

#include "mcx/token/token.h"
#include "net/http.h"

struct jwks_cache;

struct jwks_cache_options {
	const char *url;                 /* of the key set */
	struct http_client_options http; /* copied; its strings are copied too */
	unsigned max_age_s;              /* 0: 3600 */
};

struct jwks_cache *jwks_cache_new(const struct jwks_cache_options *o);
void jwks_cache_free(struct jwks_cache *c);

/* token_check with this issuer's keys; policy->keys is ignored. policy->now also is the clock of the refetch rule. */
enum token_verdict jwks_cache_check(struct jwks_cache *c, const char *compact, size_t len,
				    const struct token_policy *policy, struct token_claims *out);
/* 1 if a key set was ever had. */
int jwks_cache_ready(struct jwks_cache *c);
/* Forget when it was last asked: the next check fetches anew (an operator's emergency rotation). */
void jwks_cache_expire(struct jwks_cache *c);

#endif

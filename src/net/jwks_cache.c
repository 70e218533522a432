/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwks_cache.c - see jwks_cache.h. A key set is immutable once parsed; a check holds a reference to the one it began
 * with, so that a refetch never pulls keys from under it.
 */
#include "net/jwks_cache.h"

#include <pthread.h>
#include <stdlib.h>

enum { REFETCH_S = 60, RETRY_S = 2, DEFAULT_MAX_AGE_S = 3600, MAX_JWKS = 256 * 1024, FETCH_TIMEOUT_MS = 5000 };

struct key_set {
	unsigned refs; /* under the cache's lock */
	struct token_keys *keys;
};

struct jwks_cache {
	pthread_mutex_t lock;
	pthread_cond_t fetched;
	struct key_set *current;
	int fetching;
	int64_t asked_at, fetched_at; /* Unix seconds; INT64_MIN: never */
	int64_t max_age;
	char *url;
	struct http_client *http; /* used by the fetching thread only */
};

struct jwks_cache *jwks_cache_new(const struct jwks_cache_options *o)
{
	struct http_client_options http = o->http;
	struct jwks_cache *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	http.max_body = MAX_JWKS;
	http.timeout_ms = http.timeout_ms ? http.timeout_ms : FETCH_TIMEOUT_MS;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->fetched, NULL);
	c->asked_at = c->fetched_at = INT64_MIN;
	c->max_age = o->max_age_s ? o->max_age_s : DEFAULT_MAX_AGE_S;
	c->url = strdup(o->url);
	c->http = http_client_new(&http);
	if (!c->url || !c->http) {
		jwks_cache_free(c);
		return NULL;
	}
	return c;
}

static void set_unref(struct key_set *s)
{
	if (s && --s->refs == 0) {
		token_keys_free(s->keys);
		free(s);
	}
}

void jwks_cache_free(struct jwks_cache *c)
{
	if (!c)
		return;
	set_unref(c->current);
	http_client_free(c->http);
	free(c->url);
	pthread_cond_destroy(&c->fetched);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct key_set *fetch(struct jwks_cache *c)
{
	struct http_answer a;
	struct key_set *s = NULL;
	http_client_do(c->http, &(struct http_call){.method = "GET", .url = c->url, .accept = "application/json"}, &a);
	struct token_keys *keys =
	    a.status == 200 && a.body ? token_keys_parse((struct octets){a.body, a.body_len}) : NULL;
	http_answer_free(&a);
	if (keys && (s = calloc(1, sizeof *s))) {
		s->refs = 1;
		s->keys = keys;
	} else {
		token_keys_free(keys);
	}
	return s;
}

/* Is a fetch due: nothing there yet, too old, or a key asked for that we do not know? Lock held. */
static int due(const struct jwks_cache *c, int64_t now, int unknown_key)
{
	if (c->asked_at == INT64_MIN)
		return 1;
	int64_t since = now - c->asked_at;
	if (!c->current)
		return since >= RETRY_S || since < 0;
	if (since < REFETCH_S && since >= 0)
		return 0;
	return unknown_key || c->fetched_at == INT64_MIN || now - c->fetched_at >= c->max_age;
}

/* Fetches if due and nobody else does; else waits for who does. Lock held, given up meanwhile. */
static void refresh(struct jwks_cache *c, int64_t now, int unknown_key)
{
	if (c->fetching) {
		if (!c->current || unknown_key)
			while (c->fetching)
				pthread_cond_wait(&c->fetched, &c->lock);
		return;
	}
	if (!due(c, now, unknown_key))
		return;
	c->fetching = 1;
	c->asked_at = now;
	pthread_mutex_unlock(&c->lock);
	struct key_set *s = fetch(c);
	pthread_mutex_lock(&c->lock);
	if (s) {
		set_unref(c->current);
		c->current = s;
		c->fetched_at = now;
	}
	c->fetching = 0;
	pthread_cond_broadcast(&c->fetched);
}

static struct key_set *take(struct jwks_cache *c, int64_t now, int unknown_key)
{
	pthread_mutex_lock(&c->lock);
	refresh(c, now, unknown_key);
	struct key_set *s = c->current;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&c->lock);
	return s;
}

static void give_back(struct jwks_cache *c, struct key_set *s)
{
	pthread_mutex_lock(&c->lock);
	set_unref(s);
	pthread_mutex_unlock(&c->lock);
}

enum token_verdict jwks_cache_check(struct jwks_cache *c, const char *compact, size_t len,
				    const struct token_policy *policy, struct token_claims *out)
{
	enum token_verdict v = TOKEN_UNKNOWN_KEY;
	for (int again = 0; again < 2 && v == TOKEN_UNKNOWN_KEY; again++) {
		struct key_set *s = take(c, policy->now, again);
		struct token_policy p = *policy;
		p.keys = s ? s->keys : NULL;
		v = token_check(compact, len, &p, out);
		give_back(c, s);
	}
	return v;
}

int jwks_cache_ready(struct jwks_cache *c)
{
	pthread_mutex_lock(&c->lock);
	int ready = c->current != NULL;
	pthread_mutex_unlock(&c->lock);
	return ready;
}

void jwks_cache_expire(struct jwks_cache *c)
{
	pthread_mutex_lock(&c->lock);
	c->asked_at = c->fetched_at = INT64_MIN;
	pthread_mutex_unlock(&c->lock);
}

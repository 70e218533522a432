/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocations.c - see revocations.h. Entries lie in a hash table by kind and value, and leave it when no token they
 * concern can be alive any more (`until`). The number of entries is bounded: what does not fit is not forgotten
 * silently, the page counts as unread.
 */
#include "net/revocations.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "sec/base/check.h"

enum { BUCKETS = 4096, MAX_ENTRIES = 1000000, MAX_PAGE = 1 << 20, EVERY_S = 10, TIMEOUT_MS = 5000, FULL_PAGE = 1000 };

enum kind { KIND_JTI, KIND_SID, KIND_SUB, KINDS };
static const char *const kind_names[KINDS] = {"jti", "sid", "sub"};

struct entry {
	struct entry *next;
	enum kind kind;
	int64_t at, until;
	char value[];
};

struct revoked_list {
	size_t n;
	struct entry *bucket[BUCKETS];
};

/* ---- the list ---- */

/* FNV-1a; the values are the issuer's own, no stranger's. */
static size_t bucket_of(enum kind kind, const char *value)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;
	for (; *value; value++)
		h = (h ^ (uint8_t)*value) * 16777619u;
	return h % BUCKETS;
}

struct revoked_list *revoked_list_new(void)
{
	return calloc(1, sizeof(struct revoked_list));
}

void revoked_list_free(struct revoked_list *l)
{
	for (size_t i = 0; l && i < BUCKETS; i++)
		while (l->bucket[i]) {
			struct entry *e = l->bucket[i];
			l->bucket[i] = e->next;
			free(e);
		}
	free(l);
}

size_t revoked_list_count(const struct revoked_list *l)
{
	return l->n;
}

static struct entry *find(const struct revoked_list *l, enum kind kind, const char *value)
{
	struct entry *e = l->bucket[bucket_of(kind, value)];
	while (e && (e->kind != kind || strcmp(e->value, value) != 0))
		e = e->next;
	return e;
}

static void drop_expired(struct revoked_list *l, int64_t now)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry **at = &l->bucket[i]; *at;) {
			struct entry *e = *at;
			if (e->until > now) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			free(e);
			l->n--;
		}
}

static int add(struct revoked_list *l, enum kind kind, const char *value, int64_t at, int64_t until)
{
	struct entry *e = find(l, kind, value);
	if (e) {
		e->at = at > e->at ? at : e->at;
		e->until = until > e->until ? until : e->until;
		return 0;
	}
	if (l->n >= MAX_ENTRIES || !(e = malloc(sizeof *e + strlen(value) + 1)))
		return -1;
	size_t b = bucket_of(kind, value);
	*e = (struct entry){.next = l->bucket[b], .kind = kind, .at = at, .until = until};
	strcpy(e->value, value);
	l->bucket[b] = e;
	l->n++;
	return 0;
}

/* An entry of a kind we do not know concerns something else than tokens: skipped. */
static int add_json(struct revoked_list *l, json_t *j)
{
	const char *kind = NULL, *value = NULL;
	json_int_t at = 0, until = 0;
	if (json_unpack(j, "{s:s, s:s, s:I, s:I}", "kind", &kind, "value", &value, "at", &at, "until", &until))
		return -1;
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kind_names[i], kind) == 0)
			return add(l, (enum kind)i, value, at, until);
	return 0;
}

int revoked_list_take(struct revoked_list *l, struct octets json, int64_t now, int64_t *next)
{
	json_t *j = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, NULL), *one;
	json_t *list = json_object_get(j, "revoked"), *number = json_object_get(j, "next");
	int n = json_is_array(list) && json_is_integer(number) ? (int)json_array_size(list) : -1;
	size_t i;
	drop_expired(l, now);
	json_array_foreach(list, i, one)
	{
		if (n >= 0 && add_json(l, one))
			n = -1;
	}
	if (n >= 0)
		*next = json_integer_value(number);
	json_decref(j);
	return n;
}

int revoked_list_has(const struct revoked_list *l, const struct token_claims *c, int64_t now)
{
	const char *const values[KINDS] = {[KIND_JTI] = c->jti, [KIND_SID] = c->sid, [KIND_SUB] = c->subject};
	for (size_t i = 0; i < KINDS; i++) {
		const struct entry *e = values[i][0] ? find(l, (enum kind)i, values[i]) : NULL;
		/* a token identifier is one token; a session or an account may have newer ones */
		if (MCX_FAULT(tok.listed, e && e->until > now && (i == KIND_JTI || c->iat <= e->at)))
			return 1;
	}
	return 0;
}

/* ---- the one that asks ---- */

struct revocations {
	pthread_t thread;
	pthread_mutex_t lock; /* list, read_at, stopping */
	pthread_cond_t ending;
	int stopping;
	struct revoked_list *list;
	int64_t read_at; /* monotonic seconds; -1 never */
	/* the thread's own */
	struct http_client *http;
	char *url;
	unsigned every_s;
	int64_t next;
	int failing; /* -1: not known yet */
	void (*said)(void *ctx, const char *error);
	void *ctx;
};

static int64_t monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* One page. How many entries, or -1 and why. */
static int ask(struct revocations *r, char *why, size_t why_size)
{
	char url[1200];
	struct http_answer a;
	int n = -1;
	snprintf(url, sizeof url, "%s?since=%lld", r->url, (long long)r->next);
	http_client_do(r->http, &(struct http_call){.method = "GET", .url = url, .accept = "application/json"}, &a);
	if (a.status == 200 && a.body) {
		pthread_mutex_lock(&r->lock);
		n = revoked_list_take(r->list, (struct octets){a.body, a.body_len}, time(NULL), &r->next);
		pthread_mutex_unlock(&r->lock);
		snprintf(why, why_size, "not a revocation list, or too long");
	} else if (a.status) {
		snprintf(why, why_size, "status %d", a.status);
	} else {
		snprintf(why, why_size, "%s", a.error);
	}
	http_answer_free(&a);
	return n;
}

static void ask_all(struct revocations *r)
{
	char why[700];
	int n;
	do
		n = ask(r, why, sizeof why);
	while (n >= FULL_PAGE);
	if (n >= 0) {
		pthread_mutex_lock(&r->lock);
		r->read_at = monotonic();
		pthread_mutex_unlock(&r->lock);
	}
	int failing = n < 0;
	if (failing != r->failing && r->said && !(r->failing < 0 && !failing))
		r->said(r->ctx, failing ? why : NULL);
	r->failing = failing;
}

static void *run(void *ctx)
{
	struct revocations *r = ctx;
	pthread_mutex_lock(&r->lock);
	while (!r->stopping) {
		struct timespec until;
		pthread_mutex_unlock(&r->lock);
		ask_all(r);
		pthread_mutex_lock(&r->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += r->failing ? 1 : r->every_s;
		while (!r->stopping && pthread_cond_timedwait(&r->ending, &r->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void release(struct revocations *r)
{
	revoked_list_free(r->list);
	http_client_free(r->http);
	free(r->url);
	pthread_cond_destroy(&r->ending);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct revocations *revocations_start(const struct revocations_options *o)
{
	struct http_client_options http = o->http;
	pthread_condattr_t monotonic_clock;
	struct revocations *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	http.max_body = MAX_PAGE;
	http.timeout_ms = http.timeout_ms ? http.timeout_ms : TIMEOUT_MS;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic_clock);
	pthread_condattr_setclock(&monotonic_clock, CLOCK_MONOTONIC);
	pthread_cond_init(&r->ending, &monotonic_clock);
	pthread_condattr_destroy(&monotonic_clock);
	r->list = revoked_list_new();
	r->http = http_client_new(&http);
	r->url = strdup(o->url);
	r->every_s = o->every_s ? o->every_s : EVERY_S;
	r->read_at = -1;
	r->failing = -1;
	r->said = o->said;
	r->ctx = o->ctx;
	if (r->list && r->http && r->url && pthread_create(&r->thread, NULL, run, r) == 0)
		return r;
	release(r);
	return NULL;
}

void revocations_stop(struct revocations *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = 1;
	pthread_cond_broadcast(&r->ending);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	release(r);
}

int revocations_has(struct revocations *r, const struct token_claims *c)
{
	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	int has = revoked_list_has(r->list, c, time(NULL));
	pthread_mutex_unlock(&r->lock);
	return has;
}

int64_t revocations_age(struct revocations *r)
{
	pthread_mutex_lock(&r->lock);
	int64_t age = r->read_at < 0 ? -1 : monotonic() - r->read_at;
	pthread_mutex_unlock(&r->lock);
	return age;
}

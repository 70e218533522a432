/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle.c - see throttle.h. Slots are found by a keyed hash of kind and key, in groups of eight; nobody outside can
 * choose keys that collide, because the hash is keyed with random octets.
 */
#include "idms/throttle.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/rng.h"

enum { GROUP = 8 };

struct slot {
	uint8_t id[16]; /* all zero: free */
	int64_t at_ms;  /* last change */
	double left;    /* bucket */
	unsigned failures;
	int64_t not_before_ms; /* ladder */
};

struct throttle {
	pthread_mutex_t lock;
	uint8_t seed[16];
	unsigned groups;
	struct slot *slots;
};

struct throttle *throttle_new(unsigned slots)
{
	struct throttle *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->groups = slots / GROUP ? slots / GROUP : 1;
	t->slots = calloc((size_t)t->groups * GROUP, sizeof *t->slots);
	if (!t->slots || mcsec_rng_system.fill(mcsec_rng_system.ctx, t->seed, sizeof t->seed)) {
		free(t->slots);
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void throttle_free(struct throttle *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->slots);
	free(t);
}

/* The slot of this key; when `make` is set the group's quietest slot is taken over if there is none. */
static struct slot *find(struct throttle *t, char kind, const char *key, int make)
{
	uint8_t text[16 + 1 + 512], hash[SHA256_DIGEST_LENGTH];
	size_t n = strnlen(key, 512);
	uint32_t group;
	memcpy(text, t->seed, 16);
	text[16] = (uint8_t)kind;
	memcpy(text + 17, key, n);
	SHA256(text, 17 + n, hash);
	memcpy(&group, hash + 16, sizeof group);
	struct slot *g = &t->slots[(size_t)(group % t->groups) * GROUP], *quietest = g;
	for (int i = 0; i < GROUP; i++) {
		if (memcmp(g[i].id, hash, sizeof g[i].id) == 0)
			return &g[i];
		if (g[i].at_ms < quietest->at_ms)
			quietest = &g[i];
	}
	if (!make)
		return NULL;
	*quietest = (struct slot){.left = -1};
	memcpy(quietest->id, hash, sizeof quietest->id);
	return quietest;
}

/* What the bucket holds now. */
static double level(const struct slot *s, const struct throttle_rule *r, int64_t now_ms)
{
	if (!s || s->left < 0 || now_ms < s->at_ms)
		return r->burst;
	double left = s->left + (double)(now_ms - s->at_ms) / 1000.0 * r->per_s;
	return left < r->burst ? left : r->burst;
}

static unsigned wait_for_one(double left, const struct throttle_rule *r)
{
	return left >= 1 ? 0 : 1 + (unsigned)((1 - left) / r->per_s);
}

unsigned throttle_take(struct throttle *t, const struct throttle_rule *r, const char *key, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	struct slot *s = find(t, r->kind, key, 1);
	double left = level(s, r, now_ms);
	unsigned wait = wait_for_one(left, r);
	s->left = wait ? left : left - 1;
	s->at_ms = now_ms;
	pthread_mutex_unlock(&t->lock);
	return wait;
}

unsigned throttle_look(struct throttle *t, const struct throttle_rule *r, const char *key, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	unsigned wait = wait_for_one(level(find(t, r->kind, key, 0), r, now_ms), r);
	pthread_mutex_unlock(&t->lock);
	return wait;
}

unsigned throttle_ladder_wait(struct throttle *t, const char *key, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	const struct slot *s = find(t, 'L', key, 0);
	int64_t ms = s ? s->not_before_ms - now_ms : 0;
	pthread_mutex_unlock(&t->lock);
	return ms > 0 ? (unsigned)((ms + 999) / 1000) : 0;
}

void throttle_ladder_fail(struct throttle *t, const char *key, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	struct slot *s = find(t, 'L', key, 1);
	unsigned n = ++s->failures;
	int64_t delay = n < LADDER_FREE ? 0 : n - LADDER_FREE > 8 ? LADDER_MAX_S : INT64_C(1) << (n - LADDER_FREE);
	s->not_before_ms = now_ms + 1000 * delay;
	s->at_ms = now_ms;
	pthread_mutex_unlock(&t->lock);
}

void throttle_ladder_clear(struct throttle *t, const char *key)
{
	pthread_mutex_lock(&t->lock);
	struct slot *s = find(t, 'L', key, 0);
	if (s)
		*s = (struct slot){0};
	pthread_mutex_unlock(&t->lock);
}

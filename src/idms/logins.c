/* SPDX-License-Identifier: Apache-2.0 */
/* logins.c - see logins.h. Handles are compared by their SHA-256, so that a lookup tells nothing by its time. */
#include "idms/logins.h"

#include <openssl/sha.h>
#include <stddef.h>
#include <stdlib.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"

enum { BUCKETS = 4096, ROOM = 352 };

struct login {
	uint8_t hash[HASH_LEN];
	int64_t until;   /* 0: free */
	unsigned source; /* bucket */
	/*
	 * The request, packed, because most of a login_request is empty; one that is too large for the room has a copy
	 * of its own. Thousands of small copies that live for minutes would hold a page each of what a flood leaves
	 * behind.
	 */
	uint8_t room[ROOM], *large;
};

struct logins {
	pthread_mutex_t lock;
	uint8_t seed[16];
	unsigned max;
	uint16_t of_source[BUCKETS]; /* entries */
	struct login entry[];
};

/* ---- packed: the hash, then each text with its end ---- */

#define TEXT(member) offsetof(struct login_request, member)
static const size_t texts[] = {TEXT(client_id), TEXT(redirect_uri), TEXT(state),      TEXT(nonce),
			       TEXT(scope),     TEXT(challenge),    TEXT(acr_values), TEXT(login_hint)};
enum { TEXTS = sizeof texts / sizeof *texts };

static size_t packed_len(const struct login_request *r)
{
	size_t len = HASH_LEN;
	for (size_t i = 0; i < TEXTS; i++)
		len += strlen((const char *)r + texts[i]) + 1;
	return len;
}

static void pack(const struct login_request *r, uint8_t *out)
{
	memcpy(out, r->pre_hash, HASH_LEN);
	out += HASH_LEN;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t n = strlen((const char *)r + texts[i]) + 1;
		memcpy(out, (const char *)r + texts[i], n);
		out += n;
	}
}

static void unpack(const uint8_t *in, struct login_request *out)
{
	memset(out, 0, sizeof *out);
	memcpy(out->pre_hash, in, HASH_LEN);
	in += HASH_LEN;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t n = strlen((const char *)in) + 1;
		memcpy((char *)out + texts[i], in, n);
		in += n;
	}
}

/* ---- the table ---- */

struct logins *logins_new(unsigned max)
{
	struct logins *l = calloc(1, sizeof *l + max * sizeof l->entry[0]);
	if (!l || mcsec_rng_system.fill(mcsec_rng_system.ctx, l->seed, sizeof l->seed)) {
		free(l);
		return NULL;
	}
	l->max = max;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

static void forget(struct logins *l, struct login *e)
{
	if (!e->until)
		return;
	l->of_source[e->source]--;
	free(e->large);
	*e = (struct login){0};
}

void logins_free(struct logins *l)
{
	for (unsigned i = 0; l && i < l->max; i++)
		forget(l, &l->entry[i]);
	if (l)
		pthread_mutex_destroy(&l->lock);
	free(l);
}

/* Nobody outside knows the seed, so nobody can choose an address that shares another's bucket. */
static unsigned bucket_of(const struct logins *l, const char *source)
{
	char text[sizeof l->seed + 64] = "";
	uint8_t hash[HASH_LEN];
	memcpy(text, l->seed, sizeof l->seed);
	size_t n = strnlen(source, sizeof text - sizeof l->seed);
	memcpy(text + sizeof l->seed, source, n);
	SHA256((const uint8_t *)text, sizeof l->seed + n, hash);
	return ((unsigned)hash[0] | (unsigned)hash[1] << 8) % BUCKETS;
}

/* A free place; in a full table the oldest entry of the source that has most. */
static struct login *place(struct logins *l)
{
	unsigned most = 0;
	struct login *oldest = &l->entry[0];
	for (unsigned i = 0; i < l->max; i++)
		if (!l->entry[i].until)
			return &l->entry[i];
	for (unsigned i = 0; i < BUCKETS; i++)
		if (l->of_source[i] > l->of_source[most])
			most = i;
	for (unsigned i = 0; i < l->max; i++) {
		struct login *e = &l->entry[i];
		if (e->source == most && (oldest->source != most || e->until < oldest->until))
			oldest = e;
	}
	return oldest;
}

int logins_put(struct logins *l, const struct login_request *r, const char *source, int64_t now, char tx[RANDOM_TEXT])
{
	size_t len = packed_len(r);
	uint8_t *large = len > ROOM ? malloc(len) : NULL;
	if ((len > ROOM && !large) || idms_random(tx)) {
		free(large);
		return -1;
	}
	pthread_mutex_lock(&l->lock);
	struct login *e = place(l);
	forget(l, e);
	idms_hash(tx, e->hash);
	e->until = now + LOGIN_LIFE_S;
	e->large = large;
	pack(r, large ? large : e->room);
	e->source = bucket_of(l, source);
	l->of_source[e->source]++;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

void logins_purge(struct logins *l, int64_t now)
{
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < l->max; i++)
		if (l->entry[i].until && now >= l->entry[i].until)
			forget(l, &l->entry[i]);
	pthread_mutex_unlock(&l->lock);
}

static struct login *find(struct logins *l, const char *tx)
{
	uint8_t hash[HASH_LEN];
	idms_hash(tx, hash);
	for (unsigned i = 0; i < l->max; i++)
		if (l->entry[i].until && memcmp(l->entry[i].hash, hash, sizeof hash) == 0)
			return &l->entry[i];
	return NULL;
}

int logins_get(struct logins *l, const char *tx, int64_t now, struct login_request *out)
{
	pthread_mutex_lock(&l->lock);
	struct login *e = find(l, tx);
	int found = e && now < e->until;
	if (found)
		unpack(e->large ? e->large : e->room, out);
	pthread_mutex_unlock(&l->lock);
	return found ? 0 : -1;
}

int logins_drop(struct logins *l, const char *tx)
{
	pthread_mutex_lock(&l->lock);
	struct login *e = find(l, tx);
	if (e)
		forget(l, e);
	pthread_mutex_unlock(&l->lock);
	return e ? 0 : -1;
}

/* ---- successors of rotated refresh tokens ---- */

enum { GRACE_ENTRIES = 256 };

struct grace {
	pthread_mutex_t lock;
	unsigned next;
	struct {
		uint8_t old[HASH_LEN];
		char successor[RANDOM_TEXT];
		int64_t until_ms;
	} entry[GRACE_ENTRIES];
};

struct grace *grace_new(void)
{
	struct grace *g = mcsec_secret_alloc(sizeof *g);
	if (g)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void grace_free(struct grace *g)
{
	if (g)
		pthread_mutex_destroy(&g->lock);
	mcsec_secret_free(g);
}

void grace_put(struct grace *g, const char *old_token, const char *successor, int64_t now_ms)
{
	pthread_mutex_lock(&g->lock);
	unsigned i = g->next++ % GRACE_ENTRIES;
	idms_hash(old_token, g->entry[i].old);
	memcpy(g->entry[i].successor, successor, RANDOM_TEXT);
	g->entry[i].until_ms = now_ms + GRACE_MS;
	pthread_mutex_unlock(&g->lock);
}

int grace_take(struct grace *g, const char *old_token, int64_t now_ms, char successor[RANDOM_TEXT])
{
	uint8_t hash[HASH_LEN];
	int found = 0;
	idms_hash(old_token, hash);
	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < GRACE_ENTRIES && !found; i++)
		if (now_ms < g->entry[i].until_ms && memcmp(g->entry[i].old, hash, sizeof hash) == 0) {
			memcpy(successor, g->entry[i].successor, RANDOM_TEXT);
			mcsec_wipe(&g->entry[i], sizeof g->entry[i]);
			found = 1;
		}
	pthread_mutex_unlock(&g->lock);
	return found ? 0 : -1;
}

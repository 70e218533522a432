/* SPDX-License-Identifier: Apache-2.0 */
/* logins.c - see logins.h. Handles are compared by their SHA-256, so that a lookup tells nothing by its time. */
#include "idms/logins.h"

#include <stdlib.h>

#include "mcsec/secret.h"

struct login {
	uint8_t hash[HASH_LEN];
	int64_t until; /* 0: free */
	struct login_request *request;
};

struct logins {
	pthread_mutex_t lock;
	unsigned max;
	struct login entry[];
};

struct logins *logins_new(unsigned max)
{
	struct logins *l = calloc(1, sizeof *l + max * sizeof l->entry[0]);
	if (l) {
		l->max = max;
		pthread_mutex_init(&l->lock, NULL);
	}
	return l;
}

static void forget(struct login *e)
{
	free(e->request);
	*e = (struct login){0};
}

void logins_free(struct logins *l)
{
	for (unsigned i = 0; l && i < l->max; i++)
		forget(&l->entry[i]);
	if (l)
		pthread_mutex_destroy(&l->lock);
	free(l);
}

int logins_put(struct logins *l, const struct login_request *r, int64_t now, char tx[RANDOM_TEXT])
{
	struct login_request *copy = malloc(sizeof *copy);
	if (!copy || idms_random(tx)) {
		free(copy);
		return -1;
	}
	*copy = *r;
	pthread_mutex_lock(&l->lock);
	struct login *oldest = &l->entry[0];
	for (unsigned i = 0; i < l->max && oldest->until; i++)
		if (l->entry[i].until < oldest->until)
			oldest = &l->entry[i];
	forget(oldest);
	idms_hash(tx, oldest->hash);
	oldest->until = now + LOGIN_LIFE_S;
	oldest->request = copy;
	pthread_mutex_unlock(&l->lock);
	return 0;
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
		*out = *e->request;
	pthread_mutex_unlock(&l->lock);
	return found ? 0 : -1;
}

int logins_drop(struct logins *l, const char *tx)
{
	pthread_mutex_lock(&l->lock);
	struct login *e = find(l, tx);
	if (e)
		forget(e);
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

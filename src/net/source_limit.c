/* SPDX-License-Identifier: Apache-2.0 */
/* source_limit.c - see source_limit.h. A bucket counts in thousandths of a token, so that a refill is never rounded
 * away. */
#include "net/source_limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { PLACES = 2048, NAME = 48, MILLI = 1000 };

struct source_limit {
	unsigned per_second, burst;
	uint64_t seed;
	pthread_mutex_t lock;
	struct place {
		char source[NAME];
		int64_t at_ms;
		int64_t milli; /* tokens * 1000 */
	} place[PLACES];
};

struct source_limit *source_limit_new(unsigned per_second, unsigned burst)
{
	struct source_limit *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->per_second = per_second;
	l->burst = burst ? burst : 2 * per_second;
	pthread_mutex_init(&l->lock, NULL);
	/* Without randomness (early boot) the table works all the same, only its places can be guessed. */
	if (getrandom(&l->seed, sizeof l->seed, GRND_NONBLOCK) < 0)
		l->seed = 0;
	return l;
}

void source_limit_free(struct source_limit *l)
{
	if (l)
		pthread_mutex_destroy(&l->lock);
	free(l);
}

static size_t place_of(const struct source_limit *l, const char *source)
{
	uint64_t h = l->seed ^ 14695981039346656037u; /* FNV-1a */
	for (; *source; source++)
		h = (h ^ (uint8_t)*source) * 1099511628211u;
	return (h ^ h >> 32) % PLACES;
}

int source_limit_take(struct source_limit *l, const char *source, int64_t now_ms)
{
	if (!l->per_second)
		return 1;
	int64_t full = (int64_t)l->burst * MILLI;
	pthread_mutex_lock(&l->lock);
	struct place *p = &l->place[place_of(l, source)];
	if (strncmp(p->source, source, NAME - 1) != 0) {
		*p = (struct place){.at_ms = now_ms, .milli = full};
		strncpy(p->source, source, NAME - 1);
	}
	int64_t passed = now_ms - p->at_ms;
	if (passed > 0) {
		int64_t enough = full / (int64_t)l->per_second + 1; /* ms that fill it: no product can overflow */
		p->milli += (passed < enough ? passed : enough) * (int64_t)l->per_second;
		p->at_ms = now_ms;
	}
	if (p->milli > full)
		p->milli = full;
	int allowed = p->milli >= MILLI;
	if (allowed)
		p->milli -= MILLI;
	pthread_mutex_unlock(&l->lock);
	return allowed;
}

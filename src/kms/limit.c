/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - see limit.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kms/limit.h"
#include "sec/base/check.h"

enum { PLACES = 1024, NAME = 64 };

struct limit {
	unsigned per_second;
	pthread_mutex_t lock;
	struct {
		char name[NAME];
		int64_t second;
		unsigned count;
	} place[PLACES];
};

struct limit *limit_new(unsigned per_second)
{
	struct limit *l = calloc(1, sizeof *l);
	if (l) {
		l->per_second = per_second;
		pthread_mutex_init(&l->lock, NULL);
	}
	return l;
}

void limit_free(struct limit *l)
{
	if (l)
		pthread_mutex_destroy(&l->lock);
	free(l);
}

static unsigned place_of(const char *name)
{
	unsigned h = 2166136261u; /* FNV-1a */
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h % PLACES;
}

int limit_allows(struct limit *l, const char *name, int64_t now)
{
	if (!l->per_second)
		return 1;
	unsigned at = place_of(name);
	pthread_mutex_lock(&l->lock);
	if (l->place[at].second != now || strncmp(l->place[at].name, name, NAME - 1) != 0) {
		strncpy(l->place[at].name, name, NAME - 1);
		l->place[at].second = now;
		l->place[at].count = 0;
	}
	int allowed = MCX_CHECK(size.rate, l->place[at].count < l->per_second);
	l->place[at].count += (unsigned)allowed;
	pthread_mutex_unlock(&l->lock);
	return allowed;
}

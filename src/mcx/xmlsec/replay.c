/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - a bounded set of IVs (see replay.h).
 *
 * IVs are random, so their first eight octets tell them apart (two among 4096 are equal once in 2^40 sets). Open
 * addressing over two generations: a full young one becomes the old one, and the old one is forgotten.
 */
#include "replay.h"

#include <stdlib.h>

enum { GENERATION = XML_REPLAY_MAX / 2, FIRST_SLOTS = 64 };

struct table {
	uint64_t *slot; /* 0: free */
	size_t slots, n;
};

struct xml_replay {
	struct table young, old;
	int worn;
};

static uint64_t tag_of(const uint8_t iv[XML_IV_LEN])
{
	uint64_t tag;
	memcpy(&tag, iv, sizeof tag);
	return tag ? tag : 1;
}

static size_t place(const struct table *t, uint64_t tag)
{
	size_t i = (size_t)(tag ^ tag >> 29) & (t->slots - 1);
	while (t->slot[i] && t->slot[i] != tag)
		i = (i + 1) & (t->slots - 1);
	return i;
}

static int has(const struct table *t, uint64_t tag)
{
	return t->slots && t->slot[place(t, tag)] == tag;
}

/* Twice as large, unless there is no memory: then the set stays as it is, and forgets earlier. */
static void grow(struct table *t)
{
	struct table larger = {calloc(t->slots * 2, sizeof *t->slot), t->slots * 2, t->n};
	if (!larger.slot)
		return;
	for (size_t i = 0; i < t->slots; i++)
		if (t->slot[i])
			larger.slot[place(&larger, t->slot[i])] = t->slot[i];
	free(t->slot);
	*t = larger;
}

struct xml_replay *xml_replay_new(void)
{
	struct xml_replay *set = calloc(1, sizeof *set);
	if (!set)
		return NULL;
	set->young = (struct table){calloc(FIRST_SLOTS, sizeof *set->young.slot), FIRST_SLOTS, 0};
	if (!set->young.slot) {
		free(set);
		return NULL;
	}
	return set;
}

void xml_replay_free(struct xml_replay *set)
{
	if (!set)
		return;
	free(set->young.slot);
	free(set->old.slot);
	free(set);
}

static void add(struct xml_replay *set, uint64_t tag)
{
	struct table *t = &set->young;
	if (2 * t->n >= t->slots && t->n < GENERATION)
		grow(t);
	if (t->n == GENERATION || 2 * t->n >= t->slots) {
		uint64_t *fresh = calloc(FIRST_SLOTS, sizeof *fresh);
		if (!fresh)
			return;
		free(set->old.slot);
		set->old = set->young;
		set->young = (struct table){fresh, FIRST_SLOTS, 0};
		set->worn = 1;
	}
	t->slot[place(t, tag)] = tag;
	t->n++;
}

int xml_replay_check(struct xml_replay *set, const struct xml_seen *seen)
{
	size_t known = 0;
	for (size_t i = 0; i < seen->n; i++) {
		uint64_t tag = tag_of(seen->iv[i]);
		known += has(&set->young, tag) || has(&set->old, tag);
	}
	if (seen->n && known == seen->n)
		return 1;
	for (size_t i = 0; i < seen->n; i++) {
		uint64_t tag = tag_of(seen->iv[i]);
		if (!has(&set->young, tag) && !has(&set->old, tag))
			add(set, tag);
	}
	return 0;
}

int xml_replay_worn(const struct xml_replay *set)
{
	return set->worn;
}

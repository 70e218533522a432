/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - the memory of messages seen (mikey 10 step 5): bounded, with injected time.
 *
 * A hash table with open addressing, at most half full, keyed by the first octets of a SHA-256 that only the owner of
 * a signing key can influence. Entries that ran out leave when room is needed: the table is rebuilt without them. An
 * entry that has not run out is never dropped: a full memory refuses what is new, because forgetting would let an old
 * message in again.
 */
#include <stdlib.h>
#include <string.h>

#include "mcsec/mikey.h"

struct mcsec_replay {
	size_t capacity, count, slots; /* slots: a power of two, at least twice the capacity */
	uint64_t earliest;             /* no entry runs out before this */
	struct mcsec_replay_entry *table;
	uint8_t *used;
};

static size_t slot_of(const struct mcsec_replay *cache, const uint8_t hash[MCSEC_REPLAY_HASH])
{
	uint64_t h;
	memcpy(&h, hash, sizeof h);
	return (size_t)h & (cache->slots - 1);
}

/* The slot that holds this hash, or the free one where it would go. */
static size_t find(const struct mcsec_replay *cache, const uint8_t hash[MCSEC_REPLAY_HASH])
{
	size_t i = slot_of(cache, hash);
	while (cache->used[i] && memcmp(cache->table[i].hash, hash, MCSEC_REPLAY_HASH) != 0)
		i = (i + 1) & (cache->slots - 1);
	return i;
}

enum mcsec_err mcsec_replay_new(struct mcsec_replay **out, size_t capacity)
{
	struct mcsec_replay *cache = calloc(1, sizeof *cache);
	*out = NULL;
	if (capacity == 0 || capacity > SIZE_MAX / 8 / sizeof *cache->table) {
		free(cache);
		return MCSEC_E_ARGUMENT;
	}
	if (!cache)
		return MCSEC_E_MEMORY;
	cache->capacity = capacity;
	cache->earliest = UINT64_MAX;
	for (cache->slots = 2; cache->slots < 2 * capacity; cache->slots *= 2)
		;
	cache->table = calloc(cache->slots, sizeof *cache->table);
	cache->used = calloc(cache->slots, 1);
	if (!cache->table || !cache->used) {
		mcsec_replay_free(cache);
		return MCSEC_E_MEMORY;
	}
	*out = cache;
	return MCSEC_OK;
}

void mcsec_replay_free(struct mcsec_replay *cache)
{
	if (!cache)
		return;
	free(cache->table);
	free(cache->used);
	free(cache);
}

int mcsec_replay_seen(const struct mcsec_replay *cache, const uint8_t hash[MCSEC_REPLAY_HASH], uint64_t now)
{
	size_t i = find(cache, hash);
	return cache->used[i] && cache->table[i].until >= now;
}

/* Rebuild without the entries that ran out. MCSEC_E_MEMORY leaves all as it was. */
static enum mcsec_err purge(struct mcsec_replay *cache, uint64_t now)
{
	struct mcsec_replay_entry *old = malloc(cache->count * sizeof *old);
	size_t n = 0;
	if (!old)
		return MCSEC_E_MEMORY;
	for (size_t i = 0; i < cache->slots; i++)
		if (cache->used[i] && cache->table[i].until >= now)
			old[n++] = cache->table[i];
	memset(cache->used, 0, cache->slots);
	cache->earliest = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		size_t slot = find(cache, old[i].hash);
		cache->table[slot] = old[i];
		cache->used[slot] = 1;
		if (old[i].until < cache->earliest)
			cache->earliest = old[i].until;
	}
	cache->count = n;
	free(old);
	return MCSEC_OK;
}

enum mcsec_err mcsec_replay_add(struct mcsec_replay *cache, const struct mcsec_replay_entry *entry, uint64_t now)
{
	size_t i = find(cache, entry->hash);
	if (cache->used[i]) {
		int live = cache->table[i].until >= now;
		if (cache->table[i].until < entry->until)
			cache->table[i].until = entry->until;
		return live ? MCSEC_E_REPLAY : MCSEC_OK;
	}
	if (cache->count == cache->capacity) {
		enum mcsec_err err = cache->earliest < now ? purge(cache, now) : MCSEC_OK;
		if (err || cache->count == cache->capacity)
			return err ? err : MCSEC_E_NO_SPACE;
		i = find(cache, entry->hash);
	}
	cache->table[i] = *entry;
	cache->used[i] = 1;
	cache->count++;
	if (entry->until < cache->earliest)
		cache->earliest = entry->until;
	return MCSEC_OK;
}

size_t mcsec_replay_count(const struct mcsec_replay *cache)
{
	return cache->count;
}

void mcsec_replay_export(const struct mcsec_replay *cache, uint64_t now,
			 int (*each)(void *ctx, const struct mcsec_replay_entry *entry), void *ctx)
{
	for (size_t i = 0; i < cache->slots; i++)
		if (cache->used[i] && cache->table[i].until >= now && each(ctx, &cache->table[i]))
			return;
}

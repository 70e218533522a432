/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.c - the secret allocator.
 *
 * One region of pages is reserved at first use, fenced by inaccessible pages, locked and left out of core dumps.
 * It is cut into slots of 64 octets; a bit map says which are taken, and an allocation is a run of slots with its
 * length kept aside (never beside the secret, where an overrun would find it). A full region is followed by another.
 * Given-back slots are wiped at once. Locking is asked for; where the limit forbids it the pages are still fenced,
 * undumpable and wiped, because a radio without CAP_IPC_LOCK must work too.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "mcsec/secret.h"

enum { SLOT = 64, REGION_SLOTS = 16384 }; /* 1 MiB a region */

struct region {
	struct region *next;
	uint8_t *base;
	size_t slots;
	uint32_t *run; /* run[i]: slots of the allocation that begins at slot i; 0 elsewhere */
	uint8_t *taken;
	size_t hint;
	size_t longest; /* no run of free slots is longer: a full region is not searched once more */
	int locked;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct region *regions;
static size_t in_use;

void mcsec_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n); /* as fast as memset, and not left out by the compiler */
}

int mcsec_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

static struct region *region_new(size_t slots)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (slots * SLOT + page - 1) / page * page;
	struct region *r = calloc(1, sizeof *r);
	uint8_t *map = mmap(NULL, len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!r || map == MAP_FAILED)
		goto fail;
	r->base = map + page;
	r->slots = r->longest = len / SLOT;
	r->run = calloc(r->slots, sizeof *r->run);
	r->taken = calloc(r->slots, 1);
	if (!r->run || !r->taken || mprotect(r->base, len, PROT_READ | PROT_WRITE))
		goto fail;
	r->locked = mlock(r->base, len) == 0;
	(void)madvise(r->base, len, MADV_DONTDUMP);
	return r;
fail:
	if (map != MAP_FAILED)
		munmap(map, len + 2 * page);
	if (r) {
		free(r->run);
		free(r->taken);
	}
	free(r);
	return NULL;
}

/* First fit from the hint, once round; SIZE_MAX when no run of `want` free slots is left. */
static size_t find_run(struct region *r, size_t want)
{
	if (r->longest < want)
		return SIZE_MAX;
	for (int pass = 0; pass < 2; pass++) {
		size_t from = pass ? 0 : r->hint, run = 0;
		for (size_t i = from; i < r->slots; i++) {
			run = r->taken[i] ? 0 : run + 1;
			if (run == want)
				return i + 1 - want;
		}
	}
	r->longest = want - 1;
	return SIZE_MAX;
}

void *mcsec_secret_alloc(size_t n)
{
	if (n > SIZE_MAX / 2)
		return NULL;
	size_t want = n ? (n + SLOT - 1) / SLOT : 1;
	void *p = NULL;
	pthread_mutex_lock(&lock);
	struct region *r;
	size_t at = SIZE_MAX;
	for (r = regions; r; r = r->next)
		if ((at = find_run(r, want)) != SIZE_MAX)
			break;
	if (!r && want <= UINT32_MAX && (r = region_new(want > REGION_SLOTS ? want : REGION_SLOTS)) != NULL) {
		r->next = regions;
		regions = r;
		at = 0;
	}
	if (r) {
		memset(r->taken + at, 1, want);
		r->run[at] = (uint32_t)want;
		r->hint = at + want;
		in_use += want * SLOT;
		p = r->base + at * SLOT;
	}
	pthread_mutex_unlock(&lock);
	return p;
}

void mcsec_secret_free(void *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&lock);
	uint8_t *b = p;
	struct region *r = regions;
	while (r && (b < r->base || b >= r->base + r->slots * SLOT))
		r = r->next;
	size_t at = r ? (size_t)(b - r->base) / SLOT : 0;
	if (!r || (size_t)(b - r->base) % SLOT || !r->run[at])
		abort(); /* not ours, or given back twice: memory can no longer be trusted */
	size_t run = r->run[at];
	mcsec_wipe(b, run * SLOT);
	memset(r->taken + at, 0, run);
	r->longest = r->slots;
	r->run[at] = 0;
	if (at < r->hint)
		r->hint = at;
	in_use -= run * SLOT;
	pthread_mutex_unlock(&lock);
}

size_t mcsec_secret_in_use(void)
{
	pthread_mutex_lock(&lock);
	size_t n = in_use;
	pthread_mutex_unlock(&lock);
	return n;
}

int mcsec_secret_is_locked(void)
{
	int locked = 1;
	mcsec_secret_free(mcsec_secret_alloc(1)); /* there is a region to speak of */
	pthread_mutex_lock(&lock);
	for (const struct region *r = regions; r; r = r->next)
		locked &= r->locked;
	locked &= regions != NULL;
	pthread_mutex_unlock(&lock);
	return locked;
}

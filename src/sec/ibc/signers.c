/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signers.c - signers remembered between verifications; see mcsec/ibc.h.
 *
 * Of a signer the value Y = [HS]PVT + KPAK (RFC 6507 5.2.2 step 3) is kept, as a small table of its multiples. It is a
 * function of KPAK, ID and PVT, and these three, octet for octet, are the key of an entry; HS only leads to its chain.
 * A signer enters after its first valid signature, so that forged ones change nothing; at the second the table is made.
 *
 * All memory is taken at the beginning: a head, the heads of the chains, and places of equal size. The places form a
 * ring by last use; who enters a full house takes the place of the one unused for longest, which is wiped first.
 * One lock guards all; it is not held while points are multiplied.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/engine.h"

#define NOBODY UINT32_MAX

enum state { FREE, SEEN, KNOWN }; /* KNOWN: the table is there */

struct key {
	uint8_t kpak[MCSEC_KPAK_LEN], pvt[MCSEC_PVT_LEN], id[MCSEC_ID_MAX];
	size_t id_len;
};

struct place {
	struct p256_split table;
	struct key key;
	uint32_t chain, chain_next; /* which chain, and who follows in it */
	uint32_t newer, older;
	enum state state;
};

struct mcsec_signers {
	atomic_uint refs;
	pthread_mutex_t lock; /* what follows */
	size_t bytes;
	uint32_t n, used, newest, oldest;
	uint64_t hits, misses, evicted;
	struct place *places;
	uint32_t *chains; /* n of them */
};

/* ---- Order of use and chains; all under the lock ---- */

static void unlink_place(struct mcsec_signers *c, uint32_t i)
{
	struct place *p = &c->places[i];
	*(p->newer == NOBODY ? &c->newest : &c->places[p->newer].older) = p->older;
	*(p->older == NOBODY ? &c->oldest : &c->places[p->older].newer) = p->newer;
}

static void make_newest(struct mcsec_signers *c, uint32_t i)
{
	c->places[i].newer = NOBODY;
	c->places[i].older = c->newest;
	*(c->newest == NOBODY ? &c->oldest : &c->places[c->newest].newer) = i;
	c->newest = i;
}

static uint32_t chain_of(const struct mcsec_signers *c, const uint8_t hs[MCSEC_HS_LEN])
{
	uint64_t x;
	memcpy(&x, hs, sizeof x);
	return (uint32_t)(x % c->n);
}

static int same_key(const struct key *a, const struct key *b)
{
	return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0 &&
	       memcmp(a->kpak, b->kpak, sizeof a->kpak) == 0 && memcmp(a->pvt, b->pvt, sizeof a->pvt) == 0;
}

static uint32_t find(const struct mcsec_signers *c, uint32_t chain, const struct key *key)
{
	uint32_t i = c->chains[chain];
	while (i != NOBODY && !same_key(&c->places[i].key, key))
		i = c->places[i].chain_next;
	return i;
}

static void leave_chain(struct mcsec_signers *c, uint32_t i)
{
	uint32_t *at = &c->chains[c->places[i].chain];
	while (*at != i)
		at = &c->places[*at].chain_next;
	*at = c->places[i].chain_next;
}

static void enter(struct mcsec_signers *c, uint32_t chain, const struct key *key)
{
	uint32_t i = c->used;
	if (c->used < c->n) {
		c->used++;
	} else {
		i = c->oldest;
		unlink_place(c, i);
		leave_chain(c, i);
		mcsec_wipe(&c->places[i], sizeof c->places[i]);
		c->evicted++;
	}
	struct place *p = &c->places[i];
	p->key = *key;
	p->state = SEEN;
	p->chain = chain;
	p->chain_next = c->chains[chain];
	c->chains[chain] = i;
	make_newest(c, i);
}

/* ---- Life ---- */

static void empty(struct mcsec_signers *c)
{
	mcsec_wipe(c->places, (size_t)c->n * sizeof *c->places);
	for (uint32_t i = 0; i < c->n; i++)
		c->chains[i] = NOBODY;
	c->used = 0;
	c->newest = c->oldest = NOBODY;
}

struct mcsec_signers *signers_place(void *memory, size_t bytes)
{
	const size_t head = (sizeof(struct mcsec_signers) + 63) / 64 * 64, each = sizeof(struct place) + 4;
	struct mcsec_signers *c = memory;
	if (bytes < head + each)
		return NULL;
	size_t n = (bytes - head) / each;
	memset(c, 0, sizeof *c);
	atomic_init(&c->refs, 1);
	if (pthread_mutex_init(&c->lock, NULL))
		return NULL;
	c->bytes = bytes;
	c->n = n < NOBODY ? (uint32_t)n : NOBODY - 1;
	c->places = (struct place *)((uint8_t *)memory + head);
	c->chains = (uint32_t *)(c->places + c->n);
	empty(c);
	return c;
}

void signers_end(struct mcsec_signers *c)
{
	pthread_mutex_destroy(&c->lock);
	mcsec_wipe(c, c->bytes);
}

enum mcsec_err mcsec_signers_new(struct mcsec_signers **out, size_t bytes)
{
	*out = NULL;
	void *memory = bytes >= 64 ? aligned_alloc(64, bytes / 64 * 64) : NULL;
	if (bytes >= 64 && !memory)
		return MCSEC_E_MEMORY;
	if (memory)
		*out = signers_place(memory, bytes / 64 * 64);
	if (!*out)
		free(memory);
	return *out ? MCSEC_OK : MCSEC_E_NO_SPACE;
}

struct mcsec_signers *mcsec_signers_ref(struct mcsec_signers *signers)
{
	if (signers)
		atomic_fetch_add_explicit(&signers->refs, 1, memory_order_relaxed);
	return signers;
}

void mcsec_signers_free(struct mcsec_signers *signers)
{
	if (!signers || atomic_fetch_sub_explicit(&signers->refs, 1, memory_order_acq_rel) != 1)
		return;
	signers_end(signers);
	free(signers);
}

void mcsec_signers_forget(struct mcsec_signers *signers)
{
	pthread_mutex_lock(&signers->lock);
	empty(signers);
	pthread_mutex_unlock(&signers->lock);
}

void mcsec_signers_look(struct mcsec_signers *signers, struct mcsec_signers_state *out)
{
	pthread_mutex_lock(&signers->lock);
	*out = (struct mcsec_signers_state){signers->bytes, signers->n,      signers->used,
					    signers->hits,  signers->misses, signers->evicted};
	pthread_mutex_unlock(&signers->lock);
}

/* ---- Verifying ---- */

/* What is known of the signer; with KNOWN, its table. */
static enum state recall(struct mcsec_signers *c, uint32_t chain, const struct key *key, struct p256_split *table)
{
	enum state state = FREE;
	pthread_mutex_lock(&c->lock);
	uint32_t i = find(c, chain, key);
	if (i != NOBODY) {
		state = c->places[i].state;
		unlink_place(c, i);
		make_newest(c, i);
		if (state == KNOWN)
			*table = c->places[i].table;
	}
	*(state == KNOWN ? &c->hits : &c->misses) += 1;
	pthread_mutex_unlock(&c->lock);
	return state;
}

static void remember(struct mcsec_signers *c, uint32_t chain, const struct key *key, const struct p256_split *table)
{
	pthread_mutex_lock(&c->lock);
	uint32_t i = find(c, chain, key);
	if (i == NOBODY) { /* also: it was seen, and left while its table was made */
		enter(c, chain, key);
		i = c->newest;
	}
	if (table) {
		c->places[i].table = *table;
		c->places[i].state = KNOWN;
	}
	pthread_mutex_unlock(&c->lock);
}

enum mcsec_err mcsec_signers_verify(struct mcsec_signers *signers, struct mcsec_kms *kms, const uint8_t *id,
				    size_t id_len, const uint8_t *msg, size_t msg_len, const uint8_t sig[MCSEC_SIG_LEN])
{
	uint8_t hs[MCSEC_HS_LEN];
	struct key key = {.id_len = id_len};
	struct p256_split table;
	const struct octets m = {msg, msg_len};
	if (id_len < 1 || id_len > MCSEC_ID_MAX)
		return MCSEC_E_LENGTH;
	const uint8_t *pvt = sig + 64;
	eccsi_hs(hs, kms->kpak, (struct octets){id, id_len}, pvt);
	if (!signers)
		return eccsi_verify_with(&kms->kpak_comb, hs, m, sig);
	memcpy(key.kpak, kms->kpak, sizeof key.kpak);
	memcpy(key.pvt, pvt, sizeof key.pvt);
	memcpy(key.id, id, id_len);
	uint32_t chain = chain_of(signers, hs);
	enum state state = recall(signers, chain, &key, &table);
	if (state == KNOWN)
		return eccsi_verify_known(&table, hs, m, sig);
	enum mcsec_err err = eccsi_verify_with(&kms->kpak_comb, hs, m, sig);
	if (err)
		return err;
	if (state == SEEN)
		eccsi_know(&table, kms, hs, pvt);
	remember(signers, chain, &key, state == SEEN ? &table : NULL);
	return MCSEC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bindings.c - fixed-size hash tables with chains; IMPUs and MCPTT IDs are compared octet for octet, as stored. */
#include "server/bindings.h"

#include <stdlib.h>

enum { BUCKETS = 8192 };

struct bindings {
	struct binding *impu[BUCKETS], *mcptt[BUCKETS], *id[BUCKETS];
	struct user *users[BUCKETS];
	size_t n, n_users;
	unsigned generation; /* of the users */
};

static size_t bucket(const char *text)
{
	uint32_t h = 2166136261u;
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h % BUCKETS;
}

static size_t id_bucket(int64_t id)
{
	return (size_t)((uint64_t)id % BUCKETS);
}

struct bindings *bindings_new(void)
{
	return calloc(1, sizeof(struct bindings));
}

static void drop(struct binding *b)
{
	sip_flow_unref(b->flow);
	xml_replay_free(b->ivs);
	binding_pend(b, NULL);
	free(b);
}

void bindings_free(struct bindings *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (t->id[i]) {
			struct binding *b = t->id[i];
			t->id[i] = b->next;
			drop(b);
		}
		while (t->users[i]) {
			struct user *u = t->users[i];
			t->users[i] = u->next;
			free(u);
		}
	}
	free(t);
}

size_t bindings_count(const struct bindings *t)
{
	return t->n;
}

static void link_in(struct bindings *t, struct binding *b)
{
	struct binding **at = &t->impu[bucket(b->row.impu)];
	b->next_impu = *at;
	*at = b;
	at = &t->mcptt[bucket(b->row.mcptt_id)];
	b->next_mcptt = *at;
	*at = b;
	at = &t->id[id_bucket(b->row.id)];
	b->next = *at;
	*at = b;
	t->n++;
}

static void unlink_from(struct bindings *t, struct binding *b)
{
	struct binding **at = &t->impu[bucket(b->row.impu)];
	while (*at != b)
		at = &(*at)->next_impu;
	*at = b->next_impu;
	at = &t->mcptt[bucket(b->row.mcptt_id)];
	while (*at != b)
		at = &(*at)->next_mcptt;
	*at = b->next_mcptt;
	at = &t->id[id_bucket(b->row.id)];
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	t->n--;
}

/* Another CSK: what was seen under the old one says nothing of it. */
static void retire_csk(struct binding *b, int64_t grace_until)
{
	b->previous = b->row;
	b->previous_until = b->row.has_csk ? grace_until : 0;
	xml_replay_free(b->ivs);
	b->ivs = NULL;
}

void binding_pend(struct binding *b, struct db_binding *row)
{
	if (!row || !b->pending || row->csk_id != b->pending->csk_id) {
		xml_replay_free(b->pending_ivs);
		b->pending_ivs = NULL;
	}
	free(b->pending);
	b->pending = row;
}

void binding_switch(struct binding *b, int64_t grace_until)
{
	if (!b->pending)
		return;
	retire_csk(b, grace_until);
	memcpy(b->row.csk, b->pending->csk, sizeof b->row.csk);
	b->row.csk_id = b->pending->csk_id;
	memcpy(b->row.rand, b->pending->rand, sizeof b->row.rand);
	b->row.rand_len = b->pending->rand_len;
	b->row.t = b->pending->t;
	b->row.suite = b->pending->suite;
	b->ivs = b->pending_ivs;
	b->pending_ivs = NULL;
	binding_pend(b, NULL);
}

struct binding *bindings_put(struct bindings *t, const struct db_binding *row, int64_t grace_until)
{
	struct binding *b = bindings_by_client(t, row->impu, row->client_id, row->service);
	if (b)
		unlink_from(t, b);
	else
		b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	if (b->row.csk_id != row->csk_id) {
		retire_csk(b, grace_until);
		binding_pend(b, NULL);
	}
	b->row = *row;
	link_in(t, b);
	return b;
}

void bindings_remove(struct bindings *t, int64_t id)
{
	struct binding *b = bindings_by_id(t, id);
	if (!b)
		return;
	unlink_from(t, b);
	drop(b);
}

struct binding *bindings_by_id(const struct bindings *t, int64_t id)
{
	struct binding *b = t->id[id_bucket(id)];
	while (b && b->row.id != id)
		b = b->next;
	return b;
}

struct binding *bindings_by_client(const struct bindings *t, const char *impu, const char *client_id,
				   enum mcx_service service)
{
	struct binding *b = NULL;
	while ((b = bindings_of_impu(t, impu, b)))
		if (b->row.service == service && strcmp(b->row.client_id, client_id) == 0)
			return b;
	return NULL;
}

struct binding *bindings_of_impu(const struct bindings *t, const char *impu, const struct binding *after)
{
	struct binding *b = after ? after->next_impu : t->impu[bucket(impu)];
	while (b && strcmp(b->row.impu, impu) != 0)
		b = b->next_impu;
	return b;
}

struct binding *bindings_of_user(const struct bindings *t, const char *mcptt_id, const struct binding *after)
{
	struct binding *b = after ? after->next_mcptt : t->mcptt[bucket(mcptt_id)];
	while (b && strcmp(b->row.mcptt_id, mcptt_id) != 0)
		b = b->next_mcptt;
	return b;
}

void bindings_each(const struct bindings *t, int (*each)(void *, struct binding *), void *ctx)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct binding *b = t->id[i], *next; b; b = next) {
			next = b->next;
			if (each(ctx, b))
				return;
		}
}

/* ---- users ---- */

static struct user *find_user(const struct bindings *t, const char *mcptt_id)
{
	struct user *u = t->users[bucket(mcptt_id)];
	while (u && strcmp(u->row.mcptt_id, mcptt_id) != 0)
		u = u->next;
	return u;
}

int users_put(struct bindings *t, const struct db_user *row)
{
	struct user *u = find_user(t, row->mcptt_id);
	if (!u) {
		u = calloc(1, sizeof *u);
		if (!u)
			return -1;
		struct user **at = &t->users[bucket(row->mcptt_id)];
		u->next = *at;
		*at = u;
		t->n_users++;
		t->generation++;
	}
	u->row = *row;
	return 0;
}

size_t users_count(const struct bindings *t)
{
	return t->n_users;
}

unsigned users_generation(const struct bindings *t)
{
	return t->generation;
}

void users_remove(struct bindings *t, const char *mcptt_id)
{
	struct user *u = find_user(t, mcptt_id), **at = &t->users[bucket(mcptt_id)];
	if (!u)
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
	t->n_users--;
}

const struct db_user *users_find(const struct bindings *t, const char *mcptt_id)
{
	struct user *u = find_user(t, mcptt_id);
	return u ? &u->row : NULL;
}

void users_each(const struct bindings *t, void (*each)(void *, const struct db_user *), void *ctx)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct user *u = t->users[i]; u; u = u->next)
			each(ctx, &u->row);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* uids.c - a hash table of UIDs for each KMS and key period (see uids.h). A UID is a hash: its octets are the bucket.
 */
#include "server/uids.h"

#include <stdlib.h>

#include "app/log.h"

enum { TABLES = 8 }; /* of each KMS one, at the edge of a period two */

struct entry {
	struct entry *next;
	uint8_t uid[MCSEC_UID_LEN];
	char mcptt_id[];
};

struct table {
	char kms[DB_URI];
	uint64_t period;
	unsigned generation; /* of the users it was made from */
	size_t size;         /* of buckets, a power of two; 0: never made */
	struct entry **bucket;
};

struct uids {
	struct table table[TABLES];
	int oldest;
};

struct uids *uids_new(void)
{
	return calloc(1, sizeof(struct uids));
}

static void empty(struct table *t)
{
	for (size_t i = 0; i < t->size; i++)
		for (struct entry *e = t->bucket[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	free(t->bucket);
	*t = (struct table){0};
}

void uids_free(struct uids *t)
{
	for (int i = 0; t && i < TABLES; i++)
		empty(&t->table[i]);
	free(t);
}

static struct entry **bucket_of(const struct table *t, const uint8_t uid[MCSEC_UID_LEN])
{
	uint32_t h;
	memcpy(&h, uid, sizeof h);
	return &t->bucket[h & (t->size - 1)];
}

struct filling {
	struct table *t;
	const struct mcsec_im_kms *kms;
	int failed;
};

static void add_user(void *ctx, const struct db_user *u)
{
	struct filling *f = ctx;
	size_t n = strlen(u->mcptt_id) + 1;
	struct entry *e = malloc(sizeof *e + n);
	if (!e || mcsec_uid(u->mcptt_id, f->kms->uri, &f->kms->periods, f->t->period, e->uid) != MCSEC_OK) {
		f->failed |= !e; /* an ID that has no UID cannot be hidden either */
		free(e);
		return;
	}
	memcpy(e->mcptt_id, u->mcptt_id, n);
	struct entry **at = bucket_of(f->t, e->uid);
	e->next = *at;
	*at = e;
}

static void fill(struct table *t, const struct bindings *users, const struct mcsec_im_kms *kms, uint64_t period)
{
	struct filling f = {t, kms, 0};
	size_t size = 64;
	while (size < users_count(users))
		size *= 2;
	empty(t);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers is what is wanted */
	t->bucket = calloc(size, sizeof *t->bucket);
	/* NOLINTNEXTLINE(-Wanalyzer-malloc-leak): it is the table's, which empty() frees */
	if (!t->bucket)
		return;
	t->size = size;
	t->period = period;
	t->generation = users_generation(users);
	db_copy(t->kms, sizeof t->kms, kms->uri);
	users_each(users, add_user, &f);
	if (f.failed) { /* incomplete: made anew when it is asked for again */
		log_error("server.no-uids", log_text("detail", "no memory for the UIDs of all users"));
		t->generation--;
	}
}

static struct table *table_of(struct uids *u, const struct bindings *users, const struct mcsec_im_kms *kms,
			      uint64_t period)
{
	struct table *t = NULL;
	for (int i = 0; i < TABLES && !t; i++)
		if (u->table[i].size && u->table[i].period == period && strcmp(u->table[i].kms, kms->uri) == 0)
			t = &u->table[i];
	if (!t) {
		t = &u->table[u->oldest];
		u->oldest = (u->oldest + 1) % TABLES;
		fill(t, users, kms, period);
	} else if (t->generation != users_generation(users)) {
		fill(t, users, kms, period);
	}
	return t->size ? t : NULL;
}

const char *uids_find(struct uids *t, const struct bindings *users, const struct mcsec_im_kms *kms, uint64_t time,
		      const uint8_t uid[MCSEC_UID_LEN])
{
	uint64_t period;
	if (mcsec_period_number(&kms->periods, time, &period) != MCSEC_OK)
		return "";
	const struct table *table = table_of(t, users, kms, period);
	const struct entry *e = table ? *bucket_of(table, uid) : NULL;
	while (e && memcmp(e->uid, uid, sizeof e->uid) != 0)
		e = e->next;
	return e && users_find(users, e->mcptt_id) ? e->mcptt_id : "";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals.c - see refusals.h. The table is searched from end to end: a few microseconds, and nothing that an attacker
 * could make collide. Its last places are for sources that found none, one a type.
 */
#include "audit/refusals.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE = 128, TYPES = 16 };

struct place {
	const char *type; /* NULL: free */
	char class_;
	char source[SOURCE]; /* "" in the last places: all others */
	int64_t since_ms, last_ms;
	unsigned written;
	uint64_t counted;
};

struct audit_refusals {
	pthread_mutex_t lock;
	int64_t since_ms; /* the window of all */
	unsigned written;
	struct place place[AUDIT_REFUSALS_PLACES + TYPES];
};

struct audit_refusals *audit_refusals_new(void)
{
	struct audit_refusals *r = calloc(1, sizeof *r);
	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void audit_refusals_free(struct audit_refusals *r)
{
	if (r)
		pthread_mutex_destroy(&r->lock);
	free(r);
}

static int over(int64_t since_ms, int64_t now_ms)
{
	return now_ms < since_ms || now_ms - since_ms >= AUDIT_REFUSALS_WINDOW_MS;
}

static int is_free(const struct place *p, int64_t now_ms)
{
	return !p->type || (!p->counted && over(p->since_ms, now_ms));
}

/* The place of this source and type among n; a free one made its own; NULL: all are taken. */
static struct place *find(struct place *places, size_t n, char class_, const char *type, const char *source,
			  int64_t now_ms)
{
	struct place *spare = NULL;
	for (struct place *p = places; p < places + n; p++) {
		if (p->type && strcmp(p->type, type) == 0 && strncmp(p->source, source, SOURCE - 1) == 0)
			return p;
		if (!spare && is_free(p, now_ms))
			spare = p;
	}
	if (!spare)
		return NULL;
	*spare = (struct place){.type = type, .class_ = class_, .since_ms = now_ms};
	strncpy(spare->source, source, SOURCE - 1);
	return spare;
}

static struct place *place_of(struct audit_refusals *r, char class_, const char *type, const char *source,
			      int64_t now_ms)
{
	struct place *p = find(r->place, AUDIT_REFUSALS_PLACES, class_, type, source, now_ms);
	if (!p)
		p = find(r->place + AUDIT_REFUSALS_PLACES, TYPES, class_, type, "", now_ms);
	/* More types than places for them cannot be: the last one takes what is left. */
	return p ? p : &r->place[AUDIT_REFUSALS_PLACES + TYPES - 1];
}

static void count(struct place *p, int64_t now_ms)
{
	if (!p->counted && over(p->since_ms, now_ms))
		p->since_ms = now_ms;
	p->counted++;
	p->last_ms = now_ms;
}

int audit_refusals_note(struct audit_refusals *r, char class_, const char *type, const char *source, int64_t now_ms)
{
	pthread_mutex_lock(&r->lock);
	if (over(r->since_ms, now_ms)) {
		r->since_ms = now_ms;
		r->written = 0;
	}
	struct place *p = place_of(r, class_, type, source, now_ms);
	if (is_free(p, now_ms)) {
		p->since_ms = now_ms;
		p->written = 0;
	}
	/* Once something is counted the rest is too, until it is written: so records stay in order. */
	int write = p->source[0] && !p->counted && p->written < AUDIT_REFUSALS_EACH && r->written < AUDIT_REFUSALS_ALL;
	if (write) {
		p->written++;
		r->written++;
	} else {
		count(p, now_ms);
	}
	pthread_mutex_unlock(&r->lock);
	return write;
}

void audit_refusals_count(struct audit_refusals *r, char class_, const char *type, const char *source, int64_t now_ms)
{
	pthread_mutex_lock(&r->lock);
	count(place_of(r, class_, type, source, now_ms), now_ms);
	pthread_mutex_unlock(&r->lock);
}

static int is_due(const struct place *p, int64_t now_ms, int all)
{
	return p->type && p->counted && (all || over(p->since_ms, now_ms));
}

int audit_refusals_due(struct audit_refusals *r, int64_t now_ms, int all)
{
	int due = 0;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < sizeof r->place / sizeof *r->place && !due; i++)
		due = is_due(&r->place[i], now_ms, all);
	pthread_mutex_unlock(&r->lock);
	return due;
}

/* ---- writing ---- */

/* Moves what is due out of the table: a window that follows begins at nought. */
static size_t take(struct audit_refusals *r, struct place *out, int64_t now_ms, int all)
{
	size_t n = 0;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < sizeof r->place / sizeof *r->place; i++)
		if (is_due(&r->place[i], now_ms, all)) {
			out[n++] = r->place[i];
			r->place[i].counted = 0;
			r->place[i].since_ms = now_ms;
			r->place[i].written = 0;
		}
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void give_back(struct audit_refusals *r, const struct place *taken, size_t n, int64_t now_ms)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++) {
		struct place *p = place_of(r, taken[i].class_, taken[i].type, taken[i].source, now_ms);
		p->counted += taken[i].counted;
		p->last_ms = now_ms;
	}
	pthread_mutex_unlock(&r->lock);
}

static enum store_err append(struct audit *a, const struct place *p, int64_t now_ms, int64_t now_ns)
{
	char text[24], seconds[24];
	snprintf(text, sizeof text, "%" PRIu64, p->counted);
	snprintf(seconds, sizeof seconds, "%" PRId64, (now_ms - p->since_ms + 999) / 1000);
	struct audit_record record = {
	    .class_ = p->class_, .type = p->type, .outcome = AUDIT_REFUSED, .reason = "many: counted"};
	audit_detail(&record, "count", text);
	audit_detail(&record, "seconds", seconds);
	audit_detail(&record, "source", p->source[0] ? p->source : "others");
	return audit_append(a, &record, now_ns);
}

enum store_err audit_refusals_write(struct audit_refusals *r, struct audit *a, struct store *s, int64_t now_ms,
				    int64_t now_ns, int all)
{
	struct place *taken = malloc(sizeof r->place);
	if (!taken)
		return STORE_FULL;
	size_t n = take(r, taken, now_ms, all);
	enum store_err e = n ? store_begin(s) : STORE_OK;
	if (n && !e) {
		for (size_t i = 0; i < n && !e; i++)
			e = append(a, &taken[i], now_ms, now_ns);
		if (!e)
			e = store_commit(s);
		if (e)
			store_rollback(s);
	}
	if (e)
		give_back(r, taken, n, now_ms);
	free(taken);
	return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - refusals on their way into the audit record: a job of the pool each, because the loop never waits for the
 * database; a flood of them becomes a few records and a count (audit/refusals.h), so that it can fill neither the
 * queue nor the disk.
 */
#include "server/server.h"

#include <stdlib.h>
#include <time.h>

#include "app/log.h"

/* Also when the loop is gone. */
static int64_t steady_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct refusal {
	struct work work;
	char class_;
	const char *type; /* static */
	char source[DB_PEER], actor[DB_URI], target[DB_URI], call_id[256], reason[256];
	int written;
};

static void run_refusal(struct work *w, struct db *d)
{
	struct refusal *r = (struct refusal *)w;
	r->written = d && !db_refused(d, r->class_, r->type, r->actor, r->target, r->call_id, r->reason);
}

static void count(struct refusal *r)
{
	struct server *s = r->work.s;
	log_warn("server.audit-counted", log_text("type", r->type), log_text("actor", r->actor));
	audit_refusals_count(s->refusals, r->class_, r->type, r->source, steady_ms());
}

static void done_refusal(struct work *w)
{
	struct refusal *r = (struct refusal *)w;
	if (!r->written)
		count(r);
	free(r);
}

void server_audit(struct server *s, char class_, const char *type, const char *source, const char *actor,
		  const char *target, const char *call_id, const char *reason)
{
	source = source[0] ? source : "unknown";
	if (!audit_refusals_note(s->refusals, class_, type, source, steady_ms()))
		return;
	struct refusal *r = calloc(1, sizeof *r);
	if (!r) {
		audit_refusals_count(s->refusals, class_, type, source, steady_ms());
		return;
	}
	r->work = (struct work){.s = s, .run = run_refusal, .done = done_refusal};
	r->class_ = class_;
	r->type = type;
	db_copy(r->source, sizeof r->source, source);
	db_copy(r->actor, sizeof r->actor, actor);
	db_copy(r->target, sizeof r->target, target);
	db_copy(r->call_id, sizeof r->call_id, call_id);
	db_copy(r->reason, sizeof r->reason, reason);
	if (server_change(&r->work) != 0)
		done_refusal(&r->work);
}

/* ---- the counts ---- */

static enum store_err write_counts(struct server *s, struct db *d, int all)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return audit_refusals_write(s->refusals, d->audit, d->store, steady_ms(),
				    (int64_t)t.tv_sec * 1000000000 + t.tv_nsec, all);
}

static void run_counts(struct work *w, struct db *d)
{
	if (d)
		(void)write_counts(w->s, d, 0);
}

static void done_counts(struct work *w)
{
	w->s->counts_out = 0;
	free(w);
}

/* What does not get through is tried again a second later. */
void record_tick(struct server *s)
{
	struct work *w;
	if (s->counts_out || !audit_refusals_due(s->refusals, steady_ms(), 0) || !(w = calloc(1, sizeof *w)))
		return;
	*w = (struct work){.s = s, .run = run_counts, .done = done_counts, .once = 1};
	s->counts_out = server_change(w) == 0;
	if (!s->counts_out)
		free(w);
}

void record_end(struct server *s)
{
	if (s->refusals && s->admin_db && write_counts(s, s->admin_db, 1))
		log_error("server.audit-lost", log_text("what", "refusals that were only counted"));
	audit_refusals_free(s->refusals);
}

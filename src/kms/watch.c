/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - see watch.h. The facts are gathered here, the verdicts are made in alarm.c and clock.c.
 */
#include "kms/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>

#include "app/log.h"
#include "kms/alarm.h"
#include "kms/clock.h"
#include "kms/db_watch.h"
#include "kms/measures.h"
#include "kms/protect/table.h"
#include "net/revocations.h"

#define SECOND INT64_C(1000000000)

enum { USERS_EVERY_S = 30, SEEN_EVERY_S = 10, CHECKPOINT_RECORDS = 1024, CHECKPOINT_S = 60 };

struct kms_watch {
	struct kms *k;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows, up to the measures */
	pthread_cond_t ending;
	int stopping;
	struct kms_clock_guard clock;
	int64_t step_recorded; /* step_at_ns of the last step in the record */
	unsigned alarms;
	const struct http_server *listener;
	int tls_refused, config_refused;
	int64_t failure_at, anomaly_at, started_at; /* boot clock, seconds; -1 none */
	struct audit_keeper *keeper;
	struct revocations *revocations;
	struct measures *measures;
};

const struct metric *kms_watch_metrics(struct kms_watch *w, size_t *n)
{
	*n = 0;
	return w ? measures_rows(w->measures, n) : NULL;
}

static int64_t boot_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

void kms_watch_issued(struct kms_watch *w, int64_t duration_ns)
{
	if (w)
		measures_add_keyprov(w->measures, duration_ns / 1000);
}

void kms_watch_refused(struct kms_watch *w, const char *token)
{
	if (!w)
		return;
	measures_add_refusal(w->measures, token);
	if (strcmp(token, "internal") != 0 && strcmp(token, "store_unavailable") != 0)
		return;
	pthread_mutex_lock(&w->lock);
	w->failure_at = boot_ns() / SECOND;
	pthread_mutex_unlock(&w->lock);
}

void kms_watch_krr_anomaly(struct kms_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->anomaly_at = boot_ns() / SECOND;
	pthread_mutex_unlock(&w->lock);
}

void kms_watch_config_said(struct kms_watch *w, int refused)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->config_refused = refused;
	pthread_mutex_unlock(&w->lock);
}

/* ---- clock ---- */

int kms_watch_clock_ok(struct kms_watch *w)
{
	if (!w)
		return 1;
	pthread_mutex_lock(&w->lock);
	enum kms_clock_verdict v = kms_clock_see(&w->clock, &w->k->domain->cert.periods, kms_now_ns(), boot_ns());
	pthread_mutex_unlock(&w->lock);
	return v != KMS_CLOCK_HELD;
}

int64_t kms_watch_held_step(struct kms_watch *w)
{
	pthread_mutex_lock(&w->lock);
	int64_t step = w->clock.held ? w->clock.step_ns : 0;
	pthread_mutex_unlock(&w->lock);
	return step;
}

void kms_watch_accept_clock(struct kms_watch *w)
{
	pthread_mutex_lock(&w->lock);
	kms_clock_accept(&w->clock, kms_now_ns(), boot_ns());
	pthread_mutex_unlock(&w->lock);
}

/* A step that was not recorded yet, and the mark that outlives us. */
static void record_clock(struct kms_watch *w, struct kms_db *db, int write_mark)
{
	char step[24];
	pthread_mutex_lock(&w->lock);
	struct kms_clock_guard g = w->clock;
	pthread_mutex_unlock(&w->lock);
	if (g.step_at_ns && g.step_at_ns != w->step_recorded) {
		struct audit_record r = {.class_ = 'T',
					 .type = "audit.clock-step",
					 .outcome = g.held ? AUDIT_REFUSED : AUDIT_OK,
					 .clock = kms_clock(),
					 .actor = w->k->config->node,
					 .reason = g.held ? "over a period's edge: nothing is issued" : ""};
		snprintf(step, sizeof step, "%lld", (long long)g.step_ns);
		audit_detail(&r, "step-ns", step);
		log_warn("kms.clock-stepped", log_int("milliseconds", g.step_ns / 1000000), log_int("held", g.held));
		if (!audit_append(db->audit, &r, kms_now_ns()))
			w->step_recorded = g.step_at_ns;
	}
	if (write_mark && !g.held)
		(void)kms_db_clock_put(db, kms_now_ns()); /* once more in ten seconds */
}

/* ---- alarms ---- */

static int64_t since(int64_t at, int64_t now)
{
	return at < 0 ? -1 : now - at;
}

static void read_kernel_clock(struct kms_watch *w, struct kms_facts *f)
{
	struct timex t = {0};
	int state = adjtimex(&t);
	int synchronised = state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
	f->clock_error_us = synchronised ? t.esterror : 0;
	measures_set(w->measures, MEASURE_SYNCHRONISED, synchronised);
}

static void read_periods(struct kms_watch *w, struct kms_facts *f)
{
	const struct mcsec_periods *p = &w->k->domain->cert.periods;
	uint64_t now = (uint64_t)f->now + MCSEC_NTP_UNIX, period;
	if (p->period == 0 || mcsec_period_number(p, now, &period))
		return;
	f->to_period_end = (int64_t)(mcsec_period_start(p, period + 1) - now);
	f->window = w->k->config->preprovision;
	f->without_next = measures_get(w->measures, MEASURE_WITHOUT_NEXT);
	measures_set(w->measures, MEASURE_PERIOD_LEFT, f->to_period_end);
}

static void count_users(struct kms_watch *w, struct kms_db *db)
{
	const struct mcsec_periods *p = &w->k->domain->cert.periods;
	uint64_t period;
	int64_t n;
	if (p->period && !mcsec_period_number(p, (uint64_t)w->k->now() + MCSEC_NTP_UNIX, &period) &&
	    !kms_db_without_next(db, (int64_t)period, &n))
		measures_set(w->measures, MEASURE_WITHOUT_NEXT, n);
}

static struct kms_facts gather(struct kms_watch *w)
{
	int64_t now = boot_ns() / SECOND;
	struct kms_facts f = {.now = w->k->now(),
			      .sealed = issuer_is_sealed(w->k->issuer),
			      .cert_ends = w->k->domain->cert.valid_to,
			      .revocation_age = w->revocations ? revocations_age(w->revocations) : INT64_MIN,
			      .audit_bad = w->keeper && audit_keeper_state(w->keeper) != AUDIT_KEEPER_OK};
	if (w->k->domain->cert.periods.period == 0)
		f.cert_ends = INT64_MAX; /* no domain yet: sealed says enough */
	read_kernel_clock(w, &f);
	read_periods(w, &f);
	measures_set(w->measures, MEASURE_LIST_AGE, f.revocation_age < 0 ? -1 : f.revocation_age);
	pthread_mutex_lock(&w->lock);
	f.tls_ends = w->listener ? http_server_cert_ends(w->listener) : 0;
	f.tls_refused = w->tls_refused;
	f.config_refused = w->config_refused;
	f.since_step_s = w->clock.step_at_ns ? now - w->clock.step_at_ns / SECOND : -1;
	f.clock_held = w->clock.held;
	f.since_failure_s = since(w->failure_at, now);
	f.since_anomaly_s = since(w->anomaly_at, now);
	f.running_s = now - w->started_at;
	pthread_mutex_unlock(&w->lock);
	return f;
}

static void say_changes(unsigned was, unsigned is)
{
	for (unsigned i = 0; i < KMS_ALARMS; i++) {
		if (is & ~was & 1u << i)
			log_error("alarm.raised", log_text("name", kms_alarm_name((enum kms_alarm)i)));
		if (was & ~is & 1u << i)
			log_info("alarm.cleared", log_text("name", kms_alarm_name((enum kms_alarm)i)));
	}
}

static void judge(struct kms_watch *w)
{
	struct kms_facts f = gather(w);
	unsigned is = kms_alarms(&f);
	pthread_mutex_lock(&w->lock);
	unsigned was = w->alarms;
	w->alarms = is;
	pthread_mutex_unlock(&w->lock);
	say_changes(was, is);
	measures_set_alarms(w->measures, is);
}

unsigned kms_watch_alarms(struct kms_watch *w)
{
	judge(w);
	pthread_mutex_lock(&w->lock);
	unsigned a = w->alarms;
	pthread_mutex_unlock(&w->lock);
	return a;
}

static void look(struct kms_watch *w, unsigned turn)
{
	enum store_err e;
	(void)kms_watch_clock_ok(w);
	struct kms_db *db = kms_pool_take(w->k->pool, &e);
	if (db) {
		record_clock(w, db, turn % SEEN_EVERY_S == 0);
		if (turn % USERS_EVERY_S == 0)
			count_users(w, db);
		if (w->k->seal && turn % USERS_EVERY_S == 0)
			(void)tkey_sweep(db, w->k->now()); /* or the next time */
		(void)kms_write_refusals(w->k, db, 0);     /* or the next time */
		kms_pool_give(w->k->pool, db, STORE_OK);
	}
	judge(w);
}

static void *run(void *ctx)
{
	struct kms_watch *w = ctx;
	pthread_mutex_lock(&w->lock);
	for (unsigned turn = 0; !w->stopping; turn++) {
		struct timespec until;
		pthread_mutex_unlock(&w->lock);
		look(w, turn);
		pthread_mutex_lock(&w->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		while (!w->stopping && pthread_cond_timedwait(&w->ending, &w->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- what others tell ---- */

int kms_watch_is_revoked(struct kms_watch *w, const struct token_claims *c)
{
	return w && revocations_has(w->revocations, c);
}

void kms_watch_listener(struct kms_watch *w, const struct http_server *s)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->listener = s;
	pthread_mutex_unlock(&w->lock);
}

void kms_watch_tls_said(void *kms, const char *error)
{
	struct kms *k = kms;
	if (error)
		log_error("kms.tls-refused", log_text("error", error));
	else
		log_info("kms.tls-renewed");
	if (!k->watch)
		return;
	pthread_mutex_lock(&k->watch->lock);
	k->watch->tls_refused = error != NULL;
	pthread_mutex_unlock(&k->watch->lock);
}

static void list_said(void *ctx, const char *error)
{
	(void)ctx;
	if (error)
		log_warn("kms.revocation-list", log_text("error", error));
	else
		log_info("kms.revocation-list-read");
}

static void checkpoint_said(void *ctx, const char *line)
{
	(void)ctx;
	log_info("audit.checkpoint", log_text("line", line));
}

static void keeper_changed(void *ctx, enum audit_keeper_state s, const char *why)
{
	(void)ctx;
	if (s == AUDIT_KEEPER_OK)
		log_info("audit.keeper-ok");
	else
		log_error(s == AUDIT_KEEPER_GAP ? "audit.gap" : "audit.keeper",
			  log_text("state", audit_keeper_state_name(s)), log_text("why", why));
}

enum audit_keeper_state kms_watch_checkpoint(struct kms_watch *w, char *line, size_t size)
{
	char text[AUDIT_CHECKPOINT_LINE];
	enum audit_keeper_state s = audit_keeper_now(w->keeper, text);
	snprintf(line, size, "%s", text);
	return s;
}

/* ---- begin and end ---- */

static int start_clock(struct kms_watch *w, char *err, size_t err_size)
{
	enum store_err e;
	int64_t seen = 0;
	struct kms_db *db = kms_pool_take(w->k->pool, &e);
	if (db) {
		e = kms_db_clock(db, &seen);
		kms_pool_give(w->k->pool, db, e);
	}
	if (e) {
		snprintf(err, err_size, "database: %s", store_err_name(e));
		return -1;
	}
	kms_clock_start(&w->clock, &w->k->domain->cert.periods, kms_now_ns(), boot_ns(), seen);
	return 0;
}

static int start_keeper(struct kms_watch *w, char *err, size_t err_size)
{
	const struct kms_config *c = w->k->config;
	struct audit_keeper_options o = {.database = c->database,
					 .key = c->audit_key,
					 .file = c->audit_checkpoints,
					 .every_records = CHECKPOINT_RECORDS,
					 .every_s = CHECKPOINT_S,
					 .said = checkpoint_said,
					 .changed = keeper_changed};
	w->keeper = audit_keeper_start(&o, err, err_size);
	return w->keeper ? 0 : -1;
}

static int start_list(struct kms_watch *w, char *err, size_t err_size)
{
	const struct kms_config *c = w->k->config;
	struct revocations_options o = {.url = c->revocations,
					.http = {.ca_file = c->ca,
						 .cert_file = c->revocations_cert,
						 .key_file = c->revocations_cert,
						 .resolve = c->resolve[0] ? c->resolve : NULL},
					.every_s = (unsigned)c->revocations_every,
					.said = list_said};
	if (!c->revocations[0])
		return 0;
	w->revocations = revocations_start(&o);
	if (!w->revocations)
		snprintf(err, err_size, "revocations: %s, %s or no memory", c->ca, c->revocations_cert);
	return w->revocations ? 0 : -1;
}

static void release(struct kms_watch *w)
{
	revocations_stop(w->revocations);
	audit_keeper_stop(w->keeper);
	measures_free(w->measures);
	pthread_cond_destroy(&w->ending);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct kms_watch *kms_watch_start(struct kms *k, char *err, size_t err_size)
{
	pthread_condattr_t monotonic;
	struct kms_watch *w = calloc(1, sizeof *w);
	struct measures *m = measures_new();
	if (!w || !m) {
		snprintf(err, err_size, "no memory");
		measures_free(m);
		free(w);
		return NULL;
	}
	w->k = k;
	w->failure_at = w->anomaly_at = -1;
	w->started_at = boot_ns() / SECOND;
	w->measures = m;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->ending, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (!start_clock(w, err, err_size) && !start_keeper(w, err, err_size) && !start_list(w, err, err_size)) {
		if (pthread_create(&w->thread, NULL, run, w) == 0)
			return w;
		snprintf(err, err_size, "no threads");
	}
	release(w);
	return NULL;
}

void kms_watch_stop(struct kms_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = 1;
	pthread_cond_broadcast(&w->ending);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	release(w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download.c - key downloads carried out: what key_download.c decides becomes jobs, MESSAGEs and timers.
 *
 * Key and I_MESSAGE are made on a worker, which also makes them durable; only then the MESSAGE leaves. The database is
 * changed before the table in memory is.
 */
#include "server/download_in.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcx/doc/multipart.h"
#include "mcx/doc/service.h"
#include "sec/base/check.h"
#include "server/third_party.h"

enum { T_FIN_MS = 32000, KD_RATE = 200, AGE_AGAIN_S = 3600 };

struct binding *download_binding(const struct download *d)
{
	return bindings_by_id(d->s->bindings, d->row.binding);
}

struct download *download_find(const struct server *s, int64_t binding, enum kd_kind kind)
{
	struct download *d = s->downloads;
	while (d && (d->row.binding != binding || d->row.kind != kind))
		d = d->next;
	return d;
}

static struct download *download_new(struct server *s, int64_t binding, enum kd_kind kind)
{
	static unsigned runs;
	struct download *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->s = s;
	d->run = ++runs;
	d->row.binding = binding;
	d->row.kind = kind;
	d->next = s->downloads;
	d->back = &s->downloads;
	if (d->next)
		d->next->back = &d->next;
	s->downloads = d;
	return d;
}

static void download_free(struct download *d)
{
	struct binding *b = download_binding(d);
	if (b && d->row.kind == KD_CSK)
		binding_pend(b, NULL);
	*d->back = d->next;
	if (d->next)
		d->next->back = d->back;
	if (d->tx)
		sip_abandon(d->tx);
	sip_timer_stop(d->timer);
	free(d);
}

void download_free_all(struct server *s)
{
	while (s->downloads)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list, by its back */
		download_free(s->downloads);
}

/* ---- the MESSAGE ---- */

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct download *d = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	const char *after = sip_header_at(rs, "Retry-After", 0);
	unsigned long retry = after ? strtoul(after, NULL, 10) : 0;
	const struct binding *b = download_binding(d);
	d->tx = NULL;
	log_info("key.download", log_text("mcptt_id", b ? b->row.mcptt_id : ""),
		 log_text("service", mcx_services[b ? b->row.service : MCX_MCPTT].name), log_int("k_id", d->row.k_id),
		 log_int("status", rs->status), log_int("warning", sip_warning_code(rs)));
	download_step(d, &(struct kd_event){.kind = kd_answer(rs->status),
					    .retry_after_s = retry < 3600 ? (uint32_t)retry : 3600});
}

/* 7.3.7 steps 1 to 6; to the one contact whose key it is (sip 4.1). */
/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void send_message(struct download *d)
{
	struct server *s = d->s;
	const struct binding *b = download_binding(d);
	enum mcx_service of = b ? b->row.service : MCX_MCPTT;
	const struct mcx_service_names *service = &mcx_services[of];
	const char *psi = server_psi(s->cfg, of);
	int by_core = s->cfg->core.n != 0;
	char asserted[DB_URI + 2], accept[200], route[300];
	snprintf(asserted, sizeof asserted, "<%s>", psi);
	snprintf(accept, sizeof accept, "*;%s;require;explicit", service->icsi_tag);
	snprintf(route, sizeof route, "<%s>", s->cfg->core_route);
	const struct sip_header h[] = {{"P-Asserted-Identity", asserted},
				       {"P-Asserted-Service", service->icsi},
				       {"Accept-Contact", accept},
				       {"Route", route}};
	struct sip_request rq = {.method = "MESSAGE",
				 .uri = !b        ? NULL
					: by_core ? third_party_target(b->row.impu, b->row.contact)
						  : b->row.impu,
				 .from = psi,
				 .to = b ? b->row.impu : NULL,
				 .route = by_core ? s->cfg->core_route
					  : b     ? b->row.contact
						  : NULL,
				 .flow = b && !by_core && sip_flow_alive(b->flow) ? b->flow : NULL,
				 .timeout_ms = T_FIN_MS,
				 .with = {.n_headers = sizeof h / sizeof *h - !by_core,
					  .headers = h,
					  .content_type = TYPE_MIKEY,
					  .body = {d->message, d->len}}};
	d->away = !by_core && !rq.flow;
	if (b)
		d->tx = sip_send(s->port, &rq, on_answer, d);
	if (!d->tx)
		download_step(d, &(struct kd_event){.kind = KD_EV_LATER});
}

/* ---- actions ---- */

static void on_timer(void *arg)
{
	struct download *d = arg;
	d->timer = NULL;
	download_step(d, &(struct kd_event){.kind = KD_EV_TIMER, .now_ms = d->machine.due_ms});
}

static void set_timer(struct download *d)
{
	int64_t wait = d->machine.due_ms - sip_loop_now_ms(d->s->loop);
	sip_timer_stop(d->timer);
	d->timer = sip_timer_start(d->s->loop, wait > 0 ? (unsigned)wait : 0, on_timer, d);
}

static void switch_keys(struct download *d)
{
	struct binding *b = download_binding(d);
	if (!b)
		return;
	int64_t grace = download_grace(d->s, &b->row);
	if (!b->pending) /* no memory for it before */
		download_pend(d);
	binding_switch(b, grace ? db_now() + grace : 0);
	log_info("csk.switched", log_text("mcptt_id", b->row.mcptt_id), log_int("csk_id", b->row.csk_id));
}

static void alarm_operator(struct download *d)
{
	const struct binding *b = download_binding(d);
	log_error("alarm.raised", log_text("name", "key-download"), log_text("mcptt_id", b ? b->row.mcptt_id : ""),
		  log_text("detail", "the client never took its key; the old one stays"));
}

/* 0: the download is gone. */
/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static int act(struct download *d, enum kd_action what)
{
	struct server *s = d->s;
	const struct binding *b = download_binding(d);
	switch (what) {
	case KD_DO_MAKE:
	case KD_DO_REMAKE:
		if (what == KD_DO_MAKE && d->row.kind == KD_CSK)
			d->row.k_id = 0; /* nothing is pending until it is saved */
		download_submit(d, DOWNLOAD_SAVE, d->row.k_id == 0);
		return 0; /* the last action of its row: what failed at once has gone its way already */
	case KD_DO_SEND:
		send_message(d);
		return 0;
	case KD_DO_SETTLE:
		download_submit(d, DOWNLOAD_SETTLE, 0);
		return 0;
	case KD_DO_ERASE:
		download_submit(d, DOWNLOAD_ERASE, 0);
		return 0;
	case KD_DO_RECALL:
		if (d->tx)
			sip_abandon(d->tx);
		d->tx = NULL;
		break;
	case KD_DO_SWITCH:
		switch_keys(d);
		break;
	case KD_DO_TIMER:
		set_timer(d);
		break;
	case KD_DO_ALARM:
		alarm_operator(d);
		break;
	case KD_DO_DROP:
		(void)register_drop(s, d->row.binding, "key download failed");
		break;
	case KD_DO_AUDIT:
		server_audit(s, 'X', d->row.kind == KD_CSK ? "csk.download" : "musik.download", b ? b->row.impu : "",
			     s->cfg->psi, b ? b->row.mcptt_id : "", NULL, "the client refused");
		break;
	case KD_DO_FORGET:
		download_free(d);
		return 0;
	case KD_ACTIONS:
		break;
	}
	return 1;
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void download_step(struct download *d, const struct kd_event *ev)
{
	struct kd_actions acts;
	struct kd_event now = *ev;
	if (now.now_ms == 0)
		now.now_ms = sip_loop_now_ms(d->s->loop);
	(void)mcsec_rng_system.fill(mcsec_rng_system.ctx, &now.jitter, 1);
	if (d->row.kind == KD_MUSIK && ev->kind == KD_EV_SETTLED && download_binding(d))
		download_binding(d)->musik_id = d->row.k_id;
	kd_step(&d->machine, &now, &acts);
	for (size_t i = 0; i < acts.n && act(d, acts.do_[i]); i++)
		;
}

/* ---- what others tell ---- */

/* What is allowed now: 0, or -1 while no keys are there. */
static int allowed_now(const struct server *s, struct suite_list *out)
{
	struct server_book *book = server_keys_book(s->keys);
	*out = book ? *server_book_suites(book) : (struct suite_list){0};
	server_book_release(book);
	return book ? 0 : -1;
}

int download_holds(const struct server *s, const struct db_binding *row)
{
	struct suite_list allowed;
	if (!row->has_csk || !s->cfg->xml_confidentiality || allowed_now(s, &allowed))
		return 0;
	return MCX_FAULT(alg.held, !suite_listed(&allowed, row->suite));
}

int64_t download_grace(const struct server *s, const struct db_binding *row)
{
	return download_holds(s, row) ? 0 : s->cfg->csk_grace_s;
}

/* The suite of the next CSK: the one it has, where that is allowed. */
static uint16_t next_suite(const struct server *s, const struct db_binding *row)
{
	struct suite_list allowed;
	return allowed_now(s, &allowed) ? row->suite : suite_choose(row->suite, &row->offered, &allowed);
}

static const char *start(struct server *s, struct binding *b, enum kd_kind kind, enum kd_reason why, uint16_t suite)
{
	struct kd_actions acts;
	struct kd probe = {0};
	struct kd_event ev = {.kind = KD_EV_START,
			      .what = kind,
			      .reason = why,
			      .protected = s->cfg->xml_confidentiality,
			      .has_csk = b->row.has_csk};
	if (download_find(s, b->row.id, kind))
		return NULL;
	kd_step(&probe, &ev, &acts);
	if (acts.why)
		return acts.why;
	if (kind == KD_CSK && !suite)
		return "this client and the domain have no algorithm suite in common";
	struct download *d = download_new(s, b->row.id, kind);
	if (!d)
		return "no memory";
	if (kind == KD_MUSIK) {
		d->row.k_id = s->musik.k_id;
		memcpy(d->row.key, s->musik.key, sizeof d->row.key);
		memcpy(d->row.rand, s->musik.rand, sizeof d->row.rand);
	}
	d->row.suite = suite;
	download_step(d, &ev);
	return NULL;
}

const char *download_start(struct server *s, struct binding *b, enum kd_kind kind, enum kd_reason why)
{
	return start(s, b, kind, why, kind == KD_CSK ? next_suite(s, &b->row) : 0);
}

const char *download_force(struct server *s, struct binding *b, uint16_t suite)
{
	const struct download *d = download_find(s, b->row.id, KD_CSK);
	struct suite_list allowed;
	if (MCX_FAULT(alg.force_listed, !suite_listed(&b->row.offered, suite)))
		return "the client has not listed this suite";
	if (allowed_now(s, &allowed) || MCX_FAULT(alg.force_allowed, !suite_listed(&allowed, suite)))
		return "this suite is not allowed in the domain, or not by the server's configuration";
	if (d && d->row.suite != suite)
		return "another key is on its way to this client";
	return start(s, b, KD_CSK, KD_SUITE, suite);
}

void download_proved(struct server *s, const struct binding *b, uint32_t key_id)
{
	struct download *d = download_find(s, b->row.id, KD_CSK);
	if (d && d->row.k_id == key_id)
		download_step(d, &(struct kd_event){.kind = KD_EV_PROVED});
}

int download_rival(const struct server *s, const struct binding *b, uint64_t *t, uint32_t *id)
{
	const struct download *d = b ? download_find(s, b->row.id, KD_CSK) : NULL;
	if (!b || !b->row.has_csk)
		return 0;
	*t = d && d->row.k_id ? d->row.t : b->row.t;
	*id = d && d->row.k_id ? d->row.k_id : b->row.csk_id;
	return 1;
}

void download_upload_won(struct server *s, struct binding *b, uint64_t t, uint32_t id)
{
	struct download *d = download_find(s, b->row.id, KD_CSK);
	/* One that was sent meanwhile, later than the upload: the client may take it, so it must be told of another. */
	int overtaken = d && d->row.k_id && !sa_csk_wins(t, id, 1, d->row.t, d->row.k_id);
	if (d)
		download_step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
	if (overtaken)
		(void)download_start(s, b, KD_CSK, KD_CROSSED);
	if (s->has_musik && b->musik_id != s->musik.k_id)
		(void)download_start(s, b, KD_MUSIK, KD_BEARER);
}

void download_upload_lost(struct server *s, struct binding *b)
{
	struct download *d = download_find(s, b->row.id, KD_CSK);
	if (d)
		download_step(d, &(struct kd_event){.kind = KD_EV_UPLOAD_LOST});
	else
		(void)download_start(s, b, KD_CSK, KD_CROSSED);
}

void download_gone(struct server *s, int64_t binding)
{
	const struct binding *b = bindings_by_id(s->bindings, binding);
	for (int kind = KD_CSK; kind <= KD_MUSIK; kind++) {
		struct download *d = download_find(s, binding, (enum kd_kind)kind);
		if (d)
			download_step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
	}
	if (b && s->has_musik && b->musik_id == s->musik.k_id)
		s->musik_stale = 1; /* one who is gone must not read what follows (flows 2.1) */
}

/* ---- start and clock ---- */

static int restore_one(void *ctx, const struct db_download *row)
{
	struct server *s = ctx;
	const struct binding *b = bindings_by_id(s->bindings, row->binding);
	struct download *d = b ? download_new(s, row->binding, row->kind) : NULL;
	if (!d)
		return b ? -1 : 0;
	d->row = *row;
	download_pend(d);
	download_step(d, &(struct kd_event){.kind = KD_EV_RESTART,
					    .what = row->kind,
					    .reason = row->reason,
					    .attempt = row->attempt,
					    .has_csk = 1});
	return 0;
}

static int restore_holder(void *ctx, int64_t binding)
{
	struct server *s = ctx;
	struct binding *b = bindings_by_id(s->bindings, binding);
	if (b)
		b->musik_id = s->musik.k_id;
	return 0;
}

int download_restore(struct server *s)
{
	enum store_err e = db_musik_get(s->admin_db, &s->musik);
	s->has_musik = e == STORE_ROW;
	e = e == STORE_ROW ? db_each_holder(s->admin_db, s->musik.k_id, restore_holder, s) : e;
	e = e ? e : db_each_download(s->admin_db, restore_one, s);
	return e == STORE_OK ? 0 : -1;
}

struct ages {
	struct server *s;
	int64_t now;
	int left;
};

/* What the configuration or the KMS no longer allows is replaced; where nothing is common the client must come anew. */
static int look_at_suite(struct ages *a, struct binding *b)
{
	if (!download_holds(a->s, &b->row) || download_find(a->s, b->row.id, KD_CSK))
		return 0;
	if (!next_suite(a->s, &b->row))
		(void)register_drop(a->s, b->row.id, "no common security algorithm");
	else
		(void)download_start(a->s, b, KD_CSK, KD_SUITE);
	return 1;
}

static int look_at_age(void *ctx, struct binding *b)
{
	struct ages *a = ctx;
	if (look_at_suite(a, b))
		return --a->left == 0;
	int64_t made = (int64_t)(download_seconds(b->row.t) - MCSEC_NTP_UNIX);
	if (!b->row.has_csk || !a->s->cfg->csk_max_age_s || a->now - made < a->s->cfg->csk_max_age_s ||
	    a->now < b->roll_after)
		return 0;
	b->roll_after = a->now + AGE_AGAIN_S;
	(void)download_start(a->s, b, KD_CSK, KD_AGE);
	return --a->left == 0;
}

void download_tick(struct server *s)
{
	struct ages a = {s, db_now(), KD_RATE};
	for (struct download *d = s->downloads, *next; d; d = next) {
		next = d->next;
		const struct binding *b = download_binding(d);
		if (d->machine.state == KD_WAIT && d->away && b && sip_flow_alive(b->flow)) {
			d->away = 0;
			download_step(d, &(struct kd_event){.kind = KD_EV_SEEN});
		}
	}
	bindings_each(s->bindings, look_at_age, &a);
	download_musik_tick(s, a.now);
}

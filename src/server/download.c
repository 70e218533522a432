/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download.c - key downloads carried out: what key_download.c decides becomes jobs, MESSAGEs and timers.
 *
 * A job takes copies and finds its download again by binding, kind and run: one that ended meanwhile ignores it. Key
 * and I_MESSAGE are made on a worker, which also makes them durable; only then the MESSAGE leaves. The database is
 * changed before the table in memory is.
 */
#include "server/download.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcsec/secret.h"
#include "mcx/doc/multipart.h"
#include "mcx/flow/service.h"

enum { T_FIN_MS = 32000, KD_RATE = 200, AGE_AGAIN_S = 3600 };

struct download {
	struct download *next, **back;
	struct server *s;
	struct kd machine;
	struct db_download row;
	unsigned run; /* results of an earlier one are ignored */
	int away;     /* no connection led to the client when it was tried last */
	struct sip_client_tx *tx;
	struct sip_timer *timer;
	size_t len;
	uint8_t message[MCSEC_IM_MAX];
};

enum job_kind { SAVE, SETTLE, ERASE };

struct job {
	struct work work; /* first: jobs come back as this */
	enum job_kind what;
	int draw; /* SAVE: a new CSK, else the one of the row */
	unsigned run;
	struct db_binding b;
	struct db_download row;
	struct server_book *book;
	int64_t musik_expires;
	enum db_changed result;
	const char *why;
	size_t len;
	uint8_t message[MCSEC_IM_MAX];
};

static void step(struct download *d, const struct kd_event *ev);

static struct binding *binding_of(const struct download *d)
{
	return bindings_by_id(d->s->bindings, d->row.binding);
}

static struct download *find(const struct server *s, int64_t binding, enum kd_kind kind)
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
	struct binding *b = binding_of(d);
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
		download_free(s->downloads);
}

/* ---- jobs ---- */

/* TIME seconds of a T on the wire, in the era of 1968 to 2104. */
static uint64_t seconds_of(uint64_t ntp)
{
	uint64_t s = ntp >> 32;
	if (s == 0)
		return 0;
	return s < UINT64_C(0x80000000) ? s + (UINT64_C(1) << 32) : s;
}

/* The key in `key`, secret memory; the row names and holds it. */
static int take_key(struct job *j, uint8_t *key)
{
	const struct seal *seal = j->work.s->seal;
	struct db_download *r = &j->row;
	char what[2 * DB_URI + 32];
	if (r->kind == KD_MUSIK)
		return seal_get(seal, db_musik_purpose(r->k_id, what, sizeof what), OCTETS(r->key), key) != MCSEC_OK;
	if (j->draw && (mcsec_kid_new(MCSEC_CSK, &mcsec_rng_system, NULL, NULL, &r->k_id) != MCSEC_OK ||
			mcsec_rng_system.fill(mcsec_rng_system.ctx, key, MCSEC_KEY_LEN) != MCSEC_OK ||
			mcsec_rng_system.fill(mcsec_rng_system.ctx, r->rand, sizeof r->rand) != MCSEC_OK))
		return -1;
	struct octets purpose = db_csk_purpose(&j->b, r->k_id, what, sizeof what);
	return j->draw ? seal_put(seal, purpose, (struct octets){key, MCSEC_KEY_LEN}, r->key) != MCSEC_OK
		       : seal_get(seal, purpose, OCTETS(r->key), key) != MCSEC_OK;
}

/* From the identity the client uploaded to, to the client's MC service ID (TS 33.180 5.8.1; sip 4.1). */
static enum mcsec_err make_message(struct job *j, const uint8_t *key)
{
	const struct mcsec_im_book *book = server_book_tables(j->book);
	uint64_t used = seconds_of(j->b.t), last = j->draw ? 0 : seconds_of(j->row.t);
	uint64_t t = kd_time((uint64_t)db_now() + MCSEC_NTP_UNIX, used > last ? used : last);
	struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED, .expiry = (uint64_t)j->musik_expires};
	struct mcsec_im_make what = {.kind = j->row.kind == KD_CSK ? MCSEC_CSK : MCSEC_MUSIK,
				     .k_id = j->row.k_id,
				     .key = key,
				     .rand = j->row.rand,
				     .time = t,
				     .initiator = j->b.server_id,
				     .initiator_kms = book->kms[0].uri,
				     .responder = j->b.mcptt_id,
				     .responder_kms = book->kms[0].uri,
				     .params = j->row.kind == KD_MUSIK ? &params : NULL};
	j->row.t = (t & UINT32_MAX) << 32;
	return mcsec_im_make(book, &what, &mcsec_rng_system, j->message, sizeof j->message, &j->len);
}

static void save(struct job *j, struct db *d)
{
	uint8_t *key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	enum mcsec_err e = key ? MCSEC_OK : MCSEC_E_MEMORY;
	j->result = DB_FAILED;
	if (!e && !j->book)
		e = MCSEC_E_NO_KEYS;
	if (!e && take_key(j, key))
		e = MCSEC_E_CRYPTO;
	e = e ? e : make_message(j, key);
	mcsec_secret_free(key);
	if (e)
		j->why = mcsec_err_name(e);
	else
		j->result = db_download_save(d, &j->row);
}

static void run_job(struct work *w, struct db *d)
{
	struct job *j = (struct job *)w;
	j->result = DB_FAILED;
	j->why = "database";
	if (!d)
		return;
	if (j->what == SAVE)
		save(j, d);
	else if (j->what == SETTLE)
		j->result = db_download_settle(d, &j->row, &j->b);
	else
		j->result = db_download_erase(d, &j->row) == STORE_OK ? DB_CHANGED : DB_FAILED;
}

/* The pending CSK opens from now on; it is what the client may hold. */
static void pend(struct download *d)
{
	struct binding *b = binding_of(d);
	if (!b || d->row.kind != KD_CSK)
		return;
	struct db_binding *row = malloc(sizeof *row);
	if (!row)
		return;
	*row = b->row;
	memcpy(row->csk, d->row.key, sizeof row->csk);
	row->csk_id = d->row.k_id;
	row->t = d->row.t;
	binding_pend(b, row);
}

static enum kd_event_kind outcome(const struct job *j)
{
	static const enum kd_event_kind table[3][3] = {
	    [SAVE] = {KD_EV_SAVED, KD_EV_SUPERSEDED, KD_EV_SAVE_FAILED},
	    [SETTLE] = {KD_EV_SETTLED, KD_EV_SUPERSEDED, KD_EV_SETTLE_FAILED},
	    [ERASE] = {KD_EV_ENDED, KD_EV_ENDED,
		       KD_EV_ENDED}, /* what stays is erased with the next change, or resent */
	};
	return table[j->what][j->result];
}

static void done_job(struct work *w)
{
	struct job *j = (struct job *)w;
	struct server *s = w->s;
	struct download *d = find(s, j->row.binding, j->row.kind);
	enum kd_event_kind what = outcome(j);
	server_book_release(j->book);
	atomic_store(&s->store_ok, j->result != DB_FAILED || strcmp(j->why, "database") != 0);
	if (j->result == DB_FAILED)
		log_warn("key.download-failed", log_text("mcptt_id", j->b.mcptt_id), log_text("detail", j->why));
	if (d && d->run == j->run) {
		if (what == KD_EV_SAVED) {
			d->row = j->row;
			d->len = j->len;
			memcpy(d->message, j->message, j->len);
			pend(d);
		}
		step(d, &(struct kd_event){.kind = what});
	}
	free(j);
}

static void submit(struct download *d, enum job_kind what, int draw)
{
	struct binding *b = binding_of(d);
	struct job *j = b ? calloc(1, sizeof *j) : NULL;
	if (j) {
		*j = (struct job){.work = {d->s, run_job, done_job}, .what = what, .draw = draw, .run = d->run};
		d->row.follows = d->row.kind == KD_CSK ? b->row.csk_id : 0;
		d->row.reason = d->machine.reason;
		d->row.attempt = d->machine.attempt;
		j->b = b->row;
		j->row = d->row;
		j->book = server_keys_book(d->s->keys);
		j->musik_expires = d->s->musik.expires;
		if (server_submit(&j->work) == 0)
			return;
		server_book_release(j->book);
		free(j);
	}
	struct job none = {.what = what, .result = DB_FAILED};
	step(d, &(struct kd_event){.kind = outcome(&none)});
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
	const struct binding *b = binding_of(d);
	d->tx = NULL;
	log_info("key.download", log_text("mcptt_id", b ? b->row.mcptt_id : ""), log_int("k_id", d->row.k_id),
		 log_int("status", rs->status), log_int("warning", sip_warning_code(rs)));
	step(d,
	     &(struct kd_event){.kind = kd_answer(rs->status), .retry_after_s = retry < 3600 ? (uint32_t)retry : 3600});
}

/* 7.3.7 steps 1 to 6; to the one contact whose key it is (sip 4.1). */
static void send_message(struct download *d)
{
	struct server *s = d->s;
	const struct binding *b = binding_of(d);
	const struct mcx_service_names *service = &mcx_services[MCX_MCPTT];
	char asserted[DB_URI + 2], accept[200];
	snprintf(asserted, sizeof asserted, "<%s>", s->cfg->psi);
	snprintf(accept, sizeof accept, "*;%s;require;explicit", service->icsi_tag);
	const struct sip_header h[] = {
	    {"P-Asserted-Identity", asserted}, {"P-Asserted-Service", service->icsi}, {"Accept-Contact", accept}};
	struct sip_request rq = {.method = "MESSAGE",
				 .uri = b ? b->row.impu : NULL,
				 .from = s->cfg->psi,
				 .to = b ? b->row.impu : NULL,
				 .route = b ? b->row.contact : NULL,
				 .flow = b && sip_flow_alive(b->flow) ? b->flow : NULL,
				 .timeout_ms = T_FIN_MS,
				 .with = {.n_headers = sizeof h / sizeof *h,
					  .headers = h,
					  .content_type = TYPE_MIKEY,
					  .body = {d->message, d->len}}};
	d->away = !rq.flow;
	if (b)
		d->tx = sip_send(s->port, &rq, on_answer, d);
	if (!d->tx)
		step(d, &(struct kd_event){.kind = KD_EV_LATER});
}

/* ---- actions ---- */

static void on_timer(void *arg)
{
	struct download *d = arg;
	d->timer = NULL;
	step(d, &(struct kd_event){.kind = KD_EV_TIMER, .now_ms = d->machine.due_ms});
}

static void set_timer(struct download *d)
{
	int64_t wait = d->machine.due_ms - sip_loop_now_ms(d->s->loop);
	sip_timer_stop(d->timer);
	d->timer = sip_timer_start(d->s->loop, wait > 0 ? (unsigned)wait : 0, on_timer, d);
}

static void switch_keys(struct download *d)
{
	struct binding *b = binding_of(d);
	int64_t grace = d->s->cfg->csk_grace_s;
	if (!b)
		return;
	if (!b->pending) /* no memory for it before */
		pend(d);
	binding_switch(b, grace ? db_now() + grace : 0);
	log_info("csk.switched", log_text("mcptt_id", b->row.mcptt_id), log_int("csk_id", b->row.csk_id));
}

static void alarm_operator(struct download *d)
{
	const struct binding *b = binding_of(d);
	log_error("alarm.raised", log_text("name", "key-download"), log_text("mcptt_id", b ? b->row.mcptt_id : ""),
		  log_text("detail", "the client never took its key; the old one stays"));
}

/* 0: the download is gone. */
static int act(struct download *d, enum kd_action what)
{
	struct server *s = d->s;
	const struct binding *b = binding_of(d);
	switch (what) {
	case KD_DO_MAKE:
	case KD_DO_REMAKE:
		if (what == KD_DO_MAKE && d->row.kind == KD_CSK)
			d->row.k_id = 0; /* nothing is pending until it is saved */
		submit(d, SAVE, d->row.k_id == 0);
		return 0; /* the last action of its row: what failed at once has gone its way already */
	case KD_DO_SEND:
		send_message(d);
		return 0;
	case KD_DO_SETTLE:
		submit(d, SETTLE, 0);
		return 0;
	case KD_DO_ERASE:
		submit(d, ERASE, 0);
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

static void step(struct download *d, const struct kd_event *ev)
{
	struct kd_actions acts;
	struct kd_event now = *ev;
	if (now.now_ms == 0)
		now.now_ms = sip_loop_now_ms(d->s->loop);
	(void)mcsec_rng_system.fill(mcsec_rng_system.ctx, &now.jitter, 1);
	if (d->row.kind == KD_MUSIK && ev->kind == KD_EV_SETTLED && binding_of(d))
		binding_of(d)->musik_id = d->row.k_id;
	kd_step(&d->machine, &now, &acts);
	for (size_t i = 0; i < acts.n && act(d, acts.do_[i]); i++)
		;
}

/* ---- what others tell ---- */

const char *download_start(struct server *s, struct binding *b, enum kd_kind kind, enum kd_reason why)
{
	struct kd_actions acts;
	struct kd probe = {0};
	struct kd_event ev = {.kind = KD_EV_START,
			      .what = kind,
			      .reason = why,
			      .protected = s->cfg->xml_confidentiality,
			      .has_csk = b->row.has_csk};
	if (find(s, b->row.id, kind))
		return NULL;
	kd_step(&probe, &ev, &acts);
	if (acts.why)
		return acts.why;
	struct download *d = download_new(s, b->row.id, kind);
	if (!d)
		return "no memory";
	if (kind == KD_MUSIK) {
		d->row.k_id = s->musik.k_id;
		memcpy(d->row.key, s->musik.key, sizeof d->row.key);
		memcpy(d->row.rand, s->musik.rand, sizeof d->row.rand);
	}
	step(d, &ev);
	return NULL;
}

void download_proved(struct server *s, const struct binding *b, uint32_t key_id)
{
	struct download *d = find(s, b->row.id, KD_CSK);
	if (d && d->row.k_id == key_id)
		step(d, &(struct kd_event){.kind = KD_EV_PROVED});
}

int download_rival(const struct server *s, const struct binding *b, uint64_t *t, uint32_t *id)
{
	const struct download *d = b ? find(s, b->row.id, KD_CSK) : NULL;
	if (!b || !b->row.has_csk)
		return 0;
	*t = d && d->row.k_id ? d->row.t : b->row.t;
	*id = d && d->row.k_id ? d->row.k_id : b->row.csk_id;
	return 1;
}

void download_upload_won(struct server *s, struct binding *b, uint64_t t, uint32_t id)
{
	struct download *d = find(s, b->row.id, KD_CSK);
	/* One that was sent meanwhile, later than the upload: the client may take it, so it must be told of another. */
	int overtaken = d && d->row.k_id && !sa_csk_wins(t, id, 1, d->row.t, d->row.k_id);
	if (d)
		step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
	if (overtaken)
		(void)download_start(s, b, KD_CSK, KD_CROSSED);
	if (s->has_musik && b->musik_id != s->musik.k_id)
		(void)download_start(s, b, KD_MUSIK, KD_BEARER);
}

void download_upload_lost(struct server *s, struct binding *b)
{
	struct download *d = find(s, b->row.id, KD_CSK);
	if (d)
		step(d, &(struct kd_event){.kind = KD_EV_UPLOAD_LOST});
	else
		(void)download_start(s, b, KD_CSK, KD_CROSSED);
}

void download_gone(struct server *s, int64_t binding)
{
	const struct binding *b = bindings_by_id(s->bindings, binding);
	for (int kind = KD_CSK; kind <= KD_MUSIK; kind++) {
		struct download *d = find(s, binding, (enum kd_kind)kind);
		if (d)
			step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
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
	pend(d);
	step(d, &(struct kd_event){.kind = KD_EV_RESTART,
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

static int look_at_age(void *ctx, struct binding *b)
{
	struct ages *a = ctx;
	int64_t made = (int64_t)(seconds_of(b->row.t) - MCSEC_NTP_UNIX);
	if (!b->row.has_csk || a->now - made < a->s->cfg->csk_max_age_s || a->now < b->roll_after)
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
		const struct binding *b = binding_of(d);
		if (d->machine.state == KD_WAIT && d->away && b && sip_flow_alive(b->flow)) {
			d->away = 0;
			step(d, &(struct kd_event){.kind = KD_EV_SEEN});
		}
	}
	if (s->cfg->csk_max_age_s)
		bindings_each(s->bindings, look_at_age, &a);
	if (s->has_musik && (s->musik_stale || s->musik.expires <= a.now))
		download_musik(s, &(struct musik_order){.anew = 1, .officer = s->musik_stale ? "left" : "expiry"});
}

/* ---- MuSiK ---- */

struct musik_job {
	struct work work;
	struct db_musik m;
	char officer[DB_URI];
	int failed;
};

/* One key and RAND for all (media.md 2; sip 4.3). */
static void run_musik(struct work *w, struct db *d)
{
	struct musik_job *j = (struct musik_job *)w;
	uint8_t *key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	char what[64];
	j->failed = !d || !key || mcsec_kid_new(MCSEC_MUSIK, &mcsec_rng_system, NULL, NULL, &j->m.k_id) ||
		    mcsec_rng_system.fill(mcsec_rng_system.ctx, key, MCSEC_KEY_LEN) ||
		    mcsec_rng_system.fill(mcsec_rng_system.ctx, j->m.rand, sizeof j->m.rand) ||
		    seal_put(w->s->seal, db_musik_purpose(j->m.k_id, what, sizeof what),
			     (struct octets){key, MCSEC_KEY_LEN}, j->m.key) ||
		    db_musik_put(d, &j->m, j->officer) != STORE_OK;
	mcsec_secret_free(key);
}

static int give_musik(void *ctx, struct binding *b)
{
	struct server *s = ctx;
	if (b->row.has_csk && b->musik_id != s->musik.k_id)
		(void)download_start(s, b, KD_MUSIK, KD_BEARER);
	return 0;
}

static void done_musik(struct work *w)
{
	struct musik_job *j = (struct musik_job *)w;
	struct server *s = w->s;
	s->musik_making = 0;
	if (!j->failed) {
		for (struct download *d = s->downloads, *next; d; d = next) {
			next = d->next;
			if (d->row.kind == KD_MUSIK) /* of the one before */
				step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
		}
		s->musik = j->m;
		s->has_musik = 1;
		s->musik_stale = 0;
		log_info("musik.made", log_int("musik_id", j->m.k_id), log_text("officer", j->officer));
		bindings_each(s->bindings, give_musik, s);
	}
	free(j);
}

static int without_musik(void *ctx, struct binding *b)
{
	struct musik_order *o = ctx;
	o->clients += b->row.has_csk != 0;
	return 0;
}

void download_musik(struct server *s, struct musik_order *o)
{
	o->wrong = NULL;
	if (s->has_musik && !o->anew) {
		bindings_each(s->bindings, give_musik, s);
		for (const struct download *d = s->downloads; d; d = d->next)
			o->clients += d->row.kind == KD_MUSIK;
		return;
	}
	if (s->musik_making)
		return;
	struct musik_job *j = calloc(1, sizeof *j);
	if (!j) {
		o->wrong = "no memory";
		return;
	}
	j->work = (struct work){s, run_musik, done_musik};
	j->m.made = db_now();
	j->m.expires = j->m.made + s->cfg->musik_life_s;
	db_copy(j->officer, sizeof j->officer, o->officer);
	if (server_submit(&j->work) != 0) {
		free(j);
		o->wrong = "the job queue is full";
		return;
	}
	s->musik_making = 1;
	bindings_each(s->bindings, without_musik, o);
}

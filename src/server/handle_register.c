/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_register.c - REGISTER with service authorisation, from the client itself or handed on by a SIP core: the shell
 * around mcx/flow/server_auth.c.
 *
 * An attempt carries one REGISTER (or the end of a binding) through its jobs. The machine decides; here facts are
 * gathered, jobs run, and actions carried out. What a job changed counts only when the store said so: replay memory and
 * the table in memory follow the commit, never precede it.
 *
 * A core hears 200 whatever becomes of its user's authorisation, since the registration is the core's business (sip 2.5
 * step 8); only where this server cannot work does it hear so. Its 200 waits for the commit like every other.
 */
#include "server/register.h"

#include <stdlib.h>
#include <strings.h>

#include "app/log.h"
#include "mcsec/secret.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"
#include "server/download.h"
#include "server/redirect.h"
#include "server/waiting.h"

static struct attempt *attempt_new(struct server *s, struct sip_server_tx *tx)
{
	struct attempt *a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->work.s = s;
	a->tx = tx;
	a->detail = "";
	a->next = s->attempts;
	a->back = &s->attempts;
	if (a->next)
		a->next->back = &a->next;
	s->attempts = a;
	return a;
}

/* NOLINTNEXTLINE(misc-no-recursion): what waited begins, but no more of it than once at a time */
static void attempt_free(struct attempt *a)
{
	struct server *s = a->work.s;
	struct db_binding who = a->row;
	*a->back = a->next;
	if (a->next)
		a->next->back = a->back;
	if (a->storing == SA_DO_STORE && a->stored == SA_STORED_OK)
		pace_served(&a->work.s->pace, a->work.busy_us);
	mcsec_im_free(a->im);
	server_book_release(a->book);
	body_free(&a->body);
	third_party_free(&a->third);
	mcsec_wipe(a->claims, sizeof a->claims);
	free(a);
	waiting_next(s, &who);
}

struct attempt *attempt_at_work(const struct server *s, const struct attempt *but, const struct db_binding *who)
{
	for (struct attempt *a = s->attempts; a; a = a->next)
		if (a != but && same_client(&a->row, who))
			return a;
	return NULL;
}

/* One user's, so that nobody alone can fill the queue of jobs. */
static int too_many_at_work(const struct server *s, const char *impu)
{
	size_t n = 0;
	for (const struct attempt *a = s->attempts; a; a = a->next)
		n += strcmp(a->row.impu, impu) == 0;
	return n > CLIENTS_MAX;
}

/* ---- jobs ---- */

static void run_store(struct work *w, struct db *d)
{
	struct attempt *a = (struct attempt *)w;
	a->stored = SA_STORED_FAILED;
	if (!d)
		return;
	/* The settings first: a binding that is stored is answered 200. */
	if (a->storing == SA_DO_STORE && a->has_settings &&
	    db_put_user(d, &a->settings, a->settings.mcptt_id) != STORE_OK)
		return;
	/* One that loses is remembered too: it must not win when it comes again after what it lost to has gone. */
	const struct mcsec_im *im = a->im, *fresh = a->change.fresh ? im : NULL;
	if (a->storing == SA_DO_REMOVE)
		a->stored = db_remove_bindings(d, a->ids, a->n_ids, a->end_reason);
	else
		a->stored = db_store_change(d, &a->change, fresh ? fresh->key : NULL,
					    fresh ? (struct octets){fresh->rand, fresh->rand_len} : (struct octets){0},
					    im && im->remember ? &im->entry : NULL);
}

static void done_store(struct work *w)
{
	struct attempt *a = (struct attempt *)w;
	atomic_store(&w->s->store_ok, a->stored != SA_STORED_FAILED);
	if (a->stored == SA_STORED_FAILED)
		metric_add(&w->s->metrics[M_STORE_FAILED], 1);
	int force = a->force && a->storing == SA_DO_STORE;
	attempt_step(a, &(struct sa_event){.kind = SA_EV_STORED, .stored = a->stored, .force = force});
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void start_store(struct attempt *a, enum sa_action what)
{
	a->storing = what;
	if (what != SA_DO_REMOVE)
		plan_change(a, what);
	a->work.run = run_store;
	a->work.done = done_store;
	if (server_change(&a->work) != 0)
		attempt_step(a, &(struct sa_event){.kind = SA_EV_BUSY});
}

/* ---- actions ---- */

static void install_row(struct attempt *a, size_t i)
{
	struct server *s = a->work.s;
	int fresh = a->change.fresh >> i & 1;
	struct db_binding *row = &a->change.rows[i];
	row->id = a->change.ids[i];
	const struct binding *now = bindings_by_client(s->bindings, row->impu, row->client_id, row->service);
	if (!fresh && now) { /* its CSK may have changed while the contact was stored */
		*row = now->row;
		plan_move(a, row);
	}
	int64_t grace = now ? download_grace(s, &now->row) : 0;
	struct binding *b = bindings_put(s->bindings, row, grace ? db_now() + grace : 0);
	if (b && a->tx)
		identity_seen(b, a->tx);
	if (b && fresh)
		download_upload_won(s, b, row->t, row->csk_id);
	log_info("sip.bound", log_text("service", mcx_services[row->service].name), log_text("mcptt_id", row->mcptt_id),
		 log_text("impu", row->impu), log_int("csk_id", row->csk_id),
		 log_int("expires_s", row->expires - db_now()));
}

static void drop_binding(struct server *s, int64_t id)
{
	download_gone(s, id);
	bindings_remove(s->bindings, id);
}

static void install(struct attempt *a)
{
	struct server *s = a->work.s;
	struct binding *bare = bindings_by_client(s->bindings, a->row.impu, "", MCX_MCPTT);
	if (a->has_settings && a->storing == SA_DO_STORE)
		(void)users_put(s->bindings, &a->settings);
	for (size_t i = 0; i < a->change.n; i++)
		install_row(a, i);
	for (size_t i = 0; i < a->change.n_gone; i++)
		drop_binding(s, a->change.gone[i]);
	if (bare && a->change.fresh && same_contact(bare->row.contact, a->row.contact))
		bindings_remove(s->bindings, bare->row.id); /* as the store did: it is authorised now */
	if (a->im && a->im->remember &&
	    mcsec_replay_add(s->replay, &a->im->entry, (uint64_t)db_now() + MCSEC_NTP_UNIX) == MCSEC_E_NO_SPACE)
		log_error("server.replay-full", log_text("note", "the store still refuses repeated messages"));
	metric_set(&s->metrics[M_BINDINGS], (int64_t)bindings_count(s->bindings));
}

static void forget(struct attempt *a)
{
	struct server *s = a->work.s;
	for (size_t i = 0; i < a->n_ids; i++) {
		if (a->revoked)
			call_revoked(s, a->ids[i]);
		drop_binding(s, a->ids[i]);
	}
	metric_set(&s->metrics[M_BINDINGS], (int64_t)bindings_count(s->bindings));
}

/* Which KMSs the refused message names, for the record: the message goes with the answer. */
static void note_kmss(struct attempt *a)
{
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	if (a->im_err == MCSEC_E_KMS_REFUSED && !mcsec_im_peek(a->body.mikey.p, a->body.mikey.len, &peek, &fault))
		snprintf(a->refused_kmss, sizeof a->refused_kmss, ": from %.*s for %.*s", (int)peek.initiator_kms.len,
			 (const char *)peek.initiator_kms.p, (int)peek.responder_kms.len,
			 (const char *)peek.responder_kms.p);
}

static void reply(struct attempt *a, const struct sa_actions *acts)
{
	struct server *s = a->work.s;
	struct sip_server_tx *tx = a->tx;
	a->tx = NULL;
	if (!tx)
		return;
	note_kmss(a);
	metric_add(&s->metrics[acts->status == 200 ? M_REGISTER_OK : M_REGISTER_REFUSED], 1);
	if (acts->status != 200) {
		log_warn("sip.refuse", log_text("method", a->publish ? "PUBLISH" : "REGISTER"),
			 log_int("status", acts->status), log_int("warning", acts->warning),
			 log_text("impu", a->row.impu), log_text("detail", a->detail));
		int redirect = acts->status == 488 && a->im_err == MCSEC_E_KMS_REFUSED;
		if (a->by_core && !a->publish && acts->status < 500) {
			(void)sip_reply(tx, 200, NULL, NULL);
			if (redirect)
				redirect_message(a);
			return;
		}
		if (redirect) {
			redirect_answer(a, tx);
			return;
		}
		if (acts->status != 423) {
			server_refuse(s, tx, acts->status, acts->warning, "no common security algorithm");
			return;
		}
		char min[24];
		snprintf(min, sizeof min, "%lld", (long long)s->cfg->expires_min);
		struct sip_header h = {"Min-Expires", min};
		(void)sip_reply(tx, 423, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
		return;
	}
	char contact[DB_URI + sizeof a->contact_params + 40];
	struct sip_out with = {0};
	if (a->publish) {
		publish_granted(a, tx);
		return;
	}
	if (!a->by_core && a->storing && a->storing != SA_DO_REMOVE) {
		snprintf(contact, sizeof contact, "<%s>%s;expires=%lld", a->row.contact, a->contact_params,
			 (long long)(a->row.expires - db_now()));
		with.contact = contact;
	}
	(void)sip_reply(tx, 200, NULL, &with);
}

/* The 200 has left; until the client has taken the other key, what it uploaded serves nothing else. */
static void force_suite(struct attempt *a)
{
	struct server *s = a->work.s;
	for (size_t i = 0; i < a->change.n; i++) {
		const struct db_binding *row = &a->change.rows[i];
		if (!(a->change.fresh >> i & 1))
			continue;
		struct binding *b = bindings_by_client(s->bindings, row->impu, row->client_id, row->service);
		const char *wrong = b ? download_start(s, b, KD_CSK, KD_SUITE) : "no memory";
		if (wrong)
			log_error("alg.not-forced", log_text("mcptt_id", row->mcptt_id), log_text("detail", wrong));
	}
}

static void record_refusal(struct attempt *a, const char *type)
{
	char reason[256];
	snprintf(reason, sizeof reason, "%.60s%s", a->detail, a->refused_kmss);
	char class_ = strncmp(type, "mikey.", 6) == 0 || strncmp(type, "krr.", 4) == 0 || strncmp(type, "xml.", 4) == 0
			  ? 'X'
			  : 'B';
	const char *user = a->im && a->im->initiator ? a->im->initiator : a->row.impu;
	server_audit(a->work.s, class_, type, *a->row.impu ? a->row.impu : a->row.peer, user, a->work.s->cfg->psi, NULL,
		     *a->refused_kmss ? reason : a->detail);
}

/* The 200 has left: a client whose upload lost holds a CSK that we do not (flows 0.4). */
static void tell_losers(const struct attempt *a)
{
	for (int i = 0; i < MCX_SERVICES; i++) {
		const struct db_binding *row = &a->uploads[i];
		if (!((a->services & ~a->wins) >> i & 1))
			continue;
		struct binding *b = bindings_by_client(a->work.s->bindings, row->impu, row->client_id, row->service);
		if (b)
			download_upload_lost(a->work.s, b);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void attempt_step(struct attempt *a, const struct sa_event *ev)
{
	struct sa_actions acts;
	sa_step(&a->machine, ev, &acts);
	for (size_t i = 0; i < acts.n; i++) {
		switch (acts.do_[i]) {
		case SA_DO_REPLY:
			reply(a, &acts);
			break;
		case SA_DO_CHECK:
			attempt_check(a);
			return; /* the attempt may be over */
		case SA_DO_STORE:
		case SA_DO_REFRESH:
		case SA_DO_CONTACT:
		case SA_DO_REMOVE:
			start_store(a, acts.do_[i]);
			return;
		case SA_DO_INSTALL:
			install(a);
			break;
		case SA_DO_FORGET:
			forget(a);
			break;
		case SA_DO_FORCE:
			force_suite(a);
			break;
		case SA_DO_AUDIT:
			record_refusal(a, acts.audit);
			break;
		case SA_ACTIONS:
			break;
		}
	}
	if (a->machine.state != SA_NONE && a->machine.state != SA_BOUND)
		return;
	if (ev->kind == SA_EV_STORED && ev->stored == SA_STORED_OK && a->im)
		tell_losers(a);
	attempt_free(a);
}

/*
 * By its contact it is about one client, if that one alone is bound there: then it waits for that client's work
 * wherever it comes from. Without a contact it is about all clients of the user, also one that is only being bound.
 */
static void name_client(struct attempt *a)
{
	const struct bindings *t = a->work.s->bindings;
	const char *first = a->n_ids ? bindings_by_id(t, a->ids[0])->row.client_id : "";
	if (*a->row.client_id || !*a->row.contact)
		return;
	for (size_t i = 1; i < a->n_ids; i++)
		if (strcmp(bindings_by_id(t, a->ids[i])->row.client_id, first) != 0)
			return;
	db_copy(a->row.client_id, sizeof a->row.client_id, first);
}

/* Facts are gathered: the machine takes over. One REGISTER a client at a time; the next ones wait (flows 0.2). */
static void begin(struct attempt *a, struct sa_event *ev)
{
	struct server *s = a->work.s;
	for (size_t i = 0; i < a->n_ids; i++) {
		ev->authorised |= bindings_by_id(s->bindings, a->ids[i])->row.has_csk;
		a->machine.state = SA_BOUND;
	}
	name_client(a);
	int waits = *a->row.impu && (attempt_at_work(s, a, &a->row) || waiting_before(s, &a->row));
	if (waits && waiting_put(s, a->tx, &a->row)) {
		attempt_free(a);
		return;
	}
	if (waits)
		a->machine.state = SA_STORING; /* at work; and as many wait as may: it is told to come later */
	attempt_step(a, ev);
	if (waits)
		attempt_free(a);
}

void attempt_wait(struct attempt *a)
{
	struct sip_server_tx *tx = a->tx;
	a->tx = NULL;
	waiting_put_back(a->work.s, tx, &a->row);
	attempt_free(a);
}

static void refuse_stranger(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	char peer[DB_PEER];
	identity_peer(rq, peer, sizeof peer);
	metric_add(&s->metrics[M_REGISTER_REFUSED], 1);
	log_warn("sip.refuse", log_text("method", "REGISTER"), log_int("status", 403), log_text("peer", peer),
		 log_text("detail", "not the SIP core"));
	server_audit(s, 'B', "svc.refuse", peer, peer, s->cfg->psi, rq->call_id,
		     "REGISTER by somebody else than the SIP core");
	server_refuse(s, tx, 403, WARN_NONE, NULL);
}

/* It needs a job of the pool, if it is any good: the type of an I_MESSAGE stands in it, in a core's message too. */
static int brings_key(const struct sip_message *rq)
{
	return rq->body.len && memmem(rq->body.p, rq->body.len, TYPE_MIKEY, strlen(TYPE_MIKEY)) != NULL;
}

void handle_register(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	if (s->cfg->core.n && !identity_core(s, rq)) {
		refuse_stranger(s, tx, rq);
		return;
	}
	/* Before anything of it is read: a storm costs as little as it can. */
	if (MCX_FAULT(size.queue, server_full(s) && brings_key(rq))) {
		metric_add(&s->metrics[M_BUSY], 1);
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
	int64_t begun = work_processor_us();
	struct attempt *a = attempt_new(s, tx);
	if (!a) {
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
	struct sa_event ev;
	if (s->cfg->core.n)
		facts_by_core(a, rq, &ev);
	else
		facts_by_client(a, rq, &ev);
	if (MCX_FAULT(size.clients, ev.proven && too_many_at_work(s, a->row.impu))) {
		attempt_free(a);
		metric_add(&s->metrics[M_BUSY], 1);
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
	a->work.busy_us = work_processor_us() - begun;
	begin(a, &ev);
}

/* ---- by PUBLISH (handle_publish.c) ---- */

void register_by_publish(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq, const char *impu,
			 const char *contact)
{
	struct attempt *a = attempt_new(s, tx);
	struct sa_event ev;
	if (!a) {
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
	db_copy(a->row.impu, sizeof a->row.impu, impu);
	db_copy(a->row.contact, sizeof a->row.contact, contact);
	facts_by_publish(a, rq, &ev);
	begin(a, &ev);
}

/* ---- ends that no REGISTER asked for ---- */

static int end_binding(struct server *s, const struct binding *b, enum sa_event_kind why, const char *reason)
{
	if (attempt_at_work(s, NULL, &b->row))
		return -1;
	struct attempt *a = attempt_new(s, NULL);
	if (!a)
		return -1;
	a->row = b->row;
	a->ids[0] = b->row.id;
	a->n_ids = 1;
	a->end_reason = reason;
	a->revoked = why == SA_EV_REVOKED;
	a->machine.state = SA_BOUND;
	attempt_step(a, &(struct sa_event){.kind = why});
	return 0;
}

static int expire(void *ctx, struct binding *b)
{
	if (b->row.expires <= db_now())
		(void)end_binding(ctx, b, SA_EV_EXPIRED, "expired");
	return 0;
}

/* A binding lives no longer than the right to have it: its token or session may have been taken back. */
struct taken_back {
	struct server *s;
	size_t n;
	int64_t id[32]; /* the rest at the next tick */
};

static int find_taken_back(void *ctx, struct binding *b)
{
	struct taken_back *t = ctx;
	struct token_claims c = {.iat = b->row.authorised_at};
	if (!*b->row.jti)
		return 0;
	db_copy(c.jti, sizeof c.jti, b->row.jti);
	db_copy(c.sid, sizeof c.sid, b->row.sid);
	if (revocations_has(t->s->revocations, &c))
		t->id[t->n++] = b->row.id;
	return t->n == sizeof t->id / sizeof *t->id;
}

static void end_taken_back(struct server *s)
{
	struct taken_back t = {.s = s};
	if (!s->revocations)
		return;
	bindings_each(s->bindings, find_taken_back, &t);
	for (size_t i = 0; i < t.n; i++)
		(void)register_revoke(s, t.id[i]); /* busy now: at the next tick */
}

void register_tick(struct server *s)
{
	bindings_each(s->bindings, expire, s);
	end_taken_back(s);
}

int register_revoke(struct server *s, int64_t binding)
{
	const struct binding *b = bindings_by_id(s->bindings, binding);
	return b ? end_binding(s, b, SA_EV_REVOKED, "revoked") : -1;
}

int register_drop(struct server *s, int64_t binding, const char *reason)
{
	const struct binding *b = bindings_by_id(s->bindings, binding);
	return b ? end_binding(s, b, SA_EV_EXPIRED, reason) : -1;
}

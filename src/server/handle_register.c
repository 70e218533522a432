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
#include "server/xml.h"

enum { HARD_CAP_S = 86400 }; /* a registration never outlives its authorisation by more (identity 10.3-7) */

static void step(struct attempt *a, const struct sa_event *ev);

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

static void attempt_free(struct attempt *a)
{
	*a->back = a->next;
	if (a->next)
		a->next->back = a->back;
	if (a->storing == SA_DO_STORE && a->stored == SA_STORED_OK)
		pace_served(&a->work.s->pace, a->work.busy_us);
	mcsec_im_free(a->im);
	server_book_release(a->book);
	body_free(&a->body);
	third_party_free(&a->third);
	mcsec_wipe(&a->claims, sizeof a->claims);
	free(a);
}

static struct attempt *attempt_at_work(const struct server *s, const struct attempt *but, const struct db_binding *who)
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

/* The CSK that came with it opens the rest; its P0 is the identity that signed for it (xml-protection 3). */
static void open_documents(struct attempt *a)
{
	struct xml_key key;
	const struct xml_key *list[1] = {&key};
	struct xml_keys keys = {list, 0};
	struct xml_policy policy = server_xml_policy(a->work.s->cfg);
	size_t len = suite_key_len(suite_of_upload(&a->im->algs));
	if (a->im->initiator && xml_key_derive_long(&key, a->im->key, a->im->k_id, a->im->initiator, len) == MCSEC_OK)
		keys.n = 1;
	a->xml = body_unprotect(&a->body, &policy, &keys, &a->opened);
	xml_key_wipe(&key);
}

static void run_check(struct work *w, struct db *d)
{
	(void)d;
	struct attempt *a = (struct attempt *)w;
	const struct server_config *cfg = w->s->cfg;
	mcsec_im_work(a->job);
	a->im_err = mcsec_im_finish(a->job, NULL, (uint64_t)db_now() + MCSEC_NTP_UNIX, &a->im, &a->fault);
	a->job = NULL;
	if (a->im_err != MCSEC_OK)
		return;
	open_documents(a);
	struct token_policy p = {.issuer = cfg->issuer, .audience = cfg->audience, .now = db_now(), .typ = "at+jwt"};
	const char *token = a->body.info.access_token.value;
	a->token = jwks_cache_check(w->s->jwks, token, strlen(token), &p, &a->claims);
}

static void done_check(struct work *w)
{
	struct attempt *a = (struct attempt *)w;
	struct server *s = w->s;
	struct sa_event ev = {.kind = SA_EV_CHECKED, .im = a->im_err};
	if (ev.im != MCSEC_OK) {
		a->detail = a->fault.detail ? a->fault.detail : mcsec_err_name(ev.im);
		step(a, &ev);
		return;
	}
	ev.xml_forged = a->xml == BODY_FORGED;
	ev.xml_bad = a->xml == BODY_UNDECRYPTABLE || a->body.info.client_id.form != MCPTT_PLAIN;
	if (ev.xml_forged || ev.xml_bad) {
		a->detail = a->opened.why;
		step(a, &ev);
		return;
	}
	db_copy(a->row.client_id, sizeof a->row.client_id, a->body.info.client_id.value);
	if (attempt_at_work(s, a, &a->row)) { /* only now is it known which client this is */
		step(a, &(struct sa_event){.kind = SA_EV_BUSY});
		return;
	}
	int revoked = a->token == TOKEN_OK && revocations_has(s->revocations, &a->claims);
	ev.token_ok = a->token == TOKEN_OK && !revoked &&
		      MCX_CHECK(tok.service_scope, token_has_scope(&a->claims, SCOPE_PTT_SERVICE)) &&
		      MCX_CHECK(tok.mcptt_id, *a->claims.mcptt_id);
	if (!ev.token_ok)
		a->detail = revoked                ? "revoked"
			    : a->token == TOKEN_OK ? "scope or MCPTT ID missing"
						   : token_verdict_name(a->token);
	ev.same_id = a->im->initiator ? strcmp(a->im->initiator, a->claims.mcptt_id) == 0
				      : mcsec_im_is_from(a->im, server_book_tables(a->book), a->claims.mcptt_id);
	ev.suite_ok = facts_suite(a, a->im, &a->force);
	const struct binding *b = bindings_by_client(s->bindings, a->row.impu, a->row.client_id);
	uint64_t rival_t = 0;
	uint32_t rival_id = 0;
	int had = download_rival(s, b, &rival_t, &rival_id);
	ev.csk_wins = sa_csk_wins(a->im->ntp, a->im->k_id, had, rival_t, rival_id);
	db_copy(a->row.mcptt_id, sizeof a->row.mcptt_id, a->claims.mcptt_id);
	db_copy(a->row.sid, sizeof a->row.sid, a->claims.sid);
	db_copy(a->row.jti, sizeof a->row.jti, a->claims.jti);
	db_copy(a->row.server_id, sizeof a->row.server_id, a->im->responder);
	a->row.has_csk = 1;
	a->row.csk_id = a->im->k_id;
	a->row.t = a->im->ntp;
	a->row.authorised_at = db_now();
	facts_settings(a);
	step(a, &ev);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void start_check(struct attempt *a)
{
	struct server *s = a->work.s;
	struct mcsec_fault fault = {0};
	struct sa_event ev = {.kind = SA_EV_CHECKED, .im = MCSEC_E_NO_KEYS};
	a->book = server_keys_book(s->keys);
	if (a->book) {
		metric_add(&s->metrics[M_READ_MIKEY], 1);
		const char *selves[2] = {s->cfg->psi, s->cfg->mdsi};
		struct mcsec_im_expect expect = {.now = (uint64_t)db_now() + MCSEC_NTP_UNIX,
						 .tags = MCSEC_TAG_BIT(MCSEC_CSK),
						 .selves = selves,
						 .n_selves = *s->cfg->mdsi ? 2 : 1,
						 .replay = s->replay};
		ev.im = mcsec_im_begin(&a->job, server_book_tables(a->book), &expect, a->body.mikey.p,
				       a->body.mikey.len, &fault);
	}
	if (ev.im != MCSEC_OK) {
		a->detail = fault.detail ? fault.detail : mcsec_err_name(ev.im);
		step(a, &ev);
		return;
	}
	a->work.run = run_check;
	a->work.done = done_check;
	if (server_submit(&a->work) != 0) {
		mcsec_im_cancel(a->job);
		a->job = NULL;
		step(a, &(struct sa_event){.kind = SA_EV_BUSY});
	}
}

static void run_store(struct work *w, struct db *d)
{
	struct attempt *a = (struct attempt *)w;
	a->stored = SA_STORED_FAILED;
	if (!d)
		return;
	/* The settings first: a binding that is stored is answered 200. */
	if (a->storing == SA_DO_STORE && a->has_settings && db_put_user(d, &a->settings, a->row.mcptt_id) != STORE_OK)
		return;
	if (a->storing == SA_DO_STORE)
		a->stored = db_store_binding(d, &a->row, a->im->key, (struct octets){a->im->rand, a->im->rand_len},
					     a->im->remember ? &a->im->entry : NULL);
	else if (a->storing == SA_DO_REMOVE)
		a->stored = db_remove_bindings(d, a->ids, a->n_ids, a->end_reason);
	else
		a->stored = db_store_contact(d, &a->row);
}

static void done_store(struct work *w)
{
	struct attempt *a = (struct attempt *)w;
	atomic_store(&w->s->store_ok, a->stored != SA_STORED_FAILED);
	if (a->stored == SA_STORED_FAILED)
		metric_add(&w->s->metrics[M_STORE_FAILED], 1);
	int force = a->force && a->storing == SA_DO_STORE;
	step(a, &(struct sa_event){.kind = SA_EV_STORED, .stored = a->stored, .force = force});
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void start_store(struct attempt *a, enum sa_action what)
{
	struct server *s = a->work.s;
	a->storing = what;
	if (what == SA_DO_REFRESH) {
		/* The binding as it is, with the new way to the client; never beyond its authorisation's life. */
		const struct binding *b = bindings_by_client(s->bindings, a->row.impu, a->row.client_id);
		struct db_binding row = b->row;
		db_copy(row.contact, sizeof row.contact, a->row.contact);
		db_copy(row.peer, sizeof row.peer, a->row.peer);
		row.expires = a->row.expires;
		if (row.has_csk && row.expires > row.authorised_at + HARD_CAP_S)
			row.expires = row.authorised_at + HARD_CAP_S;
		a->row = row;
	}
	a->work.run = run_store;
	a->work.done = done_store;
	if (server_submit(&a->work) != 0)
		step(a, &(struct sa_event){.kind = SA_EV_BUSY});
}

/* ---- actions ---- */

static void install(struct attempt *a)
{
	struct server *s = a->work.s;
	const struct binding *now = bindings_by_client(s->bindings, a->row.impu, a->row.client_id);
	if (a->storing == SA_DO_REFRESH && now) { /* its CSK may have changed while the contact was stored */
		struct db_binding row = now->row;
		db_copy(row.contact, sizeof row.contact, a->row.contact);
		db_copy(row.peer, sizeof row.peer, a->row.peer);
		row.expires = a->row.expires;
		a->row = row;
	}
	int64_t grace = now ? download_grace(s, &now->row) : 0;
	struct binding *b = bindings_put(s->bindings, &a->row, grace ? db_now() + grace : 0);
	if (b && a->tx)
		identity_seen(b, a->tx);
	if (a->has_settings && a->storing == SA_DO_STORE)
		(void)users_put(s->bindings, &a->settings);
	struct binding *bare = *a->row.client_id ? bindings_by_client(s->bindings, a->row.impu, "") : NULL;
	if (bare && a->storing == SA_DO_STORE && same_contact(bare->row.contact, a->row.contact))
		bindings_remove(s->bindings, bare->row.id); /* as the store did: it is authorised now */
	if (a->storing == SA_DO_STORE && a->im->remember &&
	    mcsec_replay_add(s->replay, &a->im->entry, (uint64_t)db_now() + MCSEC_NTP_UNIX) == MCSEC_E_NO_SPACE)
		log_error("server.replay-full", log_text("note", "the store still refuses repeated messages"));
	if (b && a->storing == SA_DO_STORE)
		download_upload_won(s, b, a->row.t, a->row.csk_id);
	metric_set(&s->metrics[M_BINDINGS], (int64_t)bindings_count(s->bindings));
	log_info("sip.bound", log_text("mcptt_id", a->row.mcptt_id), log_text("impu", a->row.impu),
		 log_int("csk_id", a->row.csk_id), log_int("expires_s", a->row.expires - db_now()));
}

static void forget(struct attempt *a)
{
	struct server *s = a->work.s;
	for (size_t i = 0; i < a->n_ids; i++) {
		if (a->revoked)
			call_revoked(s, a->ids[i]);
		download_gone(s, a->ids[i]);
		bindings_remove(s->bindings, a->ids[i]);
	}
	metric_set(&s->metrics[M_BINDINGS], (int64_t)bindings_count(s->bindings));
}

static void reply(struct attempt *a, const struct sa_actions *acts)
{
	struct server *s = a->work.s;
	struct sip_server_tx *tx = a->tx;
	a->tx = NULL;
	if (!tx)
		return;
	metric_add(&s->metrics[acts->status == 200 ? M_REGISTER_OK : M_REGISTER_REFUSED], 1);
	if (acts->status != 200) {
		log_warn("sip.refuse", log_text("method", a->publish ? "PUBLISH" : "REGISTER"),
			 log_int("status", acts->status), log_int("warning", acts->warning),
			 log_text("impu", a->row.impu), log_text("detail", a->detail));
		if (a->by_core && !a->publish && acts->status < 500) {
			(void)sip_reply(tx, 200, NULL, NULL);
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
	char contact[DB_URI + 300];
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
	struct binding *b = bindings_by_client(s->bindings, a->row.impu, a->row.client_id);
	const char *wrong = b ? download_start(s, b, KD_CSK, KD_SUITE) : "no memory";
	if (wrong)
		log_error("alg.not-forced", log_text("mcptt_id", a->row.mcptt_id), log_text("detail", wrong));
}

static void record_refusal(struct attempt *a, const char *type)
{
	char class_ = strncmp(type, "mikey.", 6) == 0 || strncmp(type, "xml.", 4) == 0 ? 'X' : 'B';
	const char *user = a->im && a->im->initiator ? a->im->initiator : a->row.impu;
	server_audit(a->work.s, class_, type, *a->row.impu ? a->row.impu : a->row.peer, user, a->work.s->cfg->psi, NULL,
		     a->detail);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void step(struct attempt *a, const struct sa_event *ev)
{
	struct sa_actions acts;
	sa_step(&a->machine, ev, &acts);
	for (size_t i = 0; i < acts.n; i++) {
		switch (acts.do_[i]) {
		case SA_DO_REPLY:
			reply(a, &acts);
			break;
		case SA_DO_CHECK:
			start_check(a);
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
	struct binding *loser =
	    ev->kind == SA_EV_STORED && ev->stored == SA_STORED_OK && a->im && a->storing == SA_DO_REFRESH
		? bindings_by_client(a->work.s->bindings, a->row.impu, a->row.client_id)
		: NULL;
	if (loser) /* its 200 has left: the client holds a CSK that we do not (flows 0.4) */
		download_upload_lost(a->work.s, loser);
	attempt_free(a);
}

/* Facts are gathered: the machine takes over. One REGISTER a client at a time. */
static void begin(struct attempt *a, struct sa_event *ev)
{
	struct server *s = a->work.s;
	const struct binding *b = a->n_ids ? bindings_by_id(s->bindings, a->ids[0]) : NULL;
	if (b) {
		ev->authorised = b->row.has_csk;
		db_copy(a->row.client_id, sizeof a->row.client_id, b->row.client_id);
		a->machine.state = SA_BOUND;
	}
	const struct attempt *other = attempt_at_work(s, a, &a->row);
	if (other && *a->row.impu)
		a->machine.state = other->machine.state;
	step(a, ev);
	if (other && *a->row.impu)
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

void handle_register(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	if (s->cfg->core.n && !identity_core(s, rq)) {
		refuse_stranger(s, tx, rq);
		return;
	}
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
	if (ev.proven && too_many_at_work(s, a->row.impu)) {
		attempt_free(a);
		metric_add(&s->metrics[M_BUSY], 1);
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
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
	step(a, &(struct sa_event){.kind = why});
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

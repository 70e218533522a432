/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_check.c - what an attempt brought is opened and judged: V-IM, V-XML and V-TOK as one job (flows 0.1, 1.2).
 *
 * On the pool: the I_MESSAGE, then the documents under the CSK it brought, then the tokens of all services asked for.
 * On the loop: whose it all is, and whether the CSK is newer than the one in force. The machine decides about all of
 * it.
 */
#include "server/register.h"

#include "app/log.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "server/download.h"
#include "server/redirect.h"
#include "server/uids.h"
#include "server/xml.h"

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
	if (a->im_err == MCSEC_OK && !redirect_takes(cfg, a->im->initiator_kms))
		a->im_err = MCSEC_E_KMS_REFUSED; /* by whom we know now */
	if (a->im_err != MCSEC_OK)
		return;
	open_documents(a);
	struct token_policy p = {.issuer = cfg->issuer, .audience = cfg->audience, .now = db_now(), .typ = "at+jwt"};
	for (int i = 0; i < MCX_SERVICES; i++) {
		const struct mcptt_info *info = body_info(&a->body, (enum mcx_service)i);
		const char *token = info ? info->access_token.value : "";
		if (a->services >> i & 1)
			a->token[i] = jwks_cache_check(w->s->jwks, token, strlen(token), &p, &a->claims[i]);
	}
}

/* ---- V-TOK and what follows, of one service ---- */

static const char *service_id(const struct token_claims *c, enum mcx_service service)
{
	const char *const ids[MCX_SERVICES] = {c->mcptt_id, c->mcvideo_id, c->mcdata_id};
	return ids[service];
}

static int token_serves(struct attempt *a, enum mcx_service service)
{
	const struct token_claims *c = &a->claims[service];
	enum token_verdict v = a->token[service];
	int revoked = v == TOKEN_OK && revocations_has(a->work.s->revocations, c);
	int ok = v == TOKEN_OK && !revoked &&
		 MCX_CHECK(tok.service_scope, token_has_scope(c, mcx_services[service].scope)) &&
		 MCX_CHECK(tok.mcptt_id, *service_id(c, service));
	if (!ok)
		a->detail = revoked         ? "revoked"
			    : v == TOKEN_OK ? "scope or MC service ID missing"
					    : token_verdict_name(v);
	return ok;
}

/* Does the CSK that came win against the one in use, or on its way? (flows 0.4) */
static int csk_wins(const struct attempt *a, enum mcx_service service)
{
	const struct server *s = a->work.s;
	const struct binding *b = bindings_by_client(s->bindings, a->row.impu, a->uploads[service].client_id, service);
	uint64_t rival_t = 0;
	uint32_t rival_id = 0;
	int had = download_rival(s, b, &rival_t, &rival_id);
	return sa_csk_wins(a->im->ntp, a->im->k_id, had, rival_t, rival_id);
}

/* The verdicts of all services are one: each of the first three must hold for all of them. */
static void judge(struct attempt *a, enum mcx_service service, struct sa_event *ev)
{
	const struct token_claims *c = &a->claims[service];
	const char *id = service_id(c, service);
	struct db_binding *row = &a->uploads[service];
	if (MCX_FAULT(im.service, !server_receives(a->work.s->cfg, service, a->im->responder)))
		ev->im = MCSEC_E_NOT_FOR_US;
	ev->token_ok &= token_serves(a, service);
	ev->same_id &= a->im->initiator ? strcmp(a->im->initiator, id) == 0
					: mcsec_im_is_from(a->im, server_book_tables(a->book), id);
	*row = a->row;
	row->service = service;
	db_copy(row->client_id, sizeof row->client_id, body_info(&a->body, service)->client_id.value);
	db_copy(row->mcptt_id, sizeof row->mcptt_id, id);
	db_copy(row->sid, sizeof row->sid, c->sid);
	db_copy(row->jti, sizeof row->jti, c->jti);
	db_copy(row->server_id, sizeof row->server_id, a->im->responder);
	db_copy(row->kms_uri, sizeof row->kms_uri, a->im->initiator_kms);
	row->has_csk = 1;
	row->csk_id = a->im->k_id;
	row->t = a->im->ntp;
	row->authorised_at = db_now();
	if (csk_wins(a, service))
		a->wins |= 1u << service;
}

/* Every document is open, and names its client. */
static int client_named(struct attempt *a)
{
	for (int i = MCX_SERVICES - 1; i >= 0; i--) {
		if (!(a->services >> i & 1))
			continue;
		const struct mcptt_info *info = body_info(&a->body, (enum mcx_service)i);
		if (info->client_id.form != MCPTT_PLAIN)
			return 0;
		db_copy(a->row.client_id, sizeof a->row.client_id, info->client_id.value);
	}
	return 1;
}

static void done_check(struct work *w)
{
	struct attempt *a = (struct attempt *)w;
	struct server *s = w->s;
	struct sa_event ev = {.kind = SA_EV_CHECKED, .im = a->im_err};
	if (ev.im != MCSEC_OK) {
		a->detail = a->fault.detail ? a->fault.detail : mcsec_err_name(ev.im);
		attempt_step(a, &ev);
		return;
	}
	if (a->xml != BODY_OPENED && MCX_FAULT(alg.unspoken, !suite_key_len(suite_of_upload(&a->im->algs)))) {
		/* What stands under a suite that nobody speaks cannot open: the suite is wrong (mikey 8 step 4). */
		ev.token_ok = ev.same_id = 1;
		attempt_step(a, &ev);
		return;
	}
	ev.xml_forged = a->xml == BODY_FORGED;
	ev.xml_bad = a->xml == BODY_UNDECRYPTABLE || !client_named(a);
	if (ev.xml_forged || ev.xml_bad) {
		a->detail = a->opened.why;
		attempt_step(a, &ev);
		return;
	}
	if (attempt_at_work(s, a, &a->row)) { /* only now is it known which client this is */
		attempt_wait(a);
		return;
	}
	ev.suite_ok = facts_suite(a, a->im, &a->force);
	ev.token_ok = ev.same_id = 1;
	for (int i = 0; i < MCX_SERVICES; i++)
		if (a->services >> i & 1)
			judge(a, (enum mcx_service)i, &ev);
	if (ev.im != MCSEC_OK)
		a->detail = "uploaded to the identity of another service";
	ev.csk_wins = a->wins != 0;
	facts_settings(a);
	attempt_step(a, &ev);
}

/*
 * The MC service ID behind a hidden initiator, which the keys of the documents need (xml-protection 3); "": no user of
 * ours. NULL: it is not hidden, or nothing needs it, or the message is not even one.
 */
static const char *hidden_initiator(const struct attempt *a)
{
	const struct server *s = a->work.s;
	const struct mcsec_im_book *book = server_book_tables(a->book);
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	if ((!s->cfg->xml_confidentiality && !s->cfg->xml_integrity) ||
	    mcsec_im_peek(a->body.mikey.p, a->body.mikey.len, &peek, &fault) != MCSEC_OK || !peek.initiator_hidden)
		return NULL;
	for (size_t i = 0; i < book->n_kms; i++)
		if (strlen(book->kms[i].uri) == peek.initiator_kms.len &&
		    memcmp(book->kms[i].uri, peek.initiator_kms.p, peek.initiator_kms.len) == 0)
			return uids_find(s->uids, s->bindings, &book->kms[i], peek.time, peek.initiator.p);
	return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void attempt_check(struct attempt *a)
{
	struct server *s = a->work.s;
	struct mcsec_fault fault = {0};
	struct sa_event ev = {.kind = SA_EV_CHECKED, .im = MCSEC_E_NO_KEYS};
	a->book = server_keys_book(s->keys);
	if (a->book) {
		metric_add(&s->metrics[M_READ_MIKEY], 1);
		const char *selves[SERVER_IDENTITIES];
		struct mcsec_im_expect expect = {.now = (uint64_t)db_now() + MCSEC_NTP_UNIX,
						 .tags = MCSEC_TAG_BIT(MCSEC_CSK),
						 .selves = selves,
						 .n_selves = server_identities(s->cfg, selves),
						 .replay = s->replay};
		const char *hidden = hidden_initiator(a);
		expect.initiators = &hidden;
		expect.n_initiators = hidden && *hidden;
		if (MCX_FAULT(sa.unknown_uid, hidden && !*hidden))
			ev.im = MCSEC_E_BAD_IDENTITY;
		else
			ev.im = mcsec_im_begin(&a->job, server_book_tables(a->book), &expect, a->body.mikey.p,
					       a->body.mikey.len, &fault);
	}
	if (ev.im != MCSEC_OK) {
		a->im_err = ev.im;
		a->detail = fault.detail ? fault.detail : mcsec_err_name(ev.im);
		attempt_step(a, &ev);
		return;
	}
	a->work.run = run_check;
	a->work.done = done_check;
	if (server_submit(&a->work) != 0) {
		mcsec_im_cancel(a->job);
		a->job = NULL;
		attempt_step(a, &(struct sa_event){.kind = SA_EV_BUSY});
	}
}

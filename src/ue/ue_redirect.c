/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_redirect.c - KMS redirects at the client (TS 33.180 5.2.8; flows 9; kms.md 11.4): those it gets to an upload or a
 * call, and those it makes as the receiver of a call or a key download.
 *
 * One that came is judged on a worker: read, verified, matched to what we sent, a KMS chosen, a certificate fetched
 * that is missing. Its end comes back as an event of the machine that waits; the new attempt has a new key. Each one
 * that is about a message of ours is reported to the home KMS, whatever became of it, in a job of its own: nobody waits
 * for that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mcsec/secret.h"
#include "mcx/doc/multipart.h"
#include "mcx/flow/warning.h"
#include "net/krr_files.h"
#include "ue/engine.h"

enum { ABSENT_S = 600 };

/* ---- key and anchors --------------------------------------------------------------------------------------------- */

int ue_redirect_open(struct ue *u, char *err, size_t err_size)
{
	char own[2 * UE_TEXT];
	snprintf(own, sizeof own, "%s/agent.pem", u->c.tls_dir ? u->c.tls_dir : "");
	snprintf(u->server_kms, sizeof u->server_kms, "%s", u->c.sip_kms_uri ? u->c.sip_kms_uri : u->c.kms_uri);
	u->krr_trust = krr_trust_of(u->c.krr_ca ? u->c.krr_ca : u->c.ca_file);
	u->krr_signer = u->c.krr_key ? krr_signer_of(u->c.krr_key) : u->c.tls_dir ? krr_signer_of(own) : NULL;
	if ((!u->c.krr_ca || u->krr_trust) && (!u->c.krr_key || u->krr_signer))
		return 0;
	snprintf(err, err_size,
		 "krr_ca is a file with certificates, krr_key one with a certificate and its key on P-256");
	return -1;
}

void ue_redirect_close(struct ue *u)
{
	krr_trust_free(u->krr_trust);
	krr_signer_free(u->krr_signer);
	free(u->krr_held);
}

/* ---- those we make ----------------------------------------------------------------------------------------------- */

uint8_t *ue_redirect_make(struct ue *u, const struct ue_ring *ring, struct octets message, const char *initiator,
			  size_t *len)
{
	const char *own[] = {u->c.kms_uri}, *held[KRR_MAX_LIST];
	struct redirect_refusal r = {.message = message,
				     .initiator = initiator,
				     .receiver = u->own_id,
				     .processor = u->own_id,
				     .receivers = {own, 1},
				     .initiators = {held, 0},
				     .now = ue_unix_now()};
	for (size_t i = 0; ring && i < ring->book.n_kms && r.initiators.n < KRR_MAX_LIST; i++)
		held[r.initiators.n++] = ring->kms[i].uri;
	struct krr *k = redirect_make(&r);
	uint8_t *text = k ? malloc(KRR_BOUND) : NULL;
	struct writer w = wr_init(text, text ? KRR_BOUND : 0);
	if (text && redirect_write(&w, k, u->krr_signer, &mcsec_rng_system)) {
		free(text);
		text = NULL;
	}
	krr_free(k);
	*len = wr_len(&w);
	return text;
}

void ue_redirect_reply(struct sip_server_tx *tx, struct octets text)
{
	struct sip_out with = {.content_type = KRR_MEDIA_TYPE, .body = text};
	(void)sip_reply(tx, 488, NULL, text.p ? &with : NULL);
}

/* ---- what the home KMS is asked and told: on a worker ------------------------------------------------------------ */

/* What the KMS does not have it is not asked for again at once (kms.md 11.4). kms_lock held. */
static int is_absent(const struct ue *u, const char *kms)
{
	for (size_t i = 0; i < UE_ABSENT; i++)
		if (!strcmp(u->absent[i].kms, kms) && u->absent[i].until > ue_clock_ms())
			return 1;
	return 0;
}

static void note_absent(struct ue *u, const char *kms)
{
	struct ue_absent *a = &u->absent[u->n_absent++ % UE_ABSENT];
	snprintf(a->kms, sizeof a->kms, "%s", kms);
	a->until = ue_clock_ms() + (int64_t)ABSENT_S * 1000;
}

/* Beside those that are kept already. kms_lock held. */
static void keep_certificate(struct ue *u, const struct kms_domain *external)
{
	struct ue_ring *ring = ue_ring_ref(u);
	size_t n = ring ? ring->n_external : 0;
	struct kms_domain *all = ring ? calloc(n + 1, sizeof *all) : NULL;
	size_t kept = 0;
	for (size_t i = 0; all && i < n; i++)
		if (strcmp(ring->external[i].cert.kms_uri, external->cert.kms_uri) != 0) /* else it has run out */
			all[kept++].cert = ring->external[i].cert;
	if (all) {
		all[kept].cert = external->cert;
		if (!ue_ring_keep_cache(u, ring->cache_num, all, kept + 1))
			(void)ue_ring_load(u);
	}
	free(all);
	ue_ring_unref(u, ring);
}

void ue_ask_home(struct ue *u, ue_errand *what, void *arg)
{
	struct ue_report r = {0};
	struct signin_tokens *t = signin_tokens_new();
	pthread_mutex_lock(&u->kms_lock);
	struct kms_client *c = t && !ue_token_fresh(u, 0, &r) ? ue_kms_client(u) : NULL;
	if (c) {
		pthread_mutex_lock(&u->lock);
		*t = *u->tokens;
		pthread_mutex_unlock(&u->lock);
		what(u, c, t, arg);
	}
	kms_client_free(c);
	pthread_mutex_unlock(&u->kms_lock);
	signin_tokens_free(t);
}

static void fetch(struct ue *u, struct kms_client *c, const struct signin_tokens *t, void *arg)
{
	const char *kms = arg;
	struct kms_domain external = {0};
	struct kms_result r;
	if (is_absent(u, kms))
		return;
	if (kms_client_cert(c, t->access, t->mcptt_id, kms, ue_unix_now(), &external, &r))
		keep_certificate(u, &external);
	else if (r.outcome != KMS_UNREACHABLE && r.outcome != KMS_LATER)
		note_absent(u, kms);
	kms_domain_free(&external);
}

struct report {
	struct ue *u;
	struct krr *krr;
	char trouble[128]; /* of its signature, "" none */
	size_t len;
	uint8_t *text;
};

static void tell(struct ue *u, struct kms_client *c, const struct signin_tokens *t, void *arg)
{
	struct report *p = arg;
	struct kms_result r;
	(void)u;
	(void)kms_client_redirect(c, t->access, t->mcptt_id, p->krr, (struct octets){p->text, p->len},
				  p->trouble[0] ? p->trouble : NULL, ue_unix_now(), &r);
}

static void report_run(void *arg, void *state)
{
	struct report *p = arg;
	(void)state;
	ue_ask_home(p->u, tell, p);
}

static void report_done(void *arg)
{
	struct report *p = arg;
	krr_free(p->krr);
	free(p->text);
	free(p);
}

/* ---- one that came ----------------------------------------------------------------------------------------------- */

struct judge {
	struct ue *u;
	enum ue_redirected what;
	unsigned generation; /* of the call */
	struct redirect rounds;
	uint32_t key_id; /* of what we sent */
	char receiver[2][MCSEC_ID_MAX], first[KMS_URI_MAX];
	struct krr *krr;
	enum redirect_verdict verdict;
	enum redirect_choice choice;
	char kms[KMS_URI_MAX], why[UE_TEXT], trouble[128];
	size_t len;
	uint8_t *text;
};

static void judge_free(struct judge *j)
{
	krr_free(j->krr);
	free(j->text);
	free(j);
}

static int certificate(void *ctx, const char *kms_uri)
{
	struct ue *u = ctx;
	struct ue_ring *ring = ue_ring_ref(u);
	int there = 0;
	for (size_t i = 0; ring && i < ring->book.n_kms; i++)
		if (!strcmp(ring->kms[i].uri, kms_uri))
			there = !ue_ring_lacks(ring, kms_uri, ue_time_now());
	for (size_t i = 0; ring && !there && i < ring->n_external; i++)
		if (ring->external[i].cert.revoked && !strcmp(ring->external[i].cert.kms_uri, kms_uri))
			there = -1;
	ue_ring_unref(u, ring);
	return there;
}

static void choose(struct judge *j)
{
	const struct redirect_held held = {certificate, j->u->c.kms_uri, j->u};
	const char *why = "";
	while ((j->choice = redirect_choose(&j->rounds, j->krr, j->first, &held, j->kms, &why)) == REDIRECT_FETCH)
		ue_ask_home(j->u, fetch, j->kms);
	snprintf(j->why, sizeof j->why, "%.150s refuses the KMS %.150s: %.150s", j->krr->processor_uri,
		 *j->krr->rejected_receiver_kms ? j->krr->rejected_receiver_kms : j->krr->rejected_initiator_kms,
		 why ? why : "");
}

static void judge_run(void *arg, void *state)
{
	struct judge *j = arg;
	struct kms_fault f;
	enum krr_verdict signature;
	struct redirect_sent sent = {j->key_id, {j->receiver[0], j->receiver[1][0] ? j->receiver[1] : NULL}};
	(void)state;
	j->verdict = REDIRECT_UNTRUSTED;
	j->choice = REDIRECT_END;
	if (krr_open(&j->krr, &signature, (struct octets){j->text, j->len}, j->u->krr_trust, ue_unix_now(), &f)) {
		snprintf(j->why, sizeof j->why, "a KMS redirect that does not read: %s %s", f.element, f.detail);
		return;
	}
	j->verdict = redirect_judge(j->krr, signature, j->u->c.krr_accept_unsigned, &sent);
	if (j->verdict == REDIRECT_OURS)
		choose(j);
	else
		snprintf(j->why, sizeof j->why, "a KMS redirect that is not believed: %s",
			 j->verdict == REDIRECT_UNSOLICITED ? "of no message of ours"
			 : signature == KRR_UNSIGNED        ? "unsigned"
							    : f.detail);
	if (signature != KRR_VERIFIED)
		snprintf(j->trouble, sizeof j->trouble, "%s %s", krr_verdict_name(signature), f.detail);
}

/* Takes KRR and text over. */
static void report(struct judge *j)
{
	struct report *p = calloc(1, sizeof *p);
	if (!p)
		return;
	*p = (struct report){.u = j->u, .krr = j->krr, .len = j->len, .text = j->text};
	memcpy(p->trouble, j->trouble, sizeof p->trouble);
	j->krr = NULL;
	j->text = NULL;
	if (worker_submit(j->u->workers, &(struct worker_job){report_run, report_done, p}))
		report_done(p);
}

static void end_upload(struct judge *j)
{
	struct ue *u = j->u;
	if (j->what == UE_REDIRECT_UPLOAD)
		u->judging = NULL;
	else
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REDIRECTED});
	u->upload_rounds = j->rounds;
	int try = j->choice == REDIRECT_TRY;
	if (try)
		snprintf(u->server_kms, sizeof u->server_kms, "%s", j->kms);
	snprintf(u->auth_refusal, sizeof u->auth_refusal, "%s", try ? "" : j->why);
	ue_auth_event(u, &(struct ca_event){.kind = try ? CA_EV_CHOSEN : CA_EV_EXHAUSTED});
}

static void end_call(struct judge *j)
{
	struct ue_call_state *c = &j->u->call;
	int try = j->choice == REDIRECT_TRY;
	c->rounds = j->rounds;
	if (try)
		snprintf(c->kms_uri, sizeof c->kms_uri, "%s", j->kms);
	snprintf(c->refusal, sizeof c->refusal, "%s", try ? "" : j->why);
	ue_call_event(j->u, &(struct cc_event){.kind = try ? CC_EV_CHOSEN : CC_EV_EXHAUSTED}, NULL);
}

/*
 * Does the machine still wait for it? A MESSAGE waits for nobody, and whoever sends one that is not ours keeps no other
 * from being heard: it counts while the CSK that it is about is in use and not proved.
 */
static int is_wanted(const struct judge *j)
{
	struct ue *u = j->u;
	const struct ue_csk *csk = *ue_csk_at(u, ue_first_service(u));
	switch (j->what) {
	case UE_REDIRECT_CALL:
		return u->call.generation == j->generation && u->call.machine.state == CC_CHOOSING;
	case UE_REDIRECT_MESSAGE:
		return j->verdict == REDIRECT_OURS && u->auth.state == CA_UNSURE && csk && csk->id == j->key_id;
	default:
		return u->judging == j;
	}
}

static void judge_done(void *arg)
{
	struct judge *j = arg;
	struct ue *u = j->u;
	int wanted = u->port && is_wanted(j);
	if (j->verdict != REDIRECT_OURS)
		u->redirects_ignored++;
	if (wanted && j->verdict == REDIRECT_OURS && j->choice == REDIRECT_TRY)
		ue_emit(u, UE_EV_REDIRECTED, ue_clock_ms(), NULL, j->receiver[0], j->key_id,
			"%s wants another KMS: %s in place of %s", j->krr->processor_uri, j->kms, j->first);
	if (u->port && j->krr && j->verdict != REDIRECT_UNSOLICITED)
		report(j);
	if (wanted && j->what == UE_REDIRECT_CALL)
		end_call(j);
	else if (wanted)
		end_upload(j);
	judge_free(j);
}

/* 0 or -1. The job's end is an event. */
static int begin(struct judge *j, struct octets text)
{
	struct judge *own = calloc(1, sizeof *own);
	uint8_t *copy = text.len && text.len <= KRR_MAX ? malloc(text.len) : NULL;
	if (own && copy) {
		*own = *j;
		own->len = text.len;
		own->text = memcpy(copy, text.p, text.len);
		own->generation = j->u->call.generation;
		if (j->what == UE_REDIRECT_UPLOAD)
			j->u->judging = own;
		if (!worker_submit(j->u->workers, &(struct worker_job){judge_run, judge_done, own}))
			return 0;
		if (j->what == UE_REDIRECT_UPLOAD)
			j->u->judging = NULL;
	}
	free(own);
	free(copy);
	return -1;
}

int ue_is_redirect(const struct sip_message *rs)
{
	static const char type[] = KRR_MEDIA_TYPE;
	return rs->status == 488 && sip_warning_code(rs) != WARN_MIKEY && rs->content_type &&
	       !strncasecmp(rs->content_type, type, sizeof type - 1) &&
	       strchr(" ;", rs->content_type[sizeof type - 1]) != NULL;
}

/* About the CSK of this ID. With hidden identities the server may call itself by either of its names. */
static int begin_upload(struct ue *u, enum ue_redirected what, uint32_t csk_id, struct octets text)
{
	int both = u->c.mdsi && u->c.mdsi[0];
	struct judge j = {.u = u, .what = what, .rounds = u->upload_rounds, .key_id = csk_id};
	snprintf(j.receiver[0], sizeof j.receiver[0], "%s", both ? u->c.mdsi : u->c.sip_psi);
	if (both && u->c.hide_identities)
		snprintf(j.receiver[1], sizeof j.receiver[1], "%s", u->c.sip_psi);
	memcpy(j.first, u->server_kms, sizeof j.first);
	return begin(&j, text);
}

int ue_redirect_upload(struct ue *u, struct octets text)
{
	if (!u->csk_new || begin_upload(u, UE_REDIRECT_UPLOAD, u->csk_new->id, text))
		return -1;
	ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REDIRECTED});
	return 0;
}

int ue_redirect_call(struct ue *u, struct octets text)
{
	struct ue_call_state *c = &u->call;
	struct judge j = {.u = u, .what = UE_REDIRECT_CALL, .rounds = c->rounds, .key_id = c->pck ? c->pck->id : 0};
	memcpy(j.receiver[0], c->peer, sizeof j.receiver[0]);
	memcpy(j.first, c->kms_uri, sizeof j.first);
	if (!c->pck || begin(&j, text))
		return -1;
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_REDIRECTED}, NULL);
	return 0;
}

/* ---- as a SIP MESSAGE: behind a core, whose 200 to the REGISTER says nothing --------------------------------------
 */

void ue_redirect_message(struct ue *u, struct octets text)
{
	const struct ue_csk *csk = *ue_csk_at(u, ue_first_service(u));
	int on_its_way = u->auth.state == CA_UPLOAD || u->auth.state == CA_RENEWING;
	if (u->auth.state == CA_UNSURE && csk) {
		if (!begin_upload(u, UE_REDIRECT_MESSAGE, csk->id, text))
			return;
	} else if (on_its_way && u->csk_new && !u->krr_held && text.len && text.len <= KRR_MAX &&
		   (u->krr_held = malloc(text.len))) { /* it came before the core's 200 */
		memcpy(u->krr_held, text.p, text.len);
		u->krr_held_len = text.len;
		return;
	}
	u->redirects_ignored++;
}

void ue_redirect_answered(struct ue *u)
{
	uint8_t *text = u->krr_held;
	u->krr_held = NULL;
	if (text)
		ue_redirect_message(u, (struct octets){text, u->krr_held_len});
	free(text);
}

unsigned ue_redirects_ignored(struct ue *u)
{
	return u->redirects_ignored;
}

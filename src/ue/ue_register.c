/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_register.c - service authorisation carried out: what client_auth.c decides becomes jobs, REGISTERs and timers
 * (TS 24.379 7.2.1; flows 1.1, sip.md 2.2, 2.4).
 *
 * Without a SIP core the server is the registrar (sip.md 2.5 step 9): its 200 is the proof, and repairs go by REGISTER,
 * since a server that lost the binding has lost the registration. Behind one (ue_core.c) the proof comes later, and
 * repairs go by PUBLISH (ue_upload.c) as long as the core's registration lives. CSK and I_MESSAGE are made on a worker,
 * durable (CSK-ID and T) before the upload leaves.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/flow/warning.h"
#include "sec/base/text.h"
#include "ue/engine.h"

enum {
	GIVE_UP_MS = 15000,
	LONGEST_WAIT_S = 3600, /* whatever a server says: nobody can call a client that stays away */
};

/* ---- outcomes -------------------------------------------------------------------------------------------------- */

static void finish(struct ue *u, enum ue_status s, const char *text)
{
	pthread_mutex_lock(&u->lock);
	struct ue_report *r = &u->auth_report;
	ue_report_set(r, s, u->auth_began_ms, "%s", text);
	u->auth_done = 1;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

static void note_answer(struct ue *u, int status, int warning)
{
	pthread_mutex_lock(&u->lock);
	u->auth_report.sip_status = status;
	u->auth_report.warning = warning;
	pthread_mutex_unlock(&u->lock);
}

/* ---- REGISTER -------------------------------------------------------------------------------------------------- */

static uint32_t seconds_left(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	int64_t left = u->tokens->expires_at - ue_unix_now();
	pthread_mutex_unlock(&u->lock);
	return left > 0 ? (uint32_t)(left < INT32_MAX ? left : INT32_MAX) : 0;
}

uint32_t ue_retry_after(const struct sip_message *rs)
{
	const char *v = sip_header_at(rs, "Retry-After", 0);
	unsigned long n = v ? strtoul(v, NULL, 10) : 0;
	return n < LONGEST_WAIT_S ? (uint32_t)n : LONGEST_WAIT_S;
}

/* What the registrar granted us: our contact's parameter, else Expires, else what we asked. */
static uint32_t granted(const struct ue *u, const struct sip_message *rs)
{
	for (size_t i = 0; i < rs->n_contacts; i++)
		if (rs->contacts[i].expires > 0 && strstr(u->contact, rs->contacts[i].uri))
			return (uint32_t)rs->contacts[i].expires;
	return rs->expires > 0 ? (uint32_t)rs->expires : u->c.register_s;
}

static enum ca_event_kind verdict(int status, int warning)
{
	static const struct {
		int status, warning;
		enum ca_event_kind kind;
	} table[] = {
	    {404, WARN_UNKNOWN_USER, CA_EV_UNKNOWN_USER},
	    {403, WARN_SERVICE_AUTHORISATION, CA_EV_UNAUTHORISED},
	    {403, WARN_INTEGRITY, CA_EV_UNREADABLE},
	    {403, WARN_DECRYPT, CA_EV_UNREADABLE},
	    {488, WARN_MIKEY, CA_EV_MIKEY},
	    {403, WARN_NOT_ALLOWED, CA_EV_NO_SUITE},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status == status && table[i].warning == warning)
			return table[i].kind;
	int later = status == 408 || status == 480 || status == 500 || status == 503 || status == 504;
	return status / 100 == 2 ? CA_EV_ACCEPTED : later ? CA_EV_LATER : CA_EV_REFUSED;
}

/* What the granted life of this upload is: a PUBLISH lives no longer than the registration it hangs on. */
static uint32_t life(struct ue *u, const struct sip_message *rs, enum ue_upload_way way)
{
	uint32_t s = granted(u, rs);
	int64_t left_ms = u->registered_until_ms - ue_clock_ms();
	if (way != UE_BY_REGISTER && (int64_t)s * 1000 > left_ms)
		s = left_ms > 0 ? (uint32_t)(left_ms / 1000) : 0;
	return s;
}

void ue_auth_answer(struct ue *u, const struct sip_message *rs, enum ue_upload_way way)
{
	uint8_t jitter = 0;
	(void)ue_random(&jitter, 1);
	int warning = sip_warning_code(rs);
	note_answer(u, rs->error ? 0 : rs->status, warning);
	if (ue_is_redirect(rs) && !ue_redirect_upload(u, rs->body))
		return;
	struct ca_event ev = {.kind = verdict(rs->status, warning),
			      .expires_s = life(u, rs, way),
			      .token_s = seconds_left(u),
			      .retry_after_s = ue_retry_after(rs),
			      .jitter = jitter,
			      .alone = way == UE_BY_PUBLISH_ALONE};
	if (ev.kind == CA_EV_ACCEPTED && ue_core_is(u) && way == UE_BY_REGISTER)
		ev.kind = CA_EV_REGISTERED;
	u->granted_s = ev.expires_s;
	if (ev.kind == CA_EV_ACCEPTED)
		u->upload_rounds = (struct redirect){0};
	ue_auth_event(u, &ev);
	ue_redirect_answered(u);
}

static void on_register_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ue *u = ctx;
	if (rs->status < 200)
		return;
	if (ue_core_challenge(u, rs) && u->csk_new) {
		ue_register_send(u, u->c.register_s);
		return;
	}
	if (rs->status / 100 == 2) {
		ue_way_used(u, tx);
		u->registered_until_ms = ue_clock_ms() + (int64_t)granted(u, rs) * 1000;
		if (ue_core_is(u))
			ue_core_registered(u, rs);
	}
	if (!u->c.publish || rs->status / 100 != 2)
		ue_auth_answer(u, rs, UE_BY_REGISTER);
	else if (u->csk_new && ue_publish_send(u, UE_BY_PUBLISH)) /* the contact is there: what authorises it follows */
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REFUSED});
}

static void on_log_off_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ue *u = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	if (ue_core_challenge(u, rs)) {
		ue_register_send(u, 0);
		return;
	}
	note_answer(u, rs->error ? 0 : rs->status, sip_warning_code(rs));
	int ok = rs->status / 100 == 2;
	ue_emit(u, UE_EV_LOGGED_OFF, u->auth_began_ms, NULL, u->own_id, 0, "%s",
		ok ? "logged off" : "logged off here alone");
	finish(u,
	       ok          ? UE_OK
	       : rs->error ? UE_UNREACHABLE
			   : UE_REFUSED,
	       ok ? "logged off" : "the server did not confirm");
}

/* The domain of the public identity is what one registers with. */
static void registrar_uri(const struct ue *u, char *out, size_t size)
{
	const char *host = strchr(u->impu, '@');
	snprintf(out, size, "sip:%s", host ? host + 1 : u->impu);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void ue_register_send(struct ue *u, uint32_t expires)
{
	char uri[MCSEC_ID_MAX + 8], expires_text[16], type[128], hex[HEX_SIZE(8)], access[1024];
	int with_body = expires && !u->c.publish;
	uint8_t r[8], *body = with_body ? mcsec_secret_alloc(UE_BODY) : NULL;
	struct writer w = wr_init(body, body ? UE_BODY : 0);
	int ok = !ue_random(r, sizeof r) && (!with_body || body);
	hex_encode(OCTETS(r), hex);
	if (!u->register_call_id[0])
		snprintf(u->register_call_id, sizeof u->register_call_id, "%s@%s", hex, u->c.sip_address);
	snprintf(expires_text, sizeof expires_text, "%u", expires);
	registrar_uri(u, uri, sizeof uri);
	if (ok && with_body)
		ok = !ue_upload_body(u, u->csk_new, 0, &w, type, sizeof type);
	struct sip_header headers[3] = {{"Expires", expires_text}};
	size_t n = 1 + ue_core_headers(u, uri, headers + 1, access, sizeof access);
	struct sip_request rq = {.method = "REGISTER",
				 .uri = uri,
				 .from = u->impu,
				 .to = u->impu,
				 .call_id = u->register_call_id,
				 .cseq = ++u->register_cseq,
				 .route = u->c.sip_route,
				 .timeout_ms = UE_ANSWER_MS,
				 .with = {.n_headers = n, .headers = headers, .contact = u->contact}};
	if (with_body) {
		rq.with.content_type = type;
		rq.with.body = wr_result(&w);
	}
	ok = ok && sip_send(u->port, &rq, expires ? on_register_answer : on_log_off_answer, u);
	mcsec_secret_free(body);
	if (!ok && expires)
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REFUSED});
	else if (!ok)
		finish(u, UE_INTERNAL, "the request could not be made");
}

void ue_upload_send(struct ue *u)
{
	int alone = u->auth.repairing && ue_core_is(u) && u->registered_until_ms > ue_clock_ms();
	if (!alone)
		ue_register_send(u, u->c.register_s);
	else if (ue_publish_send(u, UE_BY_PUBLISH_ALONE))
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REFUSED});
}

/* ---- actions --------------------------------------------------------------------------------------------------- */

struct fetch_job {
	struct ue *u;
	int new_token, new_keys;
	struct ue_report r;
};

static void fetch_run(void *arg, void *state)
{
	struct fetch_job *j = arg;
	(void)state;
	if (!ue_token_fresh(j->u, j->new_token, &j->r))
		ue_keys_fetch(j->u, j->new_keys, &j->r);
}

static void fetch_done(void *arg)
{
	struct fetch_job *j = arg;
	struct ue *u = j->u;
	if (u->port && j->r.status == UE_OK)
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_READY});
	else if (u->port && u->auth.state == CA_KEYS) {
		u->auth.state = CA_OFF;
		finish(u, j->r.status, j->r.text);
	}
	free(j);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void fetch(struct ue *u, int new_token, int new_keys)
{
	struct fetch_job *j = calloc(1, sizeof *j);
	if (j) {
		*j = (struct fetch_job){.u = u, .new_token = new_token, .new_keys = new_keys};
		if (!worker_submit(u->workers, &(struct worker_job){fetch_run, fetch_done, j}))
			return;
	}
	free(j);
	ue_auth_event(u, &(struct ca_event){.kind = CA_EV_NOT_READY});
}

static void install_csk(struct ue *u)
{
	char names[64];
	struct writer w = wr_init((uint8_t *)names, sizeof names - 1);
	ue_csk_install(u);
	for (int s = 0; s < MCX_SERVICES; s++)
		if (u->c.services >> s & 1) {
			wr_text(&w, wr_len(&w) ? ", " : "");
			wr_text(&w, mcx_services[s].name);
		}
	names[wr_len(&w)] = 0;
	ue_emit(u, UE_EV_REGISTERED, u->auth_began_ms, NULL, u->own_id, ue_csk_id_of(u, ue_first_service(u)),
		"registered as %s for %u s, for %s, CSK uploaded", u->own_id, u->granted_s, names);
	finish(u, UE_OK, "registered, service authorised");
}

static void arm_timer(struct ue *u);

static void on_auth_timer(void *arg)
{
	struct ue *u = arg;
	u->auth_timer = NULL;
	if (ue_clock_ms() < u->auth.due_ms) /* the loop's clock runs ahead by a fraction */
		arm_timer(u);
	else
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_TIMER});
}

static void arm_timer(struct ue *u)
{
	int64_t now = ue_clock_ms(), wait = u->auth.due_ms > now ? u->auth.due_ms - now : 0;
	sip_timer_stop(u->auth_timer);
	u->auth_timer = sip_timer_start(u->loop, (unsigned)(wait < INT32_MAX ? wait : INT32_MAX), on_auth_timer, u);
}

/* Wakes at the machine's time; a caller who waits for a first success is not kept longer than GIVE_UP_MS. */
static void set_timer(struct ue *u)
{
	int waits_for_answer = u->auth.state == CA_UPLOAD || u->auth.state == CA_RENEWING;
	if (waits_for_answer && u->auth.due_ms > u->auth_give_up_ms) {
		pthread_mutex_lock(&u->lock);
		int status = u->auth_report.sip_status;
		pthread_mutex_unlock(&u->lock);
		finish(u, status ? UE_REFUSED : UE_UNREACHABLE,
		       status ? "the server asks to come later" : "no answer from the server");
	}
	arm_timer(u);
}

static void tell_failure(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	int status = u->auth_report.sip_status, warning = u->auth_report.warning;
	pthread_mutex_unlock(&u->lock);
	char text[2 * UE_TEXT];
	const char *warned = mcx_warning_text(warning), *refusal = u->auth_refusal;
	snprintf(text, sizeof text, "service authorisation ended: %d%s%s%s%s", status, warned ? " " : "",
		 warned ? warned : "", *refusal ? ", " : "", refusal);
	ue_emit(u, UE_EV_ALARM, u->auth_began_ms, NULL, u->own_id, 0, "%s", text);
	finish(u, status ? UE_REFUSED : UE_INTERNAL, text);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void act(struct ue *u, enum ca_action a)
{
	switch (a) {
	case CA_DO_FETCH:
		fetch(u, 0, 0);
		break;
	case CA_DO_NEW_TOKEN:
		fetch(u, 1, 0);
		break;
	case CA_DO_REFRESH_KEYS:
		fetch(u, 0, 1);
		break;
	case CA_DO_MAKE: /* the job's end sends: CA_DO_SEND follows it */
		if (ue_csk_make(u))
			ue_auth_event(u, &(struct ca_event){.kind = CA_EV_REFUSED});
		break;
	case CA_DO_INSTALL:
		install_csk(u);
		break;
	case CA_DO_TIMER:
		set_timer(u);
		break;
	case CA_DO_WIPE_NEW:
		ue_csk_wipe_new(u);
		break;
	case CA_DO_WIPE:
		ue_csk_wipe_new(u);
		ue_csk_wipe(u);
		break;
	case CA_DO_LOG_OFF:
		ue_musik_wipe(u, 1);
		ue_register_send(u, 0);
		break;
	case CA_DO_TELL:
		tell_failure(u);
		break;
	default:
		break;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void ue_auth_event(struct ue *u, const struct ca_event *ev)
{
	struct ca_actions out;
	struct ca_event now = *ev;
	now.now_ms = ue_clock_ms();
	ca_step(&u->auth, &now, &out);
	for (size_t i = 0; i < out.n; i++)
		act(u, out.do_[i]);
}

void ue_auth_close(struct ue *u)
{
	ue_way_close(u);
	sip_timer_stop(u->auth_timer);
	u->auth_timer = NULL;
	u->auth = (struct ca){0};
	ue_csk_wipe_new(u);
	ue_csk_wipe(u);
}

/* ---- the caller's side ----------------------------------------------------------------------------------------- */

/* Whatever was redirected before is over. */
static void forget_redirects(struct ue *u)
{
	u->judging = NULL;
	u->upload_rounds = (struct redirect){0};
	u->auth_refusal[0] = 0;
	free(u->krr_held);
	u->krr_held = NULL;
}

static void start(void *arg)
{
	struct ue *u = arg;
	forget_redirects(u);
	u->auth_began_ms = ue_clock_ms();
	u->auth_give_up_ms = u->auth_began_ms + GIVE_UP_MS;
	if (u->auth.state == CA_OFF)
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_START});
	else if (u->auth.state == CA_AUTHORISED || u->auth.state == CA_UNSURE)
		ue_auth_event(u, &(struct ca_event){.kind = CA_EV_SIP_LOST}); /* registers again, with a new CSK */
}

static void log_off(void *arg)
{
	struct ue *u = arg;
	u->auth_began_ms = ue_clock_ms();
	forget_redirects(u);
	sip_timer_stop(u->auth_timer);
	u->auth_timer = NULL;
	int sends = u->auth.state != CA_OFF && u->auth.state != CA_KEYS;
	ue_auth_event(u, &(struct ca_event){.kind = CA_EV_LOG_OFF});
	if (!sends)
		finish(u, UE_OK, "was not registered");
}

static enum ue_status run(struct ue *u, void (*fn)(void *), struct ue_report *r)
{
	pthread_mutex_lock(&u->lock);
	u->auth_done = 0;
	memset(&u->auth_report, 0, sizeof u->auth_report);
	pthread_mutex_unlock(&u->lock);
	if (sip_loop_post(u->loop, fn, u))
		return ue_report_set(r, UE_INTERNAL, ue_clock_ms(), "no memory");
	pthread_mutex_lock(&u->lock);
	while (!u->auth_done)
		pthread_cond_wait(&u->changed, &u->lock);
	*r = u->auth_report;
	pthread_mutex_unlock(&u->lock);
	return r->status;
}

enum ue_status ue_register(struct ue *u, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	char err[UE_TEXT];
	memset(r, 0, sizeof *r);
	if (!u->tokens->mcptt_id[0])
		return ue_report_set(r, UE_STATE, began, "not signed in");
	if (ue_loop_start(u, err, sizeof err))
		return ue_report_set(r, UE_INTERNAL, began, "%s", err);
	if (ue_keep_keys(u))
		return ue_report_set(r, UE_INTERNAL, began, "no thread for the identity keys");
	return run(u, start, r);
}

enum ue_status ue_log_off(struct ue *u, struct ue_report *r)
{
	memset(r, 0, sizeof *r);
	if (!u->loop_runs)
		return ue_report_set(r, UE_OK, ue_clock_ms(), "was not registered");
	return run(u, log_off, r);
}

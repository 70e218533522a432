/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_talk.c - calls as the user of a client sees them, and the requests that come in (flows 3.3 "INVITE"; sip.md 3).
 *
 * A request is taken only from the MC server: it comes over the connection we opened to it, whose certificate carries
 * the server's name. Somebody else in the domain who reaches our port is answered 403 and learns nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ue/engine.h"

/* ---- requests that come in --------------------------------------------------------------------------------------- */

/* The host of the next hop. */
static void server_name(const struct ue *u, char *out, size_t size)
{
	const char *host = strchr(u->c.sip_route, ':');
	const char *user = strchr(u->c.sip_route, '@');
	host = user ? user + 1 : host ? host + 1 : u->c.sip_route;
	snprintf(out, size, "%.*s", (int)strcspn(host, ":;>"), host);
}

static int from_server(const struct ue *u, const struct sip_message *rq)
{
	char name[MCSEC_ID_MAX];
	if (rq->source.transport != SIP_TLS)
		return !strstr(u->c.sip_route, "transport=tls") && strncmp(u->c.sip_route, "sips:", 5) != 0;
	server_name(u, name, sizeof name);
	for (size_t i = 0; rq->source.verified && i < rq->source.n_subjects; i++)
		if (!strcasecmp(rq->source.subjects[i], name))
			return 1;
	return 0;
}

static void on_cancel(void *ctx, struct sip_server_tx *tx)
{
	struct ue *u = ctx;
	if (u->call.invited == tx)
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_CANCEL}, NULL);
}

/* One call at a time. 1 when this one may begin. */
static int take_line(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	int is_free = !u->call_busy;
	if (is_free)
		u->call_busy = 1;
	pthread_mutex_unlock(&u->lock);
	return is_free;
}

/* The service that the server asserts, MCPTT where it says nothing; MCX_SERVICES: none whose calls this client takes.
 */
static enum mcx_service service_of(const struct ue *u, const struct sip_message *rq)
{
	const char *icsi = sip_header_at(rq, "P-Asserted-Service", 0);
	enum mcx_service s = icsi ? mcx_service_of(icsi) : MCX_MCPTT;
	return s <= MCX_MCVIDEO && u->c.services >> s & 1 ? s : MCX_SERVICES;
}

static void on_invite(struct ue *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	pthread_mutex_lock(&u->lock);
	int answering = u->answering, required = u->require_protection;
	unsigned max_ms = u->answer_max_ms;
	pthread_mutex_unlock(&u->lock);
	enum mcx_service service = service_of(u, rq);
	if (service == MCX_SERVICES) {
		ue_call_reply(u, tx, 403, 0);
		return;
	}
	if (!answering) {
		ue_call_reply(u, tx, 480, 0);
		return;
	}
	if (!take_line(u)) {
		ue_call_reply(u, tx, 486, 0);
		return;
	}
	ue_call_reset(u, 0);
	struct cc_event ev = {.kind = CC_EV_INVITE, .required = required};
	u->call.max_ms = max_ms;
	u->call.service = service;
	u->call.invited = tx;
	sip_tx_on_cancel(tx, on_cancel, u);
	ue_invite_read(u, rq, &ev);
	ue_call_event(u, &ev, NULL);
}

void ue_call_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct ue *u = ctx;
	if (!from_server(u, rq))
		ue_call_reply(u, tx, 403, 0);
	else if (rq->to_tag) /* of a dialog that is no more */
		ue_call_reply(u, tx, 481, 0);
	else if (!strcmp(rq->method, "INVITE"))
		on_invite(u, tx, rq);
	else if (!strcmp(rq->method, "OPTIONS"))
		ue_call_reply(u, tx, 200, 0);
	else if (!strcmp(rq->method, "MESSAGE"))
		ue_message(u, tx, rq);
	else
		ue_call_reply(u, tx, 405, 0);
}

static void on_dialog_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct ue *u = ctx;
	struct ue_call_state *c = &u->call;
	int up = c->machine.state == CC_UP || c->machine.state == CC_REKEYING;
	if (!from_server(u, rq)) {
		ue_call_reply(u, tx, 403, 0);
	} else if (!strcmp(rq->method, "BYE")) {
		if (up)
			ue_call_event(u, &(struct cc_event){.kind = CC_EV_BYE}, tx);
		else
			ue_call_reply(u, tx, 200, 0); /* our own crosses it */
	} else if (!strcmp(rq->method, "INVITE") && up) {
		struct cc_event ev = {.kind = CC_EV_REINVITE};
		if (c->machine.state == CC_REKEYING) {
			ue_call_event(u, &ev, tx);
			return;
		}
		c->reinvited = tx;
		ue_invite_read(u, rq, &ev);
		ue_call_event(u, &ev, NULL);
	} else {
		ue_call_reply(u, tx, !strcmp(rq->method, "INVITE") ? 481 : 405, 0);
	}
}

/* Our 200 was never acknowledged: the other end is not there (RFC 3261 13.3.1.4). */
static void on_ack(void *ctx, struct sip_dialog *d, int ok)
{
	struct ue *u = ctx;
	if (!ok && d == u->call.dialog)
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_SILENT}, NULL);
}

const struct sip_dialog_events ue_dialog_events = {.on_request = on_dialog_request, .on_ack = on_ack};

/* ---- the user's side --------------------------------------------------------------------------------------------- */

struct order {
	struct ue *u;
	const struct ue_call *call;
	struct ue_callee callee;
};

static void begin(void *arg)
{
	struct order *o = arg;
	struct ue *u = o->u;
	ue_call_reset(u, 1);
	struct ue_call_state *c = &u->call;
	memcpy(c->kms_uri, o->callee.kms, sizeof c->kms_uri);
	snprintf(c->peer, sizeof c->peer, "%s", o->call->target);
	c->service = o->call->service;
	c->files = o->call->audio;
	c->video_files = o->call->video;
	c->stay = o->call->stay;
	c->floor_wanted = o->call->floor;
	c->ring_ms = o->call->ring_ms;
	c->max_ms = o->call->max_ms;
	struct ue_ring *ring = ue_ring_ref(u);
	const char *lacks = ue_ring_lacks(ring, c->kms_uri, ue_time_now());
	ue_ring_unref(u, ring);
	if (lacks) {
		snprintf(c->refusal, sizeof c->refusal, "that of %s, named by %s, %s", c->kms_uri, o->callee.named,
			 lacks);
		ue_provision_poke(u, UE_POKE_UNKNOWN_KMS); /* perhaps it is there when the user tries again */
	}
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_CALL, .certificate = !lacks}, NULL);
}

/* Registered, with keys of now and a name for the callee's KMS, and the line is free: else why not. */
static enum ue_status ready_to_call(struct ue *u, struct order *o, struct ue_report *r)
{
	const struct ue_call *c = o->call;
	int64_t began = ue_clock_ms();
	if (c->service > MCX_MCVIDEO || !u->loop_runs || ue_csk_id_of(u, c->service) == 0)
		return ue_report_set(r, UE_STATE, began, "not registered");
	if (!c->target || !c->target[0] || strlen(c->target) >= MCSEC_ID_MAX)
		return ue_report_set(r, UE_STATE, began, "nobody to call");
	if (ue_keys_fetch(u, 0, r) || ue_callee_kms(u, c, &o->callee, r))
		return r->status;
	if (!take_line(u))
		return ue_report_set(r, UE_STATE, began, "a call is going on");
	return UE_OK;
}

enum ue_status ue_call(struct ue *u, const struct ue_call *c, struct ue_report *r)
{
	struct order o = {.u = u, .call = c};
	memset(r, 0, sizeof *r);
	if (ready_to_call(u, &o, r))
		return r->status;
	if (sip_loop_post(u->loop, begin, &o)) {
		pthread_mutex_lock(&u->lock);
		u->call_busy = 0;
		pthread_mutex_unlock(&u->lock);
		return ue_report_set(r, UE_INTERNAL, ue_clock_ms(), "no memory");
	}
	pthread_mutex_lock(&u->lock);
	while (u->call_busy)
		pthread_cond_wait(&u->changed, &u->lock);
	*r = u->call_report;
	pthread_mutex_unlock(&u->lock);
	return r->status;
}

static void hang_up(void *arg)
{
	ue_call_event(arg, &(struct cc_event){.kind = CC_EV_HANG_UP}, NULL);
}

void ue_hang_up(struct ue *u)
{
	if (u->loop_runs)
		sip_loop_post(u->loop, hang_up, u);
}

int ue_wait_idle(struct ue *u, unsigned ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	int rc = 0;
	pthread_mutex_lock(&u->lock);
	while (u->call_busy && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&u->changed, &u->lock, &until);
	int busy = u->call_busy;
	pthread_mutex_unlock(&u->lock);
	return busy ? -1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_call.c - private calls: facts and events for mcx/flow/server_call.c, and the life of a call.
 *
 * An event is worked off whole before the next: an action that fails turns into an event of its own, which takes the
 * place of the actions after it. A call in SC_ENDING is over when no BYE and no job of it is out.
 */
#include "server/call.h"

#include <stdlib.h>
#include <strings.h>

#include "app/log.h"
#include "mcx/flow/warning.h"
#include "server/control.h"
#include "server/download.h"
#include "server/redirect.h"
#include "server/xml.h"

static struct call *call_new(struct server *s)
{
	struct call *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->s = s;
	c->a = (struct leg){.call = c, .end = 0};
	c->b = (struct leg){.call = c, .end = 1};
	c->next = s->calls;
	c->back = &s->calls;
	if (c->next)
		c->next->back = &c->next;
	s->calls = c;
	metric_add(&s->metrics[M_CALLS], 1);
	return c;
}

void call_free(struct call *c)
{
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	metric_add(&c->s->metrics[M_CALLS], -1);
	sip_timer_stop(c->ring);
	relay_close(c->relay);
	control_close(c);
	if (c->invite)
		sip_tx_on_cancel(c->invite, NULL, NULL);
	if (c->refresh)
		server_refuse(c->s, c->refresh, 481, WARN_NONE, NULL);
	sip_dialog_free(c->a.dialog);
	sip_dialog_free(c->b.dialog);
	free(c->offer);
	free(c->answer);
	free(c);
}

void call_free_all(struct server *s)
{
	while (s->calls)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): call_free takes it out of this list */
		call_free(s->calls);
}

/* ---- events ---- */

static int over(const struct call *c)
{
	return c->machine.state == SC_ENDING && c->byes == 0 && c->jobs == 0 && !c->a.bye_due && !c->b.bye_due;
}

void call_event(struct call *c, const struct sc_event *ev)
{
	struct sc_event next = *ev;
	int free_it = 0;
	for (;;) {
		struct sc_actions acts;
		sc_step(&c->machine, &next, &acts);
		enum sc_event_kind then = SC_EVENTS;
		for (size_t i = 0; i < acts.n && then == SC_EVENTS; i++) {
			if (acts.do_[i] == SC_DO_FREE)
				free_it = 1;
			else
				then = call_act(c, acts.do_[i], &acts);
		}
		if (then == SC_EVENTS && !free_it && over(c)) {
			then = SC_EV_ENDED;
			if (c->erase_late)
				call_erase(c, "restart");
		}
		if (then == SC_EVENTS)
			break;
		next = (struct sc_event){.kind = then};
	}
	if (c->at_hand) { /* nobody answered it: it means nothing here */
		server_refuse(c->s, c->at_hand, 481, WARN_NONE, NULL);
		c->at_hand = NULL;
	}
	c->rs = NULL;
	if (free_it)
		call_free(c);
}

void call_simple(struct call *c, enum sc_event_kind kind)
{
	call_event(c, &(struct sc_event){.kind = kind});
}

static void on_cancel(void *ctx, struct sip_server_tx *tx)
{
	(void)tx;
	call_simple(ctx, SC_EV_CANCEL);
}

void call_on_dialog_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct leg *l = ctx;
	struct call *c = l->call;
	if (!identity_is(c->s, rq, &l->who)) {
		log_warn("sip.foreign-in-dialog", log_text("method", rq->method), log_text("call_id", c->row.id));
		server_refuse(c->s, tx, 403, WARN_NONE, NULL);
		return;
	}
	struct binding *b = bindings_by_id(c->s->bindings, l->who.id);
	if (b)
		identity_seen(b, tx);
	c->at_hand = tx;
	if (strcmp(rq->method, "BYE") == 0) {
		call_simple(c, l->end == 0 ? SC_EV_BYE_A : SC_EV_BYE_B);
	} else if (strcmp(rq->method, "INVITE") == 0) {
		if (c->machine.state == SC_UP)
			c->refresh_end = l->end;
		call_simple(c, SC_EV_REINVITE);
	} else {
		c->at_hand = NULL;
		struct sip_header h = {"Allow", "INVITE, ACK, CANCEL, BYE"};
		(void)sip_reply(tx, 405, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
	}
}

static void on_ack(void *ctx, struct sip_dialog *d, int ok)
{
	(void)d;
	if (!ok)
		call_simple(((struct leg *)ctx)->call, SC_EV_UNACKED);
}

const struct sip_dialog_events call_dialog_events = {call_on_dialog_request, on_ack};

/* ---- facts of an INVITE ---- */

static size_t calls_of(const struct server *s, const char *mcptt_id, const struct call *but)
{
	size_t n = 0;
	for (const struct call *c = s->calls; c; c = c->next)
		n += c != but && (strcmp(c->row.caller, mcptt_id) == 0 || strcmp(c->row.callee, mcptt_id) == 0);
	return n;
}

/* The client to call: one that is connected before one that is not, then the one authorised last. */
static const struct binding *best_binding(const struct server *s, enum mcx_service service, const char *mcptt_id)
{
	struct binding *b = NULL, *best = NULL;
	while ((b = bindings_of_user(s->bindings, mcptt_id, b))) {
		if (b->row.service != service || !b->row.has_csk || b->row.expires <= db_now())
			continue;
		int alive = sip_flow_alive(b->flow), best_alive = best && sip_flow_alive(best->flow);
		if (!best || alive > best_alive ||
		    (alive == best_alive && b->row.authorised_at > best->row.authorised_at))
			best = b;
	}
	return best;
}

static enum sc_mode wanted_mode(const struct sip_message *rq)
{
	const char *m = sip_header_at(rq, "Priv-Answer-Mode", 0);
	if (!m)
		m = sip_header_at(rq, "Answer-Mode", 0);
	if (m && strncasecmp(m, "Auto", 4) == 0)
		return SC_MODE_AUTOMATIC;
	return m && strncasecmp(m, "Manual", 6) == 0 ? SC_MODE_MANUAL : SC_MODE_ANY;
}

static int of_our_domain(const struct server *s, const char *target)
{
	const char *a = strchr(s->cfg->psi, '@'), *b = strchr(target, '@');
	return a && b && strcasecmp(a, b) == 0;
}

/* Each service has its own leave (24.484: the profile of MCPTT, that of MCVideo). */
static int may_use(const struct call *c, const struct db_user *u)
{
	return c->service == MCX_MCVIDEO ? u->private_video : u->private_call;
}

static void facts_of_users(struct call *c, const struct body *body, struct sc_event *ev)
{
	struct server *s = c->s;
	const struct db_user *caller = users_find(s->bindings, c->row.caller);
	ev->may_call = caller && may_use(c, caller);
	ev->may_automatic = caller && caller->auto_answer;
	ev->may_manual = ev->may_call;
	ev->below_max = calls_of(s, c->row.caller, c) < (size_t)s->cfg->max_private_calls;
	ev->n_targets = body->has_lists ? body->lists.n : 0;
	if (ev->n_targets != 1)
		return;
	db_copy(c->row.callee, sizeof c->row.callee, body->lists.uri[0]);
	const struct binding *b = best_binding(s, c->service, c->row.callee);
	const struct db_user *callee = users_find(s->bindings, c->row.callee);
	ev->controlling = b || callee || of_our_domain(s, c->row.callee);
	ev->callee_known = b && strcmp(c->row.callee, c->row.caller) != 0;
	ev->callee_callable = !callee || may_use(c, callee);
	ev->callee_settings = callee && *callee->answer_mode;
	if (b) {
		c->b.who = b->row;
		c->row.callee_binding = b->row.id;
	}
	c->mode =
	    callee && strcmp(callee->answer_mode, "automatic") == 0 && ev->mode != SC_MODE_MANUAL ? "Auto" : "Manual";
}

static int facts_of_media(struct call *c, const struct sip_message *rq, struct sc_event *ev)
{
	struct sdp *sdp = malloc(sizeof *sdp);
	int read = sdp && media_read(rq, &c->offer, sdp) == 0;
	metric_add(&c->s->metrics[M_READ_SDP], 1);
	if (read) {
		c->n_media = sdp->n_media;
		ev->key_mgmt = media_key(sdp, &c->row, &ev->im_ok);
		metric_add(&c->s->metrics[M_READ_MIKEY], ev->key_mgmt);
		ev->media_ok = media_acceptable(c, sdp, rq->source.address) && media_wanted(c, sdp);
		control_offered(c, sdp);
	}
	free(sdp);
	return read;
}

static enum sc_protection protection(const struct server_config *cfg)
{
	if (strcmp(cfg->protection, "allowed") == 0)
		return SC_PROTECTION_ALLOWED;
	return strcmp(cfg->protection, "forbidden") == 0 ? SC_PROTECTION_FORBIDDEN : SC_PROTECTION_REQUIRED;
}

/*
 * Who sent it and what it says: the key that opens the body tells the client, and the client id inside must agree
 * (flows 1.2). A body in clear, where that is allowed, is believed as far as the connection goes.
 */
static struct binding *open_invite(struct call *c, const struct sip_message *rq, struct body *body, struct sc_event *ev)
{
	struct server *s = c->s;
	struct binding *who[CLIENTS_MAX], *b = NULL;
	size_t n = identity_bindings_of(s, rq, c->service, who, CLIENTS_MAX);
	struct bound_keys *keys = bound_keys_new(s, who, n);
	struct xml_keys list = bound_keys_list(keys);
	struct xml_policy policy = server_xml_policy(s->cfg);
	struct xml_opened opened;
	enum body_verdict v = body_unprotect(body, &policy, &list, &opened);
	const struct mcptt_info *info = body_info(body, c->service);
	const char *client = info && info->client_id.form == MCPTT_PLAIN ? info->client_id.value : "";
	ev->xml = v == BODY_FORGED ? SC_XML_FORGED : v == BODY_UNDECRYPTABLE ? SC_XML_UNDECRYPTABLE : SC_XML_PASSED;
	b = identity_binding(who, n, client, &ev->same_client);
	if (v == BODY_OPENED && opened.protected && b) {
		ev->same_client &= b == bound_keys_owner(keys, opened.key_id);
		if (ev->same_client && binding_replayed(b, &opened))
			ev->xml = SC_XML_REPLAY;
		if (ev->same_client && opened.key_id != b->row.csk_id)
			download_proved(s, b, opened.key_id);
	}
	int pending = v == BODY_OPENED && opened.protected && b && opened.key_id != b->row.csk_id;
	ev->held = b && !pending && download_holds(s, &b->row);
	if (ev->xml != SC_XML_PASSED)
		log_warn("xml.refuse", log_text("why", ev->xml == SC_XML_REPLAY ? "seen before" : opened.why),
			 log_text("call_id", c->row.id));
	bound_keys_free(keys);
	return b;
}

/*
 * The service of the call: MCPTT unless the request says another. A call of one that this server does not control is
 * refused here; what one service authorises is nothing to another.
 */
static int of_another_service(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq,
			      enum mcx_service *service)
{
	struct binding *who[CLIENTS_MAX];
	unsigned controlled = (1u << MCX_MCPTT | 1u << MCX_MCVIDEO) & (server_services(s->cfg) | 1u << MCX_MCPTT);
	*service = server_service_of(rq);
	if (*service == MCX_SERVICES)
		*service = MCX_MCPTT;
	if (controlled >> *service & 1)
		return 0;
	int bound = identity_bindings_of(s, rq, *service, who, CLIENTS_MAX) > 0;
	server_refuse(s, tx, 404, bound ? WARN_NO_CONTROLLING : WARN_UNKNOWN_USER, NULL);
	return 1;
}

void handle_invite(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	enum mcx_service service;
	if (of_another_service(s, tx, rq, &service))
		return;
	struct body *body = calloc(1, sizeof *body);
	struct call *c = body ? call_new(s) : NULL;
	if (!c) {
		free(body);
		server_refuse(s, tx, 503, WARN_NONE, NULL);
		return;
	}
	struct sc_event ev = {.kind = SC_EV_INVITE, .mode = wanted_mode(rq), .protection = protection(s->cfg)};
	c->service = service;
	c->invite = tx;
	sip_tx_on_cancel(tx, on_cancel, c);
	db_copy(c->row.id, sizeof c->row.id, rq->call_id);
	int read = body_read(rq, body) == BODY_READ;
	metric_add(&s->metrics[M_READ_XML], body->xml_read);
	struct binding *b = open_invite(c, rq, body, &ev);
	ev.bound = b != NULL;
	db_copy(c->row.caller, sizeof c->row.caller, b ? b->row.mcptt_id : rq->from);
	identity_peer(rq, c->a.who.peer, sizeof c->a.who.peer);
	if (b) {
		identity_seen(b, tx);
		c->a.who = b->row;
		c->row.caller_binding = b->row.id;
		const struct mcptt_info *info = body_info(body, service);
		ev.private_call = info && strcmp(info->session_type, "private") == 0;
		facts_of_users(c, body, &ev);
		int described = facts_of_media(c, rq, &ev);
		ev.kms_refused = s->cfg->redirect_on_path && ev.im_ok && redirect_refuses(c);
		ev.readable = described && read && info && strlen(rq->call_id) < sizeof c->row.id;
	}
	body_free(body);
	free(body);
	call_event(c, &ev);
}

/* ---- clock, restart, revocation ---- */

static void tick_one(struct call *c)
{
	int64_t silent = c->s->cfg->silent_s * 1000;
	if ((c->machine.state == SC_UP || c->machine.state == SC_REFRESH) && c->relay &&
	    relay_silent_ms(c->relay) > silent) {
		call_simple(c, SC_EV_SILENT);
		return;
	}
	if (!c->a.bye_due && !c->b.bye_due)
		return;
	struct sc_actions none = {0};
	if (c->a.bye_due)
		(void)call_act(c, SC_DO_BYE_A, &none);
	if (c->b.bye_due)
		(void)call_act(c, SC_DO_BYE_B, &none);
	call_simple(c, SC_EVENTS);
}

void call_tick(struct server *s)
{
	for (struct call *c = s->calls, *next; c; c = next) {
		next = c->next;
		tick_one(c);
	}
}

int call_restore(struct server *s, const struct db_call *row)
{
	struct call *c = call_new(s);
	if (!c)
		return -1;
	c->row = *row;
	c->restored_ms = sip_loop_now_ms(s->loop) + 1;
	const struct binding *a = bindings_by_id(s->bindings, row->caller_binding);
	const struct binding *b = bindings_by_id(s->bindings, row->callee_binding);
	if (a) {
		c->a.who = a->row;
		c->service = a->row.service;
	}
	if (b)
		c->b.who = b->row;
	c->a.dialog = sip_dialog_restore(s->port, row->a, &call_dialog_events, &c->a);
	c->b.dialog = sip_dialog_restore(s->port, row->b, &call_dialog_events, &c->b);
	c->machine.state = SC_UP;
	call_simple(c, SC_EV_RESTART);
	return 0;
}

void call_revoked(struct server *s, int64_t binding)
{
	for (struct call *c = s->calls, *next; c; c = next) {
		next = c->next;
		if (c->row.caller_binding == binding || c->row.callee_binding == binding)
			call_simple(c, SC_EV_REVOKED);
	}
}

void call_each(struct server *s, void (*each)(void *, const struct db_call *, enum sc_state), void *ctx)
{
	for (struct call *c = s->calls; c; c = c->next)
		each(ctx, &c->row, c->machine.state);
}

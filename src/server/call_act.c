/* SPDX-License-Identifier: Apache-2.0 */
/* call_act.c - the actions of a private call, carried out one by one. */
#include "server/call.h"

#include <stdlib.h>
#include <strings.h>

#include "app/log.h"
#include "mcx/flow/warning.h"
#include "server/control.h"
#include "server/redirect.h"
#include "server/third_party.h"

#define DONE SC_EVENTS /* no event: go on with the next action */

enum { RESTORE_WAIT_MS = 30000, MAX_FORWARDED = 4 };

/* The connection on which that client was last seen, if it still stands. Through a SIP core the way is the route. */
static struct sip_flow *way_to(const struct leg *l)
{
	if (l->call->s->cfg->core.n)
		return NULL;
	const struct binding *b = bindings_by_id(l->call->s->bindings, l->who.id);
	return b && sip_flow_alive(b->flow) ? b->flow : NULL;
}

/* How a client registered to be reached. */
static enum sip_transport transport_of(const char *contact)
{
	if (strcasestr(contact, "transport=tls") || strncasecmp(contact, "sips:", 5) == 0)
		return SIP_TLS;
	return strcasestr(contact, "transport=tcp") ? SIP_TCP : SIP_UDP;
}

static void own_contact(const struct call *c, enum sip_transport t, char *out, size_t size)
{
	const struct server *s = c->s;
	snprintf(out, size, "<sip:%s:%u;transport=%s>;%s;%s", s->cfg->host,
		 t == SIP_TLS ? s->sips_number : s->sip_number, sip_transport_name(t),
		 mcx_services[c->service].feature_tag, mcx_services[c->service].icsi_tag);
}

/* ---- towards the callee ---- */

static void on_callee_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct leg *l = ctx;
	struct call *c = l->call;
	struct sdp *sdp = NULL;
	(void)tx;
	c->rs = rs;
	if (rs->status < 200) {
		call_simple(c, SC_EV_RINGING);
	} else {
		c->outgoing = NULL;
		enum sc_event_kind kind = SC_EV_REFUSED;
		if (rs->error || rs->status < 400)
			kind = SC_EV_UNREACHABLE; /* also 3xx: we follow nobody's redirection */
		if (rs->status < 300) {
			sdp = malloc(sizeof *sdp);
			kind = sdp && media_read(rs, &c->answer, sdp) == 0 && sdp->n_media == c->n_media &&
				       media_acceptable(c, sdp, rs->source.address) && control_answered(c, sdp) == 0
				   ? SC_EV_ANSWER
				   : SC_EV_BAD_ANSWER;
		}
		free(sdp);
		call_simple(c, kind);
	}
	/* c may be gone */
}

static enum sc_event_kind invite_callee(struct call *c)
{
	const struct server_config *cfg = c->s->cfg;
	struct sdp *sdp = malloc(sizeof *sdp);
	struct mcptt_info *info = calloc(1, sizeof *info);
	const struct mcx_service_names *service = &mcx_services[c->service];
	const char *psi = server_psi(cfg, c->service);
	char type[128], asserted[DB_URI + 4], contact[600], route[300], feature[64], icsi[160];
	size_t len = 0;
	uint8_t *body = NULL;
	int by_core = cfg->core.n != 0;
	if (sdp && info && sdp_read(octets_of(c->offer), sdp, NULL) == MCSEC_OK) {
		db_copy(info->session_type, sizeof info->session_type, "private");
		info->calling_user_id.form = info->called_party_id.form = MCPTT_PLAIN;
		db_copy(info->calling_user_id.value, sizeof info->calling_user_id.value, c->a.who.mcptt_id);
		db_copy(info->called_party_id.value, sizeof info->called_party_id.value, c->b.who.mcptt_id);
		body = media_body(c, sdp, 1, info, type, sizeof type, &len);
	}
	free(sdp);
	free(info);
	snprintf(asserted, sizeof asserted, "<%s>", psi);
	snprintf(feature, sizeof feature, "*;%s;require;explicit", service->feature_tag);
	snprintf(icsi, sizeof icsi, "*;%s;require;explicit", service->icsi_tag);
	snprintf(route, sizeof route, "<%s>", cfg->core_route);
	own_contact(c, transport_of(by_core ? cfg->core_route : c->b.who.contact), contact, sizeof contact);
	struct sip_header h[] = {
	    {"P-Asserted-Identity", asserted}, {"P-Asserted-Service", service->icsi},
	    {"Accept-Contact", feature},       {"Accept-Contact", icsi},
	    {"Answer-Mode", c->mode},          {"Route", route},
	};
	struct sip_request rq = {.method = "INVITE",
				 .uri =
				     by_core ? third_party_target(c->b.who.impu, c->b.who.contact) : c->b.who.contact,
				 .route = by_core ? cfg->core_route : NULL,
				 .from = psi,
				 .to = c->b.who.impu,
				 .flow = way_to(&c->b),
				 .timeout_ms = (unsigned)(cfg->ring_s * 1000 + 32000),
				 .with = {.n_headers = sizeof h / sizeof *h - !by_core,
					  .headers = h,
					  .contact = contact,
					  .content_type = type,
					  .body = {body, len}}};
	if (body)
		c->b.dialog =
		    sip_dialog_invite(c->s->port, &rq, on_callee_response, &call_dialog_events, &c->b, &c->outgoing);
	free(body);
	return c->b.dialog ? DONE : SC_EV_UNSENT;
}

static void ring_late(void *arg)
{
	struct call *c = arg;
	c->ring = NULL;
	call_simple(c, SC_EV_RING_TIME);
}

/* ---- towards the caller ---- */

static struct sip_server_tx *take_invite(struct call *c)
{
	struct sip_server_tx *tx = c->invite;
	c->invite = NULL;
	sip_timer_stop(c->ring);
	c->ring = NULL;
	return tx;
}

/* Code, Warning and body as they are (24.379 6.3; flows 3.2 "all"). */
static void forward_final(struct call *c, struct sip_server_tx *tx)
{
	const struct sip_message *rs = c->rs;
	struct sip_header h[MAX_FORWARDED];
	struct sip_out with = {.headers = h, .content_type = rs->content_type, .body = rs->body};
	const char *value;
	for (size_t i = 0; with.n_headers < MAX_FORWARDED && (value = sip_header_at(rs, "Warning", i)); i++)
		h[with.n_headers++] = (struct sip_header){"Warning", value};
	/* Whatever the callee wrote: the caller gets a final answer. */
	if (rs->error || sip_reply(tx, rs->status, rs->phrase, &with) != MCSEC_OK)
		server_refuse(c->s, tx, 480, WARN_NONE, NULL);
}

static void forward_ringing(struct call *c)
{
	/* A provisional response carries no session description on: no early media before the key was checked. */
	if (c->invite && c->rs->status > 100)
		(void)sip_reply(c->invite, c->rs->status, c->rs->phrase, NULL);
}

static enum sc_event_kind answer_caller(struct call *c)
{
	struct sip_server_tx *tx = take_invite(c);
	struct sdp *offer = malloc(sizeof *offer), *answer = malloc(sizeof *answer);
	struct mcptt_info *info = calloc(1, sizeof *info);
	char type[128], contact[600];
	uint8_t *body = NULL;
	size_t len = 0;
	if (offer && answer && info && sdp_read(octets_of(c->offer), offer, NULL) == MCSEC_OK &&
	    sdp_read(octets_of(c->answer), answer, NULL) == MCSEC_OK) {
		info->called_party_id.form = MCPTT_PLAIN;
		db_copy(info->called_party_id.value, sizeof info->called_party_id.value, c->b.who.mcptt_id);
		body = media_body(c, answer, 0, info, type, sizeof type, &len);
		media_remotes(c, offer, 0);
		media_remotes(c, answer, 1);
	}
	own_contact(c, tx ? sip_tx_request(tx)->source.transport : SIP_TLS, contact, sizeof contact);
	struct sip_header h = {"P-Asserted-Service", mcx_services[c->service].icsi};
	struct sip_out with = {
	    .n_headers = 1, .headers = &h, .contact = contact, .content_type = type, .body = {body, len}};
	if (tx)
		(void)sip_reply(tx, body ? 200 : 500, NULL, body ? &with : NULL);
	int told = body != NULL;
	if (told)
		control_begin(c);
	free(offer);
	free(answer);
	free(info);
	free(body);
	metric_add(&c->s->metrics[M_CALL_STARTED], 1);
	log_info("call.start", log_text("call_id", c->row.id), log_text("service", mcx_services[c->service].name),
		 log_text("caller", c->row.caller), log_text("callee", c->row.callee),
		 log_int("pck_id", c->row.pck_id));
	return told ? DONE : SC_EV_UNACKED; /* the caller heard 500: nobody may wait in this call */
}

/* ---- store ---- */

struct call_work {
	struct work work;
	struct call *call; /* NULL: it may be gone when the job ends */
	struct db_call row;
	const char *reason; /* static */
	enum store_err result;
};

static void run_end(struct work *w, struct db *d)
{
	struct call_work *cw = (struct call_work *)w;
	cw->result = d ? db_call_end(d, &cw->row, cw->reason) : STORE_BROKEN;
}

static void done_end(struct work *w)
{
	struct call_work *cw = (struct call_work *)w;
	if (cw->result != STORE_OK)
		log_error("call.end-not-stored", log_text("call_id", cw->row.id),
			  log_text("error", store_err_name(cw->result)));
	free(cw);
}

void call_erase(struct call *c, const char *reason)
{
	struct call_work *cw = calloc(1, sizeof *cw);
	log_info("call.end", log_text("call_id", c->row.id), log_text("reason", reason));
	if (!cw)
		return;
	*cw = (struct call_work){.work = {c->s, run_end, done_end}, .row = c->row, .reason = reason};
	/* The row stays when this fails: the next start ends the call once more and writes the record. */
	if (server_change(&cw->work) != 0)
		free(cw);
}

static void run_start(struct work *w, struct db *d)
{
	struct call_work *cw = (struct call_work *)w;
	cw->result = d ? db_call_start(d, &cw->row) : STORE_BROKEN;
}

static void done_start(struct work *w)
{
	struct call_work *cw = (struct call_work *)w;
	struct call *c = cw->call;
	int ok = cw->result == STORE_OK;
	free(cw);
	c->jobs--;
	c->storing = 0;
	atomic_store(&c->s->store_ok, ok);
	if (!ok)
		metric_add(&c->s->metrics[M_STORE_FAILED], 1);
	/* The call ended meanwhile: what was written is taken back, with its record. */
	if (ok && c->machine.state != SC_STORING)
		call_erase(c, "ended before answer");
	call_simple(c, ok ? SC_EV_STORED : SC_EV_STORE_FAILED);
}

static enum sc_event_kind store(struct call *c)
{
	struct call_work *cw = calloc(1, sizeof *cw);
	c->a.dialog = sip_dialog_accept(c->invite, &call_dialog_events, &c->a);
	if (!cw || !c->a.dialog || sip_dialog_save(c->a.dialog, c->row.a, sizeof c->row.a) != MCSEC_OK ||
	    sip_dialog_save(c->b.dialog, c->row.b, sizeof c->row.b) != MCSEC_OK) {
		free(cw);
		return SC_EV_STORE_FAILED;
	}
	c->row.started = db_now();
	*cw = (struct call_work){.work = {c->s, run_start, done_start}, .call = c, .row = c->row};
	if (server_change(&cw->work) != 0) {
		free(cw);
		return SC_EV_STORE_FAILED;
	}
	c->jobs++;
	c->storing = 1;
	return DONE;
}

/* ---- the end ---- */

static void on_bye_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	struct call *c = ((struct leg *)ctx)->call;
	if (rs->status < 200)
		return;
	c->byes--;
	call_simple(c, SC_EVENTS); /* nothing but the look whether all is over */
}

static void bye(struct leg *l)
{
	struct call *c = l->call;
	if (!l->dialog)
		return;
	struct sip_flow *f = way_to(l);
	if (!f && !c->s->cfg->core.n && c->restored_ms &&
	    sip_loop_now_ms(c->s->loop) - c->restored_ms < RESTORE_WAIT_MS) {
		l->bye_due = 1; /* the client may come back by itself: its new connection is the way */
		return;
	}
	l->bye_due = 0;
	struct sip_request rq = {.method = "BYE", .flow = f, .timeout_ms = 32000};
	if (sip_dialog_send(l->dialog, &rq, on_bye_response, l))
		c->byes++;
}

/* ---- re-INVITE ---- */

static void on_refresh_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	struct call *c = ((struct leg *)ctx)->call;
	if (rs->status < 200)
		return;
	c->rs = rs;
	call_simple(c, rs->status < 300 ? SC_EV_REFRESHED : SC_EV_REFRESH_REFUSED);
}

static enum sc_event_kind forward_reinvite(struct call *c)
{
	struct sip_server_tx *tx = c->at_hand;
	const struct sip_message *rq = sip_tx_request(tx);
	struct leg *other = c->refresh_end == 0 ? &c->b : &c->a;
	struct sdp *sdp = malloc(sizeof *sdp);
	char type[128], *text = NULL;
	uint8_t *body = NULL;
	size_t len = 0;
	c->refresh = tx;
	c->at_hand = NULL;
	if (sdp && media_read(rq, &text, sdp) == 0 && sdp->n_media == c->n_media &&
	    media_acceptable(c, sdp, rq->source.address))
		body = media_body(c, sdp, other->end, NULL, type, sizeof type, &len);
	struct sip_request out = {.method = "INVITE",
				  .flow = way_to(other),
				  .timeout_ms = 32000,
				  .with = {.content_type = type, .body = {body, len}}};
	int sent = body && sip_dialog_send(other->dialog, &out, on_refresh_response, other) != NULL;
	free(sdp);
	free(text);
	free(body);
	return sent ? DONE : SC_EV_REFRESH_REFUSED;
}

static void forward_refresh(struct call *c)
{
	struct sip_server_tx *tx = c->refresh;
	struct sdp *offer = malloc(sizeof *offer), *answer = malloc(sizeof *answer);
	char type[128], *offer_text = NULL, *answer_text = NULL;
	uint8_t *body = NULL;
	size_t len = 0;
	c->refresh = NULL;
	if (!c->rs || c->rs->status >= 300) {
		if (tx && c->rs)
			forward_final(c, tx);
		else if (tx)
			server_refuse(c->s, tx, 488, WARN_NONE, NULL);
	} else if (tx && offer && answer && media_read(sip_tx_request(tx), &offer_text, offer) == 0 &&
		   media_read(c->rs, &answer_text, answer) == 0 && answer->n_media == c->n_media &&
		   media_acceptable(c, answer, c->rs->source.address) &&
		   (body = media_body(c, answer, c->refresh_end, NULL, type, sizeof type, &len))) {
		media_remotes(c, offer, c->refresh_end);
		media_remotes(c, answer, !c->refresh_end);
		control_moved(c, offer, c->refresh_end);
		control_moved(c, answer, !c->refresh_end);
		(void)sip_reply(tx, 200, NULL, &(struct sip_out){.content_type = type, .body = {body, len}});
	} else if (tx) {
		server_refuse(c->s, tx, 488, WARN_NONE, NULL);
	}
	free(offer);
	free(answer);
	free(offer_text);
	free(answer_text);
	free(body);
}

static void refuse_or_reply(struct call *c, const struct sc_actions *acts)
{
	int reinvite = c->at_hand && strcmp(sip_tx_request(c->at_hand)->method, "INVITE") == 0;
	struct sip_server_tx *tx = reinvite ? c->at_hand : take_invite(c);
	if (reinvite)
		c->at_hand = NULL;
	if (!tx)
		return;
	if (acts->audit && strcmp(acts->audit, "krr.sent") == 0)
		redirect_call(c, tx);
	else
		server_refuse(c->s, tx, acts->status, acts->warning, acts->reason);
	if (reinvite)
		return;
	metric_add(&c->s->metrics[M_CALL_REFUSED], 1);
	log_warn("sip.refuse", log_text("method", "INVITE"), log_int("status", acts->status),
		 log_int("warning", acts->warning), log_text("caller", c->row.caller),
		 log_text("callee", c->row.callee), log_text("call_id", c->row.id));
}

static void record_refusal(struct call *c, const struct sc_actions *acts)
{
	char reason[256];
	int krr = strcmp(acts->audit, "krr.sent") == 0;
	int status = acts->status ? acts->status : c->rs ? c->rs->status : 0;
	int warning = acts->status || !c->rs ? acts->warning : sip_warning_code(c->rs);
	snprintf(reason, sizeof reason, "%d/%d%s%s", status, warning, c->rs && c->rs->error ? " " : "",
		 c->rs && c->rs->error ? c->rs->error : "");
	if (krr)
		snprintf(reason, sizeof reason, "488: from %.110s for %.110s", c->row.kms_initiator,
			 c->row.kms_responder);
	server_audit(c->s, krr || strncmp(acts->audit, "mikey.", 6) == 0 ? 'X' : 'B', acts->audit,
		     *c->a.who.impu ? c->a.who.impu : c->a.who.peer, c->row.caller, c->row.callee, c->row.id, reason);
}

enum sc_event_kind call_act(struct call *c, enum sc_action what, const struct sc_actions *acts)
{
	switch (what) {
	case SC_DO_REPLY:
		refuse_or_reply(c, acts);
		break;
	case SC_DO_RELAY:
		c->relay = relay_open(c->s->relay, c->n_media);
		if (c->relay)
			control_open(c);
		return c->relay ? DONE : SC_EV_NO_PORTS;
	case SC_DO_INVITE_B:
		return invite_callee(c);
	case SC_DO_RING_TIMER:
		c->ring = sip_timer_start(c->s->loop, (unsigned)c->s->cfg->ring_s * 1000, ring_late, c);
		break;
	case SC_DO_FORWARD_RINGING:
		forward_ringing(c);
		break;
	case SC_DO_FORWARD_FINAL: {
		struct sip_server_tx *tx = take_invite(c);
		if (tx)
			forward_final(c, tx);
		metric_add(&c->s->metrics[M_CALL_REFUSED], 1);
		log_info("call.refused-by-callee", log_int("status", c->rs->status),
			 log_int("warning", sip_warning_code(c->rs)), log_text("caller", c->row.caller),
			 log_text("callee", c->row.callee), log_text("call_id", c->row.id));
		break;
	}
	case SC_DO_STORE:
		return store(c);
	case SC_DO_ANSWER_A:
		return answer_caller(c);
	case SC_DO_CANCEL_B:
		if (c->outgoing)
			sip_cancel(c->outgoing);
		break;
	case SC_DO_BYE_A:
		bye(&c->a);
		break;
	case SC_DO_BYE_B:
		bye(&c->b);
		break;
	case SC_DO_REPLY_BYE:
		if (c->at_hand)
			(void)sip_reply(c->at_hand, 200, NULL, NULL);
		c->at_hand = NULL;
		break;
	case SC_DO_FORWARD_REINVITE:
		return forward_reinvite(c);
	case SC_DO_FORWARD_REFRESH:
		forward_refresh(c);
		break;
	case SC_DO_CLOSE_RELAY:
		relay_close(c->relay);
		c->relay = NULL;
		control_close(c);
		break;
	case SC_DO_ERASE:
		if (c->restored_ms)
			c->erase_late = 1; /* a second crash must find it again */
		else if (!c->storing)      /* else the end of that job takes it back */
			call_erase(c, acts->reason);
		break;
	case SC_DO_AUDIT:
		record_refusal(c, acts);
		break;
	case SC_DO_FREE:
	case SC_ACTIONS:
		break; /* call_event */
	}
	return DONE;
}

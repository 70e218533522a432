/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_client.c - requests we send and the responses to them.
 *
 * The transaction is given up by our own clocks too: the library reports a TLS failure only after 32 s, as a time-out.
 * A 2xx to an INVITE is acknowledged at once, and again for each repetition: the object stays in its dialog until the
 * dialog ends.
 */
#include "net/sip_nta.h"

#include <stdlib.h>

#include "net/sip_unread.h"

void sip_client_drop(struct sip_client_tx *tx)
{
	*tx->back = tx->next;
	if (tx->next)
		tx->next->back = tx->back;
	sip_timer_stop(tx->connect);
	sip_timer_stop(tx->bound);
	if (tx->orq)
		nta_outgoing_destroy(tx->orq);
	free(tx);
}

/* Hand a final response of our own making to the handler and forget the transaction. */
static void fail(struct sip_client_tx *tx, int status, const char *error)
{
	struct sip_message rs = {.status = status, .expires = -1, .error = error, .phrase = sip_status_phrase(status)};
	rs.method = nta_outgoing_method_name(tx->orq);
	rs.from = rs.to = rs.call_id = "";
	tx->final = 1;
	tx->dialog = NULL; /* the handler may free it */
	if (tx->on_response)
		tx->on_response(tx->ctx, tx, &rs);
	sip_client_drop(tx);
}

static void connect_late(void *arg)
{
	struct sip_client_tx *tx = arg;
	tx->connect = NULL;
	tport_t *tp = nta_outgoing_transport(tx->orq);
	int up = tp && tport_is_connected(tp);
	if (tp)
		tport_unref(tp);
	if (!up)
		fail(tx, 503, "no connection to the peer (transport or TLS failure)");
}

static void bound_late(void *arg)
{
	struct sip_client_tx *tx = arg;
	tx->bound = NULL;
	fail(tx, 408, "no final response in time");
}

static int response(struct sip_client_tx *tx, nta_outgoing_t *orq, const sip_t *sip)
{
	(void)orq;
	sip_timer_stop(tx->connect);
	tx->connect = NULL;
	int status = sip ? sip->sip_status->st_status : 408;
	if (tx->invite && status >= 200 && status < 300 && tx->dialog && sip)
		sip_dialog_answered(tx->dialog, tx, sip); /* ACK, also of a repeated 2xx */
	if (tx->final || status == 100)
		return 0;
	msg_t *msg = sip ? nta_outgoing_getresponse(tx->orq) : NULL;
	int internal = !sip || nta_sip_is_internal(sip);
	struct sip_message rs;
	if (internal || !msg || sip_body_is_cut(sip) || sip_parse(tx->port, msg, sip, &rs)) {
		if (msg)
			msg_destroy(msg);
		fail(tx, internal ? status : 503,
		     !internal       ? "response beyond our bounds"
		     : status == 408 ? "no answer in time"
				     : "transport failure");
		return 0;
	}
	if (status >= 200) {
		tx->final = 1;
		sip_timer_stop(tx->bound);
		tx->bound = NULL;
	}
	/* A 2xx to INVITE keeps its transaction in the dialog; whoever frees the dialog frees it, perhaps the handler.
	 */
	int keep = tx->invite && status >= 200 && status < 300 && tx->dialog;
	if (status >= 200 && !keep)
		tx->dialog = NULL;
	if (tx->on_response)
		tx->on_response(tx->ctx, tx, &rs);
	msg_destroy(msg);
	if (status >= 200 && !keep)
		sip_client_drop(tx);
	return 0;
}

static nta_outgoing_t *launch(struct sip_client_tx *tx, struct sip_dialog *d, const struct sip_request *rq,
			      struct sip_flow *flow, su_home_t *home)
{
	struct sip_port *p = tx->port;
	sip_method_t method = sip_method_code(rq->method);
	const char *contact = rq->with.contact;
	if (!contact && (method == sip_method_invite || method == sip_method_subscribe))
		contact = sip_own_contact(p, flow, rq->route ? rq->route : rq->uri);
	const char *extra = sip_out_headers(home, &rq->with);
	sip_payload_t *body = sip_out_payload(home, &rq->with);
	const char *from = NULL, *to = NULL, *cseq = NULL, *call_id = rq->call_id;
	if (!d) {
		from = su_sprintf(home, "<%s>;%s", rq->from, nta_agent_newtag(home, "tag=%s", p->agent));
		to = su_sprintf(home, "<%s>", rq->to);
		cseq = su_sprintf(home, "%u %s", rq->cseq ? rq->cseq : 1, rq->method);
		if (!call_id) {
			sip_call_id_t *id = sip_call_id_create(home, p->host);
			call_id = id ? id->i_id : NULL;
		}
	}
	return nta_outgoing_tcreate(
	    d ? d->leg : p->outside, response, tx, (const url_string_t *)rq->route, method, rq->method,
	    (const url_string_t *)rq->uri, TAG_IF(flow, NTATAG_TPORT(flow ? flow->tp : NULL)),
	    TAG_IF(from, SIPTAG_FROM_STR(from)), TAG_IF(to, SIPTAG_TO_STR(to)),
	    TAG_IF(call_id && !d, SIPTAG_CALL_ID_STR(call_id)), TAG_IF(cseq, SIPTAG_CSEQ_STR(cseq)),
	    TAG_IF(contact && *contact, SIPTAG_CONTACT_STR(contact)),
	    TAG_IF(body && rq->with.content_type, SIPTAG_CONTENT_TYPE_STR(rq->with.content_type)),
	    TAG_IF(extra, SIPTAG_HEADER_STR(extra)), TAG_IF(body, SIPTAG_PAYLOAD(body)), TAG_END());
}

static int uri_ok(const char *uri)
{
	return uri && *uri && !uri[strcspn(uri, "\r\n<> \t")];
}

struct sip_client_tx *sip_client_start(struct sip_port *p, struct sip_dialog *d, const struct sip_request *rq,
				       sip_response_handler *h, void *ctx)
{
	if (!sip_out_valid(&rq->with) || (rq->uri && !uri_ok(rq->uri)) || (rq->route && !uri_ok(rq->route)) ||
	    (!d && (!uri_ok(rq->uri) || !uri_ok(rq->from) || !uri_ok(rq->to))) || (rq->call_id && !uri_ok(rq->call_id)))
		return NULL;
	struct sip_client_tx *tx = calloc(1, sizeof *tx);
	if (!tx)
		return NULL;
	*tx = (struct sip_client_tx){.port = p, .dialog = d, .on_response = h, .ctx = ctx, .next = p->client_txs};
	tx->invite = strcmp(rq->method, "INVITE") == 0;
	tx->back = &p->client_txs;
	if (tx->next)
		tx->next->back = &tx->next;
	p->client_txs = tx;
	struct sip_flow *flow = rq->flow ? rq->flow : d ? d->flow : NULL;
	if (flow && !sip_flow_alive(flow))
		flow = NULL; /* then by the URI; a TLS peer is checked by its name there */
	su_home_t home[1] = {SU_HOME_INIT(home)};
	tx->orq = launch(tx, d, rq, flow, home);
	su_home_deinit(home);
	if (!tx->orq) {
		sip_client_drop(tx);
		return NULL;
	}
	tx->cseq = nta_outgoing_cseq(tx->orq);
	tport_t *tp = nta_outgoing_transport(tx->orq);
	if (!tp || tport_is_reliable(tp))
		tx->connect = sip_timer_start(p->loop, p->connect_ms, connect_late, tx);
	if (tp)
		tport_unref(tp);
	if (rq->timeout_ms)
		tx->bound = sip_timer_start(p->loop, rq->timeout_ms, bound_late, tx);
	return tx;
}

struct sip_client_tx *sip_send(struct sip_port *p, const struct sip_request *rq, sip_response_handler *h, void *ctx)
{
	return sip_client_start(p, NULL, rq, h, ctx);
}

void sip_cancel(struct sip_client_tx *tx)
{
	if (tx->invite && !tx->final)
		nta_outgoing_cancel(tx->orq);
}

void sip_abandon(struct sip_client_tx *tx)
{
	sip_client_drop(tx);
}

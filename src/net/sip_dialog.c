/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_dialog.c - dialogs (RFC 3261 12): made by an INVITE we got or sent, confirmed by its 2xx.
 *
 * A dialog keeps its flow, so that requests to a client behind a TLS connection go back over that connection. Its text
 * form holds what is needed to send a BYE after a restart, no more.
 */
#include "net/sip_nta.h"

#include <stdlib.h>

static int inside_request(void *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	(void)leg;
	struct sip_dialog *d = magic;
	sip_method_t method = sip->sip_request->rq_method;
	if (method == sip_method_ack)
		return 0;
	if (method == sip_method_cancel)
		return 481;
	if (method == sip_method_invite) /* target refresh, RFC 3261 12.2.2 */
		nta_leg_server_route(d->leg, NULL, sip->sip_contact);
	sip_request_arrived(d->port, d, irq, sip);
	return 0;
}

static struct sip_dialog *dialog_new(struct sip_port *p, const struct sip_dialog_events *ev, void *ctx)
{
	struct sip_dialog *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	*d = (struct sip_dialog){.port = p, .ev = *ev, .ctx = ctx, .next = p->dialogs, .back = &p->dialogs};
	if (d->next)
		d->next->back = &d->next;
	p->dialogs = d;
	return d;
}

void sip_dialog_free(struct sip_dialog *d)
{
	if (!d)
		return;
	*d->back = d->next;
	if (d->next)
		d->next->back = d->back;
	for (struct sip_client_tx *tx = d->port->client_txs, *next; tx; tx = next) {
		next = tx->next;
		if (tx->dialog != d)
			continue;
		tx->dialog = NULL;
		tx->on_response = NULL; /* what the handler works on may go together with the dialog */
		if (tx->final && tx->invite)
			sip_client_drop(tx);
	}
	for (struct sip_server_tx *tx = d->port->server_txs; tx; tx = tx->next)
		if (tx->dialog == d)
			tx->dialog = NULL;
	if (d->leg)
		nta_leg_destroy(d->leg);
	sip_flow_unref(d->flow);
	free(d->call_id);
	free(d->local);
	free(d->remote);
	free(d);
}

static int names(struct sip_dialog *d, const char *call_id, const char *local, const char *remote)
{
	d->call_id = strdup(call_id);
	d->local = strdup(local);
	d->remote = strdup(remote);
	return d->call_id && d->local && d->remote;
}

struct sip_dialog *sip_dialog_accept(struct sip_server_tx *tx, const struct sip_dialog_events *ev, void *ctx)
{
	struct sip_dialog *d = tx->irq ? dialog_new(tx->port, ev, ctx) : NULL;
	if (!d)
		return NULL;
	const sip_t *sip = sip_object(tx->msg);
	d->callee = d->confirmed = 1;
	d->leg = nta_leg_tcreate(tx->port->agent, inside_request, d, SIPTAG_CALL_ID(sip->sip_call_id),
				 SIPTAG_FROM(sip->sip_to), SIPTAG_TO(sip->sip_from), TAG_END());
	if (!d->leg || !names(d, tx->rq.call_id, tx->rq.to, tx->rq.from)) {
		sip_dialog_free(d);
		return NULL;
	}
	nta_leg_tag(d->leg, nta_incoming_tag(tx->irq, NULL));
	nta_leg_rtag(d->leg, sip->sip_from->a_tag);
	nta_leg_server_route(d->leg, sip->sip_record_route, sip->sip_contact);
	d->flow = sip_flow_ref(tx->flow);
	tx->dialog = d;
	return d;
}

struct sip_dialog *sip_dialog_invite(struct sip_port *p, const struct sip_request *rq, sip_response_handler *h,
				     const struct sip_dialog_events *ev, void *ctx, struct sip_client_tx **out)
{
	if (!rq->from || !rq->to || strpbrk(rq->from, "<>\r\n") || strpbrk(rq->to, "<>\r\n"))
		return NULL;
	struct sip_dialog *d = dialog_new(p, ev, ctx);
	if (!d)
		return NULL;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_call_id_t *id = sip_call_id_create(home, p->host);
	d->leg = nta_leg_tcreate(p->agent, inside_request, d, SIPTAG_CALL_ID(id),
				 SIPTAG_FROM_STR(su_sprintf(home, "<%s>", rq->from)),
				 SIPTAG_TO_STR(su_sprintf(home, "<%s>", rq->to)), TAG_END());
	struct sip_client_tx *tx = NULL;
	if (d->leg && names(d, id->i_id, rq->from, rq->to)) {
		nta_leg_tag(d->leg, NULL);
		d->flow = sip_flow_ref(rq->flow);
		tx = sip_client_start(p, d, rq, h, ctx);
	}
	su_home_deinit(home);
	if (!tx) {
		sip_dialog_free(d);
		return NULL;
	}
	if (out)
		*out = tx;
	return d;
}

struct sip_client_tx *sip_dialog_send(struct sip_dialog *d, const struct sip_request *rq, sip_response_handler *h,
				      void *ctx)
{
	if (rq->flow && !sip_flow_same(rq->flow, d->flow)) {
		sip_flow_unref(d->flow);
		d->flow = sip_flow_ref(rq->flow);
	}
	return sip_client_start(d->port, d, rq, h, ctx);
}

void sip_dialog_answered(struct sip_dialog *d, struct sip_client_tx *tx, const sip_t *sip)
{
	if (!d->confirmed) {
		nta_leg_rtag(d->leg, sip->sip_to ? sip->sip_to->a_tag : NULL);
		nta_leg_client_route(d->leg, sip->sip_record_route, sip->sip_contact);
		d->confirmed = 1;
	}
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_cseq_t *cseq = sip_cseq_create(home, tx->cseq, SIP_METHOD_ACK);
	struct sip_flow *f = sip_flow_alive(d->flow) ? d->flow : NULL;
	nta_outgoing_t *ack = nta_outgoing_tcreate(d->leg, NULL, NULL, NULL, SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
						   TAG_IF(f, NTATAG_TPORT(f ? f->tp : NULL)), TAG_END());
	if (ack)
		nta_outgoing_destroy(ack);
	su_home_deinit(home);
}

void sip_dialog_acked(struct sip_dialog *d, int ok)
{
	if (d->ev.on_ack)
		d->ev.on_ack(d->ctx, d, ok);
}

const char *sip_dialog_call_id(const struct sip_dialog *d)
{
	return d->call_id;
}

/* One item a line: Call-ID, local URI and tag, remote URI and tag, our last CSeq, remote target, route or "-". */
enum mcsec_err sip_dialog_save(const struct sip_dialog *d, char *out, size_t size)
{
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;
	nta_leg_get_route(d->leg, &route, &target);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	const char *tag = nta_leg_get_tag(d->leg), *rtag = nta_leg_get_rtag(d->leg);
	int n = snprintf(out, size, "%s\n%s\n%s\n%s\n%s\n%u\n%s\n%s\n", d->call_id, d->local, tag ? tag : "-",
			 d->remote, rtag ? rtag : "-", nta_leg_get_seq(d->leg),
			 target ? url_as_string(home, target->m_url) : d->remote,
			 route ? sip_header_text(home, (const sip_header_t *)route) : "-");
	su_home_deinit(home);
	return n > 0 && (size_t)n < size ? MCSEC_OK : MCSEC_E_NO_SPACE;
}

struct sip_dialog *sip_dialog_restore(struct sip_port *p, const char *saved, const struct sip_dialog_events *ev,
				      void *ctx)
{
	char *copy = strdup(saved), *line[8], *at = copy;
	size_t n = 0;
	while (copy && n < 8) {
		line[n] = strsep(&at, "\n");
		if (!line[n] || !*line[n])
			break;
		n++;
	}
	struct sip_dialog *d = n == 8 ? dialog_new(p, ev, ctx) : NULL;
	if (!d) {
		free(copy);
		return NULL;
	}
	su_home_t home[1] = {SU_HOME_INIT(home)};
	d->confirmed = 1;
	sip_cseq_t *seq = sip_cseq_create(home, (uint32_t)strtoul(line[5], NULL, 10), SIP_METHOD_INVITE);
	d->leg = nta_leg_tcreate(p->agent, inside_request, d, SIPTAG_CALL_ID_STR(line[0]), SIPTAG_CSEQ(seq),
				 SIPTAG_FROM_STR(su_sprintf(home, "<%s>", line[1])),
				 SIPTAG_TO_STR(su_sprintf(home, "<%s>", line[3])), TAG_END());
	sip_contact_t *target = sip_contact_make(home, su_sprintf(home, "<%s>", line[6]));
	sip_record_route_t *route = strcmp(line[7], "-") ? sip_record_route_make(home, line[7]) : NULL;
	int ok = d->leg && target && names(d, line[0], line[1], line[3]);
	if (ok) {
		nta_leg_tag(d->leg, line[2]);
		nta_leg_rtag(d->leg, line[4]);
		/* As callee's order: the saved route set is the way to go, not the way it was recorded. */
		nta_leg_server_route(d->leg, route, target);
	}
	su_home_deinit(home);
	free(copy);
	if (!ok) {
		sip_dialog_free(d);
		return NULL;
	}
	return d;
}

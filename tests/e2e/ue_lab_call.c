/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_lab_call.c - see ue_lab.h: a back-to-back user agent of a few lines. One call at a time; offer and answer are
 * handed on as they are unless a hook changes them.
 */
#include "ue_lab_in.h"

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/multipart.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/doc/sdp.h"

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);
const struct sip_dialog_events lab_dialog_events = {.on_request = in_dialog};

size_t lab_invite_body(enum mcx_service service, const char *sdp, size_t sdp_len, const char *calling,
		       const char *called, uint8_t *out, size_t size)
{
	static struct mcptt_info info;
	static uint8_t xml[4096];
	memset(&info, 0, sizeof info);
	snprintf(info.session_type, sizeof info.session_type, "private");
	info.calling_user_id.form = info.called_party_id.form = MCPTT_PLAIN;
	snprintf(info.calling_user_id.value, sizeof info.calling_user_id.value, "%s", calling);
	snprintf(info.called_party_id.value, sizeof info.called_party_id.value, "%s", called);
	struct writer x = wr_init(xml, sizeof xml), w = wr_init(out, size);
	mcx_info_write(&x, service, &info);
	const struct body_out parts[] = {{mcx_services[service].info_type, NULL, wr_result(&x), 0},
					 {TYPE_SDP, NULL, {(const uint8_t *)sdp, sdp_len}, 0}};
	multipart_write(&w, "b0undary", parts, 2);
	return wr_len(&w);
}

struct sip_request lab_invite_to(enum mcx_service service, const struct registered *c, const char *from,
				 struct octets body)
{
	static struct sip_header asserted[MCX_SERVICES];
	asserted[service] = (struct sip_header){"P-Asserted-Service", mcx_services[service].icsi};
	return (struct sip_request){.method = "INVITE",
				    .uri = c->contact,
				    .from = from,
				    .to = c->impu,
				    .flow = c->flow,
				    .with = {.n_headers = service != MCX_MCPTT, /* MCPTT is what nothing says */
					     .headers = &asserted[service],
					     .content_type = "multipart/mixed;boundary=b0undary",
					     .body = body}};
}

static void on_forward_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct lab *l = ctx;
	static char text[TEXT];
	(void)tx;
	if (rs->status < 200 || !l->invite)
		return;
	struct sip_server_tx *invite = l->invite;
	l->invite = NULL;
	l->forwarded = NULL;
	if (rs->status >= 300) {
		const char *warning = sip_header_at(rs, "Warning", 0);
		struct sip_header h[] = {{"Warning", warning}};
		sip_reply(invite, rs->status, NULL,
			  &(struct sip_out){.n_headers = warning != NULL,
					    .headers = h,
					    .content_type = rs->content_type,
					    .body = rs->body});
		sip_dialog_free(l->b);
		l->b = NULL;
		return;
	}
	size_t len = rs->body.len < TEXT ? rs->body.len : 0;
	memcpy(text, rs->body.p, len);
	if (l->hooks.answer)
		l->hooks.answer(l->hooks.ctx, text, &len, TEXT);
	l->a = sip_dialog_accept(invite, &lab_dialog_events, l);
	sip_reply(invite, 200, NULL, &(struct sip_out){.content_type = TYPE_SDP, .body = {(const uint8_t *)text, len}});
}

static void on_forward_cancel(void *ctx, struct sip_server_tx *tx)
{
	struct lab *l = ctx;
	l->invite = NULL;
	sip_cancel(l->forwarded);
	sip_reply(tx, 487, NULL, NULL);
}

void lab_on_invite(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	static struct multipart parts;
	static struct resource_lists lists;
	static uint8_t scratch[MULTIPART_MAX_BODY], body[TEXT];
	static char text[TEXT];
	if (multipart_read(rq->content_type, rq->body, scratch, sizeof scratch, &parts, NULL) ||
	    !multipart_find(&parts, TYPE_RESOURCE_LIST, NULL) || !multipart_find(&parts, TYPE_SDP, NULL) ||
	    resource_lists_read(multipart_find(&parts, TYPE_RESOURCE_LIST, NULL)->body, &lists, NULL) || lists.n != 1) {
		sip_reply(tx, 400, NULL, NULL);
		return;
	}
	struct registered *c = lab_find(l, lists.uri[0]);
	if (!c || l->invite) {
		sip_reply(tx, c ? 486 : 404, NULL, NULL);
		return;
	}
	struct octets sdp = multipart_find(&parts, TYPE_SDP, NULL)->body;
	size_t len = sdp.len < TEXT ? sdp.len : 0;
	memcpy(text, sdp.p, len);
	if (l->hooks.offer)
		l->hooks.offer(l->hooks.ctx, text, &len, TEXT);
	const char *icsi = sip_header_at(rq, "P-Preferred-Service", 0);
	enum mcx_service service = icsi ? mcx_service_of(icsi) : MCX_MCPTT;
	size_t n = lab_invite_body(service, text, len, rq->from, c->impu, body, sizeof body);
	struct sip_request out = lab_invite_to(service, c, rq->from, (struct octets){body, n});
	l->invite = tx;
	sip_tx_on_cancel(tx, on_forward_cancel, l);
	l->b = sip_dialog_invite(l->port, &out, on_forward_answer, &lab_dialog_events, l, &l->forwarded);
	if (!l->b) {
		l->invite = NULL;
		sip_reply(tx, 503, NULL, NULL);
	}
}

struct ending {
	struct lab *l;
	struct sip_dialog *d;
};

static void on_bye_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct ending *e = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	sip_dialog_free(e->d);
	free(e);
}

void lab_send_bye(struct lab *l, struct sip_dialog **d)
{
	struct ending *e = malloc(sizeof *e);
	*e = (struct ending){l, *d};
	*d = NULL;
	if (!e->d ||
	    !sip_dialog_send(e->d, &(struct sip_request){.method = "BYE", .timeout_ms = 5000}, on_bye_answer, e)) {
		sip_dialog_free(e->d);
		free(e);
	}
}

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct lab *l = ctx;
	int bye = !strcmp(rq->method, "BYE"), from_a = l->a && !strcmp(rq->call_id, sip_dialog_call_id(l->a));
	l->byes += bye;
	sip_reply(tx, bye ? 200 : 405, NULL, NULL);
	if (!bye)
		return;
	struct sip_dialog **same = from_a ? &l->a : &l->b, **other = from_a ? &l->b : &l->a;
	if (l->own_dialog && !strcmp(rq->call_id, sip_dialog_call_id(l->own_dialog))) {
		sip_dialog_free(l->own_dialog);
		l->own_dialog = NULL;
		return;
	}
	sip_dialog_free(*same);
	*same = NULL;
	if (*other)
		lab_send_bye(l, other);
}

int lab_byes(struct lab *l)
{
	return l->byes;
}

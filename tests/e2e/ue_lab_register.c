/* SPDX-License-Identifier: Apache-2.0 */
/* ue_lab_register.c - see ue_lab.h: who comes and is let in, what was uploaded, and refusals to order. */
#include "ue_lab_in.h"

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/multipart.h"

struct registered *lab_find(struct lab *l, const char *impu)
{
	for (size_t i = 0; i < l->n_clients; i++)
		if (!strcmp(l->clients[i].impu, impu))
			return &l->clients[i];
	return NULL;
}

static void copy_header(char *out, size_t size, const struct sip_message *rq, const char *name)
{
	const char *value = sip_header_at(rq, name, 0);
	snprintf(out, size, "%s", value ? value : "");
}

static void read_register(struct lab *l, const struct sip_message *rq)
{
	static struct multipart parts;
	static struct mcptt_info info;
	static uint8_t scratch[MULTIPART_MAX_BODY];
	const char *user = rq->from, *const us = LAB_PSI;
	copy_header(l->last.event, sizeof l->last.event, rq, "Event");
	copy_header(l->last.expires, sizeof l->last.expires, rq, "Expires");
	copy_header(l->last.service, sizeof l->last.service, rq, "P-Preferred-Service");
	copy_header(l->last.accept, sizeof l->last.accept, rq, "Accept-Contact");
	l->last.uploads = rq->content_type != NULL;
	if (!rq->content_type || multipart_read(rq->content_type, rq->body, scratch, sizeof scratch, &parts, NULL))
		return;
	const struct body_part *mikey = multipart_find(&parts, TYPE_MIKEY, NULL);
	const struct body_part *xml = multipart_find(&parts, TYPE_MCPTT_INFO, NULL);
	const struct body_part *settings = multipart_find(&parts, TYPE_POC_SETTINGS, NULL);
	l->last.csk_opened = 0;
	l->last.answer = POC_ANSWER_NONE;
	if (settings)
		(void)poc_settings_read(settings->body, &l->last.answer, NULL);
	if (xml && !mcptt_info_read(xml->body, &info, NULL)) {
		snprintf(l->last.token, sizeof l->last.token, "%.255s", info.access_token.value);
		snprintf(l->last.client_id, sizeof l->last.client_id, "%.63s", info.client_id.value);
	}
	struct mcsec_im_expect expect = {.now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX,
					 .tags = MCSEC_TAG_BIT(MCSEC_CSK),
					 .initiators = &user,
					 .n_initiators = 1,
					 .selves = &us,
					 .n_selves = 1};
	struct mcsec_im *im = NULL;
	struct mcsec_fault fault;
	if (mikey && !mcsec_im_open(&l->book, &expect, mikey->body.p, mikey->body.len, &im, &fault)) {
		l->last.csk_opened = 1;
		l->last.csk_id = im->k_id;
		l->last.time = im->time;
	}
	struct mcsec_im_peek peek;
	if (mikey && !mcsec_im_peek(mikey->body.p, mikey->body.len, &peek, &fault)) {
		l->last.algs = peek.algs;
		l->last.initiator_hidden = peek.initiator_hidden;
		l->last.responder_hidden = peek.responder_hidden;
		l->last.to_self = peek.to_self;
		l->last.csb_id = peek.csb_id;
		snprintf(l->last.receiver_kms, sizeof l->last.receiver_kms, "%.*s", (int)peek.responder_kms.len,
			 (const char *)peek.responder_kms.p);
	}
	mcsec_im_free(im);
}

/* Tests set and read on their thread what the server's loop reads and sets: refusals, what came last. */
static pthread_mutex_t told = PTHREAD_MUTEX_INITIALIZER;

/* The next refusal of this method, if one is left. */
static int take_refusal(struct lab *l, const char *method, struct refusal *out)
{
	int found = 0;
	pthread_mutex_lock(&told);
	for (size_t i = 0; i < sizeof l->refusals / sizeof *l->refusals && !found; i++) {
		struct refusal *r = &l->refusals[i];
		if (!r->n || strcmp(r->method, method) != 0)
			continue;
		r->n--;
		*out = *r;
		found = 1;
	}
	pthread_mutex_unlock(&told);
	return found;
}

int lab_refused(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	static uint8_t text[64 * 1024];
	struct refusal r;
	if (!take_refusal(l, rq->method, &r))
		return 0;
	struct sip_header warning[] = {{"Warning", r.warning}};
	struct sip_out with = {.n_headers = r.warning[0] != 0, .headers = warning};
	if (r.redirect) {
		with.content_type = TYPE_KRR;
		with.body = (struct octets){text, r.redirect(r.ctx, &l->last, text, sizeof text)};
	}
	sip_reply(tx, r.status, NULL, &with);
	return 1;
}

static void take_note(struct lab *l, const struct sip_message *rq)
{
	pthread_mutex_lock(&told);
	read_register(l, rq);
	pthread_mutex_unlock(&told);
}

/* The core lets nobody publish who is not registered; here both are one. */
void lab_on_publish(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	take_note(l, rq);
	l->publishes++;
	if (lab_refused(l, tx, rq))
		return;
	struct sip_header expires[] = {{"Expires", "3600"}, {"SIP-ETag", "e1"}};
	sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 2, .headers = expires});
}

void lab_on_register(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	take_note(l, rq);
	l->registers++;
	if (lab_refused(l, tx, rq))
		return;
	struct registered *c = lab_find(l, rq->to);
	if (!c && l->n_clients < IDENTITIES)
		c = &l->clients[l->n_clients++];
	if (c && rq->n_contacts && rq->expires != 0) {
		snprintf(c->impu, sizeof c->impu, "%s", rq->to);
		snprintf(c->contact, sizeof c->contact, "%s", rq->contacts[0].uri);
		sip_flow_unref(c->flow);
		c->flow = sip_flow_of(tx);
	}
	struct sip_header expires[] = {{"Expires", "600"}};
	sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 1, .headers = expires});
}

struct lab_register lab_last_register(struct lab *l)
{
	pthread_mutex_lock(&told);
	struct lab_register last = l->last;
	pthread_mutex_unlock(&told);
	return last;
}

/* From a client that is registered: this is the way to it now. */
void lab_on_options(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct registered *c = lab_find(l, rq->from);
	l->options++;
	if (lab_refused(l, tx, rq))
		return;
	if (c && rq->n_contacts && !strcmp(c->contact, rq->contacts[0].uri)) {
		sip_flow_unref(c->flow);
		c->flow = sip_flow_of(tx);
	}
	sip_reply(tx, 200, NULL, NULL);
}

void lab_refuse(struct lab *l, const char *method, int n, int status, const char *warning)
{
	size_t i = 0;
	pthread_mutex_lock(&told);
	while (l->refusals[i].method && strcmp(l->refusals[i].method, method) != 0)
		i++;
	struct refusal *r = &l->refusals[i];
	r->redirect = NULL;
	snprintf(r->warning, sizeof r->warning, "%s", warning ? warning : "");
	r->method = method;
	r->status = status;
	r->n = n;
	pthread_mutex_unlock(&told);
}

void lab_redirect_with(struct lab *l, const char *method, int n, lab_redirect *write, void *ctx)
{
	lab_refuse(l, method, 0, 488, NULL);
	pthread_mutex_lock(&told);
	for (size_t i = 0; i < sizeof l->refusals / sizeof *l->refusals; i++) {
		struct refusal *r = &l->refusals[i];
		if (!r->method || strcmp(r->method, method) != 0)
			continue;
		r->redirect = write;
		r->ctx = ctx;
		r->n = n;
	}
	pthread_mutex_unlock(&told);
}

void lab_refuse_registers(struct lab *l, int n, int status, const char *warning)
{
	lab_refuse(l, "REGISTER", n, status, warning);
}

unsigned lab_registers(struct lab *l)
{
	return l->registers;
}

unsigned lab_publishes(struct lab *l)
{
	return l->publishes;
}

unsigned lab_options(struct lab *l)
{
	return l->options;
}

uint16_t lab_port_of(struct lab *l, const char *impu)
{
	const struct registered *c = lab_find(l, impu);
	const char *port = c ? strrchr(c->contact, ':') : NULL;
	assert_non_null(port);
	return (uint16_t)atoi(port + 1);
}

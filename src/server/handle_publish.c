/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_publish.c - SIP PUBLISH of service settings (24.379 7.3.3 to 7.3.5; sip 2.7): with an access token it is
 * service authorisation and goes the way of a REGISTER (handle_register.c); without one it sets the answer mode of a
 * client that is bound; with Expires 0 it ends the authorisation.
 */
#include <stdlib.h>
#include <strings.h>

#include "app/log.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"
#include "server/body.h"
#include "server/download.h"
#include "server/register.h"
#include "server/third_party.h"
#include "server/xml.h"

#define EVENT "poc-settings"

/* SIP-ETag of what a client has published (RFC 3903). */
static void publish_etag(const struct db_binding *b, char out[40])
{
	snprintf(out, 40, "%llx-%llx", (unsigned long long)b->id, (unsigned long long)b->authorised_at);
}

/* ---- settings alone (7.3.4) ---- */

struct setting {
	struct work work; /* first */
	struct sip_server_tx *tx;
	struct db_user user;
	struct db_binding row;
	int failed;
};

static void run_setting(struct work *w, struct db *d)
{
	struct setting *p = (struct setting *)w;
	p->failed = !d || db_put_user(d, &p->user, p->user.mcptt_id) != STORE_OK;
}

static void accept_publish(struct sip_server_tx *tx, const struct db_binding *row)
{
	char etag[40], expires[24];
	publish_etag(row, etag);
	snprintf(expires, sizeof expires, "%lld", (long long)(row->expires - db_now()));
	const struct sip_header h[] = {{"Expires", expires}, {"SIP-ETag", etag}};
	(void)sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = 2, .headers = h});
}

static void done_setting(struct work *w)
{
	struct setting *p = (struct setting *)w;
	if (p->failed) {
		server_refuse(w->s, p->tx, 503, WARN_NONE, NULL);
	} else {
		(void)users_put(w->s->bindings, &p->user);
		accept_publish(p->tx, &p->row);
	}
	free(p);
}

static void store_setting(struct server *s, struct sip_server_tx *tx, const struct binding *b, enum poc_answer answer)
{
	const struct db_user *u = users_find(s->bindings, b->row.mcptt_id);
	/* Nothing of it is ours to keep, or it is of a service without calls here. */
	if (!u || answer == POC_ANSWER_NONE || b->row.service != MCX_MCPTT) {
		accept_publish(tx, &b->row);
		return;
	}
	struct setting *p = calloc(1, sizeof *p);
	if (p) {
		*p = (struct setting){.work = {s, run_setting, done_setting}, .tx = tx, .user = *u, .row = b->row};
		db_copy(p->user.answer_mode, sizeof p->user.answer_mode,
			answer == POC_ANSWER_AUTOMATIC ? "automatic" : "manual");
		if (server_change(&p->work) == 0)
			return;
	}
	free(p);
	server_refuse(s, tx, 503, WARN_NONE, NULL);
}

/* Who sent it is told by the key that opens it; the client id inside must agree. The status, or 0 to go on. */
static int open_settings(struct server *s, struct body *body, enum mcx_service service, struct binding *const *who,
			 size_t n, struct binding **by, int *warning)
{
	struct bound_keys *keys = bound_keys_new(s, who, n);
	struct xml_keys list = bound_keys_list(keys);
	struct xml_policy policy = server_xml_policy(s->cfg);
	struct xml_opened opened;
	int same = 1;
	enum body_verdict v = body_unprotect(body, &policy, &list, &opened);
	const struct mcptt_info *info = body_info(body, service);
	const char *client = info && info->client_id.form == MCPTT_PLAIN ? info->client_id.value : "";
	*by = identity_binding(who, n, client, &same);
	if (v == BODY_OPENED && opened.protected)
		same &= *by == bound_keys_owner(keys, opened.key_id) && !binding_replayed(*by, &opened);
	bound_keys_free(keys);
	if (v == BODY_OPENED && same && *by && download_holds(s, &(*by)->row)) {
		*warning = WARN_NONE;
		return 500; /* its key waits for the one of a key download */
	}
	*warning = v == BODY_FORGED ? WARN_INTEGRITY : WARN_DECRYPT;
	if (v == BODY_OPENED && same)
		return 0;
	log_warn("xml.refuse", log_text("why", v == BODY_OPENED ? "another client, or seen before" : opened.why));
	return 403;
}

/* By the ICSI of the request, else by the document; MCPTT where neither says it. */
static enum mcx_service settings_of(const struct sip_message *rq, const struct body *body)
{
	enum mcx_service by_name = server_service_of(rq);
	for (int i = 0; i < MCX_SERVICES && by_name == MCX_SERVICES; i++)
		if (body_info(body, (enum mcx_service)i))
			by_name = (enum mcx_service)i;
	return by_name == MCX_SERVICES ? MCX_MCPTT : by_name;
}

static void settings_only(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq, struct body *body)
{
	struct binding *who[CLIENTS_MAX], *b = NULL;
	enum mcx_service service = settings_of(rq, body);
	size_t n = identity_bindings_of(s, rq, service, who, CLIENTS_MAX);
	int warning = WARN_UNKNOWN_USER, status = MCX_FAULT(publish.unbound, n == 0) ? 404 : 0;
	if (!status && n)
		status = open_settings(s, body, service, who, n, &b, &warning);
	if (!status && (!b || !body->has_settings))
		status = 400, warning = WARN_NONE;
	if (status)
		server_refuse(s, tx, status, warning, NULL);
	else
		store_setting(s, tx, b, body->answer);
}

/* ---- where the client is ---- */

/* Its registration: the one over this connection, else the only one of this peer; past a core the core knows the way.
 */
static int contact_of(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq, const char *impu,
		      char *out, size_t size)
{
	char peer[DB_PEER];
	struct sip_flow *flow = sip_flow_of(tx);
	struct binding *b = NULL;
	size_t n = 0;
	*out = 0;
	if (s->cfg->core.n) {
		sip_flow_unref(flow);
		if (rq->n_contacts == 1)
			return third_party_contact(impu, &rq->contacts[0], out, size) == MCSEC_OK;
		db_copy(out, size, impu);
		return 1;
	}
	identity_peer(rq, peer, sizeof peer);
	while ((b = bindings_of_impu(s->bindings, impu, b))) {
		if (strcmp(b->row.peer, peer) != 0 || b->row.expires <= db_now())
			continue;
		int same = flow && b->flow && sip_flow_same(flow, b->flow);
		if (same || n++ == 0)
			db_copy(out, size, b->row.contact);
		if (same)
			break;
	}
	sip_flow_unref(flow);
	return *out != 0;
}

/* SIP-If-Match names what is to be changed (RFC 3903 6): 412 where there is no such thing. */
static int matches(struct server *s, const char *impu, const char *wanted)
{
	char etag[40];
	struct binding *b = NULL;
	while (wanted && (b = bindings_of_impu(s->bindings, impu, b))) {
		publish_etag(&b->row, etag);
		if (strcmp(etag, wanted) == 0)
			return 1;
	}
	return !wanted;
}

static int has_token(const struct body *b)
{
	for (int i = 0; i < MCX_SERVICES; i++) {
		const struct mcptt_info *info = body_info(b, (enum mcx_service)i);
		if (info && info->access_token.form != MCPTT_ABSENT)
			return 1;
	}
	return 0;
}

void handle_publish(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	char impu[DB_URI], contact[DB_URI];
	const char *event = sip_header_at(rq, "Event", 0);
	struct body body;
	identity_impu(s, rq, impu, sizeof impu);
	if (MCX_FAULT(publish.event, !event || strncasecmp(event, EVENT, strlen(EVENT)) != 0 ||
					 strchr(" ;", event[strlen(EVENT)]) == NULL)) {
		struct sip_header h = {"Allow-Events", EVENT};
		(void)sip_reply(tx, 489, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
		return;
	}
	if (MCX_FAULT(publish.unproven, !*impu)) {
		server_refuse(s, tx, 403, WARN_NONE, NULL);
		return;
	}
	if (MCX_FAULT(publish.etag, !matches(s, impu, sip_header_at(rq, "SIP-If-Match", 0)))) {
		(void)sip_reply(tx, 412, NULL, NULL);
		return;
	}
	enum body_kind kind = body_read(rq, &body);
	int settings = kind == BODY_READ && rq->expires != 0 && !has_token(&body) && !body.mikey.p;
	if (MCX_FAULT(publish.broken, kind == BODY_BROKEN))
		server_refuse(s, tx, 400, WARN_NONE, NULL);
	else if (settings)
		settings_only(s, tx, rq, &body);
	else if (MCX_FAULT(publish.no_contact, !contact_of(s, tx, rq, impu, contact, sizeof contact)))
		server_refuse(s, tx, 404, WARN_UNKNOWN_USER, NULL);
	else
		register_by_publish(s, tx, rq, impu, contact);
	body_free(&body);
}

void publish_granted(const struct attempt *a, struct sip_server_tx *tx)
{
	char etag[40], expires[24];
	int64_t left = a->storing == SA_DO_REMOVE || !a->storing ? 0 : a->row.expires - db_now();
	publish_etag(a->change.n ? &a->change.rows[0] : &a->row, etag);
	snprintf(expires, sizeof expires, "%lld", (long long)(left > 0 ? left : 0));
	const struct sip_header h[] = {{"Expires", expires}, {"SIP-ETag", etag}};
	(void)sip_reply(tx, 200, NULL, &(struct sip_out){.n_headers = left > 0 ? 2 : 1, .headers = h});
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_facts.c - what a REGISTER says and what proves it: contact, expiry, bodies, and the bindings that it is
 * about (sip 2.5). Nothing is decided here, and nothing changed but the attempt at hand.
 */
#include "sec/base/check.h"
#include "server/register.h"

#include <strings.h>

/* Of contacts that are GRUUs the parameter decides. */
int same_contact(const char *a, const char *b)
{
	return strstr(a, ";gr=") || strstr(b, ";gr=") ? strcmp(a, b) == 0 : sip_uri_equal(a, b);
}

/*
 * One client: by its id; while one of the ids is still encrypted, by the contact it registers. Without a contact it is
 * about all clients of the user.
 */
int same_client(const struct db_binding *a, const struct db_binding *b)
{
	if (strcmp(a->impu, b->impu) != 0)
		return 0;
	if (*a->client_id && *b->client_id)
		return strcmp(a->client_id, b->client_id) == 0;
	return !*a->contact || !*b->contact || same_contact(a->contact, b->contact);
}

/* The services that a Contact offers, of those that are served. */
static unsigned offered(const struct server *s, const char *params)
{
	unsigned set = 0;
	for (int i = 0; i < MCX_SERVICES; i++)
		for (const char *const *tag = mcx_services[i].features; *tag; tag++)
			if (sip_feature(params, *tag, NULL))
				set |= 1u << i;
	return set & server_services(s->cfg);
}

static int read_contact(struct attempt *a, const struct sip_message *rq, struct sa_event *ev)
{
	int64_t max = a->work.s->cfg->expires_max;
	ev->expires = rq->expires;
	if (rq->contact_star)
		return rq->n_contacts == 0 && rq->expires == 0;
	if (rq->n_contacts != 1)
		return 0;
	const struct sip_contact *c = &rq->contacts[0];
	if (c->expires >= 0)
		ev->expires = c->expires;
	if (ev->expires < 0 || ev->expires > max)
		ev->expires = max;
	a->tags = offered(a->work.s, c->params);
	ev->tags = a->tags != 0;
	struct writer w = wr_init((uint8_t *)a->contact_params, sizeof a->contact_params - 1);
	mcx_services_tags(&w, a->tags);
	a->contact_params[wr_len(&w)] = 0;
	db_copy(a->row.contact, sizeof a->row.contact, c->uri);
	return strlen(c->uri) < sizeof a->row.contact &&
	       (strncasecmp(c->uri, "sip:", 4) == 0 || strncasecmp(c->uri, "sips:", 5) == 0);
}

static int read_body(struct attempt *a, const struct sip_message *rq, struct sa_event *ev)
{
	enum body_kind kind = body_read(rq, &a->body);
	int no_client = 0;
	metric_add(&a->work.s->metrics[M_READ_XML], a->body.xml_read);
	ev->mikey = a->body.mikey.p != NULL;
	if (kind == BODY_BROKEN)
		return SA_BODY_BROKEN;
	ev->token = 1;
	for (int s = MCX_SERVICES - 1; s >= 0; s--) {
		const struct mcptt_info *info = body_info(&a->body, (enum mcx_service)s);
		if (!info || !(server_services(a->work.s->cfg) >> s & 1))
			continue;
		a->services |= 1u << s;
		ev->token &= info->access_token.form != MCPTT_ABSENT;
		no_client |= info->access_token.form != MCPTT_ABSENT && info->client_id.form == MCPTT_ABSENT;
		if (info->client_id.form == MCPTT_PLAIN)
			db_copy(a->row.client_id, sizeof a->row.client_id, info->client_id.value);
	}
	ev->token &= a->services != 0;
	if (!a->services && !ev->mikey)
		return SA_BODY_NONE;
	return no_client ? SA_BODY_BROKEN : SA_BODY_MC; /* a token without a client id cannot become a binding */
}

/* The bindings this REGISTER is about; the first decides the machine's state. */
static void find_bindings(struct attempt *a, const struct sip_message *rq, enum sa_body body)
{
	struct server *s = a->work.s;
	struct binding *b = NULL;
	while ((b = bindings_of_impu(s->bindings, a->row.impu, b)) && a->n_ids < DB_MAX_REMOVE) {
		int mine = body == SA_BODY_MC ? same_client(&b->row, &a->row)
			   : rq->contact_star ? a->by_core || strcmp(b->row.peer, a->row.peer) == 0
					      : same_contact(b->row.contact, a->row.contact);
		if (mine && (!a->publish || a->services >> b->row.service & 1))
			a->ids[a->n_ids++] = b->row.id;
	}
}

/* ---- by a SIP core (third_party.h) ---- */

/* The client's own REGISTER: who it is and what it brings. Its Expires counts where it is 0; else the core's does. */
static void read_client(struct attempt *a, struct sa_event *ev)
{
	const struct sip_message *client = a->third.client;
	int64_t granted = ev->expires;
	ev->contact = read_contact(a, client, ev);
	if (client->n_contacts &&
	    third_party_contact(a->row.impu, &client->contacts[0], a->row.contact, sizeof a->row.contact) != MCSEC_OK)
		ev->contact = 0;
	if (ev->expires)
		ev->expires = granted;
	ev->body = (enum sa_body)read_body(a, client, ev);
	find_bindings(a, client, ev->body);
}

/* The core alone: the user is not registered any more, on no device. */
static void read_alone(struct attempt *a, struct sa_event *ev)
{
	struct binding *b = NULL;
	ev->contact = 1;
	while (ev->expires == 0 && a->n_ids < DB_MAX_REMOVE &&
	       (b = bindings_of_impu(a->work.s->bindings, a->row.impu, b)))
		a->ids[a->n_ids++] = b->row.id;
}

static int64_t granted_by_core(const struct server *s, const struct sip_message *rq)
{
	int64_t granted = rq->n_contacts == 1 && rq->contacts[0].expires >= 0 ? rq->contacts[0].expires : rq->expires;
	return granted < 0 || granted > s->cfg->expires_max ? s->cfg->expires_max : granted;
}

void facts_by_core(struct attempt *a, const struct sip_message *rq, struct sa_event *ev)
{
	struct server *s = a->work.s;
	*ev = (struct sa_event){.kind = SA_EV_REGISTER, .allowed = 1, .by_core = 1, .expires = granted_by_core(s, rq)};
	a->by_core = 1;
	a->end_reason = "left";
	ev->proven = identity_canonical(rq->to, a->row.impu, sizeof a->row.impu) == MCSEC_OK;
	identity_peer(rq, a->row.peer, sizeof a->row.peer);
	third_party_read(rq, &a->third);
	if (a->third.kind == THIRD_PARTY_CLIENT)
		read_client(a, ev);
	else if (a->third.kind == THIRD_PARTY_ALONE)
		read_alone(a, ev);
	else
		a->detail = a->third.why; /* no contact: the machine finds it broken */
	a->row.expires = db_now() + ev->expires;
}

/* ---- by the client itself ---- */

void facts_by_client(struct attempt *a, const struct sip_message *rq, struct sa_event *ev)
{
	struct server *s = a->work.s;
	*ev = (struct sa_event){.kind = SA_EV_REGISTER, .min_expires = s->cfg->expires_min};
	ev->allowed = server_lists(&s->cfg->register_over, sip_transport_name(rq->source.transport),
				   rq->source.transport == SIP_TLS);
	ev->proven =
	    sip_uri_equal(rq->from, rq->to) && identity_prove(s, rq, rq->to, a->row.impu, sizeof a->row.impu) == 0;
	identity_peer(rq, a->row.peer, sizeof a->row.peer);
	ev->contact = read_contact(a, rq, ev);
	a->row.expires = db_now() + ev->expires;
	a->end_reason = "left";
	if (ev->allowed && ev->proven) {
		ev->body = (enum sa_body)read_body(a, rq, ev);
		find_bindings(a, rq, ev->body);
	}
}

/* ---- by PUBLISH (handle_publish.c) ---- */

/* What is published, by the ICSI of the request where no document says it; else all. */
static unsigned published(const struct sip_message *rq)
{
	enum mcx_service s = server_service_of(rq);
	return s < MCX_SERVICES ? 1u << s : (1u << MCX_SERVICES) - 1;
}

void facts_by_publish(struct attempt *a, const struct sip_message *rq, struct sa_event *ev)
{
	int64_t max = a->work.s->cfg->expires_max;
	*ev = (struct sa_event){.kind = SA_EV_REGISTER, .allowed = 1, .proven = 1, .contact = 1, .tags = 1};
	a->publish = 1;
	a->end_reason = "left";
	identity_peer(rq, a->row.peer, sizeof a->row.peer);
	ev->min_expires = a->work.s->cfg->expires_min;
	ev->expires = rq->expires < 0 || rq->expires > max ? max : rq->expires;
	a->row.expires = db_now() + ev->expires;
	ev->body = (enum sa_body)read_body(a, rq, ev);
	if (!a->services)
		a->services = published(rq) & server_services(a->work.s->cfg);
	if (ev->expires && (ev->body == SA_BODY_NONE || !a->body.has_settings))
		ev->body = SA_BODY_BROKEN; /* 7.3.3 wants all three */
	find_bindings(a, rq, ev->expires ? ev->body : SA_BODY_NONE);
}

/* The answer mode of a user we know, who is called by MCPTT; whom an officer has not added gets no profile by
 * publishing. */
void facts_settings(struct attempt *a)
{
	static const char *const modes[] = {"", "automatic", "manual"};
	const struct db_user *u = users_find(a->work.s->bindings, a->uploads[MCX_MCPTT].mcptt_id);
	if (!a->publish || !u || a->body.answer == POC_ANSWER_NONE || !strcmp(u->answer_mode, modes[a->body.answer]))
		return;
	a->has_settings = 1;
	a->settings = *u;
	db_copy(a->settings.answer_mode, sizeof a->settings.answer_mode, modes[a->body.answer]);
}

int facts_suite(struct attempt *a, const struct mcsec_im *im, int *force)
{
	const struct suite_list *allowed = server_book_suites(a->book);
	a->row.wanted = a->row.suite = suite_uploaded(&im->algs, &a->row.offered);
	uint16_t chosen = suite_choose(a->row.wanted, &a->row.offered, allowed);
	*force = chosen != a->row.wanted;
	/* A key download is for deployments that protect (7.3.7): elsewhere nothing can be forced. */
	return MCX_CHECK(alg.suite, chosen && (!*force || a->work.s->cfg->xml_confidentiality));
}

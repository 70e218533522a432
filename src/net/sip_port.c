/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_port.c - the agent with its listeners, and the server side of transactions.
 *
 * A server transaction object lives from the request's arrival to our final response; one of an INVITE answered 2xx
 * stays until the ACK or its time-out, because the library repeats the 2xx as long as its own object lives. Default of
 * the library is no TLS verification at all: each listener is given the policy explicitly.
 */
#include "net/sip_nta.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>

#include "net/sip_tls_free.h"
#include "net/sip_unread.h"
#include "sec/base/check.h"

enum { SWEEP_MS = 1000 };

static void silent(void *stream, char const *fmt, va_list ap)
{
	(void)stream, (void)fmt, (void)ap;
}

static void prepare_library(void)
{
	su_log_redirect(NULL, silent, NULL);
	/* Without this, P-Asserted-Identity and its kin are unknown headers. Before the first agent. */
	sip_update_default_mclass(sip_extend_mclass(NULL));
	(void)sip_tls_free_wanted(); /* links the remedies in */
	sip_unread_wanted();
}

void sip_library_prepare(void)
{
	static pthread_once_t done = PTHREAD_ONCE_INIT;
	pthread_once(&done, prepare_library);
}

/* ---- server transactions ---- */

static void tx_free(struct sip_server_tx *tx)
{
	*tx->back = tx->next;
	if (tx->next)
		tx->next->back = tx->back;
	tx->port->n_server_txs--;
	if (tx->irq) {
		nta_incoming_bind(tx->irq, NULL, NULL);
		nta_incoming_destroy(tx->irq);
	}
	msg_destroy(tx->msg);
	sip_flow_unref(tx->flow);
	free(tx);
}

static int ack_or_cancel(struct sip_server_tx *tx, nta_incoming_t *irq, const sip_t *sip)
{
	(void)irq;
	if (!tx)
		return 0;
	if (sip && sip->sip_request && sip->sip_request->rq_method == sip_method_cancel) {
		if (!tx->final && tx->on_cancel)
			tx->on_cancel(tx->cancel_ctx, tx);
		return 0;
	}
	struct sip_dialog *d = tx->dialog;
	int acked = sip && sip->sip_request && sip->sip_request->rq_method == sip_method_ack;
	if (!tx->final)
		return 0;
	tx_free(tx);
	if (d)
		sip_dialog_acked(d, acked);
	return 0;
}

/* tp NULL is allowed. */
static struct sip_flow *flow_new(struct sip_port *p, tport_t *tp)
{
	if (!tp || !tport_is_secondary(tp) || !tport_is_reliable(tp))
		return NULL;
	struct sip_flow *f = malloc(sizeof *f);
	if (!f)
		return NULL;
	*f = (struct sip_flow){.next = p->flows, .back = &p->flows, .refs = 1, .tp = tport_ref(tp)};
	if (f->next)
		f->next->back = &f->next;
	p->flows = f;
	return f;
}

static struct sip_server_tx *tx_new(struct sip_port *p, nta_incoming_t *irq, msg_t *msg)
{
	struct sip_server_tx *tx = calloc(1, sizeof *tx);
	if (!tx)
		return NULL;
	*tx = (struct sip_server_tx){.port = p, .irq = irq, .msg = msg, .next = p->server_txs};
	tx->back = &p->server_txs;
	if (tx->next)
		tx->next->back = &tx->next;
	p->server_txs = tx;
	p->n_server_txs++;
	return tx;
}

/* The connection that brought a whole request is no silent one. */
static void note_activity(struct sip_port *p, msg_t *msg)
{
	su_sockaddr_t *from = msg_addr(msg);
	if (from)
		sip_gate_active(p->gate, &from->su_sa, sip_loop_now_ms(p->loop));
}

static int complete(const sip_t *sip)
{
	return sip->sip_from && sip->sip_to && sip->sip_call_id && sip->sip_cseq;
}

/* A request that goes to no handler: its final status; 0: it reads, and is in *out. */
static int refusal(struct sip_port *p, msg_t *msg, const sip_t *sip, struct sip_message *out)
{
	if (MCX_FAULT(msg.bounds, sip_parse(p, msg, sip, out) || !complete(sip)))
		return 400;
	return sip_body_is_cut(sip) ? 413 : 0;
}

static int may_invite(struct sip_port *p, msg_t *msg, const sip_t *sip)
{
	struct sip_source from = {0};
	if (!p->may_invite || sip->sip_request->rq_method != sip_method_invite)
		return 1;
	sip_source_of(p, msg, &from);
	return MCX_CHECK(size.invites, p->may_invite(p->ctx, &from));
}

/* In a dialog a transaction is there already: the answer goes out, and who asked too much loses the connection. */
static void too_many_in_dialog(struct sip_port *p, nta_incoming_t *irq, msg_t *msg)
{
	su_sockaddr_t *from = msg_addr(msg);
	nta_incoming_treply(irq, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR("2"), TAG_END());
	nta_incoming_destroy(irq);
	if (from)
		sip_gate_cut(p->gate, &from->su_sa);
	msg_destroy(msg);
}

void sip_request_arrived(struct sip_port *p, struct sip_dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	if (msg && d && !may_invite(p, msg, sip)) {
		too_many_in_dialog(p, irq, msg);
		return;
	}
	struct sip_server_tx *tx = msg ? tx_new(p, irq, msg) : NULL;
	if (!tx) {
		nta_incoming_treply(irq, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		nta_incoming_destroy(irq);
		if (msg)
			msg_destroy(msg);
		return;
	}
	note_activity(p, msg);
	tx->dialog = d;
	tx->flow = flow_new(p, tport_delivered_by(nta_agent_tports(p->agent), msg));
	nta_incoming_bind(irq, ack_or_cancel, tx);
	int refused = refusal(p, msg, sip, &tx->rq);
	if (refused)
		(void)sip_reply(tx, refused, NULL, NULL);
	else if (d)
		d->ev.on_request(d->ctx, tx, &tx->rq);
	else
		p->on_request(p->ctx, tx, &tx->rq);
}

/* A stranger's request: parsed, handled and answered, and nothing of it stays. Takes over msg. */
static void stateless_request(struct sip_port *p, msg_t *msg, const sip_t *sip)
{
	struct sip_server_tx *tx = tx_new(p, NULL, msg);
	if (!tx) {
		sip_stateless_reply(p, msg, 500, NULL, NULL);
		return;
	}
	note_activity(p, msg);
	int refused = refusal(p, msg, sip, &tx->rq);
	if (refused)
		(void)sip_reply(tx, refused, NULL, NULL);
	else
		p->on_request(p->ctx, tx, &tx->rq);
}

static void too_busy(struct sip_port *p, msg_t *msg)
{
	static const struct sip_header later = {"Retry-After", "2"};
	sip_stateless_reply(p, msg, 503, NULL, &(struct sip_out){.n_headers = 1, .headers = &later});
}

static int is_stateless(struct sip_port *p, msg_t *msg)
{
	struct sip_source from = {0};
	if (!p->stateless)
		return 0;
	sip_source_of(p, msg, &from);
	return p->stateless(p->ctx, &from);
}

/* What belongs to no transaction and no dialog we know. Owns msg. */
static int outside_message(struct sip_port *p, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	sip_method_t method = sip && sip->sip_request ? sip->sip_request->rq_method : sip_method_invalid;
	if (!sip || !sip->sip_request || method == sip_method_ack) {
		msg_destroy(msg); /* a response too late, or the ACK of an answer we have forgotten */
	} else if (method == sip_method_cancel || (sip->sip_to && sip->sip_to->a_tag)) {
		/* In a dialog we do not know, or CANCEL of nothing: RFC 3261 12.2.2, 9.2. */
		sip_stateless_reply(p, msg, 481, NULL, NULL);
		/* NOLINTNEXTLINE(bugprone-branch-clone): in the order in which they are told apart */
	} else if (MCX_FAULT(size.requests, p->n_server_txs >= p->max_requests)) {
		too_busy(p, msg);
	} else if (is_stateless(p, msg)) {
		stateless_request(p, msg, sip);
	} else if (!may_invite(p, msg, sip)) {
		too_busy(p, msg);
	} else {
		nta_incoming_t *irq = nta_incoming_create(agent, NULL, msg, sip, TAG_END());
		if (irq)
			sip_request_arrived(p, NULL, irq, sip);
	}
	return 0;
}

const struct sip_message *sip_tx_request(const struct sip_server_tx *tx)
{
	return &tx->rq;
}

void sip_tx_on_cancel(struct sip_server_tx *tx, void (*fn)(void *, struct sip_server_tx *), void *ctx)
{
	tx->on_cancel = fn;
	tx->cancel_ctx = ctx;
}

enum mcsec_err sip_reply(struct sip_server_tx *tx, int status, const char *phrase, const struct sip_out *with)
{
	if (status < 101 || status > 699 || tx->final)
		return MCSEC_E_ARGUMENT;
	if (!sip_out_valid(with))
		return MCSEC_E_VALUE;
	static const struct sip_out nothing;
	with = with ? with : &nothing;
	if (!tx->irq) {
		if (status < 200)
			return MCSEC_OK; /* a stateless server sends none */
		sip_stateless_reply(tx->port, msg_ref(tx->msg), status, phrase, with);
		tx_free(tx);
		return MCSEC_OK;
	}
	int invite = nta_incoming_method(tx->irq) == sip_method_invite;
	const char *contact = with->contact;
	if (!contact && invite && status < 300)
		contact = tx->port->contact[tx->rq.source.transport];
	su_home_t home[1] = {SU_HOME_INIT(home)};
	const char *extra = sip_out_headers(home, with);
	sip_payload_t *body = sip_out_payload(home, with);
	nta_incoming_treply(tx->irq, status, phrase ? phrase : sip_status_phrase(status),
			    TAG_IF(contact && *contact, SIPTAG_CONTACT_STR(contact)),
			    TAG_IF(body && with->content_type, SIPTAG_CONTENT_TYPE_STR(with->content_type)),
			    TAG_IF(extra, SIPTAG_HEADER_STR(extra)), TAG_IF(body, SIPTAG_PAYLOAD(body)), TAG_END());
	su_home_deinit(home);
	if (status < 200)
		return MCSEC_OK;
	tx->final = 1;
	if (!(invite && status < 300))
		tx_free(tx);
	return MCSEC_OK;
}

/* ---- flows ---- */

struct sip_flow *sip_flow_of(const struct sip_server_tx *tx)
{
	return sip_flow_ref(tx->flow);
}

struct sip_flow *sip_flow_used(const struct sip_client_tx *tx)
{
	tport_t *tp = nta_outgoing_transport(tx->orq);
	struct sip_flow *f = flow_new(tx->port, tp);
	if (tp)
		tport_unref(tp);
	return f;
}

struct sip_flow *sip_flow_ref(struct sip_flow *f)
{
	if (f)
		f->refs++;
	return f;
}

/* Gives the connection back; the flow stays, dead. */
static void flow_cut(struct sip_flow *f)
{
	if (!f->tp)
		return;
	tport_unref(f->tp);
	f->tp = NULL;
	*f->back = f->next;
	if (f->next)
		f->next->back = f->back;
}

void sip_flow_unref(struct sip_flow *f)
{
	if (!f || --f->refs)
		return;
	flow_cut(f);
	free(f);
}

int sip_flow_alive(const struct sip_flow *f)
{
	return f && f->tp && tport_is_clear_to_send(f->tp);
}

int sip_flow_same(const struct sip_flow *a, const struct sip_flow *b)
{
	return a && b && a->tp && a->tp == b->tp;
}

/* ---- the port ---- */

const char *sip_own_contact(const struct sip_port *p, const struct sip_flow *f, const char *uri)
{
	enum sip_transport t = p->transport[0];
	if (f)
		t = tport_has_tls(f->tp) ? SIP_TLS : SIP_TCP;
	else if (uri && su_strcasestr(uri, "transport=tls"))
		t = SIP_TLS;
	else if (uri && su_strcasestr(uri, "transport=tcp"))
		t = SIP_TCP;
	return *p->contact[t] ? p->contact[t] : p->contact[p->transport[0]];
}

static int listen_on(struct sip_port *p, const struct sip_port_options *o, size_t i)
{
	const struct sip_listen *l = &o->listen[i];
	char url[128], host[64];
	/* `sip:...;transport=tls` does not bind; `sips:` does. */
	snprintf(host, sizeof host, strchr(l->address, ':') ? "[%s]" : "%s", l->address);
	char number[8] = "*";
	if (l->port)
		snprintf(number, sizeof number, "%u", l->port);
	if (l->transport == SIP_TLS)
		snprintf(url, sizeof url, "sips:%s:%s", host, number);
	else
		snprintf(url, sizeof url, "sip:%s:%s;transport=%s", host, number, sip_transport_name(l->transport));
	return nta_agent_add_tport(
	    p->agent, (const url_string_t *)url, TAG_IF(l->transport == SIP_TLS, TPTAG_CERTIFICATE(o->tls_dir)),
	    TAG_IF(l->transport == SIP_TLS, TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_IN | TPTLS_VERIFY_SUBJECTS_OUT)),
	    TAG_END());
}

/* The port a listener got. Primaries are in the order they were added. */
static void learn_numbers(struct sip_port *p)
{
	size_t i = 0;
	for (tport_t *tp = tport_primaries(nta_agent_tports(p->agent)); tp && i < p->n_listen;
	     tp = tport_next(tp), i++) {
		const tp_name_t *n = tport_name(tp);
		p->number[i] = (uint16_t)strtoul(n->tpn_port, NULL, 10);
		if (p->transport[i] != SIP_UDP)
			sip_gate_guard(p->gate, p->number[i]);
		enum sip_transport t = p->transport[i];
		if (!*p->contact[t])
			snprintf(p->contact[t], sizeof p->contact[t], "<sip:%s:%u;transport=%s>", p->host, p->number[i],
				 sip_transport_name(t));
	}
}

/* ---- connections that come in ---- */

static void sweep(void *arg)
{
	struct sip_port *p = arg;
	for (const struct sip_flow *f = p->flows; f; f = f->next) {
		const su_addrinfo_t *peer = tport_get_address(f->tp);
		if (peer && peer->ai_addr)
			sip_gate_hold(p->gate, peer->ai_addr);
	}
	sip_gate_sweep(p->gate, sip_loop_now_ms(p->loop));
	p->sweep = sip_timer_start(p->loop, SWEEP_MS, sweep, p);
}

static unsigned or_default(unsigned value, unsigned def)
{
	return value ? value : def;
}

static int guard(struct sip_port *p, const struct sip_port_options *o)
{
	struct sip_gate_options g = {.max_connections = or_default(o->max_connections, 4096),
				     .max_per_source = or_default(o->max_per_source, 256),
				     .new_per_second = or_default(o->new_per_second, 100),
				     .first_request_ms = or_default(o->first_request_ms, 10000),
				     .idle_ms = or_default(o->idle_ms, 300000),
				     .trusted = o->trusted,
				     .ctx = o->ctx};
	p->max_requests = or_default(o->max_requests, 8192);
	p->stateless = o->stateless;
	p->may_invite = o->may_invite;
	p->gate = sip_gate_new(&g);
	p->sweep = p->gate ? sip_timer_start(p->loop, SWEEP_MS, sweep, p) : NULL;
	return p->sweep && getrandom(p->tag_key, sizeof p->tag_key, 0) == sizeof p->tag_key ? 0 : -1;
}

/*
 * The leg of requests we send outside dialogs. Its address is known to nobody: a leg without one would be the library's
 * default for what comes in, and take it before outside_message sees it.
 */
static nta_leg_t *outside_leg(struct sip_port *p)
{
	uint8_t random[16];
	char url[64] = "sip:";
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return NULL;
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(url + 4 + 2 * i, 3, "%02x", random[i]);
	strcat(url, "@outside.invalid");
	return nta_leg_tcreate(p->agent, NULL, NULL, NTATAG_NO_DIALOG(1), URLTAG_URL(url), TAG_END());
}

struct sip_port *sip_port_new(struct sip_loop *l, const struct sip_port_options *o, char *err, size_t err_size)
{
	sip_library_prepare();
	struct sip_port *p = calloc(1, sizeof *p);
	if (!p || o->n_listen == 0 || o->n_listen > SIP_MAX_LISTEN) {
		snprintf(err, err_size, "no memory, or no listener");
		free(p);
		return NULL;
	}
	*p = (struct sip_port){.loop = l, .on_request = o->on_request, .ctx = o->ctx, .n_listen = o->n_listen};
	p->connect_ms = o->connect_ms ? o->connect_ms : 8000;
	snprintf(p->host, sizeof p->host, "%s", o->host ? o->host : o->listen[0].address);
	if (guard(p, o) != 0) {
		snprintf(err, err_size, "no memory");
		sip_port_free(p);
		return NULL;
	}
	p->agent = nta_agent_create(sip_loop_root(l), (url_string_t *)-1, outside_message, p, NTATAG_UA(1),
				    NTATAG_PASS_100(1), NTATAG_MAXSIZE(SIP_MAX_MESSAGE), NTATAG_MERGE_482(1),
				    NTATAG_USE_TIMESTAMP(0), NTATAG_CANCEL_487(0), NTATAG_TCP_RPORT(1),
				    TAG_IF(o->resolv_conf, SRESTAG_RESOLV_CONF(o->resolv_conf)), TAG_END());
	for (size_t i = 0; p->agent && i < o->n_listen; i++) {
		p->transport[i] = o->listen[i].transport;
		if (listen_on(p, o, i) != 0) {
			snprintf(err, err_size, "cannot listen on %s %s port %u: %s",
				 sip_transport_name(o->listen[i].transport), o->listen[i].address, o->listen[i].port,
				 strerror(errno));
			sip_port_free(p);
			return NULL;
		}
	}
	p->outside = p->agent ? outside_leg(p) : NULL;
	if (!p->outside) {
		snprintf(err, err_size, "the SIP agent cannot be made");
		sip_port_free(p);
		return NULL;
	}
	learn_numbers(p);
	return p;
}

void sip_port_free(struct sip_port *p)
{
	if (!p)
		return;
	while (p->server_txs)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): tx_free takes it out of this list */
		tx_free(p->server_txs);
	while (p->client_txs)
		sip_client_drop(p->client_txs);
	while (p->dialogs)
		sip_dialog_free(p->dialogs);
	while (p->flows)
		flow_cut(p->flows);
	if (p->outside)
		nta_leg_destroy(p->outside);
	if (p->agent)
		nta_agent_destroy(p->agent);
	sip_timer_stop(p->sweep);
	sip_gate_free(p->gate);
	free(p);
}

struct sip_loop *sip_port_loop(const struct sip_port *p)
{
	return p->loop;
}

void sip_port_counts(const struct sip_port *p, struct sip_port_counts *out)
{
	struct sip_gate_counts g;
	sip_gate_counts(p->gate, &g);
	*out = (struct sip_port_counts){
	    .open = g.open, .accepted = g.accepted, .refused = g.refused, .cut = g.cut, .requests = p->n_server_txs};
}

uint16_t sip_port_number(const struct sip_port *p, size_t i)
{
	return i < p->n_listen ? p->number[i] : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_port.h - a SIP user agent on a loop: listeners, transactions, dialogs (RFC 3261), over UDP, TCP and TLS.
 *
 * The library behind it is sofia-sip `nta`; it shows nowhere, so that it can be replaced. The port answers by itself
 * only what the RFC leaves no choice in: retransmissions, malformed requests (400), CANCEL (200), ACK, 483, 505, and
 * the ACK of each 2xx to an INVITE (our offers are always in the INVITE). Everything belongs to the loop's thread.
 *
 * Flow: the connection a request came in on. Requests may be sent over it, which is how a client behind a TLS
 * connection is reached (RFC 5626). UDP has none.
 */
#ifndef MCX_NET_SIP_PORT_H
#define MCX_NET_SIP_PORT_H

#include "net/sip_loop.h"
#include "net/sip_message.h"

struct sip_port;
struct sip_server_tx; /* a request received that awaits our final response */
struct sip_client_tx; /* a request sent that awaits the peer's */
struct sip_dialog;
struct sip_flow;

enum { SIP_MAX_LISTEN = 8 };

struct sip_listen {
	enum sip_transport transport;
	const char *address; /* numeric */
	uint16_t port;       /* 0: any free one */
};

/* A request outside our dialogs. The handler answers with sip_reply, now or later, exactly once with a final status. */
typedef void sip_request_handler(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);

struct sip_port_options {
	size_t n_listen;
	struct sip_listen listen[SIP_MAX_LISTEN];
	const char *host; /* name or address for Contact; must fit our certificate. NULL: the address of listen[0] */
	/*
	 * Folder with agent.pem (certificate chain, then key) and cafile.pem. Both peers are always verified: an
	 * incoming connection without a certificate that verifies is refused, and of an outgoing one also the name
	 * (DNS, never an address) must be in the peer's certificate.
	 */
	const char *tls_dir;
	const char *resolv_conf; /* NULL: the system's */
	unsigned connect_ms;     /* give up a request that got no response at all over TCP or TLS; 0: 8000 */
	/*
	 * Connections that come in (sip_gate.h). 0: the default. 4096 altogether, 256 from one address, 100 new ones a
	 * second from one address, 10 s for the first whole request, 300 s without another unless its flow is held.
	 */
	unsigned max_connections, max_per_source, new_per_second, first_request_ms, idle_ms;
	unsigned max_requests; /* requests being answered at once, beyond it 503; 0: 8192 */
	/* 1: a neighbour to whom the limits a source do not apply. NULL: nobody is. */
	int (*trusted)(void *ctx, const char *address);
	/*
	 * 1: a request outside dialogs from there is answered without a transaction (RFC 3261 8.2.7), so that nothing
	 * of it stays: for strangers over transports that prove nothing. Its handler can only refuse, or answer at
	 * once; a dialog cannot be made of it. NULL: every request has a transaction.
	 */
	int (*stateless)(void *ctx, const struct sip_source *from);
	/*
	 * 1: this source may send an INVITE now. One that is refused and never acknowledged is kept for 32 s (RFC 3261
	 * 17.2.1, timer H), so they have to be few: outside dialogs the answer is 503 without a transaction, in a
	 * dialog the connection is cut. Not asked where `stateless` says 1. NULL: all may.
	 */
	int (*may_invite)(void *ctx, const struct sip_source *from);
	sip_request_handler *on_request;
	void *ctx;
};

/* NULL and a sentence in err on failure. */
struct sip_port *sip_port_new(struct sip_loop *l, const struct sip_port_options *o, char *err, size_t err_size);
/* Ends all transactions and dialogs without telling anybody; handlers are not called any more. */
void sip_port_free(struct sip_port *p);
struct sip_loop *sip_port_loop(const struct sip_port *p);
/* The real port number of listen[i]. */
uint16_t sip_port_number(const struct sip_port *p, size_t i);

struct sip_port_counts {
	size_t open;                     /* connections that came in and are there */
	uint64_t accepted, refused, cut; /* since the start (sip_gate.h) */
	size_t requests;                 /* being answered now */
};
void sip_port_counts(const struct sip_port *p, struct sip_port_counts *out);

/* ---- answering ---- */

/* The request; its text lives until the final response. */
const struct sip_message *sip_tx_request(const struct sip_server_tx *tx);
/*
 * status 101-699 (100 is sent by the port). phrase NULL: the RFC's. with may be NULL. After a final status the
 * transaction is gone, but for a 2xx to INVITE it lives on inside the port until the ACK. MCSEC_E_VALUE: a header value
 * with control characters; nothing was sent.
 */
enum mcsec_err sip_reply(struct sip_server_tx *tx, int status, const char *phrase, const struct sip_out *with);
/* Called when the peer cancels an INVITE not yet answered; the port has answered the CANCEL; we still owe the 487. */
void sip_tx_on_cancel(struct sip_server_tx *tx, void (*fn)(void *ctx, struct sip_server_tx *tx), void *ctx);

/* ---- asking ---- */

struct sip_request {
	const char *method, *uri; /* uri: Request-URI; NULL in a dialog */
	const char *from, *to;    /* URIs; ignored in a dialog */
	const char *call_id;      /* NULL: a fresh one; ignored in a dialog */
	uint32_t cseq;            /* 0: 1; ignored in a dialog */
	const char *route;        /* next hop, NULL: where uri says */
	struct sip_flow *flow;    /* connection to use, or NULL */
	unsigned timeout_ms; /* of a request without final response, 0: RFC 3261 (32 s; INVITE: none after a 1xx) */
	struct sip_out with;
};

/*
 * Each provisional response (not 100), then one final one. Failures of our own come as responses with `error` set:
 * 408 (time-out) or 503 (transport, DNS, TLS). After the final one the transaction is gone. tx may be cancelled within.
 */
typedef void sip_response_handler(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs);

/* NULL: a header value with control characters, a bad URI or no memory; the handler is not called. */
struct sip_client_tx *sip_send(struct sip_port *p, const struct sip_request *rq, sip_response_handler *h, void *ctx);
/* CANCEL of an INVITE; the final response (487, or a 2xx that crossed) still comes. No-op for others. */
void sip_cancel(struct sip_client_tx *tx);
/* Forget it: its handler will not be called. Not for an INVITE without final response: cancel that. */
void sip_abandon(struct sip_client_tx *tx);

/* ---- dialogs ---- */

struct sip_dialog_events {
	/* A request inside the dialog (re-INVITE, BYE, INFO, MESSAGE, ...): answer with sip_reply. */
	sip_request_handler *on_request;
	/* Our 2xx to an INVITE was acknowledged (ok), or was not within 32 s. May be NULL. */
	void (*on_ack)(void *ctx, struct sip_dialog *d, int ok);
};

/* As callee: made before the first reply that carries a To tag. */
struct sip_dialog *sip_dialog_accept(struct sip_server_tx *tx, const struct sip_dialog_events *ev, void *ctx);
/* As caller: rq is an INVITE without call-id and cseq of its own. *tx receives the transaction (may be NULL). */
struct sip_dialog *sip_dialog_invite(struct sip_port *p, const struct sip_request *rq, sip_response_handler *h,
				     const struct sip_dialog_events *ev, void *ctx, struct sip_client_tx **tx);
/* Request inside a confirmed dialog; its flow, when set, replaces the dialog's from here on. */
struct sip_client_tx *sip_dialog_send(struct sip_dialog *d, const struct sip_request *rq, sip_response_handler *h,
				      void *ctx);
const char *sip_dialog_call_id(const struct sip_dialog *d);
/*
 * Sends nothing. Not before the final response to its own INVITE: cancel that first. Requests of the dialog that are
 * still out run to their end alone: their handlers are not called any more.
 */
void sip_dialog_free(struct sip_dialog *d);

/*
 * What a dialog is, as text, so that it can be ended after a restart: written after it is confirmed, read back on a
 * new port. NULL / MCSEC_E_NO_SPACE, MCSEC_E_VALUE.
 */
enum mcsec_err sip_dialog_save(const struct sip_dialog *d, char *out, size_t size);
struct sip_dialog *sip_dialog_restore(struct sip_port *p, const char *saved, const struct sip_dialog_events *ev,
				      void *ctx);

/* ---- flows ---- */

/* A reference to the connection the request came in on; NULL over UDP. */
struct sip_flow *sip_flow_of(const struct sip_server_tx *tx);
/* The same of a request of ours: the connection it left by. NULL over UDP, and while there is none. */
struct sip_flow *sip_flow_used(const struct sip_client_tx *tx);
struct sip_flow *sip_flow_ref(struct sip_flow *f);
void sip_flow_unref(struct sip_flow *f); /* NULL is allowed; also after its port is gone */
int sip_flow_alive(const struct sip_flow *f);
/* 1 if both are the same connection. */
int sip_flow_same(const struct sip_flow *a, const struct sip_flow *b);

#endif

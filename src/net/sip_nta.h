/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_nta.h - what the files of the SIP port share: the library's headers and the port's own structures.
 *
 * Ownership: a port owns its server and client transactions (intrusive lists) and its dialogs; each transaction owns
 * one reference to the library's transaction and message. Nothing here is seen outside src/net/sip_*.c.
 */
#ifndef MCX_NET_SIP_NTA_H
#define MCX_NET_SIP_NTA_H

#define NTA_AGENT_MAGIC_T    struct sip_port
#define NTA_LEG_MAGIC_T      void
#define NTA_INCOMING_MAGIC_T struct sip_server_tx
#define NTA_OUTGOING_MAGIC_T struct sip_client_tx

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sresolv.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_strlst.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/url.h>
#pragma GCC diagnostic pop

#include "net/sip_gate.h"
#include "net/sip_loop_in.h"
#include "net/sip_port.h"

struct sip_port {
	struct sip_loop *loop;
	nta_agent_t *agent;
	nta_leg_t *outside; /* requests we send outside dialogs */
	struct sip_gate *gate;
	struct sip_timer *sweep;
	sip_request_handler *on_request;
	int (*stateless)(void *ctx, const struct sip_source *from);
	int (*may_invite)(void *ctx, const struct sip_source *from);
	void *ctx;
	uint8_t tag_key[16]; /* of To tags in stateless answers */
	size_t n_server_txs, max_requests;
	unsigned connect_ms;
	size_t n_listen;
	enum sip_transport transport[SIP_MAX_LISTEN];
	uint16_t number[SIP_MAX_LISTEN];
	char host[256];
	char contact[3][320]; /* own Contact a transport; "" when we do not listen on it */
	struct sip_server_tx *server_txs;
	struct sip_client_tx *client_txs;
	struct sip_dialog *dialogs;
	struct sip_flow *flows;
};

struct sip_server_tx {
	struct sip_server_tx *next, **back;
	struct sip_port *port;
	nta_incoming_t *irq; /* NULL: answered without a transaction (RFC 3261 8.2.7) */
	msg_t *msg;          /* a reference; the texts of `rq` live in its home */
	struct sip_message rq;
	struct sip_dialog *dialog; /* the one it came in, or the one it made; NULL outside */
	struct sip_flow *flow;
	int final; /* a final response was given: only the ACK is awaited */
	void (*on_cancel)(void *, struct sip_server_tx *);
	void *cancel_ctx;
};

struct sip_client_tx {
	struct sip_client_tx *next, **back;
	struct sip_port *port;
	nta_outgoing_t *orq;
	struct sip_dialog *dialog; /* NULL outside */
	sip_response_handler *on_response;
	void *ctx;
	struct sip_timer *connect, *bound;
	int invite, final;
	uint32_t cseq;
};

struct sip_dialog {
	struct sip_dialog *next, **back;
	struct sip_port *port;
	nta_leg_t *leg;
	struct sip_flow *flow;
	struct sip_dialog_events ev;
	void *ctx;
	char *call_id, *local, *remote; /* URIs */
	int callee, confirmed;
};

struct sip_flow {
	struct sip_flow *next, **back; /* of its port; not linked once that is gone */
	unsigned refs;
	tport_t *tp; /* NULL once the port is gone */
};

/*
 * sip_parse.c: fills *out, its source only with a port; texts live in the message's home. MCSEC_E_LENGTH when there is
 * more than the bounds allow, MCSEC_E_VALUE a status that is none.
 */
enum mcsec_err sip_parse(struct sip_port *p, msg_t *msg, const sip_t *sip, struct sip_message *out);
/* sip_parse.c: where a message came from. */
void sip_source_of(struct sip_port *p, msg_t *msg, struct sip_source *s);
/* sip_parse.c: the header's value as one line; NULL without memory. */
const char *sip_header_text(su_home_t *home, const sip_header_t *h);
/* sip_parse.c: 1 if each header value to be sent is free of CR, LF and NUL. */
int sip_out_valid(const struct sip_out *o);
/* sip_parse.c: all extra headers as one text in `home`; NULL without any. */
const char *sip_out_headers(su_home_t *home, const struct sip_out *o);
sip_payload_t *sip_out_payload(su_home_t *home, const struct sip_out *o);

/* sip_stateless.c: the final answer to a request that has no transaction. Takes over the reference to `msg`. */
void sip_stateless_reply(struct sip_port *p, msg_t *msg, int status, const char *phrase, const struct sip_out *with);

/* sip_port.c: before anything else of the library is used; again and again is fine. */
void sip_library_prepare(void);
void sip_request_arrived(struct sip_port *p, struct sip_dialog *d, nta_incoming_t *irq, const sip_t *sip);
const char *sip_own_contact(const struct sip_port *p, const struct sip_flow *f, const char *uri);

/* sip_client.c */
struct sip_client_tx *sip_client_start(struct sip_port *p, struct sip_dialog *d, const struct sip_request *rq,
				       sip_response_handler *h, void *ctx);
void sip_client_drop(struct sip_client_tx *tx);

/* sip_dialog.c */
void sip_dialog_answered(struct sip_dialog *d, struct sip_client_tx *tx, const sip_t *sip);
void sip_dialog_acked(struct sip_dialog *d, int ok);

#ifdef MCX_BITE
/* sip_waived.c: links it in. */
void sip_waived_wanted(void);
#endif

#endif

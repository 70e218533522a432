/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_message.c - SIP MESSAGE requests that come to the server: what kind they are (mcx/flow/message_kind.c), and
 * who sent them. No kind has a procedure at the server yet that a client begins, so each is answered here and nothing
 * is stored.
 */
#include <stdlib.h>

#include "app/log.h"
#include "mcx/flow/message_kind.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"
#include "server/server.h"

/* service: MCX_SERVICES when the request names none. */
static struct message_class classify(enum mcx_service service, const struct sip_message *rq)
{
	static const struct multipart none;
	struct multipart *parts = calloc(1, sizeof *parts);
	uint8_t *scratch = malloc(rq->body.len + 1);
	struct message_class c = {.status = 503, .why = "no memory"};
	const char *icsi = service < MCX_SERVICES ? mcx_services[service].icsi : NULL;
	service = service < MCX_SERVICES ? service : MCX_MCPTT;
	if (!rq->content_type || rq->body.len == 0)
		c = message_classify(service, NULL, &none);
	else if (parts && scratch) {
		int read =
		    multipart_read(rq->content_type, rq->body, scratch, rq->body.len + 1, parts, NULL) == MCSEC_OK;
		c = message_classify(service, icsi, read ? parts : NULL);
	}
	free(scratch);
	free(parts);
	return c;
}

void handle_message(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct binding *who[CLIENTS_MAX];
	enum mcx_service service = server_service_of(rq), as = service < MCX_SERVICES ? service : MCX_MCPTT;
	if (MCX_FAULT(message.unbound, identity_bindings_of(s, rq, as, who, CLIENTS_MAX) == 0)) {
		server_refuse(s, tx, 404, WARN_UNKNOWN_USER, NULL);
		return;
	}
	struct message_class c = classify(service, rq);
	metric_add(&s->metrics[M_READ_MIKEY], c.read_mikey);
	metric_add(&s->metrics[M_READ_XML], c.read_xml);
	log_warn("sip.refuse", log_text("method", "MESSAGE"), log_text("kind", message_kind_name(c.kind)),
		 log_text("detail", c.kind == MESSAGE_NONE ? c.why : "no procedure of this server"));
	if (c.status == 415) {
		struct sip_header h = {"Accept", message_accept(as)};
		(void)sip_reply(tx, 415, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
		return;
	}
	int refused = c.kind == MESSAGE_NONE ? c.status : 403;
	server_refuse(s, tx, MCX_FAULT(message.no_procedure, refused) ? refused : 200, WARN_NONE, NULL);
}

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
#include "server/server.h"

/* The service as a client prefers it, or as a neighbour asserts it; NULL when that is not said exactly once. */
static const char *icsi_of(const struct sip_message *rq)
{
	const char *name = sip_header_count(rq, "P-Asserted-Service") ? "P-Asserted-Service" : "P-Preferred-Service";
	return sip_header_count(rq, name) == 1 ? sip_header_at(rq, name, 0) : NULL;
}

static struct message_class classify(const struct sip_message *rq)
{
	static const struct multipart none;
	struct multipart *parts = calloc(1, sizeof *parts);
	uint8_t *scratch = malloc(rq->body.len + 1);
	struct message_class c = {.status = 503, .why = "no memory"};
	if (!rq->content_type || rq->body.len == 0)
		c = message_classify(MCX_MCPTT, NULL, &none);
	else if (parts && scratch) {
		int read =
		    multipart_read(rq->content_type, rq->body, scratch, rq->body.len + 1, parts, NULL) == MCSEC_OK;
		c = message_classify(MCX_MCPTT, icsi_of(rq), read ? parts : NULL);
	}
	free(scratch);
	free(parts);
	return c;
}

void handle_message(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct binding *who[CLIENTS_MAX];
	if (identity_bindings(s, rq, who, CLIENTS_MAX) == 0) {
		server_refuse(s, tx, 404, WARN_UNKNOWN_USER, NULL);
		return;
	}
	struct message_class c = classify(rq);
	metric_add(&s->metrics[M_READ_MIKEY], c.read_mikey);
	metric_add(&s->metrics[M_READ_XML], c.read_xml);
	log_warn("sip.refuse", log_text("method", "MESSAGE"), log_text("kind", message_kind_name(c.kind)),
		 log_text("detail", c.kind == MESSAGE_NONE ? c.why : "no procedure of this server"));
	if (c.status == 415) {
		struct sip_header h = {"Accept", message_accept(MCX_MCPTT)};
		(void)sip_reply(tx, 415, NULL, &(struct sip_out){.n_headers = 1, .headers = &h});
		return;
	}
	server_refuse(s, tx, c.kind == MESSAGE_NONE ? c.status : 403, WARN_NONE, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - the body of a request as the procedures want it: its parts by type, the documents in them read.
 *
 * A part that stands twice is an error (sip 1). Two steps, because the key that opens the documents may come in the
 * body itself: body_read finds the parts and tells what is there; body_unprotect verifies, decrypts, and only then are
 * the values anybody's business (24.379 7.3.1A; xml-protection 7 to 9).
 */
#ifndef MCX_SERVER_BODY_H
#define MCX_SERVER_BODY_H

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/poc_settings.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/xmlsec/xmlsec.h"
#include "net/sip_message.h"

enum body_kind { BODY_NONE, BODY_BROKEN, BODY_READ };

struct body {
	struct octets sdp, mikey; /* mikey: the I_MESSAGE in binary; p NULL when there is no part */
	int has_info, has_lists, has_settings;
	int xml_read;           /* an XML document was read, good or bad */
	struct mcptt_info info; /* before body_unprotect it tells which values are there, encrypted or not */
	struct mcptt_info *more[MCX_SERVICES]; /* the documents of the other services, NULL: none */
	struct resource_lists lists;           /* after body_unprotect */
	enum poc_answer answer;                /* of poc-settings, after body_unprotect */
	struct multipart *parts;
	uint8_t *scratch, *arena; /* decoded parts; opened documents */
	size_t arena_used;        /* octets at its front that may hold something; nothing stands behind them */
};

/*
 * The parts we know; others are ignored. BODY_NONE: no body, or none of our parts in it. Free with body_free in every
 * case. The octets live as long as the message and *out.
 */
enum body_kind body_read(const struct sip_message *m, struct body *out);
void body_free(struct body *b); /* wipes the tokens */
/* The document of this service, NULL: there is none. */
const struct mcptt_info *body_info(const struct body *b, enum mcx_service service);

enum body_verdict { BODY_OPENED, BODY_FORGED, BODY_UNDECRYPTABLE };
/*
 * BODY_FORGED is 403 with 139, BODY_UNDECRYPTABLE 403 with 140; a document that does not read once it is open counts as
 * the latter. *opened says why, and what was met.
 */
enum body_verdict body_unprotect(struct body *b, const struct xml_policy *policy, const struct xml_keys *keys,
				 struct xml_opened *opened);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - the body of a request as the procedures want it: its parts by type, the documents in them read.
 *
 * A part that stands twice is an error (sip 1). Values that are encrypted are a question for the XML protection:
 * body_unprotect is the one place where it is asked, with the CSK of the I_MESSAGE or of the binding at hand.
 */
#ifndef MCX_SERVER_BODY_H
#define MCX_SERVER_BODY_H

#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/multipart.h"
#include "mcx/doc/resource_lists.h"
#include "net/sip_message.h"

enum body_kind { BODY_NONE, BODY_BROKEN, BODY_READ };

struct body {
	struct octets sdp, mikey; /* mikey: the I_MESSAGE in binary; p NULL when there is no part */
	int has_info, has_lists;
	struct mcptt_info info;
	struct resource_lists lists;
	uint8_t *scratch; /* decoded parts */
};

/*
 * The parts we know; others are ignored. BODY_NONE: no body, or none of our parts in it. Free with body_free in every
 * case. The octets live as long as the message and *out.
 */
enum body_kind body_read(const struct sip_message *m, struct body *out);
void body_free(struct body *b); /* wipes the token */

/*
 * Integrity, then decryption, in place (24.379 7.3.1A; xml-protection 7 to 9). Plain documents pass as they are: inside
 * TLS with both peers verified. MCSEC_E_UNSUPPORTED: something is encrypted that we cannot open: 403 with 140.
 */
enum mcsec_err body_unprotect(struct body *b, const uint8_t *csk);

#endif

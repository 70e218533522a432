/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect.h - KMS redirect responses that the server makes (TS 33.180 5.4, 5.2.8; sip 2.6, flows 9): to a CSK upload,
 * which initiator's KMSs it takes uploads from, and the answer where the KMSs of an I_MESSAGE are not acceptable; and
 * on the path of a private call whose key is for a domain that the callee is not of (seed 003 7.2.1.3.2 steps 2, 3).
 *
 * To a PUBLISH or a client's own REGISTER it is the body of the 488. The answer to a third-party REGISTER goes to the
 * core: there it is a SIP MESSAGE to the client, one a minute. Loop thread, but for redirect_takes().
 */
#ifndef MCX_SERVER_REDIRECT_H
#define MCX_SERVER_REDIRECT_H

#include "mcx/flow/redirect.h"
#include "server/call.h"
#include "server/register.h"

/* The key that signs. 0, or -1 and a sentence: the configuration names one that cannot. */
int redirect_start(struct server *s, char *err, size_t err_size);
void redirect_stop(struct server *s);

/* ---- shared by redirect.c and redirect_path.c ---- */
enum { REDIRECT_LISTED = 64 };
/* Certificates we hold of whose users uploads are taken, in the list; at most REDIRECT_LISTED. */
struct redirect_kmss redirect_initiators(const struct server *s, const struct mcsec_im_book *book,
					 const char *list[REDIRECT_LISTED]);
/* 488 with that document, signed; k NULL: without one. Takes k over. */
void redirect_reply(const struct server *s, struct sip_server_tx *tx, struct krr *k);

/* 1: uploads from users of this KMS are taken. Any thread. */
int redirect_takes(const struct server_config *cfg, const char *initiator_kms);
/* Final answer to the PUBLISH or REGISTER of this attempt: 488 with the redirect in place of a warning. */
void redirect_answer(struct attempt *a, struct sip_server_tx *tx);
/*
 * 1: this call may not go on under the KMSs that its I_MESSAGE names. The callee's domains are what the operator says
 * of the user (admin.md: kms-uri), else what its own uploads have shown; of whom nothing is known the call goes on.
 */
int redirect_refuses(const struct call *c);
/* Final answer to the INVITE of such a call: 488 with the redirect. */
void redirect_call(const struct call *c, struct sip_server_tx *tx);
/* The core has heard 200: the redirect goes to the client. */
void redirect_message(struct attempt *a);

#endif

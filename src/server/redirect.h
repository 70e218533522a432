/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect.h - KMS redirect responses that the server makes to a CSK upload (TS 33.180 5.4, 5.2.8; sip 2.6, flows 9):
 * which initiator's KMSs it takes uploads from, and the answer where the KMSs of an I_MESSAGE are not acceptable.
 *
 * To a PUBLISH or a client's own REGISTER it is the body of the 488. The answer to a third-party REGISTER goes to the
 * core: there it is a SIP MESSAGE to the client, one a minute. Loop thread, but for redirect_takes().
 */
#ifndef MCX_SERVER_REDIRECT_H
#define MCX_SERVER_REDIRECT_H

#include "server/register.h"

/* The key that signs. 0, or -1 and a sentence: the configuration names one that cannot. */
int redirect_start(struct server *s, char *err, size_t err_size);
void redirect_stop(struct server *s);

/* 1: uploads from users of this KMS are taken. Any thread. */
int redirect_takes(const struct server_config *cfg, const char *initiator_kms);
/* Final answer to the PUBLISH or REGISTER of this attempt: 488 with the redirect in place of a warning. */
void redirect_answer(struct attempt *a, struct sip_server_tx *tx);
/* The core has heard 200: the redirect goes to the client. */
void redirect_message(struct attempt *a);

#endif

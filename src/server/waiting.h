/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting.h - requests for service authorisation that came while a job of the same client runs (flows 0.2): they wait
 * in the order they came, four a client, and are taken up as if they came then.
 *
 * What waits is the transaction alone: nothing of the request was decided, and nothing of it is kept, so nothing is
 * lost when the server stops; whoever waits is then told 503. Loop thread only.
 */
#ifndef MCX_SERVER_WAITING_H
#define MCX_SERVER_WAITING_H

#include "server/server.h"

enum {
	WAITING_EACH = 4 /* of one client; of all: cfg->waiting */
};

/* 1: one that came before this one waits, and may be about the same client. */
int waiting_before(const struct server *s, const struct db_binding *who);
/* The client as far as the request tells it. 1: it waits, and tx is ours; 0: no room. */
int waiting_put(struct server *s, struct sip_server_tx *tx, const struct db_binding *who);
/* Back in front of all that came after it: found to be another's client only when it was opened. */
void waiting_put_back(struct server *s, struct sip_server_tx *tx, const struct db_binding *who);
/*
 * A job of this client has ended: whoever of the same user waited for it alone is next. Of the user, since which of his
 * clients a job is about may be known only once it has opened what came.
 */
void waiting_next(struct server *s, const struct db_binding *ended);
/* Those whose sender has given up. */
void waiting_tick(struct server *s);
/* The server stops: each is told to come later, and from now on nobody waits. */
void waiting_end(struct server *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commits.h - the one thread of the server that changes the database while it runs. What waits for it is carried out in
 * the order it came, and made durable together: the sync of the disk, and the pages that all changes write, are paid
 * once for all of them.
 *
 * Invariant: `done` of a change is called, on the loop, after the commit that made it durable, or after it failed;
 * nothing is answered before (flows 0.1). Each change stands in a savepoint of its own, so that one that fails takes
 * nothing of the others with it; when the commit fails nothing of any of them happened, and each is carried out once
 * more, alone, so that each has a result of its own.
 */
#ifndef MCX_SERVER_COMMITS_H
#define MCX_SERVER_COMMITS_H

#include "server/server.h"

struct commits;

/* NULL without memory or thread. At most `max` changes wait. */
struct commits *commits_new(struct server *s, size_t max);
/* 0, or -1: full, or ending; nothing of it is done then. Loop thread. */
int commits_add(struct commits *c, struct work *w);
size_t commits_waiting(struct commits *c);
/* What waits is still done, and posted. */
void commits_free(struct commits *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bindings.h - the bindings and users in force, in memory: what each request is looked up in. The database is the
 * truth; this table follows it, and is filled from it at the start. Loop thread only.
 *
 * Two hashes lead to a binding: by IMPU (who is asking) and by MCPTT ID (who is called). A binding's flow is the last
 * connection its client was seen on.
 */
#ifndef MCX_SERVER_BINDINGS_H
#define MCX_SERVER_BINDINGS_H

#include "mcx/xmlsec/replay.h"
#include "net/sip_port.h"
#include "server/db.h"

struct binding {
	struct binding *next_impu, *next_mcptt, *next;
	struct db_binding row;
	struct sip_flow *flow;
	int64_t seen;               /* Unix seconds of the last request */
	struct db_binding previous; /* the CSK before this one: it still opens, never protects */
	int64_t previous_until;     /* Unix seconds; 0: there is none */
	struct xml_replay *ivs;     /* seen under the CSK; NULL until the first */
	struct db_binding *pending; /* with the CSK of a key download: it opens, and is not yet used; NULL: none */
	struct xml_replay *pending_ivs;
	uint32_t musik_id;  /* the MuSiK the client holds; 0: none */
	int64_t roll_after; /* Unix seconds: before it the CSK's age is no reason again */
};

struct user {
	struct user *next;
	struct db_user row;
};

struct bindings;

struct bindings *bindings_new(void);
void bindings_free(struct bindings *t);
size_t bindings_count(const struct bindings *t);

/*
 * Takes the row over, replacing what (impu, client_id, service) had; keeps its flow. A CSK that is replaced stays as
 * the previous one until `grace_until` (Unix seconds, 0: not at all). NULL without memory.
 */
struct binding *bindings_put(struct bindings *t, const struct db_binding *row, int64_t grace_until);
/* The CSK of a key download that is out; the row is taken over. NULL: there is none any more. */
void binding_pend(struct binding *b, struct db_binding *row);
/* The pending CSK is the one in use from here on; the old one opens until grace_until (0: not at all). */
void binding_switch(struct binding *b, int64_t grace_until);
void bindings_remove(struct bindings *t, int64_t id);
struct binding *bindings_by_id(const struct bindings *t, int64_t id);
struct binding *bindings_by_client(const struct bindings *t, const char *impu, const char *client_id,
				   enum mcx_service service);
/* The next binding of that IMPU, or of that MCPTT ID; after NULL: the first. */
struct binding *bindings_of_impu(const struct bindings *t, const char *impu, const struct binding *after);
struct binding *bindings_of_user(const struct bindings *t, const char *mcptt_id, const struct binding *after);
/* All, in no order; return non-zero to stop. */
void bindings_each(const struct bindings *t, int (*each)(void *ctx, struct binding *b), void *ctx);

/* 0, or -1 without memory. */
int users_put(struct bindings *t, const struct db_user *row);
/* How many there are; another number whenever one was added. */
size_t users_count(const struct bindings *t);
unsigned users_generation(const struct bindings *t);
void users_remove(struct bindings *t, const char *mcptt_id);
const struct db_user *users_find(const struct bindings *t, const char *mcptt_id);
void users_each(const struct bindings *t, void (*each)(void *ctx, const struct db_user *u), void *ctx);

#endif

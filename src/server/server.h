/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - what the files of mcx-server share: the running server, work for the pool, and who handles what.
 *
 * Threads: the loop thread owns port, bindings, attempts and calls; pool threads see only the work they are given; one
 * thread changes the database (commits.h); the admin listener's threads ask the loop (server_on_loop) and write through
 * their own connection.
 */
#ifndef MCX_SERVER_SERVER_H
#define MCX_SERVER_SERVER_H

#include <pthread.h>
#include <semaphore.h>

#include "app/metrics.h"
#include "audit/keeper.h"
#include "audit/refusals.h"
#include "mcx/flow/pace.h"
#include "mcx/flow/server_call.h"
#include "net/jwks_cache.h"
#include "net/relay.h"
#include "net/revocations.h"
#include "net/sip_port.h"
#include "net/source_limit.h"
#include "net/worker.h"
#include "server/bindings.h"
#include "server/config.h"
#include "server/db_download.h"
#include "server/keys.h"

#define ICSI_MCPTT    "urn:urn-7:3gpp-service.ims.icsi.mcptt"
#define ICSI_REF_TAG  "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\""

enum server_metric {
	M_REGISTER_OK,
	M_REGISTER_REFUSED,
	M_BINDINGS,
	M_CALLS,
	M_CALL_STARTED,
	M_CALL_REFUSED,
	M_BUSY,
	M_STORE_FAILED,
	M_RELAYED,
	M_RELAY_DROPPED,
	M_CONTROL_TAKEN,
	M_CONTROL_DROPPED,
	M_READ_MIKEY, /* requests whose document of this kind its parser was given, good or bad */
	M_READ_XML,
	M_READ_SDP,
	M_WAITING,
	M_METRICS
};

struct attempt;
struct call;
struct download;
struct uids;
struct waiting;
struct redirect_told;
struct krr_signer;

struct server {
	const struct server_config *cfg;
	pthread_t thread;
	sem_t started;
	int start_failed;
	char start_error[512];

	struct sip_loop *loop;
	struct sip_port *port;
	uint16_t sip_number, sips_number;
	struct sip_timer *tick;
	struct relay *relay;
	struct worker_pool *pool;
	struct commits *commits;
	struct pace pace; /* when who hears 503 comes again */
	struct seal *seal;
	struct jwks_cache *jwks;
	struct revocations *revocations;  /* NULL: no list */
	struct audit_keeper *checkpoints; /* NULL: none */
	struct server_keys *keys;
	struct mcsec_replay *replay;
	struct bindings *bindings;
	struct uids *uids;
	struct attempt *attempts;
	struct waiting *waiting;        /* for an attempt to end, in the order they came */
	int waiting_turn, ending;       /* waiting_next() runs; the server stops */
	struct krr_signer *krr_signer;  /* NULL: redirects are not signed */
	struct redirect_told *krr_told;
	struct call *calls;
	struct control_keys *control_keys;
	struct source_limit *invites; /* by who sends them */
	struct download *downloads;
	struct db_musik musik; /* in force, if has_musik */
	int has_musik, musik_stale, musik_making;
	struct audit_refusals *refusals;
	int counts_out; /* a job writes them */
	int64_t began_ms;

	struct http_server *admin;
	struct db *admin_db;
	pthread_mutex_t admin_lock; /* admin_db */
	_Atomic int store_ok;       /* the last write went through */
	struct metric metrics[M_METRICS];
};

/* ---- work off the loop (work.c) ---- */

/* What costs processor time goes to the pool; what changes the database to its one thread (commits.h). */
struct work {
	struct server *s;
	void (*run)(struct work *w, struct db *d); /* d NULL: in the pool, or the database cannot be opened now */
	void (*done)(struct work *w);              /* loop thread */
	int once;          /* a change that must not run again where its commit failed: it is never with others */
	int64_t busy_us;   /* processor time that it has taken */
	struct work *next; /* commits.c */
};
struct worker_pool *work_pool_new(struct server *s);
/* A connection of one's own; NULL and a sentence. */
struct db *work_db(const struct server *s, char *err, size_t err_size);
/* 0, or -1: queue full. */
int server_submit(struct work *w);
int server_change(struct work *w);
/* 1: server_submit would say -1, or the changes that wait are many already. */
int server_full(const struct server *s);
/* Processor time of this thread so far. */
int64_t work_processor_us(void);
/* For commits.c: on its thread; on the loop, of a struct work. */
void work_run(struct work *w, struct db *d);
void work_done(void *work);
/* fn(arg) on the loop, from another thread, waiting for it. */
void server_on_loop(struct server *s, void (*fn)(void *arg), void *arg);
struct server *server_start(const struct server_config *cfg, char *err, size_t err_size);
void server_stop(struct server *s);

/* ---- refusals in the record (record.c) ---- */

/* Write a refusal into the record, or count it. source: who was refused, for the limits; the other texts may be NULL.
 */
void server_audit(struct server *s, char class_, const char *type, const char *source, const char *actor,
		  const char *target, const char *call_id, const char *reason);
void record_tick(struct server *s);
/* Writes what is only counted, when nothing runs any more. */
void record_end(struct server *s);

/* ---- answers (work.c) ---- */

/* Final answer with an MCX warning (0: none) and, for 500 and 503, Retry-After. */
void server_refuse(struct server *s, struct sip_server_tx *tx, int status, int warning, const char *reason);

/* ---- who is asking (identity.c) ---- */

/* Whom this request speaks for: "" if it proves nobody. */
void identity_impu(const struct server *s, const struct sip_message *rq, char *impu, size_t size);
/* What the connection proves, as one text; "" if nothing. */
void identity_peer(const struct sip_message *rq, char *out, size_t size);
/* 1 if the peer is the SIP core; or any neighbour whose P-Asserted-Identity counts, the core among them. */
int identity_core(const struct server *s, const struct sip_message *rq);
int identity_trusted(const struct server *s, const struct sip_message *rq);
/* An IMPU in the one spelling that bindings have: no parameters, scheme and host in lower case. */
enum mcsec_err identity_canonical(const char *uri, char *out, size_t size);
/* The IMPU as our certificate authority wrote it, if the peer may register as `uri`. 0, or -1. */
int identity_prove(const struct server *s, const struct sip_message *rq, const char *uri, char *impu, size_t size);
enum { CLIENTS_MAX = 8 }; /* of one IMPU on one connection */
/* All bindings this request may come from: of the IMPU and the peer it proves; or those of one service. At most max. */
size_t identity_bindings(const struct server *s, const struct sip_message *rq, struct binding **out, size_t max);
size_t identity_bindings_of(const struct server *s, const struct sip_message *rq, enum mcx_service service,
			    struct binding **out, size_t max);
/*
 * The one of them that sent it (V-BIND), NULL if there is none. client_id "" if the request names none. *same_client: 0
 * if the user is known by this connection, but not as that client.
 */
struct binding *identity_binding(struct binding *const *all, size_t n, const char *client_id, int *same_client);
/* ---- services (services.c) ---- */

/* Those that are served, as a set of 1 << service. */
unsigned server_services(const struct server_config *cfg);
/* Our identity as that service's participating function. */
const char *server_psi(const struct server_config *cfg, enum mcx_service service);
/* Every identity that a CSK may be uploaded to; returns how many. */
enum { SERVER_IDENTITIES = MCX_SERVICES + 1 };
size_t server_identities(const struct server_config *cfg, const char *out[SERVER_IDENTITIES]);
/* 1 if this one of them receives the CSKs of that service. */
int server_receives(const struct server_config *cfg, enum mcx_service service, const char *identity);
/* The service that a client prefers, or a neighbour asserts; MCX_SERVICES when that is not said exactly once. */
enum mcx_service server_service_of(const struct sip_message *rq);

/* Remember the connection as the way to this client. */
void identity_seen(struct binding *b, struct sip_server_tx *tx);
/* A neighbour's requests are its users': no limit of one user is for it. */
int identity_is_neighbour(const struct server *s, const struct sip_source *from);
/* As whom the limits count who is there: 32 hexadecimal digits and NUL. */
enum { IDENTITY_KEY = 33 };
void identity_key(const struct sip_source *from, char out[IDENTITY_KEY]);
/* 1 if the request came from the peer of this binding (or from a trusted neighbour). */
int identity_is(const struct server *s, const struct sip_message *rq, const struct db_binding *b);
/* 1 if `list` names the transport; an empty list means `if_empty`. */
int server_lists(const struct config_list *list, const char *what, int if_empty);

/* ---- handlers, all on the loop ---- */

void handle_register(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq);
/* Expired bindings. */
void register_tick(struct server *s);
/* Drop a binding and end its calls, as an officer or a revocation wants. 0, or -1 if it is busy or unknown. */
int register_revoke(struct server *s, int64_t binding);
/* Drop a binding for a reason of the server's own; its calls go on. 0, or -1 if it is busy or unknown. */
int register_drop(struct server *s, int64_t binding, const char *reason);

/* PUBLISH for service authorisation, settings and log-off (24.379 7.3.3 to 7.3.5; sip 2.7). */
void handle_publish(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq);
/* 7.3.3 and 7.3.5: as a REGISTER that brings no contact of its own. impu is proven; contact: the client's. */
void register_by_publish(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq, const char *impu,
			 const char *contact);

void handle_message(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq);

void handle_invite(struct server *s, struct sip_server_tx *tx, const struct sip_message *rq);
/* Silent calls, calls read back after a restart. */
void call_tick(struct server *s);
int call_restore(struct server *s, const struct db_call *row);
/* The binding is gone: its calls end. */
void call_revoked(struct server *s, int64_t binding);
/* For the admin listener: one line of JSON a call. */
void call_each(struct server *s, void (*each)(void *ctx, const struct db_call *row, enum sc_state state), void *ctx);
void call_free_all(struct server *s);

/* ---- admin_keys.c ---- */
struct http_request;
struct http_response;
/* 1 if the call was one of its own. */
int admin_keys(struct server *s, const struct http_request *rq, struct http_response *rs);

/* ---- admin.c ---- */
int admin_start(struct server *s, char *err, size_t err_size);

#endif

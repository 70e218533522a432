/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.h - one identity server: configuration, database, keys, pools; and the few things every handler needs.
 *
 * The database is one connection behind one lock. A change is a transaction with its audit record in it; an answer that
 * promises something leaves only after the commit. A transaction that cannot be made is 503, and the next one is tried
 * as if nothing had been: service returns by itself. Signing and hashing happen outside of the lock.
 */
#ifndef MCX_IDMS_CONTEXT_H
#define MCX_IDMS_CONTEXT_H

#include <pthread.h>

#include "app/config.h"
#include "app/metrics.h"
#include "audit/refusals.h"
#include "idms/password.h"
#include "idms/scope.h"
#include "idms/throttle.h"
#include "net/http.h"
#include "store/store.h"

struct idms_config {
	char issuer[256], address[64], tls[1024], admin_ca[1024], client_ca[1024], database[1024], keys[1024];
	char audience[256], name[64], password_blocklist[1024];
	char audit_key[1024], audit_checkpoints[1024]; /* "": no checkpoints */
	int64_t port, admin_port, threads;
	int64_t max_connections, max_per_peer, new_per_peer; /* of the public listener (net/http.h) */
	int64_t access_ttl, id_ttl, refresh_abs_ttl, refresh_idle_ttl, session_abs_ttl, session_idle_ttl, code_ttl;
	int64_t argon2_memory_kib, argon2_passes, argon2_lanes, argon2_threads, argon2_queue;
	int64_t rotate_days, login_pages_per_s, source_failures, token_rate;
	int64_t lockout_failures, lockout_minutes;
	int redirect_303;
	struct config_list scopes;
};
extern const struct config_option idms_options[];
extern const size_t idms_n_options;

enum idms_metric {
	M_LOGIN_OK,
	M_LOGIN_WRONG,
	M_LOGIN_THROTTLED,
	M_LOGIN_BUSY,
	M_CODES,
	M_TOKENS_CODE,
	M_TOKENS_REFRESH,
	M_TOKEN_REFUSED,
	M_CODE_REPLAY,
	M_REFRESH_REUSE,
	M_DB_UNAVAILABLE,
	M_COUNT
};

struct signing;
struct logins;
struct grace;

struct idms {
	struct idms_config cfg;
	struct scope_catalogue scopes;
	pthread_mutex_t db_lock;
	struct store *store;
	struct audit *audit;
	struct audit_refusals *refusals;
	struct audit_keeper *checkpoints; /* NULL: none */
	struct signing *signing;
	struct password_pool *passwords;
	struct throttle *throttle;
	struct logins *logins;
	struct grace *grace;
	struct http_server *public_, *admin;
	struct metric *metrics;
	int64_t (*now_ms)(void); /* Unix milliseconds */
	pthread_mutex_t life_lock;
	pthread_cond_t ending;
	int stopping, keeping;
	pthread_t keeper;
};

/* now_ms may be NULL: the system's clock. NULL and a sentence in err on failure. */
struct idms *idms_start(const struct idms_config *c, int64_t (*now_ms)(void), char *err, size_t err_size);
void idms_stop(struct idms *s);
/* What the housekeeper does every ten seconds: count refusals, drop what has expired, move signing keys on. */
void idms_housekeeping(struct idms *s);

int64_t idms_now(const struct idms *s); /* Unix seconds */
void idms_count(struct idms *s, enum idms_metric m);

/* ---- transactions ---- */

/* Takes the lock and begins. On error nothing is held. */
enum store_err idms_begin(struct idms *s);
/* Both give the lock back. */
enum store_err idms_commit(struct idms *s);
void idms_rollback(struct idms *s);

struct idms_event {
	char class_;
	const char *type;
	enum audit_outcome outcome;
	const char *actor, *target, *reason;
	const char *client, *sid, *jti, *source, *scope;
};
/* Inside a transaction. Of a flood of refusals only the first are written here, the rest later with a count. */
enum store_err idms_audit(struct idms *s, const struct idms_event *e);
/* A record of its own; for refusals that change nothing else. */
enum store_err idms_audit_alone(struct idms *s, const struct idms_event *e);

/* ---- small things ---- */

enum { RANDOM_TEXT = 44, HASH_LEN = 32 };
/* 256 random bits as 43 characters of base64url. 0, or -1 when the random source failed. */
int idms_random(char out[RANDOM_TEXT]);
void idms_hash(const char *text, uint8_t out[HASH_LEN]);
/* "p-" and 128 random bits in base32, lower case (identity.md 2: sub, sid, jti). out has 32 octets. */
enum { OPAQUE_ID = 32 };
int idms_opaque_id(const char *prefix, char out[OPAQUE_ID]);
/* Value of one cookie, "" if absent or not 43 characters of base64url. */
void idms_cookie(const struct http_request *rq, const char *name, char out[RANDOM_TEXT]);
/* Address for limits: IPv4 whole, IPv6 its /64. */
void idms_source(const struct http_request *rq, char out[64]);

#endif

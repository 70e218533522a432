/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h - what mcx-server keeps for ever: users, bindings with sealed CSKs, replay memory, calls, and the audit record.
 *
 * One struct db is one connection with its own audit chain handle; each worker thread and the admin listener have
 * theirs. Every change is one transaction together with its audit record. The database holds no key in clear.
 */
#ifndef MCX_SERVER_DB_H
#define MCX_SERVER_DB_H

#include "audit/audit.h"
#include "mcsec/mikey.h"
#include "mcx/doc/service.h"
#include "mcx/flow/server_auth.h"
#include "mcx/flow/suite.h"
#include "server/seal.h"

enum { DB_URI = 512, DB_PEER = 1024, DB_DIALOG = 3000, DB_MAX_REMOVE = 16 };

struct db {
	struct store *store;
	struct audit *audit;
	const struct seal *seal;
};

struct db_options {
	const char *path, *node;
	unsigned busy_ms;
	const struct seal *seal;
};

struct db *db_open(const struct db_options *o, char *err, size_t err_size);
void db_close(struct db *d);

/* One client's registration for one service. Texts are "" when there is none. */
struct db_binding {
	int64_t id;
	enum mcx_service service;
	char impu[DB_URI], client_id[DB_URI];
	char mcptt_id[DB_URI]; /* the MC service ID, of whichever service; "": registered without authorisation */
	char contact[DB_URI];
	char peer[DB_PEER];     /* what the connection proved itself to be */
	char server_id[DB_URI]; /* our identity the CSK came to */
	char kms_uri[DB_URI];   /* of the client, by its last upload; "": ours */
	int has_csk;
	uint8_t csk[MCSEC_KEY_LEN + SEAL_OVERHEAD]; /* sealed */
	uint32_t csk_id;
	uint8_t rand[MCSEC_RAND_MAX]; /* RAND of its I_MESSAGE: part of the keys for control signalling */
	uint8_t rand_len;
	uint64_t t;                     /* of the CSK's I_MESSAGE, NTP as on the wire */
	uint16_t suite, wanted;         /* of the CSK; what the client selected itself */
	struct suite_list offered;      /* what the client can do, as it said          */
	int64_t authorised_at, expires; /* Unix seconds */
	char sid[64], jti[64];          /* of the token, so that a revocation finds it */
};

/* What becomes of one client's bindings, all in one transaction. */
struct db_change {
	size_t n, n_gone;
	struct db_binding rows[MCX_SERVICES];
	int64_t ids[MCX_SERVICES];  /* set: which rows they are once stored */
	unsigned fresh;             /* bit i: rows[i] is authorised anew, under the CSK that came */
	int64_t gone[MCX_SERVICES]; /* these leave */
	const char *reason;
};
/*
 * A fresh row replaces the one of (impu, client_id, service); of another one contact, peer and expiry are new; with id
 * 0 it is a registration without authorisation. key and rand are those of the opened I_MESSAGE, not used without a
 * fresh row; replay may be NULL.
 */
enum sa_stored db_store_change(struct db *d, struct db_change *c, const uint8_t key[MCSEC_KEY_LEN], struct octets rand,
			       const struct mcsec_replay_entry *replay);
enum sa_stored db_remove_bindings(struct db *d, const int64_t *ids, size_t n, const char *reason);
/* The CSK of a binding, unsealed into secret memory of MCSEC_KEY_LEN octets. MCSEC_E_NO_KEYS: it has none. */
enum mcsec_err db_open_csk(const struct seal *seal, const struct db_binding *b, uint8_t *key);

/* What sealed keys are for: a blob moved to another row does not open. p NULL: buf is too small. */
struct octets db_csk_purpose(const struct db_binding *b, uint32_t csk_id, char *buf, size_t size);
struct octets db_musik_purpose(uint32_t musik_id, char *buf, size_t size);

struct db_call {
	char id[256]; /* the caller's Call-ID */
	char caller[DB_URI], callee[DB_URI];
	int64_t caller_binding, callee_binding;
	int64_t started;
	uint32_t pck_id;
	char kms_initiator[DB_URI], kms_responder[DB_URI];
	char a[DB_DIALOG], b[DB_DIALOG]; /* sip_dialog_save */
};
enum store_err db_call_start(struct db *d, const struct db_call *c);
enum store_err db_call_end(struct db *d, const struct db_call *c, const char *reason);

/*
 * SRTCP indices under that CSK, given away for ever: the next DB_INDICES, *first ... *end-1 (M-D14). *end 0: all are
 * used up. Durable when this returns STORE_OK.
 */
enum { DB_INDICES = 4096 };
enum store_err db_take_indices(struct db *d, uint32_t csk_id, uint32_t *first, uint32_t *end);
extern const char db_control_schema[];

/* A refusal, on its own. */
enum store_err db_refused(struct db *d, char class_, const char *type, const char *actor, const char *target,
			  const char *call_id, const char *reason);

struct db_user {
	char mcptt_id[DB_URI];
	char answer_mode[16]; /* automatic, manual, "" not known */
	int private_call, auto_answer;
	int private_video; /* may use MCVideo private calls */
	char kms_uri[DB_URI];
};
enum store_err db_put_user(struct db *d, const struct db_user *u, const char *officer);
enum store_err db_delete_user(struct db *d, const char *mcptt_id, const char *officer);

/* Everything, at start. A callback that returns non-zero stops with STORE_BROKEN. */
enum store_err db_each_binding(struct db *d, int (*each)(void *ctx, const struct db_binding *b), void *ctx);
enum store_err db_each_user(struct db *d, int (*each)(void *ctx, const struct db_user *u), void *ctx);
enum store_err db_each_call(struct db *d, int (*each)(void *ctx, const struct db_call *c), void *ctx);
enum store_err db_each_replay(struct db *d, int (*each)(void *ctx, const struct mcsec_replay_entry *e), void *ctx);

/* Shared by db*.c: append now; commit if all went well so far, else roll back. */
enum store_err db_record(struct db *d, const struct audit_record *r);
enum store_err db_finish(struct db *d, enum store_err e);

int64_t db_now(void);
void db_copy(char *out, size_t size, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h - everything mcx-kms keeps (kms.md 15B), and the connections its threads share.
 *
 * No secret stands here in clear: the master secrets are a sealed blob, issued keys are not kept. A connection is taken
 * for one request and given back; one that broke is thrown away, so that service returns by itself.
 */
#ifndef MCX_KMS_DB_H
#define MCX_KMS_DB_H

#include "audit/audit.h"
#include "mcx/doc/kms_doc.h"
#include "store/store.h"

struct kms_db {
	struct kms_db *next; /* in the pool */
	struct store *store;
	struct audit *audit;
};

struct kms_pool;

/* Opens the first connection, which runs the migrations. NULL and a sentence in err. */
struct kms_pool *kms_pool_new(const char *path, const char *node, unsigned busy_ms, char *err, size_t err_size);
void kms_pool_free(struct kms_pool *p);
/* NULL: *e says why. */
struct kms_db *kms_pool_take(struct kms_pool *p, enum store_err *e);
/* e: the last verdict met with it. */
void kms_pool_give(struct kms_pool *p, struct kms_db *db, enum store_err e);

/* ---- the domain: one row, made once ---- */

enum { KMS_SEALED_MAX = 2048 };

struct kms_domain_row {
	struct kms_certificate cert;
	size_t sealed_len;
	uint8_t sealed[KMS_SEALED_MAX];
};
/* STORE_ROW: *out is filled in; STORE_OK: there is none yet. */
enum store_err kms_db_domain(struct kms_db *db, struct kms_domain_row *out);
enum store_err kms_db_domain_create(struct kms_db *db, const struct kms_domain_row *row);
/* Other sealing of the same secrets, in the caller's transaction. */
enum store_err kms_db_domain_reseal(struct kms_db *db, struct octets sealed);

/* ---- issue numbers: never twice, also after a crash ---- */

/* Takes n numbers, durable at once (outside any transaction); *first is the lowest. */
enum store_err kms_db_take_numbers(struct kms_db *db, uint64_t n, uint64_t *first);

/* ---- users ---- */

enum kms_user_state { KMS_USER_UNKNOWN, KMS_USER_ACTIVE, KMS_USER_SUSPENDED, KMS_USER_REVOKED };
const char *kms_user_state_name(enum kms_user_state s);
/* KMS_USER_UNKNOWN if the name is none of the others. */
enum kms_user_state kms_user_state_of(const char *name);

struct kms_user {
	enum kms_user_state state;
	int64_t created, last_seen; /* Unix seconds; last_seen 0: never */
	int64_t last_period;        /* highest period issued, -1: none */
	int64_t hour, hour_count;   /* requests in the hour that begins at `hour` */
	int64_t in_period, period_count;
};
/* STORE_OK also for an unknown user: state KMS_USER_UNKNOWN. */
enum store_err kms_db_user(struct kms_db *db, const char *uri, struct kms_user *out);
enum store_err kms_db_user_put(struct kms_db *db, const char *uri, const struct kms_user *u);

/* ---- certificates of other domains (db_extcert.c) ---- */

enum kms_ext_state { KMS_EXT_PROPOSED, KMS_EXT_PERMITTED, KMS_EXT_SUSPENDED, KMS_EXT_REVOKED };
const char *kms_ext_state_name(enum kms_ext_state s);

enum { KMS_FINGERPRINT = 32 };

struct kms_ext_cert {
	uint8_t fingerprint[KMS_FINGERPRINT];
	enum kms_ext_state state;
	int64_t imported;
	char imported_by[256], approved_by[256]; /* subjects of the officers' certificates */
	struct kms_certificate cert;             /* role External; revoked when the state is */
};

/* SHA-256 over PubEncKey, PubAuthKey, KmsUri: octets, not their text (kms.md 15.1). */
enum mcsec_err kms_fingerprint(const struct kms_certificate *c, uint8_t out[KMS_FINGERPRINT]);
/* STORE_ROW or STORE_OK: none. */
enum store_err kms_db_ext(struct kms_db *db, const uint8_t fingerprint[KMS_FINGERPRINT], struct kms_ext_cert *out);
/* Adds it, or changes state and approved_by; a change of what is served makes the cache number grow by one. */
enum store_err kms_db_ext_put(struct kms_db *db, const struct kms_ext_cert *x);
/* Calls back for each, oldest first; all: also those that are not served. In one read transaction with *cache_num. */
enum store_err kms_db_ext_each(struct kms_db *db, int all, int64_t *cache_num,
			       void (*each)(void *ctx, const struct kms_ext_cert *x), void *ctx);
/* STORE_ROW: the served certificate of this KMS stands in *out; STORE_OK: there is none. */
enum store_err kms_db_external(struct kms_db *db, const char *kms_uri, struct kms_certificate *out);

/* ---- reports of redirect responses (db_krr.c) ---- */

extern const char kms_krr_migration[];

struct kms_krr_row {
	int64_t id, received;
	char reporter[KMS_URI_MAX], receiver[KMS_URI_MAX], kms[KMS_URI_MAX]; /* kms: the first proposed, "" none */
	char verdict[16], alerts[128];
	struct octets body; /* as received */
};
/* In the caller's transaction. STORE_CONFLICT: the same report of the same reporter is there. */
enum store_err kms_db_krr_put(struct kms_db *db, const struct kms_krr_row *row);
/* Reports of this reporter since `from`; and whether one since `from` gives the receiver another KMS. */
enum store_err kms_db_krr_counts(struct kms_db *db, const struct kms_krr_row *row, int64_t from, int64_t *reports,
				 int64_t *others);
/* The newest first, at most `limit`. */
enum store_err kms_db_krr_each(struct kms_db *db, int64_t limit, void (*each)(void *ctx, const struct kms_krr_row *r),
			       void *ctx);

/* A certificate document of ours read back: STORE_ROW or STORE_BROKEN. */
enum store_err kms_db_certificate(struct octets xml, struct kms_certificate *out);

#endif

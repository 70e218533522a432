/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - the transport-key table of the KMS: TrK and InK of each user with their states, and the signatures seen
 * (kms.md 10.2, 15B). pending: given out, not yet heard of; active; old: replaced, good for another 24 hours.
 *
 * Every change is durable before it is answered, so that a kill -9 or a lost response leaves both sides with a key that
 * the other one still knows.
 */
#ifndef MCX_KMS_PROTECT_TABLE_H
#define MCX_KMS_PROTECT_TABLE_H

#include "kms/db.h"
#include "kms/protect/seal.h"

enum tkey_kind { TKEY_TRK, TKEY_INK };
enum tkey_state { TKEY_PENDING, TKEY_ACTIVE, TKEY_OLD };
const char *tkey_kind_name(enum tkey_kind k);
const char *tkey_state_name(enum tkey_state s);

enum { TKEY_OLD_S = 86400 };

struct tkey {
	char id[KMS_KEY_ID_MAX]; /* "" none */
	char user[KMS_URI_MAX];
	enum tkey_kind kind;
	enum tkey_state state;
	int64_t created, changed;
	uint8_t sealed[TRANSPORT_SEALED];
};

extern const char tkey_migration[];

/* STORE_ROW and *out, or STORE_OK: none; one that is old for too long is none. */
enum store_err tkey_by_id(struct kms_db *db, const char *id, int64_t now, struct tkey *out);
enum store_err tkey_of_user(struct kms_db *db, const char *user, enum tkey_kind kind, enum tkey_state state,
			    int64_t now, struct tkey *out);
enum store_err tkey_each(struct kms_db *db, const char *user, void (*each)(void *ctx, const struct tkey *k), void *ctx);

/*
 * In the caller's transaction: a new key of this kind, pending; by_hand (it reaches its client out of band) and the
 * first of the user: active at once. A pending one that is there already is given instead, so that a response that was
 * lost does no harm. key receives its octets.
 */
enum store_err tkey_make(struct kms_db *db, const struct transport_seal *seal, const char *user, enum tkey_kind kind,
			 int by_hand, int64_t now, struct tkey *out, uint8_t key[KMS_TRK_LEN]);
/* In the caller's transaction: this key becomes active, the active one old. */
enum store_err tkey_activate(struct kms_db *db, const struct tkey *k, int64_t now);
/* Those that are old for too long go: now and then. */
enum store_err tkey_sweep(struct kms_db *db, int64_t now);
/* All keys of a user go: a lost device. */
enum store_err tkey_withdraw(struct kms_db *db, const char *user);

/* STORE_CONFLICT: this signature was seen before. Durable. */
enum store_err tkey_replay(struct kms_db *db, const uint8_t hash[32], int64_t now, int64_t until);

#endif

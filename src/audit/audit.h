/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the tamper-evident record (audit.md 2, 3): one hash-chained record an event, in the same database and the
 * same transaction as the change it records, so that neither is ever durable without the other.
 *
 * hash(n) = SHA-256(0x00 | hash(n-1) | canonical(n)); hash(0) = SHA-256 of the node's name. The canonical form is binary, fixed in order, and the only
 * thing hashed; JSON is a view. Key material never enters: only key identifiers.
 */
#ifndef MCX_AUDIT_H
#define MCX_AUDIT_H

#include "store/store.h"

enum audit_outcome { AUDIT_OK = 0, AUDIT_REFUSED = 1, AUDIT_ERROR = 2 };

enum { AUDIT_MAX_KEY_IDS = 4, AUDIT_MAX_DETAIL = 8 };

struct audit_record {
	char class_;	  /* A..E user events, S system, M management, X security, K key, T audit itself */
	const char *type; /* dotted name of audit.md 2.1 */
	enum audit_outcome outcome;
	const char *actor, *target;   /* MC ids; NULL is "" from here on */
	const char *call_id;
	size_t n_key_ids;
	uint32_t key_ids[AUDIT_MAX_KEY_IDS];
	const char *kms_initiator, *kms_responder;
	const uint8_t *payload_sha256; /* 32 octets or NULL */
	const char *reason;
	size_t n_detail; /* sorted by key when written */
	struct {
		const char *key, *value;
	} detail[AUDIT_MAX_DETAIL];
};

struct audit;

/* The tables must be among the store's migrations: audit_migration. The node's name is fixed at the first record. */
extern const char *const audit_migration;
enum store_err audit_open(struct audit **out, struct store *store, const char *node);
void audit_close(struct audit *a);
/*
 * Appends inside the caller's open transaction, or in one of its own when none is open. now_ns: Unix nanoseconds.
 * Durable when the transaction's commit (or, without one, this call) returns STORE_OK.
 */
enum store_err audit_append(struct audit *a, const struct audit_record *r, int64_t now_ns);

struct audit_finding {
	uint64_t records;  /* records read */
	uint64_t bad_seq;  /* first record at fault, 0 if none */
	char reason[128];
};
/* Reads the whole chain of a database file, offline. 0 intact, 1 a fault was found, -1 cannot be read. */
int audit_verify(const char *db_path, struct audit_finding *f);

#endif

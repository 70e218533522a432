/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the tamper-evident record (audit.md 2, 3): one hash-chained record an event, in the same database and the
 * same transaction as the change it records, so that neither is ever durable without the other.
 *
 * h(n) = SHA-256(00 | canonical(n)), c(n) = SHA-256(02 | c(n-1) | h(n)), c(0) = SHA-256("mcx-audit-1" | node).
 * The canonical form is binary, fixed in order, and the only thing hashed; JSON is a view. Key material never enters:
 * only key identifiers.
 *
 * What verification proves. The database alone: every change, removal, insertion or exchange of a record by somebody
 * who did not also recompute the chain behind it and the stored head, and every cut-off tail unless the head was set
 * back too. Who can write the whole file can do both: against that, keep anchors (sequence number and chain value)
 * outside the host and verify with one. With an anchor (n, c) no record up to n can have been changed or removed
 * unseen; records after the newest anchor can still be cut off unseen by such a writer. Signed checkpoints are such
 * anchors that the daemon makes by itself (keeper.h).
 */
#ifndef MCX_AUDIT_H
#define MCX_AUDIT_H

#include <stdio.h>

#include "store/store.h"

enum audit_outcome { AUDIT_OK = 0, AUDIT_REFUSED = 1, AUDIT_ERROR = 2 };
enum audit_clock { AUDIT_CLOCK_FREE = 0, AUDIT_CLOCK_NTP = 1, AUDIT_CLOCK_PTP = 2 };

enum { AUDIT_MAX_KEY_IDS = 4, AUDIT_MAX_DETAIL = 8, AUDIT_MAX_TEXT = 1024, AUDIT_MAX_RECORD = 32768, AUDIT_HASH = 32 };

struct audit_record {
	char class_;      /* A..E user events, S system, M management, X security, K key, T audit itself */
	const char *type; /* dotted name of audit.md 2.1 */
	enum audit_outcome outcome;
	enum audit_clock clock;
	const char *actor, *target; /* MC ids; NULL is "" from here on */
	const char *call_id;
	size_t n_key_ids;
	uint32_t key_ids[AUDIT_MAX_KEY_IDS];
	const char *kms_initiator, *kms_responder;
	const uint8_t *payload_sha256; /* 32 octets or NULL */
	const char *reason;
	size_t n_detail; /* sorted by key when written; of equal keys the first stays */
	struct {
		const char *key, *value;
	} detail[AUDIT_MAX_DETAIL];
};
/* Any text is recorded up to AUDIT_MAX_TEXT octets; an octet that is no UTF-8 becomes '?'. */

/* Adds a detail; more than AUDIT_MAX_DETAIL are dropped. Both strings must live until the append. */
void audit_detail(struct audit_record *r, const char *key, const char *value);

struct audit;

/* A place in the chain to keep elsewhere: "so many records, and the chain stood at this value". */
struct audit_anchor {
	uint64_t seq;
	uint8_t chain[AUDIT_HASH];
};

/* The tables must be among the store's migrations: audit_migration. */
extern const char *const audit_migration;
/* The node's name is fixed at the first open; another name later is STORE_CONFLICT. One per store connection. */
enum store_err audit_open(struct audit **out, struct store *store, const char *node);
void audit_close(struct audit *a);
/*
 * Appends inside the caller's open transaction, or in one of its own when none is open. now_ns: Unix nanoseconds.
 * Durable when the transaction's commit (or, without one, this call) returns STORE_OK. A clock that went back by more
 * than AUDIT_CLOCK_SLACK_NS is recorded first, as audit.clock-step.
 */
#define AUDIT_CLOCK_SLACK_NS (INT64_C(10) * 1000000000)
enum store_err audit_append(struct audit *a, const struct audit_record *r, int64_t now_ns);
/* The newest place of the chain. */
enum store_err audit_head(struct audit *a, struct audit_anchor *out);

struct audit_finding {
	uint64_t records; /* records read */
	uint64_t bad_seq; /* first record at fault, 0 if none */
	char reason[128];
	struct audit_anchor head; /* of an intact chain: keep it as the next anchor */
	uint64_t checkpoints;     /* good ones read */
	uint64_t checkpointed;    /* records that the last of them covers */
};
/*
 * Reads the whole chain of a database file, offline; anchor may be NULL. 0 intact, 1 a fault was found, -1 cannot be
 * read (reason says why).
 */
int audit_verify(const char *db_path, const struct audit_anchor *anchor, struct audit_finding *f);
/*
 * The same, and every line of the file `points` must be a checkpoint under the Ed25519 key in the PEM file public_key,
 * follow the line before it, and agree with the records. Give it the copy that was kept elsewhere: then no record it
 * covers can have been changed, removed or cut off unseen, whoever wrote the database.
 */
int audit_verify_points(const char *db_path, const char *points, const char *public_key,
			const struct audit_anchor *anchor, struct audit_finding *f);
/* Records from..to (0: to the end) as JSON, one a line, without judging them. 0, or -1 and a reason. */
int audit_export(const char *db_path, uint64_t from, uint64_t to, FILE *out, char *reason, size_t reason_size);
enum audit_format { AUDIT_JSON, AUDIT_SYSLOG };
/* The same in either form; syslog is that of RFC 5424 (export.c). */
int audit_export_as(enum audit_format format, const char *db_path, uint64_t from, uint64_t to, FILE *out, char *reason,
		    size_t reason_size);

#endif

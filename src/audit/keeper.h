/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - makes the checkpoints of a running daemon (audit.md 3 items 4, 5), on a thread of its own.
 *
 * Each `every_records` records or `every_s` seconds with new records it signs a checkpoint, appends it durably to a
 * file that only grows, and hands the line to `said`, which puts it in the daemon's log: that is how it leaves the host
 * (journal, syslog, RFC 5425). It reads the database through a connection of its own and writes nothing in it.
 * A history that no longer fits the last checkpoint is a gap: from then on nothing is signed, and it says so.
 */
#ifndef MCX_AUDIT_KEEPER_H
#define MCX_AUDIT_KEEPER_H

#include "audit/checkpoint.h"

enum audit_keeper_state {
	AUDIT_KEEPER_OK = 0,
	AUDIT_KEEPER_UNREADABLE, /* the database cannot be read now; tried again each second */
	AUDIT_KEEPER_UNWRITABLE, /* the checkpoint file cannot be written; tried again each second */
	AUDIT_KEEPER_GAP,        /* records that a checkpoint covers are gone or changed */
};
/* Stable, for logs and alarms. */
const char *audit_keeper_state_name(enum audit_keeper_state s);

struct audit_keeper_options {
	const char *database;
	const char *key;  /* Ed25519, PEM, 0600; made when absent, its public half beside it as KEY.pub */
	const char *file; /* the checkpoints, one a line */
	uint64_t every_records;
	unsigned every_s;
	void (*said)(void *ctx, const char *checkpoint);                        /* each new checkpoint; may be NULL */
	void (*changed)(void *ctx, enum audit_keeper_state s, const char *why); /* of state; may be NULL */
	void *ctx;
};

struct audit_keeper;

/* NULL and a sentence in err: the key cannot be read or made, or the file cannot be read. Strings are copied. */
struct audit_keeper *audit_keeper_start(const struct audit_keeper_options *o, char *err, size_t err_size);
/* A last checkpoint is made when there are new records. NULL is allowed. */
void audit_keeper_stop(struct audit_keeper *k);
/* Now, for a witness that asks: line receives the newest checkpoint, "" if there is no record at all. */
enum audit_keeper_state audit_keeper_now(struct audit_keeper *k, char line[AUDIT_CHECKPOINT_LINE]);
enum audit_keeper_state audit_keeper_state(struct audit_keeper *k);

/* Public key of an auditor's copy: PEM file. NULL and a sentence in err. EVP_PKEY_free it. */
EVP_PKEY *audit_public_key(const char *path, char *err, size_t err_size);

#endif

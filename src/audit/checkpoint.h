/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h - signed statements "so many records, and this is what they hash to" (audit.md 3 items 1, 4, 5). Pure.
 *
 * A checkpoint names the number of records, the root of their Merkle tree (RFC 9162 hashing: leaf 00, node 01), the
 * chain value, the time and the checkpoint before it, under an Ed25519 signature. It is one line of text, so that it
 * travels in a log, a mail or a file:
 *
 *	mcx-audit-checkpoint-1 SIZE TIME_NS ROOT CHAIN PREVIOUS SIGNATURE NODE
 *
 * Whoever keeps such a line where the recording host cannot write finds any later removal of the records it covers.
 */
#ifndef MCX_AUDIT_CHECKPOINT_H
#define MCX_AUDIT_CHECKPOINT_H

#include <openssl/evp.h>

#include "audit/audit.h"

enum { AUDIT_SIGNATURE = 64, AUDIT_TREE_LEVELS = 64, AUDIT_NODE = 256, AUDIT_CHECKPOINT_LINE = 1024 };

/* The right edge of a growing Merkle tree: enough to add a leaf and to tell the root. */
struct audit_tree {
	uint64_t n;
	uint8_t edge[AUDIT_TREE_LEVELS]
		    [AUDIT_HASH]; /* [l] holds a full subtree of 2^l leaves where bit l of n is set */
};

/* record: the canonical octets of the next record. */
enum mcsec_err audit_tree_add(struct audit_tree *t, struct octets record);
/* SHA-256 of nothing for an empty tree. */
enum mcsec_err audit_tree_root(const struct audit_tree *t, uint8_t root[AUDIT_HASH]);

struct audit_checkpoint {
	char node[AUDIT_NODE];
	uint64_t size, time_ns;
	uint8_t root[AUDIT_HASH], chain[AUDIT_HASH];
	uint8_t previous[AUDIT_HASH]; /* hash of the checkpoint before; zero for the first */
	uint8_t signature[AUDIT_SIGNATURE];
};

/* Fills in the signature. */
enum mcsec_err audit_checkpoint_sign(struct audit_checkpoint *c, EVP_PKEY *key);
/* MCSEC_OK, or MCSEC_E_SIGNATURE. */
enum mcsec_err audit_checkpoint_verify(const struct audit_checkpoint *c, EVP_PKEY *key);
enum mcsec_err audit_checkpoint_hash(const struct audit_checkpoint *c, uint8_t out[AUDIT_HASH]);

/* Without line feed. */
void audit_checkpoint_print(const struct audit_checkpoint *c, char out[AUDIT_CHECKPOINT_LINE]);
/* Exactly what print writes; MCSEC_E_MALFORMED for anything else. */
enum mcsec_err audit_checkpoint_parse(struct octets line, struct audit_checkpoint *c);

#endif

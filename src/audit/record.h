/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - one audit record as octets, as a view of those octets, and as JSON (audit.md 2). Pure.
 */
#ifndef MCX_AUDIT_RECORD_H
#define MCX_AUDIT_RECORD_H

#include "audit/audit.h"

enum { AUDIT_VERSION = 1 };

/* A record read back; everything points into the octets it was read from. */
struct audit_view {
	struct octets node, type, actor, target, call_id, kms_initiator, kms_responder, payload, reason;
	uint64_t seq, time_ns;
	uint8_t clock, class_, outcome;
	uint32_t n_key_ids;
	struct octets key_ids; /* 4 octets each */
	uint32_t n_detail;
	struct octets detail; /* keys and values, as they stand in the record */
};

void audit_encode(struct writer *w, const char *node, uint64_t seq, uint64_t time_ns, const struct audit_record *r);
/* MCSEC_OK only for octets that audit_encode could have written. */
enum mcsec_err audit_decode(struct octets in, struct audit_view *v);
/* One line of JSON with its line feed; chain may be NULL. */
void audit_print(FILE *out, const struct audit_view *v, const uint8_t chain[AUDIT_HASH]);
/* The same as a message of RFC 5424 (export.c). */
void audit_print_syslog(FILE *out, const struct audit_view *v, const uint8_t chain[AUDIT_HASH]);

enum mcsec_err audit_chain_start(const char *node, uint8_t chain[AUDIT_HASH]);
/* c(n-1) in, c(n) out; unchanged on error. */
enum mcsec_err audit_chain_next(uint8_t chain[AUDIT_HASH], struct octets record);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals.h - a flood of refusals becomes a few records: the first ones each as it is, the rest as one record with a
 * count (audit.md 2: every refusal is recorded).
 *
 * A record is a durable write. Were each refusal one, whoever can be refused could keep the disk busy and fill it. So
 * in each window of ten seconds a source gets five records of a type, all sources together a hundred; what is more is
 * counted, and written when its window is over: how many, from when to when. The table has a fixed size; sources that
 * find no place in it are counted together. What is counted and not yet written is lost with the process, ten seconds
 * at most. Pure but for its lock; the clock is injected. Thread-safe.
 */
#ifndef MCX_AUDIT_REFUSALS_H
#define MCX_AUDIT_REFUSALS_H

#include "audit/audit.h"

struct audit_refusals;

enum {
	AUDIT_REFUSALS_WINDOW_MS = 10000,
	AUDIT_REFUSALS_EACH = 5,    /* records of one type from one source in a window */
	AUDIT_REFUSALS_ALL = 100,   /* records in a window */
	AUDIT_REFUSALS_PLACES = 256 /* sources and types in a window */
};

struct audit_refusals *audit_refusals_new(void);
void audit_refusals_free(struct audit_refusals *r); /* NULL is allowed */

/*
 * A refusal: its class and dotted type (a literal), and a numeric address or another name of who was refused. 1: the
 * caller writes its record now; 0: it is counted. now_ms: any clock; setting it back ends windows.
 */
int audit_refusals_note(struct audit_refusals *r, char class_, const char *type, const char *source, int64_t now_ms);
/* The record that was to be written could not be: it is counted instead. */
void audit_refusals_count(struct audit_refusals *r, char class_, const char *type, const char *source, int64_t now_ms);
/* 1 if a count waits whose window is over; with `all` any count. */
int audit_refusals_due(struct audit_refusals *r, int64_t now_ms, int all);
/* Writes what is due in a transaction of its own; what could not be written stays counted. */
enum store_err audit_refusals_write(struct audit_refusals *r, struct audit *a, struct store *s, int64_t now_ms,
				    int64_t now_ns, int all);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - reading an audit chain back, offline: is it whole, and what does it say (audit.md 3 item 6).
 *
 * One pass over the records in the order of their sequence numbers, then the stored head, then the anchor. The first
 * fault is reported with the number of the record it was found at. The database is opened read-only.
 */
#include <stdarg.h>

#include "audit/record.h"

struct check {
	struct audit_finding *f;
	const struct audit_anchor *anchor;
	char node[AUDIT_MAX_TEXT + 1];
	struct audit_anchor head; /* as stored */
	uint64_t last_time;
	uint8_t chain[AUDIT_HASH];
};

__attribute__((format(printf, 3, 4))) static int fault(struct check *c, uint64_t seq, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->f->reason, sizeof c->f->reason, fmt, ap);
	va_end(ap);
	c->f->bad_seq = seq;
	return 1;
}

static int unreadable(char *reason, size_t size, const char *why)
{
	snprintf(reason, size, "%s", why);
	return -1;
}

static int time_in_order(const struct check *c, const struct audit_view *v)
{
	return v->time_ns + AUDIT_CLOCK_SLACK_NS >= c->last_time ||
	       octets_equal(v->type, octets_of("audit.clock-step"));
}

static int check_record(struct check *c, uint64_t seq, struct octets record, struct octets chain)
{
	uint64_t expected = c->f->records + 1;
	struct audit_view v;
	if (seq != expected)
		return fault(c, expected, "removed: record %llu is missing", (unsigned long long)expected);
	c->f->records = seq;
	if (audit_decode(record, &v))
		return fault(c, seq, "altered: the record cannot be read");
	if (v.seq != seq)
		return fault(c, seq, "reordered: the record here was written as number %llu",
			     (unsigned long long)v.seq);
	if (!octets_equal(v.node, octets_of(c->node)))
		return fault(c, seq, "altered: the record is of another node");
	if (audit_chain_next(c->chain, record))
		return unreadable(c->f->reason, sizeof c->f->reason, "libcrypto cannot hash");
	if (!octets_equal(chain, OCTETS(c->chain)))
		return fault(c, seq, "altered: the record does not fit the chain");
	if (!time_in_order(c, &v))
		return fault(c, seq, "altered: time runs back without a recorded clock step");
	c->last_time = v.time_ns;
	if (c->anchor && c->anchor->seq == seq && memcmp(c->anchor->chain, c->chain, AUDIT_HASH) != 0)
		return fault(c, seq, "rewritten: the chain up to here is not the anchored one");
	return 0;
}

static int check_end(struct check *c)
{
	uint64_t n = c->f->records;
	if (c->head.seq > n)
		return fault(c, n + 1, "truncated: records %llu to %llu are missing", (unsigned long long)n + 1,
			     (unsigned long long)c->head.seq);
	if (c->head.seq < n || memcmp(c->head.chain, c->chain, AUDIT_HASH) != 0)
		return fault(c, n, "altered: the head does not belong to the last record");
	if (c->anchor && c->anchor->seq > n)
		return fault(c, n + 1, "truncated: the anchor has seen record %llu",
			     (unsigned long long)c->anchor->seq);
	c->f->head = c->head;
	return 0;
}

static int read_head(struct store *s, struct check *c)
{
	struct store_stmt *st = store_sql(s, "SELECT node, seq, chain FROM audit_head WHERE id=1");
	enum store_err e = store_step(st);
	if (e == STORE_OK)
		return fault(c, 1, "truncated: the head of the chain is missing");
	if (e != STORE_ROW)
		return unreadable(c->f->reason, sizeof c->f->reason, store_error_text(s));
	struct octets chain = store_blob(st, 2);
	snprintf(c->node, sizeof c->node, "%s", store_text(st, 0));
	c->head.seq = (uint64_t)store_int(st, 1);
	if (chain.len == AUDIT_HASH)
		memcpy(c->head.chain, chain.p, AUDIT_HASH);
	store_reset(st);
	if (chain.len != AUDIT_HASH)
		return fault(c, 1, "altered: the head of the chain cannot be read");
	return audit_chain_start(c->node, c->chain) ? -1 : 0;
}

static int check_all(struct store *s, struct check *c)
{
	int r = read_head(s, c);
	if (r)
		return r;
	struct store_stmt *st = store_sql(s, "SELECT seq, record, chain FROM audit ORDER BY seq");
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		r = check_record(c, (uint64_t)store_int(st, 0), store_blob(st, 1), store_blob(st, 2));
		if (r)
			return r;
	}
	return e ? unreadable(c->f->reason, sizeof c->f->reason, store_error_text(s)) : check_end(c);
}

int audit_verify(const char *db_path, const struct audit_anchor *anchor, struct audit_finding *f)
{
	memset(f, 0, sizeof *f);
	struct check c = {.f = f, .anchor = anchor};
	struct store *s;
	struct store_options o = {.path = db_path, .read_only = 1};
	if (store_open(&s, &o, f->reason, sizeof f->reason))
		return -1;
	/* one read transaction: a running daemon may append meanwhile */
	int r = store_run(s, "BEGIN") ? unreadable(f->reason, sizeof f->reason, store_error_text(s)) : check_all(s, &c);
	store_close(s);
	return r;
}

int audit_export(const char *db_path, uint64_t from, uint64_t to, FILE *out, char *reason, size_t reason_size)
{
	struct store *s;
	struct store_options o = {.path = db_path, .read_only = 1};
	if (store_open(&s, &o, reason, reason_size))
		return -1;
	struct store_stmt *st =
	    store_sql(s, "SELECT seq, record, chain FROM audit WHERE seq>=? AND seq<=? ORDER BY seq");
	store_bind_int(st, 1, (int64_t)from);
	store_bind_int(st, 2, to ? (int64_t)to : INT64_MAX);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW) {
		struct audit_view v;
		struct octets chain = store_blob(st, 2);
		if (audit_decode(store_blob(st, 1), &v) == MCSEC_OK)
			audit_print(out, &v, chain.len == AUDIT_HASH ? chain.p : NULL);
		else
			fprintf(out, "{\"seq\":%lld,\"error\":\"cannot be read\"}\n", (long long)store_int(st, 0));
	}
	int r = e ? unreadable(reason, reason_size, store_error_text(s)) : 0;
	if (!r && (fflush(out) || ferror(out))) {
		snprintf(reason, reason_size, "cannot be written");
		r = -1;
	}
	store_close(s);
	return r;
}

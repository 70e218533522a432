/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - reading an audit chain back, offline: is it whole, and what does it say (audit.md 3 item 6).
 *
 * One pass over the records in the order of their sequence numbers, then the stored head, then the anchor and the
 * signed checkpoints. The first fault is reported with the number of the record it was found at. The database is opened
 * read-only.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "audit/keeper.h"
#include "audit/record.h"

struct check {
	struct audit_finding *f;
	const struct audit_anchor *anchor;
	char node[AUDIT_MAX_TEXT + 1];
	struct audit_anchor head; /* as stored */
	uint64_t last_time;
	uint8_t chain[AUDIT_HASH];
	struct audit_checkpoint *points; /* signatures and links already good; sizes grow */
	size_t n_points, next_point;
	struct audit_tree tree;
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

/* The checkpoints made when there were so many records. */
static int check_points(struct check *c, uint64_t seq, struct octets record)
{
	uint8_t root[AUDIT_HASH];
	if (!c->n_points)
		return 0;
	if (audit_tree_add(&c->tree, record) || audit_tree_root(&c->tree, root))
		return unreadable(c->f->reason, sizeof c->f->reason, "libcrypto cannot hash");
	for (; c->next_point < c->n_points && c->points[c->next_point].size == seq; c->next_point++) {
		const struct audit_checkpoint *p = &c->points[c->next_point];
		if (memcmp(p->chain, c->chain, AUDIT_HASH) != 0 || memcmp(p->root, root, AUDIT_HASH) != 0)
			return fault(c, seq, "rewritten: the records up to here are not those of the checkpoint");
		if (strcmp(p->node, c->node) != 0)
			return fault(c, seq, "altered: the checkpoint is of another node");
	}
	return 0;
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
	return check_points(c, seq, record);
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
	if (c->next_point < c->n_points)
		return fault(c, n + 1, "truncated: a checkpoint has seen record %llu",
			     (unsigned long long)c->points[c->n_points - 1].size);
	c->f->head = c->head;
	c->f->checkpoints = c->n_points;
	c->f->checkpointed = c->n_points ? c->points[c->n_points - 1].size : 0;
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

static int verify(const char *db_path, struct check *c)
{
	struct store *s;
	struct store_options o = {.path = db_path, .read_only = 1};
	char *reason = c->f->reason;
	size_t size = sizeof c->f->reason;
	if (store_open(&s, &o, reason, size))
		return -1;
	/* one read transaction: a running daemon may append meanwhile */
	int r = store_run(s, "BEGIN") ? unreadable(reason, size, store_error_text(s)) : check_all(s, c);
	store_close(s);
	return r;
}

int audit_verify(const char *db_path, const struct audit_anchor *anchor, struct audit_finding *f)
{
	memset(f, 0, sizeof *f);
	struct check c = {.f = f, .anchor = anchor};
	return verify(db_path, &c);
}

/* ---- checkpoints ---- */

/* One line: is it a checkpoint of this key that follows the one before it? */
static int take_point(struct check *c, EVP_PKEY *key, size_t number, struct octets line)
{
	struct audit_checkpoint *p = &c->points[c->n_points];
	uint8_t previous[AUDIT_HASH] = {0};
	const struct audit_checkpoint *before = c->n_points ? p - 1 : NULL;
	if (audit_checkpoint_parse(line, p))
		return fault(c, 0, "checkpoint line %zu: cannot be read", number);
	if (audit_checkpoint_verify(p, key))
		return fault(c, p->size, "checkpoint line %zu: the signature is not of this key", number);
	if (before && audit_checkpoint_hash(before, previous))
		return unreadable(c->f->reason, sizeof c->f->reason, "libcrypto cannot hash");
	if (memcmp(previous, p->previous, AUDIT_HASH) != 0)
		return fault(c, p->size, "checkpoint line %zu: the one before it is missing or another", number);
	if (p->size <= (before ? before->size : 0))
		return fault(c, p->size, "checkpoint line %zu: it covers no more than the one before it", number);
	c->n_points++;
	return 0;
}

static int read_points(struct check *c, const char *path, EVP_PKEY *key)
{
	char *line = NULL;
	size_t size = 0, number = 0;
	ssize_t n;
	int r = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return unreadable(c->f->reason, sizeof c->f->reason, "the checkpoints cannot be opened");
	while (!r && (n = getline(&line, &size, f)) > 0) {
		void *more =
		    (number & (number + 1)) == 0 ? realloc(c->points, 2 * (number + 1) * sizeof *c->points) : c->points;
		if (!more) {
			r = unreadable(c->f->reason, sizeof c->f->reason, "no memory");
			break;
		}
		c->points = more;
		r = take_point(c, key, ++number,
			       (struct octets){(const uint8_t *)line, (size_t)(n - (line[n - 1] == '\n'))});
	}
	free(line);
	fclose(f);
	return r;
}

int audit_verify_points(const char *db_path, const char *points, const char *public_key,
			const struct audit_anchor *anchor, struct audit_finding *f)
{
	memset(f, 0, sizeof *f);
	struct check c = {.f = f, .anchor = anchor};
	EVP_PKEY *key = audit_public_key(public_key, f->reason, sizeof f->reason);
	int r = key ? read_points(&c, points, key) : -1;
	if (!r)
		r = verify(db_path, &c);
	EVP_PKEY_free(key);
	free(c.points);
	return r;
}

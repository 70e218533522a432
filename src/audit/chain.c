/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.c - appending to the audit chain of a database.
 *
 * The head (last sequence number, chain value and time) is one row, read and written in the transaction that adds the
 * record, so several connections append to one gap-free chain, and a change and its record become durable together.
 */
#include <stdlib.h>

#include "audit/record.h"
#include "sec/base/text.h"

const char *const audit_migration =
    "CREATE TABLE audit(seq INTEGER PRIMARY KEY, record BLOB NOT NULL, chain BLOB NOT NULL) STRICT;"
    "CREATE TABLE audit_head(id INTEGER PRIMARY KEY CHECK(id=1), node TEXT NOT NULL, seq INTEGER NOT NULL,"
    " chain BLOB NOT NULL, time_ns INTEGER NOT NULL) STRICT;";

struct audit {
	struct store *store;
	char node[256];
	uint8_t record[AUDIT_MAX_RECORD];
};

struct head {
	struct audit_anchor at;
	int64_t time_ns;
};

static enum store_err head_read(struct audit *a, struct head *h)
{
	struct store_stmt *st = store_sql(a->store, "SELECT seq, chain, time_ns FROM audit_head WHERE id=1");
	enum store_err e = store_step(st);
	if (e != STORE_ROW)
		return e ? e : STORE_BROKEN;
	struct octets chain = store_blob(st, 1);
	h->at.seq = (uint64_t)store_int(st, 0);
	h->time_ns = store_int(st, 2);
	if (chain.len == AUDIT_HASH)
		memcpy(h->at.chain, chain.p, AUDIT_HASH);
	store_reset(st);
	return chain.len == AUDIT_HASH ? STORE_OK : STORE_BROKEN;
}

static enum store_err head_write(struct audit *a, const struct head *h)
{
	struct store_stmt *st = store_sql(a->store, "UPDATE audit_head SET seq=?, chain=?, time_ns=? WHERE id=1");
	store_bind_int(st, 1, (int64_t)h->at.seq);
	store_bind_blob(st, 2, OCTETS(h->at.chain));
	store_bind_int(st, 3, h->time_ns);
	return store_step(st);
}

static enum store_err add(struct audit *a, struct head *h, const struct audit_record *r, int64_t now_ns)
{
	struct writer w = wr_init(a->record, sizeof a->record);
	audit_encode(&w, a->node, h->at.seq + 1, (uint64_t)now_ns, r);
	struct octets record = wr_result(&w);
	if (w.err || audit_chain_next(h->at.chain, record))
		return STORE_BROKEN;
	h->at.seq++;
	h->time_ns = now_ns;
	struct store_stmt *st = store_sql(a->store, "INSERT INTO audit(seq, record, chain) VALUES(?,?,?)");
	store_bind_int(st, 1, (int64_t)h->at.seq);
	store_bind_blob(st, 2, record);
	store_bind_blob(st, 3, OCTETS(h->at.chain));
	return store_step(st);
}

static enum store_err add_clock_step(struct audit *a, struct head *h, int64_t now_ns)
{
	char from[24], to[24];
	snprintf(from, sizeof from, "%lld", (long long)h->time_ns);
	snprintf(to, sizeof to, "%lld", (long long)now_ns);
	struct audit_record step = {.class_ = 'T', .type = "audit.clock-step"};
	audit_detail(&step, "from-ns", from);
	audit_detail(&step, "to-ns", to);
	return add(a, h, &step, now_ns);
}

static enum store_err append(struct audit *a, const struct audit_record *r, int64_t now_ns)
{
	struct head h;
	enum store_err e = head_read(a, &h);
	if (!e && now_ns < h.time_ns - AUDIT_CLOCK_SLACK_NS)
		e = add_clock_step(a, &h, now_ns);
	if (!e)
		e = add(a, &h, r, now_ns);
	return e ? e : head_write(a, &h);
}

enum store_err audit_append(struct audit *a, const struct audit_record *r, int64_t now_ns)
{
	if (store_in_transaction(a->store))
		return append(a, r, now_ns);
	enum store_err e = store_begin(a->store);
	if (e)
		return e;
	e = append(a, r, now_ns);
	if (!e)
		return store_commit(a->store);
	store_rollback(a->store);
	return e;
}

enum store_err audit_head(struct audit *a, struct audit_anchor *out)
{
	struct head h;
	enum store_err e = head_read(a, &h);
	if (!e)
		*out = h.at;
	return e;
}

void audit_detail(struct audit_record *r, const char *key, const char *value)
{
	if (r->n_detail == AUDIT_MAX_DETAIL)
		return;
	r->detail[r->n_detail].key = key;
	r->detail[r->n_detail].value = value;
	r->n_detail++;
}

/* The head row, made at the first open. */
static enum store_err open_head(struct audit *a)
{
	uint8_t start[AUDIT_HASH];
	if (audit_chain_start(a->node, start))
		return STORE_FULL;
	struct store_stmt *st = store_sql(a->store, "INSERT INTO audit_head(id, node, seq, chain, time_ns) "
						    "VALUES(1,?,0,?,0) ON CONFLICT(id) DO NOTHING");
	store_bind_text(st, 1, a->node);
	store_bind_blob(st, 2, OCTETS(start));
	enum store_err e = store_step(st);
	if (e)
		return e;
	st = store_sql(a->store, "SELECT node FROM audit_head WHERE id=1");
	e = store_step(st);
	if (e != STORE_ROW)
		return e ? e : STORE_BROKEN;
	e = strcmp(store_text(st, 0), a->node) == 0 ? STORE_OK : STORE_CONFLICT;
	store_reset(st);
	return e;
}

enum store_err audit_open(struct audit **out, struct store *store, const char *node)
{
	struct audit *a = calloc(1, sizeof *a);
	*out = NULL;
	if (!a)
		return STORE_FULL;
	a->store = store;
	if (strlen(node) >= sizeof a->node || !utf8_valid(octets_of(node))) {
		free(a);
		return STORE_CONFLICT;
	}
	strcpy(a->node, node);
	enum store_err e = open_head(a);
	if (e) {
		free(a);
		return e;
	}
	*out = a;
	return STORE_OK;
}

void audit_close(struct audit *a)
{
	free(a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_lab.h - an audit record with its keeper of checkpoints in a scratch folder, and what somebody who owns the
 * whole database can do to it.
 */
#ifndef MCX_TEST_AUDIT_LAB_H
#define MCX_TEST_AUDIT_LAB_H

#include <sys/stat.h>
#include <unistd.h>

#include "audit/keeper.h"
#include "audit/record.h"
#include "sec/base/text.h"
#include "unit/kms/scratch.h"

struct fixture {
	struct scratch scratch;
	char db[400], key[400], public_[400], points[400];
	struct store *store;
	struct audit *audit;
	struct audit_keeper *keeper;
	struct audit_finding found;
	int said;
	enum audit_keeper_state state;
};

static inline void said(void *ctx, const char *line)
{
	struct fixture *f = ctx;
	f->said += strncmp(line, "mcx-audit-checkpoint-1 ", 23) == 0;
}

static inline void changed(void *ctx, enum audit_keeper_state s, const char *why)
{
	(void)why;
	((struct fixture *)ctx)->state = s;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *const migrations[] = {audit_migration};
	char err[256];
	scratch_make(&f->scratch);
	strcpy(f->db, scratch_path(&f->scratch, "db"));
	strcpy(f->key, scratch_path(&f->scratch, "key"));
	strcpy(f->public_, scratch_path(&f->scratch, "key.pub"));
	strcpy(f->points, scratch_path(&f->scratch, "points"));
	struct store_options o = {.path = f->db, .migrations = migrations, .n_migrations = 1, .busy_timeout_ms = 5000};
	assert_int_equal(store_open(&f->store, &o, err, sizeof err), STORE_OK);
	assert_int_equal(audit_open(&f->audit, f->store, "kms a 01"), STORE_OK);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	audit_keeper_stop(f->keeper);
	audit_close(f->audit);
	store_close(f->store);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static inline void keep(struct fixture *f)
{
	char err[256];
	struct audit_keeper_options o = {.database = f->db,
					 .key = f->key,
					 .file = f->points,
					 .every_records = 1000000,
					 .every_s = 1000000,
					 .said = said,
					 .changed = changed,
					 .ctx = f};
	f->keeper = audit_keeper_start(&o, err, sizeof err);
	assert_non_null(f->keeper);
}

static inline void stop_keeping(struct fixture *f)
{
	audit_keeper_stop(f->keeper);
	f->keeper = NULL;
}

static inline void add(struct fixture *f, int n)
{
	struct timespec t;
	for (int i = 0; i < n; i++) {
		struct audit_record r = {.class_ = 'K', .type = "kms.provision", .actor = "sip:alice@example.org"};
		clock_gettime(CLOCK_REALTIME, &t);
		assert_int_equal(audit_append(f->audit, &r, (int64_t)t.tv_sec * 1000000000 + t.tv_nsec), STORE_OK);
	}
}

static inline void checkpoint(struct fixture *f)
{
	char line[AUDIT_CHECKPOINT_LINE];
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_OK);
}

/* Ten records under three checkpoints: 4, 7, 10. */
static inline void ten_records(struct fixture *f)
{
	keep(f);
	add(f, 4);
	checkpoint(f);
	add(f, 3);
	checkpoint(f);
	add(f, 3);
	checkpoint(f);
	stop_keeping(f);
	assert_int_equal(f->said, 3);
}

static inline int verify(struct fixture *f)
{
	return audit_verify_points(f->db, f->points, f->public_, NULL, &f->found);
}

static inline void expect_fault(struct fixture *f, const char *word)
{
	assert_int_equal(verify(f), 1);
	if (!strstr(f->found.reason, word))
		fail_msg("'%s' is not in '%s'", word, f->found.reason);
}

static inline void sql(struct fixture *f, const char *text)
{
	assert_int_equal(store_run(f->store, text), STORE_OK);
}

/* A chain and a head that fit the records as they are now. */
static inline void rechain(struct fixture *f)
{
	uint8_t chain[AUDIT_HASH];
	uint64_t seqs[32], n = 0;
	assert_int_equal(audit_chain_start("kms a 01", chain), MCSEC_OK);
	struct store_stmt *st = store_sql(f->store, "SELECT seq FROM audit ORDER BY seq");
	while (store_step(st) == STORE_ROW)
		seqs[n++] = (uint64_t)store_int(st, 0);
	for (uint64_t i = 0; i < n; i++) {
		st = store_sql(f->store, "SELECT record FROM audit WHERE seq=?");
		store_bind_int(st, 1, (int64_t)seqs[i]);
		assert_int_equal(store_step(st), STORE_ROW);
		assert_int_equal(audit_chain_next(chain, store_blob(st, 0)), MCSEC_OK);
		store_reset(st);
		st = store_sql(f->store, "UPDATE audit SET chain=? WHERE seq=?");
		store_bind_blob(st, 1, OCTETS(chain));
		store_bind_int(st, 2, (int64_t)seqs[i]);
		assert_int_equal(store_step(st), STORE_OK);
	}
	st = store_sql(f->store, "UPDATE audit_head SET seq=?, chain=? WHERE id=1");
	store_bind_int(st, 1, (int64_t)seqs[n - 1]);
	store_bind_blob(st, 2, OCTETS(chain));
	assert_int_equal(store_step(st), STORE_OK);
}

/* What somebody with the whole database does: changed records, and nothing in the database shows it. */
static inline void forge_chain(struct fixture *f)
{
	rechain(f);
	assert_int_equal(audit_verify(f->db, NULL, &f->found), 0);
}

/* The record of seq with one letter of its actor changed, and its number set. */
static inline void rewrite(struct fixture *f, int seq, const char *from, const char *to, int number)
{
	uint8_t record[1024];
	struct store_stmt *st = store_sql(f->store, "SELECT record FROM audit WHERE seq=?");
	store_bind_int(st, 1, seq);
	assert_int_equal(store_step(st), STORE_ROW);
	struct octets o = store_blob(st, 0);
	memcpy(record, o.p, o.len);
	store_reset(st);
	uint8_t *at = memmem(record, o.len, from, strlen(from));
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	record[1 + 4 + 8 + 7] = (uint8_t)number; /* version, node, seq: its last octet */
	st = store_sql(f->store, "UPDATE audit SET record=? WHERE seq=?");
	store_bind_blob(st, 1, (struct octets){record, o.len});
	store_bind_int(st, 2, seq);
	assert_int_equal(store_step(st), STORE_OK);
}

static inline char *read_points(struct fixture *f)
{
	static char text[8192];
	FILE *in = fopen(f->points, "r");
	size_t n = fread(text, 1, sizeof text - 1, in);
	text[n] = 0;
	fclose(in);
	return text;
}

static inline void write_points(struct fixture *f, const char *text)
{
	FILE *out = fopen(f->points, "w");
	fputs(text, out);
	fclose(out);
}

#endif

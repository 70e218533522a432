/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_audit_faults.c - what the offline verifier and the keeper find where records or checkpoints were forged by
 * somebody with the signing key, the whole database, or both; and a machine without libcrypto or memory in between
 * (audit.md 3 items 4 to 6).
 */
#include <openssl/pem.h>

#include "unit/kms/audit_lab.h"

/* The key that the keeper made. */
static EVP_PKEY *signing_key(struct fixture *f)
{
	FILE *in = fopen(f->key, "r");
	assert_non_null(in);
	EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	fclose(in);
	assert_non_null(key);
	return key;
}

static void parse_line(const char *text, struct audit_checkpoint *c)
{
	assert_int_equal(audit_checkpoint_parse((struct octets){(const uint8_t *)text, strcspn(text, "\n")}, c),
			 MCSEC_OK);
}

/* A last line in place of the third: signed with the right key, linked to the second. */
static void replace_third(struct fixture *f, const struct audit_checkpoint *c)
{
	struct audit_checkpoint forged = *c;
	char line[AUDIT_CHECKPOINT_LINE], other[8192];
	char *text = read_points(f), *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
	EVP_PKEY *key = signing_key(f);
	assert_int_equal(audit_checkpoint_sign(&forged, key), MCSEC_OK);
	EVP_PKEY_free(key);
	audit_checkpoint_print(&forged, line);
	snprintf(other, sizeof other, "%.*s%s\n", (int)(third - text), text, line);
	write_points(f, other);
}

static void third_of(struct fixture *f, struct audit_checkpoint *c)
{
	char *text = read_points(f), *second = strchr(text, '\n') + 1;
	parse_line(strchr(second, '\n') + 1, c);
}

/* ---- the verifier ---- */

static void a_checkpoint_of_another_node_is_found_though_its_key_is_right(void **state)
{
	struct fixture *f = *state;
	struct audit_checkpoint c;
	ten_records(f);
	third_of(f, &c);
	strcpy(c.node, "kms b 01");
	replace_third(f, &c);
	expect_fault(f, "of another node");
	assert_int_equal(f->found.bad_seq, 10);
}

static void a_checkpoint_that_covers_no_more_than_the_one_before_is_found(void **state)
{
	struct fixture *f = *state;
	struct audit_checkpoint c;
	static const uint64_t sizes[] = {7, 6, 0}; /* the second covers 7 */
	ten_records(f);
	third_of(f, &c);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		c.size = sizes[i];
		replace_third(f, &c);
		expect_fault(f, "checkpoint line 3: it covers no more");
		assert_int_equal(f->found.bad_seq, sizes[i]);
	}
	c.size = 10; /* and so it was only the size */
	replace_third(f, &c);
	assert_int_equal(verify(f), 0);
}

static void a_list_of_checkpoints_that_cannot_be_opened_is_no_verdict(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	assert_int_equal(unlink(f->points), 0);
	assert_int_equal(verify(f), -1);
	assert_non_null(strstr(f->found.reason, "the checkpoints cannot be opened"));
	assert_int_equal(unlink(f->public_), 0);
	assert_int_equal(verify(f), -1);
	assert_non_null(strstr(f->found.reason, "key.pub"));
}

static void a_head_of_the_wrong_length_is_found(void **state)
{
	struct fixture *f = *state;
	add(f, 2);
	sql(f, "UPDATE audit_head SET chain = x'00' WHERE id = 1");
	assert_int_equal(audit_verify(f->db, NULL, &f->found), 1);
	assert_non_null(strstr(f->found.reason, "the head of the chain cannot be read"));
	sql(f, "DELETE FROM audit_head");
	assert_int_equal(audit_verify(f->db, NULL, &f->found), 1);
	assert_non_null(strstr(f->found.reason, "truncated: the head of the chain is missing"));
	sql(f, "DROP TABLE audit_head");
	assert_int_equal(audit_verify(f->db, NULL, &f->found), -1); /* no verdict: it cannot be read */
	assert_non_null(strstr(f->found.reason, "audit_head"));
}

static void a_record_table_that_cannot_be_read_is_no_verdict(void **state)
{
	struct fixture *f = *state;
	add(f, 2);
	sql(f, "DROP TABLE audit");
	assert_int_equal(audit_verify(f->db, NULL, &f->found), -1);
	assert_non_null(strstr(f->found.reason, "audit"));
}

/* The time stands behind version, node and number; the chain is forged to fit it. */
static void set_time(struct fixture *f, int seq, int64_t seconds)
{
	enum { TIME_AT = 1 + 4 + 8 + 8 };
	uint8_t record[1024];
	struct store_stmt *st = store_sql(f->store, "SELECT record FROM audit WHERE seq=?");
	store_bind_int(st, 1, seq);
	assert_int_equal(store_step(st), STORE_ROW);
	struct octets o = store_blob(st, 0);
	memcpy(record, o.p, o.len);
	store_reset(st);
	struct writer w = wr_init(record + TIME_AT, 8);
	wr_u64(&w, (uint64_t)seconds * 1000000000);
	st = store_sql(f->store, "UPDATE audit SET record=? WHERE seq=?");
	store_bind_blob(st, 1, (struct octets){record, o.len});
	store_bind_int(st, 2, seq);
	assert_int_equal(store_step(st), STORE_OK);
}

static void time_that_runs_back_without_a_recorded_clock_step_is_found(void **state)
{
	struct fixture *f = *state;
	add(f, 4);
	for (int seq = 1; seq <= 4; seq++)
		set_time(f, seq, 1000 + seq);
	set_time(f, 3, 1002 - AUDIT_CLOCK_SLACK_NS / 1000000000);
	forge_chain(f); /* within the slack nothing is wrong: it asserts so */
	set_time(f, 3, 1002 - AUDIT_CLOCK_SLACK_NS / 1000000000 - 1);
	rechain(f);
	assert_int_equal(audit_verify(f->db, NULL, &f->found), 1);
	assert_non_null(strstr(f->found.reason, "time runs back without a recorded clock step"));
	assert_int_equal(f->found.bad_seq, 3);
}

/* ---- the keeper ---- */

static struct audit_keeper *try_to_keep(struct fixture *f, char *err, size_t size)
{
	struct audit_keeper_options o = {.database = f->db, .key = f->key, .file = f->points};
	return audit_keeper_start(&o, err, size);
}

static void a_file_with_a_line_that_is_no_checkpoint_is_not_gone_on_with(void **state)
{
	struct fixture *f = *state;
	char err[256] = "", all[8192 + 32];
	ten_records(f);
	snprintf(all, sizeof all, "%sno checkpoint\n", read_points(f));
	write_points(f, all);
	assert_null(try_to_keep(f, err, sizeof err));
	assert_non_null(strstr(err, "holds a line that is no checkpoint"));
	assert_string_equal(read_points(f), all); /* nothing of it is cut off */
}

static void a_keeper_without_a_place_for_key_or_file_says_so(void **state)
{
	struct fixture *f = *state;
	char err[256] = "", kept[400];
	strcpy(kept, f->key);
	strcpy(f->key, "/nowhere/at/all/key");
	assert_null(try_to_keep(f, err, sizeof err));
	assert_non_null(strstr(err, "/nowhere/at/all/key"));
	strcpy(f->key, kept);
	assert_int_equal(mkdir(f->public_, 0700), 0); /* in the public half's place */
	assert_null(try_to_keep(f, err, sizeof err));
	assert_non_null(strstr(err, ".pub: cannot be written"));
	assert_int_equal(rmdir(f->public_), 0);
	strcpy(f->points, "/dev/null/points");
	assert_null(try_to_keep(f, err, sizeof err));
	assert_non_null(strstr(err, "/dev/null/points"));
}

static void a_record_without_its_head_is_unreadable_until_it_is_back(void **state)
{
	struct fixture *f = *state;
	char line[AUDIT_CHECKPOINT_LINE];
	add(f, 2);
	sql(f, "CREATE TABLE kept AS SELECT * FROM audit_head; DELETE FROM audit_head");
	keep(f);
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_UNREADABLE);
	assert_string_equal(line, "");
	assert_string_equal(audit_keeper_state_name(audit_keeper_state(f->keeper)), "unreadable");
	sql(f, "INSERT INTO audit_head SELECT * FROM kept; DROP TABLE kept");
	checkpoint(f);
	stop_keeping(f);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.checkpointed, 2);
}

static void every_state_of_the_keeper_has_its_name(void **state)
{
	(void)state;
	static const char *const names[] = {"ok", "unreadable", "unwritable", "gap"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		assert_string_equal(audit_keeper_state_name((enum audit_keeper_state)i), names[i]);
}

/* ---- export ---- */

static void a_record_that_cannot_be_read_is_exported_as_such_and_a_table_that_cannot_be_says_why(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum audit_format format;
		const char *line;
	} rows[] = {
	    {AUDIT_JSON, "{\"seq\":1,\"error\":\"cannot be read\"}\n"},
	    {AUDIT_SYSLOG, "<107>1 - - mcxsec - - [mcx@32473 seq=\"1\"] cannot be read\n"},
	};
	char why[128] = "", *text = NULL;
	size_t len = 0;
	add(f, 1);
	sql(f, "UPDATE audit SET record = x'00'");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		FILE *out = open_memstream(&text, &len);
		assert_int_equal(audit_export_as(rows[i].format, f->db, 0, 0, out, why, sizeof why), 0);
		fclose(out);
		assert_string_equal(text, rows[i].line);
		free(text);
	}
	FILE *out = fopen("/dev/full", "w");
	assert_int_equal(audit_export(f->db, 0, 0, out, why, sizeof why), -1);
	assert_non_null(strstr(why, "cannot be written"));
	fclose(out);
	out = fopen("/dev/null", "w");
	sql(f, "DROP TABLE audit");
	assert_int_equal(audit_export(f->db, 0, 0, out, why, sizeof why), -1);
	assert_non_null(strstr(why, "audit"));
	assert_int_equal(audit_export("/nowhere/db", 0, 0, out, why, sizeof why), -1);
	assert_non_null(strstr(why, "/nowhere/db"));
	fclose(out);
}

static void a_node_without_a_name_is_a_dash_in_syslog(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	uint8_t octets[512], chain[AUDIT_HASH] = {0};
	struct audit_view v;
	struct writer w = wr_init(octets, sizeof octets);
	audit_encode(&w, "", 1, UINT64_C(1790000000000000000),
		     &(struct audit_record){.class_ = 'K', .type = "kms.provision"});
	assert_int_equal(audit_decode(wr_result(&w), &v), MCSEC_OK);
	FILE *out = open_memstream(&text, &len);
	audit_print_syslog(out, &v, chain);
	fclose(out);
	static const char begin[] = "<110>1 2026-09-21T14:13:20.000000Z - mcxsec - kms.provision [";
	assert_memory_equal(text, begin, strlen(begin));
	free(text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_checkpoint_of_another_node_is_found_though_its_key_is_right),
	    T(a_checkpoint_that_covers_no_more_than_the_one_before_is_found),
	    T(a_list_of_checkpoints_that_cannot_be_opened_is_no_verdict),
	    T(a_head_of_the_wrong_length_is_found),
	    T(a_record_table_that_cannot_be_read_is_no_verdict),
	    T(time_that_runs_back_without_a_recorded_clock_step_is_found),
	    T(a_file_with_a_line_that_is_no_checkpoint_is_not_gone_on_with),
	    T(a_keeper_without_a_place_for_key_or_file_says_so),
	    T(a_record_without_its_head_is_unreadable_until_it_is_back),
	    cmocka_unit_test(every_state_of_the_keeper_has_its_name),
	    T(a_record_that_cannot_be_read_is_exported_as_such_and_a_table_that_cannot_be_says_why),
	    cmocka_unit_test(a_node_without_a_name_is_a_dash_in_syslog),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

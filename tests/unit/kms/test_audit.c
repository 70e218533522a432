/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit.c - the hash-chained record: its octets, what verification finds and what it needs an anchor for. */
#include <openssl/sha.h>

#include "unit/kms/scratch.h"
#include "audit/record.h"

struct fixture {
	struct scratch scratch;
	char path[400];
	struct store *store;
	struct audit *audit;
	struct audit_finding found;
};

static struct store *open_store(const char *path)
{
	const char *const migrations[] = {audit_migration};
	struct store_options o = {.path = path, .migrations = migrations, .n_migrations = 1, .busy_timeout_ms = 50};
	struct store *s;
	char err[256];
	assert_int_equal(store_open(&s, &o, err, sizeof err), STORE_OK);
	return s;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	scratch_make(&f->scratch);
	strcpy(f->path, scratch_path(&f->scratch, "db"));
	f->store = open_store(f->path);
	assert_int_equal(audit_open(&f->audit, f->store, "kms-a-01"), STORE_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	audit_close(f->audit);
	store_close(f->store);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

#define T0 INT64_C(1790000000000000000)

static void add(struct fixture *f, int i)
{
	char n[16];
	snprintf(n, sizeof n, "%d", i);
	struct audit_record r = {.class_ = 'K', .type = "kms.provision", .actor = "sip:alice@example.org"};
	audit_detail(&r, "period", n);
	assert_int_equal(audit_append(f->audit, &r, T0 + i * INT64_C(1000000000)), STORE_OK);
}

static void add_ten(struct fixture *f)
{
	for (int i = 1; i <= 10; i++)
		add(f, i);
}

static int verify(struct fixture *f, const struct audit_anchor *anchor)
{
	return audit_verify(f->path, anchor, &f->found);
}

static void sql(struct fixture *f, const char *text)
{
	assert_int_equal(store_run(f->store, text), STORE_OK);
}

/* Octet for octet as the table of audit.md 2 says, built here by hand. */
static void the_canonical_form_is_the_table_of_the_specification(void **state)
{
	(void)state;
	static const uint8_t body[32] = {0xaa};
	struct audit_record r = {.class_ = 'K',
				 .type = "pck.set",
				 .outcome = AUDIT_REFUSED,
				 .clock = AUDIT_CLOCK_NTP,
				 .actor = "sip:a@x",
				 .target = "sip:b@x",
				 .call_id = "c1",
				 .n_key_ids = 2,
				 .key_ids = {0x12345678, 0xf0000001},
				 .kms_initiator = "kms.x",
				 .payload_sha256 = body,
				 .reason = "no"};
	audit_detail(&r, "b", "2");
	audit_detail(&r, "a", "1");
	audit_detail(&r, "b", "3");
	uint8_t buf[512], want[512];
	struct writer w = wr_init(buf, sizeof buf);
	audit_encode(&w, "n", 5, 0x0102030405060708, &r);
	size_t n = unhex("01"
			 "00000001"
			 "6e"
			 "0000000000000005"
			 "0102030405060708"
			 "01"
			 "4b"
			 "00000007"
			 "70636b2e736574"
			 "01"
			 "00000007"
			 "7369703a614078"
			 "00000007"
			 "7369703a624078"
			 "00000002"
			 "6331"
			 "00000002"
			 "12345678"
			 "f0000001"
			 "00000005"
			 "6b6d732e78"
			 "00000000"
			 "00000020"
			 "aa00000000000000000000000000000000000000000000000000000000000000"
			 "00000002"
			 "6e6f"
			 "00000002"
			 "00000001"
			 "61"
			 "00000001"
			 "31"
			 "00000001"
			 "62"
			 "00000001"
			 "32",
			 want, sizeof want);
	assert_int_equal(wr_len(&w), n);
	assert_memory_equal(buf, want, n);
}

static void the_chain_hashes_leaf_and_link_with_their_own_prefix(void **state)
{
	(void)state;
	uint8_t chain[32], leaf_in[4] = {0, 'r', 'e', 'c'}, link_in[65] = {2};
	assert_int_equal(audit_chain_start("n", chain), MCSEC_OK);
	uint8_t c0[32];
	SHA256((const uint8_t *)"mcx-audit-1n", 12, c0);
	assert_memory_equal(chain, c0, 32);
	memcpy(link_in + 1, c0, 32);
	SHA256(leaf_in, 4, link_in + 33);
	assert_int_equal(audit_chain_next(chain, octets_of("rec")), MCSEC_OK);
	uint8_t c1[32];
	SHA256(link_in, 65, c1);
	assert_memory_equal(chain, c1, 32);
}

static void every_truncation_of_a_record_is_refused(void **state)
{
	(void)state;
	struct audit_record r = {.class_ = 'K', .type = "csk.upload", .n_key_ids = 1, .key_ids = {7}};
	audit_detail(&r, "k", "v");
	uint8_t buf[256];
	struct writer w = wr_init(buf, sizeof buf - 1);
	audit_encode(&w, "n", 1, 1, &r);
	struct audit_view v;
	assert_int_equal(audit_decode(wr_result(&w), &v), MCSEC_OK);
	for (size_t n = 0; n < wr_len(&w); n++)
		assert_int_not_equal(audit_decode((struct octets){buf, n}, &v), MCSEC_OK);
	assert_int_equal(audit_decode((struct octets){buf, wr_len(&w) + 1}, &v), MCSEC_E_TRAILING);
}

static void text_that_is_no_utf8_or_too_long_is_recorded_tamed(void **state)
{
	struct fixture *f = *state;
	char lng[3000];
	memset(lng, 'x', sizeof lng);
	lng[sizeof lng - 1] = 0;
	struct audit_record r = {.class_ = 'A', .type = "auth.fail", .actor = "sip:\xff\xc3\xbc@x", .reason = lng};
	uint8_t buf[4096];
	struct writer w = wr_init(buf, sizeof buf);
	audit_encode(&w, "n", 1, 1, &r);
	struct audit_view v;
	assert_int_equal(audit_decode(wr_result(&w), &v), MCSEC_OK);
	assert_true(octets_equal(v.actor, octets_of("sip:?\xc3\xbc@x")));
	assert_int_equal(v.reason.len, AUDIT_MAX_TEXT);
	assert_int_equal(audit_append(f->audit, &r, T0), STORE_OK);
	assert_int_equal(verify(f, NULL), 0);
}

static void an_intact_chain_verifies_while_the_writer_is_open(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(verify(f, NULL), 0);
	add_ten(f);
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(f->found.records, 10);
	assert_int_equal(f->found.head.seq, 10);
	add(f, 11);
	struct audit_anchor old = f->found.head;
	assert_int_equal(verify(f, &old), 0);
}

static void a_removed_record_is_found(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "DELETE FROM audit WHERE seq=4");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 4);
	assert_non_null(strstr(f->found.reason, "removed"));
}

static void a_removed_record_is_found_when_the_rest_is_renumbered(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "DELETE FROM audit WHERE seq=4; UPDATE audit SET seq=-(seq-1) WHERE seq>4;"
	       "UPDATE audit SET seq=-seq WHERE seq<0; UPDATE audit_head SET seq=9");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 4);
	assert_non_null(strstr(f->found.reason, "reordered"));
}

static void one_altered_octet_anywhere_in_a_record_is_found(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	struct store_stmt *st = store_sql(f->store, "SELECT record FROM audit WHERE seq=6");
	assert_int_equal(store_step(st), STORE_ROW);
	uint8_t record[512];
	size_t n = store_blob(st, 0).len;
	assert_in_range(n, 1, sizeof record);
	memcpy(record, store_blob(st, 0).p, n);
	store_reset(st);
	for (size_t i = 0; i < n; i++) {
		record[i] ^= 1;
		st = store_sql(f->store, "UPDATE audit SET record=? WHERE seq=6");
		store_bind_blob(st, 1, (struct octets){record, n});
		assert_int_equal(store_step(st), STORE_OK);
		assert_int_equal(verify(f, NULL), 1);
		assert_int_equal(f->found.bad_seq, 6);
		record[i] ^= 1;
	}
}

static void an_altered_chain_value_or_head_is_found(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "UPDATE audit SET chain=zeroblob(32) WHERE seq=10");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 10);
	sql(f, "UPDATE audit SET chain=(SELECT chain FROM audit_head) WHERE seq=10");
	assert_int_equal(verify(f, NULL), 0);
	sql(f, "UPDATE audit_head SET chain=zeroblob(32)");
	assert_int_equal(verify(f, NULL), 1);
	sql(f, "DELETE FROM audit_head");
	assert_int_equal(verify(f, NULL), 1);
}

static void two_exchanged_records_are_found(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "UPDATE audit SET seq=100 WHERE seq=3; UPDATE audit SET seq=3 WHERE seq=4;"
	       "UPDATE audit SET seq=4 WHERE seq=100");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 3);
	assert_non_null(strstr(f->found.reason, "reordered"));
}

static void an_inserted_record_is_found(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "INSERT INTO audit SELECT 11, record, chain FROM audit WHERE seq=10; UPDATE audit_head SET seq=11");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 11);
}

static void a_cut_off_tail_is_found_by_the_stored_head(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	sql(f, "DELETE FROM audit WHERE seq>7");
	assert_int_equal(verify(f, NULL), 1);
	assert_int_equal(f->found.bad_seq, 8);
	assert_non_null(strstr(f->found.reason, "truncated"));
}

/* The limit audit.h states: who sets the head back too is found only with an anchor kept elsewhere. */
static void a_cut_off_tail_with_its_head_set_back_needs_an_anchor(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	struct audit_anchor kept;
	assert_int_equal(audit_head(f->audit, &kept), STORE_OK);
	sql(f, "DELETE FROM audit WHERE seq>7; UPDATE audit_head SET seq=7,"
	       " chain=(SELECT chain FROM audit WHERE seq=7)");
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(verify(f, &kept), 1);
	assert_int_equal(f->found.bad_seq, 8);
}

static void a_history_written_anew_needs_an_anchor(void **state)
{
	struct fixture *f = *state;
	add_ten(f);
	struct audit_anchor kept;
	assert_int_equal(audit_head(f->audit, &kept), STORE_OK);
	sql(f, "DELETE FROM audit; DELETE FROM audit_head");
	audit_close(f->audit);
	assert_int_equal(audit_open(&f->audit, f->store, "kms-a-01"), STORE_OK);
	for (int i = 11; i <= 20; i++)
		add(f, i);
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(verify(f, &kept), 1);
	assert_int_equal(f->found.bad_seq, 10);
	assert_non_null(strstr(f->found.reason, "rewritten"));
}

static void a_record_is_durable_only_with_the_change_it_records(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_begin(f->store), STORE_OK);
	add(f, 1);
	store_rollback(f->store);
	add(f, 2);
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(f->found.records, 1);
}

static void a_locked_database_is_busy_and_the_chain_goes_on(void **state)
{
	struct fixture *f = *state;
	struct store *other = open_store(f->path);
	assert_int_equal(store_begin(other), STORE_OK);
	struct audit_record r = {.class_ = 'S', .type = "config.change"};
	assert_int_equal(audit_append(f->audit, &r, T0), STORE_BUSY);
	store_rollback(other);
	store_close(other);
	assert_int_equal(audit_append(f->audit, &r, T0), STORE_OK);
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(f->found.records, 1);
}

static void a_clock_that_runs_back_is_recorded(void **state)
{
	struct fixture *f = *state;
	add(f, 100);
	add(f, 95); /* within the slack: threads wait for the lock */
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(f->found.records, 2);
	add(f, 1);
	assert_int_equal(verify(f, NULL), 0);
	assert_int_equal(f->found.records, 4);
}

static void the_node_keeps_its_name(void **state)
{
	struct fixture *f = *state;
	struct audit *other;
	assert_int_equal(audit_open(&other, f->store, "kms-b"), STORE_CONFLICT);
	assert_null(other);
	assert_int_equal(audit_open(&other, f->store, "kms-a-01"), STORE_OK);
	audit_close(other);
}

static void a_file_without_a_chain_cannot_be_verified(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(audit_verify(scratch_path(&f->scratch, "absent"), NULL, &f->found), -1);
	assert_true(strlen(f->found.reason) > 0);
}

static void the_json_view_says_what_the_record_says(void **state)
{
	struct fixture *f = *state;
	struct audit_record r = {.class_ = 'K',
				 .type = "kms.provision",
				 .outcome = AUDIT_REFUSED,
				 .actor = "sip:a\"b\\@x",
				 .n_key_ids = 1,
				 .key_ids = {0x0000beef},
				 .reason = "line\n"};
	audit_detail(&r, "period", "1388");
	assert_int_equal(audit_append(f->audit, &r, T0 + 5), STORE_OK);
	char text[2048] = "", why[128];
	FILE *out = fmemopen(text, sizeof text, "w");
	assert_int_equal(audit_export(f->path, 0, 0, out, why, sizeof why), 0);
	fclose(out);
	struct audit_anchor head;
	assert_int_equal(audit_head(f->audit, &head), STORE_OK);
	char hex[65], want[1024];
	hex_encode(OCTETS(head.chain), hex);
	snprintf(want, sizeof want,
		 "{\"version\":1,\"node\":\"kms-a-01\",\"seq\":1,\"time\":\"2026-09-21T14:13:20.000000005Z\","
		 "\"clock\":\"unsynchronised\",\"class\":\"K\",\"type\":\"kms.provision\",\"outcome\":\"refused\","
		 "\"actor\":\"sip:a\\\"b\\\\@x\",\"target\":\"\",\"call_id\":\"\",\"key_ids\":[\"0000beef\"],"
		 "\"kms_initiator\":\"\",\"kms_responder\":\"\",\"payload_sha256\":\"\",\"reason\":\"line\\u000a\","
		 "\"detail\":{\"period\":\"1388\"},\"chain\":\"%s\"}\n",
		 hex);
	assert_string_equal(text, want);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_canonical_form_is_the_table_of_the_specification),
	    T(the_chain_hashes_leaf_and_link_with_their_own_prefix),
	    T(every_truncation_of_a_record_is_refused),
	    T(text_that_is_no_utf8_or_too_long_is_recorded_tamed),
	    T(an_intact_chain_verifies_while_the_writer_is_open),
	    T(a_removed_record_is_found),
	    T(a_removed_record_is_found_when_the_rest_is_renumbered),
	    T(one_altered_octet_anywhere_in_a_record_is_found),
	    T(an_altered_chain_value_or_head_is_found),
	    T(two_exchanged_records_are_found),
	    T(an_inserted_record_is_found),
	    T(a_cut_off_tail_is_found_by_the_stored_head),
	    T(a_cut_off_tail_with_its_head_set_back_needs_an_anchor),
	    T(a_history_written_anew_needs_an_anchor),
	    T(a_record_is_durable_only_with_the_change_it_records),
	    T(a_locked_database_is_busy_and_the_chain_goes_on),
	    T(a_clock_that_runs_back_is_recorded),
	    T(the_node_keeps_its_name),
	    T(a_file_without_a_chain_cannot_be_verified),
	    T(the_json_view_says_what_the_record_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

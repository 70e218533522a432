/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_audit_points.c - signed checkpoints: what a writer who owns the whole database cannot hide, what a changed list
 * of checkpoints is found by, and the record as syslog (audit.md 3 items 1, 4 to 7; RFC 9162; RFC 5424).
 */
#include "unit/kms/audit_lab.h"

/* ---- the tree ---- */

static void the_tree_has_the_roots_of_the_published_vectors(void **state)
{
	(void)state;
	/* Certificate Transparency's own test leaves and roots. */
	static const char *const leaves[] = {
	    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
	static const char *const roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
					    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
					    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
					    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
					    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
					    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
					    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
					    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
	struct audit_tree t = {0};
	uint8_t root[AUDIT_HASH], leaf[16];
	char hex[HEX_SIZE(AUDIT_HASH)];
	assert_int_equal(audit_tree_root(&t, root), MCSEC_OK);
	hex_encode(OCTETS(root), hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
		size_t n = 0;
		assert_int_equal(hex_decode(leaves[i], strlen(leaves[i]), leaf, sizeof leaf, &n), MCSEC_OK);
		assert_int_equal(audit_tree_add(&t, (struct octets){leaf, n}), MCSEC_OK);
		assert_int_equal(audit_tree_root(&t, root), MCSEC_OK);
		hex_encode(OCTETS(root), hex);
		assert_string_equal(hex, roots[i]);
	}
}

/* ---- what is found ---- */

static void an_intact_record_verifies_with_its_checkpoints(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.records, 10);
	assert_int_equal(f->found.checkpoints, 3);
	assert_int_equal(f->found.checkpointed, 10);
	add(f, 2); /* newer than the last checkpoint: no fault */
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.records, 12);
}

static void a_cut_off_tail_with_its_head_set_back_is_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	sql(f, "DELETE FROM audit WHERE seq > 8");
	forge_chain(f);
	expect_fault(f, "truncated");
	assert_int_equal(f->found.bad_seq, 9);
}

static void a_record_altered_under_a_forged_chain_is_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	rewrite(f, 5, "alice", "mallo", 5);
	forge_chain(f);
	expect_fault(f, "rewritten");
	assert_int_equal(f->found.bad_seq, 7); /* the first checkpoint that covers it */
}

static void records_exchanged_under_a_forged_chain_are_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	sql(f, "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;"
	       "UPDATE audit SET seq = 3 WHERE seq = 99");
	rewrite(f, 2, "alice", "alice", 2);
	rewrite(f, 3, "alice", "alice", 3);
	/* forge_chain would see the time run back only past the slack: the chain itself is whole */
	forge_chain(f);
	expect_fault(f, "rewritten");
	assert_int_equal(f->found.bad_seq, 4);
}

static void a_record_removed_and_the_rest_renumbered_is_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	sql(f, "DELETE FROM audit WHERE seq = 6");
	for (int i = 7; i <= 10; i++) {
		char text[80];
		snprintf(text, sizeof text, "UPDATE audit SET seq = %d WHERE seq = %d", i - 1, i);
		sql(f, text);
		rewrite(f, i - 1, "alice", "alice", i - 1);
	}
	forge_chain(f);
	expect_fault(f, "rewritten");
	assert_int_equal(f->found.bad_seq, 7);
}

/* ---- the list of checkpoints ---- */

static void every_changed_character_of_a_checkpoint_is_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	char *text = read_points(f);
	size_t end = (size_t)(strchr(text, '\n') - text);
	for (size_t i = 0; i < end; i += 3) {
		char was = text[i];
		text[i] = was == '0' ? '1' : '0';
		write_points(f, text);
		assert_int_equal(verify(f), 1);
		text[i] = was;
	}
	write_points(f, text);
	assert_int_equal(verify(f), 0);
}

static void a_checkpoint_that_is_missing_or_out_of_order_is_found(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	char *text = read_points(f), other[8192];
	char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
	snprintf(other, sizeof other, "%.*s%s", (int)(second - text), text, third);
	write_points(f, other);
	expect_fault(f, "missing");
	snprintf(other, sizeof other, "%s", second);
	write_points(f, other);
	expect_fault(f, "missing");
	snprintf(other, sizeof other, "%.*s%.*s%s", (int)(third - second), second, (int)(second - text), text, third);
	write_points(f, other);
	expect_fault(f, "missing");
	snprintf(other, sizeof other, "%.*s", (int)(third - text), text); /* fewer is only less knowledge */
	write_points(f, other);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.checkpointed, 7);
}

static void checkpoints_of_another_key_are_refused(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char line[AUDIT_CHECKPOINT_LINE];
	struct audit_checkpoint c;
	char *text = read_points(f);
	assert_int_equal(audit_checkpoint_parse((struct octets){(uint8_t *)text, strcspn(text, "\n")}, &c), MCSEC_OK);
	assert_int_equal(audit_checkpoint_sign(&c, key), MCSEC_OK);
	EVP_PKEY_free(key);
	audit_checkpoint_print(&c, line);
	write_points(f, line);
	expect_fault(f, "signature");
}

static void every_truncation_of_a_checkpoint_is_refused(void **state)
{
	struct fixture *f = *state;
	struct audit_checkpoint c;
	ten_records(f);
	char *text = read_points(f);
	size_t n = strcspn(text, "\n"), node = strlen("kms a 01");
	assert_int_equal(audit_checkpoint_parse((struct octets){(uint8_t *)text, n}, &c), MCSEC_OK);
	assert_string_equal(c.node, "kms a 01");
	for (size_t i = 0; i < n - node; i++)
		assert_int_not_equal(audit_checkpoint_parse((struct octets){(uint8_t *)text, i}, &c), MCSEC_OK);
}

/* ---- the keeper ---- */

static void checkpoints_go_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	keep(f);
	checkpoint(f); /* nothing new: none is made */
	assert_int_equal(f->said, 3);
	add(f, 1);
	stop_keeping(f); /* the end makes one */
	assert_int_equal(f->said, 4);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.checkpoints, 4);
	assert_int_equal(f->found.checkpointed, 11);
}

static void a_line_torn_by_a_kill_is_cut_off_at_the_next_start(void **state)
{
	struct fixture *f = *state;
	ten_records(f);
	FILE *out = fopen(f->points, "a");
	fputs("mcx-audit-checkpoint-1 11 17900", out);
	fclose(out);
	keep(f);
	add(f, 1);
	stop_keeping(f);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->found.checkpoints, 4);
}

static void a_gap_is_seen_at_the_start_and_nothing_is_signed_after_it(void **state)
{
	struct fixture *f = *state;
	char line[AUDIT_CHECKPOINT_LINE];
	ten_records(f);
	sql(f, "DELETE FROM audit WHERE seq > 8");
	forge_chain(f);
	keep(f);
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_GAP);
	add(f, 5);
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_GAP);
	assert_int_equal(audit_keeper_state(f->keeper), AUDIT_KEEPER_GAP);
	stop_keeping(f);
	assert_int_equal(f->state, AUDIT_KEEPER_GAP);
	assert_int_equal(f->said, 3);
}

static void a_change_under_a_running_keeper_is_a_gap(void **state)
{
	struct fixture *f = *state;
	char line[AUDIT_CHECKPOINT_LINE];
	keep(f);
	add(f, 3);
	checkpoint(f);
	rewrite(f, 2, "alice", "mallo", 2);
	forge_chain(f);
	add(f, 1);
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_GAP);
}

static void a_file_that_cannot_be_written_is_said_and_mended(void **state)
{
	struct fixture *f = *state;
	char line[AUDIT_CHECKPOINT_LINE];
	keep(f);
	add(f, 1);
	assert_int_equal(mkdir(f->points, 0700), 0); /* in the file's place */
	assert_int_equal(audit_keeper_now(f->keeper, line), AUDIT_KEEPER_UNWRITABLE);
	assert_int_equal(rmdir(f->points), 0);
	checkpoint(f);
	stop_keeping(f);
	assert_int_equal(verify(f), 0);
}

static void a_signing_key_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	char err[256] = "";
	keep(f);
	stop_keeping(f);
	assert_int_equal(chmod(f->key, 0644), 0);
	struct audit_keeper_options o = {.database = f->db, .key = f->key, .file = f->points};
	assert_null(audit_keeper_start(&o, err, sizeof err));
	assert_non_null(strstr(err, "others may read it"));
}

/* ---- syslog ---- */

static void the_syslog_form_is_that_of_rfc_5424(void **state)
{
	struct fixture *f = *state;
	char *text = NULL, why[128];
	size_t len = 0;
	struct audit_record r = {.class_ = 'K',
				 .type = "kms.provision",
				 .outcome = AUDIT_REFUSED,
				 .actor = "sip:a\"]\\@x",
				 .reason = "two\nlines"};
	audit_detail(&r, "the=key", "v");
	assert_int_equal(audit_append(f->audit, &r, INT64_C(1790000000123456789)), STORE_OK);
	FILE *out = open_memstream(&text, &len);
	assert_int_equal(audit_export_as(AUDIT_SYSLOG, f->db, 0, 0, out, why, sizeof why), 0);
	fclose(out);
	static const char begin[] = "<108>1 2026-09-21T14:13:20.123456Z kms?a?01 mcxsec - kms.provision [mcx@32473 "
				    "seq=\"1\" class=\"K\" outcome=\"refused\" actor=\"sip:a\\\"\\]\\\\@x\" "
				    "reason=\"two?lines\" d.the?key=\"v\" chain=\"";
	assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
	assert_string_equal(text + strlen(begin) + 2 * AUDIT_HASH, "\"] kms.provision\n");
	free(text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_tree_has_the_roots_of_the_published_vectors),
	    T(an_intact_record_verifies_with_its_checkpoints),
	    T(a_cut_off_tail_with_its_head_set_back_is_found),
	    T(a_record_altered_under_a_forged_chain_is_found),
	    T(records_exchanged_under_a_forged_chain_are_found),
	    T(a_record_removed_and_the_rest_renumbered_is_found),
	    T(every_changed_character_of_a_checkpoint_is_found),
	    T(a_checkpoint_that_is_missing_or_out_of_order_is_found),
	    T(checkpoints_of_another_key_are_refused),
	    T(every_truncation_of_a_checkpoint_is_refused),
	    T(checkpoints_go_on_after_a_restart),
	    T(a_line_torn_by_a_kill_is_cut_off_at_the_next_start),
	    T(a_gap_is_seen_at_the_start_and_nothing_is_signed_after_it),
	    T(a_change_under_a_running_keeper_is_a_gap),
	    T(a_file_that_cannot_be_written_is_said_and_mended),
	    T(a_signing_key_that_others_may_read_is_refused),
	    T(the_syslog_form_is_that_of_rfc_5424),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

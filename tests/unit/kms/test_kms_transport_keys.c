/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_transport_keys.c - the table of TrK and InK and the seal they rest under, on a store of their own with
 * injected time (kms.md 10.1, 10.2, 15B; MCX-SEC-122).
 */
#include "kms/protect/table.h"
#include "mcsec/secret.h"
#include "unit/kms/scratch.h"

#define ALICE "sip:alice@example.org"
#define NOW   INT64_C(1700000000)

static struct scratch folder;
static struct kms_pool *pool;
static struct kms_db *db;
static struct transport_seal *seal;

static int set_up(void **state)
{
	(void)state;
	char err[256];
	enum store_err e;
	scratch_make(&folder);
	pool = kms_pool_new(scratch_path(&folder, "db"), "kms-a-01", 1000, err, sizeof err);
	assert_non_null(pool);
	db = kms_pool_take(pool, &e);
	seal = transport_seal_open(scratch_path(&folder, "key"), err, sizeof err);
	assert_non_null(seal);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kms_pool_give(pool, db, STORE_OK);
	kms_pool_free(pool);
	transport_seal_free(seal);
	scratch_remove(&folder);
	return 0;
}

static struct tkey make(int by_hand, int64_t now, uint8_t key[KMS_TRK_LEN])
{
	struct tkey k;
	assert_int_equal(store_begin(db->store), STORE_OK);
	assert_int_equal(tkey_make(db, seal, ALICE, TKEY_TRK, by_hand, now, &k, key), STORE_OK);
	assert_int_equal(store_commit(db->store), STORE_OK);
	return k;
}

static void activate(const struct tkey *k, int64_t now)
{
	assert_int_equal(store_begin(db->store), STORE_OK);
	assert_int_equal(tkey_activate(db, k, now), STORE_OK);
	assert_int_equal(store_commit(db->store), STORE_OK);
}

static enum tkey_state state_at(const char *id, int64_t now)
{
	struct tkey k;
	assert_int_equal(tkey_by_id(db, id, now, &k), STORE_ROW);
	return k.state;
}

static void count(void *ctx, const struct tkey *k)
{
	(void)k;
	++*(int *)ctx;
}

static int rows(void)
{
	int n = 0;
	assert_int_equal(tkey_each(db, ALICE, count, &n), STORE_OK);
	return n;
}

static void mcx_sec_122_pending_is_repeated_active_makes_old_and_old_ends_after_24_hours(void **state)
{
	(void)state;
	uint8_t key[4][KMS_TRK_LEN];
	struct tkey first = make(1, NOW, key[0]), none;
	assert_string_equal(first.id, "tk.1.alice@example.org");
	assert_int_equal(state_at(first.id, NOW), TKEY_ACTIVE);
	struct tkey second = make(0, NOW + 10, key[1]);
	assert_string_equal(second.id, "tk.2.alice@example.org");
	assert_int_equal(second.state, TKEY_PENDING);
	struct tkey again = make(0, NOW + 20, key[2]);
	assert_string_equal(again.id, second.id);
	assert_memory_equal(key[1], key[2], KMS_TRK_LEN);
	assert_memory_not_equal(key[0], key[1], KMS_TRK_LEN);
	activate(&second, NOW + 30);
	assert_int_equal(state_at(second.id, NOW + 30), TKEY_ACTIVE);
	assert_int_equal(state_at(first.id, NOW + 30 + TKEY_OLD_S - 1), TKEY_OLD);
	assert_int_equal(tkey_by_id(db, first.id, NOW + 30 + TKEY_OLD_S, &none), STORE_OK);
	assert_string_equal(none.id, "");
	assert_int_equal(tkey_sweep(db, NOW + 30 + TKEY_OLD_S - 1), STORE_OK);
	assert_int_equal(rows(), 2);
	assert_int_equal(tkey_sweep(db, NOW + 30 + TKEY_OLD_S), STORE_OK);
	assert_int_equal(rows(), 1);
}

static void withdrawn_keys_are_gone_and_their_numbers_never_come_again(void **state)
{
	(void)state;
	uint8_t key[KMS_TRK_LEN];
	struct tkey before = make(0, NOW, key);
	assert_int_equal(tkey_withdraw(db, ALICE), STORE_OK);
	assert_int_equal(rows(), 0);
	struct tkey after = make(0, NOW, key);
	assert_string_not_equal(before.id, after.id);
	assert_int_equal(after.state, TKEY_PENDING); /* nobody held one: only by hand it would be active */
}

static void a_signature_is_seen_once_until_its_time_is_over(void **state)
{
	(void)state;
	const uint8_t hash[32] = {1}, other[32] = {2};
	assert_int_equal(tkey_replay(db, hash, NOW, NOW + 60), STORE_OK);
	assert_int_equal(tkey_replay(db, other, NOW, NOW + 60), STORE_OK);
	assert_int_equal(tkey_replay(db, hash, NOW + 60, NOW + 120), STORE_CONFLICT);
	assert_int_equal(tkey_replay(db, hash, NOW + 61, NOW + 121), STORE_OK); /* refused by its Time by now */
}

static void a_sealed_key_opens_for_its_id_and_user_only(void **state)
{
	(void)state;
	uint8_t key[KMS_TRK_LEN] = {7}, out[KMS_TRK_LEN], sealed[TRANSPORT_SEALED];
	assert_int_equal(transport_seal_close(seal, "tk.1", ALICE, key, sealed), MCSEC_OK);
	assert_int_equal(transport_seal_unseal(seal, "tk.1", ALICE, OCTETS(sealed), out), MCSEC_OK);
	assert_memory_equal(out, key, sizeof key);
	assert_int_equal(transport_seal_unseal(seal, "tk.2", ALICE, OCTETS(sealed), out), MCSEC_E_DECRYPT);
	assert_int_equal(transport_seal_unseal(seal, "tk.1", "sip:bob@example.org", OCTETS(sealed), out),
			 MCSEC_E_DECRYPT);
	struct octets cut = {sealed, sizeof sealed - 1};
	assert_int_equal(transport_seal_unseal(seal, "tk.1", ALICE, cut, out), MCSEC_E_DECRYPT);
	for (size_t i = 0; i < sizeof sealed; i++) {
		sealed[i] ^= 1;
		assert_int_equal(transport_seal_unseal(seal, "tk.1", ALICE, OCTETS(sealed), out), MCSEC_E_DECRYPT);
		sealed[i] ^= 1;
	}
}

static void a_sealing_key_that_is_short_or_readable_by_others_is_refused(void **state)
{
	(void)state;
	char err[256];
	struct transport_seal *again = transport_seal_open(scratch_path(&folder, "key"), err, sizeof err);
	assert_non_null(again); /* the same file, as after a restart */
	uint8_t key[KMS_TRK_LEN] = {7}, out[KMS_TRK_LEN], sealed[TRANSPORT_SEALED];
	assert_int_equal(transport_seal_close(seal, "tk.1", ALICE, key, sealed), MCSEC_OK);
	assert_int_equal(transport_seal_unseal(again, "tk.1", ALICE, OCTETS(sealed), out), MCSEC_OK);
	transport_seal_free(again);
	assert_int_equal(chmod(scratch_path(&folder, "key"), 0640), 0);
	assert_null(transport_seal_open(scratch_path(&folder, "key"), err, sizeof err));
	assert_int_equal(chmod(scratch_path(&folder, "key"), 0600), 0);
	assert_int_equal(truncate(scratch_path(&folder, "key"), 31), 0);
	assert_null(transport_seal_open(scratch_path(&folder, "key"), err, sizeof err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_122_pending_is_repeated_active_makes_old_and_old_ends_after_24_hours),
	    cmocka_unit_test(withdrawn_keys_are_gone_and_their_numbers_never_come_again),
	    cmocka_unit_test(a_signature_is_seen_once_until_its_time_is_over),
	    cmocka_unit_test(a_sealed_key_opens_for_its_id_and_user_only),
	    cmocka_unit_test(a_sealing_key_that_is_short_or_readable_by_others_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

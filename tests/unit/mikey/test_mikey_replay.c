/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of messages seen: bounded, forgetful only of what has run out, and exportable. */
#include "unit/test.h"

#include "mcsec/mikey.h"

static struct mcsec_replay_entry entry(uint32_t n, uint64_t until)
{
	struct mcsec_replay_entry e = {.until = until};
	e.hash[0] = (uint8_t)(n % 7); /* many in one slot */
	for (int i = 0; i < 4; i++)
		e.hash[10 + i] = (uint8_t)(n >> 8 * i);
	return e;
}

static struct mcsec_replay *memory(size_t capacity)
{
	struct mcsec_replay *cache;
	assert_int_equal(mcsec_replay_new(&cache, capacity), MCSEC_OK);
	return cache;
}

static void an_entry_is_seen_until_its_last_second(void **state)
{
	(void)state;
	struct mcsec_replay *cache = memory(10);
	struct mcsec_replay_entry e = entry(1, 100), other = entry(2, 100);
	assert_false(mcsec_replay_seen(cache, e.hash, 50));
	assert_int_equal(mcsec_replay_add(cache, &e, 50), MCSEC_OK);
	assert_true(mcsec_replay_seen(cache, e.hash, 50));
	assert_true(mcsec_replay_seen(cache, e.hash, 100));
	assert_false(mcsec_replay_seen(cache, e.hash, 101));
	assert_false(mcsec_replay_seen(cache, other.hash, 50));
	assert_int_equal(mcsec_replay_add(cache, &e, 60), MCSEC_E_REPLAY);
	e.until = 200;
	assert_int_equal(mcsec_replay_add(cache, &e, 101), MCSEC_OK); /* ran out: new again */
	assert_true(mcsec_replay_seen(cache, e.hash, 200));
	mcsec_replay_free(cache);
}

static void a_full_memory_refuses_and_forgets_nothing(void **state)
{
	(void)state;
	struct mcsec_replay *cache = memory(50);
	for (uint32_t i = 0; i < 50; i++) {
		struct mcsec_replay_entry e = entry(i, 1000 + i);
		assert_int_equal(mcsec_replay_add(cache, &e, 1), MCSEC_OK);
	}
	struct mcsec_replay_entry more = entry(50, 5000);
	assert_int_equal(mcsec_replay_add(cache, &more, 1), MCSEC_E_NO_SPACE);
	assert_int_equal(mcsec_replay_add(cache, &more, 1000), MCSEC_E_NO_SPACE);
	for (uint32_t i = 0; i < 50; i++) {
		struct mcsec_replay_entry e = entry(i, 0);
		assert_true(mcsec_replay_seen(cache, e.hash, 1));
	}
	assert_int_equal(mcsec_replay_add(cache, &more, 1001), MCSEC_OK); /* the first has run out */
	assert_int_equal(mcsec_replay_count(cache), 50);
	assert_true(mcsec_replay_seen(cache, more.hash, 1001));
	for (uint32_t i = 1; i < 50; i++) {
		struct mcsec_replay_entry e = entry(i, 0);
		assert_true(mcsec_replay_seen(cache, e.hash, 1001));
	}
	mcsec_replay_free(cache);
}

static int read_back(void *ctx, const struct mcsec_replay_entry *e)
{
	assert_int_equal(mcsec_replay_add(ctx, e, 500), MCSEC_OK);
	return 0;
}

static int stop(void *ctx, const struct mcsec_replay_entry *e)
{
	(void)e;
	return ++*(int *)ctx == 3;
}

static void mcx_sec_149_what_is_exported_and_read_back_is_still_seen(void **state)
{
	(void)state;
	struct mcsec_replay *before = memory(2000), *after = memory(2000);
	for (uint32_t i = 0; i < 1000; i++) {
		struct mcsec_replay_entry e = entry(i, i);
		assert_int_equal(mcsec_replay_add(before, &e, 0), MCSEC_OK);
	}
	mcsec_replay_export(before, 500, read_back, after);
	assert_int_equal(mcsec_replay_count(after), 500);
	for (uint32_t i = 0; i < 1000; i++) {
		struct mcsec_replay_entry e = entry(i, i);
		assert_int_equal(mcsec_replay_seen(after, e.hash, 500), i >= 500);
	}
	int calls = 0;
	mcsec_replay_export(before, 0, stop, &calls);
	assert_int_equal(calls, 3);
	mcsec_replay_free(before);
	mcsec_replay_free(after);
	mcsec_replay_free(NULL);
}

static void a_memory_of_no_size_or_beyond_all_memory_is_not_made(void **state)
{
	(void)state;
	struct mcsec_replay *cache;
	assert_int_equal(mcsec_replay_new(&cache, 0), MCSEC_E_ARGUMENT);
	assert_null(cache);
	assert_int_equal(mcsec_replay_new(&cache, SIZE_MAX / 2), MCSEC_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_entry_is_seen_until_its_last_second),
	    cmocka_unit_test(a_full_memory_refuses_and_forgets_nothing),
	    cmocka_unit_test(mcx_sec_149_what_is_exported_and_read_back_is_still_seen),
	    cmocka_unit_test(a_memory_of_no_size_or_beyond_all_memory_is_not_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

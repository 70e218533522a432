/* SPDX-License-Identifier: Apache-2.0 */
/* What a client keeps on disk: sealed, bound to its name, private, and never forgetting what it must not forget. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/test.h"

#include <sqlite3.h>

#include "mcsec/secret.h"
#include "ue/ue_store.h"

static char dir[64], err[512];

static struct ue_store *reopen(struct ue_store *s)
{
	ue_store_close(s);
	s = ue_store_open(dir, err, sizeof err);
	if (!s)
		fail_msg("%s", err);
	return s;
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mcx-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void path_of(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", dir, name);
}

static void assert_item(struct ue_store *s, const char *name, const char *text)
{
	size_t len;
	uint8_t *got = ue_store_get(s, name, &len);
	assert_non_null(got);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len + 1); /* texts get their NUL */
	mcsec_secret_free(got);
}

static void an_item_comes_back_after_the_process_and_can_be_replaced_and_dropped(void **state)
{
	(void)state;
	size_t len;
	struct ue_store *s = reopen(NULL);
	assert_null(ue_store_get(s, "tokens", &len));
	assert_int_equal(ue_store_put(s, "tokens", octets_of("first")), 0);
	s = reopen(s);
	assert_item(s, "tokens", "first");
	assert_int_equal(ue_store_put(s, "tokens", octets_of("second value")), 0);
	assert_item(s, "tokens", "second value");
	assert_int_equal(ue_store_drop(s, "tokens"), 0);
	assert_null(ue_store_get(s, "tokens", &len));
	ue_store_close(s);
	assert_int_equal(mcsec_secret_in_use(), 0);
}

static int count(void *ctx, const char *name, struct octets secret)
{
	int *n = ctx;
	assert_memory_equal(name, "key-set/", 8);
	assert_int_equal(secret.len, 1);
	return ++*n == 100;
}

static void items_are_listed_by_prefix_and_dropped_by_range(void **state)
{
	(void)state;
	int n = 0;
	struct ue_store *s = reopen(NULL);
	ue_store_put(s, "key-set/1", octets_of("a"));
	ue_store_put(s, "key-set/2", octets_of("b"));
	ue_store_put(s, "key-other", octets_of("c"));
	assert_int_equal(ue_store_each(s, "key-set/", count, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ue_store_drop_range(s, "key-set/", "key-set/2"), 0);
	n = 0;
	assert_int_equal(ue_store_each(s, "key-set/", count, &n), 0);
	assert_int_equal(n, 1);
	assert_item(s, "key-other", "c");
	ue_store_close(s);
}

static void the_database_holds_no_plaintext(void **state)
{
	(void)state;
	static char content[1 << 20];
	const char *const files[] = {"db", "db-wal"};
	struct ue_store *s = reopen(NULL);
	assert_int_equal(ue_store_put(s, "tokens", octets_of("the-secret-token-value")), 0);
	for (size_t i = 0; i < 2; i++) {
		char path[128];
		path_of(files[i], path, sizeof path);
		FILE *f = fopen(path, "rb");
		size_t n = f ? fread(content, 1, sizeof content, f) : 0;
		if (f)
			fclose(f);
		assert_null(memmem(content, n, "secret-token", 12));
	}
	ue_store_close(s);
}

static void run_sql(const char *sql)
{
	sqlite3 *db; /* another hand than ours */
	char path[128];
	path_of("db", path, sizeof path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void an_item_that_was_changed_or_put_in_anothers_place_does_not_open(void **state)
{
	(void)state;
	size_t len;
	struct ue_store *s = reopen(NULL);
	ue_store_put(s, "a", octets_of("first"));
	ue_store_put(s, "b", octets_of("other"));
	ue_store_put(s, "c", octets_of("third"));
	ue_store_close(s);
	run_sql("UPDATE item SET sealed=(SELECT sealed FROM item WHERE name='b') WHERE name='a'");
	run_sql("UPDATE item SET sealed=zeroblob(20) WHERE name='c'");
	s = ue_store_open(dir, err, sizeof err);
	assert_null(ue_store_get(s, "a", &len));
	assert_null(ue_store_get(s, "c", &len));
	assert_item(s, "b", "other");
	ue_store_close(s);
}

static void another_device_key_opens_nothing(void **state)
{
	(void)state;
	char path[128];
	size_t len;
	struct ue_store *s = reopen(NULL);
	ue_store_put(s, "tokens", octets_of("first"));
	ue_store_close(s);
	path_of("device.key", path, sizeof path);
	unlink(path);
	s = ue_store_open(dir, err, sizeof err);
	assert_non_null(s);
	assert_null(ue_store_get(s, "tokens", &len));
	ue_store_close(s);
}

static void folder_and_key_are_private_and_refused_when_wider(void **state)
{
	(void)state;
	char path[128];
	struct stat st;
	struct ue_store *s = reopen(NULL);
	ue_store_close(s);
	const char *const files[] = {"device.key", "db"};
	for (size_t i = 0; i < 2; i++) {
		path_of(files[i], path, sizeof path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	path_of("device.key", path, sizeof path);
	chmod(path, 0640);
	assert_null(ue_store_open(dir, err, sizeof err));
	chmod(path, 0600);
	chmod(dir, 0750);
	assert_null(ue_store_open(dir, err, sizeof err));
	chmod(dir, 0700);
	truncate(path, 31) ? fail() : (void)0;
	assert_null(ue_store_open(dir, err, sizeof err));
}

static void mcx_sec_303_an_ssrc_is_never_used_twice_under_one_key_and_session(void **state)
{
	(void)state;
	struct ue_store *s = reopen(NULL);
	assert_int_equal(ue_store_record(s, 0x10000001, 0, 77, NULL), 0);
	s = reopen(s);
	assert_int_equal(ue_store_record(s, 0x10000001, 0, 77, NULL), 1);
	assert_int_equal(ue_store_record(s, 0x10000001, 1, 77, NULL), 0); /* another crypto session: another key */
	assert_int_equal(ue_store_record(s, 0x10000002, 0, 77, NULL), 0);
	assert_int_equal(ue_store_record(s, 0x10000001, 0, 78, NULL), 0);
	ue_store_close(s);
}

static void a_replay_record_is_durable_with_its_ssrc_or_not_at_all(void **state)
{
	(void)state;
	struct mcsec_replay *cache;
	struct mcsec_replay_entry a = {.hash = "first message", .until = 1000},
				  b = {.hash = "second one", .until = 1000};
	struct ue_store *s = reopen(NULL);
	assert_int_equal(ue_store_record(s, 1, 1, 5, &a), 0);
	assert_int_equal(ue_store_record(s, 1, 1, 5, &b), 1); /* refused as a whole */
	s = reopen(s);
	assert_int_equal(mcsec_replay_new(&cache, 16), MCSEC_OK);
	assert_int_equal(ue_store_replays(s, 500, cache), 0);
	assert_int_equal(mcsec_replay_count(cache), 1);
	assert_true(mcsec_replay_seen(cache, a.hash, 500));
	assert_false(mcsec_replay_seen(cache, b.hash, 500));
	mcsec_replay_free(cache);
	assert_int_equal(mcsec_replay_new(&cache, 16), MCSEC_OK);
	assert_int_equal(ue_store_replays(s, 1001, cache), 0); /* run out */
	assert_int_equal(mcsec_replay_count(cache), 0);
	mcsec_replay_free(cache);
	ue_store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_item_comes_back_after_the_process_and_can_be_replaced_and_dropped),
	    TEST(items_are_listed_by_prefix_and_dropped_by_range),
	    TEST(the_database_holds_no_plaintext),
	    TEST(an_item_that_was_changed_or_put_in_anothers_place_does_not_open),
	    TEST(another_device_key_opens_nothing),
	    TEST(folder_and_key_are_private_and_refused_when_wider),
	    TEST(mcx_sec_303_an_ssrc_is_never_used_twice_under_one_key_and_session),
	    TEST(a_replay_record_is_durable_with_its_ssrc_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

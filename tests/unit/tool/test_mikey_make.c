/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mikey_make.c - what `mcx mikey make` does not make: each argument that cannot be used is told apart by its own
 * sentence, nothing is printed, and no key ever is unless asked for.
 */
#include "unit/tool/mikey_bench.h"

#include "tool/look/mikey_files.h"

static char said[4096];

/* A good command line and these words behind it. Standard error lands in `said`. */
static int make_with(struct bench *b, const char *const *more)
{
	const char *args[40] = {"mikey",  "make", "--cert", b->cert, "--keys",
				b->alice, "--to", BOB,      "--at",  "2025-10-03T00:00:00Z"};
	char path[128];
	size_t n = 10;
	while (*more)
		args[n++] = *more++;
	int rc = run(b, args);
	path_of(b, "err", path);
	FILE *f = fopen(path, "rb");
	said[fread(said, 1, sizeof said - 1, f)] = 0;
	fclose(f);
	return rc;
}

#define MAKE(b, ...) make_with(b, (const char *const[]){__VA_ARGS__, NULL})

static void each_argument_that_cannot_be_used_is_named(void **state)
{
	struct bench *b = *state;
	static const struct {
		const char *option, *value, *sentence;
	} rows[] = {
	    {"--kind", "xyz", "--kind is one of"},
	    {"--k-id", "1a1b2c3", "--k-id has 8 hex digits"},
	    {"--k-id", "1a1b2c3g", "--k-id has 8 hex digits"},
	    {"--k-id", "0a1b2c3d", "the first the tag 1 of a PCK"},
	    {"--at", "noon", "--at is no time"},
	    {"--activation", "2025-10-03", "--activation is no time"},
	    {"--expiry", "2025-10-03T00:00:00", "--expiry is no time"},
	    {"--cs", "4,x", "--cs is a list"},
	    {"--cs", "256", "--cs is a list"},
	    {"--cs", "4,", "--cs is a list"},
	    {"--cs", "", "--cs is a list"},
	    {"--algs", "zz", "--algs is a list"},
	    {"--algs", "10000", "--algs is a list"},
	    {"--algs", "0101;0102", "--algs is a list"},
	    {"--algs",
	     "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	     "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
	     "--algs is a list"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int rc = MAKE(b, rows[i].option, rows[i].value);
		if (rc != TOOL_USAGE || !strstr(said, rows[i].sentence) || b->out[0])
			fail_msg("%s %s: %d '%s' '%s'", rows[i].option, rows[i].value, rc, said, b->out);
	}
}

static void the_key_comes_from_a_file_of_32_hex_digits_or_not_at_all(void **state)
{
	struct bench *b = *state;
	static const char *const bad[] = {"",
					  "\n",
					  "000102030405060708090a0b0c0d0e",
					  "000102030405060708090a0b0c0d0e0",
					  "000102030405060708090a0b0c0d0e0f00",
					  "000102030405060708090a0b0c0d0e0g",
					  " 000102030405060708090a0b0c0d0e0f"};
	static const char *const good[] = {"000102030405060708090a0b0c0d0e0f", "000102030405060708090A0B0C0D0E0F\r\n"};
	char key[128];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_file(b, "key", octets_of(bad[i]), key);
		assert_int_equal(MAKE(b, "--key-file", key), TOOL_USAGE);
		assert_non_null(strstr(said, "holds no key of 32 hex digits"));
		assert_string_equal(b->out, "");
		assert_true(strlen(bad[i]) < 20 || !strstr(said, "0001020304"));
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		write_file(b, "key", octets_of(good[i]), key);
		assert_int_equal(MAKE(b, "--key-file", key, "--json", "--show-secrets"), TOOL_OK);
		assert_non_null(strstr(b->out, "000102030405060708090a0b0c0d0e0f"));
		assert_int_equal(MAKE(b, "--key-file", key, "--json"), TOOL_OK);
		assert_null(strstr(b->out, "0001020304"));
	}
	assert_int_equal(MAKE(b, "--key-file", "/nowhere"), TOOL_FAILED);
	assert_non_null(strstr(said, "/nowhere"));
}

static void what_is_needed_is_asked_for_and_too_much_is_refused(void **state)
{
	struct bench *b = *state;
	char group[40][24];
	const char *many[38] = {"mikey", "make"};
	assert_int_equal(RUN(b, "mikey", "make", "--cert", b->cert, "--keys", b->alice), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "make", "--cert", b->cert, "--to", BOB), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "make", "--keys", b->alice, "--to", BOB), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "make", "--nonsense"), TOOL_USAGE);
	assert_int_equal(RUN(b, "mikey", "make", "--help"), TOOL_OK);
	size_t n = 2;
	for (size_t i = 0; i <= MIKEY_FILES_MAX && n < 37; i++) {
		snprintf(group[i], sizeof group[i], "--group=sip:g%zu@x", i);
		many[n++] = group[i];
	}
	assert_int_equal(make_with(b, many + 2), TOOL_USAGE);
	assert_string_equal(b->out, "");
}

static void what_the_library_refuses_is_told_with_both_names(void **state)
{
	struct bench *b = *state;
	assert_int_equal(MAKE(b, "--to-kms", "kms.nowhere.example"), TOOL_REFUSED);
	assert_non_null(strstr(said, ALICE));
	assert_non_null(strstr(said, BOB));
	assert_int_equal(MAKE(b, "--group", "sip:fire@mc.example"), TOOL_REFUSED); /* a PCK is for no group */
	assert_int_equal(MAKE(b, "--from", CAROL), TOOL_REFUSED);                  /* her keys are not here */
	assert_non_null(strstr(said, CAROL));
	assert_string_equal(b->out, "");
}

/* The message itself, as octets and as base64, with every part that can be asked for. */
static void every_form_of_output_holds_the_same_kind_of_message(void **state)
{
	struct bench *b = *state;
	static uint8_t msg[MCSEC_IM_MAX];
	size_t len = 0;
	struct mcsec_im_peek peek;
	assert_int_equal(MAKE(b, "--binary", "--k-id", "1a1b2c3d"), TOOL_OK);
	assert_int_equal(b->out[0], 1); /* the version of MIKEY */
	assert_memory_equal(b->out + 4, "\x1a\x1b\x2c\x3d", 4);
	assert_int_equal(MAKE(b, "--k-id", "1a1b2c3d", "--policy", "--revoked", "--activation", "2025-10-03T00:00:00Z",
			      "--expiry", "2025-10-04T00:00:00Z", "--algs", "0102,0101", "--cs", "4,5",
			      "--hide-initiator"),
			 TOOL_OK);
	assert_int_equal(base64_decode(b->out, strcspn(b->out, "\n"), msg, sizeof msg, &len), MCSEC_OK);
	assert_int_equal(mcsec_im_peek(msg, len, &peek, NULL), MCSEC_OK);
	assert_int_equal(peek.csb_id, 0x1a1b2c3d);
	char path[128];
	write_file(b, "message", octets_of(b->out), path);
	assert_int_equal(
	    RUN(b, "mikey", "open", path, "--cert", b->cert, "--keys", b->bob, "--at", "message", "--from", ALICE),
	    TOOL_REFUSED); /* a key revoked by its own parameters */
	json_t *o = json_out(b);
	assert_string_equal(text_at(o, "error"), "revoked");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_argument_that_cannot_be_used_is_named),
	    cmocka_unit_test(the_key_comes_from_a_file_of_32_hex_digits_or_not_at_all),
	    cmocka_unit_test(what_is_needed_is_asked_for_and_too_much_is_refused),
	    cmocka_unit_test(what_the_library_refuses_is_told_with_both_names),
	    cmocka_unit_test(every_form_of_output_holds_the_same_kind_of_message),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

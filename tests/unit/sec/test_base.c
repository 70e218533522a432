/* SPDX-License-Identifier: Apache-2.0 */
/* The ground floor: reader and writer, text forms, the secret allocator, error names. */
#include "unit/test.h"

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "sec/base/bytes.h"
#include "sec/base/text.h"

static void the_first_error_of_a_reader_sticks_with_its_offset(void **state)
{
	(void)state;
	static const uint8_t in[] = { 1, 2, 3 };
	struct reader r = rd_init(OCTETS(in));
	assert_int_equal(rd_u16(&r), 0x0102);
	assert_int_equal(rd_u16(&r), 0);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_done(&r), MCSEC_E_TRUNCATED);
	assert_int_equal(r.err_at, 2);
}

static void octets_left_over_are_refused_where_they_begin(void **state)
{
	(void)state;
	static const uint8_t in[] = { 1, 2, 3 };
	struct reader r = rd_init(OCTETS(in));
	rd_u8(&r);
	assert_int_equal(rd_done(&r), MCSEC_E_TRAILING);
	assert_int_equal(r.err_at, 1);
}

static void a_full_writer_writes_nothing_more_and_yields_nothing(void **state)
{
	(void)state;
	uint8_t buf[4] = { 0 };
	struct writer w = wr_init(buf, 3);
	wr_u16(&w, 0x0102);
	wr_u16(&w, 0x0304);
	wr_u8(&w, 5);
	assert_int_equal(w.err, MCSEC_E_NO_SPACE);
	assert_int_equal(wr_result(&w).len, 0);
	assert_int_equal(buf[2], 0);
}

static void hex_and_base64_of_every_length_read_back(void **state)
{
	(void)state;
	uint8_t in[64], out[64];
	char text[HEX_SIZE(64)];
	size_t n;
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof in; len++) {
		struct octets o = { in, len };
		hex_encode(o, text);
		assert_int_equal(hex_decode(text, strlen(text), out, sizeof out, &n), MCSEC_OK);
		assert_int_equal(n, len);
		assert_memory_equal(in, out, len);
		hex_encode_upper(o, text);
		assert_int_equal(hex_decode(text, strlen(text), out, sizeof out, &n), MCSEC_OK);
		assert_memory_equal(in, out, len);
		n = base64_encode(o, text);
		assert_int_equal(n, strlen(text));
		assert_int_equal(base64_decode(text, strlen(text), out, sizeof out, &n), MCSEC_OK);
		assert_int_equal(n, len);
		assert_memory_equal(in, out, len);
		n = base64url_encode(o, text);
		assert_int_equal(n, strlen(text));
		assert_int_equal(base64url_decode(text, strlen(text), out, sizeof out, &n), MCSEC_OK);
		assert_int_equal(n, len);
		assert_memory_equal(in, out, len);
	}
}

static void the_base64_vectors_of_rfc_4648_hold(void **state)
{
	(void)state;
	static const char *const vectors[][2] = { { "", "" },	       { "f", "Zg==" },	       { "fo", "Zm8=" },
						  { "foo", "Zm9v" },   { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
						  { "foobar", "Zm9vYmFy" } };
	char text[16];
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		base64_encode(octets_of(vectors[i][0]), text);
		assert_string_equal(text, vectors[i][1]);
	}
	static const uint8_t high[] = { 0xfb, 0xff, 0xbf };
	base64_encode(OCTETS(high), text);
	assert_string_equal(text, "+/+/");
	base64url_encode(OCTETS(high), text);
	assert_string_equal(text, "-_-_");
}

static void every_octet_that_is_no_digit_is_refused(void **state)
{
	(void)state;
	uint8_t out[8];
	size_t n;
	for (int c = 0; c < 256; c++) {
		char hex[2] = { '0', (char)c }, b64[4] = { 'A', 'A', 'A', (char)c };
		int is_hex = c && strchr("0123456789abcdefABCDEF", c) != NULL;
		int is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		assert_int_equal(hex_decode(hex, 2, out, sizeof out, &n), is_hex ? MCSEC_OK : MCSEC_E_ENCODING);
		assert_int_equal(base64_decode(b64, 4, out, sizeof out, &n),
				 is_alnum || c == '+' || c == '/' || c == '=' ? MCSEC_OK : MCSEC_E_ENCODING);
		assert_int_equal(base64url_decode(b64, 4, out, sizeof out, &n),
				 is_alnum || c == '-' || c == '_' ? MCSEC_OK : MCSEC_E_ENCODING);
	}
}

/* Long texts are read by eight digits at a time. */
static void every_character_in_every_place_of_a_long_base64_text_is_its_digit_or_refused(void **state)
{
	(void)state;
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned place = 0; place < 20; place++)
		for (int c = 0; c < 256; c++) {
			char text[21], again[21];
			uint8_t out[15];
			size_t n = 0;
			const char *digit = c ? strchr(alphabet, c) : NULL;
			memset(text, 'A', 20);
			text[place] = (char)c;
			enum mcsec_err e = base64_decode(text, 20, out, sizeof out, &n);
			assert_int_equal(e, digit || (c == '=' && place == 19) ? MCSEC_OK : MCSEC_E_ENCODING);
			if (!digit)
				continue;
			unsigned first = out[place * 6 / 8], next = place < 19 ? out[(place * 6 + 6) / 8] : 0;
			unsigned two = (first << 8 | next) >> (10 - place * 6 % 8) & 63;
			assert_int_equal(two, digit - alphabet);
			base64_encode((struct octets){out, n}, again);
			assert_memory_equal(text, again, 20);
		}
}

static void base64_with_wrong_padding_or_trailing_bits_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "Zg=", "Zg", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Z g=" };
	uint8_t out[16];
	size_t n;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), out, sizeof out, &n), MCSEC_E_ENCODING);
	assert_int_equal(base64url_decode("Z", 1, out, sizeof out, &n), MCSEC_E_ENCODING);
	assert_int_equal(base64url_decode("Zg==", 4, out, sizeof out, &n), MCSEC_E_ENCODING);
	assert_int_equal(base64_decode("Zm9vYmFy", 8, out, 5, &n), MCSEC_E_NO_SPACE);
}

static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
	(void)state;
	static const char *const good[] = { "", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x92", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xff", "\xe2\x82", "\xf0\x80\x80\x80" };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(utf8_valid(octets_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(utf8_valid(octets_of(bad[i])));
	assert_false(utf8_valid((struct octets){ (const uint8_t *)"a\0b", 3 }));
}

static void secret_memory_comes_zeroed_aligned_and_goes_wiped(void **state)
{
	(void)state;
	size_t before = mcsec_secret_in_use();
	uint8_t *p = mcsec_secret_alloc(100);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 64, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0xa5, 100);
	mcsec_secret_free(p);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0); /* the page stays mapped: what was there is gone */
	assert_int_equal(mcsec_secret_in_use(), before);
	mcsec_secret_free(NULL);
}

static void secret_memory_serves_many_sizes_without_overlap(void **state)
{
	(void)state;
	enum { N = 200 };
	uint8_t *p[N];
	size_t before = mcsec_secret_in_use();
	for (size_t i = 0; i < N; i++) {
		p[i] = mcsec_secret_alloc(1 + i * 131);
		assert_non_null(p[i]);
		memset(p[i], (int)i, 1 + i * 131);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < 1 + i * 131; k++)
			assert_int_equal(p[i][k], (uint8_t)i);
	for (size_t i = 0; i < N; i += 2)
		mcsec_secret_free(p[i]);
	for (size_t i = 1; i < N; i += 2)
		mcsec_secret_free(p[i]);
	assert_int_equal(mcsec_secret_in_use(), before);
	uint8_t *big = mcsec_secret_alloc(5u << 20);
	assert_non_null(big);
	big[(5u << 20) - 1] = 1;
	mcsec_secret_free(big);
	assert_null(mcsec_secret_alloc(SIZE_MAX));
}

static void equality_says_yes_and_no(void **state)
{
	(void)state;
	assert_true(mcsec_equal("abc", "abc", 3));
	assert_false(mcsec_equal("abc", "abd", 3));
	assert_true(mcsec_equal("a", "b", 0));
}

static void every_error_has_its_own_name(void **state)
{
	(void)state;
	for (int i = 0; i < MCSEC_ERR_COUNT; i++) {
		assert_string_not_equal(mcsec_err_name((enum mcsec_err)i), "unknown");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(mcsec_err_name((enum mcsec_err)i), mcsec_err_name((enum mcsec_err)k));
	}
	assert_string_equal(mcsec_err_name(MCSEC_ERR_COUNT), "unknown");
}

static void the_system_source_fills_what_it_is_asked(void **state)
{
	(void)state;
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	assert_int_equal(mcsec_rng_system.fill(mcsec_rng_system.ctx, a, sizeof a), MCSEC_OK);
	assert_int_equal(mcsec_rng_system.fill(mcsec_rng_system.ctx, b, sizeof b), MCSEC_OK);
	assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_error_of_a_reader_sticks_with_its_offset),
		cmocka_unit_test(octets_left_over_are_refused_where_they_begin),
		cmocka_unit_test(a_full_writer_writes_nothing_more_and_yields_nothing),
		cmocka_unit_test(hex_and_base64_of_every_length_read_back),
		cmocka_unit_test(the_base64_vectors_of_rfc_4648_hold),
		cmocka_unit_test(every_octet_that_is_no_digit_is_refused),
		cmocka_unit_test(every_character_in_every_place_of_a_long_base64_text_is_its_digit_or_refused),
		cmocka_unit_test(base64_with_wrong_padding_or_trailing_bits_is_refused),
		cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
		cmocka_unit_test(secret_memory_comes_zeroed_aligned_and_goes_wiped),
		cmocka_unit_test(secret_memory_serves_many_sizes_without_overlap),
		cmocka_unit_test(equality_says_yes_and_no),
		cmocka_unit_test(every_error_has_its_own_name),
		cmocka_unit_test(the_system_source_fills_what_it_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

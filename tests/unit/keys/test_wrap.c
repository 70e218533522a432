/* SPDX-License-Identifier: Apache-2.0 */
/* AES key wrap against the vectors of RFC 3394 section 4 and RFC 5649 section 6. */
#include "unit/test.h"

#include "mcsec/kdf.h"

static const struct {
	const char *kek, *data, *wrapped;
} rfc3394[] =
    {
	{"000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
	 "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
	{"000102030405060708090a0b0c0d0e0f1011121314151617", "00112233445566778899aabbccddeeff",
	 "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff",
	 "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
	{"000102030405060708090a0b0c0d0e0f1011121314151617", "00112233445566778899aabbccddeeff0001020304050607",
	 "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 "00112233445566778899aabbccddeeff0001020304050607",
	 "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
	 "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
},
  rfc5649[] = {
      {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "c37b7e6492584340bed12207808941155068f738",
       "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
      {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
};

static void the_six_vectors_of_rfc_3394_wrap_and_unwrap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rfc3394 / sizeof *rfc3394; i++) {
		uint8_t kek[32], data[32], want[40], out[40];
		size_t kek_len = unhex(rfc3394[i].kek, kek, sizeof kek);
		size_t len = unhex(rfc3394[i].data, data, sizeof data);
		size_t wrapped = unhex(rfc3394[i].wrapped, want, sizeof want);
		assert_int_equal(wrapped, len + 8);
		assert_int_equal(mcsec_key_wrap(kek, kek_len, data, len, out), MCSEC_OK);
		assert_memory_equal(out, want, wrapped);
		assert_int_equal(mcsec_key_unwrap(kek, kek_len, want, wrapped, out), MCSEC_OK);
		assert_memory_equal(out, data, len);
	}
}

static void the_two_vectors_of_rfc_5649_wrap_and_unwrap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rfc5649 / sizeof *rfc5649; i++) {
		uint8_t kek[32], data[32], want[40], out[40];
		size_t n, kek_len = unhex(rfc5649[i].kek, kek, sizeof kek);
		size_t len = unhex(rfc5649[i].data, data, sizeof data);
		size_t wrapped = unhex(rfc5649[i].wrapped, want, sizeof want);
		assert_int_equal(wrapped, MCSEC_WRAP_PAD_LEN(len));
		assert_int_equal(mcsec_key_wrap_pad(kek, kek_len, data, len, out), MCSEC_OK);
		assert_memory_equal(out, want, wrapped);
		assert_int_equal(mcsec_key_unwrap_pad(kek, kek_len, want, wrapped, out, &n), MCSEC_OK);
		assert_int_equal(n, len);
		assert_memory_equal(out, data, len);
	}
}

static void every_length_up_to_an_rsk_survives_the_padded_form(void **state)
{
	(void)state;
	uint8_t kek[32] = {7}, data[257], wrapped[MCSEC_WRAP_PAD_LEN(257)], out[264];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 3);
	for (size_t len = 1; len <= sizeof data; len++) {
		size_t n;
		assert_int_equal(mcsec_key_wrap_pad(kek, 32, data, len, wrapped), MCSEC_OK);
		assert_int_equal(mcsec_key_unwrap_pad(kek, 32, wrapped, MCSEC_WRAP_PAD_LEN(len), out, &n), MCSEC_OK);
		assert_int_equal(n, len);
		assert_memory_equal(out, data, len);
	}
}

static void a_flipped_bit_in_any_octet_is_refused_and_yields_nothing(void **state)
{
	(void)state;
	uint8_t kek[16] = {1}, data[24], wrapped[40], out[32], zero[32] = {0};
	size_t n;
	memset(data, 0x5a, sizeof data);
	assert_int_equal(mcsec_key_wrap(kek, 16, data, 24, wrapped), MCSEC_OK);
	for (size_t i = 0; i < 32; i++) {
		wrapped[i] ^= 0x10;
		assert_int_equal(mcsec_key_unwrap(kek, 16, wrapped, 32, out), MCSEC_E_DECRYPT);
		assert_memory_equal(out, zero, 24);
		wrapped[i] ^= 0x10;
	}
	assert_int_equal(mcsec_key_wrap_pad(kek, 16, data, 21, wrapped), MCSEC_OK);
	for (size_t i = 0; i < 32; i++) {
		wrapped[i] ^= 0x10;
		assert_int_equal(mcsec_key_unwrap_pad(kek, 16, wrapped, 32, out, &n), MCSEC_E_DECRYPT);
		assert_int_equal(n, 0);
		assert_memory_equal(out, zero, 24);
		wrapped[i] ^= 0x10;
	}
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	(void)state;
	uint8_t kek[32] = {1}, in[48] = {0}, out[64];
	size_t n;
	static const size_t bad_plain[] = {0, 8, 15, 17, 31}, bad_wrapped[] = {0, 8, 16, 23, 25};
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(mcsec_key_wrap(kek, 16, in, bad_plain[i], out), MCSEC_E_LENGTH);
		assert_int_equal(mcsec_key_unwrap(kek, 16, in, bad_wrapped[i], out), MCSEC_E_LENGTH);
	}
	assert_int_equal(mcsec_key_wrap_pad(kek, 16, in, 0, out), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_key_unwrap_pad(kek, 16, in, 8, out, &n), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_key_unwrap_pad(kek, 16, in, 20, out, &n), MCSEC_E_LENGTH);
	assert_int_equal(mcsec_key_wrap(kek, 20, in, 16, out), MCSEC_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_six_vectors_of_rfc_3394_wrap_and_unwrap),
	    cmocka_unit_test(the_two_vectors_of_rfc_5649_wrap_and_unwrap),
	    cmocka_unit_test(every_length_up_to_an_rsk_survives_the_padded_form),
	    cmocka_unit_test(a_flipped_bit_in_any_octet_is_refused_and_yields_nothing),
	    cmocka_unit_test(lengths_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_text.c - hex, base64, base64url and UTF-8: the spellings in which keys and messages come.
 *
 * Invariants: encoding and decoding are each other's inverse; decoders are strict, so that one value has one spelling
 * (but for the case of hex): what decodes encodes to the very same text; nothing is written past the room told.
 */
#include <ctype.h>

#include "fuzz/fuzz.h"
#include "sec/base/text.h"

typedef size_t encoder(struct octets in, char *out);
typedef enum mcsec_err decoder(const char *text, size_t len, uint8_t *out, size_t out_size, size_t *out_len);

static size_t hex(struct octets in, char *out)
{
	hex_encode(in, out);
	return strlen(out);
}

static void both_ways(encoder *encode, decoder *decode, struct octets in, int any_case)
{
	char *text = malloc(2 * in.len + 8);
	uint8_t *back = malloc(in.len + 4);
	size_t n = 0;
	HOLDS(text && back);
	size_t len = encode(in, text);
	HOLDS(len == strlen(text) && decode(text, len, back, in.len, &n) == MCSEC_OK);
	HOLDS(n == in.len && !memcmp(back, in.p, n));
	HOLDS(!in.len || decode(text, len, back, in.len - 1, &n) == MCSEC_E_NO_SPACE);
	if (decode((const char *)in.p, in.len, back, in.len, &n) == MCSEC_OK) {
		HOLDS(n <= in.len && encode((struct octets){back, n}, text) == in.len);
		for (size_t i = 0; i < in.len; i++)
			HOLDS(text[i] == (any_case ? tolower(in.p[i]) : in.p[i]));
	}
	free(back);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octets in = {data, size};
	both_ways(hex, hex_decode, in, 1);
	both_ways(base64_encode, base64_decode, in, 0);
	both_ways(base64url_encode, base64url_decode, in, 0);
	if (utf8_valid(in))
		HOLDS(!memchr(data, 0, size) && (!size || (data[size - 1] & 0xc0) != 0xc0));
	return 0;
}

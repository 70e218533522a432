/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - hex and base64 without tables, so that no memory address depends on a secret octet.
 *
 * A digit is found by arithmetic on ranges: each range contributes its value under a mask that is all ones when the
 * character lies in it. An invalid digit leaves a mark that is looked at once, after the last digit. base64 goes by
 * eight digits side by side in one word as long as there are eight (protected XML is mostly base64), then one by one.
 */
#include <endian.h>

#include "sec/base/text.h"

/* All ones if lo <= c <= hi, else zero; arguments below 2^15. */
static unsigned in_range(unsigned c, unsigned lo, unsigned hi)
{
	return 0u - ((~((c - lo) | (hi - c)) >> 31) & 1u);
}

static char hex_digit(unsigned v, unsigned ten)
{
	return (char)(v + '0' + (in_range(v, 10, 15) & (ten - '0' - 10)));
}

static void hex_write(struct octets in, char *out, unsigned ten)
{
	for (size_t i = 0; i < in.len; i++) {
		out[2 * i] = hex_digit(in.p[i] >> 4, ten);
		out[2 * i + 1] = hex_digit(in.p[i] & 15u, ten);
	}
	out[2 * in.len] = '\0';
}

void hex_encode(struct octets in, char *out)
{
	hex_write(in, out, 'a');
}

void hex_encode_upper(struct octets in, char *out)
{
	hex_write(in, out, 'A');
}

static unsigned hex_value(unsigned c, unsigned *bad)
{
	unsigned num = in_range(c, '0', '9'), up = in_range(c, 'A', 'F'), low = in_range(c, 'a', 'f');
	*bad |= ~(num | up | low);
	return (num & (c - '0')) | (up & (c - 'A' + 10)) | (low & (c - 'a' + 10));
}

enum mcsec_err hex_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len)
{
	*out_len = 0;
	if (text_len % 2)
		return MCSEC_E_ENCODING;
	if (text_len / 2 > out_size)
		return MCSEC_E_NO_SPACE;
	unsigned bad = 0;
	for (size_t i = 0; i < text_len / 2; i++) {
		unsigned hi = hex_value((unsigned char)text[2 * i], &bad);
		unsigned lo = hex_value((unsigned char)text[2 * i + 1], &bad);
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	if (bad)
		return MCSEC_E_ENCODING;
	*out_len = text_len / 2;
	return MCSEC_OK;
}

/* The two characters in which base64 and base64url differ. */
struct alphabet {
	unsigned c62, c63;
};

static const struct alphabet standard = { '+', '/' }, url_safe = { '-', '_' };

/* ---- eight digits in a word, the first in the highest octet; no octet ever carries into its neighbour ---- */

enum { WORD_DIGITS = 8, WORD_OCTETS = 6 };

static uint64_t all(unsigned octet)
{
	return octet * 0x0101010101010101u;
}

/* All ones in each octet of v that is n or more; n in 1..128, octets below 128. */
static uint64_t at_least(uint64_t v, unsigned n)
{
	uint64_t bit = ((v + all(0x80 - n)) >> 7) & all(1);
	return (bit << 8) - bit;
}

static uint64_t between(uint64_t v, unsigned lo, unsigned hi)
{
	return at_least(v, lo) & ~at_least(v, hi + 1);
}

/* 48 bits to eight times six, and back. */
static uint64_t spread(uint64_t v)
{
	v = (v & 0xffffff000000u) << 8 | (v & 0xffffffu);
	v = (v & 0x00fff00000fff000u) << 4 | (v & 0x00000fff00000fffu);
	return (v & 0x0fc00fc00fc00fc0u) << 2 | (v & 0x003f003f003f003fu);
}

static uint64_t gather(uint64_t v)
{
	v = (v >> 2 & 0x0fc00fc00fc00fc0u) | (v & 0x003f003f003f003fu);
	v = (v >> 4 & 0x00fff00000fff000u) | (v & 0x00000fff00000fffu);
	return (v >> 8 & 0xffffff000000u) | (v & 0xffffffu);
}

static void encode_word(const uint8_t *in, char *out, const struct alphabet *a)
{
	uint64_t v = 0;
	memcpy(&v, in, WORD_OCTETS);
	v = spread(be64toh(v) >> 16);
	uint64_t p62 = between(v, 62, 62), p63 = at_least(v, 63);
	/* 'A' + v; 'a' - 26 is six more, '0' - 52 then 75 less, which makes 62 and 63 the characters 58 and 59 */
	v = v + all('A') + (at_least(v, 26) & all(6)) - (at_least(v, 52) & all(75));
	v ^= (p62 & all(58 ^ a->c62)) | (p63 & all(59 ^ a->c63));
	v = htobe64(v);
	memcpy(out, &v, WORD_DIGITS);
}

static void decode_word(const char *in, uint8_t *out, const struct alphabet *a, uint64_t *bad)
{
	uint64_t c;
	memcpy(&c, in, WORD_DIGITS);
	*bad |= c & all(0x80);
	c = be64toh(c) & all(0x7f);
	uint64_t up = between(c, 'A', 'Z'), low = between(c, 'a', 'z'), num = between(c, '0', '9');
	uint64_t p62 = between(c, a->c62, a->c62), p63 = between(c, a->c63, a->c63);
	*bad |= ~(up | low | num | p62 | p63);
	uint64_t v = (c & (up | low | num)) - ((up & all('A')) | (low & all('a' - 26))) + (num & all(52 - '0'));
	v = htobe64(gather(v | (p62 & all(62)) | (p63 & all(63))) << 16);
	memcpy(out, &v, WORD_OCTETS);
}

/* ---- one digit ---- */

static char base64_digit(unsigned v, const struct alphabet *a)
{
	return (char)((in_range(v, 0, 25) & (v + 'A')) | (in_range(v, 26, 51) & (v - 26 + 'a')) |
		      (in_range(v, 52, 61) & (v - 52 + '0')) | (in_range(v, 62, 62) & a->c62) |
		      (in_range(v, 63, 63) & a->c63));
}

static unsigned base64_value(unsigned c, const struct alphabet *a, unsigned *bad)
{
	unsigned up = in_range(c, 'A', 'Z'), low = in_range(c, 'a', 'z'), num = in_range(c, '0', '9');
	unsigned p62 = in_range(c, a->c62, a->c62), p63 = in_range(c, a->c63, a->c63);
	*bad |= ~(up | low | num | p62 | p63);
	return (up & (c - 'A')) | (low & (c - 'a' + 26)) | (num & (c - '0' + 52)) | (p62 & 62u) | (p63 & 63u);
}

static size_t encode(struct octets in, char *out, const struct alphabet *a, int pad)
{
	size_t n = 0, i = 0;
	for (; in.len - i >= WORD_OCTETS; i += WORD_OCTETS, n += WORD_DIGITS)
		encode_word(in.p + i, out + n, a);
	for (; i < in.len; i += 3) {
		size_t have = in.len - i < 3 ? in.len - i : 3;
		unsigned v = (unsigned)in.p[i] << 16;
		if (have > 1)
			v |= (unsigned)in.p[i + 1] << 8;
		if (have > 2)
			v |= in.p[i + 2];
		for (size_t k = 0; k < 4; k++) {
			if (k <= have)
				out[n++] = base64_digit(v >> (18 - 6 * k) & 63u, a);
			else if (pad)
				out[n++] = '=';
		}
	}
	out[n] = '\0';
	return n;
}

size_t base64_encode(struct octets in, char *out)
{
	return encode(in, out, &standard, 1);
}

size_t base64url_encode(struct octets in, char *out)
{
	return encode(in, out, &url_safe, 0);
}

/* `digits` is the number of characters that carry bits. */
static enum mcsec_err decode(const char *text, size_t digits, const struct alphabet *a, uint8_t *out, size_t out_size,
			     size_t *out_len)
{
	*out_len = 0;
	if (digits % 4 == 1)
		return MCSEC_E_ENCODING;
	size_t len = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
	if (len > out_size)
		return MCSEC_E_NO_SPACE;
	unsigned bad = 0, acc = 0;
	uint64_t bad_word = 0;
	size_t n = 0, i = 0;
	for (; digits - i >= WORD_DIGITS; i += WORD_DIGITS, n += WORD_OCTETS)
		decode_word(text + i, out + n, a, &bad_word);
	for (; i < digits; i++) {
		acc = acc << 6 | base64_value((unsigned char)text[i], a, &bad);
		if (i % 4)
			out[n++] = (uint8_t)(acc >> (6 - 2 * (i % 4)));
	}
	/* trailing bits of an incomplete last group must be zero */
	if (digits % 4 == 2)
		bad |= acc & 15u;
	else if (digits % 4 == 3)
		bad |= acc & 3u;
	if (bad | bad_word)
		return MCSEC_E_ENCODING;
	*out_len = len;
	return MCSEC_OK;
}

enum mcsec_err base64_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len)
{
	*out_len = 0;
	if (text_len % 4)
		return MCSEC_E_ENCODING;
	size_t digits = text_len;
	for (int i = 0; i < 2 && digits && text[digits - 1] == '='; i++)
		digits--;
	return decode(text, digits, &standard, out, out_size, out_len);
}

enum mcsec_err base64url_decode(const char *text, size_t text_len, uint8_t *out, size_t out_size, size_t *out_len)
{
	return decode(text, text_len, &url_safe, out, out_size, out_len);
}

/* RFC 3629 4: lead octet, how many follow, and the range of the first that follows. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
	uint8_t c = p[0], lo = 0x80, hi = 0xbf;
	size_t more;
	if (c >= 0x01 && c <= 0x7f)
		return 1;
	else if (c >= 0xc2 && c <= 0xdf)
		more = 1;
	else if (c >= 0xe0 && c <= 0xef)
		more = 2;
	else if (c >= 0xf0 && c <= 0xf4)
		more = 3;
	else
		return 0;
	if (c == 0xe0)
		lo = 0xa0;
	else if (c == 0xed)
		hi = 0x9f;
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f;
	if (left <= more || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i <= more; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return more + 1;
}

int utf8_valid(struct octets in)
{
	for (size_t i = 0; i < in.len;) {
		size_t n = utf8_sequence(in.p + i, in.len - i);
		if (!n)
			return 0;
		i += n;
	}
	return 1;
}

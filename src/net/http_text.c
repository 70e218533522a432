/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_text.c - the text side of HTTP: percent-encoding (RFC 3986 2.1), forms as OAuth uses them (RFC 6749 App. B),
 * path segments, and filling in a response. Pure; used by server handlers and clients alike.
 *
 * Decoding is strict: a bad escape, NUL or another control octet refuses the whole value, and so does text that is
 * not UTF-8. A repeated name is refused, never "first wins" (RFC 6749 3.1).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "net/http.h"
#include "sec/base/text.h"

enum { MAX_HEADER = 16 * 1024 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum mcsec_err http_percent_decode(const char *in, size_t len, int plus_is_space, char *out, size_t out_size)
{
	size_t n = 0;
	if (out_size == 0)
		return MCSEC_E_NO_SPACE;
	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)in[i];
		if (c == '%') {
			if (len - i < 3 || hex_digit(in[i + 1]) < 0 || hex_digit(in[i + 2]) < 0)
				return MCSEC_E_ENCODING;
			c = hex_digit(in[i + 1]) << 4 | hex_digit(in[i + 2]);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			return MCSEC_E_ENCODING;
		if (n + 1 >= out_size)
			return MCSEC_E_NO_SPACE;
		out[n++] = (char)c;
	}
	out[n] = 0;
	return utf8_valid((struct octets){(const uint8_t *)out, n}) ? MCSEC_OK : MCSEC_E_ENCODING;
}

enum mcsec_err http_percent_encode(const char *in, char *out, size_t out_size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;
	for (; *in; in++) {
		unsigned char c = (unsigned char)*in;
		int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			    c == '.' || c == '_' || c == '~';
		if (n + (plain ? 1 : 3) >= out_size)
			return MCSEC_E_NO_SPACE;
		if (plain) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = digits[c >> 4];
			out[n++] = digits[c & 15];
		}
	}
	if (n >= out_size)
		return MCSEC_E_NO_SPACE;
	out[n] = 0;
	return MCSEC_OK;
}

/* One "name=value" pair of a form; moves *at behind it. 0 when there is none left. */
static int next_pair(const char **at, const char *end, struct octets *name, struct octets *value)
{
	while (*at < end && **at == '&')
		(*at)++;
	if (*at >= end)
		return 0;
	const char *stop = memchr(*at, '&', (size_t)(end - *at));
	stop = stop ? stop : end;
	const char *eq = memchr(*at, '=', (size_t)(stop - *at));
	*name = (struct octets){(const uint8_t *)*at, (size_t)((eq ? eq : stop) - *at)};
	*value = eq ? (struct octets){(const uint8_t *)eq + 1, (size_t)(stop - eq - 1)} : (struct octets){0};
	*at = stop;
	return 1;
}

/* Is this (possibly encoded) form name the wanted one? A name that does not decode is none of ours. */
static int name_is(struct octets name, const char *wanted)
{
	char decoded[64];
	return name.len < sizeof decoded * 3 &&
	       !http_percent_decode((const char *)name.p, name.len, 1, decoded, sizeof decoded) &&
	       strcmp(decoded, wanted) == 0;
}

int http_form_value(const char *form, size_t form_len, const char *name, char *out, size_t out_size)
{
	const char *at = form, *end = form + form_len;
	struct octets n, v;
	int found = 0;
	if (out_size)
		out[0] = 0;
	while (form_len && next_pair(&at, end, &n, &v)) {
		if (!name_is(n, name))
			continue;
		if (found || http_percent_decode((const char *)v.p, v.len, 1, out, out_size)) {
			if (out_size)
				out[0] = 0;
			return -1;
		}
		found = 1;
	}
	return found ? 0 : 1;
}

int http_path_segment(const char *path, unsigned idx, char *out, size_t out_size)
{
	for (; *path == '/'; idx--) {
		const char *start = path + 1, *end = strchrnul(start, '/');
		if (idx == 0)
			return http_percent_decode(start, (size_t)(end - start), 0, out, out_size) ? -1 : 0;
		path = end;
	}
	return 1;
}

void http_response_header(struct http_response *rs, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *value = NULL;
	va_start(ap, fmt);
	int n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0)
		value = NULL;
	/* A CR or LF that came in with some value must never begin a header of its own. */
	if (!value || n > MAX_HEADER || strpbrk(value, "\r\n") || rs->n_headers >= HTTP_MAX_HEADERS ||
	    strlen(name) >= sizeof rs->headers[0].name) {
		free(value);
		rs->overflow = 1;
		return;
	}
	strcpy(rs->headers[rs->n_headers].name, name);
	rs->headers[rs->n_headers++].value = value;
}

void http_response_clear(struct http_response *rs)
{
	for (size_t i = 0; i < rs->n_headers; i++) {
		mcsec_wipe(rs->headers[i].value, strlen(rs->headers[i].value));
		free(rs->headers[i].value);
	}
	if (rs->body)
		mcsec_wipe(rs->body, rs->body_len);
	free(rs->body);
	*rs = (struct http_response){0};
}

void http_response_take(struct http_response *rs, int status, const char *content_type, uint8_t *body, size_t len)
{
	free(rs->body);
	rs->status = status;
	rs->content_type = content_type;
	rs->body = body;
	rs->body_len = len;
}

void http_response_text(struct http_response *rs, int status, const char *content_type, const char *text)
{
	size_t len = strlen(text);
	uint8_t *copy = malloc(len + 1);
	if (!copy) {
		http_response_take(rs, 503, NULL, NULL, 0);
		return;
	}
	memcpy(copy, text, len + 1);
	http_response_take(rs, status, content_type, copy, len);
}

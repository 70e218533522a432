/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_message.c - questions about a parsed message that several procedures ask: headers by name, URIs, feature tags,
 * warning codes. The filling from the library's own structures is sip_parse.c.
 */
#include "net/sip_message.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

const char *sip_transport_name(enum sip_transport t)
{
	static const char *const names[] = {"udp", "tcp", "tls"};
	return names[t];
}

const char *sip_header_at(const struct sip_message *m, const char *name, size_t nth)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcasecmp(m->headers[i].name, name) == 0 && nth-- == 0)
			return m->headers[i].value;
	return NULL;
}

size_t sip_header_count(const struct sip_message *m, const char *name)
{
	size_t n = 0;
	while (sip_header_at(m, name, n))
		n++;
	return n;
}

/* Past a quoted string that begins at p; NULL if it does not end. */
static const char *skip_quoted(const char *p)
{
	for (p++; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

enum mcsec_err sip_uri_of(const char *value, char *out, size_t size)
{
	const char *p = value;
	while (*p == ' ' || *p == '\t')
		p++;
	if (*p == '"' && !(p = skip_quoted(p)))
		return MCSEC_E_ENCODING;
	const char *open = strchr(p, '<'), *end;
	if (open) {
		p = open + 1;
		end = strchr(p, '>');
		if (!end)
			return MCSEC_E_ENCODING;
	} else {
		end = p + strcspn(p, ";, \t"); /* parameters of a bare addr-spec belong to the header (RFC 3261 20) */
	}
	size_t n = (size_t)(end - p);
	if (n == 0 || !memchr(p, ':', n))
		return MCSEC_E_ENCODING;
	if (n >= size)
		return MCSEC_E_NO_SPACE;
	memcpy(out, p, n);
	out[n] = 0;
	return MCSEC_OK;
}

/* ---- feature tags ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Does text[0..n) equal want once its percent escapes are undone? Case counts not (URNs: RFC 8141 3.1 at most). */
static int decoded_equal(const char *text, size_t n, const char *want)
{
	size_t i = 0;
	while (i < n && *want) {
		int c = (unsigned char)text[i];
		if (c == '%' && i + 2 < n && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
			c = hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]);
			i += 2;
		}
		i++;
		if (tolower(c) != tolower((unsigned char)*want++))
			return 0;
	}
	return i == n && !*want;
}

static int list_holds(const char *list, size_t n, const char *want)
{
	const char *end = list + n;
	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;
		const char *a = list, *b = stop;
		while (a < b && *a == ' ')
			a++;
		while (b > a && b[-1] == ' ')
			b--;
		if (decoded_equal(a, (size_t)(b - a), want))
			return 1;
		list = comma ? comma + 1 : end;
	}
	return 0;
}

int sip_feature(const char *params, const char *tag, const char *want)
{
	size_t tag_len = strlen(tag);
	const char *p = params;
	while (*p) {
		p += strspn(p, "; \t");
		if (*p == '+')
			p++;
		size_t name = strcspn(p, "=; \t");
		int hit = name == tag_len && strncasecmp(p, tag, tag_len) == 0;
		p += name;
		p += strspn(p, " \t");
		if (*p != '=') {
			if (hit && !want)
				return 1;
			if (*p && *p != ';')
				p += strcspn(p, ";");
			continue;
		}
		p++;
		p += strspn(p, " \t");
		const char *value = p, *end;
		if (*p == '"') {
			value++;
			p = skip_quoted(p);
			if (!p)
				return 0;
			end = p - 1;
		} else {
			p += strcspn(p, ";");
			end = p;
		}
		if (hit && (!want || list_holds(value, (size_t)(end - value), want)))
			return 1;
	}
	return 0;
}

enum mcsec_err sip_instance(const char *params, char *out, size_t size)
{
	static const char name[] = ";+sip.instance=\"<", safe[] = ":-.0123456789abcdefghijklmnopqrstuvwxyz"
								  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *p = strcasestr(params, name);
	if (!p)
		return MCSEC_E_VALUE;
	p += sizeof name - 1;
	size_t n = strspn(p, safe);
	if (n < 5 || strncasecmp(p, "urn:", 4) != 0 || strncmp(p + n, ">\"", 2) != 0)
		return MCSEC_E_VALUE;
	if (n >= size)
		return MCSEC_E_NO_SPACE;
	memcpy(out, p, n);
	out[n] = 0;
	return MCSEC_OK;
}

int sip_warning_code(const struct sip_message *m)
{
	for (size_t i = 0;; i++) {
		const char *w = sip_header_at(m, "Warning", i);
		if (!w)
			return 0;
		const char *q = strchr(w, '"');
		if (strncmp(w, "399 ", 4) == 0 && q && isdigit((unsigned char)q[1]) && isdigit((unsigned char)q[2]) &&
		    isdigit((unsigned char)q[3]) && !isdigit((unsigned char)q[4]))
			/* NOLINTNEXTLINE(cert-err34-c): exactly three digits, by the line above */
			return atoi(q + 1);
	}
}

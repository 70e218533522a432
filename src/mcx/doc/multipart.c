/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart.c - SIP bodies read and written (RFC 2046 5.1.1; see multipart.h).
 *
 *   body      = [preamble CRLF] "--" boundary [blanks] CRLF part *(CRLF "--" boundary [blanks] CRLF part)
 *               CRLF "--" boundary "--" [blanks] [CRLF epilogue]
 *   part      = *(header CRLF) CRLF content
 *
 * A delimiter counts only as a whole line: "--boundaryX" is content. Line ends are CRLF as SIP demands; a bare LF is
 * content. Preamble and epilogue are skipped.
 */
#include "multipart.h"

#include <stdio.h>
#include <strings.h>

#include "sec/base/check.h"
#include "sec/base/text.h"

enum { MAX_HEADER = 1024 };

static const char boundary_chars[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=?";

static int boundary_valid(const char *b, size_t len)
{
	if (len == 0 || len > MULTIPART_MAX_BOUNDARY || b[len - 1] == ' ')
		return 0;
	for (size_t i = 0; i < len; i++)
		if (b[i] != ' ' && !memchr(boundary_chars, b[i], sizeof boundary_chars - 1))
			return 0;
	return 1;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* type/subtype in lower case without parameters. */
static enum mcsec_err media_type(const char *value, char *out, size_t out_size)
{
	size_t n = 0;
	for (const char *c = skip_blanks(value); *c && *c != ';' && !is_blank(*c); c++) {
		if (n + 1 >= out_size)
			return MCSEC_E_LENGTH;
		if (*c < 0x21 || *c > 0x7e)
			return MCSEC_E_VALUE;
		out[n++] = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	}
	out[n] = 0;
	return strchr(out, '/') ? MCSEC_OK : MCSEC_E_VALUE;
}

/* One parameter value, quoted or token, from *at (after '='); moves *at behind it. -1 when it does not end. */
static int parameter_value(const char **at, char *out, size_t out_size, size_t *len)
{
	const char *c = *at;
	int quoted = *c == '"';
	*len = 0;
	for (c += quoted; *c && (quoted ? *c != '"' : *c != ';' && !is_blank(*c)); c++) {
		if (quoted && *c == '\\' && c[1])
			c++;
		if (*len + 1 >= out_size)
			return -1;
		out[(*len)++] = *c;
	}
	if (quoted && *c++ != '"')
		return -1;
	out[*len] = 0;
	*at = c;
	return 0;
}

/* The boundary parameter: exactly one, of allowed characters. Two would let two readers see two messages. */
static enum mcsec_err find_boundary(const char *content_type, char out[MULTIPART_MAX_BOUNDARY + 1])
{
	unsigned seen = 0;
	const char *c = strchr(content_type, ';');
	while (c) {
		c = skip_blanks(c + 1);
		size_t name = strcspn(c, "=; \t");
		const char *value = skip_blanks(c + name);
		if (*value != '=') {
			c = strchr(value, ';');
			continue;
		}
		char text[256];
		size_t len;
		value = skip_blanks(value + 1);
		if (parameter_value(&value, text, sizeof text, &len))
			return MCSEC_E_VALUE;
		if (name == 8 && !strncasecmp(c, "boundary", 8)) {
			if (seen++ || !boundary_valid(text, len))
				return MCSEC_E_VALUE;
			memcpy(out, text, len + 1);
		}
		c = skip_blanks(value);
		if (*c && *c != ';')
			return MCSEC_E_VALUE;
		c = *c ? c : NULL;
	}
	return seen ? MCSEC_OK : MCSEC_E_VALUE;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct delimiter {
	size_t start; /* of the line's CRLF, or of the line when it is the first */
	size_t after; /* first octet behind the line */
	int closing;
};

/* Is there a delimiter line at `at`? */
static int delimiter_here(struct octets body, size_t at, const char *boundary, struct delimiter *d)
{
	size_t len = strlen(boundary);
	if (body.len - at < len + 2 || memcmp(body.p + at, "--", 2) != 0 || memcmp(body.p + at + 2, boundary, len) != 0)
		return 0;
	at += len + 2;
	d->closing = body.len - at >= 2 && !memcmp(body.p + at, "--", 2);
	at += d->closing ? 2 : 0;
	while (at < body.len && is_blank((char)body.p[at]))
		at++;
	if (body.len - at >= 2 && !memcmp(body.p + at, "\r\n", 2))
		d->after = at + 2;
	else if (at == body.len && d->closing)
		d->after = at;
	else
		return 0;
	return 1;
}

/* The next delimiter whose line begins at or after `from`. */
static int next_delimiter(struct octets body, size_t from, const char *boundary, struct delimiter *d)
{
	for (size_t at = from; at < body.len;) {
		int first = at == 0, after_line = at >= 2 && !memcmp(body.p + at - 2, "\r\n", 2);
		if ((first || after_line) && delimiter_here(body, at, boundary, d)) {
			d->start = first || at < from + 2 ? at : at - 2;
			return 1;
		}
		const uint8_t *cr = memchr(body.p + at, '\n', body.len - at);
		if (!cr)
			return 0;
		at = (size_t)(cr - body.p) + 1;
	}
	return 0;
}

struct part_headers {
	unsigned type, id, encoding; /* how often each was there */
	int base64;
};

static enum mcsec_err take_encoding(const char *value, struct part_headers *h)
{
	static const char *const plain[] = {"binary", "8bit", "7bit"};
	char name[16] = "";
	size_t n = strcspn(value, " \t;\r\n");
	if (n < sizeof name)
		memcpy(name, value, n);
	h->base64 = !strcasecmp(name, "base64");
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (!strcasecmp(name, plain[i]))
			return MCSEC_OK;
	return MCX_CHECK(part.encoding, h->base64) ? MCSEC_OK : MCSEC_E_UNSUPPORTED;
}

static enum mcsec_err take_id(const char *value, struct body_part *part)
{
	const char *open = strchr(value, '<'), *close = open ? strchr(open, '>') : NULL;
	if (!close || (size_t)(close - open) > sizeof part->id)
		return MCSEC_E_VALUE;
	memcpy(part->id, open + 1, (size_t)(close - open) - 1);
	part->id[close - open - 1] = 0;
	return MCSEC_OK;
}

/* One header line; those we do not know are skipped, those we do may stand once. */
static enum mcsec_err take_header(struct octets line, struct body_part *part, struct part_headers *h)
{
	char text[MAX_HEADER];
	if (line.len >= sizeof text)
		return MCSEC_E_LENGTH;
	if (memchr(line.p, 0, line.len))
		return MCSEC_E_VALUE;
	for (size_t i = 0; i < line.len; i++) /* a fold reads as a blank */
		text[i] = line.p[i] == '\r' || line.p[i] == '\n' ? ' ' : (char)line.p[i];
	text[line.len] = 0;
	char *colon = strchr(text, ':');
	if (!colon || colon == text)
		return MCSEC_E_VALUE;
	const char *value = skip_blanks(colon + 1);
	while (colon > text && is_blank(colon[-1]))
		colon--;
	*colon = 0;
	if (!strcasecmp(text, "Content-Type"))
		return MCX_FAULT(part.type_once, h->type++) ? MCSEC_E_VALUE
							    : media_type(value, part->type, sizeof part->type);
	if (!strcasecmp(text, "Content-ID"))
		return MCX_FAULT(part.id_once, h->id++) ? MCSEC_E_VALUE : take_id(value, part);
	if (!strcasecmp(text, "Content-Transfer-Encoding"))
		return MCX_FAULT(part.encoding_once, h->encoding++) ? MCSEC_E_VALUE : take_encoding(value, h);
	return MCSEC_OK;
}

/* End of the header line at `at` (its CRLF), folded lines included. SIZE_MAX when there is none. */
static size_t header_end(struct octets o, size_t at)
{
	for (; at + 1 < o.len; at++)
		if (o.p[at] == '\r' && o.p[at + 1] == '\n' && !(at + 2 < o.len && is_blank((char)o.p[at + 2])))
			return at;
	return SIZE_MAX;
}

static enum mcsec_err read_headers(struct octets part_text, struct body_part *part, struct part_headers *h, size_t *at)
{
	for (unsigned n = 0;; n++) {
		if (part_text.len - *at >= 2 && !memcmp(part_text.p + *at, "\r\n", 2)) {
			*at += 2;
			return MCSEC_OK;
		}
		if (*at == part_text.len) /* headers alone: RFC 2046 5.1.1 lets the content be left out */
			return MCSEC_OK;
		size_t end = header_end(part_text, *at);
		if (end == SIZE_MAX)
			return MCSEC_E_TRUNCATED;
		if (MCX_FAULT(size.part_headers, n >= MULTIPART_MAX_HEADERS))
			return MCSEC_E_LENGTH;
		enum mcsec_err e = take_header((struct octets){part_text.p + *at, end - *at}, part, h);
		if (e)
			return e;
		*at = end + 2;
	}
}

/* MIME wraps base64 into lines; what remains without white space must be strict base64. */
static enum mcsec_err undo_base64(struct body_part *part, struct writer *scratch)
{
	size_t packed = 0;
	uint8_t *text = wr_reserve(scratch, part->body.len);
	if (!text)
		return MCSEC_E_NO_SPACE;
	for (size_t i = 0; i < part->body.len; i++)
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): NUL is none of the four */
		if (!memchr(" \t\r\n", part->body.p[i], 4))
			text[packed++] = part->body.p[i];
	size_t len = 0;
	enum mcsec_err e = base64_decode((const char *)text, packed, text, part->body.len, &len);
	part->body = (struct octets){text, len};
	return MCX_FAULT(part.base64, e) ? e : MCSEC_OK;
}

static int is_multipart(const char *type)
{
	return !strncmp(type, "multipart/", 10);
}

static enum mcsec_err read_part(struct octets body, size_t from, size_t to, struct body_part *part,
				struct writer *scratch, size_t *at)
{
	struct part_headers h = {0};
	struct octets text = {body.p + from, to - from};
	size_t here = 0;
	snprintf(part->type, sizeof part->type, "text/plain"); /* RFC 2046 5.2 */
	enum mcsec_err e = read_headers(text, part, &h, &here);
	*at = from + here;
	if (e)
		return e;
	/* What stands in it would be another reader's, not ours (multipart.h). */
	if (MCX_FAULT(size.nested, is_multipart(part->type)))
		return MCSEC_E_UNSUPPORTED;
	part->at = from + here;
	part->body = (struct octets){text.p + here, text.len - here};
	return h.base64 ? undo_base64(part, scratch) : MCSEC_OK;
}

static enum mcsec_err read_parts(const char *boundary, struct octets body, struct writer *scratch,
				 struct multipart *out, size_t *at)
{
	struct delimiter here, next;
	*at = 0;
	if (!next_delimiter(body, 0, boundary, &here))
		return MCSEC_E_TRUNCATED;
	while (!here.closing) {
		*at = here.after;
		if (out->n == MULTIPART_MAX_PARTS)
			return MCSEC_E_LENGTH;
		if (!next_delimiter(body, here.after, boundary, &next))
			return MCSEC_E_TRUNCATED;
		enum mcsec_err e = read_part(body, here.after, next.start, &out->parts[out->n], scratch, at);
		if (e)
			return e;
		out->n++;
		here = next;
	}
	return out->n ? MCSEC_OK : MCSEC_E_VALUE;
}

enum mcsec_err multipart_read(const char *content_type, struct octets body, uint8_t *scratch, size_t scratch_size,
			      struct multipart *out, size_t *at)
{
	size_t where = 0;
	char type[sizeof out->parts[0].type], boundary[MULTIPART_MAX_BOUNDARY + 1];
	struct writer w = wr_init(scratch, scratch_size);
	memset(out, 0, sizeof *out);
	enum mcsec_err e = MCX_FAULT(size.multipart, body.len > MULTIPART_MAX_BODY)
			       ? MCSEC_E_LENGTH
			       : media_type(content_type, type, sizeof type);
	if (!e && strcmp(type, TYPE_MULTIPART) != 0) {
		out->n = 1;
		memcpy(out->parts[0].type, type, sizeof type);
		out->parts[0].body = body;
	} else if (!e) {
		e = find_boundary(content_type, boundary);
		e = e ? e : read_parts(boundary, body, &w, out, &where);
	}
	if (e)
		out->n = 0;
	if (at)
		*at = where;
	return e;
}

const struct body_part *multipart_find(const struct multipart *m, const char *type, size_t *count)
{
	const struct body_part *found = NULL;
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->parts[i].type, type) && n++ == 0)
			found = &m->parts[i];
	if (count)
		*count = n;
	return found;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void write_base64(struct writer *w, struct octets o)
{
	uint8_t *text = wr_reserve(w, BASE64_SIZE(o.len));
	if (text) {
		base64_encode(o, (char *)text);
		w->at--; /* the NUL */
	}
}

static void write_part(struct writer *w, const char *boundary, const struct body_out *part)
{
	char line[MAX_HEADER];
	snprintf(line, sizeof line, "--%s\r\nContent-Type: %s\r\n", boundary, part->type);
	wr_text(w, line);
	if (part->base64 || !strcmp(part->type, TYPE_MIKEY)) {
		wr_text(w, "Content-Transfer-Encoding: ");
		wr_text(w, part->base64 ? "base64\r\n" : "binary\r\n");
	}
	if (part->id) {
		snprintf(line, sizeof line, "Content-ID: <%s>\r\n", part->id);
		wr_text(w, line);
	}
	wr_text(w, "\r\n");
	if (part->base64)
		write_base64(w, part->body);
	else
		wr_octets(w, part->body);
	wr_text(w, "\r\n");
}

enum mcsec_err multipart_write(struct writer *w, const char *boundary, const struct body_out *parts, size_t n)
{
	size_t len = strlen(boundary);
	if (!boundary_valid(boundary, len) || memchr(boundary, ' ', len))
		return MCSEC_E_VALUE;
	for (size_t i = 0; i < n; i++) {
		if (is_multipart(parts[i].type) ||
		    (parts[i].body.len && memmem(parts[i].body.p, parts[i].body.len, boundary, len)))
			return MCSEC_E_VALUE;
		write_part(w, boundary, &parts[i]);
	}
	wr_text(w, "--");
	wr_text(w, boundary);
	wr_text(w, "--\r\n");
	return w->err;
}

enum mcsec_err multipart_type(const char *boundary, char *out, size_t out_size)
{
	int n = snprintf(out, out_size, TYPE_MULTIPART ";boundary=\"%s\"", boundary);
	return n < 0 || (size_t)n >= out_size ? MCSEC_E_NO_SPACE : MCSEC_OK;
}

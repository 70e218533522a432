/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_xml.c - an XML document element by element, with octet offsets.
 *
 * A small scanner finds elements, their texts and attributes, which the XML library does not keep with their places; it
 * shows and decides nothing. Whether a document is good is said by the reader that the daemons and clients use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "tool/look/explain.h"

enum { DEPTH_MAX = 32 };

static const char *const secret_elements[] = {"UserDecryptKey", "UserSigningKeySSK"};

struct element {
	char name[EXPLAIN_NAME]; /* local name */
	size_t at, end;          /* the start tag: offset of '<', offset behind '>' */
};

struct scan {
	const char *text;
	size_t len, at;
	struct element open[DEPTH_MAX];
	size_t depth;
	size_t base;      /* offset of text in the file */
	const char *part; /* what the fields belong to; NULL: the root element */
	int attributes;
	char root[EXPLAIN_NAME];
	const char *wanted; /* look for this element on this line ... */
	unsigned line;
	size_t found; /* ... and keep where it begins */
};

static size_t find(const struct scan *s, size_t from, const char *what)
{
	size_t n = strlen(what);
	for (size_t i = from; i + n <= s->len; i++)
		if (memcmp(s->text + i, what, n) == 0)
			return i;
	return SIZE_MAX;
}

static int starts(const struct scan *s, size_t at, const char *what)
{
	size_t n = strlen(what);
	return at + n <= s->len && memcmp(s->text + at, what, n) == 0;
}

/* The '>' that ends the tag at `at`, quotes respected. */
static size_t tag_end(const struct scan *s, size_t at)
{
	char quote = 0;
	for (size_t i = at; i < s->len; i++) {
		char ch = s->text[i];
		if (quote)
			quote = ch == quote ? 0 : quote;
		else if (ch == '"' || ch == '\'')
			quote = ch;
		else if (ch == '>')
			return i;
	}
	return SIZE_MAX;
}

static void local_name(const struct scan *s, size_t at, char out[EXPLAIN_NAME])
{
	size_t n = 0;
	for (; at < s->len && !strchr(" \t\r\n/>", s->text[at]); at++) {
		if (s->text[at] == ':')
			n = 0;
		else if (n < EXPLAIN_NAME - 1)
			out[n++] = s->text[at];
	}
	out[n] = '\0';
}

static unsigned line_of(const struct scan *s, size_t at)
{
	unsigned line = 1;
	for (size_t i = 0; i < at && i < s->len; i++)
		line += s->text[i] == '\n';
	return line;
}

static int is_secret(const char *name)
{
	for (size_t i = 0; i < sizeof secret_elements / sizeof *secret_elements; i++)
		if (strcmp(name, secret_elements[i]) == 0)
			return 1;
	return 0;
}

/* The attributes of a start tag, without namespace declarations. */
static void tell_attributes(const struct scan *s, struct explanation *e, const struct element *el, const char *part)
{
	size_t at = el->at;
	while (at < el->end && !strchr(" \t\r\n/>", s->text[at]))
		at++;
	for (;;) {
		while (at < el->end && strchr(" \t\r\n", s->text[at]))
			at++;
		size_t name = at;
		while (at < el->end && !strchr("= \t\r\n/>", s->text[at]))
			at++;
		size_t name_end = at;
		while (at < el->end && strchr("= \t\r\n", s->text[at]))
			at++;
		if (at >= el->end || name == name_end || (s->text[at] != '"' && s->text[at] != '\''))
			return;
		const char *end = memchr(s->text + at + 1, s->text[at], el->end - at - 1);
		if (!end)
			return;
		size_t value_at = at + 1, n = (size_t)(end - (s->text + value_at));
		at = value_at + n + 1;
		if (starts(s, name, "xmlns"))
			continue;
		char field[2 * DEPTH_MAX + EXPLAIN_NAME];
		char *value = strndup(s->text + value_at, n);
		snprintf(field, sizeof field, "%*s@%.*s", (int)(2 * s->depth + 2), "",
			 (int)(name_end - name < EXPLAIN_NAME / 2 ? name_end - name : EXPLAIN_NAME / 2),
			 s->text + name);
		explain_field(e, s->base + name, at - name, part, field, value);
		free(value);
	}
}

static void tell_element(struct scan *s, struct explanation *e, const struct element *el, size_t text_end, int has_text)
{
	char field[2 * DEPTH_MAX + EXPLAIN_NAME], hidden[64];
	struct octets text = {(const uint8_t *)s->text + el->end, text_end - el->end};
	snprintf(field, sizeof field, "%*s%s", (int)(2 * s->depth), "", el->name);
	if (s->wanted && s->found == MCSEC_NO_OFFSET && strcmp(el->name, s->wanted) == 0 &&
	    line_of(s, el->end) >= s->line)
		s->found = el->at;
	if (!e)
		return;
	const char *part = s->part ? s->part : s->root;
	if (has_text && is_secret(el->name) && !e->show_secrets) {
		snprintf(hidden, sizeof hidden, "(secret, %zu characters)", text.len);
		explain_field(e, s->base + el->at, text_end - el->at, part, field, hidden);
		return;
	}
	char *value = has_text ? strndup((const char *)text.p, text.len) : NULL;
	explain_field(e, s->base + el->at, text_end - el->at, part, field, value);
	free(value);
	if (s->attributes)
		tell_attributes(s, e, el, part);
}

/* One step: past a comment, an instruction, an end tag, or a start tag with the text behind it. 0 at the end. */
static int step(struct scan *s, struct explanation *e)
{
	size_t at = find(s, s->at, "<");
	if (at == SIZE_MAX)
		return 0;
	if (starts(s, at, "<!--")) {
		size_t end = find(s, at, "-->");
		s->at = end == SIZE_MAX ? s->len : end + 3;
		return 1;
	}
	size_t end = tag_end(s, at);
	if (end == SIZE_MAX)
		return 0;
	s->at = end + 1;
	if (starts(s, at, "<?") || starts(s, at, "<!"))
		return 1;
	if (starts(s, at, "</")) {
		s->depth -= s->depth > 0;
		return 1;
	}
	struct element el = {.at = at, .end = end + 1};
	local_name(s, at + 1, el.name);
	if (s->depth == 0 && !s->root[0])
		memcpy(s->root, el.name, sizeof s->root);
	size_t next = find(s, el.end, "<");
	int empty = s->text[end - 1] == '/';
	int has_text = !empty && next != SIZE_MAX && starts(s, next, "</");
	tell_element(s, e, &el, has_text ? next : el.end, has_text);
	if (!empty && s->depth < DEPTH_MAX)
		s->depth++;
	return 1;
}

void explain_xml(struct explanation *e, struct octets xml, const char *part, size_t base, char root[EXPLAIN_NAME])
{
	struct scan s = {
	    .text = (const char *)xml.p, .len = xml.len, .base = base, .part = part, .attributes = part != NULL};
	while (step(&s, e))
		;
	memcpy(root, s.root, sizeof s.root);
}

size_t explain_xml_find(struct octets xml, const char *element, unsigned line)
{
	struct scan s = {
	    .text = (const char *)xml.p, .len = xml.len, .wanted = element, .line = line, .found = MCSEC_NO_OFFSET};
	while (step(&s, NULL))
		;
	return s.found;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signin_form.c - see signin_form.h. Reads tags one by one; only form and input count, attributes may be quoted either
 * way or not at all, the five entities that escape text in attributes are undone, everything else is skipped.
 */
#include "ue/signin_form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mcsec/secret.h"
#include "net/http.h"

static const struct {
	const char *name;
	char c;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};

/* Copy attribute text with its entities undone; -1 if it does not fit. */
static int unescape(const char *in, size_t len, char *out, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		char c = in[i];
		for (size_t e = 0; c == '&' && e < sizeof entities / sizeof *entities; e++) {
			size_t m = strlen(entities[e].name);
			if (len - i >= m && memcmp(in + i, entities[e].name, m) == 0) {
				c = entities[e].c;
				i += m - 1;
				break;
			}
		}
		if (n + 1 >= size)
			return -1;
		out[n++] = c;
	}
	out[n] = 0;
	return 0;
}

/* The value of one attribute of a tag's inside; 0 found, 1 absent, -1 too long. */
static int attribute(struct octets tag, const char *name, char *out, size_t size)
{
	const char *at = (const char *)tag.p, *end = at + tag.len;
	out[0] = 0;
	at += strcspn(at, " \t\r\n/>"); /* the tag's name */
	while (at < end) {
		at += strspn(at, " \t\r\n/");
		const char *key = at;
		at += strcspn(at, " \t\r\n=/>");
		size_t key_len = (size_t)(at - key);
		if (key_len == 0)
			return 1;
		const char *value = at;
		size_t len = 0;
		if (*at == '=') {
			char quote = at[1];
			value = quote == '"' || quote == '\'' ? at + 2 : at + 1;
			const char *stop = value == at + 2 ? memchr(value, quote, (size_t)(end - value))
							   : value + strcspn(value, " \t\r\n>");
			if (!stop)
				return 1;
			len = (size_t)(stop - value);
			at = stop + (value[-1] == quote && stop < end);
		}
		if (key_len == strlen(name) && strncasecmp(key, name, key_len) == 0)
			return unescape(value, len, out, size);
	}
	return 1;
}

static int tag_is(struct octets tag, const char *name)
{
	size_t n = strlen(name);
	return tag.len >= n && strncasecmp((const char *)tag.p, name, n) == 0 &&
	       (tag.len == n || strchr(" \t\r\n/", tag.p[n]));
}

/* What an input says; -1 if the form cannot be used with it. */
static int take_input(struct octets tag, struct signin_form *f)
{
	char type[32], name[64];
	if (attribute(tag, "name", name, sizeof name) < 0 || attribute(tag, "type", type, sizeof type) < 0)
		return -1;
	f->has_username |= strcmp(name, "username") == 0;
	f->has_password |= strcmp(name, "password") == 0;
	if (strcasecmp(type, "hidden") != 0 || !name[0])
		return 0;
	if (f->n == SIGNIN_FORM_FIELDS)
		return -1;
	strcpy(f->hidden[f->n].name, name);
	return attribute(tag, "value", f->hidden[f->n].value, sizeof f->hidden[0].value) < 0 ? -1 : (f->n++, 0);
}

int signin_form_parse(struct octets html, struct signin_form *f)
{
	int inside = 0;
	/* One copy that ends in NUL, so that spans of characters cannot run out of it. */
	char *text = malloc(html.len + 1);
	if (!text)
		return -1;
	memcpy(text, html.p, html.len);
	text[html.len] = 0;
	int rc = -1;
	*f = (struct signin_form){0};
	for (char *at = strchr(text, '<'); at; at = strchr(at, '<')) {
		char *end = strchr(at, '>');
		if (!end)
			break;
		struct octets tag = {(const uint8_t *)at + 1, (size_t)(end - at - 1)};
		*end = 0;
		if (tag_is(tag, "form")) {
			*f = (struct signin_form){0};
			inside = attribute(tag, "action", f->action, sizeof f->action) == 0;
		} else if (inside && tag_is(tag, "input")) {
			inside = take_input(tag, f) == 0;
		} else if (inside && tag_is(tag, "/form") && f->has_password && f->has_username) {
			rc = 0;
			break;
		}
		at = end + 1;
	}
	mcsec_wipe(text, html.len);
	free(text);
	return rc;
}

/* ---- the redirect ---- */

/* A parameter that may stand there once at most. 0 there, 1 absent, -1 bad. */
static int query(const char *location, const char *name, char *out, size_t size)
{
	const char *q = strchr(location, '?');
	return q ? http_form_value(q + 1, strcspn(q + 1, "#"), name, out, size) : 1;
}

enum signin_callback_verdict signin_callback_read(const char *location, const char *redirect_uri, const char *state,
						  const char *issuer, struct signin_callback *out)
{
	size_t n = strlen(redirect_uri);
	char got_state[256], got_issuer[256];
	*out = (struct signin_callback){0};
	if (strncmp(location, redirect_uri, n) != 0 || location[n] != (strchr(redirect_uri, '?') ? '&' : '?'))
		return CALLBACK_FOREIGN;
	if (query(location, "state", got_state, sizeof got_state) || strlen(got_state) != strlen(state) ||
	    !mcsec_equal(got_state, state, strlen(state)))
		return CALLBACK_FOREIGN;
	int has_issuer = query(location, "iss", got_issuer, sizeof got_issuer);
	if (has_issuer < 0 || (has_issuer == 0 && strcmp(got_issuer, issuer) != 0))
		return CALLBACK_FOREIGN;
	if (query(location, "error", out->error, sizeof out->error) == 0) {
		query(location, "error_description", out->error_description, sizeof out->error_description);
		return CALLBACK_ERROR;
	}
	return query(location, "code", out->code, sizeof out->code) == 0 && out->code[0] ? CALLBACK_CODE
											 : CALLBACK_FOREIGN;
}

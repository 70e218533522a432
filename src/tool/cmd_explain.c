/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_explain.c - `mcx explain`: tells what a message is, field by field with octet offsets, and why it is refused.
 *
 * The kind is found by looking: XML begins with '<', a SIP message has SIP/2.0 in its first line, a body begins with
 * its boundary, a token is three base64url parts, a session description has an a=key-mgmt line; everything else is a
 * MIKEY message in octets, base64 or hex.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/commands.h"
#include "tool/look/explain.h"
#include "tool/look/mikey_files.h"

#define KEY_MGMT "a=key-mgmt:mikey "

enum { SHOWN = 24, MIKEY_FIRST_OCTET = 1 };

void explain_field(struct explanation *e, size_t offset, size_t length, const char *part, const char *field,
		   const char *value)
{
	json_t *text = value ? json_string(value) : json_null();
	json_t *o = json_pack("{s:I, s:I, s:s, s:s, s:o}", "offset", (json_int_t)offset, "length", (json_int_t)length,
			      "part", part, "field", field, "value", text ? text : json_null());
	if (o)
		json_array_append_new(e->fields, o);
}

void explain_octets(struct explanation *e, size_t offset, struct octets o, const char *part, const char *field,
		    const char *meaning)
{
	char *hex = malloc(HEX_SIZE(o.len));
	if (!hex)
		return;
	hex_encode(o, hex);
	explain_field(e, offset, o.len, part, field, meaning);
	json_t *last = json_array_get(e->fields, json_array_size(e->fields) - 1);
	json_object_set_new(last, "hex", json_string(hex));
	free(hex);
}

void explain_wrong(struct explanation *e, const char *error, size_t offset, const char *clause, const char *detail)
{
	snprintf(e->error, sizeof e->error, "%s", error);
	snprintf(e->clause, sizeof e->clause, "%s", clause);
	snprintf(e->detail, sizeof e->detail, "%s", detail);
	e->offset = offset;
}

static void print_table(const struct explanation *e)
{
	const char *part = "";
	size_t i;
	json_t *f;
	printf("%s\n", strcmp(e->type, "mikey") == 0 ? "MIKEY message"
		       : strcmp(e->type, "kms") == 0 ? "KMS document"
		       : strcmp(e->type, "sip") == 0 ? "SIP message"
						     : "token");
	json_array_foreach(e->fields, i, f)
	{
		const char *p = json_string_value(json_object_get(f, "part")),
			   *hex = json_string_value(json_object_get(f, "hex"));
		const char *value = json_string_value(json_object_get(f, "value"));
		if (strcmp(p, part) != 0)
			printf("%s%s%s\n", tool_colour_on(stdout, TOOL_BOLD), part = p, tool_colour_off(stdout));
		printf("%7lld %5lld  %-30s ", (long long)json_integer_value(json_object_get(f, "offset")),
		       (long long)json_integer_value(json_object_get(f, "length")),
		       json_string_value(json_object_get(f, "field")));
		if (hex)
			printf("%.*s%s", 2 * SHOWN, hex, strlen(hex) > 2 * SHOWN ? "..." : "");
		printf("%s%s\n", hex && value ? "  " : "", value ? value : "");
	}
	if (!e->error[0]) {
		printf("%swell formed%s", tool_colour_on(stdout, TOOL_GOOD), tool_colour_off(stdout));
	} else {
		printf("%srefused: %s%s", tool_colour_on(stdout, TOOL_BAD), e->error, tool_colour_off(stdout));
		if (e->offset != MCSEC_NO_OFFSET)
			printf(" at octet %zu", e->offset);
		printf(": %s (%s)", e->detail, e->clause);
	}
	printf("%s%s\n", e->note[0] ? "; " : "", e->note);
}

static void print_json(struct explanation *e)
{
	json_t *o = json_pack("{s:s, s:b, s:O}", "type", e->type, "ok", e->error[0] == '\0', "fields", e->fields);
	if (e->error[0]) {
		json_t *offset = e->offset == MCSEC_NO_OFFSET ? json_null() : json_integer((json_int_t)e->offset);
		json_t *fault = json_pack("{s:s, s:s, s:o, s:s}", "error", e->error, "detail", e->detail, "offset",
					  offset, "clause", e->clause);
		json_object_set_new(o, "fault", fault);
	} else {
		json_object_set_new(o, "fault", json_null());
	}
	json_object_set_new(o, "note", json_string(e->note));
	tool_print_json(o);
}

/* ---- what kind of message is it ---- */

static struct octets trimmed(struct octets in)
{
	while (in.len && isspace(in.p[0]))
		in = (struct octets){in.p + 1, in.len - 1};
	while (in.len && isspace(in.p[in.len - 1]))
		in.len--;
	return in;
}

static int is_token(struct octets in)
{
	size_t dots = 0;
	for (size_t i = 0; i < in.len; i++) {
		dots += in.p[i] == '.';
		if (!isalnum(in.p[i]) && in.p[i] != '-' && in.p[i] != '_' && in.p[i] != '.')
			return 0;
	}
	return dots == 2;
}

static void mikey_text(struct explanation *e, struct octets in)
{
	size_t n;
	uint8_t *msg = malloc(in.len + 1);
	e->type = "mikey";
	if (msg && mikey_input(in, msg, &n))
		explain_wrong(e, "malformed", MCSEC_NO_OFFSET, "RFC 4648 4", "the text is neither base64 nor hex");
	else if (msg)
		explain_mikey(e, (struct octets){msg, n});
	free(msg);
}

static struct octets key_mgmt_line(struct octets in)
{
	const uint8_t *at = memmem(in.p, in.len, KEY_MGMT, strlen(KEY_MGMT));
	if (!at)
		return in;
	struct octets line = {at, (size_t)(in.p + in.len - at)};
	const uint8_t *end = memchr(at, '\n', line.len);
	if (end)
		line.len = (size_t)(end - at);
	return line;
}

static void explain(struct explanation *e, struct octets in, const struct explain_key *key)
{
	struct octets text = trimmed(in);
	if (text.len && text.p[0] == '<')
		explain_kms(e, in);
	else if (explain_is_sip(in))
		explain_sip(e, in, key);
	else if (is_token(text))
		explain_token(e, text);
	else if (in.len && in.p[0] == MIKEY_FIRST_OCTET)
		mikey_text(e, in);
	else
		mikey_text(e, key_mgmt_line(text));
}

int cmd_explain(const struct tool_command *c, int argc, char **argv)
{
	struct explanation e = {.offset = MCSEC_NO_OFFSET, .now = time(NULL)};
	const char *at = NULL, *key_file = NULL, *identity = NULL;
	int json = 0;
	const struct tool_option options[] = {
	    {"at", "TIME", NULL, &at, "hold validity against this time (UTC, 2025-10-03T00:00:00Z; default now)"},
	    {"show-secrets", NULL, &e.show_secrets, NULL, "print the private keys of a KMS document too"},
	    {"key", "FILE", NULL, &key_file, "verify and open a protected body with the CSK that mcx mikey open tells"},
	    {"identity", "URI", NULL, &identity, "whose CSK it is, when the message that carried it has only a UID"},
	    {"json", NULL, &json, NULL, "print JSON"},
	};
	size_t len, key_len;
	int rc = tool_parse(c, options, sizeof options / sizeof *options, &argc, argv, 0, 1);
	if (rc >= 0)
		return rc;
	if (at && !tool_time_parse(at, &e.now))
		return tool_fail(c, TOOL_USAGE, NULL, "--at is no time like 2025-10-03T00:00:00Z");
	struct explain_key *key = mcsec_secret_alloc(sizeof *key);
	if (!key)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory that can be locked");
	memset(key, 0, sizeof *key);
	uint8_t *text = key_file ? tool_read_file(c, key_file, &key_len) : NULL;
	int key_ok = !key_file || (text && explain_key_read(key, (struct octets){text, key_len}, identity));
	mcsec_wipe(text, text ? key_len : 0);
	int key_unread = key_file && !text;
	free(text);
	text = key_ok ? tool_read_file(c, argc ? argv[0] : "-", &len) : NULL;
	if (!text) {
		mcsec_secret_free(key);
		return key_ok || key_unread ? TOOL_FAILED
					    : tool_fail(c, TOOL_USAGE, "make it with: mcx mikey open --show-secrets",
							"%s holds no key with k_id and initiator", key_file);
	}
	e.fields = json_array();
	explain(&e, (struct octets){text, len}, key);
	mcsec_secret_free(key);
	if (json)
		print_json(&e);
	else
		print_table(&e);
	json_decref(e.fields);
	mcsec_wipe(text, len);
	free(text);
	return e.error[0] ? TOOL_REFUSED : TOOL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.c - see desk.h. A row is a call of admin.md; answers are printed member by member, a list item by item.
 */
#include "tool/desk/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/domain/domain.h"

enum operand { NOTHING, URI, FINGERPRINT, CERTIFICATE };

static const struct row {
	const char *subject, *action; /* action NULL: the subject is all */
	enum operand operand;
	const char *method, *what; /* with one %s for the operand */
	const char *body;
} rows[] = {
    {"domain", NULL, NOTHING, "GET", "domain", NULL},
    {"alarms", NULL, NOTHING, "GET", "alarms", NULL},
    {"reports", NULL, NOTHING, "GET", "krrs", NULL},
    {"checkpoint", NULL, NOTHING, "POST", "checkpoint", NULL},
    {"reload", NULL, NOTHING, "POST", "reload", NULL},
    {"clock", "accept", NOTHING, "POST", "clock", NULL},
    {"user", "show", URI, "GET", "users/%s", NULL},
    {"user", "enrol", URI, "PUT", "users/%s", "{\"state\":\"active\"}"},
    {"user", "suspend", URI, "PUT", "users/%s", "{\"state\":\"suspended\"}"},
    {"user", "revoke", URI, "PUT", "users/%s", "{\"state\":\"revoked\"}"},
    {"extcert", "list", NOTHING, "GET", "extcerts", NULL},
    {"extcert", "import", CERTIFICATE, "POST", "extcerts", NULL},
    {"extcert", "permit", FINGERPRINT, "POST", "extcerts/%s/permit", NULL},
    {"extcert", "suspend", FINGERPRINT, "POST", "extcerts/%s/suspend", NULL},
    {"extcert", "revoke", FINGERPRINT, "POST", "extcerts/%s/revoke", NULL},
    {"transport", "list", URI, "GET", "transportkeys/%s", NULL},
    {"transport", "make", URI, "POST", "transportkeys/%s", NULL},
    {"transport", "roll", URI, "POST", "transportkeys/%s/roll", NULL},
    {"transport", "withdraw", URI, "POST", "transportkeys/%s/withdraw", NULL},
};

static const struct row *find(const char *subject, const char *action)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].subject, subject) == 0 &&
		    (rows[i].action ? action && strcmp(rows[i].action, action) == 0 : !action))
			return &rows[i];
	return NULL;
}

int desk_knows(const char *subject, const char *action)
{
	return find(subject, action) != NULL;
}

/* ---- the answer ---- */

static void print_value(const json_t *v)
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	printf("%s\n", text ? text : json_string_value(v));
	free(text);
}

static void print_answer(json_t *j, const char *indent);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the answer, which jansson bounds */
static void print_list(json_t *list)
{
	json_t *item;
	size_t i;
	if (json_array_size(list) == 0)
		printf("  none\n");
	json_array_foreach(list, i, item)
	{
		if (json_is_object(item)) {
			print_answer(item, "  ");
			printf("\n");
		} else {
			printf("  ");
			print_value(item);
		}
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the answer, which jansson bounds */
static void print_answer(json_t *j, const char *indent)
{
	const char *key;
	json_t *value;
	json_object_foreach(j, key, value)
	{
		if (json_is_array(value)) {
			printf("%s%s:\n", indent, key);
			print_list(value);
		} else {
			printf("%s%-16s ", indent, key);
			print_value(value);
		}
	}
}

/* ---- the call ---- */

static int bad_operand(const struct tool_command *c, const struct row *r)
{
	static const char *const wanted[] = {"nothing more", "an identity (sip:NAME@DOMAIN)",
					     "a fingerprint (64 hex digits)", "the file of one KmsCertificate"};
	return tool_fail(c, TOOL_USAGE, "--help says more", "%s%s%s wants %s", r->subject, r->action ? " " : "",
			 r->action ? r->action : "", wanted[r->operand]);
}

int desk_run(const struct tool_command *c, struct door *at, const char *subject, const char *action,
	     const char *operand, int as_json)
{
	const struct row *r = find(subject, action);
	char what[2048], segment[2000] = "", *file = NULL;
	int status;
	if (!r)
		return tool_fail(c, TOOL_USAGE, "--help says what there is", "%s is not known", subject);
	if (!operand != (r->operand == NOTHING))
		return bad_operand(c, r);
	if ((r->operand == URI || r->operand == FINGERPRINT) &&
	    http_percent_encode(operand, segment, sizeof segment) != MCSEC_OK)
		return bad_operand(c, r);
	if (r->operand == CERTIFICATE && !(file = domain_read_file(operand)))
		return tool_fail(c, TOOL_USAGE, NULL, "%s cannot be read", operand);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's literals, each with one %s at most */
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(what, sizeof what, r->what, segment);
#pragma GCC diagnostic pop
	json_t *j = door_call(at,
			      &(struct door_call){.method = r->method,
						  .what = what,
						  .type = file ? "application/xml" : NULL,
						  .body = file      ? octets_of(file)
							  : r->body ? octets_of(r->body)
								    : (struct octets){0}},
			      &status);
	free(file);
	int rc = door_verdict(c, j, status);
	if (rc == TOOL_OK && as_json)
		json_dumpf(j, stdout, JSON_COMPACT), putchar('\n');
	else if (rc == TOOL_OK)
		print_answer(j, "");
	if (rc == TOOL_OK && !as_json && r->operand == CERTIFICATE)
		tool_print_groups(
		    "Compare with the other domain by another way than this file came; then another officer "
		    "permits it:",
		    door_text(j, "fingerprint"));
	json_decref(j);
	return rc;
}

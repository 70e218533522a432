/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_lost.c - `mcx lost NAME`: a device is lost. What do the daemons know that involves its user, and, when a person
 * says yes or --yes was given, the revocations: account and tokens at the identity server, every MC service identity at
 * the KMS, registrations at the MC server.
 *
 * Every daemon of admin.md is named. One that is not installed, does not answer or refuses is "not asked" with the
 * reason; the exit code says that something is still open, and running it again finishes it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/commands.h"
#include "tool/domain/users.h"

static const struct {
	const char *name;
	int has_touches; /* else it has no admin interface: only named */
	enum admin_at at;
} daemons[] = {{"idms", 1, ADMIN_AT_IDMS},
	       {"kms", 1, ADMIN_AT_KMS},
	       {"server", 1, ADMIN_AT_SERVER},
	       {"gms", 0, ADMIN_AT_SERVER},
	       {"console", 0, ADMIN_AT_SERVER}};
enum { DAEMONS = sizeof daemons / sizeof *daemons };

static int is_installed(const struct domain *d, const char *name)
{
	char path[PATH_MAX];
	return access(domain_path(d, path, "%s/conf", name), F_OK) == 0;
}

/* ---- what is known ---- */

/* One answer an identity into knows. The account is one, whatever the name it is asked by. */
static int ask(struct admin_client *c, const struct user *u, enum admin_at at, json_t *knows, char *why,
	       size_t why_size)
{
	const char *id[USER_IDENTITIES] = {u->mc_id};
	size_t n = at == ADMIN_AT_IDMS ? 1 : user_identities(u, id);
	for (size_t i = 0; i < n; i++) {
		char segment[3 * DOMAIN_TEXT];
		struct admin_answer a;
		int status = admin_call(c, at, "GET", NULL, &a, "touches?id=%s", admin_segment(id[i], segment));
		int good = status == 200 && a.body;
		if (good)
			json_array_append(knows, a.body);
		else
			snprintf(why, why_size, "%s", a.error[0] ? a.error : "answers no JSON");
		admin_answer_free(&a);
		if (!good)
			return status ? TOOL_REFUSED : TOOL_UNREACHABLE;
	}
	return TOOL_OK;
}

/* Adds {"touches": {name: [...]}, "not_asked": {name: why}}. TOOL_OK, or why an installed daemon could not be asked. */
static int look(struct domain *d, const struct user *u, json_t *report)
{
	json_t *touches = json_object(), *not_asked = json_object();
	char why[900] = "";
	int code = TOOL_OK;
	struct admin_client *c = admin_client_new(d, "auditor", why, sizeof why);
	for (size_t i = 0; i < DAEMONS; i++) {
		json_t *knows = json_array();
		int installed = is_installed(d, daemons[i].name);
		if (!installed || !daemons[i].has_touches) {
			json_object_set_new(not_asked, daemons[i].name,
					    json_string(installed ? "has no such call" : "not installed"));
		} else {
			int rc = c ? ask(c, u, daemons[i].at, knows, why, sizeof why) : TOOL_CONFIG;
			code = rc ? rc : code;
			if (rc)
				json_object_set_new(not_asked, daemons[i].name, json_string(why));
			else
				json_object_set(touches, daemons[i].name, knows);
		}
		json_decref(knows);
	}
	admin_client_free(c);
	json_object_set_new(report, "touches", touches);
	json_object_set_new(report, "not_asked", not_asked);
	return code;
}

/* ---- the revocations ---- */

static int code_of(enum user_err e)
{
	return e == USER_OK            ? TOOL_OK
	       : e == USER_UNREACHABLE ? TOOL_UNREACHABLE
	       : e == USER_FILE        ? TOOL_CONFIG
				       : TOOL_REFUSED;
}

/* At each daemon that is there, whatever the others say. */
static int revoke_all(struct domain *d, struct user *u, json_t *report)
{
	json_t *done = json_object();
	int code = TOOL_OK;
	char err[900] = "";
	for (size_t i = 0; i < DAEMONS; i++) {
		if (!daemons[i].has_touches || !is_installed(d, daemons[i].name))
			continue;
		int rc = code_of(user_lost_at(d, u, daemons[i].at, err, sizeof err));
		json_object_set_new(done, daemons[i].name, json_string(rc ? err : "revoked"));
		code = rc ? rc : code;
	}
	json_object_set_new(report, "revocations", done);
	return code ? code : code_of(user_mark_lost(d, u, err, sizeof err));
}

/* Only the whole word counts; the end of the input is no. */
static int person_says_yes(const struct user *u)
{
	char line[16];
	printf("Revoke all rights of %s (%s)? Type yes: ", u->name, u->mcptt);
	fflush(stdout);
	int yes = fgets(line, sizeof line, stdin) && strcmp(line, "yes\n") == 0;
	if (!yes)
		printf("Nothing was changed.\n");
	return yes;
}

/* ---- the report ---- */

static void print_members(const json_t *report, const char *member, const char *title)
{
	json_t *object = json_object_get(report, member), *value;
	const char *key;
	if (json_object_size(object))
		printf("%s\n", title);
	json_object_foreach(object, key, value)
	{
		char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT);
		printf("  %-8s %s\n", key, text ? text : json_string_value(value));
		free(text);
	}
}

static int run(const struct tool_command *c, struct domain *d, struct user *u, int yes, int as_json)
{
	json_t *report = json_pack("{s:s, s:s}", "user", u->name, "id", u->mcptt);
	int looked = look(d, u, report), revoked = TOOL_OK;
	if (!as_json) {
		print_members(report, "touches", "Known of this user:");
		print_members(report, "not_asked", "Not asked:");
	}
	yes = yes || (!as_json && person_says_yes(u));
	if (yes)
		revoked = revoke_all(d, u, report);
	if (as_json)
		json_dumpf(report, stdout, JSON_COMPACT), putchar('\n');
	else
		print_members(report, "revocations", "Revoked:");
	json_decref(report);
	if (revoked)
		return tool_fail(c, revoked, "once that is mended, run it again: what is done stays done",
				 "not every revocation was carried out");
	return looked ? tool_fail(c, looked, "mcx up starts the domain", "not every daemon could be asked") : TOOL_OK;
}

int cmd_lost(const struct tool_command *c, int argc, char **argv)
{
	const char *dir = "run";
	int yes = 0, as_json = 0;
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &dir, "the domain's folder (default ./run)"},
	    {"yes", NULL, &yes, NULL, "carry out the revocations, without a question"},
	    {"json", NULL, &as_json, NULL, "print JSON; ask nothing, and without --yes change nothing"},
	};
	struct domain d;
	struct user u;
	char err[600];
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 1, 1);
	if (rc >= 0)
		return rc;
	if (domain_open(&d, dir, 0, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, "--dir says which domain is meant", "%s", err);
	if (user_load(&d, argv[0], &u, err, sizeof err) != USER_OK)
		return tool_fail(c, TOOL_USAGE, "mcx user list shows the users of this domain", "%s", err);
	return run(c, &d, &u, yes, as_json);
}

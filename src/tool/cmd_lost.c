/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_lost.c - `mcx lost NAME`: a device is lost. What do the daemons know that involves its user, and, after --yes,
 * the revocations: account and tokens at the identity server, identity at the KMS, registrations at the MC server.
 *
 * Every daemon of the domain's plan is named. One that is not installed is "not asked", one that does not answer is
 * too, and the exit code says that something is still open; running it again finishes it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/commands.h"
#include "tool/domain/users.h"

static const struct {
	const char *name;
	int asked; /* by admin interface: else only named */
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

/* Why it cannot be asked, or NULL and what it knows. */
static const char *ask(struct domain *d, const struct user *u, size_t i, json_t **knows, char *why, size_t why_size)
{
	char id[3 * DOMAIN_TEXT];
	struct admin_answer a;
	if (!is_installed(d, daemons[i].name))
		return "not installed";
	if (!daemons[i].asked)
		return "has no such call";
	struct admin_client *c = admin_client_new(d, "auditor", why, why_size);
	if (!c)
		return why;
	int status = admin_call(c, daemons[i].at, "GET", NULL, &a, "touches?id=%s", admin_segment(u->mcptt, id));
	if (status == 200 && a.body)
		*knows = json_incref(a.body);
	else
		snprintf(why, why_size, "%s", a.error[0] ? a.error : "answers no JSON");
	admin_answer_free(&a);
	admin_client_free(c);
	return *knows ? NULL : why;
}

/* Adds {"touches": {...}, "not_asked": {name: why}}; how many could not be asked although installed. */
static int look(struct domain *d, const struct user *u, json_t *report)
{
	json_t *touches = json_object(), *not_asked = json_object();
	int silent = 0;
	for (size_t i = 0; i < DAEMONS; i++) {
		char why[900];
		json_t *knows = NULL;
		const char *reason = ask(d, u, i, &knows, why, sizeof why);
		if (reason) {
			json_object_set_new(not_asked, daemons[i].name, json_string(reason));
			silent += reason == why;
		} else {
			json_object_set_new(touches, daemons[i].name, knows);
		}
	}
	json_object_set_new(report, "touches", touches);
	json_object_set_new(report, "not_asked", not_asked);
	return silent;
}

/* Each daemon that is there; the worst outcome. */
static enum user_err revoke_all(struct domain *d, struct user *u, json_t *report)
{
	json_t *done = json_object();
	enum user_err worst = USER_OK;
	char err[900];
	for (size_t i = 0; i < DAEMONS; i++) {
		if (!daemons[i].asked || !is_installed(d, daemons[i].name))
			continue;
		enum user_err e = user_lost_at(d, u, daemons[i].at, err, sizeof err);
		json_object_set_new(done, daemons[i].name, json_string(e == USER_OK ? "revoked" : err));
		worst = e > worst ? e : worst;
	}
	json_object_set_new(report, "revocations", done);
	if (worst == USER_OK)
		worst = user_mark_lost(d, u, err, sizeof err);
	return worst;
}

static void print_members(const char *title, const json_t *object)
{
	const char *key;
	json_t *value;
	if (json_object_size(object))
		printf("%s\n", title);
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT);
		printf("  %-8s %s\n", key, text ? text : json_string_value(value));
		free(text);
	}
}

static void print_report(const json_t *report, int as_json)
{
	if (as_json) {
		json_dumpf(report, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	print_members("Known of this user:", json_object_get(report, "touches"));
	print_members("Not asked:", json_object_get(report, "not_asked"));
	print_members("Revoked:", json_object_get(report, "revocations"));
}

int cmd_lost(const struct tool_command *c, int argc, char **argv)
{
	const char *dir = "run";
	int yes = 0, as_json = 0;
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &dir, "the domain's folder (default ./run)"},
	    {"yes", NULL, &yes, NULL, "carry out the revocations"},
	    {"json", NULL, &as_json, NULL, "print JSON"},
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
	json_t *report = json_pack("{s:s, s:s}", "user", u.name, "id", u.mcptt);
	int silent = look(&d, &u, report);
	enum user_err e = yes ? revoke_all(&d, &u, report) : USER_OK;
	print_report(report, as_json);
	json_decref(report);
	if (yes && e != USER_OK)
		return tool_fail(c, e == USER_UNREACHABLE ? TOOL_UNREACHABLE : TOOL_REFUSED,
				 "run it again when every daemon answers", "not every revocation was carried out");
	if (silent)
		return tool_fail(c, TOOL_UNREACHABLE, "mcx up starts the domain", "not every daemon could be asked");
	if (!yes && !as_json)
		printf("Nothing was changed. To revoke: mcx lost %s --yes\n", u.name);
	return TOOL_OK;
}

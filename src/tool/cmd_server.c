/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_server.c - `mcx server clients|csk-renew|musik-renew|suite`: the clients that an MC server serves, new keys for
 * them by key download (TS 24.379 7.3.7), and another algorithm suite for one (TS 33.180 5.8.1), through the admin
 * listener.
 */
#include <stdlib.h>
#include <string.h>

#include "tool/commands.h"
#include "tool/domain/admin_client.h"
#include "tool/domain/users.h"

struct options {
	const char *dir, *reason;
	int json;
};

static int answer_code(int status)
{
	return status == 0 ? TOOL_UNREACHABLE : status / 100 == 2 ? TOOL_OK : TOOL_REFUSED;
}

static int fail(const struct tool_command *c, struct admin_answer *a)
{
	int rc = tool_fail(c, answer_code(a->status),
			   a->status ? NULL : "start the domain with mcx up; then run this again", "%s", a->error);
	admin_answer_free(a);
	return rc;
}

static const char *text_of(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));
	return text && *text ? text : "-";
}

static void print_client(const json_t *b)
{
	int pending = *text_of(b, "pending_csk_id") != '-';
	printf("%-40s %-7s CSK %s%s%s  suite %s%s%s of %s  MuSiK %-8s  %s\n", text_of(b, "mcptt_id"),
	       text_of(b, "service"), text_of(b, "csk_id"), pending ? " -> " : "",
	       pending ? text_of(b, "pending_csk_id") : "", text_of(b, "suite"), pending ? " -> " : "",
	       pending ? text_of(b, "pending_suite") : "", text_of(b, "suites"), text_of(b, "musik_id"),
	       json_is_true(json_object_get(b, "connected")) ? "connected" : "away");
}

static int clients(const struct tool_command *c, struct admin_client *admin, const struct options *o)
{
	struct admin_answer a;
	size_t i;
	json_t *b;
	if (admin_call(admin, ADMIN_AT_SERVER, "GET", NULL, &a, "bindings") / 100 != 2)
		return fail(c, &a);
	json_array_foreach(json_object_get(a.body, "bindings"), i, b)
	{
		if (!o->json) {
			print_client(b);
			continue;
		}
		json_dumpf(b, stdout, JSON_COMPACT);
		putchar('\n');
	}
	admin_answer_free(&a);
	return TOOL_OK;
}

static int began(const struct tool_command *c, struct admin_answer *a, const struct options *o, const char *what)
{
	if (a->status / 100 != 2)
		return fail(c, a);
	json_int_t n = json_integer_value(json_object_get(a->body, "clients"));
	if (o->json)
		printf("{\"clients\":%lld}\n", (long long)n);
	else
		printf("%s: on its way to %lld client%s\n", what, (long long)n, n == 1 ? "" : "s");
	admin_answer_free(a);
	return TOOL_OK;
}

/* A local user's name, or an identity as it stands. */
static int identity_of(const struct domain *d, const char *who, char out[DOMAIN_TEXT], char *err, size_t err_size)
{
	struct user u;
	if (strchr(who, ':')) {
		snprintf(out, DOMAIN_TEXT, "%s", who);
		return 0;
	}
	if (user_load(d, who, &u, err, err_size) != USER_OK)
		return -1;
	snprintf(out, DOMAIN_TEXT, "%s", u.mcptt);
	return 0;
}

static int csk_renew(const struct tool_command *c, const struct domain *d, struct admin_client *admin,
		     const struct options *o, const char *who)
{
	char id[DOMAIN_TEXT], segment[3 * DOMAIN_TEXT], err[600];
	struct admin_answer a;
	if (identity_of(d, who, id, err, sizeof err))
		return tool_fail(c, TOOL_USAGE, "mcx user list shows the users of this domain", "%s", err);
	admin_call(admin, ADMIN_AT_SERVER, "POST", NULL, &a, "csk-renew?id=%s&reason=%s", admin_segment(id, segment),
		   o->reason);
	return began(c, &a, o, "a new CSK");
}

static int force_suite(const struct tool_command *c, const struct domain *d, struct admin_client *admin,
		       const struct options *o, const char *who, const char *suite)
{
	char id[DOMAIN_TEXT], segment[3 * DOMAIN_TEXT], err[600], what[64];
	struct admin_answer a;
	if (identity_of(d, who, id, err, sizeof err))
		return tool_fail(c, TOOL_USAGE, "mcx user list shows the users of this domain", "%s", err);
	if (strspn(suite, "0123456789abcdefABCDEF") != 4 || suite[4])
		return tool_fail(c, TOOL_USAGE, "mcx server clients shows the suites of each client",
				 "a suite is four hexadecimal digits, as 0101");
	snprintf(what, sizeof what, "a new CSK for suite %s", suite);
	admin_call(admin, ADMIN_AT_SERVER, "POST", NULL, &a, "csk-renew?id=%s&reason=suite&suite=%s",
		   admin_segment(id, segment), suite);
	return began(c, &a, o, what);
}

static int run(const struct tool_command *c, const struct domain *d, struct admin_client *admin,
	       const struct options *o, int argc, char **argv)
{
	struct admin_answer a;
	if (strcmp(argv[0], "clients") == 0 && argc == 1)
		return clients(c, admin, o);
	if (strcmp(argv[0], "csk-renew") == 0 && argc == 2)
		return csk_renew(c, d, admin, o, argv[1]);
	if (strcmp(argv[0], "suite") == 0 && argc == 3)
		return force_suite(c, d, admin, o, argv[1], argv[2]);
	if (strcmp(argv[0], "musik-renew") != 0 || argc != 1)
		return tool_fail(c, TOOL_USAGE, "--help says more",
				 "clients, csk-renew USER, suite USER XXXX or musik-renew");
	admin_call(admin, ADMIN_AT_SERVER, "POST", NULL, &a, "musik");
	return began(c, &a, o, "a new MuSiK");
}

int cmd_server(const struct tool_command *c, int argc, char **argv)
{
	struct options o = {.dir = "run", .reason = "operator"};
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &o.dir, "the domain's folder (default ./run)"},
	    {"reason", "WORD", NULL, &o.reason,
	     "operator (default), or compromise: a client that never takes the new key then loses its registration"},
	    {"json", NULL, &o.json, NULL, "print JSON, one object a line"},
	};
	struct domain d;
	char err[600];
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 1, 3);
	if (rc >= 0)
		return rc;
	if (strcmp(o.reason, "operator") != 0 && strcmp(o.reason, "compromise") != 0)
		return tool_fail(c, TOOL_USAGE, NULL, "--reason is operator or compromise");
	if (domain_open(&d, o.dir, 0, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, "mcx up makes a domain; --dir says which one is meant", "%s", err);
	struct admin_client *admin = admin_client_new(&d, "officer", err, sizeof err);
	if (!admin)
		return tool_fail(c, TOOL_CONFIG, NULL, "%s", err);
	rc = run(c, &d, admin, &o, argc, argv);
	admin_client_free(admin);
	return rc;
}

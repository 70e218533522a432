/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_user.c - `mcx user add|list|suspend|resume|remove`: users of a local domain (admin.md "User life").
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "tool/commands.h"
#include "tool/domain/users.h"

struct options {
	const char *dir, *mc_id, *impu, *mcptt, *mcvideo, *mcdata, *services, *password_file;
	int json;
};

static int code_of(enum user_err e)
{
	static const int codes[] = {[USER_OK] = TOOL_OK,
				    [USER_BAD] = TOOL_USAGE,
				    [USER_REFUSED] = TOOL_REFUSED,
				    [USER_UNREACHABLE] = TOOL_UNREACHABLE,
				    [USER_FILE] = TOOL_CONFIG};
	return codes[e];
}

static const char *hint_of(enum user_err e)
{
	static const char *const hints[] = {[USER_OK] = NULL,
					    [USER_BAD] = "mcx user list shows the users of this domain",
					    [USER_REFUSED] =
						"the same command again is harmless once the cause is mended",
					    [USER_UNREACHABLE] = "start the domain with mcx up; then run this again",
					    [USER_FILE] = NULL};
	return hints[e];
}

static void print_user(const struct user *u, int json)
{
	if (json) {
		json_t *j = user_json(u);
		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("%-12s %-10s %s\n", u->name, u->state, u->mcptt);
}

static int finish(const struct tool_command *c, const struct options *o, enum user_err e, const struct user *u,
		  const char *err)
{
	if (e != USER_OK)
		return tool_fail(c, code_of(e), hint_of(e), "%s", err);
	print_user(u, o->json);
	return TOOL_OK;
}

static int take_text(char *to, size_t size, const char *from)
{
	if (from && strlen(from) >= size)
		return -1;
	snprintf(to, size, "%s", from ? from : "");
	return 0;
}

static int read_password(const char *path, struct user *u)
{
	char *text = domain_read_file(path);
	if (!text)
		return -1;
	text[strcspn(text, "\r\n")] = '\0';
	int rc = take_text(u->password, sizeof u->password, text);
	rc = u->password[0] ? rc : -1;
	mcsec_wipe(text, strlen(text));
	free(text);
	return rc;
}

static int add(const struct tool_command *c, struct domain *d, const struct options *o, const char *name)
{
	struct user u = {0};
	char err[600] = "";
	if (take_text(u.name, sizeof u.name, name) || take_text(u.mc_id, sizeof u.mc_id, o->mc_id) ||
	    take_text(u.impu, sizeof u.impu, o->impu) || take_text(u.mcptt, sizeof u.mcptt, o->mcptt) ||
	    take_text(u.mcvideo, sizeof u.mcvideo, o->mcvideo) || take_text(u.mcdata, sizeof u.mcdata, o->mcdata))
		return tool_fail(c, TOOL_USAGE, NULL, "a name or an identity is too long");
	enum user_err e = user_fill_in(d, &u, o->services, err, sizeof err);
	if (e == USER_OK && o->password_file && read_password(o->password_file, &u))
		return tool_fail(c, TOOL_USAGE, NULL, "%s holds no password of 1 to 127 octets in its first line",
				 o->password_file);
	if (e == USER_OK)
		e = user_add(d, &u, err, sizeof err);
	mcsec_wipe(u.password, sizeof u.password);
	return finish(c, o, e, &u, err);
}

static int list(const struct tool_command *c, struct domain *d, const struct options *o)
{
	char path[PATH_MAX], err[600];
	struct dirent **names = NULL;
	int n = scandir(domain_path(d, path, "ue"), &names, NULL, alphasort);
	if (n < 0)
		return tool_fail(c, TOOL_CONFIG, NULL, "%s cannot be read", path);
	for (int i = 0; i < n; i++) {
		struct user u;
		if (names[i]->d_name[0] != '.' && user_load(d, names[i]->d_name, &u, err, sizeof err) == USER_OK)
			print_user(&u, o->json);
		free(names[i]);
	}
	free(names);
	return TOOL_OK;
}

static int act(const struct tool_command *c, struct domain *d, const struct options *o, const char *verb,
	       const char *name)
{
	static const struct {
		const char *verb, *state;
		enum user_err (*run)(struct domain *d, struct user *u, char *err, size_t err_size);
	} acts[] = {{"suspend", "suspended", user_suspend},
		    {"resume", "active", user_resume},
		    {"remove", "removed", user_remove}};
	struct user u;
	char err[600];
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
		if (strcmp(acts[i].verb, verb) == 0) {
			enum user_err e = user_load(d, name, &u, err, sizeof err);
			if (e == USER_OK)
				e = acts[i].run(d, &u, err, sizeof err);
			snprintf(u.state, sizeof u.state, "%s", acts[i].state);
			return finish(c, o, e, &u, err);
		}
	return tool_fail(c, TOOL_USAGE, "--help says more", "there is no act '%s'", verb);
}

int cmd_user(const struct tool_command *c, int argc, char **argv)
{
	struct options o = {.dir = "run"};
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &o.dir, "the domain's folder (default ./run)"},
	    {"mc-id", "ID", NULL, &o.mc_id, "name at the identity server (default: the MCPTT ID)"},
	    {"impu", "URI", NULL, &o.impu,
	     "SIP public identity (default: the MCPTT ID; drawn at random where the domain hides identities)"},
	    {"mcptt", "URI", NULL, &o.mcptt, "MCPTT ID (default sip:NAME@ZONE)"},
	    {"mcvideo", "URI", NULL, &o.mcvideo, "MCVideo ID"},
	    {"mcdata", "URI", NULL, &o.mcdata, "MCData ID"},
	    {"services", "LIST", NULL, &o.services, "of ptt,video,data (default ptt)"},
	    {"password-file", "FILE", NULL, &o.password_file, "first line is the password (default: one is made)"},
	    {"json", NULL, &o.json, NULL, "print JSON, one object a line"},
	};
	struct domain d;
	char err[600];
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 1, 2);
	if (rc >= 0)
		return rc;
	if (domain_open(&d, o.dir, 0, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, "mcx up makes a domain; --dir says which one is meant", "%s", err);
	if (strcmp(argv[0], "list") == 0 && argc == 1)
		return list(c, &d, &o);
	if (argc != 2)
		return tool_fail(c, TOOL_USAGE, "--help says more", "%s needs a user's name", argv[0]);
	if (strcmp(argv[0], "add") == 0)
		return add(c, &d, &o, argv[1]);
	return act(c, &d, &o, argv[0], argv[1]);
}

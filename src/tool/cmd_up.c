/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_up.c - `mcx up DIR` and `mcx down DIR`: a domain from one command, again and again with the same result.
 */
#include <stdlib.h>
#include <string.h>

#include "tool/commands.h"
#include "tool/domain/core.h"
#include "tool/domain/privacy.h"
#include "tool/domain/show.h"
#include "tool/domain/supervisor.h"

int cmd_up(const struct tool_command *c, int argc, char **argv)
{
	int json = 0;
	const char *core = NULL, *hiding = NULL, *to_self = NULL;
	const struct tool_option options[] = {
	    {"core", "KIND", NULL, &core, "a SIP core before the MC server: kamailio, or none (default: as it was)"},
	    {"identity-hiding", "WORD", NULL, &hiding,
	     "on: UIDs in place of MC IDs in key messages; off (default: as it was, at first off)"},
	    {"sakke-to-self", "WORD", NULL, &to_self,
	     "on: key messages carry the key for their sender's other devices; off (default: as it was, at first off)"},
	    {"json", NULL, &json, NULL, "print run.json instead of a table"}};
	int rc = tool_parse(c, options, sizeof options / sizeof *options, &argc, argv, 1, 1);
	if (rc >= 0)
		return rc;

	struct domain d;
	struct domain_start start;
	char err[600];
	if (domain_open(&d, argv[0], 1, err, sizeof err) || core_choose(&d, core, err, sizeof err) ||
	    privacy_choose(&d, hiding, to_self, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, NULL, "%s", err);
	if (domain_up(&d, &start))
		return tool_fail(c, TOOL_FAILED, "read the log named above; then run this command again", "%s",
				 start.err);
	if (json)
		return show_run_json(&d) ? TOOL_FAILED : TOOL_OK;
	if (start.already)
		printf("%s is up already\n", d.zone);
	else
		printf("%s is up after %.0f ms\n", d.zone, start.ms);
	show_addresses(&d);
	return TOOL_OK;
}

int cmd_down(const struct tool_command *c, int argc, char **argv)
{
	int json = 0, was_up = 0;
	const struct tool_option options[] = {{"json", NULL, &json, NULL, "print JSON"}};
	int rc = tool_parse(c, options, 1, &argc, argv, 1, 1);
	if (rc >= 0)
		return rc;

	struct domain d;
	char err[600];
	if (domain_open(&d, argv[0], 0, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, "mcx up makes a domain", "%s", err);
	if (domain_down(&d, &was_up, err, sizeof err))
		return tool_fail(c, TOOL_FAILED, NULL, "%s", err);
	if (json)
		printf("{\"zone\":\"%s\",\"state\":\"down\",\"was_up\":%s}\n", d.zone, was_up ? "true" : "false");
	else
		printf("%s %s\n", d.zone, was_up ? "is down" : "was down already");
	return TOOL_OK;
}

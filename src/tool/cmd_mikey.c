/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_mikey.c - `mcx mikey`: I_MESSAGEs made and opened from files, for tests against other products. */
#include <string.h>

#include "tool/commands.h"
#include "tool/look/mikey_files.h"

int cmd_mikey(const struct tool_command *c, int argc, char **argv)
{
	static const struct tool_command sub[] = {
	    {"mikey open", "open a MIKEY message with certificates and key sets from files; prints JSON",
	     "[FILE|-] --cert FILE --keys FILE [--at TIME|message] [--from URI] [--show-secrets] | --list-errors",
	     mikey_open},
	    {"mikey make", "make a MIKEY message with a key set from a file; prints base64",
	     "--cert FILE --keys FILE --to URI [--kind KIND] [...]", mikey_make},
	};
	static const char *const names[] = {"open", "make"};
	for (size_t i = 0; i < 2 && argc > 1; i++)
		if (strcmp(argv[1], names[i]) == 0)
			return sub[i].run(&sub[i], argc - 1, argv + 1);
	return tool_parse(c, NULL, 0, &argc, argv, 2, 1);
}

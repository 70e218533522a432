/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - `mcx`: one table of commands. Each command lives in a file of its own, cmd_NAME.c, and exports its entry.
 */
#include "tool/tool.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "app/daemon.h"
#include "tool/commands.h"

const struct tool_command tool_commands[] = {TOOL_COMMANDS};
const size_t tool_n_commands = sizeof tool_commands / sizeof *tool_commands;

static void print_commands(FILE *f)
{
	fprintf(f, "Usage: mcx COMMAND [...]     (mcx COMMAND --help says more)\n\n");
	for (size_t i = 0; i < tool_n_commands; i++)
		fprintf(f, "  %-10s %s\n", tool_commands[i].name, tool_commands[i].summary);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	umask(077); /* what it writes holds keys, passwords or speech */
	/* And so does its memory: no core of it, nor of the supervisor it becomes. */
	harden_memory();
	if (argc < 2) {
		print_commands(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_commands(stdout);
		return TOOL_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("mcx %s\n", MCX_VERSION);
		return TOOL_OK;
	}
	for (size_t i = 0; i < tool_n_commands; i++)
		if (strcmp(argv[1], tool_commands[i].name) == 0)
			return tool_commands[i].run(&tool_commands[i], argc - 1, argv + 1);
	fprintf(stderr, "mcx: there is no command '%s'\n\n", argv[1]);
	print_commands(stderr);
	return TOOL_USAGE;
}

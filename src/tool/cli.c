/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c - options from a table, help made from the same table, errors that say what to do next.
 */
#include "tool/tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_help(const struct tool_command *c, const struct tool_option *o, size_t n)
{
	printf("Usage: mcx %s %s\n\n%s\n\n", c->name, c->synopsis, c->summary);
	for (size_t i = 0; i < n; i++) {
		char left[64];
		snprintf(left, sizeof left, "--%s%s%s", o[i].name, o[i].arg ? " " : "", o[i].arg ? o[i].arg : "");
		printf("  %-24s %s\n", left, o[i].help);
	}
	printf("  %-24s %s\n\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 refused, 4 not reachable,\n"
	       "5 unusable configuration or folder. Manual page: mcx-%.*s(1)\n",
	       "--help", "this text", (int)strcspn(c->name, " "), c->name);
}

static const struct tool_option *option_named(const struct tool_option *o, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(o[i].name) == len && strncmp(o[i].name, name, len) == 0)
			return &o[i];
	return NULL;
}

/* One "--name[=value]" at argv[*i]; -1 to go on. */
static int take_option(const struct tool_command *c, const struct tool_option *o, size_t n, int argc, char **argv,
		       int *i)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct tool_option *found = option_named(o, n, name, len);
	if (!found)
		return tool_fail(c, TOOL_USAGE, "see --help", "there is no option --%.*s", (int)len, name);
	if (found->flag) {
		if (equals)
			return tool_fail(c, TOOL_USAGE, NULL, "--%s takes no value", found->name);
		*found->flag = 1;
		return -1;
	}
	if (!equals && *i + 1 >= argc)
		return tool_fail(c, TOOL_USAGE, NULL, "--%s needs a value (%s)", found->name, found->arg);
	*found->value = equals ? equals + 1 : argv[++*i];
	return -1;
}

int tool_parse(const struct tool_command *c, const struct tool_option *o, size_t n, int *argc, char **argv,
	       int min_operands, int max_operands)
{
	int operands = 0, only_operands = 0;
	for (int i = 1; i < *argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = 1;
		} else if (!only_operands && strcmp(argv[i], "--help") == 0) {
			print_help(c, o, n);
			return TOOL_OK;
		} else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
			int rc = take_option(c, o, n, *argc, argv, &i);
			if (rc >= 0)
				return rc;
		} else {
			argv[operands++] = argv[i];
		}
	}
	*argc = operands;
	if (operands < min_operands || operands > max_operands)
		return tool_fail(c, TOOL_USAGE, "--help says more", "usage: mcx %s %s", c->name, c->synopsis);
	return -1;
}

int tool_fail(const struct tool_command *c, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;
	fflush(stdout);
	fprintf(stderr, "%smcx %s:%s ", tool_colour_on(stderr, TOOL_BAD), c->name, tool_colour_off(stderr));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (hint)
		fprintf(stderr, "  next: %s\n", hint);
	return code;
}

void tool_print_groups(const char *title, const char *hex)
{
	printf("%s\n ", title);
	for (size_t i = 0; hex[i]; i++)
		printf("%s%c", i % 4 ? "" : " ", hex[i]);
	printf("\n");
}

static int colourful(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(fileno(f)) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

const char *tool_colour_on(FILE *f, enum tool_colour c)
{
	static const char *const codes[] = {
	    [TOOL_PLAIN] = "",      [TOOL_GOOD] = "\033[32m", [TOOL_BAD] = "\033[31;1m",
	    [TOOL_DIM] = "\033[2m", [TOOL_BOLD] = "\033[1m",
	};
	return colourful(f) ? codes[c] : "";
}

const char *tool_colour_off(FILE *f)
{
	return colourful(f) ? "\033[0m" : "";
}

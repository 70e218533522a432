/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - what every `mcx` command shares: its entry in the dispatcher's table, its options as a table (from which
 * --help is printed), its exit code, and how it speaks: plain sentences to people, JSON to programs, colours only on
 * a terminal. A command never prints a key unless its own option for that was given.
 */
#ifndef MCX_TOOL_TOOL_H
#define MCX_TOOL_TOOL_H

#include <stddef.h>
#include <stdio.h>

/* docs/exit-codes.md */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1,      /* the work was tried and did not succeed; the message says why */
	TOOL_USAGE = 2,       /* the command line is wrong */
	TOOL_REFUSED = 3,     /* the input was checked and is not acceptable */
	TOOL_UNREACHABLE = 4, /* a service of the domain does not answer */
	TOOL_CONFIG = 5,      /* a configuration or domain folder cannot be used */
};

struct tool_command {
	const char *name;
	const char *summary;                                             /* one line */
	const char *synopsis;                                            /* after the command's name: "DIR [--json]" */
	int (*run)(const struct tool_command *c, int argc, char **argv); /* argv[0] is the command's name */
};

/* One option: a flag (flag set) or one with a value (value set; arg names it). */
struct tool_option {
	const char *name; /* without "--" */
	const char *arg;  /* "FILE"; NULL for a flag */
	int *flag;
	const char **value;
	const char *help;
};

/*
 * Options anywhere, then the operands: argv[0..*argc) become the operands alone. Returns -1 to go on, or the exit code
 * to end with (--help, or a mistake that was explained on standard error).
 */
int tool_parse(const struct tool_command *c, const struct tool_option *o, size_t n, int *argc, char **argv,
	       int min_operands, int max_operands);

/* "mcx up: sentence" on standard error, then the hint ("what to do next") if there is one. Returns code. */
int tool_fail(const struct tool_command *c, int code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Hex digits in groups of four, as two people read them to each other. */
void tool_print_groups(const char *title, const char *hex);

enum tool_colour { TOOL_PLAIN, TOOL_GOOD, TOOL_BAD, TOOL_DIM, TOOL_BOLD };
/* Escape sequence to begin and end a colour on that stream; "" unless it is a terminal and NO_COLOR is unset. */
const char *tool_colour_on(FILE *f, enum tool_colour c);
const char *tool_colour_off(FILE *f);

extern const struct tool_command tool_commands[];
extern const size_t tool_n_commands;

#endif

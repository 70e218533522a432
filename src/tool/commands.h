/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - the list of commands, in the order `mcx --help` shows them: to add one, write cmd_NAME.c, name it in
 * meson.build, and add its line here.
 */
#ifndef MCX_TOOL_COMMANDS_H
#define MCX_TOOL_COMMANDS_H

#include "tool/tool.h"

int cmd_up(const struct tool_command *c, int argc, char **argv);
int cmd_down(const struct tool_command *c, int argc, char **argv);
int cmd_demo(const struct tool_command *c, int argc, char **argv);
int cmd_audit(const struct tool_command *c, int argc, char **argv);
int cmd_lost(const struct tool_command *c, int argc, char **argv);
int cmd_login(const struct tool_command *c, int argc, char **argv);
int cmd_register(const struct tool_command *c, int argc, char **argv);
int cmd_call(const struct tool_command *c, int argc, char **argv);
int cmd_kms(const struct tool_command *c, int argc, char **argv);
int cmd_server(const struct tool_command *c, int argc, char **argv);
int cmd_user(const struct tool_command *c, int argc, char **argv);
int cmd_explain(const struct tool_command *c, int argc, char **argv);
int cmd_mikey(const struct tool_command *c, int argc, char **argv);
int cmd_memory(const struct tool_command *c, int argc, char **argv);

/* clang-format off */
#define TOOL_COMMANDS \
	{ "up", "create or start a domain: authority, configuration, daemons, supervised", "DIR [--json]", cmd_up }, \
	{ "down", "stop a domain; its data stays", "DIR [--json]", cmd_down }, \
	{ "demo", "the main job: a domain, two users, one secured call, and a verdict", \
	  "[--dir DIR] [--wav FILE] [--once] [--json]", cmd_demo }, \
	{ "user", "users of a domain, at its identity, key and MC servers at once", \
	  "add|suspend|resume|remove NAME | list  [--dir DIR] [...]", cmd_user }, \
	{ "server", "clients of the MC server; a new CSK or MuSiK for them by key download", \
	  "clients | csk-renew USER | suite USER XXXX | musik-renew  [--reason WORD] [--dir DIR] [--json]", cmd_server }, \
	{ "kms", "a KMS: ceremonies on its master secrets at its host; seal and daily work through the admin listener", \
	  "ceremony init|backup|restore|verify|change|certificate | status | seal | unseal | domain | alarms | reports |\n" \
	  "           checkpoint | reload | clock accept | user show|enrol|suspend|revoke URI |\n" \
	  "           extcert list | extcert import FILE | extcert permit|suspend|revoke FINGERPRINT |\n" \
	  "           transport list|make|roll|withdraw URI  [--dir DIR] [...]", cmd_kms }, \
	{ "lost", "what the loss of a user's device touches, and, after a yes, the revocations", \
	  "NAME [--yes] [--dir DIR] [--json]", cmd_lost }, \
	{ "audit", "verify or export the daemons' tamper-evident records, offline", \
	  "verify|export [idms|kms|server]  [--dir DIR | --db FILE] [...]", cmd_audit }, \
	{ "login", "sign a user in and fetch identity keys", "NAME [--dir DIR] [--json]", cmd_login }, \
	{ "register", "register a user and answer calls until Ctrl-C", \
	  "NAME [--services LIST] [--send WAV] [--record WAV] [--publish] [--dir DIR] [--json]", cmd_register }, \
	{ "call", "register a user, call another, talk, hang up", \
	  "NAME --to ID [--send WAV] [--record WAV] [--seconds N] [--dir DIR] [--json]", cmd_call }, \
	{ "explain", "tell what a message is, field by field, and why it is refused", "[FILE|-] [--json]", cmd_explain }, \
	{ "mikey", "open or make a MIKEY message with certificates and key sets from files", "open|make [...]", cmd_mikey }, \
	{ "memory", "look for octets (hex lines on standard input) in a process' memory; root", "PID", cmd_memory },
/* clang-format on */

#endif

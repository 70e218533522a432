/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.h - the daily work of a KMS's officers and auditors through its admin listener: one table of calls.
 */
#ifndef MCX_TOOL_DESK_H
#define MCX_TOOL_DESK_H

#include "tool/desk/door.h"

/* Is "subject action" (action NULL: none) work of the desk? */
int desk_knows(const char *subject, const char *action);
/* Does it, and prints the answer. operand: an identity, a fingerprint, a file, or NULL. An exit code. */
int desk_run(const struct tool_command *c, struct door *at, const char *subject, const char *action,
	     const char *operand, int as_json);

#endif

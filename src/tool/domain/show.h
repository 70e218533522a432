/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - what a domain looks like to a person: its addresses and processes, from run.json.
 */
#ifndef MCX_TOOL_SHOW_H
#define MCX_TOOL_SHOW_H

#include <jansson.h>

#include "tool/domain/domain.h"

/* The parsed run.json, NULL if there is none. */
json_t *show_load(const struct domain *d);
/* A table of services, addresses and process ids on standard output. */
void show_addresses(const struct domain *d);
/* run.json itself; -1 if it cannot be read. */
int show_run_json(const struct domain *d);
/* Process id of a service, 0 if it is not ready. */
int show_pid_of(const struct domain *d, const char *name);

#endif

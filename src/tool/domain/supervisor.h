/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.h - the processes of a local domain, kept alive by one parent.
 *
 * Each process is started when the one before it says it is ready, and started again when it ends by itself (after
 * 100 ms, doubling to 5 s). They end with the supervisor, even if that is killed. DIR/run.json always tells the state.
 */
#ifndef MCX_TOOL_SUPERVISOR_H
#define MCX_TOOL_SUPERVISOR_H

#include "tool/domain/domain.h"

struct domain_start {
	int already; /* it was running before */
	double ms;
	char err[512];
};

/* Prepares the folder and starts the domain in the background; returns when all processes are ready. 0 or -1. */
int domain_up(struct domain *d, struct domain_start *out);
/* Ends the supervisor and all its processes. 0 also when none ran; -1 and err if they cannot be ended. */
int domain_down(struct domain *d, int *was_up, char *err, size_t err_size);

#endif

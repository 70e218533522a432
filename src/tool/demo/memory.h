/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - looking for octets in the memory of another process, page by page through /proc/PID/mem.
 *
 * Needs root's rights: our daemons are not readable for their own user. `mcx demo` therefore runs it as a program of
 * its own (`mcx memory PID`), by sudo if it must, and gives it the needles on standard input, never as arguments.
 */
#ifndef MCX_TOOL_MEMORY_H
#define MCX_TOOL_MEMORY_H

#include <sys/types.h>

#include "sec/base/bytes.h"

enum { MEMORY_NEEDLES = 32, MEMORY_MIN_NEEDLE = 12 };

struct memory_result {
	uint64_t octets, regions; /* looked at */
	uint64_t unreadable;      /* regions that could not be read although they are mapped readable */
	uint64_t hits[MEMORY_NEEDLES];
};

/* 0, or -1 if the process' memory cannot be opened (errno). */
int memory_search(pid_t pid, const struct octets *needles, size_t n, struct memory_result *out);
/* The same by a child process with the rights it takes. 0, or -1 and a sentence in err. */
int memory_search_as_root(pid_t pid, const struct octets *needles, size_t n, struct memory_result *out, char *err,
			  size_t err_size);

#endif

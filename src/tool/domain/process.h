/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - one supervised process: its command, its life, the descriptor on which it says it is ready.
 */
#ifndef MCX_TOOL_PROCESS_H
#define MCX_TOOL_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "tool/domain/domain.h"

enum process_state { PROCESS_DOWN, PROCESS_STARTING, PROCESS_READY, PROCESS_STOPPING };
enum { PROCESS_ARGS = 24, PROCESS_ARG_TEXT = 2048 };

struct process {
	const char *name; /* "mcx-kms" */
	int says_ready;   /* by --ready-fd; else it counts as ready when its TCP port answers */
	int family;       /* it has processes of its own: none of them outlives it */
	int unprivileged; /* give up root's rights first */
	uint16_t port;    /* of the latter */
	char log[PATH_MAX];
	char text[PROCESS_ARG_TEXT]; /* what argv points into */
	size_t text_used, n_args;
	char *argv[PROCESS_ARGS + 1];
	/* life */
	enum process_state state;
	pid_t pid;
	int ready_fd;                 /* -1 when none is awaited */
	char told[1024];              /* the line it wrote when it became ready; "" */
	int64_t started_ms, again_ms; /* monotonic; again_ms: when to start next, 0 if not waiting */
	unsigned backoff_ms, restarts;
	int last_status; /* of waitpid */
};

void process_init(struct process *p, const char *name, const char *program);
/* Adds an argument; text too long for its room is a bug and ends the process. */
void process_arg(struct process *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -1 (fork or pipe failed; errno). */
int process_start(struct process *p, int64_t now_ms);
/* Reads from ready_fd: 1 it is ready, 0 not yet, -1 it closed the descriptor without saying so. */
int process_read_ready(struct process *p);
/* It ended: schedules the next start. */
void process_ended(struct process *p, int status, int64_t now_ms);
/* What the end looked like, for people: "exit code 5 (configuration refused)". */
void process_why(const struct process *p, char *out, size_t size);
const char *process_state_name(enum process_state s);
int64_t process_now_ms(void);
/* Path of a program of ours: beside this one, or in the build tree; "" if it is not there. */
void process_find(const char *name, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what every daemon's main shares: arguments, configuration, hardening, signals, readiness, an orderly end.
 *
 *	mcx-NAME --config FILE [--ready-fd N] [--check] [--help] [--version]
 *
 * daemon_main hardens the process (no core dump, not traceable by its own user, umask 077), blocks the signals it
 * waits for before any thread exists, loads the configuration, calls start, says that it is ready, waits for SIGTERM or
 * SIGINT, and calls stop. It says "ready" twice when asked: one line of JSON on the descriptor of --ready-fd, and
 * READY=1 to systemd's NOTIFY_SOCKET.
 */
#ifndef MCX_APP_DAEMON_H
#define MCX_APP_DAEMON_H

#include "app/config.h"
#include "app/log.h"

enum { DAEMON_OK = 0, DAEMON_FAILED = 1, DAEMON_USAGE = 2, DAEMON_CONFIG = 5 }; /* docs/exit-codes.md */

struct daemon_spec {
	const char *name;    /* "mcx-kms" */
	const char *purpose; /* one sentence for --help */
	const struct config_option *options;
	size_t n_options;
	size_t config_size; /* of the struct that the table fills */
	/*
	 * Listens and returns; the work is done by threads it made. 0, or -1 and a sentence in err.
	 * ready receives the members of the ready line, e.g. "\"port\":8443,\"admin_port\":8444"; may stay "".
	 */
	int (*start)(void **ctx, const void *config, char *ready, size_t ready_size, char *err, size_t err_size);
	void (*stop)(void *ctx);
	void (*reload)(void *ctx); /* on SIGHUP; NULL: ignored */
	/*
	 * On SIGHUP, before reload: the configuration file read anew and right by the table. It lives as long as the
	 * daemon. 0: in use; -1 and a sentence: the old one stays. config NULL: the file cannot be
	 * read, only to be noted. reconfigure NULL: the file is read at the start only.
	 */
	int (*reconfigure)(void *ctx, void *config, char *err, size_t err_size);
};

int daemon_main(int argc, char **argv, const struct daemon_spec *spec);
/* The --config of this process. */
const char *daemon_config_path(void);
/* What SIGHUP does, from any thread of the daemon, waiting for it: 0, or -1 and why the old configuration stays. */
int daemon_reload(char *err, size_t err_size);
/* Only the hardening; for tools that handle keys. */
void daemon_harden(void);
/* Of that, what a command may do too: no core, no tracing by the environment. Before the first thread. */
void harden_memory(void);
/* For a child's exec: NAME=value of each of these that is set, then NULL; env has n + 1 places. malloc'ed texts. */
void harden_environment(const char *const *kept, size_t n, char **env);

#endif

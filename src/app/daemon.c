/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.c - the life of a daemon, from its arguments to its orderly end (daemon.h says the order and why).
 */
#include "app/daemon.h"

#include "app/alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct arguments {
	const char *config;
	int ready_fd; /* -1: none */
	int check_only;
	int done, exit_code; /* --help, --version or a mistake */
};

static void print_help(const struct daemon_spec *spec)
{
	printf("Usage: %s --config FILE [--ready-fd N] [--check]\n\n%s\n\n"
	       "  --config FILE   configuration file (keys below)\n"
	       "  --ready-fd N    write one line of JSON to descriptor N when listening\n"
	       "  --check         read the configuration, say what is wrong with it, and end\n"
	       "  --help, --version\n\nKeys of the configuration file (default):\n",
	       spec->name, spec->purpose);
	for (size_t i = 0; i < spec->n_options; i++) {
		const struct config_option *o = &spec->options[i];
		const char *def = o->def ? o->def : o->kind == CONFIG_LIST ? "{}" : "required";
		printf("  %-22s %s\n", o->key, def[0] ? def : "\"\"");
	}
}

/* The descriptor this names, or -1. */
static int descriptor_of(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len < 7 && strspn(text, "0123456789") == len ? (int)strtol(text, NULL, 10) : -1;
}

static struct arguments read_arguments(int argc, char **argv, const struct daemon_spec *spec)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'}, {"ready-fd", required_argument, NULL, 'r'},
	    {"check", no_argument, NULL, 'k'},        {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},      {0},
	};
	struct arguments a = {.ready_fd = -1};
	int c;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'c')
			a.config = optarg;
		else if (c == 'r' && descriptor_of(optarg) >= 0)
			a.ready_fd = descriptor_of(optarg);
		else if (c == 'k')
			a.check_only = 1;
		else if (c == 'h')
			print_help(spec), a.done = 1;
		else if (c == 'v')
			printf("%s %s\n", spec->name, MCX_VERSION), a.done = 1;
		else
			a.done = 1, a.exit_code = DAEMON_USAGE;
	}
	if (!a.done && (!a.config || optind != argc)) {
		fprintf(stderr, "%s: --config FILE is needed; --help says more\n", spec->name);
		a.done = 1, a.exit_code = DAEMON_USAGE;
	}
	return a;
}

/* sd_notify(3) without its library: one datagram. */
static void notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		log_warn("daemon.notify-failed", log_text("error", strerror(errno)));
	close(fd);
}

static void say_ready(const struct daemon_spec *spec, int fd, const char *members)
{
	if (fd >= 0) {
		char line[1024];
		int n = snprintf(line, sizeof line, "{\"name\":\"%s\",\"pid\":%ld%s%s}\n", spec->name, (long)getpid(),
				 members[0] ? "," : "", members);
		if (write(fd, line, (size_t)n) != n)
			log_warn("daemon.ready-failed", log_text("error", strerror(errno)));
		close(fd);
	}
	notify_systemd("READY=1");
	log_info("daemon.ready", log_int("pid", getpid()));
}

/* ---- reload ---- */

/* The one daemon of this process, while it runs: a reload may come from the signal or from an administrator's call. */
static struct running {
	pthread_mutex_t lock;
	const struct daemon_spec *spec; /* NULL: not running */
	void *ctx;
	const char *file;
	struct read_config {
		struct read_config *older;
		max_align_t config[];
	} * configs; /* all that were read after the start: threads may still look at the older ones */
} running = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int read_anew(char *err, size_t err_size)
{
	const struct daemon_spec *spec = running.spec;
	struct read_config *c = calloc(1, sizeof *c + spec->config_size);
	if (!c) {
		snprintf(err, err_size, "no memory");
		return -1;
	}
	int bad = config_load(running.file, spec->options, spec->n_options, c->config, err, err_size);
	if (spec->reconfigure(running.ctx, bad ? NULL : c->config, err, err_size) || bad) {
		free(c);
		return -1;
	}
	c->older = running.configs;
	running.configs = c;
	return 0;
}

int daemon_reload(char *err, size_t err_size)
{
	int rc = -1;
	snprintf(err, err_size, "not running");
	pthread_mutex_lock(&running.lock);
	if (running.spec) {
		rc = running.spec->reconfigure ? read_anew(err, err_size) : 0;
		if (running.spec->reload)
			running.spec->reload(running.ctx);
		if (rc)
			log_error("daemon.reload-refused", log_text("error", err));
		else
			log_info("daemon.reloaded", log_text("file", running.file));
	}
	pthread_mutex_unlock(&running.lock);
	return rc;
}

static void begin_reloads(const struct daemon_spec *spec, void *ctx, const char *file)
{
	pthread_mutex_lock(&running.lock);
	running.spec = spec;
	running.ctx = ctx;
	running.file = file;
	pthread_mutex_unlock(&running.lock);
}

static void end_reloads(void)
{
	pthread_mutex_lock(&running.lock);
	running.spec = NULL;
	pthread_mutex_unlock(&running.lock);
}

static void forget_configs(void)
{
	while (running.configs) {
		struct read_config *c = running.configs;
		running.configs = c->older;
		free(c);
	}
}

/* ---- until the end ---- */

enum { TRIM_EVERY_S = 10, KEPT_AT_TOP = 256 * 1024 };

/*
 * What a flood made us take, the allocator keeps when it is over: the machine's other processes want it back. The trim
 * does not reach the end of a thread's own heap, of which glibc keeps the more the more was asked for at once, unless
 * it is told a bound.
 */
static void bound_memory(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_AT_TOP);
}

static void give_back_memory(void)
{
	static unsigned turn;
	if (++turn % TRIM_EVERY_S == 0)
		malloc_trim(0);
}

static void wait_for_end(const sigset_t *signals)
{
	for (;;) {
		int got = sigtimedwait(signals, NULL, &(struct timespec){.tv_sec = 1});
		alarm_tick();
		give_back_memory();
		if (got < 0)
			continue;
		if (got != SIGHUP) {
			log_info("daemon.stopping", log_text("signal", sigabbrev_np(got)));
			return;
		}
		char err[1024];
		(void)daemon_reload(err, sizeof err); /* it is in the log */
	}
}

static int run(const struct daemon_spec *spec, const struct arguments *a, const void *config)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	alarm_open();
	char ready[768] = "", err[512] = "";
	void *ctx = NULL;
	if (spec->start(&ctx, config, ready, sizeof ready, err, sizeof err)) {
		log_error("daemon.start-failed", log_text("error", err));
		return DAEMON_FAILED;
	}
	begin_reloads(spec, ctx, a->config);
	say_ready(spec, a->ready_fd, ready);
	wait_for_end(&signals);
	notify_systemd("STOPPING=1");
	end_reloads();
	spec->stop(ctx);
	forget_configs();
	log_info("daemon.stopped", log_int("pid", getpid()));
	return DAEMON_OK;
}

static const char *config_path = "";

const char *daemon_config_path(void)
{
	return config_path;
}

int daemon_main(int argc, char **argv, const struct daemon_spec *spec)
{
	struct arguments a = read_arguments(argc, argv, spec);
	if (a.done)
		return a.exit_code;
	config_path = a.config;
	bound_memory();
	daemon_harden();
	const char *level = getenv("MCX_LOG");
	int chosen = level ? log_level_of(level) : -1;
	log_open(spec->name, chosen >= 0 ? (enum log_level)chosen : LOG_LEVEL_INFO);

	char err[1024];
	void *config = calloc(1, spec->config_size);
	if (!config)
		return DAEMON_FAILED;
	int rc = DAEMON_OK;
	if (config_load(a.config, spec->options, spec->n_options, config, err, sizeof err)) {
		log_error("daemon.config-refused", log_text("error", err));
		rc = DAEMON_CONFIG;
	} else if (!a.check_only) {
		rc = run(spec, &a, config);
	}
	free(config);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.c - the parent of a domain's processes: one thread, one poll loop over signals and readiness.
 *
 * `mcx up` forks it and reads one line from a pipe: "ok" when every process is ready, or what went wrong. It holds
 * DIR/lock; nothing in it may open that file again, since closing any descriptor of it would drop the lock.
 */
#include "tool/domain/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/log.h"
#include "tool/domain/core.h"
#include "tool/domain/process.h"

enum { MAX_PROCESSES = 8, TICK_MS = 20, START_LIMIT_MS = 60000, STOP_LIMIT_MS = 8000, FIRST_TRIES = 3 };

struct supervisor {
	struct domain *d;
	size_t n;
	struct process p[MAX_PROCESSES];
	size_t next; /* first process not yet started for the first time */
	int report;  /* pipe to `mcx up`; -1 once it was told */
	int stopping;
	int64_t begin_ms;
	const char *state; /* starting, up, stopping, down */
};

/* ---- what runs ---- */

/* Asked of the kernel; the name server takes it a moment later. TCP and UDP must both be free. */
static uint16_t free_port(void)
{
	for (int tries = 0; tries < 50; tries++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;
		int u = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		    t = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int good = u >= 0 && t >= 0 && bind(u, (struct sockaddr *)&a, sizeof a) == 0 &&
			   getsockname(u, (struct sockaddr *)&a, &len) == 0 &&
			   bind(t, (struct sockaddr *)&a, sizeof a) == 0;
		if (u >= 0)
			close(u);
		if (t >= 0)
			close(t);
		if (good)
			return ntohs(a.sin_port);
	}
	return 0;
}

/*
 * The zone's name server: every name below the zone is this machine, other names do not exist here. SRV records lead
 * SIP clients from the bare zone to the server (RFC 3263).
 */
static int add_name_server(struct supervisor *s, char *err, size_t err_size)
{
	static const char *const places[] = {"/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq"};
	struct domain *d = s->d;
	const char *program = NULL;
	for (size_t i = 0; i < sizeof places / sizeof *places && !program; i++)
		program = access(places[i], X_OK) == 0 ? places[i] : NULL;
	if (!program) {
		snprintf(err, err_size, "dnsmasq is not installed; apt-get install dnsmasq-base");
		return -1;
	}
	d->dns = free_port();
	struct process *p = &s->p[s->n++];
	process_init(p, "dnsmasq", program);
	process_arg(p, "--keep-in-foreground");
	process_arg(p, "--conf-file=/dev/null");
	process_arg(p, "--no-resolv");
	process_arg(p, "--no-hosts");
	process_arg(p, "--pid-file=");
	process_arg(p, "--log-facility=-");
	process_arg(p, "--listen-address=127.0.0.1");
	process_arg(p, "--bind-interfaces");
	process_arg(p, "--port=%u", d->dns);
	process_arg(p, "--address=/%s/127.0.0.1", d->zone);
	process_arg(p, "--local=/#/");
	if (d->has_core) {
		process_arg(p, "--srv-host=_sips._tcp.%s,core.%s,%u", d->zone, d->zone, d->core);
	} else {
		process_arg(p, "--srv-host=_sips._tcp.%s,sip.%s,%u", d->zone, d->zone, d->sips);
		process_arg(p, "--srv-host=_sip._tcp.%s,sip.%s,%u", d->zone, d->zone, d->sip);
		process_arg(p, "--srv-host=_sip._udp.%s,sip.%s,%u", d->zone, d->zone, d->sip);
	}
	p->unprivileged = 1;
	p->port = d->dns;
	domain_path(d, p->log, "dns/log");

	char path[PATH_MAX], text[80];
	snprintf(text, sizeof text, "nameserver 127.0.0.1\nport %u\n", d->dns);
	return domain_write_file(domain_path(d, path, "dns/resolv.conf"), text, err, err_size);
}

static int add_daemons(struct supervisor *s, char *err, size_t err_size)
{
	static const struct {
		const char *name, *folder;
	} daemons[] = {{"mcx-idms", "idms"}, {"mcx-kms", "kms"}, {"mcx-server", "server"}};
	char program[PATH_MAX], path[PATH_MAX];
	for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++) {
		process_find(daemons[i].name, program, sizeof program);
		if (!program[0]) {
			snprintf(err, err_size, "%s is not beside this program", daemons[i].name);
			return -1;
		}
		struct process *p = &s->p[s->n++];
		process_init(p, daemons[i].name, program);
		process_arg(p, "--config");
		process_arg(p, "%s", domain_path(s->d, path, "%s/conf", daemons[i].folder));
		process_arg(p, "--ready-fd");
		process_arg(p, "3");
		p->says_ready = 1;
		domain_path(s->d, p->log, "%s/log", daemons[i].folder);
	}
	return 0;
}

/* Its first process ends the others when it is told to, or when we are gone. */
static int add_core(struct supervisor *s, char *err, size_t err_size)
{
	const char *program = core_program();
	char path[PATH_MAX];
	if (!s->d->has_core)
		return 0;
	if (!program) {
		snprintf(err, err_size, "kamailio is not installed; apt-get install kamailio kamailio-tls-modules");
		return -1;
	}
	struct process *p = &s->p[s->n++];
	process_init(p, "kamailio", program);
	process_arg(p, "-f");
	process_arg(p, "%s", domain_path(s->d, path, "core/kamailio.cfg"));
	process_arg(p, "-DD");
	process_arg(p, "-E");
	process_arg(p, "-Y");
	process_arg(p, "%s", domain_path(s->d, path, "core"));
	p->family = 1;
	p->port = s->d->core;
	domain_path(s->d, p->log, "core/log");
	return 0;
}

/* ---- run.json ---- */

static json_t *addresses_json(const struct domain *d)
{
	json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "identity",
				json_sprintf("https://idms.%s:%u", d->zone, d->idms), "identity_admin",
				json_sprintf("https://idms.%s:%u", d->zone, d->idms_admin), "keys",
				json_sprintf("https://kms.%s:%u", d->zone, d->kms), "keys_admin",
				json_sprintf("https://kms.%s:%u", d->zone, d->kms_admin), "sip",
				json_sprintf("sip:sip.%s:%u", d->zone, d->sip), "sips",
				json_sprintf("sip:sip.%s:%u;transport=tls", d->zone, d->sips), "server_admin",
				json_sprintf("https://sip.%s:%u", d->zone, d->server_admin), "names",
				json_sprintf("127.0.0.1:%u", d->dns), "rtp",
				json_sprintf("127.0.0.1:%u-%u", d->rtp_min, d->rtp_max));
	if (d->has_core)
		json_object_set_new(all, "core", json_sprintf("sip:core.%s:%u;transport=tls", d->zone, d->core));
	return all;
}

static void write_state(struct supervisor *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->n; i++) {
		const struct process *p = &s->p[i];
		json_t *told = json_loads(p->told, 0, NULL);
		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:s, s:i, s:s, s:o}", "name", p->name, "pid", (int)p->pid,
						"state", process_state_name(p->state), "restarts", (int)p->restarts,
						"log", p->log, "ready", told ? told : json_object()));
	}
	json_t *root =
	    json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "state", s->state, "zone", s->d->zone, "folder", s->d->dir,
		      "supervisor", (int)getpid(), "addresses", addresses_json(s->d), "processes", list);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	char path[PATH_MAX], err[256];
	if (!text || domain_write_file(domain_path(s->d, path, "run.json"), text, err, sizeof err))
		log_error("supervisor.state-not-written", log_text("error", text ? err : "no memory"));
	free(text);
	json_decref(root);
}

static void tell(struct supervisor *s, const char *line)
{
	if (s->report < 0)
		return;
	if (write(s->report, line, strlen(line)) < 0)
		log_warn("supervisor.nobody-listens");
	close(s->report);
	s->report = -1;
}

/* ---- life ---- */

static void stop_all(struct supervisor *s)
{
	s->stopping = 1;
	s->state = "stopping";
	int64_t limit = process_now_ms() + STOP_LIMIT_MS;
	/* Last started, first ended: nobody loses a service it still uses. */
	for (size_t i = s->n; i-- > 0;) {
		struct process *p = &s->p[i];
		if (!p->pid)
			continue;
		p->state = PROCESS_STOPPING;
		kill(p->pid, SIGTERM);
		int status = 0;
		while (waitpid(p->pid, &status, WNOHANG) == 0) {
			if (process_now_ms() > limit) {
				log_error("supervisor.killed", log_text("name", p->name), log_int("pid", p->pid));
				kill(p->pid, SIGKILL);
				limit = INT64_MAX;
			}
			usleep(5000);
		}
		process_ended(p, status, process_now_ms());
	}
	s->state = "down";
	write_state(s);
}

static int give_up(struct supervisor *s, const struct process *p, const char *why)
{
	char line[PATH_MAX + 256];
	snprintf(line, sizeof line, "%s: %s; its log is %s", p->name, why, p->log);
	log_error("supervisor.gave-up", log_text("error", line));
	stop_all(s);
	tell(s, line);
	return -1;
}

/* Starts what is due: the next of the first round, or one whose pause is over. -1: the first start failed for good. */
static int start_due(struct supervisor *s, int64_t now)
{
	if (s->next < s->n && (s->next == 0 || s->p[s->next - 1].state == PROCESS_READY)) {
		struct process *p = &s->p[s->next++];
		if (process_start(p, now))
			return give_up(s, p, strerror(errno));
	}
	for (size_t i = 0; i < s->next; i++) {
		struct process *p = &s->p[i];
		if (p->again_ms && now >= p->again_ms && process_start(p, now))
			p->again_ms = now + p->backoff_ms;
	}
	return 0;
}

static int reap(struct supervisor *s)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->n; i++) {
			struct process *p = &s->p[i];
			if (p->pid != pid)
				continue;
			char why[128];
			process_ended(p, status, process_now_ms());
			process_why(p, why, sizeof why);
			log_warn("supervisor.ended", log_text("name", p->name), log_int("pid", pid),
				 log_text("why", why));
			write_state(s);
			/* In the first round a process that cannot start is the person's problem, not a crash. */
			if (s->report >= 0 && (WIFEXITED(status) || p->restarts >= FIRST_TRIES))
				return give_up(s, p, why);
		}
	}
	return 0;
}

static int note_ready(struct supervisor *s)
{
	for (size_t i = 0; i < s->next; i++) {
		struct process *p = &s->p[i];
		if (p->state != PROCESS_STARTING || (p->says_ready && p->ready_fd < 0))
			continue;
		if (process_read_ready(p) == 1) {
			p->state = PROCESS_READY;
			log_info("supervisor.ready", log_text("name", p->name), log_int("pid", p->pid),
				 log_int("ms", process_now_ms() - p->started_ms));
			write_state(s);
		} else if (s->report >= 0 && process_now_ms() - p->started_ms > START_LIMIT_MS) {
			return give_up(s, p, "did not become ready within a minute");
		}
	}
	if (s->report >= 0 && s->next == s->n && s->p[s->n - 1].state == PROCESS_READY) {
		s->state = "up";
		write_state(s);
		tell(s, "ok");
	}
	return 0;
}

static void watch(struct supervisor *s, int signals)
{
	while (!s->stopping) {
		struct pollfd fds[1] = {{.fd = signals, .events = POLLIN}};
		int busy = 0; /* readiness and pauses are looked at every tick, but only while there are any */
		for (size_t i = 0; i < s->n; i++)
			busy |= s->p[i].state != PROCESS_READY;
		poll(fds, 1, busy ? TICK_MS : -1);
		struct signalfd_siginfo info;
		while (read(signals, &info, sizeof info) == sizeof info)
			if (info.ssi_signo != SIGCHLD) {
				stop_all(s);
				tell(s, "the supervisor was told to end");
				return;
			}
		if (reap(s) || start_due(s, process_now_ms()) || note_ready(s))
			return;
	}
}

static int block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * domain_prepare in a process of its own, which ends with it: it has the keys of the authorities in memory, libraries
 * keep copies, and the supervisor stays for years.
 */
static int prepare_apart(struct domain *d, char *err, size_t err_size)
{
	int fds[2], status = -1;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int bad = domain_prepare(d, err, err_size);
		_exit(bad && write(fds[1], err, strlen(err)) >= 0 ? 1 : bad ? 2 : 0);
	}
	close(fds[1]);
	ssize_t n = pid > 0 ? read(fds[0], err, err_size - 1) : 0;
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (n > 0)
		err[n] = 0;
	else
		snprintf(err, err_size, "the certificates and configurations could not be made");
	return -1;
}

/* The supervisor's whole life; never returns. */
static void supervise(struct domain *d, int report)
{
	struct supervisor *s = calloc(1, sizeof *s);
	char err[480] = "no memory", log[PATH_MAX];
	setsid();
	umask(077);
	int out = open(domain_path(d, log, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!s || out < 0 || null < 0)
		_exit(1);
	dup2(null, 0), dup2(null, 1), dup2(out, 2);
	log_open("mcx-supervisor", LOG_LEVEL_INFO);
	*s = (struct supervisor){.d = d, .report = report, .state = "starting"};
	if (domain_hold(d)) {
		tell(s, "another `mcx up` is starting this domain");
		_exit(1);
	}
	write_state(s); /* at once: the file of an earlier life may still say "up" */
	int signals = block_signals();
	if (signals < 0 || prepare_apart(d, err, sizeof err) || add_name_server(s, err, sizeof err) ||
	    add_daemons(s, err, sizeof err) || add_core(s, err, sizeof err)) {
		tell(s, err);
		_exit(1);
	}
	write_state(s);
	watch(s, signals);
	free(s);
	_exit(0);
}

static int state_is_up(struct domain *d)
{
	char path[PATH_MAX];
	json_t *root = json_load_file(domain_path(d, path, "run.json"), 0, NULL);
	const char *state = json_string_value(json_object_get(root, "state"));
	int up = state && strcmp(state, "up") == 0;
	json_decref(root);
	return up;
}

int domain_up(struct domain *d, struct domain_start *out)
{
	int fds[2];
	int64_t begin = process_now_ms();
	memset(out, 0, sizeof *out);
	if (domain_holder(d)) {
		/* Running, or on its way: wait for whoever started it. */
		while (!state_is_up(d) && domain_holder(d) && process_now_ms() - begin < START_LIMIT_MS)
			usleep(50000);
		out->already = 1;
		if (state_is_up(d))
			return 0;
	}
	out->already = 0;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		snprintf(out->err, sizeof out->err, "%s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		supervise(d, fds[1]);
	}
	close(fds[1]);
	ssize_t n = pid > 0 ? read(fds[0], out->err, sizeof out->err - 1) : 0;
	close(fds[0]);
	out->ms = (double)(process_now_ms() - begin);
	if (n <= 0)
		snprintf(out->err, sizeof out->err, "the supervisor ended early; its log is %.300s/log", d->dir);
	return n == 2 && memcmp(out->err, "ok", 2) == 0 ? 0 : -1;
}

int domain_down(struct domain *d, int *was_up, char *err, size_t err_size)
{
	pid_t pid = domain_holder(d);
	int64_t limit = process_now_ms() + STOP_LIMIT_MS + 4000;
	*was_up = pid != 0;
	if (!pid)
		return 0;
	if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
		snprintf(err, err_size, "the supervisor (process %ld) cannot be ended: %s", (long)pid, strerror(errno));
		return -1;
	}
	while (domain_holder(d) == pid) {
		if (process_now_ms() > limit) {
			snprintf(err, err_size, "the supervisor (process %ld) does not end", (long)pid);
			return -1;
		}
		waitpid(pid, NULL, WNOHANG); /* when this process started it */
		usleep(10000);
	}
	waitpid(pid, NULL, WNOHANG);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - starting one process with clean descriptors, a small environment and its parent's life, and what
 * happens when it ends.
 */
#include "tool/domain/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/daemon.h"

enum { FIRST_BACKOFF_MS = 100, MAX_BACKOFF_MS = 5000, STEADY_MS = 10000 };

int64_t process_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *process_state_name(enum process_state s)
{
	static const char *const names[] = {[PROCESS_DOWN] = "down",
					    [PROCESS_STARTING] = "starting",
					    [PROCESS_READY] = "ready",
					    [PROCESS_STOPPING] = "stopping"};
	return names[s];
}

void process_init(struct process *p, const char *name, const char *program)
{
	memset(p, 0, sizeof *p);
	p->name = name;
	p->ready_fd = -1;
	p->backoff_ms = FIRST_BACKOFF_MS;
	process_arg(p, "%s", program);
}

void process_arg(struct process *p, const char *fmt, ...)
{
	va_list ap;
	size_t left = sizeof p->text - p->text_used;
	va_start(ap, fmt);
	int n = vsnprintf(p->text + p->text_used, left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= left || p->n_args >= PROCESS_ARGS)
		abort();
	p->argv[p->n_args++] = p->text + p->text_used;
	p->text_used += (size_t)n + 1;
}

/* Only what a daemon may need from the person's shell. */
static char **small_environment(void)
{
	static const char *const kept[] = {
	    "PATH",     "LANG",          "TZ", "MCX_LOG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
#ifdef MCX_BITE /* sec/base/check.h */
	    "MCX_BITE", "MCX_BITE_SEEN",
#endif
	};
	static char *env[sizeof kept / sizeof *kept + 1];
	harden_environment(kept, sizeof kept / sizeof *kept, env);
	return env;
}

/* A program that changes its own user loses the parent-death signal with it: so it is changed before. */
static void give_up_rights(void)
{
	enum { NOBODY = 65534 };
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) != 0))
		_exit(127);
}

static void become(const struct process *p, int ready_fd, pid_t parent)
{
	enum { READY_AT = 3 };
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int null = open("/dev/null", O_RDONLY);
	int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	if (ready_fd >= 0 && ready_fd != READY_AT && dup2(ready_fd, READY_AT) < 0)
		_exit(127);
	if (ready_fd == READY_AT)
		fcntl(READY_AT, F_SETFD, 0);
	if (p->family)
		setpgid(0, 0);
	if (p->unprivileged)
		give_up_rights();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* the supervisor died before the line above */
	close_range(ready_fd >= 0 ? READY_AT + 1 : READY_AT, ~0U, 0);
	execve(p->argv[0], p->argv, small_environment());
	dprintf(2, "{\"event\":\"supervisor.exec-failed\",\"program\":\"%s\",\"errno\":%d}\n", p->argv[0], errno);
	_exit(127);
}

int process_start(struct process *p, int64_t now_ms)
{
	int fds[2] = {-1, -1};
	if (p->says_ready && pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		become(p, fds[1], parent);
	if (fds[1] >= 0)
		close(fds[1]);
	if (pid < 0) {
		if (fds[0] >= 0)
			close(fds[0]);
		return -1;
	}
	p->pid = pid;
	p->ready_fd = fds[0];
	p->state = PROCESS_STARTING;
	p->started_ms = now_ms;
	p->again_ms = 0;
	return 0;
}

static int port_answers(uint16_t port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int good = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

int process_read_ready(struct process *p)
{
	if (!p->says_ready)
		return port_answers(p->port);
	ssize_t n = read(p->ready_fd, p->told, sizeof p->told - 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	p->told[n > 0 ? n : 0] = '\0';
	close(p->ready_fd);
	p->ready_fd = -1;
	return n > 0 ? 1 : -1;
}

void process_ended(struct process *p, int status, int64_t now_ms)
{
	if (p->ready_fd >= 0)
		close(p->ready_fd);
	p->ready_fd = -1;
	if (p->family && p->pid > 0)
		kill(-p->pid, SIGKILL);
	p->pid = 0;
	p->last_status = status;
	int wanted = p->state == PROCESS_STOPPING;
	if (p->state == PROCESS_READY && now_ms - p->started_ms > STEADY_MS)
		p->backoff_ms = FIRST_BACKOFF_MS;
	p->state = PROCESS_DOWN;
	if (wanted)
		return;
	p->restarts++;
	p->again_ms = now_ms + p->backoff_ms;
	p->backoff_ms = p->backoff_ms * 2 > MAX_BACKOFF_MS ? MAX_BACKOFF_MS : p->backoff_ms * 2;
}

void process_why(const struct process *p, char *out, size_t size)
{
	static const struct {
		int code;
		const char *text;
	} codes[] = {{1, "start failed"},
		     {2, "wrong arguments"},
		     {5, "configuration refused"},
		     {127, "the program could not be started"}};
	if (WIFSIGNALED(p->last_status)) {
		snprintf(out, size, "ended by signal %d (%s)", WTERMSIG(p->last_status),
			 strsignal(WTERMSIG(p->last_status)));
		return;
	}
	int code = WEXITSTATUS(p->last_status);
	const char *text = "";
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (codes[i].code == code)
			text = codes[i].text;
	snprintf(out, size, "exit code %d%s%s", code, *text ? ": " : "", text);
}

void process_find(const char *name, char *out, size_t size)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0)
		self[n] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	/* Installed: side by side, or in bin and sbin. Build tree: src/tool/mcx and src/kms/mcx-kms. */
	const char *const places[] = {"", "../sbin/", "../", NULL};
	for (size_t i = 0; places[i]; i++) {
		int in_tree = i == 2;
		snprintf(out, size, "%s/%s%s%s%s", self, places[i], in_tree ? name + strlen("mcx-") : "",
			 in_tree ? "/" : "", name);
		if (access(out, X_OK) == 0)
			return;
	}
	out[0] = '\0';
}

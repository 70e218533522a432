/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.c - see keeper.h. Its input is one octet at a time; it reads no file and holds no secret.
 */
#include "kms/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/daemon.h"

enum { CONTROL = 3, FIRST_CHANNEL = 3, END_WAIT_MS = 3000 };

struct keeping {
	const char *config_path;
	char program[PATH_MAX + 16];
	int channels;
	pid_t issuer; /* 0: none runs */
};

/* ---- in the keeper ---- */

/* What the issuer, a custody's module or a sanitizer may need; nothing of the rest. */
static char **small_environment(void)
{
	static const char *const kept[] = {"CREDENTIALS_DIRECTORY", "SOFTHSM2_CONF", "TZ",          "LANG",
					   "ASAN_OPTIONS",          "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	static char *env[sizeof kept / sizeof *kept + 1];
	harden_environment(kept, sizeof kept / sizeof *kept, env);
	return env;
}

/* In the child: its channels become the descriptors from 3 on, and nothing else is open. */
static void become_issuer(const struct keeping *k, int (*pair)[2])
{
	char number[16];
	int moved[KEEPER_CHANNELS_MAX];
	for (int i = 0; i < k->channels; i++) /* first out of the way of one another */
		moved[i] = fcntl(pair[i][1], F_DUPFD, FIRST_CHANNEL + k->channels);
	for (int i = 0; i < k->channels; i++)
		if (moved[i] < 0 || dup2(moved[i], FIRST_CHANNEL + i) < 0)
			_exit(127);
	close_range((unsigned)(FIRST_CHANNEL + k->channels), ~0U, 0);
	snprintf(number, sizeof number, "%d", k->channels);
	char *const args[] = {"mcx-kms-issuer", "--config", (char *)k->config_path, "--channels", number, NULL};
	execve(k->program, args, small_environment());
	log_error("keeper.exec-failed", log_text("program", k->program), log_text("error", strerror(errno)));
	_exit(127);
}

static int give_channels(int (*pair)[2], int n)
{
	union {
		char room[CMSG_SPACE(KEEPER_CHANNELS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char octet = 1;
	struct iovec io = {&octet, 1};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
	if (n) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		for (int i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &pair[i][0], sizeof(int));
	}
	return sendmsg(CONTROL, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static void end_issuer(struct keeping *k)
{
	if (!k->issuer)
		return;
	kill(k->issuer, SIGKILL);
	waitpid(k->issuer, NULL, 0);
	k->issuer = 0;
}

static void launch(struct keeping *k)
{
	int pair[KEEPER_CHANNELS_MAX][2], made = 0;
	end_issuer(k);
	while (made < k->channels && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair[made]) == 0)
		made++;
	pid_t pid = made == k->channels ? fork() : -1;
	if (pid == 0)
		become_issuer(k, pair);
	k->issuer = pid > 0 ? pid : 0;
	if (give_channels(pair, pid > 0 ? made : 0))
		end_issuer(k);
	for (int i = 0; i < made; i++)
		close(pair[i][0]), close(pair[i][1]);
}

static void reap(struct keeping *k)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);
	if (pid <= 0 || pid != k->issuer)
		return;
	k->issuer = 0;
	log_error("keeper.issuer-ended", log_int("pid", pid),
		  log_int("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
		  log_int("code", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
}

/* The front end is gone, and the issuer's channels with it: it ends by itself, or is ended. */
static void finish(struct keeping *k)
{
	for (int ms = 0; k->issuer && ms < END_WAIT_MS; ms += 5) {
		if (waitpid(k->issuer, NULL, WNOHANG) == k->issuer)
			k->issuer = 0;
		else
			nanosleep(&(struct timespec){0, 5000000}, NULL);
	}
	end_issuer(k);
	_exit(0);
}

static void keep(struct keeping *k, int control)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};
	sigset_t set;
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (control != CONTROL && dup2(control, CONTROL) < 0)
		_exit(1);
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(1);
	close_range(CONTROL + 1, ~0U, 0);
	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_NAME, "mcx-kms-keeper");
	log_open("mcx-kms-keeper", LOG_LEVEL_INFO);
	for (;;) {
		struct pollfd p[] = {{.fd = CONTROL, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
		struct signalfd_siginfo info;
		char octet;
		if (poll(p, 2, -1) < 0)
			continue;
		while (read(signals, &info, sizeof info) == sizeof info)
			;
		reap(k);
		if (!p[0].revents)
			continue;
		if (recv(CONTROL, &octet, 1, 0) != 1)
			finish(k);
		launch(k);
	}
}

/* ---- in the front end ---- */

/* mcx-kms-issuer stands beside this program. */
static int find_program(char *out, size_t size)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0)
		return -1;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	snprintf(out, size, "%.*s/mcx-kms-issuer", (int)(slash - self), self);
	return access(out, X_OK);
}

int keeper_start(struct keeper *k, const char *config_path, int channels)
{
	int pair[2];
	struct keeping keeping = {.config_path = config_path, .channels = channels};
	*k = (struct keeper){.control = -1};
	if (find_program(keeping.program, sizeof keeping.program) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	k->pid = fork();
	if (k->pid == 0)
		keep(&keeping, pair[1]);
	close(pair[1]);
	k->control = pair[0];
	if (k->pid > 0)
		return 0;
	close(pair[0]);
	k->control = -1;
	return -1;
}

int keeper_launch(struct keeper *k, int *channel, int channels)
{
	union {
		char room[CMSG_SPACE(KEEPER_CHANNELS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	char octet = 1;
	struct iovec io = {&octet, 1};
	struct msghdr m = {
	    .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
	ssize_t n;
	if (k->control < 0 || send(k->control, &octet, 1, MSG_NOSIGNAL) != 1)
		return -1;
	do
		n = recvmsg(k->control, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN((size_t)channels * sizeof(int)))
		return -1;
	memcpy(channel, CMSG_DATA(c), (size_t)channels * sizeof(int));
	return 0;
}

void keeper_stop(struct keeper *k)
{
	if (k->control >= 0)
		close(k->control);
	k->control = -1;
	if (k->pid > 0)
		waitpid(k->pid, NULL, 0);
	k->pid = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - mcx-kms-issuer, the process of the key management server that holds KSAK and z_T (kms.md 15A row 8).
 *
 * mcx-kms starts it with its channels, a range of descriptors from 3 on; it ends with them. In this order: harden, read
 * the configuration and the custody it names, become a user of its own, test the cryptography, answer the first message
 * (which opens or creates the domain), give up all other system calls, then one thread a channel answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/daemon.h"
#include "kms/config.h"
#include "kms/issuer/confine.h"
#include "kms/issuer/serve.h"
#include "mcsec/secret.h"

enum { FIRST_CHANNEL = 3, MAX_CHANNELS = 64 };

static struct issuer_desk desk = {.rng = &mcsec_rng_system, .custody_absent = CUSTODY_ABSENT};
static pthread_barrier_t confined;

/* ---- one channel ---- */

/* 1 after an exchange, 0 when the other side is gone. */
static int exchange(int fd, uint8_t *request, uint8_t *answer, int hold)
{
	ssize_t n;
	do
		n = recv(fd, request, ISSUER_REQUEST_MAX + 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	size_t len = issuer_serve(&desk, (struct octets){request, (size_t)n}, answer);
	if (hold && desk.begun && confine_issuer()) {
		log_error("issuer.not-confined", log_text("error", "the kernel refuses the filter of system calls"));
		return 0;
	}
	int sent = send(fd, answer, len, MSG_NOSIGNAL) == (ssize_t)len;
	mcsec_wipe(answer, len);
	return sent;
}

/* Until the front end is gone; then the secrets are wiped and the process ends. */
static void answer_all(int fd, uint8_t *request, uint8_t *answer)
{
	while (exchange(fd, request, answer, 0))
		;
	vault_seal(desk.vault);
	_exit(0);
}

static void *serve_channel(void *ctx)
{
	uint8_t *request = mcsec_secret_alloc(ISSUER_REQUEST_MAX + 1), *answer = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	pthread_barrier_wait(&confined);
	if (request && answer)
		answer_all(FIRST_CHANNEL + (int)(intptr_t)ctx, request, answer);
	_exit(1);
}

/* The threads wait at a barrier until the filter holds for all of them. Returns only when nothing was begun. */
static void serve(int channels)
{
	uint8_t *request = mcsec_secret_alloc(ISSUER_REQUEST_MAX + 1), *answer = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	pthread_t thread;
	if (!request || !answer || pthread_barrier_init(&confined, NULL, (unsigned)channels))
		return;
	for (int i = 1; i < channels; i++)
		if (pthread_create(&thread, NULL, serve_channel, (void *)(intptr_t)i))
			return;
	if (!exchange(FIRST_CHANNEL, request, answer, 1) || !desk.begun)
		return;
	custody_detach(desk.custody);
	desk.custody = NULL;
	pthread_barrier_wait(&confined);
	answer_all(FIRST_CHANNEL, request, answer);
}

/* ---- start ---- */

static int fail(const char *why)
{
	log_error("issuer.start-failed", log_text("error", why));
	return DAEMON_FAILED;
}

static int attach(const struct kms_config *c)
{
	struct custody_place place = {.kind = CUSTODY_BY_PASSPHRASE, .passphrase = c->passphrase};
	desk.custody_absent = custody_attach(&place, &desk.custody);
	return desk.custody_absent == CUSTODY_RESOURCES ? -1 : 0;
}

static void ignore_signals(void)
{
	/* a terminal and a service manager signal all processes at once; our end comes through the channels */
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int lock_memory(const struct kms_config *c)
{
	desk.memory_locked = mcsec_secret_is_locked();
	if (desk.memory_locked)
		return 0;
	log_warn("issuer.memory-not-locked", log_text("because", "RLIMIT_MEMLOCK; see memory_lock"));
	return strcmp(c->memory_lock, "required") == 0 ? -1 : 0;
}

static int start(const struct kms_config *c, int channels)
{
	char err[256];
	int separate = 0;
	pid_t parent = getppid();
	/* A user named for us is given what it needs; without a name, what root may read is read first. */
	if (c->issuer_user[0] && confine_user(c->issuer_user, &separate, err, sizeof err))
		return fail(err);
	if (attach(c))
		return fail("no memory");
	if (!c->issuer_user[0] && confine_user("", &separate, err, sizeof err))
		return fail(err);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return fail("the front end is gone");
	desk.vault = vault_new();
	if (!desk.vault || issuer_self_test(&mcsec_rng_system))
		return fail("the self-test of the cryptography failed");
	if (lock_memory(c))
		return fail("secret memory cannot be locked, and the configuration demands it");
	log_info("issuer.ready", log_int("pid", getpid()), log_int("uid", geteuid()), log_int("own_user", separate),
		 log_int("filtered", !confine_is_off()), log_int("memory_locked", desk.memory_locked));
	serve(channels);
	return fail("the front end is gone, or named no domain");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'}, {"channels", required_argument, NULL, 'n'}, {0}};
	const char *path = NULL;
	long channels = 0;
	int o;
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (o == 'c')
			path = optarg;
		else if (o == 'n')
			channels = strtol(optarg, NULL, 10);
		else
			return DAEMON_USAGE;
	}
	if (!path || channels < 1 || channels > MAX_CHANNELS || fcntl(FIRST_CHANNEL, F_GETFD) < 0) {
		fprintf(stderr, "mcx-kms-issuer: mcx-kms starts this program\n");
		return DAEMON_USAGE;
	}
	daemon_harden();
	ignore_signals();
	log_open("mcx-kms-issuer", LOG_LEVEL_INFO);
	struct kms_config *c = calloc(1, sizeof *c);
	char err[1024];
	if (!c || config_load(path, kms_options, kms_n_options, c, err, sizeof err))
		return fail(c ? err : "no memory");
	return start(c, (int)channels);
}

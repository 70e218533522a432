/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - mcx-kms-issuer, the process of the key management server that holds KSAK and z_T (kms.md 15A row 8).
 *
 * mcx-kms starts it with its channels, a range of descriptors from 3 on; it ends with them. In this order: harden, read
 * the configuration, test the cryptography, attach the custody that the first message needs, become a user of its own,
 * carry the message out (it opens or creates the domain), give up all other system calls, answer it; then one thread a
 * channel answers.
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

static struct issuer_desk desk;
static pthread_barrier_t confined;

/* ---- one channel ---- */

/* One request's length, 0 when the other side is gone. */
static size_t take(int fd, uint8_t *request)
{
	ssize_t n;
	do
		n = recv(fd, request, ISSUER_REQUEST_MAX + 1, 0);
	while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

static int give(int fd, uint8_t *answer, size_t len)
{
	int sent = send(fd, answer, len, MSG_NOSIGNAL) == (ssize_t)len;
	mcsec_wipe(answer, len);
	return sent;
}

/* Until the front end is gone; then the secrets are wiped and the process ends. */
static void answer_all(int fd, uint8_t *request, uint8_t *answer)
{
	size_t n;
	while ((n = take(fd, request)) && give(fd, answer, issuer_serve(&desk, (struct octets){request, n}, answer)))
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

/* ---- start ---- */

static int fail(const char *why)
{
	log_error("issuer.start-failed", log_text("error", why));
	return DAEMON_FAILED; /* not 0 */
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

/*
 * What the first message needs, and the user. A user named for us was given what it needs; without a name, what root
 * may read is read first. 0 or -1 and logged.
 */
static int settle(const struct kms_config *c, struct octets first, int *separate)
{
	char err[256];
	pid_t parent = getppid();
	const struct custody_place place = kms_custody_place(c);
	enum custody_kind kind = issuer_custody_of(first, custody_kind_of(c->custody));
	int named = c->issuer_user[0] != 0;
	if (named && confine_user(c->issuer_user, separate, err, sizeof err))
		return fail(err);
	desk.custody_absent = custody_attach(kind, &place, &desk.custody);
	if (desk.custody_absent)
		log_warn("issuer.custody", log_text("kind", custody_kind_name(kind)),
			 log_text("verdict", custody_err_name(desk.custody_absent)));
	if (!named && confine_user("", separate, err, sizeof err))
		return fail(err);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user had cleared it */
	return getppid() == parent ? 0 : fail("the front end is gone");
}

/* Threads wait at a barrier until the filter holds for all of them. */
static int make_threads(int channels)
{
	pthread_t thread;
	if (pthread_barrier_init(&confined, NULL, (unsigned)channels))
		return fail("no memory");
	for (int i = 1; i < channels; i++)
		if (pthread_create(&thread, NULL, serve_channel, (void *)(intptr_t)i))
			return fail("no threads");
	return 0;
}

static int start(const struct kms_config *c, int channels)
{
	int separate = 0;
	uint8_t *request = mcsec_secret_alloc(ISSUER_REQUEST_MAX + 1), *answer = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	if (!request || !answer || issuer_desk_open(&desk, &mcsec_rng_system))
		return fail("no memory");
	if (lock_memory(c))
		return fail("secret memory cannot be locked, and the configuration demands it");
	if (issuer_self_test(&mcsec_rng_system))
		return fail("the self-test of the cryptography failed");
	size_t n = take(FIRST_CHANNEL, request);
	if (!n || settle(c, (struct octets){request, n}, &separate) || make_threads(channels))
		return DAEMON_FAILED;
	n = issuer_serve(&desk, (struct octets){request, n}, answer);
	if (!desk.begun)
		return fail("the front end named no domain");
	log_info("issuer.ready", log_int("pid", getpid()), log_int("uid", geteuid()), log_int("own_user", separate),
		 log_int("filtered", !confine_is_off()), log_int("memory_locked", desk.memory_locked),
		 log_int("sealed", vault_is_sealed(desk.vault)));
	if (confine_issuer())
		return fail("the kernel refuses the filter of system calls");
	pthread_barrier_wait(&confined);
	if (give(FIRST_CHANNEL, answer, n))
		answer_all(FIRST_CHANNEL, request, answer);
	return DAEMON_FAILED;
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
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	char err[1024];
	if (!c || config_load(path, kms_options, kms_n_options, c, err, sizeof err))
		return fail(c ? err : "no memory");
	return start(c, (int)channels);
}

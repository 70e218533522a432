/* SPDX-License-Identifier: Apache-2.0 */
/* failing.c - see failing.h. */
#include "failing.h"

#include <errno.h>
#include <execinfo.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 4, ABOVE = 3, SEEN = 1 << 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int armed; /* 1: a new call fails; 2: one did */
static _Atomic int what;
static _Thread_local int spared;
static uint64_t seen[SEEN]; /* hashes of calls; open addressing */
static unsigned n_seen;

static __attribute__((noinline)) uint64_t where(void)
{
	void *frame[ABOVE + FRAMES];
	int n = backtrace(frame, ABOVE + FRAMES);
	uint64_t h = 14695981039346656037u;
	for (int i = ABOVE - 1; i < n; i++)
		h = (h ^ (uint64_t)(uintptr_t)frame[i]) * 1099511628211u;
	return h ? h : 1;
}

static int is_new(uint64_t h)
{
	size_t i = h % SEEN;
	while (seen[i] && seen[i] != h)
		i = (i + 1) % SEEN;
	if (seen[i] || n_seen > SEEN / 2)
		return 0;
	seen[i] = h;
	n_seen++;
	return 1;
}

/* Not inlined: its frame and its caller's are the ABOVE - 1 that do not count. */
static __attribute__((noinline)) int fails(enum failing kind)
{
	if (armed != 1 || spared)
		return 0;
	pthread_mutex_lock(&lock);
	int yes = armed == 1 && is_new(where());
	if (yes) {
		armed = 2;
		what = (int)kind;
	}
	pthread_mutex_unlock(&lock);
	return yes;
}

void failing_spare(int yes)
{
	spared = yes;
}

void failing_begin(void)
{
	void *frame[2];
	(void)backtrace(frame, 2); /* loads what it needs, which takes memory */
	what = FAILING_NONE;
	armed = 1;
}

enum failing failing_end(void)
{
	armed = 0;
	return (enum failing)what;
}

enum failing failing_now(void)
{
	return (enum failing)what;
}

unsigned failing_count(void)
{
	return n_seen;
}

void failing_forget(void)
{
	pthread_mutex_lock(&lock);
	memset(seen, 0, sizeof seen);
	n_seen = 0;
	pthread_mutex_unlock(&lock);
}

/* ---- the calls ---- */

#define WRAP(type, name, parameters, arguments, kind, failed)                                                          \
	type __real_##name parameters __attribute__((weak)); /* not every program has each of them */                  \
	type __wrap_##name parameters;                                                                                 \
	type __wrap_##name parameters                                                                                  \
	{                                                                                                              \
		if (fails(kind)) {                                                                                     \
			errno = ENOMEM;                                                                                \
			return failed;                                                                                 \
		}                                                                                                      \
		return __real_##name arguments;                                                                        \
	}

WRAP(void *, malloc, (size_t n), (n), FAILING_MACHINE, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), FAILING_MACHINE, NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), FAILING_MACHINE, NULL)
WRAP(char *, strdup, (const char *s), (s), FAILING_MACHINE, NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), FAILING_MACHINE, NULL)
WRAP(void *, mcsec_secret_alloc, (size_t n), (n), FAILING_MACHINE, NULL)
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), FAILING_MACHINE, NULL)
WRAP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), FAILING_MACHINE, NULL)
WRAP(int, RAND_priv_bytes, (unsigned char *p, int n), (p, n), FAILING_MACHINE, 0)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *ctx), (t, a, f, ctx),
     FAILING_MACHINE, EAGAIN)
WRAP(char *, json_dumps, (const void *json, size_t flags), (json, flags), FAILING_MACHINE, NULL)
WRAP(int, sqlite3_step, (void *statement), (statement), FAILING_STORE, 10 /* SQLITE_IOERR */)

/* Our own: a full queue, a message that cannot be made, a socket that cannot be had. */
WRAP(int, worker_submit, (void *pool, const void *job), (pool, job), FAILING_MACHINE, -1)
WRAP(int, commits_add, (void *commits, void *work), (commits, work), FAILING_MACHINE, -1)
WRAP(void *, sip_send, (void *port, const void *rq, void *h, void *ctx), (port, rq, h, ctx), FAILING_MACHINE, NULL)
WRAP(void *, sip_dialog_invite, (void *port, const void *rq, void *h, const void *ev, void *ctx, void *tx),
     (port, rq, h, ev, ctx, tx), FAILING_MACHINE, NULL)
WRAP(void *, sip_dialog_accept, (void *tx, const void *ev, void *ctx), (tx, ev, ctx), FAILING_MACHINE, NULL)
WRAP(void *, sip_dialog_send, (void *d, const void *rq, void *h, void *ctx), (d, rq, h, ctx), FAILING_MACHINE, NULL)
WRAP(void *, rtp_socket_open, (const char *address), (address), FAILING_MACHINE, NULL)

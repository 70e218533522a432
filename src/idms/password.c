/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password.c - see password.h. Hashes are PHC strings, "$argon2id$v=19$m=..,t=..,p=..$salt$hash", salt 16 and hash 32
 * octets. A hash made with less memory or fewer passes than configured now is made anew when its password is right.
 */
#include "idms/password.h"

#include <argon2.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "net/crew.h"

enum { SALT = 16, HASH = 32 };

struct password_pool {
	struct crew crew;
	struct password_job *first, **last;
	unsigned waiting, queue;
	struct password_cost cost;
	char dummy[PASSWORD_PHC];
};

static size_t code_points(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

int password_prepare(const char *typed, int choosing, char *out)
{
	gnutls_datum_t normal = {0};
	size_t n = strlen(typed);
	if (n == 0 || n >= PASSWORD_MAX || gnutls_utf8_password_normalize(typed, (unsigned)n, &normal, 0))
		return -1;
	size_t points = code_points((const char *)normal.data);
	int ok =
	    normal.size < PASSWORD_MAX && points <= PASSWORD_MAX_POINTS && (!choosing || points >= PASSWORD_MIN_POINTS);
	if (ok)
		memcpy(out, normal.data, normal.size + 1);
	gnutls_memset(normal.data, 0, normal.size);
	gnutls_free(normal.data);
	return ok ? 0 : -1;
}

struct password_job *password_job_new(void)
{
	return mcsec_secret_alloc(sizeof(struct password_job));
}

void password_job_free(struct password_job *job)
{
	mcsec_secret_free(job);
}

static int make_hash(const struct password_cost *c, const char *password, char *phc)
{
	uint8_t salt[SALT];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, salt, sizeof salt))
		return -1;
	return argon2id_hash_encoded(c->passes, c->memory_kib, c->lanes, password, strlen(password), salt, sizeof salt,
				     HASH, phc, PASSWORD_PHC) == ARGON2_OK
		   ? 0
		   : -1;
}

static int is_outdated(const char *phc, const struct password_cost *c)
{
	unsigned m = 0, t = 0, p = 0;
	/* NOLINTNEXTLINE(cert-err34-c): libargon2 wrote this text into our own database */
	if (sscanf(phc, "$argon2id$v=19$m=%u,t=%u,p=%u$", &m, &t, &p) != 3)
		return 1;
	return m < c->memory_kib || t < c->passes;
}

static void work_on(struct password_pool *p, struct password_job *j)
{
	if (j->hash_only) {
		j->result = make_hash(&p->cost, j->password, j->phc) ? PASSWORD_FAILED : PASSWORD_RIGHT;
		return;
	}
	int known = j->phc[0] != 0;
	int rc = argon2id_verify(known ? j->phc : p->dummy, j->password, strlen(j->password));
	j->result = rc == ARGON2_OK && known                          ? PASSWORD_RIGHT
		    : rc == ARGON2_OK || rc == ARGON2_VERIFY_MISMATCH ? PASSWORD_WRONG
								      : PASSWORD_FAILED;
	if (j->result == PASSWORD_RIGHT && is_outdated(j->phc, &p->cost))
		j->outdated = make_hash(&p->cost, j->password, j->phc) == 0;
}

static void *work(void *arg)
{
	struct password_pool *p = arg;
	pthread_mutex_lock(&p->crew.lock);
	for (;;) {
		while (!p->first && !p->crew.stopping)
			pthread_cond_wait(&p->crew.more, &p->crew.lock);
		struct password_job *j = p->first;
		if (!j)
			break;
		p->first = j->next;
		if (!p->first)
			p->last = &p->first;
		p->waiting--;
		pthread_mutex_unlock(&p->crew.lock);
		work_on(p, j);
		j->done(j);
		pthread_mutex_lock(&p->crew.lock);
	}
	pthread_mutex_unlock(&p->crew.lock);
	return NULL;
}

struct password_pool *password_pool_start(unsigned threads, unsigned queue, const struct password_cost *cost)
{
	struct password_pool *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->last = &p->first;
	p->queue = queue;
	p->cost = *cost;
	if (make_hash(cost, "nobody has this password", p->dummy)) {
		free(p);
		return NULL;
	}
	if (crew_start(&p->crew, threads, work, p)) {
		password_pool_stop(p);
		return NULL;
	}
	return p;
}

void password_pool_stop(struct password_pool *p)
{
	if (!p)
		return;
	crew_stop(&p->crew);
	free(p);
}

int password_pool_put(struct password_pool *p, struct password_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&p->crew.lock);
	int full = p->waiting >= p->queue || p->crew.stopping;
	if (!full) {
		*p->last = job;
		p->last = &job->next;
		p->waiting++;
		pthread_cond_signal(&p->crew.more);
	}
	pthread_mutex_unlock(&p->crew.lock);
	return full ? -1 : 0;
}

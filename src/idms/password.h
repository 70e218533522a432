/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password.h - passwords as Argon2id (RFC 9106) in a bounded pool of threads, so that a flood of logins costs a queue
 * and not the machine's memory (identity.md 13).
 */
#ifndef MCX_IDMS_PASSWORD_H
#define MCX_IDMS_PASSWORD_H

#include <stddef.h>
#include <stdint.h>

enum { PASSWORD_MAX = 4 * 128 + 1, PASSWORD_PHC = 160, PASSWORD_MIN_POINTS = 8, PASSWORD_MAX_POINTS = 128 };

struct password_cost {
	uint32_t memory_kib, passes, lanes;
};

/*
 * RFC 8265 OpaqueString: NFC, blanks unified, no control characters, no case folding. out has PASSWORD_MAX octets and
 * belongs in secret memory. 0, or -1 if it cannot be a password here (length 8..128 code points counts when
 * `choosing`).
 */
int password_prepare(const char *typed, int choosing, char *out);

enum password_result { PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_FAILED };

struct password_job {
	struct password_job *next;
	char password[PASSWORD_MAX]; /* prepared */
	char phc[PASSWORD_PHC];      /* verify: the stored one; "" : a dummy, so that an unknown user costs the same */
	int hash_only;               /* make phc from password */
	enum password_result result;
	int outdated; /* right, but made with less cost than now: phc holds a new one */
	void (*done)(struct password_job *job);
	void *ctx;
};

/* In secret memory; freeing wipes. */
struct password_job *password_job_new(void);
void password_job_free(struct password_job *job);

struct password_pool;

struct password_pool *password_pool_start(unsigned threads, unsigned queue, const struct password_cost *cost);
/* Runs what is queued, then ends. */
void password_pool_stop(struct password_pool *p);
/* 0: `done` will be called on a pool thread; -1: the queue is full. */
int password_pool_put(struct password_pool *p, struct password_job *job);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - what the parts of bench_ibc share: peers, clock, median and the one form of a row.
 *
 * A row's ratio is peer time / our time from the same rounds. Rows with "sp_asm" true count for the targets.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#include "peer_api.h"

enum { PEERS = 8, ROUNDS_MAX = 9 };

struct side {
	const struct peer_impl *im;
	void *h;
	int sp_asm;
};

struct bench {
	struct side side[PEERS]; /* the first is ours */
	int sides;
	int rounds;       /* of which the median is taken */
	double window_us; /* calls are repeated for so long in a round */
	const char *only; /* part of an operation's name, or NULL */
	struct peer_setup base;
};

/* One call; 0 on success. */
typedef int bench_op(void *ctx);

/* Ends the program with what went wrong. */
void must(int ok, const char *who, const char *what);
double now_us(void);
/* Microseconds of one call in this round, which lasts window_us. */
double timed(const struct bench *b, bench_op *op, void *ctx, const char *who, const char *what);
double median(double *t, int n);
int wanted(const struct bench *b, const char *op);
void row(const char *op, const char *impl, const char *peer, int sp_asm, int consttime, int n, double us, double ratio);

/* bench_own.c: what needs more of libmcsec than peer_api.h has. */
struct own {
	void *ctx; /* of the following: */
	bench_op *create, *open, *issue_batch;
};

struct own own_new(const struct bench *b);
void own_free(struct own *own);
void bench_field_mul(const struct bench *b);
/* allowed: the processors that the process had before it was pinned. */
void bench_threads(const struct bench *b, const cpu_set_t *allowed, struct own *own);

#endif

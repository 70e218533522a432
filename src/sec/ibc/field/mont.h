/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mont.h - integers of 1024 bits modulo p or q of SAKKE parameter set 1 (RFC 6509 App. A), in Montgomery form.
 *
 * A number x stands as x*R mod m with R = 2^1024, in 16 limbs of 64 bits, least significant first, always reduced
 * (below m), so that equality is equality of limbs. Everything here takes the same time for all values.
 * Results may overlap operands. A mask is all ones for yes, zero for no.
 *
 * The multiplications come from a back end: portable C, or x86-64 code chosen once by what the processor offers.
 */
#ifndef MCSEC_IBC_MONT_H
#define MCSEC_IBC_MONT_H

#include <stddef.h>
#include <stdint.h>

enum { NUM_LIMBS = 16, NUM_OCTETS = 128 };

typedef uint64_t mask_t;

struct num {
	_Alignas(64) uint64_t v[NUM_LIMBS];
};

struct modulus {
	struct num m, one, rr; /* the modulus, R mod m, R^2 mod m */
	uint64_t n0;           /* -1/m mod 2^64 */
};

extern const struct modulus FP, FQ;

/* A product before its reduction: lets sums of products share one (mont_redc). */
struct wide {
	_Alignas(64) uint64_t v[2 * NUM_LIMBS];
};

struct mont_backend {
	const char *name;
	void (*mul)(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
	void (*sqr)(struct num *r, const struct num *a, const struct modulus *m);
	void (*add)(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
	void (*sub)(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
	void (*mul_wide)(struct wide *r, const struct num *a, const struct num *b);
	/* Sums and differences of products, modulo m * R: operands and results below m * R. */
	void (*wide_add)(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m);
	void (*wide_sub)(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m);
	/* r = t / R mod m for t < m * R */
	void (*redc)(struct num *r, const struct wide *t, const struct modulus *m);
	/* a b / 2^256 modulo the prime of P-256; NULL: p256_field.h has it in C */
	void (*p256_mul)(uint64_t r[4], const uint64_t a[4], const uint64_t b[4]);
};

/* mont_ifma.c: for a b below m 2^1024. */
void ifma_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
void ifma_sqr(struct num *r, const struct num *a, const struct modulus *m);

/* The back end in use: set before main, changed only by tests. */
extern const struct mont_backend *mont;
extern const struct mont_backend mont_portable;
/*
 * "portable", "mulx" or "ifma". Test only: takes "mulx" even where CPUID hides it. 0 when this build, or for "ifma"
 * this processor, has none of that name.
 */
int mont_force(const char *name);

void num_neg(struct num *r, const struct num *a, const struct modulus *m);
/* 1/a in Montgomery form; 0 for 0. */
void num_inv(struct num *r, const struct num *a, const struct modulus *m);
/*
 * Replace each of the n numbers by its inverse with one inversion (Montgomery's trick). scratch holds n numbers.
 * Yes if none was zero; else all come back zero.
 */
mask_t num_inv_many(struct num *a, struct num *scratch, size_t n, const struct modulus *m);
mask_t num_is_zero(const struct num *a);
mask_t num_equal(const struct num *a, const struct num *b);
/* r = yes ? a : r */
void num_cmov(struct num *r, const struct num *a, mask_t yes);
/* r -= m if r >= m, for plain integers. */
void num_reduce_once(struct num *r, const struct num *m);
/* Plain integers, big-endian octets; `reduced` tells whether the integer is below m. */
void num_load(struct num *r, const uint8_t in[NUM_OCTETS]);
void num_store(uint8_t out[NUM_OCTETS], const struct num *a);
mask_t num_below(const struct num *a, const struct num *m);

static inline void num_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	mont->mul(r, a, b, m);
}

static inline void num_sqr(struct num *r, const struct num *a, const struct modulus *m)
{
	mont->sqr(r, a, m);
}

static inline void num_add(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	mont->add(r, a, b, m);
}

static inline void num_sub(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	mont->sub(r, a, b, m);
}

/* Into and out of Montgomery form. */
static inline void num_enter(struct num *r, const struct num *a, const struct modulus *m)
{
	mont->mul(r, a, &m->rr, m);
}

void num_leave(struct num *r, const struct num *a, const struct modulus *m);

static inline mask_t mask_of_bit(uint64_t bit)
{
	return 0 - bit;
}

/* All ones if a == b. */
static inline mask_t mask_equal(uint64_t a, uint64_t b)
{
	uint64_t d = a ^ b;
	return ((d | (0 - d)) >> 63) - 1;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mont.c - the portable back end and what needs no multiplication.
 *
 * Montgomery multiplication row by row: after row i the lowest limb has been made zero by a multiple of m and dropped.
 * Sums stay below 2m, so one masked subtraction of m ends each operation. No branch depends on a value.
 */
#include <string.h>

#include "mcsec/secret.h"
#include "sec/ibc/field/modinv.h"
#include "sec/ibc/field/mont.h"

typedef unsigned __int128 u128;

const struct modulus FP = {
    .m = {{
	0x666d807afea85feb,
	0x80c5df10ac7ace87,
	0xfce3e82389857db0,
	0x9f94d6af56971f1f,
	0xa7cf3c521c3c09aa,
	0xb6aff4a831852a82,
	0x512ac5cd65681ce1,
	0xe26c6487326b4cd4,
	0x356d27f4a666a6d0,
	0xe791b39ff7c88a19,
	0x228730d531a59cb0,
	0xf40aab27e2fc0f1b,
	0xbe9ae358b3e01a2e,
	0x416c0ce19cb48261,
	0x65c61198dad0657a,
	0x997abb1f0a563fda,
    }},
    .one = {{
	0x99927f850157a015,
	0x7f3a20ef53853178,
	0x031c17dc767a824f,
	0x606b2950a968e0e0,
	0x5830c3ade3c3f655,
	0x49500b57ce7ad57d,
	0xaed53a329a97e31e,
	0x1d939b78cd94b32b,
	0xca92d80b5999592f,
	0x186e4c60083775e6,
	0xdd78cf2ace5a634f,
	0x0bf554d81d03f0e4,
	0x41651ca74c1fe5d1,
	0xbe93f31e634b7d9e,
	0x9a39ee67252f9a85,
	0x668544e0f5a9c025,
    }},
    .rr = {{
	0xe199c8ceed17b0a1,
	0x7ffd8b4be3620f7f,
	0xca865d5f4f76e245,
	0x623ff8dc27ecf5cb,
	0x229900e1d19bb697,
	0xed6aef26ea40c71f,
	0xa3aed42cc906365c,
	0x17d461b69eab6451,
	0x2009367d7d666da9,
	0x8bcad1dcb63c1d56,
	0x5a126231c31a92dc,
	0x5fb41b0eb8d94c5b,
	0xc113d394843f623c,
	0x5d8d8e74f159f1eb,
	0xae4ba7edb5d48c14,
	0x191640b9698af16a,
    }},
    .n0 = 0x290420077c8f2f3d,
};

const struct modulus FQ = {
    .m = {{
	0xd99b601ebfaa17fb,
	0x203177c42b1eb3a1,
	0xff38fa08e2615f6c,
	0xa7e535abd5a5c7c7,
	0xa9f3cf14870f026a,
	0x6dabfd2a0c614aa0,
	0x144ab173595a0738,
	0x389b1921cc9ad335,
	0x4d5b49fd2999a9b4,
	0x39e46ce7fdf22286,
	0xc8a1cc354c69672c,
	0xbd02aac9f8bf03c6,
	0x6fa6b8d62cf8068b,
	0x905b0338672d2098,
	0x9971846636b4195e,
	0x265eaec7c2958ff6,
    }},
    .one = {{
	0xe65bbf478203701e,
	0x3ed73166fd47ca34,
	0x04aa23cab1b7c377,
	0x10a0bdf8fe1d5150,
	0x04492584d5a5f180,
	0x6df81103b5b8403c,
	0x863fd74be7e3d4ad,
	0xac5d6935345f0cc1,
	0x2fdc4411066605c6,
	0xa4a572900c5330da,
	0x4c3536c0358794f6,
	0x91efff442b85e957,
	0x6217aafaf22fd8b9,
	0x9dddecad94f13c6d,
	0x6756e59ab7c767c8,
	0x19c7e751707ea038,
    }},
    .rr = {{
	0xda18351aab65130d,
	0x53d2a86ff2ea3168,
	0x9cf2730004b7e984,
	0x7df33bab26caacf6,
	0xbd9ffef9a4e7d523,
	0xe4baf1d588717ce0,
	0x24b1bbc4bc93533a,
	0x9ad2dc261db57a34,
	0x422970b3838d8f48,
	0x890491f5401df1e3,
	0xf3d2a16bbcb013be,
	0x9b9de76d5595e10b,
	0x58d7c6f9f724bb45,
	0xb2074f8f97cac807,
	0x76271e07c569cadc,
	0x14274810a10f335f,
    }},
    .n0 = 0xb8a1d17d46eaa4cd,
};

/* r = (carry, t) - m if that is not negative, else t. */
static void subtract_if_above(struct num *r, const uint64_t *t, uint64_t carry, const struct num *m)
{
	uint64_t d[NUM_LIMBS], borrow = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		u128 x = (u128)t[i] - m->v[i] - borrow;
		d[i] = (uint64_t)x;
		borrow = (uint64_t)(x >> 64) & 1;
	}
	mask_t keep = mask_of_bit(borrow & (carry ^ 1));
	for (int i = 0; i < NUM_LIMBS; i++)
		r->v[i] = (t[i] & keep) | (d[i] & ~keep);
}

/* t[0..16] += a * w; returns the carry out of t[16]. */
static uint64_t row(uint64_t *t, const uint64_t *a, uint64_t w)
{
	u128 c = 0;
	for (int j = 0; j < NUM_LIMBS; j++) {
		c += (u128)a[j] * w + t[j];
		t[j] = (uint64_t)c;
		c >>= 64;
	}
	c += t[NUM_LIMBS];
	t[NUM_LIMBS] = (uint64_t)c;
	return (uint64_t)(c >> 64);
}

static void portable_mul_wide(struct wide *r, const struct num *a, const struct num *b)
{
	uint64_t t[2 * NUM_LIMBS + 1] = {0};
	for (int i = 0; i < NUM_LIMBS; i++)
		row(t + i, a->v, b->v[i]);
	memcpy(r->v, t, sizeof r->v);
}

static void portable_wide_add(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m)
{
	u128 c = 0;
	for (int i = 0; i < 2 * NUM_LIMBS; i++) {
		c += (u128)a->v[i] + b->v[i];
		r->v[i] = (uint64_t)c;
		c >>= 64;
	}
	struct num upper;
	subtract_if_above(&upper, r->v + NUM_LIMBS, (uint64_t)c, &m->m);
	memcpy(r->v + NUM_LIMBS, upper.v, sizeof upper.v);
}

static void portable_wide_sub(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m)
{
	uint64_t borrow = 0;
	for (int i = 0; i < 2 * NUM_LIMBS; i++) {
		u128 x = (u128)a->v[i] - b->v[i] - borrow;
		r->v[i] = (uint64_t)x;
		borrow = (uint64_t)(x >> 64) & 1;
	}
	mask_t back = mask_of_bit(borrow);
	u128 c = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		c += (u128)r->v[NUM_LIMBS + i] + (m->m.v[i] & back);
		r->v[NUM_LIMBS + i] = (uint64_t)c;
		c >>= 64;
	}
}

static void portable_redc(struct num *r, const struct wide *t, const struct modulus *m)
{
	uint64_t x[2 * NUM_LIMBS + 1], carry = 0;
	memcpy(x, t->v, sizeof t->v);
	x[2 * NUM_LIMBS] = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		u128 c = (u128)row(x + i, m->m.v, x[i] * m->n0) + carry;
		if (i + NUM_LIMBS + 1 < 2 * NUM_LIMBS) {
			c += x[i + NUM_LIMBS + 1];
			x[i + NUM_LIMBS + 1] = (uint64_t)c;
			carry = (uint64_t)(c >> 64);
		} else {
			carry = (uint64_t)c;
		}
	}
	subtract_if_above(r, x + NUM_LIMBS, carry, &m->m);
}

static void portable_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	uint64_t t[NUM_LIMBS + 2] = {0};
	for (int i = 0; i < NUM_LIMBS; i++) {
		t[NUM_LIMBS + 1] = row(t, a->v, b->v[i]);
		t[NUM_LIMBS + 1] += row(t, m->m.v, t[0] * m->n0);
		memmove(t, t + 1, (NUM_LIMBS + 1) * sizeof *t);
		t[NUM_LIMBS + 1] = 0;
	}
	subtract_if_above(r, t, t[NUM_LIMBS], &m->m);
}

static void portable_sqr(struct num *r, const struct num *a, const struct modulus *m)
{
	portable_mul(r, a, a, m);
}

static void portable_add(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	uint64_t t[NUM_LIMBS];
	u128 c = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		c += (u128)a->v[i] + b->v[i];
		t[i] = (uint64_t)c;
		c >>= 64;
	}
	subtract_if_above(r, t, (uint64_t)c, &m->m);
}

static void portable_sub(struct num *r, const struct num *a, const struct num *b, const struct modulus *m)
{
	uint64_t t[NUM_LIMBS], borrow = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		u128 x = (u128)a->v[i] - b->v[i] - borrow;
		t[i] = (uint64_t)x;
		borrow = (uint64_t)(x >> 64) & 1;
	}
	mask_t back = mask_of_bit(borrow);
	u128 c = 0;
	for (int i = 0; i < NUM_LIMBS; i++) {
		c += (u128)t[i] + (m->m.v[i] & back);
		r->v[i] = (uint64_t)c;
		c >>= 64;
	}
}

const struct mont_backend mont_portable = {
    .name = "portable",
    .mul = portable_mul,
    .sqr = portable_sqr,
    .add = portable_add,
    .sub = portable_sub,
    .mul_wide = portable_mul_wide,
    .wide_add = portable_wide_add,
    .wide_sub = portable_wide_sub,
    .redc = portable_redc,
};
const struct mont_backend *mont = &mont_portable;

#if defined(__x86_64__)
#include <cpuid.h>

/* mont_mulx.S */
void mulx_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
void mulx_sqr(struct num *r, const struct num *a, const struct modulus *m);
void mulx_add(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
void mulx_sub(struct num *r, const struct num *a, const struct num *b, const struct modulus *m);
void mulx_mul_wide(struct wide *r, const struct num *a, const struct num *b);
void mulx_redc(struct num *r, const struct wide *t, const struct modulus *m);
/* wide_mulx.S */
void mulx_wide_add(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m);
void mulx_wide_sub(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m);
/* p256_mulx.S */
void mulx_p256_mul(uint64_t r[4], const uint64_t a[4], const uint64_t b[4]);

static const struct mont_backend mont_mulx = {
    .name = "mulx",
    .mul = mulx_mul,
    .sqr = mulx_sqr,
    .add = mulx_add,
    .sub = mulx_sub,
    .mul_wide = mulx_mul_wide,
    .wide_add = mulx_wide_add,
    .wide_sub = mulx_wide_sub,
    .redc = mulx_redc,
    .p256_mul = mulx_p256_mul,
};

/* Products whose reduction waits stay with MULX. */
static const struct mont_backend mont_ifma = {
    .name = "ifma",
    .mul = ifma_mul,
    .sqr = ifma_sqr,
    .add = mulx_add,
    .sub = mulx_sub,
    .mul_wide = mulx_mul_wide,
    .wide_add = mulx_wide_add,
    .wide_sub = mulx_wide_sub,
    .redc = mulx_redc,
    .p256_mul = mulx_p256_mul,
};

static int has_ifma(void)
{
#if defined(V8_PLAIN)
	return 1;
#else
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512ifma");
#endif
}

__attribute__((constructor)) static void choose(void)
{
	unsigned a, b = 0, c, d;
	__builtin_cpu_init();
	/* AVX2 for the scans of tables; what has ADX has it, unless a hypervisor hides it */
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_BMI2) && (b & bit_ADX) &&
	    __builtin_cpu_supports("avx2"))
		mont = has_ifma() ? &mont_ifma : &mont_mulx;
}
#endif

int mont_force(const char *name)
{
	if (strcmp(name, mont_portable.name) == 0)
		mont = &mont_portable;
#if defined(__x86_64__)
	else if (strcmp(name, mont_mulx.name) == 0)
		mont = &mont_mulx;
	else if (strcmp(name, mont_ifma.name) == 0 && has_ifma())
		mont = &mont_ifma;
#endif
	else
		return 0;
	return 1;
}

void num_neg(struct num *r, const struct num *a, const struct modulus *m)
{
	static const struct num zero;
	num_sub(r, &zero, a, m);
}

void num_inv(struct num *r, const struct num *a, const struct modulus *m)
{
	modinv(r->v, a->v, m->m.v, m->rr.v, NUM_LIMBS); /* R^2 / (a R) = R / a */
}

mask_t num_inv_many(struct num *a, struct num *scratch, size_t n, const struct modulus *m)
{
	if (!n)
		return ~(mask_t)0;
	scratch[0] = a[0];
	for (size_t i = 1; i < n; i++)
		num_mul(&scratch[i], &scratch[i - 1], &a[i], m);
	struct num inv, x;
	num_inv(&inv, &scratch[n - 1], m);
	mask_t ok = ~num_is_zero(&scratch[n - 1]);
	for (size_t i = n - 1; i > 0; i--) {
		num_mul(&x, &inv, &scratch[i - 1], m);
		num_mul(&inv, &inv, &a[i], m);
		a[i] = x;
	}
	a[0] = inv;
	mcsec_wipe(&inv, sizeof inv);
	mcsec_wipe(&x, sizeof x);
	return ok;
}

mask_t num_is_zero(const struct num *a)
{
	uint64_t any = 0;
	for (int i = 0; i < NUM_LIMBS; i++)
		any |= a->v[i];
	return mask_equal(any, 0);
}

mask_t num_equal(const struct num *a, const struct num *b)
{
	uint64_t differ = 0;
	for (int i = 0; i < NUM_LIMBS; i++)
		differ |= a->v[i] ^ b->v[i];
	return mask_equal(differ, 0);
}

void num_cmov(struct num *r, const struct num *a, mask_t yes)
{
	for (int i = 0; i < NUM_LIMBS; i++)
		r->v[i] ^= (r->v[i] ^ a->v[i]) & yes;
}

void num_reduce_once(struct num *r, const struct num *m)
{
	subtract_if_above(r, r->v, 0, m);
}

void num_load(struct num *r, const uint8_t in[NUM_OCTETS])
{
	for (int i = 0; i < NUM_LIMBS; i++) {
		uint64_t x = 0;
		for (int k = 0; k < 8; k++)
			x = x << 8 | in[NUM_OCTETS - 8 - 8 * i + k];
		r->v[i] = x;
	}
}

void num_store(uint8_t out[NUM_OCTETS], const struct num *a)
{
	for (int i = 0; i < NUM_LIMBS; i++)
		for (int k = 0; k < 8; k++)
			out[NUM_OCTETS - 1 - 8 * i - k] = (uint8_t)(a->v[i] >> 8 * k);
}

mask_t num_below(const struct num *a, const struct num *m)
{
	uint64_t borrow = 0;
	for (int i = 0; i < NUM_LIMBS; i++)
		borrow = (uint64_t)(((u128)a->v[i] - m->v[i] - borrow) >> 64) & 1;
	return mask_of_bit(borrow);
}

void num_leave(struct num *r, const struct num *a, const struct modulus *m)
{
	struct num unit = {{1}};
	mont->mul(r, a, &unit, m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v8.h - eight words of 64 bits and the few operations that lanes.c is written in: AVX-512 with IFMA, or plain C.
 *
 * The plain form is for tests: it runs the same source where AVX-512 is missing, and under valgrind, which does not
 * execute AVX-512. Neither form branches on a word or uses one as an address.
 */
#ifndef MCSEC_IBC_V8_H
#define MCSEC_IBC_V8_H

#include <stdint.h>

/* One bit a lane. */
typedef uint8_t lane_mask;

#define M52 ((UINT64_C(1) << 52) - 1)

#if defined(V8_PLAIN)

#define V8_CODE
#define V8_OP static inline

typedef struct {
	uint64_t e[8];
} v8;

#define V8_EACH for (int l = 0; l < 8; l++)

V8_OP v8 v8_set(uint64_t x)
{
	v8 r;
	V8_EACH r.e[l] = x;
	return r;
}
V8_OP v8 v8_load(const uint64_t *p)
{
	v8 r;
	V8_EACH r.e[l] = p[l];
	return r;
}
V8_OP void v8_store(uint64_t *p, v8 a)
{
	V8_EACH p[l] = a.e[l];
}
V8_OP v8 v8_add(v8 a, v8 b)
{
	V8_EACH a.e[l] += b.e[l];
	return a;
}
V8_OP v8 v8_sub(v8 a, v8 b)
{
	V8_EACH a.e[l] -= b.e[l];
	return a;
}
V8_OP v8 v8_and(v8 a, v8 b)
{
	V8_EACH a.e[l] &= b.e[l];
	return a;
}
V8_OP v8 v8_or(v8 a, v8 b)
{
	V8_EACH a.e[l] |= b.e[l];
	return a;
}
V8_OP v8 v8_shl(v8 a, unsigned n)
{
	V8_EACH a.e[l] = n < 64 ? a.e[l] << n : 0;
	return a;
}
V8_OP v8 v8_shr(v8 a, unsigned n)
{
	V8_EACH a.e[l] >>= n;
	return a;
}
V8_OP v8 v8_sar(v8 a, unsigned n)
{
	V8_EACH a.e[l] = (uint64_t)((int64_t)a.e[l] >> n);
	return a;
}
V8_OP v8 v8_lo(v8 r, v8 a, v8 b)
{
	V8_EACH r.e[l] += (a.e[l] & M52) * (b.e[l] & M52) & M52;
	return r;
}
V8_OP v8 v8_hi(v8 r, v8 a, v8 b)
{
	V8_EACH r.e[l] += (uint64_t)((unsigned __int128)(a.e[l] & M52) * (b.e[l] & M52) >> 52);
	return r;
}
/* each by its own; 64 and more leave nothing */
V8_OP v8 v8_shl_each(v8 a, v8 n)
{
	V8_EACH a.e[l] = n.e[l] < 64 ? a.e[l] << n.e[l] : 0;
	return a;
}
V8_OP v8 v8_shr_each(v8 a, v8 n)
{
	V8_EACH a.e[l] = n.e[l] < 64 ? a.e[l] >> n.e[l] : 0;
	return a;
}
/* lane l of the result is word from[l] of the sixteen of lo and hi */
V8_OP v8 v8_pick(v8 lo, v8 hi, v8 from)
{
	V8_EACH from.e[l] = from.e[l] < 8 ? lo.e[from.e[l]] : hi.e[from.e[l] - 8];
	return from;
}
/* a where the lane's bit is set, else b */
V8_OP v8 v8_select(lane_mask m, v8 a, v8 b)
{
	V8_EACH b.e[l] ^= (a.e[l] ^ b.e[l]) & (0 - (uint64_t)(m >> l & 1));
	return b;
}
/* -1 where a < b as signed words, else 0 */
V8_OP v8 v8_less(v8 a, v8 b)
{
	V8_EACH a.e[l] = (uint64_t)((int64_t)(a.e[l] - b.e[l]) >> 63); /* no overflow: both are below 2^62 */
	return a;
}
/* lane l of the result is lane l + n of a */
V8_OP v8 v8_rotate(v8 a, unsigned n)
{
	v8 r;
	V8_EACH r.e[l] = a.e[((unsigned)l + n) & 7];
	return r;
}

/* lane l of the result is word l + n of the sixteen of lo and hi */
V8_OP v8 v8_align(v8 hi, v8 lo, unsigned n)
{
	v8 r;
	V8_EACH r.e[l] = (unsigned)l + n < 8 ? lo.e[(unsigned)l + n] : hi.e[(unsigned)l + n - 8];
	return r;
}
/* lane 0 in every lane */
V8_OP v8 v8_first(v8 a)
{
	return v8_set(a.e[0]);
}
V8_OP lane_mask v8_above(v8 a, v8 b)
{
	unsigned m = 0;
	V8_EACH m |= (unsigned)((b.e[l] - a.e[l]) >> 63) << l; /* both below 2^63 */
	return (lane_mask)m;
}
V8_OP lane_mask v8_equal(v8 a, v8 b)
{
	unsigned m = 0;
	V8_EACH
	{
		uint64_t d = a.e[l] ^ b.e[l];
		m |= (unsigned)(~(d | (0 - d)) >> 63) << l;
	}
	return (lane_mask)m;
}

#else

#include <immintrin.h>

#define V8_CODE             __attribute__((target("avx512f,avx512dq,avx512ifma")))
#define V8_OP               static inline __attribute__((always_inline, target("avx512f,avx512dq,avx512ifma")))

typedef __m512i v8;

V8_OP v8 v8_set(uint64_t x)
{
	return _mm512_set1_epi64((long long)x);
}
V8_OP v8 v8_load(const uint64_t *p)
{
	return _mm512_loadu_si512(p);
}
V8_OP void v8_store(uint64_t *p, v8 a)
{
	_mm512_storeu_si512(p, a);
}
V8_OP v8 v8_add(v8 a, v8 b)
{
	return _mm512_add_epi64(a, b);
}
V8_OP v8 v8_sub(v8 a, v8 b)
{
	return _mm512_sub_epi64(a, b);
}
V8_OP v8 v8_and(v8 a, v8 b)
{
	return _mm512_and_si512(a, b);
}
V8_OP v8 v8_or(v8 a, v8 b)
{
	return _mm512_or_si512(a, b);
}
V8_OP v8 v8_shl(v8 a, unsigned n)
{
	return _mm512_slli_epi64(a, n);
}
V8_OP v8 v8_shr(v8 a, unsigned n)
{
	return _mm512_srli_epi64(a, n);
}
V8_OP v8 v8_sar(v8 a, unsigned n)
{
	return _mm512_srai_epi64(a, n);
}
V8_OP v8 v8_shl_each(v8 a, v8 n)
{
	return _mm512_sllv_epi64(a, n);
}
V8_OP v8 v8_shr_each(v8 a, v8 n)
{
	return _mm512_srlv_epi64(a, n);
}
V8_OP v8 v8_pick(v8 lo, v8 hi, v8 from)
{
	return _mm512_permutex2var_epi64(lo, from, hi);
}
V8_OP v8 v8_lo(v8 r, v8 a, v8 b)
{
	return _mm512_madd52lo_epu64(r, a, b);
}
V8_OP v8 v8_hi(v8 r, v8 a, v8 b)
{
	return _mm512_madd52hi_epu64(r, a, b);
}
V8_OP v8 v8_select(lane_mask m, v8 a, v8 b)
{
	return _mm512_mask_mov_epi64(b, m, a);
}
V8_OP v8 v8_less(v8 a, v8 b)
{
	return _mm512_movm_epi64(_mm512_cmplt_epi64_mask(a, b));
}
V8_OP v8 v8_rotate(v8 a, unsigned n)
{
	const v8 from = _mm512_add_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), v8_set(n));
	return _mm512_permutexvar_epi64(from, a); /* takes the index mod 8 */
}

/* n is a constant */
#define v8_align(hi, lo, n) _mm512_alignr_epi64(hi, lo, n)
V8_OP v8 v8_first(v8 a)
{
	return _mm512_broadcastq_epi64(_mm512_castsi512_si128(a));
}
V8_OP lane_mask v8_above(v8 a, v8 b)
{
	return _mm512_cmpgt_epu64_mask(a, b);
}
V8_OP lane_mask v8_equal(v8 a, v8 b)
{
	return _mm512_cmpeq_epi64_mask(a, b);
}

#endif
#endif

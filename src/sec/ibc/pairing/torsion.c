/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torsion.c - see torsion.h. T has x = e (1 + sqrt 2), where e = c i, c^2 = -3: 3 and 2 are no squares, -3 and -2 are.
 * With y the tangent at T is Y - l X - m, l = 3 (x^2 - 1) / 2y, m = y - l x. At the image (-X, i Y) of a point:
 * i Y + l X - m.
 */
#include "sec/ibc/pairing/torsion.h"

static const struct fp2 SLOPE = {
    .a = {{
	0xfec2a6f3cebbdf21,
	0x8b6fa200daac091f,
	0xe5420ae629231b12,
	0x6abce7ef0cc795d9,
	0x1aaa7cb624efc74e,
	0xbffdf732216f4f9f,
	0x4ea25530857cd4b8,
	0xe18696199ab5e729,
	0x1fe55110bdbae6cd,
	0xf3c17ea17f9e12f8,
	0xc0dce4fed46d0c4b,
	0xa3d1a637456e8602,
	0x081e8879e78d9d61,
	0x296237ab04415d95,
	0x26c0b47051d91aba,
	0x30f0cecd0a655322,
    }},
    .b = {{
	0x0a4a3ed8352de13e,
	0x697231c667c5ca0e,
	0xdd067f95942b7836,
	0xf61255d0ba8daecd,
	0x36d184df706020ec,
	0x8111c026bf6264f7,
	0xa4ef763cc5fa3cd8,
	0x041e9b81b6583208,
	0xf8236cb6f26adabe,
	0x83dfdef15b46ed11,
	0x4032492da4033ffc,
	0x07bd284c18cc557a,
	0x77476349fd7498b0,
	0xa7c72524f802697d,
	0x02df71be2dba3025,
	0x6a3dcaa15faeceb3,
    }},
};
static const struct fp2 MINUS_M = {
    .a = {{
	0x8929497bd14ec993,
	0x1b135749cc73d424,
	0xd77fbbaeaafd506f,
	0x936f2dacf211e6c8,
	0x50d6fe26fbc33ca1,
	0xbb160e89c96be5f5,
	0xae6c18c9a228cfbd,
	0x4f60e3c98ad1ac74,
	0x5255984d4a926a01,
	0xd841c894d75b0e4e,
	0x43bc9f7456f211fa,
	0xe974e6a48faacf74,
	0x83e4a093f3b3ea7c,
	0x33e86c9fb3b68209,
	0xe17c6680ecb2e60b,
	0x297ae0199e6d4dc4,
    }},
    .b = {{
	0x603077d0ad707810,
	0x0adbfe16700ce84b,
	0x40547ab8f45cfc04,
	0x10bef9a5d8d1dace,
	0x3da4f607dc57d625,
	0x36b3257b66fffa68,
	0x562986bf2bb0348d,
	0x0353e4478355f6a9,
	0x14a8ebbf9168b0d7,
	0xa677627444cf31ed,
	0x29b3c303501c8af8,
	0x64b2e972aa2e4b5a,
	0x2680d9fb12b28259,
	0xbaf1fdf8805a50c1,
	0x6f26aa0b718e53b8,
	0x853927b57e90ffb8,
    }},
};
static const struct num C = {{
    0x8d6f720f278709e8,
    0xd412bf4edd844579,
    0x191fc2a522c50a6e,
    0xe35c1b1e5920b7ef,
    0x262e71cdca66213c,
    0xcf37a9ef40bdc9a6,
    0xfbfae7dedea50b7f,
    0xbddf8873b8ecb9cd,
    0x6d63e82a2b372dac,
    0x517cfbbb1971c5ae,
    0x8a324d2f8b942cc2,
    0x23a4c97fd4694a0d,
    0x0a0de0224c3e1b5e,
    0x596ff16434aaf69e,
    0x313accb62e5cd294,
    0x5e1226c81e1f9787,
}};

void torsion_value(struct fp2 *r, const struct point *b)
{
	struct fp2 tangent, vertical;
	fp_mul(&tangent.a, &SLOPE.a, &b->x);
	fp_add(&tangent.a, &tangent.a, &MINUS_M.a);
	fp_mul(&tangent.b, &SLOPE.b, &b->x);
	fp_add(&tangent.b, &tangent.b, &MINUS_M.b);
	fp_add(&tangent.b, &tangent.b, &b->y);
	fp2_sqr(&tangent, &tangent);
	/* 1 / (-X - c i) is (-X + c i), up to a factor of F_p */
	fp_neg(&vertical.a, &b->x);
	vertical.b = C;
	fp2_mul(r, &tangent, &vertical);
}

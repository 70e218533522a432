/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_protected.c - the MCData protected payload (TS 33.180 8.5.4).
 *
 * Invariants: header and sealed part lie inside the input; octets of a stranger do not open, and leave no plaintext;
 * the same fields over the same octets, sealed by us, read back the same and open to what was sealed.
 */
#include "fuzz/fuzz.h"
#include "sec/payload/protected.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = "the key nobody else has got.....";
	struct protected_payload p, q;
	struct reader r = rd_init((struct octets){data, size});
	protected_read(&r, &p);
	if (r.err) {
		HOLDS(r.err == MCSEC_E_TRUNCATED || r.err == MCSEC_E_LENGTH);
		return 0;
	}
	HOLDS(inside(p.aad, data, size) && inside(p.sealed, data, size) && p.aad.len == PROTECTED_AAD_LEN &&
	      p.sealed.len >= PROTECTED_TAG_LEN);
	struct octets dppk = {key, p.alg == PROTECTED_AES_256_GCM ? 32 : 16};
	uint8_t *plain = malloc(size + 1), *out = malloc(size + PROTECTED_OVERHEAD);
	HOLDS(plain && out);
	memset(plain, 0xa5, size);
	enum mcsec_err e = protected_open(&p, dppk, plain);
	int known = p.alg == PROTECTED_AES_128_GCM || p.alg == PROTECTED_AES_256_GCM;
	HOLDS(e == (known ? MCSEC_E_DECRYPT : MCSEC_E_UNSUPPORTED));
	struct writer w = wr_init(out, size + PROTECTED_OVERHEAD);
	e = protected_write(&w, &p, dppk, p.sealed);
	HOLDS((e == MCSEC_OK) == known || w.err == MCSEC_E_LENGTH);
	if (e == MCSEC_OK) {
		struct reader again = rd_init(wr_result(&w));
		protected_read(&again, &q);
		HOLDS(!again.err && q.type == p.type && q.date == p.date && q.payload_id == p.payload_id &&
		      q.sequence == p.sequence && q.dppk_id == p.dppk_id && q.iei == 0);
		HOLDS(protected_open(&q, dppk, plain) == MCSEC_OK && !memcmp(plain, p.sealed.p, p.sealed.len));
	}
	free(out);
	free(plain);
	return 0;
}

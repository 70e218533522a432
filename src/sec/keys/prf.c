/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prf.c - MIKEY's own pseudo-random function and the SRTP master key and salt (RFC 3830 4.1.2 and 4.1.3, with
 * HMAC-SHA-256 as RFC 6043 6.1 names it; TS 33.180 7.4).
 *
 *   label = constant(4) | cs_id(1) | csb_id(4) | RAND
 *   A_0 = label, A_i = HMAC(s, A_i-1);  P(s) = HMAC(s, A_1 | label) | HMAC(s, A_2 | label) ...
 * A key longer than a hash is cut into blocks s of 32 octets, and the results are added bit by bit.
 */
#include "mcsec/kdf.h"
#include "mcsec/secret.h"
#include "sec/keys/hash.h"

enum { LABEL_MAX = 512 };

#define CONSTANT_TEK  UINT32_C(0x2ad01c64)
#define CONSTANT_SALT UINT32_C(0x39a2c14b)

/* out ^= P(s) */
static enum mcsec_err add_block(struct octets s, struct octets label, uint8_t *out, size_t out_len)
{
	uint8_t a[HASH_LEN], mac[HASH_LEN];
	enum mcsec_err err = hmac_sha256_of(s, &label, 1, a);
	for (size_t done = 0; !err && done < out_len; done += HASH_LEN) {
		struct octets pieces[] = {OCTETS(a), label};
		err = hmac_sha256_of(s, pieces, 2, mac);
		for (size_t i = 0; !err && i < HASH_LEN && done + i < out_len; i++)
			out[done + i] ^= mac[i];
		struct octets last = OCTETS(a);
		if (!err)
			err = hmac_sha256_of(s, &last, 1, a);
	}
	mcsec_wipe(a, sizeof a);
	mcsec_wipe(mac, sizeof mac);
	return err;
}

enum mcsec_err mcsec_mikey_prf(const uint8_t *key, size_t key_len, const uint8_t *label, size_t label_len, uint8_t *out,
			       size_t out_len)
{
	enum mcsec_err err = MCSEC_OK;
	if (out_len)
		memset(out, 0, out_len);
	if (key_len == 0 || label_len > LABEL_MAX)
		return MCSEC_E_ARGUMENT;
	for (size_t at = 0; !err && at < key_len; at += HASH_LEN) {
		size_t n = key_len - at < HASH_LEN ? key_len - at : HASH_LEN;
		err = add_block((struct octets){key + at, n}, (struct octets){label, label_len}, out, out_len);
	}
	if (err)
		mcsec_wipe(out, out_len);
	return err;
}

static enum mcsec_err derive(const uint8_t *tgk, size_t tgk_len, uint32_t constant, uint8_t cs_id, uint32_t csb_id,
			     struct octets rand, uint8_t *out, size_t out_len)
{
	uint8_t label[9 + MCSEC_RAND_MAX];
	struct writer w = wr_init(label, sizeof label);
	wr_u32(&w, constant);
	wr_u8(&w, cs_id);
	wr_u32(&w, csb_id);
	wr_octets(&w, rand);
	return mcsec_mikey_prf(tgk, tgk_len, label, wr_len(&w), out, out_len);
}

enum mcsec_err mcsec_srtp_master(const uint8_t *tgk, size_t tgk_len, uint8_t cs_id, uint32_t csb_id,
				 const uint8_t *rand, size_t rand_len, uint8_t *key, size_t key_len, uint8_t *salt,
				 size_t salt_len)
{
	struct octets r = {rand, rand_len};
	if (rand_len < MCSEC_RAND_LEN || rand_len > MCSEC_RAND_MAX)
		return MCSEC_E_ARGUMENT;
	enum mcsec_err err = derive(tgk, tgk_len, CONSTANT_TEK, cs_id, csb_id, r, key, key_len);
	if (!err)
		err = derive(tgk, tgk_len, CONSTANT_SALT, cs_id, csb_id, r, salt, salt_len);
	if (err)
		mcsec_wipe(key, key_len);
	return err;
}

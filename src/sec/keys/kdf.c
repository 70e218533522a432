/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kdf.c - the key derivations of TS 33.180 annex F.1: KDF(key; FC, P0, P1 ...) = HMAC-SHA-256(key, S).
 *
 * When fewer than 256 bits are wanted the least significant ones are taken: the last octets of the HMAC.
 */
#include "mcsec/kdf.h"
#include "mcsec/secret.h"
#include "sec/keys/hash.h"

/* The last out_len octets of the KDF. */
static enum mcsec_err derive(const struct s_string *s, const uint8_t *key, size_t key_len, uint8_t *out, size_t out_len)
{
	uint8_t mac[HASH_LEN];
	enum mcsec_err err = s_hmac(s, (struct octets){key, key_len}, mac);
	if (err)
		memset(out, 0, out_len);
	else
		memcpy(out, mac + HASH_LEN - out_len, out_len);
	mcsec_wipe(mac, sizeof mac);
	return err;
}

static int is_key_len(size_t n)
{
	return n == 16 || n == 32;
}

static struct octets be32(uint32_t v, uint8_t b[4])
{
	struct writer w = wr_init(b, 4);
	wr_u32(&w, v);
	return wr_result(&w);
}

enum mcsec_err mcsec_user_salt(const uint8_t *key, size_t key_len, const char *uri, uint32_t *salt)
{
	struct s_string s;
	uint8_t last[4];
	*salt = 0;
	if (!is_key_len(key_len))
		return MCSEC_E_ARGUMENT;
	s_begin(&s, MCSEC_FC_USER_SALT);
	s_text(&s, uri);
	enum mcsec_err err = derive(&s, key, key_len, last, sizeof last);
	struct reader r = rd_init(OCTETS(last));
	*salt = rd_u32(&r) & 0x0fffffffu;
	return err;
}

enum mcsec_err mcsec_guk_id(const uint8_t *gmk, size_t gmk_len, uint32_t id, const char *uri, uint32_t *out)
{
	uint32_t salt;
	*out = 0;
	if (mcsec_kid_tag(id) != MCSEC_GMK)
		return MCSEC_E_ARGUMENT;
	enum mcsec_err err = mcsec_user_salt(gmk, gmk_len, uri, &salt);
	if (!err)
		*out = id ^ salt;
	return err;
}

enum mcsec_err mcsec_signalling_key(enum mcsec_fc fc, const uint8_t *xpk, size_t xpk_len, const char *uri,
				    uint32_t xpk_id, uint8_t *out, size_t out_len)
{
	struct s_string s;
	uint8_t id[4];
	if ((fc != MCSEC_FC_CONFIDENTIALITY && fc != MCSEC_FC_INTEGRITY) || !is_key_len(xpk_len) ||
	    !is_key_len(out_len))
		return MCSEC_E_ARGUMENT;
	s_begin(&s, (uint8_t)fc);
	s_text(&s, uri);
	s_octets(&s, be32(xpk_id, id));
	return derive(&s, xpk, xpk_len, out, out_len);
}

enum mcsec_err mcsec_dpck(const uint8_t *dppk, size_t dppk_len, uint32_t dppk_id, uint8_t *out)
{
	struct s_string s;
	uint8_t id[4];
	if (!is_key_len(dppk_len))
		return MCSEC_E_ARGUMENT;
	s_begin(&s, MCSEC_FC_DPCK);
	s_octets(&s, be32(dppk_id, id));
	return derive(&s, dppk, dppk_len, out, dppk_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtp_crypt.c - derivation, IVs, GCM and the replay window (RFC 3711 3.3, 4.3; RFC 7714 8, 9; media 3.2 to 3.5).
 *
 * The session key goes straight from its derivation into the cipher context; the only other copy, on the stack, is
 * wiped. Contexts are made once a key; a packet sets only the IV.
 */
#include "mcx/media/srtp_crypt.h"

#include "mcsec/secret.h"

enum { SALT_LABEL = 2 }; /* label of a salt = label of its key + 2 */

static const EVP_CIPHER *counter_mode(size_t key_len)
{
	return key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
}

enum mcsec_err srtp_keystream(const uint8_t *key, size_t key_len, const uint8_t iv[16], uint8_t *out, size_t len)
{
	if ((key_len != 16 && key_len != 32) || len > INT32_MAX)
		return MCSEC_E_ARGUMENT;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	memset(out, 0, len);
	int ok = ctx && EVP_EncryptInit_ex(ctx, counter_mode(key_len), NULL, key, iv) == 1 &&
		 EVP_EncryptUpdate(ctx, out, &n, out, (int)len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err srtp_derive(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, uint8_t label,
			   uint8_t *out, size_t len)
{
	uint8_t iv[16] = {0}; /* x | 0000, a 12-octet salt filled up with zeros (media 3.2) */
	if (salt_len != 12 && salt_len != 14)
		return MCSEC_E_ARGUMENT;
	memcpy(iv, salt, salt_len);
	iv[7] ^= label; /* the six octets behind it take index DIV rate, 0 for rate 0 */
	enum mcsec_err e = srtp_keystream(key, key_len, iv, out, len);
	mcsec_wipe(iv, sizeof iv);
	return e;
}

int srtp_policy_allowed(const struct srtp_policy *p)
{
	return (p->key_len == 16 || p->key_len == 32) && (p->mki_len == 4 || p->mki_len == 8);
}

int srtp_crypt_open(struct srtp_crypt *c, const struct srtp_policy *p, const struct srtp_master *m, uint8_t label,
		    int encrypt)
{
	uint8_t key[SRTP_MAX_KEY];
	const EVP_CIPHER *gcm = p->key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
	uint8_t salt_label = (uint8_t)(label + SALT_LABEL);
	c->cipher = EVP_CIPHER_CTX_new();
	int ok = c->cipher && !srtp_derive(m->key, p->key_len, m->salt, SRTP_SALT, label, key, p->key_len) &&
		 !srtp_derive(m->key, p->key_len, m->salt, SRTP_SALT, salt_label, c->salt, SRTP_SALT) &&
		 EVP_CipherInit_ex(c->cipher, gcm, NULL, key, NULL, encrypt) == 1;
	mcsec_wipe(key, sizeof key);
	if (!ok)
		srtp_crypt_close(c);
	return ok ? 0 : -1;
}

void srtp_crypt_close(struct srtp_crypt *c)
{
	EVP_CIPHER_CTX_free(c->cipher); /* wipes its key schedule */
	mcsec_wipe(c, sizeof *c);
}

static void xor_be(uint8_t *out, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] ^= (uint8_t)(v >> 8 * (n - 1 - i));
}

void srtp_iv(const struct srtp_crypt *c, uint32_t ssrc, uint64_t index, uint8_t iv[12])
{
	memcpy(iv, c->salt, SRTP_SALT);
	xor_be(iv + 2, ssrc, 4);
	xor_be(iv + 6, index, 6);
}

void srtcp_iv(const struct srtp_crypt *c, uint32_t ssrc, uint32_t index, uint8_t iv[12])
{
	memcpy(iv, c->salt, SRTP_SALT);
	xor_be(iv + 2, ssrc, 4);
	xor_be(iv + 8, index, 4);
}

/* Associated data and text; the direction was fixed when the context was made. */
static int run(struct srtp_crypt *c, const uint8_t iv[12], struct octets aad, struct octets aad2, struct octets text,
	       uint8_t *out)
{
	int n = 0;
	return EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CipherUpdate(c->cipher, NULL, &n, aad.p, (int)aad.len) == 1 &&
	       (!aad2.len || EVP_CipherUpdate(c->cipher, NULL, &n, aad2.p, (int)aad2.len) == 1) &&
	       (!text.len || EVP_CipherUpdate(c->cipher, out, &n, text.p, (int)text.len) == 1);
}

int srtp_seal(struct srtp_crypt *c, const uint8_t iv[12], struct octets aad, struct octets aad2, struct octets text,
	      uint8_t *out, uint8_t tag[SRTP_TAG])
{
	int n = 0;
	int ok = run(c, iv, aad, aad2, text, out) && EVP_CipherFinal_ex(c->cipher, out + text.len, &n) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, SRTP_TAG, tag) == 1;
	return ok ? 0 : -1;
}

int srtp_open(struct srtp_crypt *c, const uint8_t iv[12], struct octets aad, struct octets aad2, struct octets text,
	      uint8_t *out, const uint8_t tag[SRTP_TAG])
{
	uint8_t expected[SRTP_TAG]; /* libcrypto takes the tag as not const */
	int n = 0;
	memcpy(expected, tag, SRTP_TAG);
	int ok = run(c, iv, aad, aad2, text, out) &&
		 EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, SRTP_TAG, expected) == 1 &&
		 EVP_CipherFinal_ex(c->cipher, out + text.len, &n) == 1;
	return ok ? 0 : -1;
}

enum mcsec_err rtp_header_read(struct octets packet, struct rtp_header *h)
{
	enum { VERSION_2 = 0x80, VERSION_BITS = 0xc0, EXTENSION = 0x10, CSRC_COUNT = 0x0f };
	struct reader r = rd_init(packet);
	uint8_t first = rd_u8(&r);
	rd_require(&r, (first & VERSION_BITS) == VERSION_2, MCSEC_E_VALUE, 1);
	rd_u8(&r);
	h->seq = rd_u16(&r);
	rd_u32(&r);
	h->ssrc = rd_u32(&r);
	rd_take(&r, (size_t)(first & CSRC_COUNT) * 4);
	if (first & EXTENSION) {
		rd_u16(&r);
		rd_take(&r, (size_t)rd_u16(&r) * 4);
	}
	h->len = rd_at(&r);
	return r.err;
}

enum srtp_verdict srtp_window_check(const struct srtp_window *w, uint64_t index)
{
	if (!w->started || index > w->top)
		return SRTP_OK;
	uint64_t back = w->top - index;
	if (back >= SRTP_WINDOW)
		return SRTP_OLD;
	return w->bits[back / 64] >> back % 64 & 1 ? SRTP_REPLAY : SRTP_OK;
}

/* Bit b of the window stands for index top - b. */
static void slide(struct srtp_window *w, uint64_t n)
{
	if (n >= SRTP_WINDOW) {
		memset(w->bits, 0, sizeof w->bits);
		return;
	}
	if (n >= 64) {
		w->bits[1] = w->bits[0];
		w->bits[0] = 0;
		n -= 64;
	}
	if (n) {
		w->bits[1] = w->bits[1] << n | w->bits[0] >> (64 - n);
		w->bits[0] <<= n;
	}
}

void srtp_window_add(struct srtp_window *w, uint64_t index)
{
	if (!w->started || index > w->top) {
		slide(w, w->started ? index - w->top : SRTP_WINDOW);
		w->top = index;
		w->started = 1;
	}
	uint64_t back = w->top - index;
	w->bits[back / 64] |= UINT64_C(1) << back % 64;
}

uint64_t srtp_guess_index(uint64_t top, uint16_t seq)
{
	enum { HALF = 1 << 15 };
	uint64_t roc = top >> 16;
	int s_l = (int)(top & 0xffff), s = seq;
	if (s_l < HALF)
		roc -= s - s_l > HALF && roc > 0;
	else
		roc += s_l - HALF > s;
	return (roc & UINT32_MAX) << 16 | seq;
}

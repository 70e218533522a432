/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protected.c - MCData protected payload, read and written side by side (TS 33.180 8.5.4; layout in protected.h).
 *
 * An algorithm that does not fit the key's length is refused: a key is neither stretched nor cut.
 */
#include <openssl/evp.h>

#include "mcsec/kdf.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/payload/protected.h"

enum { DPCK_MAX = 32 };

void protected_read(struct reader *r, struct protected_payload *out)
{
	const uint8_t *start = r->at;
	*out = (struct protected_payload){0};
	out->type = rd_u8(r);
	out->date = rd_be(r, 5);
	out->payload_id = rd_u32(r);
	out->sequence = rd_u8(r);
	out->alg = rd_u8(r);
	struct octets iv = rd_take(r, PROTECTED_IV_LEN);
	if (iv.len)
		memcpy(out->iv, iv.p, iv.len);
	out->dppk_id = rd_u32(r);
	out->aad = (struct octets){start, PROTECTED_AAD_LEN};
	out->iei = rd_u8(r);
	uint16_t len = rd_u16(r);
	rd_require(r, len >= PROTECTED_TAG_LEN, MCSEC_E_LENGTH, 2);
	out->sealed = rd_take(r, len);
}

static const EVP_CIPHER *cipher_of(uint8_t alg, size_t key_len)
{
	if (alg == PROTECTED_AES_128_GCM && key_len == 16)
		return EVP_aes_128_gcm();
	if (alg == PROTECTED_AES_256_GCM && key_len == 32)
		return EVP_aes_256_gcm();
	return NULL;
}

/* out receives in.len octets; the tag is made or checked. */
static enum mcsec_err gcm(const EVP_CIPHER *cipher, int sealing, const uint8_t *key, const uint8_t *iv,
			  struct octets aad, struct octets in, uint8_t *out, uint8_t tag[PROTECTED_TAG_LEN])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok = ctx && EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, sealing) &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, PROTECTED_IV_LEN, NULL) &&
		    EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, sealing) &&
		    EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)aad.len) &&
		    (!in.len || EVP_CipherUpdate(ctx, out, &n, in.p, (int)in.len));
	enum mcsec_err err = MCSEC_E_CRYPTO;
	if (ok && sealing) {
		if (EVP_CipherFinal_ex(ctx, tag, &n) &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, PROTECTED_TAG_LEN, tag))
			err = MCSEC_OK;
	} else if (ok && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, PROTECTED_TAG_LEN, tag)) {
		uint8_t none[16];
		err = MCX_CHECK(im.params_tag, EVP_CipherFinal_ex(ctx, none, &n) > 0) ? MCSEC_OK : MCSEC_E_DECRYPT;
	}
	EVP_CIPHER_CTX_free(ctx);
	if (err)
		mcsec_wipe(out, in.len);
	return err;
}

enum mcsec_err protected_open(const struct protected_payload *p, struct octets dppk, uint8_t *plain)
{
	const EVP_CIPHER *cipher = cipher_of(p->alg, dppk.len);
	uint8_t dpck[DPCK_MAX], tag[PROTECTED_TAG_LEN];
	if (!cipher)
		return MCSEC_E_UNSUPPORTED;
	size_t len = p->sealed.len - PROTECTED_TAG_LEN;
	memcpy(tag, p->sealed.p + len, sizeof tag);
	enum mcsec_err err = mcsec_dpck(dppk.p, dppk.len, p->dppk_id, dpck);
	if (!err)
		err = gcm(cipher, 0, dpck, p->iv, p->aad, (struct octets){p->sealed.p, len}, plain, tag);
	mcsec_wipe(dpck, sizeof dpck);
	return err;
}

enum mcsec_err protected_write(struct writer *w, const struct protected_payload *p, struct octets dppk,
			       struct octets plain)
{
	const EVP_CIPHER *cipher = cipher_of(p->alg, dppk.len);
	uint8_t dpck[DPCK_MAX];
	const uint8_t *start = w->at;
	if (!cipher)
		return MCSEC_E_UNSUPPORTED;
	if (plain.len > UINT16_MAX - PROTECTED_TAG_LEN)
		return MCSEC_E_LENGTH;
	wr_u8(w, p->type);
	wr_be(w, p->date, 5);
	wr_u32(w, p->payload_id);
	wr_u8(w, p->sequence);
	wr_u8(w, p->alg);
	wr_octets(w, OCTETS(p->iv));
	wr_u32(w, p->dppk_id);
	wr_u8(w, 0);
	wr_u16(w, (uint16_t)(plain.len + PROTECTED_TAG_LEN));
	uint8_t *sealed = wr_reserve(w, plain.len + PROTECTED_TAG_LEN);
	if (!sealed)
		return w->err;
	enum mcsec_err err = mcsec_dpck(dppk.p, dppk.len, p->dppk_id, dpck);
	if (!err)
		err = gcm(cipher, 1, dpck, p->iv, (struct octets){start, PROTECTED_AAD_LEN}, plain, sealed,
			  sealed + plain.len);
	mcsec_wipe(dpck, sizeof dpck);
	return err;
}

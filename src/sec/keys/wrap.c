/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wrap.c - AES key wrap: RFC 3394 for data of whole 64-bit blocks, RFC 5649 for data of any length.
 *
 * libcrypto does the rounds and compares the integrity value in constant time; here are the lengths it should have
 * been asked with, and one error for a wrap that does not open.
 */
#include <limits.h>

#include <openssl/evp.h>

#include "mcsec/kdf.h"
#include "mcsec/secret.h"

enum form { PLAIN, PADDED };

static const EVP_CIPHER *cipher_of(size_t kek_len, enum form form)
{
	switch (kek_len) {
	case 16:
		return form == PADDED ? EVP_aes_128_wrap_pad() : EVP_aes_128_wrap();
	case 24:
		return form == PADDED ? EVP_aes_192_wrap_pad() : EVP_aes_192_wrap();
	case 32:
		return form == PADDED ? EVP_aes_256_wrap_pad() : EVP_aes_256_wrap();
	default:
		return NULL;
	}
}

/* *out_len octets at out; MCSEC_E_DECRYPT when libcrypto refuses the data itself. */
static enum mcsec_err run(enum form form, int wrapping, const uint8_t *kek, size_t kek_len, const uint8_t *in,
			  size_t in_len, uint8_t *out, size_t *out_len)
{
	const EVP_CIPHER *cipher = cipher_of(kek_len, form);
	int n = 0, last = 0;
	*out_len = 0;
	if (!cipher)
		return MCSEC_E_ARGUMENT;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (!ctx)
		return MCSEC_E_MEMORY;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	enum mcsec_err err = MCSEC_E_CRYPTO;
	if (EVP_CipherInit_ex(ctx, cipher, NULL, kek, NULL, wrapping)) {
		err = wrapping ? MCSEC_E_CRYPTO : MCSEC_E_DECRYPT;
		if (EVP_CipherUpdate(ctx, out, &n, in, (int)in_len) > 0 && n > 0 &&
		    EVP_CipherFinal_ex(ctx, out + n, &last) > 0) {
			*out_len = (size_t)n + (size_t)last;
			err = MCSEC_OK;
		}
	}
	EVP_CIPHER_CTX_free(ctx);
	return err;
}

enum mcsec_err mcsec_key_wrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t in_len, uint8_t *out)
{
	size_t n;
	if (in_len < 16 || in_len % 8 || in_len > INT_MAX / 2)
		return MCSEC_E_LENGTH;
	return run(PLAIN, 1, kek, kek_len, in, in_len, out, &n);
}

enum mcsec_err mcsec_key_unwrap(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t in_len, uint8_t *out)
{
	size_t n;
	if (in_len < 24 || in_len % 8 || in_len > INT_MAX / 2)
		return MCSEC_E_LENGTH;
	enum mcsec_err err = run(PLAIN, 0, kek, kek_len, in, in_len, out, &n);
	if (err)
		mcsec_wipe(out, in_len - 8);
	return err;
}

enum mcsec_err mcsec_key_wrap_pad(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t in_len, uint8_t *out)
{
	size_t n;
	if (in_len == 0 || in_len > INT_MAX / 2)
		return MCSEC_E_LENGTH;
	return run(PADDED, 1, kek, kek_len, in, in_len, out, &n);
}

enum mcsec_err mcsec_key_unwrap_pad(const uint8_t *kek, size_t kek_len, const uint8_t *in, size_t in_len, uint8_t *out,
				    size_t *out_len)
{
	*out_len = 0;
	if (in_len < 16 || in_len % 8 || in_len > INT_MAX / 2)
		return MCSEC_E_LENGTH;
	/* libcrypto writes whole blocks before it knows the length: give it room of its own */
	uint8_t *room = mcsec_secret_alloc(in_len);
	if (!room)
		return MCSEC_E_MEMORY;
	enum mcsec_err err = run(PADDED, 0, kek, kek_len, in, in_len, room, out_len);
	if (err)
		mcsec_wipe(out, in_len - 8);
	else
		for (size_t i = 0; i < *out_len; i++)
			out[i] = room[i];
	mcsec_secret_free(room);
	return err;
}

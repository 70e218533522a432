/* SPDX-License-Identifier: Apache-2.0 */
/* gcm.c - see gcm.h. */
#include <openssl/evp.h>

#include "custody/gcm.h"

int custody_gcm(int sealing, const uint8_t kek[CUSTODY_KEK], const uint8_t nonce[CUSTODY_NONCE], struct octets aad,
		struct octets in, uint8_t *out, uint8_t tag[CUSTODY_TAG])
{
	int n, ok = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	if (!c || !EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, kek, nonce, sealing))
		goto end;
	if (!EVP_CipherUpdate(c, NULL, &n, aad.p, (int)aad.len) || !EVP_CipherUpdate(c, out, &n, in.p, (int)in.len))
		goto end;
	if (!sealing && !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, CUSTODY_TAG, tag))
		goto end;
	ok = EVP_CipherFinal_ex(c, out + n, &n) > 0;
	if (ok && sealing)
		ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CUSTODY_TAG, tag);
end:
	EVP_CIPHER_CTX_free(c);
	return ok;
}

struct octets custody_aad(uint8_t buf[CUSTODY_AAD_MAX], struct octets header, const char *owner, const char *name)
{
	struct writer w = wr_init(buf, CUSTODY_AAD_MAX);
	wr_octets(&w, header);
	wr_u8(&w, 1);
	wr_u16(&w, (uint16_t)strlen(owner));
	wr_text(&w, owner);
	wr_u16(&w, (uint16_t)strlen(name));
	wr_text(&w, name);
	return w.err ? (struct octets){0} : wr_result(&w);
}

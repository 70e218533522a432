/* SPDX-License-Identifier: Apache-2.0 */
/* xml_key.c - keys of the XML protection and AES-GCM under them (see xml_key.h). */
#include "xml_key.h"

#include <pthread.h>

#include <openssl/evp.h>

#include "mcsec/kdf.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

enum mcsec_err xml_key_derive_from(struct xml_key *out, struct octets xpk, uint32_t xpk_id, const char *identity,
				   size_t len)
{
	out->id = xpk_id;
	out->len = len;
	enum mcsec_err e = len == XML_KEY_LEN || len == XML_KEY_MAX ? MCSEC_OK : MCSEC_E_ARGUMENT;
	if (!e)
		e = mcsec_signalling_key(MCSEC_FC_CONFIDENTIALITY, xpk.p, xpk.len, identity, xpk_id,
					 out->confidentiality, len);
	if (!e)
		e = mcsec_signalling_key(MCSEC_FC_INTEGRITY, xpk.p, xpk.len, identity, xpk_id, out->integrity, len);
	if (e)
		xml_key_wipe(out);
	return e;
}

enum mcsec_err xml_key_derive_long(struct xml_key *out, const uint8_t *xpk, uint32_t xpk_id, const char *identity,
				   size_t len)
{
	return xml_key_derive_from(out, (struct octets){xpk, XML_KEY_LEN}, xpk_id, identity, len);
}

enum mcsec_err xml_key_derive(struct xml_key *out, const uint8_t *xpk, uint32_t xpk_id, const char *identity)
{
	return xml_key_derive_long(out, xpk, xpk_id, identity, XML_KEY_LEN);
}

void xml_key_wipe(struct xml_key *key)
{
	mcsec_wipe(key, sizeof *key);
}

void xml_key_name(uint32_t id, char out[XML_KEY_NAME_SIZE])
{
	uint8_t octets[XML_KEY_ID_LEN];
	struct writer w = wr_init(octets, sizeof octets);
	wr_u32(&w, id);
	base64_encode(wr_result(&w), out);
}

int xml_key_name_read(const char *text, size_t len, uint32_t *id)
{
	uint8_t octets[XML_KEY_ID_LEN];
	size_t n = 0;
	if (base64_decode(text, len, octets, sizeof octets, &n) != MCSEC_OK || n != sizeof octets)
		return 0;
	struct reader r = rd_init(OCTETS(octets));
	*id = rd_u32(&r);
	return 1;
}

/* Looked up once in a process: a look-up costs more than sealing one value. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *gcm_128, *gcm_256;

static void look_up(void)
{
	gcm_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static EVP_CIPHER_CTX *gcm_begin(const struct xml_key *key, const EVP_CIPHER **gcm)
{
	pthread_once(&once, look_up);
	*gcm = key->len == XML_KEY_MAX ? gcm_256 : gcm_128;
	return *gcm ? EVP_CIPHER_CTX_new() : NULL;
}

enum mcsec_err xml_seal(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], struct octets plain, uint8_t *out)
{
	const EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *c = gcm_begin(key, &gcm);
	int n = 0, end = 0;
	int ok = c && plain.len <= INT32_MAX && EVP_EncryptInit_ex(c, gcm, NULL, key->confidentiality, iv) == 1 &&
		 EVP_EncryptUpdate(c, out, &n, plain.p, (int)plain.len) == 1 &&
		 EVP_EncryptFinal_ex(c, out + n, &end) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, XML_TAG_LEN, out + plain.len) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err xml_unseal(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], struct octets sealed, uint8_t *out)
{
	if (sealed.len < XML_TAG_LEN || sealed.len > INT32_MAX)
		return MCSEC_E_DECRYPT;
	size_t len = sealed.len - XML_TAG_LEN;
	uint8_t tag[XML_TAG_LEN];
	memcpy(tag, sealed.p + len, sizeof tag);
	const EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *c = gcm_begin(key, &gcm);
	int n = 0, end = 0;
	int ok = c && EVP_DecryptInit_ex(c, gcm, NULL, key->confidentiality, iv) == 1 &&
		 EVP_DecryptUpdate(c, out, &n, sealed.p, (int)len) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
		 MCX_CHECK(xml.tag, EVP_DecryptFinal_ex(c, out + n, &end) == 1);
	EVP_CIPHER_CTX_free(c);
	if (!ok)
		mcsec_wipe(out, len);
	return ok ? MCSEC_OK : MCSEC_E_DECRYPT;
}

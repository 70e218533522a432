/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.c - see seal.h. Sealed: nonce 12 | ciphertext 32 | tag 16. Nonces are random: far fewer than 2^32 keys are ever
 * sealed (NIST SP 800-38D 8.3).
 */
#include "kms/protect/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"

enum { KEY = 32, NONCE = 12, TAG = 16 };

struct transport_seal {
	uint8_t key[KEY];
};

/* ---- the file ---- */

static int read_key(const char *path, uint8_t *key)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int ok =
	    fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) == 0 && st.st_size == KEY && read(fd, key, KEY) == KEY;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Written beside and linked into place: there whole or not at all, and never replaced. */
static int make_key(const char *path, uint8_t *key)
{
	char beside[4096 + 32];
	if (snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid()) >= (int)sizeof beside)
		return 0;
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0;
	int ok = !mcsec_rng_system.fill(mcsec_rng_system.ctx, key, KEY) && write(fd, key, KEY) == KEY && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok && (link(beside, path) == 0 || errno == EEXIST);
	unlink(beside);
	return ok;
}

struct transport_seal *transport_seal_open(const char *path, char *err, size_t err_size)
{
	struct transport_seal *s = mcsec_secret_alloc(sizeof *s);
	int ok = s && (access(path, F_OK) == 0 || make_key(path, s->key)) && read_key(path, s->key);
	if (ok)
		return s;
	snprintf(err, err_size, "%s: no key of 32 octets that only we can read", path);
	mcsec_secret_free(s);
	return NULL;
}

void transport_seal_free(struct transport_seal *s)
{
	mcsec_secret_free(s);
}

/* ---- sealing ---- */

static int bind(EVP_CIPHER_CTX *c, const char *id, const char *user)
{
	uint8_t aad[2 * KMS_KEY_ID_MAX + 64];
	int n;
	struct writer w = wr_init(aad, sizeof aad);
	wr_text(&w, "mcx-kms-transport-key-1");
	wr_u16(&w, (uint16_t)strlen(id));
	wr_text(&w, id);
	wr_text(&w, user);
	return !w.err && EVP_CipherUpdate(c, NULL, &n, aad, (int)wr_len(&w)) == 1;
}

enum mcsec_err transport_seal_close(const struct transport_seal *s, const char *id, const char *user,
				    const uint8_t key[KMS_TRK_LEN], uint8_t out[TRANSPORT_SEALED])
{
	int n;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int ok = c && !mcsec_rng_system.fill(mcsec_rng_system.ctx, out, NONCE) &&
		 EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, out) == 1 && bind(c, id, user) &&
		 EVP_EncryptUpdate(c, out + NONCE, &n, key, KMS_TRK_LEN) == 1 &&
		 EVP_EncryptFinal_ex(c, out + NONCE + KMS_TRK_LEN, &n) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, out + NONCE + KMS_TRK_LEN) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err transport_seal_unseal(const struct transport_seal *s, const char *id, const char *user,
				     struct octets sealed, uint8_t key[KMS_TRK_LEN])
{
	int n;
	uint8_t tag[TAG];
	if (sealed.len != TRANSPORT_SEALED)
		return MCSEC_E_DECRYPT;
	memcpy(tag, sealed.p + NONCE + KMS_TRK_LEN, TAG);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, sealed.p) == 1 && bind(c, id, user) &&
		 EVP_DecryptUpdate(c, key, &n, sealed.p + NONCE, KMS_TRK_LEN) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
		 MCX_CHECK(kms.transport_seal, EVP_DecryptFinal_ex(c, key + KMS_TRK_LEN, &n) == 1);
	EVP_CIPHER_CTX_free(c);
	if (!ok)
		mcsec_wipe(key, KMS_TRK_LEN);
	return ok ? MCSEC_OK : MCSEC_E_DECRYPT;
}

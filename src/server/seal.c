/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - the sealing key's file and AES-256-GCM over libcrypto; the key stands in secret memory only. */
#include "server/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"

enum { VERSION = 1, IV = 12, TAG = 16 };

struct seal {
	uint8_t *key;
};

static int make_file(const char *path, const uint8_t *key)
{
	char dir[PATH_MAX];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ok = fd >= 0 && write(fd, key, SEAL_KEY) == SEAL_KEY && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	snprintf(dir, sizeof dir, "%s", path);
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = 0;
	int dfd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = ok && dfd >= 0 && fsync(dfd) == 0;
	if (dfd >= 0)
		close(dfd);
	return ok ? 0 : -1;
}

static int read_file(const char *path, uint8_t *key, char *err, size_t err_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	const char *what = NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != SEAL_KEY)
		what = "is no sealing key";
	else if (st.st_mode & 077)
		what = "can be read by others; mode must be 0600";
	else if (read(fd, key, SEAL_KEY) != SEAL_KEY)
		what = "cannot be read";
	close(fd);
	if (what)
		snprintf(err, err_size, "%s %s", path, what);
	return what ? -2 : 0;
}

struct seal *seal_open(const char *key_file, int may_create, char *err, size_t err_size)
{
	struct seal *s = calloc(1, sizeof *s);
	if (s)
		s->key = mcsec_secret_alloc(SEAL_KEY);
	if (!s || !s->key) {
		snprintf(err, err_size, "no secret memory");
		seal_close(s);
		return NULL;
	}
	int rc = read_file(key_file, s->key, err, err_size);
	if (rc == -1 && errno == ENOENT && may_create) {
		if (mcsec_rng_system.fill(mcsec_rng_system.ctx, s->key, SEAL_KEY) || make_file(key_file, s->key))
			snprintf(err, err_size, "%s cannot be made: %s", key_file, strerror(errno));
		else
			rc = 0;
	} else if (rc == -1) {
		snprintf(err, err_size, "%s: %s (without it no stored key opens)", key_file, strerror(errno));
	}
	if (rc != 0) {
		seal_close(s);
		return NULL;
	}
	return s;
}

void seal_close(struct seal *s)
{
	if (!s)
		return;
	mcsec_secret_free(s->key);
	free(s);
}

enum mcsec_err seal_put(const struct seal *s, struct octets purpose, struct octets plain, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *iv = out + 1, *text = iv + IV;
	int n;
	out[0] = VERSION;
	enum mcsec_err e = mcsec_rng_system.fill(mcsec_rng_system.ctx, iv, IV);
	if (!e &&
	    !(c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, iv) &&
	      EVP_EncryptUpdate(c, NULL, &n, out, 1) && EVP_EncryptUpdate(c, NULL, &n, purpose.p, (int)purpose.len) &&
	      EVP_EncryptUpdate(c, text, &n, plain.p, (int)plain.len) && EVP_EncryptFinal_ex(c, text + plain.len, &n) &&
	      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, text + plain.len)))
		e = MCSEC_E_CRYPTO;
	EVP_CIPHER_CTX_free(c);
	return e;
}

enum mcsec_err seal_get(const struct seal *s, struct octets purpose, struct octets sealed, uint8_t *out)
{
	if (sealed.len < SEAL_OVERHEAD || sealed.p[0] != VERSION)
		return MCSEC_E_DECRYPT;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const uint8_t *iv = sealed.p + 1, *text = iv + IV;
	size_t len = sealed.len - SEAL_OVERHEAD;
	uint8_t tag[TAG];
	int n;
	memcpy(tag, text + len, TAG);
	int ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, iv) &&
		 EVP_DecryptUpdate(c, NULL, &n, sealed.p, 1) &&
		 EVP_DecryptUpdate(c, NULL, &n, purpose.p, (int)purpose.len) &&
		 EVP_DecryptUpdate(c, out, &n, text, (int)len) &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) && EVP_DecryptFinal_ex(c, out + len, &n);
	EVP_CIPHER_CTX_free(c);
	if (!ok)
		mcsec_wipe(out, len);
	return ok ? MCSEC_OK : MCSEC_E_DECRYPT;
}

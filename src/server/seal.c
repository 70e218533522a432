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
#include "custody/custody.h"
#include "mcsec/secret.h"

enum { VERSION = 1, IV = 12, TAG = 16 };

struct seal {
	uint8_t *key;
};

/* The file appears whole or not at all. */
static int make_file(const char *path, struct octets content)
{
	char temp[PATH_MAX], dir[PATH_MAX];
	if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp)
		return -1;
	unlink(temp);
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ok = fd >= 0 && write(fd, content.p, content.len) == (ssize_t)content.len && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temp, path) == 0;
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

/* Exactly len octets. -1 and errno when there is no such file, -2 and a sentence when it will not do. */
static int read_file(const char *path, uint8_t *out, size_t len, char *err, size_t err_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	const char *what = NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)len)
		what = "is no sealing key, or one of another kind (with or without a passphrase)";
	else if (st.st_mode & 077)
		what = "can be read by others; mode must be 0600";
	else if (read(fd, out, len) != (ssize_t)len)
		what = "cannot be read";
	close(fd);
	if (what)
		snprintf(err, err_size, "%s %s", path, what);
	return what ? -2 : 0;
}

static const char owner[] = "mcx-server", name[] = "seal";

/* The file's octets from the key and back. Without a passphrase they are the key. */
static enum custody_err wrap(const struct custody_passphrase *p, const uint8_t *key, uint8_t *file)
{
	if (p)
		return custody_seal(p, &custody_cost_default, owner, name, (struct octets){key, SEAL_KEY},
				    &mcsec_rng_system, file);
	memcpy(file, key, SEAL_KEY);
	return CUSTODY_OK;
}

static enum custody_err unwrap(const struct custody_passphrase *p, struct octets file, uint8_t *key)
{
	if (p)
		return custody_open(p, owner, name, file, key, SEAL_KEY);
	memcpy(key, file.p, SEAL_KEY);
	return CUSTODY_OK;
}

/* 0, or -1 and a sentence. file is secret memory: without a passphrase it is the key. */
static int load_key(uint8_t *key, uint8_t *file, const char *path, const struct custody_passphrase *p, int may_create,
		    char *err, size_t err_size)
{
	size_t len = p ? SEAL_KEY + CUSTODY_OVERHEAD : SEAL_KEY;
	enum custody_err e;
	int rc = read_file(path, file, len, err, err_size);
	if (rc == 0) {
		e = unwrap(p, (struct octets){file, len}, key);
		if (e)
			snprintf(err, err_size, "%s: %s", path, custody_err_name(e));
		return e ? -1 : 0;
	}
	if (rc == -1 && !(errno == ENOENT && may_create))
		snprintf(err, err_size, "%s: %s (without it no stored key opens)", path, strerror(errno));
	if (rc != -1 || errno != ENOENT || !may_create)
		return -1;
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, key, SEAL_KEY) || wrap(p, key, file) ||
	    make_file(path, (struct octets){file, len})) {
		snprintf(err, err_size, "%s cannot be made: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

struct seal *seal_open(const char *key_file, const char *passphrase_file, int may_create, char *err, size_t err_size)
{
	struct custody_passphrase *p = NULL;
	enum custody_err e = *passphrase_file ? custody_passphrase_read(passphrase_file, &p) : CUSTODY_OK;
	if (e) {
		snprintf(err, err_size, "%s: %s", passphrase_file, custody_err_name(e));
		return NULL;
	}
	struct seal *s = calloc(1, sizeof *s);
	uint8_t *file = mcsec_secret_alloc(SEAL_KEY + CUSTODY_OVERHEAD);
	if (s)
		s->key = mcsec_secret_alloc(SEAL_KEY);
	int ok = s && s->key && file;
	if (!ok)
		snprintf(err, err_size, "no secret memory");
	ok = ok && load_key(s->key, file, key_file, p, may_create, err, err_size) == 0;
	mcsec_secret_free(file);
	custody_passphrase_free(p);
	if (!ok) {
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

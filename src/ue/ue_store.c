/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_store.c - see ue_store.h.
 *
 * Sealed item: nonce 12 | ciphertext | tag 16, associated data = the item's name, so that an item cannot be put in the
 * place of another. Nonces are random: a client seals a few thousand items in its life, far below the 2^32 that NIST
 * SP 800-38D 8.3 allows for one key.
 */
#include "ue/ue_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "store/store.h"

enum { NONCE = 12, TAG = 16, DEVICE_KEY = 32, BUSY_MS = 5000, PATH_SIZE = 4096 };

static const char *const migrations[] = {
    "CREATE TABLE item(name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE ssrc(key_id INTEGER NOT NULL, cs_id INTEGER NOT NULL, ssrc INTEGER NOT NULL,"
    " PRIMARY KEY(key_id, cs_id, ssrc)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE replay(hash BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

struct ue_store {
	pthread_mutex_t lock;
	struct store *db;
	uint8_t *device_key; /* secret memory */
};

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int check_private(const char *path, char *err, size_t err_size)
{
	struct stat st;
	if (lstat(path, &st) == 0 && (st.st_mode & 077) == 0 && st.st_uid == geteuid())
		return 0;
	snprintf(err, err_size, "%s: not there, not ours, or open to others", path);
	return -1;
}

static int read_key(const char *path, uint8_t *key)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, key, DEVICE_KEY);
	if (fd >= 0)
		close(fd);
	return n == DEVICE_KEY ? 0 : -1;
}

/* Written beside and linked into place, so that a key is there whole or not at all, and never replaced. */
static int make_key(const char *path, uint8_t *key)
{
	char beside[PATH_SIZE + 32];
	snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid());
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int ok = !mcsec_rng_system.fill(mcsec_rng_system.ctx, key, DEVICE_KEY) &&
		 write(fd, key, DEVICE_KEY) == DEVICE_KEY && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok && (link(beside, path) == 0 || errno == EEXIST);
	unlink(beside);
	return ok ? read_key(path, key) : -1;
}

static int load_device_key(struct ue_store *s, const char *dir, char *err, size_t err_size)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/device.key", dir);
	s->device_key = mcsec_secret_alloc(DEVICE_KEY);
	if (!s->device_key || (access(path, F_OK) && make_key(path, s->device_key))) {
		snprintf(err, err_size, "%s: cannot be made: %s", path, strerror(errno));
		return -1;
	}
	if (check_private(path, err, err_size))
		return -1;
	if (read_key(path, s->device_key)) {
		snprintf(err, err_size, "%s: is no device key", path);
		return -1;
	}
	return 0;
}

struct ue_store *ue_store_open(const char *dir, char *err, size_t err_size)
{
	char path[PATH_SIZE];
	if (strlen(dir) > PATH_SIZE - 64 || (mkdir(dir, 0700) && errno != EEXIST)) {
		snprintf(err, err_size, "%s: %s", dir, strerror(errno));
		return NULL;
	}
	if (check_private(dir, err, err_size))
		return NULL;
	struct ue_store *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	snprintf(path, sizeof path, "%s/db", dir);
	struct store_options o = {
	    .path = path, .migrations = migrations, .n_migrations = 1, .busy_timeout_ms = BUSY_MS};
	if (load_device_key(s, dir, err, err_size) || store_open(&s->db, &o, err, err_size)) {
		ue_store_close(s);
		return NULL;
	}
	return s;
}

void ue_store_close(struct ue_store *s)
{
	if (!s)
		return;
	if (s->db)
		store_close(s->db);
	mcsec_secret_free(s->device_key);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- items ----------------------------------------------------------------------------------------------------- */

static int seal(const struct ue_store *s, const char *name, struct octets secret, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	uint8_t *text = out + NONCE, *tag = text + secret.len;
	int ok = c && !mcsec_rng_system.fill(mcsec_rng_system.ctx, out, NONCE) &&
		 EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->device_key, out) == 1 &&
		 EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)name, (int)strlen(name)) == 1 &&
		 EVP_EncryptUpdate(c, text, &n, secret.p, (int)secret.len) == 1 &&
		 EVP_EncryptFinal_ex(c, tag, &n) == 1 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? 0 : -1;
}

/* Secret memory, or NULL when it does not open. */
static uint8_t *unseal(const struct ue_store *s, const char *name, struct octets sealed, size_t *len)
{
	if (sealed.len < NONCE + TAG)
		return NULL;
	uint8_t tag[TAG];
	*len = sealed.len - NONCE - TAG;
	memcpy(tag, sealed.p + NONCE + *len, TAG);
	uint8_t *out = mcsec_secret_alloc(*len + 1); /* texts get their NUL */
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	int ok = out && c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->device_key, sealed.p) == 1 &&
		 EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)name, (int)strlen(name)) == 1 &&
		 EVP_DecryptUpdate(c, out, &n, sealed.p + NONCE, (int)*len) == 1 &&
		 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
		 EVP_DecryptFinal_ex(c, out + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!ok) {
		mcsec_secret_free(out);
		return NULL;
	}
	return out;
}

/* Under the lock. */
static enum store_err put_item(struct ue_store *s, const char *name, struct octets sealed)
{
	struct store_stmt *st = store_sql(s->db, "INSERT INTO item VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET "
						 "sealed=excluded.sealed");
	if (!st)
		return STORE_BROKEN;
	store_bind_text(st, 1, name);
	store_bind_blob(st, 2, sealed);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

int ue_store_put(struct ue_store *s, const char *name, struct octets secret)
{
	size_t len = NONCE + secret.len + TAG;
	uint8_t *sealed = malloc(len);
	int ok = sealed && secret.len < INT32_MAX && !seal(s, name, secret, sealed);
	pthread_mutex_lock(&s->lock);
	ok = ok && put_item(s, name, (struct octets){sealed, len}) == STORE_OK;
	pthread_mutex_unlock(&s->lock);
	free(sealed);
	return ok ? 0 : -1;
}

uint8_t *ue_store_get(struct ue_store *s, const char *name, size_t *len)
{
	uint8_t *out = NULL;
	pthread_mutex_lock(&s->lock);
	struct store_stmt *st = store_sql(s->db, "SELECT sealed FROM item WHERE name=?1");
	if (st) {
		store_bind_text(st, 1, name);
		if (store_step(st) == STORE_ROW)
			out = unseal(s, name, store_blob(st, 0), len);
		store_reset(st);
	}
	pthread_mutex_unlock(&s->lock);
	return out;
}

/* to NULL: the one item named `from`. */
static int drop(struct ue_store *s, const char *from, const char *to)
{
	pthread_mutex_lock(&s->lock);
	struct store_stmt *st =
	    store_sql(s->db, to ? "DELETE FROM item WHERE name>=?1 AND name<?2" : "DELETE FROM item WHERE name=?1");
	if (st)
		store_bind_text(st, 1, from);
	if (st && to)
		store_bind_text(st, 2, to);
	int ok = st && store_step(st) == STORE_OK;
	if (st)
		store_reset(st);
	pthread_mutex_unlock(&s->lock);
	return ok ? 0 : -1;
}

int ue_store_drop(struct ue_store *s, const char *name)
{
	return drop(s, name, NULL);
}

int ue_store_drop_range(struct ue_store *s, const char *from, const char *to)
{
	return drop(s, from, to);
}

int ue_store_each(struct ue_store *s, const char *prefix,
		  int (*each)(void *ctx, const char *name, struct octets secret), void *ctx)
{
	int rc = 0;
	pthread_mutex_lock(&s->lock);
	struct store_stmt *st = store_sql(s->db, "SELECT name, sealed FROM item WHERE substr(name,1,length(?1))=?1 "
						 "ORDER BY name");
	if (st)
		store_bind_text(st, 1, prefix);
	while (st && rc == 0 && store_step(st) == STORE_ROW) {
		char name[256];
		size_t len;
		snprintf(name, sizeof name, "%s", store_text(st, 0));
		uint8_t *secret = unseal(s, name, store_blob(st, 1), &len);
		rc = secret ? each(ctx, name, (struct octets){secret, len}) : -1;
		mcsec_secret_free(secret);
	}
	if (st)
		store_reset(st);
	pthread_mutex_unlock(&s->lock);
	return st ? rc : -1;
}

/* ---- what must not be forgotten -------------------------------------------------------------------------------- */

static enum store_err add_ssrc(struct ue_store *s, uint32_t key_id, uint8_t cs_id, uint32_t ssrc)
{
	struct store_stmt *st = store_sql(s->db, "INSERT INTO ssrc VALUES(?1,?2,?3)");
	if (!st)
		return STORE_BROKEN;
	store_bind_int(st, 1, key_id);
	store_bind_int(st, 2, cs_id);
	store_bind_int(st, 3, ssrc);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

static enum store_err add_replay(struct ue_store *s, const struct mcsec_replay_entry *entry)
{
	struct store_stmt *st = store_sql(s->db, "INSERT INTO replay VALUES(?1,?2) ON CONFLICT(hash) DO UPDATE SET "
						 "until=max(until, excluded.until)");
	if (!st)
		return STORE_BROKEN;
	store_bind_blob(st, 1, OCTETS(entry->hash));
	store_bind_int(st, 2, (int64_t)entry->until);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

int ue_store_record(struct ue_store *s, uint32_t key_id, uint8_t cs_id, uint32_t ssrc,
		    const struct mcsec_replay_entry *entry)
{
	pthread_mutex_lock(&s->lock);
	enum store_err e = store_begin(s->db);
	int begun = e == STORE_OK;
	e = e ? e : add_ssrc(s, key_id, cs_id, ssrc);
	if (!e && entry)
		e = add_replay(s, entry);
	e = e ? e : store_commit(s->db);
	if (e && begun)
		store_rollback(s->db);
	pthread_mutex_unlock(&s->lock);
	return e == STORE_OK ? 0 : e == STORE_CONFLICT ? 1 : -1;
}

int ue_store_take(struct ue_store *s, const char *name, struct octets secret, const struct mcsec_replay_entry *entry)
{
	uint8_t sealed[256];
	size_t len = NONCE + secret.len + TAG;
	if (len > sizeof sealed || seal(s, name, secret, sealed))
		return -1;
	pthread_mutex_lock(&s->lock);
	enum store_err e = store_begin(s->db);
	int begun = e == STORE_OK;
	e = e ? e : put_item(s, name, (struct octets){sealed, len});
	if (!e && entry)
		e = add_replay(s, entry);
	e = e ? e : store_commit(s->db);
	if (e && begun)
		store_rollback(s->db);
	pthread_mutex_unlock(&s->lock);
	return e ? -1 : 0;
}

int ue_store_replays(struct ue_store *s, uint64_t now, struct mcsec_replay *cache)
{
	pthread_mutex_lock(&s->lock);
	struct store_stmt *st = store_sql(s->db, "DELETE FROM replay WHERE until < ?1");
	enum store_err e = STORE_BROKEN;
	if (st) {
		store_bind_int(st, 1, (int64_t)now);
		e = store_step(st);
		store_reset(st);
	}
	st = e ? NULL : store_sql(s->db, "SELECT hash, until FROM replay");
	e = st ? store_step(st) : STORE_BROKEN;
	for (; e == STORE_ROW; e = store_step(st)) {
		struct mcsec_replay_entry entry = {.until = (uint64_t)store_int(st, 1)};
		struct octets hash = store_blob(st, 0);
		if (hash.len != sizeof entry.hash)
			continue;
		memcpy(entry.hash, hash.p, hash.len);
		enum mcsec_err err = mcsec_replay_add(cache, &entry, now);
		if (err && err != MCSEC_E_REPLAY) {
			e = STORE_BROKEN;
			break;
		}
	}
	if (st)
		store_reset(st);
	pthread_mutex_unlock(&s->lock);
	return e == STORE_OK ? 0 : -1;
}

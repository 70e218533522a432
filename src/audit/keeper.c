/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.c - see keeper.h. At the start all records are read once, to build the tree and to see that they are the ones
 * the last checkpoint in the file is about; after that only new ones.
 */
#include "audit/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "audit/record.h"

struct audit_keeper {
	pthread_t thread;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t ending;
	int stopping;
	enum audit_keeper_state state;
	struct audit_keeper_options o;
	char *database, *file;
	EVP_PKEY *key;
	struct store *store;
	struct audit_tree tree; /* of the records read */
	uint8_t chain[AUDIT_HASH];
	char node[AUDIT_NODE];
	struct audit_checkpoint last; /* size 0: none yet */
	time_t last_at;               /* monotonic */
};

const char *audit_keeper_state_name(enum audit_keeper_state s)
{
	static const char *const names[] = {"ok", "unreadable", "unwritable", "gap"};
	return names[s];
}

static time_t monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void enter(struct audit_keeper *k, enum audit_keeper_state s, const char *why)
{
	int news = k->state != s;
	k->state = s;
	if (news && k->o.changed)
		k->o.changed(k->o.ctx, s, why);
}

/* ---- the key ---- */

EVP_PKEY *audit_public_key(const char *path, char *err, size_t err_size)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PUBKEY(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	if (key && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519)
		return key;
	EVP_PKEY_free(key);
	snprintf(err, err_size, "%s: no Ed25519 public key in PEM", path);
	return NULL;
}

static int write_pem(const char *path, EVP_PKEY *key, int is_private)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (is_private ? O_EXCL : O_TRUNC), 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return -1;
	int ok = is_private ? PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) : PEM_write_PUBKEY(f, key);
	ok = ok && fflush(f) == 0 && fsync(fd) == 0;
	return fclose(f) == 0 && ok ? 0 : -1;
}

static EVP_PKEY *read_key(const char *path, char *err, size_t err_size)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = NULL;
	if (!f)
		return NULL;
	if (fstat(fileno(f), &st) || st.st_mode & 077)
		snprintf(err, err_size, "%s: others may read it", path);
	else if (!(key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519)
		snprintf(err, err_size, "%s: no Ed25519 key in PEM", path);
	fclose(f);
	if (err[0]) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

/* Made at the first start. The public half is written each time: the private one is the truth. */
static EVP_PKEY *open_key(const char *path, char *err, size_t err_size)
{
	char public_[4096];
	err[0] = 0;
	EVP_PKEY *key = read_key(path, err, err_size);
	if (!key && !err[0]) {
		key = errno == ENOENT ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : NULL;
		if (!key || write_pem(path, key, 1)) {
			snprintf(err, err_size, "%s: cannot be made: %s", path, strerror(errno));
			EVP_PKEY_free(key);
			return NULL;
		}
	}
	if (key &&
	    (snprintf(public_, sizeof public_, "%s.pub", path) >= (int)sizeof public_ || write_pem(public_, key, 0))) {
		snprintf(err, err_size, "%s.pub: cannot be written", path);
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* ---- the file ---- */

/* The last whole line into k->last; a torn line at the end (killed while writing) is cut off. 0 or -1. */
static int read_file(struct audit_keeper *k, char *err, size_t err_size)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	off_t whole = 0;
	int rc = 0;
	FILE *f = fopen(k->file, "re");
	if (!f)
		return errno == ENOENT ? 0 : (snprintf(err, err_size, "%s: %s", k->file, strerror(errno)), -1);
	while (!rc && (n = getline(&line, &size, f)) > 0 && line[n - 1] == '\n') {
		struct octets o = {(const uint8_t *)line, (size_t)n - 1};
		if (audit_checkpoint_parse(o, &k->last)) {
			snprintf(err, err_size, "%s: holds a line that is no checkpoint", k->file);
			rc = -1;
		}
		whole += n;
	}
	if (!rc && truncate(k->file, whole)) {
		snprintf(err, err_size, "%s: %s", k->file, strerror(errno));
		rc = -1;
	}
	free(line);
	fclose(f);
	return rc;
}

static int append_line(const char *path, const char *line)
{
	char text[AUDIT_CHECKPOINT_LINE + 1];
	size_t n = (size_t)snprintf(text, sizeof text, "%s\n", line);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	off_t before = lseek(fd, 0, SEEK_END);
	int ok = write(fd, text, n) == (ssize_t)n && fdatasync(fd) == 0;
	if (!ok && before >= 0 && ftruncate(fd, before))
		ok = 0; /* the torn line is cut off at the next start */
	return close(fd) == 0 && ok ? 0 : -1;
}

/* ---- the records ---- */

static int open_store(struct audit_keeper *k)
{
	char err[256];
	struct store_options o = {.path = k->database, .read_only = 1, .busy_timeout_ms = 2000};
	if (k->store)
		return 0;
	if (store_open(&k->store, &o, err, sizeof err)) {
		enter(k, AUDIT_KEEPER_UNREADABLE, err);
		return -1;
	}
	struct store_stmt *st = store_sql(k->store, "SELECT node FROM audit_head WHERE id=1");
	int ok = store_step(st) == STORE_ROW;
	if (ok && k->tree.n == 0) {
		snprintf(k->node, sizeof k->node, "%s", store_text(st, 0));
		ok = !audit_chain_start(k->node, k->chain);
	}
	store_reset(st);
	if (!ok) {
		store_close(k->store);
		k->store = NULL;
		enter(k, AUDIT_KEEPER_UNREADABLE, "the record has no head");
	}
	return ok ? 0 : -1;
}

/* Does what was read up to here agree with the checkpoint made when it ended here? */
static int fits_last(const struct audit_keeper *k)
{
	uint8_t root[AUDIT_HASH];
	return k->tree.n != k->last.size ||
	       (!audit_tree_root(&k->tree, root) && memcmp(root, k->last.root, AUDIT_HASH) == 0 &&
		memcmp(k->chain, k->last.chain, AUDIT_HASH) == 0);
}

static int take_record(struct audit_keeper *k, uint64_t seq, struct octets record, struct octets chain)
{
	if (seq != k->tree.n + 1 || audit_chain_next(k->chain, record) || audit_tree_add(&k->tree, record) ||
	    !octets_equal(chain, OCTETS(k->chain)) || (k->last.size && !fits_last(k))) {
		enter(k, AUDIT_KEEPER_GAP, "a record is missing or changed");
		return -1;
	}
	return 0;
}

/* All records that are new. 0, or -1 and the state says why. */
static int read_records(struct audit_keeper *k)
{
	enum store_err e;
	if (open_store(k))
		return -1;
	struct store_stmt *st = store_sql(k->store, "SELECT seq, record, chain FROM audit WHERE seq>? ORDER BY seq");
	store_bind_int(st, 1, (int64_t)k->tree.n);
	while ((e = store_step(st)) == STORE_ROW)
		if (take_record(k, (uint64_t)store_int(st, 0), store_blob(st, 1), store_blob(st, 2))) {
			store_reset(st);
			return -1;
		}
	store_reset(st);
	if (e) {
		enter(k, AUDIT_KEEPER_UNREADABLE, store_error_text(k->store));
		store_close(k->store);
		k->store = NULL;
		return -1;
	}
	if (k->tree.n < k->last.size) {
		enter(k, AUDIT_KEEPER_GAP, "records that a checkpoint covers are gone");
		return -1;
	}
	return 0;
}

/* ---- checkpoints ---- */

static int make(struct audit_keeper *k)
{
	char line[AUDIT_CHECKPOINT_LINE];
	struct timespec now;
	struct audit_checkpoint c = {.size = k->tree.n};
	clock_gettime(CLOCK_REALTIME, &now);
	c.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	snprintf(c.node, sizeof c.node, "%s", k->node);
	memcpy(c.chain, k->chain, sizeof c.chain);
	if (audit_tree_root(&k->tree, c.root) || (k->last.size && audit_checkpoint_hash(&k->last, c.previous)) ||
	    audit_checkpoint_sign(&c, k->key)) {
		enter(k, AUDIT_KEEPER_UNWRITABLE, "libcrypto cannot sign");
		return -1;
	}
	audit_checkpoint_print(&c, line);
	if (append_line(k->file, line)) {
		enter(k, AUDIT_KEEPER_UNWRITABLE, strerror(errno));
		return -1;
	}
	k->last = c;
	k->last_at = monotonic();
	if (k->o.said)
		k->o.said(k->o.ctx, line);
	return 0;
}

/* Reads what is new; a checkpoint when one is due, or wanted now. Lock held. */
static void look(struct audit_keeper *k, int now)
{
	if (k->state == AUDIT_KEEPER_GAP || read_records(k))
		return;
	uint64_t fresh = k->tree.n - k->last.size;
	int due = fresh >= k->o.every_records || monotonic() - k->last_at >= (time_t)k->o.every_s;
	if (fresh && (due || now) && make(k))
		return;
	enter(k, AUDIT_KEEPER_OK, "");
}

static void *run(void *ctx)
{
	struct audit_keeper *k = ctx;
	pthread_mutex_lock(&k->lock);
	while (!k->stopping) {
		struct timespec until;
		look(k, 0);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		while (!k->stopping && pthread_cond_timedwait(&k->ending, &k->lock, &until) == 0)
			;
	}
	look(k, 1);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

enum audit_keeper_state audit_keeper_now(struct audit_keeper *k, char line[AUDIT_CHECKPOINT_LINE])
{
	pthread_mutex_lock(&k->lock);
	look(k, 1);
	enum audit_keeper_state s = k->state;
	line[0] = 0;
	if (k->last.size)
		audit_checkpoint_print(&k->last, line);
	pthread_mutex_unlock(&k->lock);
	return s;
}

enum audit_keeper_state audit_keeper_state(struct audit_keeper *k)
{
	pthread_mutex_lock(&k->lock);
	enum audit_keeper_state s = k->state;
	pthread_mutex_unlock(&k->lock);
	return s;
}

/* ---- begin and end ---- */

static void release(struct audit_keeper *k)
{
	store_close(k->store);
	EVP_PKEY_free(k->key);
	free(k->database);
	free(k->file);
	pthread_cond_destroy(&k->ending);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

void audit_keeper_stop(struct audit_keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stopping = 1;
	pthread_cond_broadcast(&k->ending);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	release(k);
}

struct audit_keeper *audit_keeper_start(const struct audit_keeper_options *o, char *err, size_t err_size)
{
	pthread_condattr_t monotonic_clock;
	struct audit_keeper *k = calloc(1, sizeof *k);
	if (!k) {
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	k->o = *o;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&monotonic_clock);
	pthread_condattr_setclock(&monotonic_clock, CLOCK_MONOTONIC);
	pthread_cond_init(&k->ending, &monotonic_clock);
	pthread_condattr_destroy(&monotonic_clock);
	k->database = strdup(o->database);
	k->file = strdup(o->file);
	k->last_at = monotonic();
	if (!k->database || !k->file)
		snprintf(err, err_size, "no memory");
	else if ((k->key = open_key(o->key, err, err_size)) && !read_file(k, err, err_size)) {
		if (pthread_create(&k->thread, NULL, run, k) == 0)
			return k;
		snprintf(err, err_size, "no threads");
	}
	release(k);
	return NULL;
}

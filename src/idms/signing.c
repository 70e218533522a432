/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing.c - see signing.h. A key's file is there before its row is committed, and goes after its row is gone: a crash
 * between leaves a file nobody refers to, never a row without a key.
 */
#include "idms/signing.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/log.h"
#include "mcsec/secret.h"

enum state { NEXT, ACTIVE, RETIRED };
static const char *const state_names[] = {"next", "active", "retired"};
static const char *const alg_names[] = {"ES256", "RS256"};

struct key {
	struct token_signer *signer;
	enum state state;
	int64_t published, changed, until;
};

struct signing {
	pthread_rwlock_t lock; /* guards what follows */
	size_t n;
	struct key key[SIGNING_MAX];
	struct token_keys *public_;
	char *jwks;
	pthread_mutex_t rotating; /* one rotation at a time */
};

/* ---- files ---- */

static int key_path(const struct idms *s, const char *kid, const char *suffix, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/%s%s", s->cfg.keys, kid, suffix);
	return n > 0 && (size_t)n < size ? 0 : -1;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);
	while (left) {
		ssize_t n = write(fd, text, left);
		if (n <= 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd);
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int save_key(const struct idms *s, const struct token_signer *signer)
{
	char temp[1200], path[1200];
	char *pem = token_signer_pem(signer);
	int rc = -1, fd = -1;
	if (pem && !key_path(s, token_signer_kid(signer), ".new", temp, sizeof temp) &&
	    !key_path(s, token_signer_kid(signer), ".pem", path, sizeof path))
		fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		rc = write_all(fd, pem);
		close(fd);
		if (!rc)
			rc = rename(temp, path) || sync_folder(s->cfg.keys);
	}
	if (pem)
		mcsec_wipe(pem, strlen(pem));
	free(pem);
	return rc;
}

static struct token_signer *load_key(const struct idms *s, const char *kid, char *err, size_t err_size)
{
	char path[1200], pem[8192];
	struct stat st;
	struct token_signer *signer = NULL;
	int fd = key_path(s, kid, ".pem", path, sizeof path) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st)) {
		snprintf(err, err_size, "signing key %s: its file cannot be opened", kid);
	} else if (st.st_mode & 077) {
		snprintf(err, err_size, "signing key %s: others may read its file", kid);
	} else {
		ssize_t n = read(fd, pem, sizeof pem);
		signer = n > 0 ? token_signer_load((struct octets){(const uint8_t *)pem, (size_t)n}) : NULL;
		if (!signer || strcmp(token_signer_kid(signer), kid) != 0) {
			snprintf(err, err_size, "signing key %s: its file holds no such key", kid);
			token_signer_free(signer);
			signer = NULL;
		}
		mcsec_wipe(pem, sizeof pem);
	}
	if (fd >= 0)
		close(fd);
	return signer;
}

static int open_folder(const char *path, char *err, size_t err_size)
{
	struct stat st;
	if (mkdir(path, 0700) && errno != EEXIST) {
		snprintf(err, err_size, "%s: cannot be made", path);
		return -1;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode) || (st.st_mode & 077)) {
		snprintf(err, err_size, "%s: is no folder of mode 0700", path);
		return -1;
	}
	return 0;
}

/* ---- the set in memory ---- */

static void free_keys(struct signing *g)
{
	for (size_t i = 0; i < g->n; i++)
		token_signer_free(g->key[i].signer);
	g->n = 0;
	token_keys_free(g->public_);
	free(g->jwks);
	g->public_ = NULL;
	g->jwks = NULL;
}

static int publish(struct signing *g)
{
	const struct token_signer *all[SIGNING_MAX];
	for (size_t i = 0; i < g->n; i++)
		all[i] = g->key[i].signer;
	g->jwks = token_jwks(all, g->n);
	g->public_ = g->jwks ? token_keys_parse(octets_of(g->jwks)) : NULL;
	return g->public_ ? 0 : -1;
}

/* Reads rows and files; database lock held. *g must be empty. */
static int load(struct idms *s, struct signing *g, char *err, size_t err_size)
{
	struct store_stmt *st = store_sql(s->store, "SELECT kid, state, published, changed, until FROM signing_key"
						    " ORDER BY published, kid");
	enum store_err e;
	int rc = 0;
	while ((e = store_step(st)) == STORE_ROW && !rc) {
		struct key *k = &g->key[g->n];
		if (g->n == SIGNING_MAX || !(k->signer = load_key(s, store_text(st, 0), err, err_size))) {
			rc = -1;
			break;
		}
		k->state = strcmp(store_text(st, 1), "active") == 0 ? ACTIVE
			   : strcmp(store_text(st, 1), "next") == 0 ? NEXT
								    : RETIRED;
		k->published = store_int(st, 2);
		k->changed = store_int(st, 3);
		k->until = store_int(st, 4);
		g->n++;
	}
	store_reset(st);
	if (!rc && e != STORE_OK) {
		snprintf(err, err_size, "signing keys: database %s", store_err_name(e));
		rc = -1;
	}
	return rc;
}

/* What rows and files say now, as it would be published; database lock held, inside a transaction or not. */
static int read_anew(struct idms *s, struct signing *fresh, char *err, size_t err_size)
{
	if (!load(s, fresh, err, err_size) && (!fresh->n || !publish(fresh)))
		return 0;
	free_keys(fresh);
	return -1;
}

static void put_in_use(struct signing *g, const struct signing *fresh)
{
	pthread_rwlock_wrlock(&g->lock);
	free_keys(g);
	g->n = fresh->n;
	memcpy(g->key, fresh->key, sizeof g->key);
	g->public_ = fresh->public_;
	g->jwks = fresh->jwks;
	pthread_rwlock_unlock(&g->lock);
}

static int reload(struct idms *s, struct signing *g, char *err, size_t err_size)
{
	struct signing fresh = {0};
	if (read_anew(s, &fresh, err, err_size))
		return -1;
	put_in_use(g, &fresh);
	return 0;
}

/*
 * Ends a transaction that changed rows (e: how that went) and locked the database: what the rows say is in use when
 * they are committed, or neither is. A set that could only be read afterwards might be one that nobody uses: the old
 * keys would go on signing.
 */
static int commit_in_use(struct idms *s, struct signing *g, enum store_err e, char *err, size_t err_size)
{
	struct signing fresh = {0};
	if (e) {
		snprintf(err, err_size, "signing keys: database %s", store_err_name(e));
		idms_rollback(s);
		return -1;
	}
	if (read_anew(s, &fresh, err, err_size)) {
		idms_rollback(s);
		return -1;
	}
	e = store_commit(s->store);
	if (e) {
		snprintf(err, err_size, "signing keys: database %s", store_err_name(e));
		free_keys(&fresh);
	} else {
		put_in_use(g, &fresh);
	}
	pthread_mutex_unlock(&s->db_lock);
	return e ? -1 : 0;
}

/* ---- rows; inside a transaction ---- */

static enum store_err insert_key(struct idms *s, const struct token_signer *signer, enum state state)
{
	struct store_stmt *st =
	    store_sql(s->store, "INSERT INTO signing_key (kid, alg, state, published, changed, until)"
				" VALUES (?1, ?2, ?3, ?4, ?4, 0)");
	store_bind_text(st, 1, token_signer_kid(signer));
	store_bind_text(st, 2, alg_names[token_signer_alg(signer)]);
	store_bind_text(st, 3, state_names[state]);
	store_bind_int(st, 4, idms_now(s));
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

static enum store_err change_state(struct idms *s, enum token_alg alg, enum state from, enum state to, int64_t until)
{
	struct store_stmt *st = store_sql(s->store, "UPDATE signing_key SET state = ?3, changed = ?4, until = ?5"
						    " WHERE alg = ?1 AND state = ?2");
	store_bind_text(st, 1, alg_names[alg]);
	store_bind_text(st, 2, state_names[from]);
	store_bind_text(st, 3, state_names[to]);
	store_bind_int(st, 4, idms_now(s));
	store_bind_int(st, 5, until);
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

/* ---- life ---- */

/* The first keys: for each algorithm one that signs and one to follow it. */
static int make_first(struct idms *s, char *err, size_t err_size)
{
	struct token_signer *made[4] = {0};
	enum store_err e = STORE_OK;
	int rc = 0;
	for (int i = 0; i < 4 && !rc; i++) {
		made[i] = token_signer_generate((enum token_alg)(i / 2));
		rc = !made[i] || save_key(s, made[i]) ? -1 : 0;
	}
	if (!rc && !(e = store_begin(s->store))) {
		for (int i = 0; i < 4 && !e; i++)
			e = insert_key(s, made[i], i % 2 ? NEXT : ACTIVE);
		if (!e)
			e = idms_audit(s, &(struct idms_event){'K', "key.rotated", AUDIT_OK, .reason = "first keys"});
		if (e)
			store_rollback(s->store);
		else
			e = store_commit(s->store);
	}
	for (int i = 0; i < 4; i++)
		token_signer_free(made[i]);
	if (rc || e)
		snprintf(err, err_size, "the first signing keys could not be %s", rc ? "written" : store_err_name(e));
	return rc || e ? -1 : 0;
}

struct signing *signing_open(struct idms *s, char *err, size_t err_size)
{
	struct signing *g = calloc(1, sizeof *g);
	if (!g || open_folder(s->cfg.keys, err, err_size)) {
		free(g);
		return NULL;
	}
	pthread_rwlock_init(&g->lock, NULL);
	pthread_mutex_init(&g->rotating, NULL);
	pthread_mutex_lock(&s->db_lock);
	int rc = reload(s, g, err, err_size);
	if (!rc && g->n == 0)
		rc = make_first(s, err, err_size) || reload(s, g, err, err_size);
	pthread_mutex_unlock(&s->db_lock);
	if (rc) {
		signing_close(g);
		return NULL;
	}
	return g;
}

void signing_close(struct signing *g)
{
	if (!g)
		return;
	free_keys(g);
	pthread_rwlock_destroy(&g->lock);
	pthread_mutex_destroy(&g->rotating);
	free(g);
}

/* ---- use ---- */

static const struct key *find(const struct signing *g, enum token_alg alg, enum state state)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->key[i].state == state && token_signer_alg(g->key[i].signer) == alg)
			return &g->key[i];
	return NULL;
}

char *signing_sign(struct signing *g, enum token_alg alg, const char *typ, const char *payload)
{
	pthread_rwlock_rdlock(&g->lock);
	const struct key *k = find(g, alg, ACTIVE);
	char *token = k ? token_sign(k->signer, typ, payload) : NULL;
	pthread_rwlock_unlock(&g->lock);
	return token;
}

char *signing_jwks(struct signing *g)
{
	pthread_rwlock_rdlock(&g->lock);
	char *copy = strdup(g->jwks);
	pthread_rwlock_unlock(&g->lock);
	return copy;
}

enum token_verdict signing_check(struct signing *g, const char *token, size_t len, struct token_policy *policy,
				 struct token_claims *out)
{
	pthread_rwlock_rdlock(&g->lock);
	policy->keys = g->public_;
	enum token_verdict v = token_check(token, len, policy, out);
	policy->keys = NULL;
	pthread_rwlock_unlock(&g->lock);
	return v;
}

char *signing_list(struct signing *g)
{
	json_t *list = json_array();
	pthread_rwlock_rdlock(&g->lock);
	for (size_t i = 0; i < g->n; i++) {
		const struct key *k = &g->key[i];
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:I, s:I}", "kid", token_signer_kid(k->signer), "alg",
						alg_names[token_signer_alg(k->signer)], "state", state_names[k->state],
						"published", (json_int_t)k->published, "until", (json_int_t)k->until));
	}
	pthread_rwlock_unlock(&g->lock);
	char *text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

/* ---- rotation ---- */

static int warmed_up(struct signing *g, int64_t now)
{
	int ready = 1;
	pthread_rwlock_rdlock(&g->lock);
	for (int alg = 0; alg < 2; alg++) {
		const struct key *k = find(g, (enum token_alg)alg, NEXT);
		ready &= k && now - k->published >= SIGNING_WARM_UP_S;
	}
	pthread_rwlock_unlock(&g->lock);
	return ready;
}

/* How long tokens of a retired key may still be around, and an hour more. */
static int64_t retired_until(const struct idms *s)
{
	int64_t life = s->cfg.access_ttl > s->cfg.id_ttl ? s->cfg.access_ttl : s->cfg.id_ttl;
	enum { CLIENTS_MAX_TTL = 14400 };
	return idms_now(s) + (life > CLIENTS_MAX_TTL ? life : CLIENTS_MAX_TTL) + 3600;
}

static enum store_err rotate_rows(struct idms *s, struct token_signer *const made[2], int emergency, const char *actor,
				  const char *source)
{
	enum store_err e = STORE_OK;
	for (int alg = 0; alg < 2 && !e; alg++) {
		e = change_state(s, (enum token_alg)alg, ACTIVE, RETIRED, emergency ? 1 : retired_until(s));
		if (!e)
			e = change_state(s, (enum token_alg)alg, NEXT, ACTIVE, 0);
		if (!e)
			e = insert_key(s, made[alg], NEXT);
	}
	return e ? e
		 : idms_audit(s, &(struct idms_event){'K', "key.rotated", AUDIT_OK, .actor = actor, .source = source,
						      .reason = emergency ? "emergency" : "scheduled"});
}

static void remove_file(const struct idms *s, const char *kid)
{
	char path[1200];
	if (!key_path(s, kid, ".pem", path, sizeof path))
		unlink(path);
}

/* Retired keys whose time is over, with their files. */
static void remove_expired(struct idms *s, struct signing *g)
{
	char err[256] = "", kids[SIGNING_MAX][TOKEN_KID];
	size_t n = 0;
	enum store_err e = idms_begin(s);
	if (e) {
		log_warn("idms.keys-not-removed", log_text("database", store_err_name(e)));
		return;
	}
	struct store_stmt *st = store_sql(s->store, "DELETE FROM signing_key WHERE state = 'retired' AND until < ?"
						    " RETURNING kid");
	store_bind_int(st, 1, idms_now(s));
	while ((e = store_step(st)) == STORE_ROW && n < SIGNING_MAX)
		snprintf(kids[n++], sizeof kids[0], "%s", store_text(st, 0));
	store_reset(st);
	if (!e && n == 0) {
		idms_rollback(s);
	} else if (commit_in_use(s, g, e, err, sizeof err)) {
		log_warn("idms.keys-not-removed", log_text("error", err));
	} else {
		for (size_t i = 0; i < n; i++)
			remove_file(s, kids[i]);
	}
}

enum signing_rotation signing_rotate(struct idms *s, int emergency, const char *actor, const char *source)
{
	struct signing *g = s->signing;
	struct token_signer *made[2] = {0};
	char err[256] = "the new keys cannot be made";
	enum signing_rotation rc = ROTATION_FAILED;
	pthread_mutex_lock(&g->rotating);
	if (!emergency && !warmed_up(g, idms_now(s))) {
		pthread_mutex_unlock(&g->rotating);
		return ROTATION_TOO_EARLY;
	}
	int ready = 1;
	for (int alg = 0; alg < 2 && ready; alg++) {
		made[alg] = token_signer_generate((enum token_alg)alg);
		ready = made[alg] && save_key(s, made[alg]) == 0;
	}
	if (ready) {
		enum store_err e = idms_begin(s);
		if (e)
			snprintf(err, sizeof err, "signing keys: database %s", store_err_name(e));
		else if (!commit_in_use(s, g, rotate_rows(s, made, emergency, actor, source), err, sizeof err))
			rc = ROTATED;
	}
	if (rc == ROTATED)
		remove_expired(s, g);
	for (int alg = 0; alg < 2; alg++) {
		if (rc != ROTATED && made[alg])
			remove_file(s, token_signer_kid(made[alg]));
		token_signer_free(made[alg]);
	}
	pthread_mutex_unlock(&g->rotating);
	if (rc == ROTATION_FAILED)
		log_error("idms.key-rotation-failed", log_text("error", err));
	return rc;
}

void signing_keep(struct idms *s)
{
	int due = 0;
	int64_t now = idms_now(s);
	pthread_rwlock_rdlock(&s->signing->lock);
	for (size_t i = 0; i < s->signing->n; i++) {
		const struct key *k = &s->signing->key[i];
		due |= k->state == ACTIVE && now - k->changed >= s->cfg.rotate_days * 86400;
	}
	pthread_rwlock_unlock(&s->signing->lock);
	if (due)
		signing_rotate(s, 0, "schedule", NULL);
	remove_expired(s, s->signing);
}

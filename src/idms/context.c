/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c - raises and ends one identity server, and keeps house (see context.h).
 *
 * Order at the start: database, keys, pools, then the listeners: who can connect can be served. Order at the end: the
 * listeners first (they wait for what runs), then the pools, then keys and database.
 */
#include "idms/context.h"

#include <arpa/inet.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app/checkpoints.h"
#include "app/log.h"
#include "idms/grant.h"
#include "idms/logins.h"
#include "idms/routes.h"
#include "idms/schema.h"
#include "idms/signing.h"
#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { HOUSEKEEPING_S = 10, LOGINS_MAX = 2048, THROTTLE_SLOTS = 16384, BUSY_MS = 500, ADMIN_BODY = 64 * 1024 };

static const struct metric metric_table[M_COUNT] = {
    [M_LOGIN_OK] = {"mcx_idms_logins_total", "Sign-ins by password", "result=\"ok\"", METRIC_COUNTER, 0},
    [M_LOGIN_WRONG] = {"mcx_idms_logins_total", "Sign-ins by password", "result=\"wrong\"", METRIC_COUNTER, 0},
    [M_LOGIN_THROTTLED] = {"mcx_idms_logins_total", "Sign-ins by password", "result=\"throttled\"", METRIC_COUNTER, 0},
    [M_LOGIN_BUSY] = {"mcx_idms_logins_total", "Sign-ins by password", "result=\"busy\"", METRIC_COUNTER, 0},
    [M_CODES] = {"mcx_idms_codes_total", "Authorization codes issued", NULL, METRIC_COUNTER, 0},
    [M_TOKENS_CODE] = {"mcx_idms_tokens_total", "Token answers", "grant=\"code\"", METRIC_COUNTER, 0},
    [M_TOKENS_REFRESH] = {"mcx_idms_tokens_total", "Token answers", "grant=\"refresh\"", METRIC_COUNTER, 0},
    [M_TOKEN_REFUSED] = {"mcx_idms_token_refused_total", "Token requests refused", NULL, METRIC_COUNTER, 0},
    [M_CODE_REPLAY] = {"mcx_idms_code_replays_total", "Codes shown a second time", NULL, METRIC_COUNTER, 0},
    [M_REFRESH_REUSE] = {"mcx_idms_refresh_reuse_total", "Refresh families ended for reuse", NULL, METRIC_COUNTER, 0},
    [M_DB_UNAVAILABLE] = {"mcx_idms_unavailable_total", "Answers 503 for want of the database", NULL, METRIC_COUNTER,
			  0},
};

/* ---- small things ---- */

static int64_t system_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t idms_now(const struct idms *s)
{
	return s->now_ms() / 1000;
}

void idms_count(struct idms *s, enum idms_metric m)
{
	metric_add(&s->metrics[m], 1);
}

int idms_random(char out[RANDOM_TEXT])
{
	uint8_t raw[32];
	char text[BASE64_SIZE(sizeof raw)];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, sizeof raw))
		return -1;
	base64url_encode(OCTETS(raw), text);
	memcpy(out, text, RANDOM_TEXT);
	mcsec_wipe(raw, sizeof raw);
	mcsec_wipe(text, sizeof text);
	return 0;
}

void idms_hash(const char *text, uint8_t out[HASH_LEN])
{
	SHA256((const uint8_t *)text, strlen(text), out);
}

int idms_opaque_id(const char *prefix, char out[OPAQUE_ID])
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t raw[26];
	size_t n = strlen(prefix);
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, sizeof raw))
		return -1;
	memcpy(out, prefix, n);
	for (size_t i = 0; i < sizeof raw; i++)
		out[n++] = base32[raw[i] & 31];
	out[n] = 0;
	return 0;
}

static int is_random_text(const char *at, size_t n)
{
	uint8_t raw[32];
	size_t len = 0;
	return n == RANDOM_TEXT - 1 && base64url_decode(at, n, raw, sizeof raw, &len) == MCSEC_OK && len == sizeof raw;
}

void idms_cookie(const struct http_request *rq, const char *name, char out[RANDOM_TEXT])
{
	const char *at = http_request_header(rq, "Cookie", NULL);
	size_t name_len = strlen(name);
	out[0] = 0;
	while (at && *at) {
		at += strspn(at, "; ");
		size_t n = strcspn(at, ";");
		if (n > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0 &&
		    is_random_text(at + name_len + 1, n - name_len - 1)) {
			memcpy(out, at + name_len + 1, RANDOM_TEXT - 1);
			out[RANDOM_TEXT - 1] = 0;
			return;
		}
		at += n;
	}
}

void idms_source(const struct http_request *rq, char out[64])
{
	unsigned char v6[16];
	snprintf(out, 64, "%s", rq->peer);
	if (strchr(rq->peer, ':') && inet_pton(AF_INET6, rq->peer, v6) == 1)
		hex_encode((struct octets){v6, 8}, out);
}

/* ---- transactions ---- */

enum store_err idms_begin(struct idms *s)
{
	pthread_mutex_lock(&s->db_lock);
	enum store_err e = store_begin(s->store);
	if (e)
		pthread_mutex_unlock(&s->db_lock);
	return e;
}

enum store_err idms_commit(struct idms *s)
{
	enum store_err e = store_commit(s->store);
	pthread_mutex_unlock(&s->db_lock);
	return e;
}

void idms_rollback(struct idms *s)
{
	store_rollback(s->store);
	pthread_mutex_unlock(&s->db_lock);
}

enum store_err idms_audit(struct idms *s, const struct idms_event *e)
{
	struct audit_record r = {.class_ = e->class_,
				 .type = e->type,
				 .outcome = e->outcome,
				 .actor = e->actor,
				 .target = e->target,
				 .reason = e->reason};
	const struct {
		const char *key, *value;
	} details[] = {
	    {"client", e->client}, {"jti", e->jti}, {"scope", e->scope}, {"sid", e->sid}, {"source", e->source},
	};
	for (size_t i = 0; i < sizeof details / sizeof *details; i++)
		if (details[i].value && details[i].value[0]) {
			r.detail[r.n_detail].key = details[i].key;
			r.detail[r.n_detail++].value = details[i].value;
		}
	if (e->outcome == AUDIT_REFUSED && e->source && e->source[0] &&
	    !audit_refusals_note(s->refusals, e->class_, e->type, e->source, s->now_ms()))
		return STORE_OK;
	return audit_append(s->audit, &r, s->now_ms() * 1000000);
}

enum store_err idms_audit_alone(struct idms *s, const struct idms_event *e)
{
	enum store_err err = idms_begin(s);
	if (err)
		return err;
	err = idms_audit(s, e);
	if (!err)
		return idms_commit(s);
	idms_rollback(s);
	return err;
}

/* ---- housekeeping ---- */

static void write_refusals(struct idms *s, int all)
{
	pthread_mutex_lock(&s->db_lock);
	enum store_err e =
	    audit_refusals_write(s->refusals, s->audit, s->store, s->now_ms(), s->now_ms() * 1000000, all);
	pthread_mutex_unlock(&s->db_lock);
	if (e)
		log_warn("idms.refusals-not-written", log_text("database", store_err_name(e)));
}

void idms_housekeeping(struct idms *s)
{
	write_refusals(s, 0);
	logins_purge(s->logins, idms_now(s));
	enum store_err e = idms_begin(s);
	if (!e) {
		e = grant_purge(s);
		if (e)
			idms_rollback(s);
		else
			e = idms_commit(s);
	}
	if (e)
		log_warn("idms.housekeeping", log_text("database", store_err_name(e)));
	else
		signing_keep(s);
}

static void *keep_house(void *arg)
{
	struct idms *s = arg;
	pthread_mutex_lock(&s->life_lock);
	while (!s->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += HOUSEKEEPING_S;
		if (pthread_cond_timedwait(&s->ending, &s->life_lock, &until) == 0)
			continue;
		pthread_mutex_unlock(&s->life_lock);
		idms_housekeeping(s);
		pthread_mutex_lock(&s->life_lock);
	}
	pthread_mutex_unlock(&s->life_lock);
	return NULL;
}

/* ---- start ---- */

static int fail(char *err, size_t err_size, const char *text)
{
	snprintf(err, err_size, "%s", text);
	return -1;
}

/* Issuer = https://host[:port], nothing behind it (identity.md 3). */
static int issuer_ok(const char *issuer)
{
	return strncmp(issuer, "https://", 8) == 0 && issuer[8] && !strpbrk(issuer + 8, "/?#@ \"\\");
}

static int read_scopes(struct idms *s, char *err, size_t err_size)
{
	scope_catalogue_default(&s->scopes);
	for (size_t i = 0; i < s->cfg.scopes.n; i++)
		if (scope_catalogue_add(&s->scopes, s->cfg.scopes.item[i])) {
			snprintf(err, err_size, "scopes: \"%.80s\" is not \"name ptt|video|data|any\"",
				 s->cfg.scopes.item[i]);
			return -1;
		}
	return 0;
}

static int open_database(struct idms *s, char *err, size_t err_size)
{
	const char *migrations[IDMS_MIGRATIONS];
	idms_migration_list(migrations);
	struct store_options o = {.path = s->cfg.database,
				  .migrations = migrations,
				  .n_migrations = IDMS_MIGRATIONS,
				  .busy_timeout_ms = BUSY_MS};
	if (store_open(&s->store, &o, err, err_size))
		return -1;
	if (audit_open(&s->audit, s->store, "mcx-idms"))
		return fail(err, err_size, "the audit record cannot be opened");
	return 0;
}

static int make_pools(struct idms *s, char *err, size_t err_size)
{
	struct password_cost cost = {(uint32_t)s->cfg.argon2_memory_kib, (uint32_t)s->cfg.argon2_passes,
				     (uint32_t)s->cfg.argon2_lanes};
	s->passwords = password_pool_start((unsigned)s->cfg.argon2_threads, (unsigned)s->cfg.argon2_queue, &cost);
	s->throttle = throttle_new(THROTTLE_SLOTS);
	s->logins = logins_new(LOGINS_MAX);
	s->grace = grace_new();
	s->refusals = audit_refusals_new();
	s->metrics = calloc(M_COUNT, sizeof *s->metrics);
	if (!s->refusals || !s->passwords || !s->throttle || !s->logins || !s->grace || !s->metrics)
		return fail(err, err_size, "no memory for the pools");
	memcpy(s->metrics, metric_table, sizeof metric_table);
	return 0;
}

static int listen_on(struct idms *s, char *err, size_t err_size)
{
	struct http_server_options o = {.address = s->cfg.address,
					.port = (uint16_t)s->cfg.port,
					.cert_file = s->cfg.tls,
					.key_file = s->cfg.tls,
					.client_ca_file = s->cfg.client_ca[0] ? s->cfg.client_ca : NULL,
					.max_body = FORM_MAX_OCTETS,
					.threads = (unsigned)s->cfg.threads,
					.max_connections = (unsigned)s->cfg.max_connections,
					.max_per_peer = (unsigned)s->cfg.max_per_peer,
					.new_per_peer = (unsigned)s->cfg.new_per_peer,
					.handler = public_route,
					.ctx = s};
	if (!(s->public_ = http_server_start(&o, err, err_size)))
		return -1;
	o.port = (uint16_t)s->cfg.admin_port;
	o.client_ca_file = s->cfg.admin_ca;
	o.max_body = ADMIN_BODY;
	o.threads = 2;
	o.handler = admin_route;
	return (s->admin = http_server_start(&o, err, err_size)) ? 0 : -1;
}

struct idms *idms_start(const struct idms_config *c, int64_t (*now_ms)(void), char *err, size_t err_size)
{
	struct idms *s = calloc(1, sizeof *s);
	if (!s) {
		fail(err, err_size, "no memory");
		return NULL;
	}
	s->cfg = *c;
	s->now_ms = now_ms ? now_ms : system_ms;
	pthread_mutex_init(&s->db_lock, NULL);
	pthread_mutex_init(&s->life_lock, NULL);
	pthread_condattr_t steady; /* a wall clock set back must not stop the housekeeping */
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&s->ending, &steady);
	pthread_condattr_destroy(&steady);
	int rc = issuer_ok(c->issuer) ? 0 : fail(err, err_size, "issuer is https://host[:port] and nothing more");
	if (!rc)
		rc = read_scopes(s, err, err_size) || open_database(s, err, err_size) ||
		     checkpoints_start(c->database, c->audit_key, c->audit_checkpoints, &s->checkpoints, err,
				       err_size) ||
		     make_pools(s, err, err_size);
	if (!rc && !(s->signing = signing_open(s, err, err_size)))
		rc = -1;
	if (!rc && pthread_create(&s->keeper, NULL, keep_house, s))
		rc = fail(err, err_size, "no thread");
	else if (!rc)
		s->keeping = 1;
	if (!rc)
		rc = listen_on(s, err, err_size);
	if (rc) {
		idms_stop(s);
		return NULL;
	}
	return s;
}

void idms_stop(struct idms *s)
{
	http_server_stop(s->public_);
	http_server_stop(s->admin);
	if (s->keeping) {
		pthread_mutex_lock(&s->life_lock);
		s->stopping = 1;
		pthread_cond_broadcast(&s->ending);
		pthread_mutex_unlock(&s->life_lock);
		pthread_join(s->keeper, NULL);
	}
	password_pool_stop(s->passwords);
	signing_close(s->signing);
	if (s->refusals && s->audit)
		write_refusals(s, 1);
	audit_keeper_stop(s->checkpoints);
	if (s->audit)
		audit_close(s->audit);
	audit_refusals_free(s->refusals);
	store_close(s->store);
	throttle_free(s->throttle);
	logins_free(s->logins);
	grace_free(s->grace);
	free(s->metrics);
	pthread_cond_destroy(&s->ending);
	pthread_mutex_destroy(&s->life_lock);
	pthread_mutex_destroy(&s->db_lock);
	free(s);
}

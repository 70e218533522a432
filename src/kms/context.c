/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c - opening and closing what mcx-kms works with: store, domain, seal, the identity server's keys.
 *
 * The domain is made once: at the first start with its custody there. After that its certificate and its secrets never
 * change by a restart; a configuration that contradicts the stored certificate is refused. Without a domain the daemon
 * is uninitialised, without its custody sealed, and says 503 in both (kms.md 15A rows 8a, 9).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "app/daemon.h"
#include "app/log.h"
#include "kms/context.h"
#include "kms/domain.h"
#include "kms/issuer/confine.h"
#include "mcsec/secret.h"

struct metric kms_metrics[KMS_METRICS] = {
    [KMS_M_REQUESTS] = {"mcx_kms_requests_total", "Requests", NULL, METRIC_COUNTER, 0},
    [KMS_M_ISSUED] = {"mcx_kms_issued_total", "Key sets issued", NULL, METRIC_COUNTER, 0},
    [KMS_M_REFUSED_TOKEN] = {"mcx_kms_refused_total", "Requests refused", "why=\"token\"", METRIC_COUNTER, 0},
    [KMS_M_REFUSED_REQUEST] = {"mcx_kms_refused_total", "Requests refused", "why=\"request\"", METRIC_COUNTER, 0},
    [KMS_M_REFUSED_RATE] = {"mcx_kms_refused_total", "Requests refused", "why=\"rate\"", METRIC_COUNTER, 0},
    [KMS_M_STORE] = {"mcx_kms_store_unavailable_total", "Requests answered 503 for the database", NULL, METRIC_COUNTER,
		     0},
    [KMS_M_CLIENT_ERRORS] = {"mcx_kms_client_errors_total", "Errors clients reported", NULL, METRIC_COUNTER, 0},
    [KMS_M_SEALED] = {"mcx_kms_sealed", "1 while the master secrets are not loaded", NULL, METRIC_GAUGE, 0},
    [KMS_M_ISSUER_UP] = {"mcx_kms_issuer_up", "1 while the issuing process lives", NULL, METRIC_GAUGE, 0},
    [KMS_M_ISSUER_DEATHS] = {"mcx_kms_issuer_deaths_total", "Deaths of the issuing process", NULL, METRIC_COUNTER, 0},
    [KMS_M_READ] = {"mcx_kms_read_total", "Requests whose XML document was read, good or bad", NULL, METRIC_COUNTER, 0},
};

enum { NUMBERS_AT_ONCE = 256, JWKS_TIMEOUT_MS = 3000, JWKS_MAX = 256 * 1024 };

int64_t kms_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t system_now(void)
{
	return kms_now_ns() / 1000000000;
}

enum audit_clock kms_clock(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);
	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC) ? AUDIT_CLOCK_NTP : AUDIT_CLOCK_FREE;
}

enum store_err kms_next_number(struct kms *k, struct kms_db *db, uint64_t *out)
{
	enum store_err e = STORE_OK;
	pthread_mutex_lock(&k->numbers.lock);
	if (k->numbers.next == k->numbers.end) {
		uint64_t first;
		e = kms_db_take_numbers(db, NUMBERS_AT_ONCE, &first);
		if (!e) {
			k->numbers.next = first;
			k->numbers.end = first + NUMBERS_AT_ONCE;
		}
	}
	if (!e)
		*out = k->numbers.next++;
	pthread_mutex_unlock(&k->numbers.lock);
	return e;
}

/* ---- the domain
 * -------------------------------------------------------------------------------------------------------- */

/* 0, -1, or 1: the custody is not there, so the daemon is uninitialised. */
struct kept_domain {
	struct kms_domain_row row;
	struct kept_domain *before;
};

/* Room for one more; NULL without memory. */
static struct kms_domain_row *keep_domain(struct kms *k)
{
	struct kept_domain *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->before = k->kept;
	k->kept = d;
	return &d->row;
}

static int create_domain(struct kms *k, struct kms_db *db, struct kms_domain_row *row, char *err, size_t err_size)
{
	struct kms_certificate *cert = &row->cert;
	enum custody_err c = CUSTODY_ABSENT; /* officers are never there by themselves */
	kms_describe(k->config, k->now(), cert);
	if (custody_kind_of(k->config->custody) != CUSTODY_BY_OFFICERS)
		c = issuer_create(k->issuer, k->config->uri, &cert->periods, cert->pub_auth_key, cert->pub_enc_key,
				  row->sealed, &row->sealed_len);
	if (c == CUSTODY_ABSENT) {
		log_warn("kms.uninitialised", log_text("custody", "absent; mcx kms ceremony init makes a domain"));
		memset(row, 0, sizeof *row);
		return 1;
	}
	if (c) {
		snprintf(err, err_size, "no domain can be made; its custody: %s", custody_err_name(c));
		return -1;
	}
	struct audit_record r = {.class_ = 'K',
				 .type = "kms.master.create",
				 .clock = kms_clock(),
				 .actor = k->config->node,
				 .kms_responder = k->config->uri};
	audit_detail(&r, "cert-uri", cert->cert_uri);
	enum store_err e = kms_db_domain_create(db, row);
	if (!e)
		e = audit_append(db->audit, &r, kms_now_ns());
	if (e)
		snprintf(err, err_size, "the domain cannot be stored: %s", store_error_text(db->store));
	return e ? -1 : 0;
}

static enum custody_err open_issuer_with(struct kms *k)
{
	return issuer_unseal(k->issuer, &k->domain->cert, (struct octets){k->domain->sealed, k->domain->sealed_len});
}

/* Other threads may be looking at the domain that was read before: it stays. */
static enum custody_err read_and_unseal(struct kms *k, struct kms_db *db)
{
	struct kms_domain_row row = {0};
	char err[256];
	enum store_err e = kms_db_domain(db, &row);
	if (e != STORE_ROW)
		return e == STORE_OK ? CUSTODY_ABSENT : CUSTODY_RESOURCES;
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): taken for new, it is kept once more */
	if (memcmp(&row, k->domain, sizeof row) != 0) {
		struct kms_domain_row *kept = keep_domain(k);
		if (!kept)
			return CUSTODY_RESOURCES;
		*kept = row;
		k->domain = kept;
	}
	if (kms_domain_fits(k->config, &k->domain->cert, err, sizeof err)) {
		log_error("kms.domain-refused", log_text("error", err));
		return CUSTODY_MALFORMED;
	}
	return open_issuer_with(k);
}

enum custody_err kms_unseal(struct kms *k, struct kms_db *db)
{
	pthread_mutex_lock(&k->unsealing);
	enum custody_err c = issuer_is_sealed(k->issuer) ? read_and_unseal(k, db) : CUSTODY_OK;
	pthread_mutex_unlock(&k->unsealing);
	return c;
}

static void note_issuer(void *ctx, enum issuer_life now, int died)
{
	(void)ctx;
	metric_set(&kms_metrics[KMS_M_SEALED], now != ISSUER_LIFE_UNSEALED);
	metric_set(&kms_metrics[KMS_M_ISSUER_UP], now == ISSUER_LIFE_UNSEALED || now == ISSUER_LIFE_SEALED);
	metric_add(&kms_metrics[KMS_M_ISSUER_DEATHS], died);
}

static int unseal_at_start(struct kms *k, char *err, size_t err_size)
{
	enum custody_err c = open_issuer_with(k);
	if (!c)
		return 0;
	if (c == CUSTODY_ABSENT) {
		log_warn("kms.sealed", log_text("custody", custody_err_name(c)));
		return 0;
	}
	snprintf(err, err_size, "the master secrets do not open; their custody: %s", custody_err_name(c));
	return -1;
}

static int open_domain(struct kms *k, struct kms_db *db, char *err, size_t err_size)
{
	if (store_begin(db->store)) {
		snprintf(err, err_size, "database: %s", store_error_text(db->store));
		return -1;
	}
	struct audit_record r = {.class_ = 'T', .type = "audit.open", .clock = kms_clock(), .actor = k->config->node};
	struct kms_domain_row *row = keep_domain(k);
	enum store_err e = row ? kms_db_domain(db, row) : STORE_FULL;
	int missing = e == STORE_OK, made = missing ? create_domain(k, db, row, err, err_size) : 0;
	if (made < 0)
		return -1;
	if (e == STORE_OK || e == STORE_ROW)
		e = audit_append(db->audit, &r, kms_now_ns());
	if (!e)
		e = store_commit(db->store);
	if (e) {
		snprintf(err, err_size, "database: %s", store_error_text(db->store));
		return -1;
	}
	k->domain = row;
	if (made > 0)
		return 0;
	if (kms_domain_fits(k->config, &k->domain->cert, err, err_size))
		return -1;
	return missing ? 0 : unseal_at_start(k, err, err_size);
}

/* ---- the identity server's keys
 * --------------------------------------------------------------------------------------- */

/* A small file, whole; it lives until the next one. */
static struct octets read_file(const char *path)
{
	static uint8_t text[JWKS_MAX];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	if (f)
		fclose(f);
	return (struct octets){text, n < sizeof text ? n : 0};
}

static struct token_keys *read_key_file(const char *path)
{
	struct octets text = read_file(path);
	return text.len ? token_keys_parse(text) : NULL;
}

/* The key that seals TrK and InK, and the anchors for redirect responses. */
static int open_protection(struct kms *k, char *err, size_t err_size)
{
	const struct kms_config *c = k->config;
	if (strcmp(c->protect, "off") != 0) {
		k->seal = transport_seal_open(c->transport_key, err, err_size);
		if (!k->seal)
			return -1;
	}
	if (c->krr_ca[0]) {
		k->krr_trust = krr_trust_new(read_file(c->krr_ca));
		if (!k->krr_trust) {
			snprintf(err, err_size, "no certificate in %s", c->krr_ca);
			return -1;
		}
	}
	return 0;
}

static int open_keys(struct kms *k, char *err, size_t err_size)
{
	const struct kms_config *c = k->config;
	k->bearer = (struct bearer){.issuer = c->issuer,
				    .audience = c->audience,
				    .realm = c->realm,
				    .no_token_status = (int)c->no_token_status,
				    .accept_r13_scopes = c->rel13_scopes};
	if (c->jwks_file[0]) {
		k->file_keys = read_key_file(c->jwks_file);
	} else {
		struct jwks_cache_options o = {.url = c->jwks,
					       .http = {.ca_file = c->ca,
							.max_body = JWKS_MAX,
							.resolve = c->resolve[0] ? c->resolve : NULL,
							.timeout_ms = JWKS_TIMEOUT_MS}};
		k->jwks = jwks_cache_new(&o);
	}
	if (k->file_keys || k->jwks)
		return 0;
	snprintf(err, err_size, "no keys of the identity server in %s", c->jwks_file[0] ? c->jwks_file : c->jwks);
	return -1;
}

/* ---- all of it
 * ----------------------------------------------------------------------------------------------------------- */

static int open_store(struct kms *k, char *err, size_t err_size)
{
	enum store_err e;
	k->pool = kms_pool_new(k->config->database, k->config->node, (unsigned)k->config->busy_ms, err, err_size);
	struct kms_db *db = k->pool ? kms_pool_take(k->pool, &e) : NULL;
	if (!db)
		return -1;
	int rc = open_domain(k, db, err, err_size);
	kms_pool_give(k->pool, db, STORE_OK);
	return rc;
}

/* First of all: the keeper is forked from a process without threads, and with the user it was started as. */
static int open_issuer(struct kms *k, char *err, size_t err_size)
{
	const struct issuer_options o = {
	    .config = k->config, .config_path = daemon_config_path(), .changed = note_issuer, .ctx = k};
	int separate;
	k->issuer = issuer_new(&o, err, err_size);
	if (!k->issuer || (k->config->user[0] && confine_user(k->config->user, &separate, err, err_size)))
		return -1;
	log_info("kms.separation", log_int("uid", geteuid()), log_int("filtered", !confine_is_off()),
		 log_text("issuer_user", k->config->issuer_user));
	if (geteuid() == 0)
		log_warn("kms.front-end-is-root", log_text("because", "the configuration names no user"));
	return 0;
}

static int confine(struct kms *k, char *err, size_t err_size)
{
	if (!confine_front() && !issuer_watch(k->issuer))
		return 0;
	snprintf(err, err_size, "the kernel refuses the filter of system calls, or threads");
	return -1;
}

static const struct kms_domain_row no_domain;

struct kms *kms_open(const struct kms_config *config, char *err, size_t err_size)
{
	struct kms *k = calloc(1, sizeof *k);
	if (k) {
		k->config = config;
		k->now = system_now;
		k->domain = &no_domain;
		pthread_mutex_init(&k->numbers.lock, NULL);
		pthread_mutex_init(&k->unsealing, NULL);
		k->sources = limit_new((unsigned)config->limit_source);
		k->refusals = audit_refusals_new();
	}
	if (!k || !k->sources || !k->refusals)
		snprintf(err, err_size, "no memory");
	else if (!open_issuer(k, err, err_size) && !open_keys(k, err, err_size) && !open_protection(k, err, err_size) &&
		 !open_store(k, err, err_size) && !confine(k, err, err_size))
		return k;
	kms_close(k);
	return NULL;
}

struct period_policy kms_periods(const struct kms *k)
{
	const struct kms_config *c = k->config;
	return (struct period_policy){.periods = k->domain->cert.periods,
				      .preprovision = (uint64_t)c->preprovision,
				      .max_past = (uint64_t)c->max_past,
				      .max_future = (uint64_t)c->max_future};
}

enum store_err kms_write_refusals(struct kms *k, struct kms_db *db, int all)
{
	int64_t now_ns = kms_now_ns();
	return audit_refusals_write(k->refusals, db->audit, db->store, now_ns / 1000000, now_ns, all);
}

static void write_last_refusals(struct kms *k)
{
	enum store_err e;
	struct kms_db *db = k->pool && k->refusals ? kms_pool_take(k->pool, &e) : NULL;
	if (!db)
		return;
	e = kms_write_refusals(k, db, 1);
	kms_pool_give(k->pool, db, e);
	if (e)
		log_error("kms.audit-failed", log_text("verdict", store_err_name(e)),
			  log_text("type", "counted refusals"));
}

void kms_close(struct kms *k)
{
	if (!k)
		return;
	write_last_refusals(k);
	kms_pool_free(k->pool);
	jwks_cache_free(k->jwks);
	token_keys_free(k->file_keys);
	transport_seal_free(k->seal);
	krr_trust_free(k->krr_trust);
	issuer_free(k->issuer);
	limit_free(k->sources);
	audit_refusals_free(k->refusals);
	pthread_mutex_destroy(&k->numbers.lock);
	pthread_mutex_destroy(&k->unsealing);
	for (struct kept_domain *d = k->kept, *before; d; d = before) {
		before = d->before;
		free(d);
	}
	mcsec_wipe(k, sizeof *k);
	free(k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - the thread that provisions and renews, and the books it makes.
 *
 * A round asks init, then keyprov for each identity: for the current period, and for the next as soon as less than a
 * quarter of the current one is left (the KMS opens that window; kms.md 3.4). A book is exchanged whole or not at all:
 * a failed round leaves the old one, unless the KMS says that it is revoked: then all keys are wiped (kms.md 15A row
 * 14). With external_kms a round asks for the certificates of other domains too: a set is shared by the books until its
 * number is another one, and where it cannot be had the one we have goes on serving. Rounds come every tenth of the
 * period, at least every hour; after a failure after 1, 2, 4 ... 60 s.
 */
#include "server/keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/log.h"
#include "net/kms_client.h"
#include "server/server.h"

enum { MAX_OWN = 2 * SERVER_IDENTITIES + 4, LONGEST_S = 3600 };
#define SIGNERS_OCTETS ((size_t)4 << 20) /* about 1,500 initiators remembered */

/* The certificates of other domains. */
struct externals {
	_Atomic unsigned refs;
	int64_t num; /* the KMS's, of this set */
	size_t n;
	struct kms_domain at[]; /* kms NULL: revoked */
};

struct server_book {
	_Atomic unsigned refs;
	struct kms_domain home;
	struct externals *others; /* NULL: none */
	const char **domains;     /* KMS_MAX_DOMAINS for each KMS */
	struct mcsec_im_kms *kms; /* the home KMS first */
	struct kms_keys keys[MAX_OWN];
	struct mcsec_im_own own[MAX_OWN];
	struct mcsec_im_book tables;
	struct suite_list suites;
};

struct server_keys {
	const struct server_config *cfg;
	char kms_uri[256];
	struct mcsec_signers *signers; /* NULL: no memory for it; all else goes on */
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	int stop, renew;
	struct server_book *book;
};

static void externals_release(struct externals *x)
{
	if (!x || --x->refs)
		return;
	for (size_t i = 0; i < x->n; i++)
		kms_domain_free(&x->at[i]);
	free(x);
}

void server_book_release(struct server_book *b)
{
	if (!b || --b->refs)
		return;
	externals_release(b->others);
	free(b->domains);
	free(b->kms);
	kms_keys_free(b->keys, b->tables.n_own);
	kms_domain_free(&b->home);
	mcsec_signers_free(b->tables.signers);
	free(b);
}

struct server_book *server_keys_book(struct server_keys *k)
{
	pthread_mutex_lock(&k->lock);
	struct server_book *b = k->book;
	if (b)
		b->refs++;
	pthread_mutex_unlock(&k->lock);
	return b;
}

const struct mcsec_im_book *server_book_tables(const struct server_book *b)
{
	return &b->tables;
}

const struct suite_list *server_book_suites(const struct server_book *b)
{
	return &b->suites;
}

/* ---- one round ---- */

/* None at all where nothing is common: then no upload is taken, and the log says why. */
static void agree_suites(struct server_book *b, const struct server_config *cfg)
{
	struct suite_list own;
	enum mcsec_err e = suite_list_read(cfg->suites, &own);
	e = e ? e : suite_allowed(b->home.suites, b->home.suites_minimum, &own, &b->suites);
	if (e || b->suites.n == 0)
		log_error("server.no-suite", log_text("own", cfg->suites), log_text("domain", b->home.suites),
			  log_text("minimum", b->home.suites_minimum));
}

static void add_kms(struct server_book *b, const struct kms_domain *d)
{
	const struct kms_certificate *c = &d->cert;
	const char **domains = b->domains + b->tables.n_kms * KMS_MAX_DOMAINS;
	struct mcsec_im_kms *k = &b->kms[b->tables.n_kms++];
	for (size_t i = 0; i < c->n_domains; i++)
		domains[i] = c->domains[i];
	*k = (struct mcsec_im_kms){
	    .uri = c->kms_uri, .kms = d->kms, .periods = c->periods, .domains = domains, .n_domains = c->n_domains};
	if (c->valid_from != KMS_NO_TIME)
		k->valid_from = (uint64_t)c->valid_from + MCSEC_NTP_UNIX;
	if (c->valid_to != KMS_NO_TIME)
		k->valid_to = (uint64_t)c->valid_to + MCSEC_NTP_UNIX;
}

/* 0, or -1 without memory. */
static int describe(struct server_book *b)
{
	size_t others = b->others ? b->others->n : 0;
	b->kms = calloc(1 + others, sizeof *b->kms);
	b->domains = calloc((1 + others) * KMS_MAX_DOMAINS, sizeof *b->domains);
	if (!b->kms || !b->domains)
		return -1;
	add_kms(b, &b->home);
	for (size_t i = 0; i < others; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): others counts what is there */
		if (b->others->at[i].kms)
			add_kms(b, &b->others->at[i]);
	for (size_t i = 0; i < b->tables.n_own; i++)
		b->own[i] = (struct mcsec_im_own){.uri = b->keys[i].set.user_uri,
						  .kms_uri = b->keys[i].set.kms_uri,
						  .period = b->keys[i].set.period_no,
						  .keys = b->keys[i].keyset};
	b->tables.kms = b->kms;
	b->tables.own = b->own;
	return 0;
}

static struct externals *externals_ref(struct externals *x)
{
	if (x)
		x->refs++;
	return x;
}

static struct externals *externals_new(const struct kms_domain *got, size_t n, int64_t num)
{
	struct externals *x = calloc(1, sizeof *x + n * sizeof *got);
	if (!x)
		return NULL;
	x->refs = 1;
	x->num = num;
	x->n = n;
	memcpy(x->at, got, n * sizeof *got);
	log_info("server.certificates", log_int("number", num), log_int("domains", (int64_t)n));
	return x;
}

/* The set of now: what is held, where it is that one or no other can be had. */
static struct externals *fetch_others(struct kms_client *c, const struct server_config *cfg, struct externals *held)
{
	size_t n = KMS_MAX_CERTS;
	int64_t num = -1, known = held ? held->num : -1;
	struct kms_result r = {0};
	struct kms_domain *got = calloc(n, sizeof *got);
	struct externals *x = NULL;
	if (!got)
		return externals_ref(held);
	int ok = kms_client_certcache(c, NULL, cfg->psi, known, (int64_t)time(NULL), got, &n, &num, &r);
	if (!ok)
		log_warn("server.certificates-failed", log_text("outcome", kms_outcome_name(r.outcome)),
			 log_int("status", r.status), log_text("detail", r.detail));
	if (ok && !(held && num == known))
		x = externals_new(got, n, num);
	for (size_t i = 0; ok && !x && i < n; i++)
		kms_domain_free(&got[i]);
	free(got);
	return x ? x : externals_ref(held);
}

static int held(const struct server_book *b, const struct kms_key_set *s)
{
	for (size_t i = 0; i < b->tables.n_own; i++)
		if (b->keys[i].set.period_no == s->period_no && strcmp(b->keys[i].set.user_uri, s->user_uri) == 0)
			return 1;
	return 0;
}

/* Key sets of one identity at one time into the book; sets held already are dropped. */
static int provision(struct kms_client *c, struct server_book *b, const char *uri, int64_t at, struct kms_result *r)
{
	struct kms_keys sets[MAX_OWN];
	memset(sets, 0, sizeof sets);
	size_t n = MAX_OWN;
	if (!kms_client_keyprov(c, NULL, uri, uri, at, (int64_t)time(NULL), &b->home, &uri, 1, sets, &n, r))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (b->tables.n_own < MAX_OWN && !held(b, &sets[i].set))
			b->keys[b->tables.n_own++] = sets[i];
		else
			kms_keys_free(&sets[i], 1);
	}
	return 0;
}

static int64_t period_left(const struct server_book *b)
{
	const struct mcsec_periods *p = &b->home.cert.periods;
	uint64_t now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX, number;
	if (mcsec_period_number(p, now, &number))
		return 0;
	return (int64_t)(mcsec_period_start(p, number + 1) - now);
}

static struct server_book *fetch(struct server_keys *k, struct kms_result *r)
{
	const struct server_config *cfg = k->cfg;
	struct kms_client_options o = {.base_url = cfg->kms,
				       .kms_uri = k->kms_uri,
				       .ca_file = cfg->ca,
				       .cert_file = cfg->tls,
				       .key_file = cfg->tls,
				       .resolve = *cfg->resolve ? cfg->resolve : NULL};
	struct kms_client *c = kms_client_new(&o);
	struct server_book *b = calloc(1, sizeof *b);
	*r = (struct kms_result){.outcome = KMS_LATER, .detail = "no memory, or the trust anchors cannot be read"};
	if (!c || !b) {
		kms_client_free(c);
		free(b);
		return NULL;
	}
	b->refs = 1;
	const char *selves[SERVER_IDENTITIES];
	size_t n_selves = server_identities(cfg, selves);
	int64_t now = (int64_t)time(NULL);
	int ok = kms_client_init(c, NULL, cfg->psi, now, &b->home, r);
	for (size_t i = 0; ok && i < n_selves; i++) {
		ok = provision(c, b, selves[i], now, r) == 0;
		int64_t left = period_left(b);
		/* The next; where it cannot be had it is asked for again in the next round. */
		if (ok && left < (int64_t)b->home.cert.periods.period / 4)
			ok = provision(c, b, selves[i], now + left + 1, r) == 0 || r->outcome != KMS_REVOKED;
	}
	if (ok && cfg->external_kms) /* k->book is changed by this thread alone */
		b->others = fetch_others(c, cfg, k->book ? k->book->others : NULL);
	kms_client_free(c);
	if (!ok || b->tables.n_own == 0 || describe(b)) {
		server_book_release(b);
		return NULL;
	}
	agree_suites(b, cfg);
	b->tables.signers = mcsec_signers_ref(k->signers);
	return b;
}

/* ---- the thread ---- */

static unsigned pause_after(const struct server_book *b)
{
	uint64_t tenth = b->home.cert.periods.period / 10;
	return tenth < 1 ? 1 : tenth > LONGEST_S ? LONGEST_S : (unsigned)tenth;
}

/* What the KMS asks for holds, but nobody can keep us away for longer than an hour. */
static unsigned pause_after_failure(const struct kms_result *r, unsigned *backoff)
{
	unsigned asked = r->retry_after_s < LONGEST_S ? r->retry_after_s : LONGEST_S;
	unsigned pause = asked > *backoff ? asked : *backoff;
	*backoff = *backoff >= 32 ? 60 : *backoff * 2;
	return pause;
}

/* One round; returns the seconds until the next. */
static unsigned round_of(struct server_keys *k, unsigned *backoff)
{
	struct kms_result r;
	struct server_book *b = fetch(k, &r), *old = NULL;
	int revoked = r.outcome == KMS_REVOKED;
	unsigned pause;
	if (b) {
		log_info("server.keys", log_int("sets", (int64_t)b->tables.n_own));
		pause = pause_after(b);
		*backoff = 1;
	} else {
		pause = pause_after_failure(&r, backoff);
		log_warn(revoked ? "server.keys-revoked" : "server.keys-failed",
			 log_text("outcome", kms_outcome_name(r.outcome)), log_int("status", r.status),
			 log_text("detail", r.detail), log_int("again_s", pause));
	}
	pthread_mutex_lock(&k->lock);
	if (b || revoked) {
		old = k->book;
		k->book = b;
	}
	pthread_mutex_unlock(&k->lock);
	server_book_release(old);
	return pause;
}

static void *thread_main(void *arg)
{
	struct server_keys *k = arg;
	unsigned backoff = 1;
	for (;;) {
		struct timespec until;
		unsigned pause = round_of(k, &backoff);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += pause;
		pthread_mutex_lock(&k->lock);
		while (!k->stop && !k->renew && pthread_cond_timedwait(&k->wake, &k->lock, &until) == 0)
			;
		k->renew = 0;
		int stop = k->stop;
		pthread_mutex_unlock(&k->lock);
		if (stop)
			return NULL;
	}
}

/* "https://kms.example.org:8443" -> "kms.example.org" */
static void host_of(const char *url, char *out, size_t size)
{
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	snprintf(out, size, "%.*s", (int)strcspn(host, ":/"), host);
}

struct server_keys *server_keys_start(const struct server_config *cfg)
{
	struct server_keys *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->cfg = cfg;
	if (*cfg->kms_uri)
		snprintf(k->kms_uri, sizeof k->kms_uri, "%s", cfg->kms_uri);
	else
		host_of(cfg->kms, k->kms_uri, sizeof k->kms_uri);
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_t steady; /* a wall clock set back must not stop the rounds */
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &steady);
	pthread_condattr_destroy(&steady);
	if (mcsec_signers_new(&k->signers, SIGNERS_OCTETS))
		log_warn("server.no-signers", log_text("detail", "initiators are not remembered"));
	if (pthread_create(&k->thread, NULL, thread_main, k) != 0) {
		mcsec_signers_free(k->signers);
		free(k);
		return NULL;
	}
	return k;
}

void server_keys_stop(struct server_keys *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = 1;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	server_book_release(k->book);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	mcsec_signers_free(k->signers);
	free(k);
}

void server_keys_renew(struct server_keys *k)
{
	pthread_mutex_lock(&k->lock);
	k->renew = 1;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

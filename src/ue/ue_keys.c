/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_keys.c - tokens and identity keys of a client: fetched, checked, kept, read back (flows 1.1 "keys"; kms.md 5, 8).
 *
 * A ring holds the home KMS and our key sets, checked by crypto.md 4 whether they come from the KMS or from our own
 * folder. It never changes: fetching makes a new one. What was fetched is durable before it is used.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "ue/engine.h"

enum { TOKENS_VERSION = 1, TIMEOUT_MS = 20000, MAX_HTTP_BODY = 1 << 20 };

/* ---- the ring -------------------------------------------------------------------------------------------------- */

static void ring_free(struct ue_ring *ring)
{
	kms_keys_free(ring->keys, ring->n_keys);
	kms_domain_free(&ring->home);
	free(ring);
}

struct ue_ring *ue_ring_ref(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	struct ue_ring *ring = u->ring;
	if (ring)
		ring->refs++;
	pthread_mutex_unlock(&u->lock);
	return ring;
}

void ue_ring_unref(struct ue *u, struct ue_ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_lock(&u->lock);
	int last = --ring->refs == 0;
	pthread_mutex_unlock(&u->lock);
	if (last)
		ring_free(ring);
}

static uint64_t time_of(int64_t unix_s)
{
	return unix_s == KMS_NO_TIME ? 0 : (uint64_t)unix_s + MCSEC_NTP_UNIX;
}

/* The tables that messages are made and opened with. */
static void fill_book(struct ue_ring *ring)
{
	const struct kms_certificate *cert = &ring->home.cert;
	for (size_t i = 0; i < cert->n_domains; i++)
		ring->domains[i] = cert->domains[i];
	ring->kms = (struct mcsec_im_kms){.uri = cert->kms_uri,
					  .kms = ring->home.kms,
					  .periods = cert->periods,
					  .valid_from = time_of(cert->valid_from),
					  .valid_to = time_of(cert->valid_to),
					  .domains = ring->domains,
					  .n_domains = cert->n_domains};
	for (size_t i = 0; i < ring->n_keys; i++)
		ring->own[i] = (struct mcsec_im_own){.uri = ring->keys[i].set.user_uri,
						     .kms_uri = cert->kms_uri,
						     .period = ring->keys[i].set.period_no,
						     .keys = ring->keys[i].keyset};
	ring->book = (struct mcsec_im_book){.kms = &ring->kms, .n_kms = 1, .own = ring->own, .n_own = ring->n_keys};
}

static void install(struct ue *u, struct ue_ring *ring)
{
	fill_book(ring);
	ring->book.signers = u->signers;
	ring->refs = 1;
	pthread_mutex_lock(&u->lock);
	struct ue_ring *old = u->ring;
	u->ring = ring;
	pthread_mutex_unlock(&u->lock);
	ue_ring_unref(u, old);
}

int ue_ring_covers(const struct ue_ring *ring, uint64_t at)
{
	uint64_t period;
	if (!ring || mcsec_period_number(&ring->home.cert.periods, at, &period))
		return 0;
	for (size_t i = 0; i < ring->n_keys; i++)
		if (ring->keys[i].set.period_no == period)
			return 1;
	return 0;
}

/* ---- on disk --------------------------------------------------------------------------------------------------- */

static int put_document(struct ue *u, const char *name, struct writer *w)
{
	return w->err ? -1 : ue_store_put(u->store, name, wr_result(w));
}

static void key_set_name(uint64_t period, char *out, size_t size)
{
	snprintf(out, size, "key-set/%020llu", (unsigned long long)period);
}

/* Key sets of periods before the last one are of no use any more. */
static int drop_old_sets(struct ue *u, const struct ue_ring *ring)
{
	uint64_t period;
	char before[64];
	if (mcsec_period_number(&ring->home.cert.periods, ue_time_now(), &period))
		return -1;
	key_set_name(period ? period - 1 : 0, before, sizeof before);
	return ue_store_drop_range(u->store, "key-set/", before);
}

static int keep_ring(struct ue *u, const struct ue_ring *ring)
{
	uint8_t *buf = mcsec_secret_alloc(KMS_CERTIFICATE_BOUND);
	_Static_assert(KMS_CERTIFICATE_BOUND >= KMS_KEY_SET_BOUND, "one buffer serves both");
	struct writer w = wr_init(buf, buf ? KMS_CERTIFICATE_BOUND : 0);
	kms_certificate_write(&w, &ring->home.cert);
	int rc = buf ? put_document(u, "kms-certificate", &w) : -1;
	rc = rc ? rc : drop_old_sets(u, ring);
	for (size_t i = 0; i < ring->n_keys && !rc; i++) {
		char name[64];
		key_set_name(ring->keys[i].set.period_no, name, sizeof name);
		w = wr_init(buf, KMS_KEY_SET_BOUND);
		kms_key_set_write(&w, &ring->keys[i].set);
		rc = put_document(u, name, &w);
	}
	mcsec_secret_free(buf);
	return rc;
}

static int load_certificate(struct ue *u, struct ue_ring *ring)
{
	size_t len;
	struct kms_response doc;
	struct kms_fault fault;
	uint8_t *text = ue_store_get(u->store, "kms-certificate", &len);
	if (!text)
		return -1;
	enum mcsec_err e = kms_response_read(&doc, KMS_ROOT_PART, (struct octets){text, len}, &fault);
	mcsec_secret_free(text);
	if (e)
		return -1;
	if (doc.n_certs == 1) {
		ring->home.cert = doc.certs[0];
		e = kms_certificate_check(&ring->home.cert, KMS_ROLE_ROOT, u->c.kms_uri, u->c.kms_uri, ue_unix_now(),
					  &ring->home.kms, &fault);
	}
	int ok = doc.n_certs == 1 && !e;
	kms_response_free(&doc);
	return ok ? 0 : -1;
}

struct loading {
	struct ue *u;
	struct ue_ring *ring;
};

/* A set that no longer passes, or whose time is over, is left out: it will be fetched anew. */
static int load_key_set(void *ctx, const char *name, struct octets text)
{
	struct loading *l = ctx;
	struct kms_response doc;
	struct kms_fault fault;
	(void)name;
	if (l->ring->n_keys == UE_MAX_KEYS || kms_response_read(&doc, KMS_ROOT_PART, text, &fault))
		return 0;
	struct kms_keys *k = &l->ring->keys[l->ring->n_keys];
	if (doc.n_sets == 1 && !kms_key_set_check(&doc.sets[0], &l->ring->home.cert, l->ring->home.kms,
						  l->u->tokens->mcptt_id, &k->keyset, &fault)) {
		k->set = doc.sets[0];
		doc.sets[0].secret = NULL; /* it belongs to the ring now */
		l->ring->n_keys++;
	}
	kms_response_free(&doc);
	return 0;
}

static int keep_tokens(struct ue *u)
{
	const struct signin_tokens *t = u->tokens;
	const char *const texts[] = {t->access, t->refresh, t->scope, t->subject, t->sid, t->acr, t->mcptt_id};
	const int64_t times[] = {t->expires_at, t->refresh_at, t->auth_time, t->skew_s};
	uint8_t *buf = mcsec_secret_alloc(sizeof *t);
	struct writer w = wr_init(buf, buf ? sizeof *t : 0);
	wr_u8(&w, TOKENS_VERSION);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		wr_u64(&w, (uint64_t)times[i]);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		wr_octets(&w, (struct octets){(const uint8_t *)texts[i], strlen(texts[i]) + 1});
	int rc = buf ? put_document(u, "tokens", &w) : -1;
	mcsec_secret_free(buf);
	return rc;
}

/* A text with its NUL, into a field. */
static void take_text(struct reader *r, char *out, size_t size)
{
	const uint8_t *end = rd_left(r) ? memchr(r->at, 0, rd_left(r)) : NULL;
	size_t n = end ? (size_t)(end - r->at) + 1 : 0;
	rd_require(r, n > 0 && n <= size, MCSEC_E_LENGTH, 0);
	struct octets o = rd_take(r, n);
	if (o.len)
		memcpy(out, o.p, o.len);
}

static void load_tokens(struct ue *u)
{
	size_t len = 0;
	struct signin_tokens *t = u->tokens;
	uint8_t *kept = ue_store_get(u->store, "tokens", &len);
	struct reader r = rd_init((struct octets){kept, kept ? len : 0});
	rd_require(&r, rd_u8(&r) == TOKENS_VERSION, MCSEC_E_VALUE, 1);
	t->expires_at = (int64_t)rd_u64(&r);
	t->refresh_at = (int64_t)rd_u64(&r);
	t->auth_time = (int64_t)rd_u64(&r);
	t->skew_s = (int64_t)rd_u64(&r);
	take_text(&r, t->access, sizeof t->access);
	take_text(&r, t->refresh, sizeof t->refresh);
	take_text(&r, t->scope, sizeof t->scope);
	take_text(&r, t->subject, sizeof t->subject);
	take_text(&r, t->sid, sizeof t->sid);
	take_text(&r, t->acr, sizeof t->acr);
	take_text(&r, t->mcptt_id, sizeof t->mcptt_id);
	if (rd_done(&r))
		mcsec_wipe(t, sizeof *t);
	mcsec_secret_free(kept);
}

/* T of the last CSK: the next one is later, also after a restart (flows 0.4). */
static void load_csk_time(struct ue *u)
{
	size_t len = 0;
	uint8_t *kept = ue_store_get(u->store, "csk", &len);
	struct reader r = rd_init((struct octets){kept, kept ? len : 0});
	rd_u32(&r);
	uint64_t time = rd_u64(&r);
	u->csk_time = rd_done(&r) ? 0 : time;
	mcsec_secret_free(kept);
}

/* What our folder holds, checked anew; NULL when there is no certificate that serves. */
static struct ue_ring *read_ring(struct ue *u)
{
	struct loading l = {u, calloc(1, sizeof *l.ring)};
	if (l.ring && !load_certificate(u, l.ring)) {
		(void)ue_store_each(u->store, "key-set/", load_key_set, &l);
		return l.ring;
	}
	if (l.ring)
		ring_free(l.ring);
	return NULL;
}

int ue_keys_load(struct ue *u)
{
	load_tokens(u);
	load_csk_time(u);
	struct ue_ring *ring = u->tokens->mcptt_id[0] ? read_ring(u) : NULL;
	if (ring)
		install(u, ring);
	return 0;
}

/* ---- tokens ---------------------------------------------------------------------------------------------------- */

static struct http_client *http_of(const struct ue *u)
{
	return http_client_new(&(struct http_client_options){
	    .ca_file = u->c.ca_file, .resolve = u->c.resolve, .max_body = MAX_HTTP_BODY, .timeout_ms = TIMEOUT_MS});
}

static struct signin_config signin_of(const struct ue *u, struct http_client *http)
{
	return (struct signin_config){
	    .issuer = u->c.idms_url, .client_id = u->c.client_id, .redirect_uri = u->c.redirect_uri, .http = http};
}

/* Makes tokens the client's: durable first. */
static int adopt_tokens(struct ue *u, const struct signin_tokens *t)
{
	pthread_mutex_lock(&u->lock);
	*u->tokens = *t;
	int rc = keep_tokens(u);
	pthread_mutex_unlock(&u->lock);
	return rc;
}

enum ue_status ue_sign_in(struct ue *u, const char *password, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	struct signin_report why = {0};
	struct signin_tokens *t = signin_tokens_new();
	struct http_client *http = http_of(u);
	memset(r, 0, sizeof *r);
	if (!t || !http) {
		ue_report_set(r, UE_INTERNAL, began, "no memory, or the trust anchors cannot be read");
	} else {
		struct signin_config c = signin_of(u, http);
		if (signin_password(&c, u->c.user, password, t, &why))
			ue_report_set(r, UE_SIGN_IN, began, "%s: %s", signin_status_name(why.status), why.text);
		else if (!t->mcptt_id[0])
			ue_report_set(r, UE_SIGN_IN, began, "the identity server gave no MCPTT ID");
		else if (u->loop_runs && strcmp(t->mcptt_id, u->own_id) != 0)
			ue_report_set(r, UE_STATE, began, "registered as %s: log off first", u->own_id);
		else if (adopt_tokens(u, t))
			ue_report_set(r, UE_STORE, began, "the tokens could not be kept");
		else
			ue_report_set(r, UE_OK, began, "signed in as %s", t->mcptt_id);
	}
	if (r->status == UE_OK)
		ue_emit(u, UE_EV_SIGNED_IN, began, r, t->mcptt_id, 0, "%s", r->text);
	signin_tokens_free(t);
	http_client_free(http);
	return r->status;
}

enum ue_status ue_token_fresh(struct ue *u, int force, struct ue_report *r)
{
	int64_t began = ue_clock_ms(), now = ue_unix_now();
	struct signin_report why = {0};
	struct signin_tokens *t = signin_tokens_new();
	struct http_client *http = http_of(u);
	if (!t || !http) {
		ue_report_set(r, UE_INTERNAL, began, "no memory, or the trust anchors cannot be read");
		goto out;
	}
	pthread_mutex_lock(&u->lock);
	*t = *u->tokens;
	pthread_mutex_unlock(&u->lock);
	if (!t->access[0]) {
		ue_report_set(r, UE_STATE, began, "not signed in");
	} else if (!force && now < t->refresh_at) {
		ue_report_set(r, UE_OK, began, "the token is fresh");
	} else if (!t->refresh[0]) {
		int usable = !force && now < t->expires_at;
		ue_report_set(r, usable ? UE_OK : UE_SIGN_IN, began, "%s",
			      usable ? "the token is still good" : "sign in anew");
	} else {
		struct signin_config c = signin_of(u, http);
		enum signin_status s = signin_refresh(&c, t, &why);
		if (s == SIGNIN_OK && !adopt_tokens(u, t))
			ue_report_set(r, UE_OK, began, "the token was refreshed");
		else if (s != SIGNIN_OK && !force && now < t->expires_at)
			ue_report_set(r, UE_OK, began, "the token is still good");
		else
			ue_report_set(r, UE_SIGN_IN, began, "refresh: %s",
				      s ? why.text : "the tokens could not be kept");
	}
out:
	signin_tokens_free(t);
	http_client_free(http);
	return r->status;
}

/* ---- identity keys --------------------------------------------------------------------------------------------- */

static struct kms_client *kms_of(const struct ue *u)
{
	return kms_client_new(&(struct kms_client_options){.base_url = u->c.kms_url,
							   .kms_uri = u->c.kms_uri,
							   .ca_file = u->c.ca_file,
							   .resolve = u->c.resolve,
							   .client_id = u->client_uuid,
							   .timeout_ms = TIMEOUT_MS});
}

/* init, then keyprov, with this token. */
static int ask_kms(struct ue *u, const struct signin_tokens *t, struct ue_ring *ring, struct kms_result *why)
{
	struct kms_client *c = kms_of(u);
	const char *const mine[] = {t->mcptt_id};
	size_t n = UE_MAX_KEYS;
	*why = (struct kms_result){.outcome = KMS_UNREACHABLE, .detail = "the trust anchors cannot be read"};
	int ok = c && kms_client_init(c, t->access, t->mcptt_id, ue_unix_now(), &ring->home, why);
	if (ok && kms_client_keyprov(c, t->access, t->mcptt_id, t->mcptt_id, KMS_NO_TIME, ue_unix_now(), &ring->home,
				     mine, 1, ring->keys, &n, why))
		ring->n_keys = n;
	kms_client_free(c);
	return ring->n_keys > 0 ? 0 : -1;
}

static enum ue_status fetch(struct ue *u, struct signin_tokens *t, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	struct kms_result why;
	struct ue_ring *ring = calloc(1, sizeof *ring);
	if (!ring)
		return ue_report_set(r, UE_INTERNAL, began, "no memory");
	int rc = ask_kms(u, t, ring, &why);
	if (rc && why.outcome == KMS_TOKEN && !ue_token_fresh(u, 1, r)) { /* kms.md 8.2: refresh once, try once */
		kms_domain_free(&ring->home);
		memset(ring, 0, sizeof *ring);
		pthread_mutex_lock(&u->lock);
		*t = *u->tokens;
		pthread_mutex_unlock(&u->lock);
		rc = ask_kms(u, t, ring, &why);
	}
	/* What was kept is read back: with the sets of the period before, whose messages may still come in. */
	struct ue_ring *all = rc || keep_ring(u, ring) ? NULL : read_ring(u);
	ring_free(ring);
	if (!all) {
		return rc ? ue_report_set(r, UE_KEYS, began, "%s: %s", kms_outcome_name(why.outcome), why.detail)
			  : ue_report_set(r, UE_STORE, began, "the keys could not be kept");
	}
	install(u, all);
	ue_report_set(r, UE_OK, began, "keys for %s from %s", t->mcptt_id, u->c.kms_uri);
	ue_emit(u, UE_EV_KEYS, began, r, t->mcptt_id, 0, "%s", r->text);
	return UE_OK;
}

enum ue_status ue_keys_fetch(struct ue *u, int force, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	struct ue_ring *ring = ue_ring_ref(u);
	int held = ue_ring_covers(ring, ue_time_now());
	ue_ring_unref(u, ring);
	if (held && !force)
		return ue_report_set(r, UE_OK, began, "the keys of this period are held");
	struct signin_tokens *t = signin_tokens_new();
	if (!t)
		return ue_report_set(r, UE_INTERNAL, began, "no memory");
	if (!ue_token_fresh(u, 0, r)) {
		pthread_mutex_lock(&u->lock);
		*t = *u->tokens;
		pthread_mutex_unlock(&u->lock);
		fetch(u, t, r);
	}
	signin_tokens_free(t);
	return r->status;
}

enum ue_status ue_provision(struct ue *u, struct ue_report *r)
{
	memset(r, 0, sizeof *r);
	return ue_keys_fetch(u, 0, r);
}

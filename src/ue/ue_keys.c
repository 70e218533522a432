/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_keys.c - tokens and identity keys of a client: signed in, refreshed, fetched when they are needed at once (flows
 * 1.1 "keys"; kms.md 5, 8). What was fetched is durable before it is used (ue_ring.c); what is needed later is fetched
 * in the background (ue_provision.c). kms_lock is held over every exchange with the KMS and what is kept of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "ue/engine.h"

enum { TOKENS_VERSION = 1, TIMEOUT_MS = 20000, MAX_HTTP_BODY = 1 << 20 };

/* ---- tokens at rest -------------------------------------------------------------------------------------------- */

static int keep_tokens(struct ue *u, const struct signin_tokens *t)
{
	const char *const texts[] = {t->access, t->refresh, t->scope, t->subject, t->sid, t->acr, t->mcptt_id};
	const int64_t times[] = {t->expires_at, t->refresh_at, t->auth_time, t->skew_s};
	uint8_t *buf = mcsec_secret_alloc(sizeof *t);
	struct writer w = wr_init(buf, buf ? sizeof *t : 0);
	wr_u8(&w, TOKENS_VERSION);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		wr_u64(&w, (uint64_t)times[i]);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		wr_octets(&w, (struct octets){(const uint8_t *)texts[i], strlen(texts[i]) + 1});
	int rc = buf && !w.err ? ue_store_put(u->store, "tokens", wr_result(&w)) : -1;
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

/* TrK and InK, when there are any (kms.md 10). */
static int load_transport(struct ue *u)
{
	size_t len = 0;
	uint8_t *kept = ue_store_get(u->store, "kms-transport", &len);
	if (kept && len == sizeof *u->transport) {
		u->transport = mcsec_secret_alloc(sizeof *u->transport);
		if (u->transport)
			memcpy(u->transport, kept, len);
	}
	mcsec_secret_free(kept);
	return kept && !u->transport ? -1 : 0; /* without them we would ask in clear */
}

int ue_keys_load(struct ue *u)
{
	load_tokens(u);
	load_csk_time(u);
	if (load_transport(u))
		return -1;
	(void)ue_ring_load(u);
	return 0;
}

/* ---- tokens ---------------------------------------------------------------------------------------------------- */

static struct http_client *http_of(const struct ue *u)
{
	return http_client_new(&(struct http_client_options){.ca_file = u->c.ca_file,
							     .resolve = u->c.resolve,
							     .proxy = u->c.https_proxy,
							     .max_body = MAX_HTTP_BODY,
							     .timeout_ms = TIMEOUT_MS});
}

static struct signin_config signin_of(const struct ue *u, struct http_client *http)
{
	return (struct signin_config){.issuer = u->c.idms_url,
				      .client_id = u->c.client_id,
				      .redirect_uri = u->c.redirect_uri,
				      .http = http,
				      .scopes = u->scopes};
}

/* Makes tokens the client's: durable first, or, in place of ones that are spent, for as long as it runs. */
static int adopt_tokens(struct ue *u, const struct signin_tokens *t, int spent)
{
	pthread_mutex_lock(&u->lock);
	int rc = keep_tokens(u, t);
	if (!rc || spent)
		*u->tokens = *t;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

/* The first service of the configuration that this sign-in does not serve; NULL: none. One CSK is signed by one ID. */
static const char *unserved(const struct ue *u, const struct signin_tokens *t)
{
	const char *const ids[MCX_SERVICES] = {t->mcptt_id, t->mcvideo_id, t->mcdata_id};
	for (int s = 0; s < MCX_SERVICES; s++)
		if (u->c.services >> s & 1 && strcmp(ids[s], t->mcptt_id) != 0)
			return mcx_services[s].name;
	return NULL;
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
		else if (unserved(u, t))
			ue_report_set(r, UE_SIGN_IN, began,
				      "the identity server gave no ID of %s, or another than the MCPTT ID",
				      unserved(u, t));
		else if (u->loop_runs && strcmp(t->mcptt_id, u->own_id) != 0)
			ue_report_set(r, UE_STATE, began, "registered as %s: log off first", u->own_id);
		else if (adopt_tokens(u, t, 0))
			ue_report_set(r, UE_STORE, began, "the tokens could not be kept");
		else
			ue_report_set(r, UE_OK, began, "signed in as %s", t->mcptt_id);
	}
	if (r->status == UE_OK)
		ue_provision_poke(u, UE_POKE_TOKEN);
	if (r->status == UE_OK)
		ue_emit(u, UE_EV_SIGNED_IN, began, r, t->mcptt_id, 0, "%s", r->text);
	signin_tokens_free(t);
	http_client_free(http);
	return r->status;
}

/* token_lock held: a refresh token is good for one refresh. */
static enum ue_status freshen(struct ue *u, int force, struct ue_report *r)
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
		if (s == SIGNIN_OK)
			ue_report_set(r, UE_OK, began, "the token was refreshed%s",
				      adopt_tokens(u, t, 1) ? ", but could not be kept" : "");
		else if (!force && now < t->expires_at)
			ue_report_set(r, UE_OK, began, "the token is still good");
		else
			ue_report_set(r,
				      s == SIGNIN_UNREACHABLE || s == SIGNIN_BUSY || s == SIGNIN_THROTTLED
					  ? UE_UNREACHABLE
					  : UE_SIGN_IN,
				      began, "refresh: %s", why.text);
	}
out:
	signin_tokens_free(t);
	http_client_free(http);
	return r->status;
}

enum ue_status ue_token_fresh(struct ue *u, int force, struct ue_report *r)
{
	pthread_mutex_lock(&u->token_lock);
	enum ue_status s = freshen(u, force, r);
	pthread_mutex_unlock(&u->token_lock);
	return s;
}

/* ---- identity keys --------------------------------------------------------------------------------------------- */

static int keep_transport(void *ctx, const struct kms_transport *t)
{
	struct ue *u = ctx;
	return ue_store_put(u->store, "kms-transport", (struct octets){(const uint8_t *)t, sizeof *t});
}

/* kms_url is a list of addresses; the one whose turn it is, and how many there are. */
static unsigned kms_address(const struct ue *u, char *out, size_t size)
{
	unsigned n = 0, i = 0;
	for (const char *at = u->c.kms_url + strspn(u->c.kms_url, " "); *at; n++) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	for (const char *at = u->c.kms_url + strspn(u->c.kms_url, " "); *at; i++) {
		size_t len = strcspn(at, " ");
		if (i == u->kms_turn % n)
			snprintf(out, size, "%.*s", (int)len, at);
		at += len;
		at += strspn(at, " ");
	}
	return n;
}

struct kms_client *ue_kms_client(struct ue *u)
{
	char base[512] = "";
	kms_address(u, base, sizeof base);
	return kms_client_new(&(struct kms_client_options){.base_url = base,
							   .kms_uri = u->c.kms_uri,
							   .ca_file = u->c.ca_file,
							   .resolve = u->c.resolve,
							   .proxy = u->c.https_proxy,
							   .client_id = u->client_uuid,
							   .timeout_ms = TIMEOUT_MS,
							   .transport = u->transport,
							   .store = keep_transport,
							   .store_ctx = u});
}

static void take_key(struct kms_transport_key *to, const struct ue_transport_key *k)
{
	snprintf(to->id, sizeof to->id, "%s", k->id);
	memcpy(to->key, k->key, sizeof to->key);
}

enum ue_status ue_transport_keys(struct ue *u, const struct ue_transport_key *trk, const struct ue_transport_key *ink,
				 struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	memset(r, 0, sizeof *r);
	if (!trk || !trk->id[0] || strlen(trk->id) >= KMS_KEY_ID_MAX || (ink && strlen(ink->id) >= KMS_KEY_ID_MAX))
		return ue_report_set(r, UE_STATE, began, "a transport key with a name is wanted");
	struct kms_transport *t = mcsec_secret_alloc(sizeof *t);
	if (!t)
		return ue_report_set(r, UE_INTERNAL, began, "no memory");
	take_key(&t->trk, trk);
	if (ink)
		take_key(&t->ink, ink);
	pthread_mutex_lock(&u->kms_lock);
	int rc = keep_transport(u, t);
	struct kms_transport *old = rc ? t : u->transport;
	u->transport = rc ? u->transport : t;
	mcsec_secret_free(old);
	pthread_mutex_unlock(&u->kms_lock);
	return rc ? ue_report_set(r, UE_STORE, began, "the keys could not be kept")
		  : ue_report_set(r, UE_OK, began, "transport key %s is in use", trk->id);
}

/* What one provisioning brings. */
struct fetched {
	struct kms_domain home;
	size_t n;
	struct kms_keys keys[UE_MAX_KEYS];
};

static void fetched_free(struct fetched *f)
{
	kms_keys_free(f->keys, f->n);
	kms_domain_free(&f->home);
	memset(f, 0, sizeof *f);
}

/* init, then keyprov, with this token. 0 or -1. */
static int ask_kms(struct ue *u, const struct signin_tokens *t, struct fetched *f, struct kms_result *why)
{
	struct kms_client *c = ue_kms_client(u);
	const char *const mine[] = {t->mcptt_id};
	size_t n = UE_MAX_KEYS;
	*why = (struct kms_result){.outcome = KMS_UNREACHABLE, .detail = "the trust anchors cannot be read"};
	int ok = c && kms_client_init(c, t->access, t->mcptt_id, ue_unix_now(), &f->home, why);
	if (ok && kms_client_keyprov(c, t->access, t->mcptt_id, t->mcptt_id, KMS_NO_TIME, ue_unix_now(), &f->home, mine,
				     1, f->keys, &n, why))
		f->n = n;
	kms_client_free(c);
	return f->n > 0 ? 0 : -1;
}

/* Where one does not answer, the next (kms.md 8.2). */
static int ask_everywhere(struct ue *u, const struct signin_tokens *t, struct fetched *f, struct kms_result *why)
{
	char base[512];
	unsigned n = kms_address(u, base, sizeof base);
	int rc = ask_kms(u, t, f, why);
	for (unsigned i = 1; i < n && rc && why->outcome == KMS_UNREACHABLE; i++) {
		u->kms_turn++;
		fetched_free(f);
		rc = ask_kms(u, t, f, why);
	}
	return rc;
}

/* With the sets of the periods before, whose messages may still come in. */
static int keep(struct ue *u, const struct fetched *f)
{
	uint64_t period, retain = u->key_policy.retain;
	if (mcsec_period_number(&f->home.cert.periods, ue_time_now(), &period))
		return -1;
	return ue_ring_keep_home(u, &f->home) || ue_ring_keep_sets(u, f->keys, f->n) ||
	       ue_ring_drop_below(u, period > retain ? period - retain : 0) || ue_ring_load(u);
}

/* kms_lock held. */
static enum ue_status fetch(struct ue *u, struct signin_tokens *t, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	struct kms_result why;
	struct fetched *f = calloc(1, sizeof *f);
	if (!f)
		return ue_report_set(r, UE_INTERNAL, began, "no memory");
	int rc = ask_everywhere(u, t, f, &why);
	if (rc && why.outcome == KMS_TOKEN && !ue_token_fresh(u, 1, r)) { /* kms.md 8.2: refresh once, try once */
		fetched_free(f);
		pthread_mutex_lock(&u->lock);
		*t = *u->tokens;
		pthread_mutex_unlock(&u->lock);
		rc = ask_everywhere(u, t, f, &why);
	}
	int kept = !rc && !keep(u, f);
	if (rc && why.outcome == KMS_REVOKED)
		(void)ue_ring_wipe(u);
	fetched_free(f);
	free(f);
	if (!kept)
		return rc ? ue_report_set(r, UE_KEYS, began, "%s: %s", kms_outcome_name(why.outcome), why.detail)
			  : ue_report_set(r, UE_STORE, began, "the keys could not be kept");
	ue_report_set(r, UE_OK, began, "keys for %s from %s", t->mcptt_id, u->c.kms_uri);
	ue_emit(u, UE_EV_KEYS, began, r, t->mcptt_id, 0, "%s", r->text);
	ue_provision_poke(u, UE_POKE_FETCHED);
	return UE_OK;
}

static int covered_now(struct ue *u)
{
	struct ue_ring *ring = ue_ring_ref(u);
	int held = ue_ring_covers(ring, ue_time_now());
	ue_ring_unref(u, ring);
	return held;
}

enum ue_status ue_keys_fetch(struct ue *u, int force, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	if (!force && covered_now(u))
		return ue_report_set(r, UE_OK, began, "the keys of this period are held");
	struct signin_tokens *t = signin_tokens_new();
	if (!t)
		return ue_report_set(r, UE_INTERNAL, began, "no memory");
	pthread_mutex_lock(&u->kms_lock);
	if (!force && covered_now(u)) { /* they came while we waited */
		ue_report_set(r, UE_OK, began, "the keys of this period are held");
	} else if (!ue_token_fresh(u, 0, r)) {
		pthread_mutex_lock(&u->lock);
		*t = *u->tokens;
		pthread_mutex_unlock(&u->lock);
		fetch(u, t, r);
	}
	pthread_mutex_unlock(&u->kms_lock);
	signin_tokens_free(t);
	return r->status;
}

enum ue_status ue_provision(struct ue *u, struct ue_report *r)
{
	memset(r, 0, sizeof *r);
	return ue_keys_fetch(u, 0, r);
}

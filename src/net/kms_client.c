/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_client.c - see kms_client.h. A request is written, sent, and its answer judged by status first, then as a
 * document, then by kms.md 8.4 or 8.5; each stage has its own outcome.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "mcx/xmlsec/kms_sign.h"
#include "mcx/xmlsec/kms_wrap.h"
#include "net/http.h"
#include "net/kms_client.h"

enum { TIMEOUT_MS = 30000, REQUEST_BOUND = KMS_MAX_REQUEST, SIGNED_AGE_S = 300 };

/* ClientError codes of kms.md 12.2. */
enum {
	CE_NONE,
	CE_BAD_CERTIFICATE,
	CE_BAD_KEYSET,
	CE_UID_MISMATCH,
	CE_UNWRAP_FAILED,
	CE_BAD_SIGNATURE,
	CE_STALE_TIME,
	CE_STORAGE_FAILED,
	CE_UNKNOWN_MESSAGE,
	CE_OTHER
};

struct kms_client {
	struct http_client *http;
	char base[KMS_URL_MAX / 2], kms_uri[KMS_URI_MAX], client_id[KMS_TEXT_MAX], device_id[KMS_TEXT_MAX];
	struct kms_error report; /* to tell with the next request */
	struct kms_transport *transport;
	int (*store)(void *ctx, const struct kms_transport *t);
	void *store_ctx;
	unsigned forms; /* KMS_WRAPPED, KMS_REL13 */
};

/* One request on its way. */
struct ask {
	struct kms_client *c;
	const char *token, *user_uri;
	int64_t now;
	struct kms_result *r;
	struct http_answer http;
	struct kms_response doc; /* filled in when `parsed` */
	int parsed;
	struct krr *krr; /* of a report */
	struct octets received;
	char url[KMS_URL_MAX];
};

const char *kms_outcome_name(enum kms_outcome o)
{
	static const char *const names[] = {"done",      "unreachable", "later",      "token",  "refused",
					    "not-there", "rejected",    "bad-answer", "revoked"};
	return (unsigned)o < sizeof names / sizeof *names ? names[o] : "unknown";
}

/* ---- life
 * -------------------------------------------------------------------------------------------------------------- */

static int copy(char *out, size_t size, const char *in)
{
	int n = snprintf(out, size, "%s", in ? in : "");
	return n >= 0 && (size_t)n < size;
}

struct kms_client *kms_client_new(const struct kms_client_options *o)
{
	struct http_client_options h = {.ca_file = o->ca_file,
					.cert_file = o->cert_file,
					.key_file = o->key_file,
					.resolve = o->resolve,
					.max_body = KMS_MAX_RESPONSE,
					.timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS};
	struct kms_client *c = calloc(1, sizeof *c);
	int ok = c && strncmp(o->base_url, "https://", 8) == 0 && copy(c->base, sizeof c->base, o->base_url) &&
		 copy(c->kms_uri, sizeof c->kms_uri, o->kms_uri) &&
		 copy(c->client_id, sizeof c->client_id, o->client_id) &&
		 copy(c->device_id, sizeof c->device_id, o->device_id);
	if (ok) {
		c->http = http_client_new(&h);
		c->transport = o->transport;
		c->store = o->store;
		c->store_ctx = o->store_ctx;
		c->forms = (o->transport ? (unsigned)KMS_WRAPPED : 0) | (o->rel13 ? (unsigned)KMS_REL13 : 0);
	}
	if (!ok || !c->http) {
		free(c);
		return NULL;
	}
	return c;
}

void kms_client_free(struct kms_client *c)
{
	if (c)
		http_client_free(c->http);
	free(c);
}

void kms_domain_free(struct kms_domain *d)
{
	mcsec_kms_free(d->kms);
	d->kms = NULL;
}

void kms_keys_free(struct kms_keys *k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mcsec_keyset_free(k[i].keyset);
		mcsec_secret_free(k[i].set.secret);
		mcsec_wipe(&k[i], sizeof k[i]);
	}
}

/* ---- one exchange
 * -------------------------------------------------------------------------------------------------------- */

static int fail(struct ask *a, enum kms_outcome outcome, const char *what, const struct kms_fault *f)
{
	a->r->outcome = outcome;
	if (f)
		snprintf(a->r->detail, sizeof a->r->detail, "%.120s: %s %s", what, f->element, f->detail);
	else
		snprintf(a->r->detail, sizeof a->r->detail, "%s", what);
	return 0;
}

/* A failure on our side, which the KMS learns with the next request. */
static int fail_and_report(struct ask *a, int64_t code, const char *what, const struct kms_fault *f)
{
	fail(a, KMS_BAD_ANSWER, what, f);
	a->c->report.code = code;
	snprintf(a->c->report.msg, sizeof a->c->report.msg, "%s", a->r->detail);
	return 0;
}

static enum kms_outcome outcome_of(int status)
{
	switch (status) {
	case 0:
		return KMS_UNREACHABLE;
	case 200:
		return KMS_DONE;
	case 401:
		return KMS_TOKEN;
	case 403:
		return KMS_REFUSED;
	case 404:
		return KMS_NOT_THERE;
	default:
		return status == 429 || status >= 500 ? KMS_LATER : KMS_REJECTED;
	}
}

/* InK if there is one, otherwise TrK (kms.md 10.3); NULL without the extension. */
static const struct kms_transport_key *signer(const struct kms_client *c)
{
	const struct kms_transport *t = c->transport;
	if (!t || (!t->ink.id[0] && !t->trk.id[0]))
		return NULL;
	return t->ink.id[0] ? &t->ink : &t->trk;
}

static void set_id(struct kms_request *rq)
{
	uint8_t octets[12];
	char hex[2 * sizeof octets + 1];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, octets, sizeof octets))
		return; /* without Id no signature is made, and nothing is sent */
	for (size_t i = 0; i < sizeof octets; i++)
		snprintf(hex + 2 * i, 3, "%02x", octets[i]);
	snprintf(rq->id, sizeof rq->id, "req-%s", hex);
}

static void write_request(const struct ask *a, struct writer *w, struct kms_request *rq)
{
	const struct kms_transport_key *key = signer(a->c);
	if (!key) {
		kms_request_write(w, rq);
		return;
	}
	set_id(rq);
	memcpy(rq->trk_id, a->c->transport->trk.id, sizeof rq->trk_id);
	memcpy(rq->signature_id, key->id, sizeof rq->signature_id);
	kms_request_sign(w, rq, key->id, key->key);
}

static void post(struct ask *a, struct octets body)
{
	http_client_do(a->c->http,
		       &(struct http_call){.method = "POST",
					   .url = a->url,
					   .content_type = "application/xml",
					   .body = body,
					   .bearer = a->token,
					   .accept = "application/xml"},
		       &a->http);
	if (a->http.status)
		a->c->report = (struct kms_error){0};
}

static void send(struct ask *a, const char *path)
{
	struct kms_request *rq = calloc(1, sizeof *rq);
	uint8_t *body = malloc(REQUEST_BOUND);
	struct writer w = wr_init(body, body ? REQUEST_BOUND : 0);
	snprintf(a->url, sizeof a->url, "%s" KMS_ROOT "/%s", a->c->base, path);
	if (rq) {
		rq->time = a->now;
		rq->client_error = a->c->report;
		copy(rq->user_uri, sizeof rq->user_uri, a->user_uri);
		memcpy(rq->kms_uri, a->c->kms_uri, sizeof rq->kms_uri);
		memcpy(rq->client_id, a->c->client_id, sizeof rq->client_id);
		memcpy(rq->device_id, a->c->device_id, sizeof rq->device_id);
		memcpy(rq->client_req_url, a->url, sizeof rq->client_req_url);
		rq->n_krrs = a->krr != NULL;
		rq->krrs[0] = a->krr;
		rq->received = a->received.len ? (uint8_t *)(uintptr_t)a->received.p : NULL;
		rq->received_len = a->received.len;
		write_request(a, &w, rq);
	}
	if (rq && !w.err)
		post(a, wr_result(&w));
	else
		snprintf(a->http.error, sizeof a->http.error, "the request cannot be written");
	free(rq);
	free(body);
}

static void read_refusal(struct ask *a)
{
	struct kms_fault f;
	struct octets body = {a->http.body, a->http.body_len};
	a->parsed = body.len && !kms_response_read(&a->doc, KMS_ROOT_RESPONSE | (a->c->forms & KMS_REL13), body, &f);
	if (a->parsed)
		a->r->kms_time = a->doc.time;
	if (a->parsed && a->doc.error.code) {
		a->r->error_code = a->doc.error.code;
		snprintf(a->r->detail, sizeof a->r->detail, "%s", a->doc.error.msg);
	} else {
		snprintf(a->r->detail, sizeof a->r->detail, "%.255s",
			 a->http.status ? a->http.www_authenticate : a->http.error);
	}
}

/* ---- what protects an answer ---- */

static const uint8_t *find_key(void *ctx, const char *id)
{
	const struct kms_transport *t = ctx;
	const struct kms_transport_key *const keys[] = {&t->trk, &t->ink, &t->prev_trk, &t->prev_ink};
	for (size_t i = 0; i < 4; i++)
		if (keys[i]->id[0] && strcmp(keys[i]->id, id) == 0)
			return keys[i]->key;
	return NULL;
}

/* A request that was signed gets a signed answer; another key than the client's, or none, is no answer. */
static int check_signature(struct ask *a, struct _xmlDoc *doc)
{
	struct kms_signature s;
	struct kms_fault f;
	if (!signer(a->c))
		return 1;
	if (kms_signature_of(&s, doc, 0, &f))
		return fail_and_report(a, CE_BAD_SIGNATURE, "signature", &f);
	const uint8_t *key = find_key(a->c->transport, s.key_name);
	if (!key || kms_signature_verify(&s, key))
		return fail_and_report(a, CE_BAD_SIGNATURE, "the answer's signature does not verify", NULL);
	return 1;
}

/* A signed answer to another request, or an old one, does not come from this KMS now. */
static int check_freshness(struct ask *a)
{
	if (!signer(a->c))
		return 1;
	if (strcmp(a->doc.user_uri, a->user_uri) != 0 || strcmp(a->doc.client_req_url, a->url) != 0)
		return fail_and_report(a, CE_BAD_SIGNATURE, "the answer to another request", NULL);
	if (a->doc.time > a->now + SIGNED_AGE_S || a->doc.time < a->now - SIGNED_AGE_S)
		return fail_and_report(a, CE_STALE_TIME, "the answer's Time is not now", NULL);
	return 1;
}

static int take_new_key(struct kms_transport *t, const struct kms_new_key *k)
{
	struct kms_transport_key *now = k->is_ink ? &t->ink : &t->trk, *prev = k->is_ink ? &t->prev_ink : &t->prev_trk;
	const uint8_t *under = find_key(t, k->key.key_name);
	struct kms_transport_key *fresh = mcsec_secret_alloc(sizeof *fresh);
	int ok = fresh && under && !kms_unwrap(under, &k->key, fresh->key, KMS_TRK_LEN);
	if (ok && strcmp(now->id, k->key.carried) != 0) {
		memcpy(fresh->id, k->key.carried, sizeof fresh->id);
		*prev = *now;
		*now = *fresh;
	}
	mcsec_secret_free(fresh);
	return ok;
}

/* Durable before anything else: the KMS will hold us to them (kms.md 10.2). */
static int take_new_keys(struct ask *a)
{
	struct kms_transport *t = a->c->transport;
	if (!a->doc.n_new_keys)
		return 1;
	for (size_t i = 0; i < a->doc.n_new_keys; i++)
		if (!take_new_key(t, &a->doc.new_keys[i]))
			return fail_and_report(a, CE_UNWRAP_FAILED, "unwrap_failed: a new key does not open", NULL);
	if (a->c->store && a->c->store(a->c->store_ctx, t))
		return fail_and_report(a, CE_STORAGE_FAILED, "new transport keys could not be kept", NULL);
	return 1;
}

static int unwrap_sets(struct ask *a)
{
	for (size_t i = 0; i < a->doc.n_sets; i++)
		if (a->doc.sets[i].wrapped && kms_key_set_unwrap(&a->doc.sets[i], find_key, a->c->transport))
			return fail_and_report(a, CE_UNWRAP_FAILED, "unwrap_failed: a key does not open", NULL);
	return 1;
}

static int read_answer(struct ask *a, struct _xmlDoc *doc)
{
	struct kms_fault f;
	if (!check_signature(a, doc))
		return 0;
	if (kms_response_of(&a->doc, KMS_ROOT_RESPONSE | a->c->forms, doc, &f))
		return fail_and_report(a, f.code == MCSEC_E_UNSUPPORTED ? CE_UNWRAP_FAILED : CE_UNKNOWN_MESSAGE,
				       "response", &f);
	a->parsed = 1;
	a->r->kms_time = a->doc.time;
	return check_freshness(a);
}

/* 1 when the answer is 200 and holds the message; the document stands in a->doc. */
static int exchange(struct ask *a, const char *path, enum kms_message message)
{
	struct kms_fault f;
	*a->r = (struct kms_result){.kms_time = KMS_NO_TIME};
	send(a, path);
	a->r->status = a->http.status;
	a->r->retry_after_s = a->http.retry_after_s;
	a->r->outcome = outcome_of(a->http.status);
	if (a->r->outcome != KMS_DONE) {
		read_refusal(a);
		return 0;
	}
	struct _xmlDoc *doc = kms_parse((struct octets){a->http.body, a->http.body_len}, KMS_MAX_RESPONSE, &f);
	if (!doc)
		return fail_and_report(a, CE_UNKNOWN_MESSAGE, "response", &f);
	int ok = read_answer(a, doc);
	kms_parsed_free(doc);
	if (!ok)
		return 0;
	if (strcmp(a->doc.kms_uri, a->c->kms_uri) != 0)
		return fail_and_report(a, CE_UNKNOWN_MESSAGE, "response of another KMS", NULL);
	if (a->doc.message != message)
		return fail_and_report(a, CE_UNKNOWN_MESSAGE, "response without the message asked for", NULL);
	return take_new_keys(a) && unwrap_sets(a);
}

static int end(struct ask *a, int ok)
{
	if (a->parsed)
		kms_response_free(&a->doc);
	http_answer_free(&a->http);
	return ok;
}

/* "op/{uri}" with the URI as one encoded segment. */
static int make_path(char *out, size_t size, const char *op, const char *uri)
{
	char encoded[3 * KMS_URI_MAX];
	if (strlen(uri) >= KMS_URI_MAX || http_percent_encode(uri, encoded, sizeof encoded))
		return 0;
	return snprintf(out, size, "%s/%s", op, encoded) < (int)size;
}

/* ---- init, cert
 * ------------------------------------------------------------------------------------------------------------ */

static int take_certificate(struct ask *a, enum kms_role role, const char *kms_uri, struct kms_domain *out)
{
	struct kms_fault f;
	if (a->doc.n_certs != 1)
		return fail_and_report(a, CE_BAD_CERTIFICATE, "not one certificate", NULL);
	enum mcsec_err e = kms_certificate_check(&a->doc.certs[0], role, kms_uri, a->c->kms_uri, a->now, &out->kms, &f);
	if (e)
		fail_and_report(a, CE_BAD_CERTIFICATE, "certificate", &f);
	if (e == MCSEC_E_REVOKED && role == KMS_ROLE_ROOT)
		a->r->outcome = KMS_REVOKED;
	if (e)
		return 0;
	out->cert = a->doc.certs[0];
	return 1;
}

int kms_client_init(struct kms_client *c, const char *token, const char *user_uri, int64_t now, struct kms_domain *home,
		    struct kms_result *r)
{
	struct ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	int ok = exchange(&a, "init", KMS_MSG_INIT) && take_certificate(&a, KMS_ROLE_ROOT, c->kms_uri, home);
	return end(&a, ok);
}

int kms_client_cert(struct kms_client *c, const char *token, const char *user_uri, const char *kms_uri, int64_t now,
		    struct kms_domain *external, struct kms_result *r)
{
	struct ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 16];
	*r = (struct kms_result){0};
	if (!make_path(path, sizeof path, "cert", kms_uri))
		return fail(&a, KMS_REJECTED, "no such KMS URI can be", NULL);
	int ok = exchange(&a, path, KMS_MSG_CERTCACHE) && take_certificate(&a, KMS_ROLE_EXTERNAL, kms_uri, external);
	return end(&a, ok);
}

/* ---- certcache ---- */

/* A revoked one is kept as such; a bad one is left out. */
static int take_external(struct ask *a, const struct kms_certificate *cert, struct kms_domain *out)
{
	struct kms_fault f;
	enum mcsec_err e =
	    kms_certificate_check(cert, KMS_ROLE_EXTERNAL, cert->kms_uri, a->c->kms_uri, a->now, &out->kms, &f);
	if (e && e != MCSEC_E_REVOKED) {
		fail_and_report(a, CE_BAD_CERTIFICATE, cert->kms_uri, &f);
		a->r->outcome = KMS_DONE;
		return 0;
	}
	out->cert = *cert;
	if (e)
		out->kms = NULL;
	return 1;
}

int kms_client_certcache(struct kms_client *c, const char *token, const char *user_uri, int64_t known, int64_t now,
			 struct kms_domain *out, size_t *n, int64_t *num, struct kms_result *r)
{
	struct ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[48] = "certcache";
	size_t room = *n;
	*n = 0;
	if (known >= 0)
		snprintf(path, sizeof path, "certcache/%lld", (long long)known);
	int ok = exchange(&a, path, KMS_MSG_CERTCACHE);
	if (ok && (a.doc.cache_num < 0 || a.doc.n_certs > room))
		ok = fail_and_report(&a, CE_UNKNOWN_MESSAGE, "a cache without a number, or with too many certificates",
				     NULL);
	for (size_t i = 0; ok && i < a.doc.n_certs; i++)
		*n += (size_t)take_external(&a, &a.doc.certs[i], &out[*n]);
	if (ok)
		*num = a.doc.cache_num;
	return end(&a, ok);
}

/* ---- lookup ---- */

int kms_client_lookup(struct kms_client *c, const char *token, const char *user_uri, const char *target, int64_t now,
		      char (*out)[KMS_URI_MAX], size_t *n, struct kms_result *r)
{
	struct ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 16];
	size_t room = *n;
	*n = 0;
	*r = (struct kms_result){0};
	if (!make_path(path, sizeof path, "lookup", target))
		return fail(&a, KMS_REJECTED, "no such target can be", NULL);
	int ok = exchange(&a, path, KMS_MSG_LOOKUP);
	if (ok && strcmp(a.doc.lookup_uri, target) != 0)
		ok = fail_and_report(&a, CE_UNKNOWN_MESSAGE, "an answer for another target", NULL);
	for (size_t i = 0; ok && i < a.doc.n_lookup && *n < room; i++)
		memcpy(out[(*n)++], a.doc.lookup[i], KMS_URI_MAX);
	return end(&a, ok);
}

/* ---- keyprov
 * ------------------------------------------------------------------------------------------------------------------ */

/* kms.md 8.5: the identity is ours and the period one we asked for, or (asked for none) the current one or the next. */
static int is_wanted(const struct kms_key_set *s, const char *const *mine, size_t n_mine, uint64_t first, uint64_t last)
{
	if (s->period_no < first || s->period_no > last)
		return 0;
	for (size_t i = 0; i < n_mine; i++)
		if (strcmp(mine[i], s->user_uri) == 0)
			return 1;
	return 0;
}

static int take_key_set(struct ask *a, struct kms_key_set *s, const struct kms_domain *home, struct kms_keys *out)
{
	struct kms_fault f;
	enum mcsec_err e = kms_key_set_check(s, &home->cert, home->kms, s->user_uri, &out->keyset, &f);
	if (e)
		fail_and_report(a, strcmp(f.element, "UserID") ? CE_BAD_KEYSET : CE_UID_MISMATCH, "key set", &f);
	if (e == MCSEC_E_REVOKED)
		a->r->outcome = KMS_REVOKED;
	if (e)
		return 0;
	out->set = *s;
	s->secret = NULL; /* now out's */
	return 1;
}

static int wanted_periods(const struct kms_domain *home, int64_t at, int64_t now, uint64_t *first, uint64_t *last)
{
	uint64_t when = (uint64_t)(at == KMS_NO_TIME ? now : at) + MCSEC_NTP_UNIX;
	if (mcsec_period_number(&home->cert.periods, when, first))
		return 0;
	*last = at == KMS_NO_TIME ? *first + 1 : *first;
	return 1;
}

static int keyprov_path(char *out, size_t size, const char *for_uri, int64_t at)
{
	if (!for_uri)
		return snprintf(out, size, "keyprov") > 0 && at == KMS_NO_TIME;
	if (!make_path(out, size, "keyprov", for_uri))
		return 0;
	size_t n = strlen(out);
	if (at != KMS_NO_TIME)
		snprintf(out + n, size - n, "/%016llX",
			 (unsigned long long)mcsec_ntp_fold((uint64_t)at + MCSEC_NTP_UNIX, 0));
	return 1;
}

int kms_client_keyprov(struct kms_client *c, const char *token, const char *user_uri, const char *for_uri, int64_t at,
		       int64_t now, const struct kms_domain *home, const char *const *mine, size_t n_mine,
		       struct kms_keys *out, size_t *n, struct kms_result *r)
{
	struct ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 40];
	uint64_t first, last;
	size_t room = *n, taken = 0;
	*n = 0;
	*r = (struct kms_result){0};
	if (!keyprov_path(path, sizeof path, for_uri, at) || !wanted_periods(home, at, now, &first, &last))
		return fail(&a, KMS_REJECTED, "no such identity or time can be asked for", NULL);
	int ok = exchange(&a, path, KMS_MSG_KEYPROV);
	if (ok && (a.doc.n_sets == 0 || a.doc.n_sets > room))
		ok = fail_and_report(&a, CE_BAD_KEYSET, "not the number of key sets asked for", NULL);
	for (size_t i = 0; ok && i < a.doc.n_sets; i++) {
		if (!is_wanted(&a.doc.sets[i], mine, n_mine, first, last))
			ok = fail_and_report(&a, CE_BAD_KEYSET, "a key set nobody asked for", NULL);
		else if ((ok = take_key_set(&a, &a.doc.sets[i], home, &out[taken])))
			taken++;
	}
	if (ok)
		*n = taken;
	else
		kms_keys_free(out, taken);
	return end(&a, ok);
}

/* ---- redirect ---- */

int kms_client_redirect(struct kms_client *c, const char *token, const char *user_uri, struct krr *krr,
			struct octets received, const char *trouble, int64_t now, struct kms_result *r)
{
	struct ask a = {
	    .c = c, .token = token, .user_uri = user_uri, .now = now, .r = r, .krr = krr, .received = received};
	if (trouble) {
		c->report.code = CE_OTHER;
		snprintf(c->report.msg, sizeof c->report.msg, "krr: %.200s", trouble);
	}
	int ok = exchange(&a, "redirect", KMS_MSG_NONE);
	return end(&a, ok);
}

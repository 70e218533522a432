/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_ask.c - see kms_ask.h. A request is written, signed where the client has keys for it, and sent; its answer is
 * judged by status first, then by its signature, then as a document; each stage has its own outcome.
 */
#include "net/kms_ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_sign.h"
#include "mcx/kmssec/kms_wrap.h"
#include "sec/base/check.h"

enum { REQUEST_BOUND = KMS_MAX_REQUEST, SIGNED_AGE_S = 300 };

/* ---- failing ---- */

int kms_ask_fail(struct kms_ask *a, enum kms_outcome outcome, const char *what, const struct kms_fault *f)
{
	a->r->outcome = outcome;
	if (f)
		snprintf(a->r->detail, sizeof a->r->detail, "%.120s: %s %s", what, f->element, f->detail);
	else
		snprintf(a->r->detail, sizeof a->r->detail, "%s", what);
	return 0;
}

int kms_ask_report(struct kms_ask *a, int64_t code, const char *what, const struct kms_fault *f)
{
	kms_ask_fail(a, KMS_BAD_ANSWER, what, f);
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

static void write_request(const struct kms_ask *a, struct writer *w, struct kms_request *rq)
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

static void post(struct kms_ask *a, struct octets body)
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

/* 1: it left, and a->http says what came back. */
static int send(struct kms_ask *a, const char *path)
{
	struct kms_request *rq = calloc(1, sizeof *rq);
	uint8_t *body = malloc(REQUEST_BOUND);
	struct writer w = wr_init(body, body ? REQUEST_BOUND : 0);
	snprintf(a->url, sizeof a->url, "%s" KMS_ROOT "/%s", a->c->base, path);
	if (rq) {
		rq->time = a->now;
		rq->client_error = a->c->report;
		snprintf(rq->user_uri, sizeof rq->user_uri, "%s", a->user_uri);
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
	int ok = rq && body && !w.err;
	if (ok)
		post(a, wr_result(&w));
	else
		kms_ask_fail(a, rq && body ? KMS_REJECTED : KMS_LATER,
			     rq && body ? "the request cannot be written" : "no memory", NULL);
	free(rq);
	free(body);
	return ok;
}

static void read_refusal(struct kms_ask *a)
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

static const uint8_t *find_among(const struct kms_transport_key *const *keys, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i]->id[0] && strcmp(keys[i]->id, id) == 0)
			return keys[i]->key;
	return NULL;
}

/* Signatures are of either kind, keys are wrapped under a TrK only. */
static const uint8_t *find_signer(const struct kms_transport *t, const char *id)
{
	const struct kms_transport_key *const keys[] = {&t->ink, &t->trk, &t->prev_ink, &t->prev_trk};
	return find_among(keys, 4, id);
}

static const uint8_t *find_trk(void *ctx, const char *id)
{
	const struct kms_transport *t = ctx;
	const struct kms_transport_key *const keys[] = {&t->trk, &t->prev_trk};
	return find_among(keys, 2, id);
}

/* A request that was signed gets a signed answer; another key than the client's, or none, is no answer. */
static int check_signature(struct kms_ask *a, struct _xmlDoc *doc)
{
	struct kms_signature s;
	struct kms_fault f;
	if (!signer(a->c))
		return 1;
	if (kms_signature_of(&s, doc, 0, &f))
		return kms_ask_report(a, CE_BAD_SIGNATURE, "signature", &f);
	const uint8_t *key = find_signer(a->c->transport, s.key_name);
	if (MCX_FAULT(kms.answer_key, !key || kms_signature_verify(&s, key)))
		return kms_ask_report(a, CE_BAD_SIGNATURE, "the answer's signature does not verify", NULL);
	return 1;
}

/* A signed answer to another request, or an old one, does not come from this KMS now. */
static int check_freshness(struct kms_ask *a)
{
	if (!signer(a->c))
		return 1;
	if (MCX_FAULT(kms.answer_for,
		      strcmp(a->doc.user_uri, a->user_uri) != 0 || strcmp(a->doc.client_req_url, a->url) != 0))
		return kms_ask_report(a, CE_BAD_SIGNATURE, "the answer to another request", NULL);
	if (MCX_FAULT(kms.answer_time, a->doc.time > a->now + SIGNED_AGE_S || a->doc.time < a->now - SIGNED_AGE_S))
		return kms_ask_report(a, CE_STALE_TIME, "the answer's Time is not now", NULL);
	return 1;
}

static int take_new_key(struct kms_transport *t, const struct kms_new_key *k)
{
	struct kms_transport_key *now = k->is_ink ? &t->ink : &t->trk, *prev = k->is_ink ? &t->prev_ink : &t->prev_trk;
	const uint8_t *under = find_trk(t, k->key.key_name);
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

static int take_and_keep(struct kms_ask *a, struct kms_transport *t)
{
	for (size_t i = 0; i < a->doc.n_new_keys; i++)
		if (!take_new_key(t, &a->doc.new_keys[i]))
			return kms_ask_report(a, CE_UNWRAP_FAILED, "unwrap_failed: a new key does not open", NULL);
	if (a->c->store && a->c->store(a->c->store_ctx, t))
		return kms_ask_report(a, CE_STORAGE_FAILED, "new transport keys could not be kept", NULL);
	return 1;
}

/*
 * Durable before anything else: the KMS will hold us to the first request that names them (kms.md 10.2). What cannot be
 * kept is not used either, or the keys on disk would be the wrong ones after the next start.
 */
static int take_new_keys(struct kms_ask *a)
{
	struct kms_transport *t = a->c->transport;
	struct kms_transport *before = a->doc.n_new_keys ? mcsec_secret_alloc(sizeof *before) : NULL;
	if (!a->doc.n_new_keys)
		return 1;
	if (!before)
		return kms_ask_fail(a, KMS_LATER, "no memory", NULL);
	*before = *t;
	int ok = take_and_keep(a, t);
	if (!ok)
		*t = *before;
	mcsec_secret_free(before);
	return ok;
}

static int unwrap_sets(struct kms_ask *a)
{
	for (size_t i = 0; i < a->doc.n_sets; i++)
		if (a->doc.sets[i].wrapped && kms_key_set_unwrap(&a->doc.sets[i], find_trk, a->c->transport))
			return kms_ask_report(a, CE_UNWRAP_FAILED, "unwrap_failed: a key does not open", NULL);
	return 1;
}

static int read_answer(struct kms_ask *a, struct _xmlDoc *doc)
{
	struct kms_fault f;
	if (!check_signature(a, doc))
		return 0;
	if (kms_response_of(&a->doc, KMS_ROOT_RESPONSE | a->c->forms, doc, &f))
		return kms_ask_report(a, f.code == MCSEC_E_UNSUPPORTED ? CE_UNWRAP_FAILED : CE_UNKNOWN_MESSAGE,
				      "response", &f);
	a->parsed = 1;
	a->r->kms_time = a->doc.time;
	return check_freshness(a);
}

int kms_ask(struct kms_ask *a, const char *path, enum kms_message message)
{
	struct kms_fault f;
	*a->r = (struct kms_result){.kms_time = KMS_NO_TIME};
	if (!send(a, path))
		return 0;
	a->r->status = a->http.status;
	a->r->retry_after_s = a->http.retry_after_s;
	a->r->outcome = outcome_of(a->http.status);
	if (a->r->outcome != KMS_DONE) {
		read_refusal(a);
		return 0;
	}
	struct _xmlDoc *doc = kms_parse((struct octets){a->http.body, a->http.body_len}, KMS_MAX_RESPONSE, &f);
	if (!doc)
		return kms_ask_report(a, CE_UNKNOWN_MESSAGE, "response", &f);
	int ok = read_answer(a, doc);
	kms_parsed_free(doc);
	if (!ok)
		return 0;
	if (MCX_FAULT(kms.answer_kms, strcmp(a->doc.kms_uri, a->c->kms_uri) != 0))
		return kms_ask_report(a, CE_UNKNOWN_MESSAGE, "response of another KMS", NULL);
	if (MCX_FAULT(kms.answer_message, a->doc.message != message))
		return kms_ask_report(a, CE_UNKNOWN_MESSAGE, "response without the message asked for", NULL);
	return take_new_keys(a) && unwrap_sets(a);
}

int kms_ask_end(struct kms_ask *a, int ok)
{
	if (a->parsed)
		kms_response_free(&a->doc);
	http_answer_free(&a->http);
	return ok;
}

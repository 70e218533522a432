/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.c - the answers of mcx-kms: the table of errors (kms.md 12.1) and the envelope of every response (7.1).
 *
 * Before a caller is authenticated an error has no body. Every refusal is in the audit record; those of strangers, in a
 * flood, as a count (audit/refusals.h), so that nobody fills the disk from outside. Callers with a token are bounded by
 * limit_source.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "app/log.h"
#include "kms/exchange.h"
#include "kms/watch.h"
#include "mcsec/secret.h"
#include "kms/protect/protect.h"
#include "mcx/kmssec/kms_sign.h"

enum { RETRY_SEALED_S = 30, RETRY_STORE_S = 5, RETRY_RATE_S = 1 };

static const struct refusal {
	int status;
	int64_t code;
	const char *token;
	int retry_after_s;
} refusals[] = {
    [KMS_R_BAD_XML] = {400, 40001, "bad_xml", 0},
    [KMS_R_WRONG_KMS] = {400, 40002, "wrong_kms", 0},
    [KMS_R_WRONG_URL] = {400, 40003, "wrong_url", 0},
    [KMS_R_STALE_TIME] = {400, 40004, "stale_time", 0},
    [KMS_R_BAD_URI] = {400, 40005, "bad_uri", 0},
    [KMS_R_BAD_TIME] = {400, 40005, "bad_time", 0},
    [KMS_R_SIGNATURE_REQUIRED] = {401, 40103, "signature_required", 0},
    [KMS_R_BAD_SIGNATURE] = {401, 40103, "bad_signature", 0},
    [KMS_R_REPLAY] = {401, 40103, "replay", 0},
    [KMS_R_NOT_PERMITTED] = {403, 40302, "identity_not_permitted", 0},
    [KMS_R_PERIOD] = {403, 40303, "period_not_permitted", 0},
    [KMS_R_SUSPENDED] = {403, 40304, "user_suspended", 0},
    [KMS_R_NO_TRK] = {403, 40305, "no_trk", 0},
    [KMS_R_NOT_ENROLLED] = {403, 40307, "not_enrolled", 0},
    [KMS_R_UNKNOWN_REQUEST] = {404, 40401, "unknown_request", 0},
    [KMS_R_NO_CERTIFICATE] = {404, 40402, "no_certificate", 0},
    [KMS_R_METHOD] = {405, 40501, "method", 0},
    [KMS_R_MEDIA] = {415, 41501, "media_type", 0},
    [KMS_R_UNKNOWN_TRK] = {409, 40901, "unknown_trk", 0},
    [KMS_R_UNKNOWN_INK] = {409, 40901, "unknown_ink", 0},
    [KMS_R_RATE] = {429, 42901, "rate_limited", RETRY_RATE_S},
    [KMS_R_INTERNAL] = {500, 50001, "internal", 0},
    [KMS_R_SEALED] = {503, 50301, "sealed", RETRY_SEALED_S},
    [KMS_R_STORE] = {503, 50302, "store_unavailable", RETRY_STORE_S},
    [KMS_R_CLOCK] = {503, 50303, "clock", RETRY_SEALED_S},
};

/* ---- the envelope
 * ----------------------------------------------------------------------------------------------------- */

const char *kms_caller_uri(const struct exchange *x)
{
	return x->has_body && x->request.user_uri[0] ? x->request.user_uri : x->caller.identity[0];
}

/* text/xml only for those who ask for nothing else (kms.md 5). */
static const char *media_type(const struct exchange *x)
{
	const char *accept = http_request_header(x->rq, "Accept", NULL);
	int text = accept ? strcasestr(accept, "text/xml") && !strcasestr(accept, "application/xml")
			  : strcmp(x->kms->config->response_media_type, "text/xml") == 0;
	return text ? "text/xml; charset=utf-8" : "application/xml; charset=utf-8";
}

static int write_response(struct exchange *x, struct kms_response *r, int status, int secret)
{
	const struct kms_config *c = x->kms->config;
	snprintf(r->user_uri, sizeof r->user_uri, "%s", kms_caller_uri(x));
	memcpy(r->kms_uri, x->kms->domain->cert.kms_uri, sizeof r->kms_uri);
	r->time = x->now;
	memcpy(r->kms_id, c->node, sizeof c->node);
	snprintf(r->client_req_url, sizeof r->client_req_url, "%s",
		 x->has_body && x->request.client_req_url[0] ? x->request.client_req_url : x->url);
	r->rel13 = strcmp(c->schema, "rel13") == 0;
	size_t size = kms_response_bound(r) + KMS_SIGNATURE_BOUND;
	uint8_t *body = malloc(size);
	if (!body)
		return -1;
	struct writer w = wr_init(body, size);
	if (protect_wrap(x, r))
		w.err = MCSEC_E_CRYPTO;
	protect_write(x, &w, r);
	if (w.err) { /* never half a document, and no key left behind */
		mcsec_wipe(body, size);
		free(body);
		return -1;
	}
	x->rs->secret = secret;
	http_response_header(x->rs, "Cache-Control", "no-store");
	http_response_take(x->rs, status, media_type(x), body, wr_len(&w));
	return 0;
}

void kms_respond(struct exchange *x, struct kms_response *r, int secret)
{
	if (write_response(x, r, 200, secret))
		kms_refuse(x, KMS_R_INTERNAL, NULL);
}

/* ---- refusals
 * ---------------------------------------------------------------------------------------------------------- */

struct audit_record kms_record(const struct exchange *x, enum audit_outcome outcome)
{
	static const char *const types[] = {[KMS_OP_INIT] = "kms.init",     [KMS_OP_KEYPROV] = "kms.provision",
					    [KMS_OP_CERT] = "kms.cert",     [KMS_OP_CERTCACHE] = "kms.cert-cache",
					    [KMS_OP_LOOKUP] = "kms.lookup", [KMS_OP_REDIRECT] = "domain.external-use"};
	struct audit_record r = {.class_ = 'K',
				 .type = types[x->op],
				 .outcome = outcome,
				 .clock = kms_clock(),
				 .actor = kms_caller_uri(x),
				 .target = x->arg,
				 .kms_responder = x->kms->config->uri};
	audit_detail(&r, "source", x->rq->peer);
	if (x->caller.n) {
		audit_detail(&r, "authenticated-by", x->caller.by);
		audit_detail(&r, "caller", x->caller.name);
	}
	return r;
}

static enum store_err append(struct exchange *x, struct audit_record *r, const char *why)
{
	enum store_err e;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	r->reason = why;
	if (db) {
		e = audit_append(db->audit, r, kms_now_ns());
		kms_pool_give(x->kms->pool, db, e);
	}
	if (e)
		log_error("kms.audit-failed", log_text("verdict", store_err_name(e)), log_text("type", r->type));
	return e;
}

void kms_record_stranger(struct exchange *x, const char *why)
{
	struct audit_record r = kms_record(x, AUDIT_REFUSED);
	r.class_ = 'X';
	r.type = "token.refuse";
	struct audit_refusals *all = x->kms->refusals;
	int64_t now_ms = kms_now_ns() / 1000000;
	if (audit_refusals_note(all, r.class_, r.type, x->rq->peer, now_ms) && append(x, &r, why))
		audit_refusals_count(all, r.class_, r.type, x->rq->peer, now_ms);
}

static void record_refusal(struct exchange *x, const char *why)
{
	struct audit_record r = kms_record(x, AUDIT_REFUSED);
	if (x->caller.n)
		append(x, &r, why);
}

void kms_refuse(struct exchange *x, enum kms_refusal what, const char *about)
{
	const struct refusal *row = &refusals[what];
	struct kms_response r = {.cache_num = -1, .error = {.code = row->code}};
	snprintf(r.error.msg, sizeof r.error.msg, "%s%s%.180s", row->token, about ? ": " : "", about ? about : "");
	if (!x->caller.n || write_response(x, &r, row->status, 0)) {
		http_response_take(x->rs, row->status, NULL, NULL, 0);
		http_response_header(x->rs, "Cache-Control", "no-store");
	}
	if (row->retry_after_s)
		http_response_header(x->rs, "Retry-After", "%d", row->retry_after_s);
	if (what == KMS_R_METHOD)
		http_response_header(x->rs, "Allow", "POST");
	log_warn("kms.refuse", log_int("status", row->status), log_text("why", r.error.msg),
		 log_text("peer", x->rq->peer), log_text("caller", kms_caller_uri(x)));
	metric_add(&kms_metrics[what == KMS_R_RATE ? KMS_M_REFUSED_RATE : KMS_M_REFUSED_REQUEST], 1);
	kms_watch_refused(x->kms->watch, row->token);
	if (what != KMS_R_STORE && what != KMS_R_INTERNAL)
		record_refusal(x, row->token);
}

void kms_refuse_store(struct exchange *x, enum store_err e, const char *detail)
{
	log_error("kms.store", log_text("verdict", store_err_name(e)), log_text("error", detail));
	metric_add(&kms_metrics[KMS_M_STORE], 1);
	kms_refuse(x, KMS_R_STORE, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_redirect.c - KMS Discovery Upload (TS 33.180 D.2.8; kms.md 11.5): a user reports a redirect response.
 *
 * Each report is kept with its reporter, the verdict on its signature and what is odd about it, and is recorded, before
 * the empty 200. KrrList has no room for a signature, so the KRR as received is verified where the client sent it
 * along, and must say the same as the list.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/log.h"
#include "kms/exchange.h"
#include "kms/watch.h"
#include "mcx/kmssec/kms_krr.h"

enum { DAY_S = 86400, BODY_MAX = KRR_BOUND };

struct upload {
	struct exchange *x;
	struct kms_db *db;
	const struct krr *krr;
	struct kms_krr_row row;
	uint8_t *text; /* of a KRR that did not come as received */
};

/* ---- what is odd (kms.md 11.5) ---- */

static void alert(struct upload *u, const char *what)
{
	size_t n = strlen(u->row.alerts);
	snprintf(u->row.alerts + n, sizeof u->row.alerts - n, "%s%s", n ? " " : "", what);
}

static enum store_err look_at_list(struct upload *u)
{
	const struct krr_list *l = &u->krr->receiver_kms;
	const char *own = u->x->kms->domain->cert.kms_uri;
	struct kms_certificate cert;
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->uri[i], own) == 0)
			continue;
		enum store_err e = kms_db_external(u->db, l->uri[i], &cert);
		if (e != STORE_ROW && e != STORE_OK)
			return e;
		if (e == STORE_OK || cert.revoked) {
			alert(u, "not-permitted");
			break;
		}
	}
	if (l->n && kms_directory_agrees(u->x, u->krr->receiver_uri, l->uri, l->n) == 0)
		alert(u, "served-elsewhere");
	return STORE_OK;
}

/* ---- verdict ---- */

static const char *judge(struct upload *u)
{
	const struct exchange *x = u->x;
	struct krr *k;
	enum krr_verdict v;
	struct kms_fault f;
	struct octets received = {x->request.received, x->request.received_len};
	if (!x->request.received || x->request.n_krrs != 1)
		return krr_verdict_name(KRR_UNSIGNED);
	if (krr_open(&k, &v, received, x->kms->krr_trust, x->now, &f))
		return "malformed";
	const char *name = krr_same_matter(k, u->krr) ? krr_verdict_name(v) : "mismatch";
	krr_free(k);
	u->row.body = received;
	return name;
}

static int describe(struct upload *u)
{
	const struct krr *k = u->krr;
	snprintf(u->row.reporter, sizeof u->row.reporter, "%s", kms_caller_uri(u->x));
	snprintf(u->row.receiver, sizeof u->row.receiver, "%s", k->receiver_uri);
	snprintf(u->row.kms, sizeof u->row.kms, "%s", k->receiver_kms.n ? k->receiver_kms.uri[0] : "");
	snprintf(u->row.verdict, sizeof u->row.verdict, "%s", judge(u));
	u->row.received = u->x->now;
	if (u->row.body.p)
		return 1;
	u->text = malloc(BODY_MAX);
	struct writer w = wr_init(u->text, u->text ? BODY_MAX : 0);
	krr_write(&w, k);
	u->row.body = wr_result(&w);
	return !w.err;
}

/* ---- keep ---- */

static enum store_err record(struct upload *u)
{
	struct audit_record r = kms_record(u->x, AUDIT_OK);
	r.target = u->krr->receiver_uri;
	audit_detail(&r, "processor", u->krr->processor_uri);
	audit_detail(&r, "kms", u->row.kms);
	audit_detail(&r, "key-id", u->krr->key_id);
	audit_detail(&r, "signature", u->row.verdict);
	audit_detail(&r, "alerts", u->row.alerts);
	if (u->row.alerts[0])
		log_warn("kms.krr-alert", log_text("alerts", u->row.alerts), log_text("reporter", u->row.reporter),
			 log_text("target", u->row.receiver));
	return audit_append(u->db->audit, &r, kms_now_ns());
}

static enum store_err keep(struct upload *u, int *too_many)
{
	int64_t reports = 0, others = 0;
	enum store_err e = store_begin(u->db->store);
	if (!e)
		e = kms_db_krr_counts(u->db, &u->row, u->row.received - DAY_S, &reports, &others);
	*too_many = !e && reports >= u->x->kms->config->krr_day;
	if (e || *too_many)
		return e;
	if (others)
		alert(u, "two-kms");
	e = look_at_list(u);
	if (!e)
		e = kms_db_krr_put(u->db, &u->row);
	if (e == STORE_CONFLICT)
		return STORE_OK; /* reported before: a repetition after a lost answer */
	if (!e)
		e = record(u);
	return e ? e : store_commit(u->db->store);
}

/* 1, or 0 and answered. */
static int take(struct exchange *x, struct kms_db *db, const struct krr *krr, enum store_err *e)
{
	int too_many = 0;
	struct upload u = {.x = x, .db = db, .krr = krr};
	int ok = describe(&u);
	*e = ok ? keep(&u, &too_many) : STORE_OK;
	store_rollback(db->store);
	if (ok && !*e && !too_many && u.row.alerts[0])
		kms_watch_krr_anomaly(x->kms->watch);
	free(u.text);
	if (!ok)
		kms_refuse(x, KMS_R_INTERNAL, NULL);
	else if (*e)
		kms_refuse_store(x, *e, store_error_text(db->store));
	else if (too_many)
		kms_refuse(x, KMS_R_RATE, "reports");
	return ok && !*e && !too_many;
}

void kms_handle_redirect(struct exchange *x)
{
	enum store_err e;
	struct kms_response r = {.message = KMS_MSG_NONE, .cache_num = -1};
	if (!x->request.n_krrs) {
		kms_refuse(x, KMS_R_BAD_XML, "KrrList");
		return;
	}
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	if (!db) {
		kms_refuse_store(x, e, "no connection");
		return;
	}
	int ok = 1;
	for (size_t i = 0; i < x->request.n_krrs && ok; i++)
		ok = take(x, db, x->request.krrs[i], &e);
	kms_pool_give(x->kms->pool, db, e);
	if (ok)
		kms_respond(x, &r, 0);
}

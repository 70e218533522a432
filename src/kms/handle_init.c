/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_init.c - KMS Initialize (TS 33.180 D.2.3; kms.md 7.3) and KMS Cert (D.2.6; kms.md 13.6): certificates out.
 */
#include <stdio.h>

#include "kms/exchange.h"

/* Durable before the answer, as every operation's record is. */
static int record(struct exchange *x, const char *key, const char *value)
{
	enum store_err e;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	struct audit_record r = kms_record(x, AUDIT_OK);
	audit_detail(&r, key, value);
	if (!db) {
		kms_refuse_store(x, e, "no connection");
		return 0;
	}
	e = audit_append(db->audit, &r, kms_now_ns());
	if (e)
		kms_refuse_store(x, e, store_error_text(db->store));
	kms_pool_give(x->kms->pool, db, e);
	return !e;
}

int kms_record_certificates(struct exchange *x, int64_t cache_num)
{
	char num[24];
	snprintf(num, sizeof num, "%lld", (long long)cache_num);
	return record(x, "cache-num", num);
}

void kms_handle_init(struct exchange *x)
{
	struct kms_response r = {.message = KMS_MSG_INIT,
				 .cache_num = -1,
				 .n_certs = 1,
				 /* it is only written from */
				 .certs = (struct kms_certificate *)&x->kms->domain->cert};
	memcpy(r.suites, x->kms->config->suites, sizeof r.suites);
	memcpy(r.suites_minimum, x->kms->config->suites_minimum, sizeof r.suites_minimum);
	if (record(x, "cert-uri", x->kms->domain->cert.cert_uri))
		kms_respond(x, &r, 0);
}

void kms_handle_cert(struct exchange *x)
{
	enum store_err e;
	struct kms_certificate cert;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	if (db) {
		e = kms_db_external(db, x->arg, &cert);
		kms_pool_give(x->kms->pool, db, e);
	}
	struct kms_response r = {.message = KMS_MSG_CERTCACHE, .cache_num = -1, .n_certs = 1, .certs = &cert};
	if (e == STORE_OK)
		kms_refuse(x, KMS_R_NO_CERTIFICATE, x->arg);
	else if (e != STORE_ROW)
		kms_refuse_store(x, e, "external certificate");
	else if (record(x, "cert-uri", cert.cert_uri))
		kms_respond(x, &r, 0);
}

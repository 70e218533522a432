/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_certcache.c - KMS CertCache (TS 33.180 D.2.5; kms.md 7.5): the certificates of other domains that may be used.
 *
 * Who holds the current number gets the number alone; everybody else gets the whole set, never a difference. A revoked
 * certificate is sent as such until its ValidTo.
 */
#include <stdlib.h>

#include "kms/exchange.h"

struct set {
	int64_t now;
	size_t n;
	struct kms_certificate *certs;
	int no_memory;
};

static void add(void *ctx, const struct kms_ext_cert *x)
{
	struct set *s = ctx;
	if (x->cert.revoked && x->cert.valid_to != KMS_NO_TIME && s->now >= x->cert.valid_to)
		return;
	struct kms_certificate *more = realloc(s->certs, (s->n + 1) * sizeof *more);
	if (!more) {
		s->no_memory = 1;
		return;
	}
	s->certs = more;
	s->certs[s->n++] = x->cert;
}

/* {n} in decimal; -1: none was sent, -2: it is no number. */
static int64_t known_number(const struct exchange *x)
{
	size_t digits = strspn(x->arg, "0123456789");
	if (!x->n_args)
		return -1;
	return digits && digits < 19 && !x->arg[digits] ? strtoll(x->arg, NULL, 10) : -2;
}

static enum store_err collect(struct exchange *x, struct set *s, int64_t *num)
{
	enum store_err e;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	if (!db)
		return e;
	e = kms_db_ext_each(db, 0, num, add, s);
	kms_pool_give(x->kms->pool, db, e);
	return e ? e : s->no_memory ? STORE_FULL : STORE_OK;
}

void kms_handle_certcache(struct exchange *x)
{
	struct set s = {.now = x->now};
	struct kms_response r = {.message = KMS_MSG_CERTCACHE};
	int64_t known = known_number(x);
	if (known == -2) {
		kms_refuse(x, KMS_R_BAD_URI, "number");
		return;
	}
	enum store_err e = collect(x, &s, &r.cache_num);
	if (e) {
		kms_refuse_store(x, e, "external certificates");
	} else if (kms_record_certificates(x, r.cache_num)) {
		r.n_certs = known == r.cache_num ? 0 : s.n;
		r.certs = s.certs;
		memcpy(r.suites, x->kms->config->suites, sizeof r.suites);
		memcpy(r.suites_minimum, x->kms->config->suites_minimum, sizeof r.suites_minimum);
		kms_respond(x, &r, 0);
	}
	free(s.certs);
}

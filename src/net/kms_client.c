/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_client.c - see kms_client.h. Each operation asks (kms_ask.c) and checks what came by kms.md 8.4 or 8.5.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "net/kms_ask.h"
#include "sec/base/check.h"

enum { TIMEOUT_MS = 30000 };

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
					.proxy = o->proxy,
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

static int take_certificate(struct kms_ask *a, enum kms_role role, const char *kms_uri, struct kms_domain *out)
{
	struct kms_fault f;
	if (a->doc.n_certs != 1)
		return kms_ask_report(a, CE_BAD_CERTIFICATE, "not one certificate", NULL);
	enum mcsec_err e = kms_certificate_check(&a->doc.certs[0], role, kms_uri, a->c->kms_uri, a->now, &out->kms, &f);
	if (e)
		kms_ask_report(a, CE_BAD_CERTIFICATE, "certificate", &f);
	if (e == MCSEC_E_REVOKED && role == KMS_ROLE_ROOT)
		a->r->outcome = KMS_REVOKED;
	if (e)
		return 0;
	out->cert = a->doc.certs[0];
	memcpy(out->suites, a->doc.suites, sizeof out->suites);
	memcpy(out->suites_minimum, a->doc.suites_minimum, sizeof out->suites_minimum);
	return 1;
}

int kms_client_init(struct kms_client *c, const char *token, const char *user_uri, int64_t now, struct kms_domain *home,
		    struct kms_result *r)
{
	struct kms_ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	int ok = kms_ask(&a, "init", KMS_MSG_INIT) && take_certificate(&a, KMS_ROLE_ROOT, c->kms_uri, home);
	return kms_ask_end(&a, ok);
}

int kms_client_cert(struct kms_client *c, const char *token, const char *user_uri, const char *kms_uri, int64_t now,
		    struct kms_domain *external, struct kms_result *r)
{
	struct kms_ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 16];
	*r = (struct kms_result){.kms_time = KMS_NO_TIME};
	if (!make_path(path, sizeof path, "cert", kms_uri))
		return kms_ask_fail(&a, KMS_REJECTED, "no such KMS URI can be", NULL);
	int ok = kms_ask(&a, path, KMS_MSG_CERTCACHE) && take_certificate(&a, KMS_ROLE_EXTERNAL, kms_uri, external);
	return kms_ask_end(&a, ok);
}

/* ---- certcache ---- */

/* A revoked one is kept as such; a bad one is left out. */
static int take_external(struct kms_ask *a, const struct kms_certificate *cert, struct kms_domain *out)
{
	struct kms_fault f;
	enum mcsec_err e =
	    kms_certificate_check(cert, KMS_ROLE_EXTERNAL, cert->kms_uri, a->c->kms_uri, a->now, &out->kms, &f);
	if (e && e != MCSEC_E_REVOKED) {
		kms_ask_report(a, CE_BAD_CERTIFICATE, cert->kms_uri, &f);
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
	struct kms_ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[48] = "certcache";
	size_t room = *n;
	*n = 0;
	if (known >= 0)
		snprintf(path, sizeof path, "certcache/%lld", (long long)known);
	int ok = kms_ask(&a, path, KMS_MSG_CERTCACHE);
	if (ok && (a.doc.cache_num < 0 || a.doc.n_certs > room))
		ok = kms_ask_report(&a, CE_UNKNOWN_MESSAGE, "a cache without a number, or with too many certificates",
				    NULL);
	for (size_t i = 0; ok && i < a.doc.n_certs; i++)
		*n += (size_t)take_external(&a, &a.doc.certs[i], &out[*n]);
	if (ok)
		*num = a.doc.cache_num;
	return kms_ask_end(&a, ok);
}

/* ---- lookup ---- */

int kms_client_lookup(struct kms_client *c, const char *token, const char *user_uri, const char *target, int64_t now,
		      char (*out)[KMS_URI_MAX], size_t *n, struct kms_result *r)
{
	struct kms_ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 16];
	size_t room = *n;
	*n = 0;
	*r = (struct kms_result){.kms_time = KMS_NO_TIME};
	if (!make_path(path, sizeof path, "lookup", target))
		return kms_ask_fail(&a, KMS_REJECTED, "no such target can be", NULL);
	int ok = kms_ask(&a, path, KMS_MSG_LOOKUP);
	if (ok && strcmp(a.doc.lookup_uri, target) != 0)
		ok = kms_ask_report(&a, CE_UNKNOWN_MESSAGE, "an answer for another target", NULL);
	for (size_t i = 0; ok && i < a.doc.n_lookup && *n < room; i++)
		memcpy(out[(*n)++], a.doc.lookup[i], KMS_URI_MAX);
	return kms_ask_end(&a, ok);
}

/* ---- keyprov
 * ------------------------------------------------------------------------------------------------------------------ */

/* The periods that were asked for; that of now too, for a set that says no more than that we are revoked. */
struct wanted {
	uint64_t first, last, now;
};

/* kms.md 8.5: the identity is ours and the period one we asked for, or (asked for none) the current one or the next. */
static int is_wanted(const struct kms_key_set *s, const char *const *mine, size_t n_mine, const struct wanted *w)
{
	if ((s->period_no < w->first || s->period_no > w->last) && !(s->revoked && s->period_no == w->now))
		return 0;
	for (size_t i = 0; i < n_mine; i++)
		if (strcmp(mine[i], s->user_uri) == 0)
			return 1;
	return 0;
}

static int take_key_set(struct kms_ask *a, struct kms_key_set *s, const struct kms_domain *home, struct kms_keys *out)
{
	struct kms_fault f;
	enum mcsec_err e = kms_key_set_check(s, &home->cert, home->kms, s->user_uri, &out->keyset, &f);
	if (e)
		kms_ask_report(a, strcmp(f.element, "UserID") ? CE_BAD_KEYSET : CE_UID_MISMATCH, "key set", &f);
	if (e == MCSEC_E_REVOKED)
		a->r->outcome = KMS_REVOKED;
	if (e)
		return 0;
	out->set = *s;
	s->secret = NULL; /* now out's */
	return 1;
}

static int wanted_periods(const struct kms_domain *home, int64_t at, int64_t now, struct wanted *w)
{
	const struct mcsec_periods *p = &home->cert.periods;
	uint64_t when = (uint64_t)(at == KMS_NO_TIME ? now : at) + MCSEC_NTP_UNIX;
	if (mcsec_period_number(p, when, &w->first) || mcsec_period_number(p, (uint64_t)now + MCSEC_NTP_UNIX, &w->now))
		return 0;
	w->last = at == KMS_NO_TIME ? w->first + 1 : w->first;
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
	struct kms_ask a = {.c = c, .token = token, .user_uri = user_uri, .now = now, .r = r};
	char path[3 * KMS_URI_MAX + 40];
	struct wanted wanted;
	size_t room = *n, taken = 0;
	*n = 0;
	*r = (struct kms_result){.kms_time = KMS_NO_TIME};
	if (!keyprov_path(path, sizeof path, for_uri, at) || !wanted_periods(home, at, now, &wanted))
		return kms_ask_fail(&a, KMS_REJECTED, "no such identity or time can be asked for", NULL);
	int ok = kms_ask(&a, path, KMS_MSG_KEYPROV);
	if (ok && (a.doc.n_sets == 0 || a.doc.n_sets > room))
		ok = kms_ask_report(&a, CE_BAD_KEYSET, "not the number of key sets asked for", NULL);
	for (size_t i = 0; ok && i < a.doc.n_sets; i++) {
		if (!MCX_CHECK(kms.wanted, is_wanted(&a.doc.sets[i], mine, n_mine, &wanted)))
			ok = kms_ask_report(&a, CE_BAD_KEYSET, "a key set nobody asked for", NULL);
		else if ((ok = take_key_set(&a, &a.doc.sets[i], home, &out[taken])))
			taken++;
	}
	if (ok)
		*n = taken;
	else
		kms_keys_free(out, taken);
	return kms_ask_end(&a, ok);
}

/* ---- redirect ---- */

int kms_client_redirect(struct kms_client *c, const char *token, const char *user_uri, struct krr *krr,
			struct octets received, const char *trouble, int64_t now, struct kms_result *r)
{
	struct kms_ask a = {
	    .c = c, .token = token, .user_uri = user_uri, .now = now, .r = r, .krr = krr, .received = received};
	if (trouble) {
		c->report.code = CE_OTHER;
		snprintf(c->report.msg, sizeof c->report.msg, "krr: %.200s", trouble);
	}
	int ok = kms_ask(&a, "redirect", KMS_MSG_NONE);
	return kms_ask_end(&a, ok);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_lookup.c - KMS Discovery Lookup (TS 33.180 D.2.7; kms.md 7.8, 15.3): which KMSs serve this target?
 *
 * The directory is the operator's list of patterns; our own domains stand in the certificate. Only KMSs that users may
 * use are named: ours and those with a permitted certificate. A target nobody knows and one that nobody may reach get
 * the same empty answer after the same work, so that nothing is learnt by asking.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "kms/exchange.h"

struct lookup {
	const struct exchange *x;
	size_t n, n_permitted;
	int matched;
	char found[KMS_MAX_LOOKUP][KMS_URI_MAX];
	char permitted[KMS_MAX_CERTS][KMS_URI_MAX]; /* ours first */
};

static void add_permitted(void *ctx, const struct kms_ext_cert *e)
{
	struct lookup *l = ctx;
	if (e->state == KMS_EXT_PERMITTED && l->n_permitted < KMS_MAX_CERTS)
		memcpy(l->permitted[l->n_permitted++], e->cert.kms_uri, KMS_URI_MAX);
}

static int is_found(const struct lookup *l, const char *kms_uri)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->found[i], kms_uri) == 0)
			return 1;
	return 0;
}

static void add_found(struct lookup *l, const char *kms_uri, size_t len)
{
	for (size_t i = 0; i < l->n_permitted && l->n < KMS_MAX_LOOKUP; i++) {
		const char *p = l->permitted[i];
		if (strncmp(p, kms_uri, len) == 0 && !p[len] && !is_found(l, p))
			memcpy(l->found[l->n++], p, KMS_URI_MAX);
	}
}

/* "*@partner.example" is every URI with this end (host names have no case); anything else is one URI, octet for octet.
 */
int kms_uri_matches(const char *pattern, size_t len, const char *uri)
{
	size_t n = strlen(uri);
	if (len && pattern[0] == '*')
		return n >= len - 1 && strncasecmp(uri + n - (len - 1), pattern + 1, len - 1) == 0;
	return n == len && memcmp(uri, pattern, len) == 0;
}

static void look_in_our_domains(struct lookup *l, const char *target)
{
	const struct kms_certificate *own = &l->x->kms->domain->cert;
	char pattern[KMS_URI_MAX + 2];
	for (size_t i = 0; i < own->n_domains; i++) {
		snprintf(pattern, sizeof pattern, "*@%s", own->domains[i]);
		if (kms_uri_matches(pattern, strlen(pattern), target)) {
			l->matched = 1;
			add_found(l, own->kms_uri, strlen(own->kms_uri));
			return;
		}
	}
}

/* An entry is "pattern=KMS URI, preferred first, separated by blanks". */
static void look_in_directory(struct lookup *l, const char *target)
{
	const struct config_list *directory = &l->x->kms->config->directory;
	for (size_t i = 0; i < directory->n; i++) {
		const char *entry = directory->item[i], *equals = strrchr(entry, '=');
		if (!equals || !kms_uri_matches(entry, (size_t)(equals - entry), target))
			continue;
		l->matched = 1;
		for (const char *k = equals + 1 + strspn(equals + 1, " "); *k; k += strspn(k, " ")) {
			size_t len = strcspn(k, " ");
			add_found(l, k, len);
			k += len;
		}
	}
}

int kms_directory_agrees(const struct exchange *x, const char *target, const char (*kms)[KMS_URI_MAX], size_t n)
{
	struct lookup *l = calloc(1, sizeof *l);
	if (!l)
		return -1;
	l->x = x;
	for (size_t i = 0; i < n && i < KMS_MAX_CERTS; i++)
		memcpy(l->permitted[l->n_permitted++], kms[i], KMS_URI_MAX);
	look_in_our_domains(l, target);
	look_in_directory(l, target);
	int verdict = l->matched ? l->n > 0 : -1;
	free(l);
	return verdict;
}

void kms_handle_lookup(struct exchange *x)
{
	struct lookup *l = calloc(1, sizeof *l);
	struct kms_response r = {.message = KMS_MSG_LOOKUP, .cache_num = -1};
	enum store_err e = STORE_FULL;
	int64_t num = 0;
	struct kms_db *db = l ? kms_pool_take(x->kms->pool, &e) : NULL;
	if (db) {
		l->x = x;
		memcpy(l->permitted[l->n_permitted++], x->kms->domain->cert.kms_uri, KMS_URI_MAX);
		e = kms_db_ext_each(db, 0, &num, add_permitted, l);
		kms_pool_give(x->kms->pool, db, e);
	}
	if (!db || e) {
		kms_refuse_store(x, e, "external certificates");
	} else if (kms_record_certificates(x, num)) {
		look_in_our_domains(l, x->arg);
		look_in_directory(l, x->arg);
		memcpy(r.lookup_uri, x->arg, sizeof r.lookup_uri);
		r.n_lookup = l->n;
		r.lookup = l->found;
		kms_respond(x, &r, 0);
	}
	free(l);
}

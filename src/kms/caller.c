/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller.c - who asks: an access token of the identity server, the TLS certificate of a server, or an identity that a
 * trusted HTTP proxy asserts (kms.md 4.1, 4.2, 5; identity.md 10.1, 10.2).
 *
 * The credential decides whose keys may be asked for, never the payload: set A is the MC service identities of the
 * token whose service has its key scope granted, or the identities the operator mapped to the certificate's names.
 */
#include <stdio.h>
#include <strings.h>

#include "app/log.h"
#include "kms/exchange.h"
#include "kms/watch.h"
#include "sec/base/check.h"

static const struct {
	const char *scope;
	size_t claim;
} services[] = {
    {SCOPE_PTT_KEYS, offsetof(struct token_claims, mcptt_id)},
    {SCOPE_VIDEO_KEYS, offsetof(struct token_claims, mcvideo_id)},
    {SCOPE_DATA_KEYS, offsetof(struct token_claims, mcdata_id)},
};
enum { SERVICES = sizeof services / sizeof *services };

int kms_caller_owns(const struct kms_caller *c, const char *uri)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->identity[i], uri) == 0)
			return 1;
	return 0;
}

static void add_identity(struct kms_caller *c, const char *uri)
{
	if (uri[0] && c->n < KMS_CALLER_MAX && !kms_caller_owns(c, uri))
		snprintf(c->identity[c->n++], KMS_URI_MAX, "%s", uri);
}

/* ---- token
 * ------------------------------------------------------------------------------------------------------------- */

static int stranger(struct exchange *x, enum bearer_fault fault, const char *detail)
{
	bearer_refuse(&x->kms->bearer, fault, detail, fault == BEARER_SCOPE ? SCOPE_PTT_KEYS : NULL, x->rs);
	log_warn("kms.token-refused", log_int("status", x->rs->status), log_text("why", detail),
		 log_text("peer", x->rq->peer));
	metric_add(&kms_metrics[KMS_M_REFUSED_TOKEN], 1);
	kms_watch_refused(x->kms->watch, fault == BEARER_NO_TOKEN    ? "token_missing"
					 : fault == BEARER_SCOPE     ? "insufficient_scope"
					 : fault == BEARER_OBJECT    ? "identity_not_permitted"
					 : fault == BEARER_BAD_TOKEN ? "token_invalid"
								     : "token_unchecked");
	kms_record_stranger(x, detail);
	return 0;
}

static enum token_verdict check(struct exchange *x, const char *token, size_t len, struct token_claims *claims)
{
	const struct bearer *b = &x->kms->bearer;
	struct token_policy p = {
	    .keys = x->kms->file_keys, .issuer = b->issuer, .audience = b->audience, .now = x->now, .typ = "at+jwt"};
	return p.keys ? token_check(token, len, &p, claims) : jwks_cache_check(x->kms->jwks, token, len, &p, claims);
}

static int by_token(struct exchange *x)
{
	const char *token;
	size_t len;
	struct token_claims claims;
	int found = bearer_token(x->rq, &token, &len);
	if (found)
		return stranger(x, found > 0 ? BEARER_NO_TOKEN : BEARER_BAD_HEADER,
				found > 0 ? "token_missing" : "bad Authorization header");
	enum token_verdict v = check(x, token, len, &claims);
	if (v == TOKEN_UNKNOWN_KEY && x->kms->jwks && !jwks_cache_ready(x->kms->jwks))
		return stranger(x, BEARER_UNAVAILABLE, "the identity server's keys cannot be had");
	if (v)
		return stranger(x, BEARER_BAD_TOKEN, token_verdict_name(v));
	if (kms_watch_is_revoked(x->kms->watch, &claims))
		return stranger(x, BEARER_BAD_TOKEN, "revoked");
	int granted = 0;
	for (size_t i = 0; i < SERVICES; i++)
		if (bearer_has_scope(&x->kms->bearer, &claims, services[i].scope)) {
			granted = 1;
			add_identity(&x->caller, (const char *)&claims + services[i].claim);
		}
	if (MCX_FAULT(kms.scope, !granted))
		return stranger(x, BEARER_SCOPE, "insufficient_scope");
	if (!x->caller.n)
		return stranger(x, BEARER_OBJECT, "no identity of a service with its key scope");
	x->caller.by = "token";
	memcpy(x->caller.name, claims.subject, sizeof x->caller.name);
	memcpy(x->caller.client, claims.client_id, sizeof x->caller.client);
	return 1;
}

/* ---- certificate
 * ------------------------------------------------------------------------------------------------------- */

/* DNS names compare without case, URIs octet for octet. */
static int is_name(const struct http_client_cert *cert, const char *name, size_t len)
{
	for (size_t i = 0; i < cert->n_sans; i++) {
		const char *san = cert->sans[i].name;
		int same = cert->sans[i].is_uri ? strncmp(san, name, len) == 0 : strncasecmp(san, name, len) == 0;
		if (same && !san[len])
			return 1;
	}
	return 0;
}

/* Entries "name in the certificate=value"; the value of each that this certificate carries, or NULL when there is none.
 */
static const char *value_for(const struct http_client_cert *cert, const char *entry)
{
	const char *equals = strchr(entry, '=');
	return equals && is_name(cert, entry, (size_t)(equals - entry)) ? equals + 1 : NULL;
}

static void map_names(const struct config_list *servers, const struct http_client_cert *cert, struct kms_caller *c)
{
	for (size_t i = 0; i < servers->n; i++) {
		const char *uri = value_for(cert, servers->item[i]);
		if (uri)
			add_identity(c, uri);
	}
}

int kms_caller_provisions(const struct exchange *x, const char *uri)
{
	const struct config_list *list = &x->kms->config->provisioners;
	if (strcmp(x->caller.by, "tls") != 0)
		return 0;
	for (size_t i = 0; i < list->n; i++) {
		const char *pattern = value_for(x->rq->cert, list->item[i]);
		if (pattern && kms_uri_matches(pattern, strlen(pattern), uri))
			return 1;
	}
	return 0;
}

/* ---- a proxy that has authenticated the user (TS 33.180 5.3.3; TS 24.109) ---- */

static int is_trusted_proxy(const struct exchange *x)
{
	const struct config_list *proxies = &x->kms->config->proxies;
	const struct http_client_cert *cert = x->rq->cert;
	for (size_t i = 0; cert && cert->present && i < proxies->n; i++)
		if (is_name(cert, proxies->item[i], strlen(proxies->item[i])))
			return 1;
	return 0;
}

/* One URI of the list, quoted or not; what follows it, or NULL. */
static const char *take_asserted(struct kms_caller *c, const char *at)
{
	char uri[KMS_URI_MAX];
	int quoted = *at == '"';
	at += quoted;
	size_t n = strcspn(at, quoted ? "\"" : " \t,");
	const char *end = at + n;
	if (n == 0 || n >= sizeof uri || (quoted && *end != '"') || !memchr(at, ':', n) || c->n == KMS_CALLER_MAX)
		return NULL;
	snprintf(uri, sizeof uri, "%.*s", (int)n, at);
	if (uri[strcspn(uri, " \t,<>\"")])
		return NULL;
	add_identity(c, uri);
	end += quoted;
	end += strspn(end, " \t");
	return *end == ',' ? end + 1 + strspn(end + 1, " \t") : *end ? NULL : end;
}

static int by_proxy(struct exchange *x, const char *list, unsigned headers)
{
	const char *at = list + strspn(list, " \t");
	do
		at = headers == 1 ? take_asserted(&x->caller, at) : NULL;
	while (at && *at);
	if (!at) {
		x->caller.n = 0;
		return stranger(x, BEARER_BAD_HEADER, "bad X-3GPP-Asserted-Identity header");
	}
	x->caller.by = "proxy";
	memcpy(x->caller.name, x->rq->cert->subject, sizeof x->caller.name);
	return 1;
}

/* ---- */

static int by_certificate(struct exchange *x)
{
	const struct http_client_cert *cert = x->rq->cert;
	if (!cert || !cert->present)
		return 0;
	map_names(&x->kms->config->servers, cert, &x->caller);
	if (!x->caller.n)
		return 0;
	x->caller.by = "tls";
	memcpy(x->caller.name, cert->subject, sizeof x->caller.name);
	return 1;
}

/* A token that is sent counts, whatever certificate the connection has; an assertion counts only from a trusted proxy.
 */
int kms_authenticate(struct exchange *x)
{
	unsigned headers = 0;
	if (http_request_header(x->rq, "Authorization", NULL))
		return by_token(x);
	const char *asserted = http_request_header(x->rq, "X-3GPP-Asserted-Identity", &headers);
	if (asserted && is_trusted_proxy(x))
		return by_proxy(x, asserted, headers);
	return by_certificate(x) || by_token(x);
}

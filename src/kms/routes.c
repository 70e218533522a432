/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes.c - the interface of annex D: which request is it, and may it be answered (kms.md 5, 6.4)?
 *
 * Checks in the order of 6.4, each a row of one table: what a stranger may cost us comes first, the operation last.
 * {uri} is one path segment: the encoded path is split at '/', then each segment is decoded once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <libxml/tree.h>

#include "app/log.h"
#include "kms/exchange.h"
#include "kms/protect/protect.h"
#include "kms/watch.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

enum { SEG_OP = 3, SEG_ARG, SEG_NTP, SEG_END }; /* "/keymanagement/identity/v1" are 0 to 2 */

static const struct {
	const char *name;
	unsigned min_args, max_args;
	void (*handle)(struct exchange *x);
} operations[] = {
    [KMS_OP_INIT] = {"init", 0, 0, kms_handle_init},
    [KMS_OP_KEYPROV] = {"keyprov", 0, 2, kms_handle_keyprov},
    [KMS_OP_CERTCACHE] = {"certcache", 0, 1, kms_handle_certcache},
    [KMS_OP_CERT] = {"cert", 1, 1, kms_handle_cert},
    [KMS_OP_LOOKUP] = {"lookup", 1, 1, kms_handle_lookup},
    [KMS_OP_REDIRECT] = {"redirect", 0, 0, kms_handle_redirect},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static int refuse(struct exchange *x, enum kms_refusal what, const char *about)
{
	kms_refuse(x, what, about);
	return 0;
}

/* ---- transport
 * ----------------------------------------------------------------------------------------------------------- */

/* Where the request was sent, for ClientReqUrl: the Host header as far as it is a host, and the path as it came. */
static void own_url(struct exchange *x)
{
	const char *host = http_request_header(x->rq, "Host", NULL), *path = x->rq->path;
	if (!host || !host[0] || strlen(host) > 255 ||
	    host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]_")])
		host = x->kms->config->uri;
	for (const char *c = path; *c; c++)
		if ((uint8_t)*c <= 0x20 || (uint8_t)*c >= 0x7f || strlen(path) >= 2 * 1024 - 270)
			path = KMS_ROOT;
	snprintf(x->url, sizeof x->url, "https://%.255s%s", host, path);
}

static int check_rate(struct exchange *x)
{
	return limit_allows(x->kms->sources, x->rq->peer, x->now) || refuse(x, KMS_R_RATE, "per source");
}

static int check_route(struct exchange *x)
{
	char name[16];
	if (strncmp(x->rq->path, KMS_ROOT "/", sizeof KMS_ROOT) != 0 ||
	    http_path_segment(x->rq->path, SEG_OP, name, sizeof name))
		return refuse(x, KMS_R_UNKNOWN_REQUEST, NULL);
	size_t i = 0;
	while (i < OPERATIONS && strcmp(operations[i].name, name) != 0)
		i++;
	if (i == OPERATIONS)
		return refuse(x, KMS_R_UNKNOWN_REQUEST, NULL);
	x->op = (enum kms_op)i;
	for (const char *c = strchr(x->rq->path + sizeof KMS_ROOT, '/'); c; c = strchr(c + 1, '/'))
		x->n_args++;
	if (x->n_args < operations[i].min_args || x->n_args > operations[i].max_args)
		return refuse(x, KMS_R_UNKNOWN_REQUEST, NULL);
	return strcmp(x->rq->method, "POST") == 0 || refuse(x, KMS_R_METHOD, NULL);
}

/* application/xml or text/xml, in UTF-8 if a charset is named; a request without a body needs none. */
static int check_media(struct exchange *x)
{
	const char *type = http_request_header(x->rq, "Content-Type", NULL);
	if (x->rq->body.len == 0)
		return 1;
	size_t n = type ? strcspn(type, "; \t") : 0;
	int xml = (n == 15 && strncasecmp(type, "application/xml", n) == 0) ||
		  (n == 8 && strncasecmp(type, "text/xml", n) == 0);
	const char *charset = xml ? strcasestr(type + n, "charset=") : NULL;
	if (charset && strncasecmp(charset + 8 + (charset[8] == '"'), "utf-8", 5) != 0)
		xml = 0;
	return MCX_CHECK(size.media, xml) || refuse(x, KMS_R_MEDIA, NULL);
}

static int check_seal(struct exchange *x)
{
	return !issuer_is_sealed(x->kms->issuer) || refuse(x, KMS_R_SEALED, NULL);
}

/* ---- the path's arguments
 * ------------------------------------------------------------------------------------------------ */

static int read_ntp(struct exchange *x)
{
	char text[32];
	uint8_t octets[8];
	size_t n = 0;
	if (http_path_segment(x->rq->path, SEG_NTP, text, sizeof text) || strlen(text) != 16 ||
	    hex_decode(text, 16, octets, sizeof octets, &n))
		return refuse(x, KMS_R_BAD_TIME, NULL);
	struct reader r = rd_init(OCTETS(octets));
	x->ntp = mcsec_ntp_unfold(rd_u64(&r), (uint64_t)x->now + MCSEC_NTP_UNIX);
	return 1;
}

static int check_arguments(struct exchange *x)
{
	if (x->n_args > 0 && (http_path_segment(x->rq->path, SEG_ARG, x->arg, sizeof x->arg) || !x->arg[0] ||
			      !utf8_valid(octets_of(x->arg)))) {
		x->arg[0] = 0;
		return refuse(x, KMS_R_BAD_URI, NULL);
	}
	return x->n_args < 2 || read_ntp(x);
}

/* ---- the body
 * ------------------------------------------------------------------------------------------------------------- */

static int bad_xml(struct exchange *x, enum mcsec_err e, const struct kms_fault *f)
{
	if (e == MCSEC_E_UNSUPPORTED)
		return refuse(x, KMS_R_MEDIA, "not UTF-8");
	log_warn("kms.bad-xml", log_text("element", f->element), log_int("line", f->line),
		 log_text("detail", f->detail));
	return refuse(x, KMS_R_BAD_XML, f->element[0] ? f->element : f->detail);
}

static void note_client_error(const struct exchange *x)
{
	if (!x->request.client_error.code)
		return;
	metric_add(&kms_metrics[KMS_M_CLIENT_ERRORS], 1);
	log_warn("kms.client-error", log_text("user", x->request.user_uri),
		 log_int("code", x->request.client_error.code), log_text("msg", x->request.client_error.msg));
}

/* One document all the way: what the signature was verified over is what is read. */
static int read_body(struct exchange *x, struct _xmlDoc *doc)
{
	struct kms_fault f;
	int is_signed = xmlStrcmp(xmlDocGetRootElement(doc)->name, (const xmlChar *)"SignedKmsRequest") == 0;
	if (!(is_signed ? protect_signature(x, doc) : protect_unsigned(x)))
		return 0;
	enum mcsec_err e = kms_request_of(&x->request, x->kms->config->compat_rel13 ? KMS_REL13 : 0, doc, &f);
	if (e)
		return bad_xml(x, e, &f);
	x->has_body = 1;
	note_client_error(x);
	return 1;
}

static int check_body(struct exchange *x)
{
	struct kms_fault f;
	if (x->rq->body.len == 0)
		return protect_unsigned(x);
	metric_add(&kms_metrics[KMS_M_READ], 1);
	struct _xmlDoc *doc = kms_parse(x->rq->body, KMS_MAX_REQUEST, &f);
	if (!doc)
		return bad_xml(x, f.code, &f);
	int ok = read_body(x, doc);
	kms_parsed_free(doc);
	return ok;
}

static int kms_uri_is_ours(const struct kms_config *c, const char *uri)
{
	if (strcmp(c->uri, uri) == 0)
		return 1;
	for (size_t i = 0; i < c->aliases.n; i++)
		if (strcmp(c->aliases.item[i], uri) == 0)
			return 1;
	return 0;
}

/* Scheme and host without case; the path after one decoding, whole or (leniently) a prefix that ends at a segment. */
static int url_names_us(const struct exchange *x, const char *url)
{
	char theirs[KMS_URL_MAX], ours[KMS_URL_MAX];
	const char *slashes = strstr(x->url, "://"), *path = slashes ? strchr(slashes + 3, '/') : NULL;
	if (!path)
		return 0;
	size_t authority = (size_t)(path - x->url);
	if (strncasecmp(url, x->url, authority) != 0 || (url[authority] != '/' && url[authority]))
		return 0;
	const char *their_path = url + authority;
	if (http_percent_decode(their_path, strlen(their_path), 0, theirs, sizeof theirs) ||
	    http_percent_decode(path, strlen(path), 0, ours, sizeof ours))
		return 0;
	size_t n = strlen(theirs);
	if (strcmp(theirs, ours) == 0)
		return 1;
	return x->kms->config->lenient_url && n >= strlen(KMS_ROOT) && strncmp(theirs, ours, n) == 0 && ours[n] == '/';
}

static int check_time(struct exchange *x)
{
	int64_t off = x->request.time - x->now;
	if (off >= -x->kms->config->time_tolerance && off <= x->kms->config->time_tolerance)
		return 1;
	log_warn("kms.stale-time", log_text("user", x->request.user_uri), log_int("seconds", off));
	return MCX_CHECK(kms.stale, !x->kms->config->enforce_time && !x->request.is_signed) ||
	       refuse(x, KMS_R_STALE_TIME, NULL);
}

static int check_request(struct exchange *x)
{
	if (!x->has_body)
		return 1;
	if (MCX_FAULT(kms.body_owner, !kms_caller_owns(&x->caller, x->request.user_uri)))
		return refuse(x, KMS_R_NOT_PERMITTED, "UserUri");
	if (MCX_FAULT(kms.wrong_kms, !kms_uri_is_ours(x->kms->config, x->request.kms_uri)))
		return refuse(x, KMS_R_WRONG_KMS, NULL);
	if (MCX_FAULT(kms.wrong_url, !url_names_us(x, x->request.client_req_url)))
		return refuse(x, KMS_R_WRONG_URL, NULL);
	return check_time(x);
}

/* ---- all of them
 * ----------------------------------------------------------------------------------------------------------- */

void kms_answer(void *kms, const struct http_request *rq, struct http_response *rs)
{
	static int (*const checks[])(struct exchange * x) = {
	    check_rate, check_route,   check_media,     check_seal,   kms_authenticate,
	    check_body, check_request, check_arguments, protect_keys, protect_can_wrap,
	};
	int64_t began = kms_now_ns();
	struct exchange *x = calloc(1, sizeof *x);
	if (!x) {
		rs->status = 503;
		return;
	}
	x->kms = kms;
	x->rq = rq;
	x->rs = rs;
	x->now = x->kms->now();
	metric_add(&kms_metrics[KMS_M_REQUESTS], 1);
	own_url(x);
	size_t i = 0;
	while (i < sizeof checks / sizeof *checks && checks[i](x))
		i++;
	if (i == sizeof checks / sizeof *checks)
		operations[x->op].handle(x);
	if (x->op == KMS_OP_KEYPROV && rs->status == 200)
		kms_watch_issued(x->kms->watch, kms_now_ns() - began);
	protect_free(x);
	kms_request_free(&x->request);
	free(x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_client.c - admin calls of the tool. The body may hold a password: it is wiped after sending.
 */
#include "tool/domain/admin_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/secret.h"
#include "net/http.h"

struct admin_client {
	const struct domain *d;
	struct http_client *http;
};

struct admin_client *admin_client_new(const struct domain *d, const char *role, char *err, size_t err_size)
{
	char ca[PATH_MAX], cert[PATH_MAX], resolve[1024];
	domain_resolve(d, resolve, sizeof resolve);
	domain_path(d, cert, "ca/%s.pem", role);
	const struct http_client_options o = {.ca_file = domain_path(d, ca, "ca/domain.pem"),
					      .cert_file = cert,
					      .key_file = cert,
					      .resolve = resolve,
					      .max_body = 1 << 20,
					      .timeout_ms = 15000};
	struct admin_client *c = calloc(1, sizeof *c);
	if (c) {
		c->d = d;
		c->http = http_client_new(&o);
	}
	if (!c || !c->http) {
		snprintf(err, err_size, "the certificate %s cannot be used", cert);
		free(c);
		return NULL;
	}
	return c;
}

void admin_client_free(struct admin_client *c)
{
	if (!c)
		return;
	http_client_free(c->http);
	free(c);
}

static void base_url(const struct domain *d, enum admin_at at, char *out, size_t size)
{
	static const char *const hosts[] = {
	    [ADMIN_AT_IDMS] = "idms", [ADMIN_AT_KMS] = "kms", [ADMIN_AT_SERVER] = "sip"};
	const uint16_t ports[] = {
	    [ADMIN_AT_IDMS] = d->idms_admin, [ADMIN_AT_KMS] = d->kms_admin, [ADMIN_AT_SERVER] = d->server_admin};
	snprintf(out, size, "https://%s.%s:%u", hosts[at], d->zone, ports[at]);
}

static void say_error(struct admin_answer *out, const char *method, const char *url, const struct http_answer *a)
{
	const char *detail = json_string_value(json_object_get(out->body, "detail"));
	const char *token = json_string_value(json_object_get(out->body, "error"));
	if (!a->status)
		snprintf(out->error, sizeof out->error, "%.400s does not answer: %.250s", url, a->error);
	else
		snprintf(out->error, sizeof out->error, "%s %.400s: %d %.60s%s%.200s", method, url, a->status,
			 token ? token : "", detail ? ": " : "", detail ? detail : "");
}

int admin_call(struct admin_client *c, enum admin_at at, const char *method, json_t *body, struct admin_answer *out,
	       const char *path, ...)
{
	char url[1400];
	va_list ap;
	memset(out, 0, sizeof *out);
	base_url(c->d, at, url, sizeof url);
	size_t n = strlen(url);
	n += (size_t)snprintf(url + n, sizeof url - n, "/admin/v1/");
	va_start(ap, path);
	vsnprintf(url + n, sizeof url - n, path, ap);
	va_end(ap);

	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct http_call call = {.method = method, .url = url, .accept = "application/json"};
	if (text) {
		call.content_type = "application/json";
		call.body = octets_of(text);
	}
	struct http_answer a;
	http_client_do(c->http, &call, &a);
	out->status = a.status;
	if (a.body_len)
		out->body = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	if (a.status < 200 || a.status > 299)
		say_error(out, method, url, &a);
	http_answer_free(&a);
	if (text)
		mcsec_wipe(text, strlen(text));
	free(text);
	json_decref(body);
	return out->status;
}

void admin_answer_free(struct admin_answer *a)
{
	json_decref(a->body);
	memset(a, 0, sizeof *a);
}

const char *admin_segment(const char *id, char *out)
{
	if (http_percent_encode(id, out, 3 * DOMAIN_TEXT) != MCSEC_OK)
		out[0] = '\0';
	return out;
}

char *admin_page(struct admin_client *c, enum admin_at at, const char *path)
{
	char url[400];
	base_url(c->d, at, url, sizeof url);
	strncat(url, path, sizeof url - strlen(url) - 1);
	struct http_call call = {.method = "GET", .url = url};
	struct http_answer a;
	http_client_do(c->http, &call, &a);
	char *text = a.status == 200 && a.body ? strdup((const char *)a.body) : NULL;
	http_answer_free(&a);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* door.c - see door.h. */
#include "tool/desk/door.h"

#include <stdio.h>
#include <string.h>

#include "tool/domain/domain.h"

int door_open(struct door *at, const struct door_options *o, char *err, size_t err_size)
{
	struct domain domain;
	char ca[PATH_MAX], cert[PATH_MAX], resolve[1024] = "";
	if (o->url) {
		snprintf(at->base, sizeof at->base, "%s", o->url);
	} else {
		if (domain_open(&domain, o->dir, 0, err, err_size))
			return -1;
		domain_resolve(&domain, resolve, sizeof resolve);
		snprintf(at->base, sizeof at->base, "https://kms.%s:%u", domain.zone, domain.kms_admin);
		domain_path(&domain, ca, "ca/domain.pem");
		domain_path(&domain, cert, "ca/officer.pem");
	}
	const char *key = o->cert ? o->cert : cert;
	const struct http_client_options h = {.ca_file = o->ca ? o->ca : ca,
					      .cert_file = key,
					      .key_file = key,
					      .resolve = resolve[0] ? resolve : NULL,
					      .max_body = 16 << 20,
					      .timeout_ms = 30000};
	if (o->url && (!o->ca || !o->cert)) {
		snprintf(err, err_size, "--url needs --ca and --cert");
		return -1;
	}
	at->http = http_client_new(&h);
	if (!at->http)
		snprintf(err, err_size, "the certificate %.500s cannot be used", key);
	return at->http ? 0 : -1;
}

void door_close(struct door *at)
{
	http_client_free(at->http);
	at->http = NULL;
}

json_t *door_call(struct door *at, const struct door_call *call, int *status)
{
	char url[2400];
	struct http_answer a;
	snprintf(url, sizeof url, "%s/admin/v1/%s", at->base, call->what);
	http_client_do(at->http,
		       &(struct http_call){.method = call->method,
					   .url = url,
					   .content_type = !call->body.len ? NULL
							   : call->type    ? call->type
									   : "application/json",
					   .body = call->body},
		       &a);
	json_t *j = a.body_len ? json_loadb((const char *)a.body, a.body_len, 0, NULL) : NULL;
	*status = a.status;
	http_answer_free(&a);
	return j;
}

const char *door_text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

int door_verdict(const struct tool_command *c, const json_t *j, int status)
{
	if (!status)
		return tool_fail(c, TOOL_UNREACHABLE, "is mcx-kms running?", "the admin listener does not answer");
	if (status < 200 || status > 299)
		return tool_fail(c, TOOL_REFUSED, NULL, "%d %s: %s", status, door_text(j, "error"),
				 door_text(j, "detail"));
	return TOOL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c - roles, errors and health pages of the admin listeners. The TLS layer has verified the certificate against
 * the domain's admin CA before cert->present is set; here only its OU counts.
 */
#include "app/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned role;
} roles_by_name[] = {
    {"officer", ADMIN_OFFICER}, {"user-admin", ADMIN_USER_ADMIN},           {"auditor", ADMIN_AUDITOR},
    {"backup", ADMIN_BACKUP},   {"resource-server", ADMIN_RESOURCE_SERVER},
};

unsigned admin_role_of(const struct http_client_cert *cert)
{
	if (!cert || !cert->present)
		return 0;
	for (size_t i = 0; i < sizeof roles_by_name / sizeof *roles_by_name; i++)
		if (strcmp(cert->org_unit, roles_by_name[i].name) == 0)
			return roles_by_name[i].role;
	return 0;
}

/* Tokens and details are ours and plain; what could break the JSON is dropped rather than escaped. */
static void append_plain(char *out, size_t size, const char *text)
{
	size_t at = strlen(out);
	for (; *text && at + 1 < size; text++)
		if (*text != '"' && *text != '\\' && (unsigned char)*text >= 0x20)
			out[at++] = *text;
	out[at] = '\0';
}

void admin_error(struct http_response *rs, int status, const char *token, const char *detail)
{
	char body[600] = "{\"error\":\"";
	append_plain(body, 100, token);
	strcat(body, "\",\"detail\":\"");
	append_plain(body, sizeof body - 4, detail);
	strcat(body, "\"}\n");
	http_response_text(rs, status, "application/json", body);
}

int admin_allow(const struct http_request *rq, unsigned roles, struct http_response *rs)
{
	unsigned role = admin_role_of(rq->cert);
	if (role & roles)
		return 1;
	if (!rq->cert || !rq->cert->present)
		admin_error(rs, 403, "no-certificate", "an admin certificate of this domain is needed");
	else
		admin_error(rs, 403, "role", "the role of this certificate does not allow this call");
	return 0;
}

static int answer_metrics(const struct admin_health *h, struct http_response *rs)
{
	char *text = metrics_render(h->metrics, h->n_metrics, h->more, h->n_more);
	if (!text)
		admin_error(rs, 503, "memory", "no memory");
	else
		http_response_take(rs, 200, "text/plain; version=0.0.4", (uint8_t *)text, strlen(text));
	return 1;
}

int admin_health(const struct admin_health *h, const struct http_request *rq, struct http_response *rs)
{
	int alive = strcmp(rq->path, "/healthz") == 0, ready = strcmp(rq->path, "/readyz") == 0;
	if (!alive && !ready && strcmp(rq->path, "/metrics") != 0)
		return 0;
	if (!admin_allow(rq, ADMIN_ANY, rs))
		return 1;
	if (strcmp(rq->method, "GET") != 0) {
		admin_error(rs, 405, "method", "only GET is answered here");
		http_response_header(rs, "Allow", "GET");
		return 1;
	}
	if (!alive && !ready)
		return answer_metrics(h, rs);
	const char *why = ready && h->not_ready ? h->not_ready(h->ctx) : NULL;
	if (why)
		admin_error(rs, 503, why, "not ready to serve");
	else
		http_response_text(rs, 200, "application/json", "{\"ok\":true}\n");
	return 1;
}

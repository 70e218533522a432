/* SPDX-License-Identifier: Apache-2.0 */
/* third_party.c - see third_party.h. One level: a message/sip inside the client's own message is refused, not read. */
#include "server/third_party.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcx/doc/multipart.h"
#include "sec/base/check.h"

/* A body's parts; scratch is malloc'ed and outlives them. 0, or -1. */
static int read_parts(const struct sip_message *m, struct multipart *parts, uint8_t **scratch)
{
	*scratch = malloc(m->body.len + 1);
	return *scratch && multipart_read(m->content_type, m->body, *scratch, m->body.len + 1, parts, NULL) == MCSEC_OK
		   ? 0
		   : -1;
}

static int nested(const struct sip_message *client)
{
	struct multipart *parts = malloc(sizeof *parts);
	uint8_t *scratch = NULL;
	size_t n = 0;
	/* One that does not read is the client's fault: it is found broken as a REGISTER of its own would be. */
	if (parts && client->content_type && client->body.len && read_parts(client, parts, &scratch) == 0)
		(void)multipart_find(parts, TYPE_SIP, &n);
	free(scratch);
	free(parts);
	return n > 0;
}

/* Expires may differ: the core grants, and a client that leaves says 0 of its own contact alone. */
static const char *disagreement(const struct sip_message *outer, const struct sip_message *client)
{
	if (MCX_FAULT(core.method, strcmp(client->method, "REGISTER") != 0))
		return "the message/sip is no REGISTER";
	if (MCX_FAULT(core.to, !sip_uri_equal(client->to, outer->to)))
		return "the message/sip registers another identity than the core says";
	if (MCX_FAULT(core.nested, nested(client)))
		return "a message/sip within the message/sip";
	return NULL;
}

/* The one request among the message/sip parts. NULL is success. */
static const char *take_request(const struct multipart *parts, struct third_party *out)
{
	for (size_t i = 0; i < parts->n; i++) {
		if (strcmp(parts->parts[i].type, TYPE_SIP) != 0)
			continue;
		struct sip_inner *inner = sip_inner_read(parts->parts[i].body);
		int request = inner && sip_inner_message(inner)->status == 0;
		if (request && !out->inner) {
			out->inner = inner;
			continue;
		}
		sip_inner_free(inner);
		if (!inner)
			return "the message/sip does not read";
		if (request)
			return "more than one request as message/sip";
	}
	return NULL;
}

void third_party_read(const struct sip_message *outer, struct third_party *out)
{
	struct multipart *parts = malloc(sizeof *parts);
	uint8_t *scratch = NULL;
	*out = (struct third_party){.kind = THIRD_PARTY_ALONE, .why = ""};
	const char *why = NULL;
	if (!parts)
		why = "no memory";
	else if (outer->content_type && outer->body.len)
		why = read_parts(outer, parts, &scratch) ? "the body does not read" : take_request(parts, out);
	free(scratch);
	free(parts);
	if (!why && out->inner)
		why = disagreement(outer, sip_inner_message(out->inner));
	if (why) {
		third_party_free(out);
		*out = (struct third_party){.kind = THIRD_PARTY_BROKEN, .why = why};
	} else if (out->inner) {
		out->kind = THIRD_PARTY_CLIENT;
		out->client = sip_inner_message(out->inner);
	}
}

void third_party_free(struct third_party *t)
{
	sip_inner_free(t->inner);
	t->inner = NULL;
	t->client = NULL;
}

static const char gr[] = ";gr=";

enum mcsec_err third_party_contact(const char *impu, const struct sip_contact *c, char *out, size_t size)
{
	char instance[128];
	int n = sip_instance(c->params, instance, sizeof instance) == MCSEC_OK
		    ? snprintf(out, size, "%s%s%s", impu, gr, instance)
		    : snprintf(out, size, "%s", c->uri);
	return n > 0 && (size_t)n < size ? MCSEC_OK : MCSEC_E_NO_SPACE;
}

const char *third_party_target(const char *impu, const char *contact)
{
	size_t n = strlen(impu);
	return strncmp(contact, impu, n) == 0 && strncmp(contact + n, gr, sizeof gr - 1) == 0 ? contact : impu;
}

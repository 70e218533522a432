/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door.h - the admin listener of one KMS, of a domain of `mcx up` or of any other host, and calls through it with the
 * certificate of one officer or auditor (admin.md).
 */
#ifndef MCX_TOOL_DOOR_H
#define MCX_TOOL_DOOR_H

#include <jansson.h>

#include "net/http.h"
#include "tool/tool.h"

struct door_options {
	const char *dir;             /* of a domain, unless url is given */
	const char *url, *ca, *cert; /* cert alone: another person than the domain's one officer */
};

struct door {
	struct http_client *http;
	char base[1024];
};

/* 0, or -1 and a sentence in err. door_close ends it. */
int door_open(struct door *at, const struct door_options *o, char *err, size_t err_size);
void door_close(struct door *at);

struct door_call {
	const char *method, *what; /* what follows /admin/v1/ */
	const char *type;          /* NULL: application/json */
	struct octets body;
};

/* The answer as JSON (NULL: none); *status 0 when nobody answers. */
json_t *door_call(struct door *at, const struct door_call *call, int *status);
/* Explains an answer that is no success; TOOL_OK if it is one. */
int door_verdict(const struct tool_command *c, const json_t *j, int status);
/* A member, "" without. */
const char *door_text(const json_t *j, const char *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.h - scopes as a table, and the grant rule (TS 33.180 B.4.2.2; identity.md 5). Pure.
 *
 * granted = requested and in the catalogue and the user's and the client's. What is unknown or not the user's is
 * dropped, and the answer says what was granted (RFC 6749 3.3).
 */
#ifndef MCX_IDMS_SCOPE_H
#define MCX_IDMS_SCOPE_H

#include <jansson.h>
#include <stddef.h>

enum service { SERVICE_PTT, SERVICE_VIDEO, SERVICE_DATA, SERVICES, SERVICE_ANY = SERVICES };

enum { SCOPE_MAX_TEXT = 1024, SCOPE_MAX_REQUEST = 4096, SCOPE_MAX_ENTRIES = 64, SCOPE_NAME = 96 };

struct scope_entry {
	char name[SCOPE_NAME];
	enum service service; /* SERVICE_ANY: for the user of any service */
};

struct scope_catalogue {
	size_t n;
	struct scope_entry entry[SCOPE_MAX_ENTRIES];
};

/* Rel-13 to Rel-18 names. */
void scope_catalogue_default(struct scope_catalogue *c);
/* Add "name ptt|video|data|any". 0, or -1 if it is none or the table is full. */
int scope_catalogue_add(struct scope_catalogue *c, const char *line);

/* 1 if the text is scope tokens of RFC 6749 3.3 with single blanks between them. */
int scope_well_formed(const char *scope);
int scope_holds(const char *scope, const char *name);

struct scope_limits {
	int service[SERVICES]; /* the user is provisioned for it */
	const char *user;      /* space-separated; "" sets no further limit */
	const char *client;    /* the same */
};

/*
 * Writes what of `requested` is granted, in its order; a Rel-13 name brings its Rel-14 counterpart with it. out has
 * SCOPE_MAX_TEXT octets. Returns how many besides openid.
 */
size_t scope_grant(const struct scope_catalogue *c, const char *requested, const struct scope_limits *l, char *out);
/* 1 if `granted` holds a scope of this service: its MC service ID belongs into the tokens. */
int scope_of_service(const struct scope_catalogue *c, const char *granted, enum service s);
/* 1 if every token of `narrow` stands in `wide`. */
int scope_within(const char *narrow, const char *wide);
/* Text separated by blanks as a JSON list. */
json_t *scope_words(const char *text);
/* "ptt", "video", "data" */
const char *service_name(enum service s);
/* "mcptt_id", ... */
const char *service_claim(enum service s);

#endif

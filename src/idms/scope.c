/* SPDX-License-Identifier: Apache-2.0 */
/* scope.c - see scope.h. */
#include "idms/scope.h"

#include <stdio.h>
#include <string.h>

static const struct scope_entry known[] = {
    {"3gpp:mc:ptt_service", SERVICE_PTT},
    {"3gpp:mc:video_service", SERVICE_VIDEO},
    {"3gpp:mc:data_service", SERVICE_DATA},
    {"3gpp:mc:ptt_key_management_service", SERVICE_PTT},
    {"3gpp:mc:video_key_management_service", SERVICE_VIDEO},
    {"3gpp:mc:data_key_management_service", SERVICE_DATA},
    {"3gpp:mc:ptt_config_management_service", SERVICE_PTT},
    {"3gpp:mc:video_config_management_service", SERVICE_VIDEO},
    {"3gpp:mc:data_config_management_service", SERVICE_DATA},
    {"3gpp:mc:ptt_group_management_service", SERVICE_PTT},
    {"3gpp:mc:video_group_management_service", SERVICE_VIDEO},
    {"3gpp:mc:data_group_management_service", SERVICE_DATA},
    {"3gpp:mc:location_management_service", SERVICE_ANY},
    {"3gpp:mcptt:ptt_server", SERVICE_PTT},
    {"3gpp:mcptt:key_management_server", SERVICE_PTT},
    {"3gpp:mcptt:config_management_server", SERVICE_PTT},
    {"3gpp:mcptt:group_management_server", SERVICE_PTT},
};

/* Rel-13 names stand for their PTT counterpart and nothing else: least privilege. */
static const struct {
	const char *rel13, *name;
} counterparts[] = {
    {"3gpp:mcptt:ptt_server", "3gpp:mc:ptt_service"},
    {"3gpp:mcptt:key_management_server", "3gpp:mc:ptt_key_management_service"},
    {"3gpp:mcptt:config_management_server", "3gpp:mc:ptt_config_management_service"},
    {"3gpp:mcptt:group_management_server", "3gpp:mc:ptt_group_management_service"},
};

static const struct {
	const char *name, *claim;
} services[] = {{"ptt", "mcptt_id"}, {"video", "mcvideo_id"}, {"data", "mcdata_id"}, {"any", ""}};

const char *service_name(enum service s)
{
	return services[s].name;
}

const char *service_claim(enum service s)
{
	return services[s].claim;
}

void scope_catalogue_default(struct scope_catalogue *c)
{
	_Static_assert(sizeof known / sizeof *known <= SCOPE_MAX_ENTRIES, "the default table fits");
	c->n = sizeof known / sizeof *known;
	memcpy(c->entry, known, sizeof known);
}

int scope_catalogue_add(struct scope_catalogue *c, const char *line)
{
	size_t n = strcspn(line, " ");
	struct scope_entry *e = &c->entry[c->n];
	if (c->n == SCOPE_MAX_ENTRIES || n == 0 || n >= sizeof e->name || line[n] != ' ')
		return -1;
	for (int s = 0; s <= SERVICE_ANY; s++)
		if (strcmp(line + n + 1, services[s].name) == 0) {
			memcpy(e->name, line, n);
			e->name[n] = 0;
			e->service = (enum service)s;
			if (!scope_well_formed(e->name))
				return -1;
			c->n++;
			return 0;
		}
	return -1;
}

int scope_well_formed(const char *scope)
{
	int blank = 1;
	for (; *scope; scope++) {
		unsigned char c = (unsigned char)*scope;
		if (c == ' ' ? blank : c < 0x21 || c > 0x7e || c == '"' || c == '\\')
			return 0;
		blank = c == ' ';
	}
	return !blank;
}

/* The next token of a space-separated text; NULL at its end. */
static const char *next_token(const char **at, size_t *len)
{
	const char *start = *at + strspn(*at, " ");
	*len = strcspn(start, " ");
	*at = start + *len;
	return *len ? start : NULL;
}

json_t *scope_words(const char *text)
{
	json_t *list = json_array();
	size_t len;
	for (const char *t; (t = next_token(&text, &len));)
		json_array_append_new(list, json_stringn(t, len));
	return list;
}

static int holds(const char *scope, const char *name, size_t name_len)
{
	size_t len;
	for (const char *t; (t = next_token(&scope, &len));)
		if (len == name_len && memcmp(t, name, len) == 0)
			return 1;
	return 0;
}

int scope_holds(const char *scope, const char *name)
{
	return holds(scope, name, strlen(name));
}

int scope_within(const char *narrow, const char *wide)
{
	size_t len;
	for (const char *t; (t = next_token(&narrow, &len));)
		if (!holds(wide, t, len))
			return 0;
	return 1;
}

static const struct scope_entry *find(const struct scope_catalogue *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->n; i++)
		if (strlen(c->entry[i].name) == len && memcmp(c->entry[i].name, name, len) == 0)
			return &c->entry[i];
	return NULL;
}

static int provisioned(const struct scope_limits *l, enum service s)
{
	if (s != SERVICE_ANY)
		return l->service[s];
	for (int i = 0; i < SERVICES; i++)
		if (l->service[i])
			return 1;
	return 0;
}

static int append(char *out, const char *name, size_t len)
{
	size_t at = strlen(out);
	if (holds(out, name, len) || at + len + 2 > SCOPE_MAX_TEXT)
		return 0;
	if (at)
		out[at++] = ' ';
	memcpy(out + at, name, len);
	out[at + len] = 0;
	return 1;
}

static int grant_one(const struct scope_catalogue *c, const char *name, size_t len, const struct scope_limits *l,
		     char *out)
{
	const struct scope_entry *e = find(c, name, len);
	if (!e || !provisioned(l, e->service) || (l->user[0] && !holds(l->user, name, len)) ||
	    (l->client[0] && !holds(l->client, name, len)))
		return 0;
	return append(out, name, len);
}

size_t scope_grant(const struct scope_catalogue *c, const char *requested, const struct scope_limits *l, char *out)
{
	size_t len, granted = 0;
	out[0] = 0;
	for (const char *t; (t = next_token(&requested, &len));) {
		if (len == 6 && memcmp(t, "openid", 6) == 0) {
			append(out, t, len);
			continue;
		}
		granted += (size_t)grant_one(c, t, len, l, out);
		for (size_t i = 0; i < sizeof counterparts / sizeof *counterparts; i++)
			if (holds(counterparts[i].rel13, t, len))
				granted +=
				    (size_t)grant_one(c, counterparts[i].name, strlen(counterparts[i].name), l, out);
	}
	return granted;
}

int scope_of_service(const struct scope_catalogue *c, const char *granted, enum service s)
{
	size_t len;
	for (const char *t; (t = next_token(&granted, &len));) {
		const struct scope_entry *e = find(c, t, len);
		if (e && e->service == s)
			return 1;
	}
	return 0;
}

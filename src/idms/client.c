/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - client records as JSON, in the admin interface and in the database alike; one reader for both, so that
 * nothing is ever loaded that could not have been registered.
 */
#include "idms/client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const auth_names[] = {"none", "client_secret_basic", "client_secret_post", "tls_client_auth"};
static const char *const type_names[] = {"native", "resource_server"};
static const char *const alg_names[] = {"ES256", "RS256"};

/* Fields that are flags, with their defaults. */
static const struct {
	const char *name;
	size_t at;
	int def;
} flags[] = {
    {"require_state", offsetof(struct client, require_state), 1},
    {"require_acr_values", offsetof(struct client, require_acr_values), 1},
    {"require_nonce", offsetof(struct client, require_nonce), 0},
    {"require_pkce", offsetof(struct client, require_pkce), 1},
    {"allow_no_openid", offsetof(struct client, allow_no_openid), 0},
    {"headless_login", offsetof(struct client, headless_login), 0},
    {"shared_device", offsetof(struct client, shared_device), 0},
    {"legacy_basic", offsetof(struct client, legacy_basic), 0},
    {"enabled", offsetof(struct client, enabled), 1},
};

static const struct {
	const char *name;
	size_t at, size;
} texts[] = {
    {"name", offsetof(struct client, name), sizeof(((struct client *)0)->name)},
    {"tls_name", offsetof(struct client, tls_name), sizeof(((struct client *)0)->tls_name)},
    {"audience", offsetof(struct client, audience), sizeof(((struct client *)0)->audience)},
};

static const struct {
	const char *name;
	size_t at;
	int64_t min, max;
} times[] = {
    {"access_ttl", offsetof(struct client, access_ttl), 60, 14400},
    {"refresh_abs_ttl", offsetof(struct client, refresh_abs_ttl), 3600, 90 * 86400},
    {"refresh_idle_ttl", offsetof(struct client, refresh_idle_ttl), 3600, 90 * 86400},
};

static const char *const other_names[] = {"type",           "token_endpoint_auth_method",
					  "redirect_uris",  "grant_types",
					  "scopes_allowed", "id_token_alg",
					  "client_id",      "has_secret"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int known_name(const char *name)
{
	for (size_t i = 0; i < COUNT(flags); i++)
		if (strcmp(flags[i].name, name) == 0)
			return 1;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (strcmp(texts[i].name, name) == 0)
			return 1;
	for (size_t i = 0; i < COUNT(times); i++)
		if (strcmp(times[i].name, name) == 0)
			return 1;
	for (size_t i = 0; i < COUNT(other_names); i++)
		if (strcmp(other_names[i], name) == 0)
			return 1;
	return 0;
}

/* The index of a text value in names; `def` if absent, -1 if it is none of them. */
static int choice(const json_t *j, const char *name, const char *const *names, int n, int def)
{
	const json_t *v = json_object_get(j, name);
	if (!v)
		return def;
	for (int i = 0; i < n; i++)
		if (json_is_string(v) && strcmp(json_string_value(v), names[i]) == 0)
			return i;
	return -1;
}

static const char *parse_simple(struct client *c, const json_t *j)
{
	char *base = (char *)c;
	for (size_t i = 0; i < COUNT(flags); i++) {
		const json_t *v = json_object_get(j, flags[i].name);
		if (v && !json_is_boolean(v))
			return flags[i].name;
		*(int *)(void *)(base + flags[i].at) = v ? json_is_true(v) : flags[i].def;
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		const json_t *v = json_object_get(j, texts[i].name);
		if (v && (!json_is_string(v) || json_string_length(v) >= texts[i].size))
			return texts[i].name;
		strcpy(base + texts[i].at, v ? json_string_value(v) : "");
	}
	for (size_t i = 0; i < COUNT(times); i++) {
		const json_t *v = json_object_get(j, times[i].name);
		int64_t n = json_integer_value(v);
		if (v && (!json_is_integer(v) || n < times[i].min || n > times[i].max))
			return times[i].name;
		*(int64_t *)(void *)(base + times[i].at) = v ? n : 0;
	}
	return NULL;
}

static int parse_redirects(struct client *c, const json_t *list, char *why, size_t why_size)
{
	const json_t *v;
	size_t i;
	if (list && (!json_is_array(list) || json_array_size(list) > CLIENT_REDIRECTS)) {
		snprintf(why, why_size, "redirect_uris is a list of at most %d", CLIENT_REDIRECTS);
		return -1;
	}
	json_array_foreach(list, i, v)
	{
		const char *refusal = json_is_string(v) ? redirect_refusal(json_string_value(v), c->headless_login)
							: "a redirect URI is text";
		if (refusal) {
			snprintf(why, why_size, "redirect_uris: %s", refusal);
			return -1;
		}
		strcpy(c->redirects[c->n_redirects++], json_string_value(v));
	}
	return 0;
}

static int parse_grants(struct client *c, const json_t *list)
{
	const json_t *v;
	size_t i;
	c->code_grant = c->refresh_grant = !list && c->type == CLIENT_NATIVE;
	json_array_foreach(list, i, v)
	{
		const char *name = json_is_string(v) ? json_string_value(v) : "";
		if (strcmp(name, "authorization_code") == 0)
			c->code_grant = 1;
		else if (strcmp(name, "refresh_token") == 0)
			c->refresh_grant = 1;
		else
			return -1; /* password, implicit, client_credentials never (RFC 9700 2.4) */
	}
	return 0;
}

static int parse_scopes(struct client *c, const json_t *list)
{
	const json_t *v;
	size_t i;
	json_array_foreach(list, i, v)
	{
		const char *name = json_is_string(v) ? json_string_value(v) : "";
		if (!scope_well_formed(name) || strchr(name, ' ') ||
		    strlen(c->scopes) + strlen(name) + 2 > sizeof c->scopes)
			return -1;
		if (c->scopes[0])
			strcat(c->scopes, " ");
		strcat(c->scopes, name);
	}
	return list && !json_is_array(list) ? -1 : 0;
}

static int id_ok(const char *id)
{
	size_t n = strlen(id);
	for (const char *c = id; *c; c++)
		if ((unsigned char)*c < 0x21 || (unsigned char)*c > 0x7e)
			return 0;
	return n > 0 && n < CLIENT_ID_MAX;
}

static int parse_object(struct client *c, const json_t *j, char *why, size_t why_size)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)j, key, v) if (!known_name(key))
	{
		snprintf(why, why_size, "unknown member %.40s", key);
		return -1;
	}
	const char *bad = parse_simple(c, j);
	int type = choice(j, "type", type_names, 2, CLIENT_NATIVE);
	int auth = choice(j, "token_endpoint_auth_method", auth_names, 4, CLIENT_AUTH_NONE);
	int alg = choice(j, "id_token_alg", alg_names, 2, TOKEN_RS256);
	bad = bad ? bad : type < 0 ? "type" : auth < 0 ? "token_endpoint_auth_method" : alg < 0 ? "id_token_alg" : NULL;
	c->type = (enum client_type)type;
	c->auth = (enum client_auth)auth;
	c->id_token_alg = (enum token_alg)alg;
	if (!bad && parse_grants(c, json_object_get(j, "grant_types")))
		bad = "grant_types";
	if (!bad && parse_scopes(c, json_object_get(j, "scopes_allowed")))
		bad = "scopes_allowed";
	if (!bad && c->auth == CLIENT_AUTH_TLS && !c->tls_name[0])
		bad = "tls_name";
	if (!bad && c->type == CLIENT_RESOURCE_SERVER && c->auth == CLIENT_AUTH_NONE)
		bad = "token_endpoint_auth_method (a resource server has to prove who it is)";
	if (!bad && !c->require_pkce && c->auth == CLIENT_AUTH_NONE)
		bad = "require_pkce (a public client has nothing else)";
	if (bad) {
		snprintf(why, why_size, "wrong value: %s", bad);
		return -1;
	}
	return parse_redirects(c, json_object_get(j, "redirect_uris"), why, why_size);
}

int client_parse(struct client *c, const char *id, struct octets text, char *why, size_t why_size)
{
	*c = (struct client){0};
	json_t *j = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(j) || !id_ok(id)) {
		snprintf(why, why_size,
			 id_ok(id) ? "the body is no JSON object" : "a client_id has 1 to 128 visible characters");
		json_decref(j);
		return -1;
	}
	strcpy(c->id, id);
	int rc = parse_object(c, j, why, why_size);
	json_decref(j);
	return rc;
}

char *client_json(const struct client *c)
{
	json_t *j = json_object(), *uris = json_array(), *grants = json_array();
	const char *base = (const char *)c;
	json_object_set_new(j, "client_id", json_string(c->id));
	json_object_set_new(j, "type", json_string(type_names[c->type]));
	json_object_set_new(j, "token_endpoint_auth_method", json_string(auth_names[c->auth]));
	for (size_t i = 0; i < c->n_redirects; i++)
		json_array_append_new(uris, json_string(c->redirects[i]));
	json_object_set_new(j, "redirect_uris", uris);
	if (c->code_grant)
		json_array_append_new(grants, json_string("authorization_code"));
	if (c->refresh_grant)
		json_array_append_new(grants, json_string("refresh_token"));
	json_object_set_new(j, "grant_types", grants);
	json_object_set_new(j, "scopes_allowed", scope_words(c->scopes));
	json_object_set_new(j, "id_token_alg", json_string(alg_names[c->id_token_alg]));
	for (size_t i = 0; i < COUNT(flags); i++)
		json_object_set_new(j, flags[i].name, json_boolean(*(const int *)(const void *)(base + flags[i].at)));
	for (size_t i = 0; i < COUNT(texts); i++)
		if (base[texts[i].at])
			json_object_set_new(j, texts[i].name, json_string(base + texts[i].at));
	for (size_t i = 0; i < COUNT(times); i++) {
		int64_t v = *(const int64_t *)(const void *)(base + times[i].at);
		if (v)
			json_object_set_new(j, times[i].name, json_integer(v));
	}
	json_object_set_new(j, "has_secret", json_boolean(c->has_secret));
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

enum store_err client_load(struct idms *s, const char *id, struct client *c)
{
	char why[128];
	struct store_stmt *st = store_sql(s->store, "SELECT record, secret FROM client WHERE client_id = ?");
	store_bind_text(st, 1, id);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		if (client_parse(c, id, octets_of(store_text(st, 0)), why, sizeof why))
			e = STORE_BROKEN;
		struct octets secret = store_blob(st, 1);
		c->has_secret = secret.len == HASH_LEN;
		if (c->has_secret)
			memcpy(c->secret, secret.p, HASH_LEN);
	}
	store_reset(st);
	return e;
}

enum store_err client_store(struct idms *s, const struct client *c)
{
	char *record = client_json(c);
	if (!record)
		return STORE_FULL;
	struct store_stmt *st = store_sql(s->store, "INSERT INTO client (client_id, record, secret, created, changed)"
						    " VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (client_id) DO UPDATE SET"
						    " record = excluded.record, secret = excluded.secret,"
						    " changed = excluded.changed");
	store_bind_text(st, 1, c->id);
	store_bind_text(st, 2, record);
	if (c->has_secret)
		store_bind_blob(st, 3, OCTETS(c->secret));
	else
		store_bind_null(st, 3);
	store_bind_int(st, 4, idms_now(s));
	enum store_err e = store_step(st);
	store_reset(st);
	free(record);
	return e;
}

int client_redirects_to(const struct client *c, const char *uri)
{
	for (size_t i = 0; i < c->n_redirects; i++)
		if (redirect_matches(c->redirects[i], uri))
			return 1;
	return 0;
}

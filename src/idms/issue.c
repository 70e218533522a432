/* SPDX-License-Identifier: Apache-2.0 */
/* issue.c - see issue.h. */
#include "idms/issue.h"

#include <jansson.h>
#include <stdlib.h>

#include "idms/signing.h"
#include "mcsec/secret.h"

int64_t issue_access_ttl(const struct idms *s, const struct client *c)
{
	return c->access_ttl ? c->access_ttl : s->cfg.access_ttl;
}

static void set_text(json_t *j, const char *name, const char *value)
{
	json_object_set_new(j, name, json_string(value));
}

static void set_int(json_t *j, const char *name, int64_t value)
{
	json_object_set_new(j, name, json_integer(value));
}

/* An MC service ID goes in only if the user has it and a scope of its service was granted. */
static void set_service_ids(const struct idms *s, json_t *j, const struct user *u, const char *scope)
{
	for (int i = 0; i < SERVICES; i++)
		if (u->service_id[i][0] && scope_of_service(&s->scopes, scope, (enum service)i))
			set_text(j, service_claim((enum service)i), u->service_id[i]);
}

static void set_authentication(json_t *j, const struct grant *g)
{
	set_int(j, "auth_time", g->auth_time);
	set_text(j, "acr", g->acr);
	json_object_set_new(j, "amr", json_pack("[s]", "pwd"));
	set_text(j, "sid", g->sid);
}

static char *sign(struct idms *s, enum token_alg alg, const char *typ, json_t *claims)
{
	char *text = json_dumps(claims, JSON_COMPACT);
	char *token = text ? signing_sign(s->signing, alg, typ, text) : NULL;
	json_decref(claims);
	free(text);
	return token;
}

static char *access_token(struct idms *s, const struct issue *i)
{
	json_t *j = json_object();
	set_text(j, "iss", s->cfg.issuer);
	set_text(j, "sub", i->user->sub);
	json_object_set_new(j, "aud", json_pack("[s]", s->cfg.audience));
	set_text(j, "client_id", i->client->id);
	set_int(j, "iat", i->now);
	set_int(j, "nbf", i->now);
	set_int(j, "exp", i->now + issue_access_ttl(s, i->client));
	set_text(j, "jti", i->jti);
	set_text(j, "scope", i->scope);
	set_service_ids(s, j, i->user, i->scope);
	set_authentication(j, i->grant);
	return sign(s, TOKEN_ES256, "at+jwt", j);
}

static char *id_token(struct idms *s, const struct issue *i, const char *access)
{
	json_t *j = json_object();
	char at_hash[TOKEN_AT_HASH];
	token_at_hash(access, at_hash);
	set_text(j, "iss", s->cfg.issuer);
	set_text(j, "sub", i->user->sub);
	set_text(j, "aud", i->client->id);
	set_int(j, "iat", i->now);
	set_int(j, "exp", i->now + s->cfg.id_ttl);
	if (i->nonce[0])
		set_text(j, "nonce", i->nonce);
	set_text(j, "at_hash", at_hash);
	set_service_ids(s, j, i->user, i->scope);
	set_authentication(j, i->grant);
	return sign(s, i->client->id_token_alg, "JWT", j);
}

static void wipe_and_free(char *text)
{
	if (text)
		mcsec_wipe(text, strlen(text));
	free(text);
}

char *issue_response(struct idms *s, const struct issue *i)
{
	int wants_id = scope_holds(i->scope, "openid");
	char *access = access_token(s, i), *id = access && wants_id ? id_token(s, i, access) : NULL, *body = NULL;
	if (access && (id || !wants_id)) {
		json_t *j = json_object();
		set_text(j, "access_token", access);
		set_text(j, "token_type", "Bearer");
		set_int(j, "expires_in", issue_access_ttl(s, i->client));
		set_text(j, "scope", i->scope);
		if (id)
			set_text(j, "id_token", id);
		if (i->refresh_token)
			set_text(j, "refresh_token", i->refresh_token);
		body = json_dumps(j, JSON_COMPACT);
		json_decref(j);
	}
	wipe_and_free(access);
	wipe_and_free(id);
	return body;
}

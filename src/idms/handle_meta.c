/* SPDX-License-Identifier: Apache-2.0 */
/* handle_meta.c - discovery (OpenID Connect Discovery 3, RFC 8414 2) and the key set; identity.md 12, 4.5. */
#include <jansson.h>
#include <stdlib.h>

#include "idms/routes.h"
#include "idms/signing.h"

static const struct {
	const char *name, *path;
} endpoints[] = {
    {"authorization_endpoint", "/authorize"},  {"token_endpoint", "/token"},
    {"userinfo_endpoint", "/userinfo"},        {"jwks_uri", "/jwks"},
    {"introspection_endpoint", "/introspect"}, {"revocation_endpoint", "/revoke"},
};

static const struct {
	const char *name, *values; /* space-separated */
} lists[] = {
    {"response_types_supported", "code"},
    {"response_modes_supported", "query"},
    {"grant_types_supported", "authorization_code refresh_token"},
    {"subject_types_supported", "public"},
    {"id_token_signing_alg_values_supported", "RS256 ES256"},
    {"token_endpoint_auth_methods_supported", "none client_secret_basic client_secret_post tls_client_auth"},
    {"introspection_endpoint_auth_methods_supported", "client_secret_basic client_secret_post tls_client_auth"},
    {"code_challenge_methods_supported", "S256"},
    {"acr_values_supported", ACR_PASSWORD},
    {"claims_supported", "sub iss aud exp iat auth_time nonce acr amr at_hash sid mcptt_id mcvideo_id mcdata_id"},
};

/* request_uri_parameter_supported has to be stated: its default is true. */
static const struct {
	const char *name;
	int value;
} switches[] = {
    {"claims_parameter_supported", 0},
    {"request_parameter_supported", 0},
    {"request_uri_parameter_supported", 0},
    {"authorization_response_iss_parameter_supported", 1},
    {"tls_client_certificate_bound_access_tokens", 0},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

void handle_discovery(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	json_t *j = json_object(), *scopes = json_array();
	(void)rq;
	json_object_set_new(j, "issuer", json_string(s->cfg.issuer));
	for (size_t i = 0; i < COUNT(endpoints); i++)
		json_object_set_new(j, endpoints[i].name, json_sprintf("%s%s", s->cfg.issuer, endpoints[i].path));
	json_array_append_new(scopes, json_string("openid"));
	for (size_t i = 0; i < s->scopes.n; i++)
		json_array_append_new(scopes, json_string(s->scopes.entry[i].name));
	json_object_set_new(j, "scopes_supported", scopes);
	for (size_t i = 0; i < COUNT(lists); i++)
		json_object_set_new(j, lists[i].name, scope_words(lists[i].values));
	for (size_t i = 0; i < COUNT(switches); i++)
		json_object_set_new(j, switches[i].name, json_boolean(switches[i].value));
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	http_response_take(rs, text ? 200 : 503, "application/json", (uint8_t *)text, text ? strlen(text) : 0);
	http_response_header(rs, "Cache-Control", "public, max-age=3600");
}

void handle_jwks(struct idms *s, const struct http_request *rq, struct http_response *rs)
{
	char *text = signing_jwks(s->signing);
	(void)rq;
	http_response_take(rs, text ? 200 : 503, "application/json", (uint8_t *)text, text ? strlen(text) : 0);
	http_response_header(rs, "Cache-Control", "public, max-age=3600");
}

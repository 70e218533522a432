/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - a compact JWS taken apart and checked (RFC 7515 5.2, RFC 7519 7.2, RFC 8725, RFC 9068 4).
 *
 * Nothing in the payload is believed, or even parsed, before the signature holds. The algorithm comes from the key that
 * the kid names, not from the header: the header must agree with it. TS 33.180 B.2 bounds the leeway to 30 seconds.
 */
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "mcx/token/jws.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

enum { LEEWAY_S = 30 };

struct parts {
	struct octets header, payload, signature; /* decoded, in `store` */
	struct octets signed_text;
	uint8_t *store;
};

const char *token_verdict_name(enum token_verdict v)
{
	static const char *const names[] = {
	    [TOKEN_OK] = "ok",
	    [TOKEN_MALFORMED] = "malformed",
	    [TOKEN_ALGORITHM] = "algorithm not allowed",
	    [TOKEN_UNKNOWN_KEY] = "unknown key",
	    [TOKEN_SIGNATURE] = "bad signature",
	    [TOKEN_ISSUER] = "wrong issuer",
	    [TOKEN_AUDIENCE] = "wrong audience",
	    [TOKEN_EXPIRED] = "expired",
	    [TOKEN_NOT_YET] = "not valid yet",
	    [TOKEN_CLAIMS] = "claim missing or of the wrong type",
	    [TOKEN_TYPE] = "wrong kind of token",
	};
	return names[v];
}

/* ---- structure ---- */

static int decode_part(const char *text, size_t len, uint8_t *store, size_t size, struct octets *out)
{
	size_t n = 0;
	if (len == 0 || base64url_decode(text, len, store, size, &n) || n == 0)
		return -1;
	*out = (struct octets){store, n};
	return 0;
}

/* Exactly three parts, strict base64url. The caller frees p->store. */
static enum token_verdict split(const char *compact, size_t len, struct parts *p)
{
	*p = (struct parts){0};
	if (MCX_FAULT(tok.size, len == 0 || len > TOKEN_MAX))
		return TOKEN_MALFORMED;
	const char *end = compact + len, *dot1 = memchr(compact, '.', len);
	const char *dot2 = dot1 ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
	if (!dot2 || !(p->store = malloc(len)))
		return TOKEN_MALFORMED;
	uint8_t *at = p->store;
	if (decode_part(compact, (size_t)(dot1 - compact), at, len, &p->header))
		return TOKEN_MALFORMED;
	at += p->header.len;
	if (decode_part(dot1 + 1, (size_t)(dot2 - dot1 - 1), at, len - p->header.len, &p->payload))
		return TOKEN_MALFORMED;
	at += p->payload.len;
	if (decode_part(dot2 + 1, (size_t)(end - dot2 - 1), at, len - p->header.len - p->payload.len, &p->signature)) {
		/* "alg":"none" has an empty third part: let the algorithm be the reason. */
		if (MCX_FAULT(tok.signature_text, end != dot2 + 1))
			return TOKEN_MALFORMED;
	}
	p->signed_text = (struct octets){(const uint8_t *)compact, (size_t)(dot2 - compact)};
	return TOKEN_OK;
}

/* ---- header ---- */

static int typ_is(const char *typ, const char *wanted)
{
	if (strncasecmp(typ, "application/", 12) == 0)
		typ += 12;
	return strcasecmp(typ, wanted) == 0;
}

static int typ_fits(const char *typ, const struct token_policy *policy)
{
	int jwt_or_none = !typ || typ_is(typ, "JWT");
	if (typ_is(policy->typ, "JWT"))
		return jwt_or_none;
	return (typ && typ_is(typ, policy->typ)) || (policy->accept_typ_jwt && jwt_or_none);
}

static const struct jws_key *find_key(const struct token_keys *keys, const char *kid)
{
	if (!kid)
		return keys->n == 1 ? &keys->key[0] : NULL;
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->key[i].kid, kid) == 0)
			return &keys->key[i];
	return NULL;
}

static enum token_verdict check_header(json_t *header, const struct token_policy *policy, const struct jws_key **key)
{
	const json_t *alg = json_object_get(header, "alg"), *kid = json_object_get(header, "kid");
	const json_t *typ = json_object_get(header, "typ");
	unsigned allowed = policy->algs ? policy->algs : 1u << TOKEN_ES256 | 1u << TOKEN_RS256;
	if (!json_is_string(alg) || (kid && !json_is_string(kid)) || (typ && !json_is_string(typ)))
		return TOKEN_MALFORMED;
	/* We know no critical extension; b64 (RFC 7797) is one, and meaningless unless critical. */
	if (MCX_FAULT(tok.critical, json_object_get(header, "crit") || json_object_get(header, "b64")))
		return TOKEN_MALFORMED;
	const char *name = json_string_value(alg);
	int known = strcmp(name, "ES256") == 0 ? TOKEN_ES256 : strcmp(name, "RS256") == 0 ? TOKEN_RS256 : -1;
	if (known < 0 || MCX_FAULT(tok.algorithm, !(allowed >> known & 1)))
		return TOKEN_ALGORITHM;
	if (!MCX_CHECK(tok.type, typ_fits(json_string_value(typ), policy)))
		return TOKEN_TYPE;
	*key = policy->keys ? find_key(policy->keys, json_string_value(kid)) : NULL;
	if (!*key)
		return TOKEN_UNKNOWN_KEY;
	return MCX_CHECK(tok.key_algorithm, (int)(*key)->alg == known) ? TOKEN_OK : TOKEN_ALGORITHM;
}

/* ---- claims ---- */

/* An absent string is "" ; one with control octets, or too long, or of another type is refused. */
static int read_string(const json_t *payload, const char *name, char *out, size_t size)
{
	const json_t *v = json_object_get(payload, name);
	const char *s = json_string_value(v);
	if (!v)
		return 0;
	if (!s || json_string_length(v) >= size)
		return -1;
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return -1;
	strcpy(out, s);
	return 0;
}

/* NumericDate (RFC 7519 2), possibly fractional; whole seconds count. */
static int read_time(const json_t *payload, const char *name, int64_t *out)
{
	const json_t *v = json_object_get(payload, name);
	if (!v)
		return 0;
	double d = json_number_value(v);
	if (!json_is_number(v) || !(d > 0 && d < 9007199254740992.0))
		return -1;
	*out = (int64_t)floor(d);
	return 0;
}

static int read_claims(const json_t *p, struct token_claims *c)
{
	const struct {
		const char *name;
		char *out;
		size_t size;
	} strings[] = {
	    {"iss", c->issuer, sizeof c->issuer},
	    {"sub", c->subject, sizeof c->subject},
	    {"client_id", c->client_id, sizeof c->client_id},
	    {"scope", c->scope, sizeof c->scope},
	    {"jti", c->jti, sizeof c->jti},
	    {"sid", c->sid, sizeof c->sid},
	    {"nonce", c->nonce, sizeof c->nonce},
	    {"at_hash", c->at_hash, sizeof c->at_hash},
	    {"mcptt_id", c->mcptt_id, sizeof c->mcptt_id},
	    {"mcvideo_id", c->mcvideo_id, sizeof c->mcvideo_id},
	    {"mcdata_id", c->mcdata_id, sizeof c->mcdata_id},
	    {"acr", c->acr, sizeof c->acr},
	    {"azp", c->azp, sizeof c->azp},
	};
	const struct {
		const char *name;
		int64_t *out;
	} times[] = {{"exp", &c->exp}, {"iat", &c->iat}, {"nbf", &c->nbf}, {"auth_time", &c->auth_time}};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		if (read_string(p, strings[i].name, strings[i].out, strings[i].size))
			return -1;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (read_time(p, times[i].name, times[i].out))
			return -1;
	const json_t *aud = json_object_get(p, "aud");
	c->n_aud = json_is_string(aud) ? 1 : (unsigned)json_array_size(aud);
	return 0;
}

static int aud_holds(const json_t *aud, const char *wanted)
{
	const json_t *one;
	size_t i;
	if (json_is_string(aud))
		return strcmp(json_string_value(aud), wanted) == 0;
	json_array_foreach(aud, i,
			   one) if (json_is_string(one) && strcmp(json_string_value(one), wanted) == 0) return 1;
	return 0;
}

static enum token_verdict check_claims(const json_t *payload, const struct token_policy *p, struct token_claims *c)
{
	int access = !typ_is(p->typ, "JWT");
	if (MCX_FAULT(tok.claim_types, read_claims(payload, c)) || MCX_FAULT(tok.has_expiry, c->exp == 0))
		return TOKEN_CLAIMS;
	if (!MCX_CHECK(tok.issuer, strcmp(c->issuer, p->issuer) == 0))
		return TOKEN_ISSUER;
	if (!MCX_CHECK(tok.audience, aud_holds(json_object_get(payload, "aud"), p->audience)))
		return TOKEN_AUDIENCE;
	if (MCX_FAULT(tok.expired, p->now >= c->exp + LEEWAY_S))
		return TOKEN_EXPIRED;
	if (MCX_FAULT(tok.not_yet, c->nbf > p->now + LEEWAY_S || c->iat > p->now + LEEWAY_S))
		return TOKEN_NOT_YET;
	if (MCX_FAULT(tok.claims, access ? !c->scope[0] || !c->client_id[0] : !c->subject[0] || !c->iat))
		return TOKEN_CLAIMS; /* required by TS 33.180 B.2.2.2 and B.2.1 */
	return TOKEN_OK;
}

/* ---- the whole ---- */

static enum token_verdict check_parts(const struct parts *p, const struct token_policy *policy,
				      struct token_claims *out)
{
	const struct jws_key *key = NULL;
	json_t *header = jws_json(p->header);
	enum token_verdict v = header ? check_header(header, policy, &key) : TOKEN_MALFORMED;
	json_decref(header);
	if (v)
		return v;
	if (MCX_FAULT(tok.signed, !p->signature.len))
		return TOKEN_MALFORMED;
	if (!MCX_CHECK(tok.signature, jws_verify(key, p->signed_text, p->signature)))
		return TOKEN_SIGNATURE;
	json_t *payload = jws_json(p->payload);
	v = payload ? check_claims(payload, policy, out) : TOKEN_MALFORMED;
	json_decref(payload);
	return v;
}

enum token_verdict token_check(const char *compact, size_t len, const struct token_policy *policy,
			       struct token_claims *out)
{
	struct parts p;
	*out = (struct token_claims){0};
	enum token_verdict v = split(compact, len, &p);
	if (!v)
		v = check_parts(&p, policy, out);
	free(p.store);
	if (v)
		*out = (struct token_claims){0};
	return v;
}

enum token_verdict token_peek(const char *compact, size_t len, struct token_claims *out)
{
	struct parts p;
	*out = (struct token_claims){0};
	enum token_verdict v = split(compact, len, &p);
	json_t *payload = v ? NULL : jws_json(p.payload);
	if (!payload || read_claims(payload, out)) {
		*out = (struct token_claims){0};
		v = TOKEN_MALFORMED;
	}
	json_decref(payload);
	free(p.store);
	return v;
}

static char *copy_text(struct octets o)
{
	return utf8_valid(o) ? strndup((const char *)o.p, o.len) : NULL;
}

enum token_verdict token_decode(const char *compact, size_t len, char **header, char **payload)
{
	struct parts p;
	enum token_verdict v = split(compact, len, &p);
	*header = v ? NULL : copy_text(p.header);
	*payload = v ? NULL : copy_text(p.payload);
	free(p.store);
	if (*header && *payload)
		return TOKEN_OK;
	free(*header);
	free(*payload);
	*header = *payload = NULL;
	return TOKEN_MALFORMED;
}

int token_has_scope(const struct token_claims *c, const char *scope)
{
	size_t n = strlen(scope);
	for (const char *at = c->scope; n && *at;) {
		size_t len = strcspn(at, " ");
		if (len == n && memcmp(at, scope, n) == 0)
			return 1;
		at += len + strspn(at + len, " ");
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - access and identity tokens (TS 33.180 annex B; RFC 7515, 7517, 7519, 9068) made and checked.
 *
 * Pure: keys, octets and a time in; claims or a verdict out. Fetching a JWKS is the caller's work (net/jwks_cache.h).
 * Checking is done in full and in this order: structure and header, algorithm and key, signature, then issuer,
 * audience, times (leeway 30 s) and claims. What a token's header says about keys (jwk, jku, x5u, x5c) is never used.
 */
#ifndef MCX_TOKEN_H
#define MCX_TOKEN_H

#include "sec/base/bytes.h"

enum { TOKEN_MAX = 8192, TOKEN_KID = 44 };

enum token_verdict {
	TOKEN_OK = 0,
	TOKEN_MALFORMED,   /* structure, JSON, duplicate member, crit */
	TOKEN_ALGORITHM,   /* none, HS*, or not allowed for this issuer, or not fit for the key */
	TOKEN_UNKNOWN_KEY, /* kid is not in the key set: fetch the JWKS once, then try again */
	TOKEN_SIGNATURE,
	TOKEN_ISSUER,
	TOKEN_AUDIENCE,
	TOKEN_EXPIRED,
	TOKEN_NOT_YET,
	TOKEN_CLAIMS, /* a required claim is missing or has the wrong type */
	TOKEN_TYPE,   /* header typ is not the expected one */
};
const char *token_verdict_name(enum token_verdict v);

enum token_alg { TOKEN_ES256, TOKEN_RS256 };

/* ---- key sets ---- */
struct token_keys; /* public keys of one issuer */

/*
 * From a JWKS document. NULL if it is none, or holds no usable key. Unusable members are skipped: other key types and
 * curves, RSA below 2048 bits or with an exponent below 65537, keys for encryption.
 */
struct token_keys *token_keys_parse(struct octets jwks);
void token_keys_free(struct token_keys *k);

/* ---- checking ---- */
struct token_policy {
	const struct token_keys *keys;
	const char *issuer;   /* exact octets */
	const char *audience; /* must be in aud, exact octets */
	int64_t now;          /* Unix seconds; the leeway is 30 s */
	const char *typ;      /* "at+jwt" for access tokens; "JWT" for ID tokens, which may also have none */
	unsigned algs;        /* allowed: 1 << TOKEN_ES256 | ...; 0: both */
	int accept_typ_jwt;   /* a foreign issuer's access tokens may say "JWT" or nothing */
};

struct token_claims {
	char issuer[256], subject[256], client_id[256], scope[1024], jti[64], sid[64], nonce[256], at_hash[64];
	char mcptt_id[256], mcvideo_id[256], mcdata_id[256]; /* "" when absent */
	char acr[64], azp[256];
	unsigned n_aud;
	int64_t exp, iat, nbf, auth_time; /* 0 when absent */
};

enum token_verdict token_check(const char *compact, size_t len, const struct token_policy *policy,
			       struct token_claims *out);
/* The claims as they stand, nothing verified: to pick an issuer, to show a token to a person. Not for decisions. */
enum token_verdict token_peek(const char *compact, size_t len, struct token_claims *out);
/* Header and payload as JSON text, nothing verified; both malloc'ed. */
enum token_verdict token_decode(const char *compact, size_t len, char **header, char **payload);
/* 1 if the space-separated scope string holds exactly this scope. */
int token_has_scope(const struct token_claims *c, const char *scope);

/* Scopes of Rel-14 and later (identity.md 5). */
#define SCOPE_PTT_SERVICE   "3gpp:mc:ptt_service"
#define SCOPE_VIDEO_SERVICE "3gpp:mc:video_service"
#define SCOPE_DATA_SERVICE  "3gpp:mc:data_service"
#define SCOPE_PTT_KEYS      "3gpp:mc:ptt_key_management_service"
#define SCOPE_VIDEO_KEYS    "3gpp:mc:video_key_management_service"
#define SCOPE_DATA_KEYS     "3gpp:mc:data_key_management_service"

/* ---- making (identity server, tests) ---- */
struct token_signer; /* private key with its kid; immutable, may be shared between threads */

/* P-256, or RSA with 3072 bits. */
struct token_signer *token_signer_generate(enum token_alg alg);
/* PEM, PKCS#8. */
struct token_signer *token_signer_load(struct octets pem);
/* malloc'ed PEM; the caller wipes and frees. */
char *token_signer_pem(const struct token_signer *s);
void token_signer_free(struct token_signer *s);
const char *token_signer_kid(const struct token_signer *s);
enum token_alg token_signer_alg(const struct token_signer *s);
/* JWKS document of the public halves; malloc'ed text. */
char *token_jwks(const struct token_signer *const *signers, size_t n);
/* Compact JWS over a JSON payload; malloc'ed text, NULL on failure. */
char *token_sign(const struct token_signer *s, const char *typ, const char *json_payload);
/* at_hash of an ID token (OIDC Core 3.1.3.6): left half of SHA-256 over the access token's text. */
enum { TOKEN_AT_HASH = 23 };
void token_at_hash(const char *access_token, char out[TOKEN_AT_HASH]);

/* ---- proof key for code exchange, S256 only (RFC 7636) ---- */
enum { PKCE_CHALLENGE = 44 };
/* 43..128 characters of A-Z a-z 0-9 - . _ ~ */
int pkce_verifier_ok(const char *verifier);
/* 43 characters that can be a SHA-256 in base64url. */
int pkce_challenge_ok(const char *challenge);
void pkce_challenge(const char *verifier, char out[PKCE_CHALLENGE]);

#endif

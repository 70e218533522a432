/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signin.c - see signin.h: discovery, the form, the code, the tokens, and the check of the ID token (TS 33.180 B.4,
 * B.5, B.11.1; OIDC Core 3.1.3.7; identity.md 16).
 *
 * Every step either goes on or ends the whole with one status and one sentence. Passwords, codes and tokens live in
 * secret memory or in answers that http.h wipes.
 */
#include "ue/signin.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "ue/signin_form.h"

enum { RANDOM_TEXT = 44, ENDPOINT = 512, FORM_BODY = 32 * 1024, IAT_MAX_AGE_S = 600, SKEW_OK_S = 30 };

/* One sign-in or refresh on its way. Lives in secret memory. */
struct flow {
	const struct signin_config *c;
	struct signin_report *r;
	const char *client_id, *redirect_uri, *scopes, *acr_values;
	char authorize[ENDPOINT], token[ENDPOINT], jwks[ENDPOINT], revoke[ENDPOINT];
	char verifier[RANDOM_TEXT], state[RANDOM_TEXT], nonce[RANDOM_TEXT];
	char cookie[512];
	char body[FORM_BODY]; /* of the request under way */
	struct signin_form form;
	struct signin_callback callback;
	int64_t skew;
};

const char *signin_status_name(enum signin_status s)
{
	static const char *const names[] = {"ok",   "credentials", "throttled", "refused", "expired",
					    "busy", "unreachable", "protocol",  "token",   "internal"};
	return names[s];
}

struct signin_tokens *signin_tokens_new(void)
{
	return mcsec_secret_alloc(sizeof(struct signin_tokens));
}

void signin_tokens_free(struct signin_tokens *t)
{
	mcsec_secret_free(t);
}

static enum signin_status end(struct flow *f, enum signin_status s, const char *text)
{
	f->r->status = s;
	snprintf(f->r->text, sizeof f->r->text, "%.250s", text);
	return s;
}

/* What is no success and no form: a limit, an overload, an unreachable server, or nonsense. */
static enum signin_status end_by_answer(struct flow *f, const struct http_answer *a, const char *step)
{
	char text[256];
	f->r->retry_after_s = a->retry_after_s;
	if (a->status == 0) {
		snprintf(text, sizeof text, "%s: %.200s", step, a->error);
		return end(f, SIGNIN_UNREACHABLE, text);
	}
	snprintf(text, sizeof text, "%s: the identity server answered %d", step, a->status);
	return end(f, a->status == 429 ? SIGNIN_THROTTLED : a->status == 503 ? SIGNIN_BUSY : SIGNIN_PROTOCOL, text);
}

static int64_t now_of(const struct flow *f)
{
	return f->c->now ? f->c->now() : (int64_t)time(NULL);
}

/* The server's clock counts for its own tokens when ours is off by more than the leeway (identity.md 16.11). */
static void learn_skew(struct flow *f, const struct http_answer *a)
{
	struct tm tm = {0};
	if (!a->date[0] || !strptime(a->date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return;
	int64_t skew = (int64_t)timegm(&tm) - now_of(f);
	f->skew = skew > SKEW_OK_S || skew < -SKEW_OK_S ? skew : 0;
}

static void ask(struct flow *f, const struct http_call *call, struct http_answer *a)
{
	http_client_do(f->c->http, call, a);
	if (a->status)
		learn_skew(f, a);
}

/* ---- beginning ---- */

static int random_text(const struct signin_config *c, char out[RANDOM_TEXT])
{
	const struct mcsec_rng *rng = c->rng ? c->rng : &mcsec_rng_system;
	uint8_t raw[32];
	char text[BASE64_SIZE(sizeof raw)];
	if (rng->fill(rng->ctx, raw, sizeof raw))
		return -1;
	base64url_encode(OCTETS(raw), text);
	memcpy(out, text, RANDOM_TEXT);
	mcsec_wipe(raw, sizeof raw);
	mcsec_wipe(text, sizeof text);
	return 0;
}

static struct flow *begin(const struct signin_config *c, struct signin_report *r)
{
	struct flow *f = mcsec_secret_alloc(sizeof *f);
	*r = (struct signin_report){.status = SIGNIN_INTERNAL};
	if (!f) {
		snprintf(r->text, sizeof r->text, "no memory");
		return NULL;
	}
	f->c = c;
	f->r = r;
	f->client_id = c->client_id ? c->client_id : SIGNIN_CLIENT_ID;
	f->redirect_uri = c->redirect_uri ? c->redirect_uri : SIGNIN_REDIRECT_URI;
	f->scopes = c->scopes ? c->scopes : SIGNIN_SCOPES;
	f->acr_values = c->acr_values ? c->acr_values : SIGNIN_ACR;
	if (random_text(c, f->verifier) || random_text(c, f->state) || random_text(c, f->nonce)) {
		end(f, SIGNIN_INTERNAL, "the random source failed");
		mcsec_secret_free(f);
		return NULL;
	}
	return f;
}

static int copy_member(const json_t *j, const char *name, char *out, size_t size)
{
	const char *v = json_string_value(json_object_get(j, name));
	if (!v || strlen(v) >= size)
		return -1;
	strcpy(out, v);
	return 0;
}

static int https_member(const json_t *j, const char *name, char *out)
{
	return copy_member(j, name, out, ENDPOINT) || strncmp(out, "https://", 8) != 0 ? -1 : 0;
}

static json_t *answer_object(const struct http_answer *a)
{
	json_t *j = a->body ? json_loadb((const char *)a->body, a->body_len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (j && !json_is_object(j)) {
		json_decref(j);
		j = NULL;
	}
	return j;
}

static enum signin_status discover(struct flow *f)
{
	static const char well_known[] = "/.well-known/openid-configuration";
	char url[ENDPOINT], issuer[ENDPOINT];
	struct http_answer a;
	if (snprintf(url, sizeof url, "%s%s", f->c->issuer, well_known) >= (int)sizeof url)
		return end(f, SIGNIN_PROTOCOL, "the issuer's URL is too long");
	ask(f, &(struct http_call){.method = "GET", .url = url, .accept = "application/json"}, &a);
	if (a.status != 200) {
		enum signin_status s = end_by_answer(f, &a, "discovery");
		http_answer_free(&a);
		return s;
	}
	json_t *j = answer_object(&a);
	int bad = !j || copy_member(j, "issuer", issuer, sizeof issuer) || strcmp(issuer, f->c->issuer) != 0 ||
		  https_member(j, "authorization_endpoint", f->authorize) ||
		  https_member(j, "token_endpoint", f->token) || https_member(j, "jwks_uri", f->jwks);
	if (!bad && https_member(j, "revocation_endpoint", f->revoke))
		f->revoke[0] = 0;
	json_decref(j);
	http_answer_free(&a);
	return bad ? end(f, SIGNIN_PROTOCOL, "discovery: the document is not this issuer's, or misses an endpoint")
		   : SIGNIN_OK;
}

/* ---- requests ---- */

/* Adds name=value to f->body. */
static int add(struct flow *f, const char *name, const char *value)
{
	size_t at = strlen(f->body), n = strlen(name);
	if (at + n + 3 >= sizeof f->body)
		return -1;
	if (at)
		f->body[at++] = '&';
	memcpy(f->body + at, name, n);
	f->body[at + n] = '=';
	return http_percent_encode(value, f->body + at + n + 1, sizeof f->body - at - n - 1) ? -1 : 0;
}

static void post(struct flow *f, const char *url, struct http_answer *a)
{
	ask(f,
	    &(struct http_call){.method = "POST",
				.url = url,
				.content_type = "application/x-www-form-urlencoded",
				.body = octets_of(f->body),
				.cookie = f->cookie[0] ? f->cookie : NULL},
	    a);
	mcsec_wipe(f->body, sizeof f->body);
}

static enum signin_status fetch_form(struct flow *f)
{
	char challenge[PKCE_CHALLENGE], url[sizeof f->body + ENDPOINT];
	struct http_answer a;
	pkce_challenge(f->verifier, challenge);
	f->body[0] = 0;
	if (add(f, "response_type", "code") || add(f, "client_id", f->client_id) || add(f, "scope", f->scopes) ||
	    add(f, "redirect_uri", f->redirect_uri) || add(f, "state", f->state) || add(f, "nonce", f->nonce) ||
	    add(f, "acr_values", f->acr_values) || add(f, "code_challenge", challenge) ||
	    add(f, "code_challenge_method", "S256"))
		return end(f, SIGNIN_INTERNAL, "the request is too long");
	snprintf(url, sizeof url, "%s?%s", f->authorize, f->body);
	ask(f, &(struct http_call){.method = "GET", .url = url, .accept = "text/html"}, &a);
	enum signin_status s = SIGNIN_OK;
	if (a.status == 302 || a.status == 303) {
		enum signin_callback_verdict v =
		    signin_callback_read(a.location, f->redirect_uri, f->state, f->c->issuer, &f->callback);
		snprintf(f->r->error, sizeof f->r->error, "%s", f->callback.error);
		s = v == CALLBACK_ERROR ? end(f, SIGNIN_REFUSED, f->callback.error)
					: end(f, SIGNIN_PROTOCOL, "a redirect where the sign-in form should be");
	} else if (a.status != 200) {
		s = end_by_answer(f, &a, "authorization");
	} else if (!a.body || signin_form_parse((struct octets){a.body, a.body_len}, &f->form) ||
		   strncmp(f->form.action, "https://", 8) != 0) {
		s = end(f, SIGNIN_PROTOCOL, "authorization: no form to sign in with");
	}
	snprintf(f->cookie, sizeof f->cookie, "%.*s", (int)strcspn(a.set_cookie, ";"), a.set_cookie);
	http_answer_free(&a);
	return s;
}

static enum signin_status submit(struct flow *f, const char *user, const char *password)
{
	struct http_answer a;
	int bad = 0;
	f->body[0] = 0;
	for (size_t i = 0; i < f->form.n; i++)
		bad |= add(f, f->form.hidden[i].name, f->form.hidden[i].value);
	if (bad || add(f, "username", user) || add(f, "password", password))
		return end(f, SIGNIN_INTERNAL, "user name or password is too long");
	post(f, f->form.action, &a);
	f->cookie[0] = 0;
	enum signin_status s;
	if (a.status == 200) {
		s = end(f, SIGNIN_CREDENTIALS, "user name or password is wrong");
	} else if (a.status != 302 && a.status != 303) {
		s = end_by_answer(f, &a, "sign-in");
	} else {
		switch (signin_callback_read(a.location, f->redirect_uri, f->state, f->c->issuer, &f->callback)) {
		case CALLBACK_CODE:
			s = SIGNIN_OK;
			break;
		case CALLBACK_ERROR:
			snprintf(f->r->error, sizeof f->r->error, "%s", f->callback.error);
			s = end(f, SIGNIN_REFUSED, f->callback.error);
			break;
		default:
			s = end(f, SIGNIN_PROTOCOL, "the answer is not for this request (state, issuer or address)");
		}
	}
	http_answer_free(&a);
	return s;
}

/* ---- tokens ---- */

static enum signin_status end_by_oauth_error(struct flow *f, const struct http_answer *a)
{
	json_t *j = answer_object(a);
	const char *error = json_string_value(json_object_get(j, "error"));
	snprintf(f->r->error, sizeof f->r->error, "%.60s", error ? error : "");
	json_decref(j);
	if (a->status == 0 || a->status == 429 || a->status == 503 || !f->r->error[0])
		return end_by_answer(f, a, "token");
	return end(f, strcmp(f->r->error, "invalid_grant") == 0 ? SIGNIN_EXPIRED : SIGNIN_REFUSED, f->r->error);
}

static int read_tokens(const struct flow *f, const json_t *j, struct signin_tokens *t)
{
	char type[16];
	int64_t life = json_integer_value(json_object_get(j, "expires_in"));
	if (copy_member(j, "access_token", t->access, sizeof t->access) ||
	    copy_member(j, "token_type", type, sizeof type) || strcasecmp(type, "Bearer") != 0 || life <= 0 ||
	    life > 366 * 86400)
		return -1;
	if (json_object_get(j, "refresh_token") && copy_member(j, "refresh_token", t->refresh, sizeof t->refresh))
		return -1;
	if (json_object_get(j, "id_token") && copy_member(j, "id_token", t->id, sizeof t->id))
		return -1;
	if (copy_member(j, "scope", t->scope, sizeof t->scope))
		snprintf(t->scope, sizeof t->scope, "%s", f->scopes);
	t->expires_at = now_of(f) + life;
	t->refresh_at = t->expires_at - (life / 5 > 300 ? 300 : life / 5);
	t->skew_s = f->skew;
	return 0;
}

static struct token_keys *fetch_keys(struct flow *f, enum signin_status *s)
{
	struct http_answer a;
	ask(f, &(struct http_call){.method = "GET", .url = f->jwks, .accept = "application/json"}, &a);
	struct token_keys *keys =
	    a.status == 200 && a.body ? token_keys_parse((struct octets){a.body, a.body_len}) : NULL;
	if (!keys)
		*s = a.status == 200 ? end(f, SIGNIN_PROTOCOL, "the key set holds no key")
				     : end_by_answer(f, &a, "key set");
	http_answer_free(&a);
	return keys;
}

/* Is one of the space-separated words of `list` this one? */
static int among(const char *list, const char *word)
{
	for (size_t n = strlen(word); *list;) {
		size_t len = strcspn(list, " ");
		if (len == n && memcmp(list, word, n) == 0)
			return 1;
		list += len + strspn(list + len, " ");
	}
	return 0;
}

/* What OIDC Core 3.1.3.7 asks beyond token_check; NULL if all holds. nonce NULL: after a refresh. */
static const char *claims_fault(const struct flow *f, const struct token_claims *c, const struct signin_tokens *t,
				const char *nonce)
{
	char at_hash[TOKEN_AT_HASH];
	token_at_hash(t->access, at_hash);
	if ((c->n_aud > 1 || c->azp[0]) && strcmp(c->azp, f->client_id) != 0)
		return "authorized party";
	if (now_of(f) + f->skew - c->iat > IAT_MAX_AGE_S)
		return "issued too long ago";
	if (nonce ? strcmp(c->nonce, nonce) != 0 : c->nonce[0] != 0)
		return "nonce";
	if (c->at_hash[0] && strcmp(c->at_hash, at_hash) != 0)
		return "at_hash";
	if (c->acr[0] && !among(f->acr_values, c->acr))
		return "acr";
	if (!nonce && (strcmp(c->subject, t->subject) != 0 || (t->auth_time && c->auth_time != t->auth_time)))
		return "another user or sign-in than before";
	return NULL;
}

static enum signin_status check_id_token(struct flow *f, struct signin_tokens *t, const char *nonce)
{
	enum signin_status s = SIGNIN_OK;
	struct token_claims c;
	char text[128];
	struct token_keys *keys = fetch_keys(f, &s);
	if (!keys)
		return s;
	struct token_policy p = {
	    .keys = keys, .issuer = f->c->issuer, .audience = f->client_id, .now = now_of(f) + f->skew, .typ = "JWT"};
	f->r->verdict = token_check(t->id, strlen(t->id), &p, &c);
	token_keys_free(keys);
	const char *fault = f->r->verdict ? token_verdict_name(f->r->verdict) : claims_fault(f, &c, t, nonce);
	if (fault) {
		if (!f->r->verdict)
			f->r->verdict = TOKEN_CLAIMS;
		snprintf(text, sizeof text, "the ID token is refused: %s", fault);
		return end(f, SIGNIN_TOKEN, text);
	}
	memcpy(t->subject, c.subject, sizeof t->subject);
	memcpy(t->sid, c.sid, sizeof t->sid);
	memcpy(t->acr, c.acr, sizeof t->acr);
	memcpy(t->mcptt_id, c.mcptt_id, sizeof t->mcptt_id);
	memcpy(t->mcvideo_id, c.mcvideo_id, sizeof t->mcvideo_id);
	memcpy(t->mcdata_id, c.mcdata_id, sizeof t->mcdata_id);
	t->auth_time = c.auth_time;
	return SIGNIN_OK;
}

/* The token request in f->body; on success *t holds checked tokens. */
static enum signin_status ask_tokens(struct flow *f, struct signin_tokens *t, const char *nonce)
{
	struct http_answer a;
	post(f, f->token, &a);
	if (a.status != 200) {
		enum signin_status s = end_by_oauth_error(f, &a);
		http_answer_free(&a);
		return s;
	}
	json_t *j = answer_object(&a);
	int bad = !j || read_tokens(f, j, t);
	json_decref(j);
	http_answer_free(&a);
	if (bad)
		return end(f, SIGNIN_PROTOCOL, "token: the answer holds no usable tokens");
	if (!t->id[0])
		return nonce && among(f->scopes, "openid") ? end(f, SIGNIN_PROTOCOL, "token: no ID token") : SIGNIN_OK;
	return check_id_token(f, t, nonce);
}

/* ---- the three things one can do ---- */

enum signin_status signin_password(const struct signin_config *c, const char *user, const char *password,
				   struct signin_tokens *t, struct signin_report *r)
{
	struct flow *f = begin(c, r);
	mcsec_wipe(t, sizeof *t);
	if (!f)
		return r->status;
	enum signin_status s = discover(f);
	if (!s)
		s = fetch_form(f);
	if (!s)
		s = submit(f, user, password);
	f->body[0] = 0;
	if (!s && (add(f, "grant_type", "authorization_code") || add(f, "code", f->callback.code) ||
		   add(f, "client_id", f->client_id) || add(f, "redirect_uri", f->redirect_uri) ||
		   add(f, "code_verifier", f->verifier)))
		s = end(f, SIGNIN_INTERNAL, "the request is too long");
	if (!s)
		s = ask_tokens(f, t, f->nonce);
	if (s)
		mcsec_wipe(t, sizeof *t);
	else
		end(f, SIGNIN_OK, "signed in");
	mcsec_secret_free(f);
	return s;
}

enum signin_status signin_refresh(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r)
{
	struct flow *f = begin(c, r);
	struct signin_tokens *fresh = f ? signin_tokens_new() : NULL;
	if (!fresh) {
		mcsec_secret_free(f);
		return r->status;
	}
	*fresh = *t;
	fresh->id[0] = 0;
	enum signin_status s = t->refresh[0] ? discover(f) : end(f, SIGNIN_EXPIRED, "there is no refresh token");
	f->body[0] = 0;
	if (!s && (add(f, "grant_type", "refresh_token") || add(f, "refresh_token", t->refresh) ||
		   add(f, "client_id", f->client_id)))
		s = end(f, SIGNIN_INTERNAL, "the request is too long");
	if (!s)
		s = ask_tokens(f, fresh, NULL);
	if (!s) {
		*t = *fresh;
		end(f, SIGNIN_OK, "refreshed");
	} else if (s == SIGNIN_EXPIRED) {
		mcsec_wipe(t->refresh, sizeof t->refresh);
	}
	signin_tokens_free(fresh);
	mcsec_secret_free(f);
	return s;
}

enum signin_status signin_revoke(const struct signin_config *c, struct signin_tokens *t, struct signin_report *r)
{
	struct flow *f = begin(c, r);
	if (!f) {
		mcsec_wipe(t, sizeof *t);
		return r->status;
	}
	enum signin_status s = discover(f);
	f->body[0] = 0;
	if (!s && !f->revoke[0])
		s = end(f, SIGNIN_PROTOCOL, "this server cannot revoke");
	if (!s && (add(f, "token", t->refresh[0] ? t->refresh : t->access) || add(f, "client_id", f->client_id)))
		s = end(f, SIGNIN_INTERNAL, "the request is too long");
	if (!s) {
		struct http_answer a;
		post(f, f->revoke, &a);
		s = a.status == 200 ? end(f, SIGNIN_OK, "signed out") : end_by_oauth_error(f, &a);
		http_answer_free(&a);
	}
	mcsec_wipe(t, sizeof *t);
	mcsec_secret_free(f);
	return s;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sip_digest.c - see sip_digest.h. A1, A2 and the response are RFC 7616 3.4.1 to 3.4.3. */
#include "net/sip_digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"

/* ---- the challenge ---- */

struct field {
	const char *name;
	char *out;
	size_t size;
};

static int take(const char *value, size_t n, char *out, size_t size)
{
	if (n >= size || memchr(value, '\\', n) || memchr(value, '"', n))
		return -1;
	memcpy(out, value, n);
	out[n] = 0;
	return 0;
}

/* name=value or name="value", up to the next comma outside quotes. Past it, or NULL. */
static const char *next_field(const char *p, const struct field *fields, size_t n_fields)
{
	p += strspn(p, ", \t");
	size_t name = strcspn(p, "= \t,");
	const char *v = p + name;
	v += strspn(v, " \t");
	if (!name || *v != '=')
		return NULL;
	v++;
	v += strspn(v, " \t");
	int quoted = *v == '"';
	v += quoted;
	size_t n = strcspn(v, quoted ? "\"" : ", \t");
	if (quoted && v[n] != '"')
		return NULL;
	for (size_t i = 0; i < n_fields; i++)
		if (strlen(fields[i].name) == name && strncasecmp(p, fields[i].name, name) == 0 &&
		    take(v, n, fields[i].out, fields[i].size) != 0)
			return NULL;
	return v + n + quoted;
}

/* One of the words in a list like "auth,auth-int". */
static int holds(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = list; *p; p += strcspn(p, ", \t")) {
		p += strspn(p, ", \t");
		if (strcspn(p, ", \t") == n && strncasecmp(p, word, n) == 0)
			return 1;
	}
	return 0;
}

enum mcsec_err sip_challenge_read(const char *value, struct sip_challenge *out)
{
	char algorithm[32] = "MD5", qop[64] = "", stale[16] = "";
	*out = (struct sip_challenge){0};
	const struct field fields[] = {{"realm", out->realm, sizeof out->realm},
				       {"nonce", out->nonce, sizeof out->nonce},
				       {"opaque", out->opaque, sizeof out->opaque},
				       {"algorithm", algorithm, sizeof algorithm},
				       {"qop", qop, sizeof qop},
				       {"stale", stale, sizeof stale}};
	if (strncasecmp(value, "Digest ", 7) != 0)
		return MCSEC_E_VALUE;
	for (const char *p = value + 7; p[strspn(p, ", \t")];)
		if (!(p = next_field(p, fields, sizeof fields / sizeof *fields)))
			return MCSEC_E_VALUE;
	out->sha256 = strcasecmp(algorithm, "SHA-256") == 0;
	out->qop_auth = holds(qop, "auth");
	out->stale = strcasecmp(stale, "true") == 0;
	int spoken = out->sha256 || strcasecmp(algorithm, "MD5") == 0;
	return *out->realm && *out->nonce && spoken && (!*qop || out->qop_auth) ? MCSEC_OK : MCSEC_E_VALUE;
}

enum mcsec_err sip_challenge_of(const struct sip_message *rs, struct sip_challenge *out)
{
	struct sip_challenge c;
	const char *value;
	int found = 0;
	for (size_t i = 0; (value = sip_header_at(rs, "WWW-Authenticate", i)); i++)
		if (sip_challenge_read(value, &c) == MCSEC_OK && (!found || (c.sha256 && !out->sha256))) {
			*out = c;
			found = 1;
		}
	return found ? MCSEC_OK : MCSEC_E_VALUE;
}

/* ---- the answer ---- */

enum { HASH_TEXT = 65 };

/* H of up to six texts with colons between them. */
static int hash(int sha256, const char *const *texts, size_t n, char out[HASH_TEXT])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int ok = ctx && EVP_DigestInit_ex(ctx, sha256 ? EVP_sha256() : EVP_md5(), NULL) == 1;
	for (size_t i = 0; i < n && ok; i++)
		ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1) &&
		     EVP_DigestUpdate(ctx, texts[i], strlen(texts[i])) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, digest, &len) == 1 && 2 * len < HASH_TEXT;
	if (ok)
		hex_encode((struct octets){digest, len}, out);
	EVP_MD_CTX_free(ctx);
	mcsec_wipe(digest, sizeof digest);
	return ok ? 0 : -1;
}

enum mcsec_err sip_digest_write(const struct sip_challenge *c, const struct sip_digest *d, char *out, size_t size)
{
	char a1[HASH_TEXT], a2[HASH_TEXT], response[HASH_TEXT], nc[9], opaque[160] = "", qop[128] = "";
	if (strpbrk(d->user, "\"\\:") || strpbrk(d->uri, "\"\\"))
		return MCSEC_E_VALUE;
	snprintf(nc, sizeof nc, "%08x", d->nc);
	const char *const of_a1[] = {d->user, c->realm, d->password}, *const of_a2[] = {d->method, d->uri};
	const char *const with_qop[] = {a1, c->nonce, nc, d->cnonce, "auth", a2}, *const without[] = {a1, c->nonce, a2};
	int bad = hash(c->sha256, of_a1, 3, a1) || hash(c->sha256, of_a2, 2, a2) ||
		  (c->qop_auth ? hash(c->sha256, with_qop, 6, response) : hash(c->sha256, without, 3, response));
	mcsec_wipe(a1, sizeof a1);
	if (bad)
		return MCSEC_E_CRYPTO;
	if (*c->opaque)
		snprintf(opaque, sizeof opaque, ", opaque=\"%s\"", c->opaque);
	if (c->qop_auth)
		snprintf(qop, sizeof qop, ", qop=auth, nc=%s, cnonce=\"%.64s\"", nc, d->cnonce);
	int n = snprintf(out, size,
			 "Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\", "
			 "algorithm=%s%s%s",
			 d->user, c->realm, c->nonce, d->uri, response, c->sha256 ? "SHA-256" : "MD5", qop, opaque);
	return n > 0 && (size_t)n < size ? MCSEC_OK : MCSEC_E_NO_SPACE;
}

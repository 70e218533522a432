/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - see place.h: the kinds of custody, a row each, and what tells them apart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "custody/place.h"
#include "mcsec/secret.h"

struct hand { /* shares in secret memory */
	unsigned k, n, given;
	int made; /* by custody_put */
	struct share share[SHAMIR_MAX];
};

struct custody {
	enum custody_kind kind;
	struct custody_passphrase *passphrase;
	struct token *token;
	struct hand *hand;
};

/* ---- passphrase file and credential: one format, two magics ---- */

static enum custody_err attach_passphrase(struct custody *c, const struct custody_place *p)
{
	return p->passphrase[0] ? custody_passphrase_read(p->passphrase, &c->passphrase) : CUSTODY_ABSENT;
}

static enum custody_err attach_credential(struct custody *c, const struct custody_place *p)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	if (!folder || !p->credential[0] || strchr(p->credential, '/'))
		return CUSTODY_ABSENT;
	int n = snprintf(path, sizeof path, "%s/%s", folder, p->credential);
	return n > 0 && (size_t)n < sizeof path ? custody_credential_read(path, &c->passphrase) : CUSTODY_MODE;
}

static enum custody_err put_passphrase(struct custody *c, const char *owner, const char *name, struct octets secret,
				       const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	*out_len = secret.len + CUSTODY_OVERHEAD;
	if (*out_len > CUSTODY_BLOB_MAX)
		return CUSTODY_MALFORMED;
	enum custody_err e = custody_seal(c->passphrase, &custody_cost_default, owner, name, secret, rng, out);
	if (!e && c->kind == CUSTODY_BY_CREDENTIAL)
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a mark of four octets, no text */
		memcpy(out, "mcxc", 4);
	return e;
}

static enum custody_err get_passphrase(struct custody *c, const char *owner, const char *name, struct octets blob,
				       uint8_t *secret, size_t secret_len)
{
	uint8_t copy[CUSTODY_BLOB_MAX];
	if (blob.len > sizeof copy)
		return CUSTODY_MALFORMED;
	memcpy(copy, blob.p, blob.len);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a mark of four octets, no text */
	memcpy(copy, "mcxs", 4);
	return custody_open(c->passphrase, owner, name, (struct octets){copy, blob.len}, secret, secret_len);
}

/* ---- token ---- */

static enum custody_err attach_token(struct custody *c, const struct custody_place *p)
{
	return token_attach(&p->token, p->make, &c->token);
}

static enum custody_err put_token(struct custody *c, const char *owner, const char *name, struct octets secret,
				  const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	return token_put(c->token, owner, name, secret, rng, out, out_len);
}

static enum custody_err get_token(struct custody *c, const char *owner, const char *name, struct octets blob,
				  uint8_t *secret, size_t secret_len)
{
	return token_get(c->token, owner, name, blob, secret, secret_len);
}

/* ---- officers ---- */

static enum custody_err attach_officers(struct custody *c, const struct custody_place *p)
{
	c->hand = mcsec_secret_alloc(sizeof *c->hand);
	if (!c->hand)
		return CUSTODY_RESOURCES;
	c->hand->k = p->k;
	c->hand->n = p->n;
	return CUSTODY_OK;
}

static enum custody_err put_officers(struct custody *c, const char *owner, const char *name, struct octets secret,
				     const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	struct hand *h = c->hand;
	if (h->k < 2 || h->k > h->n || h->n > SHAMIR_MAX)
		return CUSTODY_MALFORMED;
	enum custody_err e = officers_seal(h->k, h->n, owner, name, secret, rng, out, out_len, h->share);
	h->made = !e;
	return e;
}

static enum custody_err get_officers(struct custody *c, const char *owner, const char *name, struct octets blob,
				     uint8_t *secret, size_t secret_len)
{
	unsigned k = 0, n;
	enum custody_err e = officers_need(blob, &k, &n);
	if (!e && (c->hand->made || c->hand->given < k))
		e = CUSTODY_ABSENT;
	return e ? e : officers_open(blob, c->hand->share, k, owner, name, secret, secret_len);
}

const struct share *custody_shares(const struct custody *c)
{
	return c->hand && c->hand->made ? c->hand->share : NULL;
}

enum custody_err custody_add_share(struct custody *c, struct octets blob, const struct share *s)
{
	struct hand *h = c->hand;
	if (!h || h->made)
		return CUSTODY_MALFORMED;
	enum custody_err e = officers_check(blob, s);
	if (e)
		return e;
	for (unsigned i = 0; i < h->given; i++)
		if (h->share[i].number == s->number)
			return CUSTODY_TWICE;
	h->share[h->given++] = *s; /* all different and checked: never more than there are */
	return CUSTODY_OK;
}

unsigned custody_given(const struct custody *c)
{
	return c->hand ? c->hand->given : 0;
}

void custody_forget_shares(struct custody *c)
{
	if (!c->hand)
		return;
	mcsec_wipe(c->hand->share, sizeof c->hand->share);
	c->hand->given = 0;
	c->hand->made = 0;
}

/* ---- the kinds ---- */

static const struct {
	const char *name, *magic;
	enum custody_err (*attach)(struct custody *c, const struct custody_place *p);
	enum custody_err (*put)(struct custody *c, const char *owner, const char *name, struct octets secret,
				const struct mcsec_rng *rng, uint8_t *out, size_t *out_len);
	enum custody_err (*get)(struct custody *c, const char *owner, const char *name, struct octets blob,
				uint8_t *secret, size_t secret_len);
} kinds[CUSTODY_KINDS] = {
    [CUSTODY_BY_PASSPHRASE] = {"passphrase", "mcxs", attach_passphrase, put_passphrase, get_passphrase},
    [CUSTODY_BY_CREDENTIAL] = {"credential", "mcxc", attach_credential, put_passphrase, get_passphrase},
    [CUSTODY_BY_TOKEN] = {"pkcs11", "mcxt", attach_token, put_token, get_token},
    [CUSTODY_BY_OFFICERS] = {"officers", "mcxo", attach_officers, put_officers, get_officers},
};

const char *custody_kind_name(enum custody_kind k)
{
	return (unsigned)k < CUSTODY_KINDS ? kinds[k].name : "unknown";
}

enum custody_kind custody_kind_of(const char *name)
{
	unsigned k = 0;
	while (k < CUSTODY_KINDS && strcmp(kinds[k].name, name) != 0)
		k++;
	return (enum custody_kind)k;
}

enum custody_kind custody_kind_of_blob(struct octets blob)
{
	unsigned k = 0;
	while (k < CUSTODY_KINDS && (blob.len < 4 || memcmp(blob.p, kinds[k].magic, 4) != 0))
		k++;
	return (enum custody_kind)k;
}

enum custody_err custody_attach(enum custody_kind kind, const struct custody_place *place, struct custody **out)
{
	*out = NULL;
	struct custody *c = kind < CUSTODY_KINDS ? calloc(1, sizeof *c) : NULL;
	if (!c)
		return kind < CUSTODY_KINDS ? CUSTODY_RESOURCES : CUSTODY_MALFORMED;
	c->kind = kind;
	enum custody_err e = kinds[kind].attach(c, place);
	if (e)
		custody_detach(c);
	else
		*out = c;
	return e;
}

void custody_detach(struct custody *c)
{
	if (!c)
		return;
	custody_passphrase_free(c->passphrase);
	token_detach(c->token);
	mcsec_secret_free(c->hand);
	free(c);
}

enum custody_err custody_put(struct custody *c, const char *owner, const char *name, struct octets secret,
			     const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	return kinds[c->kind].put(c, owner, name, secret, rng, out, out_len);
}

enum custody_err custody_get(struct custody *c, const char *owner, const char *name, struct octets blob,
			     uint8_t *secret, size_t secret_len)
{
	mcsec_wipe(secret, secret_len);
	if (custody_kind_of_blob(blob) != c->kind)
		return CUSTODY_MALFORMED;
	return kinds[c->kind].get(c, owner, name, blob, secret, secret_len);
}

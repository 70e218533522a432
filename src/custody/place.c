/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - see place.h: the kinds of custody and what tells them apart.
 */
#include <stdlib.h>

#include "custody/place.h"
#include "mcsec/secret.h"

struct custody {
	enum custody_kind kind;
	struct custody_passphrase *passphrase;
};

static const struct {
	const char *name, *magic;
} kinds[CUSTODY_KINDS] = {
    [CUSTODY_BY_PASSPHRASE] = {"passphrase", "mcxs"},
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

enum custody_err custody_attach(const struct custody_place *place, struct custody **out)
{
	*out = NULL;
	struct custody *c = calloc(1, sizeof *c);
	if (!c)
		return CUSTODY_RESOURCES;
	c->kind = place->kind;
	enum custody_err e = custody_passphrase_read(place->passphrase, &c->passphrase);
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
	free(c);
}

enum custody_err custody_put(struct custody *c, const char *owner, const char *name, struct octets secret,
			     const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	*out_len = secret.len + CUSTODY_OVERHEAD;
	if (*out_len > CUSTODY_BLOB_MAX)
		return CUSTODY_MALFORMED;
	return custody_seal(c->passphrase, &custody_cost_default, owner, name, secret, rng, out);
}

enum custody_err custody_get(struct custody *c, const char *owner, const char *name, struct octets blob,
			     uint8_t *secret, size_t secret_len)
{
	mcsec_wipe(secret, secret_len);
	if (custody_kind_of_blob(blob) != c->kind)
		return CUSTODY_MALFORMED;
	return custody_open(c->passphrase, owner, name, blob, secret, secret_len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* spk.c - keys between servers: choice and derivation (see spk.h). */
#include "spk.h"

#include <strings.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

static int is_name(const char *text)
{
	return text[0] && memchr(text, 0, SPK_NAME_MAX) && utf8_valid(octets_of(text));
}

static int valid_at(const struct spk *k, int64_t now)
{
	return k->from <= now && now < k->to;
}

static int of_peer(const struct spk *k, const char *peer)
{
	return strcasecmp(k->peer, peer) == 0;
}

/* How many of the peer's keys are valid when one begins: the most at one time is reached at some beginning. */
static size_t together(const struct spk_table *t, const char *peer, int64_t at)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++)
		n += of_peer(&t->keys[i], peer) && valid_at(&t->keys[i], at);
	return n;
}

static int too_many(const struct spk_table *t, const struct spk *key)
{
	if (together(t, key->peer, key->from) >= SPK_OVERLAP)
		return 1;
	for (size_t i = 0; i < t->n; i++)
		if (of_peer(&t->keys[i], key->peer) && valid_at(key, t->keys[i].from) &&
		    together(t, key->peer, t->keys[i].from) >= SPK_OVERLAP)
			return 1;
	return 0;
}

enum mcsec_err spk_add(struct spk_table *t, const struct spk *key)
{
	if (mcsec_kid_tag(key->id) != MCSEC_SPK || !is_name(key->peer) || !is_name(key->identity) ||
	    key->from >= key->to)
		return MCSEC_E_VALUE;
	if (key->len != 16 && key->len != 32)
		return MCSEC_E_LENGTH;
	for (size_t i = 0; i < t->n; i++)
		if (t->keys[i].id == key->id)
			return MCSEC_E_VALUE;
	if (t->n == SPK_MAX || too_many(t, key))
		return MCSEC_E_NO_SPACE;
	t->keys[t->n++] = *key;
	return MCSEC_OK;
}

int spk_remove(struct spk_table *t, uint32_t id)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->keys[i].id != id)
			continue;
		t->keys[i] = t->keys[--t->n];
		mcsec_wipe(&t->keys[t->n], sizeof t->keys[t->n]);
		return 1;
	}
	return 0;
}

/* Begins latest; of two that begin together the one with the higher ID, so that both ends choose alike. */
static int is_newer(const struct spk *a, const struct spk *b)
{
	return !b || a->from > b->from || (a->from == b->from && a->id > b->id);
}

const struct spk *spk_for_sending(const struct spk_table *t, const char *peer, int64_t now)
{
	const struct spk *best = NULL;
	for (size_t i = 0; i < t->n; i++)
		if (of_peer(&t->keys[i], peer) && valid_at(&t->keys[i], now) && is_newer(&t->keys[i], best))
			best = &t->keys[i];
	return best;
}

const struct spk *spk_for_receiving(const struct spk_table *t, const char *peer, uint32_t id, int64_t now)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->keys[i].id == id)
			return MCX_CHECK(xml.spk_peer, of_peer(&t->keys[i], peer)) &&
				       MCX_CHECK(xml.spk_time, valid_at(&t->keys[i], now))
				   ? &t->keys[i]
				   : NULL;
	return NULL;
}

enum mcsec_err spk_xml_key(const struct spk *key, struct xml_key *out)
{
	return xml_key_derive_from(out, (struct octets){key->key, key->len}, key->id, key->identity, key->len);
}

enum mcsec_err spk_xml_keys(const struct spk_table *t, const char *peer, int64_t now, struct xml_key out[SPK_OVERLAP],
			    size_t *n)
{
	const struct spk *newest = spk_for_sending(t, peer, now);
	enum mcsec_err e = MCSEC_OK;
	*n = 0;
	if (newest)
		e = spk_xml_key(newest, &out[(*n)++]);
	for (size_t i = 0; i < t->n && !e && *n < SPK_OVERLAP; i++)
		if (&t->keys[i] != newest && spk_for_receiving(t, peer, t->keys[i].id, now))
			e = spk_xml_key(&t->keys[i], &out[(*n)++]);
	if (e) {
		mcsec_wipe(out, SPK_OVERLAP * sizeof *out);
		*n = 0;
	}
	return e;
}

enum mcsec_err spk_srtcp_master(const struct spk *key, int video, uint8_t *master, uint8_t salt[MCSEC_SRTP_SALT])
{
	uint8_t cs_id = 0;
	enum mcsec_err e = mcsec_cs_id_of(MCSEC_SPK, video, 0, &cs_id);
	return e ? e
		 : mcsec_srtp_master(key->key, key->len, cs_id, key->id, key->rand, sizeof key->rand, master, key->len,
				     salt, MCSEC_SRTP_SALT);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* xml.c - keys and policy of the XML protection at the server (see xml.h). */
#include "server/xml.h"

#include "mcsec/secret.h"
#include "server/download.h"

enum { BOUND_MAX = 3 * CLIENTS_MAX };

struct bound_keys {
	size_t n;
	struct xml_key key[BOUND_MAX];
	const struct xml_key *list[BOUND_MAX];
	struct binding *owner[BOUND_MAX];
};

struct xml_policy server_xml_policy(const struct server_config *cfg)
{
	return (struct xml_policy){.confidentiality = cfg->xml_confidentiality,
				   .integrity = cfg->xml_integrity,
				   .sign_binary_parts = cfg->xml_integrity,
				   .require_confidentiality = cfg->xml_require};
}

static enum mcsec_err key_of(const struct server *s, const struct db_binding *row, struct xml_key *out)
{
	uint8_t csk[MCSEC_KEY_LEN];
	enum mcsec_err e = db_open_csk(s->seal, row, csk);
	if (!e)
		e = xml_key_derive_long(out, csk, row->csk_id, row->mcptt_id, suite_key_len(row->suite));
	mcsec_wipe(csk, sizeof csk);
	return e;
}

static void add_key(struct bound_keys *k, const struct server *s, struct binding *b, const struct db_binding *row)
{
	if (k->n == BOUND_MAX || key_of(s, row, &k->key[k->n]) != MCSEC_OK)
		return;
	k->list[k->n] = &k->key[k->n];
	k->owner[k->n++] = b;
}

struct bound_keys *bound_keys_new(const struct server *s, struct binding *const *who, size_t n)
{
	struct bound_keys *k = mcsec_secret_alloc(sizeof *k);
	for (size_t i = 0; i < n && k; i++) {
		add_key(k, s, who[i], &who[i]->row);
		if (who[i]->previous_until > db_now())
			add_key(k, s, who[i], &who[i]->previous);
		if (who[i]->pending)
			add_key(k, s, who[i], who[i]->pending);
	}
	return k;
}

void bound_keys_free(struct bound_keys *k)
{
	mcsec_secret_free(k);
}

struct xml_keys bound_keys_list(const struct bound_keys *k)
{
	return k ? (struct xml_keys){k->list, k->n} : (struct xml_keys){0};
}

struct binding *bound_keys_owner(const struct bound_keys *k, uint32_t key_id)
{
	for (size_t i = 0; k && i < k->n; i++)
		if (k->key[i].id == key_id)
			return k->owner[i];
	return NULL;
}

int binding_replayed(struct binding *b, const struct xml_opened *opened)
{
	int pending = b->pending && opened->key_id == b->pending->csk_id;
	struct xml_replay **ivs = pending ? &b->pending_ivs : &b->ivs;
	if (opened->seen.n == 0 || (!pending && opened->key_id != b->row.csk_id))
		return 0;
	if (!*ivs)
		*ivs = xml_replay_new();
	return *ivs ? xml_replay_check(*ivs, &opened->seen) : 1; /* without memory nothing is believed */
}

enum mcsec_err server_xml_protect(const struct server *s, const struct db_binding *to, struct body_out *parts,
				  size_t *n, size_t max, struct writer *arena)
{
	struct xml_policy policy = server_xml_policy(s->cfg);
	const struct binding *b = bindings_by_id(s->bindings, to->id);
	struct xml_key key;
	if (!policy.confidentiality && !policy.integrity)
		return MCSEC_OK;
	if (download_holds(s, b ? &b->row : to))
		return MCSEC_E_NO_KEYS;
	enum mcsec_err e = key_of(s, b ? &b->row : to, &key);
	if (!e)
		e = xml_protect(&policy, &key, &mcsec_rng_system, s->cfg->host, parts, n, max, arena);
	xml_key_wipe(&key);
	return e;
}

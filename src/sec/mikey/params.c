/* SPDX-License-Identifier: Apache-2.0 */
/*
 * params.c - key parameters (TS 33.180 E.6, GEN type 7), read and written side by side.
 *
 *   key type(1) status(4) activation(5) expiry(5) text length(2) text
 *   and for GMK, MKFC and MuSiK: length(2) count(1), then for each group IEI(1) length(2) URI
 *
 * They travel as an MCData protected payload under the key they describe, so they are read after decapsulation.
 * Times are seconds since 1970. The clause speaks of an element with its own IEI and length around all this; the one
 * known sender leaves them out. Both are read: with them, octets 1 and 2 are the length of the rest, which the bare
 * form cannot imitate because its status begins with zero octets there.
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "sec/mikey/message.h"

#define CLAUSE "TS 33.180 E.6.11"

enum { IEI_GROUP = 0x7b, GROUPS_MAX = 255 };

int params_has_groups(enum mcsec_key_kind kind)
{
	return kind == MCSEC_GMK || kind == MCSEC_MKFC || kind == MCSEC_MUSIK;
}

void params_store_free(struct params_store *store)
{
	free(store->text);
	free(store->groups);
	*store = (struct params_store){0};
}

/* Strings are copied behind each other into one block that is long enough for all of them. */
static const char *keep(char **at, struct octets o)
{
	char *s = *at;
	memcpy(s, o.p, o.len);
	s[o.len] = '\0';
	*at += o.len + 1;
	return s;
}

static void groups_read(struct mikey_in *in, struct mcsec_key_params *params, struct params_store *store, char **text)
{
	struct mikey_in list = mikey_within(in, mikey_u16(in, "group list length"));
	uint8_t count = mikey_u8(&list, "group count");
	for (uint8_t i = 0; i < count && !list.r.err; i++) {
		mikey_u8(&list, "group IEI");
		struct octets uri = mikey_take(&list, mikey_u16(&list, "group ID length"), "group ID");
		mikey_require(&list, uri.len > 0 && utf8_valid(uri), uri.len, "a group ID that is not UTF-8 text");
		if (!list.r.err)
			store->groups[params->n_groups++] = keep(text, uri);
	}
	mikey_leave(in, &list);
	params->groups = store->groups;
}

static void plain_read(struct mikey_in *in, enum mcsec_key_kind kind, struct mcsec_key_params *params,
		       struct params_store *store)
{
	char *text = store->text;
	mikey_require(in, mikey_u8(in, "key type") == (uint8_t)kind, 1,
		      "the key type is not the purpose tag of the CSB ID");
	params->status = mikey_u32(in, "status");
	params->activation = rd_be(&in->r, 5);
	params->expiry = rd_be(&in->r, 5);
	struct octets name = mikey_take(in, mikey_u16(in, "text length"), "text");
	mikey_require(in, utf8_valid(name), name.len, "the key's name is not UTF-8 text");
	if (name.len && !in->r.err)
		params->text = keep(&text, name);
	if (params_has_groups(kind))
		groups_read(in, params, store, &text);
}

enum mcsec_err params_read(struct octets plain, size_t at, enum mcsec_key_kind kind, struct mcsec_key_params *params,
			   struct params_store *store, struct mcsec_fault *fault)
{
	struct mikey_in in = mikey_in_of(plain);
	*params = (struct mcsec_key_params){0};
	in.clause = CLAUSE;
	store->text = calloc(1, plain.len + GROUPS_MAX + 2);
	store->groups = calloc(GROUPS_MAX, sizeof *store->groups);
	if (!store->text || !store->groups) {
		*fault = (struct mcsec_fault){MCSEC_E_MEMORY, MCSEC_NO_OFFSET, CLAUSE, "no memory"};
		return MCSEC_E_MEMORY;
	}
	if (plain.len > 3 && ((size_t)plain.p[1] << 8 | plain.p[2]) == plain.len - 3)
		(void)rd_take(&in.r, 3);
	plain_read(&in, kind, params, store);
	if (!in.r.err)
		return MCSEC_OK;
	*fault = (struct mcsec_fault){MCSEC_E_BAD_PARAMS, at + in.r.err_at, CLAUSE,
				      in.code ? in.detail : "a field runs past the end"};
	return MCSEC_E_BAD_PARAMS;
}

enum mcsec_err params_judge(const struct mcsec_key_params *params, uint64_t message_time, uint64_t now,
			    const char **detail)
{
	uint64_t active = params->activation ? params->activation : message_time;
	*detail = NULL;
	if (MCX_FAULT(im.revoked, !(params->status & MCSEC_STATUS_NOT_REVOKED))) {
		*detail = "the key is revoked";
		return MCSEC_E_REVOKED;
	}
	if (MCX_FAULT(im.expires_before, params->expiry && params->expiry <= active))
		*detail = "the key expires before it becomes active";
	else if (MCX_FAULT(im.expired, params->expiry && params->expiry <= now))
		*detail = "the key has expired";
	return *detail ? MCSEC_E_BAD_PARAMS : MCSEC_OK;
}

static void plain_write(struct writer *w, enum mcsec_key_kind kind, const struct mcsec_key_params *params)
{
	size_t list = 1;
	wr_u8(w, (uint8_t)kind);
	wr_u32(w, params->status);
	wr_be(w, params->activation, 5);
	wr_be(w, params->expiry, 5);
	struct octets name = octets_of(params->text ? params->text : "");
	wr_u16(w, (uint16_t)name.len);
	wr_octets(w, name);
	if (!params_has_groups(kind))
		return;
	for (size_t i = 0; i < params->n_groups; i++)
		list += 3 + strlen(params->groups[i]);
	wr_u16(w, (uint16_t)list);
	wr_u8(w, (uint8_t)params->n_groups);
	for (size_t i = 0; i < params->n_groups; i++) {
		struct octets uri = octets_of(params->groups[i]);
		wr_u8(w, IEI_GROUP);
		wr_u16(w, (uint16_t)uri.len);
		wr_octets(w, uri);
	}
}

enum mcsec_err params_write(struct mikey_out *out, enum mcsec_key_kind kind, uint32_t csb_id,
			    const uint8_t key[MCSEC_KEY_LEN], const struct mcsec_key_params *params, uint64_t created,
			    const struct mcsec_rng *rng)
{
	struct protected_payload p = {
	    .type = PROTECTED_ENCRYPTED | 0x03, .date = created, .dppk_id = csb_id, .alg = PROTECTED_AES_128_GCM};
	uint8_t *plain;
	const uint64_t most = (UINT64_C(1) << 40) - 1;
	if (params->n_groups > (params_has_groups(kind) ? GROUPS_MAX : 0) || params->activation > most ||
	    params->expiry > most)
		return MCSEC_E_ARGUMENT;
	if (rng->fill(rng->ctx, p.iv, sizeof p.iv))
		return MCSEC_E_RANDOM;
	plain = malloc(MCSEC_IM_MAX);
	if (!plain)
		return MCSEC_E_MEMORY;
	struct writer w = wr_init(plain, MCSEC_IM_MAX);
	plain_write(&w, kind, params);
	enum mcsec_err err = w.err;
	if (!err) {
		uint8_t *length = mikey_gen_begin(out, MIKEY_GEN_PARAMS);
		err = protected_write(&out->w, &p, (struct octets){key, MCSEC_KEY_LEN}, wr_result(&w));
		mikey_gen_end(out, length);
	}
	mcsec_wipe(plain, MCSEC_IM_MAX);
	free(plain);
	return err;
}

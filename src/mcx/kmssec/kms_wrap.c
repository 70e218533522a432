/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_wrap.c - see kms_wrap.h. Both unwraps run for every key and one verdict follows, so that neither the time nor
 * the error tells a peer how far a forged value came.
 */
#include "mcx/kmssec/kms_wrap.h"

#include <stdlib.h>

#include "mcsec/kdf.h"
#include "mcsec/secret.h"
#include "sec/base/check.h"

enum mcsec_err kms_wrap(const uint8_t trk[KMS_TRK_LEN], unsigned flags, struct octets key, struct kms_enc_key *out)
{
	int padded = key.len % 8 != 0 || (flags & KMS_WRAP_PADDED);
	size_t len = padded ? MCSEC_WRAP_PAD_LEN(key.len) : key.len + 8;
	if (len > sizeof out->octets)
		return MCSEC_E_LENGTH;
	out->len = len;
	out->pad_uri = padded && (flags & KMS_WRAP_STRICT);
	return padded ? mcsec_key_wrap_pad(trk, KMS_TRK_LEN, key.p, key.len, out->octets)
		      : mcsec_key_wrap(trk, KMS_TRK_LEN, key.p, key.len, out->octets);
}

struct room {
	uint8_t plain[KMS_ENC_MAX], padded[KMS_ENC_MAX];
};

enum mcsec_err kms_unwrap(const uint8_t trk[KMS_TRK_LEN], const struct kms_enc_key *k, uint8_t *out, size_t len)
{
	struct room *r = mcsec_secret_alloc(sizeof *r);
	if (!r)
		return MCSEC_E_MEMORY;
	size_t padded_len = 0;
	int plain = mcsec_key_unwrap(trk, KMS_TRK_LEN, k->octets, k->len, r->plain) == MCSEC_OK && k->len == len + 8;
	int padded = mcsec_key_unwrap_pad(trk, KMS_TRK_LEN, k->octets, k->len, r->padded, &padded_len) == MCSEC_OK &&
		     padded_len == len;
	int opened = MCX_CHECK(kms.wrap, plain || padded);
	if (opened)
		memcpy(out, plain ? r->plain : r->padded, len);
	else
		mcsec_wipe(out, len);
	mcsec_secret_free(r);
	return opened ? MCSEC_OK : MCSEC_E_DECRYPT;
}

static struct octets clear_key(struct kms_key_set *set, unsigned which)
{
	if (which == KMS_SET_PVT)
		return OCTETS(set->pvt);
	return which == KMS_SET_RSK ? OCTETS(set->secret->rsk) : OCTETS(set->secret->ssk);
}

enum mcsec_err kms_key_set_wrap(struct kms_key_set *set, const uint8_t trk[KMS_TRK_LEN], const char *trk_id,
				unsigned flags)
{
	if (strlen(trk_id) >= KMS_KEY_ID_MAX)
		return MCSEC_E_LENGTH;
	set->wrapped = calloc(KMS_SET_KEYS, sizeof *set->wrapped);
	enum mcsec_err e = set->wrapped ? MCSEC_OK : MCSEC_E_MEMORY;
	for (unsigned i = 0; i < KMS_SET_KEYS && !e; i++) {
		strcpy(set->wrapped[i].key_name, trk_id);
		e = kms_wrap(trk, flags, clear_key(set, i), &set->wrapped[i]);
	}
	if (e) {
		free(set->wrapped);
		set->wrapped = NULL;
	}
	return e;
}

enum mcsec_err kms_key_set_unwrap(struct kms_key_set *set, kms_key_finder *find, void *ctx)
{
	enum mcsec_err e = MCSEC_OK;
	for (unsigned i = 0; set->wrapped && i < KMS_SET_KEYS && !e; i++) {
		const struct kms_enc_key *k = &set->wrapped[i];
		const uint8_t *trk = k->len ? find(ctx, k->key_name) : NULL;
		struct octets to = clear_key(set, i);
		if (k->len)
			e = trk ? kms_unwrap(trk, k, (uint8_t *)(uintptr_t)to.p, to.len) : MCSEC_E_NO_KEYS;
	}
	if (!e) {
		free(set->wrapped);
		set->wrapped = NULL;
	}
	return e;
}

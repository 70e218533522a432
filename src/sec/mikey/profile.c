/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - SRTP policies: the default of each kind of key, and an SP payload read against what we carry out
 * (TS 33.180 E.2.2, E.3.2, E.4.2; RFC 3830 6.10; RFC 4771 4; RFC 7714).
 *
 * What we carry out is AES-GCM with a 12-octet salt and a 16-octet tag, keys of 16 or 32 octets, and for SRTP the
 * ROC in a 4-octet tag (RCCm3) or none. An SP payload is taken whole: what it leaves out has the value AES-GCM needs.
 */
#include "sec/mikey/message.h"

enum {
	ENCR = 0,
	KEY_LEN = 1,
	AUTH = 2,
	AUTH_KEY_LEN = 3,
	SALT_LEN = 4,
	PRF = 5,
	KDR = 6,
	SRTP_ENCR = 7,
	SRTCP_ENCR = 8,
	FEC = 9,
	SRTP_AUTH = 10,
	PREFIX = 12,
	ROC_RATE = 13,
	SRTP_TAG = 18,
	SRTCP_TAG = 19,
	AEAD_TAG = 20
};
enum { AES_GCM = 6, RCCM3 = 4, NO_AUTH = 0, ROC_LEN = 4, TAG_LEN = 16 };

enum mcsec_err mcsec_profile_default(enum mcsec_key_kind kind, struct mcsec_profile *out)
{
	*out = (struct mcsec_profile){0};
	if ((unsigned)kind >= MCSEC_KEY_KINDS)
		return MCSEC_E_ARGUMENT;
	out->encryption = AES_GCM;
	out->key_len = 16;
	out->salt_len = MCSEC_SRTP_SALT;
	out->aead_tag_len = TAG_LEN;
	if (kind == MCSEC_GMK) {
		out->authentication = RCCM3;
		out->roc_rate = 1;
		out->srtp_tag_len = ROC_LEN;
	}
	return MCSEC_OK;
}

static uint32_t value(const struct mikey_sp *sp, int type, uint32_t absent)
{
	return sp->present >> type & 1 ? sp->value[type] : absent;
}

const char *profile_from_sp(const struct mikey_sp *sp, struct mcsec_profile *out)
{
	uint32_t auth = value(sp, AUTH, NO_AUTH), key_len = value(sp, KEY_LEN, 16);
	uint32_t roc_rate = value(sp, ROC_RATE, auth == RCCM3), tag = value(sp, SRTP_TAG, auth == RCCM3 ? ROC_LEN : 0);
	*out = (struct mcsec_profile){0};
	if (sp->prot_type != 0)
		return "the policy is not one for SRTP";
	if (!(sp->present & 1) || sp->value[ENCR] != AES_GCM)
		return "the policy's encryption is not AES-GCM";
	if (key_len != 16 && key_len != 32)
		return "the policy's key length is not 16 or 32";
	if (auth != NO_AUTH && auth != RCCM3)
		return "the policy's authentication is neither none nor RCCm3";
	if (value(sp, SALT_LEN, MCSEC_SRTP_SALT) != MCSEC_SRTP_SALT)
		return "the policy's salt length is not 12";
	if (value(sp, PRF, 0) != 0 || value(sp, KDR, 0) != 0)
		return "the policy's key derivation is not AES-CM with rate 0";
	if (!value(sp, SRTP_ENCR, 1) || !value(sp, SRTCP_ENCR, 1) || !value(sp, SRTP_AUTH, 1))
		return "the policy switches protection off";
	if (value(sp, FEC, 0) != 0 || value(sp, PREFIX, 0) != 0)
		return "the policy asks for FEC order or prefix";
	if (auth == RCCM3 ? roc_rate == 0 || roc_rate > UINT16_MAX || tag != ROC_LEN : tag != 0)
		return "the policy's ROC tag contradicts its authentication";
	if (value(sp, SRTCP_TAG, 0) != 0 || value(sp, AEAD_TAG, TAG_LEN) != TAG_LEN)
		return "the policy's tag lengths are not those of AES-GCM";
	out->encryption = AES_GCM;
	out->key_len = (uint8_t)key_len;
	out->authentication = (uint8_t)auth;
	out->salt_len = MCSEC_SRTP_SALT;
	out->roc_rate = auth == RCCM3 ? (uint16_t)roc_rate : 0;
	out->srtp_tag_len = (uint8_t)tag;
	out->aead_tag_len = TAG_LEN;
	return NULL;
}

static void set(struct mikey_sp *sp, int type, uint32_t v)
{
	sp->present |= UINT32_C(1) << type;
	sp->value[type] = v;
}

void profile_to_sp(const struct mcsec_profile *profile, uint8_t policy, struct mikey_sp *out)
{
	*out = (struct mikey_sp){.policy = policy};
	set(out, ENCR, profile->encryption);
	set(out, KEY_LEN, profile->key_len);
	set(out, SALT_LEN, profile->salt_len);
	set(out, PRF, profile->prf);
	set(out, KDR, profile->kdr);
	set(out, AEAD_TAG, profile->aead_tag_len);
	if (profile->authentication == NO_AUTH)
		return;
	set(out, AUTH, profile->authentication);
	set(out, ROC_RATE, profile->roc_rate);
	set(out, SRTP_TAG, profile->srtp_tag_len);
	set(out, SRTCP_TAG, profile->srtcp_tag_len);
}

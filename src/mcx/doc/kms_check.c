/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_check.c - what must hold before a certificate or a key set is used (kms.md 8.4, 8.5; crypto.md 4). Pure.
 *
 * Cheap checks come first; the curve arithmetic of mcsec_kms_new and mcsec_keyset_new is last and decides.
 */
#include "mcsec/secret.h"
#include "mcx/doc/kms_doc.h"
#include "sec/base/check.h"

static enum mcsec_err refuse(struct kms_fault *f, enum mcsec_err code, const char *element, const char *detail)
{
	*f = (struct kms_fault){.code = code, .detail = detail};
	strncpy(f->element, element, sizeof f->element - 1);
	return code;
}

static enum mcsec_err check_form(const struct kms_certificate *c, struct kms_fault *f)
{
	if (MCX_FAULT(doc.parameter_set, c->parameter_set != 1))
		return refuse(f, MCSEC_E_UNSUPPORTED, "ParameterSet", "not SAKKE parameter set 1");
	if (MCX_FAULT(doc.user_id_format, strcmp(c->user_id_format, "2") != 0))
		return refuse(f, MCSEC_E_UNSUPPORTED, "UserIdFormat", "not format 2");
	if (MCX_FAULT(doc.period, c->periods.period == 0))
		return refuse(f, MCSEC_E_VALUE, "UserKeyPeriod", "zero");
	if (MCX_FAULT(doc.offset, c->periods.offset >= c->periods.period))
		return refuse(f, MCSEC_E_VALUE, "UserKeyOffset", "not below the period");
	return MCSEC_OK;
}

static enum mcsec_err check_validity(const struct kms_certificate *c, int64_t now, struct kms_fault *f)
{
	if (MCX_FAULT(doc.revoked, c->revoked))
		return refuse(f, MCSEC_E_REVOKED, "Revoked", "the certificate is revoked");
	if (MCX_FAULT(doc.not_yet, c->valid_from != KMS_NO_TIME && now < c->valid_from))
		return refuse(f, MCSEC_E_BAD_TIME, "ValidFrom", "the certificate is not valid yet");
	if (MCX_FAULT(doc.expired, c->valid_to != KMS_NO_TIME && now >= c->valid_to))
		return refuse(f, MCSEC_E_BAD_TIME, "ValidTo", "the certificate has expired");
	return MCSEC_OK;
}

static enum mcsec_err check_place(const struct kms_certificate *c, enum kms_role role, const char *kms_uri,
				  const char *home_uri, struct kms_fault *f)
{
	if (MCX_FAULT(doc.role, c->role != role))
		return refuse(f, MCSEC_E_VALUE, "Role", "another role than this request gives");
	if (MCX_FAULT(doc.kms, strcmp(c->kms_uri, kms_uri) != 0))
		return refuse(f, MCSEC_E_VALUE, "KmsUri", "another KMS than the one asked for");
	if (MCX_FAULT(doc.home, role == KMS_ROLE_EXTERNAL && strcmp(c->kms_uri, home_uri) == 0))
		return refuse(f, MCSEC_E_VALUE, "KmsUri", "the home KMS is never external");
	return MCSEC_OK;
}

enum mcsec_err kms_certificate_check(const struct kms_certificate *c, enum kms_role role, const char *kms_uri,
				     const char *home_uri, int64_t now, struct mcsec_kms **out, struct kms_fault *f)
{
	*f = (struct kms_fault){.detail = ""};
	enum mcsec_err e = check_form(c, f);
	if (!e)
		e = check_place(c, role, kms_uri, home_uri, f);
	if (!e)
		e = check_validity(c, now, f);
	if (e)
		return e;
	struct mcsec_kms *kms = NULL;
	e = mcsec_kms_new(&kms, c->pub_auth_key, c->pub_enc_key);
	if (e)
		return refuse(f, e, "PubEncKey", "PubEncKey or PubAuthKey is not a valid public key");
	if (out)
		*out = kms;
	else
		mcsec_kms_free(kms);
	return MCSEC_OK;
}

static enum mcsec_err check_belonging(const struct kms_key_set *s, const struct kms_certificate *c,
				      const char *user_uri, struct kms_fault *f)
{
	if (MCX_FAULT(doc.set_user, strcmp(s->user_uri, user_uri) != 0))
		return refuse(f, MCSEC_E_KEY_SET, "UserUri", "keys of another identity");
	if (MCX_FAULT(doc.set_kms, strcmp(s->kms_uri, c->kms_uri) != 0))
		return refuse(f, MCSEC_E_KEY_SET, "KmsUri", "keys of another KMS than the certificate");
	if (MCX_FAULT(doc.set_certificate, s->cert_uri[0] && c->cert_uri[0] && strcmp(s->cert_uri, c->cert_uri) != 0))
		return refuse(f, MCSEC_E_KEY_SET, "CertUri", "keys of another certificate");
	if (MCX_FAULT(doc.set_revoked, s->revoked))
		return refuse(f, MCSEC_E_REVOKED, "Revoked", "the key set is revoked");
	return MCSEC_OK;
}

enum mcsec_err kms_key_set_check(const struct kms_key_set *s, const struct kms_certificate *c, struct mcsec_kms *kms,
				 const char *user_uri, struct mcsec_keyset **out, struct kms_fault *f)
{
	uint8_t uid[MCSEC_UID_LEN];
	*f = (struct kms_fault){.detail = ""};
	*out = NULL;
	if (s->wrapped)
		return refuse(f, MCSEC_E_UNSUPPORTED, "UserDecryptKey",
			      "the key is wrapped and we hold no transport key");
	enum mcsec_err e = check_belonging(s, c, user_uri, f);
	if (e)
		return e;
	if (MCX_FAULT(doc.set_uid, mcsec_uid(s->user_uri, s->kms_uri, &c->periods, s->period_no, uid) ||
				       !mcsec_equal(uid, s->uid, sizeof uid)))
		return refuse(f, MCSEC_E_KEY_SET, "UserID",
			      "uid_mismatch: the UID is not the one of this identity and period");
	e = mcsec_keyset_new(out, kms, uid, sizeof uid, s->secret->ssk, s->pvt, s->secret->rsk);
	if (e)
		return refuse(f, e, "KmsKeySet", "the keys are not what this KMS issued to this identity");
	return MCSEC_OK;
}

int kms_certificate_same_domain(const struct kms_certificate *a, const struct kms_certificate *b)
{
	return strcmp(a->kms_uri, b->kms_uri) == 0 &&
	       memcmp(a->pub_enc_key, b->pub_enc_key, sizeof a->pub_enc_key) == 0 &&
	       memcmp(a->pub_auth_key, b->pub_auth_key, sizeof a->pub_auth_key) == 0 &&
	       a->periods.period == b->periods.period && a->periods.offset == b->periods.offset;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_extcert.c - the officers' hands on certificates of other domains (kms.md 15.1 MCSEC-1.7-1, 15A row 13).
 *
 * One officer imports the partner's KmsCertificate and compares the fingerprint with the partner by another way;
 * another officer permits it: nobody can do both. Suspending and revoking are urgent and need one officer. A revoked
 * certificate never comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "kms/admin_call.h"
#include "sec/base/text.h"

static json_t *ext_json(const struct kms_ext_cert *x)
{
	char hex[HEX_SIZE(KMS_FINGERPRINT)];
	hex_encode(OCTETS(x->fingerprint), hex);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "fingerprint", hex, "kms_uri", x->cert.kms_uri,
			 "cert_uri", x->cert.cert_uri, "state", kms_ext_state_name(x->state), "imported",
			 (json_int_t)x->imported, "imported_by", x->imported_by, "approved_by", x->approved_by);
}

static void add_to_list(void *list, const struct kms_ext_cert *x)
{
	json_array_append_new(list, ext_json(x));
}

void admin_list_extcerts(struct call *c)
{
	int64_t num = 0;
	json_t *list = json_array();
	enum store_err e = kms_db_ext_each(c->db, 1, &num, add_to_list, list);
	if (!e)
		e = admin_record(c, "admin.read", NULL, NULL);
	if (!e) {
		admin_json(c, 200, json_pack("{s:I, s:o}", "cache_num", (json_int_t)num, "certificates", list));
		return;
	}
	json_decref(list);
	admin_store_failed(c, e);
}

/* The partner's own certificate says Root, one that came from elsewhere External: for us it is external. */
static int read_certificate(struct call *c, struct kms_ext_cert *x)
{
	struct kms_response doc;
	struct kms_fault f = {.detail = "not one KmsCertificate"};
	int ok = !kms_response_read(&doc, KMS_ROOT_PART | KMS_ROOT_RESPONSE, c->rq->body, &f);
	if (ok) {
		ok = doc.n_certs == 1;
		if (ok)
			x->cert = doc.certs[0];
		kms_response_free(&doc);
	}
	x->cert.role = KMS_ROLE_EXTERNAL;
	ok = ok && !kms_certificate_check(&x->cert, KMS_ROLE_EXTERNAL, x->cert.kms_uri, c->kms->config->uri,
					  c->kms->now(), NULL, &f);
	if (!ok) {
		char detail[160];
		snprintf(detail, sizeof detail, "%s %s", f.element, f.detail);
		admin_error(c->rs, 400, "certificate", detail);
	}
	return ok && !kms_fingerprint(&x->cert, x->fingerprint);
}

static enum store_err import(struct call *c, struct kms_ext_cert *x, int *known)
{
	char hex[HEX_SIZE(KMS_FINGERPRINT)];
	hex_encode(OCTETS(x->fingerprint), hex);
	enum store_err e = store_begin(c->db->store);
	if (!e)
		e = kms_db_ext(c->db, x->fingerprint, x);
	*known = e == STORE_ROW;
	if (e == STORE_OK)
		e = kms_db_ext_put(c->db, x);
	if (e == STORE_OK || *known)
		e = admin_record(c, "kms.domain.propose", "fingerprint", hex);
	return e ? e : store_commit(c->db->store);
}

void admin_import_extcert(struct call *c)
{
	int known = 0;
	struct kms_ext_cert *x = calloc(1, sizeof *x);
	if (!x) {
		admin_error(c->rs, 503, "memory", "no memory");
		return;
	}
	if (read_certificate(c, x)) {
		x->imported = c->kms->now();
		snprintf(x->imported_by, sizeof x->imported_by, "%s", c->rq->cert->subject);
		snprintf(c->arg, sizeof c->arg, "%s", x->cert.kms_uri); /* what the record is about */
		enum store_err e = import(c, x, &known);
		if (e)
			admin_store_failed(c, e);
		else
			admin_json(c, known ? 200 : 201, ext_json(x));
	}
	free(x);
}

/* ---- permit, suspend, revoke
 * --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum kms_ext_state to;
	unsigned from; /* bits of states */
	const char *type;
} actions[] = {
    {"permit", KMS_EXT_PERMITTED, 1 << KMS_EXT_PROPOSED | 1 << KMS_EXT_PERMITTED | 1 << KMS_EXT_SUSPENDED,
     "kms.domain.add"},
    {"suspend", KMS_EXT_SUSPENDED, 1 << KMS_EXT_PERMITTED | 1 << KMS_EXT_SUSPENDED, "kms.domain.remove"},
    {"revoke", KMS_EXT_REVOKED,
     1 << KMS_EXT_PROPOSED | 1 << KMS_EXT_PERMITTED | 1 << KMS_EXT_SUSPENDED | 1 << KMS_EXT_REVOKED,
     "kms.domain.remove"},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* 1, or 0 and answered. */
static int may_change(struct call *c, size_t i, const struct kms_ext_cert *x)
{
	if (!(actions[i].from >> x->state & 1)) {
		admin_error(c->rs, 409, "state", kms_ext_state_name(x->state));
		return 0;
	}
	if (actions[i].to == KMS_EXT_PERMITTED && strcmp(x->imported_by, c->rq->cert->subject) == 0) {
		admin_error(c->rs, 403, "two-persons", "another officer than the one who imported it must permit it");
		return 0;
	}
	return 1;
}

static void change(struct call *c, size_t i, struct kms_ext_cert *x)
{
	char fingerprint[HEX_SIZE(KMS_FINGERPRINT)];
	memcpy(fingerprint, c->arg, sizeof fingerprint);
	enum store_err e = store_begin(c->db->store);
	if (!e)
		e = kms_db_ext(c->db, x->fingerprint, x);
	if (e == STORE_OK) {
		admin_error(c->rs, 404, "unknown", "no certificate with this fingerprint");
		return;
	}
	if (e == STORE_ROW) {
		if (!may_change(c, i, x))
			return;
		x->state = actions[i].to;
		if (x->state == KMS_EXT_PERMITTED)
			snprintf(x->approved_by, sizeof x->approved_by, "%s", c->rq->cert->subject);
		snprintf(c->arg, sizeof c->arg, "%s", x->cert.kms_uri);
		e = kms_db_ext_put(c->db, x);
	}
	if (!e)
		e = admin_record(c, actions[i].type, "fingerprint", fingerprint);
	if (!e)
		e = store_commit(c->db->store);
	if (e)
		admin_store_failed(c, e);
	else
		admin_json(c, 200, ext_json(x));
}

void admin_change_extcert(struct call *c)
{
	size_t i = 0, n = 0;
	struct kms_ext_cert *x = calloc(1, sizeof *x);
	while (i < ACTIONS && strcmp(actions[i].name, c->action) != 0)
		i++;
	if (!x)
		admin_error(c->rs, 503, "memory", "no memory");
	else if (i == ACTIONS)
		admin_error(c->rs, 404, "unknown", "permit, suspend or revoke");
	else if (hex_decode(c->arg, strlen(c->arg), x->fingerprint, KMS_FINGERPRINT, &n) || n != KMS_FINGERPRINT)
		admin_error(c->rs, 400, "fingerprint", "64 hex digits");
	else
		change(c, i, x);
	free(x);
}

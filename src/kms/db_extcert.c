/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_extcert.c - certificates of other domains and the number of the set that is served (kms.md 7.5, 15.1).
 *
 * Served are the permitted ones and the revoked ones, the latter with Revoked=true. The number grows by one in the
 * transaction that changes the served set: it is stored, not counted, so that an exchange of one certificate for
 * another is seen.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "kms/db.h"

static const char *const state_names[] = {"proposed", "permitted", "suspended", "revoked"};

const char *kms_ext_state_name(enum kms_ext_state s)
{
	return state_names[s];
}

enum mcsec_err kms_fingerprint(const struct kms_certificate *c, uint8_t out[KMS_FINGERPRINT])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(md, c->pub_enc_key, sizeof c->pub_enc_key) &&
		 EVP_DigestUpdate(md, c->pub_auth_key, sizeof c->pub_auth_key) &&
		 EVP_DigestUpdate(md, c->kms_uri, strlen(c->kms_uri)) && EVP_DigestFinal_ex(md, out, NULL);
	EVP_MD_CTX_free(md);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

static int is_served(enum kms_ext_state s)
{
	return s == KMS_EXT_PERMITTED || s == KMS_EXT_REVOKED;
}

/* ---- rows
 * ------------------------------------------------------------------------------------------------------------------ */

#define COLUMNS "fingerprint, state, imported, imported_by, approved_by, certificate"

static enum store_err read_row(struct store_stmt *st, struct kms_ext_cert *out)
{
	struct octets fingerprint = store_blob(st, 0);
	size_t state = 0;
	while (state < 4 && strcmp(state_names[state], store_text(st, 1)) != 0)
		state++;
	if (fingerprint.len != KMS_FINGERPRINT || state == 4)
		return STORE_BROKEN;
	memcpy(out->fingerprint, fingerprint.p, KMS_FINGERPRINT);
	out->state = (enum kms_ext_state)state;
	out->imported = store_int(st, 2);
	snprintf(out->imported_by, sizeof out->imported_by, "%s", store_text(st, 3));
	snprintf(out->approved_by, sizeof out->approved_by, "%s", store_text(st, 4));
	enum store_err e = kms_db_certificate(store_blob(st, 5), &out->cert);
	out->cert.role = KMS_ROLE_EXTERNAL;
	out->cert.revoked = out->state == KMS_EXT_REVOKED;
	return e;
}

enum store_err kms_db_ext(struct kms_db *db, const uint8_t fingerprint[KMS_FINGERPRINT], struct kms_ext_cert *out)
{
	struct store_stmt *st = store_sql(db->store, "SELECT " COLUMNS " FROM ext_cert WHERE fingerprint=?");
	store_bind_blob(st, 1, (struct octets){fingerprint, KMS_FINGERPRINT});
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		e = read_row(st, out);
	store_reset(st);
	return e;
}

static enum store_err insert(struct kms_db *db, const struct kms_ext_cert *x)
{
	uint8_t *xml = malloc(KMS_CERTIFICATE_BOUND);
	if (!xml)
		return STORE_FULL;
	struct writer w = wr_init(xml, KMS_CERTIFICATE_BOUND);
	kms_certificate_write(&w, &x->cert);
	struct store_stmt *st =
	    store_sql(db->store, "INSERT INTO ext_cert(fingerprint, kms_uri, cert_uri, certificate, state,"
				 " imported, imported_by, approved_by) VALUES(?,?,?,?,?,?,?,?)");
	store_bind_blob(st, 1, OCTETS(x->fingerprint));
	store_bind_text(st, 2, x->cert.kms_uri);
	store_bind_text(st, 3, x->cert.cert_uri);
	store_bind_blob(st, 4, wr_result(&w));
	store_bind_text(st, 5, state_names[x->state]);
	store_bind_int(st, 6, x->imported);
	store_bind_text(st, 7, x->imported_by);
	store_bind_text(st, 8, x->approved_by);
	enum store_err e = w.err ? STORE_BROKEN : store_step(st);
	free(xml);
	return e;
}

static enum store_err update(struct kms_db *db, const struct kms_ext_cert *x)
{
	struct store_stmt *st = store_sql(db->store, "UPDATE ext_cert SET state=?, approved_by=? WHERE fingerprint=?");
	store_bind_text(st, 1, state_names[x->state]);
	store_bind_text(st, 2, x->approved_by);
	store_bind_blob(st, 3, OCTETS(x->fingerprint));
	return store_step(st);
}

/* One KMS has one permitted certificate: a newly permitted one takes the place of the old (kms.md 8.4). */
static enum store_err displace(struct kms_db *db, const struct kms_ext_cert *x)
{
	struct store_stmt *st =
	    store_sql(db->store, "UPDATE ext_cert SET state='suspended' WHERE state='permitted' AND "
				 "(kms_uri=? OR (cert_uri<>'' AND cert_uri=?)) AND fingerprint<>?");
	store_bind_text(st, 1, x->cert.kms_uri);
	store_bind_text(st, 2, x->cert.cert_uri);
	store_bind_blob(st, 3, OCTETS(x->fingerprint));
	return store_step(st);
}

enum store_err kms_db_ext_put(struct kms_db *db, const struct kms_ext_cert *x)
{
	struct kms_ext_cert *old = malloc(sizeof *old);
	if (!old)
		return STORE_FULL;
	enum store_err e = kms_db_ext(db, x->fingerprint, old);
	int was_served = e == STORE_ROW && is_served(old->state), changed = e != STORE_ROW || old->state != x->state;
	free(old);
	if (e == STORE_ROW)
		e = update(db, x);
	else if (e == STORE_OK)
		e = insert(db, x);
	if (!e && x->state == KMS_EXT_PERMITTED)
		e = displace(db, x);
	if (!e && changed && (was_served || is_served(x->state)))
		e = store_run(db->store, "UPDATE cache SET num=num+1 WHERE id=1");
	return e;
}

/* ---- what is served
 * ---------------------------------------------------------------------------------------------------------- */

static enum store_err read_number(struct kms_db *db, int64_t *out)
{
	struct store_stmt *st = store_sql(db->store, "SELECT num FROM cache WHERE id=1");
	enum store_err e = store_step(st);
	if (e == STORE_ROW)
		*out = store_int(st, 0);
	store_reset(st);
	return e == STORE_ROW ? STORE_OK : e ? e : STORE_BROKEN;
}

static enum store_err read_each(struct kms_db *db, int all, void (*each)(void *ctx, const struct kms_ext_cert *x),
				void *ctx)
{
	struct kms_ext_cert *x = malloc(sizeof *x);
	struct store_stmt *st = store_sql(db->store, "SELECT " COLUMNS " FROM ext_cert WHERE ? OR state IN "
						     "('permitted','revoked') ORDER BY imported, fingerprint LIMIT ?");
	store_bind_int(st, 1, all);
	store_bind_int(st, 2, KMS_MAX_CERTS);
	enum store_err e = x ? store_step(st) : STORE_FULL;
	while (e == STORE_ROW) {
		e = read_row(st, x);
		if (e == STORE_ROW) {
			each(ctx, x);
			e = store_step(st);
		}
	}
	store_reset(st);
	free(x);
	return e;
}

enum store_err kms_db_ext_each(struct kms_db *db, int all, int64_t *cache_num,
			       void (*each)(void *ctx, const struct kms_ext_cert *x), void *ctx)
{
	enum store_err e = store_run(db->store, "BEGIN");
	if (!e)
		e = read_number(db, cache_num);
	if (!e)
		e = read_each(db, all, each, ctx);
	store_rollback(db->store);
	return e;
}

enum store_err kms_db_external(struct kms_db *db, const char *kms_uri, struct kms_certificate *out)
{
	struct kms_ext_cert *x = malloc(sizeof *x);
	struct store_stmt *st = store_sql(db->store, "SELECT " COLUMNS " FROM ext_cert WHERE kms_uri=? AND state IN "
						     "('permitted','revoked') ORDER BY state, imported DESC LIMIT 1");
	store_bind_text(st, 1, kms_uri);
	enum store_err e = x ? store_step(st) : STORE_FULL;
	if (e == STORE_ROW)
		e = read_row(st, x);
	if (e == STORE_ROW)
		*out = x->cert;
	store_reset(st);
	free(x);
	return e;
}

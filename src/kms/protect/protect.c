/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protect.c - see protect.h.
 *
 * An unknown key, another user's key and a wrong MAC get the same answer after the same work. A key that a request
 * names, or is signed under, is known to its client: if it was pending it becomes active, durably, before anything is
 * answered. Of new keys a client hears again and again until it names them.
 */
#include "kms/protect/protect.h"

#include <stdio.h>

#include <openssl/evp.h>

#include "app/log.h"
#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_sign.h"
#include "mcx/kmssec/kms_wrap.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

enum { DAY_S = 86400 };

struct slot {
	struct tkey row; /* row.id "" : none */
	uint8_t key[KMS_TRK_LEN];
};

struct protection {
	struct slot signer;           /* of the request */
	struct slot wrap, sign;       /* of the answer */
	struct slot new_trk, new_ink; /* to be handed out */
	int named;                    /* the request named a key: the answer does too */
};

static int is_on(const struct exchange *x)
{
	return strcmp(x->kms->config->protect, "off") != 0;
}

static int refuse(struct exchange *x, enum kms_refusal what, const char *about)
{
	kms_refuse(x, what, about);
	return 0;
}

static struct protection *protection_of(struct exchange *x)
{
	if (!x->protection)
		x->protection = mcsec_secret_alloc(sizeof *x->protection);
	return x->protection;
}

void protect_free(struct exchange *x)
{
	mcsec_secret_free(x->protection);
	x->protection = NULL;
}

/* ---- the table, one connection at a time ---- */

static enum store_err open_row(const struct exchange *x, struct slot *s)
{
	if (!transport_seal_unseal(x->kms->seal, s->row.id, s->row.user, OCTETS(s->row.sealed), s->key))
		return STORE_ROW;
	log_error("kms.transport-key", log_text("id", s->row.id), log_text("why", "does not open"));
	s->row.id[0] = 0;
	return STORE_BROKEN;
}

/* The caller's key of this name. */
static enum store_err by_id(const struct exchange *x, struct kms_db *db, const char *id, struct slot *s)
{
	enum store_err e = tkey_by_id(db, id, x->now, &s->row);
	if (e == STORE_ROW && !kms_caller_owns(&x->caller, s->row.user)) {
		s->row.id[0] = 0;
		return STORE_OK;
	}
	return e == STORE_ROW ? open_row(x, s) : e;
}

static enum store_err of_caller(const struct exchange *x, struct kms_db *db, enum tkey_kind kind, struct slot *s)
{
	enum store_err e = tkey_of_user(db, kms_caller_uri(x), kind, TKEY_ACTIVE, x->now, &s->row);
	for (size_t i = 0; i < x->caller.n && e == STORE_OK; i++)
		e = tkey_of_user(db, x->caller.identity[i], kind, TKEY_ACTIVE, x->now, &s->row);
	return e == STORE_ROW ? open_row(x, s) : e;
}

static enum store_err record(struct exchange *x, struct kms_db *db, const char *type, const struct tkey *k)
{
	struct audit_record r = kms_record(x, AUDIT_OK);
	r.type = type;
	r.target = k->user;
	audit_detail(&r, "key-id", k->id);
	return audit_append(db->audit, &r, kms_now_ns());
}

/* Looked at once more in the transaction: another request may have been first. */
static enum store_err activate(struct exchange *x, struct kms_db *db, struct slot *s)
{
	if (!s->row.id[0] || s->row.state != TKEY_PENDING)
		return STORE_OK;
	enum store_err e = store_begin(db->store);
	if (!e)
		e = tkey_by_id(db, s->row.id, x->now, &s->row);
	int pending = e == STORE_ROW && s->row.state == TKEY_PENDING;
	if (e == STORE_ROW)
		e = pending ? tkey_activate(db, &s->row, x->now) : STORE_OK;
	if (!e && pending)
		e = record(x, db, "kms.transport-key.activate", &s->row);
	if (!e)
		e = store_commit(db->store);
	store_rollback(db->store);
	if (!e && pending)
		s->row.state = TKEY_ACTIVE;
	return e;
}

static enum store_err make(struct exchange *x, struct kms_db *db, const char *user, enum tkey_kind kind, struct slot *s)
{
	enum store_err e = store_begin(db->store);
	if (!e)
		e = tkey_make(db, x->kms->seal, user, kind, 0, x->now, &s->row, s->key);
	if (!e)
		e = record(x, db, "kms.transport-key.give", &s->row);
	if (!e)
		e = store_commit(db->store);
	store_rollback(db->store);
	if (e)
		s->row.id[0] = 0;
	return e;
}

/* ---- the request's signature ---- */

static enum store_err remember(struct exchange *x, struct kms_db *db, const struct kms_signature *s)
{
	uint8_t octets[KMS_KEY_ID_MAX + DSIG_VALUE_MAX], hash[32];
	unsigned n = sizeof hash;
	struct writer w = wr_init(octets, sizeof octets);
	wr_text(&w, s->key_name);
	wr_octets(&w, (struct octets){s->dsig.value, s->dsig.value_len});
	if (w.err || EVP_Digest(octets, wr_len(&w), hash, &n, EVP_sha256(), NULL) != 1)
		return STORE_BROKEN;
	return tkey_replay(db, hash, x->now, x->now + 2 * x->kms->config->time_tolerance);
}

/* Without a key to verify with, one that is nobody's: the work is the same. */
static int holds(const struct kms_signature *s, const struct slot *key)
{
	int good = kms_signature_verify(s, key->key) == MCSEC_OK;
	return good && key->row.id[0];
}

static int check_signature(struct exchange *x, struct kms_db *db, const struct kms_signature *s, enum store_err *e)
{
	struct slot *signer = &x->protection->signer;
	*e = by_id(x, db, s->key_name, signer);
	if (*e != STORE_OK && *e != STORE_ROW)
		return 0;
	*e = STORE_OK;
	if (!signer->row.id[0] && mcsec_rng_system.fill(mcsec_rng_system.ctx, signer->key, sizeof signer->key))
		return refuse(x, KMS_R_INTERNAL, NULL);
	if (MCX_FAULT(kms.signature, !holds(s, signer)))
		return refuse(x, KMS_R_BAD_SIGNATURE, NULL);
	*e = remember(x, db, s);
	int seen = *e == STORE_CONFLICT;
	if (seen)
		*e = STORE_OK;
	if (MCX_FAULT(kms.replay, seen))
		return refuse(x, KMS_R_REPLAY, NULL);
	if (!*e)
		*e = activate(x, db, signer);
	return !*e;
}

int protect_signature(struct exchange *x, struct _xmlDoc *doc)
{
	struct kms_signature s;
	struct kms_fault f = {0};
	unsigned flags = x->kms->config->rel13_hmac128 ? KMS_SIGN_HMAC128 : 0;
	if (!is_on(x) || kms_signature_of(&s, doc, flags, &f)) {
		log_warn("kms.bad-signature", log_text("why", is_on(x) ? f.detail : "protect is off"));
		return refuse(x, KMS_R_BAD_SIGNATURE, NULL);
	}
	if (!protection_of(x))
		return refuse(x, KMS_R_INTERNAL, NULL);
	enum store_err e;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	int ok = db && check_signature(x, db, &s, &e);
	if (db)
		kms_pool_give(x->kms->pool, db, e);
	if (e)
		kms_refuse_store(x, e, "transport keys");
	return ok;
}

int protect_unsigned(struct exchange *x)
{
	int wanted = is_on(x) && x->kms->config->require_signed_request;
	return MCX_CHECK(kms.signed, !wanted) || refuse(x, KMS_R_SIGNATURE_REQUIRED, NULL);
}

/* ---- the keys of the answer ---- */

static int is_told(const struct exchange *x)
{
	return x->op == KMS_OP_INIT || x->op == KMS_OP_KEYPROV;
}

/* What the client shall learn: keys that wait for it, an InK it lacks, a TrK in the place of one that is too old. */
static enum store_err choose_new(struct exchange *x, struct kms_db *db)
{
	struct protection *p = x->protection;
	const struct kms_config *c = x->kms->config;
	enum store_err e = STORE_OK;
	struct tkey have;
	if (!is_told(x) || !p->wrap.row.id[0])
		return e;
	const char *user = p->wrap.row.user;
	int aged = c->transport_roll_days && x->now - p->wrap.row.created >= c->transport_roll_days * DAY_S;
	e = tkey_of_user(db, user, TKEY_TRK, TKEY_PENDING, x->now, &have);
	if (e == STORE_ROW || (!e && aged && p->wrap.row.state == TKEY_ACTIVE))
		e = make(x, db, user, TKEY_TRK, &p->new_trk);
	if (e || strcmp(c->protect, "trk+ink") != 0)
		return e;
	e = tkey_of_user(db, user, TKEY_INK, TKEY_ACTIVE, x->now, &have);
	aged = e == STORE_ROW && c->transport_roll_days && x->now - have.created >= c->transport_roll_days * DAY_S;
	if (e == STORE_OK || aged)
		return make(x, db, user, TKEY_INK, &p->new_ink);
	if (e == STORE_ROW)
		e = tkey_of_user(db, user, TKEY_INK, TKEY_PENDING, x->now, &have);
	return e == STORE_ROW ? make(x, db, user, TKEY_INK, &p->new_ink) : e;
}

static enum store_err choose_signer(struct exchange *x, struct kms_db *db)
{
	struct protection *p = x->protection;
	enum store_err e = STORE_OK;
	if (p->signer.row.id[0])
		p->sign = p->signer; /* the client verifies with the key it signs with */
	else if (strcmp(x->kms->config->protect, "trk+ink") == 0)
		e = of_caller(x, db, TKEY_INK, &p->sign);
	if ((e == STORE_OK || e == STORE_ROW) && !p->sign.row.id[0])
		p->sign = p->wrap;
	return e == STORE_ROW ? STORE_OK : e;
}

/* The caller's key of this name into *s; *e is STORE_OK also when there is none. 1 if there is one. */
static int find(const struct exchange *x, struct kms_db *db, const char *id, struct slot *s, enum store_err *e)
{
	*e = by_id(x, db, id, s);
	int found = *e == STORE_ROW;
	if (found)
		*e = STORE_OK;
	return found;
}

static int names_known_trk(struct exchange *x, struct kms_db *db, enum store_err *e)
{
	struct slot *wrap = &x->protection->wrap;
	if (!x->request.trk_id[0])
		return 1;
	int known = find(x, db, x->request.trk_id, wrap, e) && wrap->row.kind == TKEY_TRK;
	if (!known)
		wrap->row.id[0] = 0;
	return known || (!*e && refuse(x, KMS_R_UNKNOWN_TRK, NULL));
}

/* The key that signed; without a signature at least one that there is. */
static int names_known_signer(struct exchange *x, struct kms_db *db, enum store_err *e)
{
	const char *id = x->request.signature_id, *signer = x->protection->signer.row.id;
	if (!id[0])
		return 1;
	if (signer[0])
		return strcmp(id, signer) == 0 || refuse(x, KMS_R_BAD_SIGNATURE, NULL);
	struct slot named;
	int known = find(x, db, id, &named, e);
	mcsec_wipe(named.key, sizeof named.key);
	return known || (!*e && refuse(x, KMS_R_UNKNOWN_INK, NULL));
}

static int choose(struct exchange *x, struct kms_db *db, enum store_err *e)
{
	struct protection *p = x->protection;
	if (!names_known_trk(x, db, e) || !names_known_signer(x, db, e))
		return 0;
	p->named = x->request.trk_id[0] || x->request.signature_id[0];
	if (!p->wrap.row.id[0] && p->signer.row.id[0] && p->signer.row.kind == TKEY_TRK)
		p->wrap = p->signer; /* a client of Rel-13 names no other */
	*e = activate(x, db, &p->wrap);
	if (!*e && !p->wrap.row.id[0])
		*e = of_caller(x, db, TKEY_TRK, &p->wrap);
	if (*e == STORE_ROW)
		*e = STORE_OK;
	if (!*e)
		*e = choose_signer(x, db);
	if (!*e)
		*e = choose_new(x, db);
	return !*e;
}

int protect_keys(struct exchange *x)
{
	if (!is_on(x))
		return (!x->request.trk_id[0] && !x->request.signature_id[0]) || refuse(x, KMS_R_UNKNOWN_TRK, NULL);
	if (!protection_of(x))
		return refuse(x, KMS_R_INTERNAL, NULL);
	enum store_err e;
	struct kms_db *db = kms_pool_take(x->kms->pool, &e);
	int ok = db && choose(x, db, &e);
	if (db)
		kms_pool_give(x->kms->pool, db, e);
	if (e)
		kms_refuse_store(x, e, "transport keys");
	return ok;
}

int protect_can_wrap(struct exchange *x)
{
	int needed = is_on(x) && x->op == KMS_OP_KEYPROV && strcmp(x->kms->config->wrap_keys, "always") == 0;
	return !needed || x->protection->wrap.row.id[0] || refuse(x, KMS_R_NO_TRK, NULL);
}

/* ---- the answer ---- */

static unsigned wrap_flags(const struct kms_config *c)
{
	return (strcmp(c->wrap_uri, "strict") == 0 ? KMS_WRAP_STRICT : 0) |
	       (c->wrap_always_padded ? KMS_WRAP_PADDED : 0);
}

static int add_new(const struct exchange *x, struct kms_response *r, const struct slot *s)
{
	const struct slot *under = &x->protection->wrap;
	struct kms_new_key *k = &r->new_keys[r->n_new_keys];
	if (!s->row.id[0])
		return 0;
	k->is_ink = s->row.kind == TKEY_INK;
	memcpy(k->key.key_name, under->row.id, sizeof k->key.key_name);
	memcpy(k->key.carried, s->row.id, sizeof k->key.carried);
	if (kms_wrap(under->key, wrap_flags(x->kms->config), OCTETS(s->key), &k->key))
		return -1;
	r->n_new_keys++;
	return 0;
}

int protect_wrap(struct exchange *x, struct kms_response *r)
{
	const struct protection *p = x->protection;
	if (!p || !p->wrap.row.id[0] || r->error.code)
		return 0;
	if (strcmp(x->kms->config->wrap_keys, "never") != 0)
		for (size_t i = 0; i < r->n_sets; i++)
			if (kms_key_set_wrap(&r->sets[i], p->wrap.key, p->wrap.row.id, wrap_flags(x->kms->config)))
				return -1;
	return is_told(x) && (add_new(x, r, &p->new_trk) || add_new(x, r, &p->new_ink)) ? -1 : 0;
}

static void set_id(struct kms_response *r)
{
	uint8_t octets[12];
	char hex[HEX_SIZE(sizeof octets)];
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, octets, sizeof octets))
		memset(octets, 0, sizeof octets);
	hex_encode(OCTETS(octets), hex);
	snprintf(r->id, sizeof r->id, "rsp-%s", hex);
}

void protect_write(struct exchange *x, struct writer *w, struct kms_response *r)
{
	const struct protection *p = x->protection;
	int sign = p && p->sign.row.id[0] && strcmp(x->kms->config->sign_responses, "never") != 0;
	if (p && p->named) {
		if (p->wrap.row.id[0])
			memcpy(r->trk_id, p->wrap.row.id, sizeof r->trk_id);
		if (sign)
			memcpy(r->signature_id, p->sign.row.id, sizeof r->signature_id);
	}
	if (!sign) {
		kms_response_write(w, r);
		return;
	}
	set_id(r);
	kms_response_sign(w, r, p->sign.row.id, p->sign.key);
}

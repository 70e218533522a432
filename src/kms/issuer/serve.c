/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - see serve.h. Each operation is a row: what it may be asked with, and what answers it.
 */
#include "kms/issuer/serve.h"
#include "mcsec/secret.h"

typedef unsigned answer_fn(struct issuer_desk *d, const struct issuer_request *r, struct writer *w);

static unsigned of_custody(enum custody_err e)
{
	return e ? (unsigned)ISSUER_CUSTODY + e : ISSUER_OK;
}

static unsigned issue(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	if (!k)
		return ISSUER_FAILED;
	enum issuer_status s = vault_issue(d->vault, d->rng, r->identity, r->period, r->number, r->uid, k);
	if (!s)
		issuer_issued_write(w, k);
	mcsec_secret_free(k);
	return s;
}

static unsigned say_public(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	(void)r;
	enum issuer_status s = vault_public(d->vault, kpak, z_pub);
	if (!s) {
		wr_octets(w, OCTETS(kpak));
		wr_octets(w, OCTETS(z_pub));
	}
	return s;
}

/* Under `sharing`. */
static struct issuer_state state_of(struct issuer_desk *d)
{
	struct issuer_state s = {.sealed = (uint8_t)vault_is_sealed(d->vault), .locked = (uint8_t)d->memory_locked};
	unsigned k = 0, n;
	if (d->custody && !officers_need(d->domain.sealed, &k, &n)) {
		s.needed = (uint8_t)k;
		s.given = (uint8_t)custody_given(d->custody);
		memcpy(s.transport_key, d->transport_key, sizeof s.transport_key);
	}
	return s;
}

static unsigned say_state(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	(void)r;
	pthread_mutex_lock(&d->sharing);
	struct issuer_state s = state_of(d);
	pthread_mutex_unlock(&d->sharing);
	issuer_state_write(w, &s);
	return ISSUER_OK;
}

/* ---- officers ---- */

static enum custody_err add_share(struct issuer_desk *d, struct octets parcel, uint8_t *number)
{
	struct share *s = mcsec_secret_alloc(sizeof *s);
	uint8_t *octets = mcsec_secret_alloc(SHARE_OCTETS);
	enum custody_err e = CUSTODY_MALFORMED;
	if (s && octets && parcel.len == SHARE_OCTETS + PARCEL_OVERHEAD && parcel_open(d->parcels, parcel, octets) &&
	    !share_read(s, (struct octets){octets, SHARE_OCTETS})) {
		*number = s->number;
		e = custody_add_share(d->custody, d->domain.sealed, s);
	}
	mcsec_secret_free(octets);
	mcsec_secret_free(s);
	return e;
}

/* With the last share needed the vault opens; shares are never kept longer. */
static enum custody_err try_to_open(struct issuer_desk *d)
{
	enum custody_err e = vault_open(d->vault, d->custody, d->kms_uri, &d->domain);
	if (e == CUSTODY_ABSENT)
		return CUSTODY_OK;
	custody_forget_shares(d->custody);
	return e;
}

static unsigned take_share(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	struct issuer_verdict v = {0};
	pthread_mutex_lock(&d->sharing);
	int waits = d->custody && vault_is_sealed(d->vault);
	if (waits) {
		enum custody_err e = add_share(d, r->body, &v.number);
		v.err = (uint8_t)(e ? e : try_to_open(d));
		v.state = state_of(d);
	}
	pthread_mutex_unlock(&d->sharing);
	if (!waits)
		return ISSUER_UNSUPPORTED;
	issuer_verdict_write(w, &v);
	return ISSUER_OK;
}

/* ---- the first message ---- */

/* Officers come later: the domain is kept for them. */
static void keep_domain(struct issuer_desk *d, const struct issuer_request *r, const struct issuer_domain *domain)
{
	memcpy(d->kms_uri, r->identity, sizeof d->kms_uri);
	d->domain = *domain;
	memcpy(d->sealed, domain->sealed.p, domain->sealed.len);
	d->domain.sealed.p = d->sealed;
}

static unsigned open_domain(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	struct issuer_domain domain;
	(void)w;
	if (issuer_domain_read(&domain, r->body, 1) || !r->identity[0])
		return ISSUER_MALFORMED;
	keep_domain(d, r, &domain);
	if (custody_kind_of_blob(domain.sealed) == CUSTODY_KINDS)
		return of_custody(CUSTODY_MALFORMED);
	enum custody_err e = vault_open(d->vault, d->custody, d->kms_uri, &d->domain);
	return of_custody(d->custody ? e : d->custody_absent);
}

static unsigned create_domain(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	struct issuer_domain domain;
	uint8_t sealed[CUSTODY_BLOB_MAX];
	if (issuer_domain_read(&domain, r->body, 0) || !r->identity[0])
		return ISSUER_MALFORMED;
	if (!d->custody)
		return of_custody(d->custody_absent);
	enum custody_err e = vault_create(d->vault, d->custody, r->identity, &domain, sealed);
	if (!e)
		issuer_domain_write(w, &domain, 1);
	return of_custody(e);
}

static unsigned seal(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	(void)r;
	(void)w;
	vault_seal(d->vault);
	pthread_mutex_lock(&d->sharing);
	if (d->custody)
		custody_forget_shares(d->custody);
	pthread_mutex_unlock(&d->sharing);
	return ISSUER_OK;
}

static const struct {
	answer_fn *answer;
	int first; /* only as the first message of a process */
	int has_body;
} ops[] = {
    [ISSUER_OP_ISSUE] = {issue, 0, 0},
    [ISSUER_OP_PUBLIC] = {say_public, 0, 0},
    [ISSUER_OP_STATUS] = {say_state, 0, 0},
    [ISSUER_OP_OPEN] = {open_domain, 1, 1},
    [ISSUER_OP_CREATE] = {create_domain, 1, 1},
    [ISSUER_OP_SHARE] = {take_share, 0, 1},
    [ISSUER_OP_SEAL] = {seal, 0, 0},
};

static unsigned carry_out(struct issuer_desk *d, struct octets in, struct writer *w)
{
	struct issuer_request r;
	enum mcsec_err e = issuer_request_read(&r, in);
	if (e)
		return e == MCSEC_E_UNSUPPORTED ? ISSUER_UNSUPPORTED : ISSUER_MALFORMED;
	if (!ops[r.op].answer || ops[r.op].first == d->begun)
		return ISSUER_UNSUPPORTED;
	if (!ops[r.op].has_body && r.body.len)
		return ISSUER_MALFORMED;
	if (ops[r.op].first)
		d->begun = 1;
	unsigned s = ops[r.op].answer(d, &r, w);
	if (ops[r.op].first && d->custody && custody_kind_of_blob(d->domain.sealed) != CUSTODY_BY_OFFICERS) {
		custody_detach(d->custody); /* files cannot be opened any more, and need not be */
		d->custody = NULL;
	}
	return s;
}

int issuer_desk_open(struct issuer_desk *d, const struct mcsec_rng *rng)
{
	*d = (struct issuer_desk){.rng = rng, .custody_absent = CUSTODY_ABSENT};
	pthread_mutex_init(&d->sharing, NULL);
	d->vault = vault_new(&vault_software);
	d->parcels = parcel_key_new(d->transport_key);
	return d->vault && d->parcels ? 0 : -1;
}

void issuer_desk_close(struct issuer_desk *d)
{
	vault_free(d->vault);
	custody_detach(d->custody);
	parcel_key_free(d->parcels);
	pthread_mutex_destroy(&d->sharing);
}

enum custody_kind issuer_custody_of(struct octets request, enum custody_kind fallback)
{
	struct issuer_request r;
	struct issuer_domain d;
	if (issuer_request_read(&r, request) || r.op != ISSUER_OP_OPEN || issuer_domain_read(&d, r.body, 1))
		return fallback;
	return custody_kind_of_blob(d.sealed);
}

size_t issuer_serve(struct issuer_desk *d, struct octets request, uint8_t *answer)
{
	struct writer w = wr_init(answer + 2, ISSUER_ANSWER_MAX - 2);
	unsigned s = carry_out(d, request, &w);
	if (!s && w.err)
		s = ISSUER_FAILED;
	answer[0] = (uint8_t)(s >> 8);
	answer[1] = (uint8_t)s;
	return s ? 2 : 2 + wr_len(&w);
}

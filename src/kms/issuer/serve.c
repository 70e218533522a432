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

static unsigned say_state(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	(void)r;
	struct issuer_state s = {.sealed = (uint8_t)vault_is_sealed(d->vault), .locked = (uint8_t)d->memory_locked};
	issuer_state_write(w, &s);
	return ISSUER_OK;
}

static unsigned open_domain(struct issuer_desk *d, const struct issuer_request *r, struct writer *w)
{
	struct issuer_domain domain;
	(void)w;
	if (issuer_domain_read(&domain, r->body, 1) || !r->identity[0])
		return ISSUER_MALFORMED;
	enum custody_err e = vault_open(d->vault, d->custody, r->identity, &domain);
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
	return ISSUER_OK;
}

static const struct {
	answer_fn *answer;
	int first; /* only as the first message of a process */
	int has_body;
} ops[] = {
    [ISSUER_OP_ISSUE] = {issue, 0, 0},          [ISSUER_OP_PUBLIC] = {say_public, 0, 0},
    [ISSUER_OP_STATUS] = {say_state, 0, 0},     [ISSUER_OP_OPEN] = {open_domain, 1, 1},
    [ISSUER_OP_CREATE] = {create_domain, 1, 1}, [ISSUER_OP_SEAL] = {seal, 0, 0},
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
	return ops[r.op].answer(d, &r, w);
}

size_t issuer_serve(struct issuer_desk *d, struct octets request, uint8_t *answer)
{
	struct writer w = wr_init(answer, ISSUER_ANSWER_MAX);
	uint8_t *status = wr_reserve(&w, 2);
	unsigned s = carry_out(d, request, &w);
	if (!s && w.err)
		s = ISSUER_FAILED;
	status[0] = (uint8_t)(s >> 8);
	status[1] = (uint8_t)s;
	return s ? 2 : wr_len(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - see wire.h. Writing and reading of each message stand side by side.
 */
#include "kms/issuer/wire.h"

enum { VERSION = 1 };

static void write_counted(struct writer *w, struct octets o)
{
	wr_u16(w, (uint16_t)o.len);
	wr_octets(w, o);
}

static struct octets read_counted(struct reader *r, size_t max)
{
	size_t n = rd_u16(r);
	rd_require(r, n <= max, MCSEC_E_LENGTH, 2);
	return rd_take(r, n);
}

/* ---- requests ---- */

enum mcsec_err issuer_request_write(struct writer *w, const struct issuer_request *r)
{
	if (strlen(r->identity) >= ISSUER_IDENTITY_MAX || r->body.len > ISSUER_BODY_MAX)
		return MCSEC_E_LENGTH;
	wr_u8(w, VERSION);
	wr_u8(w, (uint8_t)r->op);
	wr_u16(w, 0);
	wr_u16(w, 0);
	wr_u64(w, r->period);
	wr_u64(w, r->number);
	wr_octets(w, OCTETS(r->uid));
	write_counted(w, octets_of(r->identity));
	write_counted(w, r->body);
	return w->err;
}

static void read_array(struct reader *r, uint8_t *out, size_t n)
{
	struct octets o = rd_take(r, n);
	if (!r->err)
		memcpy(out, o.p, n);
}

enum mcsec_err issuer_request_read(struct issuer_request *r, struct octets in)
{
	struct reader rd = rd_init(in);
	memset(r, 0, sizeof *r);
	rd_require(&rd, rd_u8(&rd) == VERSION, MCSEC_E_UNSUPPORTED, 1);
	unsigned op = rd_u8(&rd);
	rd_require(&rd, op >= ISSUER_OP_ISSUE && op <= ISSUER_OP_SEAL, MCSEC_E_UNSUPPORTED, 1);
	r->op = (enum issuer_op)op;
	rd_require(&rd, rd_u16(&rd) == 0, MCSEC_E_UNSUPPORTED, 2);
	rd_require(&rd, rd_u16(&rd) == 0, MCSEC_E_UNSUPPORTED, 2);
	r->period = rd_u64(&rd);
	r->number = rd_u64(&rd);
	read_array(&rd, r->uid, sizeof r->uid);
	struct octets identity = read_counted(&rd, ISSUER_IDENTITY_MAX - 1);
	rd_require(&rd, !identity.len || !memchr(identity.p, 0, identity.len), MCSEC_E_VALUE, identity.len);
	r->body = read_counted(&rd, ISSUER_BODY_MAX);
	enum mcsec_err e = rd_done(&rd);
	if (!e && identity.len)
		memcpy(r->identity, identity.p, identity.len);
	return e;
}

/* ---- their bodies ---- */

void issuer_domain_write(struct writer *w, const struct issuer_domain *d, int with_keys)
{
	wr_u64(w, d->periods.period);
	wr_u64(w, d->periods.offset);
	if (!with_keys)
		return;
	wr_octets(w, OCTETS(d->kpak));
	wr_octets(w, OCTETS(d->z_pub));
	wr_octets(w, d->sealed);
}

enum mcsec_err issuer_domain_read(struct issuer_domain *d, struct octets in, int with_keys)
{
	struct reader r = rd_init(in);
	memset(d, 0, sizeof *d);
	d->periods.period = rd_u64(&r);
	d->periods.offset = rd_u64(&r);
	rd_require(&r, d->periods.period > 0 && d->periods.offset < d->periods.period, MCSEC_E_VALUE, 16);
	if (with_keys) {
		read_array(&r, d->kpak, sizeof d->kpak);
		read_array(&r, d->z_pub, sizeof d->z_pub);
		rd_require(&r, rd_left(&r) > 0 && rd_left(&r) <= ISSUER_SEALED_MAX, MCSEC_E_LENGTH, 0);
		d->sealed = rd_take(&r, rd_left(&r));
	}
	return rd_done(&r);
}

/* ---- answers ---- */

void issuer_issued_write(struct writer *w, const struct mcsec_issued *k)
{
	wr_octets(w, OCTETS(k->rsk));
	wr_octets(w, OCTETS(k->ssk));
	wr_octets(w, OCTETS(k->pvt));
	wr_octets(w, OCTETS(k->hs));
}

void issuer_issued_read(struct reader *r, struct mcsec_issued *k)
{
	read_array(r, k->rsk, sizeof k->rsk);
	read_array(r, k->ssk, sizeof k->ssk);
	read_array(r, k->pvt, sizeof k->pvt);
	read_array(r, k->hs, sizeof k->hs);
}

void issuer_state_write(struct writer *w, const struct issuer_state *s)
{
	wr_u8(w, s->sealed);
	wr_u8(w, s->locked);
	wr_u8(w, s->needed);
	wr_u8(w, s->given);
	wr_octets(w, OCTETS(s->transport_key));
}

void issuer_state_read(struct reader *r, struct issuer_state *s)
{
	s->sealed = rd_u8(r);
	s->locked = rd_u8(r);
	s->needed = rd_u8(r);
	s->given = rd_u8(r);
	read_array(r, s->transport_key, sizeof s->transport_key);
}

void issuer_verdict_write(struct writer *w, const struct issuer_verdict *v)
{
	wr_u8(w, v->err);
	wr_u8(w, v->number);
	issuer_state_write(w, &v->state);
}

void issuer_verdict_read(struct reader *r, struct issuer_verdict *v)
{
	v->err = rd_u8(r);
	rd_require(r, v->err < CUSTODY_ERR_COUNT, MCSEC_E_VALUE, 1);
	v->number = rd_u8(r);
	issuer_state_read(r, &v->state);
}

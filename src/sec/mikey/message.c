/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.c - a whole I_MESSAGE read in one pass (RFC 3830 6, TS 33.180 E.1.2; step 1 of mikey 10).
 *
 * The chain of payloads is followed by a cursor that only moves forward, for at most MIKEY_MAX_PAYLOADS payloads.
 * Then come the rules about the whole: what must be there, and what may be there once.
 */
#include "sec/mikey/message.h"

#define CLAUSE_WHOLE  "TS 33.180 E.1.2"
#define CLAUSE_PARAMS "TS 33.180 E.6"

static void t_once(struct mikey_in *in, struct mikey_message *m, size_t start)
{
	mikey_require(in, m->t_at == 0, rd_at(&in->r) - start, "a second T");
	m->t_at = start + 2;
}

static void idr_once(struct mikey_in *in, struct mikey_message *m, const struct mikey_idr *idr, size_t start,
		     uint8_t seen[256 / 8])
{
	uint8_t bit = (uint8_t)(1u << idr->role % 8);
	mikey_require(in, !(seen[idr->role / 8] & bit), rd_at(&in->r) - start, "a second identity of the same role");
	seen[idr->role / 8] |= bit;
	if (idr->role < MIKEY_ROLES)
		m->idr[idr->role] = *idr;
}

static void sp_once(struct mikey_in *in, struct mikey_message *m)
{
	struct mikey_sp *sp = &m->sp[m->n_sp];
	for (size_t i = 0; i < m->n_sp; i++)
		mikey_require(in, m->sp[i].policy != sp->policy, rd_at(&in->r) - sp->at,
			      "a second policy of this number");
	m->n_sp++;
}

static void sakke_once(struct mikey_in *in, struct mikey_sakke *kept, const struct mikey_sakke *read, size_t start,
		       const char *detail)
{
	mikey_require(in, kept->sed.p == NULL, rd_at(&in->r) - start, detail);
	*kept = *read;
}

static void to_self_read(struct mikey_in *in, struct mikey_message *m, struct mikey_gen *gen)
{
	struct mikey_sakke sakke;
	size_t start = rd_at(&gen->data.r);
	mikey_sakke_read(&gen->data, &sakke);
	sakke_once(&gen->data, &m->to_self, &sakke, start, "a second SAKKE-to-self");
	mikey_leave(in, &gen->data);
}

/* Everything about the frame that shows without the key; what it says inside waits for params_read. */
static void params_frame_read(struct mikey_in *in, struct mikey_message *m, struct mikey_gen *gen)
{
	struct mikey_in *d = &gen->data;
	if (in->r.err)
		return;
	mikey_enter(d, "key parameters", CLAUSE_PARAMS);
	mikey_require(d, m->params_data.p == NULL, 0, "key parameters twice");
	m->params_data = gen->octets;
	m->legacy_params = gen->octets.len == 0 || gen->octets.p[0] != (PROTECTED_ENCRYPTED | 0x03);
	if (m->legacy_params && !d->r.err) {
		mikey_tell(in, gen->octets, "key parameters of an older form");
		return;
	}
	size_t start = rd_at(&d->r);
	protected_read(&d->r, &m->params);
	if (d->r.err && !d->code)
		d->detail = d->r.err == MCSEC_E_LENGTH ? "no room for the tag" : "a field runs past the end";
	mikey_support(d, m->params.alg == PROTECTED_AES_128_GCM, rd_at(&d->r) - start - 11,
		      "key parameters are encrypted with AES-128-GCM");
	mikey_require(d, m->params.dppk_id == m->hdr.csb_id, rd_at(&d->r) - start - 28,
		      "the DPPK-ID is not the CSB ID");
	if (!d->r.err) {
		mikey_tell(d, m->params.aad, "protected payload header");
		mikey_tell(d, (struct octets){m->params.sealed.p - 3, 3}, "IEI, length");
		mikey_tell(d, m->params.sealed, "ciphertext, tag");
	}
	if (d->r.err || rd_left(&d->r))
		d->code = MCSEC_E_BAD_PARAMS;
	mikey_leave(in, d);
	if (in->r.err)
		in->code = MCSEC_E_BAD_PARAMS;
}

static uint8_t gen_take(struct mikey_in *in, struct mikey_message *m)
{
	struct mikey_gen gen;
	uint8_t next = mikey_gen_read(in, &gen);
	if (in->r.err)
		return MIKEY_LAST;
	switch (gen.type) {
	case MIKEY_GEN_TO_SELF:
		to_self_read(in, m, &gen);
		break;
	case MIKEY_GEN_PARAMS:
		params_frame_read(in, m, &gen);
		break;
	case MIKEY_GEN_ALGS: {
		struct mcsec_alg_list algs = {0};
		const uint8_t *start = gen.data.r.at;
		mikey_algs_read(&gen.data, &algs);
		if (gen.data.r.at != start || gen.data.r.err) {
			mikey_require(&gen.data, m->algs.n == 0, 0, "a second algorithm list");
			m->algs = algs;
			mikey_leave(in, &gen.data);
			break;
		}
		mikey_tell(in, gen.octets, "extension data");
		break;
	}
	default:
		mikey_tell(in, gen.octets, "extension data");
	}
	return in->r.err ? MIKEY_LAST : next;
}

/* One payload that is not HDR or SIGN; returns the code of the next. */
static uint8_t payload_take(struct mikey_in *in, struct mikey_message *m, uint8_t code, size_t next_at, uint8_t *seen)
{
	size_t start = rd_at(&in->r);
	struct mikey_sakke sakke;
	struct mikey_idr idr;
	struct octets rand = {0};
	uint8_t next = MIKEY_LAST;
	switch (code) {
	case MIKEY_T:
		next = mikey_t_read(in, &m->ntp);
		t_once(in, m, start);
		break;
	case MIKEY_RAND:
		next = mikey_rand_read(in, &rand);
		mikey_require(in, m->rand.p == NULL, rd_at(&in->r) - start, "a second RAND");
		m->rand = rand;
		break;
	case MIKEY_IDR:
		next = mikey_idr_read(in, &idr);
		idr_once(in, m, &idr, start, seen);
		break;
	case MIKEY_SP:
		next = mikey_sp_read(in, &m->sp[m->n_sp]);
		sp_once(in, m);
		break;
	case MIKEY_SAKKE:
		next = mikey_sakke_read(in, &sakke);
		sakke_once(in, &m->sakke, &sakke, start, "a second SAKKE");
		break;
	case MIKEY_GEN:
		next = gen_take(in, m);
		break;
	case MIKEY_LAST:
		mikey_require(in, 0, start - next_at, "the message is not signed");
		break;
	case MIKEY_ERR:
		mikey_require(in, 0, start - next_at, "an ERR payload in an I_MESSAGE");
		break;
	default:
		mikey_support(in, 0, start - next_at, "a payload that no I_MESSAGE has");
	}
	return next;
}

static void whole(struct mikey_in *in, const struct mikey_message *m)
{
	in->clause = in->r.err ? in->clause : CLAUSE_WHOLE;
	mikey_lacks(in, m->t_at != 0, "no T payload");
	mikey_lacks(in, m->rand.p != NULL, "no RAND payload");
	mikey_lacks(in, m->sakke.sed.p != NULL, "no SAKKE payload");
	mikey_lacks(in, mikey_initiator(m)->id.p != NULL, "no identity of the initiator");
	mikey_lacks(in, mikey_responder(m)->id.p != NULL, "no identity of the responder");
	mikey_lacks(in, m->idr[MIKEY_IDRKMSI].id.p != NULL, "no IDRkmsi");
	mikey_lacks(in, m->idr[MIKEY_IDRKMSR].id.p != NULL, "no IDRkmsr");
	const struct mikey_idr *i = &m->idr[MIKEY_IDRUIDI], *r = &m->idr[MIKEY_IDRUIDR];
	if (i->id.p && !in->r.err)
		mikey_require(in, m->idr[MIKEY_IDRI].id.p == NULL, (size_t)(in->r.at - i->id.p),
			      "the initiator both as URI and as UID");
	if (r->id.p && !in->r.err)
		mikey_require(in, m->idr[MIKEY_IDRR].id.p == NULL, (size_t)(in->r.at - r->id.p),
			      "the responder both as URI and as UID");
}

enum mcsec_err mikey_message_read(struct mikey_in *in, struct mikey_message *m)
{
	uint8_t seen[256 / 8] = {0};
	*m = (struct mikey_message){0};
	mikey_require(in, rd_left(&in->r) <= MCSEC_IM_MAX, 0, "the message is longer than 8 KiB");
	uint8_t code = mikey_hdr_read(in, &m->hdr);
	size_t next_at = 2;
	for (int n = 1; code != MIKEY_SIGN && !in->r.err; n++) {
		mikey_require(in, n < MIKEY_MAX_PAYLOADS, 0, "more than 32 payloads");
		if (in->r.err)
			break;
		size_t start = rd_at(&in->r);
		code = payload_take(in, m, code, next_at, seen);
		next_at = start;
	}
	if (!in->r.err)
		mikey_sign_read(in, &m->sign);
	whole(in, m);
	return in->r.err ? in->code : MCSEC_OK;
}

const struct mikey_idr *mikey_initiator(const struct mikey_message *m)
{
	return m->idr[MIKEY_IDRI].id.p ? &m->idr[MIKEY_IDRI] : &m->idr[MIKEY_IDRUIDI];
}

const struct mikey_idr *mikey_responder(const struct mikey_message *m)
{
	return m->idr[MIKEY_IDRR].id.p ? &m->idr[MIKEY_IDRR] : &m->idr[MIKEY_IDRUIDR];
}

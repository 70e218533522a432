/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - all parts of one message: encrypt-then-sign, verify-then-decrypt (see xmlsec.h). */
#include "xmlsec.h"

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "signature.h"

#define TYPE_SDS_SIGNALLING "application/vnd.3gpp.mcdata-signalling"
#define TYPE_SDS_PAYLOAD    "application/vnd.3gpp.mcdata-payload"

const struct xml_policy xml_policy_default = {.confidentiality = 1, .integrity = 1, .sign_binary_parts = 1};

int xml_part_is_signatures(const char *type)
{
	static const char *const types[] = {TYPE_SIGNED, "application/vnd.3gpp.mcvideo-signed+xml",
					    "application/vnd.3gpp.mcdata-signed+xml"};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(type, types[i]) == 0)
			return 1;
	return 0;
}

int xml_part_covered(const char *type)
{
	size_t len = strlen(type);
	return len > 4 && strcmp(type + len - 4, "+xml") == 0 && !xml_part_is_signatures(type) &&
	       strcmp(type, TYPE_KRR) != 0;
}

/* Seed 003 7.5.3.3.2 wants the whole SDS protected; elsewhere application/mikey has its own signature. */
static int must_be_signed(const struct xml_policy *policy, const char *type, int is_sds)
{
	int binary = strcmp(type, TYPE_SDS_SIGNALLING) == 0 || strcmp(type, TYPE_SDS_PAYLOAD) == 0 ||
		     strcmp(type, TYPE_MIKEY) == 0;
	return xml_part_covered(type) || (policy->sign_binary_parts && is_sds && binary);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

/* A writer over what is left of the arena; keep() then makes what it wrote stay. */
static struct writer rest_of(const struct writer *arena)
{
	return wr_init(arena->at, arena->err ? 0 : (size_t)(arena->end - arena->at));
}

static struct octets keep(struct writer *arena, const struct writer *w)
{
	struct octets o = wr_result(w);
	arena->err = arena->err ? arena->err : w->err;
	arena->at += o.len;
	return o;
}

/* One draw for all IVs and ids of a usual message: a draw costs the same for twelve octets as for many. */
struct drawn {
	const struct mcsec_rng *rng;
	uint8_t octets[6 * XML_IV_LEN];
	size_t left;
};

static enum mcsec_err take_drawn(void *ctx, uint8_t *out, size_t n)
{
	struct drawn *d = ctx;
	if (n > sizeof d->octets)
		return d->rng->fill(d->rng->ctx, out, n);
	if (n > d->left) {
		enum mcsec_err e = d->rng->fill(d->rng->ctx, d->octets, sizeof d->octets);
		if (e)
			return e;
		d->left = sizeof d->octets;
	}
	memcpy(out, d->octets + sizeof d->octets - d->left, n);
	d->left -= n;
	return MCSEC_OK;
}

/* Random, so that it is never used twice, and unlike any boundary. */
static const char *new_id(struct writer *arena, const struct mcsec_rng *rng, const char *host)
{
	uint8_t r[10];
	char hex[HEX_SIZE(sizeof r)];
	struct writer w = rest_of(arena);
	w.err = rng->fill(rng->ctx, r, sizeof r);
	hex_encode(OCTETS(r), hex);
	wr_text(&w, hex);
	wr_u8(&w, '@');
	wr_text(&w, host);
	wr_u8(&w, 0);
	return (const char *)keep(arena, &w).p;
}

static int has_sds(const struct body_out *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(parts[i].type, TYPE_SDS_SIGNALLING) == 0)
			return 1;
	return 0;
}

static enum mcsec_err add_signatures(const struct xml_policy *policy, const struct xml_key *key,
				     const struct mcsec_rng *rng, const char *host, struct body_out *parts, size_t *n,
				     size_t max, struct writer *arena)
{
	struct signed_part list[MULTIPART_MAX_PARTS];
	size_t count = 0;
	int is_sds = has_sds(parts, *n);
	for (size_t i = 0; i < *n; i++) {
		if (!must_be_signed(policy, parts[i].type, is_sds))
			continue;
		if (!parts[i].id)
			parts[i].id = new_id(arena, rng, host);
		if (arena->err || count == MULTIPART_MAX_PARTS)
			return arena->err ? arena->err : MCSEC_E_LENGTH;
		list[count++] = (struct signed_part){parts[i].id, parts[i].body};
	}
	if (count == 0)
		return MCSEC_OK;
	if (*n == max)
		return MCSEC_E_NO_SPACE;
	struct writer w = rest_of(arena);
	enum mcsec_err e = signatures_write(&w, key, list, count);
	parts[(*n)++] = (struct body_out){.type = TYPE_SIGNED, .body = keep(arena, &w)};
	return e ? e : arena->err;
}

enum mcsec_err xml_protect(const struct xml_policy *policy, const struct xml_key *key, const struct mcsec_rng *rng,
			   const char *host, struct body_out *parts, size_t *n, size_t max, struct writer *arena)
{
	enum mcsec_err e = MCSEC_OK;
	struct drawn drawn = {.rng = rng};
	const struct mcsec_rng from = {take_drawn, &drawn};
	for (size_t i = 0; i < *n && !e && policy->confidentiality; i++) {
		if (!xml_part_covered(parts[i].type))
			continue;
		struct writer w = rest_of(arena);
		e = xml_body_protect(&w, key, &from, parts[i].body);
		parts[i].body = keep(arena, &w);
	}
	if (!e && policy->integrity)
		e = add_signatures(policy, key, &from, host, parts, n, max, arena);
	mcsec_wipe(&drawn, sizeof drawn);
	return e ? e : arena->err;
}

/* ---- receiving ------------------------------------------------------------------------------------------------- */

static enum xml_verdict refuse(struct xml_opened *out, enum xml_verdict verdict, const char *why)
{
	out->why = why;
	return out->verdict = verdict;
}

static int ids_twice(const struct multipart *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t j = i + 1; j < m->n; j++)
			if (m->parts[i].id[0] && strcmp(m->parts[i].id, m->parts[j].id) == 0)
				return 1;
	return 0;
}

static enum xml_verdict check_integrity(const struct xml_policy *policy, const struct xml_keys *keys,
					const struct multipart *m, struct xml_opened *out)
{
	const struct body_part *signatures = NULL;
	uint32_t covered = 0;
	int is_sds = 0;
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++) {
		is_sds |= strcmp(m->parts[i].type, TYPE_SDS_SIGNALLING) == 0;
		if (!xml_part_is_signatures(m->parts[i].type))
			continue;
		signatures = &m->parts[i];
		n++;
	}
	if (MCX_FAULT(xml.one_signatures_part, n > 1))
		return refuse(out, XML_BAD_INTEGRITY, "two signatures parts");
	if (n && keys->n == 0)
		return refuse(out, XML_UNDECRYPTABLE, "signed, but no key is bound to the sender");
	if (MCX_FAULT(xml.ids_once, (n || policy->integrity) && ids_twice(m)))
		return refuse(out, XML_BAD_INTEGRITY, "two parts with one Content-ID");
	if (n && signatures_verify(signatures->body, keys, m, &covered, &out->key_id) != MCSEC_OK)
		return refuse(out, XML_BAD_INTEGRITY, "a signature does not verify");
	out->protected = n > 0;
	for (size_t i = 0; i < m->n && policy->integrity; i++)
		if (MCX_FAULT(xml.all_signed, must_be_signed(policy, m->parts[i].type, is_sds) && !(covered >> i & 1)))
			return refuse(out, XML_BAD_INTEGRITY, "a part is not signed");
	return XML_PASSED;
}

static enum mcsec_err open_parts(const struct xml_keys *keys, const struct multipart *m, struct xml_opened *out,
				 struct octets clear[MULTIPART_MAX_PARTS], struct writer *arena)
{
	enum mcsec_err e = MCSEC_OK;
	for (size_t i = 0; i < m->n && !e; i++) {
		clear[i] = m->parts[i].body;
		if (!xml_part_covered(m->parts[i].type))
			continue;
		struct writer w = rest_of(arena);
		e = xml_body_open(&w, keys, m->parts[i].body, &out->seen);
		clear[i] = keep(arena, &w);
	}
	return e;
}

enum mcsec_err xml_open(const struct xml_policy *policy, const struct xml_keys *keys, struct multipart *m,
			struct xml_opened *out, struct writer *arena)
{
	struct octets clear[MULTIPART_MAX_PARTS];
	memset(out, 0, sizeof *out);
	out->why = "";
	if (check_integrity(policy, keys, m, out) != XML_PASSED)
		return MCSEC_OK;
	enum mcsec_err e = open_parts(keys, m, out, clear, arena);
	if (e == MCSEC_E_DECRYPT) {
		refuse(out, XML_UNDECRYPTABLE, "something encrypted does not open");
		return MCSEC_OK;
	}
	if (e)
		return e;
	if (MCX_FAULT(xml.one_key, out->seen.n && out->protected && out->key_id != out->seen.key_id)) {
		refuse(out, XML_UNDECRYPTABLE, "signed under one key, encrypted under another");
		return MCSEC_OK;
	}
	if (MCX_FAULT(xml.clear,
		      policy->confidentiality && policy->require_confidentiality && out->seen.clear_sensitive)) {
		refuse(out, XML_UNDECRYPTABLE, "a sensitive value came in clear");
		return MCSEC_OK;
	}
	if (out->seen.n)
		out->key_id = out->seen.key_id;
	out->protected |= out->seen.n > 0;
	for (size_t i = 0; i < m->n; i++)
		m->parts[i].body = clear[i];
	return MCSEC_OK;
}

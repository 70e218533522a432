/* SPDX-License-Identifier: Apache-2.0 */
/*
 * officers.c - see officers.h.
 */
#include <openssl/evp.h>

#include "custody/gcm.h"
#include "custody/officers.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { VERSION = 1, COMMITMENT = 32, CHECK = 4 };
static const char text_head[] = "mcx-share-1:";

/* ---- a share as octets and as text ---- */

void share_write(const struct share *s, uint8_t out[SHARE_OCTETS])
{
	struct writer w = wr_init(out, SHARE_OCTETS);
	wr_octets(&w, OCTETS(s->set));
	wr_u8(&w, s->number);
	wr_u8(&w, s->k);
	wr_u8(&w, s->n);
	wr_octets(&w, OCTETS(s->value));
}

enum mcsec_err share_read(struct share *s, struct octets in)
{
	struct reader r = rd_init(in);
	struct octets set = rd_take(&r, SHARE_SET);
	s->number = rd_u8(&r);
	s->k = rd_u8(&r);
	s->n = rd_u8(&r);
	rd_require(&r, s->k >= 2 && s->k <= s->n && s->n <= SHAMIR_MAX && s->number >= 1 && s->number <= s->n,
		   MCSEC_E_VALUE, 3);
	struct octets value = rd_take(&r, SHAMIR_LEN);
	enum mcsec_err e = rd_done(&r);
	if (!e) {
		memcpy(s->set, set.p, set.len);
		memcpy(s->value, value.p, value.len);
	}
	return e;
}

static void check_of(const char *text, size_t n, char out[HEX_SIZE(CHECK)])
{
	uint8_t digest[32];
	EVP_Digest(text, n, digest, NULL, EVP_sha256(), NULL);
	hex_encode((struct octets){digest, CHECK}, out);
}

void share_to_text(const struct share *s, char text[SHARE_TEXT_SIZE])
{
	uint8_t octets[SHARE_OCTETS];
	size_t n = sizeof text_head - 1;
	share_write(s, octets);
	memcpy(text, text_head, n);
	hex_encode(OCTETS(octets), text + n);
	n += 2 * (size_t)SHARE_OCTETS;
	char check[HEX_SIZE(CHECK)];
	check_of(text, n, check);
	text[n++] = ':';
	memcpy(text + n, check, sizeof check);
	mcsec_wipe(octets, sizeof octets);
}

enum mcsec_err share_from_text(struct share *s, const char *text)
{
	uint8_t octets[SHARE_OCTETS];
	char check[HEX_SIZE(CHECK)];
	size_t head = sizeof text_head - 1, body = head + 2 * (size_t)SHARE_OCTETS, n;
	text += strspn(text, " \t\r\n");
	size_t len = strcspn(text, " \t\r\n");
	if (len != SHARE_TEXT_SIZE - 1 || text[len + strspn(text + len, " \t\r\n")] ||
	    strncmp(text, text_head, head) != 0 || text[body] != ':' ||
	    hex_decode(text + head, 2 * (size_t)SHARE_OCTETS, octets, sizeof octets, &n))
		return MCSEC_E_ENCODING;
	check_of(text, body, check);
	enum mcsec_err e =
	    strncmp(text + body + 1, check, sizeof check - 1) == 0 ? share_read(s, OCTETS(octets)) : MCSEC_E_VALUE;
	mcsec_wipe(octets, sizeof octets);
	return e;
}

/* ---- the blob ---- */

struct blob {
	const uint8_t *set, *commitments, *nonce;
	unsigned k, n;
	struct octets header, sealed;
	uint8_t tag[CUSTODY_TAG];
};

static void commit(const uint8_t set[SHARE_SET], const struct share *s, uint8_t out[COMMITMENT])
{
	uint8_t buf[9 + SHARE_SET + 1 + SHAMIR_LEN];
	struct writer w = wr_init(buf, sizeof buf);
	wr_text(&w, "mcx-share");
	wr_octets(&w, (struct octets){set, SHARE_SET});
	wr_u8(&w, s->number);
	wr_octets(&w, OCTETS(s->value));
	EVP_Digest(buf, sizeof buf, out, NULL, EVP_sha256(), NULL);
	mcsec_wipe(buf, sizeof buf);
}

static enum custody_err read_blob(struct octets in, struct blob *b)
{
	struct reader r = rd_init(in);
	rd_require(&r, octets_equal(rd_take(&r, 4), octets_of("mcxo")), MCSEC_E_VALUE, 4);
	rd_require(&r, rd_u8(&r) == VERSION, MCSEC_E_VALUE, 1);
	b->set = rd_take(&r, SHARE_SET).p;
	b->k = rd_u8(&r);
	b->n = rd_u8(&r);
	rd_require(&r, b->k >= 2 && b->k <= b->n && b->n <= SHAMIR_MAX, MCSEC_E_VALUE, 2);
	b->commitments = rd_take(&r, (size_t)b->n * COMMITMENT).p;
	b->header = (struct octets){in.p, rd_at(&r)};
	b->nonce = rd_take(&r, CUSTODY_NONCE).p;
	size_t left = rd_left(&r);
	b->sealed = rd_take(&r, left > CUSTODY_TAG ? left - CUSTODY_TAG : 0);
	struct octets tag = rd_take(&r, CUSTODY_TAG);
	if (rd_done(&r))
		return CUSTODY_MALFORMED;
	memcpy(b->tag, tag.p, CUSTODY_TAG);
	return CUSTODY_OK;
}

static enum custody_err fill(const struct mcsec_rng *rng, uint8_t *out, size_t n)
{
	return rng->fill(rng->ctx, out, n) ? CUSTODY_RESOURCES : CUSTODY_OK;
}

/* Header with the commitments to these shares, and the secret under kek. */
static enum custody_err write_blob(struct writer *w, const uint8_t *kek, const struct share *shares, const char *owner,
				   const char *name, struct octets secret, const struct mcsec_rng *rng)
{
	uint8_t commitment[COMMITMENT], aad[CUSTODY_AAD_MAX];
	wr_text(w, "mcxo");
	wr_u8(w, VERSION);
	wr_octets(w, OCTETS(shares[0].set));
	wr_u8(w, shares[0].k);
	wr_u8(w, shares[0].n);
	for (unsigned i = 0; i < shares[0].n; i++) {
		commit(shares[0].set, &shares[i], commitment);
		wr_octets(w, OCTETS(commitment));
	}
	struct octets bound = custody_aad(aad, wr_result(w), owner, name);
	uint8_t *nonce = wr_reserve(w, CUSTODY_NONCE), *sealed = wr_reserve(w, secret.len + CUSTODY_TAG);
	if (w->err || !bound.len)
		return CUSTODY_MALFORMED;
	if (fill(rng, nonce, CUSTODY_NONCE) || !custody_gcm(1, kek, nonce, bound, secret, sealed, sealed + secret.len))
		return CUSTODY_RESOURCES;
	return CUSTODY_OK;
}

enum custody_err officers_seal(unsigned k, unsigned n, const char *owner, const char *name, struct octets secret,
			       const struct mcsec_rng *rng, uint8_t *out, size_t *out_len, struct share *shares)
{
	uint8_t *kek = mcsec_secret_alloc(CUSTODY_KEK);
	uint8_t(*values)[SHAMIR_LEN] = mcsec_secret_alloc(SHAMIR_MAX * SHAMIR_LEN);
	uint8_t set[SHARE_SET];
	enum custody_err e = kek && values ? CUSTODY_OK : CUSTODY_RESOURCES;
	if (!e)
		e = fill(rng, kek, CUSTODY_KEK);
	if (!e)
		e = fill(rng, set, sizeof set);
	if (!e && shamir_split(kek, k, n, rng, values))
		e = CUSTODY_MALFORMED;
	for (unsigned i = 0; i < n && !e; i++) {
		shares[i] = (struct share){.number = (uint8_t)(i + 1), .k = (uint8_t)k, .n = (uint8_t)n};
		memcpy(shares[i].set, set, sizeof set);
		memcpy(shares[i].value, values[i], SHAMIR_LEN);
	}
	struct writer w = wr_init(out, OFFICERS_OVERHEAD + (size_t)COMMITMENT * n + secret.len);
	if (!e)
		e = write_blob(&w, kek, shares, owner, name, secret, rng);
	*out_len = wr_len(&w);
	mcsec_secret_free(values);
	mcsec_secret_free(kek);
	return e;
}

enum custody_err officers_need(struct octets blob, unsigned *k, unsigned *n)
{
	struct blob b;
	enum custody_err e = read_blob(blob, &b);
	if (!e)
		*k = b.k, *n = b.n;
	return e;
}

enum custody_err officers_check(struct octets blob, const struct share *s)
{
	struct blob b;
	uint8_t commitment[COMMITMENT];
	enum custody_err e = read_blob(blob, &b);
	if (e)
		return e;
	if (memcmp(b.set, s->set, SHARE_SET) != 0 || s->k != b.k || s->n != b.n || s->number < 1 || s->number > b.n)
		return CUSTODY_FOREIGN;
	commit(b.set, s, commitment);
	return memcmp(commitment, b.commitments + (size_t)(s->number - 1) * COMMITMENT, COMMITMENT) == 0
		   ? CUSTODY_OK
		   : CUSTODY_WRONG;
}

static enum custody_err open_with(const struct blob *b, const uint8_t *kek, const char *owner, const char *name,
				  uint8_t *secret)
{
	uint8_t aad[CUSTODY_AAD_MAX], tag[CUSTODY_TAG];
	struct octets bound = custody_aad(aad, b->header, owner, name);
	memcpy(tag, b->tag, sizeof tag);
	return bound.len && custody_gcm(0, kek, b->nonce, bound, b->sealed, secret, tag) ? CUSTODY_OK : CUSTODY_WRONG;
}

enum custody_err officers_open(struct octets blob, const struct share *shares, unsigned k, const char *owner,
			       const char *name, uint8_t *secret, size_t secret_len)
{
	struct blob b;
	uint8_t number[SHAMIR_MAX];
	mcsec_wipe(secret, secret_len);
	enum custody_err e = read_blob(blob, &b);
	if (e || k != b.k || b.sealed.len != secret_len)
		return e ? e : CUSTODY_MALFORMED;
	uint8_t *kek = mcsec_secret_alloc(CUSTODY_KEK);
	uint8_t(*values)[SHAMIR_LEN] = mcsec_secret_alloc(SHAMIR_MAX * SHAMIR_LEN);
	e = kek && values ? CUSTODY_OK : CUSTODY_RESOURCES;
	for (unsigned i = 0; i < k && !e; i++) {
		number[i] = shares[i].number;
		memcpy(values[i], shares[i].value, SHAMIR_LEN);
	}
	if (!e && shamir_combine(number, (const uint8_t(*)[SHAMIR_LEN])values, k, kek))
		e = CUSTODY_WRONG;
	if (!e)
		e = open_with(&b, kek, owner, name, secret);
	mcsec_secret_free(values);
	mcsec_secret_free(kek);
	if (e)
		mcsec_wipe(secret, secret_len);
	return e;
}

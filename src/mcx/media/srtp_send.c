/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtp_send.c - RTP and RTCP packets protected (RFC 7714 8, 9; RFC 4771 4; media 3.3, 3.4, 4).
 *
 * The guards against using a (key, IV) pair twice stand here: the packet index of a sender only rises and never wraps;
 * the RTCP index is taken from a counter whose next step is durable before any index of it is used.
 */
#include <stdlib.h>

#include "mcx/media/srtp_crypt.h"

enum { RTCP_CLEAR = 8 };
static const uint64_t index_limit = UINT64_C(1) << 48; /* RFC 3711 9.2 */
static const uint32_t srtcp_limit = UINT32_C(1) << 31, e_bit = UINT32_C(1) << 31;

const char *srtp_verdict_name(enum srtp_verdict v)
{
	static const char *const names[SRTP_VERDICTS] = {
	    [SRTP_OK] = "ok",
	    [SRTP_SHORT] = "short",
	    [SRTP_NOT_RTP] = "not-rtp",
	    [SRTP_UNKNOWN_MKI] = "unknown-mki",
	    [SRTP_REPLAY] = "replay",
	    [SRTP_OLD] = "old",
	    [SRTP_FOREIGN] = "foreign",
	    [SRTP_AUTH] = "auth",
	    [SRTP_REFLECTED] = "reflected",
	    [SRTP_CLEAR] = "clear",
	    [SRTP_REUSE] = "reuse",
	    [SRTP_FAILED] = "failed",
	    [SRTP_WORN_OUT] = "worn-out",
	    [SRTP_NOT_DURABLE] = "not-durable",
	};
	return (size_t)v < SRTP_VERDICTS ? names[v] : "unknown";
}

/* ---- RTP ------------------------------------------------------------------------------------------------------- */

struct srtp_sender {
	struct srtp_policy policy;
	struct srtp_crypt crypt;
	uint8_t mki[SRTP_MAX_MKI];
	uint32_t ssrc;
	uint64_t next;  /* lowest index that may be used */
	uint64_t count; /* packets protected */
};

struct srtp_sender *srtp_sender_new(const struct srtp_policy *policy, const struct srtp_master *master, uint32_t ssrc,
				    uint32_t roc)
{
	struct srtp_sender *s = srtp_policy_allowed(policy) ? calloc(1, sizeof *s) : NULL;
	if (!s)
		return NULL;
	s->policy = *policy;
	s->ssrc = ssrc;
	s->next = (uint64_t)roc << 16;
	memcpy(s->mki, master->mki, policy->mki_len);
	if (srtp_crypt_open(&s->crypt, policy, master, SRTP_LABEL_RTP, 1)) {
		free(s);
		return NULL;
	}
	return s;
}

void srtp_sender_free(struct srtp_sender *s)
{
	if (s)
		srtp_crypt_close(&s->crypt);
	free(s);
}

uint64_t srtp_sender_count(const struct srtp_sender *s)
{
	return s->count;
}

/* The index of the next packet with this SEQ: it rises, by less than 2^15, so that every receiver guesses it right. */
static enum srtp_verdict next_index(const struct srtp_sender *s, uint16_t seq, uint64_t *index)
{
	uint16_t ahead = (uint16_t)(seq - (uint16_t)s->next);
	*index = s->next + ahead;
	if (s->count == 0) /* the first SEQ is free within its ROC */
		*index = (s->next & ~UINT64_C(0xffff)) | seq;
	else if (ahead >= 0x8000)
		return s->next >= index_limit ? SRTP_WORN_OUT : SRTP_REUSE;
	return *index >= index_limit ? SRTP_WORN_OUT : SRTP_OK;
}

static int carries_roc(const struct srtp_policy *p, uint16_t seq)
{
	return p->roc_rate && seq % p->roc_rate == 0;
}

enum srtp_verdict rtp_protect(struct srtp_sender *s, struct octets plain, uint8_t *out, size_t out_size,
			      size_t *out_len)
{
	struct rtp_header h;
	uint8_t iv[12], tag[SRTP_TAG];
	uint64_t index;
	*out_len = 0;
	if (plain.len > SRTP_MAX_PACKET - SRTP_MAX_TRAILER || out_size < plain.len + SRTP_MAX_TRAILER)
		return SRTP_SHORT;
	if (rtp_header_read(plain, &h))
		return SRTP_NOT_RTP;
	if (h.ssrc != s->ssrc)
		return SRTP_REUSE;
	enum srtp_verdict v = next_index(s, h.seq, &index);
	if (v)
		return v;
	s->next = index + 1; /* before the cipher runs: this IV is spent whatever happens now */
	s->count++;
	srtp_iv(&s->crypt, h.ssrc, index, iv);
	struct writer w = wr_init(out, out_size);
	struct octets header = {plain.p, h.len}, text = {plain.p + h.len, plain.len - h.len};
	wr_octets(&w, header);
	if (srtp_seal(&s->crypt, iv, header, (struct octets){0}, text, wr_reserve(&w, text.len), tag))
		return SRTP_FAILED;
	wr_octets(&w, OCTETS(tag));
	wr_octets(&w, (struct octets){s->mki, s->policy.mki_len});
	if (carries_roc(&s->policy, h.seq))
		wr_u32(&w, (uint32_t)(index >> 16));
	*out_len = wr_len(&w);
	return SRTP_OK;
}

/* ---- RTCP ------------------------------------------------------------------------------------------------------ */

struct srtcp_sender {
	struct srtp_policy policy;
	struct srtp_crypt crypt;
	uint8_t mki[SRTP_MAX_MKI];
	struct srtcp_counter *counter;
};

struct srtcp_sender *srtcp_sender_new(const struct srtp_policy *policy, const struct srtp_master *master,
				      struct srtcp_counter *counter)
{
	struct srtcp_sender *s = srtp_policy_allowed(policy) ? calloc(1, sizeof *s) : NULL;
	if (!s)
		return NULL;
	s->policy = *policy;
	s->counter = counter;
	memcpy(s->mki, master->mki, policy->mki_len);
	if (srtp_crypt_open(&s->crypt, policy, master, SRTP_LABEL_RTCP, 1)) {
		free(s);
		return NULL;
	}
	return s;
}

void srtcp_sender_free(struct srtcp_sender *s)
{
	if (s)
		srtp_crypt_close(&s->crypt);
	free(s);
}

static enum srtp_verdict take_index(struct srtcp_counter *c, uint32_t *index)
{
	if (c->next >= srtcp_limit)
		return SRTP_WORN_OUT;
	if (c->next >= c->reserved) {
		uint32_t upto = c->next > srtcp_limit - SRTCP_STEP ? srtcp_limit : c->next + SRTCP_STEP;
		if (c->reserve(c->ctx, upto))
			return SRTP_NOT_DURABLE;
		c->reserved = upto;
	}
	*index = c->next++;
	return SRTP_OK;
}

enum srtp_verdict rtcp_protect(struct srtcp_sender *s, struct octets plain, uint8_t *out, size_t out_size,
			       size_t *out_len)
{
	uint8_t iv[12], tag[SRTP_TAG], word[4];
	uint32_t index;
	*out_len = 0;
	if (plain.len < RTCP_CLEAR || plain.len > SRTP_MAX_PACKET - SRTP_MAX_TRAILER ||
	    out_size < plain.len + SRTP_MAX_TRAILER)
		return SRTP_SHORT;
	struct reader r = rd_init(plain);
	rd_require(&r, rd_u8(&r) >> 6 == 2, MCSEC_E_VALUE, 1);
	rd_take(&r, 3);
	uint32_t ssrc = rd_u32(&r);
	if (r.err)
		return SRTP_NOT_RTP;
	enum srtp_verdict v = take_index(s->counter, &index);
	if (v)
		return v;
	struct writer e = wr_init(word, sizeof word);
	wr_u32(&e, e_bit | index);
	srtcp_iv(&s->crypt, ssrc, index, iv);
	struct writer w = wr_init(out, out_size);
	struct octets clear = {plain.p, RTCP_CLEAR}, text = {plain.p + RTCP_CLEAR, plain.len - RTCP_CLEAR};
	wr_octets(&w, clear);
	if (srtp_seal(&s->crypt, iv, clear, OCTETS(word), text, wr_reserve(&w, text.len), tag))
		return SRTP_FAILED;
	wr_octets(&w, OCTETS(tag));
	wr_octets(&w, OCTETS(word));
	wr_octets(&w, (struct octets){s->mki, s->policy.mki_len});
	*out_len = wr_len(&w);
	return SRTP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtp_recv.c - RTP and RTCP packets opened (RFC 3711 3.3, RFC 7714, RFC 4771; media 3.5).
 *
 * Order for each packet: length, MKI to key, own SSRC, index, replay, tag; state changes and output only after the
 * tag. A context is one (MKI, SSRC); it is kept from its first verified packet on, because MKI and SSRC are free for
 * an attacker to choose. RTP and RTCP have contexts, keys and windows of their own.
 *
 * When all places are taken, a new stream gets the place of the one that has been silent for longest. Its replay window
 * is put aside, so that it goes on where it was when the stream is heard again: nothing is taken twice. Only a stream
 * after which RETIRED times as many others were heard than there are places begins anew, as one never heard does.
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/media/srtp_crypt.h"

enum { RTCP_CLEAR = 8, RTCP_WORD = 4, RETIRED = 8, MAX_RETIRED = 4096 };

/* What is known of a stream besides its keys. */
struct history {
	uint8_t label; /* SRTP_LABEL_RTP or _RTCP */
	uint8_t mki[SRTP_MAX_MKI];
	uint32_t ssrc;
	int other_layout; /* this peer's ROC tag is there when our policy has none, or the other way round */
	struct srtp_window window;
};

struct stream {
	struct history h;
	uint64_t heard; /* the receiver's count of verified packets at the last one */
	struct srtp_crypt crypt;
};

struct srtp_receiver {
	struct srtp_receiver_options o;
	uint64_t counts[SRTP_VERDICTS], verified;
	struct history
	    *retired; /* a ring of RETIRED * max_streams, at most MAX_RETIRED; unused where no window started */
	size_t next_retired;
	size_t n;
	struct stream streams[];
};

static size_t n_retired(const struct srtp_receiver *r)
{
	return RETIRED * r->o.max_streams < MAX_RETIRED ? RETIRED * r->o.max_streams : MAX_RETIRED;
}

struct srtp_receiver *srtp_receiver_new(const struct srtp_receiver_options *o)
{
	if (!srtp_policy_allowed(&o->policy) || !o->find || o->max_streams == 0 || o->max_streams > 65536)
		return NULL;
	struct srtp_receiver *r = calloc(1, sizeof *r + o->max_streams * sizeof(struct stream));
	if (!r)
		return NULL;
	r->o = *o;
	r->retired = calloc(n_retired(r), sizeof *r->retired);
	if (!r->retired) {
		free(r);
		return NULL;
	}
	return r;
}

void srtp_receiver_free(struct srtp_receiver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		srtp_crypt_close(&r->streams[i].crypt);
	free(r->retired);
	free(r);
}

const uint64_t *srtp_receiver_counts(const struct srtp_receiver *r)
{
	return r->counts;
}

static int is_of(const struct srtp_receiver *r, const struct history *h, const uint8_t *mki)
{
	return memcmp(h->mki, mki, r->o.policy.mki_len) == 0;
}

static int is_stream(const struct srtp_receiver *r, const struct history *h, uint8_t label, const uint8_t *mki,
		     uint32_t ssrc)
{
	return h->window.started && h->label == label && h->ssrc == ssrc && is_of(r, h, mki);
}

void srtp_receiver_drop(struct srtp_receiver *r, const uint8_t *mki)
{
	for (size_t i = r->n; i-- > 0;) {
		if (!is_of(r, &r->streams[i].h, mki))
			continue;
		srtp_crypt_close(&r->streams[i].crypt);
		r->streams[i] = r->streams[--r->n];
	}
	for (size_t i = 0; i < n_retired(r); i++)
		if (is_of(r, &r->retired[i], mki))
			r->retired[i].window.started = 0;
}

static struct stream *find_stream(struct srtp_receiver *r, uint8_t label, const uint8_t *mki, uint32_t ssrc)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_stream(r, &r->streams[i].h, label, mki, ssrc))
			return &r->streams[i];
	return NULL;
}

static struct history *find_retired(const struct srtp_receiver *r, uint8_t label, const uint8_t *mki, uint32_t ssrc)
{
	for (size_t i = 0; i < n_retired(r); i++)
		if (is_stream(r, &r->retired[i], label, mki, ssrc))
			return &r->retired[i];
	return NULL;
}

/* A context for a stream not kept, with the window of a retired one; it is the caller's until settle(). */
static enum srtp_verdict new_stream(struct srtp_receiver *r, uint8_t label, const uint8_t *mki, uint32_t ssrc,
				    struct stream *out)
{
	struct srtp_master master = {0};
	memset(out, 0, sizeof *out);
	if (!r->o.find(r->o.ctx, mki, &master))
		return SRTP_UNKNOWN_MKI;
	enum srtp_verdict v = srtp_crypt_open(&out->crypt, &r->o.policy, &master, label, 0) ? SRTP_FAILED : SRTP_OK;
	mcsec_wipe(&master, sizeof master);
	const struct history *before = find_retired(r, label, mki, ssrc);
	if (before)
		out->h = *before;
	out->h.label = label;
	out->h.ssrc = ssrc;
	memcpy(out->h.mki, mki, r->o.policy.mki_len);
	return v;
}

/* The stream for this packet: a kept one, or *fresh. */
static enum srtp_verdict pick_stream(struct srtp_receiver *r, uint8_t label, const uint8_t *mki, uint32_t ssrc,
				     struct stream *fresh, struct stream **out)
{
	if (r->o.is_own && r->o.is_own(r->o.ctx, mki, ssrc))
		return SRTP_REFLECTED;
	*out = find_stream(r, label, mki, ssrc);
	if (*out)
		return SRTP_OK;
	*out = fresh;
	return new_stream(r, label, mki, ssrc, fresh);
}

/* The place of a stream heard for the first time: a free one, or that of the longest silent. */
static struct stream *place(struct srtp_receiver *r)
{
	if (r->n < r->o.max_streams)
		return &r->streams[r->n++];
	struct stream *quiet = &r->streams[0];
	for (size_t i = 1; i < r->n; i++)
		if (r->streams[i].heard < quiet->heard)
			quiet = &r->streams[i];
	r->retired[r->next_retired] = quiet->h;
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): srtp_receiver_new refuses max_streams of 0 */
	r->next_retired = (r->next_retired + 1) % n_retired(r);
	srtp_crypt_close(&quiet->crypt);
	return quiet;
}

/* After the attempt: a fresh stream is kept if its packet verified, else nothing of it remains. */
static void settle(struct srtp_receiver *r, struct stream *s, const struct stream *fresh, enum srtp_verdict v)
{
	if (v == SRTP_OK)
		s->heard = ++r->verified;
	if (s != fresh)
		return;
	if (v == SRTP_OK) {
		struct history *before = find_retired(r, s->h.label, s->h.mki, s->h.ssrc);
		if (before)
			before->window.started = 0; /* taken up again */
		*place(r) = *s;
	} else if (s->crypt.cipher) {
		srtp_crypt_close(&s->crypt);
	}
}

/* ---- RTP ------------------------------------------------------------------------------------------------------- */

struct rtp_parts {
	struct octets header, text;
	const uint8_t *tag, *mki;
	int has_roc;
	uint32_t roc;
	uint32_t ssrc;
	uint16_t seq;
};

/* Where everything stands if the ROC tag is there or not. */
static enum srtp_verdict take_apart(const struct srtp_receiver *r, struct octets packet, int has_roc,
				    struct rtp_parts *p)
{
	struct rtp_header h;
	size_t trailer = SRTP_TAG + r->o.policy.mki_len + (has_roc ? SRTP_ROC_TAG : 0u);
	if (rtp_header_read(packet, &h))
		return packet.len < 12 ? SRTP_SHORT : SRTP_NOT_RTP;
	if (packet.len < h.len + trailer)
		return SRTP_SHORT;
	size_t text = packet.len - h.len - trailer;
	const uint8_t *behind = packet.p + h.len + text;
	*p = (struct rtp_parts){.header = {packet.p, h.len},
				.text = {packet.p + h.len, text},
				.tag = behind,
				.mki = behind + SRTP_TAG,
				.has_roc = has_roc,
				.ssrc = h.ssrc,
				.seq = h.seq};
	if (has_roc) {
		struct reader roc = rd_init((struct octets){p->mki + r->o.policy.mki_len, SRTP_ROC_TAG});
		p->roc = rd_u32(&roc);
	}
	return SRTP_OK;
}

static int expects_roc(const struct srtp_policy *p, uint16_t seq)
{
	return p->roc_rate && seq % p->roc_rate == 0;
}

static enum srtp_verdict try_index(struct stream *s, const struct rtp_parts *p, uint64_t index, uint8_t *out)
{
	uint8_t iv[12];
	enum srtp_verdict v = srtp_window_check(&s->h.window, index);
	if (v)
		return v;
	srtp_iv(&s->crypt, p->ssrc, index, iv);
	if (srtp_open(&s->crypt, iv, p->header, (struct octets){0}, p->text, out + p->header.len, p->tag))
		return SRTP_AUTH;
	srtp_window_add(&s->h.window, index);
	return SRTP_OK;
}

/* The index comes from the ROC tag, or from the stream, or, at its first packet, from a few tries (M-D16). */
static enum srtp_verdict open_rtp(const struct srtp_receiver *r, struct stream *s, const struct rtp_parts *p,
				  uint8_t *out)
{
	if (p->has_roc)
		return try_index(s, p, (uint64_t)p->roc << 16 | p->seq, out);
	if (s->h.window.started)
		return try_index(s, p, srtp_guess_index(s->h.window.top, p->seq), out);
	enum srtp_verdict v = try_index(s, p, p->seq, out);
	for (uint64_t roc = 1; v == SRTP_AUTH && roc < r->o.roc_tries; roc++)
		v = try_index(s, p, roc << 16 | p->seq, out);
	return v;
}

static enum srtp_verdict with_layout(struct srtp_receiver *r, struct octets packet, int other, uint8_t *out,
				     size_t *out_len)
{
	struct rtp_parts p;
	struct stream fresh = {0}, *s = NULL;
	struct rtp_header h;
	if (rtp_header_read(packet, &h))
		return packet.len < 12 ? SRTP_SHORT : SRTP_NOT_RTP;
	/* The other layout of a stream without ROC tag has one in every packet (M-D9). */
	int has_roc = r->o.policy.roc_rate ? expects_roc(&r->o.policy, h.seq) && !other : other;
	enum srtp_verdict v = take_apart(r, packet, has_roc, &p);
	v = v ? v : pick_stream(r, SRTP_LABEL_RTP, p.mki, p.ssrc, &fresh, &s);
	if (!v)
		v = open_rtp(r, s, &p, out);
	if (v == SRTP_OK) {
		s->h.other_layout = other;
		memcpy(out, p.header.p, p.header.len);
		*out_len = p.header.len + p.text.len;
	}
	settle(r, s, &fresh, v);
	return v;
}

/* Does a stream of this SSRC use the other layout? Only asked when both are allowed. */
static int remembered_layout(const struct srtp_receiver *r, struct octets packet)
{
	struct rtp_header h;
	if (!r->o.either_layout || rtp_header_read(packet, &h))
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (r->streams[i].h.ssrc == h.ssrc && r->streams[i].h.label == SRTP_LABEL_RTP)
			return r->streams[i].h.other_layout;
	for (size_t i = 0; i < n_retired(r); i++)
		if (r->retired[i].window.started && r->retired[i].ssrc == h.ssrc &&
		    r->retired[i].label == SRTP_LABEL_RTP)
			return r->retired[i].other_layout;
	return 0;
}

static enum srtp_verdict count(struct srtp_receiver *r, enum srtp_verdict v, uint8_t *out, size_t len)
{
	if (v) /* the cipher wrote text that was never authenticated */
		mcsec_wipe(out, len);
	r->counts[v]++;
	return v;
}

enum srtp_verdict rtp_unprotect(struct srtp_receiver *r, struct octets packet, uint8_t *out, size_t out_size,
				size_t *out_len)
{
	*out_len = 0;
	if (packet.len > SRTP_MAX_PACKET || out_size < packet.len)
		return count(r, SRTP_SHORT, out, 0);
	int other = remembered_layout(r, packet);
	enum srtp_verdict v = with_layout(r, packet, other, out, out_len);
	if (r->o.either_layout && v == SRTP_UNKNOWN_MKI) {
		enum srtp_verdict again = with_layout(r, packet, !other, out, out_len);
		v = again == SRTP_SHORT ? v : again;
	}
	return count(r, v, out, packet.len);
}

/* ---- RTCP ------------------------------------------------------------------------------------------------------ */

int srtcp_split(const struct srtp_receiver *r, struct octets *datagram, struct octets *packet)
{
	if (datagram->len < RTCP_CLEAR)
		return 0;
	struct reader rd = rd_init(*datagram);
	rd_u16(&rd);
	size_t len = (rd_u16(&rd) + (size_t)1) * 4 + SRTP_TAG + RTCP_WORD + r->o.policy.mki_len;
	if (len > datagram->len)
		return 0;
	*packet = (struct octets){datagram->p, len};
	*datagram = (struct octets){datagram->p + len, datagram->len - len};
	return 1;
}

static enum srtp_verdict open_rtcp(struct stream *s, struct octets packet, size_t text_len, const uint8_t *word,
				   uint8_t *out)
{
	uint8_t iv[12];
	struct reader r = rd_init((struct octets){word, RTCP_WORD});
	uint32_t index = rd_u32(&r) & INT32_MAX;
	enum srtp_verdict v = srtp_window_check(&s->h.window, index);
	if (v)
		return v;
	struct octets clear = {packet.p, RTCP_CLEAR}, text = {packet.p + RTCP_CLEAR, text_len};
	srtcp_iv(&s->crypt, s->h.ssrc, index, iv);
	if (srtp_open(&s->crypt, iv, clear, (struct octets){word, RTCP_WORD}, text, out + RTCP_CLEAR,
		      text.p + text.len))
		return SRTP_AUTH;
	srtp_window_add(&s->h.window, index);
	return SRTP_OK;
}

static enum srtp_verdict unprotect_rtcp(struct srtp_receiver *r, struct octets packet, uint8_t *out, size_t *out_len)
{
	struct stream fresh = {0}, *s = NULL;
	size_t mki_len = r->o.policy.mki_len, trailer = SRTP_TAG + RTCP_WORD + mki_len;
	if (packet.len < RTCP_CLEAR + trailer)
		return SRTP_SHORT;
	struct reader rd = rd_init(packet);
	if (rd_u8(&rd) >> 6 != 2)
		return SRTP_NOT_RTP;
	rd_take(&rd, 3);
	uint32_t ssrc = rd_u32(&rd);
	const uint8_t *mki = packet.p + packet.len - mki_len, *word = mki - RTCP_WORD;
	if (!(word[0] & 0x80))
		return SRTP_CLEAR;
	size_t text = packet.len - RTCP_CLEAR - trailer;
	enum srtp_verdict v = pick_stream(r, SRTP_LABEL_RTCP, mki, ssrc, &fresh, &s);
	if (!v)
		v = open_rtcp(s, packet, text, word, out);
	if (v == SRTP_OK) {
		memcpy(out, packet.p, RTCP_CLEAR);
		*out_len = RTCP_CLEAR + text;
	}
	settle(r, s, &fresh, v);
	return v;
}

enum srtp_verdict rtcp_unprotect(struct srtp_receiver *r, struct octets packet, uint8_t *out, size_t out_size,
				 size_t *out_len)
{
	*out_len = 0;
	if (packet.len > SRTP_MAX_PACKET || out_size < packet.len)
		return count(r, SRTP_SHORT, out, 0);
	return count(r, unprotect_rtcp(r, packet, out, out_len), out, packet.len);
}

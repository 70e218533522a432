/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_srtp.c - SRTP and SRTCP. An input is one datagram of a stranger; and, read a second time, a run of packets that
 * the key's holder sends: each is a first octet that says what happens to it, a length, and the plain packet.
 *
 * Invariants: no octets of a stranger open; what a holder of the key protects opens as it was, once and never again,
 * whatever was sent, lost, repeated, changed or forgotten between; nothing of a packet that does not open is handed
 * out.
 */
#include "fuzz/fuzz.h"
#include "mcx/media/rtp.h"
#include "mcx/media/srtp.h"
#include "mcx/media/srtp_crypt.h"

enum { RUN = 24, LOST = 1, TWICE = 2, CHANGED = 4, RTCP = 8, DROP = 16, OWN = 32 };

static const struct srtp_master master = {.mki = {1, 2, 3, 4}, .key = {5, 6, 7}, .salt = {8, 9}};

static int find(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	(void)ctx;
	*out = master;
	memcpy(out->mki, mki, 4); /* any identifier finds the key: only the tag stands between */
	return 1;
}

/* Only its own MKI finds the key; 0xffffffff is the SSRC that the receiver sends with. */
static int find_ours(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	(void)ctx;
	*out = master;
	return !memcmp(mki, master.mki, 4);
}

static int is_own(void *ctx, const uint8_t *mki, uint32_t ssrc)
{
	(void)ctx, (void)mki;
	return ssrc == UINT32_MAX;
}

static int reserve(void *ctx, uint32_t upto)
{
	return upto == 0 || ctx ? -1 : 0; /* with a context: the store is broken */
}

static int all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return 0;
	return 1;
}

static void of_a_stranger(struct octets in)
{
	uint8_t open[SRTP_MAX_PACKET] = {0};
	size_t n = 0;
	const struct srtp_receiver_options o = {.policy = {16, 4, in.len ? in.p[in.len - 1] & 3 : 0},
						.find = find,
						.max_streams = 2,
						.either_layout = in.len & 1,
						.roc_tries = 3};
	struct srtp_receiver *r = srtp_receiver_new(&o);
	HOLDS(r);
	HOLDS(rtp_unprotect(r, in, open, sizeof open, &n) != SRTP_OK && n == 0 && all_zero(open, sizeof open));
	HOLDS(rtcp_unprotect(r, in, open, sizeof open, &n) != SRTP_OK && n == 0 && all_zero(open, sizeof open));
	struct octets rest = in, packet;
	while (srtcp_split(r, &rest, &packet))
		HOLDS(inside(packet, in.p, in.len) && packet.len > 0);
	uint64_t counted = 0;
	for (int v = 0; v < SRTP_VERDICTS; v++)
		counted += srtp_receiver_counts(r)[v];
	HOLDS(counted == 2);
	srtp_receiver_free(r);
}

/* ---- a run of packets of the key's holder ---- */

struct run {
	struct srtp_policy policy;
	int guarded; /* the receiver knows its own SSRC */
	struct srtp_receiver *receiver;
	struct srtp_sender *sender[4]; /* by SSRC: a sender takes one */
	uint32_t ssrc[4];
	struct srtcp_counter counter;
	struct srtcp_sender *reports;
};

static struct srtp_sender *sender_of(struct run *r, uint32_t ssrc)
{
	for (int i = 0; i < 4; i++) {
		if (!r->sender[i]) {
			r->sender[i] = srtp_sender_new(&r->policy, &master, ssrc, 0);
			r->ssrc[i] = ssrc;
			HOLDS(r->sender[i]);
		}
		if (r->ssrc[i] == ssrc)
			return r->sender[i];
	}
	return NULL;
}

/* Protected, or 0 where the sender refuses. */
static size_t protect(struct run *r, unsigned how, struct octets plain, uint8_t *out)
{
	struct rtp_header h;
	size_t n = 0;
	if (how & RTCP) {
		enum srtp_verdict v = rtcp_protect(r->reports, plain, out, SRTP_MAX_PACKET, &n);
		HOLDS((v == SRTP_OK) == (n > 0) && (v != SRTP_OK || plain.len >= 8));
		return n;
	}
	if (rtp_header_read(plain, &h))
		return 0;
	struct srtp_sender *s = sender_of(r, h.ssrc);
	uint64_t before = s ? srtp_sender_count(s) : 0;
	enum srtp_verdict v = s ? rtp_protect(s, plain, out, SRTP_MAX_PACKET, &n) : SRTP_REUSE;
	HOLDS((v == SRTP_OK) == (n > 0) && (!s || srtp_sender_count(s) == before + (v == SRTP_OK)));
	return n;
}

static enum srtp_verdict open_it(struct run *r, unsigned how, struct octets packet, uint8_t *out, size_t *n)
{
	return how & RTCP ? rtcp_unprotect(r->receiver, packet, out, SRTP_MAX_PACKET, n)
			  : rtp_unprotect(r->receiver, packet, out, SRTP_MAX_PACKET, n);
}

static void one_packet(struct run *r, unsigned how, struct octets plain)
{
	uint8_t sealed[SRTP_MAX_PACKET], open[SRTP_MAX_PACKET];
	size_t n = protect(r, how, plain, sealed), m = 0;
	if (how & DROP)
		srtp_receiver_drop(r->receiver, master.mki);
	if (!n || how & LOST)
		return;
	struct octets packet = {sealed, n};
	uint32_t ssrc;
	memcpy(&ssrc, plain.p + (how & RTCP ? 4 : 8), 4);
	if (how & CHANGED) {
		size_t at = plain.p[0] % n;
		sealed[at] ^= 0x10;
		HOLDS(open_it(r, how, packet, open, &m) != SRTP_OK && m == 0);
		sealed[at] ^= 0x10;
	}
	enum srtp_verdict v = open_it(r, how, packet, open, &m);
	if (r->guarded && ssrc == UINT32_MAX) {
		HOLDS(v == SRTP_REFLECTED && m == 0);
		return;
	}
	/* Without a ROC in it, a packet after a long gap is guessed to be of the rollover before: then it is old. */
	HOLDS(v == SRTP_OK || (v != SRTP_CLEAR && v != SRTP_REFLECTED && m == 0));
	if (v == SRTP_OK)
		HOLDS(m == plain.len && !memcmp(open, plain.p, m));
	if (how & TWICE)
		HOLDS(open_it(r, how, packet, open, &m) != SRTP_OK && m == 0);
}

static void of_the_holder(struct octets in)
{
	struct reader in_order = rd_init(in);
	unsigned first = rd_u8(&in_order);
	struct run r = {
	    .policy = {first & 1 ? 32 : 16, 4, (uint16_t)(first >> 1 & 7)},
	    .guarded = first >> 6 & 1,
	    .counter = {.next = first & 0x80 ? INT32_MAX - 2u : 1, .reserve = reserve, .ctx = first & 8 ? &in : NULL}};
	const struct srtp_receiver_options o = {.policy = r.policy,
						.find = find_ours,
						.is_own = r.guarded ? is_own : NULL,
						.max_streams = 1 + (first >> 4 & 1),
						.either_layout = first >> 5 & 1,
						.roc_tries = 2};
	r.receiver = srtp_receiver_new(&o);
	r.reports = srtcp_sender_new(&r.policy, &master, &r.counter);
	HOLDS(r.receiver && r.reports);
	for (int i = 0; i < RUN; i++) {
		unsigned how = rd_u8(&in_order), len = rd_u8(&in_order);
		struct octets plain = rd_take(&in_order, len);
		if (in_order.err || len < 8)
			break;
		one_packet(&r, how, plain);
	}
	for (int i = 0; i < 4; i++)
		srtp_sender_free(r.sender[i]);
	srtcp_sender_free(r.reports);
	srtp_receiver_free(r.receiver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SRTP_MAX_PACKET)
		return 0;
	of_a_stranger((struct octets){data, size});
	of_the_holder((struct octets){data, size});
	return 0;
}

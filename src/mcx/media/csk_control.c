/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csk_control.c - the keys of csk_control.h, each with a sender, a receiver and the indices that are its own.
 *
 * A CSK that changes is two keys for a while; which of them sends, and how long the other opens, is the caller's rule
 * (flows 1, 2; media 2.4). A key that goes takes its windows with it: it never comes back, as nothing opens under it.
 */
#include "mcx/media/csk_control.h"

#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"

enum { STREAMS = 64, SSRC_AT = 4, MKI = 4 };

struct key {
	uint32_t id;
	struct srtp_policy policy;
	struct srtp_master *master; /* secret memory */
	struct srtcp_counter counter;
	uint32_t next_first, next_end; /* granted, to be used after the present ones; equal: none */
	struct srtcp_sender *sender;
	struct srtp_receiver *receiver;
};

struct csk_control {
	void (*used)(void *ctx, uint32_t csk_id, uint32_t ssrc, uint32_t index);
	void *ctx;
	struct key keys[CSK_CONTROL_KEYS]; /* id 0: free */
	uint32_t sending;
};

uint32_t csk_control_ssrc(enum csk_end end, uint32_t random, uint32_t peer)
{
	uint32_t half = (uint32_t)end << 31, ssrc = (random & INT32_MAX) | half;
	while (ssrc == peer || ssrc == 0)
		ssrc = ((ssrc + 1) & INT32_MAX) | half;
	return ssrc;
}

struct csk_control *csk_control_new(void (*used)(void *, uint32_t, uint32_t, uint32_t), void *ctx)
{
	struct csk_control *c = calloc(1, sizeof *c);
	if (c) {
		c->used = used;
		c->ctx = ctx;
	}
	return c;
}

static void wipe(struct key *k)
{
	srtcp_sender_free(k->sender);
	srtp_receiver_free(k->receiver);
	mcsec_secret_free(k->master);
	*k = (struct key){0};
}

void csk_control_free(struct csk_control *c)
{
	for (size_t i = 0; c && i < CSK_CONTROL_KEYS; i++)
		wipe(&c->keys[i]);
	free(c);
}

static struct key *find(const struct csk_control *c, uint32_t id)
{
	for (size_t i = 0; id && i < CSK_CONTROL_KEYS; i++)
		if (c->keys[i].id == id)
			return (struct key *)&c->keys[i];
	return NULL;
}

static int find_master(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	const struct srtp_master *m = ctx;
	*out = *m;
	return !memcmp(mki, m->mki, MKI);
}

/* Indices come by csk_control_grant alone. */
static int never(void *ctx, uint32_t upto)
{
	(void)ctx;
	(void)upto;
	return -1;
}

int csk_control_hold(struct csk_control *c, const struct csk_control_key *k)
{
	struct key *slot = c->keys;
	if (find(c, k->id))
		return 0;
	while (slot < c->keys + CSK_CONTROL_KEYS && slot->id)
		slot++;
	if (slot == c->keys + CSK_CONTROL_KEYS || mcsec_kid_tag(k->id) != MCSEC_CSK)
		return -1;
	*slot = (struct key){.id = k->id,
			     .policy = {.key_len = k->key_len, .mki_len = MKI},
			     .counter = {.reserve = never},
			     .master = mcsec_secret_alloc(sizeof *slot->master)};
	struct srtp_master *m = slot->master;
	uint8_t cs_id = k->video ? MCSEC_CS_MCVIDEO_UNICAST_SRTCP : MCSEC_CS_MCPTT_UNICAST_SRTCP;
	if (!m || mcsec_srtp_master(k->key, MCSEC_KEY_LEN, cs_id, k->id, k->rand.p, k->rand.len, m->key, k->key_len,
				    m->salt, sizeof m->salt)) {
		wipe(slot);
		return -1;
	}
	struct writer w = wr_init(m->mki, sizeof m->mki);
	wr_u32(&w, k->id);
	slot->sender = srtcp_sender_new(&slot->policy, m, &slot->counter);
	slot->receiver = srtp_receiver_new(&(struct srtp_receiver_options){
	    .policy = slot->policy, .find = find_master, .ctx = m, .max_streams = STREAMS});
	if (slot->sender && slot->receiver)
		return 0;
	wipe(slot);
	return -1;
}

void csk_control_send_with(struct csk_control *c, uint32_t csk_id)
{
	c->sending = find(c, csk_id) ? csk_id : 0;
}

uint32_t csk_control_sends_with(const struct csk_control *c)
{
	return c->sending;
}

int csk_control_holds(const struct csk_control *c, uint32_t csk_id)
{
	return find(c, csk_id) != NULL;
}

void csk_control_keep_only(struct csk_control *c, const uint32_t *csk_ids, size_t n)
{
	for (size_t i = 0; i < CSK_CONTROL_KEYS; i++) {
		size_t at = 0;
		while (at < n && csk_ids[at] != c->keys[i].id)
			at++;
		if (at == n && c->keys[i].id)
			wipe(&c->keys[i]);
	}
	csk_control_send_with(c, c->sending);
}

void csk_control_grant(struct csk_control *c, uint32_t csk_id, uint32_t first, uint32_t end)
{
	struct key *k = find(c, csk_id);
	if (!k || first >= end)
		return;
	if (k->counter.next >= k->counter.reserved) {
		k->counter.next = first;
		k->counter.reserved = end;
	} else {
		k->next_first = first; /* a third block would be given back: nothing asks for one */
		k->next_end = end;
	}
}

uint32_t csk_control_left(const struct csk_control *c, uint32_t csk_id)
{
	const struct key *k = find(c, csk_id);
	return k ? k->counter.reserved - k->counter.next + (k->next_end - k->next_first) : 0;
}

static uint32_t ssrc_of(struct octets packet)
{
	struct reader r = rd_init(packet);
	rd_take(&r, SSRC_AT);
	return rd_u32(&r);
}

enum srtp_verdict csk_control_protect(struct csk_control *c, struct octets plain, uint8_t *out, size_t size,
				      size_t *out_len)
{
	struct key *k = find(c, c->sending);
	*out_len = 0;
	if (!k)
		return SRTP_UNKNOWN_MKI;
	if (k->counter.next >= k->counter.reserved) {
		k->counter.next = k->next_first;
		k->counter.reserved = k->next_end;
		k->next_first = k->next_end = 0;
	}
	uint32_t index = k->counter.next;
	enum srtp_verdict v = rtcp_protect(k->sender, plain, out, size, out_len);
	if (v == SRTP_OK && c->used)
		c->used(c->ctx, k->id, ssrc_of(plain), index);
	return v;
}

int csk_control_split(struct octets *datagram, struct octets *packet)
{
	struct reader r = rd_init(*datagram);
	rd_u16(&r);
	size_t len = (rd_u16(&r) + (size_t)1) * 4 + CSK_CONTROL_GROWTH;
	if (r.err || len > datagram->len)
		return 0;
	*packet = (struct octets){datagram->p, len};
	*datagram = (struct octets){datagram->p + len, datagram->len - len};
	return 1;
}

enum srtp_verdict csk_control_unprotect(struct csk_control *c, uint32_t own, uint32_t peer, struct octets packet,
					uint8_t *out, size_t size, size_t *out_len, uint32_t *csk_id)
{
	*out_len = 0;
	if (packet.len < 2 * SSRC_AT + CSK_CONTROL_GROWTH)
		return SRTP_SHORT;
	struct reader r = rd_init((struct octets){packet.p + packet.len - MKI, MKI});
	*csk_id = rd_u32(&r);
	struct key *k = find(c, *csk_id);
	if (!k)
		return SRTP_UNKNOWN_MKI;
	uint32_t ssrc = ssrc_of(packet);
	if (MCX_FAULT(floor.reflected, ssrc == own))
		return SRTP_REFLECTED;
	if (MCX_FAULT(floor.ssrc, ssrc != peer))
		return SRTP_FOREIGN;
	return rtcp_unprotect(k->receiver, packet, out, size, out_len);
}

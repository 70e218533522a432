/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_control.c - media control of a call at the client: control messages under the CSK of the call's service, and the
 * button (floor 13, 14; transmission 7, 8; media 3.4, 3.5, 4).
 *
 * What the user would do with a button this headless client does by itself: it asks for permission while it has
 * something to say or to show, gives it back when that is done, and, as a caller who does not stay, hangs up when
 * nobody has then sent anything for a moment. Nothing leaves without permission.
 *
 * The keys are the client's CSKs as they are at the moment: the one in use sends, one that is being uploaded opens too;
 * one that is gone opens nothing any more (24.379 4.7.2). Indices are made durable a block ahead (M-D14).
 */
#include "ue/ue_control.h"

#include <stdlib.h>

#include "mcsec/secret.h"
#include "net/rtp_socket.h"

enum { TICK_MS = 100, IDLE_HANG_UP_MS = 1500, INDICES = 4096, LAST_INDEX = INT32_MAX, DRAIN = 16 };

/* ---- keys and indices ---- */

/* Each service has its own: one CSK is two master keys, and one of them may be replaced without the other. */
static int take_indices(struct ue *u, uint32_t csk_id)
{
	static const char *const names[] = {[MCX_MCPTT] = "control", [MCX_MCVIDEO] = "control-video"};
	const char *name = names[u->call.service];
	uint8_t item[8];
	size_t len = 0;
	uint32_t first = 1;
	uint8_t *kept = ue_store_get(u->store, name, &len);
	struct reader r = rd_init((struct octets){kept, kept ? len : 0});
	uint32_t id = rd_u32(&r), next = rd_u32(&r);
	if (!r.err && id == csk_id)
		first = next;
	mcsec_secret_free(kept);
	if (first > LAST_INDEX - INDICES)
		return -1;
	struct writer w = wr_init(item, sizeof item);
	wr_u32(&w, csk_id);
	wr_u32(&w, first + INDICES);
	if (ue_store_put(u->store, name, OCTETS(item)))
		return -1;
	csk_control_grant(u->control[u->call.service], csk_id, first, first + INDICES);
	return 0;
}

static struct csk_control *keys_now(struct ue *u)
{
	enum mcx_service service = u->call.service;
	struct csk_control *keys = u->control[service];
	const struct ue_csk *in_use = *ue_csk_at(u, service), *csks[] = {in_use, u->csk_new};
	uint32_t ids[2];
	size_t n = 0;
	for (size_t i = 0; i < 2; i++)
		if (csks[i])
			ids[n++] = csks[i]->id;
	csk_control_keep_only(keys, ids, n);
	for (size_t i = 0; i < 2; i++) {
		if (!csks[i])
			continue;
		struct csk_control_key k = {csks[i]->id,
					    csks[i]->key,
					    {csks[i]->rand, csks[i]->rand_len},
					    (uint8_t)suite_key_len(csks[i]->suite),
					    service == MCX_MCVIDEO};
		(void)csk_control_hold(keys, &k); /* without memory: nothing is sent or opened */
	}
	csk_control_send_with(keys, in_use ? in_use->id : 0);
	return keys;
}

void ue_control_wipe(struct ue *u)
{
	for (int s = MCX_MCPTT; s <= MCX_MCVIDEO; s++) {
		csk_control_free(u->control[s]);
		u->control[s] = NULL;
	}
}

uint32_t ue_line_key(const struct ue *u)
{
	const struct csk_control *keys = u->control[u->call.service];
	return keys ? csk_control_sends_with(keys) : 0;
}

/* ---- packets ---- */

void ue_line_send(struct ue *u, struct octets plain)
{
	uint8_t wire[LINE_MESSAGE + SRTP_MAX_TRAILER];
	size_t len = 0;
	struct csk_control *keys = keys_now(u);
	uint32_t with = csk_control_sends_with(keys);
	if (with && csk_control_left(keys, with) == 0 && take_indices(u, with))
		return; /* said again by the machine, if at all */
	if (!plain.len || csk_control_protect(keys, plain, wire, sizeof wire, &len))
		return;
	if (u->c.hooks.control)
		u->c.hooks.control(u->c.hooks.ctx, 1, (struct octets){wire, len});
	(void)rtp_socket_send(u->call.line->socket, (struct octets){wire, len});
}

void ue_line_allow(struct ue *u, int may)
{
	media_allow(u->call.media, may);
	if (u->call.video)
		video_allow(u->call.video, may);
}

static int has_more(const struct ue *u)
{
	return media_has_more(u->call.media) || (u->call.video && video_has_more(u->call.video));
}

static void take_packet(struct ue *u, struct octets packet)
{
	struct ue_line *l = u->call.line;
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	uint32_t csk_id;
	enum srtp_verdict v =
	    csk_control_unprotect(keys_now(u), l->own, l->peer, packet, plain, sizeof plain, &len, &csk_id);
	pthread_mutex_lock(&u->lock);
	u->stats.control_opened += v == SRTP_OK;
	u->stats.control_dropped += v != SRTP_OK;
	pthread_mutex_unlock(&u->lock);
	if (v)
		return;
	ue_core_proof(u, 200, 0); /* the server holds our CSK */
	l->rules->message(u, (struct octets){plain, len});
}

static void on_packets(void *arg)
{
	struct ue *u = arg;
	uint8_t wire[SRTP_MAX_PACKET];
	for (int i = 0; i < DRAIN && u->call.line; i++) {
		size_t n = rtp_socket_receive(u->call.line->socket, wire, sizeof wire, 0);
		struct octets rest = {wire, n}, packet;
		if (n == 0)
			return;
		if (u->c.hooks.control)
			u->c.hooks.control(u->c.hooks.ctx, 0, rest);
		while (u->call.line && u->call.line->running && csk_control_split(&rest, &packet))
			take_packet(u, packet);
		if (rest.len) {
			pthread_mutex_lock(&u->lock);
			u->stats.control_dropped++;
			pthread_mutex_unlock(&u->lock);
		}
	}
}

/* ---- the button ---- */

static void ask_if_wanted(struct ue *u, int64_t now)
{
	struct ue_line *l = u->call.line;
	int is_free = l->idle_since || l->queueing;
	if (l->rules->resting(l) && has_more(u) && is_free && now >= l->ask_at)
		l->rules->press(u);
}

/* 1: the call is over by it. */
static int hang_up_if_done(struct ue *u, int64_t now)
{
	struct ue_call_state *c = &u->call;
	struct ue_line *l = c->line;
	if (!l->said_all || !c->caller || c->stay || !l->rules->resting(l) || !l->idle_since ||
	    now - l->idle_since < IDLE_HANG_UP_MS)
		return 0;
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_HANG_UP}, NULL);
	return 1;
}

static void tick(void *arg)
{
	struct ue *u = arg;
	struct ue_line *l = u->call.line;
	int64_t now = ue_clock_ms();
	l->timer = NULL;
	l->rules->time(u, now);
	ask_if_wanted(u, now);
	if (!hang_up_if_done(u, now))
		l->timer = sip_timer_start(u->loop, TICK_MS, tick, u);
}

/* ---- life ---- */

static int open_end(struct ue *u, uint32_t peer)
{
	struct ue_call_state *c = &u->call;
	uint32_t random;
	if (c->line)
		return 0;
	struct ue_line *l = calloc(1, sizeof *l);
	struct csk_control **keys = &u->control[c->service];
	if (!*keys)
		*keys = csk_control_new(NULL, NULL);
	if (!l || !*keys || ue_random(&random, sizeof random) || !(l->socket = rtp_socket_open(u->c.sip_address))) {
		free(l);
		return -1;
	}
	l->own = csk_control_ssrc(CSK_CLIENT, random, peer);
	l->peer = peer;
	l->rules = c->service == MCX_MCVIDEO ? &ue_transmission_rules : &ue_floor_rules;
	l->rules->init(l);
	c->line = l;
	return 0;
}

int ue_line_open(struct ue *u)
{
	if (open_end(u, 0))
		return -1;
	u->call.line->implicit = has_more(u);
	return 0;
}

struct sdp_control ue_line_describe(const struct ue *u)
{
	const struct ue_line *l = u->call.line;
	return (struct sdp_control){.service = u->call.service,
				    .port = rtp_socket_port(l->socket),
				    .queueing = !u->c.no_queue,
				    .implicit = l->implicit,
				    .granted = l->implicit,
				    .has_ssrc = 1,
				    .ssrc = u->call.ssrc,
				    .has_video_ssrc = u->call.service == MCX_MCVIDEO,
				    .video_ssrc = u->call.video_ssrc,
				    .has_floor_ssrc = 1,
				    .floor_ssrc = l->own};
}

/* Where the server's end is: 1 if it can be used. */
static int usable(struct ue *u, const struct sdp *theirs, struct sdp_control *said)
{
	char address[64];
	if (u->call.service > MCX_MCVIDEO)
		return 0;
	size_t at = sdp_control_read(theirs, u->call.service, said);
	if (at == SIZE_MAX || !said->port || !said->has_floor_ssrc)
		return 0;
	const struct octets from = theirs->media[at].address;
	if (!from.len || from.len >= sizeof address ||
	    (!u->call.line && (u->call.caller || open_end(u, said->floor_ssrc))))
		return 0;
	memcpy(address, from.p, from.len);
	address[from.len] = 0;
	return said->floor_ssrc != u->call.line->own && !rtp_socket_connect(u->call.line->socket, address, said->port);
}

void ue_line_take(struct ue *u, const struct sdp *theirs)
{
	struct sdp_control said;
	struct ue_line *l;
	if (!usable(u, theirs, &said)) {
		if (u->call.line && !u->call.line->running)
			ue_line_close(u);
		return;
	}
	l = u->call.line;
	l->peer = said.floor_ssrc;
	l->queueing = said.queueing;
	l->granted = u->call.caller && said.granted && l->implicit;
	l->usable = 1;
}

void ue_line_begin(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct ue_line *l = c->line;
	pthread_mutex_lock(&u->lock);
	u->stats.control_opened = u->stats.control_dropped = 0;
	pthread_mutex_unlock(&u->lock);
	if (!l || !l->usable) {
		ue_line_close(u);
		return;
	}
	l->running = 1;
	l->watch = sip_watch_start(u->loop, rtp_socket_fd(l->socket), on_packets, u);
	l->rules->begin(u);
	l->timer = sip_timer_start(u->loop, TICK_MS, tick, u);
}

int ue_line_said_all(struct ue *u)
{
	struct ue_line *l = u->call.line;
	if (!l || !l->running)
		return 0;
	l->said_all = 1;
	l->rules->let_go(u);
	return 1;
}

void ue_line_close(struct ue *u)
{
	struct ue_line *l = u->call.line;
	if (!l)
		return;
	u->call.line = NULL;
	sip_timer_stop(l->timer);
	sip_watch_stop(l->watch);
	rtp_socket_close(l->socket);
	free(l);
}

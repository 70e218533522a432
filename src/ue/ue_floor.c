/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_floor.c - floor control of a call at the client: control messages under the CSK, and who may speak (TS 24.380 6.2;
 * floor 5, 13, 14; media 3.4, 3.5, 4).
 *
 * What the user would do with a button this headless client does by itself: it asks for the floor while it has
 * something to say, gives it back when everything was said, and, as a caller who does not stay, hangs up when the floor
 * has then been idle for a moment. Nothing is said without permission.
 *
 * The keys are the client's CSKs as they are at the moment: the one in use sends, one that is being uploaded opens too;
 * one that is gone opens nothing any more (24.379 4.7.2). Indices are made durable a block ahead (M-D14).
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/floor/floor_participant.h"
#include "net/rtp_socket.h"
#include "ue/engine.h"

enum {
	TICK_MS = 100,
	IDLE_HANG_UP_MS = 1500,
	ASK_AGAIN_MS = 2000, /* after a refusal */
	INDICES = 4096,
	LAST_INDEX = INT32_MAX,
	DRAIN = 16,
};

struct ue_floor {
	struct rtp_socket *socket;
	struct sip_watch *watch;
	struct sip_timer *timer;
	struct fp machine;
	uint32_t own, peer;
	int usable, running, implicit, granted, queueing;
	int said_all;
	int64_t idle_since; /* 0: somebody has the floor, or we do not know */
	int64_t ask_at;     /* not before */
	uint64_t heard;     /* packets of media */
};

/* ---- keys and indices ---- */

static int take_indices(struct ue *u, uint32_t csk_id)
{
	uint8_t item[8];
	size_t len = 0;
	uint32_t first = 1;
	uint8_t *kept = ue_store_get(u->store, "control", &len);
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
	if (ue_store_put(u->store, "control", OCTETS(item)))
		return -1;
	csk_control_grant(u->control, csk_id, first, first + INDICES);
	return 0;
}

static struct csk_control *keys_now(struct ue *u)
{
	const struct ue_csk *csks[] = {u->csk, u->csk_new};
	uint32_t ids[2];
	size_t n = 0;
	for (size_t i = 0; i < 2; i++)
		if (csks[i])
			ids[n++] = csks[i]->id;
	csk_control_keep_only(u->control, ids, n);
	for (size_t i = 0; i < 2; i++) {
		if (!csks[i])
			continue;
		struct csk_control_key k = {csks[i]->id,
					    csks[i]->key,
					    {csks[i]->rand, csks[i]->rand_len},
					    (uint8_t)suite_key_len(csks[i]->suite),
					    0};
		(void)csk_control_hold(u->control, &k); /* without memory: nothing is sent or opened */
	}
	csk_control_send_with(u->control, u->csk ? u->csk->id : 0);
	return u->control;
}

void ue_control_wipe(struct ue *u)
{
	csk_control_free(u->control);
	u->control = NULL;
}

/* ---- messages ---- */

static void transmit(struct ue *u, struct floor_message *m)
{
	struct ue_floor *f = u->call.floor;
	uint8_t plain[FLOOR_MAX], wire[FLOOR_MAX + SRTP_MAX_TRAILER];
	size_t len = 0;
	struct writer w = wr_init(plain, sizeof plain);
	struct csk_control *keys = keys_now(u);
	uint32_t with = csk_control_sends_with(keys);
	m->ssrc = f->own;
	if (with && csk_control_left(keys, with) == 0 && take_indices(u, with))
		return; /* said again by the machine, if at all */
	if (floor_message_write(&w, m) || csk_control_protect(keys, wr_result(&w), wire, sizeof wire, &len))
		return;
	if (u->c.hooks.control)
		u->c.hooks.control(u->c.hooks.ctx, 1, (struct octets){wire, len});
	(void)rtp_socket_send(f->socket, (struct octets){wire, len});
}

static const char *cause_text(const struct floor_message *m)
{
	static const char *const deny[] = {[1] = "another has it",
					   [2] = "the server failed",
					   [3] = "nobody else is there",
					   [4] = "it is too early",
					   [5] = "listening only",
					   [6] = "no resources",
					   [FLOOR_DENY_QUEUE_FULL] = "the queue is full"};
	static const char *const revoke[] = {[1] = "nobody else is there",
					     [2] = "spoken for too long",
					     [3] = "no permission",
					     [4] = "another goes first"};
	size_t n = m->type == FLOOR_DENY ? sizeof deny / sizeof *deny : sizeof revoke / sizeof *revoke;
	const char *const *texts = m->type == FLOOR_DENY ? deny : revoke;
	return m->cause < n && texts[m->cause] ? texts[m->cause] : "another reason";
}

static void tell(struct ue *u, enum fp_tell what, const struct floor_message *m)
{
	struct ue_call_state *c = &u->call;
	char who[256] = "";
	if (m && m->granted_id.len < sizeof who && m->granted_id.len)
		memcpy(who, m->granted_id.p, m->granted_id.len);
	uint32_t key = u->control ? csk_control_sends_with(u->control) : 0;
#define SAY(...) ue_emit(u, UE_EV_FLOOR, c->began_ms, NULL, c->peer, key, __VA_ARGS__)
	switch (what) {
	case FP_TELL_NOTHING:
	case FP_TELL_MEDIA_OVER:
		break;
	case FP_TELL_IDLE:
		SAY("the floor is idle");
		break;
	case FP_TELL_TAKEN:
		SAY("%s has the floor", who[0] ? who : "another");
		break;
	case FP_TELL_GRANTED:
		if (m && m->has & FLOOR_HAS(FLOOR_F_DURATION))
			SAY("we have the floor for %u s", m->duration);
		else
			SAY("we have the floor");
		break;
	case FP_TELL_DENIED:
		SAY("the floor is denied: %s", m ? cause_text(m) : "");
		break;
	case FP_TELL_REVOKED:
		SAY("the floor is taken away: %s", m ? cause_text(m) : "");
		break;
	case FP_TELL_QUEUED:
		SAY("waiting for the floor, at place %u", m ? m->queue_position : 0u);
		break;
	case FP_TELL_NO_ANSWER:
		SAY("the server does not answer");
		break;
	}
#undef SAY
}

static void carry_out(struct ue *u, struct fp_out *out, const struct floor_message *m, int64_t now)
{
	struct ue_floor *f = u->call.floor;
	if (out->ack && m) {
		struct floor_message ack = floor_ack(m, f->own, FLOOR_BY_PARTICIPANT);
		transmit(u, &ack);
	}
	media_allow(u->call.media, fp_may_speak(&f->machine));
	if (out->send)
		transmit(u, &out->message);
	if (out->tell == FP_TELL_IDLE || out->tell == FP_TELL_NO_ANSWER)
		f->idle_since = now;
	else if (out->tell == FP_TELL_TAKEN || out->tell == FP_TELL_GRANTED)
		f->idle_since = 0;
	if (out->tell == FP_TELL_DENIED || out->tell == FP_TELL_REVOKED || out->tell == FP_TELL_NO_ANSWER)
		f->ask_at = now + ASK_AGAIN_MS;
	tell(u, out->tell, m);
}

static void step(struct ue *u, enum fp_event ev)
{
	struct fp_out out;
	int64_t now = ue_clock_ms();
	fp_step(&u->call.floor->machine, ev, now, &out);
	carry_out(u, &out, NULL, now);
}

static void take_packet(struct ue *u, struct octets packet)
{
	struct ue_floor *f = u->call.floor;
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	uint32_t csk_id;
	struct floor_message m;
	struct fp_out out;
	enum srtp_verdict v =
	    csk_control_unprotect(keys_now(u), f->own, f->peer, packet, plain, sizeof plain, &len, &csk_id);
	pthread_mutex_lock(&u->lock);
	u->stats.control_opened += v == SRTP_OK;
	u->stats.control_dropped += v != SRTP_OK;
	pthread_mutex_unlock(&u->lock);
	if (v)
		return;
	ue_core_proof(u, 200, 0); /* the server holds our CSK */
	if (floor_message_read((struct octets){plain, len}, &m) != APP_READ_OK)
		return;
	int64_t now = ue_clock_ms();
	fp_message(&f->machine, &m, now, &out);
	carry_out(u, &out, &m, now);
}

static void on_packets(void *arg)
{
	struct ue *u = arg;
	uint8_t wire[SRTP_MAX_PACKET];
	for (int i = 0; i < DRAIN && u->call.floor; i++) {
		size_t n = rtp_socket_receive(u->call.floor->socket, wire, sizeof wire, 0);
		struct octets rest = {wire, n}, packet;
		if (n == 0)
			return;
		if (u->c.hooks.control)
			u->c.hooks.control(u->c.hooks.ctx, 0, rest);
		while (u->call.floor && u->call.floor->running && csk_control_split(&rest, &packet))
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
	struct ue_floor *f = u->call.floor;
	int is_free = f->idle_since || f->queueing;
	if (f->machine.state == FP_NO_PERMISSION && media_has_more(u->call.media) && is_free && now >= f->ask_at)
		step(u, FP_EV_PRESS);
}

/* 1: the call is over by it. */
static int hang_up_if_done(struct ue *u, int64_t now)
{
	struct ue_call_state *c = &u->call;
	struct ue_floor *f = c->floor;
	if (!f->said_all || !c->caller || c->stay || f->machine.state != FP_NO_PERMISSION || !f->idle_since ||
	    now - f->idle_since < IDLE_HANG_UP_MS)
		return 0;
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_HANG_UP}, NULL);
	return 1;
}

static void tick(void *arg)
{
	struct ue *u = arg;
	struct ue_floor *f = u->call.floor;
	struct ue_media_stats media;
	enum fp_event ev;
	int64_t now = ue_clock_ms();
	f->timer = NULL;
	while (fp_due(&f->machine, now, &ev))
		step(u, ev);
	media_stats(u->call.media, &media);
	if (media.received != f->heard)
		step(u, FP_EV_MEDIA);
	f->heard = media.received;
	ask_if_wanted(u, now);
	if (!hang_up_if_done(u, now))
		f->timer = sip_timer_start(u->loop, TICK_MS, tick, u);
}

/* ---- life ---- */

static int open_end(struct ue *u, uint32_t peer)
{
	struct ue_call_state *c = &u->call;
	uint32_t random;
	if (c->floor)
		return 0;
	struct ue_floor *f = calloc(1, sizeof *f);
	if (!u->control)
		u->control = csk_control_new(NULL, NULL);
	if (!f || !u->control || ue_random(&random, sizeof random) ||
	    !(f->socket = rtp_socket_open(u->c.sip_address))) {
		free(f);
		return -1;
	}
	f->own = csk_control_ssrc(CSK_CLIENT, random, peer);
	f->peer = peer;
	fp_init(&f->machine, &fp_default);
	c->floor = f;
	return 0;
}

int ue_floor_open(struct ue *u)
{
	if (open_end(u, 0))
		return -1;
	u->call.floor->implicit = media_has_more(u->call.media);
	return 0;
}

struct sdp_control ue_floor_describe(const struct ue *u)
{
	const struct ue_floor *f = u->call.floor;
	return (struct sdp_control){.port = rtp_socket_port(f->socket),
				    .queueing = 1,
				    .implicit = f->implicit,
				    .granted = f->implicit,
				    .has_ssrc = 1,
				    .ssrc = u->call.ssrc,
				    .has_floor_ssrc = 1,
				    .floor_ssrc = f->own};
}

/* Where the server's end is: 1 if it can be used. */
static int usable(struct ue *u, const struct sdp *theirs, struct sdp_control *said)
{
	char address[64];
	if (u->call.service != MCX_MCPTT)
		return 0;
	size_t at = sdp_control_read(theirs, MCX_MCPTT, said);
	if (at == SIZE_MAX || !said->port || !said->has_floor_ssrc)
		return 0;
	const struct octets from = theirs->media[at].address;
	if (!from.len || from.len >= sizeof address ||
	    (!u->call.floor && (u->call.caller || open_end(u, said->floor_ssrc))))
		return 0;
	memcpy(address, from.p, from.len);
	address[from.len] = 0;
	return said->floor_ssrc != u->call.floor->own &&
	       !rtp_socket_connect(u->call.floor->socket, address, said->port);
}

void ue_floor_take(struct ue *u, const struct sdp *theirs)
{
	struct sdp_control said;
	struct ue_floor *f;
	if (!usable(u, theirs, &said)) {
		if (u->call.floor && !u->call.floor->running)
			ue_floor_close(u);
		return;
	}
	f = u->call.floor;
	f->peer = said.floor_ssrc;
	f->queueing = said.queueing;
	f->granted = u->call.caller && said.granted && f->implicit;
	f->usable = 1;
}

void ue_floor_begin(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct ue_floor *f = c->floor;
	pthread_mutex_lock(&u->lock);
	u->stats.control_opened = u->stats.control_dropped = 0;
	pthread_mutex_unlock(&u->lock);
	if (!f || !f->usable) {
		ue_floor_close(u);
		return;
	}
	f->running = 1;
	f->watch = sip_watch_start(u->loop, rtp_socket_fd(f->socket), on_packets, u);
	step(u, f->granted ? FP_EV_CALL_GRANTED : f->implicit ? FP_EV_CALL_IMPLICIT : FP_EV_CALL);
	f->timer = sip_timer_start(u->loop, TICK_MS, tick, u);
}

int ue_floor_said_all(struct ue *u)
{
	struct ue_floor *f = u->call.floor;
	if (!f || !f->running)
		return 0;
	f->said_all = 1;
	step(u, FP_EV_LET_GO);
	return 1;
}

void ue_floor_close(struct ue *u)
{
	struct ue_floor *f = u->call.floor;
	if (!f)
		return;
	u->call.floor = NULL;
	sip_timer_stop(f->timer);
	sip_watch_stop(f->watch);
	rtp_socket_close(f->socket);
	free(f);
}

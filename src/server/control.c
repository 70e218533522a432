/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - floor control of one call: descriptions, packets, the arbiter's messages and its clock (see control.h).
 *
 * The relay's thread hands packets over as notes to the loop; a note outlives its call, so it holds the link, which the
 * call empties at its end. A packet is dropped without an answer unless it verified (F-D18); only then the sender's
 * state, or the floor, can change.
 */
#include "server/control.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "app/log.h"
#include "mcsec/rng.h"
#include "mcx/floor/floor_arbiter.h"
#include "sec/base/check.h"

enum { ENDS = 2 };

struct link {
	atomic_int refs;
	struct sip_loop *loop;
	struct call_control *control; /* loop thread; NULL: the call is over */
};

struct control_end {
	struct control_keys *keys;
	uint32_t own, peer; /* SSRCs of floor control */
	struct sdp_control said;
};

struct call_control {
	struct call *call;
	struct link *link;
	size_t at; /* its media line */
	int live;  /* the callee took it up */
	int begun;
	struct control_end end[ENDS];
	struct fa floor;
	struct sip_timer *timer;
};

static void link_release(struct link *l)
{
	if (atomic_fetch_sub(&l->refs, 1) == 1)
		free(l);
}

/* ---- messages out ---- */

static void arm(struct call_control *cc);

static void send_to(struct call_control *cc, int to, struct floor_message *m)
{
	uint8_t plain[FLOOR_MAX], wire[FLOOR_MAX + SRTP_MAX_TRAILER];
	size_t len = 0;
	struct control_end *e = &cc->end[to];
	struct writer w = wr_init(plain, sizeof plain);
	m->ssrc = e->own;
	enum srtp_verdict v = floor_message_write(&w, m) ? SRTP_FAILED
							 : csk_control_protect(control_keys_now(e->keys), wr_result(&w),
									       wire, sizeof wire, &len);
	if (v || relay_send(cc->call->relay, cc->at, to, wire, len))
		log_info("floor.unsent", log_text("call_id", cc->call->row.id),
			 log_text("message", floor_type_name(m->type)),
			 log_text("why", v ? srtp_verdict_name(v) : "no way"));
}

/* What the arbiter wants said and who may be heard from here on. */
static void carry_out(struct call_control *cc, struct fa_out *out)
{
	for (int i = 0; i < ENDS; i++)
		relay_gate(cc->call->relay, i, fa_forwards(&cc->floor, i));
	for (size_t i = 0; i < out->n; i++)
		send_to(cc, out->send[i].to, &out->send[i].message);
	if (out->inactive)
		log_info("floor.inactive", log_text("call_id", cc->call->row.id));
	arm(cc);
}

static void on_time(void *arg)
{
	struct call_control *cc = arg;
	struct fa_out out;
	int64_t now = sip_loop_now_ms(cc->call->s->loop);
	cc->timer = NULL;
	while (fa_time(&cc->floor, now, &out))
		carry_out(cc, &out);
	arm(cc);
}

static void arm(struct call_control *cc)
{
	int64_t next = fa_next(&cc->floor), now = sip_loop_now_ms(cc->call->s->loop);
	sip_timer_stop(cc->timer);
	cc->timer = next == INT64_MAX
			? NULL
			: sip_timer_start(cc->call->s->loop, next > now ? (unsigned)(next - now) : 0, on_time, cc);
}

/* ---- packets in ---- */

struct note {
	struct link *link;
	int end;
	size_t len; /* 0: there was media */
	uint8_t packet[];
};

/* A message may name its sender: then it is who owns the key (F-D15). */
static int names_another(const struct call_control *cc, int end, const struct floor_message *m)
{
	return m->has & FLOOR_HAS(FLOOR_F_USER_ID) && !octets_equal(m->user_id, octets_of(cc->floor.p[end].id));
}

static void take_packet(struct call_control *cc, int end, struct octets packet)
{
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	uint32_t csk_id;
	struct floor_message m;
	struct fa_out out;
	struct control_end *e = &cc->end[end];
	struct server *s = cc->call->s;
	enum srtp_verdict v = csk_control_unprotect(control_keys_now(e->keys), e->own, e->peer, packet, plain,
						    sizeof plain, &len, &csk_id);
	metric_add(&s->metrics[v ? M_CONTROL_DROPPED : M_CONTROL_TAKEN], 1);
	if (v)
		return;
	relay_alive(cc->call->relay);
	control_keys_proved(e->keys, csk_id);
	if (floor_message_read((struct octets){plain, len}, &m) != APP_READ_OK ||
	    MCX_FAULT(floor.user, names_another(cc, end, &m)))
		return;
	if (m.ack && m.type != FLOOR_ACK) {
		struct floor_message ack = floor_ack(&m, e->own, FLOOR_BY_CONTROLLING);
		send_to(cc, end, &ack);
	}
	fa_message(&cc->floor, end, &m, sip_loop_now_ms(s->loop), &out);
	carry_out(cc, &out);
}

static void take_note(void *arg)
{
	struct note *n = arg;
	struct call_control *cc = n->link->control;
	if (cc && cc->begun && cc->call->relay && n->len) {
		struct octets rest = {n->packet, n->len}, packet;
		while (csk_control_split(&rest, &packet))
			take_packet(cc, n->end, packet);
		metric_add(&cc->call->s->metrics[M_CONTROL_DROPPED], rest.len != 0);
	} else if (cc && cc->begun && cc->call->relay) {
		struct fa_out out;
		fa_media(&cc->floor, n->end, sip_loop_now_ms(cc->call->s->loop), &out);
		carry_out(cc, &out);
	}
	link_release(n->link);
	free(n);
}

/* On the relay's thread. */
static void on_taken(void *ctx, int end, const uint8_t *packet, size_t len)
{
	struct link *l = ctx;
	struct note *n = malloc(sizeof *n + len);
	if (!n)
		return;
	*n = (struct note){.link = l, .end = end, .len = len};
	if (len)
		memcpy(n->packet, packet, len);
	atomic_fetch_add(&l->refs, 1);
	if (sip_loop_post(l->loop, take_note, n)) {
		atomic_fetch_sub(&l->refs,
				 1); /* never the last one: the call holds its own until the relay is closed */
		free(n);
	}
}

static void on_heard(void *ctx, int end)
{
	on_taken(ctx, end, NULL, 0);
}

/* ---- descriptions ---- */

/* Ours to that end: an SSRC of the server's half that is not the peer's. */
static int take_end(struct call_control *cc, int end, int64_t binding)
{
	uint32_t random;
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, (uint8_t *)&random, sizeof random))
		return -1;
	cc->end[end].own = csk_control_ssrc(CSK_SERVER, random, cc->end[end].peer);
	cc->end[end].keys = control_keys_take(cc->call->s, binding);
	return cc->end[end].keys ? 0 : -1;
}

void control_offered(struct call *c, const struct sdp *offer)
{
	struct sdp_control said;
	size_t at = sdp_control_read(offer, MCX_MCPTT, &said);
	if (c->service != MCX_MCPTT || at == SIZE_MAX || !said.port || !c->s->cfg->floor_control || !c->a.who.has_csk ||
	    !c->b.who.has_csk)
		return;
	enum { LONGEST = sizeof((struct fa_participant *)0)->id };
	int named = strlen(c->row.caller) < LONGEST && strlen(c->row.callee) < LONGEST;
	if (!said.has_floor_ssrc || !named) {
		log_info("floor.refused", log_text("call_id", c->row.id),
			 log_text("why", named ? "no mc_floor_ssrc" : "an identity too long for a field"));
		return;
	}
	struct call_control *cc = calloc(1, sizeof *cc);
	struct link *l = calloc(1, sizeof *l);
	if (!cc || !l) {
		free(cc);
		free(l);
		return;
	}
	*l = (struct link){.refs = 1, .loop = c->s->loop, .control = cc};
	*cc = (struct call_control){.call = c, .link = l, .at = at};
	cc->end[0].said = said;
	cc->end[0].peer = said.floor_ssrc;
	c->control = cc;
	if (take_end(cc, 0, c->row.caller_binding) || take_end(cc, 1, c->row.callee_binding))
		control_close(c);
}

void control_open(struct call *c)
{
	if (c->control)
		relay_end_here(c->relay, c->control->at, &(struct relay_events){on_taken, on_heard, c->control->link});
}

int control_describe(struct call *c, const struct sdp *sdp, int to, size_t *at, struct sdp_control *out)
{
	const struct call_control *cc = c->control;
	struct sdp_control theirs;
	*at = sdp_control_read(sdp, MCX_MCPTT, &theirs);
	if (!cc || *at != cc->at || (to == 0 && !cc->live))
		return 0;
	const struct sdp_control *caller = &cc->end[0].said, *other = &cc->end[!to].said;
	*out = (struct sdp_control){.priority = caller->priority,
				    .queueing = to == 1 || caller->queueing,
				    .has_ssrc = other->has_ssrc && (to == 1 || caller->has_ssrc),
				    .ssrc = other->ssrc,
				    .has_floor_ssrc = 1,
				    .floor_ssrc = cc->end[to].own,
				    .granted = to == 0 && caller->implicit && !cc->begun};
	return 1;
}

int control_answered(struct call *c, const struct sdp *answer)
{
	struct call_control *cc = c->control;
	struct sdp_control said;
	if (!cc || sdp_control_read(answer, MCX_MCPTT, &said) != cc->at || !said.port)
		return 0;
	if (!said.has_floor_ssrc || said.floor_ssrc == cc->end[1].own)
		return -1;
	cc->end[1].said = said;
	cc->end[1].peer = said.floor_ssrc;
	cc->live = 1;
	fa_init(&cc->floor, &fa_default);
	(void)fa_join(&cc->floor, c->row.caller, cc->end[0].said.ssrc, cc->end[0].said.priority,
		      cc->end[0].said.queueing);
	(void)fa_join(&cc->floor, c->row.callee, said.ssrc, said.priority, said.queueing);
	for (int i = 0; i < ENDS; i++)
		relay_gate(c->relay, i, 0);
	return 0;
}

void control_begin(struct call *c)
{
	struct call_control *cc = c->control;
	struct fa_out out;
	if (!cc || !cc->live || cc->begun)
		return;
	cc->begun = 1;
	fa_start(&cc->floor, cc->end[0].said.implicit ? 0 : FA_NOBODY, sip_loop_now_ms(c->s->loop), &out);
	carry_out(cc, &out);
}

void control_moved(struct call *c, const struct sdp *sdp, int end)
{
	struct call_control *cc = c->control;
	struct sdp_control said;
	if (!cc || !cc->begun || sdp_control_read(sdp, MCX_MCPTT, &said) != cc->at || !said.has_floor_ssrc ||
	    said.floor_ssrc == cc->end[end].own)
		return;
	cc->end[end].peer = said.floor_ssrc;
	cc->floor.p[end].media_ssrc = said.has_ssrc ? said.ssrc : 0;
}

void control_say_again(struct server *s, const struct control_keys *k)
{
	for (struct call *c = s->calls; c; c = c->next)
		for (int i = 0; i < ENDS && c->control && c->control->begun; i++) {
			struct fa_out out;
			if (c->control->end[i].keys != k || !c->relay)
				continue;
			fa_repeat(&c->control->floor, i, sip_loop_now_ms(s->loop), &out);
			carry_out(c->control, &out);
		}
}

void control_close(struct call *c)
{
	struct call_control *cc = c->control;
	if (!cc)
		return;
	c->control = NULL;
	sip_timer_stop(cc->timer);
	for (int i = 0; i < ENDS; i++)
		control_keys_release(cc->end[i].keys);
	cc->link->control = NULL;
	link_release(cc->link);
	free(cc);
}

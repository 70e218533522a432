/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - media control of one call, floor control or transmission control: descriptions, packets, the machine's
 * messages and its clock (see control.h). What is of the one or the other alone stands in its rules (control_rules.h).
 *
 * The relay's thread hands packets over as notes to the loop; a note outlives its call, so it holds the link, which the
 * call empties at its end. A packet is dropped without an answer unless it verified (F-D18); only then the sender's
 * state, or who may send, can change.
 */
#include "server/control.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "app/log.h"
#include "mcsec/rng.h"
#include "server/control_rules.h"

enum { ENDS = CONTROL_ENDS };

struct link {
	atomic_int refs;
	struct sip_loop *loop;
	struct call_control *control; /* loop thread; NULL: the call is over */
};

struct control_end {
	struct control_keys *keys;
	uint32_t own, peer; /* SSRCs of the control itself */
	struct sdp_control said;
};

struct call_control {
	struct call *call;
	struct link *link;
	size_t at; /* its media line */
	int live;  /* the callee took it up */
	int begun;
	struct control_end end[ENDS];
	const struct control_rules *rules;
	union control_machine machine;
	struct sip_timer *timer;
};

static void link_release(struct link *l)
{
	if (atomic_fetch_sub(&l->refs, 1) == 1)
		free(l);
}

/* ---- messages out ---- */

static void arm(struct call_control *cc);

void control_say(struct call_control *cc, int to, struct octets plain, const char *name)
{
	uint8_t wire[CONTROL_MESSAGE + SRTP_MAX_TRAILER];
	size_t len = 0;
	enum srtp_verdict v =
	    plain.len ? csk_control_protect(control_keys_now(cc->end[to].keys), plain, wire, sizeof wire, &len)
		      : SRTP_FAILED;
	if (v || relay_send(cc->call->relay, cc->at, to, wire, len))
		log_info("control.unsent", log_text("call_id", cc->call->row.id), log_text("message", name),
			 log_text("why", v ? srtp_verdict_name(v) : "no way"));
}

uint32_t control_own(const struct call_control *cc, int to)
{
	return cc->end[to].own;
}

void control_gates(struct call_control *cc)
{
	for (int i = 0; i < ENDS; i++)
		relay_gate(cc->call->relay, i, cc->rules->forwards(&cc->machine, i));
}

void control_inactive(const struct call_control *cc)
{
	log_info("control.inactive", log_text("call_id", cc->call->row.id));
}

static struct control_turn turn(struct call_control *cc)
{
	return (struct control_turn){cc, &cc->machine, sip_loop_now_ms(cc->call->s->loop)};
}

static void on_time(void *arg)
{
	struct call_control *cc = arg;
	struct control_turn t = turn(cc);
	cc->timer = NULL;
	while (cc->rules->time(&t))
		;
	arm(cc);
}

static void arm(struct call_control *cc)
{
	int64_t next = cc->rules->next(&cc->machine), now = sip_loop_now_ms(cc->call->s->loop);
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

static void take_packet(struct call_control *cc, int end, struct octets packet)
{
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	uint32_t csk_id;
	struct control_end *e = &cc->end[end];
	struct server *s = cc->call->s;
	enum srtp_verdict v = csk_control_unprotect(control_keys_now(e->keys), e->own, e->peer, packet, plain,
						    sizeof plain, &len, &csk_id);
	metric_add(&s->metrics[v ? M_CONTROL_DROPPED : M_CONTROL_TAKEN], 1);
	if (v)
		return;
	relay_alive(cc->call->relay);
	control_keys_proved(e->keys, csk_id);
	struct control_turn t = turn(cc);
	cc->rules->message(&t, end, (struct octets){plain, len});
	arm(cc);
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
		struct control_turn t = turn(cc);
		cc->rules->media(&t, n->end);
		arm(cc);
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

/* The rules of the call's service, NULL where it is not controlled. */
static const struct control_rules *rules_of(const struct call *c)
{
	if (c->service == MCX_MCPTT)
		return c->s->cfg->floor_control ? &control_floor : NULL;
	return c->service == MCX_MCVIDEO && c->s->cfg->transmission_control ? &control_transmission : NULL;
}

void control_offered(struct call *c, const struct sdp *offer)
{
	struct sdp_control said = {0};
	const struct control_rules *rules = rules_of(c);
	size_t at = rules ? sdp_control_read(offer, c->service, &said) : SIZE_MAX;
	if (at == SIZE_MAX || !said.port || !c->a.who.has_csk || !c->b.who.has_csk)
		return;
	enum { LONGEST = sizeof((struct fa_participant *)0)->id };
	int named = strlen(c->row.caller) < LONGEST && strlen(c->row.callee) < LONGEST;
	if (!said.has_floor_ssrc || !named) {
		log_info("control.refused", log_text("call_id", c->row.id),
			 log_text("why", named ? "no SSRC of the control" : "an identity too long for a field"));
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
	*cc = (struct call_control){.call = c, .link = l, .at = at, .rules = rules};
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
	*at = sdp_control_read(sdp, c->service, &theirs);
	if (!cc || *at != cc->at || (to == 0 && !cc->live))
		return 0;
	const struct sdp_control *caller = &cc->end[0].said, *other = &cc->end[!to].said;
	*out = (struct sdp_control){.service = c->service,
				    .priority = caller->priority,
				    .reception_priority = caller->reception_priority,
				    .queueing = to == 1 || caller->queueing,
				    .has_ssrc = other->has_ssrc && (to == 1 || caller->has_ssrc),
				    .ssrc = other->ssrc,
				    .has_video_ssrc = other->has_video_ssrc && (to == 1 || caller->has_video_ssrc),
				    .video_ssrc = other->video_ssrc,
				    .has_floor_ssrc = 1,
				    .floor_ssrc = cc->end[to].own,
				    .granted = to == 0 && caller->implicit && !cc->begun};
	return 1;
}

int control_answered(struct call *c, const struct sdp *answer)
{
	struct call_control *cc = c->control;
	struct sdp_control said;
	if (!cc || sdp_control_read(answer, c->service, &said) != cc->at || !said.port)
		return 0;
	if (!said.has_floor_ssrc || said.floor_ssrc == cc->end[1].own)
		return -1;
	cc->end[1].said = said;
	cc->end[1].peer = said.floor_ssrc;
	cc->live = 1;
	const char *const ids[ENDS] = {c->row.caller, c->row.callee};
	const struct sdp_control *const both[ENDS] = {&cc->end[0].said, &cc->end[1].said};
	cc->rules->join(&cc->machine, ids, both);
	for (int i = 0; i < ENDS; i++)
		relay_gate(c->relay, i, 0);
	return 0;
}

void control_begin(struct call *c)
{
	struct call_control *cc = c->control;
	if (!cc || !cc->live || cc->begun)
		return;
	cc->begun = 1;
	struct control_turn t = turn(cc);
	cc->rules->start(&t, cc->end[0].said.implicit ? 0 : -1);
	arm(cc);
}

void control_moved(struct call *c, const struct sdp *sdp, int end)
{
	struct call_control *cc = c->control;
	struct sdp_control said;
	if (!cc || !cc->begun || sdp_control_read(sdp, c->service, &said) != cc->at || !said.has_floor_ssrc ||
	    said.floor_ssrc == cc->end[end].own)
		return;
	cc->end[end].peer = said.floor_ssrc;
	cc->rules->moved(&cc->machine, end, &said);
}

void control_say_again(struct server *s, const struct control_keys *k)
{
	for (struct call *c = s->calls; c; c = c->next)
		for (int i = 0; i < ENDS && c->control && c->control->begun; i++) {
			if (c->control->end[i].keys != k || !c->relay)
				continue;
			struct control_turn t = turn(c->control);
			c->control->rules->repeat(&t, i);
			arm(c->control);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* ue_floor.c - floor control of a call at the client: who may speak, and what the user hears of it (TS 24.380 6.2;
 * floor 5). */
#include <stdio.h>

#include "ue/ue_control.h"

static void say(struct ue *u, struct floor_message *m)
{
	uint8_t plain[FLOOR_MAX];
	struct writer w = wr_init(plain, sizeof plain);
	m->ssrc = u->call.line->own;
	(void)floor_message_write(&w, m); /* what cannot be written has no octets */
	ue_line_send(u, wr_result(&w));
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
	uint32_t key = ue_line_key(u);
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
	struct ue_line *l = u->call.line;
	if (out->ack && m) {
		struct floor_message ack = floor_ack(m, 0, FLOOR_BY_PARTICIPANT);
		say(u, &ack);
	}
	ue_line_allow(u, fp_may_speak(&l->machine.floor));
	if (out->send)
		say(u, &out->message);
	if (out->tell == FP_TELL_IDLE || out->tell == FP_TELL_NO_ANSWER)
		l->idle_since = now;
	else if (out->tell == FP_TELL_TAKEN || out->tell == FP_TELL_GRANTED)
		l->idle_since = 0;
	if (out->tell == FP_TELL_DENIED || out->tell == FP_TELL_REVOKED || out->tell == FP_TELL_NO_ANSWER)
		l->ask_at = now + LINE_ASK_AGAIN_MS;
	tell(u, out->tell, m);
}

static void step(struct ue *u, enum fp_event ev)
{
	struct fp_out out;
	int64_t now = ue_clock_ms();
	fp_step(&u->call.line->machine.floor, ev, now, &out);
	carry_out(u, &out, NULL, now);
}

/* ---- rules ---- */

static void init(struct ue_line *l)
{
	fp_init(&l->machine.floor, &fp_default);
}

static void begin(struct ue *u)
{
	const struct ue_line *l = u->call.line;
	step(u, l->granted ? FP_EV_CALL_GRANTED : l->implicit ? FP_EV_CALL_IMPLICIT : FP_EV_CALL);
}

static void message(struct ue *u, struct octets plain)
{
	struct floor_message m;
	struct fp_out out;
	int64_t now = ue_clock_ms();
	if (floor_message_read(plain, &m) != APP_READ_OK)
		return;
	fp_message(&u->call.line->machine.floor, &m, now, &out);
	carry_out(u, &out, &m, now);
}

static void due(struct ue *u, int64_t now)
{
	struct ue_line *l = u->call.line;
	struct ue_media_stats media;
	enum fp_event ev;
	while (fp_due(&l->machine.floor, now, &ev))
		step(u, ev);
	media_stats(u->call.media, &media);
	if (media.received != l->heard)
		step(u, FP_EV_MEDIA);
	l->heard = media.received;
}

static void press(struct ue *u)
{
	step(u, FP_EV_PRESS);
}

static void let_go(struct ue *u)
{
	step(u, FP_EV_LET_GO);
}

static int resting(const struct ue_line *l)
{
	return l->machine.floor.state == FP_NO_PERMISSION;
}

const struct ue_line_rules ue_floor_rules = {MCX_MCPTT, init, begin, message, due, press, let_go, resting};

/* SPDX-License-Identifier: Apache-2.0 */
/* control_floor.c - floor control as the rules of a call's control (see control_rules.h; floor 6, 7). */
#include "sec/base/check.h"
#include "server/control_rules.h"

static void say(struct control_turn *t, int to, struct floor_message *m)
{
	uint8_t plain[FLOOR_MAX];
	struct writer w = wr_init(plain, sizeof plain);
	m->ssrc = control_own(t->cc, to);
	(void)floor_message_write(&w, m); /* what cannot be written has no octets, and is recorded as unsent */
	control_say(t->cc, to, wr_result(&w), floor_type_name(m->type));
}

static void carry_out(struct control_turn *t, struct fa_out *out)
{
	control_gates(t->cc);
	for (size_t i = 0; i < out->n; i++)
		say(t, out->send[i].to, &out->send[i].message);
	if (out->inactive)
		control_inactive(t->cc);
}

static void join(union control_machine *m, const char *const ids[CONTROL_ENDS],
		 const struct sdp_control *const said[CONTROL_ENDS])
{
	fa_init(&m->floor, &fa_default);
	for (int i = 0; i < CONTROL_ENDS; i++)
		(void)fa_join(&m->floor, ids[i], said[i]->ssrc, said[i]->priority, said[i]->queueing);
}

static void start(struct control_turn *t, int implicit)
{
	struct fa_out out;
	fa_start(&t->m->floor, implicit, t->now, &out);
	carry_out(t, &out);
}

/* A message may name its sender: then it is who owns the key (F-D15). */
static int names_another(const struct fa *m, int from, const struct floor_message *in)
{
	return in->has & FLOOR_HAS(FLOOR_F_USER_ID) && !octets_equal(in->user_id, octets_of(m->p[from].id));
}

static void message(struct control_turn *t, int from, struct octets plain)
{
	struct floor_message in;
	struct fa_out out;
	if (floor_message_read(plain, &in) != APP_READ_OK ||
	    MCX_FAULT(floor.user, names_another(&t->m->floor, from, &in)))
		return;
	if (in.ack && in.type != FLOOR_ACK) {
		struct floor_message ack = floor_ack(&in, 0, FLOOR_BY_CONTROLLING);
		say(t, from, &ack);
	}
	fa_message(&t->m->floor, from, &in, t->now, &out);
	carry_out(t, &out);
}

static void media(struct control_turn *t, int from)
{
	struct fa_out out;
	fa_media(&t->m->floor, from, t->now, &out);
	carry_out(t, &out);
}

static void repeat(struct control_turn *t, int to)
{
	struct fa_out out;
	fa_repeat(&t->m->floor, to, t->now, &out);
	carry_out(t, &out);
}

static int due(struct control_turn *t)
{
	struct fa_out out;
	int was = fa_time(&t->m->floor, t->now, &out);
	if (was)
		carry_out(t, &out);
	return was;
}

static void moved(union control_machine *m, int end, const struct sdp_control *said)
{
	m->floor.p[end].media_ssrc = said->has_ssrc ? said->ssrc : 0;
}

static int64_t next(const union control_machine *m)
{
	return fa_next(&m->floor);
}

static int forwards(const union control_machine *m, int from)
{
	return fa_forwards(&m->floor, from);
}

const struct control_rules control_floor = {
    MCX_MCPTT, join, start, message, media, repeat, due, moved, next, forwards,
};
